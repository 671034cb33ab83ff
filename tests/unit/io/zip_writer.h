// A small zip writer for tests: the forms PyTorch writes and those that other tools make of them.
#ifndef TSB_TESTS_ZIP_WRITER_H
#define TSB_TESTS_ZIP_WRITER_H

#include "io/base/buf.h"

#include <libdeflate.h>
#include <stdlib.h>

enum {
    ZIP_DEFLATE = 1,
    ZIP_ALIGN = 2,      // FB extra field: data at a multiple of 64
    ZIP_DESCRIPTOR = 4, // sizes behind the data, zeros in the local header
    ZIP_WIDE = 8,       // zip64 sizes and offset in the directory
    ZIP_BAD_CRC = 16,
    ZIP_ENCRYPTED = 32,
};

typedef struct ZipWriter {
    Buf file, directory;
    int count;
} ZipWriter;

static inline void zip_le(Buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> 8 * i));
}

static inline void zip_add(ZipWriter *z, const char *name, const void *data, size_t size, int form)
{
    size_t name_len = strlen(name), start = z->file.len, stored = size, pad = 0;
    void *deflated = NULL;
    uint32_t crc = libdeflate_crc32(0, data, size) ^ (form & ZIP_BAD_CRC ? 1 : 0);
    if (form & ZIP_DEFLATE) {
        struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
        size_t room = libdeflate_deflate_compress_bound(c, size);
        deflated = malloc(room);
        stored = libdeflate_deflate_compress(c, data, size, deflated, room);
        libdeflate_free_compressor(c);
    }
    if (form & ZIP_ALIGN)
        pad = (64 - (start + 30 + name_len + 4) % 64) % 64;
    bool late = form & ZIP_DESCRIPTOR;
    int flags = (late ? 0x0808 : 0x0800) | (form & ZIP_ENCRYPTED ? 1 : 0), method = form & ZIP_DEFLATE ? 8 : 0;
    zip_le(&z->file, 0x04034b50, 4);
    zip_le(&z->file, 0, 2);
    zip_le(&z->file, (uint64_t)flags, 2);
    zip_le(&z->file, (uint64_t)method, 2);
    zip_le(&z->file, 0, 4);
    zip_le(&z->file, late ? 0 : crc, 4);
    zip_le(&z->file, late ? 0 : stored, 4);
    zip_le(&z->file, late ? 0 : size, 4);
    zip_le(&z->file, name_len, 2);
    zip_le(&z->file, form & ZIP_ALIGN ? pad + 4 : 0, 2);
    buf_bytes(&z->file, name, name_len);
    if (form & ZIP_ALIGN) {
        buf_z(&z->file, "FB");
        zip_le(&z->file, pad, 2);
        buf_fill(&z->file, 'Z', pad);
    }
    buf_bytes(&z->file, deflated ? deflated : data, stored);
    if (late) {
        zip_le(&z->file, 0x08074b50, 4);
        zip_le(&z->file, crc, 4);
        zip_le(&z->file, stored, 4);
        zip_le(&z->file, size, 4);
    }
    bool wide = form & ZIP_WIDE;
    zip_le(&z->directory, 0x02014b50, 4);
    zip_le(&z->directory, 0, 4);
    zip_le(&z->directory, (uint64_t)flags, 2);
    zip_le(&z->directory, (uint64_t)method, 2);
    zip_le(&z->directory, 0, 4);
    zip_le(&z->directory, crc, 4);
    zip_le(&z->directory, wide ? 0xffffffff : stored, 4);
    zip_le(&z->directory, wide ? 0xffffffff : size, 4);
    zip_le(&z->directory, name_len, 2);
    zip_le(&z->directory, wide ? 28 : 0, 2);
    buf_fill(&z->directory, '\0', 10);
    zip_le(&z->directory, wide ? 0xffffffff : start, 4);
    buf_bytes(&z->directory, name, name_len);
    if (wide) {
        zip_le(&z->directory, 1, 2);
        zip_le(&z->directory, 24, 2);
        zip_le(&z->directory, size, 8);
        zip_le(&z->directory, stored, 8);
        zip_le(&z->directory, start, 8);
    }
    z->count++;
    free(deflated);
}

static inline void zip_text(ZipWriter *z, const char *name, const char *text, int form)
{
    zip_add(z, name, text, strlen(text), form);
}

// Appends directory and end records. The result is z->file; free it with zip_free.
static inline void zip_end(ZipWriter *z, bool zip64)
{
    size_t at = z->file.len;
    buf_bytes(&z->file, z->directory.ptr, z->directory.len);
    if (zip64) {
        size_t end64 = z->file.len;
        zip_le(&z->file, 0x06064b50, 4);
        zip_le(&z->file, 44, 8);
        buf_fill(&z->file, '\0', 12);
        zip_le(&z->file, (uint64_t)z->count, 8);
        zip_le(&z->file, (uint64_t)z->count, 8);
        zip_le(&z->file, z->directory.len, 8);
        zip_le(&z->file, at, 8);
        zip_le(&z->file, 0x07064b50, 4);
        zip_le(&z->file, 0, 4);
        zip_le(&z->file, end64, 8);
        zip_le(&z->file, 1, 4);
    }
    zip_le(&z->file, 0x06054b50, 4);
    zip_le(&z->file, 0, 4);
    zip_le(&z->file, (uint64_t)z->count, 2);
    zip_le(&z->file, (uint64_t)z->count, 2);
    zip_le(&z->file, z->directory.len, 4);
    zip_le(&z->file, at, 4);
    zip_le(&z->file, 0, 2);
}

static inline void zip_free(ZipWriter *z)
{
    buf_free(&z->file);
    buf_free(&z->directory);
    *z = (ZipWriter){0};
}

#endif
