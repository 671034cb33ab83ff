// Shape rules of convolution and pooling, with PyTorch's messages. The variants of an operator share them.
// Activation names are here too: they are part of the operators' interface.
#include "kernels/ops.h"

#include <stdio.h>
#include <string.h>

bool act_from_name(Str name, Act *out)
{
    static const char *const names[ACT_COUNT] = {"none", "relu", "clamp",     "sigmoid",     "tanh",       "silu",
                                                 "gelu", "gelu_tanh", "hardswish", "hardsigmoid", "leaky_relu", "elu"};
    for (int i = 0; i < ACT_COUNT; i++)
        if (str_is(name, names[i])) {
            *out = (Act)i;
            return true;
        }
    return false;
}

typedef struct Text {
    char z[160];
} Text;

// "[1, 3, 8, 8]"
static Text list(const int64_t *v, int n, const char *open, const char *between, const char *close)
{
    Text t;
    size_t at = (size_t)snprintf(t.z, sizeof t.z, "%s", open);
    for (int i = 0; i < n && at < sizeof t.z; i++)
        at += (size_t)snprintf(t.z + at, sizeof t.z - at, "%s%lld", i ? between : "", (long long)v[i]);
    if (at < sizeof t.z)
        snprintf(t.z + at, sizeof t.z - at, "%s", close);
    return t;
}
static Text sizes(const View *v) { return list(v->size, v->ndim, "[", ", ", "]"); }

// Products of two such numbers do not overflow.
static Status check_magnitudes(const char *what, const int64_t *v, int n)
{
    for (int i = 0; i < n; i++)
        if (v[i] > INT32_MAX)
            return status_fail(ST_RAISED, "a %s of %lld is too large (limit %d)", what, (long long)v[i], INT32_MAX);
    return ST_OK;
}

static Status conv_check_params(const ConvParams *p, int spatial)
{
    TRY(check_magnitudes("stride", p->stride, spatial));
    TRY(check_magnitudes("padding", p->padding, spatial));
    TRY(check_magnitudes("padding", p->padding_end, spatial));
    TRY(check_magnitudes("dilation", p->dilation, spatial));
    TRY(check_magnitudes("output_padding", p->output_padding, spatial));
    TRY(check_magnitudes("number of groups", &p->groups, 1));
    for (int i = 0; i < spatial; i++) {
        if (p->padding[i] < 0 || p->padding_end[i] < 0)
            return status_fail(ST_RAISED, "negative padding is not supported");
        if (p->output_padding[i] < 0)
            return status_fail(ST_RAISED, "negative output_padding is not supported");
        if (p->stride[i] <= 0)
            return status_fail(ST_RAISED, "non-positive stride is not supported");
        if (p->dilation[i] <= 0)
            return status_fail(ST_RAISED, "dilation should be greater than zero");
    }
    if (p->groups <= 0)
        return status_fail(ST_RAISED, "non-positive groups is not supported");
    return ST_OK;
}

static Status conv_check_channels(const ConvParams *p, const View *x, const View *w, const View *bias)
{
    int64_t g = p->groups;
    Text wt = sizes(w), xt = sizes(x);
    if (x->ndim != w->ndim)
        return status_fail(ST_RAISED, "Expected %d-dimensional input for %d-dimensional weight %s, but got %d-dimensional input of size %s instead",
                           w->ndim, w->ndim, wt.z, x->ndim, xt.z);
    if (w->size[0] < g)
        return status_fail(ST_RAISED, "Given groups=%lld, expected weight to be at least %lld at dimension 0, but got weight of size %s instead",
                           (long long)g, (long long)g, wt.z);
    if (w->size[0] % g)
        return status_fail(ST_RAISED, "Given groups=%lld, expected weight to be divisible by %lld at dimension 0, but got weight of size [%s] instead",
                           (long long)g, (long long)g, wt.z);
    int64_t takes = p->transposed ? w->size[0] : w->size[1] * g;
    if (x->size[1] != takes)
        return status_fail(ST_RAISED, "Given %s=%lld, weight of size %s, expected input%s to have %lld channels, but got %lld channels instead",
                           p->transposed ? "transposed" : "groups", p->transposed ? 1 : (long long)g, wt.z, xt.z, (long long)takes,
                           (long long)x->size[1]);
    int64_t gives = p->transposed ? w->size[1] * g : w->size[0];
    if (bias && (bias->ndim != 1 || bias->size[0] != gives))
        return status_fail(ST_RAISED, "Given %sweight of size %s, expected bias to be 1-dimensional with %lld elements, but got bias of size %s instead",
                           p->transposed ? "transposed=1, " : "", wt.z, (long long)gives, sizes(bias).z);
    return ST_OK;
}

// PyTorch computes one dimension as two, the height being 1.
static Status output_padding_too_large(const ConvParams *p, int spatial)
{
    static const char *const axis[SPATIAL_MAX] = {"depth", "height", "width"};
    const int64_t *values[3] = {p->output_padding, p->stride, p->dilation};
    static const char *const names[3] = {"output_padding", "stride", "dilation"};
    char text[400] = "";
    size_t at = 0;
    for (int v = 0; v < 3; v++)
        for (int d = spatial == 3 ? 0 : 1; d < SPATIAL_MAX && at < sizeof text; d++) {
            int from = d - (SPATIAL_MAX - spatial);
            at += (size_t)snprintf(text + at, sizeof text - at, " %s_%s: %lld", names[v], axis[d], from < 0 ? (v ? 1LL : 0LL) : (long long)values[v][from]);
        }
    return status_fail(ST_RAISED, "output padding must be smaller than either stride or dilation, but got%s", text);
}

Status conv_shape(const ConvParams *p, const View *in, int n_in, int64_t size[VIEW_MAX_DIMS])
{
    const View *x = &in[0], *w = &in[1], *bias = n_in > 2 && in[2].dtype != DT_INVALID ? &in[2] : NULL;
    int spatial = w->ndim - 2;
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return status_fail(ST_RAISED, "convolution: weight should have 3, 4 or 5 dimensions, but has %d", w->ndim);
    TRY(conv_check_params(p, spatial));
    TRY(conv_check_channels(p, x, w, bias));
    TRY(check_magnitudes("size", x->size + 2, spatial));
    if (x->dtype != w->dtype)
        return status_fail(ST_RAISED, "expected scalar type %s but found %s", dtype_torch_name((DType)x->dtype), dtype_torch_name((DType)w->dtype));
    if (bias && bias->dtype != x->dtype)
        return status_fail(ST_RAISED, "Input type (%s) and bias type (%s) should be the same", dtype_python_name((DType)x->dtype),
                           dtype_python_name((DType)bias->dtype));
    int64_t padded[SPATIAL_MAX], window[SPATIAL_MAX];
    bool fits = true;
    size[0] = x->size[0];
    size[1] = p->transposed ? w->size[1] * p->groups : w->size[0];
    for (int i = 0; i < spatial; i++) {
        int64_t pad = p->padding[i] + p->padding_end[i];
        padded[i] = x->size[i + 2] + pad;
        window[i] = p->dilation[i] * (w->size[i + 2] - 1) + 1;
        if (p->transposed) {
            size[i + 2] = (x->size[i + 2] - 1) * p->stride[i] - pad + window[i] + p->output_padding[i];
            if (p->output_padding[i] >= p->stride[i] && p->output_padding[i] >= p->dilation[i])
                return output_padding_too_large(p, spatial);
            if (size[i + 2] < 0)
                return status_fail(ST_RAISED, "convolution_transpose: the output would have a negative size");
        } else {
            fits = fits && padded[i] >= window[i];
            size[i + 2] = (padded[i] - window[i]) / p->stride[i] + 1;
        }
    }
    if (!fits)
        return status_fail(ST_RAISED, "Calculated padded input size per channel: %s. Kernel size: %s. Kernel size can't be greater than actual input size",
                           list(padded, spatial, "(", " x ", ")").z, list(window, spatial, "(", " x ", ")").z);
    return ST_OK;
}

static int64_t pooled(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode)
{
    int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    int64_t out = (room >= 0 ? room / stride : -((-room + stride - 1) / stride)) + 1;
    if (ceil_mode && (out - 1) * stride >= in + padding) // the last window must start inside the input or its left padding
        out--;
    return out;
}

Status pool_shape(const PoolParams *p, const View *in, int64_t size[VIEW_MAX_DIMS])
{
    int spatial = in->ndim - 2;
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return status_fail(ST_RAISED, "non-empty 3D or 4D (batch mode) tensor expected for input");
    bool empty = false;
    TRY(check_magnitudes("size", in->size + 2, spatial));
    TRY(check_magnitudes("kernel size", p->kernel, spatial));
    TRY(check_magnitudes("stride", p->stride, spatial));
    TRY(check_magnitudes("dilation", p->dilation, spatial));
    size[0] = in->size[0];
    size[1] = in->size[1];
    for (int i = 0; i < spatial; i++) {
        if (p->kernel[i] <= 0)
            return status_fail(ST_RAISED, "kernel size should be greater than zero, but got %lld", (long long)p->kernel[i]);
        if (p->stride[i] <= 0)
            return status_fail(ST_RAISED, "stride should not be zero");
        if (p->dilation[i] <= 0)
            return status_fail(ST_RAISED, "dilation should be greater than zero, but got dilation: %lld", (long long)p->dilation[i]);
        if (p->padding[i] < 0)
            return status_fail(ST_RAISED, "pad must be non-negative, but got pad: %lld", (long long)p->padding[i]);
        if (p->padding[i] > p->kernel[i] / 2)
            return status_fail(ST_RAISED, "pad should be at most half of kernel size, but got pad=%lld and kernel_size=%lld", (long long)p->padding[i],
                               (long long)p->kernel[i]);
        size[i + 2] = pooled(in->size[i + 2], p->kernel[i], p->stride[i], p->padding[i], p->dilation[i], p->ceil_mode);
        empty = empty || size[i + 2] < 1;
    }
    if (empty) {
        for (int i = 0; i < spatial; i++)
            size[i + 2] = size[i + 2] < 0 ? 0 : size[i + 2];
        return status_fail(ST_RAISED, "Given input size: %s. Calculated output size: %s. Output size is too small",
                           list(in->size + 1, spatial + 1, "(", "x", ")").z, list(size + 1, spatial + 1, "(", "x", ")").z);
    }
    return ST_OK;
}
