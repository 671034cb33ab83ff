// Inner loops of the rarer floating-point operators, element by element through the C library.
#include "kernels/pointwise_loops.h"
#include "kernels/special.h"

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

static double logaddexp2(double x, double y)
{
    if (isinf(x) && x == y)
        return x;
    double top = x > y || isnan(x) ? x : y;
    return top + log1p(exp2(-fabs(x - y))) * M_LOG2E;
}
static double xlog1py(double x, double y) { return isnan(y) ? NAN : x == 0 ? 0 : x * log1p(y); }
static double entr(double x) { return isnan(x) ? x : x > 0 ? -x * log(x) : x == 0 ? 0 : -INFINITY; }

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
    UNARY(T, S, erfinv, special_erfinv(x))                                                                                     \
    UNARY(T, S, digamma, special_digamma(x))                                                                                   \
    UNARY(T, S, sinc, sinc(x))                                                                                         \
    UNARY(T, S, angle, angle(x))                                                                                       \
    UNARY(T, S, same, x)                                                                                               \
    BINARY(T, S, div_floor, floor_div##sfx(x, y))                                                                      \
    BINARY(T, S, remainder, remainder_of(x, y))                                                                        \
    BINARY(T, S, fmod, fmod##sfx(x, y))                                                                                \
    BINARY(T, S, xlogy, xlogy(x, y))                                                                                   \
    BINARY(T, S, logaddexp, logaddexp(x, y))                                                                           \
    BINARY(T, S, logaddexp2, logaddexp2(x, y))                                                                         \
    BINARY(T, S, xlog1py, xlog1py(x, y))                                                                               \
    BINARY(T, S, heaviside, x == 0 ? y : x > 0)                                                                        \
    UNARY(T, S, entr, entr(x))                                                                                         \
    BINARY(T, S, nextafter, nextafter##sfx(x, y))

#define TABLE(S)                                                                                                       \
    {                                                                                                                  \
        [PW_ERFINV] = S##_erfinv, [PW_DIGAMMA] = S##_digamma, [PW_SINC] = S##_sinc, [PW_ANGLE] = S##_angle,            \
        [PW_CONJ] = S##_same, [PW_REAL] = S##_same, [PW_DIV_FLOOR] = S##_div_floor, [PW_REMAINDER] = S##_remainder,    \
        [PW_FMOD] = S##_fmod, [PW_XLOGY] = S##_xlogy, [PW_LOGADDEXP] = S##_logaddexp, [PW_NEXTAFTER] = S##_nextafter, \
        [PW_LOGADDEXP2] = S##_logaddexp2, [PW_XLOG1PY] = S##_xlog1py, [PW_HEAVISIDE] = S##_heaviside, [PW_ENTR] = S##_entr  \
    }

LOOPS(float, f32, f)
LOOPS(double, f64, )

const PwLoop PW_LOOPS_SCALAR_F32[PW_COUNT] = TABLE(f32);
const PwLoop PW_LOOPS_SCALAR_F64[PW_COUNT] = TABLE(f64);
