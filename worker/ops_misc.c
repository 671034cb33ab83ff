// Operator bindings: everything else.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_MISC[] = {
    {0},
};
