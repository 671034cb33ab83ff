// Prints a graph back as source text, as PyTorch's `.code` does (torchscript.md §5.7): which nodes are written inside the
// expression that uses them, how variables are called, and the statements. Expressions are in print_expr.c.
#include "ir/print_code.h"

enum { LONG_LINE = 40 };

Str code_use(const Value *v)
{
    const ValueText *t = v->note;
    return t->text;
}

// Names --------------------------------------------------------------------------------------------------------------

static bool is_reserved(Str name)
{
    static const char *const RESERVED[] = {
        "_", "as", "aten", "attribute", "CONSTANTS", "fork", "getattr", "inf", "infj", "nan", "nanj", "ops", "__torch__",
        "uninitialized", "unchecked_cast",
        "False", "None", "True", "and", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
        "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass",
        "raise", "return", "try", "while", "with", "yield"};
    for (size_t i = 0; i < sizeof RESERVED / sizeof *RESERVED; i++)
        if (str_is(name, RESERVED[i]))
            return true;
    return false;
}

// A free name that starts with `candidate`. The number that follows is counted per name that was found taken.
static Str generate_name(CodePrinter *p, Str candidate)
{
    Str name = candidate;
    while (strmap_get(&p->used, name) || is_reserved(name)) {
        uint64_t *next = strmap_get(&p->next, name);
        if (!next) {
            next = ARENA_NEW(p->arena, uint64_t);
            strmap_put(&p->next, p->arena, name, next);
        }
        name = arena_printf(p->arena, STR_FMT "%llu", STR_ARG(candidate), (unsigned long long)(*next)++);
    }
    strmap_put(&p->used, p->arena, name, "");
    return name;
}

// The debug name without its numeric suffix, as an identifier.
static Str candidate_name(CodePrinter *p, const Value *v)
{
    Str base = v->name;
    if (!base.len)
        return STR("_");
    ptrdiff_t dot = str_rfind(base, '.');
    bool digits = dot >= 0 && (size_t)dot + 1 < base.len;
    for (size_t i = (size_t)(dot + 1); digits && i < base.len; i++)
        digits = base.ptr[i] >= '0' && base.ptr[i] <= '9';
    if (digits)
        base.len = (size_t)dot;
    bool prefix = base.len == 0 || (base.ptr[0] >= '0' && base.ptr[0] <= '9');
    Str name = arena_printf(p->arena, "%s" STR_FMT, prefix ? "_" : "", STR_ARG(base));
    for (char *c = (char *)name.ptr; *c; c++)
        if (!is_identifier((Str){c, 1}) && !(*c >= '0' && *c <= '9'))
            *c = '_';
    return name;
}

static ValueText *text_of(const Value *v) { return v->note; }

static void assign_name(const Value *v, Str name)
{
    text_of(v)->text = name;
    text_of(v)->is_name = true;
}

static void assign_unique_names(CodePrinter *p, Value *const *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assign_name(values[i], generate_name(p, candidate_name(p, values[i])));
}

// What is written inside another expression --------------------------------------------------------------------------

static bool can_inline(const Value *v)
{
    const Node *n = v->node;
    if (n->output_count != 1 || v->use_count != 1 || n->block_count)
        return false;
    const Use *use = v->uses;
    if (v->name.len && use->user->kind != NODE_RETURN)
        return false; // it was a variable: stay one
    if (use->user->kind == NODE_LOOP && use->index >= 2)
        return false; // a loop's initial value must not move behind its condition
    if (use->user->subgraph)
        return false;
    return n->kind != NODE_ISINSTANCE; // in a condition it would refine types again
}

static const Node *previous_non_constant(const Node *n)
{
    do
        n = n->prev;
    while (n->kind == NODE_CONSTANT);
    return n;
}

static void plan_block(CodePrinter *p, const Block *b);

typedef struct PlanFrame {
    const Node *node;
    uint32_t inputs;      // still to be looked at
    const Node *expected; // the next producer that may be inlined
} PlanFrame;

static PlanFrame plan_begin(CodePrinter *p, const Node *n)
{
    for (uint32_t i = 0; i < n->block_count; i++)
        plan_block(p, n->blocks[i]);
    return (PlanFrame){n, n->input_count, previous_non_constant(n)};
}

// Inputs right to left: an input is inlined when its producer is exactly the next node that the walk expects; the walk then
// goes through the inputs of that node first. Chains can be as long as a model, hence a stack of our own.
static void plan_node(CodePrinter *p, const Node *n)
{
    PlanFrame *stack = NULL;
    uint32_t depth = 0;
    if (code_plan(n)->inlined)
        return;
    PlanFrame first = plan_begin(p, n);
    ARENA_PUSH(p->arena, stack, depth, first);
    while (depth) {
        PlanFrame *f = &stack[depth - 1];
        if (f->inputs == 0) {
            const Node *expected = f->expected;
            if (--depth) {
                code_plan(f->node)->inlined = true;
                stack[depth - 1].expected = expected;
            }
            continue;
        }
        const Value *v = f->node->inputs[--f->inputs];
        if (v->node == f->expected && can_inline(v)) {
            PlanFrame inner = plan_begin(p, v->node);
            ARENA_PUSH(p->arena, stack, depth, inner);
        } else if (v->node->kind == NODE_CONSTANT) {
            code_plan(v->node)->inlined = true;
        }
    }
}

static void plan_block(CodePrinter *p, const Block *b)
{
    plan_node(p, b->ret);
    for (const Node *n = b->ret->prev; n != b->ret; n = n->prev)
        plan_node(p, n);
}

// Statements ---------------------------------------------------------------------------------------------------------

static void indent(CodePrinter *p) { buf_fill(p->body, ' ', 2 * p->level); }

static void print_list(CodePrinter *p, Value *const *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_z(p->body, ", ");
        buf_str(p->body, code_use(values[i]));
    }
}

static bool is_long(const CodePrinter *p, Str text) { return text.len + 2 * p->level >= LONG_LINE; }

static void print_definition(CodePrinter *p, const Node *n, Str expression)
{
    assign_unique_names(p, n->outputs, n->output_count);
    indent(p);
    if (n->output_count) {
        print_list(p, n->outputs, n->output_count);
        buf_z(p->body, " = ");
    }
    buf_str(p->body, expression);
    buf_char(p->body, '\n');
}

typedef struct NodeList {
    const Node **items;
    uint32_t count;
} NodeList;

// Collects, last first, the inlined arguments of `user` up to number `offset`, and of the calls that `user` stands in.
static void collect_split(CodePrinter *p, const Node *user, int64_t offset, NodeList *list)
{
    for (;;) {
        NodePlan *plan = code_plan(user);
        bool seen = plan->split;
        for (int64_t i = offset; i >= (seen ? plan->split_offset + 1 : 0); i--) {
            const Node *n = user->inputs[i]->node;
            if (n->kind != NODE_CONSTANT && code_plan(n)->inlined)
                ARENA_PUSH(p->arena, list->items, list->count, n);
        }
        plan->split = true;
        plan->split_offset = offset;
        if (seen || !plan->inlined)
            return;
        const Use *u = user->outputs[0]->uses;
        user = u->user;
        offset = (int64_t)u->index - 1; // its own place is still being written
    }
}

// An inlined expression became long: it and what stands before it become variables.
static void split_long(CodePrinter *p, const Node *n)
{
    NodeList list = {0};
    const Use *u = n->outputs[0]->uses;
    collect_split(p, u->user, u->index, &list);
    for (uint32_t i = list.count; i > 0; i--)
        print_definition(p, list.items[i - 1], code_use(list.items[i - 1]->outputs[0]));
}

static void print_assignment(CodePrinter *p, Value *const *left, Value *const *right, uint32_t count)
{
    if (!count)
        return;
    indent(p);
    print_list(p, left, count);
    ValueText *t = text_of(left[0]);
    TypeKind kind = left[0]->type->kind;
    if (count == 1 && !t->annotated && !t->is_alias && (kind == TYPE_UNION || kind == TYPE_OPTIONAL)) {
        buf_z(p->body, " : ");
        type_print_python(p->body, left[0]->type);
        t->annotated = true;
    }
    buf_z(p->body, " = ");
    print_list(p, right, count);
    buf_char(p->body, '\n');
}

static void print_block(CodePrinter *p, const Block *b, bool more_follows);
static void print_body(CodePrinter *p, const Block *b);

static void print_if(CodePrinter *p, const Node *n)
{
    assign_unique_names(p, n->outputs, n->output_count);
    indent(p);
    buf_z(p->body, "if ");
    buf_str(p->body, code_use(n->inputs[0]));
    buf_z(p->body, ":\n");
    for (uint32_t i = 0; i < n->block_count; i++) {
        if (i == 1) {
            indent(p);
            buf_z(p->body, "else:\n");
        }
        p->level++;
        print_block(p, n->blocks[i], n->output_count > 0);
        print_assignment(p, n->outputs, n->blocks[i]->ret->inputs, n->output_count);
        p->level--;
    }
}

static bool is_constant_true(const Value *v)
{
    bool b = false;
    return value_constant_bool(v, &b) && b;
}

static bool is_for_loop(const Node *n)
{
    int64_t trips = 0;
    const Block *body = n->blocks[0];
    bool limited = !value_constant_int(n->inputs[0], &trips) || trips != INT64_MAX || body->param->outputs[0]->use_count > 0;
    return limited && is_constant_true(n->inputs[1]) && is_constant_true(body->ret->inputs[0]);
}

static void print_loop(CodePrinter *p, const Node *n)
{
    const Block *body = n->blocks[0];
    bool is_for = is_for_loop(n);
    assign_unique_names(p, n->outputs, n->output_count);
    for (uint32_t i = 0; i < n->output_count; i++) {
        ValueText *inside = text_of(body->param->outputs[i + 1]);
        inside->text = code_use(n->outputs[i]);
        inside->is_alias = true;
        indent(p);
        buf_str(p->body, code_use(n->outputs[i]));
        if (n->outputs[i]->type != n->inputs[i + 2]->type) {
            buf_z(p->body, ": ");
            type_print_python(p->body, n->outputs[i]->type);
        }
        buf_z(p->body, " = ");
        buf_str(p->body, code_use(n->inputs[i + 2]));
        buf_char(p->body, '\n');
    }
    // A while loop has no use for the trip number: its name serves the condition.
    assign_unique_names(p, body->param->outputs, 1);
    if (!is_for)
        print_assignment(p, body->param->outputs, &n->inputs[1], 1);
    indent(p);
    buf_z(p->body, is_for ? "for " : "while ");
    buf_str(p->body, code_use(body->param->outputs[0]));
    if (is_for) {
        buf_z(p->body, " in range(");
        buf_str(p->body, code_use(n->inputs[0]));
        buf_char(p->body, ')');
    }
    buf_z(p->body, ":\n");
    p->level++;
    uint32_t from = is_for ? 1 : 0, carried = body->ret->input_count - from;
    print_block(p, body, carried > 0);
    print_assignment(p, body->param->outputs + from, body->ret->inputs + from, carried);
    p->level--;
}

static void print_fork(CodePrinter *p, const Node *n)
{
    bool fork = n->kind == NODE_FORK;
    Str name = generate_name(p, fork ? STR("__forked_function") : STR("__awaitable_function"));
    indent(p);
    buf_printf(p->body, "def " STR_FMT "():\n", STR_ARG(name));
    for (uint32_t i = 0; i < n->input_count; i++) {
        ValueText *inside = text_of(n->subgraph->top->param->outputs[i]);
        inside->text = code_use(n->inputs[i]);
        inside->is_alias = true;
    }
    print_body(p, n->subgraph->top);
    print_definition(p, n, arena_printf(p->arena, "%s(" STR_FMT ")", fork ? "fork" : "awaitable", STR_ARG(name)));
}

static void print_unpack(CodePrinter *p, const Node *n)
{
    indent(p);
    if (n->output_count) {
        assign_unique_names(p, n->outputs, n->output_count);
        print_list(p, n->outputs, n->output_count);
        buf_z(p->body, ", = ");
    }
    buf_str(p->body, code_use(n->inputs[0]));
    buf_char(p->body, '\n');
}

static void print_enter(CodePrinter *p, const Node *n)
{
    indent(p);
    buf_z(p->body, "with ");
    buf_str(p->body, code_use(n->inputs[0]));
    if (n->outputs[0]->use_count) {
        assign_unique_names(p, n->outputs, 1);
        buf_z(p->body, " as ");
        buf_str(p->body, code_use(n->outputs[0]));
    }
    buf_z(p->body, ":\n");
    p->level++;
}

static void print_exit(CodePrinter *p, const Node *n)
{
    if (n->prev->kind == NODE_ENTER) {
        indent(p);
        buf_z(p->body, "pass\n");
    }
    p->level--;
}

static void print_set_attr(CodePrinter *p, const Node *n)
{
    indent(p);
    buf_str(p->body, code_use(n->inputs[0]));
    buf_char(p->body, '.');
    buf_str(p->body, n->name);
    buf_z(p->body, " = ");
    buf_str(p->body, code_use(n->inputs[1]));
    buf_char(p->body, '\n');
}

static void print_container_index(CodePrinter *p, const Node *n)
{
    assign_unique_names(p, n->outputs, 1);
    indent(p);
    buf_str(p->body, code_use(n->outputs[0]));
    buf_z(p->body, " : ");
    type_print_python(p->body, n->outputs[0]->type);
    buf_printf(p->body, " = " STR_FMT "[" STR_FMT "]\n", STR_ARG(code_use(n->inputs[0])), STR_ARG(code_use(n->inputs[1])));
}

// Everything that is an expression: assigned to a variable, or kept as text for its only use.
static void print_plain(CodePrinter *p, const Node *n)
{
    buf_clear(p->scratch);
    code_expression(p, p->scratch, n);
    Str text = arena_str(p->arena, buf_view(p->scratch));
    if (!code_plan(n)->inlined || (n->kind == NODE_CONSTANT && is_long(p, text))) {
        print_definition(p, n, text);
        return;
    }
    if (!text_of(n->outputs[0])->is_name)
        text_of(n->outputs[0])->text = text;
    if (n->kind != NODE_CONSTANT && is_long(p, text))
        split_long(p, n);
}

static void print_node(CodePrinter *p, const Node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT: break; // printed before everything else
    case NODE_IF: print_if(p, n); break;
    case NODE_LOOP: print_loop(p, n); break;
    case NODE_TUPLE_UNPACK:
    case NODE_LIST_UNPACK: print_unpack(p, n); break;
    case NODE_SET_ATTR: print_set_attr(p, n); break;
    case NODE_FORK:
    case NODE_AWAITABLE: print_fork(p, n); break;
    case NODE_ENTER: print_enter(p, n); break;
    case NODE_EXIT: print_exit(p, n); break;
    case NODE_MODULE_CONTAINER_INDEX: print_container_index(p, n); break;
    default: print_plain(p, n); break;
    }
}

static void print_block(CodePrinter *p, const Block *b, bool more_follows)
{
    if (!more_follows && block_first(b) == b->ret) {
        indent(p);
        buf_z(p->body, "pass\n");
    }
    for (const Node *n = block_first(b); n != b->ret; n = n->next)
        print_node(p, n);
}

// The constants in order of use: inputs of a node, then its blocks.
static void list_constants(CodePrinter *p, const Block *b, NodeList *list)
{
    for (const Node *n = block_first(b);; n = n->next) {
        for (uint32_t i = 0; i < n->input_count; i++) {
            const Node *c = n->inputs[i]->node;
            if (c->kind == NODE_CONSTANT && !code_plan(c)->listed) {
                code_plan(c)->listed = true;
                ARENA_PUSH(p->arena, list->items, list->count, c);
            }
        }
        if (n == b->ret)
            return;
        for (uint32_t i = 0; i < n->block_count; i++)
            list_constants(p, n->blocks[i], list);
    }
}

static void print_body(CodePrinter *p, const Block *b)
{
    NodeList constants = {0};
    list_constants(p, b, &constants);
    plan_block(p, b);
    p->level++;
    for (uint32_t i = 0; i < constants.count; i++)
        print_plain(p, constants.items[i]);
    print_block(p, b, b->ret->input_count > 0);
    if (b->ret->input_count) {
        indent(p);
        buf_z(p->body, "return ");
        print_list(p, b->ret->inputs, b->ret->input_count);
        buf_char(p->body, '\n');
    }
    p->level--;
}

// Functions ----------------------------------------------------------------------------------------------------------

static void prepare_node(CodePrinter *p, Node *n)
{
    n->note = ARENA_NEW(p->arena, NodePlan);
    for (uint32_t i = 0; i < n->output_count; i++)
        n->outputs[i]->note = ARENA_NEW(p->arena, ValueText);
}

static void prepare_block(CodePrinter *p, const Block *b)
{
    prepare_node(p, b->param);
    for (Node *n = block_first(b);; n = n->next) {
        prepare_node(p, n);
        if (n == b->ret)
            return;
        for (uint32_t i = 0; i < n->block_count; i++)
            prepare_block(p, n->blocks[i]);
        if (n->subgraph)
            prepare_block(p, n->subgraph->top);
    }
}

static void print_default(CodePrinter *p, const SchemaArg *arg)
{
    const Datum *d = arg->default_value;
    buf_char(p->body, '=');
    if (arg->fixed_size && (d->kind == DATUM_INT || d->kind == DATUM_FLOAT)) {
        for (int i = 0; i < arg->fixed_size; i++) {
            buf_z(p->body, i ? ", " : "[");
            code_constant(p, p->body, d, NULL);
        }
        buf_char(p->body, ']');
    } else {
        code_constant(p, p->body, d, arg->type);
    }
}

static void print_function(CodePrinter *p, const Graph *g, const Schema *schema, bool is_method)
{
    prepare_block(p, g->top);
    Str name = str_from(schema->symbol, (size_t)(str_rfind(schema->symbol, '.') + 1));
    buf_printf(p->body, "def " STR_FMT "(", STR_ARG(name));
    for (uint32_t i = 0; i < schema->arg_count; i++) {
        const SchemaArg *arg = &schema->args[i];
        Str text = generate_name(p, arg->name);
        if (i)
            buf_z(p->body, ",\n    ");
        buf_str(p->body, text);
        if (i || !is_method) {
            buf_z(p->body, ": ");
            type_print_python(p->body, arg->type);
        }
        if (arg->default_value)
            print_default(p, arg);
        assign_name(g->top->param->outputs[i], text);
    }
    buf_z(p->body, ") -> ");
    type_print_python(p->body, schema->returns[0].type);
    buf_z(p->body, ":\n");
    print_body(p, g->top);
}

// Owns nothing, so that running out of memory may jump out of it.
static Status print_guarded(Buf *out, Buf *scratch, Arena *a, const Graph *g, const Schema *schema, bool is_method)
{
    jmp_buf guard;
    a->guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    CodePrinter p = {.body = out, .scratch = scratch, .arena = a};
    print_function(&p, g, schema, is_method);
    TRY(buf_status(scratch));
    return buf_status(out);
}

Status code_print_graph(Buf *out, const Graph *g, const Schema *schema, bool is_method)
{
    Arena a = {0};
    Buf scratch = {0};
    Status status = print_guarded(out, &scratch, &a, g, schema, is_method);
    buf_free(&scratch);
    arena_free(&a);
    return status;
}

Status code_print(Buf *out, Program *p, const Function *f)
{
    (void)p;
    if (!f->graph)
        return status_fail(ST_INTERNAL, STR_FMT " has not been compiled", STR_ARG(f->qualified_name));
    return code_print_graph(out, f->graph, f->schema, f->cls != NULL);
}
