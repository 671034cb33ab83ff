// Nested tensors, as far as transformers need them: the rows of a batch have lengths of their own. The tensor is the padded
// one, [batch, longest row, width]; what lies beyond a row's length means nothing, and no value of a row depends on it. Only the
// operators of the table in worker/ops_nested.c take one; all others refuse by name.
#ifndef TSB_WORKER_NESTED_H
#define TSB_WORKER_NESTED_H

#include "worker/op.h"

struct Nested {
    uint32_t refs; // not atomic: of one lane, like the tensors
    int64_t count; // rows: the batch
    int64_t rows[]; // their lengths
};

static inline Nested *nested_retain(Nested *n)
{
    n->refs++;
    return n;
}
void nested_release(Nested *n);

// For what no nested tensor may become: text, results of the model.
Status nested_refuse_value(void);
// Changes *fn when the operator takes nested tensors by another function. ST_RAISED when it takes none.
Status nested_choose(const Site *site, OpFn *fn);

#endif
