// im2col and col2im: the windows of an image as columns, and columns added up into an image. Any element type.
// Rows of a window that lie inside the image are copied or added one element at a time; the rest is zero.
#include "kernels/cpu/variants.h"
#include "kernels/promote.h"

#include <string.h>

typedef struct FoldState {
    FoldParams p;
    int64_t n, c, h, w, out_h, out_w; // image, and windows in each direction
    size_t element;
} FoldState;

static Status fold_windows(const FoldParams *p, const int64_t *image, int64_t *windows)
{
    for (int i = 0; i < 2; i++) {
        if (p->kernel[i] <= 0 || p->dilation[i] <= 0 || p->stride[i] <= 0)
            return status_fail(ST_RAISED, "kernel size, dilation and stride should be greater than zero, but got %lld, %lld and %lld", (long long)p->kernel[i],
                               (long long)p->dilation[i], (long long)p->stride[i]);
        if (p->padding[i] < 0)
            return status_fail(ST_RAISED, "padding should be non-negative, but got padding: %lld", (long long)p->padding[i]);
        int64_t room = image[i] + 2 * p->padding[i] - p->dilation[i] * (p->kernel[i] - 1) - 1;
        windows[i] = room < 0 ? 0 : room / p->stride[i] + 1;
        if (windows[i] < 1)
            return status_fail(ST_RAISED, "Given input with spatial size (%lld, %lld), kernel_size=(%lld, %lld), the array of sliding blocks is empty: each component must be at least one.",
                               (long long)image[0], (long long)image[1], (long long)p->kernel[0], (long long)p->kernel[1]);
    }
    return ST_OK;
}

static Status fold_state(Kernel *k, const FoldParams *p, const View *in, int64_t channels, const int64_t *image, const int64_t *windows)
{
    if (in->layout != LAYOUT_STRIDED || !element_type(dtype_real_of((DType)in->dtype)))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(FoldState), &state));
    *(FoldState *)state = (FoldState){*p, in->size[0], channels, image[0], image[1], windows[0], windows[1], dtype_size((DType)in->dtype)};
    return ST_OK;
}

Status ref_im2col_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const FoldParams *p = params;
    int64_t windows[2];
    if (in->ndim != 4)
        return status_fail(ST_RAISED, "Expected 3D or 4D (batch mode) tensor for im2col, but got %dD", in->ndim);
    TRY(fold_windows(p, in->size + 2, windows));
    TRY(fold_state(k, p, in, in->size[1], in->size + 2, windows));
    kernel_output(k, 0, (DType)in->dtype, 3, (int64_t[]){in->size[0], in->size[1] * p->kernel[0] * p->kernel[1], windows[0] * windows[1]});
    return ST_OK;
}

// Element (n, channel, row, column) of the image that window (oh, ow) has at (kh, kw); false outside.
static bool image_at(const FoldState *s, int64_t oh, int64_t ow, int64_t kh, int64_t kw, int64_t *h, int64_t *w)
{
    *h = oh * s->p.stride[0] - s->p.padding[0] + kh * s->p.dilation[0];
    *w = ow * s->p.stride[1] - s->p.padding[1] + kw * s->p.dilation[1];
    return *h >= 0 && *h < s->h && *w >= 0 && *w < s->w;
}

Status ref_im2col_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const FoldState *s = k->state;
    const View *x = &in[0];
    char *to = out[0].data;
    int64_t taps = s->p.kernel[0] * s->p.kernel[1];
    for (int64_t r = 0; r < s->n * s->c * taps; r++) {
        int64_t n = r / taps / s->c, c = r / taps % s->c, kh = r % taps / s->p.kernel[1], kw = r % s->p.kernel[1], h, w;
        const char *from = (const char *)x->data + (n * x->stride[0] + c * x->stride[1]) * (int64_t)s->element;
        for (int64_t oh = 0; oh < s->out_h; oh++)
            for (int64_t ow = 0; ow < s->out_w; ow++, to += s->element)
                if (image_at(s, oh, ow, kh, kw, &h, &w))
                    memcpy(to, from + (h * x->stride[2] + w * x->stride[3]) * (int64_t)s->element, s->element);
                else
                    memset(to, 0, s->element);
    }
    return ST_OK;
}

void ref_im2col_destroy(Kernel *k) { kernel_state_free(k); }

Status ref_col2im_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const FoldParams *p = params;
    int64_t windows[2], taps = p->kernel[0] * p->kernel[1];
    if (in->ndim != 3)
        return status_fail(ST_RAISED, "Expected 2D or 3D (batch mode) tensor for col2im, but got %dD", in->ndim);
    TRY(fold_windows(p, p->size, windows));
    if (in->size[1] % taps)
        return status_fail(ST_RAISED, "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=%lld and kernel_size=(%lld, %lld).",
                           (long long)in->size[1], (long long)p->kernel[0], (long long)p->kernel[1]);
    if (in->size[2] != windows[0] * windows[1])
        return status_fail(ST_RAISED, "Given output_size=(%lld, %lld), kernel_size=(%lld, %lld), expected size of input's dimension 2 to match the calculated number of sliding blocks %lld * %lld = %lld, but got input.size(2)=%lld.",
                           (long long)p->size[0], (long long)p->size[1], (long long)p->kernel[0], (long long)p->kernel[1], (long long)windows[0],
                           (long long)windows[1], (long long)(windows[0] * windows[1]), (long long)in->size[2]);
    TRY(fold_state(k, p, in, in->size[1] / taps, p->size, windows));
    kernel_output(k, 0, (DType)in->dtype, 4, (int64_t[]){in->size[0], in->size[1] / taps, p->size[0], p->size[1]});
    k->scratch_bytes = sizeof(double) * (size_t)(p->size[0] * p->size[1]);
    return ST_OK;
}

// One channel's image at a time, summed in double; of complex numbers the real parts, then the imaginary ones.
Status ref_col2im_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const FoldState *s = k->state;
    const View *x = &in[0];
    double *image = scratch;
    DType real = dtype_real_of((DType)x->dtype);
    int64_t taps = s->p.kernel[0] * s->p.kernel[1], pixels = s->h * s->w, parts = real == x->dtype ? 1 : 2, h, w;
    for (int64_t r = 0; r < s->n * s->c * parts; r++) {
        int64_t plane = r / parts, part = r % parts;
        memset(image, 0, sizeof(double) * (size_t)pixels);
        for (int64_t t = 0; t < taps; t++) {
            int64_t row = plane / s->c * x->stride[0] + (plane % s->c * taps + t) * x->stride[1];
            for (int64_t o = 0; o < s->out_h * s->out_w; o++)
                if (image_at(s, o / s->out_w, o % s->out_w, t / s->p.kernel[1], t % s->p.kernel[1], &h, &w))
                    image[h * s->w + w] += element_get(x->data, real, (row + o * x->stride[2]) * parts + part);
        }
        for (int64_t i = 0; i < pixels; i++)
            element_set(out[0].data, real, (plane * pixels + i) * parts + part, image[i]);
    }
    return ST_OK;
}

void ref_col2im_destroy(Kernel *k) { kernel_state_free(k); }
