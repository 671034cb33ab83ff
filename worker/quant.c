// What the integers of quantised tensors stand for, and the way from numbers to integers and back.
// Per channel, the elements of one index of the axis are one strided piece; dense tensors are done in one row.
#include "worker/quant.h"

#include "kernels/iter.h"
#include "kernels/quant.h"
#include "worker/op_util.h"

#include <math.h>
#include <stdlib.h>

void quant_free(Quant *q)
{
    if (q->scales)
        tensor_release(q->scales);
    if (q->zero_points)
        tensor_release(q->zero_points);
    free(q);
}

Status quant_raise_copy(void)
{
    return op_raise("Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a float Tensor from a quantized Tensor");
}

Status quant_new(double scale, int64_t zero_point, Quant **out)
{
    if (zero_point < INT32_MIN || zero_point > INT32_MAX)
        return op_raise("zero_point %lld of a quantized tensor is out of range", (long long)zero_point);
    Quant *q = malloc(sizeof *q);
    if (!q)
        return status_no_memory(sizeof *q);
    *q = (Quant){.refs = 1, .scale = scale, .zero_point = zero_point};
    *out = q;
    return ST_OK;
}

Status quant_new_channels(Lane *lane, uint8_t scheme, Tensor *scales, Tensor *zero_points, int64_t axis, Quant **out)
{
    if (scales->view.ndim != 1 || zero_points->view.ndim != 1)
        return op_raise("%s tensor must have dimension 1", scales->view.ndim != 1 ? "scale" : "zero_points");
    if (tensor_numel(scales) != tensor_numel(zero_points))
        return op_raise("number of elements in scales and zero_points must match");
    bool real = scheme == QUANT_PER_CHANNEL_FLOAT;
    Tensor *s, *z;
    TRY(tensor_contiguous_as(lane, scales, real ? DT_F32 : DT_F64, &s));
    Status status = tensor_contiguous_as(lane, zero_points, real ? DT_F32 : DT_I64, &z);
    if (status != ST_OK) {
        tensor_release(s);
        return status;
    }
    for (int64_t i = 0; !real && i < tensor_numel(z); i++)
        if (((int64_t *)z->view.data)[i] < INT16_MIN || ((int64_t *)z->view.data)[i] > INT16_MAX) {
            tensor_release(s);
            tensor_release(z);
            return op_raise("a zero point of a tensor that is quantized per channel is out of range");
        }
    Quant *q = malloc(sizeof *q);
    if (!q) {
        tensor_release(s);
        tensor_release(z);
        return status_no_memory(sizeof *q);
    }
    *q = (Quant){.refs = 1, .scheme = scheme, .scales = s, .zero_points = z, .axis = axis};
    *out = q;
    return ST_OK;
}

Status qtensor_new(Lane *lane, DType dtype, int ndim, const int64_t *size, const int64_t *stride, double scale, int64_t zero_point, Tensor **out)
{
    Quant *q;
    TRY(quant_new(scale, zero_point, &q));
    Status status = stride ? tensor_new_strided(lane, dtype, ndim, size, stride, out) : tensor_new(lane, dtype, ndim, size, out);
    if (status == ST_OK)
        (*out)->quant = q;
    else
        quant_release(q);
    return status;
}

Status tensor_int_view(Lane *lane, Tensor *t, Tensor **out)
{
    TRY(tensor_view(lane, t, t->view.ndim, t->view.size, t->view.stride, t->offset, out));
    quant_release((*out)->quant);
    (*out)->quant = NULL;
    (*out)->view.dtype = (uint8_t)quant_integer(tensor_dtype(t));
    return ST_OK;
}

Status tensor_quant_view(Lane *lane, Tensor *integers, DType dtype, Quant *q, Tensor **out)
{
    TRY(tensor_view(lane, integers, integers->view.ndim, integers->view.size, integers->view.stride, integers->offset, out));
    (*out)->view.dtype = (uint8_t)dtype;
    (*out)->quant = quant_retain(q);
    return ST_OK;
}

// ---- rows

// The elements of index c of an axis, as a view.
static View channel_of(const View *v, int64_t axis, int64_t c)
{
    View part;
    view_assign(&part, v);
    part.data = (char *)v->data + c * v->stride[axis] * (int64_t)dtype_size((DType)v->dtype);
    part.ndim--;
    for (int d = (int)axis; d < part.ndim; d++) {
        part.size[d] = v->size[d + 1];
        part.stride[d] = v->stride[d + 1];
    }
    return part;
}

// One scale and zero point over the elements of two views of the same shape, of which `floats` has any strides too. The
// elements go through a small buffer when a view is not in one piece.
enum { PIECE = 1024 };
typedef struct Walk { float scale; int64_t zero_point; bool real_zero; float zero; DType dtype; bool to_integers; } Walk;

static void walk_row(const Walk *w, float *x, void *q, int64_t n)
{
    if (!w->real_zero) {
        if (w->to_integers)
            quantise_row(x, w->scale, w->zero_point, w->dtype, q, n);
        else
            dequantise_row(q, w->dtype, w->scale, w->zero_point, x, n);
        return;
    }
    // per_channel_affine_float_qparams: q = x / scale + zero, rounded; x = (q - zero) * scale
    float lo = (float)quant_min(w->dtype), hi = (float)quant_max(w->dtype), inverse = 1.0f / w->scale;
    for (int64_t i = 0; i < n; i++)
        if (w->to_integers) {
            float v = nearbyintf(x[i] * inverse + w->zero);
            ((uint8_t *)q)[i] = (uint8_t)(int)(v > lo ? v < hi ? v : hi : lo);
        } else {
            x[i] = ((float)((uint8_t *)q)[i] - w->zero) * w->scale;
        }
}

typedef struct WalkRow { const Walk *walk; size_t element; } WalkRow;

static void walk_pieces(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    const WalkRow *r = ctx;
    size_t e = r->element;
    if (stride[0] == (int64_t)sizeof(float) && stride[1] == (int64_t)e) {
        walk_row(r->walk, (float *)data[0], data[1], n);
        return;
    }
    float x[PIECE];
    int32_t q[PIECE];
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t m = n - first < PIECE ? n - first : PIECE;
        char *px = data[0] + first * stride[0], *pq = data[1] + first * stride[1];
        for (int64_t i = 0; i < m; i++) {
            if (r->walk->to_integers)
                memcpy(&x[i], px + i * stride[0], sizeof(float));
            else
                memcpy((char *)q + (size_t)i * e, pq + i * stride[1], e);
        }
        walk_row(r->walk, x, q, m);
        for (int64_t i = 0; i < m; i++) {
            if (r->walk->to_integers)
                memcpy(pq + i * stride[1], (char *)q + (size_t)i * e, e);
            else
                memcpy(px + i * stride[0], &x[i], sizeof(float));
        }
    }
}

static void walk(const Walk *w, const View *x, const View *q)
{
    Iter it;
    const View *views[2] = {x, q};
    iter_plan(&it, x->ndim, x->size, 2, views);
    WalkRow row = {w, dtype_size((DType)q->dtype)};
    iter_run(&it, (char *const[]){x->data, q->data}, walk_pieces, &row);
}

static Status convert(const Quant *quant, const View *x, const View *q, bool to_integers)
{
    Walk w = {.dtype = (DType)q->dtype, .to_integers = to_integers};
    if (quant_is_per_tensor(quant)) {
        w.scale = (float)quant->scale;
        w.zero_point = quant->zero_point;
        walk(&w, x, q);
        return ST_OK;
    }
    int64_t axis = quant->axis;
    if (axis < 0 || axis >= q->ndim || tensor_numel(quant->scales) != q->size[axis])
        return op_raise("the tensor has other channels than the scales that it is quantized with");
    w.real_zero = quant->scheme == QUANT_PER_CHANNEL_FLOAT;
    for (int64_t c = 0; c < q->size[axis]; c++) {
        View xc = channel_of(x, axis, c), qc = channel_of(q, axis, c);
        if (w.real_zero) {
            w.scale = ((const float *)quant->scales->view.data)[c];
            w.zero = ((const float *)quant->zero_points->view.data)[c];
        } else {
            w.scale = (float)((const double *)quant->scales->view.data)[c];
            w.zero_point = ((const int64_t *)quant->zero_points->view.data)[c];
        }
        walk(&w, &xc, &qc);
    }
    return ST_OK;
}

Status tensor_dequantise(Lane *lane, Tensor *t, Tensor **out)
{
    if (!t->quant)
        return tensor_to_dtype(lane, t, DT_F32, out);
    Tensor *x;
    TRY(tensor_new_like(lane, t, DT_F32, FORMAT_PRESERVE, &x));
    Status status = convert(t->quant, &x->view, &t->view, false);
    if (status != ST_OK) {
        tensor_release(x);
        return status;
    }
    *out = x;
    return ST_OK;
}

Status tensor_quantise(Lane *lane, Tensor *t, DType dtype, Quant *q, Tensor **out)
{
    TRY(tensor_make_plain(lane, t));
    Tensor *x, *made;
    TRY(tensor_to_dtype(lane, t, DT_F32, &x));
    Status status = tensor_new_like(lane, x, dtype, FORMAT_PRESERVE, &made);
    if (status == ST_OK) {
        made->quant = quant_retain(q);
        status = convert(q, &x->view, &made->view, true);
        if (status != ST_OK)
            tensor_release(made);
    }
    tensor_release(x);
    if (status == ST_OK)
        *out = made;
    return status;
}
