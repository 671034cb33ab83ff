// Operator bindings: histc, histogram, histogramdd. Positions of elements are computed in the precision of the input, as
// PyTorch computes them, because elements near the edges of bins depend on it.
#include "kernels/isa.h"
#include "worker/op_util.h"

#include <math.h>
#include <stdlib.h>

enum { BINS_DIMS = VIEW_MAX_DIMS };

typedef struct Histogram {
    const char *name;
    Tensor *points, *weights;          // as doubles: [n, dims]; [n] or NULL
    int64_t n;
    int dims;
    DType dtype;
    int64_t bins[BINS_DIMS];
    Tensor *edges[BINS_DIMS];          // bins + 1 of each, as doubles
    bool even, search;                 // bins of equal width; where rounding matters the edges are looked at, too
    double left[BINS_DIMS], right[BINS_DIMS];
} Histogram;

// To the precision of the input; sums, differences, products and quotients of doubles round as if computed in it.
static double rounded(const Histogram *h, double x) { return h->dtype == DT_F64 ? x : h->dtype == DT_F32 ? (double)(float)x : (double)round_to(h->dtype, (float)x); }

static double number_at(const Tensor *t, int64_t i) { return ((const double *)t->view.data)[i]; }

// How many of n ascending edges are at most x.
static int64_t edges_below(const double *edges, int64_t n, double x)
{
    int64_t low = 0;
    while (low < n) {
        int64_t middle = low + (n - low) / 2;
        if (x < edges[middle])
            n = middle;
        else
            low = middle + 1;
    }
    return low;
}

// The bin of x in dimension d, or -1.
static int64_t bin_of(const Histogram *h, int d, double x)
{
    const double *edges = h->edges[d]->view.data;
    int64_t bins = h->bins[d], at;
    if (!(x >= h->left[d] && x <= h->right[d]))
        return -1;
    if (!h->even) {
        at = edges_below(edges, bins + 1, x) - 1;
    } else {
        double scaled = rounded(h, rounded(h, x - h->left[d]) * (double)bins);
        at = (int64_t)rounded(h, scaled / rounded(h, h->right[d] - h->left[d]));
        if (h->search) {
            int64_t low = at > 1 ? at - 1 : 0, high = at + 2 < bins + 1 ? at + 2 : bins + 1;
            at = low + edges_below(edges + low, high - low, x) - 1;
        }
    }
    return at >= bins ? bins - 1 : at; // the last bin has its right edge, too
}

// Ones into bins of equal width, in T's precision: the bins of some elements (-1: none), then their counts.
enum { EVEN_BLOCK = 256, EVEN_BINS = 1 << 24 }; // as many bins as a float counts exactly
#define COUNT_EVENLY(T)                                                                                                \
    ISA_INLINE void count_evenly_##T##_body(const Histogram *h, double *counts)                                        \
    {                                                                                                                  \
        const double *points = h->points->view.data;                                                                   \
        T left = (T)h->left[0], right = (T)h->right[0], width = right - left, bins = (T)h->bins[0];                    \
        int32_t bin[EVEN_BLOCK], last = (int32_t)h->bins[0] - 1;                                                       \
        for (int64_t from = 0; from < h->n; from += EVEN_BLOCK) {                                                      \
            int64_t n = h->n - from < EVEN_BLOCK ? h->n - from : EVEN_BLOCK;                                           \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                T x = (T)points[from + i];                                                                             \
                bool inside = (x >= left) & (x <= right);                                                              \
                int32_t at = (int32_t)((inside ? x - left : 0) * bins / width);                                        \
                bin[i] = inside ? at < last ? at : last : -1;                                                          \
            }                                                                                                          \
            for (int64_t i = 0; i < n; i++)                                                                            \
                if (bin[i] >= 0)                                                                                       \
                    counts[bin[i]]++;                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    ISA_VARIANTS(count_evenly_##T, (const Histogram *h, double *counts), (h, counts))
COUNT_EVENLY(float)
COUNT_EVENLY(double)

static void fill_histogram(const Histogram *h, Tensor *counts)
{
    if (h->dims == 1 && h->even && !h->search && !h->weights && h->bins[0] <= EVEN_BINS && (h->dtype == DT_F32 || h->dtype == DT_F64)) {
        double *count = counts->view.data;
        (h->dtype == DT_F32 ? count_evenly_float : count_evenly_double)(h, count);
        for (int64_t i = 0; i < h->bins[0]; i++)
            if (h->dtype == DT_F32 && count[i] > 16777216)
                count[i] = 16777216; // where a float plus 1 is the same float
        return;
    }
    for (int64_t i = 0; i < h->n; i++) {
        int64_t at = 0;
        for (int d = 0; d < h->dims && at >= 0; d++) {
            int64_t bin = bin_of(h, d, number_at(h->points, i * h->dims + d));
            at = bin < 0 ? -1 : at * h->bins[d] + bin;
        }
        if (at < 0)
            continue;
        double *count = (double *)counts->view.data + at;
        *count = rounded(h, *count + (h->weights ? number_at(h->weights, i) : 1));
    }
}

// Densities: the integral over all bins is 1.
static void normalise(const Histogram *h, Tensor *counts)
{
    int64_t n = tensor_numel(counts);
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += number_at(counts, i);
    total = rounded(h, total);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        double v = rounded(h, number_at(counts, i) / total);
        for (int d = h->dims - 1; d >= 0; d--) {
            const double *edges = h->edges[d]->view.data;
            int64_t bin = rest % h->bins[d];
            rest /= h->bins[d];
            v = rounded(h, v / rounded(h, edges[bin + 1] - edges[bin]));
        }
        ((double *)counts->view.data)[i] = v;
    }
}

// ---- edges

// As torch.linspace: from both ends towards the middle.
static Status even_edges(Lane *lane, Histogram *h, int d)
{
    int64_t bins = h->bins[d];
    TRY(tensor_new(lane, DT_F64, 1, &(int64_t){bins + 1}, &h->edges[d]));
    double *edges = h->edges[d]->view.data, step = rounded(h, rounded(h, h->right[d] - h->left[d]) / (double)bins);
    for (int64_t i = 0; i <= bins; i++)
        edges[i] = i < (bins + 1) / 2 ? rounded(h, h->left[d] + rounded(h, step * (double)i)) : rounded(h, h->right[d] - rounded(h, step * (double)(bins - i)));
    return ST_OK;
}

static Status data_range(Histogram *h, int d)
{
    enum { LANES = 8 };
    double low[LANES], high[LANES];
    bool nan = false;
    for (int k = 0; k < LANES; k++) {
        low[k] = INFINITY;
        high[k] = -INFINITY;
    }
    for (int64_t i = 0; i < h->n; i++) {
        double x = number_at(h->points, i * h->dims + d);
        int k = i % LANES;
        nan |= x != x;
        low[k] = x < low[k] ? x : low[k];
        high[k] = x > high[k] ? x : high[k];
    }
    for (int k = 1; k < LANES; k++) {
        low[0] = low[k] < low[0] ? low[k] : low[0];
        high[0] = high[k] > high[0] ? high[k] : high[0];
    }
    if (nan)
        low[0] = high[0] = NAN;
    h->left[d] = h->n ? low[0] : 0;
    h->right[d] = h->n ? high[0] : 1;
    return ST_OK;
}

// The given range ([left, right] for each dimension), or that of the data.
static Status choose_range(Histogram *h, IValue range)
{
    if (range.tag == TAG_LIST && (int)range.as.list->len != 2 * h->dims)
        return op_raise("%s: for a %d-dimensional histogram range should have %d elements, but got %u", h->name, h->dims, 2 * h->dims, range.as.list->len);
    for (int d = 0; d < h->dims; d++) {
        if (range.tag == TAG_LIST) {
            h->left[d] = rounded(h, arg_double(range.as.list->items[2 * d]));
            h->right[d] = rounded(h, arg_double(range.as.list->items[2 * d + 1]));
        } else {
            TRY(data_range(h, d));
        }
        if (!isfinite(h->left[d]) || !isfinite(h->right[d]))
            return op_raise("%s: dimension %d's range [%g, %g] is not finite", h->name, d, h->left[d], h->right[d]);
        if (h->left[d] > h->right[d])
            return op_raise("%s: min should not exceed max, but got min %g max %g for dimension %d", h->name, h->left[d], h->right[d], d);
        if (h->left[d] == h->right[d]) {
            h->left[d] = rounded(h, h->left[d] - 0.5);
            h->right[d] = rounded(h, h->right[d] + 0.5);
        }
    }
    return ST_OK;
}

static Status given_edges(Lane *lane, Histogram *h, int d, Tensor *t)
{
    if (tensor_dtype(t) != h->dtype)
        return op_raise("%s: input tensor and bins tensors should have the same dtype, but got input with dtype %s and bins for dimension %d with dtype %s", h->name,
                        dtype_python_name(h->dtype), d, dtype_python_name(tensor_dtype(t)));
    if (t->view.ndim != 1)
        return op_raise("%s: bins tensor for dimension %d should have one dimension, but got %d", h->name, d, t->view.ndim);
    int64_t n = tensor_numel(t);
    if (n == 0)
        return op_raise("%s: bins tensor for dimension %d should have at least one element", h->name, d);
    TRY(tensor_new(lane, DT_F64, 1, &n, &h->edges[d]));
    TRY(tensor_copy_into(lane, h->edges[d], t));
    const double *edges = h->edges[d]->view.data;
    h->bins[d] = n - 1;
    h->left[d] = edges[0];
    h->right[d] = edges[n - 1];
    return ST_OK;
}

// ---- operands

static Status read_points(Lane *lane, Histogram *h, Tensor *self, IValue weight, bool one_dimension)
{
    h->dtype = tensor_dtype(self);
    bool half = (h->dtype == DT_F16 || h->dtype == DT_BF16) && strcmp(h->name, "torch.histc") == 0;
    if (h->dtype != DT_F32 && h->dtype != DT_F64 && !half)
        return op_raise("\"%s\" not implemented for '%s'", strcmp(h->name, "torch.histc") == 0 ? "histogram_cpu" : "histogramdd", dtype_torch_name(h->dtype));
    if (!one_dimension && self->view.ndim < 2)
        return op_raise("torch.histogramdd: input tensor should have at least 2 dimensions, but got %d", self->view.ndim);
    h->dims = one_dimension ? 1 : self->view.size[self->view.ndim - 1] <= BINS_DIMS ? (int)self->view.size[self->view.ndim - 1] : BINS_DIMS + 1;
    if (h->dims > BINS_DIMS)
        return op_raise("%s: too many dimensions (limit %d)", h->name, BINS_DIMS);
    h->n = h->dims ? tensor_numel(self) / h->dims : 0;
    if (weight.tag == TAG_TENSOR) {
        Tensor *w = weight.as.tensor;
        if (tensor_dtype(w) != h->dtype)
            return op_raise("%s: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but got input(%s), and weight(%s)", h->name,
                            dtype_torch_name(h->dtype), dtype_torch_name(tensor_dtype(w)));
        if (tensor_numel(w) != h->n)
            return op_raise("%s: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost dimension, but got input with shape %s and weight with shape %s",
                            h->name, size_text(self->view.size, self->view.ndim).text, size_text(w->view.size, w->view.ndim).text);
        TRY(tensor_copy_as(lane, w, DT_F64, FORMAT_CONTIGUOUS, &h->weights));
    }
    return tensor_copy_as(lane, self, DT_F64, FORMAT_CONTIGUOUS, &h->points);
}

static void histogram_free(Histogram *h)
{
    if (h->points)
        tensor_release(h->points);
    if (h->weights)
        tensor_release(h->weights);
    for (int d = 0; d < h->dims && d < BINS_DIMS; d++)
        if (h->edges[d])
            tensor_release(h->edges[d]);
}

// Numbers of bins: one for all dimensions, or one each.
static Status read_bins(Histogram *h, IValue bins)
{
    int64_t list[BINS_DIMS];
    int n = 0;
    TRY(arg_ints(bins, list, BINS_DIMS, &n));
    if (bins.tag == TAG_LIST && n != h->dims)
        return op_raise("torch.histogramdd: expected %d sequences of bin edges for a %d-dimensional histogram, but got %d", h->dims, h->dims, n);
    for (int d = 0; d < h->dims; d++) {
        h->bins[d] = list[bins.tag == TAG_LIST ? d : 0];
        if (h->bins[d] <= 0)
            return op_raise("%s(): bins must be > 0, but got %lld for dimension %d", h->name, (long long)h->bins[d], d);
    }
    return ST_OK;
}

// bins: an int, a list of ints, a tensor of edges or a list of those.
static Status make_edges(Lane *lane, Histogram *h, IValue bins, IValue range)
{
    bool tensors = bins.tag == TAG_TENSOR || (bins.tag == TAG_LIST && bins.as.list->len && bins.as.list->items[0].tag == TAG_TENSOR);
    if (!tensors) {
        h->even = h->search = true;
        TRY(read_bins(h, bins));
        TRY(choose_range(h, range));
        for (int d = 0; d < h->dims; d++)
            TRY(even_edges(lane, h, d));
        return ST_OK;
    }
    if (bins.tag == TAG_LIST && (int)bins.as.list->len != h->dims)
        return op_raise("torch.histogramdd: expected %d sequences of bin edges for a %d-dimensional histogram, but got %u", h->dims, h->dims, bins.as.list->len);
    for (int d = 0; d < h->dims; d++)
        TRY(given_edges(lane, h, d, bins.tag == TAG_LIST ? bins.as.list->items[d].as.tensor : bins.as.tensor));
    return ST_OK;
}

static Status make_counts(Lane *lane, Histogram *h, bool density, Tensor **out)
{
    Tensor *wide;
    TRY(tensor_new(lane, DT_F64, h->dims, h->bins, &wide));
    Status status = tensor_fill(wide, value_int(0));
    if (status == ST_OK) {
        fill_histogram(h, wide);
        if (density)
            normalise(h, wide);
        status = tensor_to_dtype(lane, wide, h->dtype, out);
    }
    tensor_release(wide);
    return status;
}

static Status give_edges(Lane *lane, const Histogram *h, bool list, IValue *ret)
{
    Tensor *made[BINS_DIMS];
    int n = 0;
    Status status = ST_OK;
    for (; n < h->dims && status == ST_OK; n += status == ST_OK)
        status = tensor_to_dtype(lane, h->edges[n], h->dtype, &made[n]);
    if (status != ST_OK) {
        while (n)
            tensor_release(made[--n]);
        return status;
    }
    if (list)
        return list_of_tensors_take(lane, made, n, ret);
    *ret = value_tensor_take(made[0]);
    return ST_OK;
}

// ---- bindings

typedef struct HistogramRow {
    bool dd;           // histogramdd: several dimensions
    int8_t range;      // argument, -1: none
    int8_t weight, density;
    const char *gives; // c counts, e edges
} HistogramRow;

OP_FN(op_histogram)
{
    const HistogramRow *row = site->op->data;
    Histogram h = {.name = row->dd ? "torch.histogramdd" : "torch.histogram"};
    Tensor *counts = NULL;
    IValue made[2] = {value_none(), value_none()};
    Status status = read_points(lane, &h, args[0].as.tensor, args[row->weight], !row->dd);
    if (status == ST_OK)
        status = make_edges(lane, &h, args[1], row->range < 0 ? value_none() : args[row->range]);
    for (int i = 0; row->gives[i] && status == ST_OK; i++) {
        if (row->gives[i] == 'e') {
            status = give_edges(lane, &h, row->dd, &made[i]);
        } else if ((status = make_counts(lane, &h, args[row->density].as.b, &counts)) == ST_OK) {
            made[i] = value_tensor_take(counts);
        }
    }
    histogram_free(&h);
    for (int i = 0; i < 2; i++) {
        if (status == ST_OK && row->gives[i])
            rets[i] = made[i];
        else
            value_release(made[i]);
        if (!row->gives[i])
            break;
    }
    return status;
}

OP_FN(op_histc) // self, bins, min, max
{
    Histogram h = {.name = "torch.histc", .even = true};
    Tensor *counts = NULL;
    h.bins[0] = args[1].as.i;
    if (h.bins[0] <= 0)
        return op_raise("torch.histogram(): bins must be > 0, but got %lld for dimension 0", (long long)h.bins[0]);
    Status status = read_points(lane, &h, args[0].as.tensor, value_none(), true);
    if (status == ST_OK) {
        h.left[0] = rounded(&h, arg_double(args[2]));
        h.right[0] = rounded(&h, arg_double(args[3]));
        if (h.left[0] == h.right[0] && h.n)
            data_range(&h, 0);
        if (h.left[0] == h.right[0]) {
            h.left[0] = rounded(&h, h.left[0] - 1);
            h.right[0] = rounded(&h, h.right[0] + 1);
        }
        if (!isfinite(h.left[0]) || !isfinite(h.right[0]))
            status = op_raise("range of [%g, %g] is not finite", h.left[0], h.right[0]);
        else if (h.left[0] >= h.right[0])
            status = op_raise("torch.histc: max must be larger than min");
        else
            status = even_edges(lane, &h, 0);
    }
    if (status == ST_OK)
        status = make_counts(lane, &h, false, &counts);
    histogram_free(&h);
    TRY(status);
    rets[0] = value_tensor_take(counts);
    return ST_OK;
}

#define HISTOGRAM(name, dd, range, weight, density, gives)                                                             \
    {"aten::" name, op_histogram, 0, &(const HistogramRow){dd, range, weight, density, gives}, NULL}

const OpBinding OPS_HISTOGRAM[] = {
    {"aten::histc", op_histc, 0, NULL, NULL},
    HISTOGRAM("histogram.bin_ct", false, 2, 3, 4, "ce"), HISTOGRAM("histogram.bins_tensor", false, -1, 2, 3, "ce"),
    HISTOGRAM("histogramdd", true, 2, 3, 4, "ce"), HISTOGRAM("histogramdd.int_bins", true, 2, 3, 4, "ce"),
    HISTOGRAM("histogramdd.TensorList_bins", true, 2, 3, 4, "ce"), HISTOGRAM("_histogramdd_bin_edges", true, 2, 3, 4, "e"),
    HISTOGRAM("_histogramdd_from_bin_cts", true, 2, 3, 4, "c"), HISTOGRAM("_histogramdd_from_bin_tensors", true, -1, 2, 3, "c"),
    {0},
};
