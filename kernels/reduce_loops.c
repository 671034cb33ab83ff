// Accumulating loops of the reductions. A row is folded into 16 independent lanes, whose number does not depend on the
// instruction set, so that results do not either. float sums run in float for at most 512 elements, then in double.
#include "kernels/reduce_loops.h"

#include "kernels/isa.h"

#include <math.h>
#include <stdlib.h>

enum { LANES = 16, SHORT_SUM = 512 };

// Folds row x into lanes of type L with `step` (from `lane` and element `v`), then the lanes into `result` with `merge`
// (from `result` and `lane`).
#define FOLD(T, L, start, step, result, merge)                                                                         \
    do {                                                                                                               \
        L lanes[LANES];                                                                                                \
        int64_t i = 0;                                                                                                 \
        for (int k = 0; k < LANES; k++)                                                                                \
            lanes[k] = (start);                                                                                        \
        for (; i + LANES <= n; i += LANES)                                                                             \
            for (int k = 0; k < LANES; k++) {                                                                          \
                T v = x[i + k];                                                                                        \
                L lane = lanes[k];                                                                                     \
                lanes[k] = (step);                                                                                     \
            }                                                                                                          \
        for (; i < n; i++) {                                                                                           \
            T v = x[i];                                                                                                \
            L lane = lanes[0];                                                                                         \
            lanes[0] = (step);                                                                                         \
        }                                                                                                              \
        for (int k = 0; k < LANES; k++) {                                                                              \
            L lane = lanes[k];                                                                                         \
            result = (merge);                                                                                          \
        }                                                                                                              \
    } while (0)

#define COLUMN(T, field, step)                                                                                         \
    do {                                                                                                               \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t j = 0; j < m; j++) {                                                                              \
            T v = x[j];                                                                                                \
            field[j] = (step);                                                                                         \
        }                                                                                                              \
    } while (0)

// Greatest and least with NaN winning; the comparisons with itself vanish for integers.
#define GREATER(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define LESSER(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))

// The first position of the row's winner, if it beats the accumulator.
#define ARG(T, value, better, winner)                                                                                  \
    do {                                                                                                               \
        T best = x[0];                                                                                                 \
        FOLD(T, T, x[0], winner(v, lane), best, winner(lane, best));                                                   \
        bool is_nan = best != best;                                                                                    \
        if (s->at[0] >= 0 && !((T)value[0] == (T)value[0] && (is_nan || best better (T)value[0])))                     \
            return;                                                                                                    \
        int64_t i = 0;                                                                                                 \
        while (is_nan ? x[i] == x[i] : x[i] != best)                                                                   \
            i++;                                                                                                       \
        value[0] = best;                                                                                               \
        s->at[0] = at + i;                                                                                             \
    } while (0)
#define ARG_COLUMNS(T, value, better)                                                                                  \
    do {                                                                                                               \
        for (int64_t j = 0; j < m; j++) {                                                                              \
            T v = x[j];                                                                                                \
            if (s->at[j] < 0 || (value[j] == value[j] && (v != v || v better value[j]))) {                             \
                value[j] = v;                                                                                          \
                s->at[j] = at;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

// T: elements; A: accumulators, in `field` of the state; ROW_SUM: how a row is summed.
#define LOOPS(T, A, S, field, absolute, ROW_SUM)                                                                       \
    ISA_INLINE void S##_row_body(ReduceStep step, ReduceState *s, const void *data, int64_t n, int64_t at, double number) \
    {                                                                                                                  \
        const T *x = data;                                                                                             \
        A *value = s->value.field, acc = value[0];                                                                     \
        double center = s->center[0];                                                                                  \
        switch (step) {                                                                                                \
        case STEP_SUM: ROW_SUM(T, A); break;                                                                           \
        case STEP_NANSUM: FOLD(T, A, 0, lane + (v == v ? (A)v : 0), acc, acc + lane); break;                           \
        case STEP_PROD: FOLD(T, A, 1, lane * (A)v, acc, acc * lane); break;                                            \
        case STEP_MAX: FOLD(T, T, (T)acc, GREATER(v, lane), acc, GREATER(lane, acc)); break;                           \
        case STEP_MIN: FOLD(T, T, (T)acc, LESSER(v, lane), acc, LESSER(lane, acc)); break;                             \
        case STEP_ARGMAX: ARG(T, value, >, GREATER); return;                                                           \
        case STEP_ARGMIN: ARG(T, value, <, LESSER); return;                                                            \
        case STEP_ANY: FOLD(T, uint8_t, 0, lane | (v != 0), acc, acc != 0 || lane); break;                             \
        case STEP_ALL: FOLD(T, uint8_t, 1, lane & (v != 0), acc, acc != 0 && lane); break;                             \
        case STEP_COUNT: FOLD(T, int64_t, 0, lane + (v != 0), acc, acc + (A)lane); break;                              \
        case STEP_SQUARES: FOLD(T, double, 0, lane + ((double)v - center) * ((double)v - center), acc, (A)((double)acc + lane)); break; \
        case STEP_ABS: FOLD(T, double, 0, lane + fabs((double)v), acc, (A)((double)acc + lane)); break;                \
        case STEP_ABS_MAX: FOLD(T, T, (T)acc, GREATER(absolute(v), lane), acc, GREATER(lane, acc)); break;             \
        case STEP_ABS_MIN: FOLD(T, T, (T)acc, LESSER(absolute(v), lane), acc, LESSER(lane, acc)); break;               \
        case STEP_ABS_POWER:                                                                                           \
            for (int64_t i = 0; i < n; i++)                                                                            \
                acc += (A)pow(fabs((double)x[i]), number);                                                             \
            break;                                                                                                     \
        case STEP_EXP:                                                                                                 \
            for (int64_t i = 0; i < n; i++)                                                                            \
                acc += (A)exp((double)x[i] - center);                                                                  \
            break;                                                                                                     \
        }                                                                                                              \
        value[0] = acc;                                                                                                \
    }                                                                                                                  \
    ISA_VARIANTS(S##_row, (ReduceStep step, ReduceState * s, const void *data, int64_t n, int64_t at, double number),  \
                 (step, s, data, n, at, number))                                                                       \
    ISA_INLINE void S##_columns_body(ReduceStep step, ReduceState *s, const void *data, int64_t m, int64_t at, double number) \
    {                                                                                                                  \
        const T *restrict x = data;                                                                                    \
        A *value = s->value.field;                                                                                     \
        const double *center = s->center;                                                                              \
        switch (step) {                                                                                                \
        case STEP_SUM: COLUMN(T, value, value[j] + (A)v); break;                                                       \
        case STEP_NANSUM: COLUMN(T, value, value[j] + (v == v ? (A)v : 0)); break;                                     \
        case STEP_PROD: COLUMN(T, value, value[j] * (A)v); break;                                                      \
        case STEP_MAX: COLUMN(T, value, GREATER((A)v, value[j])); break;                                               \
        case STEP_MIN: COLUMN(T, value, LESSER((A)v, value[j])); break;                                                \
        case STEP_ARGMAX: ARG_COLUMNS(T, value, >); break;                                                             \
        case STEP_ARGMIN: ARG_COLUMNS(T, value, <); break;                                                             \
        case STEP_ANY: COLUMN(T, value, value[j] != 0 || v != 0); break;                                               \
        case STEP_ALL: COLUMN(T, value, value[j] != 0 && v != 0); break;                                               \
        case STEP_COUNT: COLUMN(T, value, value[j] + (v != 0)); break;                                                 \
        case STEP_SQUARES: COLUMN(T, value, value[j] + (A)(((double)v - center[j]) * ((double)v - center[j]))); break; \
        case STEP_ABS: COLUMN(T, value, value[j] + (A)fabs((double)v)); break;                                         \
        case STEP_ABS_MAX: COLUMN(T, value, GREATER((A)absolute(v), value[j])); break;                                 \
        case STEP_ABS_MIN: COLUMN(T, value, LESSER((A)absolute(v), value[j])); break;                                  \
        case STEP_ABS_POWER: COLUMN(T, value, value[j] + (A)pow(fabs((double)v), number)); break;                      \
        case STEP_EXP: COLUMN(T, value, value[j] + (A)exp((double)v - center[j])); break;                              \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(S##_columns, (ReduceStep step, ReduceState * s, const void *data, int64_t m, int64_t at, double number), \
                 (step, s, data, m, at, number))

#define PLAIN_SUM(T, A) FOLD(T, A, 0, lane + (A)v, acc, acc + lane)
// In pieces, each short enough for float.
#define FLOAT_SUM(T, A)                                                                                                \
    do {                                                                                                               \
        const float *all = x;                                                                                          \
        int64_t total = n;                                                                                             \
        for (int64_t from = 0; from < total; from += SHORT_SUM) {                                                      \
            const float *x = all + from;                                                                               \
            int64_t n = total - from < SHORT_SUM ? total - from : SHORT_SUM;                                           \
            FOLD(float, float, 0, lane + v, acc, acc + (double)lane);                                                  \
        }                                                                                                              \
    } while (0)
// Wraps like PyTorch's: unsigned arithmetic.
#define WRAPPING_SUM(T, A) FOLD(T, uint64_t, 0, lane + (uint64_t)v, acc, (A)((uint64_t)acc + lane))

LOOPS(float, double, f32, f, fabsf, FLOAT_SUM)
LOOPS(double, double, f64, f, fabs, PLAIN_SUM)
LOOPS(int64_t, int64_t, i64, i, llabs, WRAPPING_SUM)

const ReduceLoops REDUCE_F32 = {f32_row, f32_columns}, REDUCE_F64 = {f64_row, f64_columns}, REDUCE_I64 = {i64_row, i64_columns};
