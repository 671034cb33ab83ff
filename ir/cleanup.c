// The passes that PyTorch runs on every function when it is compiled, in its order (torchscript.md §5.1, steps 4 to 6),
// except constant propagation (fold_scalars.c).
#include "ir/compile.h"

#include <stdlib.h>

// ---- loops with both a trip count and a condition become loops on a condition ------------------------------------

static Node *add_op(Program *p, Graph *g, Node *at, const char *name, Value *a, Value *b, TypeKind type)
{
    Node *n = node_new_op(g, op_table_find(p->ops, str_of(name)));
    node_add_input(n, a);
    node_add_input(n, b);
    node_add_output(g, n, type_of_kind(g->types, type));
    node_insert_before(n, at);
    return n;
}

static Value *add_int(Graph *g, Node *at, int64_t v)
{
    return graph_constant(g, at, datum_int(g->arena, v), type_of_kind(g->types, TYPE_INT));
}

static bool is_modified_loop(const Node *n)
{
    int64_t trips;
    bool first, next;
    bool always = value_constant_bool(n->inputs[1], &first) && first &&
                  value_constant_bool(n->blocks[0]->ret->inputs[0], &next) && next;
    bool counted = !value_constant_int(n->inputs[0], &trips) || trips != INT64_MAX || n->blocks[0]->param->outputs[0]->uses;
    return !always && counted;
}

static void canonicalize_loop(Program *p, Graph *g, Node *n)
{
    Block *body = n->blocks[0];
    Value *zero = add_int(g, n, 0), *one = add_int(g, n, 1), *trips = n->inputs[0], *index = body->param->outputs[0];
    Value *cond = add_op(p, g, n, "aten::gt.int", trips, zero, TYPE_BOOL)->outputs[0];
    node_set_input(n, 0, add_int(g, n, INT64_MAX));
    bool first;
    if (!value_constant_bool(n->inputs[1], &first) || !first)
        cond = add_op(p, g, n, "aten::__and__.bool", cond, n->inputs[1], TYPE_BOOL)->outputs[0];
    node_set_input(n, 1, cond);
    node_add_output(g, n, index->type);
    node_add_input(n, zero);
    Value *count = block_add_input(g, body, index->type);
    value_set_name(index, (Str){0});
    value_replace_all(index, count);
    Value *more = add_op(p, g, body->ret, "aten::add.int", count, one, TYPE_INT)->outputs[0];
    block_add_output(body, more);
    Value *below = add_op(p, g, body->ret, "aten::lt.int", more, trips, TYPE_BOOL)->outputs[0];
    Value *next = add_op(p, g, body->ret, "aten::__and__.bool", below, body->ret->inputs[0], TYPE_BOOL)->outputs[0];
    node_set_input(body->ret, 0, next);
}

static void canonicalize_loops(Program *p, Graph *g, Block *b)
{
    for (Node *n = block_first(b); n != b->ret; n = n->next) {
        for (uint32_t i = 0; i < n->block_count; i++)
            canonicalize_loops(p, g, n->blocks[i]);
        if (n->kind == NODE_LOOP && is_modified_loop(n))
            canonicalize_loop(p, g, n);
    }
}

void loops_canonicalize(Program *p, Graph *g) { canonicalize_loops(p, g, g->top); }

// ---- aliases of operators -----------------------------------------------------------------------------------------

// In-place twins have the same names with '_' behind them.
static const char *const aliases[][2] = {
    {"absolute", "abs"}, {"clip", "clamp"}, {"det", "linalg_det"}, {"matrix_power", "linalg_matrix_power"},
    {"matrix_exp", "linalg_matrix_exp"}, {"ger", "outer"}, {"arccos", "acos"}, {"arcsin", "asin"}, {"arctan", "atan"},
    {"arctan2", "atan2"}, {"arccosh", "acosh"}, {"arcsinh", "asinh"}, {"arctanh", "atanh"}, {"fix", "trunc"},
    {"negative", "neg"}, {"subtract", "sub"}, {"multiply", "mul"}, {"divide", "div"}, {"true_divide", "div"},
    {"greater", "gt"}, {"greater_equal", "ge"}, {"less", "lt"}, {"less_equal", "le"}, {"not_equal", "ne"},
    {"linalg_matmul", "matmul"}, {"inverse", "linalg_inv"}, {"concat", "cat"}, {"concatenate", "cat"},
    {"row_stack", "vstack"}, {"swapdims", "transpose"}, {"swapaxes", "transpose"}, {"moveaxis", "movedim"},
    {"orgqr", "linalg_householder_product"}, {"adjoint", "mH"}, {"special_erf", "erf"}, {"special_erfc", "erfc"},
    {"special_erfinv", "erfinv"}, {"special_expit", "sigmoid"}, {"special_exp2", "exp2"}, {"special_expm1", "expm1"},
    {"special_logit", "logit"}, {"special_logsumexp", "logsumexp"}, {"special_round", "round"}, {"special_log1p", "log1p"},
    {"special_sinc", "sinc"}, {"special_digamma", "digamma"}, {"special_psi", "digamma"}, {"special_i0", "i0"},
    {"special_xlogy", "xlogy"}, {"special_log_softmax", "log_softmax"}, {"special_softmax", "softmax"},
    {"special_multigammaln", "mvlgamma"}, {"special_polygamma", "polygamma"}, {"special_gammainc", "igamma"},
    {"special_gammaincc", "igammac"}, {"special_gammaln", "lgamma"},
};

static Str alias_of(Arena *a, Str symbol)
{
    if (!str_starts(symbol, STR("aten::")))
        return (Str){0};
    Str name = str_from(symbol, 6);
    bool in_place = name.len > 1 && name.ptr[name.len - 1] == '_' && name.ptr[name.len - 2] != '_';
    if (in_place)
        name.len--;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (str_is(name, aliases[i][0]))
            return arena_printf(a, "aten::%s%s", aliases[i][1], in_place ? "_" : "");
    return (Str){0};
}

// The overload of `symbol` with the arguments and results of `like`.
static const Schema *same_signature(Program *p, Str symbol, const Schema *like)
{
    uint32_t n;
    const Schema *const *all = op_table_overloads(p->ops, symbol, &n);
    for (uint32_t i = 0; i < n; i++) {
        const Schema *s = all[i];
        bool same = s->arg_count == like->arg_count && s->return_count == like->return_count;
        for (uint32_t k = 0; same && k < s->arg_count; k++)
            same = s->args[k].type == like->args[k].type && s->args[k].keyword_only == like->args[k].keyword_only;
        for (uint32_t k = 0; same && k < s->return_count; k++)
            same = s->returns[k].type == like->returns[k].type;
        if (same)
            return s;
    }
    return NULL;
}

static Node *replace_node(Graph *g, Node *n, const Schema *schema)
{
    Node *fresh = node_new_op(g, schema);
    node_insert_before(fresh, n);
    fresh->range = n->range;
    fresh->scope = n->scope;
    for (uint32_t i = 0; i < n->input_count; i++)
        node_add_input(fresh, n->inputs[i]);
    for (uint32_t i = 0; i < n->output_count; i++) {
        Value *out = node_add_output(g, fresh, n->outputs[i]->type);
        if (n->outputs[i]->name.len)
            value_set_name(out, n->outputs[i]->name);
        value_replace_all(n->outputs[i], out);
    }
    node_destroy(n);
    return fresh;
}

static void normalize_node(Program *p, Graph *g, Node *n)
{
    Str symbol = n->schema->symbol;
    if (str_is(n->schema->full_name, "aten::rsub.Tensor")) {
        Value *a = n->inputs[0], *b = n->inputs[1];
        Node *fresh = replace_node(g, n, op_table_find(p->ops, STR("aten::sub.Tensor")));
        node_set_input(fresh, 0, b);
        node_set_input(fresh, 1, a);
        return;
    }
    bool is = str_is(symbol, "aten::__is__");
    if ((is || str_is(symbol, "aten::__isnot__")) && n->inputs[0]->type->kind == TYPE_BOOL && n->inputs[1]->type->kind == TYPE_BOOL) {
        replace_node(g, n, op_table_find(p->ops, is ? STR("aten::eq.bool") : STR("aten::ne.bool")));
        return;
    }
    Str alias = alias_of(g->arena, symbol);
    const Schema *schema = alias.len ? same_signature(p, alias, n->schema) : NULL;
    if (schema)
        replace_node(g, n, schema);
}

static void normalize_block(Program *p, Graph *g, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->block_count; i++)
            normalize_block(p, g, n->blocks[i]);
        if (n->kind == NODE_OP)
            normalize_node(p, g, n);
    }
}

void ops_normalize(Program *p, Graph *g) { normalize_block(p, g, g->top); }

// ---- tuples that are taken apart where they are made -------------------------------------------------------------

static void lower_tuple(Node *n)
{
    const Node *made = n->inputs[0]->node;
    if (made->kind != NODE_TUPLE_CONSTRUCT)
        return;
    if (n->kind == NODE_TUPLE_UNPACK) {
        for (uint32_t i = 0; i < n->output_count; i++)
            value_replace_all(n->outputs[i], made->inputs[i]);
        return;
    }
    int64_t k;
    if (!value_constant_int(n->inputs[1], &k))
        return;
    if (k < 0)
        k += made->input_count;
    if (k >= 0 && k < made->input_count)
        value_replace_all(n->outputs[0], made->inputs[k]);
}

void lower_simple_tuples(Graph *g)
{
    for (Node *n = graph_first(g); n; n = node_next_deep(n))
        if (n->kind == NODE_TUPLE_UNPACK || n->kind == NODE_TUPLE_INDEX)
            lower_tuple(n);
    eliminate_dead_code(g);
}

// ---- dead code ----------------------------------------------------------------------------------------------------

static bool has_effect(const Node *n)
{
    switch (n->kind) {
    case NODE_OP:
        return n->schema->effect == EFFECT_EFFECT;
    case NODE_SET_ATTR:
    case NODE_CALL_METHOD:
    case NODE_CALL_FUNCTION:
    case NODE_RAISE:
    case NODE_PRINT:
    case NODE_FORK:
    case NODE_AWAITABLE:
    case NODE_ENTER:
    case NODE_EXIT:
    case NODE_RETURN_STMT:
    case NODE_LOOP_CONDITION:
        return true;
    default:
        return false;
    }
}

static void drop_unused_outputs(Node *n)
{
    for (uint32_t i = n->output_count; i-- > 0;) {
        if (n->outputs[i]->uses)
            continue;
        if (n->kind == NODE_IF) {
            node_remove_output(n, i);
            node_remove_input(n->blocks[0]->ret, i);
            node_remove_input(n->blocks[1]->ret, i);
        } else if (n->kind == NODE_LOOP && !n->blocks[0]->param->outputs[1 + i]->uses) {
            node_remove_output(n, i);
            node_remove_input(n, 2 + i);
            node_remove_output(n->blocks[0]->param, 1 + i);
            node_remove_input(n->blocks[0]->ret, 1 + i);
        }
    }
}

// Backwards over the block; true when something with an effect is left in it.
static bool sweep(Block *b, bool dead_writes)
{
    bool block_effect = false;
    for (Node *n = b->ret->prev, *prev; n != b->ret; n = prev) {
        prev = n->prev;
        if (n->kind == NODE_IF || n->kind == NODE_LOOP)
            drop_unused_outputs(n);
        bool effect = has_effect(n), used = false;
        if (n->kind == NODE_OP && n->schema->effect == EFFECT_WRITES)
            effect = !dead_writes || !is_dead_write(n);
        for (uint32_t i = 0; i < n->block_count; i++)
            effect |= sweep(n->blocks[i], dead_writes);
        for (uint32_t i = 0; i < n->output_count; i++)
            used |= n->outputs[i]->uses != NULL;
        if (!effect && !used)
            node_destroy(n);
        block_effect |= effect;
    }
    return block_effect;
}

// What is written to memory that nobody looks at goes too.
void eliminate_dead_code(Graph *g) { sweep(g->top, find_dead_writes(g->arena, g, has_effect)); }

// ---- one constant for equal constants, all at the front ----------------------------------------------------------

// Text that equal constants share.
static void constant_key(Buf *key, const Datum *d)
{
    buf_printf(key, "%d:", d ? (int)d->kind : (int)DATUM_NONE);
    if (!d)
        return;
    switch (d->kind) {
    case DATUM_NONE:
        break;
    case DATUM_BOOL:
        buf_char(key, d->b ? '1' : '0');
        break;
    case DATUM_INT:
        buf_bytes(key, &d->i, sizeof d->i);
        break;
    case DATUM_FLOAT: {
        double f = d->f == 0 ? 0 : d->f; // by value, as PyTorch does: of 0. and -0. the first is both
        buf_bytes(key, &f, sizeof f);
        break;
    }
    case DATUM_COMPLEX:
        buf_bytes(key, &d->c, sizeof d->c);
        break;
    case DATUM_STR:
    case DATUM_DEVICE:
        buf_printf(key, "%zu:", d->s.len);
        buf_str(key, d->s);
        break;
    case DATUM_FUNCTION:
        buf_str(key, d->name);
        break;
    case DATUM_ENUM:
        buf_printf(key, STR_FMT ":", STR_ARG(d->name));
        constant_key(key, d->items[0]);
        break;
    case DATUM_TUPLE:
    case DATUM_LIST:
        buf_printf(key, "%u(", d->count);
        for (uint32_t i = 0; i < d->count; i++)
            constant_key(key, d->items[i]);
        break;
    default: // tensors, dicts, objects: only with themselves
        buf_bytes(key, &d, sizeof d);
        break;
    }
}

// A list that is written to, returned or stored must not be merged with another.
static bool may_be_shared(const Value *v)
{
    if (v->type->kind != TYPE_LIST && v->type->kind != TYPE_DICT)
        return true;
    for (const Use *u = v->uses; u; u = u->next) {
        const Node *n = u->user;
        if (n->kind != NODE_OP || n->schema->effect == EFFECT_WRITES || n->schema->effect == EFFECT_ALIAS)
            return false;
    }
    return true;
}

typedef struct Pool {
    Graph *g;
    StrMap seen; // key -> Value
} Pool;

static void pool_node(Pool *pool, Node *n)
{
    Value *v = n->outputs[0];
    if (may_be_shared(v)) {
        Buf text = {0};
        buf_printf(&text, "%u ", v->type->id);
        constant_key(&text, n->constant);
        Str key = take_text(pool->g->arena, &text);
        Value *known = strmap_get(&pool->seen, key);
        if (known) {
            value_replace_all(v, known);
            node_destroy(n);
            return;
        }
        strmap_put(&pool->seen, pool->g->arena, key, v);
    }
    node_move_before(n, block_first(pool->g->top));
}

static void pool_block(Pool *pool, Block *b)
{
    for (Node *n = block_first(b), *next; n != b->ret; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->block_count; i++)
            pool_block(pool, n->blocks[i]);
        if (n->kind == NODE_CONSTANT)
            pool_node(pool, n);
    }
}

void pool_constants(Graph *g)
{
    Pool pool = {.g = g};
    pool_block(&pool, g->top);
}

// ---- order of the outputs of ifs and loops -------------------------------------------------------------------------

static uint32_t depth_of(const Node *n)
{
    uint32_t d = 0;
    for (const Node *o = n->owner->owner; o; o = o->owner->owner)
        d++;
    return d;
}

static uint32_t block_number(const Block *b)
{
    uint32_t i = 0;
    while (b->owner->blocks[i] != b)
        i++;
    return i;
}

static bool is_before(const Node *a, const Node *b)
{
    uint32_t da = depth_of(a), db = depth_of(b);
    for (; da > db; da--)
        if ((a = a->owner->owner) == b)
            return false;
    for (; db > da; db--)
        if ((b = b->owner->owner) == a)
            return true;
    while (a->owner != b->owner) {
        if (a->owner->owner == b->owner->owner)
            return block_number(a->owner) < block_number(b->owner);
        a = a->owner->owner;
        b = b->owner->owner;
    }
    return node_is_before(a, b);
}

static bool use_before(const Use *a, const Use *b)
{
    return a->user == b->user ? a->index < b->index : is_before(a->user, b->user);
}

typedef struct Ordered {
    const Use *first; // NULL: unused
    uint32_t index;
} Ordered;

static int compare_outputs(const void *x, const void *y)
{
    const Ordered *a = x, *b = y;
    if (!a->first || !b->first) {
        if (a->first || b->first)
            return a->first ? -1 : 1;
        return a->index < b->index ? -1 : 1;
    }
    return a->first == b->first ? 0 : use_before(a->first, b->first) ? -1 : 1;
}

static void permute(Graph *g, Node *n, const Ordered *order, uint32_t count, uint32_t offset)
{
    Value **old = arena_copy(g->arena, n->inputs + offset, count * sizeof *old);
    for (uint32_t i = 0; i < count; i++)
        if (n->inputs[offset + i] != old[order[i].index])
            node_set_input(n, offset + i, old[order[i].index]);
}

static void permute_outputs(Graph *g, Node *n, const Ordered *order, uint32_t count, uint32_t offset)
{
    Value **old = arena_copy(g->arena, n->outputs + offset, count * sizeof *old);
    for (uint32_t i = 0; i < count; i++) {
        n->outputs[offset + i] = old[order[i].index];
        n->outputs[offset + i]->offset = offset + i;
    }
}

static void canonicalize_node(Graph *g, Node *n)
{
    uint32_t count = n->output_count;
    if (count < 2)
        return;
    Ordered *order = ARENA_ARRAY(g->arena, Ordered, count);
    for (uint32_t i = 0; i < count; i++) {
        order[i].index = i;
        for (const Use *u = n->outputs[i]->uses; u; u = u->next)
            if (!order[i].first || use_before(u, order[i].first))
                order[i].first = u;
    }
    qsort(order, count, sizeof *order, compare_outputs);
    permute_outputs(g, n, order, count, 0);
    if (n->kind == NODE_IF) {
        permute(g, n->blocks[0]->ret, order, count, 0);
        permute(g, n->blocks[1]->ret, order, count, 0);
    } else {
        permute(g, n, order, count, 2);
        permute_outputs(g, n->blocks[0]->param, order, count, 1);
        permute(g, n->blocks[0]->ret, order, count, 1);
    }
}

static void canonicalize_outputs(Graph *g, Block *b)
{
    for (Node *n = b->ret->prev; n != b->ret; n = n->prev) {
        if (n->kind == NODE_IF || n->kind == NODE_LOOP)
            canonicalize_node(g, n);
        for (uint32_t i = 0; i < n->block_count; i++)
            canonicalize_outputs(g, n->blocks[i]);
    }
}

// ---- all of them --------------------------------------------------------------------------------------------------

static void replace_empty_lists(Graph *g)
{
    for (Node *n = graph_first(g), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind != NODE_EMPTY_LIST)
            continue;
        if (n->outputs[0]->uses) {
            Node *list = node_new(g, NODE_LIST_CONSTRUCT);
            node_insert_before(list, n);
            value_replace_all(n->outputs[0], node_add_output(g, list, n->outputs[0]->type));
        }
        node_destroy(n);
    }
}

static void number_warnings(Program *p, Graph *g)
{
    for (Node *n = graph_first(g); n; n = node_next_deep(n))
        if (n->kind == NODE_OP && str_is(n->schema->symbol, "aten::warn"))
            n->beg = ++p->warn_count;
}

void graph_cleanup(Program *p, Graph *g)
{
    lift_closures(p, g);
    replace_empty_lists(g);
    lower_simple_tuples(g);
    if (propagate_constants(p, g))
        eliminate_dead_code(g);
    pool_constants(g);
    canonicalize_outputs(g, g->top);
    number_warnings(p, g);
}
