// Running sums, products, extremes and log-sum-exps along a dimension.
//
// The dimension is walked step by step; at each step a run of neighbours (of the innermost of the other dimensions) moves on
// together, so that memory is read in its order whatever the dimension. Floating-point results accumulate in double, complex
// ones in complex double, the others in int64, and are rounded to the result's dtype.
#include "kernels/isa.h"
#include "kernels/reduce.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 256 }; // neighbours that move on together

typedef struct Cumulative {
    CumulativeOp op;
    int64_t n;              // elements along the dimension
    Converter load, store;  // between the operands and the wide type; not used by the direct loops
    uint8_t wide;           // DType: F32 or C64 (that accumulate in double), F64, I64 or C128
    bool positions, direct; // direct: float, double or int64 in and out, neighbours contiguous or none
    uint8_t type;           // DType, when direct
    int64_t stride[3];      // along the dimension, bytes: in, out, positions
} Cumulative;

static double log_add(double a, double b)
{
    if (isinf(a) && a == b)
        return a;
    double top = a > b || isnan(a) ? a : b;
    return top + log1p(exp(-fabs(a - b)));
}

static double complex log_add_complex(double complex a, double complex b)
{
    double complex top = creal(a) >= creal(b) ? a : b, low = creal(a) >= creal(b) ? b : a;
    return isinf(creal(top)) && creal(a) == creal(b) ? top : top + clog(1 + cexp(low - top));
}

// The result of element i: what came before and x. *at: where the extreme was found.
ISA_INLINE double next_f64(CumulativeOp op, double total, double x, int64_t i, int64_t *at)
{
    switch (op) {
    case CUM_SUM: return total + x;
    case CUM_PROD: return total * x;
    case CUM_LOGSUMEXP: return i ? log_add(total, x) : x;
    default: break;
    }
    bool better = ((op == CUM_MAX ? x >= total : x <= total) & (total == total)) | (x != x) | (i == 0);
    *at = better ? i : *at;
    return better ? x : total;
}

ISA_INLINE int64_t next_i64(CumulativeOp op, int64_t total, int64_t x, int64_t i, int64_t *at)
{
    switch (op) {
    case CUM_SUM: return (int64_t)((uint64_t)total + (uint64_t)x);
    case CUM_PROD: return (int64_t)((uint64_t)total * (uint64_t)x);
    default: break;
    }
    bool better = (op == CUM_MAX ? x >= total : x <= total) | (i == 0);
    *at = better ? i : *at;
    return better ? x : total;
}

ISA_INLINE double complex next_c128(CumulativeOp op, double complex total, double complex x, int64_t i, int64_t *at)
{
    (void)at;
    double re = creal(total), im = cimag(total), x_re = creal(x), x_im = cimag(x);
    if (op == CUM_SUM)
        return CMPLX(re + x_re, im + x_im);
    if (op == CUM_PROD)
        return CMPLX(re * x_re - im * x_im, re * x_im + im * x_re);
    return i ? log_add_complex(total, x) : x;
}

// line: elements i … i + m - 1 of one line; x becomes their results, and `where` (or NULL) gets the positions of extremes.
// step: element i of m neighbours, each with its own acc and at.
#define WIDE(name, T, A, next)                                                                                         \
    ISA_INLINE void line_body_##name(CumulativeOp op, A *acc, T *x, int64_t m, int64_t i, int64_t *at, int64_t *where) \
    {                                                                                                                  \
        A total = *acc;                                                                                                \
        int64_t last = *at;                                                                                            \
        for (int64_t j = 0; j < m; j++) {                                                                              \
            total = next(op, total, x[j], i + j, &last);                                                               \
            x[j] = (T)total;                                                                                           \
            if (op == CUM_MAX || op == CUM_MIN)                                                                        \
                where[j] = last;                                                                                       \
        }                                                                                                              \
        *acc = total;                                                                                                  \
        *at = last;                                                                                                    \
    }                                                                                                                  \
    ISA_INLINE void step_body_##name(CumulativeOp op, A *restrict acc, T *restrict x, int64_t m, int64_t i, int64_t *restrict at) \
    {                                                                                                                  \
        for (int64_t j = 0; j < m; j++) {                                                                              \
            acc[j] = next(op, acc[j], x[j], i, &at[j]);                                                                \
            x[j] = (T)acc[j];                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void line_##name(CumulativeOp op, void *acc, void *x, int64_t m, int64_t i, int64_t *at, int64_t *where)    \
    {                                                                                                                  \
        switch (op) {                                                                                                  \
        case CUM_SUM: line_body_##name(CUM_SUM, acc, x, m, i, at, where); break;                                       \
        case CUM_PROD: line_body_##name(CUM_PROD, acc, x, m, i, at, where); break;                                     \
        case CUM_MAX: line_body_##name(CUM_MAX, acc, x, m, i, at, where); break;                                       \
        case CUM_MIN: line_body_##name(CUM_MIN, acc, x, m, i, at, where); break;                                       \
        default: line_body_##name(CUM_LOGSUMEXP, acc, x, m, i, at, where);                                             \
        }                                                                                                              \
    }                                                                                                                  \
    static void step_##name(CumulativeOp op, void *acc, void *x, int64_t m, int64_t i, int64_t *at)                    \
    {                                                                                                                  \
        switch (op) {                                                                                                  \
        case CUM_SUM: step_body_##name(CUM_SUM, acc, x, m, i, at); break;                                              \
        case CUM_PROD: step_body_##name(CUM_PROD, acc, x, m, i, at); break;                                            \
        case CUM_MAX: step_body_##name(CUM_MAX, acc, x, m, i, at); break;                                              \
        case CUM_MIN: step_body_##name(CUM_MIN, acc, x, m, i, at); break;                                              \
        default: step_body_##name(CUM_LOGSUMEXP, acc, x, m, i, at);                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    static void start_##name(CumulativeOp op, void *acc, int64_t m)                                                    \
    {                                                                                                                  \
        for (int64_t j = 0; j < m; j++)                                                                                \
            ((A *)acc)[j] = op == CUM_PROD;                                                                            \
    }
WIDE(f32, float, double, next_f64)
WIDE(f64, double, double, next_f64)
WIDE(i64, int64_t, int64_t, next_i64)
WIDE(c64, float complex, double complex, next_c128)
WIDE(c128, double complex, double complex, next_c128)

typedef struct Wide {
    int64_t size; // bytes of T
    void (*start)(CumulativeOp op, void *acc, int64_t m);
    void (*line)(CumulativeOp op, void *acc, void *x, int64_t m, int64_t i, int64_t *at, int64_t *where);
    void (*step)(CumulativeOp op, void *acc, void *x, int64_t m, int64_t i, int64_t *at);
} Wide;

static const Wide *wide_of(DType t)
{
    static const Wide f32 = {4, start_f32, line_f32, step_f32}, f64 = {8, start_f64, line_f64, step_f64};
    static const Wide i64 = {8, start_i64, line_i64, step_i64};
    static const Wide c64 = {8, start_c64, line_c64, step_c64}, c128 = {16, start_c128, line_c128, step_c128};
    return t == DT_F32 ? &f32 : t == DT_F64 ? &f64 : t == DT_I64 ? &i64 : t == DT_C64 ? &c64 : &c128;
}

// m neighbours, `near` bytes apart, through the whole dimension.
static void run_neighbours(const Cumulative *c, char *const *data, const int64_t *near, int64_t m)
{
    _Alignas(64) char acc[RUN * 16], x[RUN * 16];
    int64_t at[RUN] = {0};
    const Wide *w = wide_of((DType)c->wide);
    w->start(c->op, acc, m);
    for (int64_t i = 0; i < c->n; i++) {
        convert_row(&c->load, x, w->size, data[0] + i * c->stride[0], near[0], m);
        w->step(c->op, acc, x, m, i, at);
        convert_row(&c->store, data[1] + i * c->stride[1], near[1], x, w->size, m);
        for (int64_t j = 0; c->positions && j < m; j++)
            *(int64_t *)(data[2] + i * c->stride[2] + j * near[2]) = at[j];
    }
}

// One line, converted in pieces.
static void run_line(const Cumulative *c, char *const *data)
{
    _Alignas(64) char acc[16], x[RUN * 16];
    int64_t at = 0, where[RUN];
    const Wide *w = wide_of((DType)c->wide);
    w->start(c->op, acc, 1);
    for (int64_t i = 0; i < c->n; i += RUN) {
        int64_t m = c->n - i < RUN ? c->n - i : RUN;
        convert_row(&c->load, x, w->size, data[0] + i * c->stride[0], c->stride[0], m);
        w->line(c->op, acc, x, m, i, &at, where);
        convert_row(&c->store, data[1] + i * c->stride[1], c->stride[1], x, w->size, m);
        for (int64_t j = 0; c->positions && j < m; j++)
            *(int64_t *)(data[2] + (i + j) * c->stride[2]) = where[j];
    }
}

// Sums and products of T accumulated in A: a single line (m = 1), or m contiguous neighbours.
#define DIRECT(T, A, U)                                                                                                \
    static void direct_##T(const Cumulative *c, char *const *data, int64_t m)                                          \
    {                                                                                                                  \
        bool sum = c->op == CUM_SUM;                                                                                   \
        if (m == 1) {                                                                                                  \
            A acc = !sum;                                                                                              \
            const char *in = data[0];                                                                                  \
            char *out = data[1];                                                                                       \
            for (int64_t i = 0; i < c->n; i++, in += c->stride[0], out += c->stride[1]) {                              \
                A x = *(const T *)in;                                                                                  \
                acc = sum ? (A)((U)acc + (U)x) : (A)((U)acc * (U)x);                                                   \
                *(T *)out = (T)acc;                                                                                    \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        A acc[RUN];                                                                                                    \
        for (int64_t j = 0; j < m; j++)                                                                                \
            acc[j] = !sum;                                                                                             \
        for (int64_t i = 0; i < c->n; i++) {                                                                           \
            const T *in = (const T *)(data[0] + i * c->stride[0]);                                                     \
            T *out = (T *)(data[1] + i * c->stride[1]);                                                                \
            for (int64_t j = 0; sum && j < m; j++) {                                                                   \
                acc[j] = (A)((U)acc[j] + (U)in[j]);                                                                    \
                out[j] = (T)acc[j];                                                                                    \
            }                                                                                                          \
            for (int64_t j = 0; !sum && j < m; j++) {                                                                  \
                acc[j] = (A)((U)acc[j] * (U)in[j]);                                                                    \
                out[j] = (T)acc[j];                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }
DIRECT(float, double, double)
DIRECT(double, double, double)
DIRECT(int64_t, int64_t, uint64_t)

static void cumulative_row(void *ctx, char **data, const int64_t *stride, int64_t m)
{
    const Cumulative *c = ctx;
    int64_t size = (int64_t)dtype_size((DType)c->type), run = RUN;
    bool contiguous = stride[0] == size && stride[1] == size, direct = c->direct;
    if (m == 1 || (direct && !contiguous))
        run = 1;
    // Lines whose elements are the neighbours: one at a time, in the order of memory.
    if (!direct && llabs(c->stride[0]) < llabs(stride[0]))
        run = 1;
    for (int64_t j = 0; j < m; j += run) {
        int64_t now = m - j < run ? m - j : run;
        char *at[3] = {data[0] + j * stride[0], data[1] + j * stride[1], data[2] + j * stride[2]};
        if (!direct && run == 1)
            run_line(c, at);
        else if (!direct)
            run_neighbours(c, at, stride, now);
        else if (c->type == DT_F32)
            direct_float(c, at, now);
        else if (c->type == DT_F64)
            direct_double(c, at, now);
        else
            direct_int64_t(c, at, now);
    }
}

Status cumulative_run(CumulativeOp op, int dim, const View *in, const View *out, const View *positions)
{
    DType t = (DType)in->dtype, result = (DType)out->dtype;
    DTypeCategory category = dtype_category(t);
    bool complex_one = category == DT_COMPLEX || dtype_is_complex(result), real = category == DT_FLOATING || dtype_is_floating(result);
    if (category == DT_QUANTISED || (complex_one && (op == CUM_MAX || op == CUM_MIN)))
        return ST_DECLINED;
    if (!complex_one && !real && op == CUM_LOGSUMEXP)
        return ST_DECLINED;
    Cumulative c = {.op = op, .n = in->ndim ? in->size[dim] : 1, .positions = positions != NULL, .type = in->dtype};
    bool single = t == result && (t == DT_F32 || t == DT_F16 || t == DT_BF16 || t == DT_C64 || t == DT_C32);
    c.wide = complex_one ? (single ? DT_C64 : DT_C128) : real ? (single ? DT_F32 : DT_F64) : DT_I64;
    c.direct = t == result && (op == CUM_SUM || op == CUM_PROD) && (t == DT_F32 || t == DT_F64 || t == DT_I64);
    if (!converter_find(t, (DType)c.wide, &c.load) || !converter_find((DType)c.wide, result, &c.store))
        return ST_DECLINED;
    if (view_numel(in) == 0)
        return ST_OK;
    const View *all[3] = {in, out, positions ? positions : out};
    View rest[3];
    for (int k = 0; k < 3; k++) { // the other dimensions
        rest[k] = *all[k];
        c.stride[k] = in->ndim ? all[k]->stride[dim] * (int64_t)dtype_size((DType)all[k]->dtype) : 0;
        for (int d = dim; d + 1 < in->ndim; d++) {
            rest[k].size[d] = all[k]->size[d + 1];
            rest[k].stride[d] = all[k]->stride[d + 1];
        }
        rest[k].ndim = (uint8_t)(in->ndim ? in->ndim - 1 : 0);
    }
    Iter it;
    const View *views[3] = {&rest[0], &rest[1], &rest[2]};
    iter_plan(&it, rest[0].ndim, rest[0].size, 3, views);
    char *data[3] = {in->data, out->data, positions ? positions->data : out->data};
    iter_run(&it, data, cumulative_row, &c);
    return ST_OK;
}
