// Operator bindings: reductions.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_REDUCE[] = {
    {0},
};
