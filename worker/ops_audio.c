// Operator bindings: torchaudio's loops over the samples of a wave.
// Each sample depends on the ones before it, so they run in order, in the wave's own precision.
#include "worker/op_util.h"

static Status check_waves(const char *name, const Tensor *input, const Tensor *coefficients, const Tensor *padded)
{
    DType t = tensor_dtype(input);
    if (t != DT_F32 && t != DT_F64)
        return op_raise_class("NotImplementedError", "\"%s\" not implemented for '%s'", name, dtype_torch_name(t));
    if (tensor_dtype(coefficients) != t || tensor_dtype(padded) != t)
        return op_raise("%s: the wave, the coefficients and the result must have the same dtype", name);
    if (input->view.ndim != 3 || padded->view.ndim != 3 || coefficients->view.ndim != 2 || coefficients->view.size[1] < 1)
        return op_raise("%s: expected waves [batch, channel, time] and coefficients [channel, order]", name);
    const int64_t *in = input->view.size, *out = padded->view.size;
    if (out[0] != in[0] || out[1] != in[1] || coefficients->view.size[0] != in[1] || out[2] - (coefficients->view.size[1] - 1) != in[2])
        return op_raise("%s: sizes of the wave, the coefficients and the result do not fit", name);
    if (!tensor_is_contiguous(padded))
        return op_raise("%s: the result must be contiguous", name);
    return ST_OK;
}

// out[i + order - 1] = x[i] - sum over k of out[i + k] * a[k]
#define RECURSION(T)                                                                                                   \
    static void recursion_##T(const T *x, const T *a, T *out, int64_t samples, int64_t order)                          \
    {                                                                                                                  \
        for (int64_t i = 0; i < samples; i++) {                                                                        \
            T y = x[i];                                                                                                \
            for (int64_t k = 0; k < order; k++)                                                                        \
                y -= out[i + k] * a[k];                                                                                \
            out[i + order - 1] = y;                                                                                    \
        }                                                                                                              \
    }
RECURSION(float)
RECURSION(double)

// (input, coefficients from the last to the first, padded output that is written)
OP_FN(op_lfilter)
{
    Tensor *padded = arg_tensor(args[2]), *x = NULL, *a = NULL;
    TRY(check_waves("_lfilter_core_loop", arg_tensor(args[0]), arg_tensor(args[1]), padded));
    TRY(tensor_make_writable(padded));
    Status s = tensor_contiguous(lane, arg_tensor(args[0]), &x);
    if (s == ST_OK)
        s = tensor_contiguous(lane, arg_tensor(args[1]), &a);
    if (s == ST_OK) {
        int64_t samples = x->view.size[2], order = a->view.size[1], channels = x->view.size[1], waves = x->view.size[0] * channels;
        for (int64_t i = 0; i < waves; i++) {
            void *out = tensor_at(padded, i * (samples + order - 1));
            const void *wave = tensor_at(x, i * samples), *taps = tensor_at(a, i % channels * order);
            if (tensor_dtype(x) == DT_F32)
                recursion_float(wave, taps, out, samples, order);
            else
                recursion_double(wave, taps, out, samples, order);
        }
        rets[0] = value_retain(args[2]);
    }
    if (a)
        tensor_release(a);
    if (x)
        tensor_release(x);
    return s;
}

const OpBinding OPS_AUDIO[] = {
    {"torchaudio::_lfilter_core_loop", op_lfilter, 0, NULL, NULL},
    {0},
};
