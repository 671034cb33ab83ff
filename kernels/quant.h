// Numbers and the integers that stand for them: x = (q - zero_point) * scale. Rows in one piece; dtype QI8, QU8 or QI32.
#ifndef TSB_KERNELS_QUANT_H
#define TSB_KERNELS_QUANT_H

#include "kernels/rnn.h"

// Integers that a quantised dtype holds.
static inline int64_t quant_min(DType t) { return t == DT_QU8 ? 0 : t == DT_QI8 ? -128 : t == DT_QI32 ? INT32_MIN : 0; }
static inline int64_t quant_max(DType t) { return t == DT_QU8 ? 255 : t == DT_QI8 ? 127 : t == DT_QI32 ? INT32_MAX : 15; }
// The plain integer dtype of the same width.
static inline DType quant_integer(DType t) { return t == DT_QI8 ? DT_I8 : t == DT_QI32 ? DT_I32 : DT_U8; }

// One number: as PyTorch's quantize_val, times the rounded inverse of the scale, nearest even, NaN as the greatest.
int32_t quantise_one(float x, float scale, int64_t zero_point, DType t);
void quantise_row(const float *x, float scale, int64_t zero_point, DType t, void *q, int64_t n);
// (q - zero_point) * scale
void dequantise_row(const void *q, DType t, float scale, int64_t zero_point, float *x, int64_t n);
// The least and the greatest of n numbers, n > 0.
void min_max_row(const float *x, int64_t n, float *min, float *max);

// Scale and zero point with which [min, max] (stretched to hold 0) is quantised to qmin … qmax, as PyTorch's
// ChooseQuantizationParams. preserve_sparsity: 0 is the middle of the range.
void choose_quant(float min, float max, int32_t qmin, int32_t qmax, bool preserve_sparsity, bool reduce_range, double *scale, int32_t *zero_point);
// The same with a scale that is rounded to float32 before the zero point follows from it, which matters half-way between two
// integers: FBGEMM's, which PyTorch 2 has in observers and in operators named after it.
void choose_quant_f32(float min, float max, int32_t qmin, int32_t qmax, bool preserve_sparsity, double *scale, int32_t *zero_point);

// y[i] = table[x[i]] for bytes.
void byte_table_row(const uint8_t *x, const uint8_t table[256], uint8_t *y, int64_t n);

// y[i] = scale * q[i] + (y[i] + bias), the last sum rounded once.
void scaled_bytes_add(const uint8_t *q, float scale, float bias, float *y, int64_t n);

// One sequence's step of a recurrent cell: x and h are the gates from the input and from the hidden state, biases added;
// c (LSTM) and h_out hold the old state and get the new one.
void rnn_step_row(RnnMode mode, const float *x, const float *h, float *c, float *h_out, int64_t units);

#endif
