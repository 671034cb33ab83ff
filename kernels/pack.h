// Keys of packed weights. A store may be shared by processes that map the same constants at different addresses, so an
// operand is named by its contents, not by its address.
#ifndef TSB_KERNELS_PACK_H
#define TSB_KERNELS_PACK_H

#include "kernels/kernel.h"

enum { PACK_KEY_MAX = 512 };

// Built by appending; all-zero is empty. `failed` when it did not fit.
typedef struct PackKey {
    uint8_t bytes[PACK_KEY_MAX];
    size_t size;
    bool failed;
} PackKey;

void pack_key_bytes(PackKey *k, const void *data, size_t size);
void pack_key_text(PackKey *k, const char *algorithm); // "conv", with its NUL
// dtype, shape, strides, layout and a 128-bit hash of the bytes. The view must be constant.
void pack_key_operand(PackKey *k, const View *v);

// Bytes a window needs for `packed` bytes in `entries` pieces: what to ask of the node's shared memory.
size_t pack_window_size(size_t packed, uint32_t entries);

#endif
