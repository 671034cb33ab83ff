// Helpers of the passes: reading constants, making nodes, and the element types that are known before anything runs.
#include "ir/pass.h"

void node_replace(Node *n, Value *by)
{
    Value *old = n->outputs[0];
    if (old->name.len && !by->name.len && by->node->kind != NODE_CONSTANT) {
        Str name = old->name;
        value_set_name(old, (Str){0});
        value_set_name(by, name);
    }
    value_replace_all(old, by);
    node_destroy(n);
}

Node *node_make(PassContext *c, const Schema *schema, Node *at, const Node *like, Value *const *inputs, uint32_t count)
{
    Node *n = node_new_op(c->graph, schema);
    for (uint32_t i = 0; i < count; i++)
        node_add_input(n, inputs[i]);
    node_add_output(c->graph, n, schema->returns[0].type);
    n->range = like->range;
    n->frame = like->frame;
    n->scope = like->scope;
    node_insert_before(n, at);
    return n;
}

Value *constant_bool(PassContext *c, Node *at, bool b) { return graph_constant(c->graph, at, datum_bool(b), type_of_kind(c->types, TYPE_BOOL)); }
Value *constant_int(PassContext *c, Node *at, int64_t i) { return graph_constant(c->graph, at, datum_int(c->arena, i), type_of_kind(c->types, TYPE_INT)); }
Value *constant_float(PassContext *c, Node *at, double f) { return graph_constant(c->graph, at, datum_float(c->arena, f), type_of_kind(c->types, TYPE_FLOAT)); }
Value *constant_str(PassContext *c, Node *at, const char *s) { return graph_constant(c->graph, at, datum_str(c->arena, str_of(s)), type_of_kind(c->types, TYPE_STR)); }

const Type *datum_type(PassContext *c, const Datum *d)
{
    switch (d->kind) {
    case DATUM_NONE: return type_of_kind(c->types, TYPE_NONE);
    case DATUM_BOOL: return type_of_kind(c->types, TYPE_BOOL);
    case DATUM_INT: return type_of_kind(c->types, TYPE_INT);
    case DATUM_FLOAT: return type_of_kind(c->types, TYPE_FLOAT);
    case DATUM_COMPLEX: return type_of_kind(c->types, TYPE_COMPLEX);
    case DATUM_STR: return type_of_kind(c->types, TYPE_STR);
    case DATUM_DEVICE: return type_of_kind(c->types, TYPE_DEVICE);
    case DATUM_TENSOR: return type_of_kind(c->types, TYPE_TENSOR);
    default: return NULL;
    }
}

Value *constant_datum(PassContext *c, Node *at, Datum *d, const Type *declared)
{
    const Type *type = datum_type(c, d);
    if (!type)
        type = declared->kind == TYPE_OPTIONAL ? declared->elem[0] : declared;
    return graph_constant(c->graph, at, d, type);
}

bool constant_number(const Value *v, double *out)
{
    const Datum *d = value_constant(v);
    if (!d || (d->kind != DATUM_INT && d->kind != DATUM_FLOAT && d->kind != DATUM_BOOL))
        return false;
    *out = d->kind == DATUM_INT ? (double)d->i : d->kind == DATUM_FLOAT ? d->f : (double)d->b;
    return true;
}

bool constant_ints(const Value *v, int64_t *out, uint32_t max, uint32_t *count)
{
    const Datum *d = value_constant(v);
    if (!d && v->node->kind == NODE_LIST_CONSTRUCT && v->node->input_count <= max) {
        *count = v->node->input_count;
        for (uint32_t i = 0; i < *count; i++)
            if (!value_constant_int(v->node->inputs[i], &out[i]))
                return false;
        return true;
    }
    if (d && d->kind == DATUM_INT && max) {
        out[0] = d->i;
        *count = 1;
        return true;
    }
    if (!d || d->kind != DATUM_LIST || d->count > max)
        return false;
    *count = d->count;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->items[i]->kind != DATUM_INT)
            return false;
        out[i] = d->items[i]->i;
    }
    return true;
}

const DatumTensor *constant_tensor(const Value *v)
{
    const Datum *d = value_constant(v);
    return d && d->kind == DATUM_TENSOR ? d->tensor : NULL;
}

// Operators whose result has the element type of an argument.
static const char *const KEEPS_DTYPE_OF[][2] = {
    {"aten::conv1d", "weight"}, {"aten::conv2d", "weight"}, {"aten::conv3d", "weight"}, {"aten::_convolution", "weight"},
    {"aten::conv_transpose1d", "weight"}, {"aten::conv_transpose2d", "weight"}, {"aten::conv_transpose3d", "weight"},
    {"aten::linear", "weight"}, {"tsb::conv", "weight"}, {"tsb::linear", "weight"}, {"aten::batch_norm", "input"},
    {"aten::layer_norm", "input"}, {"aten::group_norm", "input"}, {"aten::embedding", "weight"}, {"aten::matmul", "self"},
    {"aten::relu", "self"}, {"aten::relu_", "self"}, {"aten::relu6", "self"}, {"aten::hardtanh", "self"}, {"aten::silu", "self"},
    {"aten::hardswish", "self"}, {"aten::hardsigmoid", "self"}, {"aten::gelu", "self"}, {"aten::leaky_relu", "self"},
    {"aten::max_pool1d", "self"}, {"aten::max_pool2d", "self"}, {"aten::avg_pool2d", "self"}, {"aten::adaptive_avg_pool2d", "self"},
    {"aten::flatten", "self"}, {"aten::view", "self"}, {"aten::reshape", "self"}, {"aten::transpose", "self"}, {"aten::contiguous", "self"}, {"aten::slice", "self"}, {"aten::select", "self"},
    {"aten::unsqueeze", "self"}, {"aten::squeeze", "self"}, {"aten::roll", "self"}, {"aten::clone", "self"}, {"aten::add_", "self"},
    {"aten::mul_", "self"}, {"aten::dropout", "input"}, {"aten::expand", "self"}, {"aten::bmm", "self"}, {"aten::mm", "self"},
    {"aten::permute", "self"}, {"aten::repeat", "self"}, {"aten::upsample_nearest2d", "self"}, {"aten::upsample_bilinear2d", "self"},
    {"aten::adaptive_avg_pool1d", "self"}, {"aten::adaptive_max_pool2d", "self"}, {"aten::pad", "self"}, {"aten::constant_pad_nd", "self"},
    {"aten::elu", "self"}, {"aten::prelu", "self"}, {"aten::masked_fill", "self"}, {"aten::flip", "self"}, {"aten::unfold", "self"},
    {"aten::pixel_shuffle", "self"}, {"aten::hardtanh_", "self"}, {"aten::hardswish_", "self"}, {"aten::silu_", "self"}};

// The one element type of all of them; DT_INVALID: unknown, or not the same.
static DType common_dtype(PassContext *c, Value *const *values, uint32_t count)
{
    DType t = count ? known_dtype(c, values[0]) : DT_INVALID;
    for (uint32_t i = 1; i < count; i++)
        if (known_dtype(c, values[i]) != t)
            return DT_INVALID;
    return t;
}

static DType operator_dtype(PassContext *c, const Node *n)
{
    for (size_t i = 0; i < sizeof KEEPS_DTYPE_OF / sizeof *KEEPS_DTYPE_OF; i++)
        if (str_is(n->schema->symbol, KEEPS_DTYPE_OF[i][0])) {
            const Value *from = node_argument(n, KEEPS_DTYPE_OF[i][1]);
            return from ? known_dtype(c, from) : DT_INVALID;
        }
    // Results are floating whatever goes in; a floating operand keeps its type, also when a number joins it.
    static const char *const FLOATING[] = {"aten::sigmoid", "aten::tanh", "aten::exp", "aten::sqrt", "aten::softmax", "aten::log_softmax", "aten::mean"};
    bool floats = node_is_overload(n, "aten::add.Scalar") || node_is_overload(n, "aten::sub.Scalar") || node_is_overload(n, "aten::mul.Scalar") || node_is_overload(n, "aten::div.Scalar");
    for (size_t i = 0; i < sizeof FLOATING / sizeof *FLOATING && !floats; i++)
        floats = node_is(n, FLOATING[i]) && (!node_argument(n, "dtype") || value_is_none(node_argument(n, "dtype")));
    if (floats) {
        DType t = known_dtype(c, n->inputs[0]);
        bool complex_number = n->input_count > 1 && n->inputs[1]->type->kind == TYPE_COMPLEX;
        return t != DT_INVALID && dtype_is_floating(t) && !complex_number ? t : DT_INVALID;
    }
    if (node_is_overload(n, "aten::add.Tensor") || node_is_overload(n, "aten::mul.Tensor") || node_is_overload(n, "aten::sub.Tensor"))
        return common_dtype(c, n->inputs, 2);
    if (node_is(n, "aten::cat") && n->inputs[0]->node->kind == NODE_LIST_CONSTRUCT)
        return common_dtype(c, n->inputs[0]->node->inputs, n->inputs[0]->node->input_count);
    return DT_INVALID;
}

enum { NOT_LOOKED = 254 };

static void grow_dtypes(PassContext *c, uint32_t count)
{
    uint8_t *bigger = arena_alloc(&c->scratch, count);
    memset(bigger, NOT_LOOKED, count);
    if (c->dtype_count)
        memcpy(bigger, c->dtype_of, c->dtype_count);
    c->dtype_of = bigger;
    c->dtype_count = count;
}

DType known_dtype(PassContext *c, const Value *v)
{
    const DatumTensor *t = constant_tensor(v);
    if (t)
        return t->dtype;
    if (v->id >= c->dtype_count)
        grow_dtypes(c, 2 * v->id + 64);
    if (c->dtype_of[v->id] != NOT_LOOKED)
        return (DType)c->dtype_of[v->id];
    // Made since the walk.
    c->dtype_of[v->id] = DT_INVALID;
    DType found = v->node->kind == NODE_OP && v->offset == 0 ? operator_dtype(c, v->node) : DT_INVALID;
    c->dtype_of[v->id] = (uint8_t)found;
    return found;
}

void find_dtypes(PassContext *c)
{
    uint32_t count = c->graph->next_id;
    c->dtype_count = 0;
    grow_dtypes(c, 2 * count + 64);
    memset(c->dtype_of, DT_INVALID, count);
    for (const Node *n = graph_first(c->graph); n; n = node_next_deep(n)) {
        if (n->kind == NODE_OP && n->output_count && n->outputs[0]->type->kind == TYPE_TENSOR)
            c->dtype_of[n->outputs[0]->id] = (uint8_t)operator_dtype(c, n);
        // What an if gives is known when the walk leaves its last block.
        for (const Node *last = n; last->next == last->owner->ret && last->owner->owner; last = last->owner->owner) {
            const Node *branch = last->owner->owner;
            for (uint32_t i = 0; branch->kind == NODE_IF && i < branch->output_count; i++)
                c->dtype_of[branch->outputs[i]->id] =
                    (uint8_t)common_dtype(c, (Value *[]){branch->blocks[0]->ret->inputs[i], branch->blocks[1]->ret->inputs[i]}, 2);
        }
    }
}
