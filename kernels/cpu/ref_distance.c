// Weight norm and pairwise distances, in double for any floating type and any strides.
// Both are small next to what uses them: there is no faster variant.
#include "kernels/cpu/variants.h"

#include <math.h>
#include <string.h>

// Offset in v of element i, counted in the order of the shape.
static int64_t offset_of(const View *v, int64_t i)
{
    int64_t at = 0;
    for (int d = v->ndim - 1; d >= 0; d--) {
        at += i % v->size[d] * v->stride[d];
        i /= v->size[d];
    }
    return at;
}
static double get(const View *v, int64_t i) { return element_get(v->data, (DType)v->dtype, offset_of(v, i)); }

Status ref_weight_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const WeightNormParams *p = params;
    if (any_private(in, n_in) || !dtype_is_floating((DType)in[0].dtype) || in[0].dtype != in[1].dtype)
        return ST_DECLINED;
    if (view_numel(&in[1]) != in[0].size[p->dim])
        return status_fail(ST_RAISED, "_weight_norm: g has %lld elements, but dimension %d of v has size %lld", (long long)view_numel(&in[1]), p->dim,
                           (long long)in[0].size[p->dim]);
    void *state;
    TRY(kernel_state_new(k, sizeof *p, &state));
    memcpy(state, p, sizeof *p);
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, in[0].size);
    return ST_OK;
}

Status ref_weight_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const WeightNormParams *p = k->state;
    const View *v = &in[0];
    int64_t n = v->size[p->dim], inner = 1, all = view_numel(v);
    for (int d = p->dim + 1; d < v->ndim; d++)
        inner *= v->size[d];
    int64_t count = n ? all / n : 0; // elements under one norm
    for (int64_t c = 0; c < n; c++) {
        double sum = 0;
        for (int64_t i = 0; i < count; i++) {
            double x = get(v, (i / inner * n + c) * inner + i % inner);
            sum += x * x;
        }
        double scale = get(&in[1], c) / sqrt(sum);
        for (int64_t i = 0; i < count; i++) {
            int64_t at = (i / inner * n + c) * inner + i % inner;
            element_set(out[0].data, (DType)out[0].dtype, at, get(v, at) * scale);
        }
    }
    return ST_OK;
}

void ref_weight_norm_destroy(Kernel *k) { kernel_state_free(k); }

// ---- pairwise distances

typedef struct CdistState {
    double p;
    View a, b; // with the batch dimensions of the result, stretched by stride 0
} CdistState;

// Gives v the batch dimensions of the result.
static Status stretch(const View *v, int ndim, const int64_t *size, View *out)
{
    View lead = *v;
    lead.ndim = (uint8_t)(v->ndim - 2);
    *out = *v;
    out->ndim = (uint8_t)ndim;
    TRY(expand_strides(&lead, ndim - 2, size, out->stride));
    memcpy(out->size, size, sizeof(int64_t) * (size_t)(ndim - 2));
    for (int i = 1; i <= 2; i++) {
        out->size[ndim - i] = v->size[v->ndim - i];
        out->stride[ndim - i] = v->stride[v->ndim - i];
    }
    return ST_OK;
}

Status ref_cdist_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const View *a = &in[0], *b = &in[1];
    if (a->ndim < 2 || b->ndim < 2)
        return status_fail(ST_RAISED, "cdist only supports at least 2D tensors, %s got: %dD", a->ndim < 2 ? "X1" : "X2", a->ndim < 2 ? a->ndim : b->ndim);
    if (a->size[a->ndim - 1] != b->size[b->ndim - 1])
        return status_fail(ST_RAISED, "X1 and X2 must have the same number of columns. X1: %lld X2: %lld", (long long)a->size[a->ndim - 1],
                           (long long)b->size[b->ndim - 1]);
    if (any_private(in, n_in) || !dtype_is_floating((DType)a->dtype) || a->dtype != b->dtype)
        return ST_DECLINED;
    int ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    int64_t size[VIEW_MAX_DIMS];
    for (int d = 0; d < ndim - 2; d++) {
        int from_a = d - (ndim - a->ndim), from_b = d - (ndim - b->ndim);
        size[d] = from_a >= 0 && a->size[from_a] != 1 ? a->size[from_a] : from_b >= 0 ? b->size[from_b] : 1;
    }
    void *state;
    TRY(kernel_state_new(k, sizeof(CdistState), &state));
    CdistState *s = state;
    s->p = ((const CdistParams *)params)->p;
    TRY(stretch(a, ndim, size, &s->a));
    TRY(stretch(b, ndim, size, &s->b));
    size[ndim - 2] = a->size[a->ndim - 2];
    size[ndim - 1] = b->size[b->ndim - 2];
    kernel_output(k, 0, (DType)a->dtype, ndim, size);
    return ST_OK;
}

static double distance(double p, const View *a, int64_t row_a, const View *b, int64_t row_b, int64_t n)
{
    int64_t at = offset_of(a, row_a * n), to = offset_of(b, row_b * n), step_a = a->stride[a->ndim - 1], step_b = b->stride[b->ndim - 1];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(element_get(a->data, (DType)a->dtype, at + i * step_a) - element_get(b->data, (DType)b->dtype, to + i * step_b));
        sum = isinf(p) ? fmax(sum, d) : sum + (p == 2 ? d * d : p == 1 ? d : p == 0 ? d != 0 : pow(d, p));
    }
    return isinf(p) || p == 1 || p == 0 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}

Status ref_cdist_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const CdistState *s = k->state;
    const View *y = &out[0];
    View a = s->a, b = s->b;
    a.data = in[0].data;
    b.data = in[1].data;
    int64_t rows = y->size[y->ndim - 2], columns = y->size[y->ndim - 1], n = a.size[a.ndim - 1], count = view_numel(y);
    for (int64_t i = 0; i < count; i++) {
        int64_t batch = i / columns / rows, row = batch * rows + i / columns % rows, other = batch * columns + i % columns;
        element_set(y->data, (DType)y->dtype, i, n ? distance(s->p, &a, row, &b, other, n) : 0);
    }
    return ST_OK;
}

void ref_cdist_destroy(Kernel *k) { kernel_state_free(k); }
