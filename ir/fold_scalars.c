// Constant propagation over immutable values, as PyTorch runs it on every function that it compiles: numbers, strings,
// None, devices, enums and tuples of them. Operators on tensors are folded later, by the optimiser.
#include "ir/compile.h"

#include "ir/scalar_eval.h"

typedef struct Folder {
    Program *p;
    Graph *g;
    bool changed;
} Folder;

static bool is_immutable(const Type *t)
{
    switch (t->kind) {
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_COMPLEX:
    case TYPE_NUMBER:
    case TYPE_BOOL:
    case TYPE_STR:
    case TYPE_NONE:
    case TYPE_DEVICE:
    case TYPE_ENUM:
    case TYPE_ANY_ENUM:
        return true;
    case TYPE_TUPLE:
    case TYPE_OPTIONAL:
    case TYPE_UNION:
        for (uint32_t i = 0; i < t->count; i++)
            if (!is_immutable(t->elem[i]))
                return false;
        return true;
    default:
        return false;
    }
}

static void fold_block(Folder *f, Block *b);

static void take_block(Node *n, Block *b)
{
    while (block_first(b) != b->ret)
        node_move_before(block_first(b), n);
    for (uint32_t i = 0; i < n->output_count; i++)
        value_replace_all(n->outputs[i], b->ret->inputs[i]);
    node_destroy(n);
}

static bool same_constant(const Value *a, const Value *b)
{
    const Datum *x = value_constant(a), *y = value_constant(b);
    return x && y && a->type == b->type && datum_equal(x, y);
}

static void remove_if_output(Node *n, uint32_t i, Value *by)
{
    value_replace_all(n->outputs[i], by);
    node_remove_output(n, i);
    node_remove_input(n->blocks[0]->ret, i);
    node_remove_input(n->blocks[1]->ret, i);
}

// Outputs that are the same in both branches.
static void simplify_if(Folder *f, Node *n)
{
    for (uint32_t i = 0; i < n->output_count;) {
        Value *t = n->blocks[0]->ret->inputs[i], *e = n->blocks[1]->ret->inputs[i];
        if (t == e)
            remove_if_output(n, i, t);
        else if (same_constant(t, e))
            remove_if_output(n, i, graph_constant(f->g, n, value_constant(t), t->type));
        else {
            i++;
            continue;
        }
        f->changed = true;
    }
}

static bool never_runs(const Node *n)
{
    int64_t trips;
    bool first;
    return (value_constant_int(n->inputs[0], &trips) && trips <= 0) || (value_constant_bool(n->inputs[1], &first) && !first);
}

// Carried values that the body does not change.
static void simplify_loop(Folder *f, Node *n)
{
    Block *body = n->blocks[0];
    for (uint32_t i = n->output_count; i-- > 0;) {
        Value *in = body->param->outputs[1 + i];
        if (in != body->ret->inputs[1 + i])
            continue;
        Value *v = n->inputs[2 + i];
        value_replace_all(n->outputs[i], v);
        value_replace_all(in, v);
        node_remove_output(n, i);
        node_remove_input(n, 2 + i);
        node_remove_input(body->ret, 1 + i);
        node_remove_output(body->param, 1 + i);
        f->changed = true;
    }
}

static bool is_foldable(const Node *n)
{
    if (n->kind == NODE_CONSTANT || n->kind == NODE_UNINITIALIZED || n->block_count || n->output_count != 1)
        return false;
    if (n->kind == NODE_OP && (n->schema->effect == EFFECT_EFFECT || n->schema->effect == EFFECT_RANDOM || n->schema->vararg))
        return false;
    if (!is_immutable(n->outputs[0]->type))
        return false;
    for (uint32_t i = 0; i < n->input_count; i++)
        if (n->inputs[i]->node->kind != NODE_CONSTANT || !is_immutable(n->inputs[i]->type))
            return false;
    return true;
}

static void fold_plain(Folder *f, Node *n)
{
    Datum *value = is_foldable(n) ? scalar_eval(f->p, f->g->arena, n) : NULL;
    if (!value)
        return;
    const Type *type = n->outputs[0]->type;
    if (value->kind != DATUM_NONE && value->kind != DATUM_TUPLE)
        type = type_of_datum(f->p, value);
    else if (value->kind == DATUM_TUPLE && !type->fields)
        type = type_of_datum(f->p, value);
    value_replace_all(n->outputs[0], graph_constant(f->g, n, value, type));
    f->changed = true;
}

static void fold_node(Folder *f, Node *n)
{
    bool known;
    if (n->kind == NODE_IF) {
        if (value_constant_bool(n->inputs[0], &known)) {
            Block *taken = n->blocks[known ? 0 : 1];
            fold_block(f, taken);
            take_block(n, taken);
            f->changed = true;
        } else {
            fold_block(f, n->blocks[0]);
            fold_block(f, n->blocks[1]);
            simplify_if(f, n);
        }
    } else if (n->kind == NODE_LOOP) {
        if (never_runs(n)) {
            for (uint32_t i = 0; i < n->output_count; i++)
                value_replace_all(n->outputs[i], n->inputs[2 + i]);
            node_destroy(n);
            f->changed = true;
        } else {
            fold_block(f, n->blocks[0]);
            simplify_loop(f, n);
        }
    } else {
        fold_plain(f, n);
    }
}

static void fold_block(Folder *f, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        fold_node(f, n);
    }
}

bool propagate_constants(Program *p, Graph *g)
{
    Folder f = {.p = p, .g = g};
    fold_block(&f, g->top);
    return f.changed;
}
