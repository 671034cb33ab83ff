// Reads and prints operator signatures: "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor".
// The reader is a recursive descent over one line with a sticky error.
#include "ir/schema.h"

#include "ir/print.h"

#include <stdlib.h>

typedef struct Reader {
    Arena *arena;
    TypeTable *types;
    Str text;
    size_t pos;
    const char *error; // first error, or NULL
    size_t error_pos;
} Reader;

// What stands behind a type: `(a!)`, `[2]` and so on.
typedef struct Suffix {
    Str alias;
    bool writes;
    int fixed_size;
} Suffix;

static void fail(Reader *r, const char *error)
{
    if (!r->error) {
        r->error = error;
        r->error_pos = r->pos;
    }
}

static char peek(Reader *r)
{
    while (r->pos < r->text.len && r->text.ptr[r->pos] == ' ')
        r->pos++;
    return r->error || r->pos == r->text.len ? 0 : r->text.ptr[r->pos];
}

static bool accept(Reader *r, const char *token)
{
    if (!peek(r) || !str_starts(str_from(r->text, r->pos), str_of(token)))
        return false;
    r->pos += strlen(token);
    return true;
}

static void expect(Reader *r, const char *token)
{
    if (!accept(r, token))
        fail(r, token);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// An identifier; with `dots` also qualified by '.' and "::".
static Str read_name(Reader *r, bool dots)
{
    peek(r);
    size_t start = r->pos;
    while (r->pos < r->text.len && (is_name_char(r->text.ptr[r->pos]) ||
                                    (dots && (r->text.ptr[r->pos] == '.' || r->text.ptr[r->pos] == ':'))))
        r->pos++;
    if (r->pos == start)
        fail(r, "a name");
    return (Str){r->text.ptr + start, r->pos - start};
}

static const struct {
    const char *name;
    TypeKind kind;
} simple_types[] = {
    {"Tensor", TYPE_TENSOR},       {"int", TYPE_INT},           {"SymInt", TYPE_INT},         {"float", TYPE_FLOAT},
    {"bool", TYPE_BOOL},           {"SymBool", TYPE_BOOL},      {"str", TYPE_STR},            {"Dimname", TYPE_STR},
    {"Scalar", TYPE_NUMBER},       {"number", TYPE_NUMBER},     {"complex", TYPE_COMPLEX},    {"ScalarType", TYPE_INT},
    {"Layout", TYPE_INT},          {"MemoryFormat", TYPE_INT},  {"QScheme", TYPE_INT},        {"Device", TYPE_DEVICE},
    {"Generator", TYPE_GENERATOR}, {"Stream", TYPE_STREAM},     {"Storage", TYPE_STORAGE},    {"Any", TYPE_ANY},
    {"NoneType", TYPE_NONE},       {"Capsule", TYPE_CAPSULE},   {"list", TYPE_ANY_LIST},      {"tuple", TYPE_ANY_TUPLE},
    {"AnyListType", TYPE_ANY_LIST}, {"AnyTupleType", TYPE_ANY_TUPLE}, {"AnyEnumType", TYPE_ANY_ENUM},
    {"AnyClassType", TYPE_ANY_CLASS},
};

static const Type *read_type(Reader *r, Suffix *s, int depth);

static void read_types(Reader *r, const char *end, const Type ***elems, uint32_t *count, int depth)
{
    *elems = NULL;
    *count = 0;
    while (!r->error && !accept(r, end)) {
        if (*count)
            expect(r, ",");
        Suffix ignored = {0};
        const Type *t = read_type(r, &ignored, depth + 1);
        if (t)
            ARENA_PUSH(r->arena, *elems, *count, t);
    }
}

static const Type *read_base_type(Reader *r, int depth)
{
    const Type **elems;
    uint32_t count;
    if (accept(r, "(")) {
        read_types(r, ")", &elems, &count, depth);
        return type_tuple(r->types, elems, count);
    }
    Str name = read_name(r, true);
    if (peek(r) == '(' || peek(r) == '[') { // Future(t), which prints as Future[t]
        TypeKind wrap = str_is(name, "Future") ? TYPE_FUTURE : str_is(name, "RRef") ? TYPE_RREF
                        : str_is(name, "Await") ? TYPE_AWAIT : str_is(name, "Dict") ? TYPE_DICT : TYPE_ANY;
        if (wrap != TYPE_ANY) {
            const char *end = accept(r, "(") ? ")" : "]";
            if (*end == ']')
                expect(r, "[");
            read_types(r, end, &elems, &count, depth);
            if (count != (wrap == TYPE_DICT ? 2 : 1)) {
                fail(r, "the right number of element types");
                return type_of_kind(r->types, TYPE_ANY);
            }
            return wrap == TYPE_DICT ? type_dict(r->types, elems[0], elems[1]) : type_wrap(r->types, wrap, elems[0]);
        }
    }
    for (size_t i = 0; i < sizeof simple_types / sizeof *simple_types; i++)
        if (str_is(name, simple_types[i].name))
            return type_of_kind(r->types, simple_types[i].kind);
    if (str_starts(name, STR("__torch__.")))
        return type_class(r->types, TYPE_CLASS, name, NULL);
    if (name.len && name.ptr[0] >= 'a' && name.ptr[0] <= 'z')
        return type_var(r->types, name);
    fail(r, "a type");
    return type_of_kind(r->types, TYPE_ANY);
}

// `(a)`, `(a!)`, `(a -> *)`, `(a|b)`.
static void read_alias(Reader *r, Suffix *s)
{
    peek(r);
    size_t start = ++r->pos;
    while (r->pos < r->text.len && r->text.ptr[r->pos] != ')')
        r->pos++;
    Str inside = {r->text.ptr + start, r->pos - start};
    expect(r, ")");
    s->writes |= str_find(inside, '!') >= 0;
    bool plain = true;
    size_t n = 0;
    for (; n < inside.len && is_name_char(inside.ptr[n]); n++)
        ;
    plain = n && (n == inside.len || (n + 1 == inside.len && inside.ptr[n] == '!'));
    s->alias = plain ? str_first(inside, n) : STR("*");
}

static const Type *read_type(Reader *r, Suffix *s, int depth)
{
    if (depth > 20) {
        fail(r, "less nesting");
        return NULL;
    }
    const Type *t = read_base_type(r, depth);
    for (;;) {
        char c = peek(r);
        if (c == '(') {
            read_alias(r, s);
        } else if (accept(r, "[")) {
            s->fixed_size = 0;
            if (peek(r) != ']') {
                s->fixed_size = atoi(r->text.ptr + r->pos);
                read_name(r, false);
            }
            expect(r, "]");
            t = type_list(r->types, t);
        } else if (accept(r, "?")) {
            t = type_optional(r->types, t);
        } else {
            return t;
        }
    }
}

static Datum *read_string(Reader *r)
{
    char *text = arena_alloc(r->arena, r->text.len - r->pos + 1);
    size_t len = 0;
    char quote = r->text.ptr[r->pos++];
    while (r->pos < r->text.len && r->text.ptr[r->pos] != quote) {
        char c = r->text.ptr[r->pos++];
        if (c == '\\' && r->pos < r->text.len) {
            c = r->text.ptr[r->pos++];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'f' ? '\f' : c == 'v' ? '\v' : c == 'r' ? '\r' : c;
        }
        text[len++] = c;
    }
    if (r->pos < r->text.len)
        r->pos++;
    else
        fail(r, "the end of a string");
    return datum_str(r->arena, (Str){text, len});
}

static Datum *read_number(Reader *r, const Type *type)
{
    char number[64];
    size_t n = 0;
    bool is_float = false;
    while (n < sizeof number - 1 && r->pos < r->text.len) {
        char c = r->text.ptr[r->pos];
        if (!(is_name_char(c) || c == '.' || c == '-' || c == '+'))
            break;
        is_float |= c == '.' || c == 'e' || c == 'f' || c == 'n';
        number[n++] = c;
        r->pos++;
    }
    number[n] = 0;
    if (n == 0)
        fail(r, "a default value");
    if (is_float || type->kind == TYPE_FLOAT)
        return datum_float(r->arena, strtod(number, NULL));
    return datum_int(r->arena, strtoll(number, NULL, 10));
}

static const Datum *read_default(Reader *r, const Type *type, int fixed_size)
{
    if (type->kind == TYPE_OPTIONAL)
        type = type->elem[0];
    if (accept(r, "None"))
        return &datum_none;
    if (accept(r, "True"))
        return &datum_true;
    if (accept(r, "False"))
        return &datum_false;
    char c = peek(r);
    if (c == '"' || c == '\'')
        return read_string(r);
    const Type *elem = type->kind == TYPE_LIST ? type->elem[0] : type;
    Datum **items = NULL;
    uint32_t count = 0;
    if (accept(r, "[")) {
        while (!r->error && !accept(r, "]")) {
            if (count)
                expect(r, ",");
            ARENA_PUSH(r->arena, items, count, (Datum *)read_default(r, elem, 0));
        }
        return datum_list(r->arena, DATUM_LIST, items, count);
    }
    Datum *one = read_number(r, elem);
    if (type->kind != TYPE_LIST)
        return one;
    for (int i = 0; i < fixed_size; i++)
        ARENA_PUSH(r->arena, items, count, one);
    return datum_list(r->arena, DATUM_LIST, items, count);
}

static void read_args(Reader *r, Schema *s)
{
    bool keyword_only = false;
    expect(r, "(");
    while (!r->error && !accept(r, ")")) {
        if (s->arg_count || keyword_only)
            expect(r, ",");
        if (accept(r, "...")) {
            s->vararg = true;
            continue;
        }
        if (accept(r, "*")) {
            keyword_only = true;
            continue;
        }
        Suffix suffix = {0};
        SchemaArg arg = {.keyword_only = keyword_only};
        arg.type = read_type(r, &suffix, 0);
        arg.name = peek(r) == ',' || peek(r) == ')' ? STR("") : read_name(r, false);
        arg.alias = suffix.alias;
        arg.writes = suffix.writes;
        arg.fixed_size = suffix.fixed_size;
        arg.broadcasting = suffix.fixed_size > 0;
        if (!r->error && accept(r, "="))
            arg.default_value = read_default(r, arg.type, arg.fixed_size);
        arg.is_out = keyword_only && suffix.writes && !arg.default_value;
        ARENA_PUSH(r->arena, s->args, s->arg_count, arg);
    }
}

static void read_return(Reader *r, Schema *s)
{
    Suffix suffix = {0};
    SchemaArg ret = {.type = read_type(r, &suffix, 0), .alias = suffix.alias, .writes = suffix.writes};
    ret.name = is_name_char(peek(r)) ? read_name(r, false) : STR("");
    ARENA_PUSH(r->arena, s->returns, s->return_count, ret);
}

static void read_returns(Reader *r, Schema *s)
{
    expect(r, "->");
    if (accept(r, "...")) {
        s->varret = true;
        return;
    }
    if (!accept(r, "(")) {
        read_return(r, s);
        return;
    }
    while (!r->error && !accept(r, ")")) {
        if (s->return_count)
            expect(r, ",");
        read_return(r, s);
    }
}

Status schema_parse(Arena *a, TypeTable *types, Str text, Schema **out)
{
    Reader r = {.arena = a, .types = types, .text = text};
    Schema *s = ARENA_NEW(a, Schema);
    s->full_name = read_name(&r, true);
    s->symbol = s->full_name;
    ptrdiff_t dot = str_find(s->full_name, '.');
    if (dot >= 0) {
        s->symbol = str_first(s->full_name, (size_t)dot);
        s->overload = str_from(s->full_name, (size_t)dot + 1);
    }
    s->index = -1;
    read_args(&r, s);
    read_returns(&r, s);
    if (!r.error && peek(&r))
        fail(&r, "the end");
    if (r.error)
        return status_fail(ST_INTERNAL, "operator signature \"" STR_FMT "\": expected %s at byte %zu", STR_ARG(text), r.error,
                           r.error_pos);
    *out = s;
    return ST_OK;
}

static void print_default(Buf *out, const Datum *d)
{
    switch (d->kind) {
    case DATUM_NONE:
        buf_z(out, "None");
        break;
    case DATUM_BOOL:
        buf_z(out, d->b ? "True" : "False");
        break;
    case DATUM_INT:
        buf_printf(out, "%lld", (long long)d->i);
        break;
    case DATUM_FLOAT:
        print_float(out, d->f);
        break;
    case DATUM_STR:
        print_quoted(out, d->s);
        break;
    case DATUM_LIST:
    case DATUM_TUPLE:
        buf_char(out, d->kind == DATUM_LIST ? '[' : '(');
        for (uint32_t i = 0; i < d->count; i++) {
            buf_z(out, i ? ", " : "");
            print_default(out, d->items[i]);
        }
        buf_char(out, d->kind == DATUM_LIST ? ']' : ')');
        break;
    default:
        buf_z(out, "...");
        break;
    }
}

static void print_arg(Buf *out, const SchemaArg *arg)
{
    type_print_ir(out, arg->type);
    if (arg->name.len)
        buf_printf(out, " " STR_FMT, STR_ARG(arg->name));
    if (arg->default_value) {
        buf_char(out, '=');
        print_default(out, arg->default_value);
    }
}

void schema_print(Buf *out, const Schema *s)
{
    buf_printf(out, STR_FMT "(", STR_ARG(s->full_name));
    bool keyword_only = false;
    for (uint32_t i = 0; i < s->arg_count; i++) {
        buf_z(out, i ? ", " : "");
        if (s->args[i].keyword_only && !keyword_only)
            buf_z(out, "*, ");
        keyword_only = s->args[i].keyword_only;
        print_arg(out, &s->args[i]);
    }
    if (s->vararg)
        buf_z(out, s->arg_count ? ", ..." : "...");
    buf_z(out, ") -> ");
    if (s->varret)
        buf_z(out, "...");
    // A single result whose type starts with '(' is enclosed, or it would read as several results.
    Buf returns = {0};
    for (uint32_t i = 0; i < s->return_count; i++) {
        buf_z(&returns, i ? ", " : "");
        print_arg(&returns, &s->returns[i]);
    }
    bool enclose = !s->varret && (s->return_count != 1 || (returns.len && returns.ptr[0] == '('));
    buf_z(out, enclose ? "(" : "");
    buf_str(out, buf_view(&returns));
    buf_z(out, enclose ? ")" : "");
    out->failed |= returns.failed;
    buf_free(&returns);
}
