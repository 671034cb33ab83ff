// Reductions of complex numbers. Sums run over the parts as real numbers; the others fold one result at a time in double
// precision, as reductions of complex tensors are rare.
#include "kernels/reduce_complex.h"

#include "kernels/isa.h"
#include "kernels/promote.h"

#include <complex.h>
#include <math.h>
#include <string.h>

typedef struct Fold {
    ReduceOp op;
    double number;
    bool single; // not complex128
    Converter load, store[2];
    Iter reduced;
    bool has_out[2];
    DType out_type[2];
    double count, divisor; // divisor: of a sum that is a mean
    // of one result
    bool second_pass;
    double complex value, center;
    double real;
} Fold;

static double norm_term(double size, double p, double so_far)
{
    if (p == 0)
        return so_far + (size != 0);
    if (isinf(p))
        return size != size || so_far != so_far ? NAN : p > 0 ? fmax(so_far, size) : fmin(so_far, size);
    return so_far + (p == 1 ? size : p == 2 ? size * size : pow(size, p));
}

// single: the parts have the digits and the range of floats.
static double magnitude(const double *x, bool single)
{
    double size = single ? sqrt(x[0] * x[0] + x[1] * x[1]) : NAN;
    return size == size ? size : hypot(x[0], x[1]);
}

// Sums float parts in 8 independent pairs, and those of at most 512 numbers in float.
static double complex sum_row(const float *x, int64_t n)
{
    double re = 0, im = 0;
    for (int64_t from = 0; from < n; from += 512) {
        int64_t m = n - from < 512 ? n - from : 512, i = 0;
        const float *at = x + 2 * from;
        float lane[16] = {0};
        for (; i + 8 <= m; i += 8)
            for (int k = 0; k < 16; k++)
                lane[k] += at[2 * i + k];
        for (; i < m; i++) {
            lane[0] += at[2 * i];
            lane[1] += at[2 * i + 1];
        }
        for (int k = 0; k < 16; k += 2) {
            re += (double)lane[k];
            im += (double)lane[k + 1];
        }
    }
    return CMPLX(re, im);
}

// Products and counts over numbers that lie side by side, of parts in T. Products go in 8 independent chains, without the C
// standard's care for infinities, as PyTorch's.
enum { CHAINS = 8 };
#define LOOPS(T)                                                                                                       \
    ISA_INLINE void multiply_##T##_body(double *restrict all_re, double *restrict all_im, const T *x, int64_t n)       \
    {                                                                                                                  \
        double re[CHAINS], im[CHAINS];                                                                                 \
        memcpy(re, all_re, sizeof re);                                                                                 \
        memcpy(im, all_im, sizeof im);                                                                                 \
        for (int64_t i = 0; i + CHAINS <= n; i += CHAINS, x += 2 * CHAINS) {                                           \
            double c[CHAINS], d[CHAINS];                                                                               \
            for (int k = 0; k < CHAINS; k++) {                                                                         \
                c[k] = (double)x[2 * k];                                                                               \
                d[k] = (double)x[2 * k + 1];                                                                           \
            }                                                                                                          \
            for (int k = 0; k < CHAINS; k++) {                                                                         \
                double old = re[k];                                                                                    \
                re[k] = old * c[k] - im[k] * d[k];                                                                     \
                im[k] = old * d[k] + im[k] * c[k];                                                                     \
            }                                                                                                          \
        }                                                                                                              \
        memcpy(all_re, re, sizeof re);                                                                                 \
        memcpy(all_im, im, sizeof im);                                                                                 \
    }                                                                                                                  \
    ISA_INLINE void count_##T##_body(int64_t *count, const T *x, int64_t n)                                            \
    {                                                                                                                  \
        int set = 0;                                                                                                   \
        for (int i = 0; i < (int)n; i++)                                                                               \
            set += (x[2 * i] != 0) | (x[2 * i + 1] != 0);                                                              \
        *count += set;                                                                                                 \
    }                                                                                                                  \
    ISA_VARIANTS(multiply_##T, (double *re, double *im, const T *x, int64_t n), (re, im, x, n))                        \
    ISA_VARIANTS(count_##T, (int64_t * count, const T *x, int64_t n), (count, x, n))                                   \
    static double complex product_##T(const T *x, int64_t n)                                                           \
    {                                                                                                                  \
        double re[CHAINS] = {1, 1, 1, 1, 1, 1, 1, 1}, im[CHAINS] = {0};                                                \
        multiply_##T(re, im, x, n);                                                                                    \
        double complex all = CMPLX(re[0], im[0]);                                                                      \
        for (int k = 1; k < CHAINS; k++)                                                                               \
            all = multiply(all, CMPLX(re[k], im[k]));                                                                  \
        for (int64_t i = n - n % CHAINS; i < n; i++)                                                                   \
            all = multiply(all, CMPLX((double)x[2 * i], (double)x[2 * i + 1]));                                        \
        return all;                                                                                                    \
    }
static double complex multiply(double complex x, double complex y)
{
    double a = creal(x), b = cimag(x), c = creal(y), d = cimag(y);
    return CMPLX(a * c - b * d, a * d + b * c);
}
LOOPS(float)
LOOPS(double)

static double sum_of_squares(const double *x, double re, double im, int64_t n)
{
    double lane[4] = {0};
    int64_t i = 0;
    for (; i + 2 <= n; i += 2)
        for (int k = 0; k < 4; k++) {
            double d = x[2 * i + k] - (k & 1 ? im : re);
            lane[k] += d * d;
        }
    for (; i < n; i++) {
        lane[0] += (x[2 * i] - re) * (x[2 * i] - re);
        lane[1] += (x[2 * i + 1] - im) * (x[2 * i + 1] - im);
    }
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

// n numbers, side by side.
static void fold_block(Fold *f, const double *x, int64_t n)
{
    double re = 0, im = 0;
    switch (f->op) {
    case REDUCE_NORM:
        if (f->number == 2)
            f->real += sum_of_squares(x, 0, 0, n);
        else
            for (int64_t i = 0; i < n; i++)
                f->real = norm_term(magnitude(x + 2 * i, f->single), f->number, f->real);
        break;
    case REDUCE_LOGSUMEXP: // the greatest real part, then the sum of powers relative to it
        for (int64_t i = 0; f->second_pass && i < n; i++)
            f->value += cexp(CMPLX(x[2 * i], x[2 * i + 1]) - creal(f->center));
        for (int64_t i = 0; !f->second_pass && i < n; i++)
            if (!(x[2 * i] <= f->real))
                f->real = isnan(f->real) ? f->real : x[2 * i];
        break;
    default: // sums, variances
        if (f->second_pass) {
            f->real += sum_of_squares(x, creal(f->center), cimag(f->center), n);
            break;
        }
        for (int64_t i = 0; i < n; i++) {
            re += x[2 * i];
            im += x[2 * i + 1];
        }
        f->value = CMPLX(creal(f->value) + re, cimag(f->value) + im);
    }
}

static void fold_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    enum { BLOCK = 256 };
    Fold *f = ctx;
    double x[2 * BLOCK];
    const bool singles = f->load.src_size == 8 && stride[0] == 8;
    if (f->op == REDUCE_SUM && singles) {
        f->value += sum_row((const float *)data[0], n);
        return;
    }
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK, set = 0;
        const char *from = data[0] + at * stride[0];
        bool counts = f->op == REDUCE_ANY || f->op == REDUCE_ALL || f->op == REDUCE_COUNT_NONZERO;
        if (!singles || !(counts || f->op == REDUCE_PROD))
            convert_row(&f->load, (char *)x, 16, from, stride[0], m);
        if (counts && singles)
            count_float(&set, (const float *)from, m);
        else if (counts)
            count_double(&set, x, m);
        switch (f->op) {
        case REDUCE_PROD: f->value = multiply(f->value, singles ? product_float((const float *)from, m) : product_double(x, m)); break;
        case REDUCE_ANY: f->real = f->real != 0 || set; break;
        case REDUCE_ALL: f->real = f->real != 0 && set == m; break;
        case REDUCE_COUNT_NONZERO: f->real += (double)set; break;
        default: fold_block(f, x, m);
        }
    }
}

static void pass(Fold *f, char *in)
{
    bool ones = f->op == REDUCE_PROD || f->op == REDUCE_ALL;
    f->value = ones ? 1 : 0;
    f->real = ones ? 1 : f->op == REDUCE_NORM && isinf(f->number) && f->number < 0 ? INFINITY : f->op == REDUCE_LOGSUMEXP ? -INFINITY : 0;
    iter_run(&f->reduced, &in, fold_row, f);
}

static void one_result(Fold *f, char *in)
{
    f->second_pass = false;
    pass(f, in);
    if (f->op == REDUCE_NORM && f->number != 0 && f->number != 1 && !isinf(f->number)) {
        f->real = f->number == 2 ? sqrt(f->real) : pow(f->real, 1 / f->number);
    } else if (f->op == REDUCE_VAR || f->op == REDUCE_STD) {
        f->center = f->value / f->count;
        f->second_pass = true;
        pass(f, in);
        double rest = f->count - f->number;
        f->real /= rest > 0 ? rest : 0;
        f->real = f->op == REDUCE_STD ? sqrt(f->real) : f->real;
    }
    if (f->op == REDUCE_LOGSUMEXP) {
        f->center = isinf(f->real) ? 0 : f->real;
        f->second_pass = true;
        pass(f, in);
        f->value = clog(f->value) + creal(f->center);
    } else if (f->op == REDUCE_SUM)
        f->value /= f->divisor;
    else if (f->op != REDUCE_PROD)
        f->value = f->real;
}

// Neighbours in memory that are kept: how many of the numbers of each are not 0.
enum { COLUMNS = 256 };
typedef struct ColumnCounts {
    int64_t m; // columns
    uint64_t count[COLUMNS];
} ColumnCounts;

ISA_INLINE void count_columns_body(ColumnCounts *c, const char *data, int64_t stride, int64_t n)
{
    int64_t m = c->m;
    uint64_t *count = c->count;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t *z = (const uint64_t *)(data + i * stride); // both parts
        ISA_INDEPENDENT
        for (int64_t j = 0; j < m; j++)
            count[j] += (z[j] & 0x7fffffff7fffffff) != 0; // -0 is 0
    }
}
ISA_VARIANTS(count_columns, (ColumnCounts *c, const char *data, int64_t stride, int64_t n), (c, data, stride, n))

static void column_row(void *ctx, char **data, const int64_t *stride, int64_t n) { count_columns(ctx, data[0], stride[0], n); }

static void kept_columns(const Fold *f, char **data, const int64_t *stride, int64_t n)
{
    for (int64_t at = 0; at < n; at += COLUMNS) {
        ColumnCounts c = {.m = n - at < COLUMNS ? n - at : COLUMNS};
        char *in = data[0] + at * stride[0];
        iter_run(&f->reduced, &in, column_row, &c);
        for (int64_t j = 0; j < c.m; j++) {
            double count = (double)c.count[j], part[2] = {f->op == REDUCE_ANY ? count > 0 : f->op == REDUCE_ALL ? count == f->count : count, 0};
            convert_row(&f->store[0], data[1] + (at + j) * stride[1], 0, (const char *)part, 0, 1);
        }
    }
}

static void kept_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    Fold *f = ctx;
    bool counts = f->op == REDUCE_ANY || f->op == REDUCE_ALL || f->op == REDUCE_COUNT_NONZERO;
    if (counts && n > 1 && f->load.src_size == 8 && stride[0] == 8 && f->has_out[0] && !f->has_out[1] && f->reduced.numel > 1) {
        kept_columns(f, data, stride, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        one_result(f, data[0] + i * stride[0]);
        double complex made[2] = {f->value, f->center};
        for (int k = 0; k < 2; k++) {
            double part[2] = {creal(made[k]), cimag(made[k])};
            if (f->has_out[k])
                convert_row(&f->store[k], data[k + 1] + i * stride[k + 1], 0, (const char *)part, 0, 1);
        }
    }
}

static Status fold(const ReduceParams *p, const View *in, const View *const out[2])
{
    Fold f = {.op = (ReduceOp)p->op == REDUCE_MEAN ? REDUCE_SUM : (ReduceOp)p->op, .number = p->number, .single = in->dtype != DT_C128, .count = 1};
    bool known = converter_find((DType)in->dtype, DT_C128, &f.load);
    for (int k = 0; k < 2; k++) {
        f.has_out[k] = out[k] != NULL;
        known = known && (!out[k] || converter_find(DT_C128, (DType)out[k]->dtype, &f.store[k]));
    }
    if (!known)
        return ST_DECLINED;
    View kept = *in, gone = *in;
    kept.ndim = gone.ndim = 0;
    for (int d = 0; d < in->ndim; d++) {
        View *to = p->reduced[d] ? &gone : &kept;
        to->size[to->ndim] = in->size[d];
        to->stride[to->ndim++] = in->stride[d];
        if (p->reduced[d])
            f.count *= (double)in->size[d];
    }
    f.divisor = p->op == REDUCE_MEAN ? f.count : 1;
    const View *views[3] = {&kept, out[0] ? out[0] : &kept, out[1] ? out[1] : &kept}, *rest = &gone;
    Iter it;
    iter_plan(&it, kept.ndim, kept.size, 3, views);
    iter_plan_in_order(&f.reduced, gone.ndim, gone.size, 1, &rest);
    char *data[3] = {in->data, out[0] ? out[0]->data : in->data, out[1] ? out[1]->data : in->data};
    iter_run(&it, data, kept_row, &f);
    return ST_OK;
}

// The parts as a last dimension.
static View parts(const View *v)
{
    View real = *v;
    real.dtype = (uint8_t)dtype_real_of((DType)v->dtype);
    for (int d = 0; d < v->ndim; d++)
        real.stride[d] *= 2;
    real.size[v->ndim] = 2;
    real.stride[real.ndim++] = 1;
    return real;
}

Status reduce_complex_run(const ReduceParams *p, const View *in, const View *const out[2])
{
    switch ((ReduceOp)p->op) {
    case REDUCE_SUM:
    case REDUCE_MEAN: {
        if (!out[0] || in->ndim == VIEW_MAX_DIMS || !dtype_is_complex((DType)out[0]->dtype))
            return ST_DECLINED;
        bool rows = in->dtype == DT_C64; // the reduced numbers lie side by side in long rows
        for (int d = 0; d < in->ndim && rows; d++)
            rows = p->reduced[d] ? true : in->stride[d] >= 64;
        bool all = true, near = in->ndim && in->stride[in->ndim - 1] == 1;
        for (int d = 0; d < in->ndim; d++)
            all = all && p->reduced[d];
        if ((all && !near) || (rows && near && p->reduced[in->ndim - 1] && in->size[in->ndim - 1] >= 64))
            return fold(p, in, out);
        ReduceParams of_parts = *p;
        View from = parts(in), to = parts(out[0]);
        const View *results[2] = {&to, NULL};
        of_parts.reduced[in->ndim] = false;
        return reduce_run(&of_parts, &from, results);
    }
    case REDUCE_PROD:
    case REDUCE_ANY:
    case REDUCE_ALL:
    case REDUCE_COUNT_NONZERO:
    case REDUCE_NORM:
    case REDUCE_LOGSUMEXP:
    case REDUCE_VAR:
    case REDUCE_STD: return fold(p, in, out);
    default: return ST_DECLINED;
    }
}
