// Allocator: memory of one lane's tensors. Blocks go back to per-size free lists and are handed out again while hot; the
// cache is bounded by what the lane once needed at the same time.
#ifndef TSB_WORKER_ALLOCATOR_H
#define TSB_WORKER_ALLOCATOR_H

#include "io/base/status.h"

typedef struct Allocator Allocator;

Status allocator_new(Allocator **out);
// Everything must have been freed.
void allocator_free(Allocator *a);

// At least `bytes` (0 is allowed), aligned to 64; *capacity is what allocator_give takes back. NULL when memory runs out.
void *allocator_take(Allocator *a, size_t bytes, size_t *capacity);
void allocator_give(Allocator *a, void *block, size_t capacity);

// Fixed-size small structs (tensors, storages): `kind` 0 or 1, always with the same size.
void *allocator_struct(Allocator *a, int kind, size_t size);
void allocator_struct_free(Allocator *a, int kind, void *block);

typedef struct AllocatorStats { size_t live, cached, peak; } AllocatorStats; // bytes; peak of live
AllocatorStats allocator_stats(const Allocator *a);
// Bytes of live blocks beyond those that were live at the last call of allocator_mark, at most.
void allocator_mark(Allocator *a);
size_t allocator_above_mark(const Allocator *a);

#endif
