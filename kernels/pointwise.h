// Elementwise operators. A PwPlan is prepared once for operand signatures: which inner loop, how the operands are walked,
// what is converted on the way. Running it needs only data pointers.
//
// An inner loop sees contiguous elements of its own type (or single elements, for operands in `scalars`). Strided,
// broadcast or other-typed operands are gathered into blocks that stay in the first-level cache, so that each operator has
// one loop per type and no other code.
#ifndef TSB_KERNELS_POINTWISE_H
#define TSB_KERNELS_POINTWISE_H

#include "kernels/convert.h"
#include "kernels/iter.h"

// X(operator, inputs, result, flags)
//   result  SAME: the type computed in; BOOL; REAL: the real type of a complex one
//   flags   Z: f(0) = 0 (and f(0, 0) = 0, …): may run over the zero padding of blocked layouts
//           B: moves bits only: one loop per element size

#define PW_LIST(X)                                                                                                     \
    X(COPY, 1, SAME, Z) X(NEG, 1, SAME, Z) X(ABS, 1, REAL, Z) X(SIGN, 1, SAME, Z) X(SGN, 1, SAME, Z)                   \
    X(CEIL, 1, SAME, Z) X(FLOOR, 1, SAME, Z) X(ROUND, 1, SAME, Z) X(ROUND_DECIMALS, 1, SAME, Z) X(TRUNC, 1, SAME, Z)   \
    X(FRAC, 1, SAME, Z) X(SQRT, 1, SAME, Z) X(RSQRT, 1, SAME, 0) X(RECIPROCAL, 1, SAME, 0) X(SQUARE, 1, SAME, Z)       \
    X(EXP, 1, SAME, 0) X(EXP2, 1, SAME, 0) X(EXPM1, 1, SAME, Z) X(LOG, 1, SAME, 0) X(LOG2, 1, SAME, 0)                 \
    X(LOG10, 1, SAME, 0) X(LOG1P, 1, SAME, Z) X(SIN, 1, SAME, Z) X(COS, 1, SAME, 0) X(TAN, 1, SAME, Z)                 \
    X(ASIN, 1, SAME, Z) X(ACOS, 1, SAME, 0) X(ATAN, 1, SAME, Z) X(SINH, 1, SAME, Z) X(COSH, 1, SAME, 0)                \
    X(TANH, 1, SAME, Z) X(ASINH, 1, SAME, Z) X(ACOSH, 1, SAME, 0) X(ATANH, 1, SAME, Z) X(SIGMOID, 1, SAME, 0)          \
    X(LOGIT, 1, SAME, 0) X(RELU, 1, SAME, Z) X(LEAKY_RELU, 1, SAME, Z) X(ELU, 1, SAME, Z) X(GELU, 1, SAME, Z)          \
    X(GELU_TANH, 1, SAME, Z) X(SILU, 1, SAME, Z) X(MISH, 1, SAME, Z) X(SOFTPLUS, 1, SAME, 0) X(CLAMP, 1, SAME, 0)      \
    X(HARDSWISH, 1, SAME, Z) X(HARDSIGMOID, 1, SAME, 0) X(HARDSHRINK, 1, SAME, Z) X(SOFTSHRINK, 1, SAME, Z)            \
    X(THRESHOLD, 1, SAME, 0) X(LOGSIGMOID, 1, SAME, 0) X(ERF, 1, SAME, Z) X(ERFC, 1, SAME, 0) X(ERFINV, 1, SAME, Z)    \
    X(LGAMMA, 1, SAME, 0) X(DIGAMMA, 1, SAME, 0) X(NAN_TO_NUM, 1, SAME, Z) X(SINC, 1, SAME, 0)                         \
    X(ISNAN, 1, BOOL, 0) X(ISINF, 1, BOOL, 0) X(ISFINITE, 1, BOOL, 0) X(ISPOSINF, 1, BOOL, 0) X(ISNEGINF, 1, BOOL, 0)  \
    X(SIGNBIT, 1, BOOL, 0) X(LOGICAL_NOT, 1, BOOL, 0) X(BITWISE_NOT, 1, SAME, 0) X(ANGLE, 1, REAL, 0)                  \
    X(CONJ, 1, SAME, Z) X(REAL, 1, REAL, Z) X(IMAG, 1, REAL, Z)                                                        \
    X(I0, 1, SAME, 0) X(I0E, 1, SAME, 0) X(I1, 1, SAME, Z) X(I1E, 1, SAME, Z) X(K0, 1, SAME, 0) X(K0E, 1, SAME, 0)     \
    X(K1, 1, SAME, 0) X(K1E, 1, SAME, 0) X(BESSEL_J0, 1, SAME, 0) X(BESSEL_J1, 1, SAME, Z) X(BESSEL_Y0, 1, SAME, 0)    \
    X(BESSEL_Y1, 1, SAME, 0) X(SPHERICAL_J0, 1, SAME, 0) X(AIRY_AI, 1, SAME, 0) X(NDTR, 1, SAME, 0)                    \
    X(NDTRI, 1, SAME, 0) X(LOG_NDTR, 1, SAME, 0) X(ERFCX, 1, SAME, 0) X(ENTR, 1, SAME, Z) X(POLYGAMMA, 1, SAME, 0)     \
    X(MVLGAMMA, 1, SAME, 0)                                                                                            \
    X(ADD, 2, SAME, Z) X(SUB, 2, SAME, Z) X(MUL, 2, SAME, Z) X(DIV, 2, SAME, 0) X(ADD_ALPHA, 2, SAME, Z)               \
    X(DIV_FLOOR, 2, SAME, 0) X(DIV_TRUNC, 2, SAME, 0) X(REMAINDER, 2, SAME, 0) X(FMOD, 2, SAME, 0) X(POW, 2, SAME, 0)  \
    X(ATAN2, 2, SAME, Z) X(MAXIMUM, 2, SAME, Z) X(MINIMUM, 2, SAME, Z) X(FMAX, 2, SAME, Z) X(FMIN, 2, SAME, Z)         \
    X(EQ, 2, BOOL, 0) X(NE, 2, BOOL, 0) X(LT, 2, BOOL, 0) X(LE, 2, BOOL, 0) X(GT, 2, BOOL, 0) X(GE, 2, BOOL, 0)        \
    X(LOGICAL_AND, 2, BOOL, 0) X(LOGICAL_OR, 2, BOOL, 0) X(LOGICAL_XOR, 2, BOOL, 0)                                    \
    X(BITWISE_AND, 2, SAME, Z) X(BITWISE_OR, 2, SAME, Z) X(BITWISE_XOR, 2, SAME, Z) X(SHIFT_LEFT, 2, SAME, Z)          \
    X(SHIFT_RIGHT, 2, SAME, Z) X(HYPOT, 2, SAME, Z) X(COPYSIGN, 2, SAME, 0) X(PRELU, 2, SAME, Z) X(GLU, 2, SAME, 0)    \
    X(XLOGY, 2, SAME, Z) X(LOGADDEXP, 2, SAME, 0) X(GCD, 2, SAME, Z) X(NEXTAFTER, 2, SAME, 0)                          \
    X(XLOG1PY, 2, SAME, Z) X(LOGADDEXP2, 2, SAME, 0) X(LCM, 2, SAME, Z) X(HEAVISIDE, 2, SAME, 0) X(ZETA, 2, SAME, 0)   \
    X(IGAMMA, 2, SAME, 0) X(IGAMMAC, 2, SAME, 0) X(CHEBYSHEV_T, 2, SAME, 0) X(CHEBYSHEV_U, 2, SAME, 0)                 \
    X(CHEBYSHEV_V, 2, SAME, 0) X(CHEBYSHEV_W, 2, SAME, 0) X(SHIFTED_CHEBYSHEV_T, 2, SAME, 0)                           \
    X(SHIFTED_CHEBYSHEV_U, 2, SAME, 0) X(SHIFTED_CHEBYSHEV_V, 2, SAME, 0) X(SHIFTED_CHEBYSHEV_W, 2, SAME, 0)           \
    X(HERMITE_H, 2, SAME, 0) X(HERMITE_HE, 2, SAME, 0) X(LAGUERRE_L, 2, SAME, 0) X(LEGENDRE_P, 2, SAME, 0)             \
    X(HUBER, 2, SAME, Z)                                                                                               \
    X(LERP, 3, SAME, Z) X(ADDCMUL, 3, SAME, Z) X(ADDCDIV, 3, SAME, 0) X(CLAMP_TENSOR, 3, SAME, 0)                      \
    X(WHERE, 3, SAME, B) X(MASKED_FILL, 3, SAME, B)

typedef enum PwOp {
#define X(name, inputs, result, flags) PW_##name,
    PW_LIST(X)
#undef X
    PW_COUNT
} PwOp;

enum { PW_MAX_INPUTS = 3, PW_MAX_NUMBERS = 4 };

// Numbers that are not operands (slopes, bounds, alpha), as float and as int.
typedef struct PwParams {
    double f[PW_MAX_NUMBERS];
    int64_t i[PW_MAX_NUMBERS];
    const char *error; // set by a loop that meets an operand it must refuse (integer division by zero)
} PwParams;

// out and in[k]: n contiguous elements; in[k] is one element when bit k of `scalars` is set (at most one bit, and only for
// loops with two inputs). out may be one of the inputs.
typedef void (*PwLoop)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *params);

typedef struct PwInfo { uint8_t inputs, result, flags; } PwInfo; // a row of PW_LIST
enum { PW_RESULT_SAME, PW_RESULT_BOOL, PW_RESULT_REAL };
enum { PW_ZERO_KEEPING = 1, PW_BITS = 2 };
PwInfo pw_info(PwOp op);

typedef struct PwPlan {
    PwLoop loop;
    uint8_t inputs;
    uint8_t loop_types[1 + PW_MAX_INPUTS]; // DType of the loop's result, then of its inputs
    uint8_t sizes[1 + PW_MAX_INPUTS];      // their bytes
    bool convert[1 + PW_MAX_INPUTS];
    bool flat;                             // one call of the loop does everything
    unsigned scalars;                      // when flat
    Converter converters[1 + PW_MAX_INPUTS];
    bool tiled;                            // short rows: several at once
    Iter iter;
    Iter outer;                            // when tiled: iter without its innermost dimension
} PwPlan;

// The loop of `op` for elements computed in `type` (bool and half included), or NULL. loop_types: as in PwPlan.
PwLoop pw_loop(PwOp op, DType type, uint8_t *loop_types);
// out (dtype, shape, strides) and the inputs, all STRIDED and broadcasting to out; `type`: what the result is computed in.
// ST_DECLINED when the operator has no loop for the type.
Status pw_plan(PwPlan *p, PwOp op, DType type, const View *out, const View *const *in);
// data[0]: out. params may be NULL for operators without numbers.
Status pw_run(const PwPlan *p, char *const *data, PwParams *params);

// Views of tensors in a private layout with its physical dimensions (N, C/b, spatial…, b), in which a strided operand
// can be seen as well; false when v cannot (channels that do not fill the blocks).
bool view_physical(const View *v, Layout layout, int ndim, int64_t channels, View *out);

#endif
