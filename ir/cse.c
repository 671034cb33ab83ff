// Common subexpressions: equal constants are kept once, at the top; an operator that was applied to the same values before,
// in a block around this one, is not applied again. Nodes that writes can reach are left alone.
#include "ir/pass.h"

typedef struct Entry {
    Node *node;
    uint64_t hash;
    struct Entry *next;
} Entry;

typedef struct Table {
    Entry **slots;
    uint32_t capacity; // a power of two
} Table;

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

// Constants ------------------------------------------------------------------------------------------------------------

static uint64_t hash_datum(const Datum *d)
{
    uint64_t h = mix(17, d->kind), bits = 0;
    switch (d->kind) {
    case DATUM_NONE: return h;
    case DATUM_BOOL: return mix(h, d->b);
    case DATUM_INT: return mix(h, (uint64_t)d->i);
    case DATUM_FLOAT: memcpy(&bits, &d->f, sizeof bits); return mix(h, bits);
    case DATUM_STR:
    case DATUM_DEVICE: return mix(h, str_hash(d->s));
    case DATUM_FUNCTION: return mix(h, str_hash(d->name));
    case DATUM_TUPLE:
    case DATUM_LIST:
        for (uint32_t i = 0; i < d->count && i < 8; i++)
            h = mix(h, hash_datum(d->items[i]));
        return mix(h, d->count);
    default: return mix(h, d->kind == DATUM_TENSOR ? (uint64_t)(uintptr_t)d->tensor : (uint64_t)(uintptr_t)d);
    }
}

// Equal and of the same kind all the way down; tensors and objects: the same one.
static bool same_datum(const Datum *a, const Datum *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case DATUM_TENSOR: return a->tensor == b->tensor;
    case DATUM_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case DATUM_FUNCTION: return str_eq(a->name, b->name);
    case DATUM_OBJECT:
    case DATUM_DICT: return false;
    case DATUM_TUPLE:
    case DATUM_LIST:
        if (a->count != b->count)
            return false;
        for (uint32_t i = 0; i < a->count; i++)
            if (!same_datum(a->items[i], b->items[i]))
                return false;
        return true;
    default: return datum_equal(a, b);
    }
}

// Nodes ----------------------------------------------------------------------------------------------------------------

static uint64_t hash_node(const Node *n)
{
    uint64_t h = mix(n->kind, (uint64_t)(uintptr_t)n->schema);
    for (uint32_t i = 0; i < n->input_count; i++)
        h = mix(h, n->inputs[i]->id);
    for (uint32_t i = 0; i < n->output_count; i++)
        h = mix(h, (uint64_t)(uintptr_t)n->outputs[i]->type);
    if (n->name.len)
        h = mix(h, str_hash(n->name));
    return n->kind == NODE_CONSTANT && n->constant ? mix(h, hash_datum(n->constant)) : h;
}

static bool same_node(const Node *a, const Node *b)
{
    if (a->kind != b->kind || a->schema != b->schema || a->input_count != b->input_count || a->output_count != b->output_count)
        return false;
    for (uint32_t i = 0; i < a->input_count; i++)
        if (a->inputs[i] != b->inputs[i])
            return false;
    for (uint32_t i = 0; i < a->output_count; i++)
        if (a->outputs[i]->type != b->outputs[i]->type)
            return false;
    if (!str_eq(a->name, b->name) || a->beg != b->beg || a->end != b->end || a->type_count != b->type_count)
        return false;
    for (uint32_t i = 0; i < a->type_count; i++)
        if (a->types[i] != b->types[i])
            return false;
    if (a->kind != NODE_CONSTANT || a->constant == b->constant)
        return true;
    return a->constant && b->constant && same_datum(a->constant, b->constant);
}

// Is `around` the block of n or one that holds it? Then what stands earlier there is always done before n.
static bool encloses(const Block *around, const Node *n)
{
    const Block *b = n->owner;
    while (b != around && b->owner)
        b = b->owner->owner;
    return b == around;
}

static Node *find_or_add(PassContext *c, Table *t, Node *n)
{
    uint64_t h = hash_node(n);
    Entry **slot = &t->slots[h & (t->capacity - 1)];
    for (Entry *e = *slot; e; e = e->next)
        if (e->hash == h && same_node(e->node, n) && encloses(e->node->owner, n))
            return e->node;
    Entry *e = ARENA_NEW(&c->scratch, Entry);
    *e = (Entry){n, h, *slot};
    *slot = e;
    return NULL;
}

static Table new_table(PassContext *c)
{
    uint32_t nodes = 0;
    for (const Node *n = graph_first(c->graph); n; n = node_next_deep(n))
        nodes++;
    uint32_t capacity = 64;
    while (capacity < nodes)
        capacity *= 2;
    return (Table){ARENA_ARRAY(&c->scratch, Entry *, capacity), capacity};
}

// Every constant moves to the top, in order of first appearance; equal ones become one.
static void pool_constants(PassContext *c, const Alias *alias)
{
    Table t = new_table(c);
    Block *top = c->graph->top;
    Node *place = block_first(top); // what follows the constants that are in place
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind != NODE_CONSTANT || alias_is_written(alias, n->outputs[0]))
            continue;
        Node *same = find_or_add(c, &t, n);
        if (n == place)
            place = n->next;
        if (same) {
            value_replace_all(n->outputs[0], same->outputs[0]);
            node_destroy(n);
            c->changed = true;
        } else if (n->next != place || n->owner != top) {
            node_move_before(n, place);
        }
    }
}

static bool may_merge(const Alias *alias, const Node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT: // done
    case NODE_CREATE_OBJECT:
    case NODE_AWAITABLE:
    case NODE_FORK:
    case NODE_MODULE_CONTAINER_INDEX: return false;
    case NODE_GET_ATTR: return !alias_any_write(alias);
    default: break;
    }
    OpEffect e = node_effect(n);
    return !n->block_count && n->output_count && (e == EFFECT_PURE || e == EFFECT_ALIAS) && !alias_node_touched(alias, n);
}

Status pass_cse(PassContext *c)
{
    Alias *alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL);
    pool_constants(c, alias);
    Table t = new_table(c);
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = node_next_deep(n);
        Node *same = may_merge(alias, n) ? find_or_add(c, &t, n) : NULL;
        if (!same)
            continue;
        for (uint32_t i = 0; i < n->output_count; i++)
            value_replace_all(n->outputs[i], same->outputs[i]);
        node_destroy(n);
        c->changed = true;
    }
    return ST_OK;
}
