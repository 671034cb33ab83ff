// Operator bindings: indexing, gathering, sorting, joining. Indexing with tensors is here; the other functions are in the
// files that ops_index.h names.
#include "worker/ops_index.h"

#include "kernels/copy.h"
#include "kernels/index.h"
#include "worker/pointwise.h"

// ---- indexing with tensors: x[i, :, mask]

typedef struct Indexing {
    int count;                     // index tensors, masks expanded
    Tensor *index[INDEX_MAX];      // int64, owned
    int dim[INDEX_MAX];            // of self
    int index_ndim;                // shape that the index tensors broadcast to
    int64_t index_size[VIEW_MAX_DIMS];
    int at;                        // first dimension of the result that comes from the indices
    View base;                     // self over the result's shape, stride 0 where the indices are
    IndexPlan plan;
    View where[INDEX_MAX];         // the index tensors over the result's shape
} Indexing;

static void indexing_free(Indexing *x)
{
    for (int k = 0; k < x->count; k++)
        tensor_release(x->index[k]);
}

static Status add_index(Lane *lane, Indexing *x, Tensor *index, int dim)
{
    if (x->count == INDEX_MAX)
        return op_raise("too many index tensors (limit %d)", INDEX_MAX);
    Tensor *wide;
    TRY(tensor_make_plain(lane, index));
    TRY(tensor_to_dtype(lane, index, DT_I64, &wide));
    x->dim[x->count] = dim;
    x->index[x->count++] = wide;
    return ST_OK;
}

// A mask stands for one index tensor per dimension of it.
static Status add_mask(Lane *lane, Indexing *x, Tensor *mask, const View *self, int dim)
{
    const View *m = &mask->view;
    for (int d = 0; d < m->ndim; d++)
        if (dim + d >= self->ndim || m->size[d] != self->size[dim + d]) {
            char a[200], b[200];
            shape_text(m, a, sizeof a);
            shape_text(self, b, sizeof b);
            return op_raise_class("IndexError", "The shape of the mask %s at index %d does not match the shape of the indexed tensor %s at index %d", a, d, b, dim + d);
        }
    TRY(tensor_make_plain(lane, mask));
    int64_t n = count_true(m);
    Tensor *all;
    TRY(tensor_new(lane, DT_I64, 2, (int64_t[]){m->ndim, n}, &all));
    true_positions(m, n, all->view.data);
    Status status = ST_OK;
    for (int d = 0; d < m->ndim && status == ST_OK; d++) {
        Tensor *column;
        int64_t step = 1;
        status = tensor_view(lane, all, 1, &n, &step, d * n, &column);
        if (status == ST_OK) {
            status = add_index(lane, x, column, dim + d);
            tensor_release(column);
        }
    }
    tensor_release(all);
    return status;
}

static Status read_indices(Lane *lane, Indexing *x, const View *self, const ListObj *list)
{
    int dim = 0;
    for (uint32_t i = 0; i < list->len; i++) {
        if (list->items[i].tag != TAG_TENSOR) {
            dim++;
            continue;
        }
        Tensor *t = list->items[i].as.tensor;
        DType type = tensor_dtype(t);
        if (type == DT_BOOL || type == DT_U8) {
            TRY(add_mask(lane, x, t, self, dim));
            dim += t->view.ndim;
        } else if (type == DT_I64 || type == DT_I32 || type == DT_I16 || type == DT_I8) {
            TRY(add_index(lane, x, t, dim++));
        } else {
            return op_raise_class("IndexError", "tensors used as indices must be long, byte or bool tensors");
        }
    }
    return dim > self->ndim ? op_raise_class("IndexError", "too many indices for tensor of dimension %d (got %d)", self->ndim, dim) : ST_OK;
}

static Status broadcast_indices(Indexing *x)
{
    for (int k = 0; k < x->count; k++) {
        const View *v = &x->index[k]->view;
        if (!broadcast_shapes(x->index_ndim, x->index_size, v->ndim, v->size, &x->index_ndim, x->index_size)) {
            char text[600] = "", shape[200];
            for (int i = 0; i < x->count && strlen(text) < 380; i++) {
                shape_text(&x->index[i]->view, shape, sizeof shape);
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? ", " : "", shape);
            }
            return op_raise_class("IndexError", "shape mismatch: indexing tensors could not be broadcast together with shapes %s", text);
        }
    }
    return ST_OK;
}

// Lays out the result: the indices' dimensions stand where the indexed ones were when those are neighbours, else in front.
static Status place(Indexing *x, const View *self)
{
    bool indexed[VIEW_MAX_DIMS] = {0}, adjacent = true;
    for (int k = 0; k < x->count; k++)
        indexed[x->dim[k]] = true;
    for (int k = 1; k < x->count; k++)
        adjacent = adjacent && x->dim[k] == x->dim[k - 1] + 1;
    int front = adjacent && x->count ? x->dim[0] : 0, ndim = 0;
    if (self->ndim - x->count + x->index_ndim > VIEW_MAX_DIMS)
        return op_raise("index: too many dimensions in the result (limit %d)", VIEW_MAX_DIMS);
    View *b = &x->base;
    *b = (View){.dtype = self->dtype, .device = self->device, .data = self->data};
    int d = 0;
    for (; ndim < front; d++) { // nothing before the first indexed dimension is indexed
        b->size[ndim] = self->size[d];
        b->stride[ndim++] = self->stride[d];
    }
    x->at = front;
    for (int i = 0; i < x->index_ndim; i++)
        b->size[ndim++] = x->index_size[i];
    for (; d < self->ndim; d++)
        if (!indexed[d]) {
            b->size[ndim] = self->size[d];
            b->stride[ndim++] = self->stride[d];
        }
    b->ndim = (uint8_t)ndim;
    x->plan = (IndexPlan){.count = x->count, .wrap = true};
    for (int k = 0; k < x->count; k++) {
        x->plan.size[k] = self->size[x->dim[k]];
        x->plan.step[k] = self->stride[x->dim[k]];
        const View *v = &x->index[k]->view;
        View *w = &x->where[k];
        *w = view_window(v, ndim, b->size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
        int shift = x->at + x->index_ndim - v->ndim;
        for (int i = 0; i < v->ndim; i++)
            if (v->size[i] != 1)
                w->stride[shift + i] = v->stride[i];
    }
    return ST_OK;
}

static Status indexing_make(Lane *lane, Indexing *x, const View *self, const ListObj *list)
{
    *x = (Indexing){0};
    Status status = read_indices(lane, x, self, list);
    if (status == ST_OK)
        status = broadcast_indices(x);
    if (status == ST_OK)
        status = place(x, self);
    if (status != ST_OK)
        indexing_free(x);
    return status;
}

static Status indexing_run(Indexing *x, IndexOp op, const View *dense)
{
    const View *where[INDEX_MAX];
    int bad_index;
    int64_t bad;
    for (int k = 0; k < x->count; k++)
        where[k] = &x->where[k];
    Status status = index_run(&x->plan, op, dense, &x->base, where, &bad_index, &bad);
    if (status == ST_RAISED)
        return op_raise_class("IndexError", "index %lld is out of bounds for dimension %d with size %lld", (long long)bad, x->dim[bad_index],
                              (long long)x->plan.size[bad_index]);
    return status == ST_DECLINED ? op_raise("index_put_(): not supported for complex tensors") : status;
}

static Status op_index(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *out = NULL;
    Indexing x;
    TRY(indexing_make(lane, &x, &self->view, args[1].as.list));
    Status status = tensor_new(lane, tensor_dtype(self), x.base.ndim, x.base.size, &out);
    if (status == ST_OK)
        status = indexing_run(&x, INDEX_GET, &out->view);
    indexing_free(&x);
    return give_tensor(status, out, rets);
}

// values over the shape of the indexed places; ST_RAISED when they do not broadcast to it.
static Status spread(const View *values, const View *base, View *out)
{
    int ndim;
    int64_t size[VIEW_MAX_DIMS];
    bool fits = broadcast_shapes(values->ndim, values->size, base->ndim, base->size, &ndim, size) && ndim <= base->ndim;
    for (int d = 0; d < base->ndim && fits; d++)
        fits = size[d] == base->size[d];
    if (!fits) {
        char a[200], b[200];
        shape_text(values, a, sizeof a);
        shape_text(base, b, sizeof b);
        return op_raise("shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of shape %s", a, b);
    }
    *out = view_window(values, base->ndim, base->size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    for (int d = 0, shift = base->ndim - values->ndim; d < values->ndim; d++)
        if (values->size[d] != 1)
            out->stride[shift + d] = values->stride[d];
    return ST_OK;
}

static Status index_put(Lane *lane, Tensor *self, const ListObj *list, Tensor *values, bool accumulate)
{
    Indexing x;
    View dense;
    bool one = tensor_numel(values) == 1; // a single number of any type
    if (tensor_dtype(self) != tensor_dtype(values) && !one)
        return op_raise("Index put requires the source and destination dtypes match, got %s for the destination and %s for the source.",
                        dtype_torch_name(tensor_dtype(self)), dtype_torch_name(tensor_dtype(values)));
    TRY(check_overlap(self, values));
    for (uint32_t i = 0; i < list->len; i++)
        if (list->items[i].tag == TAG_TENSOR)
            TRY(check_overlap(self, list->items[i].as.tensor));
    TRY(indexing_make(lane, &x, &self->view, list));
    Tensor *own = NULL; // values that live in self's memory are copied first
    Status status = ST_OK;
    if (tensor_dtype(self) != tensor_dtype(values))
        status = tensor_to_dtype(lane, values, tensor_dtype(self), &own);
    else if (values->storage == self->storage)
        status = tensor_clone(lane, values, &own);
    if (status == ST_OK)
        status = spread(own ? &own->view : &values->view, &x.base, &dense);
    x.plan.in_order = true;
    if (status == ST_OK)
        status = indexing_run(&x, accumulate ? INDEX_ADD : INDEX_SET, &dense);
    if (own)
        tensor_release(own);
    indexing_free(&x);
    return status;
}

static Status op_index_put(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *to;
    if (site->op->flags & OP_WRITES_ARG0)
        to = tensor_retain(args[0].as.tensor);
    else
        TRY(tensor_clone(lane, args[0].as.tensor, &to));
    return give_tensor(index_put(lane, to, args[1].as.list, args[2].as.tensor, args[3].as.b), to, rets);
}

// ---- masks and positions

// self and mask over their common shape.
static Status common_shape(const View *self, const View *mask, int *ndim, int64_t *size)
{
    if (broadcast_shapes(self->ndim, self->size, mask->ndim, mask->size, ndim, size))
        return ST_OK;
    char a[200], b[200];
    shape_text(self, a, sizeof a);
    shape_text(mask, b, sizeof b);
    return op_raise("The shapes of the tensor %s and of the mask %s do not broadcast", a, b);
}

static View stretched(const View *v, int ndim, const int64_t *size)
{
    View out = view_window(v, ndim, size, (int64_t[VIEW_MAX_DIMS]){0}, 0);
    for (int d = 0, shift = ndim - v->ndim; d < v->ndim; d++)
        if (v->size[d] != 1 || size[shift + d] == 1)
            out.stride[shift + d] = v->stride[d];
    return out;
}

typedef struct MaskWalk {
    char *packed;  // next element of the packed side
    size_t size;
    bool to_packed;
    int64_t left;  // elements of the packed side that remain
} MaskWalk;

static void mask_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    MaskWalk *w = ctx;
    for (int64_t i = 0; i < n; i++) {
        if (!*(const uint8_t *)(data[1] + i * stride[1]) || w->left == 0)
            continue;
        char *element = data[0] + i * stride[0];
        memcpy(w->to_packed ? w->packed : element, w->to_packed ? element : w->packed, w->size);
        w->packed += w->size;
        w->left--;
    }
}

// Moves elements where the mask is set from v to packed memory or back, in logical order.
static void mask_move(const View *v, const View *mask, void *packed, int64_t count, bool to_packed)
{
    Iter it;
    const View *views[2] = {v, mask};
    char *data[2] = {v->data, mask->data};
    MaskWalk w = {packed, dtype_size((DType)v->dtype), to_packed, count};
    iter_plan_in_order(&it, v->ndim, v->size, 2, views);
    iter_run(&it, data, mask_row, &w);
}

static Status check_mask(const Tensor *mask, const char *name)
{
    DType t = tensor_dtype(mask);
    return t == DT_BOOL || t == DT_U8 ? ST_OK : op_raise("%s: expected BoolTensor for mask, but got %s", name, dtype_torch_name(t));
}

static Status op_masked_select(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *mask = args[1].as.tensor, *out;
    int ndim;
    int64_t size[VIEW_MAX_DIMS];
    TRY(check_mask(mask, "masked_select"));
    TRY(common_shape(&self->view, &mask->view, &ndim, size));
    View from = stretched(&self->view, ndim, size), where = stretched(&mask->view, ndim, size);
    int64_t n = count_true(&where);
    TRY(tensor_new(lane, tensor_dtype(self), 1, &n, &out));
    mask_move(&from, &where, out->view.data, n, true);
    return give_tensor(ST_OK, out, rets);
}

static Status op_masked_scatter(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *self = args[0].as.tensor, *mask = args[1].as.tensor, *source = args[2].as.tensor, *packed, *to = NULL;
    int ndim;
    int64_t size[VIEW_MAX_DIMS];
    bool in_place = site->op->flags & OP_WRITES_ARG0;
    TRY(check_mask(mask, "masked_scatter_"));
    if (tensor_dtype(self) != tensor_dtype(source))
        return op_raise("masked_scatter: expected self and source to have same dtypes but got%s and %s", dtype_torch_name(tensor_dtype(self)),
                        dtype_torch_name(tensor_dtype(source)));
    TRY(common_shape(&self->view, &mask->view, &ndim, size));
    View where = stretched(&mask->view, ndim, size), from = stretched(&self->view, ndim, size);
    int64_t n = count_true(&where);
    if (n > tensor_numel(source))
        return op_raise("Number of elements of source < number of ones in mask");
    TRY(tensor_contiguous(lane, source, &packed));
    Status status = ST_OK;
    if (in_place) {
        to = tensor_retain(self);
    } else {
        status = tensor_new(lane, tensor_dtype(self), ndim, size, &to);
        if (status == ST_OK)
            status = copy_convert(&to->view, &from);
    }
    if (status == ST_OK && !view_same_shape(&to->view, &where))
        status = op_raise("output with the shape of self does not match the broadcast shape of the mask");
    if (status == ST_OK)
        mask_move(&to->view, &where, packed->view.data, n, false);
    tensor_release(packed);
    return give_tensor(status, to, rets);
}

static Status op_nonzero(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *columns, *out;
    int64_t n = count_true(&self->view), ndim = self->view.ndim;
    TRY(tensor_new(lane, DT_I64, 2, (int64_t[]){ndim, n}, &columns));
    true_positions(&self->view, n, columns->view.data);
    Status status = tensor_view(lane, columns, 2, (int64_t[]){n, ndim}, (int64_t[]){1, n > 1 ? n : 1}, 0, &out);
    tensor_release(columns);
    return give_tensor(status, status == ST_OK ? out : NULL, rets);
}

// One vector per dimension; a 0-dim tensor counts as one of a single element.
static Status op_nonzero_columns(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *all;
    View v = self->view;
    if (v.ndim == 0)
        view_set_contiguous(&v, 1, (int64_t[]){1});
    int64_t n = count_true(&v), step = 1;
    TRY(tensor_new(lane, DT_I64, 2, (int64_t[]){v.ndim, n}, &all));
    true_positions(&v, n, all->view.data);
    ListObj *list = list_new(NULL, v.ndim);
    Status status = list ? ST_OK : ST_MEMORY;
    for (int d = 0; d < v.ndim && status == ST_OK; d++) {
        Tensor *column;
        status = tensor_view(lane, all, 1, &n, &step, d * n, &column);
        if (status == ST_OK)
            status = list_push_take(list, value_tensor_take(column));
    }
    tensor_release(all);
    if (status != ST_OK) {
        if (list)
            value_release(value_list_take(list));
        return status;
    }
    rets[0] = value_list_take(list);
    return ST_OK;
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, NULL},
#define ANY_LAYOUT(name, fn) {"aten::" name, fn, OP_PRIVATE_LAYOUT, NULL, NULL},
#define INPLACE(name, fn) {"aten::" name, fn, OP_WRITES_ARG0, NULL, NULL},
#define POINTWISE(name, fn, flags) {"aten::" name, fn, flags, NULL, pw_free_user},
#define SCATTER(name, op, reduce, include)                                                                             \
    {"aten::" name, op_scatter, 0, &(const ScatterRow){INDEX_##op, false, reduce, include}, NULL},
#define SCATTER_(name, op, reduce, include)                                                                            \
    {"aten::" name, op_scatter, OP_WRITES_ARG0, &(const ScatterRow){INDEX_##op, true, reduce, include}, NULL},
#define WITH(name, fn, flags, op, in_place) {"aten::" name, fn, flags, &(const ScatterRow){op, in_place, -1, -1}, NULL},

const OpBinding OPS_INDEX[] = {
    ROW("index.Tensor", op_index) ROW("index.Tensor_hacked_twin", op_index)
    ROW("index_put", op_index_put) ROW("index_put.hacked_twin", op_index_put) ROW("_index_put_impl", op_index_put)
    INPLACE("index_put_", op_index_put) INPLACE("index_put_.hacked_twin", op_index_put)
    INPLACE("_index_put_impl_", op_index_put) INPLACE("_index_put_impl_.hacked_twin", op_index_put)
    ROW("_unsafe_index.Tensor", op_index) ROW("_unsafe_index.Tensor_hacked_twin", op_index)
    ROW("_unsafe_index_put", op_index_put) ROW("_unsafe_index_put.hacked_twin", op_index_put)
    ROW("masked_select", op_masked_select)
    ROW("masked_scatter", op_masked_scatter) INPLACE("masked_scatter_", op_masked_scatter)
    ROW("nonzero", op_nonzero) ROW("argwhere", op_nonzero)
    ROW("nonzero_numpy", op_nonzero_columns) ROW("where", op_nonzero_columns)

    ROW("index_select", op_index_select) ROW("embedding", op_embedding)
    ROW("gather", op_gather) ROW("take_along_dim", op_take_along_dim) ROW("take", op_take)
    SCATTER("scatter.src", SET, -1, -1) SCATTER("scatter.value", SET, -1, -1)
    SCATTER("scatter.reduce", SET, 4, -1) SCATTER("scatter.value_reduce", SET, 4, -1)
    SCATTER("scatter_add", ADD, -1, -1) SCATTER("scatter_reduce.two", ADD, 4, 5)
    SCATTER_("scatter_.src", SET, -1, -1) SCATTER_("scatter_.value", SET, -1, -1)
    SCATTER_("scatter_.reduce", SET, 4, -1) SCATTER_("scatter_.value_reduce", SET, 4, -1)
    SCATTER_("scatter_add_", ADD, -1, -1) SCATTER_("scatter_reduce_.two", ADD, 4, 5)
    POINTWISE("index_add", op_index_add, 0) POINTWISE("index_add_", op_index_add, OP_WRITES_ARG0)
    ROW("index_copy", op_index_copy) INPLACE("index_copy_", op_index_copy)
    ROW("index_fill.int_Tensor", op_index_fill) ROW("index_fill.int_Scalar", op_index_fill)
    INPLACE("index_fill_.int_Tensor", op_index_fill) INPLACE("index_fill_.int_Scalar", op_index_fill)
    ROW("index_reduce", op_index_reduce) INPLACE("index_reduce_", op_index_reduce)
    ROW("put", op_put) INPLACE("put_", op_put)
    ROW("one_hot", op_one_hot)

    ANY_LAYOUT("cat", op_cat) ROW("cat.out", op_cat_out) ANY_LAYOUT("concat", op_cat) ROW("concat.out", op_cat_out)
    ANY_LAYOUT("concatenate", op_cat) ROW("row_stack", op_vstack) ROW("_stack", op_stack)
    ROW("stack", op_stack) ROW("stack.out", op_stack_out)
    ROW("hstack", op_hstack) ROW("vstack", op_vstack) ROW("dstack", op_dstack) ROW("column_stack", op_column_stack)
    ROW("repeat", op_repeat) ROW("tile", op_tile)
    ROW("repeat_interleave.Tensor", op_repeat_interleave) ROW("repeat_interleave.self_Tensor", op_repeat_interleave)
    ROW("repeat_interleave.self_int", op_repeat_interleave)
    ROW("flip", op_flip) ROW("fliplr", op_fliplr) ROW("flipud", op_flipud) ROW("roll", op_roll)
    WITH("tril", op_triangle, 0, 0, false) WITH("triu", op_triangle, 0, 1, false)
    WITH("tril_", op_triangle, OP_WRITES_ARG0, 0, true) WITH("triu_", op_triangle, OP_WRITES_ARG0, 1, true)

    ROW("constant_pad_nd", op_constant_pad) ROW("pad", op_pad)
    WITH("reflection_pad1d", op_pad_mode, 0, 0, false) WITH("reflection_pad2d", op_pad_mode, 0, 0, false)
    WITH("reflection_pad3d", op_pad_mode, 0, 0, false) WITH("replication_pad1d", op_pad_mode, 0, 1, false)
    WITH("replication_pad2d", op_pad_mode, 0, 1, false) WITH("replication_pad3d", op_pad_mode, 0, 1, false)

    ROW("sort", op_sort) ROW("sort.stable", op_sort)
    ROW("argsort", op_argsort) ROW("argsort.stable", op_argsort) ROW("msort", op_msort)
    ROW("topk", op_topk) ROW("kthvalue", op_kthvalue) ROW("median", op_median) ROW("median.dim", op_median)
    ROW("nanmedian", op_nanmedian) ROW("nanmedian.dim", op_nanmedian)
    ROW("_unique2", op_unique)
    ROW("searchsorted.Tensor", op_searchsorted) ROW("searchsorted.Scalar", op_searchsorted)
    ROW("bucketize.Tensor", op_bucketize) ROW("bucketize.Scalar", op_bucketize)
    ROW("bincount", op_bincount)
    {0},
};
