// _foreach operators: the operator they are named after, once for each tensor of their lists.
#include "worker/op_derived.h"

#include "ir/schema.h"
#include "worker/op_signature.h"
#include "worker/op_util.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct Foreach {
    OpBinding binding;
    const OpBinding *base;
    uint8_t args, base_args;
    bool listed[SIGNATURE_ARGS]; // a list with an item for each call
    bool in_place;
    struct Foreach *next;
} Foreach;

// What an item of a list type is: "Tensor[]" -> "Tensor"; other types are themselves.
static Str item_type(Str type, bool *listed)
{
    *listed = type.len > 2 && memcmp(type.ptr + type.len - 2, "[]", 2) == 0;
    return *listed ? str_first(type, type.len - 2) : type;
}

// The base has these arguments in order, and beyond them only ones that are 1 when left out (alpha).
static bool matches(const Signature *each, const Signature *base, Foreach *f)
{
    if (base->count < each->count)
        return false;
    for (int i = 0; i < base->count; i++) {
        if (i >= each->count) {
            if (!str_is(base->params[i].otherwise, "1"))
                return false;
            continue;
        }
        Str type = item_type(each->params[i].type, &f->listed[i]);
        if (!str_eq(type, base->params[i].type) || each->params[i].writes != base->params[i].writes)
            return false;
    }
    f->args = (uint8_t)each->count;
    f->base_args = (uint8_t)base->count;
    return f->listed[0] || f->listed[1];
}

static Status call_one(Lane *lane, Site *site, const IValue *args, uint32_t i, Tensor **out)
{
    const Foreach *f = site->op->data;
    IValue all[SIGNATURE_ARGS], result;
    for (int k = 0; k < f->base_args; k++)
        all[k] = k >= f->args ? value_int(1) : f->listed[k] ? args[k].as.list->items[i] : args[k];
    if (f->in_place)
        TRY(tensor_make_writable(all[0].as.tensor));
    Site inner = *site;
    inner.op = f->base;
    inner.arg_count = f->base_args;
    inner.ret_count = 1;
    inner.last_use = 0;
    const IValue *outer_args = lane->args;
    lane->args = all;
    Status status = f->base->fn(lane, &inner, all, &result);
    lane->args = outer_args;
    site->cache = inner.cache;
    site->user = inner.user;
    site->profile = inner.profile;
    TRY(status);
    if (f->in_place)
        value_release(result);
    else
        *out = result.as.tensor;
    return ST_OK;
}

static Status op_foreach(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const Foreach *f = site->op->data;
    const ListObj *first = NULL;
    for (int k = 0; k < f->args; k++) {
        if (!f->listed[k])
            continue;
        const ListObj *l = args[k].as.list;
        if (first && l->len != first->len)
            return op_raise("Tensor lists must have the same number of tensors, got %u and %u", first->len, l->len);
        first = first ? first : l;
    }
    if (!first->len)
        return op_raise("Tensor list must have at least one tensor.");
    Tensor **made = calloc(first->len, sizeof *made);
    if (!made)
        return status_no_memory(first->len * sizeof *made);
    uint32_t count = 0;
    Status status = ST_OK;
    for (; count < first->len && status == ST_OK; count += status == ST_OK)
        status = call_one(lane, site, args, count, &made[count]);
    if (status == ST_OK && !f->in_place)
        status = list_of_tensors_take(lane, made, (int)count, rets);
    else
        for (uint32_t i = 0; i < count && !f->in_place; i++)
            tensor_release(made[i]);
    free(made);
    return status;
}

static const char PREFIX[] = "aten::_foreach_";

static int row_of(Str full_name)
{
    for (int i = 0; i < op_table_rows(); i++)
        if (str_is(full_name, op_table_row_name(i)))
            return i;
    return -1;
}

static Foreach *derive(Str full_name)
{
    int row = row_of(full_name);
    Signature each, base;
    if (row < 0 || !signature_read(&each, op_table_row_signature(row)))
        return NULL;
    const char *name = op_table_row_name(row);
    Str symbol = signature_symbol(name), own = {symbol.ptr + sizeof PREFIX - 1, symbol.len - (sizeof PREFIX - 1)};
    Foreach found = {.in_place = own.len > 1 && own.ptr[own.len - 1] == '_'};
    if (each.written != found.in_place)
        return NULL; // out= forms are derived from these
    bool scalar = strstr(name + symbol.len, "Scalar") != NULL;
    char wanted[64]; // the greater of a tensor and a number is called clamp_min
    const char *tail = found.in_place ? "_" : "";
    if (scalar && (str_is(own, "maximum") || str_is(own, "maximum_")))
        snprintf(wanted, sizeof wanted, "aten::clamp_min%s", tail);
    else if (scalar && (str_is(own, "minimum") || str_is(own, "minimum_")))
        snprintf(wanted, sizeof wanted, "aten::clamp_max%s", tail);
    else
        snprintf(wanted, sizeof wanted, "aten::" STR_FMT, STR_ARG(own));
    for (int i = 0; i < op_table_rows(); i++) {
        Str other = signature_symbol(op_table_row_name(i));
        if (!str_is(other, wanted) || !signature_read(&base, op_table_row_signature(i)) ||
            !matches(&each, &base, &found))
            continue;
        found.base = op_find_bound(str_of(op_table_row_name(i)));
        Foreach *f = found.base ? malloc(sizeof *f) : NULL;
        if (!f)
            continue;
        *f = found;
        f->binding = (OpBinding){name, op_foreach, 0, f, found.base->free_user};
        return f;
    }
    return NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Foreach *made; // bindings last as long as the process

const OpBinding *op_foreach_find(Str full_name)
{
    if (full_name.len < sizeof PREFIX || memcmp(full_name.ptr, PREFIX, sizeof PREFIX - 1) != 0)
        return NULL;
    pthread_mutex_lock(&lock);
    Foreach *f = made;
    while (f && !str_is(full_name, f->binding.name))
        f = f->next;
    if (!f && (f = derive(full_name))) {
        f->next = made;
        made = f;
    }
    pthread_mutex_unlock(&lock);
    return f ? &f->binding : NULL;
}
