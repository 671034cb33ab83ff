// Nested functions and forks: a Closure's block becomes the subgraph of the fork that runs it (torchscript.md §5.2).
// The steps are PyTorch's, detour through a tuple of captured values included, as the numbers of values depend on them.
#include "ir/compile.h"

typedef struct Captures {
    Graph *subgraph;
    Node *pack, *unpack; // the captured values outside, and inside
    StrMap known;        // address of an outer Value -> its twin inside
} Captures;

static Value *capture(void *ctx, Value *v)
{
    Captures *c = ctx;
    Value *in = strmap_get(&c->known, (Str){(const char *)&v, sizeof v});
    if (in)
        return in;
    node_add_input(c->pack, v);
    in = node_add_output(c->subgraph, c->unpack, v->type);
    if (v->name.len)
        value_set_name(in, v->name);
    Value **key = arena_copy(c->subgraph->arena, &v, sizeof v);
    strmap_put(&c->known, c->subgraph->arena, (Str){(const char *)key, sizeof *key}, in);
    return in;
}

// Moves the block of a Closure into a graph with one input, the tuple of what it captures; users get the pair
// (closure, tuple).
static void lift_closure(Program *p, Graph *g, Node *closure)
{
    const Type *none = type_of_kind(g->types, TYPE_NONE);
    Graph *subgraph = graph_new(g->arena, g->types);
    Node *pack = node_new(g, NODE_TUPLE_CONSTRUCT), *pair = node_new(g, NODE_TUPLE_CONSTRUCT);
    node_add_output(g, pack, none);
    node_insert_after(pack, closure);
    Value *context = block_add_input(subgraph, subgraph->top, none);
    value_set_name(context, STR("context"));
    Node *unpack = node_new(subgraph, NODE_TUPLE_UNPACK);
    node_add_input(unpack, context);
    block_append(subgraph->top, unpack);
    Captures c = {.subgraph = subgraph, .pack = pack, .unpack = unpack};
    block_clone_into(subgraph, subgraph->top, closure->blocks[0], capture, &c);
    const Type **types = ARENA_ARRAY(g->arena, const Type *, pack->input_count);
    for (uint32_t i = 0; i < pack->input_count; i++)
        types[i] = pack->inputs[i]->type;
    context->type = pack->outputs[0]->type = type_tuple(g->types, types, pack->input_count);
    node_add_output(g, pair, none);
    node_insert_after(pair, pack);
    value_replace_all(closure->outputs[0], pair->outputs[0]);
    node_add_input(pair, closure->outputs[0]);
    node_add_input(pair, pack->outputs[0]);
    node_clear_inputs(closure->blocks[0]->ret);
    while (block_first(closure->blocks[0]) != closure->blocks[0]->ret)
        node_destroy(closure->blocks[0]->ret->prev);
    closure->block_count = 0;
    closure->subgraph = subgraph;
    graph_cleanup(p, subgraph);
}

static void lift_block(Program *p, Graph *g, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        if (n->kind == NODE_CLOSURE)
            lift_closure(p, g, n);
        else
            for (uint32_t i = 0; i < n->block_count; i++)
                lift_block(p, g, n->blocks[i]);
    }
}

static Node *unpack_of(const Graph *subgraph)
{
    const Use *u = subgraph->top->param->outputs[0]->uses;
    return u ? u->user : NULL;
}

// Gives a fork the graph of its closure, with the captured values as separate inputs.
static void inline_fork(Program *p, Graph *g, Node *fork)
{
    const Node *pair = fork->input_count ? fork->inputs[0]->node : NULL;
    if (!pair || pair->kind != NODE_TUPLE_CONSTRUCT || pair->input_count != 2 || pair->inputs[0]->node->kind != NODE_CLOSURE)
        fail_plain(&p->failure, ST_BAD_MODEL, "Cannot fork this value");
    const Node *pack = pair->inputs[1]->node;
    Graph *subgraph = graph_copy(pair->inputs[0]->node->subgraph);
    Node *unpack = unpack_of(subgraph), *fresh = node_new(g, fork->kind);
    fresh->range = fork->range;
    Value *out = node_add_output(g, fresh, fork->outputs[0]->type);
    node_insert_after(fresh, fork);
    for (uint32_t i = 0; i < pack->input_count; i++) {
        Value *v = pack->inputs[i], *in = block_add_input(subgraph, subgraph->top, v->type);
        node_add_input(fresh, v);
        if (v->name.len)
            value_set_name(in, v->name);
        if (unpack)
            value_replace_all(unpack->outputs[i], in);
    }
    if (unpack)
        node_destroy(unpack);
    node_remove_output(subgraph->top->param, 0);
    if (fork->outputs[0]->name.len)
        value_set_name(out, fork->outputs[0]->name);
    value_replace_all(fork->outputs[0], out);
    node_destroy(fork);
    fresh->subgraph = subgraph;
    graph_cleanup(p, subgraph);
}

static void inline_forks(Program *p, Graph *g, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        if ((n->kind == NODE_FORK || n->kind == NODE_AWAITABLE) && !n->subgraph)
            inline_fork(p, g, n);
        for (uint32_t i = 0; i < n->block_count; i++)
            inline_forks(p, g, n->blocks[i]);
    }
}

void lift_closures(Program *p, Graph *g)
{
    lift_block(p, g, g->top);
    inline_forks(p, g, g->top);
}
