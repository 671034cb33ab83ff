// Quantised tensors: integers of dtype qint8, quint8, qint32 or quint4x2 (which here takes a byte per element) that stand
// for numbers. What they stand for is a Quant, shared by a tensor and its views and copies.
#ifndef TSB_WORKER_QUANT_H
#define TSB_WORKER_QUANT_H

#include "worker/tensor.h"

// As torch.qscheme numbers them.
enum { QUANT_PER_TENSOR, QUANT_PER_CHANNEL, QUANT_PER_TENSOR_SYMMETRIC, QUANT_PER_CHANNEL_SYMMETRIC, QUANT_PER_CHANNEL_FLOAT };

struct Quant {
    uint32_t refs;   // not atomic: of one lane, like the tensors
    uint8_t scheme;
    double scale;    // per tensor
    int64_t zero_point;
    Tensor *scales, *zero_points; // per channel: 1-d, contiguous, one element per index of `axis`; float64 and int64, or
    int64_t axis;                 // float32 both (QUANT_PER_CHANNEL_FLOAT)
};

void quant_free(Quant *q); // the last reference is gone
static inline void quant_release(Quant *q)
{
    if (q && --q->refs == 0)
        quant_free(q);
}
static inline Quant *quant_retain(Quant *q)
{
    if (q)
        q->refs++;
    return q;
}
static inline bool quant_is_per_tensor(const Quant *q) { return q->scheme == QUANT_PER_TENSOR || q->scheme == QUANT_PER_TENSOR_SYMMETRIC; }

// For what only dequantize may do.
Status quant_raise_copy(void);
Status quant_new(double scale, int64_t zero_point, Quant **out);
// Retains (or converts) the two.
Status quant_new_channels(struct Lane *lane, uint8_t scheme, Tensor *scales, Tensor *zero_points, int64_t axis, Quant **out);

// Uninitialised, per tensor. stride NULL: contiguous.
Status qtensor_new(struct Lane *lane, DType dtype, int ndim, const int64_t *size, const int64_t *stride, double scale, int64_t zero_point, Tensor **out);
// The same tensor seen as plain integers, and integers seen as quantised (q is retained). Views.
Status tensor_int_view(struct Lane *lane, Tensor *t, Tensor **out);
Status tensor_quant_view(struct Lane *lane, Tensor *integers, DType dtype, Quant *q, Tensor **out);

// float32, in the order of dimensions of t.
Status tensor_dequantise(struct Lane *lane, Tensor *t, Tensor **out);
// A float tensor to integers; q is retained.
Status tensor_quantise(struct Lane *lane, Tensor *t, DType dtype, Quant *q, Tensor **out);

#endif
