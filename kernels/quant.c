// Quantising and dequantising rows, and choosing scale and zero point.
// The same operations in the same order as PyTorch's, so that the integers are the same.
#include "kernels/quant.h"

#include "kernels/isa.h"

#include <float.h>
#include <math.h>

// Adding it to |x| <= 2^22 rounds x to the nearest even integer, which then stands in the low bits.
#define ROUND_MAGIC 12582912.0f

int32_t quantise_one(float x, float scale, int64_t zero_point, DType t)
{
    float inverse = 1.0f / scale;
    double v = nearbyint((double)(x * inverse)) + (double)zero_point, lo = (double)quant_min(t), hi = (double)quant_max(t);
    return v < hi ? (v > lo ? (int32_t)v : (int32_t)lo) : (int32_t)hi;
}

#define QUANTISE_LOOP(T)                                                                                               \
    ISA_INDEPENDENT                                                                                                    \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        float v = x[i] * inverse;                                                                                      \
        v = v < hi ? v : hi;                                                                                           \
        v = v > lo ? v : lo;                                                                                           \
        union { float f; int32_t i; } bits = {.f = v + ROUND_MAGIC};                                                   \
        ((T *)q)[i] = (T)(bits.i - 0x4b400000 + zero_point);                                                           \
    }

ISA_INLINE void quantise_bytes_body(const float *x, float inverse, float lo, float hi, int32_t zero_point, void *q, int64_t n, bool is_signed)
{
    if (is_signed)
        QUANTISE_LOOP(int8_t)
    else
        QUANTISE_LOOP(uint8_t)
}
ISA_VARIANTS(quantise_bytes, (const float *x, float inverse, float lo, float hi, int32_t zero_point, void *q, int64_t n, bool is_signed),
             (x, inverse, lo, hi, zero_point, q, n, is_signed))

void quantise_row(const float *x, float scale, int64_t zero_point, DType t, void *q, int64_t n)
{
    if (t == DT_QI32 || zero_point < quant_min(t) || zero_point > quant_max(t)) {
        for (int64_t i = 0; i < n; i++) {
            int32_t v = quantise_one(x[i], scale, zero_point, t);
            if (t == DT_QI32)
                ((int32_t *)q)[i] = v;
            else
                ((uint8_t *)q)[i] = (uint8_t)v;
        }
        return;
    }
    quantise_bytes(x, 1.0f / scale, (float)(quant_min(t) - zero_point), (float)(quant_max(t) - zero_point), (int32_t)zero_point, q, n, t == DT_QI8);
}

#define DEQUANTISE_LOOP(T)                                                                                             \
    ISA_INDEPENDENT                                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        x[i] = (float)((int32_t)((const T *)q)[i] - zero_point) * scale;

ISA_INLINE void dequantise_bytes_body(const void *q, bool is_signed, float scale, int32_t zero_point, float *x, int64_t n)
{
    if (is_signed)
        DEQUANTISE_LOOP(int8_t)
    else
        DEQUANTISE_LOOP(uint8_t)
}
ISA_VARIANTS(dequantise_bytes, (const void *q, bool is_signed, float scale, int32_t zero_point, float *x, int64_t n),
             (q, is_signed, scale, zero_point, x, n))

void dequantise_row(const void *q, DType t, float scale, int64_t zero_point, float *x, int64_t n)
{
    if (t != DT_QI32 && zero_point >= INT16_MIN && zero_point <= INT16_MAX) {
        dequantise_bytes(q, t == DT_QI8, scale, (int32_t)zero_point, x, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t v = t == DT_QI32 ? ((const int32_t *)q)[i] : t == DT_QI8 ? ((const int8_t *)q)[i] : ((const uint8_t *)q)[i];
        x[i] = (float)(v - zero_point) * scale;
    }
}

ISA_INLINE void min_max_body(const float *x, int64_t n, float *min, float *max)
{
    float lo[16], hi[16]; // as many as the widest vectors hold: the order does not matter to a minimum
    for (int k = 0; k < 16; k++)
        lo[k] = hi[k] = x[0];
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            lo[k] = x[i + k] < lo[k] ? x[i + k] : lo[k];
            hi[k] = x[i + k] > hi[k] ? x[i + k] : hi[k];
        }
    for (; i < n; i++) {
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    for (int k = 1; k < 16; k++) {
        lo[0] = lo[k] < lo[0] ? lo[k] : lo[0];
        hi[0] = hi[k] > hi[0] ? hi[k] : hi[0];
    }
    *min = lo[0];
    *max = hi[0];
}
ISA_VARIANTS(min_max, (const float *x, int64_t n, float *min, float *max), (x, n, min, max))

void min_max_row(const float *x, int64_t n, float *min, float *max) { min_max(x, n, min, max); }

// torchscript.md §15.8 and ATen/native/quantized: scales below 6.1e-5 are raised to it.
static void choose(float min, float max, int32_t qmin, int32_t qmax, bool preserve_sparsity, bool round_scale, double *scale_out, int32_t *zero_point)
{
    const float SMALLEST_SCALE = 6.1e-5f;
    int32_t symmetric_qmin = 0, symmetric_qmax = 0;
    if (min < 0 && max > 0 && preserve_sparsity) {
        symmetric_qmin = -((qmax - qmin) / 2 + 1);
        symmetric_qmax = (qmax - qmin) / 2;
        double max_scale = fmax(fabs((double)min / symmetric_qmin), fabs((double)max / symmetric_qmax));
        min = (float)(max_scale * symmetric_qmin);
        max = (float)(max_scale * symmetric_qmax);
    }
    min = min < 0 ? min : 0;
    max = max > 0 ? max : 0;
    double scale = ((double)max - min) / (qmax - qmin);
    if (round_scale)
        scale = (double)(float)scale;
    if ((float)scale == 0.0f || isinf(1.0f / (float)scale))
        scale = 0.1;
    if (scale < SMALLEST_SCALE) {
        float origin = (float)scale;
        scale = SMALLEST_SCALE;
        if (min == 0.0f) {
            max = SMALLEST_SCALE * (float)(qmax - qmin);
        } else if (max == 0.0f) {
            min = -SMALLEST_SCALE * (float)(qmax - qmin);
        } else {
            float amplifier = SMALLEST_SCALE / origin;
            min *= amplifier;
            max *= amplifier;
        }
    }
    double from_min = qmin - min / scale, from_max = qmax - max / scale;
    double error_min = fabs((double)qmin) - fabs(min / scale), error_max = fabs((double)qmax) - fabs(max / scale);
    double initial = error_min < error_max ? from_min : from_max;
    if (min < 0 && max > 0 && preserve_sparsity)
        initial = (double)(qmin + qmax) / 2;
    double nudged = initial < qmin ? qmin : initial > qmax ? qmax : nearbyint(initial);
    *scale_out = scale;
    *zero_point = (int32_t)(nudged == nudged ? nudged : qmin);
}

void choose_quant(float min, float max, int32_t qmin, int32_t qmax, bool preserve_sparsity, bool reduce_range, double *scale, int32_t *zero_point)
{
    int32_t part = reduce_range ? 2 : 1;
    choose(min, max, qmin / part, qmax / part, preserve_sparsity, false, scale, zero_point);
}

void choose_quant_f32(float min, float max, int32_t qmin, int32_t qmax, bool preserve_sparsity, double *scale, int32_t *zero_point)
{
    choose(min, max, qmin, qmax, preserve_sparsity, true, scale, zero_point);
    *scale = (double)(float)*scale;
}

void byte_table_row(const uint8_t *x, const uint8_t table[256], uint8_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

ISA_INLINE void scaled_add_body(const uint8_t *q, float scale, float bias, float *y, int64_t n)
{
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)((double)scale * q[i] + (double)(y[i] + bias));
}
ISA_VARIANTS(scaled_add, (const uint8_t *q, float scale, float bias, float *y, int64_t n), (q, scale, bias, y, n))

void scaled_bytes_add(const uint8_t *q, float scale, float bias, float *y, int64_t n) { scaled_add(q, scale, bias, y, n); }
