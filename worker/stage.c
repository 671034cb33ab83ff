// Stages: cutting a prepared model, the code of some of its steps, and running it.
// Unlike a whole method, a stage gives values that somebody goes on with: what they share stays shared.
#include "worker/stage.h"

#include "worker/model_parts.h"
#include "worker/nested.h"
#include "worker/pointer_map.h"
#include "worker/quant.h"
#include "worker/tensor.h"

#include <stdlib.h>

// ---- making stages

Status model_cut_graph(Model *m, const CutGraph **out)
{
    if (!m->cut) {
        if (m->options.no_optimize)
            return status_fail(ST_UNSUPPORTED, "%s: a model that is not optimised cannot be cut into stages", archive_path(m->archive));
        CutGraph *cut = ARENA_NEW(&m->arena, CutGraph);
        if (!cut)
            return ST_MEMORY;
        TRY(cut_analyse(&m->arena, m->optimized.graph, m->root, cut));
        m->cut = cut;
    }
    *out = m->cut;
    return ST_OK;
}

static Status lower_guarded(ModelStage *s, const Graph *g)
{
    jmp_buf guard;
    s->arena.guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    // Objects of classes that another stage creates may come in.
    for (uint32_t i = 0; i < s->model->codes.class_count; i++)
        ARENA_PUSH(&s->arena, s->codes.classes, s->codes.class_count, s->model->codes.classes[i]);
    TRY(code_set_add(&s->codes, g, NULL, &s->code));
    return code_set_lower(&s->codes);
}

static Status lower(ModelStage *s, const Graph *g)
{
    const Model *m = s->model;
    s->codes = (CodeSet){.arena = &s->arena, .root = m->root, .constants = m->constants->items, .constant_count = m->constants->count};
    Status status = lower_guarded(s, g);
    s->arena.guard = NULL;
    return status;
}

Status model_stage_new(Model *m, uint32_t from, uint32_t to, ModelStage **out)
{
    const CutGraph *cut;
    Graph *g;
    TRY(model_cut_graph(m, &cut));
    TRY(cut_stage(cut, from, to, &g));
    ModelStage *s = calloc(1, sizeof *s);
    if (!s)
        return status_no_memory(sizeof *s);
    *s = (ModelStage){.model = m, .from = from, .to = to, .inputs = cut->points[from].live_count, .outputs = cut->points[to].live_count};
    Status status = lower(s, g);
    if (status == ST_OK && (s->code->input_count != s->inputs + 1 || s->code->output_count != s->outputs))
        status = status_fail(ST_INTERNAL, "steps %u to %u take %u values and give %u", from, to, s->code->input_count, s->code->output_count);
    if (status != ST_OK) {
        model_stage_free(s);
        return status;
    }
    *out = s;
    return ST_OK;
}

void model_stage_free(ModelStage *s)
{
    if (!s)
        return;
    arena_free(&s->arena);
    free(s);
}

uint32_t model_stage_inputs(const ModelStage *s) { return s->inputs; }
uint32_t model_stage_outputs(const ModelStage *s) { return s->outputs; }

Status stage_instance_new(ModelStage *s, Lane *lane, Instance **out) { return instance_new_of(s->model, s, &s->codes, s->code, lane, out); }

// ---- outputs in memory that is about to get its former content back

// Tensors over such storages, and those storages, with what is given in their place: one for one.
typedef struct Apart {
    Lane *lane;
    PointerMap met; // containers, tensors and storages
    Tensor **tensors;
    Storage **storages;
    uint32_t tensor_count, storage_count;
} Apart;

static Status storage_apart(Apart *a, const Storage *s, Storage **out)
{
    uint32_t number;
    bool added;
    TRY(pointer_map_add(&a->met, s, a->storage_count, &number, &added));
    if (added) {
        Storage **storages = realloc(a->storages, (a->storage_count + 1) * sizeof *storages);
        if (!storages)
            return status_no_memory((a->storage_count + 1) * sizeof *storages);
        a->storages = storages;
        TRY(storage_new(a->lane, s->size, &a->storages[a->storage_count]));
        a->storage_count++;
        if (s->size)
            memcpy(a->storages[number]->data, s->data, s->size);
    }
    *out = a->storages[number];
    return ST_OK;
}

static Status new_tensor(Apart *a, const Tensor *t, Tensor **out)
{
    Storage *s;
    TRY(storage_apart(a, t->storage, &s));
    TRY(tensor_of_storage(a->lane, s, &t->view, t->offset, out));
    (*out)->bits = t->bits;
    (*out)->quant = quant_retain(t->quant);
    (*out)->nested = t->nested ? nested_retain(t->nested) : NULL;
    (*out)->requires_grad = t->requires_grad;
    (*out)->wrapped_number = t->wrapped_number;
    return ST_OK;
}

static Status tensor_apart(Apart *a, IValue *v)
{
    uint32_t number;
    bool added;
    TRY(pointer_map_add(&a->met, v->as.tensor, a->tensor_count, &number, &added));
    if (added) {
        Tensor **tensors = realloc(a->tensors, (a->tensor_count + 1) * sizeof *tensors);
        if (!tensors)
            return status_no_memory((a->tensor_count + 1) * sizeof *tensors);
        a->tensors = tensors;
        TRY(new_tensor(a, v->as.tensor, &a->tensors[a->tensor_count]));
        a->tensor_count++;
    }
    IValue old = *v;
    v->as.tensor = tensor_retain(a->tensors[number]);
    value_release(old);
    return ST_OK;
}

static Status value_apart(Apart *a, IValue *v);

static Status dict_apart(Apart *a, DictObj *d)
{
    IValue key, value;
    Status status = ST_OK;
    for (uint32_t at = 0; status == ST_OK && dict_next(d, &at, &key, &value);) {
        IValue changed = value_retain(value);
        status = value_apart(a, &changed);
        if (status == ST_OK && changed.tag == TAG_TENSOR && changed.as.tensor != value.as.tensor)
            status = dict_set(d, key, changed);
        value_release(changed);
    }
    return status;
}

static Status items_apart(Apart *a, IValue *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        TRY(value_apart(a, &items[i]));
    return ST_OK;
}

static Status value_apart(Apart *a, IValue *v)
{
    if (v->tag == TAG_TENSOR)
        return v->as.tensor->storage->dirty ? tensor_apart(a, v) : ST_OK;
    if (v->tag != TAG_LIST && v->tag != TAG_TUPLE && v->tag != TAG_DICT && v->tag != TAG_OBJECT)
        return ST_OK;
    uint32_t number;
    bool added;
    TRY(pointer_map_add(&a->met, v->as.obj, 0, &number, &added));
    if (!added || (v->tag == TAG_OBJECT && v->as.object->persistent))
        return ST_OK;
    TRY(value_enter());
    Status status;
    switch ((ValueTag)v->tag) {
    case TAG_LIST: status = items_apart(a, v->as.list->items, v->as.list->len); break;
    case TAG_TUPLE: status = items_apart(a, v->as.tuple->items, v->as.tuple->len); break;
    case TAG_OBJECT: status = items_apart(a, v->as.object->slots, v->as.object->len); break;
    default: status = dict_apart(a, v->as.dict); break;
    }
    value_leave();
    return status;
}

static Status move_apart(Lane *lane, IValue *values, uint32_t count)
{
    Apart a = {.lane = lane};
    Status status = items_apart(&a, values, count);
    for (uint32_t i = 0; i < a.tensor_count; i++)
        tensor_release(a.tensors[i]);
    for (uint32_t i = 0; i < a.storage_count; i++)
        storage_release(a.storages[i]);
    free(a.tensors);
    free(a.storages);
    pointer_map_free(&a.met);
    return status;
}

// ---- calls

static Status finish(Instance *i, IValue *out)
{
    const ModelStage *s = i->stage;
    if (s->to == s->model->cut->step_count && s->outputs == 1)
        return instance_finish(i, out);
    Status status = s->model->options.optimize.stateful || !i->lane->dirty ? ST_OK : move_apart(i->lane, out, s->outputs);
    for (uint32_t k = 0; status != ST_OK && k < s->outputs; k++)
        value_release(out[k]);
    return status;
}

// all: self and the inputs, as the code takes them.
static Status run_stage(Instance *i, const IValue *all, IValue *out)
{
    const ModelStage *s = i->stage;
    Lane *lane = i->lane;
    bool found = values_list(all + 1, s->inputs, &lane->objects);
    Status status = machine_run(i->machine, i->code, all, out);
    if (status == ST_OK)
        status = finish(i, out);
    for (uint32_t k = 0; status != ST_OK && k < s->outputs; k++)
        out[k] = value_none();
    instance_settle(i);
    if (lane->objects) { // what the caller can reach stays; what only holds each other goes
        found = values_unlist(all + 1, s->inputs) && found;
        found = (status != ST_OK || values_unlist(out, s->outputs)) && found;
        objects_forget(&lane->objects, found && !s->model->options.optimize.stateful);
    }
    return status;
}

Status instance_call_stage(Instance *i, const IValue *in, uint32_t n, IValue *out)
{
    const ModelStage *s = i->stage;
    if (!s || (s->from ? n != s->inputs : n > s->inputs))
        return status_fail(ST_INTERNAL, "a stage takes %u values, not %u", s ? s->inputs : 0, n);
    for (uint32_t k = 0; k < s->outputs; k++)
        out[k] = value_none();
    TRY(instance_renew(i));
    IValue few[16], *all = s->inputs < 16 ? few : malloc(sizeof *all * (s->inputs + 1));
    if (!all)
        return status_no_memory(sizeof *all * (s->inputs + 1));
    Status status = ST_OK;
    if (s->from == 0)
        status = instance_arguments(i, in, (int)n, all);
    else
        for (uint32_t k = 0; k <= s->inputs; k++)
            all[k] = value_retain(k ? in[k - 1] : i->self);
    if (status == ST_OK) {
        status = run_stage(i, all, out);
        for (uint32_t k = 0; k <= s->inputs; k++)
            value_release(all[k]);
    }
    if (all != few)
        free(all);
    return status;
}
