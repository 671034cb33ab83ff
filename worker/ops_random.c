// Operator bindings: random operators.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_RANDOM[] = {
    {0},
};
