// What a lane does with a batch: gets it, calls the method or its stage for it, and writes the rows or passes the values on.
// A lane shares with the others only the reader, the batches of the stage before, the plan of the output, and the events.
#include "coordinator/lanes_parts.h"

#include <string.h>

static bool is_last(const Job *j) { return pipeline_is_last(&j->pipeline); }

// The plan, when there is one; *known false: the run was cancelled first.
static const OutputPlan *wait_for_plan(LaneThread *t, bool probe, RowWriter **writer, bool *known)
{
    Lanes *l = t->all;
    pthread_mutex_lock(&l->lock);
    bool ask = probe && !l->plan;
    pthread_mutex_unlock(&l->lock);
    if (ask)
        lane_post(t, (LaneEvent){.kind = LANE_PROBE, .batch = t->results.batch, .probe = &t->results});
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

// The call for `row` (< 0: for the whole batch) raised `message`, here or in an earlier stage, and is to be skipped.
static Status note_error(LaneThread *t, int64_t row, const char *message)
{
    if (!is_last(t->all->job))
        return parcel_add_error(t->making, message);
    return results_add_error(&t->results, row < 0 ? 0 : row, row < 0 ? t->results.count : 1, message);
}

// Takes what a call gave.
static Status keep_result(LaneThread *t, int64_t row)
{
    const Job *j = t->all->job;
    const Pipeline *p = &j->pipeline;
    if (!is_last(j))
        return parcel_add_call(t->making, p->table, t->lane, p->sends_generator, t->out, p->outputs);
    Results *r = &t->results;
    Status s = row < 0 ? results_add_batch(r, t->lane, t->out[0], job_padded_rows(j, r->count), j->binding.rows_as_list) : results_add_row(r, t->lane, t->out[0], row);
    value_release(t->out[0]);
    return s;
}

static Status call(LaneThread *t, uint32_t count, int64_t row)
{
    const Job *j = t->all->job;
    int64_t first = j->first_row + t->results.first + (row < 0 ? 0 : row), rows = row < 0 ? t->results.count : 1;
    t->stats.calls++;
    uint64_t start = now_ns();
    Status s = j->pipeline.model ? instance_call_stage(t->instance, t->in, count, t->out) : instance_call(t->instance, t->in, (int)count, t->out);
    t->stats.compute_ns += now_ns() - start;
    if (s == ST_OK)
        return keep_result(t, row);
    if (s == ST_RAISED && strcmp(j->options->on_error, "skip") == 0)
        return note_error(t, row, status_message());
    if (rows == 1)
        return status_context(s, "sample %lld", (long long)first);
    return status_context(s, "samples %lld to %lld", (long long)first, (long long)(first + rows - 1));
}

// The values that a call takes: arguments of the method, or what the stage before gave. *raised: that stage got none.
static Status make_values(LaneThread *t, const Work *w, int64_t row, uint32_t *count, const char **raised)
{
    const Job *j = t->all->job;
    *raised = NULL;
    // What a call draws at random depends on its samples only, not on who runs it.
    generator_key(t->generator, (uint64_t)j->options->seed, (uint64_t)(j->first_row + w->first + (row < 0 ? 0 : row)));
    if (w->parcel) {
        *count = j->pipeline.inputs;
        return parcel_next_call(w->parcel, j->pipeline.table, t->lane, *count, t->in, raised);
    }
    *count = (uint32_t)j->binding.count;
    return arguments_of_call(&t->all->maker, t->lane, w->rows, row, job_padded_rows(j, w->count), t->in);
}

static Status compute(LaneThread *t, const Work *w)
{
    const Job *j = t->all->job;
    int64_t calls = j->options->per_sample ? w->count : 1;
    results_start(&t->results, w->batch, w->first, w->count);
    if (!is_last(j))
        TRY(parcel_new(w->batch, w->first, w->count, calls, &t->making));
    for (int64_t i = 0; i < calls; i++) {
        int64_t row = j->options->per_sample ? i : -1;
        uint32_t count;
        const char *raised;
        TRY(make_values(t, w, row, &count, &raised));
        if (raised) {
            TRY(note_error(t, row, raised));
            continue;
        }
        uint32_t before = t->making ? t->making->count : 0;
        Status s = call(t, count, row);
        // Objects that came along may live on in what goes on.
        if (t->making)
            values_discard(t->in, count, t->making->values + before, t->making->count - before);
        else
            values_discard(t->in, count, NULL, 0);
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
        lane_post(t, e);
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
    lane_post(t, (LaneEvent){.kind = LANE_DONE, .batch = r->batch, .seconds = seconds});
    return ST_OK;
}

static void note_span(LaneThread *t, TraceKind kind, int64_t batch, uint64_t from_ns, uint64_t to_ns)
{
    if (t->all->job->options->trace)
        trace_add(&t->trace, (TraceSpan){(int)(t - t->all->threads), kind, batch, t->all->clock_offset + 1e-9 * (double)from_ns, t->all->clock_offset + 1e-9 * (double)to_ns});
}

// Gives back what the lane worked on.
static void release_work(LaneThread *t, H5Batch *rows, ParcelIn *parcel)
{
    Lanes *l = t->all;
    if (rows)
        h5_reader_release(l->reader, rows);
    if (!parcel)
        return;
    parcel_in_free(parcel);
    pthread_mutex_lock(&l->lock);
    l->freed++;
    pthread_cond_signal(&l->to_main);
    pthread_mutex_unlock(&l->lock);
}

void lane_free_parcel(LaneThread *t, ParcelOut *p)
{
    H5Batch *rows = p->rows;
    ParcelIn *source = p->source;
    parcel_out_free(p); // its values borrow from them
    release_work(t, rows, source);
}

// Frees the parcels that have been sent. Their values are the lane's, so nobody else may.
static void free_sent(LaneThread *t)
{
    Lanes *l = t->all;
    ParcelOut *sent = NULL;
    pthread_mutex_lock(&l->lock);
    for (ParcelOut **at = &t->parcels; *at;) {
        ParcelOut *p = *at;
        if (!p->sent) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = sent;
        sent = p;
    }
    pthread_mutex_unlock(&l->lock);
    for (ParcelOut *next; sent; sent = next) {
        next = sent->next;
        lane_free_parcel(t, sent);
    }
}

// Hands the parcel to the main thread. What its values borrow from goes with it.
static void pass_on(LaneThread *t, Work *w, double seconds)
{
    ParcelOut *p = t->making;
    t->making = NULL;
    parcel_set_seconds(p, seconds);
    if (p->transfer.borrows) {
        p->rows = w->rows;
        p->source = w->parcel;
        w->rows = NULL;
        w->parcel = NULL;
    }
    pthread_mutex_lock(&t->all->lock);
    p->next = t->parcels;
    t->parcels = p;
    pthread_mutex_unlock(&t->all->lock);
    int64_t batch = t->results.batch;
    lane_post(t, (LaneEvent){.kind = LANE_PARCEL, .batch = batch, .seconds = seconds, .parcel = p});
}

static Status one_batch(LaneThread *t, Work *w)
{
    uint64_t start = now_ns();
    TRY(compute(t, w));
    uint64_t middle = now_ns(), waited = t->stats.plan_wait_ns;
    double seconds = 1e-9 * (double)(middle - start);
    if (w->parcel && w->parcel->seconds > seconds)
        seconds = w->parcel->seconds;
    if (is_last(t->all->job))
        TRY(deliver(t, seconds));
    else
        pass_on(t, w, seconds);
    uint64_t end = now_ns();
    t->stats.output_ns += end - middle - (t->stats.plan_wait_ns - waited);
    note_span(t, TRACE_COMPUTE, w->batch, start, middle);
    note_span(t, TRACE_OUTPUT, w->batch, middle, end);
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

static Status next_rows(LaneThread *t, Work *w)
{
    uint64_t start = now_ns();
    Status s = h5_reader_next(t->all->reader, &w->rows);
    note_wait(t, w->rows, start, now_ns());
    if (s != ST_OK || !w->rows)
        return s;
    w->batch = w->rows->tag;
    w->first = w->rows->first - t->all->job->first_row;
    w->count = w->rows->count;
    note_span(t, TRACE_INPUT, w->batch, start, now_ns());
    return ST_OK;
}

static bool any_sent(const LaneThread *t)
{
    const ParcelOut *p = t->parcels;
    while (p && !p->sent)
        p = p->next;
    return p != NULL;
}

// The oldest batch of the stage before; none when there will be no more.
static void next_parcel(LaneThread *t, Work *w)
{
    Lanes *l = t->all;
    uint64_t start = now_ns();
    pthread_mutex_lock(&l->lock);
    while (!l->first_in && !l->finished && !l->cancelled) {
        pthread_cond_wait(&l->to_lanes, &l->lock);
        if (any_sent(t)) {
            pthread_mutex_unlock(&l->lock);
            free_sent(t);
            pthread_mutex_lock(&l->lock);
        }
    }
    ParcelIn *p = l->cancelled ? NULL : l->first_in;
    if (p) {
        l->first_in = p->next;
        if (!l->first_in)
            l->last_in = NULL;
    }
    pthread_mutex_unlock(&l->lock);
    t->stats.plan_wait_ns += now_ns() - start;
    if (!p)
        return;
    *w = (Work){.parcel = p, .batch = p->batch, .first = p->first, .count = p->count};
    note_span(t, TRACE_INPUT, p->batch, start, now_ns());
}

void lane_work(LaneThread *t)
{
    const Job *j = t->all->job;
    for (;;) {
        Work w = {0};
        Status s = ST_OK;
        if (pipeline_is_first(&j->pipeline))
            s = next_rows(t, &w);
        else
            next_parcel(t, &w);
        if (s != ST_OK) {
            lane_post_failure(t, -1, s);
            return;
        }
        if (!w.rows && !w.parcel)
            return;
        s = one_batch(t, &w);
        results_clear(&t->results);
        release_work(t, w.rows, w.parcel);
        free_sent(t);
        if (s != ST_OK) {
            lane_post_failure(t, w.batch, s);
            return;
        }
    }
}
