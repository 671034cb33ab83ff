// Freezing: attributes of the root that nothing assigns or writes become constants.
// What is left are attributes that change, and the module objects on the way to them.
#include "ir/pass.h"

typedef struct Assigned { // a SetAttr somewhere: every object of the class may get another value there
    const ClassDef *cls;  // NULL: of any class
    Str name;
} Assigned;

typedef struct Freezer {
    PassContext *c;
    Assigned *assigned;
    uint32_t assigned_count;
    bool unknown_calls;  // a call that could not be inlined may assign anything
    bool unknown_writes; // a fork writes: what it writes is not followed
    StrMap mutated;
    StrMap constants;    // address of a Datum -> Value*, in the graph being frozen
} Freezer;

// What is assigned ----------------------------------------------------------------------------------------------------

static void collect_assigned(Freezer *f, const Graph *g, bool in_fork)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (n->kind == NODE_SET_ATTR) {
            Assigned a = {n->inputs[0]->type->kind == TYPE_CLASS ? n->inputs[0]->type->cls : NULL, n->name};
            ARENA_PUSH(&f->c->scratch, f->assigned, f->assigned_count, a);
        } else if (n->kind == NODE_CALL_FUNCTION || (n->kind == NODE_CALL_METHOD && !(n->inputs[0]->type->cls && n->inputs[0]->type->cls->kind == CLASS_BUILTIN))) {
            f->unknown_calls = true;
        } else if (in_fork && node_effect(n) == EFFECT_WRITES) {
            f->unknown_writes = true;
        }
        if (n->subgraph)
            collect_assigned(f, n->subgraph, true);
    }
}

static bool is_assigned(const Freezer *f, const Datum *object, Str name)
{
    for (uint32_t i = 0; i < f->assigned_count; i++) {
        const Assigned *a = &f->assigned[i];
        if ((!a->cls || !object->cls || a->cls == object->cls) && str_eq(a->name, name))
            return true;
    }
    return f->unknown_calls;
}

// Where values come from ----------------------------------------------------------------------------------------------

static Str join(Arena *a, Str path, Str name)
{
    if (!path.len)
        return name;
    char *text = arena_alloc(a, path.len + name.len + 2);
    memcpy(text, path.ptr, path.len);
    text[path.len] = '.';
    memcpy(text + path.len + 1, name.ptr, name.len);
    return (Str){text, path.len + 1 + name.len};
}

static void set_origin(Origins *o, const Value *v, Datum *d, Str path)
{
    o->of[v->id] = d;
    o->path[v->id] = path;
}

// `inputs` are the origins of g's inputs: of self in the top graph, of what a fork captures.
static Origins find_origins(const Freezer *f, const Graph *g, Datum *const *inputs, const Str *paths)
{
    Arena *a = &f->c->scratch;
    Origins o = {ARENA_ARRAY(a, Datum *, g->next_id + 1), ARENA_ARRAY(a, Str, g->next_id + 1), g->next_id};
    for (uint32_t i = 0; i < g->top->param->output_count; i++)
        set_origin(&o, g->top->param->outputs[i], inputs[i], paths[i]);
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        Datum *object = n->kind == NODE_GET_ATTR || n->kind == NODE_UNCHECKED_CAST ? origin_of(&o, n->inputs[0]) : NULL;
        if (!object)
            continue;
        Str path = o.path[n->inputs[0]->id];
        if (n->kind == NODE_UNCHECKED_CAST) {
            set_origin(&o, n->outputs[0], object, path);
        } else if (object->kind == DATUM_OBJECT) {
            Datum *d = datum_attr(object, n->name);
            // An object that is replaced while running tells nothing about its attributes.
            if (d && !(d->kind == DATUM_OBJECT && is_assigned(f, object, n->name)))
                set_origin(&o, n->outputs[0], d, join(f->c->arena, path, n->name));
        }
    }
    return o;
}

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
    if (!object || !d || holds_object(d, 0) || is_assigned(f, object, n->name))
        return false;
    if (!type_is_mutable(n->outputs[0]->type))
        return true;
    if (alias_datum_is_written(alias, d) || alias_is_written(alias, n->outputs[0])) {
        note_mutated(f, o->path[n->outputs[0]->id]);
        return false;
    }
    return !f->unknown_writes;
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
    Origins o = find_origins(f, g, inputs, paths);
    Alias *alias = alias_analyse(&f->c->scratch, g, is_fork, &o);
    StrMap outer = f->constants;
    f->constants = (StrMap){0};
    for (Node *n = graph_first(g), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind == NODE_SET_ATTR && origin_of(&o, n->inputs[0]))
            note_mutated(f, join(f->c->arena, o.path[n->inputs[0]->id], n->name));
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
    collect_assigned(&f, c->graph, false);
    uint32_t n = c->graph->top->param->output_count;
    Datum **inputs = ARENA_ARRAY(&c->scratch, Datum *, n);
    Str *paths = ARENA_ARRAY(&c->scratch, Str, n);
    inputs[0] = c->root;
    for (uint32_t i = 0; i < n; i++)
        paths[i] = (Str){"", 0};
    freeze_graph(&f, c->graph, false, inputs, paths);
    return ST_OK;
}
