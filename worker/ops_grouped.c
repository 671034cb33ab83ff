// Operator bindings: products of groups of rows or columns with a matrix each, as mixtures of experts call them.
// Each group is one product over views of its operands.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"

#include <string.h>

typedef struct Grouped {
    Tensor *a, *b, *out;
    const int32_t *end; // of each group; NULL: the groups are the first dimension of both
    int64_t groups;
} Grouped;

static Status grouped_check(const IValue *args, const Tensor *a, const Tensor *b)
{
    const Tensor *offsets = arg_tensor(args[2]);
    if (a->view.dtype != DT_F32 && a->view.dtype != DT_BF16 && a->view.dtype != DT_F16)
        return op_raise("Expected mat_a to be Float32, BFloat16 or Float16 matrix, got %s", dtype_torch_name(tensor_dtype(a)));
    if (b->view.dtype != DT_F32 && b->view.dtype != DT_BF16 && b->view.dtype != DT_F16)
        return op_raise("Expected mat_b to be Float32, BFloat16 or Float16 matrix, got %s", dtype_torch_name(tensor_dtype(b)));
    if (a->view.ndim != 2 && a->view.ndim != 3)
        return op_raise("mat_a has to be 2 or 3d");
    if (b->view.ndim != 2 && b->view.ndim != 3)
        return op_raise("mat_b has to be 2 or 3d");
    bool flat = a->view.ndim == 2 || b->view.ndim == 2;
    if (a->view.size[a->view.ndim - 1] != b->view.size[b->view.ndim - 2])
        return op_raise("contraction dimension of mat_a and mat_b must match");
    if (flat != (offsets != NULL))
        return op_raise("Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d");
    if (offsets && offsets->view.ndim != 1)
        return op_raise("offs has to be 1D");
    if (offsets && offsets->view.dtype != DT_I32)
        return op_raise("Offsets have to be int32");
    if (!arg_is_none(args[3]))
        return op_raise("Bias not supported yet");
    if (a->view.dtype != b->view.dtype)
        return op_raise("expected m1 and m2 to have the same dtype, but got: %s != %s", dtype_torch_name(tensor_dtype(a)), dtype_torch_name(tensor_dtype(b)));
    if (arg_dtype_or(args[4], tensor_dtype(a)) != tensor_dtype(a))
        return op_raise("Grouped gemm output dtype must match `mat_a` dtype");
    if (a->view.ndim == 3 && b->view.ndim == 3 && a->view.size[0] != b->view.size[0])
        return op_raise("batched dimension has to match");
    if (flat && (a->view.ndim == 3 || b->view.ndim == 3) && offsets->view.size[0] != (a->view.ndim == 3 ? a : b)->view.size[0])
        return op_raise("matrix batch sizes have to match");
    return ST_OK;
}

// Group i of an operand: an element of its first dimension, or what lies from `start` to `end` in dimension `dim` of a matrix.
static Status group_of(Lane *lane, Tensor *t, int64_t i, int dim, int64_t start, int64_t end, Tensor **out)
{
    if (t->view.ndim == 2)
        return dim < 0 ? (*out = tensor_retain(t), ST_OK) : tensor_narrow(lane, t, dim, start, end - start, out);
    return tensor_view(lane, t, 2, t->view.size + 1, t->view.stride + 1, t->offset + i * t->view.stride[0], out);
}

static Status group_product(Lane *lane, Site *site, const Grouped *g, int64_t i, int64_t start, int64_t end)
{
    bool rows = g->a->view.ndim == 2, columns = g->b->view.ndim == 2; // which operand is cut
    Tensor *in[2] = {0}, *out = NULL;
    Status s = group_of(lane, g->a, i, columns ? 1 : 0, start, end, &in[0]);
    if (s == ST_OK)
        s = group_of(lane, g->b, i, rows ? 0 : 1, start, end, &in[1]);
    if (s == ST_OK)
        s = group_of(lane, g->out, i, rows ? 0 : 1, start, end, &out);
    MatmulParams p = {1, 0, 0, 0};
    if (s == ST_OK && tensor_numel(out))
        s = kernel_call_into(lane, site, &kernel_matmul, &p, sizeof p, in, 2, &out, 1);
    for (int k = 0; k < 2; k++)
        if (in[k])
            tensor_release(in[k]);
    if (out)
        tensor_release(out);
    return s;
}

static Status grouped_run(Lane *lane, Site *site, const Grouped *g)
{
    bool rows = g->a->view.ndim == 2, columns = g->b->view.ndim == 2;
    int64_t start = 0, limit = rows ? g->a->view.size[columns ? 1 : 0] : g->b->view.size[1];
    for (int64_t i = 0; i < g->groups; i++) {
        int64_t end = g->end[i];
        if (end < 0 || end > limit)
            return op_raise("_grouped_mm: offset %lld is out of range for a dimension of size %lld", (long long)end, (long long)limit);
        if (end > start || (rows && columns))
            TRY(group_product(lane, site, g, i, start, end > start ? end : start));
        start = end > start ? end : start;
    }
    return ST_OK;
}

// (self, mat2, offs, bias, out_dtype): [M, K] with [G, K, N] cuts rows, [G, M, K] with [K, N] columns, [M, K] with [K, N] what
// is summed over. Rows and columns after the last group are zero (PyTorch leaves them undefined).
OP_FN(op_grouped_mm)
{
    Tensor *a = arg_tensor(args[0]), *b = arg_tensor(args[1]), *ends = NULL;
    TRY(grouped_check(args, a, b));
    if (a->view.ndim == 3 && b->view.ndim == 3) {
        Tensor *out;
        TRY(product(lane, site, a, b, NULL, 1, 0, &out));
        rets[0] = value_tensor_take(out);
        return ST_OK;
    }
    TRY(tensor_contiguous(lane, arg_tensor(args[2]), &ends));
    Grouped g = {.a = a, .b = b, .end = ends->view.data, .groups = ends->view.size[0]};
    int64_t m = a->view.size[a->view.ndim - 2], n = b->view.size[b->view.ndim - 1], size[3] = {g.groups, m, n};
    bool summed = a->view.ndim == 2 && b->view.ndim == 2;
    Status s = tensor_new(lane, tensor_dtype(a), summed ? 3 : 2, summed ? size : size + 1, &g.out);
    if (s == ST_OK) {
        memset(g.out->view.data, 0, (size_t)tensor_numel(g.out) * dtype_size(tensor_dtype(a)));
        s = grouped_run(lane, site, &g);
        if (s == ST_OK)
            rets[0] = value_tensor_take(g.out);
        else
            tensor_release(g.out);
    }
    tensor_release(ends);
    return s;
}

const OpBinding OPS_GROUPED[] = {
    {"aten::_grouped_mm", op_grouped_mm, 0, NULL, NULL},
    {0},
};
