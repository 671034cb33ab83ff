// Operator bindings: lists (torchscript.md §14.4). Lists are shared by reference; copies are shallow.
// One function serves every element type: the values say what they are.
#include "worker/op_util.h"

#include <math.h>
#include <stdlib.h>

static ListObj *list_of(IValue v) { return v.as.list; }

static Status ret_list(ListObj *l, IValue *ret)
{
    if (!l)
        return ST_MEMORY;
    *ret = value_list_take(l);
    return ST_OK;
}

static ListObj *list_copy(const ListObj *l)
{
    ListObj *copy = list_new(l->elem, l->len);
    for (uint32_t i = 0; copy && i < l->len; i++)
        copy->items[i] = value_retain(l->items[i]);
    if (copy)
        copy->len = l->len;
    return copy;
}

static Status list_reserve(ListObj *l, uint64_t len)
{
    if (len <= l->capacity)
        return ST_OK;
    if (len > INT32_MAX)
        return status_fail(ST_MEMORY, "too many list items (limit %d)", INT32_MAX);
    uint32_t capacity = len < 8 ? 8 : (uint32_t)(len + len / 2);
    IValue *items = realloc(l->items, capacity * sizeof *items);
    if (!items)
        return status_no_memory(capacity * sizeof *items);
    l->items = items;
    l->capacity = capacity;
    return ST_OK;
}

// Negative indices count from the end.
static Status list_index(const ListObj *l, int64_t index, uint32_t *out)
{
    int64_t at = index < 0 ? index + (int64_t)l->len : index;
    if (at < 0 || at >= (int64_t)l->len)
        return op_raise("list index out of range");
    *out = (uint32_t)at;
    return ST_OK;
}

static void list_erase(ListObj *l, uint32_t at)
{
    IValue gone = l->items[at];
    memmove(&l->items[at], &l->items[at + 1], (l->len - at - 1) * sizeof *l->items);
    l->len--;
    value_release(gone);
}

// ---- Reading ------------------------------------------------------------------------------------------------------------

OP_FN(op_len)
{
    rets[0] = value_int(list_of(args[0])->len);
    return ST_OK;
}

OP_FN(op_getitem)
{
    const ListObj *l = list_of(args[0]);
    uint32_t at;
    TRY(list_index(l, args[1].as.i, &at));
    rets[0] = value_retain(l->items[at]);
    return ST_OK;
}

// Index of the first item that equals `v`, or the length. Tensors are equal when all their elements are.
static Status list_find(Lane *lane, const ListObj *l, IValue v, uint32_t *out);

OP_FN(op_contains)
{
    uint32_t at;
    TRY(list_find(lane, list_of(args[0]), args[1], &at));
    rets[0] = value_bool(at < list_of(args[0])->len);
    return ST_OK;
}

OP_FN(op_index)
{
    uint32_t at;
    TRY(list_find(lane, list_of(args[0]), args[1], &at));
    if (at == list_of(args[0])->len) {
        Buf text = {0};
        value_print(&text, args[1]);
        Status status = op_raise("'" STR_FMT "' is not in list", STR_ARG(buf_view(&text)));
        buf_free(&text);
        return status;
    }
    rets[0] = value_int(at);
    return ST_OK;
}

// ---- Equality -----------------------------------------------------------------------------------------------------------

// `==` of two items. Tensors: all elements equal (one element expected, as `bool(a == b)`).
static Status items_equal(Lane *lane, IValue a, IValue b, bool *out)
{
    if (a.tag != TAG_TENSOR || b.tag != TAG_TENSOR) {
        *out = value_equal(a, b);
        return ST_OK;
    }
    if (tensor_numel(a.as.tensor) != 1 || tensor_numel(b.as.tensor) != 1)
        return op_raise("Boolean value of Tensor with more than one value is ambiguous");
    IValue x, y;
    TRY(tensor_item(lane, a.as.tensor, &x));
    Status status = tensor_item(lane, b.as.tensor, &y);
    if (status == ST_OK) {
        *out = x.tag == TAG_COMPLEX || y.tag == TAG_COMPLEX ? value_equal(x, y) : arg_double(x) == arg_double(y);
        value_release(y);
    }
    value_release(x);
    return status;
}

static Status list_find(Lane *lane, const ListObj *l, IValue v, uint32_t *out)
{
    bool equal = false;
    uint32_t i = 0;
    for (; i < l->len && !equal; i += !equal)
        TRY(items_equal(lane, l->items[i], v, &equal));
    *out = i;
    return ST_OK;
}

static Status lists_equal(Lane *lane, const ListObj *a, const ListObj *b, bool *out)
{
    *out = a->len == b->len;
    for (uint32_t i = 0; *out && i < a->len; i++)
        TRY(items_equal(lane, a->items[i], b->items[i], out));
    return ST_OK;
}

OP_FN(op_eq)
{
    bool equal;
    TRY(lists_equal(lane, list_of(args[0]), list_of(args[1]), &equal));
    rets[0] = value_bool(equal);
    return ST_OK;
}

OP_FN(op_ne)
{
    bool equal;
    TRY(lists_equal(lane, list_of(args[0]), list_of(args[1]), &equal));
    rets[0] = value_bool(!equal);
    return ST_OK;
}

OP_FN(op_count)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < list_of(args[0])->len; i++) {
        bool equal;
        TRY(items_equal(lane, list_of(args[0])->items[i], args[1], &equal));
        count += equal;
    }
    rets[0] = value_int(count);
    return ST_OK;
}

// ---- Changing -----------------------------------------------------------------------------------------------------------

OP_FN(op_set_item)
{
    ListObj *l = list_of(args[0]);
    uint32_t at;
    TRY(list_index(l, args[1].as.i, &at));
    IValue old = l->items[at];
    l->items[at] = value_retain(args[2]);
    value_release(old);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_append)
{
    TRY(list_push_take(list_of(args[0]), value_retain(args[1])));
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

static Status list_extend(ListObj *l, const ListObj *more)
{
    uint32_t n = more->len; // the list may be extended by itself
    TRY(list_reserve(l, (uint64_t)l->len + n));
    for (uint32_t i = 0; i < n; i++)
        l->items[l->len++] = value_retain(more->items[i]);
    return ST_OK;
}

OP_FN(op_extend)
{
    return list_extend(list_of(args[0]), list_of(args[1]));
}

OP_FN(op_add_in_place)
{
    TRY(list_extend(list_of(args[0]), list_of(args[1])));
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_insert)
{
    ListObj *l = list_of(args[0]);
    int64_t at = args[1].as.i < 0 ? args[1].as.i + (int64_t)l->len : args[1].as.i;
    at = at < 0 ? 0 : at > (int64_t)l->len ? (int64_t)l->len : at;
    TRY(list_reserve(l, (uint64_t)l->len + 1));
    memmove(&l->items[at + 1], &l->items[at], (l->len - (size_t)at) * sizeof *l->items);
    l->items[at] = value_retain(args[2]);
    l->len++;
    return ST_OK;
}

OP_FN(op_pop)
{
    ListObj *l = list_of(args[0]);
    uint32_t at;
    if (l->len == 0)
        return op_raise("pop from empty list");
    TRY(list_index(l, args[1].as.i, &at));
    rets[0] = value_retain(l->items[at]);
    list_erase(l, at);
    return ST_OK;
}

OP_FN(op_delete)
{
    ListObj *l = list_of(args[0]);
    uint32_t at;
    if (!l->len)
        return op_raise("pop index out of range");
    TRY(list_index(l, args[1].as.i, &at));
    list_erase(l, at);
    return ST_OK;
}

OP_FN(op_remove)
{
    ListObj *l = list_of(args[0]);
    uint32_t at;
    TRY(list_find(lane, l, args[1], &at));
    if (at == l->len)
        return op_raise("list.remove(x): x not in list");
    list_erase(l, at);
    return ST_OK;
}

OP_FN(op_clear)
{
    ListObj *l = list_of(args[0]);
    while (l->len)
        list_erase(l, l->len - 1);
    return ST_OK;
}

OP_FN(op_reverse)
{
    ListObj *l = list_of(args[0]);
    for (uint32_t i = 0; i < l->len / 2; i++) {
        IValue swap = l->items[i];
        l->items[i] = l->items[l->len - 1 - i];
        l->items[l->len - 1 - i] = swap;
    }
    return ST_OK;
}

// ---- New lists ----------------------------------------------------------------------------------------------------------

OP_FN(op_copy)
{
    return ret_list(list_copy(list_of(args[0])), rets);
}

OP_FN(op_slice)
{
    const ListObj *l = list_of(args[0]);
    int64_t n = l->len, step = args[3].as.i;
    if (step == 0)
        return op_raise("List slice should have non-zero step");
    // Bounds of a falling slice are shifted by one: it may end before the first item.
    int64_t lowest = step < 0 ? -1 : 0, highest = step < 0 ? n - 1 : n;
    int64_t start = arg_int_or(args[1], step < 0 ? INT64_MAX : 0), end = arg_int_or(args[2], step < 0 ? INT64_MIN : INT64_MAX);
    start = start < 0 ? start + n : start;
    end = end < 0 ? (end < -n ? lowest : end + n) : end;
    start = start < lowest ? lowest : start > highest ? highest : start;
    end = end < lowest ? lowest : end > highest ? highest : end;
    uint64_t count = 0;
    if (step > 0 && start < end)
        count = ((uint64_t)(end - start) - 1) / (uint64_t)step + 1;
    else if (step < 0 && end < start)
        count = ((uint64_t)(start - end) - 1) / (0 - (uint64_t)step) + 1;
    ListObj *part = list_new(l->elem, (uint32_t)count);
    for (uint64_t i = 0; part && i < count; i++)
        part->items[i] = value_retain(l->items[start + (int64_t)i * step]);
    if (part)
        part->len = (uint32_t)count;
    return ret_list(part, rets);
}

OP_FN(op_add)
{
    const ListObj *a = list_of(args[0]), *b = list_of(args[1]);
    ListObj *sum = list_new(a->elem, a->len + b->len);
    if (!sum)
        return ST_MEMORY;
    for (uint32_t i = 0; i < a->len; i++)
        sum->items[sum->len++] = value_retain(a->items[i]);
    for (uint32_t i = 0; i < b->len; i++)
        sum->items[sum->len++] = value_retain(b->items[i]);
    return ret_list(sum, rets);
}

// Appends l's first `len` items until it holds them `times` times.
static Status list_repeat(ListObj *l, uint32_t len, int64_t times)
{
    uint64_t total = 0;
    if (times > 0 && (times > INT32_MAX || (total = (uint64_t)len * (uint64_t)times) > INT32_MAX))
        return status_fail(ST_MEMORY, "too many list items (limit %d)", INT32_MAX);
    TRY(list_reserve(l, total));
    while (l->len > total) {
        value_release(l->items[l->len - 1]);
        l->len--;
    }
    while (l->len < total) {
        l->items[l->len] = value_retain(l->items[l->len - len]);
        l->len++;
    }
    return ST_OK;
}

static Status ret_repeated(const ListObj *l, int64_t times, IValue *ret)
{
    ListObj *copy = list_copy(l);
    if (!copy)
        return ST_MEMORY;
    Status status = list_repeat(copy, copy->len, times);
    if (status != ST_OK) {
        value_release(value_list_take(copy));
        return status;
    }
    return ret_list(copy, ret);
}

OP_FN(op_mul_left)
{
    return ret_repeated(list_of(args[0]), args[1].as.i, rets);
}

OP_FN(op_mul_right)
{
    return ret_repeated(list_of(args[1]), args[0].as.i, rets);
}

OP_FN(op_mul_in_place)
{
    ListObj *l = list_of(args[0]);
    TRY(list_repeat(l, l->len, args[1].as.i));
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_rangelist)
{
    int64_t n = args[0].as.i < 0 ? 0 : args[0].as.i;
    if (n > INT32_MAX)
        return status_fail(ST_MEMORY, "too many list items (limit %d)", INT32_MAX);
    TRY(list_of_ints(NULL, 0, &rets[0]));
    ListObj *l = rets[0].as.list;
    Status status = list_reserve(l, (uint64_t)n);
    if (status != ST_OK) {
        value_release(rets[0]);
        return status;
    }
    for (int64_t i = 0; i < n; i++)
        l->items[l->len++] = value_int(i);
    return ST_OK;
}

// ---- Order --------------------------------------------------------------------------------------------------------------

// Numbers (NaN last), strings, 0-dim tensors, and tuples of them.
static int compare_items(IValue a, IValue b)
{
    if (a.tag == TAG_STR) {
        Str x = str_of_value(a), y = str_of_value(b);
        int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
        return order ? order : (x.len > y.len) - (x.len < y.len);
    }
    if (a.tag == TAG_TUPLE) {
        for (uint32_t i = 0; i < a.as.tuple->len && i < b.as.tuple->len; i++) {
            int order = compare_items(a.as.tuple->items[i], b.as.tuple->items[i]);
            if (order)
                return order;
        }
        return 0;
    }
    if (a.tag == TAG_INT && b.tag == TAG_INT)
        return (a.as.i > b.as.i) - (a.as.i < b.as.i);
    double x = arg_double(a), y = arg_double(b);
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

// An item and what it is compared by: for tensors their one element.
typedef struct SortEntry {
    IValue item, key;
} SortEntry;

static int compare_up(const void *a, const void *b)
{
    return compare_items(((const SortEntry *)a)->key, ((const SortEntry *)b)->key);
}

static int compare_down(const void *a, const void *b) { return compare_up(b, a); }

static bool sortable(IValue v)
{
    if (v.tag == TAG_TUPLE) {
        for (uint32_t i = 0; i < v.as.tuple->len; i++)
            if (!sortable(v.as.tuple->items[i]) || v.as.tuple->items[i].tag == TAG_TENSOR)
                return false;
        return true;
    }
    return v.tag == TAG_INT || v.tag == TAG_FLOAT || v.tag == TAG_BOOL || v.tag == TAG_STR || v.tag == TAG_TENSOR;
}

static Status refuse_sort(const ListObj *l)
{
    Buf type = {0};
    if (l->elem)
        type_print_python(&type, l->elem);
    Status status = op_raise("Only list of Tensors, ints, floats, bools, strs, a User Defined Class that defines the __lt__ compare method or "
                             "Tuples of aforementioned types can be sorted, got list of " STR_FMT, STR_ARG(buf_view(&type)));
    buf_free(&type);
    return status;
}

// Objects, by their __lt__: a stable merge sort that may fail in the middle, with all items still there.
static Status sort_objects(Lane *lane, IValue *items, IValue *spare, uint32_t n, bool reverse)
{
    if (n < 2)
        return ST_OK;
    uint32_t half = n / 2, a = 0, b = half, to = 0;
    TRY(sort_objects(lane, items, spare, half, reverse));
    TRY(sort_objects(lane, items + half, spare, n - half, reverse));
    memcpy(spare, items, n * sizeof *items);
    while (a < half && b < n) {
        bool second = false;
        Status status = reverse ? lane->less(lane->machine, spare[a], spare[b], &second) : lane->less(lane->machine, spare[b], spare[a], &second);
        if (status != ST_OK) {
            memcpy(items, spare, n * sizeof *items);
            return status;
        }
        items[to++] = second ? spare[b++] : spare[a++];
    }
    memcpy(items + to, spare + a, (half - a) * sizeof *items);
    memcpy(items + to + half - a, spare + b, (n - b) * sizeof *items);
    return ST_OK;
}

// The list is set aside while they are compared: __lt__ may hold it too.
static Status list_sort_objects(Lane *lane, ListObj *l, bool reverse)
{
    IValue *items = malloc(2 * (size_t)l->len * sizeof *items);
    if (!items)
        return status_no_memory(2 * (size_t)l->len * sizeof *items);
    uint32_t n = l->len;
    for (uint32_t i = 0; i < n; i++)
        items[i] = value_retain(l->items[i]);
    Status status = lane->less ? sort_objects(lane, items, items + n, n, reverse) : ST_DECLINED;
    if (status == ST_OK && l->len == n)
        for (uint32_t i = 0; i < n; i++) {
            IValue old = l->items[i];
            l->items[i] = value_retain(items[i]);
            value_release(old);
        }
    for (uint32_t i = 0; i < n; i++)
        value_release(items[i]);
    free(items);
    return status == ST_DECLINED ? refuse_sort(l) : status;
}

static Status list_sort(Lane *lane, ListObj *l, bool reverse)
{
    if (l->len && l->items[0].tag == TAG_OBJECT)
        return l->len < 2 ? ST_OK : list_sort_objects(lane, l, reverse);
    if (l->len && !sortable(l->items[0]))
        return refuse_sort(l);
    if (l->len < 2)
        return ST_OK;
    SortEntry *entries = malloc(((size_t)l->len + 1) * sizeof *entries);
    if (!entries)
        return status_no_memory(((size_t)l->len + 1) * sizeof *entries);
    Status status = ST_OK;
    for (uint32_t i = 0; i < l->len && status == ST_OK; i++) {
        entries[i] = (SortEntry){l->items[i], l->items[i]};
        if (!sortable(l->items[i]))
            status = refuse_sort(l);
        else if (l->items[i].tag == TAG_TENSOR)
            status = tensor_item(lane, l->items[i].as.tensor, &entries[i].key);
        if (status == ST_OK && entries[i].key.tag == TAG_COMPLEX) {
            value_release(entries[i].key);
            status = op_raise("sort() of complex tensors is not supported");
        }
    }
    if (status == ST_OK) {
        qsort(entries, l->len, sizeof *entries, reverse ? compare_down : compare_up);
        for (uint32_t i = 0; i < l->len; i++)
            l->items[i] = entries[i].item;
    }
    free(entries);
    return status;
}

OP_FN(op_sort)
{
    return list_sort(lane, list_of(args[0]), args[1].as.b);
}

OP_FN(op_sorted)
{
    ListObj *copy = list_copy(list_of(args[0]));
    if (!copy)
        return ST_MEMORY;
    Status status = list_sort(lane, copy, false);
    if (status != ST_OK) {
        value_release(value_list_take(copy));
        return status;
    }
    return ret_list(copy, rets);
}

// min and max of a list: `sign` 1 or -1.
static Status extreme(const ListObj *l, int sign, const char *name, IValue *ret)
{
    if (l->len == 0)
        return op_raise("%s() arg is an empty sequence", name);
    IValue best = l->items[0];
    for (uint32_t i = 1; i < l->len; i++) {
        IValue v = l->items[i];
        bool better = v.tag == TAG_FLOAT ? (sign > 0 ? v.as.f > best.as.f : v.as.f < best.as.f) : compare_items(v, best) * sign > 0;
        if (better)
            best = v;
    }
    *ret = best;
    return ST_OK;
}

OP_FN(op_min_self)
{
    return extreme(list_of(args[0]), -1, "min", rets);
}

OP_FN(op_max_self)
{
    return extreme(list_of(args[0]), 1, "max", rets);
}

// The smaller or larger of two lists, compared item by item.
static int compare_lists(const ListObj *a, const ListObj *b)
{
    for (uint32_t i = 0; i < a->len && i < b->len; i++) {
        int order = compare_items(a->items[i], b->items[i]);
        if (order)
            return order;
    }
    return (a->len > b->len) - (a->len < b->len);
}

OP_FN(op_min_lists)
{
    rets[0] = value_retain(compare_lists(list_of(args[0]), list_of(args[1])) < 0 ? args[0] : args[1]);
    return ST_OK;
}

OP_FN(op_max_lists)
{
    rets[0] = value_retain(compare_lists(list_of(args[0]), list_of(args[1])) > 0 ? args[0] : args[1]);
    return ST_OK;
}

// ---- Sums ---------------------------------------------------------------------------------------------------------------

OP_FN(op_sum_int)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < list_of(args[0])->len; i++)
        sum += (uint64_t)arg_int(list_of(args[0])->items[i]);
    rets[0] = value_int((int32_t)sum); // PyTorch adds them up in 32 bits, in every version
    return ST_OK;
}

OP_FN(op_sum_float)
{
    double sum = 0;
    for (uint32_t i = 0; i < list_of(args[0])->len; i++)
        sum += list_of(args[0])->items[i].as.f;
    rets[0] = value_float(sum);
    return ST_OK;
}

OP_FN(op_sum_complex)
{
    double re = 0, im = 0;
    for (uint32_t i = 0; i < list_of(args[0])->len; i++) {
        re += list_of(args[0])->items[i].as.complex->re;
        im += list_of(args[0])->items[i].as.complex->im;
    }
    return value_complex(re, im, &rets[0]);
}

static bool truth(IValue v) { return v.tag == TAG_STR ? v.as.str->len > 0 : v.tag == TAG_FLOAT ? v.as.f != 0 : arg_int(v) != 0; }

OP_FN(op_any)
{
    bool any = false;
    for (uint32_t i = 0; i < list_of(args[0])->len && !any; i++)
        any = truth(list_of(args[0])->items[i]);
    rets[0] = value_bool(any);
    return ST_OK;
}

OP_FN(op_all)
{
    bool all = true;
    for (uint32_t i = 0; i < list_of(args[0])->len && all; i++)
        all = truth(list_of(args[0])->items[i]);
    rets[0] = value_bool(all);
    return ST_OK;
}

OP_FN(op_unwrap_optional)
{
    if (args[0].tag == TAG_NONE)
        return op_raise("Unwrapping null optional");
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

// Shape arithmetic that PyTorch's own passes leave behind.
OP_FN(op_squeeze_size)
{
    int64_t size[VIEW_MAX_DIMS];
    int n, kept = 0, dim = -1;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    if (site->arg_count > 1)
        TRY(wrap_dim(args[1].as.i, n, &dim));
    for (int d = 0; d < n; d++)
        if (size[d] != 1 || (dim >= 0 && d != dim))
            size[kept++] = size[d];
    return list_of_ints(size, kept, rets);
}

OP_FN(op_unsqueeze_size)
{
    int64_t size[VIEW_MAX_DIMS + 1];
    int n, dim;
    TRY(arg_ints(args[0], size, VIEW_MAX_DIMS, &n));
    TRY(wrap_dim(args[1].as.i, n + 1, &dim));
    memmove(&size[dim + 1], &size[dim], (size_t)(n - dim) * sizeof *size);
    size[dim] = 1;
    return list_of_ints(size, n + 1, rets);
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}

const OpBinding OPS_CONTAINER[] = {
    ROW("aten::len.t", op_len), ROW("aten::len.any", op_len), ROW("aten::__getitem__.t", op_getitem),
    ROW("aten::select.t", op_getitem), ROW("aten::_set_item.t", op_set_item), ROW("aten::append.t", op_append),
    ROW("aten::extend.t", op_extend), ROW("aten::add_.t", op_add_in_place), ROW("aten::insert.t", op_insert),
    ROW("aten::pop.t", op_pop), ROW("aten::Delete.t", op_delete), ROW("aten::clear.t", op_clear),
    ROW("aten::reverse.t", op_reverse), ROW("aten::copy.t", op_copy), ROW("aten::list.t", op_copy), ROW("aten::Size", op_copy),
    ROW("aten::slice.t", op_slice), ROW("aten::add.t", op_add), ROW("aten::mul.left_t", op_mul_left),
    ROW("aten::mul.right_", op_mul_right), ROW("aten::mul_.t", op_mul_in_place), ROW("prim::rangelist", op_rangelist),

    ROW("aten::__contains__.int_list", op_contains), ROW("aten::__contains__.str_list", op_contains),
    ROW("aten::__contains__.float_list", op_contains), ROW("aten::index.list_int", op_index),
    ROW("aten::index.list_float", op_index), ROW("aten::index.list_bool", op_index), ROW("aten::index.list_Tensor", op_index),
    ROW("aten::index.list_str", op_index), ROW("aten::count.int", op_count), ROW("aten::count.float", op_count),
    ROW("aten::count.bool", op_count), ROW("aten::count.Tensor", op_count), ROW("aten::count.str", op_count),
    ROW("aten::remove.int", op_remove), ROW("aten::remove.float", op_remove), ROW("aten::remove.bool", op_remove),
    ROW("aten::remove.Tensor", op_remove), ROW("aten::remove.str", op_remove),
    ROW("aten::eq.int_list", op_eq), ROW("aten::eq.float_list", op_eq), ROW("aten::eq.bool_list", op_eq),
    ROW("aten::eq.str_list", op_eq), ROW("aten::eq.Tensor_list", op_eq), ROW("aten::ne.int_list", op_ne),
    ROW("aten::ne.float_list", op_ne), ROW("aten::ne.bool_list", op_ne), ROW("aten::ne.str_list", op_ne),
    ROW("aten::ne.Tensor_list", op_ne),

    ROW("aten::sort.int", op_sort), ROW("aten::sort.float", op_sort), ROW("aten::sort.bool", op_sort),
    ROW("aten::sort.str", op_sort), ROW("aten::sort.Tensor", op_sort), ROW("aten::sort.any", op_sort),
    ROW("aten::sorted.int", op_sorted), ROW("aten::sorted.float", op_sorted), ROW("aten::sorted.bool", op_sorted),
    ROW("aten::sorted.str", op_sorted), ROW("aten::sorted.Tensor", op_sorted), ROW("aten::sorted.any", op_sorted),
    ROW("prim::min.self_int", op_min_self), ROW("prim::min.self_float", op_min_self), ROW("prim::min.self_bool", op_min_self),
    ROW("prim::max.self_int", op_max_self), ROW("prim::max.self_float", op_max_self), ROW("prim::max.self_bool", op_max_self),
    ROW("prim::min.int_list", op_min_lists), ROW("prim::min.float_list", op_min_lists), ROW("prim::min.bool_list", op_min_lists),
    ROW("prim::max.int_list", op_max_lists), ROW("prim::max.float_list", op_max_lists), ROW("prim::max.bool_list", op_max_lists),
    ROW("aten::sum.int", op_sum_int), ROW("aten::sum.bool", op_sum_int), ROW("aten::sum.float", op_sum_float),
    ROW("aten::sum.complex", op_sum_complex), ROW("aten::any.str", op_any), ROW("aten::any.int", op_any),
    ROW("aten::any.float", op_any), ROW("aten::any.bool", op_any), ROW("aten::all.int", op_all),
    ROW("aten::all.float", op_all), ROW("aten::all.bool", op_all),

    ROW("aten::_unwrap_optional", op_unwrap_optional), ROW("prim::infer_squeeze_size", op_squeeze_size),
    ROW("prim::infer_squeeze_size.dim", op_squeeze_size), ROW("prim::infer_unsqueeze_size", op_unsqueeze_size),
    {0},
};
