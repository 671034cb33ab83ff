// Reference attention: softmax(q k^T * scale + mask) v by the definition, in double, for any floating type.
// Slow and obvious; what every other variant is compared with.
#include "kernels/attention.h"
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

typedef struct RefAttention {
    AttentionParams p;
    AttentionShape s;
    bool mask;
} RefAttention;

Status ref_attention_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    AttentionShape s;
    TRY(attention_shape(in, n_in, &s));
    if (any_private(in, n_in) || !dtype_is_floating((DType)in[0].dtype))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefAttention), &state));
    RefAttention *r = state;
    r->p = *(const AttentionParams *)params;
    r->s = s;
    r->mask = operand_given(in, n_in, 3);
    int64_t size[VIEW_MAX_DIMS];
    memcpy(size, s.batch, sizeof size);
    size[s.batch_dims] = s.l;
    size[s.batch_dims + 1] = s.v;
    kernel_output(k, 0, (DType)in[0].dtype, s.batch_dims + 2, size);
    size[s.batch_dims + 1] = s.s;
    if (r->p.need_weights)
        kernel_output(k, 1, (DType)in[0].dtype, s.batch_dims + 2, size);
    k->scratch_bytes = sizeof(double) * (size_t)(s.s + 1);
    return ST_OK;
}

static double score(const RefAttention *r, const View *in, int64_t batch, int64_t i, int64_t j)
{
    const AttentionShape *s = &r->s;
    const View *q = &in[0], *k = &in[1], *mask = &in[3];
    int64_t at_q = attention_offset(s, s->stride[0], batch) + i * q->stride[q->ndim - 2];
    int64_t at_k = attention_offset(s, s->stride[1], batch) + j * k->stride[k->ndim - 2];
    double sum = 0;
    for (int64_t e = 0; e < s->e; e++)
        sum += element_get(q->data, (DType)q->dtype, at_q + e * q->stride[q->ndim - 1]) *
               element_get(k->data, (DType)k->dtype, at_k + e * k->stride[k->ndim - 1]);
    sum *= r->p.scale;
    if (r->p.causal && j > i)
        return -INFINITY;
    if (!r->mask)
        return sum;
    double m = element_get(mask->data, (DType)mask->dtype, attention_offset(s, s->mask, batch) + i * s->mask_row + j * s->mask_column);
    return mask->dtype == DT_BOOL ? (m != 0 ? sum : -INFINITY) : sum + m;
}

Status ref_attention_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const RefAttention *r = k->state;
    const AttentionShape *s = &r->s;
    const View *v = &in[2];
    double *p = scratch;
    for (int64_t row = 0; row < s->count * s->l; row++) {
        int64_t batch = row / s->l, at_v = attention_offset(s, s->stride[2], batch);
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < s->s; j++) {
            p[j] = score(r, in, batch, row % s->l, j);
            most = p[j] > most ? p[j] : most;
        }
        for (int64_t j = 0; j < s->s; j++)
            sum += p[j] = exp(p[j] - most);
        bool zero = r->p.zero_hidden && most == -INFINITY;
        for (int64_t j = 0; j < s->s; j++) {
            p[j] = zero ? 0 : p[j] / sum;
            if (r->p.need_weights)
                element_set(out[1].data, (DType)out[1].dtype, row * s->s + j, p[j]);
        }
        for (int64_t c = 0; c < s->v; c++) {
            double y = 0;
            for (int64_t j = 0; j < s->s; j++)
                y += p[j] * element_get(v->data, (DType)v->dtype, at_v + j * v->stride[v->ndim - 2] + c * v->stride[v->ndim - 1]);
            element_set(out[0].data, (DType)out[0].dtype, row * s->v + c, y);
        }
    }
    return ST_OK;
}

void ref_attention_destroy(Kernel *k) { kernel_state_free(k); }
