// Detection: pooling over regions of interest, and suppression of overlapping boxes, as torchvision computes them on the CPU.
// Coordinates are computed in float for float32 tensors, since they decide which pixels are read.
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

typedef struct Region {
    int64_t image;
    double y, x, bin_h, bin_w; // top left corner, size of a bin
    int64_t grid_h, grid_w;    // points per bin
} Region;

Status ref_roi_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const RoiParams *p = params;
    const View *x = &in[0], *rois = &in[1];
    if (rois->ndim != 2 || rois->size[1] != 5)
        return status_fail(ST_RAISED, "rois must have shape as Tensor[K, 5]");
    if (x->ndim != 4 || p->size[0] < 0 || p->size[1] < 0)
        return status_fail(ST_RAISED, "regions of interest: the input must have 4 dimensions and the output size must not be negative");
    if (x->dtype != rois->dtype)
        return status_fail(ST_RAISED, "Expected tensor for argument #1 'input' to have the same type as tensor for argument #2 'rois'; but type %s does not equal %s",
                           dtype_torch_name((DType)x->dtype), dtype_torch_name((DType)rois->dtype));
    if (any_private(in, n_in) || (x->dtype != DT_F32 && x->dtype != DT_F64))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof *p, &state));
    memcpy(state, p, sizeof *p);
    int64_t size[4] = {rois->size[0], x->size[1], p->size[0], p->size[1]};
    kernel_output(k, 0, (DType)x->dtype, 4, size);
    if (p->max)
        kernel_output(k, 1, DT_I32, 4, size);
    return ST_OK;
}

static double narrow(double v, DType t) { return t == DT_F32 ? (double)(float)v : v; }

static double roi_get(const View *rois, int64_t r, int column)
{
    return element_get(rois->data, (DType)rois->dtype, r * rois->stride[0] + column * rois->stride[1]);
}

static Status region_of(const RoiParams *p, const View *x, const View *rois, int64_t r, Region *out)
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
    double w = corner[2] - corner[0], h = corner[3] - corner[1];
    if (!p->aligned) {
        w = w < 1 ? 1 : w;
        h = h < 1 ? 1 : h;
    }
    *out = (Region){.image = (int64_t)image, .y = corner[1], .x = corner[0]};
    out->bin_h = narrow(narrow(h, t) / (double)p->size[0], t);
    out->bin_w = narrow(narrow(w, t) / (double)p->size[1], t);
    out->grid_h = p->sampling_ratio > 0 ? p->sampling_ratio : (int64_t)ceil(out->bin_h);
    out->grid_w = p->sampling_ratio > 0 ? p->sampling_ratio : (int64_t)ceil(out->bin_w);
    return ST_OK;
}

// Bilinear; 0 further than one pixel outside.
static double sample(const View *x, int64_t base, double py, double px)
{
    int64_t h = x->size[2], w = x->size[3];
    if (py < -1 || py > (double)h || px < -1 || px > (double)w)
        return 0;
    py = py < 0 ? 0 : py;
    px = px < 0 ? 0 : px;
    int64_t y0 = (int64_t)py, x0 = (int64_t)px, y1 = y0 + 1, x1 = x0 + 1;
    if (y0 >= h - 1) {
        y0 = y1 = h - 1;
        py = (double)y0;
    }
    if (x0 >= w - 1) {
        x0 = x1 = w - 1;
        px = (double)x0;
    }
    double ly = py - (double)y0, lx = px - (double)x0;
    const int64_t *s = x->stride;
    DType t = (DType)x->dtype;
    return (1 - ly) * ((1 - lx) * element_get(x->data, t, base + y0 * s[2] + x0 * s[3]) + lx * element_get(x->data, t, base + y0 * s[2] + x1 * s[3])) +
           ly * ((1 - lx) * element_get(x->data, t, base + y1 * s[2] + x0 * s[3]) + lx * element_get(x->data, t, base + y1 * s[2] + x1 * s[3]));
}

static double align_bin(const Region *r, const View *x, int64_t base, int64_t ph, int64_t pw)
{
    DType t = (DType)x->dtype;
    double sum = 0, count = (double)(r->grid_h * r->grid_w);
    for (int64_t i = 0; i < r->grid_h; i++)
        for (int64_t j = 0; j < r->grid_w; j++) {
            double y = r->y + (double)ph * r->bin_h + ((double)i + 0.5) * r->bin_h / (double)r->grid_h;
            double px = r->x + (double)pw * r->bin_w + ((double)j + 0.5) * r->bin_w / (double)r->grid_w;
            sum += sample(x, base, narrow(y, t), narrow(px, t));
        }
    return sum / (count > 1 ? count : 1);
}

static int64_t within(int64_t v, int64_t most) { return v < 0 ? 0 : v > most ? most : v; }

// Corners are rounded to pixels first; bins may share them.
static double pool_bin(const RoiParams *p, const View *x, const View *rois, int64_t r, int64_t base, int64_t ph, int64_t pw, int32_t *index)
{
    int64_t corner[4];
    DType t = (DType)x->dtype;
    for (int i = 0; i < 4; i++)
        corner[i] = (int64_t)round(narrow(roi_get(rois, r, i + 1) * narrow(p->scale, t), t));
    int64_t w = corner[2] - corner[0] + 1, h = corner[3] - corner[1] + 1;
    double bin_h = narrow((double)(h < 1 ? 1 : h) / (double)p->size[0], t), bin_w = narrow((double)(w < 1 ? 1 : w) / (double)p->size[1], t);
    int64_t y0 = within((int64_t)floor((double)ph * bin_h) + corner[1], x->size[2]), y1 = within((int64_t)ceil((double)(ph + 1) * bin_h) + corner[1], x->size[2]);
    int64_t x0 = within((int64_t)floor((double)pw * bin_w) + corner[0], x->size[3]), x1 = within((int64_t)ceil((double)(pw + 1) * bin_w) + corner[0], x->size[3]);
    bool any = y1 > y0 && x1 > x0;
    double most = any ? -INFINITY : 0;
    *index = -1;
    for (int64_t i = y0; i < y1; i++)
        for (int64_t j = x0; j < x1; j++) {
            double v = element_get(x->data, t, base + i * x->stride[2] + j * x->stride[3]);
            if (v > most) {
                most = v;
                *index = (int32_t)(i * x->size[3] + j);
            }
        }
    return most;
}

Status ref_roi_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RoiParams *p = k->state;
    const View *x = &in[0], *rois = &in[1];
    int64_t bins = p->size[0] * p->size[1], channels = x->size[1];
    for (int64_t r = 0; r < rois->size[0]; r++) {
        Region region = {0};
        TRY(region_of(p, x, rois, r, &region));
        for (int64_t i = 0; i < channels * bins; i++) {
            int64_t base = region.image * x->stride[0] + i / bins * x->stride[1], ph = i % bins / p->size[1], pw = i % p->size[1];
            int64_t to = r * channels * bins + i;
            double v = p->max ? pool_bin(p, x, rois, r, base, ph, pw, &((int32_t *)out[1].data)[to]) : align_bin(&region, x, base, ph, pw);
            element_set(out[0].data, (DType)x->dtype, to, v);
        }
    }
    return ST_OK;
}

void ref_roi_destroy(Kernel *k) { kernel_state_free(k); }

// ---- overlapping boxes

// Sorts order[0 … n) by descending score, equal ones in their order: merges runs from `order` into `spare` and back.
static void sort_by_score(const float *scores, int64_t *order, int64_t *spare, int64_t n)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            int64_t a = start, middle = start + width < n ? start + width : n, b = middle, end = start + 2 * width < n ? start + 2 * width : n;
            for (int64_t to = start; to < end; to++)
                spare[to] = b >= end || (a < middle && !(scores[order[b]] > scores[order[a]])) ? order[a++] : order[b++];
        }
        memcpy(order, spare, sizeof *order * (size_t)n);
    }
}

int64_t nms_f32(const float *boxes, const float *scores, int64_t n, double threshold, int64_t *keep, int64_t *order, bool *gone)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        order[i] = i;
        gone[i] = false;
    }
    sort_by_score(scores, order, keep, n);
    for (int64_t i = 0; i < n; i++) {
        if (gone[order[i]])
            continue;
        const float *a = boxes + 4 * order[i];
        float area = (a[2] - a[0]) * (a[3] - a[1]);
        keep[kept++] = order[i];
        for (int64_t j = i + 1; j < n; j++) {
            const float *b = boxes + 4 * order[j];
            float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
            float inter = (w > 0 ? w : 0) * (h > 0 ? h : 0), other = (b[2] - b[0]) * (b[3] - b[1]);
            if ((double)(inter / (area + other - inter)) > threshold)
                gone[order[j]] = true;
        }
    }
    return kept;
}
