// Model: a loaded archive, compiled for running. Immutable once built; shared by all lanes of a process.
#ifndef TSB_WORKER_MODEL_H
#define TSB_WORKER_MODEL_H

#include "io/archive.h"
#include "ir/passes.h"
#include "worker/lane.h"

typedef struct Model Model;

typedef struct ModelOptions {
    const char *method;    // "forward"
    OptimizeOptions optimize;
    const char *dump_pass; // print the graph after this pass to stderr, or NULL ("all")
    const KernelContext *kernels;
    bool no_optimize;      // run the graph as it is, calls not inlined (tests)
    bool share_constants;  // kernels->packs is shared with other processes: keep large folded weights there
    bool profile;          // count calls and time of every operator
} ModelOptions;

// model_open reads and compiles the archive but prepares nothing to run: what `inspect` needs.
Status model_open(const char *path, Model **out);
Status model_open_archive(Archive *archive_taken, Model **out);
// Optimises and lowers one method. Missing operators that every call reaches: ST_UNSUPPORTED, all that are missing named
// with their source lines, unless `allow_missing`. Executing a missing operator fails with ST_UNSUPPORTED.
Status model_prepare(Model *m, const ModelOptions *options, bool allow_missing);
void model_free(Model *m);

Program *model_program(Model *m);
Datum *model_root(Model *m);
Archive *model_archive(Model *m);
const ClassDef *model_class(Model *m);
const Function *model_function(Model *m);     // the method that was prepared
const Graph *model_graph(Model *m);           // optimised
uint64_t model_weight_bytes(Model *m);
// Missing operators that only branches and loops reach, "\n  aten::name (file:line), only in a branch" each; empty for none.
Str model_missing_in_branches(const Model *m);
// Attribute paths the model changes when it runs.
uint32_t model_mutated(Model *m, const Str **paths);

// One instance per lane: registers, constants, site caches.
typedef struct Instance Instance;
Status instance_new(Model *m, Lane *lane, Instance **out);
void instance_free(Instance *i);
// Calls the method: args without self, in the order of the schema. Arguments beyond n, and those of tag
// TAG_UNINITIALIZED, take their defaults. The result is the caller's. A model that raises: ST_RAISED; the message carries the Python text and source line.
// Unless stateful, everything the call changed in the module is undone before returning.
Status instance_call(Instance *i, const IValue *args, int n, IValue *result);
// --profile: one row per operator name, summed over sites.
void instance_profile(Instance *i, void (*row)(void *ctx, const char *op, const char *variant, const SiteProfile *p), void *ctx);

#endif
