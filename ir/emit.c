// One function from syntax tree to graph: the order of phases, variables, and nodes at the insertion point.
// Variables are prim::Store and prim::Load nodes here; ssa.c removes them.
#include "ir/compile.h"

#include <stdio.h>

_Noreturn void emit_fail(Emit *e, Loc loc, const char *fmt, ...)
{
    char text[1100];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    Status code = str_starts(str_of(text), STR("Unknown builtin op")) ? ST_UNSUPPORTED : ST_BAD_MODEL;
    fail_at(&e->p->failure, e->source, loc.start == UINT32_MAX ? e->fn->def->ast->start : loc.start, code, "%s", text);
}

// ---- nodes --------------------------------------------------------------------------------------------------------

Node *emit_node(Emit *e, NodeKind kind, Loc loc)
{
    Node *n = node_new(e->g, kind);
    n->range = source_range(e->p, e->source, loc);
    node_insert_before(n, e->at);
    return n;
}

Value *emit_constant(Emit *e, Datum *d, const Type *type, Loc loc)
{
    Value *v = graph_constant(e->g, e->at, d, type);
    v->node->range = source_range(e->p, e->source, loc);
    return v;
}

Value *emit_int(Emit *e, int64_t v, Loc loc)
{
    return emit_constant(e, datum_int(e->arena, v), type_of_kind(e->p->types, TYPE_INT), loc);
}

Value *emit_bool(Emit *e, bool v, Loc loc)
{
    return emit_constant(e, datum_bool(v), type_of_kind(e->p->types, TYPE_BOOL), loc);
}

Value *emit_none(Emit *e, Loc loc) { return emit_constant(e, &datum_none, type_of_kind(e->p->types, TYPE_NONE), loc); }

Value *emit_str(Emit *e, Str s, Loc loc)
{
    return emit_constant(e, datum_str(e->arena, s), type_of_kind(e->p->types, TYPE_STR), loc);
}

Value *emit_literal_int(Emit *e, int64_t v, Loc loc)
{
    Value *known = strmap_get(&e->ints, (Str){(const char *)&v, sizeof v});
    if (known)
        return known;
    Node *old = e->at;
    e->at = block_first(e->g->top);
    Value *made = emit_int(e, v, loc);
    e->at = old;
    strmap_put(&e->ints, e->arena, arena_str(e->arena, (Str){(const char *)&v, sizeof v}), made);
    return made;
}

Value *emit_tuple(Emit *e, Value **values, uint32_t count, const Type *type, Loc loc)
{
    Node *n = emit_node(e, NODE_TUPLE_CONSTRUCT, loc);
    const Type **types = ARENA_ARRAY(e->arena, const Type *, count);
    for (uint32_t i = 0; i < count; i++) {
        node_add_input(n, values[i]);
        types[i] = values[i]->type;
    }
    return node_add_output(e->g, n, type ? type : type_tuple(e->p->types, types, count));
}

Value *emit_list(Emit *e, const Type *elem, Value **values, uint32_t count)
{
    Node *n = emit_node(e, NODE_LIST_CONSTRUCT, NO_LOC);
    for (uint32_t i = 0; i < count; i++)
        node_add_input(n, values[i]);
    return node_add_output(e->g, n, type_list(e->p->types, elem));
}

Value *emit_tuple_index(Emit *e, Value *tuple, Value *index, const Type *type)
{
    Node *n = emit_node(e, NODE_TUPLE_INDEX, NO_LOC);
    node_add_input(n, tuple);
    node_add_input(n, index);
    return node_add_output(e->g, n, type);
}

Value *emit_unchecked_cast(Emit *e, Value *v, const Type *type)
{
    Node *n = emit_node(e, NODE_UNCHECKED_CAST, NO_LOC);
    node_add_input(n, v);
    return node_add_output(e->g, n, type);
}

Value *emit_uninitialized(Emit *e, const Type *type)
{
    return node_add_output(e->g, emit_node(e, NODE_UNINITIALIZED, NO_LOC), type);
}

Value **emit_tuple_unpack(Emit *e, Value *tuple, uint32_t *count)
{
    if (tuple->node->kind == NODE_TUPLE_CONSTRUCT) {
        *count = tuple->node->input_count;
        return arena_copy(e->arena, tuple->node->inputs, *count * sizeof(Value *));
    }
    Node *n = emit_node(e, NODE_TUPLE_UNPACK, NO_LOC);
    node_add_input(n, tuple);
    for (uint32_t i = 0; i < tuple->type->count; i++)
        node_add_output(e->g, n, tuple->type->elem[i]);
    *count = n->output_count;
    return n->outputs;
}

static Str address_key(Block **b) { return (Str){(const char *)b, sizeof *b}; }

void mark_exit(Emit *e, Block *b)
{
    Block **key = arena_copy(e->arena, &b, sizeof b);
    strmap_put(&e->exits, e->arena, address_key(key), b);
}

bool exits(Emit *e, Block *b) { return strmap_get(&e->exits, address_key(&b)) != NULL; }

// ---- variables ----------------------------------------------------------------------------------------------------

void push_frame(Emit *e, Block *b)
{
    VarFrame *f = ARENA_NEW(e->arena, VarFrame);
    *f = (VarFrame){.next = e->frame, .block = b};
    e->frame = f;
}

VarFrame *pop_frame(Emit *e)
{
    VarFrame *f = e->frame;
    e->frame = f->next;
    return f;
}

static Value *insert_load(Emit *e, Str name, const Type *type)
{
    Node *n = emit_node(e, NODE_LOAD, NO_LOC);
    n->name = name;
    Value *v = node_add_output(e->g, n, type);
    if (name_is_meaningful(name))
        value_set_name(v, name);
    return v;
}

Sugar *find_in_frames(Emit *e, VarFrame *from, Str name)
{
    for (VarFrame *f = from; f; f = f->next) {
        Sugar *s = strmap_get(&f->sugars, name);
        if (s)
            return s;
        const Type *t = strmap_get(&f->types, name);
        if (t)
            return sugar_value(e, insert_load(e, name, t));
    }
    return NULL;
}

static void define(Emit *e, Str name, const Type *type)
{
    VarFrame *f = e->frame;
    if (!strmap_get(&f->types, name))
        ARENA_PUSH(e->arena, f->names, f->name_count, name);
    strmap_put(&f->types, e->arena, name, type);
}

// An assignment to a variable of an enclosing block keeps that variable's type.
static Value *fit_outer_variable(Emit *e, Loc loc, Str name, Sugar *s, const Type *annotated)
{
    Value *v = s->kind == SUGAR_VALUE ? s->value : NULL;
    Sugar *outer = find_in_frames(e, e->frame->next, name);
    if (!outer)
        return v;
    if (annotated)
        emit_fail(e, loc, "Attempting to declare and annotate the type of variable '" STR_FMT
                          "' that is already defined in an outer block", STR_ARG(name));
    if (!v || outer->kind != SUGAR_VALUE)
        emit_fail(e, loc, "Cannot re-assign '" STR_FMT "' because it is not a first-class value. "
                          "Only reassignments to first-class values are allowed", STR_ARG(name));
    const Type *type = outer->value->type;
    v = try_convert(e, loc, type, v, true);
    if (!type_is_subtype(v->type, type))
        emit_fail(e, loc, "Variable '" STR_FMT "' previously had type %s but is now being assigned to a value of type %s",
                  STR_ARG(name), type_text(e->arena, type), type_text(e->arena, v->type));
    return v;
}

void set_sugar(Emit *e, Loc loc, Str name, Sugar *s, const Type *annotated)
{
    Value *v = s->kind == SUGAR_VALUE ? s->value : NULL;
    if (v && !v->name.len && name_is_meaningful(name) && v->node->owner == e->frame->block)
        value_set_name(v, name);
    v = fit_outer_variable(e, loc, name, s, annotated);
    if (!v) {
        strmap_put(&e->frame->sugars, e->arena, name, s);
        return;
    }
    if (annotated && !type_is_subtype(v->type, annotated))
        emit_fail(e, loc, "Variable '" STR_FMT "' is annotated with type %s but is being assigned to a value of type %s",
                  STR_ARG(name), type_text(e->arena, annotated), type_text(e->arena, v->type));
    Node *store = emit_node(e, NODE_STORE, loc);
    store->name = name;
    node_add_input(store, v);
    define(e, name, annotated ? annotated : v->type);
    if (e->frame->sugars.count)
        strmap_put(&e->frame->sugars, e->arena, name, NULL);
}

void set_var(Emit *e, Loc loc, Str name, Value *v) { set_sugar(e, loc, name, sugar_value(e, v), NULL); }

Sugar *get_sugar(Emit *e, Str name, Loc loc, bool required)
{
    Sugar *s = find_in_frames(e, e->frame, name);
    if (!s)
        s = sugar_global(e, name, loc);
    if (s || !required)
        return s;
    for (VarFrame *f = e->frame; f; f = f->next) {
        const char *why = strmap_get(&f->errors, name);
        if (why)
            emit_fail(e, loc, STR_FMT " %s", STR_ARG(name), why);
    }
    emit_fail(e, loc, "undefined value " STR_FMT, STR_ARG(name));
}

Value *get_var(Emit *e, Str name, Loc loc) { return sugar_as_value(e, get_sugar(e, name, loc, true), loc); }

// ---- functions ----------------------------------------------------------------------------------------------------

static void emit_params(Emit *e, const Ast *def, Block *block, const Schema *schema)
{
    for (uint32_t i = 0; i < ast_param_count(def); i++) {
        const Ast *param = ast_param(def, i);
        Value *v = block_add_input(e->g, block, schema->args[i].type);
        if (name_is_meaningful(param->text))
            value_set_name(v, param->text);
        set_var(e, (Loc){param->start, param->start + (uint32_t)param->text.len}, param->text, v);
    }
}

static void emit_missing_return(Emit *e, const Ast *def, Block *block)
{
    DefState *state = e->def;
    if (exits(e, block)) {
        if (!state->merged)
            state->merged = state->declared ? state->declared : type_of_kind(e->p->types, TYPE_NONE);
        return;
    }
    if (state->declared && state->declared->kind != TYPE_NONE)
        emit_fail(e, loc_of(def), "Function was not annotated as having type None, but does not return along all paths");
    Ast none = {.kind = AST_NONE, .start = def->start, .end = def->end};
    Ast *returned[] = {&none};
    Ast ret = {.kind = AST_RETURN, .start = def->start, .end = def->end, .count = 1, .kids = returned};
    Ast *statements[] = {&ret};
    Ast body = {.kind = AST_BLOCK, .start = def->start, .end = def->end, .count = 1, .kids = statements};
    emit_block(e, &body);
}

void emit_def_body(Emit *e, const Ast *def, const ClassDef *self, Block *block, Schema *schema, bool inferred)
{
    if (self && ast_param_count(def) == 0)
        emit_fail(e, loc_of(def), "methods must have a self argument");
    DefState state = {.declared = inferred ? NULL : schema->returns[0].type, .outer = e->def};
    e->def = &state;
    emit_params(e, def, block, schema);
    emit_block(e, def->kids[1]);
    emit_missing_return(e, def, block);
    // Until exits_transform puts the returned value there, the block returns a placeholder of the right type.
    block_add_output(block, emit_uninitialized(e, state.merged));
    if (inferred)
        ARENA_PUSH(e->arena, schema->returns, schema->return_count, ((SchemaArg){.type = state.merged, .name = STR("")}));
    schema->returns[0].type = state.merged;
    e->def = state.outer;
}

static bool is_hook(const ClassDef *c, Str name)
{
    for (uint32_t i = 0; i < c->forward_pre_hook_count; i++)
        if (str_eq(c->forward_pre_hooks[i], name))
            return true;
    for (uint32_t i = 0; i < c->forward_hook_count; i++)
        if (str_eq(c->forward_hooks[i], name))
            return true;
    return false;
}

void compile_function(Program *p, Function *f)
{
    const Ast *def = f->def->ast;
    Emit e = {.p = p, .arena = p->arena, .fn = f, .source = f->source};
    // Only methods carry the file's operator version: PyTorch never upgrades free functions and hooks.
    e.version = f->cls && !is_hook(f->cls, f->name) ? p->options.version : 0;
    bool inferred;
    Schema *schema = signature_of(p, f->source, def, f->cls, f->name, &inferred);
    Graph *g = e.g = graph_new(p->arena, p->types);
    push_frame(&e, g->top);
    e.at = g->top->ret;
    emit_def_body(&e, def, f->cls, g->top, schema, inferred);
    if (e.version)
        upgrade_operators(p, g);
    ssa_convert(p, g);
    loops_canonicalize(p, g);
    ops_normalize(p, g);
    graph_cleanup(p, g);
    f->schema = schema;
    f->graph = g;
}
