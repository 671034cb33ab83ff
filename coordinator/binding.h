// Binding: which data set feeds which argument of the method.
#ifndef TSB_COORDINATOR_BINDING_H
#define TSB_COORDINATOR_BINDING_H

#include "coordinator/options.h"
#include "io/h5_source.h"
#include "ir/schema.h"

typedef enum BoundKind {
    BOUND_DEFAULT, // no data set: the schema's default, or None for an Optional without one
    BOUND_TENSOR,  // a batch of rows; with --per-sample one row without the batch dimension
    BOUND_ROWS,    // List[Tensor]: the rows, one tensor each
    BOUND_INT,     // one number per call, only with --per-sample
    BOUND_FLOAT,
    BOUND_BOOL,
} BoundKind;

typedef struct BoundArg {
    const SchemaArg *arg;
    BoundKind kind;
    int column;           // index among the bound columns, -1 for BOUND_DEFAULT
    Str path;             // of the data set
    Transform transform;
} BoundArg;

typedef struct Binding {
    BoundArg *args; // one per argument of the method, without self
    int count;
    int columns;    // data sets that are read
    bool rows_as_list; // some argument is BOUND_ROWS: list results are one item per sample
} Binding;

// `inputs` are the texts of --input. Errors list the arguments and the data sets: ST_USAGE for what --input says
// or leaves open, ST_BAD_DATA for what the file has not. Memory is the arena's; binding_free frees transforms.
Status binding_make(Arena *a, const Schema *method, const H5Dataset *const *sets, size_t set_count, const TextList *inputs, bool per_sample, Binding *out);
void binding_free(Binding *b);
// One line per argument: "  x: Tensor  <-  /images  uint8 [1797, 8, 8]".
void binding_describe(Buf *out, const Binding *b, const H5Dataset *const *sets, size_t set_count);

#endif
