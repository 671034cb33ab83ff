// Cluster: the simulation of workers and coordinator. A lease is one step of it, not a batch: how many of its batches
// are done at some time follows from when it began and ends, so that 100,000 workers take seconds.
#include "cluster.h"
#include "events.h"

#include "coordinator/sched.h"

#include <math.h>
#include <stdlib.h>

enum { WAKE, LEASE, ARRIVE, LOST, NOTICED };

typedef struct Work { // a lease being computed
    Lease lease;
    int64_t reported;
    double start, end, seconds; // seconds: of computing at the worker's first speed
    double told;                // when the last reported batch ended
} Work;

typedef struct SimWorker {
    double batch_seconds, slow_at, lost_at;
    Work *work; // oldest first
    int count, capacity;
    double dry;  // when all that it holds is computed
    double wake; // the time of its next WAKE, INFINITY: none
    double reported_at;
    bool requested, told_nothing, dead;
} SimWorker;

typedef struct Report {
    Lease run;
    double seconds;
} Report;

typedef struct Cluster {
    const ClusterOptions *o;
    Events events;
    Random random;
    Sched *sched;
    SimWorker *workers;
    uint8_t *counted; // [batches]
    double server_free, service, finished;
    bool settled;
    ClusterResult r;
} Cluster;

static void wrong(Cluster *c, const char *what)
{
    if (!c->r.wrong)
        c->r.wrong = what;
}

// Seconds of computing at the first speed that a worker does between two times.
static double worked(const Cluster *c, const SimWorker *w, double from, double to)
{
    if (to <= from)
        return 0;
    double fast = fmax(0, fmin(to, w->slow_at) - from);
    return fast + (to - from - fast) / c->o->slowdown;
}

static double work_end(const Cluster *c, const SimWorker *w, double start, double seconds)
{
    double fast = fmax(0, w->slow_at - start);
    return seconds <= fast ? start + seconds : start + fast + (seconds - fast) * c->o->slowdown;
}

static int64_t work_done(const Cluster *c, const SimWorker *w, const Work *k, double now)
{
    if (now >= k->end)
        return k->lease.count;
    int64_t done = (int64_t)((double)k->lease.count * worked(c, w, k->start, now) / k->seconds);
    return done < k->lease.count ? done : k->lease.count - 1;
}

static double early_seconds(const Cluster *c)
{
    return sched_request_early_seconds(c->o->workers, c->o->message_seconds);
}
static double hold_seconds(const Cluster *c)
{
    return sched_report_seconds(c->o->workers, c->o->message_seconds);
}

// One message with all that is done and not reported, and with a request if `request`.
static void send(Cluster *c, int id, bool request)
{
    SimWorker *w = &c->workers[id];
    double now = c->events.now;
    Report *reports = must(malloc((size_t)(w->count + 1) * sizeof *reports));
    int n = 0, over = 0;
    for (int i = 0; i < w->count; i++) {
        Work *k = &w->work[i];
        int64_t done = work_done(c, w, k, now);
        if (done > k->reported) {
            double end =
                work_end(c, w, k->start, k->seconds * (double)done / (double)k->lease.count); // of the last of them
            reports[n++] = (Report){{k->lease.first + k->reported, done - k->reported},
                                    (end - k->told) / (double)(done - k->reported)};
            k->told = end;
        }
        k->reported = done;
        over += done == k->lease.count;
    }
    w->count -= over;
    for (int i = 0; i < w->count; i++)
        w->work[i] = w->work[i + over];
    w->reported_at = now;
    w->requested |= request;
    events_add(&c->events,
               (Event){.time = now + c->o->latency, .kind = ARRIVE, .who = id, .a = n, .b = request, .data = reports});
}

// Does what is due, and sees to it that the worker wakes when the next thing is.
static void wake(Cluster *c, int id)
{
    SimWorker *w = &c->workers[id];
    double now = c->events.now;
    if (w->dead)
        return;
    if (!w->requested && !w->told_nothing && now >= w->dry - early_seconds(c))
        send(c, id, true);
    else if (w->count > 0 && (now >= w->dry || now >= w->reported_at + hold_seconds(c)))
        send(c, id, false);
    double next = INFINITY;
    if (!w->requested && !w->told_nothing)
        next = w->dry - early_seconds(c);
    if (w->count > 0)
        next = fmin(next, fmin(w->dry, w->reported_at + hold_seconds(c)));
    if (next < w->wake || w->wake <= now) {
        w->wake = next;
        if (next < INFINITY)
            events_add(&c->events, (Event){.time = next, .kind = WAKE, .who = id});
    }
}

static void take_lease(Cluster *c, int id, Lease l)
{
    SimWorker *w = &c->workers[id];
    if (w->dead)
        return;
    w->requested = false;
    if (l.count == 0) {
        w->told_nothing = true;
        return;
    }
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 2;
        w->work = must(realloc(w->work, (size_t)w->capacity * sizeof *w->work));
    }
    double n = (double)l.count, noise = fmax(1 + c->o->noise * random_normal(&c->random) / sqrt(n), 0.05);
    Work k = {.lease = l, .start = fmax(c->events.now, w->dry), .seconds = n * w->batch_seconds * noise};
    k.told = k.start;
    w->dry = k.end = work_end(c, w, k.start, k.seconds);
    c->r.lease = fmax(c->r.lease, k.seconds);
    w->work[w->count++] = k;
    wake(c, id);
}

static void serve(Cluster *c, double seconds)
{
    c->server_free += seconds;
    c->service += seconds;
}

static void send_from_coordinator(Cluster *c)
{
    serve(c, c->o->message_seconds);
    c->r.messages++;
}

static void answer(Cluster *c, int id, int64_t want)
{
    Lease l = {0};
    SchedAnswer a = sched_request(c->sched, id, want, &l);
    if (a == SCHED_WAIT)
        return;
    send_from_coordinator(c);
    c->r.leases += a == SCHED_LEASE;
    if (a == SCHED_NOTHING)
        l.count = 0;
    events_add(&c->events,
               (Event){.time = c->server_free + c->o->latency, .kind = LEASE, .who = id, .a = l.first, .b = l.count});
}

static void serve_waiting(Cluster *c)
{
    int64_t want;
    for (int id; (id = sched_next_waiting(c->sched, &want)) >= 0;)
        answer(c, id, want);
}

static void settle(Cluster *c)
{
    c->settled = true;
    for (int i = 0; i < c->o->workers; i++)
        send_from_coordinator(c); // the plan of the output
    sched_settle(c->sched);
}

static void arrive(Cluster *c, const Event *e)
{
    double now = c->events.now;
    c->server_free = fmax(c->server_free, now);
    c->r.queue = fmax(c->r.queue, c->server_free - now);
    c->r.messages++;
    serve(c, c->o->message_seconds + (double)e->a * c->o->run_seconds);
    const Report *reports = e->data;
    for (int64_t i = 0; i < e->a; i++) {
        Lease run = reports[i].run;
        int64_t counts = sched_done_run(c->sched, e->who, run.first, run.count, reports[i].seconds);
        if (counts == 0 && c->workers[e->who].dead)
            continue;
        if (counts != run.count)
            wrong(c, "a first report was refused");
        for (int64_t b = run.first; b < run.first + run.count; b++)
            if (c->counted[b]++ != 0)
                wrong(c, "a batch counted twice");
        if (!c->settled && e->who == 0)
            settle(c);
    }
    if (c->finished == 0 && sched_finished(c->sched))
        c->finished = c->server_free;
    if (e->b)
        answer(c, e->who, c->o->lanes);
    serve_waiting(c);
    free(e->data);
}

static void notice_loss(Cluster *c, int id)
{
    if (sched_finished(c->sched))
        return;
    c->server_free = fmax(c->server_free, c->events.now);
    c->r.lost++;
    c->r.leased_again += sched_outstanding(c->sched, id);
    sched_lost(c->sched, id);
    serve_waiting(c);
}

static void take(Cluster *c, const Event *e)
{
    switch (e->kind) {
    case WAKE:
        if (e->time == c->workers[e->who].wake)
            wake(c, e->who);
        break;
    case LEASE:
        take_lease(c, e->who, (Lease){e->a, e->b});
        break;
    case ARRIVE:
        arrive(c, e);
        break;
    case LOST:
        c->workers[e->who].dead = true;
        events_add(&c->events, (Event){.time = e->time + c->o->notice, .kind = NOTICED, .who = e->who});
        break;
    case NOTICED:
        notice_loss(c, e->who);
        break;
    }
}

// Batches that all workers could do until `time`.
static double capacity(const Cluster *c, double time)
{
    double sum = 0;
    for (int i = 0; i < c->o->workers; i++)
        sum += worked(c, &c->workers[i], 0, fmin(time, c->workers[i].lost_at)) / c->workers[i].batch_seconds;
    return sum;
}

static double ideal_seconds(const Cluster *c)
{
    double low = 0, high = 1e-3;
    while (capacity(c, high) < (double)c->o->batches)
        high *= 2;
    for (int i = 0; i < 60; i++)
        *(capacity(c, (low + high) / 2) < (double)c->o->batches ? &low : &high) = (low + high) / 2;
    return high;
}

static void make_workers(Cluster *c)
{
    const ClusterOptions *o = c->o;
    double job = (double)o->batches * o->batch_seconds / o->workers;
    for (int i = 0; i < o->workers; i++) {
        SimWorker *w = &c->workers[i];
        // The mean of the speeds is 1, whatever their spread.
        w->batch_seconds = o->batch_seconds / exp(o->spread * random_normal(&c->random) - o->spread * o->spread / 2);
        w->slow_at = random_uniform(&c->random) < o->stragglers ? job * random_uniform(&c->random) : INFINITY;
        w->lost_at = random_uniform(&c->random) < o->lost && i > 0 ? job * random_uniform(&c->random) : INFINITY;
        w->wake = 0;
        events_add(&c->events, (Event){.time = 0, .kind = WAKE, .who = i}); // all ask at once: the worst
        if (w->lost_at < INFINITY)
            events_add(&c->events, (Event){.time = w->lost_at, .kind = LOST, .who = i});
    }
}

static void check_end(Cluster *c)
{
    if (!sched_finished(c->sched))
        wrong(c, "the simulation ended with batches missing");
    for (int64_t b = 0; b < c->o->batches; b++)
        if (c->counted[b] != 1)
            wrong(c, "a batch did not count");
    double first_dry = INFINITY;
    for (int i = 0; i < c->o->workers; i++) {
        const SimWorker *w = &c->workers[i];
        if (w->dead)
            continue;
        if (!w->told_nothing || w->count > 0 || sched_outstanding(c->sched, i) > 0)
            wrong(c, "a worker was not told that nothing is left");
        first_dry = fmin(first_dry, w->dry);
    }
    c->r.imbalance = c->finished - first_dry;
}

ClusterResult cluster_simulate(const ClusterOptions *o)
{
    Cluster c = {.o = o, .random = {o->seed}};
    SchedOptions options = {
        .batches = o->batches, .workers = o->workers, .lease_seconds = 0.05, .message_seconds = o->message_seconds};
    if (sched_new(&options, &c.sched) != ST_OK)
        must(NULL);
    c.workers = must(calloc((size_t)o->workers, sizeof *c.workers));
    c.counted = must(calloc((size_t)o->batches, 1));
    make_workers(&c);
    for (Event e; events_take(&c.events, &e);)
        take(&c, &e);
    check_end(&c);
    c.r.ideal = ideal_seconds(&c);
    c.r.seconds = c.finished;
    c.r.efficiency = c.r.ideal / c.finished;
    c.r.busy = c.service / c.finished;
    for (int i = 0; i < o->workers; i++)
        free(c.workers[i].work);
    free(c.workers);
    free(c.counted);
    events_free(&c.events);
    sched_free(c.sched);
    return c.r;
}
