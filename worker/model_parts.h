// What a Model is made of. Private to model.c, prepare.c and instance.c.
#ifndef TSB_WORKER_MODEL_PARTS_H
#define TSB_WORKER_MODEL_PARTS_H

#include "io/base/buf.h"
#include "io/pickle.h"
#include "worker/code.h"
#include "worker/model.h"

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
};

// Runs __setstate__ of the objects that have one (setstate.c). m->arena has a guard.
Status restore_objects(Model *m);

// Executes one pure operator on constants: PassHooks.fold, with the context that fold_open makes.
typedef struct FoldContext { Lane *lane; const Model *model; } FoldContext;
Status fold_open(FoldContext *f, Model *m);
void fold_close(FoldContext *f);
Status fold_node(void *ctx, Arena *arena, const Node *n, Datum **inputs, Datum **outputs);

#endif
