// Reference quantised convolution and linear layer: the sum of the definition over exact integers.
// Slow and obvious; what q_conv.c is compared with.
#include "kernels/cpu/q_common.h"

Status q_ref_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    QShape shape;
    TRY(q_shape(&shape, k, params, in, n_in));
    void *state;
    TRY(kernel_state_new(k, sizeof shape, &state));
    *(QShape *)state = shape;
    k->scratch_bytes = 2 * sizeof(float) * (size_t)shape.c_out;
    return ST_OK;
}

// Element of x less its zero point; 0 outside.
static int32_t input_at(const QShape *s, const View *x, int32_t zero, int64_t n, int64_t c, const int64_t at[SPATIAL_MAX])
{
    int64_t place = s->linear ? 0 : n * x->stride[0] + c * x->stride[1];
    if (s->linear) {
        place = c * x->stride[x->ndim - 1];
        for (int d = x->ndim - 2; d >= 0; d--) {
            place += n % x->size[d] * x->stride[d];
            n /= x->size[d];
        }
    } else {
        for (int d = 0; d < SPATIAL_MAX; d++) {
            if (at[d] < 0 || at[d] >= s->in[d])
                return 0;
            int from = d - (SPATIAL_MAX - s->spatial);
            if (from >= 0)
                place += at[d] * x->stride[from + 2];
        }
    }
    return (x->dtype == DT_QI8 ? ((const int8_t *)x->data)[place] : ((const uint8_t *)x->data)[place]) - zero;
}

static int32_t sum_at(const QShape *s, const View *in, int32_t zero, int64_t n, int64_t o, const int64_t out[SPATIAL_MAX])
{
    int64_t group = s->linear ? 0 : o / s->c_out_group, k[SPATIAL_MAX], at[SPATIAL_MAX];
    uint32_t sum = 0; // wraps, as PyTorch's does
    for (k[0] = 0; k[0] < s->kernel[0]; k[0]++)
        for (k[1] = 0; k[1] < s->kernel[1]; k[1]++)
            for (k[2] = 0; k[2] < s->kernel[2]; k[2]++) {
                bool reached = true;
                for (int d = 0; d < SPATIAL_MAX; d++) {
                    at[d] = s->p.transposed ? out[d] + s->pad[d] - k[d] * s->dilation[d] : out[d] * s->stride[d] - s->pad[d] + k[d] * s->dilation[d];
                    if (s->p.transposed) {
                        reached = reached && at[d] % s->stride[d] == 0;
                        at[d] /= s->stride[d];
                    }
                }
                for (int64_t c = 0; c < s->c_in_group && reached; c++)
                    sum += (uint32_t)(input_at(s, &in[Q_X], zero, n, group * s->c_in_group + c, at) * q_weight(s, in, o, c, k));
            }
    return (int32_t)sum;
}

Status q_ref_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const QShape *s = k->state;
    QScale q = {.factor = scratch, .bias = (float *)scratch + s->c_out};
    q_scale_set(&q, s, in);
    size_t element = dtype_size((DType)out->dtype);
    char *y = out->data;
    int64_t at[SPATIAL_MAX];
    for (int64_t n = 0; n < s->images; n++)
        for (at[0] = 0; at[0] < s->out[0]; at[0]++)
            for (at[1] = 0; at[1] < s->out[1]; at[1]++)
                for (at[2] = 0; at[2] < s->out[2]; at[2]++)
                    for (int64_t o = 0; o < s->c_out; o++, y += element) {
                        int32_t sum = sum_at(s, in, q.x_zero, n, o, at);
                        q_finish(&q, &sum, 1, 1, 1, o, y, 1);
                    }
    return ST_OK;
}

void q_ref_destroy(Kernel *k) { kernel_state_free(k); }
