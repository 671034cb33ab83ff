// Convolution as matrix products through OpenBLAS, for what oneDNN does not have or has only a slow form of: float64,
// complex, and odd shapes of float32. The windows become columns, some output rows at a time so that they stay in the
// cache; a transposed convolution multiplies first and adds the columns up where they belong.
#include "kernels/copy.h"
#include "kernels/cpu/variants.h"
#include "kernels/lapack.h"

#include <string.h>

enum { COLUMN_BYTES = 1 << 19 }; // of one block of columns

typedef struct GemmConv {
    ConvParams p;
    DType type;
    size_t element;
    bool has_bias, has_add, direct;        // direct: the input is its own columns (1 x 1)
    bool copy_x, copy_w;                   // operands are made contiguous first
    int64_t n, groups, in_c, out_c;        // channels of one group
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], window[SPATIAL_MAX]; // right-aligned: missing dimensions are 1
    int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX], padding[SPATIAL_MAX];
    int64_t taps, pixels_in, pixels_out, rows; // rows: of windows (or inputs) at a time
    size_t x_at, w_at, columns_at;
} GemmConv;

static size_t align_up(size_t n) { return (n + 63) & ~(size_t)63; }

static Status take_shapes(GemmConv *s, const ConvParams *p, const View *x, const View *w, const int64_t *size)
{
    int spatial = x->ndim - 2, first = SPATIAL_MAX - spatial;
    s->n = x->size[0];
    s->groups = p->groups;
    s->in_c = x->size[1] / p->groups;
    s->out_c = size[1] / p->groups;
    s->taps = s->pixels_in = s->pixels_out = 1;
    s->direct = !p->transposed;
    for (int d = 0; d < SPATIAL_MAX; d++) {
        int i = d - first;
        s->in[d] = i < 0 ? 1 : x->size[i + 2];
        s->out[d] = i < 0 ? 1 : size[i + 2];
        s->window[d] = i < 0 ? 1 : w->size[i + 2];
        s->stride[d] = i < 0 ? 1 : p->stride[i];
        s->dilation[d] = i < 0 ? 1 : p->dilation[i];
        s->padding[d] = i < 0 ? 0 : p->padding[i];
        s->taps *= s->window[d];
        s->pixels_in *= s->in[d];
        s->pixels_out *= s->out[d];
        s->direct = s->direct && s->window[d] == 1 && s->stride[d] == 1 && s->padding[d] == 0 && s->in[d] == s->out[d];
    }
    return ST_OK;
}

Status gemm_conv_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const ConvParams *p = params;
    const View *x = &in[0], *w = &in[1];
    DType t = (DType)x->dtype;
    int64_t size[VIEW_MAX_DIMS];
    TRY(conv_shape(p, in, n_in, size));
    bool complex_type = t == DT_C64 || t == DT_C128;
    if ((t != DT_F32 && t != DT_F64 && !complex_type) || w->dtype != x->dtype || any_private(in, n_in) || (complex_type && p->act != ACT_NONE))
        return ST_DECLINED;
    kernel_output(k, 0, t, x->ndim, size);
    if (view_numel(x) == 0 || view_numel(w) == 0 || view_numel(&k->outputs[0]) == 0)
        return ST_DECLINED;
    if (operand_given(in, n_in, 2) && in[2].dtype != x->dtype)
        return ST_DECLINED;
    if (operand_given(in, n_in, 3) && (in[3].dtype != x->dtype || !view_same_shape(&in[3], &k->outputs[0]) || !view_is_contiguous(&in[3])))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(GemmConv), &state));
    GemmConv *s = state;
    s->p = *p;
    s->type = t;
    s->element = dtype_size(t);
    s->has_bias = operand_given(in, n_in, 2);
    s->has_add = operand_given(in, n_in, 3);
    s->copy_x = !view_is_contiguous(x);
    s->copy_w = !view_is_contiguous(w);
    TRY(take_shapes(s, p, x, w, size));
    const int64_t *walked = p->transposed ? s->in : s->out;
    size_t row = (size_t)((p->transposed ? s->out_c : s->in_c) * s->taps * walked[2]) * s->element;
    s->rows = row < COLUMN_BYTES ? (int64_t)(COLUMN_BYTES / row) : 1;
    int64_t all = walked[0] * walked[1];
    s->rows = s->rows > all ? all : s->rows;
    size_t at = 0;
    s->x_at = at;
    at += s->copy_x ? align_up((size_t)view_numel(x) * s->element) : 0;
    s->w_at = at;
    at += s->copy_w ? align_up((size_t)view_numel(w) * s->element) : 0;
    s->columns_at = at;
    at += s->direct ? 0 : align_up(row * (size_t)s->rows);
    k->scratch_bytes = at;
    k->flops = 2.0 * (double)view_numel(p->transposed ? x : &k->outputs[0]) * (double)((p->transposed ? s->out_c : s->in_c) * s->taps) * (complex_type ? 4 : 1);
    return ST_OK;
}

// ---- columns

// The o for which o * stride + offset lies in 0 … limit - 1: first … last - 1, within `count`.
static void inside(int64_t offset, int64_t stride, int64_t limit, int64_t count, int64_t *first, int64_t *last)
{
    *first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *last = offset >= limit ? 0 : (limit - 1 - offset) / stride + 1;
    *last = *last > count ? count : *last;
    *first = *first > *last ? *last : *first;
}

#define COPY_STRIDED(T)                                                                                                \
    static void copy_strided_##T(void *to, const void *from, int64_t step, int64_t n)                                   \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++)                                                                                \
            ((T *)to)[i] = ((const T *)from)[i * step];                                                                \
    }
typedef struct Wide { double part[2]; } Wide;
COPY_STRIDED(float)
COPY_STRIDED(double)
COPY_STRIDED(Wide)

static void copy_row(const GemmConv *s, char *to, const char *from, int64_t step, int64_t n)
{
    if (step == 1)
        memcpy(to, from, (size_t)n * s->element);
    else if (s->element == sizeof(float))
        copy_strided_float(to, from, step, n);
    else if (s->element == sizeof(double))
        copy_strided_double(to, from, step, n);
    else
        copy_strided_Wide(to, from, step, n);
}

// Columns [in_c * taps, rows * width] of output rows `row` … of one group; x is the first of its channels.
static void fill_columns(const GemmConv *s, const char *x, int64_t row, int64_t rows, char *to)
{
    int64_t width = s->out[2];
    for (int64_t r = 0; r < s->in_c * s->taps; r++) {
        int64_t c = r / s->taps, k[SPATIAL_MAX] = {r / (s->window[1] * s->window[2]) % s->window[0], r / s->window[2] % s->window[1], r % s->window[2]};
        int64_t offset = k[2] * s->dilation[2] - s->padding[2], first, last;
        inside(offset, s->stride[2], s->in[2], width, &first, &last);
        for (int64_t o = row; o < row + rows; o++, to += (size_t)width * s->element) {
            int64_t d = o / s->out[1] * s->stride[0] - s->padding[0] + k[0] * s->dilation[0];
            int64_t h = o % s->out[1] * s->stride[1] - s->padding[1] + k[1] * s->dilation[1];
            if (d < 0 || d >= s->in[0] || h < 0 || h >= s->in[1] || first == last) {
                memset(to, 0, (size_t)width * s->element);
                continue;
            }
            const char *from = x + (((c * s->in[0] + d) * s->in[1] + h) * s->in[2] + first * s->stride[2] + offset) * (int64_t)s->element;
            memset(to, 0, (size_t)first * s->element);
            copy_row(s, to + (size_t)first * s->element, from, s->stride[2], last - first);
            memset(to + (size_t)last * s->element, 0, (size_t)(width - last) * s->element);
        }
    }
}

static Status forward_group(const GemmConv *s, const char *x, const char *w, char *y, char *columns)
{
    int64_t k = s->in_c * s->taps, width = s->out[2], all = s->out[0] * s->out[1];
    if (s->direct)
        return blas_gemm(s->type, BLAS_N, BLAS_N, s->pixels_out, s->out_c, k, 1, x, s->pixels_in, w, k, 0, y, s->pixels_out);
    for (int64_t row = 0; row < all; row += s->rows) {
        int64_t rows = all - row < s->rows ? all - row : s->rows, n = rows * width;
        fill_columns(s, x, row, rows, columns);
        TRY(blas_gemm(s->type, BLAS_N, BLAS_N, n, s->out_c, k, 1, columns, n, w, k, 0, y + (size_t)(row * width) * s->element, s->pixels_out));
    }
    return ST_OK;
}

// to[i * step * parts …] += from[i * parts …]: a complex number is two parts.
#define ADD_STRIDED(T)                                                                                                 \
    static void add_strided_##T(T *to, const T *from, int64_t step, int64_t n, int parts)                               \
    {                                                                                                                  \
        if (step == 1)                                                                                                 \
            for (int64_t i = 0; i < n * parts; i++)                                                                    \
                to[i] += from[i];                                                                                      \
        else if (parts == 1)                                                                                           \
            for (int64_t i = 0; i < n; i++)                                                                            \
                to[i * step] += from[i];                                                                               \
        else                                                                                                           \
            for (int64_t i = 0; i < 2 * n; i++)                                                                        \
                to[i / 2 * 2 * step + i % 2] += from[i];                                                               \
    }
ADD_STRIDED(float)
ADD_STRIDED(double)

// Adds columns [out_c * taps, rows * width] of input rows to the output of one group.
static void add_columns(const GemmConv *s, const char *from, int64_t row, int64_t rows, char *y)
{
    int64_t width = s->in[2];
    bool wide = s->type == DT_F64 || s->type == DT_C128;
    int parts = s->type == DT_C64 || s->type == DT_C128 ? 2 : 1;
    for (int64_t r = 0; r < s->out_c * s->taps; r++) {
        int64_t c = r / s->taps, k[SPATIAL_MAX] = {r / (s->window[1] * s->window[2]) % s->window[0], r / s->window[2] % s->window[1], r % s->window[2]};
        int64_t offset = k[2] * s->dilation[2] - s->padding[2], first, last;
        inside(offset, s->stride[2], s->out[2], width, &first, &last);
        for (int64_t i = row; i < row + rows; i++, from += (size_t)width * s->element) {
            int64_t d = i / s->in[1] * s->stride[0] - s->padding[0] + k[0] * s->dilation[0];
            int64_t h = i % s->in[1] * s->stride[1] - s->padding[1] + k[1] * s->dilation[1];
            if (d < 0 || d >= s->out[0] || h < 0 || h >= s->out[1] || first == last)
                continue;
            char *to = y + (((c * s->out[0] + d) * s->out[1] + h) * s->out[2] + first * s->stride[2] + offset) * (int64_t)s->element;
            const char *source = from + (size_t)first * s->element;
            if (wide)
                add_strided_double((double *)to, (const double *)source, s->stride[2], last - first, parts);
            else
                add_strided_float((float *)to, (const float *)source, s->stride[2], last - first, parts);
        }
    }
}

static Status transposed_group(const GemmConv *s, const char *x, const char *w, char *y, char *columns)
{
    int64_t m = s->out_c * s->taps, width = s->in[2], all = s->in[0] * s->in[1];
    memset(y, 0, (size_t)(s->out_c * s->pixels_out) * s->element);
    for (int64_t row = 0; row < all; row += s->rows) {
        int64_t rows = all - row < s->rows ? all - row : s->rows, n = rows * width;
        TRY(blas_gemm(s->type, BLAS_N, BLAS_T, n, m, s->in_c, 1, x + (size_t)(row * width) * s->element, s->pixels_in, w, m, 0, columns, n));
        add_columns(s, columns, row, rows, y);
    }
    return ST_OK;
}

void conv_finish(const ConvParams *p, DType t, int64_t n, int64_t channels, int64_t pixels, const View *bias, const void *add, void *out)
{
    int64_t all = n * channels * pixels;
    bool wide = t == DT_F64 || t == DT_C128;
    int parts = t == DT_C64 || t == DT_C128 ? 2 : 1;
    for (int64_t c = 0; bias && c < n * channels; c++)
        for (int64_t i = 0, at = c * pixels * parts; i < pixels * parts; i++) {
            int64_t b = c % channels * bias->stride[0] * parts + i % parts;
            if (wide)
                ((double *)out)[at + i] += ((const double *)bias->data)[b];
            else
                ((float *)out)[at + i] += ((const float *)bias->data)[b];
        }
    if (t == DT_F32) {
        if (add)
            add_act_f32((Act)p->act, p->lo, p->hi, out, add, (size_t)all);
        else if (p->act != ACT_NONE)
            act_f32((Act)p->act, p->lo, p->hi, out, (size_t)all);
        return;
    }
    for (int64_t i = 0; add && i < all * parts; i++) {
        if (wide)
            ((double *)out)[i] += ((const double *)add)[i];
        else
            ((float *)out)[i] += ((const float *)add)[i];
    }
    for (int64_t i = 0; t == DT_F64 && p->act != ACT_NONE && i < all; i++)
        ((double *)out)[i] = act_f64((Act)p->act, p->lo, p->hi, ((double *)out)[i]);
}

// ---- running

static Status copied(const GemmConv *s, const View *v, bool copy, char *place, const char **out)
{
    *out = v->data;
    if (!copy)
        return ST_OK;
    View to = *v;
    to.data = place;
    view_set_contiguous(&to, v->ndim, v->size);
    *out = place;
    (void)s;
    return copy_convert(&to, v);
}

Status gemm_conv_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const GemmConv *s = k->state;
    char *area = scratch, *y = out[0].data;
    const char *x, *w;
    TRY(copied(s, &in[0], s->copy_x, area + s->x_at, &x));
    TRY(copied(s, &in[1], s->copy_w, area + s->w_at, &w));
    int64_t x_step = s->in_c * s->pixels_in, w_step = s->in_c * s->out_c * s->taps, y_step = s->out_c * s->pixels_out;
    for (int64_t i = 0; i < s->n * s->groups; i++) {
        const char *mine = x + (size_t)(i * x_step) * s->element, *weights = w + (size_t)(i % s->groups * w_step) * s->element;
        char *place = y + (size_t)(i * y_step) * s->element;
        TRY(s->p.transposed ? transposed_group(s, mine, weights, place, area + s->columns_at) : forward_group(s, mine, weights, place, area + s->columns_at));
    }
    conv_finish(&s->p, s->type, s->n, s->groups * s->out_c, s->pixels_out, s->has_bias ? &in[2] : NULL, s->has_add ? in[3].data : NULL, y);
    return ST_OK;
}

void gemm_conv_destroy(Kernel *k) { kernel_state_free(k); }
