// What a graph assigns to attributes, and which module data its values start as.
// Freezing asks it for attributes that never change, cutting for the data that every stage fetches for itself.
#include "ir/pass.h"

// What is assigned ----------------------------------------------------------------------------------------------------

struct Assigned { // a SetAttr somewhere: every object of the class may get another value there
    const ClassDef *cls; // NULL: of any class
    Str name;
};

static void collect(Arena *a, const Graph *g, bool in_fork, Assignments *out)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (n->kind == NODE_SET_ATTR) {
            struct Assigned one = {n->inputs[0]->type->kind == TYPE_CLASS ? n->inputs[0]->type->cls : NULL, n->name};
            ARENA_PUSH(a, out->items, out->count, one);
        } else if (n->kind == NODE_CALL_FUNCTION || (n->kind == NODE_CALL_METHOD && !(n->inputs[0]->type->cls && n->inputs[0]->type->cls->kind == CLASS_BUILTIN))) {
            out->unknown_calls = true;
        } else if (in_fork && node_effect(n) == EFFECT_WRITES) {
            out->fork_writes = true;
        }
        if (n->subgraph)
            collect(a, n->subgraph, true, out);
    }
}

void assignments_collect(Arena *a, const Graph *g, Assignments *out)
{
    *out = (Assignments){0};
    collect(a, g, false, out);
}

bool assignments_have(const Assignments *all, const Datum *object, Str name)
{
    for (uint32_t i = 0; i < all->count; i++) {
        const struct Assigned *a = &all->items[i];
        if ((!a->cls || !object->cls || a->cls == object->cls) && str_eq(a->name, name))
            return true;
    }
    return all->unknown_calls;
}

// Where values come from ----------------------------------------------------------------------------------------------

Str origin_path(Arena *a, Str path, Str name)
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

Origins origins_find(Arena *a, Arena *names, const Assignments *assigned, const Graph *g, Datum *const *inputs, const Str *paths)
{
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
            if (d && !(d->kind == DATUM_OBJECT && assignments_have(assigned, object, n->name)))
                set_origin(&o, n->outputs[0], d, origin_path(names, path, n->name));
        }
    }
    return o;
}
