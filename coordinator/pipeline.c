// Plans the pipelines of a run: how many stages, where the graph is cut, which rank computes what.
// Rank 0 decides, by options or by measured costs; the others take its plan and make their stage of the same graph.
#include "coordinator/pipeline_costs.h"

#include "coordinator/links.h"
#include "coordinator/pipeline_trial.h"
#include "io/base/log.h"

#include <stdlib.h>

static const double WORTH_CUTTING_AGAIN = 0.98;
static const double BATCH_SECONDS = 0.2e-3; // what a batch costs a stage beside computing: waking up, a message, a credit
static const uint64_t ROOM_BESIDE_WEIGHTS = 64 << 20; // of a rank that runs the whole model, for everything else

typedef struct Plan { // what rank 0 tells the others
    Partition cuts;
    int64_t measured;
    int64_t most_stages; // that the graph can be cut into
    double whole_seconds;
    uint64_t travels[PARTITION_MAX_STAGES];
} Plan;

static bool is_text(const char *a, const char *b) { return strcmp(a, b) == 0; }

static void set_data_parallel(const Job *j, Pipeline *p)
{
    *p = (Pipeline){.stages = 1, .replicas = comm_size(j->comm), .replica = comm_rank(j->comm), .previous = -1, .next = -1, .outputs = 1, .reason = p->reason, .costs = p->costs};
}

// Weights are once in the file's mapping and, at worst, once more packed.
static bool whole_model_fits(const Job *j, uint64_t memory)
{
    uint64_t weights = 2 * model_weight_bytes(j->model);
    // They are shared by the ranks of a node, but --max-memory is what each may have mapped.
    if (!j->options->max_memory)
        weights /= (uint64_t)j->node.size;
    return !memory || weights + ROOM_BESIDE_WEIGHTS <= memory;
}

// ---- what the options ask for

typedef struct Wish {
    uint32_t stages; // 0: as many as is best
    uint32_t points[PARTITION_MAX_STAGES + 1], cuts; // of --cut: with both ends, and how many without
} Wish;

// "after=layer2,layer3.0": the points, ascending.
static Status read_cuts(const Job *j, const CutGraph *cut, Wish *w)
{
    const TextList *list = &j->options->cuts;
    for (int i = 0; i < list->count; i++) {
        Str rest = str_of(list->items[i]), prefix = str_of("after=");
        if (!str_starts(rest, prefix))
            return status_fail(ST_USAGE, "--cut %s: expected after=MODULE[,MODULE…]", list->items[i]);
        for (rest = str_from(rest, prefix.len); rest.ptr;) {
            ptrdiff_t comma = str_find(rest, ',');
            Str path = comma < 0 ? rest : str_first(rest, (size_t)comma);
            if (w->cuts + 2 > PARTITION_MAX_STAGES)
                return status_fail(ST_USAGE, "--cut: too many stages (limit %d)", PARTITION_MAX_STAGES);
            uint32_t *point = &w->points[w->cuts + 1];
            Status s = cut_after_module(cut, path, point);
            if (s != ST_OK)
                return status_context(s, "--cut");
            if (*point <= point[-1])
                return status_fail(ST_USAGE, "--cut after=" STR_FMT ": the cut before it is not earlier in the graph", STR_ARG(path));
            w->cuts++;
            rest = comma < 0 ? (Str){0} : str_from(rest, (size_t)comma + 1);
        }
    }
    w->points[w->cuts + 1] = cut->step_count;
    return ST_OK;
}

static Status read_wish(const Job *j, const CutGraph *cut, Wish *w)
{
    const Options *o = j->options;
    int ranks = comm_size(j->comm);
    *w = (Wish){.stages = (uint32_t)o->stages};
    if (o->stages > ranks)
        return status_fail(ST_USAGE, "--stages %lld: %d rank%s started; a stage needs one: mpirun -n %lld", (long long)o->stages, ranks, ranks == 1 ? " was" : "s were", (long long)o->stages);
    if (o->stages > PARTITION_MAX_STAGES)
        return status_fail(ST_USAGE, "--stages %lld: too many stages (limit %d)", (long long)o->stages, PARTITION_MAX_STAGES);
    if (ranks == 1)
        return status_fail(ST_USAGE, "a pipeline needs at least two ranks, one for each stage: mpirun -n 2");
    TRY(read_cuts(j, cut, w));
    if (w->cuts > 0 && w->stages > 0 && w->stages != w->cuts + 1)
        return status_fail(ST_USAGE, "--cut names %u cuts, which make %u stages, not the %u of --stages", w->cuts, w->cuts + 1, w->stages);
    if (w->cuts + 1 > (uint32_t)ranks)
        return status_fail(ST_USAGE, "--cut makes %u stages, each of which needs a rank: mpirun -n %u", w->cuts + 1, w->cuts + 1);
    if (w->cuts > 0)
        w->stages = w->cuts + 1;
    return ST_OK;
}

// ---- deciding, on rank 0

// Steps that are too large together are known to partition.c by number only.
static Status name_too_large(Status s, const CutGraph *cut, const Partition *found)
{
    if (s != ST_USAGE || found->stages > 0 || found->cut[1] <= found->cut[0])
        return s;
    Buf text = {0};
    buf_printf(&text, "--max-memory: %s: those ", status_message());
    if (found->cut[0] > 0) {
        cut_describe(&text, cut, found->cut[0]);
        buf_z(&text, " ");
    }
    buf_z(&text, "up to the cut ");
    if (found->cut[1] < cut->step_count)
        cut_describe(&text, cut, found->cut[1]);
    else
        buf_z(&text, "at the end");
    s = text.failed ? s : status_fail(s, STR_FMT, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return s;
}

// All in one stage, which is what a graph without legal points allows.
static uint32_t most_stages(const PartitionProblem *p)
{
    uint32_t stages = 1;
    for (uint32_t i = 1; i < p->step_count; i++)
        stages += p->legal[i];
    return stages < PARTITION_MAX_STAGES ? stages : PARTITION_MAX_STAGES;
}

// The partition of the measured costs: given, the best into so many stages, or the best of all.
static Status partition_costs(const Job *j, PipelineCosts *costs, const PartitionLink *between, const Wish *w, Partition *out)
{
    PartitionProblem *p = &costs->problem;
    uint32_t ranks = (uint32_t)comm_size(j->comm), most = most_stages(p), pipelines;
    p->links = between;
    if (w->stages == 0) {
        p->least_stages = is_text(j->options->parallel, "pipeline") && most > 1 ? 2 : 1;
        return partition_choose(p, ranks, out, &pipelines);
    }
    uint32_t stages = w->cuts > 0 || w->stages < most ? w->stages : most;
    PartitionLink *links = arena_alloc(&costs->arena, stages * sizeof *links);
    if (!links)
        return status_no_memory(stages * sizeof *links);
    partition_links(between, stages, ranks / stages, links);
    p->links = links;
    return w->cuts > 0 ? partition_given(p, w->points, stages, out) : partition_best(p, stages, out);
}

static Status decide(Job *j, const CutGraph *cut, const PartitionLink *between, const Wish *w, PipelineCosts *costs, Plan *plan)
{
    Status s = partition_costs(j, costs, between, w, &plan->cuts);
    TRY(name_too_large(s, cut, &plan->cuts));
    plan->most_stages = most_stages(&costs->problem);
    plan->measured = costs->measured;
    plan->whole_seconds = costs->whole_seconds;
    for (uint32_t i = 0; i + 1 < plan->cuts.stages; i++)
        plan->travels[i] = costs->problem.bytes[plan->cuts.cut[i + 1]];
    return ST_OK;
}

// ---- on every rank

static void take_place(const Job *j, const Plan *plan, Pipeline *p)
{
    int rank = comm_rank(j->comm), size = comm_size(j->comm);
    p->stages = (int)plan->cuts.stages;
    p->replicas = size / p->stages;
    bool works = rank < p->stages * p->replicas;
    p->stage = works ? rank % p->stages : -1;
    p->replica = works ? rank / p->stages : -1;
    p->previous = p->stage > 0 ? rank - 1 : -1;
    p->next = works && p->stage + 1 < p->stages ? rank + 1 : -1;
    p->plan = plan->cuts;
    p->measured = plan->measured;
    p->whole_seconds = plan->whole_seconds;
    memcpy(p->travels, plan->travels, sizeof p->travels);
}

static Status make_stage(Job *j, const CutGraph *cut, Pipeline *p)
{
    if (p->stage < 0)
        return ST_OK;
    uint32_t from = p->plan.cut[p->stage], to = p->plan.cut[p->stage + 1];
    TRY(transfer_table_new(j->model, &p->table));
    TRY(model_stage_new(j->model, from, to, &p->model));
    p->inputs = model_stage_inputs(p->model);
    p->outputs = model_stage_outputs(p->model);
    p->sends_generator = cut_draws(cut, to, cut->step_count);
    return ST_OK;
}

// The whole model runs on every rank when that is wanted or fits and nothing else is wanted.
static bool runs_whole(const Job *j, uint64_t memory)
{
    const Options *o = j->options;
    if (o->cuts.count > 0 || o->stages > 1 || is_text(o->parallel, "pipeline"))
        return false;
    return is_text(o->parallel, "data") || o->stages == 1 || o->stateful || comm_size(j->comm) == 1 || whole_model_fits(j, memory);
}

// What the trial says about the cost of the steps that it was planned with: all of a stage alike.
static void correct_costs(PipelineCosts *costs, const Partition *cuts, const double *tried)
{
    for (uint32_t i = 0; i < cuts->stages; i++) {
        double planned = 0;
        for (uint32_t k = cuts->cut[i]; k < cuts->cut[i + 1]; k++)
            planned += costs->seconds[k];
        for (uint32_t k = cuts->cut[i]; k < cuts->cut[i + 1] && planned > 0; k++)
            costs->seconds[k] *= tried[i] / planned;
    }
}

// On rank 0: corrects the plan by what its stages took. True when other cuts promise more, which *plan is then.
static bool improve(Job *j, const CutGraph *cut, const PartitionLink *between, const Wish *w, const double *tried, PipelineCosts *costs, Plan *plan)
{
    Wish same = {.stages = plan->cuts.stages, .cuts = plan->cuts.stages - 1};
    memcpy(same.points, plan->cuts.cut, (plan->cuts.stages + 1) * sizeof *same.points);
    correct_costs(costs, &plan->cuts, tried);
    Plan *new = malloc(sizeof *new);
    if (new && decide(j, cut, between, &same, costs, new) == ST_OK)
        *plan = *new; // the same cuts
    bool improved = new && w->cuts == 0 && decide(j, cut, between, &(Wish){.stages = same.stages}, costs, new) == ST_OK &&
                    new->cuts.slowest < WORTH_CUTTING_AGAIN * plan->cuts.slowest;
    if (improved)
        *plan = *new;
    free(new);
    status_clear();
    return improved;
}

static void say_why(const Job *j, const Plan *plan, uint64_t memory, Buf *out)
{
    const Options *o = j->options;
    double weights = 1e-6 * (double)model_weight_bytes(j->model);
    if (o->cuts.count > 0)
        buf_z(out, "by --cut");
    else if (o->stages > 0)
        buf_z(out, "by --stages");
    else if (is_text(o->parallel, "pipeline"))
        buf_z(out, plan->most_stages > 1 ? "the fastest pipelines" : "it cannot be cut");
    else if (plan->cuts.stages == 1)
        buf_printf(out, "%.1f MB of weights fit into %.1f MB of memory, and whole models are fastest", weights, 1e-6 * (double)memory);
    else
        buf_printf(out, "%.1f MB of weights, packed or not, do not fit into %.1f MB of memory per rank, or stages are faster", weights, 1e-6 * (double)memory);
}

// Rank 0 needs the costs. Those who share its machine measure along, as many as will compute there at once, because steps
// take longer when all cores are busy.
static Status measure(Job *j, const CutGraph *cut, uint64_t memory, PipelineCosts *costs)
{
    bool speaks = comm_rank(j->comm) == 0;
    if (j->node.leader != 0 || (!speaks && (j->node.rank + 1) * (int)j->options->threads > j->node.cpus))
        return ST_OK;
    // What is free now is no reason to refuse what was asked for.
    bool limited = j->options->max_memory > 0 || (j->options->stages == 0 && j->options->cuts.count == 0);
    Status s = pipeline_costs_measure(j, cut, limited ? memory : 0, costs);
    return s == ST_OK ? s : speaks ? status_context(s, "while the costs of the model are measured") : ST_OK;
}

static void note_link(const PartitionLink *between, Pipeline *p)
{
    PartitionLink links[PARTITION_MAX_STAGES];
    partition_links(between, (uint32_t)p->stages, (uint32_t)p->replicas, links);
    p->link = links[0];
    for (int i = 1; i + 1 < p->stages; i++)
        if (links[i].bytes_per_second < p->link.bytes_per_second)
            p->link = links[i];
}

// Makes the stages and tries them; when they turn out to be out of balance the graph is cut again, once.
static Status make_stages(Job *j, const CutGraph *cut, const PartitionLink *between, const Wish *w, Plan *plan, Pipeline *p)
{
    double tried[PARTITION_MAX_STAGES];
    take_place(j, plan, p);
    note_link(between, p);
    TRY(comm_agree(j->comm, make_stage(j, cut, p)));
    if (!plan->measured)
        return ST_OK;
    TRY(pipeline_trial(j, tried));
    if (tried[0] == 0)
        return ST_OK;
    bool again = comm_rank(j->comm) == 0 && improve(j, cut, between, w, tried, p->costs, plan);
    TRY(comm_broadcast(j->comm, 0, &again, sizeof again));
    TRY(comm_broadcast(j->comm, 0, plan, sizeof *plan));
    take_place(j, plan, p);
    if (!again)
        return ST_OK;
    model_stage_free(p->model);
    transfer_table_free(p->table);
    p->model = NULL;
    p->table = NULL;
    return comm_agree(j->comm, make_stage(j, cut, p));
}

static Status plan_cuts(Job *j, uint64_t memory, Pipeline *p)
{
    const CutGraph *cut;
    int ranks = comm_size(j->comm);
    TRY(comm_agree(j->comm, model_cut_graph(j->model, &cut)));
    PartitionLink *between = calloc((size_t)ranks, sizeof *between);
    Plan *plan = calloc(1, sizeof *plan);
    p->costs = calloc(1, sizeof *p->costs);
    Wish wish;
    Status s = comm_agree(j->comm, between && plan && p->costs ? read_wish(j, cut, &wish) : status_no_memory(sizeof *plan));
    if (s == ST_OK)
        s = links_measure(j->comm, between);
    if (s == ST_OK)
        s = comm_agree(j->comm, measure(j, cut, memory, p->costs));
    if (s == ST_OK)
        s = comm_agree(j->comm, comm_rank(j->comm) == 0 ? decide(j, cut, between, &wish, p->costs, plan) : ST_OK);
    if (s == ST_OK)
        s = comm_broadcast(j->comm, 0, plan, sizeof *plan);
    if (s == ST_OK) {
        bool wanted = j->options->stages > plan->most_stages || (plan->most_stages == 1 && is_text(j->options->parallel, "pipeline"));
        if (wanted && comm_rank(j->comm) == 0)
            log_warning("the graph of %s can be cut into %lld stage%s at most", j->options->method, (long long)plan->most_stages, plan->most_stages == 1 ? "" : "s");
        say_why(j, plan, memory, &p->reason);
        if (plan->cuts.stages == 1)
            set_data_parallel(j, p);
        else
            s = make_stages(j, cut, between, &wish, plan, p);
    }
    free(between);
    free(plan);
    return s;
}

Status pipeline_plan(Job *j, Pipeline *p)
{
    set_data_parallel(j, p);
    // All ranks must decide alike, so rank 0 says what memory there is.
    uint64_t memory = j->options->max_memory ? (uint64_t)j->options->max_memory : comm_size(j->comm) > 1 ? pipeline_memory_there(j) : 0;
    TRY(comm_broadcast(j->comm, 0, &memory, sizeof memory));
    bool whole = runs_whole(j, memory);
    TRY(comm_broadcast(j->comm, 0, &whole, sizeof whole));
    if (whole)
        return ST_OK;
    TRY(plan_cuts(j, memory, p));
    int idle = comm_size(j->comm) - p->stages * p->replicas;
    if (idle > 0 && comm_rank(j->comm) == 0)
        log_warning("%d of %d ranks are idle: %d pipelines of %d stages use %d", idle, comm_size(j->comm), p->replicas, p->stages, p->stages * p->replicas);
    return ST_OK;
}

void pipeline_free(Pipeline *p)
{
    model_stage_free(p->model);
    transfer_table_free(p->table);
    buf_free(&p->reason);
    if (p->costs)
        pipeline_costs_free(p->costs);
    free(p->costs);
}

double pipeline_predicted(const Job *j)
{
    const Pipeline *p = &j->pipeline;
    if (!p->measured)
        return 0;
    double beside = p->stages > 1 ? BATCH_SECONDS : 0, work = 0, batches = p->replicas / (p->plan.slowest + beside);
    for (int i = 0; i < p->stages; i++)
        work += p->plan.seconds[i] * j->lanes * (double)j->options->threads + beside;
    double most = j->node.nodes * j->node.cpus / work;
    return (batches < most ? batches : most) * (double)j->batch_size;
}

void pipeline_describe(Buf *out, const Job *j)
{
    const Pipeline *p = &j->pipeline;
    const CutGraph *cut;
    if (p->stages <= 1) {
        buf_printf(out, "parallel:   data" STR_FMT STR_FMT "\n", STR_ARG(str_of(p->reason.len ? ": " : "")), STR_ARG(buf_view(&p->reason)));
        return;
    }
    if (model_cut_graph(j->model, &cut) != ST_OK)
        return;
    buf_printf(out, "parallel:   %d pipeline%s of %d stages: " STR_FMT "\n", p->replicas, p->replicas == 1 ? "" : "s", p->stages, STR_ARG(buf_view(&p->reason)));
    for (int i = 0; i < p->stages; i++) {
        buf_printf(out, "  stage %d:  %u steps, %.3g ms, %.1f MB", i, p->plan.cut[i + 1] - p->plan.cut[i], 1e3 * p->plan.seconds[i], 1e-6 * (double)p->plan.memory[i]);
        if (i + 1 < p->stages) {
            buf_z(out, "; cut ");
            cut_describe(out, cut, p->plan.cut[i + 1]);
            buf_printf(out, ", %.2f MB travel", 1e-6 * (double)p->travels[i]);
        }
        buf_char(out, '\n');
    }
    if (!p->measured) {
        buf_z(out, "predicted:  nothing: the model raises on the first batch, so times are a guess from the weights\n");
        return;
    }
    buf_printf(out, "predicted:  %.4g samples/s; one batch uncut takes %.3g ms, an empty message %.3g ms, and %.3g GB/s travel\n",
               pipeline_predicted(j), 1e3 * p->whole_seconds, 1e3 * p->link.seconds_per_message, 1e-9 * p->link.bytes_per_second);
}
