// The ordered lists of variants of the heavy operators: fast ones first, the plain C reference last.
// Nothing else decides which implementation runs.
#include "kernels/cpu/variants.h"
#include "kernels/rnn.h"

#define CPU(label, x) {label, DEVICE_CPU, x##_prepare, x##_run, x##_destroy}
#define HALF(x) {"float32", DEVICE_CPU, widen_##x##_prepare, widen_run, widen_destroy}
#define VARIANTS(...) (const KernelVariant[]) { __VA_ARGS__, {0} }

const KernelOp kernel_conv = {"conv", VARIANTS(CPU("dnnl", dnnl_conv), CPU("depthwise", c_depthwise), CPU("gemm", gemm_conv), HALF(conv), CPU("reference", ref_conv))};
const KernelOp kernel_add_act = {"add_act", VARIANTS(CPU("reference", ref_add_act))};
const KernelOp kernel_rnn_layer = {"rnn_layer", VARIANTS(CPU("dnnl", dnnl_rnn), CPU("gemm", gemm_rnn), HALF(rnn_layer), CPU("reference", ref_rnn))};
const KernelOp kernel_linear = {"linear", VARIANTS(CPU("vector", c_gemv_linear), CPU("dnnl", dnnl_linear), CPU("blas", blas_linear), CPU("reference", ref_linear))};
const KernelOp kernel_fft = {"fft", VARIANTS(CPU("fftw", fftw_fft), CPU("reference", ref_fft))};
const KernelOp kernel_matmul = {"matmul", VARIANTS(CPU("vector", c_gemv_matmul), CPU("small", c_small_matmul), CPU("dnnl", dnnl_matmul), CPU("blas", blas_matmul), CPU("reference", ref_matmul))};
const KernelOp kernel_pool = {"pool", VARIANTS(CPU("bytes", q_pool), CPU("dnnl", dnnl_pool), CPU("planes", c_pool), HALF(pool), CPU("reference", ref_pool))};
const KernelOp kernel_adaptive_pool = {"adaptive_pool", VARIANTS(CPU("dnnl", dnnl_adaptive_pool), CPU("planes", c_adaptive_pool), HALF(adaptive_pool), CPU("reference", ref_adaptive_pool))};
const KernelOp kernel_batch_norm = {"batch_norm", VARIANTS(CPU("vector", c_batch_norm), CPU("sums", w_batch_norm), HALF(batch_norm), CPU("reference", ref_batch_norm))};
const KernelOp kernel_layer_norm = {"layer_norm", VARIANTS(CPU("vector", c_layer_norm), CPU("sums", w_layer_norm), HALF(layer_norm), CPU("reference", ref_layer_norm))};
const KernelOp kernel_group_norm = {"group_norm", VARIANTS(CPU("vector", c_group_norm), CPU("sums", w_group_norm), HALF(group_norm), CPU("reference", ref_group_norm))};
const KernelOp kernel_softmax = {"softmax", VARIANTS(CPU("vector", c_softmax), CPU("sums", w_softmax), HALF(softmax), CPU("reference", ref_softmax))};
const KernelOp kernel_attention = {"attention", VARIANTS(CPU("dnnl", dnnl_attention), HALF(attention), CPU("reference", ref_attention))};
const KernelOp kernel_resize = {"resize", VARIANTS(CPU("vector", c_resize), HALF(resize), CPU("reference", ref_resize))};
const KernelOp kernel_grid_sample = {"grid_sample", VARIANTS(CPU("vector", c_grid_sample), HALF(grid_sample), CPU("reference", ref_grid_sample))};
const KernelOp kernel_im2col = {"im2col", VARIANTS(CPU("rows", c_im2col), CPU("reference", ref_im2col))};
const KernelOp kernel_col2im = {"col2im", VARIANTS(CPU("rows", c_col2im), HALF(col2im), CPU("reference", ref_col2im))};
const KernelOp kernel_weight_norm = {"weight_norm", VARIANTS(CPU("reference", ref_weight_norm))};
const KernelOp kernel_cdist = {"cdist", VARIANTS(CPU("vector", c_cdist), HALF(cdist), CPU("reference", ref_cdist))};
const KernelOp kernel_quant_conv = {"quant_conv", VARIANTS(CPU("vector", q_conv), CPU("reference", q_ref))};
const KernelOp kernel_roi = {"roi", VARIANTS(CPU("vector", c_roi), CPU("reference", ref_roi))};
const KernelOp kernel_deform_columns = {"deform_columns", VARIANTS(CPU("vector", c_deform_columns), CPU("reference", ref_deform_columns))};
