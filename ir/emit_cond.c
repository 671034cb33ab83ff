// Conditions: what is known statically, what a test tells about the types of variables, and the ifs built from them.
// A condition that is decided while compiling leaves only the branch taken (torchscript.md §5.2).
#include "ir/compile.h"

// ---- refinements --------------------------------------------------------------------------------------------------

static Refinements inverted(Refinements r)
{
    return (Refinements){r.when_false, r.when_true, r.false_count, r.true_count};
}

static const Refinement *find_refinement(const Refinement *r, uint32_t count, Str name)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(r[i].name, name))
            return &r[i];
    return NULL;
}

static uint32_t either(Emit *e, const Refinement *a, uint32_t na, const Refinement *b, uint32_t nb, Refinement **out)
{
    uint32_t n = 0;
    *out = NULL;
    for (uint32_t i = 0; i < na; i++)
        ARENA_PUSH(e->arena, *out, n, a[i]);
    for (uint32_t i = 0; i < nb; i++)
        if (!find_refinement(a, na, b[i].name))
            ARENA_PUSH(e->arena, *out, n, b[i]);
    return n;
}

static uint32_t both(Emit *e, const Refinement *a, uint32_t na, const Refinement *b, uint32_t nb, Refinement **out)
{
    uint32_t n = 0;
    *out = NULL;
    for (uint32_t i = 0; i < na; i++) {
        const Refinement *other = find_refinement(b, nb, a[i].name);
        if (other && other->type == a[i].type)
            ARENA_PUSH(e->arena, *out, n, a[i]);
    }
    return n;
}

// `and`: when true both hold, when false one of them does not. `or` is the mirror image.
static Refinements combine(Emit *e, Refinements a, Refinements b, bool is_or)
{
    Refinements r = {0};
    if (is_or)
        return inverted(combine(e, inverted(a), inverted(b), false));
    r.true_count = either(e, a.when_true, a.true_count, b.when_true, b.true_count, &r.when_true);
    r.false_count = both(e, a.when_false, a.false_count, b.when_false, b.false_count, &r.when_false);
    return r;
}

static Refinements refine_when(Emit *e, bool when, Str name, const Type *type)
{
    Refinement *one = ARENA_NEW(e->arena, Refinement);
    *one = (Refinement){name, type};
    return when ? (Refinements){.when_true = one, .true_count = 1} : (Refinements){.when_false = one, .false_count = 1};
}

void insert_refinements(Emit *e, Loc loc, const Refinement *r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        Value *v = get_var(e, r[i].name, loc);
        set_var(e, loc, r[i].name, emit_unchecked_cast(e, v, r[i].type));
    }
}

// ---- conditions ---------------------------------------------------------------------------------------------------

static Condition static_condition(Emit *e, Loc loc, bool known, Refinements r)
{
    return (Condition){.value = emit_bool(e, known, loc), .refine = r, .is_static = true, .known = known};
}

Value *emit_to_bool(Emit *e, Loc loc, Value *v)
{
    Actual arg = actual_of(v, loc);
    Value *out = sugar_as_value(e, sugar_call(e, get_sugar(e, STR("bool"), loc, true), loc, &arg, 1, NULL, 0), loc);
    if (out->type->kind != TYPE_BOOL)
        emit_fail(e, loc, "expected a bool expression for condition but found %s", type_text(e->arena, out->type));
    return out;
}

typedef enum { NEVER_NONE, MAYBE_NONE, ALWAYS_NONE } NoneStatus;

static NoneStatus none_status(const Value *v)
{
    if (v->type->kind == TYPE_NONE)
        return ALWAYS_NONE;
    if (v->type->kind == TYPE_ANY || type_can_hold(v->type, TYPE_NONE))
        return MAYBE_NONE;
    return NEVER_NONE;
}

// `x is None` and `None is x` say what x is on the side where it is not None.
static Refinements none_refinements(Emit *e, const Ast *a, Value *left, Value *right)
{
    const Ast *l = a->kids[0], *r = a->kids[1];
    if (r->kind != AST_NONE && l->kind == AST_NONE) {
        const Ast *swap = l;
        l = r;
        r = swap;
        left = right;
    }
    if (r->kind != AST_NONE || l->kind != AST_NAME)
        return (Refinements){0};
    const Type *t = left->type;
    if (t->kind != TYPE_OPTIONAL && !(t->kind == TYPE_UNION && type_can_hold(t, TYPE_NONE)))
        return (Refinements){0};
    return refine_when(e, a->op == TOK_IS_NOT, l->text, type_without_none(e->p->types, t));
}

static Condition emit_is(Emit *e, const Ast *a)
{
    Loc loc = loc_of(a);
    bool is = a->op == TOK_IS;
    Value *v[2] = {emit_expr(e, a->kids[0], NULL), emit_expr(e, a->kids[1], NULL)};
    NoneStatus l = none_status(v[0]), r = none_status(v[1]);
    if (l == ALWAYS_NONE && r == ALWAYS_NONE)
        return static_condition(e, loc, is, (Refinements){0});
    if ((l == ALWAYS_NONE && r == NEVER_NONE) || (l == NEVER_NONE && r == ALWAYS_NONE))
        return static_condition(e, loc, !is, (Refinements){0});
    Value *value = emit_op(e, loc, is ? "aten::__is__" : "aten::__isnot__", v, 2);
    return (Condition){.value = value, .refine = none_refinements(e, a, v[0], v[1])};
}

// An If with one output; each branch is a callback that emits its value.
typedef Value *EmitBranch(Emit *e, void *ctx);

static Value *emit_if_value(Emit *e, Loc loc, const Condition *c, EmitBranch *when_true, EmitBranch *when_false, void *ctx)
{
    Node *n = emit_node(e, NODE_IF, loc);
    node_add_input(n, c->value);
    Block *blocks[2] = {node_add_block(e->g, n), node_add_block(e->g, n)};
    const Type *types[2];
    for (int i = 0; i < 2; i++) {
        push_frame(e, blocks[i]);
        Node *old = at_block(e, blocks[i]);
        if (i == 0)
            insert_refinements(e, loc, c->refine.when_true, c->refine.true_count);
        else
            insert_refinements(e, loc, c->refine.when_false, c->refine.false_count);
        Value *v = (i == 0 ? when_true : when_false)(e, ctx);
        block_add_output(blocks[i], v);
        types[i] = v->type;
        e->at = old;
        pop_frame(e);
    }
    const Type *type = type_unify(e->p->types, types[0], types[1], false);
    if (!type)
        emit_fail(e, loc, "if-expression's true branch has type %s but false branch has type %s", type_text(e->arena, types[0]),
                  type_text(e->arena, types[1]));
    return node_add_output(e->g, n, type);
}

typedef struct ShortCircuit {
    const Ast *second;
    Condition rhs;
    Loc loc;
    bool is_or;
} ShortCircuit;

static Value *emit_second(Emit *e, void *ctx)
{
    ShortCircuit *s = ctx;
    s->rhs = emit_condition(e, s->second);
    return s->rhs.value;
}

static Value *emit_decided(Emit *e, void *ctx)
{
    const ShortCircuit *s = ctx;
    return emit_bool(e, s->is_or, s->loc);
}

static Condition emit_and_or(Emit *e, const Ast *a)
{
    ShortCircuit s = {.second = a->kids[1], .loc = loc_of(a), .is_or = a->op == TOK_OR};
    Condition lhs = emit_condition(e, a->kids[0]), out = {0};
    out.value = emit_if_value(e, s.loc, &lhs, s.is_or ? emit_decided : emit_second, s.is_or ? emit_second : emit_decided, &s);
    out.refine = combine(e, lhs.refine, s.rhs.refine, s.is_or);
    if ((lhs.is_static && lhs.known == s.is_or) || (s.rhs.is_static && s.rhs.known == s.is_or)) {
        out.is_static = true;
        out.known = s.is_or;
    } else if (lhs.is_static && s.rhs.is_static) {
        out.is_static = true;
        out.known = !s.is_or;
    }
    return out;
}

static Condition emit_plain_condition(Emit *e, const Ast *a)
{
    if (a->kind == AST_APPLY) {
        const Ast *callee = a->kids[0];
        bool named = callee->kind == AST_NAME && a->count == 3;
        if (named && str_is(callee->text, "isinstance"))
            return emit_isinstance(e, a->kids[1], a->kids[2]);
        if (named && str_is(callee->text, "hasattr"))
            return emit_hasattr(e, a->kids[1], a->kids[2]);
        emit_sugar(e, callee, NULL); // PyTorch looks at the callee first and evaluates it again below
    }
    Value *v = emit_to_bool(e, loc_of(a), emit_expr(e, a, NULL));
    Condition c = {.value = v};
    const Node *n = v->node;
    if (n->kind == NODE_OP && str_is(n->schema->symbol, "aten::is_scripting"))
        c.is_static = c.known = true;
    else
        c.is_static = value_constant_bool(v, &c.known);
    return c;
}

static Condition any_condition(Emit *e, const Ast *a)
{
    if (a->kind == AST_BINARY && (a->op == TOK_AND || a->op == TOK_OR))
        return emit_and_or(e, a);
    if (a->kind == AST_BINARY && (a->op == TOK_IS || a->op == TOK_IS_NOT))
        return emit_is(e, a);
    if (a->kind == AST_UNARY && a->op == TOK_NOT) {
        Condition c = emit_condition(e, a->kids[0]);
        c.value = emit_op(e, loc_of(a), "aten::__not__", &c.value, 1);
        c.refine = inverted(c.refine);
        c.known = !c.known;
        return c;
    }
    return emit_plain_condition(e, a);
}

Condition emit_condition(Emit *e, const Ast *a)
{
    if (++e->p->depth > MAX_EMIT_DEPTH)
        emit_fail(e, loc_of(a), "conditions are nested too deeply");
    Condition c = any_condition(e, a);
    e->p->depth--;
    return c;
}

// ---- isinstance, hasattr ------------------------------------------------------------------------------------------

static void gather_types(Emit *e, const Ast *a, const Type ***types, uint32_t *count)
{
    if (a->kind == AST_TUPLE)
        for (uint32_t i = 0; i < a->count; i++)
            gather_types(e, a->kids[i], types, count);
    else
        ARENA_PUSH(e->arena, *types, *count, parse_type(e->p, e->source, a));
}

Condition emit_isinstance(Emit *e, const Ast *object, const Ast *classes)
{
    TypeTable *table = e->p->types;
    Value *v = emit_expr(e, object, NULL);
    const Type **gathered = NULL, **lhs, **rhs;
    uint32_t n = 0;
    gather_types(e, classes, &gathered, &n);
    const Type *number[] = {type_of_kind(table, TYPE_FLOAT), type_of_kind(table, TYPE_COMPLEX), type_of_kind(table, TYPE_INT)};
    bool any_number = v->type->kind == TYPE_NUMBER;
    uint32_t lhs_count = type_members(table, any_number ? number : &v->type, any_number ? 3 : 1, &lhs), rhs_count = type_members(table, gathered, n, &rhs);
    const Type **is = NULL, **is_not = NULL;
    uint32_t is_count = 0, is_not_count = 0;
    bool all = true; // every type the object can have is one of those asked for
    for (uint32_t i = 0; i < lhs_count; i++) {
        const Type *t = lhs[i];
        if (t->kind == TYPE_ANY) {
            for (uint32_t k = 0; k < rhs_count; k++)
                ARENA_PUSH(e->arena, is, is_count, rhs[k]);
            ARENA_PUSH(e->arena, is_not, is_not_count, t);
            all = is_count == 1 && is[0]->kind == TYPE_ANY;
            break;
        }
        const Type *found = NULL;
        for (uint32_t k = 0; k < rhs_count && !found; k++)
            found = type_is_subtype(t, rhs[k]) ? t : type_is_subtype(rhs[k], t) ? rhs[k] : NULL;
        if (found)
            ARENA_PUSH(e->arena, is, is_count, found);
        if (found != t) {
            ARENA_PUSH(e->arena, is_not, is_not_count, t);
            all = false;
        }
    }
    Refinements r = {0};
    if (object->kind == AST_NAME) {
        const Type *when_true = type_unify_all(table, is, is_count, true), *when_false = type_unify_all(table, is_not, is_not_count, true);
        if (when_true)
            r = refine_when(e, true, object->text, when_true);
        if (when_false) {
            Refinements f = refine_when(e, false, object->text, when_false);
            r.when_false = f.when_false;
            r.false_count = 1;
        }
    }
    if (is_count == 0 || all)
        return static_condition(e, loc_of(object), is_count > 0, r);
    Node *node = emit_node(e, NODE_ISINSTANCE, NO_LOC);
    node_add_input(node, v);
    node->types = rhs;
    node->type_count = rhs_count;
    return (Condition){.value = node_add_output(e->g, node, type_of_kind(table, TYPE_BOOL)), .refine = r};
}

Condition emit_hasattr(Emit *e, const Ast *object, const Ast *name)
{
    if (name->kind != AST_STRING)
        emit_fail(e, loc_of(name), "hasattr's second argument must be a string literal");
    Sugar *s = emit_sugar(e, object, NULL);
    return static_condition(e, loc_of(object), sugar_has_attr(e, s, name->text, loc_of(object)), (Refinements){0});
}

// ---- ifs ----------------------------------------------------------------------------------------------------------

typedef struct Ternary {
    const Ast *ast;
    const Type *hint;
} Ternary;

static Value *emit_ternary_true(Emit *e, void *ctx) { return emit_expr(e, ((Ternary *)ctx)->ast->kids[0], ((Ternary *)ctx)->hint); }
static Value *emit_ternary_false(Emit *e, void *ctx) { return emit_expr(e, ((Ternary *)ctx)->ast->kids[2], ((Ternary *)ctx)->hint); }

Value *emit_ternary(Emit *e, const Ast *a, const Type *hint)
{
    Condition c = emit_condition(e, a->kids[1]);
    Ternary t = {a, hint};
    if (c.is_static)
        return c.known ? emit_ternary_true(e, &t) : emit_ternary_false(e, &t);
    return emit_if_value(e, loc_of(a), &c, emit_ternary_true, emit_ternary_false, &t);
}

static VarFrame *emit_branch(Emit *e, Block *b, const Ast *body, const Refinement *r, uint32_t count, Loc loc)
{
    push_frame(e, b);
    Node *old = at_block(e, b);
    insert_refinements(e, body ? loc_of(body) : loc, r, count);
    if (body)
        emit_block(e, body);
    e->at = old;
    return pop_frame(e);
}

static int compare_names(Str a, Str b)
{
    int c = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

// Inserts into a sorted array of names unless it is there.
static Str *add_name(Emit *e, Str *names, uint32_t *count, Str name)
{
    uint32_t low = 0, high = *count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = compare_names(names[middle], name);
        if (c == 0)
            return names;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    ARENA_PUSH(e->arena, names, *count, name);
    memmove(names + low + 1, names + low, (*count - 1 - low) * sizeof *names);
    names[low] = name;
    return names;
}

typedef struct Branch {
    Block *block;
    VarFrame *frame;
    bool exits;
} Branch;

static void not_defined(Emit *e, Str name, bool in_true)
{
    strmap_put(&e->frame->errors, e->arena, name,
               in_true ? "is not defined in the false branch" : "is not defined in the true branch");
}

// Names that both branches define, or that one defines and the other finds outside or never needs.
static Str *joined_names(Emit *e, const Branch *b, uint32_t *count)
{
    Str *names = NULL;
    *count = 0;
    for (int side = 0; side < 2; side++) {
        const Branch *from = &b[side], *other = &b[1 - side];
        for (uint32_t i = 0; i < from->frame->name_count; i++) {
            Str name = from->frame->names[i];
            Node *old = at_block(e, other->block);
            if (find_in_frames(e, other->frame, name) || other->exits)
                names = add_name(e, names, count, name);
            else
                not_defined(e, name, side == 0);
            e->at = old;
        }
    }
    return names;
}

static Value *load_in_branch(Emit *e, const Branch *b, Str name, Loc loc)
{
    Node *old = at_block(e, b->block);
    Sugar *s = find_in_frames(e, b->frame, name);
    Value *v = s ? sugar_as_value(e, s, loc) : NULL;
    e->at = old;
    return v;
}

// The branch exits, so its value of the variable is never used.
static Value *uninitialized_in_branch(Emit *e, const Branch *b, Str name, const Type *type)
{
    Node *old = at_block(e, b->block);
    Value *v = emit_uninitialized(e, type);
    Node *store = emit_node(e, NODE_STORE, NO_LOC);
    store->name = name;
    node_add_input(store, v);
    e->at = old;
    return v;
}

static void join_variable(Emit *e, const Branch *b, Str name, Loc loc)
{
    Value *t = b[0].exits ? NULL : load_in_branch(e, &b[0], name, loc);
    Value *f = b[1].exits ? NULL : load_in_branch(e, &b[1], name, loc);
    if (!t && !f)
        return;
    if (!t)
        t = uninitialized_in_branch(e, &b[0], name, f->type);
    else if (!f)
        f = uninitialized_in_branch(e, &b[1], name, t->type);
    Sugar *outer = find_in_frames(e, e->frame, name);
    TypeKind k = outer && outer->kind == SUGAR_VALUE ? outer->value->type->kind : TYPE_ANY;
    bool to_union = k == TYPE_UNION || k == TYPE_OPTIONAL || k == TYPE_NUMBER;
    const Type *type = type_unify(e->p->types, t->type, f->type, to_union);
    if (!type) {
        strmap_put(&e->frame->errors, e->arena, name, "has different types in the branches of an if");
        return;
    }
    if (!strmap_get(&e->frame->types, name))
        ARENA_PUSH(e->arena, e->frame->names, e->frame->name_count, name);
    strmap_put(&e->frame->types, e->arena, name, type);
}

void emit_if_blocks(Emit *e, Loc loc, const Condition *c, const Ast *when_true, const Ast *when_false)
{
    const Refinements *r = &c->refine;
    if (c->is_static) {
        insert_refinements(e, loc, c->known ? r->when_true : r->when_false, c->known ? r->true_count : r->false_count);
        if (c->known ? when_true : when_false)
            emit_block(e, c->known ? when_true : when_false);
        return;
    }
    Node *n = emit_node(e, NODE_IF, loc);
    node_add_input(n, c->value);
    Branch b[2] = {{.block = node_add_block(e->g, n)}, {.block = node_add_block(e->g, n)}};
    b[0].frame = emit_branch(e, b[0].block, when_true, r->when_true, r->true_count, loc);
    b[1].frame = emit_branch(e, b[1].block, when_false, r->when_false, r->false_count, loc);
    b[0].exits = exits(e, b[0].block);
    b[1].exits = exits(e, b[1].block);
    if (b[0].exits && b[1].exits)
        mark_exit(e, n->owner);
    uint32_t count;
    Str *names = joined_names(e, b, &count);
    for (uint32_t i = 0; i < count; i++)
        join_variable(e, b, names[i], loc);
}
