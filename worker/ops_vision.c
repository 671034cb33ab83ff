// Operator bindings: torchvision's operators.
// Rows are found by name in worker/op.c.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <stdlib.h>
#include <string.h>

// (input, rois, spatial_scale, pooled_height, pooled_width[, sampling_ratio[, aligned]]). data: RoiKind
static Status op_roi(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    RoiKind kind = (RoiKind)(intptr_t)site->op->data;
    RoiParams p;
    Tensor *in[2] = {arg_tensor(args[0]), arg_tensor(args[1])}, *out[2];
    memset(&p, 0, sizeof p);
    p.scale = arg_double(args[2]);
    p.size[0] = arg_int(args[3]);
    p.size[1] = arg_int(args[4]);
    p.kind = (int32_t)kind;
    if (kind == ROI_ALIGN || kind == ROI_PS_ALIGN)
        p.sampling_ratio = arg_int(args[5]);
    p.aligned = kind == ROI_ALIGN ? args[6].as.b : kind == ROI_PS_ALIGN;
    TRY(kernel_call(lane, site, &kernel_roi, &p, sizeof p, in, 2, out, kind == ROI_ALIGN ? 1 : 2));
    take_results(rets, out, kind == ROI_ALIGN ? 1 : 2);
    return ST_OK;
}

// ---- deformable convolution

enum { COLUMN_BYTES = 64 << 20 }; // of the columns that are made at a time, unless one image needs more

// (input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, offset_groups, use_mask)
typedef struct Deform {
    Tensor *x, *weight, *offset, *mask, *bias; // mask: NULL when not used
    DeformParams p;
    int64_t groups, out[2], per_call;          // images at a time
} Deform;

static Status deform_arguments(const IValue *args, Deform *d)
{
    static const char *const names[] = {"input", "weight", "offset", "mask"};
    memset(d, 0, sizeof *d);
    for (int i = 0; i < (args[13].as.b ? 4 : 3); i++)
        if (arg_tensor(args[i])->view.ndim != 4)
            return op_raise("Expected %s_c.ndimension() == 4 to be true, but got false.", names[i]);
    d->x = arg_tensor(args[0]);
    d->weight = arg_tensor(args[1]);
    d->offset = arg_tensor(args[2]);
    d->mask = args[13].as.b ? arg_tensor(args[3]) : NULL;
    d->bias = arg_tensor(args[4]);
    const View *x = &d->x->view, *w = &d->weight->view;
    for (int i = 0; i < 2; i++) {
        d->p.kernel[i] = w->size[i + 2];
        d->p.stride[i] = arg_int(args[5 + i]);
        d->p.padding[i] = arg_int(args[7 + i]);
        d->p.dilation[i] = arg_int(args[9 + i]);
        if (d->p.kernel[i] <= 0 || d->p.stride[i] <= 0 || d->p.padding[i] < 0 || d->p.dilation[i] <= 0 || d->p.padding[i] > INT32_MAX ||
            d->p.dilation[i] > INT32_MAX)
            return op_raise("deform_conv2d: kernel size, stride, padding or dilation is out of range");
        int64_t window = d->p.dilation[i] * (d->p.kernel[i] - 1) + 1;
        d->out[i] = (x->size[i + 2] + 2 * d->p.padding[i] - window) / d->p.stride[i] + 1;
    }
    d->groups = arg_int(args[11]);
    d->p.groups = arg_int(args[12]);
    if (d->groups <= 0 || d->groups > w->size[0] || w->size[0] % d->groups || w->size[1] * d->groups != x->size[1])
        return op_raise("Expected weight_c.size(1) * n_weight_grps == input_c.size(1) to be true, but got false.");
    if (d->bias->view.ndim != 1 || d->bias->view.size[0] != w->size[0])
        return op_raise("shape '[1, %lld, 1, 1]' is invalid for input of size %lld", (long long)w->size[0], (long long)tensor_numel(d->bias));
    int64_t bytes = x->size[1] * d->p.kernel[0] * d->p.kernel[1] * (d->out[0] > 0 ? d->out[0] : 1) * (d->out[1] > 0 ? d->out[1] : 1) * (int64_t)dtype_size((DType)x->dtype);
    d->per_call = bytes > 0 && COLUMN_BYTES / bytes > 1 ? COLUMN_BYTES / bytes : 1;
    return ST_OK;
}

static Status part_of(Lane *lane, Tensor *t, int64_t first, int64_t n, Tensor **out)
{
    *out = NULL;
    return t ? tensor_narrow(lane, t, 0, first, n, out) : ST_OK;
}

// Images [first, first + n) into `to` [n, groups, O / groups, points]: the product of weights and columns.
static Status deform_images(Lane *lane, Site *site, const Deform *d, Tensor *weight, int64_t first, int64_t n, Tensor *to)
{
    Tensor *in[3] = {NULL, NULL, NULL}, *columns = NULL, *grouped = NULL, *made = NULL;
    Status s = part_of(lane, d->x, first, n, &in[0]);
    if (s == ST_OK)
        s = part_of(lane, d->offset, first, n, &in[1]);
    if (s == ST_OK)
        s = part_of(lane, d->mask, first, n, &in[2]);
    if (s == ST_OK)
        s = kernel_call(lane, site, &kernel_deform_columns, &d->p, sizeof d->p, in, d->mask ? 3 : 2, &columns, 1);
    if (s == ST_OK)
        s = tensor_reshaped(lane, columns, 4, (int64_t[]){n, d->groups, columns->view.size[1] / d->groups, columns->view.size[2]}, &grouped);
    if (s == ST_OK)
        s = product(lane, site, weight, grouped, NULL, 1, 0, &made);
    if (s == ST_OK)
        s = tensor_copy_into(lane, to, made);
    Tensor *all[] = {in[0], in[1], in[2], columns, grouped, made};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            tensor_release(all[i]);
    return s;
}

static Status add_bias(Lane *lane, Tensor *out, Tensor *bias)
{
    int64_t channels = out->view.size[1], points = out->view.size[2] * out->view.size[3];
    Tensor *same, *b;
    TRY(tensor_to_dtype(lane, bias, tensor_dtype(out), &same));
    Status s = tensor_contiguous(lane, same, &b);
    tensor_release(same);
    TRY(s);
    for (int64_t row = 0; row < out->view.size[0] * channels; row++)
        for (int64_t i = 0; i < points; i++) {
            if (tensor_dtype(out) == DT_F32)
                ((float *)out->view.data)[row * points + i] += ((const float *)b->view.data)[row % channels];
            else
                ((double *)out->view.data)[row * points + i] += ((const double *)b->view.data)[row % channels];
        }
    tensor_release(b);
    return ST_OK;
}

static Status deform_all(Lane *lane, Site *site, const Deform *d, Tensor *out)
{
    const View *w = &d->weight->view;
    int64_t images = d->x->view.size[0];
    Tensor *weight, *grouped = NULL;
    TRY(tensor_reshaped(lane, d->weight, 3, (int64_t[]){d->groups, w->size[0] / d->groups, w->size[1] * w->size[2] * w->size[3]}, &weight));
    Status s = tensor_reshaped(lane, out, 4, (int64_t[]){images, d->groups, w->size[0] / d->groups, d->out[0] * d->out[1]}, &grouped);
    for (int64_t first = 0; s == ST_OK && first < images; first += d->per_call) {
        int64_t n = images - first < d->per_call ? images - first : d->per_call;
        Tensor *to;
        s = tensor_narrow(lane, grouped, 0, first, n, &to);
        if (s == ST_OK) {
            s = deform_images(lane, site, d, weight, first, n, to);
            tensor_release(to);
        }
    }
    if (s == ST_OK)
        s = add_bias(lane, out, d->bias);
    tensor_release(weight);
    if (grouped)
        tensor_release(grouped);
    return s;
}

static Status op_deform_conv(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Deform d;
    Tensor *out;
    TRY(deform_arguments(args, &d));
    if (tensor_dtype(d.x) != DT_F32 && tensor_dtype(d.x) != DT_F64)
        return op_raise("\"deformable_im2col\" not implemented for '%s'", dtype_torch_name(tensor_dtype(d.x)));
    if (d.out[0] <= 0 || d.out[1] <= 0)
        return op_raise("Calculated output size too small - out_h: %lld out_w: %lld", (long long)d.out[0], (long long)d.out[1]);
    TRY(tensor_new(lane, tensor_dtype(d.x), 4, (int64_t[]){d.x->view.size[0], d.weight->view.size[0], d.out[0], d.out[1]}, &out));
    Status s = deform_all(lane, site, &d, out);
    if (s != ST_OK) {
        tensor_release(out);
        return s;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- boxes

static Status check_boxes(const View *boxes, const View *scores)
{
    if (boxes->ndim != 2)
        return op_raise("boxes should be a 2d tensor, got %dD", boxes->ndim);
    if (boxes->size[1] != 4)
        return op_raise("boxes should have 4 elements in dimension 1, got %lld", (long long)boxes->size[1]);
    if (scores->ndim != 1)
        return op_raise("scores should be a 1d tensor, got %dD", scores->ndim);
    if (boxes->size[0] != scores->size[0])
        return op_raise("boxes and scores should have same number of elements in dimension 0, got %lld and %lld", (long long)boxes->size[0],
                        (long long)scores->size[0]);
    if (boxes->dtype != scores->dtype)
        return op_raise("dets should have the same type as scores");
    if (boxes->dtype != DT_F32 && boxes->dtype != DT_F64)
        return op_raise("\"nms_kernel\" not implemented for '%s'", dtype_torch_name((DType)boxes->dtype));
    return ST_OK;
}

static Status nms(Lane *lane, const Tensor *boxes, const Tensor *scores, double threshold, Tensor **out)
{
    int64_t n = boxes->view.size[0];
    size_t element = dtype_size(tensor_dtype(boxes)), bytes = (size_t)(n ? n : 1) * (2 * sizeof(int64_t) + 5 * element + 1);
    int64_t *keep = malloc(bytes), *order = keep + n, kept;
    void *columns = order + n;
    if (!keep)
        return status_no_memory(bytes);
    uint8_t *gone = (uint8_t *)columns + 5 * element * (size_t)n;
    if (element == sizeof(float))
        kept = nms_f32(boxes->view.data, scores->view.data, n, threshold, keep, order, columns, gone);
    else
        kept = nms_f64(boxes->view.data, scores->view.data, n, threshold, keep, order, columns, gone);
    Status s = tensor_new(lane, DT_I64, 1, &kept, out);
    if (s == ST_OK && kept)
        memcpy((*out)->view.data, keep, sizeof *keep * (size_t)kept);
    free(keep);
    return s;
}

// (dets, scores, iou_threshold)
static Status op_nms(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *boxes, *scores, *out;
    TRY(check_boxes(&arg_tensor(args[0])->view, &arg_tensor(args[1])->view));
    TRY(tensor_contiguous(lane, arg_tensor(args[0]), &boxes));
    Status s = tensor_contiguous(lane, arg_tensor(args[1]), &scores);
    if (s == ST_OK) {
        s = nms(lane, boxes, scores, arg_double(args[2]), &out);
        tensor_release(scores);
    }
    tensor_release(boxes);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROI(name, kind) {name, op_roi, OP_PRIVATE_LAYOUT, (const void *)(intptr_t)(kind), NULL}

const OpBinding OPS_VISION[] = {
    {"torchvision::deform_conv2d", op_deform_conv, 0, NULL, NULL},
    {"torchvision::nms", op_nms, 0, NULL, NULL},
    ROI("torchvision::roi_align", ROI_ALIGN),
    ROI("torchvision::roi_pool", ROI_MAX),
    ROI("torchvision::ps_roi_align", ROI_PS_ALIGN),
    ROI("torchvision::ps_roi_pool", ROI_PS_POOL),
    {0},
};
