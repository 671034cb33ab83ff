// State that a cut must not divide: attributes and constants that change while the graph runs. Each stage has its own
// copy of the module, so all steps that read or write such state lie in one stage: a range of steps for each piece.
#include "ir/cut_parts.h"
#include "ir/failure.h"

struct StateMap {
    StepRange **of_set;     // by alias set, NULL: does not change, or does not outlive the call
    const Node **writer;    // by alias set: the first node that writes to it
    StrMap slots;           // attributes of modules that are assigned: see slot_key
    StrMap anywhere;        // names of attributes of modules that are not known
    StepRange *unknown;     // all module data together, when it is not known what is written
    StepRange *seeded;      // steps that draw random numbers, when the graph seeds them itself
    bool constants_unknown; // unknown holds constants too
};

// Texts ----------------------------------------------------------------------------------------------------------------

static const char *changes_text(Cutter *k, Str path, const Value *v, const Node *writer)
{
    Buf text = {0};
    if (path.len)
        buf_str(&text, path);
    else
        print_value_name(&text, v);
    buf_z(&text, " changes while the model runs");
    if (writer) {
        buf_z(&text, " (");
        print_place(&text, writer);
        buf_char(&text, ')');
    }
    buf_z(&text, ": all that uses it must be in one stage");
    return take_text(k->arena, &text).ptr;
}

static Str path_of(const Origins *o, const Value *v) { return origin_of(o, v) ? o->path[v->id] : (Str){0}; }

// Attributes of modules ------------------------------------------------------------------------------------------------

// Attributes of other objects are found through the set of the object.
static bool is_slot_access(const Node *n) { return (n->kind == NODE_GET_ATTR || n->kind == NODE_SET_ATTR) && !type_is_mutable(n->inputs[0]->type); }

// What an access of an attribute reads or writes: the object and the name, or the name alone when some access of that
// name may be to any object.
static Str slot_key(Arena *a, const StateMap *m, const Datum *object, Str name)
{
    if (strmap_get(&m->anywhere, name))
        object = NULL;
    char *key = arena_alloc(a, sizeof object + name.len);
    memcpy(key, &object, sizeof object);
    memcpy(key + sizeof object, name.ptr, name.len);
    return (Str){key, sizeof object + name.len};
}

static StepRange *slot_range(Cutter *k, const Origins *o, const Node *n)
{
    if (k->assigned.unknown_calls)
        return k->state->unknown;
    return strmap_get(&k->state->slots, slot_key(&k->scratch, k->state, origin_of(o, n->inputs[0]), n->name));
}

static void note_names(Cutter *k, const Graph *g, const Origins *o)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (is_slot_access(n) && !origin_of(o, n->inputs[0]))
            strmap_put(&k->state->anywhere, &k->scratch, n->name, "");
        if (n->subgraph) {
            Origins inner = fork_origins(k, n, o);
            note_names(k, n->subgraph, &inner);
        }
    }
}

static void note_assigned(Cutter *k, const Graph *g, const Origins *o)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (n->subgraph) {
            Origins inner = fork_origins(k, n, o);
            note_assigned(k, n->subgraph, &inner);
        }
        if (n->kind != NODE_SET_ATTR || !is_slot_access(n))
            continue;
        Str key = slot_key(&k->scratch, k->state, origin_of(o, n->inputs[0]), n->name);
        if (strmap_get(&k->state->slots, key))
            continue;
        Str path = origin_of(o, n->inputs[0]) ? origin_path(&k->scratch, o->path[n->inputs[0]->id], n->name) : n->name;
        strmap_put(&k->state->slots, &k->scratch, key, range_add(k, changes_text(k, path, NULL, n)));
    }
}

bool state_is_assigned(const Cutter *k, const Node *get_attr)
{
    // slot_range only looks up, but for the memory of a key.
    return is_slot_access(get_attr) && slot_range((Cutter *)k, &k->origins, get_attr) != NULL;
}

// Sets of memory -------------------------------------------------------------------------------------------------------

// Data of the module that could be written in place: mutable constants, and what attributes of modules hold.
static bool is_state(const Node *n)
{
    if (n->kind == NODE_CONSTANT)
        return n->constant && type_is_mutable(n->outputs[0]->type);
    return n->kind == NODE_GET_ATTR && is_slot_access(n) && type_is_mutable(n->outputs[0]->type);
}

static void note_writers(Cutter *k)
{
    for (const Node *n = graph_first(k->g); n; n = node_next_deep(n)) {
        OpEffect e = node_effect(n);
        bool may_write = (e == EFFECT_WRITES || e == EFFECT_EFFECT) && n->kind != NODE_PRINT && n->kind != NODE_RAISE;
        for (uint32_t i = 0; may_write && i < n->input_count; i++) {
            uint32_t set = alias_set(k->alias, n->inputs[i]);
            bool writes = !n->schema || i >= n->schema->arg_count || n->schema->args[i].writes || str_starts(n->schema->args[i].name, STR("running_"));
            if (set && writes && !k->state->writer[set])
                k->state->writer[set] = n;
        }
    }
}

// What the bodies of forks write besides what they capture is not followed: see state_find.
static void look_into_forks(Cutter *k, const Graph *g, const Origins *o, bool *writes_state, bool *writes_constants)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        if (!n->subgraph)
            continue;
        Origins inner = fork_origins(k, n, o);
        const Alias *alias = alias_analyse(&k->scratch, n->subgraph, true, &inner);
        for (const Node *in = graph_first(n->subgraph); in; in = node_next_deep(in)) {
            if (!is_state(in))
                continue;
            bool written = alias_is_written(alias, in->outputs[0]);
            *writes_constants |= written && in->kind == NODE_CONSTANT;
            // Data that is not known could be any that the graph around the fork writes.
            *writes_state |= written || (in->kind == NODE_GET_ATTR && !origin_of(&inner, in->outputs[0]) && alias_any_write(k->alias));
        }
        look_into_forks(k, n->subgraph, &inner, writes_state, writes_constants);
    }
}

static void note_sets(Cutter *k)
{
    StateMap *m = k->state;
    for (const Node *n = graph_first(k->g); n; n = node_next_deep(n)) {
        if (!is_state(n))
            continue;
        const Value *v = n->outputs[0];
        uint32_t set = alias_set(k->alias, v);
        bool unknown = m->unknown && (n->kind == NODE_GET_ATTR || m->constants_unknown);
        if (!set || m->of_set[set])
            continue;
        if (unknown || (m->unknown && alias_is_written(k->alias, v)))
            m->of_set[set] = m->unknown;
        else if (alias_is_written(k->alias, v))
            m->of_set[set] = range_add(k, changes_text(k, path_of(&k->origins, v), v, m->writer[set]));
    }
}

static bool seeds(const Node *n) { return node_is_overload(n, "aten::manual_seed"); }

static const Node *find_seed(const Graph *g)
{
    for (const Node *n = graph_first(g); n; n = node_next_deep(n)) {
        const Node *found = seeds(n) ? n : n->subgraph ? find_seed(n->subgraph) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

void state_find(Cutter *k)
{
    StateMap *m = k->state = ARENA_NEW(&k->scratch, StateMap);
    uint32_t sets = alias_set_count(k->alias) + 1;
    m->of_set = ARENA_ARRAY(&k->scratch, StepRange *, sets);
    m->writer = ARENA_ARRAY(&k->scratch, const Node *, sets);
    bool fork_writes = false;
    look_into_forks(k, k->g, &k->origins, &fork_writes, &m->constants_unknown);
    if (fork_writes || k->assigned.unknown_calls)
        m->unknown = range_add(k, "it is not known which attributes a call or a fork changes: all that uses them must be in one stage");
    note_names(k, k->g, &k->origins);
    note_assigned(k, k->g, &k->origins);
    note_writers(k);
    note_sets(k);
    const Node *seed = find_seed(k->g);
    if (seed) {
        Buf text = {0};
        buf_z(&text, "the model seeds its random numbers (");
        print_place(&text, seed);
        buf_z(&text, "): all that draws must be in one stage");
        m->seeded = range_add(k, take_text(k->arena, &text).ptr);
    }
}

bool state_changes(const Cutter *k, const Value *v)
{
    uint32_t set = alias_set(k->alias, v);
    return (set && k->state->of_set[set]) || alias_is_written(k->alias, v);
}

// Touching -------------------------------------------------------------------------------------------------------------

static void touch_set(Cutter *k, uint32_t set, uint32_t step)
{
    if (set && k->state->of_set[set])
        range_touch(k->state->of_set[set], step);
}

static void touch_any(Cutter *k, const Node *n, const Origins *o, uint32_t step)
{
    StepRange *slot = is_slot_access(n) ? slot_range(k, o, n) : NULL;
    if (slot)
        range_touch(slot, step);
    if (k->state->unknown && (n->subgraph || is_unknown_call(n)))
        range_touch(k->state->unknown, step);
    if (k->state->seeded && (seeds(n) || node_effect(n) == EFFECT_RANDOM || is_unknown_call(n)))
        range_touch(k->state->seeded, step);
}

static void touch_fork(Cutter *k, const Node *fork, const Origins *outer, uint32_t step)
{
    Origins o = fork_origins(k, fork, outer);
    for (const Node *n = graph_first(fork->subgraph); n; n = node_next_deep(n)) {
        touch_any(k, n, &o, step);
        const Datum *d = !is_state(n) ? NULL : n->kind == NODE_CONSTANT ? n->constant : origin_of(&o, n->outputs[0]);
        if (d)
            touch_set(k, alias_datum_set(k->alias, d), step);
        if (n->subgraph)
            touch_fork(k, n, &o, step);
    }
}

void state_touch(Cutter *k, uint32_t step)
{
    const Node *top = k->out->steps[step], *end = after_step(top);
    for (const Node *n = top; n != end; n = node_next_deep(n)) {
        for (uint32_t i = 0; i < n->input_count; i++)
            touch_set(k, alias_set(k->alias, n->inputs[i]), step);
        for (uint32_t i = 0; i < n->output_count; i++)
            touch_set(k, alias_set(k->alias, n->outputs[i]), step);
        for (uint32_t b = 0; b < n->block_count; b++)
            for (uint32_t i = 0; i < n->blocks[b]->ret->input_count; i++)
                touch_set(k, alias_set(k->alias, n->blocks[b]->ret->inputs[i]), step);
        touch_any(k, n, &k->origins, step);
        if (n->subgraph)
            touch_fork(k, n, &k->origins, step);
    }
}

void state_touch_output(Cutter *k, const Value *v)
{
    uint32_t set = alias_set(k->alias, v);
    if (set && k->state->of_set[set] && k->out->step_count)
        range_touch(k->state->of_set[set], k->out->step_count - 1);
}
