// Reads back the text of graph_print: print -> read -> print gives the same text.
// Operators print without their overload: the first one that takes the printed types is meant.
#include "ir/read_graph.h"

#include <stdlib.h>

typedef struct GraphText { // one graph being read; subgraphs have their own
    GraphReader *r;
    Graph *g;
    StrMap values;     // printed name -> Value
    Value **named;     // values that print by name: their ids come last
    uint32_t named_count;
    Node **subgraphs;  // nodes whose graphs follow
    uint32_t subgraph_count;
} GraphText;

static void read_graph(GraphReader *r, Graph **out);

// Values ---------------------------------------------------------------------------------------------------------------

static Str read_value_name(GraphReader *r)
{
    read_expect(r, "%");
    Str name = read_until(r, " ,()\n");
    if (!name.len)
        read_fail(r, "expected a value");
    return name;
}

static bool is_number(Str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0 && s.len < 9;
}

static Str printed_name(GraphReader *r, const Value *v) { return v->name.len ? v->name : arena_printf(r->arena, "%u", v->id); }

// `%name : type` becomes an output of n.
static void define(GraphText *t, Node *n)
{
    GraphReader *r = t->r;
    Str name = read_value_name(r);
    read_expect(r, " : ");
    const Type *type = read_type(r);
    if (r->status != ST_OK)
        return;
    if (strmap_get(&t->values, name)) {
        read_fail(r, "a value is defined twice");
        return;
    }
    Value *v = node_add_output(t->g, n, type);
    if (is_number(name)) {
        v->id = (uint32_t)strtoul(name.ptr, NULL, 10);
    } else {
        value_set_name(v, name);
        ARENA_PUSH(r->arena, t->named, t->named_count, v);
    }
    strmap_put(&t->values, r->arena, name, v);
}

static void define_list(GraphText *t, Node *n, const char *close)
{
    while (!read_accept(t->r, close) && t->r->status == ST_OK) {
        if (n->output_count) {
            read_expect(t->r, ",");
            while (read_peek(t->r) == ' ' || read_peek(t->r) == '\n')
                t->r->at++;
        }
        define(t, n);
    }
}

static void use_list(GraphText *t, Node *n)
{
    GraphReader *r = t->r;
    read_expect(r, "(");
    while (!read_accept(r, ")") && r->status == ST_OK) {
        if (n->input_count)
            read_expect(r, ", ");
        Str name = read_value_name(r);
        Value *v = strmap_get(&t->values, name);
        if (v)
            node_add_input(n, v);
        else
            read_fail(r, "a value is used that is not defined");
    }
}

// Operators ------------------------------------------------------------------------------------------------------------

typedef struct Binding {
    const Type *var, *type;
} Binding;

static bool matches(const Type *formal, const Type *actual, Binding *b, int *count)
{
    if (formal->kind == TYPE_VAR) {
        for (int i = 0; i < *count; i++)
            if (b[i].var == formal)
                return b[i].type == actual || type_is_subtype(actual, b[i].type) || type_is_subtype(b[i].type, actual);
        if (*count < 8)
            b[(*count)++] = (Binding){formal, actual};
        return true;
    }
    if (type_is_subtype(actual, formal))
        return true;
    if (formal->kind == TYPE_OPTIONAL)
        return actual->kind == TYPE_NONE || matches(formal->elem[0], actual->kind == TYPE_OPTIONAL ? actual->elem[0] : actual, b, count);
    if (formal->kind != actual->kind || formal->count != actual->count || formal->kind == TYPE_CLASS)
        return false;
    for (uint32_t i = 0; i < formal->count; i++)
        if (!matches(formal->elem[i], actual->elem[i], b, count))
            return false;
    return formal->count > 0;
}

static bool takes(const Schema *s, const Node *n, bool strict)
{
    bool count_fits = s->vararg ? n->input_count >= s->arg_count : n->input_count == s->arg_count;
    bool results_fit = s->varret || n->output_count == s->return_count;
    Binding bindings[8];
    int bound = 0;
    for (uint32_t i = 0; strict && count_fits && i < s->arg_count; i++)
        if (!matches(s->args[i].type, n->inputs[i]->type, bindings, &bound))
            return false;
    for (uint32_t i = 0; strict && results_fit && i < s->return_count && i < n->output_count; i++)
        if (!matches(s->returns[i].type, n->outputs[i]->type, bindings, &bound))
            return false;
    return count_fits && results_fit;
}

static void find_schema(GraphText *t, Node *n, Str symbol)
{
    uint32_t count;
    const Schema *const *overloads = op_table_overloads(t->r->ops, symbol, &count);
    for (int strict = 1; strict >= 0 && !n->schema; strict--)
        for (uint32_t i = 0; i < count && !n->schema; i++)
            if (takes(overloads[i], n, strict))
                n->schema = overloads[i];
    if (!n->schema)
        read_fail(t->r, count ? "no overload takes these operands" : "unknown operator");
}

// Nodes ----------------------------------------------------------------------------------------------------------------

static NodeKind kind_of(Str text)
{
    for (int k = NODE_OP + 1; k < NODE_KIND_COUNT; k++)
        if (str_is(text, node_kind_text((NodeKind)k)))
            return (NodeKind)k;
    return NODE_OP;
}

static void read_attributes(GraphText *t, Node *n)
{
    GraphReader *r = t->r;
    if (n->kind == NODE_CONSTANT && (read_accept(r, "value=") || read_is(r, "name="))) {
        Value *v = n->output_count ? n->outputs[0] : NULL;
        if (!v) {
            read_fail(r, "a constant has no output");
            return;
        }
        Str key = printed_name(r, v);
        if (read_accept(r, "name=")) {
            Str function = read_quoted(r);
            const Value *like = strmap_get(&r->like, key);
            n->constant = like ? value_constant(like) : NULL;
            if (!n->constant) {
                n->constant = datum_str(r->arena, function);
                n->constant->kind = DATUM_FUNCTION;
                n->constant->name = n->constant->s;
            }
        } else {
            n->constant = read_literal(r, v->type, key);
        }
    } else if (read_accept(r, "name=")) {
        n->name = read_quoted(r);
    } else if (read_accept(r, "beg=")) {
        n->beg = read_int(r);
        read_expect(r, ", end=");
        n->end = read_int(r);
    } else if (read_accept(r, "warn_id=")) {
        n->beg = read_int(r) + 1;
    } else if (read_accept(r, "types=[")) {
        while (!read_accept(r, "]") && r->status == ST_OK) {
            if (n->type_count)
                read_expect(r, ", ");
            const Type *type = read_type(r);
            ARENA_PUSH(r->arena, n->types, n->type_count, type);
        }
    } else {
        read_fail(r, "unknown attribute");
    }
    read_expect(r, "]");
}

// `, scope: a.b # file:line:column`
static void read_tail(GraphText *t, Node *n)
{
    GraphReader *r = t->r;
    Str line = str_from(r->text, r->at);
    ptrdiff_t end = str_find(line, '\n');
    if (end < 0) {
        read_fail(r, "a line does not end");
        return;
    }
    line.len = (size_t)end;
    r->at += line.len + 1;
    if (str_starts(line, STR(", scope: "))) {
        line = str_from(line, 9);
        size_t stop = 0;
        while (stop < line.len && !str_starts(str_from(line, stop), STR(" # ")))
            stop++;
        n->scope = arena_str(r->arena, str_first(line, stop));
        line = str_from(line, stop);
    }
    if (!str_starts(line, STR(" # ")))
        return;
    line = str_from(line, 3);
    ptrdiff_t column = str_rfind(line, ':'), row = column > 0 ? str_rfind(str_first(line, (size_t)column), ':') : -1;
    if (row < 0) {
        read_fail(r, "a position has no line and column");
        return;
    }
    n->range.file = arena_str(r->arena, str_first(line, (size_t)row));
    n->range.line = (int)strtol(line.ptr + row + 1, NULL, 10);
    n->range.column = (int)strtol(line.ptr + column + 1, NULL, 10);
}

static void read_block(GraphText *t, Block *b, const char *end);

static void read_blocks(GraphText *t, Node *n)
{
    GraphReader *r = t->r;
    for (;;) {
        size_t start = r->at;
        read_blanks(r);
        if (!read_accept(r, "block")) {
            r->at = start;
            return;
        }
        read_int(r);
        read_expect(r, "(");
        Block *b = node_add_block(t->g, n);
        define_list(t, b->param, ")");
        read_expect(r, ":\n");
        if (++r->depth > READ_DEPTH)
            read_fail(r, "blocks nest too deeply");
        read_block(t, b, "-> ");
        r->depth--;
        if (r->status != ST_OK)
            return;
    }
}

static void read_node(GraphText *t, Block *b)
{
    GraphReader *r = t->r;
    Node *n = node_new(t->g, NODE_OP);
    if (read_is(r, "%"))
        define_list(t, n, " = ");
    else
        read_expect(r, "= ");
    Str symbol = read_until(r, "[(\n");
    n->kind = kind_of(symbol);
    ptrdiff_t tail = str_rfind(symbol, '_');
    if (n->kind == NODE_OP && tail > 0 && is_number(str_from(symbol, (size_t)tail + 1))) {
        NodeKind kind = kind_of(str_first(symbol, (size_t)tail));
        if (kind != NODE_OP) {
            n->kind = kind;
            ARENA_PUSH(r->arena, t->subgraphs, t->subgraph_count, n);
        }
    }
    if (read_accept(r, "["))
        read_attributes(t, n);
    use_list(t, n);
    if (r->status == ST_OK && n->kind == NODE_OP)
        find_schema(t, n, symbol);
    read_tail(t, n);
    if (r->status != ST_OK)
        return;
    block_append(b, n);
    read_blocks(t, n);
}

// Nodes up to `end`, and the values that the block gives.
static void read_block(GraphText *t, Block *b, const char *end)
{
    GraphReader *r = t->r;
    while (r->status == ST_OK) {
        read_blanks(r);
        if (read_accept(r, end))
            break;
        read_node(t, b);
    }
    use_list(t, b->ret);
    read_expect(r, "\n");
}

static void read_graph(GraphReader *r, Graph **out)
{
    GraphText t = {.r = r, .g = graph_new(r->arena, r->types)};
    read_expect(r, "graph(");
    define_list(&t, t.g->top->param, ")");
    read_expect(r, ":\n");
    read_block(&t, t.g->top, "return ");
    // Numbers that are printed stay; the others follow the largest.
    uint32_t next = 0;
    for (size_t i = 0; i < t.values.capacity; i++) {
        const Value *v = t.values.slots[i].key.ptr ? t.values.slots[i].value : NULL;
        if (v && !v->name.len && v->id >= next)
            next = v->id + 1;
    }
    for (uint32_t i = 0; i < t.named_count; i++)
        t.named[i]->id = next++;
    t.g->next_id = next;
    for (uint32_t i = 0; i < t.subgraph_count && r->status == ST_OK; i++) {
        read_expect(r, "with ");
        read_until(r, "=\n");
        read_expect(r, "= ");
        read_graph(r, &t.subgraphs[i]->subgraph);
    }
    *out = t.g;
}

// The like graph, with everything in its subgraphs.
static void index_like(GraphReader *r, Buf *scratch, const Graph *g);

static void index_value(GraphReader *r, Buf *scratch, Value *v)
{
    strmap_put(&r->like, r->arena, printed_name(r, v), v);
    for (const Type *t = v->type;; t = t->elem[0]) {
        buf_clear(scratch);
        type_print_ir(scratch, t);
        if (!strmap_get(&r->like_types, buf_view(scratch)))
            strmap_put(&r->like_types, r->arena, arena_str(r->arena, buf_view(scratch)), t);
        if (t->kind != TYPE_LIST && t->kind != TYPE_OPTIONAL)
            break;
    }
}

static void index_node(GraphReader *r, Buf *scratch, const Node *n)
{
    for (uint32_t i = 0; i < n->output_count; i++)
        index_value(r, scratch, n->outputs[i]);
    for (uint32_t b = 0; b < n->block_count; b++)
        for (uint32_t i = 0; i < n->blocks[b]->param->output_count; i++)
            index_value(r, scratch, n->blocks[b]->param->outputs[i]);
    if (n->subgraph)
        index_like(r, scratch, n->subgraph);
}

static void index_like(GraphReader *r, Buf *scratch, const Graph *g)
{
    index_node(r, scratch, g->top->param);
    for (const Node *n = graph_first(g); n; n = node_next_deep(n))
        index_node(r, scratch, n);
}

// Owns nothing: running out of memory jumps out of it.
static Status read_guarded(GraphReader *r, Buf *scratch, const Graph *like, Graph **out)
{
    jmp_buf guard;
    r->arena->guard = &guard;
    if (setjmp(guard))
        return ST_MEMORY;
    if (like)
        index_like(r, scratch, like);
    read_graph(r, out);
    return r->status;
}

Status graph_read(Arena *a, TypeTable *types, OpTable *ops, Str text, const Graph *like, Graph **out)
{
    GraphReader r = {.text = text, .arena = a, .types = types, .ops = ops};
    Buf scratch = {0};
    jmp_buf *outer = a->guard;
    Status status = read_guarded(&r, &scratch, like, out);
    a->guard = outer;
    buf_free(&scratch);
    return status;
}
