// The central directory of a zip file: end record, zip64 records, entries.
// Field layouts are those of the ZIP application note (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3).
#include "io/zip_directory.h"

enum {
    END_SIG = 0x06054b50,
    END_SIZE = 22,
    LOCATOR_SIG = 0x07064b50,
    LOCATOR_SIZE = 20,
    END64_SIG = 0x06064b50,
    END64_SIZE = 56,
    ENTRY_SIG = 0x02014b50,
    ENTRY_SIZE = 46,
    LOCAL_SIG = 0x04034b50,
    LOCAL_SIZE = 30,
    COMMENT_MAX = 65535,
    EXTRA_ZIP64 = 0x0001,
};

static uint64_t le(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

static uint16_t le16(const char *p)
{
    return (uint16_t)le(p, 2);
}
static uint32_t le32(const char *p)
{
    return (uint32_t)le(p, 4);
}
static uint64_t le64(const char *p)
{
    return le(p, 8);
}

// [offset, offset + size) lies inside `total` bytes.
static bool inside(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

// The newest end record that leaves room for itself; bytes after its comment are tolerated, as PyTorch does.
static ptrdiff_t find_end(Str bytes)
{
    if (bytes.len < END_SIZE)
        return -1;
    size_t last = bytes.len - END_SIZE, first = last > COMMENT_MAX ? last - COMMENT_MAX : 0;
    for (size_t at = last + 1; at-- > first;)
        if (le32(bytes.ptr + at) == END_SIG)
            return (ptrdiff_t)at;
    return -1;
}

// The zip64 end record, if a locator stands before the classic one.
static bool read_end64(Str bytes, size_t end, ZipDirectory *d)
{
    if (end < LOCATOR_SIZE || le32(bytes.ptr + end - LOCATOR_SIZE) != LOCATOR_SIG)
        return false;
    uint64_t at = le64(bytes.ptr + end - LOCATOR_SIZE + 8);
    if (!inside(at, END64_SIZE, end - LOCATOR_SIZE) || le32(bytes.ptr + at) != END64_SIG)
        return false;
    const char *p = bytes.ptr + at;
    *d = (ZipDirectory){.count = le64(p + 32), .size = le64(p + 40), .offset = le64(p + 48)};
    return true;
}

Status zip_find_directory(Str bytes, const char *path, ZipDirectory *out)
{
    ptrdiff_t end = find_end(bytes);
    if (end < 0)
        return status_fail(ST_BAD_MODEL,
                           "%s: no zip central directory in %zu bytes: the file is cut short (an interrupted copy or "
                           "download?) or is not a TorchScript archive",
                           path, bytes.len);
    const char *p = bytes.ptr + end;
    *out = (ZipDirectory){.count = le16(p + 10), .size = le32(p + 12), .offset = le32(p + 16)};
    bool saturated = out->count == 0xffff || out->size == 0xffffffff || out->offset == 0xffffffff;
    ZipDirectory wide;
    if (read_end64(bytes, (size_t)end, &wide))
        *out = wide;
    else if (saturated)
        return status_fail(ST_BAD_MODEL, "%s: zip64 end record is missing at byte %td: the archive is damaged", path,
                           end);
    if (!inside(out->offset, out->size, (uint64_t)end))
        return status_fail(ST_BAD_MODEL,
                           "%s: zip directory of %llu bytes at byte %llu lies outside the file: the archive is damaged",
                           path, (unsigned long long)out->size, (unsigned long long)out->offset);
    if (out->count > out->size / ENTRY_SIZE)
        return status_fail(ST_BAD_MODEL, "%s: zip directory claims %llu entries in %llu bytes: the archive is damaged",
                           path, (unsigned long long)out->count, (unsigned long long)out->size);
    return ST_OK;
}

// Sizes and offset that did not fit 32 bits, in the order the zip64 extra field has them.
static bool read_extra64(Str extra, ZipEntry *e)
{
    uint64_t *fields[3];
    int wanted = 0;
    if (e->size == 0xffffffff)
        fields[wanted++] = &e->size;
    if (e->stored_size == 0xffffffff)
        fields[wanted++] = &e->stored_size;
    if (e->header == 0xffffffff)
        fields[wanted++] = &e->header;
    if (!wanted)
        return true;
    while (extra.len >= 4) {
        size_t id = le16(extra.ptr), len = le16(extra.ptr + 2);
        extra = str_from(extra, 4);
        if (len > extra.len)
            return false;
        if (id == EXTRA_ZIP64) {
            if (len < 8 * (size_t)wanted)
                return false;
            for (int i = 0; i < wanted; i++)
                *fields[i] = le64(extra.ptr + 8 * i);
            return true;
        }
        extra = str_from(extra, len);
    }
    return false;
}

Status zip_next_entry(Str bytes, const char *path, const ZipDirectory *d, uint64_t *at, ZipEntry *out)
{
    uint64_t left = d->size - *at, place = d->offset + *at;
    const char *p = bytes.ptr + place;
    if (left < ENTRY_SIZE || le32(p) != ENTRY_SIG)
        return status_fail(ST_BAD_MODEL, "%s: no zip directory entry at byte %llu: the archive is damaged", path,
                           (unsigned long long)place);
    uint64_t name = le16(p + 28), extra = le16(p + 30), comment = le16(p + 32);
    if (ENTRY_SIZE + name + extra + comment > left)
        return status_fail(ST_BAD_MODEL,
                           "%s: zip directory entry at byte %llu runs past the directory: the archive is damaged", path,
                           (unsigned long long)place);
    *out = (ZipEntry){
        .name = {p + ENTRY_SIZE, name},
        .flags = le16(p + 8),
        .method = le16(p + 10),
        .crc = le32(p + 16),
        .stored_size = le32(p + 20),
        .size = le32(p + 24),
        .header = le32(p + 42),
    };
    if (!read_extra64((Str){p + ENTRY_SIZE + name, extra}, out))
        return status_fail(ST_BAD_MODEL, "%s: zip directory entry " STR_FMT " at byte %llu lacks its zip64 sizes", path,
                           STR_ARG(out->name), (unsigned long long)place);
    *at += ENTRY_SIZE + name + extra + comment;
    return ST_OK;
}

Status zip_entry_offset(Str bytes, const char *path, const ZipEntry *e, uint64_t *offset)
{
    const char *p = bytes.ptr + e->header;
    if (!inside(e->header, LOCAL_SIZE, bytes.len) || le32(p) != LOCAL_SIG)
        return status_fail(ST_BAD_MODEL, "%s: " STR_FMT ": no zip header at byte %llu: the archive is damaged", path,
                           STR_ARG(e->name), (unsigned long long)e->header);
    uint64_t start = e->header + LOCAL_SIZE + le16(p + 26) + le16(p + 28);
    if (!inside(start, e->stored_size, bytes.len))
        return status_fail(
            ST_BAD_MODEL,
            "%s: " STR_FMT ": %llu bytes at byte %llu run past the end of the file (%zu bytes): the archive is "
            "cut short or damaged",
            path, STR_ARG(e->name), (unsigned long long)e->stored_size, (unsigned long long)start, bytes.len);
    *offset = start;
    return ST_OK;
}
