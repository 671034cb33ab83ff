// Normalisations with sums in double, softmax of float64, im2col and col2im by rows: against the references.
#include "kernel_test.h"

static void compare(const KernelOp *op, const void *p, Operand *operands, int n, const char *want, double most)
{
    View in[5];
    for (int i = 0; i < n; i++)
        in[i] = operands[i].view;
    assert_string_equal(kernel_compare_to(op, p, in, n, 0, most), want);
    for (int i = 0; i < n; i++)
        operand_free(&operands[i]);
}

static void positive(Operand *o)
{
    for (int64_t i = 0; i < view_numel(&o->view); i++)
        if (o->view.dtype == DT_F32)
            ((float *)o->view.data)[i] = fabsf(((float *)o->view.data)[i]) + 0.1f;
        else
            ((double *)o->view.data)[i] = fabs(((double *)o->view.data)[i]) + 0.1;
}

static void test_batch_norm(void **state)
{
    (void)state;
    static const struct { int n; int64_t size[4]; } shapes[] = {{4, {3, 5, 4, 6}}, {2, {17, 9}}, {3, {2, 4, 19}}};
    for (int i = 0; i < 3; i++)
        for (int stats = 0; stats < 2; stats++)
            for (int wide = 0; wide < 2; wide++) {
                DType t = wide ? DT_F64 : DT_F32;
                int64_t c = shapes[i].size[1];
                BatchNormParams p = {.eps = 1e-3, .batch_stats = stats};
                Operand in[5] = {operand_typed(t, shapes[i].n, shapes[i].size, 1), operand_typed(t, 1, &c, 2), operand_typed(t, 1, &c, 3),
                                 operand_typed(t, 1, &c, 4), operand_typed(t, 1, &c, 5)};
                positive(&in[4]);
                compare(&kernel_batch_norm, &p, in, 5, stats || wide ? "sums" : "vector", wide ? 1e-14 : 1e-6);
            }
}

static void test_rows(void **state)
{
    (void)state;
    for (int rms = 0; rms < 2; rms++) {
        LayerNormParams p = {.eps = 1e-3, .dims = 2, .rms = rms};
        Operand in[3] = {operand_typed(DT_F64, DIMS(3, 4, 5, 7), 1), operand_typed(DT_F64, DIMS(5, 7), 2), rms ? operand_absent() : operand_typed(DT_F64, DIMS(5, 7), 3)};
        compare(&kernel_layer_norm, &p, in, 3, "sums", 1e-14);
    }
    GroupNormParams g = {.eps = 1e-3, .groups = 2};
    Operand in[3] = {operand_typed(DT_F64, DIMS(3, 4, 5, 7), 1), operand_typed(DT_F64, DIMS(4), 2), operand_absent()};
    compare(&kernel_group_norm, &g, in, 3, "sums", 1e-14);
    for (int dim = 0; dim < 3; dim++)
        for (int log = 0; log < 2; log++) {
            SoftmaxParams s = {.dim = dim, .log = log};
            Operand x = operand_typed(DT_F64, DIMS(3, 4, 5), 1);
            compare(&kernel_softmax, &s, &x, 1, "sums", 1e-14);
        }
}

static void test_fold(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        FoldParams p = {.size = {7, 9}, .kernel = {3, 2}, .dilation = {1 + i % 2, 1}, .padding = {i, 1}, .stride = {1, 1 + i / 2}};
        Operand x = operand_typed(i % 2 ? DT_F64 : DT_F32, DIMS(2, 3, 7, 9), 1);
        Result columns;
        assert_int_equal(kernel_try(&kernel_im2col, &p, &x.view, 1, false, NULL, &columns), ST_OK);
        Operand y = operand_typed((DType)x.view.dtype, columns.out[0].view.ndim, columns.out[0].view.size, 2);
        compare(&kernel_im2col, &p, &x, 1, "rows", 0);
        compare(&kernel_col2im, &p, &y, 1, "rows", 1e-6);
        result_free(&columns);
    }
    FoldParams p = {.kernel = {2, 2}, .dilation = {1, 1}, .padding = {0, 1}, .stride = {2, 1}};
    Operand x = operand_typed(DT_F16, DIMS(1, 2, 4, 5), 1);
    compare(&kernel_im2col, &p, &x, 1, "rows", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_rows), cmocka_unit_test(test_fold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
