// Unpacking values that another process packed. Every length and number is checked: what does not fit is ST_INTERNAL.
// The storages, at the end of the head, are read first; then the values, which take references of them.
#include "worker/transfer_parts.h"

#include "worker/nested.h"
#include "worker/quant.h"
#include "worker/random.h"
#include "worker/tensor.h"

#include <stdlib.h>

// A storage that arrived: bytes [low, …) of the sender's.
typedef struct Arrived { Storage *storage; size_t low; bool known; } Arrived;

// A numbered value. It is open while what it holds is being read.
typedef struct Numbered { IValue value; bool open; } Numbered;

typedef struct Unpacker {
    TransferReader *r;
    Wire *at;
    const TransferTable *table;
    Lane *lane;
    Arrived *storages;
    uint32_t storage_count;
    Numbered *numbered; // references of their own
    uint32_t count, capacity;
    int64_t open_object; // number of the innermost object that is being read, or -1
} Unpacker;

static Status broken(const char *what) { return status_fail(ST_INTERNAL, "a message with values is broken: %s", what); }

#define CHECK(condition, what)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return broken(what);                                                                                       \
    } while (0)

// ---- bytes

#define GET(w, variable) wire_get(w, &(variable), sizeof(variable))

static uint8_t get_u8(Wire *w)
{
    uint8_t v;
    GET(w, v);
    return v;
}

static uint32_t get_u32(Wire *w)
{
    uint32_t v;
    GET(w, v);
    return v;
}

static uint64_t get_u64(Wire *w)
{
    uint64_t v;
    GET(w, v);
    return v;
}

static size_t left(const Wire *w) { return w->failed ? 0 : (size_t)(w->end - w->at); }

// ---- storages

static Status known_storage(Unpacker *u, Wire *w, Arrived *out)
{
    uint32_t number = get_u32(w);
    uint64_t size = get_u64(w), offset = get_u64(w);
    CHECK(!w->failed && number < transfer_constant_count(u->table), "no such constant");
    DatumStorage part = *transfer_constant_at(u->table, number);
    CHECK(offset <= part.size && size <= part.size - offset, "a constant has another size");
    part.data += offset;
    part.size = size;
    out->known = true;
    return storage_of_datum(u->lane, &part, &out->storage);
}

static Status one_storage(Unpacker *u, Wire *w, Arrived *out)
{
    *out = (Arrived){0};
    uint8_t kind = get_u8(w);
    CHECK(!w->failed && kind <= STORAGE_PART, "kind of a storage");
    if (kind == STORAGE_KNOWN)
        return known_storage(u, w, out);
    uint64_t low = get_u64(w), size = get_u64(w);
    CHECK(!w->failed && low % TRANSFER_ALIGN == 0 && low <= SIZE_MAX / 2, "place of a storage");
    out->low = low;
    if (kind == STORAGE_INLINE) {
        wire_bytes(w, -(size_t)(w->at - (const uint8_t *)u->r->head) % TRANSFER_ALIGN);
        CHECK(size <= left(w), "bytes of a storage are missing");
        return storage_borrow(u->lane, wire_bytes(w, size), size, &out->storage);
    }
    CHECK(u->r->next_part < u->r->part_count, "a part is missing");
    const TransferPart *part = &u->r->parts[u->r->next_part++];
    CHECK(part->size == size && (uintptr_t)part->data % TRANSFER_ALIGN == 0, "a part has another size or place");
    return storage_borrow(u->lane, part->data, size, &out->storage);
}

// Reads the storages at `w`, which ends where they end.
static Status read_storages(Unpacker *u, Wire *w)
{
    uint32_t count = get_u32(w);
    CHECK(!w->failed && count <= left(w), "number of storages");
    u->storages = malloc((count + 1) * sizeof *u->storages);
    if (!u->storages)
        return status_no_memory(count * sizeof *u->storages);
    for (; u->storage_count < count; u->storage_count++)
        TRY(one_storage(u, w, &u->storages[u->storage_count]));
    return ST_OK;
}

// ---- values

static Status get_value(Unpacker *u, IValue *out);

static Status get_type(Unpacker *u, const Type **out)
{
    TransferType name;
    GET(u->at, name);
    CHECK(!u->at->failed && transfer_type_find(u->table, name, out), "a type is not known here");
    return ST_OK;
}

// Gives `v`, which stays the caller's, the next number.
static Status number_value(Unpacker *u, IValue v)
{
    if (u->count == u->capacity) {
        uint32_t capacity = u->capacity ? 2 * u->capacity : 64;
        Numbered *numbered = realloc(u->numbered, capacity * sizeof *numbered);
        if (!numbered)
            return status_no_memory(capacity * sizeof *numbered);
        u->numbered = numbered;
        u->capacity = capacity;
    }
    u->numbered[u->count++] = (Numbered){value_retain(v), true};
    return ST_OK;
}

static Status value_again(Unpacker *u, IValue *out)
{
    uint32_t number = get_u32(u->at);
    CHECK(!u->at->failed && number < u->count, "number of a value");
    const Numbered *n = &u->numbered[number];
    // What holds itself is only ever freed when there is an object on the way.
    CHECK(!n->open || n->value.tag == TAG_OBJECT || (int64_t)number < u->open_object, "a list that holds itself does not travel");
    *out = value_retain(n->value);
    return ST_OK;
}

static Status get_tensor_tag(Unpacker *u, Tensor **out)
{
    IValue v;
    TRY(get_value(u, &v));
    if (v.tag != TAG_TENSOR) {
        value_release(v);
        return broken("a tensor was expected");
    }
    *out = v.as.tensor;
    return ST_OK;
}

static Status channels(Unpacker *u, uint8_t scheme, int64_t axis, const View *v, Tensor *scales, Tensor *zero_points, Quant **out)
{
    const View *s = &scales->view, *z = &zero_points->view;
    bool floats = scheme == QUANT_PER_CHANNEL_FLOAT;
    CHECK(s->ndim == 1 && z->ndim == 1 && view_is_contiguous(s) && view_is_contiguous(z), "scales of a quantised tensor");
    CHECK(axis >= 0 && axis < v->ndim && s->size[0] == v->size[axis] && z->size[0] == s->size[0], "axis of a quantised tensor");
    CHECK(s->dtype == (floats ? DT_F32 : DT_F64) && z->dtype == (floats ? DT_F32 : DT_I64), "scales of a quantised tensor");
    CHECK(!scales->bits && !zero_points->bits, "scales of a quantised tensor");
    Status status = quant_new_channels(u->lane, scheme, scales, zero_points, axis, out);
    return status == ST_RAISED ? broken("zero points of a quantised tensor") : status;
}

static Status get_quant(Unpacker *u, const View *v, Quant **out)
{
    uint8_t scheme = get_u8(u->at), per_channel = get_u8(u->at);
    double scale;
    int64_t zero_point, axis;
    GET(u->at, scale);
    GET(u->at, zero_point);
    GET(u->at, axis);
    CHECK(!u->at->failed && scheme <= QUANT_PER_CHANNEL_FLOAT && per_channel <= 1, "scheme of a quantised tensor");
    Quant plain = {.scheme = scheme};
    CHECK(per_channel == !quant_is_per_tensor(&plain), "scheme of a quantised tensor");
    if (!per_channel) {
        TRY(quant_new(scale, zero_point, out));
        (*out)->scheme = scheme;
        (*out)->axis = axis;
        return ST_OK;
    }
    Tensor *scales, *zero_points;
    TRY(get_tensor_tag(u, &scales));
    Status status = get_tensor_tag(u, &zero_points);
    if (status == ST_OK) {
        status = channels(u, scheme, axis, v, scales, zero_points, out);
        tensor_release(zero_points);
    }
    tensor_release(scales);
    if (status == ST_OK) {
        (*out)->scale = scale;
        (*out)->zero_point = zero_point;
    }
    return status;
}

static Status get_nested(Unpacker *u, const View *v, Nested **out)
{
    int64_t count;
    GET(u->at, count);
    CHECK(!u->at->failed && v->ndim >= 2 && count == v->size[0] && (uint64_t)count <= left(u->at) / sizeof count, "rows of a nested tensor");
    Nested *n = malloc(sizeof *n + (size_t)count * sizeof *n->rows);
    if (!n)
        return status_no_memory((size_t)count * sizeof *n->rows);
    *n = (Nested){.refs = 1, .count = count};
    wire_get(u->at, n->rows, (size_t)count * sizeof *n->rows);
    for (int64_t i = 0; i < count; i++)
        if (n->rows[i] < 0 || n->rows[i] > v->size[1]) {
            free(n);
            return broken("rows of a nested tensor");
        }
    *out = n;
    return ST_OK;
}

// Bytes from the first to the last element, counted without overflow.
static Status span(const View *v, size_t *out)
{
    uint64_t most = 16; // bytes of an element, padding of channels
    bool empty = false;
    for (int d = 0; d < v->ndim; d++)
        empty = empty || v->size[d] == 0;
    uint64_t last = 0, step;
    for (int d = 0; d < v->ndim && !empty; d++) {
        CHECK(!__builtin_mul_overflow(most, (uint64_t)v->size[d], &most) && most < (uint64_t)1 << 54, "size of a tensor");
        CHECK(!__builtin_mul_overflow((uint64_t)v->size[d] - 1, (uint64_t)v->stride[d], &step), "stride of a tensor");
        CHECK(!__builtin_add_overflow(last, step, &last) && last < (uint64_t)1 << 54, "stride of a tensor");
    }
    *out = empty ? 0 : view_bytes(v);
    return ST_OK;
}

static Status get_shape(Wire *w, View *v)
{
    for (int d = 0; d < v->ndim; d++)
        GET(w, v->size[d]);
    for (int d = 0; d < v->ndim; d++)
        GET(w, v->stride[d]);
    CHECK(!w->failed, "it ends in a tensor");
    for (int d = 0; d < v->ndim; d++)
        CHECK(v->size[d] >= 0 && v->stride[d] >= 0, "sizes of a tensor");
    return ST_OK;
}

static Status tensor_extras(Unpacker *u, Tensor *t, uint8_t flags, uint8_t bits)
{
    t->requires_grad = flags & TRANSFER_GRAD;
    t->is_constant = flags & TRANSFER_CONSTANT;
    t->wrapped_number = flags & TRANSFER_WRAPPED;
    if (bits & TENSOR_NESTED)
        TRY(get_nested(u, &t->view, &t->nested));
    t->bits = bits;
    return flags & TRANSFER_QUANT ? get_quant(u, &t->view, &t->quant) : ST_OK;
}

static Status get_tensor(Unpacker *u, IValue *out)
{
    Wire *w = u->at;
    uint8_t flags = get_u8(w), bits = get_u8(w);
    View v = {.layout = LAYOUT_STRIDED};
    v.dtype = get_u8(w);
    v.ndim = get_u8(w);
    v.layout = get_u8(w);
    v.device = get_u8(w);
    uint32_t number = get_u32(w);
    uint64_t start = get_u64(w);
    CHECK(!w->failed && dtype_valid(v.dtype) && v.ndim <= VIEW_MAX_DIMS && v.layout <= LAYOUT_BLOCK16 && v.device <= DEVICE_META, "kind of a tensor");
    CHECK(v.layout == LAYOUT_STRIDED || v.ndim >= 2, "layout of a tensor");
    CHECK(flags <= 2 * TRANSFER_QUANT - 1 && bits <= 2 * TENSOR_NESTED - 1, "flags of a tensor");
    CHECK(!(bits & TENSOR_CONJ) || dtype_is_complex((DType)v.dtype), "flags of a tensor");
    CHECK(!(flags & TRANSFER_QUANT) == (dtype_category((DType)v.dtype) != DT_QUANTISED), "flags of a tensor");
    CHECK(number < u->storage_count, "storage of a tensor");
    TRY(get_shape(w, &v));
    const Arrived *a = &u->storages[number];
    size_t bytes, element = dtype_size((DType)v.dtype);
    TRY(span(&v, &bytes));
    if (!bytes)
        start = a->low; // where nothing lies does not matter
    CHECK(start >= a->low && (start - a->low) % element == 0, "place of a tensor");
    start -= a->low;
    CHECK(start <= a->storage->size && bytes <= a->storage->size - start, "a tensor leaves its storage");
    CHECK(a->known || !(flags & TRANSFER_CONSTANT), "a constant is not known here");
    Tensor *t;
    TRY(tensor_of_storage(u->lane, a->storage, &v, (int64_t)(start / element), &t));
    Status status = tensor_extras(u, t, flags, bits);
    if (status == ST_OK)
        *out = value_tensor_take(t);
    else
        tensor_release(t);
    return status;
}

// How many items follow: each takes a byte at least.
static Status get_count(Unpacker *u, uint32_t *count)
{
    *count = get_u32(u->at);
    CHECK(!u->at->failed && *count <= left(u->at), "number of items");
    return ST_OK;
}

static Status get_str(Unpacker *u, IValue *out)
{
    uint32_t len;
    TRY(get_count(u, &len));
    return value_str((Str){wire_bytes(u->at, len), len}, out);
}

// *v is the container, made but empty: numbers it when it is to have one. On failure it is released.
static Status begin(Unpacker *u, bool shared, IValue *v, uint32_t *number)
{
    *number = u->count;
    Status status = shared ? number_value(u, *v) : ST_OK;
    if (status != ST_OK)
        value_release(*v);
    return status;
}

static Status end(Unpacker *u, bool shared, IValue v, uint32_t number, Status status)
{
    if (shared)
        u->numbered[number].open = false;
    if (status != ST_OK)
        value_release(v);
    return status;
}

static Status get_list(Unpacker *u, bool shared, IValue *out)
{
    const Type *elem;
    uint32_t count, number;
    TRY(get_type(u, &elem));
    TRY(get_count(u, &count));
    ListObj *l = list_new(elem, count);
    if (!l)
        return ST_MEMORY;
    *out = value_list_take(l);
    TRY(begin(u, shared, out, &number));
    Status status = ST_OK;
    for (uint32_t i = 0; i < count && status == ST_OK; i++)
        if ((status = get_value(u, &l->items[i])) == ST_OK)
            l->len = i + 1;
    return end(u, shared, *out, number, status);
}

static Status get_tuple(Unpacker *u, bool shared, IValue *out)
{
    const Type *type;
    uint32_t count, number;
    TRY(get_type(u, &type));
    TRY(get_count(u, &count));
    CHECK(!type || !type->fields || type->count == count, "fields of a named tuple");
    TupleObj *t = tuple_new(count, type);
    if (!t)
        return ST_MEMORY;
    *out = value_tuple_take(t);
    TRY(begin(u, shared, out, &number));
    Status status = ST_OK;
    for (uint32_t i = 0; i < count && status == ST_OK; i++) {
        IValue item;
        if ((status = get_value(u, &item)) == ST_OK)
            t->items[i] = item;
    }
    return end(u, shared, *out, number, status);
}

static bool can_be_key(IValue v)
{
    switch ((ValueTag)v.tag) {
    case TAG_BOOL:
    case TAG_INT:
    case TAG_FLOAT:
    case TAG_DEVICE:
    case TAG_TENSOR:
    case TAG_STR:
    case TAG_COMPLEX:
    case TAG_ENUM: return true;
    default: return false;
    }
}

static Status get_pair(Unpacker *u, DictObj *d)
{
    IValue key, value;
    TRY(get_value(u, &key));
    Status status = can_be_key(key) ? get_value(u, &value) : broken("key of a dictionary");
    if (status == ST_OK) {
        status = dict_set(d, key, value);
        value_release(value);
    }
    value_release(key);
    return status;
}

static Status get_dict(Unpacker *u, bool shared, IValue *out)
{
    const Type *key, *value;
    uint32_t count, number;
    TRY(get_type(u, &key));
    TRY(get_type(u, &value));
    TRY(get_count(u, &count));
    DictObj *d = dict_new(key, value);
    if (!d)
        return ST_MEMORY;
    *out = value_dict_take(d);
    TRY(begin(u, shared, out, &number));
    Status status = ST_OK;
    for (uint32_t i = 0; i < count && status == ST_OK; i++)
        status = get_pair(u, d);
    return end(u, shared, *out, number, status);
}

static Status get_object(Unpacker *u, bool shared, IValue *out)
{
    const Type *type;
    uint32_t count, number;
    TRY(get_type(u, &type));
    TRY(get_count(u, &count));
    CHECK(shared && type && type->kind == TYPE_CLASS && type->cls && type->cls->attr_count == count, "class of an object");
    Object *o = object_new(type->cls);
    if (!o)
        return ST_MEMORY;
    *out = value_object_take(o);
    TRY(begin(u, shared, out, &number));
    int64_t outer = u->open_object;
    u->open_object = number;
    Status status = ST_OK;
    for (uint32_t i = 0; i < count && status == ST_OK; i++) {
        IValue slot;
        if ((status = get_value(u, &slot)) == ST_OK)
            o->slots[i] = slot;
    }
    u->open_object = outer;
    return end(u, shared, *out, number, status);
}

static Status get_enum(Unpacker *u, IValue *out)
{
    const Type *type;
    IValue bare;
    TRY(get_type(u, &type));
    uint32_t member = get_u32(u->at);
    CHECK(!u->at->failed && type && type->kind == TYPE_ENUM && type->cls && member < type->cls->constant_count, "member of an enum");
    TRY(get_value(u, &bare));
    Status status = value_enum(type->cls, type->cls->constants[member].name, bare, out);
    value_release(bare);
    return status;
}

static Status get_complex(Unpacker *u, IValue *out)
{
    double re, im;
    GET(u->at, re);
    GET(u->at, im);
    CHECK(!u->at->failed, "it ends in a number");
    return value_complex(re, im, out);
}

static Status get_leaf(Unpacker *u, uint8_t tag, IValue *out)
{
    switch ((ValueTag)tag) {
    case TAG_TENSOR: return get_tensor(u, out);
    case TAG_STR: return get_str(u, out);
    case TAG_COMPLEX: return get_complex(u, out);
    case TAG_ENUM: return get_enum(u, out);
    default: return broken("tag of a value");
    }
}

static Status get_counted(Unpacker *u, uint8_t tag, bool shared, IValue *out)
{
    switch ((ValueTag)tag) {
    case TAG_LIST: return get_list(u, shared, out);
    case TAG_TUPLE: return get_tuple(u, shared, out);
    case TAG_DICT: return get_dict(u, shared, out);
    case TAG_OBJECT: return get_object(u, shared, out);
    default: break;
    }
    // These hold nothing that could hold them, but take their number before what they hold does.
    uint32_t number;
    IValue place = value_none();
    TRY(begin(u, shared, &place, &number));
    TRY(get_leaf(u, tag, out));
    if (shared)
        u->numbered[number].value = value_retain(*out);
    return end(u, shared, *out, number, ST_OK);
}

static Status get_scalar(Wire *w, uint8_t tag, IValue *out)
{
    *out = (IValue){.tag = tag};
    uint8_t b = 0;
    switch ((ValueTag)tag) {
    case TAG_NONE:
    case TAG_UNINITIALIZED: break;
    case TAG_BOOL: b = get_u8(w); out->as.b = b == 1; break;
    case TAG_INT: GET(w, out->as.i); break;
    case TAG_FLOAT: GET(w, out->as.f); break;
    case TAG_DEVICE: GET(w, out->as.device); break;
    default: return broken("tag of a value");
    }
    CHECK(!w->failed && b <= 1 && (tag != TAG_DEVICE || out->as.device.kind <= DEVICE_META), "a number");
    return ST_OK;
}

// *out is only set on success.
static Status get_value(Unpacker *u, IValue *out)
{
    uint8_t tag = get_u8(u->at);
    CHECK(!u->at->failed, "it ends before its values");
    if (tag == TRANSFER_AGAIN)
        return value_again(u, out);
    bool shared = tag & TRANSFER_SHARED;
    tag &= (uint8_t)~TRANSFER_SHARED;
    IValue v;
    if (tag < TAG_FIRST_COUNTED) {
        CHECK(!shared, "tag of a value");
        TRY(get_scalar(u->at, tag, &v));
    } else {
        if (value_enter() != ST_OK)
            return broken("values are nested too deeply");
        Status status = get_counted(u, tag, shared, &v);
        value_leave();
        TRY(status);
    }
    *out = v;
    return ST_OK;
}

// ---- the transfer

// Values and storages give up the unpacker's references. After a failure nothing may hold itself any more.
static void finish(Unpacker *u, bool failed)
{
    for (uint32_t i = 0; i < u->count; i++) {
        IValue v = u->numbered[i].value;
        for (uint32_t k = 0; failed && v.tag == TAG_OBJECT && k < v.as.object->len; k++) {
            IValue held = v.as.object->slots[k];
            v.as.object->slots[k] = value_none();
            value_release(held);
        }
    }
    for (uint32_t i = 0; i < u->count; i++)
        value_release(u->numbered[i].value);
    for (uint32_t i = 0; i < u->storage_count; i++)
        storage_release(u->storages[i].storage);
    free(u->numbered);
    free(u->storages);
}

static Status read_all(Unpacker *u, Wire *values, Wire *storages, uint32_t count, IValue *out, uint32_t *made)
{
    TRY(read_storages(u, storages));
    for (; *made < count; ++*made)
        TRY(get_value(u, &out[*made]));
    CHECK(values->at == values->end, "bytes are left over");
    return ST_OK;
}

Status transfer_unpack(TransferReader *r, const TransferTable *table, Lane *lane, uint32_t count, IValue *out)
{
    Wire *w = &r->at;
    const uint8_t *begin_at = w->at;
    uint32_t magic = get_u32(w), constants = get_u32(w), made = 0;
    uint64_t section = get_u64(w);
    for (uint32_t i = 0; i < count; i++)
        out[i] = value_none();
    CHECK(!w->failed && magic == TRANSFER_MAGIC && constants == transfer_constant_count(table), "the processes have different models");
    CHECK((uintptr_t)r->head % TRANSFER_ALIGN == 0, "its head is not aligned");
    CHECK(section >= (uint64_t)(w->at - begin_at) && section <= (uint64_t)(w->end - begin_at), "place of the storages");
    Wire values = {w->at, begin_at + section, false};
    Unpacker u = {.r = r, .at = &values, .table = table, .lane = lane, .open_object = -1};
    w->at = begin_at + section;
    Status status = read_all(&u, &values, w, count, out, &made);
    for (uint32_t i = 0; status != ST_OK && i < made; i++) {
        value_release(out[i]);
        out[i] = value_none();
    }
    finish(&u, status != ST_OK);
    return status;
}

Status transfer_unpack_generator(TransferReader *r, Lane *lane)
{
    Wire *w = &r->at;
    uint32_t magic = get_u32(w);
    uint8_t kind = get_u8(w);
    CHECK(!w->failed && magic == TRANSFER_MAGIC && kind <= 2, "state of the random generator");
    Generator *g, got = {.started = kind == 2};
    TRY(lane_generator(lane, &g));
    if (!kind) {
        generator_seed(g, 0); // as one that is made on demand
        return ST_OK;
    }
    GET(w, got.seed);
    got.has_normal = get_u8(w) == 1;
    GET(w, got.normal);
    if (got.started) {
        GET(w, got.next);
        GET(w, got.state);
    }
    CHECK(!w->failed && got.next >= 0 && got.next <= MT_WORDS, "state of the random generator");
    got.head = g->head;
    *g = got;
    return ST_OK;
}
