// Prints a graph as PyTorch's `.graph` does (the grammar is torchscript.md §5.4).
// graph_read understands everything that is written here.
#include "ir/print.h"

static void print_name(Buf *out, const Value *v)
{
    buf_char(out, '%');
    if (v->name.len)
        buf_str(out, v->name);
    else
        buf_printf(out, "%u", v->id);
}

static void print_names(Buf *out, Value *const *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_z(out, ", ");
        print_name(out, values[i]);
    }
}

static void print_typed(Buf *out, Value *const *values, uint32_t count, const char *separator)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_z(out, separator);
        print_name(out, values[i]);
        buf_z(out, " : ");
        type_print_ir(out, values[i]->type);
    }
}

Str enum_member_name(const Datum *e)
{
    const ClassDef *c = e->cls;
    for (uint32_t i = 0; c && i < c->constant_count; i++) {
        const Datum *member = c->constants[i].value;
        if (datum_equal(member->kind == DATUM_ENUM ? member->items[0] : member, e->items[0]))
            return c->constants[i].name;
    }
    return (Str){0};
}

bool needs_annotation(const Type *element)
{
    return element->kind == TYPE_INTERFACE || element->kind == TYPE_ANY || element->kind == TYPE_OPTIONAL || element->kind == TYPE_UNION;
}

static const Type *element_type(const Type *type, uint32_t i)
{
    if (type && type->kind == TYPE_OPTIONAL)
        type = type->elem[0];
    if (!type || (type->kind != TYPE_TUPLE && type->kind != TYPE_LIST && type->kind != TYPE_DICT))
        return NULL;
    i = type->kind == TYPE_LIST ? 0 : i;
    return i < type->count ? type->elem[i] : NULL;
}

static void print_items(Buf *out, const Datum *d, const Type *type, char open, char close)
{
    buf_char(out, open);
    for (uint32_t i = 0; i < d->count; i++) {
        if (i)
            buf_z(out, ", ");
        print_datum(out, d->items[i], element_type(type, i));
    }
    if (d->kind == DATUM_TUPLE && d->count == 1)
        buf_char(out, ',');
    buf_char(out, close);
}

static void print_pairs(Buf *out, const Datum *d, const Type *type)
{
    buf_char(out, '{');
    for (uint32_t i = 0; i < d->count; i++) {
        if (i)
            buf_z(out, ", ");
        print_datum(out, d->items[2 * i], element_type(type, 0));
        buf_z(out, ": ");
        print_datum(out, d->items[2 * i + 1], element_type(type, 1));
    }
    buf_char(out, '}');
}

// Lists and dicts: with their type when the elements do not tell it.
static void print_container(Buf *out, const Datum *d, const Type *type)
{
    const Type *element = element_type(type, d->kind == DATUM_DICT ? 1 : 0);
    bool annotate = (d->count == 0 || (element && needs_annotation(element))) && (element || d->name.len);
    if (annotate) {
        buf_z(out, "annotate(");
        if (element)
            type_print_python(out, type->kind == TYPE_OPTIONAL ? type->elem[0] : type);
        else
            buf_str(out, d->name);
        buf_z(out, d->kind == DATUM_DICT ? "," : ", ");
    }
    if (d->kind == DATUM_DICT)
        print_pairs(out, d, type);
    else if (d->count && d->items[0]->kind == DATUM_TENSOR)
        buf_z(out, "[<Tensors>]");
    else
        print_items(out, d, type, '[', ']');
    if (annotate)
        buf_char(out, ')');
}

void print_datum(Buf *out, const Datum *d, const Type *type)
{
    switch (d->kind) {
    case DATUM_NONE: buf_z(out, "None"); break;
    case DATUM_BOOL: buf_z(out, d->b ? "True" : "False"); break;
    case DATUM_INT: buf_printf(out, "%lld", (long long)d->i); break;
    case DATUM_FLOAT: print_float(out, d->f); break;
    case DATUM_COMPLEX: print_complex(out, d->c.re, d->c.im); break;
    case DATUM_STR:
    case DATUM_DEVICE: print_quoted(out, d->s); break;
    case DATUM_TENSOR: print_tensor_literal(out, d->tensor); break;
    case DATUM_TUPLE: print_items(out, d, type, '(', ')'); break;
    case DATUM_LIST:
    case DATUM_DICT: print_container(out, d, type); break;
    case DATUM_ENUM:
        buf_str(out, d->name);
        buf_char(out, '.');
        buf_str(out, enum_member_name(d));
        break;
    case DATUM_OBJECT: buf_printf(out, "object(%p)", (const void *)d); break;
    case DATUM_FUNCTION: print_quoted(out, str_from(d->name, (size_t)(str_rfind(d->name, '.') + 1))); break;
    }
}

static void print_constant(Buf *out, const Node *n)
{
    const Datum *d = n->constant;
    if (!d)
        return;
    buf_z(out, d->kind == DATUM_FUNCTION ? "[name=" : "[value=");
    if (d->kind == DATUM_BOOL)
        buf_char(out, d->b ? '1' : '0');
    else
        print_datum(out, d, n->outputs[0]->type);
    buf_char(out, ']');
}

static void print_attributes(Buf *out, const Node *n)
{
    if (n->kind == NODE_CONSTANT) {
        print_constant(out, n);
    } else if (n->kind == NODE_TUPLE_SLICE) {
        buf_printf(out, "[beg=%lld, end=%lld]", (long long)n->beg, (long long)n->end);
    } else if (n->kind == NODE_OP && n->beg) {
        buf_printf(out, "[warn_id=%lld]", (long long)n->beg - 1);
    } else if (n->kind == NODE_ISINSTANCE) {
        buf_z(out, "[types=[");
        for (uint32_t i = 0; i < n->type_count; i++) {
            if (i)
                buf_z(out, ", ");
            type_print_ir(out, n->types[i]);
        }
        buf_z(out, "]]");
    } else if (n->name.len) {
        buf_z(out, "[name=");
        print_quoted(out, n->name);
        buf_char(out, ']');
    }
}

// Subgraphs are printed after the graph, in the order of their nodes.
typedef struct Subgraphs {
    const Node **nodes;
    uint32_t count;
    Arena *arena;
} Subgraphs;

static void print_node(Buf *out, const Node *n, size_t level, Subgraphs *subgraphs);

static void print_blocks(Buf *out, const Node *n, size_t level, Subgraphs *subgraphs)
{
    for (uint32_t i = 0; i < n->block_count; i++) {
        const Block *b = n->blocks[i];
        buf_fill(out, ' ', 2 * level + 2);
        buf_printf(out, "block%u(", i);
        print_typed(out, b->param->outputs, b->param->output_count, ", ");
        buf_z(out, "):\n");
        for (const Node *inner = block_first(b); inner != b->ret; inner = inner->next)
            print_node(out, inner, level + 2, subgraphs);
        buf_fill(out, ' ', 2 * level + 4);
        buf_z(out, "-> (");
        print_names(out, b->ret->inputs, b->ret->input_count);
        buf_z(out, ")\n");
    }
}

static void print_node(Buf *out, const Node *n, size_t level, Subgraphs *subgraphs)
{
    buf_fill(out, ' ', 2 * level);
    print_typed(out, n->outputs, n->output_count, ", ");
    buf_z(out, " = ");
    if (n->kind == NODE_OP)
        buf_str(out, n->schema->symbol);
    else
        buf_z(out, node_kind_text(n->kind));
    if (n->subgraph) {
        buf_printf(out, "_%u", subgraphs->count);
        ARENA_PUSH(subgraphs->arena, subgraphs->nodes, subgraphs->count, n);
    } else {
        print_attributes(out, n);
    }
    buf_char(out, '(');
    print_names(out, n->inputs, n->input_count);
    buf_char(out, ')');
    if (n->scope.len) {
        buf_z(out, ", scope: ");
        buf_str(out, n->scope);
    }
    if (n->range.file.ptr) {
        buf_z(out, " # ");
        buf_str(out, n->range.file);
        buf_printf(out, ":%d:%d", n->range.line, n->range.column);
    }
    buf_char(out, '\n');
    print_blocks(out, n, level, subgraphs);
}

void graph_print(Buf *out, const Graph *g)
{
    Subgraphs subgraphs = {.arena = g->arena};
    buf_z(out, "graph(");
    print_typed(out, g->top->param->outputs, g->top->param->output_count, ",\n      ");
    buf_z(out, "):\n");
    for (const Node *n = block_first(g->top); n != g->top->ret; n = n->next)
        print_node(out, n, 1, &subgraphs);
    buf_z(out, "  return (");
    print_names(out, g->top->ret->inputs, g->top->ret->input_count);
    buf_z(out, ")\n");
    for (uint32_t i = 0; i < subgraphs.count; i++) {
        buf_printf(out, "with %s_%u = ", node_kind_text(subgraphs.nodes[i]->kind), i);
        graph_print(out, subgraphs.nodes[i]->subgraph);
    }
}

void node_print(Buf *out, const Node *n)
{
    Subgraphs subgraphs = {.arena = n->owner ? n->owner->graph->arena : NULL};
    if (n->kind == NODE_RETURN || n->kind == NODE_PARAM || (n->subgraph && !n->owner))
        buf_printf(out, "%s\n", node_kind_text(n->kind));
    else
        print_node(out, n, 0, &subgraphs);
}
