// What the passes share: their context, the effects of nodes, and the analysis of what may be written through what.
// Private to the optimiser (passes.c and the files it lists).
#ifndef TSB_IR_PASS_H
#define TSB_IR_PASS_H

#include "ir/passes.h"

// What may share memory, and what of it may change while the graph runs. Flow-insensitive: every mutable value belongs to
// one set; values that may overlap, and containers with what they hold, share a set.
typedef struct Alias Alias;

// The values of module attributes, as far as they are known: indexed by value id.
typedef struct Origins {
    Datum **of;       // the Datum a value starts as (self, GetAttr of a known object), or NULL
    Str *path;        // "layer1.0.weight"; "" for self
    uint32_t count;   // ids below it
} Origins;

typedef struct PassContext {
    Program *program;
    const Function *function;
    Graph *graph;     // the one being worked on: the method's, or a fork's
    Arena *arena;     // of the graph
    Arena scratch;    // of one pass; emptied after it
    Datum *root;
    bool is_fork;     // graph is the body of a fork
    Value **rank_of;  // by value id, while simplifying: the earliest value with as many dimensions
    uint32_t rank_count;
    uint8_t *dtype_of; // by value id: see find_dtypes
    uint32_t dtype_count;
    bool nested_known, makes_nested; // while simplifying: may there be nested tensors?
    bool changed;     // set by a pass that changed the graph
    const OptimizeOptions *options;
    const PassHooks *hooks;
    Optimized *out;
    TypeTable *types;
    OpTable *ops;
} PassContext;

// The passes: one file each. What each needs and breaks stands in the table of passes.c.
Status pass_inline(PassContext *c);
Status pass_freeze(PassContext *c);
Status pass_simplify(PassContext *c);
Status pass_in_place(PassContext *c);
Status pass_cse(PassContext *c);
Status pass_dce(PassContext *c);
Status pass_fold_batch_norm(PassContext *c);
Status pass_fuse(PassContext *c);

// Effects (alias.c) --------------------------------------------------------------------------------------------------

// The effect of one node alone (blocks not looked at), with what its constants tell: dropout without training is ALIAS.
OpEffect node_effect(const Node *n);
// Must neither be removed nor moved: effects, random draws, exceptions, also those inside its blocks.
bool node_is_pinned(const Node *n);
// A value whose contents could change: tensors, lists, dicts, objects, and what may hold one.
bool type_is_mutable(const Type *t);

// `origins` may be NULL. Lives in `arena`.
Alias *alias_analyse(Arena *arena, const Graph *g, bool is_fork, const Origins *origins);
bool alias_any_write(const Alias *a);
// May anything that v shows change after v was made, or was it changed before? False for plain numbers and strings.
// Values made after the analysis are taken as written if anything is.
bool alias_is_written(const Alias *a, const Value *v);
bool alias_node_touched(const Alias *a, const Node *n); // any input or output is written
// The same for data behind constants: `d` is a tensor or container of the module.
bool alias_datum_is_written(const Alias *a, const Datum *d);
// The set of v, or 0: for liveness.
uint32_t alias_set(const Alias *a, const Value *v);
uint32_t alias_set_count(const Alias *a);
// Whether the set holds something that outlives the call: an argument, an attribute, a constant.
bool alias_set_outlives(const Alias *a, uint32_t set);

// The set of data behind constants, or 0 when the graph does not show it.
uint32_t alias_datum_set(const Alias *a, const Datum *d);

// Assignments and origins (origins.c) --------------------------------------------------------------------------------

// What the nodes of a graph and of its forks may assign.
typedef struct Assignments {
    struct Assigned *items;
    uint32_t count;
    bool unknown_calls; // a call that could not be inlined may assign anything
    bool fork_writes;   // a fork writes in place: what it writes is not followed
} Assignments;

void assignments_collect(Arena *a, const Graph *g, Assignments *out);
// May the attribute `name` of that object be another one than in the file?
bool assignments_have(const Assignments *all, const Datum *object, Str name);
// `inputs` and `paths` are the origins of g's inputs: of self in the top graph, of what a fork captures in its body. Paths
// are made in `names`, the rest in `a`.
Origins origins_find(Arena *a, Arena *names, const Assignments *assigned, const Graph *g, Datum *const *inputs, const Str *paths);
Str origin_path(Arena *a, Str path, Str name); // "layer1" and "weight": "layer1.weight"

static inline Datum *origin_of(const Origins *o, const Value *v) { return v->id < o->count ? o->of[v->id] : NULL; }

// Small helpers (pass_util.c) ----------------------------------------------------------------------------------------

static inline bool node_is(const Node *n, const char *symbol) { return n->kind == NODE_OP && str_is(n->schema->symbol, symbol); }
static inline bool node_is_overload(const Node *n, const char *full_name) { return n->kind == NODE_OP && str_is(n->schema->full_name, full_name); }
// The argument of that name, or NULL.
Value *node_argument(const Node *n, const char *name);
// Replaces n's only output and removes n.
void node_replace(Node *n, Value *by);
// A new operator before `at` with the inputs given and one output; range, frame and scope are those of `like`.
Node *node_make(PassContext *c, const Schema *schema, Node *at, const Node *like, Value *const *inputs, uint32_t count);
Value *constant_bool(PassContext *c, Node *at, bool b);
Value *constant_int(PassContext *c, Node *at, int64_t i);
Value *constant_float(PassContext *c, Node *at, double f);
Value *constant_str(PassContext *c, Node *at, const char *s);
// With the type that d shows, else `declared`.
Value *constant_datum(PassContext *c, Node *at, Datum *d, const Type *declared);
const Type *datum_type(PassContext *c, const Datum *d); // NULL when it cannot be told
bool constant_number(const Value *v, double *out); // int, float or bool
// The ints of a constant list, of a list made of constants, or a single int.
bool constant_ints(const Value *v, int64_t *out, uint32_t max, uint32_t *count);
const DatumTensor *constant_tensor(const Value *v); // NULL when it is not one
// The element type that v is known to have, from constants and operators that keep their operands'; else DT_INVALID.
// find_dtypes walks the graph once, at the start of a pass that asks.
void find_dtypes(PassContext *c);
DType known_dtype(PassContext *c, const Value *v);

// Steps of pass_simplify: each returns true when it replaced or removed n; *next is then where the walk goes on.
bool fold_constants(PassContext *c, const Alias *alias, Node *n, Node **next);
bool fold_control_flow(PassContext *c, const Alias *alias, Node *n, Node **next);
// Runs n on other constants than its own; false when it cannot be run now.
bool fold_run(PassContext *c, const Node *n, Datum **inputs, Datum **outputs);
// The int that n reads from a tensor, when the tensor was computed from ints (numbers.c); else NULL.
Value *int_behind(PassContext *c, const Alias *alias, Node *n);
typedef struct Peephole Peephole;
Peephole *peephole_new(PassContext *c);
bool peephole(Peephole *p, const Alias *alias, Node *n, Node **next);

#endif
