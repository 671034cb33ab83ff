// Operator bindings: normalisation and softmax.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_NORM[] = {
    {0},
};
