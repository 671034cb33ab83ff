// Operator bindings: bags of embeddings, embeddings of bounded norm, distances between all pairs of rows.
// The loops over bags are in kernels/embedding_bag.c.
#include "kernels/copy.h"
#include "kernels/embedding_bag.h"
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- bags

typedef struct BagCall {
    Tensor *weight, *index, *offsets, *scale; // as given
    Tensor *in[4];                            // … in the form the kernel takes, to be released
    Tensor *out[4];                           // result, offset2bag, bag_size, max_indices
    bool last_offset;
    EmbeddingBag bag;
} BagCall;

static Status bag_check(BagCall *c)
{
    const View *w = &c->weight->view, *i = &c->index->view, *o = &c->offsets->view;
    DType it = tensor_dtype(c->index), ot = tensor_dtype(c->offsets), wt = tensor_dtype(c->weight);
    if ((it != DT_I64 && it != DT_I32) || (ot != DT_I64 && ot != DT_I32))
        return op_raise("Expected tensor for argument #1 '%s' to have one of the following scalar types: Long, Int; but got %s instead "
                        "(while checking arguments for embedding_bag)", it != DT_I64 && it != DT_I32 ? "indices" : "offsets",
                        dtype_torch_name(it != DT_I64 && it != DT_I32 ? it : ot));
    if (!dtype_is_floating(wt))
        return op_raise("Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, Double; "
                        "but got %s instead (while checking arguments for embedding_bag)", dtype_torch_name(wt));
    if (w->ndim != 2)
        return op_raise("embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension %d", w->ndim);
    if (i->ndim < 1 || i->ndim > 2)
        return op_raise("embedding_bag: input has to be a 1D or 2D Tensor, but got Tensor of dimension %d", i->ndim);
    if (o->ndim != 1)
        return op_raise("embedding_bag: offsets has to be a 1D Tensor, but got Tensor of dimension %d", o->ndim);
    if (c->bag.mode < BAG_SUM || c->bag.mode > BAG_MAX)
        return op_raise("embedding_bag: unknown mode");
    if (c->last_offset && o->size[0] < 1)
        return op_raise("include_last_offset: number of offset should be at least 1");
    if (c->scale) {
        if (c->bag.mode != BAG_SUM)
            return op_raise("embedding_bag: per_sample_weights only supported with mode='sum'");
        if (tensor_dtype(c->scale) != wt)
            return op_raise("Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; "
                            "but type %s does not equal %s (while checking arguments for embedding_bag)", dtype_torch_name(wt), dtype_torch_name(tensor_dtype(c->scale)));
        if (c->scale->view.ndim != 1 || tensor_numel(c->scale) != view_numel(i))
            return op_raise("embedding_bag: If per_sample_weights is not None, it must have the same number of elements as the input, %lld, but has %lld",
                            (long long)view_numel(i), (long long)tensor_numel(c->scale));
    }
    return ST_OK;
}

static Status bag_operands(Lane *lane, BagCall *c)
{
    EmbeddingBag *b = &c->bag;
    TRY(tensor_contiguous_as(lane, c->index, DT_I64, &c->in[0]));
    TRY(tensor_contiguous_as(lane, c->offsets, DT_I64, &c->in[1]));
    if (c->weight->view.stride[1] == 1 || c->weight->view.size[1] <= 1)
        c->in[2] = tensor_retain(c->weight);
    else
        TRY(tensor_contiguous(lane, c->weight, &c->in[2]));
    if (c->scale)
        TRY(tensor_contiguous(lane, c->scale, &c->in[3]));
    b->index = c->in[0]->view.data;
    b->offsets = c->in[1]->view.data;
    b->table = c->in[2]->view.data;
    b->row_stride = c->in[2]->view.stride[0];
    b->scale = c->scale ? c->in[3]->view.data : NULL;
    b->end = b->count;
    int64_t n = c->offsets->view.size[0];
    if (n > 0 && b->offsets[0] != 0)
        return op_raise("offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got %lld", (long long)b->offsets[0]);
    if (n > 0 && b->offsets[n - 1] > b->count)
        return op_raise("offsets[-1] can not be greater than input's length %lld but got offsets[-1] of %lld", (long long)b->count, (long long)b->offsets[n - 1]);
    if (c->last_offset)
        b->end = b->offsets[n - 1];
    return ST_OK;
}

// Which bag each index is in; PyTorch leaves it out where a sum has no use for it.
static Status bag_of_each(Lane *lane, const BagCall *c, Tensor **out)
{
    const EmbeddingBag *b = &c->bag;
    bool fast = b->mode == BAG_SUM && b->padding < 0 && b->dtype != DT_F64 && c->weight->view.stride[1] == 1;
    int64_t n = fast ? 0 : b->count;
    TRY(tensor_new(lane, DT_I64, 1, &n, out));
    int64_t *to = (*out)->view.data;
    for (int64_t i = 0, bag = 0; i < n; i++) {
        while (bag + 1 < b->bags && b->offsets[bag + 1] <= i)
            bag++;
        to[i] = bag;
    }
    return ST_OK;
}

static Status bag_results(Lane *lane, BagCall *c)
{
    EmbeddingBag *b = &c->bag;
    TRY(tensor_new(lane, b->dtype, 2, (int64_t[]){b->bags, b->width}, &c->out[0]));
    TRY(tensor_new(lane, DT_I64, 1, &b->bags, &c->out[2]));
    if (b->mode == BAG_MAX)
        TRY(tensor_new(lane, DT_I64, 2, (int64_t[]){b->bags, b->width}, &c->out[3]));
    b->out = c->out[0]->view.data;
    b->bag_size = c->out[2]->view.data;
    b->max_index = c->out[3] ? c->out[3]->view.data : NULL;
    size_t bytes = embedding_bag_scratch(b);
    void *scratch = bytes ? lane_scratch(lane, bytes) : NULL;
    if (bytes && !scratch)
        return ST_MEMORY;
    Status s = embedding_bag_run(b, scratch);
    if (s != ST_OK)
        return s == ST_RAISED ? op_raise("%s", status_message()) : s;
    if (b->mode == BAG_SUM)
        memset(b->bag_size, 0, sizeof(int64_t) * (size_t)b->bags);
    TRY(bag_of_each(lane, c, &c->out[1]));
    if (!c->out[3])
        TRY(tensor_copy_as(lane, c->out[2], DT_I64, FORMAT_CONTIGUOUS, &c->out[3]));
    DType narrow = tensor_dtype(c->index) == DT_I32 && tensor_dtype(c->offsets) == DT_I32 ? DT_I32 : DT_I64;
    for (int i = 1; i < 4 && narrow != DT_I64; i++) {
        Tensor *t;
        TRY(tensor_to_dtype(lane, c->out[i], narrow, &t));
        tensor_release(c->out[i]);
        c->out[i] = t;
    }
    return ST_OK;
}

// (weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset[, padding_idx])
// data: 0 without padding index; 1: one that may count from the end; 2: -1 stands for none
OP_FN(op_embedding_bag)
{
    int padding = *(const int *)site->op->data;
    BagCall c = {.weight = arg_tensor(args[0]), .index = arg_tensor(args[1]), .offsets = arg_tensor(args[2]), .scale = arg_tensor(args[6]), .last_offset = args[7].as.b};
    EmbeddingBag *b = &c.bag;
    b->mode = (BagMode)args[4].as.i;
    TRY(bag_check(&c));
    b->dtype = tensor_dtype(c.weight);
    b->rows = c.weight->view.size[0];
    b->width = c.weight->view.size[1];
    b->count = tensor_numel(c.index);
    b->bags = c.offsets->view.size[0] - c.last_offset;
    b->padding = -1;
    if (padding && !arg_is_none(args[8])) {
        b->padding = args[8].as.i;
        if (padding == 1 && (b->padding < -b->rows || b->padding >= b->rows))
            return op_raise("padding_idx must be within the number of embeddings, -%lld through %lld, but got %lld", (long long)b->rows, (long long)b->rows - 1, (long long)b->padding);
        if (padding == 1 && b->padding < 0)
            b->padding += b->rows;
    }
    Status s = bag_operands(lane, &c);
    if (s == ST_OK)
        s = bag_results(lane, &c);
    for (int i = 0; i < 4; i++) {
        if (c.in[i])
            tensor_release(c.in[i]);
        if (s != ST_OK && c.out[i])
            tensor_release(c.out[i]);
    }
    TRY(s);
    take_results(rets, c.out, 4);
    return ST_OK;
}

// ---- bounded norms

static double row_norm(const double *x, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = fabs(x[i]);
        sum = p == INFINITY ? (a > sum || isnan(a) ? a : sum) : p == 0 ? sum + (a != 0) : p == 1 ? sum + a : p == 2 ? sum + a * a : sum + pow(a, p);
    }
    return p == 2 ? sqrt(sum) : p == 0 || p == 1 || p == INFINITY ? sum : pow(sum, 1 / p);
}

// Scales row `at` of t [rows, …] down to the norm; idempotent but for rounding, so each row is visited once.
static Status bound_row(Lane *lane, Tensor *t, int64_t at, double most, double p)
{
    Tensor *row, *wide;
    TRY(tensor_narrow(lane, t, 0, at, 1, &row));
    Status s = tensor_copy_as(lane, row, DT_F64, FORMAT_CONTIGUOUS, &wide);
    if (s == ST_OK) {
        double *x = wide->view.data, norm = row_norm(x, tensor_numel(wide), p);
        if (norm > most) {
            double scale = most / (norm + 1e-7);
            for (int64_t i = 0; i < tensor_numel(wide); i++)
                x[i] *= scale;
            s = tensor_copy_into(lane, row, wide);
        }
        tensor_release(wide);
    }
    tensor_release(row);
    return s;
}

static int compare_ints(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// (self, indices, max_norm, norm_type): rows of self that indices name. In place.
OP_FN(op_embedding_renorm)
{
    Tensor *t = args[0].as.tensor, *index = NULL;
    DType it = tensor_dtype(args[1].as.tensor);
    if (t->view.ndim != 2)
        return op_raise("Expected 2-dimensional tensor, but got %d-dimensional tensor for argument #1 'self' (while checking arguments for embedding_renorm_)", t->view.ndim);
    if (it != DT_I64 && it != DT_I32)
        return op_raise("Expected tensor for argument #2 'indices' to have one of the following scalar types: Long, Int; but got %s instead "
                        "(while checking arguments for embedding_renorm_)", dtype_torch_name(it));
    TRY(tensor_copy_as(lane, args[1].as.tensor, DT_I64, FORMAT_CONTIGUOUS, &index));
    int64_t *at = index->view.data, n = tensor_numel(index), rows = t->view.size[0];
    qsort(at, (size_t)n, sizeof *at, compare_ints);
    Status s = ST_OK;
    for (int64_t i = 0; i < n && s == ST_OK; i++) {
        if (i && at[i] == at[i - 1])
            continue;
        if (at[i] < -rows || at[i] >= rows)
            s = op_raise_class("IndexError", "select(): index %lld out of range for tensor of size %s at dimension 0", (long long)at[i], size_text(t->view.size, t->view.ndim).text);
        else
            s = bound_row(lane, t, at[i] < 0 ? at[i] + rows : at[i], arg_double(args[2]), arg_double(args[3]));
    }
    tensor_release(index);
    TRY(s);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_embedding_renorm_copy)
{
    Tensor *copy;
    TRY(tensor_copy_as(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_PRESERVE, &copy));
    IValue own[4] = {value_tensor_take(copy), args[1], args[2], args[3]};
    Status s = op_embedding_renorm(lane, site, own, rets);
    tensor_release(copy);
    return s;
}

// ---- distances

// (self [N, M], p): distances of rows i < j, in order
OP_FN(op_pdist)
{
    Tensor *x = args[0].as.tensor, *all, *out;
    CdistParams p = {.p = arg_double(args[1]), .upper = 1};
    if (x->view.ndim != 2)
        return op_raise("pdist only supports 2D tensors, got: %dD", x->view.ndim);
    if (!dtype_is_floating(tensor_dtype(x)))
        return op_raise("pdist only supports floating-point dtypes");
    if (p.p < 0)
        return op_raise("pdist only supports non-negative p values");
    int64_t n = x->view.size[0], pairs = n < 2 ? 0 : n % 2 ? (n - 1) / 2 * n : n / 2 * (n - 1);
    TRY(tensor_new(lane, tensor_dtype(x), 1, &pairs, &out));
    Status s = ST_OK;
    if (pairs) {
        s = kernel_call(lane, site, &kernel_cdist, &p, sizeof p, (Tensor *[]){x, x}, 2, &all, 1);
        size_t size = dtype_size(tensor_dtype(x));
        char *to = out->view.data;
        for (int64_t i = 0; i < n - 1 && s == ST_OK; i++) {
            memcpy(to, (const char *)all->view.data + (size_t)(i * n + i + 1) * size, (size_t)(n - 1 - i) * size);
            to += (size_t)(n - 1 - i) * size;
        }
        if (s == ST_OK)
            tensor_release(all);
    }
    if (s != ST_OK) {
        tensor_release(out);
        return s;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_euclidean_dist)
{
    CdistParams p = {.p = 2};
    Tensor *out;
    TRY(kernel_call(lane, site, &kernel_cdist, &p, sizeof p, (Tensor *[]){args[0].as.tensor, args[1].as.tensor}, 2, &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static const int NO_PADDING = 0, WRAPPED = 1, PLAIN = 2;

const OpBinding OPS_EMBED[] = {
    {"aten::embedding_bag", op_embedding_bag, 0, &NO_PADDING, NULL},
    {"aten::embedding_bag.padding_idx", op_embedding_bag, 0, &WRAPPED, NULL},
    {"aten::_embedding_bag", op_embedding_bag, 0, &PLAIN, NULL},
    {"aten::_embedding_bag_forward_only", op_embedding_bag, 0, &PLAIN, NULL},
    {"aten::embedding_renorm_", op_embedding_renorm, OP_WRITES_ARG0, NULL, NULL},
    {"aten::_no_grad_embedding_renorm_", op_embedding_renorm, OP_WRITES_ARG0, NULL, NULL},
    {"aten::embedding_renorm", op_embedding_renorm_copy, 0, NULL, NULL},
    {"aten::pdist", op_pdist, 0, NULL, NULL}, {"aten::_pdist_forward", op_pdist, 0, NULL, NULL},
    {"aten::_euclidean_dist", op_euclidean_dist, 0, NULL, NULL},
    {0},
};
