// Operator bindings: resizing, grids, and moving elements between channels and space.
// Rows are found by name in worker/op.c.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <string.h>

// ---- resizing. data: mode, number of spatial dimensions, and a flag

enum { ANTIALIAS = 64 };
#define RESIZE(mode, spatial) ((mode) << 2 | (spatial)) // mode: 3 bits

static Status check_input(const Tensor *x, int spatial, int sizes)
{
    if (sizes != spatial)
        return op_raise("It is expected output_size equals to %d, but got size %d", spatial, sizes);
    if (x->view.ndim != spatial + 2)
        return op_raise("It is expected input_size equals to %d, but got size %d", spatial + 2, x->view.ndim);
    return ST_OK;
}

static Status resize(Lane *lane, Site *site, Tensor *x, const ResizeParams *p, IValue *rets)
{
    Tensor *out;
    TRY(kernel_call(lane, site, &kernel_resize, p, sizeof *p, &x, 1, &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static ResizeParams resize_params(int data)
{
    ResizeParams p;
    memset(&p, 0, sizeof p);
    p.mode = data >> 2 & 7;
    p.antialias = (data & ANTIALIAS) != 0;
    return p;
}

// (self, output_size[, align_corners], scale per dimension…)
static Status op_resize(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int data = (int)(intptr_t)site->op->data, spatial = data & 3, n, at = 2;
    ResizeParams p = resize_params(data);
    int64_t size[VIEW_MAX_DIMS];
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    TRY(check_input(arg_tensor(args[0]), spatial, n));
    memcpy(p.size, size, sizeof(int64_t) * (size_t)spatial);
    if (p.mode >= RESIZE_LINEAR)
        p.align_corners = args[at++].as.b;
    for (int i = 0; i < spatial; i++)
        p.scale[i] = arg_is_none(args[at + i]) ? 0 : arg_double(args[at + i]);
    return resize(lane, site, arg_tensor(args[0]), &p, rets);
}

// (input, output_size or None[, align_corners], scale_factors or None): one of the two
static Status op_resize_vec(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    int data = (int)(intptr_t)site->op->data, spatial = data & 3, n, at = 2;
    ResizeParams p = resize_params(data);
    const Tensor *x = arg_tensor(args[0]);
    if (p.mode >= RESIZE_LINEAR)
        p.align_corners = args[at++].as.b;
    bool by_size = !arg_is_none(args[1]), by_scale = !arg_is_none(args[at]);
    if (by_size == by_scale)
        return op_raise("Must specify exactly one of output_size and scale_factors");
    if (by_size) {
        int64_t size[VIEW_MAX_DIMS];
        TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
        TRY(check_input(x, spatial, n));
        memcpy(p.size, size, sizeof(int64_t) * (size_t)spatial);
    } else {
        const ListObj *scales = args[at].as.list;
        TRY(check_input(x, spatial, (int)scales->len));
        for (int i = 0; i < spatial; i++) {
            p.scale[i] = arg_double(scales->items[i]);
            p.size[i] = (int64_t)((double)x->view.size[i + 2] * p.scale[i]);
        }
    }
    return resize(lane, site, arg_tensor(args[0]), &p, rets);
}

// ---- pixel shuffle and its like: split dimensions, reorder, join

static Status regroup(Lane *lane, Tensor *x, int split_ndim, const int64_t *split, const int *order, int ndim, const int64_t *size, IValue *rets)
{
    Tensor *parts, *moved, *out;
    TRY(tensor_reshaped(lane, x, split_ndim, split, &parts));
    Status s = tensor_permuted(lane, parts, order, &moved);
    tensor_release(parts);
    TRY(s);
    s = tensor_reshaped(lane, moved, ndim, size, &parts);
    tensor_release(moved);
    TRY(s);
    s = parts->storage == x->storage ? tensor_copy_as(lane, parts, tensor_dtype(x), FORMAT_CONTIGUOUS, &out) // a view when a factor was 1
                                     : tensor_contiguous(lane, parts, &out);
    tensor_release(parts);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// pixel_shuffle: […, C*r*r, H, W] to […, C, H*r, W*r]
static Status op_pixel_shuffle(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *x = arg_tensor(args[0]);
    const View *v = &x->view;
    int n = v->ndim, lead = n - 3;
    int64_t r = arg_int(args[1]), split[VIEW_MAX_DIMS], size[VIEW_MAX_DIMS];
    if (n < 3)
        return op_raise("pixel_shuffle expects input to have at least 3 dimensions, but got input with %d dimension(s)", n);
    if (r <= 0)
        return op_raise("pixel_shuffle expects a positive upscale_factor, but got %lld", (long long)r);
    if (v->size[lead] % (r * r))
        return op_raise("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=%lld is "
                        "not divisible by %lld",
                        (long long)v->size[lead], (long long)(r * r));
    if (n + 2 > VIEW_MAX_DIMS)
        return op_raise("pixel_shuffle: too many dimensions (limit %d)", VIEW_MAX_DIMS - 2);
    memcpy(split, v->size, sizeof split);
    memcpy(size, v->size, sizeof size);
    int64_t c = v->size[lead] / (r * r), h = v->size[n - 2], w = v->size[n - 1], parts[5] = {c, r, r, h, w};
    int order[VIEW_MAX_DIMS], tail[5] = {0, 3, 1, 4, 2};
    for (int i = 0; i < lead; i++)
        order[i] = i;
    for (int i = 0; i < 5; i++) {
        split[lead + i] = parts[i];
        order[lead + i] = lead + tail[i];
    }
    size[lead] = c;
    size[n - 2] = h * r;
    size[n - 1] = w * r;
    return regroup(lane, x, n + 2, split, order, n, size, rets);
}

// pixel_unshuffle: […, C, H*r, W*r] to […, C*r*r, H, W]
static Status op_pixel_unshuffle(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *x = arg_tensor(args[0]);
    const View *v = &x->view;
    int n = v->ndim, lead = n - 3;
    int64_t r = arg_int(args[1]), split[VIEW_MAX_DIMS], size[VIEW_MAX_DIMS];
    if (n < 3)
        return op_raise("pixel_unshuffle expects input to have at least 3 dimensions, but got input with %d dimension(s)", n);
    if (r <= 0)
        return op_raise("pixel_unshuffle expects a positive downscale_factor, but got %lld", (long long)r);
    for (int i = 2; i > 0; i--)
        if (v->size[n - i] % r)
            return op_raise("pixel_unshuffle expects %s to be divisible by downscale_factor, but input.size(-%d)=%lld is not divisible by %lld",
                            i == 2 ? "height" : "width", i, (long long)v->size[n - i], (long long)r);
    if (n + 2 > VIEW_MAX_DIMS)
        return op_raise("pixel_unshuffle: too many dimensions (limit %d)", VIEW_MAX_DIMS - 2);
    memcpy(split, v->size, sizeof split);
    memcpy(size, v->size, sizeof size);
    int64_t c = v->size[lead], h = v->size[n - 2] / r, w = v->size[n - 1] / r, parts[5] = {c, h, r, w, r};
    int order[VIEW_MAX_DIMS], tail[5] = {0, 2, 4, 1, 3};
    for (int i = 0; i < lead; i++)
        order[i] = i;
    for (int i = 0; i < 5; i++) {
        split[lead + i] = parts[i];
        order[lead + i] = lead + tail[i];
    }
    size[lead] = c * r * r;
    size[n - 2] = h;
    size[n - 1] = w;
    return regroup(lane, x, n + 2, split, order, n, size, rets);
}

// channel_shuffle: [N, g*c, …] to [N, c*g, …]
static Status op_channel_shuffle(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *x = arg_tensor(args[0]);
    const View *v = &x->view;
    int64_t g = arg_int(args[1]), split[VIEW_MAX_DIMS];
    int order[VIEW_MAX_DIMS], n = v->ndim;
    if (n < 3)
        return op_raise("channel_shuffle expects input with > 2 dims, but got input with sizes of %d dims", n);
    if (g <= 0)
        return op_raise("Number of groups to divide channels in must be positive. Value of groups:%lld", (long long)g);
    if (v->size[1] % g)
        return op_raise("Number of channels must be divisible by groups. Got %lld channels and %lld groups.", (long long)v->size[1], (long long)g);
    if (n + 1 > VIEW_MAX_DIMS)
        return op_raise("channel_shuffle: too many dimensions (limit %d)", VIEW_MAX_DIMS - 1);
    split[0] = v->size[0];
    split[1] = g;
    split[2] = v->size[1] / g;
    for (int i = 2; i < n; i++)
        split[i + 1] = v->size[i];
    for (int i = 0; i <= n; i++)
        order[i] = i == 1 ? 2 : i == 2 ? 1 : i;
    return regroup(lane, x, n + 1, split, order, n, v->size, rets);
}

// ---- windows as columns, and back

static Status two_ints(IValue v, const char *name, int64_t *out)
{
    int64_t got[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(v, got, VIEW_MAX_DIMS, &n));
    if (n != 1 && n != 2)
        return op_raise("It is expected %s equals to 2, but got size %d", name, n);
    out[0] = got[0];
    out[1] = got[n - 1];
    return ST_OK;
}

// With its batch dimension, which the program may leave out.
static Status fold(Lane *lane, Site *site, const KernelOp *op, const FoldParams *p, Tensor *x, int batched_ndim, Tensor **out)
{
    if (x->view.ndim == batched_ndim)
        return kernel_call(lane, site, op, p, sizeof *p, &x, 1, out, 1);
    if (x->view.ndim != batched_ndim - 1)
        return op_raise("Expected %dD or %dD (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got %dD",
                        batched_ndim - 1, batched_ndim, x->view.ndim);
    Tensor *batch, *made;
    TRY(tensor_add_dim(lane, x, 0, &batch));
    Status s = kernel_call(lane, site, op, p, sizeof *p, &batch, 1, &made, 1);
    tensor_release(batch);
    TRY(s);
    s = tensor_drop_dim(lane, made, 0, out);
    tensor_release(made);
    return s;
}

// (self, kernel_size, dilation, padding, stride); col2im has output_size before them
static Status op_fold(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    bool back = site->op->data != NULL;
    const IValue *a = args + (back ? 2 : 1);
    FoldParams p;
    Tensor *out;
    memset(&p, 0, sizeof p);
    if (back)
        TRY(two_ints(args[1], "output_size", p.size));
    TRY(two_ints(a[0], "kernel_size", p.kernel));
    TRY(two_ints(a[1], "dilation", p.dilation));
    TRY(two_ints(a[2], "padding", p.padding));
    TRY(two_ints(a[3], "stride", p.stride));
    Tensor *x;
    TRY(tensor_contiguous(lane, arg_tensor(args[0]), &x));
    Status s = fold(lane, site, back ? &kernel_col2im : &kernel_im2col, &p, x, back ? 3 : 4, &out);
    tensor_release(x);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- grids

// (input, grid, interpolation_mode, padding_mode, align_corners)
static Status op_grid_sample(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    GridSampleParams p;
    Tensor *in[2] = {arg_tensor(args[0]), arg_tensor(args[1])}, *out;
    memset(&p, 0, sizeof p);
    p.mode = (int32_t)arg_int(args[2]);
    p.padding = (int32_t)arg_int(args[3]);
    p.align_corners = args[4].as.b;
    TRY(kernel_call(lane, site, &kernel_grid_sample, &p, sizeof p, in, 2, &out, 1));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// Positions -1 … 1 along one dimension; pixel centres unless align_corners.
static float grid_position(int64_t i, int64_t n, bool align_corners)
{
    if (n <= 1)
        return 0;
    double at = -1 + 2 * (double)i / (double)(n - 1);
    return (float)(align_corners ? at : at * (double)(n - 1) / (double)n);
}

// Homogeneous coordinates (x, y[, z], 1) of every output position, [positions, spatial + 1].
static Status base_grid(Lane *lane, DType t, int spatial, const int64_t *size, bool align_corners, Tensor **out)
{
    int64_t count = 1;
    for (int i = 0; i < spatial; i++)
        count *= size[i];
    TRY(tensor_new(lane, t, 2, (int64_t[]){count, spatial + 1}, out));
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i;
        for (int d = spatial - 1; d >= 0; d--) {
            float v = grid_position(rest % size[d], size[d], align_corners);
            int64_t at = i * (spatial + 1) + (spatial - 1 - d);
            rest /= size[d];
            if (t == DT_F64)
                ((double *)(*out)->view.data)[at] = (double)v;
            else
                ((float *)(*out)->view.data)[at] = v;
        }
        if (t == DT_F64)
            ((double *)(*out)->view.data)[i * (spatial + 1) + spatial] = 1;
        else
            ((float *)(*out)->view.data)[i * (spatial + 1) + spatial] = 1;
    }
    return ST_OK;
}

// (theta [N, 2, 3] or [N, 3, 4], size [N, C, H, W] or [N, C, D, H, W], align_corners)
static Status op_affine_grid(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *theta = arg_tensor(args[0]), *base, *turned, *flat, *out;
    int64_t size[VIEW_MAX_DIMS], shape[VIEW_MAX_DIMS];
    int n;
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    if (n != 4 && n != 5)
        return op_raise("AffineGridGenerator needs 4d (spatial) or 5d (volumetric) size");
    int spatial = n - 2;
    DType t = tensor_dtype(theta);
    if (theta->view.ndim != 3 || theta->view.size[1] != spatial || theta->view.size[2] != spatial + 1 || (t != DT_F32 && t != DT_F64))
        return op_raise("Expected a batch of %s affine matrices of floating point type for this size", spatial == 2 ? "2D" : "3D");
    TRY(base_grid(lane, t, spatial, size + 2, args[2].as.b, &base));
    Status s = tensor_transposed(lane, theta, 1, 2, &turned);
    if (s == ST_OK) {
        s = product(lane, site, base, turned, NULL, 1, 0, &flat);
        tensor_release(turned);
    }
    tensor_release(base);
    TRY(s);
    shape[0] = size[0];
    memcpy(shape + 1, size + 2, sizeof(int64_t) * (size_t)spatial);
    shape[spatial + 1] = spatial;
    s = tensor_reshaped(lane, flat, spatial + 2, shape, &out);
    tensor_release(flat);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define DATA(d) (const void *)(intptr_t)(d)
#define SIZED(name, d)                                                                                                 \
    {name, op_resize, OP_PRIVATE_LAYOUT, DATA(d), NULL}, { name ".vec", op_resize_vec, OP_PRIVATE_LAYOUT, DATA(d), NULL }

const OpBinding OPS_RESIZE[] = {
    SIZED("aten::upsample_nearest1d", RESIZE(RESIZE_NEAREST, 1)),
    SIZED("aten::upsample_nearest2d", RESIZE(RESIZE_NEAREST, 2)),
    SIZED("aten::upsample_nearest3d", RESIZE(RESIZE_NEAREST, 3)),
    SIZED("aten::_upsample_nearest_exact1d", RESIZE(RESIZE_NEAREST_EXACT, 1)),
    SIZED("aten::_upsample_nearest_exact2d", RESIZE(RESIZE_NEAREST_EXACT, 2)),
    SIZED("aten::_upsample_nearest_exact3d", RESIZE(RESIZE_NEAREST_EXACT, 3)),
    SIZED("aten::upsample_linear1d", RESIZE(RESIZE_LINEAR, 1)),
    SIZED("aten::upsample_bilinear2d", RESIZE(RESIZE_LINEAR, 2)),
    SIZED("aten::upsample_trilinear3d", RESIZE(RESIZE_LINEAR, 3)),
    SIZED("aten::upsample_bicubic2d", RESIZE(RESIZE_CUBIC, 2)),
    SIZED("aten::_upsample_bilinear2d_aa", RESIZE(RESIZE_LINEAR, 2) | ANTIALIAS),
    SIZED("aten::_upsample_bicubic2d_aa", RESIZE(RESIZE_CUBIC, 2) | ANTIALIAS),
    SIZED("aten::_upsample_lanczos2d_aa", RESIZE(RESIZE_LANCZOS, 2) | ANTIALIAS),
    ROW("aten::pixel_shuffle", op_pixel_shuffle),
    ROW("aten::pixel_unshuffle", op_pixel_unshuffle),
    ROW("aten::channel_shuffle", op_channel_shuffle),
    ROW("aten::native_channel_shuffle", op_channel_shuffle),
    {"aten::im2col", op_fold, 0, NULL, NULL},
    {"aten::col2im", op_fold, 0, DATA(1), NULL},
    ROW("aten::grid_sampler", op_grid_sample),
    ROW("aten::grid_sampler_2d", op_grid_sample),
    ROW("aten::grid_sampler_3d", op_grid_sample),
    ROW("aten::affine_grid_generator", op_affine_grid),
    {0},
};
