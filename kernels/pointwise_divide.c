// Quotients and remainders of integers of up to 32 bits, by division in floating point, for which there are vector
// instructions; x86 has none for integers.
#include "kernels/isa.h"
#include "kernels/pointwise_loops.h"

// The quotient, rounded towards zero, is exact: where x / y is no integer it lies at least 1 / |y| from the next one, and
// rounding moves it by at most |x / y| * 2^-24 <= 2^-8 / |y| for 16 bits in float (|x| < 2^16), by at most
// |x / y| * 2^-53 <= 2^-22 / |y| for 32 bits in double (|x| <= 2^31). The most negative number over -1 wraps around: as
// itself over 1. Zero divides as 1 does, and is remembered.
#define QUOTIENT(T, F, x, y)                                                                                           \
    zeros |= (y) == 0;                                                                                                 \
    int32_t by = (y) + ((y) == 0) + 2 * ((sizeof(T) == 4) & ((x) == INT32_MIN) & ((y) == -1));                         \
    int32_t q = (int32_t)((F)(x) / (F)by), r = (int32_t)((uint32_t)(x) - (uint32_t)q * (uint32_t)by);            \
    (void)r;
// Rounding down instead, where anything remains and the signs differ.
#define STEP (int32_t)((r != 0) & ((r ^ by) < 0))

#define DIVISION(T, F, S, name, result)                                                                                \
    ISA_INLINE void S##_##name##_body(T *o, const T *a, const T *b, int64_t n, unsigned scalars, PwParams *p)          \
    {                                                                                                                  \
        int32_t zeros = 0;                                                                                             \
        if (scalars == 0) {                                                                                            \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                int32_t x = a[i], y = b[i];                                                                            \
                QUOTIENT(T, F, x, y)                                                                                   \
                o[i] = (T)(result);                                                                                    \
            }                                                                                                          \
        } else if (scalars == 1) {                                                                                     \
            int32_t x = *a;                                                                                            \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                int32_t y = b[i];                                                                                      \
                QUOTIENT(T, F, x, y)                                                                                   \
                o[i] = (T)(result);                                                                                    \
            }                                                                                                          \
        } else {                                                                                                       \
            int32_t y = *b;                                                                                            \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                int32_t x = a[i];                                                                                      \
                QUOTIENT(T, F, x, y)                                                                                   \
                o[i] = (T)(result);                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
        if (zeros)                                                                                                     \
            p->error = "ZeroDivisionError";                                                                            \
    }                                                                                                                  \
    ISA_VARIANTS(S##_##name, (T * o, const T *a, const T *b, int64_t n, unsigned scalars, PwParams *p),                \
                 (o, a, b, n, scalars, p))                                                                             \
    void pw_##S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        S##_##name(out, in[0], in[1], n, scalars, p);                                                                  \
    }
#define DIVISIONS(T, F, S)                                                                                             \
    DIVISION(T, F, S, div_trunc, q)                                                                                    \
    DIVISION(T, F, S, div_floor, q - STEP)                                                                             \
    DIVISION(T, F, S, fmod, r)                                                                                         \
    DIVISION(T, F, S, remainder, r + (by & -STEP))

DIVISIONS(uint8_t, float, u8)
DIVISIONS(int8_t, float, i8)
DIVISIONS(int16_t, float, i16)
DIVISIONS(int32_t, double, i32)
