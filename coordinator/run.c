// One rank of a run: gets leases or batches of the stage before, feeds the lanes, passes on what they report. Rank 0 is also
// the master. The main thread does all MPI and sleeps while there is nothing to do; lanes wake it.
#include "coordinator/run.h"

#include "coordinator/lanes.h"
#include "coordinator/master.h"
#include "coordinator/report.h"
#include "coordinator/signals.h"
#include "io/base/log.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AHEAD_BYTES = 256 << 20, UNSENT_LIMIT = 256 << 20, LONGEST_WAIT_ALONE_NS = 100000000 };
static const double GRACE_SECONDS = 0.7, GRACE_ANNOUNCED_SECONDS = 20; // for batches in work when the run is interrupted
static const double CLAIM_WAIT_SECONDS = 10; // for ranks of a run that was just killed

// How many batches the stage before may have sent us without our being done with them: enough that the lanes find the next
// one when they end, though messages are looked for only every COMM_LONGEST_SLEEP, and few enough for memory.
enum { WINDOW_BYTES = 256 << 20, LARGEST_WINDOW = 64 };
static const double WINDOW_SECONDS = 0.01, DRY_SECONDS = 0.01;

typedef struct Rank {
    Job job;
    H5Reader *reader;
    Lanes *lanes;
    Master *master;    // rank 0 only
    OutputPlan *plan;
    RowWriter *writer; // NULL: rows go to rank 0
    int64_t outstanding; // batches leased and not reported
    bool requested, nothing_left, stopped, left, signal_sent, gathers;
    double batch_seconds; // running mean
    Buf done;             // runs of batches to report, {int64 first, count; double seconds of all} each
    double done_since;    // job_clock of the oldest of them
    double last_done, done_interval; // job_clock, and a running mean
    ParcelOut **parcels;  // for the next stage, that have no credit yet: a ring that never holds more than a parcel per lane
    int parcel_first, parcel_count;
    int64_t credits;      // batches that the next stage has room for
    int64_t granted;      // … that we have room for, and have told the stage before
    int64_t parcel_bytes; // of the largest batch that came
    int claim;            // see output_claim
    double started;
} Rank;

static Status send_to_master(Rank *r, int tag, const void *data, size_t size)
{
    return comm_send(r->job.comm, 0, tag, data, size);
}

// Reads ahead two batches per lane, as long as they are not too large.
static Status open_reader(Rank *r)
{
    Job *j = &r->job;
    int64_t ahead = j->input_bytes > 0 ? READ_AHEAD_BYTES / j->input_bytes : 1;
    if (ahead > 2 * j->lanes)
        ahead = 2 * j->lanes;
    return h5_reader_open(j->h5, j->columns, j->binding.columns, ahead < 1 ? 1 : (int)ahead, &r->reader);
}

static void report_failure(Rank *r, int64_t batch, Status s, const char *message)
{
    Buf b = {0};
    wire_put_int(&b, batch);
    wire_put_int(&b, s);
    wire_put_text(&b, message ? message : "no memory");
    if (b.failed || send_to_master(r, TAG_FAILED, b.ptr, b.len) != ST_OK)
        comm_abort(r->job.comm, status_exit_code(s));
    buf_free(&b);
}

static Status take_lease(Rank *r, Wire *w)
{
    int64_t first = wire_int(w), count = wire_int(w);
    r->requested = false;
    if (count == 0)
        r->nothing_left = true;
    lanes_expect(r->lanes, count);
    for (int64_t b = first; b < first + count; b++)
        TRY(h5_reader_push(r->reader, r->job.first_row + job_batch_first(&r->job, b), job_batch_count(&r->job, b), b));
    r->outstanding += count;
    return ST_OK;
}

static Status take_plan(Rank *r, const CommMessage *m)
{
    if (!r->master && !pipeline_is_last(&r->job.pipeline))
        return ST_OK;
    TRY(output_plan_unpack(m->data, m->size, &r->plan));
    if (comm_rank(r->job.comm) == 0 || !r->job.options->gather)
        TRY(output_open_rows(r->plan, &r->writer));
    if (comm_rank(r->job.comm) == 0) {
        if (!r->writer)
            return status_fail(ST_IO, "%s: the new file cannot be seen", r->plan->path);
        master_use_writer(r->master, r->writer);
    }
    if (r->writer)
        output_claim(r->plan->path, &r->claim);
    r->gathers = !r->writer || r->job.options->gather;
    lanes_set_output(r->lanes, r->plan, r->job.options->gather ? NULL : r->writer);
    return ST_OK;
}

// ---- between the stages of a pipeline

// Tells the stage before how many more batches there is room for.
static Status grant_credits(Rank *r)
{
    const Pipeline *p = &r->job.pipeline;
    int64_t lanes = r->job.lanes, least = lanes + lanes / 2 + 2, window = least; // what that gives: BENCHMARKS.md
    if (p->previous < 0)
        return ST_OK;
    if (r->batch_seconds > 0 && r->batch_seconds < WINDOW_SECONDS)
        window += (int64_t)((double)lanes * WINDOW_SECONDS / r->batch_seconds);
    if (r->parcel_bytes > 0 && window > WINDOW_BYTES / r->parcel_bytes)
        window = WINDOW_BYTES / r->parcel_bytes;
    if (window > LARGEST_WINDOW && least < LARGEST_WINDOW)
        window = LARGEST_WINDOW;
    if (window <= lanes)
        window = lanes + 1;
    r->granted -= lanes_freed(r->lanes);
    int64_t more = window - r->granted;
    if (more <= 0 || r->nothing_left)
        return ST_OK;
    r->granted += more;
    return comm_send(r->job.comm, p->previous, TAG_CREDIT, &more, sizeof more);
}

static Status take_values(Rank *r, CommMessage *m)
{
    int64_t bytes = (int64_t)m->size;
    for (int i = 0; i < m->part_count; i++)
        bytes += (int64_t)m->parts[i].size;
    if (bytes > r->parcel_bytes)
        r->parcel_bytes = bytes;
    r->outstanding++;
    return lanes_push(r->lanes, m);
}

// Sends what the next stage has room for; gives back what has been sent.
static Status send_parcels(Rank *r, bool *any)
{
    for (; r->parcel_count > 0 && r->credits > 0; r->credits--) {
        ParcelOut *p = r->parcels[r->parcel_first];
        r->parcel_first = (r->parcel_first + 1) % r->job.lanes;
        r->parcel_count--;
        *any = true;
        TRY(parcel_send(p, r->job.comm, r->job.pipeline.next, TAG_VALUES));
        lanes_parcel_taken(r->lanes);
    }
    for (ParcelOut *p; (p = comm_sent(r->job.comm));) {
        *any = true;
        lanes_parcel_sent(r->lanes, p);
    }
    return ST_OK;
}

// The coordinator is elsewhere: it gets the results that show their structure in a message.
static Status send_probe(Rank *r, const Results *probe)
{
    bool *send = malloc((size_t)probe->column_count + 1);
    if (!send)
        return status_no_memory((size_t)probe->column_count);
    memset(send, true, (size_t)probe->column_count);
    Buf b = {0};
    results_pack(&b, probe, send);
    free(send);
    TRY(buf_status(&b));
    return comm_send_take(r->job.comm, 0, TAG_PROBE, b.ptr, b.len);
}

static Status take_probe(Rank *r, const Results *probe)
{
    const Pipeline *p = &r->job.pipeline;
    if (r->master)
        return master_probe(r->master, probe);
    return p->stages > 1 && p->replica == 0 ? send_probe(r, probe) : ST_OK;
}

static Status take_message(Rank *r, CommMessage *m)
{
    Wire w = wire_of(m->data, m->size);
    switch (m->tag) {
    case TAG_LEASE:
        return take_lease(r, &w);
    case TAG_PLAN:
        return take_plan(r, m);
    case TAG_STOP:
        r->stopped = true;
        return ST_OK;
    case TAG_VALUES:
        return take_values(r, m);
    case TAG_CREDIT:
        r->credits += wire_int(&w);
        return ST_OK;
    case TAG_END:
        r->nothing_left = true;
        return ST_OK;
    default:
        master_message(r->master, m); // only rank 0 gets others
        return ST_OK;
    }
}

static Status take_messages(Rank *r, bool *any)
{
    for (;;) {
        CommMessage m;
        bool got;
        TRY(comm_take(r->job.comm, &m, &got));
        if (!got)
            return ST_OK;
        *any = true;
        Status s = take_message(r, &m);
        comm_message_free(&m);
        if (s != ST_OK)
            report_failure(r, -1, s, status_message());
    }
}

static Status pass_on_rows(Rank *r, LaneEvent *e)
{
    Buf head = {0};
    wire_put_int(&head, r->gathers);
    buf_bytes(&head, &e->seconds, sizeof e->seconds);
    buf_bytes(&head, e->payload.ptr, e->payload.len);
    TRY(buf_status(&head));
    return comm_send_take(r->job.comm, 0, TAG_ROWS, head.ptr, head.len);
}

// Batches that follow one another are one run.
static Status note_done(Rank *r, int64_t batch, double seconds)
{
    double now = job_clock();
    if (r->last_done > 0)
        r->done_interval = r->done_interval > 0 ? 0.75 * r->done_interval + 0.25 * (now - r->last_done) : now - r->last_done;
    r->last_done = now;
    DoneRun *last = r->done.len ? (DoneRun *)(void *)(r->done.ptr + r->done.len) - 1 : NULL;
    if (last && last->first + last->count == batch) {
        last->count++;
        last->seconds += seconds;
        return ST_OK;
    }
    if (!last)
        r->done_since = now;
    buf_bytes(&r->done, &(DoneRun){batch, 1, seconds}, sizeof(DoneRun));
    return buf_status(&r->done);
}

// The stages before the last one may have more for it that it does not know of: that it has nothing left is told by their
// being silent for longer than usual.
static bool has_run_dry(const Rank *r)
{
    if (r->outstanding > 0)
        return false;
    double usual = 4 * r->done_interval;
    return r->job.pipeline.stage == 0 || r->nothing_left || job_clock() - r->last_done > (usual > DRY_SECONDS ? usual : DRY_SECONDS);
}

// Finished batches are reported together, so that the coordinator has time for all: before it is asked for more, with the last
// one we hold, and otherwise when they have waited for long enough.
static Status report_done(Rank *r, bool now)
{
    const Job *j = &r->job;
    if (r->done.len == 0)
        return ST_OK;
    double most = sched_report_seconds(j->pipeline.replicas, SCHED_MESSAGE_SECONDS);
    if (!now && !has_run_dry(r) && job_clock() - r->done_since < most)
        return ST_OK;
    Buf done = r->done;
    r->done = (Buf){0};
    return comm_send_take(j->comm, 0, TAG_DONE, done.ptr, done.len);
}

// What lanes report.
static Status take_events(Rank *r, bool *any)
{
    LaneEvent e;
    Status s = ST_OK;
    while (s == ST_OK && comm_unsent(r->job.comm) < UNSENT_LIMIT && lanes_take(r->lanes, &e)) {
        *any = true;
        if (e.kind == LANE_DONE || e.kind == LANE_ROWS || e.kind == LANE_PARCEL) {
            r->outstanding--;
            r->batch_seconds = r->batch_seconds > 0 ? 0.75 * r->batch_seconds + 0.25 * e.seconds : e.seconds;
        }
        if (e.kind == LANE_DONE) {
            s = note_done(r, e.batch, e.seconds);
        } else if (e.kind == LANE_ROWS) {
            s = pass_on_rows(r, &e);
        } else if (e.kind == LANE_PARCEL) {
            r->parcels[(r->parcel_first + r->parcel_count++) % r->job.lanes] = e.parcel;
        } else if (e.kind == LANE_FAILED) {
            report_failure(r, e.batch, e.status, e.message);
        } else if ((s = take_probe(r, e.probe)) != ST_OK) {
            report_failure(r, e.batch, s, status_message());
            s = ST_OK;
        }
        lane_event_free(&e);
    }
    return s == ST_OK ? report_done(r, false) : s;
}

static Status request_lease(Rank *r)
{
    int64_t lanes = r->job.lanes, early = lanes;
    double seconds = sched_request_early_seconds(r->job.pipeline.replicas, SCHED_MESSAGE_SECONDS);
    if (r->batch_seconds > 0 && r->batch_seconds < seconds)
        early += (int64_t)ceil((double)lanes * seconds / r->batch_seconds);
    if (r->job.pipeline.stage != 0 || r->requested || r->nothing_left || r->outstanding > early)
        return ST_OK;
    r->requested = true;
    TRY(report_done(r, true));
    return send_to_master(r, TAG_REQUEST, &lanes, sizeof lanes);
}

static Status note_signal(Rank *r)
{
    int64_t signal = signals_caught();
    if (!signal || r->signal_sent)
        return ST_OK;
    r->signal_sent = true;
    TRY(report_done(r, true));
    return send_to_master(r, TAG_INTERRUPT, &signal, sizeof signal);
}

// This rank has nothing more to do or to say, except to listen when it is the master.
static Status leave_when_done(Rank *r)
{
    const Pipeline *p = &r->job.pipeline;
    bool idle = r->nothing_left && r->outstanding == 0 && r->parcel_count == 0;
    if (r->left || !(r->stopped || idle))
        return ST_OK;
    r->left = true;
    if (r->stopped)
        lanes_cancel(r->lanes);
    else
        lanes_finish(r->lanes);
    if (!r->stopped)
        TRY(report_done(r, true));
    if (!r->stopped && p->next >= 0)
        TRY(comm_send(r->job.comm, p->next, TAG_END, NULL, 0));
    return send_to_master(r, TAG_LEFT, NULL, 0);
}

static void pause_until_event(const Rank *r, int *idle)
{
    if (comm_size(r->job.comm) == 1) {
        lanes_wait(r->lanes, LONGEST_WAIT_ALONE_NS);
        return;
    }
    // Lanes wake the main thread; messages are noticed at the next look.
    int64_t ns = *idle < 7 ? 20000L << *idle : COMM_LONGEST_SLEEP_NS;
    lanes_wait(r->lanes, ns > COMM_LONGEST_SLEEP_NS ? COMM_LONGEST_SLEEP_NS : ns);
    ++*idle;
}

static Status loop(Rank *r)
{
    for (int idle = 0; !(r->left && (!r->master || master_over(r->master)));) {
        bool any = false;
        if (!r->left) {
            TRY(note_signal(r));
            TRY(request_lease(r));
        }
        TRY(take_messages(r, &any));
        if (!r->left && !r->stopped) {
            TRY(take_events(r, &any));
            TRY(send_parcels(r, &any));
            TRY(grant_credits(r));
        }
        if (r->master)
            master_tick(r->master);
        TRY(leave_when_done(r));
        if (any)
            idle = 0;
        else
            pause_until_event(r, &idle);
    }
    return ST_OK;
}

static Status start(Rank *r, H5Sink *resumed)
{
    Status s = open_reader(r);
    if (comm_rank(r->job.comm) == 0) {
        Status made = master_new(&r->job, resumed, &r->master);
        s = s == ST_OK ? made : s;
    }
    r->parcels = calloc((size_t)r->job.lanes, sizeof *r->parcels);
    if (!r->parcels && s == ST_OK)
        s = status_no_memory((size_t)r->job.lanes * sizeof *r->parcels);
    if (s == ST_OK)
        s = lanes_start(&r->job, r->reader, &r->lanes);
    r->nothing_left = r->job.pipeline.stage < 0;
    s = comm_agree(r->job.comm, s);
    if (s != ST_OK && r->lanes) {
        lanes_cancel(r->lanes);
        lanes_join(r->lanes, -1);
    }
    return s;
}

// Ends the lanes and the writer. False: a lane goes on computing, and the process must end without it.
static bool end_lanes(Rank *r, Status *s)
{
    double grace = -1;
    if (r->stopped) {
        lanes_cancel(r->lanes);
        int signal = signals_caught();
        grace = signal == SIGUSR1 ? GRACE_ANNOUNCED_SECONDS : signal ? GRACE_SECONDS : -1;
    }
    if (!lanes_join(r->lanes, grace))
        return false;
    Status closed = row_writer_close(r->writer);
    r->writer = NULL;
    if (*s == ST_OK)
        *s = closed;
    return true;
}

static Status finish(Rank *r, bool *abandoned)
{
    Status s = ST_OK;
    *abandoned = !end_lanes(r, &s);
    if (r->master && r->stopped)
        s = master_verdict(r->master);
    // Parcels that nobody takes any more lie in the lanes' memory, which is about to go.
    if (r->job.pipeline.stages > 1)
        TRY(comm_drain(r->job.comm));
    TRY(comm_agree(r->job.comm, s));
    if (r->master) {
        s = master_verdict(r->master);
        if (s == ST_OK)
            s = master_finish(r->master);
    }
    r->job.times.finished = job_clock();
    return comm_agree(r->job.comm, s);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// On rank 0, before anything is computed: may the output be written, and is there one to continue?
static Status check_output(Rank *r, H5Sink **resumed)
{
    Job *j = &r->job;
    const Options *o = j->options;
    const char *path;
    SinkAttr *attrs;
    int count;
    TRY(master_output_path(o, &j->arena, &path));
    if (same_file(path, o->files[1]) || same_file(path, o->files[0]))
        return status_fail(ST_USAGE, "%s is an input: the output needs another name", path);
    bool resume = o->resume && access(path, F_OK) == 0;
    TRY(h5_sink_check(path, o->overwrite, resume));
    TRY(output_wait_unclaimed(path, CLAIM_WAIT_SECONDS));
    if (!resume)
        return ST_OK;
    TRY(master_attributes(j, &j->arena, &attrs, &count));
    TRY(h5_sink_resume(j->h5, path, attrs, count, resumed));
    if (h5_sink_rows(*resumed) != j->rows)
        return status_fail(ST_USAGE, "%s has %lld samples and this run %lld: it is not the output of this run", path, (long long)h5_sink_rows(*resumed), (long long)j->rows);
    return ST_OK;
}

static Status agree_on_batches(Rank *r, H5Sink *resumed)
{
    int64_t size = resumed ? h5_sink_batch_size(resumed) : r->job.batch_size;
    TRY(comm_broadcast(r->job.comm, 0, &size, sizeof size));
    job_set_batch_size(&r->job, size);
    return ST_OK;
}

static Status run_job(Rank *r, bool *abandoned)
{
    Job *j = &r->job;
    const Options *o = j->options;
    H5Sink *resumed = NULL;
    TRY(job_open_model(j->comm, o, j));
    TRY(job_open_data(j));
    TRY(comm_agree(j->comm, comm_rank(j->comm) == 0 && !o->dry_run ? check_output(r, &resumed) : ST_OK));
    TRY(agree_on_batches(r, resumed));
    TRY(pipeline_plan(j, &j->pipeline));
    if (o->dry_run)
        return comm_rank(j->comm) == 0 ? report_plan(j) : ST_OK;
    if (comm_rank(j->comm) == 0)
        report_start(j, resumed != NULL);
    r->started = job_clock();
    TRY(start(r, resumed));
    Status s = loop(r);
    if (s != ST_OK) {
        // Messages no longer work for this rank, so the others cannot be told in an orderly way.
        log_error("%s: %s", status_noun(s), status_message());
        comm_abort(j->comm, status_exit_code(s));
    }
    return finish(r, abandoned);
}

static Status report_run(Rank *r)
{
    RankReport mine = {.lanes = r->job.lanes, .replica = r->job.pipeline.replica, .stage = r->job.pipeline.stage, .started = r->started, .gathers = r->gathers, .stats = lanes_stats(r->lanes), .reader = h5_reader_stats(r->reader)};
    RunReport run = {.job = &r->job};
    if (r->master) {
        run.samples = master_samples_done(r->master);
        run.samples_before = master_samples_before(r->master);
        run.errors = master_errors(r->master);
        run.master_seconds = master_busy_seconds(r->master);
        run.output = h5_sink_path(master_sink(r->master));
    }
    TRY(report_write(&run, &mine));
    if (r->job.options->trace) {
        Trace trace = lanes_trace(r->lanes);
        Status s = trace_write(r->job.comm, &trace, r->job.options->trace, r->job.times.process);
        free(trace.spans);
        TRY(s);
    }
    if (r->job.options->profile)
        return report_profile(&r->job, r->lanes);
    return ST_OK;
}

Status run_command(Comm *c, const Options *o, bool *abandoned)
{
    *abandoned = false;
    Rank *r = calloc(1, sizeof *r);
    if (!r)
        return status_no_memory(sizeof *r);
    r->job.options = o;
    r->job.comm = c;
    r->claim = -1;
    Status s = run_job(r, abandoned);
    if (s == ST_OK && r->lanes)
        s = report_run(r);
    if (*abandoned)
        return s;
    char message[16384];
    snprintf(message, sizeof message, "%s", status_message());
    lanes_free(r->lanes);
    h5_reader_close(r->reader);
    row_writer_close(r->writer);
    master_free(r->master);
    output_plan_free(r->plan);
    free(r->parcels);
    buf_free(&r->done);
    if (r->claim >= 0)
        close(r->claim);
    job_close(&r->job);
    free(r);
    return s == ST_OK ? s : status_fail(s, "%s", message);
}
