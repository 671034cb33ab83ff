// Operator bindings: what PyTorch's own modules and compilers call underneath: sequences made one tensor, masked indexing and
// softmax, products of three tensors, forms of batch norm. Most are a few steps of other operators.
#include "kernels/half.h"
#include "worker/op_util.h"
#include "worker/pointwise.h"
#include "worker/sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE value_none()
#define INT value_int
#define BEGIN                                                                                                          \
    Sequence sequence, *q = &sequence;                                                                                 \
    TRY(sequence_begin(q, lane, site))

// ---- Several tensors as one ---------------------------------------------------------------------------------------------

// Sequences one below the other in a tensor of padding, which stands behind or before them.
static IValue padded(Sequence *q, Tensor *const *items, int n, bool batch_first, IValue value, bool left)
{
    const View *first = &items[0]->view;
    int64_t size[VIEW_MAX_DIMS], longest = 0;
    for (int i = 0; i < n; i++) {
        if (items[i]->view.ndim == 0) {
            if (q->status == ST_OK)
                q->status = op_raise_class("IndexError", "Dimension specified as 0 but tensor has no dimensions");
            return NONE;
        }
        longest = items[i]->view.size[0] > longest ? items[i]->view.size[0] : longest;
    }
    if (first->ndim == VIEW_MAX_DIMS) {
        sequence_raise(q, "pad_sequence: too many dimensions (limit %d)", VIEW_MAX_DIMS - 1);
        return NONE;
    }
    size[0] = batch_first ? n : longest;
    size[1] = batch_first ? longest : n;
    for (int d = 1; d < first->ndim; d++)
        size[d + 1] = first->size[d];
    IValue out = STEP(q, "aten::full", sequence_ints(q, first->ndim + 1, size), value, INT(first->dtype), NONE, NONE, NONE);
    for (int i = 0; i < n && q->status == ST_OK; i++) {
        SequenceMark mark = sequence_mark(q);
        int64_t length = items[i]->view.size[0];
        IValue row = STEP(q, "aten::select.int", out, INT(!batch_first), INT(i));
        row = STEP(q, "aten::narrow", row, INT(0), INT(left ? longest - length : 0), INT(length));
        STEP(q, "aten::copy_", row, (IValue){.tag = TAG_TENSOR, .as.tensor = items[i]}, value_bool(false));
        sequence_rewind(q, mark, NONE);
    }
    return out;
}

OP_FN(op_pad_sequence) // sequences, batch_first, padding_value, padding_side
{
    Tensor **items;
    int n;
    Str side = site->arg_count > 3 ? str_of_value(args[3]) : STR("right");
    if (!str_is(side, "left") && !str_is(side, "right"))
        return op_raise("Expected padding_side to be one of left or right, but got " STR_FMT ".", STR_ARG(side));
    TRY(arg_tensors(args[0], &items, &n));
    if (n == 0) {
        free(items);
        return op_raise("received an empty list of sequences");
    }
    Sequence q;
    Status status = sequence_begin(&q, lane, site);
    if (status == ST_OK) {
        IValue out = padded(&q, items, n, args[1].as.b, args[2], str_is(side, "left"));
        status = sequence_give(&q, out, rets);
    }
    free(items);
    return status;
}

OP_FN(op_pack_sequence) // output, batch_sizes, sorted_indices, unsorted_indices: as they are
{
    for (int i = 0; i < 4; i++)
        rets[i] = value_retain(args[i]);
    return ST_OK;
}

typedef struct ChunkCat {
    int64_t dim, chunks, lead; // elements before dim
    int64_t width;             // of a row of the result
} ChunkCat;

// Elements of t per chunk and index of the leading dimensions.
static int64_t chunk_width(const View *v, int64_t dim, int64_t chunks)
{
    int64_t trail = 1;
    for (int d = (int)dim + 1; d < v->ndim; d++)
        trail *= v->size[d];
    return (v->size[dim] + chunks - 1) / chunks * trail;
}

static Status check_chunks(Tensor *const *items, int n, IValue dim_arg, ChunkCat *c)
{
    if (c->chunks < 1)
        return op_raise("_chunk_cat expects positive num_chunks");
    if (n == 0)
        return op_raise("_chunk_cat expects a non-empty input tensor list");
    const View *first = &items[0]->view;
    int dim;
    for (int i = 0; i < n; i++) {
        if (items[i]->view.dtype != first->dtype)
            return op_raise("_chunk_cat expects all input tensors with the same dtype");
        if (tensor_numel(items[i]) == 0)
            return op_raise("_chunk_cat expects non-empty tensor");
        if (dim_arg.as.i < 0 && items[i]->view.ndim != first->ndim)
            return op_raise("_chunk_cat expects non-negative dim when input tensors have different ndims");
    }
    TRY(wrap_dim(dim_arg.as.i, first->ndim, &dim));
    c->dim = dim;
    c->lead = 1;
    for (int d = 0; d < dim; d++)
        c->lead *= first->size[d];
    for (int i = 0; i < n; i++) {
        const View *v = &items[i]->view;
        if (v->ndim <= dim)
            return op_raise("_chunk_cat expects input tensors with more than %d dimensions", dim);
        if (memcmp(v->size, first->size, (size_t)dim * sizeof *v->size) != 0)
            return op_raise("_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors");
        c->width += chunk_width(v, dim, c->chunks);
    }
    return ST_OK;
}

// Every tensor is cut into chunks along dim, the last of which zeros fill up; equal chunks of all stand side by side.
OP_FN(op_chunk_cat) // tensors, dim, num_chunks
{
    Tensor **items, *out = NULL;
    ChunkCat c = {.chunks = args[2].as.i};
    int n;
    TRY(arg_tensors(args[0], &items, &n));
    Status status = check_chunks(items, n, args[1], &c);
    if (status == ST_OK && c.dim + 2 > VIEW_MAX_DIMS)
        status = op_raise("_chunk_cat: too many dimensions (limit %d)", VIEW_MAX_DIMS - 2);
    if (status == ST_OK) {
        int64_t size[VIEW_MAX_DIMS];
        memcpy(size, items[0]->view.size, sizeof size);
        size[c.dim] = c.chunks;
        size[c.dim + 1] = c.width;
        status = tensor_new(lane, tensor_dtype(items[0]), (int)c.dim + 2, size, &out);
    }
    if (status == ST_OK)
        memset(out->view.data, 0, out->storage->size);
    int64_t before = 0; // columns of the tensors so far
    for (int i = 0; i < n && status == ST_OK; i++) {
        Tensor *t;
        status = tensor_contiguous(lane, items[i], &t);
        if (status != ST_OK)
            break;
        int64_t width = chunk_width(&t->view, c.dim, c.chunks), row = tensor_numel(t) / c.lead;
        size_t item = dtype_size(tensor_dtype(t));
        for (int64_t l = 0; l < c.lead; l++)
            for (int64_t k = 0; k < c.chunks && k * width < row; k++)
                memcpy(tensor_at(out, (l * c.chunks + k) * c.width + before), tensor_at(t, l * row + k * width),
                       (size_t)(row - k * width < width ? row - k * width : width) * item);
        before += width;
        tensor_release(t);
    }
    free(items);
    return give_tensor(status, out, rets);
}

// ---- Positions and masks ------------------------------------------------------------------------------------------------

OP_FN(op_nonzero_static) // self, size, fill_value: the first positions, and filler up to the size
{
    int64_t size = args[1].as.i;
    if (size < 0)
        return op_raise("nonzero_static: 'size' must be an non-negative integer");
    BEGIN;
    IValue all = STEP(q, "aten::nonzero", args[0]);
    if (q->status != ST_OK)
        return sequence_end(q);
    int64_t found = all.as.tensor->view.size[0], shape[2] = {size, all.as.tensor->view.size[1]};
    found = found < size ? found : size;
    IValue out = STEP(q, "aten::full", sequence_ints(q, 2, shape), args[2], INT(DT_I64), NONE, NONE, NONE);
    STEP(q, "aten::copy_", STEP(q, "aten::narrow", out, INT(0), INT(0), INT(found)), STEP(q, "aten::narrow", all, INT(0), INT(0), INT(found)), value_bool(false));
    return sequence_give(q, out, rets);
}

// Indices moved into the range of their dimensions: what the mask leaves out may lie outside.
static IValue clamped_indices(Sequence *q, const View *self, const ListObj *indices, const char *name, bool in_one)
{
    ListObj *list = list_new(indices->elem, indices->len);
    Status made = list ? ST_OK : ST_MEMORY;
    IValue all = made == ST_OK ? value_list_take(list) : NONE;
    sequence_keep(q, made, all);
    for (uint32_t i = 0; i < indices->len && q->status == ST_OK; i++) {
        IValue index = indices->items[i];
        if (index.tag == TAG_TENSOR && (int)i < self->ndim) {
            DType t = tensor_dtype(index.as.tensor);
            int64_t size = in_one && self->size[i] == 0 ? 1 : self->size[i];
            if (t != DT_I64 && t != DT_I32)
                sequence_raise(q, "%s found unexpected index type %s", name, dtype_torch_name(t));
            index = STEP(q, "aten::clamp", index, INT(-size), INT(size - 1));
        }
        if (q->status == ST_OK)
            q->status = list_push_take(list, value_retain(index));
    }
    return all;
}

OP_FN(op_masked_index) // self, mask, indices, fill
{
    const View *v = &args[0].as.tensor->view;
    IValue self = args[0];
    bool empty = view_numel(v) == 0;
    BEGIN;
    IValue at = clamped_indices(q, v, args[2].as.list, "_unsafe_masked_index", empty);
    if (empty) { // filler at every index; dimensions behind the indices stay empty
        int64_t size[VIEW_MAX_DIMS] = {0};
        for (int d = 0; d < v->ndim && (uint32_t)d < args[2].as.list->len; d++)
            size[d] = args[2].as.list->items[d].tag == TAG_TENSOR && v->size[d] == 0 ? 1 : v->size[d];
        self = STEP(q, "aten::new_full", self, sequence_ints(q, v->ndim, size), args[3], NONE, NONE, NONE, NONE);
    }
    IValue out = STEP(q, "aten::index.Tensor", self, at);
    if (!empty)
        out = STEP(q, "aten::masked_fill.Scalar", out, STEP(q, "aten::logical_not", args[1]), args[3]);
    return sequence_give(q, out, rets);
}

OP_FN(op_masked_index_put) // self, mask, indices, values
{
    BEGIN;
    if (tensor_numel(args[0].as.tensor) == 0)
        return sequence_give(q, STEP(q, "aten::clone", args[0], NONE), rets);
    IValue values = STEP(q, "aten::masked_fill.Scalar", args[3], STEP(q, "aten::logical_not", args[1]), INT(0));
    IValue at = clamped_indices(q, &args[0].as.tensor->view, args[2].as.list, "_unsafe_masked_index_put_accumulate", false);
    return sequence_give(q, STEP(q, "aten::index_put", args[0], at, values, value_bool(true)), rets);
}

// Softmax of what the mask leaves. Masks of attention: 0 is [L, L] of queries and keys, 1 is [batch, L] of keys, 2 as it is.
OP_FN(op_masked_softmax) // self, mask, dim, mask_type
{
    const View *x = &args[0].as.tensor->view, *m = &args[1].as.tensor->view;
    IValue mask = args[1];
    if (m->dtype != DT_BOOL)
        return op_raise("Mask should be a boolean tensor");
    if (arg_is_none(args[3]) && x->ndim == 4) // older PyTorch finds the kind by itself
        return op_raise("Mask Type should be defined");
    int64_t type = arg_int_or(args[3], 2);
    if (type < 0 || type > 2)
        return op_raise("Mask Type should be 0 (src_mask) or 1 (src_key_padding_mask), or 2 (default_mask)");
    if (type == 2 && !view_same_shape(x, m))
        return op_raise("For mask_type == 2 mask shape should match input shape");
    if (type < 2 && (x->ndim != 4 || m->ndim != 2 || m->size[1] != x->size[3] || m->size[0] != x->size[type == 0 ? 2 : 0]))
        return op_raise("For mask_type == %d mask shape should be %s", (int)type, type == 0 ? "(L, L)" : "(B, L)");
    BEGIN;
    if (type == 1)
        mask = STEP(q, "aten::view", STEP(q, "aten::contiguous", mask, INT(FORMAT_CONTIGUOUS)), sequence_ints(q, 4, (int64_t[]){m->size[0], 1, 1, m->size[1]}));
    IValue left = STEP(q, "aten::masked_fill.Scalar", STEP(q, "aten::contiguous", args[0], INT(FORMAT_CONTIGUOUS)), mask, value_float(-INFINITY));
    return sequence_give(q, STEP(q, "aten::softmax.int", left, INT(arg_int_or(args[2], -1)), NONE), rets);
}

// ---- Layers -------------------------------------------------------------------------------------------------------------

// [B, T, 3 D] and its bias to queries, keys and values, each [B, heads, T, D / heads], the queries scaled.
OP_FN(op_transform_bias) // qkv, qkv_bias, num_heads
{
    const View *v = &args[0].as.tensor->view;
    int64_t heads = args[2].as.i;
    if (v->ndim != 3 || v->size[2] % 3)
        return op_raise("Expected qkv to be of size [batch, length, 3 * embed_dim], but got %s", size_text(v->size, v->ndim).text);
    int64_t batch = v->size[0], length = v->size[1], embed = v->size[2] / 3;
    if (heads <= 0 || embed % heads)
        return op_raise("Expected D %% num_head == 0 to be true, but got false.");
    if (tensor_numel(args[1].as.tensor) != v->size[2])
        return op_raise("Expected qkv_bias to have %lld elements, but got %lld", (long long)v->size[2], (long long)tensor_numel(args[1].as.tensor));
    int64_t each = embed / heads, size[5] = {batch, length, 3, heads, each}, order[5] = {2, 0, 3, 1, 4};
    BEGIN;
    IValue x = STEP(q, "aten::add.Tensor", args[0], args[1], INT(1));
    x = STEP(q, "aten::permute", STEP(q, "aten::reshape", x, sequence_ints(q, 5, size)), sequence_ints(q, 5, order));
    x = STEP(q, "aten::contiguous", x, INT(FORMAT_CONTIGUOUS));
    STEP(q, "aten::mul_.Scalar", STEP(q, "aten::select.int", x, INT(0), INT(0)), value_float(1 / sqrt((double)each)));
    IValue part[3];
    for (int i = 0; i < 3; i++)
        part[i] = STEP(q, "aten::select.int", x, INT(0), INT(i));
    return sequence_give_all(q, 3, part, rets);
}

// 1 where PyTorch's CPU takes its flash attention, 0 for plain steps.
OP_FN(op_sdp_choice) // query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
{
    bool flash = arg_double(args[4]) == 0;
    for (int i = 0; i < 3; i++) {
        const View *v = &args[i].as.tensor->view, *query = &args[0].as.tensor->view;
        flash = flash && v->ndim >= 3 && v->stride[v->ndim - 1] == 1 && dtype_is_floating((DType)v->dtype) &&
                v->size[v->ndim - 1] == query->size[query->ndim - 1];
    }
    rets[0] = value_int(flash);
    return ST_OK;
}

static Status dim_set(IValue list, int64_t total, bool *in)
{
    int64_t dims[VIEW_MAX_DIMS];
    int n, d;
    TRY(arg_ints(list, dims, VIEW_MAX_DIMS, &n));
    for (int i = 0; i < n; i++) {
        TRY(wrap_dim(dims[i], (int)total, &d));
        if (in[d])
            return op_raise("dim %d appears multiple times in the list of dims", d);
        in[d] = true;
    }
    return ST_OK;
}

enum { EINSUM_OPERANDS = 16 };

// Of at most EINSUM_OPERANDS.
static Status give_einsum(Sequence *q, Tensor *const *operands, int n, const char *equation, IValue *rets)
{
    Tensor *taken[EINSUM_OPERANDS];
    IValue list = NONE;
    for (int i = 0; i < n; i++)
        taken[i] = tensor_retain(operands[i]);
    Status made = list_of_tensors_take(q->lane, taken, n, &list);
    list = sequence_keep(q, made, list);
    return sequence_give(q, STEP(q, "aten::einsum", sequence_text(q, equation), list, NONE), rets);
}

// The product of three tensors that lack some of the dimensions, summed over others: an einsum with a letter per dimension.
OP_FN(op_trilinear) // i1, i2, i3, expand1, expand2, expand3, sumdim, unroll_dim
{
    bool expanded[3][VIEW_MAX_DIMS] = {{false}}, summed[VIEW_MAX_DIMS] = {false};
    int64_t total = args[0].as.tensor->view.ndim + (int64_t)args[3].as.list->len;
    char equation[5 * VIEW_MAX_DIMS], *to = equation;
    if (total > VIEW_MAX_DIMS)
        return op_raise("_trilinear: too many dimensions (limit %d)", VIEW_MAX_DIMS);
    if (args[7].as.i < 0 || args[7].as.i >= total)
        return op_raise("unroll_dim must be in [0,%lld]", (long long)total - 1);
    for (int i = 0; i < 3; i++) {
        TRY(dim_set(args[3 + i], total, expanded[i]));
        if (args[i].as.tensor->view.ndim + (int64_t)args[3 + i].as.list->len != total)
            return op_raise("_trilinear: operands have different numbers of dimensions");
        for (int d = 0; d < total; d++)
            if (!expanded[i][d])
                *to++ = (char)('a' + d);
        *to++ = i < 2 ? ',' : '-';
    }
    TRY(dim_set(args[6], total, summed));
    *to++ = '>';
    for (int d = 0; d < total; d++)
        if (!summed[d])
            *to++ = (char)('a' + d);
    *to = '\0';
    BEGIN;
    return give_einsum(q, (Tensor *const[]){args[0].as.tensor, args[1].as.tensor, args[2].as.tensor}, 3, equation, rets);
}

// einsum with lists of numbers in place of letters: operand, subscripts, operand, …[, subscripts of the result].
OP_FN(op_einsum_sublist)
{
    char equation[1024];
    size_t at = 0;
    Tensor *operands[EINSUM_OPERANDS];
    int n = 0, count = site->arg_count;
    if (count < 2)
        return op_raise("einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list");
    for (int i = 0; i < count; i++) {
        bool subscripts = i % 2 == 1 || i == count - 1;
        if (!subscripts) {
            if (args[i].tag != TAG_TENSOR || n == EINSUM_OPERANDS)
                return op_raise("einsum(): expected operand %d to be a tensor (limit %d of them)", n, EINSUM_OPERANDS);
            operands[n++] = args[i].as.tensor;
            continue;
        }
        if (args[i].tag != TAG_LIST)
            return op_raise("einsum(): expected a list of subscripts behind operand %d", n - 1);
        at += (size_t)snprintf(equation + at, sizeof equation - at, "%s", i == 1 ? "" : i % 2 ? "," : "->");
        for (uint32_t k = 0; k < args[i].as.list->len; k++) {
            IValue v = args[i].as.list->items[k];
            if (v.tag != TAG_INT || v.as.i < 0 || v.as.i >= 52)
                return op_raise("einsum(): expected subscript %u in operand %d to be within the range [0, 52), but got %lld", k, i / 2,
                                v.tag == TAG_INT ? (long long)v.as.i : -1LL);
            if (at + 4 >= sizeof equation)
                return op_raise("einsum(): too many subscripts");
            equation[at++] = (char)(v.as.i < 26 ? 'A' + v.as.i : 'a' + v.as.i - 26);
        }
        equation[at] = '\0';
    }
    BEGIN;
    return give_einsum(q, operands, n, equation, rets);
}

// batch_norm before PyTorch chose its kernel: (input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn)
// to (result, mean, 1/std, reserve, which kernel).
OP_FN(op_batch_norm_index)
{
    BEGIN;
    const View *v = &args[0].as.tensor->view;
    IValue made[3];
    if (view_numel(v) == 0) {
        int64_t channels = v->ndim > 1 ? v->size[1] : 0;
        IValue size = sequence_ints(q, 1, &channels);
        made[0] = STEP(q, "aten::clone", args[0], NONE);
        for (int i = 1; i < 3; i++)
            made[i] = STEP(q, "aten::new_zeros", args[0], size, NONE, NONE, NONE, NONE);
    } else {
        sequence_step(q, "aten::native_batch_norm", 8, args, 3, made);
    }
    IValue reserve = STEP(q, "aten::new_empty", args[0], sequence_ints(q, 1, (int64_t[]){0}), INT(DT_U8), NONE, NONE, NONE);
    return SEQUENCE_GIVE(q, rets, made[0], made[1], made[2], reserve, INT(0));
}

// Running extremes into tensors that are there: self, values, indices, dim. `data`: the operator.
OP_FN(op_cumulative_helper)
{
    const DType want[2] = {tensor_dtype(args[0].as.tensor), DT_I64};
    for (int i = 0; i < 2; i++) {
        const View *v = &args[1 + i].as.tensor->view;
        if (v->dtype != want[i])
            return op_raise("expected scalar type %s but found %s", dtype_torch_name(want[i]), dtype_torch_name((DType)v->dtype));
        if (!view_same_shape(v, &args[0].as.tensor->view))
            return op_raise("%s: the results must have the shape of self", site->op->name);
        TRY(tensor_make_writable(args[1 + i].as.tensor));
    }
    BEGIN;
    IValue made[2];
    sequence_step(q, site->op->data, 2, (IValue[]){args[0], args[3]}, 2, made);
    for (int i = 0; i < 2; i++)
        STEP(q, "aten::copy_", args[1 + i], made[i], value_bool(false));
    return sequence_end(q);
}

// Into float16's range, in place when the weight lies in one piece.
OP_FN(op_saturate)
{
    Tensor *t = args[0].as.tensor;
    if (tensor_dtype(t) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(t)));
    if (t->view.ndim < 2)
        return op_raise_class("IndexError", "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
    if (tensor_is_contiguous(t)) {
        TRY(tensor_make_writable(t));
        float *w = t->view.data;
        for (int64_t i = 0, n = tensor_numel(t); i < n; i++)
            w[i] = f16_range(w[i]);
    }
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// ---- Views and sizes ----------------------------------------------------------------------------------------------------

OP_FN(op_slice_inverse) // self, src, …: self as the tensor of src's sizes that it is a slice of
{
    const Tensor *src = args[1].as.tensor;
    BEGIN;
    IValue size = sequence_ints(q, src->view.ndim, src->view.size), stride = sequence_ints(q, src->view.ndim, src->view.stride);
    return sequence_give(q, STEP(q, "aten::as_strided", args[0], size, stride, INT(src->offset)), rets);
}

OP_FN(op_pad_circular) // self, pad
{
    BEGIN;
    return sequence_give(q, STEP(q, "aten::pad", args[0], args[1], sequence_text(q, "circular"), NONE), rets);
}

OP_FN(op_pad_enum) // self, pad, mode, value
{
    static const char *const modes[] = {"reflect", "replicate", "circular", "constant"};
    int64_t mode = args[2].as.i;
    if (mode < 0 || mode > 3)
        return op_raise("Unrecognised padding mode %lld", (long long)mode);
    BEGIN;
    if (mode == 3)
        return sequence_give(q, STEP(q, "aten::constant_pad_nd", args[0], args[1], arg_is_none(args[3]) ? value_float(0) : args[3]), rets);
    return sequence_give(q, STEP(q, "aten::pad", args[0], args[1], sequence_text(q, modes[mode]), args[3]), rets);
}

// resize and resize_as: a copy resized. What is beyond the copied elements is zero here, anything in PyTorch.
OP_FN(op_resized)
{
    BEGIN;
    IValue copy = STEP(q, "aten::clone", args[0], NONE);
    return sequence_give(q, STEP(q, site->op->data, copy, args[1], args[2]), rets);
}

OP_FN(op_new_zeros_meta) // self, other, self_num_batch_dims: zeros of self's dtype, as many batches of other's sizes
{
    const View *self = &args[0].as.tensor->view, *other = &args[1].as.tensor->view;
    int64_t batches = args[2].as.i, size[VIEW_MAX_DIMS];
    if (batches < 0 || batches > self->ndim || batches + other->ndim > VIEW_MAX_DIMS)
        return op_raise("_new_zeros_with_same_feature_meta: self has no %lld batch dimensions", (long long)batches);
    memcpy(size, self->size, (size_t)batches * sizeof *size);
    memcpy(size + batches, other->size, (size_t)other->ndim * sizeof *size);
    BEGIN;
    return sequence_give(q, STEP(q, "aten::new_zeros", args[1], sequence_ints(q, (int)batches + other->ndim, size), NONE, NONE, NONE, NONE), rets);
}

OP_FN(op_compatible_shallow) // plain tensors are
{
    rets[0] = value_bool(true);
    return ST_OK;
}

// Rows that a mask leaves, and for every row where it went, -1 for those that are gone.
OP_FN(op_rowwise_prune) // weight, mask, compressed_indices_dtype
{
    Tensor *w = args[0].as.tensor, *mask = args[1].as.tensor;
    int64_t rows = w->view.ndim ? w->view.size[0] : 0, width = w->view.ndim == 2 ? w->view.size[1] : 0, kept = 0;
    DType type = (DType)args[2].as.i;
    if (w->view.ndim != 2 || mask->view.ndim != 1 || mask->view.size[0] != rows || tensor_dtype(mask) != DT_BOOL)
        return op_raise("_rowwise_prune expects a matrix and a boolean mask of its rows");
    if (type != DT_I32 && type != DT_I64)
        return op_raise("compressed_indices_dtype should be either int(int32) or long(int64).");
    BEGIN;
    IValue from = STEP(q, "aten::contiguous", args[0], INT(FORMAT_CONTIGUOUS)), which = STEP(q, "aten::contiguous", args[1], INT(FORMAT_CONTIGUOUS));
    if (q->status != ST_OK)
        return sequence_end(q);
    const bool *keep = which.as.tensor->view.data;
    for (int64_t r = 0; r < rows; r++)
        kept += keep[r];
    Tensor *out = NULL, *map = NULL, *narrow = NULL;
    Status status = tensor_new(lane, tensor_dtype(w), 2, (const int64_t[]){kept, width}, &out);
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, 1, &rows, &map);
    size_t bytes = (size_t)width * dtype_size(tensor_dtype(w));
    for (int64_t r = 0, to = 0; r < rows && status == ST_OK; r++) {
        ((int64_t *)map->view.data)[r] = keep[r] ? to : -1;
        if (keep[r] && bytes)
            memcpy(tensor_at(out, to * width), tensor_at(from.as.tensor, r * width), bytes);
        to += keep[r];
    }
    if (status == ST_OK)
        status = tensor_to_dtype(lane, map, type, &narrow);
    if (map)
        tensor_release(map);
    if (status == ST_OK) {
        rets[0] = value_tensor_take(out);
        rets[1] = value_tensor_take(narrow);
    } else if (out) {
        tensor_release(out);
    }
    Status end = sequence_end(q);
    return status == ST_OK ? end : status;
}

// ---- Checks that hand a token on ----------------------------------------------------------------------------------------

static Status check_range(IValue number, IValue low, IValue high)
{
    int64_t x = arg_int(number);
    if ((!arg_is_none(low) && x < arg_int(low)) || (!arg_is_none(high) && x > arg_int(high)))
        return op_raise("Invalid value range for %lld between [%lld, %lld].", (long long)x, (long long)arg_int_or(low, INT64_MIN), (long long)arg_int_or(high, INT64_MAX));
    return ST_OK;
}

OP_FN(op_functional_range) // size, min, max, dep_token
{
    TRY(check_range(args[0], args[1], args[2]));
    rets[0] = value_retain(args[3]);
    return ST_OK;
}

OP_FN(op_functional_size)
{
    if (!arg_is_none(args[2]) && arg_int(args[2]) <= 2)
        return op_raise("Max value to constrain_range_for_size must be greater than 2. got: %lld", (long long)arg_int(args[2]));
    TRY(check_range(args[0], arg_is_none(args[1]) ? INT(0) : args[1], args[2]));
    rets[0] = value_retain(args[3]);
    return ST_OK;
}

OP_FN(op_functional_assert) // self, assert_msg, dep_token
{
    if (arg_double(args[0]) == 0)
        return op_raise(STR_FMT, STR_ARG(str_of_value(args[1])));
    rets[0] = value_retain(args[2]);
    return ST_OK;
}

// ---- What PyTorch has for other devices only ----------------------------------------------------------------------------

OP_FN(op_not_on_cpu)
{
    return op_raise_class("NotImplementedError", "Could not run '%s' with arguments from the 'CPU' backend.", site->op->name);
}

OP_FN(op_not_overridden)
{
    return op_raise("_scaled_dot_product_fused_attention_overrideable not implemented. This is an operator for privateuse1 backends, please use TORCH_LIBRARY_IMPL to override this function ");
}

OP_FN(op_only_sparse)
{
    return op_raise("tensor.sspaddmm(...) can only be called on sparse tensors");
}

OP_FN(op_only_vmap) // levels of vmap do not leave Python
{
    return op_raise("%s: there is no vmap around it", site->op->name);
}

OP_FN(op_no_files) // a job reads what its command line names
{
    return op_raise("%s: a model reads and writes no files here", site->op->name);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}
#define PLAIN(name, fn) {"aten::" name, fn, 0, NULL, NULL}
#define WITH(name, fn, data) {"aten::" name, fn, 0, data, sequence_free}
#define ELSEWHERE(name) {"aten::" name, op_not_on_cpu, 0, NULL, NULL}

const OpBinding OPS_INNER[] = {
    ROW("pad_sequence", op_pad_sequence), {"aten::_pack_sequence", op_pack_sequence, 0, NULL, NULL}, {"aten::_chunk_cat", op_chunk_cat, 0, NULL, NULL},
    ROW("nonzero_static", op_nonzero_static), ROW("_unsafe_masked_index", op_masked_index),
    ROW("_unsafe_masked_index_put_accumulate", op_masked_index_put), ROW("_masked_softmax", op_masked_softmax),
    ROW("_transform_bias_rescale_qkv", op_transform_bias), {"aten::_fused_sdp_choice", op_sdp_choice, 0, NULL, NULL},
    ROW("_trilinear", op_trilinear), ROW("einsum.sublist", op_einsum_sublist), ROW("_batch_norm_impl_index", op_batch_norm_index),
    WITH("_cummax_helper", op_cumulative_helper, "aten::cummax"), WITH("_cummin_helper", op_cumulative_helper, "aten::cummin"),
    {"aten::_saturate_weight_to_fp16", op_saturate, 0, NULL, NULL}, ROW("slice_inverse", op_slice_inverse), ROW("_pad_circular", op_pad_circular),
    ROW("_pad_enum", op_pad_enum), WITH("resize", op_resized, "aten::resize_"), WITH("resize_as", op_resized, "aten::resize_as_"),
    ROW("_new_zeros_with_same_feature_meta", op_new_zeros_meta), {"aten::_has_compatible_shallow_copy_type", op_compatible_shallow, 0, NULL, NULL},
    {"aten::_functional_sym_constrain_range", op_functional_range, 0, NULL, NULL},
    {"aten::_functional_sym_constrain_range_for_size", op_functional_size, 0, NULL, NULL},
    {"aten::_functional_assert_scalar", op_functional_assert, 0, NULL, NULL},
    ROW("_rowwise_prune", op_rowwise_prune), PLAIN("_scaled_dot_product_fused_attention_overrideable", op_not_overridden),
    PLAIN("sspaddmm", op_only_sparse), PLAIN("_add_batch_dim", op_only_vmap), PLAIN("_remove_batch_dim", op_only_vmap),
    PLAIN("from_file", op_no_files), PLAIN("save", op_no_files),
    ELSEWHERE("_masked_scale"), ELSEWHERE("_thnn_fused_lstm_cell"), ELSEWHERE("_thnn_fused_gru_cell"), ELSEWHERE("_fused_dropout"),
    ELSEWHERE("_fill_mem_eff_dropout_mask_"), ELSEWHERE("_resize_output"), ELSEWHERE("_resize_output_"), ELSEWHERE("_to_dense"),
    {0},
};
