// Quantised convolution and linear layers: an image of 16-bit distances from the zero point, padded with zeros and with
// channels innermost, in which every tap of the window is one offset from the pixel; then tiles of exact sums.
// A transposed convolution is an ordinary one over an image spread by its stride, with the window turned round.
#include "kernels/cpu/q_common.h"
#include "kernels/cpu/q_tile.h"
#include "kernels/isa.h"
#include "kernels/pack.h"

#include <stdlib.h>
#include <string.h>

enum { SLACK = 128, TILES = 8, CHUNK = TILES * Q_ROWS_MAX }; // pixels that share a pass over the weights

typedef struct QConv {
    QShape s;
    const QTile *tile;
    bool depthwise;          // one channel in, one out per group
    int64_t taps, run;       // run: consecutive elements of the image that a tap reads
    int64_t pairs;           // (run + 1) / 2
    int64_t *offset;         // [taps], and once more the first when depthwise taps do not make pairs
    int64_t image[SPATIAL_MAX], spread[SPATIAL_MAX], shift[SPATIAL_MAX], step[SPATIAL_MAX];
    int64_t pixels;          // per image
    int64_t blocks;          // of columns, per group
    size_t packed_bytes;
    const int16_t *packed;   // NULL: packed in every run
    size_t image_at, scale_at, packed_at; // in scratch
} QConv;

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

// ---- weights

typedef struct PackJob { const QConv *c; const View *in; } PackJob;

// Position of tap t and element e of its run in the kernel; the channel of the group.
static int64_t run_position(const QConv *c, int64_t t, int64_t e, int64_t at[SPATIAL_MAX])
{
    const QShape *s = &c->s;
    int64_t per_tap = c->run / s->c_in_group; // kernel columns that a tap covers
    int64_t w = e / s->c_in_group;
    if (per_tap == 1) {
        at[2] = t % s->kernel[2];
        t /= s->kernel[2];
    } else {
        at[2] = w;
    }
    at[1] = t % s->kernel[1];
    at[0] = t / s->kernel[1];
    if (s->p.transposed)
        for (int d = 0; d < SPATIAL_MAX; d++)
            at[d] = s->kernel[d] - 1 - at[d];
    return e % s->c_in_group;
}

// [blocks][pairs of taps][2 * channels of a block]; zeros where there is no tap or channel.
static void pack_depthwise(const QConv *c, const View *in, int16_t *b)
{
    int channels = c->tile->channels;
    int64_t pairs = (c->taps + 1) / 2, at[SPATIAL_MAX];
    for (int64_t first = 0; first < c->s.c_out; first += channels)
        for (int64_t p = 0; p < pairs; p++, b += 2 * channels)
            for (int half = 0; half < 2; half++) {
                int64_t t = 2 * p + half;
                run_position(c, t < c->taps ? t : 0, 0, at);
                for (int i = 0; i < channels; i++)
                    b[q_depth_weight_at(channels, i, half)] = t < c->taps && first + i < c->s.c_out ? q_weight(&c->s, in, first + i, 0, at) : 0;
            }
}

static Status pack_weights(void *ctx, void *bytes)
{
    const PackJob *job = ctx;
    const QConv *c = job->c;
    const QShape *s = &c->s;
    int16_t *b = bytes;
    int64_t at[SPATIAL_MAX];
    if (c->depthwise) {
        pack_depthwise(c, job->in, b);
        return ST_OK;
    }
    int columns = c->tile->columns;
    for (int64_t g = 0; g < s->p.groups; g++)
        for (int64_t block = 0; block < c->blocks; block++)
            for (int64_t t = 0; t < c->taps; t++)
                for (int64_t e = 0; e < 2 * c->pairs; e += 2)
                    for (int j = 0; j < columns; j++) {
                        int64_t o = block * columns + j;
                        for (int half = 0; half < 2; half++) {
                            bool inside = o < s->c_out_group && e + half < c->run;
                            int64_t channel = inside ? run_position(c, t, e + half, at) : 0;
                            *b++ = inside ? q_weight(s, job->in, g * s->c_out_group + o, channel, at) : 0;
                        }
                    }
    return ST_OK;
}

static Status prepare_weights(QConv *c, const KernelContext *ctx, const View *in)
{
    bool constant = in[Q_WEIGHT].constant && (!c->s.per_channel || in[Q_ZERO_POINTS].constant);
    if (!constant || !ctx->packs)
        return ST_OK;
    struct { int64_t columns, groups, zero, run; int32_t transposed, depthwise; } shape = {c->tile->columns, c->s.p.groups, c->s.p.weight_zero_point, c->run,
                                                                             c->s.p.transposed, c->depthwise};
    PackKey key = {0};
    pack_key_text(&key, "quantised conv");
    pack_key_bytes(&key, &shape, sizeof shape);
    pack_key_operand(&key, &in[Q_WEIGHT]);
    if (c->s.per_channel)
        pack_key_operand(&key, &in[Q_ZERO_POINTS]);
    if (key.failed)
        return ST_OK;
    PackJob job = {c, in};
    const void *packed;
    TRY(pack_get(ctx->packs, key.bytes, key.size, c->packed_bytes, pack_weights, &job, &packed));
    c->packed = packed;
    return ST_OK;
}

// ---- geometry

static Status product(const int64_t *factors, int n, size_t *out)
{
    size_t p = 1;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(p, (size_t)factors[i], &p) || p > (size_t)1 << 44)
            return status_fail(ST_MEMORY, "a quantised convolution is too large");
    *out = p;
    return ST_OK;
}

static Status plan(QConv *c, Kernel *k)
{
    QShape *s = &c->s;
    c->tile = q_tile();
    if (s->linear)
        s->p.groups = 1;
    c->depthwise = s->p.groups > 1 && s->c_in_group == 1 && s->c_out_group == 1;
    bool joined = s->p.groups == 1 && s->dilation[2] == 1; // a row of the window is one piece of the image
    c->run = joined ? s->kernel[2] * s->c_in_group : s->c_in_group;
    c->pairs = (c->run + 1) / 2;
    c->taps = s->kernel[0] * s->kernel[1] * (joined ? 1 : s->kernel[2]);
    c->blocks = (s->c_out_group + c->tile->columns - 1) / c->tile->columns;
    c->pixels = 1;
    for (int d = 0; d < SPATIAL_MAX; d++) {
        int64_t reach = s->dilation[d] * (s->kernel[d] - 1);
        c->spread[d] = s->p.transposed ? s->stride[d] : 1;
        c->shift[d] = s->p.transposed ? reach - s->pad[d] : s->pad[d];
        c->step[d] = s->p.transposed ? 1 : s->stride[d];
        c->image[d] = (s->out[d] > 0 ? s->out[d] - 1 : 0) * c->step[d] + reach + 1;
        c->pixels *= s->out[d];
    }
    c->offset = malloc(sizeof *c->offset * (size_t)(c->taps + 1));
    if (!c->offset)
        return status_no_memory(sizeof *c->offset * (size_t)c->taps);
    int64_t n = 0, columns = joined ? 1 : s->kernel[2];
    for (int64_t d = 0; d < s->kernel[0]; d++)
        for (int64_t h = 0; h < s->kernel[1]; h++)
            for (int64_t w = 0; w < columns; w++)
                c->offset[n++] = ((d * s->dilation[0] * c->image[1] + h * s->dilation[1]) * c->image[2] + w * s->dilation[2]) * s->c_in;
    c->offset[n] = 0;
    size_t image, packed;
    TRY(product((int64_t[]){c->image[0], c->image[1], c->image[2], s->c_in, s->linear ? CHUNK : 1, sizeof(int16_t)}, 6, &image));
    if (c->depthwise)
        TRY(product((int64_t[]){(c->taps + 1) / 2, s->c_out + c->tile->channels - 1, 2 * sizeof(int16_t)}, 3, &packed));
    else
        TRY(product((int64_t[]){s->p.groups, c->blocks, c->taps, c->pairs, c->tile->columns, 2 * sizeof(int16_t)}, 6, &packed));
    c->packed_bytes = packed;
    c->image_at = 0;
    c->scale_at = align64(image + SLACK);
    c->packed_at = c->scale_at + align64(2 * sizeof(float) * (size_t)s->c_out);
    k->scratch_bytes = c->packed_at;
    k->flops = 2.0 * (double)s->images * (double)c->pixels * (double)s->c_out * (double)c->taps * (double)c->run;
    return ST_OK;
}

Status q_conv_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    QShape shape;
    TRY(q_shape(&shape, k, params, in, n_in));
    void *state;
    TRY(kernel_state_new(k, sizeof(QConv), &state));
    QConv *c = state;
    c->s = shape;
    if (view_numel(&k->outputs[0]) == 0 || shape.c_in == 0)
        return ST_DECLINED;
    TRY(plan(c, k));
    TRY(prepare_weights(c, ctx, in));
    if (!c->packed)
        k->scratch_bytes += align64(c->packed_bytes + SLACK);
    return ST_OK;
}

// ---- the image

#define DISTANCE_LOOP(T)                                                                                               \
    if (stride == 1)                                                                                                   \
        ISA_INDEPENDENT                                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = (int16_t)(((const T *)from)[i] - zero);                                                            \
    else                                                                                                               \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = (int16_t)(((const T *)from)[i * stride] - zero);

ISA_INLINE void distances_body(const void *from, int64_t stride, bool is_signed, int32_t zero, int16_t *to, int64_t n)
{
    if (is_signed) {
        DISTANCE_LOOP(int8_t)
    } else {
        DISTANCE_LOOP(uint8_t)
    }
}
ISA_VARIANTS(distances, (const void *from, int64_t stride, bool is_signed, int32_t zero, int16_t *to, int64_t n), (from, stride, is_signed, zero, to, n))

// Rows of pixels whose channels lie apart: one channel after the other.
ISA_INLINE void scatter_body(const uint8_t *from, int64_t stride, bool is_signed, int32_t zero, int16_t *to, int64_t pitch, int64_t n)
{
    if (is_signed)
        for (int64_t i = 0; i < n; i++)
            to[i * pitch] = (int16_t)((int8_t)from[i * stride] - zero);
    else
        for (int64_t i = 0; i < n; i++)
            to[i * pitch] = (int16_t)(from[i * stride] - zero);
}
ISA_VARIANTS(scatter, (const uint8_t *from, int64_t stride, bool is_signed, int32_t zero, int16_t *to, int64_t pitch, int64_t n),
             (from, stride, is_signed, zero, to, pitch, n))

// Strides of the spatial dimensions of x, three of them.
static void spatial_strides(const QConv *c, const View *x, int64_t stride[SPATIAL_MAX])
{
    int missing = SPATIAL_MAX - c->s.spatial;
    for (int d = 0; d < SPATIAL_MAX; d++)
        stride[d] = d >= missing ? x->stride[d - missing + 2] : 0;
}

// Positions h of the input that fall into the image: first … end.
static void inside(const QConv *c, int d, int64_t *first, int64_t *end)
{
    int64_t spread = c->spread[d], shift = c->shift[d];
    *first = shift >= 0 ? 0 : (-shift + spread - 1) / spread;
    int64_t room = c->image[d] - 1 - shift;
    *end = room < 0 ? 0 : room / spread + 1;
    if (*end > c->s.in[d])
        *end = c->s.in[d];
}

static void make_image(const QConv *c, const View *x, int64_t n, int32_t zero, int16_t *image)
{
    const QShape *s = &c->s;
    int64_t stride[SPATIAL_MAX], first[SPATIAL_MAX], end[SPATIAL_MAX], channels = s->c_in;
    bool is_signed = x->dtype == DT_QI8, filled = true;
    spatial_strides(c, x, stride);
    for (int d = 0; d < SPATIAL_MAX; d++) {
        inside(c, d, &first[d], &end[d]);
        filled = filled && c->spread[d] == 1 && c->shift[d] == 0 && end[d] == c->image[d];
    }
    size_t elements = (size_t)(c->image[0] * c->image[1] * c->image[2] * channels);
    if (!filled)
        memset(image, 0, elements * sizeof *image);
    memset(image + elements, 0, SLACK); // an odd run reads one element beyond
    const uint8_t *base = (const uint8_t *)x->data + n * x->stride[0];
    for (int64_t d = first[0]; d < end[0]; d++)
        for (int64_t h = first[1]; h < end[1]; h++) {
            const uint8_t *from = base + d * stride[0] + h * stride[1] + first[2] * stride[2];
            int16_t *to = image + (((d * c->spread[0] + c->shift[0]) * c->image[1] + h * c->spread[1] + c->shift[1]) * c->image[2] +
                                   first[2] * c->spread[2] + c->shift[2]) * channels;
            int64_t width = end[2] - first[2];
            if (x->stride[1] == 1 && stride[2] == channels && c->spread[2] == 1) {
                distances(from, 1, is_signed, zero, to, width * channels);
            } else if (x->stride[1] == 1 || channels >= width) {
                for (int64_t w = 0; w < width; w++)
                    distances(from + w * stride[2], x->stride[1], is_signed, zero, to + w * c->spread[2] * channels, channels);
            } else {
                for (int64_t ch = 0; ch < channels; ch++)
                    scatter(from + ch * x->stride[1], stride[2], is_signed, zero, to + ch, c->spread[2] * channels, width);
            }
        }
}

// ---- sums

// Pixels `at` (places in the image) … of one group against all its columns; y: the first pixel's results.
static void sum_chunk(const QConv *c, const QScale *q, const int16_t *packed, const int16_t *image, const int64_t *at, int count, int64_t group, char *y)
{
    const QShape *s = &c->s;
    const QTile *tile = c->tile;
    int32_t sums[Q_ROWS_MAX * Q_COLUMNS_MAX] __attribute__((aligned(64)));
    size_t element = dtype_size(q->to_float ? DT_F32 : q->dtype);
    int64_t block_size = c->taps * c->pairs * tile->columns * 2;
    const int16_t *b = packed + group * c->blocks * block_size;
    for (int64_t block = 0; block < c->blocks; block++, b += block_size) {
        int64_t first = group * s->c_out_group + block * tile->columns, left = s->c_out_group - block * tile->columns;
        QTileJob job = {.offset = c->offset, .taps = c->taps, .pairs = c->pairs, .b = b, .sums = sums};
        for (int row = 0; row < count; row += tile->rows) {
            job.rows = count - row < tile->rows ? count - row : tile->rows;
            for (int r = 0; r < job.rows; r++)
                job.a[r] = image + at[row + r] + group * s->c_in_group;
            tile->run(&job);
            q_finish(q, sums, job.rows, tile->columns, left < tile->columns ? left : tile->columns, first,
                     y + (size_t)(row * s->c_out + first) * element, s->c_out);
        }
    }
}

static void depthwise(const QConv *c, const QScale *q, const int16_t *packed, const int16_t *image, const int64_t *at, int count, char *y)
{
    const QTile *tile = c->tile;
    int64_t channels = c->s.c_out, pairs = (c->taps + 1) / 2;
    size_t element = dtype_size(q->to_float ? DT_F32 : q->dtype);
    int32_t sums[Q_DEPTH_ROWS * Q_COLUMNS_MAX] __attribute__((aligned(64)));
    QDepthJob job = {.offset = c->offset, .pairs = pairs, .w = packed, .sums = sums};
    for (int64_t first = 0; first < channels; first += tile->channels, job.w += pairs * 2 * tile->channels) {
        int64_t n = channels - first < tile->channels ? channels - first : tile->channels;
        for (int i = 0; i < count; i += job.rows) {
            job.rows = count - i < Q_DEPTH_ROWS ? count - i : Q_DEPTH_ROWS;
            for (int r = 0; r < job.rows; r++)
                job.a[r] = image + at[i + r] + first;
            tile->depth(&job);
            q_finish(q, sums, job.rows, tile->channels, n, first, y + (size_t)(i * channels + first) * element, channels);
        }
    }
}

static void pixels_from(const QConv *c, const QScale *q, const int16_t *packed, const int16_t *image, const int64_t *at, int count, char *y)
{
    if (c->depthwise)
        depthwise(c, q, packed, image, at, count, y);
    else
        for (int64_t g = 0; g < c->s.p.groups; g++)
            sum_chunk(c, q, packed, image, at, count, g, y);
}

// First element of row r of a tensor whose last dimension is the row.
static const uint8_t *row_of(const View *x, int64_t r)
{
    int64_t place = 0;
    for (int d = x->ndim - 2; d >= 0; d--) {
        place += r % x->size[d] * x->stride[d];
        r /= x->size[d];
    }
    return (const uint8_t *)x->data + place;
}

static void run_linear(const QConv *c, const QScale *q, const int16_t *packed, const View *x, int16_t *image, char *y)
{
    const QShape *s = &c->s;
    size_t element = dtype_size(q->to_float ? DT_F32 : q->dtype);
    int64_t at[CHUNK], k = s->c_in, last = x->stride[x->ndim - 1];
    for (int i = 0; i < CHUNK; i++)
        at[i] = i * k;
    for (int64_t first = 0; first < s->images; first += CHUNK) {
        int count = (int)(s->images - first < CHUNK ? s->images - first : CHUNK);
        for (int r = 0; r < count; r++)
            distances(row_of(x, first + r), last, x->dtype == DT_QI8, q->x_zero, image + r * k, k);
        image[count * k] = 0;
        pixels_from(c, q, packed, image, at, count, y + (size_t)(first * s->c_out) * element);
    }
}

static void run_conv(const QConv *c, const QScale *q, const int16_t *packed, const View *x, int16_t *image, char *y)
{
    const QShape *s = &c->s;
    size_t element = dtype_size(q->to_float ? DT_F32 : q->dtype);
    int64_t at[CHUNK];
    for (int64_t n = 0; n < s->images; n++) {
        int64_t pixel[SPATIAL_MAX] = {0};
        make_image(c, x, n, q->x_zero, image);
        for (int64_t first = 0; first < c->pixels; first += CHUNK) {
            int count = (int)(c->pixels - first < CHUNK ? c->pixels - first : CHUNK);
            for (int i = 0; i < count; i++) { // places of the pixels' windows in the image
                at[i] = ((pixel[0] * c->step[0] * c->image[1] + pixel[1] * c->step[1]) * c->image[2] + pixel[2] * c->step[2]) * s->c_in;
                if (++pixel[2] == s->out[2]) {
                    pixel[2] = 0;
                    if (++pixel[1] == s->out[1]) {
                        pixel[1] = 0;
                        pixel[0]++;
                    }
                }
            }
            pixels_from(c, q, packed, image, at, count, y + (size_t)((n * c->pixels + first) * s->c_out) * element);
        }
    }
}

Status q_conv_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const QConv *c = k->state;
    char *area = scratch;
    int16_t *image = (int16_t *)(area + c->image_at);
    QScale q = {.factor = (float *)(area + c->scale_at), .bias = (float *)(area + c->scale_at) + c->s.c_out};
    q_scale_set(&q, &c->s, in);
    const int16_t *packed = c->packed;
    if (!packed) {
        PackJob job = {c, in};
        TRY(pack_weights(&job, area + c->packed_at));
        packed = (const int16_t *)(area + c->packed_at);
    }
    (c->s.linear ? run_linear : run_conv)(c, &q, packed, &in[Q_X], image, out->data);
    return ST_OK;
}

void q_conv_destroy(Kernel *k)
{
    QConv *c = k->state;
    if (c)
        free(c->offset);
    kernel_state_free(k);
}
