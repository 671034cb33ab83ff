// Binds arguments to data sets by name, by --input, or because there is one of each.
// Everything that can be said about types is said here, before any row is read.
#include "coordinator/binding.h"

typedef struct Binder {
    const Schema *method;
    const H5Dataset *const *sets;
    size_t set_count;
    Binding *binding;
    bool per_sample;
} Binder;

static void describe_set(Buf *out, const H5Dataset *d)
{
    buf_printf(out, STR_FMT "  %s [", STR_ARG(d->path), dtype_valid(d->dtype) ? dtype_python_name(d->dtype) : "unusable");
    for (int i = 0; i < d->ndim; i++)
        if (d->shape[i] < 0)
            buf_printf(out, "%s?", i ? ", " : "");
        else
            buf_printf(out, "%s%lld", i ? ", " : "", (long long)d->shape[i]);
    buf_z(out, "]");
    if (d->unusable)
        buf_printf(out, " (%s)", d->unusable);
}

// "…; arguments: … data sets: …" behind the message: both sides, so that the next attempt can be right.
static Status fail_listing(const Binder *b, Status code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static Status fail_listing(const Binder *b, Status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    status_vfail(code, fmt, ap);
    va_end(ap);
    Buf text = {0};
    buf_printf(&text, "%s\narguments:\n", status_message());
    for (uint32_t i = 1; i < b->method->arg_count; i++) {
        buf_printf(&text, "  " STR_FMT ": ", STR_ARG(b->method->args[i].name));
        type_print_python(&text, b->method->args[i].type);
        buf_z(&text, b->method->args[i].default_value ? " (has a default)\n" : "\n");
    }
    buf_z(&text, "data sets:\n");
    for (size_t i = 0; i < b->set_count; i++) {
        buf_z(&text, "  ");
        describe_set(&text, b->sets[i]);
        buf_char(&text, '\n');
    }
    buf_z(&text, "bind them with --input ARG=/DATASET");
    Status s = text.failed ? code : status_fail(code, STR_FMT, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return s;
}

static const H5Dataset *find_set(const Binder *b, Str path)
{
    if (path.len && path.ptr[0] == '/')
        path = str_from(path, 1);
    for (size_t i = 0; i < b->set_count; i++)
        if (str_eq(str_from(b->sets[i]->path, 1), path))
            return b->sets[i];
    return NULL;
}

// How a type takes rows; BOUND_DEFAULT when it cannot.
static BoundKind kind_of_type(const Type *t)
{
    switch (t->kind) {
    case TYPE_OPTIONAL:
        return kind_of_type(t->elem[0]);
    case TYPE_TENSOR:
    case TYPE_ANY:
        return BOUND_TENSOR;
    case TYPE_LIST:
        return t->elem[0]->kind == TYPE_TENSOR ? BOUND_ROWS : BOUND_DEFAULT;
    case TYPE_INT:
        return BOUND_INT;
    case TYPE_FLOAT:
    case TYPE_NUMBER:
        return BOUND_FLOAT;
    case TYPE_BOOL:
        return BOUND_BOOL;
    default:
        return BOUND_DEFAULT;
    }
}

static bool has_default(const BoundArg *arg)
{
    return arg->arg->default_value || arg->arg->type->kind == TYPE_OPTIONAL;
}

static Status check_number(const Binder *b, const BoundArg *arg, const H5Dataset *set)
{
    const char *name = arg->kind == BOUND_INT ? "int" : arg->kind == BOUND_FLOAT ? "float" : "bool";
    if (!b->per_sample)
        return fail_listing(b, ST_USAGE, "argument '" STR_FMT "' is one %s per call: data sets can feed it only with --per-sample", STR_ARG(arg->arg->name), name);
    DType type;
    int64_t shape[H5_MAX_DIMS];
    TRY(transform_result(&arg->transform, set->dtype, set->ndim, set->shape, &type, shape));
    if (set->ndim != 1 || set->ragged)
        return fail_listing(b, ST_BAD_DATA, "argument '" STR_FMT "' is one %s per sample, but " STR_FMT " has %d dimensions", STR_ARG(arg->arg->name), name, STR_ARG(set->path), set->ndim);
    DTypeCategory category = dtype_category(type);
    if (category == DT_COMPLEX || (category == DT_FLOATING && arg->kind != BOUND_FLOAT))
        return fail_listing(b, ST_BAD_DATA, "argument '" STR_FMT "' is %s, but " STR_FMT " holds %s (,cast= converts)", STR_ARG(arg->arg->name), name, STR_ARG(set->path), dtype_python_name(type));
    return ST_OK;
}

static Status bind(const Binder *b, BoundArg *arg, const H5Dataset *set, Str transform)
{
    arg->kind = kind_of_type(arg->arg->type);
    if (arg->kind == BOUND_DEFAULT) {
        Buf type = {0};
        type_print_python(&type, arg->arg->type);
        Status s = fail_listing(b, ST_USAGE, "argument '" STR_FMT "' has type " STR_FMT ", which no data set can feed", STR_ARG(arg->arg->name), STR_ARG(buf_view(&type)));
        buf_free(&type);
        return s;
    }
    if (set->unusable)
        return fail_listing(b, ST_BAD_DATA, "data set " STR_FMT " cannot be bound to '" STR_FMT "': %s", STR_ARG(set->path), STR_ARG(arg->arg->name), set->unusable);
    if (transform_parse(transform, &arg->transform) != ST_OK)
        return status_context(ST_USAGE, "--input " STR_FMT, STR_ARG(arg->arg->name));
    if (arg->kind >= BOUND_INT)
        TRY(check_number(b, arg, set));
    if (arg->kind == BOUND_TENSOR && set->ragged && !b->per_sample)
        return fail_listing(b, ST_USAGE, "rows of " STR_FMT " differ in shape, so they make no batch for '" STR_FMT "': use --per-sample", STR_ARG(set->path), STR_ARG(arg->arg->name));
    arg->path = set->path;
    arg->column = b->binding->columns++;
    b->binding->rows_as_list |= arg->kind == BOUND_ROWS;
    return ST_OK;
}

// ARG=/dataset[,transform]
static Status bind_input(const Binder *b, Str text)
{
    ptrdiff_t equals = str_find(text, '=');
    if (equals <= 0)
        return fail_listing(b, ST_USAGE, "--input " STR_FMT ": expected ARG=/DATASET", STR_ARG(text));
    Str name = str_first(text, (size_t)equals), rest = str_from(text, (size_t)equals + 1);
    ptrdiff_t comma = str_find(rest, ',');
    Str path = comma < 0 ? rest : str_first(rest, (size_t)comma);
    Str transform = comma < 0 ? STR("") : str_from(rest, (size_t)comma + 1);
    BoundArg *arg = NULL;
    for (int i = 0; i < b->binding->count; i++)
        if (str_eq(b->binding->args[i].arg->name, name))
            arg = &b->binding->args[i];
    if (!arg)
        return fail_listing(b, ST_USAGE, "--input " STR_FMT ": the method has no argument '" STR_FMT "'", STR_ARG(text), STR_ARG(name));
    if (arg->column >= 0)
        return fail_listing(b, ST_USAGE, "--input binds '" STR_FMT "' twice", STR_ARG(name));
    const H5Dataset *set = find_set(b, path);
    if (!set)
        return fail_listing(b, ST_BAD_DATA, "--input " STR_FMT ": the file has no data set " STR_FMT, STR_ARG(text), STR_ARG(path));
    return bind(b, arg, set, transform);
}

// The one argument that needs data and the one data set there is.
static Status bind_the_only_one(const Binder *b)
{
    BoundArg *open = NULL;
    int open_count = 0;
    for (int i = 0; i < b->binding->count; i++)
        if (b->binding->args[i].column < 0 && !has_default(&b->binding->args[i])) {
            open = &b->binding->args[i];
            open_count++;
        }
    if (open_count == 1 && b->set_count == 1 && b->binding->columns == 0)
        return bind(b, open, b->sets[0], STR(""));
    return ST_OK;
}

Status binding_make(Arena *a, const Schema *method, const H5Dataset *const *sets, size_t set_count, const TextList *inputs, bool per_sample, Binding *out)
{
    *out = (Binding){.count = (int)method->arg_count - 1};
    Binder b = {method, sets, set_count, out, per_sample};
    out->args = ARENA_ARRAY(a, BoundArg, out->count + 1);
    if (!out->args)
        return status_no_memory(sizeof *out->args);
    for (int i = 0; i < out->count; i++)
        out->args[i] = (BoundArg){.arg = &method->args[i + 1], .column = -1, .transform.cast = DT_INVALID};
    for (int i = 0; i < inputs->count; i++)
        TRY(bind_input(&b, str_of(inputs->items[i])));
    for (int i = 0; i < out->count; i++) {
        BoundArg *arg = &out->args[i];
        const H5Dataset *set = arg->column < 0 ? find_set(&b, arg->arg->name) : NULL; // none called so: stays open
        BoundKind kind = kind_of_type(arg->arg->type);
        bool impossible = kind == BOUND_DEFAULT || (kind >= BOUND_INT && !per_sample);
        if (set && !(impossible && has_default(arg)))
            TRY(bind(&b, arg, set, STR("")));
    }
    TRY(bind_the_only_one(&b));
    for (int i = 0; i < out->count; i++)
        if (out->args[i].column < 0 && !has_default(&out->args[i]))
            return fail_listing(&b, ST_USAGE, "no data set for argument '" STR_FMT "'", STR_ARG(out->args[i].arg->name));
    if (out->columns == 0)
        return fail_listing(&b, ST_USAGE, "no argument of the method takes a data set");
    return ST_OK;
}

void binding_free(Binding *b)
{
    for (int i = 0; i < b->count; i++)
        transform_free(&b->args[i].transform);
    b->count = 0;
}

void binding_describe(Buf *out, const Binding *b, const H5Dataset *const *sets, size_t set_count)
{
    for (int i = 0; i < b->count; i++) {
        const BoundArg *arg = &b->args[i];
        buf_printf(out, "  " STR_FMT ": ", STR_ARG(arg->arg->name));
        type_print_python(out, arg->arg->type);
        buf_z(out, arg->column < 0 ? "  (default)" : "  <-  ");
        for (size_t k = 0; arg->column >= 0 && k < set_count; k++)
            if (str_eq(sets[k]->path, arg->path))
                describe_set(out, sets[k]);
        buf_char(out, '\n');
    }
}
