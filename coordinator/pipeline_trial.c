// Runs the stages on the first batch, for their times.
// Nothing of it is kept but packed weights: the run computes the batch again.
#include "coordinator/pipeline_trial.h"

#include "coordinator/arguments.h"
#include "coordinator/parcel.h"
#include "coordinator/pipeline_costs.h"
#include "worker/random.h"

#include <stdlib.h>

enum { TRIAL_TAG = 1, TRIAL_RUNS = 5 };
static const double TRIAL_SECONDS = 1; // enough, once there are two runs

typedef struct Trial {
    Job *job;
    Lane *lane;
    Instance *instance;
    Generator *generator;
    H5Reader *reader; // of the first stage
    H5Batch *batch;
    ParcelIn *in;     // of the others
    ParcelOut *out;
    IValue *values, *results;
    uint32_t count;   // of values
    FILE *nowhere;
} Trial;

static Status trial_open(Trial *t)
{
    Job *j = t->job;
    const Pipeline *p = &j->pipeline;
    t->count = p->stage == 0 ? (uint32_t)j->binding.count : p->inputs;
    t->values = calloc(t->count + 1, sizeof *t->values);
    t->results = calloc(p->outputs + 1, sizeof *t->results);
    if (!t->values || !t->results)
        return status_no_memory((t->count + p->outputs) * sizeof *t->values);
    TRY(lane_new(&j->kernels, program_types(model_program(j->model)), &t->lane));
    t->lane->forget_packed = model_archive(j->model);
    t->nowhere = fopen("/dev/null", "w"); // the run prints
    if (!t->nowhere)
        return status_fail(ST_IO, "/dev/null cannot be opened");
    t->lane->print_to = t->nowhere;
    TRY(stage_instance_new(p->model, t->lane, &t->instance));
    TRY(lane_generator(t->lane, &t->generator));
    if (p->stage > 0)
        return ST_OK;
    return pipeline_first_batch(j, &t->reader, &t->batch);
}

static void trial_close(Trial *t)
{
    parcel_out_free(t->out);
    parcel_in_free(t->in);
    if (t->batch)
        h5_reader_release(t->reader, t->batch);
    h5_reader_close(t->reader);
    if (t->instance)
        instance_free(t->instance);
    if (t->lane)
        lane_free(t->lane);
    if (t->nowhere)
        fclose(t->nowhere);
    free(t->values);
    free(t->results);
}

static Status make_values(Trial *t, const char **raised)
{
    const Job *j = t->job;
    ArgumentMaker maker = {&j->binding, j->columns, false};
    *raised = NULL;
    generator_key(t->generator, (uint64_t)j->options->seed, (uint64_t)j->first_row);
    if (t->in) {
        parcel_rewind(t->in);
        return parcel_next_call(t->in, j->pipeline.table, t->lane, t->count, t->values, raised);
    }
    return arguments_of_call(&maker, t->lane, t->batch, j->options->per_sample ? 0 : -1, job_padded_rows(j, t->batch->count), t->values);
}

// One run; its results are the caller's, with the values that they may borrow from. *raised: here or in an earlier stage.
static Status run_once(Trial *t, bool *raised, double *seconds)
{
    const char *text;
    *raised = false;
    TRY(make_values(t, &text));
    if (text) {
        *raised = true;
        return ST_OK;
    }
    double start = job_clock();
    Status s = instance_call_stage(t->instance, t->values, t->count, t->results);
    *seconds = job_clock() - start;
    if (s == ST_OK)
        return ST_OK;
    values_discard(t->values, t->count, NULL, 0);
    *raised = s == ST_RAISED;
    return *raised ? ST_OK : s;
}

static void discard(Trial *t)
{
    values_discard(t->results, t->job->pipeline.outputs, t->values, t->count);
    values_discard(t->values, t->count, NULL, 0);
}

static Status await_parcel(Trial *t)
{
    for (int idle = 0;;) {
        CommMessage m;
        bool got;
        TRY(comm_take(t->job->comm, &m, &got));
        if (got)
            return parcel_open(&m, &t->in);
        comm_pause(&idle);
    }
}

static Status fill_parcel(Trial *t, bool raised)
{
    const Pipeline *p = &t->job->pipeline;
    TRY(parcel_new(0, 0, 1, 1, &t->out));
    if (raised)
        return parcel_add_error(t->out, "raised");
    Status s = parcel_add_call(t->out, p->table, t->lane, p->sends_generator, t->results, p->outputs);
    memset(t->results, 0, p->outputs * sizeof *t->results); // None: they are the parcel's now
    return s;
}

// Gives the results away. The next stage waits for a parcel in any case.
static Status pass_on(Trial *t, bool raised)
{
    const Job *j = t->job;
    Status s = fill_parcel(t, raised);
    if (s != ST_OK) {
        parcel_out_free(t->out);
        t->out = NULL;
        if (raised || fill_parcel(t, true) != ST_OK)
            comm_abort(j->comm, status_exit_code(s)); // no memory for a few bytes
    }
    values_discard(t->values, t->count, t->out->values, t->out->count);
    TRY(parcel_send(t->out, j->comm, j->pipeline.next, TRIAL_TAG));
    return s;
}

// The batch on its way through the pipeline.
static Status first_run(Trial *t, bool *raised)
{
    const Pipeline *p = &t->job->pipeline;
    double unprepared;
    *raised = true;
    Status s = trial_open(t);
    if (p->previous >= 0)
        TRY(await_parcel(t));
    if (s == ST_OK)
        s = run_once(t, raised, &unprepared);
    bool gave = s == ST_OK && !*raised;
    if (p->next >= 0) {
        Status passed = pass_on(t, !gave);
        return s == ST_OK ? passed : s;
    }
    if (gave)
        discard(t);
    return s;
}

static int by_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static Status timed_runs(Trial *t, double *median)
{
    double took[TRIAL_RUNS], total = 0;
    bool raised;
    int runs = 0;
    for (; runs < TRIAL_RUNS && (runs < 2 || total < TRIAL_SECONDS); runs++) {
        TRY(run_once(t, &raised, &took[runs]));
        if (raised)
            return status_fail(ST_INTERNAL, "a stage raised on what it did not raise on before");
        total += took[runs];
        discard(t);
    }
    qsort(took, (size_t)runs, sizeof *took, by_seconds);
    *median = took[runs / 2];
    return ST_OK;
}

// mine: seconds of a batch, negative when some call raised.
static Status try_stage(Trial *t, double *mine)
{
    Job *j = t->job;
    bool works = j->pipeline.stage >= 0, raised = false;
    TRY(comm_agree(j->comm, works ? first_run(t, &raised) : ST_OK));
    Status settled = comm_settle(j->comm);
    comm_sent(j->comm);
    parcel_out_free(t->out); // with the results in it
    t->out = NULL;
    TRY(comm_agree(j->comm, settled)); // so that all begin together
    *mine = raised ? -1 : 0;
    if (works && !raised)
        TRY(timed_runs(t, mine));
    if (j->options->per_sample && *mine > 0)
        *mine *= (double)j->batch_size; // that was one sample
    return ST_OK;
}

Status pipeline_trial(Job *j, double *seconds)
{
    const Pipeline *p = &j->pipeline;
    int size = comm_size(j->comm);
    Trial t = {.job = j};
    double mine = 0, *all = malloc((size_t)size * sizeof *all);
    Status s = comm_agree(j->comm, all ? ST_OK : status_no_memory((size_t)size * sizeof *all));
    if (s == ST_OK)
        s = comm_agree(j->comm, try_stage(&t, &mine));
    trial_close(&t);
    if (s == ST_OK)
        s = comm_all_gather(j->comm, &mine, sizeof mine, all);
    memset(seconds, 0, (size_t)p->stages * sizeof *seconds);
    bool raised = false;
    for (int r = 0; r < p->stages * p->replicas && s == ST_OK; r++) {
        raised |= all[r] < 0;
        if (all[r] > seconds[r % p->stages])
            seconds[r % p->stages] = all[r];
    }
    if (raised)
        memset(seconds, 0, (size_t)p->stages * sizeof *seconds);
    free(all);
    return s;
}
