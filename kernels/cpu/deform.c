// Columns of deformable convolution: the reference in double, and float32 that computes the places and weights of a block
// of points once for all channels of a group.
#include "kernels/cpu/points.h"
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256 };

typedef struct DeformState {
    DeformParams p;
    int64_t out[2], points, taps; // taps: elements of the kernel
    bool masked;
} DeformState;

typedef struct DeformScratch {
    double y[BLOCK], x[BLOCK];
    int32_t row_at[2 * BLOCK], column_at[2 * BLOCK], at[4 * BLOCK];
    float row_weight[2 * BLOCK], column_weight[2 * BLOCK], weight[4 * BLOCK];
} DeformScratch;

// ST_RAISED for shapes that do not belong together.
static Status check_shapes(const DeformParams *p, const View *in, int n_in, DeformState *s)
{
    const View *x = &in[0], *offset = &in[1];
    s->p = *p;
    s->masked = operand_given(in, n_in, 2);
    s->taps = p->kernel[0] * p->kernel[1];
    if (p->groups <= 0 || p->groups > x->size[1] || x->size[1] % p->groups)
        return status_fail(ST_RAISED, "deform_conv2d: %lld channels cannot be divided into %lld offset groups", (long long)x->size[1], (long long)p->groups);
    if (offset->size[1] != p->groups * 2 * s->taps)
        return status_fail(ST_RAISED, "offset.shape[1] is not valid: got: %lld expected: %lld", (long long)offset->size[1], (long long)(p->groups * 2 * s->taps));
    if (s->masked && in[2].size[1] != p->groups * s->taps)
        return status_fail(ST_RAISED, "mask.shape[1] is not valid: got: %lld expected: %lld", (long long)in[2].size[1], (long long)(p->groups * s->taps));
    for (int i = 0; i < 2; i++) {
        int64_t room = x->size[i + 2] + 2 * p->padding[i] - p->dilation[i] * (p->kernel[i] - 1) - 1;
        s->out[i] = room < 0 ? 0 : room / p->stride[i] + 1;
    }
    if (s->out[0] <= 0 || s->out[1] <= 0)
        return status_fail(ST_RAISED, "Calculated output size too small - out_h: %lld out_w: %lld", (long long)s->out[0], (long long)s->out[1]);
    for (int i = 1; i < (s->masked ? 3 : 2); i++) {
        if (in[i].size[0] != x->size[0])
            return status_fail(ST_RAISED, "invalid batch size of %s", i == 1 ? "offset" : "mask");
        if (in[i].size[2] != s->out[0] || in[i].size[3] != s->out[1])
            return status_fail(ST_RAISED, "%s output dims: (%lld, %lld) - computed output dims: (%lld, %lld)", i == 1 ? "offset" : "mask", (long long)in[i].size[2],
                               (long long)in[i].size[3], (long long)s->out[0], (long long)s->out[1]);
        if (in[i].dtype != x->dtype)
            return status_fail(ST_RAISED, "expected scalar type %s but found %s", dtype_torch_name((DType)x->dtype), dtype_torch_name((DType)in[i].dtype));
    }
    s->points = s->out[0] * s->out[1];
    return ST_OK;
}

static Status deform_state(Kernel *k, const DeformState *s, const View *in)
{
    void *state;
    TRY(kernel_state_new(k, sizeof *s, &state));
    memcpy(state, s, sizeof *s);
    kernel_output(k, 0, (DType)in->dtype, 3, (int64_t[]){in->size[0], in->size[1] * s->taps, s->points});
    return ST_OK;
}

Status ref_deform_columns_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    DeformState s = {0};
    TRY(check_shapes(params, in, n_in, &s));
    if (any_private(in, n_in) || !dtype_is_floating((DType)in->dtype))
        return ST_DECLINED;
    return deform_state(k, &s, in);
}

static double element4(const View *v, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return element_get(v->data, (DType)v->dtype, a * v->stride[0] + b * v->stride[1] + c * v->stride[2] + d * v->stride[3]);
}

static double bilinear(const View *x, int64_t n, int64_t c, double py, double px)
{
    double sum = 0, y0 = floor(py), x0 = floor(px);
    if (!(py > -1 && py < (double)x->size[2] && px > -1 && px < (double)x->size[3]))
        return 0;
    for (int i = 0; i < 4; i++) {
        int64_t y = (int64_t)y0 + i / 2, q = (int64_t)x0 + i % 2;
        if (y >= 0 && y < x->size[2] && q >= 0 && q < x->size[3])
            sum += (i / 2 ? py - y0 : 1 - (py - y0)) * (i % 2 ? px - x0 : 1 - (px - x0)) * element4(x, n, c, y, q);
    }
    return sum;
}

// Where window (oh, ow) of image n reads kernel element `tap` of a group.
static void place(const DeformState *s, const View *offset, int64_t n, int64_t group, int64_t tap, int64_t oh, int64_t ow, double *y, double *x)
{
    const DeformParams *p = &s->p;
    int64_t at = (group * s->taps + tap) * 2;
    *y = (double)(oh * p->stride[0] - p->padding[0] + tap / p->kernel[1] * p->dilation[0]) + element4(offset, n, at, oh, ow);
    *x = (double)(ow * p->stride[1] - p->padding[1] + tap % p->kernel[1] * p->dilation[1]) + element4(offset, n, at + 1, oh, ow);
}

Status ref_deform_columns_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const DeformState *s = k->state;
    const View *x = &in[0];
    int64_t per_group = x->size[1] / s->p.groups, count = view_numel(&out[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t point = i % s->points, tap = i / s->points % s->taps, c = i / s->points / s->taps % x->size[1], n = i / s->points / s->taps / x->size[1];
        int64_t oh = point / s->out[1], ow = point % s->out[1], group = c / per_group;
        double py, px;
        place(s, &in[1], n, group, tap, oh, ow, &py, &px);
        double v = bilinear(x, n, c, py, px);
        element_set(out[0].data, (DType)x->dtype, i, s->masked ? v * element4(&in[2], n, group * s->taps + tap, oh, ow) : v);
    }
    return ST_OK;
}

void ref_deform_columns_destroy(Kernel *k) { kernel_state_free(k); }

// ---- float32

Status c_deform_columns_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    DeformState s = {0};
    const View *x = &in[0];
    TRY(check_shapes(params, in, n_in, &s));
    if (any_private(in, n_in) || x->dtype != DT_F32 || view_numel(x) == 0 || x->size[2] > INT32_MAX / 4 || x->size[3] > INT32_MAX / 4 ||
        (x->size[2] - 1) * x->stride[2] + (x->size[3] - 1) * x->stride[3] > INT32_MAX)
        return ST_DECLINED;
    k->scratch_bytes = sizeof(DeformScratch);
    return deform_state(k, &s, in);
}

static Points block_points(const DeformState *s, const View *in, int64_t n, int64_t group, int64_t tap, int64_t first, int64_t count, DeformScratch *area)
{
    const View *x = &in[0];
    int64_t oh = first / s->out[1], ow = first % s->out[1];
    for (int64_t i = 0; i < count; i++) {
        place(s, &in[1], n, group, tap, oh, ow, &area->y[i], &area->x[i]);
        if (++ow == s->out[1]) {
            ow = 0;
            oh++;
        }
    }
    Points rows = {area->row_at, area->row_weight, count, 2}, columns = {area->column_at, area->column_weight, count, 2};
    Points all = {area->at, area->weight, count, 4};
    points_linear(area->y, (int32_t)x->size[2], (int32_t)x->stride[2], &rows);
    points_linear(area->x, (int32_t)x->size[3], (int32_t)x->stride[3], &columns);
    points_multiply(&rows, &columns, &all);
    for (int64_t i = 0; s->masked && i < count; i++) {
        float m = (float)element4(&in[2], n, group * s->taps + tap, (first + i) / s->out[1], (first + i) % s->out[1]);
        for (int c = 0; c < 4; c++)
            all.weight[c * count + i] *= m;
    }
    return all;
}

Status c_deform_columns_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const DeformState *s = k->state;
    const View *x = &in[0];
    int64_t per_group = x->size[1] / s->p.groups;
    for (int64_t i = 0; i < x->size[0] * s->p.groups * s->taps; i++) {
        int64_t tap = i % s->taps, group = i / s->taps % s->p.groups, n = i / s->taps / s->p.groups;
        for (int64_t first = 0; first < s->points; first += BLOCK) {
            int64_t count = s->points - first < BLOCK ? s->points - first : BLOCK;
            Points points = block_points(s, in, n, group, tap, first, count, scratch);
            for (int64_t c = group * per_group; c < (group + 1) * per_group; c++)
                points_blend((float *)out[0].data + ((n * x->size[1] + c) * s->taps + tap) * s->points + first,
                             (const float *)x->data + n * x->stride[0] + c * x->stride[1], &points, false);
        }
    }
    return ST_OK;
}

void c_deform_columns_destroy(Kernel *k) { kernel_state_free(k); }
