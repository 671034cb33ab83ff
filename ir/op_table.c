// The operator table: static rows from ops.def, sorted by symbol, parsed when a symbol is first asked for.
// A model uses a few hundred of the four thousand rows, so nothing is done for the others.
#include "ir/schema.h"

typedef struct Row {
    const char *name, *signature;
    OpEffect effect;
} Row;

static const Row rows[] = {
#define OP(name, signature, effect) {name, signature, EFFECT_##effect},
#include "ir/ops.def"
#undef OP
};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

typedef struct Overloads {
    const Schema **items;
    uint32_t count;
} Overloads;

struct OpTable {
    Arena *arena;
    TypeTable *types;
    StrMap symbols; // "aten::add" -> Overloads
};

OpTable *op_table_new(Arena *a, TypeTable *types)
{
    OpTable *t = ARENA_NEW(a, OpTable);
    if (t)
        *t = (OpTable){.arena = a, .types = types};
    return t;
}

static Str row_symbol(int i)
{
    const char *dot = strchr(rows[i].name, '.');
    return dot ? (Str){rows[i].name, (size_t)(dot - rows[i].name)} : str_of(rows[i].name);
}

static int compare(Str a, Str b)
{
    int c = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int first_row(Str symbol)
{
    int low = 0, high = ROW_COUNT;
    while (low < high) {
        int middle = (low + high) / 2;
        if (compare(row_symbol(middle), symbol) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static Schema *parse_row(OpTable *t, int i)
{
    Schema *s = NULL;
    Str text = arena_printf(t->arena, "%s%s", rows[i].name, rows[i].signature);
    if (schema_parse(t->arena, t->types, text, &s) != ST_OK)
        return NULL; // a unit test parses every row, so this is memory running out
    s->effect = rows[i].effect;
    s->index = i;
    return s;
}

static const Overloads *find(OpTable *t, Str symbol)
{
    Overloads *o = strmap_get(&t->symbols, symbol);
    if (o)
        return o;
    o = ARENA_NEW(t->arena, Overloads);
    for (int i = first_row(symbol); i < ROW_COUNT && str_eq(row_symbol(i), symbol); i++) {
        const Schema *s = parse_row(t, i);
        if (s)
            ARENA_PUSH(t->arena, o->items, o->count, s);
    }
    strmap_put(&t->symbols, t->arena, arena_str(t->arena, symbol), o);
    return o;
}

const Schema *const *op_table_overloads(OpTable *t, Str symbol, uint32_t *count)
{
    const Overloads *o = find(t, symbol);
    *count = o->count;
    return o->items;
}

const Schema *op_table_find(OpTable *t, Str full_name)
{
    ptrdiff_t dot = str_find(full_name, '.');
    const Overloads *o = find(t, dot < 0 ? full_name : str_first(full_name, (size_t)dot));
    for (uint32_t i = 0; i < o->count; i++)
        if (str_eq(o->items[i]->full_name, full_name))
            return o->items[i];
    return NULL;
}

int op_table_rows(void) { return ROW_COUNT; }

const char *op_table_row_name(int i) { return i >= 0 && i < ROW_COUNT ? rows[i].name : NULL; }

const char *op_table_row_signature(int i) { return i >= 0 && i < ROW_COUNT ? rows[i].signature : NULL; }
