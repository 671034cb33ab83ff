// Operator bindings: tensors from formulas (windows, frequencies, polar coordinates) and put together from other tensors
// (cartesian_prod, combinations, block_diag).
#include "worker/ops_view.h"

#include "kernels/copy.h"

#include <math.h>
#include <stdlib.h>

// A 1-d tensor of doubles to compute in; ret_converted hands it over in the wanted dtype.
static Status new_doubles(Lane *lane, int64_t n, Tensor **out) { return tensor_new(lane, DT_F64, 1, &n, out); }

static Status ret_converted(Lane *lane, Tensor *wide, DType dtype, IValue *ret)
{
    Tensor *t;
    Status status = tensor_to_dtype(lane, wide, dtype, &t);
    tensor_release(wide);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

// ---- Windows ------------------------------------------------------------------------------------------------------------

// Modified Bessel function of the first kind, order 0: its power series, whose terms are all positive.
static double bessel_i0(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= (x / 2 / k) * (x / 2 / k);
        sum += term;
    }
    return sum;
}

typedef enum WindowKind { WINDOW_HAMMING, WINDOW_BARTLETT, WINDOW_BLACKMAN, WINDOW_KAISER } WindowKind;

// Point i of a window whose last point is `last`. float32 rounds as PyTorch's chain of operators does.
static double window_at(WindowKind kind, int64_t i, int64_t last, double alpha, double beta, bool f32)
{
#define ROUND(x) (f32 ? (double)(float)(x) : (x))
    double x = (double)i;
    switch (kind) {
    case WINDOW_HAMMING: {
        double angle = ROUND(x * ROUND(M_PI * 2 / (double)last));
        return ROUND(ROUND(ROUND(cos(angle)) * ROUND(-beta)) + ROUND(alpha));
    }
    case WINDOW_BARTLETT: {
        double up = ROUND(x * ROUND(2 / (double)last));
        return i <= last / 2 ? up : ROUND(ROUND(up * -1) + 2);
    }
    case WINDOW_BLACKMAN: {
        double angle = ROUND(x * ROUND(M_PI / (double)last));
        double fourth = ROUND(ROUND(cos(ROUND(angle * 4))) * ROUND(0.08)), second = ROUND(ROUND(cos(ROUND(angle * 2))) * ROUND(0.5));
        return ROUND(ROUND(fourth - second) + ROUND(0.42));
    }
    default: {
        double half = (double)last / 2, ratio = (x - half) / half;
        return bessel_i0(beta * sqrt(1 - ratio * ratio)) / bessel_i0(beta);
    }
    }
#undef ROUND
}

// `data`: the kind, its name, and how many arguments follow window_length before dtype.
typedef struct Window {
    WindowKind kind;
    const char *name;
    int extra;       // periodic, alpha, beta
    double alpha, beta;
} Window;

OP_FN(op_window)
{
    const Window *w = site->op->data;
    int64_t n = args[0].as.i;
    bool periodic = w->extra < 1 || args[1].as.b;
    double alpha = w->alpha, beta = w->beta;
    if (w->extra >= 2) // kaiser has no alpha
        *(w->kind == WINDOW_KAISER ? &beta : &alpha) = arg_double(args[2]);
    if (w->extra >= 3)
        beta = arg_double(args[3]);
    DType dtype = arg_dtype_or(args[1 + w->extra], DT_F32);
    TRY(check_dtype(dtype));
    if (!dtype_is_floating(dtype))
        return op_raise("%s_window expects floating point dtypes, got: %s", w->name, dtype_python_name(dtype));
    if (n < 0)
        return op_raise("%s_window requires non-negative window_length, got window_length=%lld", w->name, (long long)n);
    Tensor *wide;
    TRY(new_doubles(lane, n, &wide));
    int64_t last = periodic ? n : n - 1;
    for (int64_t i = 0; i < n; i++)
        ((double *)wide->view.data)[i] = n == 1 ? 1 : window_at(w->kind, i, last, alpha, beta, dtype != DT_F64);
    return ret_converted(lane, wide, dtype, rets);
}

// fftfreq(n, d, dtype, …); rfftfreq keeps the positive half: `data` is 1.
OP_FN(op_fftfreq)
{
    bool half = *(const int *)site->op->data == 1;
    int64_t n = args[0].as.i;
    DType dtype = arg_dtype_or(args[2], DT_F32);
    TRY(check_dtype(dtype));
    if (n < 0)
        return op_raise("Trying to create tensor with negative dimension %lld", (long long)n);
    Tensor *wide;
    TRY(new_doubles(lane, half ? n / 2 + 1 : n, &wide));
    double scale = 1.0 / ((double)n * arg_double(args[1]));
    if (dtype != DT_F64)
        scale = (double)(float)scale;
    for (int64_t i = 0; i < wide->view.size[0]; i++)
        ((double *)wide->view.data)[i] = (double)(half || i < (n + 1) / 2 ? i : i - n) * scale;
    return ret_converted(lane, wide, dtype, rets);
}

// ---- Complex numbers from parts -----------------------------------------------------------------------------------------

// Both arguments as contiguous doubles of their broadcast shape.
static Status broadcast_doubles(Lane *lane, const IValue *args, Tensor **a, Tensor **b)
{
    const View *x = &args[0].as.tensor->view, *y = &args[1].as.tensor->view;
    int64_t size[VIEW_MAX_DIMS];
    int n = x->ndim > y->ndim ? x->ndim : y->ndim;
    for (int i = 1; i <= n; i++) {
        int64_t p = i <= x->ndim ? x->size[x->ndim - i] : 1, q = i <= y->ndim ? y->size[y->ndim - i] : 1;
        if (p != q && p != 1 && q != 1)
            return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)p, (long long)q, n - i);
        size[n - i] = p == 1 ? q : p;
    }
    TRY(tensor_new(lane, DT_F64, n, size, a));
    Status status = tensor_new(lane, DT_F64, n, size, b);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, *a, args[0].as.tensor);
        if (status == ST_OK)
            status = tensor_copy_into(lane, *b, args[1].as.tensor);
        if (status != ST_OK)
            tensor_release(*b);
    }
    if (status != ST_OK)
        tensor_release(*a);
    return status;
}

// complex(real, imag) and polar(abs, angle): `data` is 1 for the latter.
OP_FN(op_complex)
{
    bool polar = *(const int *)site->op->data == 1;
    DType t = tensor_dtype(args[0].as.tensor), other = tensor_dtype(args[1].as.tensor);
    if (!dtype_is_floating(t) || !dtype_is_floating(other) || t == DT_BF16)
        return op_raise("Expected both inputs to be Half, Float or Double tensors but got %s and %s", dtype_torch_name(t), dtype_torch_name(other));
    if (t != other)
        return op_raise("Expected object of scalar type %s but got scalar type %s for second argument", dtype_torch_name(t), dtype_torch_name(other));
    Tensor *a, *b, *wide, *made;
    TRY(broadcast_doubles(lane, args, &a, &b));
    const double *x = a->view.data, *y = b->view.data;
    Status status = tensor_new(lane, DT_C128, a->view.ndim, a->view.size, &wide);
    for (int64_t i = 0, n = tensor_numel(a); i < n && status == ST_OK; i++) {
        double *z = (double *)wide->view.data + 2 * i;
        z[0] = polar ? x[i] * cos(y[i]) : x[i];
        z[1] = polar ? x[i] * sin(y[i]) : y[i];
    }
    tensor_release(a);
    tensor_release(b);
    TRY(status);
    status = tensor_to_dtype(lane, wide, t == DT_F16 ? DT_C32 : t == DT_F32 ? DT_C64 : DT_C128, &made);
    tensor_release(wide);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

// ---- Choices of elements ------------------------------------------------------------------------------------------------

// out row r = elements index[r][0 … width) of the sources (one each, or one for all), which are contiguous and 1-d.
static Status gather_rows(Lane *lane, Tensor *const *source, bool one_source, const int64_t *index, int64_t rows, int64_t width, IValue *ret)
{
    DType dtype = tensor_dtype(source[0]);
    size_t item = dtype_size(dtype);
    Tensor *out;
    TRY(tensor_new(lane, dtype, 2, (int64_t[]){rows, width}, &out));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < width; c++)
            memcpy(tensor_at(out, r * width + c), tensor_at(source[one_source ? 0 : c], index[r * width + c]), item);
    *ret = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_cartesian_prod)
{
    Tensor **items;
    int count, made = 0;
    TRY(arg_tensors(args[0], &items, &count));
    Status status = count == 0 ? op_raise("meshgrid expects a non-empty TensorList") : ST_OK;
    int64_t rows = 1;
    for (; made < count && status == ST_OK; made += status == ST_OK) {
        if (items[made]->view.ndim != 1)
            status = op_raise("Expect a 1D vector, but got shape %s", size_text(items[made]->view.size, items[made]->view.ndim).text);
        else if (tensor_dtype(items[made]) != tensor_dtype(items[0]))
            status = op_raise("torch.meshgrid expects all tensors to have the same dtype");
        else if (__builtin_mul_overflow(rows, items[made]->view.size[0], &rows) || rows > (int64_t)1 << 40)
            status = op_raise("cartesian_prod: the result is too large");
        else
            status = tensor_contiguous(lane, items[made], &items[made]);
    }
    if (status == ST_OK && count == 1) {
        rets[0] = value_tensor_take(tensor_retain(items[0]));
    } else if (status == ST_OK) {
        int64_t *index = malloc(((size_t)rows * (size_t)count + 1) * sizeof *index);
        if (!index)
            status = status_no_memory((size_t)rows * (size_t)count * sizeof *index);
        for (int64_t r = 0; r < rows && status == ST_OK; r++) {
            int64_t rest = r; // the last tensor varies fastest
            for (int c = count - 1; c >= 0; c--) {
                index[r * count + c] = rest % items[c]->view.size[0];
                rest /= items[c]->view.size[0];
            }
        }
        if (status == ST_OK)
            status = gather_rows(lane, items, false, index, rows, count, rets);
        free(index);
    }
    for (int i = 0; i < made; i++)
        tensor_release(items[i]);
    free(items);
    return status;
}

OP_FN(op_combinations) // self, r, with_replacement: rows of indices in order
{
    Tensor *t = args[0].as.tensor, *source;
    int64_t r = args[1].as.i, n = tensor_numel(t);
    bool again = args[2].as.b;
    if (t->view.ndim != 1)
        return op_raise("Expect a 1D vector, but got shape %s", size_text(t->view.size, t->view.ndim).text);
    if (r < 0)
        return op_raise("Expect a non-negative number, but got %lld", (long long)r);
    if (r == 0) {
        int64_t none = 0;
        TRY(tensor_new(lane, tensor_dtype(t), 1, &none, &source));
        rets[0] = value_tensor_take(source);
        return ST_OK;
    }
    if (r > 64)
        return op_raise("combinations: r is too large (limit 64)");
    int64_t at[64], rows = 0, *index = NULL;
    size_t capacity = 0;
    for (int64_t k = 0; k < r; k++)
        at[k] = again ? 0 : k;
    bool more = again ? n > 0 : r <= n;
    while (more) {
        if ((size_t)(rows + 1) * (size_t)r > capacity) {
            capacity = capacity ? 2 * capacity : 64 * (size_t)r;
            int64_t *grown = realloc(index, capacity * sizeof *index);
            if (!grown) {
                free(index);
                return status_no_memory(capacity * sizeof *index);
            }
            index = grown;
        }
        memcpy(index + rows++ * r, at, (size_t)r * sizeof *at);
        int64_t k = r - 1; // the last place that can still move on
        while (k >= 0 && at[k] == (again ? n - 1 : n - r + k))
            k--;
        more = k >= 0;
        if (more) {
            at[k]++;
            for (int64_t j = k + 1; j < r; j++)
                at[j] = at[j - 1] + !again;
        }
    }
    Status status = tensor_contiguous(lane, t, &source);
    if (status == ST_OK) {
        status = gather_rows(lane, &source, true, index, rows, r, rets);
        tensor_release(source);
    }
    free(index);
    return status;
}

// ---- Blocks -------------------------------------------------------------------------------------------------------------

OP_FN(op_block_diag)
{
    Tensor **items, *out = NULL;
    int count;
    TRY(arg_tensors(args[0], &items, &count));
    int64_t size[2] = {0, 0};
    DType dtype = count ? tensor_dtype(items[0]) : DT_F32;
    Status status = ST_OK;
    for (int i = 0; i < count && status == ST_OK; i++) {
        const View *v = &items[i]->view;
        if (v->ndim > 2)
            status = op_raise("torch.block_diag: Input tensors must have 2 or fewer dimensions. Input %d has %d dimensions", i, v->ndim);
        size[0] += v->ndim == 2 ? v->size[0] : 1;
        size[1] += v->ndim == 0 ? 1 : v->size[v->ndim - 1];
        dtype = promote_dtypes(dtype, tensor_dtype(items[i]));
    }
    if (count == 0)
        size[0] = 1;
    if (status == ST_OK && dtype == DT_INVALID)
        status = op_raise("block_diag: these dtypes cannot be promoted");
    if (status == ST_OK)
        status = tensor_new(lane, dtype, 2, size, &out);
    if (status == ST_OK)
        memset(out->view.data, 0, out->storage->size);
    int64_t row = 0, column = 0;
    for (int i = 0; i < count && status == ST_OK; i++) {
        const View *v = &items[i]->view;
        int64_t block[2] = {v->ndim == 2 ? v->size[0] : 1, v->ndim == 0 ? 1 : v->size[v->ndim - 1]};
        View place = {.data = tensor_at(out, row * size[1] + column), .dtype = (uint8_t)dtype, .ndim = 2, .layout = LAYOUT_STRIDED,
                      .size = {block[0], block[1]}, .stride = {size[1], 1}};
        status = copy_convert(&place, v);
        row += block[0];
        column += block[1];
    }
    free(items);
    if (status != ST_OK) {
        if (out)
            tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// A square matrix (one per row of the input for diag_embed) with the elements on diagonal `offset` between dimensions dim1 and
// dim2 of the result.
static Status embed_diagonal(Lane *lane, Tensor *t, int64_t offset, int64_t dim1, int64_t dim2, IValue *ret)
{
    const View *v = &t->view;
    int n = v->ndim + 1, a, b;
    if (n > VIEW_MAX_DIMS || v->ndim == 0)
        return op_raise("diag_embed: the tensor must have between 1 and %d dimensions", VIEW_MAX_DIMS - 1);
    TRY(wrap_dim(dim1, n, &a));
    TRY(wrap_dim(dim2, n, &b));
    if (a == b)
        return op_raise("diagonal dimensions cannot be identical %lld, %lld", (long long)dim1, (long long)dim2);
    if (offset > INT32_MAX || offset < -INT32_MAX)
        return op_raise("diag_embed: offset %lld is too large", (long long)offset);
    int64_t length = v->size[v->ndim - 1], size[VIEW_MAX_DIMS], away = offset < 0 ? -offset : offset;
    for (int d = 0, from = 0; d < n; d++)
        size[d] = d == a || d == b ? length + away : v->size[from++];
    Tensor *out;
    TRY(tensor_new(lane, tensor_dtype(t), n, size, &out));
    TRY(tensor_fill(out, value_int(0)));
    View place = {.dtype = v->dtype, .ndim = v->ndim, .layout = LAYOUT_STRIDED};
    int kept = 0;
    for (int d = 0; d < n; d++)
        if (d != a && d != b) {
            place.size[kept] = size[d];
            place.stride[kept++] = out->view.stride[d];
        }
    place.size[kept] = length;
    place.stride[kept] = out->view.stride[a] + out->view.stride[b];
    place.data = tensor_at(out, away * out->view.stride[offset < 0 ? a : b]);
    Status status = length ? copy_convert(&place, v) : ST_OK;
    if (status != ST_OK) {
        tensor_release(out);
        return status;
    }
    *ret = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_diag_embed) // self, offset, dim1, dim2
{
    return embed_diagonal(lane, args[0].as.tensor, args[1].as.i, args[2].as.i, args[3].as.i, rets);
}

OP_FN(op_diagflat) // self, offset
{
    Tensor *t = args[0].as.tensor, *flat;
    TRY(tensor_copy_as(lane, t, tensor_dtype(t), FORMAT_CONTIGUOUS, &flat));
    view_set_contiguous(&flat->view, 1, &(int64_t){tensor_numel(flat)});
    Status status = embed_diagonal(lane, flat, args[1].as.i, 0, 1, rets);
    tensor_release(flat);
    return status;
}

OP_FN(op_diag) // self, diagonal: a matrix from a vector, the diagonal of a matrix
{
    Tensor *t = args[0].as.tensor, *copy;
    if (t->view.ndim == 1)
        return embed_diagonal(lane, t, args[1].as.i, 0, 1, rets);
    if (t->view.ndim != 2)
        return op_raise("matrix or a vector expected");
    IValue all[4] = {args[0], args[1], value_int(0), value_int(1)}, part;
    TRY(op_view_diagonal(lane, site, all, &part));
    Status status = tensor_copy_as(lane, part.as.tensor, tensor_dtype(t), FORMAT_CONTIGUOUS, &copy);
    value_release(part);
    TRY(status);
    rets[0] = value_tensor_take(copy);
    return ST_OK;
}

OP_FN(op_vander) // x, N, increasing
{
    Tensor *t = args[0].as.tensor, *wide, *out;
    DType dtype = tensor_dtype(t);
    if (t->view.ndim != 1)
        return op_raise("x must be a one-dimensional tensor.");
    int64_t rows = t->view.size[0], n = arg_int_or(args[1], rows);
    if (n < 0)
        return op_raise("N must be non-negative.");
    if (dtype_is_complex(dtype))
        return op_raise("vander of complex tensors is not supported");
    bool integral = !dtype_is_floating(dtype);
    TRY(tensor_copy_as(lane, t, integral ? DT_I64 : DT_F64, FORMAT_CONTIGUOUS, &wide));
    Status status = tensor_new(lane, integral ? DT_I64 : DT_F64, 2, (int64_t[]){rows, n}, &out);
    for (int64_t r = 0; r < rows && status == ST_OK; r++) {
        uint64_t power = 1, base = integral ? (uint64_t)((const int64_t *)wide->view.data)[r] : 0;
        double float_power = 1, float_base = integral ? 0 : ((const double *)wide->view.data)[r];
        for (int64_t k = 0; k < n; k++) {
            int64_t at = r * n + (args[2].as.b ? k : n - 1 - k);
            if (integral)
                ((int64_t *)out->view.data)[at] = (int64_t)power;
            else
                ((double *)out->view.data)[at] = float_power;
            power *= base;
            float_power = dtype == DT_F64 ? float_power * float_base : (double)(float)(float_power * float_base);
        }
    }
    tensor_release(wide);
    TRY(status);
    return ret_converted(lane, out, integral ? DT_I64 : dtype, rets);
}

// ---- One tensor from many and back --------------------------------------------------------------------------------------

OP_FN(op_flatten_dense)
{
    Tensor **items, *out;
    int count;
    int64_t total = 0;
    TRY(arg_tensors(args[0], &items, &count));
    bool same = true;
    for (int i = 0; i < count; i++) {
        total += tensor_numel(items[i]);
        same = same && tensor_dtype(items[i]) == tensor_dtype(items[0]);
    }
    Status status = count && same ? tensor_new(lane, tensor_dtype(items[0]), 1, &total, &out)
                                  : op_raise("flatten_dense_tensors expects tensors of one dtype");
    int64_t at = 0;
    for (int i = 0; i < count && status == ST_OK; i++) {
        View place;
        view_assign(&place, &items[i]->view);
        view_set_contiguous(&place, items[i]->view.ndim, items[i]->view.size);
        place.data = tensor_at(out, at);
        status = copy_convert(&place, &items[i]->view);
        at += tensor_numel(items[i]);
        if (status != ST_OK)
            tensor_release(out);
    }
    free(items);
    TRY(status);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

OP_FN(op_unflatten_dense)
{
    Tensor *flat = args[0].as.tensor, **items;
    int count, made = 0;
    TRY(arg_tensors(args[1], &items, &count));
    Status status = flat->view.ndim == 1 && tensor_is_contiguous(flat) ? ST_OK : op_raise("unflatten_dense_tensors expects a contiguous 1-d tensor");
    for (int64_t at = 0; made < count && status == ST_OK; made += status == ST_OK) {
        View v;
        view_assign(&v, &items[made]->view);
        view_set_contiguous(&v, items[made]->view.ndim, items[made]->view.size);
        int64_t n = view_numel(&v);
        if (n > tensor_numel(flat) - at)
            status = op_raise("unflatten_dense_tensors: the flat tensor is too short");
        else
            status = tensor_view(lane, flat, v.ndim, v.size, v.stride, flat->offset + at, &items[made]);
        at += n;
    }
    if (status == ST_OK)
        status = list_of_tensors_take(lane, items, count, rets);
    else
        for (int i = 0; i < made; i++)
            tensor_release(items[i]);
    free(items);
    return status;
}

static const int ZERO = 0, ONE = 1;

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define WINDOW(name, ...) {"aten::" name, op_window, 0, &(const Window){__VA_ARGS__}, NULL}

const OpBinding OPS_COMPOSE[] = {
    WINDOW("hann_window", WINDOW_HAMMING, "hann", 0, 0.5, 0.5), WINDOW("hann_window.periodic", WINDOW_HAMMING, "hann", 1, 0.5, 0.5),
    WINDOW("hamming_window", WINDOW_HAMMING, "hamming", 0, 0.54, 0.46),
    WINDOW("hamming_window.periodic", WINDOW_HAMMING, "hamming", 1, 0.54, 0.46),
    WINDOW("hamming_window.periodic_alpha", WINDOW_HAMMING, "hamming", 2, 0.54, 0.46),
    WINDOW("hamming_window.periodic_alpha_beta", WINDOW_HAMMING, "hamming", 3, 0.54, 0.46),
    WINDOW("bartlett_window", WINDOW_BARTLETT, "bartlett", 0, 0, 0), WINDOW("bartlett_window.periodic", WINDOW_BARTLETT, "bartlett", 1, 0, 0),
    WINDOW("blackman_window", WINDOW_BLACKMAN, "blackman", 0, 0, 0), WINDOW("blackman_window.periodic", WINDOW_BLACKMAN, "blackman", 1, 0, 0),
    WINDOW("kaiser_window", WINDOW_KAISER, "kaiser", 0, 0, 12), WINDOW("kaiser_window.periodic", WINDOW_KAISER, "kaiser", 1, 0, 12),
    WINDOW("kaiser_window.beta", WINDOW_KAISER, "kaiser", 2, 0, 12),
    {"aten::fft_fftfreq", op_fftfreq, 0, &ZERO, NULL}, {"aten::fft_rfftfreq", op_fftfreq, 0, &ONE, NULL},
    {"aten::complex", op_complex, 0, &ZERO, NULL}, {"aten::polar", op_complex, 0, &ONE, NULL},
    ROW("aten::cartesian_prod", op_cartesian_prod), ROW("aten::combinations", op_combinations),
    ROW("aten::diag", op_diag), ROW("aten::diag_embed", op_diag_embed), ROW("aten::diagflat", op_diagflat),
    ROW("aten::block_diag", op_block_diag), ROW("aten::vander", op_vander),
    ROW("aten::flatten_dense_tensors", op_flatten_dense), ROW("aten::unflatten_dense_tensors", op_unflatten_dense),
    {0},
};
