// Numbers by address: what a walk over shared values has met, and as what.
#ifndef TSB_WORKER_POINTER_MAP_H
#define TSB_WORKER_POINTER_MAP_H

#include "io/base/status.h"

#include <stdint.h>

// An all-zero PointerMap is empty.
typedef struct PointerMap {
    struct PointerSlot { const void *key; uint32_t number; } *slots; // open addressing, a power of two
    size_t count, capacity;
} PointerMap;

// The number of `key`, which becomes `next` when it has none; *added says so. ST_MEMORY.
Status pointer_map_add(PointerMap *m, const void *key, uint32_t next, uint32_t *number, bool *added);
void pointer_map_clear(PointerMap *m); // keeps the memory
void pointer_map_free(PointerMap *m);

#endif
