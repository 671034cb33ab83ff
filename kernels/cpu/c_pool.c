// Pooling of float32 and float64, plane by plane, with or without indices: an output row takes up one row of the input for
// each tap of the window. Adaptive windows differ from place to place and are walked one by one.
// Max takes the first of equal elements, and any NaN, as PyTorch does.
#include "kernels/copy.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <math.h>
#include <string.h>

typedef struct PlanePool {
    PoolParams p;        // right-aligned: missing dimensions have windows of 1
    bool adaptive, copied; // copied: the input is made contiguous in scratch
    DType type;
    int64_t planes, in[SPATIAL_MAX], out[SPATIAL_MAX], pixels_in, pixels_out;
} PlanePool;

static Status plane_state(Kernel *k, const View *in, const int64_t *size, bool indices, PlanePool **out)
{
    DType t = (DType)in->dtype;
    if ((t != DT_F32 && t != DT_F64) || in->layout != LAYOUT_STRIDED)
        return ST_DECLINED;
    kernel_output(k, 0, t, in->ndim, size);
    if (indices)
        kernel_output(k, 1, DT_I64, in->ndim, size);
    if (view_numel(&k->outputs[0]) == 0)
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(PlanePool), &state));
    PlanePool *s = *out = state;
    *s = (PlanePool){.type = t, .planes = in->size[0] * in->size[1], .pixels_in = 1, .pixels_out = 1, .copied = !view_is_contiguous(in)};
    for (int d = 0; d < SPATIAL_MAX; d++) {
        int i = d - (SPATIAL_MAX - (in->ndim - 2));
        s->in[d] = i < 0 ? 1 : in->size[i + 2];
        s->out[d] = i < 0 ? 1 : size[i + 2];
        s->pixels_in *= s->in[d];
        s->pixels_out *= s->out[d];
        s->p.kernel[d] = s->p.stride[d] = s->p.dilation[d] = 1;
    }
    if (s->copied)
        k->scratch_bytes = (size_t)view_numel(in) * dtype_size(t);
    return ST_OK;
}

Status c_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const PoolParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    PlanePool *s;
    TRY(pool_shape(p, in, size));
    TRY(plane_state(k, in, size, p->with_indices, &s));
    s->p.max = p->max;
    s->p.with_indices = p->with_indices;
    s->p.divisor = p->divisor;
    s->p.count_include_pad = p->count_include_pad;
    for (int i = 0; i < in->ndim - 2; i++) {
        int d = i + SPATIAL_MAX - (in->ndim - 2);
        s->p.kernel[d] = p->kernel[i];
        s->p.stride[d] = p->stride[i];
        s->p.padding[d] = p->padding[i];
        s->p.dilation[d] = p->dilation[i];
    }
    return ST_OK;
}

Status c_adaptive_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const AdaptivePoolParams *a = params;
    int64_t size[VIEW_MAX_DIMS];
    PlanePool *s;
    memcpy(size, in->size, sizeof size);
    for (int i = 0; i < in->ndim - 2; i++) {
        size[i + 2] = a->size[i];
        if (in->size[i + 2] == 0)
            return ST_DECLINED; // the reference has the message
    }
    TRY(plane_state(k, in, size, a->max, &s));
    s->adaptive = true;
    s->p.max = s->p.with_indices = a->max;
    return ST_OK;
}

// Where the window of output o starts, and how many of the input's elements an average counts.
static int64_t window_from(const PlanePool *s, int d, int64_t o) { return o * s->p.stride[d] - s->p.padding[d]; }
static int64_t window_count(const PlanePool *s, int d, int64_t o)
{
    int64_t from = window_from(s, d, o), to = from + s->p.dilation[d] * (s->p.kernel[d] - 1) + 1, limit = s->in[d] + s->p.padding[d];
    to = to < limit ? to : limit;
    if (s->p.count_include_pad)
        return to - from;
    return (to < s->in[d] ? to : s->in[d]) - (from > 0 ? from : 0);
}

// One output row: `rows` input rows, with their position in the plane. first … last: outputs that tap k reaches.
#define TAP_RANGE                                                                                                      \
    int64_t offset = k * s->p.dilation[2] - s->p.padding[2], stride = s->p.stride[2];                                  \
    int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;                                                 \
    int64_t last = offset >= s->in[2] ? 0 : (s->in[2] - 1 - offset) / stride + 1;                                      \
    last = last > s->out[2] ? s->out[2] : last

// In 8 parts, the same everywhere.
#define SUM_OF(T)                                                                                                      \
    static T sum_of_##T(const T *x, int64_t n)                                                                         \
    {                                                                                                                  \
        T part[8] = {0}, sum = 0;                                                                                      \
        int64_t i = 0;                                                                                                 \
        for (; i + 8 <= n; i += 8)                                                                                     \
            for (int j = 0; j < 8; j++)                                                                                \
                part[j] += x[i + j];                                                                                   \
        if (i)                                                                                                         \
            sum = ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));           \
        for (; i < n; i++)                                                                                             \
            sum += x[i];                                                                                               \
        return sum;                                                                                                    \
    }
SUM_OF(float)
SUM_OF(double)

// The window of output o along a dimension: input from = floor(o * in / out) to ceil((o + 1) * in / out), kept as quotient
// and rest so that going on takes no division.
typedef struct Windows { int64_t o, from, rest, to, step, step_rest; } Windows;

static void window_end(const PlanePool *s, int d, Windows *w)
{
    int64_t rest = w->rest + w->step_rest;
    w->to = w->from + w->step + (rest > 0) + (rest > s->out[d]);
}
static void windows_start(const PlanePool *s, Windows *at)
{
    for (int d = 0; d < SPATIAL_MAX; d++) {
        at[d] = (Windows){.step = s->in[d] / s->out[d], .step_rest = s->in[d] % s->out[d]};
        window_end(s, d, &at[d]);
    }
}
static void windows_next(const PlanePool *s, Windows *at)
{
    for (int d = SPATIAL_MAX - 1; d >= 0; d--) {
        Windows *w = &at[d];
        bool over = ++w->o == s->out[d];
        if (over) {
            w->o = w->from = w->rest = 0;
        } else {
            w->from += w->step;
            w->rest += w->step_rest;
            if (w->rest >= s->out[d]) {
                w->rest -= s->out[d];
                w->from++;
            }
        }
        window_end(s, d, w);
        if (!over)
            return;
    }
}

#define ROWS(T)                                                                                                        \
    ISA_INLINE void max_row_##T##_body(const PlanePool *s, T *y, int64_t *index, const T *x, int64_t at)               \
    {                                                                                                                  \
        for (int64_t k = 0; k < s->p.kernel[2]; k++) {                                                                 \
            TAP_RANGE;                                                                                                 \
            const T *from = x + offset;                                                                                \
            if (index) {                                                                                               \
                for (int64_t o = first; o < last; o++) {                                                               \
                    T v = from[o * stride];                                                                            \
                    bool take = v > y[o] || v != v;                                                                     \
                    y[o] = take ? v : y[o];                                                                            \
                    index[o] = take ? at + o * stride + offset : index[o];                                             \
                }                                                                                                      \
            } else if (stride == 1) {                                                                                  \
                ISA_INDEPENDENT                                                                                        \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] = y[o] >= from[o] || y[o] != y[o] ? y[o] : from[o];                                           \
            } else if (stride == 2) {                                                                                  \
                ISA_INDEPENDENT                                                                                        \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] = y[o] >= from[2 * o] || y[o] != y[o] ? y[o] : from[2 * o];                                   \
            } else {                                                                                                   \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] = y[o] >= from[o * stride] || y[o] != y[o] ? y[o] : from[o * stride];                         \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(max_row_##T, (const PlanePool *s, T *y, int64_t *index, const T *x, int64_t at), (s, y, index, x, at)) \
    ISA_INLINE void sum_row_##T##_body(const PlanePool *s, T *y, const T *x)                                           \
    {                                                                                                                  \
        for (int64_t k = 0; k < s->p.kernel[2]; k++) {                                                                 \
            TAP_RANGE;                                                                                                 \
            const T *from = x + offset;                                                                                \
            if (stride == 1) {                                                                                         \
                ISA_INDEPENDENT                                                                                        \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] += from[o];                                                                                   \
            } else if (stride == 2) {                                                                                  \
                ISA_INDEPENDENT                                                                                        \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] += from[2 * o];                                                                               \
            } else {                                                                                                   \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] += from[o * stride];                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(sum_row_##T, (const PlanePool *s, T *y, const T *x), (s, y, x))                                       \
    static void pool_plane_##T(const PlanePool *s, const T *x, T *y, int64_t *index)                                   \
    {                                                                                                                  \
        const PoolParams *p = &s->p;                                                                                   \
        for (int64_t row = 0; row < s->out[0] * s->out[1]; row++, y += s->out[2], index += index ? s->out[2] : 0) {    \
            int64_t od = row / s->out[1], oh = row % s->out[1], d0 = window_from(s, 0, od), h0 = window_from(s, 1, oh); \
            for (int64_t o = 0; o < s->out[2]; o++)                                                                    \
                y[o] = p->max ? (T)-INFINITY : 0;                                                                      \
            for (int64_t o = 0; index && o < s->out[2]; o++)                                                           \
                index[o] = first_place(s, d0, h0, window_from(s, 2, o));                                               \
            for (int64_t k = 0; k < p->kernel[0] * p->kernel[1]; k++) {                                                \
                int64_t d = d0 + k / p->kernel[1] * p->dilation[0], h = h0 + k % p->kernel[1] * p->dilation[1];        \
                if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1])                                                  \
                    continue;                                                                                          \
                int64_t at = (d * s->in[1] + h) * s->in[2];                                                            \
                if (p->max)                                                                                            \
                    max_row_##T(s, y, index, x + at, at);                                                              \
                else                                                                                                   \
                    sum_row_##T(s, y, x + at);                                                                         \
            }                                                                                                          \
            int64_t rows = window_count(s, 0, od) * window_count(s, 1, oh);                                            \
            for (int64_t o = 0; !p->max && o < s->out[2]; o++)                                                         \
                y[o] /= (T)(p->divisor ? p->divisor : rows * window_count(s, 2, o));                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static void adaptive_plane_##T(const PlanePool *s, const T *x, T *y, int64_t *index)                               \
    {                                                                                                                  \
        if (!s->p.max && s->pixels_out == 1) { /* the whole plane is one row */                                        \
            y[0] = sum_of_##T(x, s->pixels_in) / (T)s->pixels_in;                                                      \
            return;                                                                                                    \
        }                                                                                                              \
        Windows at[SPATIAL_MAX];                                                                                       \
        windows_start(s, at);                                                                                          \
        for (int64_t i = 0; i < s->pixels_out; i++, windows_next(s, at)) {                                             \
            const Windows *d_at = &at[0], *h_at = &at[1], *w_at = &at[2];                                              \
            T value = s->p.max ? (T)-INFINITY : 0;                                                                     \
            int64_t place = (d_at->from * s->in[1] + h_at->from) * s->in[2] + w_at->from;                              \
            for (int64_t d = d_at->from; d < d_at->to; d++)                                                            \
                for (int64_t h = h_at->from; h < h_at->to; h++) {                                                      \
                    const T *row = x + (d * s->in[1] + h) * s->in[2];                                                  \
                    if (!s->p.max) {                                                                                   \
                        value += sum_of_##T(row + w_at->from, w_at->to - w_at->from);                                  \
                        continue;                                                                                      \
                    }                                                                                                  \
                    for (int64_t w = w_at->from; w < w_at->to; w++)                                                    \
                        if (row[w] > value || row[w] != row[w]) {                                                      \
                            value = row[w];                                                                            \
                            place = (d * s->in[1] + h) * s->in[2] + w;                                                 \
                        }                                                                                              \
                }                                                                                                      \
            y[i] = s->p.max ? value : value / (T)((d_at->to - d_at->from) * (h_at->to - h_at->from) * (w_at->to - w_at->from)); \
            if (index)                                                                                                 \
                index[i] = place;                                                                                      \
        }                                                                                                              \
    }

// The first element of a window inside the plane: the index of a maximum when all are -inf.
static int64_t first_place(const PlanePool *s, int64_t d, int64_t h, int64_t w)
{
    int64_t at[SPATIAL_MAX] = {d, h, w};
    for (int i = 0; i < SPATIAL_MAX; i++)
        while (at[i] < 0)
            at[i] += s->p.dilation[i];
    return (at[0] * s->in[1] + at[1]) * s->in[2] + at[2];
}

ROWS(float)
ROWS(double)

Status c_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const PlanePool *s = k->state;
    const void *x = in[0].data;
    if (s->copied) {
        View to = in[0];
        to.data = scratch;
        view_set_contiguous(&to, in[0].ndim, in[0].size);
        TRY(copy_convert(&to, &in[0]));
        x = scratch;
    }
    for (int64_t i = 0; i < s->planes; i++) {
        int64_t *index = s->p.with_indices ? (int64_t *)out[1].data + i * s->pixels_out : NULL;
        if (s->type == DT_F32)
            (s->adaptive ? adaptive_plane_float : pool_plane_float)(s, (const float *)x + i * s->pixels_in, (float *)out[0].data + i * s->pixels_out, index);
        else
            (s->adaptive ? adaptive_plane_double : pool_plane_double)(s, (const double *)x + i * s->pixels_in, (double *)out[0].data + i * s->pixels_out, index);
    }
    return ST_OK;
}

Status c_adaptive_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return c_pool_run(k, in, out, scratch, stream);
}

void c_pool_destroy(Kernel *k) { kernel_state_free(k); }
void c_adaptive_pool_destroy(Kernel *k) { kernel_state_free(k); }
