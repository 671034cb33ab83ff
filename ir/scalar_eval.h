// Runs a pure operator on constant numbers, strings, None and tuples while compiling.
#ifndef TSB_IR_SCALAR_EVAL_H
#define TSB_IR_SCALAR_EVAL_H

#include "ir/program.h"

// The value of n's only output; all inputs must be constants. NULL: not an operator that is evaluated here, or it raises.
// Exact semantics are torchscript.md §14.1; what is missing here is left to run time, which is always correct.
Datum *scalar_eval(Program *p, Arena *a, const Node *n);

#endif
