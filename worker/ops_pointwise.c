// Operator bindings: element by element. A row says what the operator computes (PwOp), in which type, and what each
// argument of its schema is; the few operators whose arguments need more have a function of their own.
#include "worker/ops_pointwise.h"

#include "kernels/iter.h"
#include "kernels/promote.h"

#include <float.h>
#include <math.h>

// Fills the call from the arguments; numbers go to params.
void pw_fill(PwCall *c, const PwRow *row, const IValue *args)
{
    int numbers = 0;
    *c = PW_CALL(row->op, row->kind);
    for (int i = 0; row->args[i]; i++)
        switch (row->args[i]) {
        case 'w': c->out = args[i].as.tensor; // fallthrough
        case 't': pw_add(c, PW_OPERAND, i, args[i]); break;
        case 'v': pw_add(c, PW_VALUE, i, args[i]); break;
        case 'c': pw_add(c, PW_CONDITION, i, args[i]); break;
        case 'o':
            c->out = args[i].as.tensor;
            c->resize_out = true;
            break;
        case 'n':
            c->params.f[numbers] = arg_double(args[i]);
            c->params.i[numbers++] = arg_int(args[i]);
            break;
        default: break;
        }
}

Status pw_finish(Lane *lane, Site *site, PwCall *c, IValue *rets)
{
    Tensor *result;
    TRY(pw_call(lane, site, c, &result));
    rets[0] = value_tensor_take(result);
    return ST_OK;
}

Status op_pw_row(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    return pw_finish(lane, site, &c, rets);
}

// where and masked_fill: the condition is of bool (uint8 is an old form of it), and a value must become self's type.
static Status check_condition(const Site *site, const IValue *args)
{
    const PwRow *row = site->op->data;
    bool fills = row->op == PW_MASKED_FILL;
    DType condition = tensor_dtype(args[fills ? 1 : 0].as.tensor);
    if (condition != DT_BOOL && condition != DT_U8)
        return fills ? op_raise("masked_fill_ only supports boolean masks, but got mask with dtype %s", dtype_torch_name(condition))
                     : op_raise("where expected condition to be a boolean tensor, but got a tensor with dtype %s", dtype_torch_name(condition));
    if (fills && args[2].tag == TAG_TENSOR && args[2].as.tensor->view.ndim)
        return op_raise("masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).", args[2].as.tensor->view.ndim);
    DType self = tensor_dtype(args[0].as.tensor);
    bool complex_value = fills && (args[2].tag == TAG_COMPLEX || (args[2].tag == TAG_TENSOR && dtype_is_complex(tensor_dtype(args[2].as.tensor))));
    if (complex_value && !dtype_is_complex(self))
        return op_raise("value cannot be converted to type %s without overflow", self == DT_F32 ? "float" : self == DT_F64 ? "double" : self == DT_I64 ? "int64_t" : "int");
    return ST_OK;
}
static Status op_conditional(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    TRY(check_condition(site, args));
    return op_pw_row(lane, site, args, rets);
}

static bool is_bool(IValue v) { return v.tag == TAG_BOOL || (v.tag == TAG_TENSOR && v.as.tensor->view.dtype == DT_BOOL); }

static bool is_complex(IValue v)
{
    return v.tag == TAG_COMPLEX || (v.tag == TAG_TENSOR && dtype_is_complex((DType)v.as.tensor->view.dtype));
}

// A complex tensor's absolute value is real, and has no room in it.
static Status op_abs_in_place(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (is_complex(args[0]))
        return op_raise("In-place abs is not supported for complex tensors.");
    return op_pw_row(lane, site, args, rets);
}

// self ** 2: of bools int64.
static Status op_square(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (is_bool(args[0]))
        c.numbers = DT_I64;
    return pw_finish(lane, site, &c, rets);
}

static Status op_softshrink(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (!(arg_double(args[1]) >= 0))
        return op_raise("lambda must be greater or equal to 0, but found to be %g.", arg_double(args[1]));
    return op_pw_row(lane, site, args, rets);
}

static Status op_neg(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (is_bool(args[0]))
        return op_raise("Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
    return op_pw_row(lane, site, args, rets);
}

static bool all_integral(const PwCall *c)
{
    for (int k = 0; k < c->inputs; k++) {
        IValue v = c->in[k].value;
        DType t = v.tag == TAG_TENSOR ? (DType)v.as.tensor->view.dtype : number_dtype(v);
        if (dtype_category(t) > DT_INTEGRAL)
            return false;
    }
    return true;
}

// add, sub and rsub: the last number is alpha.
static Status op_add(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    const PwRow *row = site->op->data;
    pw_fill(&c, row, args);
    bool subtract = row->op == PW_SUB;
    if (subtract && (is_bool(c.in[0].value) || is_bool(c.in[1].value)))
        return op_raise(is_bool(c.in[0].value) && is_bool(c.in[1].value)
                            ? "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
                            : "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
    if (c.params.f[0] == 1)
        return pw_finish(lane, site, &c, rets);
    if (c.params.f[0] != (double)c.params.i[0] && all_integral(&c))
        return op_raise("For integral input tensors, argument alpha must not be a floating point number.");
    c.op = PW_ADD_ALPHA;
    if (subtract) {
        c.params.f[0] = -c.params.f[0];
        c.params.i[0] = (int64_t)(0 - (uint64_t)c.params.i[0]);
    }
    return pw_finish(lane, site, &c, rets);
}

static Status op_rsub(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    IValue swapped[3] = {args[1], args[0], args[2]};
    // Positions are those of the schema again: the first operand of `swapped` is argument 1.
    PwCall c;
    pw_fill(&c, site->op->data, swapped);
    c.in[0].arg = 1;
    c.in[1].arg = 0;
    if (is_bool(args[0]) || is_bool(args[1]))
        return op_raise("Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
    if (c.params.f[0] != 1) {
        c.op = PW_ADD_ALPHA;
        c.params.f[0] = -c.params.f[0];
        c.params.i[0] = (int64_t)(0 - (uint64_t)c.params.i[0]);
    }
    return pw_finish(lane, site, &c, rets);
}

// div with rounding_mode, the argument behind the operands.
static Status op_div_mode(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (!arg_is_none(args[2])) {
        Str mode = str_of_value(args[2]);
        if (str_is(mode, "floor"))
            c.op = PW_DIV_FLOOR;
        else if (str_is(mode, "trunc"))
            c.op = PW_DIV_TRUNC;
        else
            return op_raise("div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '" STR_FMT "'", STR_ARG(mode));
        c.kind = PW_COMMON;
    }
    return pw_finish(lane, site, &c, rets);
}

static Status op_pow(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (args[1].tag == TAG_INT && args[1].as.i < 0 && args[0].tag == TAG_TENSOR && dtype_category(tensor_dtype(args[0].as.tensor)) == DT_INTEGRAL)
        return op_raise("Integers to negative integer powers are not allowed.");
    return pw_finish(lane, site, &c, rets);
}

static void bound(PwCall *c, int index, IValue v, double none_f, int64_t none_i)
{
    if (arg_is_none(v)) {
        c->params.f[index] = none_f;
        c->params.i[index] = none_i;
        return;
    }
    c->params.f[index] = arg_double(v);
    c->params.i[index] = arg_int(v);
    c->numbers = promote_types(c->numbers, number_dtype(v));
}

// clamp(self, min, max): the bounds are numbers, and promote.
static Status clamp(Lane *lane, Site *site, const IValue *args, IValue low, IValue high, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (arg_is_none(low) && arg_is_none(high))
        return op_raise("torch.clamp: At least one of 'min' or 'max' must not be None");
    bound(&c, 0, low, -INFINITY, INT64_MIN);
    bound(&c, 1, high, INFINITY, INT64_MAX);
    return pw_finish(lane, site, &c, rets);
}
static Status op_clamp(Lane *lane, Site *site, const IValue *args, IValue *rets) { return clamp(lane, site, args, args[1], args[2], rets); }
static Status op_clamp_min(Lane *lane, Site *site, const IValue *args, IValue *rets) { return clamp(lane, site, args, args[1], value_none(), rets); }
static Status op_clamp_max(Lane *lane, Site *site, const IValue *args, IValue *rets) { return clamp(lane, site, args, value_none(), args[1], rets); }

static Status op_clamp_tensor(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const PwRow *row = site->op->data;
    if (arg_is_none(args[1]) && arg_is_none(args[2]))
        return op_raise("torch.clamp: At least one of 'min' or 'max' must not be None");
    PwCall c;
    pw_fill(&c, row, args);
    if (arg_is_none(args[1]) || arg_is_none(args[2])) {
        bool low = arg_is_none(args[2]);
        c.op = low ? PW_MAXIMUM : PW_MINIMUM;
        if (!low)
            c.in[1] = c.in[2];
        c.inputs = 2;
    }
    return pw_finish(lane, site, &c, rets);
}

static Status op_relu6(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    c.params.f[1] = 6;
    c.params.i[1] = 6;
    return pw_finish(lane, site, &c, rets);
}

static Status op_gelu(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    Str how = str_of_value(args[1]);
    if (str_is(how, "tanh"))
        c.op = PW_GELU_TANH;
    else if (!str_is(how, "none"))
        return op_raise("approximate argument must be either none or tanh.");
    return pw_finish(lane, site, &c, rets);
}

static Status op_celu(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (c.params.f[0] == 0)
        return op_raise_class("ZeroDivisionError", "alpha cannot be 0 for CELU");
    c.params.f[1] = 1;
    c.params.f[2] = 1 / c.params.f[0];
    return pw_finish(lane, site, &c, rets);
}

static Status op_selu(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    c.params.f[0] = 1.6732632423543772848170429916717;
    c.params.f[1] = 1.0507009873554804934193349852946;
    c.params.f[2] = 1;
    return pw_finish(lane, site, &c, rets);
}

static Status op_logit(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    if (arg_is_none(args[1]))
        c.params.f[0] = -1;
    return pw_finish(lane, site, &c, rets);
}

static Status op_nan_to_num(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    PwCall c;
    pw_fill(&c, site->op->data, args);
    DType t = tensor_dtype(args[0].as.tensor);
    double top = t == DT_F16 ? 65504 : t == DT_BF16 ? 0x1.fep127 : t == DT_F32 ? FLT_MAX : DBL_MAX;
    const double none[3] = {0, top, -top};
    for (int i = 0; i < 3; i++)
        if (arg_is_none(args[1 + i]))
            c.params.f[i] = none[i];
    return pw_finish(lane, site, &c, rets);
}

// The two halves of dimension dim: a * sigmoid(b).
static Status op_glu(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *self = args[0].as.tensor, *half[2] = {0};
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    if (self->view.ndim == 0)
        return op_raise("glu does not support 0-dimensional tensors");
    if (self->view.size[dim] % 2)
        return op_raise("Halving dimension must be even, but dimension %d is size %lld", dim, (long long)self->view.size[dim]);
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, self->view.size, sizeof size);
    size[dim] /= 2;
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++)
        status = tensor_view(lane, self, self->view.ndim, size, self->view.stride, self->offset + i * size[dim] * self->view.stride[dim], &half[i]);
    if (status == ST_OK) {
        PwCall c = PW_CALL(PW_GLU, PW_SELF);
        pw_add(&c, PW_OPERAND, -1, value_tensor_take(half[0]));
        pw_add(&c, PW_OPERAND, -1, value_tensor_take(half[1]));
        status = pw_finish(lane, site, &c, rets);
    }
    for (int i = 0; i < 2; i++)
        if (half[i])
            tensor_release(half[i]);
    return status;
}

// The slopes lie along dimension 1.
static Status op_prelu(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *self = args[0].as.tensor, *weight = args[1].as.tensor, *shaped;
    int64_t n = tensor_numel(weight), size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int ndim = self->view.ndim;
    int64_t channels = ndim >= 2 ? self->view.size[1] : 1;
    if (weight->view.ndim > 1)
        return op_raise("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = %d", weight->view.ndim);
    if (n != 1 && ndim == 0)
        return op_raise("Not allow zero-dim input tensor.");
    if (tensor_dtype(self) != tensor_dtype(weight))
        return op_raise("prelu: Type promoting not supported. Got %s and %s", dtype_torch_name(tensor_dtype(self)), dtype_torch_name(tensor_dtype(weight)));
    if (n != 1 && n != channels)
        return op_raise("Mismatch of parameter numbers and input channel size. Found parameter numbers = %lld and channel size = %lld.", (long long)n,
                        (long long)channels);
    TRY(tensor_make_plain(lane, weight));
    for (int d = 0; d < ndim; d++) {
        size[d] = d == 1 ? n : 1;
        stride[d] = weight->view.ndim == 1 ? weight->view.stride[0] : 1;
    }
    if (n == 1)
        ndim = 0;
    TRY(tensor_view(lane, weight, ndim, size, stride, weight->offset, &shaped));
    PwCall c = PW_CALL(PW_PRELU, PW_SELF);
    pw_add(&c, PW_OPERAND, 0, args[0]);
    pw_add(&c, PW_VALUE, -1, value_tensor_take(shaped));
    Status status = pw_finish(lane, site, &c, rets);
    tensor_release(shaped);
    return status;
}

// Unlike other elementwise results, one of masked_fill is always contiguous.
static Status op_masked_fill(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    TRY(check_condition(site, args));
    PwCall c;
    pw_fill(&c, site->op->data, args);
    const View *self = &args[0].as.tensor->view, *mask = &args[1].as.tensor->view;
    bool plain = self->layout == LAYOUT_STRIDED && mask->layout == LAYOUT_STRIDED;
    if (!plain || (view_is_contiguous(self) && ((view_is_contiguous(mask) && view_same_shape(self, mask)) || mask->ndim == 0)))
        return pw_finish(lane, site, &c, rets);
    int ndim;
    int64_t size[VIEW_MAX_DIMS];
    if (!broadcast_shapes(self->ndim, self->size, mask->ndim, mask->size, &ndim, size)) {
        c.in[0].value = args[1]; // the message names the mask's size first
        c.in[1].value = args[0];
        return pw_finish(lane, site, &c, rets);
    }
    Tensor *out;
    TRY(tensor_new(lane, (DType)self->dtype, ndim, size, &out));
    c.out = out;
    Status status = pw_finish(lane, site, &c, rets);
    tensor_release(out);
    return status;
}

const OpBinding OPS_POINTWISE[] = {
    {"prim::abs", op_pw_row, P, &(const PwRow){PW_ABS, PW_COMMON, "t"}, pw_free_user},
    UNARY_PURE("abs", ABS, COMMON, "") ROW("abs_", op_abs_in_place, PW, ABS, COMMON, "w")
    UNARY_PURE("absolute", ABS, COMMON, "") ROW("absolute_", op_abs_in_place, PW, ABS, COMMON, "w")
    UNARY_FN("neg", op_neg, NEG, COMMON, "")
    UNARY_FN("negative", op_neg, NEG, COMMON, "")
    ROW("conj_physical.out", op_pw_row, P, CONJ, SELF, "to") ROW("_conj_physical.out", op_pw_row, P, CONJ, SELF, "to")
    UNARY("sign", SIGN, COMMON)
    UNARY("sgn", SGN, COMMON)
    UNARY("ceil", CEIL, COMMON)
    UNARY("floor", FLOOR, COMMON)
    UNARY("round", ROUND, COMMON)
    ROW("round.decimals", op_pw_row, P, ROUND_DECIMALS, COMMON, "tn")
    ROW("round_.decimals", op_pw_row, PW, ROUND_DECIMALS, COMMON, "wn")
    ROW("round.decimals_out", op_pw_row, P, ROUND_DECIMALS, COMMON, "tno")
    ROW("special_round", op_pw_row, P, ROUND_DECIMALS, COMMON, "tn")
    UNARY("trunc", TRUNC, COMMON)
    UNARY("fix", TRUNC, COMMON)
    UNARY("frac", FRAC, COMMON)
    UNARY("sqrt", SQRT, FLOAT)
    UNARY("rsqrt", RSQRT, FLOAT)
    UNARY("reciprocal", RECIPROCAL, FLOAT)
    UNARY_FN("square", op_square, SQUARE, COMMON, "")
    UNARY("exp", EXP, FLOAT)
    UNARY("exp2", EXP2, FLOAT)
    UNARY("expm1", EXPM1, FLOAT)
    UNARY("log", LOG, FLOAT)
    UNARY("log2", LOG2, FLOAT)
    UNARY("log10", LOG10, FLOAT)
    UNARY("log1p", LOG1P, FLOAT)
    UNARY("sin", SIN, FLOAT)
    UNARY("cos", COS, FLOAT)
    UNARY("tan", TAN, FLOAT)
    UNARY("asin", ASIN, FLOAT)
    UNARY("acos", ACOS, FLOAT)
    UNARY("atan", ATAN, FLOAT)
    UNARY("sinh", SINH, FLOAT)
    UNARY("cosh", COSH, FLOAT)
    UNARY("tanh", TANH, FLOAT)
    UNARY("asinh", ASINH, FLOAT)
    UNARY("acosh", ACOSH, FLOAT)
    UNARY("atanh", ATANH, FLOAT)
    UNARY("arcsin", ASIN, FLOAT)
    UNARY("arccos", ACOS, FLOAT)
    UNARY("arctan", ATAN, FLOAT)
    UNARY("arcsinh", ASINH, FLOAT)
    UNARY("arccosh", ACOSH, FLOAT)
    UNARY("arctanh", ATANH, FLOAT)
    UNARY("sigmoid", SIGMOID, FLOAT)
    UNARY("erf", ERF, FLOAT)
    UNARY("erfc", ERFC, FLOAT)
    UNARY("erfinv", ERFINV, FLOAT)
    UNARY("lgamma", LGAMMA, FLOAT)
    UNARY("digamma", DIGAMMA, FLOAT)
    UNARY("sinc", SINC, FLOAT)
    UNARY_FN("logit", op_logit, LOGIT, FLOAT, "n")
    UNARY_PURE("special_expit", SIGMOID, FLOAT, "")
    UNARY_PURE("special_exp2", EXP2, FLOAT, "")
    UNARY_PURE("special_expm1", EXPM1, FLOAT, "")
    UNARY_PURE("special_log1p", LOG1P, FLOAT, "")
    UNARY_PURE("special_erf", ERF, FLOAT, "")
    UNARY_PURE("special_erfc", ERFC, FLOAT, "")
    UNARY_PURE("special_erfinv", ERFINV, FLOAT, "")
    UNARY_PURE("special_gammaln", LGAMMA, FLOAT, "")
    UNARY_PURE("special_digamma", DIGAMMA, FLOAT, "")
    UNARY_PURE("special_psi", DIGAMMA, FLOAT, "")
    UNARY_PURE("special_sinc", SINC, FLOAT, "")
    ROW("special_logit", op_logit, P, LOGIT, FLOAT, "tn")
    UNARY_PURE("angle", ANGLE, FLOAT, "")

    UNARY("relu", RELU, SELF)
    ROW("relu6", op_relu6, P, CLAMP, SELF, "t")
    ROW("relu6_", op_relu6, PW, CLAMP, SELF, "w")
    UNARY_FN("leaky_relu", op_pw_row, LEAKY_RELU, SELF, "n")
    UNARY_FN("elu", op_pw_row, ELU, SELF, "nnn")
    ROW("selu", op_selu, P, ELU, SELF, "t")
    ROW("selu_", op_selu, PW, ELU, SELF, "w")
    UNARY_FN("celu", op_celu, ELU, SELF, "n")
    UNARY_FN("gelu", op_gelu, GELU, SELF, "-")
    UNARY("silu", SILU, SELF)
    UNARY("mish", MISH, SELF)
    UNARY_PURE("softplus", SOFTPLUS, SELF, "nn")
    UNARY_FN("hardtanh", op_pw_row, CLAMP, SELF, "nn")
    UNARY("hardswish", HARDSWISH, SELF)
    UNARY("hardsigmoid", HARDSIGMOID, SELF)
    UNARY_PURE("hardshrink", HARDSHRINK, SELF, "n")
    ROW("softshrink", op_softshrink, P, SOFTSHRINK, SELF, "tn") ROW("softshrink.out", op_softshrink, P, SOFTSHRINK, SELF, "tno")
    UNARY_FN("threshold", op_pw_row, THRESHOLD, SELF, "nn")
    UNARY_PURE("log_sigmoid", LOGSIGMOID, SELF, "")
    UNARY_FN("nan_to_num", op_nan_to_num, NAN_TO_NUM, SELF, "nnn")
    {"aten::glu", op_glu, 0, NULL, pw_free_user},
    {"aten::prelu", op_prelu, P, NULL, pw_free_user},
    ROW("_prelu_kernel", op_pw_row, P, PRELU, SELF, "tv")

    UNARY_PURE("isnan", ISNAN, COMMON, "")
    UNARY_PURE("isinf", ISINF, COMMON, "")
    ROW("isfinite", op_pw_row, P, ISFINITE, COMMON, "t")
    UNARY_PURE("isposinf", ISPOSINF, COMMON, "")
    UNARY_PURE("isneginf", ISNEGINF, COMMON, "")
    UNARY_PURE("signbit", SIGNBIT, COMMON, "")
    UNARY("logical_not", LOGICAL_NOT, COMMON)
    UNARY("bitwise_not", BITWISE_NOT, COMMON)

    UNARY_FN("clamp", op_clamp, CLAMP, COMMON, "--")
    UNARY_FN("clip", op_clamp, CLAMP, COMMON, "--")
    UNARY_FN("clamp_min", op_clamp_min, CLAMP, COMMON, "-")
    UNARY_FN("clamp_max", op_clamp_max, CLAMP, COMMON, "-")
    ROW("clamp.Tensor", op_clamp_tensor, P, CLAMP_TENSOR, COMMON, "ttt")
    ROW("clamp_.Tensor", op_clamp_tensor, PW, CLAMP_TENSOR, COMMON, "wtt")
    ROW("clamp.Tensor_out", op_clamp_tensor, P, CLAMP_TENSOR, COMMON, "ttto")
    ROW("clip.Tensor", op_clamp_tensor, P, CLAMP_TENSOR, COMMON, "ttt")
    ROW("clip_.Tensor", op_clamp_tensor, PW, CLAMP_TENSOR, COMMON, "wtt")
    ROW("clamp_min.Tensor", op_pw_row, P, MAXIMUM, COMMON, "tt")
    ROW("clamp_min_.Tensor", op_pw_row, PW, MAXIMUM, COMMON, "wt")
    ROW("clamp_max.Tensor", op_pw_row, P, MINIMUM, COMMON, "tt")
    ROW("clamp_max_.Tensor", op_pw_row, PW, MINIMUM, COMMON, "wt")

    BINARY_FN("add", op_add, ADD, COMMON, "n") OUT_FN("add", op_add, ADD, COMMON, "n")
    BINARY_FN("sub", op_add, SUB, COMMON, "n") OUT_FN("sub", op_add, SUB, COMMON, "n")
    BINARY_FN("subtract", op_add, SUB, COMMON, "n")
    ROW("rsub.Tensor", op_rsub, P, SUB, COMMON, "ttn")
    ROW("rsub.Scalar", op_rsub, P, SUB, COMMON, "ttn")
    BINARY_FN("mul", op_pw_row, MUL, COMMON, "") OUT_FN("mul", op_pw_row, MUL, COMMON, "")
    BINARY_FN("multiply", op_pw_row, MUL, COMMON, "")
    BINARY_FN("div", op_pw_row, DIV, FLOAT, "") OUT_FN("div", op_pw_row, DIV, FLOAT, "")
    BINARY_FN("divide", op_pw_row, DIV, FLOAT, "")
    BINARY_FN("true_divide", op_pw_row, DIV, FLOAT, "")
    ROW("div.Tensor_mode", op_div_mode, P, DIV, FLOAT, "tt-")
    ROW("div.Scalar_mode", op_div_mode, P, DIV, FLOAT, "tt-")
    ROW("div_.Tensor_mode", op_div_mode, PW, DIV, FLOAT, "wt-")
    ROW("div_.Scalar_mode", op_div_mode, PW, DIV, FLOAT, "wt-")
    ROW("div.out_mode", op_div_mode, P, DIV, FLOAT, "tt-o")
    ROW("divide.Tensor_mode", op_div_mode, P, DIV, FLOAT, "tt-")
    ROW("divide.Scalar_mode", op_div_mode, P, DIV, FLOAT, "tt-")
    ROW("floor_divide", op_pw_row, P, DIV_FLOOR, COMMON, "tt")
    ROW("floor_divide.Scalar", op_pw_row, P, DIV_FLOOR, COMMON, "tt")
    ROW("floor_divide.out", op_pw_row, P, DIV_FLOOR, COMMON, "tto")
    ROW("floor_divide_.Tensor", op_pw_row, PW, DIV_FLOOR, COMMON, "wt")
    ROW("floor_divide_.Scalar", op_pw_row, PW, DIV_FLOOR, COMMON, "wt")
    BINARY_FN("remainder", op_pw_row, REMAINDER, COMMON, "")
    ROW("remainder.Scalar_Tensor", op_pw_row, P, REMAINDER, COMMON, "tt")
    ROW("remainder.Tensor_out", op_pw_row, P, REMAINDER, COMMON, "tto")
    BINARY_FN("fmod", op_pw_row, FMOD, COMMON, "")
    ROW("fmod.Tensor_out", op_pw_row, P, FMOD, COMMON, "tto")
    ROW("pow.Tensor_Tensor", op_pow, P, POW, COMMON, "tt")
    ROW("pow.Tensor_Scalar", op_pow, P, POW, COMMON, "tt")
    ROW("pow.Scalar", op_pow, P, POW, COMMON, "tt")
    ROW("pow_.Tensor", op_pow, PW, POW, COMMON, "wt")
    ROW("pow_.Scalar", op_pow, PW, POW, COMMON, "wt")
    ROW("pow.Tensor_Tensor_out", op_pow, P, POW, COMMON, "tto")
    ROW("pow.Tensor_Scalar_out", op_pow, P, POW, COMMON, "tto")
    ROW("pow.Scalar_out", op_pow, P, POW, COMMON, "tto")
    PAIR("atan2", ATAN2, FLOAT)
    PAIR("arctan2", ATAN2, FLOAT)
    PAIR("hypot", HYPOT, COMMON)
    PAIR("nextafter", NEXTAFTER, COMMON)
    PAIR("gcd", GCD, COMMON)
    ROW("copysign.Tensor", op_pw_row, P, COPYSIGN, FLOAT, "tt")
    ROW("copysign.Scalar", op_pw_row, P, COPYSIGN, FLOAT, "tt")
    ROW("copysign_.Tensor", op_pw_row, PW, COPYSIGN, FLOAT, "wt")
    ROW("copysign_.Scalar", op_pw_row, PW, COPYSIGN, FLOAT, "wt")
    ROW("copysign.out", op_pw_row, P, COPYSIGN, FLOAT, "tto")
    ROW("xlogy.Tensor", op_pw_row, P, XLOGY, FLOAT, "tt")
    ROW("xlogy.Scalar_Self", op_pw_row, P, XLOGY, FLOAT, "tt")
    ROW("xlogy.Scalar_Other", op_pw_row, P, XLOGY, FLOAT, "tt")
    PAIR_PURE("logaddexp", LOGADDEXP, COMMON)
    PAIR_PURE("maximum", MAXIMUM, COMMON)
    PAIR_PURE("minimum", MINIMUM, COMMON)
    PAIR_PURE("fmax", FMAX, COMMON)
    PAIR_PURE("fmin", FMIN, COMMON)
    ROW("max.other", op_pw_row, P, MAXIMUM, COMMON, "tt")
    ROW("max.out", op_pw_row, P, MAXIMUM, COMMON, "tto")
    ROW("min.other", op_pw_row, P, MINIMUM, COMMON, "tt")
    ROW("min.out", op_pw_row, P, MINIMUM, COMMON, "tto")

    COMPARE("eq", EQ) COMPARE("ne", NE) COMPARE("lt", LT) COMPARE("le", LE) COMPARE("gt", GT) COMPARE("ge", GE)
    COMPARE("not_equal", NE) COMPARE("less", LT) COMPARE("less_equal", LE) COMPARE("greater", GT) COMPARE("greater_equal", GE)
    PAIR("logical_and", LOGICAL_AND, COMMON)
    PAIR("logical_or", LOGICAL_OR, COMMON)
    PAIR("logical_xor", LOGICAL_XOR, COMMON)
    COMPARE("bitwise_and", BITWISE_AND) COMPARE("bitwise_or", BITWISE_OR) COMPARE("bitwise_xor", BITWISE_XOR)
    ROW("bitwise_and.Scalar_Tensor", op_pw_row, P, BITWISE_AND, COMMON, "tt")
    ROW("bitwise_or.Scalar_Tensor", op_pw_row, P, BITWISE_OR, COMMON, "tt")
    ROW("bitwise_xor.Scalar_Tensor", op_pw_row, P, BITWISE_XOR, COMMON, "tt")
    ROW("__and__.Tensor", op_pw_row, P, BITWISE_AND, COMMON, "tt") ROW("__and__.Scalar", op_pw_row, P, BITWISE_AND, COMMON, "tt")
    ROW("__or__.Tensor", op_pw_row, P, BITWISE_OR, COMMON, "tt") ROW("__or__.Scalar", op_pw_row, P, BITWISE_OR, COMMON, "tt")
    ROW("__xor__.Tensor", op_pw_row, P, BITWISE_XOR, COMMON, "tt") ROW("__xor__.Scalar", op_pw_row, P, BITWISE_XOR, COMMON, "tt")
    ROW("__iand__.Tensor", op_pw_row, PW, BITWISE_AND, COMMON, "wt") ROW("__iand__.Scalar", op_pw_row, PW, BITWISE_AND, COMMON, "wt")
    ROW("__ior__.Tensor", op_pw_row, PW, BITWISE_OR, COMMON, "wt") ROW("__ior__.Scalar", op_pw_row, PW, BITWISE_OR, COMMON, "wt")
    ROW("__ixor__.Tensor", op_pw_row, PW, BITWISE_XOR, COMMON, "wt") ROW("__ixor__.Scalar", op_pw_row, PW, BITWISE_XOR, COMMON, "wt")
    ROW("__lshift__.Tensor", op_pw_row, P, SHIFT_LEFT, COMMON, "tt") ROW("__lshift__.Scalar", op_pw_row, P, SHIFT_LEFT, COMMON, "tt")
    ROW("__rshift__.Tensor", op_pw_row, P, SHIFT_RIGHT, COMMON, "tt") ROW("__rshift__.Scalar", op_pw_row, P, SHIFT_RIGHT, COMMON, "tt")
    ROW("__ilshift__.Tensor", op_pw_row, PW, SHIFT_LEFT, COMMON, "wt") ROW("__ilshift__.Scalar", op_pw_row, PW, SHIFT_LEFT, COMMON, "wt")
    ROW("__irshift__.Tensor", op_pw_row, PW, SHIFT_RIGHT, COMMON, "wt") ROW("__irshift__.Scalar", op_pw_row, PW, SHIFT_RIGHT, COMMON, "wt")
    ROW("bitwise_left_shift.Tensor", op_pw_row, P, SHIFT_LEFT, COMMON, "tt")
    ROW("bitwise_left_shift.Tensor_Scalar", op_pw_row, P, SHIFT_LEFT, COMMON, "tt")
    ROW("bitwise_left_shift.Scalar_Tensor", op_pw_row, P, SHIFT_LEFT, COMMON, "tt")
    ROW("bitwise_left_shift_.Tensor", op_pw_row, PW, SHIFT_LEFT, COMMON, "wt")
    ROW("bitwise_left_shift_.Tensor_Scalar", op_pw_row, PW, SHIFT_LEFT, COMMON, "wt")
    ROW("bitwise_right_shift.Tensor", op_pw_row, P, SHIFT_RIGHT, COMMON, "tt")
    ROW("bitwise_right_shift.Tensor_Scalar", op_pw_row, P, SHIFT_RIGHT, COMMON, "tt")
    ROW("bitwise_right_shift.Scalar_Tensor", op_pw_row, P, SHIFT_RIGHT, COMMON, "tt")
    ROW("bitwise_right_shift_.Tensor", op_pw_row, PW, SHIFT_RIGHT, COMMON, "wt")
    ROW("bitwise_right_shift_.Tensor_Scalar", op_pw_row, PW, SHIFT_RIGHT, COMMON, "wt")

    ROW("lerp.Tensor", op_pw_row, P, LERP, COMMON, "ttt")
    ROW("lerp_.Tensor", op_pw_row, PW, LERP, COMMON, "wtt")
    ROW("lerp.Tensor_out", op_pw_row, P, LERP, COMMON, "ttto")
    ROW("lerp.Scalar", op_pw_row, P, LERP, COMMON, "ttv")
    ROW("lerp_.Scalar", op_pw_row, PW, LERP, COMMON, "wtv")
    ROW("lerp.Scalar_out", op_pw_row, P, LERP, COMMON, "ttvo")
    ROW("addcmul", op_pw_row, P, ADDCMUL, COMMON, "tttn")
    ROW("addcmul_", op_pw_row, PW, ADDCMUL, COMMON, "wttn")
    ROW("addcmul.out", op_pw_row, P, ADDCMUL, COMMON, "tttno")
    ROW("addcdiv", op_pw_row, P, ADDCDIV, COMMON, "tttn")
    ROW("addcdiv_", op_pw_row, PW, ADDCDIV, COMMON, "wttn")
    ROW("addcdiv.out", op_pw_row, P, ADDCDIV, COMMON, "tttno")
    ROW("where.self", op_conditional, P, WHERE, COMMON, "ctt")
    ROW("where.ScalarOther", op_conditional, P, WHERE, COMMON, "ctt")
    ROW("where.ScalarSelf", op_conditional, P, WHERE, COMMON, "ctt")
    ROW("where.Scalar", op_conditional, P, WHERE, COMMON, "ctt")
    ROW("where.self_out", op_conditional, P, WHERE, COMMON, "ctto")
    ROW("masked_fill.Scalar", op_masked_fill, P, MASKED_FILL, SELF, "tcv")
    ROW("masked_fill.Tensor", op_masked_fill, P, MASKED_FILL, SELF, "tcv")
    ROW("masked_fill_.Scalar", op_conditional, PW, MASKED_FILL, SELF, "wcv")
    ROW("masked_fill_.Tensor", op_conditional, PW, MASKED_FILL, SELF, "wcv")
    {0},
};
