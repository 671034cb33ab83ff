// Weighted sums of elements at computed places: what grid sampling, pooling over regions and deformable convolution share.
#ifndef TSB_KERNELS_CPU_POINTS_H
#define TSB_KERNELS_CPU_POINTS_H

#include <stdbool.h>
#include <stdint.h>

// For each of `count` points, the places in a plane that it is made of. Corner k of point i is number k * count + i.
typedef struct Points {
    int32_t *at;   // offset in elements; -1: outside, counts as 0
    float *weight;
    int64_t count;
    int corners;
} Points;

// y[i] (+)= the weighted sum of the corners of point i in the plane x.
void points_blend(float *y, const float *x, const Points *p, bool add);
// The corners along one dimension multiplied with those along others: corner a * b.corners + c is at a's place plus c's.
// out: room for a.corners * b.corners * count.
void points_multiply(const Points *a, const Points *b, Points *out);
// The two corners along a dimension of `size` elements, `stride` apart, of out->count positions; both are outside where the
// position is.
void points_linear(const double *pos, int32_t size, int32_t stride, Points *out);

#endif
