// Accumulating loops of the reductions, one set per type (float, double, int64).
#ifndef TSB_KERNELS_REDUCE_LOOPS_H
#define TSB_KERNELS_REDUCE_LOOPS_H

#include "kernels/reduce.h"

enum { REDUCE_COLUMNS = 512, REDUCE_SHORT = 32 }; // the most accumulators at once; float numbers added before a double takes them

// An accumulator: `value` is a double for floating point, an int64 for integers; `at`: position of the value (ARG…).
typedef struct ReduceState {
    union { double f[REDUCE_COLUMNS]; int64_t i[REDUCE_COLUMNS]; } value;
    int64_t at[REDUCE_COLUMNS];
    double center[REDUCE_COLUMNS]; // what is subtracted before (second passes)
} ReduceState;

// What one pass accumulates.
typedef enum ReduceStep {
    STEP_SUM, STEP_NANSUM, STEP_PROD, STEP_MAX, STEP_MIN, STEP_ARGMAX, STEP_ARGMIN, STEP_ANY, STEP_ALL, STEP_COUNT,
    STEP_SQUARES,    // (x - center)²
    STEP_ABS, STEP_ABS_MAX, STEP_ABS_MIN, STEP_ABS_POWER, // |x|, |x|^p
    STEP_EXP,        // exp(x - center)
} ReduceStep;

typedef struct ReduceLoops {
    // n contiguous elements into accumulator 0; `at` is the position of the first.
    void (*row)(ReduceStep step, ReduceState *s, const void *x, int64_t n, int64_t at, double number);
    // m contiguous elements, one into each accumulator, all at position `at`.
    void (*columns)(ReduceStep step, ReduceState *s, const void *x, int64_t m, int64_t at, double number);
} ReduceLoops;

// For elements of type F32, F64 or I64.
const ReduceLoops *reduce_loops(DType type);
// STEP_MAX or STEP_MIN of n contiguous integers narrower than int64 as they are, into *acc. False for other types.
bool reduce_extreme(DType type, ReduceStep step, const void *x, int64_t n, int64_t *acc);

// The greatest (least) of each column of `rows` rows of m integers side by side, row_stride bytes apart, into m results of
// the same type. False: no loop for the type.
bool reduce_extreme_columns(DType type, ReduceStep step, void *out, const void *x, int64_t m, int64_t rows, int64_t row_stride);

#endif
