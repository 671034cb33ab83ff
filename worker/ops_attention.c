// Operator bindings: attention.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_ATTENTION[] = {
    {0},
};
