// K and Y of order 0 and 1 for float, computed in double (see vec_wide.h). Included once by vec_both.h.

#define wseries VEC_NAME(f64_vseries)
#define wpowers VEC_NAME(f64_vpowers)
#define wexp(x) SLEEF_F64(exp, u10)(x)
#define wlog(x) SLEEF_F64(log, u10)(x)

// Below 2 the logarithm's part apart, beyond it sqrt(x) exp(x) K(x) in 1 / x. The terms left out are below 1e-10 of the sum.
// `scaled`: times exp(x).
#define k0_of VEC_NAME(wide_k0)
#define k1_of VEC_NAME(wide_k1)
#define k_domain VEC_NAME(wide_k_domain)
ISA_INLINE D k_domain(D x, D y)
{
    y = wselect(x == 0, wsplat(__builtin_inf()), y);
    return wselect(x < 0, wsplat(__builtin_nan("")), y);
}
ISA_INLINE D k0_of(D x, bool scaled)
{
    D q = x * x * 0.25, down = wexp(-x);
    D near = wseries(K0_NEAR, 7, 2 * q - 1) - wlog(0.5 * x) * wpowers(q, 0), far = wseries(K0_FAR, 13, 4 / x - 1) / VEC_NAME(f64_vsqrt)(x);
    return k_domain(x, scaled ? wselect(x <= 2, near / down, far) : wselect(x <= 2, near, far * down));
}
ISA_INLINE D k1_of(D x, bool scaled)
{
    D q = x * x * 0.25, down = wexp(-x);
    D near = wseries(K1_NEAR, 8, 2 * q - 1) / x + wlog(0.5 * x) * wpowers(q, 1) * (0.5 * x);
    D far = wseries(K1_FAR, 13, 4 / x - 1) / VEC_NAME(f64_vsqrt)(x);
    return k_domain(x, scaled ? wselect(x <= 2, near / down, far) : wselect(x <= 2, near, far * down));
}
WIDE(k0, k0_of(x, false))
WIDE(k0e, k0_of(x, true))
WIDE(k1, k1_of(x, false))
WIDE(k1e, k1_of(x, true))

// Below 8 the logarithm's part apart, beyond it Y = sqrt(2 / (pi x)) (P sin(h) + Q cos(h)) with J's P, Q and h; all to
// 1e-14 of the amplitude, for the digits next to zeros.
#define y0_of VEC_NAME(wide_y0)
#define y1_of VEC_NAME(wide_y1)
#define y_domain VEC_NAME(wide_y_domain)
ISA_INLINE D y_domain(D x, D y)
{
    y = wselect(x == 0, wsplat(-__builtin_inf()), y);
    y = wselect(x == __builtin_inf(), (D){0}, y);
    return wselect(x < 0, wsplat(__builtin_nan("")), y);
}
ISA_INLINE D y0_of(D x)
{
    D z = 1 / x, c = SLEEF_F64(cos, u10)(x), s = SLEEF_F64(sin, u10)(x), t = z * z * 128 - 1, u = x * x * 0.03125 - 1;
    D far = (wseries(J0_P, 11, t) * (s - c) + wseries(J0_Q, 12, t) * z * (c + s)) / VEC_NAME(f64_vsqrt)(x * 3.14159265358979323846);
    D near = wseries(Y0_NEAR, 16, u) + 0.63661977236758134308 * wlog(0.5 * x) * wseries(J0_NEAR, 16, u);
    return y_domain(x, wselect(x <= 8, near, far));
}
ISA_INLINE D y1_of(D x)
{
    D z = 1 / x, c = SLEEF_F64(cos, u10)(x), s = SLEEF_F64(sin, u10)(x), t = z * z * 128 - 1, u = x * x * 0.03125 - 1;
    D far = (wseries(J1_Q, 12, t) * z * (s - c) - wseries(J1_P, 11, t) * (c + s)) / VEC_NAME(f64_vsqrt)(x * 3.14159265358979323846);
    D near = wseries(Y1_NEAR, 15, u) * x + 0.63661977236758134308 * (wlog(0.5 * x) * wseries(J1_NEAR, 15, u) * x - z);
    return y_domain(x, wselect(x <= 8, near, far));
}
WIDE(bessel_y0, y0_of(x))
WIDE(bessel_y1, y1_of(x))
