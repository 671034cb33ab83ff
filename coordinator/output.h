// Output: how the results of a batch get into the file. Rows of fixed shape go straight to their place, from any rank;
// the rest (ragged rows, texts, errors, and everything of ranks that cannot see the file) through the coordinator's sink.
#ifndef TSB_COORDINATOR_OUTPUT_H
#define TSB_COORDINATOR_OUTPUT_H

#include "coordinator/results.h"

// What all ranks know about the file.
typedef struct OutputPlan {
    char path[4096];
    uint64_t inode;       // to tell another file of that name from this one
    SinkColumn columns[H5_SINK_MAX_COLUMNS];
    RowExtent extents[H5_SINK_MAX_COLUMNS];
    int count;
    RowExtent map;
    Arena arena;          // paths of the columns
} OutputPlan;

// The plan of an open sink.
Status output_plan_of_sink(const H5Sink *sink, OutputPlan **out);
Status output_plan_pack(const OutputPlan *p, Buf *out);
Status output_plan_unpack(const uint8_t *data, size_t size, OutputPlan **out);
void output_plan_free(OutputPlan *p);
// Opens the rows for writing from this process. *out NULL without an error: this rank does not see that file.
Status output_open_rows(const OutputPlan *p, RowWriter **out);

// Marks the file as being written by this process, as long as *fd stays open (-1: the file system has no such locks); the
// mark does not keep others from reading.
void output_claim(const char *path, int *fd);
// Waits, at most `seconds`, until no process writes the file: ranks of a run whose mpirun was killed live a little longer.
// ST_IO when one still does.
Status output_wait_unclaimed(const char *path, double seconds);

// Writes every column that has its place; rows without a result are filled. send[i] tells which columns of `r` are left for
// the coordinator; *all tells that there are none.
Status output_write(const Results *r, const OutputPlan *p, RowWriter *w, bool *send, bool *all);
// On the coordinator: the columns that output_write leaves, for batches that came in a message or from its own lanes.
Status output_put(const Results *r, const OutputPlan *p, H5Sink *sink);

#endif
