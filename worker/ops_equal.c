// Operator bindings: comparisons of whole tensors: equal, isclose, allclose.
// Elements are compared as doubles (or int64_t, or pairs of doubles) that hold every value of the dtype.
#include "worker/op_util.h"

#include <math.h>

static DType wide_dtype(DType t) { return dtype_is_floating(t) ? DT_F64 : dtype_is_complex(t) ? DT_C128 : DT_I64; }

// Both tensors, contiguous, of the broadcast shape, in one wide dtype. The caller releases both.
static Status widen(Lane *lane, const IValue *args, const char *name, DType *narrow, Tensor *out[2])
{
    const View *v[2] = {&args[0].as.tensor->view, &args[1].as.tensor->view};
    *narrow = promote_dtypes((DType)v[0]->dtype, (DType)v[1]->dtype);
    if (*narrow == DT_INVALID)
        return op_raise("%s: cannot compare %s and %s", name, dtype_torch_name((DType)v[0]->dtype), dtype_torch_name((DType)v[1]->dtype));
    int64_t size[VIEW_MAX_DIMS];
    int n = v[0]->ndim > v[1]->ndim ? v[0]->ndim : v[1]->ndim;
    for (int i = 1; i <= n; i++) {
        int64_t a = i <= v[0]->ndim ? v[0]->size[v[0]->ndim - i] : 1, b = i <= v[1]->ndim ? v[1]->size[v[1]->ndim - i] : 1;
        if (a != b && a != 1 && b != 1)
            return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)a, (long long)b, n - i);
        size[n - i] = a == 1 ? b : a;
    }
    out[0] = out[1] = NULL;
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++) {
        status = tensor_new(lane, wide_dtype(*narrow), n, size, &out[i]);
        if (status == ST_OK)
            status = tensor_copy_into(lane, out[i], args[i].as.tensor);
        else
            out[i] = NULL;
    }
    for (int i = 0; i < 2 && status != ST_OK; i++)
        if (out[i])
            tensor_release(out[i]);
    return status;
}

static bool element_equal(const Tensor *a, const Tensor *b, int64_t i)
{
    const double *x = a->view.data, *y = b->view.data;
    if (tensor_dtype(a) == DT_I64)
        return ((const int64_t *)a->view.data)[i] == ((const int64_t *)b->view.data)[i];
    return tensor_dtype(a) == DT_F64 ? x[i] == y[i] : x[2 * i] == y[2 * i] && x[2 * i + 1] == y[2 * i + 1];
}

// Contiguous tensors of one dtype, block by block, so that tensors that differ early are found out early.
#define SAME(T)                                                                                                        \
    static bool same_##T(const void *a, const void *b, int64_t n)                                                      \
    {                                                                                                                  \
        const T *x = a, *y = b;                                                                                        \
        for (int64_t at = 0; at < n; at += 256) {                                                                      \
            int64_t m = n - at < 256 ? n - at : 256;                                                                   \
            int differ = 0;                                                                                            \
            for (int64_t i = at; i < at + m; i++)                                                                      \
                differ |= x[i] != y[i];                                                                                \
            if (differ)                                                                                                \
                return false;                                                                                          \
        }                                                                                                              \
        return true;                                                                                                   \
    }
SAME(float)
SAME(double)

OP_FN(op_equal)
{
    const View *a = &args[0].as.tensor->view, *b = &args[1].as.tensor->view;
    bool equal = view_same_shape(a, b);
    if (equal && a->dtype == b->dtype && view_is_contiguous(a) && view_is_contiguous(b) && !dtype_is_complex((DType)a->dtype) &&
        dtype_size((DType)a->dtype) != 2) {
        int64_t n = view_numel(a);
        equal = a->dtype == DT_F32   ? same_float(a->data, b->data, n)
                : a->dtype == DT_F64 ? same_double(a->data, b->data, n)
                                     : memcmp(a->data, b->data, (size_t)n * dtype_size((DType)a->dtype)) == 0;
    } else if (equal) {
        Tensor *t[2];
        DType narrow;
        TRY(widen(lane, args, "equal", &narrow, t));
        for (int64_t i = 0, n = tensor_numel(t[0]); equal && i < n; i++)
            equal = element_equal(t[0], t[1], i);
        tensor_release(t[0]);
        tensor_release(t[1]);
    }
    rets[0] = value_bool(equal);
    return ST_OK;
}

// |a - b| <= atol + |rtol * b|, computed in the dtype.
static bool element_close(const Tensor *a, const Tensor *b, int64_t i, double rtol, double atol, bool equal_nan, DType t)
{
    if (element_equal(a, b, i))
        return true;
    if (tensor_dtype(a) == DT_C128) {
        const double *x = (const double *)a->view.data + 2 * i, *y = (const double *)b->view.data + 2 * i;
        bool nan_x = isnan(x[0]) || isnan(x[1]), nan_y = isnan(y[0]) || isnan(y[1]);
        double error = hypot(x[0] - y[0], x[1] - y[1]);
        return (equal_nan && nan_x && nan_y) || (isfinite(error) && error <= atol + rtol * hypot(y[0], y[1]));
    }
    bool integral = tensor_dtype(a) == DT_I64;
    double x = integral ? (double)((const int64_t *)a->view.data)[i] : ((const double *)a->view.data)[i];
    double y = integral ? (double)((const int64_t *)b->view.data)[i] : ((const double *)b->view.data)[i];
    if (isnan(x) || isnan(y))
        return equal_nan && isnan(x) && isnan(y);
    if (rtol == 0 && atol == 0)
        return false;
    bool f32 = t != DT_F64;
    double error = fabs(x - y), allowed = f32 ? (double)((float)atol + fabsf((float)rtol * (float)y)) : atol + fabs(rtol * y);
    if (f32 && !integral)
        error = (double)round_to(t, (float)error);
    return isfinite(error) && error <= allowed;
}

static Status compare_close(Lane *lane, const IValue *args, Tensor **mask, bool *all)
{
    double rtol = arg_double(args[2]), atol = arg_double(args[3]);
    if (!(rtol >= 0) || !(atol >= 0))
        return op_raise("%s must be greater than or equal to zero, but got %g", rtol >= 0 ? "atol" : "rtol", rtol >= 0 ? atol : rtol);
    if (tensor_dtype(args[0].as.tensor) != tensor_dtype(args[1].as.tensor))
        return op_raise("%s did not match %s", dtype_torch_name(tensor_dtype(args[0].as.tensor)), dtype_torch_name(tensor_dtype(args[1].as.tensor)));
    Tensor *t[2];
    DType narrow;
    TRY(widen(lane, args, "isclose", &narrow, t));
    Status status = tensor_new(lane, DT_BOOL, t[0]->view.ndim, t[0]->view.size, mask);
    *all = true;
    for (int64_t i = 0, n = tensor_numel(t[0]); i < n && status == ST_OK; i++) {
        bool close = element_close(t[0], t[1], i, rtol, atol, args[4].as.b, narrow);
        ((bool *)(*mask)->view.data)[i] = close;
        *all = *all && close;
    }
    tensor_release(t[0]);
    tensor_release(t[1]);
    return status;
}

OP_FN(op_isclose) // self, other, rtol, atol, equal_nan
{
    Tensor *mask;
    bool all;
    TRY(compare_close(lane, args, &mask, &all));
    rets[0] = value_tensor_take(mask);
    return ST_OK;
}

OP_FN(op_allclose)
{
    Tensor *mask;
    bool all;
    TRY(compare_close(lane, args, &mask, &all));
    tensor_release(mask);
    rets[0] = value_bool(all);
    return ST_OK;
}

OP_FN(op_same_storage_size)
{
    rets[0] = value_bool(args[0].as.tensor->storage->size == args[1].as.tensor->storage->size);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_EQUAL[] = {
    ROW("aten::equal", op_equal), ROW("aten::isclose", op_isclose), ROW("aten::allclose", op_allclose),
    ROW("aten::_has_same_storage_numel", op_same_storage_size),
    {0},
};
