// Resizing and grid sampling: the vectorised variant against the reference, and the reference against PyTorch 1.13.
#include "kernel_test.h"

static ResizeParams params(ResizeMode mode, int64_t a, int64_t b, int64_t c)
{
    ResizeParams p;
    memset(&p, 0, sizeof p);
    p.mode = (int32_t)mode;
    p.size[0] = a;
    p.size[1] = b;
    p.size[2] = c;
    return p;
}

static void test_variants(void **state)
{
    (void)state;
    Operand one = operand_f32(DIMS(2, 3, 7), 1), two = operand_f32(DIMS(2, 8, 5, 7), 2), three = operand_f32(DIMS(1, 3, 3, 4, 5), 3);
    for (int mode = RESIZE_NEAREST; mode <= RESIZE_CUBIC; mode++)
        for (int align = 0; align < 2; align++) {
            ResizeParams p = params((ResizeMode)mode, 11, 9, 4);
            p.align_corners = align;
            kernel_compare(&kernel_resize, &p, &one.view, 1, 0);
            assert_string_equal(kernel_compare(&kernel_resize, &p, &two.view, 1, 0), "vector");
            View last = view_permuted(&two.view, (int[]){0, 3, 1, 2});
            assert_string_equal(kernel_compare(&kernel_resize, &p, &last, 1, 0), "vector");
            assert_string_equal(kernel_compare(&kernel_resize, &p, &three.view, 1, 0), "vector");
            p.antialias = 1;
            p.size[0] = 3;
            if (mode >= RESIZE_LINEAR)
                assert_string_equal(kernel_compare(&kernel_resize, &p, &two.view, 1, 0), "vector");
        }
    operand_free(&one);
    operand_free(&two);
    operand_free(&three);
}

static void test_wide(void **state)
{
    (void)state;
    Operand line = operand_typed(DT_F64, DIMS(2, 3, 7), 1), plane = operand_typed(DT_F64, DIMS(2, 8, 5, 7), 2), volume = operand_typed(DT_F64, DIMS(1, 3, 3, 4, 5), 3);
    View last = view_permuted(&plane.view, (int[]){0, 3, 1, 2});
    for (int mode = RESIZE_NEAREST; mode <= RESIZE_CUBIC; mode++)
        for (int align = 0; align < 2; align++) {
            ResizeParams p = params((ResizeMode)mode, 11, 9, 4);
            p.align_corners = align;
            const View *all[] = {&plane.view, &last, &line.view, &volume.view};
            for (int i = 0; i < (mode == RESIZE_CUBIC ? 2 : 4); i++)
                assert_string_equal(kernel_compare_to(&kernel_resize, &p, all[i], 1, 0, 1e-14), "vector");
            p.antialias = 1;
            p.size[0] = 3;
            if (mode >= RESIZE_LINEAR)
                assert_string_equal(kernel_compare_to(&kernel_resize, &p, &plane.view, 1, 0, 1e-14), "vector");
        }
    operand_free(&line);
    operand_free(&plane);
    operand_free(&volume);
}

static void test_layouts(void **state)
{
    (void)state;
    static const Layout layouts[] = {LAYOUT_CHANNELS_LAST, LAYOUT_BLOCK8, LAYOUT_BLOCK16};
    for (int i = 0; i < 3; i++)
        for (int mode = RESIZE_NEAREST; mode <= RESIZE_LINEAR; mode++) {
            Operand buffer = operand_f32(DIMS(2, 16, 4, 5), 7);
            buffer.view.layout = (uint8_t)layouts[i];
            Operand plain = {.view = buffer.view};
            plain.view.layout = LAYOUT_STRIDED;
            operand_alloc(&plain, (size_t)view_numel(&plain.view) * 4);
            assert_int_equal(layout_to_plain(&plain.view, &buffer.view), ST_OK);
            ResizeParams p = params((ResizeMode)mode, 8, 11, 0);
            Result a, b;
            assert_int_equal(kernel_try(&kernel_resize, &p, &buffer.view, 1, false, NULL, &a), ST_OK);
            assert_int_equal(kernel_try(&kernel_resize, &p, &plain.view, 1, true, NULL, &b), ST_OK);
            assert_true(view_distance(&a.out[0].view, &b.out[0].view) < 1e-6);
            result_free(&a);
            result_free(&b);
            operand_free(&buffer);
            operand_free(&plain);
        }
}

typedef struct Case {
    ResizeMode mode;
    int align, antialias;
    int64_t h, w;
    double scale;
    double sum, first, last; // of the result, the sum weighted by position
} Case;

// x = torch.arange(20.).reshape(1, 1, 4, 5).sin(); the sum is (y.flatten() * torch.arange(1, n + 1)).sum() in double
static void test_numbers(void **state)
{
    (void)state;
    static const Case cases[] = {
        {RESIZE_NEAREST, 0, 0, 7, 9, 0, -198.851378, 0, 0.149877205},
        {RESIZE_NEAREST, 0, 0, 3, 2, 0, -4.36977494, 0, -0.536572933},
        {RESIZE_NEAREST, 0, 0, 8, 10, 0, -287.428302, 0, 0.149877205},
        {RESIZE_NEAREST, 0, 0, 6, 8, 1.7, -125.842039, 0, 0.990607381},
        {RESIZE_NEAREST_EXACT, 0, 0, 7, 9, 0, -148.157527, 0, 0.149877205},
        {RESIZE_NEAREST_EXACT, 0, 0, 3, 2, 0, -6.14103153, 0.841470957, -0.750987232},
        {RESIZE_NEAREST_EXACT, 0, 0, 8, 10, 0, -287.428302, 0, 0.149877205},
        {RESIZE_NEAREST_EXACT, 0, 0, 6, 8, 1.7, -100.321967, 0, 0.149877205},
        {RESIZE_LINEAR, 0, 0, 7, 9, 0, -174.466534, 0, 0.149877205},
        {RESIZE_LINEAR, 0, 1, 7, 9, 0, -174.466534, 0, 0.149877205},
        {RESIZE_LINEAR, 1, 0, 7, 9, 0, -207.454456, 0, 0.149877205},
        {RESIZE_LINEAR, 1, 1, 7, 9, 0, -187.252224, 0, 0.155495152},
        {RESIZE_LINEAR, 0, 0, 3, 2, 0, -1.6202246, 0.451037228, -0.344346523},
        {RESIZE_LINEAR, 0, 1, 3, 2, 0, -1.65539703, 0.322578013, -0.247880772},
        {RESIZE_LINEAR, 1, 0, 3, 2, 0, 3.1881313, 0, 0.149877205},
        {RESIZE_LINEAR, 1, 1, 3, 2, 0, -0.274816066, 0.3034603, -0.123109296},
        {RESIZE_LINEAR, 0, 0, 8, 10, 0, -276.576479, 0, 0.149877205},
        {RESIZE_LINEAR, 0, 1, 8, 10, 0, -276.576458, 0, 0.149877205},
        {RESIZE_LINEAR, 1, 0, 8, 10, 0, -335.872174, 0, 0.14987722},
        {RESIZE_LINEAR, 1, 1, 8, 10, 0, -310.648473, 0, 0.166069791},
        {RESIZE_LINEAR, 0, 0, 6, 8, 1.7, -80.3493845, 0, 0.300652951},
        {RESIZE_CUBIC, 0, 0, 7, 9, 0, -183.249452, 0.00868113525, 0.160596028},
        {RESIZE_CUBIC, 0, 1, 7, 9, 0, -176.427061, 0.00653103692, 0.158644244},
        {RESIZE_CUBIC, 1, 0, 7, 9, 0, -228.247877, 0, 0.149877205},
        {RESIZE_CUBIC, 1, 1, 7, 9, 0, -203.146375, 0.00910257827, 0.166272327},
        {RESIZE_CUBIC, 0, 0, 3, 2, 0, -1.28761669, 0.482100457, -0.360282153},
        {RESIZE_CUBIC, 0, 1, 3, 2, 0, -1.9203268, 0.407201082, -0.317696154},
        {RESIZE_CUBIC, 1, 0, 3, 2, 0, 3.33615366, 0, 0.149877205},
        {RESIZE_CUBIC, 1, 1, 3, 2, 0, -0.066540651, 0.332058102, -0.197038546},
        {RESIZE_CUBIC, 0, 0, 8, 10, 0, -302.995958, 0.0105860522, 0.159895018},
        {RESIZE_CUBIC, 0, 1, 8, 10, 0, -288.288196, 0.00910257827, 0.157755673},
        {RESIZE_CUBIC, 1, 0, 8, 10, 0, -383.933714, 0, 0.149877205},
        {RESIZE_CUBIC, 1, 1, 8, 10, 0, -336.372704, 0.0112335756, 0.179035604},
        {RESIZE_CUBIC, 0, 0, 6, 8, 1.7, -90.3554322, 0.00990137551, 0.31571573},
        {RESIZE_LANCZOS, 0, 1, 3, 2, 0, -2.22292459, 0.470548958, -0.375092626}, // Pillow
        {RESIZE_LANCZOS, 0, 1, 7, 9, 0, -177.435481, 0.0254207216, 0.136306971}, // Pillow
    };
    Operand x = operand_f32(DIMS(1, 1, 4, 5), 0);
    for (int i = 0; i < 20; i++)
        ((float *)x.view.data)[i] = sinf((float)i);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int reference = 0; reference < 2; reference++) {
            const Case *k = &cases[c];
            ResizeParams p = params(k->mode, k->h, k->w, 0);
            p.align_corners = k->align;
            p.antialias = k->antialias;
            p.scale[0] = p.scale[1] = k->scale;
            Result r;
            assert_int_equal(kernel_try(&kernel_resize, &p, &x.view, 1, reference, NULL, &r), ST_OK);
            int64_t n = view_numel(&r.out[0].view);
            double sum = 0;
            for (int64_t i = 0; i < n; i++)
                sum += (double)(i + 1) * view_at(&r.out[0].view, i);
            if (fabs(sum - k->sum) > 1e-4 * (1 + fabs(k->sum)))
                print_error("case %zu: %g instead of %g\n", c, sum, k->sum);
            assert_true(fabs(sum - k->sum) <= 1e-4 * (1 + fabs(k->sum)));
            assert_true(fabs(view_at(&r.out[0].view, 0) - k->first) < 1e-5);
            assert_true(fabs(view_at(&r.out[0].view, n - 1) - k->last) < 1e-5);
            result_free(&r);
        }
    operand_free(&x);
}

// The same x; grid = (torch.arange(24.) * 0.7).cos().reshape(1, 3, 4, 2) * 1.3
static void test_grid(void **state)
{
    (void)state;
    static const double sums[3][3][2] = {{{4.49224962, 4.7563901}, {5.13343424, 5.59102495}, {4.38158278, 2.94371427}}, {{14.0520712, 5.46933134}, {9.69122145, 7.1179806}, {9.69122145, -2.79152821}}, {{5.1750773, 7.0799882}, {4.38275602, 7.14446845}, {3.41218558, 4.68890415}}};
    Operand x = operand_f32(DIMS(1, 1, 4, 5), 0), g = operand_f32(DIMS(1, 3, 4, 2), 0);
    for (int i = 0; i < 20; i++)
        ((float *)x.view.data)[i] = sinf((float)i);
    for (int i = 0; i < 24; i++)
        ((float *)g.view.data)[i] = cosf((float)i * 0.7f) * 1.3f;
    for (int mode = 0; mode < 3; mode++)
        for (int padding = 0; padding < 3; padding++)
            for (int both = 0; both < 4; both++) {
                int align = both & 1;
                GridSampleParams p;
                memset(&p, 0, sizeof p);
                p.mode = mode;
                p.padding = padding;
                p.align_corners = align;
                View in[2] = {x.view, g.view};
                Result r;
                assert_int_equal(kernel_try(&kernel_grid_sample, &p, in, 2, both > 1, NULL, &r), ST_OK);
                double sum = 0;
                for (int i = 0; i < 12; i++)
                    sum += (i + 1) * view_at(&r.out[0].view, i);
                if (fabs(sum - sums[mode][padding][align]) > 1e-4)
                    print_error("mode %d padding %d align %d: %g instead of %g\n", mode, padding, align, sum, sums[mode][padding][align]);
                assert_true(fabs(sum - sums[mode][padding][align]) < 1e-4);
                result_free(&r);
            }
    operand_free(&x);
    operand_free(&g);
}

static void test_grid_variants(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(2, 7, 6, 5), 1), g = operand_f32(DIMS(2, 9, 37, 2), 2), x3 = operand_f32(DIMS(2, 3, 4, 5, 6), 3), g3 = operand_f32(DIMS(2, 3, 7, 5, 3), 4);
    for (int64_t i = 0; i < view_numel(&g.view); i++)
        ((float *)g.view.data)[i] *= 1.3f;
    float odd[4] = {NAN, INFINITY, -1e30f, 3e9f};
    memcpy(g.view.data, odd, sizeof odd);
    View last = view_permuted(&x.view, (int[]){0, 3, 1, 2}); // 5 channels innermost
    View two[2] = {x.view, g.view}, two_last[2] = {last, g.view}, three[2] = {x3.view, g3.view};
    for (int mode = 0; mode < 3; mode++)
        for (int padding = 0; padding < 3; padding++)
            for (int align = 0; align < 2; align++) {
                GridSampleParams p;
                memset(&p, 0, sizeof p);
                p.mode = mode;
                p.padding = padding;
                p.align_corners = align;
                ((float *)g.view.data)[1] = padding == 2 ? -1 : INFINITY; // infinity reflected is anything
                if (mode != 2 && padding != 2)
                    assert_string_equal(kernel_compare(&kernel_grid_sample, &p, two, 2, 0), "vector");
                memset(g.view.data, 0, sizeof odd);
                assert_string_equal(kernel_compare(&kernel_grid_sample, &p, two_last, 2, 0), "vector");
                if (mode < 2)
                    assert_string_equal(kernel_compare(&kernel_grid_sample, &p, three, 2, 0), "vector");
                memcpy(g.view.data, odd, sizeof odd);
            }
    operand_free(&x);
    operand_free(&g);
    operand_free(&x3);
    operand_free(&g3);
}

static void test_messages(void **state)
{
    (void)state;
    KernelContext ctx = {.threads = 1};
    Kernel k;
    Operand x = operand_f32(DIMS(2, 3, 4, 4), 1);
    ResizeParams p = params(RESIZE_NEAREST, 0, 2, 0);
    assert_int_equal(kernel_prepare(&k, &kernel_resize, &ctx, &p, &x.view, 1), ST_RAISED);
    assert_string_equal(status_message(), "Input and output sizes should be greater than 0, but got input (H: 4, W: 4) output (H: 0, W: 2)");
    operand_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants), cmocka_unit_test(test_wide), cmocka_unit_test(test_layouts), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_grid),     cmocka_unit_test(test_grid_variants), cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
