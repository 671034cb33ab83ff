// What a Model, its stages and an Instance are made of. Private to model.c, prepare.c, instance.c, stage.c and what reads
// all of a model's constants.
#ifndef TSB_WORKER_MODEL_PARTS_H
#define TSB_WORKER_MODEL_PARTS_H

#include "io/base/buf.h"
#include "io/pickle.h"
#include "worker/interp.h"
#include "worker/stage.h"

struct Model {
    Arena arena;          // graphs, types, code, archive data, folded constants
    Archive *archive;
    Program *program;
    Datum *root;
    const ClassDef *cls;
    Datum *constants;     // tuple of constants.pkl
    uint64_t weight_bytes;

    // after model_prepare
    ModelOptions options;
    const Function *function;
    Optimized optimized;
    CodeSet codes;
    Code *code;
    Code **pre_hooks, **hooks; // of the root, run around forward
    uint32_t pre_hook_count, hook_count;
    Buf missing_in_branches;
    bool keeps_containers; // a call may change lists, dictionaries or plain objects of the module in place
    CutGraph *cut;         // of optimized.graph, once somebody asked
};

struct ModelStage {
    Model *model;
    Arena arena; // of its code
    CodeSet codes;
    Code *code;
    uint32_t from, to, inputs, outputs;
};

struct Instance {
    Model *model;
    const ModelStage *stage; // NULL: the whole method
    const CodeSet *codes;
    const Code *code;
    Lane *lane;
    Machine *machine;
    IValue self;       // None when the code does not need it
    bool self_changed; // containers of self may be what a call left
};

// ---- instance.c, for stages too

// An instance that runs `code` of `codes`.
Status instance_new_of(Model *m, const ModelStage *stage, const CodeSet *codes, const Code *code, Lane *lane, Instance **out);
// Before a call: a module that does not hold what the last one left.
Status instance_renew(Instance *i);
// The arguments of the method, self first, with conversions and defaults: count of the schema; the caller's when ST_OK.
Status instance_arguments(Instance *i, const IValue *args, int n, IValue *all);
// What the method gives, as its caller gets it: plain layouts and numbers, in memory that stays. Released on failure.
Status instance_finish(Instance *i, IValue *result);
// After a call: puts the module back into the state of the file, or takes note that it changed for good.
void instance_settle(Instance *i);

// Runs __setstate__ of the objects that have one (setstate.c). m->arena has a guard.
Status restore_objects(Model *m);

// Executes one pure operator on constants: PassHooks.fold, with the context that fold_open makes.
typedef struct FoldContext { Lane *lane; const Model *model; } FoldContext;
Status fold_open(FoldContext *f, Model *m);
void fold_close(FoldContext *f);
Status fold_node(void *ctx, Arena *arena, const Node *n, Datum **inputs, Datum **outputs);

#endif
