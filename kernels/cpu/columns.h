// Columns of windows: an image [channels, D, H, W] as the matrix [channels * taps, windows] of what its windows see.
#ifndef TSB_KERNELS_CPU_COLUMNS_H
#define TSB_KERNELS_CPU_COLUMNS_H

#include "kernels/ops.h"

// Missing spatial dimensions come first and are 1.
typedef struct Columns {
    DType type;
    size_t element;
    int64_t image[SPATIAL_MAX], windows[SPATIAL_MAX]; // elements; how many windows in each direction
    int64_t window[SPATIAL_MAX], stride[SPATIAL_MAX], dilation[SPATIAL_MAX], padding[SPATIAL_MAX];
    int64_t taps; // elements of a window
} Columns;

// Rows of windows `row` … row + rows - 1 (in D and H); `to` is [channels * taps, rows * windows[2]], zero outside the image.
void columns_fill(const Columns *s, int64_t channels, const char *image, int64_t row, int64_t rows, char *to);
// The way back: adds them to the image. float32, float64 and complex.
void columns_add(const Columns *s, int64_t channels, const char *from, int64_t row, int64_t rows, char *image);

#endif
