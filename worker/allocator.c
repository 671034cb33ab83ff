// The caching allocator of a lane.
// Sizes are rounded up to classes (multiples of 64 up to 1 KiB, then four classes per doubling); each class has a list of
// free blocks, linked through the blocks themselves.
#include "worker/allocator.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
enum { CACHING = 0 }; // every block goes back to malloc, so that the sanitizer sees wrong uses
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { CACHING = 0 };
#else
enum { CACHING = 1 };
#endif
#else
enum { CACHING = 1 };
#endif

enum {
    LINE = 64,
    SMALL_CLASSES = 16, // 64, 128, … 1024
    CLASSES = SMALL_CLASSES + 4 * 40,
    STRUCT_KINDS = 2,
    STRUCTS_PER_SLAB = 32,
};
static const size_t HUGE_PAGE = (size_t)2 << 20;
static const size_t CACHE_SLACK = (size_t)64 << 20; // bytes cached on top of the peak before trimming

typedef struct FreeBlock { struct FreeBlock *next; } FreeBlock;

struct Allocator {
    FreeBlock *bins[CLASSES];
    FreeBlock *structs[STRUCT_KINDS];
    FreeBlock *slabs; // of structs
    size_t live, cached, peak;
    size_t mark, mark_peak; // live when it was set, and the most since then
};

// The class of a size, and the bytes of its blocks.
static int class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= (size_t)SMALL_CLASSES * LINE) {
        int c = bytes ? (int)((bytes - 1) / LINE) : 0;
        *rounded = (size_t)(c + 1) * LINE;
        return c;
    }
    int top = 63 - __builtin_clzll(bytes - 1); // 2^top <= bytes - 1 < 2^(top + 1)
    int quarter = (int)((bytes - 1) >> (top - 2)) & 3;
    *rounded = (size_t)(quarter + 5) << (top - 2);
    return SMALL_CLASSES + (top - 10) * 4 + quarter;
}

Status allocator_new(Allocator **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? ST_OK : status_no_memory(sizeof **out);
}

static void drop_bin(Allocator *a, int c, size_t bytes)
{
    while (a->bins[c]) {
        FreeBlock *b = a->bins[c];
        a->bins[c] = b->next;
        a->cached -= bytes;
        free(b);
    }
}

static size_t class_bytes(int c)
{
    if (c < SMALL_CLASSES)
        return (size_t)(c + 1) * LINE;
    int top = 10 + (c - SMALL_CLASSES) / 4;
    return (size_t)((c - SMALL_CLASSES) % 4 + 5) << (top - 2);
}

// Largest first, until at most `keep` bytes are cached.
static void trim(Allocator *a, size_t keep)
{
    for (int c = CLASSES - 1; c >= 0 && a->cached > keep; c--)
        drop_bin(a, c, class_bytes(c));
}

void allocator_free(Allocator *a)
{
    if (!a)
        return;
    trim(a, 0);
    while (a->slabs) {
        FreeBlock *next = a->slabs->next;
        free(a->slabs);
        a->slabs = next;
    }
    free(a);
}

static void *system_block(size_t bytes)
{
    if (bytes < 2 * HUGE_PAGE)
        return aligned_alloc(LINE, bytes);
    size_t whole = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    void *block = aligned_alloc(HUGE_PAGE, whole);
    if (block)
        (void)madvise(block, whole, MADV_HUGEPAGE); // a hint: fewer page faults and TLB misses
    return block;
}

void *allocator_take(Allocator *a, size_t bytes, size_t *capacity)
{
    if (bytes > (size_t)1 << 46) {
        status_no_memory(bytes);
        return NULL;
    }
    size_t rounded;
    int c = class_of(bytes, &rounded);
    *capacity = rounded;
    FreeBlock *b = a->bins[c];
    if (b) {
        a->bins[c] = b->next;
        a->cached -= rounded;
    } else {
        b = system_block(rounded);
        if (!b && a->cached) {
            trim(a, 0);
            b = system_block(rounded);
        }
        if (!b) {
            status_no_memory(bytes);
            return NULL;
        }
    }
    a->live += rounded;
    if (a->live > a->peak)
        a->peak = a->live;
    if (a->live > a->mark_peak)
        a->mark_peak = a->live;
    return b;
}

void allocator_give(Allocator *a, void *block, size_t capacity)
{
    a->live -= capacity;
    if (!CACHING) {
        free(block);
        return;
    }
    size_t rounded;
    int c = class_of(capacity, &rounded);
    FreeBlock *b = block;
    b->next = a->bins[c];
    a->bins[c] = b;
    a->cached += capacity;
    if (a->live + a->cached > a->peak + a->peak / 2 + CACHE_SLACK)
        trim(a, a->peak / 4);
}

void *allocator_struct(Allocator *a, int kind, size_t size)
{
    size_t stride = (size + LINE - 1) & ~(size_t)(LINE - 1);
    if (!CACHING) {
        void *block = aligned_alloc(LINE, stride);
        if (!block)
            status_no_memory(stride);
        return block;
    }
    FreeBlock *b = a->structs[kind];
    if (!b) {
        FreeBlock *slab = aligned_alloc(LINE, LINE + stride * STRUCTS_PER_SLAB);
        if (!slab) {
            status_no_memory(LINE + stride * STRUCTS_PER_SLAB);
            return NULL;
        }
        slab->next = a->slabs;
        a->slabs = slab;
        for (int i = 0; i < STRUCTS_PER_SLAB; i++) {
            b = (FreeBlock *)((char *)slab + LINE + stride * (size_t)i);
            b->next = a->structs[kind];
            a->structs[kind] = b;
        }
    }
    a->structs[kind] = b->next;
    return b;
}

void allocator_struct_free(Allocator *a, int kind, void *block)
{
    if (!CACHING) {
        free(block);
        return;
    }
    FreeBlock *b = block;
    b->next = a->structs[kind];
    a->structs[kind] = b;
}

AllocatorStats allocator_stats(const Allocator *a) { return (AllocatorStats){a->live, a->cached, a->peak}; }

void allocator_mark(Allocator *a) { a->mark = a->mark_peak = a->live; }
size_t allocator_above_mark(const Allocator *a) { return a->mark_peak - a->mark; }
