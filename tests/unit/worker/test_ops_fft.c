// Fourier transforms as programs call them, against what PyTorch 2.14 gives: numbers, strides and messages.
#include "op_rows.h"

static const OpRow fft_rows[] = {
    {"aten::fft_fft; f32[4]; None; -1; None", "~c64[4](1) {6+0j, -2+2j, -2+0j, -2-2j}"},
    {"aten::fft_fft; i64[4]; 2; -1; None", "~c64[2](1) {1+0j, -1+0j}"},
    {"aten::fft_fft; f64[3]{1, 2, 3}; 4; 0; 'forward'", "~c128[4](1) {1.5+0j, -0.5-0.5j, 0.5+0j, -0.5+0.5j}"},
    {"aten::fft_ifft; f32[4]; None; -1; None", "~c64[4](1) {1.5-0j, -0.5-0.5j, -0.5-0j, -0.5+0.5j}"},
    {"aten::fft_ifft; c64[2]; None; -1; 'ortho'", "~c64[2](1) {0.707106769-0.707106769j, -0.707106769+0.707106769j}"},
    {"aten::fft_fft; c64[2,3]; None; 0; None", "~c64[2, 3](1, 2) {3-3j, 5-5j, 7-7j, -3+3j, -3+3j, -3+3j}"},
    {"aten::fft_rfft; f32[5]; None; -1; None", "~c64[3](1) {10+0j, -2.5+3.44095492j, -2.5+0.812299252j}"},
    {"aten::fft_rfft; f32[2,2]; None; 0; None", "~c64[2, 2](1, 2) {2+0j, 4+0j, -2+0j, -2+0j}"},
    {"aten::fft_rfft; c64[4]; None; -1; None", "! TypeError: rfft expects a real input tensor, but got ComplexFloat"},
    {"aten::fft_irfft; c64[3]; None; -1; None", "~f32[4](1) {1, 0, 0, -1}"},
    {"aten::fft_irfft; c64[3]; 5; -1; None", "~f32[5](1) {1.20000005, 0.32704401, -0.602124333, 0.449337959, -1.37425756}"},
    {"aten::fft_irfft; f32[3]{4, 0, 0}; 4; 0; 'forward'", "~f32[4](1) {4, 4, 4, 4}"},
    {"aten::fft_hfft; c64[3]; None; -1; None", "~f32[4](1) {4, -4, 0, 0}"},
    {"aten::fft_ihfft; f32[4]; None; -1; None", "~c64[3](1) {1.5-0j, -0.5-0.5j, -0.5-0j}"},
    {"aten::fft_fft2; f32[2,2]; None; [-2, -1]; None", "~c64[2, 2](2, 1) {6+0j, -2+0j, -4+0j, 0+0j}"},
    {"aten::fft_fftn; f32[2,2]; [1, 2]; None; None", "~c64[1, 2](2, 1) {1+0j, -1+0j}"},
    {"aten::fft_fftn; f32[2]; None; []; None", "~c64[2](1) {0+0j, 1+0j}"},
    {"aten::fft_ifftn; f32[2,2]; None; [0, 1]; None", "~c64[2, 2](2, 1) {1.5-0j, -0.5-0j, -1-0j, 0-0j}"},
    {"aten::fft_rfftn; f32[2,3]; None; [1, 0]; None", "~c64[2, 3](1, 2) {15+0j, -3+1.73205078j, -3-1.73205078j, -9+0j, 0+0j, 0+0j}"},
    {"aten::fft_irfftn; c64[2,2]; [2, 3]; None; None", "~f32[2, 3](3, 1) {1.66666675, 0.821367204, -1.48803401, -1, -0.577350259, 0.577350259}"},
    {"aten::fft_hfft2; c64[2,2]; None; [-2, -1]; None", "~f32[2, 2](2, 1) {6, -2, -4, 0}"},
    {"aten::fft_ihfft2; f32[2,2]; None; [-2, -1]; None", "~c64[2, 2](1, 2) {1.5-0j, -0.5-0j, -1-0j, 0-0j}"},
    {"aten::_fft_r2c; f32[4]; [0]; 2; True", "~c64[3](1) {1.5+0j, -0.5+0.5j, -0.5+0j}"},
    {"aten::_fft_c2c; c64[2]; [0]; 0; False", "~c64[2](1) {1-1j, -1+1j}"},
    {"aten::_fft_c2r; c64[3]; [0]; 2; 4", "~f32[4](1) {1, 0, 0, -1}"},
    {"aten::_fft_c2c; c64[2]; [0]; 7; False", "! Unsupported normalization type 7"},
    {"aten::fft_fft; f16[4]; None; -1; None", "! NotImplementedError: Unsupported dtype Half"},
    {"aten::fft_fft; f32[4]; 0; -1; None", "! Invalid number of data points (0) specified"},
    {"aten::fft_irfft; c64[1]; None; -1; None", "! Invalid number of data points (0) specified"},
    {"aten::fft_fft; f32[4]; None; 1; None", "! IndexError: Dimension out of range (expected to be in range of [-1, 0], but got 1)"},
    {"aten::fft_fft; f32[]; None; -1; None", "! IndexError: Dimension specified as -1 but tensor has no dimensions"},
    {"aten::fft_fft; f32[4]; None; -1; 'foo'", "! Invalid normalization mode: \"foo\""},
    {"aten::fft_fftn; f32[2,2]; None; [0, 0]; None", "! FFT dims must be unique"},
    {"aten::fft_fftn; f32[2,2]; [1]; [0, 1]; None", "! When given, dim and shape arguments must have the same length"},
    {"aten::fft_fftn; f32[2]; [1, 1]; None; None", "! Got shape with 2 values but input tensor only has 1 dimensions."},
    {"aten::fft_rfftn; f32[2]; None; []; None", "! rfftn must transform at least one axis"},
    {"aten::fft_fft; f32[0,3]; None; -1; None", "c64[0, 3](3, 1) {}"},
    {"aten::fft_fftshift; f32[5]; None", "f32[5](1) {3, 4, 0, 1, 2}"},
    {"aten::fft_ifftshift; f32[2,3]; [1]", "f32[2, 3](3, 1) {1, 2, 0, 4, 5, 3}"},
};
ROWS_TEST(transforms, fft_rows)

static const OpRow stft_rows[] = {
    {"aten::stft; f32[6]; 4; 2; None; None; False; None; True; None", "~c64[3, 2](1, 3) {6+0j, 14+0j, -2+2j, -2+2j, -2+0j, -2+0j}"},
    {"aten::stft; f32[1,6]; 4; 2; 2; f32[2]{1, 2}; True; True; False; None", "~f32[1, 3, 2, 2](12, 2, 6, 1) {2.5, 0, 5.5, 0, -2, -0.5, -4, -1.5, 1.5, 0, 2.5, 0}"},
    {"aten::stft; f32[6]; 4; 2; 2; None; False; None; True; True", "~c64[3, 3](1, 3) {1+0j, 5+0j, 9+0j, -1+0j, -3-2j, -5-4j, 1+0j, 1+0j, 1+0j}"},
    {"aten::stft.center; f32[4]; 4; 4; None; None; True; 'reflect'; False; None; True; None", "~c64[3, 2](1, 3) {4+0j, 8+0j, 2+0j, 0-2j, 0+0j, 0+0j}"},
    {"aten::stft.center; c64[4]; 4; 4; None; None; True; 'constant'; False; None; None; None", "~c64[4, 2](1, 4) {1-1j, 5-5j, 1+1j, -1-5j, -1+1j, -1+1j, -1-1j, 5+1j}"},
    {"aten::stft; f32[6]; 4; 2; None; None; False; None; None; None", "~f32[3, 2, 2](2, 6, 1) {6, 0, 14, 0, -2, 2, -2, 2, -2, 0, -2, 0}"},
    {"aten::istft; f32[3,2,2]{6, 0, 14, 0, -2, 2, -2, 2, -2, 0, -2, 0}; 4; 2; None; None; False; False; None; None; False", "~f32[6](1) {0, 1, 2, 3, 4, 5}"},
    {"aten::stft; f32[3]; 4; 2; None; None; False; None; True; None", "! expected 0 < n_fft < 3, but got n_fft=4"},
    {"aten::stft; f32[6]; 4; 0; None; None; False; None; True; None", "! stft(torch.FloatTensor[6], n_fft=4, hop_length=0, win_length=4, window=None, normalized=0, onesided=None, return_complex=1, align_to_window=None) : expected hop_length > 0, but got hop_length=0"},
    {"aten::stft; f32[6]; 4; 2; 8; None; False; None; True; None", "! expected 0 < win_length <= n_fft, but got win_length=8"},
    {"aten::stft; f32[6]; 4; 2; 4; f32[3]; False; None; True; None", "! window=torch.FloatTensor{[3]}"},
    {"aten::stft; c64[6]; 4; 2; None; None; False; True; True; None", "! Cannot have onesided output if window or input is complex"},
    {"aten::stft.center; f32[6]; 4; 2; None; None; True; 'reflect'; False; None; True; True", "! stft align_to_window should only be set when center = false"},
    {"aten::istft; c64[3,3]; 4; 2; None; None; True; False; None; None; False", "~f32[4](1) {2, -1.25, 2.5, -1.25}"},
    {"aten::istft; c64[3,3]; 4; 2; None; None; True; False; None; 6; False", "~f32[6](1) {2, -1.25, 2.5, -1.25, 0, -4}"},
    {"aten::istft; c64[1,3,2]; 4; 2; None; None; False; False; None; None; False", "~f32[1, 6](6, 1) {2, 0, 1.5, -0.75, 0, -2.5}"},
    {"aten::istft; c64[3,3]; 4; 2; 4; f32[4]{0, 0, 0, 0}; True; False; None; None; False", "! window overlap add min: 1"},
    {"aten::istft; f32[3,3]; 4; 2; None; None; True; False; None; None; False", "! TypeError: istft requires a complex-valued input tensor"},
    {"aten::istft; c64[3,3]; 5; 2; None; None; True; False; True; None; False", "~f32[5](1) {1.39681339, 1.4723413, -0.158151627, 1.85276401, -3.41764975}"},
    {"aten::istft; c64[3,3]; 6; 2; None; None; True; False; None; None; False", "! expected the frequency dimension (3rd to the last) of the input tensor to match n_fft / 2 + 1 when onesided=True, but got 3"},
    {"aten::istft; c64[3,3]; 4; 5; None; None; True; False; None; None; False", "! expected 0 < hop_length <= win_length"},
    {"aten::istft; c64[3]; 4; 2; None; None; True; False; None; None; False", "! IndexError: Dimension out of range (expected to be in range of [-2, 1], but got -3)"},
    {"aten::istft; c64[3,0]; 4; 2; None; None; True; False; None; None; False", "! : input tensor cannot be empty."},
};
ROWS_TEST(short_time, stft_rows)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transforms), cmocka_unit_test(short_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
