// Digests: fast fingerprints of bytes and of files.
// The hash is XXH64 as specified in the xxHash format document (constants and rounds are its definition).
#include "io/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu, P3 = 0x165667B19E3779F9u,
                      P4 = 0x85EBCA77C2B2AE63u, P5 = 0x27D4EB2F165667C5u;

enum { MODEL_PIECE = 32 << 20 };

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

static uint32_t read32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap32(v);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * P2, 31) * P1;
}
static uint64_t merge(uint64_t hash, uint64_t lane)
{
    return (hash ^ mix(0, lane)) * P1 + P4;
}

// After each piece `passed`, if there is one, is told so.
static uint64_t digest_in_pieces(const void *data, size_t size, uint64_t seed, void (*passed)(void *ctx, const void *piece, size_t size), void *ctx)
{
    const uint8_t *p = data, *end = p + size;
    uint64_t hash = seed + P5;
    if (size >= 32) {
        uint64_t lane[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
        while (end - p >= 32) {
            const uint8_t *piece = p, *stop = end - p > MODEL_PIECE ? p + MODEL_PIECE : end;
            for (; stop - p >= 32; p += 32)
                for (int i = 0; i < 4; i++)
                    lane[i] = mix(lane[i], read64(p + 8 * i));
            if (passed)
                passed(ctx, piece, (size_t)(p - piece));
        }
        hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
        for (int i = 0; i < 4; i++)
            hash = merge(hash, lane[i]);
    }
    hash += size;
    for (; end - p >= 8; p += 8)
        hash = rotate(hash ^ mix(0, read64(p)), 27) * P1 + P4;
    if (end - p >= 4) {
        hash = rotate(hash ^ read32(p) * P1, 23) * P2 + P3;
        p += 4;
    }
    for (; p < end; p++)
        hash = rotate(hash ^ *p * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}

uint64_t digest_bytes(const void *data, size_t size, uint64_t seed) { return digest_in_pieces(data, size, seed, NULL, NULL); }

void digest_model(Str bytes, void (*passed)(void *ctx, const void *piece, size_t size), void *ctx, char out[DIGEST_TEXT])
{
    snprintf(out, DIGEST_TEXT, "xxh64:%016llx", (unsigned long long)digest_in_pieces(bytes.ptr, bytes.len, 0, passed, ctx));
}

enum { END_BYTES = 1 << 20, PIECE_BYTES = 1 << 16, PIECES = 62 };

// Adds [offset, offset + size) of the file to the hash.
static Status add_piece(int fd, const char *path, uint8_t *buffer, uint64_t offset, uint64_t size, uint64_t *hash)
{
    uint64_t have = 0;
    while (have < size) {
        ssize_t n = pread(fd, buffer + have, size - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return status_fail(ST_IO, "%s: %s", path, n < 0 ? strerror(errno) : "the file became shorter");
        have += (uint64_t)n;
    }
    *hash = digest_bytes(buffer, size, *hash);
    return ST_OK;
}

static Status add_samples(int fd, const char *path, uint8_t *buffer, uint64_t size, uint64_t *hash)
{
    uint64_t between = PIECES * (uint64_t)PIECE_BYTES;
    if (size <= 2 * END_BYTES + between) {
        for (uint64_t at = 0; at < size; at += END_BYTES)
            TRY(add_piece(fd, path, buffer, at, size - at < END_BYTES ? size - at : END_BYTES, hash));
        return ST_OK;
    }
    TRY(add_piece(fd, path, buffer, 0, END_BYTES, hash));
    uint64_t step = (size - 2 * END_BYTES - PIECE_BYTES) / (PIECES - 1);
    for (uint64_t i = 0; i < PIECES; i++)
        TRY(add_piece(fd, path, buffer, END_BYTES + i * step, PIECE_BYTES, hash));
    return add_piece(fd, path, buffer, size - END_BYTES, END_BYTES, hash);
}

Status digest_data(const char *path, char out[DIGEST_TEXT])
{
    uint8_t *buffer = malloc(END_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    uint64_t hash = 0;
    Status st = ST_OK;
    if (!buffer)
        st = status_no_memory(END_BYTES);
    else if (fd < 0 || fstat(fd, &info) != 0)
        st = status_fail(ST_IO, "%s: %s", path, strerror(errno));
    else
        st = add_samples(fd, path, buffer, (uint64_t)info.st_size, &hash);
    if (st == ST_OK)
        snprintf(out, DIGEST_TEXT, "sampled:%llu:%016llx", (unsigned long long)info.st_size, (unsigned long long)hash);
    if (fd >= 0)
        close(fd);
    free(buffer);
    return st;
}
