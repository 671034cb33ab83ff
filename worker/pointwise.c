// Elementwise operators on tensors. The first call with new operand signatures makes a plan (types, shapes, strides, inner
// loop); the next ones compare signatures, take memory and run.
#include "worker/pointwise.h"

#include "worker/op_util.h"

#include "kernels/copy.h"
#include "kernels/promote.h"

#include <ctype.h>
#include <stdlib.h>

typedef struct PwKey {
    uint8_t tag;    // ValueTag; numbers matter by tag only
    bool wrapped;
    View view;
} PwKey;

typedef struct PwEntry {
    uint8_t op, kind, inputs;
    bool has_out;
    uint8_t numbers;
    PwKey key[PW_MAX_INPUTS];
    View out_key;
    View result;    // signature of the result
    DType compute;
    bool reusable[PW_MAX_INPUTS]; // has the signature of the result
    PwPlan plan;
} PwEntry;

typedef struct PwSite {
    int count;
    PwEntry *entries[SITE_WAYS]; // most recently used first
} PwSite;

void pw_free_user(void *user)
{
    PwSite *s = user;
    for (int i = 0; i < s->count; i++)
        free(s->entries[i]);
    free(s);
}

void pw_add(PwCall *c, PwRole role, int arg, IValue value)
{
    c->in[c->inputs++] = (struct PwOperand){(uint8_t)role, (int8_t)arg, value};
}

DType number_dtype(IValue number)
{
    switch ((ValueTag)number.tag) {
    case TAG_BOOL: return DT_BOOL;
    case TAG_INT: return DT_I64;
    case TAG_COMPLEX: return DT_C128;
    default: return DT_F64;
    }
}

// A constant 0-dim second operand of the four basic operators counts as a number (torchscript.md §7.2).
static bool is_wrapped(const PwCall *c, int k)
{
    if (k != 1 || c->in[k].value.tag != TAG_TENSOR || !c->in[k].value.as.tensor->wrapped_number)
        return false;
    return c->op == PW_ADD || c->op == PW_SUB || c->op == PW_MUL || c->op == PW_DIV || c->op == PW_ADD_ALPHA;
}

static bool entry_fits(const PwEntry *e, const PwCall *c)
{
    if (e->op != c->op || e->kind != c->kind || e->inputs != c->inputs || e->numbers != (uint8_t)c->numbers || e->has_out != (c->out != NULL))
        return false;
    for (int k = 0; k < c->inputs; k++) {
        const IValue *v = &c->in[k].value;
        if (e->key[k].tag != v->tag)
            return false;
        if (v->tag == TAG_TENSOR && (e->key[k].wrapped != v->as.tensor->wrapped_number || !view_same_signature(&e->key[k].view, &v->as.tensor->view)))
            return false;
    }
    return !c->out || view_same_signature(&e->out_key, &c->out->view);
}

// ---- making an entry

static DType compute_type(const PwCall *c)
{
    if (c->kind == PW_SELF) {
        IValue first = c->in[0].value;
        return first.tag == TAG_TENSOR ? (DType)first.as.tensor->view.dtype : number_dtype(first);
    }
    Promotion p = PROMOTION_NONE;
    for (int k = 0; k < c->inputs; k++) {
        IValue v = c->in[k].value;
        if (c->in[k].role != PW_OPERAND)
            continue;
        if (v.tag != TAG_TENSOR)
            promote_number(&p, number_dtype(v));
        else if (is_wrapped(c, k))
            promote_number(&p, (DType)v.as.tensor->view.dtype);
        else
            promote_tensor(&p, (DType)v.as.tensor->view.dtype, v.as.tensor->view.ndim);
    }
    if (c->numbers != DT_INVALID)
        promote_number(&p, c->numbers);
    DType common = promotion_result(&p);
    return c->kind == PW_FLOAT ? dtype_float_of(common) : common;
}

static DType result_type(const PwCall *c, DType compute)
{
    switch (pw_info((PwOp)c->op).result) {
    case PW_RESULT_BOOL: return DT_BOOL;
    case PW_RESULT_REAL: return dtype_real_of(compute);
    default: return compute;
    }
}

static Status result_shape(const PwCall *c, View *result)
{
    result->ndim = 0;
    for (int k = 0; k < c->inputs; k++) {
        if (c->in[k].value.tag != TAG_TENSOR)
            continue;
        const View *v = &c->in[k].value.as.tensor->view;
        int ndim;
        if (broadcast_shapes(result->ndim, result->size, v->ndim, v->size, &ndim, result->size)) {
            result->ndim = (uint8_t)ndim;
            continue;
        }
        for (int i = 1;; i++) { // the last dimension that does not match
            int64_t a = result->size[result->ndim - i], b = v->size[v->ndim - i];
            if (a != b && a != 1 && b != 1)
                return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)a,
                                (long long)b, (result->ndim > v->ndim ? result->ndim : v->ndim) - i);
        }
    }
    return ST_OK;
}

void shape_text(const View *v, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "[");
    for (int d = 0; d < v->ndim && at < size; d++)
        at += (size_t)snprintf(text + at, size - at, "%s%lld", d ? ", " : "", (long long)v->size[d]);
    if (at < size)
        snprintf(text + at, size - at, "]");
}

static bool is_dense(const View *v)
{
    int64_t span = 1;
    for (int d = 0; d < v->ndim; d++) {
        if (v->size[d] == 0)
            return true;
        if (v->size[d] > 1 && v->stride[d] <= 0)
            return false;
        span += (v->size[d] - 1) * v->stride[d];
    }
    if (span != view_numel(v))
        return false;
    // No two elements share memory: sorted by stride, each dimension steps over the ones inside it.
    bool used[VIEW_MAX_DIMS] = {0};
    int64_t expected = 1;
    for (int i = 0; i < v->ndim; i++)
        for (int d = 0; d < v->ndim; d++)
            if (!used[d] && (v->size[d] == 1 || v->stride[d] == expected)) {
                used[d] = true;
                expected *= v->size[d];
            }
    return expected == span;
}

void elementwise_strides(View *out, int n, const View *const *in)
{
    bool same = n > 0, contiguous = true, channels_last = true, equal = true;
    for (int k = 0; k < n; k++) {
        same = same && view_same_shape(in[k], out);
        contiguous = contiguous && view_is_contiguous(in[k]);
        channels_last = channels_last && view_is_channels_last(in[k]);
        equal = equal && is_dense(in[k]) && in[k]->ndim == in[0]->ndim && memcmp(in[k]->stride, in[0]->stride, sizeof in[0]->stride[0] * in[0]->ndim) == 0;
    }
    int ndim = out->ndim;
    if (!same || !(contiguous || channels_last || equal)) {
        int64_t stride[PW_MAX_INPUTS + 1][VIEW_MAX_DIMS] = {0};
        for (int k = 0; k < n; k++)
            for (int d = ndim - in[k]->ndim, i = 0; i < in[k]->ndim; d++, i++)
                stride[k][d] = in[k]->size[i] == 1 && out->size[d] != 1 ? 0 : in[k]->stride[i];
        int perm[VIEW_MAX_DIMS];
        iter_memory_order(ndim, out->size, n, (const int64_t(*)[VIEW_MAX_DIMS])stride, perm);
        int64_t step = 1;
        for (int i = 0; i < ndim; i++) {
            out->stride[perm[i]] = step;
            step *= out->size[perm[i]] > 1 ? out->size[perm[i]] : 1;
        }
        return;
    }
    if (contiguous) {
        view_set_contiguous(out, ndim, out->size);
        return;
    }
    int64_t step = 1;
    for (int i = 0; channels_last && i < ndim; i++) {
        int d = i == 0 ? 1 : i == ndim - 1 ? 0 : ndim - i;
        out->stride[d] = step;
        step *= out->size[d] > 1 ? out->size[d] : 1;
    }
    if (!channels_last)
        memcpy(out->stride, in[0]->stride, sizeof out->stride[0] * (size_t)ndim);
}

// The layout the call runs in: that of its operands in private layouts, when all can be seen in it.
static Layout common_layout(const PwCall *c)
{
    for (int k = 0; k < c->inputs; k++)
        if (c->in[k].value.tag == TAG_TENSOR && c->in[k].value.as.tensor->view.layout != LAYOUT_STRIDED)
            return (Layout)c->in[k].value.as.tensor->view.layout;
    return c->out ? (Layout)c->out->view.layout : LAYOUT_STRIDED;
}

// One flat run over whole buffers, padding included: all tensors alike, and zeros give zeros.
static bool whole_buffers(const PwCall *c, const View *result, Layout layout, View *views)
{
    if (!(pw_info((PwOp)c->op).flags & PW_ZERO_KEEPING))
        return false;
    int64_t n = (int64_t)(layout_bytes(layout, DT_U8, result->ndim, result->size));
    for (int k = 0; k <= c->inputs; k++) {
        const View *v = k == 0 ? result : c->in[k - 1].value.tag == TAG_TENSOR ? &c->in[k - 1].value.as.tensor->view : NULL;
        if (!v) {
            if (c->op != PW_MUL)
                return false;
            continue;
        }
        if (v->layout != layout || !view_same_shape(v, result))
            return false;
        views[k] = (View){.data = v->data, .dtype = v->dtype};
        view_set_contiguous(&views[k], 1, &n);
    }
    return true;
}

// views[0]: the result, then the operands, as the loop walks them. False: some tensor must become plain first.
static bool loop_views(const PwCall *c, const View *result, Layout layout, View *views)
{
    if (layout != LAYOUT_STRIDED && result->ndim >= 3) {
        bool fit = view_physical(result, layout, result->ndim, result->size[1], &views[0]);
        for (int k = 0; k < c->inputs && fit; k++)
            if (c->in[k].value.tag == TAG_TENSOR)
                fit = view_physical(&c->in[k].value.as.tensor->view, layout, result->ndim, result->size[1], &views[k + 1]);
        return fit || whole_buffers(c, result, layout, views);
    }
    views[0] = *result;
    for (int k = 0; k < c->inputs; k++)
        if (c->in[k].value.tag == TAG_TENSOR) {
            views[k + 1] = c->in[k].value.as.tensor->view;
            if (views[k + 1].layout != LAYOUT_STRIDED)
                return false;
        }
    return result->layout == LAYOUT_STRIDED;
}

static Status make_plain(Lane *lane, PwCall *c)
{
    for (int k = 0; k < c->inputs; k++)
        if (c->in[k].value.tag == TAG_TENSOR)
            TRY(tensor_make_plain(lane, c->in[k].value.as.tensor));
    return c->out ? tensor_make_plain(lane, c->out) : ST_OK;
}

// Operators that write to an out= tensor of the result's own dtype only.
static bool out_is_exact(PwOp op)
{
    switch (op) {
    case PW_NEG: case PW_ABS: case PW_SIGN: case PW_SGN: case PW_CEIL: case PW_FLOOR: case PW_ROUND: case PW_ROUND_DECIMALS: case PW_TRUNC:
    case PW_FRAC: case PW_LEAKY_RELU: case PW_ELU: case PW_GELU: case PW_GELU_TANH: case PW_SILU: case PW_MISH: case PW_SOFTPLUS:
    case PW_HARDSWISH: case PW_HARDSIGMOID: case PW_HARDSHRINK: case PW_SOFTSHRINK: case PW_CONJ: case PW_BITWISE_NOT: return true;
    default: return false;
    }
}

static Status result_view(Lane *lane, PwCall *c, PwEntry *e, Layout layout)
{
    View *r = &e->result;
    TRY(result_shape(c, r));
    DType type = result_type(c, e->compute);
    if (c->out) {
        if (c->resize_out && out_is_exact((PwOp)c->op) && c->out->view.dtype != type)
            return op_raise("Found dtype %s but expected %s", dtype_torch_name((DType)c->out->view.dtype), dtype_torch_name(type));
        bool reshaped = !view_same_shape(r, &c->out->view);
        if (reshaped && !c->resize_out) {
            char have[200], want[200];
            shape_text(&c->out->view, have, sizeof have);
            shape_text(r, want, sizeof want);
            return op_raise("output with shape %s doesn't match the broadcast shape %s", have, want);
        }
        if (!dtype_can_cast(type, (DType)c->out->view.dtype))
            return op_raise("result type %s can't be cast to the desired output type %s", dtype_torch_name(type),
                            dtype_torch_name((DType)c->out->view.dtype));
        if (reshaped)
            TRY(out_resize(lane, c->out, r->ndim, r->size));
        *r = c->out->view;
        return ST_OK;
    }
    r->dtype = (uint8_t)type;
    r->layout = (uint8_t)layout;
    if (layout != LAYOUT_STRIDED) {
        view_set_contiguous(r, r->ndim, r->size);
        r->layout = (uint8_t)layout;
        return ST_OK;
    }
    const View *tensors[PW_MAX_INPUTS];
    int n = 0;
    for (int k = 0; k < c->inputs; k++)
        if (c->in[k].value.tag == TAG_TENSOR)
            tensors[n++] = &c->in[k].value.as.tensor->view;
    elementwise_strides(r, n, tensors);
    return ST_OK;
}

static Status refuse(const PwCall *c, DType type)
{
    static const char *const names[] = {
#define X(name, inputs, result, flags) #name,
        PW_LIST(X)
#undef X
    };
    char name[32];
    int i = 0;
    for (; names[c->op][i] && i < 30; i++)
        name[i] = (char)tolower((unsigned char)names[c->op][i]);
    name[i] = 0;
    return op_raise("\"%s_cpu\" not implemented for '%s'", name, type == DT_INVALID ? "Undefined" : dtype_torch_name(type));
}

static Status entry_make(Lane *lane, PwCall *c, PwEntry *e)
{
    e->compute = compute_type(c);
    if (e->compute == DT_INVALID)
        return refuse(c, e->compute);
    View views[1 + PW_MAX_INPUTS];
    memset(views, 0, sizeof views);
    Layout layout = common_layout(c);
    TRY(result_view(lane, c, e, layout));
    if (!loop_views(c, &e->result, layout, views)) {
        TRY(make_plain(lane, c));
        TRY(result_view(lane, c, e, LAYOUT_STRIDED));
        loop_views(c, &e->result, LAYOUT_STRIDED, views);
    }
    uint8_t loop_types[1 + PW_MAX_INPUTS];
    if (!pw_loop((PwOp)c->op, e->compute, loop_types))
        return refuse(c, e->compute);
    const View *in[PW_MAX_INPUTS];
    for (int k = 0; k < c->inputs; k++) {
        if (c->in[k].value.tag != TAG_TENSOR)
            views[k + 1].dtype = loop_types[k + 1]; // a number: kept in the type of the loop
        in[k] = &views[k + 1];
    }
    Status status = pw_plan(&e->plan, (PwOp)c->op, e->compute, &views[0], in);
    if (status == ST_DECLINED)
        return refuse(c, e->compute);
    TRY(status);
    e->op = c->op;
    e->kind = c->kind;
    e->inputs = c->inputs;
    e->numbers = (uint8_t)c->numbers;
    e->has_out = c->out != NULL;
    if (c->out)
        e->out_key = c->out->view;
    for (int k = 0; k < c->inputs; k++) {
        IValue v = c->in[k].value;
        e->key[k].tag = v.tag;
        if (v.tag != TAG_TENSOR)
            continue;
        e->key[k].view = v.as.tensor->view;
        e->key[k].wrapped = v.as.tensor->wrapped_number;
        View same = v.as.tensor->view;
        same.constant = e->result.constant = false;
        e->reusable[k] = !c->out && view_same_signature(&same, &e->result);
    }
    return ST_OK;
}

static Status entry_find(Lane *lane, Site *site, PwCall *c, PwEntry **out)
{
    PwSite *s = site->user;
    if (s && entry_fits(s->entries[0], c)) {
        *out = s->entries[0];
        return ST_OK;
    }
    int at = 1;
    while (s && at < s->count && !entry_fits(s->entries[at], c))
        at++;
    PwEntry *e = NULL;
    if (s && at < s->count) {
        e = s->entries[at];
    } else {
        e = calloc(1, sizeof *e);
        if (!e)
            return status_no_memory(sizeof *e);
        Status status = entry_make(lane, c, e);
        if (status == ST_OK && !s && !(s = site->user = calloc(1, sizeof *s)))
            status = status_no_memory(sizeof *s);
        if (status != ST_OK) {
            free(e);
            return status;
        }
        if (s->count == SITE_WAYS)
            free(s->entries[--s->count]);
        at = s->count++;
    }
    memmove(s->entries + 1, s->entries, sizeof *s->entries * (size_t)at);
    s->entries[0] = e;
    *out = e;
    return ST_OK;
}

// ---- running

Status out_resize(Lane *lane, Tensor *out, int ndim, const int64_t *size)
{
    if (out->storage->tracked)
        return op_raise("the out= tensor has another shape than the result and cannot be resized");
    Tensor *fresh;
    TRY(tensor_new(lane, tensor_dtype(out), ndim, size, &fresh));
    // The two change bodies: out keeps its identity.
    Storage *storage = out->storage;
    View view = out->view;
    out->storage = fresh->storage;
    out->view = fresh->view;
    out->offset = 0;
    fresh->storage = storage;
    fresh->view = view;
    tensor_release(fresh);
    return ST_OK;
}

// A number in the type of the loop, in 16 bytes.
static void number_store(IValue v, DType type, char *cell)
{
    switch (type) {
    case DT_F32: {
        float f = (float)arg_double(v);
        memcpy(cell, &f, sizeof f);
        return;
    }
    case DT_F64: {
        double d = arg_double(v);
        memcpy(cell, &d, sizeof d);
        return;
    }
    default: break;
    }
    Converter convert;
    double parts[2] = {0};
    int64_t whole = 0;
    bool is_float = v.tag == TAG_FLOAT || v.tag == TAG_COMPLEX;
    if (v.tag == TAG_COMPLEX) {
        parts[0] = v.as.complex->re;
        parts[1] = v.as.complex->im;
    } else if (v.tag == TAG_FLOAT) {
        parts[0] = v.as.f;
    } else {
        whole = arg_int(v);
    }
    if (converter_find(v.tag == TAG_COMPLEX ? DT_C128 : is_float ? DT_F64 : DT_I64, type, &convert))
        convert_row(&convert, cell, 0, is_float ? (const char *)parts : (const char *)&whole, 0, 1);
}

// A dying operand that nothing else sees, with the signature of the result.
static Tensor *reusable(const Site *site, const PwCall *c, const PwEntry *e)
{
    for (int k = 0; k < c->inputs; k++) {
        if (!e->reusable[k] || c->in[k].arg < 0 || !(site->last_use >> c->in[k].arg & 1))
            continue;
        Tensor *t = c->in[k].value.as.tensor;
        if (t->head.refs == 1 && t->storage->refs == 1 && !t->storage->shared && !t->wrapped_number)
            return t;
    }
    return NULL;
}

// An operand that shares memory with the destination but lies differently must be copied first.
static bool clashes(const Tensor *t, const Tensor *out)
{
    return t->storage == out->storage && !(t->view.data == out->view.data && view_same_signature(&t->view, &out->view)) &&
           (char *)t->view.data < (char *)out->view.data + view_bytes(&out->view) &&
           (char *)out->view.data < (char *)t->view.data + view_bytes(&t->view);
}

static Status run_with_copies(Lane *lane, Site *site, PwCall *c, Tensor **result)
{
    Tensor *copies[PW_MAX_INPUTS] = {0};
    Status status = ST_OK;
    for (int k = 0; k < c->inputs && status == ST_OK; k++) {
        IValue *v = &c->in[k].value;
        if (v->tag != TAG_TENSOR || !clashes(v->as.tensor, c->out))
            continue;
        status = tensor_make_plain(lane, v->as.tensor);
        if (status == ST_OK)
            status = tensor_new(lane, tensor_dtype(v->as.tensor), v->as.tensor->view.ndim, v->as.tensor->view.size, &copies[k]);
        if (status == ST_OK)
            status = copy_convert(&copies[k]->view, &v->as.tensor->view);
        v->as.tensor = status == ST_OK ? copies[k] : v->as.tensor;
    }
    if (status == ST_OK)
        status = pw_call(lane, site, c, result);
    for (int k = 0; k < c->inputs; k++)
        if (copies[k])
            tensor_release(copies[k]);
    return status;
}

Status pw_call(Lane *lane, Site *site, PwCall *c, Tensor **result)
{
    if (c->out) {
        TRY(tensor_make_writable(c->out));
        if (c->op != PW_MASKED_FILL)
            TRY(check_written(c->out));
        for (int k = 0; k < c->inputs; k++)
            if (c->in[k].value.tag == TAG_TENSOR)
                TRY(check_overlap(c->out, c->in[k].value.as.tensor));
        for (int k = 0; k < c->inputs; k++)
            if (c->in[k].value.tag == TAG_TENSOR && clashes(c->in[k].value.as.tensor, c->out))
                return run_with_copies(lane, site, c, result);
    }
    PwEntry *e = NULL;
    TRY(entry_find(lane, site, c, &e));
    Tensor *to = c->out ? c->out : reusable(site, c, e);
    if (to)
        tensor_retain(to);
    else
        TRY(tensor_new_as(lane, &e->result, &to));
    _Alignas(16) char cells[PW_MAX_INPUTS][16];
    char *data[1 + PW_MAX_INPUTS] = {to->view.data};
    for (int k = 0; k < c->inputs; k++) {
        if (c->in[k].value.tag == TAG_TENSOR) {
            data[k + 1] = c->in[k].value.as.tensor->view.data;
        } else {
            number_store(c->in[k].value, (DType)e->plan.loop_types[k + 1], cells[k]);
            data[k + 1] = cells[k];
        }
    }
    Status status = pw_run(&e->plan, data, &c->params);
    if (status != ST_OK) {
        tensor_release(to);
        return op_raise("%s", c->params.error);
    }
    *result = to;
    return ST_OK;
}
