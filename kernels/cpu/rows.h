// Sums and maxima of rows of floats, in 16 fixed lanes: every instruction set works in the same order and gives the
// same bits.
#ifndef TSB_KERNELS_CPU_ROWS_H
#define TSB_KERNELS_CPU_ROWS_H

#include "kernels/isa.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// Vectors of 32 bytes: compilers split wider ones for AVX2 by way of memory.
enum { LANES = 16 };
typedef float Eight __attribute__((vector_size(8 * sizeof(float)), aligned(4), may_alias));
typedef int32_t EightBits __attribute__((vector_size(8 * sizeof(float)), aligned(4), may_alias));
typedef struct Lanes {
    Eight low, high;
} Lanes;
ISA_INLINE Lanes lanes_of(const float *x)
{
    return (Lanes){*(const Eight *)x, *(const Eight *)(x + 8)};
}

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
        Lanes v = lanes_of(x + i), w = lanes_of(x + i + LANES);
        acc.low += v.low;
        acc.high += v.high;
        other.low += w.low;
        other.high += w.high;
    }
    acc.low += other.low;
    acc.high += other.high;
    for (; i + LANES <= n; i += LANES) {
        Lanes v = lanes_of(x + i);
        acc.low += v.low;
        acc.high += v.high;
    }
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
        Lanes v = lanes_of(x + i);
        Eight low = v.low - mean, high = v.high - mean;
        acc.low += low * low;
        acc.high += high * high;
    }
    float lanes[LANES];
    memcpy(lanes, &acc, sizeof lanes);
    double s = lanes_sum(lanes);
    for (; i < n; i++)
        s += (double)(x[i] - mean) * (double)(x[i] - mean);
    return s;
}

// most = the greater of v and most, by element. (Functions that return vectors warn of their calling convention.)
#define TAKE_GREATER(most, v)                                                                                          \
    do {                                                                                                               \
        EightBits greater_ = (v) > (most);                                                                             \
        most = (Eight)(((EightBits)(v)&greater_) | ((EightBits)(most) & ~greater_));                                   \
    } while (0)

ISA_INLINE float row_max(const float *x, int64_t n)
{
    float most = -INFINITY;
    int64_t i = 0;
    if (n >= LANES) {
        Lanes m = lanes_of(x), other = m;
        for (i = LANES; i + 2 * LANES <= n; i += 2 * LANES) {
            Lanes v = lanes_of(x + i), w = lanes_of(x + i + LANES);
            TAKE_GREATER(m.low, v.low);
            TAKE_GREATER(m.high, v.high);
            TAKE_GREATER(other.low, w.low);
            TAKE_GREATER(other.high, w.high);
        }
        for (; i + LANES <= n; i += LANES) {
            Lanes v = lanes_of(x + i);
            TAKE_GREATER(m.low, v.low);
            TAKE_GREATER(m.high, v.high);
        }
        TAKE_GREATER(m.low, other.low);
        TAKE_GREATER(m.high, other.high);
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
