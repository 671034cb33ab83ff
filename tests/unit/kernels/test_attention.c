// Attention: the oneDNN variant against the reference over masks, strides and batches, and both against PyTorch's numbers.
#include "kernel_test.h"

static void compare(const AttentionParams *p, View q, View k, View v, View mask)
{
    View in[4] = {q, k, v, mask};
    assert_string_equal(kernel_compare(&kernel_attention, p, in, 4, 0), "dnnl");
}

static void test_masks(void **state)
{
    (void)state;
    AttentionParams p = {0.3, 0, 0, 0};
    Operand q = operand_f32(DIMS(2, 3, 17, 8), 1), k = operand_f32(DIMS(2, 3, 21, 8), 2), v = operand_f32(DIMS(2, 3, 21, 5), 3);
    Operand add = operand_f32(DIMS(2, 1, 1, 21), 4), full = operand_f32(DIMS(17, 21), 5), bits = operand_f32(DIMS(17, 21), 6);
    uint8_t *m = bits.view.data;
    for (int i = 0; i < 17 * 21; i++)
        m[i] = i % 3 != 1;
    bits.view.dtype = DT_BOOL;
    View no = operand_absent().view;
    for (int weights = 0; weights < 2; weights++)
        for (int causal = 0; causal < 2; causal++) {
            p.causal = causal;
            p.need_weights = weights;
            compare(&p, q.view, k.view, v.view, no);
            compare(&p, q.view, k.view, v.view, add.view);
            compare(&p, q.view, k.view, v.view, full.view);
            compare(&p, q.view, k.view, v.view, bits.view);
        }
    memset(m + 21, 0, 21); // the second query has no keys
    p.zero_hidden = 1;
    compare(&p, q.view, k.view, v.view, bits.view);
    operand_free(&q);
    operand_free(&k);
    operand_free(&v);
    operand_free(&add);
    operand_free(&full);
    operand_free(&bits);
}

// [B, S, H, D] seen as [B, H, S, D]; one head shared by all; columns apart; more scores than a block holds.
static void test_strides(void **state)
{
    (void)state;
    AttentionParams p = {0.5, 0, 0, 0};
    View no = operand_absent().view;
    Operand q = operand_f32(DIMS(2, 7, 3, 8), 1), k = operand_f32(DIMS(2, 9, 3, 8), 2), one = operand_f32(DIMS(9, 8), 3);
    int order[] = {0, 2, 1, 3}, turned[] = {0, 3, 1, 2};
    View qv = view_permuted(&q.view, order), kv = view_permuted(&k.view, order);
    compare(&p, qv, kv, kv, no);
    compare(&p, qv, one.view, kv, no);
    compare(&p, view_permuted(&q.view, turned), view_permuted(&q.view, turned), view_permuted(&q.view, turned), no);
    Operand wide = operand_f32(DIMS(1, 70, 4), 4), keys = operand_f32(DIMS(1, 1500, 4), 5);
    compare(&p, wide.view, keys.view, keys.view, no);
    p.causal = 1;
    compare(&p, wide.view, keys.view, keys.view, no);
    operand_free(&q);
    operand_free(&k);
    operand_free(&one);
    operand_free(&wide);
    operand_free(&keys);
}

// q, k, v = sin of 0 … n-1, shaped [2, 3], [4, 3], [4, 2]; scale 1/sqrt(3)
static void test_numbers(void **state)
{
    (void)state;
    Operand q = operand_f32(DIMS(2, 3), 0), k = operand_f32(DIMS(4, 3), 0), v = operand_f32(DIMS(4, 2), 0);
    for (int i = 0; i < 12; i++) {
        ((float *)k.view.data)[i] = sinf((float)i);
        if (i < 6)
            ((float *)q.view.data)[i] = sinf((float)i);
        if (i < 8)
            ((float *)v.view.data)[i] = sinf((float)i);
    }
    static const double expected[] = {-0.266753525, 0.0321918465, 0.220801681, 0.322960496}, causal[] = {0, 0.841470957, 0.77400744, 0.24532184};
    View in[3] = {q.view, k.view, v.view};
    for (int reference = 0; reference < 2; reference++)
        for (int c = 0; c < 2; c++) {
            AttentionParams p = {1 / sqrt(3.0), c, 0, 0};
            Result r;
            assert_int_equal(kernel_try(&kernel_attention, &p, in, 3, reference, NULL, &r), ST_OK);
            for (int i = 0; i < 4; i++)
                assert_true(fabs(view_at(&r.out[0].view, i) - (c ? causal : expected)[i]) < 1e-6);
            result_free(&r);
        }
    operand_free(&q);
    operand_free(&k);
    operand_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_masks), cmocka_unit_test(test_strides), cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
