// Sorting and what is built on it: sort, topk, median, unique; and searching in sorted tensors.
#include "kernels/copy.h"
#include "kernels/promote.h"
#include "kernels/reduce.h"
#include "kernels/sort.h"
#include "worker/ops_index.h"
#include "worker/pointwise.h"

#include <stdlib.h>

static Status not_for_complex(const Tensor *t) { return op_raise("Sort currently does not support complex dtypes on CPU (%s)", dtype_torch_name(tensor_dtype(t))); }

static int64_t size_along(const Tensor *t, int dim) { return t->view.ndim ? t->view.size[dim] : 1; }

// Sorted values and positions; either out may be NULL.
static Status sorted(Lane *lane, Tensor *self, int dim, bool descending, int64_t keep, Tensor **values, Tensor **positions)
{
    Tensor *made[2] = {0};
    Status status = tensor_make_plain(lane, self);
    View like = self->view;
    const View *views[] = {&self->view};
    like.constant = false;
    if (keep == size_along(self, dim)) {
        elementwise_strides(&like, 1, views);
    } else {
        like.size[dim] = keep;
        view_set_contiguous(&like, like.ndim, like.size);
    }
    if (status == ST_OK && values)
        status = tensor_new_as(lane, &like, &made[0]);
    like.dtype = DT_I64;
    if (status == ST_OK && positions)
        status = tensor_new_as(lane, &like, &made[1]);
    if (status == ST_OK)
        status = sort_run(&self->view, dim, descending, keep, values ? &made[0]->view : NULL, positions ? &made[1]->view : NULL);
    if (status == ST_DECLINED)
        status = not_for_complex(self);
    if (status != ST_OK) {
        for (int i = 0; i < 2; i++)
            if (made[i])
                tensor_release(made[i]);
        return status;
    }
    if (values)
        *values = made[0];
    if (positions)
        *positions = made[1];
    return ST_OK;
}

// By address: the call that makes the tensors is an argument too.
static Status give_pair(Status status, Tensor *const *a, Tensor *const *b, IValue *rets)
{
    if (status == ST_OK) {
        rets[0] = value_tensor_take(*a);
        rets[1] = value_tensor_take(*b);
    }
    return status;
}
static Status give_one(Status status, Tensor *const *t, IValue *rets)
{
    if (status == ST_OK)
        rets[0] = value_tensor_take(*t);
    return status;
}

// (self, dim, descending) and (self, stable, dim, descending).
OP_FN(op_sort)
{
    int first = site->arg_count >= 4 ? 2 : 1, dim;
    Tensor *self = args[0].as.tensor, *values = NULL, *positions = NULL;
    TRY(wrap_dim(args[first].as.i, self->view.ndim, &dim));
    return give_pair(sorted(lane, self, dim, args[first + 1].as.b, size_along(self, dim), &values, &positions), &values, &positions, rets);
}

OP_FN(op_argsort)
{
    int first = site->arg_count >= 4 ? 2 : 1, dim;
    Tensor *self = args[0].as.tensor, *positions = NULL;
    TRY(wrap_dim(args[first].as.i, self->view.ndim, &dim));
    return give_one(sorted(lane, self, dim, args[first + 1].as.b, size_along(self, dim), NULL, &positions), &positions, rets);
}

OP_FN(op_msort)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *values = NULL;
    return give_one(sorted(lane, self, 0, false, size_along(self, 0), &values, NULL), &values, rets);
}

OP_FN(op_topk)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *values = NULL, *positions = NULL;
    int dim;
    TRY(wrap_dim(args[2].as.i, self->view.ndim, &dim));
    int64_t k = args[1].as.i;
    if (k < 0 || k > size_along(self, dim))
        return op_raise("selected index k out of range");
    return give_pair(sorted(lane, self, dim, args[3].as.b, k, &values, &positions), &values, &positions, rets);
}

// Element k of the sorted row, or RANK_MEDIAN, RANK_NANMEDIAN.
static Status pick(Lane *lane, Tensor *self, int dim, int64_t k, bool keepdim, Tensor **value, Tensor **position)
{
    Tensor *made[2] = {0};
    View each[2];
    int64_t size[VIEW_MAX_DIMS], kept[VIEW_MAX_DIMS];
    int ndim = 0;
    TRY(tensor_make_plain(lane, self));
    for (int d = 0; d < self->view.ndim; d++) {
        size[d] = d == dim ? 1 : self->view.size[d];
        if (d != dim || keepdim)
            kept[ndim++] = size[d];
    }
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++) {
        status = tensor_new(lane, i ? DT_I64 : tensor_dtype(self), ndim, kept, &made[i]);
        if (status == ST_OK) {
            each[i] = made[i]->view;
            view_set_contiguous(&each[i], self->view.ndim, size);
        }
    }
    if (status == ST_OK)
        status = rank_run(&self->view, dim, k, &each[0], &each[1]);
    if (status == ST_DECLINED)
        status = not_for_complex(self);
    if (status != ST_OK) {
        for (int i = 0; i < 2; i++)
            if (made[i])
                tensor_release(made[i]);
        return status;
    }
    *value = made[0];
    *position = made[1];
    return ST_OK;
}

OP_FN(op_kthvalue)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *value = NULL, *position = NULL;
    int dim;
    TRY(wrap_dim(args[2].as.i, self->view.ndim, &dim));
    if (args[1].as.i < 1 || args[1].as.i > size_along(self, dim))
        return op_raise("kthvalue(): selected number k out of range for dimension %d", dim);
    return give_pair(pick(lane, self, dim, args[1].as.i - 1, args[3].as.b, &value, &position), &value, &position, rets);
}

// (self): of all elements; (self, dim, keepdim): values and positions. rank: RANK_MEDIAN or RANK_NANMEDIAN.
static Status median(Lane *lane, const Site *site, const IValue *args, int rank, IValue *rets)
{
    Tensor *self = args[0].as.tensor, *value = NULL, *position = NULL;
    int dim = 0;
    if (site->arg_count > 1) {
        TRY(wrap_dim(args[1].as.i, self->view.ndim, &dim));
        if (size_along(self, dim) == 0)
            return op_raise_class("IndexError", "%s(): Expected reduction dim %d to have non-zero size.", rank == RANK_MEDIAN ? "median" : "nanmedian", dim);
        return give_pair(pick(lane, self, dim, rank, args[2].as.b, &value, &position), &value, &position, rets);
    }
    Tensor *packed, *flat;
    int64_t n = tensor_numel(self), one = 1;
    if (n == 0)
        return give_one(tensor_from_scalar(lane, value_float(__builtin_nan("")), tensor_dtype(self), &value), &value, rets);
    TRY(tensor_contiguous(lane, self, &packed));
    Status status = tensor_view(lane, packed, 1, &n, &one, packed->offset, &flat);
    tensor_release(packed);
    TRY(status);
    status = pick(lane, flat, 0, rank, false, &value, &position);
    tensor_release(flat);
    if (position)
        tensor_release(position);
    return give_tensor(status, value, rets);
}

OP_FN(op_median) { return median(lane, site, args, RANK_MEDIAN, rets); }
OP_FN(op_nanmedian) { return median(lane, site, args, RANK_NANMEDIAN, rets); }

// ---- unique

// Groups of equal neighbours of n elements x: fills the values of the groups, and where asked each element's group and where
// the groups start. Elements are compared by their keys: as numbers (-0 equals 0, NaN nothing), or by their bits.
#define GROUP(name, K, T)                                                                                              \
    static int64_t group_##name(const K *key, const T *x, int64_t n, T *values, int64_t *group_of, int64_t *starts)    \
    {                                                                                                                  \
        int64_t groups = 0;                                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            values[groups] = x[i]; /* to be overwritten unless this is a new one */                                    \
            if (starts)                                                                                                \
                starts[groups] = i;                                                                                    \
            groups += i == 0 || !(key[i] == key[i - 1]);                                                               \
            if (group_of)                                                                                              \
                group_of[i] = groups - 1;                                                                              \
        }                                                                                                              \
        return groups;                                                                                                 \
    }
GROUP(half, float, uint16_t)
GROUP(f32, float, float)
GROUP(f64, double, double)
GROUP(8, uint8_t, uint8_t)
GROUP(16, uint16_t, uint16_t)
GROUP(32, uint32_t, uint32_t)
typedef uint64_t Bits64 __attribute__((aligned(4))); // complex numbers are aligned as their parts
typedef __uint128_t Bits128 __attribute__((aligned(8)));
GROUP(64, Bits64, Bits64)
GROUP(128, Bits128, Bits128)

// keys: of half types, as float.
static int64_t group(DType t, const void *keys, const void *x, int64_t n, void *values, int64_t *group_of, int64_t *starts)
{
    switch (t) {
    case DT_F16:
    case DT_BF16: return group_half(keys, x, n, values, group_of, starts);
    case DT_F32: return group_f32(x, x, n, values, group_of, starts);
    case DT_F64: return group_f64(x, x, n, values, group_of, starts);
    default: break;
    }
    switch (dtype_size(t)) {
    case 1: return group_8(x, x, n, values, group_of, starts);
    case 2: return group_16(x, x, n, values, group_of, starts);
    case 4: return group_32(x, x, n, values, group_of, starts);
    case 8: return group_64(x, x, n, values, group_of, starts);
    default: return group_128(x, x, n, values, group_of, starts);
    }
}

// Of integers that span few values: a table of them instead of sorting. group_of and counts may be NULL; false: they span too many.
static bool group_by_table(const int64_t *x, int64_t n, int64_t *values, int64_t *group_of, int64_t *counts, int64_t *groups)
{
    int64_t low = INT64_MAX, high = INT64_MIN, span;
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (n == 0 || __builtin_sub_overflow(high, low, &span) || span >= n)
        return false;
    int64_t *table = calloc((size_t)span + 1, sizeof *table);
    if (!table)
        return false;
    for (int64_t i = 0; i < n; i++)
        table[x[i] - low]++;
    *groups = 0;
    for (int64_t v = 0; v <= span; v++)
        if (table[v]) {
            values[*groups] = low + v;
            if (counts)
                counts[*groups] = table[v];
            table[v] = (*groups)++;
        }
    for (int64_t i = 0; group_of && i < n; i++)
        group_of[i] = table[x[i] - low];
    free(table);
    return true;
}

// Numbers of a half type as integers in the same order, and back. False: one of them is a NaN or -0, which groups by bits
// would keep apart or join wrongly.
static bool half_to_ints(DType t, const uint16_t *x, int64_t n, int64_t *out)
{
    int infinity = t == DT_F16 ? 0x7c00 : 0x7f80, strange = 0;
    for (int64_t i = 0; i < n; i++) {
        int magnitude = x[i] & 0x7fff;
        strange |= (magnitude > infinity) | (x[i] == 0x8000);
        out[i] = x[i] & 0x8000 ? -magnitude : magnitude;
    }
    return !strange;
}
static void half_from_ints(const int64_t *x, int64_t n, uint16_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (uint16_t)(x[i] < 0 ? 0x8000 | -x[i] : x[i]);
}

// group_by_table for all integers and for half types.
static Status unique_by_table(Lane *lane, Tensor *flat, Tensor *out, int64_t *group_of, int64_t *counts, int64_t *found, bool *done)
{
    DType t = tensor_dtype(flat);
    bool half = t == DT_F16 || t == DT_BF16;
    int64_t n = tensor_numel(flat);
    Tensor *ints = NULL, *values = NULL;
    *done = false;
    if (!half && (!dtype_is_integral(t) || t == DT_U64))
        return ST_OK;
    TRY(half ? tensor_new(lane, DT_I64, 1, &n, &ints) : tensor_to_dtype(lane, flat, DT_I64, &ints));
    Status status = tensor_new(lane, DT_I64, 1, &n, &values);
    if (status == ST_OK)
        *done = (!half || half_to_ints(t, flat->view.data, n, ints->view.data)) &&
                group_by_table(ints->view.data, n, values->view.data, group_of, counts, found);
    if (*done) {
        View made = values->view, to = out->view;
        made.size[0] = to.size[0] = *found;
        if (half)
            half_from_ints(values->view.data, *found, out->view.data);
        else
            status = copy_convert(&to, &made);
    }
    tensor_release(ints);
    if (values)
        tensor_release(values);
    return status;
}

// The unique elements of a flat, contiguous tensor (sorted first when asked), positions of each element's group (shape of
// self) and the counts; the latter two are empty unless asked for.
static Status unique_flat(Lane *lane, Tensor *self, bool sort, bool want_inverse, bool want_counts, IValue *rets)
{
    Tensor *packed = NULL, *flat = NULL, *order = NULL, *values = NULL, *keys = NULL;
    Tensor *out = NULL, *inverse = NULL, *counts = NULL, *groups = NULL;
    int64_t n = tensor_numel(self), one = 1, none = 0, found = 0;
    DType t = tensor_dtype(self);
    Status status = tensor_contiguous(lane, self, &packed);
    if (status == ST_OK)
        status = tensor_view(lane, packed, 1, &n, &one, packed->offset, &flat);
    if (status == ST_OK)
        status = tensor_new(lane, t, 1, &n, &out);
    if (status == ST_OK)
        status = want_inverse ? tensor_new(lane, DT_I64, self->view.ndim, self->view.size, &inverse) : tensor_new(lane, DT_I64, 1, &none, &inverse);
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, 1, want_counts ? &n : &none, &counts);
    int64_t *group_of = status == ST_OK && want_inverse ? inverse->view.data : NULL, *starts = status == ST_OK && want_counts ? counts->view.data : NULL;
    bool tabled = false;
    if (status == ST_OK && sort)
        status = unique_by_table(lane, flat, out, group_of, starts, &found, &tabled);
    if (status == ST_OK && !tabled)
        status = sort ? sorted(lane, flat, 0, false, n, &values, want_inverse ? &order : NULL) : (values = tensor_retain(flat), ST_OK);
    if (status == ST_OK && !tabled && (t == DT_F16 || t == DT_BF16))
        status = tensor_to_dtype(lane, values, DT_F32, &keys);
    if (status == ST_OK && order)
        status = tensor_new(lane, DT_I64, 1, &n, &groups);
    if (status == ST_OK && !tabled) {
        found = group(t, keys ? keys->view.data : NULL, values->view.data, n, out->view.data, groups ? groups->view.data : group_of, starts);
        for (int64_t i = 0; groups && i < n; i++)
            group_of[((const int64_t *)order->view.data)[i]] = ((const int64_t *)groups->view.data)[i];
        for (int64_t i = 0; want_counts && i < found; i++)
            starts[i] = (i + 1 < found ? starts[i + 1] : n) - starts[i];
    }
    Tensor *temporary[] = {packed, flat, order, values, keys, groups};
    for (size_t i = 0; i < sizeof temporary / sizeof temporary[0]; i++)
        if (temporary[i])
            tensor_release(temporary[i]);
    if (status != ST_OK) {
        Tensor *made[] = {out, inverse, counts};
        for (int i = 0; i < 3; i++)
            if (made[i])
                tensor_release(made[i]);
        return status;
    }
    out->view.size[0] = found; // the tensors are larger than they now say
    if (want_counts)
        counts->view.size[0] = found;
    rets[0] = value_tensor_take(out);
    rets[1] = value_tensor_take(inverse);
    rets[2] = value_tensor_take(counts);
    return ST_OK;
}

OP_FN(op_unique)
{
    (void)site;
    return unique_flat(lane, args[0].as.tensor, true, args[2].as.b, args[3].as.b, rets);
}

OP_FN(op_unique_consecutive)
{
    (void)site;
    return unique_flat(lane, args[0].as.tensor, false, args[1].as.b, args[2].as.b, rets);
}

// ---- searching

typedef struct Search {
    Tensor *sequence, *values, *sorter; // sorter may be NULL
    DType type;                         // what is compared
    bool right, int32;
} Search;

static Status check_search(const Search *s)
{
    const View *sequence = &s->sequence->view, *values = &s->values->view, *sorter = s->sorter ? &s->sorter->view : NULL;
    int ndim = sequence->ndim;
    if (sorter && !view_same_shape(sorter, sequence))
        return op_raise("torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor %sand got sorter tensor %s",
                        size_text(sequence->size, ndim).text, size_text(sorter->size, sorter->ndim).text);
    if (sorter && sorter->dtype != DT_I64)
        return op_raise("torch.searchsorted(): sorter must be a tensor of long dtype but got dtype %s", dtype_torch_name((DType)sorter->dtype));
    if (values->ndim == 0 && ndim != 1)
        return op_raise("torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim(%d) and input value's dim(0) numel(1)", ndim);
    if (ndim == 0)
        return op_raise("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
    bool fits = ndim == 1 || ndim == values->ndim;
    for (int d = 0; d + 1 < ndim && fits; d++)
        fits = sequence->size[d] == values->size[d];
    if (!fits)
        return op_raise("torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor %s and input value tensor %s",
                        size_text(sequence->size, ndim).text, size_text(values->size, values->ndim).text);
    if (s->type == DT_BOOL || dtype_is_complex(s->type))
        return op_raise("\"searchsorted_out_cpu\" not implemented for '%s'", dtype_torch_name(s->type));
    return ST_OK;
}

// Elements as they are compared: int64, or double after conversion to the type that the operands have in common.
static Status as_compared(Lane *lane, Tensor *t, DType type, Tensor **out)
{
    Tensor *common;
    TRY(tensor_make_plain(lane, t));
    TRY(tensor_to_dtype(lane, t, type, &common));
    Status status = tensor_contiguous_as(lane, common, dtype_is_integral(type) ? DT_I64 : DT_F64, out);
    tensor_release(common);
    return status;
}

// A copy of the rows of n elements of 8 bytes, each in the order its sorter says.
static Status reorder_rows(Lane *lane, Tensor **rows, Tensor *sorter, int64_t n)
{
    Tensor *order = NULL, *sorted = NULL;
    TRY(tensor_contiguous_as(lane, sorter, DT_I64, &order));
    Status status = tensor_new(lane, DT_I64, sorter->view.ndim, sorter->view.size, &sorted);
    for (int64_t i = 0, all = tensor_numel(sorter); i < all && status == ST_OK; i++) {
        int64_t at = ((const int64_t *)order->view.data)[i];
        if (at < 0 || at >= n)
            status = op_raise("torch.searchsorted(): sorter index out of range");
        else
            memcpy(tensor_at(sorted, i), (const char *)(*rows)->view.data + (i - i % n + at) * 8, 8);
    }
    tensor_release(order);
    if (status != ST_OK) {
        if (sorted)
            tensor_release(sorted);
        return status;
    }
    tensor_release(*rows);
    *rows = sorted;
    return ST_OK;
}

// One sorted row for all values, or one per row of values.
static Status search_rows(Lane *lane, const Search *s, Tensor **rows, Tensor **wanted, Tensor **found)
{
    const View *values = &s->values->view;
    int ndim = s->sequence->view.ndim;
    int64_t n = s->sequence->view.size[ndim - 1], each = ndim > 1 ? values->size[ndim - 1] : view_numel(values);
    TRY(as_compared(lane, s->sequence, s->type, rows));
    if (s->sorter)
        TRY(reorder_rows(lane, rows, s->sorter, n));
    TRY(as_compared(lane, s->values, s->type, wanted));
    TRY(tensor_new(lane, DT_I64, values->ndim, values->size, found));
    for (int64_t at = 0, row = 0, all = view_numel(values); at < all; at += each, row++) {
        const char *sorted = (const char *)(*rows)->view.data + row * n * 8, *sought = tensor_at(*wanted, at);
        if (dtype_is_integral(s->type))
            search_sorted_ints((const int64_t *)sorted, n, (const int64_t *)sought, each, s->right, tensor_at(*found, at));
        else
            search_sorted((const double *)sorted, n, (const double *)sought, each, s->right, tensor_at(*found, at));
    }
    if (!s->int32)
        return ST_OK;
    Tensor *narrow;
    TRY(tensor_to_dtype(lane, *found, DT_I32, &narrow));
    tensor_release(*found);
    *found = narrow;
    return ST_OK;
}

// Numbers are 0-dim tensors that count as numbers in promotion.
static Status search(Lane *lane, Search *s, IValue values, IValue *rets)
{
    Promotion p = PROMOTION_NONE;
    Tensor *cell = NULL, *rows = NULL, *wanted = NULL, *found = NULL;
    promote_tensor(&p, tensor_dtype(s->sequence), s->sequence->view.ndim);
    if (values.tag == TAG_TENSOR) {
        s->values = values.as.tensor;
        promote_tensor(&p, tensor_dtype(s->values), s->values->view.ndim);
    } else {
        TRY(tensor_from_scalar(lane, values, number_dtype(values), &cell));
        s->values = cell;
        promote_number(&p, number_dtype(values));
    }
    s->type = promotion_result(&p);
    Status status = check_search(s);
    if (status == ST_OK)
        status = search_rows(lane, s, &rows, &wanted, &found);
    Tensor *const made[] = {cell, rows, wanted};
    for (int i = 0; i < 3; i++)
        if (made[i])
            tensor_release(made[i]);
    return give_tensor(status, found, rets);
}

OP_FN(op_searchsorted)
{
    (void)site;
    Search s = {.sequence = args[0].as.tensor, .sorter = arg_tensor(args[5]), .right = args[3].as.b, .int32 = args[2].as.b};
    if (!arg_is_none(args[4])) {
        Str side = str_of_value(args[4]);
        bool left = str_is(side, "left");
        if (!left && !str_is(side, "right"))
            return op_raise("torch.searchsorted(): side can only be 'left' or 'right' but got " STR_FMT, STR_ARG(side));
        if (left && s.right)
            return op_raise("torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
        s.right = !left;
    }
    return search(lane, &s, args[1], rets);
}

OP_FN(op_bucketize)
{
    (void)site;
    if (args[1].as.tensor->view.ndim != 1)
        return op_raise("boundaries tensor must be 1 dimension, but got dim(%d)", args[1].as.tensor->view.ndim);
    return search(lane, &(Search){.sequence = args[1].as.tensor, .right = args[3].as.b, .int32 = args[2].as.b}, args[0], rets);
}

OP_FN(op_bincount)
{
    (void)site;
    Tensor *self = args[0].as.tensor, *at = NULL, *weights = NULL, *out = NULL;
    int64_t n = tensor_numel(self), size = args[2].as.i;
    if (self->view.ndim != 1)
        return op_raise("bincount only supports 1-d non-negative integral inputs.");
    if (size < 0)
        return op_raise("minlength should be >= 0");
    Status status = tensor_contiguous_as(lane, self, DT_I64, &at);
    for (int64_t i = 0; i < n && status == ST_OK; i++) {
        int64_t v = ((const int64_t *)at->view.data)[i];
        if (v < 0)
            status = op_raise("bincount only supports 1-d non-negative integral inputs.");
        size = v >= size ? v + 1 : size;
    }
    bool weighted = !arg_is_none(args[1]);
    if (status == ST_OK && weighted)
        status = tensor_numel(args[1].as.tensor) == n ? tensor_contiguous_as(lane, args[1].as.tensor, DT_F64, &weights)
                                                      : op_raise("weights should be 1-d and have the same length as input");
    DType type = !weighted ? DT_I64 : tensor_dtype(args[1].as.tensor) == DT_F32 ? DT_F32 : DT_F64;
    if (status == ST_OK)
        status = tensor_new(lane, weighted ? DT_F64 : DT_I64, 1, &size, &out);
    if (status == ST_OK) {
        memset(out->view.data, 0, (size_t)size * 8);
        for (int64_t i = 0; i < n; i++) {
            int64_t v = ((const int64_t *)at->view.data)[i];
            if (weighted)
                ((double *)out->view.data)[v] += ((const double *)weights->view.data)[i];
            else
                ((int64_t *)out->view.data)[v]++;
        }
    }
    if (status == ST_OK && type == DT_F32) {
        Tensor *narrow = NULL;
        status = tensor_to_dtype(lane, out, DT_F32, &narrow);
        tensor_release(out);
        out = narrow;
    }
    if (at)
        tensor_release(at);
    if (weights)
        tensor_release(weights);
    return give_tensor(status, out, rets);
}
