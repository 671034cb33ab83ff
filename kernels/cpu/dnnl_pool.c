// Pooling through oneDNN, in the layout the input comes in. Adaptive pooling whose windows are all alike is ordinary pooling.
// Not here: indices, a divisor of the user's, and windows that PyTorch cuts off but the library counts as padding.
#include "kernels/cpu/dnnl_prim.h"
#include "kernels/cpu/variants.h"

#include <string.h>

typedef struct PoolState {
    Prim prim;
    Reorder src; // strides that the library does not take
    size_t lib_at;
    int at_src, at_dst;
} PoolState;

// Zeros after the input so that the library counts as many windows as PyTorch.
static void end_padding(const PoolParams *p, const View *in, const int64_t *size, int64_t *end)
{
    for (int i = 0; i < in->ndim - 2; i++) {
        int64_t window = p->dilation[i] * (p->kernel[i] - 1) + 1;
        end[i] = (size[i + 2] - 1) * p->stride[i] + window - in->size[i + 2] - p->padding[i];
        end[i] = end[i] < 0 ? 0 : end[i];
    }
}

static bool library_agrees(const PoolParams *p, const View *in, const int64_t *end)
{
    if (p->with_indices || (!p->max && p->divisor))
        return false;
    for (int i = 0; i < in->ndim - 2; i++)
        if (!p->max && p->count_include_pad && end[i] > p->padding[i])
            return false;
    return true;
}

static Status pool_pd(Pd *pd, const PoolParams *p, const View *in, MdRef src, const View *out, const int64_t *end)
{
    Md dst = {0};
    Attr a = NULL;
    PoolKind kind = p->max ? POOL_MAX : p->count_include_pad ? POOL_AVG_PADDED : POOL_AVG_VALID;
    TRY(md_any(&dst, DT_F32, out->ndim, out->size));
    Status s = attr_new(&a);
    if (s == ST_OK)
        s = pd_pool(pd, kind, in->ndim - 2, src, MD_REF(dst), p->stride, p->kernel, p->dilation, p->padding, end, a);
    attr_free(a);
    md_free(&dst);
    return s;
}

// The result's layout: the library's, or plain where the layouts do not differ.
static Status output_layout(Pd pd, View *out)
{
    Layout layout = LAYOUT_STRIDED;
    int64_t spatial = 1;
    TRY(md_to_layout(pd_md(pd, dnnl_query_dst_md), DT_F32, out->ndim, out->size, &layout));
    for (int i = 2; i < out->ndim; i++)
        spatial *= out->size[i];
    out->layout = (uint8_t)(spatial == 1 ? LAYOUT_STRIDED : layout);
    return ST_OK;
}

static Status pool_args(PoolState *s, Pd pd)
{
    TRY(prim_new(&s->prim, pd));
    TRY(prim_arg(&s->prim, DNNL_ARG_SRC, pd_md(pd, dnnl_query_src_md), &s->at_src));
    return prim_arg(&s->prim, DNNL_ARG_DST, pd_md(pd, dnnl_query_dst_md), &s->at_dst);
}

static Status pool_try(Kernel *k, PoolState *s, const PoolParams *p, const View *in, const int64_t *end)
{
    Md user = {0}, src = {0};
    Pd pd = NULL;
    bool odd = in->layout == LAYOUT_STRIDED && !view_is_contiguous(in) && !view_is_channels_last(in);
    Status st = md_of_view(&user, in);
    if (st == ST_OK)
        st = odd ? md_layout(&src, DT_F32, LAYOUT_STRIDED, in->ndim, in->size) : md_of_view(&src, in);
    if (st == ST_OK)
        st = reorder_new(&s->src, MD_REF(user), MD_REF(src));
    if (st == ST_OK)
        st = pool_pd(&pd, p, in, MD_REF(src), &k->outputs[0], end);
    if (st == ST_OK)
        st = pd_is_reference(pd) ? ST_DECLINED : output_layout(pd, &k->outputs[0]);
    if (st == ST_OK)
        st = pool_args(s, pd);
    if (st == ST_OK && in->layout == LAYOUT_STRIDED && view_is_channels_last(in) && !view_is_contiguous(in) && k->outputs[0].layout == LAYOUT_CHANNELS_LAST) {
        k->outputs[0].layout = LAYOUT_STRIDED; // as PyTorch: channels-last strides in, channels-last strides out
        view_set_channels_last(&k->outputs[0]);
    }
    pd_free(pd);
    md_free(&user);
    md_free(&src);
    s->lib_at = s->src.needed ? scratch_align(s->src.bytes) : 0;
    size_t lib = s->prim.scratch_bytes > s->src.prim.scratch_bytes ? s->prim.scratch_bytes : s->src.prim.scratch_bytes;
    k->scratch_bytes = s->lib_at + scratch_align(lib);
    return st;
}

Status dnnl_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const PoolParams *p = params;
    int64_t size[VIEW_MAX_DIMS], end[SPATIAL_MAX];
    TRY(pool_shape(p, in, size));
    kernel_output(k, 0, DT_F32, in->ndim, size);
    end_padding(p, in, size, end);
    if (in->dtype != DT_F32 || view_numel(&k->outputs[0]) == 0 || !dnnl_cpu_engine() || !library_agrees(p, in, end))
        return ST_DECLINED;
    // Rows, and planes of few channels, leave most of the library's vectors empty.
    if (in->layout == LAYOUT_STRIDED && (in->ndim == 3 || (in->size[1] < 8 && in->size[2] > 1 && view_is_contiguous(in))))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(PoolState), &state));
    return pool_try(k, state, p, in, end);
}

Status dnnl_adaptive_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const AdaptivePoolParams *a = params;
    PoolParams p;
    memset(&p, 0, sizeof p);
    if (a->max)
        return ST_DECLINED; // it has indices
    bool whole = in->layout == LAYOUT_STRIDED && view_is_contiguous(in); // means of whole planes are sums of rows
    for (int i = 0; i < in->ndim - 2; i++) {
        if (a->size[i] <= 0 || in->size[i + 2] == 0 || in->size[i + 2] % a->size[i])
            return ST_DECLINED;
        whole = whole && a->size[i] == 1;
        p.kernel[i] = p.stride[i] = in->size[i + 2] / a->size[i];
        p.dilation[i] = 1;
    }
    if (whole)
        return ST_DECLINED;
    return dnnl_pool_prepare(k, ctx, &p, in, n_in);
}

Status dnnl_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const PoolState *s = k->state;
    char *area = scratch, *lib = area + s->lib_at;
    const void *src = in[0].data;
    if (s->src.needed) {
        TRY(reorder_run(&s->src, src, area, lib));
        src = area;
    }
    prim_set(&s->prim, s->at_src, src);
    prim_set(&s->prim, s->at_dst, out->data);
    return prim_run(&s->prim, lib);
}

Status dnnl_adaptive_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return dnnl_pool_run(k, in, out, scratch, stream);
}

void dnnl_pool_destroy(Kernel *k)
{
    PoolState *s = k->state;
    if (!s)
        return;
    prim_free(&s->prim);
    reorder_free(&s->src);
    kernel_state_free(k);
}

void dnnl_adaptive_pool_destroy(Kernel *k) { dnnl_pool_destroy(k); }
