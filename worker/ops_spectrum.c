// Operator bindings: singular values, eigenvalues and what is defined by them: pseudo-inverse, rank, condition; functions
// of a matrix (exponential, powers).
#include "worker/linalg.h"

#include "kernels/copy.h"
#include "kernels/iter.h"
#include "worker/ops_heavy.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static DType real_of(DType t) { return t == DT_C64 ? DT_F32 : t == DT_C128 ? DT_F64 : t; }
static DType complex_of(DType t) { return t == DT_F32 ? DT_C64 : t == DT_F64 ? DT_C128 : t; }

static void release(Tensor *t)
{
    if (t)
        tensor_release(t);
}

// ---- singular values

Status svd_factor(Lane *lane, Tensor *a, SvdJob job, const char *name, Tensor **u, Tensor **s, Tensor **vh)
{
    DType dtype = tensor_dtype(a);
    int64_t m = mat_rows(a), n = mat_cols(a), k = m < n ? m : n;
    Tensor *copy = NULL, *info = NULL;
    *u = *s = *vh = NULL;
    Status status = mat_copy(lane, a, &copy);
    if (status == ST_OK)
        status = batch_new(lane, real_of(dtype), a, k, s);
    if (status == ST_OK)
        status = batch_new(lane, DT_I32, a, -1, &info);
    if (status == ST_OK)
        status = job == SVD_VALUES ? none_new(lane, dtype, u) : mat_new(lane, dtype, a, m, job == SVD_FULL ? m : k, u);
    if (status == ST_OK)
        status = job == SVD_VALUES ? none_new(lane, dtype, vh) : mat_new(lane, dtype, a, job == SVD_FULL ? n : k, n, vh);
    if (status == ST_OK && k == 0 && job == SVD_FULL) {
        status = mat_set_identity(*u);
        if (status == ST_OK)
            status = mat_set_identity(*vh);
    }
    LapackWork w = {0};
    for (int64_t i = 0; status == ST_OK && i < mat_count(a); i++) {
        int e = 0;
        char unused[16];
        void *left = job == SVD_VALUES ? (void *)unused : mat_at(*u, i), *right = job == SVD_VALUES ? (void *)unused : mat_at(*vh, i);
        if (k)
            status = lapack_gesdd(dtype, job, m, n, mat_at(copy, i), tensor_at(*s, i * k), left, right, &e, &w);
        ((int32_t *)info->view.data)[i] = e;
    }
    lapack_work_free(&w);
    if (status == ST_OK)
        status = check_infos(info, name, a->view.ndim == 2);
    release(copy);
    release(info);
    if (status != ST_OK) {
        release(*u);
        release(*s);
        release(*vh);
    }
    return status;
}

static Status check_svd(const Tensor *a)
{
    TRY(check_matrix(a, "linalg.svd", "A"));
    TRY(check_fractional(a, "linalg.svd", true));
    return check_lapack(a, "linalg_svd_cpu");
}

static Status svd_driver(IValue driver)
{
    return arg_is_none(driver) ? ST_OK : op_raise("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.");
}

OP_FN(op_svd_parts) // A, full_matrices, compute_uv, driver
{
    Tensor *t[3];
    TRY(check_svd(args[0].as.tensor));
    TRY(svd_driver(args[3]));
    TRY(svd_factor(lane, args[0].as.tensor, !args[2].as.b ? SVD_VALUES : args[1].as.b ? SVD_FULL : SVD_REDUCED, "linalg.svd", &t[0], &t[1], &t[2]));
    return ret_tensors(ST_OK, rets, 3, t);
}

OP_FN(op_linalg_svd) // A, full_matrices, driver
{
    IValue all[4] = {args[0], args[1], value_bool(true), args[2]};
    return op_svd_parts(lane, site, all, rets);
}

OP_FN(op_svdvals) // A, driver
{
    Tensor *t[3];
    TRY(check_svd(args[0].as.tensor));
    TRY(svd_driver(args[1]));
    TRY(svd_factor(lane, args[0].as.tensor, SVD_VALUES, "linalg.svd", &t[0], &t[1], &t[2]));
    tensor_release(t[0]);
    tensor_release(t[2]);
    rets[0] = value_tensor_take(t[1]);
    return ST_OK;
}

OP_FN(op_svd) // self, some, compute_uv: U, S, V
{
    Tensor *a = args[0].as.tensor, *t[3], *vh;
    bool some = args[1].as.b, compute = args[2].as.b;
    if (a->view.ndim < 2)
        return op_raise("linalg.svd: input should have at least 2 dimensions, but has %d dimensions instead", a->view.ndim);
    TRY(check_svd(a));
    TRY(svd_factor(lane, a, !compute ? SVD_VALUES : some ? SVD_REDUCED : SVD_FULL, "linalg.svd", &t[0], &t[1], &vh));
    Status s = ST_OK;
    if (!compute) { // zeros of the full shapes
        tensor_release(t[0]);
        tensor_release(vh);
        t[0] = t[2] = NULL;
        s = mat_new(lane, tensor_dtype(a), a, mat_rows(a), mat_rows(a), &t[0]);
        if (s == ST_OK)
            s = tensor_fill(t[0], value_int(0));
        if (s == ST_OK)
            s = mat_new(lane, tensor_dtype(a), a, mat_cols(a), mat_cols(a), &t[2]);
        if (s == ST_OK)
            s = tensor_fill(t[2], value_int(0));
        return ret_tensors(s, rets, 3, t);
    }
    mat_conjugate(vh);
    t[2] = NULL;
    s = mat_transposed(lane, vh, &t[2]);
    tensor_release(vh);
    return ret_tensors(s, rets, 3, t);
}

// ---- eigenvalues

Status eigh_factor(Lane *lane, Tensor *a, bool upper, bool vectors, const char *name, Tensor **values, Tensor **v)
{
    int64_t n = mat_rows(a);
    Tensor *info = NULL;
    *values = *v = NULL;
    Status s = mat_copy(lane, a, v);
    if (s == ST_OK)
        s = batch_new(lane, real_of(tensor_dtype(a)), a, n, values);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, -1, &info);
    LapackWork w = {0};
    for (int64_t i = 0; s == ST_OK && i < mat_count(a); i++) {
        int e = 0;
        if (n)
            s = lapack_syevd(tensor_dtype(a), vectors, upper, n, mat_at(*v, i), tensor_at(*values, i * n), &e, &w);
        ((int32_t *)info->view.data)[i] = e;
    }
    lapack_work_free(&w);
    if (s == ST_OK)
        s = check_infos(info, name, a->view.ndim == 2);
    release(info);
    if (s == ST_OK && !vectors) {
        tensor_release(*v);
        *v = NULL;
        s = none_new(lane, tensor_dtype(a), v);
    }
    if (s != ST_OK) {
        release(*values);
        release(*v);
    }
    return s;
}

static Status eigh_checked(Lane *lane, Tensor *a, IValue uplo, bool vectors, Tensor **t)
{
    TRY(check_square(a, "linalg.eigh"));
    Str u = str_of_value(uplo);
    if (u.len != 1 || !strchr("ULul", u.ptr[0]))
        return op_raise("Expected UPLO argument to be 'L' or 'U', but got " STR_FMT, STR_ARG(u));
    TRY(check_lapack(a, "linalg_eigh_cpu"));
    return eigh_factor(lane, a, strchr("Uu", u.ptr[0]) != NULL, vectors, "linalg.eigh", &t[0], &t[1]);
}

OP_FN(op_eigh_parts) // A, UPLO, compute_v
{
    Tensor *t[2];
    TRY(eigh_checked(lane, args[0].as.tensor, args[1], args[2].as.b, t));
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_eigh) // A, UPLO
{
    Tensor *t[2];
    TRY(eigh_checked(lane, args[0].as.tensor, args[1], true, t));
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_eigvalsh) // A, UPLO
{
    Tensor *t[2];
    TRY(eigh_checked(lane, args[0].as.tensor, args[1], false, t));
    tensor_release(t[1]);
    return ret_tensors(ST_OK, rets, 1, t);
}

OP_FN(op_symeig) // self, eigenvectors, upper
{
    Tensor *a = args[0].as.tensor, *t[2];
    TRY(check_square(a, "linalg.eigh"));
    TRY(check_lapack(a, "symeig_cpu"));
    TRY(eigh_factor(lane, a, args[2].as.b, args[1].as.b, "symeig", &t[0], &t[1]));
    return ret_tensors(ST_OK, rets, 2, t);
}

static bool all_finite(const Tensor *t)
{
    int64_t n = tensor_numel(t) * (dtype_is_complex(tensor_dtype(t)) ? 2 : 1);
    if (real_of(tensor_dtype(t)) == DT_F32) {
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(((const float *)t->view.data)[i]))
                return false;
        return true;
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const double *)t->view.data)[i]))
            return false;
    return true;
}

// t: eigenvalues and, if asked for, eigenvectors.
static Status eig(Lane *lane, Tensor *a, bool vectors, const char *name, Tensor **t)
{
    TRY(check_square(a, name));
    TRY(check_lapack(a, "linalg_eig_out_cpu"));
    int64_t n = mat_rows(a);
    DType dtype = tensor_dtype(a), result = complex_of(dtype);
    Tensor *copy = NULL, *info = NULL;
    t[0] = t[1] = NULL;
    Status s = mat_copy(lane, a, &copy);
    if (s == ST_OK && !all_finite(copy))
        s = op_raise("torch.%s: input tensor should not contain infs or NaNs.", name);
    if (s == ST_OK)
        s = batch_new(lane, result, a, n, &t[0]);
    if (s == ST_OK && vectors)
        s = mat_new(lane, result, a, n, n, &t[1]);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, -1, &info);
    LapackWork w = {0};
    for (int64_t i = 0; s == ST_OK && i < mat_count(a); i++) {
        int e = 0;
        if (n)
            s = lapack_geev(dtype, n, mat_at(copy, i), tensor_at(t[0], i * n), vectors ? mat_at(t[1], i) : NULL, &e, &w);
        ((int32_t *)info->view.data)[i] = e;
    }
    lapack_work_free(&w);
    if (s == ST_OK)
        s = check_infos(info, "torch.linalg.eig", a->view.ndim == 2);
    release(copy);
    release(info);
    if (s != ST_OK) {
        release(t[0]);
        release(t[1]);
    }
    return s;
}

OP_FN(op_eig)
{
    Tensor *t[2];
    TRY(eig(lane, args[0].as.tensor, true, "linalg.eig", t));
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_eigvals)
{
    Tensor *t[2];
    TRY(eig(lane, args[0].as.tensor, false, "linalg.eigvals", t));
    return ret_tensors(ST_OK, rets, 1, t);
}

// ---- what small singular values count as zero

// Both tolerances, one pair per matrix of a batch that they may stretch.
typedef struct Limits {
    int ndim;
    int64_t batch[VIEW_MAX_DIMS];
    Tensor *atol, *rtol; // float64
} Limits;

static void limits_free(Limits *l)
{
    release(l->atol);
    release(l->rtol);
}

static Status stretch(Limits *l, IValue v)
{
    if (v.tag != TAG_TENSOR)
        return ST_OK;
    const View *t = &v.as.tensor->view;
    if (broadcast_shapes(l->ndim, l->batch, t->ndim, t->size, &l->ndim, l->batch))
        return ST_OK;
    return op_raise("the tolerance has shape %s, which does not fit the batch of matrices", size_text(t->size, t->ndim).text);
}

static Status limit_tensor(Lane *lane, const Limits *l, IValue v, double otherwise, Tensor **out)
{
    TRY(tensor_new(lane, DT_F64, l->ndim, l->batch, out));
    if (v.tag == TAG_TENSOR)
        return tensor_copy_into(lane, *out, v.as.tensor);
    return tensor_fill(*out, value_float(arg_is_none(v) ? otherwise : arg_double(v)));
}

static Status check_tolerance(IValue v, const char *what, const char *name)
{
    if (v.tag == TAG_TENSOR && dtype_is_complex(tensor_dtype(v.as.tensor)))
        return op_raise("%s: %s tensor of complex type is not supported. Got %s", name, what, dtype_torch_name(tensor_dtype(v.as.tensor)));
    return ST_OK;
}

// Tolerances are numbers, tensors or none; a given positive atol makes the default of rtol 0.
static Status limits_make(Lane *lane, const Tensor *a, IValue atol, IValue rtol, const char *name, Limits *l)
{
    *l = (Limits){.ndim = a->view.ndim - 2};
    memcpy(l->batch, a->view.size, sizeof *l->batch * (size_t)l->ndim);
    TRY(check_tolerance(atol, "atol", name));
    TRY(check_tolerance(rtol, "rtol", name));
    TRY(stretch(l, atol));
    TRY(stretch(l, rtol));
    int64_t most = mat_rows(a) > mat_cols(a) ? mat_rows(a) : mat_cols(a);
    double otherwise = (real_of(tensor_dtype(a)) == DT_F32 ? (double)FLT_EPSILON : DBL_EPSILON) * (double)most;
    Status s = limit_tensor(lane, l, atol, 0, &l->atol);
    if (s == ST_OK)
        s = limit_tensor(lane, l, rtol, otherwise, &l->rtol);
    for (int64_t i = 0; s == ST_OK && arg_is_none(rtol) && i < tensor_numel(l->rtol); i++)
        if (((const double *)l->atol->view.data)[i] > 0)
            ((double *)l->rtol->view.data)[i] = 0;
    if (s != ST_OK)
        limits_free(l);
    return s;
}

static double value_at(const Tensor *s, int64_t i)
{
    return tensor_dtype(s) == DT_F32 ? ((const float *)s->view.data)[i] : ((const double *)s->view.data)[i];
}

static double greatest(const Tensor *s, int64_t from, int64_t n)
{
    double most = 0;
    for (int64_t k = 0; k < n; k++)
        most = fabs(value_at(s, from + k)) > most ? fabs(value_at(s, from + k)) : most;
    return most;
}

// Below this a singular value counts as 0. In the arithmetic of the matrices' type, as PyTorch compares.
static double limit_at(const Limits *l, int64_t i, double most, DType real)
{
    double atol = ((const double *)l->atol->view.data)[i], rtol = ((const double *)l->rtol->view.data)[i];
    double relative = real == DT_F32 ? (double)((float)rtol * (float)most) : rtol * most;
    atol = real == DT_F32 ? (double)(float)atol : atol;
    return atol > relative ? atol : relative;
}

// Where the batch of `small` sits in the stretched one; both are the batch dimensions of values [batch…, k].
static int64_t batch_index(const Limits *l, const Tensor *values, int64_t i)
{
    int64_t index = 0, step = 1;
    for (int d = l->ndim - 1, k = values->view.ndim - 2; k >= 0; d--, k--) {
        if (values->view.size[k] != 1)
            index += i % l->batch[d] * step;
        i /= l->batch[d] ? l->batch[d] : 1;
        step *= values->view.size[k];
    }
    return index;
}

static Status rank(Lane *lane, Tensor *a, IValue atol, IValue rtol, bool hermitian, IValue *ret)
{
    const char *name = "torch.linalg.matrix_rank";
    TRY(check_matrix(a, name, "input"));
    if (!lapack_takes(tensor_dtype(a)))
        return op_raise("This function doesn't handle types other than float and double");
    if (hermitian)
        TRY(check_square(a, "linalg.eigh"));
    Limits l;
    TRY(limits_make(lane, a, atol, rtol, name, &l));
    Tensor *u = NULL, *s = NULL, *v = NULL, *out = NULL;
    Status status = hermitian ? eigh_factor(lane, a, false, false, "linalg.eigh", &s, &v) : svd_factor(lane, a, SVD_VALUES, "linalg.svd", &u, &s, &v);
    if (status != ST_OK) {
        limits_free(&l);
        return status;
    }
    status = tensor_new(lane, DT_I64, l.ndim, l.batch, &out);
    int64_t k = s->view.size[s->view.ndim - 1];
    for (int64_t i = 0; status == ST_OK && i < tensor_numel(out); i++) {
        int64_t from = batch_index(&l, s, i) * k, count = 0;
        double limit = limit_at(&l, i, greatest(s, from, k), tensor_dtype(s));
        for (int64_t j = 0; j < k; j++)
            count += fabs(value_at(s, from + j)) > limit;
        ((int64_t *)out->view.data)[i] = count;
    }
    release(u);
    release(s);
    release(v);
    limits_free(&l);
    return ret_tensors(status, ret, 1, &out);
}

OP_FN(op_rank) // input, *, atol, rtol, hermitian
{
    return rank(lane, args[0].as.tensor, args[1], args[2], args[3].as.b, rets);
}

OP_FN(op_rank_tol) // input, tol, hermitian
{
    return rank(lane, args[0].as.tensor, args[1], value_float(0), args[2].as.b, rets);
}

// A column-major matrix's column c times x.
static void scale_column(DType t, void *a, int64_t rows, int64_t c, double x)
{
    int64_t n = rows * (dtype_is_complex(t) ? 2 : 1);
    if (real_of(t) == DT_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)a)[c * n + i] *= (float)x;
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)a)[c * n + i] *= x;
}

// X = V S^+ U^H. Row-major X is column-major X^T, the conjugate of U S^+ V^H.
static Status pinv(Lane *lane, Tensor *a, IValue atol, IValue rtol, bool hermitian, IValue *ret)
{
    DType t = tensor_dtype(a);
    if (a->view.ndim < 2 || !lapack_takes(t))
        return op_raise("linalg.pinv(%s{%s}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble types", dtype_torch_name(t),
                        size_text(a->view.size, a->view.ndim).text);
    TRY(check_tolerance(atol, "atol", "torch.linalg.pinv"));
    TRY(check_tolerance(rtol, "rtol", "torch.linalg.pinv"));
    if (tensor_numel(a) == 0) { // tolerances do not matter
        int64_t size[VIEW_MAX_DIMS];
        Tensor *none;
        memcpy(size, a->view.size, sizeof *size * a->view.ndim);
        size[a->view.ndim - 2] = mat_cols(a);
        size[a->view.ndim - 1] = mat_rows(a);
        TRY(tensor_new(lane, t, a->view.ndim, size, &none));
        return ret_tensors(ST_OK, ret, 1, &none);
    }
    if (hermitian)
        TRY(check_square(a, "linalg.eigh"));
    Limits l;
    TRY(limits_make(lane, a, atol, rtol, "torch.linalg.pinv", &l));
    Tensor *u = NULL, *s = NULL, *v = NULL, *out = NULL, *scaled = NULL;
    Status status = hermitian ? eigh_factor(lane, a, false, true, "linalg.eigh", &s, &u) : svd_factor(lane, a, SVD_REDUCED, "linalg.svd", &u, &s, &v);
    if (status != ST_OK) {
        limits_free(&l);
        return status;
    }
    int64_t m = mat_rows(a), n = mat_cols(a), k = s->view.size[s->view.ndim - 1], size[VIEW_MAX_DIMS];
    memcpy(size, l.batch, sizeof *size * (size_t)l.ndim);
    size[l.ndim] = n;
    size[l.ndim + 1] = m;
    status = l.ndim + 2 > VIEW_MAX_DIMS ? op_raise("linalg.pinv: too many dimensions") : tensor_new(lane, t, l.ndim + 2, size, &out);
    if (status == ST_OK)
        status = tensor_new(lane, t, 2, (int64_t[]){k, m}, &scaled);
    for (int64_t i = 0; status == ST_OK && m && n && i < mat_count(out); i++) {
        int64_t at = batch_index(&l, s, i), from = at * k;
        double limit = limit_at(&l, i, greatest(s, from, k), tensor_dtype(s));
        memcpy(scaled->view.data, mat_at(u, at), (size_t)(m * k) * dtype_size(t));
        for (int64_t j = 0; j < k; j++) {
            double x = value_at(s, from + j);
            scale_column(t, scaled->view.data, m, j, fabs(x) > limit ? 1 / x : 0);
        }
        status = blas_gemm(t, BLAS_N, hermitian ? BLAS_C : BLAS_N, m, n, k, 1, scaled->view.data, m, mat_at(hermitian ? u : v, at), hermitian ? n : k, 0,
                           mat_at(out, i), m);
    }
    if (status == ST_OK)
        mat_conjugate(out);
    release(scaled);
    release(u);
    release(s);
    release(v);
    limits_free(&l);
    return ret_tensors(status, ret, 1, &out);
}

OP_FN(op_pinv) // self, *, atol, rtol, hermitian
{
    return pinv(lane, args[0].as.tensor, args[1], args[2], args[3].as.b, rets);
}

OP_FN(op_pinv_rcond) // self, rcond, hermitian (pinverse has none)
{
    if (args[0].as.tensor->view.ndim >= 2 && lapack_takes(tensor_dtype(args[0].as.tensor)))
        TRY(check_tolerance(args[1], "rcond", "torch.linalg.pinv"));
    return pinv(lane, args[0].as.tensor, value_float(0), args[1], site->op->data == NULL && args[2].as.b, rets);
}

// ---- functions of a matrix

// Sums of n * n doubles: y = Σ c[k] x[k].
static void combine(double *y, int64_t n, int terms, const double *const *x, const double *c)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < terms; k++)
            sum += c[k] * x[k][i];
        y[i] = sum;
    }
}

// exp(a) in place, a [n, n] float64 or complex128: the (13, 13) Padé approximant with scaling and squaring (Higham, "The
// scaling and squaring method for the matrix exponential revisited", 2005). room: 6 matrices; pivots: n.
static Status exponential(DType t, int64_t n, double *a, double *room, int32_t *pivots)
{
    static const double b[] = {64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800., 129060195264000., 10559470521600., 670442572800.,
                               33522128640., 1323241920., 40840800., 960960., 16380., 182., 1.};
    int parts = dtype_is_complex(t) ? 2 : 1;
    int64_t size = n * n * parts;
    double norm = 0;
    for (int64_t c = 0; c < n; c++) {
        double sum = 0;
        for (int64_t r = 0; r < n; r++) {
            const double *x = a + (c * n + r) * parts;
            sum += parts == 2 ? hypot(x[0], x[1]) : fabs(x[0]);
        }
        norm = sum > norm || isnan(sum) ? sum : norm;
    }
    if (!isfinite(norm)) {
        for (int64_t i = 0; i < size; i++)
            a[i] = NAN;
        return ST_OK;
    }
    int squarings = 0;
    frexp(norm / 5.371920351148152, &squarings);
    squarings = norm == 0 || squarings < 0 ? 0 : squarings;
    double scale = ldexp(1, -squarings);
    for (int64_t i = 0; i < size; i++)
        a[i] *= scale;
    double *unit = room, *a2 = room + size, *a4 = room + 2 * size, *a6 = room + 3 * size, *u = room + 4 * size, *v = room + 5 * size;
    memset(unit, 0, (size_t)size * sizeof *unit);
    for (int64_t i = 0; i < n; i++)
        unit[(i * n + i) * parts] = 1;
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a, n, a, n, 0, a2, n));
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a2, n, a2, n, 0, a4, n));
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a2, n, a4, n, 0, a6, n));
    const double *const high[] = {a6, a4, a2}, *const all[] = {a6, a4, a2, unit};
    combine(v, size, 3, high, (double[]){b[13], b[11], b[9]});
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a6, n, v, n, 0, u, n));
    combine(v, size, 4, all, (double[]){b[7], b[5], b[3], b[1]});
    for (int64_t i = 0; i < size; i++)
        v[i] += u[i];
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a, n, v, n, 0, u, n)); // the odd terms
    combine(a, size, 3, high, (double[]){b[12], b[10], b[8]});
    TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a6, n, a, n, 0, v, n));
    combine(a, size, 4, all, (double[]){b[6], b[4], b[2], b[0]});
    for (int64_t i = 0; i < size; i++) { // (even - odd) X = even + odd
        double even = v[i] + a[i];
        v[i] = even - u[i];
        a[i] = even + u[i];
    }
    int info;
    TRY(lapack_getrf(t, n, n, v, pivots, &info));
    TRY(lapack_getrs(t, BLAS_N, n, n, v, pivots, a));
    for (; squarings > 0; squarings--) {
        TRY(blas_gemm(t, BLAS_N, BLAS_N, n, n, n, 1, a, n, a, n, 0, u, n));
        memcpy(a, u, (size_t)size * sizeof *a);
    }
    return ST_OK;
}

OP_FN(op_matrix_exp)
{
    Tensor *a = args[0].as.tensor, *wide, *out;
    DType t = tensor_dtype(a), type = dtype_is_complex(t) ? DT_C128 : DT_F64;
    TRY(check_square(a, "linalg.matrix_exp"));
    TRY(check_fractional(a, "linalg.matrix_exp", true));
    TRY(tensor_copy_as(lane, a, type, FORMAT_CONTIGUOUS, &wide)); // exp(A^T) = exp(A)^T: column-major or not is the same
    int64_t n = mat_rows(a);
    size_t room = 6 * (size_t)(n * n) * dtype_size(type);
    double *work = malloc(room + 64);
    int32_t *pivots = malloc((size_t)(n + 1) * sizeof *pivots);
    Status s = work && pivots ? ST_OK : status_no_memory(room);
    for (int64_t i = 0; s == ST_OK && n && i < mat_count(a); i++)
        s = exponential(type, n, mat_at(wide, i), work, pivots);
    free(work);
    free(pivots);
    if (s == ST_OK)
        s = tensor_to_dtype(lane, wide, t, &out);
    tensor_release(wide);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_matrix_power) // self, n
{
    Tensor *a = args[0].as.tensor, *unit;
    int64_t n = args[1].as.i;
    TRY(check_square(a, "linalg.matrix_power"));
    if (n == 0) {
        TRY(tensor_new(lane, tensor_dtype(a), a->view.ndim, a->view.size, &unit));
        return ret_tensors(mat_set_identity(unit), rets, 1, &unit);
    }
    Tensor *square = NULL, *result = NULL, *next;
    Status s = ST_OK;
    if (n < 0) {
        IValue inverted;
        TRY(op_find(STR("aten::linalg_inv"))->fn(lane, site, args, &inverted));
        square = inverted.as.tensor;
    } else {
        square = tensor_retain(a);
    }
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (left == 3) { // (a a) a, as PyTorch multiplies
        s = product(lane, site, square, square, NULL, 1, 0, &next);
        if (s == ST_OK) {
            s = product(lane, site, next, square, NULL, 1, 0, &result);
            tensor_release(next);
        }
        left = 0;
    }
    for (; left && s == ST_OK; left >>= 1) {
        if (left & 1 && !result) {
            s = left == 1 && square == a ? tensor_copy_as(lane, a, tensor_dtype(a), FORMAT_PRESERVE, &result) : ST_OK;
            result = result ? result : tensor_retain(square);
        } else if (left & 1) {
            s = product(lane, site, result, square, NULL, 1, 0, &next);
            if (s == ST_OK) {
                tensor_release(result);
                result = next;
            }
        }
        if (left > 1 && s == ST_OK) {
            s = product(lane, site, square, square, NULL, 1, 0, &next);
            if (s == ST_OK) {
                tensor_release(square);
                square = next;
            }
        }
    }
    tensor_release(square);
    if (s != ST_OK)
        release(result);
    return s == ST_OK ? ret_tensors(s, rets, 1, &result) : s;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_SPECTRUM[] = {
    ROW("aten::_linalg_svd", op_svd_parts),
    ROW("aten::linalg_svd", op_linalg_svd),
    ROW("aten::linalg_svdvals", op_svdvals),
    ROW("aten::svd", op_svd),
    ROW("aten::_linalg_eigh", op_eigh_parts),
    ROW("aten::linalg_eigh", op_eigh),
    ROW("aten::linalg_eigvalsh", op_eigvalsh),
    ROW("aten::symeig", op_symeig),
    ROW("aten::_symeig_helper", op_symeig),
    ROW("aten::linalg_eig", op_eig),
    ROW("aten::linalg_eigvals", op_eigvals),
    ROW("aten::_linalg_eigvals", op_eigvals),
    ROW("aten::linalg_matrix_rank", op_rank_tol),
    ROW("aten::linalg_matrix_rank.tol_tensor", op_rank_tol),
    ROW("aten::linalg_matrix_rank.atol_rtol_tensor", op_rank),
    ROW("aten::linalg_matrix_rank.atol_rtol_float", op_rank),
    ROW("aten::linalg_pinv", op_pinv_rcond),
    ROW("aten::linalg_pinv.rcond_tensor", op_pinv_rcond),
    {"aten::pinverse", op_pinv_rcond, 0, "pinverse", NULL},
    ROW("aten::linalg_pinv.atol_rtol_float", op_pinv),
    ROW("aten::linalg_pinv.atol_rtol_tensor", op_pinv),
    ROW("aten::linalg_matrix_exp", op_matrix_exp),
    ROW("aten::matrix_exp", op_matrix_exp),
    ROW("aten::linalg_matrix_power", op_matrix_power),
    ROW("aten::matrix_power", op_matrix_power),
    {0},
};
