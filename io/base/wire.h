// Wire: values in messages between ranks of one run: same binary, same byte order, so fields travel as they are.
// Reading checks bounds all the same: a Wire that ran out stays failed.
#ifndef TSB_IO_BASE_WIRE_H
#define TSB_IO_BASE_WIRE_H

#include "io/base/buf.h"

typedef struct Wire {
    const uint8_t *at, *end;
    bool failed;
} Wire;

static inline Wire wire_of(const void *data, size_t size) { return (Wire){data, (const uint8_t *)data + size, false}; }

// `size` bytes in place, or NULL.
static inline const void *wire_bytes(Wire *w, size_t size)
{
    const uint8_t *p = w->at;
    if (w->failed || (size_t)(w->end - w->at) < size) {
        w->failed = true;
        return NULL;
    }
    w->at += size;
    return p;
}

static inline void wire_get(Wire *w, void *out, size_t size)
{
    const void *p = wire_bytes(w, size);
    if (p && size)
        memcpy(out, p, size);
    else if (!p)
        memset(out, 0, size);
}

static inline int64_t wire_int(Wire *w)
{
    int64_t v;
    wire_get(w, &v, sizeof v);
    return v;
}

// A text with its length before it and a NUL behind, in place.
static inline const char *wire_text(Wire *w)
{
    int64_t len = wire_int(w);
    const char *p = len >= 0 ? wire_bytes(w, (size_t)len + 1) : NULL;
    if (!p || p[len] != '\0') {
        w->failed = true;
        return "";
    }
    return p;
}

// What follows is aligned to 16 in messages that begin at such an address; the reader skips the same bytes.
static inline void wire_put_pad(Buf *b) { buf_fill(b, 0, -b->len & 15); }
static inline void wire_pad(Wire *w) { wire_bytes(w, -(uintptr_t)w->at & 15); }

static inline void wire_put_int(Buf *b, int64_t v) { buf_bytes(b, &v, sizeof v); }

static inline void wire_put_text(Buf *b, const char *text)
{
    size_t len = strlen(text);
    wire_put_int(b, (int64_t)len);
    buf_bytes(b, text, len + 1);
}

#endif
