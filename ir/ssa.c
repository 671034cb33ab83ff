// From variables to values: what a branch or a loop assigns becomes its outputs, then Loads and Stores go.
// The steps and their order are PyTorch's (torchscript.md §5.1), since each of them spends value numbers.
#include "ir/compile.h"

#include <stdlib.h>

// ---- 1. outputs of ifs and loops ----------------------------------------------------------------------------------

typedef struct Scope {
    struct Scope *next;
    StrMap types; // variable -> type of the last Store in this block
    Str *names;
    uint32_t count;
} Scope;

typedef struct Outputs {
    Graph *g;
    Scope *scope;
} Outputs;

static void scope_set(Outputs *o, Str name, const Type *type)
{
    Scope *s = o->scope;
    if (!strmap_get(&s->types, name))
        ARENA_PUSH(o->g->arena, s->names, s->count, name);
    strmap_put(&s->types, o->g->arena, name, type);
}

static const Type *scope_find(const Scope *s, Str name)
{
    for (; s; s = s->next) {
        const Type *t = strmap_get(&s->types, name);
        if (t)
            return t;
    }
    return NULL;
}

static Node *make_load(Graph *g, Str name, const Type *type)
{
    Node *n = node_new(g, NODE_LOAD);
    n->name = name;
    node_add_output(g, n, type);
    return n;
}

static Node *make_store(Graph *g, Str name, Value *v)
{
    Node *n = node_new(g, NODE_STORE);
    n->name = name;
    node_add_input(n, v);
    return n;
}

static void add_block_output(Graph *g, Block *b, const Type *type, Str name)
{
    block_add_output(b, block_append(b, make_load(g, name, type))->outputs[0]);
}

static void add_node_output(Graph *g, Node *n, const Type *type, Str name)
{
    Value *v = node_add_output(g, n, type);
    if (name_is_meaningful(name))
        value_set_name(v, name);
    node_insert_after(make_store(g, name, v), n);
}

static int compare_names(const void *x, const void *y)
{
    const Str *a = x, *b = y;
    int c = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static Scope *block_outputs(Outputs *o, Block *b);

static uint32_t keep_found(const Scope *from, const Scope *other, Arena *a, Str **names, uint32_t count)
{
    for (uint32_t i = 0; i < from->count; i++)
        if (scope_find(other, from->names[i]))
            ARENA_PUSH(a, *names, count, from->names[i]);
    return count;
}

static void if_outputs(Outputs *o, Node *n)
{
    Scope *t = block_outputs(o, n->blocks[0]), *f = block_outputs(o, n->blocks[1]);
    Str *names = NULL;
    uint32_t count = keep_found(t, f, o->g->arena, &names, 0);
    count = keep_found(f, t, o->g->arena, &names, count);
    if (count)
        qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < count; i++) {
        if (i && str_eq(names[i], names[i - 1]))
            continue;
        const Type *tt = scope_find(t, names[i]), *ft = scope_find(f, names[i]);
        add_block_output(o->g, n->blocks[0], tt, names[i]);
        add_block_output(o->g, n->blocks[1], ft, names[i]);
        add_node_output(o->g, n, type_unify(o->g->types, tt, ft, true), names[i]);
    }
}

static void loop_outputs(Outputs *o, Node *n)
{
    Block *body = n->blocks[0];
    Scope *s = block_outputs(o, body);
    if (s->count)
        qsort(s->names, s->count, sizeof *s->names, compare_names);
    for (uint32_t i = 0; i < s->count; i++) {
        Str name = s->names[i];
        const Type *outer = scope_find(o->scope, name), *inner = strmap_get(&s->types, name);
        if (!outer)
            continue;
        const Type *both = type_unify(o->g->types, outer, inner, true);
        Node *load = make_load(o->g, name, outer);
        node_insert_before(load, n);
        node_add_input(n, load->outputs[0]);
        Value *in = block_add_input(o->g, body, both);
        value_set_name(in, name);
        node_insert_after(make_store(o->g, name, in), body->param);
        add_block_output(o->g, body, inner, name);
        add_node_output(o->g, n, both, name);
    }
}

static Scope *block_outputs(Outputs *o, Block *b)
{
    Scope *s = ARENA_NEW(o->g->arena, Scope);
    s->next = o->scope;
    o->scope = s;
    for (Node *n = block_first(b); n != b->ret; n = n->next) {
        if (n->kind == NODE_IF)
            if_outputs(o, n);
        else if (n->kind == NODE_LOOP)
            loop_outputs(o, n);
        else if (n->kind == NODE_CLOSURE)
            block_outputs(o, n->blocks[0]);
        else if (n->kind == NODE_STORE)
            scope_set(o, n->name, n->inputs[0]->type);
    }
    o->scope = s->next;
    return s;
}

// ---- 2. continue and break ----------------------------------------------------------------------------------------

typedef struct Jumps {
    Graph *g;
    Node *loop;
    Value *no; // a constant False
} Jumps;

static void move_block_before(Block *b, Node *at)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        node_move_before(n, at);
    }
}

static void add_carried(Jumps *j, Node *n)
{
    const Node *ret = j->loop->blocks[0]->ret;
    for (uint32_t i = 0; i < ret->input_count; i++) {
        Node *load = node_clone(j->g, ret->inputs[i]->node, same_value, NULL);
        node_insert_before(load, n);
        node_add_input(n, load->outputs[0]);
    }
}

static void jump_continue(Jumps *j, Node *n)
{
    Node *next = node_new(j->g, NODE_LOOP_CONDITION);
    node_insert_after(next, n);
    Block *header = node_add_block(j->g, next);
    block_clone_into(j->g, header, j->loop->blocks[1], same_value, NULL);
    move_block_before(header, n);
    node_add_input(next, header->ret->inputs[0]);
    node_clear_inputs(header->ret);
    next->block_count = 0;
    add_carried(j, next);
    node_destroy(n);
}

static void jump_break(Jumps *j, Node *n)
{
    Node *out = node_new(j->g, NODE_LOOP_CONDITION);
    node_insert_after(out, n);
    node_add_input(out, j->no);
    add_carried(j, out);
    node_destroy(n);
}

static void closure_jumps(Graph *g, Block *b);

static void block_jumps(Jumps *j, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        switch (n->kind) {
        case NODE_IF:
            block_jumps(j, n->blocks[0]);
            block_jumps(j, n->blocks[1]);
            break;
        case NODE_CLOSURE:
            closure_jumps(j->g, n->blocks[0]);
            break;
        case NODE_COMPREHENSION_SCOPE:
            block_jumps(j, n->blocks[0]);
            break;
        case NODE_LOOP: {
            Node *outer = j->loop;
            j->loop = n;
            block_jumps(j, n->blocks[0]);
            j->loop = outer;
            break;
        }
        case NODE_CONTINUE:
            jump_continue(j, n);
            break;
        case NODE_BREAK:
            jump_break(j, n);
            break;
        default:
            break;
        }
    }
}

static void closure_jumps(Graph *g, Block *b)
{
    Jumps j = {.g = g};
    j.no = graph_constant(g, block_first(b), &datum_false, type_of_kind(g->types, TYPE_BOOL));
    block_jumps(&j, b);
}

// ---- 3. conditions of loops ---------------------------------------------------------------------------------------

// The condition is computed once before the loop (a copy) and again at the end of the body.
static void inline_condition(Graph *g, Node *loop)
{
    Block *body = loop->blocks[0], *cond = loop->blocks[1], *first = node_add_block(g, loop);
    block_clone_into(g, first, cond, same_value, NULL);
    move_block_before(first, loop);
    node_insert_input(loop, 1, first->ret->inputs[0]);
    node_clear_inputs(first->ret);
    move_block_before(cond, body->ret);
    node_insert_input(body->ret, 0, cond->ret->inputs[0]);
    node_clear_inputs(cond->ret);
    loop->block_count = 1;
}

static void inline_conditions(Graph *g, Block *b)
{
    for (Node *n = block_first(b); n != b->ret; n = n->next) {
        for (uint32_t i = 0; i < n->block_count; i++)
            inline_conditions(g, n->blocks[i]);
        if (n->kind == NODE_LOOP)
            inline_condition(g, n);
    }
}

// ---- 4. loads and stores ------------------------------------------------------------------------------------------

typedef struct Values {
    struct Values *next;
    StrMap map; // variable -> Value
} Values;

static Value *find_value(const Values *v, Str name)
{
    for (; v; v = v->next) {
        Value *found = strmap_get(&v->map, name);
        if (found)
            return found;
    }
    return NULL;
}

static void erase_block(Program *p, Graph *g, Block *b, const Values *outer)
{
    Values values = {.next = (Values *)outer};
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        if (n->kind == NODE_STORE) {
            strmap_put(&values.map, g->arena, n->name, n->inputs[0]);
            node_destroy(n);
        } else if (n->kind == NODE_LOAD) {
            Value *v = find_value(&values, n->name);
            if (!v)
                fail_plain(&p->failure, ST_INTERNAL, "variable '" STR_FMT "' has no value where it is read", STR_ARG(n->name));
            value_replace_all(n->outputs[0], v);
            node_destroy(n);
        } else {
            for (uint32_t i = 0; i < n->block_count; i++)
                erase_block(p, g, n->blocks[i], &values);
            if (n->kind == NODE_COMPREHENSION_SCOPE) {
                move_block_before(n->blocks[0], n);
                node_destroy(n);
            }
        }
    }
}

void ssa_convert(Program *p, Graph *g)
{
    Outputs o = {.g = g};
    block_outputs(&o, g->top);
    closure_jumps(g, g->top);
    inline_conditions(g, g->top);
    erase_block(p, g, g->top, NULL);
    exits_transform(p, g);
}
