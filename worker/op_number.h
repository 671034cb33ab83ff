// Numbers of a program: what the families on numbers share. The semantics are C++'s on int64_t and double where
// TorchScript uses them (torchscript.md §7.4, §14.1).
#ifndef TSB_WORKER_OP_NUMBER_H
#define TSB_WORKER_OP_NUMBER_H

#include "worker/op_util.h"

#include <complex.h>
#include <math.h>
#undef complex // a field of IValue has that name

static inline bool is_integral(IValue v) { return v.tag == TAG_INT || v.tag == TAG_BOOL; }

static inline double _Complex make_complex(double re, double im)
{
    double _Complex z;
    __real__ z = re;
    __imag__ z = im;
    return z;
}

static inline double _Complex arg_complex(IValue v)
{
    return v.tag == TAG_COMPLEX ? make_complex(v.as.complex->re, v.as.complex->im) : make_complex(arg_double(v), 0);
}

static inline Status ret_complex(double _Complex z, IValue *ret) { return value_complex(creal(z), cimag(z), ret); }

// What C leaves undefined is what x86 does: the smallest int.
static inline int64_t int_of_double(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

static inline int64_t wrapping_add(int64_t x, int64_t y) { return (int64_t)((uint64_t)x + (uint64_t)y); }
static inline int64_t wrapping_sub(int64_t x, int64_t y) { return (int64_t)((uint64_t)x - (uint64_t)y); }
static inline int64_t wrapping_mul(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }

#endif
