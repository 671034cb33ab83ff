// Operator bindings: operators that the optimiser makes.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_FUSED[] = {
    {0},
};
