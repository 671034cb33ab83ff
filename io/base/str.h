// Str: a borrowed slice of bytes (UTF-8, may hold NUL). Who made it says how long it lives.
#ifndef TSB_IO_BASE_STR_H
#define TSB_IO_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Str {
    const char *ptr;
    size_t len;
} Str;

#define STR(literal) ((Str){(literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline Str str_of(const char *z) { return (Str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(Str a, Str b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }
static inline bool str_is(Str a, const char *z) { return str_eq(a, str_of(z)); }
static inline Str str_from(Str s, size_t start) { return (Str){s.ptr + start, s.len - start}; }
static inline Str str_first(Str s, size_t len) { return (Str){s.ptr, len}; }
static inline bool str_starts(Str s, Str prefix) { return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix); }
static inline bool str_ends(Str s, Str tail) { return s.len >= tail.len && str_eq(str_from(s, s.len - tail.len), tail); }

// Index of the last/first `c`, or -1.
static inline ptrdiff_t str_rfind(Str s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.ptr[i - 1] == c)
            return (ptrdiff_t)(i - 1);
    return -1;
}
static inline ptrdiff_t str_find(Str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? at - s.ptr : -1;
}

// FNV-1a, 64 bit.
static inline uint64_t str_hash(Str s)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 1099511628211u;
    return h;
}

#endif
