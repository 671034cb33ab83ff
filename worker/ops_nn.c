// Operator bindings: other names of convolution, and operators of neural networks that are a few steps of others: attention
// as PyTorch's definition has it (for dropout and for its weights), norms but for one dimension, softmax of masked rows.
#include "worker/op_util.h"
#include "worker/sequence.h"

#include <math.h>

#define NONE value_none()
#define INT value_int
#define BOOL value_bool

// ---- convolution by other names

// args, one letter per argument: x input  w weight  b bias  s stride  p padding  d dilation  o output padding  g groups
//   k kernel size, which the weight says too
typedef struct ConvForm {
    const char *args;
    bool transposed, depthwise;
} ConvForm;

OP_FN(op_conv_form)
{
    const ConvForm *f = site->op->data;
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    int64_t one = 1, zero = 0;
    IValue ones = sequence_ints(&q, 1, &one), zeros = sequence_ints(&q, 1, &zero);
    IValue a[9] = {NONE, NONE, NONE, ones, zeros, ones, BOOL(f->transposed), zeros, INT(1)};
    for (int i = 0; f->args[i]; i++) {
        const char *at = strchr("xwbspdtog", f->args[i]);
        if (at)
            a[at - "xwbspdtog"] = args[i];
    }
    if (f->depthwise && a[0].as.tensor->view.ndim > 2)
        a[8] = INT(a[0].as.tensor->view.size[1]);
    return sequence_give(&q, sequence_step(&q, "aten::convolution", 9, a, 1, NULL), rets);
}

// (self [T, B, C], weight [K, C, O], bias, pad)
OP_FN(op_conv_tbc)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    if (args[0].as.tensor->view.ndim != 3)
        return op_raise("Input must have 3 dims: time, batch, in_channel");
    if (args[1].as.tensor->view.ndim != 3)
        return op_raise("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.");
    int64_t one = 1;
    IValue x = STEP(&q, "aten::permute", args[0], sequence_ints(&q, 3, (int64_t[]){1, 2, 0}));
    IValue w = STEP(&q, "aten::permute", args[1], sequence_ints(&q, 3, (int64_t[]){2, 1, 0}));
    IValue unit = sequence_ints(&q, 1, &one), pad = sequence_ints(&q, 1, &args[3].as.i);
    IValue y = STEP(&q, "aten::conv1d", x, w, args[2], unit, pad, unit, INT(1));
    return sequence_give(&q, STEP(&q, "aten::contiguous", STEP(&q, "aten::permute", y, sequence_ints(&q, 3, (int64_t[]){2, 0, 1})), INT(0)), rets);
}

// ---- attention

typedef struct Attention {
    IValue query, key, value, mask, scale;
    double dropout;
    bool causal, grouped;
} Attention;

static IValue attention_scores(Sequence *q, const Attention *a)
{
    const View *v = &a->query.as.tensor->view;
    IValue key = a->key;
    double scale = a->scale.tag == TAG_NONE ? 1 / sqrt((double)(v->ndim ? v->size[v->ndim - 1] : 1)) : arg_double(a->scale);
    IValue scores = STEP(q, "aten::mul.Scalar", STEP(q, "aten::matmul", a->query, STEP(q, "aten::transpose.int", key, INT(-2), INT(-1))), value_float(scale));
    IValue mask = a->mask;
    if (q->status == ST_OK && a->causal) {
        const View *s = &scores.as.tensor->view;
        IValue ones = STEP(q, "aten::ones", sequence_ints(q, 2, s->size + s->ndim - 2), INT(DT_BOOL), NONE, NONE, NONE);
        mask = STEP(q, "aten::tril", ones, INT(0));
    }
    if (q->status != ST_OK || mask.tag != TAG_TENSOR)
        return scores;
    if (tensor_dtype(mask.as.tensor) == DT_BOOL)
        return STEP(q, "aten::masked_fill.Scalar", scores, STEP(q, "aten::logical_not", mask), value_float(-INFINITY));
    return STEP(q, "aten::add.Tensor", scores, mask, INT(1));
}

static IValue repeated_heads(Sequence *q, const Attention *a, IValue x)
{
    const View *v = &a->query.as.tensor->view, *own = &x.as.tensor->view;
    if (v->ndim < 3 || own->ndim < 3 || own->size[own->ndim - 3] == 0 || v->size[v->ndim - 3] % own->size[own->ndim - 3]) {
        q->status = op_raise("Number of heads in key and value must divide the number of heads in query");
        return x;
    }
    return STEP(q, "aten::repeat_interleave.self_int", x, INT(v->size[v->ndim - 3] / own->size[own->ndim - 3]), INT(-3), NONE);
}

static void attend(Sequence *q, Attention *a, IValue *out, IValue *weights, IValue *scores)
{
    if (a->causal && a->mask.tag == TAG_TENSOR)
        q->status = op_raise("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    if (q->status == ST_OK && a->grouped) {
        a->key = repeated_heads(q, a, a->key);
        a->value = repeated_heads(q, a, a->value);
    }
    *out = *weights = *scores = NONE;
    if (q->status != ST_OK)
        return;
    *scores = attention_scores(q, a);
    *weights = STEP(q, "aten::_safe_softmax", *scores, INT(-1), NONE);
    if (a->dropout > 0)
        *weights = STEP(q, "aten::dropout", *weights, value_float(a->dropout), BOOL(true));
    *out = STEP(q, "aten::matmul", *weights, a->value);
}

// (query, key, value, attn_mask, dropout_p, is_causal, dropout_mask, *, scale, enable_gqa) -> (result, weights)
OP_FN(op_attention_math)
{
    Sequence q;
    Attention a = {.query = args[0], .key = args[1], .value = args[2], .mask = args[3], .dropout = arg_double(args[4]), .causal = args[5].as.b,
                   .scale = args[7], .grouped = args[8].as.b};
    IValue out, weights, scores;
    if (args[6].tag == TAG_TENSOR)
        return status_fail(ST_UNSUPPORTED, "_scaled_dot_product_attention_math with a mask for dropout is not supported");
    TRY(sequence_begin(&q, lane, site));
    attend(&q, &a, &out, &weights, &scores);
    return SEQUENCE_GIVE(&q, rets, out, weights);
}

// (query, key, value, dropout_p, is_causal, *, attn_mask, scale) -> (result, log-sum-exp of the scores [B, H, L])
OP_FN(op_attention_flash)
{
    Sequence q;
    Attention a = {.query = args[0], .key = args[1], .value = args[2], .dropout = arg_double(args[3]), .causal = args[4].as.b, .mask = args[5], .scale = args[6]};
    if (a.dropout > 0)
        return op_raise("scaled_dot_product_attention_flash_attention: Currently do not support dropout > 0");
    TRY(sequence_begin(&q, lane, site));
    IValue out = STEP(&q, "aten::scaled_dot_product_attention", a.query, a.key, a.value, a.mask, value_float(0), BOOL(a.causal), a.scale, BOOL(false));
    bool used = !site->node || site->node->output_count != 2 || site->node->outputs[1]->use_count > 0;
    int64_t last = -1, none = 0;
    IValue sums;
    if (used && q.status == ST_OK)
        sums = STEP(&q, "aten::logsumexp", attention_scores(&q, &a), sequence_ints(&q, 1, &last), BOOL(false));
    else // costs as much as attention itself
        sums = STEP(&q, "aten::zeros", sequence_ints(&q, 1, &none), INT(DT_F32), NONE, NONE, NONE);
    return SEQUENCE_GIVE(&q, rets, out, sums);
}

// (self, dim, dtype): rows that are -inf throughout give 0
OP_FN(op_safe_softmax)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue y = STEP(&q, "aten::softmax.int", args[0], args[1], args[2]);
    IValue masked = STEP(&q, "aten::all.dim", STEP(&q, "aten::eq.Scalar", args[0], value_float(-INFINITY)), args[1], BOOL(true));
    return sequence_give(&q, STEP(&q, "aten::masked_fill.Scalar", y, masked, INT(0)), rets);
}

// ---- norms but for one dimension

// Norms over all dimensions but `dim`, which are kept with size 1; all of them for -1.
static IValue norm_except(Sequence *q, IValue v, IValue pow, int64_t dim)
{
    int n = v.as.tensor->view.ndim, at;
    int64_t others[VIEW_MAX_DIMS], count = 0;
    if (dim == -1)
        return STEP(q, "aten::norm.Scalar", v, pow);
    if (q->status == ST_OK)
        q->status = wrap_dim(dim, n, &at);
    for (int d = 0; d < n && q->status == ST_OK; d++)
        if (d != at)
            others[count++] = d;
    return STEP(q, "aten::norm.ScalarOpt_dim", v, pow, sequence_ints(q, (int)count, others), BOOL(true));
}

OP_FN(op_norm_except_dim)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, norm_except(&q, args[0], args[1], args[2].as.i), rets);
}

// (v, g, dim) -> (w, norms)
OP_FN(op_weight_norm_interface)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue norms = norm_except(&q, args[0], INT(2), args[2].as.i);
    IValue w = STEP(&q, "aten::mul.Tensor", args[0], STEP(&q, "aten::div.Tensor", args[1], norms));
    return SEQUENCE_GIVE(&q, rets, w, norms);
}

// (self) -> (log(sigmoid(x)), exp(-|x|))
OP_FN(op_log_sigmoid_forward)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue y = STEP(&q, "aten::log_sigmoid", args[0]);
    IValue buffer = STEP(&q, "aten::exp", STEP(&q, "aten::neg", STEP(&q, "aten::abs", args[0])));
    return SEQUENCE_GIVE(&q, rets, y, buffer);
}

OP_FN(op_add_relu)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, STEP(&q, "aten::relu", STEP(&q, "aten::add.Tensor", args[0], args[1], args[2])), rets);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}
#define CONV(name, letters, ...) {"aten::" name, op_conv_form, 0, &(const ConvForm){.args = letters, ##__VA_ARGS__}, sequence_free}

const OpBinding OPS_NN[] = {
    CONV("thnn_conv2d", "xwkbsp"), CONV("_slow_conv2d_forward", "xwkbsp"), CONV("slow_conv3d", "xwkbsp"), CONV("slow_conv3d_forward", "xwkbsp"),
    CONV("slow_conv_dilated2d", "xwkbspd"), CONV("slow_conv_dilated3d", "xwkbspd"),
    CONV("slow_conv_transpose2d", "xwkbspod", .transposed = true), CONV("slow_conv_transpose3d", "xwkbspod", .transposed = true),
    CONV("_conv_depthwise2d", "xwkbspd", .depthwise = true), CONV("conv_depthwise3d", "xwkbspd", .depthwise = true),
    CONV("mkldnn_convolution", "xwbpsdg"), CONV("_nnpack_spatial_convolution", "xwbps"), CONV("convolution_overrideable", "xwbspdtog"),
    ROW("conv_tbc", op_conv_tbc),
    ROW("_scaled_dot_product_attention_math", op_attention_math), ROW("_scaled_dot_product_flash_attention_for_cpu", op_attention_flash),
    ROW("_safe_softmax", op_safe_softmax), ROW("norm_except_dim", op_norm_except_dim), ROW("_weight_norm_interface", op_weight_norm_interface),
    ROW("log_sigmoid_forward", op_log_sigmoid_forward), ROW("_add_relu.Tensor", op_add_relu),
    {0},
};
