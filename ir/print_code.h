// What the two halves of the code printer share: the text of every value, and the expression of a node.
// Private to print_code.c and print_expr.c.
#ifndef TSB_IR_PRINT_CODE_H
#define TSB_IR_PRINT_CODE_H

#include "ir/print.h"

// How a value prints where it is used. Hangs on value->note while printing.
typedef struct ValueText {
    Str text;
    bool is_name;      // text is the variable that holds the value: it was assigned already
    bool is_alias;     // of another value: a loop's block input, a captured value
    bool annotated;    // its type was written once
} ValueText;

typedef struct NodePlan { // on node->note
    bool inlined;      // printed inside the expression that uses it
    bool split;        // its inputs up to `split_offset` were looked at for splitting
    int64_t split_offset;
    bool listed;       // a constant that is on the list already
} NodePlan;

typedef struct CodePrinter {
    Buf *body;
    Buf *scratch;      // for one expression at a time; owned by the caller
    Arena *arena;      // of this printing
    size_t level;      // of indentation, two spaces each
    StrMap used;       // names taken in this function
    StrMap next;       // name -> uint64_t*, the number that follows it when it is taken
    Datum **constants; // CONSTANTS.c0 …
    uint32_t constant_count;
} CodePrinter;

// The text of v at a use.
Str code_use(const Value *v);
static inline NodePlan *code_plan(const Node *n) { return n->note; }

// The right-hand side of node n.
void code_expression(CodePrinter *p, Buf *out, const Node *n);
// A constant as source text: tensors, objects and strings beyond ASCII go to the constants table.
void code_constant(CodePrinter *p, Buf *out, const Datum *d, const Type *type);
bool is_identifier(Str s);

#endif
