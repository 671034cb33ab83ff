// Views and texts that the bindings of the heavy operators share.
// None of these copies, but tensor_reshaped of a tensor that is not contiguous.
#include "worker/ops_heavy.h"

Status tensor_add_dim(Lane *lane, Tensor *t, int dim, Tensor **out)
{
    const View *v = &t->view;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    if (v->ndim >= VIEW_MAX_DIMS)
        return op_raise("too many dimensions (limit %d)", VIEW_MAX_DIMS);
    for (int i = 0, from = 0; i <= v->ndim; i++) {
        size[i] = i == dim ? 1 : v->size[from];
        stride[i] = i == dim ? (from < v->ndim ? v->size[from] * v->stride[from] : 1) : v->stride[from];
        from += i != dim;
    }
    return tensor_view(lane, t, v->ndim + 1, size, stride, t->offset, out);
}

Status tensor_drop_dim(Lane *lane, Tensor *t, int dim, Tensor **out)
{
    const View *v = &t->view;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < v->ndim; i++)
        if (i != dim) {
            size[n] = v->size[i];
            stride[n++] = v->stride[i];
        }
    return tensor_view(lane, t, n, size, stride, t->offset, out);
}

Status tensor_transposed(Lane *lane, Tensor *t, int a, int b, Tensor **out)
{
    View v = t->view;
    int64_t size = v.size[a], stride = v.stride[a];
    v.size[a] = v.size[b];
    v.stride[a] = v.stride[b];
    v.size[b] = size;
    v.stride[b] = stride;
    return tensor_view(lane, t, v.ndim, v.size, v.stride, t->offset, out);
}

Status tensor_reshaped(Lane *lane, Tensor *t, int ndim, const int64_t *size, Tensor **out)
{
    Tensor *whole;
    View v = {0};
    TRY(tensor_contiguous(lane, t, &whole));
    view_set_contiguous(&v, ndim, size);
    Status s = tensor_view(lane, whole, ndim, v.size, v.stride, whole->offset, out);
    tensor_release(whole);
    return s;
}

Status tensor_narrow(Lane *lane, Tensor *t, int dim, int64_t start, int64_t length, Tensor **out)
{
    View v = t->view;
    v.size[dim] = length;
    return tensor_view(lane, t, v.ndim, v.size, v.stride, t->offset + start * v.stride[dim], out);
}

const char *sizes_text(const View *v, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < v->ndim && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? ", " : "", (long long)v->size[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
    return text;
}
