// Folding: operators on constants are run now; branches that are never taken and loops that never run disappear.
// Nothing that may be written later is folded: a constant is made once, the node would have made a new value each time.
#include "ir/pass.h"

enum { MAX_FOLD_INPUTS = 64 };

// Constants ------------------------------------------------------------------------------------------------------------

// The hook owns things while it runs: running out of memory must not jump over it.
static bool run_hook(PassContext *c, const Node *n, Datum **inputs, Datum **outputs)
{
    jmp_buf *guard = c->arena->guard;
    c->arena->guard = NULL;
    Status status = c->hooks->fold(c->hooks->ctx, c->arena, n, inputs, outputs);
    c->arena->guard = guard;
    for (uint32_t i = 0; i < n->output_count && status == ST_OK; i++)
        if (!outputs[i])
            return false;
    return status == ST_OK;
}

static bool all_constant(const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!value_constant(n->inputs[i]))
            return false;
    return true;
}

// The constant takes the place of the node's output. Names stay with it.
static void replace_output(PassContext *c, Node *n, uint32_t i, Datum *d)
{
    Value *out = n->outputs[i], *v = constant_datum(c, n, d, out->type);
    v->node->range = n->range;
    value_replace_all(out, v);
}

static Str list_annotation(PassContext *c, const Type *type)
{
    switch (type->elem[0]->kind) {
    case TYPE_INT: return STR("List[int]");
    case TYPE_FLOAT: return STR("List[float]");
    case TYPE_BOOL: return STR("List[bool]");
    case TYPE_TENSOR: return STR("List[Tensor]");
    default: break;
    }
    Buf name = {0};
    type_print_python(&name, type);
    // Growing the arena could jump over buf_free: the text goes over the stack.
    char text[512];
    size_t length = !name.failed && name.len < sizeof text ? name.len : 0;
    if (length)
        memcpy(text, name.ptr, length);
    buf_free(&name);
    return arena_str(c->arena, (Str){text, length});
}

static bool fold_container(PassContext *c, Node *n)
{
    Datum **items = ARENA_ARRAY(c->arena, Datum *, n->input_count + 1);
    for (uint32_t i = 0; i < n->input_count; i++)
        items[i] = value_constant(n->inputs[i]);
    bool list = n->kind == NODE_LIST_CONSTRUCT;
    Datum *d = datum_list(c->arena, list ? DATUM_LIST : DATUM_TUPLE, items, n->input_count);
    if (list)
        d->name = list_annotation(c, n->outputs[0]->type);
    replace_output(c, n, 0, d);
    return true;
}

static bool fold_operator(PassContext *c, Node *n)
{
    const PassHooks *hooks = c->hooks;
    if (!hooks || !hooks->fold || n->input_count > MAX_FOLD_INPUTS || n->output_count == 0)
        return false;
    Datum *inputs[MAX_FOLD_INPUTS], **outputs = ARENA_ARRAY(&c->scratch, Datum *, n->output_count);
    for (uint32_t i = 0; i < n->input_count; i++)
        inputs[i] = value_constant(n->inputs[i]);
    if (!run_hook(c, n, inputs, outputs))
        return false;
    for (uint32_t i = 0; i < n->output_count; i++)
        replace_output(c, n, i, outputs[i]);
    return true;
}

bool fold_constants(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    if (n->block_count || !all_constant(n) || alias_node_touched(alias, n))
        return false;
    OpEffect effect = node_effect(n);
    bool folded = false;
    if (n->kind == NODE_OP && (effect == EFFECT_PURE || effect == EFFECT_ALIAS))
        folded = fold_operator(c, n);
    else if (n->kind == NODE_TUPLE_CONSTRUCT && !n->outputs[0]->type->name.len)
        folded = fold_container(c, n);
    else if (n->kind == NODE_LIST_CONSTRUCT)
        folded = fold_container(c, n);
    if (!folded)
        return false;
    *next = node_next_deep(n);
    node_destroy(n);
    return true;
}

// Branches and loops ---------------------------------------------------------------------------------------------------

// Moves the nodes of a block before `at`; the walk goes on with the first of them.
static Node *splice(const Block *b, Node *at)
{
    Node *first = block_first(b) == b->ret ? NULL : block_first(b);
    while (block_first(b) != b->ret)
        node_move_before(block_first(b), at);
    return first;
}

// Where the walk goes on after n and all it holds.
static Node *next_outside(const Node *n)
{
    for (;;) {
        const Block *b = n->owner;
        if (n->next != b->ret)
            return n->next;
        const Node *owner = b->owner;
        if (!owner)
            return NULL;
        uint32_t which = 0;
        while (owner->blocks[which] != b)
            which++;
        for (uint32_t i = which + 1; i < owner->block_count; i++)
            if (block_first(owner->blocks[i]) != owner->blocks[i]->ret)
                return block_first(owner->blocks[i]);
        n = owner;
    }
}

static bool take_branch(Node *n, bool condition, Node **next)
{
    const Block *taken = n->blocks[condition ? 0 : 1];
    Node *first = splice(taken, n);
    for (uint32_t i = 0; i < n->output_count; i++)
        value_replace_all(n->outputs[i], taken->ret->inputs[i]);
    *next = first ? first : next_outside(n);
    node_destroy(n);
    return true;
}

static bool skip_loop(Node *n, Node **next)
{
    for (uint32_t i = 0; i < n->output_count; i++)
        value_replace_all(n->outputs[i], n->inputs[i + 2]);
    *next = next_outside(n);
    node_destroy(n);
    return true;
}

// Both branches give the same value: it need not be chosen.
static bool drop_equal_outputs(Node *n)
{
    bool any = false;
    for (uint32_t i = n->output_count; i > 0; i--) {
        Value *v = n->blocks[0]->ret->inputs[i - 1];
        if (v != n->blocks[1]->ret->inputs[i - 1])
            continue;
        value_replace_all(n->outputs[i - 1], v);
        node_remove_input(n->blocks[0]->ret, i - 1);
        node_remove_input(n->blocks[1]->ret, i - 1);
        node_remove_output(n, i - 1);
        any = true;
    }
    return any;
}

// What a loop carries but never changes.
static bool drop_invariants(Node *n)
{
    Block *body = n->blocks[0];
    bool any = false;
    for (uint32_t i = n->output_count; i > 0; i--) {
        Value *inside = body->param->outputs[i], *back = body->ret->inputs[i], *start = n->inputs[i + 1];
        if (back != inside && back != start)
            continue;
        value_replace_all(inside, start);
        value_replace_all(n->outputs[i - 1], start);
        node_remove_input(body->ret, i);
        node_remove_output(body->param, i);
        node_remove_input(n, i + 1);
        node_remove_output(n, i - 1);
        any = true;
    }
    return any;
}

// Conditions that come out the same on every path ----------------------------------------------------------------------
// `why = "a" if c else "b"` … `if len(why) > 0:` is always taken. Transformers guard their fused path in this way.

enum { MAX_POSSIBLE = 4, MAX_POSSIBLE_DEPTH = 12 };

typedef struct Possible { // all that a value can be
    Datum *values[MAX_POSSIBLE];
    uint32_t count;
} Possible;

static bool add_possible(Possible *p, Datum *d)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (datum_equal(p->values[i], d))
            return true;
    if (p->count == MAX_POSSIBLE)
        return false;
    p->values[p->count++] = d;
    return true;
}

static bool find_possible(PassContext *c, const Alias *alias, const Value *v, Possible *out, int depth);

// One input may vary; the operator is run for each of its values.
static bool possible_results(PassContext *c, const Alias *alias, const Node *n, Possible *out, int depth)
{
    Datum *inputs[8], *result[1];
    Possible varying = {.count = 0};
    uint32_t which = UINT32_MAX;
    if (!c->hooks || !c->hooks->fold || n->input_count > 8 || n->output_count != 1 || node_effect(n) != EFFECT_PURE || alias_node_touched(alias, n))
        return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        inputs[i] = value_constant(n->inputs[i]);
        if (inputs[i])
            continue;
        if (which != UINT32_MAX || type_is_mutable(n->inputs[i]->type) || !find_possible(c, alias, n->inputs[i], &varying, depth + 1))
            return false;
        which = i;
    }
    for (uint32_t i = 0; i < varying.count; i++) {
        inputs[which] = varying.values[i];
        if (!run_hook(c, n, inputs, result) || !add_possible(out, result[0]))
            return false;
    }
    return varying.count > 0;
}

static bool find_possible(PassContext *c, const Alias *alias, const Value *v, Possible *out, int depth)
{
    Datum *d = value_constant(v);
    if (d)
        return add_possible(out, d);
    const Node *n = v->node;
    if (depth > MAX_POSSIBLE_DEPTH || type_is_mutable(v->type))
        return false;
    if (n->kind == NODE_IF)
        return find_possible(c, alias, n->blocks[0]->ret->inputs[v->offset], out, depth + 1) &&
               find_possible(c, alias, n->blocks[1]->ret->inputs[v->offset], out, depth + 1);
    return n->kind == NODE_OP && possible_results(c, alias, n, out, depth);
}

static bool certain_condition(PassContext *c, const Alias *alias, const Value *v, bool *condition)
{
    Possible p = {.count = 0};
    if (value_constant_bool(v, condition))
        return true;
    if (!find_possible(c, alias, v, &p, 0) || p.count != 1 || p.values[0]->kind != DATUM_BOOL)
        return false;
    *condition = p.values[0]->b;
    return true;
}

bool fold_control_flow(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    bool condition;
    int64_t trips;
    if (n->kind == NODE_IF) {
        if (certain_condition(c, alias, n->inputs[0], &condition))
            return take_branch(n, condition, next);
        c->changed |= drop_equal_outputs(n);
    } else if (n->kind == NODE_LOOP) {
        if ((value_constant_int(n->inputs[0], &trips) && trips <= 0) || (value_constant_bool(n->inputs[1], &condition) && !condition))
            return skip_loop(n, next);
        c->changed |= drop_invariants(n);
    }
    return false;
}
