// Operator bindings: making tensors.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_CREATE[] = {
    {0},
};
