// Ordinary operators on quantised tensors: which of them PyTorch has for the QuantizedCPU backend, and how each runs.
// Most move integers about, or go through floats and back; a function of one variable is a table of the 256 bytes.
#include "worker/op_util.h"

#include "kernels/iter.h"
#include "kernels/quant.h"
#include "worker/bits.h"
#include "worker/ops_quant.h"

#include <math.h>
#include <stdlib.h>

enum { ARGS_MAX = 32, RETS_MAX = 4 };

// A quantised tensor, or a list of them: no operator takes lists of lists.
static bool is_quantised(IValue v)
{
    if (v.tag == TAG_LIST && v.as.list->len)
        v = v.as.list->items[0];
    return v.tag == TAG_TENSOR && v.as.tensor->quant;
}

Status quant_refuse(const Site *site)
{
    return op_raise("Could not run '%s' with arguments from the 'QuantizedCPU' backend.", site->op->name);
}

Status quant_check_bytes(const Tensor *t, const char *name)
{
    if (!t->quant || !quant_is_per_tensor(t->quant))
        return op_raise("%s: the operands must be quantized per tensor", name);
    DType d = tensor_dtype(t);
    return d == DT_QU8 || d == DT_QI8 ? ST_OK : op_raise("%s of %s is not supported", name, dtype_python_name(d));
}

// ---- other operators as parts

typedef struct Slots { Site sites[QUANT_SLOTS]; } Slots;

void quant_free_sites(void *user)
{
    Slots *s = user;
    for (int i = 0; i < QUANT_SLOTS; i++)
        site_clear(&s->sites[i]);
    free(s);
}

Status quant_call(Lane *lane, Site *site, int slot, const char *name, int n, const IValue *args, IValue *ret)
{
    if (!site->user && !(site->user = calloc(1, sizeof(Slots))))
        return status_no_memory(sizeof(Slots));
    const OpBinding *op = op_find(str_of(name));
    if (!op)
        return status_fail(ST_UNSUPPORTED, "operator %s is not implemented", name);
    Site *s = &((Slots *)site->user)->sites[slot];
    if (s->op != op) {
        site_clear(s);
        *s = (Site){.op = op, .node = site->node, .arg_count = (uint8_t)n, .ret_count = 1};
    }
    const IValue *outer = lane->args;
    lane->args = NULL;
    Status status = op->fn(lane, s, args, ret);
    lane->args = outer;
    return status;
}

// ---- calling the operator's own function with other arguments

// Dequantised; the distance from the zero point, or the integer itself, as float32; the integers. AS_ROUNDED: as AS_RAW, but
// the result is rounded before the zero point is taken off.
typedef enum As { AS_NUMBERS, AS_WHOLE, AS_RAW, AS_ROUNDED, AS_INTEGERS } As;

static Status whole(Lane *lane, Tensor *t, bool raw, Tensor **out)
{
    if (!quant_is_per_tensor(t->quant))
        return op_raise("the operator takes tensors quantized per tensor only");
    Quant unit = *t->quant, *own = t->quant;
    unit.scale = 1;
    if (raw)
        unit.zero_point = 0;
    t->quant = &unit; // for this call: nothing keeps it
    Status status = tensor_dequantise(lane, t, out);
    t->quant = own;
    return status;
}

static Status distance(Lane *lane, Tensor *t, Tensor **out) { return whole(lane, t, false, out); }
static Status raw_integer(Lane *lane, Tensor *t, Tensor **out) { return whole(lane, t, true, out); }

typedef struct Change { Lane *lane; As as; } Change;

static Status change(void *ctx, IValue v, IValue *out)
{
    const Change *c = ctx;
    if (v.tag == TAG_LIST && is_quantised(v))
        return list_changed(v.as.list, change, ctx, out);
    if (!is_quantised(v)) {
        *out = value_retain(v);
        return ST_OK;
    }
    Tensor *t;
    As as = c->as;
    TRY((as == AS_NUMBERS ? tensor_dequantise : as == AS_WHOLE ? distance : as == AS_RAW || as == AS_ROUNDED ? raw_integer : tensor_int_view)(c->lane, v.as.tensor, &t));
    *out = value_tensor_take(t);
    return ST_OK;
}

static Status call_changed(Lane *lane, Site *site, const IValue *args, As as, IValue *rets)
{
    IValue changed[ARGS_MAX];
    if (site->arg_count > ARGS_MAX || site->ret_count > RETS_MAX)
        return quant_refuse(site);
    uint32_t n = 0;
    Status status = ST_OK;
    while (n < site->arg_count && status == ST_OK) {
        status = change(&(Change){lane, as}, args[n], &changed[n]);
        n += status == ST_OK;
    }
    if (status == ST_OK) {
        lane->args = NULL; // nothing of these dies here
        status = site->op->fn(lane, site, changed, rets);
    }
    for (uint32_t i = 0; i < n; i++)
        value_release(changed[i]);
    return status;
}

static Quant *first_quant(const Site *site, const IValue *args)
{
    for (uint32_t i = 0; i < site->arg_count; i++)
        if (is_quantised(args[i]))
            return args[i].tag == TAG_LIST ? args[i].as.list->items[0].as.tensor->quant : args[i].as.tensor->quant;
    return NULL;
}

static DType first_dtype(const Site *site, const IValue *args)
{
    for (uint32_t i = 0; i < site->arg_count; i++)
        if (is_quantised(args[i]))
            return tensor_dtype(args[i].tag == TAG_LIST ? args[i].as.list->items[0].as.tensor : args[i].as.tensor);
    return DT_QU8;
}

// The result replaced by what `make` makes of it.
static Status requantise(Lane *lane, IValue *ret, DType dtype, Quant *q, As as)
{
    Tensor *t = ret->as.tensor, *made;
    if (as == AS_INTEGERS) {
        TRY(tensor_quant_view(lane, t, dtype, q, &made));
    } else if (as == AS_WHOLE || as == AS_RAW || as == AS_ROUNDED) {
        if (as == AS_RAW) { // PyTorch subtracts the zero point from what it interpolated
            TRY(tensor_make_plain(lane, t));
            if (!view_is_dense(&t->view))
                return status_fail(ST_INTERNAL, "an interpolated tensor has gaps");
            for (int64_t i = 0, n = tensor_numel(t); i < n; i++)
                ((float *)t->view.data)[i] -= (float)q->zero_point;
        }
        Quant unit = *q;
        unit.scale = 1;
        unit.zero_point = as == AS_ROUNDED ? 0 : q->zero_point;
        unit.refs = 2; // it stays ours
        TRY(tensor_quantise(lane, t, dtype, &unit, &made));
        made->quant = quant_retain(q);
    } else {
        TRY(tensor_quantise(lane, t, dtype, q, &made));
    }
    tensor_release(t);
    ret->as.tensor = made;
    return ST_OK;
}

// The first result gets the integers and the quantisation of the first quantised argument back.
static Status through(Lane *lane, Site *site, const IValue *args, IValue *rets, As as)
{
    Quant *q = first_quant(site, args);
    DType dtype = first_dtype(site, args);
    if (as == AS_INTEGERS && !quant_is_per_tensor(q))
        return op_raise("the operator takes tensors quantized per tensor only");
    TRY(call_changed(lane, site, args, as, rets));
    Status status = rets[0].tag == TAG_TENSOR ? requantise(lane, &rets[0], dtype, q, as) : quant_refuse(site);
    if (status != ST_OK)
        for (uint32_t i = 0; i < site->ret_count; i++)
            value_release(rets[i]);
    return status;
}

OP_FN(on_numbers) { return through(lane, site, args, rets, AS_NUMBERS); }
OP_FN(on_whole) { return through(lane, site, args, rets, AS_WHOLE); }
// Averages of windows, too: whole numbers are rounded to even, not the distances, unless channels are innermost.
OP_FN(op_adaptive_pool)
{
    const View *v = &args[0].as.tensor->view;
    return through(lane, site, args, rets, v->ndim >= 4 && view_is_channels_last(v) ? AS_WHOLE : AS_ROUNDED);
}
OP_FN(on_raw) { return through(lane, site, args, rets, AS_RAW); }
OP_FN(on_integers) { return through(lane, site, args, rets, AS_INTEGERS); }
OP_FN(op_max_pool)
{
    const Tensor *x = args[0].as.tensor;
    if (!quant_channels_inside(x))
        return on_whole(lane, site, args, rets);
    TRY(site->op->fn(lane, site, args, rets));
    rets[0].as.tensor->quant = quant_retain(x->quant);
    return ST_OK;
}
OP_FN(plain_result) { return call_changed(lane, site, args, AS_NUMBERS, rets); }

// Are these the last dimensions of a tensor in one piece? None and an empty list are all of them.
static bool reduces_rows(const Tensor *t, IValue dims)
{
    int64_t dim[VIEW_MAX_DIMS];
    int n = 0, first = t->view.ndim;
    uint32_t seen = 0;
    if (!tensor_is_contiguous(t) || (dims.tag == TAG_LIST && arg_ints(dims, dim, VIEW_MAX_DIMS, &n) != ST_OK))
        return false;
    for (int i = 0; i < n; i++) {
        int64_t d = dim[i] < 0 ? dim[i] + t->view.ndim : dim[i];
        if (d < 0 || d >= t->view.ndim)
            return false;
        seen |= 1u << d;
        first = d < first ? (int)d : first;
    }
    return n == 0 || seen == (1u << t->view.ndim) - (1u << first);
}

// PyTorch averages rows that lie in one piece in their integers, and others as numbers; halves are rounded differently.
OP_FN(op_mean) // self, dim, keepdim, dtype; or self, dtype
{
    const Tensor *t = args[0].as.tensor;
    bool whole = site->arg_count < 3, raw = quant_is_per_tensor(t->quant) && t->view.ndim && reduces_rows(t, whole ? value_none() : args[1]);
    return through(lane, site, args, rets, raw ? AS_ROUNDED : AS_NUMBERS);
}

// ---- functions of one variable

typedef struct Unary { double a, b; } Unary;
typedef float (*UnaryFn)(const Unary *u, float x);

Status quant_table(Lane *lane, Tensor *x, const uint8_t table[256], Quant *q, Tensor **out)
{
    Tensor *y, *dense = NULL;
    if (!view_is_dense(&x->view)) { // the same elements in a dense order
        TRY(tensor_copy_as(lane, x, tensor_dtype(x), FORMAT_PRESERVE, &dense));
        x = dense;
    }
    Status status = tensor_new_like(lane, x, tensor_dtype(x), FORMAT_PRESERVE, &y);
    if (status == ST_OK) {
        quant_release(y->quant);
        y->quant = quant_retain(q);
        byte_table_row(x->view.data, table, y->view.data, tensor_numel(x));
        *out = y;
    }
    if (dense)
        tensor_release(dense);
    return status;
}

Status quant_unary(Lane *lane, Tensor *x, float (*f)(const void *ctx, float x), const void *ctx, double scale, int64_t zero_point, Tensor **out)
{
    DType t = tensor_dtype(x);
    if (!x->quant || !quant_is_per_tensor(x->quant))
        return op_raise("the operator takes tensors quantized per tensor only");
    Quant *q;
    TRY(quant_new(scale, zero_point, &q));
    Status status;
    if (t == DT_QI32) {
        Tensor *numbers, *moved;
        status = tensor_dequantise(lane, x, &numbers);
        if (status == ST_OK) {
            float *v = numbers->view.data;
            for (int64_t i = 0, n = tensor_numel(numbers); i < n; i++) // made here: dense
                v[i] = f(ctx, v[i]);
            status = tensor_quantise(lane, numbers, t, q, &moved);
            tensor_release(numbers);
        }
        if (status == ST_OK)
            *out = moved;
    } else {
        uint8_t table[256];
        for (int i = 0; i < 256; i++) {
            int integer = t == DT_QI8 ? (int8_t)i : i;
            float number;
            dequantise_row(t == DT_QI8 ? (void *)&(int8_t){(int8_t)integer} : (void *)&(uint8_t){(uint8_t)integer}, t, (float)x->quant->scale,
                           x->quant->zero_point, &number, 1);
            table[i] = (uint8_t)quantise_one(f(ctx, number), (float)scale, zero_point, t);
        }
        status = quant_table(lane, x, table, q, out);
    }
    quant_release(q);
    return status;
}

static float f_relu(const void *c, float x) { (void)c; return x > 0 ? x : 0; }
static float f_relu6(const void *c, float x) { (void)c; return x < 0 ? 0 : x > 6 ? 6 : x; }
static float f_sigmoid(const void *c, float x) { (void)c; return 1.0f / (1.0f + expf(-x)); }
static float f_tanh(const void *c, float x) { (void)c; return tanhf(x); }
static float f_hardsigmoid(const void *c, float x) { (void)c; return (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6.0f; }
static float f_leaky_relu(const void *c, float x) { return x > 0 ? x : x * (float)((const Unary *)c)->a; }
static float f_gelu(const void *c, float x) { (void)c; return x * 0.5f * (1.0f + erff(x * 0.70710678118654752f)); }
static float f_gelu_tanh(const void *c, float x)
{
    (void)c;
    float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
    return 0.5f * x * (1.0f + tanhf(inner));
}
static float f_threshold(const void *c, float x) { return x > (float)((const Unary *)c)->a ? x : (float)((const Unary *)c)->b; }
static float f_elu(const void *c, float x) { return x > 0 ? x : (float)((const Unary *)c)->a * (expf(x) - 1); }

// x keeps its quantisation.
static Status same_quant(Lane *lane, const IValue *args, float (*f)(const void *, float), const Unary *u, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *y;
    if (!x->quant)
        return op_raise("the first operand of the operator is not quantized");
    TRY(quant_unary(lane, x, f, u, x->quant->scale, x->quant->zero_point, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

// relu and clamps compare integers: a bound is quantised first, and all that lies beyond becomes it.
typedef struct Bounds { const Quant *q; DType dtype; bool has_lo, has_hi; float lo, hi; } Bounds;
static float bound(const Bounds *b, float x)
{
    return (float)(quantise_one(x, (float)b->q->scale, b->q->zero_point, b->dtype) - b->q->zero_point) * (float)b->q->scale;
}
static float f_bounds(const void *c, float x)
{
    const Bounds *b = c;
    if (b->has_lo && x < bound(b, b->lo))
        x = bound(b, b->lo);
    return b->has_hi && x > bound(b, b->hi) ? bound(b, b->hi) : x;
}
Status quant_clamp(Lane *lane, Tensor *x, IValue lo, IValue hi, IValue *rets)
{
    if (!x->quant)
        return op_raise("the first operand of the operator is not quantized");
    Bounds b = {x->quant, tensor_dtype(x), lo.tag != TAG_NONE, hi.tag != TAG_NONE, (float)arg_double(lo), (float)arg_double(hi)};
    Tensor *y;
    TRY(quant_unary(lane, x, f_bounds, &b, x->quant->scale, x->quant->zero_point, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

OP_FN(op_relu) { return same_quant(lane, args, f_relu, NULL, rets); }
OP_FN(op_relu6) { return same_quant(lane, args, f_relu6, NULL, rets); }
OP_FN(op_clamp) { return quant_clamp(lane, args[0].as.tensor, args[1], args[2], rets); }
OP_FN(op_clamp_min) { return quant_clamp(lane, args[0].as.tensor, args[1], value_none(), rets); }
OP_FN(op_clamp_max) { return quant_clamp(lane, args[0].as.tensor, value_none(), args[1], rets); }
OP_FN(op_leaky_relu) { return same_quant(lane, args, f_leaky_relu, &(Unary){arg_double(args[1]), 0}, rets); }
OP_FN(op_threshold) { return same_quant(lane, args, f_threshold, &(Unary){arg_double(args[1]), arg_double(args[2])}, rets); }
OP_FN(op_gelu) // PyTorch's keeps the scale as float32
{
    bool by_tanh = args[1].tag == TAG_STR && str_is(str_of_value(args[1]), "tanh");
    Tensor *x = args[0].as.tensor, *y;
    TRY(quant_unary(lane, x, by_tanh ? f_gelu_tanh : f_gelu, NULL, (float)x->quant->scale, x->quant->zero_point, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_elu)
{
    if (arg_double(args[2]) != 1 || arg_double(args[3]) != 1)
        return quant_refuse(site);
    return same_quant(lane, args, f_elu, &(Unary){arg_double(args[1]), 0}, rets);
}

// Results of a known range have a fixed quantisation.
static Status fixed_range(Lane *lane, const IValue *args, float (*f)(const void *, float), double width, bool centred, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *y;
    DType t = tensor_dtype(x);
    double scale = width / (t == DT_QI32 ? 4294967296.0 : 256);
    int64_t zero_point = centred ? (t == DT_QU8 ? 128 : 0) : t == DT_QI8 ? -128 : t == DT_QI32 ? INT32_MIN : 0;
    TRY(quant_unary(lane, x, f, NULL, scale, zero_point, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_sigmoid) { return fixed_range(lane, args, f_sigmoid, 1, false, rets); }
OP_FN(op_hardsigmoid) { return fixed_range(lane, args, f_hardsigmoid, 1, false, rets); }
OP_FN(op_tanh) { return fixed_range(lane, args, f_tanh, 2, true, rets); }

float quant_sigmoid(const void *c, float x) { return f_sigmoid(c, x); }

// ---- in place

// The integers of `from` into the tensor argument 0; the tensor takes over the quantisation too, as set_quantizer does.
static Status put_back(Lane *lane, Tensor *into, Tensor *from)
{
    TRY(tensor_make_writable(into));
    Tensor *a, *b;
    TRY(tensor_int_view(lane, into, &a));
    Status status = tensor_int_view(lane, from, &b);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, a, b);
        tensor_release(b);
    }
    tensor_release(a);
    if (status == ST_OK && into->quant != from->quant) {
        quant_retain(from->quant);
        quant_release(into->quant);
        into->quant = from->quant;
    }
    return status;
}

static Status in_place(Lane *lane, Site *site, const IValue *args, IValue *rets, OpFn fn)
{
    IValue made;
    TRY(fn(lane, site, args, &made));
    Status status = put_back(lane, args[0].as.tensor, made.as.tensor);
    value_release(made);
    TRY(status);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}
OP_FN(op_relu_) { return in_place(lane, site, args, rets, op_relu); }
OP_FN(op_relu6_) { return in_place(lane, site, args, rets, op_relu6); }
OP_FN(op_clamp_) { return in_place(lane, site, args, rets, op_clamp); }
OP_FN(op_leaky_relu_) { return in_place(lane, site, args, rets, op_leaky_relu); }

OP_FN(op_copy_) // self, src, non_blocking
{
    Tensor *self = args[0].as.tensor, *src = args[1].as.tensor;
    if (!self->quant)
        return quant_raise_copy();
    if (src->quant && tensor_dtype(src) != tensor_dtype(self))
        return op_raise("Quantized Copy only works with same Quantized dtype");
    if (src->quant) {
        TRY(put_back(lane, self, src));
    } else {
        if (tensor_dtype(src) != DT_F32)
            return op_raise("Quantized copy only works with kFloat as source Tensor");
        Tensor *q;
        TRY(tensor_quantise(lane, src, tensor_dtype(self), self->quant, &q));
        Status status = put_back(lane, self, q);
        tensor_release(q);
        TRY(status);
    }
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_fill_) // self, value
{
    Tensor *self = args[0].as.tensor, *integers;
    if (!self->quant || !quant_is_per_tensor(self->quant))
        return quant_refuse(site);
    double value = arg_double(args[1]);
    if (args[1].tag == TAG_TENSOR) {
        IValue item;
        TRY(tensor_item(lane, args[1].as.tensor, &item));
        value = arg_double(item);
        value_release(item);
    }
    TRY(tensor_make_writable(self));
    TRY(tensor_int_view(lane, self, &integers));
    Status status = tensor_fill(integers, value_int(quantise_one((float)value, (float)self->quant->scale, self->quant->zero_point, tensor_dtype(self))));
    tensor_release(integers);
    TRY(status);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_empty_like) // self, dtype, layout, device, pin_memory, memory_format
{
    Tensor *self = args[0].as.tensor, *t;
    if (arg_dtype_or(args[1], tensor_dtype(self)) != tensor_dtype(self))
        return quant_refuse(site);
    TRY(tensor_new_like(lane, self, tensor_dtype(self), arg_int_or(args[5], FORMAT_PRESERVE), &t));
    if (view_is_dense(&t->view)) // its content is not specified: the same in every run
        memset(t->view.data, 0, (size_t)tensor_numel(t) * dtype_size(tensor_dtype(t)));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// Tensors in a list may be quantised in different ways: they are brought to the first one's.
OP_FN(op_cat) // tensors, dim
{
    const ListObj *l = args[0].as.list;
    const Tensor *first = l->items[0].as.tensor;
    bool same = true;
    for (uint32_t i = 1; i < l->len; i++) {
        const Tensor *t = l->items[i].as.tensor;
        if (!t->quant || tensor_dtype(t) != tensor_dtype(first) || !quant_is_per_tensor(t->quant))
            return quant_refuse(site);
        same = same && t->quant->scale == first->quant->scale && t->quant->zero_point == first->quant->zero_point;
    }
    return through(lane, site, args, rets, same ? AS_INTEGERS : AS_NUMBERS);
}

// ---- the table

typedef struct OnQuant { const char *name; OpFn fn; } OnQuant; // fn NULL: the operator's own function will do

#define SAME(name) {name, NULL}
static const OnQuant on_quant[] = {
    // shapes and views
    SAME("aten::view"), SAME("aten::_unsafe_view"), SAME("aten::reshape"), SAME("aten::view_as"), SAME("aten::reshape_as"),
    SAME("aten::flatten.using_ints"), SAME("aten::unflatten.int"), SAME("aten::permute"), SAME("aten::transpose.int"), SAME("aten::swapaxes"),
    SAME("aten::swapdims"), SAME("aten::t"), SAME("aten::numpy_T"), SAME("aten::mT"), SAME("aten::movedim.int"), SAME("aten::movedim.intlist"),
    SAME("aten::moveaxis.int"), SAME("aten::moveaxis.intlist"), SAME("aten::squeeze"), SAME("aten::squeeze.dim"), SAME("aten::squeeze.dims"),
    SAME("aten::unsqueeze"), SAME("aten::expand"), SAME("aten::expand_as"), SAME("aten::select.int"), SAME("aten::slice.Tensor"),
    SAME("aten::narrow"), SAME("aten::chunk"), SAME("aten::split.Tensor"), SAME("aten::split.sizes"), SAME("aten::split"),
    SAME("aten::split_with_sizes"), SAME("aten::unsafe_split.Tensor"), SAME("aten::unsafe_chunk"), SAME("aten::tensor_split.sections"),
    SAME("aten::tensor_split.indices"), SAME("aten::unbind.int"), SAME("aten::unfold"), SAME("aten::as_strided"), SAME("aten::diagonal"),
    SAME("aten::ravel"), SAME("aten::contiguous"), SAME("aten::clone"), SAME("aten::detach"), SAME("aten::detach_"), SAME("aten::alias"),
    SAME("aten::to.device"), SAME("aten::to.dtype"), SAME("aten::to.other"), SAME("aten::to.dtype_layout"), SAME("aten::to.prim_Device"),
    SAME("aten::to.prim_dtype"), SAME("aten::to.prim_other"), SAME("aten::_to_copy"), SAME("aten::cpu"), {"aten::empty_like", op_empty_like},
    SAME("aten::requires_grad_"), SAME("aten::broadcast_to"), SAME("aten::channel_shuffle"), SAME("aten::pixel_shuffle"),
    SAME("aten::pixel_unshuffle"), SAME("aten::dropout"), SAME("aten::feature_dropout"), SAME("aten::alpha_dropout"), SAME("aten::native_channel_shuffle"),
    // questions
    SAME("aten::size"), SAME("aten::size.int"), SAME("aten::sym_size"), SAME("aten::sym_size.int"), SAME("aten::dim"), SAME("aten::numel"),
    SAME("aten::len.Tensor"), SAME("aten::stride"), SAME("aten::stride.int"), SAME("aten::is_contiguous"), SAME("aten::is_contiguous.memory_format"),
    SAME("aten::is_floating_point"), SAME("aten::is_complex"), SAME("aten::is_signed"), SAME("aten::is_same_size"), SAME("aten::storage_offset"),
    SAME("aten::get_device"), SAME("aten::element_size"), SAME("aten::is_quantized"), SAME("aten::is_leaf"), SAME("aten::item"), SAME("aten::_local_scalar_dense"),
    SAME("aten::Int.Tensor"), SAME("aten::Float.Tensor"), SAME("aten::Bool.Tensor"), SAME("aten::FloatImplicit"), SAME("aten::IntImplicit"),
    SAME("aten::__is__"), SAME("aten::__isnot__"), SAME("aten::isfinite"),
    // integers moved about
    {"aten::cat", op_cat}, {"aten::concat", op_cat}, {"aten::concatenate", op_cat}, {"aten::stack", op_cat}, {"aten::index_select", on_integers},
    {"aten::index.Tensor", on_integers}, {"aten::flip", on_integers}, {"aten::gather", on_integers}, {"aten::masked_select", on_integers},
    {"aten::topk", on_integers}, {"aten::sort", on_integers}, {"aten::sort.stable", on_integers}, {"aten::max", on_integers}, {"aten::min", on_integers},
    {"aten::max.dim", on_integers}, {"aten::min.dim", on_integers}, {"aten::reflection_pad1d", on_integers}, {"aten::reflection_pad2d", on_integers},
    {"aten::repeat", on_integers}, {"aten::roll", on_integers},
    // windows: exact on the distances from the zero point
    {"aten::max_pool1d", on_whole}, {"aten::max_pool2d", op_max_pool}, {"aten::max_pool3d", on_whole}, 
    {"aten::avg_pool2d", on_whole}, {"aten::avg_pool3d", on_whole},
    {"aten::adaptive_avg_pool2d", op_adaptive_pool}, {"aten::adaptive_avg_pool3d", op_adaptive_pool}, {"aten::_adaptive_avg_pool2d", op_adaptive_pool},
    {"aten::_adaptive_avg_pool3d", op_adaptive_pool}, {"aten::adaptive_avg_pool1d", on_whole}, {"aten::upsample_nearest1d", on_whole},
    {"aten::upsample_nearest1d.vec", on_whole}, {"aten::upsample_nearest2d", on_whole}, {"aten::upsample_nearest2d.vec", on_whole},
    {"aten::upsample_nearest3d", on_whole}, {"aten::upsample_nearest3d.vec", on_whole}, {"aten::_upsample_nearest_exact2d", on_whole},
    {"aten::_upsample_nearest_exact2d.vec", on_whole}, {"aten::upsample_bilinear2d", on_raw}, {"aten::upsample_bilinear2d.vec", on_raw},
    // numbers
    {"aten::mean", op_mean}, {"aten::mean.dim", op_mean}, {"aten::std.dim", on_numbers}, {"aten::constant_pad_nd", on_numbers},
    {"aten::pad", on_numbers}, {"aten::masked_fill.Scalar", on_numbers}, {"aten::prelu", on_numbers}, {"aten::_prelu_kernel", on_numbers},
    {"aten::relu", op_relu}, {"aten::relu_", op_relu_}, {"aten::relu6", op_relu6}, {"aten::relu6_", op_relu6_}, {"aten::clamp", op_clamp},
    {"aten::clamp_", op_clamp_}, {"aten::hardtanh", op_clamp}, {"aten::hardtanh_", op_clamp_}, {"aten::clamp_min", op_clamp_min},
    {"aten::clamp_max", op_clamp_max}, {"aten::sigmoid", op_sigmoid}, {"aten::tanh", op_tanh}, {"aten::hardsigmoid", op_hardsigmoid},
    {"aten::leaky_relu", op_leaky_relu}, {"aten::leaky_relu_", op_leaky_relu_}, {"aten::threshold", op_threshold}, {"aten::gelu", op_gelu},
    {"aten::elu", op_elu}, {"aten::copy_", op_copy_}, {"aten::fill_.Scalar", op_fill_}, {"aten::fill_.Tensor", op_fill_},
    // comparisons give plain tensors
    {"aten::eq.Tensor", plain_result}, {"aten::eq.Scalar", plain_result}, {"aten::ne.Tensor", plain_result}, {"aten::ne.Scalar", plain_result},
    {"aten::lt.Tensor", plain_result}, {"aten::lt.Scalar", plain_result}, {"aten::le.Tensor", plain_result}, {"aten::le.Scalar", plain_result},
    {"aten::gt.Tensor", plain_result}, {"aten::gt.Scalar", plain_result}, {"aten::ge.Tensor", plain_result}, {"aten::ge.Scalar", plain_result},
    {"aten::equal", plain_result},
};

static const OnQuant *find(Str name)
{
    for (size_t i = 0; i < sizeof on_quant / sizeof *on_quant; i++)
        if (str_is(name, on_quant[i].name))
            return &on_quant[i];
    return NULL;
}

// Operators for which a quantised tensor is a value like any other.
static bool takes_any(const Site *site, uint32_t i)
{
    const Schema *s = site->node ? site->node->schema : NULL;
    if (!s)
        return false;
    const Type *t = i < s->arg_count ? s->args[i].type : NULL;
    while (t && (t->kind == TYPE_OPTIONAL || t->kind == TYPE_LIST))
        t = t->elem[0];
    return !t || t->kind == TYPE_VAR || t->kind == TYPE_ANY || t->kind == TYPE_ANY_LIST;
}

Status op_choose(Site *site, const IValue *args, uint32_t n, OpFn *fn)
{
    OpFn own = *fn;
    TRY(bits_choose(site, args, n, fn));
    if (*fn != own)
        return ST_OK; // it comes back with other arguments
    uint32_t i = 0;
    while (i < n && !is_quantised(args[i]))
        i++;
    if (i == n)
        return ST_OK;
    Str name = str_of(site->op->name);
    if (site->op->flags & OP_QUANTISED || str_starts(name, STR("prim::")) || takes_any(site, i))
        return ST_OK;
    if (!site->on_quant) {
        site->on_quant = find(name);
        if (!site->on_quant)
            return quant_refuse(site);
    }
    const OnQuant *found = site->on_quant;
    if (found->fn)
        *fn = found->fn;
    return ST_OK;
}
