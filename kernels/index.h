// Reading and writing elements at computed positions: the one driver behind index, gather, scatter, index_put, take and
// their relatives.
//
// A "dense" tensor and some index tensors are walked together over one shape. The indexed tensor ("base") is a view of
// that shape too, with stride 0 in the dimensions that come from indices; the element lies sum(index[k] * step[k]) further.
#ifndef TSB_KERNELS_INDEX_H
#define TSB_KERNELS_INDEX_H

#include "kernels/iter.h"

enum { INDEX_MAX = ITER_MAX_OPERANDS - 2 };

typedef enum IndexOp {
    INDEX_GET,  // dense = base[…]
    INDEX_SET,  // base[…] = dense; in order, the last one stays
    INDEX_ADD,
    INDEX_MUL,
    INDEX_MAX_OF,
    INDEX_MIN_OF,
} IndexOp;

typedef struct IndexPlan {
    int count;                // index tensors, int64
    int64_t size[INDEX_MAX];  // of the dimension that index k goes into
    int64_t step[INDEX_MAX];  // its stride in base, in elements
    bool wrap;                // negative indices count from the end
    bool in_order;            // walk in logical order (writes that may meet the same place twice)
} IndexPlan;

// dense, base: same dtype. All views have the shape of `dense` or broadcast to it (base: same shape). On an index out of
// range: ST_RAISED, *bad_index says which index tensor and *bad_value the value; nothing else is said.
Status index_run(const IndexPlan *p, IndexOp op, const View *dense, const View *base, const View *const *indices, int *bad_index, int64_t *bad_value);

// Rows: dst[o][k] = src[o][index[k]] for `outer` o, rows of `bytes` bytes, `rows` of them per o in src. Indices are not
// negative; ST_RAISED with *bad for one out of range.
Status take_rows(char *dst, const char *src, int64_t outer, int64_t rows, size_t bytes, const int64_t *index, int64_t n, int64_t *bad);

// Number of elements that are not zero; and their coordinates in logical order, all of the first dimension, then all of the
// next: positions[d * count + i].
int64_t count_true(const View *v);
void true_positions(const View *v, int64_t count, int64_t *positions);

#endif
