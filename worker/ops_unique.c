// Operator bindings: unique elements and slices, in sorted order or as they come; and reductions of segments.
#include "kernels/copy.h"
#include "worker/op_util.h"
#include "worker/sequence.h"

Status op_unique_consecutive(Lane *lane, Site *site, const IValue *args, IValue *rets); // ops_sort.c: of the flattened tensor

#include <math.h>
#include <stdlib.h>

#define INT value_int

// ---- unique slices

// Rows that are compared: n of them, `width` doubles or int64s each.
typedef struct Rows {
    const char *data;
    int64_t width;
    bool real;
} Rows;

// <0, 0, >0 as a comes before b, is it, or comes after; NaN is neither, and then equal only says "not before".
static int compare_rows(const Rows *r, int64_t a, int64_t b)
{
    if (r->real) {
        const double *x = (const double *)r->data + a * r->width, *y = (const double *)r->data + b * r->width;
        for (int64_t i = 0; i < r->width; i++)
            if (x[i] < y[i] || x[i] > y[i])
                return x[i] < y[i] ? -1 : 1;
        return 0;
    }
    const int64_t *x = (const int64_t *)r->data + a * r->width, *y = (const int64_t *)r->data + b * r->width;
    for (int64_t i = 0; i < r->width; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static bool same_rows(const Rows *r, int64_t a, int64_t b)
{
    if (compare_rows(r, a, b) != 0)
        return false;
    for (int64_t i = 0; r->real && i < r->width; i++)
        if (((const double *)r->data)[a * r->width + i] != ((const double *)r->data)[b * r->width + i])
            return false; // NaN
    return true;
}

// Stable, by merging runs of 1, 2, 4, …
static void sort_rows(const Rows *r, int64_t n, int64_t *order, int64_t *spare)
{
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    int64_t *from = order, *to = spare;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            int64_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n, i = low, j = middle;
            for (int64_t k = low; k < high; k++)
                to[k] = j >= high || (i < middle && compare_rows(r, from[i], from[j]) <= 0) ? from[i++] : from[j++];
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, (size_t)n * sizeof *order);
}

// Fills first[] with one row of each group, the group of every row and the sizes of the groups; gives the number of groups.
static int64_t group_rows(const Rows *r, int64_t n, bool sorted, int64_t *scratch, int64_t *first, int64_t *group_of, int64_t *counts)
{
    int64_t groups = 0, *order = scratch;
    if (sorted)
        sort_rows(r, n, order, scratch + n);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = sorted ? order[i] : i;
        if (i == 0 || !same_rows(r, sorted ? order[i - 1] : i - 1, row)) {
            first[groups] = row;
            counts[groups++] = 0;
        }
        group_of[row] = groups - 1;
        counts[groups - 1]++;
    }
    return groups;
}

static IValue new_ints(Sequence *q, int64_t n)
{
    Tensor *t = NULL;
    Status made = q->status == ST_OK ? tensor_new(q->lane, DT_I64, 1, &n, &t) : q->status;
    return sequence_keep(q, made, made == ST_OK ? value_tensor_take(t) : value_none());
}

// Unique slices along a dimension: (slices, group of each, sizes of the groups).
static Status unique_slices(Lane *lane, Site *site, const IValue *args, int dim_arg, bool sorted, IValue *rets)
{
    const View *v = &args[0].as.tensor->view;
    DType t = (DType)v->dtype;
    bool real = dtype_is_floating(t);
    int dim;
    if (dtype_is_complex(t))
        return op_raise("\"unique_dim\" not implemented for '%s'", dtype_torch_name(t));
    TRY(wrap_dim(args[dim_arg].as.i, v->ndim, &dim));
    int64_t n = v->ndim ? v->size[dim] : 1, width = n ? view_numel(v) / n : 0;
    for (int d = 0; d < v->ndim; d++)
        if (d != dim && v->size[d] == 0)
            return op_raise("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue x = v->ndim ? STEP(q, "aten::movedim.int", args[0], INT(dim), INT(0)) : args[0];
    x = STEP(q, "aten::to.dtype", x, INT(real ? DT_F64 : DT_I64), value_bool(false), value_bool(false), value_none());
    x = STEP(q, "aten::contiguous", x, INT(FORMAT_CONTIGUOUS));
    IValue first = new_ints(q, n), groups = new_ints(q, n), counts = new_ints(q, n);
    int64_t found = 0;
    if (q->status == ST_OK) {
        Rows r = {x.as.tensor->view.data, width, real};
        int64_t *scratch = malloc((size_t)n * 2 * sizeof *scratch + 1);
        if (scratch)
            found = group_rows(&r, n, sorted, scratch, first.as.tensor->view.data, groups.as.tensor->view.data, counts.as.tensor->view.data);
        else
            q->status = status_no_memory((size_t)n * 2 * sizeof *scratch);
        free(scratch);
    }
    first = STEP(q, "aten::slice.Tensor", first, INT(0), INT(0), INT(found), INT(1));
    counts = STEP(q, "aten::slice.Tensor", counts, INT(0), INT(0), INT(found), INT(1));
    IValue out;
    if (v->ndim) { // the dimension is the outermost in memory, as PyTorch leaves it
        out = STEP(q, "aten::movedim.int", args[0], INT(dim), INT(0));
        out = STEP(q, "aten::movedim.int", STEP(q, "aten::index_select", out, INT(0), first), INT(0), INT(dim));
    } else {
        out = STEP(q, "aten::reshape", args[0], sequence_ints(q, 1, (int64_t[]){1}));
    }
    return SEQUENCE_GIVE(q, rets, out, groups, counts); // asked for or not
}

OP_FN(op_unique_dim) { return unique_slices(lane, site, args, 1, true, rets); }
OP_FN(op_unique_dim_consecutive) { return unique_slices(lane, site, args, 1, false, rets); }

// (self, return_inverse, return_counts, dim)
OP_FN(op_unique_consecutive_any)
{
    int ndim = args[0].as.tensor->view.ndim;
    if (!arg_is_none(args[3]) && !(ndim == 1 && args[3].as.i == 0))
        return unique_slices(lane, site, args, 3, false, rets);
    return op_unique_consecutive(lane, site, args, rets);
}

OP_FN(op_unique_pair) // _unique: self, sorted, return_inverse
{
    Sequence sequence, *q = &sequence;
    TRY(sequence_begin(q, lane, site));
    IValue made[3];
    sequence_step(q, "aten::_unique2", STEP_ARGS(args[0], args[1], args[2], value_bool(false)), 3, made);
    return sequence_give_all(q, 2, made, rets);
}

// ---- segments

typedef enum SegmentOp { SEGMENT_SUM, SEGMENT_PROD, SEGMENT_MEAN, SEGMENT_MAX, SEGMENT_MIN } SegmentOp;

static Status segment_named(IValue v, SegmentOp *out)
{
    static const struct { const char *name; SegmentOp op; } names[] = {{"sum", SEGMENT_SUM}, {"prod", SEGMENT_PROD}, {"mean", SEGMENT_MEAN},
                                                                       {"max", SEGMENT_MAX}, {"amax", SEGMENT_MAX}, {"min", SEGMENT_MIN}, {"amin", SEGMENT_MIN}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(str_of_value(v), names[i].name)) {
            *out = names[i].op;
            return ST_OK;
        }
    return op_raise("reduce argument must be either sum, prod, mean, amax or amin, got " STR_FMT, STR_ARG(str_of_value(v)));
}

typedef struct Segments {
    SegmentOp op;
    int64_t outer, count, data_size, inner; // batches; segments of each; elements along the axis; elements behind it
    bool by_offsets, initial_given;
    double initial;
} Segments;

static double segment_start(const Segments *s)
{
    if (s->initial_given)
        return s->initial;
    return s->op == SEGMENT_PROD ? 1 : s->op == SEGMENT_MAX ? -INFINITY : s->op == SEGMENT_MIN ? INFINITY : 0;
}

static double segment_step(SegmentOp op, double acc, double x)
{
    switch (op) {
    case SEGMENT_PROD: return acc * x;
    case SEGMENT_MAX: return x != x || x > acc ? x : acc;
    case SEGMENT_MIN: return x != x || x < acc ? x : acc;
    default: return acc + x;
    }
}

static void reduce_segments(const Segments *s, const double *data, const int64_t *bounds, double *out)
{
    int64_t marks = s->count + s->by_offsets;
    for (int64_t o = 0; o < s->outer; o++) {
        int64_t at = 0;
        for (int64_t k = 0; k < s->count; k++) {
            const int64_t *b = bounds + o * marks + k;
            int64_t from = s->by_offsets ? b[0] : at, n = s->by_offsets ? b[1] - b[0] : b[0];
            at = from + n;
            for (int64_t i = 0; i < s->inner; i++) {
                double acc = segment_start(s);
                for (int64_t j = from; j < from + n; j++)
                    acc = segment_step(s->op, acc, data[(o * s->data_size + j) * s->inner + i]);
                if (s->op == SEGMENT_MEAN && n > 0)
                    acc /= (double)n;
                else if (s->op == SEGMENT_MEAN && !s->initial_given)
                    acc = NAN;
                *out++ = acc;
            }
        }
    }
}

// Every segment lies inside the data; lengths add up to it unless that is not asked for.
static Status check_segments(const Segments *s, const int64_t *bounds, bool unsafe)
{
    int64_t marks = s->count + s->by_offsets;
    for (int64_t o = 0; o < s->outer; o++) {
        int64_t total = 0;
        const int64_t *b = bounds + o * marks;
        for (int64_t k = 0; k < s->count; k++) {
            int64_t n = s->by_offsets ? b[k + 1] - b[k] : b[k];
            if (n < 0 || (s->by_offsets && (b[k] < 0 || b[k + 1] > s->data_size)))
                return op_raise(s->by_offsets ? "segment_reduce(): offsets are not ascending positions in the data" : "lengths contains negative value!");
            if (__builtin_add_overflow(total, n, &total) || total > s->data_size)
                return op_raise("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.");
        }
        if (!s->by_offsets && !unsafe && total != s->data_size)
            return op_raise("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe.");
    }
    return ST_OK;
}

OP_FN(op_segment_reduce) // data, reduce, lengths, indices, offsets, axis, unsafe, initial
{
    Tensor *data = args[0].as.tensor;
    DType t = tensor_dtype(data);
    Segments s = {.by_offsets = args[2].tag != TAG_TENSOR, .initial_given = !arg_is_none(args[7]), .initial = arg_double(args[7])};
    IValue bounds = s.by_offsets ? args[4] : args[2];
    int axis;
    TRY(segment_named(args[1], &s.op));
    TRY(wrap_dim(args[5].as.i, data->view.ndim, &axis));
    if (!arg_is_none(args[3]))
        return op_raise("segment_reduce(): indices based reduction is not supported yet.");
    if (bounds.tag != TAG_TENSOR)
        return op_raise("segment_reduce(): Either lengths or offsets must be defined.");
    if (!dtype_is_floating(t))
        return op_raise_class("NotImplementedError", "\"_segment_reduce_cpu\" not implemented for '%s'", dtype_torch_name(t));
    const View *b = &bounds.as.tensor->view, *v = &data->view;
    if (b->ndim == 0 || b->ndim - 1 != axis || v->ndim <= axis)
        return op_raise("segment_reduce(): Expected axis to be the last dimension of %s but got %d.", s.by_offsets ? "offsets" : "lengths", axis);
    if (b->dtype != DT_I64 && b->dtype != DT_I32)
        return op_raise("segment_reduce(): Expected %s to have dtype int or long", s.by_offsets ? "offsets" : "lengths");
    int64_t size[VIEW_MAX_DIMS];
    s.outer = s.inner = 1;
    for (int d = 0; d < v->ndim; d++) {
        size[d] = d < axis ? b->size[d] : d == axis ? b->size[d] - s.by_offsets : v->size[d];
        if (d < axis && b->size[d] != v->size[d])
            return op_raise("segment_reduce(): Expected the batch dimensions of data and %s to agree", s.by_offsets ? "offsets" : "lengths");
        if (d < axis)
            s.outer *= v->size[d];
        else if (d > axis)
            s.inner *= v->size[d];
    }
    s.count = size[axis];
    s.data_size = v->size[axis];
    if (s.count < 0)
        return op_raise("segment_reduce(): offsets must have at least one element");
    Tensor *wide = NULL, *marks = NULL, *made = NULL, *out = NULL;
    Status status = tensor_copy_as(lane, data, DT_F64, FORMAT_CONTIGUOUS, &wide);
    if (status == ST_OK)
        status = tensor_copy_as(lane, bounds.as.tensor, DT_I64, FORMAT_CONTIGUOUS, &marks);
    if (status == ST_OK)
        status = check_segments(&s, marks->view.data, args[6].as.b);
    if (status == ST_OK)
        status = tensor_new(lane, DT_F64, v->ndim, size, &made);
    if (status == ST_OK) {
        reduce_segments(&s, wide->view.data, marks->view.data, made->view.data);
        status = tensor_to_dtype(lane, made, t, &out);
    }
    Tensor *temporary[] = {wide, marks, made};
    for (int i = 0; i < 3; i++)
        if (temporary[i])
            tensor_release(temporary[i]);
    TRY(status);
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

const OpBinding OPS_UNIQUE[] = {
    {"aten::unique_dim", op_unique_dim, 0, NULL, sequence_free},
    {"aten::unique_dim_consecutive", op_unique_dim_consecutive, 0, NULL, sequence_free},
    {"aten::unique_consecutive", op_unique_consecutive_any, 0, NULL, sequence_free},
    {"aten::_unique", op_unique_pair, 0, NULL, sequence_free},
    {"aten::segment_reduce", op_segment_reduce, 0, NULL, NULL},
    {0},
};
