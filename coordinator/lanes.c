// The threads that compute. A lane shares with the others only the reader, the plan of the output, and the list of events.
#include "coordinator/lanes.h"

#include "coordinator/arguments.h"
#include "worker/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANE_STACK = 64 << 20, HELD_PAYLOAD_LIMIT = 256 << 20 };

typedef struct LaneThread {
    Lanes *all;
    pthread_t thread;
    Lane *lane;
    Instance *instance;
    Generator *generator; // of the lane
    Results results;
    LaneStats stats;
    Trace trace;
} LaneThread;

typedef struct EventNode {
    LaneEvent event;
    struct EventNode *next;
} EventNode;

struct Lanes {
    const Job *job;
    H5Reader *reader;
    ArgumentMaker maker;
    double clock_offset; // job_clock minus now_ns
    LaneThread *threads;
    int count, joined;

    pthread_mutex_t lock; // of what follows
    pthread_cond_t to_main, to_lanes;
    EventNode *first, *last;
    size_t held_payload; // bytes of payload in the list
    const OutputPlan *plan;
    RowWriter *writer;
    bool cancelled;
    int running;
    int64_t pushed, taken;   // batches given to the reader, and taken from it
    uint64_t work_since;     // when the reader last got work after having none
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct timespec deadline(int64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    return (struct timespec){t.tv_sec + ns / 1000000000, ns % 1000000000};
}

// Takes the event's memory. Without memory for the list node nothing can be told: the run is cancelled by the main thread,
// which sees no lane running and batches missing.
static void post(LaneThread *t, LaneEvent event)
{
    Lanes *l = t->all;
    EventNode *n = malloc(sizeof *n);
    uint64_t start = now_ns();
    pthread_mutex_lock(&l->lock);
    while (event.kind == LANE_ROWS && l->held_payload > HELD_PAYLOAD_LIMIT && !l->cancelled)
        pthread_cond_wait(&l->to_lanes, &l->lock);
    if (n) {
        *n = (EventNode){event, NULL};
        if (l->last)
            l->last->next = n;
        else
            l->first = n;
        l->last = n;
        l->held_payload += event.payload.len;
    } else {
        lane_event_free(&event);
        l->cancelled = true;
    }
    pthread_cond_signal(&l->to_main);
    pthread_mutex_unlock(&l->lock);
    t->stats.plan_wait_ns += now_ns() - start;
}

static void post_failure(LaneThread *t, int64_t batch, Status s)
{
    post(t, (LaneEvent){.kind = LANE_FAILED, .batch = batch, .status = s, .message = strdup(status_message())});
}

// The plan, when there is one; *known false: the run was cancelled first.
static const OutputPlan *wait_for_plan(LaneThread *t, bool probe, RowWriter **writer, bool *known)
{
    Lanes *l = t->all;
    pthread_mutex_lock(&l->lock);
    bool ask = probe && !l->plan;
    pthread_mutex_unlock(&l->lock);
    if (ask)
        post(t, (LaneEvent){.kind = LANE_PROBE, .batch = t->results.batch, .probe = &t->results});
    uint64_t start = now_ns();
    pthread_mutex_lock(&l->lock);
    while (!l->plan && !l->cancelled)
        pthread_cond_wait(&l->to_lanes, &l->lock);
    const OutputPlan *plan = l->plan;
    *writer = l->writer;
    *known = plan != NULL && !l->cancelled;
    pthread_mutex_unlock(&l->lock);
    t->stats.plan_wait_ns += now_ns() - start;
    return plan;
}

static Status call(LaneThread *t, const IValue *args, int64_t row, int64_t padded)
{
    const Job *j = t->all->job;
    Results *r = &t->results;
    IValue result;
    int64_t first = j->first_row + r->first + (row < 0 ? 0 : row), count = row < 0 ? r->count : 1;
    // What a call draws at random depends on its samples only, not on who runs it.
    generator_key(t->generator, (uint64_t)j->options->seed, (uint64_t)first);
    t->stats.calls++;
    uint64_t start = now_ns();
    Status s = instance_call(t->instance, args, j->binding.count, &result);
    t->stats.compute_ns += now_ns() - start;
    if (s != ST_OK) {
        if (s == ST_RAISED && strcmp(j->options->on_error, "skip") == 0)
            return results_add_error(r, row < 0 ? 0 : row, count, status_message());
        if (count == 1)
            return status_context(s, "sample %lld", (long long)first);
        return status_context(s, "samples %lld to %lld", (long long)first, (long long)(first + count - 1));
    }
    s = row < 0 ? results_add_batch(r, t->lane, result, padded, j->binding.rows_as_list) : results_add_row(r, t->lane, result, row);
    value_release(result);
    return s;
}

static void release_all(IValue *args, int n)
{
    for (int i = 0; i < n; i++)
        value_release(args[i]);
}

static Status compute(LaneThread *t, const H5Batch *b)
{
    const Job *j = t->all->job;
    IValue args[MAX_ARGUMENTS];
    results_start(&t->results, b->tag, b->first - j->first_row, b->count);
    int64_t calls = j->options->per_sample ? b->count : 1;
    for (int64_t i = 0; i < calls; i++) {
        int64_t row = j->options->per_sample ? i : -1, padded = j->options->pad_last ? j->batch_size : b->count;
        TRY(row < 0 ? arguments_of_batch(&t->all->maker, t->lane, b, padded, args) : arguments_of_row(&t->all->maker, t->lane, b, row, args));
        Status s = call(t, args, row, padded);
        release_all(args, j->binding.count);
        TRY(s);
    }
    return results_finish(&t->results);
}

static Status send_rows(LaneThread *t, const bool *send, double seconds)
{
    LaneEvent e = {.kind = LANE_ROWS, .batch = t->results.batch, .seconds = seconds};
    results_pack(&e.payload, &t->results, send);
    Status s = buf_status(&e.payload);
    if (s == ST_OK)
        post(t, e);
    else
        buf_free(&e.payload);
    return s;
}

// Writes or sends the results of a batch. Nothing happens when the run is cancelled first.
static Status deliver(LaneThread *t, double seconds)
{
    Results *r = &t->results;
    bool send[H5_SINK_MAX_COLUMNS] = {false}, known, all;
    if (r->column_count == 0 && r->error_count > 0)
        return send_rows(t, send, seconds); // the whole batch raised: the coordinator knows how to record that
    RowWriter *writer;
    const OutputPlan *plan = wait_for_plan(t, true, &writer, &known);
    if (!known)
        return ST_OK;
    TRY(results_check(r, plan->columns, plan->count));
    if (!writer) {
        memset(send, true, (size_t)r->column_count);
        return send_rows(t, send, seconds);
    }
    TRY(output_write(r, plan, writer, send, &all));
    if (!all || r->error_count > 0)
        return send_rows(t, send, seconds);
    TRY(row_writer_mark(writer, r->batch, BATCH_DONE));
    post(t, (LaneEvent){.kind = LANE_DONE, .batch = r->batch, .seconds = seconds});
    return ST_OK;
}

static void note_span(LaneThread *t, TraceKind kind, int64_t batch, uint64_t from_ns, uint64_t to_ns)
{
    if (t->all->job->options->trace)
        trace_add(&t->trace, (TraceSpan){(int)(t - t->all->threads), kind, batch, t->all->clock_offset + 1e-9 * (double)from_ns, t->all->clock_offset + 1e-9 * (double)to_ns});
}

static Status one_batch(LaneThread *t, const H5Batch *b)
{
    uint64_t start = now_ns();
    TRY(compute(t, b));
    uint64_t middle = now_ns(), waited = t->stats.plan_wait_ns;
    TRY(deliver(t, 1e-9 * (double)(middle - start)));
    uint64_t end = now_ns();
    t->stats.output_ns += end - middle - (t->stats.plan_wait_ns - waited);
    note_span(t, TRACE_COMPUTE, b->tag, start, middle);
    note_span(t, TRACE_OUTPUT, b->tag, middle, end);
    t->stats.batches++;
    if (t->stats.first_done == 0)
        t->stats.first_done = job_clock();
    return ST_OK;
}

// While nothing was leased a lane is idle; only the rest of the wait is for input.
static void note_wait(LaneThread *t, const H5Batch *b, uint64_t start, uint64_t end)
{
    Lanes *l = t->all;
    pthread_mutex_lock(&l->lock);
    uint64_t input_from = !b ? end : l->work_since > start ? l->work_since : start;
    l->taken += b != NULL;
    pthread_mutex_unlock(&l->lock);
    t->stats.input_wait_ns += end - input_from;
    t->stats.plan_wait_ns += input_from - start;
}

static void work(LaneThread *t)
{
    Lanes *l = t->all;
    for (;;) {
        H5Batch *b;
        uint64_t start = now_ns();
        Status s = h5_reader_next(l->reader, &b);
        note_wait(t, b, start, now_ns());
        if (s != ST_OK) {
            post_failure(t, -1, s);
            return;
        }
        if (!b)
            return;
        int64_t batch = b->tag;
        note_span(t, TRACE_INPUT, batch, start, now_ns());
        s = one_batch(t, b);
        results_clear(&t->results);
        h5_reader_release(l->reader, b);
        if (s != ST_OK) {
            post_failure(t, batch, s);
            return;
        }
    }
}

static void *lane_main(void *arg)
{
    LaneThread *t = arg;
    Lanes *l = t->all;
    uint64_t start = now_ns();
    Status s = lane_new(&l->job->kernels, program_types(model_program(l->job->model)), &t->lane);
    if (s == ST_OK)
        s = instance_new(l->job->model, t->lane, &t->instance);
    if (s == ST_OK)
        s = lane_generator(t->lane, &t->generator);
    t->stats.setup_ns = now_ns() - start;
    if (s == ST_OK)
        work(t);
    else
        post_failure(t, -1, s);
    t->stats.lane_ns = now_ns() - start;
    pthread_mutex_lock(&l->lock);
    l->running--;
    pthread_cond_signal(&l->to_main);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

// Deep models recurse deeply: lanes get a roomy stack, of which only what is used costs memory.
static Status start_threads(Lanes *l)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LANE_STACK);
    Status s = ST_OK;
    for (; l->count < l->job->lanes && s == ST_OK; l->count++) {
        LaneThread *t = &l->threads[l->count];
        t->all = l;
        pthread_mutex_lock(&l->lock);
        l->running++;
        pthread_mutex_unlock(&l->lock);
        int code = pthread_create(&t->thread, &attr, lane_main, t);
        if (code != 0) {
            pthread_mutex_lock(&l->lock);
            l->running--;
            pthread_mutex_unlock(&l->lock);
            s = status_fail(ST_MEMORY, "cannot start lane %d: %s; try fewer --lanes", l->count, strerror(code));
            break;
        }
    }
    pthread_attr_destroy(&attr);
    return s;
}

Status lanes_start(const Job *j, H5Reader *reader, Lanes **out)
{
    if (j->binding.count > MAX_ARGUMENTS)
        return status_fail(ST_UNSUPPORTED, "the method has %d arguments (limit %d)", j->binding.count, MAX_ARGUMENTS);
    Lanes *l = calloc(1, sizeof *l);
    if (!l)
        return status_no_memory(sizeof *l);
    l->job = j;
    l->reader = reader;
    l->maker = (ArgumentMaker){&j->binding, j->columns, j->options->stateful};
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->to_main, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&l->to_lanes, NULL);
    l->clock_offset = job_clock() - 1e-9 * (double)now_ns();
    *out = l;
    l->threads = calloc((size_t)j->lanes, sizeof *l->threads);
    return l->threads ? start_threads(l) : status_no_memory((size_t)j->lanes * sizeof *l->threads);
}

bool lanes_take(Lanes *l, LaneEvent *out)
{
    pthread_mutex_lock(&l->lock);
    EventNode *n = l->first;
    if (n) {
        l->first = n->next;
        if (!l->first)
            l->last = NULL;
        l->held_payload -= n->event.payload.len;
        pthread_cond_broadcast(&l->to_lanes);
    }
    pthread_mutex_unlock(&l->lock);
    if (!n)
        return false;
    *out = n->event;
    free(n);
    return true;
}

void lane_event_free(LaneEvent *e)
{
    buf_free(&e->payload);
    free(e->message);
    *e = (LaneEvent){0};
}

void lanes_wait(Lanes *l, int64_t ns)
{
    struct timespec until = deadline(ns);
    pthread_mutex_lock(&l->lock);
    if (!l->first)
        pthread_cond_timedwait(&l->to_main, &l->lock, &until);
    pthread_mutex_unlock(&l->lock);
}

void lanes_expect(Lanes *l, int64_t batches)
{
    pthread_mutex_lock(&l->lock);
    if (l->pushed == l->taken)
        l->work_since = now_ns();
    l->pushed += batches;
    pthread_mutex_unlock(&l->lock);
}

void lanes_set_output(Lanes *l, const OutputPlan *plan, RowWriter *writer)
{
    pthread_mutex_lock(&l->lock);
    l->plan = plan;
    l->writer = writer;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
}

void lanes_cancel(Lanes *l)
{
    pthread_mutex_lock(&l->lock);
    l->cancelled = true;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
    h5_reader_cancel(l->reader);
}

bool lanes_join(Lanes *l, double seconds)
{
    struct timespec until = deadline((int64_t)((seconds < 0 ? 1 : seconds) * 1e9));
    pthread_mutex_lock(&l->lock);
    while (l->running > 0)
        if (seconds < 0)
            pthread_cond_wait(&l->to_main, &l->lock);
        else if (pthread_cond_timedwait(&l->to_main, &l->lock, &until) == ETIMEDOUT)
            break;
    bool ended = l->running == 0;
    pthread_mutex_unlock(&l->lock);
    for (; ended && l->joined < l->count; l->joined++)
        pthread_join(l->threads[l->joined].thread, NULL);
    return ended;
}

LaneStats lanes_stats(const Lanes *l)
{
    LaneStats sum = {0};
    for (int i = 0; i < l->count; i++) {
        const LaneStats *s = &l->threads[i].stats;
        sum.batches += s->batches;
        sum.calls += s->calls;
        sum.lane_ns += s->lane_ns;
        sum.setup_ns += s->setup_ns;
        sum.input_wait_ns += s->input_wait_ns;
        sum.compute_ns += s->compute_ns;
        sum.output_ns += s->output_ns;
        sum.plan_wait_ns += s->plan_wait_ns;
        if (s->first_done > 0 && (sum.first_done == 0 || s->first_done < sum.first_done))
            sum.first_done = s->first_done;
    }
    // next() inflates and converts as well as waits; the reader knows the parts.
    H5ReaderStats reader = h5_reader_stats(l->reader);
    sum.decode_ns = reader.decode_ns;
    sum.input_wait_ns -= reader.decode_ns < sum.input_wait_ns ? reader.decode_ns : sum.input_wait_ns;
    return sum;
}

void lanes_profile(const Lanes *l, ProfileRow row, void *ctx)
{
    for (int i = 0; i < l->count; i++)
        if (l->threads[i].instance)
            instance_profile(l->threads[i].instance, row, ctx);
}

Trace lanes_trace(const Lanes *l)
{
    Trace all = {0};
    for (int i = 0; i < l->count; i++)
        for (int64_t k = 0; k < l->threads[i].trace.count; k++)
            trace_add(&all, l->threads[i].trace.spans[k]);
    return all;
}

void lanes_free(Lanes *l)
{
    if (!l)
        return;
    for (int i = 0; i < l->count; i++) {
        LaneThread *t = &l->threads[i];
        results_free(&t->results);
        free(t->trace.spans);
        if (t->instance)
            instance_free(t->instance);
        if (t->lane)
            lane_free(t->lane);
    }
    for (EventNode *n = l->first, *next; n; n = next) {
        next = n->next;
        lane_event_free(&n->event);
        free(n);
    }
    pthread_cond_destroy(&l->to_main);
    pthread_cond_destroy(&l->to_lanes);
    pthread_mutex_destroy(&l->lock);
    free(l->threads);
    free(l);
}
