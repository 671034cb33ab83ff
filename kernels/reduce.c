// Drives the reductions: splits the dimensions into kept and reduced ones, chooses the walk, gathers strided or converted
// elements into blocks, and turns accumulators into results.
#include "kernels/reduce.h"

#include "kernels/cpu/vec.h"
#include "kernels/reduce_complex.h"
#include "kernels/reduce_loops.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    GATHER = 512,  // elements gathered at once
    SHORT_ROW = 8, // the most elements of rows that are folded side by side, as columns
};

typedef struct Reduction {
    ReduceOp op;
    double number;         // correction or p
    const ReduceLoops *loops;
    DType from, type;      // elements of the operand; those the loops see: F32, F64 or I64
    bool integer;          // accumulators are int64
    Iter kept, reduced;    // operands: in, out0, out1; and in
    Converter load, store[2];
    bool direct;           // elements need no conversion
    bool short_rows;       // few reduced elements of many
    bool whole_row;        // and those of one result lie side by side
    bool has_out[2];
    int64_t count;         // reduced elements per result
    int element;           // bytes of an element of the loops
    DType acc_type;        // of the accumulators: F64 or I64
} Reduction;

// ---- passes over the elements

static void start(const Reduction *r, ReduceStep step, ReduceState *s, int64_t m)
{
    bool low = step == STEP_MAX || step == STEP_ABS_MAX, high = step == STEP_MIN || step == STEP_ABS_MIN;
    bool one = step == STEP_PROD || step == STEP_ALL;
    for (int64_t j = 0; j < m; j++) {
        if (r->integer)
            s->value.i[j] = step == STEP_ABS_MAX ? 0 : low ? INT64_MIN : high ? INT64_MAX : one;
        else
            s->value.f[j] = step == STEP_ABS_MAX ? 0 : low ? -INFINITY : high ? INFINITY : one;
        s->at[j] = -1;
    }
}

typedef struct RowPass {
    const Reduction *r;
    ReduceStep step;
    ReduceState *s;
    int64_t at;
} RowPass;

// The extreme of a row of integers that would need conversion, taken of them as they are. False: not such a row.
static bool narrow_extreme(const Reduction *r, ReduceStep step, ReduceState *s, const char *x, int64_t stride, int64_t n)
{
    return r->integer && !r->direct && (step == STEP_MAX || step == STEP_MIN) && stride == (int64_t)dtype_size(r->from) &&
           reduce_extreme(r->from, step, x, n, &s->value.i[0]);
}

static void row_pass(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    RowPass *p = ctx;
    const Reduction *r = p->r;
    if (r->direct && (stride[0] == r->element || n == 1)) {
        r->loops->row(p->step, p->s, data[0], n, p->at, r->number);
        p->at += n;
        return;
    }
    if (narrow_extreme(r, p->step, p->s, data[0], stride[0], n)) {
        p->at += n;
        return;
    }
    _Alignas(16) char block[GATHER * 8];
    for (int64_t from = 0; from < n; from += GATHER) {
        int64_t m = n - from < GATHER ? n - from : GATHER;
        convert_row(&r->load, block, r->element, data[0] + from * stride[0], stride[0], m);
        r->loops->row(p->step, p->s, block, m, p->at, r->number);
        p->at += m;
    }
}

typedef struct ColumnPass {
    const Reduction *r;
    ReduceStep step;
    ReduceState *s;
    int64_t at, m, stride; // columns of this block, bytes between them
} ColumnPass;

// Some rows in float, then those into the accumulators.
static void float_columns(ColumnPass *p, const char *data, int64_t stride, int64_t n, bool in_place)
{
    const Reduction *r = p->r;
    _Alignas(64) float some[REDUCE_COLUMNS], block[REDUCE_COLUMNS];
    PwLoop join = vec_table()->f32[p->step == STEP_SUM ? PW_ADD : p->step == STEP_MAX ? PW_MAXIMUM : PW_MINIMUM];
    int64_t most = p->step == STEP_SUM ? REDUCE_SHORT : n;
    for (int64_t from = 0; from < n; from += most) {
        int64_t end = n - from < most ? n : from + most;
        for (int64_t i = from; i < end; i++) {
            const void *x = data + i * stride;
            float *to = i == from ? some : block;
            if (!in_place)
                convert_row(&r->load, (char *)to, r->element, x, p->stride, p->m);
            else if (i == from)
                memcpy(some, x, (size_t)p->m * sizeof *some);
            if (i > from)
                join(some, (const void *[]){in_place ? x : block, some}, p->m, 0, NULL);
        }
        r->loops->columns(p->step, p->s, some, p->m, p->at, r->number);
        p->at += end - from;
    }
}

static void column_pass(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    ColumnPass *p = ctx;
    const Reduction *r = p->r;
    _Alignas(64) char block[REDUCE_COLUMNS * 8];
    bool in_place = r->direct && (p->stride == r->element || p->m == 1);
    if (r->type == DT_F32 && n > 2 && (p->step == STEP_MAX || p->step == STEP_MIN || p->step == STEP_SUM)) {
        float_columns(p, data[0], stride[0], n, in_place);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const char *x = data[0] + i * stride[0];
        if (!in_place) {
            convert_row(&r->load, block, r->element, x, p->stride, p->m);
            x = block;
        }
        r->loops->columns(p->step, p->s, x, p->m, p->at++, r->number);
    }
}

// One pass over the elements of m results. stride: bytes between the first elements of neighbouring results.
static void pass(const Reduction *r, ReduceStep step, ReduceState *s, char *in, int64_t m, int64_t stride, bool columns)
{
    start(r, step, s, m);
    if (!columns && r->reduced.ndim == 1 && narrow_extreme(r, step, s, in, r->reduced.stride[0][0], r->reduced.size[0]))
        return;
    if (!columns && r->whole_row) {
        r->loops->row(step, s, in, r->reduced.size[0], 0, r->number);
    } else if (columns) {
        ColumnPass p = {r, step, s, 0, m, stride};
        iter_run(&r->reduced, &in, column_pass, &p);
    } else {
        RowPass p = {r, step, s, 0};
        iter_run(&r->reduced, &in, row_pass, &p);
    }
}

// ---- from passes to results

static ReduceStep norm_step(double p)
{
    return p == 0 ? STEP_COUNT : p == 1 ? STEP_ABS : p == 2 ? STEP_SQUARES
         : isinf(p) ? (p > 0 ? STEP_ABS_MAX : STEP_ABS_MIN) : STEP_ABS_POWER;
}

// Leaves the results in s->value, and what goes to the second output in s->center or s->at.
static void results(const Reduction *r, ReduceState *s, char *in, int64_t m, int64_t stride, bool columns)
{
    static const ReduceStep simple[] = {
        [REDUCE_SUM] = STEP_SUM, [REDUCE_NANSUM] = STEP_NANSUM, [REDUCE_MEAN] = STEP_SUM, [REDUCE_PROD] = STEP_PROD,
        [REDUCE_MAX] = STEP_MAX, [REDUCE_MIN] = STEP_MIN, [REDUCE_ARGMAX] = STEP_ARGMAX, [REDUCE_ARGMIN] = STEP_ARGMIN,
        [REDUCE_ANY] = STEP_ANY, [REDUCE_ALL] = STEP_ALL, [REDUCE_COUNT_NONZERO] = STEP_COUNT,
    };
    double n = (double)r->count;
    double *value = s->value.f;
    memset(s->center, 0, sizeof s->center[0] * (size_t)m);
    switch (r->op) {
    case REDUCE_VAR:
    case REDUCE_STD:
        pass(r, STEP_SUM, s, in, m, stride, columns);
        for (int64_t j = 0; j < m; j++)
            s->center[j] = value[j] / n;
        pass(r, STEP_SQUARES, s, in, m, stride, columns);
        for (int64_t j = 0; j < m; j++) {
            double rest = n - r->number;
            value[j] /= rest > 0 ? rest : 0;
            value[j] = r->op == REDUCE_STD ? sqrt(value[j]) : value[j];
        }
        return;
    case REDUCE_NORM:
        pass(r, norm_step(r->number), s, in, m, stride, columns);
        for (int64_t j = 0; j < m; j++)
            value[j] = r->number == 2 ? sqrt(value[j])
                     : norm_step(r->number) == STEP_ABS_POWER ? pow(value[j], 1 / r->number) : value[j];
        return;
    case REDUCE_LOGSUMEXP:
        pass(r, STEP_MAX, s, in, m, stride, columns);
        for (int64_t j = 0; j < m; j++)
            s->center[j] = isinf(value[j]) ? 0 : value[j];
        pass(r, STEP_EXP, s, in, m, stride, columns);
        for (int64_t j = 0; j < m; j++)
            value[j] = log(value[j]) + s->center[j];
        return;
    default:
        pass(r, simple[r->op], s, in, m, stride, columns);
        for (int64_t j = 0; r->op == REDUCE_MEAN && j < m; j++)
            value[j] /= n;
    }
}

static void store(const Reduction *r, const ReduceState *s, char *const *out, const int64_t *stride, int64_t m)
{
    if (r->has_out[0])
        convert_row(&r->store[0], out[0], stride[0], (const char *)&s->value, 8, m);
    bool positions = r->op == REDUCE_ARGMAX || r->op == REDUCE_ARGMIN;
    if (r->has_out[1])
        convert_row(&r->store[1], out[1], stride[1], positions ? (const char *)s->at : (const char *)s->center, 8, m);
}

// Rows one after the other; their results are stored some at a time.
static void rows(const Reduction *r, char **data, const int64_t *stride, int64_t n)
{
    ReduceState one, all;
    for (int64_t at = 0; at < n; at += REDUCE_COLUMNS) {
        int64_t m = n - at < REDUCE_COLUMNS ? n - at : REDUCE_COLUMNS;
        for (int64_t j = 0; j < m; j++) {
            results(r, &one, data[0] + (at + j) * stride[0], 1, 0, false);
            all.value.i[j] = one.value.i[0]; // or the double's bits
            all.at[j] = one.at[0];
            all.center[j] = one.center[0];
        }
        char *out[2] = {data[1] + at * stride[1], data[2] + at * stride[2]};
        store(r, &all, out, stride + 1, m);
    }
}

// One run of the innermost kept dimension: n results.
static void kept_row(void *ctx, char **data, const int64_t *stride, int64_t n)
{
    const Reduction *r = ctx;
    // Columns when the kept elements are closer together than the reduced ones, or those few.
    bool columns = (n > 1 && (r->reduced.size[0] == 1 || llabs(stride[0]) < llabs(r->reduced.stride[0][0]))) || r->short_rows;
    if (!columns) {
        rows(r, data, stride, n);
        return;
    }
    ReduceState s;
    for (int64_t at = 0; at < n; at += REDUCE_COLUMNS) {
        int64_t m = n - at < REDUCE_COLUMNS ? n - at : REDUCE_COLUMNS;
        char *out[2] = {data[1] + at * stride[1], data[2] + at * stride[2]};
        results(r, &s, data[0] + at * stride[0], m, stride[0], true);
        store(r, &s, out, stride + 1, m);
    }
}

// ---- planning

static bool needs_float(ReduceOp op)
{
    return op == REDUCE_MEAN || op == REDUCE_VAR || op == REDUCE_STD || op == REDUCE_NORM || op == REDUCE_LOGSUMEXP;
}

static Status plan_types(Reduction *r, const View *in, const View *const out[2])
{
    DType t = (DType)in->dtype;
    DTypeCategory c = dtype_category(t);
    if (c == DT_COMPLEX || c == DT_QUANTISED || c == DT_NO_CATEGORY)
        return ST_DECLINED;
    if (c == DT_FLOATING)
        r->type = t == DT_F64 ? DT_F64 : DT_F32;
    else
        r->type = needs_float(r->op) || (out[0] && dtype_is_floating((DType)out[0]->dtype)) ? DT_F64 : DT_I64;
    r->from = t;
    r->integer = r->type == DT_I64;
    r->loops = reduce_loops(r->type);
    r->direct = t == r->type;
    r->element = (int)dtype_size(r->type);
    r->acc_type = r->integer ? DT_I64 : DT_F64;
    bool positions = r->op == REDUCE_ARGMAX || r->op == REDUCE_ARGMIN;
    bool known = converter_find(t, r->type, &r->load);
    for (int i = 0; i < 2; i++) {
        r->has_out[i] = out[i] != NULL;
        known = known && (!out[i] || converter_find(i == 1 ? (positions ? DT_I64 : DT_F64) : r->acc_type, (DType)out[i]->dtype, &r->store[i]));
    }
    return known ? ST_OK : ST_DECLINED;
}

// Extremes of the columns of one matrix whose rows lie side by side.
static bool columns_of_integers(const Reduction *r, const View *in, const View *const out[2])
{
    int64_t size = (int64_t)dtype_size((DType)in->dtype);
    bool plain = (r->op == REDUCE_MAX || r->op == REDUCE_MIN) && out[0] && out[0]->dtype == in->dtype && r->kept.ndim == 1 && r->reduced.ndim == 1 &&
                 r->kept.size[0] > 1 && r->kept.stride[0][0] == size && r->kept.stride[0][1] == size && r->reduced.numel > 0 && r->kept.numel > 0;
    return plain && reduce_extreme_columns((DType)in->dtype, r->op == REDUCE_MAX ? STEP_MAX : STEP_MIN, out[0]->data, in->data, r->kept.size[0],
                                           r->reduced.size[0], r->reduced.stride[0][0]);
}

Status reduce_run(const ReduceParams *p, const View *in, const View *const out[2])
{
    if (dtype_is_complex((DType)in->dtype))
        return reduce_complex_run(p, in, out);
    Reduction r;
    r.op = (ReduceOp)p->op;
    r.number = p->number;
    TRY(plan_types(&r, in, out));
    // The kept and the reduced dimensions, as views of their own.
    View kept = *in, gone = *in;
    kept.ndim = gone.ndim = 0;
    r.count = 1;
    for (int d = 0; d < in->ndim; d++) {
        View *to = p->reduced[d] ? &gone : &kept;
        to->size[to->ndim] = in->size[d];
        to->stride[to->ndim++] = in->stride[d];
        if (p->reduced[d])
            r.count *= in->size[d];
    }
    View none = kept;
    const View *views[3] = {&kept, out[0] ? out[0] : &none, out[1] ? out[1] : &none};
    iter_plan(&r.kept, kept.ndim, kept.size, 3, views);
    const View *rest = &gone;
    bool ordered = r.op == REDUCE_ARGMAX || r.op == REDUCE_ARGMIN;
    (ordered ? iter_plan_in_order : iter_plan)(&r.reduced, gone.ndim, gone.size, 1, &rest);
    r.short_rows = r.kept.numel > 1 && r.reduced.numel <= SHORT_ROW;
    r.whole_row = r.direct && r.reduced.ndim == 1 && r.reduced.numel > 0 && (r.reduced.stride[0][0] == r.element || r.reduced.size[0] == 1);
    if (columns_of_integers(&r, in, out))
        return ST_OK;
    char *data[3] = {in->data, out[0] ? out[0]->data : in->data, out[1] ? out[1]->data : in->data};
    iter_run(&r.kept, data, kept_row, &r);
    return ST_OK;
}
