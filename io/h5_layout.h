// Laying out an output file: data sets with their space reserved, and attributes, in one go under a temporary name.
// Private to the sink. Everything here runs on the H5Thread.
#ifndef TSB_IO_H5_LAYOUT_H
#define TSB_IO_H5_LAYOUT_H

#include "io/h5_sink.h"
#include "io/h5_util.h"

enum { ERROR_TEXT = 512 };

// One data set.
typedef struct LayoutItem {
    char path[1024];
    DType dtype;    // not used when `text` or `text_size`
    bool text;      // variable-length UTF-8
    int text_size;  // > 0: fixed-length UTF-8 of so many bytes
    bool trimmable; // one chunk, so that its first dimension can be cut when the file is finished
    int64_t fill;   // what trimmable items hold before they are written
    int ndim;
    int64_t shape[H5_MAX_DIMS + 1];
    RowExtent extent; // out, except for `text`
} LayoutItem;

typedef struct LayoutFile {
    hid_t file;
    char *path;        // the final one
    char *temporary;   // what it is called until layout_publish
    int fd;            // of the temporary file
    uint64_t reserved; // bytes of data sets
} LayoutFile;

// Creates the temporary file: ST_IO with the reason of the operating system.
Status layout_begin(const char *path, LayoutFile *out);
Status layout_add(LayoutFile *f, LayoutItem *item);
Status layout_attr(hid_t object, const SinkAttr *attr, const char *path);
// Replaces the value of `complete` of an open file.
Status layout_set_complete(hid_t file, bool complete, const char *path);
// Closes the file and reserves its space on disk: ST_IO now rather than when the disk is full.
Status layout_close(LayoutFile *f);
// Gives the closed file its name. Without `replace` an existing file is ST_IO.
Status layout_publish(LayoutFile *f, bool replace);
// Frees; removes the temporary file if it was not published.
void layout_end(LayoutFile *f);

// Where the bytes of a contiguous, or one-chunk, data set are.
Status layout_place(hid_t dataset, const char *path, uint64_t *offset);

#endif
