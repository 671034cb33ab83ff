// What REDUCE and persistent ids stand for: tensors over storages, typed lists, complex numbers, devices, enums.
// Nothing of a tensor is believed: sizes × strides must lie inside the storage, and the storage inside its record.
#include "io/pickle_machine.h"

#include <stdio.h>

static bool is_global(Datum *d, GlobalKind kind)
{
    return (int)d->kind == KIND_GLOBAL && ((Box *)d)->global == kind;
}

// ---- storages ----

static bool is_meta(Str device)
{
    return str_is(device, "meta");
}

// Points the storage at its record, which must hold `size` bytes. Data that is not aligned for its type is copied.
static Status load_storage(Machine *m, DatumStorage *s, uint64_t size, DType dtype)
{
    Unpickler *u = m->u;
    if (!u->archive)
        return pickle_fail(m, "storage " STR_FMT " in a pickle that has no archive", STR_ARG(s->key));
    const ArchiveRecord *r;
    Str name = arena_printf(u->arena, "%s" STR_FMT, u->storage_prefix ? u->storage_prefix : "", STR_ARG(s->key));
    TRY(archive_read(u->archive, name, &r));
    if (r->size < size)
        return pickle_fail(
            m, "storage " STR_FMT " needs %llu bytes, but record " STR_FMT " has %llu: the archive is damaged",
            STR_ARG(s->key), (unsigned long long)size, STR_ARG(name), (unsigned long long)r->size);
    size_t align = dtype_size(dtype) < 8 ? dtype_size(dtype) : 8;
    if (s->data && s->size >= size && (uintptr_t)s->data % align == 0)
        return ST_OK;
    s->size = s->size > size ? s->size : size;
    s->data = r->data;
    s->mapped = r->mapped;
    if ((uintptr_t)s->data % align) {
        char *copy = arena_alloc(u->arena, s->size + 63);
        copy += -(uintptr_t)copy % 64;
        memcpy(copy, r->data, s->size);
        s->data = (const uint8_t *)copy;
        s->mapped = false;
    }
    return ST_OK;
}

Status pickle_storage(Machine *m, Datum *id, Datum **out)
{
    if (id->kind != DATUM_TUPLE || id->count < 5 || id->items[0]->kind != DATUM_STR ||
        !str_is(id->items[0]->s, "storage"))
        return pickle_fail(m, "a persistent id is not ('storage', type, key, device, size)");
    Datum *type = id->items[1], *key = id->items[2], *device = id->items[3], *numel = id->items[4];
    if (!is_global(type, GLOBAL_STORAGE_TYPE) || key->kind != DATUM_STR || device->kind != DATUM_STR ||
        numel->kind != DATUM_INT)
        return pickle_fail(m, "a persistent id is not ('storage', type, key, device, size)");
    DType dtype = ((Box *)type)->dtype;
    int64_t size;
    if (numel->i < 0 || __builtin_mul_overflow(numel->i, (int64_t)dtype_size(dtype), &size))
        return pickle_fail(m, "storage " STR_FMT " has %lld elements", STR_ARG(key->s), (long long)numel->i);
    Unpickler *u = m->u;
    DatumStorage *s = strmap_get(&u->storages, key->s);
    if (!s) {
        s = ARENA_NEW(u->arena, DatumStorage);
        *s = (DatumStorage){.key = key->s, .dtype = dtype, .device = device->s, .id = u->storage_count++};
        strmap_put(&u->storages, u->arena, key->s, s);
    }
    if (is_meta(s->device))
        s->size = s->size > (uint64_t)size ? s->size : (uint64_t)size;
    else if (size > 0)
        TRY(load_storage(m, s, (uint64_t)size, dtype));
    Box *b = ARENA_NEW(u->arena, Box);
    b->d.kind = (DatumKind)KIND_STORAGE;
    b->storage = s;
    b->dtype = dtype;
    *out = &b->d;
    return ST_OK;
}

// ---- tensors ----

// A tuple or list of `count` non-negative integers.
static Status int_array(Machine *m, Datum *d, const char *what, int64_t **out, int *count)
{
    if (d->kind != DATUM_TUPLE && d->kind != DATUM_LIST)
        return pickle_fail(m, "the %s of a tensor are not a tuple", what);
    if (d->count > PICKLE_DIMS_MAX)
        return pickle_fail(m, "too many dimensions in a tensor: %u (limit %d)", d->count, PICKLE_DIMS_MAX);
    int64_t *v = ARENA_ARRAY(m->u->arena, int64_t, d->count + 1);
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->items[i]->kind != DATUM_INT || d->items[i]->i < 0)
            return pickle_fail(m, "the %s of a tensor are not all integers of at least 0", what);
        v[i] = d->items[i]->i;
    }
    *out = v;
    *count = (int)d->count;
    return ST_OK;
}

// The number of elements fits an int64 even where a size of 0 hides the product of the others.
static Status check_numel(Machine *m, const int64_t *size, int ndim, size_t element, bool *empty)
{
    int64_t product = (int64_t)element;
    *empty = false;
    for (int i = 0; i < ndim; i++) {
        *empty |= size[i] == 0;
        if (__builtin_mul_overflow(product, size[i] ? size[i] : 1, &product))
            return pickle_fail(m, "too many elements in a tensor");
    }
    return ST_OK;
}

// Every element lies inside the storage.
static Status check_bounds(Machine *m, const DatumTensor *t)
{
    bool empty;
    TRY(check_numel(m, t->size, t->ndim, dtype_size(t->dtype), &empty));
    int64_t last = t->offset;
    for (int i = 0; i < t->ndim; i++) {
        int64_t step;
        if (__builtin_mul_overflow(t->size[i] ? t->size[i] - 1 : 0, t->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return pickle_fail(m, "the strides of a tensor overflow");
    }
    int64_t available = (int64_t)(t->storage->size / dtype_size(t->dtype));
    if (empty ? t->offset > available : last >= available)
        return pickle_fail(m, "a tensor reaches element %lld of storage " STR_FMT ", which has %lld", (long long)last,
                           STR_ARG(t->storage->key), (long long)available);
    return ST_OK;
}

// (storage, offset, sizes, strides) at the head of the arguments of every strided tensor.
static Status strided_tensor(Machine *m, Datum *args, Datum **out, DatumTensor **tensor)
{
    if (args->kind != DATUM_TUPLE || args->count < 5 || (int)args->items[0]->kind != KIND_STORAGE ||
        args->items[1]->kind != DATUM_INT || args->items[1]->i < 0)
        return pickle_fail(m, "a tensor is not made of (storage, offset, sizes, strides, …)");
    Box *storage = (Box *)args->items[0];
    int64_t *size, *stride;
    int ndim, strides;
    TRY(int_array(m, args->items[2], "sizes", &size, &ndim));
    TRY(int_array(m, args->items[3], "strides", &stride, &strides));
    if (ndim != strides)
        return pickle_fail(m, "a tensor has %d sizes and %d strides", ndim, strides);
    Datum *d = ARENA_NEW(m->u->arena, Datum);
    DatumTensor *t = ARENA_NEW(m->u->arena, DatumTensor);
    *t = (DatumTensor){.storage = storage->storage,
                       .dtype = storage->dtype,
                       .ndim = ndim,
                       .size = size,
                       .stride = stride,
                       .offset = args->items[1]->i};
    d->kind = DATUM_TENSOR;
    d->tensor = t;
    *out = d;
    *tensor = t;
    return t->dtype == DT_QU4X2 ? ST_OK : check_bounds(m, t);
}

static Status bool_arg(Machine *m, Datum *d, bool *out)
{
    if (d->kind != DATUM_BOOL)
        return pickle_fail(m, "requires_grad of a tensor is not a bool");
    *out = d->b;
    return ST_OK;
}

static Status plain_tensor(Machine *m, Datum *args, Datum **out)
{
    DatumTensor *t;
    TRY(strided_tensor(m, args, out, &t));
    if (t->dtype == DT_QU4X2)
        return pickle_fail(m, "a tensor of quint4x2 has no quantizer");
    TRY(bool_arg(m, args->items[4], &t->requires_grad));
    Datum *metadata = args->count > 6 ? args->items[6] : &datum_none;
    if (metadata->kind != DATUM_DICT)
        return ST_OK;
    for (uint32_t i = 0; i < metadata->count; i++) {
        Datum *key = metadata->items[2 * i], *value = metadata->items[2 * i + 1];
        if (key->kind != DATUM_STR || value->kind != DATUM_BOOL)
            return pickle_fail(m, "the metadata of a tensor are not names and bools");
        if (str_is(key->s, "conj"))
            t->conj = value->b && dtype_is_complex(t->dtype);
        else if (str_is(key->s, "neg"))
            t->neg = value->b;
    }
    return ST_OK;
}

static Status quantizer(Machine *m, Datum *q, int ndim, DatumQuantizer *out)
{
    if (q->kind != DATUM_TUPLE || q->count < 3)
        return pickle_fail(m, "a quantised tensor has no (scheme, scale, zero point)");
    bool channels = is_global(q->items[0], GLOBAL_PER_CHANNEL_AFFINE) ||
                    is_global(q->items[0], GLOBAL_PER_CHANNEL_SYMMETRIC) ||
                    is_global(q->items[0], GLOBAL_PER_CHANNEL_FLOAT);
    if (channels) {
        if (q->count < 4 || q->items[1]->kind != DATUM_TENSOR || q->items[2]->kind != DATUM_TENSOR ||
            q->items[3]->kind != DATUM_INT || q->items[3]->i < 0 || q->items[3]->i >= ndim)
            return pickle_fail(m, "a tensor quantised per channel has no (scheme, scales, zero points, axis)");
        *out = (DatumQuantizer){.scheme = is_global(q->items[0], GLOBAL_PER_CHANNEL_AFFINE)  ? 1
                                          : is_global(q->items[0], GLOBAL_PER_CHANNEL_FLOAT) ? 4
                                                                                             : 3,
                                .scales = q->items[1],
                                .zero_points = q->items[2],
                                .axis = q->items[3]->i};
        return ST_OK;
    }
    bool symmetric = is_global(q->items[0], GLOBAL_PER_TENSOR_SYMMETRIC);
    if ((!symmetric && !is_global(q->items[0], GLOBAL_PER_TENSOR_AFFINE)) || q->items[1]->kind != DATUM_FLOAT ||
        q->items[2]->kind != DATUM_INT)
        return pickle_fail(m, "a quantised tensor has no (scheme, scale, zero point)");
    *out = (DatumQuantizer){.scheme = symmetric ? 2 : 0, .scale = q->items[1]->f, .zero_point = q->items[2]->i};
    return ST_OK;
}

// One scale and one zero point per index of the axis.
static Status check_channels(Machine *m, const DatumTensor *t, const DatumQuantizer *q)
{
    if (q->scales && (q->scales->tensor->quantizer || q->zero_points->tensor->quantizer))
        return pickle_fail(m, "the scales of a tensor are quantised themselves");
    if (q->scales && (datum_tensor_numel(q->scales->tensor) != t->size[q->axis] ||
                      datum_tensor_numel(q->zero_points->tensor) != t->size[q->axis]))
        return pickle_fail(m, "a tensor quantised per channel has %lld channels, %lld scales and %lld zero points",
                           (long long)t->size[q->axis], (long long)datum_tensor_numel(q->scales->tensor),
                           (long long)datum_tensor_numel(q->zero_points->tensor));
    return ST_OK;
}

// Two elements lie in one byte, the first in the low half. Here each gets a byte of its own.
static Status unpack_halves(Machine *m, DatumTensor *t)
{
    bool empty;
    TRY(check_numel(m, t->size, t->ndim, 1, &empty));
    int64_t count = 1, expected = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->size[i] > 1 && t->stride[i] != expected)
            return pickle_fail(m, "a tensor of quint4x2 is not contiguous");
        expected *= t->size[i] > 1 ? t->size[i] : 1;
        count *= t->size[i];
    }
    DatumStorage *packed = t->storage, *s = ARENA_NEW(m->u->arena, DatumStorage);
    if (t->offset || (uint64_t)(count + 1) / 2 > packed->size || !packed->data)
        return pickle_fail(m, "a tensor of quint4x2 has %lld elements, its storage %llu bytes", (long long)count, (unsigned long long)packed->size);
    uint8_t *bytes = arena_alloc(m->u->arena, (size_t)count + 1);
    *s = *packed;
    s->size = (uint64_t)count;
    s->data = bytes;
    s->mapped = false;
    s->id = m->u->storage_count++;
    for (int64_t i = 0; i < count; i++)
        bytes[i] = packed->data[i / 2] >> (i % 2 * 4) & 15;
    t->storage = s;
    return ST_OK;
}

static Status quantised_tensor(Machine *m, Datum *args, Datum **out)
{
    DatumTensor *t;
    TRY(strided_tensor(m, args, out, &t));
    if (args->count < 6 || dtype_category(t->dtype) != DT_QUANTISED)
        return pickle_fail(m, "a quantised tensor lacks its quantizer or quantised storage");
    DatumQuantizer *q = ARENA_NEW(m->u->arena, DatumQuantizer);
    if (t->dtype == DT_QU4X2)
        TRY(unpack_halves(m, t));
    TRY(quantizer(m, args->items[4], t->ndim, q));
    TRY(check_channels(m, t, q));
    t->quantizer = q;
    return bool_arg(m, args->items[5], &t->requires_grad);
}

// Kept as a tensor without data that says it is sparse: sizes are known, nothing runs it.
static Status sparse_tensor(Machine *m, Datum *args, Datum **out)
{
    if (args->kind != DATUM_TUPLE || args->count < 5 || args->items[0]->kind != DATUM_INT)
        return pickle_fail(m, "a sparse tensor is not made of (layout, sizes, requires_grad, indices, values, …)");
    if (args->items[0]->i != 1 && args->items[0]->i != 2)
        return pickle_fail(m, "a sparse tensor of layout %lld (only COO and CSR exist here)",
                           (long long)args->items[0]->i);
    int64_t *size;
    int ndim;
    bool empty;
    TRY(int_array(m, args->items[1], "sizes", &size, &ndim));
    Datum *values = args->items[args->items[0]->i == 1 || args->count < 6 ? 4 : 5];
    if (values->kind != DATUM_TENSOR)
        return pickle_fail(m, "a sparse tensor without values");
    TRY(check_numel(m, size, ndim, dtype_size(values->tensor->dtype), &empty));
    DatumStorage *s = ARENA_NEW(m->u->arena, DatumStorage);
    *s = (DatumStorage){
        .key = STR(""), .dtype = values->tensor->dtype, .device = STR("meta"), .id = m->u->storage_count++};
    DatumTensor *t = ARENA_NEW(m->u->arena, DatumTensor);
    *t = (DatumTensor){.storage = s, .dtype = s->dtype, .ndim = ndim, .size = size, .sparse = true};
    int64_t *stride = ARENA_ARRAY(m->u->arena, int64_t, ndim + 1);
    t->stride = stride;
    Datum *d = ARENA_NEW(m->u->arena, Datum);
    d->kind = DATUM_TENSOR;
    d->tensor = t;
    *out = d;
    return bool_arg(m, args->items[2], &t->requires_grad);
}

// ---- the rest ----

static Status typed_list(Machine *m, Datum *args, DatumKind kind, const char *type, Datum **out)
{
    Datum *list = args->kind == DATUM_TUPLE && args->count == 1 ? args->items[0] : args;
    if (list->kind != DATUM_LIST)
        return pickle_fail(m, "a %s is not made of a list", type);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i]->kind != kind)
            return pickle_fail(m, "item %u of a %s is of another type", i, type);
    list->name = str_of(type);
    *out = list;
    return ST_OK;
}

static Status typed_container(Machine *m, Datum *args, Datum **out)
{
    if (args->kind != DATUM_TUPLE || args->count != 2 || args->items[1]->kind != DATUM_STR)
        return pickle_fail(m, "restore_type_tag is not called with (container, type)");
    Datum *d = args->items[0];
    if (d->kind != DATUM_LIST && d->kind != DATUM_DICT)
        return pickle_fail(m, "the type " STR_FMT " is given to something that is no list or dict",
                           STR_ARG(args->items[1]->s));
    d->name = args->items[1]->s;
    *out = d;
    return ST_OK;
}

static Status complex_number(Machine *m, Datum *args, Datum **out)
{
    if (args->kind != DATUM_TUPLE || args->count != 2 || args->items[0]->kind != DATUM_FLOAT ||
        args->items[1]->kind != DATUM_FLOAT)
        return pickle_fail(m, "complex is not called with two floats");
    *out = datum_complex(m->u->arena, args->items[0]->f, args->items[1]->f);
    return ST_OK;
}

static Status device(Machine *m, Datum *args, Datum **out)
{
    if (args->kind != DATUM_TUPLE || args->count < 1 || args->count > 2 || args->items[0]->kind != DATUM_STR ||
        (args->count == 2 && args->items[1]->kind != DATUM_INT))
        return pickle_fail(m, "torch device is not called with a name");
    Datum *d = ARENA_NEW(m->u->arena, Datum);
    d->kind = DATUM_DEVICE;
    d->s = args->items[0]->s;
    if (args->count == 2)
        d->s = arena_printf(m->u->arena, STR_FMT ":%lld", STR_ARG(d->s), (long long)args->items[1]->i);
    *out = d;
    return ST_OK;
}

// A tensor of a Python subclass: (function, type, arguments, state). What is not its data is dropped.
static Status from_type(Machine *m, Datum *args, Datum **out)
{
    if (args->kind != DATUM_TUPLE || args->count != 4 || (int)args->items[0]->kind != KIND_GLOBAL)
        return pickle_fail(m, "_rebuild_from_type_v2 is not called with (function, type, arguments, state)");
    Box *function = (Box *)args->items[0];
    if (function->global == GLOBAL_REBUILD_FROM_TYPE) // would nest without end
        return pickle_fail(m, "_rebuild_from_type_v2 of itself");
    return pickle_call(m, function, args->items[2], out);
}

static Status enum_value(Machine *m, Box *cls, Datum *value, Datum **out)
{
    if (!pickle_is_pure(value))
        return pickle_fail(m, "a storage or a global is used as a value");
    TRY(pickle_container(m, DATUM_ENUM, &value, 1, out));
    (*out)->name = cls->d.name;
    return ST_OK;
}

Status pickle_call(Machine *m, Box *function, Datum *args, Datum **out)
{
    switch (function->global) {
    case GLOBAL_REBUILD_TENSOR:
        return plain_tensor(m, args, out);
    case GLOBAL_REBUILD_QTENSOR:
        return quantised_tensor(m, args, out);
    case GLOBAL_REBUILD_SPARSE:
        return sparse_tensor(m, args, out);
    case GLOBAL_REBUILD_FROM_TYPE:
        return from_type(m, args, out);
    case GLOBAL_INT_LIST:
    case GLOBAL_INT_LIST_OLD:
        return typed_list(m, args, DATUM_INT, "List[int]", out);
    case GLOBAL_FLOAT_LIST:
        return typed_list(m, args, DATUM_FLOAT, "List[float]", out);
    case GLOBAL_BOOL_LIST:
        return typed_list(m, args, DATUM_BOOL, "List[bool]", out);
    case GLOBAL_TENSOR_LIST:
        return typed_list(m, args, DATUM_TENSOR, "List[Tensor]", out);
    case GLOBAL_TYPE_TAG:
        return typed_container(m, args, out);
    case GLOBAL_COMPLEX:
        return complex_number(m, args, out);
    case GLOBAL_DEVICE:
        return device(m, args, out);
    case GLOBAL_ORDERED_DICT:
        return pickle_container(m, DATUM_DICT, NULL, 0, out);
    case GLOBAL_TENSOR_FROM_ID:
    case GLOBAL_TENSOR_ID_OLD:
        return pickle_fail(
            m, "tensors by number are of PyTorch 1.0 to 1.3: load the model with PyTorch 1.4 or newer and save it "
               "again");
    case GLOBAL_CLASS:
        return enum_value(m, function, args, out);
    default:
        return pickle_fail(m, STR_FMT " is called, but it is no function", STR_ARG(function->d.name));
    }
}
