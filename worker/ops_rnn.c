// Operator bindings: recurrent layers.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_RNN[] = {
    {0},
};
