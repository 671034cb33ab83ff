// Sorting along one dimension, always stable. Elements become unsigned keys whose order is theirs: NaN is the greatest,
// the zeros are equal.
#ifndef TSB_KERNELS_SORT_H
#define TSB_KERNELS_SORT_H

#include "kernels/view.h"

// Sorts every row of `in` along dim; the first `keep` of each go to values (dtype of in) and positions (int64), whose
// size in dim is `keep`. Either may be NULL. ST_DECLINED for complex numbers.
Status sort_run(const View *in, int dim, bool descending, int64_t keep, const View *values, const View *positions);

// Of every row along dim the element with `rank` elements before it in sorted order; or the one in the middle (the lower of
// two), which is the first NaN where there is one, or the one in the middle of what is no NaN. values and positions have size
// 1 in dim.
enum { RANK_MEDIAN = -1, RANK_NANMEDIAN = -2 };
Status rank_run(const View *in, int dim, int64_t rank, const View *values, const View *positions);

// positions[i]: where values[i] would be inserted in `sorted` (n ascending values), before (right: behind) equal ones.
void search_sorted(const double *sorted, int64_t n, const double *values, int64_t count, bool right, int64_t *positions);
void search_sorted_ints(const int64_t *sorted, int64_t n, const int64_t *values, int64_t count, bool right, int64_t *positions);

#endif
