// Conjugate and negative views under operators that do not know them: arguments that are read are resolved, arguments that
// are written hold what their bits say while the operator runs.
#include "worker/bits.h"

#include "ir/schema.h"
#include "kernels/copy.h"
#include "kernels/iter.h"
#include "worker/nested.h"
#include "worker/op_signature.h"
#include "worker/op_util.h"

#include <stdlib.h>

enum { ARGS_MAX = 32, LOOK_FIRST = 64 /* into lists up to this long before the signature is read */ };

// ---- elements

typedef struct Flip { DType dtype; bool first, second; } Flip; // of a complex element: its real and its imaginary part

#define NEGATE_ROW(T) \
    for (int64_t i = 0; i < n; i++, at += stride[0]) { \
        T x; \
        memcpy(&x, at, sizeof x); \
        x = (T)(0 - x); \
        memcpy(at, &x, sizeof x); \
    } \
    break;

static void flip_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    const Flip *f = ctx;
    char *at = data[0];
    bool is_complex = dtype_is_complex(f->dtype);
    size_t item = dtype_size(f->dtype), part = is_complex ? item / 2 : item;
    if (is_complex || dtype_is_floating(f->dtype)) { // the sign is the highest bit, whatever the width
        uint8_t first = f->first ? 0x80 : 0, second = f->second ? 0x80 : 0;
        for (int64_t i = 0; i < n; i++, at += stride[0]) {
            ((uint8_t *)at)[part - 1] ^= first;
            if (is_complex)
                ((uint8_t *)at)[item - 1] ^= second;
        }
        return;
    }
    switch (item) {
    case 1: NEGATE_ROW(uint8_t)
    case 2: NEGATE_ROW(uint16_t)
    case 4: NEGATE_ROW(uint32_t)
    default: NEGATE_ROW(uint64_t)
    }
}

void tensor_flip(const Tensor *t)
{
    bool conj = t->bits & TENSOR_CONJ, neg = t->bits & TENSOR_NEG;
    Flip f = {tensor_dtype(t), neg, neg != conj};
    if (f.dtype == DT_BOOL || !(f.first || f.second))
        return;
    View v;
    view_assign(&v, &t->view);
    for (int d = 0; d < v.ndim; d++)
        if (v.stride[d] == 0 && v.size[d] > 1) // one element, not many
            v.size[d] = 1;
    Iter it;
    const View *views[1] = {&v};
    iter_plan(&it, v.ndim, v.size, 1, views);
    iter_run(&it, (char *const[]){v.data}, flip_row, &f);
}

Status tensor_resolve(Lane *lane, Tensor *t, Tensor **out)
{
    Tensor *copy;
    TRY(tensor_new_like(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &copy));
    Status status = copy_convert(&copy->view, &t->view);
    if (status != ST_OK) {
        tensor_release(copy);
        return status;
    }
    copy->bits = t->bits;
    tensor_flip(copy);
    copy->bits = 0;
    *out = copy;
    return ST_OK;
}

// ---- what an operator does with its arguments

// Sets site->reads and site->writes from the signature: bit i for a tensor or a list of tensors. Keys of dictionaries are
// neither: they are compared by identity.
static void know_site(Site *site)
{
    site->reads = ~0u;
    site->writes = site->op->flags & OP_WRITES_ARG0 ? 1 : 0;
    site->knows_args = true;
    Signature s;
    int row = 0;
    while (row < op_table_rows() && strcmp(op_table_row_name(row), site->op->name) != 0)
        row++;
    if (row == op_table_rows() || !signature_read(&s, op_table_row_signature(row)))
        return;
    for (int i = 0; i < s.count; i++) {
        Str type = s.params[i].type;
        if (str_starts(type, STR("Dict("))) {
            site->reads = site->writes = 0;
            return;
        }
        if (type.len && !str_starts(type, STR("Tensor")))
            site->reads &= ~(1u << i);
        else if (s.params[i].writes)
            site->writes |= 1u << i;
    }
}

static bool is_tensor_list(IValue v) { return v.tag == TAG_LIST && v.as.list->len && v.as.list->items[0].tag == TAG_TENSOR; }

static uint8_t bits_of(IValue v)
{
    if (v.tag == TAG_TENSOR)
        return v.as.tensor->bits;
    uint8_t bits = 0;
    if (is_tensor_list(v))
        for (uint32_t i = 0; i < v.as.list->len; i++)
            bits |= v.as.list->items[i].tag == TAG_TENSOR ? v.as.list->items[i].as.tensor->bits : 0;
    return bits;
}

// ---- calling it

typedef struct Call {
    Lane *lane;
    Site *site;
    IValue args[ARGS_MAX];
    uint32_t count;
    ListObj *flipped; // tensors with bits that the operator writes to; each keeps its bits in `bits` until the end
    uint8_t *bits;
} Call;

static bool shares_storage(const Call *c, const Tensor *t)
{
    for (uint32_t i = 0; i < c->flipped->len; i++)
        if (c->flipped->items[i].as.tensor->storage == t->storage)
            return true;
    return false;
}

static bool is_flipped(const Call *c, const Tensor *t)
{
    for (uint32_t i = 0; i < c->flipped->len; i++)
        if (c->flipped->items[i].as.tensor == t)
            return true;
    return false;
}

static Status note_written(Call *c, IValue v)
{
    if (is_tensor_list(v)) {
        for (uint32_t i = 0; i < v.as.list->len; i++)
            TRY(note_written(c, v.as.list->items[i]));
        return ST_OK;
    }
    if (v.tag != TAG_TENSOR || !v.as.tensor->bits || is_flipped(c, v.as.tensor))
        return ST_OK;
    TRY(tensor_make_writable(v.as.tensor));
    return list_push_take(c->flipped, value_retain(v));
}

// What the operator reads: without bits, and apart from memory that is about to be flipped.
static Status readable(void *ctx, IValue v, IValue *out)
{
    Call *c = ctx;
    if (is_tensor_list(v))
        return list_changed(v.as.list, readable, c, out);
    Tensor *t = v.tag == TAG_TENSOR ? v.as.tensor : NULL;
    if (!t || is_flipped(c, t) || !(t->bits || shares_storage(c, t))) {
        *out = value_retain(v);
        return ST_OK;
    }
    Tensor *copy;
    TRY(tensor_resolve(c->lane, t, &copy));
    copy->requires_grad = t->requires_grad;
    *out = value_tensor_take(copy);
    return ST_OK;
}

static void flip_written(Call *c, bool back)
{
    for (uint32_t i = 0; i < c->flipped->len; i++) {
        Tensor *t = c->flipped->items[i].as.tensor;
        if (back) {
            t->bits = c->bits[i];
            tensor_flip(t);
        } else {
            tensor_flip(t);
            c->bits[i] = t->bits;
            t->bits = 0;
        }
    }
}

static Status call_with(Call *c, IValue *rets)
{
    OpFn fn = c->site->op->fn;
    TRY(op_choose(c->site, c->args, c->count, &fn)); // other reasons for another function
    if (c->flipped->len && !(c->bits = malloc(c->flipped->len)))
        return status_no_memory(c->flipped->len);
    flip_written(c, false);
    const IValue *outer = c->lane->args;
    c->lane->args = NULL; // nothing of these dies here
    Status status = fn(c->lane, c->site, c->args, rets);
    c->lane->args = outer;
    flip_written(c, true);
    free(c->bits);
    return status;
}

OP_FN(call_resolved)
{
    Call c = {.lane = lane, .site = site};
    if (site->arg_count > ARGS_MAX)
        return op_raise("%s has too many arguments to take a conjugate or negative view", site->op->name);
    if (!(c.flipped = list_new(NULL, 1)))
        return ST_MEMORY;
    Status status = ST_OK;
    for (uint32_t i = 0; i < site->arg_count && status == ST_OK; i++)
        if (site->writes >> i & 1)
            status = note_written(&c, args[i]);
    while (c.count < site->arg_count && status == ST_OK) {
        IValue v = args[c.count];
        bool reads = (site->reads >> c.count & 1) && !(site->writes >> c.count & 1);
        if (reads)
            status = readable(&c, v, &c.args[c.count]);
        else
            c.args[c.count] = value_retain(v);
        c.count += status == ST_OK;
    }
    if (status == ST_OK)
        status = call_with(&c, rets);
    for (uint32_t i = 0; i < c.count; i++)
        value_release(c.args[i]);
    value_release(value_list_take(c.flipped));
    return status;
}

Status bits_choose(Site *site, const IValue *args, uint32_t n, OpFn *fn)
{
    uint8_t bits = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (args[i].tag == TAG_TENSOR ? !args[i].as.tensor->bits : !is_tensor_list(args[i]))
            continue;
        bool is_short = args[i].tag == TAG_TENSOR || args[i].as.list->len <= LOOK_FIRST;
        uint8_t found = is_short ? bits_of(args[i]) : 0;
        if (is_short && !found)
            continue;
        if (!site->knows_args)
            know_site(site);
        if ((site->reads | site->writes) >> i & 1)
            bits |= is_short ? found : bits_of(args[i]);
    }
    if (!bits || str_starts(str_of(site->op->name), STR("prim::")))
        return ST_OK;
    if (bits & TENSOR_NESTED)
        return nested_choose(site, fn);
    if (!(site->op->flags & OP_BITS))
        *fn = call_resolved;
    return ST_OK;
}
