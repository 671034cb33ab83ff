// Making quantised tensors and looking into them: quantize_*, dequantize, q_scale and its like, fake_quantize, and the
// choice of scale and zero point.
#include "worker/ops_quant.h"

#include "kernels/isa.h"
#include "kernels/quant.h"

#include <math.h>
#include <stdlib.h>

static Status check_quant_dtype(IValue v, DType *out)
{
    *out = (DType)arg_int(v);
    if (*out != DT_QI8 && *out != DT_QU8 && *out != DT_QI32 && *out != DT_QU4X2)
        return op_raise("ScalarType %s is not supported in make_per_tensor_affine_quantizer", dtype_torch_name(*out));
    return ST_OK;
}

static Status check_float(const Tensor *t, const char *name)
{
    return dtype_is_floating(tensor_dtype(t)) ? ST_OK : op_raise("%s only works on Float Tensor, got %s", name, dtype_torch_name(tensor_dtype(t)));
}

// ---- quantize_per_tensor

static Status quantise(Lane *lane, Tensor *x, double scale, int64_t zero_point, DType dtype, Tensor **out)
{
    TRY(check_float(x, "Quantize"));
    if (dtype == DT_QU4X2)
        return op_raise("quint4x2 is made by quantize_per_channel only");
    if (zero_point < quant_min(dtype) || zero_point > quant_max(dtype))
        return op_raise("quantize_tensor_per_tensor_affine zero_point %lld is %s bound.", (long long)zero_point,
                        zero_point < quant_min(dtype) ? "below lower" : "above upper");
    Quant *q;
    TRY(quant_new(scale, zero_point, &q));
    Status status = tensor_quantise(lane, x, dtype, q, out);
    quant_release(q);
    return status;
}

OP_FN(op_quantize_per_tensor) // self, scale, zero_point, dtype
{
    DType dtype;
    Tensor *t;
    TRY(check_quant_dtype(args[3], &dtype));
    TRY(quantise(lane, args[0].as.tensor, arg_double(args[1]), arg_int(args[2]), dtype, &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_quantize_tensor_qparams) // self, scale: Tensor, zero_point: Tensor, dtype
{
    double scale, zero_point;
    TRY(tensor_double(lane, args[1].as.tensor, &scale));
    TRY(tensor_double(lane, args[2].as.tensor, &zero_point));
    IValue changed[4] = {args[0], value_float(scale), value_int((int64_t)zero_point), args[3]};
    return op_quantize_per_tensor(lane, site, changed, rets);
}

OP_FN(op_quantize_list) // tensors, scales, zero_points, dtype
{
    Tensor **t;
    int n;
    TRY(arg_tensors(args[0], &t, &n));
    Tensor *scales = args[1].as.tensor, *zero_points = args[2].as.tensor, *s = NULL, *z = NULL, **made = calloc((size_t)n + 1, sizeof *made);
    DType dtype;
    Status status = made ? check_quant_dtype(args[3], &dtype) : status_no_memory((size_t)n * sizeof *made);
    if (status == ST_OK && (tensor_numel(scales) < n || tensor_numel(zero_points) < n))
        status = op_raise("quantize_per_tensor: a scale and a zero point are needed for each of %d tensors", n);
    if (status == ST_OK)
        status = tensor_to_dtype(lane, scales, DT_F64, &s);
    if (status == ST_OK)
        status = tensor_to_dtype(lane, zero_points, DT_I64, &z);
    int count = 0;
    for (; count < n && status == ST_OK; count++) {
        status = quantise(lane, t[count], ((double *)s->view.data)[count * (s->view.ndim ? s->view.stride[0] : 0)],
                          ((int64_t *)z->view.data)[count * (z->view.ndim ? z->view.stride[0] : 0)], dtype, &made[count]);
        if (status != ST_OK)
            break;
    }
    if (s)
        tensor_release(s);
    if (z)
        tensor_release(z);
    free(t);
    if (status == ST_OK)
        status = list_of_tensors_take(lane, made, n, &rets[0]);
    else
        for (int i = 0; i < count; i++)
            tensor_release(made[i]);
    free(made);
    return status;
}

// ---- the choice of scale and zero point

static Status choose(Lane *lane, Tensor *x, int32_t qmin, int32_t qmax, bool sparsity, bool reduce, double *scale, int32_t *zero_point)
{
    TRY(check_float(x, "choose_qparams"));
    Tensor *row;
    TRY(tensor_contiguous_as(lane, x, DT_F32, &row));
    float lo = 0, hi = 0;
    if (tensor_numel(row))
        min_max_row(row->view.data, tensor_numel(row), &lo, &hi);
    tensor_release(row);
    choose_quant(lo, hi, qmin, qmax, sparsity, reduce, scale, zero_point);
    return ST_OK;
}

OP_FN(op_quantize_dynamic) // self, dtype, reduce_range
{
    DType dtype;
    double scale;
    int32_t zero_point;
    TRY(check_quant_dtype(args[1], &dtype));
    if (dtype != DT_QI8 && dtype != DT_QU8)
        return op_raise("dtype %s not supported", dtype_torch_name(dtype));
    TRY(choose(lane, args[0].as.tensor, (int32_t)quant_min(dtype), (int32_t)quant_max(dtype), false, args[2].as.b, &scale, &zero_point));
    IValue changed[4] = {args[0], value_float(scale), value_int(zero_point), args[1]};
    return op_quantize_per_tensor(lane, site, changed, rets);
}

OP_FN(op_choose_qparams) // self, reduce_range
{
    double scale;
    int32_t zero_point;
    TRY(choose(lane, args[0].as.tensor, 0, 255, false, args[1].as.b, &scale, &zero_point));
    rets[0] = value_float(scale);
    rets[1] = value_int(zero_point);
    return ST_OK;
}

// ---- quantize_per_channel

OP_FN(op_quantize_per_channel) // self, scales, zero_points, axis, dtype
{
    Tensor *x = args[0].as.tensor, *t;
    DType dtype;
    int axis;
    TRY(check_quant_dtype(args[4], &dtype));
    TRY(check_float(x, "Quantize"));
    TRY(wrap_dim(arg_int(args[3]), x->view.ndim, &axis));
    if (x->view.ndim == 0 || tensor_numel(args[1].as.tensor) != x->view.size[axis])
        return op_raise("length of scales must equal to the number of channels");
    uint8_t scheme = dtype_is_floating(tensor_dtype(args[2].as.tensor)) ? QUANT_PER_CHANNEL_FLOAT : QUANT_PER_CHANNEL;
    Quant *q;
    TRY(quant_new_channels(lane, scheme, args[1].as.tensor, args[2].as.tensor, axis, &q));
    Status status = tensor_quantise(lane, x, dtype, q, &t);
    quant_release(q);
    TRY(status);
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- from integers

static Status quantised_from(IValue v, DType *out)
{
    DType t = tensor_dtype(v.as.tensor);
    *out = t == DT_U8 ? DT_QU8 : t == DT_I8 ? DT_QI8 : t == DT_I32 ? DT_QI32 : DT_INVALID;
    return *out == DT_INVALID ? op_raise("_make_quantized_tensor: integers of dtype %s stand for nothing", dtype_torch_name(t)) : ST_OK;
}

static Status make(Lane *lane, Tensor *integers, DType dtype, Quant *q_taken, IValue *ret)
{
    Tensor *copy, *t;
    Status status = tensor_copy_as(lane, integers, tensor_dtype(integers), FORMAT_PRESERVE, &copy);
    if (status == ST_OK) {
        status = tensor_quant_view(lane, copy, dtype, q_taken, &t);
        tensor_release(copy);
    }
    quant_release(q_taken);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_make_per_tensor) // self, scale, zero_point
{
    DType dtype;
    Quant *q;
    TRY(quantised_from(args[0], &dtype));
    TRY(quant_new(arg_double(args[1]), arg_int(args[2]), &q));
    return make(lane, args[0].as.tensor, dtype, q, &rets[0]);
}

OP_FN(op_make_per_channel) // self, scale, zero_point, axis
{
    DType dtype;
    Quant *q;
    int axis;
    TRY(quantised_from(args[0], &dtype));
    TRY(wrap_dim(arg_int(args[3]), args[0].as.tensor->view.ndim, &axis));
    if (args[0].as.tensor->view.ndim == 0 || tensor_numel(args[1].as.tensor) != args[0].as.tensor->view.size[axis])
        return op_raise("length of scales must equal to the number of channels");
    TRY(quant_new_channels(lane, QUANT_PER_CHANNEL, args[1].as.tensor, args[2].as.tensor, axis, &q));
    return make(lane, args[0].as.tensor, dtype, q, &rets[0]);
}

OP_FN(op_empty_quantized) // size, dtype, layout, device, pin_memory, scale, zero_point, memory_format
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n;
    DType dtype;
    Tensor *t;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    TRY(check_quant_dtype(args[1], &dtype));
    if (dtype == DT_QU4X2)
        return quant_refuse(site);
    TRY(format_strides(arg_int_or(args[7], FORMAT_CONTIGUOUS), n, size, stride));
    TRY(qtensor_new(lane, dtype, n, size, stride, arg_double(args[5]), arg_int(args[6]), &t));
    if (view_is_dense(&t->view)) // its content is not specified: the same in every run
        memset(t->view.data, 0, (size_t)tensor_numel(t) * dtype_size(dtype));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- looking into one

static Status quantised_arg(IValue v, const char *name, const Quant **out)
{
    *out = v.as.tensor->quant;
    return *out ? ST_OK : op_raise("Could not run '%s' with arguments from the 'CPU' backend.", name);
}

OP_FN(op_dequantize)
{
    Tensor *t;
    TRY(tensor_dequantise(lane, args[0].as.tensor, &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_dequantize_list)
{
    Tensor **t, **made;
    int n, count = 0;
    TRY(arg_tensors(args[0], &t, &n));
    Status status = (made = calloc((size_t)n + 1, sizeof *made)) ? ST_OK : status_no_memory((size_t)n * sizeof *made);
    while (count < n && status == ST_OK) {
        status = tensor_dequantise(lane, t[count], &made[count]);
        count += status == ST_OK;
    }
    if (status == ST_OK)
        status = list_of_tensors_take(lane, made, n, &rets[0]);
    else
        for (int i = 0; i < count; i++)
            tensor_release(made[i]);
    free(made);
    free(t);
    return status;
}

// A tensor, or a tuple or list of what dequantize takes.
static Status dequantise_any(void *lane, IValue v, IValue *out)
{
    if (v.tag == TAG_TENSOR) {
        Tensor *t;
        TRY(tensor_dequantise(lane, v.as.tensor, &t));
        *out = value_tensor_take(t);
        return ST_OK;
    }
    if (v.tag == TAG_TUPLE) {
        TupleObj *t = tuple_new(v.as.tuple->len, v.as.tuple->type);
        if (!t)
            return ST_MEMORY;
        for (uint32_t i = 0; i < t->len; i++) {
            Status status = dequantise_any(lane, v.as.tuple->items[i], &t->items[i]);
            if (status != ST_OK) {
                t->items[i] = value_none();
                value_release(value_tuple_take(t));
                return status;
            }
        }
        *out = value_tuple_take(t);
        return ST_OK;
    }
    if (v.tag == TAG_LIST)
        return list_changed(v.as.list, dequantise_any, lane, out);
    *out = value_retain(v);
    return ST_OK;
}
OP_FN(op_dequantize_any) { return dequantise_any(lane, args[0], &rets[0]); }

static Status per_tensor_arg(IValue v, const char *name, const Quant **q)
{
    TRY(quantised_arg(v, name, q));
    return quant_is_per_tensor(*q) ? ST_OK : op_raise("Expected quantizer->qscheme() == kPerTensorAffine to be true, but got false.");
}

static Status per_channel_arg(IValue v, const char *name, const Quant **q)
{
    TRY(quantised_arg(v, name, q));
    return (*q)->scales ? ST_OK : op_raise("Expected quantizer->qscheme() == kPerChannelAffine to be true, but got false.");
}

OP_FN(op_q_scale)
{
    const Quant *q;
    TRY(per_tensor_arg(args[0], "aten::q_scale", &q));
    rets[0] = value_float(q->scale);
    return ST_OK;
}

OP_FN(op_q_zero_point)
{
    const Quant *q;
    TRY(per_tensor_arg(args[0], "aten::q_zero_point", &q));
    rets[0] = value_int(q->zero_point);
    return ST_OK;
}

OP_FN(op_q_scales)
{
    const Quant *q;
    TRY(per_channel_arg(args[0], "aten::q_per_channel_scales", &q));
    rets[0] = value_tensor_take(tensor_retain(q->scales));
    return ST_OK;
}

OP_FN(op_q_zero_points)
{
    const Quant *q;
    TRY(per_channel_arg(args[0], "aten::q_per_channel_zero_points", &q));
    rets[0] = value_tensor_take(tensor_retain(q->zero_points));
    return ST_OK;
}

OP_FN(op_q_axis)
{
    const Quant *q;
    TRY(per_channel_arg(args[0], "aten::q_per_channel_axis", &q));
    rets[0] = value_int(q->axis);
    return ST_OK;
}

OP_FN(op_qscheme)
{
    const Quant *q;
    TRY(quantised_arg(args[0], "aten::qscheme", &q));
    rets[0] = value_int(q->scheme);
    return ST_OK;
}

OP_FN(op_int_repr)
{
    const Quant *q;
    Tensor *view, *t;
    TRY(quantised_arg(args[0], "aten::int_repr", &q));
    TRY(tensor_int_view(lane, args[0].as.tensor, &view));
    Status status = tensor_copy_as(lane, view, tensor_dtype(view), FORMAT_PRESERVE, &t);
    tensor_release(view);
    TRY(status);
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- fake_quantize: numbers rounded to what integers could hold

// x of any strides, in the order of its elements in `out` (dense, like x).
ISA_INLINE void fake_row_body(const float *x, float *y, bool *mask, int64_t n, float scale, double zero_point, double qmin, double qmax)
{
    float inverse = 1.0f / scale;
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        double q = zero_point + nearbyint((double)(x[i] * inverse));
        mask[i] = (q >= qmin) & (q <= qmax);
        q = q > qmin ? q : qmin;
        q = q < qmax ? q : qmax;
        y[i] = (float)(q - zero_point) * scale;
    }
}
ISA_VARIANTS(fake_row, (const float *x, float *y, bool *mask, int64_t n, float scale, double zero_point, double qmin, double qmax),
             (x, y, mask, n, scale, zero_point, qmin, qmax))

// axis < 0: one scale. With `rets[1]` wanted: the mask of values that were not clamped.
static Status fake(Lane *lane, Site *site, Tensor *x, Tensor *scales, Tensor *zero_points, double scale, int64_t zero_point, int axis, int64_t qmin, int64_t qmax, IValue *rets)
{
    if (qmin > qmax)
        return op_raise("`quant_min` should be less than or equal to `quant_max`.");
    if (!dtype_is_floating(tensor_dtype(x)))
        return op_raise("fake_quantize: a floating point tensor was expected, got %s", dtype_torch_name(tensor_dtype(x)));
    Tensor *row = NULL, *y = NULL, *mask = NULL, *s = NULL, *z = NULL;
    Status status = tensor_contiguous_as(lane, x, DT_F32, &row);
    if (status == ST_OK)
        status = tensor_new(lane, DT_F32, x->view.ndim, x->view.size, &y);
    if (status == ST_OK)
        status = tensor_new(lane, DT_BOOL, x->view.ndim, x->view.size, &mask);
    if (status == ST_OK && axis >= 0) {
        status = tensor_to_dtype(lane, scales, DT_F32, &s);
        if (status == ST_OK)
            status = tensor_to_dtype(lane, zero_points, DT_F32, &z);
        if (status == ST_OK && (s->view.ndim != 1 || z->view.ndim != 1 || s->view.size[0] != x->view.size[axis] || z->view.size[0] != x->view.size[axis]))
            status = op_raise("dimensions of scale and zero-point are not consistent with input tensor");
    }
    if (status == ST_OK) {
        int64_t n = tensor_numel(x), inner = n, channels = 1;
        if (axis >= 0) {
            inner = 1;
            for (int d = axis + 1; d < x->view.ndim; d++)
                inner *= x->view.size[d];
            channels = x->view.size[axis];
        }
        for (int64_t at = 0, c = 0; at < n; at += inner, c = c + 1 == channels ? 0 : c + 1) {
            float this_scale = axis >= 0 ? ((float *)s->view.data)[c * s->view.stride[0]] : (float)scale;
            int64_t zero = axis >= 0 ? (int64_t)((float *)z->view.data)[c * z->view.stride[0]] : zero_point;
            fake_row((float *)row->view.data + at, (float *)y->view.data + at, (bool *)mask->view.data + at, inner, this_scale, (double)zero, (double)qmin, (double)qmax);
        }
    }
    if (status == ST_OK && tensor_dtype(x) != DT_F32) {
        Tensor *back;
        status = tensor_to_dtype(lane, y, tensor_dtype(x), &back);
        if (status == ST_OK) {
            tensor_release(y);
            y = back;
        }
    }
    if (status == ST_OK) {
        rets[0] = value_tensor_take(tensor_retain(y));
        if (site->ret_count > 1)
            rets[1] = value_tensor_take(tensor_retain(mask));
    }
    Tensor *all[] = {row, y, mask, s, z};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            tensor_release(all[i]);
    return status;
}

OP_FN(op_fake_per_tensor) // self, scale, zero_point, quant_min, quant_max
{
    return fake(lane, site, args[0].as.tensor, NULL, NULL, arg_double(args[1]), arg_int(args[2]), -1, arg_int(args[3]), arg_int(args[4]), rets);
}

OP_FN(op_fake_tensor_qparams) // self, scale: Tensor, zero_point: Tensor, quant_min, quant_max
{
    double scale, zero_point;
    TRY(tensor_double(lane, args[1].as.tensor, &scale));
    TRY(tensor_double(lane, args[2].as.tensor, &zero_point));
    return fake(lane, site, args[0].as.tensor, NULL, NULL, scale, (int64_t)zero_point, -1, arg_int(args[3]), arg_int(args[4]), rets);
}

OP_FN(op_fake_cachemask_qparams) // self, scale, zero_point, fake_quant_enabled, quant_min, quant_max
{
    double scale, zero_point, enabled;
    TRY(tensor_double(lane, args[1].as.tensor, &scale));
    TRY(tensor_double(lane, args[2].as.tensor, &zero_point));
    TRY(tensor_double(lane, args[3].as.tensor, &enabled));
    Tensor *x = args[0].as.tensor, *mask, *copy;
    if (enabled != 0)
        return fake(lane, site, x, NULL, NULL, scale, (int64_t)zero_point, -1, arg_int(args[4]), arg_int(args[5]), rets);
    TRY(tensor_copy_as(lane, x, tensor_dtype(x), FORMAT_PRESERVE, &copy));
    Status status = tensor_new_like(lane, x, DT_BOOL, FORMAT_CONTIGUOUS, &mask);
    if (status != ST_OK) {
        tensor_release(copy);
        return status;
    }
    memset(mask->view.data, 1, (size_t)tensor_numel(mask));
    rets[0] = value_tensor_take(copy);
    rets[1] = value_tensor_take(mask);
    return ST_OK;
}

OP_FN(op_fake_per_channel) // self, scale, zero_point, axis, quant_min, quant_max
{
    int axis;
    Tensor *x = args[0].as.tensor;
    TRY(wrap_dim(arg_int(args[3]), x->view.ndim, &axis));
    if (x->view.ndim == 0)
        return op_raise("`axis` must be between 0 and number of dimensions of input");
    return fake(lane, site, x, args[1].as.tensor, args[2].as.tensor, 0, 0, axis, arg_int(args[4]), arg_int(args[5]), rets);
}

const OpBinding OPS_QUANT[] = {
    QROW("aten::quantize_per_tensor", op_quantize_per_tensor), QROW("aten::quantize_per_tensor.tensor_qparams", op_quantize_tensor_qparams),
    QROW("aten::quantize_per_tensor.tensors", op_quantize_list), QROW("aten::quantize_per_tensor_dynamic", op_quantize_dynamic),
    QROW("aten::quantize_per_channel", op_quantize_per_channel), QROW("aten::_choose_qparams_per_tensor", op_choose_qparams),
    QROW("aten::_make_per_tensor_quantized_tensor", op_make_per_tensor), QROW("aten::_make_per_channel_quantized_tensor", op_make_per_channel),
    QROW("aten::_empty_affine_quantized", op_empty_quantized), QROW("aten::dequantize.self", op_dequantize),
    QROW("aten::dequantize.tensor", op_dequantize), QROW("aten::dequantize.tensors", op_dequantize_list),
    QROW("aten::dequantize.list", op_dequantize_list), QROW("aten::dequantize.any", op_dequantize_any), QROW("aten::q_scale", op_q_scale),
    QROW("aten::q_zero_point", op_q_zero_point), QROW("aten::q_per_channel_scales", op_q_scales),
    QROW("aten::q_per_channel_zero_points", op_q_zero_points), QROW("aten::q_per_channel_axis", op_q_axis), QROW("aten::qscheme", op_qscheme),
    QROW("aten::int_repr", op_int_repr), QROW("aten::fake_quantize_per_tensor_affine", op_fake_per_tensor),
    QROW("aten::fake_quantize_per_tensor_affine.tensor_qparams", op_fake_tensor_qparams),
    QROW("aten::fake_quantize_per_tensor_affine_cachemask", op_fake_per_tensor),
    QROW("aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", op_fake_cachemask_qparams),
    QROW("aten::fake_quantize_per_channel_affine", op_fake_per_channel),
    QROW("aten::fake_quantize_per_channel_affine_cachemask", op_fake_per_channel),
    QROW("aten::_fake_quantize_learnable_per_tensor_affine", op_fake_tensor_qparams),
    QROW("aten::_fake_quantize_learnable_per_channel_affine", op_fake_per_channel),
    {0},
};
