// Histograms, against what PyTorch 2.14 gives.
#include "op_rows.h"

static const OpRow histogram_rows[] = {
    {"aten::histc; f32[5]{1, 2, 1, nan, 4}; 4; 0; 3", "f32[4](1) {0, 2, 1, 0}"},
    {"aten::histc; f32[3]{1, 2, 4}; 3; 0; 0", "f32[3](1) {1, 1, 1}"},
    {"aten::histc; f32[0]; 2; 0; 0", "f32[2](1) {0, 0}"},
    {"aten::histc; f32[2]; 0; 0; 1", "! bins must be > 0, but got 0 for dimension 0"},
    {"aten::histc; f32[2]{1, inf}; 2; 0; 0", "! range of [1, inf] is not finite"},
    {"aten::histc; f32[2]; 2; 3; 1", "! max must be larger than min"},
    {"aten::histc; i64[2]; 2; 0; 1", "! \"histogram_cpu\" not implemented for 'Long'"},
    {"aten::histogram.bin_ct; f32[3]{1, 2, 1}; 4; [0.0, 3.0]; f32[3]{1, 2, 4}; False",
     "f32[4](1) {0, 5, 2, 0} | f32[5](1) {0, 0.75, 1.5, 2.25, 3}"},
    {"aten::histogram.bin_ct; f32[3]{1, 2, 1}; 4; [0.0, 3.0]; f32[3]{1, 2, 4}; True",
     "~f32[4](1) {0, 0.952380955, 0.380952388, 0} | f32[5](1) {0, 0.75, 1.5, 2.25, 3}"},
    {"aten::histogram.bins_tensor; f64[4]{0, 1, 2, 5}; f64[3]{0, 2, 4}; None; False", "f64[2](1) {2, 1} | f64[3](1) {0, 2, 4}"},
    {"aten::histogram.bin_ct; f32[2]{1, 1}; 2; None; None; False", "f32[2](1) {0, 2} | f32[3](1) {0.5, 1, 1.5}"},
    {"aten::histogramdd; f32[2,2]{0, 1, 1, 0}; [2, 2]; None; None; False",
     "f32[2, 2](2, 1) {0, 1, 1, 0} | [f32[3](1) {0, 0.5, 1}, f32[3](1) {0, 0.5, 1}]"},
    {"aten::histogramdd; f32[2]; [2]; None; None; False", "! torch.histogramdd: input tensor should have at least 2 dimensions"},
};
ROWS_TEST(histograms, histogram_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(histograms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
