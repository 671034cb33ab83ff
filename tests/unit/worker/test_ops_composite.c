// Operators that are sequences of others: differences, integrals, rotations, covariances; against what PyTorch 2.14 gives.
#include "op_rows.h"

static const OpRow difference_rows[] = {
    {"aten::diff; f32[4]{1, 4, 9, 16}; 1; -1; None; None", "f32[3](1) {3, 5, 7}"},
    {"aten::diff; i64[2,3]; 2; 1; i64[2,1]; None", "i64[2, 2](2, 1) {1, 0, -1, 0}"},
    {"aten::diff; bool[3]{1, 0, 0}; 1; 0; None; None", "bool[2](1) {1, 0}"},
    {"aten::diff; f32[2]; 5; 0; None; None", "f32[0](1) {}"},
    {"aten::diff; f32[2]; 0; 0; None; None", "f32[2](1) {0, 1}"},
    {"aten::diff; f32[2]; -1; 0; None; None", "! order must be non-negative but got -1"},
    {"aten::diff; f32[2,2]; 1; 0; f32[2]; None", "! diff expects prepend or append to be the same dimension as input"},
    {"aten::gradient.scalarint; f32[4]{1, 4, 9, 16}; None; None; 1", "[f32[4](1) {3, 4, 6, 7}]"},
    {"aten::gradient.scalarint; f32[4]{1, 4, 9, 16}; 2; 0; 2", "[f32[4](1) {1, 2, 3, 4}]"},
    {"aten::gradient.tensorarrayint; f32[4]{1, 4, 9, 16}; [f32[4]{1, 2, 3, 5}]; None; 1", "~[f32[4](1) {3, 4, 4.5, 3.5}]"},
    {"aten::gradient.tensorarrayint; f32[4]{1, 4, 9, 25}; [f32[4]{1, 2, 3, 5}]; None; 2", "~[f32[4](1) {2, 4, 6, 10}]"},
    {"aten::gradient.array; f32[2,2]; [1, 0]; 1", "[f32[2, 2](2, 1) {1, 1, 1, 1}, f32[2, 2](2, 1) {2, 2, 2, 2}]"},
    {"aten::gradient.array; f32[2]; [0]; 2", "! torch.gradient expected each dimension size to be at least edge_order+1"},
    {"aten::trapezoid.dx; f32[3]{1, 5, 10}; 2; -1", "f32[]() {21}"},
    {"aten::trapezoid.x; f32[2,3]; f32[3]{1, 3, 6}; 1", "f32[2](1) {5.5, 20.5}"},
    {"aten::trapezoid.x; f32[3]; f32[2]; 0", "! trapezoid: There must be one `x` value for each sample point"},
    {"aten::cumulative_trapezoid.dx; f32[3]{1, 5, 10}; 1; -1", "f32[2](1) {3, 10.5}"},
    {"aten::cumulative_trapezoid.x; f32[3]{1, 5, 10}; f32[3]{1, 3, 6}; -1", "f32[2](1) {6, 28.5}"},
};

static const OpRow composite_rows[] = {
    {"aten::rot90; i64[2,3]; 1; [0, 1]", "i64[3, 2](1, 3) {2, 5, 1, 4, 0, 3}"},
    {"aten::rot90; i64[2,3]; -1; [0, 1]", "i64[3, 2](1, 3) {3, 0, 4, 1, 5, 2}"},
    {"aten::rot90; i64[2,3]; 2; [0, 1]", "i64[2, 3](3, 1) {5, 4, 3, 2, 1, 0}"},
    {"aten::rot90; i64[2,3]; 1; [0, -2]", "! expected rotation dims to be different, but got dim0 = 0 and dim1 = -2"},
    {"aten::sum_to_size; f32[2,3]; [1, 3]", "f32[1, 3](3, 1) {3, 5, 7}"},
    {"aten::sum_to_size; i64[2,3]; [3]", "i64[3](1) {3, 5, 7}"},
    {"aten::sum_to_size; f32[2,3]; [2]", "! size {[2]} is not expandable to size {[2, 3]}."},
    {"aten::trace; i64[2,3]", "i64[]() {4}"},
    {"aten::trace; f32[3]", "! trace: expected a matrix, but got tensor with dim 1"},
    {"aten::kron; i64[2]{1, 2}; i64[2,2]", "i64[2, 4](4, 1) {0, 1, 0, 2, 2, 3, 4, 6}"},
    {"aten::nanmean; f32[3]{1, nan, 3}; None; False; None", "f32[]() {2}"},
    {"aten::cov; f32[2,3]{0, 1, 2, 2, 1, 0}; 1; None; None", "f32[2, 2](2, 1) {1, -1, -1, 1}"},
    {"aten::cov; f32[3]{0, 1, 2}; 1; i64[3]{1, 0, 1}; None", "f32[]() {2}"},
    {"aten::cov; f32[3]; 1; i64[3]{1, -1, 1}; None", "! cov(): fweights cannot be negative"},
    {"aten::corrcoef; f32[2,3]{0, 1, 2, 2, 1, 0}", "~f32[2, 2](2, 1) {1, -1, -1, 1}"},
};

ROWS_TEST(differences, difference_rows)
ROWS_TEST(composites, composite_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(differences), cmocka_unit_test(composites)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
