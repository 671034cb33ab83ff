// Operator bindings: random numbers, drawing what PyTorch's CPU kernels draw (torchscript.md §7.8).
// Elements are drawn one after the other in the order of memory.
#include "worker/op_util.h"

#include "kernels/copy.h"
#include "worker/pointwise.h"
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

// ---- Distributions ------------------------------------------------------------------------------------------------------

// What an element is made of, and how. `words` numbers of 32 bits each; `normal` draws by itself.
typedef struct Draw {
    enum { DRAW_UNIFORM, DRAW_NORMAL, DRAW_LOG_NORMAL, DRAW_BERNOULLI, DRAW_EXPONENTIAL, DRAW_GEOMETRIC, DRAW_CAUCHY, DRAW_BETWEEN, DRAW_ANY } kind;
    double a, b;
    int64_t low;
    uint64_t range;
    DType dtype; // of the tensor
} Draw;

enum { CHUNK = 512 };

static inline uint64_t pair(const uint32_t *w) { return (uint64_t)w[0] << 32 | w[1]; }

// m elements: float for uniform numbers but of float64, double for the other real ones, int64 for integers.
static void draw_chunk(Generator *g, const Draw *d, void *out, int64_t m)
{
    uint32_t w[2 * CHUNK];
    double *x = out;
    float *f = out;
    int64_t *k = out;
    bool narrow = (d->kind == DRAW_UNIFORM && d->dtype != DT_F64) || (d->kind == DRAW_BETWEEN && d->range < (uint64_t)1 << 32);
    if (d->kind != DRAW_NORMAL && d->kind != DRAW_LOG_NORMAL)
        random_words(g, w, narrow ? m : 2 * m);
#define EACH(result)                                                                                                   \
    for (int64_t i = 0; i < m; i++)                                                                                    \
        result;                                                                                                        \
    break
#define U uniform_of_u64(pair(w + 2 * i))
    switch (d->kind) {
    case DRAW_UNIFORM: {
        if (!narrow) {
            EACH(x[i] = U * (d->b - d->a) + d->a);
        }
        int bits = d->dtype == DT_F16 ? 11 : d->dtype == DT_BF16 ? 8 : 24;
        float unit = ldexpf(1, -bits), low = (float)d->a, span = (float)d->b - (float)d->a;
        uint32_t mask = (1u << bits) - 1;
        EACH(f[i] = (float)(int32_t)(w[i] & mask) * unit * span + low);
    }
    case DRAW_NORMAL: EACH(x[i] = random_normal(g, d->a, d->b));
    case DRAW_LOG_NORMAL: EACH(x[i] = exp(random_normal(g, d->a, d->b)));
    case DRAW_BERNOULLI: EACH(x[i] = U < d->a);
    case DRAW_EXPONENTIAL: EACH(x[i] = -1 / d->a * log1p(-U));
    case DRAW_GEOMETRIC: EACH(x[i] = ceil(log(U) / log(1 - d->a)));
    case DRAW_CAUCHY: EACH(x[i] = d->a + d->b * tan(M_PI * (U - 0.5)));
    case DRAW_ANY: EACH(k[i] = (int64_t)pair(w + 2 * i));
    case DRAW_BETWEEN:
        if (narrow) {
            uint32_t range = (uint32_t)d->range;
            EACH(k[i] = (int64_t)(w[i] % range + (uint64_t)d->low));
        }
        EACH(k[i] = (int64_t)(pair(w + 2 * i) % d->range + (uint64_t)d->low));
    }
#undef EACH
#undef U
}

// t[…] = draws. The interpreter made t writable.
static Status fill_drawn(Lane *lane, Generator *g, Tensor *t, Draw d)
{
    d.dtype = tensor_dtype(t);
    DType wide = d.kind >= DRAW_BETWEEN ? DT_I64 : d.kind == DRAW_UNIFORM && d.dtype != DT_F64 ? DT_F32 : DT_F64;
    Converter convert;
    if (!converter_find(wide, d.dtype, &convert))
        return op_raise("random numbers of %s are not supported", dtype_torch_name(d.dtype));
    bool direct = view_is_dense(&t->view);
    Tensor *drawn = t;
    if (!direct)
        TRY(tensor_new_like(lane, t, d.dtype, FORMAT_PRESERVE, &drawn));
    int64_t n = tensor_numel(t), from = (int64_t)dtype_size(wide), to = (int64_t)dtype_size(d.dtype);
    double chunk[CHUNK];
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK;
        char *place = (char *)drawn->view.data + at * to;
        draw_chunk(g, &d, wide == d.dtype ? (void *)place : chunk, m);
        if (wide != d.dtype)
            convert_row(&convert, place, to, (const char *)chunk, from, m);
    }
    if (direct)
        return ST_OK;
    Status status = tensor_copy_into(lane, t, drawn);
    tensor_release(drawn);
    return status;
}

// 16 uniform numbers of float16 or bfloat16 become 16 normal ones. The named values are rounded to the dtype; what is between
// them to float32, or to bfloat16, which has operators of its own.
static void normal_block_half(float *v, DType t, float mean, float std)
{
    DType between = t == DT_BF16 ? DT_BF16 : DT_F32;
    for (int j = 0; j < 8; j++) {
        float u1 = round_to(t, 1 - v[j]), u2 = v[j + 8];
        float radius = round_to(t, sqrtf(round_to(between, -2 * round_to(between, logf(u1)))));
        float theta = round_to(t, (float)(2 * M_PI * (double)u2));
        float across = round_to(between, radius * round_to(between, (float)cos((double)theta)));
        float along = round_to(between, radius * round_to(between, (float)sin((double)theta)));
        v[j] = round_to(t, round_to(between, across * std) + mean);
        v[j + 8] = round_to(t, round_to(between, along * std) + mean);
    }
}

static void normal_block_f64(double *v, double mean, double std)
{
    for (int j = 0; j < 8; j++) {
        double radius = sqrt(-2 * log(1 - v[j])), theta = 2 * M_PI * v[j + 8];
        v[j] = radius * cos(theta) * std + mean;
        v[j + 8] = radius * sin(theta) * std + mean;
    }
}

// n numbers (a multiple of 16, up to CHUNK) with the vectorised loops: PyTorch too has approximations of its own here.
static void normal_blocks_f32(float *v, int64_t n, float mean, float std)
{
    float radius[CHUNK / 2], theta[CHUNK / 2], cosine[CHUNK / 2];
    uint8_t types[1 + PW_MAX_INPUTS];
    PwParams none = {0};
    for (int64_t i = 0; i < n / 2; i++) {
        const float *block = v + i / 8 * 16 + i % 8;
        radius[i] = 1 - block[0];
        theta[i] = (float)(2 * (double)(float)M_PI * (double)block[8]);
    }
    pw_loop(PW_LOG, DT_F32, types)(radius, (const void *const[]){radius}, n / 2, 0, &none);
    for (int64_t i = 0; i < n / 2; i++)
        radius[i] *= -2;
    pw_loop(PW_SQRT, DT_F32, types)(radius, (const void *const[]){radius}, n / 2, 0, &none);
    pw_loop(PW_COS, DT_F32, types)(cosine, (const void *const[]){theta}, n / 2, 0, &none);
    pw_loop(PW_SIN, DT_F32, types)(theta, (const void *const[]){theta}, n / 2, 0, &none);
    for (int64_t i = 0; i < n / 2; i++) {
        float *block = v + i / 8 * 16 + i % 8;
        block[0] = radius[i] * cosine[i] * std + mean;
        block[8] = radius[i] * theta[i] * std + mean;
    }
}

// Normal numbers for a contiguous tensor of at least 16: uniforms first, then blocks of 16; an incomplete last block is
// replaced by one over the last 16 elements, drawn anew.
static Status fill_normal_blocks(Lane *lane, Generator *g, Tensor *t, double mean, double std)
{
    DType dtype = tensor_dtype(t);
    Draw uniform = {.kind = DRAW_UNIFORM, .b = 1, .dtype = dtype};
    int64_t n = tensor_numel(t);
    bool f64 = dtype == DT_F64, direct = f64 || dtype == DT_F32;
    Tensor *out = t;
    if (!direct)
        TRY(tensor_new(lane, DT_F32, t->view.ndim, t->view.size, &out));
    double *d = out->view.data;
    float *f = out->view.data;
    float fmean = round_to(dtype, (float)mean), fstd = round_to(dtype, (float)std);
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t m = n - at < CHUNK ? n - at : CHUNK, whole = m - m % 16;
        draw_chunk(g, &uniform, f64 ? (void *)(d + at) : f + at, m);
        for (int last = 0; last < 2; last++) {
            int64_t from = at, count = whole;
            if (last) {
                if (m == whole)
                    break;
                from = n - 16;
                count = 16;
                draw_chunk(g, &uniform, f64 ? (void *)(d + from) : f + from, count);
            }
            if (!f64 && direct)
                normal_blocks_f32(f + from, count, fmean, fstd);
            for (int64_t i = 0; i < count && (f64 || !direct); i += 16)
                f64 ? normal_block_f64(d + from + i, mean, std) : normal_block_half(f + from + i, dtype, fmean, fstd);
        }
    }
    if (direct)
        return ST_OK;
    Status status = tensor_copy_into(lane, t, out);
    tensor_release(out);
    return status;
}

// A complex tensor as a real one of twice as many elements.
static bool as_real(const Tensor *t, Tensor *real)
{
    if (!dtype_is_complex(tensor_dtype(t)) || !view_is_dense(&t->view))
        return false;
    *real = *t;
    real->view.dtype = (uint8_t)(tensor_dtype(t) == DT_C32 ? DT_F16 : tensor_dtype(t) == DT_C64 ? DT_F32 : DT_F64);
    if (tensor_is_contiguous(t)) {
        view_set_contiguous(&real->view, 1, &(int64_t){2 * tensor_numel(t)});
        return true;
    }
    if (t->view.ndim == VIEW_MAX_DIMS)
        return false;
    for (int i = 0; i < t->view.ndim; i++)
        real->view.stride[i] *= 2;
    real->view.size[t->view.ndim] = 2;
    real->view.stride[t->view.ndim] = 1;
    real->view.ndim++;
    return true;
}

static Status fill_normal(Lane *lane, Generator *g, Tensor *t, double mean, double std)
{
    if (!(std >= 0))
        return op_raise("normal expects std >= 0.0, but found std %g", std);
    Tensor real;
    if (as_real(t, &real)) // both parts have half the variance
        return fill_normal(lane, g, &real, mean, std / sqrt(2.0));
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("\"normal_kernel_cpu\" not implemented for '%s'", dtype_torch_name(tensor_dtype(t)));
    if (tensor_numel(t) >= 16 && tensor_is_contiguous(t))
        return fill_normal_blocks(lane, g, t, mean, std);
    return fill_drawn(lane, g, t, (Draw){.kind = DRAW_NORMAL, .a = mean, .b = std});
}

static Status fill_uniform(Lane *lane, Generator *g, Tensor *t, double from, double to)
{
    Tensor real;
    if (as_real(t, &real))
        return fill_uniform(lane, g, &real, from, to);
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("\"check_uniform_bounds\" not implemented for '%s'", dtype_torch_name(tensor_dtype(t)));
    if (!(from <= to))
        return op_raise("uniform_ expects to return a [from, to) range, but found from=%g > to=%g", from, to);
    return fill_drawn(lane, g, t, (Draw){.kind = DRAW_UNIFORM, .a = from, .b = to});
}

static Status fill_bernoulli(Lane *lane, Generator *g, Tensor *t, double p)
{
    if (!(p >= 0 && p <= 1))
        return op_raise("bernoulli_ expects p to be in [0, 1], but got p=%g", p);
    return fill_drawn(lane, g, t, (Draw){.kind = DRAW_BERNOULLI, .a = p});
}

// One more than the largest number random_() gives, and randint may give; 0: any 64-bit number.
static uint64_t dtype_span(DType t)
{
    switch (t) {
    case DT_BOOL: return 2;
    case DT_U8: return 1u << 8;
    case DT_I8: return 1u << 7;
    case DT_I16: return 1u << 15;
    case DT_U16: return 1u << 16;
    case DT_I32: return 1u << 31;
    case DT_F16: return (1u << 11) + 1;
    case DT_BF16: return (1u << 8) + 1;
    case DT_F32: return (1u << 24) + 1;
    case DT_F64: return ((uint64_t)1 << 53) + 1;
    default: return (uint64_t)1 << 63;
    }
}

static Status fill_random(Lane *lane, Generator *g, Tensor *t)
{
    uint64_t span = dtype_span(tensor_dtype(t));
    return fill_drawn(lane, g, t, (Draw){.kind = DRAW_BETWEEN, .range = span});
}

static Status fill_between(Lane *lane, Generator *g, Tensor *t, int64_t low, int64_t high)
{
    if (low >= high)
        return op_raise("random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld", (long long)low, (long long)high);
    DType dtype = tensor_dtype(t);
    if (dtype_is_integral(dtype) && dtype != DT_I64) {
        int64_t span = (int64_t)dtype_span(dtype), least = dtype == DT_U8 || dtype == DT_U16 ? 0 : -span;
        if (low < least || low >= span || high - 1 >= span)
            return op_raise("%s is out of bounds for %s", high - 1 >= span ? "to - 1" : "from", dtype_python_name(dtype));
    }
    return fill_drawn(lane, g, t, (Draw){.kind = DRAW_BETWEEN, .low = low, .range = (uint64_t)high - (uint64_t)low});
}

// ---- Arguments ----------------------------------------------------------------------------------------------------------

static Status ret_self(IValue self, Status status, IValue *ret)
{
    if (status == ST_OK)
        *ret = value_retain(self);
    return status;
}

static Status ret_made(Tensor *t, Status status, IValue *ret)
{
    if (status == ST_OK)
        *ret = value_tensor_take(t);
    else
        tensor_release(t);
    return status;
}

// ---- In place -----------------------------------------------------------------------------------------------------------

typedef struct Filler { Status (*fill)(Lane *, Generator *, Tensor *, const IValue *args); } Filler;

static Status filler_uniform(Lane *l, Generator *g, Tensor *t, const IValue *a) { return fill_uniform(l, g, t, arg_double(a[1]), arg_double(a[2])); }
static Status filler_normal(Lane *l, Generator *g, Tensor *t, const IValue *a) { return fill_normal(l, g, t, arg_double(a[1]), arg_double(a[2])); }
static Status filler_random(Lane *l, Generator *g, Tensor *t, const IValue *a) { (void)a; return fill_random(l, g, t); }
static Status filler_random_to(Lane *l, Generator *g, Tensor *t, const IValue *a) { return fill_between(l, g, t, 0, a[1].as.i); }

static Status filler_random_from(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (a[2].tag != TAG_NONE)
        return fill_between(l, g, t, a[1].as.i, a[2].as.i);
    uint64_t range = dtype_span(tensor_dtype(t)) - (uint64_t)a[1].as.i;
    return range ? fill_drawn(l, g, t, (Draw){.kind = DRAW_BETWEEN, .low = a[1].as.i, .range = range})
                 : fill_drawn(l, g, t, (Draw){.kind = DRAW_ANY});
}

static Status filler_exponential(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[1]) >= 0))
        return op_raise("exponential_ expects lambda >= 0.0, but found lambda=%g", arg_double(a[1]));
    return fill_drawn(l, g, t, (Draw){.kind = DRAW_EXPONENTIAL, .a = arg_double(a[1])});
}

static Status filler_geometric(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[1]) > 0 && arg_double(a[1]) < 1))
        return op_raise("geometric_ expects p to be in (0, 1), but got p=%g", arg_double(a[1]));
    return fill_drawn(l, g, t, (Draw){.kind = DRAW_GEOMETRIC, .a = arg_double(a[1])});
}

static Status filler_cauchy(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    return fill_drawn(l, g, t, (Draw){.kind = DRAW_CAUCHY, .a = arg_double(a[1]), .b = arg_double(a[2])});
}

static Status filler_log_normal(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[2]) > 0))
        return op_raise("log_normal_ expects std > 0.0, but found std=%g", arg_double(a[2]));
    return fill_drawn(l, g, t, (Draw){.kind = DRAW_LOG_NORMAL, .a = arg_double(a[1]), .b = arg_double(a[2])});
}

// p is a number or a tensor that broadcasts.
static Status filler_bernoulli(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (a[1].tag != TAG_TENSOR)
        return fill_bernoulli(l, g, t, arg_double(a[1]));
    Tensor *p = a[1].as.tensor, *wide, *drawn;
    if (!dtype_is_floating(tensor_dtype(p)))
        return op_raise("expected probabilities tensor to have floating type, got %s", dtype_torch_name(tensor_dtype(p)));
    TRY(tensor_new(l, DT_F64, t->view.ndim, t->view.size, &wide));
    Status status = tensor_copy_into(l, wide, p);
    if (status == ST_OK)
        status = tensor_new(l, DT_BOOL, t->view.ndim, t->view.size, &drawn);
    if (status != ST_OK) {
        tensor_release(wide);
        return status;
    }
    const double *prob = wide->view.data;
    uint8_t *out = drawn->view.data;
    int64_t n = tensor_numel(t);
    bool outside = false;
    for (int64_t i = 0; i < n; i++)
        outside |= !(prob[i] >= 0 && prob[i] <= 1);
    if (outside)
        status = op_raise("Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
    else if (tensor_dtype(p) == DT_F64)
        random_below_each(g, prob, 0, out, n);
    else
        for (int64_t at = 0; at < n; at += CHUNK) {
            uint32_t w[CHUNK];
            int64_t m = n - at < CHUNK ? n - at : CHUNK;
            random_words(g, w, m);
            for (int64_t i = 0; i < m; i++)
                out[at + i] = (double)((float)(int32_t)(w[i] & 0xffffff) * 0x1p-24f) < prob[at + i];
        }
    if (status == ST_OK)
        status = tensor_copy_into(l, t, drawn);
    tensor_release(wide);
    tensor_release(drawn);
    return status;
}

OP_FN(op_fill_)
{
    const Filler *f = site->op->data;
    Generator *g;
    TRY(call_generator(lane, site, args, &g));
    return ret_self(args[0], f->fill(lane, g, args[0].as.tensor, args), rets);
}

// The same into a new tensor like self.
OP_FN(op_filled)
{
    const Filler *f = site->op->data;
    Generator *g;
    Tensor *t;
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_new_like(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_PRESERVE, &t));
    return ret_made(t, f->fill(lane, g, t, args), rets);
}

OP_FN(op_bernoulli) // of self's own probabilities
{
    Generator *g;
    Tensor *t;
    IValue both[2] = {args[0], args[0]};
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_new_like(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_CONTIGUOUS, &t));
    return ret_made(t, filler_bernoulli(lane, g, t, both), rets);
}

// ---- New tensors --------------------------------------------------------------------------------------------------------

// rand, randn, randint and their _like: `data` says which and where the arguments stand.
typedef struct Maker {
    enum { MAKE_UNIFORM, MAKE_NORMAL, MAKE_BETWEEN } kind;
    int like;          // 1: argument 0 is a tensor to resemble
    int low, high;     // of randint; -1: none
    int size, dtype, format; // argument numbers; -1: none
} Maker;

OP_FN(op_make)
{
    const Maker *m = site->op->data;
    Generator *g;
    Tensor *t;
    TRY(call_generator(lane, site, args, &g));
    DType natural = m->like ? tensor_dtype(args[0].as.tensor) : m->kind == MAKE_BETWEEN ? DT_I64 : DT_F32;
    DType dtype = arg_dtype_or(args[m->dtype], natural);
    TRY(check_dtype(dtype));
    if (m->like) {
        TRY(tensor_new_like(lane, args[0].as.tensor, dtype, m->format < site->arg_count ? arg_int_or(args[m->format], FORMAT_PRESERVE) : FORMAT_PRESERVE, &t));
    } else {
        int64_t size[VIEW_MAX_DIMS];
        int n;
        TRY(arg_ints(args[m->size], size, VIEW_MAX_DIMS, &n));
        TRY(tensor_new(lane, dtype, n, size, &t));
    }
    Status status;
    if (m->kind == MAKE_UNIFORM) {
        status = fill_uniform(lane, g, t, 0, 1);
    } else if (m->kind == MAKE_NORMAL) {
        status = fill_normal(lane, g, t, 0, 1);
    } else {
        IValue high = args[m->high], item = value_none();
        status = high.tag == TAG_TENSOR ? tensor_item(lane, high.as.tensor, &item) : ST_OK;
        if (status == ST_OK && item.tag == TAG_COMPLEX)
            status = op_raise("value cannot be converted to type int64_t without overflow");
        if (status == ST_OK)
            status = fill_between(lane, g, t, m->low >= 0 ? args[m->low].as.i : 0, arg_int(high.tag == TAG_TENSOR ? item : high));
        value_release(item);
    }
    return ret_made(t, status, rets);
}

OP_FN(op_randperm)
{
    Generator *g;
    Tensor *t, *made;
    int64_t n = args[0].as.i;
    DType dtype = arg_dtype_or(args[site->arg_count == 6 ? 2 : 1], DT_I64); // the generator may stand before it
    TRY(check_dtype(dtype));
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_new(lane, DT_I64, 1, &n, &t));
    int64_t *p = t->view.data;
    for (int64_t i = 0; i < n; i++)
        p[i] = i;
    bool small = n < (int64_t)(UINT32_MAX / 20);
    for (int64_t i = 0; i < n - 1; i++) {
        int64_t swap = p[i], z = (int64_t)((small ? random_u32(g) : random_u64(g)) % (uint64_t)(n - i));
        p[i] = p[i + z];
        p[i + z] = swap;
    }
    Status status = tensor_to_dtype(lane, t, dtype, &made);
    tensor_release(t);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
}

// The shape that mean and std, tensors or numbers, broadcast to.
static Status normal_shape(const IValue *args, int *n, int64_t *size)
{
    *n = 0;
    for (int i = 0; i < 2; i++) {
        if (args[i].tag != TAG_TENSOR)
            continue;
        const View *v = &args[i].as.tensor->view;
        int64_t out[VIEW_MAX_DIMS];
        int longest = *n > v->ndim ? *n : v->ndim;
        for (int d = 1; d <= longest; d++) {
            int64_t a = d <= *n ? size[*n - d] : 1, b = d <= v->ndim ? v->size[v->ndim - d] : 1;
            if (a != b && a != 1 && b != 1)
                return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)a, (long long)b, longest - d);
            out[longest - d] = a == 1 ? b : a;
        }
        memcpy(size, out, (size_t)longest * sizeof *size);
        *n = longest;
    }
    return ST_OK;
}

// t = t * std + mean, rounded to the dtype after each step; a std that is a number has been drawn with already.
static Status scale_normal(Lane *lane, Tensor *t, const IValue *args)
{
    DType dtype = tensor_dtype(t);
    Tensor *operand[2] = {NULL, NULL}, *wide = NULL;
    Status status = ST_OK;
    for (int i = 0; i < 2 && status == ST_OK; i++) {
        status = tensor_new(lane, DT_F64, t->view.ndim, t->view.size, &operand[i]);
        if (status == ST_OK)
            status = args[i].tag == TAG_TENSOR ? tensor_copy_into(lane, operand[i], args[i].as.tensor)
                                               : tensor_fill(operand[i], i == 1 ? value_float(1) : args[i]);
    }
    if (status == ST_OK)
        status = tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide);
    if (status == ST_OK) {
        double *x = wide->view.data, *mean = operand[0]->view.data, *std = operand[1]->view.data;
        for (int64_t i = 0, count = tensor_numel(t); i < count; i++) {
            double scaled = x[i] * std[i];
            x[i] = (dtype == DT_F64 ? scaled : round_to(dtype, (float)scaled)) + mean[i];
        }
        status = tensor_copy_into(lane, t, wide);
    }
    Tensor *made[] = {wide, operand[0], operand[1]};
    for (int i = 0; i < 3; i++)
        if (made[i])
            tensor_release(made[i]);
    return status;
}

// normal(mean, std) of tensors or numbers; two numbers are followed by a size. `data`: the last argument is out=.
OP_FN(op_normal)
{
    bool to_out = *(const bool *)site->op->data, numbers = args[0].tag != TAG_TENSOR && args[1].tag != TAG_TENSOR;
    Generator *g;
    Tensor *t;
    TRY(call_generator(lane, site, args, &g));
    int64_t size[VIEW_MAX_DIMS];
    int n;
    if (numbers)
        TRY(arg_ints(args[2], size, VIEW_MAX_DIMS, &n));
    else
        TRY(normal_shape(args, &n, size));
    if (to_out) {
        t = tensor_retain(args[site->arg_count - 1].as.tensor);
        Status status = tensor_make_plain(lane, t);
        bool resizes = numbers || (args[0].tag == TAG_TENSOR && args[1].tag == TAG_TENSOR);
        bool other = n != t->view.ndim || memcmp(size, t->view.size, (size_t)n * sizeof *size) != 0;
        if (status == ST_OK && resizes && other)
            status = out_resize(lane, t, n, size);
        if (status == ST_OK)
            status = tensor_make_writable(t);
        if (status != ST_OK) {
            tensor_release(t);
            return status;
        }
    } else {
        DType dtype = !numbers ? tensor_dtype(args[args[0].tag == TAG_TENSOR ? 0 : 1].as.tensor) : site->arg_count > 4 ? arg_dtype_or(args[4], DT_F32) : DT_F32;
        TRY(check_dtype(dtype));
        TRY(tensor_new(lane, dtype, n, size, &t));
    }
    Status status = fill_normal(lane, g, t, numbers ? arg_double(args[0]) : 0, args[1].tag == TAG_TENSOR ? 1 : arg_double(args[1]));
    if (status == ST_OK && !numbers)
        status = scale_normal(lane, t, args);
    return ret_made(t, status, rets);
}

OP_FN(op_normal_like_out) // self, mean, std, generator, out
{
    Tensor *self = args[0].as.tensor, *out = args[4].as.tensor, *t;
    Generator *g;
    TRY(call_generator(lane, site, args, &g));
    TRY(tensor_new_like(lane, self, tensor_dtype(self), FORMAT_PRESERVE, &t));
    Status status = filler_normal(lane, g, t, args);
    if (status == ST_OK)
        status = tensor_make_plain(lane, out);
    if (status == ST_OK && !view_same_shape(&t->view, &out->view))
        status = out_resize(lane, out, t->view.ndim, t->view.size);
    if (status == ST_OK)
        status = tensor_make_writable(out);
    if (status == ST_OK)
        status = tensor_copy_into(lane, out, t);
    tensor_release(t);
    return ret_self(args[4], status, rets);
}

// ---- Generators ---------------------------------------------------------------------------------------------------------

OP_FN(op_manual_seed)
{
    Generator *g;
    TRY(lane_generator(lane, &g));
    generator_seed(g, (uint64_t)args[0].as.i);
    return ST_OK;
}

OP_FN(op_generator_seed)
{
    generator_seed((Generator *)args[0].as.obj, (uint64_t)args[1].as.i);
    rets[0] = value_retain(args[0]);
    return ST_OK;
}

OP_FN(op_generator) // device, seed
{
    Generator *g;
    TRY(generator_new((uint64_t)(args[1].tag == TAG_NONE ? 67280421310721 : args[1].as.i), &g));
    rets[0] = (IValue){.tag = TAG_GENERATOR, .as.obj = &g->head};
    return ST_OK;
}

// PyTorch asks the system for a seed; a job is to give the same results whenever it runs, so this one follows from the last.
OP_FN(op_seed)
{
    Generator *g = (Generator *)args[0].as.obj;
    generator_key(g, g->seed, 1);
    g->seed &= INT64_MAX;
    rets[0] = value_int((int64_t)g->seed);
    return ST_OK;
}

OP_FN(op_initial_seed)
{
    rets[0] = value_int((int64_t)((const Generator *)args[0].as.obj)->seed);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define FILL_ROWS(name, filler)                                                                                        \
    {"aten::" name "_", op_fill_, OP_WRITES_ARG0, &(const Filler){filler}, NULL}, {"aten::" name, op_filled, 0, &(const Filler){filler}, NULL}
#define NORMAL(name)                                                                                                   \
    {"aten::normal." name, op_normal, 0, &(const bool){false}, NULL}, {"aten::normal." name "_out", op_normal, 0, &(const bool){true}, NULL}
#define MAKE(name, ...) {name, op_make, 0, &(const Maker){__VA_ARGS__}, NULL}

const OpBinding OPS_RANDOM[] = {
    FILL_ROWS("uniform", filler_uniform), FILL_ROWS("exponential", filler_exponential), FILL_ROWS("geometric", filler_geometric),
    FILL_ROWS("cauchy", filler_cauchy), FILL_ROWS("log_normal", filler_log_normal), FILL_ROWS("random", filler_random),
    {"aten::random_.to", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_random_to}, NULL},
    {"aten::random_.from", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_random_from}, NULL},
    {"aten::random.to", op_filled, 0, &(const Filler){filler_random_to}, NULL},
    {"aten::random.from", op_filled, 0, &(const Filler){filler_random_from}, NULL},
    {"aten::normal_", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_normal}, NULL},
    {"aten::normal_functional", op_filled, 0, &(const Filler){filler_normal}, NULL},
    {"aten::_no_grad_normal_", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_normal}, NULL},
    {"aten::_no_grad_uniform_", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_uniform}, NULL},
    {"aten::bernoulli_.float", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_bernoulli}, NULL},
    {"aten::bernoulli_.Tensor", op_fill_, OP_WRITES_ARG0, &(const Filler){filler_bernoulli}, NULL},
    {"aten::bernoulli.p", op_filled, 0, &(const Filler){filler_bernoulli}, NULL},
    {"aten::bernoulli.Tensor", op_filled, 0, &(const Filler){filler_bernoulli}, NULL}, ROW("aten::bernoulli", op_bernoulli),

    MAKE("aten::rand", MAKE_UNIFORM, .size = 0, .dtype = 1), MAKE("aten::rand.generator", MAKE_UNIFORM, .size = 0, .dtype = 2),
    MAKE("aten::randn", MAKE_NORMAL, .size = 0, .dtype = 1), MAKE("aten::randn.generator", MAKE_NORMAL, .size = 0, .dtype = 2),
    MAKE("aten::rand_like", MAKE_UNIFORM, .like = 1, .dtype = 1, .format = 5),
    MAKE("aten::rand_like.generator", MAKE_UNIFORM, .like = 1, .dtype = 2, .format = 6),
    MAKE("aten::randn_like", MAKE_NORMAL, .like = 1, .dtype = 1, .format = 5),
    MAKE("aten::randn_like.generator", MAKE_NORMAL, .like = 1, .dtype = 2, .format = 6),
    MAKE("aten::randint", MAKE_BETWEEN, .low = -1, .high = 0, .size = 1, .dtype = 2),
    MAKE("aten::randint.generator", MAKE_BETWEEN, .low = -1, .high = 0, .size = 1, .dtype = 3),
    MAKE("aten::randint.low", MAKE_BETWEEN, .low = 0, .high = 1, .size = 2, .dtype = 3),
    MAKE("aten::randint.low_generator", MAKE_BETWEEN, .low = 0, .high = 1, .size = 2, .dtype = 4),
    MAKE("aten::randint_like", MAKE_BETWEEN, .like = 1, .low = -1, .high = 1, .dtype = 2, .format = 6),
    MAKE("aten::randint_like.Tensor", MAKE_BETWEEN, .like = 1, .low = -1, .high = 1, .dtype = 2, .format = 6),
    MAKE("aten::randint_like.generator", MAKE_BETWEEN, .like = 1, .low = -1, .high = 1, .dtype = 3, .format = 7),
    MAKE("aten::randint_like.Tensor_generator", MAKE_BETWEEN, .like = 1, .low = -1, .high = 1, .dtype = 3, .format = 7),
    MAKE("aten::randint_like.low_dtype", MAKE_BETWEEN, .like = 1, .low = 1, .high = 2, .dtype = 3, .format = 7),
    MAKE("aten::randint_like.low_generator_dtype", MAKE_BETWEEN, .like = 1, .low = 1, .high = 2, .dtype = 4, .format = 8),
    ROW("aten::randperm", op_randperm), ROW("aten::randperm.generator", op_randperm),
    NORMAL("Tensor_float"), NORMAL("float_Tensor"), NORMAL("Tensor_Tensor"), NORMAL("float_float"),
    ROW("aten::manual_seed", op_manual_seed), ROW("aten::manual_seed.generator", op_generator_seed),
    ROW("aten::Generator", op_generator), ROW("aten::initial_seed", op_initial_seed),
    ROW("aten::seed", op_seed), ROW("aten::normal.out", op_normal_like_out),
    {0},
};
