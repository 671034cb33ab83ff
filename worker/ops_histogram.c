// Operator bindings: counts of elements by intervals.
// Every step is rounded to the dtype of the elements, as PyTorch's is: done in double and narrowed once, that gives its bits.
#include "worker/op_util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum Search { BY_FORMULA, NEAR_FORMULA, BY_EDGES } Search; // how the interval of an element is found

typedef struct Bins {
    DType dtype;
    Search search;
    double left, right;
    double *edges; // count + 1, malloc'ed; NULL with BY_FORMULA
    int64_t count;
} Bins;

static double narrow(DType t, double x)
{
    return t == DT_F64 ? x : t == DT_F32 ? (double)(float)x : (double)round_to(t, (float)x);
}

// The elements as doubles, in a contiguous tensor.
static Status as_doubles(Lane *lane, Tensor *t, Tensor **out)
{
    Tensor *wide;
    TRY(tensor_to_dtype(lane, t, DT_F64, &wide));
    Status s = tensor_contiguous(lane, wide, out);
    tensor_release(wide);
    return s;
}

// Index of the last edge in [from, to) that is at most x; from - 1 when there is none.
static int64_t edge_below(const double *edges, int64_t from, int64_t to, double x)
{
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (x < edges[middle])
            to = middle;
        else
            from = middle + 1;
    }
    return from - 1;
}

// -1: outside.
static int64_t bin_of(const Bins *b, double x)
{
    if (!(x >= b->left && x <= b->right))
        return -1;
    int64_t at;
    if (b->search == BY_EDGES) {
        at = edge_below(b->edges, 0, b->count + 1, x);
    } else {
        DType t = b->dtype;
        at = (int64_t)narrow(t, narrow(t, narrow(t, x - b->left) * narrow(t, (double)b->count)) / narrow(t, b->right - b->left));
        if (b->search == NEAR_FORMULA)
            at = edge_below(b->edges, at > 0 ? at - 1 : 0, at + 2 < b->count + 1 ? at + 2 : b->count + 1, x);
    }
    at = at >= b->count ? b->count - 1 : at; // the last interval holds its right edge
    return at < 0 ? 0 : at;
}

// Sums of the weights (NULL: 1 each) in hist, which has b->count numbers.
static void count_into(const Bins *b, const double *x, const double *weight, int64_t n, double *hist)
{
    memset(hist, 0, sizeof *hist * (size_t)b->count);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bin_of(b, x[i]);
        if (at >= 0)
            hist[at] = weight ? narrow(b->dtype, hist[at] + weight[i]) : hist[at] + 1;
    }
}

// Where nothing is given (left == right), the range of the elements; a range without width is widened.
static Status settle_range(const char *name, Bins *b, const double *x, int64_t n, bool given)
{
    if (!given && n) {
        b->left = b->right = x[0];
        for (int64_t i = 0; i < n; i++) {
            b->left = x[i] < b->left || isnan(x[i]) ? x[i] : b->left;
            b->right = x[i] > b->right || isnan(x[i]) ? x[i] : b->right;
            if (isnan(x[i]))
                break;
        }
    }
    if (!isfinite(b->left) || !isfinite(b->right))
        return op_raise("%s: range of [%g, %g] is not finite", name, b->left, b->right);
    if (b->left == b->right) {
        b->left = narrow(b->dtype, b->left - 0.5);
        b->right = narrow(b->dtype, b->right + 0.5);
    }
    return ST_OK;
}

static Status check_count(const char *name, int64_t bins)
{
    if (bins <= 0)
        return op_raise("%s: bins must be > 0, but got %lld for dimension 0", name, (long long)bins);
    return ST_OK;
}

// A new tensor of dtype t with these numbers.
static Status tensor_of_doubles(Lane *lane, DType t, const double *x, int64_t n, Tensor **out)
{
    Tensor *wide;
    TRY(tensor_new(lane, DT_F64, 1, &n, &wide));
    memcpy(wide->view.data, x, sizeof *x * (size_t)n);
    Status s = tensor_to_dtype(lane, wide, t, out);
    tensor_release(wide);
    return s;
}

// ---- histc(self, bins, min, max)

static Status histc(Lane *lane, const IValue *args, Tensor **out)
{
    Tensor *self = arg_tensor(args[0]), *x;
    Bins b = {.dtype = tensor_dtype(self), .search = BY_FORMULA, .count = arg_int(args[1])};
    if (!dtype_is_floating(b.dtype))
        return op_raise_class("NotImplementedError", "\"histogram_cpu\" not implemented for '%s'", dtype_torch_name(b.dtype));
    TRY(check_count("torch.histogram()", b.count));
    b.left = narrow(b.dtype, arg_double(args[2]));
    b.right = narrow(b.dtype, arg_double(args[3]));
    if (b.left > b.right)
        return op_raise("torch.histc: max must be larger than min");
    TRY(as_doubles(lane, self, &x));
    Tensor *hist = NULL;
    Status s = settle_range("torch.histc", &b, x->view.data, tensor_numel(x), b.left != b.right);
    if (s == ST_OK)
        s = tensor_new(lane, DT_F64, 1, &b.count, &hist);
    if (s == ST_OK) {
        count_into(&b, x->view.data, NULL, tensor_numel(x), hist->view.data);
        s = tensor_to_dtype(lane, hist, b.dtype, out);
        tensor_release(hist);
    }
    tensor_release(x);
    return s;
}

OP_FN(op_histc)
{
    Tensor *out;
    TRY(histc(lane, args, &out));
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// ---- histogram(self, bins, *, range, weight, density) and (self, edges, *, weight, density)

static Status check_operands(const Tensor *self, const Tensor *weight)
{
    DType t = tensor_dtype(self);
    if (t != DT_F32 && t != DT_F64)
        return op_raise_class("NotImplementedError", "\"histogramdd\" not implemented for '%s'", dtype_torch_name(t));
    if (weight && tensor_numel(weight) != tensor_numel(self))
        return op_raise("torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its innermost "
                        "dimension, but got input with %lld elements and weight with %lld", (long long)tensor_numel(self), (long long)tensor_numel(weight));
    if (weight && tensor_dtype(weight) != t)
        return op_raise("torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but got input(%s), "
                        "and weight(%s)", t == DT_F32 ? "float" : "double", dtype_torch_name(tensor_dtype(weight)));
    return ST_OK;
}

static Status alloc_edges(Bins *b)
{
    size_t bytes = sizeof *b->edges * ((size_t)b->count + 1);
    if (b->count >= INT64_MAX / 16 || !(b->edges = malloc(bytes)))
        return status_no_memory(bytes);
    return ST_OK;
}

static Status even_edges(Bins *b, IValue range, const double *x, int64_t n)
{
    bool given = !arg_is_none(range);
    if (given) {
        const ListObj *l = range.as.list;
        if (l->len != 2)
            return op_raise("torch.histogramdd: for a 1-dimensional histogram range should have 2 elements, but got %u", l->len);
        b->left = narrow(b->dtype, arg_double(l->items[0]));
        b->right = narrow(b->dtype, arg_double(l->items[1]));
        if (b->left > b->right)
            return op_raise("torch.histogramdd: min should not exceed max, but got min %g max %g for dimension 0", b->left, b->right);
    } else if (!n) {
        b->right = 1;
    }
    TRY(settle_range("torch.histogramdd", b, x, n, given));
    TRY(alloc_edges(b));
    double step = narrow(b->dtype, narrow(b->dtype, b->right - b->left) / (double)b->count);
    for (int64_t i = 0; i <= b->count; i++) // from both ends, as torch.linspace does
        b->edges[i] = i < (b->count + 1) / 2 ? narrow(b->dtype, b->left + step * (double)i) : narrow(b->dtype, b->right - step * (double)(b->count - i));
    return ST_OK;
}

static Status given_edges(Lane *lane, Bins *b, Tensor *edges)
{
    if (edges->view.ndim != 1)
        return op_raise("torch.histogramdd: bins tensor should have one dimension, but got %d dimensions in the bins tensor for dimension 0", edges->view.ndim);
    if (tensor_dtype(edges) != b->dtype)
        return op_raise("torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype %s and bins for dimension 0 "
                        "with dtype %s", dtype_torch_name(b->dtype), dtype_torch_name(tensor_dtype(edges)));
    b->count = edges->view.size[0] - 1;
    TRY(check_count("torch.histogram()", b->count));
    TRY(alloc_edges(b));
    Tensor *wide;
    TRY(as_doubles(lane, edges, &wide));
    memcpy(b->edges, wide->view.data, sizeof *b->edges * ((size_t)b->count + 1));
    tensor_release(wide);
    b->left = b->edges[0];
    b->right = b->edges[b->count];
    return ST_OK;
}

static void to_density(const Bins *b, double *hist)
{
    double sum = 0;
    for (int64_t i = 0; i < b->count; i++)
        sum = narrow(b->dtype, sum + hist[i]);
    for (int64_t i = 0; i < b->count; i++)
        hist[i] = narrow(b->dtype, narrow(b->dtype, hist[i] / sum) / narrow(b->dtype, b->edges[i + 1] - b->edges[i]));
}

static Status histogram(Lane *lane, const IValue *args, Bins *b, Tensor **out)
{
    bool given = b->search == BY_EDGES;
    Tensor *self = arg_tensor(args[0]), *weight = arg_tensor(args[given ? 2 : 3]), *x = NULL, *w = NULL;
    TRY(check_operands(self, weight));
    TRY(as_doubles(lane, self, &x));
    int64_t n = tensor_numel(x);
    Status s = weight ? as_doubles(lane, weight, &w) : ST_OK;
    if (s == ST_OK)
        s = given ? given_edges(lane, b, arg_tensor(args[1])) : even_edges(b, args[2], x->view.data, n);
    double *hist = s == ST_OK ? malloc(sizeof *hist * (size_t)b->count) : NULL;
    if (s == ST_OK && !hist)
        s = status_no_memory(sizeof *hist * (size_t)b->count);
    if (s == ST_OK) {
        count_into(b, x->view.data, w ? w->view.data : NULL, n, hist);
        if (arg_int(args[given ? 3 : 4]))
            to_density(b, hist);
        s = tensor_of_doubles(lane, b->dtype, hist, b->count, &out[0]);
        if (s == ST_OK && (s = tensor_of_doubles(lane, b->dtype, b->edges, b->count + 1, &out[1])) != ST_OK)
            tensor_release(out[0]);
    }
    free(hist);
    if (w)
        tensor_release(w);
    tensor_release(x);
    return s;
}

OP_FN(op_histogram)
{
    Bins b = {.dtype = tensor_dtype(arg_tensor(args[0])), .search = site->op->data ? BY_EDGES : NEAR_FORMULA};
    if (b.search == NEAR_FORMULA) {
        b.count = arg_int(args[1]);
        TRY(check_count("torch.histogram()", b.count));
    }
    Tensor *out[2];
    Status s = histogram(lane, args, &b, out);
    free(b.edges);
    TRY(s);
    for (int i = 0; i < 2; i++)
        rets[i] = value_tensor_take(out[i]);
    return ST_OK;
}

const OpBinding OPS_HISTOGRAM[] = {
    {"aten::histc", op_histc, 0, NULL, NULL},
    {"aten::histogram.bin_ct", op_histogram, 0, NULL, NULL},
    {"aten::histogram.bins_tensor", op_histogram, 0, "edges", NULL},
    {0},
};
