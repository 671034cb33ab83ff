// Shows a model: its modules, code, graphs, operators and weights. Reads and compiles, never runs.
#include "coordinator/inspect.h"

#include "coordinator/json.h"
#include "coordinator/model_file.h"
#include "coordinator/progress.h"
#include "ir/print.h"
#include "worker/model.h"
#include "worker/op.h"

#include <stdio.h>

typedef struct OpUse {
    Str name;
    int64_t uses;
    bool missing, only_in_branches;
    const Node *where; // the first use
} OpUse;

typedef struct Weight {
    Str path;
    const DatumTensor *tensor;
    const char *role; // "parameter", "buffer", "attribute"
} Weight;

typedef struct Inspection {
    Model *model;
    const Function *method;
    Arena arena; // with a guard while it is filled
    OpUse *ops;
    size_t op_count;
    StrMap op_index; // name -> index + 1
    Weight *weights;
    size_t weight_count;
} Inspection;

static void note_op(void *ctx, const Node *n, bool in_branch)
{
    Inspection *in = ctx;
    if (n->kind != NODE_OP)
        return;
    Str name = n->schema->full_name;
    size_t index = (size_t)(uintptr_t)strmap_get(&in->op_index, name);
    if (index == 0) {
        OpUse use = {.name = name, .missing = !op_find(name), .only_in_branches = true, .where = n};
        ARENA_PUSH(&in->arena, in->ops, in->op_count, use);
        index = in->op_count;
        strmap_put(&in->op_index, &in->arena, name, (void *)(uintptr_t)index);
    }
    OpUse *use = &in->ops[index - 1];
    use->uses++;
    use->only_in_branches &= in_branch;
}

static void note_weights(Inspection *in, Str path, const Datum *d, const char *role, int depth)
{
    if (d->kind == DATUM_TENSOR) {
        Weight w = {path, d->tensor, role};
        ARENA_PUSH(&in->arena, in->weights, in->weight_count, w);
    }
    if (d->kind != DATUM_OBJECT || !d->state || d->state->kind != DATUM_DICT || depth > 100)
        return;
    const ClassDef *cls = d->cls;
    for (uint32_t i = 0; i < d->state->count; i++) {
        Str name = d->state->items[2 * i]->s;
        const ClassAttr *attr = cls ? class_attr(cls, name) : NULL;
        const char *kind = attr && attr->is_parameter ? "parameter" : attr && attr->is_buffer ? "buffer" : "attribute";
        Str child = path.len ? arena_printf(&in->arena, STR_FMT "." STR_FMT, STR_ARG(path), STR_ARG(name)) : name;
        note_weights(in, child, d->state->items[2 * i + 1], kind, depth + 1);
    }
}

static void print_shape(Buf *b, const DatumTensor *t)
{
    buf_char(b, '[');
    for (int i = 0; i < t->ndim; i++)
        buf_printf(b, "%s%lld", i ? ", " : "", (long long)t->size[i]);
    buf_char(b, ']');
}

static int64_t weight_size(const DatumTensor *t) { return datum_tensor_numel(t) * (int64_t)dtype_size(t->dtype); }

static void print_weights(Buf *b, const Inspection *in)
{
    for (size_t i = 0; i < in->weight_count; i++) {
        const Weight *w = &in->weights[i];
        buf_printf(b, STR_FMT "  %s  %s ", STR_ARG(w->path), w->role, dtype_python_name(w->tensor->dtype));
        print_shape(b, w->tensor);
        buf_printf(b, "  %lld bytes\n", (long long)weight_size(w->tensor));
    }
}

static void print_ops(Buf *b, const Inspection *in)
{
    size_t missing = 0;
    for (size_t i = 0; i < in->op_count; i++) {
        const OpUse *use = &in->ops[i];
        buf_printf(b, STR_FMT "  %lld", STR_ARG(use->name), (long long)use->uses);
        missing += use->missing;
        if (use->missing)
            buf_printf(b, "  MISSING, %s" STR_FMT ":%d", use->only_in_branches ? "only in a branch, " : "", STR_ARG(use->where->range.file), use->where->range.line);
        buf_char(b, '\n');
    }
    buf_printf(b, "%zu operators, %zu missing\n", in->op_count, missing);
}

static void count_weights(const Inspection *in, const char *role, int64_t *numbers, int64_t *bytes)
{
    *numbers = *bytes = 0;
    for (size_t i = 0; i < in->weight_count; i++)
        if (strcmp(in->weights[i].role, role) == 0) {
            *numbers += datum_tensor_numel(in->weights[i].tensor);
            *bytes += weight_size(in->weights[i].tensor);
        }
}

static void print_summary(Buf *b, const Inspection *in, const char *path)
{
    const ClassDef *cls = model_class(in->model);
    buf_printf(b, "%s: TorchScript archive of version %d, ", path, archive_version(model_archive(in->model)));
    progress_number(b, (int64_t)archive_bytes(model_archive(in->model)).len);
    buf_printf(b, " bytes\nclass: " STR_FMT "\n", STR_ARG(cls->name));
    for (uint32_t i = 0; i < cls->method_count; i++) {
        buf_z(b, "method: ");
        schema_print(b, cls->methods[i]->schema);
        buf_char(b, '\n');
    }
    static const char *const roles[] = {"parameter", "buffer", "attribute"};
    for (int i = 0; i < 3; i++) {
        int64_t numbers, bytes;
        count_weights(in, roles[i], &numbers, &bytes);
        if (numbers == 0 && i > 0)
            continue;
        buf_printf(b, "%ss: ", roles[i]);
        progress_number(b, numbers);
        buf_printf(b, " numbers, %.1f MB\n", 1e-6 * (double)bytes);
    }
    size_t missing = 0;
    for (size_t i = 0; i < in->op_count; i++)
        missing += in->ops[i].missing;
    buf_printf(b, "operators: %zu, %s\n", in->op_count, missing ? "of which are missing:" : "all there");
    for (size_t i = 0; i < in->op_count; i++)
        if (in->ops[i].missing)
            buf_printf(b, "  " STR_FMT "  (" STR_FMT ":%d)\n", STR_ARG(in->ops[i].name), STR_ARG(in->ops[i].where->range.file), in->ops[i].where->range.line);
}

static Status print_inlined(Buf *b, const Inspection *in)
{
    Optimized inlined;
    TRY(optimize(model_program(in->model), in->method, model_root(in->model), &(OptimizeOptions){.stop_after = "inline"}, &(PassHooks){0}, &inlined));
    graph_print(b, inlined.graph);
    return ST_OK;
}

static Status collect_all(Inspection *in)
{
    if (in->method && in->method->graph)
        TRY(graph_visit_ops(in->method->graph, note_op, in));
    note_weights(in, STR(""), model_root(in->model), "attribute", 0);
    return ST_OK;
}

// Paths and names are built with the arena's guard: out of memory arrives here.
static Status collect(Inspection *in)
{
    jmp_buf no_memory;
    in->arena.guard = &no_memory;
    Status s = setjmp(no_memory) ? ST_MEMORY : collect_all(in);
    in->arena.guard = NULL;
    return s;
}

static void put_text(Json *j, const char *key, Str text)
{
    char copy[1024];
    snprintf(copy, sizeof copy, STR_FMT, STR_ARG(text));
    js_text(j, key, copy);
}

static Status print_json(const Inspection *in, const char *path)
{
    Json *root = js_new();
    js_text(root, "model", path);
    js_integer(root, "version", archive_version(model_archive(in->model)));
    js_integer(root, "bytes", (int64_t)archive_bytes(model_archive(in->model)).len);
    const ClassDef *cls = model_class(in->model);
    put_text(root, "class", cls->name);
    Json *methods = js_array_in(root, "methods");
    for (uint32_t i = 0; i < cls->method_count; i++) {
        Buf text = {0};
        schema_print(&text, cls->methods[i]->schema);
        put_text(methods, NULL, buf_view(&text));
        buf_free(&text);
    }
    Json *ops = js_array_in(root, "operators");
    for (size_t i = 0; i < in->op_count; i++) {
        Json *op = js_object_in(ops, NULL);
        put_text(op, "name", in->ops[i].name);
        js_integer(op, "uses", in->ops[i].uses);
        js_flag(op, "missing", in->ops[i].missing);
        js_flag(op, "only_in_branches", in->ops[i].only_in_branches);
        put_text(op, "file", in->ops[i].where->range.file);
        js_integer(op, "line", in->ops[i].where->range.line);
    }
    Json *weights = js_array_in(root, "weights");
    for (size_t i = 0; i < in->weight_count; i++) {
        const DatumTensor *t = in->weights[i].tensor;
        Json *w = js_object_in(weights, NULL);
        put_text(w, "name", in->weights[i].path);
        js_text(w, "role", in->weights[i].role);
        js_text(w, "dtype", dtype_python_name(t->dtype));
        Json *shape = js_array_in(w, "shape");
        for (int d = 0; d < t->ndim; d++)
            js_integer(shape, NULL, t->size[d]);
        js_integer(w, "bytes", weight_size(t));
    }
    Status s = js_write(root, "-");
    js_free(root);
    return s;
}

static Status show(Buf *b, Inspection *in, const Options *o)
{
    bool any = o->tree || o->code || o->graph || o->inlined_graph || o->ops || o->weights;
    if (o->tree)
        module_print_tree(b, model_root(in->model));
    if (o->code)
        TRY(code_print(b, model_program(in->model), in->method));
    if (o->graph)
        graph_print(b, in->method->graph);
    if (o->inlined_graph)
        TRY(print_inlined(b, in));
    if (o->ops)
        print_ops(b, in);
    if (o->weights)
        print_weights(b, in);
    if (!any)
        print_summary(b, in, o->files[0]);
    return buf_status(b);
}

static Status inspect_model(Inspection *in, const Options *o)
{
    in->method = class_method(model_class(in->model), str_of(o->method));
    if (!in->method && (o->code || o->graph || o->inlined_graph || o->ops))
        return status_fail(ST_USAGE, "%s has no method '%s'", o->files[0], o->method);
    TRY(collect(in));
    if (o->json)
        return print_json(in, o->files[0]);
    Buf b = {0};
    Status s = show(&b, in, o);
    if (s == ST_OK && (fwrite(b.ptr, 1, b.len, stdout) != b.len || fflush(stdout) != 0))
        s = status_fail(ST_IO, "cannot write to stdout");
    buf_free(&b);
    return s;
}

Status inspect_command(const Options *o)
{
    Inspection in = {0};
    TRY(file_must_exist(o->files[0], ST_BAD_MODEL));
    TRY(model_open(o->files[0], &in.model));
    Status s = inspect_model(&in, o);
    arena_free(&in.arena);
    model_free(in.model);
    return s;
}
