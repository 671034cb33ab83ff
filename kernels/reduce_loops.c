// Accumulating loops of the reductions. A row is folded into 16 (a long one: 64) independent lanes, whose number does
// not depend on the instruction set, so that results do not either. float sums run in float for at most REDUCE_SHORT
// elements of a lane, then in double.
#include "kernels/reduce_loops.h"

#include "kernels/cpu/vec.h"
#include "kernels/isa.h"

#include <math.h>
#include <stdlib.h>

enum { LANES = 16, SHORT_SUM = 4 * LANES * REDUCE_SHORT, BLOCK = 512 };

// Folds row x into lanes of type L with `step` (from `lane` and element `v`), then the lanes into `result` with `merge`
// (from `result` and `lane`). LONG_FOLD takes 64 lanes where the row is long enough: four chains of steps that do not
// wait for each other.
#define FOLD(T, L, start, step, result, merge) FOLD_IN(1, T, L, start, step, result, merge)
#define LONG_FOLD(T, L, start, step, result, merge) FOLD_IN(4, T, L, start, step, result, merge)
#define FOLD_IN(chains, T, L, start, step, result, merge)                                                              \
    do {                                                                                                               \
        if (n < LANES) { /* too short for lanes */                                                                     \
            L one = (start);                                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T v = x[i];                                                                                            \
                L lane = one;                                                                                          \
                one = (step);                                                                                          \
            }                                                                                                          \
            L lane = one;                                                                                              \
            result = (merge);                                                                                          \
            break;                                                                                                     \
        }                                                                                                              \
        L lanes[LANES];                                                                                                \
        int64_t i = 0;                                                                                                 \
        for (int k = 0; k < LANES; k++)                                                                                \
            lanes[k] = (start);                                                                                        \
        if ((chains) == 4 && n >= 4 * LANES) {                                                                         \
            L second[LANES], third[LANES], fourth[LANES];                                                              \
            for (int k = 0; k < LANES; k++)                                                                            \
                second[k] = third[k] = fourth[k] = lanes[k];                                                           \
            for (; i + 4 * LANES <= n; i += 4 * LANES) {                                                               \
                FOLD_STEP(T, L, lanes, x + i, step);                                                                   \
                FOLD_STEP(T, L, second, x + i + LANES, step);                                                          \
                FOLD_STEP(T, L, third, x + i + 2 * LANES, step);                                                       \
                FOLD_STEP(T, L, fourth, x + i + 3 * LANES, step);                                                      \
            }                                                                                                          \
            for (int k = 0; k < LANES; k++)                                                                            \
                lanes[k] = FOLD_PAIR(L, result, lanes[k], third[k], merge);                                            \
            for (int k = 0; k < LANES; k++)                                                                            \
                second[k] = FOLD_PAIR(L, result, second[k], fourth[k], merge);                                         \
            for (int k = 0; k < LANES; k++)                                                                            \
                lanes[k] = FOLD_PAIR(L, result, lanes[k], second[k], merge);                                           \
        }                                                                                                              \
        for (; i + LANES <= n; i += LANES)                                                                             \
            FOLD_STEP(T, L, lanes, x + i, step);                                                                       \
        for (; i < n; i++) {                                                                                           \
            T v = x[i];                                                                                                \
            L lane = lanes[0];                                                                                         \
            lanes[0] = (step);                                                                                         \
        }                                                                                                              \
        for (int half = LANES / 2; half; half /= 2) /* pairwise */                                                     \
            for (int k = 0; k < half; k++)                                                                             \
                lanes[k] = FOLD_PAIR(L, result, lanes[k], lanes[k + half], merge);                                     \
        L lane = lanes[0];                                                                                             \
        result = (merge);                                                                                              \
    } while (0)

#define FOLD_STEP(T, L, lanes, elements, step)                                                                         \
    for (int k = 0; k < LANES; k++) {                                                                                  \
        T v = (elements)[k];                                                                                           \
        L lane = lanes[k];                                                                                             \
        lanes[k] = (step);                                                                                             \
    }

#define FOLD_PAIR(L, result, a, b, merge)                                                                              \
    ({                                                                                                                 \
        L first_ = (a), lane = (b), result = first_;                                                                   \
        (L)(merge);                                                                                                    \
    })

#define COLUMN(T, field, step)                                                                                         \
    do {                                                                                                               \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t j = 0; j < m; j++) {                                                                              \
            T v = x[j];                                                                                                \
            field[j] = (step);                                                                                         \
        }                                                                                                              \
    } while (0)

// Greatest and least with NaN winning; the comparisons with itself vanish for integers.
#define GREATER(a, b) ((((a) > (b)) | ((a) != (a))) ? (a) : (b))
#define LESSER(a, b) ((((a) < (b)) | ((a) != (a))) ? (a) : (b))

// The first position of the row's winner, if it beats the accumulator.
#define ARG(T, value, better, extreme)                                                                                 \
    do {                                                                                                               \
        T best = x[0];                                                                                                 \
        extreme(T, x[0], best);                                                                                        \
        bool is_nan = best != best;                                                                                    \
        if (s->at[0] >= 0 && !((T)value[0] == (T)value[0] && (is_nan || best better(T) value[0])))                     \
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

// One function per instruction set, from the body; reduce_loops() chooses among them once per reduction.
#if defined(__x86_64__)
#define VARIANTS(name, params, args)                                                                                   \
    ISA_TARGET_AVX512 static void name##_avx512 params                                                                 \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }                                                                                                                  \
    ISA_TARGET_AVX2 static void name##_avx2 params                                                                     \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }                                                                                                                  \
    static void name##_base params                                                                                     \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }
#define TABLE(S)                                                                                                       \
    {                                                                                                                  \
        [ISA_BASE] = {S##_row_base, S##_columns_base}, [ISA_AVX2] = {S##_row_avx2, S##_columns_avx2}, [ISA_AVX512] = { \
            S##_row_avx512,                                                                                            \
            S##_columns_avx512                                                                                         \
        }                                                                                                              \
    }
#else
#define VARIANTS(name, params, args)                                                                                   \
    static void name##_base params                                                                                     \
    {                                                                                                                  \
        name##_body args;                                                                                              \
    }
#define TABLE(S)                                                                                                       \
    {                                                                                                                  \
        [ISA_BASE] = { S##_row_base, S##_columns_base }                                                                \
    }
#endif

// T: elements; A: accumulators, in `field` of the state; ROW_SUM: how a row is summed.
#define LOOPS(T, A, S, field, absolute, ROW_SUM, ROW_MAX, ROW_MIN, COLUMN_MAX, COLUMN_MIN)                             \
    ISA_INLINE void S##_row_body(ReduceStep step, ReduceState *s, const void *data, int64_t n, int64_t at,             \
                                 double number)                                                                        \
    {                                                                                                                  \
        const T *x = data;                                                                                             \
        A *value = s->value.field, acc = value[0];                                                                     \
        double center = s->center[0];                                                                                  \
        switch (step) {                                                                                                \
        case STEP_SUM:                                                                                                 \
            ROW_SUM(T, A, v);                                                                                          \
            break;                                                                                                     \
        case STEP_NANSUM:                                                                                              \
            ROW_SUM(T, A, v == v ? v : 0);                                                                             \
            break;                                                                                                     \
        case STEP_PROD:                                                                                                \
            LONG_FOLD(T, A, 1, lane *(A)v, acc, acc *lane);                                                            \
            break;                                                                                                     \
        case STEP_MAX:                                                                                                 \
            ROW_MAX(T, (T)acc, acc);                                                                                   \
            break;                                                                                                     \
        case STEP_MIN:                                                                                                 \
            ROW_MIN(T, (T)acc, acc);                                                                                   \
            break;                                                                                                     \
        case STEP_ARGMAX:                                                                                              \
            ARG(T, value, >, ROW_MAX);                                                                                 \
            return;                                                                                                    \
        case STEP_ARGMIN:                                                                                              \
            ARG(T, value, <, ROW_MIN);                                                                                 \
            return;                                                                                                    \
        case STEP_ANY:                                                                                                 \
            FOLD(T, uint8_t, 0, lane | (v != 0), acc, acc != 0 || lane);                                               \
            break;                                                                                                     \
        case STEP_ALL:                                                                                                 \
            FOLD(T, uint8_t, 1, lane &(v != 0), acc, acc != 0 && lane);                                                \
            break;                                                                                                     \
        case STEP_COUNT:                                                                                               \
            FOLD(T, int64_t, 0, lane + (v != 0), acc, acc + (A)lane);                                                  \
            break;                                                                                                     \
        case STEP_SQUARES:                                                                                             \
            LONG_FOLD(T, double, 0, lane + ((double)v - center) * ((double)v - center), acc, (A)((double)acc + lane)); \
            break;                                                                                                     \
        case STEP_ABS:                                                                                                 \
            LONG_FOLD(T, double, 0, lane + fabs((double)v), acc, (A)((double)acc + lane));                             \
            break;                                                                                                     \
        case STEP_ABS_MAX:                                                                                             \
            FOLD(T, T, (T)acc, GREATER(absolute(v), lane), acc, GREATER(lane, acc));                                   \
            break;                                                                                                     \
        case STEP_ABS_MIN:                                                                                             \
            FOLD(T, T, (T)acc, LESSER(absolute(v), lane), acc, LESSER(lane, acc));                                     \
            break;                                                                                                     \
        case STEP_ABS_POWER:                                                                                           \
            if (number == 3)                                                                                           \
                FOLD(T, double, 0, lane + fabs((double)v) * ((double)v * (double)v), acc, (A)((double)acc + lane));    \
            else                                                                                                       \
                S##_power_sum(x, n, number, &acc);                                                                     \
            break;                                                                                                     \
        case STEP_EXP:                                                                                                 \
            S##_exp_sum(x, n, center, &acc);                                                                           \
            break;                                                                                                     \
        }                                                                                                              \
        value[0] = acc;                                                                                                \
    }                                                                                                                  \
    VARIANTS(S##_row, (ReduceStep step, ReduceState * s, const void *data, int64_t n, int64_t at, double number),      \
             (step, s, data, n, at, number))                                                                           \
    ISA_INLINE void S##_columns_body(ReduceStep step, ReduceState *s, const void *data, int64_t m, int64_t at,         \
                                     double number)                                                                    \
    {                                                                                                                  \
        const T *restrict x = data;                                                                                    \
        A *value = s->value.field;                                                                                     \
        const double *center = s->center;                                                                              \
        switch (step) {                                                                                                \
        case STEP_SUM:                                                                                                 \
            COLUMN(T, value, value[j] + (A)v);                                                                         \
            break;                                                                                                     \
        case STEP_NANSUM:                                                                                              \
            COLUMN(T, value, value[j] + (v == v ? (A)v : 0));                                                          \
            break;                                                                                                     \
        case STEP_PROD:                                                                                                \
            COLUMN(T, value, value[j] * (A)v);                                                                         \
            break;                                                                                                     \
        case STEP_MAX:                                                                                                 \
            COLUMN_MAX;                                                                                                \
            break;                                                                                                     \
        case STEP_MIN:                                                                                                 \
            COLUMN_MIN;                                                                                                \
            break;                                                                                                     \
        case STEP_ARGMAX:                                                                                              \
            ARG_COLUMNS(T, value, >);                                                                                  \
            break;                                                                                                     \
        case STEP_ARGMIN:                                                                                              \
            ARG_COLUMNS(T, value, <);                                                                                  \
            break;                                                                                                     \
        case STEP_ANY:                                                                                                 \
            COLUMN(T, value, value[j] != 0 || v != 0);                                                                 \
            break;                                                                                                     \
        case STEP_ALL:                                                                                                 \
            COLUMN(T, value, value[j] != 0 && v != 0);                                                                 \
            break;                                                                                                     \
        case STEP_COUNT:                                                                                               \
            COLUMN(T, value, value[j] + (v != 0));                                                                     \
            break;                                                                                                     \
        case STEP_SQUARES:                                                                                             \
            COLUMN(T, value, value[j] + (A)(((double)v - center[j]) * ((double)v - center[j])));                       \
            break;                                                                                                     \
        case STEP_ABS:                                                                                                 \
            COLUMN(T, value, value[j] + (A)fabs((double)v));                                                           \
            break;                                                                                                     \
        case STEP_ABS_MAX:                                                                                             \
            COLUMN(T, value, GREATER((A)absolute(v), value[j]));                                                       \
            break;                                                                                                     \
        case STEP_ABS_MIN:                                                                                             \
            COLUMN(T, value, LESSER((A)absolute(v), value[j]));                                                        \
            break;                                                                                                     \
        case STEP_ABS_POWER:                                                                                           \
            COLUMN(T, value, value[j] + (A)pow(fabs((double)v), number));                                              \
            break;                                                                                                     \
        case STEP_EXP:                                                                                                 \
            S##_exp_columns(x, m, center, value);                                                                      \
            break;                                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    VARIANTS(S##_columns, (ReduceStep step, ReduceState * s, const void *data, int64_t m, int64_t at, double number),  \
             (step, s, data, m, at, number))

// The extreme of the row and `first`. Floating point through the vector tables: compilers do not vectorise a choice in
// which NaN wins.
#define F32_MAX(T, first, result) result = vec_table()->f32_max(x, n, first)
#define F32_MIN(T, first, result) result = vec_table()->f32_min(x, n, first)
#define F64_MAX(T, first, result) result = vec_table()->f64_max(x, n, first)
#define F64_MIN(T, first, result) result = vec_table()->f64_min(x, n, first)
#define PLAIN_MAX(T, first, result) FOLD(T, T, first, GREATER(v, lane), result, GREATER(lane, result))
#define PLAIN_MIN(T, first, result) FOLD(T, T, first, LESSER(v, lane), result, LESSER(lane, result))

// term: of element v.
#define PLAIN_SUM(T, A, term) LONG_FOLD(T, A, 0, lane + (A)(term), acc, acc + lane)
// In pieces, each short enough for float.
#define FLOAT_SUM(T, A, term)                                                                                          \
    do {                                                                                                               \
        const float *all = x;                                                                                          \
        int64_t total = n;                                                                                             \
        for (int64_t from = 0; from < total; from += SHORT_SUM) {                                                      \
            const float *x = all + from;                                                                               \
            int64_t n = total - from < SHORT_SUM ? total - from : SHORT_SUM;                                           \
            LONG_FOLD(float, float, 0, lane + (term), acc, acc + (double)lane);                                        \
        }                                                                                                              \
    } while (0)
// Wraps like PyTorch's: unsigned arithmetic.
#define WRAPPING_SUM(T, A, term) LONG_FOLD(T, uint64_t, 0, lane + (uint64_t)(term), acc, (A)((uint64_t)acc + lane))

// exp and pow in blocks by the elementwise loops, then summed.
static void f32_exp_sum(const float *all, int64_t total, double center, double *sum)
{
    float x[BLOCK];
    for (int64_t from = 0; from < total; from += BLOCK) {
        int64_t n = total - from < BLOCK ? total - from : BLOCK;
        const void *in[] = {x};
        double acc = 0;
        for (int64_t i = 0; i < n; i++)
            x[i] = (float)((double)all[from + i] - center);
        vec_table()->f32[PW_EXP](x, in, n, 0, NULL);
        FOLD(float, float, 0, lane + v, acc, acc + (double)lane);
        *sum += acc;
    }
}
static void f64_exp_sum(const double *all, int64_t total, double center, double *sum)
{
    double x[BLOCK];
    for (int64_t from = 0; from < total; from += BLOCK) {
        int64_t n = total - from < BLOCK ? total - from : BLOCK;
        const void *in[] = {x};
        double acc = 0;
        for (int64_t i = 0; i < n; i++)
            x[i] = all[from + i] - center;
        vec_table()->f64[PW_EXP](x, in, n, 0, NULL);
        FOLD(double, double, 0, lane + v, acc, acc + lane);
        *sum += acc;
    }
}
#define POWER_SUM(T, A, S)                                                                                             \
    static void S##_power_sum(const T *all, int64_t total, double number, A *sum)                                      \
    {                                                                                                                  \
        double x[BLOCK];                                                                                               \
        for (int64_t from = 0; from < total; from += BLOCK) {                                                          \
            int64_t n = total - from < BLOCK ? total - from : BLOCK;                                                   \
            const void *in[] = {x, &number};                                                                           \
            double acc = 0;                                                                                            \
            for (int64_t i = 0; i < n; i++)                                                                            \
                x[i] = fabs((double)all[from + i]);                                                                    \
            vec_table()->f64[PW_POW](x, in, n, 2, NULL);                                                               \
            FOLD(double, double, 0, lane + v, acc, acc + lane);                                                        \
            *sum += (A)acc;                                                                                            \
        }                                                                                                              \
    }
POWER_SUM(float, double, f32)
POWER_SUM(double, double, f64)
POWER_SUM(int64_t, int64_t, i64) // norms of integers are taken of doubles: not used
static void f32_exp_columns(const float *x, int64_t m, const double *center, double *sum)
{
    float y[REDUCE_COLUMNS];
    const void *in[] = {y};
    for (int64_t j = 0; j < m; j++)
        y[j] = (float)((double)x[j] - center[j]);
    vec_table()->f32[PW_EXP](y, in, m, 0, NULL);
    for (int64_t j = 0; j < m; j++)
        sum[j] += (double)y[j];
}
static void f64_exp_columns(const double *x, int64_t m, const double *center, double *sum)
{
    double y[REDUCE_COLUMNS];
    const void *in[] = {y};
    for (int64_t j = 0; j < m; j++)
        y[j] = x[j] - center[j];
    vec_table()->f64[PW_EXP](y, in, m, 0, NULL);
    for (int64_t j = 0; j < m; j++)
        sum[j] += y[j];
}
static void i64_exp_columns(const int64_t *x, int64_t m, const double *center, int64_t *sum)
{
    for (int64_t j = 0; j < m; j++)
        sum[j] += (int64_t)exp((double)x[j] - center[j]);
}
// Reductions that exponentiate convert integers to double first.
static void i64_exp_sum(const int64_t *x, int64_t n, double center, int64_t *sum)
{
    for (int64_t i = 0; i < n; i++)
        *sum += (int64_t)exp((double)x[i] - center);
}

LOOPS(float, double, f32, f, fabsf, FLOAT_SUM, F32_MAX, F32_MIN, vec_table()->f32_max_columns(value, x, m),
      vec_table()->f32_min_columns(value, x, m))
LOOPS(double, double, f64, f, fabs, PLAIN_SUM, F64_MAX, F64_MIN, vec_table()->f64_max_columns(value, x, m),
      vec_table()->f64_min_columns(value, x, m))
LOOPS(int64_t, int64_t, i64, i, llabs, WRAPPING_SUM, PLAIN_MAX, PLAIN_MIN, COLUMN(int64_t, value, GREATER(v, value[j])),
      COLUMN(int64_t, value, LESSER(v, value[j])))

const ReduceLoops *reduce_loops(DType type)
{
    static const ReduceLoops f32[ISA_COUNT] = TABLE(f32), f64[ISA_COUNT] = TABLE(f64), i64[ISA_COUNT] = TABLE(i64);
    Isa isa = kernel_isa();
    return type == DT_F32 ? &f32[isa] : type == DT_F64 ? &f64[isa] : &i64[isa];
}

#define EXTREMES(T)                                                                                                    \
    ISA_INLINE void extreme_##T##_body(ReduceStep step, const T *x, int64_t n, int64_t *acc)                           \
    {                                                                                                                  \
        T best = x[0];                                                                                                 \
        if (step == STEP_MAX) {                                                                                        \
            for (int64_t i = 0; i < n; i++)                                                                            \
                best = x[i] > best ? x[i] : best;                                                                      \
            *acc = best > *acc ? best : *acc;                                                                          \
        } else {                                                                                                       \
            for (int64_t i = 0; i < n; i++)                                                                            \
                best = x[i] < best ? x[i] : best;                                                                      \
            *acc = best < *acc ? best : *acc;                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(extreme_##T, (ReduceStep step, const T *x, int64_t n, int64_t *acc), (step, x, n, acc))
EXTREMES(uint8_t)
EXTREMES(int8_t)
EXTREMES(int16_t)
EXTREMES(int32_t)

bool reduce_extreme(DType type, ReduceStep step, const void *x, int64_t n, int64_t *acc)
{
    if (n <= 0)
        return n == 0;
    switch (type) {
    case DT_U8:
        extreme_uint8_t(step, x, n, acc);
        return true;
    case DT_I8:
        extreme_int8_t(step, x, n, acc);
        return true;
    case DT_I16:
        extreme_int16_t(step, x, n, acc);
        return true;
    case DT_I32:
        extreme_int32_t(step, x, n, acc);
        return true;
    default:
        return false;
    }
}

// Columns in blocks that stay in the first-level cache.
#define EXTREME_COLUMNS(T)                                                                                             \
    ISA_INLINE void columns_##T##_body(ReduceStep step, T *out, const T *x, int64_t m, int64_t rows, int64_t row_stride) \
    {                                                                                                                  \
        enum { BLOCK = 4096 };                                                                                         \
        for (int64_t from = 0; from < m; from += BLOCK) {                                                              \
            int64_t n = m - from < BLOCK ? m - from : BLOCK;                                                           \
            T *restrict best = out + from;                                                                             \
            const T *restrict row = x + from;                                                                          \
            memcpy(best, row, (size_t)n * sizeof(T));                                                                  \
            for (int64_t r = 1; r < rows; r++) {                                                                       \
                row = (const T *)((const char *)(x + from) + r * row_stride);                                          \
                for (int64_t j = 0; step == STEP_MAX && j < n; j++)                                                    \
                    best[j] = row[j] > best[j] ? row[j] : best[j];                                                     \
                for (int64_t j = 0; step != STEP_MAX && j < n; j++)                                                    \
                    best[j] = row[j] < best[j] ? row[j] : best[j];                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(columns_##T, (ReduceStep step, T * out, const T *x, int64_t m, int64_t rows, int64_t row_stride), (step, out, x, m, rows, row_stride))
EXTREME_COLUMNS(uint8_t)
EXTREME_COLUMNS(int8_t)
EXTREME_COLUMNS(int16_t)
EXTREME_COLUMNS(int32_t)
EXTREME_COLUMNS(int64_t)

bool reduce_extreme_columns(DType type, ReduceStep step, void *out, const void *x, int64_t m, int64_t rows, int64_t row_stride)
{
    switch (type) {
    case DT_U8: columns_uint8_t(step, out, x, m, rows, row_stride); return true;
    case DT_I8: columns_int8_t(step, out, x, m, rows, row_stride); return true;
    case DT_I16: columns_int16_t(step, out, x, m, rows, row_stride); return true;
    case DT_I32: columns_int32_t(step, out, x, m, rows, row_stride); return true;
    case DT_I64: columns_int64_t(step, out, x, m, rows, row_stride); return true;
    default: return false;
    }
}
