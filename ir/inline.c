// Inlining: replaces every call of a method or function by a copy of its graph, from the outside in.
// Methods of interfaces are found by the object that the root holds at that path.
#include "ir/pass.h"

enum { MAX_DEPTH = 500, MAX_NODES = 4000000, MAX_NESTING = 2000 };

// A module object whose Datum is known, and where it stands; on value->note.
typedef struct Known {
    Datum *object;
    Str path; // "layer1.0"
} Known;

typedef struct Inliner {
    PassContext *c;
    uint32_t nodes;
} Inliner;

static Known *known(const Value *v) { return v->note; }

static void set_known(PassContext *c, Value *v, Datum *object, Str path)
{
    Known *k = ARENA_NEW(&c->scratch, Known);
    *k = (Known){object, path};
    v->note = k;
}

static void follow_attribute(PassContext *c, const Node *n)
{
    const Known *k = known(n->inputs[0]);
    Datum *d = k ? datum_attr(k->object, n->name) : NULL;
    if (d && d->kind == DATUM_OBJECT)
        set_known(c, n->outputs[0], d, arena_printf(c->arena, STR_FMT "%s" STR_FMT, STR_ARG(k->path), k->path.len ? "." : "", STR_ARG(n->name)));
}

static uint32_t nesting(const Node *n)
{
    uint32_t depth = 0;
    for (; n->owner->owner; n = n->owner->owner)
        depth++;
    return depth;
}

static uint32_t frame_depth(const Frame *f)
{
    uint32_t depth = 0;
    for (; f; f = f->caller)
        depth++;
    return depth;
}

// Puts a copy of `body` in place of call; inputs from number `first` on are its arguments. Returns the node to go on with.
static Status replace_call(Inliner *in, Node *call, const Graph *body, Str function, uint32_t first, Str scope, Node **next)
{
    PassContext *c = in->c;
    const Node *param = body->top->param;
    if (call->input_count - first != param->output_count || body->top->ret->input_count != call->output_count)
        return status_fail(ST_INTERNAL, "call of " STR_FMT " with %u arguments, it takes %u", STR_ARG(function), call->input_count - first, param->output_count);
    if (frame_depth(call->frame) >= MAX_DEPTH)
        return status_fail(ST_UNSUPPORTED, "calls nest too deeply (limit %d) at " STR_FMT, MAX_DEPTH, STR_ARG(function));
    Frame *frame = ARENA_NEW(c->arena, Frame);
    *frame = (Frame){function, call->range, call->frame};
    for (uint32_t i = 0; i < param->output_count; i++)
        param->outputs[i]->note = call->inputs[first + i];
    Node *before = call->prev;
    block_clone_before(c->graph, body->top, call);
    Node *start = before->next;
    for (Node *n = start; n != call; n = node_next_deep(n)) {
        n->frame = frame;
        n->scope = scope;
        if (n->block_count && nesting(n) > MAX_NESTING)
            return status_fail(ST_UNSUPPORTED, "branches and loops nest too deeply after inlining (limit %d)", MAX_NESTING);
        if (++in->nodes > MAX_NODES)
            return status_fail(ST_UNSUPPORTED, "the model has too many operations after inlining (limit %d)", MAX_NODES);
    }
    for (uint32_t i = 0; i < call->output_count; i++) {
        Value *result = body->top->ret->inputs[i]->note, *old = call->outputs[i];
        if (old->name.len && result->node->frame == frame) {
            Str name = old->name;
            value_set_name(old, (Str){0});
            value_set_name(result, name);
        }
        value_replace_all(old, result);
        if (known(old) && !known(result))
            result->note = old->note;
    }
    *next = start == call ? node_next_deep(call) : start;
    node_destroy(call);
    return ST_OK;
}

static Status inline_method(Inliner *in, Node *call, Node **next)
{
    const Known *k = known(call->inputs[0]);
    const ClassDef *cls = k ? k->object->cls : call->inputs[0]->type->cls;
    *next = node_next_deep(call);
    if (!cls || cls->kind == CLASS_INTERFACE || cls->kind == CLASS_MODULE_INTERFACE || cls->kind == CLASS_BUILTIN)
        return ST_OK; // resolved when it runs
    const Function *f = class_method(cls, call->name);
    if (!f || !f->graph)
        return status_fail(ST_BAD_MODEL, "class " STR_FMT " has no method " STR_FMT, STR_ARG(cls->name), STR_ARG(call->name));
    return replace_call(in, call, f->graph, f->name, 0, k ? k->path : call->scope, next);
}

static Status inline_function(Inliner *in, Node *call, Node **next)
{
    Function *f = call->callee;
    const Datum *name = value_constant(call->inputs[0]);
    *next = node_next_deep(call);
    if (!f && name && name->kind == DATUM_FUNCTION)
        TRY(program_function(in->c->program, name->name, &f));
    if (!f || !f->graph)
        return ST_OK;
    return replace_call(in, call, f->graph, f->name, 1, call->scope, next);
}

static Status inline_graph(Inliner *in, Graph *g);

// The body of a fork is optimised in place; when its result is only waited for, it needs no fork at all.
static Status inline_fork(Inliner *in, Node *fork, Node **next)
{
    PassContext *c = in->c;
    Graph *outer = c->graph;
    for (uint32_t i = 0; i < fork->input_count; i++)
        fork->subgraph->top->param->outputs[i]->note = fork->inputs[i]->note;
    *next = node_next_deep(fork);
    const Type *result = fork->outputs[0]->type;
    bool only_waits = fork->outputs[0]->use_count > 0 && result->count && result->elem[0]->kind != TYPE_FUTURE;
    for (const Use *u = fork->outputs[0]->uses; u && only_waits; u = u->next)
        only_waits = node_is(u->user, "aten::wait") && u->user->owner == fork->owner; // what it raises is raised
    if (!only_waits) {
        c->graph = fork->subgraph;
        Status status = inline_graph(in, fork->subgraph);
        c->graph = outer;
        return status;
    }
    for (uint32_t waits = fork->outputs[0]->use_count; waits; waits--) {
        Node *wait = fork->outputs[0]->uses->user;
        value_replace_all(wait->outputs[0], fork->outputs[0]);
        node_destroy(wait);
    }
    return replace_call(in, fork, fork->subgraph, STR("fork"), 0, fork->scope, next);
}

static Status inline_graph(Inliner *in, Graph *g)
{
    PassContext *c = in->c;
    for (Node *n = graph_first(g), *next; n; n = next) {
        switch (n->kind) {
        case NODE_GET_ATTR:
            follow_attribute(c, n);
            next = node_next_deep(n);
            break;
        case NODE_UNCHECKED_CAST:
            n->outputs[0]->note = n->inputs[0]->note;
            next = node_next_deep(n);
            break;
        case NODE_CALL_METHOD: TRY(inline_method(in, n, &next)); break;
        case NODE_CALL_FUNCTION: TRY(inline_function(in, n, &next)); break;
        case NODE_FORK: TRY(inline_fork(in, n, &next)); break;
        default: next = node_next_deep(n); break;
        }
    }
    return ST_OK;
}

// Hooks of the root ---------------------------------------------------------------------------------------------------
// Calling a module runs its hooks; calls of submodules have them spelled out in the code already.

static Value *call_hook(PassContext *c, const Function *hook, Value **inputs, uint32_t count)
{
    Graph *g = c->graph;
    Node *n = node_new(g, NODE_CALL_METHOD);
    n->name = hook->name;
    for (uint32_t i = 0; i < count; i++)
        node_add_input(n, inputs[i]);
    Value *v = node_add_output(g, n, hook->schema->returns[0].type);
    block_append(g->top, n);
    return v;
}

static Value *pack_arguments(PassContext *c, Value **values, uint32_t count)
{
    Graph *g = c->graph;
    Node *n = node_new(g, NODE_TUPLE_CONSTRUCT);
    const Type **types = ARENA_ARRAY(c->arena, const Type *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        types[i] = values[i]->type;
        node_add_input(n, values[i]);
    }
    Value *v = node_add_output(g, n, type_tuple(c->types, types, count));
    block_append(g->top, n);
    return v;
}

// What a hook before forward returns replaces the arguments: nothing, one value, or a tuple of all.
static Status apply_result(PassContext *c, Value *result, Value **values, uint32_t count)
{
    if (result->type->kind == TYPE_NONE)
        return ST_OK;
    if (result->type->kind != TYPE_TUPLE) {
        if (count != 1)
            return status_fail(ST_BAD_MODEL, "a hook returns one value for the %u arguments of forward", count);
        values[0] = result;
        return ST_OK;
    }
    if (result->type->count != count)
        return status_fail(ST_BAD_MODEL, "a hook returns %u values for the %u arguments of forward", result->type->count, count);
    Node *n = node_new(c->graph, NODE_TUPLE_UNPACK);
    node_add_input(n, result);
    for (uint32_t i = 0; i < count; i++)
        values[i] = node_add_output(c->graph, n, result->type->elem[i]);
    block_append(c->graph->top, n);
    return ST_OK;
}

static Status find_hook(const ClassDef *cls, Str name, const Function **out)
{
    *out = class_method(cls, name);
    return *out && (*out)->graph ? ST_OK : status_fail(ST_BAD_MODEL, "class " STR_FMT " has no hook " STR_FMT, STR_ARG(cls->name), STR_ARG(name));
}

static Status wrap_in_hooks(PassContext *c, const Function *f, const ClassDef *cls)
{
    Graph *g = c->graph = graph_new(c->arena, c->types);
    const Node *param = f->graph->top->param;
    uint32_t count = param->output_count;
    Value **values = ARENA_ARRAY(c->arena, Value *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = block_add_input(g, g->top, param->outputs[i]->type);
        value_set_name(values[i], param->outputs[i]->name);
    }
    const Function *hook;
    for (uint32_t i = 0; i < cls->forward_pre_hook_count; i++) {
        TRY(find_hook(cls, cls->forward_pre_hooks[i], &hook));
        Value *pair[] = {values[0], pack_arguments(c, values + 1, count - 1)};
        TRY(apply_result(c, call_hook(c, hook, pair, 2), values + 1, count - 1));
    }
    Value *result = call_hook(c, f, values, count);
    for (uint32_t i = 0; i < cls->forward_hook_count; i++) {
        TRY(find_hook(cls, cls->forward_hooks[i], &hook));
        Value *three[] = {values[0], pack_arguments(c, values + 1, count - 1), result};
        Value *changed = call_hook(c, hook, three, 3);
        if (changed->type->kind != TYPE_NONE)
            result = changed;
    }
    block_add_output(g->top, result);
    return ST_OK;
}

Status pass_inline(PassContext *c)
{
    const Function *f = c->function;
    const ClassDef *cls = f->cls;
    if (cls && str_is(f->name, "forward") && cls->forward_pre_hook_count + cls->forward_hook_count)
        TRY(wrap_in_hooks(c, f, cls));
    else
        c->graph = graph_copy(f->graph);
    if (c->root && c->graph->top->param->output_count)
        set_known(c, c->graph->top->param->outputs[0], c->root, (Str){"", 0});
    Inliner in = {.c = c};
    c->changed = true;
    return inline_graph(&in, c->graph);
}
