// HDF5 output: one file, laid out before the first row is written, valid at every instant, and resumable.
//
//   OUT.h5        created under another name and renamed, so it appears complete in structure:
//     /output …           one data set per result of fixed shape: contiguous, space reserved; rows land by RowWriter
//     /errors/batch, first_row, message   when errors are skipped: room for max_errors (at most 10,000), unused
//     entries: -1
//     /.tsbatch/done      completion map, one byte per batch: 0 missing, 1 done, 2 failed (rows filled, see /errors)
//       attributes: format, batch_size, rows, max_errors, columns (one line per result), run (ties the journal to this
//       file)
//     attributes of the root: the caller's, and `complete` (bool): false until h5_sink_finish
//   OUT.h5.part   journal of results that have no place reserved (ragged rows, texts): checksummed records appended by
//   the
//                 coordinator. h5_sink_finish writes a new file with everything in order and renames it over OUT.h5.
//
// Ragged result: a group with `values` (rows concatenated along dimension 0) and `offsets` (int64, N + 1, in rows of
// `values`); where more than the first dimension of a row varies, `values` is flat, `offsets` counts elements and
// `shapes` (int64 [N, dims]) has each row's shape. A result of fixed shape that meets a batch of other shapes becomes
// ragged as a whole when the file is finished. bool is h5py's enum, complex h5py's compound {r, i}; bfloat16 is float32
// with an attribute dtype = "bfloat16". Only the coordinator has a sink; functions are called from one thread at a
// time.
#ifndef TSB_IO_H5_SINK_H
#define TSB_IO_H5_SINK_H

#include "io/h5_source.h"
#include "io/row_writer.h"

enum { H5_SINK_MAX_COLUMNS = 1024 };

typedef enum SinkKind { SINK_ROWS, SINK_RAGGED, SINK_TEXT } SinkKind;

typedef struct SinkColumn {
    const char *path; // absolute: "/output", "/output/0", "/output/boxes/x"
    SinkKind kind;
    DType dtype;                // not used for SINK_TEXT
    int ndim;                   // dimensions of ONE row: 0 for a number per sample; not used for SINK_TEXT
    int64_t shape[H5_MAX_DIMS]; // of one row; not used for SINK_RAGGED and SINK_TEXT
} SinkColumn;

typedef enum SinkAttrKind { ATTR_TEXT, ATTR_INT, ATTR_FLOAT, ATTR_BOOL } SinkAttrKind;

typedef struct SinkAttr {
    const char *name;
    SinkAttrKind kind;
    const char *text;
    int64_t integer; // ATTR_INT, ATTR_BOOL
    double number;
    bool must_match; // on resume: a different value in the file is an error that names the attribute and both values
} SinkAttr;

typedef struct SinkPlan {
    const char *path;
    bool overwrite;     // replace an existing file; else one that exists is ST_IO
    int64_t rows;       // samples in the output
    int64_t batch_size; // rows per batch; the last batch may be shorter
    const SinkColumn *columns;
    int column_count;
    const SinkAttr *attrs; // on the root
    int attr_count;
    int64_t max_errors; // 0: no /errors group
} SinkPlan;

typedef struct H5Sink H5Sink;

// Checks early, before any compute, that `path` can be written: directory exists and is writable, the file does not
// exist (unless `overwrite` or `resume`), with `resume` that it exists. ST_IO with advice.
Status h5_sink_check(const char *path, bool overwrite, bool resume);

// Creates the file; its space is reserved, so a full disk is reported here.
Status h5_sink_create(H5Thread *t, const SinkPlan *plan, H5Sink **out);
// Opens the unfinished output of an interrupted run. Columns, rows and batch size come from the file (accessors below);
// `attrs` with must_match are compared: ST_USAGE names the first that differs. ST_BAD_DATA when it is not an output of
// tsbatch or is damaged. Replays the journal: a batch whose record is torn counts as missing again.
Status h5_sink_resume(H5Thread *t, const char *path, const SinkAttr *attrs, int attr_count, H5Sink **out);
// Closes without finishing; what is done stays done.
void h5_sink_close(H5Sink *s);

const char *h5_sink_path(const H5Sink *s);
bool h5_sink_complete(const H5Sink *s); // a resumed file had already been finished
int64_t h5_sink_rows(const H5Sink *s);
int64_t h5_sink_batch_size(const H5Sink *s);
int64_t h5_sink_batches(const H5Sink *s);
int h5_sink_column_count(const H5Sink *s);
const SinkColumn *h5_sink_column(const H5Sink *s, int i);
// Completion map as found on resume (all missing after create): [batches] of BatchState. Not updated afterwards.
const uint8_t *h5_sink_map(const H5Sink *s);
// What row_writer_open needs, here and in other processes: one extent per column (in_place 0 for ragged and text ones).
const RowExtent *h5_sink_extents(const H5Sink *s);
RowExtent h5_sink_map_extent(const H5Sink *s);

// Rows of one batch for a column without reserved place (or for a SINK_ROWS column whose rows turn out to differ in
// shape). Records of a batch may come in any order of batches; a repeated one replaces the earlier. `rows` is the
// number of rows of the batch. Write all columns of a batch, then mark it done.
typedef struct SinkRow {
    const void *data;     // contiguous, in the column's dtype; SINK_TEXT: bytes
    int ndim;             // 1 for SINK_TEXT
    const int64_t *shape; // SINK_TEXT: {length in bytes}
} SinkRow;
Status h5_sink_put(H5Sink *s, int column, int64_t batch, const SinkRow *rows, int64_t count);
// Records an error under /errors: of a batch, or of one sample of it (first_row). At most max_errors, and not more than
// 10,000; further ones are counted only. Mark the batch BATCH_FAILED afterwards. Its rows in data sets are what was
// written or filled, its ragged rows and texts what was put, or empty.
Status h5_sink_error(H5Sink *s, int64_t batch, int64_t first_row, const char *message);
int64_t h5_sink_error_count(const H5Sink *s); // those found on resume included

// All batches are marked and every other process has closed its RowWriter: builds ragged and text results, trims
// /errors, sets `complete`, removes the journal. ST_INTERNAL when a batch is missing.
Status h5_sink_finish(H5Sink *s);

#endif
