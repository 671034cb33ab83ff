// Operator schemas: parsed rows of ops.def, and the signatures of functions and methods.
#ifndef TSB_IR_SCHEMA_H
#define TSB_IR_SCHEMA_H

#include "io/datum.h"
#include "ir/type.h"

typedef enum OpEffect { EFFECT_PURE, EFFECT_ALIAS, EFFECT_WRITES, EFFECT_RANDOM, EFFECT_EFFECT } OpEffect;

typedef struct SchemaArg {
    Str name;
    const Type *type;
    int fixed_size;        // N of `int[N]`, else 0: a single number is then repeated N times
    bool broadcasting;     // has fixed_size: int -> int[N] allowed
    bool keyword_only;
    bool is_out;           // an `out=` argument
    bool writes;           // annotated (a!)
    Str alias;             // "a", "*" or "" (annotation of the argument or result)
    const Datum *default_value; // NULL: required
} SchemaArg;

typedef struct Schema {
    Str full_name;   // "aten::add.Tensor"
    Str symbol;      // "aten::add"
    Str overload;    // "Tensor" or ""
    SchemaArg *args;
    uint32_t arg_count;
    SchemaArg *returns;
    uint32_t return_count;
    bool vararg, varret; // "..." in arguments or results
    OpEffect effect;
    int index;       // row of ops.def, or -1 for functions and old schemas of upgraders
} Schema;

typedef struct OpTable OpTable; // parsed lazily, symbol by symbol: a model uses a few hundred of 4,000 rows

OpTable *op_table_new(Arena *a, TypeTable *types);
// All overloads of "aten::add" in resolution order; count 0 when the symbol is unknown.
const Schema *const *op_table_overloads(OpTable *t, Str symbol, uint32_t *count);
// One overload by full name ("aten::add.Tensor"), or NULL.
const Schema *op_table_find(OpTable *t, Str full_name);
// Number of rows, and row i's name and signature, without parsing.
int op_table_rows(void);
const char *op_table_row_name(int i);
const char *op_table_row_signature(int i);

// Parses "name(args) -> results". ST_INTERNAL with the position of the first error.
Status schema_parse(Arena *a, TypeTable *types, Str text, Schema **out);
// `forward(__torch__.M self, Tensor x, int k=2) -> Tensor`
void schema_print(Buf *out, const Schema *s);

#endif
