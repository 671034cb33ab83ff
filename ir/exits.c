// Early exits: return inside branches and loops, break and continue, become values.
// A block that may have exited yields "has exited" and the pending results, and what follows in it runs under an If.
#include "ir/compile.h"

// Each early exit nests what follows it, and merging the ifs copies it: the square of this many nodes.
enum { MAX_NESTED_EXITS = 300 };

typedef struct Exit {
    Value *exited;  // bool
    Value **values; // what is returned, or carried to the next iteration
    uint32_t count;
} Exit;

typedef enum { WILL, WONT, THROWS, MIGHT } ExitStatus;

typedef struct Unit { // one Uninitialized per type
    const Type *type;
    Value *value;
} Unit;

typedef struct Exits {
    Program *p;
    Graph *g;
    NodeKind kind; // NODE_LOOP_CONDITION, then NODE_RETURN_STMT
    Block *target; // where exits of this kind lead
    Value *yes, *no, *throws;
    Unit *units;
    uint32_t unit_count;
    int depth; // of ifs made by guard_rest
} Exits;

static Exit transform_block(Exits *x, Block *b);

static Value *unit_value(Exits *x, const Type *type)
{
    for (uint32_t i = 0; i < x->unit_count; i++)
        if (x->units[i].type == type)
            return x->units[i].value;
    Node *n = node_new(x->g, NODE_UNINITIALIZED);
    Value *v = node_add_output(x->g, n, type);
    node_insert_after(n, x->g->top->param);
    ARENA_PUSH(x->g->arena, x->units, x->unit_count, ((Unit){type, v}));
    return v;
}

static ExitStatus status_of(const Exits *x, const Exit *e)
{
    return e->exited == x->yes ? WILL : e->exited == x->no ? WONT : e->exited == x->throws ? THROWS : MIGHT;
}

static Value **copy_values(Exits *x, Value **values, uint32_t count)
{
    return arena_copy(x->g->arena, values, count * sizeof *values);
}

static void match_uninitialized(Exits *x, Exit *e, const Exit *like)
{
    e->count = like->count;
    e->values = ARENA_ARRAY(x->g->arena, Value *, like->count);
    for (uint32_t i = 0; i < like->count; i++)
        e->values[i] = unit_value(x, like->values[i]->type);
}

static void add_if_outputs(Exits *x, Node *n, Value **t, Value **f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        block_add_output(n->blocks[0], t[i]);
    for (uint32_t i = 0; i < count; i++)
        block_add_output(n->blocks[1], f[i]);
    for (uint32_t i = 0; i < count; i++) {
        const Type *type = type_unify(x->g->types, t[i]->type, f[i]->type, true);
        node_add_output(x->g, n, type);
    }
}

static Exit transform_loop(Exits *x, Node *n)
{
    Block *body = n->blocks[0];
    Exit e = transform_block(x, body);
    ExitStatus s = status_of(x, &e);
    if (s == WONT || s == THROWS)
        return (Exit){.exited = x->no};
    // The loop goes on only if it did not exit.
    Node *next = node_new(x->g, NODE_IF);
    node_insert_before(next, body->ret);
    node_add_input(next, e.exited);
    block_add_output(node_add_block(x->g, next), x->no);
    block_add_output(node_add_block(x->g, next), body->ret->inputs[0]);
    Value *cond = node_add_output(x->g, next, type_of_kind(x->g->types, TYPE_BOOL));
    node_set_input(body->ret, 0, cond);
    node_add_input(n, x->no);
    block_add_input(x->g, body, cond->type);
    block_add_output(body, e.exited);
    Exit out = {.exited = node_add_output(x->g, n, cond->type), .count = e.count};
    out.values = ARENA_ARRAY(x->g->arena, Value *, e.count);
    for (uint32_t i = 0; i < e.count; i++) {
        const Type *type = e.values[i]->type;
        node_add_input(n, unit_value(x, type));
        out.values[i] = node_add_output(x->g, n, type);
        block_add_input(x->g, body, type);
        block_add_output(body, e.values[i]);
    }
    return out;
}

static ExitStatus if_status(ExitStatus t, ExitStatus f)
{
    if (t == THROWS)
        return f;
    if (f == THROWS)
        return t;
    return t == f && t != MIGHT ? t : MIGHT;
}

static Exit transform_if(Exits *x, Node *n)
{
    Exit t = transform_block(x, n->blocks[0]), f = transform_block(x, n->blocks[1]);
    ExitStatus ts = status_of(x, &t), fs = status_of(x, &f), s = if_status(ts, fs);
    if (s == THROWS)
        return (Exit){.exited = x->throws};
    if (s == WONT)
        return (Exit){.exited = x->no};
    if (ts == WONT || ts == THROWS)
        match_uninitialized(x, &t, &f);
    else if (fs == WONT || fs == THROWS)
        match_uninitialized(x, &f, &t);
    Exit out = {.exited = x->yes, .count = t.count};
    if (s != WILL) {
        add_if_outputs(x, n, &t.exited, &f.exited, 1);
        out.exited = n->outputs[n->output_count - 1];
    }
    add_if_outputs(x, n, t.values, f.values, t.count);
    out.values = copy_values(x, n->outputs + n->output_count - t.count, t.count);
    return out;
}

static bool is_inside(const Node *n, const Block *b)
{
    for (; n; n = n->owner->owner)
        if (n->owner == b)
            return true;
    return false;
}

// A with-block has no results of its own, so what becomes conditional in it cannot be used behind it.
static void check_with_block(Exits *x, const Block *with, const Block *rest)
{
    for (Node *n = block_first(rest); n != rest->ret; n = n->next)
        for (uint32_t i = 0; i < n->output_count; i++)
            for (const Use *u = n->outputs[i]->uses; u; u = u->next)
                if (u->user != with->ret && !is_inside(u->user, rest))
                    fail_plain(&x->p->failure, ST_UNSUPPORTED, "a variable that is assigned in a with statement behind an early "
                               "return is used after the with statement (" STR_FMT ":%d); PyTorch does not support that either",
                               STR_ARG(u->user->range.file), u->user->range.line);
}

// Puts the nodes from `first` on into the else branch of an If on "has exited".
static Exit guard_rest(Exits *x, Block *b, const Exit *e, Node *first)
{
    Graph *g = x->g;
    Node *n = node_new(g, NODE_IF);
    node_insert_before(n, first);
    node_add_input(n, e->exited);
    Block *exited = node_add_block(g, n), *rest = node_add_block(g, n);
    for (Node *m = first, *next; m != b->ret; m = next) {
        next = m->next;
        node_move_before(m, rest->ret);
    }
    if (b->owner && b->owner->kind == NODE_WITH)
        check_with_block(x, b, rest);
    Exit outputs = {.values = b->ret->inputs, .count = b->ret->input_count}, unused = {0};
    match_uninitialized(x, &unused, &outputs);
    for (uint32_t i = 0; i < outputs.count; i++) {
        block_add_output(exited, unused.values[i]);
        block_add_output(rest, outputs.values[i]);
        node_add_output(g, n, outputs.values[i]->type);
    }
    node_clear_inputs(b->ret);
    for (uint32_t i = 0; i < n->output_count; i++)
        block_add_output(b, n->outputs[i]);
    Node *leave = node_new(g, x->kind);
    for (uint32_t i = 0; i < e->count; i++)
        node_add_input(leave, e->values[i]);
    node_insert_before(leave, exited->ret);
    if (++x->depth > MAX_NESTED_EXITS)
        fail_plain(&x->p->failure, ST_UNSUPPORTED, "more than %d early exits in a row in one function", MAX_NESTED_EXITS);
    Exit out = transform_if(x, n);
    x->depth--;
    return out;
}

static void delete_from(Exits *x, Block *b, Node *first)
{
    if (first == b->ret)
        return;
    for (Node *n = b->ret->prev, *prev;; n = prev) {
        prev = n->prev;
        bool last = n == first;
        for (uint32_t i = 0; i < n->output_count; i++)
            if (n->outputs[i]->uses)
                value_replace_all(n->outputs[i], unit_value(x, n->outputs[i]->type));
        node_destroy(n);
        if (last)
            break;
    }
}

static bool is_target(const Exits *x, const Block *b)
{
    NodeKind owner = b->owner ? b->owner->kind : NODE_CLOSURE;
    return x->kind == NODE_LOOP_CONDITION ? owner == NODE_LOOP : owner == NODE_CLOSURE;
}

static Exit transform_node(Exits *x, Node *n, Exit before)
{
    switch (n->kind) {
    case NODE_RAISE:
        return (Exit){.exited = x->throws};
    case NODE_RETURN_STMT:
    case NODE_LOOP_CONDITION:
        if (n->kind == x->kind) {
            Exit e = {.exited = x->yes, .values = copy_values(x, n->inputs, n->input_count), .count = n->input_count};
            node_destroy(n);
            return e;
        }
        return before;
    case NODE_IF:
        return transform_if(x, n);
    case NODE_WITH:
        return transform_block(x, n->blocks[0]);
    case NODE_CLOSURE:
        transform_block(x, n->blocks[0]);
        return before;
    case NODE_LOOP:
        return transform_loop(x, n);
    default:
        return before;
    }
}

// What the block yields once its own exits lead here.
static void settle_outputs(Exits *x, Block *b, const Exit *e)
{
    ExitStatus s = status_of(x, e);
    if (s == MIGHT) {
        Node *n = node_new(x->g, NODE_IF);
        node_insert_before(n, b->ret);
        node_add_block(x->g, n);
        node_add_block(x->g, n);
        node_add_input(n, e->exited);
        Value **old = copy_values(x, b->ret->inputs, b->ret->input_count);
        add_if_outputs(x, n, e->values, old, e->count);
        node_clear_inputs(b->ret);
        for (uint32_t i = 0; i < n->output_count; i++)
            block_add_output(b, n->outputs[i]);
    } else if (s == WILL) {
        node_clear_inputs(b->ret);
        for (uint32_t i = 0; i < e->count; i++)
            block_add_output(b, e->values[i]);
    }
}

static Exit transform_block(Exits *x, Block *b)
{
    Block *outer = x->target;
    if (is_target(x, b))
        x->target = b;
    Exit e = {.exited = x->no};
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        e = transform_node(x, n, e);
        ExitStatus s = status_of(x, &e);
        if (s == WILL || s == THROWS) {
            delete_from(x, b, next);
            break;
        }
        if (s == MIGHT) {
            if (next != b->ret)
                e = guard_rest(x, b, &e, next);
            break;
        }
    }
    if (x->target == b) {
        settle_outputs(x, b, &e);
        e = (Exit){.exited = x->no};
    }
    x->target = outer;
    return e;
}

static void transform(Program *p, Graph *g, NodeKind kind)
{
    const Type *bool_type = type_of_kind(g->types, TYPE_BOOL);
    Exits x = {.p = p, .g = g, .kind = kind};
    Node *front = block_first(g->top);
    x.yes = graph_constant(g, front, &datum_true, bool_type);
    x.no = graph_constant(g, front, &datum_false, bool_type);
    x.throws = unit_value(&x, bool_type);
    transform_block(&x, g->top);
}

// ---- with ---------------------------------------------------------------------------------------------------------

// Between an Enter and its Exit the nodes move into a With node, so that an exit inside still meets the Exit.
static void enclose_with(Graph *g, Node *enter, Node *leave)
{
    Node *with = node_new(g, NODE_WITH);
    Block *body = node_add_block(g, with), *end = node_add_block(g, with);
    for (Node *n = enter->next, *next; n != leave; n = next) {
        next = n->next;
        node_move_before(n, body->ret);
    }
    node_move_before(leave, end->ret);
    node_insert_after(with, enter);
}

static void enclose_all(Graph *g, Block *b)
{
    Node **stack = NULL;
    uint32_t n = 0;
    for (Node *m = block_first(b), *next; m != b->ret; m = next) {
        next = m->next;
        for (uint32_t i = 0; i < m->block_count; i++)
            enclose_all(g, m->blocks[i]);
        if (m->kind == NODE_ENTER)
            ARENA_PUSH(g->arena, stack, n, m);
        else if (m->kind == NODE_EXIT && n > 0)
            enclose_with(g, stack[--n], m);
    }
}

static void release_all(Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->block_count; i++)
            release_all(n->blocks[i]);
        if (n->kind != NODE_WITH)
            continue;
        for (uint32_t i = 0; i < 2; i++)
            for (Block *inside = n->blocks[i]; block_first(inside) != inside->ret;)
                node_move_before(block_first(inside), n);
        node_destroy(n);
    }
}

// ---- consecutive ifs ----------------------------------------------------------------------------------------------

static Value *branch_value(void *ctx, Value *v)
{
    Block *branch = ctx;
    return v->node == branch->owner ? branch->ret->inputs[v->offset] : v;
}

// Merges `n` with the If behind it when that one tests a result of n that is a constant in each branch.
static bool merge_with_next(Graph *g, Node *n)
{
    Node *second = n->next;
    if (n->kind != NODE_IF || second->kind != NODE_IF || second->inputs[0]->node != n)
        return false;
    uint32_t which = second->inputs[0]->offset;
    bool value[2];
    for (int i = 0; i < 2; i++)
        if (!value_constant_bool(n->blocks[i]->ret->inputs[which], &value[i]))
            return false;
    if (value[0] == value[1])
        return false;
    for (int i = 0; i < 2; i++)
        block_clone_into(g, n->blocks[i], second->blocks[value[i] ? 0 : 1], branch_value, n->blocks[i]);
    for (uint32_t i = 0; i < second->output_count; i++) {
        Value *out = node_add_output(g, n, second->outputs[i]->type);
        if (second->outputs[i]->name.len)
            value_set_name(out, second->outputs[i]->name);
        value_replace_all(second->outputs[i], out);
    }
    node_destroy(second);
    return true;
}

static void merge_ifs(Graph *g, Block *b)
{
    for (Node *n = block_first(b); n != b->ret;) {
        for (uint32_t i = 0; i < n->block_count; i++)
            merge_ifs(g, n->blocks[i]);
        if (!merge_with_next(g, n))
            n = n->next;
    }
}

void exits_transform(Program *p, Graph *g)
{
    enclose_all(g, g->top);
    transform(p, g, NODE_LOOP_CONDITION);
    transform(p, g, NODE_RETURN_STMT);
    merge_ifs(g, g->top);
    release_all(g->top);
}
