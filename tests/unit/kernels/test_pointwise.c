// Elementwise kernels: every vector table this machine can run against the C library, at sizes around the vector width and
// in place; strided, broadcast, converted and tiled operands against an element-by-element walk.
#include "kernels/cpu/vec.h"
#include "kernels/half.h"
#include "kernels/pointwise.h"
#include "kernels/special.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double identity_relu(double x) { return x > 0 ? x : 0; }
static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_silu(double x) { return x / (1 + exp(-x)); }
static double ref_gelu(double x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }
static double ref_gelu_tanh(double x) { return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))); }
static double ref_mish(double x) { return x * tanh(log1p(exp(x))); }
static double ref_square(double x) { return x * x; }
static double ref_rsqrt(double x) { return 1 / sqrt(x); }
static double ref_neg(double x) { return -x; }
static double ref_hardswish(double x) { return x * fmin(fmax(x + 3, 0), 6) / 6; }
static double ref_log_sigmoid(double x) { return fmin(x, 0) - log1p(exp(-fabs(x))); }

// `ulps`: of float, allowed beside the reference; low, high: the domain tested.
static const struct { PwOp op; double (*f)(double); double low, high, ulps; } UNARY[] = {
    {PW_NEG, ref_neg, -9, 9, 0}, {PW_ABS, fabs, -9, 9, 0}, {PW_CEIL, ceil, -9, 9, 0}, {PW_FLOOR, floor, -9, 9, 0},
    {PW_ROUND, rint, -9, 9, 0}, {PW_TRUNC, trunc, -9, 9, 0}, {PW_SQRT, sqrt, 0, 99, 1}, {PW_RSQRT, ref_rsqrt, 0.01, 99, 2},
    {PW_SQUARE, ref_square, -9, 9, 1}, {PW_EXP, exp, -80, 80, 2}, {PW_EXPM1, expm1, -5, 5, 2}, {PW_EXP2, exp2, -20, 20, 2},
    {PW_LOG, log, 1e-6, 1e6, 2}, {PW_LOG2, log2, 1e-6, 1e6, 2}, {PW_LOG10, log10, 1e-6, 1e6, 2}, {PW_LOG1P, log1p, -0.9, 99, 2},
    {PW_SIN, sin, -30, 30, 2}, {PW_COS, cos, -30, 30, 2}, {PW_TAN, tan, -1.5, 1.5, 2}, {PW_ASIN, asin, -1, 1, 2},
    {PW_ACOS, acos, -1, 1, 2}, {PW_ATAN, atan, -99, 99, 2}, {PW_SINH, sinh, -9, 9, 2}, {PW_COSH, cosh, -9, 9, 2},
    {PW_TANH, tanh, -12, 12, 4}, {PW_ASINH, asinh, -99, 99, 2}, {PW_ACOSH, acosh, 1, 99, 2}, {PW_ATANH, atanh, -0.99, 0.99, 2},
    {PW_ERF, erf, -5, 5, 4}, {PW_ERFC, erfc, -3, 3, 3}, {PW_SIGMOID, ref_sigmoid, -40, 40, 4}, {PW_SILU, ref_silu, -20, 20, 4},
    {PW_RELU, identity_relu, -9, 9, 0}, {PW_GELU, ref_gelu, -2, 9, 16}, {PW_GELU_TANH, ref_gelu_tanh, -1.5, 9, 16},
    {PW_MISH, ref_mish, -9, 30, 8}, {PW_HARDSWISH, ref_hardswish, -9, 9, 2}, {PW_LOGSIGMOID, ref_log_sigmoid, -20, 9, 4},
};
enum { UNARY_COUNT = sizeof UNARY / sizeof UNARY[0], MOST = 70 };

static int tables(const VecTable **out)
{
    int n = 0;
    out[n++] = &vec_table_base;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        out[n++] = &vec_table_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        out[n++] = &vec_table_avx512;
#endif
    return n;
}

static bool close_to(double got, double want, double ulps, double epsilon)
{
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= ulps * epsilon * fmax(fabs(want), 1e-30);
}

static void unary_loops(void **state)
{
    (void)state;
    const VecTable *all[3];
    int count = tables(all);
    PwParams p = {0};
    for (int t = 0; t < count; t++)
        for (int k = 0; k < UNARY_COUNT; k++)
            for (int n = 0; n <= MOST; n += n < 18 ? 1 : 13) {
                float x[MOST], y[MOST + 1];
                double xd[MOST], yd[MOST + 1];
                for (int i = 0; i < n; i++) {
                    xd[i] = UNARY[k].low + (UNARY[k].high - UNARY[k].low) * (i + 0.37) / MOST;
                    x[i] = (float)xd[i];
                }
                y[n] = 77;
                yd[n] = 77;
                const void *in[] = {x}, *in_d[] = {xd};
                all[t]->f32[UNARY[k].op](y, in, n, 0, &p);
                all[t]->f64[UNARY[k].op](yd, in_d, n, 0, &p);
                assert_true(y[n] == 77 && yd[n] == 77); // nothing behind the end
                for (int i = 0; i < n; i++) {
                    double want = UNARY[k].f(x[i]), want_d = UNARY[k].f(xd[i]);
                    if (!close_to(y[i], want, UNARY[k].ulps, 6e-8) || !close_to(yd[i], want_d, UNARY[k].ulps + 60, 1.2e-16))
                        fail_msg("operator %d, table %d: f(%.9g) = %.9g, not %.9g; double %.17g, not %.17g", UNARY[k].op, t, x[i], y[i], want, yd[i], want_d);
                }
                const void *self[] = {x};
                all[t]->f32[UNARY[k].op](x, self, n, 0, &p); // in place
                assert_memory_equal(x, y, sizeof x[0] * (size_t)n);
            }
}

static double ref_ndtr(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
static double float_ulp(double x) { return ldexp(1, (fabs(x) < 0x1p-126 ? -126 : ilogb(x)) - 23); }

// Functions of float computed in double, and gelu, whose halves do not cancel: errors in units in the last place, which over
// millions of numbers are 0.55 (erfc, ndtr), 0.54 (erfinv), 2.0 (gelu) and 0.501 (the others); the edges; every element the same wherever it lies.
static void narrow_errors(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const struct { PwOp op; double (*f)(double); float low, high; double ulps; } cases[] = {
        {PW_ERFC, erfc, -5, 10.2f, 0.56}, {PW_NDTR, ref_ndtr, -14.3f, 6, 0.56}, {PW_ERFINV, special_erfinv, -1, 1, 0.55},
        {PW_ERFINV, special_erfinv, 0.99f, 1, 0.55}, {PW_GELU, ref_gelu, 0, 9, 2.1}, {PW_GELU, ref_gelu, -0.9f, 0, 2.3},
        {PW_K0, special_k0, 0, 9, 0.51}, {PW_K0E, special_k0e, 0, 90, 0.51}, {PW_K1, special_k1, 0, 9, 0.51}, {PW_K1E, special_k1e, 0, 90, 0.51},
        {PW_BESSEL_Y0, special_y0, 0, 10, 0.51}, {PW_BESSEL_Y0, special_y0, 5, 90, 0.51}, {PW_BESSEL_Y1, special_y1, 0, 10, 0.51},
        {PW_BESSEL_Y1, special_y1, 5, 90, 0.51},
    };
    static const float edges[] = {0.0f, -0.0f, 1, -1, 1.5f, -INFINITY, INFINITY, NAN, 1e-45f, 20, -20, 3e38f, -3e38f, 1e-30f};
    static const struct { PwOp op; float want[14]; } at_edges[] = {
        {PW_ERFC, {1, 1, 0.157299207f, 1.84270079f, 0.0338948535f, 2, 0, NAN, 1, 0, 2, 0, 2, 1}},
        {PW_NDTR, {0.5f, 0.5f, 0.841344746f, 0.158655254f, 0.933192799f, 0, 1, NAN, 0.5f, 1, 0, 1, 0, 0.5f}},
        {PW_ERFINV, {0.0f, -0.0f, INFINITY, -INFINITY, NAN, NAN, NAN, NAN, 1e-45f, NAN, NAN, NAN, NAN, 8.86226925e-31f}},
        {PW_GELU, {0.0f, -0.0f, 0.841344746f, -0.158655254f, 1.3997892f, NAN, INFINITY, NAN, 0, 20, -0.0f, 3e38f, -0.0f, 5e-31f}},
    };
    const VecTable *all[3];
    int count = tables(all);
    PwParams p = {0};
    static float x[N], y[N];
    for (int t = 0; t < count; t++) {
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            for (int i = 0; i < N; i++)
                x[i] = cases[k].low + (cases[k].high - cases[k].low) * ((float)i + 0.37f) / N;
            all[t]->f32[cases[k].op](y, (const void *const[]){x}, N, 0, &p);
            for (int i = 0; i < N; i++) {
                double want = cases[k].f(x[i]);
                if (fabs(y[i] - want) > cases[k].ulps * float_ulp(want))
                    fail_msg("operator %d, table %d: f(%.9g) = %.9g, not %.12g", cases[k].op, t, x[i], y[i], want);
            }
            for (int from = 0; from < 20; from++) {
                float few[70];
                int n = from * 7 % 40 + 1;
                all[t]->f32[cases[k].op](few, (const void *const[]){x + from}, n, 0, &p);
                assert_memory_equal(few, y + from, (size_t)n * sizeof(float));
            }
        }
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            all[t]->f32[cases[k].op](y, (const void *const[]){edges}, 14, 0, &p);
            for (int i = 0; i < 14 && cases[k].f != ref_gelu; i++) {
                double want = cases[k].f(edges[i]);
                assert_true(isnan(want) ? isnan(y[i]) : y[i] == (float)want || fabs(y[i] - want) <= 1.2e-7 * fabs(want));
            }
        }
        for (size_t k = 0; k < sizeof at_edges / sizeof *at_edges; k++) {
            all[t]->f32[at_edges[k].op](y, (const void *const[]){edges}, 14, 0, &p);
            for (int i = 0; i < 14; i++) {
                float want = at_edges[k].want[i];
                bool same = isnan(want) ? isnan(y[i]) : fabsf(y[i] - want) <= 1.2e-7f * fabsf(want) || y[i] == want;
                if (!same || (want == 0 && signbit(want) != signbit(y[i])))
                    fail_msg("operator %d, table %d: f(%.9g) = %.9g, not %.9g", at_edges[k].op, t, edges[i], y[i], want);
            }
        }
    }
}

// FMA and not, wide and narrow: AVX2 and AVX-512 must agree to the bit.
static void wide_tables_agree(void **state)
{
    (void)state;
    const VecTable *all[3];
    if (tables(all) < 3)
        skip();
    PwParams p = {{0.5, 0.25, 1}, {0}, NULL};
    for (int op = 0; op < PW_COUNT; op++) {
        PwInfo info = pw_info((PwOp)op);
        if (!all[1]->f32[op] || info.result == PW_RESULT_BOOL)
            continue;
        float a[64], b[64], c[64], y[64], z[64];
        for (int i = 0; i < 64; i++) {
            a[i] = (float)sin(i + 1) * 3;
            b[i] = (float)cos(i + 1) * 2;
            c[i] = (float)sin(i * 7) * 0.5f;
        }
        const void *in[] = {a, b, c};
        all[1]->f32[op](y, in, 64, 0, &p);
        all[2]->f32[op](z, in, 64, 0, &p);
        for (int i = 0; i < 64; i++) // NaN is NaN
            if (isnan(y[i]) && isnan(z[i]))
                y[i] = z[i] = 0;
        if (memcmp(y, z, sizeof y) != 0)
            fail_msg("operator %d gives other bits with AVX-512 than with AVX2", op);
    }
}

static void binary_loops(void **state)
{
    (void)state;
    const VecTable *all[3];
    int count = tables(all);
    PwParams p = {.f = {2.5}};
    for (int t = 0; t < count; t++)
        for (unsigned scalars = 0; scalars <= 2; scalars++)
            for (int n = 1; n <= 35; n += 2) {
                float a[40], b[40], add[40], mul[40], div[40], most[40], alpha[40], power[40];
                uint8_t less[41];
                for (int i = 0; i < n; i++) {
                    a[i] = (float)(i % 7) - 2.5f;
                    b[i] = (float)(i % 5) + 0.5f;
                }
                less[n] = 9;
                const void *in[] = {a, b};
                all[t]->f32[PW_ADD](add, in, n, scalars, &p);
                all[t]->f32[PW_MUL](mul, in, n, scalars, &p);
                all[t]->f32[PW_DIV](div, in, n, scalars, &p);
                all[t]->f32[PW_MAXIMUM](most, in, n, scalars, &p);
                all[t]->f32[PW_ADD_ALPHA](alpha, in, n, scalars, &p);
                all[t]->f32[PW_POW](power, in, n, scalars, &p);
                all[t]->f32[PW_LT](less, in, n, scalars, &p);
                assert_int_equal(less[n], 9);
                for (int i = 0; i < n; i++) {
                    float x = a[scalars & 1 ? 0 : i], y = b[scalars & 2 ? 0 : i];
                    assert_true(add[i] == x + y && mul[i] == x * y && div[i] == x / y && most[i] == (x > y ? x : y));
                    assert_true(alpha[i] == x + 2.5f * y && less[i] == (x < y));
                    assert_true(close_to(power[i], pow(x, y), 4, 6e-8));
                }
            }
}

// tanh and gelu of double against long double; tanh: 0.9 units in the last place over millions of numbers. Zeros keep their sign.
static void double_errors(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double x[N], y[N];
    const VecTable *all[3];
    int count = tables(all);
    PwParams p = {0};
    for (int t = 0; t < count; t++) {
        for (int i = 0; i < N; i++)
            x[i] = (i % 2 ? 1 : -1) * (i < 100 ? pow(10, -3 * i) : i < N / 2 ? i * 1.5 / N : i * 22.0 / N);
        all[t]->f64[PW_TANH](y, (const void *const[]){x}, N, 0, &p);
        for (int i = 0; i < N; i++) {
            long double want = tanhl(x[i]);
            double last = x[i] == 0 ? 0 : ldexp(1, (fabs(x[i]) < 0x1p-1022 ? -1022 : ilogb((double)want)) - 52);
            if (fabsl(y[i] - want) > 0.91 * last || !signbit(y[i]) != !signbit(x[i]))
                fail_msg("table %d: tanh(%.17g) = %.17g", t, x[i], y[i]);
        }
        // gelu of double: 2.5 between -1 and 1, 4.6 down to -3.
        all[t]->f64[PW_GELU](y, (const void *const[]){x}, N, 0, &p);
        for (int i = 0; i < N; i++) {
            long double want = x[i] / 2 * erfcl(-x[i] / sqrtl(2));
            double last = ldexp(1, (fabsl(want) < 0x1p-1022L ? -1022 : ilogb((double)want)) - 52);
            if (x[i] > -3 && fabsl(y[i] - want) > (x[i] < -1 ? 5 : 3) * last)
                fail_msg("table %d: gelu(%.17g) = %.17g", t, x[i], y[i]);
        }
        double edges[] = {INFINITY, -INFINITY, NAN, 1e300};
        all[t]->f64[PW_TANH](edges, (const void *const[]){edges}, 4, 0, &p);
        assert_true(edges[0] == 1 && edges[1] == -1 && isnan(edges[2]) && edges[3] == 1);
        float zeros[] = {-0.0f, 0.0f, -1e-45f};
        all[t]->f32[PW_TANH](zeros, (const void *const[]){zeros}, 3, 0, &p);
        assert_true(zeros[0] == 0 && signbit(zeros[0]) && zeros[1] == 0 && !signbit(zeros[1]) && zeros[2] == -1e-45f);
    }
}

// Conversions between float and the half types: every half, and floats around the middle between two of them.
static void half_tables(void **state)
{
    (void)state;
    enum { N = 65536 + 7 };
    static const uint32_t low[] = {0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff};
    static float wide[N], back[N];
    static uint16_t half[N], narrow[N];
    const VecTable *all[3];
    int count = tables(all);
    for (int t = 0; t < count; t++)
        for (size_t k = 0; k < sizeof low / sizeof *low; k++) {
            for (uint32_t i = 0; i < N; i++) {
                uint32_t bits = i << 16 | low[k];
                memcpy(wide + i, &bits, sizeof bits);
                half[i] = (uint16_t)(i ^ low[k]);
            }
            all[t]->f32_to_bf16(narrow, wide, N);
            for (int i = 0; i < N; i++)
                assert_int_equal(narrow[i], bf16_from_float(wide[i]));
            all[t]->f32_to_f16(narrow, wide, N);
            for (int i = 0; i < N; i++) // the instruction keeps more of a NaN
                assert_true(isnan(wide[i]) ? isnan(f16_to_float(narrow[i])) : narrow[i] == f16_from_float(wide[i]));
            all[t]->bf16_to_f32(back, half, N);
            for (int i = 0; i < N; i++)
                assert_true(isnan(back[i]) ? isnan(bf16_to_float(half[i])) : back[i] == bf16_to_float(half[i]));
            all[t]->f16_to_f32(back, half, N);
            for (int i = 0; i < N; i++)
                assert_true(isnan(back[i]) ? isnan(f16_to_float(half[i])) : back[i] == f16_to_float(half[i]));
        }
}

static bool same_float(float got, double want) { return isnan(want) ? isnan(got) : got == (float)want && !signbit(got) == !signbit(want); }

// Magnitudes and quotients of complex64: exactly these formulas in double, at every size, for operands from the least to the
// greatest float, in place.
static void complex_loops(void **state)
{
    (void)state;
    static const float parts[] = {0, -0.0f, 1e-45f, 3e38f, -3e38f, INFINITY, NAN, 1, -2.5f, 1e20f, 1e-30f};
    enum { KINDS = sizeof parts / sizeof *parts };
    const VecTable *all[3];
    int count = tables(all);
    PwParams p = {0};
    for (int t = 0; t < count; t++)
        for (int n = 0; n <= MOST; n++) {
            float a[2 * MOST], b[2 * MOST], size[MOST + 1], out[2 * MOST + 1];
            for (int i = 0; i < 2 * n; i++) {
                a[i] = i % 5 ? (float)sin(i + n) * 3 : parts[(i * 7 + n) % KINDS];
                b[i] = i % 7 ? (float)cos(i - n) * 2 : parts[(i * 3 + n) % KINDS];
            }
            size[n] = out[2 * n] = 77;
            all[t]->c64_abs(size, (const void *const[]){a}, n, 0, &p);
            for (int i = 0; i < n; i++)
                assert_true(same_float(size[i], hypot(a[2 * i], a[2 * i + 1])));
            for (unsigned scalars = 0; scalars <= 2; scalars++) {
                all[t]->c64_div(out, (const void *const[]){a, b}, n, scalars, &p);
                assert_true(size[n] == 77 && out[2 * n] == 77); // nothing behind the end
                for (int i = 0; i < n; i++) {
                    const float *x = a + (scalars & 1 ? 0 : 2 * i), *y = b + (scalars & 2 ? 0 : 2 * i);
                    double c = y[0], d = y[1], by = 1 / (c * c + d * d);
                    assert_true(same_float(out[2 * i], (x[0] * c + x[1] * d) * by));
                    assert_true(same_float(out[2 * i + 1], (x[1] * c - x[0] * d) * by));
                }
            }
            all[t]->c64_div(out, (const void *const[]){a, b}, n, 0, &p);
            all[t]->c64_div(b, (const void *const[]){a, b}, n, 0, &p);
            assert_memory_equal(b, out, sizeof *b * 2 * (size_t)n);
        }
}

// ---- plans over strided operands

static double number_at(const View *v, const int64_t *index, int ndim)
{
    int64_t at = 0;
    for (int d = 0, shift = ndim - v->ndim; d < v->ndim; d++)
        at += v->size[d] == 1 ? 0 : index[shift + d] * v->stride[d];
    switch (v->dtype) {
    case DT_F32: return ((const float *)v->data)[at];
    case DT_F64: return ((const double *)v->data)[at];
    case DT_F16: return f16_to_float(((const uint16_t *)v->data)[at]);
    case DT_BF16: return bf16_to_float(((const uint16_t *)v->data)[at]);
    case DT_I64: return (double)((const int64_t *)v->data)[at];
    case DT_I32: return ((const int32_t *)v->data)[at];
    default: return ((const uint8_t *)v->data)[at];
    }
}

static View operand(DType dtype, int ndim, const int64_t *size, const int *order, void *data, int64_t n)
{
    View v = {.dtype = (uint8_t)dtype, .data = data};
    view_set_contiguous(&v, ndim, size);
    int64_t stride = 1;
    for (int i = ndim - 1; i >= 0 && order; i--) {
        v.stride[order[i]] = stride;
        stride *= size[order[i]];
    }
    Converter c;
    assert_true(converter_find(DT_I64, dtype, &c));
    for (int64_t i = 0; i < n; i++) {
        int64_t x = i % 13 + 1;
        convert_row(&c, (char *)data + i * (int64_t)dtype_size(dtype), 0, (const char *)&x, 0, 1);
    }
    return v;
}

static void plans(void **state)
{
    (void)state;
    static const int64_t shapes[][4] = {{3, 4, 5, 6}, {1, 1, 1, 1}, {2, 3, 1, 70}, {5, 7, 11, 3}, {2, 0, 3, 4}, {1, 600, 2, 1}};
    static const int orders[][4] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 1, 0, 2}};
    static const DType types[][3] = {{DT_F32, DT_F32, DT_F32}, {DT_F64, DT_I64, DT_F32}, {DT_F16, DT_F32, DT_F16}, {DT_BF16, DT_BF16, DT_U8}, {DT_I32, DT_I32, DT_I64}};
    for (size_t s = 0; s < 6; s++)
        for (int oa = 0; oa < 3; oa++)
            for (int ob = 0; ob < 3; ob++)
                for (int mask = 0; mask < 16; mask += 3)
                    for (size_t t = 0; t < 5; t++) {
                        enum { N = 1300 };
                        char a[N * 8], b[N * 8], out[N * 8 + 8];
                        int64_t small[4], n = 1;
                        for (int d = 0; d < 4; d++) {
                            small[d] = mask >> d & 1 && shapes[s][d] ? 1 : shapes[s][d]; // broadcast dimensions of b
                            n *= shapes[s][d];
                        }
                        assert_true(n <= N);
                        DType compute = types[t][0];
                        View va = operand(types[t][1], 4, shapes[s], orders[oa], a, n), vb = operand(types[t][2], 4, small, orders[ob], b, n);
                        View vo = operand(compute, 4, shapes[s], orders[(oa + ob) % 3], out, n);
                        memset(out, 0x5a, sizeof out);
                        PwPlan plan;
                        const View *in[] = {&va, &vb};
                        assert_int_equal(pw_plan(&plan, PW_MUL, compute, &vo, in), ST_OK);
                        char *data[] = {out, a, b};
                        assert_int_equal(pw_run(&plan, data, NULL), ST_OK);
                        for (size_t i = (size_t)n * dtype_size(compute); i < sizeof out; i++)
                            assert_int_equal(out[i], 0x5a);
                        for (int64_t i = 0; i < n; i++) {
                            int64_t index[4], rest = i;
                            for (int d = 3; d >= 0; d--) {
                                index[d] = rest % shapes[s][d];
                                rest /= shapes[s][d];
                            }
                            double want = number_at(&va, index, 4) * number_at(&vb, index, 4), got = number_at(&vo, index, 4);
                            assert_true(fabs(got - want) <= want * (compute == DT_BF16 ? 0.004 : compute == DT_F16 ? 5e-4 : 0));
                        }
                    }
}

static void errors(void **state)
{
    (void)state;
    int64_t a[3] = {7, -7, 1}, b[3] = {2, 2, 0}, out[3], n = 3;
    View va = {.dtype = DT_I64, .data = a}, vb = {.dtype = DT_I64, .data = b}, vo = {.dtype = DT_I64, .data = out};
    view_set_contiguous(&va, 1, &n);
    view_set_contiguous(&vb, 1, &n);
    view_set_contiguous(&vo, 1, &n);
    const View *in[] = {&va, &vb};
    char *data[] = {(char *)out, (char *)a, (char *)b};
    PwPlan plan;
    PwParams p = {0};
    assert_int_equal(pw_plan(&plan, PW_DIV_FLOOR, DT_I64, &vo, in), ST_OK);
    assert_int_equal(pw_run(&plan, data, &p), ST_RAISED);
    assert_string_equal(p.error, "ZeroDivisionError");
    b[2] = 5;
    assert_int_equal(pw_run(&plan, data, &p), ST_OK);
    assert_true(out[0] == 3 && out[1] == -4 && out[2] == 0);
    assert_int_equal(pw_plan(&plan, PW_GELU, DT_I64, &vo, in), ST_DECLINED); // no such loop
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(unary_loops), cmocka_unit_test(narrow_errors), cmocka_unit_test(double_errors), cmocka_unit_test(wide_tables_agree), cmocka_unit_test(binary_loops), cmocka_unit_test(complex_loops), cmocka_unit_test(half_tables),
                                       cmocka_unit_test(plans), cmocka_unit_test(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
