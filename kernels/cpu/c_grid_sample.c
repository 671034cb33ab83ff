// Grid sampling of float32. The places and weights of a block of points are computed once, dimension by dimension, and
// used for every channel.
#include "kernels/cpu/grid.h"
#include "kernels/cpu/points.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

enum { BLOCK = 256, MAX_TAPS = 4, MAX_CORNERS = 16 };

typedef struct GridState {
    GridSampleParams p;
    int spatial, taps;      // per dimension: 1 nearest, 2 linear, 4 cubic
    int64_t stride[SPATIAL_MAX];
    int64_t size[SPATIAL_MAX], points;
} GridState;

typedef struct GridScratch {
    double pos[SPATIAL_MAX][BLOCK];
    int32_t at[SPATIAL_MAX][MAX_TAPS * BLOCK];
    float weight[SPATIAL_MAX][MAX_TAPS * BLOCK];
    int32_t pair_at[MAX_TAPS * BLOCK], all_at[MAX_CORNERS * BLOCK];
    float pair_weight[MAX_TAPS * BLOCK], all_weight[MAX_CORNERS * BLOCK];
} GridScratch;

Status c_grid_sample_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const View *x = &in[0];
    int64_t size[VIEW_MAX_DIMS], reach = 0;
    TRY(grid_sample_shape(params, in, size));
    if (any_private(in, n_in) || x->dtype != DT_F32)
        return ST_DECLINED;
    for (int d = 2; d < x->ndim; d++)
        if (x->size[d] == 0 || __builtin_add_overflow(reach, (x->size[d] - 1) * x->stride[d], &reach) || reach > INT32_MAX || x->size[d] > INT32_MAX / 4)
            return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(GridState), &state));
    GridState *s = state;
    s->p = *(const GridSampleParams *)params;
    s->spatial = x->ndim - 2;
    s->taps = s->p.mode == 1 ? 1 : s->p.mode == 2 ? 4 : 2;
    s->points = 1;
    for (int d = 0; d < s->spatial; d++) {
        s->stride[d] = x->stride[d + 2];
        s->size[d] = size[d + 2];
        s->points *= size[d + 2];
    }
    kernel_output(k, 0, DT_F32, x->ndim, size);
    k->scratch_bytes = sizeof(GridScratch);
    return ST_OK;
}

// Coordinates of points [first, first + n) of image `image`: pos[d][i], as they are in the grid.
static void read_grid(const GridState *s, const View *g, int64_t image, int64_t first, int64_t n, GridScratch *area)
{
    const float *data = (const float *)g->data + image * g->stride[0];
    int64_t o[SPATIAL_MAX] = {0}, last = g->stride[g->ndim - 1];
    if (view_is_contiguous(g)) {
        for (int d = 0; d < s->spatial; d++)
            for (int64_t i = 0; i < n; i++)
                area->pos[d][i] = (double)data[(first + i) * s->spatial + s->spatial - 1 - d];
        return;
    }
    for (int d = s->spatial - 1; d >= 0; d--) {
        o[d] = first % s->size[d];
        first /= s->size[d];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int d = 0; d < s->spatial; d++)
            at += o[d] * g->stride[d + 1];
        for (int d = 0; d < s->spatial; d++) // x, y, z: the other way round
            area->pos[d][i] = (double)data[at + (s->spatial - 1 - d) * last];
        for (int d = s->spatial - 1; d >= 0 && ++o[d] == s->size[d]; d--)
            o[d] = 0;
    }
}

// Positions from -1 … 1 to elements.
ISA_INLINE void to_elements_body(double *pos, int64_t n, double size, bool align)
{
    for (int64_t i = 0; i < n; i++)
        pos[i] = align ? (pos[i] + 1) / 2 * (size - 1) : ((pos[i] + 1) * size - 1) / 2;
}
ISA_VARIANTS(to_elements, (double *pos, int64_t n, double size, bool align), (pos, n, size, align))

static void one_tap(double place, float weight, int64_t size, int64_t stride, int32_t *at, float *w)
{
    bool inside = place >= 0 && place <= (double)(size - 1);
    *at = inside ? (int32_t)((int64_t)place * stride) : -1;
    *w = weight;
}

static void cubic_taps(const GridSampleParams *p, const double *pos, int64_t n, int64_t size, int64_t stride, int32_t *at, float *w)
{
    for (int64_t i = 0; i < n; i++) {
        double low = floor(pos[i]), weight[MAX_TAPS];
        grid_cubic(pos[i] - low, weight);
        for (int k = 0; k < MAX_TAPS; k++)
            one_tap(grid_padded(p, low - 1 + k, size), (float)weight[k], size, stride, &at[k * n + i], &w[k * n + i]);
    }
}

static void taps(const GridState *s, const View *x, int d, int64_t n, GridScratch *area)
{
    double *pos = area->pos[d];
    int64_t size = x->size[d + 2], stride = s->stride[d];
    if (s->taps == 1) {
        for (int64_t i = 0; i < n; i++)
            one_tap(grid_nearest(&s->p, pos[i], size, DT_F32), 1, size, stride, &area->at[d][i], &area->weight[d][i]);
        return;
    }
    to_elements(pos, n, (double)size, s->p.align_corners);
    if (s->taps == 4) {
        cubic_taps(&s->p, pos, n, size, stride, area->at[d], area->weight[d]);
        return;
    }
    for (int64_t i = 0; s->p.padding && i < n; i++)
        pos[i] = grid_padded(&s->p, pos[i], size);
    Points p = {area->at[d], area->weight[d], n, s->taps};
    points_linear(pos, (int32_t)size, (int32_t)stride, &p);
}

static Points block_points(const GridState *s, const View *x, const View *g, int64_t image, int64_t first, int64_t n, GridScratch *area)
{
    Points one[SPATIAL_MAX], pair = {.at = area->pair_at, .weight = area->pair_weight}, all = {.at = area->all_at, .weight = area->all_weight};
    read_grid(s, g, image, first, n, area);
    for (int d = 0; d < s->spatial; d++) {
        taps(s, x, d, n, area);
        one[d] = (Points){area->at[d], area->weight[d], n, s->taps};
    }
    if (s->spatial == 2) {
        points_multiply(&one[0], &one[1], &all);
        return all;
    }
    points_multiply(&one[0], &one[1], &pair);
    points_multiply(&pair, &one[2], &all);
    return all;
}

Status c_grid_sample_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const GridState *s = k->state;
    const View *x = &in[0];
    float *y = out[0].data;
    int64_t channels = x->size[1];
    for (int64_t image = 0; image < x->size[0]; image++)
        for (int64_t first = 0; first < s->points; first += BLOCK) {
            int64_t n = s->points - first < BLOCK ? s->points - first : BLOCK;
            Points p = block_points(s, x, &in[1], image, first, n, scratch);
            const float *plane = (const float *)x->data + image * x->stride[0];
            for (int64_t c = 0; c < channels; c++)
                points_blend(y + (image * channels + c) * s->points + first, plane + c * x->stride[1], &p, false);
        }
    return ST_OK;
}

void c_grid_sample_destroy(Kernel *k) { kernel_state_free(k); }
