// Journal: results without a reserved place in the output, appended as checksummed records to a file beside it.
//
//   file:   "TSBJRNL1" | run (8 bytes, the same as in the .h5) | record | record | …
//   record: magic 4 | column 4 | batch 8 | rows 8 | bytes of the body 8 | digest of the body 8 | digest of these fields
//   8 | body body:   per row: dims 8 | sizes 8 × dims; then the rows' bytes one behind the other
//
// A record counts when it is whole. What follows the last whole one (a kill in the middle of a write) is cut off on
// resume. Numbers are in the byte order of the machine, which is the one that resumes.
#ifndef TSB_IO_JOURNAL_H
#define TSB_IO_JOURNAL_H

#include "io/base/status.h"
#include "io/base/str.h"

typedef struct Journal Journal;

typedef struct JournalEntry {
    int64_t batch;
    int32_t column;
    int64_t rows;
    uint64_t body;  // offset of the body in the file
    uint64_t bytes; // of the body
} JournalEntry;

// A new, empty journal (replaces a file of that name), and an existing one: ST_BAD_DATA when it belongs to another run.
Status journal_create(const char *path, uint64_t run, Journal **out);
// Reads all records, cuts off a torn end.
Status journal_open(const char *path, uint64_t run, Journal **out);
void journal_close(Journal *j);
void journal_remove(const char *path);

// Appends a record in one go.
typedef struct JournalRow {
    const void *data;
    uint64_t bytes;
    int ndim;
    const int64_t *shape;
} JournalRow;
Status journal_append(Journal *j, int32_t column, int64_t batch, const JournalRow *rows, int64_t count);

// The newest record of each (column, batch), ordered by column, then batch. Borrowed until the next append.
Status journal_index(Journal *j, const JournalEntry **entries, size_t *count);
const JournalEntry *journal_find(const JournalEntry *entries, size_t count, int32_t column,
                                 int64_t batch); // NULL when absent
// Reads the whole body of an entry into *body (malloc, caller frees) ; its digest was checked when the journal was
// opened, or is of this process.
Status journal_read(Journal *j, const JournalEntry *e, uint8_t **body);
// Walks the rows of a body: *at starts at 0. False at the end or when the body is malformed.
typedef struct JournalCursor {
    const uint8_t *body;
    uint64_t bytes, at, data; // at: of the next shape; data: of the next row's bytes
    int64_t rows, row;
    uint64_t element; // bytes of one element
} JournalCursor;
JournalCursor journal_rows(const JournalEntry *e, const uint8_t *body, uint64_t element_size);
bool journal_next_row(JournalCursor *c, int *ndim, const uint8_t **shape_bytes, const uint8_t **data, uint64_t *bytes);

#endif
