// Fusion: convolutions and linear layers with constant weights become tsb::conv and tsb::linear, which take what follows
// into themselves: the addition of a residual, and the activation. The intermediate value must have no other use.
#include "ir/pass.h"

#include <math.h>

typedef struct Fuser {
    PassContext *c;
    const Alias *alias;
    const Schema *conv, *linear;
} Fuser;

// Inputs of tsb::conv and tsb::linear that fusion fills in; both end in add, act, lo, hi.
enum { LINEAR_BIAS = 2, TAIL = 4 };

static bool is_fused_op(const Fuser *f, const Node *n) { return n->kind == NODE_OP && (n->schema == f->conv || n->schema == f->linear); }
static uint32_t add_at(const Node *n) { return n->input_count - TAIL; }

static bool is_float_weight(const DatumTensor *t) { return t && !t->sparse && !t->quantizer && dtype_is_floating(t->dtype); }

static Value *zeros_list(Fuser *f, Node *at, uint32_t n)
{
    PassContext *c = f->c;
    Datum **items = ARENA_ARRAY(c->arena, Datum *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        items[i] = datum_int(c->arena, 0);
    Datum *d = datum_list(c->arena, DATUM_LIST, items, n);
    d->name = STR("List[int]");
    return graph_constant(c->graph, at, d, type_list(c->types, type_of_kind(c->types, TYPE_INT)));
}

static void fill_tail(Fuser *f, Node *at, Value **inputs)
{
    PassContext *c = f->c;
    inputs[0] = graph_constant(c->graph, at, NULL, type_of_kind(c->types, TYPE_NONE));
    inputs[1] = constant_str(c, at, "none");
    inputs[2] = constant_float(c, at, 0);
    inputs[3] = constant_float(c, at, 0);
}

static bool replace_by(Node *n, Node *made)
{
    value_set_name(made->outputs[0], (Str){0});
    node_replace(n, made->outputs[0]);
    return true;
}

// Where the arguments of a convolution stand; -1: not there.
typedef struct ConvForm {
    const char *name;
    int8_t stride, padding, dilation, transposed, output_padding, groups;
    bool is_transposed;
} ConvForm;

static const ConvForm CONV_FORMS[] = {
    {"aten::conv1d", 3, 4, 5, -1, -1, 6, false},
    {"aten::conv2d", 3, 4, 5, -1, -1, 6, false},
    {"aten::conv3d", 3, 4, 5, -1, -1, 6, false},
    {"aten::conv_transpose1d", 3, 4, 7, -1, 5, 6, true},
    {"aten::conv_transpose2d.input", 3, 4, 7, -1, 5, 6, true},
    {"aten::conv_transpose3d.input", 3, 4, 7, -1, 5, 6, true},
    {"aten::_convolution", 3, 4, 5, 6, 7, 8, false},
    {"aten::_convolution.deprecated", 3, 4, 5, 6, 7, 8, false},
    {"aten::convolution", 3, 4, 5, 6, 7, 8, false},
};

static bool lower_conv(Fuser *f, Node *n)
{
    const ConvForm *form = NULL;
    for (size_t i = 0; i < sizeof CONV_FORMS / sizeof *CONV_FORMS && !form; i++)
        if (node_is_overload(n, CONV_FORMS[i].name))
            form = &CONV_FORMS[i];
    const DatumTensor *weight = form ? constant_tensor(n->inputs[1]) : NULL;
    if (!is_float_weight(weight) || weight->ndim < 3 || alias_node_touched(f->alias, n))
        return false;
    bool transposed = form->is_transposed;
    if (form->transposed >= 0 && !value_constant_bool(n->inputs[form->transposed], &transposed))
        return false;
    Value *in[13] = {n->inputs[0], n->inputs[1], n->inputs[2], n->inputs[form->stride], n->inputs[form->padding], n->inputs[form->dilation]};
    in[6] = constant_bool(f->c, n, transposed);
    in[7] = form->output_padding >= 0 ? n->inputs[form->output_padding] : zeros_list(f, n, (uint32_t)weight->ndim - 2);
    in[8] = n->inputs[form->groups];
    fill_tail(f, n, in + 9);
    return replace_by(n, node_make(f->c, f->conv, n, n, in, 13));
}

// A constant matrix seen the other way round.
static Value *transposed_constant(Fuser *f, Node *at, const DatumTensor *t)
{
    Arena *a = f->c->arena;
    Datum *d = ARENA_NEW(a, Datum);
    d->kind = DATUM_TENSOR;
    d->tensor = arena_copy(a, t, sizeof *t);
    d->tensor->size = arena_copy(a, (int64_t[]){t->size[1], t->size[0]}, 2 * sizeof(int64_t));
    d->tensor->stride = arena_copy(a, (int64_t[]){t->stride[1], t->stride[0]}, 2 * sizeof(int64_t));
    return constant_datum(f->c, at, d, NULL);
}

// The constant matrix w of `x @ w`, as the weight of a linear layer; NULL when it is none.
static Value *weight_of_product(Fuser *f, Node *n, Value *w)
{
    if (node_is(w->node, "aten::t") && constant_tensor(w->node->inputs[0]) && !alias_is_written(f->alias, w)) {
        const DatumTensor *t = constant_tensor(w->node->inputs[0]);
        return is_float_weight(t) && t->ndim == 2 ? w->node->inputs[0] : NULL;
    }
    const DatumTensor *t = constant_tensor(w);
    return is_float_weight(t) && t->ndim == 2 ? transposed_constant(f, n, t) : NULL;
}

static bool is_one(const Value *v)
{
    double d;
    return constant_number(v, &d) && d == 1;
}

// A constant vector of `n` elements of that type: a bias.
static bool is_bias(const Value *v, int64_t n, DType dtype)
{
    const DatumTensor *t = constant_tensor(v);
    return t && t->ndim == 1 && t->size[0] == n && t->dtype == dtype;
}

static bool lower_linear(Fuser *f, Node *n)
{
    Value *x = NULL, *weight = NULL, *bias = NULL;
    if (node_is_overload(n, "aten::linear")) {
        const DatumTensor *t = constant_tensor(n->inputs[1]);
        if (!is_float_weight(t) || t->ndim != 2)
            return false;
        x = n->inputs[0];
        weight = n->inputs[1];
        bias = n->inputs[2];
    } else if (node_is_overload(n, "aten::matmul") || node_is_overload(n, "aten::mm")) {
        x = n->inputs[0];
        weight = weight_of_product(f, n, n->inputs[1]);
    } else if (node_is_overload(n, "aten::addmm") && is_one(n->inputs[3]) && is_one(n->inputs[4])) {
        x = n->inputs[1];
        bias = n->inputs[0];
        weight = weight_of_product(f, n, n->inputs[2]);
        const DatumTensor *t = weight ? constant_tensor(weight) : NULL;
        if (!t || !is_bias(bias, t->size[0], t->dtype))
            return false;
    }
    if (!weight || alias_node_touched(f->alias, n))
        return false;
    Value *in[7] = {x, weight, bias};
    fill_tail(f, n, in + 3);
    if (!bias)
        in[LINEAR_BIAS] = in[3]; // None
    return replace_by(n, node_make(f->c, f->linear, n, n, in, 7));
}

// The fused operator that makes v and could take n into itself, or NULL.
static Node *open_producer(const Fuser *f, const Value *v, const Node *n)
{
    Node *m = v->node;
    const Datum *act = is_fused_op(f, m) ? value_constant(m->inputs[add_at(m) + 1]) : NULL;
    bool open = act && act->kind == DATUM_STR && str_is(act->s, "none") && m->owner == n->owner && v->use_count == 1;
    return open && !alias_node_touched(f->alias, n) ? m : NULL;
}

static bool add_residual(Fuser *f, Node *n)
{
    if (!node_is_overload(n, "aten::add.Tensor") || !is_one(n->inputs[2]))
        return false;
    Node *best = NULL;
    int other = 0;
    for (int i = 0; i < 2; i++) {
        Node *m = open_producer(f, n->inputs[i], n);
        if (!m || !value_is_none(m->inputs[add_at(m)]) || n->inputs[0] == n->inputs[1])
            continue;
        if (!best || node_is_before(best, m)) {
            best = m;
            other = 1 - i;
        }
    }
    if (!best)
        return false;
    Value *added = n->inputs[other];
    const DatumTensor *weight = constant_tensor(best->inputs[1]);
    if (best->schema == f->linear && value_is_none(best->inputs[LINEAR_BIAS]) && is_bias(added, weight->size[0], weight->dtype)) {
        node_set_input(best, LINEAR_BIAS, added);
    } else {
        // Both must have the same element type, or the sum would have another one.
        if (added->type->kind != TYPE_TENSOR || known_dtype(f->c, added) != weight->dtype)
            return false;
        node_move_before(best, n);
        node_set_input(best, add_at(best), added);
    }
    return replace_by(n, best);
}

typedef struct Activation {
    const char *act;
    double lo, hi;
} Activation;

static bool bounds(const Value *low, const Value *high, Activation *out)
{
    *out = (Activation){"clamp", -INFINITY, INFINITY};
    return (value_is_none(low) || constant_number(low, &out->lo)) && (value_is_none(high) || constant_number(high, &out->hi));
}

static bool find_activation(const Node *n, Activation *out)
{
    static const char *const PLAIN[][2] = {{"aten::relu", "relu"}, {"aten::sigmoid", "sigmoid"}, {"aten::tanh", "tanh"}, {"aten::silu", "silu"},
                                           {"aten::hardswish", "hardswish"}, {"aten::hardsigmoid", "hardsigmoid"}};
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN; i++)
        if (node_is_overload(n, PLAIN[i][0])) {
            *out = (Activation){PLAIN[i][1], 0, 0};
            return true;
        }
    if (node_is_overload(n, "aten::relu6")) {
        *out = (Activation){"clamp", 0, 6};
        return true;
    }
    if (node_is_overload(n, "aten::hardtanh") || node_is_overload(n, "aten::clamp"))
        return bounds(n->inputs[1], n->inputs[2], out);
    if (node_is_overload(n, "aten::leaky_relu")) {
        *out = (Activation){"leaky_relu", 0, 0};
        return constant_number(n->inputs[1], &out->lo);
    }
    if (node_is_overload(n, "aten::elu")) {
        *out = (Activation){"elu", 1, 0};
        return is_one(n->inputs[1]) && is_one(n->inputs[2]) && is_one(n->inputs[3]);
    }
    if (node_is_overload(n, "aten::gelu")) {
        const Datum *d = value_constant(n->inputs[1]);
        *out = (Activation){d && d->kind == DATUM_STR && str_is(d->s, "tanh") ? "gelu_tanh" : "gelu", 0, 0};
        return d && d->kind == DATUM_STR && (str_is(d->s, "tanh") || str_is(d->s, "none"));
    }
    return false;
}

static bool activate(Fuser *f, Node *n)
{
    Activation a;
    if (n->output_count != 1 || !n->input_count || !is_fused_op(f, n->inputs[0]->node) || !find_activation(n, &a))
        return false;
    Node *m = open_producer(f, n->inputs[0], n);
    if (!m)
        return false;
    uint32_t at = add_at(m);
    node_set_input(m, at + 1, constant_str(f->c, m, a.act));
    node_set_input(m, at + 2, constant_float(f->c, m, a.lo));
    node_set_input(m, at + 3, constant_float(f->c, m, a.hi));
    return replace_by(n, m);
}

Status pass_fuse(PassContext *c)
{
    Fuser f = {.c = c, .alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL)};
    f.conv = op_table_find(c->ops, STR("tsb::conv"));
    f.linear = op_table_find(c->ops, STR("tsb::linear"));
    find_dtypes(c);
    if (!f.conv || !f.linear)
        return status_fail(ST_INTERNAL, "ops.def has no rows tsb::conv and tsb::linear");
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = node_next_deep(n);
        if (n->kind == NODE_OP && (lower_conv(&f, n) || lower_linear(&f, n) || add_residual(&f, n) || activate(&f, n)))
            c->changed = true;
    }
    return ST_OK;
}
