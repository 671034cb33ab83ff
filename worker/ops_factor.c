// Operator bindings: factorisations of matrices: LU, Cholesky, QR, LDL and Householder reflectors.
// The shared ones are declared in worker/linalg.h.
#include "worker/linalg.h"

#include "kernels/copy.h"

// ---- LU

Status lu_factor(Lane *lane, Tensor *a, Tensor **lu, Tensor **pivots, Tensor **info)
{
    int64_t m = mat_rows(a), n = mat_cols(a), k = m < n ? m : n, count = mat_count(a);
    *lu = *pivots = *info = NULL;
    Status s = mat_copy(lane, a, lu);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, k, pivots);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, -1, info);
    for (int64_t i = 0; i < count && s == ST_OK; i++) {
        int e = 0;
        if (k)
            s = lapack_getrf(tensor_dtype(a), m, n, mat_at(*lu, i), (int32_t *)(*pivots)->view.data + i * k, &e);
        ((int32_t *)(*info)->view.data)[i] = e;
    }
    Tensor **made[3] = {lu, pivots, info};
    for (int i = 0; i < 3 && s != ST_OK; i++)
        if (*made[i]) {
            tensor_release(*made[i]);
            *made[i] = NULL;
        }
    return s;
}

static Status lu_checked(Lane *lane, Tensor *a, bool pivot, bool check_errors, const char *name, Tensor **out)
{
    if (a->view.ndim < 2)
        return op_raise("torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: %s instead", size_text(a->view.size, a->view.ndim).text);
    TRY(check_lapack(a, "lu_cpu"));
    if (!pivot)
        return op_raise("linalg.lu_factor: LU without pivoting is not implemented on the CPU");
    TRY(lu_factor(lane, a, &out[0], &out[1], &out[2]));
    Status s = check_errors ? check_infos(out[2], name, a->view.ndim == 2) : ST_OK;
    for (int i = 0; i < 3 && s != ST_OK; i++)
        tensor_release(out[i]);
    return s;
}

OP_FN(op_lu_factor) // A, pivot
{
    Tensor *t[3];
    TRY(lu_checked(lane, args[0].as.tensor, args[1].as.b, true, "torch.linalg.lu_factor", t));
    tensor_release(t[2]);
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_lu_factor_ex) // A, pivot, check_errors
{
    Tensor *t[3];
    TRY(lu_checked(lane, args[0].as.tensor, args[1].as.b, args[2].as.b, "torch.linalg.lu_factor_ex", t));
    return ret_tensors(ST_OK, rets, 3, t);
}

// A part of lu, with ones (unit) or zeros in the rest: its lower triangle [m, k] or its upper one [k, n]. Contiguous.
static Status lu_part(Lane *lane, Tensor *lu, bool upper, int64_t rows, int64_t cols, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS];
    int ndim = lu->view.ndim;
    for (int d = 0; d < ndim - 2; d++)
        size[d] = lu->view.size[d];
    size[ndim - 2] = rows;
    size[ndim - 1] = cols;
    TRY(tensor_new(lane, tensor_dtype(lu), ndim, size, out));
    View part = lu->view;
    part.size[ndim - 2] = rows;
    part.size[ndim - 1] = cols;
    Status s = copy_convert(&(*out)->view, &part);
    if (s != ST_OK) {
        tensor_release(*out);
        return s;
    }
    size_t item = dtype_size(tensor_dtype(lu));
    int64_t count = mat_count(lu);
    for (int64_t i = 0; i < count * rows; i++) {
        int64_t r = i % rows;
        char *row = (char *)(*out)->view.data + (size_t)(i * cols) * item;
        int64_t from = upper ? 0 : r + 1, to = upper ? (r < cols ? r : cols) : cols;
        if (from < to)
            memset(row + (size_t)from * item, 0, (size_t)(to - from) * item);
        if (!upper && r < cols) {
            double one[2] = {1, 0};
            View d = {.data = row + (size_t)r * item, .dtype = lu->view.dtype, .layout = LAYOUT_STRIDED}, from_one = {.data = one, .dtype = DT_C128, .layout = LAYOUT_STRIDED};
            TRY(copy_convert(&d, &from_one));
        }
    }
    return ST_OK;
}

// The permutation matrices that row exchanges make: A = P L U.
static Status lu_permutation(Lane *lane, const Tensor *lu, const Tensor *pivots, Tensor **out)
{
    int64_t m = mat_rows(lu), k = pivots->view.size[pivots->view.ndim - 1], count = mat_count(lu), size[VIEW_MAX_DIMS];
    int ndim = lu->view.ndim;
    for (int d = 0; d < ndim - 2; d++)
        size[d] = lu->view.size[d];
    size[ndim - 2] = size[ndim - 1] = m;
    Tensor *order;
    TRY(tensor_new(lane, DT_I64, 1, &m, &order));
    int64_t *perm = order->view.data;
    Status s = tensor_new(lane, tensor_dtype(lu), ndim, size, out);
    if (s == ST_OK)
        s = tensor_fill(*out, value_int(0));
    size_t item = dtype_size(tensor_dtype(lu));
    double number[2] = {1, 0};
    char one[16];
    View to = {.data = one, .dtype = lu->view.dtype, .layout = LAYOUT_STRIDED}, from = {.data = number, .dtype = DT_C128, .layout = LAYOUT_STRIDED};
    if (s == ST_OK)
        s = copy_convert(&to, &from);
    for (int64_t i = 0; i < count && s == ST_OK; i++) {
        const int32_t *p = (const int32_t *)pivots->view.data + i * k;
        for (int64_t r = 0; r < m; r++)
            perm[r] = r;
        for (int64_t r = 0; r < k && s == ST_OK; r++) {
            if (p[r] < 1 || p[r] > m) {
                s = op_raise("pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you properly pass the result of lu_factor?");
                break;
            }
            int64_t other = perm[p[r] - 1];
            perm[p[r] - 1] = perm[r];
            perm[r] = other;
        }
        for (int64_t r = 0; r < m && s == ST_OK; r++)
            memcpy((char *)(*out)->view.data + (size_t)(i * m * m + perm[r] * m + r) * item, one, item);
    }
    tensor_release(order);
    if (s != ST_OK && *out) {
        tensor_release(*out);
        *out = NULL;
    }
    return s;
}

static Status unpack(Lane *lane, Tensor *lu, Tensor *pivots, bool data, bool permutation, IValue *rets)
{
    int64_t m = mat_rows(lu), n = mat_cols(lu), k = m < n ? m : n;
    Tensor *t[3] = {NULL, NULL, NULL};
    DType d = tensor_dtype(lu);
    Status s = permutation ? lu_permutation(lane, lu, pivots, &t[0]) : none_new(lane, d, &t[0]);
    if (s == ST_OK)
        s = data ? lu_part(lane, lu, false, m, k, &t[1]) : none_new(lane, d, &t[1]);
    if (s == ST_OK)
        s = data ? lu_part(lane, lu, true, k, n, &t[2]) : none_new(lane, d, &t[2]);
    return ret_tensors(s, rets, 3, t);
}

OP_FN(op_lu_unpack) // LU_data, LU_pivots, unpack_data, unpack_pivots
{
    Tensor *lu = args[0].as.tensor, *pivots = args[1].as.tensor, *plain;
    bool permutation = args[3].as.b;
    if (permutation && tensor_dtype(pivots) != DT_I32)
        return op_raise("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.");
    if (lu->view.ndim < 2)
        return op_raise("torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: %s instead", size_text(lu->view.size, lu->view.ndim).text);
    TRY(check_lapack(lu, "triu_tril"));
    int64_t m = mat_rows(lu), n = mat_cols(lu), k = m < n ? m : n;
    const View *p = &pivots->view;
    bool fits = p->ndim == lu->view.ndim - 1 && p->size[p->ndim - 1] == k;
    for (int d = 0; fits && d < p->ndim - 1; d++)
        fits = p->size[d] == lu->view.size[d];
    if (permutation && !fits)
        return op_raise("torch.lu_unpack: the shape of LU_pivots %s does not fit LU_data %s", size_text(p->size, p->ndim).text,
                        size_text(lu->view.size, lu->view.ndim).text);
    TRY(tensor_contiguous(lane, pivots, &plain));
    Status s = unpack(lane, lu, plain, args[2].as.b, permutation, rets);
    tensor_release(plain);
    return s;
}

OP_FN(op_linalg_lu) // A, pivot
{
    Tensor *a = args[0].as.tensor, *t[3];
    if (a->view.ndim < 2)
        return op_raise("linalg.lu: Expected tensor with 2 or more dimensions. Got size: %s instead", size_text(a->view.size, a->view.ndim).text);
    TRY(lu_checked(lane, a, args[1].as.b, false, "linalg.lu", t));
    Status s = unpack(lane, t[0], t[1], true, true, rets);
    for (int i = 0; i < 3; i++)
        tensor_release(t[i]);
    return s;
}

// ---- Cholesky

static Status cholesky(Lane *lane, Tensor *a, bool upper, Tensor **l, Tensor **info)
{
    TRY(check_lapack(a, "cholesky_cpu"));
    TRY(mat_copy(lane, a, l));
    Status s = batch_new(lane, DT_I32, a, -1, info);
    if (s != ST_OK) {
        tensor_release(*l);
        return s;
    }
    int64_t n = mat_rows(a), count = mat_count(a);
    for (int64_t i = 0; i < count && s == ST_OK; i++) {
        int e = 0;
        if (n)
            s = lapack_potrf(tensor_dtype(a), upper, n, mat_at(*l, i), &e);
        ((int32_t *)(*info)->view.data)[i] = e;
    }
    mat_keep_triangle(*l, upper);
    if (s != ST_OK) {
        tensor_release(*l);
        tensor_release(*info);
    }
    return s;
}

OP_FN(op_cholesky_ex) // A, upper, check_errors
{
    Tensor *a = args[0].as.tensor, *t[2];
    TRY(check_square(a, "linalg.cholesky"));
    TRY(check_fractional(a, "linalg.cholesky", true));
    TRY(cholesky(lane, a, args[1].as.b, &t[0], &t[1]));
    Status s = args[2].as.b ? check_infos(t[1], "linalg.cholesky_ex", a->view.ndim == 2) : ST_OK;
    return ret_tensors(s, rets, 2, t);
}

// linalg_cholesky and cholesky: A, upper. `data` is the name in messages.
OP_FN(op_cholesky)
{
    Tensor *a = args[0].as.tensor, *l, *info;
    TRY(check_square(a, site->op->data));
    TRY(check_fractional(a, site->op->data, true));
    TRY(cholesky(lane, a, args[1].as.b, &l, &info));
    Status s = check_infos(info, site->op->data, a->view.ndim == 2);
    tensor_release(info);
    return ret_tensors(s, rets, 1, &l);
}

// ---- QR

// Columns of `from` (column-major, the same number of rows) into the first ones of `to`.
static void copy_columns(const Tensor *from, Tensor *to)
{
    int64_t rows = mat_rows(from), cols = mat_cols(from) < mat_cols(to) ? mat_cols(from) : mat_cols(to);
    for (int64_t i = 0; i < mat_count(from); i++)
        memcpy(mat_at(to, i), mat_at(from, i), (size_t)(rows * cols) * dtype_size(tensor_dtype(from)));
}

// The first rows of `from` as a new tensor's upper triangle.
static Status upper_rows(Lane *lane, Tensor *from, int64_t rows, Tensor **out)
{
    TRY(mat_new(lane, tensor_dtype(from), from, rows, mat_cols(from), out));
    View part = from->view;
    part.size[part.ndim - 2] = rows;
    Status s = copy_convert(&(*out)->view, &part);
    if (s != ST_OK)
        tensor_release(*out);
    else
        mat_keep_triangle(*out, true);
    return s;
}

static Status geqrf(Lane *lane, Tensor *a, Tensor **qr, Tensor **tau)
{
    int64_t m = mat_rows(a), n = mat_cols(a), k = m < n ? m : n;
    TRY(mat_copy(lane, a, qr));
    Status s = batch_new(lane, tensor_dtype(a), a, k, tau);
    if (s != ST_OK) {
        tensor_release(*qr);
        return s;
    }
    LapackWork w = {0};
    for (int64_t i = 0; k && i < mat_count(a) && s == ST_OK; i++)
        s = lapack_geqrf(tensor_dtype(a), m, n, mat_at(*qr, i), tensor_at(*tau, i * k), &w);
    lapack_work_free(&w);
    if (s != ST_OK) {
        tensor_release(*qr);
        tensor_release(*tau);
    }
    return s;
}

// q holds reflectors in its columns and becomes their product.
static Status orgqr(Tensor *q, const Tensor *tau)
{
    int64_t m = mat_rows(q), n = mat_cols(q), k = tau->view.size[tau->view.ndim - 1];
    LapackWork w = {0};
    Status s = ST_OK;
    for (int64_t i = 0; n && i < mat_count(q) && s == ST_OK; i++)
        s = lapack_orgqr(tensor_dtype(q), m, n, k, mat_at(q, i), tensor_at(tau, i * k), &w);
    lapack_work_free(&w);
    return s;
}

Status qr_factor(Lane *lane, Tensor *a, QrMode mode, Tensor **q, Tensor **r)
{
    int64_t m = mat_rows(a), n = mat_cols(a), k = m < n ? m : n;
    Tensor *qr, *tau;
    *q = *r = NULL;
    TRY(geqrf(lane, a, &qr, &tau));
    Status s = upper_rows(lane, qr, mode == QR_COMPLETE ? m : k, r);
    if (s == ST_OK && mode == QR_R)
        s = none_new(lane, tensor_dtype(a), q);
    if (s == ST_OK && mode != QR_R) {
        s = mat_new(lane, tensor_dtype(a), a, m, mode == QR_COMPLETE ? m : k, q);
        if (s == ST_OK && k == 0) {
            s = mode == QR_COMPLETE ? mat_set_identity(*q) : ST_OK;
        } else if (s == ST_OK) {
            s = tensor_fill(*q, value_int(0));
            copy_columns(qr, *q);
            if (s == ST_OK)
                s = orgqr(*q, tau);
        }
    }
    tensor_release(qr);
    tensor_release(tau);
    if (s != ST_OK && *q)
        tensor_release(*q);
    if (s != ST_OK && *r)
        tensor_release(*r);
    return s;
}

static Status ret_qr(Lane *lane, Tensor *a, QrMode mode, IValue *rets)
{
    Tensor *t[2];
    TRY(check_matrix(a, "linalg.qr", "A"));
    TRY(check_fractional(a, "linalg.qr", true));
    TRY(check_lapack(a, "geqrf_cpu"));
    TRY(qr_factor(lane, a, mode, &t[0], &t[1]));
    return ret_tensors(ST_OK, rets, 2, t);
}

OP_FN(op_linalg_qr) // A, mode
{
    Str mode = str_of_value(args[1]);
    if (!str_is(mode, "reduced") && !str_is(mode, "complete") && !str_is(mode, "r"))
        return op_raise("qr received unrecognized mode '" STR_FMT "' but expected one of 'reduced' (default), 'r', or 'complete'", STR_ARG(mode));
    return ret_qr(lane, args[0].as.tensor, str_is(mode, "r") ? QR_R : str_is(mode, "complete") ? QR_COMPLETE : QR_REDUCED, rets);
}

OP_FN(op_qr) // self, some
{
    return ret_qr(lane, args[0].as.tensor, args[1].as.b ? QR_REDUCED : QR_COMPLETE, rets);
}

OP_FN(op_geqrf)
{
    Tensor *a = args[0].as.tensor, *t[2];
    if (a->view.ndim < 2)
        return op_raise("torch.geqrf: input must have at least 2 dimensions.");
    TRY(check_lapack(a, "geqrf_cpu"));
    TRY(geqrf(lane, a, &t[0], &t[1]));
    return ret_tensors(ST_OK, rets, 2, t);
}

// Reflectors and their factors must belong together.
static Status check_reflectors(const Tensor *a, const Tensor *tau, const char *name)
{
    if (a->view.ndim < 2)
        return op_raise("%s: input must have at least 2 dimensions.", name);
    if (tau->view.ndim == 0 || tau->view.size[tau->view.ndim - 1] > mat_cols(a))
        return op_raise("%s: input.shape[-1] must be greater than or equal to tau.shape[-1]", name);
    if (a->view.ndim != tau->view.ndim + 1)
        return op_raise("%s: Expected tau to have one dimension less than input, but got tau.ndim equal to %d and input.ndim is equal to %d", name,
                        tau->view.ndim, a->view.ndim);
    for (int d = 0; d < a->view.ndim - 2; d++)
        if (a->view.size[d] != tau->view.size[d])
            return op_raise("%s: Expected batch dimensions of tau to be equal to input.shape[:-2], but got %s", name, size_text(tau->view.size, tau->view.ndim - 1).text);
    if (tensor_dtype(a) != tensor_dtype(tau))
        return op_raise("%s: tau dtype %s does not match input dtype %s", name, dtype_torch_name(tensor_dtype(tau)), dtype_torch_name(tensor_dtype(a)));
    return ST_OK;
}

OP_FN(op_householder_product) // input, tau
{
    Tensor *a = args[0].as.tensor, *tau, *q;
    const char *name = "torch.linalg.householder_product";
    if (a->view.ndim < 2)
        return op_raise("%s: input must have at least 2 dimensions.", name);
    if (mat_rows(a) < mat_cols(a))
        return op_raise("%s: input.shape[-2] must be greater than or equal to input.shape[-1]", name);
    TRY(check_reflectors(a, args[1].as.tensor, name));
    TRY(check_lapack(a, "orgqr_cpu"));
    TRY(tensor_contiguous(lane, args[1].as.tensor, &tau));
    Status s = mat_copy(lane, a, &q);
    if (s == ST_OK) {
        s = orgqr(q, tau);
        s = ret_tensors(s, rets, 1, &q);
    }
    tensor_release(tau);
    return s;
}

OP_FN(op_ormqr) // self, tau, other, left, transpose
{
    Tensor *a = args[0].as.tensor, *other = args[2].as.tensor, *tau = NULL, *reflectors = NULL, *c = NULL;
    bool left = args[3].as.b, transpose = args[4].as.b;
    if (a->view.ndim < 2)
        return op_raise("torch.ormqr: input must have at least 2 dimensions.");
    if (other->view.ndim < 2)
        return op_raise("torch.ormqr: other must have at least 2 dimensions.");
    int64_t size = left ? mat_rows(other) : mat_cols(other), k = args[1].as.tensor->view.ndim ? args[1].as.tensor->view.size[args[1].as.tensor->view.ndim - 1] : 0;
    if (size < k)
        return op_raise("torch.ormqr: other.shape[%d] must be greater than or equal to tau.shape[-1]", left ? -2 : -1);
    if (size != mat_rows(a))
        return op_raise("torch.ormqr: other.shape[%d] must be equal to input.shape[-2]", left ? -2 : -1);
    TRY(check_reflectors(a, args[1].as.tensor, "torch.ormqr"));
    if (other->view.ndim != a->view.ndim)
        return op_raise("torch.ormqr: Expected other to have the same number of dimensions as input, but got %d and %d", other->view.ndim, a->view.ndim);
    for (int d = 0; d < a->view.ndim - 2; d++)
        if (a->view.size[d] != other->view.size[d])
            return op_raise("torch.ormqr: Expected batch dimensions of other to be equal to input.shape[:-2], but got %s", size_text(other->view.size, other->view.ndim - 2).text);
    if (tensor_dtype(a) != tensor_dtype(other))
        return op_raise("torch.ormqr: Expected input and other to have the same dtype, but input has dtype %s and other has dtype %s", dtype_torch_name(tensor_dtype(a)), dtype_torch_name(tensor_dtype(other)));
    TRY(check_lapack(a, "ormqr_cpu"));
    Status s = tensor_contiguous(lane, args[1].as.tensor, &tau);
    if (s == ST_OK)
        s = mat_copy(lane, a, &reflectors);
    if (s == ST_OK)
        s = mat_copy(lane, other, &c);
    LapackWork w = {0};
    for (int64_t i = 0; s == ST_OK && tensor_numel(c) && i < mat_count(c); i++)
        s = lapack_ormqr(tensor_dtype(a), left, transpose, mat_rows(c), mat_cols(c), k, mat_at(reflectors, i), mat_rows(a), tensor_at(tau, i * k), mat_at(c, i), &w);
    lapack_work_free(&w);
    if (tau)
        tensor_release(tau);
    if (reflectors)
        tensor_release(reflectors);
    return ret_tensors(s, rets, 1, &c);
}

// ---- LDL

static Status ldl(Lane *lane, Tensor *a, bool hermitian, bool check_errors, const char *api, Tensor **t)
{
    const char *name = "torch.linalg.ldl_factor_ex";
    TRY(check_square(a, name));
    TRY(check_fractional(a, name, true));
    TRY(check_lapack(a, "ldl_factor_kernel_cpu"));
    int64_t n = mat_rows(a), count = mat_count(a);
    t[0] = t[1] = t[2] = NULL;
    Status s = mat_copy(lane, a, &t[0]);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, n, &t[1]);
    if (s == ST_OK)
        s = batch_new(lane, DT_I32, a, -1, &t[2]);
    LapackWork w = {0};
    for (int64_t i = 0; i < count && s == ST_OK; i++) {
        int e = 0;
        if (n)
            s = lapack_sytrf(tensor_dtype(a), hermitian, false, n, mat_at(t[0], i), (int32_t *)t[1]->view.data + i * n, &e, &w);
        ((int32_t *)t[2]->view.data)[i] = e;
    }
    lapack_work_free(&w);
    if (s == ST_OK)
        mat_keep_triangle(t[0], false);
    if (s == ST_OK && check_errors)
        s = check_infos(t[2], api, a->view.ndim == 2);
    for (int i = 0; i < 3 && s != ST_OK; i++)
        if (t[i])
            tensor_release(t[i]);
    return s;
}

OP_FN(op_ldl_factor_ex) // self, hermitian, check_errors
{
    Tensor *t[3];
    TRY(ldl(lane, args[0].as.tensor, args[1].as.b, args[2].as.b, "torch.linalg.ldl_factor_ex", t));
    return ret_tensors(ST_OK, rets, 3, t);
}

OP_FN(op_ldl_factor) // self, hermitian
{
    Tensor *t[3];
    TRY(ldl(lane, args[0].as.tensor, args[1].as.b, true, "torch.linalg.ldl_factor", t));
    tensor_release(t[2]);
    return ret_tensors(ST_OK, rets, 2, t);
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_FACTOR[] = {
    ROW("aten::linalg_lu_factor", op_lu_factor),
    ROW("aten::linalg_lu_factor_ex", op_lu_factor_ex),
    ROW("aten::_lu_with_info", op_lu_factor_ex),
    ROW("aten::lu_unpack", op_lu_unpack),
    ROW("aten::linalg_lu", op_linalg_lu),
    ROW("aten::linalg_cholesky_ex", op_cholesky_ex),
    {"aten::linalg_cholesky", op_cholesky, 0, "linalg.cholesky", NULL},
    {"aten::cholesky", op_cholesky, 0, "cholesky", NULL},
    ROW("aten::linalg_qr", op_linalg_qr),
    ROW("aten::qr", op_qr),
    ROW("aten::geqrf", op_geqrf),
    ROW("aten::linalg_householder_product", op_householder_product),
    ROW("aten::orgqr", op_householder_product),
    ROW("aten::ormqr", op_ormqr),
    ROW("aten::linalg_ldl_factor_ex", op_ldl_factor_ex),
    ROW("aten::linalg_ldl_factor", op_ldl_factor),
    {0},
};
