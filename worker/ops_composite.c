// Operator bindings: operators that are a few steps of others: rot90, sum_to_size, trace, kron, covariances, nanmean.
#include "worker/op_util.h"
#include "worker/sequence.h"

#define NONE value_none()
#define INT value_int
#define ADD(a, b) STEP(q, "aten::add.Tensor", a, b, INT(1))
#define SUB(a, b) STEP(q, "aten::sub.Tensor", a, b, INT(1))
#define MUL(a, b) STEP(q, "aten::mul.Tensor", a, b)
#define DIV(a, b) STEP(q, "aten::div.Tensor", a, b)
#define BEGIN                                                                                                          \
    Sequence sequence, *q = &sequence;                                                                                 \
    TRY(sequence_begin(q, lane, site))

OP_FN(op_rot90) // self, k, dims
{
    IValue x = args[0];
    const View *v = &x.as.tensor->view;
    int64_t dims[VIEW_MAX_DIMS];
    int n, d[2];
    TRY(arg_ints(args[2], dims, VIEW_MAX_DIMS, &n));
    if (n != 2)
        return op_raise("expected total rotation dims == 2, but got dims = %d", n);
    if (v->ndim < 2)
        return op_raise("expected total dims >= 2, but got total dims = %d", v->ndim);
    int64_t apart = dims[0] > dims[1] ? dims[0] - dims[1] : dims[1] - dims[0];
    if (apart == 0 || apart == v->ndim)
        return op_raise("expected rotation dims to be different, but got dim0 = %lld and dim1 = %lld", (long long)dims[0], (long long)dims[1]);
    for (int i = 0; i < 2; i++) {
        if (dims[i] >= v->ndim || dims[i] < -v->ndim)
            return op_raise("Rotation dim%d out of range, dim%d = %lld", i, i, (long long)dims[i]);
        TRY(wrap_dim(dims[i], v->ndim, &d[i]));
    }
    int64_t k = (args[1].as.i % 4 + 4) % 4;
    BEGIN;
    if (k == 0) {
        x = STEP(q, "aten::clone", x, INT(FORMAT_CONTIGUOUS));
    } else {
        x = STEP(q, "aten::flip", x, k == 2 ? sequence_ints(q, 2, dims) : sequence_ints(q, 1, &dims[k == 1]));
        x = k == 2 ? x : STEP(q, "aten::transpose.int", x, INT(d[0]), INT(d[1]));
    }
    return sequence_give(q, x, rets);
}

// Sums over the dimensions that broadcasting to self's shape made.
OP_FN(op_sum_to_size) // self, size
{
    const View *v = &args[0].as.tensor->view;
    int64_t size[VIEW_MAX_DIMS], dims[VIEW_MAX_DIMS];
    int n, count = 0;
    if (arg_is_none(args[1])) { // _grad_sum_to_size: nothing to undo
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    bool fits = n <= v->ndim;
    for (int d = 0; d < v->ndim && fits; d++) {
        int to = d - (v->ndim - n);
        fits = to < 0 || size[to] == v->size[d] || size[to] == 1;
        if (fits && (to < 0 || (size[to] == 1 && v->size[d] != 1)))
            dims[count++] = d;
    }
    if (!fits)
        return op_raise("size {%s} is not expandable to size {%s}.", size_text(size, n).text, size_text(v->size, v->ndim).text);
    if (count == 0 && n) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    BEGIN;
    IValue x = n == 0 ? STEP(q, "aten::sum", args[0], NONE)
                      : STEP(q, "aten::sum.dim_IntList", args[0], sequence_ints(q, count, dims), value_bool(true), NONE);
    if (n < v->ndim)
        x = STEP(q, "aten::view", x, sequence_ints(q, n, size));
    return sequence_give(q, x, rets);
}

OP_FN(op_trace)
{
    int ndim = args[0].as.tensor->view.ndim;
    if (ndim != 2)
        return op_raise("trace: expected a matrix, but got tensor with dim %d", ndim);
    BEGIN;
    return sequence_give(q, STEP(q, "aten::sum", STEP(q, "aten::diagonal", args[0], INT(0), INT(0), INT(1)), NONE), rets);
}

// Every dimension of self is followed by the one of other; then the pairs are joined.
OP_FN(op_kron) // self, other
{
    const View *v[2] = {&args[0].as.tensor->view, &args[1].as.tensor->view};
    int n = v[0]->ndim > v[1]->ndim ? v[0]->ndim : v[1]->ndim;
    int64_t shape[2][2 * VIEW_MAX_DIMS], joint[VIEW_MAX_DIMS];
    if (2 * n > VIEW_MAX_DIMS)
        return op_raise("kron: too many dimensions (limit %d)", VIEW_MAX_DIMS / 2);
    for (int d = 0; d < n; d++) {
        int64_t size[2];
        for (int k = 0; k < 2; k++) {
            int at = d - (n - v[k]->ndim);
            size[k] = at < 0 ? 1 : v[k]->size[at];
            shape[k][2 * d + k] = size[k];
            shape[k][2 * d + 1 - k] = 1;
        }
        if (__builtin_mul_overflow(size[0], size[1], &joint[d]))
            return op_raise("kron: the result is too large");
    }
    BEGIN;
    IValue a = STEP(q, "aten::reshape", args[0], sequence_ints(q, 2 * n, shape[0]));
    IValue b = STEP(q, "aten::reshape", args[1], sequence_ints(q, 2 * n, shape[1]));
    return sequence_give(q, STEP(q, "aten::reshape", MUL(a, b), sequence_ints(q, n, joint)), rets);
}

OP_FN(op_nanmean) // self, dim, keepdim, dtype
{
    DType t = tensor_dtype(args[0].as.tensor);
    if (!dtype_is_floating(t))
        return op_raise("nanmean(): expected input to have floating point or complex dtype but got %s", dtype_torch_name(t));
    BEGIN;
    IValue there = STEP(q, "aten::logical_not", STEP(q, "aten::isnan", args[0]));
    IValue count = STEP(q, "aten::sum.dim_IntList", there, args[1], args[2], NONE);
    return sequence_give(q, DIV(STEP(q, "aten::nansum", args[0], args[1], args[2], args[3]), count), rets);
}

// ---- covariances

static Status check_weights(const char *kind, IValue w, int64_t observations, bool integers)
{
    if (w.tag != TAG_TENSOR)
        return ST_OK;
    const View *v = &w.as.tensor->view;
    if (v->ndim > 1)
        return op_raise("cov(): expected %s to have one or fewer dimensions but got %s with %d dimensions", kind, kind, v->ndim);
    if (integers != dtype_is_integral((DType)v->dtype))
        return op_raise("cov(): expected %s to have %s dtype but got %s with %s dtype", kind, integers ? "integral" : "floating point", kind,
                        dtype_torch_name((DType)v->dtype));
    if (view_numel(v) != observations)
        return op_raise("cov(): expected %s to have the same numel as there are observations in the input but got %lld != %lld", kind, (long long)view_numel(v),
                        (long long)observations);
    return ST_OK;
}

static void check_not_negative(Sequence *q, const char *kind, IValue w)
{
    bool negative = false;
    if (w.tag != TAG_TENSOR || q->status != ST_OK)
        return;
    IValue any = STEP(q, "aten::any", STEP(q, "aten::lt.Scalar", w, INT(0)));
    if (q->status == ST_OK)
        q->status = tensor_truth(q->lane, any.as.tensor, &negative);
    if (negative)
        sequence_raise(q, "cov(): %s cannot be negative", kind);
}

// Rows are variables, columns observations. None for weights that are not there.
static IValue covariance(Sequence *q, IValue self, int64_t correction, IValue fweights, IValue aweights)
{
    const View *v = &self.as.tensor->view;
    if (v->ndim > 2) {
        sequence_raise(q, "cov(): expected input to have two or fewer dimensions but got an input with %d dimensions", v->ndim);
        return NONE;
    }
    if (v->dtype == DT_BOOL) {
        sequence_raise(q, "cov(): bool dtype is not supported for input");
        return NONE;
    }
    IValue x = v->ndim < 2 ? STEP(q, "aten::view", self, sequence_ints(q, 2, (int64_t[]){1, -1})) : self;
    if (q->status != ST_OK)
        return NONE;
    int64_t observations = x.as.tensor->view.size[1];
    q->status = check_weights("fweights", fweights, observations, true);
    if (q->status == ST_OK)
        q->status = check_weights("aweights", aweights, observations, false);
    check_not_negative(q, "fweights", fweights);
    check_not_negative(q, "aweights", aweights);
    bool f = fweights.tag == TAG_TENSOR, a = aweights.tag == TAG_TENSOR;
    IValue w = f && a ? MUL(fweights, aweights) : f ? fweights : aweights, number = NONE, total = NONE;
    if (q->status != ST_OK)
        return NONE;
    if (f || a) {
        total = STEP(q, "aten::sum", w, NONE);
    } else {
        Tensor *cell = NULL;
        Status made = tensor_from_scalar(q->lane, INT(observations), DT_I64, &cell);
        total = sequence_keep(q, made, made == ST_OK ? value_tensor_take(cell) : NONE);
    }
    IValue one = sequence_ints(q, 1, (int64_t[]){1});
    IValue mean = DIV(STEP(q, "aten::sum.dim_IntList", f || a ? MUL(x, w) : x, one, value_bool(false), NONE), total);
    if (a && correction)
        number = SUB(total, DIV(STEP(q, "aten::mul.Scalar", STEP(q, "aten::sum", MUL(w, aweights), NONE), INT(correction)), total));
    else
        number = STEP(q, "aten::sub.Scalar", total, INT(correction), INT(1));
    number = STEP(q, "aten::clamp_min", number, INT(0));
    x = SUB(x, STEP(q, "aten::unsqueeze", mean, INT(1)));
    IValue other = STEP(q, "aten::conj", STEP(q, "aten::t", f || a ? MUL(x, w) : x));
    return STEP(q, "aten::squeeze", DIV(STEP(q, "aten::mm", x, other), number));
}

OP_FN(op_cov) // self, correction, fweights, aweights
{
    BEGIN;
    return sequence_give(q, covariance(q, args[0], args[1].as.i, args[2], args[3]), rets);
}

OP_FN(op_corrcoef)
{
    const View *v = &args[0].as.tensor->view;
    if (v->ndim > 2)
        return op_raise("corrcoef(): expected input to have two or fewer dimensions but got an input with %d dimensions", v->ndim);
    BEGIN;
    IValue c = covariance(q, args[0], 1, NONE, NONE);
    if (q->status != ST_OK)
        return sequence_end(q);
    if (c.as.tensor->view.ndim == 0)
        return sequence_give(q, DIV(c, c), rets);
    bool parts = dtype_is_complex(tensor_dtype(c.as.tensor));
    IValue d = STEP(q, "aten::diagonal", c, INT(0), INT(0), INT(1));
    d = STEP(q, "aten::sqrt", parts ? STEP(q, "aten::real", d) : d);
    c = DIV(c, STEP(q, "aten::unsqueeze", d, INT(1)));
    c = DIV(c, STEP(q, "aten::unsqueeze", d, INT(0)));
    IValue real = parts ? STEP(q, "aten::view_as_real", c) : c;
    real = STEP(q, "aten::clamp", real, INT(-1), INT(1));
    return sequence_give(q, parts ? STEP(q, "aten::view_as_complex", real) : real, rets);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}

const OpBinding OPS_COMPOSITE[] = {
    ROW("rot90", op_rot90), ROW("sum_to_size", op_sum_to_size), ROW("_grad_sum_to_size", op_sum_to_size), ROW("trace", op_trace),
    ROW("kron", op_kron), ROW("nanmean", op_nanmean), ROW("cov", op_cov), ROW("corrcoef", op_corrcoef),
    {0},
};
