// Types written as expressions, as in annotations (torchscript.md §3.7), and constant expressions, as in defaults.
// Qualified names are resolved through the program, which may load and compile the class they name.
#include "ir/compile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const struct {
    const char *name;
    TypeKind kind;
} simple_names[] = {
    {"Tensor", TYPE_TENSOR},      {"int", TYPE_INT},           {"float", TYPE_FLOAT},        {"bool", TYPE_BOOL},
    {"complex", TYPE_COMPLEX},    {"str", TYPE_STR},           {"number", TYPE_NUMBER},      {"Any", TYPE_ANY},
    {"NoneType", TYPE_NONE},      {"None", TYPE_NONE},         {"Device", TYPE_DEVICE},      {"Generator", TYPE_GENERATOR},
    {"Stream", TYPE_STREAM},      {"Capsule", TYPE_CAPSULE},   {"list", TYPE_ANY_LIST},      {"tuple", TYPE_ANY_TUPLE},
    {"AnyListType", TYPE_ANY_LIST}, {"AnyTupleType", TYPE_ANY_TUPLE}, {"AnyEnumType", TYPE_ANY_ENUM},
    {"AnyClassType", TYPE_ANY_CLASS}, {"Storage", TYPE_STORAGE},
    {"LongTensor", TYPE_TENSOR},  {"FloatTensor", TYPE_TENSOR}, {"DoubleTensor", TYPE_TENSOR}, {"IntTensor", TYPE_TENSOR},
    {"ShortTensor", TYPE_TENSOR}, {"HalfTensor", TYPE_TENSOR}, {"CharTensor", TYPE_TENSOR},  {"ByteTensor", TYPE_TENSOR},
    {"BoolTensor", TYPE_TENSOR},
};

static const Type *simple_type(Program *p, Str name)
{
    for (size_t i = 0; i < sizeof simple_names / sizeof *simple_names; i++)
        if (str_is(name, simple_names[i].name))
            return type_of_kind(p->types, simple_names[i].kind);
    return NULL;
}

// `a.b.c` of a chain of selections; empty when the expression is something else.
static Str dotted_name(Program *p, const Ast *a)
{
    if (a->kind == AST_NAME)
        return a->text;
    if (a->kind != AST_SELECT)
        return (Str){0};
    Str base = dotted_name(p, a->kids[0]);
    return base.len ? arena_printf(p->arena, STR_FMT "." STR_FMT, STR_ARG(base), STR_ARG(a->text)) : (Str){0};
}

static const Type *named_type(Program *p, const Source *source, const Ast *at, Str name)
{
    const Type *t = simple_type(p, name);
    if (!t && str_starts(name, STR("torch."))) {
        Str rest = str_from(name, 6);
        t = str_is(rest, "device") ? type_of_kind(p->types, TYPE_DEVICE) : simple_type(p, rest);
        if (str_is(rest, "dtype") || str_is(rest, "layout") || str_is(rest, "memory_format"))
            t = type_of_kind(p->types, TYPE_INT);
    }
    if (!t && str_starts(name, STR("__torch__."))) {
        ClassDef *c = find_class(p, name);
        t = c ? c->type : NULL;
    }
    if (!t)
        fail_at(&p->failure, source, at->start, ST_BAD_MODEL, "Unknown type name '" STR_FMT "'", STR_ARG(name));
    return t;
}

static int broadcasting_number(Str name)
{
    Str prefix = STR("BroadcastingList");
    if (!str_starts(name, prefix) || name.len == prefix.len)
        return 0;
    return atoi(name.ptr + prefix.len); // the name is followed by '['
}

static const Type **elements(Program *p, const Source *source, const Ast *a, uint32_t *count)
{
    const Type **elem = NULL;
    *count = 0;
    for (uint32_t i = 1; i < a->count; i++) {
        const Ast *k = a->kids[i];
        if (k->kind == AST_TUPLE && k->count == 0) // Tuple[()]
            continue;
        ARENA_PUSH(p->arena, elem, *count, parse_type(p, source, k));
    }
    return elem;
}

static const Type *subscripted_type(Program *p, const Source *source, const Ast *a)
{
    Str name = dotted_name(p, a->kids[0]);
    uint32_t n;
    const Type **elem = elements(p, source, a, &n);
    if (str_is(name, "Tuple") || str_is(name, "tuple"))
        return type_tuple(p->types, elem, n);
    if (str_is(name, "Union") && n > 0)
        return type_union(p->types, elem, n);
    if ((str_is(name, "Dict") || str_is(name, "dict")) && n == 2)
        return type_dict(p->types, elem[0], elem[1]);
    if (n == 1) {
        if (str_is(name, "List") || str_is(name, "list") || broadcasting_number(name))
            return type_list(p->types, elem[0]);
        if (str_is(name, "Optional"))
            return type_optional(p->types, elem[0]);
        if (str_is(name, "Future"))
            return type_future(p->types, elem[0]);
        if (str_is(name, "Await"))
            return type_wrap(p->types, TYPE_AWAIT, elem[0]);
        if (str_is(name, "RRef"))
            return type_wrap(p->types, TYPE_RREF, elem[0]);
        if (str_is(name, "Final"))
            return elem[0];
    }
    fail_at(&p->failure, source, a->start, ST_BAD_MODEL, "Unknown type constructor " STR_FMT, STR_ARG(name));
}

static const Type *any_type(Program *p, const Source *source, const Ast *a)
{
    switch (a->kind) {
    case AST_NAME: {
        // `_size_2_t` and the like are lists that a single int may stand for.
        if (str_starts(a->text, STR("_size_")))
            return type_list(p->types, type_of_kind(p->types, TYPE_INT));
        return named_type(p, source, a, a->text);
    }
    case AST_SELECT: {
        Str name = dotted_name(p, a);
        if (name.len)
            return named_type(p, source, a, name);
        break;
    }
    case AST_STRING:
        return named_type(p, source, a, a->text);
    case AST_NONE:
        return type_of_kind(p->types, TYPE_NONE);
    case AST_SUBSCRIPT:
        return subscripted_type(p, source, a);
    case AST_BINARY:
        if (a->op == TOK_BIT_OR)
            return type_union(p->types, (const Type *[]){parse_type(p, source, a->kids[0]), parse_type(p, source, a->kids[1])}, 2);
        break;
    default:
        break;
    }
    fail_at(&p->failure, source, a->start, ST_BAD_MODEL, "Subscripted type, name or None expected as a type");
}

const Type *parse_type(Program *p, const Source *source, const Ast *a)
{
    if (++p->depth > MAX_EMIT_DEPTH)
        fail_at(&p->failure, source, a->start, ST_BAD_MODEL, "types are nested too deeply");
    const Type *t = any_type(p, source, a);
    p->depth--;
    return t;
}

const Type *parse_type_text(Program *p, Str text)
{
    SourceFile *file = ARENA_NEW(p->arena, SourceFile);
    file->source = (Source){.file = STR("type"), .text = text};
    return parse_type(p, &file->source, parse_expression(&p->failure, &file->source));
}

// N of BroadcastingListN[T], Optional[BroadcastingListN[T]] and _size_N_t, else 0.
static int fixed_size(const Ast *a)
{
    if (a->kind == AST_NAME && str_starts(a->text, STR("_size_")) && a->text.len > 6)
        return a->text.ptr[6] - '0';
    if (a->kind != AST_SUBSCRIPT || a->kids[0]->kind != AST_NAME || a->count != 2)
        return 0;
    if (str_is(a->kids[0]->text, "Optional"))
        return fixed_size(a->kids[1]);
    return broadcasting_number(a->kids[0]->text);
}

Schema *signature_of(Program *p, const Source *source, const Ast *def, const ClassDef *self, Str name, bool *inferred)
{
    Schema *s = ARENA_NEW(p->arena, Schema);
    s->full_name = s->symbol = name;
    s->index = -1;
    s->effect = EFFECT_EFFECT;
    for (uint32_t i = 0; i < ast_param_count(def); i++) {
        const Ast *param = ast_param(def, i);
        SchemaArg arg = {.name = param->text, .keyword_only = param->op == TOK_MUL};
        if (i == 0 && self) {
            arg.type = self->type;
        } else if (param->kids[0]) {
            arg.type = parse_type(p, source, param->kids[0]);
            arg.fixed_size = fixed_size(param->kids[0]);
            arg.broadcasting = arg.fixed_size > 0;
        } else {
            arg.type = type_of_kind(p->types, TYPE_TENSOR);
        }
        if (param->kids[1]) {
            Datum *d = constant_expression(p, source, param->kids[1], arg.type);
            if (arg.fixed_size && d->kind != DATUM_LIST && d->kind != DATUM_NONE) {
                Datum **items = ARENA_ARRAY(p->arena, Datum *, arg.fixed_size);
                for (int k = 0; k < arg.fixed_size; k++)
                    items[k] = d;
                d = datum_list(p->arena, DATUM_LIST, items, (uint32_t)arg.fixed_size);
            }
            arg.default_value = d;
        }
        ARENA_PUSH(p->arena, s->args, s->arg_count, arg);
    }
    *inferred = !def->kids[0];
    if (def->kids[0]) {
        SchemaArg ret = {.type = parse_type(p, source, def->kids[0]), .name = STR("")};
        ARENA_PUSH(p->arena, s->returns, s->return_count, ret);
    }
    return s;
}

static Datum *number(Program *p, const Source *source, const Ast *a, const Type *type)
{
    char text[64];
    if (a->text.len >= sizeof text)
        fail_at(&p->failure, source, a->start, ST_BAD_MODEL, "number of more than %zu characters", sizeof text);
    memcpy(text, a->text.ptr, a->text.len);
    text[a->text.len] = 0;
    if (text[a->text.len - 1] == 'j')
        return datum_complex(p->arena, 0, strtod(text, NULL));
    bool hex = strstr(text, "0x") || strstr(text, "0X");
    // An integral float from 1e10 up is printed without a point: where a float is expected it is one again.
    if ((!hex && strpbrk(text, ".eE")) || (type && type->kind == TYPE_FLOAT))
        return datum_float(p->arena, strtod(text, NULL));
    errno = 0;
    long long v = strtoll(text, NULL, 0);
    if (errno == ERANGE)
        fail_at(&p->failure, source, a->start, ST_BAD_MODEL, "Integral constant out of range");
    return datum_int(p->arena, v);
}

static Datum *sequence(Program *p, const Source *source, const Ast *a, const Type *type, DatumKind kind)
{
    Datum **items = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const Type *elem = !type || type->count == 0                         ? NULL
                           : type->kind == TYPE_TUPLE || kind == DATUM_DICT ? type->elem[i % type->count]
                                                                            : type->elem[0];
        ARENA_PUSH(p->arena, items, n, constant_expression(p, source, a->kids[i], elem));
    }
    Datum *d = datum_list(p->arena, kind == DATUM_DICT ? DATUM_LIST : kind, items, n);
    d->kind = kind;
    if (kind == DATUM_DICT)
        d->count = n / 2;
    if (type && kind != DATUM_TUPLE) {
        d->name = str_of(type_text(p->arena, type));
    }
    return d;
}

static Datum *named_constant(Program *p, Str name)
{
    if (str_is(name, "inf"))
        return datum_float(p->arena, INFINITY);
    if (str_is(name, "nan"))
        return datum_float(p->arena, NAN);
    if (str_is(name, "infj"))
        return datum_complex(p->arena, 0, INFINITY);
    if (str_is(name, "nanj"))
        return datum_complex(p->arena, 0, NAN);
    if (str_starts(name, STR("CONSTANTS.c"))) {
        unsigned long k = strtoul(arena_str(p->arena, str_from(name, 11)).ptr, NULL, 10);
        return k < p->options.constant_count ? p->options.constants[k] : NULL;
    }
    ptrdiff_t dot = str_rfind(name, '.');
    ClassDef *c = dot > 0 && str_starts(name, STR("__torch__.")) ? find_class(p, str_first(name, (size_t)dot)) : NULL;
    for (uint32_t i = 0; c && c->kind == CLASS_ENUM && i < c->constant_count; i++)
        if (str_eq(c->constants[i].name, str_from(name, (size_t)dot + 1)))
            return c->constants[i].value;
    return NULL;
}

static Datum *negated(Program *p, Datum *d)
{
    if (d->kind == DATUM_FLOAT)
        return datum_float(p->arena, -d->f);
    if (d->kind == DATUM_INT)
        return datum_int(p->arena, (int64_t)(0 - (uint64_t)d->i));
    if (d->kind == DATUM_COMPLEX)
        return datum_complex(p->arena, -d->c.re, -d->c.im);
    return NULL;
}

static Datum *constant_call(Program *p, const Source *source, const Ast *a, const Type *type)
{
    Str callee = dotted_name(p, a->kids[0]);
    if (str_is(callee, "torch.device") && a->count == 2 && a->kids[1]->kind == AST_STRING) {
        Datum *d = datum_str(p->arena, a->kids[1]->text);
        d->kind = DATUM_DEVICE;
        return d;
    }
    if (str_is(callee, "annotate") && a->count == 3)
        return constant_expression(p, source, a->kids[2], parse_type(p, source, a->kids[1]));
    if (type && type->kind == TYPE_TUPLE && type->fields) { // a NamedTuple's constructor
        Ast inside = *a;
        inside.kids++;
        inside.count--;
        return sequence(p, source, &inside, type, DATUM_TUPLE);
    }
    return NULL;
}

Datum *constant_expression(Program *p, const Source *source, const Ast *a, const Type *type)
{
    Datum *d = NULL;
    if (type && type->kind == TYPE_OPTIONAL)
        type = type->elem[0];
    switch (a->kind) {
    case AST_NUMBER:
        return number(p, source, a, type);
    case AST_STRING:
        return datum_str(p->arena, a->text);
    case AST_TRUE:
    case AST_FALSE:
        return datum_bool(a->kind == AST_TRUE);
    case AST_NONE:
        return &datum_none;
    case AST_LIST:
        return sequence(p, source, a, type, DATUM_LIST);
    case AST_TUPLE:
        return sequence(p, source, a, type, DATUM_TUPLE);
    case AST_DICT:
        return sequence(p, source, a, type, DATUM_DICT);
    case AST_NAME:
    case AST_SELECT:
        d = named_constant(p, dotted_name(p, a));
        break;
    case AST_UNARY:
        if (a->op == TOK_SUB)
            d = negated(p, constant_expression(p, source, a->kids[0], type));
        break;
    case AST_BINARY: { // a complex constant: 1.+2.j
        Datum *l = constant_expression(p, source, a->kids[0], NULL), *r = constant_expression(p, source, a->kids[1], NULL);
        if ((a->op == TOK_ADD || a->op == TOK_SUB) && r->kind == DATUM_COMPLEX && l->kind == DATUM_FLOAT)
            d = datum_complex(p->arena, l->f, a->op == TOK_ADD ? r->c.im : -r->c.im);
        break;
    }
    case AST_APPLY:
        d = constant_call(p, source, a, type);
        break;
    default:
        break;
    }
    if (!d)
        fail_at(&p->failure, source, a->start, ST_UNSUPPORTED, "expected a constant expression");
    return d;
}
