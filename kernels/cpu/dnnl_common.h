// oneDNN behind a small surface that is the same for its 2.x and 3.x C interfaces. Only kernels/cpu/dnnl_*.c and this file
// know the library's types; the differences between the versions are in dnnl_common.c.
#ifndef TSB_KERNELS_CPU_DNNL_COMMON_H
#define TSB_KERNELS_CPU_DNNL_COMMON_H

#include "kernels/isa.h"
#include "kernels/ops.h"
#include "kernels/pack.h"

Status dnnl_limit_isa(Isa isa);
void dnnl_thread_init(int threads);

#endif
