// Batches of column-major matrices, and the checks and messages of the linear algebra operators.
// Factorisations that more than one operator starts from are in worker/ops_factor.c.
#include "worker/linalg.h"

#include "kernels/copy.h"
#include "kernels/iter.h"
#include "worker/ops_heavy.h"

#include <stdarg.h>

int64_t mat_count(const Tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d + 2 < t->view.ndim; d++)
        n *= t->view.size[d];
    return n;
}

static Status new_matrices(Lane *lane, DType dtype, int batch_ndim, const int64_t *batch, int64_t rows, int64_t cols, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    if (batch_ndim + 2 > VIEW_MAX_DIMS)
        return op_raise("too many dimensions (limit %d)", VIEW_MAX_DIMS);
    for (int d = 0; d < batch_ndim; d++)
        size[d] = batch[d];
    size[batch_ndim] = rows;
    size[batch_ndim + 1] = cols;
    stride[batch_ndim] = 1;
    stride[batch_ndim + 1] = rows > 1 ? rows : 1;
    int64_t step = next_stride(next_stride(1, rows), cols);
    for (int d = batch_ndim - 1; d >= 0; d--) {
        stride[d] = step;
        step = next_stride(step, size[d]);
    }
    return tensor_new_strided(lane, dtype, batch_ndim + 2, size, stride, out);
}

Status mat_new(Lane *lane, DType dtype, const Tensor *like, int64_t rows, int64_t cols, Tensor **out)
{
    return new_matrices(lane, dtype, like->view.ndim - 2, like->view.size, rows, cols, out);
}

Status mat_copy_to(Lane *lane, Tensor *t, int batch_ndim, const int64_t *batch, Tensor **out)
{
    TRY(new_matrices(lane, tensor_dtype(t), batch_ndim, batch, mat_rows(t), mat_cols(t), out));
    Status s = copy_convert(&(*out)->view, &t->view);
    if (s != ST_OK) {
        tensor_release(*out);
        *out = NULL;
    }
    return s;
}

int64_t mat_index(const Tensor *t, const Tensor *whole, int64_t i)
{
    const View *v = &t->view, *w = &whole->view;
    int64_t index = 0, step = 1;
    for (int d = w->ndim - 3, k = v->ndim - 3; k >= 0; d--, k--) {
        if (v->size[k] != 1)
            index += i % w->size[d] * step;
        i /= w->size[d] ? w->size[d] : 1;
        step *= v->size[k];
    }
    return index;
}

Status mat_copy(Lane *lane, Tensor *t, Tensor **out) { return mat_copy_to(lane, t, t->view.ndim - 2, t->view.size, out); }

Status batch_new(Lane *lane, DType dtype, const Tensor *like, int64_t length, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS];
    int n = like->view.ndim - 2;
    for (int d = 0; d < n; d++)
        size[d] = like->view.size[d];
    if (length >= 0)
        size[n++] = length;
    return tensor_new(lane, dtype, n, size, out);
}

Status none_new(Lane *lane, DType dtype, Tensor **out)
{
    int64_t none = 0;
    return tensor_new(lane, dtype, 1, &none, out);
}

Status batch_broadcast(const Tensor *a, const Tensor *b, int *ndim, int64_t *size)
{
    const View *va = &a->view, *vb = &b->view;
    int na = va->ndim - 2, nb = vb->ndim - 2;
    if (broadcast_shapes(na, va->size, nb, vb->size, ndim, size))
        return ST_OK;
    for (int i = 1;; i++) {
        int64_t x = va->size[na - i], y = vb->size[nb - i];
        if (x != y && x != 1 && y != 1)
            return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)x, (long long)y,
                            (na > nb ? na : nb) - i);
    }
}

// ---- checks

Status raise_linalg(const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return op_raise_class("torch._C._LinAlgError", "%s", text);
}

Status check_matrix(const Tensor *t, const char *name, const char *what)
{
    return t->view.ndim >= 2 ? ST_OK : op_raise("%s: The input tensor %s must have at least 2 dimensions.", name, what);
}

Status check_square(const Tensor *t, const char *name)
{
    TRY(check_matrix(t, name, "A"));
    return mat_rows(t) == mat_cols(t) ? ST_OK
                                      : op_raise("%s: A must be batches of square matrices, but they are %lld by %lld matrices", name,
                                                 (long long)mat_rows(t), (long long)mat_cols(t));
}

Status check_fractional(const Tensor *t, const char *name, bool low)
{
    DType d = tensor_dtype(t);
    if (!dtype_is_floating(d) && !dtype_is_complex(d))
        return op_raise("%s: Expected a floating point or complex tensor as input. Got %s", name, dtype_torch_name(d));
    if (!low && !lapack_takes(d))
        return op_raise("%s: Low precision dtypes not supported. Got %s", name, dtype_torch_name(d));
    return ST_OK;
}

Status check_lapack(const Tensor *t, const char *kernel)
{
    return lapack_takes(tensor_dtype(t))
               ? ST_OK
               : op_raise_class("NotImplementedError", "\"%s\" not implemented for '%s'", kernel, dtype_torch_name(tensor_dtype(t)));
}

Status check_infos(const Tensor *info, const char *name, bool is_matrix)
{
    const int32_t *v = info->view.data;
    int64_t n = tensor_numel(info), at = 0;
    while (at < n && v[at] == 0)
        at++;
    if (at == n)
        return ST_OK;
    int e = v[at];
    char where[64] = "";
    if (!is_matrix)
        snprintf(where, sizeof where, ": (Batch element %lld)", (long long)at);
    if (strstr(name, "svd") && e == -4)
        return raise_linalg("%s%s: The algorithm failed to converge because the input matrix contained non-finite values.", name, where);
    if (strstr(name, "inv"))
        return raise_linalg("%s%s: The diagonal element %d is zero, the inversion could not be completed because the input matrix is singular.", name, where, e);
    if (strstr(name, "solve"))
        return raise_linalg("%s%s: The solver failed because the input matrix is singular.", name, where);
    if (strstr(name, "cholesky"))
        return raise_linalg("%s%s: The factorization could not be completed because the input is not positive-definite (the leading minor of order %d is "
                            "not positive-definite).",
                            name, where, e);
    if (strstr(name, "svd"))
        return raise_linalg("%s%s: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated singular values "
                            "(error code: %d).",
                            name, where, e);
    if (strstr(name, "eig"))
        return raise_linalg("%s%s: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues (error "
                            "code: %d).",
                            name, where, e);
    if (strstr(name, "lstsq"))
        return raise_linalg("%s%s: The least squares solution could not be computed because the input matrix does not have full rank (error code: %d).", name,
                            where, e);
    if (strstr(name, "lu_factor"))
        return op_raise("%s%s: U[%d,%d] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
                        "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)",
                        name, where, e, e);
    return op_raise("%s%s: Unknown error code: %d.", name, where, e);
}

// ---- contents

void mat_keep_triangle(Tensor *t, bool upper)
{
    int64_t rows = mat_rows(t), cols = mat_cols(t), count = mat_count(t);
    size_t item = dtype_size(tensor_dtype(t));
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < cols; c++) {
            char *column = (char *)mat_at(t, i) + (size_t)(c * rows) * item;
            int64_t from = upper ? c + 1 : 0, to = upper ? rows : c < rows ? c : rows;
            if (from < to)
                memset(column + (size_t)from * item, 0, (size_t)(to - from) * item);
        }
}

Status mat_set_identity(Tensor *t)
{
    int64_t n = mat_rows(t), count = mat_count(t);
    TRY(tensor_fill(t, value_int(0)));
    if (n == 0)
        return ST_OK;
    int64_t size[2] = {count, n};
    View diagonal = {.data = t->view.data, .dtype = t->view.dtype, .layout = LAYOUT_STRIDED};
    view_set_contiguous(&diagonal, 2, size);
    diagonal.stride[0] = n * n;
    diagonal.stride[1] = n + 1;
    int64_t one = 1;
    View from = {.data = &one, .dtype = DT_I64, .layout = LAYOUT_STRIDED};
    return copy_convert(&diagonal, &from);
}

Status mat_transposed(Lane *lane, Tensor *t, Tensor **out) { return tensor_transposed(lane, t, t->view.ndim - 2, t->view.ndim - 1, out); }

void mat_conjugate(Tensor *t)
{
    int64_t n = tensor_numel(t);
    if (tensor_dtype(t) == DT_C64)
        for (int64_t i = 0; i < n; i++)
            ((float *)t->view.data)[2 * i + 1] = -((float *)t->view.data)[2 * i + 1];
    if (tensor_dtype(t) == DT_C128)
        for (int64_t i = 0; i < n; i++)
            ((double *)t->view.data)[2 * i + 1] = -((double *)t->view.data)[2 * i + 1];
}
