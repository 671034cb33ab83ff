// The vectorised loops for one floating-point type T. Included once for float and once for double by vec_both.h.
// V is a vector of W elements; comparisons give vectors of INT, all bits set where true.
// Needs T, IS_FLOAT, INT and UINT (of the same size), FN(name) and SL(name, accuracy), the SLEEF function for V.

#define V FN(vector)
#define VI FN(ivector)
typedef T V __attribute__((vector_size(VEC_BYTES)));
typedef INT VI __attribute__((vector_size(VEC_BYTES)));
typedef UINT FN(uvector) __attribute__((vector_size(VEC_BYTES))); // wraps around, as NaN makes the others do
#define W (VEC_BYTES / (int)sizeof(T))

#define load FN(load)
#define store FN(store)
#define splat FN(splat)
#define load_part FN(load_part)
#define store_part FN(store_part)
#define select FN(select)
static inline V load(const T *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store(T *p, V v) { memcpy(p, &v, sizeof v); }
static inline V splat(T x) { return x - (V){0}; }
// The last elements of a loop, fewer than W; the rest of the vector is 1, in the domain of every function.
static inline V load_part(const T *p, int64_t n)
{
    V v = splat(1);
    memcpy(&v, p, (size_t)n * sizeof(T));
    return v;
}
static inline void store_part(T *p, V v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(T)); }
static inline V select(VI mask, V a, V b) { return (V)((mask & (VI)a) | (~mask & (VI)b)); }

#define vabs FN(vabs)
#define vnan FN(vnan)
#define vsqrt FN(vsqrt)
#define vfloor FN(vfloor)
#define vtrunc FN(vtrunc)
#define vround FN(vround)
#define vclamp FN(vclamp)
static inline V vabs(V x) { return (V)((VI)x & ~(VI)splat((T)-0.0)); }
static inline VI vnan(V x) { return x != x; }
static inline V vsqrt(V x)
{
    for (int k = 0; k < W; k++)
        x[k] = sizeof(T) == 4 ? (T)__builtin_sqrtf((float)x[k]) : (T)__builtin_sqrt(x[k]);
    return x;
}
static inline V vfloor(V x) { return SL(floor, )(x); }
static inline V vtrunc(V x) { return SL(trunc, )(x); }
static inline V vround(V x) { return SL(rint, )(x); }
static inline V vclamp(V x, V low, V high)
{
    x = select(x < low, low, x);
    return select(x > high, high, x);
}

// tanh and erf: minimax polynomials near 0 (fitted for this program, relative errors below 5e-9 in float and 3e-18 in
// double), and exp beyond, where nothing cancels. Errors stay within 2 ulp in float and 0.9 ulp in double (but for erf of
// double); SLEEF's are as accurate but several times slower.
#define vtanh FN(vtanh)
#define verf FN(verf)
#if IS_FLOAT
static inline V vtanh(V x)
{
    V a = vabs(x), z = x * x;
    V p = (T)-5.717044511e-03 * z + (T)2.065058678e-02;
    p = p * z + (T)-5.374349792e-02;
    p = p * z + (T)1.333149128e-01;
    p = p * z + (T)-3.333328393e-01;
    V far = 1 - 2 / (SL(exp, u10)(a + a) + 1);
    return (V)((VI)select(a < (T)0.625, a + a * z * p, far) | ((VI)x & (VI)splat((T)-0.0)));
}
#else
// exp(y) = s + s q with s = 2^n, |y| up to 708.
#define vexp_parts FN(vexp_parts)
static inline V vexp_parts(V y, V *s)
{
    static const double exponential[] = {
        2.510038549551032e-08, 2.7620088445409746e-07, 2.7557268459997064e-06, 2.4801521295954376e-05,
        0.00019841269863053618, 0.0013888888917213717, 0.008333333333330062, 0.04166666666662413, 0.16666666666666669,
        0.5000000000000001,
    };
    V whole = FMA(y, splat(1.44269504088896340736), splat(6755399441055744.0)), n = whole - 6755399441055744.0;
    V r = (y - n * 0x1.62e42fefap-1) - n * 0x1.cf79abc9e3b3ap-40, q = splat(exponential[0]);
    for (int k = 1; k < 10; k++)
        q = FMA(q, r, splat(exponential[k]));
    *s = (V)((FN(uvector))splat(1) + ((FN(uvector))whole << 52));
    return FMA(r * r, q, r);
}
// Beyond 0.55 it is 1 - f with f = 2 / (exp(2 |x|) + 1), and exp(2 |x|) = s + s q with s = 2^n: the sum's rounding error and
// that of 1 - f are kept and put right, so that of f's error, at most 1.3 ulp, only half counts.
static inline V vtanh(V x)
{
    static const double near_0[] = {
        -2.060276537636634e-05, 8.511313685577672e-05, -0.0002346347410887237, 0.0005889360520074057,
        -0.001455661830100716, 0.003592110378689024, -0.008863234397814355, 0.021869488493666944,
        -0.053968253967434016, 0.13333333333332714, -0.3333333333333333,
    };
    V a = vabs(x), z = x * x, p = splat(near_0[0]);
    for (int k = 1; k < 11; k++)
        p = FMA(p, z, splat(near_0[k]));
    V s, q = vexp_parts(select(a > 20, splat(20), a) * 2, &s);
    V sum = s + 1, d = sum + s * q, rest = (sum - d) + s * q;
    V f = 2 / d, far = 1 - f;
    far += ((1 - far) - f) + f * f * rest * 0.5;
    return (V)((VI)select(a < 0.55, a + a * z * p, far) | ((VI)x & (VI)splat(-0.0)));
}
#endif
static inline V verf(V x)
{
    if (sizeof(T) == 8)
        return SL(erf, u10)(x);
    V a = vabs(x), z = x * x;
    V p = (T)8.513103688e-05 * z + (T)-8.175639203e-04;
    p = p * z + (T)5.203859152e-03;
    p = p * z + (T)-2.686050846e-02;
    p = p * z + (T)1.128371503e-01;
    p = p * z + (T)-3.761263498e-01;
    p = p * z + (T)1.128379167e+00;
    // 1 - exp(-q(|x|)); at 4 erf is 1 in float.
    V b = select(a > 4, splat(4), a);
    V q = (T)-1.971816502e-04 * b + (T)3.055606847e-03;
    q = q * b + (T)-2.227708432e-02;
    q = q * b + (T)1.040373540e-01;
    q = q * b + (T)6.370597594e-01;
    q = q * b + (T)1.127749559e+00;
    q = q * b + (T)1.774954953e-04;
    V far = 1 - SL(exp, u10)(-q);
    far = (V)((VI)far | ((VI)x & (VI)splat((T)-0.0)));
    return select(a < (T)0.9, x * p, far);
}

// exp(x) - 1: x = n ln 2 + r, and 2^n q + (2^n - 1) with q = exp(r) - 1, a Taylor polynomial whose relative error
// is at most 1e-9 for |r| <= ln 2 / 2. Within 1.5 ulp.
#define vexpm1 FN(vexpm1)
#if IS_FLOAT
static inline V vexpm1(V x)
{
    V y = vclamp(x, splat(-30), splat(89)); // -1 and infinite in float
    V whole = FMA(y, splat(1.44269504088896340736f), splat(12582912.0f)), n = whole - 12582912.0f;
    V r = (y - n * 0x1.62e4p-1f) - n * 1.4286068203094172e-06f, q = splat(1 / 40320.0f);
    for (int k = 7, factorial = 5040; k > 1; factorial /= k, k--)
        q = FMA(q, r, splat(1.0f / (float)factorial));
    V s = (V)((FN(uvector))splat(0.5f) + ((FN(uvector))whole << 23)); // 2^n need not be finite
    return 2 * FMA(s, FMA(r * r, q, r), s - 0.5f);
}
#else
static inline V vexpm1(V x) { return SL(expm1, u10)(x); }
#endif

#define vupper FN(vupper)
#if IS_FLOAT
// erfc(a / sqrt(2)), a >= 0, as 2^(-a q(a)): nothing cancels on either side of gelu. q: a minimax polynomial fitted for this
// program, which makes a relative error of 5e-9 near 0, growing as the rounding of the exponent does. 0 beyond 7, where
// the value is 2.6e-12.
static inline V vupper(V a)
{
    V b = select(a > 7, splat(7), a);
    V q = splat(3.34763115e-08f);
    static const float exponent[] = {-9.62581339e-07f, 1.18894541e-05f,  -8.06589524e-05f, 0.00029014211f, -1.39856538e-05f,
                                     -0.00693822606f,  0.0524402894f,    0.459219843f,     1.15110445f};
    for (int k = 0; k < 9; k++)
        q = FMA(q, b, splat(exponent[k]));
    // Adding 1.5 * 2^23 rounds to a whole number, which stands in the low bits.
    V whole = FMA(-b, q, splat(12582912.0f)), r = FMA(-b, q, 12582912.0f - whole), power = splat(0.000153458124f);
    static const float root[] = {0.00133999309f, 0.00961848907f, 0.0555032864f, 0.240226462f, 0.693147182f, 1};
    for (int k = 0; k < 6; k++)
        power = FMA(power, r, splat(root[k]));
    power = (V)((FN(uvector))power + ((FN(uvector))whole << 23));
    return select(a > 7, (V){0}, power);
}
#else
// The same as exp(-a^2 / 2) times a polynomial in (a - 5) / (a + 5), to 3e-18 of 1; 0 beyond 37.5, where it is 1e-307.
static inline V vupper(V a)
{
    static const double scaled[] = {
        -4.6322621401565016e-10, -1.1372553233604422e-09, 3.651385185643924e-09, 1.1369858878258363e-08,
        -2.1992774339836793e-08, -7.832135871092183e-08, 1.5422022349382204e-07, 4.866797011125375e-07,
        -1.350162486643248e-06, -2.540143793176019e-06, 1.3288845292975735e-05, 1.9226095549979397e-06,
        -0.0001208549665045576, 0.0002685536872323698, 0.0004391014754211594, -0.004757688713427488,
        0.01798274110116079, -0.046827800975381716, 0.09571070456834108, -0.1617677545282549, 0.23213762377200656,
        -0.28691511052802393, 0.15383860995001258,
    };
    V b = select(a > 37.5, splat(37.5), a), t = (b - 5) / (b + 5), p = splat(scaled[0]);
    for (int k = 1; k < 23; k++)
        p = FMA(p, t, splat(scaled[k]));
    V s, q = vexp_parts(b * b * -0.5, &s);
    return select(a > 37.5, (V){0}, p * (s + s * q));
}
#endif
// 1 + erf(x / sqrt(2)); in double below 1 by erf itself, for the last digits.
#define vgelu_factor FN(vgelu_factor)
static inline V vgelu_factor(V x)
{
    V a = vabs(x), upper = vupper(a), y = select(x < 0, upper, 2 - upper);
#if !IS_FLOAT
    static const double near_0[] = {
        8.148653954853255e-12, -2.212865656551178e-10, 4.5408275171352e-09, -8.244821502832163e-08,
        1.3319359759310462e-06, -1.888931158620769e-05, 0.00023086937503311882, -0.0023746564309360687,
        0.019947114020070045, -0.13298076013381085, 0.7978845608028654,
    };
    V z = x * x, p = splat(near_0[0]);
    for (int k = 1; k < 11; k++)
        p = FMA(p, z, splat(near_0[k]));
    y = select(a < 1, FMA(x, p, splat(1)), y);
#endif
    return y;
}

// Clenshaw's sum of a Chebyshev series at t, |t| <= 1.
#define vseries FN(vseries)
static inline V vseries(const double *c, int n, V t)
{
    V b0 = {0}, b1 = {0}, twice = t + t;
    for (int k = n - 1; k > 0; k--) {
        V next = twice * b0 - b1 + (T)c[k];
        b1 = b0;
        b0 = next;
    }
    return t * b0 - b1 + (T)c[0];
}
#define TERMS(table) (sizeof(T) == 4 ? table##_F32 : (int)(sizeof(table) / sizeof *(table)))
// exp(-|x|) I0(x) and exp(-|x|) I1(x).
#define vi0e FN(vi0e)
#define vi1e FN(vi1e)
static inline V vi0e(V x)
{
    V a = vabs(x);
    V near = vseries(I0_NEAR, TERMS(I0_NEAR), a * (T)0.25 - 1), far = vseries(I0_FAR, TERMS(I0_FAR), 16 / a - 1) / vsqrt(a);
    return select(a <= 8, near, far);
}
static inline V vi1e(V x)
{
    V a = vabs(x);
    V near = vseries(I1_NEAR, TERMS(I1_NEAR), a * (T)0.25 - 1) * a, far = vseries(I1_FAR, TERMS(I1_FAR), 16 / a - 1) / vsqrt(a);
    V y = select(a <= 8, near, far);
    return select(x < 0, -y, y);
}

// 1 + q / (1 (1 + n)) (1 + q / (2 (2 + n)) (1 + …)): the power series of Jn, up to |q| = 1.
#define vpowers FN(vpowers)
static inline V vpowers(V q, int n)
{
    V sum = splat(1);
    for (int k = sizeof(T) == 4 ? 6 : 11; k > 0; k--)
        sum = 1 + q * (T)(1.0 / (k * (k + n))) * sum;
    return sum;
}

// J0 and J1. The phases x - pi/4 and x - 3 pi/4 are taken apart, so that they are not rounded.
#define vj0 FN(vj0)
#define vj1 FN(vj1)
static inline V vj0(V x)
{
    V a = vabs(x), z = 1 / a, c = SL(cos, u10)(a), s = SL(sin, u10)(a), t = z * z * 128 - 1;
    V far = (vseries(J0_P, TERMS(J0_P), t) * (c + s) - vseries(J0_Q, TERMS(J0_Q), t) * z * (s - c)) / vsqrt(a * (T)3.14159265358979323846);
    V y = select(a <= 8, vseries(J0_NEAR, TERMS(J0_NEAR), a * a * (T)0.03125 - 1), far);
    return select(a < 2, vpowers(a * a * (T)-0.25, 0), y);
}
static inline V vj1(V x)
{
    V a = vabs(x), z = 1 / a, c = SL(cos, u10)(a), s = SL(sin, u10)(a), t = z * z * 128 - 1;
    V far = (vseries(J1_P, TERMS(J1_P), t) * (s - c) + vseries(J1_Q, TERMS(J1_Q), t) * z * (c + s)) / vsqrt(a * (T)3.14159265358979323846);
    V y = select(a <= 8, vseries(J1_NEAR, TERMS(J1_NEAR), a * a * (T)0.03125 - 1) * a, far);
    y = select(a < 2, vpowers(a * a * (T)-0.25, 1) * a * (T)0.5, y);
    return select(x < 0, -y, y);
}

// The second derivative of log gamma: recurrence, asymptotic series, and reflection left of 0.5.
#define vtrigamma FN(vtrigamma)
static inline V vtrigamma(V x)
{
    enum { STEPS = sizeof(T) == 4 ? 5 : 10 };
    V y = select(x < (T)0.5, 1 - x, x), sum = {0};
    for (int k = 0; k < STEPS; k++) {
        sum += 1 / (y * y);
        y += 1;
    }
    V z = 1 / (y * y), tail = (T)(-1.0 / 30) + z * ((T)(1.0 / 42) + z * (T)(-1.0 / 30));
    if (sizeof(T) == 8)
        tail = (T)(-1.0 / 30) + z * ((T)(1.0 / 42) + z * ((T)(-1.0 / 30) + z * ((T)(5.0 / 66) + z * ((T)(-691.0 / 2730) + z * (T)(7.0 / 6)))));
    sum += (1 + (T)0.5 / y + z * ((T)(1.0 / 6) + z * tail)) / y;
    V sine = SL(sin, u10)(x * (T)3.14159265358979323846);
    return select(x < (T)0.5, (T)9.86960440108935861883 / (sine * sine) - sum, sum);
}

// The quantile of the normal distribution for p in (1e-6, 1 - 1e-6): Giles' erfinv, then a step of Newton's (float) or
// Halley's method (double) on erf near the centre and on erfc away from it.
#define vndtri FN(vndtri)
static inline V vndtri(V p)
{
    V q = select(p > (T)0.5, 1 - p, p), x = 1 - 2 * q, w = -SL(log, u10)(4 * q * (1 - q));
    V c = w - (T)2.5, far = vsqrt(w) - 3;
    V near = (T)3.43273939e-07 + c * (T)2.81022636e-08;
    near = (T)0.00021858087 + c * ((T)-4.39150654e-06 + c * ((T)-3.5233877e-06 + c * near));
    near = (T)1.50140941 + c * ((T)0.246640727 + c * ((T)-0.00417768164 + c * ((T)-0.00125372503 + c * near)));
    V away = (T)0.000100950558 + far * (T)-0.000200214257;
    away = (T)0.00573950773 + far * ((T)-0.00367342844 + far * ((T)0.00134934322 + far * away));
    away = (T)2.83297682 + far * ((T)1.00167406 + far * ((T)0.00943887047 + far * ((T)-0.0076224613 + far * away)));
    V y = x * select(w < 5, near, away);
    V error = select(y < (T)0.5, verf(y) - x, 2 * q - SL(erfc, u15)(y));
    V newton = error * (T)0.88622692545275801365 * SL(exp, u10)(y * y);
    y -= sizeof(T) == 4 ? newton : newton / (1 + y * newton);
    y *= (T)1.41421356237309504880;
    return select(p > (T)0.5, y, -y);
}

// x: the elements; p: the numbers. `setup` runs once.
#define UNARY(name, setup, result)                                                                                     \
    static void FN(name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0];                                                                                            \
        T *o = out;                                                                                                    \
        setup;                                                                                                         \
        int64_t i = 0;                                                                                                 \
        for (; i + W <= n; i += W) {                                                                                   \
            V x = load(a + i);                                                                                         \
            store(o + i, result);                                                                                      \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            V x = load_part(a + i, n - i);                                                                             \
            store_part(o + i, result, n - i);                                                                          \
        }                                                                                                              \
    }
#define NONE ((void)0)

UNARY(neg, NONE, -x)
UNARY(abs, NONE, vabs(x))
UNARY(sign, NONE, (V)((VI)splat(1) & (VI)(x > 0)) - (V)((VI)splat(1) & (VI)(x < 0)))
UNARY(ceil, NONE, SL(ceil, )(x))
UNARY(floor, NONE, vfloor(x))
UNARY(round, NONE, vround(x))
UNARY(round_decimals, T ten = (T)__builtin_pow(10, __builtin_fabs(p->f[0])); bool up = p->f[0] < 0,
      up ? vround(x / ten) * ten : vround(x *ten) / ten)
UNARY(trunc, NONE, vtrunc(x))
UNARY(frac, NONE, x - vtrunc(x))
UNARY(sqrt, NONE, vsqrt(x))
UNARY(rsqrt, NONE, 1 / vsqrt(x))
UNARY(reciprocal, NONE, 1 / x)
UNARY(square, NONE, x *x)
UNARY(exp, NONE, SL(exp, u10)(x))
UNARY(exp2, NONE, SL(exp2, u10)(x))
UNARY(expm1, NONE, SL(expm1, u10)(x))
UNARY(log, NONE, SL(log, u10)(x))
UNARY(log2, NONE, SL(log2, u10)(x))
UNARY(log10, NONE, SL(log10, u10)(x))
UNARY(log1p, NONE, SL(log1p, u10)(x))
UNARY(sin, NONE, SL(sin, u10)(x))
UNARY(cos, NONE, SL(cos, u10)(x))
UNARY(tan, NONE, SL(tan, u10)(x))
UNARY(asin, NONE, SL(asin, u10)(x))
UNARY(acos, NONE, SL(acos, u10)(x))
UNARY(atan, NONE, SL(atan, u10)(x))
UNARY(sinh, NONE, SL(sinh, u10)(x))
UNARY(cosh, NONE, SL(cosh, u10)(x))
UNARY(tanh, NONE, vtanh(x))
UNARY(asinh, NONE, SL(asinh, u10)(x))
UNARY(acosh, NONE, SL(acosh, u10)(x))
UNARY(atanh, NONE, SL(atanh, u10)(x))
UNARY(erf, NONE, verf(x))
UNARY(lgamma, NONE, SL(lgamma, u10)(x))
UNARY(sigmoid, NONE, 1 / (1 + SL(exp, u10)(-x)))
UNARY(silu, NONE, x / (1 + SL(exp, u10)(-x)))
UNARY(relu, NONE, select(x < 0, (V){0}, x)) // -0 stays
UNARY(leaky_relu, T slope = (T)p->f[0], select(x > 0, x, x *slope))
UNARY(clamp, V low = splat((T)p->f[0]); V high = splat((T)p->f[1]), vclamp(x, low, high))
UNARY(hardsigmoid, NONE, vclamp(x + 3, (V){0}, splat(6)) / 6)
UNARY(hardswish, NONE, x *vclamp(x + 3, (V){0}, splat(6)) / 6)
UNARY(hardshrink, T lambda = (T)p->f[0], select((x >= -lambda) & (x <= lambda), (V){0}, x))
UNARY(softshrink, T lambda = (T)p->f[0], select(x > lambda, x - lambda, select(x < -lambda, x + lambda, (V){0})))
UNARY(threshold, T at = (T)p->f[0]; V value = splat((T)p->f[1]), select(x <= at, value, x))
UNARY(logit, T eps = (T)p->f[0];
      V low = splat(eps < 0 ? (T)-__builtin_inf() : eps); V high = splat(eps < 0 ? (T)__builtin_inf() : 1 - eps),
      ({
          V c = vclamp(x, low, high);
          SL(log, u10)(c / (1 - c));
      }))
UNARY(gelu, NONE, x *(T)0.5 * vgelu_factor(x))
UNARY(gelu_tanh, NONE, (T)0.5 * x * (1 + vtanh((T)0.79788456080286535588 * (x + (T)0.044715 * x * x * x))))
// tanh(log1p(e)) = (e² + 2e) / (e² + 2e + 2) with e = exp(x); beyond 20 it is 1.
UNARY(mish, NONE, ({
          V e = SL(exp, u10)(select(x > 20, splat(20), x));
          V q = e * (e + 2);
          x *(q / (q + 2));
      }))
UNARY(softplus, T beta = (T)p->f[0]; T at = (T)p->f[1],
      select(x * beta > at, x, SL(log1p, u10)(SL(exp, u10)(x * beta)) / beta))
UNARY(logsigmoid, NONE, select(x < 0, x, (V){0}) - SL(log1p, u10)(SL(exp, u10)(-vabs(x))))
// numbers: alpha, scale, input_scale
UNARY(elu, T negative = (T)(p->f[0] * p->f[1]); T scale = (T)p->f[1]; T inside = (T)p->f[2],
      select(x <= 0, vexpm1(x * inside) * negative, x *scale))
UNARY(nan_to_num, V nan = splat((T)p->f[0]); V top = splat((T)p->f[1]); V bottom = splat((T)p->f[2]),
      select(vnan(x), nan, select(x == (T)__builtin_inf(), top, select(x == (T)-__builtin_inf(), bottom, x))))

// x, y: the elements; either may be one element repeated.
#define BINARY_LOOP(get_x, get_x_part, get_y, get_y_part, result)                                                      \
    int64_t i = 0;                                                                                                     \
    for (; i + W <= n; i += W) {                                                                                       \
        V x = get_x, y = get_y;                                                                                        \
        store(o + i, result);                                                                                          \
    }                                                                                                                  \
    if (i < n) {                                                                                                       \
        V x = get_x_part, y = get_y_part;                                                                              \
        store_part(o + i, result, n - i);                                                                              \
    }
#define BINARY(name, setup, result)                                                                                    \
    static void FN(name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1];                                                                                \
        T *o = out;                                                                                                    \
        setup;                                                                                                         \
        if (scalars == 0) {                                                                                            \
            BINARY_LOOP(load(a + i), load_part(a + i, n - i), load(b + i), load_part(b + i, n - i), result)            \
        } else if (scalars == 1) {                                                                                     \
            V one = splat(*a);                                                                                         \
            BINARY_LOOP(one, one, load(b + i), load_part(b + i, n - i), result)                                        \
        } else {                                                                                                       \
            V one = splat(*b);                                                                                         \
            BINARY_LOOP(load(a + i), load_part(a + i, n - i), one, one, result)                                        \
        }                                                                                                              \
    }

BINARY(add, NONE, x + y)
BINARY(sub, NONE, x - y)
BINARY(mul, NONE, x *y)
BINARY(div, NONE, x / y)
BINARY(add_alpha, T alpha = (T)p->f[0], x + alpha * y)
BINARY(div_trunc, NONE, vtrunc(x / y))
BINARY(atan2, NONE, SL(atan2, u10)(x, y))
BINARY(hypot, NONE, SL(hypot, u05)(x, y))
// Of two equal zeros the second, as PyTorch's vector loops; what these leave over, and strided operands, it takes from the first.
BINARY(maximum, NONE, select((x > y) | vnan(x), x, y))
BINARY(minimum, NONE, select((x < y) | vnan(x), x, y))
// Of two equal zeros the first, as PyTorch's with all dtypes but bfloat16.
BINARY(fmax, NONE, select((x >= y) | vnan(y), x, y))
BINARY(fmin, NONE, select((x <= y) | vnan(y), x, y))
BINARY(copysign, NONE, (V)(((VI)x & ~(VI)splat((T)-0.0)) | ((VI)y & (VI)splat((T)-0.0))))
BINARY(prelu, NONE, select(x > 0, x, x *y))
BINARY(glu, NONE, x / (1 + SL(exp, u10)(-y)))
// A parabola below a distance, a line beyond it. numbers: the distance, what the parabola is divided by, the line's slope
BINARY(huber, T at = (T)p->f[0]; T divisor = (T)p->f[1]; T slope = (T)p->f[2]; T half = (T)(0.5 * p->f[0]), ({
           V d = vabs(x - y);
           select(d < at, (T)0.5 * d * d / divisor, (d - half) * slope);
       }))
BINARY(pow_any, NONE, SL(pow, u10)(x, y))

BINARY(fmod, NONE, SL(fmod, )(x, y))
BINARY(remainder, NONE, ({
           V rest = SL(fmod, )(x, y);
           select((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest);
       }))
// Quotient rounded down, as Python's float floor division rounds it.
BINARY(div_floor, NONE, ({
           V exact = x / y, rest = SL(fmod, )(x, y), q = (x - rest) / y;
           q = select((rest != 0) & ((y < 0) != (rest < 0)), q - 1, q);
           V down = vfloor(q);
           down = select(q - down > (T)0.5, down + 1, down);
           down = select(q == 0, (V)((VI)exact & (VI)splat((T)-0.0)), down);
           select((y == 0) | (vabs(exact) == (T)__builtin_inf()), exact, down);
       }))
BINARY(logaddexp, NONE, ({
           V top = select((x > y) | vnan(x), x, y);
           V sum = top + SL(log1p, u10)(SL(exp, u10)(-vabs(x - y)));
           select((x == y) & (vabs(x) == (T)__builtin_inf()), x, sum);
       }))
BINARY(logaddexp2, NONE, ({
           V top = select((x > y) | vnan(x), x, y);
           V sum = top + SL(log1p, u10)(SL(exp2, u10)(-vabs(x - y))) * (T)1.44269504088896340736;
           select((x == y) & (vabs(x) == (T)__builtin_inf()), x, sum);
       }))
BINARY(xlogy, NONE, select((x == 0) & ~vnan(y), (V){0}, x *SL(log, u10)(y)))
BINARY(xlog1py, NONE, select((x == 0) & ~vnan(y), (V){0}, x *SL(log1p, u10)(y)))
BINARY(nextafter, NONE, select(vnan(x) | vnan(y), x + y, SL(nextafter, )(x, y)))
UNARY(sinc, NONE, ({
          V z = x * (T)3.14159265358979323846;
          select(x == 0, splat(1), SL(sin, u10)(z) / z);
      }))
UNARY(same, NONE, x)
UNARY(angle, NONE, select(vnan(x), x, select(x < 0, splat((T)3.14159265358979323846), (V){0})))
BINARY(heaviside, NONE, select(x == 0, y, select(x > 0, splat(1), (V){0})))
UNARY(entr, NONE, select(vnan(x), x, select(x > 0, -x *SL(log, u10)(x), select(x == 0, (V){0}, splat((T)-__builtin_inf())))))
#if !IS_FLOAT // of float: vec_wide.h
UNARY(erfc, NONE, SL(erfc, u15)(x))
UNARY(ndtr, NONE, (T)0.5 * SL(erfc, u15)(x * (T)-0.70710678118654752440))
#endif

UNARY(cube, NONE, x *x *x)
UNARY(reciprocal_square, NONE, 1 / (x * x))
// Common exponents as PyTorch computes them.
static void FN(pow)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    PwLoop loop = FN(pow_any);
    if (scalars == 2) {
        T e = *(const T *)in[1];
        loop = e == 2 ? FN(square) : e == (T)0.5 ? FN(sqrt) : e == 3 ? FN(cube) : e == (T)-0.5 ? FN(rsqrt)
             : e == -1 ? FN(reciprocal) : e == -2 ? FN(reciprocal_square) : FN(pow_any);
    }
    loop(out, in, n, scalars, p);
}

UNARY(i0, NONE, SL(exp, u10)(vabs(x)) * vi0e(x))
UNARY(i0e, NONE, vi0e(x))
UNARY(i1, NONE, SL(exp, u10)(vabs(x)) * vi1e(x))
UNARY(i1e, NONE, vi1e(x))
UNARY(bessel_j0, NONE, vj0(x))
UNARY(bessel_j1, NONE, vj1(x))
UNARY(trigamma, NONE, vtrigamma(x))
UNARY(ndtri, NONE, ({
          V y = vndtri(x);
          for (int k = 0; k < W; k++)
              if (!(x[k] > (T)1e-6 && x[k] < 1 - (T)1e-6))
                  y[k] = (T)special_ndtri((double)x[k]);
          y;
      }))

static void FN(polygamma)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)
{
    if (p->f[0] == 1) {
        FN(trigamma)(out, in, n, scalars, p);
        return;
    }
    const T *a = in[0];
    T *o = out;
    for (int64_t i = 0; i < n; i++)
        o[i] = (T)special_polygamma(p->f[0], (double)a[i]);
}

#define TERNARY(name, setup, result)                                                                                   \
    static void FN(name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *a = in[0], *b = in[1], *c = in[2];                                                                    \
        T *o = out;                                                                                                    \
        setup;                                                                                                         \
        int64_t i = 0;                                                                                                 \
        for (; i + W <= n; i += W) {                                                                                   \
            V x = load(a + i), y = load(b + i), z = load(c + i);                                                       \
            store(o + i, result);                                                                                      \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            V x = load_part(a + i, n - i), y = load_part(b + i, n - i), z = load_part(c + i, n - i);                   \
            store_part(o + i, result, n - i);                                                                          \
        }                                                                                                              \
    }
TERNARY(lerp, NONE, select(vabs(z) < (T)0.5, x + z * (y - x), y - (y - x) * (1 - z)))
TERNARY(addcmul, T value = (T)p->f[0], x + value * y * z)
TERNARY(addcdiv, T value = (T)p->f[0], x + value * y / z)
TERNARY(clamp_tensor, NONE, ({
            V low = select((x < y) | vnan(y), y, x);
            select((low > z) | vnan(z), z, low);
        }))

// Results of type bool never share memory with operands of type T.
#define COMPARE(name, result)                                                                                          \
    static void FN(name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        const T *restrict a = in[0], *restrict b = in[1];                                                              \
        uint8_t *restrict o = out;                                                                                     \
        if (scalars == 0) {                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i], y = b[i];                                                                                  \
                o[i] = result;                                                                                         \
            }                                                                                                          \
        } else if (scalars == 1) {                                                                                     \
            T x = *a;                                                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T y = b[i];                                                                                            \
                o[i] = result;                                                                                         \
            }                                                                                                          \
        } else {                                                                                                       \
            T y = *b;                                                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = a[i];                                                                                            \
                o[i] = result;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }
COMPARE(eq, x == y)
COMPARE(ne, x != y)
COMPARE(lt, x < y)
COMPARE(le, x <= y)
COMPARE(gt, x > y)
COMPARE(ge, x >= y)
COMPARE(logical_and, (x != 0) & (y != 0))
COMPARE(logical_or, (x != 0) | (y != 0))
COMPARE(logical_xor, (x != 0) ^ (y != 0))

#define TEST(name, result)                                                                                             \
    static void FN(name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)                   \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        const T *restrict a = in[0];                                                                                   \
        uint8_t *restrict o = out;                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            T x = a[i];                                                                                                \
            o[i] = result;                                                                                             \
        }                                                                                                              \
    }
TEST(isnan, x != x)
TEST(isinf, x == (T)__builtin_inf() || x == (T)-__builtin_inf())
TEST(isfinite, x - x == 0)
TEST(isposinf, x == (T)__builtin_inf())
TEST(isneginf, x == (T)-__builtin_inf())
TEST(signbit, __builtin_signbit(x) != 0)
TEST(logical_not, x == 0)

// Extremes for the reductions; see vec.h. Wide: as many doubles as V has elements.
#define EXTREME(name, cmp)                                                                                             \
    static T FN(name)(const T *x, int64_t n, T first)                                                                  \
    {                                                                                                                  \
        V best = splat(first), second = best, third = best, fourth = best; /* a comparison's result takes a while */   \
        int64_t i = 0;                                                                                                 \
        for (; i + 4 * W <= n; i += 4 * W) {                                                                           \
            V v = load(x + i), w = load(x + i + W), y = load(x + i + 2 * W), z = load(x + i + 3 * W);                  \
            best = select((v cmp best) | vnan(v), v, best);                                                            \
            second = select((w cmp second) | vnan(w), w, second);                                                      \
            third = select((y cmp third) | vnan(y), y, third);                                                         \
            fourth = select((z cmp fourth) | vnan(z), z, fourth);                                                      \
        }                                                                                                              \
        best = select((second cmp best) | vnan(second), second, best);                                                 \
        third = select((fourth cmp third) | vnan(fourth), fourth, third);                                              \
        best = select((third cmp best) | vnan(third), third, best);                                                    \
        for (; i + W <= n; i += W) {                                                                                   \
            V v = load(x + i);                                                                                         \
            best = select((v cmp best) | vnan(v), v, best);                                                            \
        }                                                                                                              \
        for (int k = 0; k < W; k++)                                                                                    \
            first = best[k] cmp first || best[k] != best[k] ? best[k] : first;                                         \
        for (; i < n; i++)                                                                                             \
            first = x[i] cmp first || x[i] != x[i] ? x[i] : first;                                                     \
        return first;                                                                                                  \
    }                                                                                                                  \
    static void FN(name##_columns)(double *best, const T *x, int64_t m)                                                \
    {                                                                                                                  \
        typedef double Wide __attribute__((vector_size(VEC_BYTES)));                                                   \
        typedef int64_t Mask __attribute__((vector_size(VEC_BYTES)));                                                  \
        typedef T Few __attribute__((vector_size(VEC_BYTES / 8 * sizeof(T))));                                         \
        enum { STEP = VEC_BYTES / 8 };                                                                                 \
        int64_t j = 0;                                                                                                 \
        for (; j + STEP <= m; j += STEP) {                                                                             \
            Few few;                                                                                                   \
            Wide old;                                                                                                  \
            memcpy(&few, x + j, sizeof few);                                                                           \
            memcpy(&old, best + j, sizeof old);                                                                        \
            Wide v = __builtin_convertvector(few, Wide);                                                               \
            Mask wins = (v cmp old) | (v != v);                                                                        \
            v = (Wide)(((Mask)v & wins) | ((Mask)old & ~wins));                                                        \
            memcpy(best + j, &v, sizeof v);                                                                            \
        }                                                                                                              \
        for (; j < m; j++)                                                                                             \
            best[j] = x[j] cmp best[j] || x[j] != x[j] ? x[j] : best[j];                                               \
    }
EXTREME(max, >)
EXTREME(min, <)

// The loops above as X(operator, name) rows; expanded for each type by vec_both.h.
#undef VEC_LOOPS
#define VEC_LOOPS(X)                                                                                                   \
    X(NEG, neg) X(ABS, abs) X(SIGN, sign) X(SGN, sign) X(CEIL, ceil) X(FLOOR, floor) X(ROUND, round)                   \
    X(ROUND_DECIMALS, round_decimals) X(TRUNC, trunc) X(FRAC, frac) X(SQRT, sqrt) X(RSQRT, rsqrt)                      \
    X(RECIPROCAL, reciprocal) X(SQUARE, square) X(EXP, exp) X(EXP2, exp2) X(EXPM1, expm1) X(LOG, log) X(LOG2, log2)    \
    X(LOG10, log10) X(LOG1P, log1p) X(SIN, sin) X(COS, cos) X(TAN, tan) X(ASIN, asin) X(ACOS, acos) X(ATAN, atan)      \
    X(SINH, sinh) X(COSH, cosh) X(TANH, tanh) X(ASINH, asinh) X(ACOSH, acosh) X(ATANH, atanh) X(SIGMOID, sigmoid)      \
    X(LOGIT, logit) X(RELU, relu) X(LEAKY_RELU, leaky_relu) X(ELU, elu) X(GELU, gelu) X(GELU_TANH, gelu_tanh)          \
    X(SILU, silu) X(MISH, mish) X(SOFTPLUS, softplus) X(CLAMP, clamp) X(HARDSWISH, hardswish)                          \
    X(HARDSIGMOID, hardsigmoid) X(HARDSHRINK, hardshrink) X(SOFTSHRINK, softshrink) X(THRESHOLD, threshold)            \
    X(LOGSIGMOID, logsigmoid) X(ERF, erf) X(ERFC, erfc) X(LGAMMA, lgamma) X(NAN_TO_NUM, nan_to_num) X(ISNAN, isnan)    \
    X(ISINF, isinf) X(ISFINITE, isfinite) X(ISPOSINF, isposinf) X(ISNEGINF, isneginf) X(SIGNBIT, signbit)              \
    X(LOGICAL_NOT, logical_not) X(ADD, add) X(SUB, sub) X(MUL, mul) X(DIV, div) X(ADD_ALPHA, add_alpha)                \
    X(DIV_TRUNC, div_trunc) X(POW, pow) X(ATAN2, atan2) X(MAXIMUM, maximum) X(MINIMUM, minimum) X(FMAX, fmax)          \
    X(FMIN, fmin) X(EQ, eq) X(NE, ne) X(LT, lt) X(LE, le) X(GT, gt) X(GE, ge) X(LOGICAL_AND, logical_and)              \
    X(LOGICAL_OR, logical_or) X(LOGICAL_XOR, logical_xor) X(HYPOT, hypot) X(COPYSIGN, copysign) X(PRELU, prelu)        \
    X(FMOD, fmod) X(REMAINDER, remainder) X(DIV_FLOOR, div_floor) X(LOGADDEXP, logaddexp) X(LOGADDEXP2, logaddexp2)    \
    X(XLOGY, xlogy) X(XLOG1PY, xlog1py) X(NEXTAFTER, nextafter) X(SINC, sinc) X(ENTR, entr) X(NDTR, ndtr)              \
    X(I0, i0) X(I0E, i0e) X(I1, i1) X(I1E, i1e) X(POLYGAMMA, polygamma) X(NDTRI, ndtri) X(BESSEL_J0, bessel_j0) X(BESSEL_J1, bessel_j1)                                \
    X(ANGLE, angle) X(CONJ, same) X(REAL, same) X(HEAVISIDE, heaviside)                                                \
    X(HUBER, huber) X(GLU, glu) X(LERP, lerp) X(ADDCMUL, addcmul) X(ADDCDIV, addcdiv) X(CLAMP_TENSOR, clamp_tensor)

#undef V
#undef VI
#undef W
#undef load
#undef store
#undef splat
#undef load_part
#undef store_part
#undef select
#undef vabs
#undef vnan
#undef vsqrt
#undef vfloor
#undef vtrunc
#undef vround
#undef vclamp
#undef vtanh
#undef verf
#undef vseries
#undef vupper
#undef vgelu_factor
#undef vexpm1
#undef vexp_parts
#undef vi0e
#undef vpowers
#undef vj0
#undef vj1
#undef vi1e
#undef vtrigamma
#undef vndtri
#undef TERMS
#undef UNARY
#undef NONE
#undef BINARY_LOOP
#undef BINARY
#undef TERNARY
#undef COMPARE
#undef TEST
#undef EXTREME
