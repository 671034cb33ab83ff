// Chunks of one data set: read raw by the I/O thread, inflated once by whichever lane needs them first.
//
//   WANTED --fetch--> RAW --first lane--> DECODING --> READY      (FAILED keeps the reason)
//
// A chunk is pinned by every batch that covers it; unpinned ones are kept up to one row of chunks, because the next
// batch usually starts in the chunk where the last one ended.
#include "io/h5_internal.h"
#include "io/lzf.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BUCKETS = 512,
    FILTERS_MAX = 2,
    IDLE_MAX = 8,
    DEFLATE_RATIO_MAX = 1032,
};

typedef enum ChunkState { CHUNK_WANTED, CHUNK_RAW, CHUNK_DECODING, CHUNK_READY, CHUNK_FAILED } ChunkState;

struct Chunk {
    Chunk *next;          // in its bucket
    Chunk *older, *newer; // in the list of unpinned ones
    int64_t index;        // of the chunk, row-major
    int pins;
    ChunkState state;
    unsigned skipped;    // bit i: filter i was not applied
    uint8_t *raw, *data; // stored bytes; the chunk as the data set has it
    size_t raw_size;
};

struct ChunkCache {
    pthread_mutex_t lock;
    pthread_cond_t decoded;
    char *what; // "FILE: /path", for messages
    int ndim;
    int64_t shape[H5_MAX_DIMS], chunk[H5_MAX_DIMS], grid[H5_MAX_DIMS];
    size_t element_size, chunk_bytes;
    int64_t per_row; // chunks of one index of the first dimension
    int filter_count;
    H5Z_filter_t filters[FILTERS_MAX];
    uint8_t fill[32]; // the element of chunks that were never written
    Chunk *buckets[BUCKETS];
    Chunk *oldest, *newest; // unpinned, oldest first
    int64_t unpinned;
    uint8_t *idle[IDLE_MAX]; // chunk_bytes each, for the next chunk
    int idle_count;
    struct libdeflate_decompressor *inflaters[IDLE_MAX];
    int inflater_count;
};

// ---- opening ----

static bool is_compression(H5Z_filter_t f)
{
    return f == H5Z_FILTER_DEFLATE || f == LZF_FILTER;
}

// True when the pipeline is one of those known here: shuffle, a compression, or shuffle and then a compression.
static bool read_pipeline(hid_t plist, ChunkCache *c)
{
    int count = H5Pget_nfilters(plist);
    if (count < 0 || count > FILTERS_MAX)
        return false;
    for (int i = 0; i < count; i++) {
        unsigned flags, values[8], config;
        size_t value_count = 8;
        c->filters[i] = H5Pget_filter2(plist, (unsigned)i, &flags, &value_count, values, 0, NULL, &config);
        bool last = i == count - 1;
        if (!(last && is_compression(c->filters[i])) && !(i == 0 && c->filters[i] == H5Z_FILTER_SHUFFLE))
            return false;
    }
    c->filter_count = count;
    unsigned options = 0;
    return H5Pget_chunk_opts(plist, &options) >= 0 && options == 0;
}

static bool read_grid(hid_t plist, ChunkCache *c, int ndim, const int64_t *shape)
{
    hsize_t chunk[H5S_MAX_RANK];
    if (H5Pget_chunk(plist, H5S_MAX_RANK, chunk) != ndim)
        return false;
    int64_t bytes = (int64_t)c->element_size;
    c->ndim = ndim;
    c->per_row = 1;
    for (int i = 0; i < ndim; i++) {
        if (chunk[i] == 0 || chunk[i] > UINT32_MAX || __builtin_mul_overflow(bytes, (int64_t)chunk[i], &bytes))
            return false;
        c->shape[i] = shape[i];
        c->chunk[i] = (int64_t)chunk[i];
        c->grid[i] = shape[i] / c->chunk[i] + (shape[i] % c->chunk[i] != 0);
        if (i && __builtin_mul_overflow(c->per_row, c->grid[i], &c->per_row))
            return false;
    }
    c->chunk_bytes = (size_t)bytes;
    return true;
}

void chunks_close(ChunkCache *c)
{
    if (!c)
        return;
    for (int i = 0; i < BUCKETS; i++)
        for (Chunk *k = c->buckets[i], *next; k; k = next) {
            next = k->next;
            free(k->raw);
            free(k->data);
            free(k);
        }
    for (int i = 0; i < c->idle_count; i++)
        free(c->idle[i]);
    for (int i = 0; i < c->inflater_count; i++)
        libdeflate_free_decompressor(c->inflaters[i]);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->decoded);
    free(c->what);
    free(c);
}

Status chunks_open(hid_t dataset, const char *what, size_t element_size, int ndim, const int64_t *shape,
                   ChunkCache **out)
{
    *out = NULL;
    hid_t plist = H5Dget_create_plist(dataset);
    if (H5Pget_layout(plist) != H5D_CHUNKED) {
        H5Pclose(plist);
        return ST_OK;
    }
    ChunkCache *c = calloc(1, sizeof *c);
    if (!c || !(c->what = strdup(what))) {
        free(c);
        H5Pclose(plist);
        return status_no_memory(sizeof *c);
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->decoded, NULL);
    c->element_size = element_size;
    hid_t type = H5Dget_type(dataset);
    bool ok = element_size <= sizeof c->fill && read_pipeline(plist, c) && read_grid(plist, c, ndim, shape) &&
              H5Pget_fill_value(plist, type, c->fill) >= 0;
    H5Tclose(type);
    H5Pclose(plist);
    H5Eclear2(H5E_DEFAULT);
    if (ok)
        *out = c;
    else
        chunks_close(c);
    return ST_OK;
}

// ---- the table ----

// Indices [*from, *to) of chunks along the first dimension that hold the rows.
static void row_span(const ChunkCache *c, int64_t first, int64_t count, int64_t *from, int64_t *to)
{
    *from = first / c->chunk[0];
    *to = count ? (first + count - 1) / c->chunk[0] + 1 : *from;
}

int64_t chunks_needed(const ChunkCache *c, int64_t first, int64_t count)
{
    int64_t from, to;
    row_span(c, first, count, &from, &to);
    return (to - from) * c->per_row;
}

static void unlink_unpinned(ChunkCache *c, Chunk *k)
{
    *(k->older ? &k->older->newer : &c->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &c->newest) = k->older;
    k->older = k->newer = NULL;
    c->unpinned--;
}

static void link_unpinned(ChunkCache *c, Chunk *k)
{
    k->older = c->newest;
    k->newer = NULL;
    *(c->newest ? &c->newest->newer : &c->oldest) = k;
    c->newest = k;
    c->unpinned++;
}

static void forget(ChunkCache *c, Chunk *k)
{
    unlink_unpinned(c, k);
    Chunk **at = &c->buckets[k->index % BUCKETS];
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    if (k->data && c->idle_count < IDLE_MAX)
        c->idle[c->idle_count++] = k->data;
    else
        free(k->data);
    free(k->raw);
    free(k);
}

// Pins a chunk, making an entry when there is none. NULL when memory runs out.
static Chunk *pin(ChunkCache *c, int64_t index)
{
    pthread_mutex_lock(&c->lock);
    Chunk **bucket = &c->buckets[index % BUCKETS], *k = *bucket;
    while (k && k->index != index)
        k = k->next;
    if (k && k->pins == 0)
        unlink_unpinned(c, k);
    if (!k && (k = calloc(1, sizeof *k))) {
        k->index = index;
        k->next = *bucket;
        *bucket = k;
    }
    if (k)
        k->pins++;
    pthread_mutex_unlock(&c->lock);
    return k;
}

void chunks_release(ChunkCache *c, Chunk *const *chunks, int64_t needed)
{
    pthread_mutex_lock(&c->lock);
    for (int64_t i = 0; i < needed; i++)
        if (--chunks[i]->pins == 0) {
            link_unpinned(c, chunks[i]);
            if (chunks[i]->state != CHUNK_READY && chunks[i]->state != CHUNK_RAW)
                forget(c, chunks[i]); // nothing worth keeping: a later batch tries again
        }
    while (c->unpinned > c->per_row)
        forget(c, c->oldest);
    pthread_mutex_unlock(&c->lock);
}

// ---- fetching, on the H5Thread ----

// Offset of a chunk in elements of the data set.
static void chunk_offset(const ChunkCache *c, int64_t index, hsize_t *offset)
{
    for (int i = c->ndim; i-- > 0;) {
        offset[i] = (hsize_t)(index % c->grid[i] * c->chunk[i]);
        index /= c->grid[i];
    }
}

static Status read_raw(ChunkCache *c, hid_t dataset, Chunk *k, uint64_t *stored_bytes)
{
    hsize_t offset[H5_MAX_DIMS], size = 0;
    chunk_offset(c, k->index, offset);
    if (H5Dget_chunk_storage_size(dataset, offset, &size) < 0 || size == 0) {
        H5Eclear2(H5E_DEFAULT); // never written: all fill values
    } else {
        if (c->filter_count ? size < c->chunk_bytes / DEFLATE_RATIO_MAX : size != c->chunk_bytes)
            return status_fail(ST_BAD_DATA, "%s: a chunk of %zu bytes is stored in %llu: the file is damaged", c->what,
                               c->chunk_bytes, (unsigned long long)size);
        k->raw = malloc(size);
        if (!k->raw)
            return status_no_memory(size);
        k->raw_size = size;
        uint32_t skipped = 0;
        if (H5Dread_chunk(dataset, H5P_DEFAULT, offset, &skipped, k->raw) < 0)
            return h5_fail(ST_BAD_DATA, "%s: cannot read the chunk at row %llu: the file is cut short or damaged",
                           c->what, (unsigned long long)offset[0]);
        k->skipped = skipped;
        *stored_bytes += size;
    }
    pthread_mutex_lock(&c->lock);
    k->state = CHUNK_RAW;
    pthread_mutex_unlock(&c->lock);
    return ST_OK;
}

Status chunks_fetch(ChunkCache *c, hid_t dataset, int64_t first, int64_t count, Chunk **chunks, uint64_t *stored_bytes)
{
    int64_t needed = chunks_needed(c, first, count), from, to;
    row_span(c, first, count, &from, &to);
    for (int64_t i = 0; i < needed; i++) {
        chunks[i] = pin(c, from * c->per_row + i);
        if (!chunks[i]) {
            chunks_release(c, chunks, i);
            return status_no_memory(sizeof(Chunk));
        }
        pthread_mutex_lock(&c->lock);
        bool wanted = chunks[i]->state == CHUNK_WANTED; // only this thread moves a chunk on from there
        pthread_mutex_unlock(&c->lock);
        Status st = wanted ? read_raw(c, dataset, chunks[i], stored_bytes) : ST_OK;
        if (st != ST_OK) {
            chunks_release(c, chunks, i + 1);
            return st;
        }
    }
    return ST_OK;
}

// ---- decoding, on any thread ----

static uint8_t *take_buffer(ChunkCache *c)
{
    uint8_t *p = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->idle_count)
        p = c->idle[--c->idle_count];
    pthread_mutex_unlock(&c->lock);
    return p ? p : malloc(c->chunk_bytes);
}

static void give_buffer(ChunkCache *c, uint8_t *p)
{
    pthread_mutex_lock(&c->lock);
    if (p && c->idle_count < IDLE_MAX) {
        c->idle[c->idle_count++] = p;
        p = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    free(p);
}

static struct libdeflate_decompressor *take_inflater(ChunkCache *c)
{
    struct libdeflate_decompressor *d = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->inflater_count)
        d = c->inflaters[--c->inflater_count];
    pthread_mutex_unlock(&c->lock);
    return d ? d : libdeflate_alloc_decompressor();
}

static void give_inflater(ChunkCache *c, struct libdeflate_decompressor *d)
{
    pthread_mutex_lock(&c->lock);
    if (d && c->inflater_count < IDLE_MAX) {
        c->inflaters[c->inflater_count++] = d;
        d = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    libdeflate_free_decompressor(d);
}

// The shuffle filter stores byte 0 of every element, then byte 1 of every element, …; bytes of a partial element last.
static void unshuffle(const uint8_t *in, uint8_t *out, size_t bytes, size_t size)
{
    size_t n = bytes / size;
#define UNSHUFFLE(S)                                                                                                   \
    for (size_t i = 0; i < n; i++)                                                                                     \
        for (size_t j = 0; j < (S); j++)                                                                               \
    out[i * (S) + j] = in[j * n + i]
    switch (size) {
    case 2:
        UNSHUFFLE(2);
        break;
    case 4:
        UNSHUFFLE(4);
        break;
    case 8:
        UNSHUFFLE(8);
        break;
    default:
        UNSHUFFLE(size);
    }
#undef UNSHUFFLE
    memcpy(out + n * size, in + n * size, bytes - n * size);
}

static Status expand_chunk(ChunkCache *c, H5Z_filter_t filter, const uint8_t *in, size_t size, uint8_t *out)
{
    bool ok;
    if (filter == LZF_FILTER) {
        ok = lzf_expand(in, size, out, c->chunk_bytes);
    } else {
        struct libdeflate_decompressor *d = take_inflater(c);
        if (!d)
            return status_no_memory(1);
        ok = libdeflate_zlib_decompress(d, in, size, out, c->chunk_bytes, NULL) == LIBDEFLATE_SUCCESS;
        give_inflater(c, d);
    }
    if (!ok)
        return status_fail(ST_BAD_DATA, "%s: a chunk does not inflate to its %zu bytes: the file is damaged", c->what,
                           c->chunk_bytes);
    return ST_OK;
}

// Undoes the filters from the last to the first; `*out` becomes a buffer of chunk_bytes, owned by the chunk.
static Status undo_filters(ChunkCache *c, Chunk *k, uint8_t **out)
{
    const uint8_t *in = k->raw;
    size_t size = k->raw_size;
    uint8_t *have = NULL; // the buffer `in` points to, once it is not the raw one
    for (int i = c->filter_count; i-- > 0;) {
        if (k->skipped >> i & 1)
            continue;
        uint8_t *to = take_buffer(c);
        Status st = to ? ST_OK : status_no_memory(c->chunk_bytes);
        if (st == ST_OK && is_compression(c->filters[i]))
            st = expand_chunk(c, c->filters[i], in, size, to);
        else if (st == ST_OK && size != c->chunk_bytes)
            st = status_fail(ST_BAD_DATA, "%s: a chunk has %zu bytes, not %zu: the file is damaged", c->what, size,
                             c->chunk_bytes);
        else if (st == ST_OK)
            unshuffle(in, to, size, c->element_size);
        give_buffer(c, have);
        if (st != ST_OK) {
            give_buffer(c, to);
            return st;
        }
        in = have = to;
        size = c->chunk_bytes;
    }
    if (size != c->chunk_bytes) {
        give_buffer(c, have);
        return status_fail(ST_BAD_DATA, "%s: a chunk has %zu bytes, not %zu: the file is damaged", c->what, size,
                           c->chunk_bytes);
    }
    if (!have) { // no filter was applied: the stored bytes are the chunk
        have = k->raw;
        k->raw = NULL;
    }
    *out = have;
    return ST_OK;
}

static Status decode(ChunkCache *c, Chunk *k, uint8_t **out)
{
    if (k->raw)
        return undo_filters(c, k, out);
    *out = take_buffer(c);
    if (!*out)
        return status_no_memory(c->chunk_bytes);
    for (size_t at = 0; at < c->chunk_bytes; at += c->element_size)
        memcpy(*out + at, c->fill, c->element_size);
    return ST_OK;
}

// Makes the chunk READY, or waits for the lane that is at it.
static Status make_ready(ChunkCache *c, Chunk *k)
{
    pthread_mutex_lock(&c->lock);
    while (k->state == CHUNK_DECODING)
        pthread_cond_wait(&c->decoded, &c->lock);
    ChunkState state = k->state;
    if (state == CHUNK_RAW)
        k->state = CHUNK_DECODING;
    pthread_mutex_unlock(&c->lock);
    if (state == CHUNK_READY)
        return ST_OK;
    if (state == CHUNK_FAILED)
        return status_fail(ST_BAD_DATA, "%s: a chunk cannot be decompressed: the file is damaged", c->what);
    uint8_t *data = NULL;
    Status st = decode(c, k, &data);
    free(k->raw);
    k->raw = NULL;
    pthread_mutex_lock(&c->lock);
    k->data = data;
    k->state = st == ST_OK ? CHUNK_READY : CHUNK_FAILED;
    pthread_cond_broadcast(&c->decoded);
    pthread_mutex_unlock(&c->lock);
    return st;
}

// A box of a chunk and where it goes; sizes in elements from the dimension `dim` on.
typedef struct CopyBox {
    const ChunkCache *c;
    int64_t from[H5_MAX_DIMS], to[H5_MAX_DIMS], size[H5_MAX_DIMS]; // in the chunk, in the rows wanted, extent
    int solid; // dimensions behind this one are whole in both: one copy does them
} CopyBox;

static void copy_box(const CopyBox *b, int dim, const uint8_t *in, uint8_t *out)
{
    const ChunkCache *c = b->c;
    size_t in_step = c->element_size, out_step = c->element_size;
    for (int i = dim + 1; i < c->ndim; i++) {
        in_step *= (size_t)c->chunk[i];
        out_step *= (size_t)c->shape[i];
    }
    in += (size_t)b->from[dim] * in_step;
    out += (size_t)b->to[dim] * out_step;
    if (dim == b->solid) {
        memcpy(out, in, (size_t)b->size[dim] * in_step);
        return;
    }
    for (int64_t i = 0; i < b->size[dim]; i++)
        copy_box(b, dim + 1, in + (size_t)i * in_step, out + (size_t)i * out_step);
}

static void copy_chunk(const ChunkCache *c, const Chunk *k, int64_t first, int64_t count, uint8_t *out)
{
    CopyBox b = {.c = c, .solid = c->ndim - 1};
    hsize_t offset[H5_MAX_DIMS];
    chunk_offset(c, k->index, offset);
    for (int i = 0; i < c->ndim; i++) {
        int64_t start = (int64_t)offset[i], end = start + c->chunk[i] < c->shape[i] ? start + c->chunk[i] : c->shape[i];
        int64_t base = i ? 0 : first;
        if (i == 0) {
            start = start > first ? start : first;
            end = end < first + count ? end : first + count;
        }
        b.from[i] = start - (int64_t)offset[i];
        b.to[i] = start - base;
        b.size[i] = end - start;
    }
    while (b.solid > 0 && c->chunk[b.solid] == c->shape[b.solid])
        b.solid--;
    copy_box(&b, 0, k->data, out);
}

Status chunks_copy(ChunkCache *c, Chunk *const *chunks, int64_t first, int64_t count, void *out)
{
    int64_t needed = chunks_needed(c, first, count);
    for (int64_t i = 0; i < needed; i++) {
        TRY(make_ready(c, chunks[i]));
        copy_chunk(c, chunks[i], first, count, out);
    }
    return ST_OK;
}
