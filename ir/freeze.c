// Freezing: attributes of the root that nothing assigns or writes become constants.
// What is left are attributes that change, and the module objects on the way to them.
#include "ir/pass.h"

typedef struct Freezer {
    PassContext *c;
    Assignments assigned;
    StrMap mutated;
    StrMap constants;    // address of a Datum -> Value*, in the graph being frozen
} Freezer;

// Constants -----------------------------------------------------------------------------------------------------------

enum { MAX_NESTING = 32 };

static bool holds_object(const Datum *d, int depth)
{
    if (d->kind == DATUM_OBJECT || depth > MAX_NESTING)
        return true;
    uint32_t n = d->kind == DATUM_TUPLE || d->kind == DATUM_LIST ? d->count : d->kind == DATUM_DICT ? 2 * d->count : 0;
    for (uint32_t i = 0; i < n; i++)
        if (holds_object(d->items[i], depth + 1))
            return true;
    return false;
}

static void note_mutated(Freezer *f, Str path)
{
    PassContext *c = f->c;
    if (strmap_get(&f->mutated, path))
        return;
    strmap_put(&f->mutated, &c->scratch, path, "");
    ARENA_PUSH(c->arena, c->out->mutated, c->out->mutated_count, path);
}

static bool may_freeze(Freezer *f, const Alias *alias, const Origins *o, const Node *n)
{
    const Datum *object = origin_of(o, n->inputs[0]), *d = origin_of(o, n->outputs[0]);
    if (!object || !d || holds_object(d, 0) || assignments_have(&f->assigned, object, n->name))
        return false;
    if (!type_is_mutable(n->outputs[0]->type))
        return true;
    if (alias_datum_is_written(alias, d) || alias_is_written(alias, n->outputs[0])) {
        note_mutated(f, o->path[n->outputs[0]->id]);
        return false;
    }
    return !f->assigned.fork_writes;
}

// One constant per Datum, before the first node; named after its path.
static Value *frozen_constant(Freezer *f, Graph *g, Datum *d, const Value *like, Str path)
{
    Str key = {(const char *)arena_copy(&f->c->scratch, &d, sizeof d), sizeof d};
    Value *v = strmap_get(&f->constants, key);
    if (v)
        return v;
    const Type *type = datum_type(f->c, d);
    v = graph_constant(g, block_first(g->top), d, type ? type : like->type);
    value_set_name(v, path);
    strmap_put(&f->constants, &f->c->scratch, key, v);
    return v;
}

static void freeze_graph(Freezer *f, Graph *g, bool is_fork, Datum *const *inputs, const Str *paths)
{
    Origins o = origins_find(&f->c->scratch, f->c->arena, &f->assigned, g, inputs, paths);
    Alias *alias = alias_analyse(&f->c->scratch, g, is_fork, &o);
    StrMap outer = f->constants;
    f->constants = (StrMap){0};
    for (Node *n = graph_first(g), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind == NODE_SET_ATTR && origin_of(&o, n->inputs[0]))
            note_mutated(f, origin_path(f->c->arena, o.path[n->inputs[0]->id], n->name));
        if (n->subgraph) {
            Datum **captured = ARENA_ARRAY(&f->c->scratch, Datum *, n->input_count + 1);
            Str *names = ARENA_ARRAY(&f->c->scratch, Str, n->input_count + 1);
            for (uint32_t i = 0; i < n->input_count; i++) {
                captured[i] = origin_of(&o, n->inputs[i]);
                names[i] = captured[i] ? o.path[n->inputs[i]->id] : (Str){"", 0};
            }
            freeze_graph(f, n->subgraph, true, captured, names);
        }
        if (n->kind != NODE_GET_ATTR || !may_freeze(f, alias, &o, n))
            continue;
        Value *out = n->outputs[0];
        node_replace(n, frozen_constant(f, g, o.of[out->id], out, o.path[out->id]));
        f->c->changed = true;
    }
    f->constants = outer;
}

Status pass_freeze(PassContext *c)
{
    Freezer f = {.c = c};
    if (c->is_fork || !c->root || !c->graph->top->param->output_count)
        return ST_OK; // forks are frozen with the graph that holds them
    c->out->mutated_count = 0;
    c->out->mutated = NULL;
    assignments_collect(&c->scratch, c->graph, &f.assigned);
    uint32_t n = c->graph->top->param->output_count;
    Datum **inputs = ARENA_ARRAY(&c->scratch, Datum *, n);
    Str *paths = ARENA_ARRAY(&c->scratch, Str, n);
    inputs[0] = c->root;
    for (uint32_t i = 0; i < n; i++)
        paths[i] = (Str){"", 0};
    freeze_graph(&f, c->graph, false, inputs, paths);
    return ST_OK;
}
