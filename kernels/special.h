// Special functions of real numbers, in double precision; float results are these, rounded. Errors are a few units in
// the last place (relative to the amplitude where a function oscillates).
#ifndef TSB_KERNELS_SPECIAL_H
#define TSB_KERNELS_SPECIAL_H

// special_bessel.c: cylinder functions. K: NAN below 0, INFINITY at 0; y0 and y1: -INFINITY at 0.
double special_i0(double x);
double special_i0e(double x); // exp(-|x|) I0(x)
double special_i1(double x);
double special_i1e(double x);
double special_k0(double x);
double special_k0e(double x); // exp(x) K0(x)
double special_k1(double x);
double special_k1e(double x);
double special_y0(double x);
double special_y1(double x);
double special_spherical_j0(double x); // sin(x) / x
double special_airy_ai(double x);

// special_gamma.c
double special_lgamma(double x); // log |gamma(x)|, for any thread
double special_digamma(double x);
double special_zeta(double x, double q); // sum over n of 1 / (n + q)^x
double special_polygamma(double n, double x); // n = 1 has no reflection: x > 0
double special_mvlgamma(double x, double p);
double special_igamma(double a, double x);  // regularised, lower
double special_igammac(double a, double x); // upper
float special_igamma_f32(float a, float x);  // in as many steps as float needs
float special_igammac_f32(float a, float x);

// special_error.c: the normal distribution and its relatives.
double special_erfcx(double x); // exp(x^2) erfc(x)
double special_erfinv(double x);
double special_ndtr(double x);
double special_ndtri(double p);
double special_log_ndtr(double x);

#endif
