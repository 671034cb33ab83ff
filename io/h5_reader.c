// Read-ahead: a queue of row ranges, fetched one at a time by jobs of the H5Thread, finished by the lanes.
// A job fetches one batch and queues its successor, so that other users of the thread get their turn in between.
#include "io/h5_reader.h"

#include "io/h5_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct Slot {
    H5Batch batch; // first: lanes hold its address
    struct Slot *next;
    Fetch *fetches; // [columns]
    Status status;
    char message[1024];
} Slot;

typedef struct Range {
    struct Range *next;
    int64_t first, count, tag;
} Range;

struct H5Reader {
    H5Thread *thread;
    H5Column **columns;
    int column_count, ahead;
    pthread_mutex_t lock;
    pthread_cond_t changed;    // a batch arrived, or the state below changed
    Range *first, **last;      // pushed, not fetched
    Slot *ready, **ready_last; // fetched, not taken
    int ready_count;
    Slot *spare;  // released, their memory reused
    bool working; // a job is queued or running
    bool finished, cancelled;
    bool no_memory; // fetching cannot go on: next() says so
    H5ReaderStats stats;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void slot_free(const H5Reader *r, Slot *s)
{
    for (int i = 0; i < r->column_count; i++) {
        if (s->batch.columns)
            h5_block_free(&s->batch.columns[i]);
        if (s->fetches)
            fetch_free(&s->fetches[i]);
    }
    free(s->batch.columns);
    free(s->fetches);
    free(s);
}

static Slot *slot_new(const H5Reader *r)
{
    Slot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->batch.columns = calloc((size_t)r->column_count + 1, sizeof *s->batch.columns);
    s->fetches = calloc((size_t)r->column_count + 1, sizeof *s->fetches);
    if (!s->batch.columns || !s->fetches) {
        slot_free(r, s);
        return NULL;
    }
    return s;
}

// ---- the I/O thread ----

static Status pump(void *arg);

// With the lock held: queues a job when there is a range to fetch and room for it.
static void start_pump(H5Reader *r)
{
    if (r->working || r->cancelled || r->no_memory || !r->first || r->ready_count >= r->ahead)
        return;
    r->working = h5_post(r->thread, pump, r) == ST_OK;
    r->no_memory = !r->working;
}

static void fetch_slot(H5Reader *r, Slot *s, uint64_t *stored)
{
    s->status = ST_OK;
    for (int i = 0; i < r->column_count; i++) {
        s->status =
            column_fetch(r->columns[i], s->batch.first, s->batch.count, &s->fetches[i], &s->batch.columns[i], stored);
        if (s->status == ST_OK)
            continue;
        size_t len = strnlen(status_message(), sizeof s->message - 1);
        memcpy(s->message, status_message(), len);
        s->message[len] = '\0';
        while (i-- > 0)
            column_drop(r->columns[i], &s->fetches[i]);
        return;
    }
}

static Status pump(void *arg)
{
    H5Reader *r = arg;
    pthread_mutex_lock(&r->lock);
    Range *range = r->cancelled ? NULL : r->first;
    Slot *s = r->spare;
    if (range && s)
        r->spare = s->next;
    pthread_mutex_unlock(&r->lock);
    if (range && !s)
        s = slot_new(r);
    uint64_t stored = 0, start = now_ns();
    if (range && s) {
        s->batch.tag = range->tag;
        s->batch.first = range->first;
        s->batch.count = range->count;
        s->next = NULL;
        fetch_slot(r, s, &stored);
    }
    pthread_mutex_lock(&r->lock);
    if (range && s) {
        r->first = range->next;
        if (!r->first)
            r->last = &r->first;
        free(range);
        *r->ready_last = s;
        r->ready_last = &s->next;
        r->ready_count++;
        r->stats.read_ns += now_ns() - start;
        r->stats.stored_bytes += stored;
    } else if (range) {
        r->no_memory = true;
    }
    r->working = false;
    start_pump(r);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return ST_OK;
}

// ---- opening and closing ----

Status h5_reader_open(H5Thread *t, H5Column *const *columns, int count, int ahead, H5Reader **out)
{
    *out = NULL;
    H5Reader *r = calloc(1, sizeof *r);
    H5Column **copy = calloc((size_t)count + 1, sizeof *copy);
    if (!r || !copy) {
        free(r);
        free(copy);
        return status_no_memory(sizeof *r);
    }
    for (int i = 0; i < count; i++)
        copy[i] = columns[i];
    *r = (H5Reader){.thread = t, .columns = copy, .column_count = count, .ahead = ahead < 1 ? 1 : ahead};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->last = &r->first;
    r->ready_last = &r->ready;
    *out = r;
    return ST_OK;
}

void h5_reader_cancel(H5Reader *r)
{
    pthread_mutex_lock(&r->lock);
    r->cancelled = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void h5_reader_close(H5Reader *r)
{
    if (!r)
        return;
    h5_reader_cancel(r);
    pthread_mutex_lock(&r->lock);
    while (r->working)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    for (Range *range = r->first, *next; range; range = next) {
        next = range->next;
        free(range);
    }
    for (Slot *s = r->ready, *next; s; s = next) {
        next = s->next;
        for (int i = 0; i < r->column_count; i++)
            column_drop(r->columns[i], &s->fetches[i]);
        slot_free(r, s);
    }
    for (Slot *s = r->spare, *next; s; s = next) {
        next = s->next;
        slot_free(r, s);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r->columns);
    free(r);
}

Status h5_reader_push(H5Reader *r, int64_t first, int64_t count, int64_t tag)
{
    Range *range = malloc(sizeof *range);
    if (!range)
        return status_no_memory(sizeof *range);
    *range = (Range){.first = first, .count = count, .tag = tag};
    pthread_mutex_lock(&r->lock);
    *r->last = range;
    r->last = &range->next;
    start_pump(r);
    pthread_mutex_unlock(&r->lock);
    return ST_OK;
}

void h5_reader_finish(H5Reader *r)
{
    pthread_mutex_lock(&r->lock);
    r->finished = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

// ---- lanes ----

// With the lock held: nothing will ever be ready.
static bool at_end(const H5Reader *r)
{
    return r->cancelled || (r->finished && !r->first && !r->working && !r->ready);
}

static Slot *take_slot(H5Reader *r, bool wait, bool *would_wait)
{
    pthread_mutex_lock(&r->lock);
    uint64_t start = 0;
    while (!at_end(r) && !r->ready) {
        if (!wait) {
            *would_wait = true;
            break;
        }
        if (!start)
            start = now_ns();
        pthread_cond_wait(&r->changed, &r->lock);
    }
    Slot *s = r->cancelled ? NULL : r->ready;
    if (s) {
        r->ready = s->next;
        if (!r->ready)
            r->ready_last = &r->ready;
        r->ready_count--;
        start_pump(r);
    }
    if (start)
        r->stats.wait_ns += now_ns() - start;
    pthread_mutex_unlock(&r->lock);
    return s;
}

static void add_decoded(H5Reader *r, const Slot *s, uint64_t ns)
{
    uint64_t bytes = 0;
    for (int i = 0; i < r->column_count; i++)
        bytes += s->batch.columns[i].size;
    pthread_mutex_lock(&r->lock);
    r->stats.decode_ns += ns;
    r->stats.batch_bytes += bytes;
    pthread_mutex_unlock(&r->lock);
}

static Status take(H5Reader *r, bool wait, H5Batch **out, bool *would_wait)
{
    *out = NULL;
    Slot *s = take_slot(r, wait, would_wait);
    if (!s)
        return r->no_memory ? status_no_memory(sizeof(Slot)) : ST_OK;
    uint64_t start = now_ns();
    Status st = s->status == ST_OK ? ST_OK : status_fail(s->status, "%s", s->message);
    for (int i = 0; i < r->column_count && s->status == ST_OK; i++) {
        if (st == ST_OK)
            st = column_finish(r->columns[i], &s->fetches[i], &s->batch.columns[i]);
        else
            column_drop(r->columns[i], &s->fetches[i]);
    }
    if (st != ST_OK) {
        h5_reader_release(r, &s->batch);
        return st;
    }
    add_decoded(r, s, now_ns() - start);
    *out = &s->batch;
    return ST_OK;
}

Status h5_reader_next(H5Reader *r, H5Batch **out)
{
    bool would_wait = false;
    return take(r, true, out, &would_wait);
}

Status h5_reader_try_next(H5Reader *r, H5Batch **out, bool *would_wait)
{
    *would_wait = false;
    return take(r, false, out, would_wait);
}

void h5_reader_release(H5Reader *r, H5Batch *b)
{
    Slot *s = (Slot *)b;
    pthread_mutex_lock(&r->lock);
    s->next = r->spare;
    r->spare = s;
    pthread_mutex_unlock(&r->lock);
}

H5ReaderStats h5_reader_stats(H5Reader *r)
{
    pthread_mutex_lock(&r->lock);
    H5ReaderStats s = r->stats;
    pthread_mutex_unlock(&r->lock);
    return s;
}
