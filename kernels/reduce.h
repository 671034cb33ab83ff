// Reductions over any dimensions of a strided tensor. Two walks cover all cases: along rows, when the reduced elements
// are the closest in memory (one accumulator), and along columns, when the kept ones are (a block of accumulators).
// Results depend on the operand's shape and strides only, not on the instruction set.
#ifndef TSB_KERNELS_REDUCE_H
#define TSB_KERNELS_REDUCE_H

#include "kernels/convert.h"
#include "kernels/iter.h"

typedef enum ReduceOp {
    REDUCE_SUM,
    REDUCE_NANSUM,        // NaN counts as 0
    REDUCE_MEAN,
    REDUCE_PROD,
    REDUCE_MAX,           // NaN is the greatest
    REDUCE_MIN,           // NaN is the least
    REDUCE_ARGMAX,        // the first greatest: value and position
    REDUCE_ARGMIN,
    REDUCE_ANY,
    REDUCE_ALL,
    REDUCE_COUNT_NONZERO,
    REDUCE_VAR,           // mean, then squared distances from it; number: correction
    REDUCE_STD,
    REDUCE_NORM,          // number: p; infinities and 0 have their meaning
    REDUCE_LOGSUMEXP,
} ReduceOp;

typedef struct ReduceParams {
    uint8_t op;      // ReduceOp
    bool reduced[VIEW_MAX_DIMS];
    double number;
} ReduceParams;

// in: STRIDED. out[0] (out[1] too for ARGMAX and ARGMIN (values, then int64 positions), and for VAR and STD (the mean),
// where either may be NULL): the kept dimensions of `in` in order, any strides; results are converted to its dtype.
// Positions count the reduced elements in logical order. ST_DECLINED for dtypes without a loop.
Status reduce_run(const ReduceParams *p, const View *in, const View *const out[2]);

typedef enum CumulativeOp { CUM_SUM, CUM_PROD, CUM_MAX, CUM_MIN, CUM_LOGSUMEXP } CumulativeOp;
// Running results along dimension dim. out: same shape. positions (CUM_MAX, CUM_MIN; int64, same shape) may be NULL.
Status cumulative_run(CumulativeOp op, int dim, const View *in, const View *out, const View *positions);

#endif
