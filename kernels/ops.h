// The heavy operators: what each takes and gives. One KernelOp per operator, listed in kernels/registry.c.
// Parameter structs are compared with memcmp by the inline cache: start from a zeroed struct.
// float32 unless said otherwise; the reference variants also take float64, float16, bfloat16 and, where PyTorch does,
// integers.
#ifndef TSB_KERNELS_OPS_H
#define TSB_KERNELS_OPS_H

#include "kernels/kernel.h"

enum { SPATIAL_MAX = 3 };

// What follows a convolution or matrix product, applied to y = result + add. Text names as in tsb::conv of ir/ops.def.
typedef enum Act {
    ACT_NONE,
    ACT_RELU,
    ACT_CLAMP, // to lo … hi
    ACT_SIGMOID,
    ACT_TANH,
    ACT_SILU,
    ACT_GELU,
    ACT_GELU_TANH,
    ACT_HARDSWISH,
    ACT_HARDSIGMOID,
    ACT_LEAKY_RELU, // slope lo
    ACT_ELU,        // alpha lo, 1 when lo is 0
    ACT_COUNT
} Act;

bool act_from_name(Str name, Act *out);

// Inputs: input [N, C, spatial…] in any layout, weight [O, C/groups, kernel…] (transposed: [C, O/groups, kernel…]),
// bias [O] or absent, add: the shape of the output, or absent. Output [N, O, spatial…], perhaps in a private layout.
typedef struct ConvParams {
    int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX];
    int64_t padding[SPATIAL_MAX], padding_end[SPATIAL_MAX]; // zeros before and after
    int64_t output_padding[SPATIAL_MAX];
    int64_t groups;
    float lo, hi;
    int32_t act; // Act
    int32_t transposed;
} ConvParams;
extern const KernelOp kernel_conv;
// Shape of the result, with PyTorch's messages (ST_RAISED) for operands that do not fit.
Status conv_shape(const ConvParams *p, const View *in, int n_in, int64_t size[VIEW_MAX_DIMS]);

// Inputs: y, add. Output: act(y + add), broadcast; either may be absent operand-wise: add with dtype DT_INVALID.
typedef struct ActParams {
    float lo, hi;
    int32_t act;
    int32_t unused;
} ActParams;
extern const KernelOp kernel_add_act;

// alpha * (a @ b) + beta * c, with PyTorch's rules for vectors, matrices and batches. Inputs: a, b, c (broadcast to the
// result) or absent; c is not read when beta is 0. Output contiguous. The imaginary parts are for complex operands.
typedef struct MatmulParams {
    double alpha, beta;
    double alpha_im, beta_im;
} MatmulParams;
extern const KernelOp kernel_matmul;

// A product of a and b as batches of matrices: vectors got their missing dimension, batch dimensions are aligned.
typedef struct MatmulShape {
    View a, b;            // [batch…, M, K] and [batch…, K, N]; a stretched batch dimension has stride 0
    int ndim;             // of both, at least 2
    int64_t batch[VIEW_MAX_DIMS];
    int64_t m, n, k;
    int out_ndim;         // of the result, without the dimensions that vectors do not have
    int64_t out_size[VIEW_MAX_DIMS];
} MatmulShape;
Status matmul_shape(const View *a, const View *b, MatmulShape *s);
Status linear_shape(const View *in, int n_in, int64_t size[VIEW_MAX_DIMS]);
// Strides of v stretched to a shape (0 where it is stretched); ST_RAISED with PyTorch's message of expand.
Status expand_strides(const View *v, int ndim, const int64_t *size, int64_t *stride);

// act(input @ weight^T + bias + add). Inputs: input […, K], weight [N, K], bias [N] or absent, add: the shape of the output
// or absent. Output […, N].
extern const KernelOp kernel_linear; // ActParams

typedef struct PoolParams {
    int64_t kernel[SPATIAL_MAX], stride[SPATIAL_MAX], padding[SPATIAL_MAX], dilation[SPATIAL_MAX];
    int64_t divisor;           // average: 0 means the window's size
    int32_t ceil_mode, count_include_pad;
    int32_t max, with_indices; // with_indices: a second output, int64 offsets into the spatial dimensions
} PoolParams;
extern const KernelOp kernel_pool; // input [N, C, spatial…]
Status pool_shape(const PoolParams *p, const View *in, int64_t size[VIEW_MAX_DIMS]);

typedef struct AdaptivePoolParams {
    int64_t size[SPATIAL_MAX];
    int32_t max; // a second output: indices
    int32_t unused;
} AdaptivePoolParams;
extern const KernelOp kernel_adaptive_pool;

// Inputs: input [N, C, …], weight, bias, mean, var [C] each or absent. With batch_stats the mean and the biased variance
// are the input's, and outputs 1 and 2 give mean and 1/sqrt(var + eps) [C], output 3 the unbiased variance [C].
typedef struct BatchNormParams {
    double eps;
    int32_t batch_stats;
    int32_t unused;
} BatchNormParams;
extern const KernelOp kernel_batch_norm;

// Over the last `dims` dimensions. Inputs: input, weight, bias (of those dimensions) or absent. Outputs: result, mean and
// 1/sqrt(var + eps) with those dimensions of size 1. rms: no mean is subtracted (output 1 is not meaningful).
typedef struct LayerNormParams {
    double eps;
    int32_t dims;
    int32_t rms;
} LayerNormParams;
extern const KernelOp kernel_layer_norm;

// Inputs: input [N, C, …], weight [C], bias [C] or absent. Outputs: result, mean and rstd [N, groups].
typedef struct GroupNormParams {
    double eps;
    int64_t groups;
} GroupNormParams;
extern const KernelOp kernel_group_norm;

// Inputs: input [N, C, H, W], rois [K, 5] (image, x1, y1, x2, y2). Output [K, C, size], and but for roi_align int32 of that
// size: positions in the image, -1 where a bin is empty (roi_pool), or the channel that was read (by position: then bin b of
// channel c reads channel c * bins + b). torchvision's operators.
typedef enum RoiKind { ROI_ALIGN, ROI_MAX, ROI_PS_ALIGN, ROI_PS_POOL } RoiKind;
typedef struct RoiParams {
    double scale;
    int64_t size[2];
    int64_t sampling_ratio; // points per bin and direction; 0 and below: as many as pixels
    int32_t aligned, kind;  // kind: RoiKind
} RoiParams;
extern const KernelOp kernel_roi;

// Deformable convolution up to its matrix product: windows as columns, as im2col's, but each element is read where an offset
// moved it to. Inputs: input [N, C, H, W], offset [N, groups * kernel * 2 (down, right), Ho, Wo], mask [N, groups * kernel,
// Ho, Wo] or absent. Output [N, C * kernel, Ho * Wo].
typedef struct DeformParams {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t groups; // of channels that share offsets
} DeformParams;
extern const KernelOp kernel_deform_columns;

// Boxes [N, 4] (x1, y1, x2, y2) and scores [N], both in one piece: writes the boxes that remain, best score first, into
// keep[N] and returns how many. order[N], columns[5 N] and gone[N] are scratch.
int64_t nms_f32(const float *boxes, const float *scores, int64_t n, double threshold, int64_t *keep, int64_t *order, float *columns, uint8_t *gone);
int64_t nms_f64(const double *boxes, const double *scores, int64_t n, double threshold, int64_t *keep, int64_t *order, double *columns, uint8_t *gone);

// Inputs: v, g (size 1 but in `dim`). Output: v * g / |v|, the norm being taken over all dimensions but `dim`.
typedef struct WeightNormParams {
    int32_t dim;
    int32_t unused;
} WeightNormParams;
extern const KernelOp kernel_weight_norm;

// Inputs: a [batch…, P, M], b [batch…, R, M]. Output: [batch…, P, R], the p-norms of the differences of rows; p may be inf.
typedef struct CdistParams {
    double p;
    int64_t upper; // only what lies above the diagonal is looked at: the rest may be left unset
} CdistParams;
extern const KernelOp kernel_cdist;

typedef enum FftKind {
    FFT_C2C,
    FFT_R2C,      // real input; the last of dim gets n / 2 + 1 points
    FFT_R2C_FULL, // real input, all points
    FFT_C2R,      // real output of last_size points in the last of dim, of which the input has the first half
} FftKind;

// Fourier transforms over the dimensions dim[0 … dims), times scale. Backward: FFT_C2C has the other sign, the result of
// FFT_R2C is conjugated. Forward FFT_C2R conjugates its input. The output is dense, its dimensions in memory order[0 … ndim),
// outermost first.
typedef struct FftParams {
    double scale;
    int64_t last_size;
    int32_t dim[VIEW_MAX_DIMS], order[VIEW_MAX_DIMS];
    int32_t kind, forward;
    int32_t dims, unused;
} FftParams;
extern const KernelOp kernel_fft; // float32, float64, complex64, complex128

typedef struct SoftmaxParams {
    int32_t dim;
    int32_t log;
} SoftmaxParams;
extern const KernelOp kernel_softmax; // keeps the input's dtype

typedef enum ResizeMode { RESIZE_NEAREST, RESIZE_NEAREST_EXACT, RESIZE_LINEAR, RESIZE_CUBIC, RESIZE_LANCZOS } ResizeMode;

// Input [N, C, spatial…]; linear is also bilinear and trilinear. scale[i] is 0, or the scale factor that the user gave,
// which then is used instead of the ratio of the sizes.
typedef struct ResizeParams {
    int64_t size[SPATIAL_MAX];
    double scale[SPATIAL_MAX];
    int32_t mode; // ResizeMode
    int32_t align_corners;
    int32_t antialias; // linear, cubic and (always) lanczos, 2 spatial dimensions
    int32_t unused;
} ResizeParams;
extern const KernelOp kernel_resize;

// Inputs: input [N, C, H, W] or [N, C, D, H, W], grid [N, Ho, Wo, 2] or [N, Do, Ho, Wo, 3].
typedef struct GridSampleParams {
    int32_t mode;    // 0 bilinear, 1 nearest, 2 bicubic
    int32_t padding; // 0 zeros, 1 border, 2 reflection
    int32_t align_corners;
    int32_t unused;
} GridSampleParams;
extern const KernelOp kernel_grid_sample;

// im2col: input [N, C, H, W], output [N, C * kernel, windows]: the windows as columns. col2im: the way back, overlaps
// added; input [N, C * kernel, windows], output [N, C, size].
typedef struct FoldParams {
    int64_t size[2]; // col2im: H, W
    int64_t kernel[2], dilation[2], padding[2], stride[2];
} FoldParams;
extern const KernelOp kernel_im2col, kernel_col2im;

// softmax(q k^T * scale + mask) v. Inputs: q [..., L, E], k [..., S, E], v [..., S, V], mask (broadcast to [..., L, S]; bool:
// true takes part; or float: added) or absent. Outputs: result [..., L, V], and with need_weights the weights [..., L, S].
// A query that no key takes part for gives NaN, or zeros with zero_hidden.
typedef struct AttentionParams {
    double scale;
    int32_t causal;
    int32_t need_weights;
    int32_t zero_hidden;
} AttentionParams;
extern const KernelOp kernel_attention;

// Quantised convolution, or linear layer when the weight has two dimensions: exact sums of
// (x - zero point) * (w - zero point) in 32 bits, then y = sum * (x scale * w scale) + bias as float32 (to_float), or
// round((sum + bias / (x scale * w scale)) * (x scale * w scale / y scale)) + zero point, the intermediate values being
// float32 (torchscript.md §15.8).
// Inputs: x QU8 or QI8 [N, C, spatial…] or […, K]; weight QI8 or QU8, as for kernel_conv, or [N, K]; scales float64 and zero
// points int64, one per output channel, both given or both absent; bias float32 or absent; numbers float64 [4]: scale and
// zero point of x, of y. Output: x's dtype or float32, channels-last strides (linear: contiguous).
typedef struct QuantConvParams {
    int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX], padding[SPATIAL_MAX], output_padding[SPATIAL_MAX];
    int64_t groups;
    double weight_scale; // when there is one for all channels
    int64_t weight_zero_point;
    int32_t transposed;
    int32_t relu;
    int32_t to_float;
    int32_t unused;
} QuantConvParams;
extern const KernelOp kernel_quant_conv;

#endif
