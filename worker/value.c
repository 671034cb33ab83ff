// Values of a running program: constructors, release, equality.
// Small objects come from malloc; tensors belong to their lane's allocator (tensor.c).
#include "worker/value.h"

#include "worker/tensor.h"

#include <stdlib.h>

static void *counted_new(size_t size, ValueTag tag)
{
    Counted *c = malloc(size);
    if (!c) {
        status_no_memory(size);
        return NULL;
    }
    c->refs = 1;
    c->tag = (uint8_t)tag;
    return c;
}

static void release_all(const IValue *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        value_release(items[i]);
}

static _Thread_local int depth;

Status value_enter(void)
{
    if (depth >= VALUE_DEPTH)
        return status_fail(ST_RAISED, "values are nested too deeply (limit %d)", VALUE_DEPTH);
    depth++;
    return ST_OK;
}

void value_leave(void) { depth--; }

static void unlist(Object *o)
{
    if (!o->link)
        return;
    *o->link = o->next;
    if (o->next)
        o->next->link = o->link;
    o->next = NULL;
    o->link = NULL;
}

static void free_now(IValue v)
{
    switch ((ValueTag)v.tag) {
    case TAG_TENSOR: tensor_free(v.as.tensor); return;
    case TAG_LIST:
        release_all(v.as.list->items, v.as.list->len);
        free(v.as.list->items);
        break;
    case TAG_TUPLE: release_all(v.as.tuple->items, v.as.tuple->len); break;
    case TAG_OBJECT:
        unlist(v.as.object);
        release_all(v.as.object->slots, v.as.object->len);
        break;
    case TAG_DICT: dict_free(v.as.dict); return;
    case TAG_ENUM: value_release(v.as.enumeration->value); break;
    case TAG_FUTURE: value_release(v.as.future->value); break;
    default: break; // STR, COMPLEX, GENERATOR: one block
    }
    free(v.as.obj);
}

// What lies deep inside the value that is being freed waits until that is done.
static _Thread_local struct { IValue *items; size_t count, capacity; int depth; } waiting;

static bool wait_to_be_freed(IValue v)
{
    if (waiting.count == waiting.capacity) {
        size_t capacity = waiting.capacity ? 2 * waiting.capacity : 64;
        IValue *items = realloc(waiting.items, capacity * sizeof *items);
        if (!items)
            return false;
        waiting.items = items;
        waiting.capacity = capacity;
    }
    waiting.items[waiting.count++] = v;
    return true;
}

void value_free(IValue v)
{
    if (waiting.depth >= VALUE_DEPTH && wait_to_be_freed(v))
        return;
    waiting.depth++;
    free_now(v);
    while (waiting.depth == 1 && waiting.count)
        free_now(waiting.items[--waiting.count]);
    waiting.depth--;
    if (waiting.depth == 0 && waiting.items) {
        free(waiting.items);
        waiting.items = NULL;
        waiting.capacity = 0;
    }
}

Status value_str(Str s, IValue *out)
{
    if (s.len > UINT32_MAX)
        return status_fail(ST_RAISED, "RuntimeError: string of %zu bytes is too long (limit %u)", s.len, UINT32_MAX);
    StrObj *o = counted_new(sizeof *o + s.len + 1, TAG_STR);
    if (!o)
        return ST_MEMORY;
    o->len = (uint32_t)s.len;
    if (s.len)
        memcpy(o->bytes, s.ptr, s.len);
    o->bytes[s.len] = '\0';
    *out = (IValue){.tag = TAG_STR, .as.str = o};
    return ST_OK;
}

Status value_complex(double re, double im, IValue *out)
{
    ComplexObj *o = counted_new(sizeof *o, TAG_COMPLEX);
    if (!o)
        return ST_MEMORY;
    o->re = re;
    o->im = im;
    *out = (IValue){.tag = TAG_COMPLEX, .as.complex = o};
    return ST_OK;
}

Status value_enum(const ClassDef *cls, Str name, IValue value, IValue *out)
{
    EnumObj *o = counted_new(sizeof *o, TAG_ENUM);
    if (!o)
        return ST_MEMORY;
    o->cls = cls;
    o->name = name;
    o->value = value_retain(value);
    *out = (IValue){.tag = TAG_ENUM, .as.enumeration = o};
    return ST_OK;
}

Status value_future_take(IValue result, IValue *out)
{
    FutureObj *o = counted_new(sizeof *o, TAG_FUTURE);
    if (!o) {
        value_release(result);
        return ST_MEMORY;
    }
    o->value = result;
    o->failed = false;
    *out = (IValue){.tag = TAG_FUTURE, .as.future = o};
    return ST_OK;
}

Status future_result(IValue future, IValue *out)
{
    if (future.tag != TAG_FUTURE) {
        *out = value_retain(future);
        return ST_OK;
    }
    if (future.as.future->failed)
        return status_fail(ST_RAISED, STR_FMT, STR_ARG(str_of_value(future.as.future->value)));
    *out = value_retain(future.as.future->value);
    return ST_OK;
}

ListObj *list_new(const Type *elem, uint32_t capacity)
{
    ListObj *l = counted_new(sizeof *l, TAG_LIST);
    if (!l)
        return NULL;
    l->len = 0;
    l->capacity = capacity;
    l->elem = elem;
    l->items = capacity ? malloc(sizeof *l->items * capacity) : NULL;
    if (capacity && !l->items) {
        status_no_memory(sizeof *l->items * capacity);
        free(l);
        return NULL;
    }
    return l;
}

Status list_changed(const ListObj *l, Status (*change)(void *ctx, IValue item, IValue *out), void *ctx, IValue *out)
{
    ListObj *made = list_new(l->elem, l->len);
    Status status = made ? ST_OK : ST_MEMORY;
    for (uint32_t i = 0; i < l->len && status == ST_OK; i++) {
        IValue item;
        status = change(ctx, l->items[i], &item);
        if (status == ST_OK)
            status = list_push_take(made, item);
    }
    if (status == ST_OK)
        *out = value_list_take(made);
    else if (made)
        value_release(value_list_take(made));
    return status;
}

static Status list_grow(ListObj *l)
{
    if (l->capacity > UINT32_MAX / 2)
        return status_fail(ST_MEMORY, "too many list items (limit %u)", UINT32_MAX);
    uint32_t capacity = l->capacity ? l->capacity * 2 : 4;
    IValue *items = realloc(l->items, sizeof *items * capacity);
    if (!items)
        return status_no_memory(sizeof *items * capacity);
    l->items = items;
    l->capacity = capacity;
    return ST_OK;
}

Status list_push_take(ListObj *l, IValue v)
{
    if (l->len == l->capacity) {
        Status status = list_grow(l);
        if (status != ST_OK) {
            value_release(v);
            return status;
        }
    }
    l->items[l->len++] = v;
    return ST_OK;
}

// Interned nowhere: lists of ints made by operators share this element type.
static const Type int_type = {.kind = TYPE_INT};

Status list_of_ints(const int64_t *v, int n, IValue *out)
{
    ListObj *l = list_new(&int_type, (uint32_t)n);
    if (!l)
        return ST_MEMORY;
    for (int i = 0; i < n; i++)
        l->items[i] = value_int(v[i]);
    l->len = (uint32_t)n;
    *out = value_list_take(l);
    return ST_OK;
}

TupleObj *tuple_new(uint32_t len, const Type *type)
{
    TupleObj *t = counted_new(sizeof *t + sizeof(IValue) * len, TAG_TUPLE);
    if (!t)
        return NULL;
    t->len = len;
    t->type = type;
    for (uint32_t i = 0; i < len; i++)
        t->items[i] = value_none();
    return t;
}

Object *object_new(ClassDef *cls)
{
    uint32_t len = cls->attr_count;
    Object *o = counted_new(sizeof *o + sizeof(IValue) * len, TAG_OBJECT);
    if (!o)
        return NULL;
    o->persistent = false;
    o->next = NULL;
    o->link = NULL;
    o->cls = cls;
    o->len = len;
    for (uint32_t i = 0; i < len; i++)
        o->slots[i] = (IValue){.tag = TAG_UNINITIALIZED};
    return o;
}

void object_list(Object *o, Object **list)
{
    o->next = *list;
    o->link = list;
    if (o->next)
        o->next->link = &o->next;
    *list = o;
}

void objects_forget(Object **list, bool garbage)
{
    if (!garbage) {
        while (*list)
            unlist(*list);
        return;
    }
    for (Object *o = *list; o; o = o->next)
        o->head.refs++;
    for (Object *o = *list; o; o = o->next)
        for (uint32_t i = 0; i < o->len; i++) {
            IValue held = o->slots[i];
            o->slots[i] = value_none();
            value_release(held);
        }
    while (*list) {
        Object *o = *list;
        unlist(o);
        value_release((IValue){.tag = TAG_OBJECT, .as.object = o});
    }
}

static bool any_has_object(const IValue *items, uint32_t count)
{
    bool found = false;
    for (uint32_t i = 0; i < count && !found; i++)
        found = value_has_object(items[i]);
    return found;
}

bool value_has_object(IValue v)
{
    if (v.tag < TAG_FIRST_COUNTED || v.tag == TAG_TENSOR || v.tag == TAG_STR)
        return false;
    if (value_enter() != ST_OK) {
        status_clear();
        return true;
    }
    bool found = false;
    switch ((ValueTag)v.tag) {
    case TAG_OBJECT: found = true; break;
    case TAG_LIST: found = any_has_object(v.as.list->items, v.as.list->len); break;
    case TAG_TUPLE: found = any_has_object(v.as.tuple->items, v.as.tuple->len); break;
    case TAG_FUTURE: found = value_has_object(v.as.future->value); break;
    case TAG_DICT: {
        IValue pair[2];
        for (uint32_t at = 0; !found && dict_next(v.as.dict, &at, &pair[0], &pair[1]);)
            found = any_has_object(pair, 2);
        break;
    }
    default: break;
    }
    value_leave();
    return found;
}

// Calls `visit` for each object in v, and looks into those for which it says true. False: too deep, given up.
static bool visit_objects(IValue v, bool (*visit)(Object *o, void *ctx), void *ctx)
{
    const IValue *items = NULL;
    uint32_t count = 0;
    IValue pair[2];
    if (v.tag < TAG_FIRST_COUNTED || v.tag == TAG_TENSOR || v.tag == TAG_STR)
        return true;
    if (value_enter() != ST_OK) {
        status_clear();
        return false;
    }
    bool going = true;
    switch ((ValueTag)v.tag) {
    case TAG_LIST: items = v.as.list->items; count = v.as.list->len; break;
    case TAG_TUPLE: items = v.as.tuple->items; count = v.as.tuple->len; break;
    case TAG_FUTURE: items = &v.as.future->value; count = 1; break;
    case TAG_OBJECT:
        if (!v.as.object->persistent && visit(v.as.object, ctx)) {
            items = v.as.object->slots;
            count = v.as.object->len;
        }
        break;
    case TAG_DICT:
        for (uint32_t at = 0; going && dict_next(v.as.dict, &at, &pair[0], &pair[1]);)
            going = visit_objects(pair[0], visit, ctx) && visit_objects(pair[1], visit, ctx);
        break;
    default: break;
    }
    for (uint32_t i = 0; going && i < count; i++)
        going = visit_objects(items[i], visit, ctx);
    value_leave();
    return going;
}

static bool take_off(Object *o, void *ctx)
{
    (void)ctx;
    bool listed = o->link != NULL;
    unlist(o);
    return listed;
}

static bool put_on(Object *o, void *list)
{
    if (o->link)
        return false;
    object_list(o, list);
    return true;
}

bool values_list(const IValue *values, uint32_t count, Object **list)
{
    bool all = true;
    for (uint32_t i = 0; i < count; i++)
        all = visit_objects(values[i], put_on, list) && all;
    return all;
}

bool values_unlist(const IValue *values, uint32_t count)
{
    bool all = true;
    for (uint32_t i = 0; i < count; i++)
        all = visit_objects(values[i], take_off, NULL) && all;
    return all;
}

void values_discard(IValue *values, uint32_t count, const IValue *kept, uint32_t kept_count)
{
    Object *stay = NULL, *go = NULL;
    bool all = !any_has_object(values, count) || (values_list(kept, kept_count, &stay) && values_list(values, count, &go));
    for (uint32_t i = 0; i < count; i++) {
        IValue v = values[i];
        values[i] = value_none();
        value_release(v);
    }
    objects_forget(&stay, false);
    objects_forget(&go, all);
}

static bool items_equal(const IValue *a, uint32_t na, const IValue *b, uint32_t nb)
{
    if (na != nb)
        return false;
    for (uint32_t i = 0; i < na; i++)
        if (!value_equal(a[i], b[i]))
            return false;
    return true;
}

static bool dicts_equal(const DictObj *a, const DictObj *b)
{
    if (dict_len(a) != dict_len(b))
        return false;
    IValue key, value;
    for (uint32_t at = 0; dict_next(a, &at, &key, &value);) {
        const IValue *other = dict_get(b, key);
        if (!other || !value_equal(value, *other))
            return false;
    }
    return true;
}

static bool is_number(IValue v) { return v.tag == TAG_INT || v.tag == TAG_FLOAT || v.tag == TAG_BOOL; }
static double as_double(IValue v) { return v.tag == TAG_FLOAT ? v.as.f : v.tag == TAG_INT ? (double)v.as.i : v.as.b; }

static bool complex_equals(const ComplexObj *c, IValue number)
{
    return is_number(number) && c->im == 0 && c->re == as_double(number);
}

static bool same_content(IValue a, IValue b)
{
    if (a.tag != b.tag) {
        if (is_number(a) && is_number(b))
            return as_double(a) == as_double(b);
        if (a.tag == TAG_COMPLEX)
            return complex_equals(a.as.complex, b);
        return b.tag == TAG_COMPLEX && complex_equals(b.as.complex, a);
    }
    switch ((ValueTag)a.tag) {
    case TAG_NONE:
    case TAG_UNINITIALIZED: return true;
    case TAG_BOOL: return a.as.b == b.as.b;
    case TAG_INT: return a.as.i == b.as.i;
    case TAG_FLOAT: return a.as.f == b.as.f;
    case TAG_DEVICE: return a.as.device.kind == b.as.device.kind && a.as.device.index == b.as.device.index;
    case TAG_FUNCTION: return a.as.function == b.as.function;
    case TAG_STR: return str_eq(str_of_value(a), str_of_value(b));
    case TAG_COMPLEX: return a.as.complex->re == b.as.complex->re && a.as.complex->im == b.as.complex->im;
    case TAG_LIST: return items_equal(a.as.list->items, a.as.list->len, b.as.list->items, b.as.list->len);
    case TAG_TUPLE: return items_equal(a.as.tuple->items, a.as.tuple->len, b.as.tuple->items, b.as.tuple->len);
    case TAG_DICT: return dicts_equal(a.as.dict, b.as.dict);
    case TAG_ENUM: return a.as.enumeration->cls == b.as.enumeration->cls && str_eq(a.as.enumeration->name, b.as.enumeration->name);
    default: return a.as.obj == b.as.obj;
    }
}

bool value_equal(IValue a, IValue b)
{
    if (a.tag < TAG_FIRST_COUNTED)
        return same_content(a, b);
    if (value_enter() != ST_OK) {
        status_clear();
        return false;
    }
    bool same = same_content(a, b);
    value_leave();
    return same;
}

// As IValue::is of PyTorch: counted values by identity, the others (and None against anything) by value.
bool value_is(IValue a, IValue b)
{
    if (a.tag != b.tag)
        return false;
    return a.tag >= TAG_FIRST_COUNTED ? a.as.obj == b.as.obj : value_equal(a, b);
}

// ---- tensors inside of values

typedef Status (*TensorChange)(struct Lane *lane, Tensor *t, Tensor **out);

static Status change_any(struct Lane *lane, IValue *v, TensorChange change)
{
    IValue *items = NULL;
    uint32_t count = 0;
    switch ((ValueTag)v->tag) {
    case TAG_TENSOR: {
        Tensor *made = NULL;
        TRY(change(lane, v->as.tensor, &made));
        if (made) {
            value_release(*v);
            v->as.tensor = made;
        }
        return ST_OK;
    }
    case TAG_LIST: items = v->as.list->items; count = v->as.list->len; break;
    case TAG_TUPLE: items = v->as.tuple->items; count = v->as.tuple->len; break;
    case TAG_OBJECT:
        items = v->as.object->persistent ? NULL : v->as.object->slots;
        count = items ? v->as.object->len : 0;
        break;
    case TAG_DICT: {
        IValue key, value;
        for (uint32_t at = 0; dict_next(v->as.dict, &at, &key, &value);) {
            IValue changed = value_retain(value);
            Status status = value_change_tensors(lane, &changed, change);
            if (status == ST_OK && changed.tag == TAG_TENSOR && changed.as.tensor != value.as.tensor)
                status = dict_set(v->as.dict, key, changed);
            value_release(changed);
            TRY(status);
        }
        return ST_OK;
    }
    default: return ST_OK;
    }
    for (uint32_t k = 0; k < count; k++)
        TRY(value_change_tensors(lane, &items[k], change));
    return ST_OK;
}

Status value_change_tensors(struct Lane *lane, IValue *v, TensorChange change)
{
    if (v->tag < TAG_FIRST_COUNTED)
        return ST_OK;
    TRY(value_enter());
    Status status = change_any(lane, v, change);
    value_leave();
    return status;
}
