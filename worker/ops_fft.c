// Operator bindings: Fourier transforms.
// Placeholder table until the family is there.
#include "worker/op_util.h"

const OpBinding OPS_FFT[] = {{0}};
