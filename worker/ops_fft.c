// Operator bindings: Fourier transforms (torch.fft).
// Everything becomes one transform over some dimensions of a tensor whose sizes were trimmed or padded first.
#include "worker/ops_fft.h"

#include "kernels/copy.h"
#include "worker/sequence.h"

#include <math.h>

// ---- one transform

static DType complex_of(DType t) { return t == DT_F32 ? DT_C64 : t == DT_F64 ? DT_C128 : t; }

// How PyTorch lays out a transform over dims: the other dimensions first, in the order of the input's strides, then these
// (in that order too, but for the last one of a transform of real numbers). order: outermost first.
typedef struct Placement { int ndim; int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS]; int32_t order[VIEW_MAX_DIMS]; } Placement;

static void sort_dims(const Placement *l, int32_t *dims, int n)
{
    for (int i = 1; i < n; i++) {
        int32_t d = dims[i];
        int at = i;
        for (; at > 0 && l->stride[dims[at - 1]] < l->stride[d]; at--)
            dims[at] = dims[at - 1];
        dims[at] = d;
    }
}

static void lay_out(Placement *l, const int *dims, int n, bool last_stays)
{
    int32_t order[VIEW_MAX_DIMS];
    int others = 0;
    bool transformed[VIEW_MAX_DIMS] = {false};
    for (int i = 0; i < n; i++)
        transformed[dims[i]] = true;
    for (int d = 0; d < l->ndim; d++)
        if (!transformed[d])
            order[others++] = d;
    sort_dims(l, order, others);
    for (int i = 0; i < n; i++)
        order[others + i] = dims[i];
    sort_dims(l, order + others, n - last_stays);
    int64_t step = 1;
    for (int i = l->ndim - 1; i >= 0; i--) {
        l->order[i] = order[i];
        l->stride[order[i]] = step;
        step = next_stride(step, l->size[order[i]]);
    }
}

static void result_order(const View *v, const FftCall *c, int32_t *order)
{
    Placement l = {.ndim = v->ndim};
    memcpy(l.size, v->size, sizeof *l.size * v->ndim);
    memcpy(l.stride, v->stride, sizeof *l.stride * v->ndim);
    int rest = c->dims - 1;
    bool from_real = c->kind == FFT_R2C || c->kind == FFT_R2C_FULL;
    if (c->kind == FFT_C2R && rest) { // complex transforms first
        lay_out(&l, c->dim, rest, false);
        lay_out(&l, c->dim + rest, 1, true);
    } else if (c->kind == FFT_R2C && !c->forward && rest) { // … and afterwards
        lay_out(&l, c->dim + rest, 1, true);
        lay_out(&l, c->dim, rest, false);
    } else {
        lay_out(&l, c->dim, c->dims, from_real);
    }
    memcpy(order, l.order, sizeof *order * v->ndim);
}

Status fft_run(Lane *lane, Site *site, Tensor *t, const FftCall *c, Tensor **out)
{
    FftParams p;
    memset(&p, 0, sizeof p);
    p.kind = (int32_t)c->kind;
    p.forward = c->forward;
    p.dims = c->dims;
    p.last_size = c->kind == FFT_C2R ? c->last_size : 0;
    result_order(&t->view, c, p.order);
    double points = 1;
    for (int i = 0; i < c->dims; i++) {
        p.dim[i] = c->dim[i];
        points *= (double)(i == c->dims - 1 && c->kind == FFT_C2R ? c->last_size : t->view.size[c->dim[i]]);
    }
    p.scale = c->norm == FFT_BY_N ? 1 / points : c->norm == FFT_BY_ROOT_N ? 1 / sqrt(points) : 1;
    return kernel_call(lane, site, &kernel_fft, &p, sizeof p, &t, 1, out, 1);
}

// The tensor with other sizes in some dimensions: cut off, or filled up with zeros.
static Status resized(Lane *lane, Tensor *t, const int64_t *size, Tensor **out)
{
    View part = t->view;
    bool grows = false, changes = false;
    for (int d = 0; d < part.ndim; d++) {
        grows = grows || size[d] > part.size[d];
        changes = changes || size[d] != part.size[d];
        part.size[d] = size[d] < part.size[d] ? size[d] : part.size[d];
    }
    if (!changes) {
        *out = tensor_retain(t);
        return ST_OK;
    }
    if (!grows)
        return tensor_view(lane, t, part.ndim, part.size, part.stride, t->offset, out);
    TRY(tensor_new(lane, tensor_dtype(t), part.ndim, size, out));
    Status s = tensor_fill(*out, value_int(0));
    View to = (*out)->view;
    for (int d = 0; d < part.ndim; d++)
        to.size[d] = part.size[d];
    if (s == ST_OK && view_numel(&part))
        s = copy_convert(&to, &part);
    if (s != ST_OK)
        tensor_release(*out);
    return s;
}

// Integers become float32, and reals complex where they must.
static Status promoted(Lane *lane, Tensor *t, bool to_complex, Tensor **out)
{
    DType type = tensor_dtype(t);
    if (!dtype_is_floating(type) && !dtype_is_complex(type))
        type = DT_F32;
    if (type == DT_F16 || type == DT_BF16 || type == DT_C32)
        return op_raise_class("NotImplementedError", "Unsupported dtype %s", dtype_torch_name(type));
    return tensor_to_dtype(lane, t, to_complex ? complex_of(type) : type, out);
}

static Status norm_of(IValue norm, bool forward, FftNorm *out)
{
    Str name = arg_is_none(norm) ? STR("backward") : str_of_value(norm);
    if (str_is(name, "backward"))
        *out = forward ? FFT_NO_NORM : FFT_BY_N;
    else if (str_is(name, "forward"))
        *out = forward ? FFT_BY_N : FFT_NO_NORM;
    else if (str_is(name, "ortho"))
        *out = FFT_BY_ROOT_N;
    else
        return op_raise("Invalid normalization mode: \"" STR_FMT "\"", STR_ARG(name));
    return ST_OK;
}

// ---- the operators of torch.fft: `data` says which

typedef enum FftName { FFT_FFT, FFT_RFFT, FFT_IRFFT, FFT_HFFT, FFT_IHFFT } FftName;
typedef struct FftRow {
    FftName name;
    bool forward;
    const char *text;
} FftRow;

static Status raise_points(int64_t n) { return op_raise("Invalid number of data points (%lld) specified", (long long)n); }

// c has the dimensions; size the points in each (of the result in the last one, for FFT_C2R).
static Status transform(Lane *lane, Site *site, const FftRow *row, Tensor *self, FftCall *c, const int64_t *points, IValue norm, IValue *ret)
{
    bool to_real = row->name == FFT_IRFFT || row->name == FFT_HFFT, from_real = row->name == FFT_RFFT || row->name == FFT_IHFFT;
    if (from_real && dtype_is_complex(tensor_dtype(self)))
        return op_raise_class("TypeError", "%s expects a real input tensor, but got %s", row->text, dtype_torch_name(tensor_dtype(self)));
    TRY(norm_of(norm, row->forward, &c->norm));
    c->forward = row->forward;
    c->kind = to_real ? FFT_C2R : from_real ? FFT_R2C : dtype_is_complex(tensor_dtype(self)) ? FFT_C2C : FFT_R2C_FULL;
    Tensor *input = NULL, *fitted = NULL, *out = NULL;
    TRY(promoted(lane, self, to_real, &input));
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, input->view.size, sizeof *size * input->view.ndim);
    for (int i = 0; i < c->dims; i++)
        size[c->dim[i]] = points[i];
    if (to_real) {
        c->last_size = points[c->dims - 1];
        size[c->dim[c->dims - 1]] = c->last_size / 2 + 1;
    }
    Status s = resized(lane, input, size, &fitted);
    tensor_release(input);
    TRY(s);
    s = fft_run(lane, site, fitted, c, &out);
    tensor_release(fitted);
    TRY(s);
    *ret = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_fft_1d) // self, n, dim, norm
{
    const FftRow *row = site->op->data;
    Tensor *self = args[0].as.tensor;
    const View *v = &self->view;
    bool to_real = row->name == FFT_IRFFT || row->name == FFT_HFFT;
    FftCall c = {.dims = 1};
    if (v->ndim == 0)
        return op_raise_class("IndexError", "Dimension specified as %lld but tensor has no dimensions", (long long)args[2].as.i);
    if (args[2].as.i < -v->ndim || args[2].as.i >= v->ndim)
        return op_raise_class("IndexError", "Dimension out of range (expected to be in range of [%d, %d], but got %lld)", -v->ndim, v->ndim - 1, (long long)args[2].as.i);
    TRY(wrap_dim(args[2].as.i, v->ndim, &c.dim[0]));
    int64_t size = v->size[c.dim[0]], n = arg_int_or(args[1], to_real ? 2 * (size - 1) : size);
    if (n < 1)
        return raise_points(n);
    return transform(lane, site, row, self, &c, &n, args[3], rets);
}

// Shapes and dimensions of transforms over several dimensions.
static Status read_dims(const FftRow *row, const Tensor *self, IValue shape, IValue dim, FftCall *c, int64_t *points)
{
    const View *v = &self->view;
    int64_t given[VIEW_MAX_DIMS], sizes[VIEW_MAX_DIMS];
    bool seen[VIEW_MAX_DIMS] = {false};
    int n = 0, n_sizes = 0;
    if (!arg_is_none(dim)) {
        TRY(arg_ints(dim, given, VIEW_MAX_DIMS, &n));
        for (int i = 0; i < n; i++) {
            if (given[i] < -v->ndim || given[i] >= v->ndim)
                return op_raise_class("IndexError", "Dimension out of range (expected to be in range of [%d, %d], but got %lld)", v->ndim ? -v->ndim : -1, v->ndim ? v->ndim - 1 : 0, (long long)given[i]);
            TRY(wrap_dim(given[i], v->ndim, &c->dim[i]));
            if (seen[c->dim[i]])
                return op_raise("FFT dims must be unique");
            seen[c->dim[i]] = true;
        }
    }
    if (!arg_is_none(shape)) {
        TRY(arg_ints(shape, sizes, VIEW_MAX_DIMS, &n_sizes));
        if (!arg_is_none(dim) && n != n_sizes)
            return op_raise("When given, dim and shape arguments must have the same length");
        if (n_sizes > v->ndim)
            return op_raise("Got shape with %d values but input tensor only has %d dimensions.", n_sizes, v->ndim);
    }
    if (arg_is_none(dim)) { // the last ones
        n = arg_is_none(shape) ? v->ndim : n_sizes;
        for (int i = 0; i < n; i++)
            c->dim[i] = v->ndim - n + i;
    }
    c->dims = n;
    bool to_real = row->name == FFT_IRFFT || row->name == FFT_HFFT;
    for (int i = 0; i < n; i++) {
        bool last = to_real && i == n - 1, whole = arg_is_none(shape) || sizes[i] == -1;
        int64_t size = v->size[c->dim[i]];
        points[i] = whole ? (last ? 2 * (size - 1) : size) : sizes[i];
        if (points[i] < 1)
            return raise_points(points[i]);
    }
    return ST_OK;
}

OP_FN(op_fft_nd) // self, s, dim, norm
{
    const FftRow *row = site->op->data;
    FftCall c = {0};
    int64_t points[VIEW_MAX_DIMS];
    TRY(read_dims(row, args[0].as.tensor, args[1], args[2], &c, points));
    if (c.dims == 0 && row->name != FFT_FFT)
        return op_raise("%s must transform at least one axis", row->text);
    if (c.dims > 0)
        return transform(lane, site, row, args[0].as.tensor, &c, points, args[3], rets);
    Tensor *t, *copy;
    TRY(promoted(lane, args[0].as.tensor, true, &t));
    Status s = tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &copy);
    tensor_release(t);
    return s == ST_OK ? (rets[0] = value_tensor_take(copy), ST_OK) : s;
}

// ---- what torch.fft is made of

static Status raw_dims(const Tensor *t, IValue dims, FftCall *c)
{
    int64_t given[VIEW_MAX_DIMS];
    TRY(arg_ints(dims, given, VIEW_MAX_DIMS, &c->dims));
    for (int i = 0; i < c->dims; i++)
        TRY(wrap_dim(given[i], t->view.ndim, &c->dim[i]));
    for (int i = 0; i < c->dims; i++)
        for (int k = 0; k < i; k++)
            if (c->dim[i] == c->dim[k])
                return op_raise("FFT dims must be unique");
    return ST_OK;
}

static Status raw_norm(IValue v, FftCall *c)
{
    c->norm = (FftNorm)v.as.i;
    return v.as.i >= 0 && v.as.i <= 2 ? ST_OK : op_raise("Unsupported normalization type %lld", (long long)v.as.i);
}

static Status raw_run(Lane *lane, Site *site, Tensor *t, const FftCall *c, IValue *rets)
{
    Tensor *out;
    if (c->dims == 0) {
        TRY(tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &out));
    } else {
        if (tensor_dtype(t) == DT_F16 || tensor_dtype(t) == DT_BF16 || tensor_dtype(t) == DT_C32)
            return op_raise_class("NotImplementedError", "Unsupported dtype %s", dtype_torch_name(tensor_dtype(t)));
        TRY(fft_run(lane, site, t, c, &out));
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_c2c) // self, dim, normalization, forward
{
    Tensor *t = args[0].as.tensor;
    FftCall c = {.kind = FFT_C2C, .forward = args[3].as.b};
    TRY(raw_dims(t, args[1], &c));
    TRY(raw_norm(args[2], &c));
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise("Expected self.is_complex() to be true, but got false.");
    return raw_run(lane, site, t, &c, rets);
}

OP_FN(op_r2c) // self, dim, normalization, onesided
{
    Tensor *t = args[0].as.tensor;
    FftCall c = {.kind = args[3].as.b ? FFT_R2C : FFT_R2C_FULL, .forward = true};
    TRY(raw_dims(t, args[1], &c));
    TRY(raw_norm(args[2], &c));
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("Expected self.is_floating_point() to be true, but got false.");
    if (c.dims == 0)
        return op_raise("_fft_r2c needs at least one dimension");
    return raw_run(lane, site, t, &c, rets);
}

OP_FN(op_c2r) // self, dim, normalization, last_dim_size
{
    Tensor *t = args[0].as.tensor, *fitted;
    FftCall c = {.kind = FFT_C2R, .last_size = args[3].as.i};
    TRY(raw_dims(t, args[1], &c));
    TRY(raw_norm(args[2], &c));
    if (!dtype_is_complex(tensor_dtype(t)))
        return op_raise("Expected self.is_complex() to be true, but got false.");
    if (c.dims == 0)
        return op_raise("_fft_c2r needs at least one dimension");
    if (c.last_size < 1)
        return raise_points(c.last_size);
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, t->view.size, sizeof *size * t->view.ndim);
    size[c.dim[c.dims - 1]] = c.last_size / 2 + 1;
    TRY(resized(lane, t, size, &fitted));
    Status s = raw_run(lane, site, fitted, &c, rets);
    tensor_release(fitted);
    return s;
}

// ---- shifts: `data` is 1 for the way back

static const int FORTH = 0, BACK = 1;

OP_FN(op_fftshift) // self, dim
{
    const View *v = &args[0].as.tensor->view;
    bool back = *(const int *)site->op->data == BACK;
    int64_t dims[VIEW_MAX_DIMS], shifts[VIEW_MAX_DIMS];
    int n = v->ndim;
    for (int d = 0; d < n; d++)
        dims[d] = d;
    if (!arg_is_none(args[1]))
        TRY(arg_ints(args[1], dims, VIEW_MAX_DIMS, &n));
    for (int i = 0; i < n; i++) {
        int d;
        TRY(wrap_dim(dims[i], v->ndim, &d));
        int64_t size = v->ndim ? v->size[d] : 1;
        shifts[i] = back ? (size + 1) / 2 : size / 2;
    }
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    if (n == 0)
        return sequence_give(&q, STEP(&q, "aten::clone", args[0], value_none()), rets);
    return sequence_give(&q, STEP(&q, "aten::roll", args[0], sequence_ints(&q, n, shifts), sequence_ints(&q, n, dims)), rets);
}

#define ROW(op, fn, kind, forward) {"aten::fft_" op, fn, 0, &(const FftRow){kind, forward, op}, NULL}
#define FAMILY(op, kind, forward) ROW(op, op_fft_1d, kind, forward), ROW(op "2", op_fft_nd, kind, forward), ROW(op "n", op_fft_nd, kind, forward)

const OpBinding OPS_FFT[] = {
    FAMILY("fft", FFT_FFT, true),
    FAMILY("ifft", FFT_FFT, false),
    FAMILY("rfft", FFT_RFFT, true),
    FAMILY("irfft", FFT_IRFFT, false),
    FAMILY("hfft", FFT_HFFT, true),
    FAMILY("ihfft", FFT_IHFFT, false),
    {"aten::_fft_c2c", op_c2c, 0, NULL, NULL},
    {"aten::_fft_r2c", op_r2c, 0, NULL, NULL},
    {"aten::_fft_c2r", op_c2r, 0, NULL, NULL},
    {"aten::fft_fftshift", op_fftshift, 0, &FORTH, sequence_free},
    {"aten::fft_ifftshift", op_fftshift, 0, &BACK, sequence_free},
    {0},
};
