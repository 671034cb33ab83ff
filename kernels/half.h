// Half and bfloat16 as bit patterns: conversions to and from float, round to nearest even, for any compiler and CPU.
#ifndef TSB_KERNELS_HALF_H
#define TSB_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline float float_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float bf16_to_float(uint16_t h) { return float_from_bits((uint32_t)h << 16); }
static inline uint16_t bf16_from_float(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return 0x7fc0;
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

static inline float f16_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu;
    if (magnitude >= 0x7c00u) // infinity and NaN
        return float_from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude >= 0x400u) // normal: rebias the exponent by 127 - 15
        return float_from_bits(sign | ((magnitude << 13) + (112u << 23)));
    // Subnormal: magnitude * 2^-24, exact in float.
    float f = (float)magnitude * 0x1p-24f;
    return sign ? -f : f;
}
static inline uint16_t f16_from_float(float f)
{
    uint32_t u = float_bits(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) // 65520 and above round to infinity
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { // below 2^-14: adding 0.5 puts the 2^-24 units in the low bits, rounded by the FPU
        float shifted = float_from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (float_bits(shifted) - 0x3f000000u));
    }
    uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - (112u << 23)) >> 13));
}
// f, or the greatest (least) finite float16 beyond it; NaN stays.
static inline float f16_range(float f) { return f > 65504 ? 65504 : f < -65504 ? -65504 : f; }

#endif
