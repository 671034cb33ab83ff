// Operator bindings: reductions and running sums. A row says what is computed, which dtype comes out, and what each
// argument of its schema is.
#include "kernels/pointwise.h"
#include "kernels/promote.h"
#include "kernels/reduce.h"
#include "worker/op.h"
#include "worker/pointwise.h"

#include <math.h>

// Which dtype comes out when none is asked for.
typedef enum OutKind { OUT_SAME, OUT_SUM, OUT_FLOAT, OUT_BOOL, OUT_COUNT } OutKind;

// args, one letter per schema argument:
//   t self   d dimensions (int, list or None)   k keepdim   y dtype   n number (p, correction)   u unbiased
//   o p out= of the first and second result
// results: what the operator returns, in order: v value, s second output (positions, mean)
typedef struct Row {
    uint8_t op, out;
    const char *args, *results;
} Row;

typedef struct Call {
    ReduceParams params;
    Tensor *self, *out[2];
    bool keepdim;
    DType dtype; // asked for, or DT_INVALID
    int ndim;    // of the result
    int64_t size[VIEW_MAX_DIMS];
    int kept_ndim; // without the reduced dimensions
    int64_t kept[VIEW_MAX_DIMS];
} Call;

static Status read_dims(Call *c, IValue v)
{
    int ndim = c->self->view.ndim, n = 0;
    int64_t dims[VIEW_MAX_DIMS];
    if (!arg_is_none(v))
        TRY(arg_ints(v, dims, VIEW_MAX_DIMS, &n));
    bool none = !arg_is_none(v) && n == 0 && (c->params.op == REDUCE_ANY || c->params.op == REDUCE_ALL);
    memset(c->params.reduced, n == 0 && !none, sizeof c->params.reduced); // no dimensions are all of them, but for these two
    for (int i = 0; i < n; i++) {
        int d;
        TRY(wrap_dim(dims[i], ndim, &d));
        if (c->params.reduced[d])
            return op_raise("dim %d appears multiple times in the list of dims", d);
        c->params.reduced[d] = true;
    }
    return ST_OK;
}

static Status read_args(Call *c, const Row *row, const IValue *args)
{
    *c = (Call){.params.op = row->op, .dtype = DT_INVALID, .self = args[0].as.tensor};
    memset(c->params.reduced, 1, sizeof c->params.reduced);
    if (row->op == REDUCE_NORM)
        c->params.number = 2;
    if (row->op == REDUCE_VAR || row->op == REDUCE_STD)
        c->params.number = 1;
    for (int i = 0; row->args[i]; i++) {
        if (arg_is_none(args[i]) && row->args[i] != 'd')
            continue;
        switch (row->args[i]) {
        case 'd': TRY(read_dims(c, args[i])); break;
        case 'k': c->keepdim = args[i].as.b; break;
        case 'y': c->dtype = (DType)args[i].as.i; break;
        case 'n': c->params.number = arg_double(args[i]); break;
        case 'u': c->params.number = args[i].as.b; break;
        case 'o': c->out[0] = args[i].as.tensor; break;
        case 'p': c->out[1] = args[i].as.tensor; break;
        default: break;
        }
    }
    const View *v = &c->self->view;
    for (int d = 0; d < v->ndim; d++) {
        if (!c->params.reduced[d])
            c->size[c->ndim++] = c->kept[c->kept_ndim++] = v->size[d];
        else if (c->keepdim)
            c->size[c->ndim++] = 1;
    }
    return ST_OK;
}

static Status out_dtype(const Row *row, const Call *c, DType *out)
{
    DType self = tensor_dtype(c->self), base = c->dtype == DT_INVALID ? self : c->dtype;
    DTypeCategory category = dtype_category(base);
    bool whole = category == DT_BOOLEAN || category == DT_INTEGRAL;
    switch ((OutKind)row->out) {
    case OUT_SUM: *out = c->dtype == DT_INVALID && whole ? DT_I64 : base; break;
    case OUT_BOOL: *out = self == DT_U8 ? DT_U8 : DT_BOOL; break;
    case OUT_COUNT: *out = DT_I64; break;
    case OUT_FLOAT:
        if (whole && row->op == REDUCE_MEAN)
            return op_raise("mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: %s", dtype_torch_name(base));
        if (whole && (row->op == REDUCE_VAR || row->op == REDUCE_STD))
            return op_raise("std and var only support floating point and complex dtypes");
        if (whole && row->op == REDUCE_NORM)
            return op_raise("linalg.vector_norm: Expected a floating point or complex tensor as input. Got %s", dtype_torch_name(base));
        *out = dtype_float_of(base);
        break;
    default: *out = base;
    }
    return ST_OK;
}

// Of the value: variances and norms of complex numbers are real.
static DType value_dtype(const Row *row, DType type)
{
    bool real = row->op == REDUCE_VAR || row->op == REDUCE_STD || row->op == REDUCE_NORM;
    return real && dtype_is_complex(type) ? dtype_real_of(type) : type;
}

// Reductions without a neutral element refuse empty dimensions.
static Status check_empty(const Site *site, const Call *c)
{
    ReduceOp op = (ReduceOp)c->params.op;
    if (op != REDUCE_MAX && op != REDUCE_MIN && op != REDUCE_ARGMAX && op != REDUCE_ARGMIN)
        return ST_OK;
    int64_t kept = 1, all = tensor_numel(c->self);
    for (int i = 0; i < c->kept_ndim; i++)
        kept *= c->kept[i];
    if (all > 0 || kept == 0)
        return ST_OK;
    char name[32];
    const char *full = site->op->name + strlen("aten::");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(full, "."), full);
    for (int d = 0; d < c->self->view.ndim; d++)
        if (c->params.reduced[d] && c->kept_ndim)
            return op_raise_class("IndexError", "%s(): Expected reduction dim %d to have non-zero size.", name, d);
    return op_raise("%s(): Expected reduction dim to be specified for input.numel() == 0.%s", name,
                    op == REDUCE_MAX || op == REDUCE_MIN ? " Specify the reduction dim with the 'dim' argument." : "");
}

// The operand as the kernel walks it; reductions over the spatial dimensions of a blocked layout need no reordering.
static Status operand_view(Lane *lane, Call *c, View *in, View *const out[2])
{
    const View *v = &c->self->view;
    bool spatial = v->layout != LAYOUT_STRIDED && v->ndim >= 3 && !c->params.reduced[0] && !c->params.reduced[1];
    if (!spatial || !view_physical(v, (Layout)v->layout, v->ndim, v->size[1], in)) {
        TRY(tensor_make_plain(lane, c->self));
        *in = c->self->view;
        return ST_OK;
    }
    // Kept: N, C/b, the kept spatial dimensions, b; the results are contiguous in N, C, spatial…
    int64_t block = in->size[v->ndim];
    c->params.reduced[v->ndim] = false;
    for (int k = 0; k < 2; k++) {
        View *o = out[k];
        if (!o->data)
            continue;
        int64_t channel = o->stride[1];
        o->size[1] /= block;
        o->stride[1] *= block;
        o->size[o->ndim] = block;
        o->stride[o->ndim++] = channel;
    }
    return ST_OK;
}

static Status reduce(Lane *lane, Call *c, Tensor *const out[2])
{
    View in, kept[2] = {{0}, {0}};
    for (int k = 0; k < 2; k++)
        if (out[k]) {
            kept[k] = (View){.data = out[k]->view.data, .dtype = out[k]->view.dtype};
            view_set_contiguous(&kept[k], c->kept_ndim, c->kept);
        }
    View *const slots[2] = {&kept[0], &kept[1]};
    TRY(operand_view(lane, c, &in, slots));
    const View *views[2] = {out[0] ? &kept[0] : NULL, out[1] ? &kept[1] : NULL};
    Status status = reduce_run(&c->params, &in, views);
    return status == ST_DECLINED ? op_raise("\"reduce_cpu\" not implemented for '%s'", dtype_torch_name((DType)in.dtype)) : status;
}

// The caller's tensor takes the result's shape and values.
static Status give(Lane *lane, Tensor *made, Tensor *out, IValue *ret)
{
    if (!out) {
        *ret = value_tensor_take(made);
        return ST_OK;
    }
    Status status = view_same_shape(&made->view, &out->view) ? ST_OK : out_resize(lane, out, made->view.ndim, made->view.size);
    if (status == ST_OK)
        status = tensor_copy_into(lane, out, made);
    tensor_release(made);
    if (status == ST_OK)
        *ret = value_tensor_take(tensor_retain(out));
    return status;
}

static Status finish(Lane *lane, Site *site, const Row *row, Call *c, IValue *rets)
{
    DType type = DT_INVALID;
    TRY(out_dtype(row, c, &type));
    TRY(check_empty(site, c));
    bool positions = row->op == REDUCE_ARGMAX || row->op == REDUCE_ARGMIN;
    if (positions && row->results[0] == 's' && tensor_dtype(c->self) == DT_BOOL)
        return op_raise("%s(): does not support bool input", row->op == REDUCE_ARGMAX ? "argmax" : "argmin");
    DType self = tensor_dtype(c->self);
    if (row->op == REDUCE_NANSUM && (dtype_is_complex(self) || (dtype_is_floating(self) && c->dtype != DT_INVALID && dtype_is_complex(c->dtype))))
        return op_raise("nansum does not support complex inputs");
    if (row->op == REDUCE_NANSUM && dtype_is_floating(self) && c->dtype == DT_BOOL)
        return op_raise("\"nansum_cpu\" not implemented for 'Bool'");
    Tensor *cast = NULL, *made[2] = {0};
    // Asked for a narrower category: the elements are converted first.
    if (c->dtype != DT_INVALID && dtype_category(c->dtype) < dtype_category(tensor_dtype(c->self))) {
        TRY(tensor_to_dtype(lane, c->self, c->dtype, &cast));
        c->self = cast;
    }
    Status status = ST_OK;
    for (const char *r = row->results; *r && status == ST_OK; r++)
        status = tensor_new(lane, *r != 's' ? value_dtype(row, type) : positions ? DT_I64 : type, c->ndim, c->size, &made[*r == 's']);
    if (status == ST_OK)
        status = reduce(lane, c, made);
    if (cast)
        tensor_release(cast);
    IValue given[2] = {value_none(), value_none()};
    for (int i = 0; row->results[i]; i++) {
        int k = row->results[i] == 's';
        if (status == ST_OK)
            status = give(lane, made[k], c->out[i], &given[i]);
        else if (made[k])
            tensor_release(made[k]);
    }
    for (int i = 0; row->results[i]; i++) {
        if (status == ST_OK)
            rets[i] = given[i];
        else
            value_release(given[i]);
    }
    return status;
}

static Status op_reduce(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const Row *row = site->op->data;
    Call c;
    TRY(read_args(&c, row, args));
    return finish(lane, site, row, &c, rets);
}

// aminmax: two reductions.
static Status op_aminmax(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const char *letters = site->arg_count == 1 ? "t" : "tdk";
    const Row least = {REDUCE_MIN, OUT_SAME, letters, "v"}, greatest = {REDUCE_MAX, OUT_SAME, letters, "v"};
    Call c;
    IValue low;
    TRY(read_args(&c, &least, args));
    TRY(finish(lane, site, &least, &c, &low));
    Status status = read_args(&c, &greatest, args);
    if (status == ST_OK)
        status = finish(lane, site, &greatest, &c, &rets[1]);
    if (status != ST_OK) {
        value_release(low);
        return status;
    }
    rets[0] = low;
    return ST_OK;
}

// ---- running results

typedef struct CumulativeRow {
    uint8_t op;
    bool in_place, positions;
} CumulativeRow;

// self, dim, then dtype unless the operator gives positions.
static Status op_cumulative(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const CumulativeRow *row = site->op->data;
    Tensor *self = args[0].as.tensor, *out, *at = NULL;
    int dim;
    TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
    DType type = tensor_dtype(self);
    bool sums = row->op == CUM_SUM || row->op == CUM_PROD;
    if (sums && !arg_is_none(args[2]))
        type = (DType)args[2].as.i;
    else if (sums && !row->in_place && dtype_category(type) <= DT_INTEGRAL)
        type = DT_I64;
    TRY(tensor_make_plain(lane, self));
    TRY(tensor_new(lane, type, self->view.ndim, self->view.size, &out));
    Status status = row->positions ? tensor_new(lane, DT_I64, self->view.ndim, self->view.size, &at) : ST_OK;
    if (status == ST_OK)
        status = cumulative_run((CumulativeOp)row->op, dim, &self->view, &out->view, at ? &at->view : NULL);
    if (status == ST_DECLINED)
        status = op_raise("\"cumulative_cpu\" not implemented for '%s'", dtype_torch_name(tensor_dtype(self)));
    if (status == ST_OK && row->in_place)
        status = tensor_copy_into(lane, self, out);
    if (status != ST_OK || row->in_place)
        tensor_release(out);
    if (status != ST_OK) {
        if (at)
            tensor_release(at);
        return status;
    }
    rets[0] = value_tensor_take(row->in_place ? tensor_retain(self) : out);
    if (at)
        rets[1] = value_tensor_take(at);
    return ST_OK;
}

#define P (OP_PRIVATE_LAYOUT | OP_OUT_CASTS)
#define ROW(name, op, out, args, results) {"aten::" name, op_reduce, P, &(const Row){REDUCE_##op, OUT_##out, args, results}, NULL},
#define CUMULATIVE(name, op, in_place, positions)                                                                      \
    {"aten::" name, op_cumulative, in_place ? OP_WRITES_ARG0 : OP_OUT_CASTS, &(const CumulativeRow){CUM_##op, in_place, positions}, NULL},

const OpBinding OPS_REDUCE[] = {
    ROW("sum", SUM, SUM, "ty", "v")
    ROW("sum.dim_IntList", SUM, SUM, "tdky", "v")
    ROW("sum.IntList_out", SUM, SUM, "tdkyo", "v")
    ROW("nansum", NANSUM, SUM, "tdky", "v")
    ROW("mean", MEAN, FLOAT, "ty", "v")
    ROW("mean.dim", MEAN, FLOAT, "tdky", "v")
    ROW("mean.out", MEAN, FLOAT, "tdkyo", "v")
    ROW("prod", PROD, SUM, "ty", "v")
    ROW("prod.dim_int", PROD, SUM, "tdky", "v")
    ROW("prod.int_out", PROD, SUM, "tdkyo", "v")
    ROW("max", MAX, SAME, "t", "v")
    ROW("min", MIN, SAME, "t", "v")
    ROW("max.dim", ARGMAX, SAME, "tdk", "vs")
    ROW("min.dim", ARGMIN, SAME, "tdk", "vs")
    ROW("max.dim_max", ARGMAX, SAME, "tdkop", "vs")
    ROW("min.dim_min", ARGMIN, SAME, "tdkop", "vs")
    ROW("amax", MAX, SAME, "tdk", "v")
    ROW("amin", MIN, SAME, "tdk", "v")
    ROW("argmax", ARGMAX, SAME, "tdk", "s")
    ROW("argmin", ARGMIN, SAME, "tdk", "s")
    ROW("any", ANY, BOOL, "t", "v")
    ROW("any.dim", ANY, BOOL, "tdk", "v")
    ROW("any.dims", ANY, BOOL, "tdk", "v")
    ROW("all", ALL, BOOL, "t", "v")
    ROW("all.dim", ALL, BOOL, "tdk", "v")
    ROW("all.dims", ALL, BOOL, "tdk", "v")
    ROW("var", VAR, FLOAT, "tu", "v")
    ROW("var.dim", VAR, FLOAT, "tduk", "v")
    ROW("var.correction", VAR, FLOAT, "tdnk", "v")
    ROW("std", STD, FLOAT, "tu", "v")
    ROW("std.dim", STD, FLOAT, "tduk", "v")
    ROW("std.correction", STD, FLOAT, "tdnk", "v")
    ROW("var_mean", VAR, FLOAT, "tu", "vs")
    ROW("var_mean.dim", VAR, FLOAT, "tduk", "vs")
    ROW("var_mean.correction", VAR, FLOAT, "tdnk", "vs")
    ROW("std_mean", STD, FLOAT, "tu", "vs")
    ROW("std_mean.dim", STD, FLOAT, "tduk", "vs")
    ROW("std_mean.correction", STD, FLOAT, "tdnk", "vs")
    ROW("norm.Scalar", NORM, FLOAT, "tn", "v")
    ROW("norm.ScalarOpt_dim", NORM, FLOAT, "tndk", "v")
    ROW("norm.ScalarOpt_dim_dtype", NORM, FLOAT, "tndky", "v")
    ROW("norm.ScalarOpt_dtype", NORM, FLOAT, "tny", "v")
    ROW("linalg_vector_norm", NORM, FLOAT, "tndky", "v")
    ROW("frobenius_norm.dim", NORM, FLOAT, "tdk", "v")
    ROW("logsumexp", LOGSUMEXP, FLOAT, "tdk", "v")
    ROW("special_logsumexp", LOGSUMEXP, FLOAT, "tdk", "v")
    ROW("native_norm", NORM, FLOAT, "tn", "v")
    ROW("native_norm.ScalarOpt_dim_dtype", NORM, FLOAT, "tndky", "v")
    ROW("_is_all_true", ALL, BOOL, "t", "v")
    ROW("_is_any_true", ANY, BOOL, "t", "v")
    ROW("count_nonzero", COUNT_NONZERO, COUNT, "td", "v")
    ROW("count_nonzero.dim_IntList", COUNT_NONZERO, COUNT, "td", "v")
    {"aten::aminmax", op_aminmax, P, NULL, NULL},
    {"aten::_aminmax", op_aminmax, P, NULL, NULL},
    {"aten::_aminmax.dim", op_aminmax, P, NULL, NULL},
    CUMULATIVE("cumsum", SUM, false, false)
    CUMULATIVE("cumsum_", SUM, true, false)
    CUMULATIVE("cumprod", PROD, false, false)
    CUMULATIVE("cumprod_", PROD, true, false)
    CUMULATIVE("cummax", MAX, false, true)
    CUMULATIVE("cummin", MIN, false, true)
    CUMULATIVE("logcumsumexp", LOGSUMEXP, false, false)
    CUMULATIVE("_logcumsumexp", LOGSUMEXP, false, false)
    {0},
};
