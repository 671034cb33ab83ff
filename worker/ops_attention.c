// Operator bindings: scaled dot product attention.
// Rows are found by name in worker/op.c.
#include "worker/ops_heavy.h"
#include "worker/sequence.h"

#include <math.h>
#include <string.h>

typedef struct AttentionCall {
    Tensor *q, *k, *v, *mask;
    double dropout, scale; // scale 0: 1/sqrt(width)
    bool causal, weights, zero_hidden;
} AttentionCall;

static Status attention(Lane *lane, Site *site, const AttentionCall *c, Tensor **out)
{
    AttentionParams p;
    memset(&p, 0, sizeof p);
    if (c->causal && c->mask)
        return op_raise("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    int64_t width = c->q->view.ndim ? c->q->view.size[c->q->view.ndim - 1] : 1;
    p.scale = c->scale != 0 ? c->scale : 1 / sqrt((double)(width ? width : 1));
    p.causal = c->causal;
    p.need_weights = c->weights;
    p.zero_hidden = c->zero_hidden;
    Tensor *in[4] = {c->q, c->k, c->v, c->mask};
    return kernel_call(lane, site, &kernel_attention, &p, sizeof p, in, c->mask ? 4 : 3, out, c->weights ? 2 : 1);
}

// Grouped queries: [B, H, L, E] as [B, heads of k, H / heads of k, L, E]; k and v get a dimension of size 1 there.
static Status split_heads(Lane *lane, Tensor *t, int64_t heads, Tensor **out)
{
    const View *v = &t->view;
    int64_t size[VIEW_MAX_DIMS];
    int n = v->ndim, at = n - 3;
    if (n < 3 || n >= VIEW_MAX_DIMS || heads == 0 || v->size[at] % heads)
        return op_raise("Number of heads in key and value must divide the number of heads in query");
    memcpy(size, v->size, sizeof size);
    memmove(size + at + 2, size + at + 1, 2 * sizeof *size);
    size[at] = heads;
    size[at + 1] = v->size[at] / heads;
    return tensor_reshaped(lane, t, n + 1, size, out);
}

static Status grouped_attention(Lane *lane, Site *site, const AttentionCall *c, Tensor **out)
{
    AttentionCall g = *c;
    Tensor *made;
    int kd = c->k->view.ndim;
    if (kd < 3)
        return op_raise("enable_gqa: key and value need a dimension of heads");
    int64_t heads = c->k->view.size[kd - 3], size[VIEW_MAX_DIMS];
    TRY(split_heads(lane, c->q, heads, &g.q));
    Status s = tensor_add_dim(lane, c->k, kd - 2, &g.k);
    if (s == ST_OK) {
        s = tensor_add_dim(lane, c->v, c->v->view.ndim - 2, &g.v);
        if (s == ST_OK) {
            // A mask's own dimension of heads, if it has one, is stretched or split alike.
            if (c->mask && c->mask->view.ndim >= 3)
                s = split_heads(lane, c->mask, c->mask->view.size[c->mask->view.ndim - 3] == 1 ? 1 : heads, &g.mask);
            if (s == ST_OK)
                s = attention(lane, site, &g, &made);
            if (g.mask && g.mask != c->mask)
                tensor_release(g.mask);
            tensor_release(g.v);
        }
        tensor_release(g.k);
    }
    tensor_release(g.q);
    TRY(s);
    // [batch, heads of k, group, L, E] -> [batch, heads, L, E]; batches of k and v may have stretched those of q.
    int n = made->view.ndim, at = n - 4;
    memcpy(size, made->view.size, sizeof size);
    size[at] *= size[at + 1];
    memmove(size + at + 1, size + at + 2, 2 * sizeof *size);
    s = tensor_reshaped(lane, made, n - 1, size, out);
    tensor_release(made);
    return s;
}

// The weights are dropped before they are used: step by step, as PyTorch's definition. args: of
// _scaled_dot_product_attention_math.
static Status with_dropout(Lane *lane, Site *site, const IValue *args, int n_rets, IValue *rets)
{
    Sequence q;
    IValue made[2];
    TRY(sequence_begin(&q, lane, site));
    sequence_step(&q, "aten::_scaled_dot_product_attention_math", 9, args, 2, made);
    return sequence_give_all(&q, n_rets, made, rets);
}

// (query, key, value, attn_mask, dropout_p, is_causal, *, scale, enable_gqa)
static Status op_attention(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (arg_double(args[4]) > 0)
        return with_dropout(lane, site, (IValue[]){args[0], args[1], args[2], args[3], args[4], args[5], value_none(), args[6], args[7]}, 1, rets);
    AttentionCall c = {.q = arg_tensor(args[0]), .k = arg_tensor(args[1]), .v = arg_tensor(args[2]), .mask = arg_tensor(args[3])};
    Tensor *out;
    c.dropout = arg_double(args[4]);
    c.causal = args[5].as.b;
    c.zero_hidden = site->op->data != NULL;
    c.scale = arg_is_none(args[6]) ? 0 : arg_double(args[6]);
    TRY(args[7].as.b ? grouped_attention(lane, site, &c, &out) : attention(lane, site, &c, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (query, key, value, attn_mask, dropout_p, need_attn_weights, is_causal) -> (result, weights)
static Status op_attention_weights(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (arg_double(args[4]) > 0)
        return with_dropout(lane, site, (IValue[]){args[0], args[1], args[2], args[3], args[4], args[6], value_none(), value_none(), value_bool(false)}, 2, rets);
    AttentionCall c = {.q = arg_tensor(args[0]), .k = arg_tensor(args[1]), .v = arg_tensor(args[2]), .mask = arg_tensor(args[3])};
    Tensor *out[2];
    c.dropout = arg_double(args[4]);
    // PyTorch's CPU code gives the weights whatever is asked for; they are only made where something uses them.
    c.weights = args[5].as.b || !site->node || site->node->output_count != 2 || site->node->outputs[1]->use_count > 0;
    c.causal = args[6].as.b;
    TRY(attention(lane, site, &c, out));
    if (!c.weights) {
        Status s = tensor_new(lane, tensor_dtype(c.q), 1, (int64_t[]){0}, &out[1]);
        if (s != ST_OK) {
            tensor_release(out[0]);
            return s;
        }
    }
    take_results(rets, out, 2);
    return ST_OK;
}

const OpBinding OPS_ATTENTION[] = {
    {"aten::scaled_dot_product_attention", op_attention, 0, "zeros where every key is hidden", sequence_free}, // since PyTorch 2.5
    {"tsb::attention", op_attention, 0, NULL, sequence_free},
    {"aten::_scaled_dot_product_attention", op_attention_weights, 0, NULL, sequence_free},
    {"aten::_scaled_dot_product_attention_forward", op_attention_weights, 0, NULL, sequence_free},
    {0},
};
