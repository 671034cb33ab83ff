// Operator bindings: indexing, gathering, sorting.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_INDEX[] = {
    {0},
};
