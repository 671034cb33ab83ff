// Tables of inner loops, one per element type, filled by the files that define them.
#ifndef TSB_KERNELS_POINTWISE_LOOPS_H
#define TSB_KERNELS_POINTWISE_LOOPS_H

#include "kernels/pointwise.h"

// Indexed by PwOp; NULL: not for this type.
extern const PwLoop PW_LOOPS_U8[PW_COUNT], PW_LOOPS_I8[PW_COUNT], PW_LOOPS_I16[PW_COUNT], PW_LOOPS_I32[PW_COUNT],
    PW_LOOPS_I64[PW_COUNT], PW_LOOPS_BOOL[PW_COUNT], PW_LOOPS_C64[PW_COUNT], PW_LOOPS_C128[PW_COUNT];
// Floating-point operators with no vector form: special functions and orthogonal polynomials.
extern const PwLoop PW_LOOPS_SPECIAL_F32[PW_COUNT], PW_LOOPS_SPECIAL_F64[PW_COUNT];
// WHERE and MASKED_FILL for elements of `size` bytes.
PwLoop pw_bits_loop(PwOp op, size_t size);

#endif
