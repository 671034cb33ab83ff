// View: the plain description of a tensor that kernels work on. Sizes, contiguity tests and signatures;
// the rules are torch's (is_contiguous ignores dimensions of size 1, an empty tensor is contiguous).
#include "kernels/view.h"

#include "kernels/copy.h"

#include <string.h>

int64_t view_numel(const View *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->ndim; d++)
        n *= v->size[d];
    return n;
}

void view_set_contiguous(View *v, int ndim, const int64_t *size)
{
    int64_t stride = 1;
    v->ndim = (uint8_t)ndim;
    v->layout = LAYOUT_STRIDED;
    for (int d = ndim - 1; d >= 0; d--) {
        v->size[d] = size[d];
        v->stride[d] = stride;
        stride *= size[d] > 1 ? size[d] : 1;
    }
}

bool view_is_contiguous(const View *v)
{
    if (v->layout != LAYOUT_STRIDED)
        return false;
    int64_t expected = 1;
    bool compact = true;
    for (int d = v->ndim - 1; d >= 0; d--) {
        if (v->size[d] == 0)
            return true;
        if (v->size[d] == 1)
            continue;
        compact = compact && v->stride[d] == expected;
        expected *= v->size[d];
    }
    return compact;
}

bool view_is_channels_last(const View *v)
{
    if (v->layout != LAYOUT_STRIDED || (v->ndim != 4 && v->ndim != 5))
        return false;
    int64_t expected = 1;
    for (int i = 0; i < v->ndim; i++) {
        // Innermost first: channels, then the spatial dimensions from the last, then the batch.
        int d = i == 0 ? 1 : i == v->ndim - 1 ? 0 : v->ndim - i;
        if (v->size[d] == 1)
            continue;
        if (v->stride[d] != expected)
            return false;
        expected *= v->size[d];
    }
    return true;
}

bool view_same_shape(const View *a, const View *b)
{
    return a->ndim == b->ndim && memcmp(a->size, b->size, sizeof a->size[0] * a->ndim) == 0;
}

size_t view_bytes(const View *v)
{
    size_t element = dtype_size((DType)v->dtype);
    if (v->layout != LAYOUT_STRIDED)
        return layout_bytes((Layout)v->layout, (DType)v->dtype, v->ndim, v->size);
    int64_t last = 0;
    for (int d = 0; d < v->ndim; d++) {
        if (v->size[d] == 0)
            return 0;
        last += (v->size[d] - 1) * v->stride[d];
    }
    return (size_t)(last + 1) * element;
}

bool view_same_signature(const View *a, const View *b)
{
    if (a->dtype != b->dtype || a->ndim != b->ndim || a->layout != b->layout || a->device != b->device ||
        a->constant != b->constant)
        return false;
    for (int d = 0; d < a->ndim; d++)
        if (a->size[d] != b->size[d] || a->stride[d] != b->stride[d])
            return false;
    return !a->constant || a->data == b->data;
}

void view_set_channels_last(View *v)
{
    v->stride[1] = 1;
    int64_t stride = v->size[1];
    for (int i = v->ndim - 1; i >= 2; i--) {
        v->stride[i] = stride;
        stride *= v->size[i];
    }
    v->stride[0] = stride;
}
