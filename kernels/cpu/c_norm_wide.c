// Normalisations with sums in double: float64, and batch norm of float32 by the statistics of the batch. Softmax of float64.
// Contiguous operands; sums are taken in 8 parts, the same on every instruction set.
#include "kernels/cpu/norm_shape.h"
#include "kernels/cpu/vec.h"
#include "kernels/isa.h"

#include <math.h>
#include <string.h>

typedef struct WideNorm {
    DType type;
    double eps;
    int64_t rows, channels, spatial, groups; // batch and group norm: [rows, channels, spatial]
    int64_t count;                           // layer norm: elements of a row; softmax: of a row, `spatial` apart
    bool stats, scale, shift, rms, log;
} WideNorm;

static bool vector_of(const View *in, int n_in, int i, DType t, int64_t n)
{
    return !operand_given(in, n_in, i) || (in[i].dtype == t && view_is_contiguous(&in[i]) && view_numel(&in[i]) == n);
}

// channels_last: that order will do, too: more rows of one element of each channel.
static Status state_new(Kernel *k, const View *in, int n_in, bool channels_last, WideNorm **out)
{
    const View *x = &in[0];
    bool last = channels_last && x->layout == LAYOUT_STRIDED && !view_is_contiguous(x) && view_is_channels_last(x);
    if (x->layout != LAYOUT_STRIDED || (!view_is_contiguous(x) && !last) || view_numel(x) == 0)
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(WideNorm), &state));
    WideNorm *s = *out = state;
    s->type = (DType)x->dtype;
    s->scale = operand_given(in, n_in, 1);
    s->shift = operand_given(in, n_in, 2);
    s->rows = x->size[0];
    s->channels = x->ndim > 1 ? x->size[1] : 1;
    s->spatial = view_numel(x) / (s->rows * s->channels);
    kernel_output(k, 0, s->type, x->ndim, x->size);
    if (last) {
        s->rows *= s->spatial;
        s->spatial = 1;
        memcpy(k->outputs[0].stride, x->stride, sizeof x->stride);
    }
    return ST_OK;
}

#define NORMS(T)                                                                                                       \
    ISA_INLINE double sum_##T(const T *x, int64_t n)                                                                   \
    {                                                                                                                  \
        double part[8] = {0}, sum = 0;                                                                                 \
        int64_t i = 0;                                                                                                 \
        for (; i + 8 <= n; i += 8)                                                                                     \
            for (int j = 0; j < 8; j++)                                                                                \
                part[j] += (double)x[i + j];                                                                           \
        for (; i < n; i++)                                                                                             \
            sum += (double)x[i];                                                                                       \
        return sum + (((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7])));      \
    }                                                                                                                  \
    ISA_INLINE double squares_##T(const T *x, int64_t n, double mean)                                                  \
    {                                                                                                                  \
        double part[8] = {0}, sum = 0;                                                                                 \
        int64_t i = 0;                                                                                                 \
        for (; i + 8 <= n; i += 8)                                                                                     \
            for (int j = 0; j < 8; j++)                                                                                \
                part[j] += ((double)x[i + j] - mean) * ((double)x[i + j] - mean);                                      \
        for (; i < n; i++)                                                                                             \
            sum += ((double)x[i] - mean) * ((double)x[i] - mean);                                                      \
        return sum + (((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7])));      \
    }                                                                                                                  \
    /* Mean and sum of squares of each channel. */                                                                     \
    ISA_INLINE void channel_stats_##T##_body(const WideNorm *s, const T *x, double *mean, double *squares)             \
    {                                                                                                                  \
        int64_t c_count = s->channels, n = s->spatial;                                                                 \
        memset(mean, 0, sizeof *mean * (size_t)c_count);                                                               \
        memset(squares, 0, sizeof *squares * (size_t)c_count);                                                         \
        for (int64_t r = 0; r < s->rows; r++)                                                                          \
            for (int64_t c = 0; c < c_count; c++)                                                                      \
                mean[c] += n == 1 ? (double)x[r * c_count + c] : sum_##T(x + (r * c_count + c) * n, n);                \
        for (int64_t c = 0; c < c_count; c++)                                                                          \
            mean[c] /= (double)(s->rows * n);                                                                          \
        for (int64_t r = 0; r < s->rows; r++)                                                                          \
            for (int64_t c = 0; c < c_count; c++)                                                                      \
                squares[c] += n == 1 ? ((double)x[r * c_count + c] - mean[c]) * ((double)x[r * c_count + c] - mean[c]) \
                                     : squares_##T(x + (r * c_count + c) * n, n, mean[c]);                             \
    }                                                                                                                  \
    ISA_VARIANTS(channel_stats_##T, (const WideNorm *s, const T *x, double *mean, double *squares), (s, x, mean, squares)) \
    ISA_INLINE void scale_channels_##T##_body(const WideNorm *s, const T *x, T *y, const double *mean, const double *scale, const T *shift, int64_t step) \
    {                                                                                                                  \
        for (int64_t r = 0; s->spatial == 1 && !step && r < s->rows; r++, x += s->channels, y += s->channels)          \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t c = 0; c < s->channels; c++)                                                                  \
                y[c] = (T)(((double)x[c] - mean[c]) * scale[c]);                                                       \
        for (int64_t r = 0; s->spatial == 1 && step && r < s->rows; r++, x += s->channels, y += s->channels)           \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t c = 0; c < s->channels; c++)                                                                  \
                y[c] = (T)(((double)x[c] - mean[c]) * scale[c] + (double)shift[c * step]);                             \
        for (int64_t r = 0; s->spatial > 1 && r < s->rows * s->channels; r++, x += s->spatial, y += s->spatial) {                      \
            int64_t c = r % s->channels;                                                                               \
            double m = mean[c], a = scale[c], b = shift ? (double)shift[c * step] : 0;                                 \
            ISA_INDEPENDENT                                                                                            \
            for (int64_t i = 0; i < s->spatial; i++)                                                                   \
                y[i] = (T)(((double)x[i] - m) * a + b);                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(scale_channels_##T, (const WideNorm *s, const T *x, T *y, const double *mean, const double *scale, const T *shift, int64_t step), \
                 (s, x, y, mean, scale, shift, step))                                                                  \
    static void batch_##T(const WideNorm *s, const View *in, const View *out, double *mean, double *scale)             \
    {                                                                                                                  \
        const T *x = in[0].data, *w = s->scale ? in[1].data : NULL;                                                    \
        double count = (double)(s->rows * s->spatial);                                                                 \
        if (s->stats)                                                                                                  \
            channel_stats_##T(s, x, mean, scale);                                                                      \
        for (int64_t c = 0; c < s->channels; c++) {                                                                    \
            if (s->stats) {                                                                                            \
                ((T *)out[3].data)[c] = (T)(scale[c] / (count - 1));                                                   \
                scale[c] = 1 / sqrt(scale[c] / count + s->eps);                                                        \
                ((T *)out[1].data)[c] = (T)mean[c];                                                                    \
                ((T *)out[2].data)[c] = (T)scale[c];                                                                   \
            } else {                                                                                                   \
                mean[c] = (double)((const T *)in[3].data)[c * channel_step(&in[3])];                                   \
                scale[c] = 1 / sqrt((double)((const T *)in[4].data)[c * channel_step(&in[4])] + s->eps);               \
            }                                                                                                          \
            scale[c] *= w ? (double)w[c * channel_step(&in[1])] : 1;                                                   \
        }                                                                                                              \
        scale_channels_##T(s, x, out[0].data, mean, scale, s->shift ? in[2].data : NULL, s->shift ? channel_step(&in[2]) : 0); \
    }
NORMS(float)
NORMS(double)

// ---- batch norm

Status w_batch_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const BatchNormParams *p = params;
    DType t = (DType)in[0].dtype;
    WideNorm *s;
    TRY(batch_norm_check(p, in, n_in));
    if (t != DT_F64 && t != DT_F32)
        return ST_DECLINED;
    for (int i = 1; i < 5; i++)
        if (!(p->batch_stats && i > 2) && (operand_given(in, n_in, i) ? in[i].dtype != t || !channel_vector(&in[i]) : i > 2))
            return ST_DECLINED;
    TRY(state_new(k, in, n_in, true, &s));
    s->eps = p->eps;
    s->stats = p->batch_stats;
    for (int i = 1; p->batch_stats && i < 4; i++)
        kernel_output(k, i, t, 1, &in[0].size[1]);
    k->scratch_bytes = 2 * sizeof(double) * (size_t)s->channels;
    return ST_OK;
}

Status w_batch_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const WideNorm *s = k->state;
    double *mean = scratch;
    (s->type == DT_F32 ? batch_float : batch_double)(s, in, out, mean, mean + s->channels);
    return ST_OK;
}

void w_batch_norm_destroy(Kernel *k) { kernel_state_free(k); }

// ---- layer and group norm of float64

ISA_INLINE void layer_rows_body(const WideNorm *s, const double *x, double *y, const double *w, const double *b, double *mean_out, double *rstd_out)
{
    int64_t n = s->count;
    for (int64_t r = 0; r < s->rows; r++, x += n, y += n) {
        double mean = s->rms ? 0 : sum_double(x, n) / (double)n, rstd = 1 / sqrt(squares_double(x, n, mean) / (double)n + s->eps);
        mean_out[r] = mean;
        rstd_out[r] = rstd;
        ISA_INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - mean) * rstd * (w ? w[i] : 1) + (b ? b[i] : 0);
    }
}
ISA_VARIANTS(layer_rows, (const WideNorm *s, const double *x, double *y, const double *w, const double *b, double *mean, double *rstd),
             (s, x, y, w, b, mean, rstd))

Status w_layer_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const LayerNormParams *p = params;
    int64_t stats[VIEW_MAX_DIMS], count = 1;
    WideNorm *s;
    TRY(layer_norm_check(p, in, n_in, stats));
    for (int i = in[0].ndim - p->dims; i < in[0].ndim; i++)
        count *= in[0].size[i];
    if (in[0].dtype != DT_F64 || count == 0 || !vector_of(in, n_in, 1, DT_F64, count) || !vector_of(in, n_in, 2, DT_F64, count))
        return ST_DECLINED;
    TRY(state_new(k, in, n_in, false, &s));
    s->eps = p->eps;
    s->rms = p->rms;
    s->count = count;
    s->rows = view_numel(&in[0]) / count;
    kernel_output(k, 1, DT_F64, in[0].ndim, stats);
    kernel_output(k, 2, DT_F64, in[0].ndim, stats);
    return ST_OK;
}

Status w_layer_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const WideNorm *s = k->state;
    layer_rows(s, in[0].data, out[0].data, s->scale ? in[1].data : NULL, s->shift ? in[2].data : NULL, out[1].data, out[2].data);
    return ST_OK;
}

void w_layer_norm_destroy(Kernel *k) { kernel_state_free(k); }

ISA_INLINE void group_rows_body(const WideNorm *s, const double *x, double *y, const double *w, const double *b, double *mean_out, double *rstd_out)
{
    int64_t per_group = s->channels / s->groups, n = per_group * s->spatial;
    for (int64_t r = 0; r < s->rows * s->groups; r++) {
        double mean = sum_double(x, n) / (double)n, rstd = 1 / sqrt(squares_double(x, n, mean) / (double)n + s->eps);
        mean_out[r] = mean;
        rstd_out[r] = rstd;
        for (int64_t c = 0; c < per_group; c++, x += s->spatial, y += s->spatial) {
            int64_t channel = r % s->groups * per_group + c;
            double scale = rstd * (w ? w[channel] : 1), shift = b ? b[channel] : 0;
            ISA_INDEPENDENT
            for (int64_t i = 0; i < s->spatial; i++)
                y[i] = (x[i] - mean) * scale + shift;
        }
    }
}
ISA_VARIANTS(group_rows, (const WideNorm *s, const double *x, double *y, const double *w, const double *b, double *mean, double *rstd),
             (s, x, y, w, b, mean, rstd))

Status w_group_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const GroupNormParams *p = params;
    WideNorm *s;
    TRY(group_norm_check(p, in, n_in));
    int64_t channels = in[0].size[1];
    if (in[0].dtype != DT_F64 || !vector_of(in, n_in, 1, DT_F64, channels) || !vector_of(in, n_in, 2, DT_F64, channels))
        return ST_DECLINED;
    TRY(state_new(k, in, n_in, false, &s));
    s->eps = p->eps;
    s->groups = p->groups;
    kernel_output(k, 1, DT_F64, 2, (int64_t[]){s->rows, p->groups});
    kernel_output(k, 2, DT_F64, 2, (int64_t[]){s->rows, p->groups});
    return ST_OK;
}

Status w_group_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const WideNorm *s = k->state;
    group_rows(s, in[0].data, out[0].data, s->scale ? in[1].data : NULL, s->shift ? in[2].data : NULL, out[1].data, out[2].data);
    return ST_OK;
}

void w_group_norm_destroy(Kernel *k) { kernel_state_free(k); }

// ---- softmax of float64

Status w_softmax_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const SoftmaxParams *p = params;
    WideNorm *s;
    if (in[0].dtype != DT_F64 || in[0].ndim == 0)
        return ST_DECLINED;
    TRY(state_new(k, in, n_in, false, &s));
    s->log = p->log;
    s->count = in[0].size[p->dim];
    s->spatial = 1;
    for (int d = p->dim + 1; d < in[0].ndim; d++)
        s->spatial *= in[0].size[d];
    s->rows = view_numel(&in[0]) / (s->count * s->spatial);
    return ST_OK;
}

// Exponentials of EXPS elements of a row at a time, or of a row of STRIP columns.
enum { EXPS = 256, STRIP = 64 };

ISA_INLINE void less_body(const double *x, double *y, const double *most, int64_t n)
{
    ISA_INDEPENDENT
    for (int64_t j = 0; j < n; j++)
        y[j] = x[j] - most[j];
}
ISA_VARIANTS(less, (const double *x, double *y, const double *most, int64_t n), (x, y, most, n))

ISA_INLINE void greatest_body(const double *x, double *most, int64_t n)
{
    for (int64_t j = 0; j < n; j++)
        most[j] = x[j] > most[j] || x[j] != x[j] ? x[j] : most[j];
}
ISA_VARIANTS(greatest, (const double *x, double *most, int64_t n), (x, most, n))

ISA_INLINE void add_body(const double *x, double *sum, int64_t n)
{
    for (int64_t j = 0; j < n; j++)
        sum[j] += x[j];
}
ISA_VARIANTS(add, (const double *x, double *sum, int64_t n), (x, sum, n))

ISA_INLINE void multiply_body(double *y, const double *scale, int64_t n)
{
    for (int64_t j = 0; j < n; j++)
        y[j] *= scale[j];
}
ISA_VARIANTS(multiply, (double *y, const double *scale, int64_t n), (y, scale, n))

static void softmax_columns(const WideNorm *s, const double *x, double *y, int64_t width)
{
    int64_t n = s->count, step = s->spatial;
    double most[STRIP], sum[STRIP] = {0}, e[STRIP];
    const void *from = e;
    for (int64_t j = 0; j < width; j++)
        most[j] = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        greatest(x + i * step, most, width);
    for (int64_t i = 0; i < n; i++) {
        double *to = s->log ? e : y + i * step;
        less(x + i * step, e, most, width);
        vec_table()->f64[PW_EXP](to, &from, width, 0, NULL);
        add(to, sum, width);
    }
    for (int64_t j = 0; j < width; j++)
        sum[j] = s->log ? log(sum[j]) : 1 / sum[j];
    for (int64_t i = 0; i < n; i++)
        if (s->log) {
            less(x + i * step, y + i * step, most, width);
            less(y + i * step, y + i * step, sum, width);
        } else {
            multiply(y + i * step, sum, width);
        }
}

ISA_INLINE void minus_body(const double *x, double *y, int64_t n, double most, double rest)
{
    ISA_INDEPENDENT
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] - most - rest;
}
ISA_VARIANTS(minus, (const double *x, double *y, int64_t n, double most, double rest), (x, y, n, most, rest))

ISA_INLINE void times_body(double *y, int64_t n, double scale)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= scale;
}
ISA_VARIANTS(times, (double *y, int64_t n, double scale), (y, n, scale))

ISA_INLINE void add_up_body(const double *x, int64_t n, double *sum) { *sum += sum_double(x, n); }
ISA_VARIANTS(add_up, (const double *x, int64_t n, double *sum), (x, n, sum))

static void softmax_row(const WideNorm *s, const double *x, double *y)
{
    double most = vec_table()->f64_max(x, s->count, -INFINITY), sum = 0;
    for (int64_t i = 0; i < s->count; i += EXPS) {
        double e[EXPS], *to = s->log ? e : y + i;
        const void *from = e;
        int64_t n = s->count - i < EXPS ? s->count - i : EXPS;
        minus(x + i, e, n, most, 0);
        vec_table()->f64[PW_EXP](to, &from, n, 0, NULL);
        add_up(to, n, &sum);
    }
    if (s->log)
        minus(x, y, s->count, most, log(sum));
    else
        times(y, s->count, 1 / sum);
}

Status w_softmax_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const WideNorm *s = k->state;
    const double *x = in[0].data;
    double *y = out[0].data;
    for (int64_t r = 0; r < s->rows; r++, x += s->count * s->spatial, y += s->count * s->spatial)
        if (s->spatial == 1)
            softmax_row(s, x, y);
        else
            for (int64_t c = 0; c < s->spatial; c += STRIP)
                softmax_columns(s, x + c, y + c, s->spatial - c < STRIP ? s->spatial - c : STRIP);
    return ST_OK;
}

void w_softmax_destroy(Kernel *k) { kernel_state_free(k); }
