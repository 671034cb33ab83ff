// Operator bindings: quantiles and modes, read off sorted rows.
#include "kernels/sort.h"
#include "worker/op_util.h"
#include "worker/sequence.h"

#define NONE value_none()
#define INT value_int
#define FALSE_VALUE value_bool(false)

// ---- quantiles

typedef enum Interpolation { LINEAR, LOWER, HIGHER, MIDPOINT, NEAREST } Interpolation;

static Status read_interpolation(const char *name, IValue v, Interpolation *out)
{
    static const char *const names[] = {"linear", "lower", "higher", "midpoint", "nearest"};
    for (int i = 0; i < 5; i++)
        if (str_is(str_of_value(v), names[i])) {
            *out = (Interpolation)i;
            return ST_OK;
        }
    return op_raise("%s() interpolation must be one of linear, lower, higher, midpoint or nearest, but got " STR_FMT, name, STR_ARG(str_of_value(v)));
}

static Status check_quantile(Lane *lane, const char *name, const Tensor *self, const Tensor *q)
{
    DType t = tensor_dtype(self);
    Tensor *wide;
    if (tensor_numel(self) == 0)
        return op_raise("%s() input tensor must be non-empty", name);
    if (q->view.ndim > 1)
        return op_raise("%s() q must be a scalar or 1D tensor", name);
    if (t != DT_F32 && t != DT_F64)
        return op_raise("%s() input tensor must be either float or double dtype", name);
    if (tensor_dtype(q) != t)
        return op_raise("%s() q tensor must be same dtype as the input tensor", name);
    TRY(tensor_new(lane, DT_F64, q->view.ndim, q->view.size, &wide));
    Status status = tensor_copy_into(lane, wide, q);
    for (int64_t i = 0; i < tensor_numel(wide) && status == ST_OK; i++) {
        double p = ((const double *)wide->view.data)[i];
        if (!(p >= 0 && p <= 1))
            status = op_raise("%s() q values must be in the range [0, 1]", name);
    }
    tensor_release(wide);
    return status;
}

// The rows to be sorted: along the last dimension, which is followed by nothing.
static IValue rows_of(Sequence *q, IValue self, IValue dim_arg, int *dim)
{
    int ndim = self.as.tensor->view.ndim;
    *dim = 0;
    if (arg_is_none(dim_arg))
        return STEP(q, "aten::reshape", self, sequence_ints(q, 1, (int64_t[]){-1}));
    if (q->status == ST_OK)
        q->status = wrap_dim(dim_arg.as.i, ndim, dim);
    if (ndim == 0)
        return STEP(q, "aten::reshape", self, sequence_ints(q, 1, (int64_t[]){1}));
    IValue wide = STEP(q, "aten::unsqueeze", self, INT(-1));
    return STEP(q, "aten::transpose.int", wide, INT(*dim), INT(-1));
}

// Places of the quantiles in the sorted rows: fractions of the last place, or of the last that is no NaN.
static IValue ranks_of(Sequence *q, IValue sorted, IValue p, bool ignore_nan)
{
    IValue last_dim = sequence_ints(q, 1, (int64_t[]){-1}), keep = value_bool(true), nan = STEP(q, "aten::isnan", sorted);
    if (q->status != ST_OK)
        return NONE;
    const View *v = &sorted.as.tensor->view;
    int64_t last = v->size[v->ndim - 1] - 1;
    if (ignore_nan) {
        IValue count = STEP(q, "aten::sum.dim_IntList", STEP(q, "aten::logical_not", nan), last_dim, keep, NONE);
        return STEP(q, "aten::clamp_min", STEP(q, "aten::mul.Tensor", p, STEP(q, "aten::sub.Scalar", count, INT(1), INT(1))), INT(0));
    }
    IValue any = STEP(q, "aten::any.dim", nan, INT(-1), keep);
    return STEP(q, "aten::masked_fill.Scalar", STEP(q, "aten::mul.Scalar", p, INT(last)), any, INT(last));
}

typedef struct QuantileRow { const char *name; bool ignore_nan; } QuantileRow;

OP_FN(op_quantile) // self, q, dim, keepdim, interpolation
{
    const QuantileRow *row = site->op->data;
    Interpolation how;
    int dim;
    TRY(read_interpolation(row->name, args[4], &how));
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue self = args[0], p = args[1];
    if (p.tag != TAG_TENSOR) {
        Tensor *cell = NULL;
        if (arg_double(p) < 0 || arg_double(p) > 1 || arg_double(p) != arg_double(p))
            sequence_raise(q, "quantile() q must be in the range [0, 1] but got %g", arg_double(p));
        DType t = dtype_is_floating(tensor_dtype(self.as.tensor)) ? tensor_dtype(self.as.tensor) : DT_F32;
        Status made = q->status == ST_OK ? tensor_from_scalar(lane, p, t, &cell) : q->status;
        p = sequence_keep(q, made, made == ST_OK ? value_tensor_take(cell) : NONE);
    }
    if (q->status == ST_OK)
        q->status = check_quantile(lane, row->name, self.as.tensor, p.as.tensor);
    if (q->status != ST_OK)
        return sequence_end(q);
    int kept = self.as.tensor->view.ndim;
    bool many = p.as.tensor->view.ndim == 1;
    IValue sorted[2], rows = rows_of(q, self, args[2], &dim);
    sequence_step(q, "aten::sort", STEP_ARGS(rows, INT(-1), FALSE_VALUE), 2, sorted);
    IValue ranks = ranks_of(q, sorted[0], p, row->ignore_nan);
    if (how == LOWER || how == HIGHER || how == NEAREST)
        ranks = STEP(q, how == LOWER ? "aten::floor" : how == HIGHER ? "aten::ceil" : "aten::round", ranks);
    IValue below = STEP(q, "aten::to.dtype", ranks, INT(DT_I64), FALSE_VALUE, FALSE_VALUE, NONE);
    if (q->status == ST_OK && !many && below.as.tensor->view.ndim == sorted[0].as.tensor->view.ndim - 1) // no row has a dimension for it
        below = STEP(q, "aten::unsqueeze", below, INT(-1));
    IValue values = STEP(q, "aten::gather", sorted[0], INT(-1), below, FALSE_VALUE);
    if (how == LINEAR || how == MIDPOINT) {
        IValue above = STEP(q, "aten::to.dtype", STEP(q, "aten::ceil", ranks), INT(DT_I64), FALSE_VALUE, FALSE_VALUE, NONE);
        above = STEP(q, "aten::gather", sorted[0], INT(-1), above, FALSE_VALUE);
        values = how == MIDPOINT ? STEP(q, "aten::lerp.Scalar", values, above, value_float(0.5))
                                 : STEP(q, "aten::lerp.Tensor", values, above, STEP(q, "aten::sub.Tensor", ranks, below, INT(1)));
    }
    // Now […, quantiles], with 1 in place of the dimension when there was one.
    bool whole = arg_is_none(args[2]);
    if (whole && args[3].as.b && kept) {
        int64_t ones[VIEW_MAX_DIMS];
        for (int d = 0; d < kept; d++)
            ones[d] = 1;
        ones[kept] = -1;
        values = STEP(q, "aten::reshape", values, sequence_ints(q, kept + 1 <= VIEW_MAX_DIMS ? kept + 1 : kept, ones));
    } else if (!whole && !args[3].as.b && kept) {
        values = STEP(q, "aten::squeeze.dim", values, INT(dim));
    }
    values = many ? STEP(q, "aten::movedim.int", values, INT(-1), INT(0)) : STEP(q, "aten::squeeze.dim", values, INT(-1));
    return sequence_give(q, values, rets);
}

// ---- mode

// Of a sorted row: the least of the most frequent values, as its last place. Every NaN is a value of its own.
static int64_t mode_of(const double *f, const int64_t *i, int64_t n)
{
    int64_t best = 0, most = 0, run = 0;
    for (int64_t k = 0; k < n; k++) {
        run++;
        bool ends = k + 1 == n || (f ? f[k] != f[k + 1] : i[k] != i[k + 1]);
        if (ends && run > most) {
            most = run;
            best = k;
        }
        run = ends ? 0 : run;
    }
    return best;
}

OP_FN(op_mode) // self, dim, keepdim
{
    const View *v = &args[0].as.tensor->view;
    bool real = dtype_is_floating((DType)v->dtype);
    int dim;
    TRY(wrap_dim(args[1].as.i, v->ndim, &dim));
    int64_t n = v->ndim ? v->size[dim] : 1;
    if (n == 0)
        return op_raise_class("IndexError", "mode(): Expected reduction dim %d to have non-zero size.", dim);
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue x = v->ndim ? STEP(q, "aten::transpose.int", args[0], INT(dim), INT(-1)) : STEP(q, "aten::unsqueeze", args[0], INT(0)), sorted[2];
    x = STEP(q, "aten::contiguous", x, INT(FORMAT_CONTIGUOUS));
    sequence_step(q, "aten::sort.stable", STEP_ARGS(x, value_bool(true), INT(-1), FALSE_VALUE), 2, sorted);
    IValue wide = STEP(q, "aten::to.dtype", sorted[0], INT(real ? DT_F64 : DT_I64), FALSE_VALUE, FALSE_VALUE, NONE);
    IValue at = STEP(q, "aten::to.dtype", STEP(q, "aten::slice.Tensor", sorted[1], INT(-1), INT(0), INT(1), INT(1)), INT(DT_I64), FALSE_VALUE, value_bool(true),
                     INT(FORMAT_CONTIGUOUS));
    if (q->status == ST_OK) {
        int64_t *best = at.as.tensor->view.data, rows = tensor_numel(at.as.tensor);
        const char *data = wide.as.tensor->view.data;
        for (int64_t r = 0; r < rows; r++, data += n * 8)
            best[r] = mode_of(real ? (const double *)data : NULL, (const int64_t *)data, n);
    }
    for (int i = 0; i < 2; i++) {
        IValue r = STEP(q, "aten::gather", sorted[i], INT(-1), at, FALSE_VALUE);
        if (v->ndim)
            r = STEP(q, "aten::transpose.int", r, INT(dim), INT(-1));
        if (!args[2].as.b || v->ndim == 0)
            r = STEP(q, "aten::squeeze.dim", r, INT(dim));
        sorted[i] = STEP(q, "aten::contiguous", r, INT(FORMAT_CONTIGUOUS));
    }
    return SEQUENCE_GIVE(q, rets, sorted[0], sorted[1]);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}
#define QUANTILE(name, text, ignore_nan) {"aten::" name, op_quantile, 0, &(const QuantileRow){text, ignore_nan}, sequence_free}

const OpBinding OPS_QUANTILE[] = {
    QUANTILE("quantile", "quantile", false), QUANTILE("quantile.scalar", "quantile", false), QUANTILE("nanquantile", "nanquantile", true),
    QUANTILE("nanquantile.scalar", "nanquantile", true), ROW("mode", op_mode),
    {0},
};
