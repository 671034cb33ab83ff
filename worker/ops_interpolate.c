// Operator bindings: interpolate and upsample as operators of their own, which models of PyTorch before 1.5 call. Mode and
// number of dimensions choose the operator that does it.
#include "worker/op_util.h"
#include "worker/sequence.h"

#include <math.h>

#define NONE value_none()
#define INT value_int

typedef struct Interpolation {
    IValue input, size, scale; // None, a number, or a list of them
    Str mode;
    IValue align;   // None or bool
    bool keep_scale; // the factors are used as they are, not recomputed from the sizes
} Interpolation;

// Factor of spatial dimension d.
static Status scale_at(IValue scale, int d, double *out)
{
    if (scale.tag == TAG_LIST && (uint32_t)d >= scale.as.list->len)
        return op_raise("interpolate: scale_factor has fewer numbers than the input has spatial dimensions");
    *out = arg_double(scale.tag == TAG_LIST ? scale.as.list->items[d] : scale);
    return ST_OK;
}

static Status output_size(const Interpolation *p, int spatial, int *n, int64_t *out)
{
    *n = spatial;
    if (arg_is_none(p->size) == arg_is_none(p->scale))
        return op_raise(arg_is_none(p->size) ? "either size or scale_factor should be defined" : "only one of size or scale_factor should be defined");
    if (p->size.tag == TAG_LIST)
        return arg_ints(p->size, out, VIEW_MAX_DIMS, n);
    for (int d = 0; d < spatial; d++) {
        double scale = 0;
        if (arg_is_none(p->size))
            TRY(scale_at(p->scale, d, &scale));
        double length = floor((double)p->input.as.tensor->view.size[d + 2] * scale);
        if (!(fabs(length) < 0x1p53))
            return op_raise("interpolate: scale_factor is too large");
        out[d] = arg_is_none(p->size) ? (int64_t)length : arg_int(p->size);
    }
    return ST_OK;
}

// The operator for a mode and a number of spatial dimensions (1 … 3), or NULL. resizes: it takes factors too.
static const char *operator_of(Str mode, int spatial, bool *resizes, bool *aligns)
{
    static const char *const nearest[] = {"aten::upsample_nearest1d", "aten::upsample_nearest2d", "aten::upsample_nearest3d"};
    static const char *const area[] = {"aten::adaptive_avg_pool1d", "aten::adaptive_avg_pool2d", "aten::adaptive_avg_pool3d"};
    *resizes = !str_is(mode, "area");
    *aligns = false;
    if (str_is(mode, "nearest"))
        return nearest[spatial - 1];
    if (str_is(mode, "area"))
        return area[spatial - 1];
    *aligns = true;
    if (str_is(mode, "linear"))
        return spatial == 1 ? "aten::upsample_linear1d" : NULL;
    if (str_is(mode, "bilinear"))
        return spatial == 2 ? "aten::upsample_bilinear2d" : NULL;
    if (str_is(mode, "trilinear"))
        return spatial == 3 ? "aten::upsample_trilinear3d" : NULL;
    return str_is(mode, "bicubic") && spatial == 2 ? "aten::upsample_bicubic2d" : NULL;
}

static Status refuse_mode(Str mode, int ndim)
{
    int wanted = str_is(mode, "linear") ? 3 : str_is(mode, "bilinear") ? 4 : str_is(mode, "trilinear") ? 5 : 0;
    if (wanted && ndim >= 3 && ndim <= 5)
        return op_raise("Got %dD input, but " STR_FMT " mode needs %dD input", ndim, STR_ARG(mode), wanted);
    return op_raise("Input Error: Only 3D, 4D and 5D input Tensors supported (got %dD) for the modes: nearest | linear | bilinear | trilinear (got " STR_FMT ") ",
                    ndim, STR_ARG(mode));
}

static Status interpolate(Lane *lane, Site *site, const Interpolation *p, IValue *rets)
{
    int ndim = p->input.as.tensor->view.ndim, spatial = ndim - 2, n, count = 0;
    bool plain = str_is(p->mode, "nearest") || str_is(p->mode, "area"), resizes, aligns;
    if (plain && !arg_is_none(p->align))
        return op_raise("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
    const char *name = spatial >= 1 && spatial <= 3 ? operator_of(p->mode, spatial, &resizes, &aligns) : NULL;
    if (!name)
        return refuse_mode(p->mode, ndim);
    int64_t size[VIEW_MAX_DIMS];
    TRY(output_size(p, spatial, &n, size));
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue args[8];
    args[count++] = p->input;
    args[count++] = sequence_ints(q, n, size);
    if (aligns)
        args[count++] = value_bool(arg_bool_or(p->align, false));
    for (int d = 0; d < spatial && resizes; d++) {
        double scale;
        bool keep = p->keep_scale && !arg_is_none(p->scale) && q->status == ST_OK && (q->status = scale_at(p->scale, d, &scale)) == ST_OK;
        args[count++] = keep ? value_float(scale) : NONE;
    }
    return sequence_give(q, sequence_step(q, name, count, args, 1, NULL), rets);
}

OP_FN(op_interpolate) // input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
{
    if (site->arg_count > 6 && args[6].as.b)
        return op_raise("Antialias is not yet supported");
    Interpolation p = {args[0], args[1], args[2], str_of_value(args[3]), args[4], args[5].tag == TAG_BOOL && !args[5].as.b};
    return interpolate(lane, site, &p, rets);
}

OP_FN(op_upsample) // input, size, scale_factor, mode, align_corners
{
    Interpolation p = {args[0], args[1], args[2], str_of_value(args[3]), args[4], false};
    return interpolate(lane, site, &p, rets);
}

OP_FN(op_upsample_nearest) // input, size, scale_factor
{
    Interpolation p = {args[0], args[1], args[2], STR("nearest"), NONE, false};
    return interpolate(lane, site, &p, rets);
}

OP_FN(op_upsample_bilinear)
{
    Interpolation p = {args[0], args[1], args[2], STR("bilinear"), value_bool(true), false};
    return interpolate(lane, site, &p, rets);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}

const OpBinding OPS_INTERPOLATE[] = {
    ROW("__interpolate", op_interpolate), ROW("__interpolate.scale_list", op_interpolate), ROW("__interpolate.size_list", op_interpolate),
    ROW("__interpolate.size_list_scale_list", op_interpolate), ROW("__upsample", op_upsample), ROW("__upsample.size_list", op_upsample),
    ROW("__upsample_nearest", op_upsample_nearest), ROW("__upsample_nearest.size_list", op_upsample_nearest),
    ROW("__upsample_bilinear", op_upsample_bilinear), ROW("__upsample_bilinear.size_list", op_upsample_bilinear),
    ROW("__upsample_bilinear.scale_list", op_upsample_bilinear), ROW("__upsample_bilinear.size_list_scale_list", op_upsample_bilinear),
    {0},
};
