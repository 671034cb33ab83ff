// Operator bindings: convolution and pooling.
// Rows are found by name in worker/op.c.
#include "kernels/ops.h"
#include "worker/op.h"
#include "worker/ops_heavy.h"

// ---- convolution

// One number for all dimensions, or one each.
static Status spatial_ints(IValue v, int spatial, const char *name, int64_t *out)
{
    int64_t got[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(v, got, VIEW_MAX_DIMS, &n));
    if (n != 1 && n != spatial) {
        char text[160];
        size_t at = 0;
        for (int i = 0; i < n && at < sizeof text - 24; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? ", " : "", (long long)got[i]);
        text[at] = 0;
        return op_raise("expected %s to be a single integer value or a list of %d values to match the convolution dimensions, but got %s=[%s]", name,
                        spatial, name, text);
    }
    for (int i = 0; i < spatial; i++)
        out[i] = got[n == 1 ? 0 : i];
    return ST_OK;
}

// "same" puts the odd zero behind.
static Status padding_by_name(Str name, const Tensor *weight, int spatial, ConvParams *p)
{
    if (str_is(name, "valid"))
        return ST_OK;
    if (!str_is(name, "same"))
        return op_raise("Invalid padding string: '" STR_FMT "'", STR_ARG(name));
    for (int i = 0; i < spatial; i++) {
        if (p->stride[i] != 1)
            return op_raise("padding='same' is not supported for strided convolutions");
        int64_t total = p->dilation[i] * (weight->view.size[i + 2] - 1);
        p->padding[i] = total / 2;
        p->padding_end[i] = total - total / 2;
    }
    return ST_OK;
}

static Status padding_from(IValue v, const Tensor *weight, int spatial, ConvParams *p)
{
    if (v.tag == TAG_STR)
        return padding_by_name(str_of_value(v), weight, spatial, p);
    TRY(spatial_ints(v, spatial, "padding", p->padding));
    memcpy(p->padding_end, p->padding, sizeof p->padding);
    return ST_OK;
}

static Status conv_run(Lane *lane, Site *site, const ConvParams *p, Tensor *x, Tensor *w, Tensor *bias, Tensor *add, Tensor **out)
{
    Tensor *in[4] = {x, w, bias, add};
    return kernel_call(lane, site, &kernel_conv, p, sizeof *p, in, add ? 4 : 3, out, 1);
}

// The program may leave out the batch dimension.
static Status conv_unbatched(Lane *lane, Site *site, const ConvParams *p, Tensor *x, Tensor *w, Tensor *bias, Tensor **out)
{
    Tensor *batch, *y;
    TRY(tensor_make_plain(lane, x));
    TRY(tensor_add_dim(lane, x, 0, &batch));
    Status s = conv_run(lane, site, p, batch, w, bias, NULL, &y);
    tensor_release(batch);
    TRY(s);
    s = tensor_make_plain(lane, y);
    if (s == ST_OK)
        s = tensor_drop_dim(lane, y, 0, out);
    tensor_release(y);
    return s;
}

// aten::conv{1,2,3}d and aten::conv_transpose{1,2,3}d. data: number of spatial dimensions, negative when transposed.
static Status op_conv_nd(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int n = (int)(intptr_t)site->op->data, spatial = n < 0 ? -n : n;
    Tensor *x = arg_tensor(args[0]), *w = arg_tensor(args[1]), *bias = arg_tensor(args[2]), *out;
    bool unbatched = x->view.ndim == spatial + 1;
    if (!unbatched && x->view.ndim != spatial + 2) {
        char text[200];
        return op_raise("Expected %dD (unbatched) or %dD (batched) input to conv%s%dd, but got input of size: %s", spatial + 1, spatial + 2,
                        n < 0 ? "_transpose" : "", spatial, sizes_text(&x->view, text, sizeof text));
    }
    if (w->view.ndim != spatial + 2) {
        char text[200];
        return op_raise("weight should have at least three dimensions: expected %dD, but got weight of size: %s", spatial + 2,
                        sizes_text(&w->view, text, sizeof text));
    }
    ConvParams p;
    memset(&p, 0, sizeof p);
    p.transposed = n < 0;
    p.groups = arg_int(args[6]);
    TRY(spatial_ints(args[3], spatial, "stride", p.stride));
    if (n < 0)
        TRY(spatial_ints(args[5], spatial, "output_padding", p.output_padding));
    TRY(spatial_ints(args[n < 0 ? 7 : 5], spatial, "dilation", p.dilation));
    TRY(padding_from(args[4], w, spatial, &p));
    TRY(unbatched ? conv_unbatched(lane, site, &p, x, w, bias, &out) : conv_run(lane, site, &p, x, w, bias, NULL, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

Status conv_params_from(const IValue *args, ConvParams *p)
{
    Tensor *w = arg_tensor(args[1]);
    int spatial = w->view.ndim - 2;
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return op_raise("weight should have at least three dimensions");
    memset(p, 0, sizeof *p);
    p->transposed = args[6].as.b;
    p->groups = arg_int(args[8]);
    TRY(spatial_ints(args[3], spatial, "stride", p->stride));
    TRY(spatial_ints(args[5], spatial, "dilation", p->dilation));
    if (p->transposed)
        TRY(spatial_ints(args[7], spatial, "output_padding", p->output_padding));
    return padding_from(args[4], w, spatial, p);
}

// aten::convolution and aten::_convolution (whose further arguments choose among CUDA algorithms).
static Status op_convolution(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    ConvParams p;
    Tensor *out;
    TRY(conv_params_from(args, &p));
    TRY(conv_run(lane, site, &p, arg_tensor(args[0]), arg_tensor(args[1]), arg_tensor(args[2]), NULL, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// aten::_convolution_mode(input, weight, bias, stride, padding name, dilation, groups)
static Status op_convolution_mode(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *w = arg_tensor(args[1]), *out;
    ConvParams p;
    memset(&p, 0, sizeof p);
    int spatial = w->view.ndim - 2;
    if (spatial < 1 || spatial > SPATIAL_MAX)
        return op_raise("weight should have at least three dimensions");
    p.groups = arg_int(args[6]);
    TRY(spatial_ints(args[3], spatial, "stride", p.stride));
    TRY(spatial_ints(args[5], spatial, "dilation", p.dilation));
    TRY(padding_from(args[4], w, spatial, &p));
    TRY(conv_run(lane, site, &p, arg_tensor(args[0]), w, arg_tensor(args[2]), NULL, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROW(name, fn, data) {name, fn, OP_PRIVATE_LAYOUT, (const void *)(intptr_t)(data), NULL}

const OpBinding OPS_CONV[] = {
    ROW("aten::conv1d", op_conv_nd, 1),
    ROW("aten::conv2d", op_conv_nd, 2),
    ROW("aten::conv3d", op_conv_nd, 3),
    ROW("aten::conv1d.padding", op_conv_nd, 1),
    ROW("aten::conv2d.padding", op_conv_nd, 2),
    ROW("aten::conv3d.padding", op_conv_nd, 3),
    ROW("aten::conv_transpose1d", op_conv_nd, -1),
    ROW("aten::conv_transpose2d.input", op_conv_nd, -2),
    ROW("aten::conv_transpose3d.input", op_conv_nd, -3),
    ROW("aten::convolution", op_convolution, 0),
    ROW("aten::_convolution", op_convolution, 0),
    ROW("aten::_convolution.deprecated", op_convolution, 0),
    ROW("aten::_convolution_mode", op_convolution_mode, 0),
    {0},
};
