// Operator bindings: torchvision's operators.
// Rows are found by name in worker/op.c.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <math.h>
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
    Tensor *b;
    TRY(tensor_contiguous_as(lane, bias, tensor_dtype(out), &b));
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

static Status check_boxes(const View *boxes, const View *scores, bool integers)
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
    if (integers ? dtype_category((DType)boxes->dtype) != DT_INTEGRAL : boxes->dtype != DT_F32 && boxes->dtype != DT_F64)
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

// (dets, scores, iou_threshold). data: of quantised boxes, given as their integers
static Status op_nms(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    bool integers = site->op->data != NULL;
    Tensor *boxes, *scores, *out;
    TRY(check_boxes(&arg_tensor(args[0])->view, &arg_tensor(args[1])->view, integers));
    DType dtype = integers ? DT_F32 : tensor_dtype(arg_tensor(args[0]));
    TRY(tensor_contiguous_as(lane, arg_tensor(args[0]), dtype, &boxes));
    Status s = tensor_contiguous_as(lane, arg_tensor(args[1]), dtype, &scores);
    if (s == ST_OK) {
        s = nms(lane, boxes, scores, arg_double(args[2]), &out);
        tensor_release(scores);
    }
    tensor_release(boxes);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- quantised regions, given as integers

// The numbers that integers stand for; ST_RAISED for other tensors.
static Status unquantised(Lane *lane, Tensor *t, double scale, int64_t zero_point, Tensor **out)
{
    if (dtype_category(tensor_dtype(t)) != DT_INTEGRAL)
        return op_raise("\"qroi_align\" not implemented for '%s'", dtype_torch_name(tensor_dtype(t)));
    TRY(tensor_contiguous_as(lane, t, DT_F32, out));
    float *x = (*out)->view.data;
    for (int64_t i = 0, n = tensor_numel(*out); i < n; i++)
        x[i] = (x[i] - (float)zero_point) * (float)scale;
    return ST_OK;
}

// Rounded to the integers of `dtype`: quantised again.
static Status quantised(Lane *lane, Tensor *t, double scale, int64_t zero_point, DType dtype, Tensor **out)
{
    double least = dtype == DT_U8 ? 0 : dtype == DT_I8 ? INT8_MIN : INT32_MIN, most = dtype == DT_U8 ? UINT8_MAX : dtype == DT_I8 ? INT8_MAX : INT32_MAX;
    float *x = t->view.data, inverse = 1 / (float)scale;
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++) {
        double q = (double)nearbyintf(x[i] * inverse) + (double)zero_point;
        x[i] = (float)(q >= least ? q <= most ? q : most : least);
    }
    return tensor_to_dtype(lane, t, dtype, out);
}

// (input, rois, input_scale, input_zero_point, rois_scale, rois_zero_point, spatial_scale, pooled_height, pooled_width,
// sampling_ratio, aligned)
static Status op_qroi_align(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *in[2] = {NULL, NULL}, *made = NULL, *out;
    double scale = arg_double(args[2]);
    int64_t zero_point = arg_int(args[3]);
    RoiParams p;
    memset(&p, 0, sizeof p);
    p.scale = arg_double(args[6]);
    p.size[0] = arg_int(args[7]);
    p.size[1] = arg_int(args[8]);
    p.sampling_ratio = arg_int(args[9]);
    p.aligned = args[10].as.b;
    p.kind = ROI_ALIGN;
    if (arg_tensor(args[0])->view.ndim != 4 || arg_tensor(args[0])->view.size[0] != 1)
        return op_raise("Only one image per batch is allowed in qroi_align.");
    Status s = unquantised(lane, arg_tensor(args[0]), scale, zero_point, &in[0]);
    if (s == ST_OK)
        s = unquantised(lane, arg_tensor(args[1]), arg_double(args[4]), arg_int(args[5]), &in[1]);
    if (s == ST_OK)
        s = kernel_call(lane, site, &kernel_roi, &p, sizeof p, in, 2, &made, 1);
    if (s == ST_OK)
        s = quantised(lane, made, scale, zero_point, tensor_dtype(arg_tensor(args[0])), &out);
    Tensor *all[] = {in[0], in[1], made};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            tensor_release(all[i]);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- rotated boxes

typedef struct Point { double x, y; } Point;
enum { CORNERS = 4, MAX_CORNERS = 2 * CORNERS };

// Corners of a box (centre, width, height, degrees), turning one way round.
static void rotated_corners(const double box[5], Point *corner)
{
    double angle = box[4] * M_PI / 180, dx = cos(angle) / 2, dy = sin(angle) / 2, w = box[2], h = box[3];
    const double sign[CORNERS][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
    for (int i = 0; i < CORNERS; i++) // y points down
        corner[i] = (Point){box[0] + sign[i][0] * dx * w + sign[i][1] * dy * h, box[1] - sign[i][0] * dy * w + sign[i][1] * dx * h};
}

static double side(Point a, Point b, Point p) { return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x); }

// What of a convex polygon lies on the inner side of the line from a to b.
static int clip(const Point *in, int n, Point a, Point b, Point *out)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        Point p = in[i], q = in[(i + 1) % n];
        double sp = side(a, b, p), sq = side(a, b, q);
        if (sp >= 0)
            out[count++] = p;
        if ((sp > 0 && sq < 0) || (sp < 0 && sq > 0))
            out[count++] = (Point){p.x + (q.x - p.x) * sp / (sp - sq), p.y + (q.y - p.y) * sp / (sp - sq)};
    }
    return count;
}

static double rotated_iou(const double a[5], const double b[5])
{
    double area = a[2] * a[3], other = b[2] * b[3], twice = 0;
    if (!(area >= 1e-14 && other >= 1e-14))
        return 0;
    Point polygon[2][2 * MAX_CORNERS], edges[CORNERS];
    int n = CORNERS, now = 0;
    double middle[2] = {(a[0] + b[0]) / 2, (a[1] + b[1]) / 2}, near[2][5]; // around the origin: less is rounded off
    memcpy(near[0], a, sizeof near[0]);
    memcpy(near[1], b, sizeof near[1]);
    for (int i = 0; i < 2; i++)
        for (int d = 0; d < 2; d++)
            near[i][d] -= middle[d];
    rotated_corners(near[0], polygon[0]);
    rotated_corners(near[1], edges);
    for (int i = 0; i < CORNERS && n; i++) {
        n = clip(polygon[now], n, edges[i], edges[(i + 1) % CORNERS], polygon[1 - now]);
        now = 1 - now;
    }
    for (int i = 0; i < n; i++) {
        Point p = polygon[now][i], q = polygon[now][(i + 1) % n];
        twice += p.x * q.y - p.y * q.x;
    }
    double inter = fabs(twice) / 2;
    return inter / (area + other - inter);
}

// (boxes1 [N, 5], boxes2 [M, 5]): float32 [N, M]
static Status op_box_iou_rotated(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    (void)site;
    Tensor *boxes[2] = {NULL, NULL}, *out;
    const View *a = &arg_tensor(args[0])->view, *b = &arg_tensor(args[1])->view;
    if (a->ndim != 2 || b->ndim != 2 || a->size[1] != 5 || b->size[1] != 5)
        return op_raise("boxes should have shape [N, 5]");
    if (a->dtype != b->dtype || (a->dtype != DT_F32 && a->dtype != DT_F64))
        return op_raise("boxes should be two float32 or two float64 tensors");
    TRY(tensor_new(lane, DT_F32, 2, (int64_t[]){a->size[0], b->size[0]}, &out));
    Status s = tensor_contiguous_as(lane, arg_tensor(args[0]), DT_F64, &boxes[0]);
    if (s == ST_OK)
        s = tensor_contiguous_as(lane, arg_tensor(args[1]), DT_F64, &boxes[1]);
    for (int64_t i = 0, n = tensor_numel(out); s == ST_OK && i < n; i++) {
        double iou = rotated_iou((const double *)boxes[0]->view.data + i / out->view.size[1] * 5, (const double *)boxes[1]->view.data + i % out->view.size[1] * 5);
        ((float *)out->view.data)[i] = (float)iou;
    }
    for (int i = 0; i < 2; i++)
        if (boxes[i])
            tensor_release(boxes[i]);
    if (s != ST_OK) {
        tensor_release(out);
        return s;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROI(name, kind) {name, op_roi, OP_PRIVATE_LAYOUT, (const void *)(intptr_t)(kind), NULL}

const OpBinding OPS_VISION[] = {
    {"torchvision::deform_conv2d", op_deform_conv, 0, NULL, NULL},
    {"torchvision::nms", op_nms, 0, NULL, NULL},
    {"torchvision::qroi_align", op_qroi_align, 0, NULL, NULL},
    {"torchvision::qnms", op_nms, 0, "integers", NULL},
    {"torchvision::box_iou_rotated", op_box_iou_rotated, 0, NULL, NULL},
    ROI("torchvision::roi_align", ROI_ALIGN),
    ROI("torchvision::roi_pool", ROI_MAX),
    ROI("torchvision::ps_roi_align", ROI_PS_ALIGN),
    ROI("torchvision::ps_roi_pool", ROI_PS_POOL),
    {0},
};
