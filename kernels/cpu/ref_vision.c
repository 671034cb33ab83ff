// Detection: reference pooling over regions of interest, as torchvision computes it on the CPU.
// Coordinates of float32 tensors are computed in float32, since they decide which pixels are read.
#include "kernels/cpu/roi.h"
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

Status roi_prepare(Kernel *k, const RoiParams *p, const View *in)
{
    const View *x = &in[0], *rois = &in[1];
    bool by_position = p->kind == ROI_PS_ALIGN || p->kind == ROI_PS_POOL;
    if (rois->ndim != 2 || rois->size[1] != 5)
        return status_fail(ST_RAISED, by_position ? "Tensor rois should have shape as Tensor[K, 5]" : "rois must have shape as Tensor[K, 5]");
    if (x->ndim != 4 || p->size[0] < 0 || p->size[1] < 0)
        return status_fail(ST_RAISED, "regions of interest: the input must have 4 dimensions and the output size must not be negative");
    if (x->dtype != rois->dtype)
        return status_fail(ST_RAISED, "Expected tensor for argument #1 'input' to have the same type as tensor for argument #2 'rois'; but type %s does not equal %s",
                           dtype_torch_name((DType)x->dtype), dtype_torch_name((DType)rois->dtype));
    if (by_position && (p->size[0] == 0 || p->size[1] == 0 || x->size[1] % p->size[0] || x->size[1] / p->size[0] % p->size[1]))
        return status_fail(ST_RAISED, "input channels must be a multiple of pooling height * pooling width");
    void *state;
    TRY(kernel_state_new(k, sizeof *p, &state));
    memcpy(state, p, sizeof *p);
    int64_t size[4] = {rois->size[0], by_position ? x->size[1] / p->size[0] / p->size[1] : x->size[1], p->size[0], p->size[1]};
    kernel_output(k, 0, (DType)x->dtype, 4, size);
    if (p->kind != ROI_ALIGN)
        kernel_output(k, 1, DT_I32, 4, size);
    return ST_OK;
}

Status ref_roi_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    TRY(roi_prepare(k, params, in));
    return any_private(in, n_in) || (in[0].dtype != DT_F32 && in[0].dtype != DT_F64) ? ST_DECLINED : ST_OK;
}

static double narrow(double v, DType t) { return t == DT_F32 ? (double)(float)v : v; }

static double roi_get(const View *rois, int64_t r, int column)
{
    return element_get(rois->data, (DType)rois->dtype, r * rois->stride[0] + column * rois->stride[1]);
}

Status roi_region(const RoiParams *p, const View *x, const View *rois, int64_t r, Region *out)
{
    DType t = (DType)x->dtype;
    double image = roi_get(rois, r, 0), corner[4], scale = narrow(p->scale, t), shift = p->aligned ? 0.5 : 0;
    for (int i = 0; i < 4; i++) {
        corner[i] = narrow(narrow(roi_get(rois, r, i + 1) * scale, t) - shift, t);
        if (!isfinite(corner[i]) || fabs(corner[i]) > 1e8)
            return status_fail(ST_RAISED, "regions of interest: region %lld is not finite", (long long)r);
    }
    if (!(image >= 0 && image < (double)x->size[0]))
        return status_fail(ST_RAISED, "regions of interest: region %lld is of image %g, but there are %lld", (long long)r, image, (long long)x->size[0]);
    double w = narrow(corner[2] - corner[0], t), h = narrow(corner[3] - corner[1], t);
    if (!p->aligned) {
        w = w < 1 ? 1 : w;
        h = h < 1 ? 1 : h;
    }
    *out = (Region){.image = (int64_t)image, .y = corner[1], .x = corner[0]};
    out->bin_h = narrow(h / (double)p->size[0], t);
    out->bin_w = narrow(w / (double)p->size[1], t);
    out->grid_h = p->sampling_ratio > 0 ? p->sampling_ratio : (int64_t)ceil(out->bin_h);
    out->grid_w = p->sampling_ratio > 0 ? p->sampling_ratio : (int64_t)ceil(out->bin_w);
    return ST_OK;
}

double roi_point(double start, double bin, int64_t b, int64_t i, int64_t grid, DType t)
{
    double corner = narrow(start + narrow((double)b * bin, t), t);
    return narrow(corner + narrow(narrow(((double)i + 0.5) * bin, t) / (double)grid, t), t);
}

static double sample(const View *x, int64_t base, double py, double px)
{
    int64_t y[2], q[2];
    double ly, lx, sum = 0;
    if (!roi_taps(py, x->size[2], &y[0], &y[1], &ly) || !roi_taps(px, x->size[3], &q[0], &q[1], &lx))
        return 0;
    for (int i = 0; i < 4; i++)
        sum += (i / 2 ? ly : 1 - ly) * (i % 2 ? lx : 1 - lx) * element_get(x->data, (DType)x->dtype, base + y[i / 2] * x->stride[2] + q[i % 2] * x->stride[3]);
    return sum;
}

static double align_bin(const RoiParams *p, const Region *r, const View *x, int64_t base, int64_t ph, int64_t pw)
{
    DType t = (DType)x->dtype;
    double sum = 0, count = (double)(r->grid_h * r->grid_w);
    for (int64_t i = 0; i < r->grid_h; i++)
        for (int64_t j = 0; j < r->grid_w; j++)
            sum += sample(x, base, roi_point(r->y, r->bin_h, ph, i, r->grid_h, t), roi_point(r->x, r->bin_w, pw, j, r->grid_w, t));
    return sum / (count > 1 || p->kind == ROI_PS_ALIGN ? count : 1);
}

static int64_t within(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

// Rows y0 … y1 and columns x0 … x1 of the image.
typedef struct Window {
    int64_t y0, y1, x0, x1;
} Window;

// Corners are rounded to pixels first; bins may share them. Average pooling by position never reads the last row and column.
static Window pool_window(const RoiParams *p, const View *x, const View *rois, int64_t r, int64_t ph, int64_t pw)
{
    DType t = (DType)x->dtype;
    int64_t corner[4], last = p->kind == ROI_PS_POOL ? 1 : 0;
    for (int i = 0; i < 4; i++)
        corner[i] = (int64_t)round(narrow(roi_get(rois, r, i + 1) * narrow(p->scale, t), t));
    int64_t w = corner[2] - corner[0] + 1 - last, h = corner[3] - corner[1] + 1 - last;
    double bin_h = narrow((double)(h < 1 ? 1 : h) / (double)p->size[0], t), bin_w = narrow((double)(w < 1 ? 1 : w) / (double)p->size[1], t);
    int64_t most_y = x->size[2] - last, most_x = x->size[3] - last;
    return (Window){within((int64_t)floor(narrow((double)ph * bin_h, t)) + corner[1], most_y), within((int64_t)ceil(narrow((double)(ph + 1) * bin_h, t)) + corner[1], most_y),
                    within((int64_t)floor(narrow((double)pw * bin_w, t)) + corner[0], most_x), within((int64_t)ceil(narrow((double)(pw + 1) * bin_w, t)) + corner[0], most_x)};
}

static double pool_bin(const RoiParams *p, const View *x, int64_t base, const Window *w, int32_t *index)
{
    bool any = w->y1 > w->y0 && w->x1 > w->x0, max = p->kind == ROI_MAX;
    double value = any && max ? -INFINITY : 0;
    for (int64_t i = w->y0; any && i < w->y1; i++)
        for (int64_t j = w->x0; j < w->x1; j++) {
            double v = element_get(x->data, (DType)x->dtype, base + i * x->stride[2] + j * x->stride[3]);
            if (!max) {
                value += v;
            } else if (v > value) {
                value = v;
                *index = (int32_t)(i * x->size[3] + j);
            }
        }
    return any && !max ? value / (double)((w->y1 - w->y0) * (w->x1 - w->x0)) : value;
}

Status ref_roi_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RoiParams *p = k->state;
    const View *x = &in[0], *rois = &in[1];
    int64_t bins = p->size[0] * p->size[1], channels = out[0].size[1];
    bool by_position = p->kind == ROI_PS_ALIGN || p->kind == ROI_PS_POOL;
    for (int64_t r = 0; r < rois->size[0]; r++) {
        Region region = {0};
        TRY(roi_region(p, x, rois, r, &region));
        for (int64_t i = 0; i < channels * bins; i++) {
            int64_t channel = by_position ? i : i / bins, ph = i % bins / p->size[1], pw = i % p->size[1], to = r * channels * bins + i;
            int64_t base = region.image * x->stride[0] + channel * x->stride[1];
            int32_t index = by_position ? (int32_t)channel : -1;
            double v;
            if (p->kind == ROI_ALIGN || p->kind == ROI_PS_ALIGN) {
                v = align_bin(p, &region, x, base, ph, pw);
            } else {
                Window w = pool_window(p, x, rois, r, ph, pw);
                v = pool_bin(p, x, base, &w, &index);
            }
            element_set(out[0].data, (DType)x->dtype, to, v);
            if (p->kind != ROI_ALIGN)
                ((int32_t *)out[1].data)[to] = index;
        }
    }
    return ST_OK;
}

void ref_roi_destroy(Kernel *k) { kernel_state_free(k); }
