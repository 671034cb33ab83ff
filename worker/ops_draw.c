// Operator bindings: numbers drawn from gamma, Dirichlet and binomial distributions, as PyTorch's CPU kernels draw them: the
// same uniform and normal numbers in the same order, in the same precision.
#include "worker/op_util.h"
#include "worker/random.h"

#include <float.h>
#include <math.h>

// ---- Gamma: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000 --------------------------------

// f32: alpha and what is made of it alone are float32.
static double gamma_number(Generator *g, double alpha, bool f32)
{
    double scale = 1;
    if (alpha < 1) { // drawn for alpha + 1, and scaled
        if (alpha == 0)
            return 0;
        scale = pow(1 - random_uniform_f64(g), f32 ? (double)(1 / (float)alpha) : 1 / alpha);
        alpha = f32 ? (double)((float)alpha + 1) : alpha + 1;
    }
    double third = (double)(1.0f / 3.0f), d = f32 ? (double)((float)alpha - 1.0f / 3.0f) : alpha - third, c = 1 / sqrt(9 * d);
    if (!(d > 0)) // no such distribution: PyTorch does not come back
        return NAN;
    for (;;) {
        double x, y;
        do {
            x = random_normal(g, 0, 1);
            y = 1 + c * x;
        } while (y <= 0);
        double v = y * y * y, u = 1 - random_uniform_f64(g), xx = x * x;
        if (u < 1 - (double)0.0331f * xx * xx || log(u) < 0.5 * xx + d * (1 - v + log(v)))
            return scale * d * v;
    }
}

// ---- Binomial -----------------------------------------------------------------------------------------------------------

// The number of trials until the geometric waiting times exceed count.
#define BINOMIAL(T, S, LOG1P, SQRT)                                                                                    \
    static double inversion_##S(Generator *g, T count, T prob)                                                         \
    {                                                                                                                  \
        double sum = 0, log_prob = (double)LOG1P(-prob);                                                               \
        for (T drawn = 0;; drawn++) {                                                                                  \
            sum += ceil(log(random_uniform_f64(g)) / log_prob);                                                        \
            if (!(sum <= (double)count))                                                                               \
                return (double)drawn;                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    /* Transformed rejection: Hörmann, "The generation of binomial random variates", 1993 */                          \
    static double rejection_##S(Generator *g, T count, T prob)                                                         \
    {                                                                                                                  \
        double stddev = (double)SQRT(count *prob *(1 - prob)), b = 1.15 + 2.53 * stddev;                               \
        double a = -0.0873 + 0.0248 * b + 0.01 * (double)prob, c = (double)(count * prob) + 0.5;                       \
        double v_r = 0.92 - 4.2 / b, r = (double)(prob / (1 - prob)), alpha = (2.83 + 5.1 / b) * stddev;               \
        double m = (double)FLOOR_##S((count + 1) * prob);                                                              \
        for (;;) {                                                                                                     \
            double u = random_uniform_f64(g) - 0.5, v = random_uniform_f64(g), us = 0.5 - fabs(u);                     \
            T k = (T)floor((2 * a / us + b) * u + c);                                                                  \
            if (k < 0 || k > count)                                                                                    \
                continue;                                                                                              \
            if (us >= 0.07 && v <= v_r)                                                                                \
                return (double)k;                                                                                      \
            double n = (double)count, rest = (double)(count - k + 1);                                                  \
            v = log(v * alpha / (a / (us * us) + b));                                                                  \
            double bound = (m + 0.5) * log((m + 1) / (r * (n - m + 1))) + (double)(count + 1) * log((n - m + 1) / rest) + \
                           ((double)k + 0.5) * log(r * rest / (double)(k + 1)) + stirling_tail(m) + stirling_tail(n - m) - \
                           stirling_tail((double)k) - stirling_tail((double)(count - k));                              \
            if (v <= bound)                                                                                            \
                return (double)k;                                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    static double binomial_##S(Generator *g, T count, T prob)                                                          \
    {                                                                                                                  \
        if (isnan(prob) || isinf(count))                                                                               \
            return NAN;                                                                                                \
        if (!(count > 0) || prob <= 0)                                                                                 \
            return 0;                                                                                                  \
        if (prob >= 1)                                                                                                 \
            return (double)count;                                                                                      \
        T p = prob <= (T)0.5 ? prob : (T)(1.0 - (double)prob);                                                         \
        double k = (double)(count * p) >= 10 ? rejection_##S(g, count, p) : inversion_##S(g, count, p);                \
        return prob <= (T)0.5 ? k : (double)(count - (T)k);                                                            \
    }

// What Stirling's formula for log(k!) leaves.
static double stirling_tail(double k)
{
    static const double tails[] = {0.0810614667953272,  0.0413406959554092,  0.0276779256849983,  0.02079067210376509, 0.0166446911898211,
                                   0.0138761288230707,  0.0118967099458917,  0.0104112652619720,  0.00925546218271273, 0.00833056343336287};
    if (k <= 9)
        return tails[k > 0 ? (int)k : 0];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

#define FLOOR_f32 floorf
#define FLOOR_f64 floor
BINOMIAL(float, f32, log1pf, sqrtf)
BINOMIAL(double, f64, log1p, sqrt)

// ---- Operators ----------------------------------------------------------------------------------------------------------

static Status check_draws(const Tensor *t, const char *name)
{
    DType dtype = tensor_dtype(t);
    return dtype == DT_F32 || dtype == DT_F64 ? ST_OK : op_raise("\"%s\" not implemented for '%s'", name, dtype_torch_name(dtype));
}

// Elements in their logical order, as doubles that the numbers drawn replace.
OP_FN(op_standard_gamma) // self, generator
{
    Tensor *t = args[0].as.tensor, *wide;
    Generator *g;
    TRY(check_draws(t, "gamma_cpu"));
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    double *x = wide->view.data;
    bool f32 = tensor_dtype(t) == DT_F32;
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++) {
        double made = gamma_number(g, x[i], f32), least = f32 ? (double)FLT_MIN : DBL_MIN;
        x[i] = made < least ? least : made;
    }
    return give_as(lane, ST_OK, wide, tensor_dtype(t), rets);
}

OP_FN(op_sample_dirichlet) // self, generator: gamma numbers, divided by the sum of their row
{
    Tensor *t = args[0].as.tensor, *wide;
    const View *v = &t->view;
    Generator *g;
    TRY(check_draws(t, "dirichlet"));
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    double *x = wide->view.data;
    bool f32 = tensor_dtype(t) == DT_F32;
    int64_t n = tensor_numel(t), row = v->ndim ? v->size[v->ndim - 1] : 1;
    for (int64_t i = 0; i < n; i++) {
        double made = gamma_number(g, x[i], false);
        x[i] = made < DBL_MIN ? DBL_MIN : made;
    }
    double least = f32 ? (double)FLT_MIN : DBL_MIN, most = f32 ? (double)nextafterf(1, 0) : nextafter(1, 0);
    for (int64_t at = 0; at < n; at += row) {
        double sum = 0;
        for (int64_t i = at; i < at + row; i++)
            sum += x[i];
        for (int64_t i = at; i < at + row; i++) {
            double part = f32 ? (double)(float)(x[i] / sum) : x[i] / sum;
            part = part < least ? least : part;
            x[i] = part < most ? part : most;
        }
    }
    return give_as(lane, ST_OK, wide, tensor_dtype(t), rets);
}

OP_FN(op_binomial) // count, prob, generator
{
    Tensor *count = args[0].as.tensor, *prob = args[1].as.tensor, *wide, *p;
    Generator *g;
    if (tensor_dtype(count) != tensor_dtype(prob))
        return op_raise("Found dtype %s but expected %s", dtype_torch_name(tensor_dtype(prob)), dtype_torch_name(tensor_dtype(count)));
    TRY(check_draws(count, "binomial_cpu"));
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, count, DT_F64, FORMAT_CONTIGUOUS, &wide));
    Status status = tensor_new(lane, DT_F64, count->view.ndim, count->view.size, &p);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, p, prob);
        double *x = wide->view.data, *chance = p->view.data;
        bool f32 = tensor_dtype(count) == DT_F32;
        for (int64_t i = 0, n = tensor_numel(count); i < n && status == ST_OK; i++)
            x[i] = f32 ? binomial_f32(g, (float)x[i], (float)chance[i]) : binomial_f64(g, x[i], chance[i]);
        tensor_release(p);
    }
    return give_as(lane, status, wide, tensor_dtype(count), rets);
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_DRAW[] = {
    ROW("aten::_standard_gamma", op_standard_gamma), ROW("aten::_sample_dirichlet", op_sample_dirichlet), ROW("aten::binomial", op_binomial),
    {0},
};
