// Resizing of float32 and float64, and nearest of any type, in any layout. The tensor is seen as [outer, D, H, W, inner]:
// what lies innermost (one element, or a block of channels) moves together. A row of the result is first the weighted sum
// of input rows, then of the positions in it.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"
#include "kernels/resize.h"

#include <string.h>

typedef struct ResizeState {
    Taps taps[SPATIAL_MAX]; // D, H, W; a missing one has a single output and tap
    int64_t in[SPATIAL_MAX], outer, inner;
    size_t element;         // bytes
    bool copy;              // nearest
} ResizeState;

Status c_resize_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const ResizeParams *p = params;
    int64_t size[VIEW_MAX_DIMS], outer, inner;
    int spatial = in->ndim - 2;
    TRY(resize_shape(p, in, size));
    bool nearest = p->mode == RESIZE_NEAREST || p->mode == RESIZE_NEAREST_EXACT;
    if ((in->dtype != DT_F32 && in->dtype != DT_F64 && !nearest) || view_numel(in) == 0 || !view_one_order(in, &outer, &inner))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(ResizeState), &state));
    ResizeState *s = state;
    s->outer = outer;
    s->inner = inner;
    s->element = dtype_size((DType)in->dtype);
    s->copy = nearest;
    for (int i = 0; i < SPATIAL_MAX; i++) {
        int dim = i - (SPATIAL_MAX - spatial);
        ResizeParams one = {.mode = RESIZE_NEAREST, .size = {1}};
        s->in[i] = dim < 0 ? 1 : in->size[dim + 2];
        TRY(dim < 0 ? taps_new(&one, 0, 1, DT_F32, &s->taps[i]) : taps_new(p, dim, s->in[i], (DType)in->dtype, &s->taps[i]));
    }
    kernel_output(k, 0, (DType)in->dtype, in->ndim, size);
    View *out = &k->outputs[0];
    out->layout = in->layout;
    if (in->layout == LAYOUT_STRIDED && !view_is_contiguous(in)) { // channels-last strides stay so
        int64_t stride = size[1];
        out->stride[1] = 1;
        for (int i = out->ndim - 1; i >= 2; i--) {
            out->stride[i] = stride;
            stride *= size[i];
        }
        out->stride[0] = stride;
    }
    k->scratch_bytes = nearest ? 0 : s->element * (size_t)(s->in[2] * inner);
    return ST_OK;
}

#define BLENDS(T)                                                                                                      \
    ISA_INLINE void add_row_##T##_body(T *sum, const T *x, T weight, int64_t n, bool first)                            \
    {                                                                                                                  \
        if (first)                                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                                            \
                sum[i] = weight * x[i];                                                                                \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++)                                                                            \
                sum[i] += weight * x[i];                                                                               \
    }                                                                                                                  \
    ISA_VARIANTS(add_row_##T, (T *sum, const T *x, T weight, int64_t n, bool first), (sum, x, weight, n, first))       \
    /* Two taps everywhere (linear, not shrinking): no loop over them. */                                              \
    ISA_INLINE void blend_pairs_##T##_body(T *y, const T *row, const Taps *t)                                          \
    {                                                                                                                  \
        for (int64_t o = 0; o < t->out; o++) {                                                                         \
            const int32_t *from = t->from + 2 * o;                                                                     \
            const double *weight = t->weight + 2 * o;                                                                  \
            T sum = (T)weight[0] * row[from[0]];                                                                       \
            y[o] = t->count[o] == 2 ? sum + (T)weight[1] * row[from[1]] : sum;                                         \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(blend_pairs_##T, (T *y, const T *row, const Taps *t), (y, row, t))                                    \
    ISA_INLINE void blend_row_##T##_body(T *y, const T *row, const Taps *t, int64_t inner)                             \
    {                                                                                                                  \
        for (int64_t o = 0; o < t->out; o++, y += inner) {                                                             \
            const int32_t *from = t->from + o * t->width;                                                              \
            const double *weight = t->weight + o * t->width;                                                           \
            if (inner == 1) {                                                                                          \
                T sum = 0;                                                                                             \
                for (int32_t k = 0; k < t->count[o]; k++)                                                              \
                    sum += (T)weight[k] * row[from[k]];                                                                \
                y[0] = sum;                                                                                            \
                continue;                                                                                              \
            }                                                                                                          \
            for (int32_t k = 0; k < t->count[o]; k++) {                                                                \
                const T *x = row + from[k] * inner;                                                                    \
                T w = (T)weight[k];                                                                                    \
                for (int64_t i = 0; i < inner; i++)                                                                    \
                    y[i] = k ? y[i] + w * x[i] : w * x[i];                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(blend_row_##T, (T *y, const T *row, const Taps *t, int64_t inner), (y, row, t, inner))
BLENDS(float)
BLENDS(double)

static void copy_row(char *y, const char *row, const Taps *t, size_t bytes)
{
    for (int64_t o = 0; o < t->out; o++, y += bytes) {
        const char *from = row + (size_t)t->from[o] * bytes;
        switch (bytes) { // known sizes copy in one instruction
        case 4: memcpy(y, from, 4); break;
        case 1: *y = *from; break;
        default: memcpy(y, from, bytes);
        }
    }
}

Status c_resize_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const ResizeState *s = k->state;
    const Taps *d = &s->taps[0], *h = &s->taps[1], *w = &s->taps[2];
    const bool wide = s->element == sizeof(double);
    size_t bytes = s->element * (size_t)s->inner, row = bytes * (size_t)s->in[2];
    const char *x = in[0].data;
    char *y = out[0].data;
    for (int64_t n = 0; n < s->outer; n++, x += row * (size_t)(s->in[0] * s->in[1]))
        for (int64_t od = 0; od < d->out; od++)
            for (int64_t oh = 0; oh < h->out; oh++, y += bytes * (size_t)w->out) {
                if (s->copy) {
                    copy_row(y, x + row * (size_t)(d->from[od] * s->in[1] + h->from[oh]), w, bytes);
                    continue;
                }
                bool first = true;
                for (int32_t i = 0; i < d->count[od]; i++)
                    for (int32_t j = 0; j < h->count[oh]; j++) {
                        const char *from = x + row * (size_t)(d->from[od * d->width + i] * s->in[1] + h->from[oh * h->width + j]);
                        double weight = d->weight[od * d->width + i] * h->weight[oh * h->width + j];
                        if (wide)
                            add_row_double(scratch, (const double *)(const void *)from, weight, s->in[2] * s->inner, first);
                        else
                            add_row_float(scratch, (const float *)(const void *)from, (float)weight, s->in[2] * s->inner, first);
                        first = false;
                    }
                bool pairs = w->width == 2 && s->inner == 1;
                if (wide && pairs)
                    blend_pairs_double((double *)(void *)y, scratch, w);
                else if (wide)
                    blend_row_double((double *)(void *)y, scratch, w, s->inner);
                else if (pairs)
                    blend_pairs_float((float *)(void *)y, scratch, w);
                else
                    blend_row_float((float *)(void *)y, scratch, w, s->inner);
            }
    return ST_OK;
}

void c_resize_destroy(Kernel *k)
{
    ResizeState *s = k->state;
    for (int i = 0; s && i < SPATIAL_MAX; i++)
        taps_free(&s->taps[i]);
    kernel_state_free(k);
}
