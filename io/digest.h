// Digests: fast fingerprints of bytes and of files, to recognise, not to authenticate.
#ifndef TSB_IO_DIGEST_H
#define TSB_IO_DIGEST_H

#include "io/base/status.h"
#include "io/base/str.h"

enum { DIGEST_TEXT = 48 };

// 64-bit hash of bytes (XXH64's algorithm with the given seed): several GB/s, good dispersion, not cryptographic.
uint64_t digest_bytes(const void *data, size_t size, uint64_t seed);

// Of a model: every byte of it. Text "xxh64:0123456789abcdef". `passed` (or NULL) is called for pieces that have been read, so
// that the caller can let go of them.
void digest_model(Str bytes, void (*passed)(void *ctx, const void *piece, size_t size), void *ctx, char out[DIGEST_TEXT]);
// Of a data file, which may be larger than memory: its size and the bytes of its first and last MiB and of 62 pieces of
// 64 KiB spread evenly between (the whole file up to 6 MiB). A change of a few values in a large file can go unseen;
// another file, or a longer one, cannot. Not the time of modification, which copying changes. Text "sampled:…". ST_IO.
Status digest_data(const char *path, char out[DIGEST_TEXT]);

#endif
