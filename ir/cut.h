// Where an optimised graph can be cut, and the graphs of its stages.
//
//   step 0   step 1   …   step n-1       top-level nodes in order; ifs, loops and fused operators are one step each
//  |        |        |  …          |
//  0        1        2             n     points; what is live there travels to the next stage
//
// Constants, and what is fetched from the module and never changes, are no steps: every stage that needs them makes its
// own. Values keep what they share while they travel: two views of one tensor are views of one tensor on the other side.
// So a value may be written behind a cut; only state that outlives the call (attributes, constants) and changes while the
// graph runs has to stay in one stage with all that touches it.
#ifndef TSB_IR_CUT_H
#define TSB_IR_CUT_H

#include "ir/program.h"

// More values than that do not travel at one point: it is refused.
enum { CUT_LIVE_MAX = 1024 };

typedef struct CutPoint {
    const char *refusal; // NULL: legal; else why not, in words that follow "cannot cut after …: "
    Value **live;        // what travels there, in order of definition; NULL when there are more than CUT_LIVE_MAX
    uint32_t live_count;
} CutPoint;

typedef struct CutWeights {
    const DatumStorage **storages; // each once
    uint32_t count;
} CutWeights;

// Everything lives in the arena given to cut_analyse, and as long as the graph.
typedef struct CutGraph {
    const Graph *graph;
    Arena *arena;
    Node **steps;        // [step_count]
    uint32_t step_count;
    CutPoint *points;    // [step_count + 1]: points[i] lies before step i; the first is what goes in (the graph's inputs but
                         // self, used or not), the last what comes out (the graph's outputs); these two are always legal
    CutWeights *weights; // [step_count]: see cut_visit_weights
    Node **copies;       // top-level nodes that are no steps, in order
    uint32_t copy_count;
    bool *is_copied;     // by value id: self, and the outputs of copies
} CutGraph;

// `g` is optimised: its first input is self. `root` is the module that self will be, or NULL when it is not known: then
// attributes of the same name are taken for one. Uses the notes of the graph. ST_MEMORY.
Status cut_analyse(Arena *arena, const Graph *g, Datum *root, CutGraph *out);

// Steps [from, to) as a graph of its own, in the arena of the analysis. Inputs: self, then the live values of points[from].
// Outputs: the live values of points[to]. Names, places, frames and scopes are those of `g`. Both points must be legal and
// from < to: ST_INTERNAL. Uses the notes of the graph.
Status cut_stage(const CutGraph *c, uint32_t from, uint32_t to, Graph **out);

// The point behind the last step of module `path` ("layer4.0"): of itself and of the modules inside it. ST_USAGE when no
// step comes from it (the message names paths that are there), when nothing comes after it, and when the point is refused.
Status cut_after_module(const CutGraph *c, Str path, uint32_t *point);

// "after layer2.3 (aten::add, resnet.py:157)", for people.
void cut_describe(Buf *out, const CutGraph *c, uint32_t point);

// May a step of [from, to) draw random numbers? What cannot be told counts as drawing.
bool cut_draws(const CutGraph *c, uint32_t from, uint32_t to);

// Calls `visit` once for every storage behind the constants and the attributes that step `i` uses, also in its blocks.
void cut_visit_weights(const CutGraph *c, uint32_t step, void (*visit)(void *ctx, const DatumStorage *s), void *ctx);

#endif
