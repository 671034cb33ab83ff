// Bags of embeddings, bounded norms, pairs of rows, unpooling, against PyTorch 1.13.
#include "op_rows.h"

static const OpRow rows[] = {
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; None; False", "~f32[3, 2](2, 1) {2, 4, 0, 0, 16, 19} | i64[0](1) {} | i64[3](1) {0, 0, 0} | i64[3](1) {0, 0, 0}"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,5}; False; 1; False; None; True", "~f32[2, 2](2, 1) {1, 2, 5.33333349, 6.33333349} | i64[5](1) {0, 0, 1, 1, 1} | i64[2](1) {2, 3} | i64[2](1) {2, 3}"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 2; False; None; False", "~f32[3, 2](2, 1) {2, 3, 0, 0, 6, 7} | i64[5](1) {0, 0, 2, 2, 2} | i64[3](1) {2, 0, 3} | i64[3, 2](2, 1) {1, 1, 0, 0, 3, 3}"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; f32[5]; False", "~f32[3, 2](2, 1) {2, 3, 0, 0, 46, 55} | i64[0](1) {} | i64[3](1) {0, 0, 0} | i64[3](1) {0, 0, 0}"},
    {"aten::embedding_bag.padding_idx; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; f32[5]; False; 3", "~f32[3, 2](2, 1) {2, 3, 0, 0, 16, 20} | i64[5](1) {0, 0, 2, 2, 2} | i64[3](1) {0, 0, 0} | i64[3](1) {0, 0, 0}"},
    {"aten::embedding_bag.padding_idx; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,4}; False; 1; False; None; False; -1", "~f32[3, 2](2, 1) {1, 2, 0, 0, 4, 5} | i64[5](1) {0, 0, 1, 1, 2} | i64[3](1) {2, 0, 1} | i64[3](1) {2, 0, 1}"},
    {"aten::embedding_bag.padding_idx; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,4}; False; 2; False; None; False; -1", "~f32[3, 2](2, 1) {2, 3, 0, 0, 4, 5} | i64[5](1) {0, 0, 1, 1, 2} | i64[3](1) {2, 0, 1} | i64[3, 2](2, 1) {1, 1, 0, 0, 2, 2}"},
    {"aten::embedding_bag.padding_idx; f64[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,4}; False; 2; False; None; False; None", "~f64[3, 2](2, 1) {2, 3, 6, 7, 4, 5} | i64[5](1) {0, 0, 1, 1, 2} | i64[3](1) {2, 2, 1} | i64[3, 2](2, 1) {1, 1, 3, 3, 2, 2}"},
    {"aten::embedding_bag; f32[4,2]; i32[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; None; False", "~f32[3, 2](2, 1) {2, 4, 0, 0, 16, 19} | i64[0](1) {} | i64[3](1) {0, 0, 0} | i64[3](1) {0, 0, 0}"},
    {"aten::embedding_bag; f16[4,2]; i32[5]{0,1,3,3,2}; i32[3]{0,2,2}; False; 0; False; None; False", "~f16[3, 2](2, 1) {2, 4, 0, 0, 16, 19} | i32[0](1) {} | i32[3](1) {0, 0, 0} | i32[3](1) {0, 0, 0}"},
    {"aten::embedding_bag; f32[4,3].t; i64[5]{0,1,2,2,2}; i64[3]{0,2,2}; False; 0; False; None; False", "~f32[3, 4](4, 1) {1, 7, 13, 19, 0, 0, 0, 0, 6, 15, 24, 33} | i64[5](1) {0, 0, 2, 2, 2} | i64[3](1) {0, 0, 0} | i64[3](1) {0, 0, 0}"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,4}; i64[3]{0,2,2}; False; 0; False; None; False", "! embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be 4"},
    {"aten::embedding_bag; f32[4,2]; i64[5]; i64[3]{1,2,2}; False; 0; False; None; False", "! offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got 1"},
    {"aten::embedding_bag; f32[4,2]; i64[5]; i64[3]{0,2,6}; False; 0; False; None; False", "! offsets[-1] can not be greater than input's length 5 but got offsets[-1] of 6"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 1; False; f32[5]; False", "! embedding_bag: per_sample_weights only supported with mode='sum'"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; f64[5]; False", "! Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 'per_sample_weights'; but type Float does not equal Double (while checking arguments for embedding_bag)"},
    {"aten::embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 0; False; f32[4]; False", "! If per_sample_weights is not None, it must have the same number of elements as the input"},
    {"aten::embedding_bag.padding_idx; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,4}; False; 1; False; None; False; 7", "! padding_idx must be within the number of embeddings, -4 through 3, but got 7"},
    {"aten::embedding_bag; f32[4,2]; i64[0]; i64[2]{0,0}; False; 0; False; None; False", "~f32[2, 2](2, 1) {0, 0, 0, 0} | i64[0](1) {} | i64[2](1) {0, 0} | i64[2](1) {0, 0}"},
    {"aten::_embedding_bag; f32[4,2]; i64[5]{0,1,3,3,2}; i64[3]{0,2,2}; False; 1; False; None; False; 1", "~f32[3, 2](2, 1) {0, 1, 0, 0, 5.33333349, 6.33333349} | i64[5](1) {0, 0, 2, 2, 2} | i64[3](1) {1, 0, 3} | i64[3](1) {1, 0, 3}"},
    {"&aten::embedding_renorm_; f32[4,2]; i64[3]{1,3,3}; 2.0; 2.0", "~f32[4, 2](2, 1) {0, 1, 1.10940039, 1.66410065, 4, 5, 1.30158281, 1.5185132}"},
    {"aten::embedding_renorm; f32[4,2]; i64[2]{1,7}; 2.0; 2.0", "! select(): index 7 out of range for tensor of size [4, 2] at dimension 0"},
    {"&aten::_no_grad_embedding_renorm_; f32[4,2]; i64[3]{1,3,3}; 2.0; 1.0", "~f32[4, 2](2, 1) {0, 1, 0.800000012, 1.20000005, 4, 5, 0.923076987, 1.07692313}"},
    {"aten::pdist; f32[3,2]{0,1,4,2,2,2}; 2.0", "~f32[3](1) {4.12310553, 2.23606801, 2}"},
    {"aten::_pdist_forward; f32[3,2]{0,1,4,2,2,2}; 1.0", "~f32[3](1) {5, 3, 2}"},
    {"aten::pdist; f32[1,2]; 2.0", "~f32[0](1) {}"},
    {"aten::pdist; f32[3]; 2.0", "! pdist only supports 2D tensors, got: 1D"},
    {"aten::pdist; i64[3,2]; 2.0", "! pdist only supports floating-point dtypes"},
    {"aten::max_unpool2d; f32[1,1,2,2]; i64[1,1,2,2]{0,3,5,15}; [4, 4]", "~f32[1, 1, 4, 4](16, 16, 4, 1) {0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}"},
    {"aten::max_unpool2d; f32[1,2,2]; i64[1,2,2]{0,3,5,16}; [4, 4]", "! Found an invalid max index: 16 (output volumes are of size 4x4"},
    {"aten::max_unpool2d; i64[1,2,2]; i64[1,2,2]{0,3,5,1}; [2, 3]", "! \"max_unpool2d\" not implemented for 'Long'"},
    {"aten::max_unpool3d; f32[1,1,2,2]; i64[1,1,2,2]{0,3,5,7}; [2, 2, 2]; [1, 1, 1]; [0, 0, 0]", "~f32[1, 2, 2, 2](8, 4, 2, 1) {0, 0, 0, 1, 0, 2, 0, 3}"},
    {"aten::max_unpool2d; f32[1,1,2,2]; i32[1,1,2,2]{0,3,5,15}; [4, 4]", "! elements in indices should be type int64 but got: Int"},
    {"aten::max_unpool2d; f32[1,1,2,2]; i64[1,1,2,1]; [4, 4]", "! Expected shape of indices to be same as that of the input tensor ([1, 1, 2, 2]) but got indices tensor with shape: [1, 1, 2, 1]"},
    {"aten::fractional_max_pool2d; f32[1,1,4,5]; [2, 2]; [2, 3]; f32[1,1,2]{0.3,0.7}", "~f32[1, 1, 2, 3](6, 6, 3, 1) {6, 7, 9, 16, 17, 19} | i64[1, 1, 2, 3](6, 6, 3, 1) {6, 7, 9, 16, 17, 19}"},
    {"aten::fractional_max_pool3d; f32[1,3,4,5]; [2, 2, 1]; [1, 2, 3]; f32[1,1,3]{0.3,0.7,0.1}", "~f32[1, 1, 2, 3](6, 6, 3, 1) {45, 47, 49, 55, 57, 59} | i64[1, 1, 2, 3](6, 6, 3, 1) {45, 47, 49, 55, 57, 59}"},
    {"aten::fractional_max_pool2d; f32[1,1,4,5]; [2, 2]; [4, 3]; f32[1,1,2]{0.3,0.7}", "! fractional_max_pool2d(): pool height 2 too large relative to input height 4"},
    {"aten::_euclidean_dist; f32[2,2]; f32[1,2]", "~f32[2, 1](1, 1) {0, 2.82842708}"},
};
ROWS_TEST(test_rows, rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
