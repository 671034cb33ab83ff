// Type promotion as PyTorch's (torchscript.md §7.1): which dtype an operator computes in.
#ifndef TSB_KERNELS_PROMOTE_H
#define TSB_KERNELS_PROMOTE_H

#include "io/base/dtype.h"

// The smallest type that holds both (torch.promote_types). DT_INVALID is the neutral element; DT_INVALID is also the
// answer for types that do not promote.
DType promote_types(DType a, DType b);

// Operands count in three groups, and a lower one changes only the category (bool < int < float < complex) of the result.
typedef struct Promotion { DType dim, zero_dim, number; } Promotion;
#define PROMOTION_NONE ((Promotion){DT_INVALID, DT_INVALID, DT_INVALID})
void promote_tensor(Promotion *p, DType t, int ndim);
void promote_number(Promotion *p, DType t); // Python numbers: DT_BOOL, DT_I64, DT_F64 or DT_C128
DType promotion_result(const Promotion *p);

// May a result be written to a tensor of another dtype (in-place and out=)?
bool dtype_can_cast(DType from, DType to);
DType dtype_real_of(DType t);    // complex64 -> float32; others unchanged
DType dtype_complex_of(DType t); // float32 -> complex64
// bool and integers -> the default dtype, float32.
static inline DType dtype_float_of(DType t)
{
    DTypeCategory c = dtype_category(t);
    return c == DT_BOOLEAN || c == DT_INTEGRAL ? DT_F32 : t;
}

#endif
