// Reads the types and constants of printed graphs.
// A constant that is not printed whole (a large tensor, an object) is taken from the graph that the text resembles.
#include "ir/read_graph.h"

#include <math.h>
#include <stdlib.h>

// Cursor ---------------------------------------------------------------------------------------------------------------

void read_fail(GraphReader *r, const char *what)
{
    if (r->status != ST_OK)
        return;
    int line = 1;
    for (size_t i = 0; i < r->at && i < r->text.len; i++)
        line += r->text.ptr[i] == '\n';
    Str rest = str_from(r->text, r->at);
    r->status = status_fail(ST_BAD_MODEL, "printed graph, line %d: %s at \"%.*s\"", line, what, (int)(rest.len < 30 ? rest.len : 30), rest.ptr);
    r->at = r->text.len;
}

char read_peek(const GraphReader *r) { return r->at < r->text.len ? r->text.ptr[r->at] : 0; }

bool read_is(const GraphReader *r, const char *z) { return str_starts(str_from(r->text, r->at), str_of(z)); }

bool read_accept(GraphReader *r, const char *z)
{
    if (!read_is(r, z))
        return false;
    r->at += strlen(z);
    return true;
}

void read_expect(GraphReader *r, const char *z)
{
    char what[64];
    if (read_accept(r, z))
        return;
    size_t n = 0;
    for (const char *s = "expected "; *s; s++)
        what[n++] = *s;
    for (const char *s = z; *s && n < sizeof what - 1; s++)
        what[n++] = *s == '\n' ? ' ' : *s;
    what[n] = 0;
    read_fail(r, what);
}

void read_blanks(GraphReader *r)
{
    while (read_peek(r) == ' ')
        r->at++;
}

Str read_until(GraphReader *r, const char *stops)
{
    size_t start = r->at;
    while (r->at < r->text.len && !strchr(stops, r->text.ptr[r->at]))
        r->at++;
    return (Str){r->text.ptr + start, r->at - start};
}

int64_t read_int(GraphReader *r)
{
    bool negative = read_accept(r, "-");
    uint64_t v = 0;
    size_t start = r->at;
    while (read_peek(r) >= '0' && read_peek(r) <= '9') {
        if (v > (UINT64_MAX - 9) / 10) {
            read_fail(r, "the number is too large");
            return 0;
        }
        v = v * 10 + (uint64_t)(read_peek(r) - '0');
        r->at++;
    }
    if (r->at == start)
        read_fail(r, "expected a number");
    return (int64_t)(negative ? 0 - v : v);
}

Str read_quoted(GraphReader *r)
{
    static const char LETTERS[] = "abfnrtv", VALUES[] = "\a\b\f\n\r\t\v";
    read_expect(r, "\"");
    char *out = arena_alloc(r->arena, r->text.len - r->at + 1);
    size_t n = 0;
    while (read_peek(r) != '"') {
        if (r->at >= r->text.len) {
            read_fail(r, "a string does not end");
            return (Str){"", 0};
        }
        char c = r->text.ptr[r->at++];
        if (c == '\\') {
            c = read_peek(r);
            const char *letter = c ? strchr(LETTERS, c) : NULL;
            if (c && strchr("./01234567", c)) {
                // Digits of bytes above 127 are negative: print_quoted.
                int v = 0;
                for (int i = 0; i < 3 && r->at < r->text.len; i++, r->at++)
                    v = v * 8 + (read_peek(r) - '0');
                c = (char)v;
            } else {
                c = letter ? VALUES[letter - LETTERS] : c;
                r->at++;
            }
        }
        out[n++] = c;
    }
    read_expect(r, "\"");
    return (Str){out, n};
}

// Types ----------------------------------------------------------------------------------------------------------------

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static Str read_name(GraphReader *r)
{
    size_t start = r->at;
    while (name_character(read_peek(r)))
        r->at++;
    return (Str){r->text.ptr + start, r->at - start};
}

// Types up to `close`; `fields` (may be NULL) takes the names in front of them: `NamedTuple(x : Tensor)`.
static uint32_t read_types(GraphReader *r, const char *close, const Type ***out, Str **fields)
{
    uint32_t count = 0, names = 0;
    while (!read_accept(r, close) && r->status == ST_OK) {
        if (count)
            read_expect(r, ", ");
        if (fields) {
            Str name = read_name(r);
            ARENA_PUSH(r->arena, *fields, names, arena_str(r->arena, name));
            read_expect(r, " : ");
        }
        const Type *t = read_type(r);
        ARENA_PUSH(r->arena, *out, count, t);
    }
    return count;
}

static const Type *named_type(GraphReader *r, Str name)
{
    static const struct {
        const char *name;
        TypeKind kind;
    } SIMPLE[] = {{"Tensor", TYPE_TENSOR},       {"int", TYPE_INT},           {"float", TYPE_FLOAT},       {"bool", TYPE_BOOL},
                  {"str", TYPE_STR},             {"NoneType", TYPE_NONE},     {"Any", TYPE_ANY},           {"complex", TYPE_COMPLEX},
                  {"Scalar", TYPE_NUMBER},       {"Device", TYPE_DEVICE},     {"Generator", TYPE_GENERATOR}, {"Stream", TYPE_STREAM},
                  {"Storage", TYPE_STORAGE},     {"Capsule", TYPE_CAPSULE},   {"list", TYPE_ANY_LIST},     {"tuple", TYPE_ANY_TUPLE},
                  {"AnyEnumType", TYPE_ANY_ENUM}, {"AnyClassType", TYPE_ANY_CLASS}};
    for (size_t i = 0; i < sizeof SIMPLE / sizeof *SIMPLE; i++)
        if (str_is(name, SIMPLE[i].name))
            return type_of_kind(r->types, SIMPLE[i].kind);
    if (str_is(name, "Function"))
        return type_function(r->types, STR("Function"));
    if (!name.len)
        read_fail(r, "expected a type");
    return type_class(r->types, TYPE_CLASS, name, NULL);
}

static const Type *read_atom(GraphReader *r)
{
    const Type **elem = NULL;
    Str *fields = NULL;
    uint32_t count;
    if (read_accept(r, "(")) {
        count = read_types(r, ")", &elem, NULL);
        return type_tuple(r->types, elem, count);
    }
    Str name = read_name(r);
    if (str_is(name, "Dict") && read_accept(r, "(")) {
        count = read_types(r, ")", &elem, NULL);
        if (count == 2)
            return type_dict(r->types, elem[0], elem[1]);
        read_fail(r, "a Dict has two types");
    } else if (str_is(name, "Union") && read_accept(r, "(")) {
        count = read_types(r, ")", &elem, NULL);
        if (count)
            return type_union(r->types, elem, count);
        read_fail(r, "a Union has types");
    } else if (str_is(name, "NamedTuple") && read_accept(r, "(")) {
        count = read_types(r, ")", &elem, &fields);
        return type_named_tuple(r->types, (Str){"", 0}, fields, elem, count);
    } else if (str_is(name, "Enum") && read_accept(r, "<")) {
        name = read_name(r);
        read_expect(r, ">");
        return type_class(r->types, TYPE_ENUM, name, NULL);
    } else if (str_is(name, "InterfaceType") && read_accept(r, "<")) {
        name = read_name(r);
        read_expect(r, ">");
        return type_class(r->types, TYPE_INTERFACE, name, NULL);
    } else if (read_is(r, "[") && !read_is(r, "[]")) {
        r->at++;
        count = read_types(r, "]", &elem, NULL);
        TypeKind kind = str_is(name, "Future") ? TYPE_FUTURE : str_is(name, "RRef") ? TYPE_RREF : TYPE_AWAIT;
        if (count == 1)
            return type_wrap(r->types, kind, elem[0]);
        read_fail(r, "one type is expected in brackets");
    } else {
        return named_type(r, name);
    }
    return type_of_kind(r->types, TYPE_ANY);
}

const Type *read_type(GraphReader *r)
{
    size_t start = r->at;
    if (++r->depth > READ_DEPTH)
        read_fail(r, "types nest too deeply");
    const Type *t = r->status == ST_OK ? read_atom(r) : type_of_kind(r->types, TYPE_ANY);
    r->depth--;
    for (;;) {
        // The same text in the graph that this one resembles is the same type: names of NamedTuples do not print.
        const Type *known = strmap_get(&r->like_types, (Str){r->text.ptr + start, r->at - start});
        t = known ? known : t;
        if (read_accept(r, "[]"))
            t = type_list(r->types, t);
        else if (read_accept(r, "?"))
            t = type_optional(r->types, t);
        else
            return t;
    }
}

// Literals -------------------------------------------------------------------------------------------------------------

static double read_double(GraphReader *r)
{
    char text[64];
    size_t n = 0;
    while (n < sizeof text - 1 && (name_character(read_peek(r)) || read_peek(r) == '+' || read_peek(r) == '-')) {
        char c = read_peek(r);
        if ((c == '+' || c == '-') && n && text[n - 1] != 'e')
            break;
        if (c == 'j')
            break;
        text[n++] = c;
        r->at++;
    }
    text[n] = 0;
    char *end;
    double v = strtod(text, &end);
    if (!n || *end)
        read_fail(r, "expected a number");
    return v;
}

static const Type *element(const Type *t, uint32_t i)
{
    i = t->kind == TYPE_LIST ? 0 : i;
    return i < t->count ? t->elem[i] : NULL;
}

static Datum *read_container(GraphReader *r, const Type *type, DatumKind kind, const char *close)
{
    Datum **items = NULL;
    uint32_t count = 0, pairs = 0;
    while (!read_accept(r, close) && r->status == ST_OK) {
        if (count)
            read_expect(r, kind == DATUM_DICT && pairs % 2 ? ": " : ",");
        read_blanks(r);
        if (read_accept(r, close))
            break; // `(1,)`
        const Type *t = element(type, kind == DATUM_DICT ? pairs % 2 : count);
        Datum *item = read_literal(r, t ? t : type_of_kind(r->types, TYPE_ANY), (Str){0});
        if (!item)
            return NULL;
        ARENA_PUSH(r->arena, items, count, item);
        pairs++;
    }
    Datum *d = datum_list(r->arena, kind == DATUM_DICT ? DATUM_LIST : kind, items, count);
    if (kind == DATUM_DICT) {
        d->kind = DATUM_DICT;
        d->count = count / 2;
    }
    return d;
}

// `annotate(List[int], [])`: the annotation is kept as the container's name.
static Datum *read_annotated(GraphReader *r, const Type *type)
{
    size_t start = r->at;
    int open = 0;
    while (r->at < r->text.len && (open || read_peek(r) != ',')) {
        open += read_peek(r) == '[';
        open -= read_peek(r) == ']';
        r->at++;
    }
    Str annotation = arena_str(r->arena, (Str){r->text.ptr + start, r->at - start});
    read_expect(r, ",");
    read_blanks(r);
    Datum *d = read_literal(r, type, (Str){0});
    read_expect(r, ")");
    if (d)
        d->name = annotation;
    return d;
}

// `{2.5}`: the element type does not print; int64 or float64, as numbers in traced graphs are.
static Datum *read_single(GraphReader *r)
{
    size_t start = r->at;
    double v = read_double(r);
    Str text = {r->text.ptr + start, r->at - start};
    bool whole = str_find(text, '.') < 0 && str_find(text, 'e') < 0 && str_find(text, 'n') < 0;
    read_expect(r, "}");
    int64_t *i = ARENA_NEW(r->arena, int64_t);
    if (!whole) {
        memcpy(i, &v, sizeof v);
        return datum_tensor(r->arena, DT_F64, 0, NULL, i);
    }
    r->at = start;
    *i = read_int(r);
    read_expect(r, "}");
    return datum_tensor(r->arena, DT_I64, 0, NULL, i);
}

static Datum *from_like(GraphReader *r, Str name)
{
    const Value *v = name.len ? strmap_get(&r->like, name) : NULL;
    Datum *d = v ? value_constant(v) : NULL;
    if (!d) {
        read_fail(r, "a constant is not printed whole, and no graph given has it");
        return NULL;
    }
    while (r->at < r->text.len && !read_is(r, "]()"))
        r->at++;
    return d;
}

static Datum *read_number(GraphReader *r, const Type *type)
{
    TypeKind kind = type->kind == TYPE_OPTIONAL ? type->elem[0]->kind : type->kind;
    size_t start = r->at;
    double re = read_double(r);
    if (read_is(r, "+") || read_is(r, "-") || read_is(r, "j")) {
        read_accept(r, "+");
        double im = read_is(r, "j") ? re : read_double(r);
        read_expect(r, "j");
        return datum_complex(r->arena, re, im);
    }
    Str text = {r->text.ptr + start, r->at - start};
    bool whole = str_find(text, '.') < 0 && str_find(text, 'e') < 0 && isfinite(re);
    if (kind == TYPE_FLOAT || !whole)
        return datum_float(r->arena, re);
    size_t end = r->at;
    r->at = start;
    int64_t i = read_int(r);
    if (r->at != end)
        read_fail(r, "expected an integer");
    return kind == TYPE_BOOL ? datum_bool(i != 0) : datum_int(r->arena, i);
}

Datum *read_literal(GraphReader *r, const Type *type, Str name)
{
    Datum *d = NULL;
    if (++r->depth > READ_DEPTH)
        read_fail(r, "constants nest too deeply");
    if (r->status != ST_OK)
        return NULL;
    TypeKind kind = type->kind == TYPE_OPTIONAL ? type->elem[0]->kind : type->kind;
    const Type *inner = type->kind == TYPE_OPTIONAL ? type->elem[0] : type;
    // Whatever holds tensors, objects or enums comes from the like graph when it can.
    if (name.len && strmap_get(&r->like, name) && (type_contains_tensor(type) || kind == TYPE_CLASS || kind == TYPE_ENUM || kind == TYPE_ANY))
        d = from_like(r, name);
    else if (read_accept(r, "None"))
        d = &datum_none;
    else if (read_accept(r, "True"))
        d = &datum_true;
    else if (read_accept(r, "False"))
        d = &datum_false;
    else if (read_accept(r, "annotate("))
        d = read_annotated(r, inner);
    else if (read_is(r, "[<") || read_is(r, "<") || read_is(r, "object(") || read_is(r, "__torch__"))
        d = from_like(r, name);
    else if (read_accept(r, "["))
        d = read_container(r, inner, DATUM_LIST, "]");
    else if (read_accept(r, "("))
        d = read_container(r, inner, DATUM_TUPLE, ")");
    else if (read_accept(r, "{"))
        d = kind == TYPE_TENSOR ? read_single(r) : read_container(r, inner, DATUM_DICT, "}");
    else if (kind == TYPE_TENSOR)
        d = from_like(r, name);
    else if (read_is(r, "\"")) {
        d = datum_str(r->arena, read_quoted(r));
        if (kind == TYPE_DEVICE)
            d->kind = DATUM_DEVICE;
    } else
        d = read_number(r, type);
    r->depth--;
    return d;
}
