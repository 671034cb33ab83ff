// Operator bindings: losses that look up classes (negative log likelihood, cross entropy, margins) and connectionist
// temporal classification. Sums are taken in double.
#include "kernels/convert.h"
#include "kernels/cpu/variants.h"
#include "worker/op_util.h"
#include "worker/ops_heavy.h"
#include "worker/sequence.h"

#include <math.h>
#include <stdlib.h>

enum { REDUCTION_NONE, REDUCTION_MEAN, REDUCTION_SUM };

// An argument as a contiguous tensor of `dtype`; NULL for None.
static Status operand(Lane *lane, IValue v, DType dtype, Tensor **out)
{
    *out = NULL;
    return v.tag == TAG_TENSOR ? tensor_contiguous_as(lane, v.as.tensor, dtype, out) : ST_OK;
}

static void release_operands(Tensor *const *t, int n)
{
    for (int i = 0; i < n; i++)
        if (t[i])
            tensor_release(t[i]);
}

// [double, …] given back in the dtype of the input.
static Status give_converted(Lane *lane, Tensor *wide, DType dtype, Tensor **out)
{
    Status s = tensor_to_dtype(lane, wide, dtype, out);
    tensor_release(wide);
    return s;
}

// ---- negative log likelihood

// Input [N, C, inner] (or [C]: one sample), target [N, inner].
typedef struct Nll {
    int64_t n, classes, inner, ignore, reduction;
    int out_ndim;                    // of the unreduced loss
    int64_t out_size[VIEW_MAX_DIMS];
    Tensor *x, *target, *weight;     // of the input's dtype, int64, double
    Converter load;                  // of an element of x, to double: few of them are looked at
    double total_weight;
} Nll;

static Status nll_shapes(Nll *c, const View *x, const View *t, const View *w, DType target_type)
{
    if (x->ndim < 1)
        return op_raise("Expected 1 or more dimensions (got 0)");
    if (target_type != DT_I64 && target_type != DT_U8)
        return op_raise("expected scalar type Long but found %s", dtype_torch_name(target_type));
    if (x->ndim == 1) {
        if (t->ndim > 1 || view_numel(t) != 1)
            return op_raise("size mismatch (got input: %s, target: %s)", size_text(x->size, x->ndim).text, size_text(t->size, t->ndim).text);
        c->n = 1;
        c->classes = x->size[0];
        c->inner = 1;
        c->out_ndim = t->ndim;
        c->out_size[0] = 1;
    } else {
        if (t->ndim < 1 || x->size[0] != t->size[0])
            return op_raise("Expected input batch_size (%lld) to match target batch_size (%lld).", (long long)x->size[0], (long long)(t->ndim ? t->size[0] : 1));
        bool same = t->ndim == x->ndim - 1;
        c->n = x->size[0];
        c->classes = x->size[1];
        c->inner = 1;
        c->out_size[0] = c->n;
        for (int d = 2; d < x->ndim; d++) {
            c->inner *= x->size[d];
            c->out_size[d - 1] = x->size[d];
            same = same && t->size[d - 1] == x->size[d];
        }
        c->out_ndim = x->ndim - 1;
        if (!same)
            return op_raise("Expected target size %s, got %s", size_text(c->out_size, c->out_ndim).text, size_text(t->size, t->ndim).text);
    }
    if (w && (w->ndim != 1 || w->size[0] != c->classes))
        return op_raise("weight tensor should be defined either for all %lld classes or no classes but got weight tensor of shape: %s",
                        (long long)c->classes, size_text(w->size, w->ndim).text);
    return ST_OK;
}

static Status nll_fill(Nll *c, double *out)
{
    const char *x = c->x->view.data;
    size_t item = dtype_size(tensor_dtype(c->x));
    const double *weight = c->weight ? c->weight->view.data : NULL;
    const int64_t *target = c->target->view.data;
    double sum = 0;
    for (int64_t n = 0; n < c->n; n++)
        for (int64_t i = 0; i < c->inner; i++) {
            int64_t t = target[n * c->inner + i];
            double loss = 0;
            if (t != c->ignore) {
                if (t < 0 || t >= c->classes)
                    return op_raise_class("IndexError", "Target %lld is out of bounds.", (long long)t);
                double w = weight ? weight[t] : 1, score;
                convert_row(&c->load, (char *)&score, sizeof score, x + (size_t)((n * c->classes + t) * c->inner + i) * item, (int64_t)item, 1);
                loss = -score * w;
                c->total_weight += w;
            }
            if (c->reduction == REDUCTION_NONE)
                out[n * c->inner + i] = loss;
            sum += loss;
        }
    if (c->reduction != REDUCTION_NONE)
        out[0] = c->reduction == REDUCTION_MEAN ? sum / c->total_weight : sum;
    return ST_OK;
}

// args: self, target, weight, reduction, ignore_index
static Status nll_call(Lane *lane, const IValue *args, Nll *c, Tensor **out)
{
    Tensor *x = args[0].as.tensor, *target = args[1].as.tensor, *wide;
    *c = (Nll){.reduction = args[3].as.i, .ignore = args[4].as.i};
    if (!dtype_is_floating(tensor_dtype(x)))
        return op_raise("\"nll_loss_out_frame\" not implemented for '%s'", dtype_torch_name(tensor_dtype(x)));
    TRY(nll_shapes(c, &x->view, &target->view, args[2].tag == TAG_TENSOR ? &args[2].as.tensor->view : NULL, tensor_dtype(target)));
    Status s = converter_find(tensor_dtype(x), DT_F64, &c->load) ? tensor_contiguous(lane, x, &c->x) : op_raise("nll_loss: no numbers of type %s", dtype_torch_name(tensor_dtype(x)));
    if (s == ST_OK)
        s = operand(lane, args[1], DT_I64, &c->target);
    if (s == ST_OK)
        s = operand(lane, args[2], DT_F64, &c->weight);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, c->reduction == REDUCTION_NONE ? c->out_ndim : 0, c->out_size, &wide);
    if (s == ST_OK) {
        s = nll_fill(c, wide->view.data);
        if (s == ST_OK)
            s = give_converted(lane, wide, tensor_dtype(x), out);
        else
            tensor_release(wide);
    }
    release_operands((Tensor *const[]){c->x, c->target, c->weight}, 3);
    return s;
}

OP_FN(op_nll_loss)
{
    Nll c;
    Tensor *out;
    TRY(nll_call(lane, args, &c, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// (output, total_weight)
OP_FN(op_nll_loss_forward)
{
    Nll c;
    Tensor *out, *total;
    TRY(nll_call(lane, args, &c, &out));
    Status s = tensor_from_scalar(lane, value_float(c.reduction == REDUCTION_NONE ? 0 : c.total_weight), tensor_dtype(out), &total);
    if (s != ST_OK) {
        tensor_release(out);
        return s;
    }
    rets[0] = value_tensor_take(out);
    rets[1] = value_tensor_take(total);
    return ST_OK;
}

// ---- cross entropy

#define MUL(a, b) STEP(q, "aten::mul.Tensor", a, b)

typedef struct CrossEntropy {
    IValue x, target, weight, reduction, ignore; // x: logarithms of probabilities
    double smoothing;
    int64_t classes, class_dim;
} CrossEntropy;

// [C] -> [1, C, 1, …], to multiply x with
static IValue class_weight(Sequence *q, const CrossEntropy *c)
{
    int64_t size[VIEW_MAX_DIMS];
    int n = c->x.as.tensor->view.ndim;
    for (int d = 0; d < n; d++)
        size[d] = d == c->class_dim ? c->classes : 1;
    return STEP(q, "aten::view", c->weight, sequence_ints(q, n, size));
}

static IValue over_classes(Sequence *q, const CrossEntropy *c, IValue x)
{
    IValue sum = STEP(q, "aten::sum.dim_IntList", x, sequence_ints(q, 1, &c->class_dim), value_bool(false), value_none());
    return STEP(q, "aten::neg", sum);
}

static IValue soft_targets(Sequence *q, const CrossEntropy *c)
{
    IValue target = c->target;
    if (c->smoothing > 0) {
        target = STEP(q, "aten::mul.Scalar", target, value_float(1 - c->smoothing));
        target = STEP(q, "aten::add.Scalar", target, value_float(c->smoothing / (double)c->classes), value_int(1));
    }
    IValue loss = MUL(c->x, target);
    if (c->weight.tag == TAG_TENSOR)
        loss = MUL(loss, class_weight(q, c));
    if (c->reduction.as.i == REDUCTION_NONE)
        return over_classes(q, c, loss);
    loss = STEP(q, "aten::neg", STEP(q, "aten::sum", loss, value_none()));
    if (c->reduction.as.i != REDUCTION_MEAN)
        return loss;
    int64_t all = tensor_numel(c->x.as.tensor);
    return STEP(q, "aten::div.Scalar", loss, value_float((double)all / (double)(c->classes ? c->classes : 1)));
}

static IValue smoothed(Sequence *q, const CrossEntropy *c)
{
    IValue nll = STEP(q, "aten::nll_loss_nd", c->x, c->target, c->weight, c->reduction, c->ignore);
    bool weighted = c->weight.tag == TAG_TENSOR;
    IValue loss = over_classes(q, c, weighted ? MUL(c->x, class_weight(q, c)) : c->x);
    IValue ignored = STEP(q, "aten::eq.Scalar", c->target, c->ignore), zero = value_int(0), none = value_none();
    loss = STEP(q, "aten::masked_fill.Scalar", loss, ignored, zero);
    if (c->reduction.as.i != REDUCTION_NONE)
        loss = STEP(q, "aten::sum", loss, none);
    if (c->reduction.as.i == REDUCTION_MEAN) {
        IValue counted = STEP(q, "aten::logical_not", ignored), count = STEP(q, "aten::sum", counted, none);
        if (weighted) {
            IValue kept = STEP(q, "aten::masked_select", c->target, counted);
            count = STEP(q, "aten::sum", STEP(q, "aten::gather", c->weight, zero, kept, value_bool(false)), none);
        }
        loss = STEP(q, "aten::div.Tensor", loss, count);
    }
    nll = STEP(q, "aten::mul.Scalar", nll, value_float(1 - c->smoothing));
    loss = STEP(q, "aten::mul.Scalar", loss, value_float(c->smoothing / (double)c->classes));
    return STEP(q, "aten::add.Tensor", nll, loss, value_int(1));
}

// (self, target, weight, reduction, ignore_index, label_smoothing)
OP_FN(op_cross_entropy)
{
    const View *x = &args[0].as.tensor->view, *t = &args[1].as.tensor->view;
    CrossEntropy c = {.target = args[1], .weight = args[2], .reduction = args[3], .ignore = args[4], .smoothing = arg_double(args[5])};
    bool probabilities = view_same_shape(x, t);
    if (x->ndim < 1)
        return op_raise_class("IndexError", "Dimension specified as 0 but tensor has no dimensions");
    c.class_dim = x->ndim == 1 ? 0 : 1;
    c.classes = x->size[c.class_dim];
    if (probabilities && !dtype_is_floating(tensor_dtype(args[1].as.tensor)))
        return op_raise("Expected floating point type for target with class probabilities, got %s", dtype_torch_name(tensor_dtype(args[1].as.tensor)));
    if (probabilities && c.ignore.as.i >= 0)
        return op_raise("ignore_index is not supported for floating point target");
    if (c.smoothing < 0 || c.smoothing > 1)
        return op_raise("label_smoothing must be between 0.0 and 1.0. Got: %g", c.smoothing);
    if (c.weight.tag == TAG_TENSOR && (c.weight.as.tensor->view.ndim != 1 || c.weight.as.tensor->view.size[0] != c.classes))
        return op_raise("cross_entropy: weight tensor should be defined either for all %lld classes or no classes but got weight tensor of shape: %s",
                        (long long)c.classes, size_text(c.weight.as.tensor->view.size, c.weight.as.tensor->view.ndim).text);
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    c.x = STEP(q, "aten::log_softmax.int", args[0], value_int(c.class_dim), value_none());
    if (q->status != ST_OK)
        return sequence_end(q);
    IValue loss = probabilities ? soft_targets(q, &c)
                  : c.smoothing > 0 ? smoothed(q, &c) : STEP(q, "aten::nll_loss_nd", c.x, c.target, c.weight, c.reduction, c.ignore);
    return sequence_give(q, loss, rets);
}

// ---- margins between classes

typedef struct Margin {
    int64_t rows, classes;
    int ndim;         // of the input
    double p, margin; // multi_margin_loss
} Margin;

static Status margin_input(Lane *lane, IValue input, const char *name, Margin *m, Tensor **x)
{
    const View *v = &input.as.tensor->view;
    DType t = tensor_dtype(input.as.tensor);
    if (t != DT_F32 && t != DT_F64)
        return op_raise("\"%s\" not implemented for '%s'", name, dtype_torch_name(t));
    m->ndim = v->ndim;
    m->rows = v->ndim < 2 ? 1 : v->size[0];
    m->classes = v->ndim == 0 ? 1 : v->size[v->ndim - 1];
    return operand(lane, input, DT_F64, x);
}

// Rows' losses as one number, or [rows] (0-d for a vector).
static Status give_losses(Lane *lane, const Margin *m, Tensor *losses, IValue reduction, DType dtype, Tensor **out)
{
    double *loss = losses->view.data, sum = 0;
    if (reduction.as.i == REDUCTION_NONE && m->ndim >= 2)
        return give_converted(lane, losses, dtype, out);
    for (int64_t r = 0; r < m->rows; r++)
        sum += loss[r];
    if (reduction.as.i == REDUCTION_MEAN)
        sum /= (double)m->rows;
    tensor_release(losses);
    return tensor_from_scalar(lane, value_float(sum), dtype, out);
}

// (self, target, p, margin, weight, reduction)
OP_FN(op_multi_margin_loss)
{
    Margin m = {.p = arg_double(args[2]), .margin = arg_double(args[3])};
    const View *v = &args[0].as.tensor->view, *t = &args[1].as.tensor->view;
    if (m.p != 1 && m.p != 2)
        return op_raise("only p == 1 and p == 2 supported");
    if (v->ndim > 2 || view_numel(v) == 0)
        return op_raise("Expected non-empty vector or matrix with optional 0-dim batch size, but got: %s", size_text(v->size, v->ndim).text);
    int64_t rows = v->ndim == 2 ? v->size[0] : 1;
    if (t->ndim > 1 || view_numel(t) != rows)
        return op_raise("inconsistent target size, expected %lld but got %s", (long long)rows, size_text(t->size, t->ndim).text);
    Tensor *in[3] = {0}, *losses = NULL, *out;
    Status s = margin_input(lane, args[0], "multi_margin_loss", &m, &in[0]);
    if (s == ST_OK)
        s = operand(lane, args[1], DT_I64, &in[1]);
    if (s == ST_OK)
        s = operand(lane, args[4], DT_F64, &in[2]);
    if (s == ST_OK && in[2] && tensor_numel(in[2]) != m.classes)
        s = op_raise("inconsistent weight size, expected %lld but got %s", (long long)m.classes, size_text(in[2]->view.size, in[2]->view.ndim).text);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, 1, &m.rows, &losses);
    for (int64_t r = 0; r < m.rows && s == ST_OK; r++) {
        const double *x = (const double *)in[0]->view.data + r * m.classes;
        int64_t target = ((const int64_t *)in[1]->view.data)[r];
        double sum = 0, weight = 1;
        if (target < 0 || target >= m.classes) {
            s = op_raise("target out of range");
            break;
        }
        if (in[2])
            weight = ((const double *)in[2]->view.data)[target];
        for (int64_t d = 0; d < m.classes; d++) {
            double z = d == target ? 0 : m.margin - x[target] + x[d];
            sum += z > 0 ? (m.p == 1 ? z : z * z) * weight : 0;
        }
        ((double *)losses->view.data)[r] = sum / (double)m.classes;
    }
    if (s == ST_OK)
        s = give_losses(lane, &m, losses, args[5], tensor_dtype(args[0].as.tensor), &out);
    else if (losses)
        tensor_release(losses);
    release_operands(in, 3);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// One row: targets up to the first -1. Marks them.
static Status multilabel_row(const Margin *m, const double *x, const int64_t *target, double *is_target, double *loss)
{
    int64_t count = 0;
    double sum = 0;
    memset(is_target, 0, sizeof *is_target * (size_t)m->classes);
    for (; count < m->classes && target[count] >= 0; count++) {
        if (target[count] >= m->classes)
            return op_raise("target out of range");
        is_target[target[count]] = 1;
    }
    for (int64_t k = 0; k < count; k++)
        for (int64_t d = 0; d < m->classes; d++) {
            double z = 1 - (x[target[k]] - x[d]);
            sum += is_target[d] == 0 && z > 0 ? z : 0;
        }
    *loss = sum / (double)m->classes;
    return ST_OK;
}

// (self, target, reduction) -> output[, is_target]
OP_FN(op_multilabel_margin_loss)
{
    Margin m = {0};
    const View *v = &args[0].as.tensor->view, *t = &args[1].as.tensor->view;
    if (v->ndim > 2 || (v->ndim && v->size[v->ndim - 1] == 0))
        return op_raise("Expected non-empty vector or matrix with optional 0-dim batch size, but got: %s", size_text(v->size, v->ndim).text);
    if (v->ndim < 2 ? t->ndim > 1 || view_numel(t) != view_numel(v) : !view_same_shape(v, t))
        return op_raise("inconsistent target size: %s for input of size: %s", size_text(t->size, t->ndim).text, size_text(v->size, v->ndim).text);
    Tensor *in[2] = {0}, *losses = NULL, *marks = NULL, *out, *is_target = NULL;
    Status s = margin_input(lane, args[0], "multilabel_margin_loss_forward_out_frame", &m, &in[0]);
    if (s == ST_OK)
        s = operand(lane, args[1], DT_I64, &in[1]);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, t->ndim, t->size, &marks);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, 1, &m.rows, &losses);
    for (int64_t r = 0; r < m.rows && s == ST_OK; r++)
        s = multilabel_row(&m, (const double *)in[0]->view.data + r * m.classes, (const int64_t *)in[1]->view.data + r * m.classes,
                           (double *)marks->view.data + r * m.classes, (double *)losses->view.data + r);
    if (s == ST_OK)
        s = tensor_to_dtype(lane, marks, tensor_dtype(args[0].as.tensor), &is_target);
    if (s == ST_OK) {
        s = give_losses(lane, &m, losses, args[2], tensor_dtype(args[0].as.tensor), &out);
        losses = NULL;
    }
    release_operands((Tensor *const[]){in[0], in[1], marks, losses}, 4);
    if (s == ST_OK) {
        rets[0] = value_tensor_take(out);
        if (site->op->data) {
            rets[1] = value_tensor_take(is_target);
            return ST_OK;
        }
    }
    if (is_target)
        tensor_release(is_target);
    return s;
}

// ---- connectionist temporal classification

typedef struct Ctc {
    int64_t time, batch, symbols, blank, most; // most: the longest target
    int64_t *input_length, *target_length;     // [batch] each, one block
    const double *log_probs;                   // [time, batch, symbols]
    const int64_t *targets;
    int64_t target_row; // targets of a sample lie together: rows of a matrix, or 0: one after the other
} Ctc;

static Status ctc_lengths(Lane *lane, IValue v, int64_t batch, const char *what, int64_t *out)
{
    Tensor *t = NULL;
    int64_t n = v.tag == TAG_LIST ? v.as.list->len : tensor_numel(v.as.tensor);
    if (n != batch)
        return op_raise("%s_lengths must be of size batch_size", what);
    if (v.tag == TAG_TENSOR) {
        DType type = tensor_dtype(v.as.tensor);
        if (dtype_category(type) != DT_INTEGRAL)
            return op_raise("%s_lengths must be integral", what);
        TRY(operand(lane, v, DT_I64, &t));
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = t ? ((const int64_t *)t->view.data)[i] : arg_int(v.as.list->items[i]);
    if (t)
        tensor_release(t);
    return ST_OK;
}

static Status ctc_check(Ctc *c, const View *targets)
{
    int64_t sum = 0;
    for (int64_t b = 0; b < c->batch; b++) {
        if (c->target_length[b] < 0)
            return op_raise("Expected target_lengths to have value at least 0, but got value %lld (while checking arguments for ctc_loss_cpu)", (long long)c->target_length[b]);
        if (c->input_length[b] < 0 || c->input_length[b] > c->time)
            return op_raise("Expected input_lengths to have value at most %lld, but got value %lld (while checking arguments for ctc_loss_cpu)", (long long)c->time,
                            (long long)c->input_length[b]);
        c->most = c->target_length[b] > c->most ? c->target_length[b] : c->most;
        if (c->target_length[b] > INT64_MAX / 8 - sum)
            return op_raise("target_lengths are too large");
        sum += c->target_length[b];
    }
    if (targets->ndim == 2) {
        c->target_row = targets->size[1];
        if (targets->size[0] != c->batch || c->most > targets->size[1])
            return op_raise("Expected tensor to have size at least %lld at dimension 1, but got size %lld for argument #2 'targets' (while checking arguments for ctc_loss_cpu)",
                            (long long)c->most, (long long)targets->size[1]);
    } else if (targets->ndim != 1 || targets->size[0] != sum) {
        return op_raise("Expected tensor to have size %lld at dimension 0, but got size %lld for argument #2 'targets' (while checking arguments for ctc_loss_cpu)",
                        (long long)sum, (long long)(targets->ndim ? targets->size[0] : 1));
    }
    return ST_OK;
}

static double log_add(double a, double b)
{
    double most = a > b ? a : b;
    return most == -INFINITY ? -INFINITY : most + log(exp(a - most) + exp(b - most));
}

// Forward variables of one sample: alpha [time, 2 most + 1], over the target with blanks between. Gives the loss.
static double ctc_sample(const Ctc *c, int64_t b, const int64_t *target, double *alpha)
{
    int64_t states = 2 * c->target_length[b] + 1, width = 2 * c->most + 1, steps = c->input_length[b];
    for (int64_t i = 0; i < c->time * width; i++)
        alpha[i] = -INFINITY;
    if (steps == 0)
        return c->target_length[b] ? INFINITY : 0;
#define SYMBOL(s) ((s) % 2 ? target[(s) / 2] : c->blank)
    for (int64_t t = 0; t < steps; t++) {
        const double *p = c->log_probs + (t * c->batch + b) * c->symbols, *before = alpha + (t - 1) * width;
        for (int64_t s = 0; s < states; s++) {
            double sum = t == 0 ? (s < 2 ? 0 : -INFINITY) : before[s];
            if (t > 0 && s > 0)
                sum = log_add(sum, before[s - 1]);
            if (t > 0 && s > 1 && s % 2 && SYMBOL(s) != SYMBOL(s - 2))
                sum = log_add(sum, before[s - 2]);
            alpha[t * width + s] = sum + p[SYMBOL(s)];
        }
    }
#undef SYMBOL
    const double *last = alpha + (steps - 1) * width;
    return -(states > 1 ? log_add(last[states - 1], last[states - 2]) : last[0]);
}

static Status ctc_run(const Ctc *c, double *loss, double *alpha)
{
    const int64_t *target = c->targets;
    for (int64_t b = 0; b < c->batch; b++) {
        const int64_t *mine = c->target_row ? c->targets + b * c->target_row : target;
        for (int64_t i = 0; i < c->target_length[b]; i++)
            if (mine[i] < 0 || mine[i] >= c->symbols)
                return op_raise("ctc_loss: target %lld is out of bounds", (long long)mine[i]);
        loss[b] = ctc_sample(c, b, mine, alpha + b * c->time * (2 * c->most + 1));
        target += c->target_length[b];
    }
    return ST_OK;
}

// (log_probs, targets, input_lengths, target_lengths, blank, zero_infinity) -> (loss [N], alpha [N, T, 2 S + 1])
OP_FN(op_ctc_forward)
{
    const View *v = &args[0].as.tensor->view;
    DType type = tensor_dtype(args[0].as.tensor);
    Tensor *in[2] = {0}, *loss = NULL, *alpha = NULL, *out[2];
    if (v->ndim != 3)
        return op_raise("Expected 3-dimensional tensor, but got %d-dimensional tensor for argument #1 'log_probs' (while checking arguments for ctc_loss_cpu)", v->ndim);
    if (type != DT_F32 && type != DT_F64)
        return op_raise("\"ctc_loss_cpu\" not implemented for '%s'", dtype_torch_name(type));
    if (dtype_category(tensor_dtype(args[1].as.tensor)) != DT_INTEGRAL)
        return op_raise("targets must be integral");
    Ctc c = {.time = v->size[0], .batch = v->size[1], .symbols = v->size[2], .blank = args[4].as.i};
    if (c.blank < 0 || c.blank >= c.symbols)
        return op_raise("blank must be in label range");
    if (!(c.input_length = calloc((size_t)c.batch * 2 + 1, sizeof(int64_t))))
        return status_no_memory((size_t)c.batch * 16);
    c.target_length = c.input_length + c.batch;
    Status s = ctc_lengths(lane, args[2], c.batch, "input", c.input_length);
    if (s == ST_OK)
        s = ctc_lengths(lane, args[3], c.batch, "target", c.target_length);
    if (s == ST_OK)
        s = ctc_check(&c, &args[1].as.tensor->view);
    if (s == ST_OK)
        s = operand(lane, args[0], DT_F64, &in[0]);
    if (s == ST_OK)
        s = operand(lane, args[1], DT_I64, &in[1]);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, 1, &c.batch, &loss);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, 3, (int64_t[]){c.batch, c.time, 2 * c.most + 1}, &alpha);
    if (s == ST_OK) {
        c.log_probs = in[0]->view.data;
        c.targets = in[1]->view.data;
        s = ctc_run(&c, loss->view.data, alpha->view.data);
    }
    free(c.input_length);
    release_operands(in, 2);
    if (s == ST_OK) {
        s = tensor_to_dtype(lane, loss, type, &out[0]);
        if (s == ST_OK && (s = tensor_to_dtype(lane, alpha, type, &out[1])) != ST_OK)
            tensor_release(out[0]);
    }
    release_operands((Tensor *const[]){loss, alpha}, 2);
    TRY(s);
    take_results(rets, out, 2);
    return ST_OK;
}

// (log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
OP_FN(op_ctc_loss)
{
    bool listed = args[2].tag == TAG_LIST, batched = args[0].as.tensor->view.ndim == 3;
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue log_probs = batched ? args[0] : STEP(q, "aten::unsqueeze", args[0], value_int(1)), none = value_none();
    IValue loss = sequence_step(q, listed ? "aten::_ctc_loss" : "aten::_ctc_loss.Tensor",
                                STEP_ARGS(log_probs, args[1], args[2], args[3], args[4], args[6]), 2, NULL);
    if (args[6].as.b)
        loss = STEP(q, "aten::masked_fill.Scalar", loss, STEP(q, "aten::eq.Scalar", loss, value_float(INFINITY)), value_int(0));
    if (args[5].as.i == REDUCTION_MEAN && q->status == ST_OK) {
        IValue lengths = args[3];
        if (listed)
            lengths = STEP(q, "aten::tensor", lengths, value_int(DT_I64), none, value_bool(false));
        lengths = STEP(q, "aten::clamp_min", lengths, value_int(1));
        loss = STEP(q, "aten::mean", STEP(q, "aten::div.Tensor", loss, lengths), none);
    } else if (args[5].as.i == REDUCTION_SUM) {
        loss = STEP(q, "aten::sum", loss, none);
    } else if (!batched) {
        loss = STEP(q, "aten::squeeze.dim", loss, value_int(0));
    }
    return sequence_give(q, loss, rets);
}

static const int YES = 1;

const OpBinding OPS_NLL[] = {
    {"aten::nll_loss", op_nll_loss, 0, NULL, NULL}, {"aten::nll_loss2d", op_nll_loss, 0, NULL, NULL}, {"aten::nll_loss_nd", op_nll_loss, 0, NULL, NULL},
    {"aten::nll_loss_forward", op_nll_loss_forward, 0, NULL, NULL}, {"aten::nll_loss2d_forward", op_nll_loss_forward, 0, NULL, NULL},
    {"aten::cross_entropy_loss", op_cross_entropy, 0, NULL, sequence_free},
    {"aten::multi_margin_loss", op_multi_margin_loss, 0, NULL, NULL},
    {"aten::multilabel_margin_loss", op_multilabel_margin_loss, 0, NULL, NULL},
    {"aten::multilabel_margin_loss_forward", op_multilabel_margin_loss, 0, &YES, NULL},
    {"aten::_ctc_loss", op_ctc_forward, 0, NULL, NULL}, {"aten::_ctc_loss.Tensor", op_ctc_forward, 0, NULL, NULL},
    {"aten::ctc_loss.IntList", op_ctc_loss, 0, NULL, sequence_free}, {"aten::ctc_loss.Tensor", op_ctc_loss, 0, NULL, sequence_free},
    {0},
};
