// Operator bindings: norms of matrices, and condition numbers.
// Vector norms are reductions (ops_reduce.c); everything here is made of them and of singular values.
#include "worker/linalg.h"
#include "worker/pointwise.h"
#include "worker/sequence.h"

#include <math.h>

typedef enum MatrixNorm { NORM_ORDER, NORM_FRO, NORM_NUC } MatrixNorm;

static const IValue none = {.tag = TAG_NONE};

static IValue vector_norm(Sequence *q, IValue a, double order, IValue dims, bool keepdim, IValue dtype)
{
    return STEP(q, "aten::linalg_vector_norm", a, value_float(order), dims, value_bool(keepdim), dtype);
}

// The greatest (or least) along one dimension, which must exist.
static IValue extreme(Sequence *q, IValue a, bool greatest, int dim, bool keepdim)
{
    return STEP(q, greatest ? "aten::amax" : "aten::amin", a, sequence_ints(q, 1, &(int64_t){dim}), value_bool(keepdim));
}

static IValue singular_values(Sequence *q, IValue a, const int dims[2])
{
    int64_t from[2] = {dims[0], dims[1]}, to[2] = {-2, -1};
    IValue last = STEP(q, "aten::movedim.intlist", a, sequence_ints(q, 2, from), sequence_ints(q, 2, to));
    return STEP(q, "aten::linalg_svdvals", last, none);
}

// The dimensions that a reduction of both has taken away come back with size 1.
static IValue keep(Sequence *q, IValue v, const int dims[2], bool keepdim)
{
    if (!keepdim)
        return v;
    int low = dims[0] < dims[1] ? dims[0] : dims[1], high = dims[0] < dims[1] ? dims[1] : dims[0];
    return STEP(q, "aten::unsqueeze", STEP(q, "aten::unsqueeze", v, value_int(low)), value_int(high));
}

static IValue matrix_norm_over(Sequence *q, IValue a, MatrixNorm kind, double order, const int dims[2], bool keepdim, IValue dtype)
{
    int64_t both[2] = {dims[0], dims[1]};
    if (kind == NORM_FRO)
        return vector_norm(q, a, 2, sequence_ints(q, 2, both), keepdim, dtype);
    if (q->status == ST_OK && order >= 0 && tensor_numel(a.as.tensor) == 0) // nothing is 0, except for the least of nothing
        return vector_norm(q, a, 2, sequence_ints(q, 2, both), keepdim, dtype);
    if (!arg_is_none(dtype))
        a = STEP(q, "aten::to.dtype", a, dtype, value_bool(false), value_bool(false), none);
    if (kind == NORM_NUC) {
        IValue sum = STEP(q, "aten::sum.dim_IntList", singular_values(q, a, dims), sequence_ints(q, 1, &(int64_t){-1}), value_bool(false), none);
        return keep(q, sum, dims, keepdim);
    }
    if (fabs(order) == 2)
        return keep(q, extreme(q, singular_values(q, a, dims), order > 0, -1, false), dims, keepdim);
    // Sums of absolute values along one dimension, and their extreme along the other.
    int along = isinf(order) ? dims[1] : dims[0], other = isinf(order) ? dims[0] : dims[1];
    IValue sums = vector_norm(q, a, 1, sequence_ints(q, 1, &(int64_t){along}), keepdim, none);
    return extreme(q, sums, order > 0, !keepdim && along < other ? other - 1 : other, keepdim);
}

static Status check_matrix_norm(const Tensor *a, IValue dim, int dims[2])
{
    const char *name = "linalg.matrix_norm";
    TRY(check_fractional(a, name, true));
    TRY(check_matrix(a, name, "A"));
    int64_t given[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(dim, given, VIEW_MAX_DIMS, &n));
    if (n != 2) {
        SizeText text = size_text(given, n);
        size_t length = strlen(text.text);
        text.text[length ? length - 1 : 0] = 0;
        return op_raise("%s: dim must be a 2-tuple. Got %s", name, text.text + 1);
    }
    TRY(wrap_dim(given[0], a->view.ndim, &dims[0]));
    TRY(wrap_dim(given[1], a->view.ndim, &dims[1]));
    if (dims[0] == dims[1])
        return op_raise("%s: dims must be different. Got (%lld, %lld)", name, (long long)given[0], (long long)given[1]);
    return ST_OK;
}

static Status matrix_norm(Lane *lane, Site *site, IValue a, MatrixNorm kind, double order, IValue dim, bool keepdim, IValue dtype, IValue *rets)
{
    int dims[2];
    Sequence q;
    TRY(check_matrix_norm(a.as.tensor, dim, dims));
    double size = fabs(order);
    if (kind == NORM_ORDER && size != 1 && size != 2 && !isinf(size))
        return op_raise("linalg.matrix_norm: Order %g not supported.", order);
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, matrix_norm_over(&q, a, kind, order, dims, keepdim, dtype), rets);
}

static Status norm_named(IValue v, MatrixNorm *kind)
{
    Str name = str_of_value(v);
    *kind = str_is(name, "nuc") ? NORM_NUC : NORM_FRO;
    return str_is(name, "nuc") || str_is(name, "fro") ? ST_OK : op_raise("linalg.matrix_norm: Order " STR_FMT " not supported.", STR_ARG(name));
}

OP_FN(op_matrix_norm) // self, ord, dim, keepdim, dtype
{
    return matrix_norm(lane, site, args[0], NORM_ORDER, arg_double(args[1]), args[2], args[3].as.b, args[4], rets);
}

OP_FN(op_matrix_norm_named) // self, ord, dim, keepdim, dtype
{
    MatrixNorm kind;
    TRY(norm_named(args[1], &kind));
    return matrix_norm(lane, site, args[0], kind, 0, args[2], args[3].as.b, args[4], rets);
}

static Status last_two(Lane *lane, Site *site, IValue a, MatrixNorm kind, double order, bool keepdim, IValue dtype, IValue *rets)
{
    int64_t dims[2] = {-2, -1};
    IValue list;
    TRY(list_of_ints(dims, 2, &list));
    Status s = matrix_norm(lane, site, a, kind, order, list, keepdim, dtype, rets);
    value_release(list);
    return s;
}

OP_FN(op_nuclear_norm) // self, keepdim
{
    return last_two(lane, site, args[0], NORM_NUC, 0, args[1].as.b, none, rets);
}

OP_FN(op_nuclear_norm_dim) // self, dim, keepdim
{
    return matrix_norm(lane, site, args[0], NORM_NUC, 0, args[1], args[2].as.b, none, rets);
}

OP_FN(op_frobenius_norm_all) // self
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, vector_norm(&q, args[0], 2, none, false, none), rets);
}

static Status check_norm_dims(const Tensor *a, IValue dim, int *n)
{
    int64_t given[VIEW_MAX_DIMS];
    *n = 0;
    if (arg_is_none(dim)) {
        *n = a->view.ndim;
        return *n == 1 || *n == 2 ? ST_OK : op_raise("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got %dD.", *n);
    }
    TRY(arg_ints(dim, given, VIEW_MAX_DIMS, n));
    return *n == 1 || *n == 2 ? ST_OK : op_raise("linalg.norm: If dim is specified, it must be of length 1 or 2. Got %s", size_text(given, *n).text);
}

// linalg_norm with an order: of a vector or of matrices, as the dimensions say.
OP_FN(op_norm) // self, ord, dim, keepdim, dtype
{
    int n;
    Sequence q;
    if (!arg_is_none(args[1])) {
        TRY(check_norm_dims(args[0].as.tensor, args[2], &n));
        if (n == 2 && arg_is_none(args[2]))
            return last_two(lane, site, args[0], NORM_ORDER, arg_double(args[1]), args[3].as.b, args[4], rets);
        if (n == 2)
            return op_matrix_norm(lane, site, args, rets);
    }
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, vector_norm(&q, args[0], arg_is_none(args[1]) ? 2 : arg_double(args[1]), args[2], args[3].as.b, args[4]), rets);
}

OP_FN(op_norm_named) // self, ord, dim, keepdim, dtype
{
    int n;
    MatrixNorm kind;
    TRY(check_norm_dims(args[0].as.tensor, args[2], &n));
    TRY(norm_named(args[1], &kind));
    if (arg_is_none(args[2]))
        return last_two(lane, site, args[0], kind, 0, args[3].as.b, args[4], rets);
    return matrix_norm(lane, site, args[0], kind, 0, args[2], args[3].as.b, args[4], rets);
}

// ---- condition numbers

// |A| |A^-1|, infinite for singular matrices.
static IValue norm_condition(Sequence *q, IValue a, MatrixNorm kind, double order)
{
    IValue inverse[2] = {none, none};
    sequence_step(q, "aten::linalg_inv_ex", 2, (IValue[]){a, value_bool(false)}, 2, inverse);
    int ndim = a.as.tensor->view.ndim, dims[2] = {ndim - 2, ndim - 1};
    IValue singular = STEP(q, "aten::gt.Scalar", inverse[1], value_int(0));
    IValue norms = STEP(q, "aten::mul.Tensor", matrix_norm_over(q, a, kind, order, dims, false, none), matrix_norm_over(q, inverse[0], kind, order, dims, false, none));
    return STEP(q, "aten::masked_fill.Scalar", norms, singular, value_float(INFINITY));
}

static Status condition(Lane *lane, Site *site, IValue a, MatrixNorm kind, double order, IValue *rets)
{
    const Tensor *t = a.as.tensor;
    if (t->view.ndim < 2)
        return op_raise("linalg.cond: The input tensor must have at least 2 dimensions.");
    bool by_values = kind == NORM_ORDER && fabs(order) == 2;
    if (kind == NORM_ORDER && !by_values && fabs(order) != 1 && !isinf(order))
        return op_raise_class("ValueError", "linalg.cond got an invalid norm type: %g", order);
    char name[48];
    if (kind == NORM_ORDER)
        snprintf(name, sizeof name, "linalg.cond(ord=%g)", order);
    else
        snprintf(name, sizeof name, "linalg.cond(ord=%s)", kind == NORM_FRO ? "fro" : "nuc");
    if (!by_values)
        TRY(check_square(t, name));
    Sequence q;
    if (tensor_numel(t) == 0) {
        DType real = tensor_dtype(t) == DT_C64 ? DT_F32 : tensor_dtype(t) == DT_C128 ? DT_F64 : tensor_dtype(t);
        Tensor *zeros;
        TRY(batch_new(lane, real, t, -1, &zeros));
        return ret_tensors(tensor_fill(zeros, value_int(0)), rets, 1, &zeros);
    }
    TRY(sequence_begin(&q, lane, site));
    if (!by_values)
        return sequence_give(&q, norm_condition(&q, a, kind, order), rets);
    IValue s = STEP(&q, "aten::linalg_svdvals", a, none);
    IValue most = STEP(&q, "aten::select.int", s, value_int(-1), value_int(0)), least = STEP(&q, "aten::select.int", s, value_int(-1), value_int(-1));
    return sequence_give(&q, order > 0 ? STEP(&q, "aten::div.Tensor", most, least) : STEP(&q, "aten::div.Tensor", least, most), rets);
}

OP_FN(op_cond) // self, p
{
    return condition(lane, site, args[0], NORM_ORDER, arg_is_none(args[1]) ? 2 : arg_double(args[1]), rets);
}

OP_FN(op_cond_named) // self, p
{
    Str p = str_of_value(args[1]);
    if (!str_is(p, "fro") && !str_is(p, "nuc"))
        return op_raise_class("ValueError", "linalg.cond got an invalid norm type: " STR_FMT, STR_ARG(p));
    return condition(lane, site, args[0], str_is(p, "fro") ? NORM_FRO : NORM_NUC, 0, rets);
}

// ---- powers of absolute values

OP_FN(op_powsum) // self, ord, dim, keepdim, dtype
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue a = arg_is_none(args[4]) ? args[0] : STEP(&q, "aten::to.dtype", args[0], args[4], value_bool(false), value_bool(false), none);
    IValue powers = STEP(&q, "aten::pow.Tensor_Scalar", STEP(&q, "aten::abs", a), args[1]);
    return sequence_give(&q, STEP(&q, "aten::sum.dim_IntList", powers, args[2], args[3], none), rets);
}

// dist: the norm of the difference.
OP_FN(op_dist) // self, other, p
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, STEP(&q, "aten::norm.Scalar", STEP(&q, "aten::sub.Tensor", args[0], args[1], value_int(1)), args[2]), rets);
}

OP_FN(op_renorm) // self, p, dim, maxnorm
{
    const Tensor *t = args[0].as.tensor;
    double p = arg_double(args[1]), most = arg_double(args[3]);
    int dim, n = 0;
    int64_t others[VIEW_MAX_DIMS];
    if (p <= 0)
        return op_raise("renorm: non-positive-norm not supported");
    if (most < 0)
        return op_raise("renorm: expected maxnorm to be >= 0 but got %g", most);
    if (t->view.ndim < 2)
        return op_raise("renorm: input needs at least 2 dimensions, got %d dimensions", t->view.ndim);
    TRY(wrap_dim(args[2].as.i, t->view.ndim, &dim));
    for (int d = 0; d < t->view.ndim; d++)
        if (d != dim)
            others[n++] = d;
    DType type = tensor_dtype(t);
    bool low = type == DT_F16 || type == DT_BF16;
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue norm = vector_norm(&q, args[0], p, sequence_ints(&q, n, others), true, low ? value_int(DT_F32) : none);
    IValue factor = STEP(&q, "aten::mul.Scalar", STEP(&q, "aten::reciprocal", STEP(&q, "aten::add.Scalar", norm, value_float(1e-7), value_int(1))), value_float(most));
    IValue above = STEP(&q, "aten::gt.Scalar", norm, value_float(most));
    factor = STEP(&q, "aten::where.ScalarOther", above, factor, value_float(1));
    IValue scaled = STEP(&q, "aten::mul.Tensor", args[0], factor);
    return sequence_give(&q, STEP(&q, "aten::to.dtype", scaled, value_int(type), value_bool(false), value_bool(false), none), rets);
}

// An out= tensor does not say the dtype to compute in, as it does for other reductions: it must have it.
OP_FN(op_vector_norm_out) // self, ord, dim, keepdim, dtype, out
{
    Tensor *out = args[5].as.tensor;
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue v = STEP(&q, "aten::linalg_vector_norm", args[0], args[1], args[2], args[3], args[4]);
    if (q.status != ST_OK)
        return sequence_end(&q);
    const View *made = &v.as.tensor->view;
    if (made->dtype != out->view.dtype)
        q.status = op_raise("Expected out tensor to have dtype %s, but got %s instead", dtype_python_name((DType)made->dtype), dtype_python_name(tensor_dtype(out)));
    if (q.status == ST_OK && !view_same_shape(made, &out->view))
        q.status = out_resize(lane, out, made->ndim, made->size);
    if (q.status == ST_OK)
        q.status = tensor_make_writable(out);
    if (q.status == ST_OK)
        q.status = tensor_copy_into(lane, out, v.as.tensor);
    return sequence_give(&q, args[5], rets);
}

#define SEQUENCE(name, fn) {name, fn, 0, NULL, sequence_free}

const OpBinding OPS_MATRIX_NORM[] = {
    SEQUENCE("aten::linalg_matrix_norm", op_matrix_norm),
    SEQUENCE("aten::linalg_matrix_norm.str_ord", op_matrix_norm_named),
    SEQUENCE("aten::linalg_vector_norm.out", op_vector_norm_out),
    SEQUENCE("aten::linalg_norm", op_norm),
    SEQUENCE("aten::linalg_norm.ord_str", op_norm_named),
    SEQUENCE("aten::nuclear_norm", op_nuclear_norm),
    SEQUENCE("aten::nuclear_norm.dim", op_nuclear_norm_dim),
    SEQUENCE("aten::frobenius_norm", op_frobenius_norm_all),
    SEQUENCE("aten::linalg_cond", op_cond),
    SEQUENCE("aten::linalg_cond.p_str", op_cond_named),
    SEQUENCE("aten::linalg__powsum", op_powsum),
    SEQUENCE("aten::dist", op_dist),
    SEQUENCE("aten::renorm", op_renorm),
    {0},
};
