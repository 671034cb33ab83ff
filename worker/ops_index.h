// The functions behind OPS_INDEX, by the files they are in.
#ifndef TSB_WORKER_OPS_INDEX_H
#define TSB_WORKER_OPS_INDEX_H

#include "worker/op_util.h"

#undef OP_FN // here they are seen by other files
#define OP_FN(name) OP_GLOBAL(name)

// ops_join.c: results put together from copies.
OP_FN(op_cat);
OP_FN(op_cat_out);
OP_FN(op_stack);
OP_FN(op_stack_out);
OP_FN(op_hstack);
OP_FN(op_vstack);
OP_FN(op_dstack);
OP_FN(op_column_stack);
OP_FN(op_repeat);
OP_FN(op_tile);
OP_FN(op_repeat_interleave);
OP_FN(op_flip);
OP_FN(op_fliplr);
OP_FN(op_flipud);
OP_FN(op_roll);
OP_FN(op_triangle);
OP_FN(op_pad);
OP_FN(op_constant_pad);
OP_FN(op_pad_mode);

// ops_gather.c: elements at computed positions along one dimension.
OP_FN(op_index_select);
OP_FN(op_embedding);
OP_FN(op_gather);
OP_FN(op_take_along_dim);
OP_FN(op_one_hot);
OP_FN(op_take);

// ops_scatter.c: the same, writing.
OP_FN(op_scatter);
OP_FN(op_index_add);
OP_FN(op_index_copy);
OP_FN(op_index_fill);
OP_FN(op_index_reduce);
OP_FN(op_put);
// ST_RAISED when an index does not suit scatter(self, dim, …) or gather (name); `of`: what messages call self.
Status check_scatter_index(const View *self, const View *index, const char *name, const char *of, int dim);

// ops_sort.c
OP_FN(op_sort);
OP_FN(op_argsort);
OP_FN(op_msort);
OP_FN(op_topk);
OP_FN(op_kthvalue);
OP_FN(op_median);
OP_FN(op_nanmedian);
OP_FN(op_unique);
OP_FN(op_unique_consecutive);
OP_FN(op_searchsorted);
OP_FN(op_bucketize);
OP_FN(op_bincount);

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

// What scatter and its relatives are told to do with what is there already.
typedef struct ScatterRow {
    uint8_t op;     // IndexOp; overridden by the `reduce` argument
    bool in_place;
    int8_t reduce;  // argument that names the reduction, or -1
    int8_t include; // argument include_self, or -1
} ScatterRow;

// An integer tensor as contiguous int64 (retained or converted). ST_RAISED for other dtypes, naming `what`.
Status index_as_int64(Lane *lane, Tensor *t, const char *what, Tensor **out);
// A contiguous copy with its own memory.
Status tensor_clone(Lane *lane, Tensor *t, Tensor **out);
#endif
