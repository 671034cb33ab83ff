// Operator bindings: pooling at random places, and the way back from maxima to where they were.
// Both work plane by plane on contiguous tensors.
#include "kernels/cpu/variants.h"
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <math.h>
#include <string.h>

// ---- max_unpool

typedef struct Unpool {
    int spatial;
    int64_t size[SPATIAL_MAX]; // of the result
    int64_t planes, in, out;   // elements of a plane
} Unpool;

static Status unpool_shape(const IValue *args, Unpool *u, int64_t *size)
{
    const View *x = &args[0].as.tensor->view, *index = &args[1].as.tensor->view;
    int n, spatial = u->spatial;
    DType t = (DType)x->dtype;
    if (index->dtype != DT_I64)
        return op_raise("elements in indices should be type int64 but got: %s", dtype_torch_name((DType)index->dtype));
    TRY(arg_ints(args[2], u->size, SPATIAL_MAX, &n));
    if (n != spatial)
        return op_raise("There should be exactly %s elements (%s) in output_size, but got %d elements.", spatial == 2 ? "two" : "three",
                        spatial == 2 ? "height, width" : "depth, height, width", n);
    if (x->ndim != spatial + 1 && x->ndim != spatial + 2)
        return op_raise("Input to max_unpooling%dd should be a %dd or %dd Tensor, but got a tensor with %d dimensions.", spatial, spatial + 1, spatial + 2, x->ndim);
    if (!view_same_shape(x, index))
        return op_raise("Expected shape of indices to be same as that of the input tensor (%s) but got indices tensor with shape: %s",
                        size_text(x->size, x->ndim).text, size_text(index->size, index->ndim).text);
    if (!dtype_is_floating(t) || t == DT_F16)
        return op_raise("\"max_unpool%dd\" not implemented for '%s'", spatial, dtype_torch_name(t));
    u->planes = u->in = u->out = 1;
    for (int d = 0; d < x->ndim; d++) {
        int s = d - (x->ndim - spatial);
        size[d] = s < 0 ? x->size[d] : u->size[s];
        *(s < 0 ? &u->planes : &u->in) *= x->size[d];
        if (s >= 0 && x->size[d] <= 0)
            return op_raise("max_unpooling%dd(): Expected input to have non-zero size for non-batch dimensions, but got %s with dimension %d being empty.", spatial,
                            size_text(x->size, x->ndim).text, d);
    }
    TRY(check_numel(x->ndim, size));
    for (int s = 0; s < spatial; s++)
        u->out *= u->size[s];
    return ST_OK;
}

static Status unpool_fill(const Unpool *u, const Tensor *x, const Tensor *index, Tensor *out)
{
    size_t bytes = dtype_size(tensor_dtype(x));
    const int64_t *at = index->view.data;
    const char *from = x->view.data;
    char *to = out->view.data;
    memset(to, 0, (size_t)tensor_numel(out) * bytes);
    for (int64_t p = 0; p < u->planes; p++, to += (size_t)u->out * bytes)
        for (int64_t i = 0; i < u->in; i++, at++, from += bytes) {
            if (*at < 0 || *at >= u->out)
                return u->spatial == 2 ? op_raise("Found an invalid max index: %lld (output volumes are of size %lldx%lld", (long long)*at, (long long)u->size[0], (long long)u->size[1])
                                       : op_raise("Found an invalid max index: %lld (output volumes are of size %lldx%lldx%lld", (long long)*at, (long long)u->size[0],
                                                  (long long)u->size[1], (long long)u->size[2]);
            memcpy(to + (size_t)*at * bytes, from, bytes);
        }
    return ST_OK;
}

// (self, indices, output_size[, stride, padding]); data: spatial dimensions
OP_FN(op_max_unpool)
{
    Unpool u = {.spatial = (int)(intptr_t)site->op->data};
    int64_t size[VIEW_MAX_DIMS], got[VIEW_MAX_DIMS];
    for (int k = 3, n; u.spatial == 3 && k < 5; k++) {
        TRY(arg_ints(args[k], got, VIEW_MAX_DIMS, &n));
        if (n != 3)
            return op_raise("There should be exactly three elements (depth, height, width) in %s, but got: %d elements.", k == 3 ? "stride" : "padding", n);
        for (int i = 0; k == 3 && i < 3; i++)
            if (got[i] <= 0)
                return op_raise("strides should be greater than zero, but got stride: %s", size_text(got, n).text);
    }
    TRY(unpool_shape(args, &u, size));
    Tensor *x, *index = NULL, *out = NULL;
    TRY(tensor_contiguous(lane, args[0].as.tensor, &x));
    Status s = tensor_contiguous(lane, args[1].as.tensor, &index);
    if (s == ST_OK)
        s = tensor_new(lane, tensor_dtype(x), x->view.ndim, size, &out);
    if (s == ST_OK)
        s = unpool_fill(&u, x, index, out);
    const View *given = &args[0].as.tensor->view;
    if (s == ST_OK && u.spatial == 2 && given->ndim == 4 && view_is_channels_last(given) && !view_is_contiguous(given)) {
        Tensor *channels_last;
        s = tensor_copy_as(lane, out, tensor_dtype(out), FORMAT_CHANNELS_LAST, &channels_last);
        tensor_release(out);
        out = s == ST_OK ? channels_last : NULL;
    }
    tensor_release(x);
    if (index)
        tensor_release(index);
    if (s != ST_OK) {
        if (out)
            tensor_release(out);
        return s;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- fractional max pooling

typedef struct Fractional {
    int spatial;
    int64_t in[SPATIAL_MAX], kernel[SPATIAL_MAX], out[SPATIAL_MAX];
    int64_t planes, channels;
    DType dtype;
} Fractional;

static Status fractional_shape(const IValue *args, Fractional *f, int64_t *size)
{
    static const char *const names[] = {"time", "height", "width"};
    const View *x = &args[0].as.tensor->view, *r = &args[3].as.tensor->view;
    int n, spatial = f->spatial;
    f->dtype = (DType)x->dtype;
    for (int k = 1; k < 3; k++) {
        int64_t *to = k == 1 ? f->kernel : f->out;
        TRY(arg_ints(args[k], to, SPATIAL_MAX, &n));
        if (n == 1)
            to[1] = to[2] = to[0];
        else if (n != spatial)
            return op_raise("fractional_max_pool%dd: %s must either be a single int, or a tuple of %s ints", spatial, k == 1 ? "kernel_size" : "output_size", spatial == 2 ? "two" : "three");
    }
    if (x->ndim != spatial + 1 && x->ndim != spatial + 2)
        return op_raise("fractional_max_pool%dd: Expected %dD or %dD tensor, but got: %s", spatial, spatial + 1, spatial + 2, size_text(x->size, x->ndim).text);
    if (f->dtype != DT_F32 && f->dtype != DT_F64)
        return op_raise("\"fractional_max_pool%dd_out_frame\" not implemented for '%s'", spatial, dtype_torch_name(f->dtype));
    if (r->dtype != x->dtype)
        return op_raise("Expect _random_samples to have the same dtype as input");
    f->channels = x->size[x->ndim - spatial - 1];
    f->planes = 1;
    for (int d = 0; d < x->ndim; d++) {
        int s = d - (x->ndim - spatial);
        size[d] = s < 0 ? x->size[d] : f->out[s];
        if (s < 0) {
            f->planes *= x->size[d];
            continue;
        }
        f->in[s] = x->size[d];
        if (f->kernel[s] < 1 || f->out[s] < 1 || f->kernel[s] > f->in[s] || f->out[s] > f->in[s] || f->out[s] + f->kernel[s] - 1 > f->in[s])
            return op_raise("fractional_max_pool%dd(): pool %s %lld too large relative to input %s %lld", spatial, names[s + 3 - spatial], (long long)f->kernel[s],
                            names[s + 3 - spatial], (long long)f->in[s]);
    }
    int64_t batch = x->ndim == spatial + 2 ? x->size[0] : 1;
    if (r->ndim != 3 || r->size[0] < batch || r->size[1] < f->channels || r->size[2] != spatial)
        return op_raise("Expect _random_samples of shape [%lld, %lld, %d], but got %s", (long long)batch, (long long)f->channels, spatial, size_text(r->size, r->ndim).text);
    return ST_OK;
}

// Where window i starts, of `out` windows that are spread over `in` by the sample; computed in the type of the input.
static int64_t window_start(const Fractional *f, int s, double sample, int64_t i)
{
    int64_t room = f->in[s] - f->kernel[s];
    if (i == f->out[s] - 1)
        return room;
    int64_t at;
    if (f->dtype == DT_F64) {
        double alpha = (double)room / (double)(f->out[s] - 1);
        at = (int64_t)(((double)i + sample) * alpha) - (int64_t)(sample * alpha);
    } else {
        float alpha = (float)room / (float)(f->out[s] - 1), own = (float)sample;
        at = (int64_t)(((float)i + own) * alpha) - (int64_t)(own * alpha);
    }
    return at < 0 ? 0 : at > room ? room : at;
}

// The maximum of one window, which starts at `start`; *at its place in the plane.
static double window_max(const Fractional *f, const void *plane, const int64_t *start, int64_t *at)
{
    double most = -INFINITY;
    *at = 0;
    bool first = true;
    int64_t k[SPATIAL_MAX] = {0};
    for (;;) {
        int64_t place = 0;
        for (int s = 0; s < f->spatial; s++)
            place = place * f->in[s] + start[s] + k[s];
        double v = element_get(plane, f->dtype, place);
        if (first || v > most || isnan(v)) {
            most = v;
            *at = place;
            first = false;
        }
        int s = f->spatial - 1;
        while (s >= 0 && ++k[s] == f->kernel[s])
            k[s--] = 0;
        if (s < 0)
            return most;
    }
}

static void fractional_plane(const Fractional *f, const void *plane, const double *sample, void *out, int64_t *index, int64_t base)
{
    int64_t i[SPATIAL_MAX] = {0}, start[SPATIAL_MAX];
    for (int64_t n = base;; n++) {
        for (int s = 0; s < f->spatial; s++) // 2-d: the first sample is for the width
            start[s] = window_start(f, s, sample[f->spatial == 2 ? 1 - s : s], i[s]);
        element_set(out, f->dtype, n, window_max(f, plane, start, &index[n]));
        int s = f->spatial - 1;
        while (s >= 0 && ++i[s] == f->out[s])
            i[s--] = 0;
        if (s < 0)
            return;
    }
}

// (self, kernel_size, output_size, random_samples) -> (output, indices); data: spatial dimensions
OP_FN(op_fractional_max_pool)
{
    Fractional f = {.spatial = (int)(intptr_t)site->op->data};
    int64_t size[VIEW_MAX_DIMS], in = 1, out_plane = 1;
    TRY(fractional_shape(args, &f, size));
    for (int s = 0; s < f.spatial; s++) {
        in *= f.in[s];
        out_plane *= f.out[s];
    }
    const View *r = &args[3].as.tensor->view;
    Tensor *x, *out[2] = {0};
    int ndim = args[0].as.tensor->view.ndim;
    TRY(tensor_contiguous(lane, args[0].as.tensor, &x));
    Status status = tensor_new(lane, f.dtype, ndim, size, &out[0]);
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, ndim, size, &out[1]);
    for (int64_t p = 0; p < f.planes && status == ST_OK; p++) {
        double sample[SPATIAL_MAX];
        for (int s = 0; s < f.spatial; s++)
            sample[s] = element_get(r->data, f.dtype, p / f.channels * r->stride[0] + p % f.channels * r->stride[1] + s * r->stride[2]);
        fractional_plane(&f, (const char *)x->view.data + p * in * (int64_t)dtype_size(f.dtype), sample, out[0]->view.data, out[1]->view.data, p * out_plane);
    }
    tensor_release(x);
    if (status != ST_OK) {
        if (out[0])
            tensor_release(out[0]);
        return status;
    }
    take_results(rets, out, 2);
    return ST_OK;
}

#define ROW(name, fn, spatial) {"aten::" name, fn, 0, (const void *)(intptr_t)(spatial), NULL}

const OpBinding OPS_UNPOOL[] = {
    ROW("max_unpool2d", op_max_unpool, 2), ROW("max_unpool3d", op_max_unpool, 3),
    ROW("fractional_max_pool2d", op_fractional_max_pool, 2), ROW("fractional_max_pool3d", op_fractional_max_pool, 3),
    {0},
};
