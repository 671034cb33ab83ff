// Folding: operators on constants are run now.
// Nothing that may be written later is folded: a constant is made once, the node would have made a new value each time.
#include "ir/pass.h"

enum { MAX_FOLD_INPUTS = 64 };

// Constants ------------------------------------------------------------------------------------------------------------

// The hook owns things while it runs: running out of memory must not jump over it.
bool fold_run(PassContext *c, const Node *n, Datum **inputs, Datum **outputs)
{
    jmp_buf *guard = c->arena->guard;
    c->arena->guard = NULL;
    Status status = c->hooks->fold(c->hooks->ctx, c->arena, n, inputs, outputs);
    c->arena->guard = guard;
    for (uint32_t i = 0; i < n->output_count && status == ST_OK; i++)
        if (!outputs[i])
            return false;
    return status == ST_OK;
}

static bool all_constant(const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        if (!value_constant(n->inputs[i]))
            return false;
    return true;
}

// The constant takes the place of the node's output. Names stay with it.
static void replace_output(PassContext *c, Node *n, uint32_t i, Datum *d)
{
    Value *out = n->outputs[i], *v = constant_datum(c, n, d, out->type);
    v->node->range = n->range;
    value_replace_all(out, v);
}

static Str list_annotation(PassContext *c, const Type *type)
{
    switch (type->elem[0]->kind) {
    case TYPE_INT: return STR("List[int]");
    case TYPE_FLOAT: return STR("List[float]");
    case TYPE_BOOL: return STR("List[bool]");
    case TYPE_TENSOR: return STR("List[Tensor]");
    default: break;
    }
    Buf name = {0};
    type_print_python(&name, type);
    // Growing the arena could jump over buf_free: the text goes over the stack.
    char text[512];
    size_t length = !name.failed && name.len < sizeof text ? name.len : 0;
    if (length)
        memcpy(text, name.ptr, length);
    buf_free(&name);
    return arena_str(c->arena, (Str){text, length});
}

static bool fold_container(PassContext *c, Node *n)
{
    Datum **items = ARENA_ARRAY(c->arena, Datum *, n->input_count + 1);
    for (uint32_t i = 0; i < n->input_count; i++)
        items[i] = value_constant(n->inputs[i]);
    bool list = n->kind == NODE_LIST_CONSTRUCT;
    Datum *d = datum_list(c->arena, list ? DATUM_LIST : DATUM_TUPLE, items, n->input_count);
    if (list)
        d->name = list_annotation(c, n->outputs[0]->type);
    replace_output(c, n, 0, d);
    return true;
}

static bool fold_operator(PassContext *c, Node *n)
{
    const PassHooks *hooks = c->hooks;
    if (!hooks || !hooks->fold || n->input_count > MAX_FOLD_INPUTS || n->output_count == 0)
        return false;
    Datum *inputs[MAX_FOLD_INPUTS], **outputs = ARENA_ARRAY(&c->scratch, Datum *, n->output_count);
    for (uint32_t i = 0; i < n->input_count; i++)
        inputs[i] = value_constant(n->inputs[i]);
    if (!fold_run(c, n, inputs, outputs))
        return false;
    for (uint32_t i = 0; i < n->output_count; i++)
        replace_output(c, n, i, outputs[i]);
    return true;
}

bool fold_constants(PassContext *c, const Alias *alias, Node *n, Node **next)
{
    if (n->block_count || !all_constant(n) || alias_node_touched(alias, n))
        return false;
    OpEffect effect = node_effect(n);
    bool folded = false;
    if (n->kind == NODE_OP && (effect == EFFECT_PURE || effect == EFFECT_ALIAS))
        folded = fold_operator(c, n);
    else if (n->kind == NODE_TUPLE_CONSTRUCT && !n->outputs[0]->type->name.len)
        folded = fold_container(c, n);
    else if (n->kind == NODE_LIST_CONSTRUCT)
        folded = fold_container(c, n);
    if (!folded)
        return false;
    *next = node_next_deep(n);
    node_destroy(n);
    return true;
}
