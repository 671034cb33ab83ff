// Finding operator bindings, running kernels through the inline cache of a site, and helpers for bindings.
// The cache keeps the SITE_WAYS most recently used prepared kernels of a site in order of use.
#include "worker/op_derived.h"

#include "io/archive.h"

#include <pthread.h>
#include <stdlib.h>

// ---- the table of bindings

enum { TABLE_SLOTS = 1 << 14 }; // more than twice the rows of ops.def

static const OpBinding *const families[] = {
    OPS_LOSS, OPS_NLL, OPS_EMBED, OPS_UNPOOL, OPS_NN,
    OPS_FACTOR, OPS_SOLVE, OPS_SPECTRUM, OPS_MATRIX_NORM, OPS_PRODUCTS, OPS_FFT, OPS_STFT, OPS_MATMUL_DTYPE,
    OPS_DIFFERENCE, OPS_COMPOSITE, OPS_INNER, OPS_INTERPOLATE, OPS_QUANTILE, OPS_UNIQUE,
    OPS_SCALAR, OPS_CONTAINER, OPS_STRING, OPS_VIEW,      OPS_CREATE, OPS_INDEX, OPS_POINTWISE, OPS_REDUCE,
    OPS_MATMUL, OPS_CONV,      OPS_NORM,   OPS_RNN,       OPS_ATTENTION, OPS_RANDOM, OPS_FUSED, OPS_MISC,
    OPS_TENSOR, OPS_SPLIT,     OPS_DICT,   OPS_COMPOSE, OPS_PART, OPS_EQUAL, OPS_DROPOUT,
    OPS_SAMPLE, OPS_DRAW, OPS_OBSERVE, OPS_FBGEMM, OPS_MATH, OPS_VIEW_COPY, OPS_TRANSFORMER, OPS_NESTED, OPS_POOL, OPS_RESIZE, OPS_VISION,
    OPS_SPECIAL, OPS_GROUPED, OPS_HISTOGRAM, OPS_AUDIO,
    OPS_QUANT, OPS_QUANT_LINEAR, OPS_QUANT_MATH, OPS_QUANT_RNN, OPS_QUANT_EMBEDDING,
};
static const OpBinding *table[TABLE_SLOTS]; // built once, then read-only
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_build(void)
{
    size_t rows = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const OpBinding *b = families[f]; b->name && rows < TABLE_SLOTS / 2; b++) {
            size_t at = str_hash(str_of(b->name)) % TABLE_SLOTS;
            while (table[at] && strcmp(table[at]->name, b->name) != 0)
                at = (at + 1) % TABLE_SLOTS;
            if (!table[at]) { // of two rows with one name the first wins
                table[at] = b;
                rows++;
            }
        }
}

const OpBinding *op_find_bound(Str full_name)
{
    pthread_once(&table_once, table_build);
    for (size_t at = str_hash(full_name) % TABLE_SLOTS; table[at]; at = (at + 1) % TABLE_SLOTS)
        if (str_is(full_name, table[at]->name))
            return table[at];
    return NULL;
}

const OpBinding *op_find(Str full_name)
{
    const OpBinding *bound = op_find_bound(full_name);
    return bound ? bound : op_derived_find(full_name);
}

// ---- prepared kernels

typedef struct Way {
    Kernel kernel;
    const KernelOp *op;
    void *params;
    size_t params_size;
    int n_in;
    View in[]; // signatures
} Way;

typedef struct KernelCache {
    int count;
    Way *ways[SITE_WAYS]; // most recently used first
} KernelCache;

static void way_free(Way *w)
{
    if (!w)
        return;
    kernel_destroy(&w->kernel);
    free(w->params);
    free(w);
}

void site_clear(Site *site)
{
    if (site->cache) {
        for (int i = 0; i < site->cache->count; i++)
            way_free(site->cache->ways[i]);
        free(site->cache);
        site->cache = NULL;
    }
    if (site->user && site->op && site->op->free_user)
        site->op->free_user(site->user);
    site->user = NULL;
}

static bool way_fits(const Way *w, const KernelOp *op, const void *params, size_t params_size, const View *in, int n_in)
{
    if (w->op != op || w->n_in != n_in || w->params_size != params_size)
        return false;
    for (int i = 0; i < n_in; i++)
        if (!view_same_signature(&w->in[i], &in[i]))
            return false;
    return params_size == 0 || memcmp(w->params, params, params_size) == 0;
}

enum { FORGET_FROM = 1 << 20 }; // bytes of a weight whose pages are worth giving back

// The kernel has packed what it wants of its constants.
static void forget_sources(const Lane *lane, const View *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i].dtype != DT_INVALID && in[i].constant && view_bytes(&in[i]) >= FORGET_FROM)
            archive_forget_pages(lane->forget_packed, in[i].data, view_bytes(&in[i]));
}

static Status way_prepare(Lane *lane, const KernelOp *op, const void *params, size_t params_size, const View *in, int n_in, Way **out)
{
    size_t size = sizeof(Way) + sizeof(View) * (size_t)n_in;
    Way *w = calloc(1, size);
    if (!w)
        return status_no_memory(size);
    if (params_size && !(w->params = malloc(params_size))) {
        free(w);
        return status_no_memory(params_size);
    }
    w->op = op;
    w->params_size = params_size;
    w->n_in = n_in;
    if (params_size)
        memcpy(w->params, params, params_size);
    for (int i = 0; i < n_in; i++)
        w->in[i] = in[i];
    Status status = kernel_prepare(&w->kernel, op, &lane->kernels, w->params, w->in, n_in);
    if (status != ST_OK) {
        way_free(w);
        return status;
    }
    if (lane->forget_packed)
        forget_sources(lane, in, n_in);
    *out = w;
    return ST_OK;
}

// The prepared kernel for these operands, moved to the front of the cache.
static Status kernel_cached(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, const View *in, int n_in, Way **out)
{
    KernelCache *c = site->cache;
    if (c && c->count && way_fits(c->ways[0], op, params, params_size, in, n_in)) {
        *out = c->ways[0];
        return ST_OK;
    }
    if (!c && !(c = site->cache = calloc(1, sizeof *c)))
        return status_no_memory(sizeof *c);
    int at = 1;
    while (at < c->count && !way_fits(c->ways[at], op, params, params_size, in, n_in))
        at++;
    Way *w = NULL;
    if (at < c->count) {
        w = c->ways[at];
    } else {
        TRY(way_prepare(lane, op, params, params_size, in, n_in, &w));
        if (c->count == SITE_WAYS)
            way_free(c->ways[--c->count]);
        at = c->count++;
    }
    memmove(c->ways + 1, c->ways, sizeof *c->ways * (size_t)at);
    c->ways[0] = w;
    *out = w;
    return ST_OK;
}

static void operand_views(Tensor *const *in, int n_in, View *views)
{
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) {
            memset(&views[i], 0, offsetof(View, size));
            views[i].dtype = DT_INVALID;
            continue;
        }
        view_assign(&views[i], &in[i]->view);
        views[i].constant = in[i]->is_constant && in[i]->storage->shared;
    }
}

// Finds or prepares; operands in private layouts that no variant takes are reordered and offered again.
static Status find_kernel(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, Tensor *const *in, int n_in, View *views, Way **way)
{
    if (n_in > KERNEL_MAX_INPUTS)
        return status_fail(ST_UNSUPPORTED, "%s: too many operands (%d, limit %d)", op->name, n_in, KERNEL_MAX_INPUTS);
    operand_views(in, n_in, views);
    Status status = kernel_cached(lane, site, op, params, params_size, views, n_in, way);
    if (status == ST_DECLINED || status == ST_UNSUPPORTED) {
        bool changed = false;
        for (int i = 0; i < n_in; i++)
            if (in[i] && in[i]->view.layout != LAYOUT_STRIDED) {
                TRY(tensor_make_plain(lane, in[i]));
                changed = true;
            }
        if (changed) {
            operand_views(in, n_in, views);
            status = kernel_cached(lane, site, op, params, params_size, views, n_in, way);
        }
    }
    return status == ST_RAISED ? op_raise("%s", status_message()) : status;
}

static Status run_kernel(Lane *lane, const Kernel *k, const View *in, const View *out)
{
    void *scratch = NULL;
    if (k->scratch_bytes && !(scratch = lane_scratch(lane, k->scratch_bytes)))
        return ST_MEMORY;
    lane->kernel = k->variant->name;
    lane->flops += k->flops;
    Status status = k->variant->run(k, in, out, scratch, NULL);
    return status == ST_RAISED ? op_raise("%s", status_message()) : status; // kernels know no Python classes
}

const char *site_variant(const Site *site)
{
    if (site->profile.kernel)
        return site->profile.kernel; // perhaps of a step within the operator
    return site->cache && site->cache->count ? site->cache->ways[0]->kernel.variant->name : NULL;
}

// May the kernel write its output over operand t? Only when t dies here and nothing else sees its memory.
static bool may_overwrite(const Lane *lane, const Site *site, const Tensor *t, const View *out)
{
    const Storage *s = t->storage;
    if (t->head.refs != 1 || s->refs != 1 || s->shared || t->offset != 0 || s->size < view_bytes(out) || !lane->args)
        return false;
    for (int i = 0; i < site->arg_count && i < 32; i++)
        if ((site->last_use >> i & 1) && lane->args[i].tag == TAG_TENSOR && lane->args[i].as.tensor == t)
            return true;
    return false;
}

// Is operand t also another operand, as in act(conv(x) + x)? Then overwriting it would change what the kernel still reads.
static bool read_elsewhere(const Tensor *t, int index, Tensor *const *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (i != index && in[i] && in[i]->storage == t->storage)
            return true;
    return false;
}

Status kernel_call(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, Tensor *const *in, int n_in, Tensor **out, int n_out)
{
    View in_views[KERNEL_MAX_INPUTS], out_views[KERNEL_MAX_OUTPUTS];
    Way *w;
    TRY(find_kernel(lane, site, op, params, params_size, in, n_in, in_views, &w));
    const Kernel *k = &w->kernel;
    if (k->output_count < n_out)
        return status_fail(ST_INTERNAL, "%s: %d results expected, the kernel has %d", op->name, n_out, k->output_count);
    Tensor *made[KERNEL_MAX_OUTPUTS];
    int count = 0;
    Status status = ST_OK;
    for (; count < k->output_count && status == ST_OK; count++) {
        Tensor *over = count == 0 && k->in_place >= 0 ? in[k->in_place] : NULL;
        if (over && !read_elsewhere(over, k->in_place, in, n_in) && may_overwrite(lane, site, over, &k->outputs[0]))
            status = tensor_of_storage(lane, over->storage, &k->outputs[0], 0, &made[0]);
        else
            status = tensor_new_as(lane, &k->outputs[count], &made[count]);
        if (status != ST_OK)
            break;
        view_assign(&out_views[count], &made[count]->view);
    }
    if (status == ST_OK)
        status = run_kernel(lane, k, in_views, out_views);
    int kept = status == ST_OK ? n_out : 0;
    for (int i = kept; i < count; i++)
        tensor_release(made[i]);
    for (int i = 0; i < kept; i++)
        out[i] = made[i];
    return status;
}

// May the kernel write straight into `out`? It must have the signature the kernel writes, and share no memory with an
// operand but the one the kernel may overwrite.
static bool fits_output(const Kernel *k, int index, const Tensor *out, Tensor *const *in, int n_in)
{
    View mine;
    view_assign(&mine, &out->view);
    mine.constant = k->outputs[index].constant;
    if (!view_same_signature(&mine, &k->outputs[index]))
        return false;
    for (int i = 0; i < n_in; i++) {
        if (!in[i] || in[i]->storage != out->storage)
            continue;
        bool same = in[i]->view.data == out->view.data;
        if (!(index == 0 && i == k->in_place && same))
            return false;
    }
    return true;
}

Status kernel_call_into(Lane *lane, Site *site, const KernelOp *op, const void *params, size_t params_size, Tensor *const *in, int n_in, Tensor *const *out, int n_out)
{
    View in_views[KERNEL_MAX_INPUTS], out_views[KERNEL_MAX_OUTPUTS];
    for (int i = 0; i < n_out; i++)
        TRY(tensor_make_writable(out[i])); // before the operands' views are taken: it may move them
    Way *w;
    TRY(find_kernel(lane, site, op, params, params_size, in, n_in, in_views, &w));
    const Kernel *k = &w->kernel;
    if (k->output_count < n_out)
        return status_fail(ST_INTERNAL, "%s: %d results expected, the kernel has %d", op->name, n_out, k->output_count);
    Tensor *temporary[KERNEL_MAX_OUTPUTS] = {0};
    Status status = ST_OK;
    for (int i = 0; i < k->output_count && status == ST_OK; i++) {
        if (i < n_out && !view_same_shape(&k->outputs[i], &out[i]->view))
            status = op_raise("output of %s has another shape than the tensor it is written to", op->name);
        else if (i < n_out && fits_output(k, i, out[i], in, n_in))
            view_assign(&out_views[i], &out[i]->view);
        else if ((status = tensor_new_as(lane, &k->outputs[i], &temporary[i])) == ST_OK)
            view_assign(&out_views[i], &temporary[i]->view);
    }
    if (status == ST_OK)
        status = run_kernel(lane, k, in_views, out_views);
    for (int i = 0; i < n_out && status == ST_OK; i++)
        if (temporary[i])
            status = tensor_copy_into(lane, out[i], temporary[i]);
    for (int i = 0; i < k->output_count; i++)
        if (temporary[i])
            tensor_release(temporary[i]);
    return status;
}

// ---- helpers of bindings

static Status vraise(const char *python_class, const char *fmt, va_list ap)
{
    status_vfail(ST_RAISED, fmt, ap);
    return status_fail(ST_RAISED, "%s: %s", python_class, status_message());
}

Status op_raise(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Status status = vraise("RuntimeError", fmt, ap);
    va_end(ap);
    return status;
}

Status op_raise_class(const char *python_class, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Status status = vraise(python_class, fmt, ap);
    va_end(ap);
    return status;
}

Status arg_ints(IValue v, int64_t *out, int max, int *n)
{
    if (v.tag == TAG_INT) {
        out[0] = v.as.i;
        *n = 1;
        return ST_OK;
    }
    if (v.tag != TAG_LIST)
        return status_fail(ST_INTERNAL, "a list of ints was expected, not a value of tag %d", v.tag);
    const ListObj *l = v.as.list;
    if (l->len > (uint32_t)max)
        return op_raise("too many numbers in a list (%u, limit %d)", l->len, max);
    for (uint32_t i = 0; i < l->len; i++)
        out[i] = arg_int(l->items[i]);
    *n = (int)l->len;
    return ST_OK;
}

double arg_double(IValue number)
{
    switch ((ValueTag)number.tag) {
    case TAG_FLOAT: return number.as.f;
    case TAG_INT: return (double)number.as.i;
    case TAG_BOOL: return number.as.b;
    case TAG_COMPLEX: return number.as.complex->re;
    default: return 0;
    }
}

int64_t arg_int(IValue number)
{
    switch ((ValueTag)number.tag) {
    case TAG_INT: return number.as.i;
    case TAG_BOOL: return number.as.b;
    case TAG_FLOAT: // out of range and NaN as x86 converts them
        return number.as.f >= -0x1p63 && number.as.f < 0x1p63 ? (int64_t)number.as.f : INT64_MIN;
    default: return 0;
    }
}

Status wrap_dim(int64_t dim, int ndim, int *out)
{
    int64_t range = ndim ? ndim : 1; // a 0-d tensor accepts -1 and 0
    if (dim < -range || dim >= range)
        return op_raise("Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)", (long long)-range,
                        (long long)(range - 1), (long long)dim);
    *out = (int)(dim < 0 ? dim + range : dim);
    return ST_OK;
}
