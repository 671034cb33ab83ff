// Devices, assertions and the state of PyTorch, against what PyTorch 1.13 gives.
#include "op_rows.h"

static const OpRow rows[] = {
    {"aten::device; 'cpu'", "cpu"},
    {"aten::device; 'cuda:x'", "! Invalid device string: 'cuda:x'"},
    {"aten::device; 'bogus'", "! Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: bogus"},
    {"aten::device; 'cpu:x'", "! Invalid device string: 'cpu:x'"},
    {"aten::device; ''", "! Device string must not be empty"},
    {"prim::type; cpu", "'cpu'"},
    {"prim::index; cpu", "None"},
    {"aten::is_grad_enabled", "False"},
    {"aten::is_scripting", "True"},
    {"aten::is_autocast_enabled", "False"},
    {"aten::cudnn_is_acceptable; f32[2]", "False"},
    {"aten::_assert_async; f32[1]{1}", ""},
    {"aten::_assert_async; f32[1]{0}", "! Expected Tensor with single nonzero value, but got zero"},
    {"aten::_assert_async; f32[2]", "! Boolean value of Tensor with more than one value is ambiguous"},
    {"aten::_assert_async.msg; f32[1]{0}; 'no'", "! no"},
    {"aten::_assert_scalar; 0; 'bad'", "! bad"},
    {"aten::_assert_tensor_metadata; f32[2,3]; [2, 3]; None; 6", ""},
    {"aten::_assert_tensor_metadata; f32[2,3]; [3, 3]; None; 6", "! Tensor sizes mismatch! Expected: [3, 3], Got: [2, 3]"},
    {"aten::_assert_tensor_metadata; f32[2,3]; None; None; 7", "! Tensor dtype mismatch! Expected: Double, Got: Float"},
    {"aten::_autocast_to_full_precision; f32[2]; True; True", "f32[2](1) {0, 1}"},
    {"aten::wait; 3", "3"},
    {"prim::IfThenElse; True; 1; 2", "1"},
    {"aten::_size_if_not_equal; [1, 2]; [1, 2]", "None"},
    {"aten::_size_if_not_equal; [1, 2]; [1, 3]", "[1, 2]"},
    {"aten::hash.generic; 5", "5"},
    {"aten::get_autocast_dtype; 'cpu'", "15"},
};
ROWS_TEST(test_rows, rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
