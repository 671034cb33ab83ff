// The coordinator: answers messages from the state machine of sched.c, and owns the sink.
// Whatever goes wrong becomes the verdict: the first one counts, everybody is told to stop, and all leave together.
#include "coordinator/master.h"

#include "io/base/log.h"
#include "io/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERRORS_KEPT = 10000 };
static const double LEASE_SECONDS = 0.05; // shorter leases cost more in messages than they gain in balance

typedef struct Peer {
    bool told_nothing, left;
} Peer;

struct Master {
    const Job *job;
    Sched *sched;
    H5Sink *sink;
    OutputPlan *plan;
    RowWriter *writer; // of this rank
    CommMessage *held; // rows that came before the plan
    int held_count, held_capacity;
    Peer *peers;
    Status verdict;
    char *message;
    bool stopped, interrupted;
    Progress progress;
    int64_t before, samples; // done before this run; done now, both together
    double busy;
};

Status master_output_path(const Options *o, Arena *a, const char **out)
{
    Buf name = {0};
    if (o->output)
        buf_z(&name, o->output);
    else
        options_default_output(&name, o->files[1]);
    Str copy = arena_str(a, buf_view(&name));
    Status s = buf_status(&name);
    buf_free(&name);
    *out = copy.ptr;
    return s != ST_OK ? s : copy.ptr ? ST_OK : status_no_memory(copy.len);
}

typedef struct AttrList {
    Arena *arena;
    SinkAttr *items;
    int count;
} AttrList;

static void add_text(AttrList *l, const char *name, const char *text, bool must_match)
{
    SinkAttr a = {.name = arena_str(l->arena, str_of(name)).ptr, .kind = ATTR_TEXT, .text = arena_str(l->arena, str_of(text)).ptr, .must_match = must_match};
    ARENA_PUSH(l->arena, l->items, l->count, a);
}

// Options that may be given several times become one attribute, in order.
static void add_option(void *ctx, const char *name, const char *value)
{
    AttrList *l = ctx;
    char full[64];
    snprintf(full, sizeof full, "option %s", name);
    if (l->count > 0 && strcmp(l->items[l->count - 1].name, full) == 0)
        l->items[l->count - 1].text = arena_printf(l->arena, "%s %s", l->items[l->count - 1].text, value).ptr;
    else
        add_text(l, full, value, true);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void collect_attributes(const Job *j, const char *model_digest, const char *data_digest, AttrList *l)
{
    add_text(l, "tsbatch_version", TSB_VERSION, false);
    add_text(l, "model", base_name(j->options->files[0]), false);
    add_text(l, "model_digest", model_digest, true);
    add_text(l, "data", base_name(j->options->files[1]), false);
    add_text(l, "data_digest", data_digest, true);
    options_echo(j->options, true, add_option, l);
    // A batch size that was chosen is taken from the file; one that was given must be the same.
    SinkAttr size = {.name = "batch_size", .kind = ATTR_INT, .integer = j->batch_size, .must_match = j->options->batch_size_given};
    ARENA_PUSH(l->arena, l->items, l->count, size);
}

static void forget_piece(void *archive, const void *piece, size_t size) { archive_forget_pages(archive, piece, size); }

Status master_attributes(const Job *j, Arena *a, SinkAttr **attrs, int *count)
{
    AttrList l = {.arena = a};
    char model_digest[DIGEST_TEXT], data_digest[DIGEST_TEXT];
    // A rank of a pipeline keeps its own stage's weights in memory only.
    Archive *archive = model_archive(j->model);
    digest_model(archive_bytes(archive), comm_size(j->comm) > 1 ? forget_piece : NULL, archive, model_digest);
    TRY(digest_data(j->options->files[1], data_digest));
    jmp_buf no_memory;
    a->guard = &no_memory;
    bool failed = setjmp(no_memory) != 0;
    if (!failed)
        collect_attributes(j, model_digest, data_digest, &l);
    a->guard = NULL;
    if (failed)
        return ST_MEMORY;
    *attrs = l.items;
    *count = l.count;
    return ST_OK;
}

// A plan for everyone, through their messages: rank 0 gets its own, too.
static Status publish(Master *m)
{
    TRY(output_plan_of_sink(m->sink, &m->plan));
    Buf bytes = {0};
    Status s = output_plan_pack(m->plan, &bytes);
    for (int i = 0; i < comm_size(m->job->comm) && s == ST_OK; i++)
        if (!m->peers[i].told_nothing)
            s = comm_send(m->job->comm, i, TAG_PLAN, bytes.ptr, bytes.len);
    buf_free(&bytes);
    sched_settle(m->sched);
    return s;
}

Status master_new(const Job *j, H5Sink *sink, Master **out)
{
    Master *m = calloc(1, sizeof *m);
    if (!m) {
        if (sink)
            h5_sink_close(sink);
        return status_no_memory(sizeof *m);
    }
    *out = m;
    m->job = j;
    m->sink = sink;
    m->peers = calloc((size_t)comm_size(j->comm), sizeof *m->peers);
    if (!m->peers)
        return status_no_memory((size_t)comm_size(j->comm) * sizeof *m->peers);
    const Options *o = j->options;
    SchedOptions options = {
        .batches = j->batches,
        .map = sink ? h5_sink_map(sink) : NULL,
        .workers = j->pipeline.replicas,
        .in_order = o->stateful,
        .skip_errors = strcmp(o->on_error, "skip") == 0,
        .max_errors = o->max_errors,
        .lease_seconds = LEASE_SECONDS,
        .message_seconds = SCHED_MESSAGE_SECONDS,
    };
    TRY(sched_new(&options, &m->sched));
    for (int64_t b = 0; b < j->batches; b++)
        m->before += options.map && options.map[b] ? job_batch_count(j, b) : 0;
    m->samples = m->before;
    progress_start(&m->progress, o->progress, o->quiet, j->rows, m->before, job_clock());
    return sink ? publish(m) : ST_OK;
}

void master_free(Master *m)
{
    if (!m)
        return;
    progress_end(&m->progress);
    for (int i = 0; i < m->held_count; i++)
        comm_message_free(&m->held[i]);
    free(m->held);
    if (m->sink)
        h5_sink_close(m->sink);
    output_plan_free(m->plan);
    sched_free(m->sched);
    free(m->peers);
    free(m->message);
    free(m);
}

// The first verdict counts. `s` with its message in status_message().
static void stop(Master *m, Status s)
{
    if (!m->stopped) {
        m->verdict = s;
        m->message = strdup(status_message());
        m->stopped = true;
        sched_stop(m->sched);
        for (int i = 0; i < comm_size(m->job->comm); i++)
            if (!m->peers[i].told_nothing) {
                m->peers[i].told_nothing = true;
                if (comm_send(m->job->comm, i, TAG_STOP, NULL, 0) != ST_OK)
                    comm_abort(m->job->comm, status_exit_code(s));
            }
    }
}

Status master_probe(Master *m, const Results *r)
{
    if (m->plan || m->stopped)
        return ST_OK;
    const Job *j = m->job;
    SinkColumn *columns = calloc(H5_SINK_MAX_COLUMNS, sizeof *columns);
    if (!columns)
        return status_no_memory(H5_SINK_MAX_COLUMNS * sizeof *columns);
    Arena arena = {0};
    bool skip = strcmp(j->options->on_error, "skip") == 0;
    SinkPlan plan = {.overwrite = j->options->overwrite, .rows = j->rows, .batch_size = j->batch_size, .columns = columns};
    plan.max_errors = !skip ? 0 : j->options->max_errors ? j->options->max_errors + 1 : j->rows < ERRORS_KEPT ? j->rows : ERRORS_KEPT;
    SinkAttr *attrs = NULL;
    Status s = results_plan(r, columns, &plan.column_count);
    if (s == ST_OK)
        s = master_output_path(j->options, &arena, &plan.path);
    if (s == ST_OK)
        s = master_attributes(j, &arena, &attrs, &plan.attr_count);
    plan.attrs = attrs;
    if (s == ST_OK)
        s = h5_sink_create(j->h5, &plan, &m->sink);
    if (s == ST_OK)
        s = publish(m);
    arena_free(&arena);
    free(columns);
    return s;
}

static int worker_of(const Master *m, int rank) { return rank / m->job->pipeline.stages; }
static int rank_of(const Master *m, int worker) { return worker * m->job->pipeline.stages; }

static Status answer(Master *m, int worker, int64_t want)
{
    Lease lease = {0};
    int rank = rank_of(m, worker);
    switch (sched_request(m->sched, worker, want, &lease)) {
    case SCHED_WAIT:
        return ST_OK;
    case SCHED_NOTHING:
        if (m->peers[rank].told_nothing)
            return ST_OK;
        m->peers[rank].told_nothing = true;
        lease.count = 0;
        break;
    case SCHED_LEASE:
        break;
    }
    return comm_send(m->job->comm, rank, TAG_LEASE, (int64_t[2]){lease.first, lease.count}, 2 * sizeof(int64_t));
}

static void accept(Master *m, int from, int64_t batch, int64_t errors, double seconds)
{
    if (sched_done(m->sched, worker_of(m, from), batch, errors, seconds / m->job->lanes))
        m->samples += job_batch_count(m->job, batch);
}

static Status take_done(Master *m, int from, Wire *w)
{
    while (w->at < w->end && !w->failed) {
        DoneRun run;
        wire_get(w, &run, sizeof run);
        int64_t last = run.first + run.count - 1;
        if (run.count < 1 || run.first < 0 || last >= m->job->batches)
            return status_fail(ST_INTERNAL, "%s reports batches %lld to %lld of %lld", comm_name(m->job->comm, from).text, (long long)run.first, (long long)last, (long long)m->job->batches);
        int64_t counted = sched_done_run(m->sched, worker_of(m, from), run.first, run.count, run.seconds / (double)run.count / m->job->lanes);
        if (counted == run.count)
            m->samples += job_batch_first(m->job, last) + job_batch_count(m->job, last) - job_batch_first(m->job, run.first);
        else if (counted > 0)
            return status_fail(ST_INTERNAL, "%s reports batches %lld to %lld a second time", comm_name(m->job->comm, from).text, (long long)run.first, (long long)last);
    }
    return ST_OK;
}

static Status record(Master *m, const Results *r, bool gathered)
{
    bool *send = calloc((size_t)r->column_count + 1, sizeof *send), all;
    if (!send)
        return status_no_memory((size_t)r->column_count);
    Status s = ST_OK;
    // A batch of nothing but errors may come from a lane that did not know what to fill.
    if (gathered || results_failed_rows(r) == r->count)
        s = output_write(r, m->plan, m->writer, send, &all);
    free(send);
    if (s == ST_OK)
        s = output_put(r, m->plan, m->sink);
    for (int i = 0; i < r->error_count && s == ST_OK; i++) {
        const ResultError *e = &r->errors[i];
        s = h5_sink_error(m->sink, r->batch, m->job->first_row + r->first + e->row, e->message);
        log_info("samples from %lld: %s", (long long)(m->job->first_row + r->first + e->row), e->message);
    }
    if (s == ST_OK)
        s = row_writer_mark(m->writer, r->batch, r->error_count ? BATCH_FAILED : BATCH_DONE);
    return s;
}

static Status too_many_errors(const Master *m, const char *last)
{
    return status_fail(ST_RAISED, "%lld calls raised, more than --max-errors %lld; the last: %s", (long long)sched_error_count(m->sched),
                       (long long)m->job->options->max_errors, last);
}

static Status take_rows(Master *m, const CommMessage *message)
{
    Wire w = wire_of(message->data, message->size);
    bool gathered = wire_int(&w);
    double seconds;
    wire_get(&w, &seconds, sizeof seconds);
    Results r;
    Status s = results_unpack(&w, &r);
    if (s == ST_OK && r.count != job_batch_count(m->job, r.batch))
        s = status_fail(ST_INTERNAL, "rank %d sent %lld rows for batch %lld", message->from, (long long)r.count, (long long)r.batch);
    if (s == ST_OK)
        s = record(m, &r, gathered);
    if (s == ST_OK)
        accept(m, message->from, r.batch, r.error_count, seconds);
    if (s == ST_OK && sched_too_many_errors(m->sched))
        s = too_many_errors(m, r.error_count ? r.errors[r.error_count - 1].message : "");
    results_drop_borrowed(&r);
    return s;
}

// Rows that came before the plan wait for it.
static Status hold(Master *m, const CommMessage *message)
{
    if (m->held_count == m->held_capacity) {
        int capacity = m->held_capacity ? 2 * m->held_capacity : 8;
        CommMessage *more = realloc(m->held, (size_t)capacity * sizeof *more);
        if (!more)
            return status_no_memory((size_t)capacity * sizeof *more);
        m->held = more;
        m->held_capacity = capacity;
    }
    CommMessage copy = *message;
    copy.data = malloc(message->size + 1);
    if (!copy.data)
        return status_no_memory(message->size);
    memcpy(copy.data, message->data, message->size);
    m->held[m->held_count++] = copy;
    return ST_OK;
}

// While nothing tells the structure of the results, batches that raised must not keep the scheduler from handing out more.
static Status hold_rows(Master *m, const CommMessage *message)
{
    Wire w = wire_of(message->data, message->size);
    wire_int(&w);
    double seconds;
    wire_get(&w, &seconds, sizeof seconds);
    int64_t batch = wire_int(&w);
    wire_int(&w);
    wire_int(&w);
    int64_t errors = wire_int(&w);
    TRY(hold(m, message));
    accept(m, message->from, batch, errors, seconds);
    if (sched_too_many_errors(m->sched) || (!m->plan && sched_finished(m->sched))) {
        wire_int(&w);
        wire_int(&w);
        const char *last = errors ? wire_text(&w) : "";
        return sched_too_many_errors(m->sched) ? too_many_errors(m, last) : status_fail(ST_RAISED, "every call raised; the last: %s", last);
    }
    return ST_OK;
}

static Status release_held(Master *m)
{
    Status s = ST_OK;
    for (int i = 0; i < m->held_count; i++) {
        Wire w = wire_of(m->held[i].data, m->held[i].size);
        bool gathered = wire_int(&w);
        double seconds;
        wire_get(&w, &seconds, sizeof seconds);
        Results r;
        if (s == ST_OK)
            s = results_unpack(&w, &r);
        if (s == ST_OK) {
            s = record(m, &r, gathered);
            results_drop_borrowed(&r);
        }
        comm_message_free(&m->held[i]);
    }
    m->held_count = 0;
    return s;
}

void master_use_writer(Master *m, RowWriter *w)
{
    m->writer = w;
    Status s = release_held(m);
    if (s != ST_OK)
        stop(m, s);
}

static Status take_failed(Master *m, int from, Wire *w)
{
    int64_t batch = wire_int(w);
    Status s = (Status)wire_int(w);
    const char *text = wire_text(w);
    if (batch >= 0 && batch < m->job->batches)
        sched_failed(m->sched, worker_of(m, from), batch);
    return from ? status_fail(s, "%s: %s", comm_name(m->job->comm, from).text, text) : status_fail(s, "%s", text);
}

static Status take_probe(Master *m, Wire *w)
{
    Results r;
    Status s = results_unpack(w, &r);
    if (s == ST_OK)
        s = master_probe(m, &r);
    results_drop_borrowed(&r);
    return s;
}

void master_interrupt(Master *m, int from, int signal)
{
    m->interrupted = !m->stopped;
    char where[32] = "";
    if (from > 0)
        snprintf(where, sizeof where, " (rank %d)", from);
    stop(m, status_fail(ST_INTERRUPTED, "by signal %s%s with %lld of %lld samples done; --resume continues", strsignal(signal), where,
                        (long long)m->samples, (long long)m->job->rows));
}

static Status dispatch(Master *m, const CommMessage *message)
{
    Wire w = wire_of(message->data, message->size);
    int from = message->from;
    if (message->tag == TAG_LEFT) {
        m->peers[from].left = true;
        return ST_OK;
    }
    if (m->stopped)
        return ST_OK;
    switch (message->tag) {
    case TAG_REQUEST:
        return answer(m, worker_of(m, from), wire_int(&w));
    case TAG_DONE:
        return take_done(m, from, &w);
    case TAG_ROWS:
        return m->writer ? take_rows(m, message) : hold_rows(m, message);
    case TAG_FAILED:
        return take_failed(m, from, &w);
    case TAG_PROBE:
        return take_probe(m, &w);
    case TAG_INTERRUPT:
        master_interrupt(m, from, (int)wire_int(&w));
        return ST_OK;
    default:
        return status_fail(ST_INTERNAL, "message of kind %d from rank %d", message->tag, from);
    }
}

void master_message(Master *m, const CommMessage *message)
{
    double start = job_clock();
    Status s = dispatch(m, message);
    if (s != ST_OK)
        stop(m, s);
    m->busy += job_clock() - start;
}

void master_tick(Master *m)
{
    int64_t want;
    for (int worker; (worker = sched_next_waiting(m->sched, &want)) >= 0;) {
        Status s = answer(m, worker, want);
        if (s != ST_OK)
            stop(m, s);
    }
    progress_show(&m->progress, m->samples, sched_error_count(m->sched), job_clock());
}

bool master_over(const Master *m)
{
    for (int i = 0; i < comm_size(m->job->comm); i++)
        if (!m->peers[i].left)
            return false;
    return true;
}

Status master_verdict(const Master *m)
{
    if (m->stopped)
        return status_fail(m->verdict, "%s", m->message ? m->message : "no memory for the message");
    if (!sched_finished(m->sched))
        return status_fail(ST_INTERNAL, "the run ended with batches missing");
    return ST_OK;
}

Status master_finish(Master *m)
{
    progress_end(&m->progress);
    return h5_sink_complete(m->sink) ? ST_OK : h5_sink_finish(m->sink);
}

bool master_interrupted(const Master *m) { return m->interrupted; }
int64_t master_samples_done(const Master *m) { return m->samples; }
int64_t master_samples_before(const Master *m) { return m->before; }
int64_t master_errors(const Master *m) { return sched_error_count(m->sched); }
const H5Sink *master_sink(const Master *m) { return m->sink; }
double master_busy_seconds(const Master *m) { return m->busy; }
