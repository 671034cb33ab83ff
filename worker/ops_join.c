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
    if (!dtype_can_cast(tensor_dtype(made.as.tensor), tensor_dtype(out)))
        status = op_raise_class("TypeError", "torch.cat(): input types can't be cast to the desired output type %s", dtype_torch_name(tensor_dtype(out)));
    for (int d = 0; d < out->view.ndim && status == ST_OK; d++)
        if (out->view.stride[d] == 0 && out->view.size[d] > 1)
            status = op_raise("unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the "
                              "tensor before performing the operation.");
    if (status == ST_OK && !view_same_shape(&out->view, &made.as.tensor->view))
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

// ---- stacks along a fixed dimension: views with enough dimensions, then cat

// How a tensor of few dimensions is seen: atleast_2d and atleast_3d, or a column.
static void raise_dims(const View *v, int least, bool column, int *ndim, int64_t *size, int64_t *stride)
{
    int front = v->ndim == 0 ? 0 : least == 3 && v->ndim <= 2 ? (v->ndim == 1) : !column && least == 2 && v->ndim == 1;
    *ndim = v->ndim > least ? v->ndim : least;
    for (int d = 0; d < *ndim; d++) {
        size[d] = 1;
        stride[d] = 1;
        if (d >= front && d - front < v->ndim) {
            size[d] = v->size[d - front];
            stride[d] = v->stride[d - front];
        }
    }
}

static Status cat_raised(Lane *lane, Site *site, const IValue *args, int least, bool column, int64_t dim, IValue *rets)
{
    const ListObj *list = args[0].as.list;
    ListObj *raised = list_new(list->elem, list->len);
    if (!raised)
        return ST_MEMORY;
    Status status = ST_OK;
    for (uint32_t i = 0; i < list->len && status == ST_OK; i++) {
        Tensor *t = list->items[i].as.tensor, *view = NULL;
        int ndim;
        int64_t size[VIEW_MAX_DIMS] = {0}, stride[VIEW_MAX_DIMS] = {0};
        status = tensor_make_plain(lane, t);
        if (status != ST_OK)
            break;
        raise_dims(&t->view, least, column, &ndim, size, stride);
        status = tensor_view(lane, t, ndim, size, stride, t->offset, &view);
        if (status == ST_OK)
            status = list_push_take(raised, value_tensor_take(view));
    }
    IValue cat_args[2] = {value_list_take(raised), value_int(dim)};
    if (status == ST_OK)
        status = op_cat(lane, site, cat_args, rets);
    value_release(cat_args[0]);
    return status;
}

OP_FN(op_hstack)
{
    const ListObj *list = args[0].as.list;
    int ndim = list->len ? list->items[0].as.tensor->view.ndim : 0;
    return cat_raised(lane, site, args, 1, false, ndim > 1 ? 1 : 0, rets);
}
OP_FN(op_vstack) { return cat_raised(lane, site, args, 2, false, 0, rets); }
OP_FN(op_dstack) { return cat_raised(lane, site, args, 3, false, 2, rets); }
OP_FN(op_column_stack) { return cat_raised(lane, site, args, 2, true, 1, rets); }

// ---- repetition

// out seen with each repeated dimension split in two, and self with stride 0 in the repetitions.
static Status repeat(Lane *lane, Tensor *self, int ndim, const int64_t *times, bool interleave, IValue *rets)
{
    const View *v = &self->view;
    int pad = ndim - v->ndim, split = 0;
    int64_t size[VIEW_MAX_DIMS], to_stride[VIEW_MAX_DIMS], from_stride[VIEW_MAX_DIMS], parts[VIEW_MAX_DIMS];
    Tensor *out = NULL;
    for (int d = 0; d < ndim; d++) {
        if (times[d] < 0)
            return op_raise("Trying to create tensor with negative dimension %lld", (long long)times[d]);
        size[d] = times[d] * (d < pad ? 1 : v->size[d - pad]);
    }
    TRY(tensor_new(lane, tensor_dtype(self), ndim, size, &out));
    for (int d = 0; interleave && d < ndim; d++) {
        bool only = times[d] > 1 && times[d] <= 16 && pad == 0; // few copies: one pass for each, instead of many short ones
        for (int other = 0; other < ndim; other++)
            only = only && (other == d || times[other] == 1);
        Status status = ST_OK;
        for (int64_t k = 0; only && k < times[d] && status == ST_OK; k++) {
            View every = out->view;
            every.data = (char *)every.data + k * every.stride[d] * (int64_t)dtype_size(tensor_dtype(self));
            every.size[d] /= times[d];
            every.stride[d] *= times[d];
            if (view_numel(&every))
                status = copy_convert(&every, v);
        }
        if (only)
            return give_tensor(status, out, rets);
    }
    for (int d = 0; d < ndim; d++) {
        int64_t n = d < pad ? 1 : v->size[d - pad], step = d < pad ? 0 : v->stride[d - pad], to = out->view.stride[d];
        int64_t many[2] = {times[d], n}, to_steps[2] = {n * to, to}, from_steps[2] = {0, step};
        for (int i = 0; i < 2; i++) {
            int k = interleave ? 1 - i : i;
            if (many[k] == 1)
                continue;
            if (split == VIEW_MAX_DIMS)
                return give_tensor(op_raise("repeat: too many dimensions (limit %d)", VIEW_MAX_DIMS), out, rets);
            parts[split] = many[k];
            to_stride[split] = interleave ? (k == 0 ? to : times[d] * to) : to_steps[k];
            from_stride[split++] = from_steps[k];
        }
    }
    View to = view_window(&out->view, split, parts, to_stride, 0), from = view_window(v, split, parts, from_stride, 0);
    return give_tensor(view_numel(&out->view) ? copy_convert(&to, &from) : ST_OK, out, rets);
}

OP_FN(op_repeat)
{
    (void)site;
    int64_t times[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], times, VIEW_MAX_DIMS, &n));
    if (n < args[0].as.tensor->view.ndim)
        return op_raise("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
    return repeat(lane, args[0].as.tensor, n, times, false, rets);
}

// repeat, with ones for dimensions that are not named.
OP_FN(op_tile)
{
    (void)site;
    Tensor *self = args[0].as.tensor;
    int64_t given[VIEW_MAX_DIMS], times[VIEW_MAX_DIMS] = {0};
    int n, ndim = self->view.ndim;
    TRY(arg_ints(args[1], given, VIEW_MAX_DIMS, &n));
    int most = n > ndim ? n : ndim;
    for (int d = 0; d < most; d++)
        times[d] = d < most - n ? 1 : given[d - (most - n)];
    return repeat(lane, self, most, times, false, rets);
}

// The positions that a list of counts stands for: [2, 0, 1] gives 0 0 2.
static Status interleave_positions(Lane *lane, Tensor *repeats, Tensor **out)
{
    Tensor *counts;
    if (repeats->view.ndim > 1)
        return op_raise("repeat_interleave only accept 1D vector as repeat");
    TRY(index_as_int64(lane, repeats, "repeat_interleave", &counts));
    const int64_t *count = counts->view.data;
    int64_t n = tensor_numel(counts), total = 0;
    Status status = ST_OK;
    for (int64_t i = 0; i < n && status == ST_OK; i++) {
        if (count[i] < 0)
            status = op_raise("repeats can not be negative");
        else if (__builtin_add_overflow(total, count[i], &total))
            status = op_raise("repeat_interleave: the result is too large");
    }
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, 1, &total, out);
    if (status == ST_OK) {
        int64_t *to = (*out)->view.data;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < count[i]; k++)
                *to++ = i;
    }
    tensor_release(counts);
    return status;
}

// (repeats) or (self, repeats, dim): repeats is a number or a tensor of counts.
OP_FN(op_repeat_interleave)
{
    Tensor *self = args[0].as.tensor, *flat = NULL, *positions = NULL;
    if (site->arg_count < 3) {
        Tensor *out = NULL;
        Status status = interleave_positions(lane, self, &out);
        return give_tensor(status, out, rets);
    }
    int dim = 0;
    Status status = ST_OK;
    if (arg_is_none(args[2])) { // of the flattened tensor
        int64_t n = tensor_numel(self), one = 1;
        Tensor *packed;
        TRY(tensor_contiguous(lane, self, &packed));
        status = tensor_view(lane, packed, 1, &n, &one, packed->offset, &flat);
        tensor_release(packed);
        TRY(status);
        self = flat;
    } else {
        TRY(wrap_dim(args[2].as.i, self->view.ndim, &dim));
    }
    bool one_count = args[1].tag == TAG_TENSOR && tensor_numel(args[1].as.tensor) == 1 && dtype_is_integral(tensor_dtype(args[1].as.tensor));
    IValue count = args[1];
    if (one_count)
        status = tensor_item(lane, args[1].as.tensor, &count);
    if (status == ST_OK && count.tag == TAG_INT) {
        int64_t times[VIEW_MAX_DIMS];
        for (int d = 0; d < VIEW_MAX_DIMS; d++)
            times[d] = 1;
        times[dim] = count.as.i;
        int ndim = self->view.ndim ? self->view.ndim : 1;
        status = count.as.i < 0 ? op_raise("Repeats must be non-negative") : repeat(lane, self, ndim, times, true, rets);
    } else if (status == ST_OK) {
        if (tensor_numel(args[1].as.tensor) != self->view.size[dim])
            status = op_raise("repeats must have the same size as input along dim, but got repeats.size(0) = %lld and input.size(%d) = %lld",
                              (long long)tensor_numel(args[1].as.tensor), dim, (long long)self->view.size[dim]);
        if (status == ST_OK)
            status = interleave_positions(lane, args[1].as.tensor, &positions);
        if (status == ST_OK) {
            IValue select[3] = {value_tensor_take(self), value_int(dim), value_tensor_take(positions)};
            status = op_index_select(lane, site, select, rets);
            tensor_release(positions);
        }
    }
    if (flat)
        tensor_release(flat);
    return status;
}

// ---- reordering

static Status flip(Lane *lane, Tensor *self, const bool *flipped, IValue *rets)
{
    Tensor *out;
    View like = self->view, from = self->view;
    like.constant = false;
    const View *views[] = {&self->view};
    elementwise_strides(&like, 1, views);
    TRY(tensor_new_as(lane, &like, &out));
    if (view_numel(&from) == 0)
        return give_tensor(ST_OK, out, rets);
    int64_t start = 0;
    for (int d = 0; d < from.ndim; d++)
        if (flipped[d]) {
            start += (from.size[d] - 1) * from.stride[d];
            from.stride[d] = -from.stride[d];
        }
    from.data = (char *)from.data + start * (int64_t)dtype_size(tensor_dtype(self));
    return give_tensor(copy_convert(&out->view, &from), out, rets);
}

OP_FN(op_flip)
{
    (void)site;
    Tensor *self = args[0].as.tensor;
    int64_t dims[VIEW_MAX_DIMS];
    bool flipped[VIEW_MAX_DIMS] = {0};
    int n;
    TRY(arg_ints(args[1], dims, VIEW_MAX_DIMS, &n));
    for (int i = 0; i < n; i++) {
        int d;
        TRY(wrap_dim(dims[i], self->view.ndim, &d));
        if (flipped[d])
            return op_raise("dim %d appears multiple times in the list of dims", d);
        flipped[d] = true;
    }
    return flip(lane, self, flipped, rets);
}
OP_FN(op_fliplr)
{
    (void)site;
    if (args[0].as.tensor->view.ndim < 2)
        return op_raise("Input must be >= 2-d.");
    return flip(lane, args[0].as.tensor, (const bool[VIEW_MAX_DIMS]){false, true}, rets);
}
OP_FN(op_flipud)
{
    (void)site;
    if (args[0].as.tensor->view.ndim < 1)
        return op_raise("Input must be >= 1-d.");
    return flip(lane, args[0].as.tensor, (const bool[VIEW_MAX_DIMS]){true}, rets);
}

// Every combination of "before the seam" and "after it" of the rolled dimensions is one copy.
OP_FN(op_roll)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *source, *out = NULL;
    int64_t shifts[VIEW_MAX_DIMS], dims[VIEW_MAX_DIMS], shift[VIEW_MAX_DIMS] = {0};
    int n, n_dims;
    TRY(arg_ints(args[1], shifts, VIEW_MAX_DIMS, &n));
    TRY(arg_ints(args[2], dims, VIEW_MAX_DIMS, &n_dims));
    if (n == 0)
        return op_raise("`shifts` required");
    if (n != n_dims && !(n == 1 && n_dims == 0))
        return op_raise("shifts and dimensions must align. shifts: %d, dims:%d", n, n_dims);
    TRY(tensor_contiguous(lane, self, &source));
    Status status = tensor_new(lane, tensor_dtype(self), self->view.ndim, self->view.size, &out);
    View from = source->view, to = {0};
    if (status == ST_OK)
        to = out->view;
    int64_t all = view_numel(&from);
    if (n_dims == 0) { // of the flattened tensor
        view_set_contiguous(&from, 1, &all);
        view_set_contiguous(&to, 1, &all);
        dims[0] = 0;
        n_dims = 1;
    }
    for (int i = 0; i < n_dims && status == ST_OK; i++) {
        int d;
        status = wrap_dim(dims[i], from.ndim, &d);
        if (status == ST_OK && from.ndim && from.size[d])
            shift[d] = ((shift[d] + shifts[i]) % from.size[d] + from.size[d]) % from.size[d];
    }
    int rolled[VIEW_MAX_DIMS], count = 0;
    for (int d = 0; d < from.ndim; d++)
        if (shift[d])
            rolled[count++] = d;
    for (int part = 0; part < 1 << count && status == ST_OK && all; part++) {
        View a = from, b = to;
        for (int i = 0; i < count; i++) {
            int d = rolled[i];
            bool tail = part >> i & 1; // the last `shift` elements come first
            int64_t read = tail ? from.size[d] - shift[d] : 0, write = tail ? 0 : shift[d];
            a.size[d] = b.size[d] = tail ? shift[d] : from.size[d] - shift[d];
            a.data = (char *)a.data + read * a.stride[d] * (int64_t)dtype_size((DType)a.dtype);
            b.data = (char *)b.data + write * b.stride[d] * (int64_t)dtype_size((DType)b.dtype);
        }
        status = copy_convert(&b, &a);
    }
    tensor_release(source);
    return give_tensor(status, out, rets);
}

// tril and triu: rows are copied up to (from) the diagonal, the rest is zero. data: a ScatterRow whose op is 1 for triu.
OP_FN(op_triangle)
{
    const ScatterRow *row = site->op->data;
    Tensor *self = args[0].as.tensor, *out;
    const View *v = &self->view;
    if (v->ndim < 2)
        return op_raise("%s: input tensor must have at least 2 dimensions", row->op ? "triu" : "tril");
    TRY(tensor_clone(lane, self, &out));
    int64_t rows = v->size[v->ndim - 2], columns = v->size[v->ndim - 1], diagonal = args[1].as.i, element = (int64_t)dtype_size(tensor_dtype(self));
    int64_t planes = rows && columns ? view_numel(v) / (rows * columns) : 0;
    char *at = out->view.data;
    for (int64_t p = 0; p < planes; p++)
        for (int64_t i = 0; i < rows; i++, at += columns * element) {
            int64_t edge = i + diagonal + (row->op ? 0 : 1); // first column beyond (triu: within) the triangle
            edge = edge < 0 ? 0 : edge > columns ? columns : edge;
            if (row->op)
                memset(at, 0, (size_t)(edge * element));
            else
                memset(at + edge * element, 0, (size_t)((columns - edge) * element));
        }
    if (!row->in_place)
        return give_tensor(ST_OK, out, rets);
    Status status = tensor_copy_into(lane, self, out);
    tensor_release(out);
    return give_tensor(status, status == ST_OK ? tensor_retain(self) : NULL, rets);
}
