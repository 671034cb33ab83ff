// Softmax of float32 along any dimension, vectorised, and the softmax inside attention.
// What is not contiguous is first copied into the result and worked on there.
#include "kernels/copy.h"
#include "kernels/cpu/fast_math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/variants.h"

typedef struct SoftmaxState {
    int64_t rows, count, inner; // [rows, count, inner]: over the middle one
    bool log, copy;
} SoftmaxState;

ISA_INLINE void softmax_rows_body(float *y, const float *x, int64_t rows, int64_t n, bool log_result)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        float most = row_max(x, n);
        if (log_result) {
            double sum = 0;
            for (int64_t i = 0; i < n;) { // exponentials of a stretch at a time, so that y may be x
                float e[64];
                int64_t len = n - i < 64 ? n - i : 64;
                for (int64_t j = 0; j < len; j++)
                    e[j] = fast_exp(x[i + j] - most);
                sum += row_sum(e, len);
                i += len;
            }
            float log_sum = (float)log(sum);
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] = x[i] - most - log_sum;
        } else {
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] = fast_exp(x[i] - most);
            float scale = (float)(1.0 / row_sum(y, n));
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] *= scale;
        }
    }
}
ISA_VARIANTS(softmax_rows, (float *y, const float *x, int64_t rows, int64_t n, bool log_result), (y, x, rows, n, log_result))

// ---- the rows of attention

ISA_INLINE void weigh_rows_body(float *x, const ScoreRows *s)
{
    for (int64_t r = 0; r < s->rows; r++, x += s->n) {
        int64_t last = s->first + r + 1, n = s->causal && last < s->n ? last : s->n;
        const float *add = s->add ? s->add + r * s->mask_row : NULL;
        const uint8_t *bits = s->bits ? s->bits + r * s->mask_row : NULL;
        if (add && s->mask_column == 1)
            for (int64_t j = 0; j < n; j++)
                x[j] = x[j] * s->scale + add[j];
        else if (bits && s->mask_column == 1)
            for (int64_t j = 0; j < n; j++)
                x[j] = bits[j] ? x[j] * s->scale : -INFINITY;
        else
            for (int64_t j = 0; j < n; j++) {
                float m = add ? add[j * s->mask_column] : bits && !bits[j * s->mask_column] ? -INFINITY : 0;
                x[j] = x[j] * s->scale + m;
            }
        float most = row_max(x, n);
        if (s->zero_hidden && most == -INFINITY)
            n = 0;
        for (int64_t j = 0; j < n; j++)
            x[j] = fast_exp(x[j] - most);
        float scale = (float)(1.0 / row_sum(x, n));
        for (int64_t j = 0; j < n; j++)
            x[j] *= scale;
        for (int64_t j = n; j < s->n; j++)
            x[j] = 0;
    }
}
ISA_VARIANTS(weigh_rows, (float *x, const ScoreRows *s), (x, s))

void softmax_scores(float *scores, const ScoreRows *s) { weigh_rows(scores, s); }

// ---- columns

// Elements to be normalised together lie `inner` apart; STRIP neighbours are done at a time.
enum { STRIP = 32 };

ISA_INLINE void softmax_columns_body(float *y, const float *x, int64_t outer, int64_t n, int64_t inner, bool log_result)
{
    for (int64_t o = 0; o < outer; o++, x += n * inner, y += n * inner)
        for (int64_t c = 0; c < inner; c += STRIP) {
            int64_t w = inner - c < STRIP ? inner - c : STRIP;
            float most[STRIP], scale[STRIP];
            double sum[STRIP];
            for (int64_t j = 0; j < w; j++) {
                most[j] = -INFINITY;
                sum[j] = 0;
            }
            for (int64_t i = 0; i < n; i++)
                for (int64_t j = 0; j < w; j++) {
                    float v = x[i * inner + c + j];
                    most[j] = v > most[j] ? v : most[j];
                }
            for (int64_t i = 0; i < n; i++) {
                float e[STRIP];
                for (int64_t j = 0; j < w; j++)
                    e[j] = fast_exp(x[i * inner + c + j] - most[j]);
                for (int64_t j = 0; j < w; j++)
                    sum[j] += (double)e[j];
                if (!log_result)
                    memcpy(y + i * inner + c, e, sizeof(float) * (size_t)w);
            }
            for (int64_t j = 0; j < w; j++)
                scale[j] = (float)(log_result ? log(sum[j]) : 1.0 / sum[j]);
            for (int64_t i = 0; i < n; i++)
                for (int64_t j = 0; j < w; j++) {
                    float *to = y + i * inner + c + j;
                    *to = log_result ? x[i * inner + c + j] - most[j] - scale[j] : *to * scale[j];
                }
        }
}
ISA_VARIANTS(softmax_columns, (float *y, const float *x, int64_t outer, int64_t n, int64_t inner, bool log_result), (y, x, outer, n, inner, log_result))

Status c_softmax_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const SoftmaxParams *p = params;
    const View *x = &in[0];
    if (x->dtype != DT_F32 || x->layout != LAYOUT_STRIDED)
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(SoftmaxState), &state));
    SoftmaxState *s = state;
    s->rows = s->inner = s->count = 1;
    for (int i = 0; i < x->ndim; i++)
        *(i < p->dim ? &s->rows : i == p->dim ? &s->count : &s->inner) *= x->size[i];
    s->log = p->log;
    s->copy = !view_is_contiguous(x);
    kernel_output(k, 0, DT_F32, x->ndim, x->size);
    k->in_place = s->copy ? -1 : 0;
    return ST_OK;
}

Status c_softmax_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const SoftmaxState *s = k->state;
    const float *x = in[0].data;
    if (s->copy) {
        TRY(copy_convert(&out[0], &in[0]));
        x = out[0].data;
    }
    if (s->inner == 1)
        softmax_rows(out[0].data, x, s->rows, s->count, s->log);
    else
        softmax_columns(out[0].data, x, s->rows, s->count, s->inner, s->log);
    return ST_OK;
}

void c_softmax_destroy(Kernel *k) { kernel_state_free(k); }
