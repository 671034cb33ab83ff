// Arguments: the values of one call, made from rows of the bound columns.
#ifndef TSB_COORDINATOR_ARGUMENTS_H
#define TSB_COORDINATOR_ARGUMENTS_H

#include "coordinator/binding.h"
#include "io/h5_reader.h"
#include "worker/model.h"

enum { MAX_ARGUMENTS = 256 };

typedef struct ArgumentMaker {
    const Binding *binding;
    H5Column *const *columns;
    bool own; // tensors get memory of their own, because the model may keep them (--stateful)
} ArgumentMaker;

// Of one row, without the batch dimension; or, row < 0, of all rows of the batch: then `padded` ≥ their number repeats the
// last one. The values are the caller's to release and point into the batch, which must stay until they and all results are
// released.
Status arguments_of_call(const ArgumentMaker *m, Lane *lane, const H5Batch *batch, int64_t row, int64_t padded, IValue *args);

#endif
