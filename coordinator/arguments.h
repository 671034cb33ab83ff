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

// All rows of a block in one call; `padded` ≥ block->count repeats the last row. The values are the caller's to release
// and point into the batch, which must stay until they and all results are released.
Status arguments_of_batch(const ArgumentMaker *m, Lane *lane, const H5Batch *batch, int64_t padded, IValue *args);
// One row, without the batch dimension.
Status arguments_of_row(const ArgumentMaker *m, Lane *lane, const H5Batch *batch, int64_t row, IValue *args);

#endif
