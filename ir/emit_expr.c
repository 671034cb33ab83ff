// Expressions: literals, operators, calls and the special forms (torchscript.md §3.5).
// A subexpression is emitted before what uses it, left to right, as the numbering of values requires.
#include "ir/compile.h"

Value *emit_expr(Emit *e, const Ast *a, const Type *hint)
{
    Value *v = sugar_as_value(e, emit_sugar(e, a, hint), loc_of(a));
    if (hint && hint->kind == TYPE_ANY && v->type->kind != TYPE_ANY)
        v = emit_unchecked_cast(e, v, hint);
    return v;
}

// ---- literals -----------------------------------------------------------------------------------------------------

static Value *emit_number(Emit *e, const Ast *a)
{
    Loc loc = loc_of(a);
    Datum *d = constant_expression(e->p, e->source, a, NULL);
    if (d->kind == DATUM_INT)
        return emit_literal_int(e, d->i, loc);
    StrMap *map = d->kind == DATUM_FLOAT ? &e->floats : &e->complexes;
    double number[2] = {d->kind == DATUM_FLOAT ? d->f : d->c.re, d->kind == DATUM_FLOAT ? 0 : d->c.im};
    for (int i = 0; i < 2; i++)
        number[i] = number[i] == 0 ? 0 : number[i]; // by value, as PyTorch does: of 0. and -0. the first is both
    Str key = arena_str(e->arena, (Str){(const char *)number, sizeof number});
    Value *known = strmap_get(map, key);
    if (known)
        return known;
    Node *old = e->at;
    e->at = block_first(e->g->top);
    Value *v = emit_constant(e, d, type_of_datum(e->p, d), loc);
    e->at = old;
    strmap_put(map, e->arena, key, v);
    return v;
}

Value **emit_exprs(Emit *e, Ast *const *exprs, uint32_t count, uint32_t *value_count)
{
    Value **values = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i]->kind == AST_STAR) {
            uint32_t parts;
            const Ast *inside = exprs[i]->kids[0];
            Sugar **kids = sugar_as_tuple(e, emit_sugar(e, inside, NULL), loc_of(inside), -1, &parts);
            for (uint32_t k = 0; k < parts; k++)
                ARENA_PUSH(e->arena, values, n, sugar_as_value(e, kids[k], loc_of(inside)));
        } else {
            ARENA_PUSH(e->arena, values, n, emit_expr(e, exprs[i], NULL));
        }
    }
    *value_count = n;
    return values;
}

// The member of a hint (List[T], Optional[List[T]], a union with one) that a literal of this kind can have.
static const Type *container_hint(const Type *hint, TypeKind kind)
{
    if (!hint || hint->kind == kind)
        return hint;
    for (uint32_t i = 0; (hint->kind == TYPE_OPTIONAL || hint->kind == TYPE_UNION) && i < hint->count; i++)
        if (hint->elem[i]->kind == kind)
            return hint->elem[i];
    return NULL;
}

static const Type *literal_element(Emit *e, const Ast *a, Value **values, uint32_t count, const Type *hint)
{
    if (count == 0)
        return hint ? hint : type_of_kind(e->p->types, TYPE_TENSOR);
    const Type **types = ARENA_ARRAY(e->arena, const Type *, count);
    for (uint32_t i = 0; i < count; i++) {
        types[i] = values[i]->type;
        if (hint && !type_is_subtype(types[i], hint))
            emit_fail(e, loc_of(a), "Expected a container of %s but found an element of type %s", type_text(e->arena, hint),
                      type_text(e->arena, types[i]));
    }
    return hint ? hint : type_unify_all(e->p->types, types, count, true);
}

static Value *emit_list_literal(Emit *e, const Ast *a, const Type *hint)
{
    hint = container_hint(hint, TYPE_LIST);
    uint32_t n;
    Value **values = emit_exprs(e, a->kids, a->count, &n);
    TypeTable *types = e->p->types;
    if (n == 0 && !hint) // takes the element type of the list it is used as; by itself it is a List[Tensor]
        return node_add_output(e->g, emit_node(e, NODE_EMPTY_LIST, NO_LOC), type_list(types, type_of_kind(types, TYPE_TENSOR)));
    return emit_list(e, literal_element(e, a, values, n, hint ? hint->elem[0] : NULL), values, n);
}

static Value *emit_dict_literal(Emit *e, const Ast *a, const Type *hint)
{
    hint = container_hint(hint, TYPE_DICT);
    uint32_t n = a->count / 2;
    Value **keys = ARENA_ARRAY(e->arena, Value *, n), **values = ARENA_ARRAY(e->arena, Value *, n);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = emit_expr(e, a->kids[2 * i], hint ? hint->elem[0] : NULL);
        values[i] = emit_expr(e, a->kids[2 * i + 1], hint ? hint->elem[1] : NULL);
    }
    for (uint32_t i = 1; i < n && !hint; i++)
        if (keys[i]->type != keys[0]->type)
            emit_fail(e, loc_of(a->kids[2 * i]), "Dict keys must contain only a single type. Expected: %s but found %s instead",
                      type_text(e->arena, keys[0]->type), type_text(e->arena, keys[i]->type));
    const Type *key = n || hint ? literal_element(e, a, keys, n, hint ? hint->elem[0] : NULL) : type_of_kind(e->p->types, TYPE_STR);
    const Type *value = literal_element(e, a, values, n, hint ? hint->elem[1] : NULL);
    Node *node = emit_node(e, NODE_DICT_CONSTRUCT, NO_LOC);
    for (uint32_t i = 0; i < n; i++) {
        node_add_input(node, keys[i]);
        node_add_input(node, values[i]);
    }
    return node_add_output(e->g, node, type_dict(e->p->types, key, value));
}

// ---- operators ----------------------------------------------------------------------------------------------------

static const struct {
    TokenKind op;
    const char *symbol, *magic;
} binary_operators[] = {
    {TOK_ADD, "aten::add", "__add__"},         {TOK_SUB, "aten::sub", "__sub__"},
    {TOK_MUL, "aten::mul", "__mul__"},         {TOK_DIV, "aten::div", "__truediv__"},
    {TOK_MOD, "aten::remainder", "__mod__"},   {TOK_POW, "aten::pow", "__pow__"},
    {TOK_FLOOR_DIV, "aten::floordiv", ""},     {TOK_AT, "aten::matmul", ""},
    {TOK_EQ, "aten::eq", "__eq__"},            {TOK_NE, "aten::ne", "__ne__"},
    {TOK_LT, "aten::lt", "__lt__"},            {TOK_GT, "aten::gt", "__gt__"},
    {TOK_LE, "aten::le", "__le__"},            {TOK_GE, "aten::ge", "__ge__"},
    {TOK_BIT_AND, "aten::__and__", "__and__"}, {TOK_BIT_OR, "aten::__or__", "__or__"},
    {TOK_BIT_XOR, "aten::__xor__", "__xor__"}, {TOK_SHL, "aten::__lshift__", "__lshift__"},
    {TOK_SHR, "aten::__rshift__", "__rshift__"}, {TOK_IN, "aten::__contains__", "__contains__"},
};

Value *emit_operator(Emit *e, Loc loc, const char *symbol, const char *magic, Value **values, const Loc *locs, uint32_t count)
{
    Actual *args = ARENA_ARRAY(e->arena, Actual, count);
    for (uint32_t i = 0; i < count; i++)
        args[i] = actual_of(values[i], locs[i]);
    if (magic[0] && values[0]->type->kind == TYPE_CLASS && method_of(values[0]->type, str_of(magic)))
        return call_method(e, values[0], str_of(magic), loc, args + 1, count - 1);
    return emit_builtin(e, loc, str_of(symbol), args, count, NULL, 0, NULL);
}

// Two tuples are added here, for no operator could be declared for tuples of any length.
static Value *emit_tuple_sum(Emit *e, Value *a, Value *b)
{
    uint32_t na, nb;
    Value **pa = emit_tuple_unpack(e, a, &na), **pb = emit_tuple_unpack(e, b, &nb);
    Value **all = ARENA_ARRAY(e->arena, Value *, na + nb + 1);
    if (na)
        memcpy(all, pa, na * sizeof *all);
    if (nb)
        memcpy(all + na, pb, nb * sizeof *all);
    return emit_tuple(e, all, na + nb, NULL, NO_LOC);
}

static Value *emit_binary(Emit *e, const Ast *a)
{
    if (a->op == TOK_AND || a->op == TOK_OR || a->op == TOK_IS || a->op == TOK_IS_NOT)
        return emit_condition(e, a).value;
    if (a->op == TOK_MOD) // PyTorch looks at the left side first and evaluates it again
        emit_expr(e, a->kids[0], NULL);
    Value *v[2] = {emit_expr(e, a->kids[0], NULL), emit_expr(e, a->kids[1], NULL)};
    Loc locs[2] = {loc_of(a->kids[0]), loc_of(a->kids[1])}, loc = loc_of(a);
    if (a->op == TOK_MOD && v[0]->type->kind == TYPE_STR)
        return emit_op(e, loc, "aten::percentFormat", v, 2);
    if (a->op == TOK_ADD && v[0]->type->kind == TYPE_TUPLE && v[1]->type->kind == TYPE_TUPLE)
        return emit_tuple_sum(e, v[0], v[1]);
    if (a->op == TOK_IN) { // `x in y` asks y
        Value *swap = v[0];
        v[0] = v[1];
        v[1] = swap;
        Loc other = locs[0];
        locs[0] = locs[1];
        locs[1] = other;
    }
    for (size_t i = 0; i < sizeof binary_operators / sizeof *binary_operators; i++)
        if (binary_operators[i].op == a->op)
            return emit_operator(e, loc, binary_operators[i].symbol, binary_operators[i].magic, v, locs, 2);
    emit_fail(e, loc, "operator '%s' is not supported", token_text(a->op));
}

static Value *emit_unary(Emit *e, const Ast *a)
{
    if (a->op == TOK_NOT)
        return emit_condition(e, a).value;
    Value *v = emit_expr(e, a->kids[0], NULL);
    Loc inner = loc_of(a->kids[0]);
    bool minus = a->op == TOK_SUB;
    Value *out = emit_operator(e, loc_of(a), minus ? "aten::neg" : "aten::bitwise_not", minus ? "__neg__" : "__invert__", &v, &inner, 1);
    const Datum *d = minus ? value_constant(v) : NULL;
    if (d && d->kind == DATUM_FLOAT)
        return emit_constant(e, datum_float(e->arena, -d->f), v->type, loc_of(a));
    if (d && d->kind == DATUM_INT)
        return emit_constant(e, datum_int(e->arena, (int64_t)(0 - (uint64_t)d->i)), v->type, loc_of(a));
    return out;
}

// ---- calls --------------------------------------------------------------------------------------------------------

Actual *emit_actuals(Emit *e, const Ast *apply, uint32_t first, uint32_t *count, Actual **kwargs, uint32_t *kw_count)
{
    Actual *args = NULL;
    *kwargs = NULL;
    *count = *kw_count = 0;
    for (uint32_t i = first; i < apply->count; i++) {
        Ast *a = apply->kids[i];
        if (a->kind == AST_KEYWORD)
            continue;
        uint32_t n;
        Value **values = emit_exprs(e, &a, 1, &n);
        for (uint32_t k = 0; k < n; k++)
            ARENA_PUSH(e->arena, args, *count, actual_of(values[k], loc_of(a)));
    }
    for (uint32_t i = first; i < apply->count; i++) {
        const Ast *a = apply->kids[i];
        if (a->kind != AST_KEYWORD)
            continue;
        Actual kw = actual_of(emit_expr(e, a->kids[0], NULL), loc_of(a));
        kw.name = a->text;
        ARENA_PUSH(e->arena, *kwargs, *kw_count, kw);
    }
    return args;
}

static void need_args(Emit *e, const Ast *a, uint32_t low, uint32_t high)
{
    for (uint32_t i = 1; i < a->count; i++)
        if (a->kids[i]->kind == AST_KEYWORD)
            emit_fail(e, loc_of(a), "this call takes no keyword arguments");
    if (a->count - 1 < low || a->count - 1 > high)
        emit_fail(e, loc_of(a), "expected %u arguments but got %u", low, a->count - 1);
}

static Sugar *emit_annotate(Emit *e, const Ast *a)
{
    need_args(e, a, 2, 2);
    const Type *type = parse_type(e->p, e->source, a->kids[1]);
    Value *v = try_convert(e, loc_of(a), type, emit_expr(e, a->kids[2], type), true);
    if (!type_is_subtype(v->type, type))
        emit_fail(e, loc_of(a), "expected an expression of type %s but found %s", type_text(e->arena, type),
                  type_text(e->arena, v->type));
    // None must remember what it could have been.
    if (v->type->kind == TYPE_NONE && (type->kind == TYPE_OPTIONAL || type->kind == TYPE_UNION))
        v = emit_constant(e, &datum_none, type, NO_LOC);
    return sugar_value(e, v);
}

static Sugar *emit_getattr(Emit *e, const Ast *a)
{
    need_args(e, a, 2, 3);
    if (a->kids[2]->kind != AST_STRING)
        emit_fail(e, loc_of(a), "getattr's second argument must be a string literal");
    Sugar *object = emit_sugar(e, a->kids[1], NULL);
    if (a->count == 4 && !sugar_has_attr(e, object, a->kids[2]->text, loc_of(a)))
        return emit_sugar(e, a->kids[3], NULL);
    return sugar_attr(e, object, a->kids[2]->text, loc_of(a));
}

static Sugar *emit_tolist(Emit *e, const Ast *a, const Type *hint)
{
    const Ast *object = a->kids[0]->kids[0];
    Value *v = emit_expr(e, object, NULL);
    if (!hint)
        emit_fail(e, loc_of(a), "Expected type hint for result of tolist()");
    int64_t dim = 0;
    const Type *elem = hint;
    for (; elem->kind == TYPE_LIST; elem = elem->elem[0])
        dim++;
    int64_t code = elem->kind == TYPE_FLOAT ? 1 : elem->kind == TYPE_BOOL ? 2 : elem->kind == TYPE_COMPLEX ? 3 : 0;
    Value *dims = emit_int(e, dim, NO_LOC), *codes = emit_int(e, code, NO_LOC);
    Node *n = emit_node(e, NODE_TOLIST, NO_LOC);
    node_add_input(n, v);
    node_add_input(n, dims);
    node_add_input(n, codes);
    return sugar_value(e, node_add_output(e->g, n, hint));
}

static Sugar *emit_enumerate(Emit *e, const Ast *a)
{
    need_args(e, a, 1, 2);
    Loc loc = loc_of(a);
    Value *bounds[2];
    uint32_t n = 0;
    if (a->count == 3)
        bounds[n++] = emit_expr(e, a->kids[2], NULL);
    bounds[n++] = emit_literal_int(e, INT64_MAX, loc);
    Sugar *items = sugar_iter(e, emit_sugar(e, a->kids[1], NULL), loc), *tree = sugar_new(e, SUGAR_TREE);
    ARENA_PUSH(e->arena, tree->kids, tree->count, sugar_range(e, loc, bounds, n));
    ARENA_PUSH(e->arena, tree->kids, tree->count, items);
    return tree;
}

static Sugar *emit_zip(Emit *e, const Ast *a)
{
    need_args(e, a, 1, UINT32_MAX);
    Sugar *tree = sugar_new(e, SUGAR_TREE);
    for (uint32_t i = 1; i < a->count; i++)
        ARENA_PUSH(e->arena, tree->kids, tree->count, sugar_iter(e, emit_sugar(e, a->kids[i], NULL), loc_of(a)));
    return tree;
}

static void append_element(Emit *e, void *ctx)
{
    Sugar *list = ctx;
    Value *element = get_var(e, STR("$element"), NO_LOC);
    if (!list->type)
        list->value->type = list->type = type_list(e->p->types, element->type);
    emit_op(e, NO_LOC, "aten::append", (Value *[]){list->value, element}, 2);
}

// list(x): a copy, or the elements of what can be iterated.
static Sugar *emit_list_call(Emit *e, const Ast *a, const Type *hint)
{
    need_args(e, a, 0, 1);
    TypeTable *types = e->p->types;
    hint = container_hint(hint, TYPE_LIST);
    if (a->count == 1)
        return sugar_value(e, emit_list(e, hint ? hint->elem[0] : type_of_kind(types, TYPE_TENSOR), NULL, 0));
    Sugar *items = sugar_iter(e, emit_sugar(e, a->kids[1], NULL), loc_of(a));
    if (items->kind == SUGAR_VALUE && (items->value->type->kind == TYPE_LIST || items->value->type->kind == TYPE_STR))
        return sugar_value(e, emit_op(e, loc_of(a), "aten::list", &items->value, 1));
    Value *list = emit_list(e, hint ? hint->elem[0] : type_of_kind(types, TYPE_TENSOR), NULL, 0);
    Sugar *state = sugar_value(e, list);
    state->type = hint;
    Ast target = {.kind = AST_NAME, .text = STR("$element"), .start = a->start, .end = a->end};
    emit_for_each(e, loc_of(a), &target, a->kids[1], append_element, state);
    return sugar_value(e, list);
}

static Sugar *emit_dict_call(Emit *e, const Ast *a, const Type *hint);

// dict(…, name=value): keywords are stored one after the other; with nothing else the first gives the types.
static Sugar *emit_dict_keywords(Emit *e, const Ast *a, uint32_t given, const Type *hint)
{
    Value *dict = NULL;
    if (given) {
        Ast plain = *a;
        plain.count = 1 + given;
        dict = sugar_as_value(e, emit_dict_call(e, &plain, hint), loc_of(a));
    }
    for (uint32_t i = 1 + given; i < a->count; i++) {
        const Ast *word = a->kids[i];
        if (word->kind != AST_KEYWORD)
            emit_fail(e, loc_of(word), "positional arguments come before keyword arguments");
        Value *key = emit_str(e, word->text, loc_of(word));
        Value *value = emit_expr(e, word->kids[0], hint ? hint->elem[1] : NULL);
        if (!dict)
            dict = node_add_output(e->g, emit_node(e, NODE_DICT_CONSTRUCT, NO_LOC), hint ? hint : type_dict(e->p->types, key->type, value->type));
        emit_op(e, loc_of(word), "aten::_set_item", (Value *[]){dict, key, value}, 3);
    }
    return sugar_value(e, dict);
}

static Sugar *emit_dict_call(Emit *e, const Ast *a, const Type *hint)
{
    hint = container_hint(hint, TYPE_DICT);
    for (uint32_t i = 1; i < a->count; i++)
        if (a->kids[i]->kind == AST_KEYWORD)
            return emit_dict_keywords(e, a, i - 1, hint);
    if (a->count == 1 && hint)
        return sugar_value(e, node_add_output(e->g, emit_node(e, NODE_DICT_CONSTRUCT, NO_LOC), hint));
    if (a->count == 2 && (a->kids[1]->kind == AST_DICT || a->kids[1]->kind == AST_DICT_COMP))
        return emit_sugar(e, a->kids[1], hint);
    uint32_t n, kn;
    Actual *kwargs, *args = emit_actuals(e, a, 1, &n, &kwargs, &kn);
    return sugar_value(e, emit_builtin(e, loc_of(a), STR("aten::dict"), args, n, kwargs, kn, NULL));
}

static Sugar *emit_tuple_call(Emit *e, const Ast *a)
{
    need_args(e, a, 1, 1);
    uint32_t n;
    Sugar **kids = sugar_as_tuple(e, emit_sugar(e, a->kids[1], NULL), loc_of(a), -1, &n);
    Value **values = ARENA_ARRAY(e->arena, Value *, n);
    for (uint32_t i = 0; i < n; i++)
        values[i] = sugar_as_value(e, kids[i], loc_of(a));
    return sugar_value(e, emit_tuple(e, values, n, NULL, NO_LOC));
}

static Sugar *emit_create_object(Emit *e, const Ast *a)
{
    need_args(e, a, 1, 1);
    const Sugar *cls = emit_sugar(e, a->kids[1], NULL);
    if (cls->kind != SUGAR_CLASS)
        emit_fail(e, loc_of(a), "Only class types are accepted by __new__");
    return sugar_value(e, node_add_output(e->g, emit_node(e, NODE_CREATE_OBJECT, loc_of(a)), cls->type));
}

static Sugar *emit_special(Emit *e, const Ast *a, const Sugar *callee, const Type *hint)
{
    uint32_t n, kn;
    Actual *args, *kwargs;
    switch (callee->form) {
    case FORM_FORK:
    case FORM_AWAITABLE: {
        if (a->count < 2 || a->kids[1]->kind == AST_KEYWORD)
            emit_fail(e, loc_of(a), "expected a function to call");
        Sugar *forked = emit_sugar(e, a->kids[1], NULL);
        args = emit_actuals(e, a, 2, &n, &kwargs, &kn);
        return emit_fork(e, loc_of(a), forked, callee->form == FORM_FORK ? NODE_FORK : NODE_AWAITABLE, args, n, kwargs, kn);
    }
    case FORM_ANNOTATE:
        return emit_annotate(e, a);
    case FORM_UNCHECKED_CAST: {
        need_args(e, a, 2, 2);
        const Type *type = parse_type(e->p, e->source, a->kids[1]);
        Value *v = emit_expr(e, a->kids[2], NULL);
        if (v->node->kind != NODE_UNCHECKED_CAST || v->type != type)
            v = emit_unchecked_cast(e, v, type);
        return sugar_value(e, v);
    }
    case FORM_UNINITIALIZED: {
        need_args(e, a, 1, 1);
        Value *v = emit_uninitialized(e, parse_type(e->p, e->source, a->kids[1]));
        v->node->range = source_range(e->p, e->source, loc_of(a));
        return sugar_value(e, v);
    }
    case FORM_GETATTR:
        return emit_getattr(e, a);
    case FORM_HASATTR:
        need_args(e, a, 2, 2);
        return sugar_value(e, emit_hasattr(e, a->kids[1], a->kids[2]).value);
    case FORM_ISINSTANCE:
        need_args(e, a, 2, 2);
        return sugar_value(e, emit_isinstance(e, a->kids[1], a->kids[2]).value);
    case FORM_TOLIST:
        return emit_tolist(e, a, hint);
    case FORM_CREATE_OBJECT:
        return emit_create_object(e, a);
    case FORM_TUPLE:
        return emit_tuple_call(e, a);
    case FORM_RANGE: {
        uint32_t count;
        Value **values = emit_exprs(e, a->kids + 1, a->count - 1, &count);
        return sugar_range(e, loc_of(a), values, count);
    }
    case FORM_ZIP:
        return emit_zip(e, a);
    case FORM_ENUMERATE:
        return emit_enumerate(e, a);
    case FORM_LIST:
        return emit_list_call(e, a, hint);
    case FORM_DICT:
        return emit_dict_call(e, a, hint);
    }
    emit_fail(e, loc_of(a), "unknown special form");
}

Sugar *emit_apply(Emit *e, const Ast *a, const Type *hint)
{
    Sugar *callee = emit_sugar(e, a->kids[0], NULL);
    if (callee->kind == SUGAR_SPECIAL)
        return emit_special(e, a, callee, hint);
    uint32_t n, kn;
    Actual *kwargs, *args = emit_actuals(e, a, 1, &n, &kwargs, &kn);
    return sugar_call(e, callee, loc_of(a->kids[0]), args, n, kwargs, kn);
}

static Sugar *emit_any(Emit *e, const Ast *a, const Type *hint)
{
    Loc loc = loc_of(a);
    switch (a->kind) {
    case AST_NAME:
        return get_sugar(e, a->text, loc, true);
    case AST_SELECT:
        return sugar_attr(e, emit_sugar(e, a->kids[0], NULL), a->text, loc);
    case AST_APPLY:
        return emit_apply(e, a, hint);
    case AST_SUBSCRIPT:
        return emit_subscript(e, a, hint);
    case AST_NUMBER:
        return sugar_value(e, emit_number(e, a));
    case AST_STRING:
        return sugar_value(e, emit_str(e, a->text, loc));
    case AST_TRUE:
    case AST_FALSE:
        return sugar_value(e, emit_bool(e, a->kind == AST_TRUE, loc));
    case AST_NONE:
        return sugar_value(e, emit_none(e, loc));
    case AST_TUPLE: {
        uint32_t n;
        Value **values = emit_exprs(e, a->kids, a->count, &n);
        return sugar_value(e, emit_tuple(e, values, n, NULL, NO_LOC));
    }
    case AST_LIST:
        return sugar_value(e, emit_list_literal(e, a, hint));
    case AST_DICT:
        return sugar_value(e, emit_dict_literal(e, a, hint));
    case AST_LIST_COMP:
        return sugar_value(e, emit_list_comp(e, a, hint));
    case AST_DICT_COMP:
        return sugar_value(e, emit_dict_comp(e, a, hint));
    case AST_TERNARY:
        return sugar_value(e, emit_ternary(e, a, hint));
    case AST_BINARY:
        return sugar_value(e, emit_binary(e, a));
    case AST_UNARY:
        return sugar_value(e, emit_unary(e, a));
    default:
        emit_fail(e, loc, "this expression is not supported here");
    }
}

Sugar *emit_sugar(Emit *e, const Ast *a, const Type *hint)
{
    if (++e->p->depth > MAX_EMIT_DEPTH)
        emit_fail(e, loc_of(a), "expressions are nested too deeply");
    Sugar *s = emit_any(e, a, hint);
    e->p->depth--;
    return s;
}
