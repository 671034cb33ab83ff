// Views and texts that the bindings of the heavy operators share.
// None of these copies, but tensor_reshaped where strides do not allow a view.
#include "worker/ops_heavy.h"

#include <string.h>

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
    int64_t stride[VIEW_MAX_DIMS];
    Tensor *whole = NULL;
    View v = {0};
    TRY(tensor_make_plain(lane, t));
    if (reshape_strides(&t->view, ndim, size, stride))
        return tensor_view(lane, t, ndim, size, stride, t->offset, out);
    TRY(tensor_contiguous(lane, t, &whole));
    view_set_contiguous(&v, ndim, size);
    Status s = tensor_view(lane, whole, ndim, v.size, v.stride, whole->offset, out);
    tensor_release(whole);
    return s;
}

Status tensor_permuted(Lane *lane, Tensor *t, const int *order, Tensor **out)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    for (int i = 0; i < t->view.ndim; i++) {
        size[i] = t->view.size[order[i]];
        stride[i] = t->view.stride[order[i]];
    }
    return tensor_view(lane, t, t->view.ndim, size, stride, t->offset, out);
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

// Walks the old dimensions from the right, filling new ones from each run that lies in one piece (torch's computeStride).
bool reshape_strides(const View *v, int ndim, const int64_t *size, int64_t *stride)
{
    if (view_numel(v) == 0 || v->ndim == 0) {
        View c = {0};
        view_set_contiguous(&c, ndim, size);
        memcpy(stride, c.stride, sizeof(int64_t) * (size_t)ndim);
        return true;
    }
    int at = ndim - 1;
    int64_t base = v->stride[v->ndim - 1], run = 1, made = 1;
    for (int d = v->ndim - 1; d >= 0; d--) {
        run *= v->size[d];
        bool ends = d == 0 || (v->size[d - 1] != 1 && v->stride[d - 1] != run * base);
        if (!ends)
            continue;
        while (at >= 0 && (made < run || size[at] == 1)) {
            stride[at] = made * base;
            made *= size[at--];
        }
        if (made != run)
            return false;
        if (d > 0) {
            base = v->stride[d - 1];
            run = made = 1;
        }
    }
    return at == -1;
}
