// What the two halves of the graph reader share: the cursor over the text, types and literals.
// Private to read_graph.c and read_value.c.
#ifndef TSB_IR_READ_GRAPH_H
#define TSB_IR_READ_GRAPH_H

#include "ir/print.h"

// The first failure sticks in `status`; after it every step is a no-op that moves to the end of the text.
typedef struct GraphReader {
    Str text;
    size_t at;
    Status status;
    int depth;         // of nested types, literals and blocks
    Arena *arena;
    TypeTable *types;
    OpTable *ops;
    StrMap like_types; // printed type -> Type, of the graph that the text resembles
    StrMap like;       // printed name -> Value of it
} GraphReader;

enum { READ_DEPTH = 200 };

void read_fail(GraphReader *r, const char *what);
char read_peek(const GraphReader *r);              // 0 at the end
bool read_is(const GraphReader *r, const char *z); // does the text go on with z?
bool read_accept(GraphReader *r, const char *z);   // … then moves over it
void read_expect(GraphReader *r, const char *z);
void read_blanks(GraphReader *r);                  // blanks, not newlines
Str read_until(GraphReader *r, const char *stops); // up to one of these characters
int64_t read_int(GraphReader *r);
Str read_quoted(GraphReader *r);                   // "text" with its escapes

const Type *read_type(GraphReader *r);             // never NULL: Any after a failure
// A constant of that type; `name` is the printed name of its value, to find it in the like graph when the text does not
// tell it whole.
Datum *read_literal(GraphReader *r, const Type *type, Str name);

#endif
