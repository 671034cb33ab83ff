// Statements other than loops (torchscript.md §3.6, §5.2).
// Statements after one that always leaves the block are not compiled, as they can never run.
#include "ir/compile.h"

// ---- assignments --------------------------------------------------------------------------------------------------

static uint32_t binders_of(Emit *e, const Ast *tuple, bool *starred)
{
    uint32_t stars = 0;
    for (uint32_t i = 0; i < tuple->count; i++)
        stars += tuple->kids[i]->kind == AST_STAR;
    if (stars > 1)
        emit_fail(e, loc_of(tuple), "Only one starred expression is allowed on the lhs");
    *starred = stars == 1;
    return tuple->count - stars;
}

static void assign_tuple(Emit *e, const Ast *tuple, Sugar *value, Loc rhs)
{
    bool starred;
    uint32_t binders = binders_of(e, tuple, &starred), n;
    Sugar **parts = sugar_as_tuple(e, value, rhs, starred ? -1 : (int)binders, &n);
    if (n < binders)
        emit_fail(e, loc_of(tuple), "need %s%u values to unpack but found only %u", starred ? "at least " : "", binders, n);
    if (n > binders && !starred)
        emit_fail(e, loc_of(tuple), "too many values to unpack: need %u but found %u", binders, n);
    for (uint32_t i = 0, k = 0; i < tuple->count; i++) {
        const Ast *target = tuple->kids[i];
        if (target->kind != AST_STAR) {
            emit_assign_to(e, target, parts[k++], rhs);
            continue;
        }
        uint32_t rest = n - binders;
        Value **values = ARENA_ARRAY(e->arena, Value *, rest);
        for (uint32_t j = 0; j < rest; j++)
            values[j] = sugar_as_value(e, parts[k++], loc_of(target));
        emit_assign_to(e, target->kids[0], sugar_value(e, emit_tuple(e, values, rest, NULL, NO_LOC)), rhs);
    }
}

void emit_assign_to(Emit *e, const Ast *target, Sugar *value, Loc rhs)
{
    switch (target->kind) {
    case AST_NAME:
        set_sugar(e, loc_of(target), target->text, value, NULL);
        break;
    case AST_TUPLE:
    case AST_LIST:
        assign_tuple(e, target, value, rhs);
        break;
    case AST_SUBSCRIPT:
        emit_subscript_assign(e, rhs, target, actual_of(sugar_as_value(e, value, rhs), rhs));
        break;
    case AST_SELECT: {
        Sugar *object = emit_sugar(e, target->kids[0], NULL);
        sugar_set_attr(e, object, target->text, sugar_as_value(e, value, rhs), rhs);
        break;
    }
    default:
        emit_fail(e, loc_of(target), "unexpected expression on left-hand side of assignment");
    }
}

// Files of old quantised RNNs expect linear_prepack to give a Tensor, not the class it gives today.
static bool wants_legacy_prepack(const Emit *e, const Ast *value)
{
    return value->kind == AST_APPLY && value->kids[0]->kind == AST_SELECT &&
           str_eq(e->fn->qualified_name, STR("__torch__.torch.nn.quantized.dynamic.modules.rnn.PackedParameter.__setstate__")) &&
           str_is(value->kids[0]->text, "linear_prepack");
}

static Sugar *emit_legacy_prepack(Emit *e, const Ast *call)
{
    uint32_t n, kn;
    Actual *kwargs, *args = emit_actuals(e, call, 1, &n, &kwargs, &kn);
    return sugar_value(e, emit_builtin(e, loc_of(call), STR("quantized::linear_prepack_legacy"), args, n, kwargs, kn, NULL));
}

static void assign_one(Emit *e, const Ast *stmt, const Ast *target, const Ast *value)
{
    const Ast *annotation = stmt->kids[1];
    Loc rhs = loc_of(value);
    switch (target->kind) {
    case AST_NAME: {
        const Type *type = annotation ? parse_type(e->p, e->source, annotation) : NULL;
        Sugar *s = wants_legacy_prepack(e, value) ? emit_legacy_prepack(e, value) : emit_sugar(e, value, type);
        set_sugar(e, loc_of(target), target->text, s, type);
        break;
    }
    case AST_SELECT: {
        Sugar *object = emit_sugar(e, target->kids[0], NULL);
        const Type *type = annotation ? parse_type(e->p, e->source, annotation) : NULL;
        Value *v = emit_expr(e, value, type);
        sugar_set_attr(e, object, target->text, v, loc_of(stmt));
        break;
    }
    case AST_SUBSCRIPT:
        emit_subscript_assign(e, loc_of(stmt), target, actual_of(emit_expr(e, value, NULL), rhs));
        break;
    default:
        emit_assign_to(e, target, emit_sugar(e, value, NULL), rhs);
        break;
    }
}

static void emit_assign(Emit *e, const Ast *stmt)
{
    const Ast *value = stmt->kids[0];
    if (!value)
        emit_fail(e, loc_of(stmt), "For an assignment, expected an expression on the right-hand side");
    if (stmt->count == 3) {
        assign_one(e, stmt, stmt->kids[2], value);
        return;
    }
    // a = b = value: the value is computed once, then assigned from left to right.
    Ast temporary = {.kind = AST_NAME, .start = value->start, .end = value->end};
    temporary.text = arena_printf(e->arena, "$tmp_assign_%u", e->temporaries++);
    set_sugar(e, loc_of(value), temporary.text, emit_sugar(e, value, NULL), NULL);
    for (uint32_t i = 2; i < stmt->count; i++)
        assign_one(e, stmt, stmt->kids[i], &temporary);
}

static const struct {
    TokenKind op;
    const char *in_place, *plain; // operators for tensors and lists, and for the rest
    const char *in_place_magic, *magic;
} augmented_operators[] = {
    {TOK_ADD, "aten::add_", "aten::add", "__iadd__", "__add__"},
    {TOK_SUB, "aten::sub_", "aten::sub", "__isub__", "__sub__"},
    {TOK_MUL, "aten::mul_", "aten::mul", "__imul__", "__mul__"},
    {TOK_DIV, "aten::div_", "aten::div", "__itruediv__", "__truediv__"},
    {TOK_MOD, "aten::fmod_", "aten::fmod", "__imod__", "__mod__"},
    {TOK_BIT_OR, "aten::bitwise_or", "aten::__or__", "__ior__", "__or__"},
    {TOK_BIT_AND, "aten::bitwise_and", "aten::__and__", "__iand__", "__and__"},
    {TOK_BIT_XOR, "aten::bitwise_xor", "aten::__xor__", "__ixor__", "__xor__"},
    {TOK_SHL, "aten::__lshift__", "aten::__lshift__", "__ilshift__", "__lshift__"},
    {TOK_SHR, "aten::__rshift__", "aten::__rshift__", "__irshift__", "__rshift__"},
    {TOK_POW, "aten::pow", "aten::pow", "__ipow__", "__pow__"},
    {TOK_FLOOR_DIV, "aten::floordiv", "aten::floordiv", "__ifloordiv__", "__floordiv__"},
};

Value *augmented_value(Emit *e, const Ast *stmt, Value *left, Value *right)
{
    Loc locs[2] = {loc_of(stmt->kids[0]), loc_of(stmt->kids[1])};
    bool in_place = left->type->kind == TYPE_TENSOR || left->type->kind == TYPE_LIST;
    for (size_t i = 0; i < sizeof augmented_operators / sizeof *augmented_operators; i++) {
        if (augmented_operators[i].op != stmt->op)
            continue;
        if (left->type->kind == TYPE_CLASS) {
            Str magic = str_of(augmented_operators[i].in_place_magic);
            if (!method_of(left->type, magic))
                magic = str_of(augmented_operators[i].magic);
            Actual arg = actual_of(right, locs[1]);
            return call_method(e, left, magic, loc_of(stmt), &arg, 1);
        }
        return emit_operator(e, loc_of(stmt), in_place ? augmented_operators[i].in_place : augmented_operators[i].plain, "",
                             (Value *[]){left, right}, locs, 2);
    }
    emit_fail(e, loc_of(stmt), "unknown augmented assignment");
}

static void emit_augmented(Emit *e, const Ast *stmt)
{
    const Ast *target = stmt->kids[0];
    switch (target->kind) {
    case AST_NAME: {
        Value *left = emit_expr(e, target, NULL);
        set_var(e, loc_of(target), target->text, augmented_value(e, stmt, left, emit_expr(e, stmt->kids[1], NULL)));
        break;
    }
    case AST_SELECT: {
        Sugar *object = emit_sugar(e, target->kids[0], NULL);
        Value *left = sugar_as_value(e, sugar_attr(e, object, target->text, loc_of(target)), loc_of(target));
        sugar_set_attr(e, object, target->text, augmented_value(e, stmt, left, emit_expr(e, stmt->kids[1], NULL)), loc_of(stmt));
        break;
    }
    case AST_SUBSCRIPT:
        emit_subscript_augment(e, stmt);
        break;
    default:
        emit_fail(e, loc_of(target), "unexpected expression on left-hand side of augmented assignment");
    }
}

// ---- leaving ------------------------------------------------------------------------------------------------------

static void emit_return(Emit *e, const Ast *stmt)
{
    DefState *def = e->def;
    const Type *type = def->declared;
    Ast none = {.kind = AST_NONE, .start = stmt->start, .end = stmt->end};
    Value *v = emit_expr(e, stmt->kids[0] ? stmt->kids[0] : &none, type);
    if (type) {
        v = try_convert(e, loc_of(stmt), type, v, true);
        if (!type_is_subtype(v->type, type))
            emit_fail(e, loc_of(stmt), "Return value was annotated as having type %s but is actually of type %s",
                      type_text(e->arena, type), type_text(e->arena, v->type));
    } else {
        type = def->merged ? type_unify(e->p->types, def->merged, v->type, false) : v->type;
        if (!type)
            emit_fail(e, loc_of(stmt), "Previous return statement returned a value of type %s but this return statement returns "
                      "a value of type %s", type_text(e->arena, def->merged), type_text(e->arena, v->type));
    }
    def->merged = type;
    if (type->kind == TYPE_ANY && v->type->kind != TYPE_ANY)
        v = emit_unchecked_cast(e, v, type);
    node_add_input(emit_node(e, NODE_RETURN_STMT, NO_LOC), v);
    mark_exit(e, e->frame->block);
}

static void emit_raise(Emit *e, const Ast *stmt)
{
    Loc loc = loc_of(stmt);
    Sugar *s = emit_sugar(e, stmt->kids[0], NULL);
    Value *message = NULL;
    if (s->kind == SUGAR_EXCEPTION_MESSAGE)
        message = s->value;
    else if (s->kind == SUGAR_EXCEPTION)
        message = emit_str(e, STR(""), loc);
    else
        emit_fail(e, loc, "exceptions must derive from BaseException");
    Value *args[] = {message, NULL};
    if (!str_is(s->name, "AssertionError"))
        args[1] = emit_str(e, arena_printf(e->arena, "builtins." STR_FMT, STR_ARG(s->name)), loc);
    emit_op(e, loc, "prim::RaiseException", args, args[1] ? 2 : 1);
    mark_exit(e, e->frame->block);
}

// assert c, m is `if c: pass` with `else: raise AssertionError(m)`.
static void emit_assert(Emit *e, const Ast *stmt)
{
    Condition c = emit_condition(e, stmt->kids[0]);
    Ast empty = {.kind = AST_STRING, .text = STR(""), .start = stmt->start, .end = stmt->end};
    Ast name = {.kind = AST_NAME, .text = STR("AssertionError"), .start = stmt->start, .end = stmt->end};
    Ast *call_kids[] = {&name, stmt->kids[1] ? stmt->kids[1] : &empty};
    Ast call = {.kind = AST_APPLY, .kids = call_kids, .count = 2, .start = stmt->start, .end = stmt->end};
    Ast *raised[] = {&call};
    Ast raise = {.kind = AST_RAISE, .kids = raised, .count = 1, .start = stmt->start, .end = stmt->end};
    Ast *statements[] = {&raise};
    Ast block = {.kind = AST_BLOCK, .kids = statements, .count = 1, .start = stmt->start, .end = stmt->end};
    emit_if_blocks(e, loc_of(stmt), &c, NULL, &block);
}

static void emit_jump(Emit *e, const Ast *stmt)
{
    bool is_break = stmt->kind == AST_BREAK;
    if (e->loop == NOT_IN_LOOP)
        emit_fail(e, loc_of(stmt), "SyntaxError: '%s' outside loop", is_break ? "break" : "continue");
    if (e->loop == IN_UNROLLED_LOOP)
        emit_fail(e, loc_of(stmt), "Because we emit iteration over Modulelists or Tuples as unrolled loops, we do not support "
                  "break or continue inside the body of these loops");
    emit_node(e, is_break ? NODE_BREAK : NODE_CONTINUE, loc_of(stmt));
    mark_exit(e, e->frame->block);
}

// ---- the rest -----------------------------------------------------------------------------------------------------

static void remove_variable(Emit *e, const Ast *name)
{
    bool found = false;
    for (VarFrame *f = e->frame; f; f = f->next) {
        if (!strmap_get(&f->types, name->text) && !strmap_get(&f->sugars, name->text))
            continue;
        strmap_put(&f->types, e->arena, name->text, NULL);
        strmap_put(&f->sugars, e->arena, name->text, NULL);
        for (uint32_t i = 0; i < f->name_count; i++)
            if (str_eq(f->names[i], name->text)) {
                memmove(f->names + i, f->names + i + 1, (f->name_count - i - 1) * sizeof *f->names);
                f->names[--f->name_count] = (Str){0};
                break;
            }
        found = true;
    }
    if (!found)
        emit_fail(e, loc_of(name), "Cannot delete '" STR_FMT "': it is not defined", STR_ARG(name->text));
}

static void emit_del(Emit *e, const Ast *stmt)
{
    for (uint32_t i = 0; i < stmt->count; i++) {
        const Ast *target = stmt->kids[i];
        if (target->kind == AST_NAME) {
            remove_variable(e, target);
            continue;
        }
        if (target->kind != AST_SUBSCRIPT || target->count != 2 || target->kids[1]->kind == AST_SLICE)
            emit_fail(e, loc_of(target), "del statements are only supported for deleting variables and single list or dict items");
        Sugar *s = emit_sugar(e, target->kids[0], NULL);
        Value *v[2];
        v[1] = emit_expr(e, target->kids[1], NULL);
        v[0] = sugar_as_value(e, s, loc_of(target));
        Actual index = actual_of(v[1], loc_of(target));
        if (v[0]->type->kind == TYPE_CLASS)
            call_method(e, v[0], STR("__delitem__"), loc_of(stmt), &index, 1);
        else
            emit_op_statement(e, loc_of(target), "aten::Delete", v, 2);
    }
}

static void emit_with(Emit *e, const Ast *stmt)
{
    Value **entered = NULL;
    uint32_t n = 0;
    for (uint32_t i = 1; i + 1 < stmt->count; i += 2) {
        const Ast *target = stmt->kids[i], *variable = stmt->kids[i + 1];
        Value *object = emit_expr(e, target, NULL);
        Function *enter = method_of(object->type, STR("__enter__")), *leave = method_of(object->type, STR("__exit__"));
        if (object->type->kind != TYPE_CLASS)
            emit_fail(e, loc_of(target), "With item expression must return an object");
        if (!enter || !leave)
            emit_fail(e, loc_of(target), "Object returned by with item expression does not define __enter__ and __exit__ methods");
        ensure_compiled(e->p, enter, e->source, loc_of(target));
        ensure_compiled(e->p, leave, e->source, loc_of(target));
        Node *node = emit_node(e, NODE_ENTER, NO_LOC);
        node_add_input(node, object);
        Value *out = node_add_output(e->g, node, enter->schema->returns[0].type);
        ARENA_PUSH(e->arena, entered, n, object);
        if (variable)
            emit_assign_to(e, variable, sugar_value(e, out), loc_of(target));
    }
    emit_block(e, stmt->kids[0]);
    while (n > 0) {
        Node *node = emit_node(e, NODE_EXIT, NO_LOC);
        node_add_input(node, entered[--n]);
        node_add_output(e->g, node, type_of_kind(e->p->types, TYPE_TENSOR));
    }
}

static Value *emit_closure(Emit *e, void (*body)(Emit *e, Block *block, void *ctx), void *ctx)
{
    Node *n = emit_node(e, NODE_CLOSURE, NO_LOC);
    Value *out = node_add_output(e->g, n, type_of_kind(e->p->types, TYPE_NONE));
    Block *block = node_add_block(e->g, n);
    int loop = e->loop;
    e->loop = NOT_IN_LOOP;
    push_frame(e, block);
    Node *old = at_block(e, block);
    body(e, block, ctx);
    e->at = old;
    pop_frame(e);
    e->loop = loop;
    return out;
}

static void emit_nested_def(Emit *e, Block *block, void *ctx)
{
    const Ast *def = ctx;
    bool inferred;
    Schema *schema = signature_of(e->p, e->source, def, NULL, def->text, &inferred);
    emit_def_body(e, def, NULL, block, schema, inferred);
}

static void emit_def(Emit *e, const Ast *def)
{
    Sugar *s = sugar_new(e, SUGAR_CLOSURE);
    s->value = emit_closure(e, emit_nested_def, (void *)def);
    set_sugar(e, loc_of(def), def->text, s, NULL);
}

typedef struct ForkedCall {
    Sugar *callee;
    Loc loc;
    Actual *args, *kwargs;
    uint32_t count, kw_count;
} ForkedCall;

static void emit_forked_call(Emit *e, Block *block, void *ctx)
{
    const ForkedCall *c = ctx;
    Sugar *s = sugar_call(e, c->callee, c->loc, c->args, c->count, c->kwargs, c->kw_count);
    block_add_output(block, sugar_as_value(e, s, c->loc));
}

Sugar *emit_fork(Emit *e, Loc loc, Sugar *callee, NodeKind kind, Actual *args, uint32_t count, Actual *kwargs, uint32_t kw_count)
{
    Node *fork = emit_node(e, kind, loc);
    Value *out = node_add_output(e->g, fork, type_of_kind(e->p->types, TYPE_TENSOR));
    Node *old = e->at;
    e->at = fork;
    ForkedCall call = {callee, loc, args, kwargs, count, kw_count};
    Value *closure = callee->kind == SUGAR_CLOSURE ? callee->value : emit_closure(e, emit_forked_call, &call);
    e->at = old;
    node_add_input(fork, closure);
    const Type *type = closure->node->blocks[0]->ret->inputs[0]->type;
    out->type = type_wrap(e->p->types, kind == NODE_FORK ? TYPE_FUTURE : TYPE_AWAIT, type);
    return sugar_value(e, out);
}

static void emit_statement(Emit *e, const Ast *s)
{
    switch (s->kind) {
    case AST_IF: {
        Condition c = emit_condition(e, s->kids[0]);
        emit_if_blocks(e, loc_of(s), &c, s->kids[1], s->kids[2]);
        break;
    }
    case AST_WHILE:
        emit_while(e, s);
        break;
    case AST_FOR:
        emit_for(e, s);
        break;
    case AST_ASSIGN:
        emit_assign(e, s);
        break;
    case AST_AUG_ASSIGN:
        emit_augmented(e, s);
        break;
    case AST_EXPR:
        emit_sugar(e, s->kids[0], NULL);
        break;
    case AST_RAISE:
        emit_raise(e, s);
        break;
    case AST_ASSERT:
        emit_assert(e, s);
        break;
    case AST_RETURN:
        emit_return(e, s);
        break;
    case AST_BREAK:
    case AST_CONTINUE:
        emit_jump(e, s);
        break;
    case AST_PASS:
        break;
    case AST_DEF:
        emit_def(e, s);
        break;
    case AST_DEL:
        emit_del(e, s);
        break;
    case AST_WITH:
        emit_with(e, s);
        break;
    default:
        emit_fail(e, loc_of(s), "this statement is not supported");
    }
}

void emit_block(Emit *e, const Ast *block)
{
    if (++e->p->depth > MAX_EMIT_DEPTH)
        emit_fail(e, loc_of(block), "blocks are nested too deeply");
    for (uint32_t i = 0; i < block->count; i++) {
        emit_statement(e, block->kids[i]);
        if (exits(e, e->frame->block))
            break;
    }
    e->p->depth--;
}
