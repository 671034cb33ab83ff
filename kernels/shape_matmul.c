// Shape rules of matrix products, with PyTorch's messages: vectors, matrices and batches become batches of matrices.
// The variants of matmul and linear share them.
#include "kernels/ops.h"

#include <stdio.h>
#include <string.h>

typedef long long ll;

static Status same_type(const View *a, const View *b)
{
    if (a->dtype == b->dtype)
        return ST_OK;
    return status_fail(ST_RAISED, "expected scalar type %s but found %s", dtype_torch_name((DType)a->dtype), dtype_torch_name((DType)b->dtype));
}

static void insert_dim(View *v, int at)
{
    memmove(v->size + at + 1, v->size + at, sizeof(int64_t) * (size_t)(v->ndim - at));
    memmove(v->stride + at + 1, v->stride + at, sizeof(int64_t) * (size_t)(v->ndim - at));
    v->size[at] = 1;
    v->stride[at] = 1;
    v->ndim++;
}

// Rows of a when its leading dimensions are folded into one.
static int64_t folded_rows(const View *a)
{
    int64_t rows = 1;
    for (int i = 0; i + 1 < a->ndim; i++)
        rows *= a->size[i];
    return rows;
}

static Status inner_mismatch(const View *a, const View *b)
{
    int64_t ka = a->size[a->ndim - 1], kb = b->size[b->ndim > 1 ? b->ndim - 2 : 0];
    if (a->ndim == 1 && b->ndim == 1)
        return status_fail(ST_RAISED,
                           "inconsistent tensor size, expected tensor [%lld] and src [%lld] to have the same number of elements, but got %lld and %lld "
                           "elements respectively",
                           (ll)ka, (ll)kb, (ll)ka, (ll)kb);
    if (b->ndim == 1)
        return status_fail(ST_RAISED, "size mismatch, got %lld, %lldx%lld,%lld", (ll)folded_rows(a), (ll)folded_rows(a), (ll)ka, (ll)kb);
    if (b->ndim == 2)
        return status_fail(ST_RAISED, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (ll)folded_rows(a), (ll)ka, (ll)kb,
                           (ll)b->size[1]);
    int64_t batch = 1;
    for (int i = 0; i + 2 < b->ndim; i++)
        batch *= b->size[i];
    return status_fail(ST_RAISED, "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].", (ll)batch,
                       (ll)ka, (ll)batch, (ll)kb);
}

Status matmul_shape(const View *a, const View *b, MatmulShape *s)
{
    if (a->ndim == 0 || b->ndim == 0)
        return status_fail(ST_RAISED, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", a->ndim, b->ndim);
    if (a->size[a->ndim - 1] != b->size[b->ndim > 1 ? b->ndim - 2 : 0])
        return inner_mismatch(a, b);
    TRY(same_type(a, b));
    if (a->ndim >= VIEW_MAX_DIMS || b->ndim >= VIEW_MAX_DIMS)
        return status_fail(ST_RAISED, "matmul: too many dimensions (limit %d)", VIEW_MAX_DIMS - 1);
    *s = (MatmulShape){.a = *a, .b = *b};
    if (a->ndim == 1)
        insert_dim(&s->a, 0);
    if (b->ndim == 1)
        insert_dim(&s->b, 1);
    while (s->a.ndim < s->b.ndim)
        insert_dim(&s->a, 0);
    while (s->b.ndim < s->a.ndim)
        insert_dim(&s->b, 0);
    int n = s->ndim = s->a.ndim;
    for (int i = 0; i < n - 2; i++) {
        int64_t x = s->a.size[i], y = s->b.size[i];
        if (x != y && x != 1 && y != 1)
            return status_fail(ST_RAISED, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (ll)x, (ll)y, i);
        s->batch[i] = s->out_size[i] = x == 1 ? y : x;
        if (x == 1)
            s->a.stride[i] = 0;
        if (y == 1)
            s->b.stride[i] = 0;
    }
    s->m = s->a.size[n - 2];
    s->k = s->a.size[n - 1];
    s->n = s->b.size[n - 1];
    s->out_ndim = n - 2;
    if (a->ndim > 1)
        s->out_size[s->out_ndim++] = s->m;
    if (b->ndim > 1)
        s->out_size[s->out_ndim++] = s->n;
    return ST_OK;
}

Status expand_strides(const View *v, int ndim, const int64_t *size, int64_t *stride)
{
    if (v->ndim > ndim)
        return status_fail(ST_RAISED, "expand: the number of sizes provided (%d) must be greater or equal to the number of dimensions in the tensor (%d)",
                           ndim, v->ndim);
    for (int i = 0; i < ndim; i++) {
        int at = i - (ndim - v->ndim);
        stride[i] = 0;
        if (at < 0 || (v->size[at] == 1 && size[i] != 1))
            continue;
        if (v->size[at] != size[i]) {
            char target[200], sizes[200];
            size_t t = 0, u = 0;
            target[0] = sizes[0] = 0;
            for (int d = 0; d < ndim && t < sizeof target; d++)
                t += (size_t)snprintf(target + t, sizeof target - t, "%s%lld", d ? ", " : "", (ll)size[d]);
            for (int d = 0; d < v->ndim && u < sizeof sizes; d++)
                u += (size_t)snprintf(sizes + u, sizeof sizes - u, "%s%lld", d ? ", " : "", (ll)v->size[d]);
            return status_fail(ST_RAISED,
                               "The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton dimension %d.  Target sizes: "
                               "[%s].  Tensor sizes: [%s]",
                               (ll)size[i], (ll)v->size[at], i, target, sizes);
        }
        stride[i] = v->stride[at];
    }
    return ST_OK;
}

Status linear_shape(const View *in, int n_in, int64_t size[VIEW_MAX_DIMS])
{
    const View *x = &in[0], *w = &in[1], *bias = n_in > 2 && in[2].dtype != DT_INVALID ? &in[2] : NULL;
    if (x->ndim == 0 || w->ndim == 0)
        return status_fail(ST_RAISED, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", x->ndim, w->ndim);
    if (w->ndim != 2)
        return status_fail(ST_RAISED, "linear: weight must be a matrix, but has %d dimensions", w->ndim);
    int64_t k = x->size[x->ndim - 1];
    if (k != w->size[1])
        return status_fail(ST_RAISED, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (ll)folded_rows(x), (ll)k, (ll)w->size[1],
                           (ll)w->size[0]);
    if (x->dtype != w->dtype)
        return bias ? status_fail(ST_RAISED, "mat1 and mat2 must have the same dtype") : same_type(x, w);
    if (bias && bias->dtype != x->dtype)
        return status_fail(ST_RAISED, "self and mat2 must have the same dtype");
    memcpy(size, x->size, sizeof(int64_t) * (size_t)x->ndim);
    size[x->ndim - 1] = w->size[0];
    int64_t stride[2], target[2] = {folded_rows(x), w->size[0]};
    return bias ? expand_strides(bias, 2, target, stride) : ST_OK;
}
