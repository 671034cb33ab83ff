// Operator bindings: linear systems, inverses, determinants and least squares.
// All start from factorisations in worker/ops_factor.c, or call LAPACK's solvers.
#include "worker/linalg.h"

#include "kernels/copy.h"
#include "worker/ops_heavy.h"

#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

static void release(Tensor *t)
{
    if (t)
        tensor_release(t);
}

Status lu_solve_batch(BlasTrans trans, const Tensor *lu, const Tensor *pivots, Tensor *b)
{
    int64_t n = mat_rows(lu), nrhs = mat_cols(b);
    Status s = ST_OK;
    for (int64_t i = 0, count = mat_count(b); n && nrhs && i < count && s == ST_OK; i++) {
        int64_t k = mat_index(lu, b, i);
        s = lapack_getrs(tensor_dtype(lu), trans, n, nrhs, mat_at(lu, k), (const int32_t *)pivots->view.data + k * n, mat_at(b, i));
    }
    return s;
}

// X with op(A) X = B, or X op(A) = B; op is the adjoint if asked for. B has A's dtype.
static Status lu_solution(Lane *lane, Tensor *lu, Tensor *pivots, Tensor *b, bool left, bool adjoint, Tensor **out)
{
    int64_t batch[VIEW_MAX_DIMS];
    int n;
    TRY(batch_broadcast(lu, b, &n, batch));
    if (left) {
        TRY(mat_copy_to(lane, b, n, batch, out));
        Status s = lu_solve_batch(adjoint ? BLAS_C : BLAS_N, lu, pivots, *out);
        if (s != ST_OK) {
            tensor_release(*out);
            *out = NULL;
        }
        return s;
    }
    // X A = B is A^T X^T = B^T; X A^H = B is A X^H = B^H.
    Tensor *bt, *x;
    TRY(mat_transposed(lane, b, &bt));
    Status s = mat_copy_to(lane, bt, n, batch, &x);
    tensor_release(bt);
    TRY(s);
    if (adjoint)
        mat_conjugate(x);
    s = lu_solve_batch(adjoint ? BLAS_N : BLAS_T, lu, pivots, x);
    if (adjoint)
        mat_conjugate(x);
    if (s == ST_OK)
        s = mat_transposed(lane, x, out);
    tensor_release(x);
    return s;
}

// PyTorch factors the transpose of contiguous real matrices, which is what column-major memory already is.
static Status lu_of(Lane *lane, Tensor *a, bool *transposed, Tensor **lu, Tensor **pivots, Tensor **info)
{
    *transposed = tensor_is_contiguous(a) && !dtype_is_complex(tensor_dtype(a));
    if (!*transposed)
        return lu_factor(lane, a, lu, pivots, info);
    Tensor *at;
    TRY(mat_transposed(lane, a, &at));
    Status s = lu_factor(lane, at, lu, pivots, info);
    tensor_release(at);
    return s;
}

// ---- solve

static bool is_vector_rhs(const Tensor *a, const Tensor *b)
{
    if (b->view.ndim == 1)
        return true;
    if (b->view.ndim != a->view.ndim - 1)
        return false;
    for (int d = 0; d < b->view.ndim; d++)
        if (b->view.size[d] != a->view.size[d])
            return false;
    return true;
}

static Status check_same_dtype(const Tensor *a, const Tensor *b, const char *name)
{
    return tensor_dtype(a) == tensor_dtype(b) ? ST_OK
                                              : op_raise("%s: Expected A and B to have the same dtype, but found A of type %s and B of type %s instead", name,
                                                         dtype_torch_name(tensor_dtype(a)), dtype_torch_name(tensor_dtype(b)));
}

static Status check_equation(const Tensor *a, const Tensor *b, bool left, const char *name)
{
    int64_t rows = mat_rows(b), cols = mat_cols(b);
    return (left ? rows == mat_rows(a) : cols == mat_cols(a))
               ? ST_OK
               : op_raise("%s: Incompatible shapes of A and B for the equation %s = B (%lldx%lld and %lldx%lld)", name, left ? "AX" : "XA",
                          (long long)mat_rows(a), (long long)mat_cols(a), (long long)rows, (long long)cols);
}

// x [batch…, n, 1] as [batch…, n], laid out as PyTorch does: as if the last two dimensions were a matrix.
static Status vector_result(Lane *lane, Tensor *x, Tensor **out)
{
    Tensor *flat;
    TRY(tensor_drop_dim(lane, x, x->view.ndim - 1, &flat));
    if (flat->view.ndim < 2) {
        *out = flat;
        return ST_OK;
    }
    Status s = mat_copy(lane, flat, out);
    tensor_release(flat);
    return s;
}

// t: result, LU, pivots, info. `api` is the name in the message about singular matrices, NULL to keep them in info.
static Status solve(Lane *lane, Tensor *a, Tensor *b, bool left, const char *api, Tensor **t)
{
    const char *name = "linalg.solve";
    for (int i = 0; i < 4; i++)
        t[i] = NULL;
    TRY(check_fractional(a, name, false));
    TRY(check_square(a, name));
    TRY(check_same_dtype(a, b, name));
    if (b->view.ndim == 0)
        return op_raise("linalg.solve: The input tensor B must have at least 1 dimension.");
    bool vector = is_vector_rhs(a, b), transposed;
    Tensor *column = NULL, *x = NULL;
    if (vector)
        TRY(tensor_add_dim(lane, b, b->view.ndim, &column));
    Tensor *rhs = vector ? column : b;
    Status s = check_equation(a, rhs, left, name);
    if (s == ST_OK && vector && !left)
        s = op_raise("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is equivalent to B / "
                     "A.squeeze(-1)");
    if (s == ST_OK)
        s = lu_of(lane, a, &transposed, &t[1], &t[2], &t[3]);
    if (s == ST_OK && api)
        s = check_infos(t[3], api, a->view.ndim == 2);
    if (s == ST_OK)
        s = lu_solution(lane, t[1], t[2], rhs, left, transposed, &x);
    if (s == ST_OK && vector)
        s = vector_result(lane, x, &t[0]);
    if (s == ST_OK && !vector)
        t[0] = tensor_retain(x);
    release(x);
    release(column);
    for (int i = 0; i < 4 && s != ST_OK; i++) {
        release(t[i]);
        t[i] = NULL;
    }
    return s;
}

OP_FN(op_solve) // A, B, left
{
    Tensor *t[4];
    TRY(solve(lane, args[0].as.tensor, args[1].as.tensor, args[2].as.b, "torch.linalg.solve", t));
    for (int i = 1; i < 4; i++)
        tensor_release(t[i]);
    return ret_tensors(ST_OK, rets, 1, t);
}

OP_FN(op_solve_ex) // A, B, left, check_errors
{
    Tensor *t[4];
    TRY(solve(lane, args[0].as.tensor, args[1].as.tensor, args[2].as.b, args[3].as.b ? "torch.linalg.solve_ex" : NULL, t));
    tensor_release(t[1]);
    tensor_release(t[2]);
    t[1] = t[3];
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_solve_ex_all) // A, B, left, check_errors
{
    Tensor *t[4];
    TRY(solve(lane, args[0].as.tensor, args[1].as.tensor, args[2].as.b, args[3].as.b ? "torch.linalg._linalg_solve_ex" : NULL, t));
    return ret_tensors(ST_OK, rets, 4, t);
}

static Status inverse(Lane *lane, Tensor *a, const char *api, Tensor **out)
{
    const char *name = "linalg.inv";
    TRY(check_square(a, name));
    TRY(check_fractional(a, name, false));
    Tensor *t[3];
    bool transposed;
    TRY(lu_of(lane, a, &transposed, &t[0], &t[1], &t[2]));
    Status s = api ? check_infos(t[2], api, a->view.ndim == 2) : ST_OK;
    out[0] = out[1] = NULL;
    if (s == ST_OK)
        s = mat_new(lane, tensor_dtype(a), a, mat_rows(a), mat_cols(a), &out[0]);
    if (s == ST_OK)
        s = mat_set_identity(out[0]);
    if (s == ST_OK)
        s = lu_solve_batch(transposed ? BLAS_T : BLAS_N, t[0], t[1], out[0]);
    tensor_release(t[0]);
    tensor_release(t[1]);
    if (s == ST_OK) {
        out[1] = t[2];
        return ST_OK;
    }
    tensor_release(t[2]);
    release(out[0]);
    return s;
}

OP_FN(op_inv)
{
    Tensor *t[2];
    TRY(inverse(lane, args[0].as.tensor, "linalg.inv", t));
    tensor_release(t[1]);
    return ret_tensors(ST_OK, rets, 1, t);
}

OP_FN(op_inv_ex) // A, check_errors
{
    Tensor *t[2];
    TRY(inverse(lane, args[0].as.tensor, args[1].as.b ? "linalg.inv_ex" : NULL, t));
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_lu_solve) // LU, pivots, B, left, adjoint
{
    const char *name = "linalg.lu_solve";
    Tensor *lu = args[0].as.tensor, *pivots = args[1].as.tensor, *b = args[2].as.tensor, *lu_columns, *plain, *x = NULL;
    bool left = args[3].as.b;
    TRY(check_fractional(lu, name, true));
    TRY(check_square(lu, name));
    if (tensor_dtype(lu) != tensor_dtype(b))
        return op_raise("%s: Expected LU and B to have the same dtype, but found LU of type %s and B of type %s instead", name, dtype_torch_name(tensor_dtype(lu)), dtype_torch_name(tensor_dtype(b)));
    if (tensor_dtype(pivots) != DT_I32)
        return op_raise("%s: pivots should be a Tensor of scalar type torch.int32", name);
    TRY(check_lapack(lu, "lu_solve_cpu"));
    TRY(check_matrix(b, name, "B"));
    TRY(check_equation(lu, b, left, name));
    int64_t n = mat_rows(lu);
    if (pivots->view.ndim == 0 || pivots->view.size[pivots->view.ndim - 1] != n)
        return op_raise("%s: Number of pivots per batch should be same as the dimension of the matrix", name);
    bool same = pivots->view.ndim == lu->view.ndim - 1;
    for (int d = 0; same && d < pivots->view.ndim - 1; d++)
        same = pivots->view.size[d] == lu->view.size[d];
    if (!same)
        return op_raise("%s: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape %s instead", name, size_text(pivots->view.size, pivots->view.ndim).text);
    TRY(tensor_contiguous(lane, pivots, &plain));
    Status s = mat_copy(lane, lu, &lu_columns);
    if (s != ST_OK) {
        tensor_release(plain);
        return s;
    }
    for (int64_t i = 0; i < tensor_numel(plain) && s == ST_OK; i++) {
        int32_t p = ((const int32_t *)plain->view.data)[i];
        if (p < 1)
            s = op_raise("Pivots given to lu_solve must all be greater or equal to 1. Did you properly pass the result of lu_factor?");
        else if (p > n)
            s = op_raise("Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did you properly pass the result of lu_factor?");
    }
    if (s == ST_OK)
        s = lu_solution(lane, lu_columns, plain, b, left, args[4].as.b, &x);
    tensor_release(plain);
    tensor_release(lu_columns);
    return ret_tensors(s, rets, 1, &x);
}

OP_FN(op_lu_solve_old) // B, LU, pivots
{
    IValue all[5] = {args[1], args[2], args[0], value_bool(true), value_bool(false)};
    return op_lu_solve(lane, site, all, rets);
}

// ---- determinants

// The product of the diagonal of U with the sign of the row exchanges: its factors one by one to `factor`.
typedef struct Det { double _Complex product, sign; double log; } Det;

// Element i of memory of one of LAPACK's types.
static double _Complex element(const Tensor *t, const void *data, int64_t i)
{
    const float *f = data;
    const double *d = data;
    switch (tensor_dtype(t)) {
    case DT_F32: return f[i];
    case DT_F64: return d[i];
    case DT_C64: return CMPLX((double)f[2 * i], (double)f[2 * i + 1]);
    default: return CMPLX(d[2 * i], d[2 * i + 1]);
    }
}

static void put(Tensor *t, int64_t i, double _Complex x)
{
    float *f = t->view.data;
    double *d = t->view.data;
    switch (tensor_dtype(t)) {
    case DT_F32: f[i] = (float)creal(x); break;
    case DT_F64: d[i] = creal(x); break;
    case DT_C64:
        f[2 * i] = (float)creal(x);
        f[2 * i + 1] = (float)cimag(x);
        break;
    default:
        d[2 * i] = creal(x);
        d[2 * i + 1] = cimag(x);
    }
}

// `log` and `sign` only when asked for.
static Det determinant(const Tensor *lu, const Tensor *pivots, int64_t i, bool logarithm)
{
    int64_t n = mat_rows(lu);
    const int32_t *p = (const int32_t *)pivots->view.data + i * n;
    const void *matrix = mat_at(lu, i);
    bool real = !dtype_is_complex(tensor_dtype(lu));
    Det out = {1, 1, 0};
    for (int64_t k = 0; k < n; k++) {
        double _Complex x = element(lu, matrix, k * n + k), d = p[k] != k + 1 ? -x : x;
        out.product = real ? creal(out.product) * creal(d) : out.product * d;
        if (!logarithm)
            continue;
        double size = real ? fabs(creal(x)) : cabs(d);
        out.sign = size == 0 ? 0 : real ? creal(out.sign) * (isnan(creal(x)) ? NAN : copysign(1, creal(d))) : out.sign * (d / size);
        out.log += log(size);
    }
    return out;
}

typedef enum DetKind { DET, SLOGDET, LOGDET } DetKind;

// t: det, or sign and log |det|, or log det; then LU and pivots. Returns how many precede LU in *results.
static Status determinants(Lane *lane, Tensor *a, DetKind kind, const char *name, Tensor **t, int *results)
{
    DType dtype = tensor_dtype(a), real = dtype == DT_C64 ? DT_F32 : dtype == DT_C128 ? DT_F64 : dtype;
    *results = kind == SLOGDET ? 2 : 1;
    TRY(check_square(a, name));
    TRY(check_fractional(a, name, kind == DET));
    TRY(check_lapack(a, "lu_cpu"));
    Tensor *info = NULL;
    bool transposed;
    for (int i = 0; i < 4; i++)
        t[i] = NULL;
    Tensor **lu = &t[*results], **pivots = &t[*results + 1];
    Status s = lu_of(lane, a, &transposed, lu, pivots, &info);
    if (s == ST_OK)
        s = batch_new(lane, dtype, a, -1, &t[0]);
    if (s == ST_OK && kind == SLOGDET)
        s = batch_new(lane, real, a, -1, &t[1]);
    for (int64_t i = 0; s == ST_OK && i < mat_count(a); i++) {
        Det d = determinant(*lu, *pivots, i, kind != DET);
        if (kind == LOGDET)
            put(t[0], i, !dtype_is_complex(dtype) ? (creal(d.sign) == -1 ? NAN : d.log) : clog(d.sign) + d.log);
        else
            put(t[0], i, kind == DET ? d.product : d.sign);
        if (kind == SLOGDET)
            put(t[1], i, d.log);
    }
    release(info);
    for (int i = 0; i < 4 && s != ST_OK; i++)
        release(t[i]);
    return s;
}

// `data`: kind, name, and whether LU and pivots are results too.
typedef struct DetRow { DetKind kind; const char *name; bool factors; } DetRow;

OP_FN(op_det)
{
    const DetRow *row = site->op->data;
    Tensor *t[4];
    int n;
    TRY(determinants(lane, args[0].as.tensor, row->kind, row->name, t, &n));
    if (row->factors)
        return ret_tensors(ST_OK, rets, n + 2, t);
    tensor_release(t[n]);
    tensor_release(t[n + 1]);
    return ret_tensors(ST_OK, rets, n, t);
}

// ---- systems with factors of other kinds

static Status check_old_solver(const Tensor *b, const Tensor *a, const char *name)
{
    if (tensor_dtype(a) != tensor_dtype(b))
        return op_raise("Expected b and A to have the same dtype, but found b of type %s and A of type %s instead.", dtype_torch_name(tensor_dtype(b)),
                        dtype_torch_name(tensor_dtype(a)));
    if (mat_rows(a) != mat_cols(a))
        return op_raise("A must be batches of square matrices, but they are %lld by %lld matrices", (long long)mat_rows(a), (long long)mat_cols(a));
    if (mat_rows(b) != mat_rows(a))
        return op_raise("Incompatible matrix sizes for %s: each A matrix is %lld by %lld but each b matrix is %lld by %lld", name, (long long)mat_rows(a),
                        (long long)mat_cols(a), (long long)mat_rows(b), (long long)mat_cols(b));
    return ST_OK;
}

OP_FN(op_cholesky_solve) // b, factor, upper
{
    Tensor *b = args[0].as.tensor, *u = args[1].as.tensor, *factor = NULL, *x = NULL;
    if (b->view.ndim < 2)
        return op_raise("b should have at least 2 dimensions, but has %d dimensions instead", b->view.ndim);
    if (u->view.ndim < 2)
        return op_raise("u should have at least 2 dimensions, but has %d dimensions instead", u->view.ndim);
    TRY(check_old_solver(b, u, "cholesky_solve"));
    TRY(check_lapack(b, "cholesky_solve_cpu"));
    int64_t batch[VIEW_MAX_DIMS];
    int n;
    TRY(batch_broadcast(b, u, &n, batch));
    TRY(mat_copy(lane, u, &factor));
    Status s = mat_copy_to(lane, b, n, batch, &x);
    for (int64_t i = 0; s == ST_OK && tensor_numel(x) && i < mat_count(x); i++)
        s = lapack_potrs(tensor_dtype(b), args[2].as.b, mat_rows(u), mat_cols(x), mat_at(factor, mat_index(factor, x, i)), mat_at(x, i));
    tensor_release(factor);
    return ret_tensors(s, rets, 1, &x);
}

// The other triangle becomes the conjugate of the given one.
static void mirror(Tensor *t, bool upper)
{
    int64_t n = mat_rows(t);
    size_t item = dtype_size(tensor_dtype(t));
    DType d = tensor_dtype(t);
    for (int64_t i = 0; i < mat_count(t); i++)
        for (int64_t c = 0; c < n; c++)
            for (int64_t r = 0; r < c; r++) { // r above the diagonal
                char *above = (char *)mat_at(t, i) + (size_t)(c * n + r) * item, *below = (char *)mat_at(t, i) + (size_t)(r * n + c) * item;
                char *to = upper ? below : above;
                memcpy(to, upper ? above : below, item);
                if (d == DT_C64)
                    ((float *)to)[1] = -((float *)to)[1];
                else if (d == DT_C128)
                    ((double *)to)[1] = -((double *)to)[1];
            }
}

OP_FN(op_cholesky_inverse) // factor, upper
{
    Tensor *a = args[0].as.tensor, *x, *info;
    bool upper = args[1].as.b;
    TRY(check_square(a, "cholesky_inverse"));
    TRY(check_lapack(a, "cholesky_inverse_out_cpu"));
    TRY(mat_copy(lane, a, &x));
    Status s = batch_new(lane, DT_I32, a, -1, &info);
    for (int64_t i = 0; s == ST_OK && i < mat_count(a); i++) {
        int e = 0;
        if (mat_rows(a))
            s = lapack_potri(tensor_dtype(a), upper, mat_rows(a), mat_at(x, i), &e);
        ((int32_t *)info->view.data)[i] = e;
    }
    if (s == ST_OK) {
        s = check_infos(info, "cholesky_inverse", a->view.ndim == 2);
        tensor_release(info);
    }
    mirror(x, upper);
    return ret_tensors(s, rets, 1, &x);
}

// x := op(A)^-1 x with A triangular.
static Status triangular(Tensor *a, Tensor *x, bool left, bool upper, BlasTrans trans, bool unit)
{
    Status s = ST_OK;
    for (int64_t i = 0; s == ST_OK && tensor_numel(x) && i < mat_count(x); i++)
        s = blas_trsm(tensor_dtype(x), left, upper, trans, unit, mat_rows(x), mat_cols(x), mat_at(a, mat_index(a, x, i)), mat_rows(a), mat_at(x, i), mat_rows(x));
    return s;
}

OP_FN(op_solve_triangular) // A, B, upper, left, unitriangular
{
    const char *name = "linalg.solve_triangular";
    Tensor *a = args[0].as.tensor, *b = args[1].as.tensor, *factor = NULL, *x = NULL;
    bool upper = args[2].as.b, left = args[3].as.b;
    TRY(check_square(a, name));
    TRY(check_matrix(b, name, "B"));
    TRY(check_equation(a, b, left, name));
    TRY(check_same_dtype(a, b, name));
    TRY(check_lapack(a, "triangular_solve_cpu"));
    int64_t batch[VIEW_MAX_DIMS];
    int n;
    TRY(batch_broadcast(b, a, &n, batch));
    TRY(mat_copy(lane, a, &factor));
    Status s = mat_copy_to(lane, b, n, batch, &x);
    if (s == ST_OK)
        s = triangular(factor, x, left, upper, BLAS_N, args[4].as.b);
    tensor_release(factor);
    return ret_tensors(s, rets, 1, &x);
}

OP_FN(op_triangular_solve) // b, A, upper, transpose, unitriangular
{
    Tensor *b = args[0].as.tensor, *a = args[1].as.tensor, *t[2] = {NULL, NULL};
    if (b->view.ndim < 2)
        return op_raise("torch.triangular_solve: Expected b to have at least 2 dimensions, but it has %d dimensions instead", b->view.ndim);
    if (a->view.ndim < 2)
        return op_raise("torch.triangular_solve: Expected A to have at least 2 dimensions, but it has %d dimensions instead", a->view.ndim);
    TRY(check_old_solver(b, a, "triangular_solve"));
    TRY(check_lapack(b, "triangular_solve_cpu"));
    int64_t batch[VIEW_MAX_DIMS];
    int n;
    TRY(batch_broadcast(b, a, &n, batch));
    Status s = mat_copy_to(lane, b, n, batch, &t[0]);
    if (s == ST_OK)
        s = mat_copy_to(lane, a, n, batch, &t[1]);
    if (s == ST_OK)
        s = triangular(t[1], t[0], true, args[2].as.b, args[3].as.b ? BLAS_T : BLAS_N, args[4].as.b);
    return ret_tensors(s, rets, 2, t);
}

OP_FN(op_ldl_solve) // LD, pivots, B, hermitian
{
    const char *name = "torch.linalg.ldl_solve";
    Tensor *ld = args[0].as.tensor, *pivots = args[1].as.tensor, *b = args[2].as.tensor, *factor = NULL, *plain = NULL, *x = NULL;
    TRY(check_square(ld, name));
    TRY(check_fractional(ld, name, true));
    TRY(check_same_dtype(ld, b, name));
    if (b->view.ndim < 2)
        return op_raise("%s: Expected B to have at least 2 dimensions, but it has %d dimensions instead", name, b->view.ndim);
    bool same = pivots->view.ndim == ld->view.ndim - 1;
    for (int d = 0; same && d < pivots->view.ndim; d++)
        same = pivots->view.size[d] == ld->view.size[d];
    if (!same)
        return op_raise("%s: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape %s instead", name, size_text(pivots->view.size, pivots->view.ndim).text);
    if (dtype_category(tensor_dtype(pivots)) != DT_INTEGRAL)
        return op_raise("%s: Expected pivots to be integers. Got %s", name, dtype_torch_name(tensor_dtype(pivots)));
    if (mat_rows(b) != mat_rows(ld))
        return check_equation(ld, b, true, name);
    TRY(check_lapack(ld, "ldl_solve_kernel_cpu"));
    int64_t batch[VIEW_MAX_DIMS], size = mat_rows(ld);
    int n;
    TRY(batch_broadcast(b, ld, &n, batch));
    TRY(tensor_copy_as(lane, pivots, DT_I32, FORMAT_CONTIGUOUS, &plain));
    Status s = mat_copy(lane, ld, &factor);
    for (int64_t i = 0; i < tensor_numel(plain) && s == ST_OK; i++) {
        int64_t p = ((const int32_t *)plain->view.data)[i], k = i % size;
        // Blocks of two have the same negative number twice; a lone one would make LAPACK read outside.
        bool pair = p < 0 && ((k + 1 < size && ((const int32_t *)plain->view.data)[i + 1] == p) || (k > 0 && ((const int32_t *)plain->view.data)[i - 1] == p));
        if (p == 0 || p > size || p < -size || (p < 0 && !pair))
            s = op_raise("%s: pivots are not those of ldl_factor", name);
    }
    if (s == ST_OK)
        s = mat_copy_to(lane, b, n, batch, &x);
    for (int64_t i = 0; s == ST_OK && tensor_numel(x) && i < mat_count(x); i++) {
        int64_t k = mat_index(factor, x, i);
        s = lapack_sytrs(tensor_dtype(ld), args[3].as.b, false, size, mat_cols(x), mat_at(factor, k), (const int32_t *)plain->view.data + k * size, mat_at(x, i));
    }
    tensor_release(plain);
    release(factor);
    return ret_tensors(s, rets, 1, &x);
}

// ---- least squares

typedef struct Least {
    LstsqDriver driver;
    double rcond;
    Tensor *a;    // input, column-major
    Tensor *x;    // right sides, then solutions: max(m, n) rows
    Tensor *rank, *singular; // int64; real
} Least;

static Status run_lstsq(Lane *lane, Least *q, Tensor *info)
{
    DType dtype = tensor_dtype(q->a);
    int64_t m = mat_rows(q->a), n = mat_cols(q->a), least = m < n ? m : n, nrhs = mat_cols(q->x);
    size_t real = dtype_size(dtype) / (dtype_is_complex(dtype) ? 2 : 1);
    LapackWork w = {0};
    Status s = ST_OK;
    (void)lane;
    for (int64_t i = 0; i < mat_count(q->x) && s == ST_OK; i++) {
        int rank = 0, e = 0;
        void *values = (char *)q->singular->view.data + (size_t)(i * least) * real;
        if (least && nrhs)
            s = lapack_lstsq(dtype, q->driver, m, n, nrhs, mat_at(q->a, i), mat_at(q->x, i), q->rcond, &rank, values, &e, &w);
        ((int64_t *)q->rank->view.data)[i] = rank;
        ((int32_t *)info->view.data)[i] = e;
    }
    lapack_work_free(&w);
    return s;
}

// Sums of |x|^2 over the rows below row n: what the solution does not reach.
static Status residuals(Lane *lane, const Least *q, Tensor **out)
{
    DType dtype = tensor_dtype(q->x), real = dtype == DT_C64 ? DT_F32 : dtype == DT_C128 ? DT_F64 : dtype;
    int64_t n = mat_cols(q->a), rows = mat_rows(q->x), cols = mat_cols(q->x);
    int parts = dtype_is_complex(dtype) ? 2 : 1;
    TRY(batch_new(lane, real, q->x, cols, out));
    for (int64_t i = 0; i < mat_count(q->x) * cols; i++) {
        double sum = 0;
        const char *column = (const char *)q->x->view.data + (size_t)(i * rows) * dtype_size(dtype);
        for (int64_t k = n * parts; k < rows * parts; k++) {
            double x = real == DT_F32 ? ((const float *)column)[k] : ((const double *)column)[k];
            sum += x * x;
        }
        if (real == DT_F32)
            ((float *)(*out)->view.data)[i] = (float)sum;
        else
            ((double *)(*out)->view.data)[i] = sum;
    }
    return ST_OK;
}

static Status lstsq_driver(IValue v, LstsqDriver *out)
{
    static const char *const names[] = {"gels", "gelsy", "gelsd", "gelss"};
    *out = LSTSQ_GELSY;
    if (arg_is_none(v))
        return ST_OK;
    for (int i = 0; i < 4; i++)
        if (str_is(str_of_value(v), names[i])) {
            *out = (LstsqDriver)i;
            return ST_OK;
        }
    return op_raise("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
}

static Status check_lstsq(const Tensor *a, const Tensor *b, bool *vector)
{
    const char *name = "torch.linalg.lstsq";
    if (a->view.ndim < 2)
        return op_raise("%s: input must have at least 2 dimensions.", name);
    if (b->view.ndim < 1)
        return op_raise("%s: other must have at least 1 dimension.", name);
    if (tensor_dtype(a) != tensor_dtype(b))
        return op_raise("%s: Expected input and other to have the same dtype, but got input's dtype %s and other's dtype %s", name,
                        dtype_torch_name(tensor_dtype(a)), dtype_torch_name(tensor_dtype(b)));
    int away = a->view.ndim - b->view.ndim;
    if (away > 1)
        return op_raise("%s: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1", name);
    *vector = b->view.ndim == 1;
    if (!*vector && away == 1) { // a batch of vectors
        *vector = true;
        for (int d = 0; d < b->view.ndim; d++)
            *vector = *vector && b->view.size[d] == a->view.size[d];
    }
    int64_t rows = b->view.size[b->view.ndim - (*vector ? 1 : 2)];
    if (rows != mat_rows(a))
        return op_raise("%s: input.size(-2) should match other.size(%d)", name, *vector ? -1 : -2);
    return lapack_takes(tensor_dtype(a)) ? ST_OK : op_raise("This function doesn't handle types other than float and double");
}

OP_FN(op_lstsq) // self, b, rcond, driver: solution, residuals, rank, singular values
{
    Tensor *a = args[0].as.tensor, *b = args[1].as.tensor, *column = NULL, *info = NULL, *whole = NULL, *t[4] = {NULL, NULL, NULL, NULL};
    Least q = {.driver = LSTSQ_GELSY};
    bool vector;
    TRY(check_lstsq(a, b, &vector));
    TRY(lstsq_driver(args[3], &q.driver));
    DType dtype = tensor_dtype(a), real = dtype == DT_C64 ? DT_F32 : dtype == DT_C128 ? DT_F64 : dtype;
    int64_t m = mat_rows(a), n = mat_cols(a), most = m > n ? m : n, least = m < n ? m : n, batch[VIEW_MAX_DIMS];
    q.rcond = arg_is_none(args[2]) ? (real == DT_F32 ? (double)FLT_EPSILON : DBL_EPSILON) * (double)most : arg_double(args[2]);
    if (vector)
        TRY(tensor_add_dim(lane, b, b->view.ndim, &column));
    Tensor *rhs = vector ? column : b;
    int ndim = 0;
    Status s = batch_broadcast(a, rhs, &ndim, batch);
    if (s == ST_OK)
        s = mat_copy_to(lane, a, ndim, batch, &q.a);
    if (s == ST_OK)
        s = mat_new(lane, dtype, q.a, most, mat_cols(rhs), &q.x);
    if (s == ST_OK)
        s = tensor_fill(q.x, value_int(0));
    if (s == ST_OK) {
        View top = q.x->view;
        top.size[top.ndim - 2] = m;
        s = copy_convert(&top, &rhs->view);
    }
    if (s == ST_OK)
        s = batch_new(lane, DT_I64, q.a, -1, &q.rank);
    if (s == ST_OK)
        s = batch_new(lane, real, q.a, least, &q.singular);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, q.a, -1, &info);
    if (s == ST_OK)
        s = tensor_fill(q.singular, value_int(0));
    if (s == ST_OK && least == 0)
        s = tensor_fill(q.x, value_int(0));
    if (s == ST_OK)
        s = run_lstsq(lane, &q, info);
    if (s == ST_OK)
        s = check_infos(info, "torch.linalg.lstsq", a->view.ndim == 2);
    bool full_rank = true, ranks = q.driver == LSTSQ_GELSD || q.driver == LSTSQ_GELSS;
    for (int64_t i = 0; s == ST_OK && ranks && i < tensor_numel(q.rank); i++)
        full_rank = full_rank && ((const int64_t *)q.rank->view.data)[i] == n;
    if (s == ST_OK)
        s = m > n && q.driver != LSTSQ_GELSY && full_rank ? residuals(lane, &q, &t[1]) : none_new(lane, real, &t[1]);
    if (s == ST_OK)
        s = tensor_narrow(lane, q.x, q.x->view.ndim - 2, 0, n, &whole);
    if (s == ST_OK)
        s = vector ? tensor_drop_dim(lane, whole, whole->view.ndim - 1, &t[0]) : ST_OK;
    if (s == ST_OK && !vector)
        t[0] = tensor_retain(whole);
    if (s == ST_OK && q.driver == LSTSQ_GELS)
        s = none_new(lane, DT_I64, &t[2]);
    else if (s == ST_OK)
        t[2] = tensor_retain(q.rank);
    if (s == ST_OK && !ranks)
        s = none_new(lane, real, &t[3]);
    else if (s == ST_OK)
        t[3] = tensor_retain(q.singular);
    Tensor *own[] = {column, q.a, q.x, q.rank, q.singular, info, whole};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        release(own[i]);
    return ret_tensors(s, rets, 4, t);
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define DET_ROW(name, ...) {name, op_det, 0, &(const DetRow){__VA_ARGS__}, NULL}

const OpBinding OPS_SOLVE[] = {
    ROW("aten::linalg_solve", op_solve),
    ROW("aten::linalg_solve_ex", op_solve_ex),
    ROW("aten::_linalg_solve_ex", op_solve_ex_all),
    ROW("aten::linalg_inv", op_inv),
    ROW("aten::inverse", op_inv),
    ROW("aten::linalg_inv_ex", op_inv_ex),
    ROW("aten::linalg_lu_solve", op_lu_solve),
    ROW("aten::lu_solve", op_lu_solve_old),
    DET_ROW("aten::det", DET, "linalg.det", false),
    DET_ROW("aten::linalg_det", DET, "linalg.det", false),
    DET_ROW("aten::_linalg_det", DET, "linalg.det", true),
    DET_ROW("aten::slogdet", SLOGDET, "linalg.slogdet", false),
    DET_ROW("aten::linalg_slogdet", SLOGDET, "linalg.slogdet", false),
    DET_ROW("aten::_linalg_slogdet", SLOGDET, "linalg.slogdet", true),
    DET_ROW("aten::logdet", LOGDET, "logdet", false),
    ROW("aten::cholesky_solve", op_cholesky_solve),
    ROW("aten::_cholesky_solve_helper", op_cholesky_solve),
    ROW("aten::cholesky_inverse", op_cholesky_inverse),
    ROW("aten::linalg_solve_triangular", op_solve_triangular),
    ROW("aten::triangular_solve", op_triangular_solve),
    ROW("aten::linalg_ldl_solve", op_ldl_solve),
    ROW("aten::linalg_lstsq", op_lstsq),
    {0},
};
