// Columns of windows: reading an image as the matrix whose columns are its windows, and adding such a matrix up into an
// image. Shared by convolution (gemm_conv.c) and by im2col and col2im.
#include "kernels/cpu/columns.h"

#include <string.h>

// The o for which o * stride + offset lies in 0 … limit - 1: first … last - 1, within `count`.
static void inside(int64_t offset, int64_t stride, int64_t limit, int64_t count, int64_t *first, int64_t *last)
{
    *first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *last = offset >= limit ? 0 : (limit - 1 - offset) / stride + 1;
    *last = *last > count ? count : *last;
    *first = *first > *last ? *last : *first;
}

#define COPY_STRIDED(T)                                                                                                \
    static void copy_strided_##T(void *to, const void *from, int64_t step, int64_t n)                                   \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            ((T *)to)[i] = ((const T *)from)[i * step];                                                                \
    }
typedef struct Wide { double part[2]; } Wide;
COPY_STRIDED(uint8_t)
COPY_STRIDED(uint16_t)
COPY_STRIDED(float)
COPY_STRIDED(double)
COPY_STRIDED(Wide)

static void copy_row(const Columns *s, char *to, const char *from, int64_t step, int64_t n)
{
    if (step == 1)
        memcpy(to, from, (size_t)n * s->element);
    else if (s->element == 1)
        copy_strided_uint8_t(to, from, step, n);
    else if (s->element == 2)
        copy_strided_uint16_t(to, from, step, n);
    else if (s->element == sizeof(float))
        copy_strided_float(to, from, step, n);
    else if (s->element == sizeof(double))
        copy_strided_double(to, from, step, n);
    else
        copy_strided_Wide(to, from, step, n);
}

void columns_fill(const Columns *s, int64_t channels, const char *x, int64_t row, int64_t rows, char *to)
{
    int64_t width = s->windows[2];
    for (int64_t r = 0; r < channels * s->taps; r++) {
        int64_t c = r / s->taps, k[SPATIAL_MAX] = {r / (s->window[1] * s->window[2]) % s->window[0], r / s->window[2] % s->window[1], r % s->window[2]};
        int64_t offset = k[2] * s->dilation[2] - s->padding[2], first, last;
        inside(offset, s->stride[2], s->image[2], width, &first, &last);
        for (int64_t o = row; o < row + rows; o++, to += (size_t)width * s->element) {
            int64_t d = o / s->windows[1] * s->stride[0] - s->padding[0] + k[0] * s->dilation[0];
            int64_t h = o % s->windows[1] * s->stride[1] - s->padding[1] + k[1] * s->dilation[1];
            if (d < 0 || d >= s->image[0] || h < 0 || h >= s->image[1] || first == last) {
                memset(to, 0, (size_t)width * s->element);
                continue;
            }
            const char *from = x + (((c * s->image[0] + d) * s->image[1] + h) * s->image[2] + first * s->stride[2] + offset) * (int64_t)s->element;
            memset(to, 0, (size_t)first * s->element);
            copy_row(s, to + (size_t)first * s->element, from, s->stride[2], last - first);
            memset(to + (size_t)last * s->element, 0, (size_t)(width - last) * s->element);
        }
    }
}

// to[i * step * parts …] += from[i * parts …]: a complex number is two parts.
#define ADD_STRIDED(T)                                                                                                 \
    static void add_strided_##T(T *to, const T *from, int64_t step, int64_t n, int parts)                               \
    {                                                                                                                  \
        if (step == 1)                                                                                                 \
            for (int64_t i = 0; i < n * parts; i++)                                                                    \
                to[i] += from[i];                                                                                      \
        else if (parts == 1)                                                                                           \
            for (int64_t i = 0; i < n; i++)                                                                            \
                to[i * step] += from[i];                                                                               \
        else                                                                                                           \
            for (int64_t i = 0; i < 2 * n; i++)                                                                        \
                to[i / 2 * 2 * step + i % 2] += from[i];                                                               \
    }
ADD_STRIDED(float)
ADD_STRIDED(double)

void columns_add(const Columns *s, int64_t channels, const char *from, int64_t row, int64_t rows, char *y)
{
    int64_t width = s->windows[2];
    bool wide = s->type == DT_F64 || s->type == DT_C128;
    int parts = s->type == DT_C64 || s->type == DT_C128 ? 2 : 1;
    for (int64_t r = 0; r < channels * s->taps; r++) {
        int64_t c = r / s->taps, k[SPATIAL_MAX] = {r / (s->window[1] * s->window[2]) % s->window[0], r / s->window[2] % s->window[1], r % s->window[2]};
        int64_t offset = k[2] * s->dilation[2] - s->padding[2], first, last;
        inside(offset, s->stride[2], s->image[2], width, &first, &last);
        for (int64_t i = row; i < row + rows; i++, from += (size_t)width * s->element) {
            int64_t d = i / s->windows[1] * s->stride[0] - s->padding[0] + k[0] * s->dilation[0];
            int64_t h = i % s->windows[1] * s->stride[1] - s->padding[1] + k[1] * s->dilation[1];
            if (d < 0 || d >= s->image[0] || h < 0 || h >= s->image[1] || first == last)
                continue;
            char *to = y + (((c * s->image[0] + d) * s->image[1] + h) * s->image[2] + first * s->stride[2] + offset) * (int64_t)s->element;
            const char *source = from + (size_t)first * s->element;
            if (wide)
                add_strided_double((double *)to, (const double *)source, s->stride[2], last - first, parts);
            else
                add_strided_float((float *)to, (const float *)source, s->stride[2], last - first, parts);
        }
    }
}

