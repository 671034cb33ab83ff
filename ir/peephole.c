// Peephole rewrites: what one node, its inputs and their types tell without running anything.
// The rules are a table by operator symbol, and a switch for the closed kinds.
#include "ir/pass.h"
#include "ir/print.h"

typedef bool (*Rule)(PassContext *c, const Alias *alias, Node *n, Node **next);

struct Peephole {
    PassContext *c;
    const Rule **rules; // by row of ops.def, once asked for; NO_RULE when there is none
};

static bool replace_by(Node *n, Value *by, Node **next)
{
    *next = node_next_deep(n);
    node_replace(n, by);
    return true;
}

static bool is_off(const Value *v)
{
    bool b = true;
    return v && value_constant_bool(v, &b) && !b;
}

// Operators that do nothing --------------------------------------------------------------------------------------------

static bool dropout(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)c, (void)alias;
    double p = 1;
    if (is_off(n->inputs[2]) || (constant_number(n->inputs[1], &p) && p == 0))
        return replace_by(n, n->inputs[0], next);
    return false;
}

// The same bytes without a gradient.
static bool detach(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)c;
    return !alias_is_written(alias, n->outputs[0]) && replace_by(n, n->inputs[0], next);
}

static bool may_be_none(const Type *t)
{
    switch (t->kind) {
    case TYPE_NONE:
    case TYPE_ANY:
    case TYPE_OPTIONAL:
    case TYPE_VAR: return true;
    case TYPE_UNION:
        for (uint32_t i = 0; i < t->count; i++)
            if (may_be_none(t->elem[i]))
                return true;
        return false;
    default: return false;
    }
}

static bool unwrap_optional(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)c, (void)alias;
    return !may_be_none(n->inputs[0]->type) && replace_by(n, n->inputs[0], next);
}

// Questions that the types answer --------------------------------------------------------------------------------------

static bool compare_identity(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    bool negated = str_is(n->schema->symbol, "aten::__isnot__");
    const Value *a = n->inputs[0], *b = n->inputs[1];
    if (a == b)
        return replace_by(n, constant_bool(c, n, !negated), next);
    if (value_is_none(a)) {
        a = n->inputs[1];
        b = n->inputs[0];
    }
    if (!value_is_none(b))
        return false;
    if (value_is_none(a))
        return replace_by(n, constant_bool(c, n, !negated), next);
    const Datum *d = value_constant(a);
    if (!d && may_be_none(a->type))
        return false;
    return replace_by(n, constant_bool(c, n, negated), next);
}

static bool is_true(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    return replace_by(n, constant_bool(c, n, true), next);
}

static bool is_false(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    return replace_by(n, constant_bool(c, n, false), next);
}

// Nested tensors come of one operator. Looked for once a pass.
static bool makes_nested(PassContext *c)
{
    for (const Node *n = c->nested_known ? NULL : graph_first(c->graph); n; n = node_next_deep(n))
        c->makes_nested |= n->kind == NODE_CALL_METHOD || n->kind == NODE_CALL_FUNCTION || node_is(n, "aten::_nested_tensor_from_mask");
    c->nested_known = true;
    return c->makes_nested;
}

static bool is_nested(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    return !c->is_fork && !makes_nested(c) && is_false(c, alias, n, next);
}

static bool requires_grad(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    const DatumTensor *t = constant_tensor(n->inputs[0]);
    return t && replace_by(n, constant_bool(c, n, t->requires_grad), next);
}

// Operators whose result has as many dimensions as their first operand.
static bool keeps_rank(const Node *n)
{
    static const char *const KEEPERS[] = {
        "aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::_convolution", "aten::conv_transpose1d", "aten::conv_transpose2d",
        "aten::conv_transpose3d", "aten::batch_norm", "aten::relu", "aten::relu_", "aten::layer_norm", "aten::group_norm",
        "aten::hardtanh", "aten::hardtanh_", "aten::silu", "aten::silu_", "aten::hardswish", "aten::hardswish_", "aten::gelu",
        "aten::max_pool2d", "aten::avg_pool2d", "aten::adaptive_avg_pool2d", "aten::linear", "aten::sigmoid", "aten::tanh", "aten::leaky_relu",
        "aten::elu", "aten::softmax", "aten::dropout", "aten::instance_norm", "aten::relu6", "aten::hardsigmoid", "aten::add_", "aten::mul_",
        "aten::transpose", "aten::permute", "aten::contiguous", "aten::clone", "aten::neg", "aten::exp", "aten::roll", "aten::to",
        "aten::masked_fill", "aten::clamp", "aten::slice"};
    for (size_t i = 0; i < sizeof KEEPERS / sizeof *KEEPERS; i++)
        if (node_is(n, KEEPERS[i]))
            return n->inputs[0]->type->kind == TYPE_TENSOR;
    return node_is_overload(n, "aten::add.Scalar") || node_is_overload(n, "aten::mul.Scalar") || node_is_overload(n, "aten::div.Scalar");
}

enum { RANK_DEPTH = 300 };

static Value *rank_root(PassContext *c, const Alias *alias, Value *v, int depth);

// The value that all of these take their number of dimensions from, or NULL.
static Value *common_root(PassContext *c, const Alias *alias, Value *const *values, uint32_t count, int depth)
{
    Value *root = NULL;
    for (uint32_t i = 0; i < count; i++) {
        Value *r = rank_root(c, alias, values[i], depth + 1);
        if (root && r != root)
            return NULL;
        root = r;
    }
    return root;
}

static Value *find_rank_root(PassContext *c, const Alias *alias, Value *v, int depth)
{
    const Node *n = v->node;
    Value *root = NULL;
    if (depth > RANK_DEPTH || v->type->kind != TYPE_TENSOR || alias_is_written(alias, v))
        return v;
    if (n->kind == NODE_IF)
        root = common_root(c, alias, (Value *[]){n->blocks[0]->ret->inputs[v->offset], n->blocks[1]->ret->inputs[v->offset]}, 2, depth);
    else if (node_is_overload(n, "aten::add.Tensor") || node_is_overload(n, "aten::mul.Tensor") || node_is_overload(n, "aten::sub.Tensor"))
        root = common_root(c, alias, n->inputs, 2, depth);
    else if (node_is(n, "aten::cat") && n->inputs[0]->node->kind == NODE_LIST_CONSTRUCT && !alias_is_written(alias, n->inputs[0]))
        root = common_root(c, alias, n->inputs[0]->node->inputs, n->inputs[0]->node->input_count, depth);
    else if (keeps_rank(n))
        root = rank_root(c, alias, n->inputs[0], depth + 1);
    return root ? root : v;
}

// The earliest value known to have as many dimensions as v.
static Value *rank_root(PassContext *c, const Alias *alias, Value *v, int depth)
{
    if (v->id >= c->rank_count)
        return find_rank_root(c, alias, v, depth);
    Value *known = c->rank_of[v->id];
    if (!known || !known->node->owner)
        c->rank_of[v->id] = known = find_rank_root(c, alias, v, depth);
    return known;
}

// The number of dimensions is asked of the earliest value that has it, so that the check in front of a batch norm does not
// keep the convolution's result alive, and all such checks become one.
static bool dimensions(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    Value *v = rank_root(c, alias, n->inputs[0], 0);
    const DatumTensor *t = constant_tensor(v);
    if (t)
        return replace_by(n, constant_int(c, n, t->ndim), next);
    // An if may hand out what only its branches see.
    const Block *b = n->owner;
    while (b && b != v->node->owner)
        b = b->owner ? b->owner->owner : NULL;
    if (v != n->inputs[0] && b) {
        node_set_input(n, 0, v);
        c->changed = true;
    }
    return false;
}

static bool element_type(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    DType t = known_dtype(c, n->inputs[0]);
    return t != DT_INVALID && replace_by(n, constant_int(c, n, t), next);
}

// Where everything runs on the CPU, that is where every tensor is.
static bool on_cpu(const PassContext *c) { return !c->options->other_devices; }

static bool is_cuda(PassContext *c, const Alias *alias, Node *n, Node **next) { return on_cpu(c) && is_false(c, alias, n, next); }
static bool is_cpu(PassContext *c, const Alias *alias, Node *n, Node **next) { return on_cpu(c) && is_true(c, alias, n, next); }

static bool device(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    if (!on_cpu(c))
        return false;
    Datum *d = datum_str(c->arena, STR("cpu"));
    d->kind = DATUM_DEVICE;
    return replace_by(n, constant_datum(c, n, d, NULL), next);
}

// Numbers --------------------------------------------------------------------------------------------------------------

// A number that was made a tensor only to be read again: `int(NumToTensor(size(x, 0)))` of traced graphs.
static bool read_number(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    const Node *made = n->inputs[0]->node;
    TypeKind wanted = n->outputs[0]->type->kind;
    if (wanted == TYPE_INT && n->inputs[0]->type->kind == TYPE_TENSOR) {
        Value *number = int_behind(c, alias, n);
        return number && replace_by(n, number, next);
    }
    if (!node_is(made, "prim::NumToTensor") || alias_is_written(alias, n->inputs[0]))
        return false;
    Value *number = made->inputs[0];
    bool same = number->type == n->outputs[0]->type || (wanted == TYPE_NUMBER && number->type->kind != TYPE_BOOL);
    return same && replace_by(n, number, next);
}

static bool is_archive_constant(const PassContext *c, const DatumTensor *t)
{
    const Datum *all = c->options->constants;
    for (uint32_t i = 0; all && i < all->count; i++)
        if (all->items[i]->kind == DATUM_TENSOR && all->items[i]->tensor == t)
            return true;
    return false;
}

// A constant tensor without dimensions as second operand acts as a number (torchscript.md §7.2). One that was an attribute
// is no number to PyTorch; it makes no difference when the element types agree.
static bool scalar_operand(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    const DatumTensor *t = n->input_count >= 2 ? constant_tensor(n->inputs[1]) : NULL;
    if (!t || t->ndim != 0 || t->storage->data == NULL || alias_is_written(alias, n->inputs[1]))
        return false;
    if (!is_archive_constant(c, t) && known_dtype(c, n->inputs[0]) != t->dtype)
        return false;
    Datum *number = datum_tensor_number(c->arena, t);
    if (!number || n->inputs[0]->type->kind != TYPE_TENSOR || !str_ends(n->schema->full_name, STR(".Tensor")))
        return false;
    if (n->input_count == 3 && !value_constant(n->inputs[2]))
        return false;
    char name[64];
    size_t length = n->schema->symbol.len;
    if (length + 8 > sizeof name)
        return false;
    memcpy(name, n->schema->symbol.ptr, length);
    memcpy(name + length, ".Scalar", 7);
    const Schema *schema = op_table_find(c->ops, (Str){name, length + 7});
    if (!schema || schema->arg_count != n->input_count)
        return false;
    Value *inputs[] = {n->inputs[0], constant_datum(c, n, number, NULL), n->input_count == 3 ? n->inputs[2] : NULL};
    Node *made = node_make(c, schema, n, n, inputs, n->input_count);
    return replace_by(n, made->outputs[0], next);
}

// Containers whose parts are known -------------------------------------------------------------------------------------

static bool known_list(const Alias *alias, const Value *v) { return v->node->kind == NODE_LIST_CONSTRUCT && !alias_is_written(alias, v); }

static bool list_length(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    return known_list(alias, n->inputs[0]) && replace_by(n, constant_int(c, n, n->inputs[0]->node->input_count), next);
}

static bool list_item(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)c;
    int64_t i;
    if (n->input_count != 2 || !known_list(alias, n->inputs[0]) || !value_constant_int(n->inputs[1], &i))
        return false;
    const Node *list = n->inputs[0]->node;
    i = i < 0 ? i + list->input_count : i;
    return i >= 0 && i < list->input_count && replace_by(n, list->inputs[i], next);
}

static const Node *ancestor_in(const Node *n, const Block *b)
{
    while (n->owner != b)
        n = n->owner->owner;
    return n;
}

enum { MAX_COPIED_LIST = 512 };

// `append` to a list that was made in this block, and that until then was only read. When nothing looked at it yet, the
// element is part of it from the start, and the list moves down to where its last element is known; else a longer list
// takes its place from here on.
static bool append(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    (void)alias;
    Value *list = n->inputs[0];
    Node *made = list->node;
    bool was_read = false;
    if (n->input_count != 2 || made->kind != NODE_LIST_CONSTRUCT || made->owner != n->owner)
        return false;
    for (const Use *u = list->uses; u; u = u->next) {
        if (u->user == n && u->index == 0)
            continue;
        if (u->user == n)
            return false;
        if (!node_is_before(ancestor_in(u->user, n->owner), n))
            continue;
        if (u->user->kind != NODE_OP || node_effect(u->user) != EFFECT_PURE)
            return false;
        was_read = true;
    }
    if (was_read && made->input_count >= MAX_COPIED_LIST)
        return false;
    if (was_read) {
        Node *longer = node_new(c->graph, NODE_LIST_CONSTRUCT);
        for (uint32_t i = 0; i < made->input_count; i++)
            node_add_input(longer, made->inputs[i]);
        Value *v = node_add_output(c->graph, longer, list->type);
        longer->range = n->range;
        longer->frame = n->frame;
        longer->scope = n->scope;
        node_insert_before(longer, n);
        value_replace_after(list, n, v);
        list = v;
    } else {
        node_move_before(made, n);
    }
    node_add_input(list->node, n->inputs[1]);
    value_replace_all(n->outputs[0], list);
    *next = node_next_deep(n);
    node_destroy(n);
    return true;
}

// `any` and `all` of a list are known when one element decides.
static bool any_or_all(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    bool any = str_is(n->schema->symbol, "aten::any"), v;
    if (n->input_count != 1 || !known_list(alias, n->inputs[0]))
        return false;
    const Node *list = n->inputs[0]->node;
    for (uint32_t i = 0; i < list->input_count; i++)
        if (value_constant_bool(list->inputs[i], &v) && v == any)
            return replace_by(n, constant_bool(c, n, any), next);
    return false;
}

static bool unpack(Node *n, Value *const *parts, uint32_t count, Node **next)
{
    if (count != n->output_count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        value_replace_all(n->outputs[i], parts[i]);
    *next = node_next_deep(n);
    node_destroy(n);
    return true;
}

static bool unpack_constant(PassContext *c, Node *n, const Datum *d, Node **next)
{
    if (d->count != n->output_count)
        return false;
    for (uint32_t i = 0; i < d->count; i++)
        value_replace_all(n->outputs[i], constant_datum(c, n, d->items[i], n->outputs[i]->type));
    *next = node_next_deep(n);
    node_destroy(n);
    return true;
}

static bool unpack_container(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    const Value *v = n->inputs[0];
    const Datum *d = value_constant(v);
    bool tuple = n->kind == NODE_TUPLE_UNPACK;
    if (d && d->kind == (tuple ? DATUM_TUPLE : DATUM_LIST) && !alias_is_written(alias, v))
        return unpack_constant(c, n, d, next);
    if (tuple ? v->node->kind == NODE_TUPLE_CONSTRUCT : known_list(alias, v))
        return unpack(n, v->node->inputs, v->node->input_count, next);
    return false;
}

static bool tuple_index(PassContext *c, Node *n, Node **next)
{
    int64_t i;
    const Value *v = n->inputs[0];
    if (n->input_count != 2 || !value_constant_int(n->inputs[1], &i))
        return false;
    const Datum *d = value_constant(v);
    int64_t count = d && d->kind == DATUM_TUPLE ? d->count : v->node->kind == NODE_TUPLE_CONSTRUCT ? v->node->input_count : 0;
    i = i < 0 ? i + count : i;
    if (i < 0 || i >= count)
        return false;
    return replace_by(n, d ? constant_datum(c, n, d->items[i], n->outputs[0]->type) : v->node->inputs[i], next);
}

static bool tuple_slice(PassContext *c, Node *n, Node **next)
{
    const Node *tuple = n->inputs[0]->node;
    if (tuple->kind != NODE_TUPLE_CONSTRUCT || n->beg < 0 || n->end < n->beg || n->end > tuple->input_count)
        return false;
    Node *made = node_new(c->graph, NODE_TUPLE_CONSTRUCT);
    for (int64_t i = n->beg; i < n->end; i++)
        node_add_input(made, tuple->inputs[i]);
    Value *v = node_add_output(c->graph, made, n->outputs[0]->type);
    made->range = n->range;
    made->frame = n->frame;
    made->scope = n->scope;
    node_insert_before(made, n);
    return replace_by(n, v, next);
}

// Casts and questions about types --------------------------------------------------------------------------------------

static bool unchecked_cast(Node *n, Node **next)
{
    Value *v = n->inputs[0];
    const Datum *d = value_constant(v);
    bool known = d && d->kind != DATUM_NONE;
    return (known || type_is_subtype(v->type, n->outputs[0]->type)) && replace_by(n, v, next);
}

// Types of which a value is exactly one, never something narrower.
static bool is_exact(const Type *t)
{
    switch (t->kind) {
    case TYPE_TENSOR:
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_COMPLEX:
    case TYPE_BOOL:
    case TYPE_STR:
    case TYPE_NONE:
    case TYPE_DEVICE:
    case TYPE_LIST:
    case TYPE_DICT:
    case TYPE_CLASS:
    case TYPE_ENUM: return true;
    default: return false;
    }
}

static bool is_instance(PassContext *c, Node *n, Node **next)
{
    const Type *t = n->inputs[0]->type;
    bool possible = false;
    for (uint32_t i = 0; i < n->type_count; i++) {
        if (type_is_subtype(t, n->types[i]))
            return replace_by(n, constant_bool(c, n, true), next);
        possible |= !is_exact(t) || type_is_subtype(n->types[i], t);
    }
    return !possible && replace_by(n, constant_bool(c, n, false), next);
}

// The table ------------------------------------------------------------------------------------------------------------

static const struct {
    const char *symbol;
    Rule rule;
} RULES[] = {
    {"aten::dropout", dropout},
    {"aten::dropout_", dropout},
    {"aten::feature_dropout", dropout},
    {"aten::feature_dropout_", dropout},
    {"aten::alpha_dropout", dropout},
    {"aten::alpha_dropout_", dropout},
    {"aten::feature_alpha_dropout", dropout},
    {"aten::feature_alpha_dropout_", dropout},
    {"aten::detach", detach},
    {"prim::data", detach},
    {"aten::_unwrap_optional", unwrap_optional},
    {"prim::unchecked_unwrap_optional", unwrap_optional},
    {"aten::__is__", compare_identity},
    {"aten::__isnot__", compare_identity},
    {"prim::is_nested", is_nested},
    {"prim::dtype", element_type},
    {"prim::is_cuda", is_cuda},
    {"prim::is_cpu", is_cpu},
    {"prim::device", device},
    {"aten::is_grad_enabled", is_false}, // as under torch.no_grad(): transformers take their fast path
    {"aten::is_scripting", is_true},
    {"aten::_get_tracing_state", is_false},
    {"aten::is_autocast_enabled", is_false},
    {"aten::is_autocast_cpu_enabled", is_false},
    {"prim::requires_grad", requires_grad},
    {"aten::dim", dimensions},
    {"aten::Int", read_number},
    {"aten::Float", read_number},
    {"aten::IntImplicit", read_number},
    {"aten::FloatImplicit", read_number},
    {"aten::ScalarImplicit", read_number},
    {"aten::item", read_number},
    {"aten::add", scalar_operand},
    {"aten::sub", scalar_operand},
    {"aten::mul", scalar_operand},
    {"aten::div", scalar_operand},
    {"aten::len", list_length},
    {"aten::__getitem__", list_item},
    {"aten::append", append},
    {"aten::any", any_or_all},
    {"aten::all", any_or_all},
};

static const Rule NO_RULE = NULL;

static Rule rule_for(Peephole *p, const Schema *s)
{
    if (s->index < 0 || s->index >= op_table_rows())
        return NULL;
    const Rule **slot = &p->rules[s->index];
    if (!*slot) {
        *slot = &NO_RULE;
        for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
            if (str_is(s->symbol, RULES[i].symbol))
                *slot = &RULES[i].rule;
    }
    return **slot;
}

Peephole *peephole_new(PassContext *c)
{
    Peephole *p = ARENA_NEW(&c->scratch, Peephole);
    p->c = c;
    p->rules = ARENA_ARRAY(&c->scratch, const Rule *, op_table_rows());
    return p;
}

bool peephole(Peephole *p, const Alias *alias, Node *n, Node **next)
{
    switch (n->kind) {
    case NODE_OP: {
        Rule rule = rule_for(p, n->schema);
        return rule && rule(p->c, alias, n, next);
    }
    case NODE_TUPLE_UNPACK:
    case NODE_LIST_UNPACK: return unpack_container(p->c, alias, n, next);
    case NODE_TUPLE_INDEX: return tuple_index(p->c, n, next);
    case NODE_TUPLE_SLICE: return tuple_slice(p->c, n, next);
    case NODE_UNCHECKED_CAST: return unchecked_cast(n, next);
    case NODE_ISINSTANCE: return is_instance(p->c, n, next);
    default: return false;
    }
}
