// HDF5 input: an open file, its data sets, and columns (data sets bound to an argument of the model).
// All functions may be called from any thread; the HDF5 calls happen on the H5Thread.
#ifndef TSB_IO_H5_SOURCE_H
#define TSB_IO_H5_SOURCE_H

#include "io/base/arena.h"
#include "io/base/buf.h"
#include "io/h5_thread.h"
#include "io/transform.h"

enum { H5_MAX_DIMS = 16 };

typedef struct H5Source H5Source;

// One data set, or one ragged group (values + offsets [+ shapes]), which counts as one.
typedef struct H5Dataset {
    Str path;                   // "/images", "/group/x"
    DType dtype;                // of the elements (of `values`); DT_INVALID when unusable
    int ndim;                   // of the data set; ragged: of a row + 1
    int64_t shape[H5_MAX_DIMS]; // shape[0] = samples; ragged: -1 where it varies
    bool ragged;
    const char *unusable; // NULL, or why it cannot be bound: "strings are not numbers", "has no dimensions" …
} H5Dataset;

// Opens a file for reading: ST_IO when it is missing or unreadable, ST_BAD_DATA when it is no (or a damaged) HDF5 file.
Status h5_source_open(H5Thread *t, const char *path, H5Source **out);
void h5_source_close(H5Source *s); // columns first
const char *h5_source_path(const H5Source *s);

// The data sets of the file in order of their paths, members of ragged groups and names starting with "." left out,
// and only the first 10,000; h5_column_open finds the others too.
size_t h5_source_count(const H5Source *s);
const H5Dataset *h5_source_at(const H5Source *s, size_t i);
// By path, with or without the leading "/"; NULL when there is none.
const H5Dataset *h5_source_find(const H5Source *s, Str path);
// One line per data set for messages: "  /images  uint8 [1797, 8, 8]\n".
void h5_source_describe(const H5Source *s, Buf *out);
// The text of an attribute of the root or of an object ("/", "/output"): numbers and booleans are printed. ST_BAD_DATA
// when it is absent. Appended to `out`.
Status h5_source_attr(H5Source *s, const char *object, const char *name, Buf *out);
// Reads rows [first, first + count) of a data set of strings (fixed or variable length); the texts live in `arena`.
Status h5_source_read_text(H5Source *s, const char *path, int64_t first, int64_t count, Arena *arena, Str *out);

typedef struct H5Column H5Column;

// What a column gives: the data set after its transform.
typedef struct H5ColumnInfo {
    Str path;
    DType dtype;                // of the result
    int ndim;                   // of a batch, sample dimension included
    int64_t shape[H5_MAX_DIMS]; // of all samples: shape[0] = samples; ragged: -1 where it varies from row to row
    int64_t rows;               // = shape[0]
    bool ragged;
    int64_t row_bytes; // of the result; 0 when ragged
} H5ColumnInfo;

// Binds a data set. `transform` (NULL: none) is copied. A missing data set: ST_BAD_DATA that lists what exists;
// likewise strings, compounds, scalars, virtual and external storage, no samples. The source must outlive the column.
Status h5_column_open(H5Source *s, Str path, const Transform *transform, H5Column **out);
void h5_column_close(H5Column *c); // readers first
const H5ColumnInfo *h5_column_info(const H5Column *c);
// ST_BAD_DATA unless all columns have the same number of samples, which is given back.
Status h5_columns_rows(H5Column *const *columns, int count, int64_t *rows);

// Rows of one column in memory.
typedef struct H5Block {
    void *data;    // contiguous result rows, 64-byte aligned
    size_t size;   // bytes of data
    int64_t count; // rows
    // Ragged columns only: row i is data + row_offset[i] bytes, of shape row_shape[i * row_ndim ...].
    int row_ndim;
    int64_t *row_offset; // [count + 1]
    int64_t *row_shape;  // [count * row_ndim]
    // Owned memory behind the above, reused from batch to batch.
    struct {
        void *data, *raw;
        size_t data_capacity, raw_capacity, rows_capacity;
    } own;
} H5Block;

void h5_block_free(H5Block *b); // an all-zero block is empty
// Reads rows [first, first + count) now, in the calling thread's time: for the first batch, tests and `diff`.
Status h5_column_read(H5Column *c, int64_t first, int64_t count, H5Block *out);

#endif
