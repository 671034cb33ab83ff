// Operator bindings: convolution and pooling.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_CONV[] = {
    {0},
};
