// Instructions on tuples, lists, dictionaries and objects, and the type of a value at run time.
// Inputs are borrowed, results are given.
#include "worker/interp.h"
#include "worker/nested.h"

#include "kernels/copy.h"

#include <inttypes.h>
#include <stdlib.h>

static Status wrong_value(const char *expected, IValue v)
{
    return status_fail(ST_INTERNAL, "%s was expected, not a value of tag %d", expected, v.tag);
}

Status data_tuple_index(IValue tuple, IValue index, IValue *out)
{
    if (tuple.tag != TAG_TUPLE || index.tag != TAG_INT)
        return wrong_value("a tuple", tuple);
    int64_t len = tuple.as.tuple->len, i = index.as.i < 0 ? index.as.i + len : index.as.i;
    if (i < 0 || i >= len)
        return op_raise("Tuple index out of range");
    *out = value_retain(tuple.as.tuple->items[i]);
    return ST_OK;
}

Status data_tuple_slice(const Node *n, IValue tuple, IValue *out)
{
    if (tuple.tag != TAG_TUPLE)
        return wrong_value("a tuple", tuple);
    int64_t len = tuple.as.tuple->len, begin = n->beg, end = n->end;
    begin = begin < 0 ? begin + len : begin;
    end = end < 0 ? end + len : end;
    begin = begin < 0 ? 0 : begin > len ? len : begin;
    end = end < begin ? begin : end > len ? len : end;
    TupleObj *t = tuple_new((uint32_t)(end - begin), n->outputs[0]->type);
    if (!t)
        return ST_MEMORY;
    for (int64_t i = begin; i < end; i++)
        t->items[i - begin] = value_retain(tuple.as.tuple->items[i]);
    *out = value_tuple_take(t);
    return ST_OK;
}

Status data_list_unpack(IValue list, uint32_t count, IValue *out)
{
    if (list.tag != TAG_LIST)
        return wrong_value("a list", list);
    const ListObj *l = list.as.list;
    if (l->len != count)
        return op_raise("Expected %u elements in a list but found %u", count, l->len);
    for (uint32_t i = 0; i < count; i++)
        out[i] = value_retain(l->items[i]);
    return ST_OK;
}

Status data_dict_construct(const Node *n, const IValue *in, uint32_t count, IValue *out)
{
    const Type *t = n->outputs[0]->type;
    bool typed = t->kind == TYPE_DICT;
    DictObj *d = dict_new(typed ? t->elem[0] : NULL, typed ? t->elem[1] : NULL);
    if (!d)
        return ST_MEMORY;
    *out = value_dict_take(d);
    for (uint32_t i = 0; i + 1 < count; i += 2) {
        Status status = dict_set(d, in[i], in[i + 1]);
        if (status != ST_OK) {
            value_release(*out);
            return status;
        }
    }
    return ST_OK;
}

// ---- tolist

// Element codes of prim::tolist and the dtype each reads.
static const DType tolist_dtype[] = {DT_I64, DT_F64, DT_BOOL, DT_C128};

static Status tolist_level(const View *v, int dim, const Type *type, const char *data, IValue *out)
{
    if (dim == v->ndim)
        switch (v->dtype) {
        case DT_I64: *out = value_int(*(const int64_t *)data); return ST_OK;
        case DT_F64: *out = value_float(*(const double *)data); return ST_OK;
        case DT_BOOL: *out = value_bool(*(const bool *)data); return ST_OK;
        default: return value_complex(((const double *)data)[0], ((const double *)data)[1], out);
        }
    const Type *elem = type && type->kind == TYPE_LIST ? type->elem[0] : NULL;
    ListObj *l = list_new(elem, (uint32_t)v->size[dim]);
    if (!l)
        return ST_MEMORY;
    size_t step = (size_t)v->stride[dim] * dtype_size((DType)v->dtype);
    for (int64_t i = 0; i < v->size[dim]; i++) {
        Status status = tolist_level(v, dim + 1, elem, data + (size_t)i * step, &l->items[i]);
        if (status != ST_OK) {
            value_release(value_list_take(l));
            return status;
        }
        l->len++;
    }
    *out = value_list_take(l);
    return ST_OK;
}

Status data_tolist(Lane *lane, const Node *n, IValue tensor, IValue dims, IValue elem, IValue *out)
{
    if (tensor.tag != TAG_TENSOR || dims.tag != TAG_INT || elem.tag != TAG_INT || elem.as.i < 0 || elem.as.i > 3)
        return wrong_value("a tensor", tensor);
    const Tensor *t = tensor.as.tensor;
    if (t->nested)
        return nested_refuse_value();
    DType want = tolist_dtype[elem.as.i], have = tensor_dtype(t);
    bool same = want == DT_F64 ? dtype_is_floating(have) : want == DT_C128 ? dtype_is_complex(have) : have == want;
    if (dims.as.i != t->view.ndim)
        return op_raise("Output annotation list dimension and runtime tensor dimension must match for tolist()");
    if (!same)
        return op_raise("Output annotation element type and runtime tensor element type must match for tolist(): %s vs %s",
                        elem.as.i == 1 ? "Float" : dtype_torch_name(want), dtype_torch_name(have));
    Tensor *copy; // contiguous, of the wide type
    TRY(tensor_make_plain(lane, tensor.as.tensor));
    TRY(tensor_new(lane, want, t->view.ndim, t->view.size, &copy));
    Status status = tensor_copy_into(lane, copy, t);
    if (status == ST_OK)
        status = tolist_level(&copy->view, 0, n->outputs[0]->type, copy->view.data, out);
    tensor_release(copy);
    return status;
}

// ---- modules as containers

Status data_module_index(IValue module, IValue index, IValue *out)
{
    if (module.tag != TAG_OBJECT)
        return wrong_value("a module", module);
    const Object *o = module.as.object;
    char number[32];
    Str name;
    if (index.tag == TAG_STR) {
        name = str_of_value(index);
    } else if (index.tag == TAG_INT) {
        int64_t modules = 0;
        for (uint32_t i = 0; i < o->len; i++)
            modules += o->slots[i].tag == TAG_OBJECT;
        snprintf(number, sizeof number, "%" PRId64, index.as.i < 0 ? index.as.i + modules : index.as.i);
        name = str_of(number);
    } else {
        return wrong_value("a name or number", index);
    }
    const ClassAttr *attr = class_attr(o->cls, name);
    if (!attr)
        return op_raise("KeyError: " STR_FMT, STR_ARG(name));
    *out = value_retain(o->slots[attr - o->cls->attrs]);
    return ST_OK;
}

// ---- types at run time

static bool same_type(const Type *a, const Type *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind || a->count != b->count || !str_eq(a->name, b->name))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!same_type(a->elem[i], b->elem[i]))
            return false;
    return true;
}

// Lists remember their element type; one that does not (made without a declaration) is judged by its items.
static bool list_has_type(const ListObj *l, const Type *elem)
{
    if (l->elem)
        return same_type(l->elem, elem);
    for (uint32_t i = 0; i < l->len; i++)
        if (!value_has_type(l->items[i], elem))
            return false;
    return true;
}

static bool tuple_has_type(const TupleObj *t, const Type *type)
{
    if (t->len != type->count)
        return false;
    if (type->name.len && t->type && !str_eq(t->type->name, type->name)) // a NamedTuple is nominal
        return false;
    for (uint32_t i = 0; i < t->len; i++)
        if (!value_has_type(t->items[i], type->elem[i]))
            return false;
    return true;
}

static bool dict_has_type(const DictObj *d, const Type *type)
{
    return (!dict_key_type(d) || same_type(dict_key_type(d), type->elem[0])) && (!dict_value_type(d) || same_type(dict_value_type(d), type->elem[1]));
}

static bool has_type(IValue v, const Type *t)
{
    switch (t->kind) {
    case TYPE_ANY: return true;
    case TYPE_TENSOR: return v.tag == TAG_TENSOR;
    case TYPE_INT: return v.tag == TAG_INT;
    case TYPE_FLOAT: return v.tag == TAG_FLOAT;
    case TYPE_COMPLEX: return v.tag == TAG_COMPLEX;
    case TYPE_NUMBER: return v.tag == TAG_INT || v.tag == TAG_FLOAT || v.tag == TAG_COMPLEX;
    case TYPE_BOOL: return v.tag == TAG_BOOL;
    case TYPE_STR: return v.tag == TAG_STR;
    case TYPE_NONE: return v.tag == TAG_NONE;
    case TYPE_DEVICE: return v.tag == TAG_DEVICE;
    case TYPE_GENERATOR: return v.tag == TAG_GENERATOR;
    case TYPE_ANY_LIST: return v.tag == TAG_LIST;
    case TYPE_ANY_TUPLE: return v.tag == TAG_TUPLE;
    case TYPE_ANY_ENUM: return v.tag == TAG_ENUM;
    case TYPE_ANY_CLASS: return v.tag == TAG_OBJECT;
    case TYPE_LIST: return v.tag == TAG_LIST && list_has_type(v.as.list, t->elem[0]);
    case TYPE_DICT: return v.tag == TAG_DICT && dict_has_type(v.as.dict, t);
    case TYPE_TUPLE: return v.tag == TAG_TUPLE && tuple_has_type(v.as.tuple, t);
    case TYPE_OPTIONAL: return v.tag == TAG_NONE || value_has_type(v, t->elem[0]);
    case TYPE_UNION:
        for (uint32_t i = 0; i < t->count; i++)
            if (value_has_type(v, t->elem[i]))
                return true;
        return false;
    case TYPE_FUTURE: return v.tag == TAG_FUTURE;
    case TYPE_CLASS: return v.tag == TAG_OBJECT && v.as.object->cls == t->cls;
    case TYPE_INTERFACE: return v.tag == TAG_OBJECT && type_is_subtype(v.as.object->cls->type, t);
    case TYPE_ENUM: return v.tag == TAG_ENUM && v.as.enumeration->cls == t->cls;
    default: return false;
    }
}

bool value_has_type(IValue v, const Type *t)
{
    if (value_enter() != ST_OK) {
        status_clear();
        return false;
    }
    bool has = has_type(v, t);
    value_leave();
    return has;
}

// ---- layouts

static Status make_plain(Lane *lane, IValue v)
{
    const IValue *items = NULL;
    uint32_t count = 0;
    switch ((ValueTag)v.tag) {
    case TAG_TENSOR: return v.as.tensor->nested ? nested_refuse_value() : tensor_make_plain(lane, v.as.tensor);
    case TAG_LIST: items = v.as.list->items; count = v.as.list->len; break;
    case TAG_TUPLE: items = v.as.tuple->items; count = v.as.tuple->len; break;
    case TAG_OBJECT:
        if (v.as.object->persistent)
            return ST_OK; // nothing in the module is private, but for what this call assigned, which is undone
        items = v.as.object->slots;
        count = v.as.object->len;
        break;
    case TAG_DICT: {
        IValue key, value;
        for (uint32_t at = 0; dict_next(v.as.dict, &at, &key, &value);)
            TRY(value_make_plain(lane, value));
        return ST_OK;
    }
    default: return ST_OK;
    }
    for (uint32_t i = 0; i < count; i++)
        if (items[i].tag >= TAG_FIRST_COUNTED)
            TRY(value_make_plain(lane, items[i]));
    return ST_OK;
}

Status value_make_plain(Lane *lane, IValue v)
{
    if (v.tag < TAG_FIRST_COUNTED)
        return ST_OK;
    TRY(value_enter());
    Status status = make_plain(lane, v);
    value_leave();
    return status;
}
