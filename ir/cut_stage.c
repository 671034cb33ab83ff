// What is made of an analysed graph: the graphs of stages, points by the name of a module, and questions about steps.
#include "ir/cut_parts.h"
#include "ir/failure.h"

// Stage graphs ---------------------------------------------------------------------------------------------------------

static const char NEEDED; // its address marks the copies that a stage makes

static void need(const CutGraph *c, const Value *v)
{
    if (v->node->kind != NODE_PARAM && v->node->owner == c->graph->top && c->is_copied[v->id])
        v->node->note = (void *)&NEEDED;
}

static void find_needed(const CutGraph *c, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < c->copy_count; i++)
        c->copies[i]->note = NULL;
    for (uint32_t s = from; s < to; s++) {
        const Node *end = after_step(c->steps[s]);
        for (const Node *n = c->steps[s]; n != end; n = node_next_deep(n)) {
            for (uint32_t i = 0; i < n->input_count; i++)
                need(c, n->inputs[i]);
            for (uint32_t b = 0; b < n->block_count; b++)
                for (uint32_t i = 0; i < n->blocks[b]->ret->input_count; i++)
                    need(c, n->blocks[b]->ret->inputs[i]);
        }
    }
    for (uint32_t i = 0; i < c->points[to].live_count; i++)
        need(c, c->points[to].live[i]);
    for (uint32_t i = c->copy_count; i-- > 0;)
        for (uint32_t k = 0; c->copies[i]->note && k < c->copies[i]->input_count; k++)
            need(c, c->copies[i]->inputs[k]);
}

static void add_input(Graph *g, Value *from)
{
    Value *to = block_add_input(g, g->top, from->type);
    value_set_name(to, from->name);
    from->note = to;
}

static Graph *make_stage(const CutGraph *c, uint32_t from, uint32_t to)
{
    Graph *g = graph_new(c->arena, c->graph->types);
    const CutPoint *in = &c->points[from], *out = &c->points[to];
    add_input(g, c->graph->top->param->outputs[0]);
    for (uint32_t i = 0; i < in->live_count; i++)
        add_input(g, in->live[i]);
    find_needed(c, from, to);
    for (uint32_t i = 0; i < c->copy_count; i++)
        if (c->copies[i]->note)
            node_clone_before(g, c->copies[i], g->top->ret);
    for (uint32_t i = from; i < to; i++)
        node_clone_before(g, c->steps[i], g->top->ret);
    for (uint32_t i = 0; i < out->live_count; i++)
        block_add_output(g->top, out->live[i]->note);
    g->top->ret->range = c->graph->top->ret->range;
    return g;
}

static Status stage_guarded(const CutGraph *c, uint32_t from, uint32_t to, Graph **out)
{
    jmp_buf guard;
    c->arena->guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    *out = make_stage(c, from, to);
    return ST_OK;
}

Status cut_stage(const CutGraph *c, uint32_t from, uint32_t to, Graph **out)
{
    if (from >= to || to > c->step_count || c->points[from].refusal || c->points[to].refusal)
        return status_fail(ST_INTERNAL, "steps %u to %u of %u are no stage", from, to, c->step_count);
    jmp_buf *outer = c->arena->guard;
    Status status = stage_guarded(c, from, to, out);
    c->arena->guard = outer;
    return status;
}

// Points by module -----------------------------------------------------------------------------------------------------

enum { SHOWN_PATHS = 5, PATH_LONG = 200 };

static bool is_inside(Str scope, Str path) { return str_starts(scope, path) && (scope.len == path.len || scope.ptr[path.len] == '.'); }

// Does a node of the step come from the module?
static bool comes_from(const Node *first, const Node *end, Str path)
{
    for (const Node *n = first; n != end; n = node_next_deep(n))
        if (is_inside(n->scope, path) || (n->subgraph && comes_from(graph_first(n->subgraph), NULL, path)))
            return true;
    return false;
}

// Insertions, removals and replacements that make b of a; long paths count as far from everything.
static uint32_t distance(Str a, Str b)
{
    uint32_t row[PATH_LONG + 1];
    if (a.len > PATH_LONG || b.len > PATH_LONG)
        return UINT32_MAX;
    for (uint32_t i = 0; i <= a.len; i++)
        row[i] = i;
    for (uint32_t k = 1; k <= b.len; k++) {
        uint32_t corner = row[0];
        row[0] = k;
        for (uint32_t i = 1; i <= a.len; i++) {
            uint32_t replaced = corner + (a.ptr[i - 1] != b.ptr[k - 1]), above = row[i];
            uint32_t best = above < row[i - 1] ? above + 1 : row[i - 1] + 1;
            row[i] = replaced < best ? replaced : best;
            corner = above;
        }
    }
    return row[a.len];
}

typedef struct Closest {
    Str path[SHOWN_PATHS];
    uint32_t far[SHOWN_PATHS];
    uint32_t count;
} Closest;

static void consider(Closest *best, Str path, Str wanted)
{
    uint32_t far = distance(path, wanted), at = 0;
    for (uint32_t i = 0; i < best->count; i++)
        if (str_eq(best->path[i], path))
            return;
    while (at < best->count && best->far[at] <= far)
        at++;
    if (at == SHOWN_PATHS)
        return;
    if (best->count < SHOWN_PATHS)
        best->count++;
    for (uint32_t i = best->count - 1; i > at; i--) {
        best->path[i] = best->path[i - 1];
        best->far[i] = best->far[i - 1];
    }
    best->path[at] = path;
    best->far[at] = far;
}

static Status no_such_module(const CutGraph *c, Str wanted)
{
    Closest best = {.count = 0};
    const char *before = NULL; // the nodes of one call share their scope
    for (uint32_t s = 0; s < c->step_count; s++) {
        const Node *end = after_step(c->steps[s]);
        for (const Node *n = c->steps[s]; n != end; n = node_next_deep(n)) {
            for (Str path = n->scope; path.len && n->scope.ptr != before;) {
                consider(&best, path, wanted);
                ptrdiff_t dot = str_rfind(path, '.');
                path.len = dot < 0 ? 0 : (size_t)dot;
            }
            before = n->scope.ptr;
        }
    }
    Buf names = {0};
    for (uint32_t i = 0; i < best.count; i++)
        buf_printf(&names, "%s" STR_FMT, i ? ", " : "", STR_ARG(best.path[i]));
    Status status = status_fail(ST_USAGE, "no operation comes from a module " STR_FMT "%s" STR_FMT "%s", STR_ARG(wanted),
                                best.count ? " (some that are there: " : ": the model has no modules", STR_ARG(buf_view(&names)), best.count ? ")" : "");
    buf_free(&names);
    return status;
}

Status cut_after_module(const CutGraph *c, Str path, uint32_t *point)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < c->step_count; i++)
        if (path.len && comes_from(c->steps[i], after_step(c->steps[i]), path))
            last = i + 1;
    if (!last)
        return no_such_module(c, path);
    if (last == c->step_count)
        return status_fail(ST_USAGE, "cannot cut after " STR_FMT ": nothing comes after it", STR_ARG(path));
    if (c->points[last].refusal)
        return status_fail(ST_USAGE, "cannot cut after " STR_FMT ": %s", STR_ARG(path), c->points[last].refusal);
    *point = last;
    return ST_OK;
}

void cut_describe(Buf *out, const CutGraph *c, uint32_t point)
{
    if (!point || point > c->step_count) {
        buf_z(out, "before the first operation");
        return;
    }
    const Node *n = c->steps[point - 1];
    buf_z(out, "after ");
    if (n->scope.len)
        buf_printf(out, STR_FMT " (", STR_ARG(n->scope));
    print_place(out, n);
    if (n->scope.len)
        buf_char(out, ')');
}

// Questions ------------------------------------------------------------------------------------------------------------

static bool draws(const Node *first, const Node *end)
{
    for (const Node *n = first; n != end; n = node_next_deep(n))
        if (node_effect(n) == EFFECT_RANDOM || is_unknown_call(n) || (n->subgraph && draws(graph_first(n->subgraph), NULL)))
            return true;
    return false;
}

bool cut_draws(const CutGraph *c, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to && i < c->step_count; i++)
        if (draws(c->steps[i], after_step(c->steps[i])))
            return true;
    return false;
}

void cut_visit_weights(const CutGraph *c, uint32_t step, void (*visit)(void *ctx, const DatumStorage *s), void *ctx)
{
    for (uint32_t i = 0; i < c->weights[step].count; i++)
        visit(ctx, c->weights[step].storages[i]);
}
