// Operator bindings: matrix products that say the dtype of their result, or are followed by something else, and other rows
// of PyTorch's table that its own operators are made of.
#include "worker/linalg.h"
#include "worker/sequence.h"

static const IValue none = {.tag = TAG_NONE};

static IValue cast(Sequence *q, IValue t, IValue dtype) { return STEP(q, "aten::to.dtype", t, dtype, value_bool(false), value_bool(false), none); }

OP_FN(op_int_mm) // self, mat2: int8 matrices, an int32 result
{
    const Tensor *a = args[0].as.tensor, *b = args[1].as.tensor;
    if (a->view.ndim != 2 || b->view.ndim != 2)
        return op_raise("Expected %s to be of dimension 2 but got %d", a->view.ndim != 2 ? "self" : "mat2", a->view.ndim != 2 ? a->view.ndim : b->view.ndim);
    if (tensor_dtype(a) != DT_I8 || tensor_dtype(b) != DT_I8)
        return op_raise("Expected %s dtype to be of type int8 but got %s", tensor_dtype(a) != DT_I8 ? "self" : "mat2",
                        dtype_python_name(tensor_dtype(tensor_dtype(a) != DT_I8 ? a : b)));
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, STEP(&q, "aten::mm", cast(&q, args[0], value_int(DT_I32)), cast(&q, args[1], value_int(DT_I32))), rets);
}

// mm and bmm: self, mat2, out_dtype. `data` is the operator's name.
OP_FN(op_product_as)
{
    Sequence q;
    TRY(check_dtype((DType)args[2].as.i));
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, STEP(&q, site->op->data, cast(&q, args[0], args[2]), cast(&q, args[1], args[2])), rets);
}

// addmm and baddbmm: self, a, b, out_dtype, beta, alpha
OP_FN(op_add_product_as)
{
    Sequence q;
    TRY(check_dtype((DType)args[3].as.i));
    TRY(sequence_begin(&q, lane, site));
    return sequence_give(&q, STEP(&q, site->op->data, cast(&q, args[0], args[3]), cast(&q, args[1], args[3]), cast(&q, args[2], args[3]), args[4], args[5]), rets);
}

OP_FN(op_addmm_activation) // self, mat1, mat2, beta, alpha, use_gelu
{
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue sum = STEP(&q, "aten::addmm", args[0], args[1], args[2], args[3], args[4]);
    return sequence_give(&q, args[5].as.b ? STEP(&q, "aten::gelu", sum, sequence_text(&q, "none")) : STEP(&q, "aten::relu", sum), rets);
}

OP_FN(op_linear_combination) // input [n, …], coefficients [m, n]: [m, …]
{
    const View *in = &args[0].as.tensor->view, *c = &args[1].as.tensor->view;
    if (in->ndim < 1 || c->ndim != 2 || c->size[1] != in->size[0])
        return op_raise("_compute_linear_combination: coefficients of shape %s do not fit an input of shape %s", size_text(c->size, c->ndim).text,
                        size_text(in->size, in->ndim).text);
    int64_t size[VIEW_MAX_DIMS], rows[2] = {in->size[0], in->size[0] ? view_numel(in) / in->size[0] : 0};
    memcpy(size, in->size, sizeof *size * in->ndim);
    size[0] = c->size[0];
    Sequence q;
    TRY(sequence_begin(&q, lane, site));
    IValue flat = STEP(&q, "aten::reshape", args[0], sequence_ints(&q, 2, rows));
    return sequence_give(&q, STEP(&q, "aten::reshape", STEP(&q, "aten::mm", args[1], flat), sequence_ints(&q, in->ndim, size)), rets);
}

OP_FN(op_check_errors) // info, api_name, is_matrix
{
    Tensor *info;
    char name[128];
    Str api = str_of_value(args[1]);
    snprintf(name, sizeof name, STR_FMT, STR_ARG(api));
    TRY(tensor_copy_as(lane, args[0].as.tensor, DT_I32, FORMAT_CONTIGUOUS, &info));
    Status s = check_infos(info, name, args[2].as.b);
    tensor_release(info);
    return s;
}

#define SEQUENCE(name, fn, data) {name, fn, 0, data, sequence_free}

const OpBinding OPS_MATMUL_DTYPE[] = {
    SEQUENCE("aten::_int_mm", op_int_mm, NULL),
    SEQUENCE("aten::mm.dtype", op_product_as, "aten::mm"),
    SEQUENCE("aten::bmm.dtype", op_product_as, "aten::bmm"),
    SEQUENCE("aten::addmm.dtype", op_add_product_as, "aten::addmm"),
    SEQUENCE("aten::baddbmm.dtype", op_add_product_as, "aten::baddbmm"),
    SEQUENCE("aten::_addmm_activation", op_addmm_activation, NULL),
    SEQUENCE("aten::_compute_linear_combination", op_linear_combination, NULL),
    {"aten::_linalg_check_errors", op_check_errors, 0, NULL, NULL},
    {0},
};
