// Operator bindings: tensors from formulas (windows, frequencies, polar coordinates) and put together from other tensors
// (cartesian_prod, combinations, block_diag).
#include "worker/ops_view.h"
#include "worker/pointwise.h"

#include "kernels/copy.h"
#include "kernels/pointwise.h"
#include "kernels/special.h"

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

typedef enum WindowKind { WINDOW_HAMMING, WINDOW_BARTLETT, WINDOW_BLACKMAN, WINDOW_KAISER } WindowKind;

// I0 of beta times the height of a half circle.
static double kaiser_at(int64_t i, int64_t last, double beta)
{
    double half = (double)last / 2, ratio = ((double)i - half) / half;
    return special_i0(beta * sqrt(1 - ratio * ratio));
}

// A window whose last point is `last`, in blocks: points that round in T as PyTorch's chain of operators does, but for the
// Kaiser window, which is rounded once.
enum { WINDOW_BLOCK = 256 };
#define WINDOW_LOOP(name, T, type)                                                                                     \
    static void name(WindowKind kind, T *out, int64_t n, int64_t last, double alpha, double beta)                      \
    {                                                                                                                  \
        uint8_t types[1 + PW_MAX_INPUTS];                                                                              \
        PwLoop cosine = pw_loop(PW_COS, type, types);                                                                  \
        T x[WINDOW_BLOCK], second[WINDOW_BLOCK];                                                                       \
        double top = kind == WINDOW_KAISER ? special_i0(beta) : 1;                                                     \
        T around = (T)(M_PI * 2 / (double)last), up = (T)(2 / (double)last), half_around = (T)(M_PI / (double)last);   \
        for (int64_t at = 0; at < n; at += WINDOW_BLOCK, out += WINDOW_BLOCK) {                                        \
            int m = n - at < WINDOW_BLOCK ? (int)(n - at) : WINDOW_BLOCK;                                              \
            for (int i = 0; i < m; i++)                                                                                \
                x[i] = (T)((double)at + i);                                                                            \
            switch (kind) {                                                                                            \
            case WINDOW_HAMMING:                                                                                       \
                for (int i = 0; i < m; i++)                                                                            \
                    x[i] *= around;                                                                                    \
                cosine(x, (const void *const[]){x}, m, 0, NULL);                                                       \
                for (int i = 0; i < m; i++)                                                                            \
                    out[i] = x[i] * (T)-beta + (T)alpha;                                                               \
                break;                                                                                                 \
            case WINDOW_BARTLETT:                                                                                      \
                for (int i = 0; i < m; i++)                                                                            \
                    out[i] = at + i <= last / 2 ? x[i] * up : x[i] * up * -1 + 2;                                      \
                break;                                                                                                 \
            case WINDOW_BLACKMAN:                                                                                      \
                for (int i = 0; i < m; i++) {                                                                          \
                    second[i] = x[i] * half_around * 2;                                                                \
                    x[i] = x[i] * half_around * 4;                                                                     \
                }                                                                                                      \
                cosine(x, (const void *const[]){x}, m, 0, NULL);                                                       \
                cosine(second, (const void *const[]){second}, m, 0, NULL);                                             \
                for (int i = 0; i < m; i++)                                                                            \
                    out[i] = x[i] * (T)0.08 - second[i] * (T)0.5 + (T)0.42;                                            \
                break;                                                                                                 \
            default:                                                                                                   \
                for (int i = 0; i < m; i++)                                                                            \
                    out[i] = (T)(kaiser_at(at + i, last, beta) / top);                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }
WINDOW_LOOP(window_f32, float, DT_F32)
WINDOW_LOOP(window_f64, double, DT_F64)

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
    Tensor *made;
    DType computed = dtype == DT_F64 ? DT_F64 : DT_F32;
    TRY(tensor_new(lane, computed, 1, &n, &made));
    int64_t last = periodic ? n : n - 1;
    if (n == 1)
        TRY(tensor_fill(made, value_int(1)));
    else if (dtype == DT_F64)
        window_f64(w->kind, made->view.data, n, last, alpha, beta);
    else
        window_f32(w->kind, made->view.data, n, last, alpha, beta);
    return ret_converted(lane, made, dtype, rets);
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

// Rows of pairs: real and imaginary parts, or distance and angle.
typedef struct PairRow {
    bool polar;
    DType type; // of the parts
    PwLoop sine, cosine;
} PairRow;

#define INTERLEAVE(T)                                                                                                  \
    static void interleave_##T(char **data, const int64_t *stride, int64_t n)                                          \
    {                                                                                                                  \
        const char *a = data[1], *b = data[2];                                                                         \
        T *out = (T *)data[0];                                                                                         \
        if (stride[0] == 2 * sizeof(T) && stride[1] == sizeof(T) && stride[2] == sizeof(T)) {                          \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                out[2 * i] = ((const T *)a)[i];                                                                        \
                out[2 * i + 1] = ((const T *)b)[i];                                                                    \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            out = (T *)(data[0] + i * stride[0]);                                                                      \
            out[0] = *(const T *)(a + i * stride[1]);                                                                  \
            out[1] = *(const T *)(b + i * stride[2]);                                                                  \
        }                                                                                                              \
    }
INTERLEAVE(uint16_t)
INTERLEAVE(float)
INTERLEAVE(double)

static void interleave(DType part, char **data, const int64_t *stride, int64_t n)
{
    if (part == DT_F16)
        interleave_uint16_t(data, stride, n);
    else if (part == DT_F32)
        interleave_float(data, stride, n);
    else
        interleave_double(data, stride, n);
}

static void pair_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    enum { BLOCK = 256 };
    const PairRow *p = ctx;
    Converter load, store;
    double size[BLOCK], angle[BLOCK], parts[2][BLOCK];
    _Alignas(8) char narrow[2][BLOCK * 8];
    if (!p->polar) {
        interleave(p->type, data, stride, n);
        return;
    }
    int64_t item = (int64_t)dtype_size(p->type);
    if (!converter_find(p->type, DT_F64, &load) || !converter_find(DT_F64, p->type, &store))
        return;
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t m = n - at < BLOCK ? n - at : BLOCK;
        convert_row(&load, (char *)size, 8, data[1] + at * stride[1], stride[1], m);
        convert_row(&load, (char *)angle, 8, data[2] + at * stride[2], stride[2], m);
        p->cosine(parts[0], (const void *const[]){angle}, m, 0, NULL);
        p->sine(parts[1], (const void *const[]){angle}, m, 0, NULL);
        for (int k = 0; k < 2; k++) {
            for (int64_t i = 0; i < m; i++)
                parts[k][i] *= size[i];
            convert_row(&store, narrow[k], item, (const char *)parts[k], 8, m);
        }
        interleave(p->type, (char *[]){data[0] + at * stride[0], narrow[0], narrow[1]}, (const int64_t[]){stride[0], item, item}, m);
    }
}

// complex(real, imag) and polar(abs, angle): `data` is 1 for the latter, which computes in double.
OP_FN(op_complex)
{
    const View *x = &args[0].as.tensor->view, *y = &args[1].as.tensor->view;
    DType t = (DType)x->dtype, other = (DType)y->dtype;
    if (!dtype_is_floating(t) || !dtype_is_floating(other) || t == DT_BF16)
        return op_raise("Expected both inputs to be Half, Float or Double tensors but got %s and %s", dtype_torch_name(t), dtype_torch_name(other));
    if (t != other)
        return op_raise("Expected object of scalar type %s but got scalar type %s for second argument", dtype_torch_name(t), dtype_torch_name(other));
    View result = {.dtype = t == DT_F16 ? DT_C32 : t == DT_F32 ? DT_C64 : DT_C128, .layout = LAYOUT_STRIDED};
    int ndim;
    if (!broadcast_shapes(x->ndim, x->size, y->ndim, y->size, &ndim, result.size))
        for (int i = 1, n = x->ndim > y->ndim ? x->ndim : y->ndim;; i++) { // the last dimension that does not match
            int64_t p = x->size[x->ndim - i], q = y->size[y->ndim - i];
            if (p != q && p != 1 && q != 1)
                return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)p, (long long)q, n - i);
        }
    Tensor *made;
    result.ndim = (uint8_t)ndim;
    elementwise_strides(&result, 2, (const View *const[]){x, y});
    TRY(tensor_new_as(lane, &result, &made));
    uint8_t types[1 + PW_MAX_INPUTS];
    PairRow p = {*(const int *)site->op->data == 1, t, pw_loop(PW_SIN, DT_F64, types), pw_loop(PW_COS, DT_F64, types)};
    Iter it;
    iter_plan(&it, ndim, result.size, 3, (const View *const[]){&made->view, x, y});
    iter_run(&it, (char *const[]){made->view.data, x->data, y->data}, pair_row, &p);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

// ---- Choices of elements ------------------------------------------------------------------------------------------------

// out row r = elements index[r][0 … width) of the source, which is contiguous and 1-d.
static Status gather_rows(Lane *lane, Tensor *source, const int64_t *index, int64_t rows, int64_t width, IValue *ret)
{
    DType dtype = tensor_dtype(source);
    size_t item = dtype_size(dtype);
    Tensor *out;
    TRY(tensor_new(lane, dtype, 2, (int64_t[]){rows, width}, &out));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < width; c++)
            memcpy(tensor_at(out, r * width + c), tensor_at(source, index[r * width + c]), item);
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
        Tensor *out;
        status = tensor_new(lane, tensor_dtype(items[0]), 2, (int64_t[]){rows, count}, &out);
        int64_t each = rows; // rows in which a column's element stays the same
        for (int c = 0; c < count && status == ST_OK && rows; c++) {
            int64_t n = items[c]->view.size[0];
            each /= n;
            View column = {.data = tensor_at(out, c), .dtype = out->view.dtype, .ndim = 3, .size = {rows / (n * each), n, each}, .stride = {n * each * count, each * count, count}};
            View from = {.data = items[c]->view.data, .dtype = out->view.dtype, .ndim = 3, .size = {rows / (n * each), n, each}, .stride = {0, 1, 0}};
            status = copy_convert(&column, &from);
        }
        if (status == ST_OK)
            rets[0] = value_tensor_take(out);
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
        status = gather_rows(lane, source, index, rows, r, rets);
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
    return give_tensor(status, out, rets);
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
