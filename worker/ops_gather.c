// Operators that read or write elements along one dimension: index_select, embedding, gather, scatter, index_add, one_hot.
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/promote.h"
#include "worker/ops_index.h"
#include "worker/pointwise.h"

Status index_as_int64(Lane *lane, Tensor *t, const char *what, Tensor **out)
{
    DType type = tensor_dtype(t);
    if (type != DT_I64 && type != DT_I32)
        return op_raise("%s: Expected dtype int32 or int64 for index", what);
    TRY(tensor_make_plain(lane, t));
    if (type == DT_I64)
        return tensor_contiguous(lane, t, out);
    Tensor *wide;
    TRY(tensor_to_dtype(lane, t, DT_I64, &wide));
    Status status = tensor_contiguous(lane, wide, out);
    tensor_release(wide);
    return status;
}

Status tensor_clone(Lane *lane, Tensor *t, Tensor **out)
{
    TRY(tensor_make_plain(lane, t));
    TRY(tensor_new(lane, tensor_dtype(t), t->view.ndim, t->view.size, out));
    return copy_convert(&(*out)->view, &t->view);
}

// self[…, index[k], …] with the index's dimensions in place of `dim`.
static Status select_rows(Lane *lane, Tensor *self, int dim, Tensor *index, bool keep_index_shape, IValue *rets)
{
    Tensor *rows = NULL, *at = NULL, *out = NULL;
    const View *v = &self->view;
    int64_t size[2 * VIEW_MAX_DIMS], outer = 1, inner = 1, bad = 0;
    int ndim = 0;
    for (int d = 0; d < dim && v->ndim; d++)
        outer *= size[ndim++] = v->size[d];
    if (keep_index_shape)
        for (int d = 0; d < index->view.ndim; d++)
            size[ndim++] = index->view.size[d];
    else if (v->ndim)
        size[ndim++] = tensor_numel(index);
    for (int d = dim + 1; d < v->ndim; d++)
        inner *= size[ndim++] = v->size[d];
    Status status = index_as_int64(lane, index, "index_select()", &at);
    if (status == ST_OK)
        status = tensor_contiguous(lane, self, &rows);
    if (status == ST_OK)
        status = tensor_new(lane, tensor_dtype(self), ndim, size, &out);
    if (status == ST_OK)
        status = take_rows(out->view.data, rows->view.data, outer, v->ndim ? v->size[dim] : 1, (size_t)inner * dtype_size(tensor_dtype(self)),
                           at->view.data, tensor_numel(at), &bad);
    if (status == ST_RAISED)
        status = op_raise_class("IndexError", "index out of range in self");
    if (rows)
        tensor_release(rows);
    if (at)
        tensor_release(at);
    return give_tensor(status, out, rets);
}

OP_FN(op_index_select)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *index = args[2].as.tensor;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (index->view.ndim > 1)
        return op_raise_class("IndexError", "index_select(): Index is supposed to be a vector");
    return select_rows(lane, self, dim, index, false, rets);
}

OP_FN(op_embedding)
{
    (void)site;
    Tensor *weight = args[0].as.tensor;
    if (weight->view.ndim != 2)
        return op_raise("'weight' must be 2-D");
    return select_rows(lane, weight, 0, args[1].as.tensor, true, rets);
}

// The base view of an operation along one dimension, over the shape of the index.
static View along(const View *self, const View *index, int dim)
{
    View v = view_window(self, index->ndim, index->size, self->stride, 0);
    if (v.ndim)
        v.stride[dim] = 0;
    return v;
}

static Status check_gather_shapes(const View *self, const View *index, int dim, const char *name)
{
    int ndim_self = self->ndim ? self->ndim : 1, ndim_index = index->ndim ? index->ndim : 1;
    if (ndim_self != ndim_index)
        return op_raise("Index tensor must have the same number of dimensions as %s tensor", name);
    for (int d = 0; d < self->ndim && d < index->ndim; d++)
        if (d != dim && index->size[d] > self->size[d]) {
            char a[200], b[200];
            shape_text(index, a, sizeof a);
            shape_text(self, b, sizeof b);
            return op_raise("Size does not match at dimension %d expected index %s to be smaller than self %s apart from dimension %d", d, a, b, dim);
        }
    return ST_OK;
}

static Status out_of_bounds(int64_t index, int dim, int64_t size)
{
    return op_raise("index %lld is out of bounds for dimension %d with size %lld", (long long)index, dim, (long long)size);
}

static Status gather(Lane *lane, Tensor *self, int dim, Tensor *index, IValue *rets)
{
    Tensor *at = NULL, *out = NULL;
    if (tensor_dtype(index) != DT_I64)
        return op_raise("gather(): Expected dtype int64 for index");
    if (tensor_numel(index))
        TRY(check_gather_shapes(&self->view, &index->view, dim, "input"));
    TRY(index_as_int64(lane, index, "gather()", &at));
    Status status = tensor_new(lane, tensor_dtype(self), index->view.ndim, index->view.size, &out);
    if (status == ST_OK && tensor_numel(index)) {
        View base = along(&self->view, &index->view, dim);
        int64_t size = self->view.ndim ? self->view.size[dim] : 1, bad;
        IndexPlan plan = {.count = 1, .size = {size}, .step = {self->view.ndim ? self->view.stride[dim] : 1}};
        const View *indices[] = {&at->view};
        int which;
        status = index_run(&plan, INDEX_GET, &out->view, &base, indices, &which, &bad);
        if (status == ST_RAISED)
            status = out_of_bounds(bad, dim, size);
    }
    tensor_release(at);
    return give_tensor(status, out, rets);
}

OP_FN(op_gather)
{
    (void)site;
    Tensor *self = args[0].as.tensor;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    return gather(lane, self, dim, args[2].as.tensor, rets);
}

// gather whose operands broadcast in the other dimensions; without a dimension: of the flattened tensors.
OP_FN(op_take_along_dim)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *index = args[1].as.tensor, *a = NULL, *b = NULL;
    if (arg_is_none(args[2]))
        return op_take(lane, site, args, rets);
    int dim;
    TRY(wrap_dim(args[2].as.i, self->view.ndim, &dim));
    if (self->view.ndim != index->view.ndim)
        return op_raise("torch.take_along_dim(): input and indices should have the same number of dimensions, but got %d dimensions for input, and %d dimensions for indices",
                        self->view.ndim, index->view.ndim);
    Tensor *both[2] = {self, index}, **made[2] = {&a, &b};
    Status status = ST_OK;
    for (int k = 0; k < 2 && status == ST_OK; k++) {
        int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
        for (int d = 0; d < self->view.ndim; d++) {
            bool stretch = d != dim && both[k]->view.size[d] == 1;
            size[d] = stretch ? both[1 - k]->view.size[d] : both[k]->view.size[d];
            stride[d] = stretch ? 0 : both[k]->view.stride[d];
        }
        status = tensor_view(lane, both[k], self->view.ndim, size, stride, both[k]->offset, made[k]);
    }
    if (status == ST_OK)
        status = gather(lane, a, dim, b, rets);
    if (a)
        tensor_release(a);
    if (b)
        tensor_release(b);
    return status;
}

// The tensor that an operator changes: self, or a copy of it.
static Status target(Lane *lane, const IValue *args, bool in_place, Tensor **out)
{
    Tensor *self = args[0].as.tensor;
    if (!in_place)
        return tensor_clone(lane, self, out);
    *out = tensor_retain(self);
    return ST_OK;
}

static Status reduction_named(IValue v, IndexOp *op, bool *mean)
{
    static const struct { const char *name; IndexOp op; } names[] = {
        {"add", INDEX_ADD}, {"sum", INDEX_ADD}, {"multiply", INDEX_MUL}, {"prod", INDEX_MUL}, {"amax", INDEX_MAX_OF}, {"amin", INDEX_MIN_OF}, {"mean", INDEX_ADD},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_is(str_of_value(v), names[i].name)) {
            *op = names[i].op;
            *mean = str_is(str_of_value(v), "mean");
            return ST_OK;
        }
    return op_raise("reduce argument must be either add or multiply.");
}

// self[…, index, …] op= dense, over the index's shape; dense may have stride 0.
static Status scatter(Lane *lane, Tensor *to, int dim, Tensor *index, const View *dense, IndexOp op)
{
    Tensor *at = NULL;
    (void)lane;
    if (tensor_dtype(index) != DT_I64)
        return op_raise("scatter(): Expected dtype int64 for index");
    if (tensor_numel(index) == 0)
        return ST_OK;
    TRY(index_as_int64(lane, index, "scatter()", &at));
    View base = along(&to->view, &index->view, dim);
    int64_t size = to->view.ndim ? to->view.size[dim] : 1, bad;
    IndexPlan plan = {.count = 1, .size = {size}, .step = {to->view.ndim ? to->view.stride[dim] : 1}, .in_order = true};
    const View *indices[] = {&at->view};
    int which;
    Status status = index_run(&plan, op, dense, &base, indices, &which, &bad);
    tensor_release(at);
    if (status == ST_DECLINED)
        return op_raise("scatter(): not supported for complex tensors");
    return status == ST_RAISED ? out_of_bounds(bad, dim, size) : status;
}

static void zero_like(Tensor *t) { memset(t->view.data, 0, view_bytes(&t->view)); }

// Divides by how often each place was written: the mean of scatter_reduce.
static Status divide_by_counts(Lane *lane, Site *site, Tensor *to, int dim, Tensor *index, bool include_self)
{
    Tensor *counts;
    TRY(tensor_new(lane, tensor_dtype(to), to->view.ndim, to->view.size, &counts));
    Status status = ST_OK;
    IValue one = value_int(1);
    Tensor *unit = NULL, *result = NULL;
    zero_like(counts);
    status = tensor_from_scalar(lane, one, tensor_dtype(to), &unit);
    if (status == ST_OK) {
        View ones = view_window(&unit->view, index->view.ndim, index->view.size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
        status = scatter(lane, counts, dim, index, &ones, INDEX_ADD);
    }
    // Places that were not written keep their value.
    for (int step = 0; step < 2 && status == ST_OK; step++) {
        PwCall c = step == 0 ? PW_CALL(include_self ? PW_ADD : PW_MAXIMUM, PW_COMMON)
                             : PW_CALL(dtype_is_floating(tensor_dtype(to)) ? PW_DIV : PW_DIV_FLOOR, PW_COMMON);
        c.out = step == 0 ? counts : to;
        pw_add(&c, PW_OPERAND, -1, value_tensor_take(c.out));
        pw_add(&c, PW_OPERAND, -1, step == 0 ? one : value_tensor_take(counts));
        Site own = {.op = site->op};
        status = pw_call(lane, &own, &c, &result);
        if (own.user)
            pw_free_user(own.user);
        if (status == ST_OK)
            tensor_release(result);
    }
    if (unit)
        tensor_release(unit);
    tensor_release(counts);
    return status;
}

// include_self=False: places that will be written start from the reduction's neutral element.
static Status start_neutral(Lane *lane, Tensor *to, int dim, Tensor *index, IndexOp op)
{
    bool real = dtype_is_floating(tensor_dtype(to));
    IValue start = value_int(op == INDEX_MUL ? 1 : 0);
    if (op == INDEX_MAX_OF)
        start = real ? value_float(-__builtin_inf()) : value_int(INT64_MIN >> (64 - 8 * dtype_size(tensor_dtype(to))));
    if (op == INDEX_MIN_OF)
        start = real ? value_float(__builtin_inf()) : value_int(INT64_MAX >> (64 - 8 * dtype_size(tensor_dtype(to))));
    if (tensor_dtype(to) == DT_U8 && op >= INDEX_MAX_OF)
        start = value_int(op == INDEX_MAX_OF ? 0 : 255);
    Tensor *cell;
    TRY(tensor_from_scalar(lane, start, tensor_dtype(to), &cell));
    View dense = view_window(&cell->view, index->view.ndim, index->view.size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    Status status = scatter(lane, to, dim, index, &dense, INDEX_SET);
    tensor_release(cell);
    return status;
}

// scatter in all its forms: (self, dim, index, src or value, …).
OP_FN(op_scatter)
{
    const ScatterRow *row = site->op->data;
    IndexOp op = (IndexOp)row->op;
    bool mean = false, include = true;
    Tensor *self = args[0].as.tensor, *index = args[2].as.tensor, *to, *cell = NULL;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (row->reduce >= 0)
        TRY(reduction_named(args[row->reduce], &op, &mean));
    if (row->include >= 0)
        include = args[row->include].as.b;
    if (tensor_numel(index))
        TRY(check_gather_shapes(&self->view, &index->view, dim, "self"));
    if (args[3].tag == TAG_TENSOR) {
        const View *src = &args[3].as.tensor->view;
        if (tensor_dtype(self) != (DType)src->dtype)
            return op_raise("scatter(): Expected self.dtype to be equal to src.dtype");
        for (int d = 0; d < index->view.ndim && d < src->ndim; d++)
            if (index->view.size[d] > src->size[d] && tensor_numel(index))
                return op_raise("scatter(): index is larger than src in dimension %d", d);
    }
    TRY(target(lane, args, row->in_place, &to));
    Status status = ST_OK;
    if (!include)
        status = start_neutral(lane, to, dim, index, op);
    const View *from = NULL;
    int64_t none[VIEW_MAX_DIMS] = {0};
    if (args[3].tag == TAG_TENSOR)
        from = &args[3].as.tensor->view;
    else if (status == ST_OK && (status = tensor_from_scalar(lane, args[3], tensor_dtype(to), &cell)) == ST_OK)
        from = &cell->view;
    if (status == ST_OK) {
        View dense = view_window(from, index->view.ndim, index->view.size, cell ? none : from->stride, 0);
        status = scatter(lane, to, dim, index, &dense, op);
    }
    if (status == ST_OK && mean)
        status = divide_by_counts(lane, site, to, dim, index, include);
    if (cell)
        tensor_release(cell);
    return give_tensor(status, to, rets);
}

// to[…, index[k], …] op= source[…, k, …] (dense may be one element with stride 0).
static Status write_slices(Lane *lane, Tensor *to, int dim, Tensor *index, const View *source, IndexOp op, const char *name)
{
    Tensor *at;
    TRY(index_as_int64(lane, index, name, &at));
    int64_t n = tensor_numel(at), size = to->view.ndim ? to->view.size[dim] : 1, bad;
    View base = view_window(&to->view, to->view.ndim, to->view.size, to->view.stride, 0), dense = *source;
    View where = view_window(&at->view, to->view.ndim, to->view.size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    if (base.ndim) {
        base.stride[dim] = 0;
        base.size[dim] = where.size[dim] = n;
        where.stride[dim] = 1;
    }
    IndexPlan plan = {.count = 1, .size = {size}, .step = {to->view.ndim ? to->view.stride[dim] : 1}, .in_order = true};
    const View *indices[] = {&where};
    int which;
    dense.ndim = base.ndim;
    memcpy(dense.size, base.size, sizeof base.size);
    Status status = index_run(&plan, op, &dense, &base, indices, &which, &bad);
    tensor_release(at);
    return status == ST_RAISED ? op_raise_class("IndexError", "index out of range in self") : status;
}

static Status check_source(const View *self, const View *source, int dim, int64_t n, const char *name)
{
    bool fits = self->ndim == source->ndim || (self->ndim <= 1 && source->ndim <= 1);
    for (int d = 0; d < self->ndim && d < source->ndim && fits; d++)
        fits = source->size[d] == (d == dim ? n : self->size[d]);
    return fits ? ST_OK : op_raise("%s: Number of indices (%lld) should be equal to source.size(dim)", name, (long long)n);
}

OP_FN(op_index_add)
{
    bool in_place = site->op->flags & OP_WRITES_ARG0;
    Tensor *self = args[0].as.tensor, *source = args[3].as.tensor, *scaled = NULL, *to;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (tensor_dtype(self) != tensor_dtype(source))
        return op_raise("index_add_(): self and source must have the same scalar type");
    TRY(check_source(&self->view, &source->view, dim, tensor_numel(args[2].as.tensor), "index_add_()"));
    if (arg_double(args[4]) != 1) {
        PwCall c = PW_CALL(PW_MUL, PW_SELF);
        pw_add(&c, PW_OPERAND, -1, args[3]);
        pw_add(&c, PW_VALUE, -1, args[4]);
        TRY(pw_call(lane, site, &c, &scaled));
        source = scaled;
    }
    Status status = target(lane, args, in_place, &to);
    if (status == ST_OK) {
        status = tensor_make_plain(lane, source);
        if (status == ST_OK)
            status = write_slices(lane, to, dim, args[2].as.tensor, &source->view, INDEX_ADD, "index_add_()");
        status = give_tensor(status, to, rets);
    }
    if (scaled)
        tensor_release(scaled);
    return status;
}

OP_FN(op_index_copy)
{
    Tensor *self = args[0].as.tensor, *source = args[3].as.tensor, *to;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (tensor_dtype(self) != tensor_dtype(source))
        return op_raise("index_copy_(): self and source expected to have the same dtype");
    TRY(check_source(&self->view, &source->view, dim, tensor_numel(args[2].as.tensor), "index_copy_()"));
    TRY(target(lane, args, site->op->flags & OP_WRITES_ARG0, &to));
    return give_tensor(write_slices(lane, to, dim, args[2].as.tensor, &source->view, INDEX_SET, "index_copy_()"), to, rets);
}

OP_FN(op_index_fill)
{
    Tensor *self = args[0].as.tensor, *to, *cell = NULL;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (args[3].tag == TAG_TENSOR)
        TRY(tensor_to_dtype(lane, args[3].as.tensor, tensor_dtype(self), &cell));
    else
        TRY(tensor_from_scalar(lane, args[3], tensor_dtype(self), &cell));
    Status status = target(lane, args, site->op->flags & OP_WRITES_ARG0, &to);
    if (status == ST_OK) {
        View value = view_window(&cell->view, 0, NULL, NULL, 0);
        status = give_tensor(write_slices(lane, to, dim, args[2].as.tensor, &value, INDEX_SET, "index_fill_()"), to, rets);
    }
    tensor_release(cell);
    return status;
}

// self seen as one dimension.
OP_FN(op_take)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *index = args[1].as.tensor, *flat = NULL, *at = NULL, *out = NULL;
    if (tensor_dtype(index) != DT_I64)
        return op_raise("take(): Expected a long tensor for index, but got %s", dtype_torch_name(tensor_dtype(index)));
    Status status = tensor_contiguous(lane, self, &flat);
    if (status == ST_OK)
        status = index_as_int64(lane, index, "take()", &at);
    if (status == ST_OK)
        status = tensor_new(lane, tensor_dtype(self), index->view.ndim, index->view.size, &out);
    if (status == ST_OK) {
        int64_t n = tensor_numel(self), bad;
        View base = view_window(&flat->view, index->view.ndim, index->view.size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
        IndexPlan plan = {.count = 1, .size = {n}, .step = {1}, .wrap = true};
        const View *indices[] = {&at->view};
        int which;
        status = index_run(&plan, INDEX_GET, &out->view, &base, indices, &which, &bad);
        if (status == ST_RAISED)
            status = op_raise_class("IndexError", "out of range: tried to access index %lld on a tensor of %lld elements.", (long long)bad, (long long)n);
    }
    if (flat)
        tensor_release(flat);
    if (at)
        tensor_release(at);
    return give_tensor(status, out, rets);
}

OP_FN(op_one_hot)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *at, *out = NULL;
    int64_t classes = args[1].as.i, n = tensor_numel(self), most = -1, least = 0;
    if (tensor_dtype(self) != DT_I64)
        return op_raise("one_hot is only applicable to index tensor.");
    if (n == 0 && classes <= 0)
        return op_raise("Can not infer total number of classes from empty tensor.");
    if (self->view.ndim == VIEW_MAX_DIMS)
        return op_raise("one_hot: too many dimensions (limit %d)", VIEW_MAX_DIMS);
    TRY(index_as_int64(lane, self, "one_hot", &at));
    const int64_t *values = at->view.data;
    for (int64_t i = 0; i < n; i++) {
        most = values[i] > most ? values[i] : most;
        least = values[i] < least ? values[i] : least;
    }
    Status status = ST_OK;
    if (least < 0)
        status = op_raise("Class values must be non-negative.");
    else if (classes == -1)
        classes = most + 1;
    else if (classes < 1)
        status = op_raise("num_classes should be positive");
    else if (most >= classes)
        status = op_raise("Class values must be smaller than num_classes.");
    if (status == ST_OK) {
        int64_t size[VIEW_MAX_DIMS];
        memcpy(size, self->view.size, sizeof size);
        size[self->view.ndim] = classes;
        status = tensor_new(lane, DT_I64, self->view.ndim + 1, size, &out);
    }
    if (status == ST_OK) {
        int64_t *to = out->view.data;
        memset(to, 0, (size_t)(n * classes) * sizeof *to);
        for (int64_t i = 0; i < n; i++)
            to[i * classes + values[i]] = 1;
    }
    tensor_release(at);
    return give_tensor(status, out, rets);
}
