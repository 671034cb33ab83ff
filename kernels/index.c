// The driver of indexed reads and writes. Indices are checked as they are used; where the innermost dimension is not an
// indexed one, an index serves a whole row.
#include "kernels/index.h"

#include "kernels/convert.h"
#include "kernels/half.h"

#include <math.h>
#include <string.h>

typedef struct Walk {
    void (*row)(struct Walk *w, char **data, const int64_t *stride, int64_t n); // for one index tensor
    const IndexPlan *plan;
    IndexOp op;
    DType dtype;
    size_t size;
    int64_t step[INDEX_MAX]; // bytes
    bool row_constant;       // no index changes along the innermost dimension
    int bad_index;           // -1: all good
    int64_t bad_value;
} Walk;

// Byte offset of the element that the indices name; false when one is out of range.
static inline bool locate(Walk *w, char *const *indices, int64_t *offset)
{
    const IndexPlan *p = w->plan;
    int64_t at = 0;
    for (int k = 0; k < p->count; k++) {
        int64_t raw = *(const int64_t *)indices[k], i = raw;
        if (i < 0 && p->wrap)
            i += p->size[k];
        if (i < 0 || i >= p->size[k]) {
            w->bad_index = k;
            w->bad_value = raw;
            return false;
        }
        at += i * w->step[k];
    }
    *offset = at;
    return true;
}

#define COMBINE(T, a, b, op)                                                                                           \
    ((op) == INDEX_ADD ? (T)((a) + (b)) : (op) == INDEX_MUL ? (T)((a) * (b))                                            \
     : (op) == INDEX_MAX_OF ? ((a) > (b) || (a) != (a) ? (a) : (b)) : ((a) < (b) || (a) != (a) ? (a) : (b)))

static void combine_complex(IndexOp op, float *a, const float *b)
{
    float re = op == INDEX_ADD ? a[0] + b[0] : a[0] * b[0] - a[1] * b[1];
    a[1] = op == INDEX_ADD ? a[1] + b[1] : a[0] * b[1] + a[1] * b[0];
    a[0] = re;
}

// base op= dense for one element.
static void combine(DType t, IndexOp op, char *base, const char *dense)
{
    switch (t) {
#define CASE(code, T, U)                                                                                               \
    case code: {                                                                                                       \
        T a = *(T *)base, b = *(const T *)dense;                                                                       \
        *(T *)base = op == INDEX_ADD ? (T)((U)a + (U)b) : op == INDEX_MUL ? (T)((U)a * (U)b) : COMBINE(T, a, b, op);    \
        return;                                                                                                        \
    }
        CASE(DT_U8, uint8_t, uint64_t)
        CASE(DT_I8, int8_t, uint64_t)
        CASE(DT_I16, int16_t, uint64_t)
        CASE(DT_I32, int32_t, uint64_t)
        CASE(DT_I64, int64_t, uint64_t)
        CASE(DT_F32, float, float)
        CASE(DT_F64, double, double)
#undef CASE
    case DT_BOOL: {
        bool a = *(bool *)base, b = *(const bool *)dense;
        *(bool *)base = op == INDEX_ADD || op == INDEX_MAX_OF ? a || b : a && b;
        return;
    }
    case DT_F16:
    case DT_BF16: {
        bool half = t == DT_F16;
        uint16_t x = *(uint16_t *)base, y = *(const uint16_t *)dense;
        float a = half ? f16_to_float(x) : bf16_to_float(x), b = half ? f16_to_float(y) : bf16_to_float(y);
        float r = COMBINE(float, a, b, op);
        *(uint16_t *)base = half ? f16_from_float(r) : bf16_from_float(r);
        return;
    }
    case DT_C32: {
        uint16_t *a = (uint16_t *)base;
        const uint16_t *b = (const uint16_t *)dense;
        float x[2] = {f16_to_float(a[0]), f16_to_float(a[1])}, y[2] = {f16_to_float(b[0]), f16_to_float(b[1])};
        combine_complex(op, x, y);
        a[0] = f16_from_float(x[0]);
        a[1] = f16_from_float(x[1]);
        return;
    }
    case DT_C64: combine_complex(op, (float *)base, (const float *)dense); return;
    case DT_C128: {
        double *a = (double *)base;
        const double *b = (const double *)dense;
        double re = op == INDEX_ADD ? a[0] + b[0] : a[0] * b[0] - a[1] * b[1];
        a[1] = op == INDEX_ADD ? a[1] + b[1] : a[0] * b[1] + a[1] * b[0];
        a[0] = re;
        return;
    }
    default: return;
    }
}

static inline void move(char *to, const char *from, size_t size)
{
    switch (size) {
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    default: memcpy(to, from, size);
    }
}

// Rows along which one index tensor changes: gather, take, scatter, index with one tensor. `act` sees the element `*base`
// that the index names and the dense one `*dense`.
#define INDEXED_ROW(name, T, act)                                                                                      \
    static void name(Walk *w, char **data, const int64_t *stride, int64_t n)                                           \
    {                                                                                                                  \
        const int64_t size = w->plan->size[0], step = w->step[0], wrap = w->plan->wrap ? size : 0;                     \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            int64_t raw = *(const int64_t *)(data[2] + i * stride[2]), at = raw < 0 ? raw + wrap : raw;                \
            if ((uint64_t)at >= (uint64_t)size) {                                                                      \
                w->bad_index = 0;                                                                                      \
                w->bad_value = raw;                                                                                    \
                return;                                                                                                \
            }                                                                                                          \
            T *base = (T *)(data[1] + i * stride[1] + at * step), *dense = (T *)(data[0] + i * stride[0]);             \
            act;                                                                                                       \
        }                                                                                                              \
    }
INDEXED_ROW(get_row_1, uint8_t, *dense = *base)
INDEXED_ROW(get_row_2, uint16_t, *dense = *base)
INDEXED_ROW(get_row_4, uint32_t, *dense = *base)
INDEXED_ROW(get_row_8, uint64_t, *dense = *base)
INDEXED_ROW(get_row_any, char, move(dense, base, w->size))
INDEXED_ROW(set_row_4, uint32_t, *base = *dense)
INDEXED_ROW(set_row_8, uint64_t, *base = *dense)
INDEXED_ROW(set_row_any, char, move(base, dense, w->size))
INDEXED_ROW(add_row_f32, float, *base += *dense)
INDEXED_ROW(add_row_f64, double, *base += *dense)
INDEXED_ROW(add_row_i64, uint64_t, *base += *dense)
INDEXED_ROW(mul_row_f32, float, *base *= *dense)
INDEXED_ROW(max_row_f32, float, *base = COMBINE(float, *base, *dense, INDEX_MAX_OF))
INDEXED_ROW(min_row_f32, float, *base = COMBINE(float, *base, *dense, INDEX_MIN_OF))
INDEXED_ROW(combine_row_any, char, combine(w->dtype, w->op, base, dense))

typedef void (*RowFn)(Walk *w, char **data, const int64_t *stride, int64_t n);

static RowFn indexed_row(IndexOp op, DType t, size_t size)
{
    if (op == INDEX_GET)
        return size == 4 ? get_row_4 : size == 8 ? get_row_8 : size == 2 ? get_row_2 : size == 1 ? get_row_1 : get_row_any;
    if (op == INDEX_SET)
        return size == 4 ? set_row_4 : size == 8 ? set_row_8 : set_row_any;
    if (t == DT_F32)
        return op == INDEX_ADD ? add_row_f32 : op == INDEX_MUL ? mul_row_f32 : op == INDEX_MAX_OF ? max_row_f32 : min_row_f32;
    if (op == INDEX_ADD && t == DT_F64)
        return add_row_f64;
    return op == INDEX_ADD && t == DT_I64 ? add_row_i64 : combine_row_any;
}

// Rows of which the index names the whole: both sides lie side by side (or dense is one element). False: not done.
static bool whole_row(const Walk *w, char *dense, char *base, const int64_t *stride, int64_t n)
{
    int64_t size = (int64_t)w->size;
    if (stride[1] != size || (stride[0] != size && stride[0] != 0))
        return false;
    if (stride[0] == 0) {
        if (w->op != INDEX_SET || (size != 4 && size != 8))
            return false;
        for (int64_t i = 0; size == 4 && i < n; i++)
            ((uint32_t *)base)[i] = *(const uint32_t *)dense;
        for (int64_t i = 0; size == 8 && i < n; i++)
            ((uint64_t *)base)[i] = *(const uint64_t *)dense;
        return true;
    }
    if (w->op == INDEX_GET || w->op == INDEX_SET) {
        memcpy(w->op == INDEX_GET ? dense : base, w->op == INDEX_GET ? base : dense, (size_t)n * w->size);
        return true;
    }
    if (w->op != INDEX_ADD || (w->dtype != DT_F32 && w->dtype != DT_F64 && w->dtype != DT_I64))
        return false;
    for (int64_t i = 0; w->dtype == DT_F32 && i < n; i++)
        ((float *)base)[i] += ((const float *)dense)[i];
    for (int64_t i = 0; w->dtype == DT_F64 && i < n; i++)
        ((double *)base)[i] += ((const double *)dense)[i];
    for (int64_t i = 0; w->dtype == DT_I64 && i < n; i++)
        ((uint64_t *)base)[i] += ((const uint64_t *)dense)[i];
    return true;
}

// data: dense, base, indices…
static void walk_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    Walk *w = ctx;
    int64_t offset = 0;
    if (w->bad_index >= 0)
        return;
    if (w->row_constant && !locate(w, data + 2, &offset))
        return;
    if (w->row_constant && whole_row(w, data[0], data[1] + offset, stride, n))
        return;
    if (!w->row_constant && w->plan->count == 1) {
        w->row(w, data, stride, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (!w->row_constant && !locate(w, data + 2, &offset))
            return;
        char *base = data[1] + offset;
        if (w->op == INDEX_GET)
            move(data[0], base, w->size);
        else if (w->op == INDEX_SET)
            move(base, data[0], w->size);
        else
            combine(w->dtype, w->op, base, data[0]);
        for (int k = 0; k < w->plan->count + 2; k++)
            data[k] += stride[k];
    }
}

Status index_run(const IndexPlan *p, IndexOp op, const View *dense, const View *base, const View *const *indices, int *bad_index, int64_t *bad_value)
{
    DType t = (DType)base->dtype;
    if (dtype_is_complex(t) && op > INDEX_MUL)
        return ST_DECLINED;
    Walk w = {.plan = p, .op = op, .dtype = t, .size = dtype_size(t), .row_constant = true, .bad_index = -1};
    w.row = indexed_row(op, t, w.size);
    const View *views[ITER_MAX_OPERANDS] = {dense, base};
    char *data[ITER_MAX_OPERANDS] = {dense->data, base->data};
    for (int k = 0; k < p->count; k++) {
        views[k + 2] = indices[k];
        data[k + 2] = indices[k]->data;
        w.step[k] = p->step[k] * (int64_t)w.size;
    }
    Iter it;
    (p->in_order ? iter_plan_in_order : iter_plan)(&it, dense->ndim, dense->size, p->count + 2, views);
    for (int k = 0; k < p->count; k++)
        w.row_constant = w.row_constant && (it.stride[0][k + 2] == 0 || it.size[0] == 1);
    iter_run(&it, data, walk_row, &w);
    if (w.bad_index < 0)
        return ST_OK;
    *bad_index = w.bad_index;
    *bad_value = w.bad_value;
    return ST_RAISED;
}

Status take_rows(char *dst, const char *src, int64_t outer, int64_t rows, size_t bytes, const int64_t *index, int64_t n, int64_t *bad)
{
    for (int64_t k = 0; k < n; k++)
        if (index[k] < 0 || index[k] >= rows) {
            *bad = index[k];
            return ST_RAISED;
        }
    for (int64_t o = 0; o < outer; o++, src += (size_t)rows * bytes) {
        if (bytes == 4) {
            for (int64_t k = 0; k < n; k++, dst += 4)
                memcpy(dst, src + index[k] * 4, 4);
        } else {
            for (int64_t k = 0; k < n; k++, dst += bytes)
                memcpy(dst, src + (size_t)index[k] * bytes, bytes);
        }
    }
    return ST_OK;
}

// ---- elements that are not zero

typedef struct TrueWalk {
    Converter to_bool;
    int64_t count;
    int64_t *out;                // NULL: only count
    int64_t total;               // elements of each dimension's part of out
    int ndim;
    int64_t size[VIEW_MAX_DIMS]; // logical
    int64_t at;                  // logical position of the row's first element
    int64_t last;                // of the element found last
    int64_t coordinate[VIEW_MAX_DIMS]; // its coordinates
} TrueWalk;

// Moves the coordinates on to logical position `to`, which lies further.
static void advance(TrueWalk *w, int64_t to)
{
    int64_t carry = to - w->last;
    w->last = to;
    for (int d = w->ndim - 1; d >= 0 && carry; d--) {
        int64_t c = w->coordinate[d] + carry;
        carry = c >= w->size[d] ? c / w->size[d] : 0;
        w->coordinate[d] = c - carry * w->size[d];
    }
}

static void true_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    TrueWalk *w = ctx;
    uint8_t block[1024];
    for (int64_t from = 0; from < n; from += (int64_t)sizeof block) {
        int64_t m = n - from < (int64_t)sizeof block ? n - from : (int64_t)sizeof block;
        convert_row(&w->to_bool, (char *)block, 1, data[0] + from * stride[0], stride[0], m);
        if (!w->out) {
            for (int64_t i = 0; i < m; i++)
                w->count += block[i] != 0;
            continue;
        }
        for (int64_t i = 0; i < m;) { // as far as only the last coordinate changes
            advance(w, w->at + from + i);
            int last = w->ndim - 1;
            int64_t first = last >= 0 ? w->coordinate[last] : 0, run = last >= 0 ? w->size[last] - first : 1;
            run = run < m - i ? run : m - i;
            for (int64_t j = 0; j < run; j++) {
                if (!block[i + j])
                    continue;
                int64_t k = w->count++;
                for (int d = 0; d < last; d++)
                    w->out[d * w->total + k] = w->coordinate[d];
                if (last >= 0)
                    w->out[last * w->total + k] = first + j;
            }
            i += run;
        }
    }
    w->at += n;
}

static int64_t walk_true(const View *v, int64_t total, int64_t *positions)
{
    TrueWalk w = {.out = positions, .total = total, .ndim = v->ndim};
    memcpy(w.size, v->size, sizeof w.size);
    if (!converter_find((DType)v->dtype, DT_BOOL, &w.to_bool))
        return 0;
    // bool to bool copies bytes: anything but 0 counts.
    Iter it;
    iter_plan_in_order(&it, v->ndim, v->size, 1, &v);
    char *data[1] = {v->data};
    iter_run(&it, data, true_row, &w);
    return w.count;
}

int64_t count_true(const View *v) { return walk_true(v, 0, NULL); }
void true_positions(const View *v, int64_t count, int64_t *positions) { walk_true(v, count, positions); }
