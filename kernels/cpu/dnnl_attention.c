// Attention of float32: per batch and block of queries, scores through oneDNN into a buffer that stays in the cache, mask and
// softmax in place, then the product with the values. The scores of a whole head are never in memory at once.
#include "kernels/attention.h"
#include "kernels/copy.h"
#include "kernels/cpu/dnnl_prim.h"
#include "kernels/cpu/variants.h"

#include <string.h>

enum { SCORES_BYTES = 256 << 10 };

typedef struct Product {
    Prim prim;
    int a, b, out;
} Product;

typedef struct AttentionState {
    AttentionShape s;
    float scale;
    bool causal, zero_hidden, weights, mask;
    int64_t rows;            // queries per block
    Product scores[2], values[2]; // for a full block and for the last one
    int64_t row_stride[3];
    bool copied[3];          // operands whose last dimension does not lie in one piece
    size_t copy_at[3], scores_at, lib_at;
} AttentionState;

static Status product_new(Product *p, const int64_t *a_size, const int64_t *a_stride, const int64_t *b_size, const int64_t *b_stride, int64_t out_stride)
{
    Md a = {0}, b = {0}, out = {0};
    Attr attr = NULL;
    Pd pd = NULL;
    int64_t out_size[2] = {a_size[0], b_size[1]}, out_strides[2] = {out_stride, 1};
    Status s = md_strided(&a, DT_F32, 2, a_size, a_stride);
    if (s == ST_OK)
        s = md_strided(&b, DT_F32, 2, b_size, b_stride);
    if (s == ST_OK)
        s = md_strided(&out, DT_F32, 2, out_size, out_strides);
    if (s == ST_OK)
        s = attr_new(&attr);
    if (s == ST_OK)
        s = pd_matmul(&pd, MD_REF(a), MD_REF(b), NULL, MD_REF(out), attr);
    if (s == ST_OK)
        s = prim_new(&p->prim, pd);
    if (s == ST_OK)
        s = prim_arg(&p->prim, DNNL_ARG_SRC, MD_REF(a), &p->a);
    if (s == ST_OK)
        s = prim_arg(&p->prim, DNNL_ARG_WEIGHTS, MD_REF(b), &p->b);
    if (s == ST_OK)
        s = prim_arg(&p->prim, DNNL_ARG_DST, MD_REF(out), &p->out);
    pd_free(pd);
    attr_free(attr);
    md_free(&a);
    md_free(&b);
    md_free(&out);
    return s;
}

// Copies are contiguous, so an operand's rows are then its width apart and its batches follow.
static void plan_operands(AttentionState *st, const View *in, size_t *scratch)
{
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        const View *v = &in[i];
        int64_t width = v->size[v->ndim - 1];
        st->row_stride[i] = v->stride[v->ndim - 2];
        st->copied[i] = (v->stride[v->ndim - 1] != 1 && width != 1) || (st->row_stride[i] < width && v->size[v->ndim - 2] != 1);
        st->copy_at[i] = at;
        if (st->copied[i]) {
            View c = *v;
            view_set_contiguous(&c, v->ndim, v->size);
            at += scratch_align((size_t)view_numel(v) * sizeof(float));
            int lead = v->ndim - 2;
            for (int d = 0; d < st->s.batch_dims; d++) {
                int from = d - (st->s.batch_dims - lead);
                st->s.stride[i][d] = from < 0 || v->size[from] == 1 ? 0 : c.stride[from];
            }
        }
        if (st->copied[i] || st->row_stride[i] < width)
            st->row_stride[i] = width;
    }
    *scratch = at;
}

static Status plan_products(AttentionState *st)
{
    const AttentionShape *s = &st->s;
    int64_t last = s->l % st->rows;
    for (int i = 0; i < 2; i++) {
        int64_t rows = i == 0 ? st->rows : last;
        if (rows == 0)
            continue;
        TRY(product_new(&st->scores[i], (int64_t[]){rows, s->e}, (int64_t[]){st->row_stride[0], 1}, (int64_t[]){s->e, s->s},
                        (int64_t[]){1, st->row_stride[1]}, s->s));
        TRY(product_new(&st->values[i], (int64_t[]){rows, s->s}, (int64_t[]){s->s, 1}, (int64_t[]){s->s, s->v}, (int64_t[]){st->row_stride[2], 1}, s->v));
    }
    return ST_OK;
}

Status dnnl_attention_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const AttentionParams *p = params;
    AttentionShape s;
    TRY(attention_shape(in, n_in, &s));
    bool mask = operand_given(in, n_in, 3);
    if (in[0].dtype != DT_F32 || any_private(in, n_in) || !dnnl_cpu_engine() || s.count * s.l * s.s * s.e * s.v == 0 ||
        (mask && in[3].dtype != DT_BOOL && in[3].dtype != DT_F32))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(AttentionState), &state));
    AttentionState *st = state;
    st->s = s;
    st->scale = (float)p->scale;
    st->causal = p->causal;
    st->zero_hidden = p->zero_hidden;
    st->weights = p->need_weights;
    st->mask = mask;
    int64_t fit = SCORES_BYTES / (int64_t)sizeof(float) / s.s / 16 * 16;
    st->rows = fit < 16 ? 16 : fit;
    if (st->rows > s.l)
        st->rows = s.l;
    size_t at, lib = 0;
    plan_operands(st, in, &at);
    TRY(plan_products(st));
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, s.batch, sizeof size);
    size[s.batch_dims] = s.l;
    size[s.batch_dims + 1] = s.v;
    kernel_output(k, 0, DT_F32, s.batch_dims + 2, size);
    size[s.batch_dims + 1] = s.s;
    if (st->weights)
        kernel_output(k, 1, DT_F32, s.batch_dims + 2, size);
    for (int i = 0; i < 2; i++) {
        size_t a = st->scores[i].prim.scratch_bytes, b = st->values[i].prim.scratch_bytes;
        lib = a > lib ? a : lib;
        lib = b > lib ? b : lib;
    }
    st->scores_at = at;
    st->lib_at = at + scratch_align((size_t)(st->rows * s.s) * sizeof(float));
    k->scratch_bytes = st->lib_at + scratch_align(lib);
    k->flops = 2.0 * (double)(s.count * s.l * s.s) * (double)(s.e + s.v);
    return ST_OK;
}

// Scales, masks and normalises the scores of queries first … first + rows.
static void weigh(const AttentionState *st, const View *mask, int64_t batch, int64_t first, int64_t rows, float *scores)
{
    const AttentionShape *s = &st->s;
    ScoreRows r = {.rows = rows, .n = s->s, .first = first, .scale = st->scale, .causal = st->causal, .zero_hidden = st->zero_hidden, .mask_row = s->mask_row, .mask_column = s->mask_column};
    if (st->mask) {
        int64_t at = attention_offset(s, s->mask, batch) + first * s->mask_row;
        if (mask->dtype == DT_BOOL)
            r.bits = (const uint8_t *)mask->data + at;
        else
            r.add = (const float *)mask->data + at;
    }
    softmax_scores(scores, &r);
}

static Status product_run(const Product *p, const float *a, const float *b, float *out, void *lib)
{
    prim_set(&p->prim, p->a, a);
    prim_set(&p->prim, p->b, b);
    prim_set(&p->prim, p->out, out);
    return prim_run(&p->prim, lib);
}

Status dnnl_attention_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const AttentionState *st = k->state;
    const AttentionShape *s = &st->s;
    char *area = scratch;
    const float *data[3];
    for (int i = 0; i < 3; i++) {
        data[i] = in[i].data;
        if (st->copied[i]) {
            View to = in[i];
            view_set_contiguous(&to, in[i].ndim, in[i].size);
            to.data = area + st->copy_at[i];
            TRY(copy_convert(&to, &in[i]));
            data[i] = to.data;
        }
    }
    float *scores = (float *)(void *)(area + st->scores_at);
    for (int64_t b = 0; b < s->count; b++) {
        const float *q = data[0] + attention_offset(s, s->stride[0], b), *key = data[1] + attention_offset(s, s->stride[1], b);
        const float *v = data[2] + attention_offset(s, s->stride[2], b);
        for (int64_t first = 0; first < s->l; first += st->rows) {
            int64_t rows = s->l - first < st->rows ? s->l - first : st->rows;
            int which = rows == st->rows ? 0 : 1;
            TRY(product_run(&st->scores[which], q + first * st->row_stride[0], key, scores, area + st->lib_at));
            weigh(st, &in[3], b, first, rows, scores);
            if (st->weights)
                memcpy((float *)out[1].data + (b * s->l + first) * s->s, scores, sizeof(float) * (size_t)(rows * s->s));
            TRY(product_run(&st->values[which], scores, v, (float *)out[0].data + (b * s->l + first) * s->v, area + st->lib_at));
        }
    }
    return ST_OK;
}

void dnnl_attention_destroy(Kernel *k)
{
    AttentionState *st = k->state;
    if (!st)
        return;
    for (int i = 0; i < 2; i++) {
        prim_free(&st->scores[i].prim);
        prim_free(&st->values[i].prim);
    }
    kernel_state_free(k);
}
