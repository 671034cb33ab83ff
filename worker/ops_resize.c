// Operator bindings: resizing, and moving elements between channels and space.
// Rows are found by name in worker/op.c.
#include "worker/ops_heavy.h"

const OpBinding OPS_RESIZE[] = {
    {0},
};
