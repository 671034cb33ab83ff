// Operator bindings: views. They share the storage of their argument and cost one small struct (torchscript.md §7.3).
// The rows with `_copy`, `_scatter` and a trailing `_` are made from the views by the three wrappers at the end.
#include "worker/op_util.h"

#include "kernels/copy.h"

// A view of `base`: `offset` in elements from the start of the storage.
static Status ret_view(Lane *lane, Tensor *base, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, IValue *ret)
{
    Tensor *t;
    TRY(tensor_view(lane, base, ndim, size, stride, offset, &t));
    *ret = value_tensor_take(t);
    return ST_OK;
}

static Status ret_same(IValue v, IValue *ret)
{
    *ret = value_retain(v);
    return ST_OK;
}

// A view of the same storage in another dtype; `offset` in its elements.
static Status ret_view_as(Lane *lane, Tensor *base, DType dtype, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, IValue *ret)
{
    View v = {.dtype = (uint8_t)dtype, .ndim = (uint8_t)ndim, .layout = LAYOUT_STRIDED, .device = base->view.device};
    memcpy(v.size, size, (size_t)ndim * sizeof *size);
    memcpy(v.stride, stride, (size_t)ndim * sizeof *stride);
    Tensor *t;
    TRY(tensor_of_storage(lane, base->storage, &v, offset, &t));
    *ret = value_tensor_take(t);
    return ST_OK;
}

// ---- Shapes -------------------------------------------------------------------------------------------------------------

// Puts the size that -1 stands for in its place and checks the product.
static Status infer_size(int64_t *size, int n, int64_t numel)
{
    int infer = -1;
    int64_t product = 1;
    bool overflow = false;
    for (int d = 0; d < n; d++) {
        if (size[d] == -1) {
            if (infer >= 0)
                return op_raise("only one dimension can be inferred");
            infer = d;
        } else if (size[d] < 0) {
            return op_raise("invalid shape dimension %lld", (long long)size[d]);
        } else {
            overflow |= __builtin_mul_overflow(product, size[d], &product);
        }
    }
    if (!overflow && (product == numel || (infer >= 0 && product > 0 && numel % product == 0))) {
        if (infer < 0)
            return ST_OK;
        if (product == 0)
            return op_raise("cannot reshape tensor of 0 elements into shape %s because the unspecified dimension size -1 can be any value and is ambiguous",
                            size_text(size, n).text);
        size[infer] = numel / product;
        return ST_OK;
    }
    return op_raise("shape '%s' is invalid for input of size %lld", size_text(size, n).text, (long long)numel);
}

// Strides with which the elements of `v` appear in the new shape; false when there are none. Walks both shapes from the
// last dimension: a run of old dimensions that lie evenly in memory must be cut or joined to a run of new ones.
static bool view_strides(const View *v, int n, const int64_t *size, int64_t *stride)
{
    if (v->ndim == 0 || view_numel(v) == 0) {
        int64_t step = 1;
        for (int d = n - 1; d >= 0; d--) {
            stride[d] = step;
            step *= size[d] > 1 ? size[d] : 1;
        }
        return true;
    }
    int at = n - 1;
    int64_t base = v->stride[v->ndim - 1], old_run = 1, new_run = 1;
    for (int d = v->ndim - 1; d >= 0; d--) {
        old_run *= v->size[d];
        if (d > 0 && (v->size[d - 1] == 1 || v->stride[d - 1] == old_run * base))
            continue;
        for (; at >= 0 && (new_run < old_run || size[at] == 1); at--) {
            stride[at] = new_run * base;
            new_run *= size[at];
        }
        if (new_run != old_run)
            return false;
        if (d > 0) {
            base = v->stride[d - 1];
            old_run = new_run = 1;
        }
    }
    return at == -1;
}

static Status view_to(Lane *lane, Tensor *t, int n, int64_t *size, IValue *ret)
{
    int64_t stride[VIEW_MAX_DIMS];
    TRY(infer_size(size, n, tensor_numel(t)));
    if (!view_strides(&t->view, n, size, stride))
        return op_raise("view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.");
    return ret_view(lane, t, n, size, stride, t->offset, ret);
}

static Status reshape_to(Lane *lane, Tensor *t, int n, int64_t *size, IValue *ret)
{
    int64_t stride[VIEW_MAX_DIMS];
    TRY(infer_size(size, n, tensor_numel(t)));
    if (view_strides(&t->view, n, size, stride))
        return ret_view(lane, t, n, size, stride, t->offset, ret);
    Tensor *copy;
    TRY(tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_CONTIGUOUS, &copy));
    view_set_contiguous(&copy->view, n, size);
    *ret = value_tensor_take(copy);
    return ST_OK;
}

OP_FN(op_view)
{
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    return view_to(lane, args[0].as.tensor, n, size, rets);
}

OP_FN(op_reshape)
{
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    return reshape_to(lane, args[0].as.tensor, n, size, rets);
}

OP_FN(op_view_as)
{
    int64_t size[VIEW_MAX_DIMS];
    const View *like = &args[1].as.tensor->view;
    memcpy(size, like->size, like->ndim * sizeof *size);
    return view_to(lane, args[0].as.tensor, like->ndim, size, rets);
}

OP_FN(op_reshape_as)
{
    int64_t size[VIEW_MAX_DIMS];
    const View *like = &args[1].as.tensor->view;
    memcpy(size, like->size, like->ndim * sizeof *size);
    return reshape_to(lane, args[0].as.tensor, like->ndim, size, rets);
}

OP_FN(op_reshape_from_tensor)
{
    Tensor *shape = args[1].as.tensor, *ints;
    if (shape->view.ndim != 1 || shape->view.size[0] > VIEW_MAX_DIMS)
        return op_raise("reshape: the shape must be a 1-dimensional tensor");
    TRY(tensor_copy_as(lane, shape, DT_I64, FORMAT_CONTIGUOUS, &ints));
    int64_t size[VIEW_MAX_DIMS];
    int n = (int)ints->view.size[0];
    memcpy(size, ints->view.data, (size_t)n * sizeof *size);
    tensor_release(ints);
    return reshape_to(lane, args[0].as.tensor, n, size, rets);
}

OP_FN(op_flatten)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int start, end, n = 0;
    TRY(wrap_dim(args[1].as.i, v->ndim, &start));
    TRY(wrap_dim(args[2].as.i, v->ndim, &end));
    if (start > end)
        return op_raise("flatten() has invalid args: start_dim cannot come after end_dim");
    if (start == end && v->ndim > 0)
        return ret_same(args[0], rets);
    int64_t size[VIEW_MAX_DIMS], product = 1;
    for (int d = 0; d < start; d++)
        size[n++] = v->size[d];
    for (int d = start; d <= end && d < v->ndim; d++)
        product *= v->size[d];
    size[n++] = product;
    for (int d = end + 1; d < v->ndim; d++)
        size[n++] = v->size[d];
    return reshape_to(lane, t, n, size, rets);
}

OP_FN(op_ravel)
{
    int64_t size[1] = {-1};
    Tensor *t = args[0].as.tensor;
    size[0] = tensor_numel(t);
    return reshape_to(lane, t, 1, size, rets);
}

OP_FN(op_unflatten)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int dim, n;
    int64_t part[VIEW_MAX_DIMS], size[VIEW_MAX_DIMS], product = 1;
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    TRY(arg_ints(args[2], part, VIEW_MAX_DIMS, &n));
    if (n == 0)
        return op_raise("unflatten: sizes must be non-empty");
    if (v->ndim == 0)
        return op_raise("Dimension specified as 0 but tensor has no dimensions");
    if (v->ndim - 1 + n > VIEW_MAX_DIMS)
        return op_raise("unflatten: too many dimensions (%d, limit %d)", v->ndim - 1 + n, VIEW_MAX_DIMS);
    int unknown = -1;
    for (int d = 0; d < n; d++) {
        if (part[d] < 0) {
            if (unknown >= 0 || part[d] != -1)
                return op_raise("unflatten got an unexpected error:\nonly one dimension can be inferred");
            unknown = d;
        } else if (__builtin_mul_overflow(product, part[d], &product)) {
            return op_raise("unflatten: sizes are too large");
        }
    }
    if (unknown >= 0 && product > 0 && v->size[dim] % product == 0) {
        part[unknown] = v->size[dim] / product;
        product = v->size[dim];
    }
    if (product != v->size[dim])
        return op_raise("unflatten: Provided sizes %s don't multiply up to the size of dim %d (%lld) in the input tensor",
                        size_text(part, n).text, dim, (long long)v->size[dim]);
    memcpy(size, v->size, (size_t)dim * sizeof *size);
    memcpy(size + dim, part, (size_t)n * sizeof *size);
    memcpy(size + dim + n, v->size + dim + 1, (size_t)(v->ndim - dim - 1) * sizeof *size);
    return view_to(lane, t, v->ndim - 1 + n, size, rets);
}

// ---- Order of dimensions ------------------------------------------------------------------------------------------------

static Status ret_permuted(Lane *lane, Tensor *t, const int *order, IValue *ret)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0; d < t->view.ndim; d++) {
        size[d] = t->view.size[order[d]];
        stride[d] = t->view.stride[order[d]];
    }
    return ret_view(lane, t, t->view.ndim, size, stride, t->offset, ret);
}

OP_FN(op_permute)
{
    Tensor *t = args[0].as.tensor;
    int64_t dims[VIEW_MAX_DIMS];
    int n, order[VIEW_MAX_DIMS];
    TRY(arg_ints(args[1], dims, VIEW_MAX_DIMS, &n));
    if (n != t->view.ndim)
        return op_raise("permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = %d",
                        t->view.ndim, n);
    uint32_t seen = 0;
    for (int d = 0; d < n; d++) {
        TRY(wrap_dim(dims[d], n, &order[d]));
        if (seen & 1u << order[d])
            return op_raise("permute(): duplicate dims are not allowed.");
        seen |= 1u << order[d];
    }
    return ret_permuted(lane, t, order, rets);
}

static Status transpose(Lane *lane, Tensor *t, int64_t dim0, int64_t dim1, IValue *ret)
{
    int a, b, order[VIEW_MAX_DIMS];
    TRY(wrap_dim(dim0, t->view.ndim, &a));
    TRY(wrap_dim(dim1, t->view.ndim, &b));
    for (int d = 0; d < t->view.ndim; d++)
        order[d] = d == a ? b : d == b ? a : d;
    return ret_permuted(lane, t, order, ret);
}

OP_FN(op_transpose)
{
    return transpose(lane, args[0].as.tensor, args[1].as.i, args[2].as.i, rets);
}

OP_FN(op_t)
{
    Tensor *t = args[0].as.tensor;
    if (t->view.ndim > 2)
        return op_raise("t() expects a tensor with <= 2 dimensions, but self is %dD", t->view.ndim);
    return transpose(lane, t, 0, t->view.ndim < 2 ? 0 : 1, rets);
}

OP_FN(op_reverse_dims) // .T
{
    Tensor *t = args[0].as.tensor;
    int order[VIEW_MAX_DIMS];
    for (int d = 0; d < t->view.ndim; d++)
        order[d] = t->view.ndim - 1 - d;
    return ret_permuted(lane, t, order, rets);
}

// Conjugates are computed at once, never deferred.
static Status conjugate(Lane *lane, Tensor *t, IValue *ret)
{
    Tensor *copy;
    TRY(tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &copy));
    int64_t n = tensor_numel(copy); // dense: the elements may be visited in any order
    if (tensor_dtype(t) == DT_C64)
        for (int64_t i = 0; i < n; i++)
            ((float *)copy->view.data)[2 * i + 1] *= -1;
    else if (tensor_dtype(t) == DT_C128)
        for (int64_t i = 0; i < n; i++)
            ((double *)copy->view.data)[2 * i + 1] *= -1;
    else
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)copy->view.data)[2 * i + 1] ^= 0x8000;
    *ret = value_tensor_take(copy);
    return ST_OK;
}

OP_FN(op_conj)
{
    Tensor *t = args[0].as.tensor;
    return dtype_is_complex(tensor_dtype(t)) ? conjugate(lane, t, rets) : ret_same(args[0], rets);
}

OP_FN(op_mt)
{
    Tensor *t = args[0].as.tensor;
    if (t->view.ndim == 0)
        return ret_same(args[0], rets);
    if (t->view.ndim < 2)
        return op_raise("tensor.mT is only supported on matrices or batches of matrices. Got %d-D tensor.", t->view.ndim);
    return transpose(lane, t, -2, -1, rets);
}

static Status conjugate_transpose(Lane *lane, IValue arg, IValue *ret)
{
    IValue conj = value_none();
    Tensor *t = arg.as.tensor;
    if (t->view.ndim == 0 && !dtype_is_complex(tensor_dtype(t)))
        return ret_same(arg, ret);
    if (dtype_is_complex(tensor_dtype(t))) {
        TRY(conjugate(lane, t, &conj));
        t = conj.as.tensor;
    }
    Status status = transpose(lane, t, t->view.ndim ? -2 : 0, t->view.ndim ? -1 : 0, ret);
    value_release(conj);
    return status;
}

OP_FN(op_mh)
{
    int n = args[0].as.tensor->view.ndim;
    if (n == 1)
        return op_raise("tensor.mH is only supported on matrices or batches of matrices. Got %d-D tensor.", n);
    return conjugate_transpose(lane, args[0], rets);
}

OP_FN(op_matrix_h)
{
    int n = args[0].as.tensor->view.ndim;
    if (n == 1 || n > 2)
        return op_raise("tensor.H is only supported on matrices (2-D tensors). Got %d-D tensor.%s", n,
                        n > 2 ? " For batches of matrices, consider using tensor.mH" : "");
    return conjugate_transpose(lane, args[0], rets);
}

OP_FN(op_movedim)
{
    Tensor *t = args[0].as.tensor;
    int64_t source[VIEW_MAX_DIMS], target[VIEW_MAX_DIMS];
    int ns, nt, order[VIEW_MAX_DIMS], from[VIEW_MAX_DIMS], to[VIEW_MAX_DIMS], n = t->view.ndim;
    TRY(arg_ints(args[1], source, VIEW_MAX_DIMS, &ns));
    TRY(arg_ints(args[2], target, VIEW_MAX_DIMS, &nt));
    if (ns != nt)
        return op_raise("movedim: Invalid source or destination dims: source (%s dims) should contain the same number of dims as destination (%s dims)",
                        size_text(source, ns).text, size_text(target, nt).text);
    uint32_t moved = 0, taken = 0;
    for (int i = 0; i < ns; i++) {
        TRY(wrap_dim(source[i], n, &from[i]));
        TRY(wrap_dim(target[i], n, &to[i]));
    }
    for (int i = 0; i < ns; i++) {
        if (moved & 1u << from[i])
            return op_raise("movedim: repeated dim in `source` (%s)", size_text(source, ns).text);
        if (taken & 1u << to[i])
            return op_raise("movedim: repeated dim in `destination` (%s)", size_text(target, nt).text);
        moved |= 1u << from[i];
        taken |= 1u << to[i];
        order[to[i]] = from[i];
    }
    for (int d = 0, at = 0; d < n; d++) { // what does not move fills the gaps in order
        if (moved & 1u << d)
            continue;
        while (taken & 1u << at)
            at++;
        order[at++] = d;
    }
    return n == 0 ? ret_same(args[0], rets) : ret_permuted(lane, t, order, rets);
}

// ---- Sizes of 1, repetition ---------------------------------------------------------------------------------------------

OP_FN(op_unsqueeze)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int dim;
    TRY(wrap_dim(args[1].as.i, v->ndim + 1, &dim));
    if (v->ndim == VIEW_MAX_DIMS)
        return op_raise("unsqueeze: tensor has too many dimensions (limit %d)", VIEW_MAX_DIMS);
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0; d < v->ndim; d++) {
        size[d + (d >= dim)] = v->size[d];
        stride[d + (d >= dim)] = v->stride[d];
    }
    size[dim] = 1;
    stride[dim] = dim < v->ndim ? v->size[dim] * v->stride[dim] : 1;
    return ret_view(lane, t, v->ndim + 1, size, stride, t->offset, rets);
}

// Bit d of `dims`: drop dimension d when its size is 1.
static Status squeeze(Lane *lane, Tensor *t, uint32_t dims, IValue *ret)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < t->view.ndim; d++)
        if (t->view.size[d] != 1 || !(dims & 1u << d)) {
            size[n] = t->view.size[d];
            stride[n++] = t->view.stride[d];
        }
    return ret_view(lane, t, n, size, stride, t->offset, ret);
}

OP_FN(op_squeeze)
{
    return squeeze(lane, args[0].as.tensor, ~0u, rets);
}

OP_FN(op_squeeze_dims)
{
    Tensor *t = args[0].as.tensor;
    int64_t dims[VIEW_MAX_DIMS];
    int n, dim;
    uint32_t mask = 0;
    TRY(arg_ints(args[1], dims, VIEW_MAX_DIMS, &n));
    for (int i = 0; i < n; i++) {
        TRY(wrap_dim(dims[i], t->view.ndim, &dim));
        mask |= 1u << dim;
    }
    return squeeze(lane, t, mask, rets);
}

static Status expand_to(Lane *lane, Tensor *t, int n, int64_t *size, IValue *ret)
{
    const View *v = &t->view;
    if (n < v->ndim)
        return op_raise("expand(torch.%sTensor{%s}, size=%s): the number of sizes provided (%d) must be greater or equal to the number of dimensions in the tensor (%d)",
                        dtype_torch_name(tensor_dtype(t)), size_text(v->size, v->ndim).text, size_text(size, n).text, n, v->ndim);
    int64_t wanted[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS], after = 1; // stride of a size-1 dimension: as if contiguous
    memcpy(wanted, size, (size_t)n * sizeof *size);
    for (int d = n - 1; d >= 0; d--) {
        int from = d - (n - v->ndim);
        int64_t have = from >= 0 ? v->size[from] : 1;
        if (size[d] == -1) {
            if (from < 0)
                return op_raise("The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension %d", d);
            size[d] = have;
        }
        if (have != size[d] && have != 1)
            return op_raise("The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton dimension %d.  Target sizes: %s.  Tensor sizes: %s",
                            (long long)size[d], (long long)have, d, size_text(wanted, n).text, size_text(v->size, v->ndim).text);
        if (size[d] < 0)
            return op_raise("The expanded size of the tensor (%lld) isn't allowed in a leading, non-existing dimension %d", (long long)size[d], d);
        stride[d] = have != size[d] ? 0 : from >= 0 ? v->stride[from] : after;
        after = size[d] * stride[d];
    }
    return ret_view(lane, t, n, size, stride, t->offset, ret);
}

OP_FN(op_expand)
{
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    return expand_to(lane, args[0].as.tensor, n, size, rets);
}

OP_FN(op_expand_as)
{
    int64_t size[VIEW_MAX_DIMS];
    const View *like = &args[1].as.tensor->view;
    memcpy(size, like->size, like->ndim * sizeof *size);
    return expand_to(lane, args[0].as.tensor, like->ndim, size, rets);
}

// ---- Parts --------------------------------------------------------------------------------------------------------------

OP_FN(op_select)
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

OP_FN(op_slice)
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

OP_FN(op_narrow)
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

OP_FN(op_diagonal)
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

OP_FN(op_unfold)
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

OP_FN(op_as_strided)
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
    return ret_view(lane, t, n, size, stride, offset, rets);
}

// ---- Other element types over the same bytes ----------------------------------------------------------------------------

OP_FN(op_view_dtype)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    DType to = (DType)args[1].as.i, from = tensor_dtype(t);
    TRY(check_dtype(to));
    int64_t have = (int64_t)dtype_size(from), want = (int64_t)dtype_size(to);
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    memcpy(size, v->size, v->ndim * sizeof *size);
    memcpy(stride, v->stride, v->ndim * sizeof *stride);
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

OP_FN(op_view_as_real)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise("view_as_real is only supported for complex tensors");
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

OP_FN(op_view_as_complex)
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
    return ret_view_as(lane, t, real_dtype(tensor_dtype(t)), t->view.ndim, t->view.size, stride, 2 * t->offset + part, ret);
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

// ---- The same tensor ----------------------------------------------------------------------------------------------------

OP_FN(op_same)
{
    return ret_same(args[0], rets);
}

OP_FN(op_alias)
{
    Tensor *t = args[0].as.tensor;
    return ret_view(lane, t, t->view.ndim, t->view.size, t->view.stride, t->offset, rets);
}

// Without the mark "requires grad"; the same tensor when it has none.
OP_FN(op_detach)
{
    if (!args[0].as.tensor->requires_grad)
        return ret_same(args[0], rets);
    TRY(op_alias(lane, site, args, rets));
    rets[0].as.tensor->requires_grad = false;
    return ST_OK;
}

OP_FN(op_positive)
{
    if (tensor_dtype(args[0].as.tensor) == DT_BOOL)
        return op_raise("The `+` operator, on a bool tensor is not supported.");
    return ret_same(args[0], rets);
}

OP_FN(op_atleast)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int wanted = *(const int *)site->op->data;
    if (v->ndim >= wanted)
        return ret_same(args[0], rets);
    // [] and [n] become [1, n] and [1, n, 1]; [m, n] becomes [m, n, 1].
    int64_t size[3] = {1, 1, 1};
    int front = wanted >= 2 && v->ndim <= 1;
    for (int d = 0; d < v->ndim; d++)
        size[d + front] = v->size[d];
    return view_to(lane, t, wanted, size, rets);
}

// ---- Wrappers: `data` is the view operator ------------------------------------------------------------------------------

typedef struct ViewOp { OpFn fn; } ViewOp;

// x.op_(…): the tensor itself gets the sizes and strides of the view.
OP_FN(view_in_place)
{
    const ViewOp *op = site->op->data;
    IValue v;
    TRY(op->fn(lane, site, args, &v));
    Tensor *t = args[0].as.tensor, *made = v.as.tensor;
    if (t != made) {
        void *data = made->view.data;
        view_assign(&t->view, &made->view);
        t->view.data = data;
        t->offset = made->offset;
    }
    value_release(v);
    return ret_same(args[0], rets);
}

// op_copy(x, …)
OP_FN(view_copied)
{
    const ViewOp *op = site->op->data;
    IValue v;
    TRY(op->fn(lane, site, args, &v));
    Tensor *copy;
    Status status = tensor_copy_as(lane, v.as.tensor, tensor_dtype(v.as.tensor), FORMAT_PRESERVE, &copy);
    value_release(v);
    TRY(status);
    rets[0] = value_tensor_take(copy);
    return ST_OK;
}

// op_scatter(x, src, …): a copy of x whose view is overwritten with src.
OP_FN(view_scattered)
{
    const ViewOp *op = site->op->data;
    Tensor *copy;
    TRY(tensor_copy_as(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_PRESERVE, &copy));
    IValue of_copy[8] = {value_tensor_take(copy)}, part;
    for (int i = 2; i < site->arg_count && i < 8; i++)
        of_copy[i - 1] = args[i];
    Status status = op->fn(lane, site, of_copy, &part);
    if (status == ST_OK) {
        const Tensor *src = args[1].as.tensor;
        if (!view_same_shape(&part.as.tensor->view, &src->view))
            status = op_raise("expected src to have a size equal to the slice of self. src size = %s, slice size = %s",
                              size_text(src->view.size, src->view.ndim).text,
                              size_text(part.as.tensor->view.size, part.as.tensor->view.ndim).text);
        else
            status = tensor_copy_into(lane, part.as.tensor, src);
        value_release(part);
    }
    if (status != ST_OK) {
        tensor_release(copy);
        return status;
    }
    rets[0] = value_tensor_take(copy);
    return ST_OK;
}

static const int ONE = 1, TWO = 2, THREE = 3;

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define SAME(name) {name, op_same, OP_PRIVATE_LAYOUT, NULL, NULL}
#define IN_PLACE(name, fn) {name, view_in_place, 0, &(const ViewOp){fn}, NULL}
#define COPIED(name, fn) {name, view_copied, 0, &(const ViewOp){fn}, NULL}
#define SCATTERED(name, fn) {name, view_scattered, 0, &(const ViewOp){fn}, NULL}

const OpBinding OPS_VIEW[] = {
    ROW("aten::view", op_view), ROW("aten::_unsafe_view", op_view), ROW("aten::reshape", op_reshape),
    ROW("aten::view_as", op_view_as), ROW("aten::reshape_as", op_reshape_as), ROW("aten::flatten.using_ints", op_flatten),
    ROW("aten::ravel", op_ravel), ROW("aten::unflatten.int", op_unflatten),
    ROW("aten::_reshape_from_tensor", op_reshape_from_tensor),
    ROW("aten::permute", op_permute), ROW("aten::transpose.int", op_transpose), ROW("aten::swapaxes", op_transpose),
    ROW("aten::swapdims", op_transpose), ROW("aten::t", op_t), ROW("aten::numpy_T", op_reverse_dims),
    ROW("aten::numpy_T.a", op_reverse_dims), ROW("aten::mT", op_mt), ROW("aten::mT.a", op_mt), ROW("aten::mH", op_mh),
    ROW("aten::mH.a", op_mh), ROW("aten::adjoint", op_mh), ROW("aten::matrix_H", op_matrix_h),
    ROW("aten::matrix_H.a", op_matrix_h), ROW("aten::movedim.int", op_movedim), ROW("aten::movedim.intlist", op_movedim),
    ROW("aten::moveaxis.int", op_movedim), ROW("aten::moveaxis.intlist", op_movedim),
    ROW("aten::unsqueeze", op_unsqueeze), ROW("aten::squeeze", op_squeeze), ROW("aten::squeeze.dim", op_squeeze_dims),
    ROW("aten::squeeze.dims", op_squeeze_dims), ROW("aten::expand", op_expand), ROW("aten::broadcast_to", op_expand),
    ROW("aten::expand_as", op_expand_as), ROW("aten::select.int", op_select), ROW("aten::slice.Tensor", op_slice),
    ROW("aten::narrow", op_narrow), ROW("aten::narrow.Tensor", op_narrow), ROW("aten::diagonal", op_diagonal),
    ROW("aten::linalg_diagonal", op_diagonal), ROW("aten::unfold", op_unfold), ROW("aten::as_strided", op_as_strided),
    ROW("aten::_reshape_alias", op_as_strided), ROW("aten::view.dtype", op_view_dtype),
    ROW("aten::view_as_real", op_view_as_real), ROW("aten::view_as_complex", op_view_as_complex),
    ROW("aten::real", op_real), ROW("aten::imag", op_imag), ROW("aten::conj", op_conj), ROW("aten::_conj", op_conj),
    ROW("aten::conj_physical", op_conj), ROW("aten::_conj_physical", op_conj),
    SAME("aten::resolve_conj"), SAME("aten::resolve_neg"), SAME("aten::lift"), SAME("aten::lift_fresh"),
    SAME("aten::pin_memory"), SAME("aten::_pin_memory"), SAME("aten::cpu"), SAME("aten::to_dense"), SAME("aten::coalesce"),
    SAME("aten::_fw_primal"), SAME("prim::unchecked_unwrap_optional"), ROW("aten::alias", op_alias),
    {"aten::positive", op_positive, OP_PRIVATE_LAYOUT, NULL, NULL},
    {"aten::detach", op_detach, OP_PRIVATE_LAYOUT, NULL, NULL}, {"aten::data", op_detach, OP_PRIVATE_LAYOUT, NULL, NULL},
    {"prim::data", op_detach, OP_PRIVATE_LAYOUT, NULL, NULL},
    {"aten::atleast_1d", op_atleast, 0, &ONE, NULL}, {"aten::atleast_2d", op_atleast, 0, &TWO, NULL},
    {"aten::atleast_3d", op_atleast, 0, &THREE, NULL},

    IN_PLACE("aten::squeeze_", op_squeeze), IN_PLACE("aten::squeeze_.dim", op_squeeze_dims),
    IN_PLACE("aten::squeeze_.dims", op_squeeze_dims), IN_PLACE("aten::unsqueeze_", op_unsqueeze),
    IN_PLACE("aten::t_", op_t), IN_PLACE("aten::transpose_", op_transpose), IN_PLACE("aten::swapaxes_", op_transpose),
    IN_PLACE("aten::swapdims_", op_transpose), IN_PLACE("aten::as_strided_", op_as_strided),

    COPIED("aten::view_copy", op_view), COPIED("prim::view_copy", op_view), COPIED("aten::_reshape_copy", op_reshape),
    COPIED("prim::reshape_copy", op_reshape), COPIED("prim::flatten_copy", op_flatten),
    COPIED("aten::view_copy.dtype", op_view_dtype), COPIED("aten::permute_copy", op_permute),
    COPIED("aten::transpose_copy.int", op_transpose), COPIED("aten::t_copy", op_t),
    COPIED("aten::unsqueeze_copy", op_unsqueeze), COPIED("prim::unsqueeze_copy", op_unsqueeze),
    COPIED("aten::squeeze_copy", op_squeeze), COPIED("aten::squeeze_copy.dim", op_squeeze_dims),
    COPIED("aten::squeeze_copy.dims", op_squeeze_dims), COPIED("prim::squeeze_copy", op_squeeze),
    COPIED("prim::squeeze_copy.dim", op_squeeze_dims), COPIED("aten::expand_copy", op_expand),
    COPIED("prim::expand_copy", op_expand), COPIED("prim::expand_as_copy", op_expand_as),
    COPIED("aten::select_copy.int", op_select), COPIED("aten::slice_copy.Tensor", op_slice),
    COPIED("aten::narrow_copy", op_narrow), COPIED("aten::diagonal_copy", op_diagonal),
    COPIED("aten::unfold_copy", op_unfold), COPIED("aten::as_strided_copy", op_as_strided),
    COPIED("aten::_reshape_alias_copy", op_as_strided), COPIED("aten::view_as_real_copy", op_view_as_real),
    COPIED("aten::view_as_complex_copy", op_view_as_complex), COPIED("aten::alias_copy", op_alias),
    COPIED("aten::detach_copy", op_alias), COPIED("aten::lift_fresh_copy", op_alias), COPIED("aten::_conj_copy", op_conj),

    SCATTERED("aten::select_scatter", op_select), SCATTERED("aten::slice_scatter", op_slice),
    SCATTERED("aten::diagonal_scatter", op_diagonal), SCATTERED("aten::as_strided_scatter", op_as_strided),
    {0},
};
