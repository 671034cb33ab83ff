// Rows of results written straight to their place in the output file by any process, without HDF5.
// The sink (io/h5_sink.h) laid the file out beforehand and says where each data set begins. An order holds it together:
// the rows of a batch first, then its byte in the completion map. A process killed in between leaves a batch "missing".
#ifndef TSB_IO_ROW_WRITER_H
#define TSB_IO_ROW_WRITER_H

#include "io/base/dtype.h"
#include "io/base/status.h"

// Where one data set lies in the file. Plain data: send it to other processes as bytes.
typedef struct RowExtent {
    uint64_t offset;    // of row 0 in the file
    uint64_t row_bytes; // in the file
    int64_t rows;
    int32_t dtype;    // DType of the results; bfloat16 is stored as float32, all else as it is in memory
    int32_t in_place; // 0 for ragged and text results: they have no extent, give them to the sink of the coordinator
} RowExtent;

typedef enum BatchState { BATCH_MISSING = 0, BATCH_DONE = 1, BATCH_FAILED = 2 } BatchState;

typedef struct RowWriter RowWriter;

// Opens the output for writing rows. `map` is the extent of the completion map (row_bytes 1, rows = batches).
Status row_writer_open(const char *path, const RowExtent *columns, int count, RowExtent map, RowWriter **out);
Status row_writer_close(RowWriter *w); // ST_IO when the file system reports a late write error; NULL is fine
// Writes `count` contiguous rows (in memory as the column's dtype) at row `first`. Returns when the bytes are in the
// file. Thread-safe: one pwrite per piece. Disk full and the like are ST_IO.
Status row_writer_write(RowWriter *w, int column, int64_t first, int64_t count, const void *rows);
// The rows of a batch that failed: NaN for floating and complex types, 0 for others.
Status row_writer_fill(RowWriter *w, int column, int64_t first, int64_t count);
// After all rows of the batch were written (and, for ragged results, h5_sink_put has returned).
Status row_writer_mark(RowWriter *w, int64_t batch, BatchState state);
uint64_t row_writer_bytes(const RowWriter *w);
uint64_t row_writer_ns(const RowWriter *w); // time spent in write and mark, summed over threads

#endif
