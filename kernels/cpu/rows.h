// Sums and maxima of rows of floats, in 16 fixed lanes: every instruction set works in the same order and gives the same bits.
#ifndef TSB_KERNELS_CPU_ROWS_H
#define TSB_KERNELS_CPU_ROWS_H

#include "kernels/isa.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16 };
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t Mask __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

// Halves at a time: short chains, and the same order everywhere.
ISA_INLINE double lanes_sum(const float *lanes)
{
    double s[LANES / 2];
    for (int j = 0; j < LANES / 2; j++)
        s[j] = (double)lanes[j] + (double)lanes[j + LANES / 2];
    for (int half = LANES / 4; half; half /= 2)
        for (int j = 0; j < half; j++)
            s[j] += s[j + half];
    return s[0];
}

ISA_INLINE double row_sum(const float *x, int64_t n)
{
    Lanes acc = {0}, other = {0};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        acc += *(const Lanes *)(x + i);
        other += *(const Lanes *)(x + i + LANES);
    }
    acc += other;
    for (; i + LANES <= n; i += LANES)
        acc += *(const Lanes *)(x + i);
    float lanes[LANES];
    memcpy(lanes, &acc, sizeof lanes);
    double s = lanes_sum(lanes);
    for (; i < n; i++)
        s += (double)x[i];
    return s;
}

ISA_INLINE double row_sum_squares(const float *x, int64_t n, float mean)
{
    Lanes acc = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        Lanes d = *(const Lanes *)(x + i) - mean;
        acc += d * d;
    }
    float lanes[LANES];
    memcpy(lanes, &acc, sizeof lanes);
    double s = lanes_sum(lanes);
    for (; i < n; i++)
        s += (double)(x[i] - mean) * (double)(x[i] - mean);
    return s;
}

ISA_INLINE float row_max(const float *x, int64_t n)
{
    float most = -INFINITY;
    int64_t i = 0;
    if (n >= LANES) {
        Lanes m = *(const Lanes *)x;
        for (i = LANES; i + LANES <= n; i += LANES) {
            Lanes v = *(const Lanes *)(x + i);
            Mask greater = v > m;
            m = (Lanes)(((Mask)v & greater) | ((Mask)m & ~greater));
        }
        float lanes[LANES];
        memcpy(lanes, &m, sizeof lanes);
        for (int half = LANES / 2; half; half /= 2)
            for (int j = 0; j < half; j++)
                lanes[j] = lanes[j + half] > lanes[j] ? lanes[j + half] : lanes[j];
        most = lanes[0];
    }
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

#endif
