// sim: what the scheduler and pipelines do on clusters that are not at hand. `sim --help` lists scenarios and options.
// Deterministic: the seed decides everything. Exits with 1 when something is not as it must be, or not as an option
// demands.
#include "cluster.h"
#include "pipeline.h"

#include "coordinator/sched.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 16, MOST_BATCHES = 100000000 };

typedef struct Settings {
    const char *scenario;
    double workers[MAX_LIST], windows[MAX_LIST];
    int worker_counts, window_counts;
    double batches_each;
    ClusterOptions cluster;
    PipelineOptions pipeline;
    double min_efficiency, max_busy, max_delay;
} Settings;

enum {
    BATCHES = 1,
    BATCH_SECONDS,
    SPREAD,
    NOISE,
    LATENCY,
    MESSAGE,
    RUN,
    STRAGGLERS,
    SLOWDOWN,
    LOST,
    NOTICE,
    SEED,
    STAGES,
    TRANSFER,
    EFFICIENCY,
    BUSY,
    DELAY
};

static const struct argp_option argp_options[] = {
    {"workers", 'w', "N,…", 0, "numbers of workers to simulate", 1},
    {"batches", BATCHES, "N", 0,
     "batches for each worker, or for each pipeline (fewer where all together pass 100 million)", 1},
    {"batch-seconds", BATCH_SECONDS, "S", 0, "of an average worker (0.01)", 1},
    {"lanes", 'l', "L", 0, "batches at once in a worker or stage (1)", 1},
    {"spread", SPREAD, "X", 0, "standard deviation of the logarithm of workers' speeds (0.2)", 1},
    {"noise", NOISE, "X", 0, "relative standard deviation of a batch's seconds (0.1)", 1},
    {"latency", LATENCY, "S", 0, "of a message (0.001; pipelines 0.0001)", 1},
    {"message-seconds", MESSAGE, "S", 0, "the coordinator's for a message, see message_cost (2e-6)", 1},
    {"run-seconds", RUN, "S", 0, "the coordinator's for a run of done batches (1e-7)", 1},
    {"stragglers", STRAGGLERS, "X", 0, "part of the workers that become slow (stragglers: 0.01)", 2},
    {"slowdown", SLOWDOWN, "X", 0, "how much slower they become (4)", 2},
    {"lost", LOST, "X", 0, "part of the workers that are lost (lost: 0.01)", 2},
    {"notice", NOTICE, "S", 0, "seconds until the coordinator knows that one is lost (1)", 2},
    {"seed", SEED, "N", 0, "of the random numbers (1)", 2},
    {"stages-seconds", STAGES, "S,…", 0, "of a batch in each stage, on one lane (0.01,0.01,0.01,0.01)", 3},
    {"replicas", 'r', "R", 0, "pipelines side by side (2)", 3},
    {"window", 'W', "W,…", 0, "credits: batches sent to the next stage and not finished there (L … 4 L)", 3},
    {"transfer-seconds", TRANSFER, "S", 0, "that a batch takes of the wire between stages (0.001)", 3},
    {"min-efficiency", EFFICIENCY, "X", 0, "fail below it", 4},
    {"max-busy", BUSY, "X", 0, "fail when the coordinator is busy for a greater part of the time", 4},
    {"max-delay", DELAY, "X", 0,
     "fail when the end comes later than the ideal one by more than X longest leases at full speed", 4},
    {0},
};

// How many numbers of `least` or more there are in "1,2,…"; 0: it is something else.
static int numbers(const char *text, double least, double *out, int limit)
{
    int n = 0;
    for (char *end; n < limit; text = end + 1) {
        out[n++] = strtod(text, &end);
        if (end == text || !(out[n - 1] >= least) || (*end != ',' && *end != '\0'))
            return 0;
        if (*end == '\0')
            return n;
    }
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    Settings *s = state->input;
    ClusterOptions *c = &s->cluster;
    double value = arg ? atof(arg) : 0;
    switch (key) {
    case 'w':
        return (s->worker_counts = numbers(arg, 1, s->workers, MAX_LIST)) ? 0 : EINVAL;
    case 'W':
        return (s->window_counts = numbers(arg, 1, s->windows, MAX_LIST)) ? 0 : EINVAL;
    case STAGES:
        return (s->pipeline.stages = numbers(arg, 1e-9, s->pipeline.seconds, MAX_STAGES)) ? 0 : EINVAL;
    case BATCHES:
        s->batches_each = value;
        return 0;
    case BATCH_SECONDS:
        c->batch_seconds = value;
        return 0;
    case 'l':
        c->lanes = s->pipeline.lanes = (int)value;
        return 0;
    case SPREAD:
        c->spread = value;
        return 0;
    case NOISE:
        c->noise = s->pipeline.noise = value;
        return 0;
    case LATENCY:
        c->latency = s->pipeline.latency = value;
        return 0;
    case MESSAGE:
        c->message_seconds = value;
        return 0;
    case RUN:
        c->run_seconds = value;
        return 0;
    case STRAGGLERS:
        c->stragglers = value;
        return 0;
    case SLOWDOWN:
        c->slowdown = value;
        return 0;
    case LOST:
        c->lost = value;
        return 0;
    case NOTICE:
        c->notice = value;
        return 0;
    case SEED:
        c->seed = s->pipeline.seed = strtoull(arg, NULL, 10);
        return 0;
    case 'r':
        s->pipeline.replicas = (int)value;
        return 0;
    case TRANSFER:
        s->pipeline.transfer_seconds = value;
        return 0;
    case EFFICIENCY:
        s->min_efficiency = value;
        return 0;
    case BUSY:
        s->max_busy = value;
        return 0;
    case DELAY:
        s->max_delay = value;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            return ARGP_ERR_UNKNOWN;
        s->scenario = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {argp_options,
                                 parse,
                                 "SCENARIO",
                                 "Simulates runs of tsbatch with its own scheduler.\v"
                                 "scale       workers of different speeds\n"
                                 "stragglers  some of them become slow in the middle\n"
                                 "lost        some of them are lost\n"
                                 "pipeline    replicas of stages that pass batches on, for several windows\n",
                                 NULL,
                                 NULL,
                                 NULL};

static int demand(bool met, const char *what)
{
    if (!met)
        printf("FAILED: %s\n", what);
    return met ? 0 : 1;
}

static int run_cluster(const Settings *s)
{
    int failures = 0;
    printf("batches of %g s, spread of speeds %g, noise %g; %g µs for a message, %g µs for a run of batches, latency "
           "%g ms\n",
           s->cluster.batch_seconds, s->cluster.spread, s->cluster.noise, s->cluster.message_seconds * 1e6,
           s->cluster.run_seconds * 1e6, s->cluster.latency * 1e3);
    printf("%8s %9s %9s %9s %6s %7s %8s %9s %10s %10s %6s %9s\n", "workers", "batches", "ideal s", "s", "eff.", "busy",
           "leases", "messages", "longest", "imbalance", "lost", "leased");
    printf("%8s %9s %9s %9s %6s %7s %8s %9s %10s %10s %6s %9s\n", "", "each", "", "", "", "", "each", "/s", "queue ms",
           "s", "", "again");
    for (int i = 0; i < s->worker_counts; i++) {
        ClusterOptions o = s->cluster;
        o.workers = (int)s->workers[i];
        double batches = s->batches_each * o.workers;
        o.batches = batches < MOST_BATCHES ? (int64_t)batches : MOST_BATCHES;
        ClusterResult r = cluster_simulate(&o);
        printf("%8d %9lld %9.2f %9.2f %6.3f %6.2f%% %8.1f %9.0f %10.1f %10.2f %6d %9lld\n", o.workers,
               (long long)(o.batches / o.workers), r.ideal, r.seconds, r.efficiency, 100 * r.busy,
               (double)r.leases / o.workers, (double)r.messages / r.seconds, 1e3 * r.queue, r.imbalance, r.lost,
               (long long)r.leased_again);
        failures += demand(!r.wrong, r.wrong);
        failures += demand(r.efficiency >= s->min_efficiency, "efficiency is lower than demanded");
        failures += demand(r.busy <= s->max_busy, "the coordinator is busier than demanded");
        failures += demand(r.seconds - r.ideal <= s->max_delay * r.lease, "the end is later than demanded");
        failures += demand(o.workers * o.lost < 10 || r.leased_again > 0, "no lost worker held a batch");
        fflush(stdout);
    }
    return failures;
}

static int run_pipeline(Settings *s)
{
    PipelineOptions o = s->pipeline;
    int failures = 0;
    if (s->window_counts == 0)
        for (int w = o.lanes; w <= 4 * o.lanes && s->window_counts < MAX_LIST; w++)
            s->windows[s->window_counts++] = w;
    o.batches = (int64_t)s->batches_each * o.replicas;
    printf("%d pipelines of %d stages, lanes %d, transfer %g ms, latency %g ms, noise %g; stages", o.replicas, o.stages,
           o.lanes, o.transfer_seconds * 1e3, o.latency * 1e3, o.noise);
    for (int k = 0; k < o.stages; k++)
        printf(" %g", o.seconds[k]);
    printf(" s\n%6s %10s %10s %6s %7s %10s\n", "W", "batches/s", "ideal", "eff.", "bubble", "most sent");
    for (int i = 0; i < s->window_counts; i++) {
        o.window = (int)s->windows[i];
        PipelineResult r = pipeline_simulate(&o);
        printf("%6d %10.2f %10.2f %6.3f %6.2f%% %10d\n", o.window, r.throughput, r.ideal, r.efficiency, 100 * r.bubble,
               r.most_sent);
        failures += demand(!r.wrong, r.wrong);
        failures += demand(r.most_sent <= o.window, "more batches between two stages than the window");
        failures += demand(r.efficiency >= s->min_efficiency, "efficiency is lower than demanded");
    }
    return failures;
}

int main(int argc, char **argv)
{
    Settings s = {
        .workers = {8, 64, 512, 4096, 10000, 100000},
        .worker_counts = 6,
        .batches_each = 6000,
        .cluster = {.lanes = 1,
                    .batch_seconds = 0.01,
                    .spread = 0.2,
                    .noise = 0.1,
                    .latency = 1e-3,
                    .message_seconds = SCHED_MESSAGE_SECONDS,
                    .run_seconds = 1e-7,
                    .stragglers = -1,
                    .slowdown = 4,
                    .lost = -1,
                    .notice = 1,
                    .seed = 1},
        .pipeline = {.stages = 4,
                     .seconds = {0.01, 0.01, 0.01, 0.01},
                     .replicas = 2,
                     .lanes = 1,
                     .transfer_seconds = 1e-3,
                     .latency = 1e-4,
                     .noise = 0.1,
                     .seed = 1},
        .max_busy = 1e9,
        .max_delay = 1e9,
    };
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    const char *name = s.scenario ? s.scenario : "";
    ClusterOptions *c = &s.cluster;
    if (c->stragglers < 0)
        c->stragglers = strcmp(name, "stragglers") == 0 ? 0.01 : 0;
    if (c->lost < 0)
        c->lost = strcmp(name, "lost") == 0 ? 0.01 : 0;
    bool pipeline = strcmp(name, "pipeline") == 0;
    bool possible = s.batches_each >= 1 && c->lanes >= 1 && c->batch_seconds > 0 && c->spread >= 0 && c->noise >= 0 &&
                    c->latency >= 0 && c->slowdown >= 1 && c->notice >= 0 && s.pipeline.replicas >= 1 &&
                    s.pipeline.transfer_seconds >= 0;
    if (!possible ||
        !(pipeline || strcmp(name, "scale") == 0 || strcmp(name, "stragglers") == 0 || strcmp(name, "lost") == 0)) {
        argp_help(&argp, stderr, ARGP_HELP_SEE | ARGP_HELP_USAGE, argv[0]);
        return 2;
    }
    return (pipeline ? run_pipeline(&s) : run_cluster(&s)) ? 1 : 0;
}
