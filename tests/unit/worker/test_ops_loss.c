// Losses and distances, against PyTorch 1.13.
#include "op_rows.h"

static const OpRow rows[] = {
    {"aten::mse_loss; f32[3]{1,2,4}; f32[3]; 1", "~f32[]() {2}"},
    {"aten::l1_loss; f32[3]{1,2,4}; f32[3]; 2", "~f32[]() {4}"},
    {"aten::smooth_l1_loss; f32[4]{0.1,2,4,-1}; f32[4]; 0; 0.5", "~f32[4](1) {0.0100000007, 0.75, 1.75, 3.75}"},
    {"aten::smooth_l1_loss; f32[4]{0.1,2,4,-1}; f32[4]; 1; 0.0", "~f32[]() {1.77499998}"},
    {"aten::smooth_l1_loss; f32[1]; f32[1]; 1; -1.0", "! smooth_l1_loss does not support negative values for beta."},
    {"aten::huber_loss; f32[4]{0.1,2,4,-1}; f32[4]; 1; 2.0", "~f32[]() {2.12625003}"},
    {"aten::huber_loss; f32[1]; f32[1]; 1; 0.0", "! huber_loss does not support non-positive values for delta."},
    {"aten::soft_margin_loss; f32[3]{1,-2,0}; f32[3]{1,1,-1}; 0", "~f32[3](1) {0.313261658, 2.12692809, 0.693147182}"},
    {"aten::margin_ranking_loss; f32[2]{1,2}; f32[2]{3,1}; f32[2]{1,-1}; 0.5; 0", "~f32[2](1) {2.5, 1.5}"},
    {"aten::hinge_embedding_loss; f32[4]{0.5,2,-1,1}; f32[4]{1,-1,-1,2}; 1.0; 0", "~f32[4](1) {0.5, 0, 2, 1}"},
    {"aten::kl_div; f32[2]{-1,-2}; f32[2]{0.25,0.75}; 1; False", "~f32[]() {0.593832433}"},
    {"aten::kl_div; f32[2]{-1,-2}; f32[2]{-0.5,-0.75}; 2; True", "~f32[]() {0.893723488}"},
    {"aten::poisson_nll_loss; f32[3]{1,0.5,2}; f32[3]{0,2,3}; True; True; 1e-8; 0", "~f32[3](1) {2.71828175, 1.30052769, 3.15313768}"},
    {"aten::poisson_nll_loss; f32[2]{1,0.5}; f32[2]{1,2}; False; False; 1e-8; 1", "~f32[]() {1.44314718}"},
    {"aten::binary_cross_entropy; f32[3]{0,0.25,1}; f32[3]{1,0.5,0}; None; 0", "~f32[3](1) {100, 0.836988211, 100}"},
    {"aten::binary_cross_entropy; f32[1]{1.5}; f32[1]; None; 1", "! all elements of input should be between 0 and 1"},
    {"aten::binary_cross_entropy_with_logits; f32[2]{-3,2}; f32[2]{1,0.5}; f32[2]{2,1}; f32[2]{3,1}; 1", "~f32[]() {9.70922565}"},
    {"aten::cosine_embedding_loss; f32[2,2]{1,2,-1,0.5}; f32[2,2]; f32[2]{1,-1}; -0.5; 0", "~f32[2](1) {0.10557282, 0.375965267}"},
    {"aten::cosine_embedding_loss; f32[2]; f32[2]; f32[1]; 0.0; 1", "! 1D target tensor expects 2D input tensors, but found inputs with sizes [2] and [2]."},
    {"aten::triplet_margin_loss; f32[2,2]; f32[2,2]{1,1,2,2}; f32[2,2]{0,1,3,3}; 1.0; 2.0; 1e-6; True; 1", "~f32[]() {1.49999976}"},
    {"aten::triplet_margin_loss; f32[2]; f32[2,2]; f32[2]; 1.0; 2.0; 1e-6; True; 1", "! The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor 1D, positive 2D, and negative 1D"},
    {"aten::pairwise_distance; f32[2,3]; f32[3]; 1.0; 1e-6; True", "~f32[2, 1](1, 1) {3.00000011e-06, 9.00000286}"},
    {"aten::cosine_similarity; f32[2,3]; f32[3]; 1; 1e-8", "~f32[2](1) {0.99999994, 0.885437727}"},
    {"aten::cosine_similarity; i64[2]; i64[2]; 0; 1e-8", "! expected common dtype to be floating point, yet common dtype is Long"},
    {"aten::dist; f32[2,2]; f32[2]; 1", "~f32[]() {4}"},
    {"aten::renorm; f32[3,2]; 2; 0; 1.5", "~f32[3, 2](2, 1) {0, 1, 0.832050323, 1.24807549, 0.937042534, 1.17130315}"},
    {"&aten::renorm_; f32[3,2]; 1; 1; 3", "~f32[3, 2](2, 1) {0, 0.333333343, 1, 1, 2, 1.66666675}"},
    {"aten::nll_loss_nd; f32[2,3]; i64[2]{2,-100}; f32[3]{1,2,0.5}; 1; -100", "~f32[]() {-2}"},
    {"aten::nll_loss_nd; f32[3]; i64[]{1}; None; 0; -100", "~f32[]() {-1}"},
    {"aten::nll_loss_nd; f32[1,2,2,2]; i64[1,2,2]{0,1,1,0}; None; 0; -100", "~f32[1, 2, 2](4, 2, 1) {-0, -5, -6, -3}"},
    {"aten::nll_loss_nd; f32[1,2,2]; i64[1,2]{0,1}; None; 0; -100", "~f32[1, 2](2, 1) {-0, -3}"},
    {"aten::nll_loss; f32[2,3]; i64[2]{2,3}; None; 1; -100", "! Target 3 is out of bounds."},
    {"aten::nll_loss; f32[2,3]; i64[3]; None; 1; -100", "! Expected input batch_size (2) to match target batch_size (3)."},
    {"aten::nll_loss_forward; f32[2,3]; i64[2]{2,1}; f32[3]{1,2,0.5}; 1; -100", "~f32[]() {-3.5999999} | f32[]() {2.5}"},
    {"aten::cross_entropy_loss; f32[2,3]; i64[2]{2,0}; None; 1; -100; 0.0", "~f32[]() {1.40760589}"},
    {"aten::cross_entropy_loss; f32[2,3]; i64[2]{2,0}; f32[3]{1,2,0.5}; 1; 2; 0.1", "~f32[]() {2.34773278}"},
    {"aten::cross_entropy_loss; f32[2,3]; f32[2,3]{0.1,0.2,0.7,0,1,0}; f32[3]{1,2,0.5}; 1; -100; 0.1", "~f32[]() {1.87364197}"},
    {"aten::cross_entropy_loss; f32[2,3]; f32[2,3]{0.1,0.2,0.7,0,1,0}; None; 0; -100; 0.0", "~f32[2](1) {0.807605922, 1.40760589}"},
    {"aten::cross_entropy_loss; f32[2,3]; i64[2,3]; None; 1; -100; 0.0", "! Expected floating point type for target with class probabilities, got Long"},
    {"aten::cross_entropy_loss; f32[2,3]; i64[2]; None; 1; -100; 1.5", "! label_smoothing must be between 0.0 and 1.0. Got: 1.5"},
    {"aten::multi_margin_loss; f32[2,3]; i64[2]{0,1}; 2; 1.5; f32[3]{1,2,0.5}; 0", "~f32[2](1) {6.16666651, 4.33333349}"},
    {"aten::multi_margin_loss; f32[3]; i64[]{1}; 1; 1.0; None; 1", "~f32[]() {0.666666687}"},
    {"aten::multilabel_margin_loss; f32[1,4]{0.1,0.2,0.4,0.8}; i64[1,4]{3,0,-1,1}; 1", "~f32[]() {0.850000024}"},
    {"aten::multilabel_margin_loss_forward; f32[4]{0.1,0.2,0.4,0.8}; i64[4]{3,0,-1,1}; 0", "~f32[]() {0.850000024} | f32[4](1) {1, 0, 0, 1}"},
    {"aten::ctc_loss.IntList; f32[4,1,3]{-1,-2,-0.5,-1,-1,-1,-0.2,-3,-2,-1,-1.5,-0.7}; i64[1,2]{1,2}; [4]; [2]; 0; 1; False", "~f32[]() {0.942817032}"},
    {"aten::ctc_loss.IntList; f32[3,2,2]; i64[4]{1,1,1,1}; [3, 3]; [1, 3]; 0; 0; False", "~f32[2](1) {-15.7616301, inf}"},
    {"aten::ctc_loss.IntList; f32[3,2,2]; i64[4]{1,1,1,1}; [3, 3]; [1, 3]; 0; 0; True", "~f32[2](1) {-15.7616301, 0}"},
    {"aten::ctc_loss.Tensor; f32[3,2,2]; i64[4]{1,1,1,1}; i64[2]{3,3}; i64[2]{2,2}; 0; 2; True", "~f32[]() {-34}"},
};
ROWS_TEST(test_rows, rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
