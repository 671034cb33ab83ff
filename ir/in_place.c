// In-place operators on values that nothing else can see become the plain operators: the value is fresh, and whatever
// reads it runs before, or reads the result instead. Most vision models have no writes left after this.
#include "ir/pass.h"

// Made in block b, and seen by nobody but its one user. A view is as good as what it views.
static bool is_owned(const Value *v, const Block *b, int depth)
{
    const Node *n = v->node;
    if (n->kind != NODE_OP || n->owner != b || depth > 8)
        return false;
    OpEffect e = node_effect(n);
    if (e == EFFECT_PURE)
        return v->type->kind == TYPE_TENSOR;
    if (e != EFFECT_ALIAS)
        return false;
    for (uint32_t i = 0; i < n->input_count; i++) {
        const Value *in = n->inputs[i];
        bool numbers = in->type->kind == TYPE_LIST && !type_is_mutable(in->type->elem[0]);
        bool owned = in->type->kind == TYPE_TENSOR && in->use_count == 1 && is_owned(in, b, depth + 1);
        if (type_is_mutable(in->type) && !numbers && !owned)
            return false;
    }
    return true;
}

static const Node *ancestor_in(const Node *n, const Block *b)
{
    while (n && n->owner != b)
        n = n->owner->owner;
    return n;
}

// Every other use of v runs before n and keeps nothing of it, or runs after n.
static bool others_are_harmless(const Value *v, const Node *n)
{
    for (const Use *u = v->uses; u; u = u->next) {
        if (u->user == n) {
            if (u->index != 0)
                return false;
            continue;
        }
        const Node *at = ancestor_in(u->user, n->owner);
        if (!at)
            return false;
        if (node_is_before(at, n) && (u->user->kind != NODE_OP || node_effect(u->user) != EFFECT_PURE))
            return false;
    }
    return true;
}

// These give floating point for integers, or take the type of a number: in place they raise then.
static bool may_widen(const Node *n)
{
    static const char *const SYMBOLS[] = {"aten::add_",  "aten::sub_",     "aten::mul_",       "aten::div_", "aten::exp_",  "aten::sigmoid_",
                                          "aten::tanh_", "aten::clamp_",   "aten::clamp_min_", "aten::clamp_max_", "aten::sqrt_", "aten::rsqrt_"};
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++)
        if (str_is(n->schema->symbol, SYMBOLS[i]))
            return true;
    return false;
}

// The plain operator keeps the element type: no operand is a tensor of another type.
static bool keeps_type(PassContext *c, const Node *n)
{
    if (may_widen(n)) {
        DType type = known_dtype(c, n->inputs[0]);
        if (type == DT_INVALID || !dtype_is_floating(type))
            return false;
    }
    for (uint32_t i = 1; i < n->input_count; i++)
        if (n->inputs[i]->type->kind == TYPE_TENSOR) {
            DType a = known_dtype(c, n->inputs[0]), b = known_dtype(c, n->inputs[i]);
            if (a == DT_INVALID || a != b)
                return false;
        } else if (type_is_mutable(n->inputs[i]->type) && !value_constant(n->inputs[i]) && n->inputs[i]->type->kind != TYPE_LIST) {
            return false;
        }
    return true;
}

// "aten::add_.Tensor" -> "aten::add.Tensor", when their arguments agree.
static const Schema *plain_twin(PassContext *c, const Node *n)
{
    static const char *const SYMBOLS[] = {
        "aten::relu_", "aten::relu6_", "aten::hardtanh_", "aten::clamp_", "aten::clamp_min_", "aten::clamp_max_", "aten::sigmoid_", "aten::tanh_", "aten::silu_",
        "aten::gelu_", "aten::hardswish_", "aten::hardsigmoid_", "aten::leaky_relu_", "aten::elu_", "aten::celu_", "aten::selu_", "aten::add_", "aten::sub_",
        "aten::mul_", "aten::div_", "aten::exp_", "aten::neg_", "aten::abs_", "aten::sqrt_", "aten::rsqrt_", "aten::masked_fill_", "aten::mish_"};
    bool known = false;
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS && !known; i++)
        known = str_is(n->schema->symbol, SYMBOLS[i]);
    if (!known)
        return NULL;
    Str symbol = n->schema->symbol, overload = n->schema->overload;
    char name[96];
    if (symbol.len + overload.len + 2 > sizeof name)
        return NULL;
    memcpy(name, symbol.ptr, symbol.len - 1);
    size_t length = symbol.len - 1;
    if (overload.len) {
        name[length++] = '.';
        memcpy(name + length, overload.ptr, overload.len);
        length += overload.len;
    }
    const Schema *s = op_table_find(c->ops, (Str){name, length});
    if (!s || s->arg_count != n->schema->arg_count || s->effect != EFFECT_PURE)
        return NULL;
    for (uint32_t i = 0; i < s->arg_count; i++)
        if (s->args[i].type != n->schema->args[i].type)
            return NULL;
    return s;
}

Status pass_in_place(PassContext *c)
{
    find_dtypes(c);
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind != NODE_OP || n->schema->effect != EFFECT_WRITES || n->output_count != 1 || !n->input_count)
            continue;
        Value *v = n->inputs[0];
        if (v->node->owner != n->owner || !is_owned(v, n->owner, 0) || !others_are_harmless(v, n) || !keeps_type(c, n))
            continue;
        const Schema *twin = plain_twin(c, n);
        if (!twin)
            continue;
        Node *made = node_make(c, twin, n, n, n->inputs, n->input_count);
        value_replace_after(v, n, made->outputs[0]);
        node_replace(n, made->outputs[0]);
        c->changed = true;
    }
    return ST_OK;
}
