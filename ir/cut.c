// The analysis behind cuts: which top-level nodes are steps, what is live between them, and where a cut is not legal.
// State that must stay together is found in cut_state.c; the graphs of stages are made in cut_stage.c.
#include "ir/cut_parts.h"
#include "ir/failure.h"
#include "ir/print.h"

enum { DATUM_DEPTH = 64 };

typedef struct Lives { // by value id, of values that top-level steps make and of inputs
    uint32_t *born;    // the first point it could be live at
    uint32_t *last;    // the last; 0: not used
} Lives;

// Texts ----------------------------------------------------------------------------------------------------------------

void print_place(Buf *out, const Node *n)
{
    buf_str(out, n->kind == NODE_OP ? n->schema->symbol : str_of(node_kind_text(n->kind)));
    Str file = n->range.file;
    if (file.len)
        buf_printf(out, ", " STR_FMT ":%d", STR_ARG(str_from(file, (size_t)(str_rfind(file, '/') + 1))), n->range.line);
}

void print_value_name(Buf *out, const Value *v)
{
    if (v->name.len)
        buf_printf(out, "%%" STR_FMT, STR_ARG(v->name));
    else
        buf_printf(out, "%%%u", v->id);
}

// Ranges ---------------------------------------------------------------------------------------------------------------

StepRange *range_add(Cutter *k, const char *refusal)
{
    StepRange *r = ARENA_NEW(&k->scratch, StepRange);
    *r = (StepRange){UINT32_MAX, 0, refusal};
    ARENA_PUSH(&k->scratch, k->ranges, k->range_count, r);
    return r;
}

// Gives points their refusals, each the first that comes; `open` leads over those that have one.
typedef struct Refuser {
    CutPoint *points;
    uint32_t *open; // [count + 1]: the point itself, or where to go on looking
} Refuser;

static uint32_t next_open(const Refuser *r, uint32_t p)
{
    while (r->open[p] != p) {
        r->open[p] = r->open[r->open[p]];
        p = r->open[p];
    }
    return p;
}

static void refuse(Refuser *r, uint32_t first, uint32_t last, const char *why)
{
    for (uint32_t p = next_open(r, first); p <= last; p = next_open(r, p)) {
        r->points[p].refusal = why;
        r->open[p] = p + 1;
    }
}

// Origins --------------------------------------------------------------------------------------------------------------

static Origins top_origins(Cutter *k)
{
    uint32_t n = k->g->top->param->output_count;
    Datum **inputs = ARENA_ARRAY(&k->scratch, Datum *, n + 1);
    Str *paths = ARENA_ARRAY(&k->scratch, Str, n + 1);
    inputs[0] = k->root;
    for (uint32_t i = 0; i < n; i++)
        paths[i] = (Str){"", 0};
    return origins_find(&k->scratch, &k->scratch, &k->assigned, k->g, inputs, paths);
}

Origins fork_origins(Cutter *k, const Node *fork, const Origins *outer)
{
    uint32_t n = fork->subgraph->top->param->output_count;
    Datum **inputs = ARENA_ARRAY(&k->scratch, Datum *, n + 1);
    Str *paths = ARENA_ARRAY(&k->scratch, Str, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        inputs[i] = i < fork->input_count ? origin_of(outer, fork->inputs[i]) : NULL;
        paths[i] = inputs[i] ? outer->path[fork->inputs[i]->id] : (Str){"", 0};
    }
    return origins_find(&k->scratch, &k->scratch, &k->assigned, fork->subgraph, inputs, paths);
}

// Steps and copies -----------------------------------------------------------------------------------------------------

static bool all_copied(const Cutter *k, const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!k->out->is_copied[n->inputs[i]->id])
            return false;
    return true;
}

// Every stage can make it for itself, at no cost and with the same result.
static bool is_copy(const Cutter *k, const Node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT:
    case NODE_UNINITIALIZED: return true;
    case NODE_GET_ATTR:
        if (state_is_assigned(k, n))
            return false;
        break;
    case NODE_UNCHECKED_CAST:
    case NODE_MODULE_CONTAINER_INDEX:
    case NODE_TUPLE_CONSTRUCT:
    case NODE_LIST_CONSTRUCT:
    case NODE_DICT_CONSTRUCT: break;
    default: return false;
    }
    for (uint32_t i = 0; i < n->input_count; i++)
        if (state_changes(k, n->inputs[i]))
            return false;
    return all_copied(k, n) && !state_changes(k, n->outputs[0]);
}

static void split_steps(Cutter *k)
{
    CutGraph *c = k->out;
    c->is_copied = ARENA_ARRAY(k->arena, bool, k->g->next_id + 1);
    c->is_copied[k->g->top->param->outputs[0]->id] = true;
    for (Node *n = block_first(k->g->top); n != k->g->top->ret; n = n->next) {
        if (is_copy(k, n)) {
            c->is_copied[n->outputs[0]->id] = true;
            ARENA_PUSH(k->arena, c->copies, c->copy_count, n);
        } else {
            ARENA_PUSH(k->arena, c->steps, c->step_count, n);
        }
    }
}

// Weights --------------------------------------------------------------------------------------------------------------

typedef struct Weigher {
    Cutter *k;
    CutWeights *out;
    StrMap seen; // addresses of data and nodes that were looked at for this step
} Weigher;

static bool first_sight(Weigher *w, const void *p)
{
    Str key = {(const char *)&p, sizeof p};
    if (strmap_get(&w->seen, key))
        return false;
    key.ptr = arena_copy(&w->k->scratch, &p, sizeof p);
    strmap_put(&w->seen, &w->k->scratch, key, "");
    return true;
}

static void weigh_datum(Weigher *w, const Datum *d, int depth)
{
    if (!d || depth > DATUM_DEPTH)
        return;
    switch (d->kind) {
    case DATUM_TENSOR:
        if (d->tensor->storage && first_sight(w, d->tensor->storage)) {
            const DatumStorage *s = d->tensor->storage;
            ARENA_PUSH(w->k->arena, w->out->storages, w->out->count, s);
        }
        if (d->tensor->quantizer) {
            weigh_datum(w, d->tensor->quantizer->scales, depth + 1);
            weigh_datum(w, d->tensor->quantizer->zero_points, depth + 1);
        }
        break;
    case DATUM_OBJECT:
        if (first_sight(w, d))
            weigh_datum(w, d->state, depth + 1);
        break;
    case DATUM_TUPLE:
    case DATUM_LIST:
    case DATUM_DICT:
        for (uint32_t i = 0, n = d->kind == DATUM_DICT ? 2 * d->count : d->count; i < n; i++)
            if (d->items[i] && d->items[i]->kind >= DATUM_TENSOR && (d->items[i]->kind == DATUM_TENSOR || first_sight(w, d->items[i])))
                weigh_datum(w, d->items[i], depth + 1);
        break;
    default: break;
    }
}

static void weigh_source(Weigher *w, const Node *n, const Origins *o)
{
    if (n->kind == NODE_CONSTANT)
        weigh_datum(w, n->constant, 0);
    else if (n->kind == NODE_GET_ATTR && !is_module_type(n->outputs[0]->type))
        weigh_datum(w, origin_of(o, n->outputs[0]), 0);
}

// What a copy holds.
static void weigh_copy(Weigher *w, const Value *v)
{
    if (v->node->kind == NODE_PARAM || !first_sight(w, v->node))
        return;
    weigh_source(w, v->node, &w->k->origins);
    for (uint32_t i = 0; v->node->kind != NODE_GET_ATTR && i < v->node->input_count; i++)
        weigh_copy(w, v->node->inputs[i]);
}

static void weigh_node(Weigher *w, const Node *n, const Origins *o)
{
    weigh_source(w, n, o);
    for (uint32_t i = 0; is_unknown_call(n) && i < n->input_count; i++)
        weigh_datum(w, origin_of(o, n->inputs[i]), 0); // the callee may use all of the module
    if (!n->subgraph)
        return;
    Origins inner = fork_origins(w->k, n, o);
    for (const Node *in = graph_first(n->subgraph); in; in = node_next_deep(in))
        weigh_node(w, in, &inner);
}

// With statements ------------------------------------------------------------------------------------------------------

// The method only looks around, remembers something in its object if it may, and switches gradients, which nothing here
// computes.
static bool is_harmless(const ClassDef *cls, Str method, bool may_assign)
{
    const Function *f = class_method(cls, method);
    if (!f || !f->graph)
        return false;
    for (const Node *n = graph_first(f->graph); n; n = node_next_deep(n)) {
        OpEffect e = node_effect(n);
        bool own = n->kind == NODE_SET_ATTR && may_assign && n->inputs[0] == f->graph->top->param->outputs[0];
        if (e != EFFECT_PURE && e != EFFECT_ALIAS && !own && !node_is(n, "aten::set_grad_enabled"))
            return false;
    }
    return true;
}

// `with torch.no_grad():` may be left once more, at the end of the stage that entered it; no other one may.
static bool must_stay_whole(const Node *enter)
{
    const Type *t = enter->inputs[0]->type;
    return !t->cls || !is_harmless(t->cls, STR("__enter__"), true) || !is_harmless(t->cls, STR("__exit__"), false);
}

// Lives ----------------------------------------------------------------------------------------------------------------

static void use_value(Cutter *k, Lives *lives, Weigher *w, const Value *v, uint32_t step)
{
    if (v->node->owner != k->g->top)
        return;
    if (k->out->is_copied[v->id])
        weigh_copy(w, v);
    else
        lives->last[v->id] = step;
}

static void walk_step(Cutter *k, Lives *lives, uint32_t step)
{
    const Node *top = k->out->steps[step], *end = after_step(top);
    Weigher w = {.k = k, .out = &k->out->weights[step]};
    for (const Node *n = top; n != end; n = node_next_deep(n)) {
        for (uint32_t i = 0; i < n->input_count; i++)
            use_value(k, lives, &w, n->inputs[i], step);
        for (uint32_t b = 0; b < n->block_count; b++)
            for (uint32_t i = 0; i < n->blocks[b]->ret->input_count; i++)
                use_value(k, lives, &w, n->blocks[b]->ret->inputs[i], step);
        weigh_node(&w, n, &k->origins);
    }
    for (uint32_t i = 0; i < top->output_count; i++)
        lives->born[top->outputs[i]->id] = step + 1;
}

static StepRange *add_with(Cutter *k, const Node *enter)
{
    Buf text = {0};
    buf_z(&text, "inside of a with statement (");
    print_place(&text, enter);
    buf_char(&text, ')');
    return range_add(k, take_text(k->arena, &text).ptr);
}

static void find_lives(Cutter *k, Lives *lives)
{
    CutGraph *c = k->out;
    const Node *ret = k->g->top->ret;
    StepRange *with = NULL; // the outermost statement that must stay whole, while inside of it
    int depth = 0, opened = 0;
    c->weights = ARENA_ARRAY(k->arena, CutWeights, c->step_count + 1);
    for (uint32_t i = 0; i < c->step_count; i++) {
        const Node *n = c->steps[i];
        walk_step(k, lives, i);
        state_touch(k, i);
        if (n->kind == NODE_ENTER) {
            if (!with && must_stay_whole(n)) {
                with = add_with(k, n);
                opened = depth;
            }
            depth++;
        }
        if (with)
            range_touch(with, i);
        if (n->kind == NODE_EXIT && --depth == opened)
            with = NULL;
    }
    for (uint32_t i = 0; i < ret->input_count; i++) {
        state_touch_output(k, ret->inputs[i]);
        if (!c->is_copied[ret->inputs[i]->id])
            lives->last[ret->inputs[i]->id] = c->step_count;
    }
}

// Travelling -----------------------------------------------------------------------------------------------------------

// What a value of the type could hold can be put into a message. `seen` ends walks through classes that hold themselves.
static bool can_travel(Cutter *k, StrMap *seen, const Type *t)
{
    switch (t->kind) {
    case TYPE_GENERATOR:
    case TYPE_STREAM:
    case TYPE_STORAGE:
    case TYPE_CAPSULE:
    case TYPE_FUTURE:
    case TYPE_AWAIT:
    case TYPE_RREF:
    case TYPE_INTERFACE:
    case TYPE_FUNCTION:
    case TYPE_ANY_CLASS:
    case TYPE_VAR: return false;
    default: break;
    }
    for (uint32_t i = 0; t->kind != TYPE_CLASS && i < t->count; i++)
        if (!can_travel(k, seen, t->elem[i]))
            return false;
    if (t->kind != TYPE_CLASS)
        return true;
    if (!t->cls || t->cls->kind == CLASS_MODULE || t->cls->kind == CLASS_BUILTIN)
        return false;
    Str key = {arena_copy(&k->scratch, &t, sizeof t), sizeof t};
    if (strmap_get(seen, key))
        return true;
    strmap_put(seen, &k->scratch, key, "");
    for (uint32_t i = 0; i < t->cls->attr_count; i++)
        if (!can_travel(k, seen, t->cls->attrs[i].type))
            return false;
    return true;
}

static const char *travel_refusal(Cutter *k, const Value *v)
{
    StrMap seen = {0};
    if (can_travel(k, &seen, v->type))
        return NULL;
    Buf text = {0};
    print_value_name(&text, v);
    buf_z(&text, " of type ");
    type_print_ir(&text, v->type);
    buf_z(&text, " cannot travel to another process");
    if (v->node->kind != NODE_PARAM) {
        buf_z(&text, " (");
        print_place(&text, v->node);
        buf_char(&text, ')');
    }
    return take_text(k->arena, &text).ptr;
}

static void add_live(Cutter *k, Refuser *r, const Lives *lives, Value *v)
{
    uint32_t first = lives->born[v->id] ? lives->born[v->id] : 1, last = lives->last[v->id];
    if (k->out->is_copied[v->id] || !k->out->step_count)
        return;
    if (last >= k->out->step_count)
        last = k->out->step_count - 1;
    if (first > last)
        return;
    const char *why = travel_refusal(k, v);
    if (why)
        refuse(r, first, last, why);
    for (uint32_t p = first; p <= last; p++) {
        CutPoint *at = &r->points[p];
        if (at->live_count < CUT_LIVE_MAX)
            ARENA_PUSH(k->arena, at->live, at->live_count, v);
        else
            at->live_count++;
    }
}

static void add_ends(Cutter *k)
{
    CutGraph *c = k->out;
    const Node *param = k->g->top->param, *ret = k->g->top->ret;
    CutPoint *first = &c->points[0], *last = &c->points[c->step_count];
    if (c->step_count)
        *first = (CutPoint){.live = arena_copy(k->arena, param->outputs + 1, (param->output_count - 1) * sizeof(Value *)), .live_count = param->output_count - 1};
    *last = (CutPoint){.live = arena_copy(k->arena, ret->inputs, ret->input_count * sizeof(Value *)), .live_count = ret->input_count};
}

static void find_points(Cutter *k, const Lives *lives)
{
    CutGraph *c = k->out;
    c->points = ARENA_ARRAY(k->arena, CutPoint, c->step_count + 1);
    Refuser r = {c->points, ARENA_ARRAY(&k->scratch, uint32_t, c->step_count + 2)};
    for (uint32_t p = 0; p < c->step_count + 2; p++)
        r.open[p] = p;
    for (uint32_t i = 0; i < k->range_count; i++)
        if (k->ranges[i]->first < k->ranges[i]->last)
            refuse(&r, k->ranges[i]->first + 1, k->ranges[i]->last, k->ranges[i]->refusal);
    const Node *param = k->g->top->param;
    for (uint32_t i = 1; i < param->output_count; i++)
        add_live(k, &r, lives, param->outputs[i]);
    for (uint32_t i = 0; i < c->step_count; i++)
        for (uint32_t o = 0; o < c->steps[i]->output_count; o++)
            add_live(k, &r, lives, c->steps[i]->outputs[o]);
    for (uint32_t p = 1; p < c->step_count; p++) {
        CutPoint *at = &c->points[p];
        if (at->live_count <= CUT_LIVE_MAX)
            continue;
        at->live = NULL;
        if (!at->refusal)
            at->refusal = arena_printf(k->arena, "%u values would travel (limit %d)", at->live_count, CUT_LIVE_MAX).ptr;
    }
    add_ends(k);
}

// ----------------------------------------------------------------------------------------------------------------------

static void analyse(Cutter *k)
{
    assignments_collect(&k->scratch, k->g, &k->assigned);
    k->origins = top_origins(k);
    k->alias = alias_analyse(&k->scratch, k->g, false, &k->origins);
    state_find(k);
    split_steps(k);
    Lives lives = {ARENA_ARRAY(&k->scratch, uint32_t, k->g->next_id + 1), ARENA_ARRAY(&k->scratch, uint32_t, k->g->next_id + 1)};
    find_lives(k, &lives);
    find_points(k, &lives);
}

static Status analyse_guarded(Cutter *k)
{
    jmp_buf guard;
    k->arena->guard = k->scratch.guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    analyse(k);
    return ST_OK;
}

Status cut_analyse(Arena *arena, const Graph *g, Datum *root, CutGraph *out)
{
    *out = (CutGraph){.graph = g, .arena = arena};
    if (!g->top->param->output_count)
        return status_fail(ST_INTERNAL, "a graph without self cannot be cut");
    Cutter k = {.out = out, .g = g, .root = root, .arena = arena};
    jmp_buf *outer = arena->guard;
    Status status = analyse_guarded(&k);
    arena->guard = outer;
    arena_free(&k.scratch);
    return status;
}
