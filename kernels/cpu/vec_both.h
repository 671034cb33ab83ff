// Body of a vec_*.c: the loops for float and for double, and the table. Needs VEC_BYTES, VEC_NAME, SLEEF_F32,
// SLEEF_F64, VEC_FMA_F32 and VEC_FMA_F64 (a b + c, in one rounding where the instruction set has that), and VEC_WIDEN.

#define T float
#define IS_FLOAT 1
#define INT int32_t
#define UINT uint32_t
#define FN(name) VEC_NAME(f32_##name)
#define SL(name, accuracy) SLEEF_F32(name, accuracy)
#define FMA VEC_FMA_F32
#include "kernels/cpu/vec_real.h"
#undef T
#undef IS_FLOAT
#undef INT
#undef UINT
#undef FN
#undef SL
#undef FMA

#define T double
#define IS_FLOAT 0
#define INT int64_t
#define UINT uint64_t
#define FN(name) VEC_NAME(f64_##name)
#define SL(name, accuracy) SLEEF_F64(name, accuracy)
#define FMA VEC_FMA_F64
#include "kernels/cpu/vec_real.h"

#include "kernels/cpu/vec_wide.h"
#include "kernels/cpu/vec_bessel.h"
#include "kernels/cpu/vec_complex.h"

static void f32_to_f16(uint16_t *dst, const float *src, int64_t n)
{
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(dst + i), _mm512_cvtps_ph(_mm512_loadu_ps(src + i), 0));
#endif
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(dst + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), 0));
#endif
    for (; i < n; i++)
        dst[i] = f16_from_float(src[i]);
}

static void f16_to_f32(float *dst, const uint16_t *src, int64_t n)
{
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(dst + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(src + i))));
#endif
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src + i))));
#endif
    for (; i < n; i++)
        dst[i] = f16_to_float(src[i]);
}

// Round to nearest, ties to even; NaN is 0x7fc0.
static void f32_to_bf16(uint16_t *restrict dst, const float *restrict src, int64_t n)
{
    int64_t i = 0;
#if defined(__AVX512F__)
    const __m512i half = _mm512_set1_epi32(0x7fff), one = _mm512_set1_epi32(1), nan = _mm512_set1_epi32(0x7fc0);
    for (; i + 16 <= n; i += 16) {
        __m512 x = _mm512_loadu_ps(src + i);
        __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
        __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, half), odd), 16);
        rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), nan);
        _mm256_storeu_si256((__m256i *)(dst + i), _mm512_cvtepi32_epi16(rounded));
    }
#endif
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, src + i, sizeof bits);
        uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        dst[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
    }
}

static void bf16_to_f32(float *restrict dst, const uint16_t *restrict src, int64_t n)
{
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_si512(dst + i, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(src + i))), 16));
#endif
    for (; i < n; i++) {
        uint32_t bits = (uint32_t)src[i] << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

// As through int64, and to int64: through int32, for which there are vector instructions everywhere, where it holds the
// numbers of a block. To uint8, numbers beyond int64 are 0, the others keep their low 8 bits.
#define FROM_F32(name, DST)                                                                                            \
    static void name(DST *restrict dst, const float *restrict src, int64_t n)                                          \
    {                                                                                                                  \
        enum { BLOCK = 64 };                                                                                           \
        for (int64_t at = 0; at < n; at += BLOCK) {                                                                    \
            int64_t m = n - at < BLOCK ? n - at : BLOCK;                                                               \
            int32_t outside = 0;                                                                                       \
            for (int64_t i = 0; i < m; i++)                                                                            \
                outside |= !((src[at + i] > -2147483648.0f) & (src[at + i] < 2147483648.0f));                          \
            if (!outside) {                                                                                            \
                for (int64_t i = 0; i < m; i++)                                                                        \
                    dst[at + i] = (DST)(int32_t)src[at + i];                                                           \
                continue;                                                                                              \
            }                                                                                                          \
            for (int64_t i = 0; i < m; i++)                                                                            \
                dst[at + i] = (DST)int64_from_double((double)src[at + i]);                                             \
        }                                                                                                              \
    }
FROM_F32(f32_to_u8, uint8_t)
FROM_F32(f32_to_i64, int64_t)

#define ROW(op, name) [PW_##op] = VEC_NAME(f32_##name),
#define ROW64(op, name) [PW_##op] = VEC_NAME(f64_##name),
const VecTable VEC_NAME(vec_table) = {
    .f32 = {VEC_LOOPS(ROW) VEC_WIDE_LOOPS(ROW)},
    .f64 = {VEC_LOOPS(ROW64)},
    .c64_abs = VEC_NAME(c64_abs),
    .c64_div = VEC_NAME(c64_div),
    .f32_max = VEC_NAME(f32_max),
    .f32_min = VEC_NAME(f32_min),
    .f64_max = VEC_NAME(f64_max),
    .f64_min = VEC_NAME(f64_min),
    .f32_max_columns = VEC_NAME(f32_max_columns),
    .f32_min_columns = VEC_NAME(f32_min_columns),
    .f64_max_columns = VEC_NAME(f64_max_columns),
    .f64_min_columns = VEC_NAME(f64_min_columns),
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
    .f32_to_u8 = f32_to_u8,
    .f32_to_i64 = f32_to_i64,
};
