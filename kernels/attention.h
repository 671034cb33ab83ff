// Shapes of scaled dot product attention, shared by its variants.
#ifndef TSB_KERNELS_ATTENTION_H
#define TSB_KERNELS_ATTENTION_H

#include "kernels/ops.h"

typedef struct AttentionShape {
    int64_t l, s, e, v; // queries, keys, width of queries and keys, width of values
    int batch_dims;
    int64_t batch[VIEW_MAX_DIMS], count;
    int64_t stride[3][VIEW_MAX_DIMS]; // of q, k, v in the batch dimensions; 0 where stretched
    int64_t mask[VIEW_MAX_DIMS], mask_row, mask_column;
} AttentionShape;

Status attention_shape(const View *in, int n_in, AttentionShape *s);
// Offset of a batch in an operand with these batch strides.
int64_t attention_offset(const AttentionShape *s, const int64_t *stride, int64_t batch);

#endif
