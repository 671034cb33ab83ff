// Operator bindings: torchvision's operators for detection.
// Rows are found by name in worker/op.c.
#include "worker/ops_heavy.h"

#include <stdlib.h>
#include <string.h>

// (input, rois, spatial_scale, pooled_height, pooled_width[, sampling_ratio, aligned]). data: max
static Status op_roi(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    bool max = site->op->data != NULL;
    RoiParams p;
    Tensor *in[2] = {arg_tensor(args[0]), arg_tensor(args[1])}, *out[2];
    memset(&p, 0, sizeof p);
    p.scale = arg_double(args[2]);
    p.size[0] = arg_int(args[3]);
    p.size[1] = arg_int(args[4]);
    p.max = max;
    if (!max) {
        p.sampling_ratio = arg_int(args[5]);
        p.aligned = args[6].as.b;
    }
    TRY(kernel_call(lane, site, &kernel_roi, &p, sizeof p, in, 2, out, max ? 2 : 1));
    take_results(rets, out, max ? 2 : 1);
    return ST_OK;
}

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
    return ST_OK;
}

static Status as_floats(Lane *lane, Tensor *t, Tensor **out)
{
    Tensor *cast;
    TRY(tensor_to_dtype(lane, t, DT_F32, &cast));
    Status s = tensor_contiguous(lane, cast, out);
    tensor_release(cast);
    return s;
}

static Status nms(Lane *lane, const Tensor *boxes, const Tensor *scores, double threshold, Tensor **out)
{
    int64_t n = boxes->view.size[0];
    size_t bytes = (size_t)(n ? n : 1) * (2 * sizeof(int64_t) + sizeof(bool));
    int64_t *keep = malloc(bytes);
    if (!keep)
        return status_no_memory(bytes);
    int64_t kept = nms_f32(boxes->view.data, scores->view.data, n, threshold, keep, keep + n, (bool *)(keep + 2 * n));
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
    TRY(as_floats(lane, arg_tensor(args[0]), &boxes));
    Status s = as_floats(lane, arg_tensor(args[1]), &scores);
    if (s == ST_OK) {
        s = nms(lane, boxes, scores, arg_double(args[2]), &out);
        tensor_release(scores);
    }
    tensor_release(boxes);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

const OpBinding OPS_VISION[] = {
    {"torchvision::nms", op_nms, 0, NULL, NULL},
    {"torchvision::roi_align", op_roi, 0, NULL, NULL},
    {"torchvision::roi_pool", op_roi, 0, "max", NULL},
    {0},
};
