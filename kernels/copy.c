// The strided copy with dtype conversion. Same bytes in the same order are one memcpy; a transposition of equal dtypes
// goes in square blocks, so that both sides use whole cache lines; everything else runs row by row.
#include "kernels/copy.h"

#include "kernels/convert.h"
#include "kernels/iter.h"

#include <string.h>

enum { BLOCK = 16 }; // elements along each side of a block of a transposition

static void copy_bytes_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    (void)stride;
    memcpy(data[0], data[1], (size_t)n * *(const size_t *)ctx);
}

static void convert_iter_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    convert_row(ctx, data[0], stride[0], data[1], stride[1], n);
}

// One plane: dst rows are contiguous along i, src rows along j.
typedef struct Plane {
    int64_t ni, nj, dst_j, src_i; // strides in bytes
    size_t element;
} Plane;

#define TRANSPOSE(name, T)                                                                                             \
    static void name(const Plane *p, char *dst, const char *src)                                                       \
    {                                                                                                                  \
        for (int64_t j0 = 0; j0 < p->nj; j0 += BLOCK)                                                                  \
            for (int64_t i0 = 0; i0 < p->ni; i0 += BLOCK) {                                                            \
                int64_t j1 = j0 + BLOCK < p->nj ? j0 + BLOCK : p->nj, i1 = i0 + BLOCK < p->ni ? i0 + BLOCK : p->ni;    \
                for (int64_t j = j0; j < j1; j++) {                                                                    \
                    T *out = (T *)(dst + j * p->dst_j);                                                                \
                    for (int64_t i = i0; i < i1; i++)                                                                  \
                        out[i] = ((const T *)(src + i * p->src_i))[j];                                                 \
                }                                                                                                      \
            }                                                                                                          \
    }
TRANSPOSE(transpose_1, uint8_t)
TRANSPOSE(transpose_2, uint16_t)
TRANSPOSE(transpose_4, uint32_t)
TRANSPOSE(transpose_8, uint64_t)

static void transpose_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    (void)stride;
    (void)n;
    const Plane *p = ctx;
    switch (p->element) {
    case 1: transpose_1(p, data[0], data[1]); break;
    case 2: transpose_2(p, data[0], data[1]); break;
    case 4: transpose_4(p, data[0], data[1]); break;
    default: transpose_8(p, data[0], data[1]);
    }
}

// Takes the plane out of the loop when the copy is a transposition worth blocking.
static bool plan_transpose(Iter *it, size_t element, Plane *p)
{
    if (element > 8 || it->ndim < 2 || it->stride[0][0] != (int64_t)element || it->size[0] < 4)
        return false;
    for (int d = 1; d < it->ndim; d++) {
        if (it->stride[d][1] != (int64_t)element || it->size[d] < 4)
            continue;
        *p = (Plane){it->size[0], it->size[d], it->stride[d][0], it->stride[0][1], element};
        it->size[0] = 1;
        it->size[d] = 1;
        return true;
    }
    return false;
}

static bool fits(const View *dst, const View *src)
{
    if (src->ndim > dst->ndim)
        return false;
    for (int i = 1; i <= src->ndim; i++)
        if (src->size[src->ndim - i] != dst->size[dst->ndim - i] && src->size[src->ndim - i] != 1)
            return false;
    return true;
}

// The two innermost dimensions, when rows are too short to be worth a call each.
typedef struct ShortRows {
    int64_t n, rows, near[2], far[2]; // elements of a row, rows; strides in bytes: dst, src
    size_t element;
} ShortRows;

#define SHORT_ROWS(name, T)                                                                                            \
    static void name(const ShortRows *p, char *dst, const char *src)                                                   \
    {                                                                                                                  \
        for (int64_t r = 0; p->n == 1 && r < p->rows; r++)                                                             \
            memcpy(dst + r * p->far[0], src + r * p->far[1], sizeof(T));                                               \
        for (int64_t r = 0; p->n != 1 && r < p->rows; r++, dst += p->far[0], src += p->far[1])                         \
            for (int64_t i = 0; i < p->n; i++)                                                                         \
                memcpy(dst + i * p->near[0], src + i * p->near[1], sizeof(T));                                         \
    }
SHORT_ROWS(short_rows_1, uint8_t)
SHORT_ROWS(short_rows_2, uint16_t)
SHORT_ROWS(short_rows_4, uint32_t)
SHORT_ROWS(short_rows_8, uint64_t)

static void short_rows(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    (void)stride;
    (void)n;
    const ShortRows *p = ctx;
    switch (p->element) {
    case 1: short_rows_1(p, data[0], data[1]); break;
    case 2: short_rows_2(p, data[0], data[1]); break;
    case 4: short_rows_4(p, data[0], data[1]); break;
    default: short_rows_8(p, data[0], data[1]);
    }
}

static bool plan_short_rows(Iter *it, size_t element, ShortRows *p)
{
    if (element > 8 || it->ndim < 2 || it->size[0] >= 64)
        return false;
    *p = (ShortRows){it->size[0], it->size[1], {it->stride[0][0], it->stride[0][1]}, {it->stride[1][0], it->stride[1][1]}, element};
    it->size[0] = it->size[1] = 1;
    size_t bytes = (size_t)p->n * element;
    if (p->near[0] == (int64_t)element && p->near[1] == (int64_t)element && (bytes == 2 || bytes == 4 || bytes == 8)) { // as one element
        p->n = 1;
        p->element = bytes;
    }
    return true;
}

// Rows of a few elements next to a longer dimension: along that one instead, as the order makes no difference.
static void lengthen_rows(Iter *it)
{
    if (it->ndim < 2 || it->size[0] >= 8 || it->size[1] <= it->size[0])
        return;
    int64_t size = it->size[0], stride[ITER_MAX_OPERANDS];
    memcpy(stride, it->stride[0], sizeof stride);
    memcpy(it->stride[0], it->stride[1], sizeof stride);
    memcpy(it->stride[1], stride, sizeof stride);
    it->size[0] = it->size[1];
    it->size[1] = size;
}

Status copy_convert(const View *dst, const View *src)
{
    if (dst->layout != LAYOUT_STRIDED || src->layout != LAYOUT_STRIDED)
        return status_fail(ST_INTERNAL, "copy_convert: operands must be strided");
    if (!fits(dst, src))
        return status_fail(ST_INTERNAL, "copy_convert: the shapes do not broadcast");
    Converter c;
    if (!converter_find((DType)src->dtype, (DType)dst->dtype, &c))
        return status_fail(ST_INTERNAL, "copy_convert: no conversion from dtype %d to %d", src->dtype, dst->dtype);
    Iter it;
    const View *views[2] = {dst, src};
    iter_plan(&it, dst->ndim, dst->size, 2, views);
    char *data[2] = {dst->data, src->data};
    bool same = src->dtype == dst->dtype;
    size_t element = c.dst_size;
    Plane plane;
    ShortRows rows;
    bool beside = same && it.stride[0][0] == (int64_t)element && it.stride[0][1] == (int64_t)element;
    if (beside && (it.size[0] * (int64_t)element >= 64 || it.ndim < 2)) {
        iter_run(&it, data, copy_bytes_row, &element);
    } else if (same && !beside && plan_transpose(&it, element, &plane)) {
        iter_run(&it, data, transpose_row, &plane);
    } else if (same && plan_short_rows(&it, element, &rows)) {
        if (it.numel)
            iter_run(&it, data, short_rows, &rows);
    } else if (beside) {
        iter_run(&it, data, copy_bytes_row, &element);
    } else {
        lengthen_rows(&it);
        iter_run(&it, data, convert_iter_row, &c);
    }
    return ST_OK;
}
