// The error function's family: scaled complement, inverses, the normal distribution.
#include "kernels/special.h"

#include <math.h>

// From 20 on the asymptotic series; before, exp(x^2) with the rounding error of x^2 made good.
double special_erfcx(double x)
{
    if (x >= 20) {
        double z = 1 / (2 * x * x), y = 1 - 17 * z;
        for (int k = 15; k > 0; k -= 2)
            y = 1 - k * z * y;
        return y / (x * 1.77245385090551602730);
    }
    double square = x * x, rest = fma(x, x, -square), e = exp(square);
    return isinf(e) ? e : e * (1 + rest) * erfc(x);
}

// Giles' single-precision approximation of erfinv(x) in w = -log(1 - x^2).
static double erfinv_guess(double x, double w)
{
    if (w < 5) {
        w -= 2.5;
        return x * (1.50140941 +
                    w * (0.246640727 +
                         w * (-0.00417768164 +
                              w * (-0.00125372503 +
                                   w * (0.00021858087 +
                                        w * (-4.39150654e-06 +
                                             w * (-3.5233877e-06 + w * (3.43273939e-07 + w * 2.81022636e-08))))))));
    }
    w = sqrt(w) - 3;
    return x * (2.83297682 +
                w * (1.00167406 +
                     w * (0.00943887047 +
                          w * (-0.0076224613 +
                               w * (0.00573950773 +
                                    w * (-0.00367342844 +
                                         w * (0.00134934322 + w * (0.000100950558 + w * -0.000200214257))))))));
}

// One step of Halley's method: the error of the result is of the third power of the guess's.
static double halley(double y, double error)
{
    double newton = error / (1.12837916709551257390 * exp(-y * y));
    return y - newton / (1 + y * newton);
}

// y with erfc(y) = q, q <= 1.
static double erfc_inverse(double q)
{
    double w = -log(q * (2 - q));
    if (w < 15) {
        double y = erfinv_guess(1 - q, w);
        return halley(y, y < 0.5 ? erf(y) - (1 - q) : q - erfc(y));
    }
    // Far out: Newton's method on the logarithm, from the leading terms of erfc's asymptotic series.
    double target = log(q), square = -target - 0.57236494292470008707; // log(pi) / 2
    double y = sqrt(square - 0.5 * log(square));
    for (int step = 0; step < 3; step++) {
        double scaled = special_erfcx(y);
        y += (log(scaled) - y * y - target) * scaled * 0.88622692545275801365; // sqrt(pi) / 2
    }
    return y;
}

double special_erfinv(double x)
{
    double a = fabs(x);
    if (!(a < 1))
        return a == 1 ? copysign(INFINITY, x) : NAN;
    if (a > 0.5) // erfc keeps the digits that erf loses
        return copysign(erfc_inverse(1 - a), x);
    double y = erfinv_guess(x, -log1p(-x * x));
    return halley(y, erf(y) - x);
}

double special_ndtr(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

double special_ndtri(double p)
{
    if (!(p > 0 && p < 1))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    return p <= 0.5 ? -M_SQRT2 * erfc_inverse(2 * p) : M_SQRT2 * erfc_inverse(2 * (1 - p));
}

double special_log_ndtr(double x)
{
    double t = x * M_SQRT1_2;
    return x < -1 ? log(special_erfcx(-t) / 2) - t * t : log1p(-erfc(t) / 2);
}
