// Operator bindings: matrix products.
// Rows are found by name in worker/op.c.
#include "worker/op_util.h"
#include "worker/ops_heavy.h"
#include "worker/pointwise.h"

#include <math.h>
#include <string.h>

Status product(Lane *lane, Site *site, Tensor *a, Tensor *b, Tensor *c, double alpha, double beta, Tensor **out)
{
    MatmulParams p = {alpha, beta, 0, 0};
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

static double imaginary(IValue v) { return v.tag == TAG_COMPLEX ? v.as.complex->im : 0; }

// beta and alpha of an operator on `self`. Integers take no fractions, or lose them (truncate).
static Status factors(const Tensor *self, IValue beta, IValue alpha, bool truncate, MatmulParams *p)
{
    DType t = tensor_dtype(self);
    IValue both[2] = {beta, alpha};
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "alpha" : "beta";
        if (!truncate && !dtype_is_floating(t) && !dtype_is_complex(t) && (both[i].tag == TAG_FLOAT || both[i].tag == TAG_COMPLEX))
            return op_raise("For integral input tensors, argument %s must not be a floating point number.", name);
        if (!dtype_is_complex(t) && imaginary(both[i]) != 0)
            return op_raise("value cannot be converted to type %s without overflow", t == DT_F64 ? "double" : "float");
    }
    *p = (MatmulParams){arg_double(alpha), arg_double(beta), imaginary(alpha), imaginary(beta)};
    return ST_OK;
}

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
    MatmulParams p;
    TRY(factors(self, args[3], args[4], kind != ADD_MM, &p));
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
        MatmulParams p;
        s = factors(self, args[3], args[4], true, &p);
        if (s == ST_OK)
            s = kernel_call(lane, site, &kernel_matmul, &p, sizeof p, (Tensor *[]){left, right, self}, 3, &out, 1);
        tensor_release(right);
    }
    tensor_release(left);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// In place it may take another shape, which the others may not.
static Status op_addbmm_(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *self = arg_tensor(args[0]);
    IValue made;
    TRY(op_addbmm(lane, site, args, &made));
    const View *v = &made.as.tensor->view;
    Status s = view_same_shape(v, &self->view) ? ST_OK : out_resize(lane, self, v->ndim, v->size);
    if (s == ST_OK)
        s = tensor_make_writable(self);
    if (s == ST_OK)
        s = tensor_copy_into(lane, self, made.as.tensor);
    value_release(made);
    TRY(s);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// ---- outer products: a column times a row

static Status outer(Lane *lane, Site *site, Tensor *a, Tensor *b, Tensor *c, const MatmulParams *p, Tensor **out)
{
    Tensor *column, *row;
    TRY(tensor_add_dim(lane, a, 1, &column));
    Status s = tensor_add_dim(lane, b, 0, &row);
    if (s == ST_OK) {
        s = kernel_call(lane, site, &kernel_matmul, p, sizeof *p, (Tensor *[]){column, row, c}, c ? 3 : 2, out, 1);
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
    MatmulParams p = {1, 0, 0, 0};
    DType type = promote_dtypes(tensor_dtype(a), tensor_dtype(b));
    if (type == DT_INVALID)
        return op_raise("outer: these dtypes cannot be promoted");
    TRY(tensor_to_dtype(lane, a, type, &a));
    Status s = tensor_to_dtype(lane, b, type, &b);
    if (s == ST_OK) {
        s = outer(lane, site, a, b, NULL, &p, &out);
        tensor_release(b);
    }
    tensor_release(a);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_addr(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    Tensor *in[3] = {arg_tensor(args[1]), arg_tensor(args[2]), arg_tensor(args[0])}, *out = NULL;
    if (in[0]->view.ndim != 1 || in[1]->view.ndim != 1)
        return op_raise("addr: Expected 1-D arguments vec1 and vec2, but got %d-D and %d-D", in[0]->view.ndim, in[1]->view.ndim);
    DType type = promote_dtypes(promote_dtypes(tensor_dtype(in[0]), tensor_dtype(in[1])), tensor_dtype(in[2]));
    if (type == DT_INVALID)
        return op_raise("addr: these dtypes cannot be promoted");
    int made = 0;
    Status s = ST_OK;
    for (; made < 3 && s == ST_OK; made += s == ST_OK)
        s = tensor_to_dtype(lane, in[made], type, &in[made]);
    MatmulParams p;
    if (s == ST_OK)
        s = factors(in[2], args[3], args[4], false, &p);
    if (s == ST_OK)
        s = outer(lane, site, in[0], in[1], in[2], &p, &out);
    while (made > 0)
        tensor_release(in[--made]);
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

// ---- products of a list, in the order that needs the fewest multiplications

enum { CHAIN_MAX = 64 };

typedef struct Chain {
    Lane *lane;
    Site *site;
    Tensor *t[CHAIN_MAX];
    uint8_t split[CHAIN_MAX][CHAIN_MAX]; // where the product of i … j is cut: after this one
} Chain;

static void chain_order(Chain *c, int n)
{
    static _Thread_local double cost[CHAIN_MAX][CHAIN_MAX];
    for (int i = 0; i < n; i++)
        cost[i][i] = 0;
    for (int length = 1; length < n; length++)
        for (int i = 0; i + length < n; i++) {
            int j = i + length;
            cost[i][j] = INFINITY;
            for (int k = i; k < j; k++) {
                const View *left = &c->t[i]->view, *middle = &c->t[k]->view, *right = &c->t[j]->view;
                double sum = cost[i][k] + cost[k + 1][j] + (double)left->size[0] * (double)middle->size[1] * (double)right->size[1];
                if (sum < cost[i][j]) {
                    cost[i][j] = sum;
                    c->split[i][j] = (uint8_t)k;
                }
            }
        }
}

static Status chain_product(Chain *c, int i, int j, Tensor **out)
{
    if (i == j) {
        *out = tensor_retain(c->t[i]);
        return ST_OK;
    }
    Tensor *left, *right;
    int k = c->split[i][j];
    TRY(chain_product(c, i, k, &left));
    Status s = chain_product(c, k + 1, j, &right);
    if (s == ST_OK) {
        s = product(c->lane, c->site, left, right, NULL, 1, 0, out);
        tensor_release(right);
    }
    tensor_release(left);
    return s;
}

static Status check_chain(const ListObj *l)
{
    int n = (int)l->len;
    for (int i = 0; i < n; i++) {
        const Tensor *t = l->items[i].as.tensor;
        bool end = i == 0 || i == n - 1;
        if (end && t->view.ndim != 1 && t->view.ndim != 2)
            return op_raise("multi_dot(): the %s tensor must be 1D or 2D but got %dD", i ? "last" : "first", t->view.ndim);
        if (!end && t->view.ndim != 2)
            return op_raise("multi_dot(): tensor %d must be 2D but got %dD", i, t->view.ndim);
        if (i == 0)
            continue;
        const Tensor *before = l->items[i - 1].as.tensor;
        if (t->view.dtype != before->view.dtype)
            return op_raise("multi_dot(): all tensors must have be the same dtype but tensor %d is %s and tensor %d %s", i - 1,
                            dtype_torch_name(tensor_dtype(before)), i, dtype_torch_name(tensor_dtype(t)));
        if (before->view.size[before->view.ndim - 1] != t->view.size[0])
            return op_raise("multi_dot(): tensors %d and %d with shapes %s and %s cannot be multiplied", i - 1, i,
                            size_text(before->view.size, before->view.ndim).text, size_text(t->view.size, t->view.ndim).text);
    }
    return ST_OK;
}

static Status op_multi_dot(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const ListObj *l = args[0].as.list;
    int n = (int)l->len;
    if (n < 2)
        return op_raise("multi_dot(): expected at least 2 tensors but got %d", n);
    if (n > CHAIN_MAX)
        return op_raise("multi_dot(): too many tensors (limit %d)", CHAIN_MAX);
    TRY(check_chain(l));
    Chain c = {.lane = lane, .site = site};
    bool row = l->items[0].as.tensor->view.ndim == 1, column = l->items[n - 1].as.tensor->view.ndim == 1;
    for (int i = 0; i < n; i++)
        c.t[i] = l->items[i].as.tensor;
    Tensor *first = NULL, *last = NULL, *whole = NULL, *out = NULL;
    Status s = row ? tensor_add_dim(lane, c.t[0], 0, &first) : ST_OK;
    if (s == ST_OK && column)
        s = tensor_add_dim(lane, c.t[n - 1], 1, &last);
    c.t[0] = first ? first : c.t[0];
    c.t[n - 1] = last ? last : c.t[n - 1];
    if (s == ST_OK) {
        chain_order(&c, n);
        s = chain_product(&c, 0, n - 1, &whole);
    }
    int64_t size[2];
    int ndim = 0;
    if (!row)
        size[ndim++] = c.t[0]->view.size[0];
    if (!column && s == ST_OK)
        size[ndim++] = c.t[n - 1]->view.size[1];
    if (s == ST_OK)
        s = tensor_reshaped(lane, whole, ndim, size, &out);
    Tensor *own[3] = {first, last, whole};
    for (int i = 0; i < 3; i++)
        if (own[i])
            tensor_release(own[i]);
    TRY(s);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

static Status op_chain_matmul(Lane *lane, Site *site, const IValue *args, IValue *rets)
{
    const ListObj *l = args[0].as.list;
    if (l->len == 0)
        return op_raise("chain_matmul(): Expected one or more matrices");
    for (uint32_t i = 0; i < l->len; i++)
        if (l->items[i].as.tensor->view.ndim != 2)
            return op_raise("Tensor dimension is %d, expected 2 instead.", l->items[i].as.tensor->view.ndim);
    if (l->len == 1) {
        rets[0] = value_retain(l->items[0]);
        return ST_OK;
    }
    return op_multi_dot(lane, site, args, rets);
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
    ROW("aten::outer", op_outer),
    ROW("aten::ger", op_outer),
    ROW("aten::addr", op_addr),
    ROW("aten::linear", op_linear),
    ROW("aten::chain_matmul", op_chain_matmul),
    ROW("aten::linalg_multi_dot", op_multi_dot),
    ROW("aten::addbmm", op_addbmm),
    {"aten::addbmm_", op_addbmm_, OP_WRITES_ARG0, NULL, NULL},
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
