// Pooling: the oneDNN variant against the reference, and the reference against numbers from PyTorch 1.13.
#include "kernel_test.h"

static PoolParams params(bool max, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    PoolParams p;
    memset(&p, 0, sizeof p);
    for (int i = 0; i < SPATIAL_MAX; i++) {
        p.kernel[i] = kernel;
        p.stride[i] = stride;
        p.padding[i] = padding;
        p.dilation[i] = dilation;
    }
    p.max = max;
    return p;
}

static void compare(const PoolParams *p, Operand x, const char *variant)
{
    assert_string_equal(kernel_compare(&kernel_pool, p, &x.view, 1, 0), variant);
    operand_free(&x);
}

static void test_variants(void **state)
{
    (void)state;
    for (int max = 0; max < 2; max++) {
        PoolParams p = params(max, 3, 2, 1, 1);
        p.count_include_pad = 1;
        compare(&p, operand_f32(DIMS(2, 9, 9, 11), 1), "dnnl");
        compare(&p, operand_f32(DIMS(2, 16, 8, 8), 1), "dnnl");
        compare(&p, operand_f32(DIMS(1, 3, 9), 1), "planes");
        compare(&p, operand_f32(DIMS(1, 9, 6, 7, 8), 1), "dnnl");
        p.count_include_pad = 0;
        compare(&p, operand_f32(DIMS(2, 9, 9, 11), 1), "dnnl");
        p.ceil_mode = 1;
        compare(&p, operand_f32(DIMS(2, 8, 10, 10), 1), "dnnl");
        p = params(max, 2, 3, 0, 1); // leaves elements over
        compare(&p, operand_f32(DIMS(2, 8, 10, 10), 1), "dnnl");
    }
    PoolParams p = params(true, 3, 1, 1, 2);
    compare(&p, operand_f32(DIMS(1, 4, 9, 9), 1), "planes");
    p = params(false, 3, 2, 1, 1);
    p.count_include_pad = p.ceil_mode = 1; // windows are cut off as the library does not
    compare(&p, operand_f32(DIMS(1, 4, 10, 10), 1), "planes");
    p.divisor = 5;
    compare(&p, operand_f32(DIMS(1, 4, 9, 9), 1), "planes");
    p = params(true, 2, 2, 0, 1);
    p.with_indices = 1;
    compare(&p, operand_f32(DIMS(1, 4, 9, 9), 1), "planes");
    Operand x = operand_f32(DIMS(2, 9, 6, 8), 1); // channels-last strides, and strides of a slice
    View last = view_permuted(&x.view, (int[]){0, 3, 1, 2});
    assert_string_equal(kernel_compare(&kernel_pool, &p, &last, 1, 0), "planes");
    p.with_indices = 0;
    assert_string_equal(kernel_compare(&kernel_pool, &p, &last, 1, 0), "dnnl");
    View slice = x.view;
    slice.size[3] = 4;
    slice.stride[3] = 2;
    assert_string_equal(kernel_compare(&kernel_pool, &p, &slice, 1, 0), "dnnl");
    operand_free(&x);
}

// Plane by plane: indices, float64, odd windows; 16-bit types by way of float32.
static void test_planes(void **state)
{
    (void)state;
    for (int variant = 0; variant < 16; variant++) {
        bool max = variant & 1, include = variant & 2, ceil = variant & 4;
        PoolParams p = params(max, 3, 2, 1, max && (variant & 8) ? 2 : 1);
        p.with_indices = max;
        p.count_include_pad = include;
        p.ceil_mode = ceil;
        p.divisor = !max && (variant & 8) ? 5 : 0;
        compare(&p, operand_typed(DT_F64, DIMS(2, 5, 10, 11), 1), "planes");
        compare(&p, operand_typed(DT_F64, DIMS(1, 2, 6, 7, 8), 2), "planes");
        compare(&p, operand_typed(DT_F64, DIMS(2, 3, 30), 3), "planes");
        if (max)
            compare(&p, operand_f32(DIMS(2, 5, 10, 11), 1), "planes");
        p = params(max, 2, variant & 8 ? 3 : 1, 0, 1);
        compare(&p, operand_typed(DT_F64, DIMS(2, 5, 10, 11), 1), "planes");
        AdaptivePoolParams a = {.size = {3, 7, 2}, .max = max};
        Operand x = operand_typed(DT_F64, DIMS(2, 3, 10, 11, 5), 1);
        View crossed = view_permuted(&x.view, (int[]){1, 0, 3, 4, 2});
        assert_string_equal(kernel_compare(&kernel_adaptive_pool, &a, &x.view, 1, 0), "planes");
        assert_string_equal(kernel_compare(&kernel_adaptive_pool, &a, &crossed, 1, 0), "planes");
        operand_free(&x);
    }
    PoolParams p = params(true, 3, 2, 1, 1);
    p.with_indices = 1;
    compare(&p, operand_typed(DT_BF16, DIMS(2, 5, 10, 11), 1), "float32");
    Operand x = operand_typed(DT_F64, DIMS(1, 1, 4, 4), 1); // NaN wins, also over a later number
    ((double *)x.view.data)[5] = NAN;
    for (int i = 8; i < 12; i++)
        ((double *)x.view.data)[i] = -INFINITY;
    compare(&p, x, "planes");
}

static void test_adaptive(void **state)
{
    (void)state;
    static const struct {
        int64_t h, w;
        const char *variant;
    } cases[] = {{1, 1, "planes"}, {7, 3, "dnnl"}, {2, 4, "planes"}, {9, 20, "planes"}};
    for (size_t i = 0; i < 4; i++) {
        AdaptivePoolParams p;
        memset(&p, 0, sizeof p);
        p.size[0] = cases[i].h;
        p.size[1] = cases[i].w;
        Operand x = operand_f32(DIMS(2, 9, 7, 9), 1);
        assert_string_equal(kernel_compare(&kernel_adaptive_pool, &p, &x.view, 1, 0), cases[i].variant);
        p.max = 1;
        assert_string_equal(kernel_compare(&kernel_adaptive_pool, &p, &x.view, 1, 0), "planes");
        operand_free(&x);
    }
}

// Private layouts: what comes out of a blocked or channels-last input is in that layout, or plain when it is 1 x 1.
static void test_layouts(void **state)
{
    (void)state;
    static const Layout layouts[] = {LAYOUT_CHANNELS_LAST, LAYOUT_BLOCK8, LAYOUT_BLOCK16};
    for (int i = 0; i < 3; i++) {
        Operand buffer = operand_f32(DIMS(2, 16, 6, 5), 7);
        buffer.view.layout = (uint8_t)layouts[i];
        Operand plain = {.view = buffer.view};
        plain.view.layout = LAYOUT_STRIDED;
        operand_alloc(&plain, (size_t)view_numel(&plain.view) * 4);
        assert_int_equal(layout_to_plain(&plain.view, &buffer.view), ST_OK);
        PoolParams p = params(true, 3, 2, 1, 1);
        AdaptivePoolParams one;
        memset(&one, 0, sizeof one);
        one.size[0] = one.size[1] = 1;
        Result a, b;
        assert_int_equal(kernel_try(&kernel_pool, &p, &buffer.view, 1, false, NULL, &a), ST_OK);
        assert_int_equal(kernel_try(&kernel_pool, &p, &plain.view, 1, true, NULL, &b), ST_OK);
        assert_true(view_distance(&a.out[0].view, &b.out[0].view) == 0);
        result_free(&a);
        result_free(&b);
        assert_int_equal(kernel_try(&kernel_adaptive_pool, &one, &buffer.view, 1, false, NULL, &a), ST_OK);
        assert_int_equal(kernel_try(&kernel_adaptive_pool, &one, &plain.view, 1, true, NULL, &b), ST_OK);
        assert_true(view_distance(&a.out[0].view, &b.out[0].view) < 1e-6);
        result_free(&a);
        result_free(&b);
        operand_free(&buffer);
        operand_free(&plain);
    }
}

// x = torch.arange(25.).reshape(1, 1, 5, 5) * 7 % 11
static void test_numbers(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(1, 1, 5, 5), 0);
    for (int i = 0; i < 25; i++)
        ((float *)x.view.data)[i] = (float)(i * 7 % 11);
    static const double max[] = {9, 10, 10, 9, 9, 10, 8, 9, 7}, index[] = {6, 3, 3, 6, 6, 14, 20, 17, 23}, avg[] = {0, 2.5, 4, 1.5, 5.25, 5.5, 3.5, 3.75, 4}, adaptive[] = {4.5, 5.83333349, 6.25, 3.83333325, 4.55555582, 4.66666651, 5, 4.5, 4};
    Result r;
    PoolParams p = params(true, 3, 2, 1, 1);
    p.with_indices = 1;
    assert_int_equal(kernel_try(&kernel_pool, &p, &x.view, 1, false, NULL, &r), ST_OK);
    for (int i = 0; i < 9; i++) {
        assert_true(view_at(&r.out[0].view, i) == max[i]);
        assert_true(view_at(&r.out[1].view, i) == index[i]);
    }
    result_free(&r);
    p = params(false, 2, 2, 1, 1);
    p.ceil_mode = p.count_include_pad = 1;
    assert_int_equal(kernel_try(&kernel_pool, &p, &x.view, 1, true, NULL, &r), ST_OK);
    assert_int_equal(view_numel(&r.out[0].view), sizeof avg / sizeof *avg);
    for (int i = 0; i < (int)(sizeof avg / sizeof *avg); i++)
        assert_true(fabs(view_at(&r.out[0].view, i) - avg[i]) < 1e-6);
    result_free(&r);
    AdaptivePoolParams a;
    memset(&a, 0, sizeof a);
    a.size[0] = a.size[1] = 3;
    assert_int_equal(kernel_try(&kernel_adaptive_pool, &a, &x.view, 1, false, NULL, &r), ST_OK);
    for (int i = 0; i < 9; i++)
        assert_true(fabs(view_at(&r.out[0].view, i) - adaptive[i]) < 1e-5);
    result_free(&r);
    operand_free(&x);
}

static void test_messages(void **state)
{
    (void)state;
    KernelContext ctx = {.threads = 1};
    Kernel k;
    Operand x = operand_f32(DIMS(1, 3, 2, 2), 1), y = operand_f32(DIMS(1, 3, 8, 8), 1);
    PoolParams p = params(true, 3, 3, 0, 1);
    assert_int_equal(kernel_prepare(&k, &kernel_pool, &ctx, &p, &x.view, 1), ST_RAISED);
    assert_string_equal(status_message(), "Given input size: (3x2x2). Calculated output size: (3x0x0). Output size is too small");
    p = params(true, 3, 3, 2, 1);
    assert_int_equal(kernel_prepare(&k, &kernel_pool, &ctx, &p, &y.view, 1), ST_RAISED);
    assert_string_equal(status_message(), "pad should be at most half of kernel size, but got pad=2 and kernel_size=3");
    operand_free(&x);
    operand_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants), cmocka_unit_test(test_planes), cmocka_unit_test(test_adaptive), cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
