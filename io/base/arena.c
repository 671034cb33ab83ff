// Arena blocks and the string map over them.
// Blocks double up to 1 MiB, so a model of any size needs few of them.
#include "io/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

struct ArenaBlock {
    ArenaBlock *older;
    _Alignas(16) char bytes[];
};

enum { BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20, ALIGN = 16 };

void arena_free(Arena *a)
{
    for (ArenaBlock *b = a->head, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    *a = (Arena){.limit = a->limit};
}

static void *out_of_memory(Arena *a, size_t size)
{
    if (a->limit && a->total + size > a->limit)
        status_fail(ST_MEMORY, "input needs more than %zu bytes of memory to describe (limit)", a->limit);
    else
        status_no_memory(size);
    if (a->guard)
        longjmp(*a->guard, 1);
    return NULL;
}

void *arena_alloc(Arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return out_of_memory(a, size);
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > (size_t)(a->end - a->next)) {
        size_t block = a->total < BLOCK_MIN ? BLOCK_MIN : a->total > BLOCK_MAX ? BLOCK_MAX : a->total;
        if (block < size)
            block = size;
        if (a->limit && a->total + block > a->limit)
            return out_of_memory(a, block);
        ArenaBlock *b = calloc(1, sizeof *b + block);
        if (!b)
            return out_of_memory(a, block);
        b->older = a->head;
        a->head = b;
        a->next = b->bytes;
        a->end = b->bytes + block;
        a->total += block;
    }
    void *p = a->next;
    a->next += size;
    return p;
}

void *arena_copy(Arena *a, const void *data, size_t size)
{
    void *p = arena_alloc(a, size);
    if (p && size)
        memcpy(p, data, size);
    return p;
}

Str arena_str(Arena *a, Str s)
{
    char *p = arena_alloc(a, s.len + 1);
    if (!p)
        return (Str){0};
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (Str){p, s.len};
}

Str arena_printf(Arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (p)
        vsnprintf(p, (size_t)len + 1, fmt, again);
    va_end(again);
    return p ? (Str){p, (size_t)len} : (Str){0};
}

void *arena_grow(Arena *a, void *items, size_t count, size_t item_size)
{
    if (count && (count & (count - 1))) // not a power of two: room is left
        return items;
    void *bigger = arena_alloc(a, (count ? count * 2 : 1) * item_size);
    if (bigger && count)
        memcpy(bigger, items, count * item_size);
    return bigger;
}

static struct StrMapSlot *find_slot(struct StrMapSlot *slots, size_t capacity, Str key)
{
    size_t i = str_hash(key) & (capacity - 1);
    while (slots[i].key.ptr && !str_eq(slots[i].key, key))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

void *strmap_get(const StrMap *m, Str key)
{
    return m->capacity ? find_slot(m->slots, m->capacity, key)->value : NULL;
}

void strmap_put(StrMap *m, Arena *a, Str key, const void *value)
{
    if (!key.ptr)
        key.ptr = "";
    if (2 * (m->count + 1) > m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 16;
        struct StrMapSlot *slots = ARENA_ARRAY(a, struct StrMapSlot, capacity);
        if (!slots)
            return;
        for (size_t i = 0; i < m->capacity; i++)
            if (m->slots[i].key.ptr)
                *find_slot(slots, capacity, m->slots[i].key) = m->slots[i];
        m->slots = slots;
        m->capacity = capacity;
    }
    struct StrMapSlot *slot = find_slot(m->slots, m->capacity, key);
    if (!slot->key.ptr)
        m->count++;
    *slot = (struct StrMapSlot){key, (void *)value};
}
