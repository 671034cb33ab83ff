// Operator bindings: operators that are a few steps of others: rot90, sum_to_size, nanmean.
#include "worker/op_util.h"
#include "worker/sequence.h"

#define NONE value_none()
#define INT value_int
#define DIV(a, b) STEP(q, "aten::div.Tensor", a, b)
#define BEGIN                                                                                                          \
    Sequence sequence, *q = &sequence;                                                                                 \
    TRY(sequence_begin(q, lane, site))

OP_FN(op_rot90) // self, k, dims
{
    IValue x = args[0];
    const View *v = &x.as.tensor->view;
    int64_t dims[VIEW_MAX_DIMS];
    int n, d[2];
    TRY(arg_ints(args[2], dims, VIEW_MAX_DIMS, &n));
    if (n != 2)
        return op_raise("expected total rotation dims == 2, but got dims = %d", n);
    if (v->ndim < 2)
        return op_raise("expected total dims >= 2, but got total dims = %d", v->ndim);
    int64_t apart = dims[0] > dims[1] ? dims[0] - dims[1] : dims[1] - dims[0];
    if (apart == 0 || apart == v->ndim)
        return op_raise("expected rotation dims to be different, but got dim0 = %lld and dim1 = %lld", (long long)dims[0], (long long)dims[1]);
    for (int i = 0; i < 2; i++) {
        if (dims[i] >= v->ndim || dims[i] < -v->ndim)
            return op_raise("Rotation dim%d out of range, dim%d = %lld", i, i, (long long)dims[i]);
        TRY(wrap_dim(dims[i], v->ndim, &d[i]));
    }
    int64_t k = (args[1].as.i % 4 + 4) % 4;
    BEGIN;
    if (k == 0) {
        x = STEP(q, "aten::clone", x, INT(FORMAT_CONTIGUOUS));
    } else {
        x = STEP(q, "aten::flip", x, k == 2 ? sequence_ints(q, 2, dims) : sequence_ints(q, 1, &dims[k == 1]));
        x = k == 2 ? x : STEP(q, "aten::transpose.int", x, INT(d[0]), INT(d[1]));
    }
    return sequence_give(q, x, rets);
}

// Sums over the dimensions that broadcasting to self's shape made.
OP_FN(op_sum_to_size) // self, size
{
    const View *v = &args[0].as.tensor->view;
    int64_t size[VIEW_MAX_DIMS], dims[VIEW_MAX_DIMS];
    int n, count = 0;
    if (arg_is_none(args[1])) { // _grad_sum_to_size: nothing to undo
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    TRY(arg_ints(args[1], size, VIEW_MAX_DIMS, &n));
    bool fits = n <= v->ndim;
    for (int d = 0; d < v->ndim && fits; d++) {
        int to = d - (v->ndim - n);
        fits = to < 0 || size[to] == v->size[d] || size[to] == 1;
        if (fits && (to < 0 || (size[to] == 1 && v->size[d] != 1)))
            dims[count++] = d;
    }
    if (!fits)
        return op_raise("size {%s} is not expandable to size {%s}.", size_text(size, n).text, size_text(v->size, v->ndim).text);
    if (count == 0 && n) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    BEGIN;
    IValue x = n == 0 ? STEP(q, "aten::sum", args[0], NONE)
                      : STEP(q, "aten::sum.dim_IntList", args[0], sequence_ints(q, count, dims), value_bool(true), NONE);
    if (n < v->ndim)
        x = STEP(q, "aten::view", x, sequence_ints(q, n, size));
    return sequence_give(q, x, rets);
}

OP_FN(op_nanmean) // self, dim, keepdim, dtype
{
    DType t = tensor_dtype(args[0].as.tensor);
    if (!dtype_is_floating(t))
        return op_raise("nanmean(): expected input to have floating point or complex dtype but got %s", dtype_torch_name(t));
    BEGIN;
    IValue there = STEP(q, "aten::logical_not", STEP(q, "aten::isnan", args[0]));
    IValue count = STEP(q, "aten::sum.dim_IntList", there, args[1], args[2], NONE);
    return sequence_give(q, DIV(STEP(q, "aten::nansum", args[0], args[1], args[2], args[3]), count), rets);
}

#define ROW(name, fn) {"aten::" name, fn, 0, NULL, sequence_free}

const OpBinding OPS_COMPOSITE[] = {
    ROW("rot90", op_rot90), ROW("sum_to_size", op_sum_to_size), ROW("_grad_sum_to_size", op_sum_to_size), ROW("nanmean", op_nanmean),
    {0},
};
