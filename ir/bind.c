// Types of plain data, and binding pickled objects to their classes (torchscript.md §2.5, §2.6).
// PyTorch does not check the values of attributes; here each must have its declared type.
#include "ir/compile.h"

enum { MAX_DATA_DEPTH = 1000 };

static const Type *type_of_items(Program *p, const Datum *d, uint32_t first, uint32_t step, TypeKind otherwise)
{
    uint32_t n = step * d->count;
    const Type *all = NULL;
    for (uint32_t i = first; i < n; i += step) {
        const Type *t = type_of_datum(p, d->items[i]);
        all = all ? type_unify(p->types, all, t, true) : t;
    }
    return all ? all : type_of_kind(p->types, otherwise);
}

const Type *type_of_datum(Program *p, const Datum *d)
{
    static const TypeKind simple[] = {
        [DATUM_NONE] = TYPE_NONE,       [DATUM_BOOL] = TYPE_BOOL, [DATUM_INT] = TYPE_INT,       [DATUM_FLOAT] = TYPE_FLOAT,
        [DATUM_COMPLEX] = TYPE_COMPLEX, [DATUM_STR] = TYPE_STR,   [DATUM_DEVICE] = TYPE_DEVICE, [DATUM_TENSOR] = TYPE_TENSOR,
    };
    switch (d->kind) {
    case DATUM_TUPLE: {
        const Type **elem = ARENA_ARRAY(p->arena, const Type *, d->count);
        for (uint32_t i = 0; i < d->count; i++)
            elem[i] = type_of_datum(p, d->items[i]);
        return type_tuple(p->types, elem, d->count);
    }
    case DATUM_LIST:
        if (d->name.len)
            return parse_type_text(p, d->name);
        return type_list(p->types, type_of_items(p, d, 0, 1, TYPE_TENSOR));
    case DATUM_DICT:
        if (d->name.len)
            return parse_type_text(p, d->name);
        return type_dict(p->types, type_of_items(p, d, 0, 2, TYPE_STR), type_of_items(p, d, 1, 2, TYPE_TENSOR));
    case DATUM_OBJECT:
    case DATUM_ENUM: {
        ClassDef *c = find_class(p, d->name);
        if (!c)
            fail_plain(&p->failure, ST_BAD_MODEL, "Unknown type name '" STR_FMT "'", STR_ARG(d->name));
        return c->type;
    }
    case DATUM_FUNCTION:
        return type_function(p->types, d->name);
    default:
        return type_of_kind(p->types, simple[d->kind]);
    }
}

// ---- does a value have a type? ------------------------------------------------------------------------------------

static bool has_type(Program *p, const Datum *d, const Type *t, int depth);

static bool items_have_type(Program *p, const Datum *d, const Type *t, int depth)
{
    uint32_t n = d->kind == DATUM_DICT ? 2 * d->count : d->count;
    for (uint32_t i = 0; i < n; i++)
        if (!has_type(p, d->items[i], t->elem[d->kind == DATUM_LIST ? 0 : i % t->count], depth + 1))
            return false;
    return true;
}

static bool has_type(Program *p, const Datum *d, const Type *t, int depth)
{
    if (depth > MAX_DATA_DEPTH)
        return false;
    switch (t->kind) {
    case TYPE_ANY:
        return true;
    case TYPE_OPTIONAL:
        return d->kind == DATUM_NONE || has_type(p, d, t->elem[0], depth);
    case TYPE_UNION:
        for (uint32_t i = 0; i < t->count; i++)
            if (has_type(p, d, t->elem[i], depth))
                return true;
        return false;
    case TYPE_NUMBER:
        return d->kind == DATUM_INT || d->kind == DATUM_FLOAT || d->kind == DATUM_COMPLEX;
    case TYPE_LIST:
        return d->kind == DATUM_LIST && items_have_type(p, d, t, depth);
    case TYPE_DICT:
        return d->kind == DATUM_DICT && items_have_type(p, d, t, depth);
    case TYPE_TUPLE:
        return d->kind == DATUM_TUPLE && d->count == t->count && items_have_type(p, d, t, depth);
    case TYPE_ANY_LIST:
        return d->kind == DATUM_LIST;
    case TYPE_ANY_TUPLE:
        return d->kind == DATUM_TUPLE;
    case TYPE_CLASS:
    case TYPE_INTERFACE:
        return d->kind == DATUM_OBJECT && type_is_subtype(type_of_datum(p, d), t);
    case TYPE_ENUM:
        return d->kind == DATUM_ENUM && str_eq(d->name, t->name);
    case TYPE_GENERATOR:
    case TYPE_STREAM:
    case TYPE_CAPSULE:
        return true;
    default:
        return d->kind != DATUM_OBJECT && d->kind != DATUM_ENUM && type_of_datum(p, d)->kind == t->kind;
    }
}

// ---- binding ------------------------------------------------------------------------------------------------------

typedef struct Binder {
    Program *p;
    const char *where;
    StrMap seen; // addresses of containers already bound
} Binder;

static void bind(Binder *b, Datum *d, int depth);

// Lists and dicts of old files carry no type tag: the declared type is theirs.
static void tag(Program *p, Datum *d, const Type *t, int depth)
{
    if (t->kind == TYPE_OPTIONAL)
        t = t->elem[0];
    bool fits = (t->kind == TYPE_LIST && d->kind == DATUM_LIST) || (t->kind == TYPE_DICT && d->kind == DATUM_DICT) ||
                (t->kind == TYPE_TUPLE && d->kind == DATUM_TUPLE && t->count == d->count);
    if (!fits || depth > MAX_DATA_DEPTH || (d->kind != DATUM_TUPLE && d->name.len))
        return;
    if (d->kind != DATUM_TUPLE)
        d->name = str_of(type_text(p->arena, t));
    uint32_t n = d->kind == DATUM_DICT ? 2 * d->count : d->count;
    for (uint32_t i = 0; i < n; i++)
        tag(p, d->items[i], t->elem[d->kind == DATUM_LIST ? 0 : i % t->count], depth + 1);
}

static void bind_attributes(Binder *b, Datum *d, const ClassDef *c)
{
    Program *p = b->p;
    if (!d->state || d->state->kind != DATUM_DICT)
        fail_plain(&p->failure, ST_BAD_MODEL, "%s: the state of an object of class '" STR_FMT "' is not a dict of its attributes",
                   b->where, STR_ARG(c->name));
    for (uint32_t i = 0; i < c->attr_count; i++) {
        const ClassAttr *attr = &c->attrs[i];
        Datum *value = datum_attr(d, attr->name);
        if (!value)
            fail_plain(&p->failure, ST_BAD_MODEL, "%s: an object of class '" STR_FMT "' has no value for attribute '" STR_FMT "'",
                       b->where, STR_ARG(c->name), STR_ARG(attr->name));
        tag(p, value, attr->type, 0);
        if (!has_type(p, value, attr->type, 0))
            fail_plain(&p->failure, ST_BAD_MODEL, "%s: attribute '" STR_FMT "' of class '" STR_FMT "' is declared as %s but its "
                       "value has another type", b->where, STR_ARG(attr->name), STR_ARG(c->name), type_text(p->arena, attr->type));
    }
}

static void bind_object(Binder *b, Datum *d, int depth)
{
    Program *p = b->p;
    ClassDef *c = find_class(p, d->name);
    if (!c || (d->kind == DATUM_ENUM) != (c->kind == CLASS_ENUM))
        fail_plain(&p->failure, ST_BAD_MODEL, "%s: Unknown type name '" STR_FMT "'", b->where, STR_ARG(d->name));
    d->cls = c;
    if (d->kind == DATUM_ENUM)
        return;
    if (d->state)
        bind(b, d->state, depth + 1);
    bool restores_itself = class_method(c, STR("__getstate__")) && class_method(c, STR("__setstate__"));
    if (c->kind == CLASS_BUILTIN)
        unpack_state(p, d, b->where);
    if (c->attr_count && !restores_itself)
        bind_attributes(b, d, c);
}

static void bind(Binder *b, Datum *d, int depth)
{
    if (depth > MAX_DATA_DEPTH)
        fail_plain(&b->p->failure, ST_BAD_MODEL, "%s: data is nested too deeply (limit %d)", b->where, MAX_DATA_DEPTH);
    if (d->kind != DATUM_OBJECT && d->kind != DATUM_ENUM && d->kind != DATUM_LIST && d->kind != DATUM_DICT && d->kind != DATUM_TUPLE)
        return;
    if (strmap_get(&b->seen, (Str){(const char *)&d, sizeof d}))
        return;
    Datum **key = arena_copy(b->p->arena, &d, sizeof d);
    strmap_put(&b->seen, b->p->arena, (Str){(const char *)key, sizeof *key}, d);
    if (d->kind == DATUM_OBJECT || d->kind == DATUM_ENUM) {
        bind_object(b, d, depth);
        return;
    }
    uint32_t n = d->kind == DATUM_DICT ? 2 * d->count : d->count;
    for (uint32_t i = 0; i < n; i++)
        bind(b, d->items[i], depth + 1);
}

void bind_datum(Program *p, Datum *d, const char *where)
{
    Binder b = {.p = p, .where = where};
    bind(&b, d, 0);
}
