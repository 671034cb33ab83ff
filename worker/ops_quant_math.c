// Quantised arithmetic: add, mul, cat, batch norm and activations with a scale and zero point of their own.
// Additions work on the numbers that the bytes stand for, products on integers, as PyTorch's kernels do.
#include "worker/ops_quant.h"

#include "kernels/isa.h"
#include "kernels/iter.h"
#include "kernels/quant.h"

#include <math.h>
#include <stdlib.h>

#define ROUND_MAGIC 12582912.0f // as in kernels/quant.c

static Status check_zero(DType t, int64_t zero_point)
{
    return zero_point < quant_min(t) || zero_point > quant_max(t) ? op_raise("the zero point %lld does not fit the quantized dtype", (long long)zero_point) : ST_OK;
}

// The number behind each byte; PyTorch's vector code computes byte * scale - zero_point * scale with one rounding at the
// end, which double does for these sizes.
static void numbers_of_bytes(const Tensor *t, float table[256])
{
    float scale = (float)t->quant->scale, shift = scale * -(float)t->quant->zero_point;
    for (int i = 0; i < 256; i++)
        table[i] = (float)((double)scale * (tensor_dtype(t) == DT_QI8 ? (int8_t)i : i) + (double)shift);
}

// ---- add and mul

typedef struct Binary {
    bool mul, is_signed;
    float a[256], b[256];       // of add
    int32_t a_zero, b_zero;     // of mul
    float factor;               // add: inverse of the scale; mul: product of scales by it
    float lo, hi;               // of the rounded value
    int32_t zero;
} Binary;

ISA_INLINE void finish_bytes_body(const Binary *p, const float *x, char *y, int64_t stride, int64_t n)
{
    float factor = p->factor, lo = p->lo, hi = p->hi;
    int32_t zero = p->zero;
    if (stride == 1)
        ISA_INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            float v = x[i] * factor;
            v = v > lo ? v : lo;
            v = v < hi ? v : hi;
            union { float f; int32_t i; } bits = {.f = v + ROUND_MAGIC};
            y[i] = (char)(bits.i - 0x4b400000 + zero);
        }
    else
        for (int64_t i = 0; i < n; i++) {
            float v = x[i] * factor;
            v = v > lo ? v : lo;
            v = v < hi ? v : hi;
            union { float f; int32_t i; } bits = {.f = v + ROUND_MAGIC};
            y[i * stride] = (char)(bits.i - 0x4b400000 + zero);
        }
}
ISA_VARIANTS(finish_bytes, (const Binary *p, const float *x, char *y, int64_t stride, int64_t n), (p, x, y, stride, n))

enum { PIECE = 512 };

static void binary_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    const Binary *p = ctx;
    float x[PIECE];
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t m = n - first < PIECE ? n - first : PIECE;
        const uint8_t *a = (const uint8_t *)data[1] + first * stride[1], *b = (const uint8_t *)data[2] + first * stride[2];
        if (!p->mul)
            for (int64_t i = 0; i < m; i++)
                x[i] = p->a[a[i * stride[1]]] + p->b[b[i * stride[2]]];
        else if (p->is_signed)
            for (int64_t i = 0; i < m; i++)
                x[i] = (float)(((int8_t)a[i * stride[1]] - p->a_zero) * ((int8_t)b[i * stride[2]] - p->b_zero));
        else
            for (int64_t i = 0; i < m; i++)
                x[i] = (float)((a[i * stride[1]] - p->a_zero) * (b[i * stride[2]] - p->b_zero));
        finish_bytes(p, x, data[0] + first * stride[0], stride[0], m);
    }
}

static void binary_plan(Binary *p, bool mul, const Tensor *a, const Tensor *b, double scale, int64_t zero_point, bool relu)
{
    DType t = tensor_dtype(a);
    float inverse = 1.0f / (float)scale;
    p->mul = mul;
    p->is_signed = t == DT_QI8;
    p->zero = (int32_t)zero_point;
    p->lo = relu ? 0 : (float)(quant_min(t) - zero_point);
    p->hi = (float)(quant_max(t) - zero_point);
    p->factor = inverse;
    if (mul) {
        p->a_zero = (int32_t)a->quant->zero_point;
        p->b_zero = (int32_t)b->quant->zero_point;
        p->factor = (float)a->quant->scale * (float)b->quant->scale * inverse;
    } else {
        numbers_of_bytes(a, p->a);
        numbers_of_bytes(b, p->b);
    }
}

static Status binary_into(const char *name, bool mul, bool relu, Tensor *a, Tensor *b, Tensor *out)
{
    Binary p;
    TRY(check_zero(tensor_dtype(a), a->quant->zero_point));
    TRY(check_zero(tensor_dtype(b), b->quant->zero_point));
    TRY(check_zero(tensor_dtype(out), out->quant->zero_point));
    if (tensor_dtype(a) != tensor_dtype(b) || tensor_dtype(a) != tensor_dtype(out))
        return op_raise("%s operands should have same data type.", name);
    binary_plan(&p, mul, a, b, out->quant->scale, out->quant->zero_point, relu);
    Iter it;
    const View *views[3] = {&out->view, &a->view, &b->view};
    iter_plan(&it, out->view.ndim, out->view.size, 3, views);
    iter_run(&it, (char *const[]){out->view.data, a->view.data, b->view.data}, binary_row, &p);
    return ST_OK;
}

static Status binary(Lane *lane, const char *name, bool mul, bool relu, const IValue *args, IValue *rets) // qa, qb, scale, zero_point
{
    Tensor *a = args[0].as.tensor, *b = args[1].as.tensor, *out;
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n;
    TRY(quant_check_bytes(a, name));
    TRY(quant_check_bytes(b, name));
    if (!broadcast_shapes(a->view.ndim, a->view.size, b->view.ndim, b->view.size, &n, size))
        return op_raise("The size of tensor a must match the size of tensor b: %s and %s", size_text(a->view.size, a->view.ndim).text,
                        size_text(b->view.size, b->view.ndim).text);
    bool last = n == a->view.ndim && view_is_channels_last(&a->view) && !view_is_contiguous(&a->view);
    TRY(format_strides(!last ? FORMAT_CONTIGUOUS : n == 4 ? FORMAT_CHANNELS_LAST : FORMAT_CHANNELS_LAST_3D, n, size, stride));
    TRY(check_zero(tensor_dtype(a), arg_int(args[3])));
    TRY(qtensor_new(lane, tensor_dtype(a), n, size, stride, arg_double(args[2]), arg_int(args[3]), &out));
    Status status = binary_into(name, mul, relu, a, b, out);
    if (status != ST_OK) {
        tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}
OP_FN(op_add) { return binary(lane, "Add", false, false, args, rets); }
OP_FN(op_add_relu) { return binary(lane, "Add", false, true, args, rets); }
OP_FN(op_mul) { return binary(lane, "Mul", true, false, args, rets); }
OP_FN(op_mul_relu) { return binary(lane, "Mul", true, true, args, rets); }

static Status binary_out(const char *name, bool mul, bool relu, const IValue *args, IValue *rets) // qa, qb, out
{
    Tensor *a = args[0].as.tensor, *b = args[1].as.tensor, *out = args[2].as.tensor;
    int64_t size[VIEW_MAX_DIMS];
    int n;
    TRY(quant_check_bytes(a, name));
    TRY(quant_check_bytes(b, name));
    TRY(quant_check_bytes(out, name));
    if (!broadcast_shapes(a->view.ndim, a->view.size, b->view.ndim, b->view.size, &n, size) || n != out->view.ndim ||
        memcmp(size, out->view.size, (size_t)n * sizeof *size) != 0)
        return op_raise("%s: the output has another shape than the operands", name);
    TRY(tensor_make_writable(out));
    TRY(binary_into(name, mul, relu, a, b, out));
    rets[0] = value_retain(args[2]);
    return ST_OK;
}
OP_FN(op_add_out) { return binary_out("Add", false, false, args, rets); }
OP_FN(op_add_relu_out) { return binary_out("Add", false, true, args, rets); }
OP_FN(op_mul_out) { return binary_out("Mul", true, false, args, rets); }
OP_FN(op_mul_relu_out) { return binary_out("Mul", true, true, args, rets); }

// ---- with a number: the scale and the zero point change, the integers only when they must

typedef struct ByteMap { uint8_t table[256]; double scale; int64_t zero_point; } ByteMap;

static void add_number(ByteMap *m, const Tensor *x, double c, bool relu)
{
    DType t = tensor_dtype(x);
    double s = x->quant->scale, qmin = (double)quant_min(t), qmax = (double)quant_max(t);
    double c_q = nearbyint(c / s), shifted = (double)x->quant->zero_point - c_q;
    bool low = qmin > shifted, high = qmax < shifted;
    m->scale = low ? (qmax - shifted) / (qmax - qmin) * s : high ? (shifted - qmin) / (qmax - qmin) * s : s;
    m->zero_point = (int64_t)(low ? qmin : high ? qmax : shifted);
    float factor = (float)(s / m->scale);
    for (int i = 0; i < 256; i++) {
        double q = t == DT_QI8 ? (int8_t)i : i;
        if (low || high)
            q = nearbyint((double)((float)(q - shifted) * factor)) + (double)m->zero_point;
        q = q < qmin ? qmin : q > qmax ? qmax : q;
        if (relu && q < (double)m->zero_point)
            q = (double)m->zero_point;
        m->table[i] = (uint8_t)(int)q;
    }
}

static void mul_number(ByteMap *m, const Tensor *x, double c, bool relu)
{
    DType t = tensor_dtype(x);
    int64_t qmin = quant_min(t), qmax = quant_max(t);
    m->scale = c == 0 ? 1 : fabs(c) * x->quant->scale;
    m->zero_point = c == 0 ? 0 : c > 0 ? x->quant->zero_point : qmax - (x->quant->zero_point - qmin);
    for (int i = 0; i < 256; i++) {
        int64_t q = t == DT_QI8 ? (int8_t)i : i;
        q = c == 0 ? 0 : c > 0 ? q : qmax + qmin - q;
        m->table[i] = (uint8_t)(relu && q < m->zero_point ? m->zero_point : q);
    }
}

static Status with_number(Lane *lane, const char *name, bool mul, bool relu, IValue x, IValue number, Tensor **out)
{
    Tensor *t = x.as.tensor;
    TRY(quant_check_bytes(t, name));
    TRY(check_zero(tensor_dtype(t), t->quant->zero_point));
    double c = arg_double(number);
    if (number.tag == TAG_TENSOR) // traces keep numbers as tensors
        TRY(tensor_double(lane, number.as.tensor, &c));
    if (!isfinite(c))
        return op_raise("%s: the number is not finite", name);
    ByteMap m;
    if (mul)
        mul_number(&m, t, c, relu);
    else
        add_number(&m, t, c, relu);
    Quant *q;
    TRY(quant_new(m.scale, m.zero_point, &q));
    Status status = quant_table(lane, t, m.table, q, out);
    quant_release(q);
    return status;
}

static Status scalar(Lane *lane, const char *name, bool mul, bool relu, IValue x, IValue number, IValue *rets)
{
    Tensor *y;
    TRY(with_number(lane, name, mul, relu, x, number, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_add_scalar) { return scalar(lane, "Add", false, false, args[0], args[1], rets); }
OP_FN(op_add_scalar2) { return scalar(lane, "Add", false, false, args[1], args[0], rets); }
OP_FN(op_add_scalar_relu) { return scalar(lane, "Add", false, true, args[0], args[1], rets); }
OP_FN(op_add_scalar2_relu) { return scalar(lane, "Add", false, true, args[1], args[0], rets); }
OP_FN(op_mul_scalar) { return scalar(lane, "Mul", true, false, args[0], args[1], rets); }
OP_FN(op_mul_scalar2) { return scalar(lane, "Mul", true, false, args[1], args[0], rets); }
OP_FN(op_mul_scalar_relu) { return scalar(lane, "Mul", true, true, args[0], args[1], rets); }
OP_FN(op_mul_scalar2_relu) { return scalar(lane, "Mul", true, true, args[1], args[0], rets); }

// ---- cat

// Brings x to the quantisation of q: a table, unless it has it already. The integers of the result, as a view.
static Status brought_to(Lane *lane, Tensor *x, Quant *q, bool relu, Tensor **out)
{
    DType t = tensor_dtype(x);
    Tensor *moved;
    if (!relu && x->quant->scale == q->scale && x->quant->zero_point == q->zero_point)
        return tensor_int_view(lane, x, out);
    uint8_t table[256];
    for (int i = 0; i < 256; i++) {
        float number = (float)((t == DT_QI8 ? (int8_t)i : i) - x->quant->zero_point) * (float)x->quant->scale;
        table[i] = (uint8_t)quantise_one(relu && number < 0 ? 0 : number, (float)q->scale, q->zero_point, t);
    }
    TRY(quant_table(lane, x, table, q, &moved));
    Status status = tensor_int_view(lane, moved, out);
    tensor_release(moved);
    return status;
}

static Status cat(Lane *lane, Site *site, const IValue *args, bool relu, IValue scale, IValue zero_point, Tensor **out) // qx, dim
{
    Tensor **t;
    int n, count = 0;
    TRY(arg_tensors(args[0], &t, &n));
    Status status = n ? ST_OK : op_raise("quantized::cat: a list of tensors was expected");
    for (int i = 0; i < n && status == ST_OK; i++) {
        status = quant_check_bytes(t[i], "quantized::cat");
        if (status == ST_OK && tensor_dtype(t[i]) != tensor_dtype(t[0]))
            status = op_raise("All dtypes must be the same.");
    }
    Quant *q = NULL;
    Tensor **ints = calloc((size_t)n + 1, sizeof *ints);
    if (!ints && status == ST_OK)
        status = status_no_memory((size_t)n * sizeof *ints);
    if (status == ST_OK)
        status = quant_new(scale.tag == TAG_NONE ? t[0]->quant->scale : arg_double(scale), zero_point.tag == TAG_NONE ? t[0]->quant->zero_point : arg_int(zero_point), &q);
    if (status == ST_OK)
        status = check_zero(tensor_dtype(t[0]), q->zero_point);
    while (count < n && status == ST_OK) {
        status = brought_to(lane, t[count], q, relu, &ints[count]);
        count += status == ST_OK;
    }
    IValue list, joined = value_none();
    if (status == ST_OK) {
        status = list_of_tensors_take(lane, ints, n, &list);
        count = 0;
        if (status == ST_OK) {
            status = quant_call(lane, site, 0, "aten::cat", 2, (IValue[]){list, args[1]}, &joined);
            value_release(list);
        }
    }
    if (status == ST_OK) {
        status = tensor_quant_view(lane, joined.as.tensor, tensor_dtype(t[0]), q, out);
        value_release(joined);
    }
    for (int i = 0; i < count; i++)
        tensor_release(ints[i]);
    free(ints);
    free(t);
    quant_release(q);
    return status;
}

// A result into a tensor that is there; takes y. What the integers of out stand for becomes what those of y do.
static Status store_out(Lane *lane, const char *name, Tensor *y, IValue out_arg, IValue *rets)
{
    Tensor *out = out_arg.as.tensor, *from = NULL, *to = NULL;
    Status status = quant_check_bytes(out, name);
    if (status == ST_OK && (tensor_dtype(out) != tensor_dtype(y) || !view_same_shape(&out->view, &y->view)))
        status = op_raise("%s: the output has another dtype or shape than the result", name);
    if (status == ST_OK)
        status = tensor_make_writable(out);
    if (status == ST_OK)
        status = tensor_int_view(lane, y, &from);
    if (status == ST_OK)
        status = tensor_int_view(lane, out, &to);
    if (status == ST_OK)
        status = tensor_copy_into(lane, to, from);
    if (status == ST_OK) {
        Quant *old = out->quant;
        out->quant = quant_retain(y->quant);
        quant_release(old);
        rets[0] = value_retain(out_arg);
    }
    if (from)
        tensor_release(from);
    if (to)
        tensor_release(to);
    tensor_release(y);
    return status;
}

static Status scalar_out(Lane *lane, const char *name, bool mul, bool relu, const IValue *args, IValue *rets) // qa, b, out
{
    Tensor *y;
    TRY(with_number(lane, name, mul, relu, args[0], args[1], &y));
    return store_out(lane, name, y, args[2], rets);
}
OP_FN(op_add_scalar_out) { return scalar_out(lane, "Add", false, false, args, rets); }
OP_FN(op_add_scalar_relu_out) { return scalar_out(lane, "Add", false, true, args, rets); }
OP_FN(op_mul_scalar_out) { return scalar_out(lane, "Mul", true, false, args, rets); }
OP_FN(op_mul_scalar_relu_out) { return scalar_out(lane, "Mul", true, true, args, rets); }

// In the quantisation of out.
static Status cat_out(Lane *lane, Site *site, const IValue *args, bool relu, IValue *rets) // qx, dim, out
{
    Tensor *y;
    TRY(quant_check_bytes(args[2].as.tensor, "quantized::cat_out"));
    const Quant *q = args[2].as.tensor->quant;
    TRY(cat(lane, site, args, relu, value_float(q->scale), value_int(q->zero_point), &y));
    return store_out(lane, "quantized::cat_out", y, args[2], rets);
}
OP_FN(op_cat_out) { return cat_out(lane, site, args, false, rets); }
OP_FN(op_cat_relu_out) { return cat_out(lane, site, args, true, rets); }

OP_FN(op_cat) // qx, dim, scale, zero_point
{
    Tensor *t;
    TRY(cat(lane, site, args, false, args[2], args[3], &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}
OP_FN(op_cat_relu)
{
    Tensor *t;
    TRY(cat(lane, site, args, true, args[2], args[3], &t));
    rets[0] = value_tensor_take(t);
    return ST_OK;
}

// ---- batch norm

ISA_INLINE void norm_row_body(const uint8_t *x, uint8_t *y, bool is_signed, const float *alpha, const float *beta, int32_t x_zero, int32_t y_zero, float lo, float hi, int64_t n)
{
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        int32_t q = is_signed ? (int8_t)x[i] : x[i];
        float v = alpha[i] * (float)(q - x_zero) + beta[i];
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        union { float f; int32_t i; } bits = {.f = v + ROUND_MAGIC};
        y[i] = (uint8_t)(bits.i - 0x4b400000 + y_zero);
    }
}
ISA_VARIANTS(norm_row, (const uint8_t *x, uint8_t *y, bool is_signed, const float *alpha, const float *beta, int32_t x_zero, int32_t y_zero, float lo, float hi, int64_t n),
             (x, y, is_signed, alpha, beta, x_zero, y_zero, lo, hi, n))

// Channel vectors as float32 rows: weight, bias, mean, var. Absent: NULL.
static Status channel_rows(Lane *lane, const IValue *args, int64_t channels, Tensor *row[4])
{
    for (int i = 0; i < 4; i++) {
        if (args[i].tag == TAG_NONE)
            continue;
        Tensor *t = args[i].as.tensor;
        if (t->view.ndim != 1 || t->view.size[0] != channels)
            return op_raise("Expect weight, bias, mean and variance of a batch norm to have %lld elements", (long long)channels);
        TRY(tensor_contiguous_as(lane, t, DT_F32, &row[i]));
    }
    return ST_OK;
}

// Strides with the channels (dimension 1) innermost.
static void channels_inside(const View *v, int64_t *stride)
{
    int64_t step = v->size[1] > 1 ? v->size[1] : 1;
    stride[1] = 1;
    for (int d = v->ndim - 1; d >= 2; d--) {
        stride[d] = step;
        step = next_stride(step, v->size[d]);
    }
    stride[0] = step;
}

static Status batch_norm_rows(Lane *lane, Tensor *x, Tensor *const row[4], double eps, Tensor *out, bool relu)
{
    const View *v = &x->view;
    int64_t channels = v->size[1], stride[VIEW_MAX_DIMS];
    Tensor *scale, *from, *to, *image;
    TRY(tensor_new(lane, DT_F32, 1, (const int64_t[]){2 * channels}, &scale));
    float *alpha = scale->view.data, *beta = alpha + channels;
    float x_scale = (float)x->quant->scale, y_scale = (float)out->quant->scale;
    for (int64_t c = 0; c < channels; c++) {
        float inverse = 1.0f / sqrtf(((float *)row[3]->view.data)[c] + (float)eps);
        float w = row[0] ? ((float *)row[0]->view.data)[c] : 1, b = row[1] ? ((float *)row[1]->view.data)[c] : 0;
        alpha[c] = inverse * w * (x_scale / y_scale);
        beta[c] = (b - ((float *)row[2]->view.data)[c] * inverse * w) / y_scale;
    }
    channels_inside(v, stride);
    Status status = tensor_int_view(lane, x, &from);
    if (status == ST_OK) {
        status = tensor_new_strided(lane, tensor_dtype(from), v->ndim, v->size, stride, &image);
        if (status == ST_OK) {
            status = tensor_copy_into(lane, image, from);
            tensor_release(from);
            from = image;
        }
        if (status == ST_OK && (status = tensor_int_view(lane, out, &to)) == ST_OK) {
            DType t = tensor_dtype(x);
            int64_t y_zero = out->quant->zero_point;
            float lo = relu ? 0 : (float)(quant_min(t) - y_zero), hi = (float)(quant_max(t) - y_zero);
            int64_t pixels = channels ? tensor_numel(x) / channels : 0;
            for (int64_t i = 0; i < pixels; i++)
                norm_row((uint8_t *)from->view.data + i * channels, (uint8_t *)to->view.data + i * channels, t == DT_QI8, alpha, beta,
                         (int32_t)x->quant->zero_point, (int32_t)y_zero, lo, hi, channels);
            tensor_release(to);
        }
        tensor_release(from);
    }
    tensor_release(scale);
    return status;
}

static Status batch_norm(Lane *lane, const IValue *args, IValue *rets, bool relu) // qx, weight, bias, mean, var, eps, scale, zero_point
{
    Tensor *x = args[0].as.tensor, *row[4] = {NULL}, *out = NULL;
    TRY(quant_check_bytes(x, "quantized::batch_norm"));
    if (x->view.ndim < 2)
        return op_raise("quantized::batch_norm: the input must have 2 to 5 dimensions");
    TRY(check_zero(tensor_dtype(x), x->quant->zero_point));
    TRY(check_zero(tensor_dtype(x), arg_int(args[7])));
    if (args[3].tag == TAG_NONE || args[4].tag == TAG_NONE)
        return op_raise("quantized::batch_norm: mean and variance are needed");
    Status status = channel_rows(lane, args + 1, x->view.size[1], row);
    if (status == ST_OK) {
        int64_t stride[VIEW_MAX_DIMS];
        channels_inside(&x->view, stride);
        status = qtensor_new(lane, tensor_dtype(x), x->view.ndim, x->view.size, stride, arg_double(args[6]), arg_int(args[7]), &out);
    }
    if (status == ST_OK)
        status = batch_norm_rows(lane, x, row, arg_double(args[5]), out, relu);
    for (int i = 0; i < 4; i++)
        if (row[i])
            tensor_release(row[i]);
    if (status == ST_OK)
        rets[0] = value_tensor_take(out);
    else if (out)
        tensor_release(out);
    return status;
}
OP_FN(op_batch_norm) { return batch_norm(lane, args, rets, false); }
OP_FN(op_batch_norm_relu) { return batch_norm(lane, args, rets, true); }

// ---- through numbers, to a scale and zero point that are given

static Status quantised_result(Lane *lane, IValue number_taken, DType dtype, IValue scale, IValue zero_point, IValue *ret)
{
    Quant *q;
    Tensor *t;
    Status status = check_zero(dtype, arg_int(zero_point));
    if (status == ST_OK)
        status = quant_new(arg_double(scale), arg_int(zero_point), &q);
    if (status == ST_OK) {
        status = tensor_quantise(lane, number_taken.as.tensor, dtype, q, &t);
        quant_release(q);
    }
    value_release(number_taken);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

// name(dequantised args[0], rest…), quantised to args[q] and args[q + 1].
static Status through_numbers(Lane *lane, Site *site, const char *name, int n, IValue *changed, const IValue *args, int q, IValue *rets)
{
    Tensor *x = args[0].as.tensor, *f;
    if (!x->quant)
        return op_raise("%s: the input is not quantized", name);
    TRY(tensor_dequantise(lane, x, &f));
    changed[0] = value_tensor_take(f);
    IValue made;
    Status status = quant_call(lane, site, 0, name, n, changed, &made);
    tensor_release(f);
    TRY(status);
    return quantised_result(lane, made, tensor_dtype(x), args[q], args[q + 1], rets);
}

OP_FN(op_layer_norm) // input, normalized_shape, weight, bias, eps, scale, zero_point
{
    IValue changed[6] = {value_none(), args[1], args[2], args[3], args[4], value_bool(false)};
    return through_numbers(lane, site, "aten::layer_norm", 6, changed, args, 5, rets);
}
OP_FN(op_group_norm) // input, num_groups, weight, bias, eps, scale, zero_point
{
    IValue changed[6] = {value_none(), args[1], args[2], args[3], args[4], value_bool(false)};
    return through_numbers(lane, site, "aten::group_norm", 6, changed, args, 5, rets);
}
OP_FN(op_instance_norm) // input, weight, bias, eps, scale, zero_point
{
    if (args[0].as.tensor->view.ndim < 2)
        return op_raise("quantized::instance_norm: the input must have channels");
    IValue changed[6] = {value_none(), value_int(args[0].as.tensor->view.size[1]), args[1], args[2], args[3], value_bool(false)};
    return through_numbers(lane, site, "aten::group_norm", 6, changed, args, 4, rets);
}
OP_FN(op_softmax) // qx, dim, scale, zero_point
{
    IValue changed[3] = {value_none(), args[1], value_none()};
    return through_numbers(lane, site, "aten::softmax.int", 3, changed, args, 2, rets);
}
OP_FN(op_prelu) // qx, weight, scale, zero_point
{
    Tensor *w;
    TRY(tensor_dequantise(lane, args[1].as.tensor, &w));
    IValue changed[2] = {value_none(), value_tensor_take(w)};
    Status status = through_numbers(lane, site, "aten::prelu", 2, changed, args, 2, rets);
    tensor_release(w);
    return status;
}
OP_FN(op_matmul) // qa, qb, scale, zero_point
{
    Tensor *b;
    if (!args[1].as.tensor->quant)
        return op_raise("quantized::matmul: the input is not quantized");
    TRY(tensor_dequantise(lane, args[1].as.tensor, &b));
    IValue changed[2] = {value_none(), value_tensor_take(b)};
    Status status = through_numbers(lane, site, "aten::matmul", 2, changed, args, 2, rets);
    tensor_release(b);
    return status;
}

// ---- functions of one variable

typedef struct Numbers { float a, b, c; } Numbers;
static float f_hardswish(const void *c, float x)
{
    (void)c;
    float y = x + 3;
    return x * (y < 0 ? 0 : y > 6 ? 6 : y) / 6.0f;
}
static float f_leaky(const void *c, float x) { return x > 0 ? x : x * ((const Numbers *)c)->a; }
static float f_elu(const void *c, float x)
{
    const Numbers *p = c; // alpha, scale, input scale
    return x >= 0 ? x * p->b : (expf(x * p->c) - 1) * p->a * p->b;
}
static float f_threshold(const void *c, float x) { return x > ((const Numbers *)c)->a ? x : ((const Numbers *)c)->b; }
static float f_relu6(const void *c, float x) { (void)c; return x < 0 ? 0 : x > 6 ? 6 : x; }

static Status unary(Lane *lane, Tensor *x, float (*f)(const void *, float), const Numbers *p, double scale, int64_t zero_point, IValue *rets)
{
    Tensor *y;
    TRY(check_zero(tensor_dtype(x), zero_point));
    TRY(quant_unary(lane, x, f, p, scale, zero_point, &y));
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
static Status keeping(Lane *lane, Tensor *x, float (*f)(const void *, float), const Numbers *p, IValue *rets)
{
    if (!x->quant)
        return op_raise("the operand of a quantized operator is not quantized");
    return unary(lane, x, f, p, x->quant->scale, x->quant->zero_point, rets);
}
OP_FN(op_hardswish) { return unary(lane, args[0].as.tensor, f_hardswish, NULL, arg_double(args[1]), arg_int(args[2]), rets); }
OP_FN(op_sigmoid) { return unary(lane, args[0].as.tensor, quant_sigmoid, NULL, arg_double(args[1]), arg_int(args[2]), rets); }
OP_FN(op_leaky_relu) // qx, slope, inplace, scale, zero_point
{
    return unary(lane, args[0].as.tensor, f_leaky, &(Numbers){.a = (float)arg_double(args[1])}, arg_double(args[3]), arg_int(args[4]), rets);
}
OP_FN(op_elu) // x, scale, zero_point, alpha, scale, input scale
{
    Numbers p = {(float)arg_double(args[3]), (float)arg_double(args[4]), (float)arg_double(args[5])};
    return unary(lane, args[0].as.tensor, f_elu, &p, arg_double(args[1]), arg_int(args[2]), rets);
}
OP_FN(op_celu) // x, scale, zero_point, alpha
{
    double alpha = arg_double(args[3]);
    if (alpha == 0)
        return op_raise("ZeroDivisionError: alpha cannot be 0 for CELU");
    Numbers p = {(float)alpha, 1, (float)(1.0 / alpha)};
    return unary(lane, args[0].as.tensor, f_elu, &p, arg_double(args[1]), arg_int(args[2]), rets);
}
OP_FN(op_relu6) { return keeping(lane, args[0].as.tensor, f_relu6, NULL, rets); }
OP_FN(op_threshold) { return keeping(lane, args[0].as.tensor, f_threshold, &(Numbers){(float)arg_double(args[1]), (float)arg_double(args[2]), 0}, rets); }
OP_FN(op_clamp)
{
    if (args[1].tag == TAG_NONE && args[2].tag == TAG_NONE)
        return op_raise("Both min and max can't be None in quantized::clamp");
    return quant_clamp(lane, args[0].as.tensor, args[1], args[2], rets);
}
OP_FN(op_dropout) // x, scale, zero_point, p, training
{
    rets[0] = value_retain(args[0]);
    return args[4].as.b ? op_raise("quantized::dropout cannot be used in training") : ST_OK;
}

static Status max_pool(Lane *lane, Site *site, const char *name, const IValue *args, IValue *rets) // qx, kernel, stride, padding, dilation, ceil
{
    Tensor *x = args[0].as.tensor, *f;
    TRY(quant_check_bytes(x, name));
    if (quant_channels_inside(x)) {
        TRY(quant_call(lane, site, 0, name, 6, args, rets));
        rets[0].as.tensor->quant = quant_retain(x->quant);
        return ST_OK;
    }
    Quant unit = *x->quant, *own = x->quant;
    unit.scale = 1; // the distances from the zero point are whole: exact in float
    unit.refs = 2;
    x->quant = &unit;
    Status status = tensor_dequantise(lane, x, &f);
    x->quant = own;
    TRY(status);
    IValue changed[6] = {value_tensor_take(f), args[1], args[2], args[3], args[4], args[5]}, made;
    status = quant_call(lane, site, 0, name, 6, changed, &made);
    tensor_release(f);
    TRY(status);
    Tensor *y;
    status = tensor_quantise(lane, made.as.tensor, tensor_dtype(x), &unit, &y);
    value_release(made);
    TRY(status);
    y->quant = quant_retain(own);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}
OP_FN(op_max_pool1d) { return max_pool(lane, site, "aten::max_pool1d", args, rets); }
OP_FN(op_max_pool2d) { return max_pool(lane, site, "aten::max_pool2d", args, rets); }
OP_FN(op_max_pool3d) { return max_pool(lane, site, "aten::max_pool3d", args, rets); }

#define NUMBERED(op)                                                                                                   \
    QROW("quantized::" #op, op_##op), QROW("quantized::" #op "_relu", op_##op##_relu), QROW("quantized::" #op ".out", op_##op##_out), \
        QROW("quantized::" #op "_out", op_##op##_out), QROW("quantized::" #op "_relu.out", op_##op##_relu_out),        \
        QROW("quantized::" #op "_relu_out", op_##op##_relu_out), QROW("quantized::" #op ".Scalar", op_##op##_scalar),  \
        QROW("quantized::" #op ".Scalar2", op_##op##_scalar2), QROW("quantized::" #op "_relu.Scalar", op_##op##_scalar_relu), \
        QROW("quantized::" #op "_relu.Scalar2", op_##op##_scalar2_relu), QROW("quantized::" #op "_scalar", op_##op##_scalar), \
        QROW("quantized::" #op "_scalar.Tensor", op_##op##_scalar), QROW("quantized::" #op "_scalar_relu", op_##op##_scalar_relu), \
        QROW("quantized::" #op "_scalar_relu.Tensor", op_##op##_scalar_relu), QROW("quantized::" #op "_scalar_out", op_##op##_scalar_out), \
        QROW("quantized::" #op "_scalar_out.Tensor", op_##op##_scalar_out), QROW("quantized::" #op "_scalar_relu_out", op_##op##_scalar_relu_out), \
        QROW("quantized::" #op "_scalar_relu_out.Tensor", op_##op##_scalar_relu_out)
const OpBinding OPS_QUANT_MATH[] = {
    NUMBERED(add), NUMBERED(mul), QROW("_quantized::add", op_add), QROW("quantized::cat", op_cat), QROW("quantized::cat_relu", op_cat_relu),
    QROW("quantized::cat_out", op_cat_out), QROW("quantized::cat_relu_out", op_cat_relu_out),
    QROW("quantized::batch_norm", op_batch_norm), QROW("quantized::batch_norm_relu", op_batch_norm_relu),
    QROW("quantized::batch_norm1d", op_batch_norm), QROW("quantized::batch_norm1d_relu", op_batch_norm_relu),
    QROW("quantized::batch_norm2d", op_batch_norm), QROW("quantized::batch_norm2d_relu", op_batch_norm_relu),
    QROW("quantized::batch_norm3d", op_batch_norm), QROW("quantized::batch_norm3d_relu", op_batch_norm_relu),
    QROW("aten::quantized_batch_norm", op_batch_norm), QROW("quantized::layer_norm", op_layer_norm), QROW("quantized::group_norm", op_group_norm),
    QROW("quantized::instance_norm", op_instance_norm), QROW("quantized::softmax", op_softmax), QROW("quantized::prelu", op_prelu),
    QROW("quantized::matmul", op_matmul), QROW("quantized::hardswish", op_hardswish), QROW("quantized::sigmoid", op_sigmoid),
    QROW("quantized::leaky_relu", op_leaky_relu), QROW("quantized::elu", op_elu), QROW("quantized::celu", op_celu),
    QROW("quantized::relu6", op_relu6), QROW("quantized::threshold", op_threshold), QROW("quantized::clamp", op_clamp),
    QROW("quantized::dropout", op_dropout), QROW("quantized::max_pool1d", op_max_pool1d), QROW("quantized::max_pool2d", op_max_pool2d),
    QROW("aten::quantized_max_pool1d", op_max_pool1d), QROW("aten::quantized_max_pool2d", op_max_pool2d),
    QROW("aten::quantized_max_pool3d", op_max_pool3d),
    {0},
};
