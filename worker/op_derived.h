// Bindings for out= and in-place operators, made from the operators they are forms of.
#ifndef TSB_WORKER_OP_DERIVED_H
#define TSB_WORKER_OP_DERIVED_H

#include "worker/op.h"

// NULL when the operator is unknown, or is a form of none that is bound.
const OpBinding *op_derived_find(Str full_name);
// aten::_foreach_NAME: NAME for each tensor of a list (worker/op_foreach.c). NULL when it is none.
const OpBinding *op_foreach_find(Str full_name);

#endif
