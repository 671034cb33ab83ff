// Folds batch normalisation with fixed statistics into the convolution before it:
//   y = (conv(x, w) + b - mean) * weight / sqrt(var + eps) + bias  =  conv(x, w * s) + (b - mean) * s + bias
// New weights are computed in double and rounded once.
#include "ir/pass.h"

#include <math.h>
#include <stdlib.h>

typedef struct Norm {
    const DatumTensor *weight, *bias, *mean, *var; // weight and bias may be NULL
    double eps;
} Norm;

typedef struct Conv {
    Node *node;
    const DatumTensor *weight, *bias; // bias may be NULL
    uint32_t bias_at;                 // which input
    bool transposed;
    int64_t groups;
} Conv;

enum { MAX_NDIM = 8 };

static bool is_off(const Value *v)
{
    bool b = true;
    return v && value_constant_bool(v, &b) && !b;
}

static bool is_plain(const DatumTensor *t)
{
    return !t->sparse && !t->quantizer && !t->conj && !t->neg && t->storage->data && (t->dtype == DT_F32 || t->dtype == DT_F64);
}

static bool is_dense(const DatumTensor *t)
{
    int64_t expected = 1;
    for (int d = t->ndim - 1; d >= 0; d--) {
        if (t->size[d] != 1 && t->stride[d] != expected)
            return false;
        expected *= t->size[d];
    }
    return is_plain(t);
}

// A dense vector of n elements, or None (*out stays NULL). False: something else.
static bool vector(const Value *v, int64_t n, const DatumTensor **out)
{
    *out = NULL;
    if (!v)
        return false;
    if (value_is_none(v))
        return true;
    const DatumTensor *t = constant_tensor(v);
    if (!t || t->ndim != 1 || t->size[0] != n || !is_dense(t))
        return false;
    *out = t;
    return true;
}

static double at(const DatumTensor *t, int64_t i)
{
    const void *p = datum_tensor_data(t);
    return t->dtype == DT_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static bool find_conv(Node *n, const Alias *alias, Conv *c)
{
    static const char *const PLAIN[] = {"aten::conv1d", "aten::conv2d", "aten::conv3d"}, *const TRANSPOSED[] = {"aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d"};
    bool plain = false, transposed = false;
    for (int i = 0; i < 3; i++) {
        plain |= node_is(n, PLAIN[i]);
        transposed |= node_is(n, TRANSPOSED[i]);
    }
    if (node_is(n, "aten::_convolution")) {
        if (!value_constant_bool(node_argument(n, "transposed"), &transposed))
            return false;
    } else if (!plain && !transposed) {
        return false;
    }
    *c = (Conv){.node = n, .transposed = transposed, .bias_at = 2};
    c->weight = constant_tensor(n->inputs[1]);
    if (!c->weight || c->weight->ndim < 3 || c->weight->ndim > MAX_NDIM || !is_plain(c->weight) || alias_node_touched(alias, n))
        return false;
    return value_constant_int(node_argument(n, "groups"), &c->groups) && c->groups > 0;
}

static int64_t channels(const Conv *c) { return c->transposed ? c->weight->size[1] * c->groups : c->weight->size[0]; }

static bool find_norm(const Node *n, const Alias *alias, int64_t count, Norm *out)
{
    bool fits = is_off(n->inputs[5]) && constant_number(n->inputs[7], &out->eps) && !alias_node_touched(alias, n);
    return fits && vector(n->inputs[1], count, &out->weight) && vector(n->inputs[2], count, &out->bias) && vector(n->inputs[3], count, &out->mean) &&
           vector(n->inputs[4], count, &out->var) && out->mean && out->var;
}

static DatumTensor *like(PassContext *c, const DatumTensor *t, int ndim, const int64_t *size, Datum **out)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= size[i];
    void *data = arena_alloc(c->arena, (size_t)n * dtype_size(t->dtype));
    *out = datum_tensor(c->arena, t->dtype, ndim, size, data);
    return (*out)->tensor;
}

static void *bytes(const DatumTensor *t) { return (void *)datum_tensor_data(t); }

typedef float Float8 __attribute__((vector_size(32)));
typedef double Double8 __attribute__((vector_size(64)));

// to[i] = from[i] * scale in double, rounded once, for `n` elements of one output channel.
static void scale_run(const DatumTensor *from, DatumTensor *to, int64_t start, int64_t n, double scale)
{
    if (from->dtype == DT_F32) {
        const float *x = (const float *)bytes(from) + start;
        float *y = (float *)bytes(to) + start;
        int64_t i = 0;
        for (; i + 8 <= n; i += 8) {
            Float8 v;
            memcpy(&v, x + i, sizeof v);
            v = __builtin_convertvector(__builtin_convertvector(v, Double8) * scale, Float8);
            memcpy(y + i, &v, sizeof v);
        }
        for (; i < n; i++)
            y[i] = (float)((double)x[i] * scale);
    } else {
        const double *x = (const double *)bytes(from) + start;
        double *y = (double *)bytes(to) + start;
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * scale;
    }
}

// Weights in any order of dimensions (channels last), element by element.
static void scale_strided(const Conv *conv, const double *scale, DatumTensor *out)
{
    const DatumTensor *w = conv->weight;
    int64_t index[MAX_NDIM] = {0}, n = datum_tensor_numel(w);
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = 0, channel = index[0];
        for (int d = 0; d < w->ndim; d++)
            offset += index[d] * w->stride[d];
        if (conv->transposed)
            channel = index[0] / (w->size[0] / conv->groups) * w->size[1] + index[1];
        if (w->dtype == DT_F32)
            ((float *)bytes(out))[i] = (float)(at(w, offset) * scale[channel]);
        else
            ((double *)bytes(out))[i] = at(w, offset) * scale[channel];
        for (int d = w->ndim - 1; d >= 0 && ++index[d] == w->size[d]; d--)
            index[d] = 0;
    }
}

static void scale_weight(const Conv *conv, const double *scale, DatumTensor *out)
{
    const DatumTensor *w = conv->weight;
    if (!is_dense(w)) {
        scale_strided(conv, scale, out);
        return;
    }
    int64_t kernel = 1;
    for (int i = 2; i < w->ndim; i++)
        kernel *= w->size[i];
    if (!conv->transposed) {
        for (int64_t o = 0; o < w->size[0]; o++)
            scale_run(w, out, o * w->size[1] * kernel, w->size[1] * kernel, scale[o]);
        return;
    }
    // [inputs, outputs / groups, kernel]: an input channel belongs to one group, and so do its outputs.
    int64_t per_group = w->size[1], inputs_per_group = w->size[0] / conv->groups;
    for (int64_t i = 0; i < w->size[0]; i++)
        for (int64_t o = 0; o < per_group; o++)
            scale_run(w, out, (i * per_group + o) * kernel, kernel, scale[i / inputs_per_group * per_group + o]);
}

enum { SHARED_FROM = 64 << 10 }; // bytes; smaller constants are not worth an entry

// The weight of a large convolution in memory that all processes of the node share, or NULL.
static Datum *shared_weight(PassContext *c, const Conv *conv, const double *scale)
{
    const DatumTensor *w = conv->weight;
    size_t size = (size_t)datum_tensor_numel(w) * dtype_size(w->dtype);
    void *computed = c->hooks && c->hooks->share && size >= SHARED_FROM ? malloc(size) : NULL;
    if (!computed)
        return NULL;
    DatumStorage storage = {.dtype = w->dtype, .size = size, .data = computed};
    DatumTensor out = {.storage = &storage, .dtype = w->dtype, .ndim = w->ndim, .size = w->size};
    scale_weight(conv, scale, &out);
    const void *kept = c->hooks->share(c->hooks->ctx, computed, size);
    free(computed);
    return kept ? datum_tensor(c->arena, w->dtype, w->ndim, w->size, kept) : NULL;
}

static Datum *scaled_weight(PassContext *c, const Conv *conv, const double *scale)
{
    Datum *d = shared_weight(c, conv, scale);
    if (!d)
        scale_weight(conv, scale, like(c, conv->weight, conv->weight->ndim, conv->weight->size, &d));
    return d;
}

static Datum *folded_bias(PassContext *c, const Conv *conv, const Norm *norm, const double *scale, int64_t n)
{
    Datum *d;
    DatumTensor *out = like(c, conv->weight, 1, &n, &d);
    for (int64_t i = 0; i < n; i++) {
        double v = ((conv->bias ? at(conv->bias, i) : 0) - at(norm->mean, i)) * scale[i] + (norm->bias ? at(norm->bias, i) : 0);
        if (out->dtype == DT_F32)
            ((float *)bytes(out))[i] = (float)v;
        else
            ((double *)bytes(out))[i] = v;
    }
    return d;
}

static bool fold(PassContext *c, const Alias *alias, Node *n)
{
    Conv conv;
    Norm norm;
    Value *x = n->inputs[0];
    if (x->use_count != 1 || x->node->kind != NODE_OP || !find_conv(x->node, alias, &conv))
        return false;
    int64_t count = channels(&conv);
    if (!vector(conv.node->inputs[conv.bias_at], count, &conv.bias) || !find_norm(n, alias, count, &norm))
        return false;
    if (norm.mean->dtype != conv.weight->dtype || (conv.transposed && conv.weight->size[0] % conv.groups))
        return false;
    double *scale = ARENA_ARRAY(&c->scratch, double, count);
    for (int64_t i = 0; i < count; i++)
        scale[i] = (norm.weight ? at(norm.weight, i) : 1) / sqrt(at(norm.var, i) + norm.eps);
    Node *top = block_first(c->graph->top);
    Value *weight = constant_datum(c, top, scaled_weight(c, &conv, scale), NULL);
    Value *bias = constant_datum(c, top, folded_bias(c, &conv, &norm, scale, count), NULL);
    value_set_name(weight, conv.node->inputs[1]->name);
    node_set_input(conv.node, 1, weight);
    node_set_input(conv.node, conv.bias_at, bias);
    node_replace(n, x);
    return true;
}

Status pass_fold_batch_norm(PassContext *c)
{
    Alias *alias = alias_analyse(&c->scratch, c->graph, c->is_fork, NULL);
    for (Node *n = graph_first(c->graph), *next; n; n = next) {
        next = node_next_deep(n);
        if (node_is(n, "aten::batch_norm") && fold(c, alias, n))
            c->changed = true;
    }
    return ST_OK;
}
