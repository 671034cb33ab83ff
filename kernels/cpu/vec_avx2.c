// Vectorised loops for AVX2 with FMA and F16C. Built with those instruction sets enabled (CMakeLists.txt), and called
// only where vec_table() finds them. The deterministic SLEEF functions: the same bits with AVX-512.
#if defined(__x86_64__)
#include "kernels/cpu/vec.h"
#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <immintrin.h>
#include <sleef.h>

#define VEC_BYTES 32
#define VEC_NAME(name) name##_avx2
#define SLEEF_F32(name, accuracy) Sleef_finz_##name##f8_##accuracy##avx2
#define SLEEF_F64(name, accuracy) Sleef_finz_##name##d4_##accuracy##avx2

#define VEC_FMA_F32(a, b, c) ((f32_vector_avx2)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define VEC_FMA_F64(a, b, c) ((f64_vector_avx2)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define VEC_WIDEN(x) ((f64_vector_avx2)_mm256_cvtps_pd((__m128)(x)))

#include "kernels/cpu/vec_both.h"
#else
typedef int vec_avx2_is_for_x86_64;
#endif
