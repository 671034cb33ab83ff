// The SSA graph: creation, linking, uses, names, copies and iteration (the rules of names are torchscript.md §5.5.1).
// Nodes and values live in the graph's arena: whatever is removed is unlinked and stays where it is until the arena goes.
#include "ir/graph.h"

#include <stdlib.h>

// Room left between neighbours, so that most insertions find a free position between them.
#define POSITION_GAP ((uint64_t)1 << 32)
#define POSITION_LAST UINT64_MAX
// Where a block's first node goes: literals are put in front of it as often as other nodes behind it.
#define POSITION_MIDDLE ((uint64_t)1 << 63)

const char *node_kind_text(NodeKind k)
{
    static const char *const TEXT[] = {
#define X(name, text) text,
        NODE_KIND_LIST(X)
#undef X
    };
    return k < NODE_KIND_COUNT ? TEXT[k] : "?";
}

// Nodes, blocks and graphs -------------------------------------------------------------------------------------------

static Block *block_new(Graph *g, Node *owner)
{
    Block *b = ARENA_NEW(g->arena, Block);
    b->graph = g;
    b->owner = owner;
    b->param = node_new(g, NODE_PARAM);
    b->param->owner = b;
    b->ret = node_new(g, NODE_RETURN);
    b->ret->owner = b;
    b->ret->next = b->ret->prev = b->ret;
    b->ret->position = POSITION_LAST;
    return b;
}

Graph *graph_new(Arena *a, TypeTable *types)
{
    Graph *g = ARENA_NEW(a, Graph);
    g->arena = a;
    g->types = types;
    g->top = block_new(g, NULL);
    return g;
}

Node *node_new(Graph *g, NodeKind kind)
{
    Node *n = ARENA_NEW(g->arena, Node);
    n->kind = kind;
    return n;
}

Node *node_new_op(Graph *g, const Schema *schema)
{
    Node *n = node_new(g, NODE_OP);
    n->schema = schema;
    return n;
}

Block *node_add_block(Graph *g, Node *n)
{
    Block *b = block_new(g, n);
    ARENA_PUSH(g->arena, n->blocks, n->block_count, b);
    return b;
}

Value *node_add_output(Graph *g, Node *n, const Type *type)
{
    Value *v = ARENA_NEW(g->arena, Value);
    v->node = n;
    v->offset = n->output_count;
    v->id = g->next_id++;
    v->type = type;
    v->graph = g;
    ARENA_PUSH(g->arena, n->outputs, n->output_count, v);
    return v;
}

// Uses ---------------------------------------------------------------------------------------------------------------

static void use_append(Value *v, Use *u)
{
    u->next = NULL;
    u->prev = v->last_use;
    if (v->last_use)
        v->last_use->next = u;
    else
        v->uses = u;
    v->last_use = u;
    v->use_count++;
}

static void use_unlink(Value *v, Use *u)
{
    if (u->prev)
        u->prev->next = u->next;
    else
        v->uses = u->next;
    if (u->next)
        u->next->prev = u->prev;
    else
        v->last_use = u->prev;
    v->use_count--;
}

void node_insert_input(Node *n, uint32_t index, Value *v)
{
    Arena *a = v->graph->arena;
    uint32_t count = n->input_count;
    ARENA_PUSH(a, n->inputs, count, v);
    ARENA_PUSH(a, n->input_uses, n->input_count, ARENA_NEW(a, Use));
    Use *u = n->input_uses[count - 1];
    for (uint32_t i = count - 1; i > index; i--) {
        n->inputs[i] = n->inputs[i - 1];
        n->input_uses[i] = n->input_uses[i - 1];
        n->input_uses[i]->index = i;
    }
    n->inputs[index] = v;
    n->input_uses[index] = u;
    u->user = n;
    u->index = index;
    use_append(v, u);
}

void node_add_input(Node *n, Value *v) { node_insert_input(n, n->input_count, v); }

void node_set_input(Node *n, uint32_t index, Value *v)
{
    Use *u = n->input_uses[index];
    use_unlink(n->inputs[index], u);
    n->inputs[index] = v;
    use_append(v, u);
}

void node_remove_input(Node *n, uint32_t index)
{
    use_unlink(n->inputs[index], n->input_uses[index]);
    n->input_count--;
    for (uint32_t i = index; i < n->input_count; i++) {
        n->inputs[i] = n->inputs[i + 1];
        n->input_uses[i] = n->input_uses[i + 1];
        n->input_uses[i]->index = i;
    }
}

void node_clear_inputs(Node *n)
{
    for (uint32_t i = n->input_count; i > 0; i--)
        use_unlink(n->inputs[i - 1], n->input_uses[i - 1]);
    n->input_count = 0;
}

void node_remove_output(Node *n, uint32_t index)
{
    value_set_name(n->outputs[index], (Str){0});
    n->output_count--;
    for (uint32_t i = index; i < n->output_count; i++) {
        n->outputs[i] = n->outputs[i + 1];
        n->outputs[i]->offset = i;
    }
}

void value_replace_all(Value *v, Value *by)
{
    if (v != by)
        while (v->uses)
            node_set_input(v->uses->user, v->uses->index, by);
}

// Does `n`, or the node of `after`'s block that holds it, come after `after`?
static bool comes_after(const Node *n, const Node *after)
{
    while (n->owner != after->owner) {
        n = n->owner->owner;
        if (!n)
            return false;
    }
    return node_is_before(after, n);
}

void value_replace_after(Value *v, const Node *after, Value *by)
{
    if (v == by)
        return;
    for (Use *u = v->uses, *next; u; u = next) {
        next = u->next;
        if (comes_after(u->user, after))
            node_set_input(u->user, u->index, by);
    }
}

// Placing nodes ------------------------------------------------------------------------------------------------------

static void renumber(Block *b)
{
    uint64_t at = POSITION_MIDDLE;
    for (Node *n = block_first(b); n != b->ret; n = n->next)
        n->position = at += POSITION_GAP;
}

static uint64_t position_before(const Node *at) { return at->prev->kind == NODE_RETURN ? 0 : at->prev->position; }

void node_insert_before(Node *n, Node *at)
{
    n->owner = at->owner;
    n->next = at;
    n->prev = at->prev;
    uint64_t low = position_before(at), high = at->position;
    at->prev->next = n;
    at->prev = n;
    if (low == 0 && high == POSITION_LAST)
        n->position = POSITION_MIDDLE;
    else if (low == 0 && high > 2 * POSITION_GAP)
        n->position = high - POSITION_GAP;
    else if (high == POSITION_LAST && low < POSITION_LAST - 2 * POSITION_GAP)
        n->position = low + POSITION_GAP;
    else if (high - low > 1)
        n->position = low + (high - low) / 2;
    else
        renumber(n->owner);
}

void node_insert_after(Node *n, Node *at) { node_insert_before(n, at->kind == NODE_PARAM ? block_first(at->owner) : at->next); }

static void unlink_node(Node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
    n->owner = NULL;
}

void node_move_before(Node *n, Node *at)
{
    if (n == at)
        return;
    unlink_node(n);
    node_insert_before(n, at);
}

void node_move_after(Node *n, Node *at)
{
    if (n == at)
        return;
    unlink_node(n);
    node_insert_after(n, at);
}

bool node_is_before(const Node *a, const Node *b)
{
    return a != b && (a->kind == NODE_PARAM || (b->kind != NODE_PARAM && a->position < b->position));
}

void node_destroy(Node *n)
{
    for (uint32_t i = n->block_count; i > 0; i--) {
        Block *b = n->blocks[i - 1];
        node_clear_inputs(b->ret);
        while (b->ret->prev != b->ret)
            node_destroy(b->ret->prev);
        for (uint32_t k = 0; k < b->param->output_count; k++)
            value_set_name(b->param->outputs[k], (Str){0});
    }
    node_clear_inputs(n);
    for (uint32_t i = 0; i < n->output_count; i++)
        value_set_name(n->outputs[i], (Str){0});
    if (n->owner)
        unlink_node(n);
}

// Names --------------------------------------------------------------------------------------------------------------

bool name_is_meaningful(Str name)
{
    if (name.len == 0 || name.ptr[0] == '$')
        return false;
    if (name.ptr[0] != '_')
        return true;
    for (size_t i = 1; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return true;
    return name.len == 1;
}

// Splits "x.12" into "x" and 12; a name without such a tail keeps suffix 1.
static Str split_suffix(Str name, uint64_t *suffix)
{
    *suffix = 1;
    ptrdiff_t dot = str_rfind(name, '.');
    if (dot < 0 || (size_t)dot + 1 == name.len || name.len - (size_t)dot > 18)
        return name;
    uint64_t v = 0;
    for (size_t i = (size_t)dot + 1; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return name;
        v = v * 10 + (uint64_t)(name.ptr[i] - '0');
    }
    *suffix = v;
    return str_first(name, (size_t)dot);
}

// The name that the present holder of `name` must move to.
static Str replacement_name(Graph *g, Str name)
{
    uint64_t suffix;
    Str base = split_suffix(name, &suffix);
    uint64_t *stored = strmap_get(&g->name_suffix, base);
    if (!stored) {
        stored = ARENA_NEW(g->arena, uint64_t);
        strmap_put(&g->name_suffix, g->arena, arena_str(g->arena, base), stored);
    } else if (suffix < *stored + 1) {
        suffix = *stored + 1;
    }
    char text[512];
    Str fresh;
    do {
        if (base.len < sizeof text - 32) {
            memcpy(text, base.ptr, base.len);
            char *at = text + base.len;
            *at++ = '.';
            char digits[24];
            int n = 0;
            for (uint64_t v = suffix; v || !n; v /= 10)
                digits[n++] = (char)('0' + v % 10);
            while (n)
                *at++ = digits[--n];
            fresh = (Str){text, (size_t)(at - text)};
        } else {
            fresh = arena_printf(g->arena, STR_FMT ".%llu", STR_ARG(base), (unsigned long long)suffix);
        }
        suffix++;
    } while (strmap_get(&g->names, fresh));
    *stored = suffix;
    return arena_str(g->arena, fresh);
}

static void set_owned_name(Value *v, Str name)
{
    Graph *g = v->graph;
    if (v->name.len) {
        strmap_put(&g->names, g->arena, v->name, NULL);
        v->name = (Str){0};
    }
    if (!name.len)
        return;
    Value *holder = strmap_get(&g->names, name);
    if (holder)
        set_owned_name(holder, replacement_name(g, name));
    v->name = name;
    strmap_put(&g->names, g->arena, name, v);
}

void value_set_name(Value *v, Str name)
{
    if (name.len)
        set_owned_name(v, arena_str(v->graph->arena, name));
    else if (v->name.len)
        set_owned_name(v, name);
}

// Copies -------------------------------------------------------------------------------------------------------------

static void copy_value(Value *to, Value *from)
{
    from->note = to;
    value_set_name(to, from->name);
}

Node *node_new_like(Graph *g, const Node *n);

// Fills `to`, a new block, with a copy of `from`.
static void clone_block(Graph *g, Block *to, const Block *from)
{
    for (uint32_t i = 0; i < from->param->output_count; i++) {
        Value *v = from->param->outputs[i];
        copy_value(block_add_input(g, to, v->type), v);
    }
    block_clone_before(g, from, to->ret);
    to->ret->range = from->ret->range;
    for (uint32_t i = 0; i < from->ret->input_count; i++)
        block_add_output(to, from->ret->inputs[i]->note);
}

Node *node_new_like(Graph *g, const Node *n)
{
    Node *c = node_new(g, n->kind);
    c->schema = n->schema;
    c->constant = n->constant;
    c->name = n->name;
    c->types = n->types;
    c->type_count = n->type_count;
    c->beg = n->beg;
    c->end = n->end;
    c->callee = n->callee;
    c->range = n->range;
    c->scope = n->scope;
    c->frame = n->frame;
    if (n->subgraph)
        c->subgraph = graph_copy(n->subgraph);
    return c;
}

Node *node_clone_before(Graph *g, const Node *n, Node *at)
{
    Node *c = node_new_like(g, n);
    for (uint32_t i = 0; i < n->input_count; i++)
        node_add_input(c, n->inputs[i]->note);
    for (uint32_t i = 0; i < n->output_count; i++)
        copy_value(node_add_output(g, c, n->outputs[i]->type), n->outputs[i]);
    for (uint32_t i = 0; i < n->block_count; i++)
        clone_block(g, node_add_block(g, c), n->blocks[i]);
    node_insert_before(c, at);
    return c;
}

void block_clone_before(Graph *g, const Block *src, Node *at)
{
    for (Node *n = block_first(src); n != src->ret; n = n->next)
        node_clone_before(g, n, at);
}

Graph *graph_copy(const Graph *g)
{
    Graph *copy = graph_new(g->arena, g->types);
    clone_block(copy, copy->top, g->top);
    return copy;
}

// Constants ----------------------------------------------------------------------------------------------------------

Value *graph_constant(Graph *g, Node *at, Datum *value, const Type *type)
{
    Node *n = node_new(g, NODE_CONSTANT);
    n->constant = value && value->kind == DATUM_NONE ? NULL : value;
    Value *v = node_add_output(g, n, type);
    node_insert_before(n, at);
    return v;
}

Datum *value_constant(const Value *v)
{
    if (v->node->kind != NODE_CONSTANT)
        return NULL;
    return v->node->constant ? v->node->constant : &datum_none;
}

bool value_constant_int(const Value *v, int64_t *out)
{
    const Datum *d = value_constant(v);
    if (!d || d->kind != DATUM_INT)
        return false;
    *out = d->i;
    return true;
}

bool value_constant_bool(const Value *v, bool *out)
{
    const Datum *d = value_constant(v);
    if (!d || d->kind != DATUM_BOOL)
        return false;
    *out = d->b;
    return true;
}

bool value_is_none(const Value *v)
{
    const Datum *d = value_constant(v);
    return (d && d->kind == DATUM_NONE) || v->type->kind == TYPE_NONE;
}

// Iteration ----------------------------------------------------------------------------------------------------------

// The first node of n's blocks from number `from` on, or NULL.
static Node *first_inside(const Node *n, uint32_t from)
{
    for (uint32_t i = from; i < n->block_count; i++)
        if (block_first(n->blocks[i]) != n->blocks[i]->ret)
            return block_first(n->blocks[i]);
    return NULL;
}

Node *graph_first(const Graph *g) { return block_first(g->top) == g->top->ret ? NULL : block_first(g->top); }

Node *node_next_deep(const Node *n)
{
    Node *inside = first_inside(n, 0);
    if (inside)
        return inside;
    for (;;) {
        const Block *b = n->owner;
        if (n->next != b->ret)
            return n->next;
        n = b->owner;
        if (!n)
            return NULL;
        uint32_t which = 0;
        while (n->blocks[which] != b)
            which++;
        inside = first_inside(n, which + 1);
        if (inside)
            return inside;
    }
}
