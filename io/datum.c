// Datum: constructors, attribute access and comparison of the plain values that archives hold.
// Memory is the caller's arena; a constructor returns NULL only when that arena has no guard and no memory.
#include "io/datum.h"

Datum datum_none = {.kind = DATUM_NONE};
Datum datum_true = {.kind = DATUM_BOOL, .b = true};
Datum datum_false = {.kind = DATUM_BOOL, .b = false};

static Datum *new_datum(Arena *a, DatumKind kind)
{
    Datum *d = ARENA_NEW(a, Datum);
    if (d)
        d->kind = kind;
    return d;
}

Datum *datum_int(Arena *a, int64_t v)
{
    Datum *d = new_datum(a, DATUM_INT);
    if (d)
        d->i = v;
    return d;
}

Datum *datum_float(Arena *a, double v)
{
    Datum *d = new_datum(a, DATUM_FLOAT);
    if (d)
        d->f = v;
    return d;
}

Datum *datum_complex(Arena *a, double re, double im)
{
    Datum *d = new_datum(a, DATUM_COMPLEX);
    if (d) {
        d->c.re = re;
        d->c.im = im;
    }
    return d;
}

Datum *datum_bool(bool v)
{
    return v ? &datum_true : &datum_false;
}

Datum *datum_str(Arena *a, Str v)
{
    Datum *d = new_datum(a, DATUM_STR);
    if (d)
        d->s = arena_str(a, v);
    return d && d->s.ptr ? d : NULL;
}

Datum *datum_list(Arena *a, DatumKind list_or_tuple, Datum **items, uint32_t count)
{
    Datum *d = new_datum(a, list_or_tuple);
    if (d) {
        d->items = items;
        d->count = count;
    }
    return d;
}

Datum *datum_tensor(Arena *a, DType dtype, int ndim, const int64_t *size, const void *data)
{
    Datum *d = new_datum(a, DATUM_TENSOR);
    DatumTensor *t = ARENA_NEW(a, DatumTensor);
    DatumStorage *s = ARENA_NEW(a, DatumStorage);
    int64_t *sizes = arena_copy(a, size, sizeof(int64_t) * (size_t)ndim);
    int64_t *strides = ARENA_ARRAY(a, int64_t, ndim);
    if (!d || !t || !s || !sizes || !strides)
        return NULL;
    int64_t numel = 1;
    for (int i = ndim; i-- > 0;) {
        strides[i] = numel;
        numel *= size[i] > 1 ? size[i] : 1; // the strides PyTorch gives an empty tensor too
    }
    *t = (DatumTensor){.storage = s, .dtype = dtype, .ndim = ndim, .size = sizes, .stride = strides};
    *s = (DatumStorage){.key = STR(""), .dtype = dtype, .device = STR("cpu"), .data = data};
    s->size = (uint64_t)datum_tensor_numel(t) * dtype_size(dtype);
    d->tensor = t;
    return d;
}

// Index of the value of `name` in the state of an object, or -1.
static ptrdiff_t find_attr(const Datum *object, Str name)
{
    const Datum *state = object->kind == DATUM_OBJECT ? object->state : NULL;
    if (!state || state->kind != DATUM_DICT)
        return -1;
    for (uint32_t i = 0; i < state->count; i++)
        if (state->items[2 * i]->kind == DATUM_STR && str_eq(state->items[2 * i]->s, name))
            return (ptrdiff_t)(2 * i + 1);
    return -1;
}

Datum *datum_attr(const Datum *object, Str name)
{
    ptrdiff_t at = find_attr(object, name);
    return at < 0 ? NULL : object->state->items[at];
}

void datum_set_attr(Datum *object, Arena *a, Str name, Datum *value)
{
    ptrdiff_t at = find_attr(object, name);
    if (at >= 0) {
        object->state->items[at] = value;
        return;
    }
    uint32_t count = object->state ? object->state->count : 0;
    Datum **items = ARENA_ARRAY(a, Datum *, 2 * ((size_t)count + 1));
    Datum *state = object->state ? object->state : new_datum(a, DATUM_DICT);
    Datum *key = datum_str(a, name);
    if (!items || !state || !key)
        return;
    if (count)
        memcpy(items, state->items, sizeof *items * 2 * count);
    items[2 * count] = key;
    items[2 * count + 1] = value;
    state->items = items;
    state->count = count + 1;
    object->state = state;
}

int64_t datum_tensor_numel(const DatumTensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->size[i];
    return n;
}

static bool same_bytes(const void *a, const void *b, size_t size)
{
    return size == 0 || a == b || (a && b && memcmp(a, b, size) == 0);
}

// Compares dimension `dim` and those behind it, element offsets `at_a`, `at_b` from the first element.
static bool same_elements(const DatumTensor *a, const DatumTensor *b, int dim, int64_t at_a, int64_t at_b)
{
    size_t size = dtype_size(a->dtype);
    if (dim == a->ndim)
        return same_bytes((const char *)datum_tensor_data(a) + at_a * (int64_t)size,
                          (const char *)datum_tensor_data(b) + at_b * (int64_t)size, size);
    bool last = dim + 1 == a->ndim;
    if (last && a->stride[dim] == 1 && b->stride[dim] == 1)
        return same_bytes((const char *)datum_tensor_data(a) + at_a * (int64_t)size,
                          (const char *)datum_tensor_data(b) + at_b * (int64_t)size, (size_t)a->size[dim] * size);
    for (int64_t i = 0; i < a->size[dim]; i++)
        if (!same_elements(a, b, dim + 1, at_a + i * a->stride[dim], at_b + i * b->stride[dim]))
            return false;
    return true;
}

static bool tensor_equal(const DatumTensor *a, const DatumTensor *b)
{
    if (a == b)
        return true;
    if (a->sparse || b->sparse || a->quantizer || b->quantizer)
        return false;
    if (a->dtype != b->dtype || a->ndim != b->ndim || a->conj != b->conj || a->neg != b->neg ||
        !same_bytes(a->size, b->size, sizeof(int64_t) * (size_t)a->ndim))
        return false;
    if (datum_tensor_numel(a) == 0)
        return true;
    if (!a->storage->data || !b->storage->data)
        return a->storage == b->storage;
    return same_elements(a, b, 0, 0, 0);
}

static bool items_equal(const Datum *a, const Datum *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!datum_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

bool datum_equal(const Datum *a, const Datum *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case DATUM_NONE:
        return true;
    case DATUM_BOOL:
        return a->b == b->b;
    case DATUM_INT:
        return a->i == b->i;
    case DATUM_FLOAT: // by bits: NaN is itself, -0 is not 0
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case DATUM_COMPLEX:
        return memcmp(&a->c, &b->c, sizeof a->c) == 0;
    case DATUM_STR:
    case DATUM_DEVICE:
        return str_eq(a->s, b->s);
    case DATUM_TENSOR:
        return tensor_equal(a->tensor, b->tensor);
    case DATUM_TUPLE:
    case DATUM_LIST:
        return a->count == b->count && items_equal(a, b, a->count);
    case DATUM_DICT:
        return a->count == b->count && items_equal(a, b, 2 * (size_t)a->count);
    case DATUM_ENUM:
        return str_eq(a->name, b->name) && datum_equal(a->items[0], b->items[0]);
    case DATUM_FUNCTION:
        return str_eq(a->name, b->name);
    case DATUM_OBJECT:
        return false; // identity was asked first
    }
    return false;
}

bool device_text_parse(Str text, Str *kind, int64_t *index)
{
    ptrdiff_t colon = str_find(text, ':');
    *kind = colon < 0 ? text : str_first(text, (size_t)colon);
    *index = -1;
    for (size_t i = 0; i < kind->len; i++) {
        char c = kind->ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'))
            return false;
    }
    if (colon < 0)
        return kind->len > 0;
    Str digits = str_from(text, (size_t)colon + 1);
    if (!kind->len || !digits.len || digits.len > 3 || (digits.len > 1 && digits.ptr[0] == '0'))
        return false;
    *index = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        *index = *index * 10 + digits.ptr[i] - '0';
    }
    return true;
}

bool device_kind_known(Str kind)
{
    Str rest = STR(DEVICE_KINDS);
    while (rest.len) {
        ptrdiff_t comma = str_find(rest, ',');
        Str one = comma < 0 ? rest : str_first(rest, (size_t)comma);
        if (str_eq(one, kind))
            return true;
        rest = comma < 0 ? str_from(rest, rest.len) : str_from(rest, (size_t)comma + 2);
    }
    return str_is(kind, "ort");
}
