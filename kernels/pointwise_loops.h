// Tables of inner loops, one per element type, filled by the files that define them.
#ifndef TSB_KERNELS_POINTWISE_LOOPS_H
#define TSB_KERNELS_POINTWISE_LOOPS_H

#include "kernels/pointwise.h"

// Indexed by PwOp; NULL: not for this type.
extern const PwLoop PW_LOOPS_U8[PW_COUNT], PW_LOOPS_I8[PW_COUNT], PW_LOOPS_I16[PW_COUNT], PW_LOOPS_I32[PW_COUNT],
    PW_LOOPS_I64[PW_COUNT], PW_LOOPS_BOOL[PW_COUNT], PW_LOOPS_C64[PW_COUNT], PW_LOOPS_C128[PW_COUNT];
// Floating-point operators with no vector form: special functions and orthogonal polynomials.
extern const PwLoop PW_LOOPS_SPECIAL_F32[PW_COUNT], PW_LOOPS_SPECIAL_F64[PW_COUNT];
// Quotients and remainders of integers of up to 32 bits (pointwise_divide.c).
#define PW_DIVISION(S, name) void pw_##S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
#define PW_DIVISIONS(S)                                                                                                \
    PW_DIVISION(S, div_floor);                                                                                         \
    PW_DIVISION(S, div_trunc);                                                                                         \
    PW_DIVISION(S, remainder);                                                                                         \
    PW_DIVISION(S, fmod)
PW_DIVISIONS(u8);
PW_DIVISIONS(i8);
PW_DIVISIONS(i16);
PW_DIVISIONS(i32);
// WHERE and MASKED_FILL for elements of `size` bytes.
PwLoop pw_bits_loop(PwOp op, size_t size);

#endif
