// Operator bindings: quantisation found from data: the observers of quantisation-aware training, which models keep when they
// are saved before conversion, the search for a row's best range, and empty quantised tensors.
#include "worker/ops_quant.h"
#include "worker/sequence.h"

#include "kernels/half.h"
#include "kernels/quant.h"

#include <math.h>
#include <stdlib.h>

#define NONE value_none()
#define INT value_int

// ---- Observers ----------------------------------------------------------------------------------------------------------

// Arguments of _fused_moving_avg_obs_fq_helper.
enum { SELF, OBSERVER_ON, FAKE_QUANT_ON, RUNNING_MIN, RUNNING_MAX, SCALE, ZERO_POINT, AVERAGING, QUANT_MIN, QUANT_MAX, AXIS, PER_ROW, SYMMETRIC };

// Is the number that a tensor holds, as an integer, not 0?
static Status switched_on(Lane *lane, IValue v, bool *out)
{
    double number;
    TRY(tensor_double(lane, v.as.tensor, &number));
    *out = (int64_t)number != 0;
    return ST_OK;
}

// Running numbers of float32 in one piece, at least n of them.
static Status running(const IValue *args, int which, int64_t n, float **out)
{
    Tensor *t = args[which].as.tensor;
    if (tensor_dtype(t) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(t)));
    if (tensor_numel(t) < n || !tensor_is_contiguous(t))
        return op_raise("moving average observer: running minima and maxima must have one number per channel");
    TRY(tensor_make_writable(t));
    *out = t->view.data;
    return ST_OK;
}

// The running range moves towards that of self; a range that is not known yet becomes it.
static void observe(Sequence *q, const IValue *args, bool per_row)
{
    IValue x = args[SELF], range[2], flat[2];
    const View *v = &x.as.tensor->view;
    if (v->dtype != DT_F32) {
        sequence_raise(q, "expected scalar type Float but found %s", dtype_torch_name((DType)v->dtype));
        return;
    }
    if (per_row && args[AXIS].as.i != 0) {
        sequence_raise(q, "Per-channel FakeQuant in fused_moving_avg_obs_fake_quant is only supported on axis == 0");
        return;
    }
    if (per_row && v->ndim != 2)
        x = STEP(q, "aten::flatten.using_ints", x, INT(1), INT(-1));
    if (per_row && tensor_numel(args[RUNNING_MIN].as.tensor) == 0) {
        IValue size = sequence_ints(q, 1, v->size);
        for (int i = RUNNING_MIN; i <= ZERO_POINT; i++) {
            STEP(q, "aten::resize_", args[i], size, NONE);
            if (i <= RUNNING_MAX)
                STEP(q, "aten::fill_.Scalar", args[i], value_float(i == RUNNING_MIN ? INFINITY : -INFINITY));
        }
    }
    sequence_step(q, "aten::aminmax", 3, (IValue[]){x, per_row ? INT(1) : NONE, value_bool(false)}, 2, range);
    for (int k = 0; k < 2; k++) {
        float *old = NULL;
        flat[k] = STEP(q, "aten::contiguous", range[k], INT(FORMAT_CONTIGUOUS));
        if (q->status != ST_OK)
            return;
        int64_t n = tensor_numel(flat[k].as.tensor);
        q->status = running(args, RUNNING_MIN + k, n, &old);
        const float *now = flat[k].as.tensor->view.data;
        for (int64_t i = 0; i < n && q->status == ST_OK; i++)
            old[i] = isinf(old[i]) ? now[i] : (float)((double)old[i] + arg_double(args[AVERAGING]) * (double)(now[i] - old[i]));
    }
}

// Scales and zero points of the running ranges, written to their tensors; the first of each.
static Status choose_running(Lane *lane, const IValue *args, bool per_row, double *scale, int32_t *zero_point)
{
    float *low, *high;
    int64_t n = per_row ? tensor_numel(args[RUNNING_MIN].as.tensor) : 1;
    int64_t least = args[QUANT_MIN].as.i, most = args[QUANT_MAX].as.i;
    if (least < INT32_MIN || most > INT32_MAX || least >= most)
        return op_raise("moving average observer: quant_min must be less than quant_max, and both must be 32 bits wide");
    TRY(running(args, RUNNING_MIN, n, &low));
    TRY(running(args, RUNNING_MAX, n, &high));
    for (int i = SCALE; i <= ZERO_POINT; i++) {
        if (tensor_numel(args[i].as.tensor) < n || args[i].as.tensor->view.ndim != 1)
            return op_raise("moving average observer: scale and zero_point must have one number per channel");
        TRY(tensor_make_writable(args[i].as.tensor));
    }
    for (int64_t c = n - 1; c >= 0; c--) {
        choose_quant_f32(low[c], high[c], (int32_t)least, (int32_t)most, args[SYMMETRIC].as.b, scale, zero_point);
        for (int i = SCALE; i <= ZERO_POINT; i++) {
            Tensor *t = args[i].as.tensor, *one;
            TRY(tensor_view(lane, t, 0, t->view.size, t->view.stride, t->offset + c * t->view.stride[0], &one));
            Status status = tensor_fill(one, i == SCALE ? value_float(*scale) : INT(*zero_point));
            tensor_release(one);
            TRY(status);
        }
    }
    return ST_OK;
}

// Results: what self is after being quantised and back, and the mask of what was not clamped.
static Status moving_average(Lane *lane, Site *site, const IValue *args, IValue *made)
{
    bool observes, quantises, per_row = args[PER_ROW].as.b;
    if (args[AXIS].as.i >= args[SELF].as.tensor->view.ndim && args[SELF].as.tensor->view.ndim)
        return op_raise("Error in fused_moving_avg_obs_fake_quant_cpu: ch_axis must be < self.dim()");
    TRY(switched_on(lane, args[OBSERVER_ON], &observes));
    TRY(switched_on(lane, args[FAKE_QUANT_ON], &quantises));
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    double scale = 1;
    int32_t zero_point = 0;
    if (observes)
        observe(q, args, per_row);
    if (quantises && q->status == ST_OK)
        q->status = choose_running(lane, args, per_row, &scale, &zero_point);
    IValue out[2];
    if (!quantises) {
        out[0] = STEP(q, "aten::clone", args[SELF], NONE);
        out[1] = STEP(q, "aten::ones_like", args[SELF], INT(DT_BOOL), NONE, NONE, NONE, INT(FORMAT_PRESERVE));
    } else if (per_row) {
        sequence_step(q, "aten::fake_quantize_per_channel_affine_cachemask", 6,
                      (IValue[]){args[SELF], args[SCALE], args[ZERO_POINT], args[AXIS], args[QUANT_MIN], args[QUANT_MAX]}, 2, out);
    } else {
        sequence_step(q, "aten::fake_quantize_per_tensor_affine_cachemask", 5,
                      (IValue[]){args[SELF], value_float((double)(float)scale), INT(zero_point), args[QUANT_MIN], args[QUANT_MAX]}, 2, out);
    }
    return sequence_give_all(q, 2, out, made);
}

OP_FN(op_observe_helper) { return moving_average(lane, site, args, rets); }

OP_FN(op_observe)
{
    IValue made[2];
    if (tensor_numel(args[SELF].as.tensor) == 0) {
        Tensor *copy;
        TRY(tensor_copy_as(lane, args[SELF].as.tensor, tensor_dtype(args[SELF].as.tensor), FORMAT_PRESERVE, &copy));
        rets[0] = value_tensor_take(copy);
        return ST_OK;
    }
    TRY(moving_average(lane, site, args, made));
    rets[0] = made[0];
    value_release(made[1]);
    return ST_OK;
}

// ---- The best range of a row --------------------------------------------------------------------------------------------

// How far n numbers move when they are quantised to 2^bits values from low to high.
static float range_loss(const float *x, int64_t n, float low, float high, int bits)
{
    low = f16_to_float(f16_from_float(low));
    float range = high - low, most = (float)((1 << bits) - 1), scale = range == 0 ? 1 : f16_to_float(f16_from_float(range / most));
    float inverse = scale == 0 ? 1 : 1 / scale, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        float v = nearbyintf((x[i] - low) * inverse);
        v = v < most ? v : most;
        v = (v > 0 ? v : 0) * scale + low;
        sum += (x[i] - v) * (x[i] - v);
    }
    return sqrtf(sum);
}

void quant_best_range(const float *x, int64_t n, int64_t bins, double ratio, int bits, float *low, float *high)
{
    min_max_row(x, n, low, high);
    float step = (*high - *low) / (float)bins, left = *low, right = *high;
    float least = (float)(int)((double)bins * (1 - (double)(float)ratio)) * step;
    float loss = range_loss(x, n, left, right, bits), now = loss;
    while (left + least < right) {
        float from_left = range_loss(x, n, left + step, right, bits), from_right = range_loss(x, n, left, right - step, bits);
        if (now < from_left && now < from_right && now < loss) { // the best of its neighbourhood
            loss = now;
            *low = left;
            *high = right;
        }
        float next = from_left < from_right ? left + step : right - step;
        if (next == (from_left < from_right ? left : right)) // a step too small to move
            return;
        *(from_left < from_right ? &left : &right) = next;
        now = from_left < from_right ? from_left : from_right;
    }
}

OP_FN(op_choose_optimized) // input, numel, n_bins, ratio, bit_width -> greatest, least
{
    Tensor *x = args[0].as.tensor, *row, *made[2] = {NULL, NULL};
    int64_t n = args[1].as.i, bins = args[2].as.i, bits = args[4].as.i;
    if (tensor_dtype(x) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(x)));
    if (n < 0 || n > tensor_numel(x))
        return op_raise("numel is out of the bound of input tensor");
    if (n == 0 || bins < 1 || bins > 1 << 20 || bits < 1 || bits > 16)
        return op_raise("choose_qparams_optimized: numel, n_bins and bit_width must be positive (limits: 2^20 bins, 16 bits)");
    TRY(tensor_contiguous(lane, x, &row));
    float range[2];
    quant_best_range(row->view.data, n, bins, arg_double(args[3]), (int)bits, &range[1], &range[0]);
    tensor_release(row);
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++)
        if ((status = tensor_new(lane, DT_F32, 1, (const int64_t[]){1}, &made[i])) == ST_OK)
            *(float *)made[i]->view.data = range[i];
    if (status != ST_OK) {
        if (made[0])
            tensor_release(made[0]);
        return status;
    }
    rets[0] = value_tensor_take(made[0]);
    rets[1] = value_tensor_take(made[1]);
    return ST_OK;
}

// ---- Empty tensors ------------------------------------------------------------------------------------------------------

// Their content is not specified: zeros, the same in every run.
static Status empty_of(Lane *lane, IValue size_arg, DType dtype, IValue format, Quant *q, IValue *ret)
{
    int64_t size[VIEW_MAX_DIMS], stride[VIEW_MAX_DIMS];
    int n;
    Tensor *ints, *t;
    TRY(arg_ints(size_arg, size, VIEW_MAX_DIMS, &n));
    TRY(format_strides(arg_int_or(format, FORMAT_CONTIGUOUS), n, size, stride));
    TRY(tensor_new_strided(lane, quant_integer(dtype), n, size, stride, &ints));
    Status status = tensor_fill(ints, INT(0));
    if (status == ST_OK)
        status = tensor_quant_view(lane, ints, dtype, q, &t);
    tensor_release(ints);
    TRY(status);
    *ret = value_tensor_take(t);
    return ST_OK;
}

static Status check_quantised(IValue v, DType otherwise, DType *out)
{
    *out = arg_dtype_or(v, otherwise);
    return *out == DT_QI8 || *out == DT_QU8 || *out == DT_QI32 ? ST_OK : op_raise("Creation of quantized tensor requires quantized dtype like torch.quint8");
}

OP_FN(op_empty_quantized_like) // size, qtensor, dtype, layout, device, pin_memory, memory_format
{
    const Tensor *like = args[1].as.tensor;
    DType dtype;
    if (!like->quant)
        return op_raise("empty_quantized: qtensor must be quantized");
    TRY(check_quantised(args[2], tensor_dtype(like), &dtype));
    return empty_of(lane, args[0], dtype, args[6], like->quant, rets);
}

OP_FN(op_empty_per_channel) // size, scales, zero_points, axis, dtype, layout, device, pin_memory, memory_format
{
    Tensor *scales = args[1].as.tensor, *zeros = args[2].as.tensor;
    DType dtype;
    TRY(check_quantised(args[4], DT_F32, &dtype));
    if (scales->view.ndim != 1 || zeros->view.ndim != 1)
        return op_raise("scales and zero_points must be 1D tensors");
    if (tensor_numel(scales) != tensor_numel(zeros))
        return op_raise("number of elements in scales and zero_points must match");
    int64_t size[VIEW_MAX_DIMS], axis = args[3].as.i;
    int n;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    if (axis < 0 || axis >= n || size[axis] != tensor_numel(scales)) // PyTorch would go on, and read beyond them
        return op_raise("length of scales must equal to channel, and the axis must be one of the tensor's");
    Quant *q;
    TRY(quant_new_channels(lane, QUANT_PER_CHANNEL, scales, zeros, axis, &q));
    Status status = empty_of(lane, args[0], dtype, args[8], q, rets);
    quant_release(q);
    return status;
}

#define OBSERVER(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}

const OpBinding OPS_OBSERVE[] = {
    OBSERVER("_fused_moving_avg_obs_fq_helper", op_observe_helper), OBSERVER("fused_moving_avg_obs_fake_quant", op_observe),
    {"aten::choose_qparams_optimized", op_choose_optimized, 0, NULL, NULL}, {"aten::empty_quantized", op_empty_quantized_like, OP_QUANTISED, NULL, NULL},
    {"aten::_empty_per_channel_affine_quantized", op_empty_per_channel, OP_QUANTISED, NULL, NULL},
    {0},
};
