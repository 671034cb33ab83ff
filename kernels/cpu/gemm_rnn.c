// Recurrent layers as matrix products through OpenBLAS: float64, and LSTMs with a projection, which oneDNN does not have; and
// single sequences, whose states are vectors.
// The inputs of many steps are multiplied at once, the states of one step at a time; gates are worked out in between.
#include "kernels/copy.h"
#include "kernels/cpu/fast_math.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"
#include "kernels/lapack.h"
#include "kernels/rnn.h"

#include <math.h>
#include <string.h>

enum { SUMS_BYTES = 4 << 20 }; // of the inputs multiplied at once

typedef struct GemmRnn {
    RnnParams p;
    DType type;
    size_t element;
    bool bias_x, bias_h, projection, x_copied;
    int64_t steps, batch, features, units, projected, rows; // rows: gates · units
    int64_t chunk;                                          // steps at a time
    size_t at_x, at_sums, at_h_sums, at_h, at_c, at_out;    // in scratch
} GemmRnn;

static size_t align_up(size_t n) { return (n + 63) & ~(size_t)63; }

static size_t reserve(size_t *at, int64_t elements, size_t element)
{
    size_t place = *at;
    *at += align_up((size_t)elements * element);
    return place;
}

Status gemm_rnn_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const RnnParams *p = params;
    TRY(rnn_check(p, in, n_in));
    DType t = (DType)in[RNN_X].dtype;
    if ((t != DT_F32 && t != DT_F64) || any_private(in, n_in))
        return ST_DECLINED;
    const View *x = &in[RNN_X], *w = in + RNN_FIRST_WEIGHT;
    for (int i = RNN_H0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && !view_is_contiguous(&in[i]))
            return ST_DECLINED;
    for (int d = 1; d < p->directions; d++)
        for (int i = 2; i < RNN_WEIGHTS; i++)
            if ((w[i].dtype == DT_INVALID) != (w[d * RNN_WEIGHTS + i].dtype == DT_INVALID))
                return ST_DECLINED;
    k->output_count = rnn_outputs(p, in, k->outputs);
    if (view_numel(&k->outputs[0]) == 0 || view_numel(x) == 0)
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(GemmRnn), &state));
    GemmRnn *s = state;
    *s = (GemmRnn){.p = *p, .type = t, .element = dtype_size(t), .bias_x = w[2].dtype != DT_INVALID, .bias_h = w[3].dtype != DT_INVALID,
                   .projection = w[4].dtype != DT_INVALID, .x_copied = !view_is_contiguous(x), .steps = x->size[0], .batch = x->size[1],
                   .features = x->size[2], .units = w[1].size[0] / rnn_gates(p->mode), .projected = in[RNN_H0].size[2], .rows = w[1].size[0]};
    s->chunk = (int64_t)(SUMS_BYTES / ((size_t)(s->batch * s->rows) * s->element));
    s->chunk = s->chunk < 1 ? 1 : s->chunk > s->steps ? s->steps : s->chunk;
    size_t at = 0;
    s->at_x = reserve(&at, s->x_copied ? s->chunk * s->batch * s->features : 0, s->element);
    s->at_sums = reserve(&at, s->chunk * s->batch * s->rows, s->element);
    s->at_h_sums = reserve(&at, s->batch * s->rows, s->element);
    s->at_h = reserve(&at, s->batch * s->projected, s->element);
    s->at_c = reserve(&at, s->batch * s->units, s->element);
    s->at_out = reserve(&at, s->batch * s->units, s->element);
    k->scratch_bytes = at;
    k->flops = 2.0 * (double)(s->steps * s->batch * p->directions * s->rows) * (double)(s->features + s->projected);
    return ST_OK;
}

// to [n, rows] = from [n, width] w [rows, width]^T + bias
static Status sums(const GemmRnn *s, int64_t n, int64_t rows, int64_t width, const void *from, const View *w, const View *bias, void *to)
{
    if (s->type == DT_F32 && n == 1 && width > 0) {
        float *y = to;
        const float *b = bias ? bias->data : NULL;
        gemv_f32(rows, width, w->data, from, y);
        for (int64_t i = 0; b && i < rows; i++)
            y[i] += b[i];
        return ST_OK;
    }
    for (int64_t i = 0; bias && i < n; i++)
        memcpy((char *)to + (size_t)(i * rows) * s->element, bias->data, (size_t)rows * s->element);
    return blas_gemm(s->type, BLAS_T, BLAS_N, rows, n, width, 1, w->data, width, from, width, bias ? 1 : 0, to, rows);
}

// The cells of all sequences: x and h are the sums [batch, gates · units], h_old the state before, c is replaced, out is new.
#define EACH_CELL(T, ...)                                                                                              \
    for (int64_t b = 0; b < s->batch; b++, x += s->rows, h += s->rows, h_old += s->projected, c += n, out += n) {      \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t j = 0; j < n; j++) {                                                                              \
            const T *p = x + j, *q = h + j;                                                                            \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define CELLS(T, SIGMOID, TANH)                                                                                        \
    ISA_INLINE void cells_##T##_body(const GemmRnn *s, const T *x, const T *h, const T *h_old, T *c, T *out)           \
    {                                                                                                                  \
        int64_t n = s->units;                                                                                          \
        if (s->p.mode == RNN_LSTM)                                                                                     \
            EACH_CELL(T, T i = SIGMOID(p[0] + q[0]); T f = SIGMOID(p[n] + q[n]); T g = TANH(p[2 * n] + q[2 * n]);      \
                      T o = SIGMOID(p[3 * n] + q[3 * n]); T now = f * c[j] + i * g; c[j] = now; out[j] = o * TANH(now);) \
        else if (s->p.mode == RNN_GRU)                                                                                 \
            EACH_CELL(T, T r = SIGMOID(p[0] + q[0]); T z = SIGMOID(p[n] + q[n]); T next = TANH(p[2 * n] + r * q[2 * n]); \
                      out[j] = (h_old[j] - next) * z + next;)                                                          \
        else if (s->p.mode == RNN_TANH)                                                                                \
            EACH_CELL(T, out[j] = TANH(p[0] + q[0]);)                                                                  \
        else                                                                                                           \
            EACH_CELL(T, T sum = p[0] + q[0]; out[j] = sum > 0 ? sum : 0;)                                             \
    }                                                                                                                  \
    ISA_VARIANTS(cells_##T, (const GemmRnn *s, const T *x, const T *h, const T *h_old, T *c, T *out), (s, x, h, h_old, c, out))
static inline double sigmoid(double x) { return 1 / (1 + exp(-x)); }
CELLS(float, fast_sigmoid, fast_tanh)
CELLS(double, sigmoid, tanh)

// Inputs of steps first … first + count as [count, batch, features] in one piece.
static Status chunk_inputs(const GemmRnn *s, const View *x, int64_t first, int64_t count, char *area, const void **out)
{
    const char *from = (const char *)x->data + first * x->stride[0] * (int64_t)s->element;
    *out = from;
    if (!s->x_copied)
        return ST_OK;
    View source = *x, to = {.data = area + s->at_x, .dtype = x->dtype};
    source.data = (void *)from;
    source.size[0] = count;
    view_set_contiguous(&to, 3, source.size);
    *out = to.data;
    return copy_convert(&to, &source);
}

static Status one_step(const GemmRnn *s, const View *w, const char *x_sums, char *area)
{
    char *h = area + s->at_h, *out = area + s->at_out;
    TRY(sums(s, s->batch, s->rows, s->projected, h, &w[1], s->bias_h ? &w[3] : NULL, area + s->at_h_sums));
    if (s->type == DT_F32)
        cells_float(s, (const float *)x_sums, (const float *)(area + s->at_h_sums), (const float *)h, (float *)(area + s->at_c), (float *)out);
    else
        cells_double(s, (const double *)x_sums, (const double *)(area + s->at_h_sums), (const double *)h, (double *)(area + s->at_c), (double *)out);
    if (s->projection)
        return sums(s, s->batch, s->projected, s->units, out, &w[4], NULL, h);
    memcpy(h, out, (size_t)(s->batch * s->units) * s->element);
    return ST_OK;
}

static Status run_direction(const GemmRnn *s, const View *in, const View *out, int d, char *area)
{
    const View *w = in + RNN_FIRST_WEIGHT + RNN_WEIGHTS * d, *y = &out[0];
    size_t h_bytes = (size_t)(s->batch * s->projected) * s->element, c_bytes = (size_t)(s->batch * s->units) * s->element;
    size_t row = (size_t)s->projected * s->element;
    bool backwards = d == 1 || s->p.reverse, lstm = s->p.mode == RNN_LSTM;
    memcpy(area + s->at_h, (const char *)in[RNN_H0].data + (size_t)d * h_bytes, h_bytes);
    if (lstm)
        memcpy(area + s->at_c, (const char *)in[RNN_C0].data + (size_t)d * c_bytes, c_bytes);
    for (int64_t done = 0; done < s->steps;) {
        int64_t count = s->steps - done < s->chunk ? s->steps - done : s->chunk, first = backwards ? s->steps - done - count : done;
        const void *x;
        TRY(chunk_inputs(s, &in[RNN_X], first, count, area, &x));
        TRY(sums(s, count * s->batch, s->rows, s->features, x, &w[0], s->bias_x ? &w[2] : NULL, area + s->at_sums));
        for (int64_t i = 0; i < count; i++) {
            int64_t t = backwards ? count - 1 - i : i;
            TRY(one_step(s, w, area + s->at_sums + (size_t)(t * s->batch * s->rows) * s->element, area));
            for (int64_t n = 0; n < s->batch; n++)
                memcpy((char *)y->data + ((first + t) * y->stride[0] + n * y->stride[1] + d * s->projected) * (int64_t)s->element,
                       area + s->at_h + (size_t)n * row, row);
        }
        done += count;
    }
    memcpy((char *)out[1].data + (size_t)d * h_bytes, area + s->at_h, h_bytes);
    if (lstm)
        memcpy((char *)out[2].data + (size_t)d * c_bytes, area + s->at_c, c_bytes);
    return ST_OK;
}

Status gemm_rnn_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const GemmRnn *s = k->state;
    for (int d = 0; d < s->p.directions; d++)
        TRY(run_direction(s, in, out, d, scratch));
    return ST_OK;
}

void gemm_rnn_destroy(Kernel *k) { kernel_state_free(k); }
