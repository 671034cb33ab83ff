// Type promotion as PyTorch's result_type: a lattice of types, and three groups of operands.
#include "kernels/promote.h"

// Position in the order in which a larger type holds the smaller, apart from the pairs promote_types() treats first.
static int rank_of(DType t)
{
    static const DType order[] = {DT_BOOL, DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C32, DT_C64, DT_C128};
    for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++)
        if (order[i] == t)
            return i;
    return -1;
}

DType dtype_real_of(DType t) { return t == DT_C32 ? DT_F16 : t == DT_C64 ? DT_F32 : t == DT_C128 ? DT_F64 : t; }

DType dtype_complex_of(DType t)
{
    switch (t) {
    case DT_F16: return DT_C32;
    case DT_BF16: case DT_F32: return DT_C64;
    case DT_F64: return DT_C128;
    default: return dtype_is_complex(t) ? t : DT_C64;
    }
}

DType promote_types(DType a, DType b)
{
    if (a == b || b == DT_INVALID)
        return a;
    if (a == DT_INVALID)
        return b;
    int ra = rank_of(a), rb = rank_of(b);
    if (ra < 0 || rb < 0) { // the wide unsigned types mix with floating point only
        DType other = ra < 0 ? b : a;
        return (dtype_is_integral(a) && dtype_category(b) > DT_INTEGRAL) || (dtype_is_integral(b) && dtype_category(a) > DT_INTEGRAL)
                   ? other
                   : DT_INVALID;
    }
    DType low = ra < rb ? a : b, high = ra < rb ? b : a;
    if (low == DT_U8 && high == DT_I8)
        return DT_I16;
    if (low == DT_F16 && high == DT_BF16)
        return DT_F32;
    if (dtype_is_complex(high) && dtype_is_floating(low)) // as wide as the wider of the two
        return rank_of(dtype_complex_of(low)) > rank_of(high) ? dtype_complex_of(low) : high;
    return high;
}

void promote_tensor(Promotion *p, DType t, int ndim)
{
    DType *group = ndim > 0 ? &p->dim : &p->zero_dim;
    *group = promote_types(*group, t);
}

void promote_number(Promotion *p, DType t)
{
    // Numbers count as the default types.
    t = dtype_is_complex(t) ? DT_C64 : dtype_is_floating(t) ? DT_F32 : t;
    p->number = promote_types(p->number, t);
}

static DType combine(DType higher, DType lower)
{
    if (higher == DT_INVALID || lower == DT_INVALID)
        return higher == DT_INVALID ? lower : higher;
    if (dtype_is_complex(higher))
        return higher;
    if (dtype_is_floating(higher))
        return dtype_is_complex(lower) ? dtype_complex_of(higher) : higher;
    if (higher == DT_BOOL || dtype_is_floating(lower) || dtype_is_complex(lower))
        return promote_types(higher, lower);
    return higher;
}

DType promotion_result(const Promotion *p) { return combine(p->dim, combine(p->zero_dim, p->number)); }

bool dtype_can_cast(DType from, DType to)
{
    DTypeCategory f = dtype_category(from), t = dtype_category(to);
    if (f == DT_COMPLEX && t != DT_COMPLEX)
        return false;
    if (f == DT_FLOATING && (t == DT_INTEGRAL || t == DT_BOOLEAN))
        return false;
    return !(t == DT_BOOLEAN && f != DT_BOOLEAN);
}
