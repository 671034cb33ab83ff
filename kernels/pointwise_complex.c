// Inner loops of elementwise operators for complex numbers, through the C library's complex functions.
#include "kernels/cpu/vec.h"
#include "kernels/isa.h"
#include "kernels/pointwise_loops.h"

#include <complex.h>
#include <math.h>
#include <string.h>

#define UNARY(T, R, S, name, expr)                                                                                     \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0];                                                                                            \
        R *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i];                                                                                                \
            o[i] = (R)(expr);                                                                                          \
        }                                                                                                              \
    }
#define BINARY(T, R, S, name, expr)                                                                                    \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1];                                                                                \
        R *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[scalars & 1 ? 0 : i], y = b[scalars & 2 ? 0 : i];                                                  \
            o[i] = (R)(expr);                                                                                          \
        }                                                                                                              \
    }
#define TERNARY(T, S, name, expr)                                                                                      \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        (void)scalars;                                                                                                 \
        const T *a = in[0], *b = in[1], *c = in[2];                                                                    \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i], y = b[i], z = c[i];                                                                            \
            o[i] = (expr);                                                                                             \
        }                                                                                                              \
    }

// PyTorch multiplies and divides without the C standard's care for infinities.
#define MUL_LOOP(T, F, S)                                                                                              \
    static T S##_product(T x, T y)                                                                                     \
    {                                                                                                                  \
        F a = (F)creal(x), b = (F)cimag(x), c = (F)creal(y), d = (F)cimag(y);                                          \
        T r;                                                                                                           \
        ((F *)&r)[0] = a * c - b * d;                                                                                  \
        ((F *)&r)[1] = a * d + b * c;                                                                                  \
        return r;                                                                                                      \
    }

// In parts, which vectorise.
#define SQUARE_LOOP(F, S)                                                                                              \
    ISA_INLINE void S##_squares_body(F *o, const F *x, int64_t n)                                                      \
    {                                                                                                                  \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            F re = x[2 * i], im = x[2 * i + 1];                                                                        \
            o[2 * i] = re * re - im * im;                                                                              \
            o[2 * i + 1] = re * im + im * re;                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(S##_squares, (F * o, const F *x, int64_t n), (o, x, n))                                               \
    static void S##_square(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        S##_squares(out, in[0], n);                                                                                    \
    }
#define PRODUCT_LOOP(F, S)                                                                                             \
    ISA_INLINE void S##_products(F *o, const F *x, const F *y, int64_t n, int of_x, int of_y)                          \
    {                                                                                                                  \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            F a = x[of_x * i], b = x[of_x * i + 1], c = y[of_y * i], d = y[of_y * i + 1];                              \
            o[2 * i] = a * c - b * d;                                                                                  \
            o[2 * i + 1] = a * d + b * c;                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_INLINE void S##_mul_parts_body(F *o, const F *x, const F *y, int64_t n, unsigned scalars)                      \
    {                                                                                                                  \
        if (scalars == 1)                                                                                              \
            S##_products(o, (F[2]){x[0], x[1]}, y, n, 0, 2);                                                           \
        else if (scalars == 2)                                                                                         \
            S##_products(o, x, (F[2]){y[0], y[1]}, n, 2, 0);                                                           \
        else                                                                                                           \
            S##_products(o, x, y, n, 2, 2);                                                                            \
    }                                                                                                                  \
    ISA_VARIANTS(S##_mul_parts, (F * o, const F *x, const F *y, int64_t n, unsigned scalars), (o, x, y, n, scalars))   \
    static void S##_mul(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                    \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        S##_mul_parts(out, in[0], in[1], n, scalars);                                                                  \
    }
// Blocks through other loops: x / (1 + exp(-x)), 1 / (1 + exp(-x)), x + number y / z.
#define BLOCK_LOOPS(T, F, S)                                                                                           \
    static void S##_logistic(T *out, const T *x, int64_t n, bool times_x, PwParams *p)                                 \
    {                                                                                                                  \
        static const T one = 1;                                                                                        \
        T e[PARTS];                                                                                                    \
        for (int64_t at = 0; at < n; at += PARTS) {                                                                    \
            int64_t m = n - at < PARTS ? n - at : PARTS;                                                               \
            S##_neg(e, (const void *const[]){x + at}, m, 0, p);                                                        \
            S##_exp(e, (const void *const[]){e}, m, 0, p);                                                             \
            S##_add(e, (const void *const[]){&one, e}, m, 1, p);                                                       \
            if (times_x)                                                                                               \
                S##_div(out + at, (const void *const[]){x + at, e}, m, 0, p);                                          \
            else                                                                                                       \
                S##_reciprocal(out + at, (const void *const[]){e}, m, 0, p);                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static void S##_sigmoid(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        S##_logistic(out, in[0], n, false, p);                                                                         \
    }                                                                                                                  \
    static void S##_silu(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        S##_logistic(out, in[0], n, true, p);                                                                          \
    }                                                                                                                  \
    static void S##_addcdiv(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        const T *x = in[0], *y = in[1], *z = in[2];                                                                    \
        T q[PARTS];                                                                                                    \
        for (int64_t at = 0; at < n; at += PARTS) {                                                                    \
            int64_t m = n - at < PARTS ? n - at : PARTS;                                                               \
            for (int64_t i = 0; i < m; i++)                                                                            \
                q[i] = (F)p->f[0] * y[at + i];                                                                         \
            S##_div(q, (const void *const[]){q, z + at}, m, 0, p);                                                     \
            S##_add((T *)out + at, (const void *const[]){x + at, q}, m, 0, p);                                         \
        }                                                                                                              \
    }
// o = x / |x|, 0 of 0.
#define SGN_LOOP(T, F, S)                                                                                              \
    ISA_INLINE void S##_scale_body(F *o, const F *x, const F *size, int64_t n)                                         \
    {                                                                                                                  \
        F by[2 * PARTS]; /* of each part */                                                                            \
        for (int64_t i = 0; i < n; i++)                                                                                \
            by[2 * i] = by[2 * i + 1] = size[i];                                                                       \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t i = 0; i < 2 * n; i++) {                                                                          \
            F part = x[i] / by[i];                                                                                     \
            o[i] = by[i] == 0 ? 0 : part;                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(S##_scale, (F * o, const F *x, const F *size, int64_t n), (o, x, size, n))                            \
    static void S##_sgn(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                    \
    {                                                                                                                  \
        F size[PARTS];                                                                                                 \
        for (int64_t at = 0; at < n; at += PARTS) {                                                                    \
            int64_t m = n - at < PARTS ? n - at : PARTS;                                                               \
            S##_abs(size, (const void *const[]){(const T *)in[0] + at}, m, scalars, p);                                \
            S##_scale((F *)out + 2 * at, (const F *)in[0] + 2 * at, size, m);                                          \
        }                                                                                                              \
    }

// Functions of complex numbers that C lacks, in double precision.
static double complex complex_of(double re, double im)
{
    double complex z;
    ((double *)&z)[0] = re;
    ((double *)&z)[1] = im;
    return z;
}

static double complex complex_expm1(double complex z)
{
    double x = creal(z), y = cimag(z), s = sin(y / 2), e = exp(x);
    return complex_of(expm1(x) - 2 * e * s * s, e * sin(y));
}

static double complex complex_log1p(double complex z)
{
    double x = creal(z), y = cimag(z), norm = x * (2 + x) + y * y; // |1 + z|^2 - 1
    return complex_of(norm > -0.5 && norm < 1e300 ? 0.5 * log1p(norm) : log(hypot(1 + x, y)), atan2(y, 1 + x));
}

static double complex complex_sinc(double complex z)
{
    if (z == 0)
        return 1;
    return csin(M_PI * z) / (M_PI * z);
}

static double complex complex_logaddexp(double complex a, double complex b)
{
    double complex top = creal(a) >= creal(b) ? a : b, low = creal(a) >= creal(b) ? b : a;
    if (isinf(creal(top)) && creal(a) == creal(b)) // both infinities: the sum of the exponentials keeps neither
        return creal(top) > 0 ? clog(cexp(complex_of(0, cimag(a))) + cexp(complex_of(0, cimag(b)))) + INFINITY : top;
    return top + complex_log1p(cexp(low - top));
}

static double finite_or(double x, const double *f)
{
    return isnan(x) ? f[0] : isinf(x) ? (x > 0 ? f[1] : f[2]) : x;
}

// x / y without the C standard's repairs of NaN, scaled so that nothing overflows on the way.
static float complex quotient_c64(float complex x, float complex y)
{
    double a = crealf(x), b = cimagf(x), c = crealf(y), d = cimagf(y), norm = c * c + d * d;
    float complex r;
    ((float *)&r)[0] = (float)((a * c + b * d) / norm);
    ((float *)&r)[1] = (float)((b * c - a * d) / norm);
    return r;
}
static double complex quotient_c128(double complex x, double complex y)
{
    double c = creal(y), d = cimag(y), scale = fabs(c) > fabs(d) ? fabs(c) : fabs(d);
    double a = creal(x) / scale, b = cimag(x) / scale;
    c /= scale;
    d /= scale;
    double norm = c * c + d * d;
    return complex_of((a * c + b * d) / norm, (b * c - a * d) / norm);
}

// Functions made of real ones, for which there are vectorised loops: blocks of real and imaginary parts.
enum { PARTS = 128 };
#define PARTS_LOOPS(T, F, S, table)                                                                                    \
    static void S##_split(const T *x, F *re, F *im, int64_t m)                                                         \
    {                                                                                                                  \
        const F *parts = (const F *)x;                                                                                 \
        for (int64_t i = 0; i < m; i++) {                                                                              \
            re[i] = parts[2 * i];                                                                                      \
            im[i] = parts[2 * i + 1];                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    static void S##_angle(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                  \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        F re[PARTS], im[PARTS], *o = out;                                                                              \
        for (int64_t at = 0; at < n; at += PARTS) {                                                                    \
            int64_t m = n - at < PARTS ? n - at : PARTS;                                                               \
            S##_split((const T *)in[0] + at, re, im, m);                                                               \
            vec_table()->table[PW_ATAN2](o + at, (const void *const[]){im, re}, m, 0, p);                              \
        }                                                                                                              \
    }                                                                                                                  \
    static void S##_exp(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                    \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        F re[PARTS], im[PARTS], cosine[PARTS];                                                                         \
        for (int64_t at = 0; at < n; at += PARTS) {                                                                    \
            int64_t m = n - at < PARTS ? n - at : PARTS;                                                               \
            const T *x = (const T *)in[0] + at;                                                                        \
            T *o = (T *)out + at, special[PARTS];                                                                      \
            int specials = 0;                                                                                          \
            S##_split(x, re, im, m);                                                                                   \
            for (int64_t i = 0; i < m; i++)                                                                            \
                specials += !(re[i] < (sizeof(F) == 4 ? 87 : 700) && re[i] - re[i] == 0 && im[i] - im[i] == 0);        \
            for (int64_t i = 0; specials && i < m; i++)                                                                \
                special[i] = (T)cexp(x[i]);                                                                            \
            vec_table()->table[PW_COS](cosine, (const void *const[]){im}, m, 0, p);                                    \
            vec_table()->table[PW_SIN](im, (const void *const[]){im}, m, 0, p);                                        \
            vec_table()->table[PW_EXP](re, (const void *const[]){re}, m, 0, p);                                        \
            for (int64_t i = 0; i < m; i++) {                                                                          \
                ((F *)o)[2 * i] = re[i] * cosine[i];                                                                   \
                ((F *)o)[2 * i + 1] = re[i] * im[i];                                                                   \
            }                                                                                                          \
            if (specials)                                                                                              \
                memcpy(o, special, (size_t)m * sizeof *o);                                                             \
        }                                                                                                              \
    }
PARTS_LOOPS(float complex, float, c64, f32)
PARTS_LOOPS(double complex, double, c128, f64)

#define COMPLEX_LOOPS(T, F, S, sfx)                                                                                    \
    MUL_LOOP(T, F, S)                                                                                                  \
    UNARY(T, T, S, neg, -x)                                                                                            \
    UNARY(T, F, S, real, creal##sfx(x))                                                                                \
    UNARY(T, F, S, imag, cimag##sfx(x))                                                                                \
    UNARY(T, T, S, conj, conj##sfx(x))                                                                                 \
    UNARY(T, T, S, sqrt, csqrt##sfx(x))                                                                                \
    UNARY(T, T, S, rsqrt, 1 / csqrt##sfx(x))                                                                           \
    SQUARE_LOOP(F, S)                                                                                                  \
    UNARY(T, T, S, log, clog##sfx(x))                                                                                  \
    UNARY(T, T, S, sin, csin##sfx(x))                                                                                  \
    UNARY(T, T, S, cos, ccos##sfx(x))                                                                                  \
    UNARY(T, T, S, tan, ctan##sfx(x))                                                                                  \
    UNARY(T, T, S, asin, casin##sfx(x))                                                                                \
    UNARY(T, T, S, acos, cacos##sfx(x))                                                                                \
    UNARY(T, T, S, atan, catan##sfx(x))                                                                                \
    UNARY(T, T, S, sinh, csinh##sfx(x))                                                                                \
    UNARY(T, T, S, cosh, ccosh##sfx(x))                                                                                \
    UNARY(T, T, S, tanh, ctanh##sfx(x))                                                                                \
    UNARY(T, T, S, asinh, casinh##sfx(x))                                                                              \
    UNARY(T, T, S, acosh, cacosh##sfx(x))                                                                              \
    UNARY(T, T, S, atanh, catanh##sfx(x))                                                                              \
    UNARY(T, T, S, log2, clog(x) * M_LOG2E)                                                                            \
    UNARY(T, T, S, log10, clog(x) * M_LOG10E)                                                                          \
    UNARY(T, T, S, exp2, cexp(x *M_LN2))                                                                               \
    UNARY(T, T, S, expm1, complex_expm1(x))                                                                            \
    UNARY(T, T, S, log1p, complex_log1p(x))                                                                            \
    UNARY(T, T, S, sinc, complex_sinc(x))                                                                              \
    UNARY(T, T, S, nan_to_num, complex_of(finite_or(creal(x), p->f), finite_or(cimag(x), p->f)))                       \
    BINARY(T, T, S, logaddexp, complex_logaddexp(x, y))                                                                \
    TERNARY(T, S, lerp, cabs##sfx(z) < (F)0.5 ? x + S##_product(z, y - x) : y - S##_product(y - x, 1 - z))             \
    UNARY(T, uint8_t, S, isnan, isnan(creal(x)) || isnan(cimag(x)))                                                    \
    UNARY(T, uint8_t, S, isinf, isinf(creal(x)) || isinf(cimag(x)))                                                    \
    UNARY(T, uint8_t, S, isfinite, isfinite(creal(x)) && isfinite(cimag(x)))                                           \
    UNARY(T, uint8_t, S, logical_not, x == 0)                                                                          \
    BINARY(T, T, S, add, x + y)                                                                                        \
    BINARY(T, T, S, sub, x - y)                                                                                        \
    PRODUCT_LOOP(F, S)                                                                                                 \
    BINARY(T, T, S, add_alpha, x + (F)p->f[0] * y)                                                                     \
    BINARY(T, T, S, power, y == 2 ? S##_product(x, x) : x == 0 && y == 0 ? 1 : cpow##sfx(x, y))                        \
    UNARY(T, T, S, cube, S##_product(S##_product(x, x), x))                                                           \
    UNARY(T, T, S, inverse_square, quotient_##S(1, S##_product(x, x)))                                                \
    static void S##_pow(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                    \
    {                                                                                                                  \
        static const struct { double exponent; PwLoop loop; } own[] = {{2, S##_square}, {3, S##_cube}, {0.5, S##_sqrt},\
            {-0.5, S##_rsqrt}, {-1, S##_reciprocal}, {-2, S##_inverse_square}};                                        \
        PwLoop loop = S##_power;                                                                                       \
        for (size_t i = 0; scalars == 2 && i < sizeof own / sizeof *own; i++)                                          \
            loop = *(const T *)in[1] == (F)own[i].exponent ? own[i].loop : loop;                                       \
        loop(out, in, n, scalars, p);                                                                                  \
    }                                                                                                                  \
    BINARY(T, uint8_t, S, eq, x == y)                                                                                  \
    BINARY(T, uint8_t, S, ne, x != y)                                                                                  \
    BINARY(T, uint8_t, S, logical_and, x != 0 && y != 0)                                                               \
    BINARY(T, uint8_t, S, logical_or, x != 0 || y != 0)                                                                \
    BINARY(T, uint8_t, S, logical_xor, (x != 0) != (y != 0))                                                           \
    TERNARY(T, S, addcmul, x + (F)p->f[0] * S##_product(y, z))

#define COMPLEX_TABLE(S)                                                                                               \
    {                                                                                                                  \
        [PW_NEG] = S##_neg, [PW_ABS] = S##_abs, [PW_ANGLE] = S##_angle, [PW_REAL] = S##_real, [PW_IMAG] = S##_imag,    \
        [PW_SGN] = S##_sgn, [PW_CONJ] = S##_conj, [PW_SQRT] = S##_sqrt, [PW_RSQRT] = S##_rsqrt,                        \
        [PW_RECIPROCAL] = S##_reciprocal, [PW_SQUARE] = S##_square, [PW_EXP] = S##_exp, [PW_LOG] = S##_log,            \
        [PW_SIN] = S##_sin, [PW_COS] = S##_cos, [PW_TAN] = S##_tan, [PW_ASIN] = S##_asin, [PW_ACOS] = S##_acos,        \
        [PW_ATAN] = S##_atan, [PW_SINH] = S##_sinh, [PW_COSH] = S##_cosh, [PW_TANH] = S##_tanh,                        \
        [PW_ASINH] = S##_asinh, [PW_ACOSH] = S##_acosh, [PW_ATANH] = S##_atanh, [PW_LOG2] = S##_log2,                  \
        [PW_LOG10] = S##_log10, [PW_EXP2] = S##_exp2, [PW_EXPM1] = S##_expm1, [PW_LOG1P] = S##_log1p,                  \
        [PW_SINC] = S##_sinc, [PW_NAN_TO_NUM] = S##_nan_to_num, [PW_LOGADDEXP] = S##_logaddexp, [PW_LERP] = S##_lerp,  \
        [PW_SIGMOID] = S##_sigmoid, [PW_SILU] = S##_silu, [PW_ISNAN] = S##_isnan, [PW_ISINF] = S##_isinf,              \
        [PW_ISFINITE] = S##_isfinite, [PW_LOGICAL_NOT] = S##_logical_not, [PW_ADD] = S##_add, [PW_SUB] = S##_sub,      \
        [PW_MUL] = S##_mul, [PW_DIV] = S##_div, [PW_ADD_ALPHA] = S##_add_alpha, [PW_POW] = S##_pow, [PW_EQ] = S##_eq,  \
        [PW_NE] = S##_ne, [PW_LOGICAL_AND] = S##_logical_and, [PW_LOGICAL_OR] = S##_logical_or,                        \
        [PW_LOGICAL_XOR] = S##_logical_xor, [PW_ADDCMUL] = S##_addcmul, [PW_ADDCDIV] = S##_addcdiv                     \
    }

UNARY(double complex, double, c128, abs, cabs(x))
BINARY(double complex, double complex, c128, div, quotient_c128(x, y))
static void c64_abs(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    vec_table()->c64_abs(out, in, n, scalars, p);
}
static void c64_div(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    vec_table()->c64_div(out, in, n, scalars, p);
}
UNARY(double complex, double complex, c128, reciprocal, quotient_c128(1, x))
static void c64_reciprocal(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    static const float complex one = 1;
    (void)scalars;
    vec_table()->c64_div(out, (const void *const[]){&one, in[0]}, n, 1, p);
}
COMPLEX_LOOPS(float complex, float, c64, f)
COMPLEX_LOOPS(double complex, double, c128, )
SGN_LOOP(float complex, float, c64)
SGN_LOOP(double complex, double, c128)
BLOCK_LOOPS(float complex, float, c64)
BLOCK_LOOPS(double complex, double, c128)

const PwLoop PW_LOOPS_C64[PW_COUNT] = COMPLEX_TABLE(c64);
const PwLoop PW_LOOPS_C128[PW_COUNT] = COMPLEX_TABLE(c128);
