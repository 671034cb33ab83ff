// Dead code: what neither the result, nor an effect, nor memory that outlives the call depends on is removed.
// Also the outputs of branches and what loops carry for nobody.
#include "ir/compile.h"
#include "ir/pass.h"

typedef struct Sweep {
    PassContext *c;
    Alias *alias;
    StrMap read;        // names of attributes that are read somewhere
    bool *live_set;     // by alias set
    Node **writers;     // all nodes that write
    uint32_t writer_count;
    Value **values;     // live values whose producers are to be looked at
    uint32_t value_count;
    Node **nodes;       // live nodes whose inputs are to be marked
    uint32_t node_count;
} Sweep;

static const char LIVE; // its address marks what is live

static bool is_live(const void *note) { return note == &LIVE; }

static void mark_node(Sweep *s, Node *n)
{
    if (is_live(n->note))
        return;
    n->note = (void *)&LIVE;
    ARENA_PUSH(&s->c->scratch, s->nodes, s->node_count, n);
    if (n->owner->owner)
        mark_node(s, n->owner->owner);
}

static void mark_value(Sweep *s, Value *v)
{
    if (is_live(v->note))
        return;
    v->note = (void *)&LIVE;
    ARENA_PUSH(&s->c->scratch, s->values, s->value_count, v);
}

// What a live value needs of the construct that it comes out of.
static void visit_value(Sweep *s, Value *v)
{
    Node *n = v->node;
    uint32_t set = alias_set(s->alias, v);
    if (set)
        s->live_set[set] = true;
    if (n->kind == NODE_PARAM) {
        Node *loop = n->owner->owner;
        if (!loop)
            return;
        mark_node(s, loop);
        if (loop->kind == NODE_LOOP && v->offset > 0) {
            mark_value(s, loop->inputs[v->offset + 1]);
            mark_value(s, loop->blocks[0]->ret->inputs[v->offset]);
        }
        return;
    }
    mark_node(s, n);
    if (n->kind == NODE_IF) {
        for (uint32_t b = 0; b < n->block_count; b++)
            mark_value(s, n->blocks[b]->ret->inputs[v->offset]);
    } else if (n->kind == NODE_LOOP) {
        mark_value(s, n->blocks[0]->param->outputs[v->offset + 1]);
    }
}

static void visit_node(Sweep *s, Node *n)
{
    uint32_t inputs = n->kind == NODE_IF ? 1 : n->kind == NODE_LOOP ? 2 : n->input_count;
    for (uint32_t i = 0; i < inputs; i++)
        mark_value(s, n->inputs[i]);
    if (n->kind == NODE_LOOP)
        mark_value(s, n->blocks[0]->ret->inputs[0]);
}

static void drain(Sweep *s)
{
    while (s->value_count || s->node_count) {
        while (s->value_count)
            visit_value(s, s->values[--s->value_count]);
        while (s->node_count && !s->value_count)
            visit_node(s, s->nodes[--s->node_count]);
    }
}

static bool writes_live_memory(const Sweep *s, const Node *n)
{
    bool any = false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        if (!alias_is_written(s->alias, n->inputs[i]))
            continue;
        uint32_t set = alias_set(s->alias, n->inputs[i]);
        any = true;
        if (!set || s->live_set[set] || alias_set_outlives(s->alias, set))
            return true;
    }
    return !any;
}

// An assignment to the module that nobody reads: the state is put back after the call anyway.
static bool is_forgotten(const Sweep *s, const Node *n)
{
    return n->kind == NODE_SET_ATTR && !s->c->options->stateful && !s->c->is_fork && !type_is_mutable(n->inputs[0]->type) && !strmap_get(&s->read, n->name);
}

static bool has_calls(const Node *n) { return n->kind == NODE_CALL_METHOD || n->kind == NODE_CALL_FUNCTION; }

static void note_reads(Sweep *s, const Graph *g)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (n->kind == NODE_GET_ATTR)
            strmap_put(&s->read, &s->c->scratch, n->name, "");
        if (n->subgraph)
            note_reads(s, n->subgraph);
    }
}

static void clear_notes(Graph *g)
{
    for (Node *n = graph_first(g); n; n = node_next_deep(n)) {
        n->note = NULL;
        for (uint32_t i = 0; i < n->output_count; i++)
            n->outputs[i]->note = NULL;
        for (uint32_t b = 0; b < n->block_count; b++)
            for (uint32_t i = 0; i < n->blocks[b]->param->output_count; i++)
                n->blocks[b]->param->outputs[i]->note = NULL;
    }
    for (uint32_t i = 0; i < g->top->param->output_count; i++)
        g->top->param->outputs[i]->note = NULL;
}

static void mark_roots(Sweep *s)
{
    Graph *g = s->c->graph;
    bool calls = false;
    note_reads(s, g);
    for (Node *n = graph_first(g); n; n = node_next_deep(n))
        calls |= has_calls(n);
    clear_notes(g);
    for (Node *n = graph_first(g); n; n = node_next_deep(n)) {
        OpEffect e = node_effect(n);
        if (e == EFFECT_WRITES)
            ARENA_PUSH(&s->c->scratch, s->writers, s->writer_count, n);
        else if (e == EFFECT_RANDOM || (e == EFFECT_EFFECT && (calls || !is_forgotten(s, n))) || (n->subgraph && node_is_pinned(n)))
            mark_node(s, n);
    }
    for (uint32_t i = 0; i < g->top->ret->input_count; i++)
        mark_value(s, g->top->ret->inputs[i]);
}

static void drop_if_outputs(PassContext *c, Node *n)
{
    for (uint32_t i = n->output_count; i > 0; i--) {
        if (is_live(n->outputs[i - 1]->note))
            continue;
        for (uint32_t b = 0; b < n->block_count; b++)
            node_remove_input(n->blocks[b]->ret, i - 1);
        node_remove_output(n, i - 1);
        c->changed = true;
    }
}

// A value that a loop carries is dead when its block input is; that block input goes after the nodes that used it.
static void drop_loop_outputs(PassContext *c, Node *n)
{
    Block *body = n->blocks[0];
    for (uint32_t i = n->output_count; i > 0; i--) {
        if (is_live(body->param->outputs[i]->note))
            continue;
        node_remove_input(body->ret, i);
        node_remove_input(n, i + 1);
        node_remove_output(n, i - 1);
        c->changed = true;
    }
}

static void sweep_block(PassContext *c, Block *b)
{
    for (Node *n = b->ret->prev, *before; n != b->ret; n = before) {
        before = n->prev;
        if (!is_live(n->note)) {
            node_destroy(n);
            c->changed = true;
            continue;
        }
        if (n->kind == NODE_IF)
            drop_if_outputs(c, n);
        else if (n->kind == NODE_LOOP)
            drop_loop_outputs(c, n);
        for (uint32_t i = 0; i < n->block_count; i++)
            sweep_block(c, n->blocks[i]);
        Node *param = n->kind == NODE_LOOP ? n->blocks[0]->param : NULL;
        for (uint32_t i = param ? param->output_count : 0; i > 1; i--)
            if (!is_live(param->outputs[i - 1]->note))
                node_remove_output(param, i - 1);
    }
}

// A write is live when the memory it changes is; that makes more values live, and with them more memory.
static void mark_writers(Sweep *s)
{
    drain(s);
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < s->writer_count; i++)
            if (!is_live(s->writers[i]->note) && writes_live_memory(s, s->writers[i])) {
                mark_node(s, s->writers[i]);
                again = true;
            }
        drain(s);
    }
}

static bool has_writes(const Graph *g)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n))
        if (n->kind == NODE_OP && n->schema->effect == EFFECT_WRITES)
            return true;
    return false;
}

static bool dead_writes(PassContext *c, bool (*is_root)(const Node *n))
{
    Graph *g = c->graph;
    Sweep s = {.c = c, .alias = alias_analyse(&c->scratch, g, false, NULL)};
    s.live_set = ARENA_ARRAY(&c->scratch, bool, alias_set_count(s.alias) + 1);
    clear_notes(g);
    for (Node *n = graph_first(g); n; n = node_next_deep(n))
        if (n->kind == NODE_OP && n->schema->effect == EFFECT_WRITES)
            ARENA_PUSH(&c->scratch, s.writers, s.writer_count, n);
        else if (is_root(n))
            mark_node(&s, n);
    for (uint32_t i = 0; i < g->top->ret->input_count; i++)
        mark_value(&s, g->top->ret->inputs[i]);
    mark_writers(&s);
    for (uint32_t i = 0; i < s.writer_count; i++)
        if (!is_live(s.writers[i]->note))
            return true;
    return false;
}

bool find_dead_writes(Arena *arena, Graph *g, bool (*is_root)(const Node *n))
{
    if (!has_writes(g))
        return false;
    PassContext *c = ARENA_NEW(arena, PassContext);
    c->graph = g;
    jmp_buf guard, *const outer = arena->guard;
    arena->guard = c->scratch.guard = &guard;
    if (setjmp(guard)) {
        arena->guard = outer;
        arena_free(&c->scratch);
        longjmp(*outer, 1);
    }
    bool found = dead_writes(c, is_root);
    arena->guard = outer;
    arena_free(&c->scratch);
    return found;
}

bool is_dead_write(const Node *n) { return n->schema->effect == EFFECT_WRITES && !is_live(n->note); }

Status pass_dce(PassContext *c)
{
    Sweep s = {.c = c, .alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL)};
    s.live_set = ARENA_ARRAY(&c->scratch, bool, alias_set_count(s.alias) + 1);
    mark_roots(&s);
    mark_writers(&s);
    sweep_block(c, c->graph->top);
    return ST_OK;
}
