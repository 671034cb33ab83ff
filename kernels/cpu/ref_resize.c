// Reference resizing and grid sampling, in double for any element type and any strides.
// Slow and obvious; what every other variant is compared with.
#include "kernels/cpu/grid.h"
#include "kernels/cpu/variants.h"
#include "kernels/resize.h"

#include <math.h>
#include <string.h>

typedef struct RefResize {
    Taps taps[SPATIAL_MAX];
    int spatial;
} RefResize;

Status ref_resize_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const ResizeParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    TRY(resize_shape(p, in, size));
    if (in->layout != LAYOUT_STRIDED || !element_type((DType)in->dtype))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefResize), &state));
    RefResize *s = state;
    s->spatial = in->ndim - 2;
    for (int i = 0; i < s->spatial; i++)
        TRY(taps_new(p, i, in->size[i + 2], (DType)in->dtype, &s->taps[i]));
    kernel_output(k, 0, (DType)in->dtype, in->ndim, size);
    return ST_OK;
}

static double sample(const RefResize *s, const View *x, int64_t at, const int64_t *o, int dim)
{
    if (dim >= SPATIAL_MAX || dim == s->spatial)
        return element_get(x->data, (DType)x->dtype, at);
    const Taps *t = &s->taps[dim];
    double sum = 0;
    for (int32_t k = 0; k < t->count[o[dim]]; k++) {
        int64_t i = o[dim] * t->width + k;
        sum += t->weight[i] * sample(s, x, at + t->from[i] * x->stride[dim + 2], o, dim + 1);
    }
    return sum;
}

Status ref_resize_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefResize *s = k->state;
    const View *x = &in[0], *y = &out[0];
    int64_t n = view_numel(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, o[SPATIAL_MAX];
        for (int d = s->spatial - 1; d >= 0; d--) {
            o[d] = rest % y->size[d + 2];
            rest /= y->size[d + 2];
        }
        int64_t at = rest / y->size[1] * x->stride[0] + rest % y->size[1] * x->stride[1];
        element_set(y->data, (DType)y->dtype, i, sample(s, x, at, o, 0));
    }
    return ST_OK;
}

void ref_resize_destroy(Kernel *k)
{
    RefResize *s = k->state;
    for (int i = 0; s && i < SPATIAL_MAX; i++)
        taps_free(&s->taps[i]);
    kernel_state_free(k);
}

// ---- grid sampling

typedef struct RefGrid {
    GridSampleParams p;
    int spatial;
} RefGrid;

Status grid_sample_shape(const GridSampleParams *p, const View *in, int64_t size[VIEW_MAX_DIMS])
{
    const View *x = &in[0], *g = &in[1];
    int spatial = x->ndim - 2;
    if (x->ndim != g->ndim || (x->ndim != 4 && x->ndim != 5))
        return status_fail(ST_RAISED, "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with %d and grid with %d dimensions",
                           x->ndim, g->ndim);
    if (x->size[0] != g->size[0])
        return status_fail(ST_RAISED, "grid_sampler(): expected grid and input to have same batch size, but got input with %lld and grid with %lld",
                           (long long)x->size[0], (long long)g->size[0]);
    if (g->size[g->ndim - 1] != spatial)
        return status_fail(ST_RAISED, "grid_sampler(): expected grid to have size %d in last dimension, but got %lld", spatial, (long long)g->size[g->ndim - 1]);
    if (x->dtype != g->dtype)
        return status_fail(ST_RAISED, "grid_sampler(): expected input and grid to have same dtype, but input has %s and grid has %s",
                           dtype_python_name((DType)x->dtype), dtype_python_name((DType)g->dtype));
    if (p->mode == 2 && spatial != 2)
        return status_fail(ST_RAISED, "grid_sampler(): bicubic interpolation only supports 4D input");
    size[0] = x->size[0];
    size[1] = x->size[1];
    for (int i = 0; i < spatial; i++)
        size[i + 2] = g->size[i + 1];
    return ST_OK;
}

Status ref_grid_sample_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    int64_t size[VIEW_MAX_DIMS];
    TRY(grid_sample_shape(params, in, size));
    if (any_private(in, n_in) || !dtype_is_floating((DType)in[0].dtype))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefGrid), &state));
    *(RefGrid *)state = (RefGrid){*(const GridSampleParams *)params, in[0].ndim - 2};
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, size);
    return ST_OK;
}

// The input at integer positions, 0 outside.
static double input_at(const RefGrid *s, const View *x, int64_t base, const double *at)
{
    for (int d = 0; d < s->spatial; d++) {
        if (!(at[d] >= 0 && at[d] <= (double)(x->size[d + 2] - 1)))
            return 0;
        base += (int64_t)at[d] * x->stride[d + 2];
    }
    return element_get(x->data, (DType)x->dtype, base);
}

static double linear_sample(const RefGrid *s, const View *x, int64_t base, const double *pos)
{
    double sum = 0;
    for (int corner = 0; corner < 1 << s->spatial; corner++) {
        double at[SPATIAL_MAX], w = 1;
        for (int d = 0; d < s->spatial; d++) {
            double low = floor(pos[d]), f = pos[d] - low;
            at[d] = low + (corner >> d & 1);
            w *= corner >> d & 1 ? f : 1 - f;
        }
        double v = input_at(s, x, base, at);
        sum += v != 0 ? w * v : 0;
    }
    return sum;
}

static double cubic_sample(const RefGrid *s, const View *x, int64_t base, const double *pos)
{
    double w[2][4], sum = 0;
    for (int d = 0; d < 2; d++)
        grid_cubic(pos[d] - floor(pos[d]), w[d]);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            double at[2] = {grid_padded(&s->p, floor(pos[0]) - 1 + i, x->size[2]), grid_padded(&s->p, floor(pos[1]) - 1 + j, x->size[3])};
            sum += w[0][i] * w[1][j] * input_at(s, x, base, at);
        }
    return sum;
}

Status ref_grid_sample_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefGrid *s = k->state;
    const View *x = &in[0], *g = &in[1], *y = &out[0];
    int64_t count = view_numel(y);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, at = 0;
        for (int d = s->spatial - 1; d >= 0; d--) {
            at += rest % y->size[d + 2] * g->stride[d + 1];
            rest /= y->size[d + 2];
        }
        int64_t n = rest / y->size[1], base = n * x->stride[0] + rest % y->size[1] * x->stride[1];
        double pos[SPATIAL_MAX];
        for (int d = 0; d < s->spatial; d++) { // the grid's last dimension is x, y, z: the other way round
            double v = element_get(g->data, (DType)g->dtype, at + n * g->stride[0] + (s->spatial - 1 - d) * g->stride[g->ndim - 1]);
            double size = (double)x->size[d + 2], at_v = s->p.align_corners ? (v + 1) / 2 * (size - 1) : ((v + 1) * size - 1) / 2;
            pos[d] = s->p.mode == 2 ? at_v : s->p.mode == 1 ? grid_nearest(&s->p, v, x->size[d + 2], (DType)x->dtype) : grid_padded(&s->p, at_v, x->size[d + 2]);
        }
        double v = s->p.mode == 2 ? cubic_sample(s, x, base, pos) : s->p.mode == 1 ? input_at(s, x, base, pos) : linear_sample(s, x, base, pos);
        element_set(y->data, (DType)y->dtype, i, v);
    }
    return ST_OK;
}

void ref_grid_sample_destroy(Kernel *k) { kernel_state_free(k); }
