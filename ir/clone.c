// Copies of nodes and blocks inside one graph or into another.
// As in PyTorch every copied output takes a new id and, if it has one, the name of the original, which moves on; the
// outputs of nodes copied as part of a block take it twice. The names that are printed depend on that.
#include "ir/compile.h"

typedef struct CloneMap {
    Arena *arena;
    StrMap values; // address of a Value -> its copy
    ValueMapper *outer;
    void *ctx;
} CloneMap;

static void map_put(CloneMap *m, Value *from, Value *to)
{
    Value **key = arena_copy(m->arena, &from, sizeof from);
    strmap_put(&m->values, m->arena, (Str){(const char *)key, sizeof *key}, to);
}

static Value *map_get(void *ctx, Value *v)
{
    CloneMap *m = ctx;
    Value *to = strmap_get(&m->values, (Str){(const char *)&v, sizeof v});
    return to ? to : m->outer(m->ctx, v);
}

Value *same_value(void *ctx, Value *v)
{
    (void)ctx;
    return v;
}

static void copy_name(Value *to, const Value *from)
{
    if (from->name.len)
        value_set_name(to, from->name);
}

Node *node_clone(Graph *g, Node *n, ValueMapper *map, void *ctx)
{
    Node *c = node_new_like(g, n);
    for (uint32_t i = 0; i < n->output_count; i++)
        copy_name(node_add_output(g, c, n->outputs[i]->type), n->outputs[i]);
    for (uint32_t i = 0; i < n->input_count; i++)
        node_add_input(c, map(ctx, n->inputs[i]));
    for (uint32_t i = 0; i < n->block_count; i++)
        block_clone_into(g, node_add_block(g, c), n->blocks[i], map, ctx);
    return c;
}

void block_clone_into(Graph *g, Block *to, Block *from, ValueMapper *map, void *ctx)
{
    CloneMap m = {.arena = g->arena, .outer = map, .ctx = ctx};
    for (uint32_t i = 0; i < from->param->output_count; i++) {
        Value *old = from->param->outputs[i], *fresh = block_add_input(g, to, old->type);
        copy_name(fresh, old);
        map_put(&m, old, fresh);
    }
    for (Node *n = block_first(from); n != from->ret; n = n->next) {
        Node *c = block_append(to, node_clone(g, n, map_get, &m));
        for (uint32_t i = 0; i < n->output_count; i++) {
            map_put(&m, n->outputs[i], c->outputs[i]);
            copy_name(c->outputs[i], n->outputs[i]);
        }
    }
    for (uint32_t i = 0; i < from->ret->input_count; i++)
        block_add_output(to, map_get(&m, from->ret->inputs[i]));
}

Value *insert_graph(Emit *e, const Graph *callee, Value **inputs)
{
    CloneMap m = {.arena = e->arena, .outer = same_value};
    for (uint32_t i = 0; i < callee->top->param->output_count; i++)
        map_put(&m, callee->top->param->outputs[i], inputs[i]);
    for (Node *n = block_first(callee->top); n != callee->top->ret; n = n->next) {
        Node *c = node_clone(e->g, n, map_get, &m);
        node_insert_before(c, e->at);
        for (uint32_t i = 0; i < n->output_count; i++)
            map_put(&m, n->outputs[i], c->outputs[i]);
    }
    return map_get(&m, callee->top->ret->inputs[0]);
}
