// Nested functions and forks: a Closure's block becomes the subgraph of the fork that runs it.
// What the block takes from outside becomes inputs of the fork, in the order of first mention.
#include "ir/compile.h"

typedef struct Captures {
    Graph *subgraph;
    Node *fork;
    StrMap known; // address of an outer Value -> input of the subgraph
} Captures;

static Value *capture(void *ctx, Value *v)
{
    Captures *c = ctx;
    Value *in = strmap_get(&c->known, (Str){(const char *)&v, sizeof v});
    if (in)
        return in;
    in = block_add_input(c->subgraph, c->subgraph->top, v->type);
    if (v->name.len)
        value_set_name(in, v->name);
    node_add_input(c->fork, v);
    Value **key = arena_copy(c->subgraph->arena, &v, sizeof v);
    strmap_put(&c->known, c->subgraph->arena, (Str){(const char *)key, sizeof *key}, in);
    return in;
}

static void lift_fork(Program *p, Graph *g, Node *fork)
{
    Node *closure = fork->inputs[0]->node;
    if (closure->kind != NODE_CLOSURE)
        fail_plain(&p->failure, ST_BAD_MODEL, "Cannot fork this value");
    Graph *subgraph = graph_new(g->arena, g->types);
    Captures c = {.subgraph = subgraph, .fork = fork};
    node_remove_input(fork, 0);
    block_clone_into(subgraph, subgraph->top, closure->blocks[0], capture, &c);
    graph_cleanup(p, subgraph);
    fork->subgraph = subgraph;
}

static void lift_block(Program *p, Graph *g, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        if (n->kind == NODE_FORK || n->kind == NODE_AWAITABLE) {
            if (!n->subgraph)
                lift_fork(p, g, n);
        } else if (n->kind != NODE_CLOSURE) {
            for (uint32_t i = 0; i < n->block_count; i++)
                lift_block(p, g, n->blocks[i]);
        }
    }
}

// A closure that is left belongs to a fork that has its copy, or is never used.
static void remove_closures(Block *b)
{
    for (Node *n = b->ret->prev, *prev; n != b->ret; n = prev) {
        prev = n->prev;
        for (uint32_t i = 0; i < n->block_count; i++)
            if (n->kind != NODE_CLOSURE)
                remove_closures(n->blocks[i]);
        if (n->kind == NODE_CLOSURE && !n->outputs[0]->uses)
            node_destroy(n);
    }
}

void lift_closures(Program *p, Graph *g)
{
    lift_block(p, g, g->top);
    remove_closures(g->top);
}
