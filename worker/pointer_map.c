// A hash table from addresses to numbers: open addressing, never removed from.
// Addresses are those of structs, so their last four bits say little.
#include "worker/pointer_map.h"

#include <stdlib.h>
#include <string.h>

static struct PointerSlot *find(struct PointerSlot *slots, size_t capacity, const void *key)
{
    size_t at = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u >> 20;
    for (at &= capacity - 1; slots[at].key && slots[at].key != key;)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static Status grow(PointerMap *m)
{
    size_t capacity = m->capacity ? 2 * m->capacity : 64;
    struct PointerSlot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return status_no_memory(capacity * sizeof *slots);
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].key)
            *find(slots, capacity, m->slots[i].key) = m->slots[i];
    free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return ST_OK;
}

Status pointer_map_add(PointerMap *m, const void *key, uint32_t next, uint32_t *number, bool *added)
{
    if (2 * (m->count + 1) > m->capacity)
        TRY(grow(m));
    struct PointerSlot *slot = find(m->slots, m->capacity, key);
    *added = !slot->key;
    if (*added) {
        *slot = (struct PointerSlot){key, next};
        m->count++;
    }
    *number = slot->number;
    return ST_OK;
}

void pointer_map_clear(PointerMap *m)
{
    if (m->count)
        memset(m->slots, 0, m->capacity * sizeof *m->slots);
    m->count = 0;
}

void pointer_map_free(PointerMap *m)
{
    free(m->slots);
    *m = (PointerMap){0};
}
