// Operators that follow from others: out= and in-place rows of ops.def without a binding of their own call the row they
// are a form of, and store its results. Which row that is, the signatures say.
#include "worker/op_derived.h"

#include "kernels/promote.h"
#include "worker/op_signature.h"
#include "worker/op_util.h"
#include "worker/pointwise.h"

#include <pthread.h>
#include <stdlib.h>

enum { MOST_ARGS = SIGNATURE_ARGS, MOST_OUTS = 4 };

typedef struct Derived {
    OpBinding binding;
    const OpBinding *base;
    int8_t source[MOST_ARGS]; // of each argument of the base: the argument it is, -1: None
    int8_t outs[MOST_OUTS];   // arguments that are written to
    uint8_t base_args, out_count;
    bool resize;  // out=, not in place
    bool exact;   // out= must have the dtype of the result
    int8_t dtype; // argument of the base that stands for the dtype of the result; -1: none
    struct Derived *next;
} Derived;

// ---- matching

static bool is_option(Str name) // what says where and how a result is made
{
    return str_is(name, "dtype") || str_is(name, "layout") || str_is(name, "device") || str_is(name, "pin_memory") ||
           str_is(name, "memory_format");
}

// The arguments of `form`, without those that take results, are those of `base`, but for options. What `base` itself writes
// to (running statistics, noise) the form writes to as well.
static bool matches(const Signature *form, const Signature *base, bool in_place, Derived *d)
{
    bool passed[MOST_ARGS] = {false}; // of the form, to the base
    int at = 0;
    d->out_count = 0;
    d->dtype = -1;
    d->base_args = (uint8_t)base->count;
    if (base->written && in_place)
        return false;
    for (int k = 0; k < base->count; k++) {
        const Param *want = &base->params[k];
        while (at < form->count && form->params[at].writes && !in_place && !want->writes)
            at++;
        const Param *have = at < form->count ? &form->params[at] : NULL;
        bool same = have && str_eq(have->name, want->name) && str_eq(have->type, want->type);
        if (!same && !is_option(want->name))
            return false;
        if (str_is(want->name, "dtype"))
            d->dtype = (int8_t)k;
        d->source[k] = same ? (int8_t)at : -1;
        passed[at] |= same && want->writes;
        at += same;
    }
    while (at < form->count && form->params[at].writes && !in_place)
        at++;
    for (int i = 0; i < form->count; i++)
        if (form->params[i].writes && !passed[i]) {
            if (d->out_count == MOST_OUTS)
                return false;
            d->outs[d->out_count++] = (int8_t)i;
        }
    return at == form->count && d->out_count;
}

// ---- running

// "float", as messages of checks of out= have it.
static const char *plain_name(DType t)
{
    const char *name = dtype_python_name(t), *dot = strrchr(name, '.');
    return t == DT_I64   ? "long int"
           : t == DT_I32 ? "int"
           : t == DT_F32 ? "float"
           : t == DT_F64 ? "double"
           : dot         ? dot + 1
                         : name;
}

static Status store(Lane *lane, Tensor *out, Tensor *result, bool resize, bool exact)
{
    TRY(tensor_make_plain(lane, result));
    TRY(tensor_make_plain(lane, out));
    if (exact && tensor_dtype(result) != tensor_dtype(out))
        return op_raise("Expected out tensor to have dtype %s, but got %s instead", plain_name(tensor_dtype(result)),
                        plain_name(tensor_dtype(out)));
    if (!dtype_can_cast(tensor_dtype(result), tensor_dtype(out)))
        return op_raise("result type %s can't be cast to the desired output type %s",
                        dtype_torch_name(tensor_dtype(result)), dtype_torch_name(tensor_dtype(out)));
    TRY(check_written(out));
    if (!view_same_shape(&result->view, &out->view)) {
        if (!resize) {
            char have[200], want[200];
            shape_text(&out->view, have, sizeof have);
            shape_text(&result->view, want, sizeof want);
            return op_raise("output with shape %s doesn't match the broadcast shape %s", have, want);
        }
        TRY(out_resize(lane, out, result->view.ndim, result->view.size));
    }
    TRY(tensor_make_writable(out));
    return tensor_copy_into(lane, out, result);
}

static Status store_list(Lane *lane, const ListObj *outs, const ListObj *results, bool exact)
{
    if (outs->len != results->len)
        return op_raise("Expected out= to be a list of %u tensors, but got %u", results->len, outs->len);
    for (uint32_t i = 0; i < outs->len; i++)
        TRY(store(lane, outs->items[i].as.tensor, results->items[i].as.tensor, true, exact));
    return ST_OK;
}

static Status op_derived(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const Derived *d = (const Derived *)site->op->data;
    IValue inner_args[MOST_ARGS], results[MOST_OUTS];
    IValue first = args[d->outs[0]];
    for (int k = 0; k < d->base_args; k++)
        inner_args[k] = d->source[k] >= 0 ? args[d->source[k]] : value_none();
    // Results are computed in the dtype they are stored in, unless the call says another.
    if (d->dtype >= 0 && d->resize && inner_args[d->dtype].tag == TAG_NONE && first.tag == TAG_TENSOR)
        inner_args[d->dtype] = value_int((int64_t)tensor_dtype(first.as.tensor));
    Site inner = *site;
    inner.op = d->base;
    inner.arg_count = d->base_args;
    inner.ret_count = d->out_count;
    inner.last_use = 0;
    const IValue *outer_args = lane->args;
    lane->args = inner_args;
    Status status = d->base->fn(lane, &inner, inner_args, results);
    lane->args = outer_args;
    site->cache = inner.cache;
    site->user = inner.user;
    site->profile = inner.profile;
    TRY(status);
    for (int i = 0; i < d->out_count; i++) {
        IValue out = args[d->outs[i]];
        if (status == ST_OK)
            status = out.tag == TAG_LIST ? store_list(lane, out.as.list, results[i].as.list, d->exact)
                                         : store(lane, out.as.tensor, results[i].as.tensor, d->resize, d->exact);
        value_release(results[i]);
    }
    for (int i = 0; i < site->ret_count && status == ST_OK; i++)
        rets[i] = value_retain(args[d->outs[i]]);
    return status;
}

// ---- finding

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Derived *made; // bindings last as long as the process

static int row_of(Str full_name)
{
    for (int i = 0; i < op_table_rows(); i++)
        if (str_is(full_name, op_table_row_name(i)))
            return i;
    return -1;
}

static Derived *derive(Str full_name)
{
    int row = row_of(full_name);
    Signature form, base;
    if (row < 0 || !signature_read(&form, op_table_row_signature(row)) || form.written == 0)
        return NULL;
    const char *name = op_table_row_name(row);
    Str symbol = signature_symbol(name);
    bool in_place = symbol.len > 7 && symbol.ptr[symbol.len - 1] == '_' && symbol.ptr[symbol.len - 2] != '_';
    if (in_place)
        symbol.len--;
    if (in_place && (form.written != 1 || !form.params[0].writes))
        return NULL;
    Derived found = {.resize = !in_place};
    for (int i = 0; i < op_table_rows(); i++) {
        if (!str_eq(signature_symbol(op_table_row_name(i)), symbol) ||
            !signature_read(&base, op_table_row_signature(i)) || !matches(&form, &base, in_place, &found))
            continue;
        found.base = op_find_bound(str_of(op_table_row_name(i)));
        if (!found.base)
            found.base = op_foreach_find(str_of(op_table_row_name(i)));
        if (!found.base)
            continue;
        Derived *d = malloc(sizeof *d);
        if (!d)
            return NULL;
        *d = found;
        d->exact = !in_place && found.base->free_user != pw_free_user && !(found.base->flags & OP_OUT_CASTS);
        d->binding = (OpBinding){name, op_derived, in_place ? OP_WRITES_ARG0 : 0, d, found.base->free_user};
        return d;
    }
    return NULL;
}

const OpBinding *op_derived_find(Str full_name)
{
    const OpBinding *each = op_foreach_find(full_name);
    if (each)
        return each;
    pthread_mutex_lock(&lock);
    Derived *d = made;
    while (d && !str_is(full_name, d->binding.name))
        d = d->next;
    if (!d && (d = derive(full_name))) {
        d->next = made;
        made = d;
    }
    pthread_mutex_unlock(&lock);
    return d ? &d->binding : NULL;
}
