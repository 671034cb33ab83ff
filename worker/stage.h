// Stages of a model: steps [from, to) of its optimised graph as code of their own. What is live at the point before them
// goes in, what is live behind them comes out; the outputs of one stage are the inputs of the next (worker/transfer.h).
#ifndef TSB_WORKER_STAGE_H
#define TSB_WORKER_STAGE_H

#include "ir/cut.h"
#include "worker/model.h"

// The steps and points of the method, analysed once; the model's. After model_prepare, with its optimisations
// (ST_UNSUPPORTED without). Not from several threads at once.
Status model_cut_graph(Model *m, const CutGraph **out);

// Immutable once made, shared by lanes; free it before the model. from < to, both points legal: else ST_INTERNAL. Not from
// several threads at once.
typedef struct ModelStage ModelStage;
Status model_stage_new(Model *m, uint32_t from, uint32_t to, ModelStage **out);
void model_stage_free(ModelStage *s);
// Values that go in (of the first stage: the arguments of the method without self) and that come out.
uint32_t model_stage_inputs(const ModelStage *s);
uint32_t model_stage_outputs(const ModelStage *s);

// An instance that runs the stage; it makes the constants that the stage uses and no others. Free it with instance_free.
Status stage_instance_new(ModelStage *s, Lane *lane, Instance **out);
// Runs the stage. From the first step: `in` is as for instance_call, n at most the inputs; else n is their number. out: as
// many values as come out, the caller's; from the last step the one result of the method as instance_call gives it. They
// may lie in the memory of the inputs. Everything else that the call changed, in the module and in the inputs, is undone.
// After a failure the outputs are None. Objects among the inputs are on no list, nor are those among the outputs: see values_discard.
Status instance_call_stage(Instance *i, const IValue *in, uint32_t n, IValue *out);

#endif
