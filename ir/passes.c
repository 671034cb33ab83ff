// The optimiser: the table of passes and its driver.
// A pass states what it needs of the graph, what it gives, and what it may undo; the driver checks the first.
#include "ir/pass.h"
#include "ir/verify.h"

enum {
    INLINED = 1, // no calls that could be resolved
    FROZEN = 2,  // attributes that never change are constants
    FOLDED = 4,  // nothing left to fold or rewrite
    POOLED = 8,  // equal constants are one, at the top
    CLEAN = 16,  // no dead nodes
};

typedef struct PassRow {
    const char *name;
    Status (*run)(PassContext *c);
    int needs, gives, breaks;
    bool is_fusion;  // left out by no_fusion
    bool once;       // of the method's graph only; the others run on the bodies of forks too
} PassRow;

// Freezing comes twice: what only a branch for training writes looks fixed once that branch is gone.
static const PassRow PASSES[] = {
    {"inline", pass_inline, 0, INLINED, 0, false, true},
    {"freeze", pass_freeze, INLINED, FROZEN, 0, false, true},
    {"simplify", pass_simplify, INLINED | FROZEN, FOLDED, CLEAN | POOLED, false, false},
    {"dce", pass_dce, 0, CLEAN, 0, false, false},
    {"freeze-again", pass_freeze, INLINED | CLEAN, 0, FOLDED | POOLED, false, true},
    {"in-place", pass_in_place, INLINED | FROZEN, 0, 0, false, false},
    {"simplify-again", pass_simplify, INLINED | FROZEN, FOLDED, CLEAN | POOLED, false, false},
    {"cse", pass_cse, INLINED, POOLED, 0, false, false},
    {"dce-again", pass_dce, 0, CLEAN, 0, false, false},
    {"fold-batch-norm", pass_fold_batch_norm, FROZEN | FOLDED | CLEAN, 0, CLEAN | POOLED, true, false},
    {"fuse", pass_fuse, FROZEN | FOLDED, 0, CLEAN | POOLED, true, false},
    {"cse-last", pass_cse, INLINED, POOLED, 0, false, false},
    {"dce-last", pass_dce, 0, CLEAN, 0, false, false},
};

enum { PASS_COUNT = sizeof PASSES / sizeof *PASSES };

const char *pass_name(int i) { return i >= 0 && i < PASS_COUNT ? PASSES[i].name : NULL; }

static Status run_on(PassContext *c, const PassRow *row)
{
    Arena *scratch = &c->scratch;
    jmp_buf *guard = scratch->guard;
    c->changed = false;
    TRY(row->run(c));
    arena_free(scratch);
    scratch->guard = guard;
    if (row->once)
        return ST_OK;
    Graph *outer = c->graph;
    bool was_fork = c->is_fork;
    for (Node *n = graph_first(outer); n; n = node_next_deep(n)) {
        if (!n->subgraph)
            continue;
        c->graph = n->subgraph;
        c->is_fork = true;
        TRY(run_on(c, row));
        c->graph = outer;
        c->is_fork = was_fork;
    }
    return ST_OK;
}

static bool verifies(const OptimizeOptions *o)
{
#ifdef TSB_DEBUG
    (void)o;
    return true;
#else
    return o->verify;
#endif
}

static Status run_passes(PassContext *c)
{
    int state = 0;
    for (int i = 0; i < PASS_COUNT; i++) {
        const PassRow *row = &PASSES[i];
        if (row->is_fusion && c->options->no_fusion)
            continue;
        if ((state & row->needs) != row->needs)
            return status_fail(ST_INTERNAL, "pass %s runs too early", row->name);
        Status status = run_on(c, row);
        if (status == ST_OK && verifies(c->options))
            status = graph_verify(c->graph);
        if (status != ST_OK)
            return status_context(status, "pass %s", row->name);
        state = (state & ~row->breaks) | row->gives;
        if (c->hooks && c->hooks->dump)
            c->hooks->dump(c->hooks->ctx, row->name, c->graph);
        if (c->options->stop_after && strcmp(c->options->stop_after, row->name) == 0)
            break;
    }
    return ST_OK;
}

// Owns nothing: running out of memory jumps out of it.
static Status run_guarded(PassContext *c)
{
    jmp_buf guard;
    c->arena->guard = c->scratch.guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    return run_passes(c);
}

Status optimize(Program *p, const Function *f, Datum *root, const OptimizeOptions *options, const PassHooks *hooks, Optimized *out)
{
    static const OptimizeOptions DEFAULTS = {0};
    if (!f->graph)
        return status_fail(ST_INTERNAL, STR_FMT " has not been compiled", STR_ARG(f->qualified_name));
    *out = (Optimized){0};
    PassContext c = {.program = p, .function = f, .arena = program_arena(p), .root = root, .hooks = hooks, .out = out, .types = program_types(p), .ops = program_ops(p)};
    c.options = options ? options : &DEFAULTS;
    jmp_buf *outer = c.arena->guard;
    Status status = run_guarded(&c);
    c.arena->guard = outer;
    arena_free(&c.scratch);
    out->graph = c.graph;
    return status;
}

// Visiting -------------------------------------------------------------------------------------------------------------

typedef struct Visit {
    OpVisitor visit;
    void *ctx;
    Arena *arena;
    StrMap certain; // graphs that every call runs, by address
    StrMap seen;    // graphs that were visited
} Visit;

// True the first time a graph is added.
static bool add_graph(Visit *v, StrMap *set, const Graph *g)
{
    char *key = arena_copy(v->arena, &g, sizeof g);
    if (strmap_get(set, (Str){key, sizeof g}))
        return false;
    strmap_put(set, v->arena, (Str){key, sizeof g}, "");
    return true;
}

static const Graph *callee_graph(const Node *n)
{
    if (n->kind != NODE_CALL_METHOD && n->kind != NODE_CALL_FUNCTION)
        return n->subgraph;
    const Function *f = n->callee;
    if (n->kind == NODE_CALL_METHOD && n->inputs[0]->type->cls)
        f = class_method(n->inputs[0]->type->cls, n->name);
    return f ? f->graph : NULL;
}

static void find_certain(Visit *v, const Graph *g)
{
    if (!add_graph(v, &v->certain, g))
        return;
    for (const Node *n = graph_first(g); n; n = node_next_deep(n))
        if (!n->owner->owner && callee_graph(n))
            find_certain(v, callee_graph(n));
}

static void visit_graph(Visit *v, const Graph *g)
{
    if (!add_graph(v, &v->seen, g))
        return;
    bool certain = strmap_get(&v->certain, (Str){(const char *)&g, sizeof g}) != NULL;
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (n->kind == NODE_OP)
            v->visit(v->ctx, n, !certain || n->owner->owner);
        if (callee_graph(n))
            visit_graph(v, callee_graph(n));
    }
}

static Status visit_guarded(Visit *v, const Graph *g)
{
    jmp_buf guard;
    v->arena->guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    find_certain(v, g);
    visit_graph(v, g);
    return ST_OK;
}

Status graph_visit_ops(const Graph *g, OpVisitor visit, void *ctx)
{
    Arena arena = {0};
    Visit v = {.visit = visit, .ctx = ctx, .arena = &arena};
    Status s = visit_guarded(&v, g);
    arena_free(&arena);
    return s;
}
