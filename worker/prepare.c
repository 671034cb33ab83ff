// Preparing a method to run: optimise its graph, look for operators that nobody implements, lower to linear code.
#include "worker/model_parts.h"
#include "worker/interp.h"
#include "worker/tensor.h"

#include "io/base/buf.h"
#include "ir/print.h"
#include "kernels/pack.h"

#include <stdio.h>
#include <stdlib.h>

// ---- constant folding

// Folded results beyond this many bytes stay computations, unless they are no larger than what they come from.
static const size_t FOLD_LIMIT = (size_t)16 << 20;
enum { FOLD_ARGUMENTS = 64, FOLD_RESULTS = 16 };

Status fold_open(FoldContext *f, Model *m)
{
    f->model = m;
    return lane_new(m->options.kernels, program_types(m->program), &f->lane);
}

void fold_close(FoldContext *f) { lane_free(f->lane); }

static size_t datum_bytes(const Datum *d)
{
    if (d->kind == DATUM_TENSOR)
        return (size_t)datum_tensor_numel(d->tensor) * dtype_size(d->tensor->dtype);
    size_t bytes = 0;
    if (d->kind == DATUM_LIST || d->kind == DATUM_TUPLE)
        for (uint32_t i = 0; i < d->count; i++)
            bytes += datum_bytes(d->items[i]);
    return bytes;
}

static size_t value_bytes(IValue v)
{
    if (v.tag == TAG_TENSOR)
        return v.as.tensor->is_constant && v.as.tensor->storage->shared ? 0 : (size_t)tensor_numel(v.as.tensor) * dtype_size(tensor_dtype(v.as.tensor));
    size_t bytes = 0;
    if (v.tag == TAG_LIST)
        for (uint32_t i = 0; i < v.as.list->len; i++)
            bytes += value_bytes(v.as.list->items[i]);
    if (v.tag == TAG_TUPLE)
        for (uint32_t i = 0; i < v.as.tuple->len; i++)
            bytes += value_bytes(v.as.tuple->items[i]);
    return bytes;
}

static Status fold_results(Lane *lane, Arena *arena, const IValue *rets, uint32_t count, size_t input_bytes, Datum **outputs)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rets[i].tag == TAG_OBJECT)
            return ST_DECLINED; // graphs hold no objects
        TRY(value_make_plain(lane, rets[i]));
        size_t bytes = value_bytes(rets[i]);
        if (bytes > FOLD_LIMIT && bytes > input_bytes)
            return ST_DECLINED;
        TRY(value_to_datum(arena, rets[i], &outputs[i]));
    }
    return ST_OK;
}

static Status fold_call(Lane *lane, Arena *arena, const OpBinding *op, const Node *n, const IValue *args, size_t input_bytes, Datum **outputs)
{
    IValue rets[FOLD_RESULTS];
    Site site = {.op = op, .node = n, .arg_count = (uint8_t)n->input_count, .ret_count = (uint8_t)n->output_count};
    lane->args = NULL;
    OpFn fn = op->fn;
    Status status = op_choose(&site, args, n->input_count, &fn);
    if (status == ST_OK)
        status = fn(lane, &site, args, rets);
    if (status == ST_OK) {
        status = fold_results(lane, arena, rets, n->output_count, input_bytes, outputs);
        for (uint32_t i = 0; i < n->output_count; i++)
            value_release(rets[i]);
    }
    site_clear(&site);
    return status;
}

Status fold_node(void *ctx, Arena *arena, const Node *n, Datum **inputs, Datum **outputs)
{
    const FoldContext *context = ctx;
    Lane *lane = context->lane;
    const Datum *numbers = context->model->constants;
    const OpBinding *op = op_find(n->schema->full_name);
    if (!op || n->input_count > FOLD_ARGUMENTS || n->output_count > FOLD_RESULTS)
        return ST_DECLINED;
    IValue args[FOLD_ARGUMENTS];
    ValueMemo *memo = NULL;
    uint32_t count = 0;
    size_t input_bytes = 0;
    Status status = ST_OK;
    while (count < n->input_count && status == ST_OK) {
        const Datum *d = inputs[count] ? inputs[count] : &datum_none;
        status = value_from_datum(lane, &memo, d, n->inputs[count]->type, &args[count]);
        if (status == ST_OK && counts_as_number(d, numbers->items, numbers->count))
            args[count].as.tensor->wrapped_number = true;
        input_bytes += datum_bytes(d);
        count++;
    }
    if (status == ST_OK)
        status = fold_call(lane, arena, op, n, args, input_bytes, outputs);
    for (uint32_t i = 0; i < count; i++)
        value_release(args[i]);
    value_memo_free(memo);
    lane_reset_state(lane);
    if (status != ST_OK && status != ST_MEMORY) {
        status_clear();
        return ST_DECLINED; // it will say what is wrong when it runs
    }
    return status;
}

// ---- operators that are missing

typedef struct Missing {
    Buf certain, perhaps; // a line each: those that every call reaches, those only in a branch
    StrMap seen;
    Arena arena;
    bool called;          // looking at code that something calls, nobody knows from where
} Missing;

static void visit_op(void *ctx, const Node *n, bool in_branch)
{
    Missing *missing = ctx;
    if (n->kind != NODE_OP || str_is(n->schema->symbol, "aten::wait") || op_find(n->schema->full_name))
        return;
    in_branch |= missing->called;
    const Node *seen = strmap_get(&missing->seen, n->schema->full_name);
    if (seen)
        return;
    strmap_put(&missing->seen, &missing->arena, n->schema->full_name, (void *)n);
    Buf *b = in_branch ? &missing->perhaps : &missing->certain;
    buf_printf(b, "\n  " STR_FMT, STR_ARG(n->schema->full_name));
    if (n->range.file.len)
        buf_printf(b, " (" STR_FMT ":%d)", STR_ARG(n->range.file), n->range.line);
    if (in_branch)
        buf_z(b, ", only in a branch");
}

static Status find_missing(const Model *m, Missing *missing)
{
    TRY(graph_visit_ops(m->optimized.graph, visit_op, missing));
    missing->called = true;
    for (uint32_t i = 0; i < m->codes.count; i++)
        TRY(graph_visit_ops(m->codes.codes[i]->graph, visit_op, missing));
    TRY(buf_status(&missing->certain));
    return buf_status(&missing->perhaps);
}

// Refuses a model that every call of would fail; what only a branch reaches is kept for model_missing_in_branches.
static Status check_operators(Model *m)
{
    Missing missing = {0};
    Status status = find_missing(m, &missing);
    if (status == ST_OK && missing.certain.len)
        status = status_fail(ST_UNSUPPORTED, "%s: operators that are not supported:" STR_FMT STR_FMT, archive_path(m->archive),
                             STR_ARG(buf_view(&missing.certain)), STR_ARG(buf_view(&missing.perhaps)));
    buf_free(&m->missing_in_branches);
    m->missing_in_branches = missing.perhaps;
    buf_free(&missing.certain);
    arena_free(&missing.arena);
    return status;
}

// ---- state that a call may change in place

static bool is_container(const Datum *d, int depth)
{
    if (d->kind == DATUM_LIST || d->kind == DATUM_DICT)
        return true;
    if (d->kind == DATUM_OBJECT)
        return !d->cls || ((const ClassDef *)d->cls)->kind != CLASS_MODULE;
    if (d->kind == DATUM_TUPLE && depth < 100)
        for (uint32_t i = 0; i < d->count; i++)
            if (is_container(d->items[i], depth + 1))
                return true;
    return false;
}

// The attribute at "layer1.cache"; NULL when the path leads elsewhere.
static const Datum *datum_at(const Datum *d, Str path)
{
    while (path.len && d && d->kind == DATUM_OBJECT) {
        ptrdiff_t dot = str_find(path, '.');
        Str name = dot < 0 ? path : str_first(path, (size_t)dot);
        d = datum_attr(d, name);
        path = dot < 0 ? (Str){"", 0} : str_from(path, (size_t)dot + 1);
    }
    return path.len ? NULL : d;
}

static bool keeps_containers(const Model *m)
{
    if (m->options.no_optimize)
        return true; // nobody looked
    for (uint32_t i = 0; i < m->optimized.mutated_count; i++) {
        const Datum *d = datum_at(m->root, m->optimized.mutated[i]);
        if (!d || is_container(d, 0))
            return true;
    }
    return false;
}

// ---- prepare

typedef struct HookContext { FoldContext fold; const char *dump_pass; } HookContext;

static Status hook_fold(void *ctx, Arena *arena, const Node *n, Datum **inputs, Datum **outputs)
{
    return fold_node(&((HookContext *)ctx)->fold, arena, n, inputs, outputs);
}

static Status copy_constant(void *data, void *out)
{
    const View *v = data;
    memcpy(out, v->data, (size_t)v->size[0]);
    return ST_OK;
}

// Processes that fold the same weights to the same bytes share them, like packed weights.
static const void *hook_share(void *ctx, const void *data, size_t size)
{
    PackStore *packs = ((HookContext *)ctx)->fold.model->options.kernels->packs;
    View v = {.data = (void *)(uintptr_t)data, .dtype = DT_U8, .constant = true};
    view_set_contiguous(&v, 1, (const int64_t[]){(int64_t)size});
    PackKey key = {0};
    pack_key_text(&key, "constant");
    pack_key_operand(&key, &v);
    const void *shared = NULL;
    if (!packs || key.failed || pack_get(packs, key.bytes, key.size, size, copy_constant, &v, &shared) != ST_OK)
        return NULL;
    return shared;
}

static void hook_dump(void *ctx, const char *pass, const Graph *g)
{
    const char *wanted = ((HookContext *)ctx)->dump_pass;
    if (strcmp(wanted, "all") != 0 && strcmp(wanted, pass) != 0)
        return;
    Buf text = {0};
    buf_printf(&text, "# after %s\n", pass);
    graph_print(&text, g);
    fwrite(text.ptr, 1, text.len, stderr);
    buf_free(&text);
}

static Status optimize_method(Model *m)
{
    if (m->options.no_optimize) {
        m->optimized = (Optimized){.graph = m->function->graph};
        return ST_OK;
    }
    HookContext context = {.dump_pass = m->options.dump_pass};
    TRY(fold_open(&context.fold, m));
    PassHooks hooks = {.fold = hook_fold, .share = m->options.share_constants ? hook_share : NULL, .ctx = &context, .dump = context.dump_pass ? hook_dump : NULL};
    m->options.optimize.constants = m->constants;
    Status status = optimize(m->program, m->function, m->root, &m->options.optimize, &hooks, &m->optimized);
    fold_close(&context.fold);
    return status;
}

static Status add_hooks(Model *m, const Str *names, uint32_t count, Code ***out, uint32_t *out_count)
{
    for (uint32_t i = 0; i < count; i++) {
        const Function *f = class_method(m->cls, names[i]);
        Code *code;
        if (!f || !f->graph)
            return status_fail(ST_BAD_MODEL, "%s: hook " STR_FMT " is not defined", archive_path(m->archive), STR_ARG(names[i]));
        TRY(code_set_add(&m->codes, f->graph, f, &code));
        ARENA_PUSH(&m->arena, *out, *out_count, code);
    }
    return ST_OK;
}

static Status lower(Model *m)
{
    m->codes = (CodeSet){.arena = &m->arena, .root = m->root, .constants = m->constants->items, .constant_count = m->constants->count};
    TRY(code_set_add(&m->codes, m->optimized.graph, m->options.no_optimize ? m->function : NULL, &m->code));
    // An optimised graph has the hooks inlined.
    if (m->options.no_optimize && str_is(m->function->name, "forward")) {
        TRY(add_hooks(m, m->cls->forward_pre_hooks, m->cls->forward_pre_hook_count, &m->pre_hooks, &m->pre_hook_count));
        TRY(add_hooks(m, m->cls->forward_hooks, m->cls->forward_hook_count, &m->hooks, &m->hook_count));
    }
    return code_set_lower(&m->codes);
}

static Status guarded(Model *m, Status (*step)(Model *m))
{
    jmp_buf guard;
    if (setjmp(guard)) {
        m->arena.guard = NULL;
        return ST_MEMORY;
    }
    m->arena.guard = &guard;
    Status status = step(m);
    m->arena.guard = NULL;
    return status;
}

static Status no_such_method(const Model *m, const char *name)
{
    Buf names = {0};
    for (uint32_t i = 0; i < m->cls->method_count; i++)
        buf_printf(&names, "%s" STR_FMT, i ? ", " : "", STR_ARG(m->cls->methods[i]->name));
    Status status = status_fail(ST_USAGE, "%s: the model has no method %s (it has: " STR_FMT ")", archive_path(m->archive), name, STR_ARG(buf_view(&names)));
    buf_free(&names);
    return status;
}

Status model_prepare(Model *m, const ModelOptions *options, bool allow_missing)
{
    m->options = *options;
    const char *name = options->method ? options->method : "forward";
    m->function = class_method(m->cls, str_of(name));
    if (!m->function || !m->function->graph)
        return no_such_method(m, name);
    TRY(guarded(m, restore_objects));
    TRY(optimize_method(m));
    m->keeps_containers = keeps_containers(m);
    TRY(guarded(m, lower));
    return allow_missing ? ST_OK : check_operators(m);
}
