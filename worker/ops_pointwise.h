// Rows of tables of elementwise operators: what an operator computes, and what each argument of its schema is.
#ifndef TSB_WORKER_OPS_POINTWISE_H
#define TSB_WORKER_OPS_POINTWISE_H

#include "worker/op_util.h"
#include "worker/pointwise.h"

// args, one letter per schema argument:
//   t operand (tensor or number)   w the same, and the result is written to it   v value, not promoted   c condition
//   n number, in order into params   o out=   - not used
typedef struct PwRow {
    uint8_t op, kind;
    const char *args;
} PwRow;

// Fills the call from the arguments; numbers go to params. Runs it.
void pw_fill(PwCall *c, const PwRow *row, const IValue *args);
Status pw_finish(Lane *lane, Site *site, PwCall *c, IValue *rets);
// Both: the function of rows that need nothing else.
OP_GLOBAL(op_pw_row);

#define P OP_PRIVATE_LAYOUT
#define PW (OP_PRIVATE_LAYOUT | OP_WRITES_ARG0)
#define ROW(name, fn, flags, op, kind, args) {"aten::" name, fn, flags, &(const PwRow){PW_##op, PW_##kind, args}, pw_free_user},
// name, name_ and name.out of an operator; `n` gives the letters of its numbers.
#define UNARY_FN(name, fn, op, kind, n)                                                                                \
    ROW(name, fn, P, op, kind, "t" n) ROW(name "_", fn, PW, op, kind, "w" n) ROW(name ".out", fn, P, op, kind, "t" n "o")
#define UNARY(name, op, kind) UNARY_FN(name, op_pw_row, op, kind, "")
#define UNARY_PURE(name, op, kind, n) ROW(name, op_pw_row, P, op, kind, "t" n) ROW(name ".out", op_pw_row, P, op, kind, "t" n "o")
// Comparisons and others whose overloads all have names.
#define BINARY_FN(name, fn, op, kind, n)                                                                               \
    ROW(name ".Tensor", fn, P, op, kind, "tt" n) ROW(name ".Scalar", fn, P, op, kind, "tt" n)                          \
    ROW(name "_.Tensor", fn, PW, op, kind, "wt" n) ROW(name "_.Scalar", fn, PW, op, kind, "wt" n)
#define OUT_FN(name, fn, op, kind, n)                                                                                  \
    ROW(name ".out", fn, P, op, kind, "tt" n "o") ROW(name ".Scalar_out", fn, P, op, kind, "tt" n "o")
#define COMPARE(name, op)                                                                                              \
    BINARY_FN(name, op_pw_row, op, COMMON, "")                                                                            \
    ROW(name ".Tensor_out", op_pw_row, P, op, COMMON, "tto") ROW(name ".Scalar_out", op_pw_row, P, op, COMMON, "tto")
// name, name_ and name.out of two tensors.
#define PAIR(name, op, kind)                                                                                           \
    ROW(name, op_pw_row, P, op, kind, "tt") ROW(name "_", op_pw_row, PW, op, kind, "wt") ROW(name ".out", op_pw_row, P, op, kind, "tto")
#define PAIR_PURE(name, op, kind) ROW(name, op_pw_row, P, op, kind, "tt") ROW(name ".out", op_pw_row, P, op, kind, "tto")

#endif
