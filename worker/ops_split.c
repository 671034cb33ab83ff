// Operator bindings: views that come in lists: split, chunk, unbind, meshgrid, broadcast_tensors and their relatives.
// All results share the storage of their argument.
#include "worker/op_util.h"

#include <stdlib.h>

// Views being collected into a list.
typedef struct Parts {
    Lane *lane;
    Tensor *base;
    int dim;
    ListObj *list;
} Parts;

static Status parts_begin(Parts *p, Lane *lane, Tensor *base, int dim, int64_t count)
{
    if (count > UINT32_MAX / 2)
        return op_raise("too many parts (%lld)", (long long)count);
    *p = (Parts){lane, base, dim, list_new(type_of_kind(lane->types, TYPE_TENSOR), (uint32_t)count)};
    return p->list ? ST_OK : ST_MEMORY;
}

static Status parts_view(Parts *p, int ndim, const int64_t *size, const int64_t *stride, int64_t offset)
{
    Tensor *t;
    Status status = tensor_view(p->lane, p->base, ndim, size, stride, offset, &t);
    if (status == ST_OK)
        status = list_push_take(p->list, value_tensor_take(t));
    if (status != ST_OK)
        value_release(value_list_take(p->list));
    return status;
}

// Elements [start, start + length) of dimension `dim`; the range lies inside.
static Status parts_range(Parts *p, int64_t start, int64_t length)
{
    const View *v = &p->base->view;
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, v->size, v->ndim * sizeof *size);
    size[p->dim] = length;
    return parts_view(p, v->ndim, size, v->stride, p->base->offset + start * v->stride[p->dim]);
}

// A list argument of any length as ints; *out is malloc'ed.
static Status int_list(IValue v, int64_t **out, int *n)
{
    int max = v.tag == TAG_LIST ? (int)v.as.list->len : 1;
    *out = malloc(((size_t)max + 1) * sizeof **out);
    if (!*out)
        return status_no_memory(((size_t)max + 1) * sizeof **out);
    Status status = arg_ints(v, *out, max, n);
    if (status != ST_OK)
        free(*out);
    return status;
}

OP_FN(op_unbind)
{
    Tensor *t = args[0].as.tensor;
    const View *v = &t->view;
    int dim;
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    if (v->ndim == 0)
        return op_raise("Dimension specified as 0 but tensor has no dimensions");
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS], step = v->stride[dim];
    for (int d = 0; d < v->ndim - 1; d++) {
        size[d] = v->size[d + (d >= dim)];
        stride[d] = v->stride[d + (d >= dim)];
    }
    Parts p;
    TRY(parts_begin(&p, lane, t, dim, v->size[dim]));
    for (int64_t i = 0; i < v->size[dim]; i++)
        TRY(parts_view(&p, v->ndim - 1, size, stride, t->offset + i * step));
    rets[0] = value_list_take(p.list);
    return ST_OK;
}

static Status split_evenly(Lane *lane, Tensor *t, int64_t part, int64_t dim_arg, IValue *ret)
{
    int dim;
    if (t->view.ndim == 0)
        return op_raise("split expects at least a 1-dimensional tensor");
    if (part < 0)
        return op_raise("split expects split_size be non-negative, but got split_size=%lld", (long long)part);
    TRY(wrap_dim(dim_arg, t->view.ndim, &dim));
    int64_t n = t->view.size[dim];
    if (part == 0 && n != 0)
        return op_raise("split_size can only be 0 if dimension size is 0, but got dimension size of %lld", (long long)n);
    int64_t count = n == 0 ? 1 : n / part + (n % part != 0);
    Parts p;
    TRY(parts_begin(&p, lane, t, dim, count));
    for (int64_t i = 0; i < count; i++)
        TRY(parts_range(&p, i * part, i < count - 1 ? part : n - i * part));
    *ret = value_list_take(p.list);
    return ST_OK;
}

OP_FN(op_split)
{
    return split_evenly(lane, args[0].as.tensor, args[1].as.i, args[2].as.i, rets);
}

OP_FN(op_chunk)
{
    Tensor *t = args[0].as.tensor;
    int64_t chunks = args[1].as.i;
    int dim;
    if (t->view.ndim == 0)
        return op_raise("chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0)
        return op_raise("chunk expects `chunks` to be greater than 0, got: %lld", (long long)chunks);
    TRY(wrap_dim(args[2].as.i, t->view.ndim, &dim));
    int64_t n = t->view.size[dim];
    if (n > 0)
        return split_evenly(lane, t, n / chunks + (n % chunks != 0), dim, rets);
    Parts p; // nothing to share out: every chunk is empty
    TRY(parts_begin(&p, lane, t, dim, chunks));
    for (int64_t i = 0; i < chunks; i++)
        TRY(parts_range(&p, 0, 0));
    rets[0] = value_list_take(p.list);
    return ST_OK;
}

OP_FN(op_split_with_sizes)
{
    Tensor *t = args[0].as.tensor;
    int dim, n;
    if (t->view.ndim == 0)
        return op_raise("split expects at least a 1-dimensional tensor");
    TRY(wrap_dim(args[2].as.i, t->view.ndim, &dim));
    int64_t *sizes, left = t->view.size[dim], at = 0;
    TRY(int_list(args[1], &sizes, &n));
    Parts p;
    Status status = parts_begin(&p, lane, t, dim, n);
    for (int i = 0; i < n && status == ST_OK; i++) {
        if (sizes[i] < 0)
            status = op_raise("split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=%s", size_text(sizes, n).text);
        else if (sizes[i] > left)
            left = -1;
        if (status != ST_OK || left < 0) {
            value_release(value_list_take(p.list));
            break;
        }
        status = parts_range(&p, at, sizes[i]);
        at += sizes[i];
        left -= sizes[i];
    }
    if (status == ST_OK && left != 0) {
        if (left > 0)
            value_release(value_list_take(p.list));
        status = op_raise("split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size at dimension %d), but got split_sizes=%s",
                          (long long)t->view.size[dim], dim, size_text(sizes, n).text);
    }
    free(sizes);
    if (status == ST_OK)
        rets[0] = value_list_take(p.list);
    return status;
}

// [start, end) as a slice would clamp it.
static Status parts_slice(Parts *p, int64_t start, int64_t end)
{
    int64_t n = p->base->view.size[p->dim];
    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    start = start < 0 ? 0 : start > n ? n : start;
    end = end < start ? start : end > n ? n : end;
    return parts_range(p, start, end - start);
}

static Status split_sections(Lane *lane, Tensor *t, int64_t sections, int dim, IValue *ret)
{
    if (sections <= 0)
        return op_raise("number of sections must be larger than 0, got %lld", (long long)sections);
    int64_t n = t->view.size[dim], at = 0;
    Parts p;
    TRY(parts_begin(&p, lane, t, dim, sections));
    for (int64_t i = 0; i < sections; i++) { // the first n % sections parts are one longer
        int64_t length = n / sections + (i < n % sections);
        TRY(parts_range(&p, at, length));
        at += length;
    }
    *ret = value_list_take(p.list);
    return ST_OK;
}

static Status split_at(Lane *lane, Tensor *t, const int64_t *at, int n, int dim, IValue *ret)
{
    Parts p;
    TRY(parts_begin(&p, lane, t, dim, (int64_t)n + 1));
    for (int i = 0; i <= n; i++)
        TRY(parts_slice(&p, i == 0 ? 0 : at[i - 1], i == n ? t->view.size[dim] : at[i]));
    *ret = value_list_take(p.list);
    return ST_OK;
}

// `places` is a number of sections, a list of indices, or a tensor that holds either.
static Status tensor_split(Lane *lane, Tensor *t, IValue places, int64_t dim_arg, IValue *ret)
{
    int dim, n;
    if (t->view.ndim == 0)
        return op_raise("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    TRY(wrap_dim(dim_arg, t->view.ndim, &dim));
    if (places.tag == TAG_INT)
        return split_sections(lane, t, places.as.i, dim, ret);
    if (places.tag == TAG_TENSOR) {
        Tensor *ints;
        if (places.as.tensor->view.ndim > 1 || tensor_dtype(places.as.tensor) != DT_I64)
            return op_raise("tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor with dtype torch.int64");
        TRY(tensor_contiguous(lane, places.as.tensor, &ints));
        const int64_t *at = ints->view.data;
        Status status = ints->view.ndim ? split_at(lane, t, at, (int)ints->view.size[0], dim, ret)
                                        : split_sections(lane, t, at[0], dim, ret);
        tensor_release(ints);
        return status;
    }
    int64_t *at;
    TRY(int_list(places, &at, &n));
    Status status = split_at(lane, t, at, n, dim, ret);
    free(at);
    return status;
}

OP_FN(op_tensor_split)
{
    return tensor_split(lane, args[0].as.tensor, args[1], args[2].as.i, rets);
}

// hsplit, vsplit, dsplit: the letter is in `data`.
OP_FN(op_letter_split)
{
    char letter = *(const char *)site->op->data;
    Tensor *t = args[0].as.tensor;
    int least = letter == 'h' ? 1 : letter == 'v' ? 2 : 3, dim = least - 1;
    if (t->view.ndim < least)
        return op_raise("torch.%csplit requires a tensor with at least %d dimension, but got a tensor with %d dimensions!", letter, least, t->view.ndim);
    dim = letter == 'v' ? 0 : letter == 'h' ? (t->view.ndim > 1) : 2;
    if (args[1].tag == TAG_INT && (args[1].as.i == 0 || t->view.size[dim] % args[1].as.i))
        return op_raise("torch.%csplit attempted to split along dimension %d, but the size of the dimension %lld is not divisible by the split_size %lld!",
                        letter, dim, (long long)t->view.size[dim], (long long)args[1].as.i);
    return tensor_split(lane, t, args[1], dim, rets);
}

// ---- Lists of tensors in, lists of views out ----------------------------------------------------------------------------

// size[0 … *n) becomes the shape that both broadcast to.
static Status broadcast_shape(int64_t *size, int *n, const int64_t *other, int m)
{
    int64_t out[VIEW_MAX_DIMS];
    int longest = *n > m ? *n : m;
    for (int i = 1; i <= longest; i++) {
        int64_t a = i <= *n ? size[*n - i] : 1, b = i <= m ? other[m - i] : 1;
        if (a != b && a != 1 && b != 1)
            return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                            (long long)a, (long long)b, longest - i);
        out[longest - i] = a == 1 ? b : a;
    }
    memcpy(size, out, (size_t)longest * sizeof *size);
    *n = longest;
    return check_numel(longest, out);
}

// t expanded to a shape that it broadcasts to.
static Status expanded(Lane *lane, Tensor *t, int n, const int64_t *size, Tensor **out)
{
    int64_t stride[VIEW_MAX_DIMS];
    for (int d = 0; d < n; d++) {
        int from = d - (n - t->view.ndim);
        stride[d] = from < 0 || t->view.size[from] != size[d] ? 0 : t->view.stride[from];
    }
    return tensor_view(lane, t, n, size, stride, t->offset, out);
}

// Replaces items[i] by made tensors and hands the list over; `made` of them exist when status is a failure.
static Status finish_list(Lane *lane, Tensor **items, int n, int made, Status status, IValue *ret)
{
    if (status == ST_OK)
        status = list_of_tensors_take(lane, items, n, ret);
    else
        for (int i = 0; i < made; i++)
            tensor_release(items[i]);
    free(items);
    return status;
}

OP_FN(op_broadcast_tensors)
{
    Tensor **items;
    int count, n = 0, made = 0;
    int64_t size[VIEW_MAX_DIMS];
    TRY(arg_tensors(args[0], &items, &count));
    Status status = ST_OK;
    for (int i = 0; i < count && status == ST_OK; i++)
        status = broadcast_shape(size, &n, items[i]->view.size, items[i]->view.ndim);
    for (; made < count && status == ST_OK; made += status == ST_OK)
        status = expanded(lane, items[made], n, size, &items[made]);
    return finish_list(lane, items, count, made, status, rets);
}

OP_FN(op_broadcast_shapes)
{
    int64_t size[VIEW_MAX_DIMS], other[VIEW_MAX_DIMS];
    int n, m;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    TRY(arg_ints(args[1], other, VIEW_MAX_DIMS, &m));
    TRY(broadcast_shape(size, &n, other, m));
    return list_of_ints(size, n, rets);
}

OP_FN(op_meshgrid)
{
    Tensor **items;
    int count, made = 0;
    int64_t size[VIEW_MAX_DIMS];
    bool xy = false;
    if (site->arg_count > 1) {
        Str indexing = str_of_value(args[1]);
        xy = str_is(indexing, "xy");
        if (!xy && !str_is(indexing, "ij"))
            return op_raise("torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: " STR_FMT, STR_ARG(indexing));
    }
    TRY(arg_tensors(args[0], &items, &count));
    Status status = count == 0 ? op_raise("meshgrid expects a non-empty TensorList")
                    : count > VIEW_MAX_DIMS ? op_raise("meshgrid: too many tensors (limit %d)", VIEW_MAX_DIMS) : ST_OK;
    xy = xy && count >= 2;
    for (int i = 0; i < count && status == ST_OK; i++) {
        if (items[i]->view.ndim > 1)
            status = op_raise("torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: %dD", items[i]->view.ndim);
        else if (tensor_dtype(items[i]) != tensor_dtype(items[0]))
            status = op_raise("torch.meshgrid expects all tensors to have the same dtype");
        else // "xy" exchanges the first two dimensions
            size[xy && i < 2 ? 1 - i : i] = tensor_numel(items[i]);
    }
    for (; made < count && status == ST_OK; made += status == ST_OK) {
        int64_t stride[VIEW_MAX_DIMS] = {0};
        Tensor *t = items[made];
        stride[xy && made < 2 ? 1 - made : made] = t->view.ndim ? t->view.stride[0] : 0;
        status = tensor_view(lane, t, count, size, stride, t->offset, &items[made]);
    }
    return finish_list(lane, items, count, made, status, rets);
}

// atleast_1d, 2d, 3d of every tensor: `data` is the number.
OP_FN(op_atleast_list)
{
    Tensor **items;
    int count, made = 0, wanted = *(const int *)site->op->data;
    TRY(arg_tensors(args[0], &items, &count));
    Status status = ST_OK;
    for (; made < count && status == ST_OK; made += status == ST_OK) {
        Tensor *t = items[made];
        const View *v = &t->view;
        if (v->ndim >= wanted) {
            tensor_retain(t);
            continue;
        }
        int64_t size[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
        int front = wanted >= 2 && v->ndim <= 1;
        for (int d = 0; d < v->ndim; d++) {
            size[d + front] = v->size[d];
            stride[d + front] = v->stride[d];
        }
        if (front && v->ndim)
            stride[0] = v->size[0] * v->stride[0];
        status = tensor_view(lane, t, wanted, size, stride, t->offset, &items[made]);
    }
    return finish_list(lane, items, count, made, status, rets);
}

// The list operators of `data` on copies instead of views.
typedef struct ListOp { OpFn fn; } ListOp;

OP_FN(parts_copied)
{
    const ListOp *op = site->op->data;
    IValue views;
    TRY(op->fn(lane, site, args, &views));
    ListObj *list = views.as.list;
    for (uint32_t i = 0; i < list->len; i++) {
        Tensor *part = list->items[i].as.tensor, *copy;
        Status status = tensor_copy_as(lane, part, tensor_dtype(part), FORMAT_PRESERVE, &copy);
        if (status != ST_OK) {
            value_release(views);
            return status;
        }
        tensor_release(part);
        list->items[i] = value_tensor_take(copy);
    }
    rets[0] = views;
    return ST_OK;
}

static const int ONE = 1, TWO = 2, THREE = 3;

#define ROW(name, fn) {name, fn, OP_BITS, NULL, NULL}
#define COPIED(name, fn) {name, parts_copied, 0, &(const ListOp){fn}, NULL}

const OpBinding OPS_SPLIT[] = {
    ROW("aten::unbind.int", op_unbind), ROW("aten::split.Tensor", op_split), ROW("aten::unsafe_split.Tensor", op_split),
    ROW("aten::chunk", op_chunk), ROW("aten::unsafe_chunk", op_chunk), ROW("aten::split_with_sizes", op_split_with_sizes),
    ROW("aten::split.sizes", op_split_with_sizes), ROW("aten::split", op_split_with_sizes),
    ROW("aten::unsafe_split_with_sizes", op_split_with_sizes), ROW("aten::tensor_split.sections", op_tensor_split),
    ROW("aten::tensor_split.indices", op_tensor_split),
    ROW("aten::tensor_split.tensor_indices_or_sections", op_tensor_split),
    {"aten::hsplit.int", op_letter_split, OP_BITS, "h", NULL}, {"aten::hsplit.array", op_letter_split, OP_BITS, "h", NULL},
    {"aten::vsplit.int", op_letter_split, OP_BITS, "v", NULL}, {"aten::vsplit.array", op_letter_split, OP_BITS, "v", NULL},
    {"aten::dsplit.int", op_letter_split, OP_BITS, "d", NULL}, {"aten::dsplit.array", op_letter_split, OP_BITS, "d", NULL},
    ROW("aten::broadcast_tensors", op_broadcast_tensors), ROW("aten::broadcast_shapes", op_broadcast_shapes),
    ROW("aten::_infer_size", op_broadcast_shapes), ROW("aten::meshgrid", op_meshgrid), ROW("aten::meshgrid.indexing", op_meshgrid),
    {"aten::atleast_1d.Sequence", op_atleast_list, OP_BITS, &ONE, NULL}, {"aten::atleast_2d.Sequence", op_atleast_list, OP_BITS, &TWO, NULL},
    {"aten::atleast_3d.Sequence", op_atleast_list, OP_BITS, &THREE, NULL},
    COPIED("aten::unbind_copy.int", op_unbind), COPIED("aten::split_copy.Tensor", op_split),
    COPIED("aten::split_with_sizes_copy", op_split_with_sizes),
    {0},
};
