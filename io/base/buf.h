// Buf: a growing byte buffer, the one way text is built.
#ifndef TSB_IO_BASE_BUF_H
#define TSB_IO_BASE_BUF_H

#include "io/base/status.h"
#include "io/base/str.h"

// An all-zero Buf is empty. After a failed allocation `failed` stays set and every call is a no-op: check it once, at
// the end. Owned: free with buf_free.
typedef struct Buf {
    char *ptr;
    size_t len, capacity;
    bool failed;
} Buf;

void buf_free(Buf *b);
void buf_clear(Buf *b); // keeps the memory
void buf_bytes(Buf *b, const void *data, size_t len);
void buf_char(Buf *b, char c);
void buf_str(Buf *b, Str s);
void buf_z(Buf *b, const char *z);
void buf_printf(Buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_fill(Buf *b, char c, size_t count);
void buf_reserve(Buf *b, size_t more);
static inline Str buf_view(const Buf *b) { return (Str){b->ptr ? b->ptr : "", b->len}; }
// ST_MEMORY when an append failed.
Status buf_status(const Buf *b);

#endif
