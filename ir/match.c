// Overload resolution: which signature takes these arguments, with which conversions (torchscript.md §4.3, §4.4).
// Conversions and defaults leave nodes behind even when a candidate fails later; PyTorch's do too, and the numbers of
// values depend on it. Dead ones are removed after emission.
#include "ir/compile.h"

#include <stdio.h>

typedef struct TypeVar {
    Str name;
    const Type *type;
} TypeVar;

enum { MAX_TYPE_VARS = 8 };

typedef struct Match {
    Emit *e;
    Loc loc;
    const Schema *schema;
    Actual *args, *kwargs;
    uint32_t arg_count, kwarg_count;
    const Actual *self;
    bool allow_conversions;
    TypeVar vars[MAX_TYPE_VARS];
    int var_count;
    Str *why; // NULL: no explanation wanted
} Match;

static void explain(Match *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void explain(Match *m, const char *fmt, ...)
{
    if (!m->why)
        return;
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    Buf signature = {0};
    schema_print(&signature, m->schema);
    Str s = take_text(m->e->arena, &signature);
    *m->why = arena_printf(m->e->arena, STR_FMT "\n  " STR_FMT ":\n    %s", STR_ARG(*m->why), STR_ARG(s), text);
}

const char *type_text(Arena *a, const Type *t)
{
    Buf b = {0};
    type_print_python(&b, t);
    return take_text(a, &b).ptr;
}

Value *actual_value(Emit *e, Actual *a)
{
    if (!a->value)
        a->value = emit_constant(e, a->constant, a->type, a->loc);
    return a->value;
}

// ---- type variables -----------------------------------------------------------------------------------------------

static bool has_variables(const Type *t)
{
    if (t->kind == TYPE_VAR)
        return true;
    for (uint32_t i = 0; i < t->count; i++)
        if (has_variables(t->elem[i]))
            return true;
    return false;
}

static bool bind_variables(Match *m, const Type *formal, const Type *actual);

static bool bind_variable(Match *m, const Type *var, const Type *actual)
{
    for (int i = 0; i < m->var_count; i++)
        if (str_eq(m->vars[i].name, var->name))
            return type_unify(m->e->p->types, m->vars[i].type, actual, false) != NULL;
    if (m->var_count == MAX_TYPE_VARS)
        return false;
    m->vars[m->var_count++] = (TypeVar){var->name, actual};
    return true;
}

static bool bind_elements(Match *m, const Type *formal, const Type *actual)
{
    if (formal->kind != actual->kind || formal->count != actual->count)
        return false;
    for (uint32_t i = 0; i < formal->count; i++)
        if (!bind_variables(m, formal->elem[i], actual->elem[i]))
            return false;
    return true;
}

static bool bind_variables(Match *m, const Type *formal, const Type *actual)
{
    if (!has_variables(formal))
        return true;
    switch (formal->kind) {
    case TYPE_VAR:
        return bind_variable(m, formal, actual);
    case TYPE_LIST:
        if (actual->kind == TYPE_TUPLE) {
            const Type *elem = type_unify_all(m->e->p->types, actual->elem, actual->count, false);
            return elem && bind_variables(m, formal->elem[0], elem);
        }
        return bind_elements(m, formal, actual);
    case TYPE_OPTIONAL:
        if (actual->kind == TYPE_OPTIONAL)
            return bind_variables(m, formal->elem[0], actual->elem[0]);
        return actual->kind == TYPE_NONE || bind_variables(m, formal->elem[0], actual);
    default:
        return bind_elements(m, formal, actual);
    }
}

// The type with its variables replaced; NULL when one is not bound.
static const Type *evaluate(Match *m, const Type *t)
{
    if (!has_variables(t))
        return t;
    TypeTable *types = m->e->p->types;
    if (t->kind == TYPE_VAR) {
        for (int i = 0; i < m->var_count; i++)
            if (str_eq(m->vars[i].name, t->name))
                return m->vars[i].type;
        return NULL;
    }
    const Type **elem = ARENA_ARRAY(m->e->arena, const Type *, t->count);
    for (uint32_t i = 0; i < t->count; i++)
        if (!(elem[i] = evaluate(m, t->elem[i])))
            return NULL;
    switch (t->kind) {
    case TYPE_LIST:
        return type_list(types, elem[0]);
    case TYPE_OPTIONAL:
        return type_optional(types, elem[0]);
    case TYPE_DICT:
        return type_dict(types, elem[0], elem[1]);
    case TYPE_TUPLE:
        return type_tuple(types, elem, t->count);
    default:
        return type_wrap(types, t->kind, elem[0]);
    }
}

// ---- conversions --------------------------------------------------------------------------------------------------

static const Type *unwrap_optional(const Type *t) { return t->kind == TYPE_OPTIONAL ? t->elem[0] : t; }

static bool convertible_to_list(const Type *type, const Type *list)
{
    if (list->kind != TYPE_LIST)
        return false;
    if (type_is_subtype(type, list))
        return true;
    if (type->kind != TYPE_TUPLE)
        return false;
    for (uint32_t i = 0; i < type->count; i++)
        if (!type_is_subtype(type->elem[i], list->elem[0]))
            return false;
    return true;
}

static Value *convert_tuple(Emit *e, Loc loc, const Type *to, Value *v, bool allow_conversions)
{
    const Type *from = v->type;
    if (convertible_to_list(from, to)) {
        uint32_t n;
        Value **parts = emit_tuple_unpack(e, v, &n);
        v = emit_list(e, to->elem[0], parts, n);
    }
    if (to->kind == TYPE_TUPLE && !type_is_subtype(from, to) && to->count == from->count) {
        uint32_t n;
        Value **parts = emit_tuple_unpack(e, v, &n);
        Value **converted = ARENA_ARRAY(e->arena, Value *, n);
        for (uint32_t i = 0; i < n; i++)
            converted[i] = try_convert(e, loc, to->elem[i], parts[i], allow_conversions);
        v = emit_tuple(e, converted, n, NULL, NO_LOC);
    }
    return v;
}

// bool converts since PyTorch 2.0; 1.13 refuses it.
static const char *conversion(const Type *from, const Type *to)
{
    bool tensor = from->kind == TYPE_TENSOR, number = from->kind == TYPE_NUMBER, truth = from->kind == TYPE_BOOL;
    switch (to->kind) {
    case TYPE_FLOAT:
        return tensor ? "aten::FloatImplicit" : number || truth ? "aten::Float" : NULL;
    case TYPE_COMPLEX:
        return tensor ? "aten::ComplexImplicit" : number ? "aten::Complex" : NULL;
    case TYPE_INT:
        return tensor ? "aten::IntImplicit" : number || truth ? "aten::Int" : NULL;
    case TYPE_NUMBER:
        return tensor ? "aten::ScalarImplicit" : truth ? "aten::Int" : NULL;
    case TYPE_DEVICE:
        return from->kind == TYPE_STR ? "aten::device" : NULL;
    default:
        return NULL;
    }
}

Value *try_convert(Emit *e, Loc loc, const Type *to, Value *v, bool allow_conversions)
{
    if (to->kind == TYPE_OPTIONAL && v->type->kind != TYPE_OPTIONAL && v->type->kind != TYPE_NONE)
        return try_convert(e, loc, to->elem[0], v, allow_conversions);
    if (v->node->kind == NODE_EMPTY_LIST && to->kind == TYPE_LIST)
        v = emit_list(e, to->elem[0], NULL, 0);
    if (v->type->kind == TYPE_TUPLE)
        v = convert_tuple(e, loc, to, v, allow_conversions);
    const char *op = allow_conversions ? conversion(v->type, to) : NULL;
    return op ? emit_op(e, loc, op, &v, 1) : v;
}

// ---- matching -----------------------------------------------------------------------------------------------------

static bool number_used_as_list(const Value *v, const SchemaArg *arg)
{
    const Type *list = unwrap_optional(arg->type);
    return (v->type->kind == TYPE_FLOAT || v->type->kind == TYPE_INT) && list->kind == TYPE_LIST &&
           list->elem[0] == v->type && arg->fixed_size > 0;
}

static Value *match_argument(Match *m, const SchemaArg *arg, Actual *actual)
{
    Emit *e = m->e;
    Value *v = actual_value(e, actual);
    if (number_used_as_list(v, arg)) {
        Value **repeated = ARENA_ARRAY(e->arena, Value *, arg->fixed_size);
        for (int i = 0; i < arg->fixed_size; i++)
            repeated[i] = v;
        v = emit_list(e, v->type, repeated, (uint32_t)arg->fixed_size);
    }
    const Type *formal = bind_variables(m, arg->type, v->type) ? evaluate(m, arg->type) : NULL;
    if (formal)
        v = try_convert(e, m->loc, formal, v, m->allow_conversions);
    if (formal && type_is_subtype(v->type, formal))
        return v;
    if (m->why)
        explain(m, "Expected a value of type '%s' for argument '" STR_FMT "' but instead found type '%s'.",
                type_text(e->arena, formal ? formal : arg->type), STR_ARG(arg->name), type_text(e->arena, v->type));
    return NULL;
}

// zeros(1, 2) for zeros(int[] size): the last positional formal takes all remaining arguments.
static bool takes_rest_as_list(const Match *m, uint32_t i)
{
    const Schema *s = m->schema;
    const Type *t = s->args[i].type;
    bool last = i + 1 == s->arg_count || s->args[i + 1].keyword_only;
    return last && t->kind == TYPE_LIST && s->args[i].fixed_size == 0 && t->elem[0]->kind != TYPE_VAR;
}

static Value *rest_as_list(Match *m, uint32_t i, uint32_t used)
{
    Emit *e = m->e;
    const Type *elem = m->schema->args[i].type->elem[0];
    uint32_t n = m->arg_count - used;
    Value **items = ARENA_ARRAY(e->arena, Value *, n);
    for (uint32_t k = 0; k < n; k++) {
        SchemaArg arg = {.type = elem, .name = STR("<varargs>")};
        if (!(items[k] = match_argument(m, &arg, &m->args[used + k])))
            return NULL;
    }
    return emit_list(e, elem, items, n);
}

static Actual *find_keyword(Match *m, Str name, uint32_t *index)
{
    bool self = str_is(name, "self") && str_starts(m->schema->symbol, STR("aten::"));
    for (uint32_t i = 0; i < m->kwarg_count; i++)
        if (str_eq(m->kwargs[i].name, name) || (self && str_is(m->kwargs[i].name, "input"))) {
            *index = i;
            return &m->kwargs[i];
        }
    return NULL;
}

static bool all_used(Match *m, uint64_t used_kwargs, const Actual *self, uint32_t used)
{
    if (self) {
        explain(m, "Provided self argument not used in schema.");
        return false;
    }
    if (used < m->arg_count) {
        explain(m, "Expected at most %u arguments but found %u positional arguments.", used, m->arg_count);
        return false;
    }
    for (uint32_t i = 0; i < m->kwarg_count; i++)
        if (!(used_kwargs >> (i & 63) & 1)) {
            explain(m, "Keyword argument " STR_FMT " unknown.", STR_ARG(m->kwargs[i].name));
            return false;
        }
    return true;
}

static bool match(Match *m, Matched *out)
{
    Emit *e = m->e;
    const Schema *s = m->schema;
    const Actual *self = m->self;
    *out = (Matched){.schema = s};
    uint32_t used = 0, index = 0;
    uint64_t used_kwargs = 0;
    for (uint32_t i = 0; i < s->arg_count; i++) {
        const SchemaArg *arg = &s->args[i];
        Actual actual;
        if (self && str_is(arg->name, "self")) {
            actual = *self;
            self = NULL;
        } else if (!arg->keyword_only && used < m->arg_count) {
            if (m->allow_conversions && takes_rest_as_list(m, i)) {
                const Type *t = actual_value(e, &m->args[used])->type;
                if (t->kind != TYPE_LIST && !convertible_to_list(t, unwrap_optional(arg->type))) {
                    Value *list = rest_as_list(m, i, used);
                    if (!list)
                        return false;
                    used = m->arg_count;
                    ARENA_PUSH(e->arena, out->inputs, out->count, list);
                    continue;
                }
            }
            actual_value(e, &m->args[used]);
            actual = m->args[used++];
        } else if (find_keyword(m, arg->name, &index)) {
            if (used_kwargs >> (index & 63) & 1) {
                explain(m, "Argument " STR_FMT " specified twice in schema.", STR_ARG(arg->name));
                return false;
            }
            used_kwargs |= (uint64_t)1 << (index & 63);
            actual_value(e, &m->kwargs[index]);
            actual = m->kwargs[index];
        } else if (arg->default_value) {
            actual = (Actual){.constant = (Datum *)arg->default_value, .loc = NO_LOC};
            actual.type = type_of_datum(e->p, arg->default_value);
            const Type *formal = unwrap_optional(arg->type);
            if (formal->kind == TYPE_LIST && arg->default_value->kind == DATUM_LIST)
                actual.type = formal;
        } else {
            explain(m, "Argument " STR_FMT " not provided.", STR_ARG(arg->name));
            return false;
        }
        Value *v = match_argument(m, arg, &actual);
        if (!v)
            return false;
        ARENA_PUSH(e->arena, out->inputs, out->count, v);
    }
    for (; s->vararg && used < m->arg_count; used++)
        ARENA_PUSH(e->arena, out->inputs, out->count, actual_value(e, &m->args[used]));
    if (!all_used(m, used_kwargs, self, used))
        return false;
    out->returns = ARENA_ARRAY(e->arena, const Type *, s->return_count);
    out->return_count = s->return_count;
    for (uint32_t i = 0; i < s->return_count; i++)
        if (!(out->returns[i] = evaluate(m, s->returns[i].type)))
            return false;
    return true;
}

// Which of the candidates matches: first without conversions, then with them; one alone always with them.
static Matched match_any(Emit *e, Loc loc, const Schema *const *candidates, uint32_t count, Match base, uint32_t *which)
{
    Matched out;
    for (int pass = count == 1; pass < 2; pass++)
        for (uint32_t i = 0; i < count; i++) {
            Match m = base;
            m.schema = candidates[i];
            m.allow_conversions = pass == 1;
            if (match(&m, &out)) {
                *which = i;
                return out;
            }
        }
    Str why = STR("");
    for (uint32_t i = 0; i < count && why.len < 900; i++) {
        Match m = base;
        m.schema = candidates[i];
        m.allow_conversions = true;
        m.why = &why;
        match(&m, &out);
    }
    emit_fail(e, loc, "%s" STR_FMT, count > 1 ? "Arguments for call are not valid. The following variants are available:" : "Arguments for call are not valid:",
              STR_ARG(why));
}

static Match match_base(Emit *e, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count, const Actual *self)
{
    if (kw_count > 64)
        emit_fail(e, loc, "more than 64 keyword arguments");
    return (Match){.e = e, .loc = loc, .args = args, .arg_count = count, .kwargs = kwargs, .kwarg_count = kw_count, .self = self};
}

Matched match_one(Emit *e, Loc loc, const Schema *s, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count,
                  const Actual *self)
{
    uint32_t which;
    return match_any(e, loc, &s, 1, match_base(e, loc, args, count, kwargs, kw_count, self), &which);
}

// ---- calling operators --------------------------------------------------------------------------------------------

NodeKind node_kind_of(Str symbol)
{
    if (str_starts(symbol, STR("prim::")))
        for (int k = NODE_OP + 1; k < NODE_KIND_COUNT; k++)
            if (str_is(symbol, node_kind_text((NodeKind)k)))
                return (NodeKind)k;
    return NODE_OP;
}

static Value *pack_outputs(Emit *e, const Node *n, const Schema *s)
{
    if (n->output_count == 1)
        return n->outputs[0];
    bool named = n->output_count > 0;
    Str *fields = ARENA_ARRAY(e->arena, Str, n->output_count);
    const Type **types = ARENA_ARRAY(e->arena, const Type *, n->output_count);
    for (uint32_t i = 0; i < n->output_count; i++) {
        fields[i] = s->returns[i].name;
        types[i] = n->outputs[i]->type;
        named &= fields[i].len > 0;
    }
    const Type *type = named ? type_named_tuple(e->p->types, STR(""), fields, types, n->output_count) : NULL;
    return emit_tuple(e, n->outputs, n->output_count, type, NO_LOC);
}

static Node *emit_matched(Emit *e, Loc loc, const Matched *m)
{
    NodeKind kind = node_kind_of(m->schema->symbol);
    Node *n = emit_node(e, kind, loc);
    if (kind == NODE_OP)
        n->schema = m->schema;
    for (uint32_t i = 0; i < m->count; i++)
        node_add_input(n, m->inputs[i]);
    for (uint32_t i = 0; i < m->return_count; i++) {
        const Type *t = m->returns[i];
        if (t->kind == TYPE_CLASS && !t->cls) // a builtin class that nothing in the archive named so far
            find_class(e->p, t->name);
        node_add_output(e->g, n, t);
    }
    return n;
}

static bool never_chosen(Str name)
{
    return str_is(name, "aten::view.dtype") || str_is(name, "aten::max.unary_out") || str_is(name, "aten::min.unary_out");
}

Value *emit_builtin(Emit *e, Loc loc, Str symbol, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count,
                    const Actual *self)
{
    uint32_t n;
    const Schema *const *overloads = op_table_overloads(e->p->ops, symbol, &n);
    const BuiltinSet *scripts = find_builtins(e->p, symbol);
    const Schema **candidates = ARENA_ARRAY(e->arena, const Schema *, 2 * n + scripts->count + 1);
    uint32_t total = 0, ops = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!never_chosen(overloads[i]->full_name) && !find_upgraded(e->p, overloads[i], e->version))
            candidates[total++] = overloads[i];
    for (uint32_t i = 0; e->version && i < n; i++) {
        const Schema *old = find_upgraded(e->p, overloads[i], e->version);
        if (old)
            candidates[total++] = old;
    }
    ops = total;
    for (uint32_t i = 0; i < scripts->count; i++)
        candidates[total++] = scripts->items[i]->schema;
    if (total == 0)
        emit_fail(e, loc, "Unknown builtin op: " STR_FMT ".", STR_ARG(symbol));
    uint32_t which;
    Matched m = match_any(e, loc, candidates, total, match_base(e, loc, args, count, kwargs, kw_count, self), &which);
    if (which < ops)
        return pack_outputs(e, emit_matched(e, loc, &m), m.schema);
    return insert_graph(e, scripts->items[which - ops]->graph, m.inputs);
}

Value *emit_op(Emit *e, Loc loc, const char *symbol, Value **args, uint32_t count)
{
    Actual *actuals = ARENA_ARRAY(e->arena, Actual, count);
    for (uint32_t i = 0; i < count; i++)
        actuals[i] = actual_of(args[i], loc);
    return emit_builtin(e, loc, str_of(symbol), actuals, count, NULL, 0, NULL);
}

void emit_op_statement(Emit *e, Loc loc, const char *symbol, Value **args, uint32_t count)
{
    uint32_t n, which;
    const Schema *const *overloads = op_table_overloads(e->p->ops, str_of(symbol), &n);
    Actual *actuals = ARENA_ARRAY(e->arena, Actual, count);
    for (uint32_t i = 0; i < count; i++)
        actuals[i] = actual_of(args[i], loc);
    Matched m = match_any(e, loc, overloads, n, match_base(e, loc, actuals, count, NULL, 0, NULL), &which);
    emit_matched(e, loc, &m);
}

bool builtin_exists(Emit *e, Str symbol, Value *self)
{
    uint32_t n;
    const Schema *const *overloads = op_table_overloads(e->p->ops, symbol, &n);
    const BuiltinSet *scripts = find_builtins(e->p, symbol);
    for (uint32_t i = 0; i < n + scripts->count; i++) {
        const Schema *s = i < n ? overloads[i] : scripts->items[i - n]->schema;
        for (uint32_t k = 0; k < s->arg_count; k++) {
            Match m = {.e = e, .schema = s};
            if (!str_is(s->args[k].name, "self"))
                continue;
            const Type *formal = bind_variables(&m, s->args[k].type, self->type) ? evaluate(&m, s->args[k].type) : NULL;
            if (formal && type_is_subtype(self->type, formal))
                return true;
        }
    }
    return false;
}
