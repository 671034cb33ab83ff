// Reference convolution and transposed convolution: the sum of the definition, in double, for any element type.
// Slow and obvious; what every other variant is compared with.
#include "kernels/cpu/variants.h"

#include <string.h>

typedef struct RefConv {
    ConvParams p;
    int spatial;
    bool has_bias, has_add;
} RefConv;

Status ref_conv_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    int64_t size[VIEW_MAX_DIMS];
    TRY(conv_shape(params, in, n_in, size));
    if (any_private(in, n_in) || !element_type((DType)in[0].dtype))
        return ST_DECLINED;
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, size);
    if (operand_given(in, n_in, 3) && (in[3].dtype != in[0].dtype || !view_same_shape(&in[3], &k->outputs[0])))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefConv), &state));
    *(RefConv *)state = (RefConv){*(const ConvParams *)params, in[0].ndim - 2, operand_given(in, n_in, 2), operand_given(in, n_in, 3)};
    return ST_OK;
}

// Input position that kernel position k of output position o reads along one dimension, or -1.
static int64_t input_at(const RefConv *c, int d, int64_t o, int64_t k, int64_t limit)
{
    int64_t at;
    if (c->p.transposed) {
        at = o + c->p.padding[d] - k * c->p.dilation[d];
        if (at < 0 || at % c->p.stride[d])
            return -1;
        at /= c->p.stride[d];
    } else {
        at = o * c->p.stride[d] - c->p.padding[d] + k * c->p.dilation[d];
    }
    return at >= 0 && at < limit ? at : -1;
}

// Sum over one group's input channels and the window. Missing spatial dimensions count as size 1.
static double conv_point(const RefConv *c, const View *x, const View *w, int64_t n, int64_t oc, const int64_t o[SPATIAL_MAX])
{
    int64_t per_out = c->p.transposed ? w->size[1] : w->size[0] / c->p.groups, group = oc / per_out;
    int64_t per_in = c->p.transposed ? w->size[0] / c->p.groups : w->size[1];
    int64_t window[SPATIAL_MAX] = {1, 1, 1}, at[SPATIAL_MAX];
    for (int d = 0; d < c->spatial; d++)
        window[d] = w->size[d + 2];
    double sum = 0;
    for (int64_t k = 0; k < window[0] * window[1] * window[2]; k++) {
        int64_t rest = k, xo = n * x->stride[0], wo = 0;
        bool inside = true;
        for (int d = SPATIAL_MAX - 1; d >= 0; d--) {
            int64_t kd = rest % window[d];
            rest /= window[d];
            if (d >= c->spatial)
                continue;
            at[d] = input_at(c, d, o[d], kd, x->size[d + 2]);
            inside = inside && at[d] >= 0;
            xo += at[d] * x->stride[d + 2];
            wo += kd * w->stride[d + 2];
        }
        for (int64_t ic = 0; inside && ic < per_in; ic++) {
            int64_t channel = group * per_in + ic;
            int64_t wat = c->p.transposed ? channel * w->stride[0] + oc % per_out * w->stride[1] : oc * w->stride[0] + ic * w->stride[1];
            sum += element_get(x->data, (DType)x->dtype, xo + channel * x->stride[1]) * element_get(w->data, (DType)w->dtype, wo + wat);
        }
    }
    return sum;
}

Status ref_conv_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefConv *c = k->state;
    const View *y = &out[0];
    int64_t outer = view_numel(y);
    for (int64_t i = 0; i < outer; i++) {
        int64_t rest = i, o[SPATIAL_MAX] = {0}, add_at = 0;
        for (int d = c->spatial - 1; d >= 0; d--) {
            o[d] = rest % y->size[d + 2];
            rest /= y->size[d + 2];
            add_at += c->has_add ? o[d] * in[3].stride[d + 2] : 0;
        }
        int64_t oc = rest % y->size[1], n = rest / y->size[1];
        double v = conv_point(c, &in[0], &in[1], n, oc, o);
        if (c->has_bias)
            v += element_get(in[2].data, (DType)in[2].dtype, oc * in[2].stride[0]);
        if (c->has_add)
            v += element_get(in[3].data, (DType)in[3].dtype, add_at + n * in[3].stride[0] + oc * in[3].stride[1]);
        element_set(y->data, (DType)y->dtype, i, act_f64((Act)c->p.act, c->p.lo, c->p.hi, v));
    }
    return ST_OK;
}

void ref_conv_destroy(Kernel *k) { kernel_state_free(k); }
