// The scheduler's state machine.
// Free batches are a stack of ranges; what a worker holds is a sorted list of them, split as batches in the middle are done.
#include "coordinator/sched.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Parts of the batches of a round, see sched.h.
static const double USUAL_PART = 1.0 / 3, GREATEST_PART = 2.0 / 3, MEASURING_PART = 1.0 / 16;
// Parts of the coordinator's time: all leases of the run; while leases are shortest, longest; reports between leases.
static const double BUSY = 0.007, BUSY_WITH_SHORTEST = 0.25, BUSY_WITH_LONGEST = 0.003, BUSY_WITH_REPORTS = 0.001;
static const double MEASURED_SECONDS = 1; // of computing that tell a worker's speed
static const double MEASURED_BATCHES = 2; // fewer do not tell it well: 100,000 workers have a few odd ones
static const double LONGEST_LEASE_SECONDS = 2, REQUEST_EARLY_SECONDS = 0.01;
static const double MESSAGES_PER_LEASE = 2; // the request, which carries reports, and the answer
static const double LEASES_AROUND = 2;      // for each worker, in messages: plan, last request, its answer, leaving

typedef struct Ranges {
    Lease *items;
    size_t count, capacity;
} Ranges;

typedef struct Worker {
    Ranges held; // ascending
    int64_t held_count;
    int64_t want; // of the request that waits, 0: none
    int next, before; // in the queue of those that wait
    bool lost, served;
    double seconds, batches; // measured lately: seconds that these batches took
    double rate;             // batches a second, 0: unknown
    int64_t round;            // of its last lease
} Worker;

struct Sched {
    SchedOptions options;
    uint8_t *done; // [batches]
    Ranges free;   // the top is handed out first
    int64_t free_count, done_count, errors, missing; // missing: batches of this run
    Worker *workers;
    int alive, served;    // served: alive ones that have had a lease
    int measured;         // alive ones whose speed is known
    double measured_rate; // their batches a second, together
    int64_t leases;       // handed out
    int64_t round, round_base, round_left; // its number from 1; batches free when it began; batches it still hands out
    double round_part;
    int first_waiting, last_waiting; // a queue, -1: empty
    bool settled, stopped, too_many;
};

static bool ranges_insert(Ranges *r, size_t at, int64_t first, int64_t count)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 4;
        Lease *items = realloc(r->items, capacity * sizeof *items);
        if (!items)
            return false;
        r->items = items;
        r->capacity = capacity;
    }
    memmove(r->items + at + 1, r->items + at, (r->count - at) * sizeof *r->items);
    r->items[at] = (Lease){first, count};
    r->count++;
    return true;
}

static bool ranges_push(Ranges *r, int64_t first, int64_t count) { return ranges_insert(r, r->count, first, count); }

static void ranges_remove(Ranges *r, size_t at)
{
    r->count--;
    memmove(r->items + at, r->items + at + 1, (r->count - at) * sizeof *r->items);
}

// The first range of a sorted list that ends behind `batch`.
static size_t ranges_find(const Ranges *r, int64_t batch)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->items[middle].first + r->items[middle].count > batch)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void queue_leave(Sched *s, int worker)
{
    Worker *w = &s->workers[worker];
    if (w->want == 0)
        return;
    w->want = 0;
    *(w->before < 0 ? &s->first_waiting : &s->workers[w->before].next) = w->next;
    *(w->next < 0 ? &s->last_waiting : &s->workers[w->next].before) = w->before;
}

static void queue_join(Sched *s, int worker, int64_t want)
{
    Worker *w = &s->workers[worker];
    w->want = want;
    w->next = -1;
    w->before = s->last_waiting;
    *(w->before < 0 ? &s->first_waiting : &s->workers[w->before].next) = worker;
    s->last_waiting = worker;
}

Status sched_new(const SchedOptions *options, Sched **out)
{
    Sched *s = calloc(1, sizeof *s);
    if (!s)
        return status_no_memory(sizeof *s);
    s->options = *options;
    s->options.map = NULL;
    s->alive = options->workers;
    s->first_waiting = s->last_waiting = -1;
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
    s->missing = s->free_count;
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

static int sharing(const Sched *s) { return s->options.in_order ? 1 : s->alive; }

// Batches a second of all workers together; those not measured yet are taken for average ones. 0: unknown.
static double total_rate(const Sched *s) { return s->measured ? s->measured_rate / s->measured * sharing(s) : 0; }

static bool few_measured(const Sched *s) { return s->measured == 0 || 2 * s->measured < s->served; }

// The part of what is free that brings `seconds` down to `shortest` in the leases that the budget leaves each worker.
static double affordable_part(const Sched *s, double cost, double seconds, double shortest)
{
    double leases = BUSY * (double)s->missing / total_rate(s) / cost - (double)s->leases / sharing(s) - LEASES_AROUND;
    if (leases < 2)
        return GREATEST_PART;
    double part = 1 - pow(fmin(shortest / seconds, 1), 1 / (leases - 1));
    return fmin(fmax(part, USUAL_PART), GREATEST_PART);
}

// The part of what is free that the round which begins hands out: f of sched.h.
static double part_of_round(const Sched *s)
{
    double cost = MESSAGES_PER_LEASE * s->options.message_seconds * sharing(s); // of a lease for everyone
    double rate = total_rate(s);
    if (cost > 0 && few_measured(s))
        return MEASURING_PART;
    if (rate <= 0)
        return USUAL_PART;
    double seconds = (double)s->free_count / rate, least = cost / BUSY_WITH_SHORTEST;
    double shortest = fmax(s->options.lease_seconds, least), part = USUAL_PART;
    if (cost > 0) {
        part = affordable_part(s, cost, seconds, shortest);
        part = fmin(part, fmax(LONGEST_LEASE_SECONDS, cost / BUSY_WITH_LONGEST) / seconds);
    }
    part = fmax(part, fmin(s->options.lease_seconds / seconds, GREATEST_PART));
    return fmax(part, least / seconds); // more than all: some workers get none, rather than all less than messages cost
}

// Never less than the worker can run at once, as long as the others get as much.
static int64_t lease_size(Sched *s, Worker *w, int64_t want)
{
    if (!s->settled)
        return want;
    if (s->round_left <= 0 || w->round == s->round) {
        s->round++;
        s->round_base = s->free_count;
        s->round_part = part_of_round(s);
        s->round_left = (int64_t)ceil(s->round_part * (double)s->round_base);
    }
    w->round = s->round;
    double share = (double)s->round_base / sharing(s), rate = total_rate(s);
    if (w->rate > 0 && rate > 0)
        share = (double)s->round_base * w->rate / rate;
    double size = share * s->round_part;
    // Not measured yet where most are: a slow one.
    if (s->options.message_seconds > 0 && w->rate == 0 && !few_measured(s))
        size = (double)want;
    else if (s->options.message_seconds > 0 && w->batches < MEASURED_BATCHES)
        size = fmin(size, share * MEASURING_PART);
    size = fmax(size, fmin((double)want, ceil(share)));
    size = fmax(size, 1);
    return size < (double)s->free_count ? (int64_t)size : s->free_count;
}

SchedAnswer sched_request(Sched *s, int worker, int64_t want, Lease *lease)
{
    Worker *w = &s->workers[worker];
    queue_leave(s, worker);
    if (s->stopped || w->lost || s->done_count == s->options.batches || (s->options.in_order && worker != 0))
        return SCHED_NOTHING;
    // Before the structure of the results is known only worker 0, which finds it, goes on when its first batches failed.
    bool early = !s->settled && w->served && (worker != 0 || w->held_count > 0);
    // What others hold may come back when one of them is lost.
    if (s->free_count == 0 || early) {
        queue_join(s, worker, want);
        return SCHED_WAIT;
    }
    int64_t size = lease_size(s, w, want);
    Lease *top = &s->free.items[s->free.count - 1];
    if (size > top->count)
        size = top->count;
    if (!ranges_insert(&w->held, ranges_find(&w->held, top->first), top->first, size)) {
        s->stopped = true;
        return SCHED_NOTHING;
    }
    *lease = (Lease){top->first, size};
    top->first += size;
    top->count -= size;
    if (top->count == 0)
        s->free.count--;
    s->free_count -= size;
    s->round_left -= size;
    s->leases++;
    w->held_count += size;
    s->served += !w->served;
    w->served = true;
    return SCHED_LEASE;
}

int sched_next_waiting(Sched *s, int64_t *want)
{
    bool over = s->stopped || s->done_count == s->options.batches;
    int worker = s->first_waiting;
    if (!over && s->free_count == 0)
        return -1;
    if (!over && !s->settled)
        worker = s->workers[0].want > 0 && s->workers[0].held_count == 0 ? 0 : -1;
    if (worker >= 0)
        *want = s->workers[worker].want;
    return worker;
}

// Takes what the worker holds of batches `first` … `end` - 1 away from it; how many these were.
static int64_t release(Sched *s, Worker *w, int64_t first, int64_t end, bool done)
{
    int64_t released = 0;
    for (size_t i = ranges_find(&w->held, first); i < w->held.count && w->held.items[i].first < end;) {
        Lease *r = &w->held.items[i];
        int64_t r_end = r->first + r->count, from = r->first > first ? r->first : first, to = r_end < end ? r_end : end;
        if (done)
            memset(s->done + from, 1, (size_t)(to - from));
        released += to - from;
        r->count = from - r->first;
        if (r->count > 0) {
            i++;
            if (to < r_end && !ranges_insert(&w->held, i, to, r_end - to))
                s->stopped = true;
        } else if (to < r_end) {
            *r = (Lease){to, r_end - to};
        } else {
            ranges_remove(&w->held, i);
        }
    }
    w->held_count -= released;
    return released;
}

// Forgets what is older than four batches and than a second of computing: a batch that was held up once does not make a
// worker a slow one.
static void measure(Sched *s, Worker *w, int64_t count, double seconds)
{
    seconds = fmin(fmax(seconds, 1e-9), 1e9); // sums of rates stay numbers
    double all = seconds * (double)count;
    double keep = fmax(count == 1 ? 0.75 : count < 64 ? pow(0.75, (double)count) : 0, 1 - all / MEASURED_SECONDS);
    w->seconds = keep * w->seconds + all;
    w->batches = keep * w->batches + (double)count;
    s->measured += w->rate == 0;
    s->measured_rate -= w->rate;
    w->rate = w->batches / w->seconds;
    s->measured_rate += w->rate;
}

int64_t sched_done_run(Sched *s, int worker, int64_t first, int64_t count, double seconds)
{
    Worker *w = &s->workers[worker];
    if (w->lost || first < 0 || count < 1 || first >= s->options.batches)
        return 0;
    int64_t done = release(s, w, first, count < s->options.batches - first ? first + count : s->options.batches, true);
    s->done_count += done;
    if (done > 0 && seconds > 0)
        measure(s, w, done, seconds);
    return done;
}

bool sched_done(Sched *s, int worker, int64_t batch, int64_t errors, double seconds)
{
    if (sched_done_run(s, worker, batch, 1, seconds) == 0)
        return false;
    s->errors += errors;
    if (errors > 0 && (!s->options.skip_errors || (s->options.max_errors && s->errors > s->options.max_errors)))
        s->too_many = s->stopped = true;
    return true;
}

void sched_failed(Sched *s, int worker, int64_t batch)
{
    release(s, &s->workers[worker], batch, batch + 1, false);
    s->errors++;
    s->stopped = true;
}

void sched_lost(Sched *s, int worker)
{
    Worker *w = &s->workers[worker];
    if (w->lost)
        return;
    queue_leave(s, worker);
    w->lost = true;
    s->alive--;
    s->served -= w->served;
    s->measured -= w->rate > 0;
    s->measured_rate -= w->rate;
    for (size_t i = 0; i < w->held.count; i++)
        if (ranges_push(&s->free, w->held.items[i].first, w->held.items[i].count))
            s->free_count += w->held.items[i].count;
        else
            s->stopped = true;
    w->held.count = 0;
    w->held_count = 0;
    if (s->alive == 0)
        s->stopped = true;
}

void sched_stop(Sched *s) { s->stopped = true; }

void sched_settle(Sched *s) { s->settled = true; }

double sched_request_early_seconds(int workers, double message_seconds)
{
    return REQUEST_EARLY_SECONDS + MESSAGES_PER_LEASE * workers * message_seconds;
}

double sched_report_seconds(int workers, double message_seconds) { return workers * message_seconds / BUSY_WITH_REPORTS; }

bool sched_finished(const Sched *s) { return s->done_count == s->options.batches; }
bool sched_is_done(const Sched *s, int64_t batch) { return s->done[batch]; }
bool sched_stopped(const Sched *s) { return s->stopped; }
bool sched_too_many_errors(const Sched *s) { return s->too_many; }
int64_t sched_done_count(const Sched *s) { return s->done_count; }
int64_t sched_error_count(const Sched *s) { return s->errors; }
int64_t sched_outstanding(const Sched *s, int worker) { return s->workers[worker].held_count; }
