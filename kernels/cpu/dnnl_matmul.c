// Matrix products through oneDNN. A product with a matrix on the right is one big matrix product, whose right side is packed
// once when it is constant; other batches go to the library as strided descriptors, without copies where it can.
#include "kernels/copy.h"
#include "kernels/cpu/dnnl_prim.h"
#include "kernels/cpu/variants.h"

#include <string.h>

// What a product is followed by.
typedef struct Tail {
    bool bias, sum;
    Act act;
    float lo, hi;
} Tail;

typedef struct MatmulState {
    Prim prim;
    View copy[2];        // a and b as copied to contiguous scratch, where the library cannot take their strides
    bool copied[2];
    const void *packed;  // b, constant
    int at_a, at_b, at_bias, at_out;
    int bias_in, sum_in; // operand numbers, or -1
    size_t copy_at[2], lib_at;
    // out = alpha * out + beta * c afterwards
    bool finish;
    float alpha, beta;
    int64_t c_stride[VIEW_MAX_DIMS];
    // activation afterwards
    Act act;
    float lo, hi;
} MatmulState;

static Status matmul_attr(Attr *a, const Tail *t)
{
    TRY(attr_new(a));
    Status s = attr_post_ops(*a, t->sum, t->act, t->lo, t->hi);
    if (s != ST_OK) {
        attr_free(*a);
        *a = NULL;
    }
    return s;
}

static Status add_args(MatmulState *s, Pd pd, MdRef bias)
{
    TRY(prim_new(&s->prim, pd));
    TRY(prim_arg(&s->prim, DNNL_ARG_SRC, pd_md(pd, dnnl_query_src_md), &s->at_a));
    TRY(prim_arg(&s->prim, DNNL_ARG_WEIGHTS, pd_md(pd, dnnl_query_weights_md), &s->at_b));
    if (bias)
        TRY(prim_arg(&s->prim, DNNL_ARG_BIAS, bias, &s->at_bias));
    return prim_arg(&s->prim, DNNL_ARG_DST, pd_md(pd, dnnl_query_dst_md), &s->at_out);
}

static void plan_scratch(Kernel *k, MatmulState *s)
{
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        s->copy_at[i] = at;
        at += s->copied[i] ? scratch_align((size_t)view_numel(&s->copy[i]) * sizeof(float)) : 0;
    }
    s->lib_at = at;
    k->scratch_bytes = at + scratch_align(s->prim.scratch_bytes);
}

static void plan_copy(MatmulState *s, int i, const View *v)
{
    s->copy[i] = *v;
    s->copied[i] = true;
}

// The leading dimensions of v (all but the last `keep`) as one, when their strides allow it.
static bool fold_leading(const View *v, int keep, int64_t *size, int64_t *stride)
{
    int64_t s = 1, n = 1;
    bool first = true;
    for (int i = v->ndim - keep - 1; i >= 0; i--) {
        if (v->size[i] == 1)
            continue;
        if (!first && v->stride[i] != s * n)
            return false;
        if (first)
            s = v->stride[i];
        first = false;
        n *= v->size[i];
    }
    *size = n;
    *stride = first ? (keep ? v->size[v->ndim - 1] : 1) : s;
    return true;
}

// x [M, K] times a constant w [N, K], transposed: the library's inner product, which chooses how w is packed.
static Status prepare_packed(MatmulState *s, const KernelContext *ctx, const View *w, MdRef x, MdRef out, MdRef bias, const Tail *tail)
{
    Md any = {0}, user = {0};
    Attr a = NULL;
    Pd pd = NULL;
    Status st = md_any(&any, DT_F32, 2, w->size);
    if (st == ST_OK)
        st = md_strided(&user, DT_F32, 2, w->size, w->stride);
    if (st == ST_OK)
        st = matmul_attr(&a, tail);
    if (st == ST_OK)
        st = pd_inner_product(&pd, x, MD_REF(any), bias, out, a);
    if (st == ST_OK)
        st = pack_operand(ctx->packs, "dnnl linear weight", w, MD_REF(user), pd_md(pd, dnnl_query_weights_md), &s->packed);
    if (st == ST_OK)
        st = add_args(s, pd, bias);
    pd_free(pd);
    attr_free(a);
    md_free(&any);
    md_free(&user);
    return st;
}

static Status plain_pd(Pd *pd, MatmulState *s, const View *a, const View *b, MdRef out, MdRef bias, Attr attr)
{
    Md ma = {0}, mb = {0};
    Status st = s->copied[0] ? md_layout(&ma, DT_F32, LAYOUT_STRIDED, a->ndim, a->size) : md_strided(&ma, DT_F32, a->ndim, a->size, a->stride);
    if (st == ST_OK)
        st = s->copied[1] ? md_layout(&mb, DT_F32, LAYOUT_STRIDED, b->ndim, b->size) : md_strided(&mb, DT_F32, b->ndim, b->size, b->stride);
    if (st == ST_OK)
        st = pd_matmul(pd, MD_REF(ma), MD_REF(mb), bias, out, attr);
    md_free(&ma);
    md_free(&mb);
    return st;
}

// a times b as they lie; where only the library's slow code takes their strides, contiguous copies in scratch. An operand
// that is already to be copied stays so.
static Status prepare_plain(MatmulState *s, const View *a, const View *b, MdRef out, MdRef bias, const Tail *tail)
{
    Attr attr = NULL;
    Pd pd = NULL;
    TRY(matmul_attr(&attr, tail));
    Status st = plain_pd(&pd, s, a, b, out, bias, attr);
    if (st == ST_DECLINED || (st == ST_OK && pd_is_reference(pd))) {
        pd_free(pd);
        pd = NULL;
        if (!s->copied[0])
            plan_copy(s, 0, a);
        if (!s->copied[1])
            plan_copy(s, 1, b);
        st = plain_pd(&pd, s, a, b, out, bias, attr);
    }
    if (st == ST_OK)
        st = add_args(s, pd, bias);
    pd_free(pd);
    attr_free(attr);
    return st;
}

// [M, K] @ [K, N] with b given as its transpose w [N, K]. x: the view whose leading dimensions fold, or do not.
static Status prepare_matrix(MatmulState *s, const KernelContext *ctx, const View *x, const View *w, const Tail *tail)
{
    int64_t m, lead, k = w->size[1], n = w->size[0];
    View x2 = *x; // as a matrix
    int64_t last = x->stride[x->ndim - 1];
    bool folds = fold_leading(x, 1, &m, &lead) && (m == 1 || lead > 0);
    if (!folds || (last != 1 && k != 1 && !(lead == 1 || m == 1))) { // neither rows nor columns lie in one piece
        plan_copy(s, 0, x);
        m = view_numel(x) / (k ? k : 1);
        lead = k;
        last = 1;
    }
    if (k == 1)
        last = 1;
    if (m == 1)
        lead = last == 1 ? k : 1;
    x2.ndim = 2;
    x2.size[0] = m;
    x2.size[1] = k;
    x2.stride[0] = lead;
    x2.stride[1] = last;
    Md out = {0}, bias = {0}, dense = {0};
    Status st = md_layout(&out, DT_F32, LAYOUT_STRIDED, 2, (int64_t[]){m, n});
    bool is_dense = lead == k && last == 1;
    if (st == ST_OK && w->constant && is_dense) {
        if (tail->bias)
            st = md_layout(&bias, DT_F32, LAYOUT_STRIDED, 1, &n);
        if (st == ST_OK)
            st = md_layout(&dense, DT_F32, LAYOUT_STRIDED, 2, x2.size);
        if (st == ST_OK)
            st = prepare_packed(s, ctx, w, MD_REF(dense), MD_REF(out), MD_REF(bias), tail);
    } else if (st == ST_OK) {
        View b = *w;
        b.size[0] = k;
        b.size[1] = n;
        b.stride[0] = w->stride[1];
        b.stride[1] = w->stride[0];
        if (tail->bias)
            st = md_layout(&bias, DT_F32, LAYOUT_STRIDED, 2, (int64_t[]){1, n});
        if (st == ST_OK)
            st = prepare_plain(s, &x2, &b, MD_REF(out), MD_REF(bias), tail);
    }
    md_free(&out);
    md_free(&bias);
    md_free(&dense);
    return st;
}

// ---- linear

static Status linear_try(Kernel *k, MatmulState *s, const KernelContext *ctx, const View *in, const ActParams *p, bool separate)
{
    Tail tail = {s->bias_in >= 0, s->sum_in >= 0, separate ? ACT_NONE : (Act)p->act, p->lo, p->hi};
    s->act = separate ? (Act)p->act : ACT_NONE;
    s->lo = p->lo;
    s->hi = p->hi;
    Status st = prepare_matrix(s, ctx, &in[0], &in[1], &tail);
    if (st == ST_OK && s->sum_in >= 0 && view_is_contiguous(&in[3]))
        k->in_place = 3;
    return st;
}

Status dnnl_linear_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const ActParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    TRY(linear_shape(in, n_in, size));
    kernel_output(k, 0, DT_F32, in[0].ndim, size);
    const View *bias = operand_given(in, n_in, 2) ? &in[2] : NULL, *add = operand_given(in, n_in, 3) ? &in[3] : NULL;
    if (in[0].dtype != DT_F32 || any_private(in, n_in) || view_numel(&in[0]) == 0 || view_numel(&in[1]) == 0 || !dnnl_cpu_engine())
        return ST_DECLINED;
    if (bias && (bias->ndim != 1 || bias->size[0] != in[1].size[0] || !view_is_contiguous(bias)))
        return ST_DECLINED;
    if (add && (add->dtype != DT_F32 || !view_same_shape(add, &k->outputs[0]) || !view_is_contiguous(add)))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(MatmulState), &state));
    MatmulState *s = state;
    s->bias_in = bias ? 2 : -1;
    s->sum_in = add ? 3 : -1;
    // The library applies what follows a product row by row: with one column, 60 times slower than a pass of its own.
    bool separate = !dnnl_has_act((Act)p->act) || in[1].size[0] == 1;
    TRY(linear_try(k, s, ctx, in, p, separate));
    plan_scratch(k, s);
    k->flops = 2.0 * (double)view_numel(&k->outputs[0]) * (double)in[1].size[1];
    return ST_OK;
}

// ---- matmul

// c as the tail of the primitive, where that is what it computes; else a pass afterwards.
static Status plan_c(Kernel *k, MatmulState *s, const MatmulParams *p, const View *c, const MatmulShape *m, Tail *tail)
{
    s->bias_in = s->sum_in = -1;
    s->alpha = (float)p->alpha;
    s->beta = c ? (float)p->beta : 0;
    s->finish = p->alpha != 1 || (c && p->beta != 0);
    if (!c || p->beta == 0)
        return ST_OK;
    TRY(expand_strides(c, m->out_ndim, m->out_size, s->c_stride));
    if (p->alpha != 1 || p->beta != 1)
        return ST_OK;
    if (m->ndim == 2 && c->ndim >= 1 && c->size[c->ndim - 1] == m->n && view_numel(c) == m->n && m->out_ndim == 2 && view_is_contiguous(c)) {
        tail->bias = true;
        s->bias_in = 2;
        s->finish = false;
    } else if (view_same_shape(c, &k->outputs[0]) && view_is_contiguous(c)) {
        tail->sum = true;
        s->sum_in = 2;
        s->finish = false;
        k->in_place = 2;
    }
    return ST_OK;
}

// Both sides copied, stretched dimensions written out, all batch dimensions as one.
static Status prepare_copied_batch(MatmulState *s, const MatmulShape *m, const Tail *tail)
{
    View v[2] = {m->a, m->b}, flat[2];
    int64_t count = 1;
    for (int i = 0; i < m->ndim - 2; i++) {
        count *= m->batch[i];
        v[0].size[i] = v[1].size[i] = m->batch[i];
    }
    for (int i = 0; i < 2; i++) {
        plan_copy(s, i, &v[i]);
        flat[i] = v[i];
        view_set_contiguous(&flat[i], 3, (int64_t[]){count, i ? m->k : m->m, i ? m->n : m->k});
    }
    Md out = {0};
    Status st = md_layout(&out, DT_F32, LAYOUT_STRIDED, 3, (int64_t[]){count, m->m, m->n});
    if (st == ST_OK)
        st = prepare_plain(s, &flat[0], &flat[1], MD_REF(out), NULL, tail);
    md_free(&out);
    return st;
}

// Batches: dimensions that are stretched become size 1, which the library broadcasts.
static Status prepare_batch(MatmulState *s, const MatmulShape *m, const Tail *tail)
{
    View a = m->a, b = m->b;
    int64_t size[VIEW_MAX_DIMS];
    for (int i = 0; i < m->ndim - 2; i++) {
        size[i] = m->batch[i];
        if (a.size[i] > 1 && a.stride[i] == 0 && b.size[i] == size[i] && b.stride[i])
            a.size[i] = 1;
        else if (b.size[i] > 1 && b.stride[i] == 0 && a.size[i] == size[i] && a.stride[i])
            b.size[i] = 1;
        if (a.size[i] == 1)
            a.stride[i] = a.size[m->ndim - 1] * a.size[m->ndim - 2];
        if (b.size[i] == 1)
            b.stride[i] = b.size[m->ndim - 1] * b.size[m->ndim - 2];
    }
    size[m->ndim - 2] = m->m;
    size[m->ndim - 1] = m->n;
    Md out = {0};
    Status st = m->ndim > 6 ? ST_DECLINED : md_layout(&out, DT_F32, LAYOUT_STRIDED, m->ndim, size);
    if (st == ST_OK)
        st = prepare_plain(s, &a, &b, MD_REF(out), NULL, tail);
    md_free(&out);
    return st == ST_DECLINED ? prepare_copied_batch(s, m, tail) : st;
}

// Is b one matrix for all of a's batches? Then a's leading dimensions are rows.
static bool right_is_matrix(const MatmulShape *m)
{
    for (int i = 0; i < m->ndim - 2; i++)
        if (m->b.size[i] != 1 || m->a.size[i] != m->batch[i])
            return false;
    return true;
}

Status dnnl_matmul_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const MatmulParams *p = params;
    MatmulShape m;
    TRY(matmul_shape(&in[0], &in[1], &m));
    const View *c = operand_given(in, n_in, 2) ? &in[2] : NULL;
    kernel_output(k, 0, DT_F32, m.out_ndim, m.out_size);
    if (in[0].dtype != DT_F32 || any_private(in, n_in) || view_numel(&k->outputs[0]) == 0 || m.k == 0 || !dnnl_cpu_engine() ||
        (c && c->dtype != DT_F32))
        return ST_DECLINED;
    if (m.out_ndim == 0) // BLAS has a routine for two vectors
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(MatmulState), &state));
    MatmulState *s = state;
    Tail tail = {.act = ACT_NONE};
    TRY(plan_c(k, s, p, c, &m, &tail));
    if (right_is_matrix(&m)) {
        View w = m.b;
        w.ndim = 2;
        w.size[0] = m.n;
        w.size[1] = m.k;
        w.stride[0] = m.b.stride[m.ndim - 1];
        w.stride[1] = m.b.stride[m.ndim - 2];
        TRY(prepare_matrix(s, ctx, &m.a, &w, &tail));
    } else {
        TRY(prepare_batch(s, &m, &tail));
    }
    plan_scratch(k, s);
    k->flops = 2.0 * (double)view_numel(&k->outputs[0]) * (double)m.k;
    return ST_OK;
}

// out = alpha * out + beta * c, c stretched.
static void finish(const MatmulState *s, const View *out, const float *c)
{
    float *y = out->data;
    int64_t n = view_numel(out), row = out->ndim ? out->size[out->ndim - 1] : 1;
    int64_t step = out->ndim ? s->c_stride[out->ndim - 1] : 0;
    for (int64_t i = 0; i < n; i += row) {
        int64_t rest = i / row, at = 0;
        for (int d = out->ndim - 2; d >= 0; d--) {
            at += rest % out->size[d] * s->c_stride[d];
            rest /= out->size[d];
        }
        for (int64_t j = 0; j < row; j++)
            y[i + j] = c ? s->alpha * y[i + j] + s->beta * c[at + j * step] : s->alpha * y[i + j];
    }
}

Status dnnl_matmul_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const MatmulState *s = k->state;
    char *area = scratch;
    const void *side[2] = {in[0].data, s->packed ? s->packed : in[1].data};
    for (int i = 0; i < 2; i++)
        if (s->copied[i]) {
            View from = s->copy[i], to = from;
            from.data = (void *)side[i];
            view_set_contiguous(&to, from.ndim, from.size);
            to.data = area + s->copy_at[i];
            TRY(copy_convert(&to, &from));
            side[i] = to.data;
        }
    if (s->sum_in >= 0 && in[s->sum_in].data != out->data)
        memcpy(out->data, in[s->sum_in].data, (size_t)view_numel(out) * sizeof(float));
    prim_set(&s->prim, s->at_a, side[0]);
    prim_set(&s->prim, s->at_b, side[1]);
    prim_set(&s->prim, s->at_out, out->data);
    if (s->bias_in >= 0)
        prim_set(&s->prim, s->at_bias, in[s->bias_in].data);
    TRY(prim_run(&s->prim, area + s->lib_at));
    if (s->finish)
        finish(s, out, s->beta != 0 ? in[2].data : NULL);
    act_f32(s->act, s->lo, s->hi, out->data, s->act == ACT_NONE ? 0 : (size_t)view_numel(out));
    return ST_OK;
}

Status dnnl_linear_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return dnnl_matmul_run(k, in, out, scratch, stream);
}

void dnnl_matmul_destroy(Kernel *k)
{
    MatmulState *s = k->state;
    if (!s)
        return;
    prim_free(&s->prim);
    kernel_state_free(k);
}

void dnnl_linear_destroy(Kernel *k) { dnnl_matmul_destroy(k); }
