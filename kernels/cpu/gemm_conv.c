// Convolution as matrix products through OpenBLAS, for what oneDNN does not have or has only a slow form of: float64,
// complex, and odd shapes of float32; integers by products of our own. The windows become columns, some output rows at a time so that they stay in the
// cache; a transposed convolution multiplies first and adds the columns up where they belong.
#include "kernels/copy.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/variants.h"
#include "kernels/lapack.h"

#include <string.h>

enum { COLUMN_BYTES = 1 << 19 }; // of one block of columns

typedef struct GemmConv {
    ConvParams p;
    Columns c;                             // of the input; transposed: of the output
    bool has_bias, has_add, direct;        // direct: the input is its own columns (1 x 1)
    bool copy_x, copy_w;                   // operands are made contiguous first
    int64_t n, groups, in_c, out_c;        // channels of one group
    int64_t pixels_in, pixels_out, rows;   // rows: of windows at a time
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
    Columns *c = &s->c;
    c->taps = s->pixels_in = s->pixels_out = 1;
    s->direct = !p->transposed;
    for (int d = 0; d < SPATIAL_MAX; d++) {
        int i = d - first;
        int64_t from = i < 0 ? 1 : x->size[i + 2], to = i < 0 ? 1 : size[i + 2];
        c->image[d] = p->transposed ? to : from;
        c->windows[d] = p->transposed ? from : to;
        c->window[d] = i < 0 ? 1 : w->size[i + 2];
        c->stride[d] = i < 0 ? 1 : p->stride[i];
        c->dilation[d] = i < 0 ? 1 : p->dilation[i];
        c->padding[d] = i < 0 ? 0 : p->padding[i];
        c->taps *= c->window[d];
        s->pixels_in *= from;
        s->pixels_out *= to;
        s->direct = s->direct && c->window[d] == 1 && c->stride[d] == 1 && c->padding[d] == 0 && from == to;
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
    bool integer = t == DT_I32 || t == DT_I64;
    if ((t != DT_F32 && t != DT_F64 && !complex_type && !integer) || w->dtype != x->dtype || any_private(in, n_in) || (complex_type && p->act != ACT_NONE) ||
        (integer && (p->transposed || p->act != ACT_NONE || operand_given(in, n_in, 3))))
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
    s->c.type = t;
    s->c.element = dtype_size(t);
    s->has_bias = operand_given(in, n_in, 2);
    s->has_add = operand_given(in, n_in, 3);
    s->copy_x = !view_is_contiguous(x);
    s->copy_w = !view_is_contiguous(w);
    TRY(take_shapes(s, p, x, w, size));
    const int64_t *walked = s->c.windows;
    size_t row = (size_t)((p->transposed ? s->out_c : s->in_c) * s->c.taps * walked[2]) * s->c.element;
    s->rows = row < COLUMN_BYTES ? (int64_t)(COLUMN_BYTES / row) : 1;
    int64_t all = walked[0] * walked[1];
    s->rows = s->rows > all ? all : s->rows;
    size_t at = 0;
    s->x_at = at;
    at += s->copy_x ? align_up((size_t)view_numel(x) * s->c.element) : 0;
    s->w_at = at;
    at += s->copy_w ? align_up((size_t)view_numel(w) * s->c.element) : 0;
    s->columns_at = at;
    at += s->direct ? 0 : align_up(row * (size_t)s->rows);
    k->scratch_bytes = at;
    k->flops = 2.0 * (double)view_numel(p->transposed ? x : &k->outputs[0]) * (double)((p->transposed ? s->out_c : s->in_c) * s->c.taps) * (complex_type ? 4 : 1);
    return ST_OK;
}

// ---- one group of one sample

// y [out_c, n] of rows pixels_out apart = w [out_c, k] columns [k, n].
static Status multiply(const GemmConv *s, int64_t n, int64_t k, const char *columns, const char *w, char *y)
{
    if (s->c.type != DT_I32 && s->c.type != DT_I64)
        return blas_gemm(s->c.type, BLAS_N, BLAS_N, n, s->out_c, k, 1, columns, n, w, k, 0, y, s->pixels_out);
    for (int64_t c = 0; c < s->out_c; c++)
        memset(y + (size_t)(c * s->pixels_out) * s->c.element, 0, (size_t)n * s->c.element);
    (s->c.type == DT_I32 ? gemm_i32 : gemm_i64)(s->out_c, n, k, w, columns, y, s->pixels_out);
    return ST_OK;
}

static Status forward_group(const GemmConv *s, const char *x, const char *w, char *y, char *columns)
{
    int64_t k = s->in_c * s->c.taps, width = s->c.windows[2], all = s->c.windows[0] * s->c.windows[1];
    if (s->direct)
        return multiply(s, s->pixels_out, k, x, w, y);
    for (int64_t row = 0; row < all; row += s->rows) {
        int64_t rows = all - row < s->rows ? all - row : s->rows, n = rows * width;
        columns_fill(&s->c, s->in_c, x, row, rows, columns);
        TRY(multiply(s, n, k, columns, w, y + (size_t)(row * width) * s->c.element));
    }
    return ST_OK;
}

static Status transposed_group(const GemmConv *s, const char *x, const char *w, char *y, char *columns)
{
    int64_t m = s->out_c * s->c.taps, width = s->c.windows[2], all = s->c.windows[0] * s->c.windows[1];
    memset(y, 0, (size_t)(s->out_c * s->pixels_out) * s->c.element);
    for (int64_t row = 0; row < all; row += s->rows) {
        int64_t rows = all - row < s->rows ? all - row : s->rows, n = rows * width;
        TRY(blas_gemm(s->c.type, BLAS_N, BLAS_T, n, m, s->in_c, 1, x + (size_t)(row * width) * s->c.element, s->pixels_in, w, m, 0, columns, n));
        columns_add(&s->c, s->out_c, columns, row, rows, y);
    }
    return ST_OK;
}

void conv_finish(const ConvParams *p, DType t, int64_t n, int64_t channels, int64_t pixels, const View *bias, const void *add, void *out)
{
    int64_t all = n * channels * pixels;
    if (t == DT_I32 || t == DT_I64) {
        for (int64_t i = 0; bias && i < all; i++) {
            int64_t b = i / pixels % channels * bias->stride[0];
            if (t == DT_I64)
                ((uint64_t *)out)[i] += ((const uint64_t *)bias->data)[b];
            else
                ((uint32_t *)out)[i] += ((const uint32_t *)bias->data)[b];
        }
        return;
    }
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
    int64_t x_step = s->in_c * s->pixels_in, w_step = s->in_c * s->out_c * s->c.taps, y_step = s->out_c * s->pixels_out;
    for (int64_t i = 0; i < s->n * s->groups; i++) {
        const char *mine = x + (size_t)(i * x_step) * s->c.element, *weights = w + (size_t)(i % s->groups * w_step) * s->c.element;
        char *place = y + (size_t)(i * y_step) * s->c.element;
        TRY(s->p.transposed ? transposed_group(s, mine, weights, place, area + s->columns_at) : forward_group(s, mine, weights, place, area + s->columns_at));
    }
    conv_finish(&s->p, s->c.type, s->n, s->groups * s->out_c, s->pixels_out, s->has_bias ? &in[2] : NULL, s->has_add ? in[3].data : NULL, y);
    return ST_OK;
}

void gemm_conv_destroy(Kernel *k) { kernel_state_free(k); }
