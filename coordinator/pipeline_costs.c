// Measures what a cut depends on: seconds and weights of every step, bytes at every point.
// A step's large weights are gone from memory again when the next one is measured, so a model that does not fit can be.
#include "coordinator/pipeline_costs.h"

#include "coordinator/arguments.h"
#include "worker/measure.h"
#include "worker/random.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t PACKED_IS_DROPPED = 1 << 20; // see measure.h: the file's pages of a larger weight go once it is packed

static const double ESTIMATED_STEP = 1e-5, ESTIMATED_BYTE = 1e-9; // seconds

// A number after `name` in a file of lines like "MemAvailable:   123 kB", in bytes.
static uint64_t line_bytes(const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    char line[256];
    unsigned long long kilobytes = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), " %llu", &kilobytes) == 1)
            break;
    if (f)
        fclose(f);
    return kilobytes * 1024;
}

// The whole content of a file as a number; 0 when it says "max" or is not there.
static uint64_t file_number(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long n = 0;
    if (f && fscanf(f, "%llu", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n < (1ull << 60) ? n : 0;
}

uint64_t pipeline_memory_there(const Job *j)
{
    uint64_t there = line_bytes("/proc/meminfo", "MemAvailable:");
    uint64_t limit = file_number("/sys/fs/cgroup/memory.max"), used = file_number("/sys/fs/cgroup/memory.current");
    if (!limit) {
        limit = file_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
        used = file_number("/sys/fs/cgroup/memory/memory.usage_in_bytes");
    }
    if (limit && (limit > used ? limit - used : 0) < there)
        there = limit > used ? limit - used : 0;
    return there / (uint64_t)j->node.size;
}

// ---- weights

typedef struct Collect {
    PipelineCosts *costs;
    StrMap index; // address of a storage -> number + 1
    PartitionUse *uses;
    uint64_t *bytes;
    uint32_t use_count, weight_count;
    uint32_t step;
    bool packed;  // what this step uses is packed
} Collect;

static void add_use(Collect *c, uint64_t bytes)
{
    PartitionUse use = {c->step, c->weight_count};
    ARENA_PUSH(&c->costs->arena, c->bytes, c->weight_count, bytes);
    ARENA_PUSH(&c->costs->arena, c->uses, c->use_count, use);
}

static void visit_weight(void *ctx, const DatumStorage *s)
{
    Collect *c = ctx;
    if (c->packed && s->mapped && s->size >= PACKED_IS_DROPPED)
        return;
    const void **key = arena_copy(&c->costs->arena, &s, sizeof s);
    uintptr_t known = (uintptr_t)strmap_get(&c->index, (Str){(const char *)key, sizeof s});
    if (known) {
        PartitionUse use = {c->step, (uint32_t)known - 1};
        ARENA_PUSH(&c->costs->arena, c->uses, c->use_count, use);
        return;
    }
    add_use(c, s->size);
    strmap_put(&c->index, &c->costs->arena, (Str){(const char *)key, sizeof s}, (void *)(uintptr_t)c->weight_count);
}

static void collect_weights(PipelineCosts *costs, const CutGraph *cut, const StepCost *steps)
{
    Collect c = {.costs = costs};
    for (; c.step < cut->step_count; c.step++) {
        c.packed = steps[c.step].packed_bytes > 0;
        cut_visit_weights(cut, c.step, visit_weight, &c);
        if (c.packed)
            add_use(&c, steps[c.step].packed_bytes);
    }
    PartitionProblem *p = &costs->problem;
    p->uses = c.uses;
    p->use_count = c.use_count;
    p->weight_bytes = c.bytes;
    p->weight_count = c.weight_count;
}

// ---- measuring

Status pipeline_first_batch(Job *j, H5Reader **reader, H5Batch **batch)
{
    TRY(h5_reader_open(j->h5, j->columns, j->binding.columns, 1, reader));
    TRY(h5_reader_push(*reader, j->first_row, job_batch_count(j, 0), 0));
    TRY(h5_reader_next(*reader, batch));
    return *batch ? ST_OK : status_fail(ST_INTERNAL, "no first batch");
}

static Status measure_batch(Job *j, const H5Batch *batch, StepCost *steps, uint64_t *bytes)
{
    Lane *lane;
    Generator *generator;
    IValue *args = calloc((size_t)j->binding.count + 1, sizeof *args);
    if (!args)
        return status_no_memory((size_t)j->binding.count);
    ArgumentMaker maker = {&j->binding, j->columns, false};
    Status s = lane_new(&j->kernels, program_types(model_program(j->model)), &lane);
    if (s != ST_OK) {
        free(args);
        return s;
    }
    s = lane_generator(lane, &generator);
    if (s == ST_OK)
        generator_key(generator, (uint64_t)j->options->seed, (uint64_t)j->first_row);
    if (s == ST_OK)
        s = arguments_of_call(&maker, lane, batch, j->options->per_sample ? 0 : -1, job_padded_rows(j, batch->count), args);
    if (s == ST_OK) {
        s = model_measure(j->model, lane, args, j->binding.count, steps, bytes);
        for (int i = 0; i < j->binding.count; i++)
            value_release(args[i]);
    }
    lane_free(lane);
    free(args);
    return s;
}

static Status run_first_batch(Job *j, StepCost *steps, uint64_t *bytes)
{
    H5Reader *reader = NULL;
    H5Batch *batch = NULL;
    Status s = pipeline_first_batch(j, &reader, &batch);
    if (s == ST_OK)
        s = measure_batch(j, batch, steps, bytes);
    if (batch)
        h5_reader_release(reader, batch);
    h5_reader_close(reader);
    return s;
}

typedef struct Arrays {
    StepCost *steps;
    double *seconds;
    uint64_t *bytes, *work;
    bool *legal;
} Arrays;

static Status make_arrays(const CutGraph *cut, PipelineCosts *out, Arrays *a)
{
    size_t n = cut->step_count + 1;
    *a = (Arrays){ARENA_ARRAY(&out->arena, StepCost, n), ARENA_ARRAY(&out->arena, double, n), ARENA_ARRAY(&out->arena, uint64_t, n),
                  ARENA_ARRAY(&out->arena, uint64_t, n), ARENA_ARRAY(&out->arena, bool, n)};
    return a->steps && a->seconds && a->bytes && a->work && a->legal ? ST_OK : status_no_memory(n * sizeof *a->steps);
}

static void add_bytes(void *total, const DatumStorage *s) { *(double *)total += (double)s->size; }

// Steps take as long as their weights are large, to which most of what is computed is proportional, and all points are alike.
static void estimate(const CutGraph *cut, const Arrays *a)
{
    for (uint32_t i = 0; i < cut->step_count; i++) {
        double weights = 0;
        cut_visit_weights(cut, i, add_bytes, &weights);
        a->steps[i] = (StepCost){.seconds = ESTIMATED_STEP + weights * ESTIMATED_BYTE};
    }
    memset(a->bytes, 0, (cut->step_count + 1) * sizeof *a->bytes);
}

static Status collect_guarded(PipelineCosts *out, const CutGraph *cut, const StepCost *steps)
{
    jmp_buf no_memory;
    out->arena.guard = &no_memory;
    bool failed = setjmp(no_memory) != 0;
    if (!failed)
        collect_weights(out, cut, steps);
    out->arena.guard = NULL;
    return failed ? ST_MEMORY : ST_OK;
}

Status pipeline_costs_measure(Job *j, const CutGraph *cut, uint64_t max_memory, PipelineCosts *out)
{
    *out = (PipelineCosts){0};
    Arrays a;
    uint64_t base = line_bytes("/proc/self/status", "RssAnon:");
    TRY(make_arrays(cut, out, &a));
    Status s = run_first_batch(j, a.steps, a.bytes);
    out->measured = s == ST_OK;
    if (s == ST_RAISED) {
        // The run will say so with the samples, or pass over them: nothing that a plan should end it for.
        status_clear();
        estimate(cut, &a);
    } else {
        TRY(s);
    }
    // With --per-sample that was one sample; a batch of them travels together.
    int64_t calls = j->options->per_sample ? j->batch_size : 1;
    for (uint32_t i = 0; i <= cut->step_count; i++) {
        a.legal[i] = !cut->points[i].refusal && a.bytes[i] != MEASURE_STAYS;
        a.bytes[i] = a.legal[i] ? a.bytes[i] * (uint64_t)calls : 0;
    }
    for (uint32_t i = 0; i < cut->step_count; i++) {
        a.seconds[i] = a.steps[i].seconds * (double)calls;
        a.work[i] = a.steps[i].work_bytes;
        out->whole_seconds += a.seconds[i];
    }
    out->seconds = a.seconds;
    out->problem = (PartitionProblem){
        .step_count = cut->step_count,
        .seconds = a.seconds,
        .legal = a.legal,
        .bytes = a.bytes,
        .work_bytes = a.work,
        .base_bytes = base,
        .max_memory = max_memory,
        .lanes = j->lanes,
        .in_flight = (uint32_t)j->lanes + 1,
    };
    return collect_guarded(out, cut, a.steps);
}

void pipeline_costs_free(PipelineCosts *c) { arena_free(&c->arena); }
