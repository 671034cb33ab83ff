// Special functions against values computed with 40 digits: errors of a few units in the last place, and the edges of
// domains.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/special.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct Case1 {
    const char *name;
    double (*fn)(double);
    double x, want;
} Case1;
typedef struct Case2 {
    const char *name;
    double (*fn)(double, double);
    double x, y, want;
} Case2;

#define F(name) #name, special_##name
static const Case1 of_one[] = {
    {F(i0), 0.0, 1.0},
    {F(i0), 0.5, 1.0634833707413236},
    {F(i0), -3.0, 4.8807925858650245},
    {F(i0), 7.99, 423.5842036746737},
    {F(i0), 8.01, 431.5817860520924},
    {F(i0), 30.0, 781672297823.9775},
    {F(i0), 600.0, 6.1463054039368444e+258},
    {F(i0e), 0.5, 0.6450352704491501},
    {F(i0e), -20.0, 0.08978031188482602},
    {F(i0e), 1000000.0, 0.00039894233026924577},
    {F(i1), 0.5, 0.2578943053908963},
    {F(i1), -3.0, -3.9533702174026093},
    {F(i1), 8.5, 641.6199025400667},
    {F(i1), 100.0, 1.0683693903381625e+42},
    {F(i1e), 0.5, 0.1564208031848717},
    {F(i1e), -20.0, -0.08750622218328867},
    {F(i1e), 10000.0, 0.003989273195983662},
    {F(k0), 1e-08, 18.536612259610777},
    {F(k0), 0.5, 0.9244190712276659},
    {F(k0), 1.99, 0.1153017675517768},
    {F(k0), 2.01, 0.11250436099872804},
    {F(k0), 40.0, 8.392861100099567e-19},
    {F(k0e), 0.5, 1.5241093857739094},
    {F(k0e), 300.0, 0.0723300317396073},
    {F(k1), 1e-08, 99999999.9999999},
    {F(k1), 0.5, 1.656441120003301},
    {F(k1), 1.99, 0.14171756162240132},
    {F(k1), 2.01, 0.1380408773192077},
    {F(k1), 40.0, 8.497131954861039e-19},
    {F(k1e), 0.5, 2.731009708211786},
    {F(k1e), 300.0, 0.07245048166725841},
    {F(y0), 0.25, -0.9315730249300587},
    {F(y0), 9.5, 0.17121062620272384},
    {F(y1), 0.25, -2.7041052293152825},
    {F(y1), 9.5, 0.20317989938720768},
    {F(spherical_j0), 0.0, 1.0},
    {F(spherical_j0), 0.0001, 0.9999999983333333},
    {F(spherical_j0), 2.5, 0.2393888576415826},
    {F(airy_ai), 0.0, 0.3550280538878172},
    {F(airy_ai), 0.5, 0.23169360648083348},
    {F(airy_ai), 1.5, 0.07174949700810541},
    {F(airy_ai), 2.5, 0.01572592338047049},
    {F(airy_ai), 10.0, 1.1047532552898686e-10},
    {F(airy_ai), 100.0, 2.6344821520881846e-291},
    {F(airy_ai), -1.0, 0.5355608832923521},
    {F(airy_ai), -3.99, -0.07815725135845715},
    {F(airy_ai), -5.0, 0.35076100902411433},
    {F(airy_ai), -7.9, 0.041701883617386706},
    {F(airy_ai), -8.1, -0.14290814709358113},
    {F(airy_ai), -30.0, -0.08796818845684216},
    {F(lgamma), 0.5, 0.5723649429247001},
    {F(lgamma), -1.5, 0.860047015376481},
    {F(lgamma), 30.0, 71.25703896716801},
    {F(digamma), 0.25, -4.2274535333762655},
    {F(digamma), -3.5, 1.388870926359529},
    {F(digamma), 12.0, 2.442661679975812},
    {F(erfcx), -3.0, 16205.988853999586},
    {F(erfcx), 0.0, 1.0},
    {F(erfcx), 0.5, 0.6156903441929259},
    {F(erfcx), 5.0, 0.11070463773306863},
    {F(erfcx), 19.9, 0.028315573983185766},
    {F(erfcx), 20.1, 0.028034523526966875},
    {F(erfcx), 100000.0, 5.6418958351954685e-06},
    {F(erfinv), 0.0, 0.0},
    {F(erfinv), 0.25, 0.2253120550121781},
    {F(erfinv), -0.75, -0.8134198475976185},
    {F(erfinv), 0.999, 2.3267537655135246},
    {F(erfinv), 0.9999999999990905, 5.05125408524939},
    {F(ndtr), -5.0, 2.866515718791939e-07},
    {F(ndtr), 0.0, 0.5},
    {F(ndtr), 1.5, 0.9331927987311419},
    {F(ndtri), 1e-300, -37.0470962993612},
    {F(ndtri), 1e-12, -7.034483825301132},
    {F(ndtri), 0.01, -2.326347874040841},
    {F(ndtri), 0.4, -0.2533471031357997},
    {F(ndtri), 0.5, 0.0},
    {F(ndtri), 0.9, 1.2815515655446006},
    {F(log_ndtr), -40.0, -804.6084420137538},
    {F(log_ndtr), -2.0, -3.783184333682032},
    {F(log_ndtr), -0.5, -1.1759117615936185},
    {F(log_ndtr), 3.0, -0.0013508099647481938},
    {F(k0), 0, INFINITY},
    {F(k1), -1, NAN},
    {F(y0), 0, -INFINITY},
    {F(y1), -1, NAN},
    {F(airy_ai), INFINITY, NAN},
    {F(erfinv), 1, INFINITY},
    {F(erfinv), -1.5, NAN},
    {F(ndtri), 0, -INFINITY},
    {F(ndtri), 1, INFINITY},
    {F(ndtri), 2, NAN},
    {F(digamma), 0, -INFINITY},
    {F(digamma), -2, NAN},
    {F(spherical_j0), INFINITY, 0},
    {F(erfcx), -30, INFINITY},
    {F(i0), NAN, NAN},
    {F(k1e), NAN, NAN},
    {F(log_ndtr), NAN, NAN},
};
static const Case2 of_two[] = {
    {F(mvlgamma), 3.5, 1.0, 1.2009736023470743},
    {F(mvlgamma), 3.5, 4.0, 5.61299331092814},
    {F(zeta), 1.01, 1.0, 100.57794333849678},
    {F(zeta), 2.0, 0.25, 17.19732915450711},
    {F(zeta), 3.5, 100.0, 4.0502916546368125e-06},
    {F(zeta), 30.0, 2.0, 9.313274324196682e-10},
    {F(igamma), 0.5, 0.1, 0.345279153981423},
    {F(igamma), 3.0, 2.0, 0.32332358381693654},
    {F(igamma), 3.0, 20.0, 0.9999995444850495},
    {F(igamma), 100.0, 90.0, 0.15822098918643016},
    {F(igamma), 100.0, 110.0, 0.8417213299399129},
    {F(igamma), 10000.0, 10100.0, 0.8413487504471796},
    {F(igammac), 0.5, 0.1, 0.654720846018577},
    {F(igammac), 1e-08, 0.0001, 8.633224340135542e-08},
    {F(igammac), 3.0, 20.0, 4.555149505589213e-07},
    {F(igammac), 100.0, 130.0, 0.002750408367306526},
    {F(igammac), 10.0, 200.0, 2.044095593580732e-72},
    {F(zeta), 1, 2, INFINITY},
    {F(zeta), 0.5, 2, NAN},
    {F(zeta), 2, -3, INFINITY},
    {F(zeta), 2.5, -0.5, NAN},
    {F(igamma), -1, 2, NAN},
    {F(igamma), 0, 2, 1},
    {F(igamma), 2, 0, 0},
    {F(igammac), 2, 0, 1},
    {F(igamma), 2, INFINITY, 1},
};
static const struct {
    double n, x, want;
} polygammas[] = {
    {0, 0.25, -4.2274535333762655},  {1, 0.25, 17.19732915450711},   {1, -1.5, 9.379246644989124},
    {1, 30.0, 0.033895060357739946}, {2, 0.75, -5.3026332163376395}, {4, 3.5, -0.06799599950673137},
};

static bool close_to(double got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= tolerance * fabs(want);
}

static void values(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++) {
        const Case1 *c = &of_one[i];
        double got = c->fn(c->x);
        // The phase and the exponent of Ai, 2/3 |x|^(3/2), are rounded.
        double tolerance = c->fn == special_airy_ai && fabs(c->x) > 8 ? 1e-15 * pow(fabs(c->x), 1.5) : 4e-15;
        if (!close_to(got, c->want, tolerance) && ++wrong)
            print_error("%s(%.17g): %.17g, expected %.17g\n", c->name, c->x, got, c->want);
    }
    for (size_t i = 0; i < sizeof of_two / sizeof *of_two; i++) {
        const Case2 *c = &of_two[i];
        double got = c->fn(c->x, c->y);
        if (!close_to(got, c->want, 2e-14) && ++wrong) // powers of numbers with rounding errors of their own
            print_error("%s(%.17g, %.17g): %.17g, expected %.17g\n", c->name, c->x, c->y, got, c->want);
    }
    for (size_t i = 0; i < sizeof polygammas / sizeof *polygammas; i++) {
        double x = polygammas[i].x, got = special_polygamma(polygammas[i].n, x);
        if (!close_to(got, polygammas[i].want, 4e-15) && ++wrong)
            print_error("polygamma(%g, %g): %.17g, expected %.17g\n", polygammas[i].n, x, got, polygammas[i].want);
    }
    assert_int_equal(wrong, 0);
}

// Two ways to the same: across the borders between methods the functions go on.
static void borders(void **state)
{
    (void)state;
    for (double a = 0.5; a < 3e6; a *= 3)
        for (double at = 0.9; at < 1.2; at += 0.05) {
            double x = a * at, p = special_igamma(a, x), q = special_igammac(a, x);
            assert_true(fabs(p + q - 1) < 1e-14);
            // Those of float are these, rounded (below the least normal number by more).
            float af = (float)a, xf = (float)x;
            double pf = special_igamma(af, xf), qf = special_igammac(af, xf);
            assert_true(fabs(special_igamma_f32(af, xf) - pf) <= 6e-8 * pf + 0x1p-149);
            assert_true(fabs(special_igammac_f32(af, xf) - qf) <= 6e-8 * qf + 0x1p-149);
            // d/dx P(a, x) = x^(a-1) exp(-x) / gamma(a)
            double h = a * 1e-5, slope = (special_igamma(a, x + h) - special_igamma(a, x - h)) / (2 * h);
            double exact = exp((a - 1) * log(x) - x - special_lgamma(a));
            assert_true(fabs(slope - exact) < 2e-4 * exact + 1e-9 / a);
        }
    for (double x = -9; x < 3; x += 0.25) // Airy's equation: y'' = x y
        assert_true(fabs((special_airy_ai(x + 1e-3) - 2 * special_airy_ai(x) + special_airy_ai(x - 1e-3)) * 1e6 -
                         x * special_airy_ai(x)) < 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(borders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
