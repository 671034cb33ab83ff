// Shared by the bindings of the heavy operators (worker/ops_conv.c, ops_pool.c, ops_matmul.c, ops_norm.c, ops_resize.c,
// ops_rnn.c, ops_attention.c, ops_fused.c).
#ifndef TSB_WORKER_OPS_HEAVY_H
#define TSB_WORKER_OPS_HEAVY_H

#include "kernels/ops.h"
#include "worker/op.h"

// Views with a dimension of size 1 put in, or taken out, at `dim`. Plain tensors only.
Status tensor_add_dim(Lane *lane, Tensor *t, int dim, Tensor **out);
Status tensor_drop_dim(Lane *lane, Tensor *t, int dim, Tensor **out);
// A view with two dimensions exchanged; with other sizes (contiguous tensors only).
Status tensor_transposed(Lane *lane, Tensor *t, int a, int b, Tensor **out);
// The tensor with another shape: a view when it is contiguous, else a copy.
Status tensor_reshaped(Lane *lane, Tensor *t, int ndim, const int64_t *size, Tensor **out);
// A part of one dimension, as a view.
Status tensor_narrow(Lane *lane, Tensor *t, int dim, int64_t start, int64_t length, Tensor **out);

// "[2, 3]"
const char *sizes_text(const View *v, char *text, size_t size);

// From the arguments of aten::convolution.
Status conv_params_from(const IValue *args, ConvParams *p);

// Results of multi-output bindings.
static inline void take_results(IValue *rets, Tensor *const *out, int n)
{
    for (int i = 0; i < n; i++)
        rets[i] = value_tensor_take(out[i]);
}

#endif
