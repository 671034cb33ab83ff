// The central directory of a zip file held in memory: names, sizes and places of its entries, every field checked.
// It is read here rather than by libarchive because TorchScript gives meaning to what libarchive hides: the order of
// the directory (the first entry names the root folder), and the place of stored data (so that weights are mapped, not
// read).
#ifndef TSB_IO_ZIP_DIRECTORY_H
#define TSB_IO_ZIP_DIRECTORY_H

#include "io/base/status.h"
#include "io/base/str.h"

enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

typedef struct ZipEntry {
    Str name; // points into the bytes
    uint16_t flags, method;
    uint32_t crc;
    uint64_t stored_size, size; // in the file; after inflating
    uint64_t header;            // offset of the local header
} ZipEntry;

// Where the directory lies and how many entries it holds; count is bounded by the bytes there are.
typedef struct ZipDirectory {
    uint64_t offset, size, count;
} ZipDirectory;

// ST_BAD_MODEL when the bytes are not a (whole) zip file. `path` is for messages.
Status zip_find_directory(Str bytes, const char *path, ZipDirectory *out);
// Reads the entry at *at (start with 0), moves *at behind it.
Status zip_next_entry(Str bytes, const char *path, const ZipDirectory *d, uint64_t *at, ZipEntry *out);
// Offset of the entry's data: all of stored_size lies inside the bytes.
Status zip_entry_offset(Str bytes, const char *path, const ZipEntry *e, uint64_t *offset);

#endif
