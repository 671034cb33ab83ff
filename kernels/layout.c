// Private layouts: how many bytes they take, and the way back to plain memory.
// Channels-last and blocked buffers are transposed a tile of channels at a time, so that both sides stay in cache.
#include "kernels/copy.h"

#include <string.h>

static int64_t block_of(Layout layout) { return layout == LAYOUT_BLOCK8 ? 8 : layout == LAYOUT_BLOCK16 ? 16 : 1; }

size_t layout_bytes(Layout layout, DType dtype, int ndim, const int64_t *size)
{
    int64_t block = block_of(layout), n = 1;
    for (int i = 0; i < ndim; i++)
        n *= i == 1 ? (size[i] + block - 1) / block * block : size[i];
    return (size_t)n * dtype_size(dtype);
}

// dst[c][s] = src[s * step + c] for c < channels, s < spatial.
#define TRANSPOSE(T)                                                                                                   \
    static void transpose_##T(T *dst, const T *src, int64_t channels, int64_t spatial, int64_t step)                   \
    {                                                                                                                  \
        for (int64_t s0 = 0; s0 < spatial; s0 += 16) {                                                                 \
            int64_t s1 = s0 + 16 < spatial ? s0 + 16 : spatial;                                                        \
            for (int64_t c = 0; c < channels; c++)                                                                     \
                for (int64_t s = s0; s < s1; s++)                                                                      \
                    dst[c * spatial + s] = src[s * step + c];                                                          \
        }                                                                                                              \
    }
TRANSPOSE(uint8_t)
TRANSPOSE(uint16_t)
TRANSPOSE(uint32_t)
TRANSPOSE(uint64_t)

static void transpose(size_t width, char *dst, const char *src, int64_t channels, int64_t spatial, int64_t step)
{
    switch (width) {
    case 1: transpose_uint8_t((uint8_t *)dst, (const uint8_t *)src, channels, spatial, step); break;
    case 2: transpose_uint16_t((uint16_t *)dst, (const uint16_t *)src, channels, spatial, step); break;
    case 4: transpose_uint32_t((uint32_t *)dst, (const uint32_t *)src, channels, spatial, step); break;
    default: transpose_uint64_t((uint64_t *)dst, (const uint64_t *)src, channels, spatial, step); break;
    }
}

Status layout_to_plain(const View *dst, const View *src)
{
    if (!view_same_shape(dst, src) || dst->dtype != src->dtype || src->ndim < 3 || !view_is_contiguous(dst))
        return status_fail(ST_INTERNAL, "reorder to plain: shapes or types differ");
    size_t width = dtype_size((DType)src->dtype);
    if (width > 8)
        return status_fail(ST_INTERNAL, "reorder to plain: %s has no private layouts", dtype_python_name((DType)src->dtype));
    int64_t channels = src->size[1], spatial = 1;
    for (int i = 2; i < src->ndim; i++)
        spatial *= src->size[i];
    char *to = dst->data;
    const char *from = src->data;
    int64_t block = src->layout == LAYOUT_CHANNELS_LAST ? channels : block_of((Layout)src->layout);
    if (src->layout == LAYOUT_STRIDED || block == 0 || spatial == 0) {
        if (src->layout == LAYOUT_STRIDED)
            return copy_convert(dst, src);
        return ST_OK;
    }
    for (int64_t n = 0; n < src->size[0]; n++)
        for (int64_t c = 0; c < channels; c += block) {
            int64_t count = channels - c < block ? channels - c : block;
            transpose(width, to, from, count, spatial, block);
            to += (size_t)(count * spatial) * width;
            from += (size_t)(block * spatial) * width;
        }
    return ST_OK;
}
