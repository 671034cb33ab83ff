// Reductions of complex numbers, for reduce_run.
#ifndef TSB_KERNELS_REDUCE_COMPLEX_H
#define TSB_KERNELS_REDUCE_COMPLEX_H

#include "kernels/reduce.h"

// As reduce_run. Results of VAR, STD, NORM, ANY, ALL and COUNT_NONZERO are real; the mean of VAR and STD is complex.
Status reduce_complex_run(const ReduceParams *p, const View *in, const View *const out[2]);

#endif
