// Shape arithmetic of traced graphs: sizes that were made tensors, computed with, and read back as ints
// (`int(floor_divide(NumToTensor(size(x, 0)), 4))`) become arithmetic on ints.
#include "ir/pass.h"
#include "ir/print.h"

enum { MAX_DEPTH = 16 };

typedef struct IntChain {
    PassContext *c;
    const Alias *alias;
    Node *at; // new nodes go before it
} IntChain;

static Value *int_of(IntChain *k, Value *v, int depth);

// The int behind a Scalar argument: an int, or the int that it was read from.
static Value *int_operand(IntChain *k, Value *v, int depth)
{
    return v->type->kind == TYPE_INT ? v : v->type->kind == TYPE_TENSOR ? int_of(k, v, depth) : NULL;
}

static Value *make_int(IntChain *k, const char *name, Value *a, Value *b)
{
    const Schema *s = op_table_find(k->c->ops, str_of(name));
    return s ? node_make(k->c, s, k->at, k->at, (Value *[]){a, b}, 2)->outputs[0] : NULL;
}

static bool is_one(const Value *v)
{
    int64_t i;
    return value_constant_int(v, &i) && i == 1;
}

static bool is_positive(const Value *v)
{
    int64_t i;
    return v && value_constant_int(v, &i) && i > 0;
}

static Value *arithmetic(IntChain *k, const Node *n, int depth)
{
    static const struct {
        const char *tensor, *number; // the operator, and its form on ints
        bool alpha, divides, reversed;
    } FORMS[] = {{"aten::add.Tensor", "aten::add.int", true, false, false},  {"aten::add.Scalar", "aten::add.int", true, false, false},
                 {"aten::sub.Tensor", "aten::sub.int", true, false, false},  {"aten::sub.Scalar", "aten::sub.int", true, false, false},
                 {"aten::rsub.Scalar", "aten::sub.int", true, false, true},  {"aten::mul.Tensor", "aten::mul.int", false, false, false},
                 {"aten::mul.Scalar", "aten::mul.int", false, false, false}, {"aten::floor_divide", "aten::floordiv.int", false, true, false},
                 {"aten::floor_divide.Scalar", "aten::floordiv.int", false, true, false}, {"aten::remainder.Scalar", "aten::remainder.int", false, true, false},
                 {"aten::remainder.Tensor", "aten::remainder.int", false, true, false}};
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        if (!node_is_overload(n, FORMS[i].tensor))
            continue;
        if (FORMS[i].alpha && !is_one(n->inputs[2]))
            return NULL;
        Value *a = int_of(k, n->inputs[0], depth + 1), *b = a ? int_operand(k, n->inputs[1], depth + 1) : NULL;
        // A divisor that could be zero would raise with another text.
        if (!b || (FORMS[i].divides && !is_positive(b)))
            return NULL;
        return FORMS[i].reversed ? make_int(k, FORMS[i].number, b, a) : make_int(k, FORMS[i].number, a, b);
    }
    return NULL;
}

// The int that a tensor without dimensions was made from, computed with ints; NULL when it was not.
static Value *int_of(IntChain *k, Value *v, int depth)
{
    const DatumTensor *t = constant_tensor(v);
    if (depth > MAX_DEPTH || alias_is_written(k->alias, v))
        return NULL;
    if (t) {
        Datum *d = t->ndim == 0 && t->dtype == DT_I64 ? datum_tensor_number(k->c->arena, t) : NULL;
        return d ? constant_datum(k->c, k->at, d, NULL) : NULL;
    }
    if (node_is(v->node, "prim::NumToTensor"))
        return v->node->inputs[0]->type->kind == TYPE_INT ? v->node->inputs[0] : NULL;
    return v->node->kind == NODE_OP ? arithmetic(k, v->node, depth) : NULL;
}

Value *int_behind(PassContext *c, const Alias *alias, Node *n)
{
    IntChain k = {c, alias, n};
    return int_of(&k, n->inputs[0], 0);
}
