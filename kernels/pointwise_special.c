// Inner loops of special functions, and the orthogonal polynomials, whose recurrences run in the type of the elements.
#include "kernels/pointwise_loops.h"
#include "kernels/special.h"

#include <math.h>

#define UNARY(T, S, name, expr)                                                                                        \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0];                                                                                            \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            double x = (double)a[i];                                                                                   \
            o[i] = (T)(expr);                                                                                          \
        }                                                                                                              \
    }
#define BINARY(T, N, S, name, expr)                                                                                    \
    static void S##_##name(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                 \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1];                                                                                \
        T *o = out;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            N x = (N)a[scalars & 1 ? 0 : i], y = (N)b[scalars & 2 ? 0 : i];                                            \
            o[i] = (T)(expr);                                                                                          \
        }                                                                                                              \
    }

// The value of `edge` at both ends of the interval (and outside it the recurrence), `inside` where cosines are better.
// The recurrence p(k+1) = next, from p(0) = 1 and p(1) = first; it ends where it has become NaN.
#define POLYNOMIAL(T, S, name, edge_test, edge, inside_test, inside, first, step, next)                                \
    static T S##_##name##_of(T x, T order)                                                                             \
    {                                                                                                                  \
        int64_t n = order > -1 && order < (T)9.2e18 ? (int64_t)order : order < 0 ? -1 : INT64_MAX;                     \
        if (n < 0)                                                                                                     \
            return 0;                                                                                                  \
        if (edge_test)                                                                                                 \
            return (T)(edge);                                                                                          \
        if (inside_test)                                                                                               \
            return (T)(inside);                                                                                        \
        T p = 1, q = (T)(first), r = n == 0 ? p : q;                                                                   \
        for (int64_t k = 1; k < n && !isnan(q); k += (step)) {                                                         \
            r = (T)(next);                                                                                             \
            p = q;                                                                                                     \
            q = r;                                                                                                     \
        }                                                                                                              \
        return r;                                                                                                      \
    }                                                                                                                  \
    BINARY(T, T, S, name, S##_##name##_of(x, y))

#define ODD (n % 2 != 0)
#define TWICE(n) ((double)(n)*2 + 1)
#define ANGLE(x, sfx) acos##sfx(x)
// Chebyshev polynomials of four kinds, in x (shifted: in 2x - 1, where -1 is 0).
#define CHEBYSHEV(T, S, sfx, prefix, z, at_low, at_high, from_t, from_u, from_w)                                       \
    POLYNOMIAL(T, S, prefix##_t, (at_low) || (at_high), (at_high) || !ODD ? 1 : -1, n > 6 && fabs##sfx(z) < 1,         \
               cos##sfx((T)n * ANGLE(z, sfx)), z, 1, ((z) + (z)) * q - p)                                              \
    POLYNOMIAL(T, S, prefix##_u, (at_low) || (at_high), (at_high) || !ODD ? (T)n + 1 : -((T)n + 1),                    \
               n > from_u && fabs##sfx(z) < 1 && sin##sfx(ANGLE(z, sfx)) != 0,                                         \
               sin##sfx(((T)n + 1) * ANGLE(z, sfx)) / sin##sfx(ANGLE(z, sfx)), (z) + (z), 1, ((z) + (z)) * q - p)      \
    POLYNOMIAL(T, S, prefix##_v, (at_low) || (at_high),                                                                \
               (at_high) ? 1                                                                                           \
               : ODD     ? -TWICE(n)                                                                                   \
                         : TWICE(n),                                                                                       \
               n > from_u && fabs##sfx(z) < 1 && sin##sfx(ANGLE(z, sfx) / 2) != 1,                                     \
               cos##sfx(((T)n + (T)0.5) * ANGLE(z, sfx)) / cos##sfx(ANGLE(z, sfx) / 2), (z) + (z)-1, 1,                \
               ((z) + (z)) * q - p)                                                                                    \
    POLYNOMIAL(T, S, prefix##_w, (at_low) || (at_high),                                                                \
               (at_high) ? TWICE(n)                                                                                    \
               : ODD     ? -1                                                                                          \
                         : 1,                                                                                              \
               n > from_w && fabs##sfx(z) < 1 && cos##sfx(ANGLE(z, sfx) / 2) != 1,                                     \
               sin##sfx(((T)n + (T)0.5) * ANGLE(z, sfx)) / sin##sfx(ANGLE(z, sfx) / 2), (z) + (z) + 1, 1,              \
               ((z) + (z)) * q - p)

#define LOOPS(T, S, sfx, most)                                                                                         \
    UNARY(T, S, k0, special_k0(x))                                                                                     \
    UNARY(T, S, k0e, special_k0e(x))                                                                                   \
    UNARY(T, S, k1, special_k1(x))                                                                                     \
    UNARY(T, S, k1e, special_k1e(x))                                                                                   \
    UNARY(T, S, y0, special_y0(x))                                                                                     \
    UNARY(T, S, y1, special_y1(x))                                                                                     \
    UNARY(T, S, spherical_j0, special_spherical_j0(x))                                                                 \
    UNARY(T, S, airy_ai, special_airy_ai(x))                                                                           \
    UNARY(T, S, erfinv, special_erfinv(x))                                                                             \
    UNARY(T, S, digamma, special_digamma(x))                                                                           \
    UNARY(T, S, log_ndtr, special_log_ndtr(x))                                                                         \
    UNARY(T, S, erfcx, special_erfcx(x))                                                                               \
    UNARY(T, S, mvlgamma, special_mvlgamma(x, p->f[0]))                                                                \
    BINARY(T, double, S, zeta, special_zeta(x, y))                                                                     \
    CHEBYSHEV(T, S, sfx, chebyshev, x, x == -1, x == 1, 6, 8, 8)                                                       \
    CHEBYSHEV(T, S, sfx, shifted, (x + x - 1), x == 0, x == 1, 6, 6, 4)                                                \
    POLYNOMIAL(T, S, hermite_h, n > (most), NAN, false, 0, x + x, 1, (x + x) * q - (T)(2 * k) * p)                     \
    POLYNOMIAL(T, S, hermite_he, n > (most), NAN, false, 0, x, 1, x * q - (T)k * p)                                    \
    POLYNOMIAL(T, S, laguerre, x == 0, 1, false, 0, 1 - x, 1, (((T)(k + k) + (1 - x)) * q - (T)k * p) / (T)(k + 1))    \
    POLYNOMIAL(T, S, legendre, fabs##sfx(x) == 1, x > 0 || !ODD ? 1 : -1, false, 0, x, 1,                              \
               ((T)(k + k + 1) * x * q - (T)k * p) / (T)(k + 1))

#define TABLE(S)                                                                                                       \
    {                                                                                                                  \
        [PW_K0] = S##_k0, [PW_K0E] = S##_k0e, [PW_K1] = S##_k1, [PW_K1E] = S##_k1e, [PW_BESSEL_Y0] = S##_y0,           \
        [PW_BESSEL_Y1] = S##_y1, [PW_SPHERICAL_J0] = S##_spherical_j0, [PW_AIRY_AI] = S##_airy_ai,                     \
        [PW_ERFINV] = S##_erfinv, [PW_DIGAMMA] = S##_digamma, [PW_LOG_NDTR] = S##_log_ndtr, [PW_ERFCX] = S##_erfcx,    \
        [PW_MVLGAMMA] = S##_mvlgamma, [PW_ZETA] = S##_zeta, [PW_IGAMMA] = S##_igamma, [PW_IGAMMAC] = S##_igammac,      \
        [PW_CHEBYSHEV_T] = S##_chebyshev_t, [PW_CHEBYSHEV_U] = S##_chebyshev_u, [PW_CHEBYSHEV_V] = S##_chebyshev_v,    \
        [PW_CHEBYSHEV_W] = S##_chebyshev_w, [PW_SHIFTED_CHEBYSHEV_T] = S##_shifted_t,                                  \
        [PW_SHIFTED_CHEBYSHEV_U] = S##_shifted_u, [PW_SHIFTED_CHEBYSHEV_V] = S##_shifted_v,                            \
        [PW_SHIFTED_CHEBYSHEV_W] = S##_shifted_w, [PW_HERMITE_H] = S##_hermite_h, [PW_HERMITE_HE] = S##_hermite_he,    \
        [PW_LAGUERRE_L] = S##_laguerre, [PW_LEGENDRE_P] = S##_legendre                                                 \
    }

BINARY(float, float, f32, igamma, special_igamma_f32(x, y))
BINARY(float, float, f32, igammac, special_igammac_f32(x, y))
BINARY(double, double, f64, igamma, special_igamma(x, y))
BINARY(double, double, f64, igammac, special_igammac(x, y))

// Hermite polynomials end where PyTorch 2.14 ends them, which gives NaN beyond (1.13 has no limit).
LOOPS(float, f32, f, 128)
LOOPS(double, f64, , 512)

const PwLoop PW_LOOPS_SPECIAL_F32[PW_COUNT] = TABLE(f32);
const PwLoop PW_LOOPS_SPECIAL_F64[PW_COUNT] = TABLE(f64);
