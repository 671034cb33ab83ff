// Operators that read elements at computed positions along one dimension: index_select, embedding, gather, take, one_hot.
// Those that write are in ops_scatter.c.
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/promote.h"
#include "worker/ops_index.h"
#include "worker/ops_view.h"
#include "worker/pointwise.h"

Status index_as_int64(Lane *lane, Tensor *t, const char *what, Tensor **out)
{
    DType type = tensor_dtype(t);
    if (type != DT_I64 && type != DT_I32)
        return op_raise("%s: Expected dtype int32 or int64 for index", what);
    return tensor_contiguous_as(lane, t, DT_I64, out);
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
    if (status == ST_OK) {
        status = take_rows(out->view.data, rows->view.data, outer, v->ndim ? v->size[dim] : 1, (size_t)inner * dtype_size(tensor_dtype(self)),
                           at->view.data, tensor_numel(at), &bad);
        if (status == ST_RAISED)
            status = op_raise_class("IndexError", "index out of range in self");
    }
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
    DType t = tensor_dtype(args[1].as.tensor);
    if (t != DT_I64 && t != DT_I32) {
        char name[32];
        snprintf(name, sizeof name, t == DT_BOOL ? "CPUBoolType" : "torch.%sTensor", dtype_torch_name(t));
        return op_raise("Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got %s instead "
                        "(while checking arguments for embedding)",
                        name);
    }
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

static Status out_of_bounds(int64_t index, int dim, int64_t size)
{
    return op_raise("index %lld is out of bounds for dimension %d with size %lld", (long long)index, dim, (long long)size);
}

static Status gather(Lane *lane, Tensor *self, int dim, Tensor *index, IValue *rets)
{
    Tensor *at = NULL, *out = NULL;
    TRY(check_scatter_index(&self->view, &index->view, "gather", "input", dim));
    Status status = tensor_numel(index) ? index_as_int64(lane, index, "gather()", &at) : ST_OK;
    if (status == ST_OK)
        status = tensor_new(lane, tensor_dtype(self), index->view.ndim, index->view.size, &out);
    if (status == ST_OK && at) {
        View base = along(&self->view, &index->view, dim);
        int64_t size = self->view.ndim ? self->view.size[dim] : 1, bad;
        IndexPlan plan = {.count = 1, .size = {size}, .step = {self->view.ndim ? self->view.stride[dim] : 1}};
        const View *indices[] = {&at->view};
        int which;
        status = index_run(&plan, INDEX_GET, &out->view, &base, indices, &which, &bad);
        if (status == ST_RAISED)
            status = out_of_bounds(bad, dim, size);
    }
    if (at)
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
    if (tensor_dtype(index) != DT_I64)
        return op_raise("torch.take_along_dim(): dtype of indices should be Long but got %s", dtype_torch_name(tensor_dtype(index)));
    if (arg_is_none(args[2])) {
        IValue flat[2], all = value_none();
        TRY(list_of_ints((int64_t[]){-1}, 1, &all));
        Status status = op_view_size(lane, site, (IValue[]){args[0], all}, &flat[0]);
        if (status == ST_OK) {
            status = op_view_size(lane, site, (IValue[]){args[1], all}, &flat[1]);
            if (status == ST_OK) {
                status = gather(lane, flat[0].as.tensor, 0, flat[1].as.tensor, rets);
                value_release(flat[1]);
            }
            value_release(flat[0]);
        }
        value_release(all);
        return status;
    }
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
