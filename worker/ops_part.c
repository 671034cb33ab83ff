// Operator bindings: views of a part of a tensor (select, slice, diagonal, windows, as_strided) and of its bytes as another
// element type.
#include "worker/ops_view.h"

// A view of the same storage in another dtype; `offset` in its elements. Negative like its base.
static Status ret_view_as(Lane *lane, Tensor *base, DType dtype, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, IValue *ret)
{
    View v = {.dtype = (uint8_t)dtype, .ndim = (uint8_t)ndim, .layout = LAYOUT_STRIDED, .device = base->view.device};
    memcpy(v.size, size, (size_t)ndim * sizeof *size);
    memcpy(v.stride, stride, (size_t)ndim * sizeof *stride);
    Tensor *t;
    TRY(tensor_of_storage(lane, base->storage, &v, offset, &t));
    t->bits = base->bits & TENSOR_NEG;
    *ret = value_tensor_take(t);
    return ST_OK;
}

// ---- Parts --------------------------------------------------------------------------------------------------------------

OP_GLOBAL(op_view_select)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int dim;
    if (v->ndim == 0)
        return op_raise("select() cannot be applied to a 0-dim tensor.");
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    int64_t index = args[2].as.i;
    if (index < -v->size[dim] || index >= v->size[dim])
        return op_raise("select(): index %lld out of range for tensor of size %s at dimension %d", (long long)index,
                        size_text(v->size, v->ndim).text, dim);
    if (index < 0)
        index += v->size[dim];
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0; d < v->ndim - 1; d++) {
        size[d] = v->size[d + (d >= dim)];
        stride[d] = v->stride[d + (d >= dim)];
    }
    return ret_view(lane, t, v->ndim - 1, size, stride, t->offset + index * v->stride[dim], rets);
}

// Elements start, start + step, … of dimension `dim`: `length` of them.
static Status ret_range(Lane *lane, Tensor *t, int dim, int64_t start, int64_t length, int64_t step, IValue *ret)
{
    const View *v = &t->view;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    memcpy(size, v->size, v->ndim * sizeof *size);
    memcpy(stride, v->stride, v->ndim * sizeof *stride);
    size[dim] = length;
    stride[dim] *= step;
    return ret_view(lane, t, v->ndim, size, stride, t->offset + start * v->stride[dim], ret);
}

OP_GLOBAL(op_view_slice)
{
    Tensor *t = args[0].as.tensor;
    int dim;
    if (t->view.ndim == 0)
        return op_raise("slice() cannot be applied to a 0-dim tensor.");
    TRY(wrap_dim(args[1].as.i, t->view.ndim, &dim));
    int64_t n = t->view.size[dim], start = arg_int_or(args[2], 0), end = arg_int_or(args[3], INT64_MAX), step = args[4].as.i;
    if (step <= 0)
        return op_raise("slice step must be positive");
    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    start = start < 0 ? 0 : start > n ? n : start;
    end = end < start ? start : end > n ? n : end;
    int64_t length = end - start;
    return ret_range(lane, t, dim, start, length / step + (length % step != 0), step, rets);
}

OP_GLOBAL(op_view_narrow)
{
    Tensor *t = args[0].as.tensor;
    int dim;
    IValue from = args[2];
    if (t->view.ndim == 0)
        return op_raise("narrow() cannot be applied to a 0-dim tensor.");
    TRY(wrap_dim(args[1].as.i, t->view.ndim, &dim));
    if (from.tag == TAG_TENSOR) {
        if (from.as.tensor->view.ndim != 0 || !dtype_is_integral(tensor_dtype(from.as.tensor)))
            return op_raise("start must be an 0-dim integral Tensor.");
        TRY(tensor_item(lane, from.as.tensor, &from));
    }
    int64_t n = t->view.size[dim], start = from.as.i, length = args[3].as.i;
    if (start != n) { // beginning at the end is allowed
        if (start < -(n ? n : 1) || start >= (n ? n : 1))
            return op_raise("Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
                            (long long)-(n ? n : 1), (long long)(n ? n : 1) - 1, (long long)start);
        start = start < 0 ? start + n : start;
    }
    if (length < 0 || start > n - length)
        return op_raise("start (%lld) + length (%lld) exceeds dimension size (%lld).", (long long)start, (long long)length, (long long)n);
    return ret_range(lane, t, dim, start, length, 1, rets);
}

OP_GLOBAL(op_view_diagonal)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int a, b, n = 0;
    int64_t shift = args[1].as.i;
    TRY(wrap_dim(args[2].as.i, v->ndim, &a));
    TRY(wrap_dim(args[3].as.i, v->ndim, &b));
    if (a == b || v->ndim < 2)
        return op_raise("diagonal dimensions cannot be identical %lld, %lld", (long long)args[2].as.i, (long long)args[3].as.i);
    int64_t rows = v->size[a], columns = v->size[b], length = 0, offset = t->offset;
    if (shift >= 0 && shift < columns)
        length = rows < columns - shift ? rows : columns - shift;
    else if (shift < 0 && -rows < shift)
        length = rows + shift < columns ? rows + shift : columns;
    if (length > 0)
        offset += shift >= 0 ? shift * v->stride[b] : -shift * v->stride[a];
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0; d < v->ndim; d++)
        if (d != a && d != b) {
            size[n] = v->size[d];
            stride[n++] = v->stride[d];
        }
    size[n] = length;
    stride[n++] = v->stride[a] + v->stride[b];
    return ret_view(lane, t, n, size, stride, offset, rets);
}

OP_GLOBAL(op_view_unfold)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int dim;
    int64_t length = args[2].as.i, step = args[3].as.i;
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    int64_t n = v->ndim ? v->size[dim] : 1, pace = v->ndim ? v->stride[dim] : 1;
    if (length < 0)
        return op_raise("size is %lld but must be >= 0", (long long)length);
    if (length > n)
        return op_raise("maximum size for tensor at dimension %d is %lld but size is %lld", dim, (long long)n, (long long)length);
    if (step <= 0)
        return op_raise("step is %lld but must be > 0", (long long)step);
    if (v->ndim == VIEW_MAX_DIMS)
        return op_raise("unfold: tensor has too many dimensions (limit %d)", VIEW_MAX_DIMS);
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    memcpy(size, v->size, v->ndim * sizeof *size);
    memcpy(stride, v->stride, v->ndim * sizeof *stride);
    if (v->ndim) {
        size[dim] = (n - length) / step + 1;
        stride[dim] = step * pace;
    }
    size[v->ndim] = length;
    stride[v->ndim] = pace;
    TRY(check_numel(v->ndim + 1, size));
    return ret_view(lane, t, v->ndim + 1, size, stride, t->offset, rets);
}

// Every element must lie inside the storage: the program chose sizes, strides and offset freely.
static Status check_inside(const Tensor *t, int n, const int64_t *size, const int64_t *stride, int64_t offset)
{
    if (offset < 0)
        return op_raise("Tensor: invalid storage offset %lld", (long long)offset);
    int64_t item = (int64_t)dtype_size(tensor_dtype(t)), last = offset;
    bool empty = false, overflow = false;
    for (int d = 0; d < n; d++) {
        if (stride[d] < 0)
            return op_raise("as_strided: Negative strides are not supported at the moment, got strides: %s", size_text(stride, n).text);
        if (size[d] < 0)
            return op_raise("Trying to create tensor with negative dimension %lld: %s", (long long)size[d], size_text(size, n).text);
        empty |= size[d] == 0;
        int64_t span = 0;
        overflow |= __builtin_mul_overflow(size[d] - 1, stride[d], &span) || __builtin_add_overflow(last, span, &last);
    }
    if (empty)
        return offset <= (int64_t)t->storage->size / item ? ST_OK : op_raise("Tensor: invalid storage offset %lld", (long long)offset);
    if (overflow || last >= (int64_t)t->storage->size / item)
        return op_raise("setStorage: sizes %s, strides %s, storage offset %lld, and itemsize %lld requiring a storage size of %lld are out of bounds for storage of size %zu",
                        size_text(size, n).text, size_text(stride, n).text, (long long)offset, (long long)item,
                        overflow ? -1LL : (long long)(last + 1) * (long long)item, t->storage->size);
    return ST_OK;
}

OP_GLOBAL(op_view_as_strided)
{
    Tensor *t = args[0].as.tensor;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n, ns;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    TRY(arg_ints(args[2], stride, VIEW_MAX_DIMS, &ns));
    if (n != ns)
        return op_raise("mismatch in length of strides and shape");
    int64_t offset = site->arg_count > 3 ? arg_int_or(args[3], t->offset) : t->offset;
    TRY(check_inside(t, n, size, stride, offset));
    TRY(check_numel(n, size));
    return ret_view(lane, t, n, size, stride, offset, rets);
}

// ---- Other element types over the same bytes ----------------------------------------------------------------------------

OP_GLOBAL(op_view_dtype)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    DType to = (DType)args[1].as.i, from = tensor_dtype(t);
    TRY(check_dtype(to));
    int64_t have = (int64_t)dtype_size(from), want = (int64_t)dtype_size(to);
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    memcpy(size, v->size, v->ndim * sizeof *size);
    memcpy(stride, v->stride, v->ndim * sizeof *stride);
    if (to != from && t->bits & TENSOR_CONJ)
        return op_raise("torch.Tensor.view is not supported for conjugate view tensors when converting to a different dtype.");
    if (to != from && t->bits)
        return op_raise("torch.Tensor.view is not supported for tensors with negative bit set when converting to a different dtype.");
    if (to == from)
        return ret_view(lane, t, v->ndim, size, stride, t->offset, rets);
    if (have == want)
        return ret_view_as(lane, t, to, v->ndim, size, stride, t->offset, rets);
    const char *a = dtype_torch_name(from), *b = dtype_torch_name(to);
    int last = v->ndim - 1;
    if (last < 0)
        return op_raise("self.dim() cannot be 0 to view %s as %s (different element sizes)", a, b);
    if (v->stride[last] != 1 && v->size[last] != 1)
        return op_raise("self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld", a, b, (long long)v->stride[last]);
    int64_t ratio = have > want ? have / want : want / have;
    if (have < want) {
        if (v->size[last] % ratio)
            return op_raise("self.size(-1) must be divisible by %lld to view %s as %s (different element sizes), but got %lld",
                            (long long)ratio, a, b, (long long)v->size[last]);
        if (t->offset % ratio)
            return op_raise("self.storage_offset() must be divisible by %lld to view %s as %s (different element sizes), but got %lld",
                            (long long)ratio, a, b, (long long)t->offset);
    }
    for (int d = 0; d < v->ndim; d++) {
        if (d != last && have < want && v->stride[d] % ratio)
            return op_raise("self.stride(%d) must be divisible by %lld to view %s as %s (different element sizes), but got %lld", d,
                            (long long)ratio, a, b, (long long)v->stride[d]);
        stride[d] = d == last ? 1 : have < want ? v->stride[d] / ratio : v->stride[d] * ratio;
    }
    size[last] = have < want ? v->size[last] / ratio : v->size[last] * ratio;
    return ret_view_as(lane, t, to, v->ndim, size, stride, have < want ? t->offset / ratio : t->offset * ratio, rets);
}

static DType real_dtype(DType t) { return t == DT_C32 ? DT_F16 : t == DT_C64 ? DT_F32 : DT_F64; }

OP_GLOBAL(op_view_as_real)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise("view_as_real is only supported for complex tensors");
    if (t->bits & TENSOR_CONJ)
        return op_raise("view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can view it as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original.");
    if (v->ndim == VIEW_MAX_DIMS)
        return op_raise("view_as_real: tensor has too many dimensions (limit %d)", VIEW_MAX_DIMS);
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0; d < v->ndim; d++) {
        size[d] = v->size[d];
        stride[d] = 2 * v->stride[d];
    }
    size[v->ndim] = 2;
    stride[v->ndim] = 1;
    return ret_view_as(lane, t, real_dtype(tensor_dtype(t)), v->ndim + 1, size, stride, 2 * t->offset, rets);
}

OP_GLOBAL(op_view_as_complex)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    DType from = tensor_dtype(t), to = from == DT_F16 ? DT_C32 : from == DT_F32 ? DT_C64 : DT_C128;
    if (from != DT_F16 && from != DT_F32 && from != DT_F64)
        return op_raise("view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: %s",
                        dtype_torch_name(from));
    int last = v->ndim - 1;
    if (last < 0 || v->size[last] != 2)
        return op_raise("Tensor must have a last dimension of size 2");
    if (v->stride[last] != 1)
        return op_raise("Tensor must have a last dimension with stride 1");
    int64_t stride[VIEW_MAX_DIMS];
    for (int d = 0; d < last; d++) {
        if (v->stride[d] % 2)
            return op_raise("Tensor must have a stride divisible by 2 for all but last dimension");
        stride[d] = v->stride[d] / 2;
    }
    if (t->offset % 2)
        return op_raise("Tensor must have a storage_offset divisible by 2");
    return ret_view_as(lane, t, to, last, v->size, stride, t->offset / 2, rets);
}

static Status complex_part(Lane *lane, Tensor *t, int part, IValue *ret)
{
    int64_t stride[VIEW_MAX_DIMS];
    for (int d = 0; d < t->view.ndim; d++)
        stride[d] = 2 * t->view.stride[d];
    TRY(ret_view_as(lane, t, real_dtype(tensor_dtype(t)), t->view.ndim, t->view.size, stride, 2 * t->offset + part, ret));
    if (part == 1 && t->bits & TENSOR_CONJ)
        ret->as.tensor->bits ^= TENSOR_NEG;
    return ST_OK;
}

OP_FN(op_real)
{
    Tensor *t = args[0].as.tensor;
    return dtype_is_complex(tensor_dtype(t)) ? complex_part(lane, t, 0, rets) : ret_same(args[0], rets);
}

OP_FN(op_imag)
{
    Tensor *t = args[0].as.tensor;
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise("imag is not implemented for tensors with non-complex dtypes.");
    return complex_part(lane, t, 1, rets);
}

#define ROW(name, fn) {name, fn, OP_BITS, NULL, NULL}

const OpBinding OPS_PART[] = {
    ROW("aten::select.int", op_view_select), ROW("aten::slice.Tensor", op_view_slice), ROW("aten::narrow", op_view_narrow),
    ROW("aten::narrow.Tensor", op_view_narrow), ROW("aten::diagonal", op_view_diagonal), ROW("aten::linalg_diagonal", op_view_diagonal),
    ROW("aten::unfold", op_view_unfold), ROW("aten::as_strided", op_view_as_strided), ROW("aten::_reshape_alias", op_view_as_strided),
    ROW("aten::view.dtype", op_view_dtype), ROW("aten::view_as_real", op_view_as_real),
    ROW("aten::view_as_complex", op_view_as_complex), ROW("aten::real", op_real), ROW("aten::imag", op_imag),
    {0},
};
