// Operator bindings: linear layers and recurrent cells with int8 or float16 weights as models of PyTorch before 1.4 call them
// (fbgemm_*, quantized_*_cell), and those that PyTorch 2 wraps for compiled graphs. A packed matrix is, here, the matrix.
#include "worker/ops_quant.h"
#include "worker/sequence.h"

#include "kernels/half.h"
#include "kernels/quant.h"

#include <string.h>

static Status check_float_matrix(const Tensor *w)
{
    if (tensor_dtype(w) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(w)));
    return w->view.ndim == 2 ? ST_OK : op_raise("fbgemm: the weight must have two dimensions");
}

Status quant_weight_new(Lane *lane, Tensor *w, Tensor **out)
{
    Tensor *row;
    float low = 0, high = 0;
    double scale;
    int32_t zero_point;
    Quant *q;
    TRY(check_float_matrix(w));
    TRY(tensor_contiguous(lane, w, &row));
    if (tensor_numel(row))
        min_max_row(row->view.data, tensor_numel(row), &low, &high);
    choose_quant_f32(low, high, -128, 127, false, &scale, &zero_point);
    Status status = quant_new(scale, zero_point, &q);
    if (status == ST_OK) {
        status = tensor_quantise(lane, row, DT_QI8, q, out);
        quant_release(q);
    }
    tensor_release(row);
    return status;
}

OP_FN(op_quantize_weight) // input -> int8 weight, sums of its rows less the zero points, scale, zero point
{
    Tensor *w, *ints = NULL, *sums = NULL;
    TRY(quant_weight_new(lane, args[0].as.tensor, &w));
    int64_t rows = w->view.size[0], columns = w->view.size[1];
    Status status = tensor_int_view(lane, w, &ints);
    if (status == ST_OK)
        status = tensor_new(lane, DT_I32, 1, &rows, &sums);
    for (int64_t r = 0; r < rows && status == ST_OK; r++) {
        int64_t sum = -w->quant->zero_point * columns;
        for (int64_t c = 0; c < columns; c++)
            sum += ((const int8_t *)ints->view.data)[r * columns + c];
        ((int32_t *)sums->view.data)[r] = (int32_t)sum;
    }
    if (status == ST_OK) {
        rets[0] = value_tensor_take(ints);
        rets[1] = value_tensor_take(sums);
        rets[2] = value_float(w->quant->scale);
        rets[3] = value_int(w->quant->zero_point);
    } else if (ints) {
        tensor_release(ints);
    }
    tensor_release(w);
    return status;
}

OP_FN(op_pack_quantized)
{
    if (tensor_dtype(args[0].as.tensor) != DT_I8)
        return op_raise("expected scalar type Char but found %s", dtype_torch_name(tensor_dtype(args[0].as.tensor)));
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_linear_int8) // input, weight, packed, col_offsets, weight_scale, weight_zero_point, bias
{
    Tensor *x = args[0].as.tensor, *w = args[1].as.tensor, *bias = args[6].as.tensor, *q, *y;
    if (tensor_dtype(w) != DT_I8 || w->view.ndim != 2)
        return op_raise("fbgemm: the weight must be a matrix of int8");
    if (x->view.ndim < 1 || x->view.size[x->view.ndim - 1] != w->view.size[1])
        return op_raise("Expected K == weight.size(1) to be true, but got false.");
    if (bias->view.ndim != 1 || bias->view.size[0] != w->view.size[0])
        return op_raise("Expected bias.size(0) == N to be true, but got false.");
    Quant *how;
    TRY(quant_new(arg_double(args[4]), arg_int(args[5]), &how));
    Status status = tensor_quant_view(lane, w, DT_QI8, how, &q);
    quant_release(how);
    TRY(status);
    status = quant_linear_dynamic(lane, site, x, q, args[6], DYNAMIC_F32_SCALE, false, &y);
    tensor_release(q);
    TRY(status);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

OP_FN(op_pack_fp16) // the matrix as float16 holds it
{
    Tensor *w = args[0].as.tensor, *half;
    TRY(check_float_matrix(w));
    TRY(tensor_copy_as(lane, w, DT_F32, FORMAT_CONTIGUOUS, &half));
    float *v = half->view.data;
    for (int64_t i = 0, n = tensor_numel(half); i < n; i++)
        v[i] = f16_to_float(f16_from_float(f16_range(v[i])));
    rets[0] = value_tensor_take(half);
    return ST_OK;
}

OP_FN(op_linear_fp16) // input, packed_weight, bias
{
    Sequence sequence, *q = &sequence;
    TRY(check_float_matrix(args[1].as.tensor));
    TRY(sequence_begin(q, lane, site));
    return sequence_give(q, STEP(q, "aten::linear", args[0], args[1], args[2]), rets);
}

// ---- Linear layers of compiled graphs: numbers in and out, scales and zero points as tensors ----------------------------

// A packed layer is a tensor of bytes: this, the bias as float32, the weight as int8.
typedef struct PackedLinear { int64_t rows, columns, zero_point; double scale; } PackedLinear;

// Numbers as integers with the scale and zero point that two tensors hold.
static Status quantise_by(Lane *lane, Tensor *x, DType dtype, IValue scale, IValue zero_point, Tensor **out)
{
    double s, z;
    Quant *q;
    if (tensor_dtype(x) != DT_F32)
        return op_raise("expected scalar type Float but found %s", dtype_torch_name(tensor_dtype(x)));
    TRY(tensor_double(lane, scale.as.tensor, &s));
    TRY(tensor_double(lane, zero_point.as.tensor, &z));
    if (!(z >= (double)quant_min(dtype) && z <= (double)quant_max(dtype)))
        return op_raise("quantize_tensor_per_tensor_affine zero_point %g is %s bound.", z, z < (double)quant_min(dtype) ? "below lower" : "above upper");
    TRY(quant_new(s, (int64_t)z, &q));
    Status status = tensor_quantise(lane, x, dtype, q, out);
    quant_release(q);
    return status;
}

static Status linear_of_numbers(Lane *lane, Site *site, IValue x, IValue x_scale, IValue x_zero, Tensor *w, IValue bias, IValue y_scale, IValue y_zero, IValue *rets)
{
    double scale, zero_point;
    Tensor *q, *ints, *y;
    TRY(tensor_double(lane, y_scale.as.tensor, &scale));
    TRY(tensor_double(lane, y_zero.as.tensor, &zero_point));
    TRY(quantise_by(lane, x.as.tensor, DT_QU8, x_scale, x_zero, &q));
    Status status = !(zero_point >= 0 && zero_point <= 255) ? op_raise("quantized::linear: zero_point %g is out of range.", zero_point)
                                                            : quant_linear(lane, site, q, w, bias, scale, (int64_t)zero_point, false, &ints);
    tensor_release(q);
    TRY(status);
    status = tensor_dequantise(lane, ints, &y);
    tensor_release(ints);
    TRY(status);
    rets[0] = value_tensor_take(y);
    return ST_OK;
}

OP_FN(op_wrapped_linear) // X, X_scale, X_zero_point, W, W_scale, W_zero_point, B, output_scale, output_zero_point, out_channel
{
    Tensor *w;
    TRY(quantise_by(lane, args[3].as.tensor, DT_QI8, args[4], args[5], &w));
    Status status = linear_of_numbers(lane, site, args[0], args[1], args[2], w, args[6], args[7], args[8], rets);
    tensor_release(w);
    return status;
}

OP_FN(op_wrapped_prepack) // W, W_scale, W_zero_point, B
{
    Tensor *w, *ints = NULL, *bias = NULL, *out = NULL;
    const View *v = &args[0].as.tensor->view, *b = &args[3].as.tensor->view;
    TRY(check_float_matrix(args[0].as.tensor));
    if (b->dtype != DT_F32 || b->ndim != 1 || b->size[0] != v->size[0])
        return op_raise("quantized::linear_prepack: the bias must be a float vector with an element for every row of the weight");
    TRY(quantise_by(lane, args[0].as.tensor, DT_QI8, args[1], args[2], &w));
    PackedLinear head = {v->size[0], v->size[1], w->quant->zero_point, w->quant->scale};
    int64_t numbers = head.rows * (int64_t)sizeof(float), elements = head.rows * head.columns, bytes = (int64_t)sizeof head + numbers + elements;
    Status status = tensor_contiguous(lane, w, &ints);
    if (status == ST_OK)
        status = tensor_contiguous(lane, args[3].as.tensor, &bias);
    if (status == ST_OK)
        status = tensor_new(lane, DT_U8, 1, &bytes, &out);
    if (status == ST_OK) {
        char *to = out->view.data;
        memcpy(to, &head, sizeof head);
        if (elements)
            memcpy(to + sizeof head + numbers, ints->view.data, (size_t)elements);
        if (numbers)
            memcpy(to + sizeof head, bias->view.data, (size_t)numbers);
        rets[0] = value_tensor_take(out);
    }
    Tensor *const made[] = {w, ints, bias};
    for (int i = 0; i < 3; i++)
        if (made[i])
            tensor_release(made[i]);
    return status;
}

// The weight and the bias of a packed layer, whose bytes any program may have written.
static Status unpack_linear(Lane *lane, Tensor *packed, Tensor **w, Tensor **bias)
{
    PackedLinear head;
    Quant *q;
    int64_t bytes = tensor_numel(packed), rest;
    bool fits = tensor_dtype(packed) == DT_U8 && packed->view.ndim == 1 && tensor_is_contiguous(packed) && bytes >= (int64_t)sizeof head;
    if (fits) {
        memcpy(&head, packed->view.data, sizeof head);
        rest = bytes - (int64_t)sizeof head;
        fits = head.rows >= 0 && head.columns >= 0 && head.rows <= rest && head.columns <= rest && head.columns <= INT64_MAX / 8 / (head.rows + 1) &&
               head.rows * ((int64_t)sizeof(float) + head.columns) == rest && head.zero_point >= -128 && head.zero_point <= 127;
    }
    if (!fits)
        return op_raise("the tensor is no packed linear layer");
    const char *from = (const char *)packed->view.data + sizeof head;
    Tensor *ints;
    TRY(tensor_new(lane, DT_F32, 1, &head.rows, bias));
    Status status = tensor_new(lane, DT_I8, 2, (const int64_t[]){head.rows, head.columns}, &ints);
    if (status == ST_OK) {
        size_t numbers = (size_t)head.rows * sizeof(float);
        if (numbers)
            memcpy((*bias)->view.data, from, numbers);
        if (head.rows && head.columns)
            memcpy(ints->view.data, from + numbers, (size_t)(head.rows * head.columns));
        status = quant_new(head.scale, head.zero_point, &q);
        if (status == ST_OK) {
            status = tensor_quant_view(lane, ints, DT_QI8, q, w);
            quant_release(q);
        }
        tensor_release(ints);
    }
    if (status != ST_OK)
        tensor_release(*bias);
    return status;
}

OP_FN(op_wrapped_prepacked) // X, X_scale, X_zero_point, W_prepack, output_scale, output_zero_point, out_channel
{
    Tensor *w, *bias;
    TRY(unpack_linear(lane, args[3].as.tensor, &w, &bias));
    Status status = linear_of_numbers(lane, site, args[0], args[1], args[2], w, (IValue){.tag = TAG_TENSOR, .as.tensor = bias}, args[4], args[5], rets);
    tensor_release(w);
    tensor_release(bias);
    return status;
}

// ---- Cells: input, hx, w_ih, w_hh, b_ih, b_hh, packed_ih, packed_hh, col_offsets_ih, col_offsets_hh, scales, zero points

enum { GATES_INPUT, GATES_HIDDEN };

static IValue gates(Sequence *q, const IValue *args, IValue x, int which)
{
    return STEP(q, "aten::fbgemm_linear_int8_weight_fp32_activation", x, args[2 + which], args[6 + which], args[8 + which], args[10 + which],
                args[12 + which], args[4 + which]);
}

#define ADD(a, b) STEP(q, "aten::add.Tensor", a, b, value_int(1))
#define MUL(a, b) STEP(q, "aten::mul.Tensor", a, b)

// Gate k of n: columns of x.
static IValue gate(Sequence *q, IValue x, int k, int n)
{
    int64_t width = q->status == ST_OK && x.as.tensor->view.ndim == 2 ? x.as.tensor->view.size[1] / n : 0;
    return STEP(q, "aten::narrow", x, value_int(1), value_int(k * width), value_int(width));
}

OP_FN(op_lstm_cell)
{
    const ListObj *hx = args[1].as.list;
    if (hx->len != 2)
        return op_raise("lstm expects two hidden states");
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue all = ADD(gates(q, args, args[0], GATES_INPUT), gates(q, args, hx->items[0], GATES_HIDDEN));
    IValue in = STEP(q, "aten::sigmoid", gate(q, all, 0, 4)), forget = STEP(q, "aten::sigmoid", gate(q, all, 1, 4));
    IValue made = STEP(q, "aten::tanh", gate(q, all, 2, 4)), out = STEP(q, "aten::sigmoid", gate(q, all, 3, 4));
    IValue c = ADD(MUL(forget, hx->items[1]), MUL(in, made)), h = MUL(out, STEP(q, "aten::tanh", c));
    return SEQUENCE_GIVE(q, rets, h, c);
}

OP_FN(op_gru_cell)
{
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue x = gates(q, args, args[0], GATES_INPUT), h = gates(q, args, args[1], GATES_HIDDEN);
    IValue reset = STEP(q, "aten::sigmoid", ADD(gate(q, h, 0, 3), gate(q, x, 0, 3)));
    IValue keep = STEP(q, "aten::sigmoid", ADD(gate(q, h, 1, 3), gate(q, x, 1, 3)));
    IValue made = STEP(q, "aten::tanh", ADD(gate(q, x, 2, 3), MUL(gate(q, h, 2, 3), reset)));
    IValue rest = MUL(STEP(q, "aten::sub.Tensor", args[1], made, value_int(1)), keep);
    return sequence_give(q, ADD(rest, made), rets);
}

OP_FN(op_plain_cell) // `data`: the activation
{
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue all = ADD(gates(q, args, args[1], GATES_HIDDEN), gates(q, args, args[0], GATES_INPUT));
    return sequence_give(q, STEP(q, site->op->data, all), rets);
}

#define ROW(name, fn, data) {"aten::" name, fn, 0, data, sequence_free}

const OpBinding OPS_FBGEMM[] = {
    QROW("aten::fbgemm_linear_quantize_weight", op_quantize_weight), QROW("aten::fbgemm_pack_quantized_matrix", op_pack_quantized),
    QROW("aten::fbgemm_pack_quantized_matrix.KN", op_pack_quantized), QROW("aten::fbgemm_linear_int8_weight", op_linear_int8),
    QROW("aten::fbgemm_linear_int8_weight_fp32_activation", op_linear_int8), QROW("aten::fbgemm_pack_gemm_matrix_fp16", op_pack_fp16),
    QROW("_quantized::wrapped_quantized_linear", op_wrapped_linear), QROW("_quantized::_wrapped_linear_prepack", op_wrapped_prepack),
    QROW("aten::_wrapped_linear_prepack", op_wrapped_prepack), QROW("_quantized::_wrapped_quantized_linear_prepacked", op_wrapped_prepacked),
    QROW("aten::_wrapped_quantized_linear_prepacked", op_wrapped_prepacked), QROW("_quantized::wrapped_fbgemm_pack_gemm_matrix_fp16", op_pack_fp16),
    {"_quantized::wrapped_fbgemm_linear_fp16_weight", op_linear_fp16, 0, NULL, sequence_free},
    ROW("fbgemm_linear_fp16_weight", op_linear_fp16, NULL), ROW("fbgemm_linear_fp16_weight_fp32_activation", op_linear_fp16, NULL),
    ROW("quantized_lstm_cell", op_lstm_cell, NULL), ROW("quantized_gru_cell", op_gru_cell, NULL),
    ROW("quantized_rnn_tanh_cell", op_plain_cell, "aten::tanh"), ROW("quantized_rnn_relu_cell", op_plain_cell, "aten::relu"),
    {0},
};
