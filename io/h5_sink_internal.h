// The sink's struct, shared by h5_sink.c (laying out, resuming, recording) and h5_finish.c (finishing).
#ifndef TSB_IO_H5_SINK_INTERNAL_H
#define TSB_IO_H5_SINK_INTERNAL_H

#include "io/h5_layout.h"
#include "io/journal.h"

enum { SINK_FORMAT = 1, SINK_ERROR_ROOM = 10000 };

#define SINK_MAP "/.tsbatch/done"
#define SINK_ERRORS_BATCH "/errors/batch"
#define SINK_ERRORS_ROW "/errors/first_row"
#define SINK_ERRORS_MESSAGE "/errors/message"

extern const char *const sink_kind_names[]; // by SinkKind

struct H5Sink {
    H5Thread *thread;
    char *path, *journal_path;
    bool complete;
    int64_t rows, batch_size, batches, max_errors;
    uint64_t run;
    SinkColumn *columns; // paths are owned
    RowExtent *extents;
    int column_count;
    RowExtent map_extent;
    uint8_t *map;
    Journal *journal; // made at the first record
    // /errors: where the three data sets are, which batch each entry is about (-1: unused), where to look for an unused
    // one
    RowExtent error_batch, error_row, error_message;
    int64_t *error_slots;
    int64_t error_count, error_next;
    RowWriter *error_writer; // made at the first error
};

static inline int64_t sink_batch_rows(const H5Sink *s, int64_t batch)
{
    int64_t first = batch * s->batch_size;
    return s->rows - first < s->batch_size ? s->rows - first : s->batch_size;
}

// An empty sink; then columns, then batches once rows, batch_size and max_errors are known. h5_sink_close frees.
Status sink_new(H5Thread *t, const char *path, H5Sink **out);
Status sink_alloc_columns(H5Sink *s, int count);
Status sink_add_column(H5Sink *s, const SinkColumn *c); // copies
Status sink_alloc_batches(H5Sink *s);
// Attributes of /.tsbatch; `f` is open.
Status sink_write_description(const H5Sink *s, LayoutFile *f);
// Bytes of the output file.
Status sink_read_at(const H5Sink *s, void *out, uint64_t size, uint64_t offset);

// One entry of /errors.
typedef struct ErrorEntry {
    int64_t batch, first_row;
    char message[ERROR_TEXT];
} ErrorEntry;

Status sink_write_errors(const char *path, const ErrorEntry *errors, int64_t count, const RowExtent extents[3]);
// Replaces the file by one that holds everything, complete.
Status sink_rebuild(H5Sink *s, ErrorEntry *errors, int64_t error_count);

#endif
