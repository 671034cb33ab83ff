// Operator bindings: random choices by weight (multinomial) and Poisson numbers, as PyTorch's CPU kernels draw them.
// The random numbers come from worker/random.h.
#include "worker/op_util.h"
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

typedef struct Ranked { double key; int64_t index; } Ranked;

static int by_key_down(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

// Without replacement, or a single one: the largest of weight / exponential. The exponentials were drawn in the order of the
// weights' memory.
static void draw_distinct(const double *exponential, const double *weight, int64_t rows, int64_t n, int64_t draws, DType t, Ranked *ranked, int64_t *out)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < n; i++) {
            double e = exponential[r * n + i];
            ranked[i] = (Ranked){t == DT_F64 ? weight[r * n + i] / e : (double)round_to(t, (float)(weight[r * n + i] / e)), i};
        }
        qsort(ranked, (size_t)n, sizeof *ranked, by_key_down);
        for (int64_t k = 0; k < draws; k++)
            out[r * draws + k] = ranked[k].index;
    }
}

static void draw_replaced(Generator *g, const double *weight, int64_t rows, int64_t n, int64_t draws, DType t, Ranked *cumulative, int64_t *out)
{
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += weight[r * n + i];
            sum = t == DT_F64 ? sum : (double)round_to(t, (float)sum);
            cumulative[i].key = sum;
        }
        for (int64_t i = 0; i < n; i++)
            cumulative[i].key = t == DT_F64 ? cumulative[i].key / sum : (double)round_to(t, (float)(cumulative[i].key / sum));
        cumulative[n - 1].key = 1;
        for (int64_t k = 0; k < draws; k++) {
            double u = random_uniform_f64(g);
            int64_t left = 0, right = n;
            while (left < right) {
                int64_t middle = left + (right - left) / 2;
                if (cumulative[middle].key < u)
                    left = middle + 1;
                else
                    right = middle;
            }
            out[r * draws + k] = left;
        }
    }
}

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
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    const double *weight = wide->view.data;
    Status status = ST_OK;
    for (int64_t r = 0; r < rows && status == ST_OK; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n && status == ST_OK; i++) {
            sum += weight[r * n + i];
            if (!(weight[r * n + i] >= 0) || isinf(weight[r * n + i]))
                status = op_raise("probability tensor contains either `inf`, `nan` or element < 0");
        }
        if (status == ST_OK && sum <= 0)
            status = op_raise("invalid multinomial distribution (sum of probabilities <= 0)");
    }
    int64_t size[2] = {rows, draws};
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, v->ndim, v->ndim == 2 ? size : size + 1, &out);
    if (status == ST_OK) {
        Ranked *work = malloc((size_t)(n + 1) * sizeof *work);
        Tensor *drawn = NULL;
        if (!work)
            status = status_no_memory((size_t)(n + 1) * sizeof *work);
        else if (replace && draws > 1)
            draw_replaced(g, weight, rows, n, draws, tensor_dtype(t), work, out->view.data);
        else if ((status = exponentials(lane, g, t, &drawn)) == ST_OK)
            draw_distinct(drawn->view.data, weight, rows, n, draws, tensor_dtype(t), work, out->view.data);
        if (drawn)
            tensor_release(drawn);
        free(work);
    }
    tensor_release(wide);
    if (status != ST_OK) {
        if (out)
            tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
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
    Tensor *t = args[0].as.tensor, *wide, *made;
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
    if (status == ST_OK)
        status = tensor_to_dtype(lane, wide, tensor_dtype(t), &made);
    tensor_release(wide);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_SAMPLE[] = {
    ROW("aten::multinomial", op_multinomial), ROW("aten::poisson", op_poisson),
    {0},
};
