// Operator bindings: losses that are arithmetic of tensors and a reduction at the end. They call the operators that
// PyTorch's definitions call; losses that look up classes are in worker/ops_nll.c.
#include "worker/op_util.h"
#include "worker/pointwise.h"
#include "worker/sequence.h"

#include <math.h>

#define ADD(a, b) STEP(&q, "aten::add.Tensor", a, b, value_int(1))
#define SUB(a, b) STEP(&q, "aten::sub.Tensor", a, b, value_int(1))
#define MUL(a, b) STEP(&q, "aten::mul.Tensor", a, b)
#define DIV(a, b) STEP(&q, "aten::div.Tensor", a, b)
#define ADD_NUMBER(a, number) STEP(&q, "aten::add.Scalar", a, number, value_int(1))
#define MUL_NUMBER(a, number) STEP(&q, "aten::mul.Scalar", a, number)
#define FROM_NUMBER(number, a) STEP(&q, "aten::rsub.Scalar", a, number, value_int(1)) // number - a
#define AT_LEAST(a, number) STEP(&q, "aten::clamp_min", a, number)
#define WHERE(condition, a, b) STEP(&q, "aten::where.self", condition, a, b)
#define CALL1(name, a) STEP(&q, "aten::" name, a)
#define COMPARE(name, a, number) STEP(&q, "aten::" name ".Scalar", a, value_int(number))
#define ZEROS_LIKE(a) STEP(&q, "aten::zeros_like", a, value_none(), value_none(), value_none(), value_none(), value_none())

#define BEGIN                                                                                                          \
    Sequence q;                                                                                                        \
    TRY(sequence_begin(&q, lane, site))
#define GIVE(v) return sequence_give(&q, v, rets)

enum { REDUCTION_NONE, REDUCTION_MEAN, REDUCTION_SUM };

static IValue reduced(Sequence *q, IValue loss, IValue reduction)
{
    switch (reduction.as.i) {
    case REDUCTION_MEAN: return STEP(q, "aten::mean", loss, value_none());
    case REDUCTION_SUM: return STEP(q, "aten::sum", loss, value_none());
    default: return loss;
    }
}

// Operands take part in promotion when a loss is one kernel in PyTorch: both in the common type.
static IValue difference(Sequence *q, IValue a, IValue b) { return STEP(q, "aten::sub.Tensor", a, b, value_int(1)); }

// (self, target, reduction)
OP_FN(op_mse_loss)
{
    BEGIN;
    IValue d = difference(&q, args[0], args[1]);
    GIVE(reduced(&q, MUL(d, d), args[2]));
}

// (self, target, reduction)
OP_FN(op_l1_loss)
{
    BEGIN;
    GIVE(reduced(&q, CALL1("abs", difference(&q, args[0], args[1])), args[2]));
}

// (self, target, distance, divisor, slope): both losses below, unreduced
OP_FN(op_huber)
{
    PwCall c = PW_CALL(PW_HUBER, PW_COMMON);
    for (int i = 0; i < 2; i++)
        pw_add(&c, PW_OPERAND, -1, args[i]);
    for (int i = 0; i < 3; i++)
        c.params.f[i] = arg_double(args[2 + i]);
    Tensor *out;
    TRY(pw_call(lane, site, &c, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}
static bool both_real(const IValue *args)
{
    DType common = promote_dtypes(tensor_dtype(args[0].as.tensor), tensor_dtype(args[1].as.tensor));
    return dtype_is_floating(common) && !dtype_is_complex(common);
}

// (self, target, reduction, beta)
OP_FN(op_smooth_l1_loss)
{
    double beta = arg_double(args[3]);
    if (beta < 0)
        return op_raise("smooth_l1_loss does not support negative values for beta.");
    if (beta == 0)
        return op_l1_loss(lane, site, args, rets);
    BEGIN;
    if (both_real(args))
        GIVE(reduced(&q, STEP(&q, "tsb::huber", args[0], args[1], args[3], args[3], value_float(1)), args[2]));
    IValue d = CALL1("abs", difference(&q, args[0], args[1]));
    IValue near = STEP(&q, "aten::div.Scalar", MUL(MUL_NUMBER(d, value_float(0.5)), d), args[3]);
    IValue far = ADD_NUMBER(d, value_float(-0.5 * beta));
    GIVE(reduced(&q, WHERE(STEP(&q, "aten::lt.Scalar", d, args[3]), near, far), args[2]));
}

// (self, target, reduction, delta)
OP_FN(op_huber_loss)
{
    double delta = arg_double(args[3]);
    if (delta <= 0)
        return op_raise("huber_loss does not support non-positive values for delta.");
    BEGIN;
    if (both_real(args))
        GIVE(reduced(&q, STEP(&q, "tsb::huber", args[0], args[1], args[3], value_float(1), args[3]), args[2]));
    IValue d = CALL1("abs", difference(&q, args[0], args[1]));
    IValue near = MUL(MUL_NUMBER(d, value_float(0.5)), d);
    IValue far = MUL_NUMBER(ADD_NUMBER(d, value_float(-0.5 * delta)), args[3]);
    GIVE(reduced(&q, WHERE(STEP(&q, "aten::le.Scalar", d, args[3]), near, far), args[2]));
}

// (self, target, reduction)
OP_FN(op_soft_margin_loss)
{
    BEGIN;
    IValue product = MUL(CALL1("neg", args[1]), args[0]);
    GIVE(reduced(&q, CALL1("log1p", CALL1("exp", product)), args[2]));
}

// (input1, input2, target, margin, reduction)
OP_FN(op_margin_ranking_loss)
{
    BEGIN;
    IValue product = MUL(CALL1("neg", args[2]), SUB(args[0], args[1]));
    GIVE(reduced(&q, AT_LEAST(ADD_NUMBER(product, args[3]), value_int(0)), args[4]));
}

// (self, target, margin, reduction)
OP_FN(op_hinge_embedding_loss)
{
    BEGIN;
    IValue zeros = ZEROS_LIKE(args[0]), short_of = AT_LEAST(FROM_NUMBER(args[2], args[0]), value_int(0));
    IValue apart = WHERE(COMPARE("ne", args[1], 1), short_of, zeros), same = WHERE(COMPARE("ne", args[1], -1), args[0], zeros);
    GIVE(reduced(&q, ADD(apart, same), args[3]));
}

// (self, target, reduction, log_target)
OP_FN(op_kl_div)
{
    BEGIN;
    IValue loss;
    if (args[3].as.b)
        loss = MUL(CALL1("exp", args[1]), SUB(args[1], args[0]));
    else
        loss = SUB(STEP(&q, "aten::xlogy.Tensor", args[1], args[1]), MUL(args[1], args[0]));
    GIVE(reduced(&q, loss, args[2]));
}

// (input, target, log_input, full, eps, reduction)
OP_FN(op_poisson_nll_loss)
{
    BEGIN;
    IValue x = args[0], y = args[1], loss;
    if (args[2].as.b)
        loss = SUB(CALL1("exp", x), MUL(y, x));
    else
        loss = SUB(x, MUL(y, CALL1("log", ADD_NUMBER(x, args[4]))));
    if (args[3].as.b) { // Stirling's approximation of the factorial
        IValue half_log = MUL_NUMBER(CALL1("log", MUL_NUMBER(y, value_float(2 * M_PI))), value_float(0.5));
        IValue stirling = ADD(SUB(MUL(y, CALL1("log", y)), y), half_log);
        loss = ADD(loss, STEP(&q, "aten::masked_fill.Scalar", stirling, COMPARE("le", y, 1), value_int(0)));
    }
    GIVE(reduced(&q, loss, args[5]));
}

// Everything within 0 … 1?
static IValue check_probabilities(Sequence *q, IValue x)
{
    IValue outside = STEP(q, "aten::logical_or", STEP(q, "aten::lt.Scalar", x, value_int(0)), STEP(q, "aten::gt.Scalar", x, value_int(1)));
    IValue any = STEP(q, "aten::any", outside);
    bool found = false;
    if (q->status == ST_OK)
        q->status = tensor_truth(q->lane, any.as.tensor, &found);
    if (q->status == ST_OK && found)
        q->status = op_raise("all elements of input should be between 0 and 1");
    return x;
}

// (self, target, weight, reduction)
OP_FN(op_binary_cross_entropy)
{
    if (!dtype_is_floating(tensor_dtype(args[0].as.tensor)))
        return op_raise("\"binary_cross_entropy\" not implemented for '%s'", dtype_torch_name(tensor_dtype(args[0].as.tensor)));
    BEGIN;
    IValue x = check_probabilities(&q, args[0]), y = args[1], lowest = value_int(-100);
    IValue no = AT_LEAST(CALL1("log1p", CALL1("neg", x)), lowest), yes = AT_LEAST(CALL1("log", x), lowest);
    IValue loss = SUB(MUL(ADD_NUMBER(y, value_int(-1)), no), MUL(y, yes));
    if (!arg_is_none(args[2]))
        loss = MUL(loss, args[2]);
    GIVE(reduced(&q, loss, args[3]));
}

// (self, target, weight, pos_weight, reduction)
OP_FN(op_binary_cross_entropy_with_logits)
{
    BEGIN;
    IValue x = args[0], y = args[1], log_sigmoid = CALL1("log_sigmoid", x);
    if (!arg_is_none(args[3])) {
        IValue one = value_int(1), factor = ADD_NUMBER(MUL(ADD_NUMBER(args[3], value_int(-1)), y), one);
        log_sigmoid = MUL(log_sigmoid, factor);
    }
    IValue loss = SUB(MUL(FROM_NUMBER(value_int(1), y), x), log_sigmoid);
    if (!arg_is_none(args[2]))
        loss = MUL(loss, args[2]);
    GIVE(reduced(&q, loss, args[4]));
}

// (input1, input2, target, margin, reduction)
OP_FN(op_cosine_embedding_loss)
{
    const View *a = &args[0].as.tensor->view, *b = &args[1].as.tensor->view, *t = &args[2].as.tensor->view;
    if (t->ndim > 1)
        return op_raise("0D or 1D target tensor expected, multi-target not supported");
    if (a->ndim != t->ndim + 1 || b->ndim != t->ndim + 1)
        return op_raise("%dD target tensor expects %dD input tensors, but found inputs with sizes %s and %s.", t->ndim, t->ndim + 1,
                        size_text(a->size, a->ndim).text, size_text(b->size, b->ndim).text);
    BEGIN;
    int64_t over = t->ndim;
    IValue dim = sequence_ints(&q, 1, &over), keep = value_bool(false), none = value_none(), tiny = value_float(1e-12);
#define SUM(x) STEP(&q, "aten::sum.dim_IntList", x, dim, keep, none)
    IValue product = SUM(MUL(args[0], args[1]));
    IValue square1 = ADD_NUMBER(SUM(MUL(args[0], args[0])), tiny), square2 = ADD_NUMBER(SUM(MUL(args[1], args[1])), tiny);
#undef SUM
    IValue cosine = DIV(product, CALL1("sqrt", MUL(square1, square2))), zeros = ZEROS_LIKE(cosine);
    IValue apart = AT_LEAST(ADD_NUMBER(cosine, value_float(-arg_double(args[3]))), value_int(0));
    IValue alike = WHERE(COMPARE("eq", args[2], 1), FROM_NUMBER(value_int(1), cosine), zeros);
    GIVE(reduced(&q, ADD(alike, WHERE(COMPARE("eq", args[2], -1), apart, zeros)), args[4]));
}

// (anchor, positive, negative, margin, p, eps, swap, reduction)
OP_FN(op_triplet_margin_loss)
{
    int a = args[0].as.tensor->view.ndim, p = args[1].as.tensor->view.ndim, n = args[2].as.tensor->view.ndim;
    if (a != p || p != n)
        return op_raise("The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
                        "anchor %dD, positive %dD, and negative %dD inputs", a, p, n);
    BEGIN;
    IValue keep = value_bool(false);
#define DISTANCE(x, y) STEP(&q, "aten::pairwise_distance", x, y, args[4], args[5], keep)
    IValue near = DISTANCE(args[0], args[1]), far = DISTANCE(args[0], args[2]);
    if (args[6].as.b)
        far = STEP(&q, "aten::minimum", far, DISTANCE(args[1], args[2]));
#undef DISTANCE
    GIVE(reduced(&q, AT_LEAST(SUB(ADD_NUMBER(near, args[3]), far), value_int(0)), args[7]));
}

// ---- distances

// (x1, x2, p, eps, keepdim)
OP_FN(op_pairwise_distance)
{
    BEGIN;
    IValue d = ADD_NUMBER(SUB(args[0], args[1]), args[3]);
    int64_t last = -1;
    GIVE(STEP(&q, "aten::norm.ScalarOpt_dim", d, args[2], sequence_ints(&q, 1, &last), args[4]));
}

// (x1, x2, dim, eps)
OP_FN(op_cosine_similarity)
{
    DType common = promote_dtypes(tensor_dtype(args[0].as.tensor), tensor_dtype(args[1].as.tensor));
    if (!dtype_is_floating(common))
        return op_raise("expected common dtype to be floating point, yet common dtype is %s", dtype_torch_name(common));
    BEGIN;
    IValue none = value_none(), no = value_bool(false), unit[2];
    IValue both[2];
    for (int i = 0; i < 2; i++)
        both[i] = STEP(&q, "aten::to.dtype", args[i], value_int(common), no, no, none);
    // Stretched to one shape first, so that `dim` means the same in both.
    IValue sum = ADD(both[0], both[1]), dim = sequence_ints(&q, 1, &args[2].as.i);
    for (int i = 0; i < 2; i++) {
        IValue x = STEP(&q, "aten::expand_as", both[i], sum);
        IValue norm = STEP(&q, "aten::linalg_vector_norm", x, value_int(2), dim, value_bool(true), none);
        unit[i] = DIV(x, AT_LEAST(norm, args[3]));
    }
    GIVE(STEP(&q, "aten::sum.dim_IntList", MUL(unit[0], unit[1]), dim, no, none));
}

// (self, other, p)
OP_FN(op_dist)
{
    BEGIN;
    GIVE(STEP(&q, "aten::norm.Scalar", SUB(args[0], args[1]), args[2]));
}

// (self, p, dim, maxnorm): slices of `dim` whose norm is greater are scaled down to it
OP_FN(op_renorm)
{
    Tensor *t = args[0].as.tensor;
    int dim, n = t->view.ndim;
    if (arg_double(args[1]) <= 0)
        return op_raise("renorm: non-positive-norm not supported");
    if (arg_double(args[3]) < 0)
        return op_raise("renorm: expected maxnorm to be >= 0 but got %g", arg_double(args[3]));
    if (n < 2)
        return op_raise("renorm: input needs at least 2 dimensions, got %d dimensions", n);
    TRY(wrap_dim(args[2].as.i, n, &dim));
    int64_t others[VIEW_MAX_DIMS];
    for (int d = 0, at = 0; d < n; d++)
        if (d != dim)
            others[at++] = d;
    BEGIN;
    DType type = tensor_dtype(t);
    // half types are summed and scaled in float32
    IValue wide = type == DT_F16 || type == DT_BF16 ? value_int(DT_F32) : value_none();
    IValue norm = STEP(&q, "aten::linalg_vector_norm", args[0], args[1], sequence_ints(&q, n - 1, others), value_bool(true), wide);
    IValue shrink = MUL_NUMBER(CALL1("reciprocal", ADD_NUMBER(norm, value_float(1e-7))), args[3]);
    IValue one = STEP(&q, "aten::ones_like", norm, value_none(), value_none(), value_none(), value_none(), value_none());
    IValue factor = WHERE(STEP(&q, "aten::gt.Scalar", norm, args[3]), shrink, one), no = value_bool(false);
    GIVE(STEP(&q, "aten::to.dtype", MUL(args[0], factor), value_int(type), no, no, value_none()));
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}

const OpBinding OPS_LOSS[] = {
    ROW("mse_loss", op_mse_loss), ROW("l1_loss", op_l1_loss), ROW("smooth_l1_loss", op_smooth_l1_loss), ROW("huber_loss", op_huber_loss),
    {"tsb::huber", op_huber, 0, NULL, pw_free_user},
    ROW("soft_margin_loss", op_soft_margin_loss), ROW("margin_ranking_loss", op_margin_ranking_loss),
    ROW("hinge_embedding_loss", op_hinge_embedding_loss), ROW("kl_div", op_kl_div), ROW("poisson_nll_loss", op_poisson_nll_loss),
    ROW("binary_cross_entropy", op_binary_cross_entropy), ROW("binary_cross_entropy_with_logits", op_binary_cross_entropy_with_logits),
    ROW("cosine_embedding_loss", op_cosine_embedding_loss), ROW("triplet_margin_loss", op_triplet_margin_loss),
    ROW("pairwise_distance", op_pairwise_distance), ROW("cosine_similarity", op_cosine_similarity), ROW("dist", op_dist), ROW("renorm", op_renorm),
    {0},
};
