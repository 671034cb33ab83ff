// Shapes of quantised convolutions and linear layers, and from 32-bit sums to quantised or float results.
// The order of float operations is fbgemm's: the same bits with every instruction set.
#include "kernels/cpu/q_common.h"

#include "kernels/isa.h"
#include "kernels/quant.h"

static Status linear_operands(QShape *s, Kernel *k, const View *x, const View *w)
{
    int64_t size[VIEW_MAX_DIMS];
    if (x->ndim < 1 || x->size[x->ndim - 1] != w->size[1])
        return status_fail(ST_RAISED, "The number of columns in the packed weight (%lld) should be equal to the number of columns of the input (%lld)",
                           (long long)w->size[1], (long long)(x->ndim ? x->size[x->ndim - 1] : 0));
    s->linear = true;
    s->c_in = s->c_in_group = w->size[1];
    s->c_out = s->c_out_group = w->size[0];
    s->images = 1;
    for (int d = 0; d < x->ndim - 1; d++) {
        size[d] = x->size[d];
        s->images *= x->size[d];
    }
    size[x->ndim - 1] = w->size[0];
    for (int d = 0; d < SPATIAL_MAX; d++)
        s->in[d] = s->out[d] = s->kernel[d] = s->stride[d] = s->dilation[d] = 1;
    kernel_output(k, 0, s->p.to_float ? DT_F32 : (DType)x->dtype, x->ndim, size);
    return ST_OK;
}

static Status conv_operands(QShape *s, Kernel *k, const View *in)
{
    const QuantConvParams *p = &s->p;
    ConvParams c = {.groups = p->groups, .transposed = p->transposed};
    for (int d = 0; d < SPATIAL_MAX; d++) {
        c.stride[d] = p->stride[d];
        c.dilation[d] = p->dilation[d];
        c.padding[d] = c.padding_end[d] = p->padding[d];
        c.output_padding[d] = p->output_padding[d];
    }
    View as_float[3] = {in[Q_X], in[Q_WEIGHT], in[Q_BIAS]};
    as_float[0].dtype = as_float[1].dtype = DT_F32;
    int64_t size[VIEW_MAX_DIMS];
    TRY(conv_shape(&c, as_float, 3, size));
    const View *x = &in[Q_X], *w = &in[Q_WEIGHT];
    if (x->ndim != w->ndim)
        return status_fail(ST_RAISED, "Expected %d-dimensional input for a quantized convolution, got %d dimensions", w->ndim, x->ndim);
    s->spatial = w->ndim - 2;
    s->images = x->size[0];
    s->c_in = x->size[1];
    s->c_out = size[1];
    s->c_in_group = s->c_in / p->groups;
    s->c_out_group = s->c_out / p->groups;
    int missing = SPATIAL_MAX - s->spatial;
    for (int d = 0; d < SPATIAL_MAX; d++) {
        bool given = d >= missing;
        int from = d - missing;
        s->in[d] = given ? x->size[from + 2] : 1;
        s->out[d] = given ? size[from + 2] : 1;
        s->kernel[d] = given ? w->size[from + 2] : 1;
        s->stride[d] = given ? p->stride[from] : 1;
        s->dilation[d] = given ? p->dilation[from] : 1;
        s->pad[d] = given ? p->padding[from] : 0;
    }
    kernel_output(k, 0, p->to_float ? DT_F32 : (DType)x->dtype, x->ndim, size);
    View *out = &k->outputs[0];
    int64_t stride = out->size[1];
    out->stride[1] = 1;
    for (int d = out->ndim - 1; d >= 2; d--) {
        out->stride[d] = stride;
        stride *= out->size[d] > 1 ? out->size[d] : 1;
    }
    out->stride[0] = stride;
    return ST_OK;
}

static bool is_byte(const View *v) { return v->dtype == DT_QU8 || v->dtype == DT_QI8; }

Status q_shape(QShape *s, Kernel *k, const QuantConvParams *p, const View *in, int n_in)
{
    *s = (QShape){.p = *p, .has_bias = operand_given(in, n_in, Q_BIAS), .per_channel = operand_given(in, n_in, Q_SCALES)};
    if (n_in != Q_NUMBERS + 1 || any_private(in, n_in) || !is_byte(&in[Q_X]) || !is_byte(&in[Q_WEIGHT]))
        return ST_DECLINED;
    if (in[Q_WEIGHT].ndim == 2)
        TRY(linear_operands(s, k, &in[Q_X], &in[Q_WEIGHT]));
    else
        TRY(conv_operands(s, k, in));
    if (s->has_bias && (in[Q_BIAS].dtype != DT_F32 || in[Q_BIAS].ndim != 1 || in[Q_BIAS].size[0] != s->c_out))
        return status_fail(ST_RAISED, "bias should be a vector of %lld float numbers", (long long)s->c_out);
    if (s->per_channel && (in[Q_SCALES].dtype != DT_F64 || in[Q_ZERO_POINTS].dtype != DT_I64 || view_numel(&in[Q_SCALES]) != s->c_out ||
                           view_numel(&in[Q_ZERO_POINTS]) != s->c_out || !view_is_contiguous(&in[Q_SCALES]) || !view_is_contiguous(&in[Q_ZERO_POINTS])))
        return status_fail(ST_RAISED, "the weight is not quantized along its output channels");
    return ST_OK;
}

int16_t q_weight(const QShape *s, const View *in, int64_t o, int64_t c, const int64_t at[SPATIAL_MAX])
{
    const View *w = &in[Q_WEIGHT];
    int64_t place, zero = s->per_channel ? ((const int64_t *)in[Q_ZERO_POINTS].data)[o] : s->p.weight_zero_point;
    if (s->linear) {
        place = o * w->stride[0] + c * w->stride[1];
    } else {
        int64_t group = o / s->c_out_group, within = o % s->c_out_group;
        place = s->p.transposed ? (group * s->c_in_group + c) * w->stride[0] + within * w->stride[1] : o * w->stride[0] + c * w->stride[1];
        for (int d = SPATIAL_MAX - s->spatial; d < SPATIAL_MAX; d++)
            place += at[d] * w->stride[d - (SPATIAL_MAX - s->spatial) + 2];
    }
    int value = w->dtype == DT_QU8 ? ((const uint8_t *)w->data)[place] : ((const int8_t *)w->data)[place];
    return (int16_t)(value - zero);
}

// ---- results

void q_scale_set(QScale *q, const QShape *s, const View *in)
{
    const double *numbers = in[Q_NUMBERS].data;
    float x_scale = (float)numbers[0], y_scale = (float)numbers[2];
    q->x_zero = (int32_t)numbers[1];
    q->y_zero = (int32_t)numbers[3];
    q->to_float = s->p.to_float;
    q->relu = s->p.relu;
    q->dtype = (DType)in[Q_X].dtype;
    q->lo = q->relu ? 0 : (float)(quant_min(q->dtype) - q->y_zero);
    q->hi = (float)(quant_max(q->dtype) - q->y_zero);
    const float *bias = s->has_bias ? in[Q_BIAS].data : NULL;
    int64_t bias_stride = s->has_bias ? in[Q_BIAS].stride[0] : 0;
    for (int64_t o = 0; o < s->c_out; o++) {
        float w_scale = (float)(s->per_channel ? ((const double *)in[Q_SCALES].data)[o] : s->p.weight_scale);
        float product = x_scale * w_scale, b = bias ? bias[o * bias_stride] : 0;
        q->factor[o] = s->p.to_float ? product : product / y_scale;
        q->bias[o] = s->p.to_float ? b : b / product;
    }
}

// Adding it to |x| <= 2^22 rounds x to the nearest even integer, which then stands in the low bits.
#define ROUND_MAGIC 12582912.0f

#define FINISH(T)                                                                                                      \
    for (int r = 0; r < rows; r++) {                                                                                   \
        T *out = (T *)y + r * out_pitch;                                                                               \
        const int32_t *sum = sums + r * pitch;                                                                         \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t j = 0; j < columns; j++) {                                                                        \
            float v = ((float)sum[j] + bias[j]) * factor[j];                                                           \
            v = v > lo ? v : lo;                                                                                       \
            v = v < hi ? v : hi;                                                                                       \
            union { float f; int32_t i; } bits = {.f = v + ROUND_MAGIC};                                               \
            out[j] = (T)(bits.i - 0x4b400000 + zero);                                                                  \
        }                                                                                                              \
    }

ISA_INLINE void finish_body(const QScale *q, const int32_t *sums, int rows, int64_t pitch, int64_t columns, int64_t first, void *y, int64_t out_pitch)
{
    const float *factor = q->factor + first, *bias = q->bias + first;
    float lo = q->lo, hi = q->hi;
    int32_t zero = q->y_zero;
    if (q->to_float) {
        float least = q->relu ? 0.0f : -__builtin_inff();
        for (int r = 0; r < rows; r++) {
            float *out = (float *)y + r * out_pitch;
            const int32_t *sum = sums + r * pitch;
            ISA_INDEPENDENT
            for (int64_t j = 0; j < columns; j++) {
                float v = (float)sum[j] * factor[j] + bias[j];
                out[j] = v < least ? least : v;
            }
        }
    } else if (q->dtype == DT_QI8) {
        FINISH(int8_t)
    } else {
        FINISH(uint8_t)
    }
}
ISA_VARIANTS(finish, (const QScale *q, const int32_t *sums, int rows, int64_t pitch, int64_t columns, int64_t first, void *y, int64_t out_pitch),
             (q, sums, rows, pitch, columns, first, y, out_pitch))

void q_finish(const QScale *q, const int32_t *sums, int rows, int64_t pitch, int64_t columns, int64_t first, void *y, int64_t out_pitch)
{
    finish(q, sums, rows, pitch, columns, first, y, out_pitch);
}
