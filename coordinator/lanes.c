// The threads that compute: their start and end, and the lists through which they and the main thread talk.
// What a lane does with a batch is in lane_work.c.
#include "coordinator/lanes_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LANE_STACK = 64 << 20, HELD_PAYLOAD_LIMIT = 256 << 20 };

static struct timespec deadline(int64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    return (struct timespec){t.tv_sec + ns / 1000000000, ns % 1000000000};
}

static bool may_post(const Lanes *l, const LaneEvent *e)
{
    if (e->kind == LANE_PARCEL)
        return l->waiting < l->count;
    return e->kind != LANE_ROWS || l->held_payload <= HELD_PAYLOAD_LIMIT;
}

void lane_post(LaneThread *t, LaneEvent event)
{
    Lanes *l = t->all;
    EventNode *n = malloc(sizeof *n);
    uint64_t start = now_ns();
    pthread_mutex_lock(&l->lock);
    while (!may_post(l, &event) && !l->cancelled)
        pthread_cond_wait(&l->to_lanes, &l->lock);
    l->waiting += event.kind == LANE_PARCEL;
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

void lane_post_failure(LaneThread *t, int64_t batch, Status s)
{
    lane_post(t, (LaneEvent){.kind = LANE_FAILED, .batch = batch, .status = s, .message = strdup(status_message())});
}

static Status prepare_lane(LaneThread *t)
{
    const Job *j = t->all->job;
    uint32_t in = (uint32_t)j->binding.count > j->pipeline.inputs ? (uint32_t)j->binding.count : j->pipeline.inputs;
    t->in = calloc(in + 1, sizeof *t->in);
    t->out = calloc(j->pipeline.outputs + 1, sizeof *t->out);
    if (!t->in || !t->out)
        return status_no_memory(in * sizeof *t->in);
    TRY(lane_new(&j->kernels, program_types(model_program(j->model)), &t->lane));
    if (j->pipeline.stages > 1)
        t->lane->forget_packed = model_archive(j->model);
    if (j->pipeline.stage < 0)
        return ST_OK; // an idle rank
    TRY(j->pipeline.model ? stage_instance_new(j->pipeline.model, t->lane, &t->instance) : instance_new(j->model, t->lane, &t->instance));
    return lane_generator(t->lane, &t->generator);
}

static void *lane_main(void *arg)
{
    LaneThread *t = arg;
    Lanes *l = t->all;
    uint64_t start = now_ns();
    Status s = prepare_lane(t);
    t->stats.setup_ns = now_ns() - start;
    if (s == ST_OK)
        lane_work(t);
    else
        lane_post_failure(t, -1, s);
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
    if (!l->first && !l->freed)
        pthread_cond_timedwait(&l->to_main, &l->lock, &until);
    pthread_mutex_unlock(&l->lock);
}

Status lanes_push(Lanes *l, CommMessage *message)
{
    ParcelIn *p;
    TRY(parcel_open(message, &p));
    pthread_mutex_lock(&l->lock);
    if (l->last_in)
        l->last_in->next = p;
    else
        l->first_in = p;
    l->last_in = p;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
    return ST_OK;
}

void lanes_finish(Lanes *l)
{
    pthread_mutex_lock(&l->lock);
    l->finished = true;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
    h5_reader_finish(l->reader);
}

void lanes_parcel_taken(Lanes *l)
{
    pthread_mutex_lock(&l->lock);
    l->waiting--;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
}

void lanes_parcel_sent(Lanes *l, ParcelOut *p)
{
    pthread_mutex_lock(&l->lock);
    p->sent = true;
    pthread_cond_broadcast(&l->to_lanes);
    pthread_mutex_unlock(&l->lock);
}

int64_t lanes_freed(Lanes *l)
{
    pthread_mutex_lock(&l->lock);
    int64_t n = l->freed;
    l->freed = 0;
    pthread_mutex_unlock(&l->lock);
    return n;
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
        parcel_out_free(t->making);
        for (ParcelOut *p = t->parcels, *next; p; p = next) {
            next = p->next;
            lane_free_parcel(t, p);
        }
        free(t->in);
        free(t->out);
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
    for (ParcelIn *p = l->first_in, *next; p; p = next) {
        next = p->next;
        parcel_in_free(p);
    }
    pthread_cond_destroy(&l->to_main);
    pthread_cond_destroy(&l->to_lanes);
    pthread_mutex_destroy(&l->lock);
    free(l->threads);
    free(l);
}
