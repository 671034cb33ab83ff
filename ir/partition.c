// Exact partitions of steps into stages by dynamic programming: once for the slowest stage, once more for the bytes.
// Both run over pairs (first step, end) with the costs of that stage kept up to date, and leave the first step's loop
// where a stage only gets worse.
#include "ir/partition.h"

#include <math.h>

// The problem with what both passes look up.
typedef struct Table {
    const PartitionProblem *p;
    Arena arena;
    double *sum;         // [step_count + 1]: seconds before each point
    uint32_t *first_use; // [step_count + 1]: into uses
    uint32_t *next;      // [use_count]: the next step that uses the same weight; UINT32_MAX: none
    uint32_t fewest;     // stages that the limit of memory asks for; UINT32_MAX: nothing fits
    struct Cell *cells;  // of one search after the other, enough for the largest
} Table;

static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static uint64_t times(uint64_t a, double n)
{
    double product = (double)a * n;
    return product < 0x1p64 ? (uint64_t)product : UINT64_MAX;
}

static bool is_legal(const PartitionProblem *p, uint32_t point) { return point == 0 || point == p->step_count || p->legal[point]; }

static void fill(Table *t)
{
    const PartitionProblem *p = t->p;
    uint32_t n = p->step_count;
    t->sum = ARENA_ARRAY(&t->arena, double, n + 1);
    t->first_use = ARENA_ARRAY(&t->arena, uint32_t, n + 1);
    t->next = ARENA_ARRAY(&t->arena, uint32_t, p->use_count + 1);
    uint32_t *later = ARENA_ARRAY(&t->arena, uint32_t, p->weight_count + 1);
    for (uint32_t i = 0, u = 0; i <= n; i++) {
        if (i < n)
            t->sum[i + 1] = t->sum[i] + p->seconds[i];
        while (u < p->use_count && p->uses[u].step < i)
            u++;
        t->first_use[i] = u;
    }
    for (uint32_t w = 0; w < p->weight_count; w++)
        later[w] = UINT32_MAX;
    for (uint32_t u = p->use_count; u-- > 0;) {
        t->next[u] = later[p->uses[u].weight];
        later[p->uses[u].weight] = p->uses[u].step;
    }
}

// Costs ----------------------------------------------------------------------------------------------------------------

// A stage that ends before step `end` and grows towards the front.
typedef struct Stage {
    uint32_t first, end;
    uint64_t weights, work;
} Stage;

// Takes the step before its first into itself.
static void grow(const Table *t, Stage *s)
{
    const PartitionProblem *p = t->p;
    uint32_t step = --s->first;
    for (uint32_t u = t->first_use[step]; u < t->first_use[step + 1]; u++)
        if (t->next[u] >= s->end) // else it is counted already
            s->weights = add(s->weights, p->weight_bytes[p->uses[u].weight]);
    s->work = p->work_bytes[step] > s->work ? p->work_bytes[step] : s->work;
}

// Without what travels: this only grows with the stage.
static uint64_t own_memory(const Table *t, const Stage *s) { return add(t->p->base_bytes, add(s->weights, times(s->work, t->p->lanes))); }

static uint64_t stage_memory(const Table *t, const Stage *s)
{
    return add(own_memory(t, s), times(add(t->p->bytes[s->first], t->p->bytes[s->end]), t->p->in_flight));
}

static bool fits(const PartitionProblem *p, uint64_t memory) { return !p->max_memory || memory <= p->max_memory; }

static double compute_seconds(const Table *t, const Stage *s) { return (t->sum[s->end] - t->sum[s->first]) / t->p->lanes; }

// As stage number `at`, from 0.
static double stage_seconds(const Table *t, const Stage *s, uint32_t at)
{
    double seconds = compute_seconds(t, s);
    if (!at || !t->p->links)
        return seconds;
    const PartitionLink *link = &t->p->links[at - 1];
    return seconds + (link->seconds_per_message + (double)t->p->bytes[s->first] / link->bytes_per_second);
}

// Texts ----------------------------------------------------------------------------------------------------------------

static double mib(uint64_t bytes) { return (double)bytes / (1 << 20); }

// Steps between two neighbouring legal points that are over the limit; false: there are none.
static bool find_too_large(const Table *t, Stage *out)
{
    const PartitionProblem *p = t->p;
    for (uint32_t end = 1, begin = 0; end <= p->step_count; end++) {
        if (!is_legal(p, end))
            continue;
        *out = (Stage){.first = end, .end = end};
        while (out->first > begin)
            grow(t, out);
        if (!fits(p, stage_memory(t, out)))
            return true;
        begin = end;
    }
    return false;
}

static uint32_t count_cuts(const PartitionProblem *p)
{
    uint32_t cuts = 0;
    for (uint32_t i = 1; i < p->step_count; i++)
        cuts += p->legal[i];
    return cuts;
}

static Status explain(const Table *t, uint32_t stages, Partition *out)
{
    const PartitionProblem *p = t->p;
    uint32_t cuts = count_cuts(p);
    Stage s;
    *out = (Partition){0};
    if (!stages || stages > PARTITION_MAX_STAGES || stages > cuts + 1 || !p->step_count)
        return status_fail(ST_USAGE, "no %u stages: the model has %u operations and %u legal cuts between them (limit %d stages)", stages, p->step_count, cuts,
                           PARTITION_MAX_STAGES);
    if (find_too_large(t, &s)) {
        out->cut[0] = s.first;
        out->cut[1] = s.end;
        return status_fail(ST_USAGE, "operations %u to %u of %u, which no cut divides, need %.1f MiB in one process, more than the limit of %.1f MiB", s.first + 1, s.end,
                           p->step_count, mib(stage_memory(t, &s)), mib(p->max_memory));
    }
    return status_fail(ST_USAGE, "the model does not fit into %u stage%s of at most %.1f MiB each: raise the limit or take more processes", stages, stages > 1 ? "s" : "",
                       mib(p->max_memory));
}

// Dynamic programming --------------------------------------------------------------------------------------------------

// Of the first `k` stages when they end at `point`: cells[point * (stages + 1) + k].
typedef struct Cell {
    double slowest;  // the least that it can be
    uint64_t bytes;  // the least that travel over their cuts, when no stage is slower than the limit
    uint32_t first;  // of the last of them, in that case; UINT32_MAX: not possible
} Cell;

typedef struct Search {
    const Table *t;
    uint32_t stages;
} Search;

static Cell *cell(const Search *s, uint32_t point, uint32_t k) { return &s->t->cells[(size_t)point * (s->stages + 1) + k]; }

// Whether k stages up to `point` leave enough steps for the others.
static bool leaves_enough(const Search *s, uint32_t point, uint32_t k) { return s->t->p->step_count - point >= s->stages - k; }

// The first pass: improves the cells of stage.end, with stages that are not slower than `limit`. False when all larger
// ones are.
static bool improve_slowest(const Search *s, const Stage *stage, bool usable, double limit)
{
    if (compute_seconds(s->t, stage) > limit)
        return false;
    for (uint32_t k = 1; usable && k <= s->stages && k <= stage->end; k++) {
        Cell *best = cell(s, stage->end, k);
        double before = cell(s, stage->first, k - 1)->slowest;
        if (before >= best->slowest || !leaves_enough(s, stage->end, k))
            continue;
        double seconds = stage_seconds(s->t, stage, k - 1);
        double slowest = seconds > before ? seconds : before;
        if (slowest < best->slowest && seconds <= limit)
            best->slowest = slowest;
    }
    return true;
}

// The second pass: the fewest bytes with no stage slower than `limit`.
static bool improve_bytes(const Search *s, const Stage *stage, bool usable, double limit)
{
    if (compute_seconds(s->t, stage) > limit)
        return false;
    for (uint32_t k = 1; usable && k <= s->stages && k <= stage->end; k++) {
        const Cell *before = cell(s, stage->first, k - 1);
        Cell *best = cell(s, stage->end, k);
        if (before->first == UINT32_MAX || !leaves_enough(s, stage->end, k) || stage_seconds(s->t, stage, k - 1) > limit)
            continue;
        uint64_t bytes = stage->first ? add(before->bytes, s->t->p->bytes[stage->first]) : 0;
        if (best->first == UINT32_MAX || bytes < best->bytes) {
            best->first = stage->first;
            best->bytes = bytes;
        }
    }
    return true;
}

// Every stage that fits, by its end and then from short to long.
static void pass(const Search *s, bool (*improve)(const Search *s, const Stage *stage, bool usable, double limit), double limit)
{
    const PartitionProblem *p = s->t->p;
    for (uint32_t end = 1; end <= p->step_count; end++) {
        if (!is_legal(p, end))
            continue;
        Stage stage = {.first = end, .end = end};
        for (bool more = true; more && stage.first > 0;) {
            grow(s->t, &stage);
            if (!fits(p, own_memory(s->t, &stage)))
                break;
            bool usable = is_legal(p, stage.first) && fits(p, stage_memory(s->t, &stage));
            more = improve(s, &stage, usable, limit);
        }
    }
}

// Over the same stages, without their times.
static uint32_t fewest_stages(Table *t)
{
    const PartitionProblem *p = t->p;
    uint32_t *fewest = ARENA_ARRAY(&t->arena, uint32_t, p->step_count + 1);
    for (uint32_t end = 1; end <= p->step_count; end++) {
        fewest[end] = p->max_memory ? UINT32_MAX : 1;
        if (!p->max_memory || !is_legal(p, end))
            continue;
        Stage stage = {.first = end, .end = end};
        while (stage.first > 0) {
            grow(t, &stage);
            if (!fits(p, own_memory(t, &stage)))
                break;
            if (is_legal(p, stage.first) && fewest[stage.first] < fewest[end] - 1 && fits(p, stage_memory(t, &stage)))
                fewest[end] = fewest[stage.first] + 1;
        }
    }
    return fewest[p->step_count];
}

static Stage stage_of(const Table *t, uint32_t first, uint32_t end)
{
    Stage s = {.first = end, .end = end};
    while (s.first > first)
        grow(t, &s);
    return s;
}

static void describe(const Table *t, const uint32_t *cut, uint32_t stages, Partition *out)
{
    out->stages = stages;
    out->slowest = 0;
    out->cut[0] = 0;
    for (uint32_t i = 0; i < stages; i++) {
        Stage s = stage_of(t, cut[i], cut[i + 1]);
        out->cut[i + 1] = cut[i + 1];
        out->seconds[i] = stage_seconds(t, &s, i);
        out->memory[i] = stage_memory(t, &s);
        if (out->seconds[i] > out->slowest)
            out->slowest = out->seconds[i];
    }
}

// No partition into that many stages is faster: all work shared evenly, and the longest step in one stage.
static double least_seconds(const Table *t, uint32_t stages)
{
    double least = t->sum[t->p->step_count] / stages;
    for (uint32_t i = 0; i < t->p->step_count; i++)
        least = fmax(least, t->p->seconds[i]);
    return least / t->p->lanes;
}

// The time of the slowest stage. A narrow limit leaves few stages to look at, and what is found under it is the best; it
// starts near the least time that is possible and grows until something is found. INFINITY: nothing fits.
static double find_slowest(const Search *s)
{
    const PartitionProblem *p = s->t->p;
    double limit = 1.25 * least_seconds(s->t, s->stages);
    for (;;) {
        if (!(limit > 0) || limit > s->t->sum[p->step_count] / p->lanes)
            limit = INFINITY;
        for (size_t i = 0; i < (size_t)(p->step_count + 1) * (s->stages + 1); i++)
            s->t->cells[i] = (Cell){.slowest = INFINITY, .first = UINT32_MAX};
        *cell(s, 0, 0) = (Cell){0};
        pass(s, improve_slowest, limit);
        double found = cell(s, p->step_count, s->stages)->slowest;
        if (found < INFINITY || limit == INFINITY)
            return found;
        limit *= 2;
    }
}

static Cell *make_cells(Table *t, uint32_t stages) { return ARENA_ARRAY(&t->arena, Cell, (size_t)(t->p->step_count + 1) * (stages + 1)); }

static bool is_possible(const Table *t, uint32_t stages)
{
    return stages && stages <= PARTITION_MAX_STAGES && stages >= t->fewest && stages <= count_cuts(t->p) + 1 && t->p->step_count;
}

static Status best(const Table *t, uint32_t stages, Partition *out)
{
    uint32_t cut[PARTITION_MAX_STAGES + 1];
    Search s = {t, stages};
    double limit = find_slowest(&s);
    if (limit == INFINITY)
        return explain(t, stages, out);
    pass(&s, improve_bytes, limit);
    cut[stages] = t->p->step_count;
    for (uint32_t k = stages; k > 0; k--)
        cut[k - 1] = cell(&s, cut[k], k)->first;
    describe(t, cut, stages, out);
    return ST_OK;
}

static Status given(Table *t, const uint32_t *cut, uint32_t stages, Partition *out)
{
    const PartitionProblem *p = t->p;
    if (!stages || stages > PARTITION_MAX_STAGES || cut[0] != 0 || cut[stages] != p->step_count)
        return status_fail(ST_USAGE, "%u stages (limit %d) must go from the first operation to the last", stages, PARTITION_MAX_STAGES);
    for (uint32_t i = 0; i < stages; i++) {
        if (cut[i] >= cut[i + 1] || cut[i + 1] > p->step_count)
            return status_fail(ST_USAGE, "stage %u has no operations: cuts must be in the order in which the model runs", i);
        if (!is_legal(p, cut[i + 1]))
            return status_fail(ST_USAGE, "no cut is possible behind operation %u", cut[i + 1]);
    }
    describe(t, cut, stages, out);
    for (uint32_t i = 0; i < stages; i++)
        if (!fits(p, out->memory[i]))
            return status_fail(ST_USAGE, "stage %u needs %.1f MiB, more than the limit of %.1f MiB", i, mib(out->memory[i]), mib(p->max_memory));
    return ST_OK;
}

// Choosing the number of stages ----------------------------------------------------------------------------------------

// A throughput that is lower by less than this is as good: measured costs are no better than that.
static const double EQUAL = 0.02;

void partition_links(const PartitionLink *of_ranks, uint32_t stages, uint32_t pipelines, PartitionLink *out)
{
    for (uint32_t k = 0; k + 1 < stages; k++) {
        out[k] = of_ranks[k];
        for (uint32_t r = 1; r < pipelines; r++) {
            const PartitionLink *link = &of_ranks[r * stages + k];
            out[k].seconds_per_message = fmax(out[k].seconds_per_message, link->seconds_per_message);
            out[k].bytes_per_second = fmin(out[k].bytes_per_second, link->bytes_per_second);
        }
    }
}

static Status choose(Table *t, uint32_t ranks, Partition *out, uint32_t *pipelines)
{
    const PartitionProblem *p = t->p;
    uint32_t most = ranks < PARTITION_MAX_STAGES ? ranks : PARTITION_MAX_STAGES, found = 0, possible = count_cuts(p) + 1;
    most = possible < most ? possible : most;
    double fastest = 0;
    Partition *of = ARENA_ARRAY(&t->arena, Partition, most + 1);
    PartitionLink *links = ARENA_ARRAY(&t->arena, PartitionLink, most + 1);
    t->cells = make_cells(t, most);
    for (uint32_t k = p->least_stages ? p->least_stages : 1; k <= most; k++) {
        uint32_t lines = ranks / k;
        if (!is_possible(t, k) || lines / least_seconds(t, k) <= fastest)
            continue; // or what was found is as good, with fewer stages
        PartitionProblem one = *p;
        if (p->links) {
            partition_links(p->links, k, lines, links);
            one.links = links;
        }
        t->p = &one;
        Status status = best(t, k, &of[k]);
        t->p = p;
        if (status == ST_OK && lines / of[k].slowest > fastest) {
            fastest = lines / of[k].slowest;
            found = k;
        }
    }
    if (!found)
        return explain(t, most, out);
    status_clear();
    for (uint32_t k = found; k >= 1; k--)
        if (of[k].stages && ranks / k / of[k].slowest >= fastest * (1 - EQUAL)) {
            *out = of[k];
            *pipelines = ranks / k;
        }
    return ST_OK;
}

// ----------------------------------------------------------------------------------------------------------------------

typedef enum Task { BEST, GIVEN, CHOOSE } Task;

static Status guarded(Table *t, Task task, uint32_t count, const uint32_t *cut, Partition *out, uint32_t *pipelines)
{
    jmp_buf guard;
    t->arena.guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    fill(t);
    if (task == GIVEN)
        return given(t, cut, count, out);
    t->fewest = fewest_stages(t);
    if (task == CHOOSE)
        return choose(t, count, out, pipelines);
    if (!is_possible(t, count))
        return explain(t, count, out);
    t->cells = make_cells(t, count);
    return best(t, count, out);
}

static Status solve(const PartitionProblem *p, Task task, uint32_t count, const uint32_t *cut, Partition *out, uint32_t *pipelines)
{
    Table t = {.p = p};
    Status status = guarded(&t, task, count, cut, out, pipelines);
    arena_free(&t.arena);
    return status;
}

Status partition_best(const PartitionProblem *p, uint32_t stages, Partition *out) { return solve(p, BEST, stages, NULL, out, NULL); }
Status partition_given(const PartitionProblem *p, const uint32_t *cut, uint32_t stages, Partition *out) { return solve(p, GIVEN, stages, cut, out, NULL); }
Status partition_choose(const PartitionProblem *p, uint32_t ranks, Partition *out, uint32_t *pipelines) { return solve(p, CHOOSE, ranks, NULL, out, pipelines); }
