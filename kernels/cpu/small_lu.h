// LU of small real matrices: where a call of LAPACK costs more than its arithmetic. Shapes and results as kernels/lapack.h
// says; float32 and float64, at most SMALL_LU rows and columns.
#ifndef TSB_KERNELS_CPU_SMALL_LU_H
#define TSB_KERNELS_CPU_SMALL_LU_H

#include "io/base/dtype.h"
#include "kernels/lapack.h"

enum { SMALL_LU = 16 };

void small_getrf(DType t, int m, int n, void *a, int32_t *pivots, int *info);
void small_getrs(DType t, BlasTrans trans, int n, int nrhs, const void *lu, const int32_t *pivots, void *b);

#endif
