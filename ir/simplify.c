// Simplification: walks in program order that fold, rewrite and take branches; inputs of a node are final when the walk
// reaches it, so that one walk settles most, and a second finds what the first uncovered. Merging equal expressions in
// between lets what is known about one value hold for all of them.
#include "ir/pass.h"

enum { MAX_ROUNDS = 5 };

static bool simplify_once(PassContext *c)
{
    Alias *alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL);
    Peephole *p = peephole_new(c);
    bool changed = false;
    find_dtypes(c);
    c->rank_count = c->graph->next_id;
    c->nested_known = c->makes_nested = false;
    c->rank_of = ARENA_ARRAY(&c->scratch, Value *, c->rank_count + 1);
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
    bool changed = false, again = true;
    for (int i = 0; i < MAX_ROUNDS && again; i++) {
        c->changed = false;
        again = simplify_once(c) | c->changed;
        c->changed = false;
        if (again)
            TRY(pass_cse(c));
        changed |= again;
        again |= c->changed;
    }
    c->changed = changed;
    return ST_OK;
}
