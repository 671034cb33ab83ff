// The scheduler's state machine.
// Free batches are a stack of ranges; what a worker holds is a list of ranges, split as batches in the middle are done.
#include "coordinator/sched.h"

#include <stdlib.h>
#include <string.h>

typedef struct Ranges {
    Lease *items;
    size_t count, capacity;
} Ranges;

typedef struct Worker {
    Ranges held;
    int64_t held_count;
    int64_t want; // of the request that waits, 0: none
    bool lost, served;
    double seconds_per_batch; // running mean, 0: unknown
} Worker;

struct Sched {
    SchedOptions options;
    uint8_t *done; // [batches]
    Ranges free;   // the top is handed out first
    int64_t free_count, done_count, errors;
    Worker *workers;
    int alive;
    int first_waiting; // no worker below it waits
    bool settled, stopped, too_many, out_of_memory;
};

static bool ranges_push(Ranges *r, int64_t first, int64_t count)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 4;
        Lease *items = realloc(r->items, capacity * sizeof *items);
        if (!items)
            return false;
        r->items = items;
        r->capacity = capacity;
    }
    r->items[r->count++] = (Lease){first, count};
    return true;
}

Status sched_new(const SchedOptions *options, Sched **out)
{
    Sched *s = calloc(1, sizeof *s);
    if (!s)
        return status_no_memory(sizeof *s);
    s->options = *options;
    s->options.map = NULL;
    s->alive = options->workers;
    s->done = calloc((size_t)options->batches + 1, 1);
    s->workers = calloc((size_t)options->workers, sizeof *s->workers);
    bool ok = s->done && s->workers;
    // Ranges of missing batches, last first, so that the stack hands them out in order.
    for (int64_t end = options->batches; ok && end > 0;) {
        int64_t first = end;
        while (first > 0 && !(options->map && options->map[first - 1]))
            first--;
        if (first < end)
            ok = ranges_push(&s->free, first, end - first);
        s->free_count += end - first;
        for (end = first; end > 0 && options->map && options->map[end - 1]; end--) {
            s->done[end - 1] = 1;
            s->done_count++;
        }
    }
    if (!ok) {
        sched_free(s);
        return status_no_memory((size_t)options->batches);
    }
    *out = s;
    return ST_OK;
}

void sched_free(Sched *s)
{
    if (!s)
        return;
    for (int i = 0; s->workers && i < s->options.workers; i++)
        free(s->workers[i].held.items);
    free(s->workers);
    free(s->free.items);
    free(s->done);
    free(s);
}

// A third of an equal share of what is left: the classic guided schedule, which ends in single batches. Never less than
// the worker can run at once nor than a lease is worth, as long as the others get as much.
static int64_t lease_size(const Sched *s, const Worker *w, int64_t want)
{
    if (!s->settled)
        return want;
    int64_t alive = s->options.in_order ? 1 : s->alive;
    int64_t fair = (s->free_count + alive - 1) / alive;
    int64_t size = fair / 3;
    int64_t least = want;
    if (w->seconds_per_batch > 0 && s->options.lease_seconds / w->seconds_per_batch > (double)least)
        least = s->options.lease_seconds / w->seconds_per_batch < (double)fair ? (int64_t)(s->options.lease_seconds / w->seconds_per_batch) : fair;
    if (size < least)
        size = least;
    return size > fair ? fair : size;
}

SchedAnswer sched_request(Sched *s, int worker, int64_t want, Lease *lease)
{
    Worker *w = &s->workers[worker];
    w->want = 0;
    if (s->stopped || w->lost || s->done_count == s->options.batches || (s->options.in_order && worker != 0))
        return SCHED_NOTHING;
    // Before the structure of the results is known only worker 0, which finds it, goes on when its first batches failed.
    bool early = !s->settled && w->served && (worker != 0 || w->held_count > 0);
    // What others hold may come back when one of them is lost.
    if (s->free_count == 0 || early || s->out_of_memory) {
        w->want = want;
        if (worker < s->first_waiting)
            s->first_waiting = worker;
        return SCHED_WAIT;
    }
    int64_t size = lease_size(s, w, want);
    Lease *top = &s->free.items[s->free.count - 1];
    if (size > top->count)
        size = top->count;
    if (!ranges_push(&w->held, top->first, size)) {
        s->out_of_memory = s->stopped = true;
        return SCHED_NOTHING;
    }
    *lease = (Lease){top->first, size};
    top->first += size;
    top->count -= size;
    if (top->count == 0)
        s->free.count--;
    s->free_count -= size;
    w->held_count += size;
    w->served = true;
    return SCHED_LEASE;
}

int sched_next_waiting(Sched *s, int64_t *want)
{
    bool over = s->stopped || s->done_count == s->options.batches;
    if (!over && s->free_count == 0)
        return -1;
    for (int i = s->first_waiting; i < s->options.workers; i++) {
        const Worker *w = &s->workers[i];
        if (w->want == 0)
            continue;
        if (!over && !s->settled && (i != 0 || w->held_count > 0))
            continue;
        *want = w->want;
        return i;
    }
    if (over || s->settled)
        s->first_waiting = s->options.workers;
    return -1;
}

// Takes `batch` out of what the worker holds; false when it does not hold it.
static bool release(Sched *s, Worker *w, int64_t batch)
{
    for (size_t i = 0; i < w->held.count; i++) {
        Lease *r = &w->held.items[i];
        if (batch < r->first || batch >= r->first + r->count)
            continue;
        int64_t after = r->first + r->count - batch - 1;
        r->count = batch - r->first;
        if (r->count == 0) {
            r->first = batch + 1;
            r->count = after;
        } else if (after > 0 && !ranges_push(&w->held, batch + 1, after)) {
            s->out_of_memory = s->stopped = true;
        }
        if (w->held.items[i].count == 0)
            w->held.items[i] = w->held.items[--w->held.count];
        w->held_count--;
        return true;
    }
    return false;
}

bool sched_done(Sched *s, int worker, int64_t batch, int64_t errors, double seconds)
{
    Worker *w = &s->workers[worker];
    if (w->lost || batch < 0 || batch >= s->options.batches || !release(s, w, batch) || s->done[batch])
        return false;
    s->done[batch] = 1;
    s->done_count++;
    s->errors += errors;
    if (seconds > 0)
        w->seconds_per_batch = w->seconds_per_batch > 0 ? 0.75 * w->seconds_per_batch + 0.25 * seconds : seconds;
    if (errors > 0 && (!s->options.skip_errors || (s->options.max_errors && s->errors > s->options.max_errors)))
        s->too_many = s->stopped = true;
    return true;
}

void sched_failed(Sched *s, int worker, int64_t batch)
{
    release(s, &s->workers[worker], batch);
    s->errors++;
    s->stopped = true;
}

void sched_lost(Sched *s, int worker)
{
    Worker *w = &s->workers[worker];
    if (w->lost)
        return;
    w->lost = true;
    w->want = 0;
    s->alive--;
    for (size_t i = 0; i < w->held.count; i++)
        if (ranges_push(&s->free, w->held.items[i].first, w->held.items[i].count))
            s->free_count += w->held.items[i].count;
        else
            s->out_of_memory = s->stopped = true;
    w->held.count = 0;
    w->held_count = 0;
    if (s->alive == 0)
        s->stopped = true;
}

void sched_stop(Sched *s) { s->stopped = true; }

void sched_settle(Sched *s)
{
    s->settled = true;
    s->first_waiting = 0;
}

bool sched_finished(const Sched *s) { return s->done_count == s->options.batches; }
bool sched_stopped(const Sched *s) { return s->stopped; }
bool sched_too_many_errors(const Sched *s) { return s->too_many; }
int64_t sched_done_count(const Sched *s) { return s->done_count; }
int64_t sched_error_count(const Sched *s) { return s->errors; }
int64_t sched_outstanding(const Sched *s, int worker) { return s->workers[worker].held_count; }
