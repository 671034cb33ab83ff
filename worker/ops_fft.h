// Fourier transforms as other operators use them (worker/ops_stft.c).
#ifndef TSB_WORKER_OPS_FFT_H
#define TSB_WORKER_OPS_FFT_H

#include "kernels/ops.h"
#include "worker/op_util.h"

// PyTorch's codes.
typedef enum FftNorm { FFT_NO_NORM, FFT_BY_ROOT_N, FFT_BY_N } FftNorm;

typedef struct FftCall {
    FftKind kind;
    bool forward;      // false with FFT_R2C: the result is conjugated; true with FFT_C2R: the input
    FftNorm norm;
    int dims, dim[VIEW_MAX_DIMS];
    int64_t last_size; // FFT_C2R: points of the result in the last of dim
} FftCall;

// t has the size to be transformed (of FFT_C2R's last dimension at least half of last_size, plus 1).
Status fft_run(Lane *lane, Site *site, Tensor *t, const FftCall *c, Tensor **out);

#endif
