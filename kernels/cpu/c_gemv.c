// Products of a matrix and a vector, float32: every element of the matrix is used once, so that rearranging it first,
// as products of two matrices do, would take longer than the product. The same bits on every instruction set.
#include "kernels/cpu/rows.h"
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

enum {
    ROWS = 4,        // of the matrix at once
    COLUMNS = 512,   // sums of columns at once
    SHORT = 64,      // rows that are summed before they join those before them
    ALONE = 1 << 16, // elements from which several threads are better, where they are allowed
};

typedef struct Gemv {
    int64_t rows, columns, ld; // of the matrix; elements from one row to the next
    bool down;                 // y[columns] = x[rows] matrix, else y[rows] = matrix x[columns]
    int matrix, vector;        // operands
    bool bias, add;
    ActParams act;
} Gemv;

// Rows at a, `ld` apart, times x: each in 16 sums, those of elements that lie 16 apart.
ISA_INLINE void some_dots(const float *a, int64_t ld, int rows, const float *x, int64_t n, float *y)
{
    Lanes sum[ROWS] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        Lanes v = lanes_of(x + i);
        for (int r = 0; r < rows; r++) {
            Lanes w = lanes_of(a + r * ld + i);
            sum[r].low += w.low * v.low;
            sum[r].high += w.high * v.high;
        }
    }
    for (int r = 0; r < rows; r++) {
        Eight s = sum[r].low + sum[r].high;
        float rest = 0;
        for (int64_t k = i; k < n; k++)
            rest += a[r * ld + k] * x[k];
        y[r] = (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))) + rest;
    }
}

ISA_INLINE void dots_body(const Gemv *g, const float *a, const float *x, float *y)
{
    int64_t r = 0;
    for (; r + ROWS <= g->rows; r += ROWS)
        some_dots(a + r * g->ld, g->ld, ROWS, x, g->columns, y + r);
    for (; r < g->rows; r++)
        some_dots(a + r * g->ld, g->ld, 1, x, g->columns, y + r);
}
ISA_VARIANTS(dots, (const Gemv *g, const float *a, const float *x, float *y), (g, a, x, y))

ISA_INLINE void down_body(const Gemv *g, const float *a, const float *x, float *y)
{
    float some[COLUMNS];
    for (int64_t from = 0; from < g->columns; from += COLUMNS) {
        int64_t n = g->columns - from < COLUMNS ? g->columns - from : COLUMNS;
        memset(y + from, 0, (size_t)n * sizeof *y);
        for (int64_t first = 0; first < g->rows; first += SHORT) {
            int64_t end = g->rows - first < SHORT ? g->rows : first + SHORT, r = first;
            memset(some, 0, sizeof some);
            for (; r + ROWS <= end; r += ROWS) {
                const float *p = a + r * g->ld + from, *q = p + g->ld, *s = q + g->ld, *t = s + g->ld;
                ISA_INDEPENDENT
                for (int64_t i = 0; i < n; i++)
                    some[i] = some[i] + p[i] * x[r] + q[i] * x[r + 1] + s[i] * x[r + 2] + t[i] * x[r + 3];
            }
            for (; r < end; r++) {
                const float *p = a + r * g->ld + from;
                ISA_INDEPENDENT
                for (int64_t i = 0; i < n; i++)
                    some[i] += p[i] * x[r];
            }
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[from + i] += some[i];
        }
    }
}
ISA_VARIANTS(down, (const Gemv *g, const float *a, const float *x, float *y), (g, a, x, y))

void gemv_f32(int64_t rows, int64_t columns, const float *a, const float *x, float *y)
{
    Gemv g = {.rows = rows, .columns = columns, .ld = columns};
    dots(&g, a, x, y);
}

static Status start(Kernel *k, const KernelContext *ctx, const Gemv *g)
{
    if (g->rows == 0 || g->columns == 0 || (ctx->threads > 1 && g->rows * g->columns >= ALONE))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof *g, &state));
    *(Gemv *)state = *g;
    k->flops = 2.0 * (double)g->rows * (double)g->columns;
    return ST_OK;
}

static Status run(const Kernel *k, const View *in, const View *out)
{
    const Gemv *g = k->state;
    float *y = out->data;
    (g->down ? down : dots)(g, in[g->matrix].data, in[g->vector].data, y);
    size_t n = (size_t)(g->down ? g->columns : g->rows);
    const float *bias = g->bias ? in[2].data : NULL;
    for (size_t i = 0; bias && i < n; i++)
        y[i] += bias[i];
    if (g->add)
        add_act_f32((Act)g->act.act, g->act.lo, g->act.hi, y, in[3].data, n);
    else
        act_f32((Act)g->act.act, g->act.lo, g->act.hi, y, n);
    return ST_OK;
}

static bool side_by_side(const View *v)
{
    return v->size[v->ndim - 1] == 1 || v->stride[v->ndim - 1] == 1;
}

Status c_gemv_linear_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    int64_t size[VIEW_MAX_DIMS];
    TRY(linear_shape(in, n_in, size));
    const View *x = &in[0], *w = &in[1];
    Gemv g = {.rows = w->size[0],
              .columns = w->size[1],
              .ld = w->stride[0],
              .matrix = 1,
              .bias = operand_given(in, n_in, 2),
              .add = operand_given(in, n_in, 3),
              .act = *(const ActParams *)params};
    if (x->dtype != DT_F32 || any_private(in, n_in) || view_numel(x) != g.columns || !view_is_contiguous(x) ||
        !side_by_side(w) || (g.bias && (in[2].ndim != 1 || in[2].size[0] != g.rows || !view_is_contiguous(&in[2]))))
        return ST_DECLINED;
    kernel_output(k, 0, DT_F32, x->ndim, size);
    if (g.add && (in[3].dtype != DT_F32 || !view_same_shape(&in[3], &k->outputs[0]) || !view_is_contiguous(&in[3])))
        return ST_DECLINED;
    return start(k, ctx, &g);
}

Status c_gemv_linear_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    return run(k, in, out);
}

void c_gemv_linear_destroy(Kernel *k)
{
    kernel_state_free(k);
}

Status c_gemv_matmul_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const MatmulParams *p = params;
    MatmulShape s;
    TRY(matmul_shape(&in[0], &in[1], &s));
    if (s.a.dtype != DT_F32 || s.ndim != 2 || any_private(in, n_in) || (s.m == 1) == (s.n == 1) || p->alpha != 1 ||
        p->alpha_im != 0 || (operand_given(in, n_in, 2) && (p->beta != 0 || p->beta_im != 0)))
        return ST_DECLINED;
    bool left = s.n == 1; // the matrix
    const View *a = left ? &s.a : &s.b, *x = left ? &s.b : &s.a;
    if (x->stride[left ? 0 : 1] != 1 && s.k != 1)
        return ST_DECLINED;
    // As rows whose elements lie side by side: those of the matrix, or of its transpose.
    bool by_row = side_by_side(a), by_column = a->size[0] == 1 || a->stride[0] == 1;
    if (!by_row && !by_column)
        return ST_DECLINED;
    Gemv g = {.rows = a->size[by_row ? 0 : 1],
              .columns = a->size[by_row ? 1 : 0],
              .ld = a->stride[by_row ? 0 : 1],
              .down = left != by_row,
              .matrix = !left,
              .vector = left};
    kernel_output(k, 0, DT_F32, s.out_ndim, s.out_size);
    return start(k, ctx, &g);
}

Status c_gemv_matmul_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    return run(k, in, out);
}

void c_gemv_matmul_destroy(Kernel *k)
{
    kernel_state_free(k);
}
