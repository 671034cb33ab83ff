// Normalisations and softmax: the vectorised variants against the references, and the references against PyTorch 1.13.
#include "kernel_test.h"

static void test_batch_norm(void **state)
{
    (void)state;
    BatchNormParams p;
    memset(&p, 0, sizeof p);
    p.eps = 1e-5;
    Operand x = operand_f32(DIMS(2, 16, 5, 7), 1), v[4];
    for (int i = 0; i < 4; i++)
        v[i] = operand_f32(DIMS(16), 2 + (uint64_t)i);
    for (int i = 0; i < 16; i++)
        ((float *)v[3].view.data)[i] = fabsf(((float *)v[3].view.data)[i]) + 0.1f;
    View no = operand_absent().view;
    View all[5] = {x.view, v[0].view, v[1].view, v[2].view, v[3].view}, plain[5] = {x.view, no, no, v[2].view, v[3].view};
    assert_string_equal(kernel_compare(&kernel_batch_norm, &p, all, 5, 0), "vector");
    assert_string_equal(kernel_compare(&kernel_batch_norm, &p, plain, 5, 0), "vector");
    Operand flat = operand_f32(DIMS(9, 16), 7);
    plain[0] = flat.view;
    assert_string_equal(kernel_compare(&kernel_batch_norm, &p, plain, 5, 0), "vector");
    operand_free(&flat);
    // statistics that are columns of a matrix, and channels innermost
    Operand columns = operand_f32(DIMS(16, 4), 8);
    View apart[5] = {x.view};
    for (int i = 0; i < 4; i++) {
        apart[i + 1] = v[0].view;
        apart[i + 1].data = (float *)columns.view.data + i;
        apart[i + 1].stride[0] = 4;
    }
    for (int i = 0; i < 16; i++)
        ((float *)columns.view.data)[4 * i + 3] = 0.5f + (float)i;
    assert_string_equal(kernel_compare(&kernel_batch_norm, &p, apart, 5, 0), "vector");
    Operand last = operand_f32(DIMS(2, 5, 7, 16), 10);
    apart[0] = view_permuted(&last.view, (int[]){0, 3, 1, 2});
    assert_string_equal(kernel_compare(&kernel_batch_norm, &p, apart, 5, 0), "vector");
    operand_free(&columns);
    operand_free(&last);
    static const Layout layouts[] = {LAYOUT_CHANNELS_LAST, LAYOUT_BLOCK8, LAYOUT_BLOCK16};
    for (int i = 0; i < 3; i++) {
        Operand buffer = operand_f32(DIMS(2, 16, 5, 7), 9);
        buffer.view.layout = (uint8_t)layouts[i];
        Operand order = {.view = buffer.view};
        order.view.layout = LAYOUT_STRIDED;
        operand_alloc(&order, (size_t)view_numel(&order.view) * 4);
        assert_int_equal(layout_to_plain(&order.view, &buffer.view), ST_OK);
        Result a, b;
        all[0] = buffer.view;
        assert_int_equal(kernel_try(&kernel_batch_norm, &p, all, 5, false, NULL, &a), ST_OK);
        all[0] = order.view;
        assert_int_equal(kernel_try(&kernel_batch_norm, &p, all, 5, true, NULL, &b), ST_OK);
        assert_true(view_distance(&a.out[0].view, &b.out[0].view) < 1e-6);
        result_free(&a);
        result_free(&b);
        operand_free(&buffer);
        operand_free(&order);
    }
    operand_free(&x);
    for (int i = 0; i < 4; i++)
        operand_free(&v[i]);
}

static void test_layer_norm(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 5, 16, 33, 768};
    LayerNormParams p;
    memset(&p, 0, sizeof p);
    p.eps = 1e-5;
    for (size_t i = 0; i < 5; i++)
        for (int rms = 0; rms < 2; rms++) {
            p.dims = 1;
            p.rms = rms;
            Operand x = operand_f32(DIMS(3, 2, widths[i]), 1), w = operand_f32(DIMS(widths[i]), 2), b = operand_f32(DIMS(widths[i]), 3);
            View in[3] = {x.view, w.view, b.view};
            if (widths[i] > 1)
                assert_string_equal(kernel_compare(&kernel_layer_norm, &p, in, 3, 0), "vector");
            assert_string_equal(kernel_compare_to(&kernel_layer_norm, &p, in, 2, 0, widths[i] > 1 ? 1e-6 : 1e-3), "vector");
            assert_string_equal(kernel_compare_to(&kernel_layer_norm, &p, in, 1, 0, widths[i] > 1 ? 1e-6 : 1e-3), "vector");
            operand_free(&x);
            operand_free(&w);
            operand_free(&b);
        }
    p.dims = 2;
    p.rms = 0;
    Operand x = operand_f32(DIMS(4, 5, 6), 1), w = operand_f32(DIMS(4, 6), 2), b = operand_f32(DIMS(4, 6), 3);
    View in[3] = {view_permuted(&x.view, (int[]){1, 0, 2}), w.view, b.view};
    assert_string_equal(kernel_compare(&kernel_layer_norm, &p, in, 3, 0), "vector");
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
}

static void test_group_norm(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(2, 6, 5, 7), 1), w = operand_f32(DIMS(6), 2), b = operand_f32(DIMS(6), 3);
    View in[3] = {x.view, w.view, b.view};
    for (int64_t groups = 1; groups <= 6; groups++) {
        GroupNormParams p = {1e-5, groups};
        if (6 % groups)
            continue;
        assert_string_equal(kernel_compare(&kernel_group_norm, &p, in, 3, 0), "vector");
        assert_string_equal(kernel_compare(&kernel_group_norm, &p, in, 1, 0), "vector");
    }
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
}

static void test_softmax(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(3, 37, 5), 1);
    for (int64_t i = 0; i < view_numel(&x.view); i++)
        ((float *)x.view.data)[i] *= 20;
    ((float *)x.view.data)[7] = -INFINITY;
    ((float *)x.view.data)[11] = 80;
    View views[] = {x.view, view_permuted(&x.view, (int[]){0, 2, 1})};
    for (int v = 0; v < 2; v++)
        for (int dim = 0; dim < 3; dim++)
            for (int log_result = 0; log_result < 2; log_result++) {
                SoftmaxParams p = {dim, log_result};
                assert_string_equal(kernel_compare(&kernel_softmax, &p, &views[v], 1, 0), "vector");
            }
    SoftmaxParams p = {0, 0};
    Operand wide = operand_f32(DIMS(4, 70), 2), scalar = operand_f32(0, NULL, 3), empty = operand_f32(DIMS(2, 0), 3);
    kernel_compare(&kernel_softmax, &p, &wide.view, 1, 0);
    kernel_compare(&kernel_softmax, &p, &scalar.view, 1, 0);
    kernel_compare(&kernel_softmax, &p, &empty.view, 1, 0);
    operand_free(&wide);
    operand_free(&scalar);
    operand_free(&empty);
    operand_free(&x);
}

// x = torch.arange(12.).reshape(2, 3, 2) ** 2 / 10, w = [1, 2, 3], b = [0, 1, -1]
static void test_numbers(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(2, 3, 2), 0), w = operand_f32(DIMS(3), 0), b = operand_f32(DIMS(3), 0);
    for (int i = 0; i < 12; i++)
        ((float *)x.view.data)[i] = (float)(i * i) / 10;
    for (int i = 0; i < 3; i++) {
        ((float *)w.view.data)[i] = (float)(i + 1);
        ((float *)b.view.data)[i] = (float)(i == 2 ? -1 : i);
    }
    static const double batch[] = {-0.999998927, -0.953487337, -1.11375904, -0.816046536, -4.24808407, -3.65752339, 0.674417734, 1.27906835, 2.45879149, 3.47101426, 1.26381612, 2.64179134}, unbiased[] = {6.16333342, 15.043335, 27.8700008}, group[] = {-0.998005986, 0.998005986, -0.999839902, 2.99983978, -3.99992514, 1.99992657, -0.999988019, 0.999988258, -0.999986053, 2.99998569, -3.99998808, 1.99998462}, layer[] = {-1.03041875, -0.91800946, -0.58078146, -0.0187349226, 0.768130362, 1.77981424, -1.34408569, -0.897963643, -0.383207381, 0.200183108, 0.852207541, 1.57286644}, soft[] = {0.134320915, 0.0701817498, 0.200383246, 0.156192377, 0.665295839, 0.77362591, 0.00161475304, 0.000732620189, 0.0265540481, 0.0179730318, 0.971831203, 0.981294274}, log_soft[] = {-2.00752354, -2.65666699, -1.60752356, -1.85666692, -0.407523483, -0.256666869, -6.42857313, -7.21888304, -3.62857294, -4.01888275, -0.0285731349, -0.0188828725};
    BatchNormParams bn;
    memset(&bn, 0, sizeof bn);
    bn.eps = 1e-5;
    bn.batch_stats = 1;
    View no = operand_absent().view, in[5] = {x.view, w.view, b.view, no, no};
    Result r;
    assert_int_equal(kernel_try(&kernel_batch_norm, &bn, in, 5, false, NULL, &r), ST_OK);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(view_at(&r.out[0].view, i) - batch[i]) < 1e-5);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(view_at(&r.out[3].view, i) - unbiased[i]) < 1e-4);
    result_free(&r);
    GroupNormParams gn = {1e-5, 3};
    LayerNormParams ln;
    memset(&ln, 0, sizeof ln);
    ln.eps = 1e-5;
    ln.dims = 2;
    for (int reference = 0; reference < 2; reference++) {
        assert_int_equal(kernel_try(&kernel_group_norm, &gn, in, 3, reference, NULL, &r), ST_OK);
        for (int i = 0; i < 12; i++)
            assert_true(fabs(view_at(&r.out[0].view, i) - group[i]) < 1e-4);
        result_free(&r);
        assert_int_equal(kernel_try(&kernel_layer_norm, &ln, in, 1, reference, NULL, &r), ST_OK);
        for (int i = 0; i < 12; i++)
            assert_true(fabs(view_at(&r.out[0].view, i) - layer[i]) < 1e-5);
        result_free(&r);
        for (int log_result = 0; log_result < 2; log_result++) {
            SoftmaxParams sm = {1, log_result};
            assert_int_equal(kernel_try(&kernel_softmax, &sm, in, 1, reference, NULL, &r), ST_OK);
            for (int i = 0; i < 12; i++)
                assert_true(fabs(view_at(&r.out[0].view, i) - (log_result ? log_soft : soft)[i]) < 1e-5);
            result_free(&r);
        }
    }
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
}

static void expect(const KernelOp *op, const void *params, const View *in, int n, const char *message)
{
    KernelContext ctx = {.threads = 1};
    Kernel k;
    assert_int_equal(kernel_prepare(&k, op, &ctx, params, in, n), ST_RAISED);
    assert_string_equal(status_message(), message);
}

static void test_messages(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(1, 3, 8, 8), 1), four = operand_f32(DIMS(4), 2), two = operand_f32(DIMS(2, 3), 1), ints = operand_f32(DIMS(2, 3), 1);
    View no = operand_absent().view, in[5] = {x.view, no, no, four.view, four.view}, rows[2] = {two.view, four.view};
    BatchNormParams bn;
    memset(&bn, 0, sizeof bn);
    expect(&kernel_batch_norm, &bn, in, 5, "running_mean should contain 3 elements not 4");
    LayerNormParams ln = {1e-5, 1, 0};
    expect(&kernel_layer_norm, &ln, rows, 2, "Expected weight to be of same shape as normalized_shape, but got weight of shape [4] and normalized_shape = [3]");
    GroupNormParams gn = {1e-5, 2};
    expect(&kernel_group_norm, &gn, in, 1, "Expected number of channels in input to be divisible by num_groups, but got input of shape [1, 3, 8, 8] and num_groups=2");
    ints.view.dtype = DT_I32;
    SoftmaxParams sm = {1, 0};
    expect(&kernel_softmax, &sm, &ints.view, 1, "\"softmax_lastdim_kernel_impl\" not implemented for 'Int'");
    operand_free(&x);
    operand_free(&four);
    operand_free(&two);
    operand_free(&ints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_softmax),    cmocka_unit_test(test_numbers),    cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
