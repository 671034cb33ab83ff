// Operators that put their result together from copies: cat, stack.
#include "kernels/copy.h"
#include "kernels/pointwise.h"
#include "kernels/promote.h"
#include "worker/ops_index.h"
#include "worker/pointwise.h"

// Tensors of the list; empty 1-d ones, which cat skips whatever the other shapes are, do not count for shapes.
static bool skipped(const Tensor *t) { return t->view.ndim == 1 && t->view.size[0] == 0; }

// Shape and dtype of a concatenation, and its first tensor that counts (NULL: none).
static Status cat_shape(const ListObj *list, int64_t dim_arg, View *out, int *dim, const Tensor **first)
{
    Promotion types = PROMOTION_NONE;
    *first = NULL;
    if (list->len == 0)
        return op_raise("torch.cat(): expected a non-empty list of Tensors");
    for (uint32_t i = 0; i < list->len; i++) {
        const Tensor *t = list->items[i].as.tensor;
        promote_tensor(&types, tensor_dtype(t), t->view.ndim);
        if (t->view.ndim == 0)
            return op_raise("zero-dimensional tensor (at position %u) cannot be concatenated", i);
        if (skipped(t))
            continue;
        if (!*first) {
            *first = t;
            TRY(wrap_dim(dim_arg, t->view.ndim, dim));
            memcpy(out->size, t->view.size, sizeof out->size);
            out->ndim = t->view.ndim;
            continue;
        }
        if (t->view.ndim != out->ndim)
            return op_raise("Tensors must have same number of dimensions: got %d and %d", out->ndim, t->view.ndim);
        for (int d = 0; d < out->ndim; d++)
            if (d != *dim && t->view.size[d] != out->size[d])
                return op_raise("Sizes of tensors must match except in dimension %d. Expected size %lld but got size %lld for tensor number %u in the list.",
                                *dim, (long long)out->size[d], (long long)t->view.size[d], i);
        out->size[*dim] += t->view.size[*dim];
    }
    if (!*first) {
        out->ndim = 1;
        out->size[0] = 0;
        *dim = 0;
    }
    out->dtype = (uint8_t)promotion_result(&types);
    return ST_OK;
}

// The private layout that all tensors share and that can be joined without leaving it; STRIDED otherwise.
static Layout cat_layout(const ListObj *list, const View *out, int dim)
{
    Layout layout = LAYOUT_STRIDED;
    for (uint32_t i = 0; i < list->len; i++) {
        const View *v = &list->items[i].as.tensor->view;
        int64_t block = v->layout == LAYOUT_BLOCK16 ? 16 : v->layout == LAYOUT_BLOCK8 ? 8 : 1;
        if (v->layout == LAYOUT_STRIDED || v->dtype != out->dtype || dim > 1 || v->size[1] % block || (i && v->layout != layout))
            return LAYOUT_STRIDED;
        layout = (Layout)v->layout;
    }
    return layout;
}

// Channels-last when every tensor is.
static void cat_strides(const ListObj *list, View *out)
{
    bool channels_last = out->ndim == 4 || out->ndim == 5, any = false;
    for (uint32_t i = 0; i < list->len && channels_last; i++) {
        const Tensor *t = list->items[i].as.tensor;
        if (skipped(t))
            continue;
        any = true;
        channels_last = view_is_channels_last(&t->view) && !view_is_contiguous(&t->view);
    }
    view_set_contiguous(out, out->ndim, out->size);
    if (!channels_last || !any)
        return;
    int64_t step = 1;
    for (int i = 0; i < out->ndim; i++) {
        int d = i == 0 ? 1 : i == out->ndim - 1 ? 0 : out->ndim - i;
        out->stride[d] = step;
        step *= out->size[d] > 1 ? out->size[d] : 1;
    }
}

// Copies the tensors behind one another along dim of `to`.
static Status cat_copy(const ListObj *list, const View *to, int dim)
{
    View whole = *to;
    Layout layout = (Layout)to->layout;
    if (layout != LAYOUT_STRIDED && !view_physical(to, layout, to->ndim, to->size[1], &whole))
        return status_fail(ST_INTERNAL, "cat: channels do not fill the blocks");
    int64_t at = 0;
    for (uint32_t i = 0; i < list->len; i++) {
        const Tensor *t = list->items[i].as.tensor;
        if (skipped(t))
            continue;
        View from = t->view;
        if (layout != LAYOUT_STRIDED)
            view_physical(&t->view, layout, t->view.ndim, t->view.size[1], &from);
        View part = view_window(&whole, whole.ndim, whole.size, whole.stride, at * whole.stride[dim]);
        part.size[dim] = from.size[dim];
        at += from.size[dim];
        TRY(copy_convert(&part, &from));
    }
    return ST_OK;
}

static Status make_list_plain(Lane *lane, const ListObj *list)
{
    for (uint32_t i = 0; i < list->len; i++)
        TRY(tensor_make_plain(lane, list->items[i].as.tensor));
    return ST_OK;
}

OP_FN(op_cat)
{
    (void)site;
    const ListObj *list = args[0].as.list;
    View like = {0};
    const Tensor *first;
    int dim;
    TRY(cat_shape(list, args[1].as.i, &like, &dim, &first));
    Layout layout = cat_layout(list, &like, dim);
    if (layout == LAYOUT_STRIDED)
        TRY(make_list_plain(lane, list));
    cat_strides(list, &like);
    like.layout = (uint8_t)layout;
    Tensor *out;
    TRY(tensor_new_as(lane, &like, &out));
    Status status = cat_copy(list, &out->view, dim);
    if (status != ST_OK) {
        tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// The result goes through a fresh tensor, so that out may be one of the operands.
static Status into_out(Lane *lane, OpFn fn, Site *site, const IValue *args, Tensor *out, IValue *rets)
{
    IValue made;
    TRY(fn(lane, site, args, &made));
    Status status = ST_OK;
    if (!view_same_shape(&out->view, &made.as.tensor->view))
        status = out_resize(lane, out, made.as.tensor->view.ndim, made.as.tensor->view.size);
    if (status == ST_OK)
        status = tensor_copy_into(lane, out, made.as.tensor);
    value_release(made);
    TRY(status);
    rets[0] = value_tensor_take(tensor_retain(out));
    return ST_OK;
}

OP_FN(op_cat_out) { return into_out(lane, op_cat, site, args, args[2].as.tensor, rets); }

OP_FN(op_stack)
{
    (void)site;
    const ListObj *list = args[0].as.list;
    if (list->len == 0)
        return op_raise("stack expects a non-empty TensorList");
    Tensor *first = list->items[0].as.tensor, *out;
    View like = {0};
    int dim;
    TRY(wrap_dim(args[1].as.i, first->view.ndim + 1, &dim));
    if (first->view.ndim + 1 > VIEW_MAX_DIMS)
        return op_raise("stack: too many dimensions (limit %d)", VIEW_MAX_DIMS);
    Promotion types = PROMOTION_NONE;
    for (uint32_t i = 0; i < list->len; i++) {
        Tensor *t = list->items[i].as.tensor;
        if (!view_same_shape(&t->view, &first->view)) {
            char a[200], b[200];
            shape_text(&first->view, a, sizeof a);
            shape_text(&t->view, b, sizeof b);
            return op_raise("stack expects each tensor to be equal size, but got %s at entry 0 and %s at entry %u", a, b, i);
        }
        promote_tensor(&types, tensor_dtype(t), t->view.ndim);
        TRY(tensor_make_plain(lane, t));
    }
    for (int d = 0; d <= first->view.ndim; d++)
        like.size[d] = d < dim ? first->view.size[d] : d == dim ? (int64_t)list->len : first->view.size[d - 1];
    TRY(tensor_new(lane, promotion_result(&types), first->view.ndim + 1, like.size, &out));
    Status status = ST_OK;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int d = 0, k = 0; d < out->view.ndim; d++)
        if (d != dim) {
            size[k] = out->view.size[d];
            stride[k++] = out->view.stride[d];
        }
    for (uint32_t i = 0; i < list->len && status == ST_OK; i++) {
        View part = view_window(&out->view, first->view.ndim, size, stride, i * out->view.stride[dim]);
        status = copy_convert(&part, &list->items[i].as.tensor->view);
    }
    if (status != ST_OK) {
        tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}
OP_FN(op_stack_out) { return into_out(lane, op_stack, site, args, args[2].as.tensor, rets); }
