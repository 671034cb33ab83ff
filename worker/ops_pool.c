// Operator bindings: pooling.
// Rows are found by name in worker/op.c.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <string.h>

// "kernel_size must either be a single int, or a tuple of two ints" is what PyTorch says, per name.
static Status pool_ints(IValue v, int spatial, const char *name, int64_t *out, const int64_t *otherwise)
{
    int64_t got[VIEW_MAX_DIMS];
    int n;
    static const char *const words[] = {"", "one int", "two ints", "three ints"};
    TRY(arg_ints(v, got, VIEW_MAX_DIMS, &n));
    if (n != 1 && n != spatial && !(n == 0 && otherwise))
        return op_raise("pool%dd: %s must either be %sa single int, or a tuple of %s", spatial, name, otherwise ? "omitted, " : "", words[spatial]);
    for (int i = 0; i < spatial; i++)
        out[i] = n == 0 ? otherwise[i] : got[n == 1 ? 0 : i];
    return ST_OK;
}

// As PyTorch: what is made of images in channels-last order is in that order.
static Status keep_order(Lane *lane, const Tensor *x, Tensor **out, int n_out)
{
    const View *v = &x->view;
    if (v->ndim != 4 || v->layout != LAYOUT_STRIDED || view_is_contiguous(v) || !view_is_channels_last(v))
        return ST_OK;
    Status s = ST_OK;
    for (int i = 0; i < n_out && s == ST_OK; i++) {
        Tensor *ordered;
        if (out[i]->view.layout != LAYOUT_STRIDED || out[i]->view.stride[1] == 1)
            continue;
        s = tensor_copy_as(lane, out[i], tensor_dtype(out[i]), FORMAT_CHANNELS_LAST, &ordered);
        if (s == ST_OK) {
            tensor_release(out[i]);
            out[i] = ordered;
        }
    }
    for (int i = 0; i < n_out && s != ST_OK; i++)
        tensor_release(out[i]);
    return s;
}

// Runs `op` on x with its batch dimension, which the program may leave out.
static Status with_batch(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, int spatial, Tensor *x, Tensor **out, int n_out)
{
    if (x->view.ndim == spatial + 2) {
        TRY(kernel_call(lane, site, op, params, params_size, &x, 1, out, n_out));
        return keep_order(lane, x, out, n_out);
    }
    Tensor *batch, *y[2];
    TRY(tensor_add_dim(lane, x, 0, &batch));
    Status s = kernel_call(lane, site, op, params, params_size, &batch, 1, y, n_out);
    tensor_release(batch);
    TRY(s);
    int made = 0;
    while (s == ST_OK && made < n_out) {
        s = tensor_drop_dim(lane, y[made], 0, &out[made]);
        made += s == ST_OK;
    }
    for (int i = 0; i < n_out; i++)
        tensor_release(y[i]);
    for (int i = 0; s != ST_OK && i < made; i++)
        tensor_release(out[i]);
    return s;
}

static Status check_ndim(const Tensor *x, int spatial, const char *what)
{
    if (x->view.ndim == spatial + 1 || x->view.ndim == spatial + 2)
        return ST_OK;
    char text[200];
    return op_raise("%s%dd: Expected %dD or %dD tensor, but got %s", what, spatial, spatial + 1, spatial + 2, sizes_text(&x->view, text, sizeof text));
}

// Only the batch may be empty.
static Status check_not_empty(const Tensor *x, int spatial)
{
    const View *v = &x->view;
    char text[200];
    sizes_text(v, text, sizeof text);
    for (int d = v->ndim == spatial + 2; d < v->ndim; d++) {
        if (v->size[d] > 0)
            continue;
        if (spatial == 3)
            return op_raise("max_pool3d_with_indices_out_cpu_template(): Expected input's non-batch dimensions to have positive length, but input has a shape of %s "
                            "and non-batch dimension %d has length zero!", text, d);
        return op_raise("max_pool%dd: Expected %dD or %dD (batch mode) tensor with optional 0 dim batch size for input, but got:%s", spatial, spatial + 1,
                        spatial + 2, text);
    }
    return ST_OK;
}

// (self, kernel_size, stride, padding, dilation, ceil_mode). data: spatial dimensions, negative with indices.
static Status op_max_pool(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int n = (int)(intptr_t)site->op->data, spatial = n < 0 ? -n : n;
    PoolParams p;
    Tensor *out[2];
    memset(&p, 0, sizeof p);
    p.max = 1;
    p.with_indices = n < 0;
    p.ceil_mode = args[5].as.b;
    TRY(check_ndim(arg_tensor(args[0]), spatial, "max_pool"));
    TRY(check_not_empty(arg_tensor(args[0]), spatial));
    TRY(pool_ints(args[1], spatial, "kernel_size", p.kernel, NULL));
    TRY(pool_ints(args[2], spatial, "stride", p.stride, p.kernel));
    TRY(pool_ints(args[3], spatial, "padding", p.padding, NULL));
    TRY(pool_ints(args[4], spatial, "dilation", p.dilation, NULL));
    TRY(with_batch(lane, site, &kernel_pool, &p, sizeof p, spatial, arg_tensor(args[0]), out, n < 0 ? 2 : 1));
    take_results(rets, out, n < 0 ? 2 : 1);
    return ST_OK;
}

// (self, kernel_size, stride, padding, ceil_mode, count_include_pad[, divisor_override])
static Status op_avg_pool(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int spatial = (int)(intptr_t)site->op->data;
    PoolParams p;
    Tensor *out;
    memset(&p, 0, sizeof p);
    p.ceil_mode = args[4].as.b;
    p.count_include_pad = args[5].as.b;
    if (spatial > 1 && !arg_is_none(args[6])) {
        p.divisor = arg_int(args[6]);
        if (p.divisor == 0)
            return op_raise("divisor must be not zero");
    }
    TRY(check_ndim(arg_tensor(args[0]), spatial, "avg_pool"));
    TRY(pool_ints(args[1], spatial, "kernel_size", p.kernel, NULL));
    TRY(pool_ints(args[2], spatial, "stride", p.stride, p.kernel));
    TRY(pool_ints(args[3], spatial, "padding", p.padding, NULL));
    for (int i = 0; i < spatial; i++)
        p.dilation[i] = 1;
    TRY(with_batch(lane, site, &kernel_pool, &p, sizeof p, spatial, arg_tensor(args[0]), &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (self, output_size). data: spatial dimensions, negative for max, which has indices too.
static Status op_adaptive_pool(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int n = (int)(intptr_t)site->op->data, spatial = n < 0 ? -n : n, count;
    AdaptivePoolParams p;
    Tensor *out[2], *x = arg_tensor(args[0]);
    memset(&p, 0, sizeof p);
    p.max = n < 0;
    if (x->view.ndim != spatial + 1 && x->view.ndim != spatial + 2) {
        char text[200];
        return op_raise("adaptive_%s_pool%dd(): Expected %dD or %dD tensor, but got %s", n < 0 ? "max" : "avg", spatial, spatial + 1, spatial + 2,
                        sizes_text(&x->view, text, sizeof text));
    }
    int64_t got[VIEW_MAX_DIMS];
    TRY(arg_ints(args[1], got, VIEW_MAX_DIMS, &count));
    if (count != 1 && count != spatial)
        return op_raise("adaptive_%s_pool%dd: internal error: output_size.size() must be %d", n < 0 ? "max" : "avg", spatial, spatial);
    for (int i = 0; i < spatial; i++) {
        p.size[i] = got[count == 1 ? 0 : i];
        if (p.size[i] < 0)
            return op_raise("adaptive_%s_pool%dd: elements of output_size must be greater than or equal to 0", n < 0 ? "max" : "avg", spatial);
    }
    TRY(with_batch(lane, site, &kernel_adaptive_pool, &p, sizeof p, spatial, x, out, n < 0 ? 2 : 1));
    take_results(rets, out, n < 0 ? 2 : 1);
    return ST_OK;
}

#define ROW(name, fn, data) {name, fn, OP_PRIVATE_LAYOUT, (const void *)(intptr_t)(data), NULL}

const OpBinding OPS_POOL[] = {
    ROW("aten::max_pool1d", op_max_pool, 1),
    ROW("aten::max_pool2d", op_max_pool, 2),
    ROW("aten::max_pool3d", op_max_pool, 3),
    ROW("aten::max_pool1d_with_indices", op_max_pool, -1),
    ROW("aten::max_pool2d_with_indices", op_max_pool, -2),
    ROW("aten::max_pool3d_with_indices", op_max_pool, -3),
    ROW("aten::avg_pool1d", op_avg_pool, 1),
    ROW("aten::avg_pool2d", op_avg_pool, 2),
    ROW("aten::avg_pool3d", op_avg_pool, 3),
    ROW("aten::adaptive_avg_pool1d", op_adaptive_pool, 1),
    ROW("aten::adaptive_avg_pool2d", op_adaptive_pool, 2),
    ROW("aten::adaptive_avg_pool3d", op_adaptive_pool, 3),
    ROW("aten::_adaptive_avg_pool2d", op_adaptive_pool, 2),
    ROW("aten::_adaptive_avg_pool3d", op_adaptive_pool, 3),
    ROW("aten::adaptive_max_pool1d", op_adaptive_pool, -1),
    ROW("aten::adaptive_max_pool2d", op_adaptive_pool, -2),
    ROW("aten::adaptive_max_pool3d", op_adaptive_pool, -3),
    {0},
};
