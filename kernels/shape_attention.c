// Shapes of scaled dot product attention: which batch of q, k, v and mask belongs to which batch of the result.
// The variants share it.
#include "kernels/attention.h"

#include <string.h>

typedef long long ll;

// Strides of v's leading dimensions stretched to the batch dimensions.
static Status batch_strides(const View *v, int batch, const int64_t *size, int64_t *stride)
{
    int lead = v->ndim - 2;
    for (int i = 0; i < batch; i++) {
        int at = i - (batch - lead);
        stride[i] = 0;
        if (at < 0 || v->size[at] == 1)
            continue;
        if (v->size[at] != size[i])
            return status_fail(ST_RAISED, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (ll)size[i],
                               (ll)v->size[at], i);
        stride[i] = v->stride[at];
    }
    return ST_OK;
}

static Status mask_strides(const View *mask, AttentionShape *s)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n = s->batch_dims + 2;
    memcpy(size, s->batch, sizeof(int64_t) * (size_t)s->batch_dims);
    size[n - 2] = s->l;
    size[n - 1] = s->s;
    TRY(expand_strides(mask, n, size, stride));
    memcpy(s->mask, stride, sizeof(int64_t) * (size_t)s->batch_dims);
    s->mask_row = stride[n - 2];
    s->mask_column = stride[n - 1];
    return ST_OK;
}

Status attention_shape(const View *in, int n_in, AttentionShape *s)
{
    const View *q = &in[0], *k = &in[1], *v = &in[2], *mask = n_in > 3 && in[3].dtype != DT_INVALID ? &in[3] : NULL;
    *s = (AttentionShape){0};
    if (q->ndim < 2 || k->ndim < 2 || v->ndim < 2)
        return status_fail(ST_RAISED, "scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 dimensional, but got Query dim: %d, Key dim: %d, Value dim: %d instead.",
                           q->ndim, k->ndim, v->ndim);
    if (q->dtype != k->dtype || q->dtype != v->dtype)
        return status_fail(ST_RAISED, "Expected query, key, and value to have the same dtype, but got query.dtype: %s key.dtype: %s and value.dtype: %s instead.",
                           dtype_python_name((DType)q->dtype), dtype_python_name((DType)k->dtype), dtype_python_name((DType)v->dtype));
    s->l = q->size[q->ndim - 2];
    s->e = q->size[q->ndim - 1];
    s->s = k->size[k->ndim - 2];
    s->v = v->size[v->ndim - 1];
    if (k->size[k->ndim - 1] != s->e || v->size[v->ndim - 2] != s->s)
        return status_fail(ST_RAISED, "scaled_dot_product_attention: sizes do not match: query [.., %lld, %lld], key [.., %lld, %lld], value [.., %lld, %lld]", (ll)s->l,
                           (ll)s->e, (ll)s->s, (ll)k->size[k->ndim - 1], (ll)v->size[v->ndim - 2], (ll)s->v);
    const View *all[3] = {q, k, v};
    for (int i = 0; i < 3; i++)
        s->batch_dims = all[i]->ndim - 2 > s->batch_dims ? all[i]->ndim - 2 : s->batch_dims;
    s->count = 1;
    for (int d = 0; d < s->batch_dims; d++) {
        s->batch[d] = 1;
        for (int i = 0; i < 3; i++) {
            int at = d - (s->batch_dims - (all[i]->ndim - 2));
            if (at >= 0 && all[i]->size[at] != 1)
                s->batch[d] = all[i]->size[at];
        }
        s->count *= s->batch[d];
    }
    for (int i = 0; i < 3; i++)
        TRY(batch_strides(all[i], s->batch_dims, s->batch, s->stride[i]));
    return mask ? mask_strides(mask, s) : ST_OK;
}

int64_t attention_offset(const AttentionShape *s, const int64_t *stride, int64_t batch)
{
    int64_t at = 0;
    for (int d = s->batch_dims - 1; d >= 0; d--) {
        at += batch % s->batch[d] * stride[d];
        batch /= s->batch[d];
    }
    return at;
}
