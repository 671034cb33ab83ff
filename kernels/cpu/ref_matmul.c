// Reference matrix products: the sum of the definition, in double for floating types and in 64-bit integers for the others.
// Slow and obvious; what every other variant is compared with.
#include "kernels/cpu/variants.h"

#include <string.h>

typedef struct RefMatmul {
    MatmulShape m;
    double alpha, beta;
    bool has_c, has_bias, has_add;
    ActParams act;
    int64_t c_stride[VIEW_MAX_DIMS]; // c or add, stretched to the result
    int64_t bias_stride;
} RefMatmul;

static Status matmul_common(Kernel *k, const View *in, RefMatmul **out)
{
    if (!element_type((DType)in[0].dtype))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(RefMatmul), &state));
    *out = state;
    return matmul_shape(&in[0], &in[1], &(*out)->m);
}

Status ref_matmul_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const MatmulParams *p = params;
    MatmulShape shape;
    TRY(matmul_shape(&in[0], &in[1], &shape));
    bool has_c = operand_given(in, n_in, 2);
    if (has_c && in[2].dtype != in[0].dtype)
        return status_fail(ST_RAISED, "self and mat2 must have the same dtype");
    if (any_private(in, n_in))
        return ST_DECLINED;
    RefMatmul *s;
    TRY(matmul_common(k, in, &s));
    s->alpha = p->alpha;
    s->beta = p->beta;
    s->has_c = has_c && p->beta != 0;
    if (s->has_c)
        TRY(expand_strides(&in[2], s->m.out_ndim, s->m.out_size, s->c_stride));
    kernel_output(k, 0, (DType)in[0].dtype, s->m.out_ndim, s->m.out_size);
    return ST_OK;
}

static double dot(const RefMatmul *s, const void *a, const void *b, int64_t at_a, int64_t at_b)
{
    DType t = (DType)s->m.a.dtype;
    int64_t step_a = s->m.a.stride[s->m.ndim - 1], step_b = s->m.b.stride[s->m.ndim - 2];
    double sum = 0;
    for (int64_t i = 0; i < s->m.k; i++)
        sum += element_get(a, t, at_a + i * step_a) * element_get(b, t, at_b + i * step_b);
    return sum;
}

static int64_t integer(const void *data, DType t, int64_t at)
{
    return t == DT_I64 ? ((const int64_t *)data)[at] : (int64_t)element_get(data, t, at);
}

static int64_t dot_integer(const RefMatmul *s, const void *a, const void *b, int64_t at_a, int64_t at_b)
{
    DType t = (DType)s->m.a.dtype;
    int64_t step_a = s->m.a.stride[s->m.ndim - 1], step_b = s->m.b.stride[s->m.ndim - 2];
    uint64_t sum = 0;
    for (int64_t i = 0; i < s->m.k; i++)
        sum += (uint64_t)integer(a, t, at_a + i * step_a) * (uint64_t)integer(b, t, at_b + i * step_b);
    return (int64_t)sum;
}

// Offset of result element i in an operand with these strides.
static int64_t offset_of(const View *out, const int64_t *stride, int64_t i)
{
    int64_t at = 0;
    for (int d = out->ndim - 1; d >= 0; d--) {
        at += i % out->size[d] * stride[d];
        i /= out->size[d];
    }
    return at;
}

static void store(const RefMatmul *s, const View *in, const View *out, int64_t i, int64_t at_a, int64_t at_b, int64_t col)
{
    DType t = (DType)out->dtype;
    if (!dtype_is_floating(t)) {
        int64_t v = (int64_t)s->alpha * dot_integer(s, in[0].data, in[1].data, at_a, at_b);
        if (s->has_c)
            v += (int64_t)s->beta * integer(in[2].data, t, offset_of(out, s->c_stride, i));
        if (s->has_bias)
            v += integer(in[2].data, t, col * s->bias_stride);
        if (t == DT_I64)
            ((int64_t *)out->data)[i] = v;
        else
            element_set(out->data, t, i, (double)(int32_t)v);
        return;
    }
    double v = s->alpha * dot(s, in[0].data, in[1].data, at_a, at_b);
    if (s->has_c)
        v += s->beta * element_get(in[2].data, t, offset_of(out, s->c_stride, i));
    if (s->has_bias)
        v += element_get(in[2].data, t, col * s->bias_stride);
    if (s->has_add)
        v += element_get(in[3].data, t, offset_of(out, s->c_stride, i));
    element_set(out->data, t, i, act_f64((Act)s->act.act, s->act.lo, s->act.hi, v));
}

Status ref_matmul_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefMatmul *s = k->state;
    const MatmulShape *m = &s->m;
    int64_t n = view_numel(out);
    for (int64_t i = 0; i < n; i++) {
        int64_t col = i % m->n, row = i / m->n % m->m, batch = i / m->n / m->m;
        int64_t at_a = row * m->a.stride[m->ndim - 2], at_b = col * m->b.stride[m->ndim - 1];
        for (int d = m->ndim - 3; d >= 0; d--) {
            at_a += batch % m->batch[d] * m->a.stride[d];
            at_b += batch % m->batch[d] * m->b.stride[d];
            batch /= m->batch[d];
        }
        store(s, in, out, i, at_a, at_b, col);
    }
    return ST_OK;
}

void ref_matmul_destroy(Kernel *k) { kernel_state_free(k); }

// ---- linear: matmul with the transpose of the weight

Status ref_linear_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    int64_t size[VIEW_MAX_DIMS];
    TRY(linear_shape(in, n_in, size));
    if (any_private(in, n_in))
        return ST_DECLINED;
    View pair[2] = {in[0], in[1]};
    pair[1].size[0] = in[1].size[1];
    pair[1].size[1] = in[1].size[0];
    pair[1].stride[0] = in[1].stride[1];
    pair[1].stride[1] = in[1].stride[0];
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, size);
    if (operand_given(in, n_in, 3) && (in[3].dtype != in[0].dtype || !view_same_shape(&in[3], &k->outputs[0])))
        return ST_DECLINED;
    RefMatmul *s;
    TRY(matmul_common(k, pair, &s));
    s->alpha = 1;
    s->act = *(const ActParams *)params;
    s->has_bias = operand_given(in, n_in, 2);
    s->has_add = operand_given(in, n_in, 3);
    if (s->has_bias && in[2].ndim)
        s->bias_stride = in[2].size[in[2].ndim - 1] == 1 ? 0 : in[2].stride[in[2].ndim - 1];
    if (s->has_add)
        TRY(expand_strides(&in[3], in[0].ndim, size, s->c_stride));
    return ST_OK;
}

Status ref_linear_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return ref_matmul_run(k, in, out, scratch, stream);
}

void ref_linear_destroy(Kernel *k) { kernel_state_free(k); }
