// im2col of any element type and col2im of floating-point ones, a row of windows at a time.
// A sample's whole matrix is one block of columns.h.
#include "kernels/cpu/columns.h"
#include "kernels/cpu/variants.h"

#include <string.h>

typedef struct Fold {
    Columns c;
    int64_t n, channels;
} Fold;

// The reference has the messages: what it would refuse is declined here.
static Status fold_new(Kernel *k, const FoldParams *p, const View *in, int64_t channels, const int64_t *image, Fold **out)
{
    Fold f = {.n = in->size[0], .channels = channels, .c = {.type = (DType)in->dtype, .element = dtype_size((DType)in->dtype), .taps = 1}};
    f.c.image[0] = f.c.windows[0] = f.c.window[0] = f.c.stride[0] = f.c.dilation[0] = 1;
    for (int i = 0; i < 2; i++) {
        if (p->kernel[i] <= 0 || p->dilation[i] <= 0 || p->stride[i] <= 0 || p->padding[i] < 0)
            return ST_DECLINED;
        int64_t room = image[i] + 2 * p->padding[i] - p->dilation[i] * (p->kernel[i] - 1) - 1;
        if (room < 0 || image[i] <= 0)
            return ST_DECLINED;
        f.c.image[i + 1] = image[i];
        f.c.windows[i + 1] = room / p->stride[i] + 1;
        f.c.window[i + 1] = p->kernel[i];
        f.c.stride[i + 1] = p->stride[i];
        f.c.dilation[i + 1] = p->dilation[i];
        f.c.padding[i + 1] = p->padding[i];
        f.c.taps *= p->kernel[i];
    }
    void *state;
    TRY(kernel_state_new(k, sizeof(Fold), &state));
    *out = state;
    **out = f;
    return ST_OK;
}

Status c_im2col_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    Fold *f;
    if (in->ndim != 4 || !view_is_contiguous(in) || in->layout != LAYOUT_STRIDED)
        return ST_DECLINED;
    TRY(fold_new(k, params, in, in->size[1], in->size + 2, &f));
    kernel_output(k, 0, f->c.type, 3, (int64_t[]){f->n, f->channels * f->c.taps, f->c.windows[1] * f->c.windows[2]});
    return ST_OK;
}

Status c_im2col_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const Fold *f = k->state;
    size_t image = (size_t)(f->channels * f->c.image[1] * f->c.image[2]) * f->c.element;
    size_t columns = (size_t)(f->channels * f->c.taps * f->c.windows[1] * f->c.windows[2]) * f->c.element;
    for (int64_t i = 0; i < f->n; i++)
        columns_fill(&f->c, f->channels, (const char *)in[0].data + (size_t)i * image, 0, f->c.windows[1], (char *)out[0].data + (size_t)i * columns);
    return ST_OK;
}

void c_im2col_destroy(Kernel *k) { kernel_state_free(k); }

Status c_col2im_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)ctx;
    (void)n_in;
    const FoldParams *p = params;
    DType t = (DType)in->dtype;
    int64_t taps = p->kernel[0] * p->kernel[1];
    Fold *f;
    if (in->ndim != 3 || !view_is_contiguous(in) || in->layout != LAYOUT_STRIDED || taps <= 0 || in->size[1] % taps ||
        (t != DT_F32 && t != DT_F64 && t != DT_C64 && t != DT_C128))
        return ST_DECLINED;
    TRY(fold_new(k, p, in, in->size[1] / taps, p->size, &f));
    if (in->size[2] != f->c.windows[1] * f->c.windows[2])
        return ST_DECLINED;
    kernel_output(k, 0, t, 4, (int64_t[]){f->n, f->channels, p->size[0], p->size[1]});
    return ST_OK;
}

Status c_col2im_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)scratch;
    (void)stream;
    const Fold *f = k->state;
    size_t image = (size_t)(f->channels * f->c.image[1] * f->c.image[2]) * f->c.element;
    size_t columns = (size_t)(f->channels * f->c.taps * f->c.windows[1] * f->c.windows[2]) * f->c.element;
    memset(out[0].data, 0, image * (size_t)f->n);
    for (int64_t i = 0; i < f->n; i++)
        columns_add(&f->c, f->channels, (const char *)in[0].data + (size_t)i * columns, 0, f->c.windows[1], (char *)out[0].data + (size_t)i * image);
    return ST_OK;
}

void c_col2im_destroy(Kernel *k) { kernel_state_free(k); }
