// Operator bindings: matrix products.
// Rows are found by name in worker/op.c.
#include "worker/ops_heavy.h"

#include <string.h>

Status product(Lane *lane, Site *site, Tensor *a, Tensor *b, Tensor *c, double alpha, double beta, Tensor **out)
{
    MatmulParams p = {alpha, beta};
    Tensor *in[3] = {a, b, c};
    return kernel_call(lane, site, &kernel_matmul, &p, sizeof p, in, c ? 3 : 2, out, 1);
}

static Status op_matmul(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *out;
    TRY(product(lane, site, arg_tensor(args[0]), arg_tensor(args[1]), NULL, 1, 0, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_mm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    if (arg_tensor(args[0])->view.ndim != 2)
        return op_raise("self must be a matrix");
    if (arg_tensor(args[1])->view.ndim != 2)
        return op_raise("mat2 must be a matrix");
    return op_matmul(lane, site, args, rets);
}

// The batch sizes must be equal: bmm does not broadcast.
static Status check_bmm(const Tensor *a, const Tensor *b)
{
    if (a->view.ndim != 3)
        return op_raise("batch1 must be a 3D tensor");
    if (b->view.ndim != 3)
        return op_raise("batch2 must be a 3D tensor");
    if (b->view.size[0] != a->view.size[0] || b->view.size[1] != a->view.size[2])
        return op_raise("Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].", (long long)a->view.size[0],
                        (long long)a->view.size[2], (long long)b->view.size[0], (long long)b->view.size[1]);
    return ST_OK;
}

static Status op_bmm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    TRY(check_bmm(arg_tensor(args[0]), arg_tensor(args[1])));
    return op_matmul(lane, site, args, rets);
}

static Status op_mv(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const View *m = &arg_tensor(args[0])->view, *v = &arg_tensor(args[1])->view;
    if (m->ndim != 2 || v->ndim != 1)
        return op_raise("vector + matrix @ vector expected, got 1, %d, %d", m->ndim, v->ndim);
    return op_matmul(lane, site, args, rets);
}

static Status op_dot(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const View *a = &arg_tensor(args[0])->view, *b = &arg_tensor(args[1])->view;
    if (a->ndim != 1 || b->ndim != 1)
        return op_raise("1D tensors expected, but got %dD and %dD tensors", a->ndim, b->ndim);
    if (a->dtype != b->dtype)
        return op_raise("dot : expected both vectors to have same dtype, but found %s and %s", dtype_torch_name((DType)a->dtype),
                        dtype_torch_name((DType)b->dtype));
    return op_matmul(lane, site, args, rets);
}

// ---- with an addend: (self, a, b, *, beta, alpha)

typedef enum AddKind { ADD_MM, ADD_MV, ADD_BMM, ADD_BADDBMM } AddKind;

static Status check_add(AddKind kind, const Tensor *self, const Tensor *a, const Tensor *b)
{
    switch (kind) {
    case ADD_MM:
        if (a->view.ndim != 2 || b->view.ndim != 2)
            return op_raise("%s must be a matrix, got %d-D tensor", a->view.ndim != 2 ? "mat1" : "mat2",
                            a->view.ndim != 2 ? a->view.ndim : b->view.ndim);
        if (self->view.dtype != a->view.dtype)
            return op_raise("self and mat2 must have the same dtype");
        return ST_OK;
    case ADD_MV:
        if (a->view.ndim != 2 || b->view.ndim != 1 || self->view.ndim > 1)
            return op_raise("vector + matrix @ vector expected, got %d, %d, %d", self->view.ndim, a->view.ndim, b->view.ndim);
        return ST_OK;
    default: return check_bmm(a, b);
    }
}

static Status add_product(Lane *lane, Site *site, const IValue *args, bool into, Tensor **out)
{
    AddKind kind = (AddKind)(intptr_t)site->op->data;
    Tensor *self = arg_tensor(args[0]), *a = arg_tensor(args[1]), *b = arg_tensor(args[2]);
    TRY(check_add(kind, self, a, b));
    MatmulParams p = {arg_double(args[4]), arg_double(args[3])};
    Tensor *in[3] = {a, b, self};
    if (into)
        return kernel_call_into(lane, site, &kernel_matmul, &p, sizeof p, in, 3, &self, 1);
    return kernel_call(lane, site, &kernel_matmul, &p, sizeof p, in, 3, out, 1);
}

static Status op_add_product(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *out;
    TRY(add_product(lane, site, args, false, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_add_product_(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    TRY(add_product(lane, site, args, true, NULL));
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// addbmm: the products of a batch, summed: [B, M, K] and [B, K, N] as [M, B*K] and [B*K, N].
static Status op_addbmm(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *self = arg_tensor(args[0]), *a = arg_tensor(args[1]), *b = arg_tensor(args[2]), *swapped, *left, *right, *out;
    TRY(check_bmm(a, b));
    int64_t k = a->view.size[0] * a->view.size[2];
    TRY(tensor_transposed(lane, a, 0, 1, &swapped));
    Status s = tensor_reshaped(lane, swapped, 2, (int64_t[]){a->view.size[1], k}, &left);
    tensor_release(swapped);
    TRY(s);
    s = tensor_reshaped(lane, b, 2, (int64_t[]){k, b->view.size[2]}, &right);
    if (s == ST_OK) {
        s = product(lane, site, left, right, self, arg_double(args[4]), arg_double(args[3]), &out);
        tensor_release(right);
    }
    tensor_release(left);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- outer products: a column times a row

static Status outer(Lane *lane, Site *site, Tensor *a, Tensor *b, Tensor *c, double alpha, double beta, Tensor **out)
{
    Tensor *column, *row;
    TRY(tensor_add_dim(lane, a, 1, &column));
    Status s = tensor_add_dim(lane, b, 0, &row);
    if (s == ST_OK) {
        s = product(lane, site, column, row, c, alpha, beta, out);
        tensor_release(row);
    }
    tensor_release(column);
    return s;
}

static Status op_outer(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *a = arg_tensor(args[0]), *b = arg_tensor(args[1]), *out;
    if (a->view.ndim != 1)
        return op_raise("outer: Expected 1-D argument self, but got %d-D", a->view.ndim);
    if (b->view.ndim != 1)
        return op_raise("outer: Expected 1-D argument vec2, but got %d-D", b->view.ndim);
    TRY(outer(lane, site, a, b, NULL, 1, 0, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_addr(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *a = arg_tensor(args[1]), *b = arg_tensor(args[2]), *out;
    if (a->view.ndim != 1 || b->view.ndim != 1)
        return op_raise("addr: Expected 1-D arguments vec1 and vec2, but got %d-D and %d-D", a->view.ndim, b->view.ndim);
    TRY(outer(lane, site, a, b, arg_tensor(args[0]), arg_double(args[4]), arg_double(args[3]), &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// inner: sums over the last dimension of both; the result has the other dimensions of the first, then of the second.
static Status op_inner(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *a = arg_tensor(args[0]), *b = arg_tensor(args[1]), *out, *rows, *flat, *right;
    if (a->view.ndim == 0 || b->view.ndim == 0)
        return op_raise("inner: both arguments need at least one dimension");
    int64_t k = a->view.size[a->view.ndim - 1], kb = b->view.size[b->view.ndim - 1];
    if (k != kb)
        return op_raise("inner() the last dimension must match on both input tensors but got shapes with last dimensions %lld and %lld", (long long)k,
                        (long long)kb);
    int64_t nb = k ? view_numel(&b->view) / k : 0, size[2 * VIEW_MAX_DIMS];
    TRY(tensor_reshaped(lane, b, 2, (int64_t[]){nb, k}, &rows));
    Status s = tensor_transposed(lane, rows, 0, 1, &right);
    tensor_release(rows);
    TRY(s);
    s = product(lane, site, a, right, NULL, 1, 0, &flat);
    tensor_release(right);
    TRY(s);
    int n = 0;
    for (int i = 0; i + 1 < a->view.ndim; i++)
        size[n++] = a->view.size[i];
    for (int i = 0; i + 1 < b->view.ndim; i++)
        size[n++] = b->view.size[i];
    s = n > VIEW_MAX_DIMS ? op_raise("inner: too many dimensions (limit %d)", VIEW_MAX_DIMS) : tensor_reshaped(lane, flat, n, size, &out);
    tensor_release(flat);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_linear(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    ActParams p;
    memset(&p, 0, sizeof p);
    Tensor *in[3] = {arg_tensor(args[0]), arg_tensor(args[1]), arg_tensor(args[2])}, *out;
    if (in[1]->view.ndim == 1) { // a weight vector: the plain product
        TRY(product(lane, site, in[0], in[1], in[2], 1, 1, &out));
    } else {
        TRY(kernel_call(lane, site, &kernel_linear, &p, sizeof p, in, 3, &out, 1));
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// Products of a list, from the left.
static Status op_chain(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const ListObj *l = args[0].as.list;
    if (l->len == 0)
        return op_raise("chain_matmul(): Expected one or more matrices");
    Tensor *out = tensor_retain(l->items[0].as.tensor);
    for (uint32_t i = 1; i < l->len; i++) {
        Tensor *next;
        Status s = product(lane, site, out, l->items[i].as.tensor, NULL, 1, 0, &next);
        tensor_release(out);
        TRY(s);
        out = next;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define ADD_ROW(name, fn, flags, kind) {name, fn, flags, (const void *)(intptr_t)(kind), NULL}

const OpBinding OPS_MATMUL[] = {
    ROW("aten::matmul", op_matmul),
    ROW("aten::linalg_matmul", op_matmul),
    ROW("aten::mm", op_mm),
    ROW("aten::bmm", op_bmm),
    ROW("aten::mv", op_mv),
    ROW("aten::dot", op_dot),
    ROW("aten::vdot", op_dot),
    ROW("aten::outer", op_outer),
    ROW("aten::ger", op_outer),
    ROW("aten::addr", op_addr),
    ROW("aten::inner", op_inner),
    ROW("aten::linear", op_linear),
    ROW("aten::chain_matmul", op_chain),
    ROW("aten::linalg_multi_dot", op_chain),
    ROW("aten::addbmm", op_addbmm),
    ROW("aten::einsum", op_einsum),
    ROW("aten::tensordot", op_tensordot),
    ROW("aten::bilinear", op_bilinear),
    ADD_ROW("aten::addmm", op_add_product, 0, ADD_MM),
    ADD_ROW("aten::addmm_", op_add_product_, OP_WRITES_ARG0, ADD_MM),
    ADD_ROW("aten::addmv", op_add_product, 0, ADD_MV),
    ADD_ROW("aten::addmv_", op_add_product_, OP_WRITES_ARG0, ADD_MV),
    ADD_ROW("aten::baddbmm", op_add_product, 0, ADD_BADDBMM),
    ADD_ROW("aten::baddbmm_", op_add_product_, OP_WRITES_ARG0, ADD_BADDBMM),
    {0},
};
