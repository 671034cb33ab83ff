// Machine: one lane's interpreter over a set of code: registers, constants as values, inline caches, what to undo.
#ifndef TSB_WORKER_INTERP_H
#define TSB_WORKER_INTERP_H

#include "worker/code.h"

typedef struct Machine Machine;

// `memo` holds what was already made of archive data (the module); constants that share with it stay shared.
Status machine_new(const CodeSet *set, Lane *lane, ValueMemo **memo, Machine **out);
void machine_free(Machine *m);
// Runs code on args (borrowed, code->input_count of them); results: code->output_count values, the caller's.
// ST_RAISED carries the traceback of the model's source.
Status machine_run(Machine *m, const Code *code, const IValue *args, IValue *results);
// Gives attributes of the module that the runs since the last call of it assigned their former values back.
void machine_undo_attributes(Machine *m);
// Keeps them instead.
void machine_keep_attributes(Machine *m);
// Count calls and time of every operator from now on.
void machine_profile(Machine *m, bool on);
typedef void (*SiteVisitor)(void *ctx, const Site *site);
void machine_visit_sites(const Machine *m, SiteVisitor visit, void *ctx);

// ---- worker/interp_data.c: instructions on tuples, lists, dictionaries, objects. in: borrowed; out: given.

Status data_tuple_slice(const Node *n, IValue tuple, IValue *out);
Status data_tuple_index(IValue tuple, IValue index, IValue *out);
Status data_list_unpack(IValue list, uint32_t count, IValue *out);
Status data_dict_construct(const Node *n, const IValue *in, uint32_t count, IValue *out);
Status data_tolist(Lane *lane, const Node *n, IValue tensor, IValue dims, IValue elem, IValue *out);
Status data_module_index(IValue module, IValue index, IValue *out);
// isinstance(v, t) at run time.
bool value_has_type(IValue v, const Type *t);
// Reorders tensors in private layouts inside a value, through containers and tuples.
Status value_make_plain(Lane *lane, IValue v);

// ---- worker/traceback.c

// One level of the call stack, innermost first. `node` is where it was.
typedef struct TraceFrame { const Code *code; const Node *node; } TraceFrame;
// Replaces the status message "RuntimeError: …" by PyTorch's text: tracebacks, then that line.
Status traceback_raise(const TraceFrame *frames, uint32_t count);

#endif
