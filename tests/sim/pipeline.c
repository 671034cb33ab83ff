// Pipelines: the simulation of stages, credits and wires. Batches come from the scheduler, as in a run.
// The first stage reads as far ahead as the others receive: its window of batches that wait is W too.
#include "pipeline.h"
#include "events.h"

#include "coordinator/sched.h"

#include <math.h>
#include <stdlib.h>

enum { COMPUTED, RECEIVED, CREDIT };

typedef struct Stage {
    int64_t *waiting; // received, a ring of `window`
    int first, count;
    int computing, held; // lanes
    int64_t *done;       // [lanes] batches that hold a lane for want of a credit, oldest first
    int sent;            // to this stage and not finished here
    double wire_free;    // of the wire to the next stage
    double computed;     // seconds
} Stage;

typedef struct Pipelines {
    const PipelineOptions *o;
    Events events;
    Random random;
    Sched *sched;
    Stage *stages; // [replicas][stages]
    Lease *leases; // [replicas] what is left of them
    uint8_t *counted;
    PipelineResult r;
} Pipelines;

static Stage *stage_of(Pipelines *p, int replica, int k)
{
    return &p->stages[(size_t)replica * p->o->stages + k];
}

static double slowest(const PipelineOptions *o)
{
    double most = 0;
    for (int k = 0; k < o->stages; k++)
        most = fmax(most, o->seconds[k]);
    return most / o->lanes;
}

static void receive(Pipelines *p, Stage *s, int64_t batch)
{
    if (s->count == p->o->window) {
        p->r.wrong = "more batches came than there were credits";
        return;
    }
    s->waiting[(s->first + s->count++) % p->o->window] = batch;
}

static void read_batches(Pipelines *p, int replica)
{
    Stage *s = stage_of(p, replica, 0);
    Lease *l = &p->leases[replica];
    while (s->count < p->o->window) {
        if (l->count == 0 && sched_request(p->sched, replica, p->o->lanes, l) != SCHED_LEASE) {
            l->count = 0;
            return;
        }
        receive(p, s, l->first++);
        l->count--;
    }
}

static void start(Pipelines *p, int replica, int k)
{
    const PipelineOptions *o = p->o;
    Stage *s = stage_of(p, replica, k);
    if (k == 0)
        read_batches(p, replica);
    while (s->computing + s->held < o->lanes && s->count > 0) {
        double seconds = o->seconds[k] * fmax(1 + o->noise * random_normal(&p->random), 0.05);
        s->computing++;
        s->computed += seconds;
        events_add(
            &p->events,
            (Event){
                .time = p->events.now + seconds, .kind = COMPUTED, .who = replica, .a = s->waiting[s->first], .b = k});
        s->first = (s->first + 1) % o->window;
        s->count--;
        if (k == 0)
            read_batches(p, replica);
    }
}

static void report(Pipelines *p, int replica, int64_t batch)
{
    if (!sched_done(p->sched, replica, batch, 0, slowest(p->o)) || p->counted[batch]++ != 0)
        p->r.wrong = "a batch counted twice";
    p->r.seconds = p->events.now;
}

// Sends what may be sent, which frees lanes.
static void send(Pipelines *p, int replica, int k)
{
    const PipelineOptions *o = p->o;
    Stage *s = stage_of(p, replica, k), *next = k + 1 < o->stages ? s + 1 : NULL;
    while (s->held > 0 && (!next || next->sent < o->window)) {
        int64_t batch = s->done[0];
        s->held--;
        for (int i = 0; i < s->held; i++)
            s->done[i] = s->done[i + 1];
        if (!next) {
            report(p, replica, batch);
            continue;
        }
        next->sent++;
        p->r.most_sent = next->sent > p->r.most_sent ? next->sent : p->r.most_sent;
        s->wire_free = fmax(s->wire_free, p->events.now) + o->transfer_seconds;
        events_add(
            &p->events,
            (Event){.time = s->wire_free + o->latency, .kind = RECEIVED, .who = replica, .a = batch, .b = k + 1});
    }
    start(p, replica, k);
}

static void take(Pipelines *p, const Event *e)
{
    int replica = e->who, k = (int)e->b;
    Stage *s = stage_of(p, replica, k);
    switch (e->kind) {
    case COMPUTED:
        s->computing--;
        s->done[s->held++] = e->a;
        if (k > 0)
            events_add(&p->events,
                       (Event){.time = e->time + p->o->latency, .kind = CREDIT, .who = replica, .b = k - 1});
        send(p, replica, k);
        break;
    case RECEIVED:
        receive(p, s, e->a);
        start(p, replica, k);
        break;
    case CREDIT:
        s[1].sent--;
        send(p, replica, k);
        break;
    }
}

static void conclude(Pipelines *p)
{
    const PipelineOptions *o = p->o;
    for (int64_t b = 0; b < o->batches; b++)
        if (p->counted[b] != 1)
            p->r.wrong = "a batch did not count";
    double useful = 0, all = 0;
    for (int i = 0; i < o->replicas * o->stages; i++)
        useful += p->stages[i].computed;
    for (int k = 0; k < o->stages; k++)
        all += o->seconds[k] / (slowest(o) * o->lanes);
    double wire = o->stages > 1 ? o->transfer_seconds : 0;
    p->r.throughput = (double)o->batches / p->r.seconds;
    p->r.ideal = o->replicas / fmax(slowest(o), wire);
    p->r.efficiency = p->r.throughput / p->r.ideal;
    p->r.bubble = 1 - useful / (all * o->replicas * o->lanes * p->r.seconds);
}

PipelineResult pipeline_simulate(const PipelineOptions *o)
{
    Pipelines p = {.o = o, .random = {o->seed}};
    SchedOptions options = {
        .batches = o->batches, .workers = o->replicas, .lease_seconds = 0.05, .message_seconds = SCHED_MESSAGE_SECONDS};
    if (sched_new(&options, &p.sched) != ST_OK)
        must(NULL);
    sched_settle(p.sched);
    int count = o->replicas * o->stages;
    p.stages = must(calloc((size_t)count, sizeof *p.stages));
    p.leases = must(calloc((size_t)o->replicas, sizeof *p.leases));
    p.counted = must(calloc((size_t)o->batches, 1));
    for (int i = 0; i < count; i++) {
        p.stages[i].waiting = must(calloc((size_t)o->window, sizeof(int64_t)));
        p.stages[i].done = must(calloc((size_t)o->lanes, sizeof(int64_t)));
    }
    for (int i = 0; i < o->replicas; i++)
        start(&p, i, 0);
    for (Event e; events_take(&p.events, &e);)
        take(&p, &e);
    conclude(&p);
    for (int i = 0; i < count; i++) {
        free(p.stages[i].waiting);
        free(p.stages[i].done);
    }
    free(p.stages);
    free(p.leases);
    free(p.counted);
    events_free(&p.events);
    sched_free(p.sched);
    return p.r;
}
