// Inner loops of the rarer floating-point operators, element by element through the C library.
#include "kernels/pointwise_loops.h"

#include <math.h>

// Quotient rounded down, as Python's float floor division rounds it.
static double floor_div(double a, double b)
{
    if (b == 0)
        return a / b;
    double rest = fmod(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0))
        quotient -= 1;
    if (quotient == 0)
        return copysign(0, a / b);
    double down = floor(quotient);
    return quotient - down > 0.5 ? down + 1 : down;
}
static float floor_divf(float a, float b)
{
    if (b == 0)
        return a / b;
    float rest = fmodf(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0))
        quotient -= 1;
    if (quotient == 0)
        return copysignf(0, a / b);
    float down = floorf(quotient);
    return quotient - down > 0.5f ? down + 1 : down;
}
static double remainder_of(double a, double b)
{
    double rest = fmod(a, b);
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
}

// Rational approximation in the centre (Giles' form: in w = -log(1 - x²)), then two steps of Newton's method.
static double erfinv(double x)
{
    if (!(fabs(x) < 1))
        return fabs(x) == 1 ? copysign(INFINITY, x) : NAN;
    double w = -log1p(-x * x), guess;
    if (w < 5) {
        w -= 2.5;
        guess = 1.50140941 + w * (0.246640727 + w * (-0.00417768164 + w * (-0.00125372503 + w * (0.00021858087 +
                w * (-4.39150654e-06 + w * (-3.5233877e-06 + w * (3.43273939e-07 + w * 2.81022636e-08)))))));
    } else {
        w = sqrt(w) - 3;
        guess = 2.83297682 + w * (1.00167406 + w * (0.00943887047 + w * (-0.0076224613 + w * (0.00573950773 +
                w * (-0.00367342844 + w * (0.00134934322 + w * (0.000100950558 + w * -0.000200214257)))))));
    }
    double y = guess * x;
    for (int step = 0; step < 2; step++) {
        // Near ±1, erfc keeps the digits that erf loses.
        double error = fabs(y) > 0.5 ? copysign(1, y) * ((1 - fabs(x)) - erfc(fabs(y))) : erf(y) - x;
        y -= error / (1.12837916709551257390 * exp(-y * y));
    }
    return y;
}

// Recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18); reflection for negative arguments.
static double digamma(double x)
{
    if (x == 0)
        return copysign(INFINITY, -x);
    double sum = 0;
    if (x < 0) {
        if (x == floor(x))
            return NAN;
        sum = -M_PI / tan(M_PI * (x - floor(x)));
        x = 1 - x;
    }
    for (; x < 10; x++)
        sum -= 1 / x;
    double z = 1 / (x * x);
    double series = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
    return sum + log(x) - 0.5 / x - series;
}

static double sinc(double x) { return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x); }
static double angle(double x) { return isnan(x) ? x : x < 0 ? M_PI : 0; }
static double xlogy(double x, double y) { return isnan(y) ? NAN : x == 0 ? 0 : x * log(y); }
static double logaddexp(double x, double y)
{
    if (isinf(x) && x == y)
        return x;
    double top = x > y || isnan(x) ? x : y;
    return top + log1p(exp(-fabs(x - y)));
}

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
#define BINARY(T, S, name, expr)                                                                                       \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1];                                                                                \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[scalars & 1 ? 0 : i], y = b[scalars & 2 ? 0 : i];                                                  \
            o[i] = (T)(expr);                                                                                          \
        }                                                                                                              \
    }

#define LOOPS(T, S, sfx)                                                                                               \
    UNARY(T, S, erfinv, erfinv(x))                                                                                     \
    UNARY(T, S, digamma, digamma(x))                                                                                   \
    UNARY(T, S, sinc, sinc(x))                                                                                         \
    UNARY(T, S, angle, angle(x))                                                                                       \
    UNARY(T, S, same, x)                                                                                               \
    BINARY(T, S, div_floor, floor_div##sfx(x, y))                                                                      \
    BINARY(T, S, remainder, remainder_of(x, y))                                                                        \
    BINARY(T, S, fmod, fmod##sfx(x, y))                                                                                \
    BINARY(T, S, xlogy, xlogy(x, y))                                                                                   \
    BINARY(T, S, logaddexp, logaddexp(x, y))                                                                           \
    BINARY(T, S, nextafter, nextafter##sfx(x, y))

#define TABLE(S)                                                                                                       \
    {                                                                                                                  \
        [PW_ERFINV] = S##_erfinv, [PW_DIGAMMA] = S##_digamma, [PW_SINC] = S##_sinc, [PW_ANGLE] = S##_angle,            \
        [PW_CONJ] = S##_same, [PW_REAL] = S##_same, [PW_DIV_FLOOR] = S##_div_floor, [PW_REMAINDER] = S##_remainder,    \
        [PW_FMOD] = S##_fmod, [PW_XLOGY] = S##_xlogy, [PW_LOGADDEXP] = S##_logaddexp, [PW_NEXTAFTER] = S##_nextafter   \
    }

LOOPS(float, f32, f)
LOOPS(double, f64, )

const PwLoop PW_LOOPS_SCALAR_F32[PW_COUNT] = TABLE(f32);
const PwLoop PW_LOOPS_SCALAR_F64[PW_COUNT] = TABLE(f64);
