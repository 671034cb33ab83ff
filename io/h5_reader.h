// Read-ahead: batches of rows of one or more columns, fetched by the I/O thread before lanes ask for them.
//
//   push(first, count) -> queue -> [I/O thread: raw bytes, at most `ahead` batches] -> next(): decompress, cast -> lane
//
// Compressed chunks are inflated by the lane that needs them, outside HDF5, once: a chunk that spans two batches is
// kept. Batches come out in the order they were pushed. Every function may be called from any thread.
#ifndef TSB_IO_H5_READER_H
#define TSB_IO_H5_READER_H

#include "io/h5_source.h"

typedef struct H5Reader H5Reader;

typedef struct H5Batch {
    int64_t tag;          // as pushed
    int64_t first, count; // rows
    H5Block *columns;     // one per column
} H5Batch;

typedef struct H5ReaderStats {
    uint64_t wait_ns;                   // lanes spent in next() waiting for bytes to arrive (summed over lanes)
    uint64_t decode_ns;                 // lanes spent inflating, converting and transforming (summed over lanes)
    uint64_t read_ns;                   // the I/O thread spent reading
    uint64_t stored_bytes, batch_bytes; // read from the file; given to lanes
} H5ReaderStats;

// `ahead` ≥ 1 batches are fetched beyond those that lanes hold; `ahead` + lanes batches are in memory at most.
Status h5_reader_open(H5Thread *t, H5Column *const *columns, int count, int ahead, H5Reader **out);
// Stops fetching, waits for the read in progress, frees all; batches still held by lanes must be released before.
void h5_reader_close(H5Reader *r);

// Appends rows [first, first + count) to the sequence; does not wait.
Status h5_reader_push(H5Reader *r, int64_t first, int64_t count, int64_t tag);
// Says that nothing more will be pushed: next() gives NULL after the last batch.
void h5_reader_finish(H5Reader *r);
// Drops what was pushed and not yet taken and makes next() give NULL: used to stop on an error or a signal.
void h5_reader_cancel(H5Reader *r);
// Waits for the next batch; *out is NULL after the last one. A failed read is returned here, naming the rows.
Status h5_reader_next(H5Reader *r, H5Batch **out);
// The same, but gives up at once when no batch is ready: *out NULL and *would_wait true.
Status h5_reader_try_next(H5Reader *r, H5Batch **out, bool *would_wait);
void h5_reader_release(H5Reader *r, H5Batch *b);
H5ReaderStats h5_reader_stats(H5Reader *r);

#endif
