// Matrix products of the types oneDNN does not have: float64 and complex through OpenBLAS, float16 and bfloat16 there in
// float32 (rounded once, at the end), integers through the blocked loops of gemm_int.c.
#include "kernels/copy.h"
#include "kernels/cpu/variants.h"
#include "kernels/lapack.h"
#include "kernels/pack.h"

#include <complex.h>
#include <string.h>

// One side as the library sees it: [batch…, rows, cols] row-major, or the transpose of such.
typedef struct Side {
    View from;          // the operand as a batch of matrices
    bool copied;        // converted or made contiguous in scratch first
    const void *packed; // … once, because it is constant
    bool transposed;    // columns lie together
    int64_t ld, step[VIEW_MAX_DIMS]; // leading dimension; elements between batches
    size_t at;          // in scratch
} Side;

typedef struct BlasState {
    DType type; // computed in
    MatmulShape m;
    int64_t batches, rows; // products, and rows of each: a's batches are rows when b is one matrix
    Side a, b;
    double _Complex alpha, beta; // real unless the type is complex
    bool accumulate;       // in scratch, because the output has another type
    size_t at_sum, at_add;
    int start;             // operand that the sum starts from (c, bias), or -1
    int add;               // operand that is added before the activation, or -1
    ActParams act;
} BlasState;

static DType compute_type(DType t)
{
    switch (t) {
    case DT_F64:
    case DT_C64:
    case DT_C128: return t;
    case DT_F16:
    case DT_BF16:
    case DT_F32: return DT_F32;
    case DT_C32: return DT_C64;
    case DT_I64: return DT_I64;
    case DT_I32:
    case DT_I16:
    case DT_I8:
    case DT_U8: return DT_I32;
    default: return DT_INVALID;
    }
}

static bool whole(DType t) { return t == DT_I32 || t == DT_I64; }

// Can the matrices be used where they lie?
static bool usable(const BlasState *s, const View *v, Side *out)
{
    int n = v->ndim;
    int64_t rows = v->size[n - 2], cols = v->size[n - 1], rs = v->stride[n - 2], cs = v->stride[n - 1];
    if (v->dtype != s->type)
        return false;
    out->transposed = false;
    if ((cs == 1 || cols == 1) && (rs >= cols || rows == 1)) {
        out->ld = rows == 1 ? cols : rs;
        return !whole(s->type) || out->ld == cols;
    }
    if (!whole(s->type) && (rs == 1 || rows == 1) && (cs >= rows || cols == 1)) {
        out->transposed = true;
        out->ld = cols == 1 ? rows : cs;
        return true;
    }
    return false;
}

// The view that a copy gives: contiguous; stretched batches stay stretched.
static void copied_view(const View *v, DType type, View *out)
{
    *out = *v;
    out->dtype = (uint8_t)type;
    int64_t step = v->size[v->ndim - 1] * v->size[v->ndim - 2];
    out->stride[v->ndim - 1] = 1;
    out->stride[v->ndim - 2] = v->size[v->ndim - 1];
    for (int d = v->ndim - 3; d >= 0; d--) {
        bool stretched = v->stride[d] == 0 || v->size[d] == 1;
        out->size[d] = stretched ? 1 : v->size[d];
        out->stride[d] = stretched ? 0 : step;
        step *= out->size[d];
    }
}

typedef struct PackCopy { View from, to; } PackCopy;
static Status pack_copy(void *ctx, void *bytes)
{
    PackCopy *c = ctx;
    c->to.data = bytes;
    return copy_convert(&c->to, &c->from);
}

static Status plan_side(BlasState *s, const KernelContext *ctx, const View *operand, View *v, Side *out, size_t *at)
{
    if (!usable(s, v, out)) {
        View copy;
        copied_view(v, s->type, &copy);
        out->from = *v;
        out->copied = true;
        for (int d = 0; d < v->ndim - 2; d++) // once where it is stretched
            out->from.size[d] = copy.size[d];
        size_t bytes = (size_t)view_numel(&copy) * dtype_size(s->type);
        if (operand->constant && ctx->packs) {
            PackKey key = {0};
            PackCopy fill = {out->from, copy};
            pack_key_text(&key, "blas matmul operand");
            pack_key_operand(&key, operand);
            pack_key_bytes(&key, v->size, sizeof *v->size * v->ndim);
            pack_key_bytes(&key, v->stride, sizeof *v->stride * v->ndim);
            if (!key.failed)
                TRY(pack_get(ctx->packs, key.bytes, key.size, bytes, pack_copy, &fill, &out->packed));
        }
        out->at = *at;
        *at += out->packed ? 0 : (bytes + 63) & ~(size_t)63;
        *v = copy;
        out->transposed = false;
        out->ld = v->size[v->ndim - 1];
    }
    for (int d = 0; d < v->ndim - 2; d++)
        out->step[d] = v->size[d] == 1 ? 0 : v->stride[d];
    return ST_OK;
}

// Are a's batches the rows of one tall matrix, b being one matrix for all?
static bool folds(const BlasState *s, const View *a)
{
    int n = s->m.ndim;
    int64_t step = s->a.ld * s->m.m;
    for (int d = n - 3; d >= 0; d--) {
        if (s->m.batch[d] == 1)
            continue;
        if (s->b.step[d] != 0 || s->a.transposed || a->stride[d] != step || s->a.step[d] != step)
            return false;
        step *= s->m.batch[d];
    }
    return true;
}

static Status plan(Kernel *k, const KernelContext *ctx, BlasState *s, const View *a, const View *b)
{
    View va = s->m.a, vb = s->m.b;
    size_t at = 0;
    TRY(plan_side(s, ctx, a, &va, &s->a, &at));
    TRY(plan_side(s, ctx, b, &vb, &s->b, &at));
    s->batches = 1;
    for (int d = 0; d < s->m.ndim - 2; d++)
        s->batches *= s->m.batch[d];
    s->rows = s->m.m;
    if (s->batches > 1 && folds(s, &va)) {
        s->rows *= s->batches;
        s->batches = 1;
    }
    size_t sum = ((size_t)view_numel(&k->outputs[0]) * dtype_size(s->type) + 63) & ~(size_t)63;
    s->accumulate = k->outputs[0].dtype != s->type;
    s->at_sum = at;
    at += s->accumulate ? sum : 0;
    s->at_add = at;
    at += s->add >= 0 ? sum : 0;
    k->scratch_bytes = at;
    k->flops = 2.0 * (double)view_numel(&k->outputs[0]) * (double)s->m.k * (dtype_is_complex(s->type) ? 4 : 1);
    return ST_OK;
}

static Status start(Kernel *k, const View *in, int n_in, BlasState **out)
{
    DType type = compute_type((DType)in[0].dtype);
    if (type == DT_INVALID || any_private(in, n_in))
        return ST_DECLINED;
    void *state;
    TRY(kernel_state_new(k, sizeof(BlasState), &state));
    *out = state;
    (*out)->type = type;
    (*out)->start = (*out)->add = -1;
    return ST_OK;
}

Status blas_matmul_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const MatmulParams *p = params;
    MatmulShape shape;
    TRY(matmul_shape(&in[0], &in[1], &shape));
    bool has_c = operand_given(in, n_in, 2);
    if (has_c && in[2].dtype != in[0].dtype)
        return status_fail(ST_RAISED, "self and mat2 must have the same dtype");
    BlasState *s;
    TRY(start(k, in, n_in, &s));
    s->m = shape;
    bool is_complex = dtype_is_complex(s->type);
    s->alpha = CMPLX(p->alpha, is_complex ? p->alpha_im : 0);
    s->beta = has_c ? CMPLX(p->beta, is_complex ? p->beta_im : 0) : 0;
    kernel_output(k, 0, (DType)in[0].dtype, shape.out_ndim, shape.out_size);
    if (s->beta != 0) {
        int64_t unused[VIEW_MAX_DIMS];
        TRY(expand_strides(&in[2], shape.out_ndim, shape.out_size, unused));
        s->start = 2;
        if (view_same_shape(&in[2], &k->outputs[0]) && view_is_contiguous(&in[2]) && !(whole(s->type) && s->alpha != 1))
            k->in_place = 2;
    }
    return plan(k, ctx, s, &in[0], &in[1]);
}

// c = alpha * a b + beta * c for one product; row-major, so the library is asked for the transpose.
static Status multiply(const BlasState *s, const char *a, const char *b, char *c, double _Complex alpha, double _Complex beta)
{
    int64_t m = s->rows, n = s->m.n, k = s->m.k;
    BlasTrans ta = s->a.transposed ? BLAS_T : BLAS_N, tb = s->b.transposed ? BLAS_T : BLAS_N;
    if (m == 0 || n == 0)
        return ST_OK;
    if (m == 1 && n == 1 && k > 0 && alpha == 1 && beta == 0 && (s->type == DT_F32 || s->type == DT_F64)) {
        double sum;
        TRY(blas_dot(s->type, k, a, s->a.transposed ? s->a.ld : 1, b, s->b.transposed ? 1 : s->b.ld, &sum));
        if (s->type == DT_F32)
            *(float *)c = (float)sum;
        else
            *(double *)c = sum;
        return ST_OK;
    }
    if (n == 1 && k > 0) // a x
        return blas_gemv(s->type, s->a.transposed ? BLAS_N : BLAS_T, s->a.transposed ? m : k, s->a.transposed ? k : m, alpha, a, s->a.ld, b,
                         s->b.transposed ? 1 : s->b.ld, beta, c, 1);
    if (m == 1 && k > 0)
        return blas_gemv(s->type, s->b.transposed ? BLAS_T : BLAS_N, s->b.transposed ? k : n, s->b.transposed ? n : k, alpha, b, s->b.ld, a,
                         s->a.transposed ? s->a.ld : 1, beta, c, 1);
    return blas_gemm(s->type, tb, ta, n, m, k, alpha, b, s->b.ld, a, s->a.ld, beta, c, n);
}

#define SCALE(T, U)                                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        ((U *)y)[i] = (U)((T)factor * (T)((U *)y)[i]);
static void scale_whole(DType t, void *y, int64_t n, int64_t factor)
{
    if (t == DT_I64)
        SCALE(uint64_t, uint64_t)
    else
        SCALE(uint32_t, uint32_t)
}

static const void *side_data(const Side *x, DType type, const View *operand, char *area, Status *status)
{
    if (!x->copied)
        return operand->data;
    if (x->packed)
        return x->packed;
    View from = x->from, to;
    from.data = operand->data;
    to = from;
    to.dtype = (uint8_t)type;
    view_set_contiguous(&to, from.ndim, from.size);
    to.data = area + x->at;
    if (*status == ST_OK)
        *status = copy_convert(&to, &from);
    return to.data;
}

static Status products(const BlasState *s, const char *a, const char *b, char *sum, double _Complex alpha, double _Complex beta)
{
    int64_t size = (int64_t)dtype_size(s->type), index[VIEW_MAX_DIMS] = {0};
    for (int64_t i = 0; i < s->batches; i++) {
        int64_t at_a = 0, at_b = 0;
        for (int d = 0; d < s->m.ndim - 2 && s->batches > 1; d++) {
            at_a += index[d] * s->a.step[d];
            at_b += index[d] * s->b.step[d];
        }
        char *c = sum + i * s->rows * s->m.n * size;
        if (whole(s->type))
            (s->type == DT_I64 ? gemm_i64 : gemm_i32)(s->rows, s->m.n, s->m.k, a + at_a * size, b + at_b * size, c, s->m.n);
        else
            TRY(multiply(s, a + at_a * size, b + at_b * size, c, alpha, beta));
        for (int d = s->m.ndim - 3; d >= 0 && ++index[d] == s->m.batch[d]; d--)
            index[d] = 0;
    }
    return ST_OK;
}

// out = alpha * product + beta * c, where integers must not pass through floating point. Their loops take rows without gaps
// and only add: what is scaled is scaled before and after.
static Status run_whole(const BlasState *s, const View *in, const View *out, char *sum, const char *a, const char *b)
{
    int64_t n = view_numel(out);
    View total = *out;
    total.dtype = (uint8_t)s->type;
    total.data = sum;
    bool plain = s->start >= 0 && s->alpha == 1;
    if (plain) { // the sum starts from c
        if (in[s->start].data != sum)
            TRY(copy_convert(&total, &in[s->start]));
        scale_whole(s->type, sum, n, (int64_t)creal(s->beta));
    } else {
        memset(sum, 0, (size_t)n * dtype_size(s->type));
    }
    TRY(products(s, a, b, sum, 1, 0));
    if (s->alpha != 1)
        scale_whole(s->type, sum, n, (int64_t)creal(s->alpha));
    if (!plain && s->start >= 0) { // element by element: c may lie where the result goes
        View c = in[s->start];
        int64_t stride[VIEW_MAX_DIMS];
        TRY(expand_strides(&c, out->ndim, out->size, stride));
        for (int64_t i = 0; i < n; i++) {
            int64_t rest = i, at = 0;
            for (int d = out->ndim - 1; d >= 0; d--) {
                at += rest % out->size[d] * stride[d];
                rest /= out->size[d];
            }
            int64_t x = c.dtype == DT_I64 ? ((const int64_t *)c.data)[at] : (int64_t)element_get(c.data, (DType)c.dtype, at);
            uint64_t scaled = (uint64_t)(int64_t)creal(s->beta) * (uint64_t)x;
            if (s->type == DT_I64)
                ((uint64_t *)sum)[i] += scaled;
            else
                ((uint32_t *)sum)[i] += (uint32_t)scaled;
        }
    }
    return sum == out->data ? ST_OK : copy_convert(out, &total);
}

static Status finish(const BlasState *s, const View *in, const View *out, char *sum, char *add)
{
    int64_t n = view_numel(out);
    View total = *out;
    total.dtype = (uint8_t)s->type;
    total.data = sum;
    if (s->add >= 0) {
        View other = total;
        other.data = add;
        TRY(copy_convert(&other, &in[s->add]));
    }
    if (s->type == DT_F32 && (s->add >= 0 || s->act.act != ACT_NONE)) {
        if (s->add >= 0)
            add_act_f32((Act)s->act.act, s->act.lo, s->act.hi, (float *)sum, (const float *)add, (size_t)n);
        else
            act_f32((Act)s->act.act, s->act.lo, s->act.hi, (float *)sum, (size_t)n);
    } else if (s->add >= 0 || s->act.act != ACT_NONE) {
        double *y = (double *)sum;
        for (int64_t i = 0; i < n; i++)
            y[i] = act_f64((Act)s->act.act, s->act.lo, s->act.hi, s->add >= 0 ? y[i] + ((const double *)add)[i] : y[i]);
    }
    return s->accumulate ? copy_convert(out, &total) : ST_OK;
}

Status blas_matmul_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)stream;
    const BlasState *s = k->state;
    char *area = scratch, *sum = s->accumulate ? area + s->at_sum : out->data;
    Status status = ST_OK;
    const char *a = side_data(&s->a, s->type, &in[0], area, &status), *b = side_data(&s->b, s->type, &in[1], area, &status);
    TRY(status);
    if (view_numel(out) == 0)
        return ST_OK;
    if (whole(s->type))
        return run_whole(s, in, out, sum, a, b);
    View total = *out;
    total.dtype = (uint8_t)s->type;
    total.data = sum;
    if (s->start >= 0 && in[s->start].data != sum)
        TRY(copy_convert(&total, &in[s->start]));
    double _Complex beta = s->start >= 0 ? s->beta : 0;
    if (s->m.k == 0 && beta == 0)
        memset(sum, 0, (size_t)view_numel(out) * dtype_size(s->type));
    else
        TRY(products(s, a, b, sum, s->alpha, beta));
    return finish(s, in, out, sum, area + s->at_add);
}

void blas_matmul_destroy(Kernel *k) { kernel_state_free(k); }

// ---- linear: the product with the weight's transpose

Status blas_linear_prepare(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    const ActParams *p = params;
    int64_t size[VIEW_MAX_DIMS];
    TRY(linear_shape(in, n_in, size));
    if ((dtype_is_complex((DType)in[0].dtype) || !dtype_is_floating((DType)in[0].dtype)) && (p->act != ACT_NONE || operand_given(in, n_in, 3)))
        return ST_DECLINED;
    View weight = in[1];
    weight.size[0] = in[1].size[1];
    weight.size[1] = in[1].size[0];
    weight.stride[0] = in[1].stride[1];
    weight.stride[1] = in[1].stride[0];
    BlasState *s;
    TRY(start(k, in, n_in, &s));
    TRY(matmul_shape(&in[0], &weight, &s->m));
    kernel_output(k, 0, (DType)in[0].dtype, in[0].ndim, size);
    s->alpha = s->beta = 1;
    s->act = *p;
    if (operand_given(in, n_in, 2))
        s->start = 2;
    if (operand_given(in, n_in, 3)) {
        if (in[3].dtype != in[0].dtype || !view_same_shape(&in[3], &k->outputs[0]))
            return ST_DECLINED;
        s->add = 3;
    }
    return plan(k, ctx, s, &in[0], &in[1]);
}

Status blas_linear_run(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    return blas_matmul_run(k, in, out, scratch, stream);
}

void blas_linear_destroy(Kernel *k) { kernel_state_free(k); }
