// The optimiser: a table of passes over one inlined graph (rows in passes.c: name, function, needs, breaks).
#ifndef TSB_IR_PASSES_H
#define TSB_IR_PASSES_H

#include "ir/program.h"

// What a pass needs from outside ir/: executing a pure operator on constants.
typedef struct PassHooks {
    // Runs node n (NODE_OP, pure) on constant inputs; sets outputs[0 … n->output_count) to Datum values in `arena`.
    // ST_DECLINED: leave the node as it is (not implemented, raised, result too large …).
    Status (*fold)(void *ctx, Arena *arena, const Node *n, Datum **inputs, Datum **outputs);
    // Takes a copy of the bytes of a large constant that a pass computed, kept once per node as long as the model; may be
    // NULL or give NULL: then the pass keeps them itself.
    const void *(*share)(void *ctx, const void *data, size_t size);
    void *ctx;
    // Called after each pass with its name, for --dump=PASS; may be NULL.
    void (*dump)(void *ctx, const char *pass, const Graph *g);
} PassHooks;

typedef struct OptimizeOptions {
    bool stateful;      // attributes keep what a call assigns: nothing that is written may be frozen
    bool no_fusion;     // stop before fusing (tests compare both)
    bool other_devices; // not every tensor is on the CPU: nothing is known about devices
    bool verify;        // check the graph after every pass (debug builds always do)
    // Constants of the archive (a tuple), or NULL. Tensors without dimensions among them are numbers of a trace; those that
    // were attributes, frozen or not, are tensors (torchscript.md §7.2).
    const Datum *constants;
    const char *stop_after; // name of the last pass to run, or NULL
} OptimizeOptions;

typedef struct Optimized {
    Graph *graph;       // inputs: self first, then the method's arguments. self is unused when everything froze
    Str *mutated;       // attribute paths that the model assigns to or writes in place ("layer1.cache"), for the warning; those
                        // that nobody reads are left out unless stateful
    uint32_t mutated_count;
} Optimized;

// `f` must be a method of root's class. The result is a new graph in the program's arena; f->graph is not changed.
Status optimize(Program *p, const Function *f, Datum *root, const OptimizeOptions *options, const PassHooks *hooks, Optimized *out);

// The rows of the pass table, for --help and tests; NULL ends it.
const char *pass_name(int i);
// Every schema row a graph (and what it calls) can reach, with the nodes: for inspect --ops and the check before a run.
// in_branch: only inside of an if or a loop, so that a call may do without it.
typedef void (*OpVisitor)(void *ctx, const Node *n, bool in_branch);
Status graph_visit_ops(const Graph *g, OpVisitor visit, void *ctx);

#endif
