// Reference normalisations and softmax, in double for any floating type and any strides; and the checks of their operands.
// Slow and obvious; what every other variant is compared with.
#include "kernels/cpu/norm_shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef long long ll;

// ---- checks

Status batch_norm_check(const BatchNormParams *p, const View *in, int n_in)
{
    static const char *const names[] = {"input", "weight", "bias", "running_mean", "running_var"};
    const View *x = &in[0];
    if (x->ndim < 2)
        return status_fail(ST_RAISED, "Dimension out of range (expected to be in range of [-%d, %d], but got 1)", x->ndim ? x->ndim : 1, x->ndim ? x->ndim - 1 : 0);
    for (int i = 1; i < 5; i++)
        if (operand_given(in, n_in, i) && view_numel(&in[i]) != x->size[1])
            return status_fail(ST_RAISED, "%s should contain %lld elements not %lld", names[i], (ll)x->size[1], (ll)view_numel(&in[i]));
    if (!p->batch_stats && (!operand_given(in, n_in, 3) || !operand_given(in, n_in, 4)))
        return status_fail(ST_RAISED, "running_mean and running_var must be defined in evaluation mode");
    return ST_OK;
}

static void shape_text(const int64_t *v, int n, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? ", " : "", (ll)v[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
}

Status layer_norm_check(const LayerNormParams *p, const View *in, int n_in, int64_t *stats)
{
    static const char *const names[] = {"input", "weight", "bias"};
    const View *x = &in[0];
    for (int i = 1; i < 3; i++) {
        if (!operand_given(in, n_in, i))
            continue;
        bool same = in[i].ndim == p->dims;
        for (int d = 0; same && d < p->dims; d++)
            same = in[i].size[d] == x->size[x->ndim - p->dims + d];
        if (!same) {
            char a[160], b[160];
            shape_text(in[i].size, in[i].ndim, a, sizeof a);
            shape_text(x->size + x->ndim - p->dims, p->dims, b, sizeof b);
            return status_fail(ST_RAISED, "Expected %s to be of same shape as normalized_shape, but got %s of shape %s and normalized_shape = %s", names[i],
                               names[i], a, b);
        }
    }
    for (int i = 0; i < x->ndim; i++)
        stats[i] = i < x->ndim - p->dims ? x->size[i] : 1;
    return ST_OK;
}

Status group_norm_check(const GroupNormParams *p, const View *in, int n_in)
{
    static const char *const names[] = {"input", "weight", "bias"};
    const View *x = &in[0];
    char shape[160], other[160];
    shape_text(x->size, x->ndim, shape, sizeof shape);
    if (x->ndim < 2)
        return status_fail(ST_RAISED, "Expected at least 2 dimensions for input tensor but received %d", x->ndim);
    if (p->groups <= 0)
        return status_fail(ST_RAISED, "num groups should be greater than zero");
    if (x->size[1] % p->groups)
        return status_fail(ST_RAISED, "Expected number of channels in input to be divisible by num_groups, but got input of shape %s and num_groups=%lld", shape,
                           (ll)p->groups);
    for (int i = 1; i < 3; i++)
        if (operand_given(in, n_in, i) && (in[i].ndim != 1 || in[i].size[0] != x->size[1])) {
            shape_text(in[i].size, in[i].ndim, other, sizeof other);
            return status_fail(ST_RAISED,
                               "Expected %s to be a vector of size equal to the number of channels in input, but got %s of shape %s and input of shape %s",
                               names[i], names[i], other, shape);
        }
    return ST_OK;
}

// ---- computation

typedef struct RefNorm {
    double eps;
    int64_t groups;
    int dims, dim;
    bool batch_stats, log, rms;
    bool given[5];
} RefNorm;

static Status norm_state(Kernel *k, const View *in, int n_in, RefNorm **out)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && (in[i].layout != LAYOUT_STRIDED || !dtype_is_floating((DType)in[i].dtype)))
            return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefNorm), &state));
    *out = state;
    for (int i = 0; i < n_in && i < 5; i++)
        (*out)->given[i] = in[i].dtype != DT_INVALID;
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, in[0].size);
    return ST_OK;
}

// Offset in v of element i, counted in the order of the shape.
static int64_t offset_of(const View *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        at += i % v->size[d] * v->stride[d];
        i /= v->size[d];
    }
    return at;
}
static double get(const View *v, int64_t i) { return element_get(v->data, (DType)v->dtype, offset_of(v, i)); }
static void set(const View *v, int64_t i, double x) { element_set(v->data, (DType)v->dtype, offset_of(v, i), x); }

// The statistics type of half-precision inputs is float32, as PyTorch has it for batch norm.
static DType stats_type(DType t) { return t == DT_F64 ? DT_F64 : DT_F32; }

Status ref_batch_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const BatchNormParams *p = params;
    RefNorm *s;
    TRY(batch_norm_check(p, in, n_in));
    TRY(norm_state(k, in, n_in, &s));
    s->eps = p->eps;
    s->batch_stats = p->batch_stats;
    for (int i = 1; p->batch_stats && i < 4; i++)
        kernel_output(k, i, stats_type((DType)in[0].dtype), 1, &in[0].size[1]);
    return ST_OK;
}

Status ref_batch_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefNorm *s = k->state;
    const View *x = &in[0];
    int64_t channels = x->size[1], inner = 1;
    for (int i = 2; i < x->ndim; i++)
        inner *= x->size[i];
    int64_t count = x->size[0] * inner;
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, var = 0;
        if (s->batch_stats) {
            for (int64_t i = 0; i < count; i++)
                mean += get(x, (i / inner * channels + c) * inner + i % inner);
            mean /= (double)count;
            for (int64_t i = 0; i < count; i++) {
                double d = get(x, (i / inner * channels + c) * inner + i % inner) - mean;
                var += d * d;
            }
            set(&out[3], c, var / (double)(count - 1));
            var /= (double)count;
            set(&out[1], c, mean);
            set(&out[2], c, 1 / sqrt(var + s->eps));
        } else {
            mean = get(&in[3], c);
            var = get(&in[4], c);
        }
        double scale = (s->given[1] ? get(&in[1], c) : 1) / sqrt(var + s->eps), shift = s->given[2] ? get(&in[2], c) : 0;
        for (int64_t i = 0; i < count; i++) {
            int64_t at = (i / inner * channels + c) * inner + i % inner;
            set(&out[0], at, (get(x, at) - mean) * scale + shift);
        }
    }
    return ST_OK;
}

void ref_batch_norm_destroy(Kernel *k) { kernel_state_free(k); }

// Mean and 1/sqrt(var + eps) of elements first … first + n.
static void row_stats(const View *x, int64_t first, int64_t n, double eps, bool rms, double *mean, double *rstd)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n && !rms; i++)
        sum += get(x, first + i);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = get(x, first + i) - *mean;
        squares += d * d;
    }
    *rstd = 1 / sqrt(squares / (double)n + eps);
}

Status ref_layer_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const LayerNormParams *p = params;
    int64_t stats[VIEW_MAX_DIMS];
    RefNorm *s;
    TRY(layer_norm_check(p, in, n_in, stats));
    TRY(norm_state(k, in, n_in, &s));
    s->eps = p->eps;
    s->dims = p->dims;
    s->rms = p->rms;
    kernel_output(k, 1, (DType)in[0].dtype, in[0].ndim, stats);
    kernel_output(k, 2, (DType)in[0].dtype, in[0].ndim, stats);
    return ST_OK;
}

Status ref_layer_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefNorm *s = k->state;
    const View *x = &in[0];
    int64_t n = 1;
    for (int i = x->ndim - s->dims; i < x->ndim; i++)
        n *= x->size[i];
    for (int64_t r = 0; n && r < view_numel(x) / n; r++) {
        double mean, rstd;
        row_stats(x, r * n, n, s->eps, s->rms, &mean, &rstd);
        set(&out[1], r, mean);
        set(&out[2], r, rstd);
        for (int64_t i = 0; i < n; i++)
            set(&out[0], r * n + i, (get(x, r * n + i) - mean) * rstd * (s->given[1] ? get(&in[1], i) : 1) + (s->given[2] ? get(&in[2], i) : 0));
    }
    return ST_OK;
}

void ref_layer_norm_destroy(Kernel *k) { kernel_state_free(k); }

Status ref_group_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const GroupNormParams *p = params;
    RefNorm *s;
    TRY(group_norm_check(p, in, n_in));
    TRY(norm_state(k, in, n_in, &s));
    s->eps = p->eps;
    s->groups = p->groups;
    for (int i = 1; i < 3; i++)
        kernel_output(k, i, (DType)in[0].dtype, 2, (int64_t[]){in[0].size[0], p->groups});
    return ST_OK;
}

Status ref_group_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefNorm *s = k->state;
    const View *x = &in[0];
    int64_t rows = x->size[0] * s->groups, n = rows ? view_numel(x) / rows : 0, per_group = x->size[1] / s->groups;
    for (int64_t r = 0; n && r < rows; r++) {
        double mean, rstd;
        row_stats(x, r * n, n, s->eps, false, &mean, &rstd);
        set(&out[1], r, mean);
        set(&out[2], r, rstd);
        for (int64_t i = 0; i < n; i++) {
            int64_t c = r % s->groups * per_group + i / (n / per_group);
            set(&out[0], r * n + i, (get(x, r * n + i) - mean) * rstd * (s->given[1] ? get(&in[1], c) : 1) + (s->given[2] ? get(&in[2], c) : 0));
        }
    }
    return ST_OK;
}

void ref_group_norm_destroy(Kernel *k) { kernel_state_free(k); }

Status ref_softmax_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const SoftmaxParams *p = params;
    RefNorm *s;
    if (!dtype_is_floating((DType)in[0].dtype))
        return status_fail(ST_RAISED, "\"%s\" not implemented for '%s'",
                           p->dim >= in[0].ndim - 1 ? (p->log ? "log_softmax_lastdim_kernel_impl" : "softmax_lastdim_kernel_impl")
                                                    : "softmax_kernel_impl",
                           dtype_torch_name((DType)in[0].dtype));
    TRY(norm_state(k, in, n_in, &s));
    s->dim = p->dim;
    s->log = p->log;
    return ST_OK;
}

Status ref_softmax_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefNorm *s = k->state;
    const View *x = &in[0];
    int64_t n = x->ndim ? x->size[s->dim] : 1, inner = 1, all = view_numel(x);
    for (int i = s->dim + 1; i < x->ndim; i++)
        inner *= x->size[i];
    for (int64_t r = 0; n && r < all / n; r++) {
        int64_t first = r / inner * n * inner + r % inner;
        double most = -INFINITY, sum = 0;
        for (int64_t i = 0; i < n; i++)
            most = fmax(most, get(x, first + i * inner));
        for (int64_t i = 0; i < n; i++)
            sum += exp(get(x, first + i * inner) - most);
        for (int64_t i = 0; i < n; i++) {
            double v = get(x, first + i * inner) - most;
            set(&out[0], first + i * inner, s->log ? v - log(sum) : exp(v) / sum);
        }
    }
    return ST_OK;
}

void ref_softmax_destroy(Kernel *k) { kernel_state_free(k); }
