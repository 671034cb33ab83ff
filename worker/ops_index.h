// The functions behind OPS_INDEX, by the files they are in.
#ifndef TSB_WORKER_OPS_INDEX_H
#define TSB_WORKER_OPS_INDEX_H

#include "worker/op.h"

#define OP_FN(name) Status name(Lane *lane, Site *site, const IValue *args, IValue *rets)

// ops_join.c: results put together from copies of tensors.
OP_FN(op_cat);
OP_FN(op_cat_out);
OP_FN(op_stack);
OP_FN(op_stack_out);

// A view of `base` with other sizes and strides, `offset` elements further.
static inline View view_window(const View *base, int ndim, const int64_t *size, const int64_t *stride, int64_t offset)
{
    View v = {.dtype = base->dtype, .device = base->device, .ndim = (uint8_t)ndim};
    v.data = (char *)base->data + offset * (int64_t)dtype_size((DType)base->dtype);
    for (int d = 0; d < ndim; d++) {
        v.size[d] = size[d];
        v.stride[d] = stride[d];
    }
    return v;
}

#endif
