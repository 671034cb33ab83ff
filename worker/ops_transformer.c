// Operator bindings: whole transformer layers, as PyTorch's inference fast path records them in traces.
// They are sequences of other operators, run through the bindings of those with sites of their own.
#include "worker/op_util.h"
#include "worker/sequence.h"

#include <math.h>

#define NONE value_none()
#define INT value_int

// act(linear(x, weight, bias) + add), in one pass where there is a kernel for it; `add` may be None.
static IValue linear_add(Sequence *q, IValue x, IValue weight, IValue bias, IValue add, const char *act)
{
    if (q->status != ST_OK)
        return NONE;
    if (tensor_dtype(x.as.tensor) == DT_F32 && x.as.tensor->view.ndim == 3)
        return STEP(q, "tsb::linear", x, weight, bias, add, sequence_text(q, act), value_float(0), value_float(0));
    IValue y = STEP(q, "aten::linear", x, weight, bias);
    if (add.tag == TAG_TENSOR)
        y = STEP(q, "aten::add.Tensor", y, add, INT(1));
    return strcmp(act, "gelu") == 0 ? STEP(q, "aten::gelu", y, sequence_text(q, "none")) : strcmp(act, "relu") == 0 ? STEP(q, "aten::relu", y) : y;
}

// ---- attention

typedef struct Attention {
    IValue query, key, value; // [B, L, E]
    int64_t width, heads;     // E, H
    IValue in_weight, in_bias, out_weight, out_bias;
    IValue mask, mask_type;   // true where a key is hidden
    bool need_weights, average;
    IValue add;               // to the result, or None
    IValue before[2];         // keys and values of earlier steps [B, H, L, E/H], or None
    IValue *kept;             // NULL, or where the keys and values of all steps go
} Attention;

// Rows first … first + count of the projection: the whole of it, or the part for query, key or value.
static IValue project(Sequence *q, const Attention *a, IValue x, int64_t part)
{
    if (part < 0)
        return STEP(q, "aten::linear", x, a->in_weight, a->in_bias);
    IValue first = INT(part * a->width), last = INT((part + 1) * a->width);
    IValue weight = STEP(q, "aten::slice.Tensor", a->in_weight, INT(0), first, last, INT(1));
    IValue bias = STEP(q, "aten::slice.Tensor", a->in_bias, INT(0), first, last, INT(1));
    return STEP(q, "aten::linear", x, weight, bias);
}

// [B, L, E] -> [B, H, L, E/H]
static IValue split_heads(Sequence *q, const Attention *a, IValue x)
{
    if (q->status != ST_OK)
        return NONE;
    const View *v = &x.as.tensor->view;
    IValue size = sequence_ints(q, 4, (int64_t[]){v->size[0], v->size[1], a->heads, a->width / a->heads});
    return STEP(q, "aten::contiguous", STEP(q, "aten::transpose.int", STEP(q, "aten::reshape", x, size), INT(1), INT(2)), INT(0));
}

// The mask as something to add to the scores: -inf where a key is hidden; None without one.
static IValue additive_mask(Sequence *q, const Attention *a)
{
    if (a->mask.tag != TAG_TENSOR)
        return NONE;
    IValue mask = a->mask;
    const View *v = &mask.as.tensor->view;
    if (a->mask_type.tag == TAG_INT && a->mask_type.as.i == 1 && v->ndim == 2) // [B, L] of keys
        mask = STEP(q, "aten::reshape", mask, sequence_ints(q, 4, (int64_t[]){v->size[0], 1, 1, v->size[1]}));
    if (tensor_dtype(a->mask.as.tensor) != DT_BOOL)
        return mask;
    IValue dtype = INT(tensor_dtype(a->query.as.tensor));
    IValue zeros = STEP(q, "aten::zeros_like", mask, dtype, NONE, NONE, NONE, NONE);
    return STEP(q, "aten::masked_fill.Scalar", zeros, mask, value_float(-INFINITY));
}

static IValue attention_weights(Sequence *q, const Attention *a, IValue query, IValue key, IValue mask)
{
    double scale = 1 / sqrt((double)(a->width / a->heads));
    IValue scores = STEP(q, "aten::mul.Scalar", STEP(q, "aten::matmul", query, STEP(q, "aten::transpose.int", key, INT(-2), INT(-1))), value_float(scale));
    if (mask.tag == TAG_TENSOR)
        scores = STEP(q, "aten::add.Tensor", scores, mask, INT(1));
    return STEP(q, "aten::softmax.int", scores, INT(-1), NONE);
}

// What was before and x, one after the other along the steps; in one piece.
static IValue behind(Sequence *q, IValue before, IValue x)
{
    if (before.tag != TAG_TENSOR || q->status != ST_OK)
        return STEP(q, "aten::contiguous", x, INT(FORMAT_CONTIGUOUS));
    Tensor *both[2] = {tensor_retain(before.as.tensor), tensor_retain(x.as.tensor)};
    IValue list = NONE;
    Status made = list_of_tensors_take(q->lane, both, 2, &list);
    return STEP(q, "aten::cat", sequence_keep(q, made, list), INT(2));
}

// The result [B, L, E]; *weights is None unless they are wanted.
static IValue attend(Sequence *q, const Attention *a, IValue *weights)
{
    *weights = NONE;
    if (a->heads <= 0 || a->width % a->heads != 0 || a->query.as.tensor->view.ndim != 3) {
        q->status = op_raise("_native_multi_head_attention: expected 3-D queries and an embedding that the heads divide");
        return NONE;
    }
    IValue query, key, value;
    if (value_is(a->query, a->key) && value_is(a->key, a->value)) {
        IValue all = project(q, a, a->query, -1);
        query = STEP(q, "aten::slice.Tensor", all, INT(2), INT(0), INT(a->width), INT(1));
        key = STEP(q, "aten::slice.Tensor", all, INT(2), INT(a->width), INT(2 * a->width), INT(1));
        value = STEP(q, "aten::slice.Tensor", all, INT(2), INT(2 * a->width), INT(3 * a->width), INT(1));
    } else {
        query = project(q, a, a->query, 0);
        key = project(q, a, a->key, 1);
        value = project(q, a, a->value, 2);
    }
    query = split_heads(q, a, query);
    key = split_heads(q, a, key);
    value = split_heads(q, a, value);
    if (a->kept) {
        key = a->kept[0] = behind(q, a->before[0], key);
        value = a->kept[1] = behind(q, a->before[1], value);
    }
    IValue mask = additive_mask(q, a), context;
    if (a->need_weights) {
        *weights = attention_weights(q, a, query, key, mask);
        context = STEP(q, "aten::matmul", *weights, value);
        if (a->average)
            *weights = STEP(q, "aten::mean.dim", *weights, sequence_ints(q, 1, (int64_t[]){1}), value_bool(false), NONE);
    } else {
        context = STEP(q, "tsb::attention", query, key, value, mask, value_float(0), value_bool(false), NONE, value_bool(false));
    }
    const View *v = &a->query.as.tensor->view;
    IValue size = sequence_ints(q, 3, (int64_t[]){v->size[0], v->size[1], a->width});
    context = STEP(q, "aten::reshape", STEP(q, "aten::transpose.int", context, INT(1), INT(2)), size);
    return linear_add(q, context, a->out_weight, a->out_bias, a->add, "none");
}

static Status op_multi_head_attention(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    Attention a = {
        .query = args[0], .key = args[1], .value = args[2], .width = args[3].as.i, .heads = args[4].as.i,
        .in_weight = args[5], .in_bias = args[6], .out_weight = args[7], .out_bias = args[8],
        .mask = args[9], .need_weights = args[10].as.b, .average = args[11].as.b, .mask_type = args[12],
    };
    IValue weights, result = attend(&q, &a, &weights);
    return SEQUENCE_GIVE(&q, rets, result, weights);
}

// Attention of PyTorch 1.13's decoders: the keys and values of earlier steps come in, those of all steps go out.
static void attend_on(Sequence *q, Attention *a, IValue mask, IValue before_key, IValue before_value, IValue kept[2], IValue *result, IValue *weights)
{
    a->kept = kept;
    a->before[0] = before_key;
    a->before[1] = before_value;
    a->mask = a->mask_type = kept[0] = kept[1] = *result = *weights = NONE;
    if (mask.tag == TAG_TENSOR)
        sequence_raise(q, "src_mask not currently supported on CPU");
    if ((before_key.tag == TAG_TENSOR) != (before_value.tag == TAG_TENSOR))
        sequence_raise(q, "incr_key and incr_value must be given together");
    if (q->status == ST_OK)
        *result = attend(q, a, weights);
}

// PyTorch looks at the queries only: keys and values are theirs.
static Status op_decoder_attention(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    Attention a = {
        .query = args[0], .key = args[0], .value = args[0], .width = args[3].as.i, .heads = args[4].as.i,
        .in_weight = args[5], .in_bias = args[6], .out_weight = args[7], .out_bias = args[8], .need_weights = args[12].as.b,
        .average = args[13].as.b,
    };
    IValue kept[2], result, weights;
    attend_on(&q, &a, args[9], args[10], args[11], kept, &result, &weights);
    return SEQUENCE_GIVE(&q, rets, result, weights, kept[0], kept[1]);
}

// ---- layers

typedef struct EncoderLayer {
    bool gelu, norm_first;
    IValue eps, norm_weight[2], norm_bias[2], weight[2], bias[2];
} EncoderLayer;

static IValue layer_norm(Sequence *q, const EncoderLayer *l, int which, IValue x)
{
    if (q->status != ST_OK)
        return NONE;
    const View *v = &x.as.tensor->view;
    IValue size = sequence_ints(q, 1, &v->size[v->ndim - 1]);
    return STEP(q, "aten::layer_norm", x, size, l->norm_weight[which], l->norm_bias[which], l->eps, value_bool(true));
}

static IValue feed_forward(Sequence *q, const EncoderLayer *l, IValue x, IValue add)
{
    IValue hidden = linear_add(q, x, l->weight[0], l->bias[0], NONE, l->gelu ? "gelu" : "relu");
    return linear_add(q, hidden, l->weight[1], l->bias[1], add, "none");
}

// Both layers have these arguments: src, embed_dim, heads, qkv and projection, use_gelu, norm_first, eps, norms, ffn.
static EncoderLayer layer_of(const IValue *args)
{
    return (EncoderLayer){
        .gelu = args[7].as.b, .norm_first = args[8].as.b, .eps = args[9],
        .norm_weight = {args[10], args[12]}, .norm_bias = {args[11], args[13]},
        .weight = {args[14], args[16]}, .bias = {args[15], args[17]},
    };
}

static Attention self_attention(const IValue *args, IValue x)
{
    return (Attention){
        .query = x, .key = x, .value = x, .width = args[1].as.i, .heads = args[2].as.i,
        .in_weight = args[3], .in_bias = args[4], .out_weight = args[5], .out_bias = args[6],
        .mask = NONE, .mask_type = NONE, .add = args[0],
    };
}

// What follows the attention, to which the source was added.
static IValue finish_layer(Sequence *q, const EncoderLayer *l, IValue x)
{
    if (!l->norm_first)
        x = layer_norm(q, l, 0, x);
    x = feed_forward(q, l, l->norm_first ? layer_norm(q, l, 1, x) : x, x);
    return l->norm_first ? x : layer_norm(q, l, 1, x);
}

static Status op_encoder_layer(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    EncoderLayer l = layer_of(args);
    IValue x = l.norm_first ? layer_norm(&q, &l, 0, args[0]) : args[0], weights;
    Attention a = self_attention(args, x);
    a.mask = args[18];
    a.mask_type = args[19];
    if (q.status == ST_OK)
        x = attend(&q, &a, &weights);
    return sequence_give(&q, finish_layer(&q, &l, x), rets);
}

static Status op_decoder_layer(Lane *lane, Site *site, const IValue *args, IValue *rets) // …, mask, incr_key, incr_value
{
    Sequence q;
    EncoderLayer l = layer_of(args);
    if (l.norm_first)
        return op_raise("norm_first is not supported yet");
    TRY(sequence_begin(&q, lane, site));
    Attention a = self_attention(args, args[0]);
    IValue kept[2], attended, weights;
    attend_on(&q, &a, args[18], args[19], args[20], kept, &attended, &weights);
    IValue x = finish_layer(&q, &l, attended);
    return SEQUENCE_GIVE(&q, rets, x, kept[0], kept[1]);
}

// Are the true values of every row of mask [N, L] at its front? (t, mask) -> bool
static Status op_left_aligned(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    const View *t = &args[0].as.tensor->view;
    Tensor *mask;
    if (args[1].as.tensor->view.dtype != DT_BOOL)
        return op_raise("Expected mask to be of ScalarType Bool, but got %s instead.", dtype_torch_name(tensor_dtype(args[1].as.tensor)));
    if (args[1].as.tensor->view.ndim != 2)
        return op_raise("Padding mask should be 2D");
    if (t->ndim != 3)
        return op_raise("Input should be a 3D tensor, N * L * D");
    TRY(tensor_contiguous(lane, args[1].as.tensor, &mask));
    const bool *b = mask->view.data;
    int64_t rows = mask->view.size[0], columns = mask->view.size[1];
    bool aligned = true;
    for (int64_t r = 0; r < rows; r++, b += columns)
        for (int64_t c = 1; c < columns; c++)
            aligned = aligned && (b[c - 1] || !b[c]);
    tensor_release(mask);
    if (rows != t->size[0] || columns != t->size[1])
        return op_raise("Mask size should match input size");
    rets[0] = value_bool(aligned);
    return ST_OK;
}

const OpBinding OPS_TRANSFORMER[] = {
    {"aten::_nested_tensor_from_mask_left_aligned", op_left_aligned, 0, NULL, NULL},
    {"aten::_native_multi_head_attention", op_multi_head_attention, 0, NULL, sequence_free},
    {"aten::_transformer_encoder_layer_fwd", op_encoder_layer, 0, NULL, sequence_free},
    {"aten::_native_decoder_only_multi_head_attention", op_decoder_attention, 0, NULL, sequence_free},
    {"aten::_transformer_decoder_only_layer_fwd", op_decoder_layer, 0, NULL, sequence_free},
    {0},
};
