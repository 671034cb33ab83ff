// Vectorised loops for AVX-512 (F, DQ). Built with those instruction sets enabled (CMakeLists.txt), and called only where
// vec_table() finds them.
#if defined(__x86_64__)
#include "kernels/cpu/vec.h"
#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <immintrin.h>
#include <sleef.h>

#define VEC_BYTES 64
#define VEC_NAME(name) name##_avx512
#define SLEEF_F32(name, accuracy) Sleef_finz_##name##f16_##accuracy##avx512f
#define SLEEF_F64(name, accuracy) Sleef_finz_##name##d8_##accuracy##avx512f

#define VEC_FMA_F32(a, b, c) ((f32_vector_avx512)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define VEC_FMA_F64(a, b, c) ((f64_vector_avx512)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define VEC_WIDEN(x) ((f64_vector_avx512)_mm512_cvtps_pd((__m256)(x)))

#include "kernels/cpu/vec_both.h"
#else
typedef int vec_avx512_is_for_x86_64;
#endif
