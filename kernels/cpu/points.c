// The inner loops over points: gathers that compilers vectorise where the machine has them. Sums are taken corner by
// corner, so that every instruction set gives the same bits.
#include "kernels/cpu/points.h"

#include "kernels/isa.h"

#include <math.h>

ISA_INLINE float corner(const float *x, int32_t at, float weight) { return at < 0 ? 0 : weight * x[at]; }

ISA_INLINE void blend_one_body(float *y, const float *x, const int32_t *at, const float *w, int64_t n, bool add)
{
    if (add)
        for (int64_t i = 0; i < n; i++)
            y[i] += corner(x, at[i], w[i]);
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = corner(x, at[i], w[i]);
}
ISA_VARIANTS(blend_one, (float *y, const float *x, const int32_t *at, const float *w, int64_t n, bool add), (y, x, at, w, n, add))

ISA_INLINE void blend_four_body(float *restrict y, const float *x, const int32_t *at, const float *w, int64_t n, bool add)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = corner(x, at[i], w[i]) + corner(x, at[n + i], w[n + i]);
        sum += corner(x, at[2 * n + i], w[2 * n + i]);
        sum += corner(x, at[3 * n + i], w[3 * n + i]);
        y[i] = add ? y[i] + sum : sum;
    }
}
ISA_VARIANTS(blend_four, (float *y, const float *x, const int32_t *at, const float *w, int64_t n, bool add), (y, x, at, w, n, add))

void points_blend(float *y, const float *x, const Points *p, bool add)
{
    int k = 0;
    for (; k + 4 <= p->corners; k += 4)
        blend_four(y, x, p->at + k * p->count, p->weight + k * p->count, p->count, add || k);
    for (; k < p->corners; k++)
        blend_one(y, x, p->at + k * p->count, p->weight + k * p->count, p->count, add || k);
}

ISA_INLINE void multiply_body(const int32_t *at, const float *w, const int32_t *other_at, const float *other_w, int32_t *restrict out_at,
                              float *restrict out_w, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        out_at[i] = (at[i] | other_at[i]) < 0 ? -1 : at[i] + other_at[i];
        out_w[i] = w[i] * other_w[i];
    }
}
ISA_VARIANTS(multiply, (const int32_t *at, const float *w, const int32_t *other_at, const float *other_w, int32_t *out_at, float *out_w, int64_t n),
             (at, w, other_at, other_w, out_at, out_w, n))

void points_multiply(const Points *a, const Points *b, Points *out)
{
    int64_t n = a->count;
    out->count = n;
    out->corners = a->corners * b->corners;
    for (int i = 0; i < a->corners; i++)
        for (int j = 0; j < b->corners; j++) {
            int64_t to = (i * b->corners + j) * n;
            multiply(a->at + i * n, a->weight + i * n, b->at + j * n, b->weight + j * n, out->at + to, out->weight + to, n);
        }
}

// Positions far outside, and NaN, are brought near.
ISA_INLINE void linear_taps_body(const double *pos, int64_t n, int32_t size, int32_t stride, int32_t *restrict at, float *restrict w)
{
    for (int64_t i = 0; i < n; i++) {
        double x = pos[i] > -2 ? pos[i] : -2;
        x = x < (double)(size + 1) ? x : (double)(size + 1);
        double low = floor(x);
        int32_t k = (int32_t)low;
        w[i] = (float)(1 - (x - low));
        w[n + i] = (float)(x - low);
        at[i] = k >= 0 && k < size ? k * stride : -1;
        at[n + i] = k >= -1 && k < size - 1 ? (k + 1) * stride : -1;
    }
}
ISA_VARIANTS(linear_taps, (const double *pos, int64_t n, int32_t size, int32_t stride, int32_t *at, float *w), (pos, n, size, stride, at, w))

void points_linear(const double *pos, int32_t size, int32_t stride, Points *out)
{
    out->corners = 2;
    linear_taps(pos, out->count, size, stride, out->at, out->weight);
}
