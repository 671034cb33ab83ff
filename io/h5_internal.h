// What the files of the HDF5 source share: its structs, and the two halves of reading a batch.
// A batch is fetched on the H5Thread (bytes as they are stored) and finished by the lane that wants it (inflate, swap,
// cast).
#ifndef TSB_IO_H5_INTERNAL_H
#define TSB_IO_H5_INTERNAL_H

#include "io/h5_source.h"
#include "io/h5_util.h"

struct H5Source {
    H5Thread *thread;
    char *path;
    hid_t file;
    Arena arena;
    H5Dataset *datasets;
    size_t count;
};

// Describes what is at `path` of the open file; `unusable` says why it cannot be bound. False when nothing is there.
bool h5_probe(H5Source *s, const char *path, H5Dataset *out);
// Opens a data set without following links into other files.
hid_t h5_open_dataset(H5Source *s, const char *path);

// ---- chunks of one data set ----

typedef struct ChunkCache ChunkCache;
typedef struct Chunk Chunk;

// NULL in *out when the data set is not chunked or has filters other than shuffle and deflate: H5Dread then does it
// all.
Status chunks_open(hid_t dataset, const char *what, size_t element_size, int ndim, const int64_t *shape,
                   ChunkCache **out);
void chunks_close(ChunkCache *c);
// Number of chunks that rows [first, first + count) touch.
int64_t chunks_needed(const ChunkCache *c, int64_t first, int64_t count);
// On the H5Thread: pins the chunks of the rows in chunks[0 … needed), reading those that are not here yet. After a
// failure the pinned ones are released. Adds what was read to *stored_bytes.
Status chunks_fetch(ChunkCache *c, hid_t dataset, int64_t first, int64_t count, Chunk **chunks, uint64_t *stored_bytes);
// On any thread: inflates what is not yet and copies the rows, as stored, to out.
Status chunks_copy(ChunkCache *c, Chunk *const *chunks, int64_t first, int64_t count, void *out);
void chunks_release(ChunkCache *c, Chunk *const *chunks, int64_t needed);

// ---- columns ----

struct H5Column {
    H5Source *source;
    H5ColumnInfo info;
    Transform transform;
    hid_t dataset, type; // of the elements, or of `values`
    H5Element element;
    int ndim; // of the data set (of `values`)
    int64_t shape[H5_MAX_DIMS];
    int64_t row_elements; // of one index of its first dimension
    size_t element_size;
    ChunkCache *chunks; // NULL: H5Dread
    // ragged:
    hid_t offsets, shapes; // shapes: negative when absent
    int row_ndim;
};

// Rows on their way: fetched, not yet finished.
typedef struct Fetch {
    int64_t first, count; // rows of the column
    int64_t from, length; // rows of the data set that hold them (ragged: of `values`)
    Chunk **chunks;
    int64_t chunk_count, chunk_capacity;
    bool direct; // the bytes are already where the result wants them
} Fetch;

// On the H5Thread. Fills what it can of `b`, whose memory is reused.
Status column_fetch(H5Column *c, int64_t first, int64_t count, Fetch *f, H5Block *b, uint64_t *stored_bytes);
// On any thread; afterwards `b` holds the result. Drops what the fetch pinned, also after a failure.
Status column_finish(H5Column *c, Fetch *f, H5Block *b);
void column_drop(H5Column *c, Fetch *f); // without finishing
void fetch_free(Fetch *f);

#endif
