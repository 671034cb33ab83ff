// The `.pt` archive: a zip file read through libarchive, as torchscript.md §1 describes it.
// Stored records are mapped, deflated ones are inflated when first asked for, capped by the size in the directory.
#ifndef TSB_IO_ARCHIVE_H
#define TSB_IO_ARCHIVE_H

#include "io/base/arena.h"

typedef struct Archive Archive;

typedef struct ArchiveRecord {
    Str name;            // without the root folder: "code/__torch__.py"
    const uint8_t *data; // NULL until read, then valid until archive_close
    uint64_t size;
    uint64_t offset; // of `data` in the file, when mapped
    bool mapped;     // data points into the file mapping
} ArchiveRecord;

// Opens a TorchScript archive. Anything else is refused by name (state-dict, pt2, flatbuffer, legacy pickle,
// model.json, plain file …) with what to do about it: ST_BAD_MODEL; ST_IO when the file cannot be read.
Status archive_open(const char *path, Archive **out);
// The same over bytes that stay valid until archive_close; `path` is used in messages only.
Status archive_open_memory(const void *data, size_t size, const char *path, Archive **out);
void archive_close(Archive *a);

const char *archive_path(const Archive *a);
int archive_version(const Archive *a); // 1 … 10
size_t archive_count(const Archive *a);
const ArchiveRecord *archive_at(const Archive *a, size_t i); // in directory order; data may still be NULL
bool archive_has(const Archive *a, Str name);
// Thread-compatible, not thread-safe. A missing record is ST_BAD_MODEL.
Status archive_read(Archive *a, Str name, const ArchiveRecord **out);
// These bytes will not be needed for a while: whole pages of them that lie in a mapping of the file are given back, and come
// again from the file when they are read. Any other memory is left alone. Safe from several threads.
void archive_forget_pages(const Archive *a, const void *data, size_t size);
// The whole file, for broadcasting to other nodes and for digests.
Str archive_bytes(const Archive *a);

#endif
