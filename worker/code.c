// Lowering: a graph to linear code. Registers are given out in order of definition and taken back where liveness says
// that a value dies; needs no other pass, breaks nothing (it writes only the `note` fields of the graph).
#include "worker/code.h"

#include "io/base/buf.h"

#include <stdlib.h>

typedef struct Lowering {
    CodeSet *set;
    Code *code;
    Arena *arena;      // of the code
    Arena scratch;
    Liveness live;
    Operand *place;    // by value number: register or constant
    uint8_t *busy;     // by register
    uint32_t busy_capacity;
    Status status;     // the first failure
} Lowering;

// ---- registers and operands

static Operand take_register(Lowering *l)
{
    uint32_t r = 0;
    while (r < l->busy_capacity && l->busy[r])
        r++;
    if (r == l->busy_capacity) {
        uint32_t capacity = l->busy_capacity ? l->busy_capacity * 2 : 64;
        uint8_t *busy = ARENA_ARRAY(&l->scratch, uint8_t, capacity);
        if (l->busy_capacity)
            memcpy(busy, l->busy, l->busy_capacity);
        l->busy = busy;
        l->busy_capacity = capacity;
    }
    l->busy[r] = 1;
    if (r >= l->code->register_count)
        l->code->register_count = r + 1;
    return r;
}

static void give_register(Lowering *l, Operand o) { l->busy[o & OPERAND_INDEX] = 0; }

static bool is_used(const Lowering *l, const Value *v) { return l->live.used[value_number(v)]; }

// A register for a new value, or OPERAND_NONE when nobody reads it.
static Operand define(Lowering *l, const Value *v)
{
    if (!is_used(l, v))
        return OPERAND_NONE;
    return l->place[value_number(v)] = take_register(l);
}

static Operand input(const Lowering *l, const Node *n, uint32_t i)
{
    Operand o = l->place[value_number(n->inputs[i])];
    return node_life(&l->live, n)->dies[i] ? o | OPERAND_DIES : o;
}

static void give_dying(Lowering *l, const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        if (node_life(&l->live, n)->dies[i])
            give_register(l, l->place[value_number(n->inputs[i])]);
}

static Operand add_constant(Lowering *l, CodeConstant c)
{
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->constants, code->constant_count, c);
    return OPERAND_CONSTANT | (code->constant_count - 1);
}

// ---- instructions

static uint32_t emit(Lowering *l, InsnKind kind, const Node *n)
{
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->insns, code->insn_count, ((Insn){.kind = (uint16_t)kind, .at = code->operand_count}));
    uint32_t nodes = code->insn_count - 1;
    ARENA_PUSH(l->arena, code->nodes, nodes, n);
    return code->insn_count - 1;
}

static void add_operand(Lowering *l, Operand o)
{
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->operands, code->operand_count, o);
}

static void add_in(Lowering *l, Operand o)
{
    add_operand(l, o);
    l->code->insns[l->code->insn_count - 1].n_in++;
}

static void add_out(Lowering *l, Operand o)
{
    Insn *insn = &l->code->insns[l->code->insn_count - 1];
    add_operand(l, o);
    if (insn->n_out == UINT16_MAX && l->status == ST_OK)
        l->status = status_fail(ST_UNSUPPORTED, "too many results of one operation (limit %d)", UINT16_MAX);
    insn->n_out++;
    if (insn->n_in + insn->n_out > l->code->scratch_count)
        l->code->scratch_count = insn->n_in + insn->n_out;
}

static void finish(Lowering *l)
{
    const Insn *insn = &l->code->insns[l->code->insn_count - 1];
    if (insn->n_in > l->code->scratch_count)
        l->code->scratch_count = insn->n_in;
}

static void add_inputs(Lowering *l, const Node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        add_in(l, input(l, n, i));
    finish(l);
}

// An instruction that reads the node's inputs and defines its outputs.
static Insn *emit_plain(Lowering *l, InsnKind kind, const Node *n)
{
    uint32_t at = emit(l, kind, n);
    add_inputs(l, n);
    give_dying(l, n);
    for (uint32_t i = 0; i < n->output_count; i++)
        add_out(l, define(l, n->outputs[i]));
    return &l->code->insns[at];
}

static void emit_release(Lowering *l, Value **values, uint32_t count)
{
    if (!count)
        return;
    emit(l, INSN_RELEASE, NULL);
    for (uint32_t i = 0; i < count; i++) {
        Operand o = l->place[value_number(values[i])];
        add_out(l, o);
        give_register(l, o);
    }
}

// Parallel moves: pairs that would move a dying register onto itself are left out.
static void emit_moves(Lowering *l, const Operand *from, const Operand *to, uint32_t count)
{
    uint32_t at = emit(l, INSN_MOVES, NULL), kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (from[i] != (to[i] | OPERAND_DIES)) {
            add_in(l, from[i]);
            kept++;
        }
    for (uint32_t i = 0; i < count; i++)
        if (from[i] != (to[i] | OPERAND_DIES))
            add_out(l, to[i]);
    if (!kept)
        l->code->insn_count = at;
}

// ---- calls

static Code *callee(Lowering *l, const Graph *g, const Function *f)
{
    Code *code = NULL;
    Status status = code_set_add(l->set, g, f, &code);
    if (status != ST_OK && l->status == ST_OK)
        l->status = status;
    return code;
}

static uint32_t add_call(Lowering *l, Code *target)
{
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->calls, code->call_count, target);
    return code->call_count - 1;
}

static void fail_at(Lowering *l, const Node *n, const char *what)
{
    if (l->status == ST_OK)
        l->status = status_fail(ST_UNSUPPORTED, STR_FMT ":%d: %s: %s", STR_ARG(n->range.file), n->range.line, node_kind_text(n->kind), what);
}

static void add_class(CodeSet *set, ClassDef *cls)
{
    for (uint32_t i = 0; i < set->class_count; i++)
        if (set->classes[i] == cls)
            return;
    ARENA_PUSH(set->arena, set->classes, set->class_count, cls);
}

static void add_interface_method(CodeSet *set, Str name)
{
    for (uint32_t i = 0; i < set->interface_method_count; i++)
        if (str_eq(set->interface_methods[i], name))
            return;
    ARENA_PUSH(set->arena, set->interface_methods, set->interface_method_count, name);
}

// A method of packed parameters is an operator (ops_quant_linear.c) that finds its name in the node.
static void lower_builtin_method(Lowering *l, const Node *n)
{
    CodeSite site = {.node = n, .op = op_find(STR("torch.classes::method")), .arg_count = n->input_count, .ret_count = n->output_count};
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->sites, code->site_count, site);
    uint32_t index = code->site_count - 1;
    emit_plain(l, INSN_OP, n)->aux = index;
}

static void lower_call_method(Lowering *l, const Node *n)
{
    const Type *t = n->inputs[0]->type;
    if (t->kind == TYPE_CLASS && t->cls && t->cls->kind == CLASS_BUILTIN && class_method(t->cls, n->name)) {
        lower_builtin_method(l, n);
        return;
    }
    if (t->kind == TYPE_CLASS && t->cls) {
        const Function *f = class_method(t->cls, n->name);
        if (!f || !f->graph) {
            fail_at(l, n, "the class has no such method");
            return;
        }
        uint32_t call = add_call(l, callee(l, f->graph, f));
        emit_plain(l, INSN_CALL, n)->aux = call;
    } else {
        add_interface_method(l->set, n->name);
        emit_plain(l, INSN_CALL_INTERFACE, n);
    }
}

// The first input names the function; it is a constant that the callee does not see.
static void lower_call_function(Lowering *l, const Node *n)
{
    if (!n->callee || !n->callee->graph) {
        fail_at(l, n, "the function is not known");
        return;
    }
    uint32_t call = add_call(l, callee(l, n->callee->graph, n->callee));
    uint32_t at = emit(l, INSN_CALL, n);
    for (uint32_t i = 1; i < n->input_count; i++)
        add_in(l, input(l, n, i));
    finish(l);
    give_dying(l, n);
    for (uint32_t i = 0; i < n->output_count; i++)
        add_out(l, define(l, n->outputs[i]));
    l->code->insns[at].aux = call;
}

static void lower_fork(Lowering *l, const Node *n)
{
    if (!n->subgraph) {
        fail_at(l, n, "it has no body");
        return;
    }
    uint32_t call = add_call(l, callee(l, n->subgraph, NULL));
    emit_plain(l, INSN_FORK, n)->aux = call;
}

// with statements: the object's class is known.
static void lower_special(Lowering *l, const Node *n)
{
    const Type *t = n->inputs[0]->type;
    const Function *f = t->kind == TYPE_CLASS && t->cls ? class_method(t->cls, n->kind == NODE_ENTER ? STR("__enter__") : STR("__exit__")) : NULL;
    if (!f || !f->graph) {
        fail_at(l, n, "the class cannot be used in a with statement");
        return;
    }
    // What is entered must be left when something raises, also where the graph ends inside of the statement.
    const Function *leave = class_method(t->cls, STR("__exit__"));
    if (leave && leave->graph)
        callee(l, leave->graph, leave);
    uint32_t call = add_call(l, callee(l, f->graph, f));
    emit_plain(l, INSN_CALL_SPECIAL, n)->aux = call;
}

// ---- attributes, operators

static void lower_attr(Lowering *l, const Node *n)
{
    const Type *t = n->inputs[0]->type;
    const ClassAttr *attr = t->kind == TYPE_CLASS && t->cls ? class_attr(t->cls, n->name) : NULL;
    if (!attr) {
        fail_at(l, n, "the class has no such attribute");
        return;
    }
    uint32_t slot = (uint32_t)(attr - t->cls->attrs);
    emit_plain(l, n->kind == NODE_GET_ATTR ? INSN_GET_ATTR : INSN_SET_ATTR, n)->aux = slot;
}

static void lower_op(Lowering *l, const Node *n)
{
    if (str_is(n->schema->symbol, "aten::wait")) {
        emit_plain(l, INSN_WAIT, n);
        return;
    }
    if (str_is(n->schema->full_name, "aten::sort.any") || str_is(n->schema->full_name, "aten::sorted.any"))
        add_interface_method(l->set, STR("__lt__")); // objects are compared by it
    CodeSite site = {.node = n, .op = op_find(n->schema->full_name), .arg_count = n->input_count, .ret_count = n->output_count};
    for (uint32_t i = 0; i < n->input_count && i < 32; i++) {
        bool once = node_life(&l->live, n)->dies[i];
        for (uint32_t k = 0; k < i && once; k++)
            once = n->inputs[k] != n->inputs[i];
        if (once)
            site.last_use |= 1u << i;
    }
    Code *code = l->code;
    ARENA_PUSH(l->arena, code->sites, code->site_count, site);
    uint32_t index = code->site_count - 1;
    emit_plain(l, INSN_OP, n)->aux = index;
}

// ---- control flow

static void lower_block(Lowering *l, const Block *b);

static void lower_branch(Lowering *l, const Node *n, int k, const Operand *outs)
{
    const NodeLife *life = node_life(&l->live, n);
    emit_release(l, life->release[k], life->release_count[k]);
    lower_block(l, n->blocks[k]);
    const Node *ret = n->blocks[k]->ret;
    Operand *from = ARENA_ARRAY(&l->scratch, Operand, ret->input_count + 1), *to = ARENA_ARRAY(&l->scratch, Operand, ret->input_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < ret->input_count; i++)
        if (outs[i] != OPERAND_NONE) {
            from[count] = input(l, ret, i);
            to[count++] = outs[i];
        }
    emit_moves(l, from, to, count);
    give_dying(l, ret);
}

static void lower_if(Lowering *l, const Node *n)
{
    uint32_t branch = emit(l, INSN_JUMP_FALSE, n);
    add_inputs(l, n);
    give_dying(l, n);
    Operand *outs = ARENA_ARRAY(&l->scratch, Operand, n->output_count + 1);
    for (uint32_t i = 0; i < n->output_count; i++)
        outs[i] = define(l, n->outputs[i]);
    uint8_t *busy = arena_copy(&l->scratch, l->busy, l->busy_capacity);
    uint32_t capacity = l->busy_capacity;
    lower_branch(l, n, 0, outs);
    uint32_t jump = emit(l, INSN_JUMP, n);
    l->code->insns[branch].aux = l->code->insn_count;
    // The second branch starts from the same registers; both end with the same ones.
    memset(l->busy, 0, l->busy_capacity);
    memcpy(l->busy, busy, capacity);
    lower_branch(l, n, 1, outs);
    l->code->insns[jump].aux = l->code->insn_count;
}

static bool constant_true(const Value *v)
{
    bool b;
    return value_constant_bool(v, &b) && b;
}

static const Datum zero = {.kind = DATUM_INT};

static void lower_loop(Lowering *l, const Node *n)
{
    const Node *ret = n->blocks[0]->ret, *param = n->blocks[0]->param;
    uint32_t carried = n->output_count;
    bool endless = constant_true(n->inputs[1]) && constant_true(ret->inputs[0]); // but for the trip count
    bool trip_constant = value_in_bank(n->inputs[0]);
    Operand *from = ARENA_ARRAY(&l->scratch, Operand, carried + 3), *to = ARENA_ARRAY(&l->scratch, Operand, carried + 3);
    Operand trip = input(l, n, 0), condition = input(l, n, 1);
    uint32_t count = 0;
    from[count++] = add_constant(l, (CodeConstant){.datum = &zero});
    if (!trip_constant)
        from[count++] = trip;
    if (!endless)
        from[count++] = condition;
    for (uint32_t i = 0; i < carried; i++)
        from[count++] = input(l, n, i + 2);
    give_dying(l, n);
    count = 0;
    Operand counter = to[count++] = take_register(l);
    if (!trip_constant)
        trip = to[count++] = take_register(l);
    if (!endless)
        condition = to[count++] = take_register(l);
    Operand *places = &to[count];
    for (uint32_t i = 0; i < carried; i++)
        to[count++] = take_register(l);
    emit_moves(l, from, to, count);

    uint32_t head = emit(l, INSN_LOOP, n);
    add_in(l, counter);
    add_in(l, trip);
    add_in(l, condition);
    finish(l);
    uint8_t *busy = arena_copy(&l->scratch, l->busy, l->busy_capacity);
    uint32_t capacity = l->busy_capacity;
    add_out(l, define(l, param->outputs[0]));
    Value **unused = NULL;
    uint32_t unused_count = 0;
    for (uint32_t i = 0; i < carried; i++) {
        l->place[value_number(param->outputs[i + 1])] = places[i];
        if (!is_used(l, param->outputs[i + 1]))
            ARENA_PUSH(&l->scratch, unused, unused_count, param->outputs[i + 1]);
    }
    emit_release(l, unused, unused_count);
    lower_block(l, n->blocks[0]);
    count = 0;
    if (!endless) {
        from[count] = input(l, ret, 0);
        to[count++] = condition;
    }
    for (uint32_t i = 0; i < carried; i++) {
        from[count] = input(l, ret, i + 1);
        to[count++] = places[i];
    }
    // `to` and `places` overlap: the places move down by at most two, in order.
    emit_moves(l, from, to, count);
    uint32_t back = emit(l, INSN_JUMP, n);
    l->code->insns[back].aux = head;
    l->code->insns[head].aux = l->code->insn_count;
    memset(l->busy, 0, l->busy_capacity);
    memcpy(l->busy, busy, capacity);

    give_register(l, counter);
    if (!trip_constant)
        give_register(l, trip);
    if (!endless)
        give_register(l, condition);
    unused = NULL;
    unused_count = 0;
    for (uint32_t i = 0; i < carried; i++) {
        l->place[value_number(n->outputs[i])] = l->place[value_number(param->outputs[i + 1])];
        if (!is_used(l, n->outputs[i]))
            ARENA_PUSH(&l->scratch, unused, unused_count, n->outputs[i]);
    }
    emit_release(l, unused, unused_count);
    const NodeLife *life = node_life(&l->live, n);
    emit_release(l, life->release[0], life->release_count[0]);
}

// Kinds that are one instruction with the node's inputs and outputs.
static const uint16_t plain_kinds[NODE_KIND_COUNT] = {
    [NODE_TUPLE_CONSTRUCT] = INSN_TUPLE_CONSTRUCT, [NODE_TUPLE_UNPACK] = INSN_TUPLE_UNPACK,
    [NODE_TUPLE_INDEX] = INSN_TUPLE_INDEX,         [NODE_TUPLE_SLICE] = INSN_TUPLE_SLICE,
    [NODE_LIST_CONSTRUCT] = INSN_LIST_CONSTRUCT,   [NODE_LIST_UNPACK] = INSN_LIST_UNPACK,
    [NODE_DICT_CONSTRUCT] = INSN_DICT_CONSTRUCT,   [NODE_CREATE_OBJECT] = INSN_CREATE_OBJECT,
    [NODE_ISINSTANCE] = INSN_ISINSTANCE,           [NODE_UNCHECKED_CAST] = INSN_MOVES,
    [NODE_RAISE] = INSN_RAISE,                     [NODE_PRINT] = INSN_PRINT,
    [NODE_TOLIST] = INSN_TOLIST,                   [NODE_ENUM_NAME] = INSN_ENUM_NAME,
    [NODE_ENUM_VALUE] = INSN_ENUM_VALUE,           [NODE_MODULE_CONTAINER_INDEX] = INSN_MODULE_INDEX,
};

static void lower_node(Lowering *l, Node *n)
{
    switch (n->kind) {
    case NODE_CONSTANT:
        l->place[value_number(n->outputs[0])] = add_constant(l, (CodeConstant){.datum = n->constant ? n->constant : &datum_none, .type = n->outputs[0]->type});
        break;
    case NODE_UNINITIALIZED:
        l->place[value_number(n->outputs[0])] = add_constant(l, (CodeConstant){.datum = &datum_none, .uninitialized = true});
        break;
    case NODE_OP: lower_op(l, n); break;
    case NODE_IF: lower_if(l, n); break;
    case NODE_LOOP: lower_loop(l, n); break;
    case NODE_GET_ATTR:
    case NODE_SET_ATTR: lower_attr(l, n); break;
    case NODE_CALL_METHOD: lower_call_method(l, n); break;
    case NODE_CALL_FUNCTION: lower_call_function(l, n); break;
    case NODE_FORK:
    case NODE_AWAITABLE: lower_fork(l, n); break;
    case NODE_ENTER:
    case NODE_EXIT: lower_special(l, n); break;
    default:
        if (!plain_kinds[n->kind]) {
            fail_at(l, n, "cannot be executed");
            break;
        }
        if (n->kind == NODE_CREATE_OBJECT && n->outputs[0]->type->cls)
            add_class(l->set, n->outputs[0]->type->cls);
        emit_plain(l, (InsnKind)plain_kinds[n->kind], n);
    }
}

static void lower_block(Lowering *l, const Block *b)
{
    for (Node *n = block_first(b); n != b->ret && l->status == ST_OK; n = n->next)
        lower_node(l, n);
}

static void lower_top(Lowering *l)
{
    Code *code = l->code;
    l->live.arena = &l->scratch;
    liveness_compute(&l->live, code->graph);
    l->place = ARENA_ARRAY(&l->scratch, Operand, l->live.value_count + 1);
    const Block *top = code->graph->top;
    Value **unused = NULL;
    uint32_t unused_count = 0;
    code->input_count = top->param->output_count;
    code->output_count = top->ret->input_count;
    for (uint32_t i = 0; i < code->input_count; i++) {
        Value *v = top->param->outputs[i];
        l->place[value_number(v)] = take_register(l);
        if (!is_used(l, v))
            ARENA_PUSH(&l->scratch, unused, unused_count, v);
    }
    emit_release(l, unused, unused_count);
    lower_block(l, top);
    if (l->status == ST_OK) {
        emit(l, INSN_RETURN, top->ret);
        add_inputs(l, top->ret);
    }
}

static Status lower_guarded(Lowering *l)
{
    jmp_buf guard;
    if (setjmp(guard))
        return ST_MEMORY;
    l->scratch.guard = l->arena->guard = &guard;
    lower_top(l);
    return l->status;
}

static Status lower_graph(CodeSet *set, Code *code)
{
    Lowering l = {.set = set, .code = code, .arena = set->arena};
    jmp_buf *outer = set->arena->guard;
    Status status = lower_guarded(&l);
    set->arena->guard = outer;
    l.scratch.guard = NULL;
    arena_free(&l.scratch);
    return status;
}

// ---- sets

static Str function_key(const Function *const *f) { return (Str){(const char *)f, sizeof *f}; }

Code *code_set_find(const CodeSet *set, const Function *f) { return strmap_get(&set->by_function, function_key(&f)); }

Status code_set_add(CodeSet *set, const Graph *graph, const Function *function, Code **out)
{
    Code *code = function ? code_set_find(set, function) : NULL;
    if (!code) {
        code = ARENA_NEW(set->arena, Code);
        code->graph = graph;
        code->function = function;
        code->index = set->count;
        ARENA_PUSH(set->arena, set->codes, set->count, code);
        if (function)
            strmap_put(&set->by_function, set->arena, function_key(arena_copy(set->arena, &function, sizeof function)), code);
    }
    *out = code;
    return ST_OK;
}

// Classes of all objects in the module.
static void collect_classes(CodeSet *set, const Datum *d, int depth)
{
    if (depth > 200)
        return;
    if (d->kind == DATUM_OBJECT) {
        if (d->cls)
            add_class(set, d->cls);
        if (d->state)
            collect_classes(set, d->state, depth + 1);
    } else if (d->kind == DATUM_TUPLE || d->kind == DATUM_LIST || d->kind == DATUM_DICT) {
        uint32_t count = d->kind == DATUM_DICT ? 2 * d->count : d->count;
        for (uint32_t i = 0; i < count; i++)
            collect_classes(set, d->items[i], depth + 1);
    }
}

// Every class that an interface call may meet brings its method.
static void add_interface_targets(CodeSet *set)
{
    if (!set->interface_method_count)
        return;
    if (set->root) {
        collect_classes(set, set->root, 0);
        set->root = NULL;
    }
    for (uint32_t c = 0; c < set->class_count; c++)
        for (uint32_t m = 0; m < set->interface_method_count; m++) {
            const Function *f = class_method(set->classes[c], set->interface_methods[m]);
            Code *code;
            if (f && f->graph)
                code_set_add(set, f->graph, f, &code);
        }
}

Status code_set_lower(CodeSet *set)
{
    for (uint32_t done = 0; done < set->count;) {
        TRY(lower_graph(set, set->codes[done]));
        if (++done == set->count)
            add_interface_targets(set);
    }
    return ST_OK;
}

bool counts_as_number(const Datum *d, Datum *const *constants, uint32_t count)
{
    if (d->kind != DATUM_TENSOR || d->tensor->ndim != 0)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (constants[i] == d || (constants[i]->kind == DATUM_TENSOR && constants[i]->tensor == d->tensor))
            return true;
    return false;
}

// ---- printing

static const char *const insn_names[INSN_COUNT] = {
#define X(name, text) [INSN_##name] = #name,
    INSN_LIST(X)
#undef X
};

static void print_operands(Buf *out, const Operand *o, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if ((o[i] & OPERAND_INDEX) == OPERAND_NONE)
            buf_z(out, " -");
        else
            buf_printf(out, " %c%u%s", o[i] & OPERAND_CONSTANT ? 'c' : 'r', o[i] & OPERAND_INDEX, o[i] & OPERAND_DIES ? "!" : "");
}

static Str site_name(const Node *n) { return n->schema ? n->schema->full_name : n->name; }

void code_print_linear(Buf *out, const Code *code)
{
    for (uint32_t i = 0; i < code->insn_count; i++) {
        const Insn *insn = &code->insns[i];
        buf_printf(out, "%u: %s", i, insn_names[insn->kind]);
        if (insn->kind == INSN_OP)
            buf_printf(out, " " STR_FMT, STR_ARG(site_name(code->sites[insn->aux].node)));
        else if (insn->kind == INSN_JUMP || insn->kind == INSN_JUMP_FALSE || insn->kind == INSN_LOOP)
            buf_printf(out, " ->%u", insn->aux);
        print_operands(out, code->operands + insn->at, insn->n_in);
        if (insn->n_out) {
            buf_z(out, " =>");
            print_operands(out, code->operands + insn->at + insn->n_in, insn->n_out);
        }
        buf_char(out, '\n');
    }
}
