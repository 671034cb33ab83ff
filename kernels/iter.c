// Iter: planning and running strided loops over several operands. The order of dimensions is found as PyTorch's
// TensorIterator finds it, because the strides of freshly made results depend on it.
#include "kernels/iter.h"

#include <string.h>

bool broadcast_shapes(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out)
{
    int64_t shape[VIEW_MAX_DIMS];
    int ndim = na > nb ? na : nb;
    for (int i = 1; i <= ndim; i++) {
        int64_t x = i <= na ? a[na - i] : 1, y = i <= nb ? b[nb - i] : 1;
        if (x != y && x != 1 && y != 1)
            return false;
        shape[ndim - i] = x == 1 ? y : x;
    }
    memcpy(out, shape, sizeof shape[0] * (size_t)ndim);
    *n = ndim;
    return true;
}

// >0: dimension b belongs inside a; <0: a is rightly inside b; 0: undecided.
static int compare_dims(const int64_t *size, int operands, const int64_t (*stride)[VIEW_MAX_DIMS], int a, int b)
{
    for (int k = 0; k < operands; k++) {
        int64_t sa = stride[k][a], sb = stride[k][b];
        if (sa == 0 || sb == 0)
            continue;
        if (sa != sb)
            return sa < sb ? -1 : 1;
        if (size[a] > size[b])
            return 1;
    }
    return 0;
}

void iter_memory_order(int ndim, const int64_t *size, int operands, const int64_t (*stride)[VIEW_MAX_DIMS], int *perm)
{
    for (int i = 0; i < ndim; i++)
        perm[i] = ndim - 1 - i;
    // Insertion sort that passes over undecided pairs.
    for (int i = 1; i < ndim; i++) {
        int at = i;
        for (int j = i - 1; j >= 0; j--) {
            int order = compare_dims(size, operands, stride, perm[j], perm[at]);
            if (order > 0) {
                int swap = perm[j];
                perm[j] = perm[at];
                perm[at] = swap;
                at = j;
            } else if (order < 0) {
                break;
            }
        }
    }
}

static void broadcast_strides(const View *v, int ndim, const int64_t *size, int64_t *stride)
{
    int64_t element = (int64_t)dtype_size((DType)v->dtype);
    int pad = ndim - v->ndim;
    for (int d = 0; d < ndim; d++)
        stride[d] = d < pad || (v->size[d - pad] == 1 && size[d] != 1) ? 0 : v->stride[d - pad] * element;
}

// Appends the dimensions in the order of perm, merging those that every operand walks through evenly.
static void take_dims(Iter *it, int ndim, const int64_t *size, int operands, const int64_t (*stride)[VIEW_MAX_DIMS], const int *perm)
{
    it->operands = operands;
    it->ndim = 0;
    it->numel = 1;
    for (int i = 0; i < ndim; i++) {
        int d = perm[i];
        it->numel *= size[d];
        if (size[d] == 1)
            continue;
        int last = it->ndim - 1;
        bool merge = last >= 0;
        for (int k = 0; k < operands && merge; k++)
            merge = stride[k][d] == it->stride[last][k] * it->size[last];
        if (merge) {
            it->size[last] *= size[d];
            continue;
        }
        it->size[it->ndim] = size[d];
        for (int k = 0; k < operands; k++)
            it->stride[it->ndim][k] = stride[k][d];
        it->ndim++;
    }
    if (it->ndim == 0) {
        it->ndim = 1;
        it->size[0] = 1;
        for (int k = 0; k < operands; k++)
            it->stride[0][k] = 0;
    }
}

void iter_plan(Iter *it, int ndim, const int64_t *size, int operands, const View *const *views)
{
    int64_t stride[ITER_MAX_OPERANDS][VIEW_MAX_DIMS];
    int perm[VIEW_MAX_DIMS];
    for (int k = 0; k < operands; k++)
        broadcast_strides(views[k], ndim, size, stride[k]);
    iter_memory_order(ndim, size, operands, (const int64_t(*)[VIEW_MAX_DIMS])stride, perm);
    take_dims(it, ndim, size, operands, (const int64_t(*)[VIEW_MAX_DIMS])stride, perm);
}

void iter_plan_in_order(Iter *it, int ndim, const int64_t *size, int operands, const View *const *views)
{
    int64_t stride[ITER_MAX_OPERANDS][VIEW_MAX_DIMS];
    int perm[VIEW_MAX_DIMS];
    for (int k = 0; k < operands; k++)
        broadcast_strides(views[k], ndim, size, stride[k]);
    for (int i = 0; i < ndim; i++)
        perm[i] = ndim - 1 - i;
    take_dims(it, ndim, size, operands, (const int64_t(*)[VIEW_MAX_DIMS])stride, perm);
}

void iter_run(const Iter *it, char *const *data, IterRow row, void *ctx)
{
    if (it->numel == 0)
        return;
    char *at[ITER_MAX_OPERANDS], *row_data[ITER_MAX_OPERANDS];
    int64_t index[VIEW_MAX_DIMS] = {0};
    size_t pointers = sizeof at[0] * (size_t)it->operands;
    memcpy(at, data, pointers);
    for (;;) {
        memcpy(row_data, at, pointers);
        row(ctx, row_data, it->stride[0], it->size[0]);
        int d = 1;
        for (; d < it->ndim; d++) {
            for (int k = 0; k < it->operands; k++)
                at[k] += it->stride[d][k];
            if (++index[d] < it->size[d])
                break;
            for (int k = 0; k < it->operands; k++)
                at[k] -= it->stride[d][k] * it->size[d];
            index[d] = 0;
        }
        if (d == it->ndim)
            return;
    }
}
