// Reductions of complex numbers. Sums run over the parts as real numbers; the others fold one result at a time in double
// precision, as reductions of complex tensors are rare.
#include "kernels/reduce_complex.h"

#include "kernels/promote.h"

#include <complex.h>
#include <math.h>

typedef struct Fold {
    ReduceOp op;
    double number;
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

static void fold_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    Fold *f = ctx;
    if (f->op == REDUCE_SUM) { // of complex64, side by side
        f->value += sum_row((const float *)data[0], n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double part[2];
        convert_row(&f->load, (char *)part, 16, data[0] + i * stride[0], 0, 1);
        double complex x = CMPLX(part[0], part[1]);
        bool set = part[0] != 0 || part[1] != 0;
        switch (f->op) {
        case REDUCE_PROD: f->value *= x; break;
        case REDUCE_ANY: f->real = f->real != 0 || set; break;
        case REDUCE_ALL: f->real = f->real != 0 && set; break;
        case REDUCE_COUNT_NONZERO: f->real += set; break;
        case REDUCE_NORM: f->real = norm_term(cabs(x), f->number, f->real); break;
        case REDUCE_LOGSUMEXP: // the greatest real part, then the sum of powers relative to it
            if (f->second_pass)
                f->value += cexp(x - creal(f->center));
            else if (!(part[0] <= f->real))
                f->real = isnan(f->real) ? f->real : part[0];
            break;
        default: // variances
            if (f->second_pass) {
                double re = creal(x) - creal(f->center), im = cimag(x) - cimag(f->center);
                f->real += re * re + im * im;
            } else {
                f->value += x;
            }
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

static void kept_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    Fold *f = ctx;
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
    Fold f = {.op = (ReduceOp)p->op == REDUCE_MEAN ? REDUCE_SUM : (ReduceOp)p->op, .number = p->number, .count = 1};
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
        if (rows && in->ndim && p->reduced[in->ndim - 1] && in->stride[in->ndim - 1] == 1 && in->size[in->ndim - 1] >= 64)
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
