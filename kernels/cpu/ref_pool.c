// Reference pooling and adaptive pooling: window by window, in double, for any element type, with indices.
// Max takes the first of equal elements, and any NaN, as PyTorch does.
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

// One window: [from, to) in steps, in each spatial dimension.
typedef struct Window {
    int64_t from[SPATIAL_MAX], to[SPATIAL_MAX], step[SPATIAL_MAX];
    double count; // what an average divides by
} Window;

typedef struct RefPool {
    PoolParams p;
    AdaptivePoolParams a;
    bool adaptive, max, indices;
    int spatial;
} RefPool;

static Status pool_state(Kernel *k, const View *in, const int64_t *size, RefPool **out)
{
    if (in->layout != LAYOUT_STRIDED || !element_type((DType)in->dtype))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefPool), &state));
    *out = state;
    (*out)->spatial = in->ndim - 2;
    kernel_output(k, 0, (DType)in->dtype, in->ndim, size);
    return ST_OK;
}

Status ref_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const PoolParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    RefPool *s;
    TRY(pool_shape(p, in, size));
    if (p->max && !dtype_is_floating((DType)in->dtype))
        return status_fail(ST_RAISED, "\"max_pool2d\" not implemented for '%s'", dtype_torch_name((DType)in->dtype));
    TRY(pool_state(k, in, size, &s));
    s->p = *p;
    s->max = p->max;
    s->indices = p->with_indices;
    if (s->indices)
        kernel_output(k, 1, DT_I64, in->ndim, size);
    return ST_OK;
}

Status ref_adaptive_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const AdaptivePoolParams *a = params;
    int64_t size[VIEW_MAX_DIMS];
    RefPool *s;
    if (!dtype_is_floating((DType)in->dtype))
        return status_fail(ST_RAISED, "\"adaptive_%s_pool%dd\" not implemented for '%s'", a->max ? "max" : "avg", in->ndim - 2,
                           dtype_torch_name((DType)in->dtype));
    memcpy(size, in->size, sizeof size);
    for (int i = 0; i < in->ndim - 2; i++) {
        size[i + 2] = a->size[i];
        if (in->size[i + 2] == 0)
            return status_fail(ST_RAISED, "adaptive_%s_pool%dd(): Expected input to have non-zero size for non-batch dimensions", a->max ? "max" : "avg",
                               in->ndim - 2);
    }
    TRY(pool_state(k, in, size, &s));
    s->a = *a;
    s->adaptive = true;
    s->max = s->indices = a->max;
    if (s->indices)
        kernel_output(k, 1, DT_I64, in->ndim, size);
    return ST_OK;
}

static Window adaptive_window(const RefPool *s, const View *x, const View *y, const int64_t *o)
{
    Window w = {.count = 1};
    for (int d = 0; d < s->spatial; d++) {
        int64_t in = x->size[d + 2], out = y->size[d + 2];
        w.from[d] = o[d] * in / out;
        w.to[d] = ((o[d] + 1) * in + out - 1) / out;
        w.step[d] = 1;
        w.count *= (double)(w.to[d] - w.from[d]);
    }
    return w;
}

static Window fixed_window(const RefPool *s, const View *x, const int64_t *o)
{
    const PoolParams *p = &s->p;
    Window w;
    double all = 1, valid = 1;
    for (int d = 0; d < s->spatial; d++) {
        int64_t in = x->size[d + 2], from = o[d] * p->stride[d] - p->padding[d], to = from + p->dilation[d] * (p->kernel[d] - 1) + 1;
        w.step[d] = p->dilation[d];
        all *= (double)((to < in + p->padding[d] ? to : in + p->padding[d]) - from);
        while (from < 0)
            from += p->dilation[d];
        w.from[d] = from;
        w.to[d] = to < in ? to : in;
        valid *= (double)(w.to[d] - w.from[d]);
    }
    w.count = p->divisor ? (double)p->divisor : p->count_include_pad ? all : valid;
    return w;
}

static double pool_point(const RefPool *s, const View *x, int64_t base, const Window *w, int64_t *index)
{
    double value = s->max ? -INFINITY : 0;
    int64_t i[SPATIAL_MAX];
    bool first = true;
    for (int d = 0; d < s->spatial; d++) {
        i[d] = w->from[d];
        if (w->from[d] >= w->to[d])
            return value;
    }
    *index = 0;
    for (;;) {
        int64_t at = base, flat = 0;
        for (int d = 0; d < s->spatial; d++) {
            at += i[d] * x->stride[d + 2];
            flat = flat * x->size[d + 2] + i[d];
        }
        double v = element_get(x->data, (DType)x->dtype, at);
        if (!s->max) {
            value += v;
        } else if (first || v > value || isnan(v)) {
            value = v;
            *index = flat;
        }
        first = false;
        int d = s->spatial - 1;
        for (; d >= 0 && (i[d] += w->step[d]) >= w->to[d]; d--)
            i[d] = w->from[d];
        if (d < 0)
            return value;
    }
}

Status ref_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefPool *s = k->state;
    const View *x = &in[0], *y = &out[0];
    int64_t n = view_numel(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, o[SPATIAL_MAX], index = 0;
        for (int d = s->spatial - 1; d >= 0; d--) {
            o[d] = rest % y->size[d + 2];
            rest /= y->size[d + 2];
        }
        Window w = s->adaptive ? adaptive_window(s, x, y, o) : fixed_window(s, x, o);
        double v = pool_point(s, x, rest / y->size[1] * x->stride[0] + rest % y->size[1] * x->stride[1], &w, &index);
        element_set(y->data, (DType)y->dtype, i, s->max ? v : v / w.count);
        if (s->indices)
            ((int64_t *)out[1].data)[i] = index;
    }
    return ST_OK;
}

Status ref_adaptive_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return ref_pool_run(k, in, out, scratch, stream);
}

void ref_pool_destroy(Kernel *k) { kernel_state_free(k); }
void ref_adaptive_pool_destroy(Kernel *k) { kernel_state_free(k); }
