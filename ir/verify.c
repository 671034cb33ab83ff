// The verifier: every invariant that graph.h states and the passes rely on.
// Values that are in scope carry a mark in their note, so that one walk checks dominance.
#include "ir/print.h"
#include "ir/verify.h"

typedef struct Verifier {
    char mark; // its address is the mark
} Verifier;

static Status fail(const Node *n, const char *what)
{
    Buf text = {0};
    node_print(&text, n);
    size_t length = 0;
    while (length < text.len && text.ptr[length] != '\n')
        length++;
    status_fail(ST_INTERNAL, "graph verifier: %s, at: %.*s", what, (int)length, text.ptr ? text.ptr : "");
    buf_free(&text);
    return ST_INTERNAL;
}

static Status check_uses(const Node *n, const Value *v)
{
    uint32_t count = 0;
    const Use *last = NULL;
    for (const Use *u = v->uses; u; last = u, u = u->next, count++) {
        if (u->prev != last)
            return fail(n, "a list of uses is broken");
        if (u->index >= u->user->input_count || u->user->inputs[u->index] != v || u->user->input_uses[u->index] != u)
            return fail(n, "a use does not match its user's input");
    }
    if (last != v->last_use || count != v->use_count)
        return fail(n, "the number of uses is wrong");
    return ST_OK;
}

static Status check_values(const Verifier *w, const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        const Value *v = n->inputs[i];
        if (v->note != w)
            return fail(n, "an input is not defined before its use");
        if (n->input_uses[i]->user != n || n->input_uses[i]->index != i)
            return fail(n, "an input does not know its use");
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        Value *v = n->outputs[i];
        if (v->node != n || v->offset != i)
            return fail(n, "an output does not know its node");
        if (!v->type)
            return fail(n, "an output has no type");
        TRY(check_uses(n, v));
        v->note = (void *)w;
    }
    return ST_OK;
}

// Whether types may meet at run time: one is a subtype of the other, or nothing is known.
static bool may_match(const Type *actual, const Type *formal)
{
    switch (formal->kind) {
    case TYPE_VAR:
    case TYPE_ANY: return true;
    case TYPE_LIST: return actual->kind != TYPE_TENSOR && actual->kind != TYPE_STR;
    case TYPE_TENSOR:
    case TYPE_STR:
    case TYPE_BOOL: return type_is_subtype(actual, formal) || type_is_subtype(formal, actual);
    default: return actual->kind != TYPE_TENSOR || type_is_subtype(actual, formal) || type_is_subtype(formal, actual) || formal->count > 0;
    }
}

static Status check_schema(const Node *n)
{
    const Schema *s = n->schema;
    if (!s)
        return fail(n, "an operator has no schema");
    if (n->input_count < s->arg_count || (n->input_count > s->arg_count && !s->vararg))
        return fail(n, "the number of inputs does not match the schema");
    if (n->output_count < s->return_count || (n->output_count > s->return_count && !s->varret))
        return fail(n, "the number of outputs does not match the schema");
    for (uint32_t i = 0; i < s->arg_count; i++)
        if (!may_match(n->inputs[i]->type, s->args[i].type))
            return fail(n, "an input has a type that the schema does not take");
    return ST_OK;
}

static Status check_shape(const Node *n)
{
    switch (n->kind) {
    case NODE_OP: return check_schema(n);
    case NODE_CONSTANT: return n->input_count || n->output_count != 1 ? fail(n, "a constant has one output only") : ST_OK;
    case NODE_IF:
        if (n->input_count != 1 || n->block_count != 2)
            return fail(n, "an if has one condition and two blocks");
        for (int i = 0; i < 2; i++)
            if (n->blocks[i]->param->output_count || n->blocks[i]->ret->input_count != n->output_count)
                return fail(n, "the outputs of an if are not those of its blocks");
        return ST_OK;
    case NODE_LOOP:
        if (n->block_count != 1 || n->input_count != n->output_count + 2)
            return fail(n, "a loop has a trip count, a condition and what it carries");
        if (n->blocks[0]->param->output_count != n->output_count + 1 || n->blocks[0]->ret->input_count != n->output_count + 1)
            return fail(n, "the block of a loop does not match what it carries");
        return ST_OK;
    case NODE_GET_ATTR:
        return n->input_count != 1 || n->output_count != 1 || !n->name.ptr ? fail(n, "GetAttr takes an object and a name") : ST_OK;
    case NODE_SET_ATTR: return n->input_count != 2 || n->output_count ? fail(n, "SetAttr takes an object and a value") : ST_OK;
    case NODE_TUPLE_UNPACK:
    case NODE_LIST_UNPACK: return n->input_count != 1 ? fail(n, "unpacking takes one value") : ST_OK;
    case NODE_TUPLE_CONSTRUCT:
    case NODE_LIST_CONSTRUCT:
    case NODE_DICT_CONSTRUCT: return n->output_count != 1 ? fail(n, "a constructor gives one value") : ST_OK;
    default: return ST_OK;
    }
}

static Status check_block(const Verifier *w, const Graph *g, const Block *b);

static Status check_node(const Verifier *w, const Graph *g, const Block *b, const Node *n)
{
    if (n->owner != b || n->next->prev != n || n->prev->next != n)
        return fail(n, "the ring of nodes is broken");
    if (n->prev->kind != NODE_RETURN && n->prev->position >= n->position)
        return fail(n, "positions do not grow");
    // Blocks see what stands before the node, not its outputs.
    for (uint32_t i = 0; i < n->output_count; i++)
        n->outputs[i]->note = NULL;
    for (uint32_t i = 0; i < n->block_count; i++)
        TRY(check_block(w, g, n->blocks[i]));
    TRY(check_values(w, n));
    TRY(check_shape(n));
    return n->subgraph ? graph_verify(n->subgraph) : ST_OK;
}

static Status check_block(const Verifier *w, const Graph *g, const Block *b)
{
    if (b->graph != g || b->ret->kind != NODE_RETURN || b->param->kind != NODE_PARAM || b->ret->owner != b || b->param->owner != b)
        return fail(b->ret, "a block is not well formed");
    TRY(check_values(w, b->param));
    for (const Node *n = block_first(b); n != b->ret; n = n->next)
        TRY(check_node(w, g, b, n));
    TRY(check_values(w, b->ret));
    // Out of scope again.
    for (const Node *n = block_first(b); n != b->ret; n = n->next)
        for (uint32_t i = 0; i < n->output_count; i++)
            n->outputs[i]->note = NULL;
    for (uint32_t i = 0; i < b->param->output_count; i++)
        b->param->outputs[i]->note = NULL;
    return ST_OK;
}

Status graph_verify(const Graph *g)
{
    Verifier w = {0};
    return check_block(&w, g, g->top);
}
