// float16 and bfloat16 through float32: operands are widened (constant ones once), the float32 variant runs, results are
// rounded. Private layouts stay as they are, since they only order elements.
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/cpu/variants.h"
#include "kernels/pack.h"
#include "kernels/rnn.h"

#include <string.h>

typedef struct Widened {
    bool used;
    View view;           // float32
    int64_t count;       // elements, padding of private layouts included
    const void *packed;  // of a constant
    size_t at;           // in scratch
} Widened;

typedef struct WidenState {
    Kernel inner;
    DType narrow;
    int n_in;
    Widened in[KERNEL_MAX_INPUTS], out[KERNEL_MAX_OUTPUTS];
    size_t inner_at;
} WidenState;

static size_t align_up(size_t n) { return (n + 63) & ~(size_t)63; }
static bool is_half(uint8_t t) { return t == DT_F16 || t == DT_BF16; }

// Every element once, in some order of the dimensions: then a run over memory converts all of it.
static bool one_piece(const View *v)
{
    if (v->layout != LAYOUT_STRIDED)
        return true;
    int64_t expected = 1;
    bool done[VIEW_MAX_DIMS] = {false};
    for (int n = 0; n < v->ndim; n++) {
        int next = -1;
        for (int d = 0; d < v->ndim; d++)
            if (!done[d] && (v->size[d] == 1 || v->stride[d] == expected) && (next < 0 || v->size[d] == 1))
                next = d;
        if (next < 0)
            return false;
        done[next] = true;
        expected *= v->size[next];
    }
    return true;
}

static int64_t elements(const View *v)
{
    return v->layout == LAYOUT_STRIDED ? view_numel(v) : (int64_t)(layout_bytes((Layout)v->layout, DT_F32, v->ndim, v->size) / sizeof(float));
}

static Status convert_all(void *to, DType to_type, const void *from, DType from_type, int64_t n)
{
    Converter c;
    if (!converter_find(from_type, to_type, &c))
        return ST_DECLINED;
    convert_row(&c, to, (int64_t)dtype_size(to_type), from, (int64_t)dtype_size(from_type), n);
    return ST_OK;
}

static Status widen_into(const Widened *w, const View *from, void *to)
{
    if (one_piece(from))
        return convert_all(to, DT_F32, from->data, (DType)from->dtype, w->count);
    View v = w->view;
    v.data = to;
    return copy_convert(&v, from);
}

typedef struct PackWide { const Widened *w; const View *from; } PackWide;
static Status pack_wide(void *ctx, void *bytes)
{
    PackWide *p = ctx;
    return widen_into(p->w, p->from, bytes);
}

static Status plan_input(WidenState *s, const KernelContext *ctx, const View *v, Widened *w, size_t *at)
{
    w->view = *v;
    if (!is_half(v->dtype))
        return ST_OK;
    w->used = true;
    w->view.dtype = DT_F32;
    w->view.constant = false;
    w->count = elements(v);
    if (!one_piece(v))
        view_set_contiguous(&w->view, v->ndim, v->size);
    size_t bytes = (size_t)w->count * sizeof(float);
    if (v->constant && ctx->packs) {
        PackKey key = {0};
        PackWide fill = {w, v};
        pack_key_text(&key, "float32 of half");
        pack_key_operand(&key, v);
        if (!key.failed)
            TRY(pack_get(ctx->packs, key.bytes, key.size, bytes, pack_wide, &fill, &w->packed));
        w->view.constant = w->packed != NULL;
        w->view.data = (void *)w->packed;
    }
    (void)s;
    w->at = *at;
    *at += w->packed ? 0 : align_up(bytes);
    return ST_OK;
}

static Status plan(Kernel *k, WidenState *s, const KernelContext *ctx, const KernelOp *op, const void *params, const View *in, int n_in)
{
    View wide[KERNEL_MAX_INPUTS];
    size_t at = 0;
    bool mixed = false;
    for (int i = 0; i < n_in; i++) {
        TRY(plan_input(s, ctx, &in[i], &s->in[i], &at));
        wide[i] = s->in[i].view;
        mixed = mixed || in[i].dtype == DT_F32;
    }
    TRY(kernel_prepare(&s->inner, op, ctx, params, wide, n_in));
    if (strcmp(s->inner.variant->name, "reference") == 0)
        return ST_DECLINED;
    k->output_count = s->inner.output_count;
    for (int i = 0; i < k->output_count; i++) {
        Widened *w = &s->out[i];
        w->view = k->outputs[i] = s->inner.outputs[i];
        w->used = w->view.dtype == DT_F32 && !(mixed && i > 0); // statistics beside float32 weights stay float32
        if (!w->used)
            continue;
        k->outputs[i].dtype = (uint8_t)s->narrow;
        w->count = elements(&w->view);
        w->at = at;
        at += align_up((size_t)w->count * sizeof(float));
    }
    s->inner_at = at;
    k->scratch_bytes = at + s->inner.scratch_bytes;
    k->flops = s->inner.flops;
    return ST_OK;
}

static Status widen_prepare(Kernel *k, const KernelContext *ctx, const KernelOp *op, const void *params, const View *in, int n_in)
{
    if (ctx->reference_only || n_in < 1 || !is_half(in[0].dtype))
        return ST_DECLINED;
    for (int i = 1; i < n_in; i++)
        if (in[i].dtype == DT_F64 || (is_half(in[i].dtype) && in[i].dtype != in[0].dtype))
            return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(WidenState), &state));
    WidenState *s = state;
    s->narrow = (DType)in[0].dtype;
    s->n_in = n_in;
    return plan(k, s, ctx, op, params, in, n_in);
}

Status widen_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    const WidenState *s = k->state;
    View wide_in[KERNEL_MAX_INPUTS], wide_out[KERNEL_MAX_OUTPUTS];
    char *area = scratch;
    for (int i = 0; i < s->n_in; i++) {
        const Widened *w = &s->in[i];
        wide_in[i] = w->view;
        if (w->used && !w->packed) {
            wide_in[i].data = area + w->at;
            TRY(widen_into(w, &in[i], wide_in[i].data));
        } else if (!w->used) {
            wide_in[i].data = in[i].data;
        }
    }
    for (int i = 0; i < k->output_count; i++) {
        wide_out[i] = s->out[i].view;
        wide_out[i].data = s->out[i].used ? area + s->out[i].at : out[i].data;
    }
    TRY(s->inner.variant->run(&s->inner, wide_in, wide_out, area + s->inner_at, stream));
    for (int i = 0; i < k->output_count; i++)
        if (s->out[i].used)
            TRY(convert_all(out[i].data, s->narrow, wide_out[i].data, DT_F32, s->out[i].count));
    return ST_OK;
}

void widen_destroy(Kernel *k)
{
    WidenState *s = k->state;
    if (s)
        kernel_destroy(&s->inner);
    kernel_state_free(k);
}

#define WIDEN(x)                                                                                                       \
    Status widen_##x##_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)      \
    {                                                                                                                  \
        return widen_prepare(k, ctx, &kernel_##x, params, in, n_in);                                                   \
    }
WIDEN(conv)
WIDEN(pool)
WIDEN(adaptive_pool)
WIDEN(batch_norm)
WIDEN(layer_norm)
WIDEN(group_norm)
WIDEN(softmax)
WIDEN(attention)
WIDEN(resize)
WIDEN(grid_sample)
WIDEN(rnn_layer)
WIDEN(cdist)
WIDEN(col2im)
