// Operator bindings: dictionaries (torchscript.md §14.4). One function serves every key type.
// Rows are found by name in worker/op.c.
#include "worker/op.h"

const OpBinding OPS_DICT[] = {
    {0},
};
