// Body of a vec_*.c: the loops for float and for double, and the table. Needs VEC_BYTES, VEC_NAME, SLEEF_F32, SLEEF_F64.

#define T float
#define INT int32_t
#define FN(name) VEC_NAME(f32_##name)
#define SL(name, accuracy) SLEEF_F32(name, accuracy)
#include "kernels/cpu/vec_real.h"
#undef T
#undef INT
#undef FN
#undef SL

#define T double
#define INT int64_t
#define FN(name) VEC_NAME(f64_##name)
#define SL(name, accuracy) SLEEF_F64(name, accuracy)
#include "kernels/cpu/vec_real.h"

static void f32_to_f16(uint16_t *dst, const float *src, int64_t n)
{
    int64_t i = 0;
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
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src + i))));
#endif
    for (; i < n; i++)
        dst[i] = f16_to_float(src[i]);
}

#define ROW(op, name) [PW_##op] = VEC_NAME(f32_##name),
#define ROW64(op, name) [PW_##op] = VEC_NAME(f64_##name),
const VecTable VEC_NAME(vec_table) = {
    .f32 = {VEC_LOOPS(ROW)},
    .f64 = {VEC_LOOPS(ROW64)},
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
};
