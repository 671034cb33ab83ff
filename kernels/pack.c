// Packed weights, computed once and shared: by the lanes of a process (memory from malloc), or by the ranks of a node (a
// window of shared memory that each maps at its own address, so everything in it is an offset).
//
//   window: [WindowHead | WindowEntry × capacity | key and data, key and data, …  -> used | free ]
//
// One lock per store is held while an entry is filled: ranks pack in the same order, so a second lock would buy nothing,
// and a rank that dies while filling leaves the lock to the next one (robust mutex), which drops the unfinished entry.
#include "kernels/pack.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_ALIGN = 64, PACK_MAGIC = 0x54534250 };

typedef struct WindowEntry {
    uint64_t hash, key, data; // offsets from the start of the window
    uint32_t key_size;
    uint32_t ready;
} WindowEntry;

typedef struct WindowHead {
    uint32_t magic, capacity, count;
    uint64_t size, used;
    pthread_mutex_t lock;
} WindowHead;

// An entry in private memory.
typedef struct LocalEntry {
    struct LocalEntry *next;
    uint64_t hash;
    size_t key_size;
    void *data;
    uint8_t key[];
} LocalEntry;

struct PackStore {
    pthread_mutex_t lock; // of the private part; taken before the window's
    LocalEntry *local;
    size_t local_bytes;
    uint8_t *window; // NULL: private only
};

static size_t align_up(size_t n) { return (n + PACK_ALIGN - 1) & ~(size_t)(PACK_ALIGN - 1); }

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

// Four independent chains keep the multiplier busy: weights are hashed at about memory speed.
static void hash_bytes(const void *data, size_t size, uint64_t out[2])
{
    const uint8_t *p = data;
    uint64_t h[4] = {size, 0x243F6A8885A308D3u, 0x13198A2E03707344u, 0xA4093822299F31D0u};
    for (; size >= 32; size -= 32, p += 32)
        for (int i = 0; i < 4; i++) {
            uint64_t v;
            memcpy(&v, p + 8 * i, 8);
            h[i] = mix(h[i], v);
        }
    uint8_t tail[32] = {0};
    if (size)
        memcpy(tail, p, size);
    for (int i = 0; i < 4; i++) {
        uint64_t v;
        memcpy(&v, tail + 8 * i, 8);
        h[i] = mix(h[i], v);
    }
    out[0] = mix(mix(mix(h[0], h[1]), h[2]), h[3]);
    out[1] = mix(mix(mix(h[3], h[2]), h[1]), h[0]);
}

static uint64_t hash_key(const void *key, size_t size)
{
    uint64_t h[2];
    hash_bytes(key, size, h);
    return h[0];
}

void pack_key_bytes(PackKey *k, const void *data, size_t size)
{
    if (k->failed || size > PACK_KEY_MAX - k->size) {
        k->failed = true;
        return;
    }
    memcpy(k->bytes + k->size, data, size);
    k->size += size;
}

void pack_key_text(PackKey *k, const char *algorithm) { pack_key_bytes(k, algorithm, strlen(algorithm) + 1); }

void pack_key_operand(PackKey *k, const View *v)
{
    uint8_t head[3] = {v->dtype, v->ndim, v->layout};
    pack_key_bytes(k, head, sizeof head);
    pack_key_bytes(k, v->size, v->ndim * sizeof *v->size);
    pack_key_bytes(k, v->stride, v->ndim * sizeof *v->stride);
    uint64_t h[2] = {0, 0};
    if (view_numel(v) > 0)
        hash_bytes(v->data, view_bytes(v), h);
    pack_key_bytes(k, h, sizeof h);
}

size_t pack_window_size(size_t packed, uint32_t entries)
{
    size_t per_entry = sizeof(WindowEntry) + align_up(PACK_KEY_MAX) + PACK_ALIGN;
    return align_up(sizeof(WindowHead)) + packed + entries * per_entry;
}

static bool lock_window(WindowHead *w)
{
    int e = pthread_mutex_lock(&w->lock);
    if (e == EOWNERDEAD) { // its owner died; an entry it was filling is not ready, and lookups pass it by
        pthread_mutex_consistent(&w->lock);
        e = 0;
    }
    return e == 0;
}

static WindowEntry *window_entries(uint8_t *window) { return (WindowEntry *)(window + align_up(sizeof(WindowHead))); }

static const void *window_find(uint8_t *window, uint64_t hash, const void *key, size_t key_size)
{
    WindowHead *w = (WindowHead *)window;
    WindowEntry *e = window_entries(window);
    for (uint32_t i = 0; i < w->count; i++)
        if (e[i].ready && e[i].hash == hash && e[i].key_size == key_size && memcmp(window + e[i].key, key, key_size) == 0)
            return window + e[i].data;
    return NULL;
}

// The window's lock is held. *out stays NULL when the window is full.
static Status window_fill(uint8_t *window, uint64_t hash, const void *key, size_t key_size, size_t bytes,
                          Status (*fill)(void *, void *), void *ctx, const void **out)
{
    WindowHead *w = (WindowHead *)window;
    uint64_t room = w->size - w->used;
    if (w->count == w->capacity || key_size > PACK_KEY_MAX || bytes > room || align_up(key_size) + align_up(bytes) > room)
        return ST_OK;
    WindowEntry *e = window_entries(window) + w->count;
    *e = (WindowEntry){.hash = hash, .key = w->used, .data = w->used + align_up(key_size), .key_size = (uint32_t)key_size};
    memcpy(window + e->key, key, key_size);
    TRY(fill(ctx, window + e->data));
    e->ready = 1;
    w->used = e->data + align_up(bytes);
    w->count++;
    *out = window + e->data;
    return ST_OK;
}

static Status local_fill(PackStore *s, uint64_t hash, const void *key, size_t key_size, size_t bytes, Status (*fill)(void *, void *),
                         void *ctx, const void **out)
{
    size_t size = align_up(bytes ? bytes : 1);
    LocalEntry *e = malloc(sizeof *e + key_size);
    void *data = size < bytes ? NULL : aligned_alloc(PACK_ALIGN, size);
    Status status = e && data ? fill(ctx, data) : status_no_memory(bytes);
    if (status != ST_OK) {
        free(e);
        free(data);
        return status;
    }
    *e = (LocalEntry){.next = s->local, .hash = hash, .key_size = key_size, .data = data};
    memcpy(e->key, key, key_size);
    s->local = e;
    s->local_bytes += size;
    *out = data;
    return ST_OK;
}

Status pack_get(PackStore *s, const void *key, size_t key_size, size_t bytes, Status (*fill)(void *ctx, void *bytes), void *ctx,
                const void **out)
{
    uint64_t hash = hash_key(key, key_size);
    Status status = ST_OK;
    const void *found = NULL;
    pthread_mutex_lock(&s->lock);
    for (LocalEntry *e = s->local; e && !found; e = e->next)
        if (e->hash == hash && e->key_size == key_size && memcmp(e->key, key, key_size) == 0)
            found = e->data;
    if (!found && s->window && lock_window((WindowHead *)s->window)) {
        found = window_find(s->window, hash, key, key_size);
        if (!found)
            status = window_fill(s->window, hash, key, key_size, bytes, fill, ctx, &found);
        pthread_mutex_unlock(&((WindowHead *)s->window)->lock);
    }
    if (!found && status == ST_OK) // no window, or it is full: this process keeps its own copy
        status = local_fill(s, hash, key, key_size, bytes, fill, ctx, &found);
    pthread_mutex_unlock(&s->lock);
    if (status == ST_OK)
        *out = found;
    return status;
}

Status pack_store_new(PackStore **out)
{
    PackStore *s = calloc(1, sizeof *s);
    if (!s)
        return status_no_memory(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return ST_OK;
}

static Status window_init(void *window, size_t size)
{
    size_t head = align_up(sizeof(WindowHead));
    if (size < head)
        return status_fail(ST_INTERNAL, "window for packed weights: %zu bytes are too few", size);
    WindowHead *w = window;
    // An eighth of a per cent of the window for the table, at least 64 entries where they fit.
    size_t entries = size / 800 / sizeof(WindowEntry) + 64;
    if (entries > (size - head) / sizeof(WindowEntry))
        entries = (size - head) / sizeof(WindowEntry);
    if (entries > 1 << 20)
        entries = 1 << 20;
    *w = (WindowHead){.capacity = (uint32_t)entries, .size = size};
    w->used = align_up(head + entries * sizeof(WindowEntry));
    if (w->used > size)
        w->used = size;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    int e = pthread_mutex_init(&w->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    if (e)
        return status_fail(ST_INTERNAL, "window for packed weights: cannot make a lock: %s", strerror(e));
    w->magic = PACK_MAGIC;
    return ST_OK;
}

Status pack_store_attach(PackStore **out, void *window, size_t size, bool first)
{
    if ((uintptr_t)window % PACK_ALIGN)
        return status_fail(ST_INTERNAL, "window for packed weights: address is not a multiple of %d", PACK_ALIGN);
    if (first)
        TRY(window_init(window, size));
    else if (size < sizeof(WindowHead) || ((WindowHead *)window)->magic != PACK_MAGIC || ((WindowHead *)window)->size != size)
        return status_fail(ST_INTERNAL, "window for packed weights: attached before it was initialised, or with another size");
    PackStore *s = NULL;
    TRY(pack_store_new(&s));
    s->window = window;
    *out = s;
    return ST_OK;
}

size_t pack_store_used(const PackStore *s)
{
    size_t used = s->local_bytes;
    if (s->window) {
        WindowHead *w = (WindowHead *)s->window;
        size_t start = align_up(align_up(sizeof *w) + w->capacity * sizeof(WindowEntry));
        used += w->used > start ? w->used - start : 0;
    }
    return used;
}

void pack_store_free(PackStore *s)
{
    if (!s)
        return;
    for (LocalEntry *e = s->local, *next; e; e = next) {
        next = e->next;
        free(e->data);
        free(e);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}
