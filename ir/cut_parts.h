// What the parts of cutting share: the analysis in progress. Private to cut.c, cut_state.c and cut_stage.c.
#ifndef TSB_IR_CUT_PARTS_H
#define TSB_IR_CUT_PARTS_H

#include "ir/cut.h"
#include "ir/pass.h"

// Steps that must lie in one stage: [first, last]. No step yet: first > last.
typedef struct StepRange {
    uint32_t first, last;
    const char *refusal; // what the points between them say
} StepRange;

typedef struct StateMap StateMap; // cut_state.c

typedef struct Cutter {
    CutGraph *out;
    const Graph *g;
    Datum *root;
    Arena *arena;       // of the result
    Arena scratch;
    Assignments assigned;
    Origins origins;    // of g
    Alias *alias;       // of g
    StateMap *state;
    StepRange **ranges;
    uint32_t range_count;
} Cutter;

// A new range without steps.
StepRange *range_add(Cutter *k, const char *refusal);
static inline void range_touch(StepRange *r, uint32_t step)
{
    r->first = step < r->first ? step : r->first;
    r->last = step > r->last ? step : r->last;
}

// "aten::add, resnet.py:157"
void print_place(Buf *out, const Node *n);
void print_value_name(Buf *out, const Value *v);

// The origins of what a fork captures in its body; outer are those of the graph that holds the fork.
Origins fork_origins(Cutter *k, const Node *fork, const Origins *outer);
static inline bool is_module_type(const Type *t)
{
    return (t->kind == TYPE_CLASS || t->kind == TYPE_INTERFACE) && t->cls && (t->cls->kind == CLASS_MODULE || t->cls->kind == CLASS_MODULE_INTERFACE);
}
// A call whose body is not in the graph: it may do anything.
static inline bool is_unknown_call(const Node *n)
{
    return n->kind == NODE_CALL_FUNCTION || (n->kind == NODE_CALL_METHOD && !(n->inputs[0]->type->cls && n->inputs[0]->type->cls->kind == CLASS_BUILTIN));
}

// State (cut_state.c): what outlives the call and changes while the graph runs.
void state_find(Cutter *k);
// Is the attribute that n reads assigned somewhere?
bool state_is_assigned(const Cutter *k, const Node *get_attr);
// Does what v shows change while the graph runs, or may it?
bool state_changes(const Cutter *k, const Value *v);
// Adds the step to the ranges of the state that it touches.
void state_touch(Cutter *k, uint32_t step);
// A value that leaves the graph must not lie in state that other stages see change: its range goes on to the end.
void state_touch_output(Cutter *k, const Value *v);

// The node after n and all that n holds, in the order of node_next_deep; NULL at the end of the block of a top node.
static inline const Node *after_step(const Node *n) { return n->next == n->owner->ret ? NULL : n->next; }

#endif
