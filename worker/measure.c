// Measuring the steps of a method: each runs as a stage of its own, on values that came through a transfer.
// So what it writes to is a copy, nothing that it does outlives it, and it can run as often as the clock needs.
#include "worker/measure.h"

#include "worker/allocator.h"
#include "worker/model_parts.h"
#include "worker/random.h"
#include "worker/tensor.h"
#include "worker/transfer.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNS = 7,             // of a step that are timed, unless they take ENOUGH; the first two get new memory
    LEAST_RUNS = 3,
    MOST_SWEPT = 16 << 20, // bytes
    FORGET_FROM = 1 << 20 // bytes of a weight in the file whose pages are worth giving back
};
static const double ENOUGH = 0.3; // seconds of all runs of a step

// Values as another process would get them: in memory of their own, from which they can be read as often as a step runs. A
// step may change the lists and objects that it gets.
typedef struct Arrival {
    void *head;
    size_t head_size;
    TransferPart *parts;
    uint32_t part_count, count;
} Arrival;

typedef struct Measure {
    Model *model;
    Lane *lane;
    const CutGraph *cut;
    TransferTable *table;
    StepCost *costs;
    uint64_t *bytes;
    Transfer transfer;
    char *sweep;       // memory to push everything else out of the second level cache with
    size_t sweep_size;
} Measure;

// Seconds that this thread has computed, so that what else the machine does counts little; where several threads work on
// a step, seconds that have passed.
static double now(const Lane *lane)
{
    struct timespec t;
    clock_gettime(lane->kernels.threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// ---- values between steps

static void arrival_free(Arrival *a)
{
    for (uint32_t i = 0; i < a->part_count; i++)
        free((void *)(uintptr_t)a->parts[i].data);
    free(a->parts);
    free(a->head);
    *a = (Arrival){0};
}

static void *aligned_copy(const void *data, size_t size)
{
    void *copy = aligned_alloc(TRANSFER_ALIGN, (size + TRANSFER_ALIGN - 1) / TRANSFER_ALIGN * TRANSFER_ALIGN);
    if (copy)
        memcpy(copy, data, size);
    else
        status_no_memory(size);
    return copy;
}

static Status copy_bytes(const Transfer *t, Arrival *a)
{
    a->parts = malloc((t->part_count + 1) * sizeof *a->parts);
    if (!a->parts)
        return status_no_memory(t->part_count * sizeof *a->parts);
    for (; a->part_count < t->part_count; a->part_count++) {
        const TransferPart *part = &t->parts[a->part_count];
        void *copy = aligned_copy(part->data, part->size);
        if (!copy)
            return ST_MEMORY;
        a->parts[a->part_count] = (TransferPart){copy, part->size};
    }
    a->head = aligned_copy(t->head.ptr, t->head.len);
    a->head_size = t->head.len;
    return a->head ? ST_OK : ST_MEMORY;
}

// *bytes: what travels. ST_UNSUPPORTED: a value does not.
static Status arrive(Measure *m, const IValue *values, uint32_t count, Arrival *a, uint64_t *bytes)
{
    *a = (Arrival){.count = count};
    transfer_clear(&m->transfer);
    TRY(transfer_pack(&m->transfer, m->table, m->lane, values, count));
    *bytes = transfer_bytes(&m->transfer);
    Status status = copy_bytes(&m->transfer, a);
    if (status != ST_OK)
        arrival_free(a);
    return status;
}

// Reads them, [a->count], for one run.
static Status arrival_read(const Measure *m, const Arrival *a, IValue *values)
{
    TransferReader r = transfer_reader(a->head, a->head_size, a->parts, a->part_count);
    return transfer_unpack(&r, m->table, m->lane, a->count, values);
}

// ---- one group of steps

// The values of one run: what it got, and what it gave, which may hold it.
typedef struct Run {
    IValue *in, *out;
    uint32_t in_count, out_count;
} Run;

static void run_clear(Run *r)
{
    values_discard(r->out, r->out_count, r->in, r->in_count);
    values_discard(r->in, r->in_count, NULL, 0);
}

static void run_free(Run *r)
{
    if (r->in && r->out)
        run_clear(r);
    free(r->in);
    free(r->out);
}

static Status run_new(uint32_t in_count, uint32_t out_count, Run *r)
{
    *r = (Run){.in = calloc(in_count + 1, sizeof(IValue)), .out = calloc(out_count + 1, sizeof(IValue)), .in_count = in_count, .out_count = out_count};
    return r->in && r->out ? ST_OK : status_no_memory(((size_t)in_count + out_count) * sizeof(IValue));
}

// *seconds of the run itself.
static Status run_once(const Measure *m, Instance *i, const Arrival *a, Run *r, double *seconds)
{
    TRY(arrival_read(m, a, r->in));
    double start = now(m->lane);
    Status status = instance_call_stage(i, r->in, r->in_count, r->out);
    *seconds = now(m->lane) - start;
    if (status != ST_OK)
        memset(r->out, 0, r->out_count * sizeof *r->out); // None
    return status;
}

// When the steps of a whole call run one after the other, each finds what it gets in the cache of its core and its weights,
// which it saw a batch ago, further away. A step that runs again and again would find both.
static void leave_cache(const Measure *m, const Arrival *a)
{
    memset(m->sweep, 1, m->sweep_size);
    unsigned sum = 0;
    for (uint32_t i = 0; i < a->part_count; i++)
        for (size_t at = 0; at < a->parts[i].size; at += 64)
            sum += ((const volatile unsigned char *)a->parts[i].data)[at];
    m->sweep[0] = (char)sum; // so that the reading is done
}

static int by_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The median of the runs. What a run gave goes when the next one is over, so that each writes to other memory than the last
// one, as steps that follow one another do.
static Status time_runs(const Measure *m, Instance *i, const Arrival *a, uint32_t outputs, double *seconds)
{
    Run room[2] = {0};
    double total = 0, took[RUNS];
    int runs = 0;
    Status status = run_new(a->count, outputs, &room[0]);
    if (status == ST_OK)
        status = run_new(a->count, outputs, &room[1]);
    for (; status == ST_OK && runs < RUNS && (runs < LEAST_RUNS || total < ENOUGH); runs++) {
        leave_cache(m, a);
        status = run_once(m, i, a, &room[runs & 1], &took[runs]);
        total += took[runs];
        run_clear(&room[!(runs & 1)]);
    }
    run_free(&room[0]);
    run_free(&room[1]);
    qsort(took, (size_t)runs, sizeof *took, by_seconds);
    *seconds = runs ? took[runs / 2] : 0;
    return status;
}

static Status run_group(Measure *m, ModelStage *stage, uint32_t from, const Arrival *a, uint64_t in_bytes, Run *first)
{
    Lane *lane = m->lane;
    StepCost *cost = &m->costs[from];
    Instance *instance;
    double unprepared;
    TRY(run_new(a->count, model_stage_outputs(stage), first));
    TRY(stage_instance_new(stage, lane, &instance));
    free(lane->scratch); // so that its size is that of this step
    lane->scratch = NULL;
    lane->scratch_size = 0;
    allocator_mark(lane->allocator);
    Status status = run_once(m, instance, a, first, &unprepared);
    cost->work_bytes = in_bytes + allocator_above_mark(lane->allocator) + lane->scratch_size;
    if (status == ST_OK)
        status = time_runs(m, instance, a, first->out_count, &cost->seconds);
    instance_free(instance);
    cost->packed_bytes = pack_store_used(lane->kernels.packs);
    return status;
}

static void forget(void *archive, const DatumStorage *s)
{
    if (s->mapped && s->size >= FORGET_FROM)
        archive_forget_pages(archive, s->data, s->size);
}

// Steps [from, to) with weights packed for them alone. `first` is to be freed, also after a failure.
static Status measure_group(Measure *m, uint32_t from, uint32_t to, const Arrival *a, uint64_t in_bytes, Run *first)
{
    ModelStage *stage;
    *first = (Run){0};
    TRY(model_stage_new(m->model, from, to, &stage));
    PackStore *packs = NULL, *shared = m->lane->kernels.packs;
    Status status = pack_store_new(&packs);
    if (status == ST_OK) {
        m->lane->kernels.packs = packs;
        status = run_group(m, stage, from, a, in_bytes, first);
        m->lane->kernels.packs = shared;
        pack_store_free(packs);
    }
    model_stage_free(stage);
    for (uint32_t i = from; i < to; i++)
        cut_visit_weights(m->cut, i, forget, m->model->archive);
    return status;
}

// ---- the method

static uint32_t next_legal(const CutGraph *cut, uint32_t point)
{
    do
        point++;
    while (point < cut->step_count && cut->points[point].refusal);
    return point;
}

// From what goes into step `from` to what goes into *to, a later one.
static Status advance(Measure *m, uint32_t from, uint32_t *to, Arrival *in)
{
    for (*to = next_legal(m->cut, from);; *to = next_legal(m->cut, *to)) {
        Arrival next = {0};
        Run first;
        bool last = *to == m->cut->step_count;
        Status status = measure_group(m, from, *to, in, m->bytes[from], &first);
        bool ran = status == ST_OK;
        if (ran)
            status = last ? transfer_size(m->table, m->lane, first.out, first.out_count, &m->bytes[*to]) : arrive(m, first.out, first.out_count, &next, &m->bytes[*to]);
        run_free(&first);
        bool stays = ran && status == ST_UNSUPPORTED;
        if (stays) {
            m->bytes[*to] = MEASURE_STAYS;
            status_clear();
        }
        if (status == ST_OK || (stays && last)) {
            arrival_free(in);
            *in = next;
            return ST_OK;
        }
        if (!stays)
            return status;
    }
}

static Status measure_all(Measure *m, const IValue *args, int n)
{
    Arrival in;
    TRY(arrive(m, args, (uint32_t)n, &in, &m->bytes[0]));
    Status status = ST_OK;
    for (uint32_t at = 0, to; at < m->cut->step_count && status == ST_OK; at = to)
        status = advance(m, at, &to, &in);
    arrival_free(&in);
    return status;
}

Status model_measure(Model *m, Lane *lane, const IValue *args, int n, StepCost *costs, uint64_t *bytes)
{
    Measure measure = {.model = m, .lane = lane, .costs = costs, .bytes = bytes};
    TRY(model_cut_graph(m, &measure.cut));
    memset(costs, 0, measure.cut->step_count * sizeof *costs);
    memset(bytes, 0, (measure.cut->step_count + 1) * sizeof *bytes);
    Generator *generator, before;
    TRY(lane_generator(lane, &generator));
    before = *generator;
    FILE *print_to = lane->print_to;
    if (!(lane->print_to = fopen("/dev/null", "w"))) {
        lane->print_to = print_to;
        return status_fail(ST_IO, "/dev/null cannot be opened");
    }
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    measure.sweep_size = cache > 0 && cache < MOST_SWEPT / 2 ? 2 * (size_t)cache : MOST_SWEPT;
    measure.sweep = malloc(measure.sweep_size);
    Status status = measure.sweep ? transfer_table_new(m, &measure.table) : status_no_memory(measure.sweep_size);
    if (status == ST_OK) {
        status = measure_all(&measure, args, n);
        transfer_table_free(measure.table);
    }
    transfer_free(&measure.transfer);
    free(measure.sweep);
    fclose(lane->print_to);
    lane->print_to = print_to;
    before.head = generator->head;
    *generator = before;
    return status;
}
