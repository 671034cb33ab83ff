// Loops and comprehensions.
// A Loop node has two blocks while compiling: the body and the condition; ssa.c puts the condition where it belongs.
#include "ir/compile.h"

typedef void Body(Emit *e, void *ctx);

// The trip count is that of `items`, or unlimited with condition `cond`.
static void emit_loop(Emit *e, Loc loc, Sugar *items, const Ast *target, const Ast *cond, Body *body, void *ctx)
{
    Value *trips = items ? sugar_len(e, items, loc) : emit_literal_int(e, INT64_MAX, loc);
    Node *n = emit_node(e, NODE_LOOP, loc);
    Block *body_block = node_add_block(e->g, n), *cond_block = node_add_block(e->g, n);
    Node *old = e->at;
    push_frame(e, cond_block);
    if (cond) {
        e->at = cond_block->ret;
        block_add_output(cond_block, emit_to_bool(e, loc_of(cond), emit_expr(e, cond, NULL)));
    } else {
        e->at = n;
        block_add_output(cond_block, emit_bool(e, true, loc));
    }
    pop_frame(e);
    node_add_input(n, trips);
    int outer_loop = e->loop;
    e->loop = IN_LOOP;
    Value *index = block_add_input(e->g, body_block, type_of_kind(e->p->types, TYPE_INT));
    push_frame(e, body_block);
    e->at = body_block->ret;
    if (items) {
        Value *element = sugar_as_value(e, sugar_item(e, items, loc, index, NULL), loc);
        emit_assign_to(e, target, sugar_value(e, element), loc);
    }
    body(e, ctx);
    pop_frame(e);
    e->loop = outer_loop;
    e->at = old;
}

static void emit_unrolled(Emit *e, Loc loc, Sugar *items, uint32_t length, const Ast *target, Body *body, void *ctx)
{
    int outer_loop = e->loop;
    e->loop = IN_UNROLLED_LOOP;
    for (uint32_t i = 0; i < length; i++) {
        Value *index = emit_literal_int(e, i, loc);
        emit_assign_to(e, target, sugar_item(e, items, loc, index, NULL), loc);
        body(e, ctx);
    }
    e->loop = outer_loop;
}

void emit_for_each(Emit *e, Loc loc, const Ast *target, const Ast *iterable, void (*body)(Emit *e, void *ctx), void *ctx)
{
    Sugar *items = sugar_iter(e, emit_sugar(e, iterable, NULL), loc);
    uint32_t length;
    if (sugar_unrolls(items, &length))
        emit_unrolled(e, loc, items, length, target, body, ctx);
    else
        emit_loop(e, loc, items, target, NULL, body, ctx);
}

static void emit_statements(Emit *e, void *ctx) { emit_block(e, ctx); }

void emit_for(Emit *e, const Ast *s) { emit_for_each(e, loc_of(s), s->kids[0], s->kids[1], emit_statements, s->kids[2]); }

void emit_while(Emit *e, const Ast *s) { emit_loop(e, loc_of(s), NULL, NULL, s->kids[0], emit_statements, s->kids[1]); }

// ---- comprehensions -----------------------------------------------------------------------------------------------

typedef struct Comprehension {
    const Ast *ast;
    Value *result;
    bool typed;
} Comprehension;

static void append_to_list(Emit *e, void *ctx)
{
    Comprehension *c = ctx;
    const Type *hint = c->typed ? c->result->type->elem[0] : NULL;
    Value *v = emit_expr(e, c->ast->kids[0], hint);
    if (!c->typed) {
        c->result->type = type_list(e->p->types, v->type);
        c->typed = true;
    } else if (!type_is_subtype(v->type, hint)) {
        const Type *elem = type_unify(e->p->types, hint, v->type, true);
        if (elem->kind == TYPE_UNION)
            emit_fail(e, loc_of(c->ast), "List type annotation `List[%s]` did not match the types of the given list elements, which were unified to %s",
                      type_text(e->arena, hint), type_text(e->arena, elem));
        c->result->type = type_list(e->p->types, elem);
    }
    emit_op(e, loc_of(c->ast), "aten::append", (Value *[]){c->result, v}, 2);
}

static void set_in_dict(Emit *e, void *ctx)
{
    Comprehension *c = ctx;
    Value *key = emit_expr(e, c->ast->kids[0], NULL), *v = emit_expr(e, c->ast->kids[1], NULL);
    if (!c->typed) {
        c->result->type = type_dict(e->p->types, key->type, v->type);
        c->typed = true;
    }
    emit_op(e, loc_of(c->ast), "aten::_set_item", (Value *[]){c->result, key, v}, 3);
}

// The loop variable lives in a scope of its own, which is dissolved with the Loads and Stores.
static void emit_in_scope(Emit *e, Comprehension *c, const Ast *target, const Ast *iterable, Body *body)
{
    Node *scope = emit_node(e, NODE_COMPREHENSION_SCOPE, loc_of(c->ast));
    Block *block = node_add_block(e->g, scope);
    push_frame(e, block);
    Node *old = at_block(e, block);
    emit_for_each(e, loc_of(c->ast), target, iterable, body, c);
    e->at = old;
    pop_frame(e);
}

static const Type *hinted(const Type *hint, TypeKind kind)
{
    if (!hint || hint->kind == kind)
        return hint;
    for (uint32_t i = 0; (hint->kind == TYPE_OPTIONAL || hint->kind == TYPE_UNION) && i < hint->count; i++)
        if (hint->elem[i]->kind == kind)
            return hint->elem[i];
    return NULL;
}

Value *emit_list_comp(Emit *e, const Ast *a, const Type *hint)
{
    TypeTable *types = e->p->types;
    hint = hinted(hint, TYPE_LIST);
    Comprehension c = {.ast = a, .typed = hint != NULL};
    c.result = emit_list(e, hint ? hint->elem[0] : type_of_kind(types, TYPE_TENSOR), NULL, 0);
    emit_in_scope(e, &c, a->kids[1], a->kids[2], append_to_list);
    return c.result;
}

Value *emit_dict_comp(Emit *e, const Ast *a, const Type *hint)
{
    TypeTable *types = e->p->types;
    hint = hinted(hint, TYPE_DICT);
    Comprehension c = {.ast = a, .typed = hint != NULL};
    const Type *type = hint ? hint : type_dict(types, type_of_kind(types, TYPE_STR), type_of_kind(types, TYPE_TENSOR));
    c.result = node_add_output(e->g, emit_node(e, NODE_DICT_CONSTRUCT, NO_LOC), type);
    emit_in_scope(e, &c, a->kids[2], a->kids[3], set_in_dict);
    return c.result;
}
