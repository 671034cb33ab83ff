// Conversions between archive data (Datum) and values of a lane.
// From a Datum: bytes of tensors are borrowed, identity is kept through a memo. To a Datum: for constant folding.
#include "worker/lane.h"
#include "worker/quant.h"
#include "worker/tensor.h"

#include <stdlib.h>

// ---- memo: address of a Datum, DatumTensor or DatumStorage -> what was made for it

typedef struct MemoSlot {
    const void *key;
    IValue value;     // retained; TAG_NONE for storages
    Storage *storage; // retained, or NULL
} MemoSlot;

struct ValueMemo {
    MemoSlot *slots;
    size_t count, capacity; // a power of two
};

void value_memo_free(ValueMemo *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->capacity; i++)
        if (m->slots[i].key) {
            value_release(m->slots[i].value);
            if (m->slots[i].storage)
                storage_release(m->slots[i].storage);
        }
    free(m->slots);
    free(m);
}

static MemoSlot *memo_slot(MemoSlot *slots, size_t capacity, const void *key)
{
    size_t at = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u >> 20;
    for (at &= capacity - 1; slots[at].key && slots[at].key != key;)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static MemoSlot *memo_find(ValueMemo *m, const void *key)
{
    if (!m || !m->capacity)
        return NULL;
    MemoSlot *s = memo_slot(m->slots, m->capacity, key);
    return s->key ? s : NULL;
}

// Retains value and storage.
static Status memo_put(ValueMemo *m, const void *key, IValue value, Storage *storage)
{
    if (m->count * 2 >= m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 64;
        MemoSlot *slots = calloc(capacity, sizeof *slots);
        if (!slots)
            return status_no_memory(capacity * sizeof *slots);
        for (size_t i = 0; i < m->capacity; i++)
            if (m->slots[i].key)
                *memo_slot(slots, capacity, m->slots[i].key) = m->slots[i];
        free(m->slots);
        m->slots = slots;
        m->capacity = capacity;
    }
    if (storage)
        storage->refs++;
    *memo_slot(m->slots, m->capacity, key) = (MemoSlot){key, value_retain(value), storage};
    m->count++;
    return ST_OK;
}

// Hands *v to the memo as well. On failure *v is released and None: callers release what they have so far.
static Status memo_keep(ValueMemo *m, const void *key, IValue *v)
{
    Status status = memo_put(m, key, *v, NULL);
    if (status != ST_OK) {
        value_release(*v);
        *v = value_none();
    }
    return status;
}

// ---- Datum -> IValue

static Status from_datum(Lane *lane, ValueMemo *memo, const Datum *d, const Type *type, IValue *out);

// The type that a container's items have, given the container's declared type.
static const Type *strip_optional(const Type *t) { return t && t->kind == TYPE_OPTIONAL ? t->elem[0] : t; }

static const Type *element_type(const Type *t, TypeKind kind, uint32_t index)
{
    t = strip_optional(t);
    if (t && t->kind == TYPE_UNION) { // the one member of that kind
        const Type *found = NULL;
        for (uint32_t i = 0; i < t->count; i++)
            if (t->elem[i]->kind == kind)
                found = t->elem[i];
        t = found;
    }
    return t && t->kind == kind && index < t->count ? t->elem[index] : NULL;
}

Status storage_of_datum(Lane *lane, const DatumStorage *d, Storage **out)
{
    if ((uintptr_t)d->data % dtype_size(d->dtype) == 0)
        return storage_borrow(lane, d->data, d->size, out);
    TRY(storage_new(lane, d->size, out)); // of an archive that was zipped again
    memcpy((*out)->data, d->data, d->size);
    (*out)->shared = (*out)->tracked = true;
    (*out)->source = d->data;
    return ST_OK;
}

static Status storage_from_datum(Lane *lane, ValueMemo *memo, const DatumStorage *d, Storage **out)
{
    MemoSlot *known = memo_find(memo, d);
    if (known) {
        *out = known->storage;
        return ST_OK;
    }
    Storage *s;
    TRY(storage_of_datum(lane, d, &s));
    Status status = memo_put(memo, d, value_none(), s);
    storage_release(s); // the memo keeps it
    *out = s;
    return status;
}

static Status tensor_from_datum(Lane *lane, ValueMemo *memo, const DatumTensor *d, IValue *out);

static Status quant_from_datum(Lane *lane, ValueMemo *memo, const DatumQuantizer *d, Quant **out)
{
    if (!d->scales)
        return quant_new(d->scale, d->zero_point, out);
    IValue scales, zero_points;
    TRY(tensor_from_datum(lane, memo, d->scales->tensor, &scales));
    Status status = tensor_from_datum(lane, memo, d->zero_points->tensor, &zero_points);
    if (status == ST_OK) {
        status = quant_new_channels(lane, (uint8_t)d->scheme, scales.as.tensor, zero_points.as.tensor, d->axis, out);
        value_release(zero_points);
    }
    value_release(scales);
    return status;
}

static Status tensor_from_datum(Lane *lane, ValueMemo *memo, const DatumTensor *d, IValue *out)
{
    if (d->sparse)
        return status_fail(ST_UNSUPPORTED, "sparse tensors are not supported");
    if (d->ndim > VIEW_MAX_DIMS)
        return status_fail(ST_UNSUPPORTED, "tensors of %d dimensions are not supported (limit %d)", d->ndim, VIEW_MAX_DIMS);
    if (!d->storage->data && datum_tensor_numel(d) != 0)
        return status_fail(ST_UNSUPPORTED, "a tensor on device " STR_FMT " has no data: save the model with its weights",
                           STR_ARG(d->storage->device));
    MemoSlot *known = memo_find(memo, d);
    if (known) {
        *out = value_retain(known->value);
        return ST_OK;
    }
    View v = {.dtype = (uint8_t)d->dtype, .ndim = (uint8_t)d->ndim, .layout = LAYOUT_STRIDED, .device = DEVICE_CPU};
    for (int i = 0; i < d->ndim; i++) {
        v.size[i] = d->size[i];
        v.stride[i] = d->stride[i];
    }
    Storage *s;
    TRY(storage_from_datum(lane, memo, d->storage, &s));
    Tensor *t;
    TRY(tensor_of_storage(lane, s, &v, d->offset, &t));
    t->bits = (uint8_t)((d->conj && dtype_is_complex(d->dtype) ? TENSOR_CONJ : 0) | (d->neg ? TENSOR_NEG : 0));
    if (d->quantizer) {
        Status status = quant_from_datum(lane, memo, d->quantizer, &t->quant);
        if (status != ST_OK) {
            tensor_release(t);
            return status;
        }
    }
    t->requires_grad = d->requires_grad;
    t->is_constant = true;
    *out = value_tensor_take(t);
    return memo_keep(memo, d, out);
}

static Status items_from_datum(Lane *lane, ValueMemo *memo, const Datum *d, const Type *type, IValue *out)
{
    bool list = d->kind == DATUM_LIST;
    if (list) {
        ListObj *l = list_new(element_type(type, TYPE_LIST, 0), d->count);
        if (!l)
            return ST_MEMORY;
        *out = value_list_take(l);
    } else {
        TupleObj *t = tuple_new(d->count, strip_optional(type));
        if (!t)
            return ST_MEMORY;
        *out = value_tuple_take(t);
    }
    for (uint32_t i = 0; i < d->count; i++) {
        IValue item;
        const Type *item_type = list ? out->as.list->elem : element_type(type, TYPE_TUPLE, i);
        Status status = from_datum(lane, memo, d->items[i], item_type, &item);
        if (status != ST_OK) {
            value_release(*out);
            return status;
        }
        if (list)
            out->as.list->items[out->as.list->len++] = item;
        else
            out->as.tuple->items[i] = item;
    }
    return ST_OK;
}

static Status dict_from_datum(Lane *lane, ValueMemo *memo, const Datum *d, const Type *type, IValue *out)
{
    const Type *key_type = element_type(type, TYPE_DICT, 0), *value_type = element_type(type, TYPE_DICT, 1);
    DictObj *dict = dict_new(key_type, value_type);
    if (!dict)
        return ST_MEMORY;
    Status status = ST_OK;
    for (uint32_t i = 0; i < d->count && status == ST_OK; i++) {
        IValue key = value_none(), value = value_none();
        status = from_datum(lane, memo, d->items[2 * i], key_type, &key);
        if (status == ST_OK)
            status = from_datum(lane, memo, d->items[2 * i + 1], value_type, &value);
        if (status == ST_OK)
            status = dict_set(dict, key, value);
        value_release(key);
        value_release(value);
    }
    *out = value_dict_take(dict);
    if (status != ST_OK)
        value_release(*out);
    return status;
}

static Status object_from_datum(Lane *lane, ValueMemo *memo, const Datum *d, IValue *out)
{
    ClassDef *cls = d->cls;
    if (!cls || (cls->kind == CLASS_BUILTIN && !cls->attr_count))
        return status_fail(ST_UNSUPPORTED, "objects of class " STR_FMT " are not supported", STR_ARG(d->name));
    Object *o = object_new(cls);
    if (!o)
        return ST_MEMORY;
    o->persistent = true;
    for (uint32_t i = 0; i < cls->attr_count; i++) {
        Datum *attr = datum_attr(d, cls->attrs[i].name);
        Status status = ST_OK;
        if (!attr)
            status = status_fail(ST_BAD_MODEL, "object of class " STR_FMT " has no attribute " STR_FMT, STR_ARG(cls->name), STR_ARG(cls->attrs[i].name));
        else if ((status = from_datum(lane, memo, attr, cls->attrs[i].type, &o->slots[i])) != ST_OK)
            status_context(status, STR_FMT, STR_ARG(cls->attrs[i].name));
        if (status != ST_OK) {
            value_release(value_object_take(o));
            return status;
        }
    }
    *out = value_object_take(o);
    return ST_OK;
}

static Status enum_from_datum(Lane *lane, ValueMemo *memo, const Datum *d, IValue *out)
{
    const ClassDef *cls = d->cls;
    if (!cls || d->count != 1)
        return status_fail(ST_BAD_MODEL, "enum " STR_FMT " is not defined", STR_ARG(d->name));
    for (uint32_t i = 0; i < cls->constant_count; i++) { // members; their values are enums too
        const Datum *member = cls->constants[i].value;
        if (member->kind == DATUM_ENUM && member->count == 1)
            member = member->items[0];
        if (datum_equal(member, d->items[0])) {
            IValue bare;
            TRY(from_datum(lane, memo, d->items[0], NULL, &bare));
            Status status = value_enum(cls, cls->constants[i].name, bare, out);
            value_release(bare);
            return status;
        }
    }
    return status_fail(ST_BAD_MODEL, "enum " STR_FMT " has no member with the value that is stored", STR_ARG(d->name));
}

// "cuda:1"
static Device device_of(Str text)
{
    ptrdiff_t colon = str_find(text, ':');
    Str kind = colon < 0 ? text : str_first(text, (size_t)colon);
    Device d = {.kind = DEVICE_CPU, .index = -1};
    if (str_is(kind, "cuda"))
        d.kind = DEVICE_CUDA;
    else if (str_is(kind, "meta"))
        d.kind = DEVICE_META;
    for (size_t i = (size_t)colon + 1; colon >= 0 && i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        d.index = (int8_t)((d.index < 0 ? 0 : d.index * 10 % 128) + (text.ptr[i] - '0'));
    return d;
}

// Kinds that have identity, kept through the memo.
static Status shared_from_datum(Lane *lane, ValueMemo *memo, const Datum *d, const Type *type, IValue *out)
{
    MemoSlot *known = memo_find(memo, d);
    if (known) {
        *out = value_retain(known->value);
        return ST_OK;
    }
    Status status;
    switch (d->kind) {
    case DATUM_DICT: status = dict_from_datum(lane, memo, d, type, out); break;
    case DATUM_OBJECT: status = object_from_datum(lane, memo, d, out); break;
    default: status = items_from_datum(lane, memo, d, type, out); break;
    }
    if (status == ST_OK)
        return memo_keep(memo, d, out);
    *out = value_none(); // what was made is gone
    return status;
}

static Status from_datum(Lane *lane, ValueMemo *memo, const Datum *d, const Type *type, IValue *out)
{
    switch (d->kind) {
    case DATUM_NONE: *out = value_none(); return ST_OK;
    case DATUM_BOOL: *out = value_bool(d->b); return ST_OK;
    case DATUM_INT: *out = value_int(d->i); return ST_OK;
    case DATUM_FLOAT: *out = value_float(d->f); return ST_OK;
    case DATUM_COMPLEX: return value_complex(d->c.re, d->c.im, out);
    case DATUM_STR: return value_str(d->s, out);
    case DATUM_DEVICE: *out = (IValue){.tag = TAG_DEVICE, .as.device = device_of(d->s)}; return ST_OK;
    case DATUM_TENSOR: return tensor_from_datum(lane, memo, d->tensor, out);
    case DATUM_ENUM: return enum_from_datum(lane, memo, d, out);
    case DATUM_FUNCTION: *out = value_none(); return ST_OK; // calls know their callee
    default: return shared_from_datum(lane, memo, d, type, out);
    }
}

Status value_from_datum(Lane *lane, ValueMemo **memo, const Datum *d, const Type *type, IValue *out)
{
    *out = value_none();
    if (!*memo && !(*memo = calloc(1, sizeof **memo)))
        return status_no_memory(sizeof **memo);
    Status status = from_datum(lane, *memo, d, type, out);
    if (status != ST_OK)
        *out = value_none();
    return status;
}

// ---- IValue -> Datum

static Datum *datum_new(Arena *a, DatumKind kind)
{
    Datum *d = ARENA_NEW(a, Datum);
    if (d)
        d->kind = kind;
    return d;
}

// Bytes from the first to the last element of a tensor that is copied as it lies, strides and all; 0 when gaps would
// make most of them.
static size_t span_as_it_lies(const View *v)
{
    int64_t span = 1, numel = view_numel(v);
    if (numel == 0 || v->layout != LAYOUT_STRIDED)
        return 0;
    for (int d = 0; d < v->ndim; d++)
        if (v->stride[d] < 0 || (span += (v->size[d] - 1) * v->stride[d]) > 4 * numel)
            return 0;
    return (size_t)span * dtype_size((DType)v->dtype);
}

static Status tensor_to_datum(Arena *arena, Tensor *t, Datum **out);

static Status quant_to_datum(Arena *arena, const Quant *q, const DatumQuantizer **out)
{
    DatumQuantizer *d = ARENA_NEW(arena, DatumQuantizer);
    if (!d)
        return ST_MEMORY;
    *d = (DatumQuantizer){.scheme = q->scheme, .scale = q->scale, .zero_point = q->zero_point, .axis = q->axis};
    if (q->scales) {
        TRY(tensor_to_datum(arena, q->scales, &d->scales));
        TRY(tensor_to_datum(arena, q->zero_points, &d->zero_points));
    }
    *out = d;
    return ST_OK;
}

static Status tensor_to_datum(Arena *arena, Tensor *t, Datum **out)
{
    if (t->nested)
        return ST_DECLINED;
    TRY(tensor_make_plain(t->storage->lane, t));
    DatumTensor *d = ARENA_NEW(arena, DatumTensor);
    DatumStorage *s = ARENA_NEW(arena, DatumStorage);
    *out = datum_new(arena, DATUM_TENSOR);
    View v;
    view_assign(&v, &t->view);
    bool keep = t->is_constant && t->storage->shared;
    size_t span = span_as_it_lies(&v), bytes = span;
    uint8_t *copy = NULL;
    if (!keep) {
        if (!span) {
            view_set_contiguous(&v, v.ndim, v.size);
            bytes = (size_t)view_numel(&v) * dtype_size((DType)v.dtype);
        }
        uint8_t *block = arena_alloc(arena, bytes + 64);
        if (!block)
            return ST_MEMORY;
        copy = (uint8_t *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    }
    int64_t *sizes = arena_copy(arena, v.size, sizeof *sizes * (size_t)v.ndim), *strides = arena_copy(arena, v.stride, sizeof *strides * (size_t)v.ndim);
    if (!d || !s || !*out || (v.ndim && (!sizes || !strides)))
        return ST_MEMORY;
    *s = (DatumStorage){.dtype = (DType)v.dtype, .device = STR("cpu"), .size = keep ? t->storage->size : bytes, .data = keep ? t->storage->data : copy};
    *d = (DatumTensor){.storage = s, .dtype = (DType)v.dtype, .ndim = v.ndim, .size = sizes, .stride = strides, .offset = keep ? t->offset : 0, .requires_grad = t->requires_grad,
                         .conj = t->bits & TENSOR_CONJ, .neg = t->bits & TENSOR_NEG};
    (*out)->tensor = d;
    if (t->quant)
        TRY(quant_to_datum(arena, t->quant, &d->quantizer));
    if (keep)
        return ST_OK;
    if (span) {
        memcpy(copy, t->view.data, span);
        return ST_OK;
    }
    Tensor *target;
    v.data = copy;
    TRY(tensor_borrow(t->storage->lane, &v, bytes, &target));
    target->storage->shared = false; // the copy is ours to fill
    target->bits = t->bits;
    Status status = tensor_copy_into(t->storage->lane, target, t);
    tensor_release(target);
    return status;
}

static Status items_to_datum(Arena *arena, const IValue *items, uint32_t count, Datum *out)
{
    out->items = ARENA_ARRAY(arena, Datum *, count + 1);
    if (!out->items)
        return ST_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        TRY(value_to_datum(arena, items[i], &out->items[i]));
    out->count = count;
    return ST_OK;
}

static Status dict_to_datum(Arena *arena, const DictObj *dict, Datum *out)
{
    out->items = ARENA_ARRAY(arena, Datum *, 2 * (size_t)dict_len(dict) + 1);
    if (!out->items)
        return ST_MEMORY;
    IValue key, value;
    uint32_t n = 0;
    for (uint32_t at = 0; dict_next(dict, &at, &key, &value); n++) {
        TRY(value_to_datum(arena, key, &out->items[2 * n]));
        TRY(value_to_datum(arena, value, &out->items[2 * n + 1]));
    }
    out->count = n;
    return ST_OK;
}

// Packed parameters are data: the same attributes as in an archive.
static Status builtin_to_datum(Arena *arena, const Object *o, Datum **out)
{
    Datum *state = datum_new(arena, DATUM_DICT), *d = datum_new(arena, DATUM_OBJECT);
    if (!state || !d)
        return ST_MEMORY;
    d->name = o->cls->name;
    d->cls = o->cls;
    d->state = state;
    for (uint32_t i = 0; i < o->len; i++) {
        Datum *value;
        TRY(value_to_datum(arena, o->slots[i], &value));
        datum_set_attr(d, arena, o->cls->attrs[i].name, value);
    }
    *out = d;
    return ST_OK;
}

static Str device_text(Device d)
{
    return d.kind == DEVICE_CUDA ? STR("cuda") : d.kind == DEVICE_META ? STR("meta") : STR("cpu");
}

static Status to_datum(Arena *arena, IValue v, Datum **out)
{
    switch ((ValueTag)v.tag) {
    case TAG_NONE: *out = &datum_none; return ST_OK;
    case TAG_BOOL: *out = datum_bool(v.as.b); return ST_OK;
    case TAG_INT: *out = datum_int(arena, v.as.i); break;
    case TAG_FLOAT: *out = datum_float(arena, v.as.f); break;
    case TAG_COMPLEX: *out = datum_complex(arena, v.as.complex->re, v.as.complex->im); break;
    case TAG_STR: *out = datum_str(arena, str_of_value(v)); break;
    case TAG_DEVICE:
        if ((*out = datum_new(arena, DATUM_DEVICE)))
            (*out)->s = v.as.device.index < 0 ? device_text(v.as.device)
                                              : arena_printf(arena, STR_FMT ":%d", STR_ARG(device_text(v.as.device)), v.as.device.index);
        break;
    case TAG_TENSOR: return tensor_to_datum(arena, v.as.tensor, out);
    case TAG_LIST:
        if ((*out = datum_new(arena, DATUM_LIST)))
            return items_to_datum(arena, v.as.list->items, v.as.list->len, *out);
        break;
    case TAG_TUPLE:
        if ((*out = datum_new(arena, DATUM_TUPLE)))
            return items_to_datum(arena, v.as.tuple->items, v.as.tuple->len, *out);
        break;
    case TAG_DICT:
        if ((*out = datum_new(arena, DATUM_DICT)))
            return dict_to_datum(arena, v.as.dict, *out);
        break;
    case TAG_OBJECT:
        if (v.as.object->cls->kind == CLASS_BUILTIN)
            return builtin_to_datum(arena, v.as.object, out);
        return status_fail(ST_DECLINED, "an object of class " STR_FMT " is not data", STR_ARG(v.as.object->cls->name));
    default: return status_fail(ST_DECLINED, "a value of tag %d is not data", v.tag);
    }
    return *out ? ST_OK : ST_MEMORY;
}

Status value_to_datum(Arena *arena, IValue v, Datum **out)
{
    TRY(value_enter());
    Status status = to_datum(arena, v, out);
    value_leave();
    return status;
}
