// Writes the reports of a run.
#include "coordinator/report.h"

#include "coordinator/pipeline_costs.h"
#include "coordinator/progress.h"
#include "io/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void describe_job(Buf *b, const Job *j)
{
    const Options *o = j->options;
    buf_printf(b, "model:      %s (%.1f MB of weights)\n", o->files[0], 1e-6 * (double)model_weight_bytes(j->model));
    buf_printf(b, "method:     %s\n", o->method);
    buf_printf(b, "data:       %s\n", o->files[1]);
    binding_describe(b, &j->binding, j->sets, j->set_count);
    buf_printf(b, "samples:    ");
    progress_number(b, j->rows);
    buf_printf(b, " from %lld\nbatches:    ", (long long)j->first_row);
    progress_number(b, j->batches);
    buf_printf(b, " of %lld samples (%.2f MB of input each)%s\n", (long long)j->batch_size, 1e-6 * (double)j->input_bytes,
               o->per_sample ? ", one call per sample" : o->pad_last ? ", the last one padded" : "");
    buf_printf(b, "ranks:      %d on %d node%s, %d lane%s each, %lld thread%s per lane\n", comm_size(j->comm), j->node.nodes, j->node.nodes == 1 ? "" : "s",
               j->lanes, j->lanes == 1 ? "" : "s", (long long)o->threads, o->threads == 1 ? "" : "s");
    pipeline_describe(b, j);
}

void report_start(const Job *j, bool resumed)
{
    if (log_level() < LOG_INFO)
        return;
    Buf b = {0};
    describe_job(&b, j);
    log_info("%s" STR_FMT, resumed ? "resuming\n" : "", STR_ARG(buf_view(&b)));
    buf_free(&b);
}

Status report_plan(const Job *j)
{
    Buf b = {0};
    describe_job(&b, j);
    int64_t packed = (int64_t)pack_store_used(j->packs);
    buf_printf(&b, "memory:     %.1f MB of weights per node", 1e-6 * (double)model_weight_bytes(j->model));
    if (packed > 0)
        buf_printf(&b, ", %.1f MB packed", 1e-6 * (double)packed);
    buf_printf(&b, "; %.1f MB of input per lane in flight\n", 3e-6 * (double)j->input_bytes);
    Str missing = model_missing_in_branches(j->model);
    buf_printf(&b, "operators:  %s" STR_FMT "\n%s (--dry-run)\n", missing.len ? "all there but" : "all there", STR_ARG(missing),
               j->pipeline.measured ? "the first batch was computed to measure costs; nothing was written" : "nothing was computed or written");
    Status s = buf_status(&b);
    if (s == ST_OK && (fwrite(b.ptr, 1, b.len, stdout) != b.len || fflush(stdout) != 0))
        s = status_fail(ST_IO, "cannot write to stdout");
    buf_free(&b);
    return s;
}

void report_rank_usage(RankReport *mine)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    mine->peak_memory = (int64_t)usage.ru_maxrss * 1024;
    mine->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    mine->finished = job_clock();
    gethostname(mine->host, sizeof mine->host - 1);
}

static void add_option(void *ctx, const char *name, const char *value)
{
    js_text(ctx, name, value);
}

static void cpu_name(char *out, size_t size)
{
    snprintf(out, size, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[512];
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            snprintf(out, size, "%s", strchr(line, ':') + 2);
            out[strcspn(out, "\n")] = '\0';
            break;
        }
    if (f)
        fclose(f);
}

Json *report_json_head(const Options *o, Comm *c)
{
    Json *root = js_new();
    char cpu[256];
    cpu_name(cpu, sizeof cpu);
    js_text(root, "tsbatch", TSB_VERSION);
    js_text(root, "mpi", comm_library());
    Json *machine = js_object_in(root, "machine");
    js_text(machine, "cpu", cpu);
    js_integer(machine, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    js_integer(machine, "ranks", comm_size(c));
    js_text(root, "model", o->files[0]);
    options_echo(o, false, add_option, js_object_in(root, "options"));
    return root;
}

// Shares of the lanes' time. Reading ahead hides what the I/O thread does; what is left of it is waiting.
static void put_lane_times(Json *j, const LaneStats *s)
{
    double all = s->lane_ns ? (double)s->lane_ns : 1;
    js_number(j, "lane_seconds", 1e-9 * (double)s->lane_ns);
    js_number(j, "setup_seconds", 1e-9 * (double)s->setup_ns);
    js_number(j, "compute_seconds", 1e-9 * (double)s->compute_ns);
    js_number(j, "input_wait_seconds", 1e-9 * (double)s->input_wait_ns);
    js_number(j, "input_decode_seconds", 1e-9 * (double)s->decode_ns);
    js_number(j, "output_seconds", 1e-9 * (double)s->output_ns);
    js_number(j, "coordination_wait_seconds", 1e-9 * (double)s->plan_wait_ns);
    js_number(j, "io_share", (double)(s->input_wait_ns + s->output_ns) / all); // waiting for input, or busy with output
    js_number(j, "compute_share", (double)s->compute_ns / all);
}

static void put_rank(Json *list, const RankReport *r, const JobTimes *t)
{
    Json *j = js_object_in(list, NULL);
    js_text(j, "host", r->host);
    js_integer(j, "pipeline", r->replica);
    js_integer(j, "stage", r->stage);
    js_integer(j, "lanes", r->lanes);
    js_flag(j, "gathered", r->gathers);
    js_integer(j, "batches", r->stats.batches);
    js_integer(j, "calls", r->stats.calls);
    js_number(j, "first_batch_seconds", r->stats.first_done > 0 ? r->stats.first_done - t->process : 0);
    put_lane_times(j, &r->stats);
    js_number(j, "read_seconds", 1e-9 * (double)r->reader.read_ns);
    js_integer(j, "stored_bytes_read", (int64_t)r->reader.stored_bytes);
    js_integer(j, "input_bytes", (int64_t)r->reader.batch_bytes);
    js_number(j, "cpu_seconds", r->cpu_seconds);
    js_integer(j, "peak_memory_bytes", r->peak_memory);
}

static void sum_up(const RankReport *ranks, int n, LaneStats *sum, double *first)
{
    *sum = (LaneStats){0};
    *first = 0;
    for (int i = 0; i < n; i++) {
        const LaneStats *s = &ranks[i].stats;
        sum->batches += s->batches;
        sum->calls += s->calls;
        sum->lane_ns += s->lane_ns;
        sum->setup_ns += s->setup_ns;
        sum->input_wait_ns += s->input_wait_ns;
        sum->decode_ns += s->decode_ns;
        sum->compute_ns += s->compute_ns;
        sum->output_ns += s->output_ns;
        sum->plan_wait_ns += s->plan_wait_ns;
    }
    if (ranks[0].stats.first_done > 0)
        *first = ranks[0].stats.first_done; // clocks of other hosts are not ours
}

// What the cut was chosen by: per step its seconds, the bytes that would travel before it, and whether they may.
static void put_costs(Json *o, const PartitionProblem *p)
{
    Json *list = js_array_in(o, "steps");
    for (uint32_t i = 0; i < p->step_count; i++) {
        Json *step = js_object_in(list, NULL);
        js_number(step, "seconds", p->seconds[i]);
        js_integer(step, "bytes_before", (int64_t)p->bytes[i]);
        js_flag(step, "cut_before", i > 0 && p->legal[i]);
    }
}

// The plan, what it promised, and what each stage really took.
static void put_pipeline(Json *root, const Job *j, const RankReport *ranks)
{
    const Pipeline *p = &j->pipeline;
    const CutGraph *cut = NULL;
    Json *o = js_object_in(root, "parallel");
    js_text(o, "mode", p->stages > 1 ? "pipeline" : "data");
    js_integer(o, "stages", p->stages);
    js_integer(o, "pipelines", p->replicas);
    if (!p->measured)
        return;
    Buf reason = {0};
    buf_str(&reason, buf_view(&p->reason));
    buf_char(&reason, '\0');
    js_text(o, "reason", reason.failed ? "" : reason.ptr);
    buf_free(&reason);
    js_number(o, "predicted_samples_per_second", pipeline_predicted(j));
    js_number(o, "uncut_batch_seconds", p->whole_seconds);
    js_number(o, "message_seconds", p->link.seconds_per_message);
    js_number(o, "link_bytes_per_second", p->link.bytes_per_second);
    Json *list = js_array_in(o, "cut");
    for (int i = 0; i < p->stages && model_cut_graph(j->model, &cut) == ST_OK; i++) {
        Json *stage = js_object_in(list, NULL);
        Buf where = {0};
        if (i + 1 < p->stages)
            cut_describe(&where, cut, p->plan.cut[i + 1]);
        buf_char(&where, '\0');
        js_integer(stage, "first_step", p->plan.cut[i]);
        js_integer(stage, "steps", p->plan.cut[i + 1] - p->plan.cut[i]);
        js_text(stage, "ends", where.failed ? "" : where.ptr);
        js_integer(stage, "sends_bytes", (int64_t)p->travels[i]);
        js_number(stage, "predicted_seconds", p->plan.seconds[i]);
        js_integer(stage, "predicted_memory_bytes", (int64_t)p->plan.memory[i]);
        uint64_t ns = 0;
        int64_t batches = 0;
        for (int r = i; r < p->stages * p->replicas; r += p->stages) {
            ns += ranks[r].stats.compute_ns;
            batches += ranks[r].stats.batches;
        }
        js_number(stage, "compute_seconds", batches ? 1e-9 * (double)ns / (double)batches : 0);
        buf_free(&where);
    }
    put_costs(o, &p->costs->problem);
}

static Status write_json(const RunReport *run, const RankReport *ranks)
{
    const Job *j = run->job;
    const JobTimes *t = &j->times;
    int n = comm_size(j->comm);
    LaneStats sum;
    double first;
    sum_up(ranks, n, &sum, &first);
    Json *root = report_json_head(j->options, j->comm);
    js_text(root, "data", j->options->files[1]);
    js_text(root, "output", run->output);
    js_integer(root, "samples", j->rows);
    js_integer(root, "samples_before", run->samples_before);
    js_integer(root, "batch_size", j->batch_size);
    js_integer(root, "batches", j->batches);
    js_integer(root, "errors", run->errors);
    js_integer(root, "weight_bytes", (int64_t)model_weight_bytes(j->model));
    js_integer(root, "packed_weight_bytes", (int64_t)pack_store_used(j->packs));
    double scoring = t->finished - ranks[0].started;
    js_number(root, "samples_per_second", scoring > 0 ? (double)(run->samples - run->samples_before) / scoring : 0);
    Json *times = js_object_in(root, "seconds"); // since the process was started, then lengths
    js_number(times, "until_main", t->start - t->process);
    js_number(times, "until_model_opened", t->opened - t->process);
    js_number(times, "until_model_loaded", t->loaded - t->process);
    js_number(times, "until_model_compiled", t->compiled - t->process);
    js_number(times, "until_data_bound", t->bound - t->process);
    js_number(times, "until_first_batch", first > 0 ? first - t->process : 0);
    js_number(times, "total", t->finished - t->process);
    js_number(times, "scoring", scoring);
    js_number(times, "coordinating", run->master_seconds);
    put_lane_times(js_object_in(root, "lanes"), &sum);
    put_pipeline(root, j, ranks);
    Json *list = js_array_in(root, "ranks");
    for (int i = 0; i < n; i++)
        put_rank(list, &ranks[i], t);
    Status s = js_write(root, j->options->report);
    js_free(root);
    return s;
}

static void closing_line(const RunReport *run, const RankReport *ranks)
{
    const Job *j = run->job;
    if (j->options->quiet)
        return;
    int64_t now = run->samples - run->samples_before;
    double seconds = j->times.finished - ranks[0].started;
    Buf b = {0};
    if (now == 0 && run->samples_before > 0) {
        buf_printf(&b, "nothing left to do: all ");
        progress_number(&b, run->samples);
        buf_printf(&b, " samples are in %s\n", run->output);
    } else {
        progress_number(&b, now);
        buf_printf(&b, " samples in %.2f s (", seconds);
        double rate = seconds > 0 ? (double)now / seconds : 0;
        if (rate >= 100)
            progress_number(&b, (int64_t)(rate + 0.5));
        else
            buf_printf(&b, "%.3g", rate);
        buf_printf(&b, "/s) -> %s\n", run->output);
    }
    if (run->errors > 0)
        buf_printf(&b, "%lld call%s raised: see /errors in %s\n", (long long)run->errors, run->errors == 1 ? "" : "s", run->output);
    if (!b.failed && write(STDERR_FILENO, b.ptr, b.len) < 0)
        log_debug("stderr is closed");
    buf_free(&b);
}

Status report_write(const RunReport *run, RankReport *mine)
{
    Comm *c = run->job->comm;
    report_rank_usage(mine);
    RankReport *ranks = calloc((size_t)comm_size(c), sizeof *ranks);
    TRY(comm_agree(c, ranks ? ST_OK : status_no_memory((size_t)comm_size(c) * sizeof *ranks)));
    Status s = comm_all_gather(c, mine, sizeof *mine, ranks);
    if (s == ST_OK && comm_rank(c) == 0) {
        closing_line(run, ranks);
        if (run->job->options->report)
            s = write_json(run, ranks);
    }
    free(ranks);
    return comm_agree(c, s);
}

Status report_profile(const Job *j, const Lanes *l)
{
    ProfileTable *t = profile_new();
    TRY(comm_agree(j->comm, t ? ST_OK : status_no_memory(1)));
    lanes_profile(l, profile_add, t);
    Status s = profile_print(j->comm, t);
    profile_free(t);
    return s;
}
