// Operator bindings: new tensors: constant contents, ranges, tensors from numbers and lists, identity, indices.
// Device arguments are not looked at, but for "meta": a job runs on one device.
#include "worker/op_util.h"

#include "kernels/copy.h"

#include <math.h>
#include <stdlib.h>

// The dtype torch.full and torch.tensor choose for a number.
static DType dtype_of_number(IValue v)
{
    return v.tag == TAG_BOOL ? DT_BOOL : v.tag == TAG_INT ? DT_I64 : v.tag == TAG_COMPLEX ? DT_C64 : DT_F32;
}

static Status ret_filled(Tensor *t, const IValue *value, IValue *ret)
{
    Status status = value ? tensor_fill(t, *value) : ST_OK;
    if (status != ST_OK) {
        tensor_release(t);
        return status;
    }
    *ret = value_tensor_take(t);
    return ST_OK;
}

// A tensor of these sizes, filled unless `value` is NULL.
static Status ret_new(Lane *lane, IValue size_arg, DType dtype, IValue device, IValue format, const IValue *value, IValue *ret)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n;
    Tensor *t;
    TRY(check_dtype(dtype));
    if (device.tag == TAG_DEVICE && device.as.device.kind == DEVICE_META)
        return op_raise("tensors on the device \"meta\" are not supported");
    TRY(arg_ints(size_arg, size, VIEW_MAX_DIMS, &n));
    int64_t order = arg_int_or(format, FORMAT_CONTIGUOUS);
    if (order == FORMAT_CONTIGUOUS || order == FORMAT_PRESERVE) {
        TRY(tensor_new(lane, dtype, n, size, &t));
    } else {
        TRY(format_strides(order, n, size, stride));
        TRY(tensor_new_strided(lane, dtype, n, size, stride, &t));
    }
    return ret_filled(t, value, ret);
}

// What operators of a kind fill with: 0, 1, or nothing (`data` NULL).
static const IValue FILL_0 = {.tag = TAG_INT, .as.i = 0}, FILL_1 = {.tag = TAG_INT, .as.i = 1};

OP_FN(op_new) // zeros, ones: size, dtype, layout, device, pin_memory
{
    return ret_new(lane, args[0], arg_dtype_or(args[1], DT_F32), args[3], value_none(), site->op->data, rets);
}

OP_FN(op_empty) // the same and memory_format
{
    return ret_new(lane, args[0], arg_dtype_or(args[1], DT_F32), args[3], args[5], NULL, rets);
}

OP_FN(op_full) // size, fill_value, dtype, layout, device, pin_memory
{
    return ret_new(lane, args[0], arg_dtype_or(args[2], dtype_of_number(args[1])), args[4], value_none(), &args[1], rets);
}

OP_FN(op_new_of) // new_zeros, new_ones, new_empty: self, size, dtype, layout, device, pin_memory
{
    return ret_new(lane, args[1], arg_dtype_or(args[2], tensor_dtype(args[0].as.tensor)), args[4], value_none(), site->op->data, rets);
}

OP_FN(op_new_full) // self, size, fill_value, dtype, layout, device, pin_memory
{
    return ret_new(lane, args[1], arg_dtype_or(args[3], tensor_dtype(args[0].as.tensor)), args[5], value_none(), &args[2], rets);
}

static Status ret_like(Lane *lane, Tensor *like, DType dtype, IValue format, const IValue *value, IValue *ret)
{
    Tensor *t;
    TRY(check_dtype(dtype));
    TRY(tensor_new_like(lane, like, dtype, arg_int_or(format, FORMAT_PRESERVE), &t));
    return ret_filled(t, value, ret);
}

OP_FN(op_like) // zeros_like, ones_like, empty_like: self, dtype, layout, device, pin_memory, memory_format
{
    Tensor *t = args[0].as.tensor;
    return ret_like(lane, t, arg_dtype_or(args[1], tensor_dtype(t)), args[5], site->op->data, rets);
}

OP_FN(op_full_like) // self, fill_value, dtype, layout, device, pin_memory, memory_format
{
    Tensor *t = args[0].as.tensor;
    return ret_like(lane, t, arg_dtype_or(args[2], tensor_dtype(t)), args[6], &args[1], rets);
}

// Sizes and strides both given: the elements must not lie at negative places, and the product must be addressable.
static Status ret_strided(Lane *lane, IValue size_arg, IValue stride_arg, DType dtype, IValue *ret)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS], last = 0;
    int n, ns;
    size_t bytes;
    TRY(check_dtype(dtype));
    TRY(arg_ints(size_arg, size, VIEW_MAX_DIMS, &n));
    TRY(arg_ints(stride_arg, stride, VIEW_MAX_DIMS, &ns));
    if (n != ns)
        return op_raise("dimensionality of sizes (%d) must match dimensionality of strides (%d)", n, ns);
    TRY(tensor_bytes(dtype, n, size, &bytes));
    for (int d = 0; d < n && bytes; d++) {
        int64_t span;
        if (stride[d] < 0 || __builtin_mul_overflow(size[d] - 1, stride[d], &span) || __builtin_add_overflow(last, span, &last) || last > (int64_t)1 << 40)
            return op_raise("Storage size calculation overflowed with sizes=%s and strides=%s", size_text(size, n).text, size_text(stride, n).text);
    }
    Tensor *t;
    TRY(tensor_new_strided(lane, dtype, n, size, stride, &t));
    *ret = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_empty_strided) // size, stride, dtype, …
{
    return ret_strided(lane, args[0], args[1], arg_dtype_or(args[2], DT_F32), rets);
}

OP_FN(op_new_empty_strided) // self, size, stride, dtype, …
{
    return ret_strided(lane, args[1], args[2], arg_dtype_or(args[3], tensor_dtype(args[0].as.tensor)), rets);
}

OP_FN(op_empty_permuted) // size, physical_layout, dtype, …: the dimensions from the outermost in memory to the innermost
{
    int64_t size[VIEW_MAX_DIMS], order[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS], step = 1;
    int n, m;
    uint32_t seen = 0;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    TRY(arg_ints(args[1], order, VIEW_MAX_DIMS, &m));
    for (int i = m - 1; i >= 0 && n == m; i--) {
        if (order[i] < 0 || order[i] >= n || seen & 1u << order[i])
            return op_raise("Duplicate or out of range dim in physical_layout %s", size_text(order, m).text);
        seen |= 1u << order[i];
        stride[order[i]] = step;
        step = next_stride(step, size[order[i]]);
    }
    if (n != m)
        return op_raise("Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = %d is not equal to len(physical_layout) = %d", n, m);
    Tensor *t;
    DType dtype = arg_dtype_or(args[2], DT_F32);
    TRY(check_dtype(dtype));
    TRY(tensor_new_strided(lane, dtype, n, size, stride, &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_eye) // n, [m,] dtype, layout, device, pin_memory
{
    bool square = site->arg_count == 5;
    int64_t size[2] = {args[0].as.i, square ? args[0].as.i : args[1].as.i};
    DType dtype = arg_dtype_or(args[square ? 1 : 2], DT_F32);
    TRY(check_dtype(dtype));
    if (size[0] < 0)
        return op_raise("n must be greater or equal to 0, got %lld", (long long)size[0]);
    if (size[1] < 0)
        return op_raise("m must be greater or equal to 0, got %lld", (long long)size[1]);
    Tensor *t;
    TRY(tensor_new(lane, dtype, 2, size, &t));
    memset(t->view.data, 0, t->storage->size);
    Tensor diagonal = {.view = t->view};
    diagonal.view.ndim = 1;
    diagonal.view.size[0] = size[0] < size[1] ? size[0] : size[1];
    diagonal.view.stride[0] = size[1] + 1;
    TRY(tensor_fill(&diagonal, FILL_1));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- Tensors from numbers and lists -------------------------------------------------------------------------------------

OP_FN(op_num_to_tensor)
{
    Tensor *t;
    DType dtype = args[0].tag == TAG_FLOAT ? DT_F64 : args[0].tag == TAG_COMPLEX ? DT_C128 : args[0].tag == TAG_BOOL ? DT_BOOL : DT_I64;
    TRY(tensor_new(lane, dtype, 0, NULL, &t));
    return ret_filled(t, &args[0], rets);
}

OP_FN(op_scalar_tensor) // s, dtype, …
{
    Tensor *t;
    DType dtype = arg_dtype_or(args[1], DT_F32);
    TRY(check_dtype(dtype));
    TRY(tensor_new(lane, dtype, 0, NULL, &t));
    return ret_filled(t, &args[0], rets);
}

OP_FN(op_tensor_of_number) // t, dtype, device[, requires_grad]
{
    Tensor *t;
    DType dtype = arg_dtype_or(args[1], dtype_of_number(args[0]));
    TRY(check_dtype(dtype));
    TRY(tensor_new(lane, dtype, 0, NULL, &t));
    t->requires_grad = site->arg_count > 3 && args[3].as.b;
    return ret_filled(t, &args[0], rets);
}

static DType dtype_of_leaf(const Type *t)
{
    while (t && t->kind == TYPE_LIST)
        t = t->elem[0];
    switch (t ? t->kind : TYPE_FLOAT) {
    case TYPE_INT: return DT_I64;
    case TYPE_BOOL: return DT_BOOL;
    case TYPE_COMPLEX: return DT_C64;
    default: return DT_F32;
    }
}

// Writes the numbers of nested lists in order; every list at one depth must have the same length.
static Status flatten_list(IValue v, const int64_t *size, int depth, int ndim, DType wide, void *out, int64_t *at)
{
    if (depth == ndim) {
        if (wide == DT_I64)
            ((int64_t *)out)[*at] = v.tag == TAG_FLOAT ? (int64_t)v.as.f : arg_int(v);
        else if (wide == DT_F64)
            ((double *)out)[*at] = arg_double(v);
        else {
            ((double *)out)[2 * *at] = v.tag == TAG_COMPLEX ? v.as.complex->re : arg_double(v);
            ((double *)out)[2 * *at + 1] = v.tag == TAG_COMPLEX ? v.as.complex->im : 0;
        }
        ++*at;
        return ST_OK;
    }
    const ListObj *l = v.as.list;
    if (l->len != size[depth])
        return op_raise("Expected sequence of length %lld at dim %d (got %u)", (long long)size[depth], depth, l->len);
    for (uint32_t i = 0; i < l->len; i++)
        TRY(flatten_list(l->items[i], size, depth + 1, ndim, wide, out, at));
    return ST_OK;
}

static bool has_float(IValue v, int depth)
{
    for (uint32_t i = 0; v.tag == TAG_LIST && depth < VIEW_MAX_DIMS && i < v.as.list->len; i++)
        if (has_float(v.as.list->items[i], depth + 1))
            return true;
    return v.tag == TAG_FLOAT;
}

OP_FN(op_tensor_of_list) // data, dtype, device[, requires_grad]
{
    int64_t size[VIEW_MAX_DIMS], at = 0;
    int n = 0;
    IValue v = args[0];
    const Type *elem = NULL;
    for (; v.tag == TAG_LIST && n < VIEW_MAX_DIMS; n++) {
        size[n] = v.as.list->len;
        elem = v.as.list->elem;
        if (size[n] == 0) { // whatever would be inside
            v = value_none();
            n++;
            break;
        }
        v = v.as.list->items[0];
    }
    if (v.tag == TAG_LIST)
        return op_raise("torch.tensor: too many nested lists (limit %d)", VIEW_MAX_DIMS);
    if (v.tag == TAG_TENSOR)
        return op_raise("Input must be of ints, floats, or bools, got Tensor");
    if (v.tag == TAG_NONE && elem && elem->kind == TYPE_TENSOR)
        return op_raise("Input must be of ints, floats, or bools, got Tensor\nEmpty lists default to List[Tensor]. Add a variable annotation to the "
                        "assignment to create an empty list of another type (torch.jit.annotate(List[T, []]) where T is the type of elements in "
                        "the list for Python 2)");
    DType natural = v.tag == TAG_NONE ? dtype_of_leaf(elem) : dtype_of_number(v);
    if (v.tag != TAG_NONE && elem && elem->kind != TYPE_INT && elem->kind != TYPE_FLOAT && elem->kind != TYPE_BOOL && has_float(args[0], 0))
        natural = natural == DT_C64 ? DT_C64 : DT_F32; // numbers of several types
    DType dtype = arg_dtype_or(args[1], natural);
    TRY(check_dtype(dtype));
    Tensor *numbers, *t;
    DType wide = natural == DT_C64 ? DT_C128 : natural == DT_F32 ? DT_F64 : DT_I64;
    TRY(tensor_new(lane, wide, n, size, &numbers));
    Status status = flatten_list(args[0], size, 0, n, wide, numbers->view.data, &at);
    if (status == ST_OK)
        status = tensor_to_dtype(lane, numbers, dtype, &t);
    tensor_release(numbers);
    TRY(status);
    t->requires_grad = site->arg_count > 3 && args[3].as.b;
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_as_tensor) // data, dtype, device
{
    Tensor *t = args[0].as.tensor;
    DType dtype = arg_dtype_or(args[1], tensor_dtype(t));
    if (dtype == tensor_dtype(t)) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    TRY(check_dtype(dtype));
    Tensor *made;
    TRY(tensor_copy_as(lane, t, dtype, FORMAT_PRESERVE, &made));
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

OP_FN(op_list_to_tensor)
{
    const ListObj *l = args[0].as.list;
    Tensor *t;
    TRY(tensor_new(lane, DT_I64, 1, &(int64_t){l->len}, &t));
    for (uint32_t i = 0; i < l->len; i++)
        ((int64_t *)t->view.data)[i] = arg_int(l->items[i]);
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

OP_FN(op_tensor_to_list)
{
    Tensor *t;
    TRY(tensor_copy_as(lane, args[0].as.tensor, DT_I64, FORMAT_CONTIGUOUS, &t));
    Status status = list_of_ints(t->view.data, (int)tensor_numel(t), &rets[0]);
    tensor_release(t);
    return status;
}

OP_FN(op_shape_as_tensor)
{
    const View *v = &args[0].as.tensor->view;
    Tensor *t;
    TRY(tensor_new(lane, DT_I64, 1, &(int64_t){v->ndim}, &t));
    memcpy(t->view.data, v->size, v->ndim * sizeof *v->size);
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- Ranges -------------------------------------------------------------------------------------------------------------

static int64_t to_int(IValue v)
{
    if (v.tag != TAG_FLOAT)
        return arg_int(v);
    return v.as.f >= -9223372036854775808.0 && v.as.f < 9223372036854775808.0 ? (int64_t)v.as.f : INT64_MIN;
}

// `count` values start, start + step, … PyTorch computes float32 in runs of two vectors of 8: the first of a vector is
// rounded, the others are offsets from it; what is left over is computed one by one in double.
static void fill_arange_f32(float *out, int64_t count, double start, double step)
{
    int64_t i = 0;
    for (; i + 8 <= count - count % 16; i += 8) {
        float base = (float)(start + step * (double)i);
        for (int k = 0; k < 8; k++)
            out[i + k] = (float)((double)base + step * (double)k);
    }
    for (; i < count; i++)
        out[i] = (float)(start + step * (double)i);
}

static Status ret_arange(Lane *lane, int64_t count, IValue start, IValue step, DType dtype, IValue *ret)
{
    Tensor *t, *wide = NULL;
    TRY(tensor_new(lane, dtype, 1, &count, &t));
    DType compute = dtype == DT_F32 || dtype == DT_F64 || dtype == DT_I64 || dtype == DT_I32 ? dtype : dtype_is_floating(dtype) ? DT_F64 : DT_I64;
    Status status = ST_OK;
    if (compute != dtype)
        status = tensor_new(lane, compute, 1, &count, &wide);
    if (status == ST_OK) {
        void *out = wide ? wide->view.data : t->view.data;
        if (compute == DT_F32)
            fill_arange_f32(out, count, arg_double(start), arg_double(step));
        else if (compute == DT_F64)
            for (int64_t i = 0; i < count; i++)
                ((double *)out)[i] = arg_double(start) + arg_double(step) * (double)i;
        else if (compute == DT_I32)
            for (int64_t i = 0, first = to_int(start), pace = to_int(step); i < count; i++)
                ((int32_t *)out)[i] = (int32_t)((uint32_t)first + (uint32_t)pace * (uint32_t)i);
        else
            for (int64_t i = 0, first = to_int(start), pace = to_int(step); i < count; i++)
                ((int64_t *)out)[i] = (int64_t)((uint64_t)first + (uint64_t)pace * (uint64_t)i);
        if (wide)
            status = copy_convert(&t->view, &wide->view);
    }
    if (wide)
        tensor_release(wide);
    if (status != ST_OK) {
        tensor_release(t);
        return status;
    }
    *ret = value_tensor_take(t);
    return ST_OK;
}

// [start, end), or [start, end] for torch.range.
static Status arange(Lane *lane, IValue start, IValue end, IValue step, DType dtype, bool inclusive, IValue *ret)
{
    if (dtype == DT_BOOL || dtype_is_complex(dtype))
        return op_raise("\"arange_cpu\" not implemented for '%s'", dtype_torch_name(dtype));
    TRY(check_dtype(dtype));
    bool integral = dtype_is_integral(dtype);
    double from = integral ? (double)to_int(start) : arg_double(start), to = integral ? (double)to_int(end) : arg_double(end);
    double pace = integral ? (double)to_int(step) : arg_double(step);
    if (pace == 0)
        return op_raise("step must be nonzero");
    if (!isfinite(arg_double(start)) || !isfinite(arg_double(end)))
        return op_raise("unsupported range: %g -> %g", arg_double(start), arg_double(end));
    if (!((pace > 0 && to >= from) || (pace < 0 && to <= from)))
        return op_raise("upper bound and larger bound inconsistent with step sign");
    double count;
    if (inclusive)
        count = floor((to - from) / pace) + 1;
    else if (dtype == DT_I64) { // exact where double is not
        int64_t span, a = to_int(start), b = to_int(end), s = to_int(step);
        if (__builtin_sub_overflow(b, a, &span))
            return op_raise("invalid size, possible overflow?");
        count = (double)(span / s + (span % s != 0));
    } else {
        count = ceil((arg_double(end) - arg_double(start)) / arg_double(step));
    }
    if (!(count >= 0 && count <= 9223372036854774784.0))
        return op_raise("invalid size, possible overflow?");
    return ret_arange(lane, (int64_t)count, start, step, dtype, ret);
}

// arange, arange.start, arange.start_step (`data` says how many numbers come first), then dtype, …
OP_FN(op_arange)
{
    int n = *(const int *)site->op->data;
    IValue start = n == 1 ? value_int(0) : args[0], end = args[n == 1 ? 0 : 1], step = n == 3 ? args[2] : value_int(1);
    bool all_int = start.tag != TAG_FLOAT && end.tag != TAG_FLOAT && step.tag != TAG_FLOAT;
    return arange(lane, start, end, step, arg_dtype_or(args[n], all_int ? DT_I64 : DT_F32), false, rets);
}

OP_FN(op_range)
{
    int n = *(const int *)site->op->data;
    return arange(lane, args[0], args[1], n == 3 ? args[2] : value_int(1), arg_dtype_or(args[n], DT_F32), true, rets);
}

OP_FN(op_dim_arange)
{
    const View *v = &args[0].as.tensor->view;
    int dim;
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    return ret_arange(lane, v->ndim ? v->size[dim] : 1, value_int(0), value_int(1), DT_I64, rets);
}

// Value i of `steps` from start to end, computed from the nearer end. PyTorch's compiler fuses the multiplication and the
// addition.
static double spaced_f64(double start, double end, int64_t steps, int64_t i)
{
    double step = (end - start) / (double)(steps - 1);
    return i < steps / 2 ? fma(step, (double)i, start) : fma(-step, (double)(steps - i - 1), end);
}

static float spaced_f32(float start, float end, int64_t steps, int64_t i)
{
    float step = (end - start) / (float)(steps - 1);
    return i < steps / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(steps - i - 1), end);
}

// linspace. PyTorch computes runs of two vectors of 32 bytes: element k of a vector is its first element, in the dtype,
// plus k steps; what is left over is computed one by one. Numbers of float16 are computed as float32.
static void fill_linspace_f32(float *out, float start, float end, int64_t steps)
{
    enum { WIDTH = 8 };
    float step = (end - start) / (float)(steps - 1);
    int64_t i = 0, in_runs = steps - steps % (2 * WIDTH);
    for (; i < in_runs; i += WIDTH) {
        float base = spaced_f32(start, end, steps, i);
        for (int k = 0; k < WIDTH; k++)
            out[i + k] = base + (float)k * step;
    }
    for (; i < steps; i++)
        out[i] = spaced_f32(start, end, steps, i);
}

static void fill_linspace_f64(double *out, double start, double end, int64_t steps, DType dtype)
{
    double step = (end - start) / (double)(steps - 1);
    int64_t width = 32 / (int64_t)dtype_size(dtype), i = 0, in_runs = steps - steps % (2 * width);
    for (; i < in_runs; i += width) {
        double base = spaced_f64(start, end, steps, i);
        base = dtype == DT_F64 ? base : trunc(base);
        for (int64_t k = 0; k < width; k++)
            out[i + k] = base + (double)k * step;
    }
    for (; i < steps; i++) {
        double x = spaced_f64(start, end, steps, i);
        out[i] = dtype == DT_F64 ? x : trunc(x);
    }
}

static double _Complex complex_of(double re, double im)
{
    double _Complex z;
    ((double *)&z)[0] = re;
    ((double *)&z)[1] = im;
    return z;
}

static double _Complex number_complex(IValue v) { return complex_of(arg_double(v), v.tag == TAG_COMPLEX ? v.as.complex->im : 0); }

static double _Complex complex_power(double base, double _Complex z)
{
    const double *part = (const double *)&z;
    double size = pow(base, part[0]), angle = part[1] * log(base);
    return complex_of(size * cos(angle), part[1] == 0 ? 0 : size * sin(angle));
}

// Exponent i of logspace: the ends in the dtype, what is between in float32, or in double for float64.
static double log_exponent(double start, double end, int64_t steps, int64_t i, DType dtype)
{
    bool first = i < steps / 2;
    if (dtype == DT_F64) {
        double step = (end - start) / (double)(steps - 1);
        return first ? start + step * (double)i : end - step * (double)(steps - i - 1);
    }
    DType t = dtype_is_floating(dtype) ? dtype : DT_F32;
    float a = round_to(t, (float)start), b = round_to(t, (float)end);
    float step = (b - a) / (float)(steps - 1), way = step * (float)(first ? i : steps - i - 1);
    return (double)(first ? a + way : b - way);
}

static Status ret_spaced_complex(Lane *lane, double _Complex start, double _Complex end, int64_t steps, double base, DType dtype, IValue *ret)
{
    Tensor *wide;
    TRY(tensor_new(lane, DT_C128, 1, &steps, &wide));
    double _Complex *out = wide->view.data, step = steps > 1 ? (end - start) / (double)(steps - 1) : 0;
    for (int64_t i = 0; i < steps; i++) {
        out[i] = steps == 1 || i < steps / 2 ? start + step * (double)i : end - step * (double)(steps - i - 1);
        if (!isnan(base))
            out[i] = complex_power(base, out[i]);
    }
    Tensor *t;
    Status status = tensor_to_dtype(lane, wide, dtype, &t);
    tensor_release(wide);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

// linspace and logspace (`base` not NAN) of numbers.
static Status spaced_numbers(Lane *lane, IValue start, IValue end, int64_t steps, double base, DType dtype, IValue *ret)
{
    if (steps < 0)
        return op_raise("number of steps must be non-negative");
    bool complex_ends = start.tag == TAG_COMPLEX || end.tag == TAG_COMPLEX;
    if (dtype == DT_INVALID)
        dtype = complex_ends ? DT_C64 : DT_F32;
    if (dtype == DT_BOOL)
        return op_raise("\"%s_cpu\" not implemented for 'Bool'", isnan(base) ? "linspace" : "logspace");
    if (complex_ends && !dtype_is_complex(dtype))
        return op_raise("torch.%s(): inferred dtype ComplexFloat can't be safely cast to passed dtype %s", isnan(base) ? "linspace" : "logspace",
                        dtype_torch_name(dtype));
    TRY(check_dtype(dtype));
    if (dtype_is_complex(dtype))
        return ret_spaced_complex(lane, number_complex(start), number_complex(end), steps, base, dtype, ret);
    double from = arg_double(start), to = arg_double(end);
    if (dtype_is_integral(dtype)) {
        from = trunc(from);
        to = trunc(to);
    }
    bool f32 = dtype_is_floating(dtype) && dtype != DT_F64;
    Tensor *wide, *t;
    TRY(tensor_new(lane, f32 ? DT_F32 : DT_F64, 1, &steps, &wide));
    double *out = wide->view.data;
    float *out32 = wide->view.data;
    if (steps == 1)
        f32 ? (out32[0] = (float)from) : (out[0] = from);
    else if (f32)
        fill_linspace_f32(out32, (float)from, (float)to, steps);
    else
        fill_linspace_f64(out, from, to, steps, dtype);
    for (int64_t i = 0; i < steps && !isnan(base); i++) {
        double power = pow(base, steps == 1 ? arg_double(start) : log_exponent(from, to, steps, i, dtype));
        f32 ? (out32[i] = (float)power) : (out[i] = power);
    }
    Status status = tensor_to_dtype(lane, wide, dtype, &t);
    tensor_release(wide);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

// start, end, steps, …: the ends may be tensors without dimensions.
static Status spaced(Lane *lane, const IValue *args, double base, IValue dtype, IValue *ret)
{
    IValue ends[2];
    for (int i = 0; i < 2; i++) {
        ends[i] = value_retain(args[i]);
        if (args[i].tag != TAG_TENSOR)
            continue;
        value_release(ends[i]);
        Status status = args[i].as.tensor->view.ndim
                            ? op_raise("linspace only supports 0-dimensional start and end tensors, but got %s with %d dimension(s).", i ? "end" : "start", args[i].as.tensor->view.ndim)
                            : tensor_item(lane, args[i].as.tensor, &ends[i]);
        if (status != ST_OK) {
            if (i)
                value_release(ends[0]);
            return status;
        }
    }
    Status status = spaced_numbers(lane, ends[0], ends[1], args[2].as.i, base, arg_dtype_or(dtype, DT_INVALID), ret);
    value_release(ends[0]);
    value_release(ends[1]);
    return status;
}

OP_FN(op_linspace) // start, end, steps, dtype, …
{
    return spaced(lane, args, NAN, args[3], rets);
}

OP_FN(op_logspace) // start, end, steps, base, dtype, …
{
    return spaced(lane, args, args[3].as.f, args[4], rets);
}

// ---- Indices ------------------------------------------------------------------------------------------------------------

// Row and column numbers of a triangle: row, col, offset, dtype, …; `data` is 1 for the lower one.
OP_FN(op_triangle_indices)
{
    bool lower = *(const int *)site->op->data == 1;
    int64_t rows = args[0].as.i, columns = args[1].as.i, offset = args[2].as.i, count = 0;
    if (rows < 0 || columns < 0)
        return op_raise("%s must be non-negative, got%lld", rows < 0 ? "row" : "col", (long long)(rows < 0 ? rows : columns));
    DType dtype = arg_dtype_or(args[3], DT_I64);
    TRY(check_dtype(dtype));
    if (offset > INT32_MAX || offset < -INT32_MAX || rows > INT32_MAX || columns > INT32_MAX)
        return op_raise("tril_indices: sizes are too large (limit %d)", INT32_MAX);
    Tensor *t = NULL, *made;
    for (int pass = 0; pass < 2; pass++) { // count, then write
        int64_t at = 0, total = count;
        for (int64_t r = 0; r < rows; r++) {
            int64_t edge = r + offset, from = lower ? 0 : edge < 0 ? 0 : edge, to = lower ? (edge + 1 < columns ? edge + 1 : columns) : columns;
            if (pass == 0) {
                count += to > from ? to - from : 0;
                continue;
            }
            for (int64_t c = from; c < to; c++, at++) {
                ((int64_t *)t->view.data)[at] = r;
                ((int64_t *)t->view.data)[total + at] = c;
            }
        }
        if (pass == 0)
            TRY(tensor_new(lane, DT_I64, 2, (int64_t[]){2, count}, &t));
    }
    Status status = tensor_to_dtype(lane, t, dtype, &made);
    tensor_release(t);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

static const int ONE = 1, TWO = 2, THREE = 3;

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define FILLS(name, fn, value) {name, fn, 0, value, NULL}

const OpBinding OPS_CREATE[] = {
    FILLS("aten::zeros", op_new, &FILL_0), FILLS("aten::ones", op_new, &FILL_1), FILLS("aten::_efficientzerotensor", op_new, &FILL_0),
    ROW("aten::empty.memory_format", op_empty), ROW("aten::full", op_full),
    FILLS("aten::zeros_like", op_like, &FILL_0), FILLS("aten::ones_like", op_like, &FILL_1), FILLS("aten::empty_like", op_like, NULL),
    ROW("aten::full_like", op_full_like), FILLS("aten::new_zeros", op_new_of, &FILL_0), FILLS("aten::new_ones", op_new_of, &FILL_1),
    FILLS("aten::new_empty", op_new_of, NULL), ROW("aten::new_full", op_new_full),
    ROW("aten::empty_strided", op_empty_strided), ROW("aten::new_empty_strided", op_new_empty_strided),
    ROW("aten::empty_permuted", op_empty_permuted), ROW("aten::eye", op_eye), ROW("aten::eye.m", op_eye),

    ROW("prim::NumToTensor.Scalar", op_num_to_tensor), ROW("prim::NumToTensor.bool", op_num_to_tensor),
    ROW("aten::scalar_tensor", op_scalar_tensor), ROW("aten::tensor.bool", op_tensor_of_number),
    ROW("aten::tensor.float", op_tensor_of_number), ROW("aten::tensor.int", op_tensor_of_number),
    ROW("aten::tensor.complex", op_tensor_of_number), ROW("aten::tensor", op_tensor_of_list),
    ROW("aten::as_tensor.bool", op_tensor_of_number), ROW("aten::as_tensor.float", op_tensor_of_number),
    ROW("aten::as_tensor.int", op_tensor_of_number), ROW("aten::as_tensor.complex", op_tensor_of_number),
    ROW("aten::as_tensor.list", op_tensor_of_list), ROW("aten::as_tensor", op_as_tensor),
    ROW("aten::_list_to_tensor", op_list_to_tensor), ROW("aten::_tensor_to_list", op_tensor_to_list),
    ROW("aten::_shape_as_tensor", op_shape_as_tensor),

    FILLS("aten::arange", op_arange, &ONE), FILLS("aten::arange.start", op_arange, &TWO), FILLS("aten::arange.start_step", op_arange, &THREE),
    FILLS("aten::range", op_range, &TWO), FILLS("aten::range.step", op_range, &THREE), ROW("aten::_dim_arange", op_dim_arange),
    ROW("aten::linspace", op_linspace), ROW("aten::linspace.Tensor_Tensor", op_linspace),
    ROW("aten::linspace.Tensor_Scalar", op_linspace), ROW("aten::linspace.Scalar_Tensor", op_linspace),
    ROW("aten::logspace", op_logspace), ROW("aten::logspace.Tensor_Tensor", op_logspace),
    ROW("aten::logspace.Tensor_Scalar", op_logspace), ROW("aten::logspace.Scalar_Tensor", op_logspace),
    FILLS("aten::tril_indices", op_triangle_indices, &ONE), FILLS("aten::triu_indices", op_triangle_indices, &TWO),
    {0},
};
