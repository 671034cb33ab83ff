// Packing values for another process: one walk that writes tags and numbers and notes the storages of tensors, which
// follow at the end, when the span that travels of each is known.
#include "worker/transfer_parts.h"

#include "worker/nested.h"
#include "worker/pointer_map.h"
#include "worker/quant.h"
#include "worker/random.h"
#include "worker/tensor.h"

#include <stdlib.h>

// A storage that tensors lie in: bytes [low, high) of it travel, or the number of a constant.
typedef struct Sent { const Storage *storage; size_t low, high; int64_t constant; } Sent;

struct TransferWork {
    PointerMap met;   // values and storages that may come again
    uint32_t numbers; // of values
    Sent *sent;
    uint32_t sent_count, sent_capacity;
};

typedef struct Packer {
    Transfer *t;
    struct TransferWork *work;
    const TransferTable *table;
    const Lane *lane;
} Packer;

// ---- bytes

#define PUT(buf, ...) buf_bytes(buf, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static void put_u8(Buf *b, uint8_t v) { PUT(b, v); }
static void put_u32(Buf *b, uint32_t v) { PUT(b, v); }
static void put_u64(Buf *b, uint64_t v) { PUT(b, v); }

// ---- storages

static Status sent_number(Packer *p, const Storage *s, uint32_t *number)
{
    struct TransferWork *w = p->work;
    bool added;
    TRY(pointer_map_add(&w->met, s, w->sent_count, number, &added));
    if (!added)
        return ST_OK;
    if (w->sent_count == w->sent_capacity) {
        uint32_t capacity = w->sent_capacity ? 2 * w->sent_capacity : 16;
        Sent *sent = realloc(w->sent, capacity * sizeof *sent);
        if (!sent)
            return status_no_memory(capacity * sizeof *sent);
        w->sent = sent;
        w->sent_capacity = capacity;
    }
    // Bytes of the file that nobody wrote to in this call are there on the other side.
    int64_t constant = s->shared && !s->dirty && s->size ? transfer_constant(p->table, s->source ? s->source : s->data, s->size) : -1;
    bool whole = transfer_sends_whole(p->table);
    w->sent[w->sent_count++] = (Sent){s, whole ? 0 : SIZE_MAX, whole ? s->size : 0, constant};
    return ST_OK;
}

// The bytes begin at a multiple of TRANSFER_ALIGN of the storage, so that elements keep their alignment.
static size_t sent_low(const Sent *s) { return s->high ? s->low / TRANSFER_ALIGN * TRANSFER_ALIGN : 0; }

static Status add_part(Packer *p, const Storage *s, const void *data, size_t size)
{
    Transfer *t = p->t;
    if (t->part_count == t->part_capacity) {
        uint32_t capacity = t->part_capacity ? 2 * t->part_capacity : 16;
        TransferPart *parts = realloc(t->parts, capacity * sizeof *parts);
        if (!parts)
            return status_no_memory(capacity * sizeof *parts);
        t->parts = parts;
        t->part_capacity = capacity;
    }
    t->parts[t->part_count++] = (TransferPart){data, size};
    t->borrows |= !s->capacity || s->lane != p->lane;
    return ST_OK;
}

static Status put_storage(Packer *p, const Sent *sent)
{
    Buf *b = &p->t->head;
    if (sent->constant >= 0) {
        put_u8(b, STORAGE_KNOWN);
        put_u32(b, (uint32_t)sent->constant);
        put_u64(b, sent->storage->size);
        // Where the constant's own bytes do not begin with the storage.
        const DatumStorage *constant = transfer_constant_at(p->table, (uint32_t)sent->constant);
        put_u64(b, (size_t)((const uint8_t *)(sent->storage->source ? sent->storage->source : sent->storage->data) - constant->data));
        return ST_OK;
    }
    size_t low = sent_low(sent), size = sent->high > low ? sent->high - low : 0;
    const char *data = size ? (const char *)sent->storage->data + low : NULL;
    put_u8(b, size < TRANSFER_INLINE ? STORAGE_INLINE : STORAGE_PART);
    put_u64(b, low);
    put_u64(b, size);
    if (size >= TRANSFER_INLINE)
        return add_part(p, sent->storage, data, size);
    buf_fill(b, 0, -b->len % TRANSFER_ALIGN);
    if (size)
        buf_bytes(b, data, size);
    return ST_OK;
}

// ---- values

static Status put_value(Packer *p, IValue v);

static Status refuse(const char *what, Str name)
{
    return status_fail(ST_UNSUPPORTED, "cannot cut the model here: a value of %s" STR_FMT " does not travel; choose another cut", what, STR_ARG(name));
}

static Status put_type(Packer *p, const Type *type)
{
    TransferType name = transfer_type(p->table, type);
    if (type && !name.hash)
        return status_fail(ST_INTERNAL, "a type was made after the table of the transfer");
    PUT(&p->t->head, name);
    return ST_OK;
}

static Status put_quant(Packer *p, const Quant *q)
{
    Buf *b = &p->t->head;
    put_u8(b, q->scheme);
    put_u8(b, q->scales != NULL);
    PUT(b, q->scale);
    PUT(b, q->zero_point);
    PUT(b, q->axis);
    if (!q->scales)
        return ST_OK;
    TRY(put_value(p, (IValue){.tag = TAG_TENSOR, .as.tensor = q->scales}));
    return put_value(p, (IValue){.tag = TAG_TENSOR, .as.tensor = q->zero_points});
}

static Status put_tensor(Packer *p, const Tensor *t)
{
    Buf *b = &p->t->head;
    const View *v = &t->view;
    uint32_t number;
    TRY(sent_number(p, t->storage, &number));
    Sent *sent = &p->work->sent[number];
    size_t bytes = view_bytes(v), start = bytes ? (size_t)((const char *)v->data - (const char *)t->storage->data) : 0;
    if (bytes) {
        sent->low = start < sent->low ? start : sent->low;
        sent->high = start + bytes > sent->high ? start + bytes : sent->high;
    }
    put_u8(b, (uint8_t)((t->requires_grad ? TRANSFER_GRAD : 0) | (t->is_constant && sent->constant >= 0 ? TRANSFER_CONSTANT : 0) |
                        (t->wrapped_number ? TRANSFER_WRAPPED : 0) | (t->quant ? TRANSFER_QUANT : 0)));
    put_u8(b, t->bits);
    put_u8(b, v->dtype);
    put_u8(b, v->ndim);
    put_u8(b, v->layout);
    put_u8(b, v->device);
    put_u32(b, number);
    put_u64(b, start);
    buf_bytes(b, v->size, v->ndim * sizeof *v->size);
    buf_bytes(b, v->stride, v->ndim * sizeof *v->stride);
    if (t->bits & TENSOR_NESTED) {
        PUT(b, t->nested->count);
        buf_bytes(b, t->nested->rows, (size_t)t->nested->count * sizeof *t->nested->rows);
    }
    return t->quant ? put_quant(p, t->quant) : ST_OK;
}

static Status put_items(Packer *p, const IValue *items, uint32_t count)
{
    put_u32(&p->t->head, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(put_value(p, items[i]));
    return ST_OK;
}

static Status put_dict(Packer *p, const DictObj *d)
{
    TRY(put_type(p, dict_key_type(d)));
    TRY(put_type(p, dict_value_type(d)));
    put_u32(&p->t->head, dict_len(d));
    IValue key, value;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);) {
        TRY(put_value(p, key));
        TRY(put_value(p, value));
    }
    return ST_OK;
}

static Status put_enum(Packer *p, const EnumObj *e)
{
    TRY(put_type(p, e->cls->type));
    for (uint32_t i = 0; i < e->cls->constant_count; i++)
        if (str_eq(e->cls->constants[i].name, e->name)) {
            put_u32(&p->t->head, i);
            return put_value(p, e->value);
        }
    return refuse("", e->cls->name);
}

static Status put_object(Packer *p, const Object *o)
{
    if (o->persistent || o->cls->kind == CLASS_MODULE || o->cls->type->cls != o->cls)
        return refuse("class ", o->cls->name);
    TRY(put_type(p, o->cls->type));
    return put_items(p, o->slots, o->len);
}

// What is behind the tag of a counted value.
static Status put_counted(Packer *p, IValue v)
{
    Buf *b = &p->t->head;
    switch ((ValueTag)v.tag) {
    case TAG_TENSOR: return put_tensor(p, v.as.tensor);
    case TAG_STR:
        put_u32(b, v.as.str->len);
        buf_bytes(b, v.as.str->bytes, v.as.str->len);
        return ST_OK;
    case TAG_LIST:
        TRY(put_type(p, v.as.list->elem));
        return put_items(p, v.as.list->items, v.as.list->len);
    case TAG_TUPLE:
        TRY(put_type(p, v.as.tuple->type));
        return put_items(p, v.as.tuple->items, v.as.tuple->len);
    case TAG_DICT: return put_dict(p, v.as.dict);
    case TAG_OBJECT: return put_object(p, v.as.object);
    case TAG_COMPLEX:
        PUT(b, v.as.complex->re);
        PUT(b, v.as.complex->im);
        return ST_OK;
    case TAG_ENUM: return put_enum(p, v.as.enumeration);
    case TAG_FUTURE: return refuse("type Future", STR(""));
    case TAG_GENERATOR: return refuse("type Generator", STR(""));
    default: return status_fail(ST_INTERNAL, "a value of tag %d does not travel", v.tag);
    }
}

static Status put_value(Packer *p, IValue v)
{
    Buf *b = &p->t->head;
    switch ((ValueTag)v.tag) {
    case TAG_NONE:
    case TAG_UNINITIALIZED: put_u8(b, v.tag); return ST_OK;
    case TAG_BOOL: put_u8(b, v.tag); put_u8(b, v.as.b); return ST_OK;
    case TAG_INT: put_u8(b, v.tag); PUT(b, v.as.i); return ST_OK;
    case TAG_FLOAT: put_u8(b, v.tag); PUT(b, v.as.f); return ST_OK;
    case TAG_DEVICE: put_u8(b, v.tag); PUT(b, v.as.device); return ST_OK;
    case TAG_FUNCTION: return refuse("type Function", STR(""));
    default: break;
    }
    // One that nobody else holds is met once. Objects may hold themselves through each other: always numbered.
    bool shared = v.as.obj->refs > 1 || v.tag == TAG_OBJECT;
    if (shared) {
        uint32_t number;
        bool added;
        TRY(pointer_map_add(&p->work->met, v.as.obj, p->work->numbers, &number, &added));
        if (!added) {
            put_u8(b, TRANSFER_AGAIN);
            put_u32(b, number);
            return ST_OK;
        }
        p->work->numbers++;
    }
    put_u8(b, (uint8_t)(v.tag | (shared ? TRANSFER_SHARED : 0)));
    TRY(value_enter());
    Status status = put_counted(p, v);
    value_leave();
    return status;
}

// ---- the transfer

static Status work_begin(Transfer *t)
{
    if (!t->work && !(t->work = calloc(1, sizeof *t->work)))
        return status_no_memory(sizeof *t->work);
    pointer_map_clear(&t->work->met);
    t->work->numbers = t->work->sent_count = 0;
    return ST_OK;
}

Status transfer_pack(Transfer *t, const TransferTable *table, const Lane *lane, const IValue *values, uint32_t count)
{
    TRY(work_begin(t));
    Packer p = {t, t->work, table, lane};
    Buf *b = &t->head;
    size_t begin = b->len;
    put_u32(b, TRANSFER_MAGIC);
    put_u32(b, transfer_constant_count(table));
    put_u64(b, 0);
    for (uint32_t i = 0; i < count; i++)
        TRY(put_value(&p, values[i]));
    TRY(buf_status(b));
    uint64_t section = b->len - begin;
    memcpy(b->ptr + begin + 2 * sizeof(uint32_t), &section, sizeof section);
    put_u32(b, t->work->sent_count);
    for (uint32_t i = 0; i < t->work->sent_count; i++)
        TRY(put_storage(&p, &t->work->sent[i]));
    return buf_status(b);
}

Status transfer_pack_generator(Transfer *t, const Lane *lane)
{
    const Generator *g = lane->generator;
    Buf *b = &t->head;
    put_u32(b, TRANSFER_MAGIC);
    put_u8(b, !g ? 0 : g->started ? 2 : 1);
    if (g) {
        PUT(b, g->seed);
        put_u8(b, g->has_normal);
        PUT(b, g->normal);
    }
    if (g && g->started) {
        PUT(b, g->next);
        PUT(b, g->state);
    }
    return buf_status(b);
}

uint64_t transfer_bytes(const Transfer *t)
{
    uint64_t bytes = t->head.len;
    for (uint32_t i = 0; i < t->part_count; i++)
        bytes += t->parts[i].size;
    return bytes;
}

Status transfer_size(const TransferTable *table, const Lane *lane, const IValue *values, uint32_t count, uint64_t *bytes)
{
    Transfer t = {0};
    Status status = transfer_pack(&t, table, lane, values, count);
    *bytes = transfer_bytes(&t);
    transfer_free(&t);
    return status;
}

void transfer_clear(Transfer *t)
{
    buf_clear(&t->head);
    t->part_count = 0;
    t->borrows = false;
}

void transfer_free(Transfer *t)
{
    buf_free(&t->head);
    free(t->parts);
    if (t->work) {
        pointer_map_free(&t->work->met);
        free(t->work->sent);
        free(t->work);
    }
    *t = (Transfer){0};
}
