// Operator bindings: products and sums that are made of simpler operators: cross and Kronecker products, traces, integrals
// by trapezoids, covariances, Vandermonde matrices, inverses of tensors.
#include "worker/linalg.h"
#include "worker/ops_heavy.h"
#include "worker/sequence.h"

#include <math.h>

static const IValue none = {.tag = TAG_NONE};
#define STEP_FAIL(q, ...) ((q)->status == ST_OK ? (void)((q)->status = op_raise(__VA_ARGS__)) : (void)0)

// A list of tensors for a step.
static IValue list_of(Sequence *q, int n, const IValue *v)
{
    Tensor *t[4];
    IValue list = {.tag = TAG_NONE};
    if (q->status != ST_OK)
        return list;
    for (int i = 0; i < n; i++)
        t[i] = tensor_retain(v[i].as.tensor);
    Status s = list_of_tensors_take(q->lane, t, n, &list);
    return sequence_keep(q, s, list);
}

static IValue part(Sequence *q, IValue a, int dim, int64_t from, int64_t to)
{
    return STEP(q, "aten::slice.Tensor", a, value_int(dim), value_int(from), to == INT64_MAX ? none : value_int(to), value_int(1));
}

static IValue reshaped(Sequence *q, IValue a, int ndim, const int64_t *size) { return STEP(q, "aten::reshape", a, sequence_ints(q, ndim, size)); }

// ---- cross products

static Status cross(Lane *lane, Site *site, IValue a, IValue b, int64_t dim, IValue *rets)
{
    const View *va = &a.as.tensor->view, *vb = &b.as.tensor->view;
    int d;
    if (va->ndim != vb->ndim)
        return op_raise("linalg.cross: inputs must have the same number of dimensions.");
    TRY(wrap_dim(dim, va->ndim, &d));
    int64_t na = va->ndim ? va->size[d] : 1, nb = vb->ndim ? vb->size[d] : 1;
    if (na != 3 || nb != 3)
        return op_raise("linalg.cross: inputs dimension %lld must have length 3. Got %lld and %lld", (long long)dim, (long long)na, (long long)nb);
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue x[3], y[3], z[3];
    for (int i = 0; i < 3; i++) {
        x[i] = part(&q, a, d, i, i + 1);
        y[i] = part(&q, b, d, i, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        z[i] = STEP(&q, "aten::sub.Tensor", STEP(&q, "aten::mul.Tensor", x[j], y[k]), STEP(&q, "aten::mul.Tensor", x[k], y[j]), value_int(1));
    }
    return sequence_give(&q, STEP(&q, "aten::cat", list_of(&q, 3, z), value_int(d)), rets);
}

OP_FN(op_linalg_cross) // self, other, dim
{
    return cross(lane, site, args[0], args[1], args[2].as.i, rets);
}

OP_FN(op_cross) // self, other, dim: without one, the first of size 3
{
    const View *v = &args[0].as.tensor->view;
    if (!arg_is_none(args[2]))
        return cross(lane, site, args[0], args[1], args[2].as.i, rets);
    for (int d = 0; d < v->ndim; d++)
        if (v->size[d] == 3)
            return cross(lane, site, args[0], args[1], d, rets);
    return op_raise("no dimension of size 3 in input");
}

OP_FN(op_vecdot) // x, y, dim
{
    const Tensor *x = args[0].as.tensor, *y = args[1].as.tensor;
    TRY(check_fractional(x, "linalg.vecdot", true));
    if (tensor_dtype(x) != tensor_dtype(y))
        return op_raise("linalg.vecdot: Expected x and y to have the same dtype, but found x of type %s and y of type %s instead", dtype_torch_name(tensor_dtype(x)),
                        dtype_torch_name(tensor_dtype(y)));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue left = dtype_is_complex(tensor_dtype(x)) ? STEP(&q, "aten::conj_physical", args[0]) : args[0];
    return sequence_give(&q, STEP(&q, "aten::sum.dim_IntList", STEP(&q, "aten::mul.Tensor", left, args[1]), sequence_ints(&q, 1, &args[2].as.i), value_bool(false), none), rets);
}

OP_FN(op_kron)
{
    const View *a = &args[0].as.tensor->view, *b = &args[1].as.tensor->view;
    int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    int64_t left[VIEW_MAX_DIMS], right[VIEW_MAX_DIMS], size[VIEW_MAX_DIMS];
    if (2 * n > VIEW_MAX_DIMS)
        return op_raise("kron: too many dimensions (limit %d)", VIEW_MAX_DIMS / 2);
    for (int d = 0; d < n; d++) { // a's dimensions are followed by b's
        int64_t sa = d >= n - a->ndim ? a->size[d - (n - a->ndim)] : 1, sb = d >= n - b->ndim ? b->size[d - (n - b->ndim)] : 1;
        left[2 * d] = sa;
        left[2 * d + 1] = 1;
        right[2 * d] = 1;
        right[2 * d + 1] = sb;
        if (__builtin_mul_overflow(sa, sb, &size[d]))
            return op_raise("kron: the result is too large");
    }
    TRY(check_numel(n, size));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue product = STEP(&q, "aten::mul.Tensor", reshaped(&q, args[0], 2 * n, left), reshaped(&q, args[1], 2 * n, right));
    return sequence_give(&q, reshaped(&q, product, n, size), rets);
}

OP_FN(op_trace)
{
    Sequence q;
    if (args[0].as.tensor->view.ndim != 2)
        return op_raise("trace: expected a matrix, but got tensor with dim %d", args[0].as.tensor->view.ndim);
    TRY(sequence_begin(&q, lane, site));
    IValue diagonal = STEP(&q, "aten::diagonal", args[0], value_int(0), value_int(0), value_int(1));
    return sequence_give(&q, STEP(&q, "aten::sum", diagonal, none), rets);
}

OP_FN(op_inner) // sums over the last dimension of both
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    if (args[0].as.tensor->view.ndim == 0 || args[1].as.tensor->view.ndim == 0)
        return sequence_give(&q, STEP(&q, "aten::mul.Tensor", args[0], args[1]), rets);
    const View *a = &args[0].as.tensor->view, *b = &args[1].as.tensor->view;
    if (a->size[a->ndim - 1] != b->size[b->ndim - 1]) {
        sequence_end(&q);
        return op_raise("inner() the last dimension must match on both input tensors but got shapes %s and %s", size_text(a->size, a->ndim).text,
                        size_text(b->size, b->ndim).text);
    }
    IValue last = sequence_ints(&q, 1, &(int64_t){-1});
    return sequence_give(&q, STEP(&q, "aten::tensordot", args[0], args[1], last, last), rets);
}

OP_FN(op_vdot)
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue left = dtype_is_complex(tensor_dtype(args[0].as.tensor)) ? STEP(&q, "aten::conj_physical", args[0]) : args[0];
    return sequence_give(&q, STEP(&q, "aten::dot", left, args[1]), rets);
}

// ---- integrals by trapezoids; `data` is 1 for running ones

static const int ONCE = 0, RUNNING = 1;

static IValue pairs(Sequence *q, IValue y, int dim) { return STEP(q, "aten::add.Tensor", part(q, y, dim, 0, -1), part(q, y, dim, 1, INT64_MAX), value_int(1)); }

static IValue trapezoids(Sequence *q, IValue y, IValue dx, int dim, bool running)
{
    if (dx.tag == TAG_TENSOR) {
        IValue areas = STEP(q, "aten::mul.Tensor", pairs(q, y, dim), dx);
        IValue total = running ? STEP(q, "aten::cumsum", areas, value_int(dim), none)
                               : STEP(q, "aten::sum.dim_IntList", areas, sequence_ints(q, 1, &(int64_t){dim}), value_bool(false), none);
        return STEP(q, "aten::div.Scalar", total, value_float(2));
    }
    if (running)
        return STEP(q, "aten::cumsum", STEP(q, "aten::mul.Scalar", pairs(q, y, dim), value_float(arg_double(dx) / 2)), value_int(dim), none);
    IValue ends = STEP(q, "aten::add.Tensor", STEP(q, "aten::select.int", y, value_int(dim), value_int(0)), STEP(q, "aten::select.int", y, value_int(dim), value_int(-1)), value_int(1));
    IValue inside = STEP(q, "aten::sub.Tensor", STEP(q, "aten::sum.dim_IntList", y, sequence_ints(q, 1, &(int64_t){dim}), value_bool(false), none),
                         STEP(q, "aten::mul.Scalar", ends, value_float(0.5)), value_int(1));
    return STEP(q, "aten::mul.Scalar", inside, value_float(arg_double(dx)));
}

// No samples: zeros, as NumPy has it.
static IValue no_area(Sequence *q, IValue y, int dim, bool running)
{
    if (running)
        return STEP(q, "aten::zeros_like", y, none, none, none, none, none);
    return STEP(q, "aten::sum.dim_IntList", y, sequence_ints(q, 1, &(int64_t){dim}), value_bool(false), value_int(tensor_dtype(y.as.tensor)));
}

OP_FN(op_trapezoid_x) // y, x, dim
{
    bool running = *(const int *)site->op->data == RUNNING;
    const char *name = running ? "cumulative_trapezoid" : "trapezoid";
    const View *y = &args[0].as.tensor->view, *x = &args[1].as.tensor->view;
    int dim;
    TRY(wrap_dim(args[2].as.i, y->ndim, &dim));
    if (y->dtype == DT_BOOL || x->dtype == DT_BOOL)
        return op_raise("%s: received a bool input for `x` or `y`, but bool is not supported", name);
    if (y->ndim == 0)
        return op_raise("%s: y must have at least one dimension", name);
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    if (y->size[dim] == 0)
        return sequence_give(&q, no_area(&q, args[0], dim, running), rets);
    IValue points = args[1];
    int64_t size[VIEW_MAX_DIMS];
    if (x->ndim == 1 && x->size[0] != y->size[dim])
        STEP_FAIL(&q, "%s: There must be one `x` value for each sample point", name);
    if (x->ndim < y->ndim || x->ndim == 1) { // dimensions of size 1 in front, or around the one
        for (int d = 0; d < y->ndim; d++)
            size[d] = x->ndim == 1 ? (d == dim ? x->size[0] : 1) : d < y->ndim - x->ndim ? 1 : x->size[d - (y->ndim - x->ndim)];
        points = STEP(&q, "aten::view", args[1], sequence_ints(&q, y->ndim, size));
    }
    IValue dx = STEP(&q, "aten::sub.Tensor", part(&q, points, dim, 1, INT64_MAX), part(&q, points, dim, 0, -1), value_int(1));
    return sequence_give(&q, trapezoids(&q, args[0], dx, dim, running), rets);
}

OP_FN(op_trapezoid_dx) // y, dx, dim
{
    bool running = *(const int *)site->op->data == RUNNING;
    const char *name = running ? "cumulative_trapezoid" : "trapezoid";
    const View *y = &args[0].as.tensor->view;
    int dim;
    TRY(wrap_dim(args[2].as.i, y->ndim, &dim));
    if (y->dtype == DT_BOOL)
        return op_raise("%s: received a bool input for `y`, but bool is not supported", name);
    if (args[1].tag == TAG_COMPLEX || args[1].tag == TAG_BOOL)
        return op_raise("%s: Currently, we only support dx as a real number.", name);
    if (y->ndim == 0)
        return op_raise("%s: y must have at least one dimension", name);
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    if (y->size[dim] == 0)
        return sequence_give(&q, no_area(&q, args[0], dim, running), rets);
    return sequence_give(&q, trapezoids(&q, args[0], args[1], dim, running), rets);
}

// ---- covariances

// Weights of observations: 1-d, one each, not negative; w is what they multiply.
static IValue weights(Sequence *q, IValue w, IValue more, int64_t count, bool integral, const char *name)
{
    const Tensor *t = more.as.tensor;
    DTypeCategory c = dtype_category(tensor_dtype(t));
    if (t->view.ndim > 1)
        STEP_FAIL(q, "cov(): expected %s to have one or fewer dimensions but got %s with %d dimensions", name, name, t->view.ndim);
    if (c != (integral ? DT_INTEGRAL : DT_FLOATING))
        STEP_FAIL(q, "cov(): expected %s to have %s dtype but got %s with %s dtype", name, integral ? "integral" : "floating point", name, dtype_torch_name(tensor_dtype(t)));
    if (tensor_numel(t) != count)
        STEP_FAIL(q, "cov(): expected %s to have the same numel as there are observations in the input but got %lld != %lld", name, (long long)tensor_numel(t), (long long)count);
    IValue below = STEP(q, "aten::any", STEP(q, "aten::lt.Scalar", more, value_int(0)));
    bool negative = false;
    if (q->status == ST_OK)
        q->status = tensor_truth(q->lane, below.as.tensor, &negative);
    if (negative)
        STEP_FAIL(q, "cov(): %s cannot be negative", name);
    return arg_is_none(w) ? more : STEP(q, "aten::mul.Tensor", w, more);
}

static bool truth(Sequence *q, IValue v)
{
    bool b = false;
    if (q->status == ST_OK)
        q->status = tensor_truth(q->lane, v.as.tensor, &b);
    return b;
}

static IValue covariance(Sequence *q, IValue self, int64_t correction, IValue fweights, IValue aweights)
{
    const View *v = &self.as.tensor->view;
    IValue in = v->ndim < 2 ? reshaped(q, self, 2, (int64_t[]){1, view_numel(v)}) : self, w = none, total, factor;
    int64_t count = v->ndim < 2 ? view_numel(v) : v->size[1];
    if (!arg_is_none(fweights))
        w = weights(q, w, fweights, count, true, "fweights");
    if (!arg_is_none(aweights))
        w = weights(q, w, aweights, count, false, "aweights");
    bool weighted = !arg_is_none(w);
    total = weighted ? STEP(q, "aten::sum", w, none) : STEP(q, "aten::scalar_tensor", value_int(count), value_int(DT_I64), none, none, none);
    if (weighted && truth(q, STEP(q, "aten::eq.Scalar", total, value_int(0))))
        STEP_FAIL(q, "cov(): weights sum to zero, can't be normalized");
    IValue one = sequence_ints(q, 1, &(int64_t){1});
    IValue sum = STEP(q, "aten::sum.dim_IntList", weighted ? STEP(q, "aten::mul.Tensor", in, w) : in, one, value_bool(false), none);
    IValue average = STEP(q, "aten::div.Tensor", sum, total);
    if (weighted && !arg_is_none(aweights) && correction != 0) {
        IValue squares = STEP(q, "aten::sum", STEP(q, "aten::mul.Tensor", w, aweights), none);
        factor = STEP(q, "aten::sub.Tensor", total, STEP(q, "aten::div.Tensor", STEP(q, "aten::mul.Scalar", squares, value_int(correction)), total), value_int(1));
    } else {
        factor = STEP(q, "aten::sub.Scalar", total, value_int(correction), value_int(1));
    }
    if (truth(q, STEP(q, "aten::le.Scalar", factor, value_int(0))))
        factor = STEP(q, "aten::zeros_like", factor, none, none, none, none, none);
    in = STEP(q, "aten::sub.Tensor", in, STEP(q, "aten::unsqueeze", average, value_int(1)), value_int(1));
    IValue other = STEP(q, "aten::t", weighted ? STEP(q, "aten::mul.Tensor", in, w) : in);
    if (q->status == ST_OK && dtype_is_complex(tensor_dtype(other.as.tensor)))
        other = STEP(q, "aten::conj_physical", other);
    return STEP(q, "aten::squeeze", STEP(q, "aten::div.Tensor", STEP(q, "aten::mm", in, other), factor));
}

OP_FN(op_cov) // self, correction, fweights, aweights
{
    const View *v = &args[0].as.tensor->view;
    if (v->ndim > 2)
        return op_raise("cov(): expected input to have two or fewer dimensions but got an input with %d dimensions", v->ndim);
    if (v->dtype == DT_BOOL)
        return op_raise("cov(): bool dtype is not supported for input");
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, covariance(&q, args[0], args[1].as.i, args[2], args[3]), rets);
}

OP_FN(op_corrcoef)
{
    const View *v = &args[0].as.tensor->view;
    if (v->ndim > 2)
        return op_raise("corrcoef(): expected input to have two or fewer dimensions but got an input with %d dimensions", v->ndim);
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue c = covariance(&q, args[0], 1, none, none);
    if (q.status != ST_OK)
        return sequence_end(&q);
    if (c.as.tensor->view.ndim == 0)
        return sequence_give(&q, STEP(&q, "aten::div.Tensor", c, c), rets);
    bool is_complex = dtype_is_complex(tensor_dtype(c.as.tensor));
    IValue d = STEP(&q, "aten::diagonal", c, value_int(0), value_int(0), value_int(1));
    d = STEP(&q, "aten::sqrt", is_complex ? STEP(&q, "aten::real", d) : d);
    c = STEP(&q, "aten::div.Tensor", c, STEP(&q, "aten::unsqueeze", d, value_int(1)));
    c = STEP(&q, "aten::div.Tensor", c, STEP(&q, "aten::unsqueeze", d, value_int(0)));
    if (!is_complex)
        return sequence_give(&q, STEP(&q, "aten::clamp", c, value_int(-1), value_int(1)), rets);
    IValue re = STEP(&q, "aten::clamp", STEP(&q, "aten::real", c), value_int(-1), value_int(1));
    IValue im = STEP(&q, "aten::clamp", STEP(&q, "aten::imag", c), value_int(-1), value_int(1));
    return sequence_give(&q, STEP(&q, "aten::complex", re, im), rets);
}

// ---- matrices from vectors, and tensors as matrices

OP_FN(op_linalg_vander) // x, N
{
    const View *v = &args[0].as.tensor->view;
    if (v->dtype == DT_BOOL)
        return op_raise("linalg.vander supports floating point, complex, and integer tensors, but got Bool");
    int64_t n = arg_int_or(args[1], v->ndim ? v->size[v->ndim - 1] : 1), size[VIEW_MAX_DIMS];
    int ndim = v->ndim ? v->ndim : 1;
    if (n <= 1)
        return op_raise("N must be greater than 1.");
    if (ndim + 1 > VIEW_MAX_DIMS)
        return op_raise("linalg.vander: too many dimensions");
    memcpy(size, v->size, sizeof *size * v->ndim);
    size[0] = v->ndim ? size[0] : 1;
    size[ndim] = n - 1;
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue x = v->ndim ? args[0] : STEP(&q, "aten::unsqueeze", args[0], value_int(-1));
    IValue powers = STEP(&q, "aten::cumprod", STEP(&q, "aten::expand", STEP(&q, "aten::unsqueeze", x, value_int(-1)), sequence_ints(&q, ndim + 1, size), value_bool(false)), value_int(-1), none);
    size[ndim] = 1;
    if (q.status != ST_OK)
        return sequence_end(&q);
    IValue ones = STEP(&q, "aten::ones", sequence_ints(&q, ndim + 1, size), value_int(tensor_dtype(powers.as.tensor)), none, none, none);
    return sequence_give(&q, STEP(&q, "aten::cat", list_of(&q, 2, (IValue[]){ones, powers}), value_int(-1)), rets);
}

static int64_t product_of(const int64_t *size, int n)
{
    int64_t p = 1;
    for (int i = 0; i < n; i++)
        p *= size[i];
    return p;
}

OP_FN(op_tensorinv) // self, ind
{
    const View *v = &args[0].as.tensor->view;
    int64_t ind = args[1].as.i, size[VIEW_MAX_DIMS];
    if (ind <= 0)
        return op_raise("Expected a strictly positive integer for 'ind', but got %lld", (long long)ind);
    int k = ind > v->ndim ? v->ndim : (int)ind;
    int64_t start = product_of(v->size, k), end = product_of(v->size + k, v->ndim - k);
    if (start != end)
        return op_raise("Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got %lld != %lld", (long long)end, (long long)start);
    for (int d = 0; d < v->ndim; d++)
        size[d] = v->size[(d + k) % v->ndim];
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, reshaped(&q, STEP(&q, "aten::linalg_inv", reshaped(&q, args[0], 2, (int64_t[]){end, end})), v->ndim, size), rets);
}

OP_FN(op_tensorsolve) // self, other, dims
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue a = args[0];
    if (!arg_is_none(args[2])) { // to the end, in their order
        int n = (int)args[2].as.list->len;
        int64_t to[VIEW_MAX_DIMS];
        for (int i = 0; i < n && i < VIEW_MAX_DIMS; i++)
            to[i] = i - n;
        a = n > VIEW_MAX_DIMS ? none : STEP(&q, "aten::movedim.intlist", args[0], args[2], sequence_ints(&q, n, to));
        if (n > VIEW_MAX_DIMS)
            STEP_FAIL(&q, "tensorsolve: too many dims");
    }
    if (q.status != ST_OK)
        return sequence_end(&q);
    View v = a.as.tensor->view;
    const View *b = &args[1].as.tensor->view;
    int k = b->ndim > v.ndim ? v.ndim : b->ndim;
    int64_t rows = product_of(v.size, k), unknowns = product_of(v.size + k, v.ndim - k);
    if (rows != unknowns)
        STEP_FAIL(&q, "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got %lld != %lld", (long long)unknowns, (long long)rows);
    IValue matrix = reshaped(&q, a, 2, (int64_t[]){unknowns, unknowns}), flat = reshaped(&q, args[1], 1, &(int64_t){view_numel(b)});
    return sequence_give(&q, reshaped(&q, STEP(&q, "aten::linalg_solve", matrix, flat, value_bool(true)), v.ndim - k, v.size + k), rets);
}

// ---- factors that follow from others

OP_FN(op_polar) // A = U H: the unitary and the positive part
{
    const Tensor *a = args[0].as.tensor;
    TRY(check_matrix(a, "linalg.polar", "A"));
    TRY(check_fractional(a, "linalg.polar", false));
    if (mat_rows(a) < mat_cols(a))
        return op_raise("linalg.polar: Expected a matrix with m >= n, but got %lld by %lld matrices", (long long)mat_rows(a), (long long)mat_cols(a));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue f[3] = {none, none, none};
    sequence_step(&q, "aten::linalg_svd", 3, (IValue[]){args[0], value_bool(false), none}, 3, f);
    IValue u = STEP(&q, "aten::matmul", f[0], f[2]);
    IValue scaled = STEP(&q, "aten::mul.Tensor", STEP(&q, "aten::unsqueeze", f[1], value_int(-1)), f[2]);
    IValue v = STEP(&q, "aten::transpose.int", f[2], value_int(-2), value_int(-1));
    if (dtype_is_complex(tensor_dtype(a)))
        v = STEP(&q, "aten::conj_physical", v);
    IValue h = STEP(&q, "aten::matmul", v, scaled);
    return SEQUENCE_GIVE(&q, rets, u, h);
}

OP_FN(op_matrix_sqrth) // the square root of a positive matrix
{
    const Tensor *a = args[0].as.tensor;
    TRY(check_square(a, "linalg.matrix_sqrth"));
    TRY(check_fractional(a, "linalg.matrix_sqrth", false));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue f[2] = {none, none};
    sequence_step(&q, "aten::linalg_eigh", 2, (IValue[]){args[0], sequence_text(&q, "L")}, 2, f);
    IValue scaled = STEP(&q, "aten::mul.Tensor", f[1], STEP(&q, "aten::unsqueeze", STEP(&q, "aten::sqrt", STEP(&q, "aten::clamp_min", f[0], value_int(0))), value_int(-2)));
    IValue v = STEP(&q, "aten::transpose.int", f[1], value_int(-2), value_int(-1));
    if (dtype_is_complex(tensor_dtype(a)))
        v = STEP(&q, "aten::conj_physical", v);
    return sequence_give(&q, STEP(&q, "aten::matmul", scaled, v), rets);
}

#define SEQUENCE(name, fn) {name, fn, 0, NULL, sequence_free}
#define TRAPEZOID(name, fn, kind) {name, fn, 0, &kind, sequence_free}

const OpBinding OPS_PRODUCTS[] = {
    SEQUENCE("aten::cross", op_cross),
    SEQUENCE("aten::linalg_cross", op_linalg_cross),
    SEQUENCE("aten::linalg_vecdot", op_vecdot),
    SEQUENCE("aten::kron", op_kron),
    SEQUENCE("aten::trace", op_trace),
    SEQUENCE("aten::inner", op_inner),
    SEQUENCE("aten::vdot", op_vdot),
    TRAPEZOID("aten::trapezoid.x", op_trapezoid_x, ONCE),
    TRAPEZOID("aten::trapezoid.dx", op_trapezoid_dx, ONCE),
    TRAPEZOID("aten::trapz.x", op_trapezoid_x, ONCE),
    TRAPEZOID("aten::trapz.dx", op_trapezoid_dx, ONCE),
    TRAPEZOID("aten::cumulative_trapezoid.x", op_trapezoid_x, RUNNING),
    TRAPEZOID("aten::cumulative_trapezoid.dx", op_trapezoid_dx, RUNNING),
    SEQUENCE("aten::cov", op_cov),
    SEQUENCE("aten::corrcoef", op_corrcoef),
    SEQUENCE("aten::linalg_vander", op_linalg_vander),
    SEQUENCE("aten::linalg_tensorinv", op_tensorinv),
    SEQUENCE("aten::linalg_tensorsolve", op_tensorsolve),
    SEQUENCE("aten::linalg_polar", op_polar),
    SEQUENCE("aten::linalg_matrix_sqrth", op_matrix_sqrth),
    {0},
};
