// An instance: one lane's module object and machine; calls of the method, with the root's hooks, and undoing what they
// changed.
#include "worker/bits.h"
#include "worker/model_parts.h"
#include "worker/quant.h"
#include "worker/tensor.h"

#include "io/base/buf.h"

#include <inttypes.h>
#include <stdlib.h>

// The module is only made when something reads it: frozen graphs do not.
static bool needs_self(const Instance *i)
{
    return i->model->pre_hook_count || i->model->hook_count || i->code->graph->top->param->outputs[0]->use_count > 0;
}

static Status make_self(Instance *i, ValueMemo **memo)
{
    return needs_self(i) ? value_from_datum(i->lane, memo, i->model->root, i->model->cls->type, &i->self) : ST_OK;
}

Status instance_new_of(Model *m, const ModelStage *stage, const CodeSet *codes, const Code *code, Lane *lane, Instance **out)
{
    Instance *i = calloc(1, sizeof *i);
    if (!i)
        return status_no_memory(sizeof *i);
    *i = (Instance){.model = m, .stage = stage, .codes = codes, .code = code, .lane = lane};
    ValueMemo *memo = NULL;
    Status status = make_self(i, &memo);
    if (status == ST_OK)
        status = machine_new(codes, lane, &memo, &i->machine);
    value_memo_free(memo);
    if (status != ST_OK) {
        instance_free(i);
        return status_context(status, "%s", archive_path(m->archive));
    }
    machine_profile(i->machine, m->options.profile);
    *out = i;
    return ST_OK;
}

Status instance_new(Model *m, Lane *lane, Instance **out) { return instance_new_of(m, NULL, &m->codes, m->code, lane, out); }

void instance_free(Instance *i)
{
    if (!i)
        return;
    machine_free(i->machine);
    value_release(i->self);
    free(i);
}

// ---- arguments

static Status raise_declaration(const Schema *s, const char *problem)
{
    Buf text = {0};
    schema_print(&text, s);
    Status status = op_raise("%s Declaration: " STR_FMT, problem, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return status;
}

static Status raise_argument_type(const Schema *s, uint32_t index, IValue v)
{
    Buf text = {0};
    const SchemaArg *a = &s->args[index];
    buf_printf(&text, STR_FMT "() Expected a value of type '", STR_ARG(s->symbol));
    type_print_python(&text, a->type);
    buf_printf(&text, "' for argument '" STR_FMT "' but instead found another.\nPosition: %u\nValue: ", STR_ARG(a->name), index);
    value_print(&text, v);
    buf_z(&text, "\nDeclaration: ");
    schema_print(&text, s);
    Status status = op_raise(STR_FMT, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return status;
}

// One argument, given: the caller's value, a number widened to float, or the default.
static Status argument(Lane *lane, const Schema *s, uint32_t index, const IValue *given, IValue *out)
{
    const SchemaArg *a = &s->args[index];
    if (!given || given->tag == TAG_UNINITIALIZED) {
        char problem[512];
        snprintf(problem, sizeof problem, STR_FMT "() is missing value for argument '" STR_FMT "'.", STR_ARG(s->symbol), STR_ARG(a->name));
        if (!a->default_value)
            return raise_declaration(s, problem);
        ValueMemo *memo = NULL;
        Status status = value_from_datum(lane, &memo, a->default_value, a->type, out);
        value_memo_free(memo);
        return status;
    }
    if (a->type->kind == TYPE_FLOAT && given->tag == TAG_INT)
        *out = value_float((double)given->as.i);
    else if (!value_has_type(*given, a->type))
        return raise_argument_type(s, index, *given);
    else
        *out = value_retain(*given);
    return ST_OK;
}

Status instance_arguments(Instance *i, const IValue *args, int n, IValue *all)
{
    const Schema *s = i->model->function->schema;
    uint32_t count = s->arg_count, made = 1;
    if (n < 0 || (uint32_t)n > count - 1) {
        char problem[256];
        snprintf(problem, sizeof problem, STR_FMT "() expected at most %u argument(s) but received %d argument(s).", STR_ARG(s->symbol), count, n + 1);
        return raise_declaration(s, problem);
    }
    all[0] = value_retain(i->self);
    Status status = ST_OK;
    for (; made < count && status == ST_OK; made++)
        if ((status = argument(i->lane, s, made, made - 1 < (uint32_t)n ? &args[made - 1] : NULL, &all[made])) != ST_OK)
            break;
    for (uint32_t k = 0; status != ST_OK && k < made; k++)
        value_release(all[k]);
    return status;
}

// ---- hooks (§15.5: calling the module runs them)

// hook(self, (args…)) -> None, a tuple, or the one argument
static Status run_pre_hook(Instance *i, const Code *hook, IValue *args, uint32_t count)
{
    TupleObj *t = tuple_new(count, NULL);
    if (!t)
        return ST_MEMORY;
    for (uint32_t k = 0; k < count; k++)
        t->items[k] = value_retain(args[k]);
    IValue in[2] = {i->self, value_tuple_take(t)}, result = value_none();
    Status status = hook->input_count == 2 && hook->output_count == 1 ? machine_run(i->machine, hook, in, &result)
                                                                      : status_fail(ST_UNSUPPORTED, "a forward pre-hook of this form");
    value_release(in[1]);
    TRY(status);
    if (result.tag == TAG_TUPLE && result.as.tuple->len == count) {
        for (uint32_t k = 0; k < count; k++) {
            value_release(args[k]);
            args[k] = value_retain(result.as.tuple->items[k]);
        }
    } else if (result.tag != TAG_NONE && count == 1) {
        value_release(args[0]);
        args[0] = value_retain(result);
    }
    value_release(result);
    return ST_OK;
}

// hook(self, (args…), result) -> None, or the new result
static Status run_hook(Instance *i, const Code *hook, const IValue *args, uint32_t count, IValue *result)
{
    TupleObj *t = tuple_new(count, NULL);
    if (!t)
        return ST_MEMORY;
    for (uint32_t k = 0; k < count; k++)
        t->items[k] = value_retain(args[k]);
    IValue in[3] = {i->self, value_tuple_take(t), *result}, other = value_none();
    Status status = hook->input_count == 3 && hook->output_count == 1 ? machine_run(i->machine, hook, in, &other)
                                                                      : status_fail(ST_UNSUPPORTED, "a forward hook of this form");
    value_release(in[1]);
    TRY(status);
    if (other.tag != TAG_NONE) {
        value_release(*result);
        *result = other;
    }
    return ST_OK;
}

// ---- calls

// The same tensor, strides and all, over memory of its own.
static Status tensor_apart(Lane *lane, const Tensor *t, Tensor **out)
{
    Storage *s;
    size_t bytes = view_bytes(&t->view);
    TRY(storage_new(lane, bytes, &s));
    if (bytes)
        memcpy(s->data, t->view.data, bytes);
    Status status = tensor_of_storage(lane, s, &t->view, 0, out);
    if (status == ST_OK) {
        (*out)->quant = quant_retain(t->quant);
        (*out)->bits = t->bits;
    }
    storage_release(s);
    return status;
}

// Results that lie in memory which is about to get its former content back move to memory of their own.
static Status moved_apart(Lane *lane, Tensor *t, Tensor **out)
{
    return t->storage->dirty ? tensor_apart(lane, t, out) : ST_OK;
}

// What a model gives to its caller: quantised tensors become float32, conjugate and negative views plain tensors.
static Status plain_numbers(Lane *lane, Tensor *t, Tensor **out)
{
    if (t->quant)
        return tensor_dequantise(lane, t, out);
    if (!t->bits)
        return ST_OK;
    TRY(tensor_apart(lane, t, out));
    Tensor all = {.bits = t->bits, .view = {.data = (*out)->view.data, .dtype = t->view.dtype, .ndim = 1, .stride = {1}}};
    all.view.size[0] = (int64_t)((*out)->storage->size / dtype_size(tensor_dtype(t))); // elements may lie in one place
    tensor_flip(&all);
    (*out)->bits = 0;
    return ST_OK;
}

Status instance_finish(Instance *i, IValue *result)
{
    Status status = value_make_plain(i->lane, *result);
    if (status == ST_OK && !i->model->options.optimize.stateful && i->lane->dirty)
        status = value_change_tensors(i->lane, result, moved_apart);
    if (status == ST_OK)
        status = value_change_tensors(i->lane, result, plain_numbers);
    if (status != ST_OK)
        value_release(*result);
    return status;
}

static Status run_method(Instance *i, IValue *args, uint32_t count, IValue *result)
{
    const Model *m = i->model;
    for (uint32_t h = 0; h < m->pre_hook_count; h++)
        TRY(run_pre_hook(i, m->pre_hooks[h], args + 1, count - 1));
    if (m->code->input_count != count || m->code->output_count > 1)
        return status_fail(ST_INTERNAL, "the method takes %u values, not %u", m->code->input_count, count);
    *result = value_none();
    TRY(machine_run(i->machine, m->code, args, result));
    Status status = ST_OK;
    for (uint32_t h = 0; h < m->hook_count && status == ST_OK; h++)
        status = run_hook(i, m->hooks[h], args + 1, count - 1, result);
    if (status == ST_OK)
        return instance_finish(i, result);
    value_release(*result);
    return status;
}

void instance_settle(Instance *i)
{
    if (i->model->options.optimize.stateful) {
        machine_keep_attributes(i->machine);
        lane_keep_state(i->lane);
        return;
    }
    machine_undo_attributes(i->machine);
    lane_reset_state(i->lane);
    i->self_changed = i->model->keeps_containers && i->self.tag == TAG_OBJECT;
}

Status instance_renew(Instance *i)
{
    if (!i->self_changed)
        return ST_OK;
    ValueMemo *memo = NULL;
    value_release(i->self);
    i->self = value_none();
    Status status = make_self(i, &memo);
    value_memo_free(memo);
    i->self_changed = false;
    return status;
}

Status instance_call(Instance *i, const IValue *args, int n, IValue *result)
{
    uint32_t count = i->model->function->schema->arg_count;
    TRY(instance_renew(i));
    IValue few[16], *all = count <= 16 ? few : malloc(sizeof *all * count);
    if (!all)
        return status_no_memory(sizeof *all * count);
    Status status = instance_arguments(i, args, n, all);
    uint32_t made = status == ST_OK ? count : 0;
    if (status == ST_OK)
        status = run_method(i, all, count, result);
    bool kept = false; // may the caller reach an object that was made here?
    if (i->lane->objects) {
        kept = i->model->options.optimize.stateful || (status == ST_OK && value_has_object(*result));
        for (uint32_t k = 1; k < made && !kept; k++)
            kept = value_has_object(all[k]);
    }
    for (uint32_t k = 0; k < made; k++)
        value_release(all[k]);
    if (all != few)
        free(all);
    instance_settle(i);
    if (i->lane->objects) // objects that hold each other
        objects_forget(&i->lane->objects, !kept);
    return status;
}

// ---- profile

typedef struct ProfileRow { const char *op, *variant; SiteProfile sum; } ProfileRow;
typedef struct ProfileTable { ProfileRow *rows; size_t count, capacity; } ProfileTable;

static void add_site(void *ctx, const Site *site)
{
    ProfileTable *t = ctx;
    const char *variant = site_variant(site);
    if (!site->op || !site->profile.calls)
        return;
    size_t at = 0;
    while (at < t->count && !(t->rows[at].op == site->op->name && t->rows[at].variant == variant))
        at++;
    if (at == t->count) {
        if (t->count == t->capacity) {
            size_t capacity = t->capacity ? t->capacity * 2 : 64;
            ProfileRow *rows = realloc(t->rows, capacity * sizeof *rows);
            if (!rows)
                return; // the table lacks a row
            t->rows = rows;
            t->capacity = capacity;
        }
        t->rows[t->count++] = (ProfileRow){.op = site->op->name, .variant = variant};
    }
    SiteProfile *sum = &t->rows[at].sum;
    sum->calls += site->profile.calls;
    sum->nanoseconds += site->profile.nanoseconds;
    sum->flops += site->profile.flops;
}

void instance_profile(Instance *i, void (*row)(void *ctx, const char *op, const char *variant, const SiteProfile *p), void *ctx)
{
    ProfileTable t = {0};
    machine_visit_sites(i->machine, add_site, &t);
    for (size_t k = 0; k < t.count; k++)
        row(ctx, t.rows[k].op, t.rows[k].variant ? t.rows[k].variant : "", &t.rows[k].sum);
    free(t.rows);
}
