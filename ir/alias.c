// Effects of nodes, and which values may be written: a unification-based analysis, near-linear and conservative.
// Each mutable value has a set (union-find); views, containers and what they hold, block inputs and outputs are merged.
#include "ir/pass.h"

typedef struct Set {
    uint32_t parent;
    bool data;     // bytes of a tensor in it are written
    bool shape;    // a list, dict or object in it is changed
    bool outlives; // holds an argument, an attribute or a constant
} Set;

typedef struct KeySlot { // a storage, a container Datum, or an attribute of an object
    const void *pointer;
    uint64_t name;
    uint32_t set;
} KeySlot;

struct Alias {
    Arena *arena;
    Set *sets;       // [0] is not used
    uint32_t count;
    uint32_t *of;    // by value id: its set, 0 none
    uint32_t value_count;
    KeySlot *keys;
    uint32_t key_count, key_capacity;
    bool any_write;
    const Origins *origins;
};

static const char UNKNOWN_OBJECT[] = "an object that is known only when the graph runs";

// Effects ------------------------------------------------------------------------------------------------------------

bool type_is_mutable(const Type *t)
{
    switch (t->kind) {
    case TYPE_ANY:
    case TYPE_TENSOR:
    case TYPE_LIST:
    case TYPE_DICT:
    case TYPE_ANY_LIST:
    case TYPE_ANY_TUPLE:
    case TYPE_ANY_CLASS:
    case TYPE_STORAGE:
    case TYPE_CAPSULE:
    case TYPE_VAR: return true;
    case TYPE_CLASS:
    case TYPE_INTERFACE: return !t->cls || (t->cls->kind != CLASS_MODULE && t->cls->kind != CLASS_MODULE_INTERFACE);
    case TYPE_TUPLE:
    case TYPE_OPTIONAL:
    case TYPE_UNION:
    case TYPE_FUTURE:
    case TYPE_AWAIT:
    case TYPE_RREF:
        for (uint32_t i = 0; i < t->count; i++)
            if (type_is_mutable(t->elem[i]))
                return true;
        return false;
    default: return false;
    }
}

Value *node_argument(const Node *n, const char *name)
{
    for (uint32_t i = 0; n->schema && i < n->schema->arg_count && i < n->input_count; i++)
        if (str_is(n->schema->args[i].name, name))
            return n->inputs[i];
    return NULL;
}

static bool is_off(const Value *flag)
{
    bool b = true;
    return flag && value_constant_bool(flag, &b) && !b;
}

// Normalisation that updates its running statistics.
static bool updates_statistics(const Node *n)
{
    const Value *mean = node_argument(n, "running_mean");
    if (!mean || value_is_none(mean))
        return false;
    const Value *flag = node_argument(n, "training");
    if (!flag)
        flag = node_argument(n, "use_input_stats");
    return !flag || !is_off(flag);
}

OpEffect node_effect(const Node *n)
{
    switch (n->kind) {
    case NODE_OP: break;
    case NODE_SET_ATTR:
    case NODE_RAISE:
    case NODE_PRINT:
    case NODE_ENTER:
    case NODE_EXIT:
    case NODE_CALL_METHOD:
    case NODE_CALL_FUNCTION: return EFFECT_EFFECT;
    case NODE_CONSTANT:
    case NODE_TOLIST:
    case NODE_ISINSTANCE:
    case NODE_UNINITIALIZED:
    case NODE_CREATE_OBJECT:
    case NODE_ENUM_NAME:
    case NODE_ENUM_VALUE: return EFFECT_PURE;
    default: return EFFECT_ALIAS;
    }
    OpEffect e = n->schema->effect;
    if (e == EFFECT_RANDOM) {
        const Value *train = node_argument(n, "train");
        if (!train)
            train = node_argument(n, "training");
        if (is_off(train))
            return EFFECT_ALIAS;
    }
    if (e == EFFECT_PURE && updates_statistics(n))
        return EFFECT_WRITES;
    return str_is(n->schema->symbol, "aten::wait") ? EFFECT_ALIAS : e;
}

bool node_is_pinned(const Node *n)
{
    OpEffect e = node_effect(n);
    if (e == EFFECT_EFFECT || e == EFFECT_RANDOM || e == EFFECT_WRITES)
        return true;
    for (uint32_t i = 0; i < n->block_count; i++)
        for (const Node *inner = block_first(n->blocks[i]); inner != n->blocks[i]->ret; inner = inner->next)
            if (node_is_pinned(inner))
                return true;
    for (const Node *inner = n->subgraph ? graph_first(n->subgraph) : NULL; inner; inner = node_next_deep(inner))
        if (node_is_pinned(inner))
            return true;
    return false;
}

// Sets ---------------------------------------------------------------------------------------------------------------

static uint32_t find(const Alias *a, uint32_t i)
{
    while (a->sets[i].parent != i) {
        a->sets[i].parent = a->sets[a->sets[i].parent].parent;
        i = a->sets[i].parent;
    }
    return i;
}

static uint32_t new_set(Alias *a)
{
    Set set = {.parent = a->count};
    ARENA_PUSH(a->arena, a->sets, a->count, set);
    return set.parent;
}

static uint32_t merge(Alias *a, uint32_t x, uint32_t y)
{
    x = find(a, x);
    y = find(a, y);
    if (x == y)
        return x;
    if (y < x) {
        uint32_t t = x;
        x = y;
        y = t;
    }
    a->sets[y].parent = x;
    a->sets[x].data |= a->sets[y].data;
    a->sets[x].shape |= a->sets[y].shape;
    a->sets[x].outlives |= a->sets[y].outlives;
    return x;
}

// The set of a value, made when asked for; 0 for values that cannot change.
static uint32_t set_of(Alias *a, const Value *v)
{
    if (!type_is_mutable(v->type))
        return 0;
    if (!a->of[v->id])
        a->of[v->id] = new_set(a);
    return a->of[v->id];
}

static void merge_values(Alias *a, const Value *x, const Value *y)
{
    uint32_t i = set_of(a, x), j = set_of(a, y);
    if (i && j)
        merge(a, i, j);
}

static KeySlot *key_find(KeySlot *keys, uint32_t capacity, const void *pointer, uint64_t name)
{
    uint64_t h = ((uint64_t)(uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15u ^ name;
    uint32_t i = (uint32_t)(h >> 20) & (capacity - 1);
    while (keys[i].pointer && (keys[i].pointer != pointer || keys[i].name != name))
        i = (i + 1) & (capacity - 1);
    return &keys[i];
}

static uint32_t key_set(Alias *a, const void *pointer, uint64_t name)
{
    if (2 * (a->key_count + 1) > a->key_capacity) {
        uint32_t capacity = a->key_capacity ? 2 * a->key_capacity : 64;
        KeySlot *bigger = ARENA_ARRAY(a->arena, KeySlot, capacity);
        for (uint32_t i = 0; i < a->key_capacity; i++)
            if (a->keys[i].pointer)
                *key_find(bigger, capacity, a->keys[i].pointer, a->keys[i].name) = a->keys[i];
        a->keys = bigger;
        a->key_capacity = capacity;
    }
    KeySlot *k = key_find(a->keys, a->key_capacity, pointer, name);
    if (!k->pointer) {
        a->key_count++;
        *k = (KeySlot){pointer, name, new_set(a)};
        a->sets[k->set].outlives = true;
    }
    return k->set;
}

// What identifies the memory behind a Datum; NULL for values that cannot change.
static const void *datum_key(const Datum *d)
{
    switch (d->kind) {
    case DATUM_TENSOR: return d->tensor->storage;
    case DATUM_LIST:
    case DATUM_DICT:
    case DATUM_OBJECT: return d;
    default: return NULL;
    }
}

enum { DATUM_DEPTH = 64 };

// The set of module data: a container is merged with what it holds, an object that is not a module with its attributes.
static uint32_t datum_set(Alias *a, const Datum *d, int depth)
{
    const void *key = datum_key(d);
    uint32_t before = a->key_count, set = key ? key_set(a, key, 0) : 0;
    bool known = key && a->key_count == before;
    const Datum *parts = d->kind == DATUM_OBJECT ? d->state : d;
    bool holds = parts && (parts->kind == DATUM_LIST || parts->kind == DATUM_DICT || parts->kind == DATUM_TUPLE);
    if (known || !holds || depth > DATUM_DEPTH)
        return set;
    uint32_t n = parts->kind == DATUM_DICT ? 2 * parts->count : parts->count;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t part = datum_set(a, parts->items[i], depth + 1);
        if (part)
            set = set ? merge(a, set, part) : part;
    }
    return set;
}

static void merge_datum(Alias *a, const Value *v, const Datum *d)
{
    uint32_t i = set_of(a, v), j = i ? datum_set(a, d, 0) : 0;
    if (j)
        merge(a, i, j);
}

// Nodes --------------------------------------------------------------------------------------------------------------

static void mark_written(Alias *a, const Value *v)
{
    uint32_t i = set_of(a, v);
    if (!i)
        return;
    i = find(a, i);
    bool tensor = v->type->kind == TYPE_TENSOR || (v->type->kind == TYPE_OPTIONAL && v->type->elem[0]->kind == TYPE_TENSOR);
    a->sets[i].data |= tensor || v->type->kind == TYPE_ANY;
    a->sets[i].shape |= !tensor;
    a->any_write = true;
}

static void merge_all(Alias *a, const Node *n, const Value *with)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        merge_values(a, with, n->inputs[i]);
    for (uint32_t i = 0; i < n->output_count; i++)
        merge_values(a, with, n->outputs[i]);
}

// Anything may happen to what such a node can reach.
static void clobber(Alias *a, const Node *n)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < n->input_count + n->output_count; i++) {
        const Value *v = i < n->input_count ? n->inputs[i] : n->outputs[i - n->input_count];
        uint32_t s = set_of(a, v);
        if (s)
            set = set ? merge(a, set, s) : s;
    }
    if (set) {
        Set *s = &a->sets[find(a, set)];
        s->data = s->shape = true;
        a->any_write = true;
    }
}

static bool is_container(const Type *t) { return t->kind == TYPE_LIST || t->kind == TYPE_DICT || t->kind == TYPE_ANY_LIST; }

static void writing_operator(Alias *a, const Node *n)
{
    const Schema *s = n->schema;
    bool stores = str_is(s->symbol, "aten::set_") || str_is(s->symbol, "aten::set_data");
    bool any = false;
    for (uint32_t i = 0; i < n->input_count && i < s->arg_count; i++) {
        if (!s->args[i].writes)
            continue;
        any = true;
        mark_written(a, n->inputs[i]);
        if (is_container(n->inputs[i]->type)) {
            // Operators on lists of tensors write the tensors; the others store what they get.
            if (str_starts(s->symbol, STR("aten::_foreach")))
                a->sets[find(a, set_of(a, n->inputs[i]))].data = true;
            stores = true;
        }
        for (uint32_t k = 0; k < n->output_count; k++)
            merge_values(a, n->inputs[i], n->outputs[k]);
    }
    if (stores)
        for (uint32_t i = 0; i < n->input_count; i++)
            for (uint32_t k = i + 1; k < n->input_count; k++)
                merge_values(a, n->inputs[i], n->inputs[k]);
    if (!any && updates_statistics(n)) {
        mark_written(a, node_argument(n, "running_mean"));
        const Value *variance = node_argument(n, "running_var");
        if (variance)
            mark_written(a, variance);
    } else if (!any) {
        clobber(a, n);
    }
}

static bool holds_mutable(const Type *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->kind != TYPE_CLASS && type_is_mutable(t->elem[i]))
            return true;
    return t->kind == TYPE_ANY;
}

// A fresh container still shares its elements with the one it was made from.
static void share_elements(Alias *a, const Node *n)
{
    for (uint32_t k = 0; k < n->output_count; k++)
        for (uint32_t i = 0; holds_mutable(n->outputs[k]->type) && i < n->input_count; i++)
            if (holds_mutable(n->inputs[i]->type))
                merge_values(a, n->outputs[k], n->inputs[i]);
}

static void operator_node(Alias *a, const Node *n)
{
    switch (node_effect(n)) {
    case EFFECT_PURE:
    case EFFECT_RANDOM: share_elements(a, n); break;
    case EFFECT_ALIAS:
        for (uint32_t i = 0; i < n->output_count; i++)
            merge_all(a, n, n->outputs[i]);
        break;
    case EFFECT_WRITES: writing_operator(a, n); break;
    case EFFECT_EFFECT: clobber(a, n); break;
    }
}

static void get_attr(Alias *a, const Node *n)
{
    const Value *out = n->outputs[0];
    uint32_t set = set_of(a, out);
    if (!set)
        return;
    const Datum *object = a->origins ? origin_of(a->origins, n->inputs[0]) : NULL;
    const Datum *value = a->origins ? origin_of(a->origins, out) : NULL;
    merge_values(a, out, n->inputs[0]);
    if (object)
        merge(a, set, key_set(a, object, str_hash(n->name) | 1));
    else
        merge(a, set, key_set(a, UNKNOWN_OBJECT, str_hash(n->name) | 1));
    if (value)
        merge_datum(a, out, value);
    else
        a->sets[find(a, set)].outlives = true;
}

static void set_attr(Alias *a, const Node *n)
{
    const Datum *object = a->origins ? origin_of(a->origins, n->inputs[0]) : NULL;
    merge_values(a, n->inputs[0], n->inputs[1]);
    uint32_t set = set_of(a, n->inputs[1]);
    if (set)
        merge(a, set, key_set(a, object ? (const void *)object : UNKNOWN_OBJECT, str_hash(n->name) | 1));
    if (set_of(a, n->inputs[0]))
        mark_written(a, n->inputs[0]);
    a->any_write = true;
}

static void merge_blocks(Alias *a, const Node *n)
{
    if (n->kind == NODE_IF) {
        for (uint32_t i = 0; i < n->output_count; i++)
            for (uint32_t b = 0; b < n->block_count; b++)
                merge_values(a, n->outputs[i], n->blocks[b]->ret->inputs[i]);
    } else if (n->kind == NODE_LOOP) {
        const Block *body = n->blocks[0];
        for (uint32_t i = 0; i < n->output_count; i++) {
            merge_values(a, n->outputs[i], n->inputs[i + 2]);
            merge_values(a, n->outputs[i], body->param->outputs[i + 1]);
            merge_values(a, n->outputs[i], body->ret->inputs[i + 1]);
        }
    }
}

static bool writes_inside(const Graph *g)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        OpEffect e = node_effect(n);
        if (e == EFFECT_WRITES || n->kind == NODE_SET_ATTR || n->kind == NODE_CALL_METHOD || n->kind == NODE_CALL_FUNCTION || (n->subgraph && writes_inside(n->subgraph)))
            return true;
    }
    return false;
}

static void visit(Alias *a, const Node *n)
{
    switch (n->kind) {
    case NODE_OP: operator_node(a, n); break;
    case NODE_CONSTANT:
        if (n->constant)
            merge_datum(a, n->outputs[0], n->constant);
        break;
    case NODE_GET_ATTR: get_attr(a, n); break;
    case NODE_SET_ATTR: set_attr(a, n); break;
    case NODE_CALL_METHOD:
    case NODE_CALL_FUNCTION:
    case NODE_ENTER:
    case NODE_EXIT: clobber(a, n); break;
    case NODE_IF:
    case NODE_LOOP: merge_blocks(a, n); break;
    case NODE_ISINSTANCE:
    case NODE_TOLIST:
    case NODE_RAISE:
    case NODE_PRINT: break;
    default:
        if (n->subgraph && writes_inside(n->subgraph))
            clobber(a, n);
        else if (n->output_count)
            for (uint32_t i = 0; i < n->output_count; i++)
                merge_all(a, n, n->outputs[i]);
        break;
    }
}

Alias *alias_analyse(Arena *arena, const Graph *g, bool is_fork, const Origins *origins)
{
    Alias *a = ARENA_NEW(arena, Alias);
    a->arena = arena;
    a->value_count = g->next_id;
    a->of = ARENA_ARRAY(arena, uint32_t, g->next_id + 1);
    a->origins = origins;
    new_set(a); // number 0
    const Node *param = g->top->param;
    uint32_t shared = 0; // what a fork captures may overlap
    for (uint32_t i = 0; i < param->output_count; i++) {
        uint32_t set = set_of(a, param->outputs[i]);
        if (!set)
            continue;
        a->sets[set].outlives = true;
        if (is_fork)
            shared = shared ? merge(a, shared, set) : set;
        const Datum *d = origins ? origin_of(origins, param->outputs[i]) : NULL;
        if (d)
            merge_datum(a, param->outputs[i], d);
    }
    for (const Node *n = graph_first(g); n; n = node_next_deep(n))
        visit(a, n);
    return a;
}

// Questions ----------------------------------------------------------------------------------------------------------

bool alias_any_write(const Alias *a) { return a->any_write; }

bool alias_is_written(const Alias *a, const Value *v)
{
    if (!a->any_write || !type_is_mutable(v->type))
        return false;
    if (v->id >= a->value_count)
        return true;
    if (!a->of[v->id])
        return false;
    const Set *s = &a->sets[find(a, a->of[v->id])];
    return s->data || (s->shape && v->type->kind != TYPE_TENSOR);
}

bool alias_node_touched(const Alias *a, const Node *n)
{
    if (!a->any_write)
        return false;
    for (uint32_t i = 0; i < n->input_count; i++)
        if (alias_is_written(a, n->inputs[i]))
            return true;
    for (uint32_t i = 0; i < n->output_count; i++)
        if (alias_is_written(a, n->outputs[i]))
            return true;
    return false;
}

uint32_t alias_datum_set(const Alias *a, const Datum *d)
{
    const void *key = a->key_capacity ? datum_key(d) : NULL;
    const KeySlot *k = key ? key_find(a->keys, a->key_capacity, key, 0) : NULL;
    return k && k->pointer ? find(a, k->set) : 0;
}

bool alias_datum_is_written(const Alias *a, const Datum *d)
{
    const void *key = a->any_write && a->key_capacity ? datum_key(d) : NULL;
    if (!key)
        return false;
    const KeySlot *k = key_find(a->keys, a->key_capacity, key, 0);
    if (!k->pointer)
        return false;
    const Set *s = &a->sets[find(a, k->set)];
    return s->data || (s->shape && d->kind != DATUM_TENSOR);
}

uint32_t alias_set(const Alias *a, const Value *v)
{
    return v->id < a->value_count && a->of[v->id] ? find(a, a->of[v->id]) : 0;
}

uint32_t alias_set_count(const Alias *a) { return a->count; }
bool alias_set_outlives(const Alias *a, uint32_t set) { return a->sets[find(a, set)].outlives; }
