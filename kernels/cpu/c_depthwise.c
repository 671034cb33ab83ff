// Convolution of each channel with windows of its own (depthwise), float32 and float64: an output row is the sum of input
// rows, shifted and scaled. For shapes of which oneDNN has no fast form, such as the long windows of 1-d networks.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

typedef struct Depthwise {
    ConvParams p;
    DType type;
    bool has_bias, has_add;
    int64_t n, channels, multiplier; // channels of the output; outputs per input channel
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], window[SPATIAL_MAX];
    int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX], padding[SPATIAL_MAX];
    int64_t pixels_in, pixels_out, taps;
} Depthwise;

Status c_depthwise_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const ConvParams *p = params;
    const View *x = &in[0], *w = &in[1];
    DType t = (DType)x->dtype;
    int64_t size[VIEW_MAX_DIMS];
    TRY(conv_shape(p, in, n_in, size));
    if ((t != DT_F32 && t != DT_F64) || w->dtype != x->dtype || p->transposed || p->groups < 2 || p->groups != x->size[1] || any_private(in, n_in))
        return ST_DECLINED;
    kernel_output(k, 0, t, x->ndim, size);
    if (view_numel(&k->outputs[0]) == 0 || view_numel(w) == 0 || !view_is_contiguous(x) || !view_is_contiguous(w))
        return ST_DECLINED;
    if (operand_given(in, n_in, 2) && in[2].dtype != x->dtype)
        return ST_DECLINED;
    if (operand_given(in, n_in, 3) && (in[3].dtype != x->dtype || !view_same_shape(&in[3], &k->outputs[0]) || !view_is_contiguous(&in[3])))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(Depthwise), &state));
    Depthwise *s = state;
    *s = (Depthwise){.p = *p, .type = t, .has_bias = operand_given(in, n_in, 2), .has_add = operand_given(in, n_in, 3), .n = x->size[0],
                     .channels = size[1], .multiplier = size[1] / x->size[1], .pixels_in = 1, .pixels_out = 1, .taps = 1};
    int first = SPATIAL_MAX - (x->ndim - 2);
    for (int d = 0; d < SPATIAL_MAX; d++) {
        int i = d - first;
        s->in[d] = i < 0 ? 1 : x->size[i + 2];
        s->out[d] = i < 0 ? 1 : size[i + 2];
        s->window[d] = i < 0 ? 1 : w->size[i + 2];
        s->stride[d] = i < 0 ? 1 : p->stride[i];
        s->dilation[d] = i < 0 ? 1 : p->dilation[i];
        s->padding[d] = i < 0 ? 0 : p->padding[i];
        s->pixels_in *= s->in[d];
        s->pixels_out *= s->out[d];
        s->taps *= s->window[d];
    }
    k->flops = 2.0 * (double)view_numel(&k->outputs[0]) * (double)s->taps;
    return ST_OK;
}

// y[o] += w * x[o * stride + offset] wherever that is inside the row of x, for each tap of a row of the window.
#define ADD_ROW(T)                                                                                                     \
    ISA_INLINE void add_row_##T##_body(const Depthwise *s, T *y, const T *x, const T *w)                               \
    {                                                                                                                  \
        int64_t stride = s->stride[2], width = s->out[2], limit = s->in[2];                                            \
        for (int64_t k = 0; k < s->window[2]; k++) {                                                                   \
            int64_t offset = k * s->dilation[2] - s->padding[2];                                                       \
            int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;                                         \
            int64_t last = offset >= limit ? 0 : (limit - 1 - offset) / stride + 1;                                    \
            T scale = w[k];                                                                                            \
            last = last > width ? width : last;                                                                        \
            if (stride == 1) {                                                                                         \
                const T *from = x + offset;                                                                            \
                ISA_INDEPENDENT                                                                                        \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] += scale * from[o];                                                                           \
            } else {                                                                                                   \
                for (int64_t o = first; o < last; o++)                                                                 \
                    y[o] += scale * x[o * stride + offset];                                                            \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(add_row_##T, (const Depthwise *s, T *y, const T *x, const T *w), (s, y, x, w))
ADD_ROW(float)
ADD_ROW(double)

static void run_channel(const Depthwise *s, const char *x, const char *w, char *y)
{
    size_t element = dtype_size(s->type);
    memset(y, 0, (size_t)s->pixels_out * element);
    for (int64_t row = 0; row < s->out[0] * s->out[1]; row++, y += (size_t)s->out[2] * element)
        for (int64_t k = 0; k < s->window[0] * s->window[1]; k++) {
            int64_t d = row / s->out[1] * s->stride[0] - s->padding[0] + k / s->window[1] * s->dilation[0];
            int64_t h = row % s->out[1] * s->stride[1] - s->padding[1] + k % s->window[1] * s->dilation[1];
            if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1])
                continue;
            const char *from = x + (size_t)((d * s->in[1] + h) * s->in[2]) * element, *weights = w + (size_t)(k * s->window[2]) * element;
            if (s->type == DT_F32)
                add_row_float(s, (float *)y, (const float *)from, (const float *)weights);
            else
                add_row_double(s, (double *)y, (const double *)from, (const double *)weights);
        }
}

Status c_depthwise_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const Depthwise *s = k->state;
    size_t element = dtype_size(s->type);
    for (int64_t i = 0; i < s->n * s->channels; i++)
        run_channel(s, (const char *)in[0].data + (size_t)(i / s->multiplier * s->pixels_in) * element,
                    (const char *)in[1].data + (size_t)(i % s->channels * s->taps) * element, (char *)out[0].data + (size_t)(i * s->pixels_out) * element);
    conv_finish(&s->p, s->type, s->n, s->channels, s->pixels_out, s->has_bias ? &in[2] : NULL, s->has_add ? in[3].data : NULL, out[0].data);
    return ST_OK;
}

void c_depthwise_destroy(Kernel *k) { kernel_state_free(k); }
