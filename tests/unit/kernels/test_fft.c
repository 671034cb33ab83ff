// Fourier transforms: FFTW against the sum of the definition, over sizes, dimensions, strides and alignments.
#include "kernel_test.h"

enum { F = 1, B = 0 };

// Contiguous numbers of a real or complex type.
static Operand numbers(DType t, int ndim, const int64_t *size, uint64_t seed)
{
    Operand o = {.view = {.dtype = (uint8_t)t}};
    view_set_contiguous(&o.view, ndim, size);
    int64_t n = view_numel(&o.view) * (t == DT_C64 || t == DT_C128 ? 2 : 1);
    bool wide = t == DT_F64 || t == DT_C128;
    operand_alloc(&o, (size_t)n * (wide ? 8 : 4));
    for (int64_t i = 0; i < n; i++) {
        double x = (double)test_random(&seed) / (double)(1u << 30) - 1;
        if (wide)
            ((double *)o.view.data)[i] = x;
        else
            ((float *)o.view.data)[i] = (float)x;
    }
    return o;
}

static double distance(const View *a, const View *b)
{
    assert_true(view_same_signature(a, b));
    bool is_complex = dtype_is_complex((DType)a->dtype), wide = a->dtype == DT_F64 || a->dtype == DT_C128;
    int64_t n = view_numel(a) * (is_complex ? 2 : 1);
    double d = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = wide ? ((double *)a->data)[i] : ((float *)a->data)[i], y = wide ? ((double *)b->data)[i] : ((float *)b->data)[i];
        d += (x - y) * (x - y);
        all += y * y;
    }
    return all > 0 ? sqrt(d / all) : sqrt(d);
}

// Relative distance of at most 5 units in the last place of float, and 10 of double, in which the reference has errors of
// its own: its angles of up to 2 pi are rounded.
static void compare(FftKind kind, int forward, View in, int dims, const int *dim, int64_t last_size)
{
    FftParams p = {.scale = 0.5, .kind = (int32_t)kind, .forward = forward, .dims = dims, .last_size = last_size};
    for (int d = 0; d < in.ndim; d++)
        p.order[d] = in.ndim - 1 - d; // any order will do
    for (int i = 0; i < dims; i++)
        p.dim[i] = dim[i];
    Result fast, again, slow;
    assert_int_equal(kernel_try(&kernel_fft, &p, &in, 1, false, NULL, &fast), ST_OK);
    assert_string_equal(fast.variant, "fftw");
    assert_int_equal(kernel_try(&kernel_fft, &p, &in, 1, false, NULL, &again), ST_OK);
    assert_int_equal(kernel_try(&kernel_fft, &p, &in, 1, true, NULL, &slow), ST_OK);
    double d = distance(&fast.out[0].view, &slow.out[0].view), most = in.dtype == DT_F32 || in.dtype == DT_C64 ? 5 * 6e-8 : 10 * 1.2e-16;
    if (!(d <= most))
        print_error("kind %d, %d dimensions, %lld points, dtype %d: off by %g\n", (int)kind, dims, (long long)in.size[in.ndim - 1], in.dtype, d);
    assert_true(d <= most);
    assert_memory_equal(fast.out[0].view.data, again.out[0].view.data, fast.out[0].bytes);
    result_free(&fast);
    result_free(&again);
    result_free(&slow);
}

static void test_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 30, 64, 67, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int wide = 0; wide < 2; wide++) {
            Operand r = numbers(wide ? DT_F64 : DT_F32, DIMS(2, sizes[i]), 1), c = numbers(wide ? DT_C128 : DT_C64, DIMS(2, sizes[i]), 2);
            for (int forward = 0; forward < 2; forward++) {
                compare(FFT_C2C, forward, c.view, 1, (int[]){1}, 0);
                compare(FFT_R2C, forward, r.view, 1, (int[]){1}, 0);
                compare(FFT_R2C_FULL, forward, r.view, 1, (int[]){1}, 0);
                compare(FFT_C2R, forward, c.view, 1, (int[]){1}, 2 * sizes[i] - 1);
                if (sizes[i] > 1)
                    compare(FFT_C2R, forward, c.view, 1, (int[]){1}, 2 * sizes[i] - 2);
            }
            operand_free(&r);
            operand_free(&c);
        }
}

static void test_dimensions(void **state)
{
    (void)state;
    Operand r = numbers(DT_F32, DIMS(3, 4, 5), 1), c = numbers(DT_C64, DIMS(3, 4, 5), 2);
    static const int orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    for (int i = 0; i < 3; i++) {
        View vr = view_permuted(&r.view, orders[i]), vc = view_permuted(&c.view, orders[i]);
        for (int forward = 0; forward < 2; forward++)
            for (int dims = 1; dims <= 3; dims++)
                for (int first = 0; first < 3; first++) {
                    int dim[3] = {first, (first + 1) % 3, (first + 2) % 3};
                    compare(FFT_C2C, forward, vc, dims, dim, 0);
                    compare(FFT_R2C, forward, vr, dims, dim, 0);
                    compare(FFT_R2C_FULL, forward, vr, dims, dim, 0);
                    compare(FFT_C2R, forward, vc, dims, dim, 2 * vc.size[dim[dims - 1]] - 1);
                }
    }
    View part = c.view; // neither dense nor aligned, and a dimension that is repeated
    part.data = (char *)part.data + 8;
    part.size[0] = 2;
    part.size[2] = 2;
    part.stride[2] = 2;
    compare(FFT_C2C, F, part, 2, (int[]){0, 2}, 0);
    part.stride[1] = 0;
    compare(FFT_C2C, B, part, 1, (int[]){2}, 0);
    operand_free(&r);
    operand_free(&c);
}

// Large enough to go in two steps. The transform of a single 1 is known: element (j, k) of it is a root of unity.
static void impulse(DType t, bool turned, int forward)
{
    enum { ROWS = 160, COLUMNS = 132, AT_ROW = 57, AT_COLUMN = 31 };
    Operand c = numbers(t, DIMS(2, ROWS, COLUMNS), 1);
    memset(c.view.data, 0, 2 * ROWS * COLUMNS * dtype_size(t));
    size_t at = ROWS * COLUMNS + AT_ROW * COLUMNS + AT_COLUMN; // of the second image
    if (t == DT_C64)
        ((float *)c.view.data)[2 * at] = 1;
    else
        ((double *)c.view.data)[2 * at] = 1;
    View v = c.view;
    if (turned) { // columns first
        v.size[1] = COLUMNS, v.size[2] = ROWS;
        v.stride[1] = 1, v.stride[2] = COLUMNS;
    }
    FftParams p = {.scale = 1, .kind = FFT_C2C, .forward = forward, .dims = 2, .dim = {1, 2}, .order = {0, 1, 2}};
    Result r;
    assert_int_equal(kernel_try(&kernel_fft, &p, &v, 1, false, NULL, &r), ST_OK);
    const View *out = &r.out[0].view;
    double worst = 0;
    for (int64_t b = 0; b < 2; b++)
        for (int64_t j = 0; j < v.size[1]; j++)
            for (int64_t k = 0; k < v.size[2]; k++) {
                int64_t i = b * out->stride[0] + j * out->stride[1] + k * out->stride[2];
                double re = t == DT_C64 ? ((float *)out->data)[2 * i] : ((double *)out->data)[2 * i];
                double im = t == DT_C64 ? ((float *)out->data)[2 * i + 1] : ((double *)out->data)[2 * i + 1];
                int64_t row = turned ? k : j, column = turned ? j : k;
                int64_t of = ROWS * COLUMNS, part = (row * AT_ROW * COLUMNS + column * AT_COLUMN * ROWS) % of;
                double turn = 2 * M_PI * (double)(2 * part > of ? part - of : part) / (double)of;
                double want_re = b ? cos(turn) : 0, want_im = b ? (forward ? -sin(turn) : sin(turn)) : 0;
                worst = fmax(worst, hypot(re - want_re, im - want_im));
            }
    // Elements of size 1: 4 units in the last place of float; of double 13, of which the angles here may take 3.
    assert_true(worst < (t == DT_C64 ? 4e-7 : 3e-15));
    result_free(&r);
    operand_free(&c);
}

static void test_two_steps(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        impulse(i & 1 ? DT_C64 : DT_C128, i & 2, i >> 2);
}

static void test_refusals(void **state)
{
    (void)state;
    Operand c = numbers(DT_C64, DIMS(2, 3), 1);
    FftParams p = {.scale = 1, .kind = FFT_C2R, .dims = 1, .dim = {1}, .order = {0, 1}, .last_size = 9};
    Result r;
    assert_int_equal(kernel_try(&kernel_fft, &p, &c.view, 1, false, NULL, &r), ST_RAISED);
    p.kind = FFT_R2C;
    assert_int_equal(kernel_try(&kernel_fft, &p, &c.view, 1, false, NULL, &r), ST_UNSUPPORTED);
    Operand none = numbers(DT_C64, DIMS(0, 3), 1);
    p.kind = FFT_C2C;
    assert_int_equal(kernel_try(&kernel_fft, &p, &none.view, 1, false, NULL, &r), ST_OK);
    result_free(&r);
    operand_free(&none);
    operand_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_dimensions), cmocka_unit_test(test_two_steps), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
