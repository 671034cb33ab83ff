// Stable sorting by keys: short rows by insertion and merging, long ones by a radix sort that skips bytes all keys share.
#include "kernels/sort.h"

#include "kernels/convert.h"
#include "kernels/half.h"
#include "kernels/iter.h"

#include <stdlib.h>
#include <string.h>

typedef struct Item {
    uint64_t key;
    int64_t at;
} Item;

enum { RUN = 16, MERGE_MOST = 2048, HEAP_MOST = 128, HEAP_PART = 64, HEAP_EVER = 2048 };

// Sign and magnitude to an order of unsigned numbers; NaNs alike and on top.
static uint64_t double_key(double x)
{
    if (x != x)
        return UINT64_MAX;
    uint64_t u;
    x += 0.0; // -0 becomes +0
    memcpy(&u, &x, sizeof u);
    return u >> 63 ? ~u : u | (uint64_t)1 << 63;
}

static void insertion(Item *a, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        Item x = a[i];
        int64_t j = i;
        for (; j > 0 && a[j - 1].key > x.key; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

// Runs of RUN elements by insertion, then merged in pairs. Leaves the sorted items in a; b is as large.
static void merge_sort(Item *a, Item *b, int64_t n)
{
    for (int64_t i = 0; i < n; i += RUN)
        insertion(a + i, n - i < RUN ? n - i : RUN);
    Item *from = a, *to = b;
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            int64_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            int64_t i = low, j = middle;
            for (int64_t k = low; k < high; k++)
                to[k] = j >= high || (i < middle && from[i].key <= from[j].key) ? from[i++] : from[j++];
        }
        Item *swap = from;
        from = to;
        to = swap;
    }
    if (from != a)
        memcpy(a, from, (size_t)n * sizeof *a);
}

// As merge_sort.
static void radix(Item *a, Item *b, int64_t n)
{
    uint64_t varying = 0;
    for (int64_t i = 1; i < n; i++)
        varying |= a[i].key ^ a[0].key;
    Item *from = a, *to = b;
    for (int shift = 0; shift < 64; shift += 8) {
        if (!(varying >> shift & 0xff))
            continue;
        int64_t start[256] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++)
            start[from[i].key >> shift & 0xff]++;
        for (int k = 0; k < 256; k++) {
            int64_t count = start[k];
            start[k] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++)
            to[start[from[i].key >> shift & 0xff]++] = from[i];
        Item *swap = from;
        from = to;
        to = swap;
    }
    if (from != a)
        memcpy(a, from, (size_t)n * sizeof *a);
}

typedef struct SortRun {
    Converter wide;       // to double or int64
    bool floating, descending;
    int64_t n, keep;
    int64_t stride[3];    // along the dimension, bytes: in, values, positions
    bool has[2];
    size_t size;
    Item *items;          // n, then n more to work in
    char *buffer;         // n wide elements
} SortRun;

static inline uint64_t key_at(const SortRun *r, const char *wide, int64_t i)
{
    uint64_t key = r->floating ? double_key(((const double *)wide)[i]) : (uint64_t)((const int64_t *)wide)[i] ^ (uint64_t)1 << 63;
    return r->descending ? ~key : key;
}

static void fill_items(const SortRun *r, const char *in)
{
    convert_row(&r->wide, r->buffer, 8, in, r->stride[0], r->n);
    for (int64_t i = 0; i < r->n; i++)
        r->items[i] = (Item){key_at(r, r->buffer, i), i};
}

static uint64_t varying_bits(const uint64_t *keys, int64_t n)
{
    uint64_t varying = 0;
    for (int64_t i = 1; i < n; i++)
        varying |= keys[i] ^ keys[0];
    return varying;
}

// The key with `rank` keys before it in sorted order, found byte by byte from the top; *less: keys smaller than it. Keys
// that cannot be it are dropped on the way.
static uint64_t select_key(uint64_t *keys, int64_t n, int64_t rank, int64_t *less)
{
    *less = 0;
    uint64_t varying = varying_bits(keys, n);
    for (int shift = 56; shift >= 0 && n > 1; shift -= 8) {
        if (!(varying >> shift & 0xff))
            continue;
        int64_t count[256] = {0}, bucket = 0, kept = 0;
        for (int64_t i = 0; i < n; i++)
            count[keys[i] >> shift & 0xff]++;
        while (rank >= count[bucket]) {
            rank -= count[bucket];
            *less += count[bucket++];
        }
        if (count[bucket] == n)
            continue;
        for (int64_t i = 0; i < n; i++) {
            keys[kept] = keys[i];
            kept += (int64_t)(keys[i] >> shift & 0xff) == bucket;
        }
        n = kept;
        varying = varying_bits(keys, n);
    }
    return keys[0];
}

// The first `keep` items of the row in sorted order: those below the last of them, and as many of its equals as are missing.
static void select_items(const SortRun *r, const char *in)
{
    uint64_t *keys = (uint64_t *)(r->items + r->keep), *scratch = keys + r->n;
    convert_row(&r->wide, r->buffer, 8, in, r->stride[0], r->n);
    for (int64_t i = 0; i < r->n; i++)
        keys[i] = key_at(r, r->buffer, i);
    memcpy(scratch, keys, (size_t)r->n * sizeof *keys);
    int64_t less, found = 0;
    uint64_t last = select_key(scratch, r->n, r->keep - 1, &less);
    int64_t equals = r->keep - less;
    for (int64_t i = 0; i < r->n && found < r->keep; i++)
        if (keys[i] < last || (keys[i] == last && equals-- > 0))
            r->items[found++] = (Item){keys[i], i};
    if (r->keep <= MERGE_MOST)
        merge_sort(r->items, (Item *)keys, r->keep);
    else
        radix(r->items, (Item *)keys, r->keep);
}

static inline bool item_before(Item a, Item b) { return a.key < b.key || (a.key == b.key && a.at < b.at); }

// Puts x where items[0] was, in a heap of n whose root comes last in sorted order.
static void sift(Item *items, int64_t n, Item x)
{
    int64_t i = 0;
    for (int64_t child = 1; child < n; child = 2 * i + 1) {
        child += child + 1 < n && item_before(items[child], items[child + 1]);
        if (!item_before(x, items[child]))
            break;
        items[i] = items[child];
        i = child;
    }
    items[i] = x;
}

// As select_items for a few items: a heap of the first so far, past which most elements go unnoticed.
static void heap_items(const SortRun *r, const char *in)
{
    enum { BLOCK = 256 };
    _Alignas(8) char wide[BLOCK * 8];
    int64_t n = 0;
    for (int64_t from = 0; from < r->n; from += BLOCK) {
        int64_t m = r->n - from < BLOCK ? r->n - from : BLOCK;
        convert_row(&r->wide, wide, 8, in + from * r->stride[0], r->stride[0], m);
        for (int64_t i = 0; i < m; i++) {
            Item x = {key_at(r, wide, i), from + i};
            if (n < r->keep) { // grows from the bottom
                int64_t at = n++;
                for (; at > 0 && item_before(r->items[(at - 1) / 2], x); at = (at - 1) / 2)
                    r->items[at] = r->items[(at - 1) / 2];
                r->items[at] = x;
            } else if (x.key < r->items[0].key) {
                sift(r->items, n, x);
            }
        }
    }
    while (n > 1) { // the root is the last of those left
        Item last = r->items[0], x = r->items[--n];
        sift(r->items, n, x);
        r->items[n] = last;
    }
}

// A heap of so many is better than looking at every byte of all keys.
static bool few(const SortRun *r, int64_t keep) { return keep && (keep <= HEAP_MOST ? keep <= r->n / 4 : keep <= HEAP_EVER && keep <= r->n / HEAP_PART); }

static void sort_row(void *ctx, char **data, const int64_t *stride, int64_t m)
{
    const SortRun *r = ctx;
    for (int64_t j = 0; j < m; j++) {
        const char *in = data[0] + j * stride[0];
        if (few(r, r->keep)) {
            heap_items(r, in);
        } else if (r->keep && r->keep <= r->n / 4) { // the keys take the place of twice as many items as are kept
            select_items(r, in);
        } else {
            fill_items(r, in);
            if (r->n <= MERGE_MOST)
                merge_sort(r->items, r->items + r->n, r->n);
            else
                radix(r->items, r->items + r->n, r->n);
        }
        for (int64_t i = 0; i < r->keep; i++) {
            int64_t at = r->items[i].at;
            if (r->has[0])
                memcpy(data[1] + j * stride[1] + i * r->stride[1], in + at * r->stride[0], r->size);
            if (r->has[1])
                *(int64_t *)(data[2] + j * stride[2] + i * r->stride[2]) = at;
        }
    }
}

enum { KEY_BLOCK = 256 };
// Keys of elements from … from + m - 1 of a row.
static void fill_keys(const SortRun *r, const char *in, int64_t from, int64_t m, uint64_t *keys)
{
    _Alignas(8) char wide[KEY_BLOCK * 8];
    convert_row(&r->wide, wide, 8, in + from * r->stride[0], r->stride[0], m);
    for (int64_t i = 0; i < m; i++)
        keys[i] = key_at(r, wide, i);
}

// The rank that RANK_MEDIAN or RANK_NANMEDIAN stands for in a row with these keys. NaNs come last, the first of them first.
static int64_t rank_in_middle(const SortRun *r, const uint64_t *keys)
{
    int64_t numbers = r->n;
    for (int64_t i = 0; r->floating && i < r->n; i++)
        numbers -= keys[i] == UINT64_MAX;
    if (r->keep == RANK_MEDIAN && numbers < r->n)
        return numbers;
    return numbers ? (numbers - 1) / 2 : 0;
}

// Where the element of rank `keep` is.
static int64_t find_rank(const SortRun *r, const char *in)
{
    if (r->keep >= 0 && few(r, r->keep + 1)) {
        SortRun first = *r;
        first.keep++;
        heap_items(&first, in);
        return r->items[r->keep].at;
    }
    uint64_t *keys = (uint64_t *)r->items, block[KEY_BLOCK];
    for (int64_t i = 0; i < r->n; i += KEY_BLOCK)
        fill_keys(r, in, i, r->n - i < KEY_BLOCK ? r->n - i : KEY_BLOCK, keys + i);
    int64_t less, rank = r->keep < 0 ? rank_in_middle(r, keys) : r->keep;
    uint64_t key = select_key(keys, r->n, rank, &less);
    int64_t equals = rank - less; // that come first
    for (int64_t i = 0; i < r->n; i += KEY_BLOCK) {
        int64_t m = r->n - i < KEY_BLOCK ? r->n - i : KEY_BLOCK;
        fill_keys(r, in, i, m, block);
        for (int64_t j = 0; j < m; j++)
            if (block[j] == key && equals-- == 0)
                return i + j;
    }
    return 0; // not reached
}

static void rank_row(void *ctx, char **data, const int64_t *stride, int64_t m)
{
    const SortRun *r = ctx;
    for (int64_t j = 0; j < m; j++) {
        const char *in = data[0] + j * stride[0];
        int64_t at = find_rank(r, in);
        memcpy(data[1] + j * stride[1], in + at * r->stride[0], r->size);
        *(int64_t *)(data[2] + j * stride[2]) = at;
    }
}

// keep: how many of each row; or, for `rank`, which.
static Status run_rows(const View *in, int dim, bool descending, int64_t keep, const View *values, const View *positions, bool rank)
{
    DType t = (DType)in->dtype;
    DTypeCategory category = dtype_category(t);
    if (category == DT_COMPLEX || category == DT_QUANTISED)
        return ST_DECLINED;
    SortRun r = {.floating = category == DT_FLOATING, .descending = descending, .n = in->ndim ? in->size[dim] : 1, .keep = keep,
                 .has = {values != NULL, positions != NULL}, .size = dtype_size(t)};
    if (!converter_find(t, r.floating ? DT_F64 : DT_I64, &r.wide))
        return ST_DECLINED;
    const View *all[3] = {in, values ? values : in, positions ? positions : in};
    View rest[3];
    for (int k = 0; k < 3; k++) { // without the dimension
        rest[k] = *all[k];
        r.stride[k] = in->ndim ? all[k]->stride[dim] * (int64_t)dtype_size((DType)all[k]->dtype) : 0;
        for (int d = dim; d + 1 < in->ndim; d++) {
            rest[k].size[d] = all[k]->size[d + 1];
            rest[k].stride[d] = all[k]->stride[d + 1];
        }
        rest[k].ndim = (uint8_t)(in->ndim ? in->ndim - 1 : 0);
    }
    if (view_numel(in) == 0)
        return ST_OK;
    size_t bytes = rank ? (size_t)r.n * sizeof(uint64_t) + HEAP_EVER * sizeof(Item) : (size_t)r.n * (2 * sizeof(Item) + 8);
    r.items = malloc(bytes);
    if (!r.items)
        return status_no_memory(bytes);
    r.buffer = rank ? NULL : (char *)(r.items + 2 * r.n);
    Iter it;
    const View *views[3] = {&rest[0], &rest[1], &rest[2]};
    iter_plan(&it, rest[0].ndim, rest[0].size, 3, views);
    char *data[3] = {all[0]->data, all[1]->data, all[2]->data};
    iter_run(&it, data, rank ? rank_row : sort_row, &r);
    free(r.items);
    return ST_OK;
}

Status sort_run(const View *in, int dim, bool descending, int64_t keep, const View *values, const View *positions)
{
    return run_rows(in, dim, descending, keep, values, positions, false);
}

Status rank_run(const View *in, int dim, int64_t rank, const View *values, const View *positions)
{
    return run_rows(in, dim, false, rank, values, positions, true);
}

#define SEARCH(name, T)                                                                                                \
    void name(const T *sorted, int64_t n, const T *values, int64_t count, bool right, int64_t *positions)              \
    {                                                                                                                  \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            int64_t low = 0, high = n;                                                                                 \
            while (low < high) {                                                                                       \
                int64_t middle = low + (high - low) / 2;                                                               \
                if (right ? !(sorted[middle] > values[i]) : !(sorted[middle] >= values[i]))                            \
                    low = middle + 1;                                                                                  \
                else                                                                                                   \
                    high = middle;                                                                                     \
            }                                                                                                          \
            positions[i] = low;                                                                                        \
        }                                                                                                              \
    }

SEARCH(search_sorted, double)
SEARCH(search_sorted_ints, int64_t)
