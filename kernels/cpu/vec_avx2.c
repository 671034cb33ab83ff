// Vectorised loops for AVX2 with FMA and F16C. Built with those instruction sets enabled (CMakeLists.txt), and called
// only where vec_table() finds them. The deterministic SLEEF functions: the same bits with AVX-512.
#if defined(__x86_64__)
#include "kernels/cpu/vec.h"
#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <sleef.h>

#define VEC_BYTES 32
#define VEC_NAME(name) name##_avx2
#define SLEEF_F32(name, accuracy) Sleef_finz_##name##f8_##accuracy##avx2
#define SLEEF_F64(name, accuracy) Sleef_finz_##name##d4_##accuracy##avx2

#include "kernels/cpu/vec_both.h"
#else
typedef int vec_avx2_is_for_x86_64;
#endif
