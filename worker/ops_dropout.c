// Operator bindings: dropout in all its forms, and rrelu. When a model does not train they return their input, or a plain
// function of it; when it trains they draw what PyTorch's CPU kernels draw (torchscript.md §7.7, §7.8).
#include "worker/op_util.h"
#include "worker/pointwise.h"
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

typedef struct DropoutKind { bool feature, alpha, in_place; } DropoutKind;

// out[i] = x[i] * noise[i] + shift, rounded to the dtype after each step; noise[i] is 0 or 1 here, scaled on the way.
static void apply_noise(double *x, const uint8_t *noise, int64_t n, int64_t repeat, double p, bool alpha, DType t)
{
    const double slope = 1.7580993408473766; // alpha of SELU times its scale
    double a = 1 / sqrt((slope * slope * p + 1) * (1 - p)), scale = slope * a, shift = slope * a * p;
    bool exact = t == DT_F64;
#define ROUND(v) (exact ? (v) : (double)round_to(t, (float)(v)))
    double kept = ROUND(1 / ROUND(1 - p)), factor[2] = {0, alpha ? ROUND(a) : kept}, offset[2] = {0, 0};
    if (alpha)
        for (int k = 0; k < 2; k++)
            offset[k] = ROUND(ROUND((k - 1) * ROUND(scale)) + ROUND(shift));
    for (int64_t i = 0; i < n; i++) {
        int k = noise[i / repeat] != 0;
        x[i] = ROUND(x[i] * factor[k]);
        if (alpha)
            x[i] = ROUND(x[i] + offset[k]);
    }
#undef ROUND
}

// input, p, train. Not training, p == 0 or nothing to drop: the input itself.
OP_FN(op_dropout)
{
    const DropoutKind *kind = site->op->data;
    Tensor *t = args[0].as.tensor, *wide, *out = t;
    if (!args[2].as.b) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    double p = arg_double(args[1]);
    if (!(p >= 0 && p <= 1))
        return op_raise("dropout probability has to be between 0 and 1, but got %g", p);
    TRY(tensor_make_plain(lane, t));
    int64_t n = tensor_numel(t);
    if (p == 0 || n == 0) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("result type Float can't be cast to the desired output type %s", dtype_torch_name(tensor_dtype(t)));
    if (kind->feature && t->view.ndim < 2)
        return op_raise("Feature dropout requires at least 2 dimensions in the input");
    Generator *g;
    TRY(lane_generator(lane, &g));
    // Features: one draw for each of the first two dimensions. Otherwise one per element, in logical order.
    int64_t repeat = kind->feature ? n / (t->view.size[0] * t->view.size[1]) : 1;
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    Status status = ST_OK;
    uint8_t *noise = NULL;
    if (p == 1) {
        status = tensor_fill(wide, value_int(0));
    } else if (!(noise = malloc((size_t)(n / repeat)))) {
        status = status_no_memory((size_t)(n / repeat));
    } else {
        random_below_each(g, NULL, 1 - p, noise, n / repeat);
        apply_noise(wide->view.data, noise, n, repeat, p, kind->alpha, tensor_dtype(t));
    }
    free(noise);
    if (status == ST_OK && !kind->in_place)
        status = tensor_new_like(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &out);
    else if (status == ST_OK)
        status = tensor_make_writable(t);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, out, wide);
        if (status == ST_OK)
            rets[0] = kind->in_place ? value_retain(args[0]) : value_tensor_take(out);
        else if (!kind->in_place)
            tensor_release(out);
    }
    tensor_release(wide);
    return status;
}

// native_dropout: the mask is a result too.
OP_FN(op_native_dropout)
{
    double p = arg_double(args[1]);
    Tensor *t = args[0].as.tensor, *mask, *wide, *out;
    bool train = args[2].tag == TAG_NONE || args[2].as.b;
    Generator *g;
    TRY(lane_generator(lane, &g));
    TRY(tensor_new_like(lane, t, DT_BOOL, FORMAT_PRESERVE, &mask));
    Status status = tensor_copy_as(lane, t, DT_F64, FORMAT_PRESERVE, &wide);
    if (status != ST_OK) {
        tensor_release(mask);
        return status;
    }
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++) {
        bool keep = !train || random_uniform_f64(g) < 1 - p;
        ((bool *)mask->view.data)[i] = keep;
        if (train)
            ((double *)wide->view.data)[i] *= keep ? (p == 1 ? 0 : (double)(1 / (float)(1 - p))) : 0;
    }
    status = tensor_new_like(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &out);
    if (status == ST_OK && (status = tensor_copy_into(lane, out, wide)) != ST_OK)
        tensor_release(out);
    tensor_release(wide);
    if (status != ST_OK) {
        tensor_release(mask);
        return status;
    }
    rets[0] = value_tensor_take(out);
    rets[1] = value_tensor_take(mask);
    return ST_OK;
}

// rrelu: self, lower, upper, training, generator; rrelu_with_noise: self, noise, …. The noise gets the slopes that were drawn,
// 1 where none was. Evaluation is leaky_relu with the middle slope.
typedef struct RreluKind { bool in_place, noise; } RreluKind;

OP_FN(op_rrelu)
{
    const RreluKind *kind = site->op->data;
    const IValue *a = args + kind->noise; // behind self
    Tensor *t = args[0].as.tensor, *wide, *noise = NULL, *out = t;
    double lower = arg_double(a[1]), upper = arg_double(a[2]);
    bool train = a[3].as.b;
    DType dtype = tensor_dtype(t);
    Generator *g;
    if (!(lower <= upper))
        return op_raise("Lower bound should be less than or equal to the upper bound");
    if (!train) {
        PwCall c = PW_CALL(PW_LEAKY_RELU, PW_SELF);
        pw_add(&c, PW_OPERAND, 0, args[0]);
        c.params.f[0] = (lower + upper) / 2;
        c.out = kind->in_place ? t : NULL;
        TRY(pw_call(lane, site, &c, &out));
        rets[0] = value_tensor_take(out);
        return ST_OK;
    }
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_PRESERVE, &wide));
    Status status = kind->noise ? tensor_new_like(lane, wide, DT_F64, FORMAT_PRESERVE, &noise) : ST_OK;
    double *x = wide->view.data, *slopes = noise ? noise->view.data : NULL;
    for (int64_t i = 0, n = status == ST_OK ? tensor_numel(t) : 0; i < n; i++) {
        double slope = 1;
        if (x[i] <= 0) {
            slope = random_uniform_f64(g) * (upper - lower) + lower;
            slope = dtype == DT_F64 ? slope : (double)(float)slope;
            x[i] *= slope;
        }
        if (slopes)
            slopes[i] = slope;
    }
    if (status == ST_OK && noise) {
        status = tensor_make_writable(args[1].as.tensor);
        if (status == ST_OK)
            status = tensor_copy_into(lane, args[1].as.tensor, noise);
    }
    if (status == ST_OK && !kind->in_place)
        status = tensor_new_like(lane, t, dtype, FORMAT_PRESERVE, &out);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, out, wide);
        if (status == ST_OK)
            rets[0] = kind->in_place ? value_retain(args[0]) : value_tensor_take(out);
        else if (!kind->in_place)
            tensor_release(out);
    }
    tensor_release(wide);
    if (noise)
        tensor_release(noise);
    return status;
}

OP_FN(op_rrelu_functional) // the noise is not written to: a copy of it is the second result
{
    Tensor *noise;
    TRY(tensor_copy_as(lane, args[1].as.tensor, tensor_dtype(args[1].as.tensor), FORMAT_PRESERVE, &noise));
    IValue own[6];
    memcpy(own, args, sizeof own);
    own[1] = value_tensor_take(noise);
    Status status = op_rrelu(lane, site, own, rets);
    if (status == ST_OK)
        rets[1] = own[1];
    else
        tensor_release(noise);
    return status;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define DROP(name, feature, alpha)                                                                                     \
    {"aten::" name, op_dropout, OP_PRIVATE_LAYOUT, &(const DropoutKind){feature, alpha, false}, NULL},                 \
        {"aten::" name "_", op_dropout, OP_PRIVATE_LAYOUT, &(const DropoutKind){feature, alpha, true}, NULL}
#define RRELU(name, noise)                                                                                             \
    {"aten::" name, op_rrelu, 0, &(const RreluKind){false, noise}, pw_free_user},                                      \
        {"aten::" name "_", op_rrelu, OP_WRITES_ARG0, &(const RreluKind){true, noise}, pw_free_user}

const OpBinding OPS_DROPOUT[] = {
    DROP("dropout", false, false), DROP("feature_dropout", true, false), DROP("alpha_dropout", false, true),
    DROP("feature_alpha_dropout", true, true), ROW("aten::native_dropout", op_native_dropout),
    RRELU("rrelu", false), RRELU("rrelu_with_noise", true),
    {"aten::rrelu_with_noise_functional", op_rrelu_functional, 0, &(const RreluKind){false, true}, pw_free_user},
    {0},
};
