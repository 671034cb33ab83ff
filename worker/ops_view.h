// View operators that other operators are made from (ops_view_copy.c).
#ifndef TSB_WORKER_OPS_VIEW_H
#define TSB_WORKER_OPS_VIEW_H

#include "worker/op_util.h"

// A view of `base`: `offset` in elements from the start of the storage.
static inline Status ret_view(Lane *lane, Tensor *base, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, IValue *ret)
{
    Tensor *t;
    TRY(tensor_view(lane, base, ndim, size, stride, offset, &t));
    *ret = value_tensor_take(t);
    return ST_OK;
}

static inline Status ret_same(IValue v, IValue *ret)
{
    *ret = value_retain(v);
    return ST_OK;
}

// OpFn; args as in the schema of the aten operator of that name (size: view, dtype: view.dtype).
#define VIEW_OP(name) Status name(Lane *lane, Site *site, const IValue *args, IValue *rets)
VIEW_OP(op_view_alias);
VIEW_OP(op_view_as_complex);
VIEW_OP(op_view_as_real);
VIEW_OP(op_view_as_strided);
VIEW_OP(op_view_conj);
VIEW_OP(op_view_diagonal);
VIEW_OP(op_view_dtype);
VIEW_OP(op_view_expand);
VIEW_OP(op_view_expand_as);
VIEW_OP(op_view_flatten);
VIEW_OP(op_view_narrow);
VIEW_OP(op_view_neg);
VIEW_OP(op_view_permute);
VIEW_OP(op_view_reshape);
VIEW_OP(op_view_select);
VIEW_OP(op_view_size);
VIEW_OP(op_view_slice);
VIEW_OP(op_view_squeeze);
VIEW_OP(op_view_squeeze_dims);
VIEW_OP(op_view_t);
VIEW_OP(op_view_transpose);
VIEW_OP(op_view_unfold);
VIEW_OP(op_view_unsqueeze);
#undef VIEW_OP

#endif
