// Checks of the normalisations' operands, with PyTorch's messages. The variants share them.
#ifndef TSB_KERNELS_CPU_NORM_SHAPE_H
#define TSB_KERNELS_CPU_NORM_SHAPE_H

#include "kernels/cpu/variants.h"

Status batch_norm_check(const BatchNormParams *p, const View *in, int n_in);
// stats: the shape of mean and rstd.
Status layer_norm_check(const LayerNormParams *p, const View *in, int n_in, int64_t *stats);
Status group_norm_check(const GroupNormParams *p, const View *in, int n_in);

// A value for each channel may be a strided vector (a column of what was computed): can it be read, and how far apart are its
// elements.
static inline bool channel_vector(const View *v) { return v->layout == LAYOUT_STRIDED && (v->ndim == 1 || view_is_contiguous(v)); }
static inline int64_t channel_step(const View *v) { return v->ndim == 1 ? v->stride[0] : 1; }

#endif
