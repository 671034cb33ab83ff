// im2col and col2im against PyTorch 1.13: sums of the results weighted by position, and single elements.
#include "kernel_test.h"

static void weighted(const KernelOp *op, const FoldParams *p, const View *x, int64_t count, double sum)
{
    Result r;
    assert_int_equal(kernel_try(op, p, x, 1, false, NULL, &r), ST_OK);
    assert_int_equal(view_numel(&r.out[0].view), count);
    double got = 0;
    for (int64_t i = 0; i < count; i++)
        got += (double)(i + 1) * view_at(&r.out[0].view, i);
    if (fabs(got - sum) > 1e-3)
        print_error("%s: %.9g instead of %.9g\n", op->name, got, sum);
    assert_true(fabs(got - sum) <= 1e-3);
    result_free(&r);
}

// x = torch.arange(n).sin(), [2, 3, 6, 7] for unfold; y likewise [2, 18, 20] for fold to (6, 7)
static void test_numbers(void **state)
{
    (void)state;
    FoldParams p = {.size = {6, 7}, .kernel = {3, 2}, .dilation = {1, 2}, .padding = {1, 0}, .stride = {2, 1}};
    FoldParams q = {.size = {6, 7}, .kernel = {3, 2}, .dilation = {1, 1}, .padding = {1, 1}, .stride = {2, 2}};
    Operand x = operand_f32(DIMS(2, 3, 6, 7), 0), y = operand_f32(DIMS(2, 18, 12), 0);
    for (int64_t i = 0; i < view_numel(&x.view); i++)
        ((float *)x.view.data)[i] = sinf((float)i);
    for (int64_t i = 0; i < view_numel(&y.view); i++)
        ((float *)y.view.data)[i] = sinf((float)i);
    weighted(&kernel_im2col, &p, &x.view, 540, 1668.36799862);
    weighted(&kernel_col2im, &q, &y.view, 252, 76.5930217737);
    operand_free(&x);
    operand_free(&y);
}

static void test_messages(void **state)
{
    (void)state;
    KernelContext ctx = {.threads = 1};
    Kernel k;
    FoldParams p = {.size = {6, 7}, .kernel = {3, 2}, .dilation = {1, 1}, .stride = {1, 1}};
    Operand y = operand_f32(DIMS(2, 17, 12), 0);
    assert_int_equal(kernel_prepare(&k, &kernel_col2im, &ctx, &p, &y.view, 1), ST_RAISED);
    assert_string_equal(status_message(), "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=17 and kernel_size=(3, 2).");
    operand_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
