// View: what a kernel sees of a tensor: pointer, element type, sizes, strides, layout, device. Plain data, copied freely,
// owns nothing; whoever made it keeps the memory alive until the kernel has run.
#ifndef TSB_KERNELS_VIEW_H
#define TSB_KERNELS_VIEW_H

#include "io/base/dtype.h"
#include "io/base/status.h"

enum { VIEW_MAX_DIMS = 16 };

// How elements lie in memory. Every layout but STRIDED is private to the kernels: `size` still says the logical shape
// (N, C, spatial…), `stride` is the contiguous stride of that shape (what the program sees), and the bytes are in
// another order. An operator that does not know layouts never sees one: the interpreter reorders its operands first.
typedef enum Layout {
    LAYOUT_STRIDED,       // element i is at sum(i[d] * stride[d])
    LAYOUT_CHANNELS_LAST, // N, spatial…, C
    LAYOUT_BLOCK8,        // N, C/8, spatial…, 8; C is padded with zeros to a multiple of 8
    LAYOUT_BLOCK16,       // N, C/16, spatial…, 16; likewise
} Layout;

typedef enum DeviceKind { DEVICE_CPU, DEVICE_CUDA, DEVICE_META } DeviceKind;

typedef struct View {
    void *data;         // first element (STRIDED), first byte of the buffer (other layouts)
    uint8_t dtype;      // DType
    uint8_t ndim;
    uint8_t layout;     // Layout
    uint8_t device;     // DeviceKind
    bool constant;      // at prepare: the data is there, never changes, and may be packed
    int64_t size[VIEW_MAX_DIMS];
    int64_t stride[VIEW_MAX_DIMS]; // in elements
} View;

// Product of the sizes; 1 for 0-d. Sizes were checked not to overflow when the tensor was made.
int64_t view_numel(const View *v);
// Sets size and contiguous strides.
void view_set_contiguous(View *v, int ndim, const int64_t *size);
// As torch's is_contiguous: size-1 dimensions do not count, empty is contiguous. False for private layouts.
bool view_is_contiguous(const View *v);
bool view_is_channels_last(const View *v); // strides in N, H, W, C order (4-d) or N, D, H, W, C (5-d), STRIDED only
void view_set_channels_last(View *v); // the strides of that order
bool view_same_shape(const View *a, const View *b);
// Bytes of the buffer behind a private layout, or of the elements spanned from data (STRIDED).
size_t view_bytes(const View *v);
// Compares everything but data: the key of inline caches. `constant` operands compare their data pointer too.
bool view_same_signature(const View *a, const View *b);

#endif
