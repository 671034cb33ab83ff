// Shared by the bindings of the heavy operators (worker/ops_conv.c, ops_pool.c, ops_matmul.c, ops_norm.c, ops_resize.c,
// ops_rnn.c, ops_attention.c, ops_fused.c).
#ifndef TSB_WORKER_OPS_HEAVY_H
#define TSB_WORKER_OPS_HEAVY_H

#include "kernels/ops.h"
#include "worker/op.h"

// Views with a dimension of size 1 put in, or taken out, at `dim`. Plain tensors only.
Status tensor_add_dim(Lane *lane, Tensor *t, int dim, Tensor **out);
Status tensor_drop_dim(Lane *lane, Tensor *t, int dim, Tensor **out);
// A view with two dimensions exchanged.
Status tensor_transposed(Lane *lane, Tensor *t, int a, int b, Tensor **out);
// The tensor with another shape: a view where the strides allow it, else a copy.
Status tensor_reshaped(Lane *lane, Tensor *t, int ndim, const int64_t *size, Tensor **out);
// A part of one dimension, as a view.
Status tensor_narrow(Lane *lane, Tensor *t, int dim, int64_t start, int64_t length, Tensor **out);

// Strides with which a view has another shape; false when there are none.
bool reshape_strides(const View *v, int ndim, const int64_t *size, int64_t *stride);
// A view with the dimensions in another order.
Status tensor_permuted(Lane *lane, Tensor *t, const int *order, Tensor **out);

// "[2, 3]"
const char *sizes_text(const View *v, char *text, size_t size);

// From the arguments of aten::convolution.
Status conv_params_from(const IValue *args, ConvParams *p);

// alpha * (a @ b) + beta * c; c may be NULL. In worker/ops_matmul.c.
Status product(Lane *lane, Site *site, Tensor *a, Tensor *b, Tensor *c, double alpha, double beta, Tensor **out);
// In worker/ops_einsum.c.
Status op_einsum(Lane *lane, Site *site, const IValue *args, IValue *rets);
Status op_tensordot(Lane *lane, Site *site, const IValue *args, IValue *rets);
Status op_bilinear(Lane *lane, Site *site, const IValue *args, IValue *rets);

// Results of multi-output bindings.
static inline void take_results(IValue *rets, Tensor *const *out, int n)
{
    for (int i = 0; i < n; i++)
        rets[i] = value_tensor_take(out[i]);
}

#endif
