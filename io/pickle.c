// The restricted unpickler: the stack machine over protocol 2 that libtorch's pickler writes (torchscript.md §2.1).
// It knows no way to call or import anything: a GLOBAL is a row of a table, a class name below __torch__, or an error.
#include "io/pickle_machine.h"

#include <stdio.h>

Status pickle_fail(const Machine *m, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return status_fail(ST_BAD_MODEL, "%s%s%s at byte %zu: %s", m->u->archive ? archive_path(m->u->archive) : "",
                       m->u->archive ? ": " : "", m->u->record, m->op_at, text);
}

bool pickle_is_pure(Datum *d)
{
    const Box *b = pickle_box(d);
    return (int)d->kind < KIND_GLOBAL && !(b && b->impure);
}

// ---- reading bytes ----

static Status take(Machine *m, size_t size, const uint8_t **out)
{
    if (size > m->bytes.len - m->at)
        return pickle_fail(m, "the pickle is cut short: %zu bytes wanted, %zu left", size, m->bytes.len - m->at);
    *out = (const uint8_t *)m->bytes.ptr + m->at;
    m->at += size;
    return ST_OK;
}

static Status take_le(Machine *m, int size, uint64_t *out)
{
    const uint8_t *p;
    TRY(take(m, (size_t)size, &p));
    *out = 0;
    for (int i = size; i-- > 0;)
        *out = *out << 8 | p[i];
    return ST_OK;
}

// Up to the next newline, which is dropped.
static Status take_line(Machine *m, Str *out)
{
    Str rest = str_from(m->bytes, m->at);
    ptrdiff_t end = str_find(rest, '\n');
    if (end < 0)
        return pickle_fail(m, "the pickle is cut short inside a name");
    *out = str_first(rest, (size_t)end);
    m->at += (size_t)end + 1;
    return ST_OK;
}

// ---- stack, marks, memo ----

// Room for `more` items of `size` bytes behind `count`. The capacity is kept apart from the count, since a stack
// shrinks.
static void *reserve(Machine *m, void *items, size_t count, size_t more, size_t size, size_t *capacity)
{
    if (*capacity - count >= more)
        return items;
    size_t wanted = *capacity * 2 > count + more ? *capacity * 2 : count + more;
    if (wanted < 8)
        wanted = 8;
    void *bigger = arena_alloc(m->u->arena, wanted * size);
    if (count)
        memcpy(bigger, items, count * size);
    *capacity = wanted;
    return bigger;
}

static Status push(Machine *m, Datum *d)
{
    m->stack = reserve(m, m->stack, m->count, 1, sizeof *m->stack, &m->capacity);
    m->stack[m->count++] = d;
    return ST_OK;
}

static Status push_mark(Machine *m)
{
    m->marks = reserve(m, m->marks, m->mark_count, 1, sizeof *m->marks, &m->mark_capacity);
    m->marks[m->mark_count++] = m->count;
    return ST_OK;
}

static size_t floor_of_stack(const Machine *m)
{
    return m->mark_count ? m->marks[m->mark_count - 1] : 0;
}

static Status pop(Machine *m, Datum **out)
{
    if (m->count <= floor_of_stack(m))
        return pickle_fail(m, "an operation finds nothing on the stack");
    *out = m->stack[--m->count];
    return ST_OK;
}

static Status top(Machine *m, Datum **out)
{
    TRY(pop(m, out));
    m->count++;
    return ST_OK;
}

// The items above the newest mark; the mark goes, the items stay readable until the next push.
static Status pop_mark(Machine *m, Datum ***items, uint32_t *count)
{
    if (!m->mark_count)
        return pickle_fail(m, "an operation finds no mark on the stack");
    size_t from = m->marks[--m->mark_count];
    if (m->count - from > UINT32_MAX / 2)
        return pickle_fail(m, "too many items in one container (limit %u)", UINT32_MAX / 2);
    *items = m->stack + from;
    *count = (uint32_t)(m->count - from);
    m->count = from;
    return ST_OK;
}

static Status memo_put(Machine *m, uint64_t id)
{
    Datum *d;
    TRY(top(m, &d));
    if (id >= m->bytes.len) // each entry costs bytes to make
        return pickle_fail(m, "memo id %llu is out of range (limit %zu)", (unsigned long long)id, m->bytes.len);
    if (id >= m->memo_size) {
        size_t size = m->memo_size ? m->memo_size : 64;
        while (size <= id)
            size *= 2;
        Datum **memo = ARENA_ARRAY(m->u->arena, Datum *, size);
        if (m->memo_size)
            memcpy(memo, m->memo, m->memo_size * sizeof *memo);
        m->memo = memo;
        m->memo_size = size;
    }
    m->memo[id] = d;
    return ST_OK;
}

static Status memo_get(Machine *m, uint64_t id)
{
    if (id >= m->memo_size || !m->memo[id])
        return pickle_fail(m, "memo id %llu was never stored", (unsigned long long)id);
    Box *b = pickle_box(m->memo[id]);
    if (b)
        b->frozen = true;
    return push(m, m->memo[id]);
}

// ---- containers ----

// Accounts for items put into `b`.
static Status adopt(Machine *m, Box *b, Datum **items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const Box *item = pickle_box(items[i]);
        if (item && item->depth >= b->depth)
            b->depth = item->depth + 1;
        if (!pickle_is_pure(items[i])) {
            if (b->d.kind != DATUM_TUPLE)
                return pickle_fail(m, "a storage or a global is used as a value");
            b->impure = true;
        }
    }
    if (b->depth > PICKLE_DEPTH_MAX)
        return pickle_fail(m, "too many containers inside one another (limit %d)", PICKLE_DEPTH_MAX);
    return ST_OK;
}

Status pickle_container(Machine *m, DatumKind kind, Datum **items, uint32_t count, Datum **out)
{
    Box *b = ARENA_NEW(m->u->arena, Box);
    b->d.kind = kind;
    b->d.count = kind == DATUM_DICT ? count / 2 : count;
    b->d.name = STR("");
    b->depth = 1;
    if (count)
        b->d.items = arena_copy(m->u->arena, items, count * sizeof *items);
    b->capacity = count;
    *out = &b->d;
    return adopt(m, b, items, count);
}

static Status push_container(Machine *m, DatumKind kind, Datum **items, uint32_t count)
{
    Datum *d;
    if (kind == DATUM_DICT && count % 2)
        return pickle_fail(m, "a dict has a key without a value");
    TRY(pickle_container(m, kind, items, count, &d));
    return push(m, d);
}

static Status push_small_tuple(Machine *m, uint32_t count)
{
    if (m->count - floor_of_stack(m) < count)
        return pickle_fail(m, "an operation finds nothing on the stack");
    m->count -= count;
    Datum *items[3];
    for (uint32_t i = 0; i < count; i++)
        items[i] = m->stack[m->count + i];
    return push_container(m, DATUM_TUPLE, items, count);
}

static Status push_from_mark(Machine *m, DatumKind kind)
{
    Datum **items;
    uint32_t count;
    TRY(pop_mark(m, &items, &count));
    return push_container(m, kind, items, count);
}

// Appends stack items to the list or dict below them.
static Status extend(Machine *m, DatumKind kind, Datum **items, uint32_t count)
{
    Datum *d;
    TRY(top(m, &d));
    if (d->kind != kind)
        return pickle_fail(m, "items are added to something that is not a %s", kind == DATUM_LIST ? "list" : "dict");
    Box *b = (Box *)d;
    if (b->frozen)
        return pickle_fail(m, "a container is changed after it was used: it may contain itself");
    uint32_t width = kind == DATUM_DICT ? 2 : 1;
    if (count % width)
        return pickle_fail(m, "a dict has a key without a value");
    if (count / width > UINT32_MAX / 2 - d->count)
        return pickle_fail(m, "too many items in one container (limit %u)", UINT32_MAX / 2);
    size_t used = (size_t)d->count * width;
    d->items = reserve(m, d->items, used, count, sizeof *d->items, &b->capacity);
    if (count)
        memcpy(d->items + used, items, count * sizeof *items);
    d->count += count / width;
    return adopt(m, b, items, count);
}

static Status extend_from_mark(Machine *m, DatumKind kind)
{
    Datum **items;
    uint32_t count;
    TRY(pop_mark(m, &items, &count));
    return extend(m, kind, items, count);
}

static Status extend_by_top(Machine *m, DatumKind kind)
{
    uint32_t width = kind == DATUM_DICT ? 2 : 1;
    if (m->count - floor_of_stack(m) < width + 1)
        return pickle_fail(m, "an operation finds nothing on the stack");
    m->count -= width;
    return extend(m, kind, m->stack + m->count, width);
}

// ---- globals and objects ----

static const struct {
    const char *module, *name;
} globals[] = {
#define X(enumerator, module, name) {module, name},
    PICKLE_GLOBALS(X)
#undef X
};

static bool is_class_name(Str module, Str name)
{
    if (!str_is(module, "__torch__") && !str_starts(module, STR("__torch__.")))
        return false;
    for (size_t i = 0; i < module.len + name.len; i++) {
        char c = i < module.len ? module.ptr[i] : name.ptr[i - module.len];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '.' || (unsigned char)c >= 0x80;
        if (!word)
            return false;
    }
    return name.len > 0;
}

static Status push_global(Machine *m)
{
    Str module, name;
    TRY(take_line(m, &module));
    TRY(take_line(m, &name));
    Box *b = ARENA_NEW(m->u->arena, Box);
    b->d.kind = (DatumKind)KIND_GLOBAL;
    b->d.name = arena_printf(m->u->arena, STR_FMT "." STR_FMT, STR_ARG(module), STR_ARG(name));
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++)
        if (str_is(module, globals[i].module) && str_is(name, globals[i].name)) {
            b->global = (GlobalKind)i;
            return push(m, &b->d);
        }
    if (is_class_name(module, name)) {
        b->global = GLOBAL_CLASS;
        return push(m, &b->d);
    }
    if (str_is(module, "torch") && str_ends(name, STR("Storage"))) {
        b->global = GLOBAL_STORAGE_TYPE;
        b->dtype = dtype_from_torch_name(str_first(name, name.len - strlen("Storage")));
        if (b->dtype == DT_INVALID) {
            pickle_fail(m, "tensors of type " STR_FMT " are not supported", STR_ARG(b->d.name));
            return ST_UNSUPPORTED;
        }
        return push(m, &b->d);
    }
    return pickle_fail(
        m,
        "the pickle names '" STR_FMT " " STR_FMT "', which TorchScript files do not use: it is refused, because "
        "loading such a pickle could run code",
        (int)(module.len < 200 ? module.len : 200), module.ptr, (int)(name.len < 200 ? name.len : 200), name.ptr);
}

static Status new_object(Machine *m)
{
    Datum *args, *cls, *object;
    TRY(pop(m, &args));
    TRY(pop(m, &cls));
    if ((int)cls->kind != KIND_GLOBAL || ((Box *)cls)->global != GLOBAL_CLASS)
        return pickle_fail(m, "an object is made of something that is not a class");
    if (args->kind != DATUM_TUPLE || args->count)
        return pickle_fail(m, "an object of " STR_FMT " is made with arguments", STR_ARG(cls->name));
    TRY(pickle_container(m, DATUM_OBJECT, NULL, 0, &object));
    object->name = cls->name;
    return push(m, object);
}

static Status build_object(Machine *m)
{
    Datum *state, *object;
    TRY(pop(m, &state));
    TRY(top(m, &object));
    if (object->kind != DATUM_OBJECT)
        return pickle_fail(m, "BUILD finds no object");
    Box *b = (Box *)object;
    if (b->frozen || object->state)
        return pickle_fail(m, "an object of " STR_FMT " gets its state twice, or contains itself",
                           STR_ARG(object->name));
    object->state = state;
    return adopt(m, b, &state, 1);
}

static Status reduce(Machine *m)
{
    Datum *args, *function, *value;
    TRY(pop(m, &args));
    TRY(pop(m, &function));
    if ((int)function->kind != KIND_GLOBAL)
        return pickle_fail(m, "REDUCE finds no function");
    TRY(pickle_call(m, (Box *)function, args, &value));
    return push(m, value);
}

static Status push_persistent(Machine *m)
{
    Datum *id, *storage;
    TRY(pop(m, &id));
    TRY(pickle_storage(m, id, &storage));
    return push(m, storage);
}

// ---- values ----

static Status push_int(Machine *m, int64_t v)
{
    return push(m, datum_int(m->u->arena, v));
}

static Status push_long(Machine *m)
{
    uint64_t len, v;
    TRY(take_le(m, 1, &len));
    if (len != 8)
        return pickle_fail(m, "an integer of %llu bytes (only 8 are read)", (unsigned long long)len);
    TRY(take_le(m, 8, &v));
    return push_int(m, (int64_t)v);
}

static Status push_float(Machine *m)
{
    const uint8_t *p;
    TRY(take(m, 8, &p));
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    double v;
    memcpy(&v, &bits, sizeof v);
    return push(m, datum_float(m->u->arena, v));
}

static Status push_text(Machine *m, int length_bytes)
{
    uint64_t len;
    const uint8_t *p;
    TRY(take_le(m, length_bytes, &len));
    TRY(take(m, len, &p));
    return push(m, datum_str(m->u->arena, (Str){(const char *)p, len}));
}

static Status sized(Machine *m, int bytes, Status (*use)(Machine *, uint64_t))
{
    uint64_t v;
    TRY(take_le(m, bytes, &v));
    return use(m, v);
}

static Status push_u64(Machine *m, uint64_t v)
{
    return push_int(m, (int64_t)v);
}
static Status push_i32(Machine *m, uint64_t v)
{
    return push_int(m, (int32_t)(uint32_t)v);
}

static Status run_opcode(Machine *m, uint8_t op)
{
    switch (op) {
    case '(':
        return push_mark(m);
    case 'N':
        return push(m, &datum_none);
    case 0x88:
        return push(m, &datum_true);
    case 0x89:
        return push(m, &datum_false);
    case 'K':
        return sized(m, 1, push_u64);
    case 'M':
        return sized(m, 2, push_u64);
    case 'J':
        return sized(m, 4, push_i32);
    case 0x8a:
        return push_long(m);
    case 'G':
        return push_float(m);
    case 'X':
        return push_text(m, 4);
    case 0x8d:
        return push_text(m, 8);
    case ')':
        return push_container(m, DATUM_TUPLE, NULL, 0);
    case 0x85:
    case 0x86:
    case 0x87:
        return push_small_tuple(m, op - 0x84u);
    case 't':
        return push_from_mark(m, DATUM_TUPLE);
    case ']':
        return push_container(m, DATUM_LIST, NULL, 0);
    case 'l':
        return push_from_mark(m, DATUM_LIST);
    case '}':
        return push_container(m, DATUM_DICT, NULL, 0);
    case 'd':
        return push_from_mark(m, DATUM_DICT);
    case 'e':
        return extend_from_mark(m, DATUM_LIST);
    case 'a':
        return extend_by_top(m, DATUM_LIST);
    case 'u':
        return extend_from_mark(m, DATUM_DICT);
    case 's':
        return extend_by_top(m, DATUM_DICT);
    case 'c':
        return push_global(m);
    case 0x81:
        return new_object(m);
    case 'b':
        return build_object(m);
    case 'R':
        return reduce(m);
    case 'Q':
        return push_persistent(m);
    case 'q':
        return sized(m, 1, memo_put);
    case 'r':
        return sized(m, 4, memo_put);
    case 'h':
        return sized(m, 1, memo_get);
    case 'j':
        return sized(m, 4, memo_get);
    }
    return pickle_fail(m, "Unknown opcode for unpickling: 0x%02x", op);
}

static Status run(Machine *m, Datum **out)
{
    if (!str_starts(m->bytes, STR("\x80\x02")))
        return pickle_fail(m, "not a pickle of protocol 2");
    for (m->at = 2;;) {
        m->op_at = m->at;
        const uint8_t *op;
        TRY(take(m, 1, &op));
        if (*op == '.')
            break;
        TRY(run_opcode(m, *op));
    }
    if (m->count != 1 || m->mark_count)
        return pickle_fail(m, "the pickle ends with %zu values in place of one", m->count);
    if (!pickle_is_pure(m->stack[0]))
        return pickle_fail(m, "the pickle holds a storage or a global in place of a value");
    *out = m->stack[0];
    return ST_OK;
}

Status pickle_read_bytes(Unpickler *u, Str bytes, Datum **out)
{
    Machine m = {.u = u, .bytes = bytes};
    if (u->arena->guard)
        return run(&m, out);
    jmp_buf guard;
    u->arena->guard = &guard;
    if (setjmp(guard)) {
        u->arena->guard = NULL;
        return ST_MEMORY;
    }
    Status st = run(&m, out);
    u->arena->guard = NULL;
    return st;
}

Status pickle_read(Unpickler *u, Datum **out)
{
    const ArchiveRecord *r;
    TRY(archive_read(u->archive, str_of(u->record), &r));
    return pickle_read_bytes(u, (Str){(const char *)r->data, r->size}, out);
}
