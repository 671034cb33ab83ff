// Results: what the method returned for the samples of one batch, taken apart into columns of rows.
//
//   IValue  ->  /output            a Tensor
//               /output/0, …       a tuple, or a list, by index
//               /output/boxes      a NamedTuple, object or dict, by name; nesting nests
//
// A column has one row per sample. A batched tensor gives all its rows at once; with --per-sample (or list results of
// methods that take List[Tensor]) every call or item gives one row.
#ifndef TSB_COORDINATOR_RESULTS_H
#define TSB_COORDINATOR_RESULTS_H

#include "io/base/wire.h"
#include "io/h5_sink.h"
#include "worker/tensor.h"

typedef struct ResultColumn {
    char *path;
    bool text;
    DType dtype;
    int ndim;            // of a row; 1 for text
    int64_t *shape;      // [rows][ndim]; text: length in bytes
    uint64_t *offset;    // [rows + 1] in bytes
    uint8_t *present;    // [rows]: the call gave this row
    int64_t present_count;
    bool uniform;        // all present rows have one shape
    int64_t shape_row;   // a row that is present, when present_count > 0
    uint8_t *bytes;      // rows, one after the other
    size_t size, capacity;
    int64_t filled;      // rows begun, missing ones included
    Tensor *whole;       // instead of bytes: a contiguous tensor with all rows (retained)
} ResultColumn;

typedef struct ResultError {
    int64_t row, count; // of the batch
    char *message;
} ResultError;

typedef struct Results {
    int64_t batch, first, count; // batch index, first row in the output, rows
    ResultColumn *columns;
    int column_count, column_capacity;
    int next_column;     // where the next leaf is expected
    ResultError *errors;
    int error_count;
} Results;

// Makes `r` empty for a batch; memory is kept from batch to batch.
void results_start(Results *r, int64_t batch, int64_t first, int64_t count);
// Lets go of the tensors of the batch, before its input is released.
void results_clear(Results *r);
void results_free(Results *r);

// One call for all `count` rows. `padded` ≥ count is what the tensors of the result must have; rows beyond count are
// dropped. `rows_as_list`: lists of `padded` items hold one item per sample. ST_BAD_MODEL when a result is not per sample.
Status results_add_batch(Results *r, struct Lane *lane, IValue v, int64_t padded, bool rows_as_list);
// One call for row `row`; rows come in ascending order.
Status results_add_row(Results *r, struct Lane *lane, IValue v, int64_t row);
// Rows [row, row + count) have no result: the model raised.
Status results_add_error(Results *r, int64_t row, int64_t count, const char *message);
int64_t results_failed_rows(const Results *r);
// After the last row: every column has entries for all rows.
Status results_finish(Results *r);

// Bytes of a row. The rows that are present follow one another without gaps.
static inline const uint8_t *result_row(const ResultColumn *c, int64_t row)
{
    return (c->whole ? (const uint8_t *)c->whole->view.data : c->bytes) + c->offset[row];
}

// What the sink needs to know, from a batch that had results: fixed shape, ragged or text. Paths are borrowed.
// ST_BAD_MODEL when samples of the batch differ in structure.
Status results_plan(const Results *r, SinkColumn *columns, int *count);
// of_plan[k]: the column of `r` for planned column k, or -1. ST_UNSUPPORTED when a type, a number of dimensions or a name
// is not the planned one.
Status results_match(const Results *r, const SinkColumn *columns, int count, int *of_plan);
// The same, and nothing is missing that cannot be.
Status results_check(const Results *r, const SinkColumn *columns, int count);
// Can column `c` be written in place as `planned`: fixed shape, the planned one?
bool result_in_place(const ResultColumn *c, const SinkColumn *planned);

// Self-describing bytes for the coordinator: errors, and the columns with `send[i]`. They begin at a multiple of 16 in
// the message.
void results_pack(Buf *out, const Results *r, const bool *send);
// The reverse; column bytes are borrowed from the message, so results_drop_borrowed it before the message goes.
Status results_unpack(Wire *in, Results *out);
void results_drop_borrowed(Results *r);

#endif
