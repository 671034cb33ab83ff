// Bessel, modified Bessel and Airy functions: Chebyshev series fitted for this program in 40 digits (the comment on
// each says of what, over which interval), and the C library's y0 and y1.
#include "kernels/special.h"
#include "kernels/special_tables.h"

#include <math.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define SERIES(table, low, high, x) series(table, COUNT(table), (2 * (x) - ((high) + (low))) / ((high) - (low)))

// Clenshaw's sum of c[k] T_k(t), |t| <= 1.
static double series(const double *c, int n, double t)
{
    double b0 = 0, b1 = 0, twice = 2 * t;
    for (int k = n - 1; k > 0; k--) {
        double next = twice * b0 - b1 + c[k];
        b1 = b0;
        b0 = next;
    }
    return t * b0 - b1 + c[0];
}

double special_i0e(double x)
{
    x = fabs(x);
    return x <= 8 ? SERIES(I0_NEAR, 0.0, 8.0, x) : SERIES(I0_FAR, 0.0, 0.125, 1 / x) / sqrt(x);
}

double special_i0(double x)
{
    return exp(fabs(x)) * special_i0e(x);
}

double special_i1e(double x)
{
    double a = fabs(x);
    double y = a <= 8 ? SERIES(I1_NEAR, 0.0, 8.0, a) * a : SERIES(I1_FAR, 0.0, 0.125, 1 / a) / sqrt(a);
    return x < 0 ? -y : y;
}

double special_i1(double x)
{
    return exp(fabs(x)) * special_i1e(x);
}

static double k0_near(double x)
{
    return SERIES(K0_NEAR, 0.0, 4.0, x * x) - log(0.5 * x) * special_i0(x);
}
static double k1_near(double x)
{
    return SERIES(K1_NEAR, 0.0, 4.0, x * x) / x + log(0.5 * x) * special_i1(x);
}
static double k0_far(double x)
{
    return SERIES(K0_FAR, 0.0, 0.5, 1 / x) / sqrt(x);
}
static double k1_far(double x)
{
    return SERIES(K1_FAR, 0.0, 0.5, 1 / x) / sqrt(x);
}

#define NOT_POSITIVE(x, at_zero)                                                                                       \
    if (!((x) > 0))                                                                                                    \
    return (x) == 0 ? (at_zero) : NAN

double special_k0(double x)
{
    NOT_POSITIVE(x, INFINITY);
    return x <= 2 ? k0_near(x) : exp(-x) * k0_far(x);
}

double special_k0e(double x)
{
    NOT_POSITIVE(x, INFINITY);
    return x <= 2 ? exp(x) * k0_near(x) : k0_far(x);
}

double special_k1(double x)
{
    NOT_POSITIVE(x, INFINITY);
    return x <= 2 ? k1_near(x) : exp(-x) * k1_far(x);
}

double special_k1e(double x)
{
    NOT_POSITIVE(x, INFINITY);
    return x <= 2 ? exp(x) * k1_near(x) : k1_far(x);
}

double special_y0(double x)
{
    NOT_POSITIVE(x, -INFINITY);
    return y0(x);
}

double special_y1(double x)
{
    NOT_POSITIVE(x, -INFINITY);
    return y1(x);
}

double special_spherical_j0(double x)
{
    if (isinf(x))
        return 0;
    return x == 0 ? 1 : sin(x) / x;
}

// With z = 2/3 |x|^(3/2). Right of 2: 2 sqrt(pi) x^(1/4) exp(z) Ai(x) for 1/z in [0, 1/z(2)]. Left of -8: P and Q z of
// Ai(-x) sqrt(pi) x^(1/4) = cos(z - pi/4) P + sin(z - pi/4) Q for 1/z^2 in [0, 1/z(8)^2]. Between: Ai itself.
static const double AI_FAR[] = {
    0.9844053049171552,     -0.014792784850104199,   0.0007327177465426715,  -6.12595423417825e-05,
    6.83476697557269e-06,   -9.237229735403982e-07,  1.436225340438052e-07,  -2.489319422322096e-08,
    4.709793440054328e-09,  -9.583863708112733e-10,  2.0745855483677591e-10, -4.737267332192277e-11,
    1.1336099808224236e-11, -2.827706782319351e-12,  7.320712095125598e-13,  -1.9599793911089723e-13,
    5.4101162570683925e-14, -1.5356466802223836e-14, 4.472340393300025e-15,  -1.3338094674756683e-15,
    4.066582046456231e-16,  -1.265583225645289e-16,  4.015126334015871e-17};
static const double AI_1_2[] = {0.07844113058219543,     -0.04981778423744141,   0.00667961911741407,
                                -0.0003698262853215793,  -1.224597170589479e-05, 3.464395058405274e-06,
                                -2.309385943505382e-07,  3.228763862518098e-09,  5.776067175943512e-10,
                                -4.5905659848469483e-11, 1.1665229926583299e-12, 4.2718192381918346e-14,
                                -4.6036706927125085e-15, 1.4274687834735235e-16, 1.284203365973617e-18};
static const double AI_0_1[] = {0.23855329239917403,    -0.11052738329142488,    0.0067331084064422555,
                                0.0006532766681677412,  -0.00012637349700249956, 6.330116633967542e-06,
                                2.0591000443491561e-07, -4.2307096677870985e-08, 1.8884184206673015e-09,
                                2.5976279022138156e-11, -6.6887959441712876e-12, 2.762683982870435e-13,
                                1.463088842534236e-15,  -6.145086913723169e-16,  2.4007335527009036e-17};
static const double AI_LEFT[] = {
    0.11447758651998736,    0.42127788420449913,    -0.027734597101387943,   -0.23365796110601145,
    0.06939559564577408,    0.024461772007139792,   -0.014766437693581868,   0.0008023889779525898,
    0.0010230295738488458,  -0.0002514931206909262, -1.2152476924968542e-05, 1.4468912917662048e-05,
    -1.865453687423982e-06, -2.599357801871398e-07, 1.0341710658801066e-07,  -6.957126687005273e-09,
    -1.951709352397157e-09, 4.440109838536824e-10,  -1.1398870033140025e-11, -8.370115586923187e-12,
    1.2611082165186202e-12, 1.0125908288303646e-14, -2.379952365410891e-14,  2.5144316602653423e-15,
    1.0116342805635523e-16, -4.852103290649533e-17, 3.647606575795266e-18,   2.7914944271723994e-19};
static const double AI_LEFT2[] = {
    0.07916021996064239,     0.01126033723039793,     0.05479935195854044,     -0.06200688698757009,
    -0.2656756721963284,     0.0607842147279211,      0.07867778478103633,     -0.02210955167205622,
    -0.008814094964236265,   0.0035871278916666943,   0.00035520270416690224,  -0.00031035669830111384,
    1.4183421950742096e-05,  1.525394525088368e-05,   -2.3944990755092513e-06, -3.792447378593734e-07,
    1.3107569898415468e-07,  -8.968966803375345e-10,  -3.956336741364386e-09,  4.236043498706396e-10,
    6.097413749879225e-11,   -1.6045501730850525e-11, 1.6040219758435653e-13,  3.1779355508169295e-13,
    -3.201195055465829e-14,  -2.918627292692906e-15,  8.029648614063836e-16,   -2.2076095242074917e-17,
    -1.0366970030174455e-17, 1.1808587801221977e-18};
static const double AI_P[] = {0.9999188179179308,     -8.104660923669418e-05, 1.3475665984689078e-07,
                              -7.085584714312658e-10, 7.48184186508309e-12,   -1.2902774343407968e-13,
                              3.225040209748759e-15,  -1.0809146475761038e-16};
static const double AI_Q[] = {0.0693617822693956,     -8.239286225558228e-05, 2.672091950986567e-07,
                              -2.074236853681907e-09, 2.87339259334291e-11,   -6.087352091889245e-13,
                              1.7924891244638023e-14, -6.875999019684054e-16, 3.279803636500588e-17,
                              -1.8787767960871875e-18};

double special_airy_ai(double x)
{
    const double far = 0.53033008588991064, left = 0.0043945312500000000; // 1/z(2), 1/z(8)^2
    if (isinf(x) || isnan(x))
        return NAN;
    if (x > 2) {
        double root = sqrt(x), z = 2 * x * root / 3;
        return SERIES(AI_FAR, 0.0, far, 1 / z) * exp(-z) / (2 * sqrt(M_PI * root));
    }
    if (x >= 0)
        return x > 1 ? SERIES(AI_1_2, 1.0, 2.0, x) : SERIES(AI_0_1, 0.0, 1.0, x);
    if (x >= -8)
        return x > -4 ? SERIES(AI_LEFT, -4.0, 0.0, x) : SERIES(AI_LEFT2, -8.0, -4.0, x);
    double root = sqrt(-x), z = 2 * -x * root / 3, s = 1 / (z * z);
    double p = SERIES(AI_P, 0.0, left, s), q = SERIES(AI_Q, 0.0, left, s) / z;
    return (cos(z - M_PI_4) * p + sin(z - M_PI_4) * q) / sqrt(M_PI * root);
}
