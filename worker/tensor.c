// Tensors: allocation, views, copies, conversions.
// A Tensor and its Storage are small structs of the lane's allocator; the bytes are a block of it, or borrowed.
#include "worker/tensor.h"

#include "kernels/copy.h"
#include "worker/allocator.h"
#include "worker/bits.h"
#include "worker/lane.h"
#include "worker/op.h"
#include "worker/nested.h"
#include "worker/op_util.h"
#include "worker/quant.h"

enum { STRUCT_TENSOR, STRUCT_STORAGE };

Status tensor_bytes(DType dtype, int ndim, const int64_t *size, size_t *out)
{
    if (ndim > VIEW_MAX_DIMS)
        return op_raise("tensor has too many dimensions (%d, limit %d)", ndim, VIEW_MAX_DIMS);
    uint64_t bytes = dtype_size(dtype);
    bool empty = false;
    for (int d = 0; d < ndim; d++) {
        if (size[d] < 0)
            return op_raise("Trying to create tensor with negative dimension %lld: %s", (long long)size[d], size_text(size, ndim).text);
        empty = empty || size[d] == 0;
    }
    for (int d = 0; d < ndim && !empty; d++)
        if (__builtin_mul_overflow(bytes, (uint64_t)size[d], &bytes) || bytes > (uint64_t)1 << 46)
            return status_fail(ST_MEMORY, "tensor is too large (limit 2^46 bytes)");
    *out = empty ? 0 : bytes;
    return ST_OK;
}

static Status storage_struct(Lane *lane, Storage **out)
{
    Storage *s = allocator_struct(lane->allocator, STRUCT_STORAGE, sizeof *s);
    if (!s)
        return ST_MEMORY;
    *s = (Storage){.refs = 1, .lane = lane};
    *out = s;
    return ST_OK;
}

Status storage_new(Lane *lane, size_t bytes, Storage **out)
{
    Storage *s;
    TRY(storage_struct(lane, &s));
    s->size = bytes;
    s->data = allocator_take(lane->allocator, bytes, &s->capacity);
    if (!s->data) {
        allocator_struct_free(lane->allocator, STRUCT_STORAGE, s);
        return ST_MEMORY;
    }
    *out = s;
    return ST_OK;
}

Status storage_borrow(Lane *lane, const void *data, size_t bytes, Storage **out)
{
    Storage *s;
    TRY(storage_struct(lane, &s));
    s->size = bytes;
    s->data = (void *)(uintptr_t)data; // `shared` says that it is not written
    s->shared = s->tracked = true;
    *out = s;
    return ST_OK;
}

void storage_release(Storage *s)
{
    if (--s->refs != 0)
        return;
    if (s->capacity)
        allocator_give(s->lane->allocator, s->data, s->capacity);
    allocator_struct_free(s->lane->allocator, STRUCT_STORAGE, s);
}

// A tensor that takes over the caller's reference of `s`; its view is not set but for data.
static Status tensor_struct_take(Storage *s, size_t offset_bytes, Tensor **out)
{
    Tensor *t = allocator_struct(s->lane->allocator, STRUCT_TENSOR, sizeof *t);
    if (!t) {
        storage_release(s);
        return ST_MEMORY;
    }
    t->head = (Counted){.refs = 1, .tag = TAG_TENSOR};
    t->requires_grad = t->is_constant = t->wrapped_number = false;
    t->bits = 0;
    t->nested = NULL;
    t->storage = s;
    t->offset = 0;
    t->quant = NULL;
    t->view.data = s->data ? (char *)s->data + offset_bytes : NULL;
    t->view.constant = false;
    t->prev_of_storage = NULL;
    t->next_of_storage = NULL;
    if (s->tracked) {
        t->next_of_storage = s->tensors;
        if (s->tensors)
            s->tensors->prev_of_storage = t;
        s->tensors = t;
    }
    *out = t;
    return ST_OK;
}

void tensor_free(Tensor *t)
{
    Storage *s = t->storage;
    if (s->tracked) {
        if (t->next_of_storage)
            t->next_of_storage->prev_of_storage = t->prev_of_storage;
        if (t->prev_of_storage)
            t->prev_of_storage->next_of_storage = t->next_of_storage;
        else
            s->tensors = t->next_of_storage;
    }
    Allocator *a = s->lane->allocator;
    quant_release(t->quant);
    if (t->bits & TENSOR_NESTED)
        nested_release(t->nested);
    storage_release(s);
    allocator_struct_free(a, STRUCT_TENSOR, t);
}

Status tensor_new(Lane *lane, DType dtype, int ndim, const int64_t *size, Tensor **out)
{
    size_t bytes;
    TRY(tensor_bytes(dtype, ndim, size, &bytes));
    Storage *s;
    TRY(storage_new(lane, bytes, &s));
    TRY(tensor_struct_take(s, 0, out));
    View *v = &(*out)->view;
    v->dtype = (uint8_t)dtype;
    v->layout = LAYOUT_STRIDED;
    v->device = DEVICE_CPU;
    view_set_contiguous(v, ndim, size);
    return ST_OK;
}

Status tensor_new_as(Lane *lane, const View *like, Tensor **out)
{
    size_t bytes;
    TRY(tensor_bytes((DType)like->dtype, like->ndim, like->size, &bytes));
    if (bytes || like->layout != LAYOUT_STRIDED)
        bytes = view_bytes(like);
    Storage *s;
    TRY(storage_new(lane, bytes, &s));
    TRY(tensor_struct_take(s, 0, out));
    void *data = (*out)->view.data;
    view_assign(&(*out)->view, like);
    (*out)->view.data = data;
    (*out)->view.constant = false;
    return ST_OK;
}

Status tensor_of_storage(Lane *lane, Storage *storage, const View *like, int64_t offset, Tensor **out)
{
    (void)lane;
    storage->refs++;
    TRY(tensor_struct_take(storage, (size_t)offset * dtype_size((DType)like->dtype), out));
    void *data = (*out)->view.data;
    view_assign(&(*out)->view, like);
    (*out)->view.data = data;
    (*out)->view.constant = false;
    (*out)->offset = offset;
    return ST_OK;
}

Status tensor_borrow(Lane *lane, const View *view, size_t bytes, Tensor **out)
{
    Storage *s;
    TRY(storage_borrow(lane, view->data, bytes, &s));
    TRY(tensor_struct_take(s, 0, out));
    view_assign(&(*out)->view, view);
    (*out)->view.constant = false;
    return ST_OK;
}

Status tensor_view(Lane *lane, Tensor *base, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, Tensor **out)
{
    if (base->view.layout != LAYOUT_STRIDED)
        TRY(tensor_make_plain(lane, base));
    Storage *s = base->storage;
    s->refs++;
    TRY(tensor_struct_take(s, (size_t)offset * dtype_size((DType)base->view.dtype), out));
    Tensor *t = *out;
    t->offset = offset;
    t->requires_grad = base->requires_grad;
    t->is_constant = base->is_constant;
    t->quant = quant_retain(base->quant);
    t->bits = base->bits & (TENSOR_CONJ | TENSOR_NEG);
    t->view.dtype = base->view.dtype;
    t->view.ndim = (uint8_t)ndim;
    t->view.layout = LAYOUT_STRIDED;
    t->view.device = base->view.device;
    for (int d = 0; d < ndim; d++) {
        t->view.size[d] = size[d];
        t->view.stride[d] = stride[d];
    }
    return ST_OK;
}

Status tensor_make_writable(Tensor *t) { return t->storage->shared ? storage_make_writable(t->storage) : ST_OK; }

Status tensor_make_plain(Lane *lane, Tensor *t)
{
    if (t->view.layout == LAYOUT_STRIDED)
        return ST_OK;
    Tensor *plain;
    TRY(tensor_new(lane, (DType)t->view.dtype, t->view.ndim, t->view.size, &plain));
    plain->view.device = t->view.device;
    Status status = layout_to_plain(&plain->view, &t->view);
    if (status != ST_OK) {
        tensor_release(plain);
        return status;
    }
    // The two change bodies: t keeps its identity.
    Storage *old = t->storage;
    t->storage = plain->storage;
    t->view.layout = LAYOUT_STRIDED;
    t->view.data = plain->view.data;
    t->offset = 0;
    view_set_contiguous(&t->view, t->view.ndim, t->view.size);
    plain->storage = old;
    tensor_release(plain);
    return ST_OK;
}

static Status copy_contiguous(Lane *lane, Tensor *t, DType dtype, Tensor **out)
{
    TRY(tensor_make_plain(lane, t));
    Tensor *copy;
    TRY(tensor_new(lane, dtype, t->view.ndim, t->view.size, &copy));
    Status status = tensor_copy_into(lane, copy, t);
    if (status != ST_OK) {
        tensor_release(copy);
        return status;
    }
    if ((DType)t->view.dtype == dtype)
        copy->quant = quant_retain(t->quant);
    *out = copy;
    return ST_OK;
}

Status tensor_contiguous(Lane *lane, Tensor *t, Tensor **out)
{
    TRY(tensor_make_plain(lane, t));
    if (view_is_contiguous(&t->view)) {
        *out = tensor_retain(t);
        return ST_OK;
    }
    return copy_contiguous(lane, t, (DType)t->view.dtype, out);
}

// Do the elements of a and b lie in the same storage within one another's span?
static bool overlap(const Tensor *a, const Tensor *b)
{
    if (a->storage != b->storage || tensor_numel(a) == 0 || tensor_numel(b) == 0)
        return false;
    const char *pa = a->view.data, *pb = b->view.data;
    return pa < pb + view_bytes(&b->view) && pb < pa + view_bytes(&a->view);
}

Status tensor_copy_into(Lane *lane, Tensor *dst, const Tensor *src)
{
    if (dst == src)
        return ST_OK;
    TRY(tensor_make_writable(dst));
    TRY(tensor_make_plain(lane, dst));
    Tensor *from = (Tensor *)(uintptr_t)src; // changing its layout does not change its value
    TRY(tensor_make_plain(lane, from));
    tensor_retain(from);
    if (src->bits || overlap(dst, src)) {
        Tensor *copy;
        Status status = src->bits ? tensor_resolve(lane, from, &copy) : copy_contiguous(lane, from, (DType)from->view.dtype, &copy);
        tensor_release(from);
        TRY(status);
        from = copy;
    }
    Status status = copy_convert(&dst->view, &from->view);
    if (status == ST_OK && dst->bits)
        tensor_flip(dst);
    tensor_release(from);
    return status;
}

// Preserves the order of dimensions in memory, as `to` does, when the tensor is dense.
static void dense_like(View *out, const View *v)
{
    int order[VIEW_MAX_DIMS];
    for (int i = 0; i < v->ndim; i++) { // by stride, largest first; stable
        int at = i;
        while (at > 0 && v->stride[order[at - 1]] < v->stride[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    int64_t stride = 1, bytes = 1;
    for (int i = v->ndim - 1; i >= 0; i--) {
        int d = order[i];
        out->stride[d] = stride;
        stride *= v->size[d] > 1 ? v->size[d] : 1;
        bytes += (v->size[d] - 1) * v->stride[d];
    }
    if (bytes != view_numel(v)) // gaps or overlaps
        view_set_contiguous(out, v->ndim, v->size);
}

Status tensor_to_dtype(Lane *lane, Tensor *t, DType dtype, Tensor **out)
{
    if (t->view.dtype == dtype) {
        *out = tensor_retain(t);
        return ST_OK;
    }
    if (t->quant)
        return quant_raise_copy();
    TRY(tensor_make_plain(lane, t));
    View like;
    view_assign(&like, &t->view);
    like.dtype = (uint8_t)dtype;
    dense_like(&like, &t->view);
    TRY(tensor_new_as(lane, &like, out));
    Status status = tensor_copy_into(lane, *out, t);
    if (status != ST_OK)
        tensor_release(*out);
    return status;
}

Status tensor_item(Lane *lane, const Tensor *t, IValue *out)
{
    int64_t n = tensor_numel(t);
    if (n != 1)
        return op_raise("a Tensor with %lld elements cannot be converted to Scalar", (long long)n);
    TRY(tensor_make_plain(lane, (Tensor *)(uintptr_t)t));
    if (t->quant || t->bits) {
        Tensor *number;
        TRY((t->quant ? tensor_dequantise : tensor_resolve)(lane, (Tensor *)(uintptr_t)t, &number));
        Status status = tensor_item(lane, number, out);
        tensor_release(number);
        return status;
    }
    View from, to = {.ndim = 0, .layout = LAYOUT_STRIDED};
    view_assign(&from, &t->view);
    from.ndim = 0;
    union { int64_t i; double f; double c[2]; bool b; } cell = {0};
    to.data = &cell;
    switch (dtype_category((DType)t->view.dtype)) {
    case DT_BOOLEAN: to.dtype = DT_BOOL; break;
    case DT_FLOATING: to.dtype = DT_F64; break;
    case DT_COMPLEX: to.dtype = DT_C128; break;
    default: to.dtype = DT_I64;
    }
    TRY(copy_convert(&to, &from));
    switch (to.dtype) {
    case DT_BOOL: *out = value_bool(cell.b); return ST_OK;
    case DT_F64: *out = value_float(cell.f); return ST_OK;
    case DT_C128: return value_complex(cell.c[0], cell.c[1], out);
    default: *out = value_int(cell.i); return ST_OK;
    }
}

Status tensor_from_scalar(Lane *lane, IValue number, DType dtype, Tensor **out)
{
    union { int64_t i; double f; double c[2]; bool b; } cell = {0};
    View from = {.ndim = 0, .layout = LAYOUT_STRIDED, .data = &cell};
    switch ((ValueTag)number.tag) {
    case TAG_BOOL: from.dtype = DT_BOOL; cell.b = number.as.b; break;
    case TAG_INT: from.dtype = DT_I64; cell.i = number.as.i; break;
    case TAG_FLOAT: from.dtype = DT_F64; cell.f = number.as.f; break;
    case TAG_COMPLEX:
        from.dtype = DT_C128;
        cell.c[0] = number.as.complex->re;
        cell.c[1] = number.as.complex->im;
        break;
    default: return status_fail(ST_INTERNAL, "a number was expected, not a value of tag %d", number.tag);
    }
    TRY(tensor_new(lane, dtype, 0, NULL, out));
    Status status = copy_convert(&(*out)->view, &from);
    if (status != ST_OK)
        tensor_release(*out);
    return status;
}
