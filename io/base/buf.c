// The growing byte buffer.
// A NUL is kept behind the content, so that `ptr` can be handed to C string functions.
#include "io/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_free(Buf *b)
{
    free(b->ptr);
    *b = (Buf){0};
}

void buf_clear(Buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->ptr)
        b->ptr[0] = '\0';
}

void buf_reserve(Buf *b, size_t more)
{
    if (b->failed || b->capacity - b->len > more)
        return;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity - b->len <= more) {
        if (capacity > SIZE_MAX / 2) {
            b->failed = true;
            return;
        }
        capacity *= 2;
    }
    char *ptr = realloc(b->ptr, capacity);
    if (!ptr) {
        b->failed = true;
        return;
    }
    b->ptr = ptr;
    b->capacity = capacity;
}

void buf_bytes(Buf *b, const void *data, size_t len)
{
    buf_reserve(b, len);
    if (b->failed)
        return;
    if (len)
        memcpy(b->ptr + b->len, data, len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void buf_char(Buf *b, char c) { buf_bytes(b, &c, 1); }
void buf_str(Buf *b, Str s) { buf_bytes(b, s.ptr, s.len); }
void buf_z(Buf *b, const char *z) { buf_bytes(b, z, strlen(z)); }

void buf_fill(Buf *b, char c, size_t count)
{
    buf_reserve(b, count);
    if (b->failed)
        return;
    memset(b->ptr + b->len, c, count);
    b->len += count;
    b->ptr[b->len] = '\0';
}

void buf_printf(Buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        b->failed = true;
    else
        buf_reserve(b, (size_t)len);
    if (!b->failed) {
        vsnprintf(b->ptr + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

Status buf_status(const Buf *b) { return b->failed ? status_no_memory(b->len) : ST_OK; }
