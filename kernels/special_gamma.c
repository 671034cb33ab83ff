// The gamma function's family: digamma, polygamma, Hurwitz zeta, incomplete gamma functions.
#include "kernels/special.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

double special_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign); // lgamma() writes a global variable
}

// Recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18); reflection for negative arguments.
double special_digamma(double x)
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
    double tail =
        z * (1.0 / 12 -
             z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
    return sum + log(x) - 0.5 / x - tail;
}

// Euler-Maclaurin summation: at least 10 terms, up to n + q > 9, then the integral and terms in B(2k) / (2k)!.
double special_zeta(double x, double q)
{
    static const double factorial_by_bernoulli[] = {
        12,
        -720,
        30240,
        -1209600,
        47900160,
        -1307674368000.0 / 691,
        74724249600.0,
        -10670622842880000.0 / 3617,
        5109094217170944000.0 / 43867,
        -802857662698291200000.0 / 174611,
        14101100039391805440000.0 / 77683,
        -1693824136731743669452800000.0 / 236364091,
    };
    if (x == 1)
        return INFINITY;
    if (!(x > 1) || isnan(q))
        return NAN;
    if (q <= 0) {
        if (q == floor(q))
            return INFINITY;
        if (x != floor(x)) // a power of a negative number
            return NAN;
    }
    double sum = pow(q, -x), term = 0, at = q;
    for (int n = 0; n < 9 || at <= 9; n++) {
        at += 1;
        term = pow(at, -x);
        sum += term;
        if (fabs(term) < DBL_EPSILON / 2 * fabs(sum))
            return sum;
    }
    sum += term * at / (x - 1) - 0.5 * term;
    double rising = 1, k = 0;
    for (int i = 0; i < (int)(sizeof factorial_by_bernoulli / sizeof *factorial_by_bernoulli); i++, k += 2) {
        rising *= x + k;
        term /= at;
        double correction = rising * term / factorial_by_bernoulli[i];
        sum += correction;
        if (fabs(correction) < DBL_EPSILON / 2 * fabs(sum))
            break;
        rising *= x + k + 1;
        term /= at;
    }
    return sum;
}

double special_polygamma(double n, double x)
{
    if (n == 0)
        return special_digamma(x);
    double z = special_zeta(n + 1, x) * exp(special_lgamma(n + 1));
    return fmod(n, 2) == 0 ? -z : z;
}

double special_mvlgamma(double x, double p)
{
    double sum = p * (p - 1) * 0.25 * 1.14472988584940017414; // log(pi)
    for (double j = 0; j < p; j++)
        sum += special_lgamma(x - 0.5 * j);
    return sum;
}

// ---- incomplete gamma functions

// log(1 + m) - m with m = (x - a) / a
static double log1p_minus(double a, double x)
{
    double m = (x - a) / a;
    if (fabs(m) > 0.4)
        return log(x / a) - m;
    double power = m * m, sum = 0;
    for (int k = 2; k < 60; k++, power *= -m) {
        double term = power / k;
        sum -= term;
        if (fabs(term) < DBL_EPSILON / 4 * fabs(sum))
            break;
    }
    return sum;
}

// x^a exp(-x) / gamma(a + 1); beyond 10 by Stirling's series, in which nothing large cancels.
static double power_by_gamma(double a, double x)
{
    if (a < 10)
        return exp(a * log(x) - x - special_lgamma(a + 1));
    double z = 1 / (a * a),
           stirling = (1.0 / 12 -
                       z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 - z * 691.0 / 360360))))) /
                      a;
    return exp(a * log1p_minus(a, x) - stirling) / sqrt(2 * M_PI * a);
}

// Series and fractions end where a step changes less than `epsilon` times the sum.
enum { MOST_STEPS = 20000 };
#define ENOUGH_F32 1e-11 // the steps left out are together some hundred times a step: 1e-9, float's last place being 6e-8

// 1 + x/(a+1) + x^2/((a+1)(a+2)) + …
static double lower_by_series(double a, double x, double epsilon)
{
    double sum = 1, term = 1;
    for (int k = 1; k < MOST_STEPS; k++) {
        term *= x / (a + k);
        sum += term;
        if (term < epsilon / 4 * sum)
            break;
    }
    return power_by_gamma(a, x) * sum;
}

// Legendre's continued fraction, by Lentz' method.
static double upper_by_fraction(double a, double x, double epsilon)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int k = 1; k < MOST_STEPS; k++) {
        double an = -k * (k - a);
        b += 2;
        d = an * d + b;
        c = b + an / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < epsilon)
            break;
    }
    return power_by_gamma(a, x) * a * h;
}

// log gamma(1 + a) without the rounding of 1 + a: log(1 + a) and the series in zeta(k) - 1.
static double lgamma_1p(double a)
{
    static const double zeta_minus_1[] = {0.6449340668482264,    0.2020569031595943,    0.08232323371113819,
                                          0.03692775514336993,   0.01734306198444914,   0.008349277381922827,
                                          0.00407735619794434,   0.0020083928260822143, 0.0009945751278180853,
                                          0.0004941886041194645, 0.0002460865533080483, 0.00012271334757848915,
                                          6.124813505870483e-05, 3.058823630702049e-05, 1.528225940865187e-05,
                                          7.637197637899763e-06, 3.81729326499984e-06};
    if (a > 0.25)
        return special_lgamma(1 + a);
    double sum = 0.42278433509846713939 * a - log1p(a), power = -a; // 1 - Euler's constant
    for (int k = 2; k < 2 + (int)(sizeof zeta_minus_1 / sizeof *zeta_minus_1); k++) {
        power *= -a;
        sum += zeta_minus_1[k - 2] * power / k;
    }
    return sum;
}

// For x below 1.1 and small a, where the lower one is close to 1 or gamma(a) large: 1 - x^a/gamma(a+1) (1 - a x/(a+1) +
// …).
static double upper_near_zero(double a, double x, double epsilon)
{
    double sum = 0, power = 1;
    for (int k = 1; k < 200; k++) {
        power *= -x / k;
        double term = power / (a + k);
        sum += term;
        if (fabs(term) < epsilon / 4 * fabs(sum))
            break;
    }
    double logs = a * log(x) - lgamma_1p(a);
    return -expm1(logs) - exp(logs) * a * sum;
}

// Temme's uniform expansion for large a and x near a: the error function and two terms of the correction.
static double by_error_function(double a, double x, double sign)
{
    double mu = (x - a) / a, eta = copysign(sqrt(-2 * log1p_minus(a, x)), mu);
    double c0 =
        -1.0 / 3 +
        eta * (1.0 / 12 + eta * (-2.0 / 135 + eta * (1.0 / 864 + eta * (1.0 / 2835 + eta * (-139.0 / 777600)))));
    double c1 = -1.0 / 540 + eta * (-1.0 / 288 + eta * (25.0 / 12096));
    double rest = exp(-0.5 * a * eta * eta) / sqrt(2 * M_PI * a) * (c0 + c1 / a);
    return 0.5 * erfc(sign * eta * sqrt(a / 2)) + sign * rest;
}

static double incomplete(double a, double x, bool upper, double epsilon)
{
    if (!(x >= 0 && a >= 0))
        return NAN;
    if (a == 0)
        return x > 0 ? !upper : NAN;
    if (x == 0)
        return upper;
    if (isinf(a))
        return isinf(x) ? NAN : upper;
    if (isinf(x))
        return !upper;
    if (a > 1e5 && fabs(x - a) < 40 * sqrt(a))
        return by_error_function(a, x, upper ? 1 : -1);
    if (x > a + 1 && x > 1.1) {
        double q = upper_by_fraction(a, x, epsilon);
        return upper ? q : 1 - q;
    }
    if (upper && x <= 1.1 && (x < 0.5 ? -0.4 / log(x) > a || a < 0.3 : a < 1.1 * x))
        return upper_near_zero(a, x, epsilon);
    double p = lower_by_series(a, x, epsilon);
    return upper ? 1 - p : p;
}

double special_igamma(double a, double x)
{
    return incomplete(a, x, false, DBL_EPSILON);
}
double special_igammac(double a, double x)
{
    return incomplete(a, x, true, DBL_EPSILON);
}
float special_igamma_f32(float a, float x)
{
    return (float)incomplete((double)a, (double)x, false, ENOUGH_F32);
}
float special_igammac_f32(float a, float x)
{
    return (float)incomplete((double)a, (double)x, true, ENOUGH_F32);
}
