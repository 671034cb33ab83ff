// The interpreter: one dispatch loop over linear code. The semantics of each instruction stand beside its opcode.
// Registers own their values; arguments of operators are borrowed from them.
#include "worker/interp.h"

#include "io/base/buf.h"

#include <stdlib.h>
#include <time.h>

enum {
    CALL_LIMIT = 1000,
    STACK_CHUNK = 4096,  // values
    TRACE_LIMIT = 64,    // frames remembered of a failing call
};

typedef struct StackChunk {
    struct StackChunk *next;
    size_t size, used;
    IValue slots[];
} StackChunk;

typedef struct Entered { IValue object; const Code *exit; } Entered; // of a with statement

typedef struct Undo { Object *object; uint32_t slot; IValue old; } Undo;

// What a lane has of its own for one piece of code.
typedef struct CodeState { IValue *constants; Site *sites; } CodeState;

struct Machine {
    const CodeSet *set;
    Lane *lane;
    CodeState *states;   // by Code.index
    StackChunk *stack;   // the first chunk
    StackChunk *top;
    Entered *entered;
    uint32_t entered_count, entered_capacity;
    Undo *undo;
    size_t undo_count, undo_capacity;
    TraceFrame trace[TRACE_LIMIT];
    uint32_t trace_count;
    bool profile;
};

typedef struct Activation {
    const Code *code;
    IValue *registers;
    IValue *scratch;
    const IValue *constants;
    Site *sites;
} Activation;

// ---- making a machine

static Status state_init(Machine *m, const Code *code, ValueMemo **memo, CodeState *s)
{
    s->constants = calloc(code->constant_count + 1, sizeof *s->constants);
    s->sites = calloc(code->site_count + 1, sizeof *s->sites);
    if (!s->constants || !s->sites)
        return status_no_memory(code->constant_count * sizeof *s->constants + code->site_count * sizeof *s->sites);
    for (uint32_t i = 0; i < code->constant_count; i++) {
        const CodeConstant *c = &code->constants[i];
        if (c->uninitialized) {
            s->constants[i] = (IValue){.tag = TAG_UNINITIALIZED};
            continue;
        }
        TRY(value_from_datum(m->lane, memo, c->datum, c->type, &s->constants[i]));
        if (counts_as_number(c->datum, m->set->constants, m->set->constant_count))
            s->constants[i].as.tensor->wrapped_number = true;
    }
    for (uint32_t i = 0; i < code->site_count; i++) {
        const CodeSite *c = &code->sites[i];
        if (c->arg_count > UINT8_MAX || c->ret_count > UINT8_MAX)
            return status_fail(ST_UNSUPPORTED, STR_FMT ": too many arguments (limit %d)", STR_ARG(c->node->schema->full_name), UINT8_MAX);
        s->sites[i] = (Site){.op = c->op, .node = c->node, .last_use = c->last_use, .arg_count = (uint8_t)c->arg_count, .ret_count = (uint8_t)c->ret_count};
    }
    return ST_OK;
}

Status machine_new(const CodeSet *set, Lane *lane, ValueMemo **memo, Machine **out)
{
    Machine *m = calloc(1, sizeof *m);
    if (!m)
        return status_no_memory(sizeof *m);
    m->set = set;
    m->lane = lane;
    m->states = calloc(set->count + 1, sizeof *m->states);
    Status status = m->states ? ST_OK : status_no_memory(set->count * sizeof *m->states);
    for (uint32_t i = 0; i < set->count && status == ST_OK; i++)
        status = state_init(m, set->codes[i], memo, &m->states[i]);
    if (status != ST_OK) {
        machine_free(m);
        return status;
    }
    *out = m;
    return ST_OK;
}

void machine_free(Machine *m)
{
    if (!m)
        return;
    machine_keep_attributes(m);
    for (uint32_t i = 0; m->states && i < m->set->count; i++) {
        CodeState *s = &m->states[i];
        for (uint32_t k = 0; s->sites && k < m->set->codes[i]->site_count; k++)
            site_clear(&s->sites[k]);
        for (uint32_t k = 0; s->constants && k < m->set->codes[i]->constant_count; k++)
            value_release(s->constants[k]);
        free(s->constants);
        free(s->sites);
    }
    while (m->stack) {
        StackChunk *next = m->stack->next;
        free(m->stack);
        m->stack = next;
    }
    free(m->states);
    free(m->undo);
    free(m->entered);
    free(m);
}

void machine_profile(Machine *m, bool on) { m->profile = on; }

void machine_visit_sites(const Machine *m, SiteVisitor visit, void *ctx)
{
    for (uint32_t i = 0; i < m->set->count; i++)
        for (uint32_t k = 0; k < m->set->codes[i]->site_count; k++)
            visit(ctx, &m->states[i].sites[k]);
}

// ---- frames

static Status frame_push(Machine *m, const Code *code, Activation *f)
{
    size_t need = (size_t)code->register_count + code->scratch_count;
    StackChunk *c = m->top;
    while (c && c->size - c->used < need && c->next)
        c = c->next; // chunks above the top are empty
    if (!c || c->size - c->used < need) {
        size_t size = need > STACK_CHUNK ? need : STACK_CHUNK;
        StackChunk *fresh = calloc(1, sizeof *fresh + size * sizeof(IValue));
        if (!fresh)
            return status_no_memory(size * sizeof(IValue));
        fresh->size = size;
        if (c)
            c->next = fresh;
        else
            m->stack = fresh;
        c = fresh;
    }
    m->top = c;
    f->code = code;
    f->registers = c->slots + c->used;
    f->scratch = f->registers + code->register_count;
    f->constants = m->states[code->index].constants;
    f->sites = m->states[code->index].sites;
    for (uint32_t i = 0; i < code->register_count; i++)
        f->registers[i].tag = TAG_NONE;
    c->used += need;
    return ST_OK;
}

static void frame_pop(Machine *m, const Activation *f, StackChunk *top)
{
    m->top->used -= (size_t)f->code->register_count + f->code->scratch_count;
    m->top = top ? top : m->stack;
}

static void frame_release_registers(const Activation *f)
{
    for (uint32_t i = 0; i < f->code->register_count; i++) {
        IValue v = f->registers[i];
        f->registers[i].tag = TAG_NONE;
        value_release(v);
    }
}

// ---- operands
//
// Values are copied field by field: a 16-byte copy of what was just written as a tag and a payload has to wait for both
// stores to reach the cache, which costs more than most scalar operators.

static inline void value_copy(IValue *to, const IValue *from)
{
    to->tag = from->tag;
    to->as.i = from->as.i;
}

static inline const IValue *operand_at(const Activation *f, Operand o)
{
    return o & OPERAND_CONSTANT ? &f->constants[o & OPERAND_INDEX] : &f->registers[o & OPERAND_INDEX];
}

static inline IValue operand_borrow(const Activation *f, Operand o) { return *operand_at(f, o); }

// *to becomes the value with a reference of its own: moved out when it dies here.
static inline void operand_take(const Activation *f, Operand o, IValue *to)
{
    const IValue *from = operand_at(f, o);
    value_copy(to, from);
    if (o & OPERAND_DIES)
        f->registers[o & OPERAND_INDEX].tag = TAG_NONE;
    else if (to->tag >= TAG_FIRST_COUNTED)
        to->as.obj->refs++;
}

static inline void operand_kill(const Activation *f, Operand o)
{
    if (o & OPERAND_DIES) {
        IValue *r = &f->registers[o & OPERAND_INDEX];
        uint8_t tag = r->tag;
        r->tag = TAG_NONE;
        if (tag >= TAG_FIRST_COUNTED && --r->as.obj->refs == 0)
            value_free((IValue){.tag = tag, .as.obj = r->as.obj});
    }
}

static inline void operand_store(const Activation *f, Operand o, const IValue *v)
{
    if ((o & OPERAND_INDEX) == OPERAND_NONE)
        value_release(*v);
    else
        value_copy(&f->registers[o & OPERAND_INDEX], v);
}

// For results that are no array element.
static inline void operand_give(const Activation *f, Operand o, IValue v) { operand_store(f, o, &v); }

// ---- operators

// An argument in a private layout, for an operator that does not know those. Generic arguments (`t`) pass as they are.
static Status plain_argument(Lane *lane, const Site *site, uint32_t i, IValue v)
{
    const Schema *s = site->node->schema;
    if (i < s->arg_count) {
        const Type *t = s->args[i].type;
        if (t->kind == TYPE_OPTIONAL)
            t = t->elem[0];
        if (t->kind == TYPE_VAR)
            return ST_OK;
    }
    return tensor_make_plain(lane, v.as.tensor);
}

// Lists of tensors are looked into when the schema says that the operator does.
static Status plain_list(Lane *lane, const Site *site, uint32_t i, const ListObj *l)
{
    const Schema *s = site->node->schema;
    if (i < s->arg_count) {
        const Type *t = s->args[i].type;
        if (t->kind == TYPE_OPTIONAL)
            t = t->elem[0];
        if (t->kind == TYPE_LIST && t->elem[0]->kind == TYPE_VAR)
            return ST_OK;
    }
    for (uint32_t k = 0; k < l->len && l->items[k].tag == TAG_TENSOR; k++)
        TRY(tensor_make_plain(lane, l->items[k].as.tensor));
    return ST_OK;
}

// Reorders what the operator cannot read. Rare: only after a convolution and its like.
static Status plain_arguments(Lane *lane, const Site *site, const IValue *args, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (args[i].tag == TAG_TENSOR && args[i].as.tensor->view.layout != LAYOUT_STRIDED)
            TRY(plain_argument(lane, site, i, args[i]));
        else if (args[i].tag == TAG_LIST && args[i].as.list->len && args[i].as.list->items[0].tag == TAG_TENSOR)
            TRY(plain_list(lane, site, i, args[i].as.list));
    }
    return ST_OK;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static Status run_profiled(Lane *lane, Site *site, OpFn fn, const IValue *args, IValue *rets)
{
    lane->kernel = NULL;
    lane->flops = 0;
    uint64_t start = now_ns();
    Status status = fn(lane, site, args, rets);
    site->profile.flops += lane->flops;
    if (lane->kernel)
        site->profile.kernel = lane->kernel;
    site->profile.nanoseconds += now_ns() - start;
    site->profile.calls++;
    return status;
}

static Status run_op(Machine *m, const Activation *f, const Insn *insn, const Operand *o)
{
    Site *site = &f->sites[insn->aux];
    IValue *args = f->scratch, *rets = f->scratch + insn->n_in;
    uint32_t n = insn->n_in;
    bool look = false; // into an argument
    for (uint32_t i = 0; i < n; i++) {
        const IValue *v = operand_at(f, o[i]);
        value_copy(&args[i], v);
        if (v->tag >= TAG_FIRST_COUNTED)
            look = look || v->tag == TAG_LIST || (v->tag == TAG_TENSOR && ((v->as.tensor->view.layout | v->as.tensor->bits) != 0 || v->as.tensor->quant));
    }
    if (!site->op)
        return status_fail(ST_UNSUPPORTED, "operator " STR_FMT " is not implemented", STR_ARG(site->node->schema->full_name));
    OpFn fn = site->op->fn;
    if (look) {
        if (!(site->op->flags & OP_PRIVATE_LAYOUT))
            TRY(plain_arguments(m->lane, site, args, n));
        TRY(op_choose(site, args, n, &fn));
    }
    if ((site->op->flags & OP_WRITES_ARG0) && args[0].tag == TAG_TENSOR)
        TRY(tensor_make_writable(args[0].as.tensor));
    m->lane->args = args;
    Status status = m->profile ? run_profiled(m->lane, site, fn, args, rets) : fn(m->lane, site, args, rets);
    m->lane->args = NULL;
    if (status != ST_OK)
        return status;
    for (uint32_t i = 0; i < n; i++)
        operand_kill(f, o[i]);
    o += n;
    for (uint32_t i = 0; i < insn->n_out; i++)
        operand_store(f, o[i], &rets[i]);
    return ST_OK;
}

// ---- moves and attributes

static void run_moves(const Activation *f, const Insn *insn, const Operand *o)
{
    uint32_t n = insn->n_in;
    if (n == 1) {
        IValue v;
        operand_take(f, o[0], &v);
        operand_store(f, o[1], &v);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        operand_take(f, o[i], &f->scratch[i]);
    for (uint32_t i = 0; i < n; i++)
        operand_store(f, o[n + i], &f->scratch[i]);
}

static Status run_set_attr(Machine *m, const Activation *f, const Insn *insn, const Operand *o)
{
    Object *object = operand_borrow(f, o[0]).as.object;
    IValue *slot = &object->slots[insn->aux];
    if (object->persistent) {
        if (m->undo_count == m->undo_capacity) {
            size_t capacity = m->undo_capacity ? m->undo_capacity * 2 : 16;
            Undo *undo = realloc(m->undo, capacity * sizeof *undo);
            if (!undo)
                return status_no_memory(capacity * sizeof *undo);
            m->undo = undo;
            m->undo_capacity = capacity;
        }
        object->head.refs++;
        m->undo[m->undo_count++] = (Undo){object, insn->aux, *slot};
        operand_take(f, o[1], slot);
    } else {
        IValue old = *slot;
        operand_take(f, o[1], slot);
        value_release(old);
    }
    operand_kill(f, o[0]);
    return ST_OK;
}

void machine_undo_attributes(Machine *m)
{
    while (m->undo_count) {
        Undo u = m->undo[--m->undo_count];
        value_release(u.object->slots[u.slot]);
        u.object->slots[u.slot] = u.old;
        value_release(value_object_take(u.object));
    }
}

void machine_keep_attributes(Machine *m)
{
    while (m->undo_count) {
        Undo u = m->undo[--m->undo_count];
        value_release(u.old);
        value_release(value_object_take(u.object));
    }
}

// ---- containers

static Status run_tuple_construct(const Activation *f, const Insn *insn, const Operand *o, const Node *n)
{
    TupleObj *t = tuple_new(insn->n_in, n->outputs[0]->type);
    if (!t)
        return ST_MEMORY;
    for (uint32_t i = 0; i < insn->n_in; i++)
        operand_take(f, o[i], &t->items[i]);
    operand_give(f, o[insn->n_in], value_tuple_take(t));
    return ST_OK;
}

static Status run_list_construct(const Activation *f, const Insn *insn, const Operand *o, const Node *n)
{
    const Type *type = n->outputs[0]->type;
    ListObj *l = list_new(type->kind == TYPE_LIST ? type->elem[0] : NULL, insn->n_in);
    if (!l)
        return ST_MEMORY;
    for (uint32_t i = 0; i < insn->n_in; i++)
        operand_take(f, o[i], &l->items[i]);
    l->len = insn->n_in;
    operand_give(f, o[insn->n_in], value_list_take(l));
    return ST_OK;
}

static Status run_tuple_unpack(const Activation *f, const Insn *insn, const Operand *o)
{
    IValue v = operand_borrow(f, o[0]);
    if (v.tag != TAG_TUPLE || v.as.tuple->len != insn->n_out)
        return status_fail(ST_INTERNAL, "a tuple of %u items was expected", insn->n_out);
    operand_take(f, o[0], &v);
    TupleObj *t = v.as.tuple;
    bool last = value_unique(v);
    for (uint32_t i = 0; i < insn->n_out; i++) {
        IValue item = t->items[i];
        if (last)
            t->items[i].tag = TAG_NONE;
        else
            value_retain(item);
        operand_store(f, o[1 + i], &item);
    }
    value_release(v);
    return ST_OK;
}

// Instructions that read borrowed operands and give new results.
static Status run_data(Machine *m, const Activation *f, const Insn *insn, const Operand *o, const Node *n)
{
    IValue *in = f->scratch, *out = f->scratch + insn->n_in;
    for (uint32_t i = 0; i < insn->n_in; i++)
        in[i] = operand_borrow(f, o[i]);
    switch ((InsnKind)insn->kind) {
    case INSN_TUPLE_INDEX: TRY(data_tuple_index(in[0], in[1], out)); break;
    case INSN_TUPLE_SLICE: TRY(data_tuple_slice(n, in[0], out)); break;
    case INSN_LIST_UNPACK: TRY(data_list_unpack(in[0], insn->n_out, out)); break;
    case INSN_DICT_CONSTRUCT: TRY(data_dict_construct(n, in, insn->n_in, out)); break;
    case INSN_TOLIST: TRY(data_tolist(m->lane, n, in[0], in[1], in[2], out)); break;
    case INSN_MODULE_INDEX: TRY(data_module_index(in[0], in[1], out)); break;
    case INSN_ENUM_NAME: TRY(value_str(in[0].as.enumeration->name, out)); break;
    case INSN_ENUM_VALUE: *out = value_retain(in[0].as.enumeration->value); break;
    case INSN_ISINSTANCE:
        *out = value_bool(false);
        for (uint32_t i = 0; i < n->type_count && !out->as.b; i++)
            out->as.b = value_has_type(in[0], n->types[i]);
        break;
    default: return status_fail(ST_INTERNAL, "instruction %d is not one on data", insn->kind);
    }
    for (uint32_t i = 0; i < insn->n_in; i++)
        operand_kill(f, o[i]);
    for (uint32_t i = 0; i < insn->n_out; i++)
        operand_store(f, o[insn->n_in + i], &out[i]);
    return ST_OK;
}

// ---- effects

static Status run_raise(const Activation *f, const Insn *insn, const Operand *o)
{
    Buf text = {0};
    value_print(&text, operand_borrow(f, o[0]));
    IValue cls = insn->n_in > 1 ? operand_borrow(f, o[1]) : value_none();
    Status status = cls.tag == TAG_STR ? op_raise_class(cls.as.str->bytes, STR_FMT, STR_ARG(buf_view(&text)))
                                       : op_raise(STR_FMT, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return status;
}

static Status run_print(Machine *m, const Activation *f, const Insn *insn, const Operand *o)
{
    Buf text = {0};
    for (uint32_t i = 0; i < insn->n_in; i++) {
        if (i)
            buf_char(&text, ' ');
        IValue v = operand_borrow(f, o[i]);
        Status status = value_make_plain(m->lane, v);
        if (status != ST_OK) {
            buf_free(&text);
            return status;
        }
        value_print(&text, v);
    }
    buf_char(&text, '\n');
    Status status = buf_status(&text);
    if (status == ST_OK && m->lane->print_to)
        fwrite(text.ptr, 1, text.len, m->lane->print_to);
    buf_free(&text);
    for (uint32_t i = 0; i < insn->n_in; i++)
        operand_kill(f, o[i]);
    return status;
}

// ---- calls

static Status run(Machine *m, Activation *f, IValue *results);

// Runs code on args (borrowed) in a frame of its own.
static Status run_code(Machine *m, const Code *code, const IValue *args, uint32_t count, IValue *results)
{
    StackChunk *top = m->top;
    Activation f;
    TRY(frame_push(m, code, &f));
    for (uint32_t i = 0; i < count; i++)
        f.registers[i] = value_retain(args[i]);
    Status status = run(m, &f, results);
    frame_pop(m, &f, top);
    return status;
}

// Calls `target` on operands; its one result (None when it has none) goes to *result.
static Status call(Machine *m, const Activation *f, const Code *target, const Operand *o, uint32_t n, IValue *result)
{
    if (m->lane->depth >= CALL_LIMIT)
        return op_raise("maximum recursion depth exceeded (%d calls)", CALL_LIMIT);
    if (n != target->input_count || target->output_count > 1)
        return status_fail(ST_INTERNAL, "a call with %u arguments of a function that takes %u", n, target->input_count);
    StackChunk *top = m->top;
    Activation callee;
    TRY(frame_push(m, target, &callee));
    for (uint32_t i = 0; i < n; i++)
        operand_take(f, o[i], &callee.registers[i]);
    *result = value_none();
    m->lane->depth++;
    Status status = run(m, &callee, result);
    m->lane->depth--;
    frame_pop(m, &callee, top);
    return status;
}

// Objects of with statements that were entered and not left, beyond the first `count`: __exit__ of each runs, the last
// entered first, whatever it does; the message of the exception on its way stays.
static void leave_entered(Machine *m, uint32_t count)
{
    Buf message = {0};
    uint32_t trace_count = m->trace_count;
    buf_z(&message, status_message());
    while (m->entered_count > count) {
        Entered e = m->entered[--m->entered_count];
        IValue args[4] = {e.object, value_none(), value_none(), value_none()}, result = value_none();
        if (run_code(m, e.exit, args, e.exit->input_count < 4 ? e.exit->input_count : 4, &result) == ST_OK)
            value_release(result);
        value_release(e.object);
        m->trace_count = trace_count;
    }
    status_fail(ST_RAISED, STR_FMT, STR_ARG(buf_view(&message)));
    buf_free(&message);
}

// The body of a fork runs here and now; what it raises is kept for who waits.
static Status run_fork(Machine *m, const Activation *f, const Insn *insn, const Operand *o, IValue *result)
{
    uint32_t entered = m->entered_count, trace = m->trace_count;
    Status status = call(m, f, f->code->calls[insn->aux], o, insn->n_in, result);
    if (status == ST_OK)
        return value_future_take(*result, result);
    if (status != ST_RAISED)
        return status;
    if (m->entered_count > entered)
        leave_entered(m, entered);
    IValue message;
    TRY(value_str(str_of(status_message()), &message));
    TRY(value_future_take(message, result));
    result->as.future->failed = true;
    m->trace_count = trace;
    status_clear();
    return ST_OK;
}

static Status run_call(Machine *m, const Activation *f, const Insn *insn, const Operand *o)
{
    IValue result;
    if (insn->kind == INSN_FORK)
        TRY(run_fork(m, f, insn, o, &result));
    else
        TRY(call(m, f, f->code->calls[insn->aux], o, insn->n_in, &result));
    if (insn->n_out)
        operand_store(f, o[insn->n_in], &result);
    else
        value_release(result);
    return ST_OK;
}

static Status run_call_interface(Machine *m, const Activation *f, const Insn *insn, const Operand *o, const Node *n)
{
    IValue self = operand_borrow(f, o[0]);
    const Function *method = self.tag == TAG_OBJECT ? class_method(self.as.object->cls, n->name) : NULL;
    const Code *target = method ? code_set_find(m->set, method) : NULL;
    if (!target)
        return status_fail(ST_INTERNAL, "no code for method " STR_FMT " of an interface", STR_ARG(n->name));
    IValue result;
    TRY(call(m, f, target, o, insn->n_in, &result));
    operand_store(f, o[insn->n_in], &result);
    return ST_OK;
}

static Status push_entered(Machine *m, IValue object, const Node *n)
{
    const Type *t = n->inputs[0]->type;
    const Function *f = t->kind == TYPE_CLASS && t->cls ? class_method(t->cls, STR("__exit__")) : NULL;
    const Code *leave = f ? code_set_find(m->set, f) : NULL;
    if (!leave)
        return status_fail(ST_INTERNAL, "no code for __exit__");
    if (m->entered_count == m->entered_capacity) {
        uint32_t capacity = m->entered_capacity ? 2 * m->entered_capacity : 8;
        Entered *entered = realloc(m->entered, capacity * sizeof *entered);
        if (!entered)
            return status_no_memory(capacity * sizeof *entered);
        m->entered = entered;
        m->entered_capacity = capacity;
    }
    m->entered[m->entered_count++] = (Entered){value_retain(object), leave};
    return ST_OK;
}

// __enter__ takes the object; __exit__ gets three Nones besides.
static Status run_call_special(Machine *m, const Activation *f, const Insn *insn, const Operand *o, const Node *n)
{
    const Code *target = f->code->calls[insn->aux];
    IValue object = value_retain(operand_borrow(f, o[0]));
    bool enter = n->kind == NODE_ENTER;
    if (!enter && m->entered_count) // before it runs: an exception in __exit__ does not call it again
        value_release(m->entered[--m->entered_count].object);
    StackChunk *top = m->top;
    Activation callee;
    Status status = m->lane->depth >= CALL_LIMIT || target->input_count < 1 || target->output_count > 1
                        ? op_raise("maximum recursion depth exceeded (%d calls)", CALL_LIMIT)
                        : frame_push(m, target, &callee);
    IValue result = value_none();
    if (status == ST_OK) {
        operand_take(f, o[0], &callee.registers[0]);
        m->lane->depth++;
        status = run(m, &callee, &result);
        m->lane->depth--;
        frame_pop(m, &callee, top);
    }
    if (status == ST_OK && enter)
        status = push_entered(m, object, n);
    value_release(object);
    TRY(status);
    if (insn->n_out)
        operand_store(f, o[insn->n_in], &result);
    else
        value_release(result);
    return ST_OK;
}

// ---- the loop

static Status fail(Machine *m, const Activation *f, uint32_t pc, Status status)
{
    if (m->trace_count < TRACE_LIMIT)
        m->trace[m->trace_count++] = (TraceFrame){f->code, f->code->nodes[pc]};
    frame_release_registers(f);
    return status;
}

// Runs a frame whose arguments are in place. On failure its registers are released.
static Status run(Machine *m, Activation *f, IValue *results)
{
    const Code *code = f->code;
    const Insn *insns = code->insns;
    const Operand *operands = code->operands;
    uint32_t pc = 0;
    for (;;) {
        const Insn *insn = &insns[pc];
        const Operand *o = operands + insn->at;
        const Node *n = code->nodes[pc];
        Status status = ST_OK;
        pc++;
        switch ((InsnKind)insn->kind) {
        case INSN_OP: status = run_op(m, f, insn, o); break;
        case INSN_MOVES: run_moves(f, insn, o); break;
        case INSN_RELEASE:
            for (uint32_t i = 0; i < insn->n_out; i++)
                operand_kill(f, o[i] | OPERAND_DIES);
            break;
        case INSN_JUMP: pc = insn->aux; break;
        case INSN_JUMP_FALSE:
            if (!operand_at(f, o[0])->as.b)
                pc = insn->aux;
            break;
        case INSN_LOOP: {
            IValue *counter = &f->registers[o[0]];
            if (counter->as.i < operand_at(f, o[1])->as.i && operand_at(f, o[2])->as.b) {
                operand_store(f, o[3], counter);
                counter->as.i++;
            } else {
                pc = insn->aux;
            }
            break;
        }
        case INSN_RETURN:
            for (uint32_t i = 0; i < insn->n_in; i++)
                operand_take(f, o[i], &results[i]);
            return ST_OK;
        case INSN_GET_ATTR: {
            IValue v = value_retain(operand_borrow(f, o[0]).as.object->slots[insn->aux]);
            operand_kill(f, o[0]);
            operand_store(f, o[1], &v);
            break;
        }
        case INSN_SET_ATTR: status = run_set_attr(m, f, insn, o); break;
        case INSN_TUPLE_CONSTRUCT: status = run_tuple_construct(f, insn, o, n); break;
        case INSN_TUPLE_UNPACK: status = run_tuple_unpack(f, insn, o); break;
        case INSN_LIST_CONSTRUCT: status = run_list_construct(f, insn, o, n); break;
        case INSN_TUPLE_INDEX:
        case INSN_TUPLE_SLICE:
        case INSN_LIST_UNPACK:
        case INSN_DICT_CONSTRUCT:
        case INSN_ISINSTANCE:
        case INSN_TOLIST:
        case INSN_ENUM_NAME:
        case INSN_ENUM_VALUE:
        case INSN_MODULE_INDEX: status = run_data(m, f, insn, o, n); break;
        case INSN_CREATE_OBJECT: {
            Object *object = object_new(n->outputs[0]->type->cls);
            if (object) {
                object_list(object, &m->lane->objects);
                operand_give(f, o[0], value_object_take(object));
            } else
                status = ST_MEMORY;
            break;
        }
        case INSN_RAISE: status = run_raise(f, insn, o); break;
        case INSN_PRINT: status = run_print(m, f, insn, o); break;
        case INSN_CALL:
        case INSN_FORK: status = run_call(m, f, insn, o); break;
        case INSN_CALL_INTERFACE: status = run_call_interface(m, f, insn, o, n); break;
        case INSN_CALL_SPECIAL: status = run_call_special(m, f, insn, o, n); break;
        case INSN_WAIT: {
            IValue result;
            status = future_result(operand_borrow(f, o[0]), &result);
            if (status != ST_OK)
                break;
            operand_kill(f, o[0]);
            operand_store(f, o[1], &result);
            break;
        }
        case INSN_COUNT: status = status_fail(ST_INTERNAL, "instruction %d does not exist", insn->kind);
        }
        if (status != ST_OK)
            return fail(m, f, pc - 1, status);
    }
}

static Status less_than(void *machine, IValue a, IValue b, bool *out)
{
    Machine *m = machine;
    const Function *f = a.tag == TAG_OBJECT ? class_method(a.as.object->cls, STR("__lt__")) : NULL;
    const Code *code = f ? code_set_find(m->set, f) : NULL;
    if (!code || code->input_count != 2 || code->output_count != 1)
        return ST_DECLINED;
    if (m->lane->depth >= CALL_LIMIT)
        return op_raise("maximum recursion depth exceeded (%d calls)", CALL_LIMIT);
    const IValue *args_of_op = m->lane->args; // of the operator that compares
    IValue args[2] = {a, b}, result = value_none();
    m->lane->depth++;
    Status status = run_code(m, code, args, 2, &result);
    m->lane->depth--;
    m->lane->args = args_of_op;
    *out = status == ST_OK && result.tag == TAG_BOOL && result.as.b;
    if (status == ST_OK)
        value_release(result);
    return status;
}

Status machine_run(Machine *m, const Code *code, const IValue *args, IValue *results)
{
    uint32_t entered = m->entered_count;
    m->lane->machine = m;
    m->lane->less = less_than;
    m->trace_count = 0;
    Status status = run_code(m, code, args, code->input_count, results);
    if (m->entered_count > entered)
        leave_entered(m, entered);
    if (status == ST_RAISED)
        return traceback_raise(m->trace, m->trace_count);
    if (status != ST_OK && m->trace_count && m->trace[0].node && m->trace[0].node->range.file.len) {
        const SourceRange *r = &m->trace[0].node->range;
        return status_context(status, STR_FMT ":%d", STR_ARG(r->file), r->line);
    }
    return status;
}
