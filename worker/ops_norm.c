// Operator bindings: normalisation and softmax.
// Rows are found by name in worker/op.c.
#include "kernels/cpu/variants.h"
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <math.h>
#include <string.h>

// ---- batch norm

// running = (1 - momentum) * running + momentum * batch, in place.
static Status update_running(Tensor *running, const Tensor *batch, double momentum)
{
    if (!running)
        return ST_OK;
    TRY(tensor_make_writable(running));
    const View *r = &running->view, *b = &batch->view;
    for (int64_t i = 0; i < r->size[0]; i++) {
        double old = element_get(r->data, (DType)r->dtype, i * r->stride[0]), now = element_get(b->data, (DType)b->dtype, i * b->stride[0]);
        element_set(r->data, (DType)r->dtype, i * r->stride[0], (1 - momentum) * old + momentum * now);
    }
    return ST_OK;
}

static void release_all(Tensor **t, int n)
{
    for (int i = 0; i < n; i++)
        tensor_release(t[i]);
}

// out[0 … 3): the result, and with batch statistics mean and 1/std.
static Status batch_norm(Lane *lane, Site *site, const IValue *args, bool training, double momentum, double eps, Tensor **out)
{
    BatchNormParams p;
    memset(&p, 0, sizeof p);
    p.eps = eps;
    p.batch_stats = training;
    Tensor *in[5], *made[4];
    for (int i = 0; i < 5; i++)
        in[i] = arg_tensor(args[i]);
    if (!training)
        return kernel_call(lane, site, &kernel_batch_norm, &p, sizeof p, in, 5, out, 1);
    TRY(kernel_call(lane, site, &kernel_batch_norm, &p, sizeof p, in, 5, made, 4));
    Status s = update_running(in[3], made[1], momentum);
    if (s == ST_OK)
        s = update_running(in[4], made[3], momentum);
    tensor_release(made[3]);
    if (s != ST_OK)
        release_all(made, 3);
    else
        memcpy(out, made, 3 * sizeof *out);
    return s;
}

// (input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled)
static Status op_batch_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    bool training = args[5].as.b;
    Tensor *out[3], *x = arg_tensor(args[0]);
    if (tensor_numel(x) == 0) { // of any shape; statistics are not looked at
        TRY(tensor_make_plain(lane, x));
        TRY(tensor_copy_as(lane, x, tensor_dtype(x), FORMAT_PRESERVE, &out[0]));
        rets[0] = value_tensor_take(out[0]);
        return ST_OK;
    }
    TRY(batch_norm(lane, site, args, training, arg_double(args[6]), arg_double(args[7]), out));
    if (training)
        release_all(out + 1, 2);
    rets[0] = value_tensor_take(out[0]);
    return ST_OK;
}

// The same with three results: result, mean, 1/std; the latter two are empty when the running statistics are used.
static Status op_native_batch_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    bool training = args[5].as.b;
    Tensor *out[3];
    TRY(batch_norm(lane, site, args, training, arg_double(args[6]), arg_double(args[7]), out));
    for (int i = 1; !training && i < 3; i++) {
        Status s = tensor_new(lane, tensor_dtype(arg_tensor(args[0])), 1, (int64_t[]){0}, &out[i]);
        if (s != ST_OK) {
            release_all(out, i);
            return s;
        }
    }
    take_results(rets, out, 3);
    return ST_OK;
}

// The forms that the functional passes of PyTorch make of batch norm. They differ in arguments and results:
typedef struct BatchNormForm {
    bool stats;     // takes running statistics
    bool flag;      // takes `training`; else:
    bool training;
    bool reserve;   // gives an empty tensor behind the statistics
    bool copies;    // leaves the running statistics alone and gives new ones
} BatchNormForm;

static Status empty_tensor(Lane *lane, DType t, IValue *out)
{
    Tensor *made;
    TRY(tensor_new(lane, t, 1, (int64_t[]){0}, &made));
    *out = value_tensor_take(made);
    return ST_OK;
}

// (input, weight, bias[, running_mean, running_var][, training], momentum, eps)
static Status op_batch_norm_form(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const BatchNormForm *f = site->op->data;
    IValue own[8] = {args[0], args[1], args[2]}, made[6] = {{0}};
    int at = 3, results = 3;
    for (int i = 3; i < 5; i++)
        own[i] = f->stats ? args[at++] : value_none();
    own[5] = f->flag ? args[at++] : value_bool(f->training);
    own[6] = args[at];
    own[7] = args[at + 1];
    Tensor *copy[2] = {NULL};
    Status s = ST_OK;
    for (int i = 0; f->copies && i < 2 && s == ST_OK; i++) {
        Tensor *from = own[3 + i].as.tensor;
        s = tensor_new(lane, tensor_dtype(from), from->view.ndim, from->view.size, &copy[i]);
        if (s == ST_OK)
            s = tensor_copy_into(lane, copy[i], from);
        own[3 + i] = s == ST_OK ? value_tensor_take(copy[i]) : own[3 + i];
    }
    if (s == ST_OK)
        s = op_native_batch_norm(lane, site, own, made);
    if (s == ST_OK && f->reserve)
        s = empty_tensor(lane, DT_U8, &made[results++]);
    if (s == ST_OK) {
        for (int i = 0; i < results; i++)
            rets[i] = made[i];
        for (int i = 0; f->copies && i < 2; i++)
            rets[results++] = value_tensor_take(copy[i]);
        return ST_OK;
    }
    for (int i = 0; i < 3; i++)
        value_release(made[i]);
    for (int i = 0; i < 2; i++)
        if (copy[i])
            tensor_release(copy[i]);
    return s;
}

// ---- group norm and instance norm

static Status group_norm(Lane *lane, Site *site, Tensor *x, Tensor *w, Tensor *b, int64_t groups, double eps, Tensor **out, int n_out)
{
    GroupNormParams p = {eps, groups};
    Tensor *in[3] = {x, w, b};
    return kernel_call(lane, site, &kernel_group_norm, &p, sizeof p, in, 3, out, n_out);
}

// (input, num_groups, weight, bias, eps, cudnn_enabled)
static Status op_group_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *out;
    TRY(group_norm(lane, site, arg_tensor(args[0]), arg_tensor(args[2]), arg_tensor(args[3]), arg_int(args[1]), arg_double(args[4]), &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (input, weight, bias, N, C, HxW, group, eps)
static Status op_native_group_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *out[3];
    TRY(group_norm(lane, site, arg_tensor(args[0]), arg_tensor(args[1]), arg_tensor(args[2]), arg_int(args[6]), arg_double(args[7]), out, 3));
    take_results(rets, out, 3);
    return ST_OK;
}

// Running statistics of instance norm: the mean over the batch of each sample's mean and unbiased variance.
static Status update_instance_stats(Tensor *running, const Tensor *stats, bool variance, double momentum, double eps, int64_t count)
{
    if (!running)
        return ST_OK;
    TRY(check_written(running));
    TRY(tensor_make_writable(running));
    const View *r = &running->view, *s = &stats->view;
    for (int64_t c = 0; c < s->size[1]; c++) {
        double sum = 0;
        for (int64_t n = 0; n < s->size[0]; n++) {
            double v = element_get(s->data, (DType)s->dtype, n * s->size[1] + c);
            sum += variance ? (1 / (v * v) - eps) * (double)count / (double)(count - 1) : v;
        }
        double old = element_get(r->data, (DType)r->dtype, c * r->stride[0]);
        element_set(r->data, (DType)r->dtype, c * r->stride[0], (1 - momentum) * old + momentum * sum / (double)s->size[0]);
    }
    return ST_OK;
}

// (input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled)
static Status op_instance_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x = arg_tensor(args[0]), *out[3];
    double momentum = arg_double(args[6]), eps = arg_double(args[7]);
    if (!args[5].as.b) {
        TRY(batch_norm(lane, site, args, false, momentum, eps, out));
        rets[0] = value_tensor_take(out[0]);
        return ST_OK;
    }
    if (x->view.ndim < 2)
        return op_raise("instance_norm: expected at least 2 dimensions, got %d", x->view.ndim);
    TRY(group_norm(lane, site, x, arg_tensor(args[1]), arg_tensor(args[2]), x->view.size[1] ? x->view.size[1] : 1, eps, out, 3));
    int64_t samples = x->view.size[0] * x->view.size[1], count = samples ? view_numel(&x->view) / samples : 0;
    Status s = update_instance_stats(arg_tensor(args[3]), out[1], false, momentum, eps, count);
    if (s == ST_OK)
        s = update_instance_stats(arg_tensor(args[4]), out[2], true, momentum, eps, count);
    release_all(out + 1, 2);
    if (s != ST_OK) {
        tensor_release(out[0]);
        return s;
    }
    rets[0] = value_tensor_take(out[0]);
    return ST_OK;
}

// ---- layer norm

static Status check_normalized_shape(const Tensor *x, IValue shape, int *dims)
{
    int64_t size[VIEW_MAX_DIMS];
    TRY(arg_ints(shape, size, VIEW_MAX_DIMS, dims));
    const View *v = &x->view;
    if (*dims < 1)
        return op_raise("Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = []");
    bool same = *dims <= v->ndim;
    for (int i = 0; same && i < *dims; i++)
        same = size[i] == v->size[v->ndim - *dims + i];
    if (same)
        return ST_OK;
    View s = {.ndim = (uint8_t)*dims};
    memcpy(s.size, size, sizeof size);
    char text[200], tail[200], mine[200];
    sizes_text(&s, text, sizeof text);
    sizes_text(v, mine, sizeof mine);
    snprintf(tail, sizeof tail, "[*, %s", text + 1);
    return op_raise("Given normalized_shape=%s, expected input with shape %s, but got input of size%s", text, tail, mine);
}

static Status layer_norm(Lane *lane, Site *site, Tensor *x, IValue shape, Tensor *w, Tensor *b, double eps, bool rms, Tensor **out, int n_out)
{
    LayerNormParams p;
    int dims;
    memset(&p, 0, sizeof p);
    TRY(check_normalized_shape(x, shape, &dims));
    p.eps = eps;
    p.dims = dims;
    p.rms = rms;
    Tensor *in[3] = {x, w, b};
    return kernel_call(lane, site, &kernel_layer_norm, &p, sizeof p, in, 3, out, n_out);
}

// (input, normalized_shape, weight, bias, eps, cudnn_enable); native: the same without the last, three results
static Status op_layer_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int n = (int)(intptr_t)site->op->data;
    Tensor *out[3];
    TRY(layer_norm(lane, site, arg_tensor(args[0]), args[1], arg_tensor(args[2]), arg_tensor(args[3]), arg_double(args[4]), false, out, n));
    take_results(rets, out, n);
    return ST_OK;
}

// (input, normalized_shape, weight, eps): eps None is the smallest step from 1 of the type
static Status op_rms_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x = arg_tensor(args[0]), *out;
    DType t = tensor_dtype(x);
    double eps = !arg_is_none(args[3]) ? arg_double(args[3]) : t == DT_F64 ? 0x1p-52 : t == DT_F16 ? 0x1p-10 : t == DT_BF16 ? 0x1p-7 : 0x1p-23;
    TRY(layer_norm(lane, site, x, args[1], arg_tensor(args[2]), NULL, eps, true, &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// The same with 1/rms of each row as a second result.
static Status op_fused_rms_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x = arg_tensor(args[0]), *out[3];
    DType t = tensor_dtype(x);
    double eps = !arg_is_none(args[3]) ? arg_double(args[3]) : t == DT_F64 ? 0x1p-52 : t == DT_F16 ? 0x1p-10 : t == DT_BF16 ? 0x1p-7 : 0x1p-23;
    TRY(layer_norm(lane, site, x, args[1], arg_tensor(args[2]), NULL, eps, true, out, 3));
    tensor_release(out[1]);
    rets[0] = value_tensor_take(out[0]);
    rets[1] = value_tensor_take(out[2]);
    return ST_OK;
}

// ---- weight norm and distances

// (v, g, dim)
static Status op_weight_norm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    WeightNormParams p;
    Tensor *in[2] = {arg_tensor(args[0]), arg_tensor(args[1])}, *out;
    int dim;
    memset(&p, 0, sizeof p);
    TRY(wrap_dim(arg_int(args[2]), in[0]->view.ndim, &dim));
    p.dim = dim;
    TRY(kernel_call(lane, site, &kernel_weight_norm, &p, sizeof p, in, 2, &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (x1, x2, p, compute_mode): the mode only chooses how
static Status op_cdist(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    CdistParams p = {.p = arg_double(args[2])};
    Tensor *in[2] = {NULL, NULL}, *out;
    if (p.p < 0)
        return op_raise("cdist only supports non-negative p values");
    // Each row is read many times.
    Status s = tensor_contiguous(lane, arg_tensor(args[0]), &in[0]);
    if (s == ST_OK)
        s = tensor_contiguous(lane, arg_tensor(args[1]), &in[1]);
    if (s == ST_OK)
        s = kernel_call(lane, site, &kernel_cdist, &p, sizeof p, in, 2, &out, 1);
    for (int i = 0; i < 2; i++)
        if (in[i])
            tensor_release(in[i]);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- softmax

static Status softmax(Lane *lane, Site *site, Tensor *x, int64_t dim, bool log_result, Tensor **out)
{
    SoftmaxParams p;
    int wrapped;
    memset(&p, 0, sizeof p);
    TRY(wrap_dim(dim, x->view.ndim, &wrapped));
    p.dim = wrapped;
    p.log = log_result;
    return kernel_call(lane, site, &kernel_softmax, &p, sizeof p, &x, 1, out, 1);
}

// (self, dim, dtype). data: log
static Status op_softmax(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *x = arg_tensor(args[0]), *out;
    bool log_result = site->op->data != NULL;
    if (arg_is_none(args[2])) {
        TRY(softmax(lane, site, x, arg_int(args[1]), log_result, &out));
    } else {
        Tensor *cast;
        TRY(tensor_to_dtype(lane, x, (DType)arg_int(args[2]), &cast));
        Status s = softmax(lane, site, cast, arg_int(args[1]), log_result, &out);
        tensor_release(cast);
        TRY(s);
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (self, dim, half_to_float)
static Status op_softmax_plain(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *out;
    if (args[2].as.b)
        return op_raise("softmax with half to float conversion is not supported on CPU");
    TRY(softmax(lane, site, arg_tensor(args[0]), arg_int(args[1]), site->op->data != NULL, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROW(name, fn, flags, data) {name, fn, flags, (const void *)(intptr_t)(data), NULL}

#define FORM(name, ...) {"aten::" name, op_batch_norm_form, 0, &(const BatchNormForm){__VA_ARGS__}, NULL}

const OpBinding OPS_NORM[] = {
    ROW("aten::batch_norm", op_batch_norm, OP_PRIVATE_LAYOUT, 0),
    ROW("aten::native_batch_norm", op_native_batch_norm, OP_PRIVATE_LAYOUT, 0),
    ROW("aten::_native_batch_norm_legit", op_native_batch_norm, OP_PRIVATE_LAYOUT, 0),
    FORM("_native_batch_norm_legit.no_stats", .flag = true),
    FORM("_native_batch_norm_legit_no_training", .stats = true),
    FORM("_native_batch_norm_legit_functional", .stats = true, .flag = true, .copies = true),
    FORM("_batch_norm_no_update", .stats = true, .reserve = true),
    FORM("_batch_norm_with_update", .stats = true, .training = true, .reserve = true),
    FORM("_batch_norm_with_update_functional", .stats = true, .training = true, .reserve = true, .copies = true),
    ROW("aten::group_norm", op_group_norm, 0, 0),
    ROW("aten::native_group_norm", op_native_group_norm, 0, 0),
    ROW("aten::instance_norm", op_instance_norm, 0, 0),
    ROW("aten::layer_norm", op_layer_norm, 0, 1),
    ROW("aten::native_layer_norm", op_layer_norm, 0, 3),
    ROW("aten::rms_norm", op_rms_norm, 0, 0),
    ROW("aten::_fused_rms_norm", op_fused_rms_norm, 0, 0),
    ROW("aten::_weight_norm", op_weight_norm, 0, 0),
    ROW("aten::cdist", op_cdist, 0, 0),
    ROW("aten::_cdist_forward", op_cdist, 0, 0),
    ROW("aten::softmax.int", op_softmax, 0, 0),
    ROW("aten::log_softmax.int", op_softmax, 0, 1),
    ROW("aten::special_softmax", op_softmax, 0, 0),
    ROW("aten::special_log_softmax", op_softmax, 0, 1),
    ROW("aten::_softmax", op_softmax_plain, 0, 0),
    ROW("aten::_log_softmax", op_softmax_plain, 0, 1),
    {0},
};
