// Vectorised loops for any machine: SSE2 on x86-64, Advanced SIMD on aarch64.
#include "kernels/cpu/vec.h"
#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <sleef.h>

#define VEC_BYTES 16
#define VEC_NAME(name) name##_base
#if defined(__x86_64__)
#define SLEEF_F32(name, accuracy) Sleef_cinz_##name##f4_##accuracy##sse2
#define SLEEF_F64(name, accuracy) Sleef_cinz_##name##d2_##accuracy##sse2
#else
#define SLEEF_F32(name, accuracy) Sleef_finz_##name##f4_##accuracy##advsimd
#define SLEEF_F64(name, accuracy) Sleef_finz_##name##d2_##accuracy##advsimd
#endif

#define VEC_FMA_F32(a, b, c) ((a) * (b) + (c))
#define VEC_FMA_F64(a, b, c) ((a) * (b) + (c))
#define VEC_WIDEN(x) __builtin_convertvector(x, f64_vector_base)

#include "kernels/cpu/vec_both.h"
