// Operator bindings: the relatives of views, made from them by three wrappers: op_copy (a copy of the view), op_scatter (a copy
// of the tensor whose view is overwritten) and op_ (the tensor itself gets the sizes and strides).
#include "worker/ops_view.h"

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

#define IN_PLACE(name, fn) {name, view_in_place, OP_BITS, &(const ViewOp){fn}, NULL}
#define COPIED(name, fn) {name, view_copied, 0, &(const ViewOp){fn}, NULL}
#define SCATTERED(name, fn) {name, view_scattered, 0, &(const ViewOp){fn}, NULL}

const OpBinding OPS_VIEW_COPY[] = {
    IN_PLACE("aten::squeeze_", op_view_squeeze), IN_PLACE("aten::squeeze_.dim", op_view_squeeze_dims),
    IN_PLACE("aten::squeeze_.dims", op_view_squeeze_dims), IN_PLACE("aten::unsqueeze_", op_view_unsqueeze), IN_PLACE("aten::t_", op_view_t),
    IN_PLACE("aten::transpose_", op_view_transpose), IN_PLACE("aten::swapaxes_", op_view_transpose),
    IN_PLACE("aten::swapdims_", op_view_transpose), IN_PLACE("aten::as_strided_", op_view_as_strided), COPIED("aten::view_copy", op_view_size),
    COPIED("prim::view_copy", op_view_size), COPIED("aten::_reshape_copy", op_view_reshape), COPIED("prim::reshape_copy", op_view_reshape),
    COPIED("prim::flatten_copy", op_view_flatten), COPIED("aten::view_copy.dtype", op_view_dtype),
    COPIED("aten::permute_copy", op_view_permute), COPIED("aten::transpose_copy.int", op_view_transpose), COPIED("aten::t_copy", op_view_t),
    COPIED("aten::unsqueeze_copy", op_view_unsqueeze), COPIED("prim::unsqueeze_copy", op_view_unsqueeze),
    COPIED("aten::squeeze_copy", op_view_squeeze), COPIED("aten::squeeze_copy.dim", op_view_squeeze_dims),
    COPIED("aten::squeeze_copy.dims", op_view_squeeze_dims), COPIED("prim::squeeze_copy", op_view_squeeze),
    COPIED("prim::squeeze_copy.dim", op_view_squeeze_dims), COPIED("aten::expand_copy", op_view_expand),
    COPIED("prim::expand_copy", op_view_expand), COPIED("prim::expand_as_copy", op_view_expand_as),
    COPIED("aten::select_copy.int", op_view_select), COPIED("aten::slice_copy.Tensor", op_view_slice),
    COPIED("aten::narrow_copy", op_view_narrow), COPIED("aten::diagonal_copy", op_view_diagonal), COPIED("aten::unfold_copy", op_view_unfold),
    COPIED("aten::as_strided_copy", op_view_as_strided), COPIED("aten::_reshape_alias_copy", op_view_as_strided),
    COPIED("aten::view_as_real_copy", op_view_as_real), COPIED("aten::view_as_complex_copy", op_view_as_complex),
    COPIED("aten::alias_copy", op_view_alias), COPIED("aten::detach_copy", op_view_alias), COPIED("aten::lift_fresh_copy", op_view_alias),
    COPIED("aten::_conj_copy", op_view_conj), COPIED("aten::_neg_view_copy", op_view_neg),
    SCATTERED("aten::select_scatter", op_view_select),
    SCATTERED("aten::slice_scatter", op_view_slice), SCATTERED("aten::diagonal_scatter", op_view_diagonal),
    SCATTERED("aten::as_strided_scatter", op_view_as_strided),
    {0},
};
