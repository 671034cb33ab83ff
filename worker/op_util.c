// What the operator families share: result types, lists of tensors, text of sizes, allocation in a wanted layout.
// Layout rules are PyTorch's (torchscript.md §7.3).
#include "worker/op_util.h"

#include "kernels/copy.h"
#include "kernels/half.h"
#include "worker/quant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

Status list_of_tensors_take(Lane *lane, Tensor **t, int n, IValue *out)
{
    ListObj *list = list_new(type_of_kind(lane->types, TYPE_TENSOR), (uint32_t)n);
    Status status = list ? ST_OK : ST_MEMORY;
    for (int i = 0; i < n; i++) {
        if (status == ST_OK)
            status = list_push_take(list, value_tensor_take(t[i]));
        else
            tensor_release(t[i]);
    }
    if (status != ST_OK) {
        if (list)
            value_release(value_list_take(list));
        return status;
    }
    *out = value_list_take(list);
    return ST_OK;
}

Status arg_tensors(IValue list, Tensor ***out_items, int *n)
{
    const ListObj *l = list.as.list;
    Tensor **items = malloc((l->len + 1) * sizeof *items);
    if (!items)
        return status_no_memory((l->len + 1) * sizeof *items);
    for (uint32_t i = 0; i < l->len; i++) {
        items[i] = arg_tensor(l->items[i]);
        if (!items[i]) {
            free(items);
            return op_raise("expected Tensor as element %u of the list, but got None", i);
        }
    }
    *out_items = items;
    *n = (int)l->len;
    return ST_OK;
}

SizeText size_text(const int64_t *size, int ndim)
{
    SizeText t = {"["};
    size_t at = 1;
    for (int d = 0; d < ndim && at + 32 < sizeof t.text; d++)
        at += (size_t)snprintf(t.text + at, sizeof t.text - at, d ? ", %lld" : "%lld", (long long)size[d]);
    snprintf(t.text + at, sizeof t.text - at, "]");
    return t;
}

Status check_dtype(DType t)
{
    if (!dtype_valid(t))
        return op_raise("%lld is not a dtype", (long long)t);
    if (dtype_category(t) == DT_QUANTISED)
        return op_raise("dtype %s is not supported here", dtype_python_name(t));
    return ST_OK;
}

DType promote_dtypes(DType a, DType b)
{
    if (a == b)
        return a;
    DTypeCategory ca = dtype_category(a), cb = dtype_category(b);
    if (ca > DT_COMPLEX || cb > DT_COMPLEX)
        return DT_INVALID;
    if (ca < cb) { // the first is of the higher category
        DType swap = a;
        a = b;
        b = swap;
        ca = dtype_category(a);
        cb = dtype_category(b);
    }
    if (ca == DT_COMPLEX) {
        if (cb < DT_FLOATING)
            return a;
        size_t half = cb == DT_COMPLEX ? dtype_size(b) / 2 : b == DT_BF16 ? 4 : dtype_size(b);
        return half > dtype_size(a) / 2 ? (half == 4 ? DT_C64 : DT_C128) : a;
    }
    if (ca == DT_FLOATING)
        return cb < DT_FLOATING ? a : dtype_size(a) == dtype_size(b) ? DT_F32 : dtype_size(a) > dtype_size(b) ? a : b;
    if (cb == DT_BOOLEAN)
        return a;
    if (a >= DT_U16 || b >= DT_U16)
        return DT_INVALID;
    if (dtype_size(a) == dtype_size(b)) // uint8 and int8
        return DT_I16;
    return dtype_size(a) > dtype_size(b) ? a : b;
}

Status check_numel(int ndim, const int64_t *size)
{
    int64_t product = 1;
    bool overflow = false, empty = false;
    for (int d = 0; d < ndim; d++) {
        empty = empty || size[d] == 0;
        overflow = overflow || __builtin_mul_overflow(product, size[d], &product);
    }
    return overflow && !empty ? op_raise("numel: integer multiplication overflow") : ST_OK;
}

bool view_is_dense(const View *v)
{
    if (v->layout != LAYOUT_STRIDED || view_is_contiguous(v))
        return v->layout == LAYOUT_STRIDED;
    bool used[VIEW_MAX_DIMS] = {false};
    int64_t expected = 1;
    for (int round = 0; round < v->ndim; round++) {
        int found = -1;
        for (int d = 0; d < v->ndim && found < 0; d++)
            if (!used[d] && (v->size[d] == 1 || v->stride[d] == expected))
                found = d;
        if (found < 0)
            return false;
        used[found] = true;
        expected *= v->size[found];
    }
    return true;
}

// PyTorch looks at strides of 0 only; whatever else may overlap passes.
static bool shares_elements(const View *v)
{
    for (int d = 0; d < v->ndim; d++)
        if (v->stride[d] == 0 && v->size[d] > 1)
            return v->layout == LAYOUT_STRIDED;
    return false;
}

Status check_written(const Tensor *out)
{
    if (!shares_elements(&out->view))
        return ST_OK;
    return op_raise("unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                    "Please clone() the tensor before performing the operation.");
}

Status check_overlap(const Tensor *out, const Tensor *in)
{
    const View *a = &out->view, *b = &in->view;
    if (out == in || out->storage != in->storage || !view_numel(a) || !view_numel(b) || !view_is_dense(a) || !view_is_dense(b))
        return ST_OK;
    const char *a_begin = a->data, *b_begin = b->data;
    const char *a_end = a_begin + view_numel(a) * (int64_t)dtype_size((DType)a->dtype), *b_end = b_begin + view_numel(b) * (int64_t)dtype_size((DType)b->dtype);
    bool same = a_begin == b_begin && a_end == b_end && a->ndim == b->ndim && memcmp(a->stride, b->stride, sizeof a->stride[0] * a->ndim) == 0;
    if (same || a_begin >= b_end || b_begin >= a_end)
        return ST_OK;
    return op_raise("unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
                    "Please clone() the tensor before performing the operation.");
}

Status format_strides(int64_t format, int ndim, const int64_t *size, int64_t *stride)
{
    int spatial = format == FORMAT_CHANNELS_LAST ? 2 : format == FORMAT_CHANNELS_LAST_3D ? 3 : 0;
    if (spatial && ndim != spatial + 2)
        return op_raise("required rank %d tensor to use channels_last%s format", spatial + 2, spatial == 3 ? "_3d" : "");
    int64_t step = 1;
    if (!spatial) {
        for (int d = ndim - 1; d >= 0; d--) {
            stride[d] = step;
            step = next_stride(step, size[d]);
        }
        return ST_OK;
    }
    stride[1] = 1; // channels innermost, then the spatial dimensions from the last, then the batch
    step = next_stride(1, size[1]);
    for (int d = ndim - 1; d >= 2; d--) {
        stride[d] = step;
        step = next_stride(step, size[d]);
    }
    stride[0] = step;
    return ST_OK;
}

// Does dimension a lie outside b (1), inside (-1), or can it not be told (0)?
static int compare_dims(const View *v, int a, int b)
{
    if (v->stride[a] == 0 || v->stride[b] == 0)
        return 0;
    if (v->stride[a] != v->stride[b])
        return v->stride[a] < v->stride[b] ? -1 : 1;
    return v->size[a] > v->size[b] ? 1 : 0;
}

void strides_like(const View *like, int64_t *stride)
{
    int n = like->ndim;
    if (like->layout != LAYOUT_STRIDED || view_is_dense(like)) {
        memcpy(stride, like->stride, (size_t)n * sizeof *stride);
        return;
    }
    int order[VIEW_MAX_DIMS]; // innermost first: an insertion sort in which what cannot be told stays where it is
    for (int i = 0; i < n; i++)
        order[i] = n - 1 - i;
    for (int i = 1; i < n; i++)
        for (int at = i, below = i - 1; below >= 0; below--) {
            int c = compare_dims(like, order[below], order[at]);
            if (c < 0)
                break;
            if (c > 0) {
                int swap = order[below];
                order[below] = order[at];
                order[at] = swap;
                at = below;
            }
        }
    int64_t step = 1;
    for (int i = 0; i < n; i++) {
        stride[order[i]] = step;
        step = next_stride(step, like->size[order[i]]);
    }
}

Status tensor_new_strided(Lane *lane, DType dtype, int ndim, const int64_t *size, const int64_t *stride, Tensor **out)
{
    View v = {.dtype = (uint8_t)dtype, .ndim = (uint8_t)ndim, .layout = LAYOUT_STRIDED, .device = DEVICE_CPU};
    memcpy(v.size, size, (size_t)ndim * sizeof *size);
    memcpy(v.stride, stride, (size_t)ndim * sizeof *stride);
    return tensor_new_as(lane, &v, out);
}

Status tensor_new_like(Lane *lane, const Tensor *like, DType dtype, int64_t format, Tensor **out)
{
    const View *v = &like->view;
    int64_t stride[VIEW_MAX_DIMS];
    if (format == FORMAT_PRESERVE)
        strides_like(v, stride);
    else
        TRY(format_strides(format, v->ndim, v->size, stride));
    TRY(tensor_new_strided(lane, dtype, v->ndim, v->size, stride, out));
    if ((DType)v->dtype == dtype)
        (*out)->quant = quant_retain(like->quant);
    return ST_OK;
}

Status tensor_copy_as(Lane *lane, Tensor *t, DType dtype, int64_t format, Tensor **out)
{
    if (t->quant && tensor_dtype(t) != dtype)
        return quant_raise_copy();
    TRY(tensor_make_plain(lane, t));
    Tensor *copy;
    TRY(tensor_new_like(lane, t, dtype, format, &copy));
    Status status = tensor_copy_into(lane, copy, t);
    if (status != ST_OK) {
        tensor_release(copy);
        return status;
    }
    *out = copy;
    return ST_OK;
}

Status tensor_contiguous_as(Lane *lane, Tensor *t, DType dtype, Tensor **out)
{
    Tensor *converted;
    TRY(tensor_make_plain(lane, t));
    TRY(tensor_to_dtype(lane, t, dtype, &converted));
    Status status = tensor_contiguous(lane, converted, out);
    tensor_release(converted);
    return status;
}

float round_to(DType t, float x)
{
    return t == DT_F16 ? f16_to_float(f16_from_float(x)) : t == DT_BF16 ? bf16_to_float(bf16_from_float(x)) : x;
}

// Limits of what PyTorch lets a number become.
static const struct { DType dtype; double lowest, highest; const char *name; } NUMBER_LIMITS[] = {
    {DT_U8, -255, 255, "uint8_t"}, {DT_I8, -128, 127, "int8_t"}, {DT_I16, -32768, 32767, "int16_t"},
    {DT_I32, -2147483648.0, 2147483647.0, "int"}, {DT_I64, -9223372036854775808.0, 9223372036854774784.0, "int64_t"},
    {DT_F16, -65504, 65504, "at::Half"}, {DT_BF16, -3.3895313892515355e38, 3.3895313892515355e38, "at::BFloat16"},
    {DT_F32, -3.4028234663852886e38, 3.4028234663852886e38, "float"},
};

static Status check_number(DType dtype, IValue number)
{
    double value = number.tag == TAG_COMPLEX ? number.as.complex->re : arg_double(number);
    bool fits = number.tag != TAG_COMPLEX || number.as.complex->im == 0 || dtype_is_complex(dtype) || dtype == DT_BOOL;
    const char *name = dtype == DT_F64 ? "double" : "int";
    for (size_t i = 0; i < sizeof NUMBER_LIMITS / sizeof *NUMBER_LIMITS; i++)
        if (NUMBER_LIMITS[i].dtype == dtype) {
            name = NUMBER_LIMITS[i].name;
            if (dtype_is_floating(dtype))
                fits = fits && !(isfinite(value) && (value < NUMBER_LIMITS[i].lowest || value > NUMBER_LIMITS[i].highest));
            else if (number.tag == TAG_FLOAT || number.tag == TAG_COMPLEX || dtype != DT_I64)
                fits = fits && value >= NUMBER_LIMITS[i].lowest && value <= NUMBER_LIMITS[i].highest;
        }
    return fits ? ST_OK : op_raise("value cannot be converted to type %s without overflow", name);
}

// `count` times the element of `size` bytes at `value`.
static void fill_bytes(void *data, const void *value, size_t size, int64_t count)
{
#define FILL(T)                                                                                                        \
    {                                                                                                                  \
        T x;                                                                                                           \
        memcpy(&x, value, sizeof x);                                                                                   \
        for (int64_t i = 0; i < count; i++)                                                                            \
            ((T *)data)[i] = x;                                                                                        \
        return;                                                                                                        \
    }
    switch (size) {
    case 1: memset(data, *(const unsigned char *)value, (size_t)count); return;
    case 2: FILL(uint16_t)
    case 4: FILL(uint32_t)
    case 8: FILL(uint64_t)
    default:
        for (int64_t i = 0; i < count; i++)
            memcpy((char *)data + (size_t)i * size, value, size);
    }
#undef FILL
}

// The bytes of `number` in a dtype. The commonest dtypes do without the general conversion.
static Status element_of(DType dtype, IValue number, void *out)
{
    if (number.tag != TAG_COMPLEX) {
        double d = arg_double(number);
        switch (dtype) {
        case DT_F32: *(float *)out = number.tag == TAG_FLOAT ? (float)d : (float)arg_int(number); return ST_OK;
        case DT_F64: *(double *)out = d; return ST_OK;
        case DT_BOOL: *(bool *)out = d != 0; return ST_OK;
        case DT_I64: *(int64_t *)out = number.tag == TAG_FLOAT ? (int64_t)d : arg_int(number); return ST_OK;
        default: break;
        }
    }
    union { int64_t i; double d[2]; } source = {.i = 0};
    View from = {.data = &source, .layout = LAYOUT_STRIDED}, to = {.data = out, .dtype = (uint8_t)dtype, .layout = LAYOUT_STRIDED};
    if (number.tag == TAG_COMPLEX) {
        from.dtype = DT_C128;
        source.d[0] = number.as.complex->re;
        source.d[1] = number.as.complex->im;
    } else if (number.tag == TAG_FLOAT) {
        from.dtype = DT_F64;
        source.d[0] = number.as.f;
    } else {
        from.dtype = DT_I64;
        source.i = arg_int(number);
    }
    return copy_convert(&to, &from);
}

Status tensor_fill(Tensor *t, IValue number)
{
    DType dtype = tensor_dtype(t);
    union { uint64_t u[2]; } element = {{0, 0}};
    bool zero = number.tag == TAG_INT && number.as.i == 0; // all dtypes have it, as bytes of zero
    if (!zero) {
        TRY(check_number(dtype, number));
        TRY(element_of(dtype, number, &element));
    }
    if (view_is_dense(&t->view)) {
        if (zero)
            memset(t->view.data, 0, (size_t)tensor_numel(t) * dtype_size(dtype));
        else
            fill_bytes(t->view.data, &element, dtype_size(dtype), tensor_numel(t));
        return ST_OK;
    }
    View from = {.data = &element, .dtype = (uint8_t)dtype, .layout = LAYOUT_STRIDED};
    return copy_convert(&t->view, &from);
}

Status tensor_double(Lane *lane, const Tensor *t, double *out)
{
    IValue item;
    TRY(tensor_item(lane, t, &item));
    *out = arg_double(item);
    value_release(item);
    return ST_OK;
}

Status tensor_truth(Lane *lane, const Tensor *t, bool *out)
{
    int64_t n = tensor_numel(t);
    if (n != 1)
        return op_raise(n == 0 ? "Boolean value of Tensor with no values is ambiguous"
                               : "Boolean value of Tensor with more than one value is ambiguous");
    IValue item;
    TRY(tensor_item(lane, t, &item));
    *out = item.tag == TAG_COMPLEX ? item.as.complex->re != 0 || item.as.complex->im != 0 : arg_double(item) != 0;
    value_release(item);
    return ST_OK;
}
