// Operator bindings: nested tensors: made from a mask, padded again, and what the encoder layers of transformers do with
// them between the two.
#include "worker/nested.h"

#include "worker/op_util.h"

#include <stdlib.h>

enum { ARGS_MAX = 24 };

void nested_release(Nested *n)
{
    if (--n->refs == 0)
        free(n);
}

Status nested_refuse_value(void) { return op_raise("nested tensors are neither printed nor given as results: pad them first"); }

static bool is_nested(IValue v) { return v.tag == TAG_TENSOR && v.as.tensor->nested; }

static Status refuse(const Site *site)
{
    return op_raise("Could not run '%s' with arguments from the 'NestedTensorCPU' backend.", site->op->name);
}

static int64_t rows_of(const Nested *n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n->count; i++)
        sum += n->rows[i];
    return sum;
}

static bool same_rows(const Nested *a, const Nested *b)
{
    return a == b || (a->count == b->count && memcmp(a->rows, b->rows, sizeof *a->rows * (size_t)a->count) == 0);
}

// ---- made of padded tensors, and padded again

static Status lengths(const Tensor *mask, bool check, Nested **out) // mask: contiguous
{
    int64_t count = mask->view.size[0], columns = mask->view.size[1];
    const bool *b = mask->view.data;
    Nested *n = malloc(sizeof *n + sizeof *n->rows * (size_t)count);
    if (!n)
        return status_no_memory(sizeof *n + sizeof *n->rows * (size_t)count);
    *n = (Nested){.refs = 1, .count = count};
    bool aligned = true;
    for (int64_t i = 0; i < count; i++, b += columns) {
        n->rows[i] = 0;
        for (int64_t k = 0; k < columns; k++) {
            aligned = aligned && (!b[k] || n->rows[i] == k);
            n->rows[i] += b[k];
        }
    }
    if (check && !aligned) {
        free(n);
        return op_raise("Mask must be left-aligned without gaps");
    }
    *out = n;
    return ST_OK;
}

// The first rows of each batch of `from` into `to`, both contiguous [batch, rows, width], `to` perhaps wider.
static void copy_rows(const Tensor *from, const Nested *n, Tensor *to)
{
    size_t item = dtype_size(tensor_dtype(from)), row = item * (size_t)from->view.size[2];
    for (int64_t i = 0; i < n->count; i++)
        for (int64_t k = 0; k < n->rows[i]; k++)
            memcpy(tensor_at(to, (i * to->view.size[1] + k) * to->view.size[2]), tensor_at(from, (i * from->view.size[1] + k) * from->view.size[2]), row);
}

static Status filled_rows(Lane *lane, Tensor *from, const Nested *n, const int64_t size[3], IValue filling, Tensor **out)
{
    Tensor *packed, *made;
    TRY(tensor_contiguous(lane, from, &packed));
    Status status = tensor_new(lane, tensor_dtype(from), 3, size, &made);
    if (status == ST_OK) {
        status = tensor_fill(made, filling);
        if (status == ST_OK)
            copy_rows(packed, n, made);
        if (status == ST_OK)
            *out = made;
        else
            tensor_release(made);
    }
    tensor_release(packed);
    return status;
}

static void attach(Tensor *t, Nested *n)
{
    t->nested = nested_retain(n);
    t->bits |= TENSOR_NESTED;
}

OP_FN(op_from_mask) // t, mask, mask_check
{
    Tensor *t = args[0].as.tensor, *mask = args[1].as.tensor, *packed, *made;
    if (tensor_dtype(mask) != DT_BOOL)
        return op_raise("Expected mask to be of ScalarType Bool, but got %s instead.", dtype_torch_name(tensor_dtype(mask)));
    if (mask->view.ndim != 2)
        return op_raise("Padding mask should be 2D");
    if (t->view.ndim != 3)
        return op_raise("Input should be a 3D tensor, N * L * D");
    if (mask->view.size[0] != t->view.size[0] || mask->view.size[1] != t->view.size[1])
        return op_raise("Mask size should match input size");
    if (t->quant)
        return op_raise("a nested tensor cannot be quantized");
    Nested *n;
    TRY(tensor_contiguous(lane, mask, &packed));
    Status status = lengths(packed, args[2].as.b, &n);
    tensor_release(packed);
    TRY(status);
    int64_t longest = 0;
    for (int64_t i = 0; i < n->count; i++)
        longest = n->rows[i] > longest ? n->rows[i] : longest;
    status = filled_rows(lane, t, n, (int64_t[]){t->view.size[0], longest, t->view.size[2]}, value_int(0), &made);
    if (status == ST_OK) {
        attach(made, n);
        rets[0] = value_tensor_take(made);
    }
    nested_release(n);
    return status;
}

OP_FN(op_to_padded) // self, padding, output_size
{
    Tensor *t = args[0].as.tensor, *made;
    if (!t->nested)
        return op_raise("Could not run '%s' with arguments from the 'CPU' backend.", site->op->name);
    int64_t size[VIEW_MAX_DIMS];
    int n = 3;
    memcpy(size, t->view.size, sizeof *size * 3);
    if (rows_of(t->nested) * size[2] == 0)
        return op_raise("to_padded_tensor: at least one constituent tensor should have non-zero numel");
    if (args[2].tag != TAG_NONE) {
        TRY(arg_ints(args[2], size, VIEW_MAX_DIMS, &n));
        if (n != 3)
            return op_raise("Length of output_size does not match NestedTensor dims. Broadcasting is not supported.");
        for (int d = 0; d < 3; d++)
            if (size[d] < t->view.size[d])
                return op_raise("Value in output_size is less than NestedTensor padded size. Truncation is not supported.");
    }
    TRY(filled_rows(lane, t, t->nested, size, args[1], &made));
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

// ---- what it is asked

OP_FN(op_size) // self, dim
{
    const Tensor *t = args[0].as.tensor;
    int dim;
    TRY(wrap_dim(args[1].as.i, 3, &dim));
    for (int64_t i = 0; dim == 1 && i < t->nested->count; i++)
        if (t->nested->rows[i] != t->view.size[1])
            return op_raise("Given dimension 1 is irregular and does not have a size.");
    rets[0] = value_int(t->view.size[dim]);
    return ST_OK;
}

OP_FN(op_numel)
{
    const Tensor *t = args[0].as.tensor;
    rets[0] = value_int(rows_of(t->nested) * t->view.size[2]);
    return ST_OK;
}

// ---- the operator's own function on the padded tensors; the result is nested like the first nested argument

static Status padded_call(Lane *lane, Site *site, const IValue *args, const IValue *hidden, IValue *rets)
{
    IValue padded[ARGS_MAX];
    if (site->arg_count > ARGS_MAX)
        return refuse(site);
    Nested *rows = NULL;
    uint32_t n = 0;
    Status status = ST_OK;
    for (; n < site->arg_count && status == ST_OK; n += status == ST_OK) {
        if (!is_nested(args[n])) {
            padded[n] = value_retain(args[n]);
            continue;
        }
        Tensor *t = args[n].as.tensor, *plain;
        if (rows && !same_rows(rows, t->nested))
            status = op_raise("%s: the rows of nested tensors must have the same lengths", site->op->name);
        else if ((status = tensor_view(lane, t, 3, t->view.size, t->view.stride, t->offset, &plain)) == ST_OK)
            padded[n] = value_tensor_take(plain);
        rows = rows ? rows : t->nested;
    }
    if (status == ST_OK && hidden) { // of encoder layers: the mask, and that it is one of keys
        padded[18] = value_retain(*hidden);
        padded[19] = value_int(1);
    }
    if (status == ST_OK) {
        lane->args = NULL; // nothing of these dies here
        status = site->op->fn(lane, site, padded, rets);
        if (status == ST_OK)
            attach(rets[0].as.tensor, rows);
    }
    for (uint32_t i = 0; i < n; i++)
        value_release(padded[i]);
    return status;
}

OP_FN(on_padded) { return padded_call(lane, site, args, NULL, rets); }

OP_FN(on_both) // self, other[, alpha]
{
    if (args[1].tag == TAG_TENSOR && is_nested(args[0]) != is_nested(args[1]))
        return op_raise("Expected both self and other to be nested, but got a %s self and %s other", is_nested(args[0]) ? "nested" : "non-nested",
                        is_nested(args[1]) ? "nested" : "non-nested");
    return padded_call(lane, site, args, NULL, rets);
}

OP_FN(on_last_dim) // layer_norm: input, normalized_shape, …
{
    if (!is_nested(args[0]) || args[1].as.list->len != 1)
        return refuse(site);
    return padded_call(lane, site, args, NULL, rets);
}

// True where a key lies beyond its row: [batch, longest].
static Status hidden_keys(Lane *lane, const Tensor *t, IValue *out)
{
    Tensor *mask;
    TRY(tensor_new(lane, DT_BOOL, 2, t->view.size, &mask));
    bool *b = mask->view.data;
    for (int64_t i = 0; i < t->view.size[0]; i++)
        for (int64_t k = 0; k < t->view.size[1]; k++)
            *b++ = k >= t->nested->rows[i];
    *out = value_tensor_take(mask);
    return ST_OK;
}

OP_FN(op_encoder_layer) // src, …, mask and mask_type at 18 and 19
{
    IValue hidden;
    if (!is_nested(args[0]))
        return refuse(site);
    if (args[18].tag != TAG_NONE)
        return op_raise("NestedTensor with mask is not supported yet");
    TRY(hidden_keys(lane, args[0].as.tensor, &hidden));
    Status status = padded_call(lane, site, args, &hidden, rets);
    value_release(hidden);
    return status;
}

OP_FN(op_attention) // query, key, value, embed_dim, num_head, weights, biases, mask, need_weights, average_attn_weights, mask_type
{
    if (!is_nested(args[0]) || !value_is(args[0], args[1]) || !value_is(args[0], args[2]) || args[10].as.b)
        return refuse(site);
    if (args[9].tag != TAG_NONE)
        return op_raise("NestedTensor with mask is not supported yet");
    IValue with_mask[ARGS_MAX];
    Tensor *t = args[0].as.tensor, *plain;
    memcpy(with_mask, args, sizeof *args * site->arg_count);
    TRY(hidden_keys(lane, t, &with_mask[9]));
    Status status = tensor_view(lane, t, 3, t->view.size, t->view.stride, t->offset, &plain);
    if (status == ST_OK) {
        with_mask[0] = with_mask[1] = with_mask[2] = value_tensor_take(plain);
        with_mask[12] = value_int(1);
        lane->args = NULL;
        status = site->op->fn(lane, site, with_mask, rets);
        tensor_release(plain);
        if (status == ST_OK)
            attach(rets[0].as.tensor, t->nested);
    }
    value_release(with_mask[9]);
    return status;
}

// ---- the table

typedef struct OnNested { const char *name; OpFn fn; } OnNested; // fn NULL: the operator's own function will do

static const OnNested on_nested[] = {
    {"aten::to_padded_tensor", NULL}, {"aten::nested_to_padded_tensor", NULL}, {"aten::_transformer_encoder_layer_fwd", op_encoder_layer},
    {"aten::_native_multi_head_attention", op_attention}, {"aten::dim", NULL}, {"aten::size.int", op_size}, {"aten::sym_size.int", op_size},
    {"aten::numel", op_numel}, {"aten::is_floating_point", NULL}, {"aten::is_complex", NULL}, {"aten::is_signed", NULL},
    {"aten::is_conj", NULL}, {"aten::is_neg", NULL}, {"aten::is_leaf", NULL}, {"aten::element_size", NULL}, {"aten::get_device", NULL},
    {"aten::is_contiguous", NULL}, {"aten::detach", on_padded}, {"aten::alias", on_padded}, {"aten::clone", on_padded},
    {"aten::contiguous", on_padded}, {"aten::linear", on_padded}, {"tsb::linear", on_padded}, {"aten::relu", on_padded},
    {"aten::gelu", on_padded}, {"aten::dropout", on_padded}, {"aten::layer_norm", on_last_dim}, {"aten::add.Tensor", on_both},
    {"aten::mul.Tensor", on_both}, {"aten::mul.Scalar", on_both},
};

Status nested_choose(const Site *site, OpFn *fn)
{
    for (size_t i = 0; i < sizeof on_nested / sizeof *on_nested; i++)
        if (strcmp(site->op->name, on_nested[i].name) == 0) {
            *fn = on_nested[i].fn ? on_nested[i].fn : site->op->fn;
            return ST_OK;
        }
    return refuse(site);
}

const OpBinding OPS_NESTED[] = {
    {"aten::_nested_tensor_from_mask", op_from_mask, 0, NULL, NULL}, {"aten::to_padded_tensor", op_to_padded, 0, NULL, NULL},
    {"aten::nested_to_padded_tensor", op_to_padded, 0, NULL, NULL},
    {0},
};
