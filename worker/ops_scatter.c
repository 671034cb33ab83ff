// Operators that write elements at computed positions: scatter, index_add, index_copy, index_fill, index_reduce, put and
// their forms. Each lays its positions out as Places, over which one driver (kernels/index.h) runs.
#include "kernels/convert.h"
#include "kernels/index.h"
#include "kernels/promote.h"
#include "worker/ops_index.h"
#include "worker/pointwise.h"

#include <math.h>

// Where a tensor is written: `base` over the shape of what is written there, and the index over that shape.
typedef struct Places {
    View base, where;
    IndexPlan plan;
    int dim;
} Places;

// self[i0, …, index[i], …] over the index's shape (scatter).
static Places places_along(const View *self, const View *index, int dim)
{
    Places p = {.base = view_window(self, index->ndim, index->size, self->stride, 0), .where = *index, .dim = dim};
    if (p.base.ndim)
        p.base.stride[dim] = 0;
    p.plan = (IndexPlan){.count = 1, .size = {self->ndim ? self->size[dim] : 1}, .step = {self->ndim ? self->stride[dim] : 1}, .in_order = true};
    return p;
}

// self[…, index[k], …]: whole slices (index_add and its like). The index has one dimension at most.
static Places places_slices(const View *self, const View *index, int dim)
{
    Places p = {.base = view_window(self, self->ndim, self->size, self->stride, 0), .dim = dim};
    p.where = view_window(index, self->ndim, self->size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    if (self->ndim) {
        p.base.stride[dim] = 0;
        p.base.size[dim] = p.where.size[dim] = view_numel(index);
        p.where.stride[dim] = index->ndim ? index->stride[0] : 1;
    }
    p.plan = (IndexPlan){.count = 1, .size = {self->ndim ? self->size[dim] : 1}, .step = {self->ndim ? self->stride[dim] : 1}, .in_order = true};
    return p;
}

// Elements of a contiguous tensor by their number (put).
static Places places_flat(const View *self, const View *index)
{
    Places p = {.base = view_window(self, index->ndim, index->size, (int64_t[VIEW_MAX_DIMS]){0}, 0), .where = *index};
    p.plan = (IndexPlan){.count = 1, .size = {view_numel(self)}, .step = {1}, .wrap = true, .in_order = true};
    return p;
}

// The same places of another tensor, which is contiguous where `self` may not be.
typedef Places (*PlacesFn)(const View *self, const View *index, int dim);

// dense has the shape of the places, or is one element.
static Status places_run(const Places *p, IndexOp op, const View *dense)
{
    const View *indices[] = {&p->where};
    View all = *dense;
    if (dense->ndim == 0)
        all = view_window(dense, p->base.ndim, p->base.size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    int which;
    int64_t bad;
    if (view_numel(&p->base) == 0)
        return ST_OK;
    Status status = index_run(&p->plan, op, &all, &p->base, indices, &which, &bad);
    if (status == ST_DECLINED)
        return op_raise("scatter(): this reduction does not support complex tensors");
    if (status == ST_RAISED)
        return op_raise("index %lld is out of bounds for dimension %d with size %lld", (long long)bad, p->dim, (long long)p->plan.size[0]);
    return status;
}

// One number everywhere.
static Status places_set(Lane *lane, const Places *p, IndexOp op, IValue number)
{
    Tensor *cell;
    TRY(tensor_from_scalar(lane, number, (DType)p->base.dtype, &cell));
    Status status = places_run(p, op, &cell->view);
    tensor_release(cell);
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

// ---- reductions

typedef struct Reduction {
    IndexOp op;
    bool mean;
} Reduction;

// choices: the names that this operator knows, for the message.
static Status reduction_named(IValue v, const char *choices, Reduction *out)
{
    static const struct { const char *name; Reduction reduction; } names[] = {
        {"add", {INDEX_ADD, false}}, {"sum", {INDEX_ADD, false}}, {"multiply", {INDEX_MUL, false}}, {"prod", {INDEX_MUL, false}},
        {"amax", {INDEX_MAX_OF, false}}, {"amin", {INDEX_MIN_OF, false}}, {"mean", {INDEX_ADD, true}},
    };
    Str wanted = str_of_value(v);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_is(wanted, names[i].name) && strstr(choices, names[i].name)) {
            *out = names[i].reduction;
            return ST_OK;
        }
    if (strstr(choices, "multiply"))
        return op_raise("reduce argument must be either add or multiply.");
    return op_raise("reduce argument must be either %s, got " STR_FMT ".", choices, STR_ARG(wanted));
}

// What a reduction starts from in a dtype.
static IValue neutral(IndexOp op, DType t)
{
    if (op == INDEX_ADD || op == INDEX_MUL)
        return value_int(op == INDEX_MUL);
    bool low = op == INDEX_MAX_OF;
    if (t == DT_BOOL)
        return value_int(!low);
    if (t == DT_U8)
        return value_int(low ? 0 : 255);
    if (dtype_is_floating(t) || dtype_is_complex(t))
        return value_float(low ? -INFINITY : INFINITY);
    return value_int((low ? INT64_MIN : INT64_MAX) >> (64 - 8 * dtype_size(t)));
}

// One pointwise step in place, with a site of its own.
static Status combine(Lane *lane, Site *site, PwOp op, Tensor *to, IValue with)
{
    Tensor *result;
    PwCall c = PW_CALL(op, PW_COMMON);
    c.out = to;
    pw_add(&c, PW_OPERAND, -1, value_tensor_take(to));
    pw_add(&c, PW_OPERAND, -1, with);
    Site own = {.op = site->op};
    Status status = pw_call(lane, &own, &c, &result);
    if (own.user)
        pw_free_user(own.user);
    if (status == ST_OK)
        tensor_release(result);
    return status;
}

// The mean: what was summed is divided by how many there were; places that were not written keep their value.
static Status divide_by_counts(Lane *lane, Site *site, Tensor *to, PlacesFn fn, const View *index, int dim, bool include_self)
{
    Tensor *counts;
    DType t = tensor_dtype(to);
    TRY(tensor_new(lane, t, to->view.ndim, to->view.size, &counts));
    Status status = tensor_fill(counts, value_int(include_self));
    Places p = fn(&counts->view, index, dim);
    if (status == ST_OK)
        status = places_set(lane, &p, INDEX_ADD, value_int(1));
    if (status == ST_OK && !include_self)
        status = combine(lane, site, PW_MAXIMUM, counts, value_int(1));
    if (status == ST_OK)
        status = combine(lane, site, dtype_is_floating(t) || dtype_is_complex(t) ? PW_DIV : PW_DIV_FLOOR, to, value_tensor_take(counts));
    tensor_release(counts);
    return status;
}

// to[places] op= dense, with `include_self` false starting from the neutral element.
static Status reduce_into(Lane *lane, Site *site, Tensor *to, PlacesFn fn, const View *index, int dim, Reduction r, bool include_self, const View *dense)
{
    Places p = fn(&to->view, index, dim);
    if (!include_self)
        TRY(places_set(lane, &p, INDEX_SET, neutral(r.op, tensor_dtype(to))));
    TRY(places_run(&p, r.op, dense));
    return r.mean ? divide_by_counts(lane, site, to, fn, index, dim, include_self) : ST_OK;
}

// ---- scatter

Status check_scatter_index(const View *self, const View *index, const char *name, const char *of, int dim)
{
    if (view_numel(index) == 0)
        return ST_OK;
    if (index->dtype != DT_I64 && index->dtype != DT_I32)
        return op_raise("%s(): Expected dtype int32/int64 for index", name);
    int ndim_self = self->ndim ? self->ndim : 1, ndim_index = index->ndim ? index->ndim : 1;
    if (ndim_self != ndim_index)
        return op_raise("Index tensor must have the same number of dimensions as %s tensor", of);
    for (int d = 0; d < self->ndim && d < index->ndim; d++)
        if (d != dim && index->size[d] > self->size[d])
            return op_raise("Size does not match at dimension %d expected index %s to be %s %s apart from dimension %d", d, size_text(index->size, index->ndim).text,
                            strcmp(name, "gather") == 0 ? "smaller than self" : "no larger than self", size_text(self->size, self->ndim).text, dim);
    return ST_OK;
}

static Status check_scatter_source(const View *self, const View *index, const View *source)
{
    if (self->dtype != source->dtype)
        return op_raise("scatter(): Expected self.dtype to be equal to src.dtype");
    if (view_numel(index) == 0)
        return ST_OK;
    if ((source->ndim ? source->ndim : 1) != (index->ndim ? index->ndim : 1))
        return op_raise("Index tensor must have the same number of dimensions as src tensor");
    for (int d = 0; d < index->ndim && d < source->ndim; d++)
        if (index->size[d] > source->size[d])
            return op_raise("scatter(): Expected index %s to be no larger than src %s in dimension %d", size_text(index->size, index->ndim).text,
                            size_text(source->size, source->ndim).text, d);
    return ST_OK;
}

// scatter in all its forms: (self, dim, index, src or value, …).
OP_FN(op_scatter)
{
    const ScatterRow *row = site->op->data;
    Reduction reduction = {(IndexOp)row->op, false};
    Tensor *self = args[0].as.tensor, *index = args[2].as.tensor, *to, *at = NULL, *cell = NULL, *own = NULL;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (row->reduce >= 0)
        TRY(reduction_named(args[row->reduce], row->include >= 0 ? "sum, prod, mean, amax or amin" : "add multiply", &reduction));
    bool include = row->include < 0 || args[row->include].as.b, many = args[3].tag == TAG_TENSOR;
    TRY(check_scatter_index(&self->view, &index->view, "scatter", "self", dim));
    if (many)
        TRY(check_scatter_source(&self->view, &index->view, &args[3].as.tensor->view));
    TRY(target(lane, args, row->in_place, &to));
    if (tensor_numel(index) == 0)
        return give_tensor(ST_OK, to, rets);
    Status status = index_as_int64(lane, index, "scatter()", &at);
    View dense = {0};
    if (status == ST_OK && many) {
        Tensor *src = args[3].as.tensor;
        if (src->storage == to->storage) // what is read must not be overwritten before
            status = tensor_clone(lane, src, &own);
        dense = view_window(own ? &own->view : &src->view, at->view.ndim, at->view.size, own ? own->view.stride : src->view.stride, 0);
    } else if (status == ST_OK) {
        status = tensor_from_scalar(lane, args[3], tensor_dtype(to), &cell);
        if (status == ST_OK)
            dense = cell->view;
    }
    if (status == ST_OK)
        status = reduce_into(lane, site, to, places_along, &at->view, dim, reduction, include, &dense);
    Tensor *temporary[] = {at, cell, own};
    for (int i = 0; i < 3; i++)
        if (temporary[i])
            tensor_release(temporary[i]);
    return give_tensor(status, to, rets);
}

// ---- slices

// Of the operators (self, dim, index, source, …): checks, the wrapped dimension and the index as int64.
static Status slices_begin(Lane *lane, const IValue *args, const char *name, bool int32, int *dim, Tensor **at)
{
    const Tensor *self = args[0].as.tensor, *source = args[3].as.tensor;
    Tensor *index = args[2].as.tensor;
    const View *v = &self->view, *s = &source->view;
    TRY(wrap_dim(args[1].as.i, v->ndim, dim));
    if (index->view.ndim > 1)
        return op_raise_class("IndexError", "%s(): Index is supposed to be a vector, but got dim: %d with type: %s and size: %s", name, index->view.ndim,
                              dtype_torch_name(tensor_dtype(index)), size_text(index->view.size, index->view.ndim).text);
    if (tensor_dtype(index) != DT_I64 && !(int32 && tensor_dtype(index) == DT_I32))
        return int32 ? op_raise("%s(): Expected dtype int32/int64 for index but got: %s", name, dtype_torch_name(tensor_dtype(index)))
                     : op_raise("%s(): Expected a long tensor for index, but got %s", name, dtype_torch_name(tensor_dtype(index)));
    if (v->dtype != s->dtype)
        return op_raise("%s(): self and source expected to have the same dtype, but got (self) %s and (source) %s", name, dtype_torch_name((DType)v->dtype),
                        dtype_torch_name((DType)s->dtype));
    int64_t n = tensor_numel(index), have = s->ndim ? *dim < s->ndim ? s->size[*dim] : -1 : 1;
    if (have < 0)
        return op_raise("%s(): Indexing dim %d is out of bounds of the source tensor with dim %d", name, *dim, s->ndim);
    if (n != have)
        return op_raise("%s(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %d", name, (long long)n, (long long)have, *dim);
    bool fits = v->ndim == s->ndim || (v->ndim <= 1 && s->ndim <= 1);
    for (int d = 0; d < v->ndim && d < s->ndim && fits; d++)
        fits = d == *dim || v->size[d] == s->size[d];
    if (!fits)
        return op_raise("%s(): Source/destination tensor must have same slice shapes. Destination slice shape: %s at dimension %d and source slice shape: %s at dimension %d.",
                        name, size_text(v->size, v->ndim).text, *dim, size_text(s->size, s->ndim).text, *dim);
    return index_as_int64(lane, index, name, at);
}

// to[…, index[k], …] op= source[…, k, …]
static Status write_slices(Lane *lane, Site *site, const IValue *args, const View *source, const View *index, int dim, Reduction r, bool include, IValue *rets)
{
    Tensor *to, *own = NULL;
    bool in_place = site->op->flags & OP_WRITES_ARG0;
    TRY(target(lane, args, in_place, &to));
    Places p = places_slices(&to->view, index, dim);
    Status status = ST_OK;
    View from = *source;
    if (in_place && args[3].tag == TAG_TENSOR && args[3].as.tensor->storage == to->storage) {
        status = tensor_clone(lane, args[3].as.tensor, &own);
        if (status == ST_OK && source->data == args[3].as.tensor->view.data)
            from = own->view;
    }
    View dense = view_window(&from, p.base.ndim, p.base.size, from.stride, 0);
    if (status == ST_OK)
        status = reduce_into(lane, site, to, places_slices, index, dim, r, include, &dense);
    if (own)
        tensor_release(own);
    return give_tensor(status, to, rets);
}

OP_FN(op_index_add)
{
    int dim;
    Tensor *at, *scaled = NULL;
    TRY(slices_begin(lane, args, "index_add_", true, &dim, &at));
    Status status = tensor_make_plain(lane, args[3].as.tensor);
    bool scale = args[4].tag == TAG_COMPLEX || arg_double(args[4]) != 1;
    if (status == ST_OK && scale) {
        PwCall c = PW_CALL(PW_MUL, PW_SELF);
        pw_add(&c, PW_OPERAND, -1, args[3]);
        pw_add(&c, PW_VALUE, -1, args[4]);
        status = pw_call(lane, site, &c, &scaled);
    }
    if (status == ST_OK)
        status = write_slices(lane, site, args, scaled ? &scaled->view : &args[3].as.tensor->view, &at->view, dim, (Reduction){INDEX_ADD, false}, true, rets);
    if (scaled)
        tensor_release(scaled);
    tensor_release(at);
    return status;
}

OP_FN(op_index_copy)
{
    int dim;
    Tensor *at;
    TRY(slices_begin(lane, args, "index_copy_", false, &dim, &at));
    Status status = write_slices(lane, site, args, &args[3].as.tensor->view, &at->view, dim, (Reduction){INDEX_SET, false}, true, rets);
    tensor_release(at);
    return status;
}

OP_FN(op_index_reduce) // self, dim, index, source, reduce, include_self
{
    int dim;
    Tensor *at;
    Reduction r;
    TRY(reduction_named(args[4], "prod, mean, amax or amin", &r));
    TRY(slices_begin(lane, args, "index_reduce_", true, &dim, &at));
    Status status = write_slices(lane, site, args, &args[3].as.tensor->view, &at->view, dim, r, args[5].as.b, rets);
    tensor_release(at);
    return status;
}

OP_FN(op_index_fill)
{
    Tensor *self = args[0].as.tensor, *index = args[2].as.tensor, *to, *at = NULL, *cell = NULL;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (tensor_dtype(index) != DT_I64)
        return op_raise_class("IndexError", "index_fill_(): Expected dtype int64 for index.");
    if (index->view.ndim > 1)
        return op_raise_class("IndexError", "index_fill_(): Index has to be a vector/scalar");
    bool complex_value = args[3].tag == TAG_COMPLEX || (args[3].tag == TAG_TENSOR && dtype_is_complex(tensor_dtype(args[3].as.tensor)));
    if (complex_value && !dtype_is_complex(tensor_dtype(self)))
        return op_raise("index_fill_(): Converting complex Scalar to non-complex type is not supported");
    if (args[3].tag == TAG_TENSOR && args[3].as.tensor->view.ndim)
        return op_raise("index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).", args[3].as.tensor->view.ndim);
    if (args[3].tag == TAG_TENSOR)
        TRY(tensor_to_dtype(lane, args[3].as.tensor, tensor_dtype(self), &cell));
    else
        TRY(tensor_from_scalar(lane, args[3], tensor_dtype(self), &cell));
    Status status = index_as_int64(lane, index, "index_fill_()", &at);
    if (status == ST_OK)
        status = target(lane, args, site->op->flags & OP_WRITES_ARG0, &to);
    if (status == ST_OK) {
        Places p = places_slices(&to->view, &at->view, dim);
        p.plan.wrap = true;
        status = give_tensor(places_run(&p, INDEX_SET, &cell->view), to, rets);
    }
    tensor_release(cell);
    if (at)
        tensor_release(at);
    return status;
}

// ---- by number

OP_FN(op_put) // self, index, source, accumulate
{
    Tensor *self = args[0].as.tensor, *index = args[1].as.tensor, *source = args[2].as.tensor, *to = NULL, *at = NULL, *from = NULL;
    bool in_place = site->op->flags & OP_WRITES_ARG0;
    if (tensor_dtype(index) != DT_I64)
        return op_raise("put_(): Expected a long tensor for index, but got %s", dtype_torch_name(tensor_dtype(index)));
    if (tensor_dtype(self) != tensor_dtype(source))
        return op_raise("put_(): self and source expected to have the same dtype, but got self.dtype = %s and source.dtype = %s",
                        dtype_torch_name(tensor_dtype(self)), dtype_torch_name(tensor_dtype(source)));
    int64_t n = tensor_numel(index), size = tensor_numel(self);
    if (tensor_numel(source) != n)
        return op_raise("put_(): Expected source and index to have the same number of elements, but got source.numel() = %lld, index.numel() = %lld",
                        (long long)tensor_numel(source), (long long)n);
    if (size == 0 && n)
        return op_raise_class("IndexError", "put_(): Tried to put elements into an empty tensor");
    Status status = index_as_int64(lane, index, "put_()", &at);
    if (status == ST_OK)
        status = tensor_clone(lane, source, &from);
    if (status == ST_OK)
        status = in_place && tensor_is_contiguous(self) ? (to = tensor_retain(self), ST_OK) : tensor_clone(lane, self, &to);
    if (status == ST_OK && n) {
        Places p = places_flat(&to->view, &at->view);
        View dense = view_window(&from->view, at->view.ndim, at->view.size, at->view.stride, 0);
        int which;
        int64_t bad;
        const View *indices[] = {&p.where};
        status = index_run(&p.plan, args[3].as.b ? INDEX_ADD : INDEX_SET, &dense, &p.base, indices, &which, &bad);
        if (status == ST_RAISED)
            status = op_raise_class("IndexError", "out of range: tried to access index %lld on a tensor of %lld elements.", (long long)bad, (long long)size);
    }
    if (status == ST_OK && in_place && to != self) {
        status = tensor_copy_into(lane, self, to);
        tensor_release(to);
        to = tensor_retain(self);
    }
    if (at)
        tensor_release(at);
    if (from)
        tensor_release(from);
    return give_tensor(status, to, rets);
}
