// Checks of the normalisations' operands, with PyTorch's messages. The variants share them.
#ifndef TSB_KERNELS_CPU_NORM_SHAPE_H
#define TSB_KERNELS_CPU_NORM_SHAPE_H

#include "kernels/cpu/variants.h"

Status batch_norm_check(const BatchNormParams *p, const View *in, int n_in);
// stats: the shape of mean and rstd.
Status layer_norm_check(const LayerNormParams *p, const View *in, int n_in, int64_t *stats);
Status group_norm_check(const GroupNormParams *p, const View *in, int n_in);

#endif
