// Operator bindings: random numbers and dropout, drawing what PyTorch's CPU kernels draw (torchscript.md §7.7, §7.8).
// Elements are drawn one after the other in the order of memory.
#include "worker/op_util.h"

#include "kernels/copy.h"
#include "kernels/half.h"
#include "worker/random.h"

#include <math.h>
#include <stdlib.h>

// ---- Distributions ------------------------------------------------------------------------------------------------------

// One of the two functions draws an element; a float result is exact in double.
typedef struct Draw {
    double (*next)(Generator *g, const struct Draw *d);
    int64_t (*next_int)(Generator *g, const struct Draw *d);
    double a, b;
    int64_t low;
    uint64_t range;
    DType dtype; // of the tensor
} Draw;

// The float16 or bfloat16 nearest to x, or x.
static float round_to(DType t, float x)
{
    return t == DT_F16 ? f16_to_float(f16_from_float(x)) : t == DT_BF16 ? bf16_to_float(bf16_from_float(x)) : x;
}

static double draw_uniform(Generator *g, const Draw *d)
{
    if (d->dtype == DT_F64)
        return random_uniform_f64(g) * (d->b - d->a) + d->a;
    int bits = d->dtype == DT_F16 ? 11 : d->dtype == DT_BF16 ? 8 : 24;
    float x = (float)(random_u32(g) & ((1u << bits) - 1)) * ldexpf(1, -bits);
    return x * ((float)d->b - (float)d->a) + (float)d->a;
}

static double draw_normal(Generator *g, const Draw *d) { return random_normal(g, d->a, d->b); }
static double draw_log_normal(Generator *g, const Draw *d) { return exp(random_normal(g, d->a, d->b)); }
static double draw_bernoulli(Generator *g, const Draw *d) { return random_uniform_f64(g) < d->a; }
static double draw_exponential(Generator *g, const Draw *d) { return -1 / d->a * log1p(-random_uniform_f64(g)); }
static double draw_geometric(Generator *g, const Draw *d) { return ceil(log(random_uniform_f64(g)) / log(1 - d->a)); }
static double draw_cauchy(Generator *g, const Draw *d) { return d->a + d->b * tan(M_PI * (random_uniform_f64(g) - 0.5)); }
static int64_t draw_between(Generator *g, const Draw *d) { return (int64_t)(random_below(g, d->range) + (uint64_t)d->low); }
static int64_t draw_u64(Generator *g, const Draw *d) { return (int64_t)(random_u64(g) % d->range); }
static int64_t draw_full_u64(Generator *g, const Draw *d) { return (int64_t)random_u64(g) + 0 * d->low; }

// t[…] = draws. The interpreter made t writable.
static Status fill_drawn(Lane *lane, Generator *g, Tensor *t, Draw d)
{
    d.dtype = tensor_dtype(t);
    DType wide = d.next ? DT_F64 : DT_I64;
    bool direct = wide == d.dtype && view_is_dense(&t->view);
    Tensor *drawn = t;
    if (!direct)
        TRY(tensor_new_like(lane, t, wide, FORMAT_PRESERVE, &drawn));
    int64_t n = tensor_numel(t);
    if (d.next)
        for (int64_t i = 0; i < n; i++)
            ((double *)drawn->view.data)[i] = d.next(g, &d);
    else
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)drawn->view.data)[i] = d.next_int(g, &d);
    if (direct)
        return ST_OK;
    Status status = tensor_copy_into(lane, t, drawn);
    tensor_release(drawn);
    return status;
}

// 16 uniform numbers become 16 normal ones. The named values are rounded to the dtype; what is between them to float32, or
// to bfloat16, which has operators of its own.
static void normal_block_f32(float *v, DType t, float mean, float std)
{
    DType between = t == DT_BF16 ? DT_BF16 : DT_F32;
    for (int j = 0; j < 8; j++) {
        float u1 = round_to(t, 1 - v[j]), u2 = v[j + 8];
        float radius = round_to(t, sqrtf(round_to(between, -2 * round_to(between, logf(u1)))));
        float theta = round_to(t, (float)(2 * (t == DT_F32 ? (double)(float)M_PI : M_PI) * (double)u2));
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

// Normal numbers for a contiguous tensor of at least 16: uniforms first, then blocks of 16; an incomplete last block is
// replaced by one over the last 16 elements, drawn anew.
static Status fill_normal_blocks(Lane *lane, Generator *g, Tensor *t, double mean, double std)
{
    DType dtype = tensor_dtype(t);
    Draw uniform = {.b = 1, .dtype = dtype};
    int64_t n = tensor_numel(t);
    bool f64 = dtype == DT_F64, direct = f64 || dtype == DT_F32;
    Tensor *out = t;
    if (!direct)
        TRY(tensor_new(lane, DT_F32, t->view.ndim, t->view.size, &out));
    double *d = out->view.data;
    float *f = out->view.data;
    float fmean = round_to(dtype, (float)mean), fstd = round_to(dtype, (float)std);
    for (int64_t i = 0; i < n; i++) {
        double u = draw_uniform(g, &uniform);
        f64 ? (d[i] = u) : (f[i] = (float)u);
    }
    for (int64_t at = 0; at < n; at += 16) {
        int64_t from = at;
        if (n - at < 16) {
            from = n - 16;
            for (int64_t i = from; i < n; i++) {
                double u = draw_uniform(g, &uniform);
                f64 ? (d[i] = u) : (f[i] = (float)u);
            }
        }
        if (f64)
            normal_block_f64(d + from, mean, std);
        else
            normal_block_f32(f + from, dtype, fmean, fstd);
    }
    if (direct)
        return ST_OK;
    Status status = tensor_copy_into(lane, t, out);
    tensor_release(out);
    return status;
}

static Status fill_normal(Lane *lane, Generator *g, Tensor *t, double mean, double std)
{
    if (!(std >= 0))
        return op_raise("normal expects std >= 0.0, but found std %g", std);
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("\"normal_kernel_cpu\" not implemented for '%s'", dtype_torch_name(tensor_dtype(t)));
    if (tensor_numel(t) >= 16 && tensor_is_contiguous(t))
        return fill_normal_blocks(lane, g, t, mean, std);
    return fill_drawn(lane, g, t, (Draw){.next = draw_normal, .a = mean, .b = std});
}

static Status fill_uniform(Lane *lane, Generator *g, Tensor *t, double from, double to)
{
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("\"check_uniform_bounds\" not implemented for '%s'", dtype_torch_name(tensor_dtype(t)));
    if (!(from <= to))
        return op_raise("uniform_ expects to return a [from, to) range, but found from=%g > to=%g", from, to);
    return fill_drawn(lane, g, t, (Draw){.next = draw_uniform, .a = from, .b = to});
}

static Status fill_bernoulli(Lane *lane, Generator *g, Tensor *t, double p)
{
    if (!(p >= 0 && p <= 1))
        return op_raise("bernoulli_ expects p to be in [0, 1], but got p=%g", p);
    return fill_drawn(lane, g, t, (Draw){.next = draw_bernoulli, .a = p});
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
    return fill_drawn(lane, g, t, (Draw){.next_int = span > UINT32_MAX ? draw_u64 : draw_between, .range = span});
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
    return fill_drawn(lane, g, t, (Draw){.next_int = draw_between, .low = low, .range = (uint64_t)high - (uint64_t)low});
}

// ---- Arguments ----------------------------------------------------------------------------------------------------------

// The generator of the call: an argument, or the lane's.
static Status the_generator(Lane *lane, const Site *site, const IValue *args, Generator **out)
{
    for (uint32_t i = 0; i < site->arg_count; i++)
        if (args[i].tag == TAG_GENERATOR) {
            *out = (Generator *)args[i].as.obj;
            return ST_OK;
        }
    return lane_generator(lane, out);
}

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
    return range ? fill_drawn(l, g, t, (Draw){.next_int = draw_between, .low = a[1].as.i, .range = range})
                 : fill_drawn(l, g, t, (Draw){.next_int = draw_full_u64});
}

static Status filler_exponential(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[1]) >= 0))
        return op_raise("exponential_ expects lambda >= 0.0, but found lambda=%g", arg_double(a[1]));
    return fill_drawn(l, g, t, (Draw){.next = draw_exponential, .a = arg_double(a[1])});
}

static Status filler_geometric(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[1]) > 0 && arg_double(a[1]) < 1))
        return op_raise("geometric_ expects p to be in (0, 1), but got p=%g", arg_double(a[1]));
    return fill_drawn(l, g, t, (Draw){.next = draw_geometric, .a = arg_double(a[1])});
}

static Status filler_cauchy(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    return fill_drawn(l, g, t, (Draw){.next = draw_cauchy, .a = arg_double(a[1]), .b = arg_double(a[2])});
}

static Status filler_log_normal(Lane *l, Generator *g, Tensor *t, const IValue *a)
{
    if (!(arg_double(a[2]) > 0))
        return op_raise("log_normal_ expects std > 0.0, but found std=%g", arg_double(a[2]));
    return fill_drawn(l, g, t, (Draw){.next = draw_log_normal, .a = arg_double(a[1]), .b = arg_double(a[2])});
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
        status = tensor_new(l, DT_F64, t->view.ndim, t->view.size, &drawn);
    if (status != ST_OK) {
        tensor_release(wide);
        return status;
    }
    const double *prob = wide->view.data;
    for (int64_t i = 0, n = tensor_numel(t); i < n && status == ST_OK; i++) {
        if (!(prob[i] >= 0 && prob[i] <= 1))
            status = op_raise("Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
        double u = tensor_dtype(p) == DT_F64 ? random_uniform_f64(g) : (double)random_uniform_f32(g);
        ((double *)drawn->view.data)[i] = u < prob[i];
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
    TRY(the_generator(lane, site, args, &g));
    return ret_self(args[0], f->fill(lane, g, args[0].as.tensor, args), rets);
}

// The same into a new tensor like self.
OP_FN(op_filled)
{
    const Filler *f = site->op->data;
    Generator *g;
    Tensor *t;
    TRY(the_generator(lane, site, args, &g));
    TRY(tensor_new_like(lane, args[0].as.tensor, tensor_dtype(args[0].as.tensor), FORMAT_PRESERVE, &t));
    return ret_made(t, f->fill(lane, g, t, args), rets);
}

OP_FN(op_bernoulli) // of self's own probabilities
{
    Generator *g;
    Tensor *t;
    IValue both[2] = {args[0], args[0]};
    TRY(the_generator(lane, site, args, &g));
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
    TRY(the_generator(lane, site, args, &g));
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
        IValue high = args[m->high];
        status = high.tag == TAG_TENSOR ? tensor_item(lane, high.as.tensor, &high) : ST_OK;
        if (status == ST_OK)
            status = fill_between(lane, g, t, m->low >= 0 ? args[m->low].as.i : 0, arg_int(high));
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
    TRY(the_generator(lane, site, args, &g));
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

// normal(mean, std) of tensors or numbers; mean and std broadcast.
OP_FN(op_normal)
{
    Generator *g;
    Tensor *t;
    TRY(the_generator(lane, site, args, &g));
    if (args[0].tag != TAG_TENSOR && args[1].tag != TAG_TENSOR) { // mean, std, size, generator, dtype
        int64_t size[VIEW_MAX_DIMS];
        int n;
        TRY(arg_ints(args[2], size, VIEW_MAX_DIMS, &n));
        DType dtype = site->arg_count > 4 ? arg_dtype_or(args[4], DT_F32) : DT_F32;
        TRY(check_dtype(dtype));
        TRY(tensor_new(lane, dtype, n, size, &t));
        return ret_made(t, fill_normal(lane, g, t, arg_double(args[0]), arg_double(args[1])), rets);
    }
    int64_t size[VIEW_MAX_DIMS];
    int n = 0;
    DType dtype = tensor_dtype(args[args[0].tag == TAG_TENSOR ? 0 : 1].as.tensor);
    for (int i = 0; i < 2; i++) {
        if (args[i].tag != TAG_TENSOR)
            continue;
        const View *v = &args[i].as.tensor->view;
        int64_t out[VIEW_MAX_DIMS];
        int longest = n > v->ndim ? n : v->ndim;
        for (int d = 1; d <= longest; d++) {
            int64_t a = d <= n ? size[n - d] : 1, b = d <= v->ndim ? v->size[v->ndim - d] : 1;
            if (a != b && a != 1 && b != 1)
                return op_raise("The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d", (long long)a, (long long)b, longest - d);
            out[longest - d] = a == 1 ? b : a;
        }
        memcpy(size, out, (size_t)longest * sizeof *size);
        n = longest;
    }
    bool std_number = args[1].tag != TAG_TENSOR;
    Tensor *operand[2] = {NULL, NULL};
    TRY(tensor_new(lane, dtype, n, size, &t));
    Status status = fill_normal(lane, g, t, 0, std_number ? arg_double(args[1]) : 1);
    for (int i = 0; i < 2 && status == ST_OK; i++) {
        status = tensor_new(lane, DT_F64, n, size, &operand[i]);
        if (status == ST_OK)
            status = args[i].tag == TAG_TENSOR ? tensor_copy_into(lane, operand[i], args[i].as.tensor)
                                               : tensor_fill(operand[i], i == 1 ? value_float(1) : args[i]);
    }
    Tensor *wide = NULL;
    if (status == ST_OK)
        status = tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide);
    if (status == ST_OK) {
        double *x = wide->view.data, *mean = operand[0]->view.data, *std = operand[1]->view.data;
        for (int64_t i = 0, count = tensor_numel(t); i < count; i++) {
            double scaled = x[i] * std[i]; // rounded to the dtype before the mean is added
            x[i] = (dtype == DT_F64 ? scaled : round_to(dtype, (float)scaled)) + mean[i];
        }
        status = tensor_copy_into(lane, t, wide);
    }
    if (wide)
        tensor_release(wide);
    for (int i = 0; i < 2; i++)
        if (operand[i])
            tensor_release(operand[i]);
    return ret_made(t, status, rets);
}

// ---- Dropout ------------------------------------------------------------------------------------------------------------

typedef struct DropoutKind { bool feature, alpha, in_place; } DropoutKind;

// out[i] = x[i] * noise[i] + shift, rounded to the dtype after each step; noise[i] is 0 or 1 here, scaled on the way.
static void apply_noise(double *x, const double *noise, int64_t n, int64_t repeat, double p, bool alpha, DType t)
{
    const double slope = 1.7580993408473766; // alpha of SELU times its scale
    double a = 1 / sqrt((slope * slope * p + 1) * (1 - p)), scale = slope * a, shift = slope * a * p;
    bool exact = t == DT_F64;
#define ROUND(v) (exact ? (v) : (double)round_to(t, (float)(v)))
    double kept = ROUND(1 / ROUND(1 - p)), factor[2] = {0, alpha ? ROUND(a) : kept}, offset[2] = {0, 0};
    if (alpha)
        for (int k = 0; k < 2; k++)
            offset[k] = ROUND(ROUND((k - 1) * ROUND(scale)) + ROUND(shift));
    for (int64_t i = 0; i < n; i++) {
        int k = noise[i / repeat] != 0;
        x[i] = ROUND(x[i] * factor[k]);
        if (alpha)
            x[i] = ROUND(x[i] + offset[k]);
    }
#undef ROUND
}

// input, p, train. Not training, p == 0 or nothing to drop: the input itself.
OP_FN(op_dropout)
{
    const DropoutKind *kind = site->op->data;
    Tensor *t = args[0].as.tensor, *wide, *out = t;
    if (!args[2].as.b) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    double p = arg_double(args[1]);
    if (!(p >= 0 && p <= 1))
        return op_raise("dropout probability has to be between 0 and 1, but got %g", p);
    TRY(tensor_make_plain(lane, t));
    int64_t n = tensor_numel(t);
    if (p == 0 || n == 0) {
        rets[0] = value_retain(args[0]);
        return ST_OK;
    }
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("result type Float can't be cast to the desired output type %s", dtype_torch_name(tensor_dtype(t)));
    if (kind->feature && t->view.ndim < 2)
        return op_raise("Feature dropout requires at least 2 dimensions in the input");
    Generator *g;
    TRY(lane_generator(lane, &g));
    // Features: one draw for each of the first two dimensions. Otherwise one per element, in logical order.
    int64_t repeat = kind->feature ? n / (t->view.size[0] * t->view.size[1]) : 1;
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    Status status = ST_OK;
    double *noise = NULL;
    if (p == 1) {
        status = tensor_fill(wide, value_int(0));
    } else if (!(noise = malloc((size_t)(n / repeat) * sizeof *noise))) {
        status = status_no_memory((size_t)(n / repeat) * sizeof *noise);
    } else {
        for (int64_t i = 0; i < n / repeat; i++)
            noise[i] = random_uniform_f64(g) < 1 - p;
        apply_noise(wide->view.data, noise, n, repeat, p, kind->alpha, tensor_dtype(t));
    }
    free(noise);
    if (status == ST_OK && !kind->in_place)
        status = tensor_new_like(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &out);
    else if (status == ST_OK)
        status = tensor_make_writable(t);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, out, wide);
        if (status == ST_OK)
            rets[0] = kind->in_place ? value_retain(args[0]) : value_tensor_take(out);
        else if (!kind->in_place)
            tensor_release(out);
    }
    tensor_release(wide);
    return status;
}

// native_dropout: the mask is a result too.
OP_FN(op_native_dropout)
{
    double p = arg_double(args[1]);
    Tensor *t = args[0].as.tensor, *mask, *wide, *out;
    bool train = args[2].tag == TAG_NONE || args[2].as.b;
    Generator *g;
    TRY(lane_generator(lane, &g));
    TRY(tensor_new_like(lane, t, DT_BOOL, FORMAT_PRESERVE, &mask));
    Status status = tensor_copy_as(lane, t, DT_F64, FORMAT_PRESERVE, &wide);
    if (status != ST_OK) {
        tensor_release(mask);
        return status;
    }
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++) {
        bool keep = !train || random_uniform_f64(g) < 1 - p;
        ((bool *)mask->view.data)[i] = keep;
        if (train)
            ((double *)wide->view.data)[i] *= keep ? (p == 1 ? 0 : (double)(1 / (float)(1 - p))) : 0;
    }
    status = tensor_new_like(lane, t, tensor_dtype(t), FORMAT_PRESERVE, &out);
    if (status == ST_OK && (status = tensor_copy_into(lane, out, wide)) != ST_OK)
        tensor_release(out);
    tensor_release(wide);
    if (status != ST_OK) {
        tensor_release(mask);
        return status;
    }
    rets[0] = value_tensor_take(out);
    rets[1] = value_tensor_take(mask);
    return ST_OK;
}

// rrelu: self, lower, upper, training, generator; `data` true: in place. Evaluation uses the middle slope.
OP_FN(op_rrelu)
{
    bool in_place = *(const bool *)site->op->data;
    Tensor *t = args[0].as.tensor, *wide, *out = t;
    double lower = arg_double(args[1]), upper = arg_double(args[2]);
    DType dtype = tensor_dtype(t);
    Generator *g;
    TRY(the_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_PRESERVE, &wide));
    double *x = wide->view.data;
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++)
        if (x[i] <= 0) {
            double slope = args[3].as.b ? random_uniform_f64(g) * (upper - lower) + lower : (lower + upper) / 2;
            x[i] *= dtype == DT_F64 ? slope : (double)(float)slope;
        }
    Status status = in_place ? ST_OK : tensor_new_like(lane, t, dtype, FORMAT_PRESERVE, &out);
    if (status == ST_OK) {
        status = tensor_copy_into(lane, out, wide);
        if (status == ST_OK)
            rets[0] = in_place ? value_retain(args[0]) : value_tensor_take(out);
        else if (!in_place)
            tensor_release(out);
    }
    tensor_release(wide);
    return status;
}

// ---- Drawing by weight --------------------------------------------------------------------------------------------------

typedef struct Ranked { double key; int64_t index; } Ranked;

static int by_key_down(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

// Without replacement: the largest of weight / exponential.
static void draw_distinct(Generator *g, const double *weight, int64_t rows, int64_t n, int64_t draws, DType t, Ranked *ranked, int64_t *out)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < n; i++) {
            double e = -log1p(-random_uniform_f64(g));
            e = t == DT_F64 ? e : (double)round_to(t, (float)e);
            ranked[i] = (Ranked){t == DT_F64 ? weight[r * n + i] / e : (double)round_to(t, (float)(weight[r * n + i] / e)), i};
        }
        qsort(ranked, (size_t)n, sizeof *ranked, by_key_down);
        for (int64_t k = 0; k < draws; k++)
            out[r * draws + k] = ranked[k].index;
    }
}

static void draw_replaced(Generator *g, const double *weight, int64_t rows, int64_t n, int64_t draws, DType t, Ranked *cumulative, int64_t *out)
{
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += weight[r * n + i];
            sum = t == DT_F64 ? sum : (double)round_to(t, (float)sum);
            cumulative[i].key = sum;
        }
        for (int64_t i = 0; i < n; i++)
            cumulative[i].key = t == DT_F64 ? cumulative[i].key / sum : (double)round_to(t, (float)(cumulative[i].key / sum));
        cumulative[n - 1].key = 1;
        for (int64_t k = 0; k < draws; k++) {
            double u = random_uniform_f64(g);
            int64_t left = 0, right = n;
            while (left < right) {
                int64_t middle = left + (right - left) / 2;
                if (cumulative[middle].key < u)
                    left = middle + 1;
                else
                    right = middle;
            }
            out[r * draws + k] = left;
        }
    }
}

OP_FN(op_multinomial) // self, num_samples, replacement, generator
{
    Tensor *t = args[0].as.tensor, *wide, *out = NULL;
    const View *v = &t->view;
    int64_t draws = args[1].as.i;
    bool replace = args[2].as.b;
    Generator *g;
    TRY(the_generator(lane, site, args, &g));
    if (v->ndim < 1 || v->ndim > 2)
        return op_raise("prob_dist must be 1 or 2 dim");
    if (!dtype_is_floating(tensor_dtype(t)))
        return op_raise("multinomial only supports floating-point dtypes for input, got: %s", dtype_torch_name(tensor_dtype(t)));
    int64_t n = v->size[v->ndim - 1], rows = v->ndim == 2 ? v->size[0] : 1;
    if (draws <= 0)
        return op_raise("cannot sample n_sample <= 0 samples");
    if (!replace && draws > n)
        return op_raise("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    const double *weight = wide->view.data;
    Status status = ST_OK;
    for (int64_t r = 0; r < rows && status == ST_OK; r++) {
        double sum = 0;
        for (int64_t i = 0; i < n && status == ST_OK; i++) {
            sum += weight[r * n + i];
            if (!(weight[r * n + i] >= 0) || isinf(weight[r * n + i]))
                status = op_raise("probability tensor contains either `inf`, `nan` or element < 0");
        }
        if (status == ST_OK && sum <= 0)
            status = op_raise("invalid multinomial distribution (sum of probabilities <= 0)");
    }
    int64_t size[2] = {rows, draws};
    if (status == ST_OK)
        status = tensor_new(lane, DT_I64, v->ndim, v->ndim == 2 ? size : size + 1, &out);
    if (status == ST_OK) {
        Ranked *work = malloc((size_t)(n + 1) * sizeof *work);
        if (!work)
            status = status_no_memory((size_t)(n + 1) * sizeof *work);
        else
            (replace ? draw_replaced : draw_distinct)(g, weight, rows, n, draws, tensor_dtype(t), work, out->view.data);
        free(work);
    }
    tensor_release(wide);
    if (status != ST_OK) {
        if (out)
            tensor_release(out);
        return status;
    }
    rets[0] = value_tensor_take(out);
    return ST_OK;
}

// One Poisson number: by multiplication for small rates, else Hörmann's transformed rejection (PTRS, 1993).
static double poisson(Generator *g, double rate)
{
    if (rate == 0)
        return 0;
    if (rate < 10) {
        double limit = exp(-rate), product = 1;
        for (int64_t count = 0;; count++) {
            product *= random_uniform_f64(g);
            if (product <= limit)
                return (double)count;
        }
    }
    double root = sqrt(rate), log_rate = log(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), ratio = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = random_uniform_f64(g) - 0.5, v = random_uniform_f64(g), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= ratio)
            return k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -rate + k * log_rate - lgamma(k + 1))
            return k;
    }
}

OP_FN(op_poisson)
{
    Tensor *t = args[0].as.tensor, *wide, *made;
    Generator *g;
    TRY(the_generator(lane, site, args, &g));
    TRY(tensor_copy_as(lane, t, DT_F64, FORMAT_CONTIGUOUS, &wide));
    double *rate = wide->view.data;
    Status status = ST_OK;
    for (int64_t i = 0, n = tensor_numel(t); i < n && status == ST_OK; i++) {
        if (!(rate[i] >= 0))
            status = op_raise("invalid Poisson rate, expected rate to be non-negative");
        else
            rate[i] = poisson(g, rate[i]);
    }
    if (status == ST_OK)
        status = tensor_to_dtype(lane, wide, tensor_dtype(t), &made);
    tensor_release(wide);
    TRY(status);
    rets[0] = value_tensor_take(made);
    return ST_OK;
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

OP_FN(op_initial_seed)
{
    rets[0] = value_int((int64_t)((const Generator *)args[0].as.obj)->seed);
    return ST_OK;
}

#define ROW(name, fn) {name, fn, 0, NULL, NULL}
#define FILL_ROWS(name, filler)                                                                                        \
    {"aten::" name "_", op_fill_, OP_WRITES_ARG0, &(const Filler){filler}, NULL}, {"aten::" name, op_filled, 0, &(const Filler){filler}, NULL}
#define MAKE(name, ...) {name, op_make, 0, &(const Maker){__VA_ARGS__}, NULL}
#define DROP(name, feature, alpha)                                                                                     \
    {"aten::" name, op_dropout, OP_PRIVATE_LAYOUT, &(const DropoutKind){feature, alpha, false}, NULL},                 \
        {"aten::" name "_", op_dropout, OP_PRIVATE_LAYOUT, &(const DropoutKind){feature, alpha, true}, NULL}

const OpBinding OPS_RANDOM[] = {
    DROP("dropout", false, false), DROP("feature_dropout", true, false), DROP("alpha_dropout", false, true),
    DROP("feature_alpha_dropout", true, true), ROW("aten::native_dropout", op_native_dropout),
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
    ROW("aten::normal.Tensor_float", op_normal), ROW("aten::normal.float_Tensor", op_normal),
    ROW("aten::normal.Tensor_Tensor", op_normal), ROW("aten::normal.float_float", op_normal),
    ROW("aten::multinomial", op_multinomial), ROW("aten::poisson", op_poisson),
    {"aten::rrelu", op_rrelu, 0, &(const bool){false}, NULL}, {"aten::rrelu_", op_rrelu, OP_WRITES_ARG0, &(const bool){true}, NULL},
    ROW("aten::manual_seed", op_manual_seed), ROW("aten::manual_seed.generator", op_generator_seed),
    ROW("aten::Generator", op_generator), ROW("aten::initial_seed", op_initial_seed),
    {0},
};
