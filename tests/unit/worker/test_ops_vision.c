// torchvision's operators, as rows of text.
#include "op_rows.h"

static const OpRow boxes_rows[] = {
    {"torchvision::nms; f64[4,4]{0, 0, 10, 10, 1, 1, 11, 11, 20, 20, 30, 30, 0, 0, 9, 10}; f64[4]{0.5, nan, 0.3, 0.9}; 0.68", "~i64[3](1) {1, 3, 2}"},
    {"torchvision::nms; f32[2,4]; f64[2]; 0.5", "! dets should have the same type as scores"},
    {"torchvision::nms; f16[2,4]; f16[2]; 0.5", "! \"nms_kernel\" not implemented for 'Half'"},
    {"torchvision::qnms; u8[4,4]{0, 0, 10, 10, 1, 1, 11, 11, 20, 20, 30, 30, 0, 0, 9, 10}; u8[4]{5, 9, 3, 9}; 0.68", "~i64[3](1) {1, 3, 2}"},
    {"torchvision::qnms; f32[2,4]; f32[2]; 0.5", "! \"nms_kernel\" not implemented for 'Float'"},
    // PyTorch 2.14
    {"torchvision::box_iou_rotated; f32[4,5]{5, 5, 4, 2, 30, 5, 5, 4, 2, 0, 5, 5, 0, 2, 0, 100, 100, 40, 20, -75}; f32[7,5]{5, 5, 4, 2, 30, 6, 5, 3, 3, -20, 20, 20, 1, 1, 0, 101, 95, 30, 30, 45, 5, 5, 4, 2, 90, 7, 5, 4, 2, 0, 5, 5, 1, 1, 45}", "~f32[4, 7](7, 1) {1, 0.435151547, 0, 0, 0.405827522, 0.243585289, 0.124999993, 0.623309851, 0.437738031, 0, 0, 0.333333343, 0.333333343, 0.124999993, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.552330375, 0, 0, 0}"},
    {"torchvision::box_iou_rotated; f64[4,5]{5, 5, 4, 2, 30, 5, 5, 4, 2, 0, 5, 5, 0, 2, 0, 100, 100, 40, 20, -75}; f64[7,5]{5, 5, 4, 2, 30, 6, 5, 3, 3, -20, 20, 20, 1, 1, 0, 101, 95, 30, 30, 45, 5, 5, 4, 2, 90, 7, 5, 4, 2, 0, 5, 5, 1, 1, 45}", "~f32[4, 7](7, 1) {1, 0.435151488, 0, 0, 0.405827433, 0.243585289, 0.125, 0.623309672, 0.437738001, 0, 0, 0.333333343, 0.333333343, 0.125, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.552330434, 0, 0, 0}"},
    {"torchvision::box_iou_rotated; f32[0,5]; f32[2,5]", "f32[0, 2](2, 1) {}"},
    {"torchvision::box_iou_rotated; f32[2,4]; f32[2,5]", "! boxes should have shape [N, 5]"},
};
ROWS_TEST(boxes, boxes_rows)

static const OpRow regions_rows[] = {
    {"torchvision::ps_roi_align; f32[1,4,4,5]; f32[2,5]{0, 0, 0, 6, 5, 0, 1.3, 0.6, 5.2, 2.1}; 0.5; 2; 2; -1", "~f32[2, 1, 2, 2](4, 4, 2, 1) {1.40625, 22.84375, 47.1875, 68.625, 0.637499928, 21.6124992, 42.4499969, 63.4250031} | i32[2, 1, 2, 2](4, 4, 2, 1) {0, 1, 2, 3, 0, 1, 2, 3}"},
    {"torchvision::ps_roi_align; f32[1,4,4,5]; f32[2,5]{0, 0, 0, 6, 5, 0, 1.3, 0.6, 5.2, 2.1}; 1.0; 2; 1; 2", "~f32[2, 2, 2, 1](4, 2, 1, 1) {6.25, 36.5625, 46.25, 76.5625, 5.125, 28.8749981, 45.125, 68.875} | i32[2, 2, 2, 1](4, 2, 1, 1) {0, 1, 2, 3, 0, 1, 2, 3}"},
    {"torchvision::ps_roi_pool; f32[1,4,4,5]; f32[2,5]{0, 0, 0, 6, 5, 0, 1.3, 0.6, 5.2, 2.1}; 0.5; 2; 2", "~f32[2, 1, 2, 2](4, 4, 2, 1) {3, 24, 48, 69, 1, 22, 41, 62} | i32[2, 1, 2, 2](4, 4, 2, 1) {0, 1, 2, 3, 0, 1, 2, 3}"},
    {"torchvision::ps_roi_align; f32[1,4,4,5]; f32[2,5]; 1.0; 3; 2; 2", "! input channels must be a multiple of pooling height * pooling width"},
    {"torchvision::ps_roi_align; f32[1,4,4,5]; f32[2,4]; 1.0; 2; 2; 2", "! Tensor rois should have shape as Tensor[K, 5]"},
};
ROWS_TEST(regions, regions_rows)

static const OpRow deformed_rows[] = {
    {"torchvision::deform_conv2d; f32[1,2,3,3]; f32[2,1,2,2]; f32[1,8,2,2]{0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2}; f32[1,4,2,2]{1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2}; f32[2]{1, -1}; 1; 1; 0; 0; 1; 1; 2; 1; True", "~f32[1, 2, 2, 2](8, 4, 2, 1) {32, 10.65625, 3, 1, 292, 115.28125, 36.25, -1}"},
    {"torchvision::deform_conv2d; f64[1,2,3,3]; f64[2,1,2,2]; f64[1,8,2,2]{0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2, 0.5, -0.25, 1, 2}; f64[1,4,2,2]{1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2, 1, 0.5, 0.25, 2}; f64[2]{1, -1}; 1; 1; 0; 0; 1; 1; 2; 1; True", "~f64[1, 2, 2, 2](8, 4, 2, 1) {32, 10.65625, 3, 1, 292, 115.28125, 36.25, -1}"},
    {"torchvision::deform_conv2d; f32[1,2,3,3]; f32[2,1,2,2]; f32[1,6,2,2]; f32[1,4,2,2]; f32[2]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! offset.shape[1] is not valid: got: 6 expected: 8"},
    {"torchvision::deform_conv2d; f32[1,2,3,3]; f32[2,1,2,2]; f32[1,8,2,1]; f32[1,4,2,2]; f32[2]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! offset output dims: (2, 1) - computed output dims: (2, 2)"},
    {"torchvision::deform_conv2d; f32[2,3,3]; f32[2,1,2,2]; f32[1,8,2,2]; f32[1,4,2,2]; f32[2]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! Expected input_c.ndimension() == 4 to be true, but got false."},
    {"torchvision::deform_conv2d; f32[1,2,3,3]; f32[2,1,2,2]; f32[1,8,2,2]; f32[1,4,2,2]; f32[3]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! shape '[1, 2, 1, 1]' is invalid for input of size 3"},
    {"torchvision::deform_conv2d; f32[1,2,3,3]; f32[2,2,2,2]; f32[1,8,2,2]; f32[1,4,2,2]; f32[2]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! Expected weight_c.size(1) * n_weight_grps == input_c.size(1) to be true, but got false."},
    {"torchvision::deform_conv2d; f32[1,2,1,1]; f32[2,1,2,2]; f32[1,8,2,2]; f32[1,4,2,2]; f32[2]; 1; 1; 0; 0; 1; 1; 2; 1; True", "! Calculated output size too small - out_h: 0 out_w: 0"},
};
ROWS_TEST(deformed, deformed_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(boxes), cmocka_unit_test(regions), cmocka_unit_test(deformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
