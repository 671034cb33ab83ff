// Functions of float computed in double, where that costs less than the care that float would need: no cancellation and
// no rounding but the last one matters. Included once by vec_both.h, behind the loops of double. The polynomials are
// minimax fits made for this program, relative errors below 2.3e-9 (a float's last place is 6e-8 or more).

#define D VEC_NAME(f64_vector)
#define DU VEC_NAME(f64_uvector)
#define wselect VEC_NAME(f64_select)
#define wsplat VEC_NAME(f64_splat)
#define wpolynomial VEC_NAME(wide_polynomial)
#define werfc VEC_NAME(wide_erfc)
#define werfinv VEC_NAME(wide_erfinv)
typedef float VEC_NAME(wide_floats) __attribute__((vector_size(VEC_BYTES / 2)));

// c[0] x^(n - 1) + … + c[n - 1]
ISA_INLINE D wpolynomial(const double *c, int n, D x)
{
    D sum = wsplat(c[0]);
    for (int k = 1; k < n; k++)
        sum = VEC_FMA_F64(sum, x, wsplat(c[k]));
    return sum;
}
#define POLYNOMIAL(x, ...) wpolynomial((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double), x)
#define ROUNDER 6755399441055744.0 // 1.5 * 2^52: adding it rounds to a whole number, which stands in the low bits

// exp(-x^2) times a polynomial in (|x| - 3) / (|x| + 3); from 10.1 on float has only 0.
ISA_INLINE D werfc(D x)
{
    D a = VEC_NAME(f64_vabs)(x);
    a = wselect(a > 10.1, wsplat(10.1), a);
    D scaled = POLYNOMIAL((a - 3) / (a + 3), 5.5863572328321424e-05, 2.8757361775080988e-05, -0.0005946262199767886, 0.0007157867356315576,
                          0.004268919238833416, -0.02439423818376938, 0.07166585586259952, -0.1501157816907011, 0.24560379806284066,
                          -0.3262335638245994, 0.17900115126017188);
    D square = a * a, log2e = wsplat(-1.44269504088896340736);
    D whole = VEC_FMA_F64(square, log2e, wsplat(ROUNDER)), r = VEC_FMA_F64(square, log2e, ROUNDER - whole);
    D power = POLYNOMIAL(r, 0.00015345811774687758, 0.0013399931216084638, 0.009618488957898918, 0.05550328776975546, 0.24022646890627733,
                         0.6931472057372591, 1.0000000005541663);
    D upper = scaled * (D)((DU)power + ((DU)whole << 52));
    return wselect(x < 0, 2 - upper, upper);
}

// x times a polynomial in w = -log(1 - x^2), from 5 on in its square root.
ISA_INLINE D werfinv(D x)
{
    D a = VEC_NAME(f64_vabs)(x), z = (1 - a) * (1 + a);
    // z = 2^e m, m in [sqrt(1/2), sqrt(2)); log m = 2 (s + s^3 / 3 + …), cut off below 1e-9.
    const uint64_t root = 0x3fe6a09e667f3bcd, bias = (uint64_t)1024 << 52;
    DU e = (((DU)z - root + bias) >> 52) - 1024;
    D m = (D)((DU)z - (e << 52)), s = (m - 1) / (m + 1), t = s * s;
    D exponent = (D)((DU)wsplat(ROUNDER) + e) - ROUNDER;
    D w = exponent * -0.693147180559945309417 - 2 * s * POLYNOMIAL(t, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0);
    D near = POLYNOMIAL(w, 3.3553236309149624e-10, -1.7161128327754183e-08, 3.097942457090071e-07, -2.4978621680892737e-06,
                        5.835549432654905e-06, 4.0486978088003423e-05, -0.0001220028852772402, -0.0023385404068173854, 0.011550335462915853,
                        0.2320135560150888, 0.886226927451883);
    D far = POLYNOMIAL(VEC_NAME(f64_vsqrt)(w), -2.6347817349352812e-05, 0.0009492417663387092, -0.015241717221833534, 0.14349597923592952,
                       -0.8757281132427066, 3.60974792637695, -10.130697630495673, 18.961735884394813, -22.31347957631452,
                       15.438073133387075, -3.7561520940159023);
    D y = x * wselect(w < 5, near, far);
    y = wselect(a == 1, x * __builtin_inf(), y);
    return wselect(a > 1, wsplat(__builtin_nan("")), y);
}

#define WIDE(name, result)                                                                                             \
    static void VEC_NAME(f32_##name)(void *out, const void *const *in, int64_t n, unsigned scalars, PwParams *p)       \
    {                                                                                                                  \
        (void)scalars;                                                                                                 \
        (void)p;                                                                                                       \
        enum { STEP = VEC_BYTES / 8 };                                                                                 \
        const float *a = in[0];                                                                                        \
        float *o = out;                                                                                                \
        VEC_NAME(wide_floats) few = {0};                                                                               \
        int64_t i = 0;                                                                                                 \
        for (; i + STEP <= n; i += STEP) {                                                                             \
            memcpy(&few, a + i, sizeof few);                                                                           \
            D x = VEC_WIDEN(few);                                                                                       \
            few = __builtin_convertvector(result, VEC_NAME(wide_floats));                                              \
            memcpy(o + i, &few, sizeof few);                                                                           \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            memcpy(&few, a + i, (size_t)(n - i) * sizeof(float));                                                      \
            D x = VEC_WIDEN(few);                                                                                       \
            few = __builtin_convertvector(result, VEC_NAME(wide_floats));                                              \
            memcpy(o + i, &few, (size_t)(n - i) * sizeof(float));                                                      \
        }                                                                                                              \
    }
WIDE(erfc, werfc(x))
WIDE(ndtr, 0.5 * werfc(x * -0.70710678118654752440))
WIDE(erfinv, werfinv(x))

// Those that float has beside VEC_LOOPS.
#define VEC_WIDE_LOOPS(X) X(ERFINV, erfinv) X(K0, k0) X(K0E, k0e) X(K1, k1) X(K1E, k1e) X(BESSEL_Y0, bessel_y0) X(BESSEL_Y1, bessel_y1)
