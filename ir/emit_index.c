// Subscripts: of tuples, lists, dicts, strings, objects, and the many kinds of tensor indexing (torchscript.md §4.6).
// Ints become select, slices slice, None unsqueeze; tensors and lists are gathered into one aten::index.
#include "ir/compile.h"

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

// ---- slices -------------------------------------------------------------------------------------------------------

static Value *emit_slice_part(Emit *e, const Ast *part) { return part ? emit_expr(e, part, NULL) : NULL; }

static int64_t constant_part(Emit *e, Loc loc, const Value *v, int64_t otherwise)
{
    int64_t k = otherwise;
    if (v && !value_is_none(v) && !value_constant_int(v, &k))
        emit_fail(e, loc, "Step, start and end of a tuple slice must be constant integers");
    return k;
}

static Value *emit_tuple_slice(Emit *e, Loc loc, Value *tuple, const Value *start, const Value *stop, const Value *step)
{
    int64_t n = tuple->type->count, by = constant_part(e, loc, step, 1);
    if (by == 0)
        emit_fail(e, loc, "slice step cannot be zero");
    int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
    int64_t from = constant_part(e, loc, start, by > 0 ? 0 : INT64_MAX), to = constant_part(e, loc, stop, by > 0 ? INT64_MAX : INT64_MIN);
    from = clamp(from < 0 && from > INT64_MIN ? from + n : from, low, high);
    to = clamp(to < 0 && to > INT64_MIN ? to + n : to, low, high);
    Value **parts = NULL;
    uint32_t count = 0;
    for (int64_t i = from; by > 0 ? i < to : i > to; i += by) {
        Value *index = emit_int(e, i, NO_LOC);
        ARENA_PUSH(e->arena, parts, count, emit_tuple_index(e, tuple, index, tuple->type->elem[i]));
    }
    return emit_tuple(e, parts, count, NULL, NO_LOC);
}

// `dim` only for tensors.
static Value *emit_slice(Emit *e, Loc loc, Value *v, Value *dim, const Ast *slice)
{
    Value *start = emit_slice_part(e, slice->kids[0]), *stop = emit_slice_part(e, slice->kids[1]),
          *step = emit_slice_part(e, slice->kids[2]);
    if (v->type->kind == TYPE_TUPLE)
        return emit_tuple_slice(e, loc, v, start, stop, step);
    Value *args[5];
    uint32_t n = 0;
    args[n++] = v;
    if (dim)
        args[n++] = dim;
    if (!step)
        step = emit_int(e, 1, loc);
    args[n++] = start ? start : emit_none(e, NO_LOC);
    args[n++] = stop ? stop : emit_none(e, NO_LOC);
    args[n++] = step;
    return emit_op(e, loc, "aten::slice", args, n);
}

// ---- tensors ------------------------------------------------------------------------------------------------------

typedef struct Indices {
    const Ast *const *items;
    uint32_t count;
    int64_t *dims;
    Value **values; // NULL for slices and dots
} Indices;

// Emits item i, which applies to dimension `dim`; gives the dimension of the next item in this direction.
static int64_t place_index(Emit *e, Indices *x, uint32_t i, int64_t dim, bool backwards)
{
    const Ast *item = x->items[i];
    x->dims[i] = dim;
    int64_t next = backwards ? dim - 1 : dim + 1;
    if (item->kind == AST_SLICE)
        return next;
    emit_sugar(e, item, NULL); // PyTorch first looks whether it is a slice object, and evaluates it again
    Value *v = emit_expr(e, item, NULL);
    if (v->type->kind == TYPE_LIST) {
        Actual arg = actual_of(v, loc_of(item)), dtype = actual_of(emit_int(e, DT_I64, NO_LOC), NO_LOC);
        dtype.name = STR("dtype");
        v = emit_builtin(e, NO_LOC, STR("aten::tensor"), &arg, 1, &dtype, 1, NULL);
    }
    x->values[i] = v;
    switch (v->type->kind) {
    case TYPE_NONE:
        return backwards ? dim : next;
    case TYPE_INT:
        return backwards ? next : dim;
    case TYPE_TENSOR:
    case TYPE_OPTIONAL:
        if (backwards)
            emit_fail(e, loc_of(item), "Ellipses followed by tensor indexing is currently not supported");
        return next;
    default:
        emit_fail(e, loc_of(item), "Unsupported operation: indexing tensor with unsupported index type '%s'. "
                  "Only ints, slices, lists and tensors are supported", type_text(e->arena, v->type));
    }
}

static void place_indices(Emit *e, Indices *x)
{
    uint32_t i = 0;
    int64_t dim = 0;
    for (; i < x->count && x->items[i]->kind != AST_DOTS; i++)
        dim = place_index(e, x, i, dim, false);
    dim = -1;
    for (uint32_t k = x->count; k-- > i + 1;) {
        if (x->items[k]->kind == AST_DOTS)
            emit_fail(e, loc_of(x->items[k]), "An index can only have a single ellipsis ('...')");
        dim = place_index(e, x, k, dim, true);
    }
}

// Applies ints, slices and None to the tensor; tensor indices are returned by dimension, NULL where there is none.
static Value *emit_basic_indices(Emit *e, Loc loc, Value *v, const Ast *subscript, Value ***tensors, uint32_t *tensor_count)
{
    Indices x = {.items = (const Ast *const *)subscript->kids + 1, .count = subscript->count - 1};
    x.dims = ARENA_ARRAY(e->arena, int64_t, x.count);
    x.values = ARENA_ARRAY(e->arena, Value *, x.count);
    *tensors = ARENA_ARRAY(e->arena, Value *, x.count + 1);
    *tensor_count = 0;
    place_indices(e, &x);
    for (uint32_t i = 0; i < x.count; i++) {
        Value *index = x.values[i];
        if (!index) {
            if (x.items[i]->kind == AST_SLICE)
                v = emit_slice(e, loc, v, emit_int(e, x.dims[i], loc), x.items[i]);
            continue;
        }
        if (index->type->kind == TYPE_NONE) {
            v = emit_op(e, loc, "aten::unsqueeze", (Value *[]){v, emit_int(e, x.dims[i], loc)}, 2);
        } else if (index->type->kind == TYPE_INT) {
            v = emit_op(e, loc, "aten::select", (Value *[]){v, emit_int(e, x.dims[i], loc), index}, 3);
        } else {
            (*tensors)[x.dims[i]] = index;
            *tensor_count = (uint32_t)x.dims[i] + 1;
        }
    }
    for (uint32_t i = 0; i < *tensor_count; i++)
        if (!(*tensors)[i])
            (*tensors)[i] = emit_none(e, NO_LOC);
    return v;
}

static const Type *optional_tensor(Emit *e) { return type_optional(e->p->types, type_of_kind(e->p->types, TYPE_TENSOR)); }

static Value *emit_tensor_subscript(Emit *e, Loc loc, Value *v, const Ast *subscript)
{
    Value **tensors;
    uint32_t n;
    if (v->type->kind != TYPE_TENSOR)
        emit_fail(e, loc, "Unsupported operation: attempted to use multidimensional indexing on a non-tensor type");
    v = emit_basic_indices(e, loc, v, subscript, &tensors, &n);
    if (n == 0)
        return v;
    return emit_op(e, loc, "aten::index", (Value *[]){v, emit_list(e, optional_tensor(e), tensors, n)}, 2);
}

// ---- reading ------------------------------------------------------------------------------------------------------

static Value *emit_tuple_subscript(Emit *e, Loc loc, Value *tuple, Value *index)
{
    const Type *t = tuple->type, *type = NULL;
    int64_t k, n = t->count;
    if (value_constant_int(index, &k)) {
        if (k < -n || k >= n)
            emit_fail(e, loc, "Tuple index out of range. Tuple is length %lld and index is %lld", (long long)n, (long long)k);
        type = t->elem[k < 0 ? k + n : k];
    } else {
        if (index->type->kind != TYPE_INT)
            emit_fail(e, loc, "tuple index must be an integer");
        for (uint32_t i = 0; i < t->count; i++)
            if (t->elem[i] != t->elem[0])
                emit_fail(e, loc, "Cannot index into a tuple with a non-integer literal because we cannot resolve the output type");
        type = n ? t->elem[0] : type_of_kind(e->p->types, TYPE_NONE);
    }
    return emit_tuple_index(e, tuple, index, type);
}

Sugar *emit_subscript(Emit *e, const Ast *a, const Type *hint)
{
    Loc loc = loc_of(a), inner = loc_of(a->kids[0]);
    Sugar *s = emit_sugar(e, a->kids[0], NULL);
    if (a->count != 2)
        return sugar_value(e, emit_tensor_subscript(e, loc, sugar_as_value(e, s, inner), a));
    const Ast *item = a->kids[1];
    if (item->kind == AST_SLICE) {
        Value *v = sugar_as_value(e, s, inner);
        return sugar_value(e, v->type->kind == TYPE_TENSOR ? emit_tensor_subscript(e, loc, v, a) : emit_slice(e, loc, v, NULL, item));
    }
    bool tensor = s->kind == SUGAR_VALUE && s->value->type->kind == TYPE_TENSOR;
    if (item->kind == AST_DOTS)
        return sugar_value(e, emit_tensor_subscript(e, loc, sugar_as_value(e, s, inner), a));
    Value *index = emit_expr(e, item, NULL); // for a tensor it is evaluated again, as PyTorch does
    if (tensor)
        return sugar_value(e, emit_tensor_subscript(e, loc, s->value, a));
    if (s->kind == SUGAR_VALUE && s->value->type->kind == TYPE_TUPLE)
        return sugar_value(e, emit_tuple_subscript(e, loc, s->value, index));
    return sugar_item(e, s, loc, index, hint);
}

// ---- writing ------------------------------------------------------------------------------------------------------

// A number assigned to a part of a tensor becomes a tensor of its dtype and device.
static Value *as_tensor_like(Emit *e, Loc loc, Value *v, Value *like)
{
    TypeKind k = v->type->kind;
    if (k != TYPE_NUMBER && k != TYPE_INT && k != TYPE_BOOL && k != TYPE_FLOAT && k != TYPE_COMPLEX)
        return v;
    Actual arg = actual_of(v, loc), kwargs[2];
    kwargs[0] = actual_of(emit_op(e, NO_LOC, "prim::dtype", &like, 1), NO_LOC);
    kwargs[1] = actual_of(emit_op(e, NO_LOC, "prim::device", &like, 1), NO_LOC);
    kwargs[0].name = STR("dtype");
    kwargs[1].name = STR("device");
    return emit_builtin(e, NO_LOC, STR("aten::tensor"), &arg, 1, kwargs, 2, NULL);
}

static void assign_to_tensor(Emit *e, Loc loc, Value *v, const Ast *lhs, Value *rhs)
{
    Value **tensors;
    uint32_t n;
    Value *part = emit_basic_indices(e, loc_of(lhs), v, lhs, &tensors, &n);
    rhs = as_tensor_like(e, loc, rhs, part);
    if (n == 0)
        emit_op(e, loc, "aten::copy_", (Value *[]){part, rhs}, 2);
    else
        emit_op(e, loc, "aten::index_put_", (Value *[]){part, emit_list(e, optional_tensor(e), tensors, n), rhs}, 3);
}

void emit_subscript_assign(Emit *e, Loc loc, const Ast *lhs, Actual rhs)
{
    Value *v = emit_expr(e, lhs->kids[0], NULL);
    if (v->type->kind == TYPE_TENSOR) {
        assign_to_tensor(e, loc, v, lhs, actual_value(e, &rhs));
        return;
    }
    if (lhs->count != 2 || lhs->kids[1]->kind == AST_SLICE)
        emit_fail(e, loc_of(lhs), "Sliced expression not yet supported for subscripted assignment");
    Value *index = emit_expr(e, lhs->kids[1], NULL);
    Actual args[2] = {actual_of(index, loc_of(lhs)), rhs};
    if (v->type->kind == TYPE_CLASS)
        call_method(e, v, STR("__setitem__"), loc, args, 2);
    else
        emit_op(e, loc, "aten::_set_item", (Value *[]){v, index, actual_value(e, &rhs)}, 3);
}

void emit_subscript_augment(Emit *e, const Ast *stmt)
{
    const Ast *lhs = stmt->kids[0];
    Loc loc = loc_of(stmt);
    Value *v = emit_expr(e, lhs->kids[0], NULL), *rhs;
    if (v->type->kind == TYPE_TENSOR) {
        Value **tensors;
        uint32_t n;
        Value *part = emit_basic_indices(e, loc_of(lhs), v, lhs, &tensors, &n);
        rhs = emit_expr(e, stmt->kids[1], NULL);
        if (n == 0) { // a view: the in-place operator writes through it
            augmented_value(e, stmt, part, rhs);
            return;
        }
        Value *indices = emit_list(e, optional_tensor(e), tensors, n);
        Value *old = emit_op(e, loc_of(lhs), "aten::index", (Value *[]){part, indices}, 2);
        Value *fresh = augmented_value(e, stmt, old, rhs);
        emit_op(e, loc, "aten::index_put_", (Value *[]){part, indices, fresh}, 3);
        return;
    }
    if (lhs->count != 2 || lhs->kids[1]->kind == AST_SLICE)
        emit_fail(e, loc_of(lhs), "Augmented assignment of a slice is only supported for tensors");
    Value *index = emit_expr(e, lhs->kids[1], NULL);
    Actual args[2] = {actual_of(index, loc_of(lhs))};
    rhs = emit_expr(e, stmt->kids[1], NULL);
    bool object = v->type->kind == TYPE_CLASS;
    Value *old = object ? call_method(e, v, STR("__getitem__"), loc, args, 1)
                        : emit_op(e, loc_of(lhs), "aten::__getitem__", (Value *[]){v, index}, 2);
    args[1] = actual_of(augmented_value(e, stmt, old, rhs), loc);
    if (object)
        call_method(e, v, STR("__setitem__"), loc, args, 2);
    else
        emit_op(e, loc, "aten::_set_item", (Value *[]){v, index, args[1].value}, 3);
}
