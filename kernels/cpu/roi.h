// Pooling over regions of interest: what its variants share.
#ifndef TSB_KERNELS_CPU_ROI_H
#define TSB_KERNELS_CPU_ROI_H

#include "kernels/ops.h"

typedef struct Region {
    int64_t image;
    double y, x, bin_h, bin_w; // top left corner, size of a bin
    int64_t grid_h, grid_w;    // points per bin
} Region;

// Checks the operands with torchvision's messages; gives k its state (the parameters) and its outputs.
Status roi_prepare(Kernel *k, const RoiParams *p, const View *in);
// Of row r of `rois`. ST_RAISED when it is not finite or of no image.
Status roi_region(const RoiParams *p, const View *x, const View *rois, int64_t r, Region *out);
// Where point i of bin b lies along a dimension, rounded as tensors of dtype t are.
double roi_point(double start, double bin, int64_t b, int64_t i, int64_t grid, DType t);

// A position along a dimension of n elements: further than one pixel outside is nothing (false).
static inline bool roi_taps(double at, int64_t n, int64_t *low, int64_t *high, double *beyond)
{
    if (!(at >= -1 && at <= (double)n) || n == 0)
        return false;
    at = at < 0 ? 0 : at;
    *low = (int64_t)at;
    *high = *low + 1;
    if (*low >= n - 1) {
        *low = *high = n - 1;
        at = (double)*low;
    }
    *beyond = at - (double)*low;
    return true;
}

#endif
