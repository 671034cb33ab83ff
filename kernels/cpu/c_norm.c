// Normalisations of float32, vectorised: batch norm with given statistics in any layout, layer norm, group norm.
// What is not contiguous is first copied into the result and normalised there.
#include "kernels/copy.h"
#include "kernels/cpu/norm_shape.h"
#include "kernels/cpu/rows.h"

#include <math.h>
#include <string.h>

// ---- batch norm: y = x * scale[c] + shift[c]

ISA_INLINE void affine_rows_body(float *y, const float *x, const float *scale, const float *shift, int64_t rows, int64_t channels, int64_t spatial)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c++, x += spatial, y += spatial) {
            float a = scale[c], b = shift[c];
            ISA_INDEPENDENT
            for (int64_t i = 0; i < spatial; i++)
                y[i] = x[i] * a + b;
        }
}
ISA_VARIANTS(affine_rows, (float *y, const float *x, const float *scale, const float *shift, int64_t rows, int64_t channels, int64_t spatial),
             (y, x, scale, shift, rows, channels, spatial))

// Channels innermost: `block` of them beside each other.
ISA_INLINE void affine_blocks_body(float *y, const float *x, const float *scale, const float *shift, int64_t rows, int64_t channels, int64_t spatial,
                                   int64_t block)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < channels; c += block)
            for (int64_t s = 0; s < spatial; s++, x += block, y += block)
                ISA_INDEPENDENT
                for (int64_t j = 0; j < block; j++)
                    y[j] = x[j] * scale[c + j] + shift[c + j];
}
ISA_VARIANTS(affine_blocks,
             (float *y, const float *x, const float *scale, const float *shift, int64_t rows, int64_t channels, int64_t spatial, int64_t block),
             (y, x, scale, shift, rows, channels, spatial, block))

typedef struct NormState {
    double eps;
    int64_t rows, count; // what is normalised together: `count` elements of each of `rows` rows
    int64_t channels, spatial, groups, block;
    bool scale, shift, copy, rms;
} NormState;

static bool f32_vector(const View *in, int n_in, int i, int64_t n)
{
    return !operand_given(in, n_in, i) || (in[i].dtype == DT_F32 && view_is_contiguous(&in[i]) && view_numel(&in[i]) == n);
}

Status c_batch_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const BatchNormParams *p = params;
    const View *x = &in[0];
    TRY(batch_norm_check(p, in, n_in));
    int64_t channels = x->size[1];
    bool last = x->layout == LAYOUT_STRIDED && !view_is_contiguous(x) && view_is_channels_last(x);
    if (x->dtype != DT_F32 || p->batch_stats || (x->layout == LAYOUT_STRIDED && !view_is_contiguous(x) && !last))
        return ST_DECLINED;
    for (int i = 1; i < 5; i++)
        if (operand_given(in, n_in, i) ? in[i].dtype != DT_F32 || !channel_vector(&in[i]) : i > 2)
            return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(NormState), &state));
    NormState *s = state;
    s->eps = p->eps;
    s->rows = x->size[0];
    s->channels = channels;
    s->spatial = 1;
    for (int i = 2; i < x->ndim; i++)
        s->spatial *= x->size[i];
    s->block = last || x->layout == LAYOUT_CHANNELS_LAST ? channels : x->layout == LAYOUT_BLOCK8 ? 8 : x->layout == LAYOUT_BLOCK16 ? 16 : s->spatial == 1 ? channels : 0;
    if (s->block && channels % s->block)
        return ST_DECLINED;
    s->scale = operand_given(in, n_in, 1);
    s->shift = operand_given(in, n_in, 2);
    kernel_output(k, 0, DT_F32, x->ndim, x->size);
    k->outputs[0].layout = x->layout;
    if (last)
        memcpy(k->outputs[0].stride, x->stride, sizeof x->stride);
    k->in_place = 0;
    k->scratch_bytes = 2 * sizeof(float) * (size_t)channels;
    return ST_OK;
}

Status c_batch_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const NormState *s = k->state;
    float *scale = scratch, *shift = scale + s->channels;
    const float *w = s->scale ? in[1].data : NULL, *b = s->shift ? in[2].data : NULL, *mean = in[3].data, *var = in[4].data;
    int64_t w_step = w ? channel_step(&in[1]) : 0, b_step = b ? channel_step(&in[2]) : 0, mean_step = channel_step(&in[3]), var_step = channel_step(&in[4]);
    for (int64_t c = 0; c < s->channels; c++) {
        double a = (w ? (double)w[c * w_step] : 1.0) / sqrt((double)var[c * var_step] + s->eps);
        scale[c] = (float)a;
        shift[c] = (float)((b ? (double)b[c * b_step] : 0.0) - (double)mean[c * mean_step] * a);
    }
    if (s->block)
        affine_blocks(out->data, in[0].data, scale, shift, s->rows, s->channels, s->spatial, s->block);
    else
        affine_rows(out->data, in[0].data, scale, shift, s->rows, s->channels, s->spatial);
    return ST_OK;
}

void c_batch_norm_destroy(Kernel *k) { kernel_state_free(k); }

// ---- layer norm

ISA_INLINE void layer_rows_body(float *y, const float *x, const float *w, const float *b, float *mean_out, float *rstd_out, const NormState *s)
{
    int64_t n = s->count;
    for (int64_t r = 0; r < s->rows; r++, x += n, y += n) {
        float mean = s->rms ? 0.0f : (float)(row_sum(x, n) / (double)n);
        double var = row_sum_squares(x, n, mean) / (double)n;
        float rstd = (float)(1.0 / sqrt(var + s->eps));
        mean_out[r] = mean;
        rstd_out[r] = rstd;
        if (w && b)
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] = (x[i] - mean) * rstd * w[i] + b[i];
        else if (w)
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] = (x[i] - mean) * rstd * w[i];
        else
            ISA_INDEPENDENT
            for (int64_t i = 0; i < n; i++)
                y[i] = (x[i] - mean) * rstd;
    }
}
ISA_VARIANTS(layer_rows, (float *y, const float *x, const float *w, const float *b, float *mean, float *rstd, const NormState *s),
             (y, x, w, b, mean, rstd, s))

Status c_layer_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const LayerNormParams *p = params;
    const View *x = &in[0];
    int64_t stats[VIEW_MAX_DIMS], count = 1;
    TRY(layer_norm_check(p, in, n_in, stats));
    for (int i = x->ndim - p->dims; i < x->ndim; i++)
        count *= x->size[i];
    bool has_w = operand_given(in, n_in, 1), has_b = operand_given(in, n_in, 2);
    if (x->dtype != DT_F32 || x->layout != LAYOUT_STRIDED || count == 0 || !f32_vector(in, n_in, 1, count) || !f32_vector(in, n_in, 2, count) || (has_b && !has_w))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(NormState), &state));
    NormState *s = state;
    s->eps = p->eps;
    s->rms = p->rms;
    s->count = count;
    s->rows = view_numel(x) / count;
    s->scale = has_w;
    s->shift = has_b;
    s->copy = !view_is_contiguous(x);
    kernel_output(k, 0, DT_F32, x->ndim, x->size);
    kernel_output(k, 1, DT_F32, x->ndim, stats);
    kernel_output(k, 2, DT_F32, x->ndim, stats);
    k->in_place = s->copy ? -1 : 0;
    return ST_OK;
}

Status c_layer_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const NormState *s = k->state;
    const float *x = in[0].data;
    if (s->copy) {
        TRY(copy_convert(&out[0], &in[0]));
        x = out[0].data;
    }
    layer_rows(out[0].data, x, s->scale ? in[1].data : NULL, s->shift ? in[2].data : NULL, out[1].data, out[2].data, s);
    return ST_OK;
}

void c_layer_norm_destroy(Kernel *k) { kernel_state_free(k); }

// ---- group norm: a group's channels lie beside each other

ISA_INLINE void group_rows_body(float *y, const float *x, const float *w, const float *b, float *mean_out, float *rstd_out, const NormState *s)
{
    int64_t per_group = s->channels / s->groups, n = per_group * s->spatial;
    for (int64_t r = 0; r < s->rows * s->groups; r++) {
        float mean = (float)(row_sum(x, n) / (double)n);
        double var = row_sum_squares(x, n, mean) / (double)n;
        float rstd = (float)(1.0 / sqrt(var + s->eps));
        mean_out[r] = mean;
        rstd_out[r] = rstd;
        for (int64_t c = 0; c < per_group; c++, x += s->spatial, y += s->spatial) {
            int64_t channel = r % s->groups * per_group + c;
            float scale = rstd * (w ? w[channel] : 1.0f), shift = b ? b[channel] : 0.0f;
            ISA_INDEPENDENT
            for (int64_t i = 0; i < s->spatial; i++)
                y[i] = (x[i] - mean) * scale + shift;
        }
    }
}
ISA_VARIANTS(group_rows, (float *y, const float *x, const float *w, const float *b, float *mean, float *rstd, const NormState *s),
             (y, x, w, b, mean, rstd, s))

Status c_group_norm_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const GroupNormParams *p = params;
    const View *x = &in[0];
    TRY(group_norm_check(p, in, n_in));
    int64_t channels = x->size[1];
    if (x->dtype != DT_F32 || x->layout != LAYOUT_STRIDED || view_numel(x) == 0 || !f32_vector(in, n_in, 1, channels) || !f32_vector(in, n_in, 2, channels))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(NormState), &state));
    NormState *s = state;
    s->eps = p->eps;
    s->rows = x->size[0];
    s->channels = channels;
    s->groups = p->groups;
    s->spatial = view_numel(x) / (x->size[0] * channels);
    s->scale = operand_given(in, n_in, 1);
    s->shift = operand_given(in, n_in, 2);
    s->copy = !view_is_contiguous(x);
    kernel_output(k, 0, DT_F32, x->ndim, x->size);
    kernel_output(k, 1, DT_F32, 2, (int64_t[]){x->size[0], p->groups});
    kernel_output(k, 2, DT_F32, 2, (int64_t[]){x->size[0], p->groups});
    k->in_place = s->copy ? -1 : 0;
    return ST_OK;
}

Status c_group_norm_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const NormState *s = k->state;
    const float *x = in[0].data;
    if (s->copy) {
        TRY(copy_convert(&out[0], &in[0]));
        x = out[0].data;
    }
    group_rows(out[0].data, x, s->scale ? in[1].data : NULL, s->shift ? in[2].data : NULL, out[1].data, out[2].data, s);
    return ST_OK;
}

void c_group_norm_destroy(Kernel *k) { kernel_state_free(k); }
