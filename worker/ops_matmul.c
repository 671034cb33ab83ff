// Operator bindings: matrix products.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_MATMUL[] = {
    {0},
};
