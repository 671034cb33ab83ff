// Maximum pooling of quantised bytes with channels innermost: whole pixels at a time.
// The greatest integer stands for the greatest number, so no scale is needed.
#include "kernels/cpu/variants.h"
#include "kernels/isa.h"

#include <string.h>

typedef struct QPool { PoolParams p; int spatial; } QPool;

Status q_pool_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    const PoolParams *p = params;
    const View *x = &in[0];
    if ((x->dtype != DT_QU8 && x->dtype != DT_QI8) || !p->max || p->with_indices || any_private(in, n_in) || x->ndim < 3 || x->ndim > 2 + SPATIAL_MAX ||
        (x->stride[1] != 1 && x->size[1] != 1))
        return ST_DECLINED;
    int64_t size[VIEW_MAX_DIMS];
    TRY(pool_shape(p, in, size));
    kernel_output(k, 0, (DType)x->dtype, x->ndim, size);
    View *out = &k->outputs[0];
    int64_t stride = out->size[1] > 1 ? out->size[1] : 1;
    out->stride[1] = 1;
    for (int d = out->ndim - 1; d >= 2; d--) {
        out->stride[d] = stride;
        stride *= out->size[d] > 1 ? out->size[d] : 1;
    }
    out->stride[0] = stride;
    void *state;
    TRY(kernel_state_new(k, sizeof(QPool), &state));
    *(QPool *)state = (QPool){*p, x->ndim - 2};
    return ST_OK;
}

ISA_INLINE void max_bytes_body(uint8_t *y, const uint8_t *x, int64_t n, bool is_signed)
{
    if (is_signed)
        ISA_INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            y[i] = (int8_t)x[i] > (int8_t)y[i] ? x[i] : y[i];
    else
        ISA_INDEPENDENT
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] > y[i] ? x[i] : y[i];
}
ISA_VARIANTS(max_bytes, (uint8_t *y, const uint8_t *x, int64_t n, bool is_signed), (y, x, n, is_signed))

// The window of output position o[], over all channels.
static void window(const QPool *q, const View *x, const uint8_t *image, const int64_t *o, uint8_t *y)
{
    int64_t first[SPATIAL_MAX] = {0}, count[SPATIAL_MAX] = {1, 1, 1}, channels = x->size[1];
    int missing = SPATIAL_MAX - q->spatial;
    for (int d = missing; d < SPATIAL_MAX; d++)
        count[d] = q->p.kernel[d - missing];
    bool any = false;
    for (first[0] = 0; first[0] < count[0]; first[0]++)
        for (first[1] = 0; first[1] < count[1]; first[1]++)
            for (first[2] = 0; first[2] < count[2]; first[2]++) {
                int64_t place = 0;
                bool inside = true;
                for (int d = missing; d < SPATIAL_MAX; d++) {
                    int s = d - missing;
                    int64_t at = o[d] * q->p.stride[s] - q->p.padding[s] + first[d] * q->p.dilation[s];
                    inside = inside && at >= 0 && at < x->size[2 + s];
                    place += at * x->stride[2 + s];
                }
                if (!inside)
                    continue;
                if (any)
                    max_bytes(y, image + place, channels, x->dtype == DT_QI8);
                else
                    memcpy(y, image + place, (size_t)channels);
                any = true;
            }
    if (!any)
        memset(y, x->dtype == DT_QI8 ? 0x80 : 0, (size_t)channels);
}

Status q_pool_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const QPool *q = k->state;
    int64_t o[SPATIAL_MAX], count[SPATIAL_MAX] = {1, 1, 1}, channels = in[0].size[1];
    for (int d = SPATIAL_MAX - q->spatial; d < SPATIAL_MAX; d++)
        count[d] = out->size[2 + d - (SPATIAL_MAX - q->spatial)];
    uint8_t *y = out->data;
    for (int64_t n = 0; n < in[0].size[0]; n++)
        for (o[0] = 0; o[0] < count[0]; o[0]++)
            for (o[1] = 0; o[1] < count[1]; o[1]++)
                for (o[2] = 0; o[2] < count[2]; o[2]++, y += channels)
                    window(q, &in[0], (const uint8_t *)in[0].data + n * in[0].stride[0], o, y);
    return ST_OK;
}

void q_pool_destroy(Kernel *k) { kernel_state_free(k); }
