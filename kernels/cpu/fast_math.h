// exp, tanh, sigmoid and erf in float32 as straight-line C that compilers vectorise: no calls, no branches, no contraction,
// so that every instruction set gives the same bits. Errors: about 2 units in the last place. Polynomials: least squares at
// Chebyshev nodes of the interval they are used in.
#ifndef TSB_KERNELS_CPU_FAST_MATH_H
#define TSB_KERNELS_CPU_FAST_MATH_H

#include "kernels/isa.h"

#include <stdint.h>
#include <string.h>

ISA_INLINE float fast_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

// exp(x) = 2^n * exp(r), |r| <= ln2/2; n by adding and subtracting 1.5 * 2^23, ln2 in two pieces.
ISA_INLINE float fast_exp(float x)
{
    float c = x > 88.72283935546875f ? 88.72283935546875f : x;
    c = c < -104.0f ? -104.0f : c;
    c = x != x ? 0.0f : c;
    float n = (c * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
    float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 0.000199016227f;
    p = p * r + 0.00139354542f;
    p = p * r + 0.00833329558f;
    p = p * r + 0.0416664481f;
    p = p * r + 0.166666672f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    // Two factors, so that results below the normal range come out rounded instead of zero.
    int32_t i = (int32_t)n, half = i >> 1;
    float y = p * fast_bits((uint32_t)(half + 127) << 23) * fast_bits((uint32_t)(i - half + 127) << 23);
    y = x > 88.72283935546875f ? fast_bits(0x7f800000u) : y;
    return x != x ? x : y;
}

ISA_INLINE float fast_sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

// Near zero an odd polynomial, elsewhere 1 - 2/(exp(2|x|) + 1).
ISA_INLINE float fast_tanh(float x)
{
    float a = x < 0 ? -x : x, s = x * x;
    float p = -0.00605369871f;
    p = p * s + 0.0209681876f;
    p = p * s - 0.0538449883f;
    p = p * s + 0.133327335f;
    p = p * s - 0.333333284f;
    p = p * s * x + x;
    float big = 1.0f - 2.0f / (fast_exp(a > 10.0f ? 20.0f : 2.0f * a) + 1.0f);
    big = x < 0 ? -big : big;
    float y = a < 0.625f ? p : big;
    return x != x ? x : y;
}

// Below 1 the Maclaurin series to x^21; above, 1 - exp(-x^2) * P(1/(1 + x/2)), and 1 from 4 on.
ISA_INLINE float fast_erf(float x)
{
    float a = x < 0 ? -x : x;
    a = a > 4.0f ? 4.0f : a;
    float s = a * a;
    float p = 1.48071928e-08f;
    p = p * s - 1.63658447e-07f;
    p = p * s + 1.64621144e-06f;
    p = p * s - 1.49256504e-05f;
    p = p * s + 0.00012055333f;
    p = p * s - 0.000854832702f;
    p = p * s + 0.00522397763f;
    p = p * s - 0.0268661706f;
    p = p * s + 0.112837917f;
    p = p * s - 0.376126389f;
    p = p * s + 1.12837917f;
    p = p * x;
    float t = 1.0f / (1.0f + 0.5f * a);
    float q = 0.119415335f;
    q = q * t - 0.471406788f;
    q = q * t + 0.563528597f;
    q = q * t - 0.103777051f;
    q = q * t + 0.347855628f;
    q = q * t + 0.259681821f;
    q = q * t + 0.284911722f;
    q = q * t - 0.000153996822f;
    float big = 1.0f - fast_exp(-s) * q;
    big = x < 0 ? -big : big;
    float y = a < 1.0f ? p : big;
    return x != x ? x : y;
}

#endif
