// Operator bindings: lists, dictionaries and tuples.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_CONTAINER[] = {
    {0},
};
