// The `.pt` archive: directory, recognition of what is and is not TorchScript, records by name.
// Stored records are pointers into the mapping of the file; deflated ones go through libarchive, one record at a time.
#include "io/archive.h"

#include "io/zip_directory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION_MIN = 1,
    VERSION_MAX = 10,
    // DEFLATE spends at least one bit per 258 bytes: a directory that promises more lies.
    INFLATE_RATIO_MAX = 1032,
};

typedef struct Record {
    ArchiveRecord public; // first, so that archive_at and archive_read hand out its address
    ZipEntry entry;
    void *owned; // inflated bytes
} Record;

struct Archive {
    Str bytes;
    void *mapping; // NULL when the bytes are the caller's
    char *path;
    Record *records;
    size_t count;
    StrMap by_name; // name without root -> Record
    Arena arena;
    int version;
};

void archive_close(Archive *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free(a->records[i].owned);
    free(a->records);
    arena_free(&a->arena);
    if (a->mapping)
        munmap(a->mapping, a->bytes.len);
    free(a->path);
    free(a);
}

const char *archive_path(const Archive *a)
{
    return a->path;
}
int archive_version(const Archive *a)
{
    return a->version;
}
size_t archive_count(const Archive *a)
{
    return a->count;
}
const ArchiveRecord *archive_at(const Archive *a, size_t i)
{
    return &a->records[i].public;
}
bool archive_has(const Archive *a, Str name)
{
    return strmap_get(&a->by_name, name) != NULL;
}
Str archive_bytes(const Archive *a)
{
    return a->bytes;
}

// ---- inflating ----

// What libarchive reads: a zip of one entry, made of a fresh local header and the deflated bytes where they lie.
typedef struct Slice {
    char header[64];
    size_t header_size;
    Str data;
    int state; // blocks handed out
} Slice;

static void put_le(char **p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*p)++ = (char)(v >> 8 * i);
}

static void slice_header(Slice *s, const ZipEntry *e)
{
    char *p = s->header;
    bool wide = e->size >= 0xffffffff || e->stored_size >= 0xffffffff;
    put_le(&p, 0x04034b50, 4);
    put_le(&p, wide ? 45 : 20, 2);
    put_le(&p, 0, 2); // flags: sizes are here, nothing follows the data
    put_le(&p, ZIP_DEFLATED, 2);
    put_le(&p, 0, 4);
    put_le(&p, e->crc, 4);
    put_le(&p, wide ? 0xffffffff : e->stored_size, 4);
    put_le(&p, wide ? 0xffffffff : e->size, 4);
    put_le(&p, 1, 2);
    put_le(&p, wide ? 20 : 0, 2);
    *p++ = 'r';
    if (wide) {
        put_le(&p, 1, 2);
        put_le(&p, 16, 2);
        put_le(&p, e->size, 8);
        put_le(&p, e->stored_size, 8);
    }
    s->header_size = (size_t)(p - s->header);
}

static la_ssize_t slice_read(struct archive *z, void *ctx, const void **block)
{
    (void)z;
    Slice *s = ctx;
    switch (s->state++) {
    case 0:
        *block = s->header;
        return (la_ssize_t)s->header_size;
    case 1:
        *block = s->data.ptr;
        return (la_ssize_t)s->data.len;
    }
    return 0;
}

// Fills out[size] from the stream, which must end there.
static bool read_all(struct archive *z, char *out, uint64_t size)
{
    uint64_t have = 0;
    while (have < size) {
        la_ssize_t n = archive_read_data(z, out + have, size - have);
        if (n <= 0)
            return false;
        have += (uint64_t)n;
    }
    // One byte more would be more than the directory promised. An error here is only about what follows the data.
    char extra;
    return archive_read_data(z, &extra, 1) <= 0;
}

static Status inflate_record(const Archive *a, Record *r, uint64_t offset)
{
    const ZipEntry *e = &r->entry;
    if (e->size / INFLATE_RATIO_MAX > e->stored_size)
        return status_fail(
            ST_BAD_MODEL, "%s: " STR_FMT ": %llu bytes cannot come out of %llu deflated ones: damaged archive", a->path,
            STR_ARG(r->public.name), (unsigned long long)e->size, (unsigned long long)e->stored_size);
    char *out = malloc(e->size ? e->size : 1);
    struct archive *z = archive_read_new();
    Slice slice = {.data = {a->bytes.ptr + offset, e->stored_size}};
    slice_header(&slice, e);
    struct archive_entry *entry;
    bool ok = out && z && archive_read_support_format_zip_streamable(z) == ARCHIVE_OK &&
              archive_read_set_format_option(z, "zip", "ignorecrc32", "1") == ARCHIVE_OK &&
              archive_read_open(z, &slice, NULL, slice_read, NULL) == ARCHIVE_OK &&
              archive_read_next_header(z, &entry) == ARCHIVE_OK && read_all(z, out, e->size);
    Status st = ST_OK;
    if (!out || !z)
        st = status_no_memory(e->size);
    else if (!ok)
        st = status_fail(ST_BAD_MODEL, "%s: " STR_FMT " at byte %llu does not inflate to the %llu bytes promised: %s",
                         a->path, STR_ARG(r->public.name), (unsigned long long)offset, (unsigned long long)e->size,
                         archive_error_string(z) ? archive_error_string(z) : "damaged archive");
    archive_read_free(z);
    if (st != ST_OK) {
        free(out);
        return st;
    }
    r->owned = out;
    r->public.data = (const uint8_t *)out;
    return ST_OK;
}

Status archive_read(Archive *a, Str name, const ArchiveRecord **out)
{
    Record *r = strmap_get(&a->by_name, name);
    if (!r)
        return status_fail(ST_BAD_MODEL, "%s: the archive has no record " STR_FMT, a->path, STR_ARG(name));
    *out = &r->public;
    if (r->public.data)
        return ST_OK;
    const ZipEntry *e = &r->entry;
    uint64_t offset;
    TRY(zip_entry_offset(a->bytes, a->path, e, &offset));
    if (e->flags & 1)
        return status_fail(ST_BAD_MODEL, "%s: " STR_FMT " is encrypted", a->path, STR_ARG(name));
    if (e->method == ZIP_DEFLATED)
        return inflate_record(a, r, offset);
    if (e->method != ZIP_STORED)
        return status_fail(ST_BAD_MODEL,
                           "%s: " STR_FMT " is compressed by method %d; PyTorch reads only stored and deflated "
                           "entries: zip the archive again without compression",
                           a->path, STR_ARG(name), e->method);
    if (e->size != e->stored_size)
        return status_fail(ST_BAD_MODEL, "%s: " STR_FMT ": a stored entry of %llu bytes claims %llu: damaged archive",
                           a->path, STR_ARG(name), (unsigned long long)e->stored_size, (unsigned long long)e->size);
    r->public.data = (const uint8_t *)a->bytes.ptr + offset;
    r->public.offset = offset;
    r->public.mapped = true;
    return ST_OK;
}

// ---- recognition ----

static const char save_advice[] =
    "save the model with torch.jit.script(model).save(path) or torch.jit.trace(model, inputs).save(path)";

// What is no zip file at all, by its first bytes.
static Status reject_by_magic(Str b, const char *path)
{
    if (b.len == 0)
        return status_fail(ST_BAD_MODEL, "%s: the file is empty: not a ZIP archive; copy or save it again", path);
    if (str_starts(b, STR("PYTORCH1")))
        return status_fail(ST_BAD_MODEL, "%s: an archive of a PyTorch 1.0 preview, which no release reads; %s", path,
                           save_advice);
    if (b.len >= 8 && memcmp(b.ptr + 4, "PTMF", 4) == 0)
        return status_fail(ST_BAD_MODEL, "%s: a FlatBuffer module for the mobile runtime, without TorchScript code; %s",
                           path, save_advice);
    if (b.len >= 2 && (uint8_t)b.ptr[0] == 0x80 && (uint8_t)b.ptr[1] <= 5)
        return status_fail(ST_BAD_MODEL,
                           "%s: a Python pickle (legacy torch.save), not a TorchScript model: it may hold weights "
                           "but no program; load it in Python, then %s",
                           path, save_advice);
    if (str_starts(b, STR("\x89HDF\r\n\x1a\n")))
        return status_fail(ST_BAD_MODEL, "%s: an HDF5 file where a model is expected: tsbatch MODEL.pt DATA.h5", path);
    if (b.len > 262 && memcmp(b.ptr + 257, "ustar", 5) == 0)
        return status_fail(ST_BAD_MODEL, "%s: a tar file (torch.save before 0.4?), not a TorchScript model; %s", path,
                           save_advice);
    if (str_starts(b, STR("\x1f\x8b")))
        return status_fail(ST_BAD_MODEL, "%s: gzip-compressed: gunzip it first", path);
    if (b.len > 9 && b.ptr[8] == '{' && (b.ptr[9] == '"' || b.ptr[9] == '}'))
        return status_fail(ST_BAD_MODEL,
                           "%s: a safetensors file: weights without a program; load them in Python, then %s", path,
                           save_advice);
    return ST_OK;
}

// What is a zip file of something else, by its records. `first` is the first name of the directory.
static Status reject_by_records(const Archive *a, Str first)
{
    if (str_starts(first, STR("serialized_")) || archive_has(a, STR("serialized_exported_program.json")) ||
        archive_has(a, STR("archive_format")) || archive_has(a, STR("archive_version")))
        return status_fail(ST_BAD_MODEL, "%s: a torch.export program (.pt2), not TorchScript; %s", a->path,
                           save_advice);
    if (archive_has(a, STR("model.json")))
        return status_fail(ST_BAD_MODEL,
                           "%s: Legacy model format (PyTorch 1.0 to 1.3): load it with PyTorch 1.4 or newer and "
                           "save it again",
                           a->path);
    for (size_t i = 0; i < a->count; i++)
        if (str_starts(a->records[i].public.name, STR(".data/ts_code/")))
            return status_fail(ST_BAD_MODEL, "%s: a torch.package archive; load the model in Python, then %s", a->path,
                               save_advice);
    bool data = archive_has(a, STR("data.pkl"));
    if (data && !archive_has(a, STR("constants.pkl")))
        return status_fail(ST_BAD_MODEL,
                           "%s: a torch.save checkpoint (state-dict or pickled module: no constants.pkl), weights "
                           "without a program; build the model in Python, load_state_dict, then %s",
                           a->path, save_advice);
    if (!data)
        return status_fail(ST_BAD_MODEL, "%s: a zip file without the record data.pkl: not a TorchScript model; %s",
                           a->path, save_advice);
    return ST_OK;
}

static Status read_version(Archive *a)
{
    Str name = archive_has(a, STR(".data/version")) ? STR(".data/version") : STR("version");
    const ArchiveRecord *r;
    TRY(archive_read(a, name, &r));
    int64_t v = 0;
    uint64_t i = 0;
    for (; i < r->size && r->data[i] >= '0' && r->data[i] <= '9'; i++)
        v = v < 1000000 ? v * 10 + (r->data[i] - '0') : v;
    if (i == 0)
        return status_fail(ST_BAD_MODEL, "%s: record " STR_FMT ": Couldn't parse the version " STR_FMT " as Long Long.",
                           a->path, STR_ARG(name), (int)(r->size < 40 ? r->size : 40), (const char *)r->data);
    if (v < VERSION_MIN)
        return status_fail(ST_BAD_MODEL,
                           "%s: archive version %lld, but the minimum supported version for reading is %d. Your "
                           "PyTorch script module file is too old. Please regenerate it",
                           a->path, (long long)v, VERSION_MIN);
    if (v > VERSION_MAX)
        return status_fail(ST_BAD_MODEL,
                           "%s: archive version %lld, but the maximum supported version for reading is %d: the file "
                           "was made by a newer PyTorch than this program knows",
                           a->path, (long long)v, VERSION_MAX);
    a->version = (int)v;
    return ST_OK;
}

// ---- opening ----

// Lists the records below the root folder, which the first entry names. Entries elsewhere cannot be asked for.
static Status read_directory(Archive *a, Str *first)
{
    ZipDirectory d;
    TRY(zip_find_directory(a->bytes, a->path, &d));
    if (d.count == 0)
        return status_fail(ST_BAD_MODEL, "%s: a zip file without entries", a->path);
    a->records = calloc(d.count, sizeof *a->records);
    if (!a->records)
        return status_no_memory(d.count * sizeof *a->records);
    Str root = {0};
    uint64_t at = 0;
    for (uint64_t i = 0; i < d.count; i++) {
        ZipEntry e;
        TRY(zip_next_entry(a->bytes, a->path, &d, &at, &e));
        if (i == 0) {
            *first = e.name;
            ptrdiff_t slash = str_find(e.name, '/');
            root = str_first(e.name, slash < 0 ? 0 : (size_t)slash + 1);
        }
        if (!str_starts(e.name, root) || e.name.len == root.len || str_ends(e.name, STR("/")))
            continue;
        Record *r = &a->records[a->count];
        Str name = str_from(e.name, root.len);
        if (archive_has(a, name))
            continue; // the first of two wins
        *r = (Record){.public = {.name = name, .size = e.size}, .entry = e};
        strmap_put(&a->by_name, &a->arena, name, r);
        a->count++;
    }
    return ST_OK;
}

static Status open_bytes(Archive *a)
{
    TRY(reject_by_magic(a->bytes, a->path));
    Str first = {0};
    jmp_buf guard;
    a->arena.guard = &guard;
    if (setjmp(guard)) {
        a->arena.guard = NULL;
        return ST_MEMORY;
    }
    Status st = read_directory(a, &first);
    a->arena.guard = NULL;
    TRY(st);
    TRY(reject_by_records(a, first));
    if (str_find(first, '/') < 0)
        return status_fail(ST_BAD_MODEL, "%s: file in archive is not in a subdirectory: " STR_FMT, a->path,
                           STR_ARG(first));
    return read_version(a);
}

Status archive_open_memory(const void *data, size_t size, const char *path, Archive **out)
{
    *out = NULL;
    Archive *a = calloc(1, sizeof *a);
    if (!a || !(a->path = strdup(path))) {
        free(a);
        return status_no_memory(sizeof *a);
    }
    a->bytes = (Str){data, size};
    Status st = open_bytes(a);
    if (st != ST_OK) {
        archive_close(a);
        return st;
    }
    *out = a;
    return ST_OK;
}

// Maps a regular file; an empty one has no mapping.
static Status map_file(const char *path, void **mapping, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_fail(ST_IO, "%s: %s", path, strerror(errno));
    struct stat info;
    Status st = ST_OK;
    *mapping = NULL;
    if (fstat(fd, &info) != 0)
        st = status_fail(ST_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        st = status_fail(ST_IO, "%s: not a regular file, which a model archive must be", path);
    else if ((*size = (size_t)info.st_size) > 0) {
        void *p = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            st = status_fail(ST_IO, "%s: cannot map %zu bytes: %s", path, *size, strerror(errno));
        else
            *mapping = p;
    }
    close(fd);
    return st;
}

Status archive_open(const char *path, Archive **out)
{
    *out = NULL;
    void *mapping;
    size_t size = 0;
    TRY(map_file(path, &mapping, &size));
    Status st = archive_open_memory(mapping, size, path, out);
    if (st == ST_OK)
        (*out)->mapping = mapping;
    else if (mapping)
        munmap(mapping, size);
    return st;
}

void archive_forget_pages(const Archive *a, const void *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t mapping = (uintptr_t)a->mapping, begin = (uintptr_t)data;
    if (!mapping || begin < mapping || begin - mapping > a->bytes.len || size > a->bytes.len - (begin - mapping))
        return;
    uintptr_t first = (begin + page - 1) & ~(page - 1), end = (begin + size) & ~(page - 1);
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_DONTNEED); // a hint
}
