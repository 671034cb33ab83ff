// Operator bindings: views of a whole tensor: other sizes, another order of dimensions, dimensions of size 1.
// They share the storage of their argument and cost one small struct (torchscript.md §7.3).
#include "worker/ops_view.h"

#include "worker/bits.h"

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
            step = next_stride(step, size[d]);
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

OP_GLOBAL(op_view_size)
{
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    return view_to(lane, args[0].as.tensor, n, size, rets);
}

OP_GLOBAL(op_view_reshape)
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

OP_GLOBAL(op_view_flatten)
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
    Tensor *packed; // not reshape: the result is contiguous
    TRY(tensor_contiguous(lane, args[0].as.tensor, &packed));
    int64_t size = tensor_numel(packed);
    Status status = reshape_to(lane, packed, 1, &size, rets);
    tensor_release(packed);
    return status;
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

OP_GLOBAL(op_view_permute)
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

OP_GLOBAL(op_view_transpose)
{
    return transpose(lane, args[0].as.tensor, args[1].as.i, args[2].as.i, rets);
}

OP_GLOBAL(op_view_t)
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

// ---- Conjugates and negatives -------------------------------------------------------------------------------------------

static Status ret_with_bit(Lane *lane, Tensor *t, uint8_t bit, IValue *ret)
{
    TRY(ret_view(lane, t, t->view.ndim, t->view.size, t->view.stride, t->offset, ret));
    ret->as.tensor->bits ^= bit;
    return ST_OK;
}

OP_GLOBAL(op_view_conj)
{
    Tensor *t = args[0].as.tensor;
    return dtype_is_complex(tensor_dtype(t)) ? ret_with_bit(lane, t, TENSOR_CONJ, rets) : ret_same(args[0], rets);
}

OP_GLOBAL(op_view_neg)
{
    return ret_with_bit(lane, args[0].as.tensor, TENSOR_NEG, rets);
}

// `data`: the bit that the result must not have.
OP_FN(op_resolve)
{
    Tensor *t = args[0].as.tensor, *resolved;
    if (!(t->bits & (intptr_t)site->op->data))
        return ret_same(args[0], rets);
    TRY(tensor_resolve(lane, t, &resolved));
    *rets = value_tensor_take(resolved);
    return ST_OK;
}

OP_FN(op_conj_physical)
{
    Tensor *t = args[0].as.tensor, *copy;
    if (!dtype_is_complex(tensor_dtype(t)))
        return ret_same(args[0], rets);
    TRY(tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &copy)); // without bits
    copy->bits = TENSOR_CONJ;
    tensor_flip(copy);
    copy->bits = 0;
    *rets = value_tensor_take(copy);
    return ST_OK;
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
    Tensor *t = arg.as.tensor;
    if (t->view.ndim == 0 && !dtype_is_complex(tensor_dtype(t)))
        return ret_same(arg, ret);
    TRY(transpose(lane, t, t->view.ndim ? -2 : 0, t->view.ndim ? -1 : 0, ret));
    if (dtype_is_complex(tensor_dtype(t)))
        ret->as.tensor->bits ^= TENSOR_CONJ;
    return ST_OK;
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

OP_GLOBAL(op_view_unsqueeze)
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
    stride[dim] = dim < v->ndim ? next_stride(v->stride[dim], v->size[dim]) : 1;
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

OP_GLOBAL(op_view_squeeze)
{
    return squeeze(lane, args[0].as.tensor, ~0u, rets);
}

OP_GLOBAL(op_view_squeeze_dims)
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
        stride[d] = have != size[d] || v->ndim == 0 ? 0 : from >= 0 ? v->stride[from] : after;
        after = next_stride(stride[d], size[d]);
    }
    TRY(check_numel(n, size));
    return ret_view(lane, t, n, size, stride, t->offset, ret);
}

OP_GLOBAL(op_view_expand)
{
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    return expand_to(lane, args[0].as.tensor, n, size, rets);
}

OP_GLOBAL(op_view_expand_as)
{
    int64_t size[VIEW_MAX_DIMS];
    const View *like = &args[1].as.tensor->view;
    memcpy(size, like->size, like->ndim * sizeof *size);
    return expand_to(lane, args[0].as.tensor, like->ndim, size, rets);
}

// ---- The same tensor ----------------------------------------------------------------------------------------------------

OP_FN(op_same)
{
    return ret_same(args[0], rets);
}

OP_GLOBAL(op_view_alias)
{
    Tensor *t = args[0].as.tensor;
    return ret_view(lane, t, t->view.ndim, t->view.size, t->view.stride, t->offset, rets);
}

// Without the mark "requires grad". An alias, so that resizing it in place leaves the other alone; but a tensor in a private
// layout is handed on as it is rather than reordered.
OP_FN(op_detach)
{
    Tensor *t = args[0].as.tensor;
    if (t->view.layout != LAYOUT_STRIDED && !t->requires_grad)
        return ret_same(args[0], rets);
    TRY(op_view_alias(lane, site, args, rets));
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

static const int ONE = 1, TWO = 2, THREE = 3;

#define ROW(name, fn) {name, fn, OP_BITS, NULL, NULL}
#define SAME(name) {name, op_same, OP_PRIVATE_LAYOUT | OP_BITS, NULL, NULL}
#define KNOWS(name, fn) {name, fn, OP_PRIVATE_LAYOUT | OP_BITS, NULL, NULL}
#define RESOLVES(name, bit) {name, op_resolve, OP_PRIVATE_LAYOUT | OP_BITS, (const void *)(intptr_t)(bit), NULL}

const OpBinding OPS_VIEW[] = {
    ROW("aten::view", op_view_size), ROW("aten::_unsafe_view", op_view_size), ROW("aten::reshape", op_view_reshape),
    ROW("aten::view_as", op_view_as), ROW("aten::reshape_as", op_reshape_as), ROW("aten::flatten.using_ints", op_view_flatten),
    ROW("aten::ravel", op_ravel), ROW("aten::unflatten.int", op_unflatten),
    ROW("aten::_reshape_from_tensor", op_reshape_from_tensor), ROW("aten::permute", op_view_permute),
    ROW("aten::transpose.int", op_view_transpose), ROW("aten::swapaxes", op_view_transpose), ROW("aten::swapdims", op_view_transpose),
    ROW("aten::t", op_view_t), ROW("aten::numpy_T", op_reverse_dims), ROW("aten::numpy_T.a", op_reverse_dims),
    ROW("aten::mT", op_mt), ROW("aten::mT.a", op_mt), ROW("aten::mH", op_mh), ROW("aten::mH.a", op_mh),
    ROW("aten::adjoint", op_mh), ROW("aten::matrix_H", op_matrix_h), ROW("aten::matrix_H.a", op_matrix_h),
    ROW("aten::movedim.int", op_movedim), ROW("aten::movedim.intlist", op_movedim), ROW("aten::moveaxis.int", op_movedim),
    ROW("aten::moveaxis.intlist", op_movedim), ROW("aten::unsqueeze", op_view_unsqueeze), ROW("aten::squeeze", op_view_squeeze),
    ROW("aten::squeeze.dim", op_view_squeeze_dims), ROW("aten::squeeze.dims", op_view_squeeze_dims), ROW("aten::expand", op_view_expand),
    ROW("aten::broadcast_to", op_view_expand), ROW("aten::expand_as", op_view_expand_as), ROW("aten::conj", op_view_conj),
    ROW("aten::_conj", op_view_conj), ROW("aten::conj_physical", op_conj_physical), ROW("aten::_conj_physical", op_conj_physical),
    RESOLVES("aten::resolve_conj", TENSOR_CONJ), RESOLVES("aten::resolve_neg", TENSOR_NEG), ROW("aten::_neg_view", op_view_neg),
     SAME("aten::lift"), SAME("aten::lift_fresh"),
    SAME("aten::pin_memory"), SAME("aten::_pin_memory"), SAME("aten::cpu"), SAME("aten::to_dense"), SAME("aten::coalesce"),
    SAME("aten::_fw_primal"), SAME("prim::unchecked_unwrap_optional"), ROW("aten::alias", op_view_alias),
    KNOWS("aten::positive", op_positive), KNOWS("aten::detach", op_detach), KNOWS("aten::data", op_detach), KNOWS("prim::data", op_detach),
    {"aten::atleast_1d", op_atleast, OP_BITS, &ONE, NULL}, {"aten::atleast_2d", op_atleast, OP_BITS, &TWO, NULL},
    {"aten::atleast_3d", op_atleast, OP_BITS, &THREE, NULL},
    {0},
};
