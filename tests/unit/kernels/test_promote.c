// Type promotion: the tables are what PyTorch 1.13 gives for promote_types, can_cast and result_type.
#include "kernels/promote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const DType ORDER[] = {DT_BOOL, DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128};
enum { COUNT = sizeof ORDER / sizeof ORDER[0] };

static const DType PROMOTED[COUNT][COUNT] = {
    {DT_BOOL, DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_U8, DT_U8, DT_I16, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_I8, DT_I16, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_I16, DT_I16, DT_I16, DT_I16, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_I32, DT_I32, DT_I32, DT_I32, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_I64, DT_I64, DT_I64, DT_I64, DT_I64, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_F16, DT_F16, DT_F16, DT_F16, DT_F16, DT_F16, DT_F16, DT_F32, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_BF16, DT_BF16, DT_BF16, DT_BF16, DT_BF16, DT_BF16, DT_F32, DT_BF16, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_F32, DT_F32, DT_F32, DT_F32, DT_F32, DT_F32, DT_F32, DT_F32, DT_F32, DT_F64, DT_C64, DT_C128},
    {DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_F64, DT_C128, DT_C128},
    {DT_C64, DT_C64, DT_C64, DT_C64, DT_C64, DT_C64, DT_C64, DT_C64, DT_C64, DT_C128, DT_C64, DT_C128},
    {DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128, DT_C128},
};
static const char *const CASTS[COUNT] = {
    "111111111111",
    "011111111111",
    "011111111111",
    "011111111111",
    "011111111111",
    "011111111111",
    "000000111111",
    "000000111111",
    "000000111111",
    "000000111111",
    "000000000011",
    "000000000011",
};

static void types(void **state)
{
    (void)state;
    for (int a = 0; a < COUNT; a++)
        for (int b = 0; b < COUNT; b++) {
            assert_int_equal(promote_types(ORDER[a], ORDER[b]), PROMOTED[a][b]);
            assert_int_equal(dtype_can_cast(ORDER[a], ORDER[b]), CASTS[a][b] == '1');
        }
    assert_int_equal(promote_types(DT_INVALID, DT_I8), DT_I8);
    assert_int_equal(promote_types(DT_U16, DT_F32), DT_F32);
    assert_int_equal(promote_types(DT_U16, DT_I32), DT_INVALID);
}

// Two tensors: dtype and number of dimensions of each, result.
static const struct { DType a; int a_dims; DType b; int b_dims; DType result; } TENSORS[] = {
    {DT_F32, 1, DT_F64, 0, DT_F32},
    {DT_I32, 1, DT_I64, 0, DT_I32},
    {DT_I32, 1, DT_F64, 0, DT_F64},
    {DT_F16, 1, DT_F32, 0, DT_F16},
    {DT_BOOL, 1, DT_U8, 0, DT_U8},
    {DT_F32, 1, DT_C128, 0, DT_C64},
    {DT_BF16, 1, DT_C64, 0, DT_C64},
    {DT_F32, 0, DT_F64, 0, DT_F64},
    {DT_U8, 1, DT_I8, 1, DT_I16},
    {DT_F64, 1, DT_C64, 0, DT_C128},
    {DT_BOOL, 1, DT_F64, 0, DT_F64},
    {DT_I64, 0, DT_F16, 0, DT_F16},
};
// A tensor and a Python number.
static const struct { DType a; int a_dims; DType number, result; } NUMBERS[] = {
    {DT_I32, 1, DT_BOOL, DT_I32},
    {DT_I32, 1, DT_I64, DT_I32},
    {DT_I32, 1, DT_F64, DT_F32},
    {DT_I32, 1, DT_C128, DT_C64},
    {DT_BOOL, 1, DT_BOOL, DT_BOOL},
    {DT_BOOL, 1, DT_I64, DT_I64},
    {DT_BOOL, 1, DT_F64, DT_F32},
    {DT_BOOL, 1, DT_C128, DT_C64},
    {DT_F16, 1, DT_BOOL, DT_F16},
    {DT_F16, 1, DT_I64, DT_F16},
    {DT_F16, 1, DT_F64, DT_F16},
    {DT_F16, 1, DT_C128, DT_C32},
    {DT_I64, 0, DT_BOOL, DT_I64},
    {DT_I64, 0, DT_I64, DT_I64},
    {DT_I64, 0, DT_F64, DT_F32},
    {DT_I64, 0, DT_C128, DT_C64},
    {DT_F64, 1, DT_BOOL, DT_F64},
    {DT_F64, 1, DT_I64, DT_F64},
    {DT_F64, 1, DT_F64, DT_F64},
    {DT_F64, 1, DT_C128, DT_C128},
    {DT_U8, 0, DT_BOOL, DT_U8},
    {DT_U8, 0, DT_I64, DT_U8},
    {DT_U8, 0, DT_F64, DT_F32},
    {DT_U8, 0, DT_C128, DT_C64},
};

static void groups(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TENSORS / sizeof TENSORS[0]; i++) {
        Promotion p = PROMOTION_NONE;
        promote_tensor(&p, TENSORS[i].a, TENSORS[i].a_dims);
        promote_tensor(&p, TENSORS[i].b, TENSORS[i].b_dims);
        assert_int_equal(promotion_result(&p), TENSORS[i].result);
    }
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        Promotion p = PROMOTION_NONE;
        promote_tensor(&p, NUMBERS[i].a, NUMBERS[i].a_dims);
        promote_number(&p, NUMBERS[i].number);
        assert_int_equal(promotion_result(&p), NUMBERS[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(types), cmocka_unit_test(groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
