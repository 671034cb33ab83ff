// Products by groups and counts by intervals, as rows of text; the numbers are PyTorch 2.14's.
#include "op_rows.h"

static const OpRow grouped_rows[] = {
    {"aten::_grouped_mm; f32[3,4]; f32[3,4,4]; i32[3]{1, 1, 3}; None; None", "f32[3, 4](4, 1) {56, 62, 68, 74, 856, 878, 900, 922, 1464, 1502, 1540, 1578}"},
    {"aten::_grouped_mm; f32[2,2,4]; f32[4,4]; i32[2]{1, 4}; None; None", "f32[2, 4](4, 1) {56, 286, 324, 362, 152, 398, 452, 506}"},
    {"aten::_grouped_mm; f32[2,4]; f32[4,4]; i32[2]{1, 4}; None; None", "f32[2, 2, 4](8, 4, 1) {0, 0, 0, 0, 0, 4, 8, 12, 56, 62, 68, 74, 152, 170, 188, 206}"},
    {"aten::_grouped_mm; f32[2,2,4]; f32[2,4,4]; None; None; None", "f32[2, 2, 4](8, 4, 1) {56, 62, 68, 74, 152, 174, 196, 218, 856, 894, 932, 970, 1208, 1262, 1316, 1370}"},
    // Rows after the last group: zero, where PyTorch leaves memory as it was.
    {"aten::_grouped_mm; bf16[3,4]; bf16[1,4,1]; i32[1]{2}; None; None", "bf16[3, 1](1, 1) {14, 38, 0}"},
    {"aten::_grouped_mm; f32[3,4]; f32[3,4,4]; i32[3]{1, 1, 4}; None; None", "! offset 4 is out of range for a dimension of size 3"},
    {"aten::_grouped_mm; f32[3,4]; f32[3,4,4]; i32[2]{1, 3}; None; None", "! matrix batch sizes have to match"},
    {"aten::_grouped_mm; f32[3,4]; f32[3,4,4]; i64[3]{1, 1, 3}; None; None", "! Offsets have to be int32"},
    {"aten::_grouped_mm; f64[3,4]; f64[3,4,4]; i32[3]{1, 1, 3}; None; None", "! Expected mat_a to be Float32, BFloat16 or Float16 matrix, got Double"},
    {"aten::_grouped_mm; f32[3,4]; f32[3,3,4]; i32[3]{1, 1, 3}; None; None", "! contraction dimension of mat_a and mat_b must match"},
    {"aten::_grouped_mm; f32[3,4]; f32[3,4,4]; None; None; None", "! Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"},
};
ROWS_TEST(grouped, grouped_rows)

static const OpRow histogram_rows[] = {
    {"aten::histc; f32[6]{0, 1, 2, 2, 3, 4.5}; 4; 0; 3", "f32[4](1) {1, 1, 2, 1}"},
    {"aten::histc; f16[6]{0, 1, 2, 2, 3, 4.5}; 3; 0; 0", "f16[3](1) {2, 2, 2}"},
    {"aten::histc; f32[3]{2, 2, 2}; 3; 0; 0", "f32[3](1) {0, 3, 0}"},
    {"aten::histc; f32[0]; 3; 0; 0", "f32[3](1) {0, 0, 0}"},
    {"aten::histc; f32[2]{1, nan}; 3; 0; 0", "! is not finite"},
    {"aten::histc; f32[2]; 3; 2; 1", "! torch.histc: max must be larger than min"},
    {"aten::histc; f32[2]; 0; 0; 1", "! torch.histogram(): bins must be > 0, but got 0 for dimension 0"},
    {"aten::histc; i64[2]; 3; 0; 1", "! \"histogram_cpu\" not implemented for 'Long'"},
    {"aten::histogram.bin_ct; f32[6]{0, 1, 2, 2, 3, 2.5}; 3; [0.0, 2.0]; f32[6]{1, 0.5, 2, 1, 1, 1}; True",
     "~f32[3](1) {0.333333313, 0.166666687, 0.99999994} | f32[4](1) {0, 0.666666687, 1.33333325, 2}"},
    {"aten::histogram.bins_tensor; f32[6]{0, 1, 2, 2, 3, 2.5}; f32[4]{0, 1, 2.5, 4}; None; False", "f32[3](1) {1, 3, 2} | f32[4](1) {0, 1, 2.5, 4}"},
    {"aten::histogram.bin_ct; f32[6]; 3; [2.0, 1.0]; None; False", "! min should not exceed max, but got min 2 max 1 for dimension 0"},
    {"aten::histogram.bins_tensor; f32[6]; f64[4]; None; False", "! should have the same dtype"},
};
ROWS_TEST(histograms, histogram_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grouped), cmocka_unit_test(histograms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
