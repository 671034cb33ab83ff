// Distances of pairs of rows: the vectorised variant against the reference.
#include "kernel_test.h"

static void test_norms(void **state)
{
    (void)state;
    static const double norms[] = {2, 1, 0, INFINITY, 3, 0.5};
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
        for (int wide = 0; wide < 2; wide++)
            for (int64_t width = 3; width < 40; width += 33) {
                CdistParams p = {.p = norms[i]};
                DType t = wide ? DT_F64 : DT_F32;
                Operand a = operand_typed(t, DIMS(2, 5, width), 1), b = operand_typed(t, DIMS(2, 7, width), 2);
                View in[2] = {a.view, b.view};
                assert_string_equal(kernel_compare_to(&kernel_cdist, &p, in, 2, 0, wide ? 1e-14 : 1e-6), "vector");
                in[1] = view_permuted(&b.view, (int[]){0, 1, 2});
                in[1].stride[0] = 0; // another batch: the reference's
                assert_string_equal(kernel_compare_to(&kernel_cdist, &p, in, 2, 0, wide ? 1e-14 : 1e-6), "reference");
                operand_free(&a);
                operand_free(&b);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_norms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
