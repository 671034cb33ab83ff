// Iteration and unpacking while compiling: ranges, zip, enumerate, tuples, and the values that loops run over.
// What has a length known here (tuples) is unrolled; everything else becomes a loop over an index.
#include "ir/compile.h"

Sugar **sugar_as_tuple(Emit *e, Sugar *s, Loc loc, int size_hint, uint32_t *count)
{
    if (s->kind == SUGAR_TUPLE || s->kind == SUGAR_TREE) {
        *count = s->count;
        return s->kids;
    }
    Value *v = sugar_as_value(e, s, loc), **parts = NULL;
    if (v->type->kind == TYPE_TUPLE) {
        parts = emit_tuple_unpack(e, v, count);
    } else if (v->type->kind == TYPE_LIST) {
        if (size_hint < 0)
            emit_fail(e, loc, "cannot statically infer the expected size of a list in this context");
        Node *n = emit_node(e, NODE_LIST_UNPACK, NO_LOC);
        node_add_input(n, v);
        for (int i = 0; i < size_hint; i++)
            node_add_output(e->g, n, v->type->elem[0]);
        parts = n->outputs;
        *count = n->output_count;
    } else {
        emit_fail(e, loc, "%s cannot be used as a tuple", type_text(e->arena, v->type));
    }
    Sugar **out = ARENA_ARRAY(e->arena, Sugar *, *count);
    for (uint32_t i = 0; i < *count; i++)
        out[i] = sugar_value(e, parts[i]);
    return out;
}

Sugar *sugar_range(Emit *e, Loc loc, Value **inputs, uint32_t count)
{
    if (count < 1 || count > 3)
        emit_fail(e, loc, "range expected 1 to 3 arguments, got %u", count);
    for (uint32_t i = 0; i < count; i++)
        if (inputs[i]->type->kind != TYPE_INT)
            emit_fail(e, loc, "all inputs of range must be ints, found %s in argument %u", type_text(e->arena, inputs[i]->type), i);
    Sugar *s = sugar_new(e, SUGAR_RANGE);
    s->only_stop = count == 1;
    if (count == 1) {
        s->stop = inputs[0];
        s->start = emit_int(e, 0, loc);
        s->step = emit_int(e, 1, loc);
    } else {
        s->start = inputs[0];
        s->stop = inputs[1];
        s->step = count == 3 ? inputs[2] : emit_int(e, 1, loc);
    }
    return s;
}

Sugar *sugar_iter(Emit *e, Sugar *s, Loc loc)
{
    if (s->kind == SUGAR_RANGE || s->kind == SUGAR_TREE || s->kind == SUGAR_TUPLE)
        return s;
    if (s->kind == SUGAR_ENUM) { // the members, in order
        const ClassDef *c = s->type->cls;
        Value **members = NULL;
        uint32_t n = 0;
        for (uint32_t i = 0; c && i < c->constant_count; i++)
            ARENA_PUSH(e->arena, members, n, emit_constant(e, c->constants[i].value, s->type, loc));
        return sugar_value(e, emit_list(e, s->type, members, n));
    }
    Value *v = sugar_as_value(e, s, loc);
    switch (v->type->kind) {
    case TYPE_LIST:
    case TYPE_STR:
    case TYPE_TENSOR:
        return s;
    case TYPE_DICT:
        return sugar_value(e, emit_op(e, loc, "aten::keys", &v, 1));
    case TYPE_TUPLE: {
        Sugar *t = sugar_new(e, SUGAR_TUPLE);
        t->kids = sugar_as_tuple(e, s, loc, -1, &t->count);
        return t;
    }
    default:
        emit_fail(e, loc, "'%s' object is not iterable", type_text(e->arena, v->type));
    }
}

bool sugar_unrolls(const Sugar *s, uint32_t *length)
{
    if (s->kind == SUGAR_TUPLE) {
        *length = s->count;
        return true;
    }
    bool any = false;
    for (uint32_t i = 0, n; s->kind == SUGAR_TREE && i < s->count; i++)
        if (sugar_unrolls(s->kids[i], &n) && (!any || n < *length)) {
            *length = n;
            any = true;
        }
    return any;
}

// The lengths of the leaves of a tree of zip and enumerate.
static void leaf_lengths(Emit *e, Sugar *s, Loc loc, Value ***lengths, uint32_t *count)
{
    if (s->kind == SUGAR_TREE) {
        for (uint32_t i = 0; i < s->count; i++)
            leaf_lengths(e, s->kids[i], loc, lengths, count);
    } else {
        ARENA_PUSH(e->arena, *lengths, *count, sugar_len(e, s, loc));
    }
}

Value *sugar_len(Emit *e, Sugar *s, Loc loc)
{
    if (s->kind == SUGAR_RANGE)
        return s->only_stop ? s->stop : emit_op(e, loc, "aten::__range_length", (Value *[]){s->start, s->stop, s->step}, 3);
    if (s->kind == SUGAR_TREE) {
        Value **lengths = NULL;
        uint32_t n = 0;
        leaf_lengths(e, s, loc, &lengths, &n);
        Value *list = emit_list(e, type_of_kind(e->p->types, TYPE_INT), lengths, n);
        return emit_op(e, loc, "prim::min", &list, 1);
    }
    Value *v = sugar_as_value(e, s, loc);
    if (v->type->kind != TYPE_LIST && v->type->kind != TYPE_STR && v->type->kind != TYPE_TENSOR)
        emit_fail(e, loc, "'%s' object is not iterable", type_text(e->arena, v->type));
    return emit_op(e, loc, "aten::len", &v, 1);
}

static Sugar *object_item(Emit *e, Value *v, Loc loc, Value *index, const Type *hint)
{
    const ClassDef *c = v->type->cls;
    if (hint && c && (c->kind == CLASS_MODULE || c->kind == CLASS_MODULE_INTERFACE)) {
        Node *n = emit_node(e, NODE_MODULE_CONTAINER_INDEX, loc);
        node_add_input(n, v);
        node_add_input(n, index);
        return sugar_value(e, node_add_output(e->g, n, hint));
    }
    Actual arg = actual_of(index, loc);
    return sugar_value(e, call_method(e, v, STR("__getitem__"), loc, &arg, 1));
}

Sugar *sugar_item(Emit *e, Sugar *s, Loc loc, Value *index, const Type *hint)
{
    if (s->kind == SUGAR_RANGE)
        return s->only_stop ? sugar_value(e, index)
                            : sugar_value(e, emit_op(e, loc, "aten::__derive_index", (Value *[]){index, s->start, s->step}, 3));
    if (s->kind == SUGAR_TREE) {
        Sugar *t = sugar_new(e, SUGAR_TUPLE);
        for (uint32_t i = 0; i < s->count; i++)
            ARENA_PUSH(e->arena, t->kids, t->count, sugar_item(e, s->kids[i], loc, index, NULL));
        return t;
    }
    if (s->kind == SUGAR_TUPLE) {
        int64_t k;
        if (!value_constant_int(index, &k) || k < -(int64_t)s->count || k >= (int64_t)s->count)
            emit_fail(e, loc, "Expected a constant index within the tuple");
        return s->kids[k < 0 ? k + s->count : k];
    }
    Value *v = sugar_as_value(e, s, loc);
    switch (v->type->kind) {
    case TYPE_LIST:
    case TYPE_STR:
    case TYPE_DICT:
        return sugar_value(e, emit_op(e, loc, "aten::__getitem__", (Value *[]){v, index}, 2));
    case TYPE_TENSOR:
        return sugar_value(e, emit_op(e, loc, "aten::select", (Value *[]){v, emit_int(e, 0, NO_LOC), index}, 3));
    case TYPE_CLASS:
    case TYPE_INTERFACE:
        return object_item(e, v, loc, index, hint);
    default:
        emit_fail(e, loc, "'%s' object is not subscriptable", type_text(e->arena, v->type));
    }
}
