// Reference of "add and activate": act(y + add) with broadcasting and type promotion.
// Used when a fused operand turns out not to have the shape that the fused kernel wants.
#include "kernels/cpu/variants.h"

#include <string.h>

// As torch.result_type for two tensors: the higher category wins; within one, tensors with dimensions before those without.
static DType promote(const View *a, const View *b)
{
    DType s = (DType)a->dtype, t = (DType)b->dtype;
    static const int rank_of[] = {[DT_BOOLEAN] = 0, [DT_INTEGRAL] = 1, [DT_FLOATING] = 2, [DT_COMPLEX] = 3};
    int rs = rank_of[dtype_category(s)], rt = rank_of[dtype_category(t)];
    if (rs != rt)
        return rs > rt ? s : t;
    if ((a->ndim == 0) != (b->ndim == 0))
        return a->ndim ? s : t;
    if ((s == DT_F16 && t == DT_BF16) || (s == DT_BF16 && t == DT_F16))
        return DT_F32;
    if ((s == DT_U8 && t == DT_I8) || (s == DT_I8 && t == DT_U8))
        return DT_I16;
    return dtype_size(s) >= dtype_size(t) ? s : t;
}

typedef struct RefAct {
    ActParams p;
    bool has_add;
    int64_t step[2][VIEW_MAX_DIMS]; // strides of y and add in the dimensions of the output
} RefAct;

static Status broadcast(const View *a, const View *b, int64_t *size, int *ndim)
{
    int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < n; i++) {
        int ia = i - (n - a->ndim), ib = i - (n - b->ndim);
        int64_t sa = ia < 0 ? 1 : a->size[ia], sb = ib < 0 ? 1 : b->size[ib];
        if (sa != sb && sa != 1 && sb != 1)
            return status_fail(ST_RAISED, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                               (long long)sa, (long long)sb, i);
        size[i] = sa == 1 ? sb : sa;
    }
    *ndim = n;
    return ST_OK;
}

static void set_steps(int64_t *step, const View *v, int ndim)
{
    for (int i = 0; i < ndim; i++) {
        int at = i - (ndim - v->ndim);
        step[i] = at < 0 || v->size[at] == 1 ? 0 : v->stride[at];
    }
}

Status ref_add_act_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    bool has_add = operand_given(in, n_in, 1);
    DType t = has_add ? promote(&in[0], &in[1]) : (DType)in[0].dtype;
    if (any_private(in, n_in) || !element_type(t) || !element_type((DType)in[0].dtype))
        return ST_DECLINED;
    int64_t size[VIEW_MAX_DIMS];
    int ndim = in[0].ndim;
    memcpy(size, in[0].size, sizeof size);
    if (has_add)
        TRY(broadcast(&in[0], &in[1], size, &ndim));
    void *state;
    TRY(kernel_state_new(k, sizeof(RefAct), &state));
    RefAct *s = state;
    s->p = *(const ActParams *)params;
    s->has_add = has_add;
    set_steps(s->step[0], &in[0], ndim);
    if (has_add)
        set_steps(s->step[1], &in[1], ndim);
    kernel_output(k, 0, t, ndim, size);
    return ST_OK;
}

Status ref_add_act_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const RefAct *s = k->state;
    const View *y = &out[0];
    int64_t n = view_numel(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, at[2] = {0, 0};
        for (int d = y->ndim - 1; d >= 0; d--) {
            int64_t index = rest % y->size[d];
            rest /= y->size[d];
            at[0] += index * s->step[0][d];
            at[1] += index * s->step[1][d];
        }
        double v = element_get(in[0].data, (DType)in[0].dtype, at[0]);
        if (s->has_add)
            v += element_get(in[1].data, (DType)in[1].dtype, at[1]);
        element_set(y->data, (DType)y->dtype, i, act_f64((Act)s->p.act, s->p.lo, s->p.hi, v));
    }
    return ST_OK;
}

void ref_add_act_destroy(Kernel *k) { kernel_state_free(k); }
