// Operator bindings: dictionaries (torchscript.md §14.4). Entries keep the order of insertion.
// One function serves every key type.
#include "worker/op_util.h"

static Status missing_key(IValue key)
{
    Buf text = {0};
    value_print(&text, key);
    Status status = op_raise("KeyError: " STR_FMT, STR_ARG(buf_view(&text)));
    buf_free(&text);
    return status;
}

// A new dictionary of the result's static type, or of the types of `like`.
static Status new_dict(const Site *site, const DictObj *like, DictObj **out)
{
    const Type *type = ret_type(site, 0);
    bool known = type && type->kind == TYPE_DICT;
    *out = dict_new(like ? dict_key_type(like) : known ? type->elem[0] : NULL, like ? dict_value_type(like) : known ? type->elem[1] : NULL);
    return *out ? ST_OK : ST_MEMORY;
}

static Status ret_dict(DictObj *d, Status status, IValue *ret)
{
    if (status == ST_OK)
        *ret = value_dict_take(d);
    else
        value_release(value_dict_take(d));
    return status;
}

static Status dict_update(DictObj *d, const DictObj *more)
{
    IValue key, value;
    if (d != more)
        for (uint32_t at = 0; dict_next(more, &at, &key, &value);)
            TRY(dict_set(d, key, value));
    return ST_OK;
}

OP_FN(op_len)
{
    rets[0] = value_int(dict_len(args[0].as.dict));
    return ST_OK;
}

OP_FN(op_getitem)
{
    const IValue *found = dict_get(args[0].as.dict, args[1]);
    if (!found)
        return missing_key(args[1]);
    rets[0] = value_retain(*found);
    return ST_OK;
}

OP_FN(op_contains)
{
    rets[0] = value_bool(dict_get(args[0].as.dict, args[1]) != NULL);
    return ST_OK;
}

OP_FN(op_get)
{
    const IValue *found = dict_get(args[0].as.dict, args[1]);
    rets[0] = found ? value_retain(*found) : site->arg_count > 2 ? value_retain(args[2]) : value_none();
    return ST_OK;
}

OP_FN(op_set_item)
{
    return dict_set(args[0].as.dict, args[1], args[2]);
}

OP_FN(op_setdefault)
{
    DictObj *d = args[0].as.dict;
    const IValue *found = dict_get(d, args[1]);
    if (!found)
        TRY(dict_set(d, args[1], args[2]));
    rets[0] = value_retain(found ? *found : args[2]);
    return ST_OK;
}

OP_FN(op_pop)
{
    DictObj *d = args[0].as.dict;
    const IValue *found = dict_get(d, args[1]);
    if (!found && site->arg_count < 3)
        return missing_key(args[1]);
    rets[0] = value_retain(found ? *found : args[2]);
    if (found)
        dict_remove(d, args[1]);
    return ST_OK;
}

OP_FN(op_delete)
{
    return dict_remove(args[0].as.dict, args[1]) ? ST_OK : missing_key(args[1]);
}

OP_FN(op_popitem) // the first entry, not Python's last
{
    DictObj *d = args[0].as.dict;
    IValue key, value;
    uint32_t at = 0;
    if (!dict_next(d, &at, &key, &value))
        return op_raise("popitem(): dictionary is empty");
    TupleObj *pair = tuple_new(2, ret_type(site, 0));
    if (!pair)
        return ST_MEMORY;
    pair->items[0] = value_retain(key);
    pair->items[1] = value_retain(value);
    dict_remove(d, pair->items[0]);
    rets[0] = value_tuple_take(pair);
    return ST_OK;
}

OP_FN(op_clear)
{
    dict_clear(args[0].as.dict);
    return ST_OK;
}

OP_FN(op_update)
{
    return dict_update(args[0].as.dict, args[1].as.dict);
}

OP_FN(op_copy)
{
    DictObj *d;
    TRY(new_dict(site, args[0].as.dict, &d));
    return ret_dict(d, dict_update(d, args[0].as.dict), rets);
}

OP_FN(op_empty)
{
    DictObj *d;
    TRY(new_dict(site, NULL, &d));
    return ret_dict(d, ST_OK, rets);
}

OP_FN(op_from_pairs)
{
    DictObj *d;
    TRY(new_dict(site, NULL, &d));
    const ListObj *pairs = args[0].as.list;
    Status status = ST_OK;
    for (uint32_t i = 0; i < pairs->len && status == ST_OK; i++)
        status = dict_set(d, pairs->items[i].as.tuple->items[0], pairs->items[i].as.tuple->items[1]);
    return ret_dict(d, status, rets);
}

OP_FN(op_keys)
{
    const DictObj *d = args[0].as.dict;
    ListObj *l = list_new(dict_key_type(d), dict_len(d));
    if (!l)
        return ST_MEMORY;
    IValue key, value;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);)
        l->items[l->len++] = value_retain(key);
    rets[0] = value_list_take(l);
    return ST_OK;
}

OP_FN(op_values)
{
    const DictObj *d = args[0].as.dict;
    ListObj *l = list_new(dict_value_type(d), dict_len(d));
    if (!l)
        return ST_MEMORY;
    IValue key, value;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);)
        l->items[l->len++] = value_retain(value);
    rets[0] = value_list_take(l);
    return ST_OK;
}

OP_FN(op_items)
{
    const DictObj *d = args[0].as.dict;
    const Type *pair_type = elem_type(ret_type(site, 0));
    ListObj *l = list_new(pair_type, dict_len(d));
    if (!l)
        return ST_MEMORY;
    IValue key, value;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);) {
        TupleObj *pair = tuple_new(2, pair_type);
        if (!pair) {
            value_release(value_list_take(l));
            return ST_MEMORY;
        }
        pair->items[0] = value_retain(key);
        pair->items[1] = value_retain(value);
        l->items[l->len++] = value_tuple_take(pair);
    }
    rets[0] = value_list_take(l);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
// One row per key type; the overload is called after it, perhaps with a prefix.
#define ROWS(symbol, prefix, fn)                                                                                       \
    ROW(symbol "." prefix "str", fn), ROW(symbol "." prefix "int", fn), ROW(symbol "." prefix "bool", fn),             \
        ROW(symbol "." prefix "float", fn), ROW(symbol "." prefix "complex", fn), ROW(symbol "." prefix "Tensor", fn)

const OpBinding OPS_DICT[] = {
    ROWS("aten::len", "Dict_", op_len), ROWS("aten::__getitem__", "Dict_", op_getitem), ROWS("aten::__contains__", "", op_contains),
    ROWS("aten::get", "", op_get), ROWS("aten::get", "default_", op_get), ROWS("aten::_set_item", "", op_set_item),
    ROWS("aten::setdefault", "", op_setdefault), ROWS("aten::pop", "Dict_", op_pop), ROWS("aten::pop", "Dict_default_", op_pop),
    ROWS("aten::Delete", "Dict_", op_delete), ROWS("aten::popitem", "", op_popitem), ROWS("aten::clear", "", op_clear),
    ROWS("aten::update", "", op_update), ROWS("aten::copy", "Dict_", op_copy), ROWS("aten::dict", "Dict_", op_copy),
    ROWS("aten::dict", "", op_from_pairs), ROW("aten::dict", op_empty), ROWS("aten::keys", "", op_keys),
    ROWS("aten::values", "", op_values), ROWS("aten::items", "", op_items),
    {0},
};
