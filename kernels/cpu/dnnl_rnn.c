// Recurrent layers on oneDNN: one primitive per layer, both directions in it. float32, constant weights, no projection.
// oneDNN's GRU with PyTorch's formula is its "linear before reset" one, whose gates come as z, r, n and whose bias has a
// fourth row (that of the hidden part of n); LSTM's gates i f g o are the same in both.
#include "kernels/cpu/dnnl_prim.h"
#include "kernels/cpu/variants.h"
#include "kernels/rnn.h"

#include <stdlib.h>
#include <string.h>

enum { VECTOR_WEIGHTS = 1 << 20 };

typedef struct RnnShape {
    int mode, directions;
    int64_t steps, batch, features, units;
} RnnShape;

typedef struct DnnlRnn {
    Prim prim;
    int x, h0, c0, y, h, c; // arguments, -1 when absent
} DnnlRnn;

typedef struct RnnMds {
    Md x, state, w_layer, w_iter, bias, y;
} RnnMds;

static void mds_free(RnnMds *m)
{
    md_free(&m->x);
    md_free(&m->state);
    md_free(&m->w_layer);
    md_free(&m->w_iter);
    md_free(&m->bias);
    md_free(&m->y);
}

static int bias_rows(int mode) { return mode == RNN_GRU ? 4 : rnn_gates(mode); }

static Status mds_make(RnnMds *m, const RnnShape *s, const View *in, const View *out)
{
    int64_t gates = rnn_gates(s->mode), d = s->directions, rows = bias_rows(s->mode);
    TRY(md_strided(&m->x, DT_F32, 3, in[RNN_X].size, in[RNN_X].stride));
    TRY(md_strided(&m->y, DT_F32, 3, out[0].size, out[0].stride));
    TRY(md_strided(&m->state, DT_F32, 4, (int64_t[]){1, d, s->batch, s->units},
                   (int64_t[]){d * s->batch * s->units, s->batch * s->units, s->units, 1}));
    TRY(md_any(&m->w_layer, DT_F32, 5, (int64_t[]){1, d, s->features, gates, s->units}));
    TRY(md_any(&m->w_iter, DT_F32, 5, (int64_t[]){1, d, s->units, gates, s->units}));
    return md_strided(&m->bias, DT_F32, 4, (int64_t[]){1, d, rows, s->units},
                      (int64_t[]){d * rows * s->units, rows * s->units, s->units, 1});
}

static Status pd_rnn(Pd *out, int mode, dnnl_rnn_direction_t direction, const RnnMds *m, Attr a)
{
    const dnnl_prop_kind_t prop = dnnl_forward_inference;
    dnnl_alg_kind_t act = mode == RNN_RELU ? dnnl_eltwise_relu : dnnl_eltwise_tanh;
    MdRef x = MD_REF(m->x), s = MD_REF(m->state), wl = MD_REF(m->w_layer), wi = MD_REF(m->w_iter), b = MD_REF(m->bias), y = MD_REF(m->y);
    dnnl_engine_t engine = dnnl_cpu_engine();
    dnnl_status_t status;
#if DNNL_VERSION_MAJOR >= 3
    if (mode == RNN_LSTM)
        status = dnnl_lstm_forward_primitive_desc_create(out, engine, prop, direction, x, s, s, wl, wi, NULL, NULL, b, y, s, s, 0, a);
    else if (mode == RNN_GRU)
        status = dnnl_lbr_gru_forward_primitive_desc_create(out, engine, prop, direction, x, s, wl, wi, b, y, s, 0, a);
    else
        status = dnnl_vanilla_rnn_forward_primitive_desc_create(out, engine, prop, act, direction, x, s, wl, wi, b, y, s, 0, 0, 0, a);
#else
    dnnl_rnn_desc_t op;
    if (mode == RNN_LSTM)
        status = dnnl_lstm_forward_desc_init(&op, prop, direction, x, s, s, wl, wi, b, y, s, s, 0);
    else if (mode == RNN_GRU)
        status = dnnl_lbr_gru_forward_desc_init(&op, prop, direction, x, s, wl, wi, b, y, s, 0);
    else
        status = dnnl_vanilla_rnn_forward_desc_init(&op, prop, act, direction, x, s, wl, wi, b, y, s, 0, 0, 0);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, &op, a, engine, NULL);
#endif
    // What the library refuses for its shape or layout is the reference's to do.
    return status == dnnl_invalid_arguments ? ST_DECLINED : dnnl_check(status, "recurrent layer");
}

// ---- packing

typedef struct PackJob {
    const RnnShape *shape;
    const View *weights; // RNN_WEIGHTS per direction
    int which;           // 0: w_ih, 1: w_hh
    MdRef wanted;
} PackJob;

// Where gate g of PyTorch's order stands in oneDNN's.
static int64_t gate_place(int mode, int64_t g) { return mode == RNN_GRU && g < 2 ? 1 - g : g; }

static float weight_at(const View *w, int64_t row, int64_t column)
{
    return ((const float *)w->data)[row * w->stride[0] + column * w->stride[1]];
}

static Status reorder_plain(MdRef source, MdRef wanted, const float *plain, void *bytes)
{
    Reorder r = {0};
    TRY(reorder_new(&r, source, wanted));
    Status status = ST_OK;
    if (r.needed) {
        void *scratch = r.prim.scratch_bytes ? malloc(r.prim.scratch_bytes) : NULL;
        status = r.prim.scratch_bytes && !scratch ? status_no_memory(r.prim.scratch_bytes) : reorder_run(&r, plain, bytes, scratch);
        free(scratch);
    } else {
        memcpy(bytes, plain, md_size(wanted));
    }
    reorder_free(&r);
    return status;
}

// PyTorch's [G·H, width] of each direction as oneDNN's plain [D, width, G, H], then into the layout it wants.
static Status fill_weights(void *context, void *bytes)
{
    const PackJob *job = context;
    const RnnShape *s = job->shape;
    int64_t gates = rnn_gates(s->mode), width = job->which ? s->units : s->features, count = s->directions * width * gates * s->units;
    float *plain = malloc((size_t)(count ? count : 1) * sizeof *plain), *to = plain;
    if (!plain)
        return status_no_memory((size_t)count * sizeof *plain);
    for (int d = 0; d < s->directions; d++) {
        const View *w = &job->weights[RNN_WEIGHTS * d + job->which];
        for (int64_t i = 0; i < width; i++)
            for (int64_t g = 0; g < gates; g++, to += s->units)
                for (int64_t j = 0; j < s->units; j++)
                    to[j] = weight_at(w, gate_place(s->mode, g) * s->units + j, i);
    }
    Md source = {0};
    Status status = md_strided(&source, DT_F32, 5, (int64_t[]){1, s->directions, width, gates, s->units},
                               (int64_t[]){count, width * gates * s->units, gates * s->units, s->units, 1});
    if (status == ST_OK)
        status = reorder_plain(MD_REF(source), job->wanted, plain, bytes);
    md_free(&source);
    free(plain);
    return status;
}

static Status fill_bias(void *context, void *bytes)
{
    const PackJob *job = context;
    const RnnShape *s = job->shape;
    int64_t gates = rnn_gates(s->mode), rows = bias_rows(s->mode);
    memset(bytes, 0, (size_t)(s->directions * rows * s->units) * sizeof(float));
    for (int d = 0; d < s->directions; d++) {
        const View *b = &job->weights[RNN_WEIGHTS * d + 2];
        for (int64_t g = 0; g < gates && b[0].dtype != DT_INVALID; g++)
            for (int64_t j = 0; j < s->units; j++) {
                int64_t from = g * s->units + j;
                float x = ((const float *)b[0].data)[from * b[0].stride[0]], h = ((const float *)b[1].data)[from * b[1].stride[0]];
                float *to = (float *)bytes + (d * rows + gate_place(s->mode, g)) * s->units + j;
                bool apart = s->mode == RNN_GRU && g == 2; // n's hidden part is multiplied by r: kept apart
                *to = apart ? x : x + h;
                if (apart)
                    to[s->units] = h;
            }
    }
    return ST_OK;
}

static Status pack(const KernelContext *ctx, PackJob *job, const char *what, const View *keyed, int per_direction,
                   Status (*fill)(void *, void *), const void **out)
{
    PackKey key = {0};
    pack_key_text(&key, what);
    pack_key_bytes(&key, &job->shape->mode, sizeof job->shape->mode);
    md_key(&key, job->wanted);
    for (int d = 0; d < job->shape->directions; d++)
        for (int i = 0; i < per_direction; i++)
            if (keyed[RNN_WEIGHTS * d + i].dtype != DT_INVALID)
                pack_key_operand(&key, &keyed[RNN_WEIGHTS * d + i]);
    if (key.failed)
        return ST_DECLINED;
    return pack_get(ctx->packs, key.bytes, key.size, md_size(job->wanted), fill, job, out);
}

static MdRef wanted_weights(Pd pd, int which)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, which ? DNNL_ARG_WEIGHTS_ITER : DNNL_ARG_WEIGHTS_LAYER);
#else
    return dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, which);
#endif
}

static Status add_packed(DnnlRnn *r, const KernelContext *ctx, Pd pd, const RnnShape *s, const RnnMds *m, const View *in)
{
    const View *w = in + RNN_FIRST_WEIGHT;
    const void *bytes;
    int at;
    for (int which = 0; which < 2; which++) {
        PackJob job = {s, w, which, wanted_weights(pd, which)};
        TRY(pack(ctx, &job, which ? "rnn weights_iter" : "rnn weights_layer", w + which, 1, fill_weights, &bytes));
        TRY(prim_arg(&r->prim, which ? DNNL_ARG_WEIGHTS_ITER : DNNL_ARG_WEIGHTS_LAYER, job.wanted, &at));
        prim_set(&r->prim, at, bytes);
    }
    PackJob job = {s, w, 0, MD_REF(m->bias)};
    TRY(pack(ctx, &job, "rnn bias", w + 2, 2, fill_bias, &bytes));
    TRY(prim_arg(&r->prim, DNNL_ARG_BIAS, MD_REF(m->bias), &at));
    prim_set(&r->prim, at, bytes);
    return ST_OK;
}

static Status add_state(DnnlRnn *r, const RnnMds *m, int mode)
{
    r->c0 = r->c = -1;
    TRY(prim_arg(&r->prim, DNNL_ARG_SRC_LAYER, MD_REF(m->x), &r->x));
    TRY(prim_arg(&r->prim, DNNL_ARG_SRC_ITER, MD_REF(m->state), &r->h0));
    TRY(prim_arg(&r->prim, DNNL_ARG_DST_LAYER, MD_REF(m->y), &r->y));
    TRY(prim_arg(&r->prim, DNNL_ARG_DST_ITER, MD_REF(m->state), &r->h));
    if (mode != RNN_LSTM)
        return ST_OK;
    TRY(prim_arg(&r->prim, DNNL_ARG_SRC_ITER_C, MD_REF(m->state), &r->c0));
    return prim_arg(&r->prim, DNNL_ARG_DST_ITER_C, MD_REF(m->state), &r->c);
}

static bool serves(const RnnParams *p, const View *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID &&
            (in[i].dtype != DT_F32 || in[i].layout != LAYOUT_STRIDED || (i >= RNN_FIRST_WEIGHT && !in[i].constant)))
            return false;
    for (int d = 0; d < p->directions; d++)
        if (in[RNN_FIRST_WEIGHT + RNN_WEIGHTS * d + 4].dtype != DT_INVALID)
            return false;
    const View *x = &in[RNN_X];
    int64_t i = x->size[2];
    bool dense = x->stride[2] == 1 && ((x->stride[1] == i && x->stride[0] == x->size[1] * i) ||
                                       (x->stride[0] == i && x->stride[1] == x->size[0] * i));
    return view_numel(x) > 0 && dense && view_is_contiguous(&in[RNN_H0]) &&
           (p->mode != RNN_LSTM || view_is_contiguous(&in[RNN_C0]));
}

Status dnnl_rnn_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const RnnParams *p = params;
    TRY(rnn_check(p, in, n_in));
    // The states of one sequence are vectors, and for large weights gemm_rnn.c reads those faster than the library's LSTM
    // does: in half the time from 512 units, in more below 256; GRUs take the same time in both.
    int64_t weights = in[RNN_FIRST_WEIGHT + 1].size[0] * in[RNN_FIRST_WEIGHT + 1].size[1];
    if (!serves(p, in, n_in) || (p->mode == RNN_LSTM && in[RNN_X].size[1] == 1 && ctx->threads == 1 && weights >= VECTOR_WEIGHTS))
        return ST_DECLINED;
    RnnShape s = {p->mode, p->directions, in[RNN_X].size[0], in[RNN_X].size[1], in[RNN_X].size[2], in[RNN_H0].size[2]};
    void *state;
    TRY(kernel_state_new(k, sizeof(DnnlRnn), &state));
    DnnlRnn *r = state;
    k->output_count = rnn_outputs(p, in, k->outputs);
    RnnMds m = {0};
    Attr attr = NULL;
    Pd pd = NULL;
    dnnl_rnn_direction_t direction = p->directions == 2 ? dnnl_bidirectional_concat
                                     : p->reverse       ? dnnl_unidirectional_right2left
                                                        : dnnl_unidirectional_left2right;
    Status status = mds_make(&m, &s, in, k->outputs);
    if (status == ST_OK)
        status = attr_new(&attr);
    if (status == ST_OK)
        status = pd_rnn(&pd, p->mode, direction, &m, attr);
    if (status == ST_OK)
        status = prim_new(&r->prim, pd);
    if (status == ST_OK)
        status = add_state(r, &m, p->mode);
    if (status == ST_OK)
        status = add_packed(r, ctx, pd, &s, &m, in);
    k->scratch_bytes = r->prim.scratch_bytes;
    k->flops = 2.0 * (double)(s.steps * s.batch * s.directions * rnn_gates(s.mode) * s.units) * (double)(s.features + s.units);
    if (pd)
        pd_free(pd);
    if (attr)
        attr_free(attr);
    mds_free(&m);
    if (status != ST_OK)
        dnnl_rnn_destroy(k);
    return status;
}

Status dnnl_rnn_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const DnnlRnn *r = k->state;
    prim_set(&r->prim, r->x, in[RNN_X].data);
    prim_set(&r->prim, r->h0, in[RNN_H0].data);
    prim_set(&r->prim, r->y, out[0].data);
    prim_set(&r->prim, r->h, out[1].data);
    if (r->c0 >= 0) {
        prim_set(&r->prim, r->c0, in[RNN_C0].data);
        prim_set(&r->prim, r->c, out[2].data);
    }
    return prim_run(&r->prim, scratch);
}

void dnnl_rnn_destroy(Kernel *k)
{
    if (k->state)
        prim_free(&((DnnlRnn *)k->state)->prim);
    kernel_state_free(k);
}
