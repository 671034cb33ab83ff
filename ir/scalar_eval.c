// Operators on numbers, strings, None and tuples, evaluated while compiling.
// Integers wrap, // and % floor, ** and / give floats, and whatever would raise is left alone.
#include "ir/scalar_eval.h"

#include "ir/compile.h"

#include <math.h>

typedef struct Number {
    bool is_float;
    int64_t i;
    double f;
} Number;

static bool number_of(const Datum *d, Number *out)
{
    if (d->kind == DATUM_INT)
        *out = (Number){false, d->i, (double)d->i};
    else if (d->kind == DATUM_FLOAT)
        *out = (Number){true, 0, d->f};
    else
        return false;
    return true;
}

static Datum *compare_ints(Str op, int64_t a, int64_t b)
{
    return str_is(op, "eq")   ? datum_bool(a == b)
           : str_is(op, "ne") ? datum_bool(a != b)
           : str_is(op, "lt") ? datum_bool(a < b)
           : str_is(op, "le") ? datum_bool(a <= b)
           : str_is(op, "gt") ? datum_bool(a > b)
           : str_is(op, "ge") ? datum_bool(a >= b)
                              : NULL;
}

static Datum *compare_floats(Str op, double a, double b)
{
    return str_is(op, "eq")   ? datum_bool(a == b)
           : str_is(op, "ne") ? datum_bool(a != b)
           : str_is(op, "lt") ? datum_bool(a < b)
           : str_is(op, "le") ? datum_bool(a <= b)
           : str_is(op, "gt") ? datum_bool(a > b)
           : str_is(op, "ge") ? datum_bool(a >= b)
                              : NULL;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static Datum *eval_ints(Arena *m, Str op, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    if (str_is(op, "add"))
        return datum_int(m, (int64_t)(x + y));
    if (str_is(op, "sub"))
        return datum_int(m, (int64_t)(x - y));
    if (str_is(op, "mul"))
        return datum_int(m, (int64_t)(x * y));
    if (str_is(op, "floordiv"))
        return b ? datum_int(m, floor_divide(a, b)) : NULL;
    if (str_is(op, "remainder"))
        return b ? datum_int(m, (int64_t)(x - (uint64_t)floor_divide(a, b) * y)) : NULL;
    if (str_is(op, "div"))
        return datum_float(m, (double)a / (double)b);
    if (str_is(op, "pow"))
        return a == 0 && b < 0 ? NULL : datum_float(m, pow((double)a, (double)b));
    if (str_is(op, "__and__"))
        return datum_int(m, a & b);
    if (str_is(op, "__or__"))
        return datum_int(m, a | b);
    if (str_is(op, "__xor__"))
        return datum_int(m, a ^ b);
    if (str_is(op, "min"))
        return datum_int(m, a < b ? a : b);
    if (str_is(op, "max"))
        return datum_int(m, a > b ? a : b);
    return compare_ints(op, a, b);
}

static Datum *eval_floats(Arena *m, Str op, double a, double b)
{
    if (str_is(op, "add"))
        return datum_float(m, a + b);
    if (str_is(op, "sub"))
        return datum_float(m, a - b);
    if (str_is(op, "mul"))
        return datum_float(m, a * b);
    if (str_is(op, "div"))
        return datum_float(m, a / b);
    if (str_is(op, "pow"))
        return a == 0 && b < 0 ? NULL : datum_float(m, pow(a, b));
    return compare_floats(op, a, b);
}

static Datum *eval_bools(Str op, bool a, bool b)
{
    if (str_is(op, "__and__"))
        return datum_bool(a && b);
    if (str_is(op, "__or__"))
        return datum_bool(a || b);
    if (str_is(op, "__xor__") || str_is(op, "ne"))
        return datum_bool(a != b);
    if (str_is(op, "eq"))
        return datum_bool(a == b);
    return NULL;
}

static Datum *eval_two(Arena *m, Str op, Datum *a, Datum *b)
{
    if (str_is(op, "__is__") || str_is(op, "__isnot__")) {
        if (a->kind != DATUM_NONE && b->kind != DATUM_NONE)
            return NULL;
        bool both = a->kind == DATUM_NONE && b->kind == DATUM_NONE;
        return datum_bool(str_is(op, "__is__") ? both : !both);
    }
    Number x, y;
    if (number_of(a, &x) && number_of(b, &y))
        return x.is_float || y.is_float ? eval_floats(m, op, x.f, y.f) : eval_ints(m, op, x.i, y.i);
    if (a->kind == DATUM_BOOL && b->kind == DATUM_BOOL)
        return eval_bools(op, a->b, b->b);
    if (a->kind == DATUM_STR && b->kind == DATUM_STR) {
        if (str_is(op, "eq"))
            return datum_bool(str_eq(a->s, b->s));
        if (str_is(op, "ne"))
            return datum_bool(!str_eq(a->s, b->s));
        if (str_is(op, "add"))
            return datum_str(m, arena_printf(m, STR_FMT STR_FMT, STR_ARG(a->s), STR_ARG(b->s)));
    }
    if (a->kind == DATUM_ENUM && b->kind == DATUM_ENUM && (str_is(op, "eq") || str_is(op, "ne")))
        return datum_bool((str_eq(a->name, b->name) && datum_equal(a->items[0], b->items[0])) == str_is(op, "eq"));
    return NULL;
}

static Datum *eval_one(Arena *m, Str op, Datum *a)
{
    Number x;
    if (str_is(op, "__not__"))
        return a->kind == DATUM_BOOL ? datum_bool(!a->b) : NULL;
    if (str_is(op, "device") && a->kind == DATUM_STR) { // a wrong name is the operator's to raise
        Str kind;
        int64_t index;
        if (!device_text_parse(a->s, &kind, &index) || !device_kind_known(kind))
            return NULL;
        Datum *d = datum_str(m, a->s);
        d->kind = DATUM_DEVICE;
        return d;
    }
    if (str_is(op, "len") && a->kind == DATUM_STR)
        return datum_int(m, (int64_t)a->s.len);
    if (a->kind == DATUM_BOOL)
        return str_is(op, "Int") ? datum_int(m, a->b) : str_is(op, "Float") ? datum_float(m, a->b) : str_is(op, "Bool") ? a : NULL;
    if (!number_of(a, &x))
        return NULL;
    if (str_is(op, "neg"))
        return x.is_float ? datum_float(m, -x.f) : datum_int(m, (int64_t)(0 - (uint64_t)x.i));
    if (str_is(op, "Float"))
        return datum_float(m, x.f);
    if (str_is(op, "Bool"))
        return datum_bool(x.f != 0);
    if (str_is(op, "Int") && (!x.is_float || fabs(x.f) < 0x1p62))
        return datum_int(m, x.is_float ? (int64_t)x.f : x.i);
    if (str_is(op, "sqrt") && x.f >= 0)
        return datum_float(m, sqrt(x.f));
    if (str_is(op, "floor") && fabs(x.f) < 0x1p62)
        return datum_int(m, (int64_t)floor(x.f));
    if (str_is(op, "ceil") && fabs(x.f) < 0x1p62)
        return datum_int(m, (int64_t)ceil(x.f));
    if (str_is(op, "abs"))
        return x.is_float ? datum_float(m, fabs(x.f)) : datum_int(m, x.i < 0 ? (int64_t)(0 - (uint64_t)x.i) : x.i);
    return NULL;
}

// __range_length(low, high, step) and __derive_index(index, start, step).
static Datum *eval_three_ints(Arena *m, Str op, int64_t a, int64_t b, int64_t c)
{
    if (str_is(op, "__derive_index"))
        return datum_int(m, (int64_t)((uint64_t)b + (uint64_t)a * (uint64_t)c));
    if (!str_is(op, "__range_length") || c == 0)
        return NULL;
    if (c > 0 ? a >= b : a <= b)
        return datum_int(m, 0);
    uint64_t span = c > 0 ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b, step = c > 0 ? (uint64_t)c : 0 - (uint64_t)c;
    return datum_int(m, (int64_t)((span - 1) / step + 1));
}

static Datum *eval_tuple_index(const Datum *tuple, const Datum *index)
{
    if (tuple->kind != DATUM_TUPLE || index->kind != DATUM_INT)
        return NULL;
    int64_t k = index->i < 0 ? index->i + tuple->count : index->i;
    return k >= 0 && k < tuple->count ? tuple->items[k] : NULL;
}

static Datum *eval_isinstance(Program *p, const Node *n, const Datum *d)
{
    const Type *t = type_of_datum(p, d);
    for (uint32_t i = 0; i < n->type_count; i++)
        if (type_is_subtype(t, n->types[i]))
            return datum_bool(true);
    return datum_bool(false);
}

static Str name_after_namespace(Str symbol)
{
    for (size_t i = 0; i + 1 < symbol.len; i++)
        if (symbol.ptr[i] == ':' && symbol.ptr[i + 1] == ':')
            return str_from(symbol, i + 2);
    return symbol;
}

Datum *scalar_eval(Program *p, Arena *a, const Node *n)
{
    Datum **in = ARENA_ARRAY(a, Datum *, n->input_count + 1);
    for (uint32_t i = 0; i < n->input_count; i++)
        in[i] = value_constant(n->inputs[i]);
    switch (n->kind) {
    case NODE_TUPLE_CONSTRUCT:
        return datum_list(a, DATUM_TUPLE, in, n->input_count);
    case NODE_TUPLE_INDEX:
        return eval_tuple_index(in[0], in[1]);
    case NODE_UNCHECKED_CAST:
        return in[0];
    case NODE_ISINSTANCE:
        return eval_isinstance(p, n, in[0]);
    case NODE_ENUM_VALUE:
        return in[0]->kind == DATUM_ENUM ? in[0]->items[0] : NULL;
    case NODE_OP: {
        Str op = name_after_namespace(n->schema->symbol);
        if (n->input_count == 3 && in[0]->kind == DATUM_INT && in[1]->kind == DATUM_INT && in[2]->kind == DATUM_INT)
            return eval_three_ints(a, op, in[0]->i, in[1]->i, in[2]->i);
        return n->input_count == 1 ? eval_one(a, op, in[0]) : n->input_count == 2 ? eval_two(a, op, in[0], in[1]) : NULL;
    }
    default:
        return NULL;
    }
}
