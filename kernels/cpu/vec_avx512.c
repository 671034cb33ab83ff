// Vectorised loops for AVX-512 (F, DQ). Built with those instruction sets enabled (CMakeLists.txt), and called only where
// vec_table() finds them.
#if defined(__x86_64__)
#include "kernels/cpu/vec.h"
#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <sleef.h>

#define VEC_BYTES 64
#define VEC_NAME(name) name##_avx512
#define SLEEF_F32(name, accuracy) Sleef_finz_##name##f16_##accuracy##avx512f
#define SLEEF_F64(name, accuracy) Sleef_finz_##name##d8_##accuracy##avx512f

#include "kernels/cpu/vec_both.h"
#else
typedef int vec_avx512_is_for_x86_64;
#endif
