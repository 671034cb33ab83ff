// Fourier transforms through FFTW: any strides and dimensions, out of place. Plans are estimated, never measured, and past
// plans are forgotten, so that a result depends on the operand's shape and strides only.
#include "kernels/copy.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <fftw3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED, UNALIGNED, REST, PLANS };

enum { SPLIT_POINTS = 1 << 14 }; // the fewest points of a transform over several dimensions that goes in two steps

typedef struct FftState {
    FftParams p;
    bool wide;                // double precision
    bool copied;              // the input goes through scratch first
    View from;                // the part of the input that is transformed
    void *plan[PLANS];        // for 64-byte aligned operands, and for others; REST: then in place, where it is not NULL
    double scale;
} FftState;

// FFTW's planner is one per process.
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

typedef struct Dims {
    int rank, loops;
    fftw_iodim64 dim[VIEW_MAX_DIMS], loop[VIEW_MAX_DIMS]; // fftwf's has the same members
} Dims;

_Static_assert(sizeof(fftw_iodim64) == sizeof(fftwf_iodim64), "one struct serves both precisions");

// n[d]: the logical size of a transformed dimension.
static void collect(const FftParams *p, const View *in, const View *out, const int64_t *n, Dims *d)
{
    bool done[VIEW_MAX_DIMS] = {false};
    d->rank = d->loops = 0;
    for (int i = 0; i < p->dims; i++) {
        int at = p->dim[i];
        done[at] = true;
        d->dim[d->rank++] = (fftw_iodim64){(ptrdiff_t)n[at], (ptrdiff_t)in->stride[at], (ptrdiff_t)out->stride[at]};
    }
    for (int at = 0; at < in->ndim; at++)
        if (!done[at])
            d->loop[d->loops++] = (fftw_iodim64){(ptrdiff_t)out->size[at], (ptrdiff_t)in->stride[at], (ptrdiff_t)out->stride[at]};
}

static void *make_plan(const FftState *s, const Dims *d, void *in, void *out, unsigned flags)
{
    int sign = s->p.forward ? FFTW_FORWARD : FFTW_BACKWARD;
    const fftwf_iodim64 *dim = (const fftwf_iodim64 *)d->dim, *loop = (const fftwf_iodim64 *)d->loop;
    switch ((FftKind)s->p.kind) {
    case FFT_C2C:
        return s->wide ? (void *)fftw_plan_guru64_dft(d->rank, d->dim, d->loops, d->loop, in, out, sign, flags)
                       : (void *)fftwf_plan_guru64_dft(d->rank, dim, d->loops, loop, in, out, sign, flags);
    case FFT_R2C:
    case FFT_R2C_FULL:
        return s->wide ? (void *)fftw_plan_guru64_dft_r2c(d->rank, d->dim, d->loops, d->loop, in, out, flags)
                       : (void *)fftwf_plan_guru64_dft_r2c(d->rank, dim, d->loops, loop, in, out, flags);
    default:
        return s->wide ? (void *)fftw_plan_guru64_dft_c2r(d->rank, d->dim, d->loops, d->loop, in, out, flags)
                       : (void *)fftwf_plan_guru64_dft_c2r(d->rank, dim, d->loops, loop, in, out, flags);
    }
}

// Takes all transformed dimensions but the closest in memory out of *d into *rest. Without wisdom the library plans large
// transforms over several dimensions badly: what strides over aligned rows is quicker with scalar loads (plan REST).
static bool split(const FftState *s, Dims *d, Dims *rest)
{
    double points = 1;
    int row = 0;
    for (int i = 0; i < d->rank; i++) {
        points *= (double)d->dim[i].n;
        row = d->dim[i].os <= d->dim[row].os ? i : row;
    }
    if (s->p.kind != FFT_C2C || d->rank < 2 || points < SPLIT_POINTS || d->loops + d->rank > VIEW_MAX_DIMS)
        return false;
    *rest = (Dims){.loops = d->loops};
    memcpy(rest->loop, d->loop, sizeof d->loop);
    rest->loop[rest->loops++] = d->dim[row];
    for (int i = 0; i < d->rank; i++)
        if (i != row) {
            rest->dim[rest->rank++] = d->dim[i];
            d->loop[d->loops++] = d->dim[i];
        }
    d->dim[0] = d->dim[row];
    d->rank = 1;
    for (int i = 0; i < rest->rank; i++)
        rest->dim[i].is = rest->dim[i].os;
    for (int i = 0; i < rest->loops; i++)
        rest->loop[i].is = rest->loop[i].os;
    return true;
}

static Status make_plans(FftState *s, Dims *d, size_t in_bytes, size_t out_bytes)
{
    // Only the addresses' alignment counts when plans are estimated; the memory is never touched.
    void *in = aligned_alloc(64, (in_bytes + 127) & ~(size_t)63), *out = aligned_alloc(64, (out_bytes + 127) & ~(size_t)63);
    Status status = in && out ? ST_OK : status_no_memory(in_bytes + out_bytes);
    unsigned flags = FFTW_ESTIMATE | (s->copied ? FFTW_DESTROY_INPUT : FFTW_PRESERVE_INPUT) | (kernel_isa() == ISA_BASE ? FFTW_NO_SIMD : 0);
    Dims rest;
    bool steps = split(s, d, &rest);
    pthread_mutex_lock(&planner);
    for (int i = 0; i < (steps ? PLANS : REST) && status == ST_OK; i++) {
        s->plan[i] = i == REST ? make_plan(s, &rest, out, out, FFTW_ESTIMATE | FFTW_UNALIGNED | (flags & FFTW_NO_SIMD))
                               : make_plan(s, d, in, out, flags | (i == UNALIGNED ? FFTW_UNALIGNED : 0));
        if (!s->plan[i])
            status = status_fail(ST_RAISED, "fft: no plan for this shape");
        fftw_forget_wisdom();
        fftwf_forget_wisdom();
    }
    pthread_mutex_unlock(&planner);
    free(in);
    free(out);
    return status;
}

Status fftw_fft_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const FftParams *p = params;
    DType t = (DType)in[0].dtype;
    bool from_real = p->kind == FFT_R2C || p->kind == FFT_R2C_FULL;
    if (in[0].layout != LAYOUT_STRIDED || !(from_real ? t == DT_F32 || t == DT_F64 : t == DT_C64 || t == DT_C128) || p->dims < 1)
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(FftState), &state));
    FftState *s = state;
    s->p = *p;
    s->wide = t == DT_F64 || t == DT_C128;
    s->scale = p->scale;
    s->from = in[0];
    s->from.data = NULL;
    int last = p->dim[p->dims - 1];
    int64_t size[VIEW_MAX_DIMS], n[VIEW_MAX_DIMS];
    for (int d = 0; d < in[0].ndim; d++)
        size[d] = n[d] = in[0].size[d];
    if (p->kind == FFT_R2C)
        size[last] = size[last] / 2 + 1;
    if (p->kind == FFT_C2R) {
        if (p->last_size / 2 + 1 > in[0].size[last])
            return status_fail(ST_RAISED, "fft: the input has too few points");
        size[last] = n[last] = p->last_size;
        s->from.size[last] = p->last_size / 2 + 1;
        s->copied = p->forward || p->dims > 1; // conjugated; or destroyed by the library
    }
    DType result = p->kind == FFT_C2R ? (s->wide ? DT_F64 : DT_F32) : s->wide ? DT_C128 : DT_C64;
    kernel_output(k, 0, result, in[0].ndim, size);
    kernel_output_order(k, p->order);
    View source = s->from;
    if (s->copied) {
        view_set_contiguous(&source, source.ndim, source.size);
        k->scratch_bytes = ((size_t)view_numel(&source) * dtype_size(t) + 127) & ~(size_t)63;
    }
    if (view_numel(&k->outputs[0]) == 0)
        return ST_OK;
    Dims dims;
    collect(p, &source, &k->outputs[0], n, &dims);
    return make_plans(s, &dims, view_bytes(&source), (size_t)view_numel(&k->outputs[0]) * dtype_size(result));
}

static void conjugate(bool wide, void *data, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (wide)
            ((double *)data)[2 * i + 1] = -((double *)data)[2 * i + 1];
        else
            ((float *)data)[2 * i + 1] = -((float *)data)[2 * i + 1];
}

static void scale(bool wide, void *data, int64_t n, double factor)
{
    float f = (float)factor;
    for (int64_t i = 0; i < n; i++)
        if (wide)
            ((double *)data)[i] *= factor;
        else
            ((float *)data)[i] *= f;
}

// The transform of real numbers is conjugate-symmetric: out[k] = conj(out[-k]) in all transformed dimensions. Fills the
// half of the last one that the library leaves out.
static void fill_half(const FftState *s, const View *out)
{
    const FftParams *p = &s->p;
    int last = p->dim[p->dims - 1];
    int64_t n = out->size[last], half = n / 2 + 1, index[VIEW_MAX_DIMS] = {0}, total = view_numel(out) / n;
    bool mirrored[VIEW_MAX_DIMS] = {false};
    for (int i = 0; i < p->dims; i++)
        mirrored[p->dim[i]] = true;
    for (int64_t i = 0; i < total; i++) { // everything but the last transformed dimension
        int64_t to = 0, from = 0;
        for (int d = 0; d < out->ndim; d++) {
            if (d == last)
                continue;
            to += index[d] * out->stride[d];
            from += (mirrored[d] && index[d] ? out->size[d] - index[d] : index[d]) * out->stride[d];
        }
        for (int64_t k = half; k < n; k++) {
            int64_t a = to + k * out->stride[last], b = from + (n - k) * out->stride[last];
            if (s->wide) {
                double *y = out->data;
                y[2 * a] = y[2 * b];
                y[2 * a + 1] = -y[2 * b + 1];
            } else {
                float *y = out->data;
                y[2 * a] = y[2 * b];
                y[2 * a + 1] = -y[2 * b + 1];
            }
        }
        for (int d = out->ndim - 1; d >= 0; d--) {
            if (d == last)
                continue;
            if (++index[d] < out->size[d])
                break;
            index[d] = 0;
        }
    }
}

static void execute(const FftState *s, void *in, void *out)
{
    bool aligned = ((uintptr_t)in & 63) == 0 && ((uintptr_t)out & 63) == 0;
    void *plan = s->plan[aligned ? ALIGNED : UNALIGNED];
    switch ((FftKind)s->p.kind) {
    case FFT_C2C:
        if (s->wide)
            fftw_execute_dft(plan, in, out);
        else
            fftwf_execute_dft(plan, in, out);
        if (s->plan[REST] && s->wide)
            fftw_execute_dft(s->plan[REST], out, out);
        else if (s->plan[REST])
            fftwf_execute_dft(s->plan[REST], out, out);
        break;
    case FFT_R2C:
    case FFT_R2C_FULL:
        if (s->wide)
            fftw_execute_dft_r2c(plan, in, out);
        else
            fftwf_execute_dft_r2c(plan, in, out);
        break;
    default:
        if (s->wide)
            fftw_execute_dft_c2r(plan, in, out);
        else
            fftwf_execute_dft_c2r(plan, in, out);
    }
}

Status fftw_fft_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const FftState *s = k->state;
    int64_t n = view_numel(out);
    if (n == 0)
        return ST_OK;
    void *from = in[0].data;
    if (s->copied) {
        View source = s->from, copy;
        source.data = from;
        copy = source;
        view_set_contiguous(&copy, source.ndim, source.size);
        copy.data = from = scratch;
        TRY(copy_convert(&copy, &source));
        if (s->p.forward)
            conjugate(s->wide, from, view_numel(&copy));
    }
    execute(s, from, out->data);
    if (s->p.kind == FFT_R2C_FULL)
        fill_half(s, out);
    if ((s->p.kind == FFT_R2C || s->p.kind == FFT_R2C_FULL) && !s->p.forward)
        conjugate(s->wide, out->data, n);
    if (s->scale != 1)
        scale(s->wide, out->data, s->p.kind == FFT_C2R ? n : 2 * n, s->scale);
    return ST_OK;
}

void fftw_fft_destroy(Kernel *k)
{
    FftState *s = k->state;
    if (s) {
        pthread_mutex_lock(&planner);
        for (int i = 0; i < PLANS; i++)
            if (s->plan[i] && s->wide)
                fftw_destroy_plan(s->plan[i]);
            else if (s->plan[i])
                fftwf_destroy_plan(s->plan[i]);
        pthread_mutex_unlock(&planner);
    }
    kernel_state_free(k);
}
