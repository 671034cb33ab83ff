// Running sums, products, extremes and log-sum-exps along a dimension.
//
// The dimension is walked step by step; at each step a run of neighbours (of the innermost of the other dimensions) moves on
// together, so that memory is read in its order whatever the dimension. Floating-point results accumulate in double, complex
// ones in complex double, the others in int64, and are rounded to the result's dtype.
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
    uint8_t wide;           // DType
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

// Is v, at a later step, the new extreme?
#define BETTER(op, v, best) ((v) != (v) || ((best) == (best) && ((op) == CUM_MAX ? (v) >= (best) : (v) <= (best))))

// One step of m neighbours in the wide type: acc moves on by x. at: where the extremes were found, or NULL.
static void step_f64(CumulativeOp op, double *acc, const double *x, int64_t m, int64_t i, int64_t *at)
{
    for (int64_t j = 0; j < m; j++)
        switch (op) {
        case CUM_SUM: acc[j] += x[j]; break;
        case CUM_PROD: acc[j] *= x[j]; break;
        case CUM_LOGSUMEXP: acc[j] = i ? log_add(acc[j], x[j]) : x[j]; break;
        default:
            if (i == 0 || BETTER(op, x[j], acc[j])) {
                acc[j] = x[j];
                at[j] = i;
            }
        }
}

static void step_i64(CumulativeOp op, int64_t *acc, const int64_t *x, int64_t m, int64_t i, int64_t *at)
{
    for (int64_t j = 0; j < m; j++)
        switch (op) {
        case CUM_SUM: acc[j] = (int64_t)((uint64_t)acc[j] + (uint64_t)x[j]); break;
        case CUM_PROD: acc[j] = (int64_t)((uint64_t)acc[j] * (uint64_t)x[j]); break;
        default:
            if (i == 0 || BETTER(op, x[j], acc[j])) {
                acc[j] = x[j];
                at[j] = i;
            }
        }
}

static void step_c128(CumulativeOp op, double complex *acc, const double complex *x, int64_t m, int64_t i)
{
    for (int64_t j = 0; j < m; j++) {
        double *a = (double *)&acc[j], re = creal(x[j]), im = cimag(x[j]), old = a[0];
        if (op == CUM_SUM) {
            a[0] += re;
            a[1] += im;
        } else if (op == CUM_PROD) {
            a[0] = old * re - a[1] * im;
            a[1] = old * im + a[1] * re;
        } else {
            acc[j] = i ? log_add_complex(acc[j], x[j]) : x[j];
        }
    }
}

static void step(const Cumulative *c, void *acc, const void *x, int64_t m, int64_t i, int64_t *at)
{
    if (c->wide == DT_F64)
        step_f64(c->op, acc, x, m, i, at);
    else if (c->wide == DT_I64)
        step_i64(c->op, acc, x, m, i, at);
    else
        step_c128(c->op, acc, x, m, i);
}

static void start(const Cumulative *c, char *acc, int64_t m)
{
    for (int64_t j = 0; j < m; j++) {
        if (c->wide == DT_F64)
            ((double *)acc)[j] = c->op == CUM_PROD;
        else if (c->wide == DT_I64)
            ((int64_t *)acc)[j] = c->op == CUM_PROD;
        else
            ((double complex *)acc)[j] = c->op == CUM_PROD;
    }
}

// m neighbours, `near` bytes apart, through the whole dimension.
static void run_neighbours(const Cumulative *c, char *const *data, const int64_t *near, int64_t m)
{
    _Alignas(64) char acc[RUN * 16], x[RUN * 16];
    int64_t at[RUN] = {0}, size = c->wide == DT_C128 ? 16 : 8;
    start(c, acc, m);
    for (int64_t i = 0; i < c->n; i++) {
        convert_row(&c->load, x, size, data[0] + i * c->stride[0], near[0], m);
        step(c, acc, x, m, i, at);
        convert_row(&c->store, data[1] + i * c->stride[1], near[1], acc, size, m);
        for (int64_t j = 0; c->positions && j < m; j++)
            *(int64_t *)(data[2] + i * c->stride[2] + j * near[2]) = at[j];
    }
}

// One line, converted in pieces.
static void run_line(const Cumulative *c, char *const *data)
{
    _Alignas(64) char acc[16], x[RUN * 16];
    int64_t at = 0, size = c->wide == DT_C128 ? 16 : 8;
    start(c, acc, 1);
    for (int64_t i = 0; i < c->n; i += RUN) {
        int64_t m = c->n - i < RUN ? c->n - i : RUN;
        convert_row(&c->load, x, size, data[0] + i * c->stride[0], c->stride[0], m);
        for (int64_t k = 0; k < m; k++) {
            step(c, acc, x + k * size, 1, i + k, &at);
            memcpy(x + k * size, acc, (size_t)size);
            if (c->positions)
                *(int64_t *)(data[2] + (i + k) * c->stride[2]) = at;
        }
        convert_row(&c->store, data[1] + i * c->stride[1], c->stride[1], x, size, m);
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
    if (direct && !contiguous)
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
    c.wide = complex_one ? DT_C128 : real ? DT_F64 : DT_I64;
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
