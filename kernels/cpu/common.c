// What the CPU variants share: their state, their outputs, activations over a buffer, and elements of any type as double.
// Activations run over whole buffers of any layout, since no layout that is produced here has padding.
#include "kernels/cpu/fast_math.h"
#include "kernels/cpu/variants.h"
#include "kernels/half.h"

#include <math.h>
#include <stdlib.h>

Status kernel_state_new(Kernel *k, size_t size, void **out)
{
    *out = k->state = calloc(1, size);
    return *out ? ST_OK : status_no_memory(size);
}

void kernel_state_free(Kernel *k)
{
    free(k->state);
    k->state = NULL;
}

void kernel_output(Kernel *k, int i, DType dtype, int ndim, const int64_t *size)
{
    k->outputs[i] = (View){.dtype = (uint8_t)dtype, .device = DEVICE_CPU};
    view_set_contiguous(&k->outputs[i], ndim, size);
    if (k->output_count <= i)
        k->output_count = i + 1;
}

void kernel_output_order(Kernel *k, const int32_t *order)
{
    View *v = &k->outputs[0];
    int64_t step = 1;
    for (int i = v->ndim - 1; i >= 0; i--) {
        v->stride[order[i]] = step;
        step *= v->size[order[i]] > 1 ? v->size[order[i]] : 1;
    }
}

// ---- activations

#define ACT_LOOP(expr)                                                                                                 \
    if (add)                                                                                                           \
        ISA_INDEPENDENT                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                               \
            float x = y[i] + add[i];                                                                                   \
            y[i] = (expr);                                                                                             \
        }                                                                                                              \
    else                                                                                                               \
        ISA_INDEPENDENT                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                               \
            float x = y[i];                                                                                            \
            y[i] = (expr);                                                                                             \
        }                                                                                                              \
    break

ISA_INLINE void act_all_body(Act act, float lo, float hi, float *y, const float *add, size_t n)
{
    float alpha = lo == 0 ? 1 : lo;
    switch (act) {
    case ACT_RELU: ACT_LOOP(x < 0 ? 0 : x);
    case ACT_CLAMP: ACT_LOOP(x < lo ? lo : x > hi ? hi : x);
    case ACT_SIGMOID: ACT_LOOP(fast_sigmoid(x));
    case ACT_TANH: ACT_LOOP(fast_tanh(x));
    case ACT_SILU: ACT_LOOP(x * fast_sigmoid(x));
    case ACT_GELU: ACT_LOOP(0.5f * x * (1.0f + fast_erf(x * 0.70710678118654752f)));
    case ACT_GELU_TANH: ACT_LOOP(0.5f * x * (1.0f + fast_tanh(0.79788456080286536f * (x + 0.044715f * x * x * x))));
    case ACT_HARDSWISH: ACT_LOOP(x * (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6);
    case ACT_HARDSIGMOID: ACT_LOOP((x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6);
    case ACT_LEAKY_RELU: ACT_LOOP(x < 0 ? x * lo : x);
    case ACT_ELU: ACT_LOOP(x < 0 ? alpha * (fast_exp(x) - 1) : x);
    default: ACT_LOOP(x);
    }
}
ISA_VARIANTS(act_all, (Act act, float lo, float hi, float *y, const float *add, size_t n), (act, lo, hi, y, add, n))

void act_f32(Act act, float lo, float hi, float *y, size_t n)
{
    if (act != ACT_NONE)
        act_all(act, lo, hi, y, NULL, n);
}

void add_act_f32(Act act, float lo, float hi, float *y, const float *add, size_t n) { act_all(act, lo, hi, y, add, n); }

double act_f64(Act act, double lo, double hi, double x)
{
    switch (act) {
    case ACT_RELU: return x < 0 ? 0 : x;
    case ACT_CLAMP: return x < lo ? lo : x > hi ? hi : x;
    case ACT_SIGMOID: return 1 / (1 + exp(-x));
    case ACT_TANH: return tanh(x);
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_GELU: return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case ACT_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case ACT_HARDSWISH: return x * (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6;
    case ACT_HARDSIGMOID: return (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6;
    case ACT_LEAKY_RELU: return x < 0 ? x * lo : x;
    case ACT_ELU: return x < 0 ? (lo == 0 ? 1 : lo) * expm1(x) : x;
    default: return x;
    }
}

// ---- elements

double element_get(const void *data, DType t, int64_t at)
{
    switch (t) {
    case DT_F32: return ((const float *)data)[at];
    case DT_F64: return ((const double *)data)[at];
    case DT_F16: return f16_to_float(((const uint16_t *)data)[at]);
    case DT_BF16: return bf16_to_float(((const uint16_t *)data)[at]);
    case DT_I64: return (double)((const int64_t *)data)[at];
    case DT_I32: return ((const int32_t *)data)[at];
    case DT_I16: return ((const int16_t *)data)[at];
    case DT_I8: return ((const int8_t *)data)[at];
    case DT_U8:
    case DT_BOOL: return ((const uint8_t *)data)[at];
    default: return 0;
    }
}

void element_set(void *data, DType t, int64_t at, double v)
{
    switch (t) {
    case DT_F32: ((float *)data)[at] = (float)v; break;
    case DT_F64: ((double *)data)[at] = v; break;
    case DT_F16: ((uint16_t *)data)[at] = f16_from_float((float)v); break;
    case DT_BF16: ((uint16_t *)data)[at] = bf16_from_float((float)v); break;
    case DT_I64: ((int64_t *)data)[at] = (int64_t)v; break;
    case DT_I32: ((int32_t *)data)[at] = (int32_t)(int64_t)v; break;
    case DT_I16: ((int16_t *)data)[at] = (int16_t)(int64_t)v; break;
    case DT_I8: ((int8_t *)data)[at] = (int8_t)(int64_t)v; break;
    case DT_U8: ((uint8_t *)data)[at] = (uint8_t)(int64_t)v; break;
    case DT_BOOL: ((uint8_t *)data)[at] = v != 0; break;
    default: break;
    }
}

bool element_type(DType t)
{
    DTypeCategory c = dtype_category(t);
    return c == DT_FLOATING || c == DT_BOOLEAN || (c == DT_INTEGRAL && t != DT_U16 && t != DT_U32 && t != DT_U64);
}

bool view_one_order(const View *x, int64_t *outer, int64_t *inner)
{
    bool last = x->layout == LAYOUT_CHANNELS_LAST || (x->layout == LAYOUT_STRIDED && !view_is_contiguous(x) && view_is_channels_last(x));
    int64_t block = last ? x->size[1] : x->layout == LAYOUT_BLOCK8 ? 8 : x->layout == LAYOUT_BLOCK16 ? 16 : 1;
    if ((block == 1 && !last && !view_is_contiguous(x)) || block == 0 || x->size[1] % block)
        return false;
    *inner = block;
    *outer = x->size[0] * (x->size[1] / block);
    return true;
}
