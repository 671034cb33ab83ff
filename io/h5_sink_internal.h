// The sink's struct, shared by h5_sink.c (laying out, resuming, recording) and h5_finish.c (finishing).
#ifndef TSB_IO_H5_SINK_INTERNAL_H
#define TSB_IO_H5_SINK_INTERNAL_H

#include "io/h5_layout.h"
#include "io/journal.h"

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

// Attributes of /.tsbatch; `f` is open.
Status sink_write_description(const H5Sink *s, LayoutFile *f);
// Bytes of the output file.
Status sink_read_at(const H5Sink *s, void *out, uint64_t size, uint64_t offset);

#endif
