// Grid sampling: what its variants share.
#ifndef TSB_KERNELS_CPU_GRID_H
#define TSB_KERNELS_CPU_GRID_H

#include "kernels/ops.h"

#include <math.h>

// Checks the operands with PyTorch's messages; size: of the result.
Status grid_sample_shape(const GridSampleParams *p, const View *in, int64_t size[VIEW_MAX_DIMS]);

static inline double grid_reflect(double x, double low, double high) // bounds are twice the coordinates
{
    if (low == high)
        return 0;
    double least = low / 2, span = (high - low) / 2;
    x = fabs(x - least);
    double extra = fmod(x, span);
    return fmod(floor(x / span), 2) == 0 ? extra + least : span - extra + least;
}

// A position along a dimension of n elements, after padding.
static inline double grid_padded(const GridSampleParams *p, double x, int64_t n)
{
    if (p->padding == 0)
        return x;
    if (p->padding == 2)
        x = p->align_corners ? grid_reflect(x, 0, 2 * (double)(n - 1)) : grid_reflect(x, -1, 2 * (double)n - 1);
    return x < 0 ? 0 : x > (double)(n - 1) ? (double)(n - 1) : x == x ? x : 0;
}

// Which element is nearest is decided in the precision that PyTorch computes in.
static inline double grid_nearest(const GridSampleParams *p, double v, int64_t n, DType t)
{
    if (t == DT_F64)
        return nearbyint(grid_padded(p, p->align_corners ? (v + 1) * ((double)(n - 1) / 2) : (v + 1) * ((double)n / 2) - 0.5, n));
    float f = (float)v + 1, size = (float)n;
    f = p->align_corners ? f * ((size - 1) / 2) : f * (size / 2) - 0.5f;
    return nearbyint((double)(float)grid_padded(p, (double)f, n));
}

// The four weights of cubic interpolation, `t` beyond the second element.
static inline void grid_cubic(double t, double w[4])
{
    const double a = -0.75;
    for (int i = 0; i < 4; i++) {
        double d = fabs(t + 1 - i);
        w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

#endif
