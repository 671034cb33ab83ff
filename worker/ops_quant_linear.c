// Quantised linear layers and convolutions, their packed parameters, and the methods of those.
// "Packed" here means: kept together. What the kernels pack, they pack themselves.
#include "worker/ops_quant.h"

#include "kernels/half.h"
#include "kernels/quant.h"
#include "worker/ops_heavy.h"

#include <math.h>
#include <stdlib.h>

// ---- objects

IValue packed_get(const Object *o, const char *name)
{
    const ClassAttr *attr = class_attr(o->cls, str_of(name));
    return attr ? o->slots[attr - o->cls->attrs] : value_none();
}

Status packed_new_take(const Site *site, IValue *values, uint32_t n, IValue *out)
{
    const Type *t = ret_type(site, 0);
    Object *o = t && t->kind == TYPE_CLASS && t->cls && t->cls->attr_count == n ? object_new(t->cls) : NULL;
    if (!o) {
        for (uint32_t i = 0; i < n; i++)
            value_release(values[i]);
        return t && t->cls ? ST_MEMORY : status_fail(ST_INTERNAL, "the class of packed parameters is not known");
    }
    memcpy(o->slots, values, n * sizeof *values);
    *out = value_object_take(o);
    return ST_OK;
}

static Status check_weight(const Tensor *w, const char *name)
{
    if (!w->quant || (tensor_dtype(w) != DT_QI8 && tensor_dtype(w) != DT_QU8))
        return op_raise("%s: the weight must be quantized to qint8", name);
    return ST_OK;
}

// ---- the kernel

// Scale and zero point of x and y, as the kernel reads them.
static Status numbers_new(Lane *lane, const Quant *x, double scale, int64_t zero_point, Tensor **out)
{
    TRY(tensor_new(lane, DT_F64, 1, (const int64_t[]){4}, out));
    double *v = (*out)->view.data;
    v[0] = x->scale;
    v[1] = (double)x->zero_point;
    v[2] = scale;
    v[3] = (double)zero_point;
    return ST_OK;
}

static Status check_zero_point(DType t, int64_t zero_point)
{
    return zero_point < quant_min(t) || zero_point > quant_max(t) ? op_raise("the zero point %lld does not fit the quantized dtype", (long long)zero_point) : ST_OK;
}

static Status quant_conv(Lane *lane, Site *site, QuantConvParams *p, Tensor *x, Tensor *w, IValue bias, double scale, int64_t zero_point, Tensor **out)
{
    if (!x->quant || !quant_is_per_tensor(x->quant))
        return op_raise("a quantized operator takes an input quantized per tensor");
    TRY(check_zero_point(tensor_dtype(x), x->quant->zero_point));
    if (!p->to_float)
        TRY(check_zero_point(tensor_dtype(x), zero_point));
    const Quant *wq = w->quant;
    if (quant_is_per_tensor(wq)) {
        p->weight_scale = wq->scale;
        p->weight_zero_point = wq->zero_point;
        TRY(check_zero_point(tensor_dtype(w), wq->zero_point));
    } else if (wq->scheme == QUANT_PER_CHANNEL_FLOAT) {
        return op_raise("the weight of a convolution or linear layer cannot have float zero points");
    } else if (wq->axis != (p->transposed ? 1 : 0)) {
        return op_raise("the weight is not quantized along its output channels");
    }
    Tensor *numbers, *made, *b = NULL, *row = NULL;
    TRY(numbers_new(lane, x->quant, scale, zero_point, &numbers));
    Status status = ST_OK;
    if (bias.tag == TAG_TENSOR) { // old files keep it quantised
        status = tensor_dequantise(lane, bias.as.tensor, &b);
        if (status == ST_OK) {
            status = tensor_contiguous(lane, b, &row);
            tensor_release(b);
        }
    }
    if (status == ST_OK) {
        bool channels = !quant_is_per_tensor(wq);
        Tensor *in[6] = {x, w, channels ? wq->scales : NULL, channels ? wq->zero_points : NULL, row, numbers};
        status = kernel_call(lane, site, &kernel_quant_conv, p, sizeof *p, in, 6, &made, 1);
    }
    if (row)
        tensor_release(row);
    tensor_release(numbers);
    TRY(status);
    if (!p->to_float) {
        status = quant_new(scale, zero_point, &made->quant);
        if (status != ST_OK) {
            tensor_release(made);
            return status;
        }
    }
    *out = made;
    return ST_OK;
}

// ---- linear

Status quant_linear(Lane *lane, Site *site, Tensor *x, Tensor *w, IValue bias, double scale, int64_t zero_point, bool relu, Tensor **out)
{
    TRY(check_weight(w, "quantized::linear"));
    if (w->view.ndim != 2)
        return op_raise("quantized::linear: the weight must have two dimensions");
    QuantConvParams p = {.groups = 1, .relu = relu};
    return quant_conv(lane, site, &p, x, w, bias, scale, zero_point, out);
}

static Status linear(Lane *lane, Site *site, const IValue *args, IValue *rets, bool relu) // X, packed, scale, zero_point
{
    const Object *packed = args[1].as.object;
    Tensor *y;
    TRY(quant_linear(lane, site, args[0].as.tensor, packed_get(packed, "weight").as.tensor, packed_get(packed, "bias"), arg_double(args[2]), arg_int(args[3]), relu, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_linear) { return linear(lane, site, args, rets, false); }
OP_FN(op_linear_relu) { return linear(lane, site, args, rets, true); }

// A tensor of numbers, taken, to integers.
static Status quantise_take(Lane *lane, Tensor *y, DType dtype, double scale, int64_t zero_point, IValue *rets)
{
    Quant *q;
    Tensor *made = NULL;
    Status status = quant_new(scale, zero_point, &q);
    if (status == ST_OK) {
        status = check_zero_point(dtype, zero_point);
        if (status == ST_OK)
            status = tensor_quantise(lane, y, dtype, q, &made);
        quant_release(q);
    }
    tensor_release(y);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

static Status linear_to_float(Lane *lane, Site *site, Tensor *x, const Object *packed, bool relu, Tensor **out)
{
    Tensor *w = packed_get(packed, "weight").as.tensor;
    TRY(check_weight(w, "quantized::linear"));
    if (w->view.ndim != 2)
        return op_raise("quantized::linear: the weight must have two dimensions");
    QuantConvParams p = {.groups = 1, .relu = relu, .to_float = true};
    return quant_conv(lane, site, &p, x, w, packed_get(packed, "bias"), 1, 0, out);
}

// Layers whose activation follows before the result is quantised: X, packed, scale, zero_point[, negative_slope].
static Status linear_activated(Lane *lane, Site *site, const IValue *args, bool leaky, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *y;
    TRY(linear_to_float(lane, site, x, args[1].as.object, false, &y));
    float *v = y->view.data, slope = leaky ? (float)arg_double(args[4]) : 0;
    for (int64_t i = 0, n = tensor_numel(y); i < n; i++)
        v[i] = leaky ? (v[i] > 0 ? v[i] : v[i] * slope) : tanhf(v[i]);
    return quantise_take(lane, y, tensor_dtype(x), arg_double(args[2]), arg_int(args[3]), rets);
}
OP_FN(op_linear_leaky_relu) { return linear_activated(lane, site, args, true, rets); }
OP_FN(op_linear_tanh) { return linear_activated(lane, site, args, false, rets); }

// Numbers in and out, integers between: X, X_scale, X_zero_point, packed.
static Status linear_in_numbers(Lane *lane, Site *site, const IValue *args, bool relu, IValue *rets)
{
    Tensor *y;
    IValue quantised;
    if (tensor_dtype(args[0].as.tensor) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(args[0].as.tensor)));
    TRY(quantise_take(lane, tensor_retain(args[0].as.tensor), DT_QU8, arg_double(args[1]), arg_int(args[2]), &quantised));
    Status status = linear_to_float(lane, site, quantised.as.tensor, args[3].as.object, relu, &y);
    value_release(quantised);
    TRY(status);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_linear_in_numbers) { return linear_in_numbers(lane, site, args, false, rets); }
OP_FN(op_linear_relu_in_numbers) { return linear_in_numbers(lane, site, args, true, rets); }

// x with the scale and zero point of its own range.
static Status quantise_dynamic(Lane *lane, Tensor *x, DynamicRange range, Tensor **out)
{
    if (tensor_dtype(x) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(x)));
    Tensor *row;
    TRY(tensor_contiguous(lane, x, &row));
    float lo = 0, hi = 0;
    if (tensor_numel(row))
        min_max_row(row->view.data, tensor_numel(row), &lo, &hi);
    tensor_release(row);
    double scale;
    int32_t zero_point;
    if (range == DYNAMIC_F32_SCALE)
        choose_quant_f32(lo, hi, 0, 255, false, &scale, &zero_point);
    else
        choose_quant(lo, hi, 0, 255, false, range == DYNAMIC_REDUCED, &scale, &zero_point);
    Quant *q;
    TRY(quant_new(scale, zero_point, &q));
    Status status = tensor_quantise(lane, x, DT_QU8, q, out);
    quant_release(q);
    return status;
}

static Status linear_float(Lane *lane, Site *site, Tensor *x, Tensor *w, IValue bias, bool relu, Tensor **out)
{
    ActParams p = {.act = relu ? ACT_RELU : ACT_NONE};
    Tensor *in[4] = {x, w, bias.tag == TAG_TENSOR ? bias.as.tensor : NULL, NULL};
    return kernel_call(lane, site, &kernel_linear, &p, sizeof p, in, 4, out, 1);
}

Status quant_linear_dynamic(Lane *lane, Site *site, Tensor *x, Tensor *w, IValue bias, DynamicRange range, bool relu, Tensor **out)
{
    Tensor *q;
    TRY(check_weight(w, "quantized::linear_dynamic"));
    if (w->view.ndim != 2)
        return op_raise("quantized::linear_dynamic: the weight must have two dimensions");
    TRY(quantise_dynamic(lane, x, range, &q));
    QuantConvParams p = {.groups = 1, .relu = relu, .to_float = true};
    Status status = quant_conv(lane, site, &p, q, w, bias, 1, 0, out);
    tensor_release(q);
    return status;
}

Status packed_linear_dynamic(Lane *lane, Site *site, Tensor *x, const Object *packed, bool reduce_range, bool relu, Tensor **out)
{
    Tensor *w = packed_get(packed, "weight").as.tensor;
    IValue bias = packed_get(packed, "bias");
    if (!w->quant) // weights of float16
        return linear_float(lane, site, x, w, bias, relu, out);
    return quant_linear_dynamic(lane, site, x, w, bias, reduce_range ? DYNAMIC_REDUCED : DYNAMIC_FULL, relu, out);
}

static Status linear_dynamic(Lane *lane, Site *site, const IValue *args, IValue *rets, bool reduce_range, bool relu)
{
    Tensor *y;
    TRY(packed_linear_dynamic(lane, site, args[0].as.tensor, args[1].as.object, reduce_range, relu, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_linear_dynamic) { return linear_dynamic(lane, site, args, rets, args[2].as.b, false); }
OP_FN(op_linear_relu_dynamic) { return linear_dynamic(lane, site, args, rets, args[2].as.b, true); }
OP_FN(op_linear_fp16) { return linear_dynamic(lane, site, args, rets, false, false); }
OP_FN(op_linear_relu_fp16) { return linear_dynamic(lane, site, args, rets, false, true); }

// ---- convolutions

static Status numbers_of(const Object *o, const char *name, int n, int64_t *out)
{
    int count;
    TRY(arg_ints(packed_get(o, name), out, SPATIAL_MAX, &count));
    return count == n ? ST_OK : op_raise("packed parameters of a convolution: %s has %d numbers, not %d", name, count, n);
}

static Status conv_params(const Object *o, QuantConvParams *p)
{
    IValue w = packed_get(o, "weight");
    int n = w.as.tensor->view.ndim - 2;
    TRY(check_weight(w.as.tensor, "quantized convolution"));
    if (n < 1 || n > SPATIAL_MAX)
        return op_raise("quantized convolution: the weight has %d dimensions", n + 2);
    TRY(numbers_of(o, "stride", n, p->stride));
    TRY(numbers_of(o, "padding", n, p->padding));
    TRY(numbers_of(o, "output_padding", n, p->output_padding));
    TRY(numbers_of(o, "dilation", n, p->dilation));
    p->groups = arg_int(packed_get(o, "groups"));
    p->transposed = packed_get(o, "transpose").as.b;
    return ST_OK;
}

typedef struct ConvCall { bool one, relu, dynamic, reduce_range; double scale; int64_t zero_point; } ConvCall;

static Status conv_call(Lane *lane, Site *site, const IValue *args, const ConvCall *call, IValue *rets)
{
    const Object *packed = args[1].as.object;
    Tensor *x = tensor_retain(args[0].as.tensor), *y = NULL;
    QuantConvParams p = {.relu = call->relu};
    double scale = call->scale;
    int64_t zero_point = call->zero_point;
    Status status = conv_params(packed, &p);
    if (status == ST_OK && call->dynamic) {
        Tensor *q;
        status = quantise_dynamic(lane, x, call->reduce_range ? DYNAMIC_REDUCED : DYNAMIC_FULL, &q);
        if (status == ST_OK) {
            tensor_release(x);
            x = q;
            scale = q->quant->scale; // PyTorch's result has the input's scale and range
            zero_point = q->quant->zero_point;
        }
    }
    if (status == ST_OK && call->one) { // one spatial dimension: a height of 1
        Tensor *high;
        status = x->view.ndim == 3 ? tensor_add_dim(lane, x, 2, &high) : op_raise("quantized conv1d expects a 3-dimensional input");
        if (status == ST_OK) {
            tensor_release(x);
            x = high;
        }
    }
    if (status == ST_OK)
        status = quant_conv(lane, site, &p, x, packed_get(packed, "weight").as.tensor, packed_get(packed, "bias"), scale, zero_point, &y);
    tensor_release(x);
    TRY(status);
    if (call->one) {
        Tensor *low;
        status = tensor_drop_dim(lane, y, 2, &low);
        tensor_release(y);
        TRY(status);
        y = low;
    }
    if (call->dynamic) {
        Tensor *numbers;
        status = tensor_dequantise(lane, y, &numbers);
        tensor_release(y);
        TRY(status);
        y = numbers;
    }
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

#define CONV(name, ...)                                                                                                \
    OP_FN(name)                                                                                                        \
    {                                                                                                                  \
        ConvCall call = {__VA_ARGS__};                                                                                 \
        return conv_call(lane, site, args, &call, rets);                                                               \
    }
CONV(op_conv, .scale = arg_double(args[2]), .zero_point = arg_int(args[3])) // qx, packed, scale, zero_point
CONV(op_conv_relu, .relu = true, .scale = arg_double(args[2]), .zero_point = arg_int(args[3]))
CONV(op_conv1d, .one = true, .scale = arg_double(args[2]), .zero_point = arg_int(args[3]))
CONV(op_conv1d_relu, .one = true, .relu = true, .scale = arg_double(args[2]), .zero_point = arg_int(args[3]))
CONV(op_conv_old, .scale = arg_double(args[6]), .zero_point = arg_int(args[7])) // qx, packed, stride, padding, dilation, groups, scale, zero_point
CONV(op_conv_relu_old, .relu = true, .scale = arg_double(args[6]), .zero_point = arg_int(args[7]))
CONV(op_conv_dynamic, .dynamic = true, .reduce_range = args[2].as.b) // x, packed, reduce_range
CONV(op_conv1d_dynamic, .one = true, .dynamic = true, .reduce_range = args[2].as.b)

// A convolution and a tensor that is added before the result is quantised: qx, qaccum, packed, scale, zero_point.
static Status conv_add(Lane *lane, Site *site, const IValue *args, bool relu, IValue *rets)
{
    const Object *packed = args[2].as.object;
    Tensor *x = args[0].as.tensor, *added, *y, *numbers;
    QuantConvParams p = {.to_float = true};
    TRY(conv_params(packed, &p));
    if (!args[1].as.tensor->quant)
        return op_raise("conv2d_add: the tensor to add must be quantized");
    TRY(quant_conv(lane, site, &p, x, packed_get(packed, "weight").as.tensor, packed_get(packed, "bias"), 1, 0, &y));
    Status status = view_same_shape(&y->view, &args[1].as.tensor->view) ? tensor_dequantise(lane, args[1].as.tensor, &added)
                                                                       : op_raise("conv2d_add: the tensor to add must have the shape of the result");
    if (status == ST_OK) {
        status = tensor_new_as(lane, &y->view, &numbers);
        if (status == ST_OK) {
            status = tensor_copy_into(lane, numbers, added);
            float *sum = y->view.data, *with = numbers->view.data; // both dense, in one order
            for (int64_t i = 0, n = tensor_numel(y); i < n && status == ST_OK; i++) {
                sum[i] += with[i];
                sum[i] = relu && sum[i] < 0 ? 0 : sum[i];
            }
            tensor_release(numbers);
        }
        tensor_release(added);
    }
    if (status != ST_OK) {
        tensor_release(y);
        return status;
    }
    return quantise_take(lane, y, tensor_dtype(x), arg_double(args[3]), arg_int(args[4]), rets);
}
OP_FN(op_conv_add) { return conv_add(lane, site, args, false, rets); }
OP_FN(op_conv_add_relu) { return conv_add(lane, site, args, true, rets); }

// ---- packing

OP_FN(op_linear_prepack) // W, B
{
    Tensor *w = args[0].as.tensor;
    TRY(check_weight(w, "quantized::linear_prepack"));
    if (w->view.ndim != 2)
        return op_raise("The weight tensor for quantized::linear_prepack (fbgemm) should be 2-dimensional.");
    return packed_new_take(site, (IValue[]){value_retain(args[0]), value_retain(args[1])}, 2, &rets[0]);
}

// Weights as float16 holds them, finite ones kept finite.
static Status round_to_half(Lane *lane, Tensor *w, Tensor **out)
{
    if (tensor_dtype(w) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(w)));
    TRY(tensor_new(lane, DT_F32, w->view.ndim, w->view.size, out));
    Status status = tensor_copy_into(lane, *out, w);
    if (status != ST_OK) {
        tensor_release(*out);
        return status;
    }
    float *v = (*out)->view.data;
    for (int64_t i = 0, n = tensor_numel(*out); i < n; i++)
        v[i] = f16_to_float(f16_from_float(f16_range(v[i])));
    return ST_OK;
}

OP_FN(op_linear_prepack_fp16) // W, B
{
    Tensor *w;
    TRY(round_to_half(lane, args[0].as.tensor, &w));
    return packed_new_take(site, (IValue[]){value_tensor_take(w), value_retain(args[1])}, 2, &rets[0]);
}

OP_FN(op_linear_fp16_unpacked) // X, weight, bias
{
    Tensor *w, *y;
    TRY(round_to_half(lane, args[1].as.tensor, &w));
    Status status = linear_float(lane, site, args[0].as.tensor, w, args[2], false, &y);
    tensor_release(w);
    TRY(status);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

// The numbers of `list` for two dimensions where a convolution of one has only its own.
static Status two_numbers(IValue list, int64_t first, bool one, IValue *out)
{
    int64_t v[SPATIAL_MAX + 1];
    int n;
    TRY(arg_ints(list, v + 1, SPATIAL_MAX, &n));
    v[0] = first;
    return one && n == 1 ? list_of_ints(v, 2, out) : list_of_ints(v + 1, n, out);
}

// args: weight, bias, stride, padding, [output_padding,] dilation, groups
static Status conv_prepack(Lane *lane, Site *site, const IValue *args, bool one, bool transposed, IValue *rets)
{
    Tensor *w = args[0].as.tensor;
    TRY(check_weight(w, "quantized convolution prepack"));
    const IValue *rest = args + (transposed ? 5 : 4);
    IValue v[8] = {value_none(), value_retain(args[1]), value_none(), value_none(), value_none(), value_none(), value_int(arg_int(rest[1])), value_bool(transposed)};
    Tensor *weight = tensor_retain(w);
    Status status = ST_OK;
    if (one && w->view.ndim == 3) {
        Tensor *high;
        status = tensor_add_dim(lane, w, 2, &high);
        if (status == ST_OK) {
            tensor_release(weight);
            weight = high;
            if (high->quant && !quant_is_per_tensor(high->quant) && high->quant->axis > 1)
                status = op_raise("the weight is not quantized along its output channels");
        }
    }
    v[0] = value_tensor_take(weight);
    if (status == ST_OK)
        status = two_numbers(args[2], 1, one, &v[2]);
    if (status == ST_OK)
        status = two_numbers(args[3], 0, one, &v[3]);
    if (status == ST_OK && transposed)
        status = two_numbers(args[4], 0, one, &v[4]);
    else if (status == ST_OK)
        status = list_of_ints((const int64_t[SPATIAL_MAX]){0}, weight->view.ndim - 2 < SPATIAL_MAX ? weight->view.ndim - 2 : SPATIAL_MAX, &v[4]);
    if (status == ST_OK)
        status = two_numbers(rest[0], 1, one, &v[5]);
    if (status != ST_OK) {
        for (int i = 0; i < 8; i++)
            value_release(v[i]);
        return status;
    }
    return packed_new_take(site, v, 8, &rets[0]);
}
OP_FN(op_conv_prepack) { return conv_prepack(lane, site, args, false, false, rets); }
OP_FN(op_conv1d_prepack) { return conv_prepack(lane, site, args, true, false, rets); }
OP_FN(op_conv_transpose_prepack) { return conv_prepack(lane, site, args, false, true, rets); }
OP_FN(op_conv1d_transpose_prepack) { return conv_prepack(lane, site, args, true, true, rets); }

// ---- unpacking

OP_FN(op_unpack) // packed -> weight, bias
{
    rets[0] = value_retain(packed_get(args[0].as.object, "weight"));
    rets[1] = value_retain(packed_get(args[0].as.object, "bias"));
    return ST_OK;
}

OP_FN(op_unpack_1d)
{
    Tensor *w = packed_get(args[0].as.object, "weight").as.tensor, *low;
    if (w->view.ndim == 4)
        TRY(tensor_drop_dim(lane, w, 2, &low));
    else
        low = tensor_retain(w);
    rets[0] = value_tensor_take(low);
    rets[1] = value_retain(packed_get(args[0].as.object, "bias"));
    return ST_OK;
}

static Status packed_attr(const IValue *args, const char *name, IValue *rets)
{
    rets[0] = value_retain(packed_get(args[0].as.object, name));
    return ST_OK;
}
OP_FN(op_get_stride) { return packed_attr(args, "stride", rets); }
OP_FN(op_get_padding) { return packed_attr(args, "padding", rets); }
OP_FN(op_get_output_padding) { return packed_attr(args, "output_padding", rets); }
OP_FN(op_get_dilation) { return packed_attr(args, "dilation", rets); }
OP_FN(op_get_groups) { return packed_attr(args, "groups", rets); }
OP_FN(op_get_transpose)
{
    rets[0] = value_int(packed_get(args[0].as.object, "transpose").as.b);
    return ST_OK;
}

OP_FN(op_unpack_sizes) // sizes of weight and bias, stride, padding, dilation, groups
{
    static const char *const kept[] = {"stride", "padding", "dilation", "groups"};
    if (args[0].tag != TAG_OBJECT || packed_get(args[0].as.object, "groups").tag != TAG_INT)
        return op_raise("conv2d_unpack_sizes expects packed parameters of a convolution");
    const Object *o = args[0].as.object;
    const IValue of[2] = {packed_get(o, "weight"), packed_get(o, "bias")};
    IValue sizes[2] = {value_none(), value_none()};
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++)
        if (of[i].tag == TAG_TENSOR)
            status = list_of_ints(of[i].as.tensor->view.size, of[i].as.tensor->view.ndim, &sizes[i]);
    TupleObj *t = status == ST_OK ? tuple_new(6, NULL) : NULL;
    if (!t) {
        value_release(sizes[0]);
        value_release(sizes[1]);
        return status == ST_OK ? ST_MEMORY : status;
    }
    for (int i = 0; i < 6; i++)
        t->items[i] = i < 2 ? sizes[i] : value_retain(packed_get(o, kept[i - 2]));
    rets[0] = value_tuple_take(t);
    return ST_OK;
}

// Packed parameters that are a tensor come from before PyTorch 1.4, which refuses them as well.
OP_FN(op_outdated)
{
    const char *name = strstr(site->op->name, "::") + 2;
    int len = (int)(strstr(name, "legacy") - name) - 1;
    return op_raise("This model uses an outdated version of quantized.%.*s. Please re-export your model using the newer definitions in torch.jit.quantized",
                    len, name);
}

// A method of an object of a builtin class: unpack gives (weight, bias), or the weight of an embedding; the others are
// called like the attribute that they give.
OP_FN(op_method)
{
    const Object *o = args[0].as.object;
    Str name = site->node->name;
    if (!str_is(name, "unpack")) {
        const ClassAttr *attr = class_attr(o->cls, name);
        if (!attr)
            return op_raise("method " STR_FMT " of " STR_FMT " is not supported", STR_ARG(name), STR_ARG(o->cls->name));
        rets[0] = value_retain(o->slots[attr - o->cls->attrs]);
        return ST_OK;
    }
    if (!class_attr(o->cls, STR("bias"))) {
        rets[0] = value_retain(packed_get(o, "weight"));
        return ST_OK;
    }
    TupleObj *t = tuple_new(2, ret_type(site, 0));
    if (!t)
        return ST_MEMORY;
    t->items[0] = value_retain(packed_get(o, "weight"));
    t->items[1] = value_retain(packed_get(o, "bias"));
    rets[0] = value_tuple_take(t);
    return ST_OK;
}

#define BOTH(name, fn) QROW("quantized::" name, fn), QROW("_quantized::" name, fn)
#define QUERIES(conv)                                                                                                  \
    QROW("quantized::" conv "_stride", op_get_stride), QROW("quantized::" conv "_padding", op_get_padding),            \
        QROW("quantized::" conv "_output_padding", op_get_output_padding), QROW("quantized::" conv "_dilation", op_get_dilation), \
        QROW("quantized::" conv "_groups", op_get_groups), QROW("quantized::" conv "_transpose", op_get_transpose)
const OpBinding OPS_QUANT_LINEAR[] = {
    BOTH("linear", op_linear), QROW("quantized::linear_relu", op_linear_relu), BOTH("linear_dynamic", op_linear_dynamic),
    QROW("quantized::linear_relu_dynamic", op_linear_relu_dynamic), QROW("quantized::linear_dynamic_fp16", op_linear_fp16),
    QROW("quantized::linear_relu_dynamic_fp16", op_linear_relu_fp16), QROW("quantized::linear_leaky_relu", op_linear_leaky_relu),
    QROW("quantized::linear_tanh", op_linear_tanh), QROW("quantized::linear_with_input_q_dq_qweight_dq_output_fp32", op_linear_in_numbers),
    QROW("quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32", op_linear_relu_in_numbers), BOTH("linear_prepack_legacy", op_outdated),
    BOTH("linear_prepack_fp16_legacy", op_outdated), QROW("quantized::linear_unpack.legacy", op_outdated),
    QROW("quantized::linear_unpack_fp16.legacy", op_outdated), QROW("quantized::conv2d_unpack_sizes", op_unpack_sizes), QROW("quantized::conv2d_add", op_conv_add), QROW("quantized::conv2d_add_relu", op_conv_add_relu),
    QROW("quantized::linear_dynamic_fp16_unpacked_weight", op_linear_fp16_unpacked), BOTH("linear_prepack", op_linear_prepack),
    BOTH("linear_prepack_fp16", op_linear_prepack_fp16), QROW("quantized::linear_unpack", op_unpack), QROW("quantized::linear_unpack_fp16", op_unpack),
    QROW("quantized::conv1d", op_conv1d), QROW("quantized::conv1d_relu", op_conv1d_relu), QROW("quantized::conv2d.new", op_conv),
    QROW("quantized::conv2d_relu.new", op_conv_relu), QROW("quantized::conv3d.new", op_conv), QROW("quantized::conv3d_relu.new", op_conv_relu),
    QROW("quantized::conv2d", op_conv_old), QROW("quantized::conv2d_relu", op_conv_relu_old), QROW("quantized::conv3d", op_conv_old),
    QROW("quantized::conv3d_relu", op_conv_relu_old), QROW("_quantized::conv2d", op_conv), QROW("_quantized::conv2d_relu", op_conv_relu),
    QROW("_quantized::conv3d", op_conv), QROW("_quantized::conv3d_relu", op_conv_relu), BOTH("conv_transpose1d", op_conv1d),
    BOTH("conv_transpose2d", op_conv), QROW("quantized::conv_transpose3d", op_conv), QROW("quantized::conv1d_dynamic", op_conv1d_dynamic),
    QROW("quantized::conv2d_dynamic", op_conv_dynamic), QROW("quantized::conv3d_dynamic", op_conv_dynamic),
    QROW("quantized::conv_transpose1d_dynamic", op_conv1d_dynamic), QROW("quantized::conv_transpose2d_dynamic", op_conv_dynamic),
    QROW("quantized::conv_transpose3d_dynamic", op_conv_dynamic), QROW("quantized::conv1d_prepack", op_conv1d_prepack),
    BOTH("conv2d_prepack", op_conv_prepack), BOTH("conv3d_prepack", op_conv_prepack), QROW("quantized::conv_prepack", op_conv_prepack),
    BOTH("conv_transpose1d_prepack", op_conv1d_transpose_prepack), BOTH("conv_transpose2d_prepack", op_conv_transpose_prepack),
    BOTH("conv_transpose3d_prepack", op_conv_transpose_prepack), QROW("quantized::conv1d_unpack", op_unpack_1d),
    QROW("quantized::conv2d_unpack", op_unpack), QROW("quantized::conv3d_unpack", op_unpack), QROW("quantized::conv_unpack", op_unpack),
    QROW("quantized::conv_transpose1d_unpack", op_unpack_1d), QROW("quantized::conv_transpose2d_unpack", op_unpack),
    QROW("quantized::conv_transpose3d_unpack", op_unpack), QUERIES("conv2d"), QUERIES("conv3d"), QUERIES("conv_transpose2d"),
    QUERIES("conv_transpose3d"), {"torch.classes::method", op_method, OP_QUANTISED | OP_PRIVATE_LAYOUT, NULL, NULL},
    {0},
};
