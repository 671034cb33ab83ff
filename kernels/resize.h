// Resizing is separable: along each dimension an output position is a weighted sum of a few input positions.
#ifndef TSB_KERNELS_RESIZE_H
#define TSB_KERNELS_RESIZE_H

#include "kernels/ops.h"

// The taps of one dimension: output i reads from[i * width … + count[i]] with these weights.
typedef struct Taps {
    int64_t out, width; // width: the most taps of any output
    int32_t *count;     // [out]
    int32_t *from;      // [out * width], input positions
    double *weight;     // [out * width]
} Taps;

// Coordinates are computed in double for float64 and in float otherwise, as PyTorch does. Free with taps_free.
Status taps_new(const ResizeParams *p, int dim, int64_t in, DType t, Taps *out);
void taps_free(Taps *t);
// Shape of the result, with PyTorch's messages.
Status resize_shape(const ResizeParams *p, const View *in, int64_t size[VIEW_MAX_DIMS]);

#endif
