// Operator bindings: random choices by weight (multinomial) and Poisson numbers, as PyTorch's CPU kernels draw them.
// The random numbers come from worker/random.h.
#include "kernels/isa.h"
#include "kernels/sort.h"
#include "worker/op_util.h"
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

// Without replacement, or a single one: the largest of weight / exponential, the first of equal ones. The exponentials were
// drawn in the order of the weights' memory; the ratios take their place.
static Status draw_distinct(Tensor *exponentials, const double *weight, int64_t draws, DType t, Tensor *out)
{
    double *ratio = exponentials->view.data;
    int64_t n = exponentials->view.size[exponentials->view.ndim - 1];
    for (int64_t i = 0, all = tensor_numel(exponentials); i < all; i++)
        ratio[i] = weight[i] / ratio[i];
    for (int64_t i = 0, all = tensor_numel(exponentials); t != DT_F64 && i < all; i++)
        ratio[i] = t == DT_F32 ? (double)(float)ratio[i] : (double)round_to(t, (float)ratio[i]);
    return n ? sort_run(&exponentials->view, exponentials->view.ndim - 1, true, draws, NULL, &out->view) : ST_OK;
}

// Weights of the rows in T: no infinity, NaN or negative one, and not all 0. Draws from their running sums, rounded to dtype
// t, as shares of the last of them; where few are drawn, only the shares that the search meets are computed.
#define WEIGHTS(T)                                                                                                     \
    ISA_INLINE void look_at_##T##_body(const T *w, int64_t n, int *bad, int *some)                                     \
    {                                                                                                                  \
        int strange = 0, positive = 0;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            strange |= !((w[i] >= 0) & (w[i] < (T)INFINITY));                                                          \
            positive |= w[i] > 0;                                                                                      \
        }                                                                                                              \
        *bad = strange;                                                                                                \
        *some = positive;                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(look_at_##T, (const T *w, int64_t n, int *bad, int *some), (w, n, bad, some))                         \
    static Status check_weights_##T(const T *w, int64_t rows, int64_t n)                                               \
    {                                                                                                                  \
        for (int64_t r = 0; r < rows; r++) {                                                                           \
            int bad, some;                                                                                             \
            look_at_##T(w + r * n, n, &bad, &some);                                                                    \
            if (bad)                                                                                                   \
                return op_raise("probability tensor contains either `inf`, `nan` or element < 0");                     \
            if (!some)                                                                                                 \
                return op_raise("invalid multinomial distribution (sum of probabilities <= 0)");                       \
        }                                                                                                              \
        return ST_OK;                                                                                                  \
    }                                                                                                                  \
    static inline T round_##T(DType t, T x) { return t == DT_F64 || t == DT_F32 ? x : (T)round_to(t, (float)x); }      \
    static void draw_replaced_##T(Generator *g, const T *weight, int64_t rows, int64_t n, int64_t draws, DType t, T *running, int64_t *out) \
    {                                                                                                                  \
        for (int64_t r = 0; r < rows; r++) {                                                                           \
            T sum = 0;                                                                                                 \
            for (int64_t i = 0; i < n; i++)                                                                            \
                running[i] = sum = round_##T(t, sum + weight[r * n + i]);                                              \
            bool few = draws < n / 16;                                                                                 \
            for (int64_t i = 0; !few && i < n; i++)                                                                    \
                running[i] = round_##T(t, running[i] / sum);                                                           \
            for (int64_t k = 0; k < draws; k++) {                                                                      \
                double u = random_uniform_f64(g);                                                                      \
                int64_t left = 0, right = n - 1; /* the last share is 1 */                                             \
                while (left < right) {                                                                                 \
                    int64_t middle = left + (right - left) / 2;                                                        \
                    if ((double)(few ? round_##T(t, running[middle] / sum) : running[middle]) < u)                     \
                        left = middle + 1;                                                                             \
                    else                                                                                               \
                        right = middle;                                                                                \
                }                                                                                                      \
                out[r * draws + k] = left;                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
WEIGHTS(float)
WEIGHTS(double)

// Exponentially distributed numbers, drawn for a tensor like t and laid out contiguously.
static Status exponentials(Lane *lane, Generator *g, Tensor *t, Tensor **out)
{
    Tensor *drawn;
    DType dtype = tensor_dtype(t);
    TRY(tensor_new_like(lane, t, DT_F64, FORMAT_PRESERVE, &drawn));
    for (int64_t i = 0, n = tensor_numel(drawn); i < n; i++) {
        double e = -log1p(-random_uniform_f64(g));
        ((double *)drawn->view.data)[i] = dtype == DT_F64 ? e : (double)round_to(dtype, (float)e);
    }
    Status status = tensor_contiguous(lane, drawn, out);
    tensor_release(drawn);
    return status;
}

OP_FN(op_multinomial) // self, num_samples, replacement, generator
{
    Tensor *t = args[0].as.tensor, *wide, *out = NULL;
    const View *v = &t->view;
    int64_t draws = args[1].as.i;
    bool replace = args[2].as.b;
    Generator *g;
    TRY(call_generator(lane, site, args, &g));
    if (v->ndim < 1 || v->ndim > 2)
        return op_raise("prob_dist must be 1 or 2 dim");
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("multinomial only supports floating-point dtypes for input, got: %s", dtype_torch_name(tensor_dtype(t)));
    int64_t n = v->size[v->ndim - 1], rows = v->ndim == 2 ? v->size[0] : 1;
    if (draws <= 0)
        return op_raise("cannot sample n_sample <= 0 samples");
    if (!replace && draws > n)
        return op_raise("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    bool real64 = tensor_dtype(t) == DT_F64, shares = replace && draws > 1;
    Tensor *packed;
    TRY(tensor_contiguous(lane, t, &packed));
    Status status = tensor_to_dtype(lane, packed, real64 ? DT_F64 : DT_F32, &wide);
    tensor_release(packed);
    TRY(status);
    const void *weight = wide->view.data;
    status = real64 ? check_weights_double(weight, rows, n) : check_weights_float(weight, rows, n);
    int64_t size[2] = {rows, draws};
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, v->ndim, v->ndim == 2 ? size : size + 1, &out);
    if (status == ST_OK) {
        double *work = shares ? malloc((size_t)(n + 1) * sizeof *work) : NULL;
        Tensor *drawn = NULL, *doubles = NULL;
        if (shares && !work)
            status = status_no_memory((size_t)(n + 1) * sizeof *work);
        else if (shares && real64)
            draw_replaced_double(g, weight, rows, n, draws, DT_F64, work, out->view.data);
        else if (shares)
            draw_replaced_float(g, weight, rows, n, draws, tensor_dtype(t), (float *)work, out->view.data);
        else if ((status = exponentials(lane, g, t, &drawn)) == ST_OK && (status = tensor_copy_as(lane, wide, DT_F64, FORMAT_CONTIGUOUS, &doubles)) == ST_OK)
            status = draw_distinct(drawn, doubles->view.data, draws, tensor_dtype(t), out);
        if (drawn)
            tensor_release(drawn);
        if (doubles)
            tensor_release(doubles);
        free(work);
    }
    tensor_release(wide);
    return give_tensor(status, out, rets);
}

// One Poisson number: by multiplication for small rates, else Hörmann's transformed rejection (PTRS, 1993).
static double poisson(Generator *g, double rate)
{
    if (rate == 0)
        return 0;
    if (rate < 10) {
        double limit = exp(-rate), product = 1;
        for (int64_t count = 0;; count++) {
            product *= random_uniform_f64(g);
            if (product <= limit)
                return (double)count;
        }
    }
    double root = sqrt(rate), log_rate = log(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), ratio = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = random_uniform_f64(g) - 0.5, v = random_uniform_f64(g), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= ratio)
            return k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -rate + k * log_rate - lgamma(k + 1))
            return k;
    }
}

OP_FN(op_poisson)
{
    Tensor *t = args[0].as.tensor, *wide;
    Generator *g;
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    double *rate = wide->view.data;
    Status status = ST_OK;
    for (int64_t i = 0, n = tensor_numel(t); i < n && status == ST_OK; i++) {
        if (!(rate[i] >= 0))
            status = op_raise("invalid Poisson rate, expected rate to be non-negative");
        else
            rate[i] = poisson(g, rate[i]);
    }
    return give_as(lane, status, wide, tensor_dtype(t), rets);
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_SAMPLE[] = {
    ROW("aten::multinomial", op_multinomial), ROW("aten::poisson", op_poisson),
    {0},
};
