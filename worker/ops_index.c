// Operator bindings: indexing, gathering, sorting, joining. The functions are here and in the files that ops_index.h names.
// Rows are found by name in worker/op.c.
#include "worker/ops_index.h"

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, NULL},
#define INPLACE(name, fn) {"aten::" name, fn, OP_WRITES_ARG0, NULL, NULL},

const OpBinding OPS_INDEX[] = {
    ROW("cat", op_cat)
    ROW("cat.out", op_cat_out)
    ROW("concat", op_cat)
    ROW("concat.out", op_cat_out)
    ROW("stack", op_stack)
    ROW("stack.out", op_stack_out)
    {0},
};
