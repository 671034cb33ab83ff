// Simplification: one walk in program order that folds, rewrites and takes branches; inputs of a node are final when the
// walk reaches it, so one walk settles nearly everything, and a second finds what the first uncovered.
#include "ir/pass.h"

enum { MAX_ROUNDS = 4 };

static bool simplify_once(PassContext *c)
{
    Alias *alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL);
    Peephole *p = peephole_new(c);
    bool changed = false;
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = NULL;
        if (n->kind == NODE_CONSTANT || n->kind == NODE_GET_ATTR) {
            next = node_next_deep(n);
        } else if (fold_control_flow(c, alias, n, &next) || peephole(p, alias, n, &next) || fold_constants(c, alias, n, &next)) {
            changed = true;
        } else {
            next = node_next_deep(n);
        }
    }
    return changed;
}

Status pass_simplify(PassContext *c)
{
    for (int i = 0; i < MAX_ROUNDS && simplify_once(c); i++)
        c->changed = true;
    return ST_OK;
}
