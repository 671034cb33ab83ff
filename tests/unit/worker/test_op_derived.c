// out= and in-place operators that are made from others: values, resizing, dtypes, errors; which rows they serve.
#include "op_rows.h"

static const OpRow rows[] = {
    {"&aten::cumsum.out; f32[0]; 0; None; f32[2]", "f32[0](1) {}"},
    {"aten::cumsum.out; f32[3]; 0; None; f32[2]", "f32[3](1) {0, 1, 3}"},
    {"aten::cumsum.out; i64[3]; 0; None; f32[3]", "f32[3](1) {0, 1, 3}"},
    {"aten::full.out; [2]; 3; f32[1]", "f32[2](1) {3, 3}"},
    {"aten::arange.out; 3; f64[3]", "f64[3](1) {0, 1, 2}"},
    {"aten::eye.m_out; 2; 3; i64[6]", "i64[2, 3](3, 1) {1, 0, 0, 0, 1, 0}"},
    {"aten::zeros_like.out; f32[2]; None; f64[2]", "f64[2](1) {0, 0}"},
    {"aten::gather.out; f32[3]; 0; i64[2]{2, 0}; False; f32[2]", "f32[2](1) {2, 0}"},
    {"aten::gather.out; f32[3]; 0; i64[2]{2, 0}; False; i64[2]", "! Expected out tensor to have dtype float, but got long int instead"},
    {"aten::unbind_copy.int_out; f32[2]; 0; [f32[1], f32[]]", "[f32[]() {0}, f32[]() {1}]"},
    {"&aten::divide_.Tensor_mode; f32[2]{5, -5}; f32[2]{2, 2}; 'floor'", "f32[2](1) {2, -3}"},
    {"aten::_foreach_exp; [f32[1], f32[2]{0, 0}]", "~[f32[1](1) {1}, f32[2](1) {1, 1}]"},
    {"aten::_foreach_add.Scalar; [f32[2], i64[2]]; 2", "[f32[2](1) {2, 3}, i64[2](1) {2, 3}]"},
    {"aten::_foreach_add.List; [f32[2]]; [f32[2]]; 3", "[f32[2](1) {0, 4}]"},
    {"aten::_foreach_mul.ScalarList; [f32[2], f32[2]]; [2, 3]", "[f32[2](1) {0, 2}, f32[2](1) {0, 3}]"},
    {"aten::_foreach_pow.ScalarAndTensor; 2; [f32[3]]", "[f32[3](1) {1, 2, 4}]"},
    {"aten::_foreach_maximum.Scalar; [f32[3]]; 1", "[f32[3](1) {1, 1, 2}]"},
    {"aten::_foreach_addcmul.Scalar; [f32[2]]; [f32[2]]; [f32[2]]; 2", "[f32[2](1) {0, 3}]"},
    {"aten::_foreach_add.List; [f32[2]]; [f32[2], f32[2]]; 3", "! Tensor lists must have the same number of tensors, got 1 and 2"},
};
ROWS_TEST(calls, rows)

// Rows of ops.def that write and have no binding of their own, but are forms of one that has.
static void served_rows(void **state)
{
    (void)state;
    int served = 0;
    for (int i = 0; i < op_table_rows(); i++) {
        Str name = str_of(op_table_row_name(i));
        served += !op_find_bound(name) && op_find(name);
    }
    assert_true(served > 200);
    assert_null(op_find(str_of("aten::set_"))); // nothing that copies a result into it would do
    assert_null(op_find(str_of("aten::no_such_operator")));
    assert_ptr_equal(op_find(str_of("aten::arange.out")), op_find(str_of("aten::arange.out")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls), cmocka_unit_test(served_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
