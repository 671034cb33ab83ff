// Tensors: allocation, views, conversions. Semantics are PyTorch's (torchscript.md §7).
#ifndef TSB_WORKER_TENSOR_H
#define TSB_WORKER_TENSOR_H

#include "worker/value.h"

// New uninitialised tensors from the lane's caching allocator, 64-byte aligned.
Status tensor_new(struct Lane *lane, DType dtype, int ndim, const int64_t *size, Tensor **out); // contiguous
// With the signature of `like` (dtype, sizes, strides or private layout; data ignored): what kernel_prepare gave.
Status tensor_new_as(struct Lane *lane, const View *like, Tensor **out);
// A tensor over memory the caller keeps alive and that must not be written (constants, input batches).
Status tensor_borrow(struct Lane *lane, const View *view, size_t bytes, Tensor **out);
// Another tensor over the same storage.
Status tensor_view(struct Lane *lane, Tensor *base, int ndim, const int64_t *size, const int64_t *stride, int64_t offset, Tensor **out);

// A storage over the allocator's memory (uninitialised), or over memory the caller keeps alive that must not be written.
// The reference is the caller's; storage_release gives it up.
Status storage_new(struct Lane *lane, size_t bytes, Storage **out);
Status storage_borrow(struct Lane *lane, const void *data, size_t bytes, Storage **out);
void storage_release(Storage *s);
// One over the bytes of archive data, which must live as long.
Status storage_of_datum(struct Lane *lane, const DatumStorage *d, Storage **out);
// A tensor of `storage` (retained) at `offset` elements, with the dtype, sizes, strides and layout of `like`.
Status tensor_of_storage(struct Lane *lane, Storage *storage, const View *like, int64_t offset, Tensor **out);
// Gives a shared storage a private copy and moves every tensor over to it.
Status storage_make_writable(Storage *s);
// Bytes of a contiguous tensor: ST_RAISED for negative sizes, ST_MEMORY when it cannot be addressed.
Status tensor_bytes(DType dtype, int ndim, const int64_t *size, size_t *out);
// Copies header, sizes and strides but not the unused rest.
static inline void view_assign(View *dst, const View *src)
{
    memcpy(dst, src, offsetof(View, size));
    for (int d = 0; d < src->ndim; d++) {
        dst->size[d] = src->size[d];
        dst->stride[d] = src->stride[d];
    }
}

// Before anything writes through `t`: gives a shared storage a private copy. Cheap when nothing is to do.
Status tensor_make_writable(Tensor *t);
// Before anything that does not know private layouts reads it: reorders into plain contiguous, in place.
Status tensor_make_plain(struct Lane *lane, Tensor *t);
// A contiguous version: the same tensor (retained) or a copy.
Status tensor_contiguous(struct Lane *lane, Tensor *t, Tensor **out);
// dst[…] = src with broadcasting and dtype conversion.
Status tensor_copy_into(struct Lane *lane, Tensor *dst, const Tensor *src);
Status tensor_to_dtype(struct Lane *lane, Tensor *t, DType dtype, Tensor **out); // the same tensor when it has it
// The one element, converted; ST_RAISED unless numel == 1.
Status tensor_item(struct Lane *lane, const Tensor *t, IValue *out); // int, float, bool or complex
Status tensor_from_scalar(struct Lane *lane, IValue number, DType dtype, Tensor **out); // 0-dim

static inline int64_t tensor_numel(const Tensor *t) { return view_numel(&t->view); }
static inline DType tensor_dtype(const Tensor *t) { return (DType)t->view.dtype; }
void tensor_free(Tensor *t); // the last reference is gone
static inline void tensor_release(Tensor *t)
{
    if (--t->head.refs == 0)
        tensor_free(t);
}
static inline Tensor *tensor_retain(Tensor *t) { t->head.refs++; return t; }

#endif
