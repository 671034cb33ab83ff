// The CPU variants of the heavy operators, and what their files share. The ordered lists are in kernels/registry.c.
#ifndef TSB_KERNELS_CPU_VARIANTS_H
#define TSB_KERNELS_CPU_VARIANTS_H

#include "kernels/ops.h"

#define KERNEL_VARIANT(x)                                                                                              \
    Status x##_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in);             \
    Status x##_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream);                   \
    void x##_destroy(Kernel *k)

KERNEL_VARIANT(dnnl_conv);
KERNEL_VARIANT(c_gemv_linear);
KERNEL_VARIANT(c_gemv_matmul);
KERNEL_VARIANT(c_small_matmul);
KERNEL_VARIANT(dnnl_linear);
KERNEL_VARIANT(dnnl_matmul);
KERNEL_VARIANT(dnnl_pool);
KERNEL_VARIANT(dnnl_rnn);
KERNEL_VARIANT(blas_matmul);
KERNEL_VARIANT(fftw_fft);
KERNEL_VARIANT(ref_fft);
KERNEL_VARIANT(blas_linear);
KERNEL_VARIANT(gemm_rnn);
KERNEL_VARIANT(ref_rnn);
KERNEL_VARIANT(c_depthwise);
KERNEL_VARIANT(gemm_conv);
KERNEL_VARIANT(ref_conv);
KERNEL_VARIANT(ref_linear);
KERNEL_VARIANT(ref_matmul);
KERNEL_VARIANT(c_pool);
KERNEL_VARIANT(c_adaptive_pool);
KERNEL_VARIANT(ref_pool);
KERNEL_VARIANT(ref_add_act);
KERNEL_VARIANT(dnnl_adaptive_pool);
KERNEL_VARIANT(ref_adaptive_pool);
KERNEL_VARIANT(ref_weight_norm);
KERNEL_VARIANT(c_cdist);
KERNEL_VARIANT(ref_cdist);
KERNEL_VARIANT(c_deform_columns);
KERNEL_VARIANT(ref_deform_columns);
KERNEL_VARIANT(c_roi);
KERNEL_VARIANT(ref_roi);
KERNEL_VARIANT(c_im2col);
KERNEL_VARIANT(c_col2im);
KERNEL_VARIANT(ref_im2col);
KERNEL_VARIANT(ref_col2im);
KERNEL_VARIANT(c_resize);
KERNEL_VARIANT(ref_resize);
KERNEL_VARIANT(c_grid_sample);
KERNEL_VARIANT(ref_grid_sample);
KERNEL_VARIANT(dnnl_attention);
KERNEL_VARIANT(ref_attention);
KERNEL_VARIANT(w_batch_norm);
KERNEL_VARIANT(w_layer_norm);
KERNEL_VARIANT(w_group_norm);
KERNEL_VARIANT(w_softmax);
KERNEL_VARIANT(c_batch_norm);
KERNEL_VARIANT(ref_batch_norm);
KERNEL_VARIANT(c_layer_norm);
KERNEL_VARIANT(ref_layer_norm);
KERNEL_VARIANT(c_group_norm);
KERNEL_VARIANT(ref_group_norm);
KERNEL_VARIANT(q_conv);
KERNEL_VARIANT(q_pool);
KERNEL_VARIANT(q_ref);
KERNEL_VARIANT(c_softmax);
KERNEL_VARIANT(ref_softmax);

// float16 and bfloat16 by way of the float32 variants (widen.c).
#define WIDEN_VARIANT(x) Status widen_##x##_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
WIDEN_VARIANT(conv);
WIDEN_VARIANT(pool);
WIDEN_VARIANT(adaptive_pool);
WIDEN_VARIANT(batch_norm);
WIDEN_VARIANT(layer_norm);
WIDEN_VARIANT(group_norm);
WIDEN_VARIANT(softmax);
WIDEN_VARIANT(attention);
WIDEN_VARIANT(resize);
WIDEN_VARIANT(grid_sample);
WIDEN_VARIANT(rnn_layer);
WIDEN_VARIANT(cdist);
WIDEN_VARIANT(col2im);
Status widen_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream);
void widen_destroy(Kernel *k);

// Most references keep one malloc'ed struct.
Status kernel_state_new(Kernel *k, size_t size, void **out); // zeroed
void kernel_state_free(Kernel *k);
// Output i of k: contiguous, plain.
void kernel_output(Kernel *k, int i, DType dtype, int ndim, const int64_t *size);

static inline bool operand_given(const View *in, int n_in, int i) { return i < n_in && in[i].dtype != DT_INVALID; }
static inline bool any_private(const View *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && in[i].layout != LAYOUT_STRIDED)
            return true;
    return false;
}

// Output 0 of k gets dense strides, its dimensions in this order, outermost first.
void kernel_output_order(Kernel *k, const int32_t *order);

// c[m, n] += a[m, k] b[k, n]: row-major int32 or int64, wrapping around.
void gemm_i32(int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c, int64_t ldc);
void gemm_i64(int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c, int64_t ldc);

// Whether the elements lie as [outer, spatial…, inner] in one piece, inner being channels side by side: 1 when plain, all
// with channels last, or a block of them.
bool view_one_order(const View *x, int64_t *outer, int64_t *inner);

// y [rows] = a [rows, columns] x, a contiguous.
void gemv_f32(int64_t rows, int64_t columns, const float *a, const float *x, float *y);

// What follows the sums of a convolution into a contiguous [n, channels, pixels]: bias[channels], add, activation (of real
// types). bias and add may be NULL.
void conv_finish(const ConvParams *p, DType t, int64_t n, int64_t channels, int64_t pixels, const View *bias, const void *add, void *out);

// y[i] = act(y[i]), and y[i] = act(y[i] + add[i]).
void act_f32(Act act, float lo, float hi, float *y, size_t n);
void add_act_f32(Act act, float lo, float hi, float *y, const float *add, size_t n);
// Rows of attention scores, one after the other: x = softmax(x * scale + mask). The mask is `add`, or `bits` (0: left out),
// or neither; in a causal one row r sees the first `first` + r + 1 columns.
typedef struct ScoreRows {
    int64_t rows, n, first;
    float scale;
    bool causal, zero_hidden; // a row without columns: zeros, not NaN
    const float *add;
    const uint8_t *bits;
    int64_t mask_row, mask_column; // strides
} ScoreRows;
void softmax_scores(float *scores, const ScoreRows *s);
double act_f64(Act act, double lo, double hi, double y);

// Any element type as double: what the references compute in. Integers above 2^53 lose bits, as nothing here needs them.
double element_get(const void *data, DType t, int64_t at);
void element_set(void *data, DType t, int64_t at, double v);
bool element_type(DType t); // one they know

#endif
