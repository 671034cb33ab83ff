// Prints every operator of ops.def, one per line, with what becomes of it: "bound" when a worker/ops_*.c implements it
// or the language has a node of its own for it, "missing" otherwise. operators.py makes OPERATORS.md of it.
#include "worker/op.h"

#include <stdio.h>

static const char *const names[] = {
#define OP(name, signature, effect) name,
#include "ir/ops.def"
#undef OP
};

// Instructions of the interpreter (ir/graph.h) have no schema; the rows of ops.def that they stand for have their text.
static const char *const nodes[] = {
#define X(name, text) text,
    NODE_KIND_LIST(X)
#undef X
};

static bool is_node(Str name)
{
    ptrdiff_t dot = str_find(name, '.');
    Str symbol = dot < 0 ? name : str_first(name, (size_t)dot);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        if (nodes[i] && str_is(symbol, nodes[i]))
            return true;
    return false;
}

int main(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        printf("%s %s\n", is_node(str_of(names[i])) || op_find(str_of(names[i])) ? "bound" : "missing", names[i]);
    return 0;
}
