// Reference Fourier transform: the sum of the definition over all transformed dimensions at once, in double.
// Slow and obvious; what the other variants are compared with.
#include "kernels/cpu/variants.h"

#include <complex.h>
#include <math.h>
#include <string.h>

Status ref_fft_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const FftParams *p = params;
    DType t = (DType)in[0].dtype;
    bool from_real = p->kind == FFT_R2C || p->kind == FFT_R2C_FULL;
    if (in[0].layout != LAYOUT_STRIDED || !(from_real ? t == DT_F32 || t == DT_F64 : t == DT_C64 || t == DT_C128) || p->dims < 1)
        return ST_DECLINED;
    int last = p->dim[p->dims - 1];
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, in[0].size, sizeof *size * in[0].ndim);
    bool wide = t == DT_F64 || t == DT_C128;
    if (p->kind == FFT_C2R && p->last_size / 2 + 1 > size[last])
        return status_fail(ST_RAISED, "fft: the input has too few points");
    size[last] = p->kind == FFT_R2C ? size[last] / 2 + 1 : p->kind == FFT_C2R ? p->last_size : size[last];
    kernel_output(k, 0, p->kind == FFT_C2R ? (wide ? DT_F64 : DT_F32) : wide ? DT_C128 : DT_C64, in[0].ndim, size);
    kernel_output_order(k, p->order);
    void *state;
    TRY(kernel_state_new(k, sizeof *p, &state));
    memcpy(state, p, sizeof *p);
    return ST_OK;
}

static double _Complex element(const View *v, int64_t at)
{
    switch (v->dtype) {
    case DT_F32: return ((const float *)v->data)[at];
    case DT_F64: return ((const double *)v->data)[at];
    case DT_C64: return ((const float _Complex *)v->data)[at];
    default: return ((const double _Complex *)v->data)[at];
    }
}

// Point `index` (of the logical size in the last dimension) of the input; the missing half of FFT_C2R by symmetry.
static double _Complex point(const FftParams *p, const View *in, const int64_t *index, int64_t n)
{
    int last = p->dim[p->dims - 1];
    bool mirror = p->kind == FFT_C2R && index[last] > n / 2;
    int64_t at = 0;
    for (int d = 0; d < in->ndim; d++) {
        int64_t i = index[d], size = d == last ? n : in->size[d];
        for (int k = 0; mirror && k < p->dims; k++)
            if (p->dim[k] == d)
                i = i ? size - i : 0;
        at += i * in->stride[d];
    }
    double _Complex x = element(in, at);
    bool conjugate = mirror != (p->kind == FFT_C2R && p->forward);
    return conjugate ? conj(x) : x;
}

Status ref_fft_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const FftParams *p = k->state;
    int last = p->dim[p->dims - 1];
    int64_t n = p->kind == FFT_C2R ? p->last_size : in[0].size[last], terms = 1;
    for (int i = 0; i < p->dims; i++)
        terms *= p->dim[i] == last ? n : in[0].size[p->dim[i]];
    bool minus = p->kind == FFT_C2R ? false : p->forward;
    for (int64_t o = 0; o < view_numel(out); o++) {
        int64_t to[VIEW_MAX_DIMS], from[VIEW_MAX_DIMS], rest = o, place = 0;
        for (int d = out->ndim - 1; d >= 0; d--) {
            to[d] = from[d] = rest % out->size[d];
            rest /= out->size[d];
            place += to[d] * out->stride[d];
        }
        double _Complex sum = 0;
        for (int64_t i = 0; i < terms; i++) {
            double turns = 0;
            int64_t left = i;
            for (int j = 0; j < p->dims; j++) {
                int d = p->dim[j];
                int64_t size = d == last ? n : in[0].size[d];
                from[d] = left % size;
                left /= size;
                turns += (double)(from[d] * to[d] % size) / (double)size;
            }
            sum += point(p, &in[0], from, n) * cexp((minus ? -2 : 2) * M_PI * turns * I);
        }
        sum *= p->scale;
        switch (out->dtype) {
        case DT_F32: ((float *)out->data)[place] = (float)creal(sum); break;
        case DT_F64: ((double *)out->data)[place] = creal(sum); break;
        case DT_C64: ((float _Complex *)out->data)[place] = (float _Complex)sum; break;
        default: ((double _Complex *)out->data)[place] = sum;
        }
    }
    return ST_OK;
}

void ref_fft_destroy(Kernel *k) { kernel_state_free(k); }
