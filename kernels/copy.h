// Copies between views: the one strided copy with dtype conversion that everything else uses.
#ifndef TSB_KERNELS_COPY_H
#define TSB_KERNELS_COPY_H

#include "kernels/view.h"

// dst[i] = convert(src[i]). Same shape, or src broadcasts to dst (right-aligned, size 1 stretches). Both STRIDED, on the
// CPU. Conversions are C++'s static_cast as PyTorch's copy_ does them (float to int truncates, to bool tests != 0, complex
// to real drops the imaginary part). Overlap is the caller's matter. ST_INTERNAL for shapes that do not fit.
Status copy_convert(const View *dst, const View *src);

// Private layouts. Bytes of the buffer of a tensor of this shape in this layout, padding included.
size_t layout_bytes(Layout layout, DType dtype, int ndim, const int64_t *size);
// src in a private layout -> dst contiguous (LAYOUT_STRIDED), same shape and dtype.
Status layout_to_plain(const View *dst, const View *src);

#endif
