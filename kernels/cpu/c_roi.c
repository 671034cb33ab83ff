// roi_align of float32 in any layout: the places that a region reads, and their weights, are computed once and used for
// every channel; channels that lie side by side are summed side by side.
#include "kernels/cpu/points.h"
#include "kernels/cpu/roi.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

enum { CORNERS = 4, CHUNK = 64 }; // corners of a bin that are computed at a time: 16 points

typedef struct RoiState {
    RoiParams p; // first: what roi_prepare made
    int64_t inner;                  // channels that lie side by side
    int64_t at_weight, at_sum;      // offsets into scratch
} RoiState;

Status c_roi_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const RoiParams *p = params;
    const View *x = &in[0];
    int64_t outer, inner = 1;
    TRY(roi_prepare(k, p, in));
    if (p->kind != ROI_ALIGN || x->dtype != DT_F32 || in[1].layout != LAYOUT_STRIDED || !view_numel(&k->outputs[0]))
        return ST_DECLINED;
    if (!view_one_order(x, &outer, &inner) && x->layout != LAYOUT_STRIDED)
        return ST_DECLINED;
    int64_t reach = x->layout == LAYOUT_STRIDED && inner == 1 ? (x->size[2] - 1) * x->stride[2] + (x->size[3] - 1) * x->stride[3] : x->size[2] * x->size[3] * inner;
    if (view_numel(x) == 0 || reach < 0 || reach > INT32_MAX)
        return ST_DECLINED;
    RoiState s = {.p = *p, .inner = inner};
    kernel_state_free(k);
    void *state;
    TRY(kernel_state_new(k, sizeof s, &state));
    size_t bins = (size_t)(p->size[0] * p->size[1]), bytes = bins * CHUNK * sizeof(float); // a multiple of 64
    s.at_weight = (int64_t)bytes;
    s.at_sum = (int64_t)(2 * bytes);
    memcpy(state, &s, sizeof s);
    k->scratch_bytes = 2 * bytes + (size_t)inner * sizeof(float);
    return ST_OK;
}

// Steps of the plane in elements, for rows and columns, and how corner k of bin b is numbered: k * corner + b * bin.
typedef struct Plane {
    int64_t row, column, corner, bin;
} Plane;

// Corners of grid point (i, j) of every bin, as corner numbers k … k + 3.
static void grid_point(const RoiParams *p, const Region *r, const View *x, int64_t i, int64_t j, int64_t k, const Plane *plane, int32_t *at, float *weight)
{
    for (int64_t ph = 0; ph < p->size[0]; ph++) {
        int64_t low, high, left, right;
        double ly, lx, y = roi_point(r->y, r->bin_h, ph, i, r->grid_h, DT_F32);
        bool row = roi_taps(y, x->size[2], &low, &high, &ly);
        for (int64_t pw = 0; pw < p->size[1]; pw++) {
            bool inside = row && roi_taps(roi_point(r->x, r->bin_w, pw, j, r->grid_w, DT_F32), x->size[3], &left, &right, &lx);
            for (int c = 0; c < CORNERS; c++) {
                int64_t to = (k + c) * plane->corner + (ph * p->size[1] + pw) * plane->bin;
                at[to] = inside ? (int32_t)((c / 2 ? high : low) * plane->row + (c % 2 ? right : left) * plane->column) : -1;
                weight[to] = inside ? (c / 2 ? (float)ly : 1 - (float)ly) * (c % 2 ? (float)lx : 1 - (float)lx) : 0;
            }
        }
    }
}

// The weighted sum of `corners` groups of n channels.
ISA_INLINE void sum_corners_body(float *restrict sum, const float *x, const int32_t *at, const float *weight, int64_t corners, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] = 0;
    for (int64_t k = 0; k < corners; k++) {
        if (at[k] < 0)
            continue;
        const float *from = x + at[k];
        for (int64_t i = 0; i < n; i++)
            sum[i] += weight[k] * from[i];
    }
}
ISA_INLINE void sum_blocks_body(float *sum, const float *x, const int32_t *at, const float *weight, int64_t corners, int64_t n)
{
    for (int64_t i = 0; i + 16 <= n; i += 16)
        sum_corners_body(sum + i, x + i, at, weight, corners, 16);
    if (n % 16)
        sum_corners_body(sum + n / 16 * 16, x + n / 16 * 16, at, weight, corners, n % 16);
}
ISA_VARIANTS(sum_blocks, (float *sum, const float *x, const int32_t *at, const float *weight, int64_t corners, int64_t n),
             (sum, x, at, weight, corners, n))

// One chunk of corners into y [C, bins].
static void add_chunk(const RoiState *s, const View *x, int64_t image, int64_t corners, const int32_t *at, const float *weight, float *sum, float *y, bool add)
{
    int64_t bins = s->p.size[0] * s->p.size[1], channels = x->size[1], n = s->inner;
    const float *data = x->data;
    if (n == 1) {
        Points p = {(int32_t *)(uintptr_t)at, (float *)(uintptr_t)weight, bins, (int)corners};
        for (int64_t c = 0; c < channels; c++)
            points_blend(y + c * bins, data + image * x->stride[0] + c * x->stride[1], &p, add);
        return;
    }
    int64_t plane = x->size[2] * x->size[3] * n;
    for (int64_t block = 0; block < channels / n; block++)
        for (int64_t b = 0; b < bins; b++) {
            sum_blocks(sum, data + (image * (channels / n) + block) * plane, at + b * CHUNK, weight + b * CHUNK, corners, n);
            float *to = y + block * n * bins + b;
            for (int64_t i = 0; i < n; i++)
                to[i * bins] = add ? to[i * bins] + sum[i] : sum[i];
        }
}

Status c_roi_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const RoiState *s = k->state;
    const View *x = &in[0];
    int64_t bins = s->p.size[0] * s->p.size[1], channels = x->size[1], n = s->inner;
    int32_t *at = scratch;
    float *weight = (float *)(void *)((char *)scratch + s->at_weight), *sum = (float *)(void *)((char *)scratch + s->at_sum);
    Plane plane = n == 1 ? (Plane){x->stride[2], x->stride[3], bins, 1} : (Plane){x->size[3] * n, n, 1, CHUNK};
    for (int64_t r = 0; r < in[1].size[0]; r++) {
        Region region;
        TRY(roi_region(&s->p, x, &in[1], r, &region));
        float *y = (float *)out[0].data + r * channels * bins;
        int64_t points = region.grid_h * region.grid_w, filled = 0;
        bool add = false;
        if (region.grid_h <= 0 || region.grid_w <= 0) {
            memset(y, 0, sizeof *y * (size_t)(channels * bins));
            continue;
        }
        for (int64_t i = 0; i < points; i++) {
            grid_point(&s->p, &region, x, i / region.grid_w, i % region.grid_w, filled, &plane, at, weight);
            filled += CORNERS;
            if (filled == CHUNK || i + 1 == points) {
                add_chunk(s, x, region.image, filled, at, weight, sum, y, add);
                add = true;
                filled = 0;
            }
        }
        for (int64_t i = 0; points > 1 && i < channels * bins; i++)
            y[i] /= (float)points;
    }
    return ST_OK;
}

void c_roi_destroy(Kernel *k) { kernel_state_free(k); }
