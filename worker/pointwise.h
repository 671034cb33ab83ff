// Running elementwise operators on tensors: promotion, broadcasting, result strides, reuse of dying operands, private
// layouts, and the plans kept at each site.
#ifndef TSB_WORKER_POINTWISE_H
#define TSB_WORKER_POINTWISE_H

#include "kernels/pointwise.h"
#include "worker/op.h"

// What an operand is to the operator.
typedef enum PwRole {
    PW_OPERAND,   // a tensor or number that takes part in promotion
    PW_VALUE,     // one that is converted to the type computed in
    PW_CONDITION, // a tensor of bool
} PwRole;

// What the operator computes in.
typedef enum PwKind {
    PW_COMMON, // the promoted type
    PW_FLOAT,  // likewise, but integers become the default floating-point type
    PW_SELF,   // the type of the first operand
} PwKind;

// One call, filled by a binding.
typedef struct PwCall {
    uint8_t op;   // PwOp
    uint8_t kind; // PwKind
    uint8_t inputs;
    struct PwOperand {
        uint8_t role;  // PwRole
        int8_t arg;    // its position in the schema, for reuse when it dies; -1: none
        IValue value;  // tensor or number
    } in[PW_MAX_INPUTS];
    DType numbers;     // promoted type of numbers that are in params; DT_INVALID: none
    Tensor *out;       // in-place or out=; NULL: a new tensor
    bool resize_out;   // out=: may take another shape
    PwParams params;
} PwCall;

#define PW_CALL(op_, kind_) ((PwCall){.op = (op_), .kind = (kind_), .numbers = DT_INVALID})
void pw_add(PwCall *c, PwRole role, int arg, IValue value);
DType number_dtype(IValue number); // DT_BOOL, DT_I64, DT_F64, DT_C128

// Runs it; *result is the new tensor, or `out` retained. Site keeps the plan: op->free_user must be pw_free_user.
Status pw_call(Lane *lane, Site *site, PwCall *c, Tensor **result);
void pw_free_user(void *user);

// Strides that PyTorch gives a fresh elementwise result of this shape.
void elementwise_strides(View *out, int n, const View *const *in);
// Gives an out= tensor another shape, as PyTorch does. ST_RAISED when its memory cannot change.
Status out_resize(Lane *lane, Tensor *out, int ndim, const int64_t *size);
// "[2, 3]"
void shape_text(const View *v, char *text, size_t size);

#endif
