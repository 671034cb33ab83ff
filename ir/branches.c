// Control flow: branches that are never taken and loops that never run disappear; what a condition tells is used where it
// holds: in its own branches, and behind a branch that raises.
#include "ir/pass.h"

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
        if (!fold_run(c, n, inputs, result) || !add_possible(out, result[0]))
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

// What a condition tells ------------------------------------------------------------------------------------------------

static bool is_inside(const Node *n, const Block *b)
{
    const Block *at = n->owner;
    while (at && at != b)
        at = at->owner ? at->owner->owner : NULL;
    return at == b;
}

// `if not c` with its branches swapped.
static bool swap_negated(Node *n)
{
    if (!node_is(n->inputs[0]->node, "aten::__not__"))
        return false;
    node_set_input(n, 0, n->inputs[0]->node->inputs[0]);
    Block *b = n->blocks[0];
    n->blocks[0] = n->blocks[1];
    n->blocks[1] = b;
    return true;
}

// Inside its branches the condition is a constant.
static bool know_inside(PassContext *c, Node *n)
{
    Value *condition = n->inputs[0], *known[2] = {NULL, NULL};
    for (Use *u = condition->uses, *next; u; u = next) {
        next = u->next;
        for (int i = 0; i < 2; i++) {
            if (u->user == n || !is_inside(u->user, n->blocks[i]))
                continue;
            if (!known[i])
                known[i] = constant_bool(c, n, i == 0);
            node_set_input(u->user, u->index, known[i]);
            break;
        }
    }
    return known[0] || known[1];
}

static bool always_raises(const Block *b)
{
    for (const Node *n = block_first(b); n != b->ret; n = n->next)
        if (n->kind == NODE_RAISE)
            return true;
    return false;
}

// The number that an integer is known to be when `condition` has value `holds`.
static Value *known_number(const Value *condition, bool holds, Value **number)
{
    const Node *n = condition->node;
    if (!node_is_overload(n, holds ? "aten::eq.int" : "aten::ne.int"))
        return NULL;
    for (int i = 0; i < 2; i++)
        if (value_constant(n->inputs[i]) && !value_constant(n->inputs[1 - i])) {
            *number = n->inputs[1 - i];
            return n->inputs[i];
        }
    return NULL;
}

// One branch raises: the other's nodes follow the check, and what the check tells holds for all that follows.
static bool continue_after_raise(PassContext *c, Node *n)
{
    bool first = always_raises(n->blocks[0]), second = always_raises(n->blocks[1]);
    if (first == second)
        return false;
    Block *other = n->blocks[first ? 1 : 0];
    Value *condition = n->inputs[0], *number = NULL, *known = known_number(condition, !first, &number);
    bool any = n->output_count || block_first(other) != other->ret;
    while (other->ret->prev != other->ret)
        node_move_after(other->ret->prev, n);
    for (uint32_t i = n->output_count; i > 0; i--) {
        value_replace_all(n->outputs[i - 1], other->ret->inputs[i - 1]);
        node_remove_input(n->blocks[0]->ret, i - 1);
        node_remove_input(n->blocks[1]->ret, i - 1);
        node_remove_output(n, i - 1);
    }
    if (condition->use_count > 1) {
        uint32_t uses = condition->use_count;
        value_replace_after(condition, n, constant_bool(c, n, !first));
        any |= condition->use_count != uses;
    }
    if (known) {
        uint32_t uses = number->use_count;
        value_replace_after(number, n, known);
        any |= number->use_count != uses;
    }
    return any;
}

// Outputs that are the condition itself, or that always equal another output.
static bool drop_known_outputs(Node *n)
{
    bool any = false, yes, no;
    Value **a = n->blocks[0]->ret->inputs, **b = n->blocks[1]->ret->inputs;
    for (uint32_t i = 0; i < n->output_count; i++) {
        Value *v = n->outputs[i];
        uint32_t uses = v->use_count;
        if (value_constant_bool(a[i], &yes) && value_constant_bool(b[i], &no) && yes && !no)
            value_replace_all(v, n->inputs[0]);
        for (uint32_t k = 0; k < i && v->uses; k++)
            if (a[k] == a[i] && b[k] == b[i])
                value_replace_all(v, n->outputs[k]);
        any |= v->use_count != uses;
    }
    return any;
}

bool fold_control_flow(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    bool condition, changed = false;
    int64_t trips;
    if (n->kind == NODE_IF) {
        if (certain_condition(c, alias, n->inputs[0], &condition))
            return take_branch(n, condition, next);
        changed |= swap_negated(n);
        changed |= drop_equal_outputs(n);
        changed |= know_inside(c, n);
        changed |= drop_known_outputs(n);
        changed |= continue_after_raise(c, n);
    } else if (n->kind == NODE_LOOP) {
        if ((value_constant_int(n->inputs[0], &trips) && trips <= 0) || (value_constant_bool(n->inputs[1], &condition) && !condition))
            return skip_loop(n, next);
        changed |= drop_invariants(n);
    }
    if (changed)
        *next = node_next_deep(n);
    return changed;
}
