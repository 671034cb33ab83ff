// Other names of convolution, norms but for one dimension and other operators that are a few steps of others, against PyTorch 1.13.
#include "op_rows.h"

static const OpRow rows[] = {
    {"aten::thnn_conv2d; f32[1,2,3,3]; f32[1,2,2,2]; [2, 2]; f32[1]{1}; [1, 1]; [0, 0]", "~f32[1, 1, 2, 2](4, 4, 2, 1) {269, 297, 353, 381}"},
    {"aten::slow_conv3d; f32[1,1,2,2,2]; f32[1,1,2,1,2]; [2, 1, 2]; None; [1, 1, 1]; [0, 0, 0]", "~f32[1, 1, 1, 2, 1](2, 2, 2, 1, 1) {24, 36}"},
    {"aten::slow_conv_dilated2d; f32[1,1,3,3]; f32[1,1,2,2]; [2, 2]; None; [1, 1]; [0, 0]; [2, 2]", "~f32[1, 1, 1, 1](1, 1, 1, 1) {38}"},
    {"aten::slow_conv_transpose2d; f32[1,1,2,2]; f32[1,1,2,2]; [2, 2]; None; [2, 2]; [0, 0]; [1, 1]; [1, 1]", "~f32[1, 1, 5, 5](25, 25, 5, 1) {0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 2, 0, 3, 0, 4, 6, 6, 9, 0, 0, 0, 0, 0, 0}"},
    {"aten::mkldnn_convolution; f32[1,2,2,2]; f32[2,1,1,1]; f32[2]; [0, 0]; [1, 1]; [1, 1]; 2", "~f32[1, 2, 2, 2](8, 4, 2, 1) {0, 0, 0, 0, 5, 6, 7, 8}"},
    {"aten::conv_tbc; f32[3,2,2]; f32[2,2,3]; f32[3]{1,0,2}; 1", "~f32[4, 2, 3](6, 3, 1) {10, 10, 13, 40, 44, 51, 73, 82, 94, 109, 126, 146, 145, 170, 198, 181, 214, 250, 28, 44, 63, 34, 54, 77}"},
    {"aten::norm_except_dim; f32[2,3,2]; 2; -1", "~f32[]() {22.4944439}"},
    {"aten::norm_except_dim; f32[2,3,2]; 1; 0", "~f32[2, 1, 1](1, 1, 1) {15, 51}"},
    {"aten::log_sigmoid_forward; f32[3]{-1,0,2}", "~f32[3](1) {-1.31326175, -0.693147182, -0.126928017} | f32[3](1) {0.36787945, 1, 0.135335281}"},
    {"aten::_add_relu.Tensor; f32[3]{-1,0,2}; f32[3]{0.5,1,1}; 2", "~f32[3](1) {0, 2, 4}"},
};
ROWS_TEST(test_rows, rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
