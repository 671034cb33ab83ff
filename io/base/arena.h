// Arena: memory that is freed all at once, drawn as a list of blocks.
//
//   head -> [block | used ...... free ] -> [older block | used ] -> ...
//
// Code that builds long-lived structures (parser, graph, passes, pickle) allocates here and never frees piece by piece.
// Running out of memory: with a guard set, arena_alloc does not return but jumps to the guard, so that a compiler pass
// need not check each allocation; without a guard it returns NULL. A guard is set only by the public entry point of the
// code that runs below it, which owns nothing else that would need unwinding, and never across MPI, HDF5 or CUDA calls.
#ifndef TSB_IO_BASE_ARENA_H
#define TSB_IO_BASE_ARENA_H

#include "io/base/status.h"
#include "io/base/str.h"

#include <setjmp.h>
#include <stdint.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
    ArenaBlock *head;
    char *next;     // first free byte of head
    char *end;      // end of head
    size_t total;   // bytes obtained from malloc
    size_t limit;   // 0, or the most that `total` may become: a guard against hostile input
    jmp_buf *guard; // NULL, or where to jump when memory runs out (status is then set to ST_MEMORY)
} Arena;

// An all-zero Arena is ready for use.
void arena_free(Arena *a);

// `size` zeroed bytes, aligned to 16.
void *arena_alloc(Arena *a, size_t size);
// A copy of `size` bytes, and of a string with a NUL behind it.
void *arena_copy(Arena *a, const void *data, size_t size);
Str arena_str(Arena *a, Str s);
Str arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Grows an array of `count` items to hold one more; returns the (perhaps moved) array. Amortised by doubling: capacity
// is the power of two at or above count, so the caller keeps only the count.
void *arena_grow(Arena *a, void *items, size_t count, size_t item_size);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))
// Appends to an arena array: ARENA_PUSH(a, items, count, item)
#define ARENA_PUSH(a, items, count, item)                                                                              \
    do {                                                                                                               \
        (items) = arena_grow((a), (items), (count), sizeof *(items));                                                  \
        (items)[(count)++] = (item);                                                                                   \
    } while (0)

// A string-keyed map whose memory is an arena's. Keys are borrowed. An all-zero StrMap is empty.
typedef struct StrMap {
    struct StrMapSlot {
        Str key;
        void *value;
    } *slots;
    size_t count, capacity;
} StrMap;

void *strmap_get(const StrMap *m, Str key);                        // NULL when absent
void strmap_put(StrMap *m, Arena *a, Str key, const void *value);  // replaces

#endif
