// Inner loops of elementwise operators for integers and bool. Arithmetic wraps, as PyTorch's does; operators that give
// floating point on integers never come here. Loops over bits (WHERE, MASKED_FILL) serve every type of their size.
#include "kernels/pointwise_loops.h"

typedef struct Bits16 {
    uint64_t low, high;
} Bits16;

#define UNARY(T, S, name, expr)                                                                                        \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0];                                                                                            \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i];                                                                                                \
            (void)x;                                                                                                   \
            o[i] = (T)(expr);                                                                                          \
        }                                                                                                              \
    }
#define TEST(T, S, name, expr)                                                                                         \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0];                                                                                            \
        uint8_t *o = out;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i];                                                                                                \
            (void)x;                                                                                                   \
            o[i] = (uint8_t)(expr);                                                                                    \
        }                                                                                                              \
    }
#define BINARY(T, R, S, name, expr)                                                                                    \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1];                                                                                \
        R *o = out;                                                                                                    \
        if (scalars == 0) {                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i], y = b[i];                                                                                  \
                o[i] = (R)(expr);                                                                                      \
            }                                                                                                          \
        } else if (scalars == 1) {                                                                                     \
            T x = *a;                                                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T y = b[i];                                                                                            \
                o[i] = (R)(expr);                                                                                      \
            }                                                                                                          \
        } else {                                                                                                       \
            T y = *b;                                                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i];                                                                                            \
                o[i] = (R)(expr);                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
#define TERNARY(T, S, name, expr)                                                                                      \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1], *c = in[2];                                                                    \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i], y = b[i], z = c[i];                                                                            \
            o[i] = (T)(expr);                                                                                          \
        }                                                                                                              \
    }
// The bounds as far as T holds them; a lower one above, or an upper one below all of T gives that bound, wrapped.
#define CLAMP(T, S)                                                                                                    \
    static void S##_clamp(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                  \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        const T *a = in[0];                                                                                            \
        int64_t least = (T)-1 < 0 ? INT64_MIN >> (64 - 8 * sizeof(T)) : 0;                                             \
        int64_t most = (T)-1 < 0 ? -1 - least : (T)-1;                                                                 \
        T *o = out, low = (T)(p->i[0] < least ? least : p->i[0]), high = (T)(p->i[1] > most ? most : p->i[1]);         \
        if (p->i[0] > most || p->i[1] < least || p->i[0] > p->i[1]) {                                                  \
            for (int64_t i = 0; i < n; i++)                                                                            \
                o[i] = (T)(p->i[0] > p->i[1] || a[i] > p->i[1] ? p->i[1] : p->i[0]);                                   \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i] < low ? low : a[i];                                                                             \
            o[i] = x > high ? high : x;                                                                                \
        }                                                                                                              \
    }
#define BITS(T, S)                                                                                                     \
    static void S##_where(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                  \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const uint8_t *condition = in[0];                                                                              \
        const T *a = in[1], *b = in[2];                                                                                \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++)                                                                                \
            o[i] = condition[i] ? a[i] : b[i];                                                                         \
    }                                                                                                                  \
    static void S##_masked_fill(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)            \
    {                                                                                                                  \
        const void *swapped[3] = {in[1], in[2], in[0]};                                                                \
        S##_where(out, swapped, n, scalars, p);                                                                        \
    }

static int64_t floor_div(int64_t x, int64_t y, PwParams *p)
{
    if (y == 0) {
        p->error = "ZeroDivisionError";
        return 0;
    }
    if (y == -1)
        return (int64_t)(0 - (uint64_t)x);
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
static int64_t trunc_div(int64_t x, int64_t y, PwParams *p)
{
    if (y == 0) {
        p->error = "ZeroDivisionError";
        return 0;
    }
    return y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}
static int64_t modulo(int64_t x, int64_t y, bool floored, PwParams *p)
{
    if (y == 0) {
        p->error = "ZeroDivisionError";
        return 0;
    }
    if (y == -1)
        return 0;
    int64_t r = x % y;
    return floored && r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static uint64_t power(int64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 ? UINT64_MAX : 1) : 0;
    uint64_t result = 1, b = (uint64_t)base;
    for (; exponent; exponent >>= 1, b *= b)
        if (exponent & 1)
            result *= b;
    return result;
}
static int64_t gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (x) {
        uint64_t rest = y % x;
        y = x;
        x = rest;
    }
    return (int64_t)y;
}

static int64_t lcm(int64_t a, int64_t b)
{
    int64_t g = gcd(a, b);
    uint64_t product = g == 0 ? 0 : (uint64_t)(g == -1 ? 0 - (uint64_t)a : (uint64_t)(a / g)) * (uint64_t)b;
    return (int64_t)((int64_t)product < 0 ? 0 - product : product);
}

// U: the unsigned type of T's size, in which arithmetic wraps.
#define INTEGER_LOOPS(T, U, S)                                                                                         \
    UNARY(T, S, neg, (U)(0 - (uint64_t)x))                                                                             \
    UNARY(T, S, abs, (x < 0 ? (U)(0 - (uint64_t)x) : (U)x))                                                            \
    UNARY(T, S, sign, (x > 0) - (x < 0))                                                                               \
    UNARY(T, S, same, x)                                                                                               \
    UNARY(T, S, zero, 0)                                                                                               \
    UNARY(T, S, square, (uint64_t)x *(uint64_t)x)                                                                      \
    UNARY(T, S, relu, x > 0 ? x : 0)                                                                                   \
    UNARY(T, S, threshold, x <= p->i[0] ? p->i[1] : x)                                                                 \
    CLAMP(T, S)                                                                                                        \
    UNARY(T, S, bitwise_not, ~x)                                                                                       \
    TEST(T, S, no, 0)                                                                                                  \
    TEST(T, S, yes, 1)                                                                                                 \
    TEST(T, S, signbit, x < 0)                                                                                         \
    TEST(T, S, logical_not, x == 0)                                                                                    \
    BINARY(T, T, S, add, (U)x + (U)y)                                                                                  \
    BINARY(T, T, S, sub, (U)x - (U)y)                                                                                  \
    BINARY(T, T, S, mul, (uint64_t)x *(uint64_t)y)                                                                     \
    BINARY(T, T, S, add_alpha, (uint64_t)x + (uint64_t)p->i[0] * (uint64_t)y)                                          \
    BINARY(T, T, S, pow, power(x, y))                                                                                  \
    BINARY(T, T, S, maximum, x > y ? x : y)                                                                            \
    BINARY(T, T, S, minimum, x < y ? x : y)                                                                            \
    BINARY(T, T, S, bitwise_and, x &y)                                                                                 \
    BINARY(T, T, S, bitwise_or, x | y)                                                                                 \
    BINARY(T, T, S, bitwise_xor, x ^ y)                                                                                \
    BINARY(T, T, S, shift_left, (uint64_t)y < sizeof(T) * 8 ? (uint64_t)x << y : 0)                                    \
    BINARY(T, T, S, shift_right, (uint64_t)y < sizeof(T) * 8 ? x >> y : x < 0 ? -1 : 0)                                \
    BINARY(T, T, S, gcd, gcd(x, y))                                                                                    \
    BINARY(T, T, S, lcm, lcm(x, y))                                                                                    \
    BINARY(T, T, S, heaviside, x == 0 ? y : x > 0)                                                                     \
    COMPARE_LOOPS(T, S)                                                                                                \
    TERNARY(T, S, addcmul, (uint64_t)x + (uint64_t)p->i[0] * (uint64_t)y * (uint64_t)z)                                \
    TERNARY(T, S, clamp_tensor, (x < y ? y : x) > z ? z : (x < y ? y : x))

#define COMPARE_LOOPS(T, S)                                                                                            \
    BINARY(T, uint8_t, S, eq, x == y)                                                                                  \
    BINARY(T, uint8_t, S, ne, x != y)                                                                                  \
    BINARY(T, uint8_t, S, lt, x < y)                                                                                   \
    BINARY(T, uint8_t, S, le, x <= y)                                                                                  \
    BINARY(T, uint8_t, S, gt, x > y)                                                                                   \
    BINARY(T, uint8_t, S, ge, x >= y)                                                                                  \
    BINARY(T, uint8_t, S, logical_and, x &&y)                                                                          \
    BINARY(T, uint8_t, S, logical_or, x || y)                                                                          \
    BINARY(T, uint8_t, S, logical_xor, !x != !y)

#define INTEGER_TABLE(S)                                                                                               \
    {                                                                                                                  \
        [PW_NEG] = S##_neg, [PW_ABS] = S##_abs, [PW_SIGN] = S##_sign, [PW_SGN] = S##_sign, [PW_CEIL] = S##_same,       \
        [PW_FLOOR] = S##_same, [PW_ROUND] = S##_same, [PW_ROUND_DECIMALS] = S##_same, [PW_TRUNC] = S##_same,           \
        [PW_FRAC] = S##_zero, [PW_SQUARE] = S##_square, [PW_RELU] = S##_relu, [PW_CLAMP] = S##_clamp,                  \
        [PW_THRESHOLD] = S##_threshold, [PW_NAN_TO_NUM] = S##_same, [PW_CONJ] = S##_same, [PW_REAL] = S##_same,        \
        [PW_ISNAN] = S##_no, [PW_ISINF] = S##_no, [PW_ISFINITE] = S##_yes, [PW_ISPOSINF] = S##_no,                     \
        [PW_ISNEGINF] = S##_no, [PW_SIGNBIT] = S##_signbit, [PW_LOGICAL_NOT] = S##_logical_not,                        \
        [PW_BITWISE_NOT] = S##_bitwise_not, [PW_ADD] = S##_add, [PW_SUB] = S##_sub, [PW_MUL] = S##_mul,                \
        [PW_ADD_ALPHA] = S##_add_alpha, [PW_DIV_FLOOR] = pw_##S##_div_floor, [PW_DIV_TRUNC] = pw_##S##_div_trunc,                \
        [PW_REMAINDER] = pw_##S##_remainder, [PW_FMOD] = pw_##S##_fmod, [PW_POW] = S##_pow, [PW_MAXIMUM] = S##_maximum,          \
        [PW_MINIMUM] = S##_minimum, [PW_FMAX] = S##_maximum, [PW_FMIN] = S##_minimum, COMPARE_TABLE(S),                \
        [PW_BITWISE_AND] = S##_bitwise_and, [PW_BITWISE_OR] = S##_bitwise_or, [PW_BITWISE_XOR] = S##_bitwise_xor,      \
        [PW_SHIFT_LEFT] = S##_shift_left, [PW_SHIFT_RIGHT] = S##_shift_right, [PW_GCD] = S##_gcd, [PW_LCM] = S##_lcm,  \
        [PW_HEAVISIDE] = S##_heaviside, [PW_ADDCMUL] = S##_addcmul, [PW_CLAMP_TENSOR] = S##_clamp_tensor               \
    }
#define COMPARE_TABLE(S)                                                                                               \
    [PW_EQ] = S##_eq, [PW_NE] = S##_ne, [PW_LT] = S##_lt, [PW_LE] = S##_le, [PW_GT] = S##_gt, [PW_GE] = S##_ge,        \
    [PW_LOGICAL_AND] = S##_logical_and, [PW_LOGICAL_OR] = S##_logical_or, [PW_LOGICAL_XOR] = S##_logical_xor

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits" // x < 0 is never true here, and need not be
INTEGER_LOOPS(uint8_t, uint8_t, u8)
#pragma GCC diagnostic pop
INTEGER_LOOPS(int8_t, uint8_t, i8)
INTEGER_LOOPS(int16_t, uint16_t, i16)
INTEGER_LOOPS(int32_t, uint32_t, i32)
INTEGER_LOOPS(int64_t, uint64_t, i64)
BINARY(int64_t, int64_t, pw_i64, div_floor, floor_div(x, y, p))
BINARY(int64_t, int64_t, pw_i64, div_trunc, trunc_div(x, y, p))
BINARY(int64_t, int64_t, pw_i64, remainder, modulo(x, y, true, p))
BINARY(int64_t, int64_t, pw_i64, fmod, modulo(x, y, false, p))

const PwLoop PW_LOOPS_U8[PW_COUNT] = INTEGER_TABLE(u8);
const PwLoop PW_LOOPS_I8[PW_COUNT] = INTEGER_TABLE(i8);
const PwLoop PW_LOOPS_I16[PW_COUNT] = INTEGER_TABLE(i16);
const PwLoop PW_LOOPS_I32[PW_COUNT] = INTEGER_TABLE(i32);
const PwLoop PW_LOOPS_I64[PW_COUNT] = INTEGER_TABLE(i64);

// bool: sums are "or", products "and".
UNARY(uint8_t, b, same, x != 0)
UNARY(uint8_t, b, not, x == 0)
TEST(uint8_t, b, no, 0)
TEST(uint8_t, b, yes, 1)
BINARY(uint8_t, uint8_t, b, pow, x || !y)
BINARY(uint8_t, uint8_t, b, heaviside, x || y)
BINARY(uint8_t, uint8_t, b, add_alpha, x || (p->i[0] && y))
TERNARY(uint8_t, b, clamp_tensor, (x < y ? y : x) > z ? z : (x < y ? y : x))
UNARY(uint8_t, b, clamp, (x < p->i[0] ? p->i[0] : x > p->i[1] ? p->i[1] : x) != 0)
COMPARE_LOOPS(uint8_t, b)
const PwLoop PW_LOOPS_BOOL[PW_COUNT] = {
    [PW_ABS] = b_same,
    [PW_SIGN] = b_same,
    [PW_SGN] = b_same,
    [PW_CONJ] = b_same,
    [PW_REAL] = b_same,
    [PW_SQUARE] = b_same,
    [PW_NAN_TO_NUM] = b_same,
    [PW_TRUNC] = b_same,
    [PW_ISNAN] = b_no,
    [PW_ISINF] = b_no,
    [PW_ISFINITE] = b_yes,
    [PW_ISPOSINF] = b_no,
    [PW_ISNEGINF] = b_no,
    [PW_SIGNBIT] = b_no,
    [PW_LOGICAL_NOT] = b_not,
    [PW_BITWISE_NOT] = b_not,
    [PW_ADD] = b_logical_or,
    [PW_ADD_ALPHA] = b_add_alpha,
    [PW_MUL] = b_logical_and,
    [PW_POW] = b_pow,
    [PW_MAXIMUM] = b_logical_or,
    [PW_MINIMUM] = b_logical_and,
    [PW_FMAX] = b_logical_or,
    [PW_FMIN] = b_logical_and,
    [PW_BITWISE_AND] = b_logical_and,
    [PW_BITWISE_OR] = b_logical_or,
    [PW_BITWISE_XOR] = b_logical_xor,
    [PW_CLAMP] = b_clamp,
    [PW_HEAVISIDE] = b_heaviside,
    [PW_CLAMP_TENSOR] = b_clamp_tensor,
    COMPARE_TABLE(b),
};

BITS(uint8_t, bits1)
BITS(uint16_t, bits2)
BITS(uint32_t, bits4)
BITS(uint64_t, bits8)
BITS(Bits16, bits16)

PwLoop pw_bits_loop(PwOp op, size_t size)
{
    bool fill = op == PW_MASKED_FILL;
    switch (size) {
    case 1:
        return fill ? bits1_masked_fill : bits1_where;
    case 2:
        return fill ? bits2_masked_fill : bits2_where;
    case 4:
        return fill ? bits4_masked_fill : bits4_where;
    case 8:
        return fill ? bits8_masked_fill : bits8_where;
    default:
        return fill ? bits16_masked_fill : bits16_where;
    }
}
