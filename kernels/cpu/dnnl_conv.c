// Convolution through oneDNN. The library chooses the layouts of source, weights and result; the source is reordered when
// it comes in another one, constant weights are packed once, and the result stays in the layout it was computed in.
#include "kernels/cpu/dnnl_prim.h"
#include "kernels/cpu/variants.h"

#include <stdlib.h>
#include <string.h>

typedef struct ConvState {
    Prim prim;
    Reorder src, weight, add;
    const void *packed;  // constant weights in the primitive's layout; NULL: reordered in every run, or taken as they are
    int at_src, at_weight, at_bias, at_dst;
    size_t src_at, weight_at, add_at, lib_at; // offsets into scratch
    size_t out_bytes;
    bool has_bias, has_add;
    bool separate; // add and activation are a pass of their own
    Act act;
    float lo, hi;
} ConvState;

// Descriptors of one attempt at a primitive.
typedef struct ConvMds {
    Md src, weight, bias, dst;          // asked for
    Md user_src, user_weight, user_add; // as the operands are
} ConvMds;

static void mds_free(ConvMds *m)
{
    Md *all[] = {&m->src, &m->weight, &m->bias, &m->dst, &m->user_src, &m->user_weight, &m->user_add};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        md_free(all[i]);
}

// Weights as the library wants to see them: [groups,] O, I, kernel…, whatever PyTorch's order.
static Status weight_mds(const ConvParams *p, const View *w, Md *user, Md *wanted)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS], g = p->groups;
    int n = 0, first = p->transposed ? 1 : 0, second = 1 - first;
    int64_t count[2] = {w->size[first], w->size[second]};
    count[p->transposed ? 1 : 0] /= g; // dimension 0 of the tensor spans the groups
    if (g > 1) {
        size[n] = g;
        stride[n++] = w->stride[0] * (w->size[0] / g);
    }
    size[n] = count[0];
    stride[n++] = w->stride[first];
    size[n] = count[1];
    stride[n++] = w->stride[second];
    for (int i = 2; i < w->ndim; i++) {
        size[n] = w->size[i];
        stride[n++] = w->stride[i];
    }
    TRY(md_strided(user, (DType)w->dtype, n, size, stride));
    return md_any(wanted, (DType)w->dtype, n, size);
}

static Status make_pd(Pd *pd, const ConvParams *p, int spatial, ConvMds *m, const ConvState *s)
{
    // The library's transposed convolution counts output padding as negative padding after.
    int64_t end[SPATIAL_MAX];
    for (int i = 0; i < spatial; i++)
        end[i] = p->padding_end[i] - (p->transposed ? p->output_padding[i] : 0);
    ConvGeometry g = {p->stride, p->dilation, p->padding, end, spatial, p->transposed};
    Attr a = NULL;
    TRY(attr_new(&a));
    Status status = s->separate ? ST_OK : attr_post_ops(a, s->has_add, s->act, s->lo, s->hi);
    if (status == ST_OK)
        status = pd_conv(pd, &g, MD_REF(m->src), MD_REF(m->weight), MD_REF(m->bias), MD_REF(m->dst), a);
    attr_free(a);
    if (status == ST_OK && pd_is_reference(*pd)) { // the variants behind this one are faster
        pd_free(*pd);
        *pd = NULL;
        return ST_DECLINED;
    }
    return status;
}

// What both sides are asked to be, in this order.
typedef enum Attempt { TRY_BLOCKS, TRY_LIBRARY, TRY_CHANNELS_LAST, TRY_PLAIN, ATTEMPTS } Attempt;

// With AVX-512 blocks of 16 channels measure faster than the channels-last form that oneDNN 2.6 itself would choose: by up
// to a quarter on 3 x 3 and twice on depthwise convolutions. Few input channels (images) are read as they come.
static bool blocks_fit(int64_t channels, bool is_source, Layout *out)
{
    *out = is_source && channels < 8 ? LAYOUT_STRIDED : LAYOUT_BLOCK16;
    return kernel_isa() == ISA_AVX512 && (*out == LAYOUT_STRIDED || channels % 16 == 0);
}

static Status ask(Md *md, Attempt attempt, const View *v, bool is_source, DType t)
{
    Layout layout = attempt == TRY_CHANNELS_LAST ? LAYOUT_CHANNELS_LAST : LAYOUT_STRIDED;
    md_free(md);
    if (attempt == TRY_LIBRARY)
        return md_any(md, t, v->ndim, v->size);
    if (attempt == TRY_BLOCKS && !blocks_fit(v->size[1], is_source, &layout))
        return ST_DECLINED;
    return md_layout(md, t, layout, v->ndim, v->size);
}

// Finds layouts that are ours on both sides: blocks, the library's choice, channels last, plain. The library's own reference
// takes any layouts and is up to a hundred times slower than what it has for others (depthwise in three dimensions: only
// plain ones), so it is taken only where `any_speed`.
static Status choose_pd(Pd *pd, const ConvParams *p, const View *x, const View *out, bool keep_channels_last, bool any_speed, ConvMds *m,
                        const ConvState *s, Layout *src_layout, Layout *dst_layout)
{
    DType t = (DType)x->dtype;
    for (Attempt attempt = keep_channels_last ? TRY_CHANNELS_LAST : TRY_BLOCKS; attempt < ATTEMPTS; attempt++) {
        Status status = ask(&m->src, attempt, x, true, t);
        if (status == ST_OK)
            status = ask(&m->dst, attempt, out, false, t);
        if (status == ST_OK)
            status = make_pd(pd, p, x->ndim - 2, m, s);
        if (status == ST_DECLINED)
            continue;
        TRY(status);
        if ((any_speed || !pd_is_reference(*pd)) && md_to_layout(pd_md(*pd, dnnl_query_src_md), t, x->ndim, x->size, src_layout) == ST_OK &&
            md_to_layout(pd_md(*pd, dnnl_query_dst_md), t, out->ndim, out->size, dst_layout) == ST_OK)
            return ST_OK;
        pd_free(*pd);
        *pd = NULL;
    }
    return ST_DECLINED;
}

static Status prepare_weight(ConvState *s, const KernelContext *ctx, const View *w, Md *user, Pd pd)
{
    MdRef wanted = pd_md(pd, dnnl_query_weights_md);
    if (w->constant)
        return pack_operand(ctx->packs, "dnnl conv weight", w, MD_REF(*user), wanted, &s->packed);
    return reorder_new(&s->weight, MD_REF(*user), wanted);
}

static Status prepare_args(ConvState *s, Pd pd, ConvMds *m)
{
    TRY(prim_new(&s->prim, pd));
    TRY(prim_arg(&s->prim, DNNL_ARG_SRC, pd_md(pd, dnnl_query_src_md), &s->at_src));
    TRY(prim_arg(&s->prim, DNNL_ARG_WEIGHTS, pd_md(pd, dnnl_query_weights_md), &s->at_weight));
    if (s->has_bias)
        TRY(prim_arg(&s->prim, DNNL_ARG_BIAS, MD_REF(m->bias), &s->at_bias));
    return prim_arg(&s->prim, DNNL_ARG_DST, pd_md(pd, dnnl_query_dst_md), &s->at_dst);
}

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

static void plan_scratch(Kernel *k, ConvState *s)
{
    size_t at = 0;
    s->src_at = at;
    at += s->src.needed ? scratch_align(s->src.bytes) : 0;
    s->weight_at = at;
    at += s->weight.needed ? scratch_align(s->weight.bytes) : 0;
    s->add_at = at;
    at += s->add.needed && s->separate ? scratch_align(s->add.bytes) : 0;
    s->lib_at = at;
    size_t lib = most(most(s->prim.scratch_bytes, s->src.prim.scratch_bytes), most(s->weight.prim.scratch_bytes, s->add.prim.scratch_bytes));
    k->scratch_bytes = at + scratch_align(lib);
}

static Status prepare_all(Kernel *k, ConvState *s, const KernelContext *ctx, const ConvParams *p, const View *in, View *out, ConvMds *m, Pd *pd)
{
    const View *x = &in[0], *w = &in[1];
    Layout src_layout = LAYOUT_STRIDED, dst_layout = LAYOUT_STRIDED;
    bool keep = x->layout == LAYOUT_STRIDED && view_is_channels_last(x) && !view_is_contiguous(x);
    TRY(md_of_view(&m->user_src, x));
    TRY(weight_mds(p, w, &m->user_weight, &m->weight));
    if (s->has_bias)
        TRY(md_layout(&m->bias, DT_F32, LAYOUT_STRIDED, 1, in[2].size));
    s->separate = p->transposed || !dnnl_has_act(s->act);
    Status status = choose_pd(pd, p, x, out, keep, false, m, s, &src_layout, &dst_layout);
    if (status == ST_DECLINED && !s->separate) {
        s->separate = true;
        status = choose_pd(pd, p, x, out, keep, false, m, s, &src_layout, &dst_layout);
    }
    if (status == ST_DECLINED)
        status = choose_pd(pd, p, x, out, keep, true, m, s, &src_layout, &dst_layout);
    TRY(status);
    TRY(reorder_new(&s->src, MD_REF(m->user_src), pd_md(*pd, dnnl_query_src_md)));
    TRY(prepare_weight(s, ctx, w, &m->user_weight, *pd));
    TRY(prepare_args(s, *pd, m));
    s->out_bytes = md_size(pd_md(*pd, dnnl_query_dst_md));
    if (s->has_add) {
        TRY(md_of_view(&m->user_add, &in[3]));
        TRY(reorder_new(&s->add, MD_REF(m->user_add), pd_md(*pd, dnnl_query_dst_md)));
        if (!s->add.needed && !s->separate)
            k->in_place = 3;
    }
    if (keep && dst_layout == LAYOUT_CHANNELS_LAST) // as PyTorch: channels-last strides in, channels-last strides out
        view_set_channels_last(out);
    else
        out->layout = (uint8_t)dst_layout;
    return ST_OK;
}

// What this variant takes: float32 throughout, nothing empty, bias in one piece, add of exactly the result's shape.
static bool operands_fit(const View *in, int n_in, const View *out)
{
    if (in[0].dtype != DT_F32 || in[1].dtype != DT_F32 || in[1].layout != LAYOUT_STRIDED || view_numel(&in[0]) == 0 || view_numel(&in[1]) == 0 ||
        view_numel(out) == 0)
        return false;
    if (operand_given(in, n_in, 2) && !view_is_contiguous(&in[2]))
        return false;
    return !operand_given(in, n_in, 3) || (in[3].dtype == DT_F32 && view_same_shape(&in[3], out));
}

Status dnnl_conv_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const ConvParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    TRY(conv_shape(p, in, n_in, size));
    kernel_output(k, 0, DT_F32, in[0].ndim, size);
    k->output_count = 1;
    if (!dnnl_cpu_engine() || !operands_fit(in, n_in, &k->outputs[0]))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(ConvState), &state));
    ConvState *s = state;
    s->has_bias = operand_given(in, n_in, 2);
    s->has_add = operand_given(in, n_in, 3);
    s->act = (Act)p->act;
    s->lo = p->lo;
    s->hi = p->hi;
    ConvMds m = {0};
    Pd pd = NULL;
    Status status = prepare_all(k, s, ctx, p, in, &k->outputs[0], &m, &pd);
    pd_free(pd);
    mds_free(&m);
    TRY(status);
    plan_scratch(k, s);
    double macs = (double)view_numel(&k->outputs[0]) * (double)in[1].size[1];
    for (int i = 2; i < in[1].ndim; i++)
        macs *= (double)in[1].size[i];
    k->flops = 2 * macs;
    return ST_OK;
}

Status dnnl_conv_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const ConvState *s = k->state;
    char *area = scratch, *lib = area + s->lib_at;
    const void *src = in[0].data, *weight = s->packed ? s->packed : in[1].data, *add = s->has_add ? in[3].data : NULL;
    if (s->src.needed) {
        TRY(reorder_run(&s->src, src, area + s->src_at, lib));
        src = area + s->src_at;
    }
    if (s->weight.needed) {
        TRY(reorder_run(&s->weight, weight, area + s->weight_at, lib));
        weight = area + s->weight_at;
    }
    if (add && !s->separate && add != out->data) {
        if (s->add.needed)
            TRY(reorder_run(&s->add, add, out->data, lib));
        else
            memcpy(out->data, add, s->out_bytes);
    }
    prim_set(&s->prim, s->at_src, src);
    prim_set(&s->prim, s->at_weight, weight);
    prim_set(&s->prim, s->at_dst, out->data);
    if (s->has_bias)
        prim_set(&s->prim, s->at_bias, in[2].data);
    TRY(prim_run(&s->prim, lib));
    if (!s->separate)
        return ST_OK;
    size_t n = s->out_bytes / sizeof(float);
    if (add && s->add.needed) {
        TRY(reorder_run(&s->add, add, area + s->add_at, lib));
        add = area + s->add_at;
    }
    if (add)
        add_act_f32(s->act, s->lo, s->hi, out->data, add, n);
    else
        act_f32(s->act, s->lo, s->hi, out->data, n);
    return ST_OK;
}

void dnnl_conv_destroy(Kernel *k)
{
    ConvState *s = k->state;
    if (!s)
        return;
    prim_free(&s->prim);
    reorder_free(&s->src);
    reorder_free(&s->weight);
    reorder_free(&s->add);
    kernel_state_free(k);
}
