// Values that exist only while compiling: what names mean, attributes, and calls (torchscript.md §3.4, §4.6).
// Iteration over them is in sugar_iter.c.
#include "ir/compile.h"

#include <math.h>
#include <stdio.h>

Sugar *sugar_new(Emit *e, SugarKind kind)
{
    Sugar *s = ARENA_NEW(e->arena, Sugar);
    s->kind = kind;
    return s;
}

Sugar *sugar_value(Emit *e, Value *v)
{
    Sugar *s = sugar_new(e, SUGAR_VALUE);
    s->value = v;
    return s;
}

Sugar *sugar_builtin(Emit *e, Str symbol, Value *self)
{
    Sugar *s = sugar_new(e, SUGAR_BUILTIN);
    s->name = symbol;
    s->value = self;
    return s;
}

static Sugar *sugar_named(Emit *e, SugarKind kind, Str name)
{
    Sugar *s = sugar_new(e, kind);
    s->name = name;
    return s;
}

static Sugar *sugar_typed(Emit *e, SugarKind kind, const Type *type)
{
    Sugar *s = sugar_new(e, kind);
    s->type = type;
    return s;
}

// ---- names --------------------------------------------------------------------------------------------------------

// Functions that a class can answer with a method of its own (`magic`).
static const struct {
    const char *name, *symbol, *magic;
} builtin_names[] = {
    {"len", "aten::len", "__len__"},       {"hex", "aten::hex", "__hex__"},   {"oct", "aten::oct", "__oct__"},
    {"round", "aten::round", "__round__"}, {"hash", "aten::hash", ""},        {"id", "prim::id", ""},
    {"min", "prim::min", ""},              {"max", "prim::max", ""},          {"abs", "prim::abs", ""},
    {"all", "aten::all", ""},              {"any", "aten::any", ""},          {"divmod", "aten::divmod", ""},
    {"sum", "aten::sum", ""},              {"ord", "aten::ord", ""},          {"chr", "aten::chr", ""},
    {"bin", "aten::bin", ""},              {"pow", "aten::pow", ""},          {"rangelist", "prim::rangelist", ""},
    {"sorted", "aten::sorted", ""},
};

static const struct {
    const char *name, *symbol, *magic;
    TypeKind type;
} cast_names[] = {
    {"int", "aten::Int", "__int__", TYPE_INT},       {"float", "aten::Float", "__float__", TYPE_FLOAT},
    {"bool", "aten::Bool", "__bool__", TYPE_BOOL},   {"complex", "aten::Complex", "__complex__", TYPE_COMPLEX},
    {"str", "aten::str", "__str__", TYPE_STR},       {"_to_tensor", "prim::NumToTensor", "", TYPE_TENSOR},
};

static const struct {
    const char *name;
    SpecialForm form;
} special_names[] = {
    {"fork", FORM_FORK},           {"awaitable", FORM_AWAITABLE},         {"annotate", FORM_ANNOTATE},
    {"unchecked_cast", FORM_UNCHECKED_CAST}, {"uninitialized", FORM_UNINITIALIZED}, {"tuple", FORM_TUPLE},
    {"getattr", FORM_GETATTR},     {"hasattr", FORM_HASATTR},             {"isinstance", FORM_ISINSTANCE},
    {"range", FORM_RANGE},         {"zip", FORM_ZIP},                     {"enumerate", FORM_ENUMERATE},
    {"list", FORM_LIST},           {"dict", FORM_DICT},
};

// Exceptions that hand-written source may raise; archives only call prim::RaiseException.
static const char *const exception_names[] = {"AssertionError", "RuntimeError", "ValueError", "Exception", "TypeError",
                                              "IndexError",     "KeyError",     "NotImplementedError"};

static Sugar *special(Emit *e, SpecialForm form)
{
    Sugar *s = sugar_new(e, SUGAR_SPECIAL);
    s->form = form;
    return s;
}

static Sugar *number_name(Emit *e, Str name, Loc loc)
{
    TypeTable *t = e->p->types;
    const Type *f = type_of_kind(t, TYPE_FLOAT), *c = type_of_kind(t, TYPE_COMPLEX);
    if (str_is(name, "inf"))
        return sugar_value(e, emit_constant(e, datum_float(e->arena, INFINITY), f, loc));
    if (str_is(name, "nan"))
        return sugar_value(e, emit_constant(e, datum_float(e->arena, NAN), f, loc));
    if (str_is(name, "infj"))
        return sugar_value(e, emit_constant(e, datum_complex(e->arena, 0, INFINITY), c, loc));
    if (str_is(name, "nanj"))
        return sugar_value(e, emit_constant(e, datum_complex(e->arena, 0, NAN), c, loc));
    return NULL;
}

Sugar *sugar_global(Emit *e, Str name, Loc loc)
{
    if (str_is(name, "torch"))
        return sugar_named(e, SUGAR_OPERATORS, STR("aten"));
    if (str_is(name, "ops"))
        return sugar_new(e, SUGAR_OPS);
    if (str_is(name, "CONSTANTS"))
        return sugar_new(e, SUGAR_CONSTANTS);
    if (str_is(name, "__torch__"))
        return sugar_named(e, SUGAR_NAMESPACE, name);
    if (str_is(name, "print"))
        return sugar_new(e, SUGAR_PRINT);
    for (size_t i = 0; i < sizeof builtin_names / sizeof *builtin_names; i++)
        if (str_is(name, builtin_names[i].name)) {
            Sugar *s = sugar_builtin(e, str_of(builtin_names[i].symbol), NULL);
            s->magic = str_of(builtin_names[i].magic);
            return s;
        }
    for (size_t i = 0; i < sizeof cast_names / sizeof *cast_names; i++)
        if (str_is(name, cast_names[i].name)) {
            Sugar *s = sugar_named(e, SUGAR_CAST, str_of(cast_names[i].symbol));
            s->type = type_of_kind(e->p->types, cast_names[i].type);
            s->magic = str_of(cast_names[i].magic);
            return s;
        }
    for (size_t i = 0; i < sizeof special_names / sizeof *special_names; i++)
        if (str_is(name, special_names[i].name))
            return special(e, special_names[i].form);
    for (size_t i = 0; i < sizeof exception_names / sizeof *exception_names; i++)
        if (str_is(name, exception_names[i]))
            return sugar_named(e, SUGAR_EXCEPTION, name);
    return number_name(e, name, loc);
}

Value *sugar_as_value(Emit *e, Sugar *s, Loc loc)
{
    switch (s->kind) {
    case SUGAR_VALUE:
    case SUGAR_CLOSURE:
        return s->value;
    case SUGAR_NONE:
        return emit_none(e, loc);
    case SUGAR_TUPLE: {
        Value **values = ARENA_ARRAY(e->arena, Value *, s->count);
        for (uint32_t i = 0; i < s->count; i++)
            values[i] = sugar_as_value(e, s->kids[i], loc);
        return emit_tuple(e, values, s->count, NULL, NO_LOC);
    }
    case SUGAR_FUNCTION: {
        ensure_compiled(e->p, s->fn, e->source, loc);
        Datum *d = ARENA_NEW(e->arena, Datum);
        *d = (Datum){.kind = DATUM_FUNCTION, .name = s->fn->qualified_name};
        return emit_constant(e, d, type_function(e->p->types, s->fn->qualified_name), loc);
    }
    default:
        emit_fail(e, loc, "this cannot be used as a value");
    }
}

// ---- attributes ---------------------------------------------------------------------------------------------------

// Properties of tensors and devices, as `namespace::name` operators.
static const char *property_namespace(const Type *t, Str field)
{
    static const char *const tensor_prim[] = {"dtype",   "device",     "grad",       "data",   "shape",  "is_cuda",   "is_cpu", "is_xpu",
                                              "is_sparse", "is_sparse_csr", "is_mkldnn", "is_mps", "is_mtia", "is_quantized", "is_vulkan",
                                              "is_ipu",  "is_meta",    "is_nested",  "requires_grad", "layout", "T", "H", "is_ort",
                                              "is_maia", "itemsize",   "nbytes",     "ndim",   "name",   "is_xla"};
    static const char *const tensor_aten[] = {"is_leaf", "mT", "mH", "real", "imag", "retains_grad"};
    if (t->kind == TYPE_TENSOR) {
        for (size_t i = 0; i < sizeof tensor_prim / sizeof *tensor_prim; i++)
            if (str_is(field, tensor_prim[i]))
                return "prim";
        for (size_t i = 0; i < sizeof tensor_aten / sizeof *tensor_aten; i++)
            if (str_is(field, tensor_aten[i]))
                return "aten";
    }
    if (t->kind == TYPE_DEVICE && (str_is(field, "type") || str_is(field, "index")))
        return "prim";
    return NULL;
}

// t.float() and the like.
static DType cast_dtype(Str field)
{
    static const struct {
        const char *name;
        DType dtype;
    } rows[] = {{"byte", DT_U8},   {"char", DT_I8}, {"double", DT_F64}, {"float", DT_F32}, {"cfloat", DT_C64}, {"cdouble", DT_C128},
                {"int", DT_I32},   {"long", DT_I64}, {"short", DT_I16}, {"half", DT_F16}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(field, rows[i].name))
            return rows[i].dtype;
    return DT_INVALID;
}

Function *method_of(const Type *t, Str name)
{
    return (t->kind == TYPE_CLASS || t->kind == TYPE_INTERFACE) && t->cls ? class_method(t->cls, name) : NULL;
}

static Sugar *method(Emit *e, Value *self, Str name)
{
    Sugar *s = sugar_named(e, SUGAR_METHOD, name);
    s->value = self;
    return s;
}

static Sugar *class_member(Emit *e, Value *v, Str field)
{
    const Type *t = v->type;
    if (method_of(t, field))
        return method(e, v, field);
    const ClassAttr *attr = t->kind == TYPE_CLASS && t->cls ? class_attr(t->cls, field) : NULL;
    if (!attr)
        return NULL;
    Node *n = emit_node(e, NODE_GET_ATTR, NO_LOC);
    n->name = attr->name;
    node_add_input(n, v);
    Value *out = node_add_output(e->g, n, attr->type);
    // Named after the attribute; "0" is not a name, "_0" is.
    bool digits = field.len > 0;
    for (size_t i = 0; i < field.len; i++)
        digits &= field.ptr[i] >= '0' && field.ptr[i] <= '9';
    value_set_name(out, digits ? arena_printf(e->arena, "_" STR_FMT, STR_ARG(field)) : field);
    return sugar_value(e, out);
}

static Sugar *enum_member_attr(Emit *e, Value *v, Str field)
{
    bool is_name = str_is(field, "name");
    if (!is_name && !str_is(field, "value"))
        return NULL;
    Node *n = emit_node(e, is_name ? NODE_ENUM_NAME : NODE_ENUM_VALUE, NO_LOC);
    node_add_input(n, v);
    const Type *type = type_of_kind(e->p->types, TYPE_STR);
    const ClassDef *c = v->type->cls;
    if (!is_name && c && c->constant_count)
        type = type_of_datum(e->p, c->constants[0].value->items[0]);
    return sugar_value(e, node_add_output(e->g, n, type));
}

// The field of a NamedTuple, an attribute or method of an object, name and value of an enum; NULL when there is none.
static Sugar *member(Emit *e, Value *v, Str field)
{
    const Type *t = v->type;
    if (t->kind == TYPE_TUPLE && t->fields) {
        for (uint32_t i = 0; i < t->count; i++)
            if (str_eq(t->fields[i], field))
                return sugar_value(e, emit_tuple_index(e, v, emit_int(e, i, NO_LOC), t->elem[i]));
        return NULL;
    }
    if (t->kind == TYPE_CLASS || t->kind == TYPE_INTERFACE)
        return class_member(e, v, field);
    if (t->kind == TYPE_ENUM)
        return enum_member_attr(e, v, field);
    return NULL;
}

static Sugar *value_attr(Emit *e, Value *v, Str field, Loc loc)
{
    const Type *t = v->type;
    if (t->kind == TYPE_TENSOR && cast_dtype(field) != DT_INVALID) {
        Sugar *s = sugar_new(e, SUGAR_TENSOR_CAST);
        s->value = v;
        s->dtype = cast_dtype(field);
        return s;
    }
    const char *ns = property_namespace(t, field);
    if (ns) {
        Str symbol = arena_printf(e->arena, "%s::" STR_FMT, ns, STR_ARG(field));
        Actual self = actual_of(v, loc);
        return sugar_value(e, emit_builtin(e, NO_LOC, symbol, &self, 1, NULL, 0, NULL));
    }
    Sugar *found = member(e, v, field);
    if (found)
        return found;
    if (str_is(field, "type") && builtin_exists(e, STR("aten::to"), v))
        return sugar_builtin(e, STR("aten::to"), v);
    Str symbol = arena_printf(e->arena, "aten::" STR_FMT, STR_ARG(field));
    if (builtin_exists(e, symbol, v))
        return sugar_builtin(e, symbol, v);
    if (t->kind == TYPE_TENSOR && str_is(field, "tolist"))
        return special(e, FORM_TOLIST);
    emit_fail(e, loc, "'%s' object has no attribute or method '" STR_FMT "'.", type_text(e->arena, t), STR_ARG(field));
}

static Sugar *namespace_attr(Emit *e, Str name, Str field, Loc loc)
{
    Str full = arena_printf(e->arena, STR_FMT "." STR_FMT, STR_ARG(name), STR_ARG(field));
    ClassDef *c = find_class(e->p, full);
    if (c)
        return sugar_typed(e, c->kind == CLASS_NAMED_TUPLE ? SUGAR_NAMED_TUPLE : c->kind == CLASS_ENUM ? SUGAR_ENUM : SUGAR_CLASS,
                           c->type);
    Function *f = find_function(e->p, full);
    if (f) {
        ensure_compiled(e->p, f, e->source, loc); // when it is named, not when it is called: warnings are numbered so
        Sugar *s = sugar_new(e, SUGAR_FUNCTION);
        s->fn = f;
        return s;
    }
    return sugar_named(e, SUGAR_NAMESPACE, full);
}

static Sugar *constant_attr(Emit *e, Str field, Loc loc)
{
    uint64_t k = 0;
    bool ok = field.len > 1 && field.len < 10 && field.ptr[0] == 'c';
    for (size_t i = 1; ok && i < field.len; i++) {
        ok = field.ptr[i] >= '0' && field.ptr[i] <= '9';
        k = k * 10 + (uint64_t)(field.ptr[i] - '0');
    }
    if (!ok || k >= e->p->options.constant_count)
        emit_fail(e, loc, "invalid constant specifier: CONSTANTS." STR_FMT, STR_ARG(field));
    Datum *d = e->p->options.constants[k];
    bind_datum(e->p, d, "constants.pkl"); // objects and enums learn their classes
    return sugar_value(e, emit_constant(e, d, type_of_datum(e->p, d), loc));
}

static Sugar *class_attr_of(Emit *e, const Type *t, Str field, Loc loc)
{
    if (str_is(field, "__new__")) {
        Sugar *s = special(e, FORM_CREATE_OBJECT);
        s->type = t;
        return s;
    }
    // Hooks are called through the class; they are compiled as methods.
    Function *hook = method_of(t, field);
    if (!hook)
        emit_fail(e, loc, "Tried to lookup unknown attribute on class %s", type_text(e->arena, t));
    Sugar *s = sugar_new(e, SUGAR_FUNCTION);
    s->fn = hook;
    return s;
}

Sugar *sugar_attr(Emit *e, Sugar *s, Str field, Loc loc)
{
    switch (s->kind) {
    case SUGAR_VALUE:
        return value_attr(e, s->value, field, loc);
    case SUGAR_OPERATORS:
        if (str_is(field, "autograd"))
            return s;
        return sugar_builtin(e, arena_printf(e->arena, STR_FMT "::" STR_FMT, STR_ARG(s->name), STR_ARG(field)), NULL);
    case SUGAR_OPS:
        return sugar_named(e, SUGAR_OPERATORS, field);
    case SUGAR_CONSTANTS:
        return constant_attr(e, field, loc);
    case SUGAR_NAMESPACE:
        return namespace_attr(e, s->name, field, loc);
    case SUGAR_CLASS:
        return class_attr_of(e, s->type, field, loc);
    case SUGAR_ENUM: {
        const ClassDef *c = s->type->cls;
        for (uint32_t i = 0; i < c->constant_count; i++)
            if (str_eq(c->constants[i].name, field))
                return sugar_value(e, emit_constant(e, c->constants[i].value, s->type, loc));
        emit_fail(e, loc, "'%s' has no attribute '" STR_FMT "'", type_text(e->arena, s->type), STR_ARG(field));
    }
    default:
        emit_fail(e, loc, "attribute lookup is not defined on this value");
    }
}

bool sugar_has_attr(Emit *e, Sugar *s, Str field, Loc loc)
{
    if (s->kind != SUGAR_VALUE)
        emit_fail(e, loc, "hasattr's first argument must be an object or NamedTuple");
    const Type *t = s->value->type;
    if (t->kind == TYPE_TUPLE && t->fields) {
        for (uint32_t i = 0; i < t->count; i++)
            if (str_eq(t->fields[i], field))
                return true;
        return false;
    }
    const ClassDef *c = t->kind == TYPE_CLASS || t->kind == TYPE_INTERFACE ? t->cls : NULL;
    if (!c)
        emit_fail(e, loc, "hasattr's first argument must be an object or NamedTuple, but got a value of type %s",
                  type_text(e->arena, t));
    if (class_method(c, field) || class_attr(c, field))
        return true;
    for (uint32_t i = 0; i < c->constant_count; i++)
        if (str_eq(c->constants[i].name, field))
            return true;
    return false;
}

// `self.x = v` in __init__ of a class that does not declare x adds the attribute.
static const ClassAttr *add_attribute(Emit *e, const Type *t, Str field, Value *v, Loc loc)
{
    const Graph *g = e->g;
    bool initializing = str_is(e->fn->name, "__init__") && g->top->param->output_count > 0 && g->top->param->outputs[0]->type == t;
    if (!initializing)
        emit_fail(e, loc, "Tried to set nonexistent attribute: " STR_FMT ". Did you forget to initialize it in __init__()?",
                  STR_ARG(field));
    if (e->at->owner != g->top)
        emit_fail(e, loc, "First assignment cannot be in a control-flow block. Initialize the field at the top level first.");
    ClassDef *c = t->cls;
    ARENA_PUSH(e->arena, c->attrs, c->attr_count, ((ClassAttr){.name = field, .type = v->type}));
    for (uint32_t i = 0; i < c->attr_count; i++) // the array may have moved
        strmap_put(&c->attr_index, e->arena, c->attrs[i].name, &c->attrs[i]);
    return class_attr(c, field);
}

void sugar_set_attr(Emit *e, Sugar *s, Str field, Value *v, Loc loc)
{
    const Type *t = s->kind == SUGAR_VALUE ? s->value->type : NULL;
    if (!t || t->kind != TYPE_CLASS || !t->cls)
        emit_fail(e, loc, "Tried to set an attribute: " STR_FMT " on a non-class", STR_ARG(field));
    const ClassAttr *attr = class_attr(t->cls, field);
    if (!attr)
        attr = add_attribute(e, t, field, v, loc);
    if (!type_is_subtype(v->type, attr->type))
        emit_fail(e, loc, "Wrong type for attribute assignment. Expected %s but got %s", type_text(e->arena, attr->type),
                  type_text(e->arena, v->type));
    Node *n = emit_node(e, NODE_SET_ATTR, NO_LOC);
    n->name = attr->name;
    node_add_input(n, s->value);
    node_add_input(n, v);
}

// ---- calls --------------------------------------------------------------------------------------------------------

static Value *finish_call(Emit *e, NodeKind kind, Loc loc, Value *first, const Matched *m, const Type *type)
{
    Node *n = emit_node(e, kind, loc);
    if (first)
        node_add_input(n, first);
    for (uint32_t i = 0; i < m->count; i++)
        node_add_input(n, m->inputs[i]);
    return node_add_output(e->g, n, type);
}

static Sugar *call_function(Emit *e, Function *f, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    ensure_compiled(e->p, f, e->source, loc);
    Matched m = match_one(e, loc, f->schema, args, count, kwargs, kw_count, NULL);
    Datum *d = ARENA_NEW(e->arena, Datum);
    *d = (Datum){.kind = DATUM_FUNCTION, .name = f->qualified_name};
    Value *callee = emit_constant(e, d, type_function(e->p->types, f->qualified_name), NO_LOC);
    callee->node->name = f->name;
    callee->node->callee = f;
    Value *out = finish_call(e, NODE_CALL_FUNCTION, loc, callee, &m, m.returns[0]);
    out->node->callee = f;
    return sugar_value(e, out);
}

static Sugar *call_method_sugar(Emit *e, Value *self, Str name, Loc loc, Actual *args, uint32_t count, Actual *kwargs,
                                uint32_t kw_count)
{
    Function *f = method_of(self->type, name);
    if (!f)
        emit_fail(e, loc, "'%s' object has no method '" STR_FMT "'", type_text(e->arena, self->type), STR_ARG(name));
    ensure_compiled(e->p, f, e->source, loc);
    Actual *all = ARENA_ARRAY(e->arena, Actual, count + 1);
    all[0] = actual_of(self, loc);
    if (count)
        memcpy(all + 1, args, count * sizeof *args);
    Matched m = match_one(e, loc, f->schema, all, count + 1, kwargs, kw_count, NULL);
    Value *out = finish_call(e, NODE_CALL_METHOD, loc, NULL, &m, m.returns[0]);
    out->node->name = f->name;
    return sugar_value(e, out);
}

Value *call_method(Emit *e, Value *self, Str name, Loc loc, Actual *args, uint32_t count)
{
    return call_method_sugar(e, self, name, loc, args, count, NULL, 0)->value;
}

static Sugar *call_class(Emit *e, const Type *t, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    Node *n = emit_node(e, NODE_CREATE_OBJECT, loc);
    Value *self = node_add_output(e->g, n, t);
    if (!method_of(t, STR("__init__")))
        emit_fail(e, loc, "Class %s does not have an __init__ function defined", type_text(e->arena, t));
    call_method_sugar(e, self, STR("__init__"), loc, args, count, kwargs, kw_count);
    return sugar_value(e, self);
}

static Sugar *call_named_tuple(Emit *e, const Type *t, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    Schema s = {.full_name = t->name, .symbol = t->name, .index = -1};
    for (uint32_t i = 0; i < t->count; i++)
        ARENA_PUSH(e->arena, s.args, s.arg_count, ((SchemaArg){.name = t->fields[i], .type = t->elem[i]}));
    Matched m = match_one(e, loc, &s, args, count, kwargs, kw_count, NULL);
    return sugar_value(e, emit_tuple(e, m.inputs, m.count, t, loc));
}

static Sugar *call_cast(Emit *e, const Sugar *s, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    if (count == 1 && kw_count == 0) {
        Value *zero = emit_int(e, 0, NO_LOC), *v = actual_value(e, &args[0]);
        if (type_is_subtype(v->type, s->type))
            return sugar_value(e, v);
        TypeKind k = v->type->kind;
        if (s->type->kind == TYPE_BOOL && (k == TYPE_LIST || k == TYPE_ANY_LIST || k == TYPE_STR || k == TYPE_DICT))
            return sugar_value(e, emit_op(e, loc, "aten::gt", (Value *[]){emit_op(e, loc, "aten::len", &v, 1), zero}, 2));
    }
    return sugar_value(e, emit_builtin(e, loc, s->name, args, count, kwargs, kw_count, NULL));
}

static Sugar *call_builtin(Emit *e, const Sugar *s, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    Actual self = actual_of(s->value, loc);
    return sugar_value(e, emit_builtin(e, loc, s->name, args, count, kwargs, kw_count, s->value ? &self : NULL));
}

static Sugar *call_tensor_cast(Emit *e, const Sugar *s, Loc loc, Actual *args, uint32_t count)
{
    Actual kwargs[2] = {actual_of(s->value, loc), actual_of(emit_int(e, s->dtype, loc), loc)};
    kwargs[0].name = STR("self");
    kwargs[1].name = STR("dtype");
    return sugar_value(e, emit_builtin(e, loc, STR("aten::to"), args, count, kwargs, 2, NULL));
}

static Sugar *call_print(Emit *e, Loc loc, Actual *args, uint32_t count)
{
    Value **values = ARENA_ARRAY(e->arena, Value *, count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = actual_value(e, &args[i]);
    Node *n = emit_node(e, NODE_PRINT, loc);
    for (uint32_t i = 0; i < count; i++)
        node_add_input(n, values[i]);
    return sugar_new(e, SUGAR_NONE);
}

static Sugar *call_exception(Emit *e, const Sugar *s, Loc loc, Actual *args, uint32_t count)
{
    // AssertionError is all that printed code raises by name; hand-written code may name others, which keep their class.
    bool asserts = str_is(s->name, "AssertionError");
    Value *message = emit_str(e, asserts ? STR("AssertionError: ") : STR(""), loc);
    for (uint32_t i = 0; i < count; i++) {
        Value *v = actual_value(e, &args[i]);
        if (v->type->kind != TYPE_STR)
            v = emit_op(e, loc, "aten::str", &v, 1);
        message = emit_op(e, loc, "aten::add", (Value *[]){message, v}, 2);
    }
    Sugar *out = sugar_new(e, SUGAR_EXCEPTION_MESSAGE);
    out->value = message;
    out->name = s->name;
    return out;
}

Sugar *sugar_call(Emit *e, Sugar *s, Loc loc, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    if (s->magic.len && count > 0) { // int(x) of an object is x.__int__()
        Value *self = actual_value(e, &args[0]);
        if (self->type->kind == TYPE_CLASS)
            return call_method_sugar(e, self, s->magic, loc, args + 1, count - 1, kwargs, kw_count);
    }
    switch (s->kind) {
    case SUGAR_BUILTIN:
        return call_builtin(e, s, loc, args, count, kwargs, kw_count);
    case SUGAR_CAST:
        return call_cast(e, s, loc, args, count, kwargs, kw_count);
    case SUGAR_TENSOR_CAST:
        return call_tensor_cast(e, s, loc, args, count);
    case SUGAR_PRINT:
        return call_print(e, loc, args, count);
    case SUGAR_CLASS:
        return call_class(e, s->type, loc, args, count, kwargs, kw_count);
    case SUGAR_NAMED_TUPLE:
        return call_named_tuple(e, s->type, loc, args, count, kwargs, kw_count);
    case SUGAR_FUNCTION:
        return call_function(e, s->fn, loc, args, count, kwargs, kw_count);
    case SUGAR_METHOD:
        return call_method_sugar(e, s->value, s->name, loc, args, count, kwargs, kw_count);
    case SUGAR_EXCEPTION:
        return call_exception(e, s, loc, args, count);
    case SUGAR_VALUE:
        if (s->value->type->kind == TYPE_FUNCTION && find_function(e->p, s->value->type->name))
            return call_function(e, find_function(e->p, s->value->type->name), loc, args, count, kwargs, kw_count);
        if (s->value->type->kind == TYPE_CLASS)
            return call_method_sugar(e, s->value, STR("__call__"), loc, args, count, kwargs, kw_count);
        break;
    default:
        break;
    }
    emit_fail(e, loc, "cannot call this value");
}
