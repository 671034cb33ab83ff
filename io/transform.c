// Transform: parsing, checking, and the loops that apply it to a batch.
// A batch is walked in the order of the result; runs of its innermost dimension are converted 256 elements at a time.
#include "io/transform.h"

#include "io/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---- parsing ----

void transform_free(Transform *t)
{
    free(t->mean);
    free(t->std);
    *t = (Transform){.cast = DT_INVALID};
}

DType transform_dtype(Str name)
{
    static const struct {
        const char *name;
        DType dtype;
    } aliases[] = {{"f16", DT_F16}, {"f32", DT_F32},  {"f64", DT_F64},  {"bf16", DT_BF16}, {"u8", DT_U8},
                   {"i8", DT_I8},   {"u16", DT_U16},  {"i16", DT_I16},  {"u32", DT_U32},   {"i32", DT_I32},
                   {"u64", DT_U64}, {"i64", DT_I64},  {"half", DT_F16}, {"float", DT_F32}, {"double", DT_F64},
                   {"c64", DT_C64}, {"c128", DT_C128}};
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (str_is(name, aliases[i].name))
            return aliases[i].dtype;
    DType t = dtype_from_python_name(name);
    return dtype_category(t) == DT_QUANTISED ? DT_INVALID : t;
}

// A number, or a quotient of two.
static bool parse_quotient(Str s, double *number, double *divisor)
{
    char text[64], *end;
    if (s.len == 0 || s.len >= sizeof text)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    *divisor = 1;
    *number = strtod(text, &end);
    if (end == text)
        return false;
    if (*end == '/') {
        char *below = end + 1;
        *divisor = strtod(below, &end);
        if (end == below)
            return false;
    }
    return *end == '\0' && isfinite(*number) && isfinite(*divisor) && *divisor != 0;
}

// The part of `s` before the next `separator`; `s` moves behind it.
static Str next_part(Str *s, char separator)
{
    ptrdiff_t at = str_find(*s, separator);
    Str part = at < 0 ? *s : str_first(*s, (size_t)at);
    *s = at < 0 ? str_from(*s, s->len) : str_from(*s, (size_t)at + 1);
    return part;
}

static Status parse_numbers(Str value, const char *what, double **out, int *count)
{
    Str rest = value;
    int n = 1;
    for (size_t i = 0; i < value.len; i++)
        n += value.ptr[i] == ':';
    if (n > TRANSFORM_MAX_CHANNELS)
        return status_fail(ST_USAGE, "too many numbers in %s (limit %d)", what, TRANSFORM_MAX_CHANNELS);
    double *numbers = malloc((size_t)n * sizeof *numbers);
    if (!numbers)
        return status_no_memory((size_t)n * sizeof *numbers);
    free(*out);
    *out = numbers;
    *count = n;
    for (int i = 0; i < n; i++) {
        Str part = next_part(&rest, ':');
        double divisor;
        if (!parse_quotient(part, &numbers[i], &divisor))
            return status_fail(ST_USAGE, "%s=" STR_FMT ": '" STR_FMT "' is not a number", what, STR_ARG(value),
                               STR_ARG(part));
        numbers[i] /= divisor;
    }
    return ST_OK;
}

static Status parse_permute(Str value, Transform *t)
{
    Str rest = value;
    unsigned seen = 0;
    t->permute_count = 0;
    while (rest.len) {
        Str part = next_part(&rest, ':');
        int dim = 0;
        bool digits = part.len == 1 || part.len == 2;
        for (size_t i = 0; i < part.len && digits; i++) {
            digits = part.ptr[i] >= '0' && part.ptr[i] <= '9';
            dim = dim * 10 + (part.ptr[i] - '0');
        }
        if (!digits || t->permute_count == TRANSFORM_MAX_DIMS || dim >= TRANSFORM_MAX_DIMS || (seen >> dim & 1))
            return status_fail(ST_USAGE, "permute=" STR_FMT ": wanted each dimension once, such as 0:3:1:2",
                               STR_ARG(value));
        seen |= 1u << dim;
        t->permute[t->permute_count++] = (uint8_t)dim;
    }
    if (t->permute_count == 0 || seen != (1u << t->permute_count) - 1 || t->permute[0] != 0)
        return status_fail(ST_USAGE,
                           "permute=" STR_FMT ": wanted each dimension once, the sample dimension 0 first, such as "
                           "0:3:1:2",
                           STR_ARG(value));
    return ST_OK;
}

Status transform_parse(Str text, Transform *out)
{
    *out = (Transform){.cast = DT_INVALID};
    while (text.len) {
        Str part = next_part(&text, ',');
        ptrdiff_t eq = str_find(part, '=');
        Str key = eq < 0 ? part : str_first(part, (size_t)eq),
            value = eq < 0 ? STR("") : str_from(part, (size_t)eq + 1);
        if (str_is(key, "cast")) {
            out->cast = transform_dtype(value);
            if (out->cast == DT_INVALID)
                return status_fail(
                    ST_USAGE, "cast=" STR_FMT ": unknown type (f32, f16, bf16, f64, u8, i8, i16, i32, i64, bool …)",
                    STR_ARG(value));
        } else if (str_is(key, "scale")) {
            if (!parse_quotient(value, &out->scale, &out->scale_divisor))
                return status_fail(ST_USAGE, "scale=" STR_FMT ": wanted a number or a quotient such as 1/255",
                                   STR_ARG(value));
            out->has_scale = true;
        } else if (str_is(key, "mean")) {
            TRY(parse_numbers(value, "mean", &out->mean, &out->mean_count));
        } else if (str_is(key, "std")) {
            TRY(parse_numbers(value, "std", &out->std, &out->std_count));
            for (int i = 0; i < out->std_count; i++)
                if (out->std[i] == 0)
                    return status_fail(ST_USAGE, "std=" STR_FMT ": 0 cannot divide", STR_ARG(value));
        } else if (str_is(key, "permute")) {
            TRY(parse_permute(value, out));
        } else {
            return status_fail(ST_USAGE,
                               "'" STR_FMT "' is not one of cast=, scale=, mean=, std=, permute=", STR_ARG(part));
        }
    }
    return ST_OK;
}

// ---- checking ----

static bool computes(const Transform *t)
{
    return t->has_scale || t->mean_count || t->std_count;
}

static DType result_dtype(const Transform *t, DType dtype)
{
    if (t->cast != DT_INVALID)
        return t->cast;
    return computes(t) && !dtype_is_floating(dtype) ? DT_F32 : dtype;
}

bool transform_is_identity(const Transform *t, DType dtype)
{
    bool moves = false;
    for (int i = 0; i < t->permute_count; i++)
        moves |= t->permute[i] != i;
    return !moves && !computes(t) && result_dtype(t, dtype) == dtype &&
           dtype != DT_BOOL; // stored bools may be other than 0, 1
}

Status transform_result(const Transform *t, DType dtype, int ndim, const int64_t *shape, DType *out_dtype,
                        int64_t *out_shape)
{
    *out_dtype = result_dtype(t, dtype);
    if (ndim > TRANSFORM_MAX_DIMS)
        return status_fail(ST_USAGE, "too many dimensions: %d (limit %d)", ndim, TRANSFORM_MAX_DIMS);
    if (t->permute_count && t->permute_count != ndim)
        return status_fail(ST_USAGE, "permute names %d dimensions, but the data set has %d", t->permute_count, ndim);
    if (*out_dtype != dtype && (dtype_is_complex(dtype) || dtype_is_complex(*out_dtype)))
        return status_fail(ST_USAGE, "%s cannot be cast to %s", dtype_python_name(dtype),
                           dtype_python_name(*out_dtype));
    if (computes(t) && !dtype_is_floating(*out_dtype))
        return status_fail(ST_USAGE, "scale, mean and std need a floating-point type, not %s: add cast=f32",
                           dtype_python_name(*out_dtype));
    for (int i = 0; i < ndim; i++)
        out_shape[i] = shape[t->permute_count ? t->permute[i] : i];
    for (int k = 0; k < 2; k++) {
        int count = k ? t->std_count : t->mean_count;
        if (count > 1 && (ndim < 2 || out_shape[1] != count))
            return status_fail(ST_USAGE, "%s has %d numbers, but dimension 1 (channels%s) has %lld", k ? "std" : "mean",
                               count, t->permute_count ? ", after permute" : "",
                               ndim < 2 ? 0LL : (long long)out_shape[1]);
    }
    return ST_OK;
}

// ---- element conversion ----

// Out-of-range values have no meaning in C; here they saturate at 64 bits and then wrap, NaN is 0.
static int64_t integer_of(double v)
{
    if (!(v > -0x1p63))
        return v != v ? 0 : INT64_MIN;
    return v < 0x1p63 ? (int64_t)v : INT64_MAX;
}

static uint64_t unsigned_of(double v)
{
    return v >= 0x1p63 && v < 0x1p64 ? (uint64_t)v : (uint64_t)integer_of(v);
}

// X(DType, C type in memory, value read from x, class of the value: i integer, f floating)
#define READERS(X)                                                                                                     \
    X(DT_U8, uint8_t, x, i)                                                                                            \
    X(DT_I8, int8_t, x, i)                                                                                             \
    X(DT_U16, uint16_t, x, i)                                                                                          \
    X(DT_I16, int16_t, x, i)                                                                                           \
    X(DT_U32, uint32_t, x, i)                                                                                          \
    X(DT_I32, int32_t, x, i)                                                                                           \
    X(DT_U64, uint64_t, x, i)                                                                                          \
    X(DT_I64, int64_t, x, i)                                                                                           \
    X(DT_BOOL, uint8_t, (uint8_t)(x != 0), i)                                                                          \
    X(DT_F16, uint16_t, f16_to_float(x), f)                                                                            \
    X(DT_BF16, uint16_t, bf16_to_float(x), f)                                                                          \
    X(DT_F32, float, x, f)                                                                                             \
    X(DT_F64, double, x, f)

#define TO_INT_i(T, v) (T)(v)
#define TO_INT_f(T, v) (T) integer_of((double)(v))
#define TO_U64_i(v) (uint64_t)(v)
#define TO_U64_f(v) unsigned_of((double)(v))

#define LOOP(T_IN, T_OUT, VALUE, RESULT)                                                                               \
    do {                                                                                                               \
        const T_IN *in = from;                                                                                         \
        T_OUT *out = to;                                                                                               \
        for (int64_t k = 0; k < n; k++) {                                                                              \
            T_IN x = in[k * stride];                                                                                   \
            (void)x;                                                                                                   \
            out[k] = RESULT;                                                                                           \
        }                                                                                                              \
    } while (0)

// n elements, `stride` elements apart in `from`, dense in `to`.
#define CONVERT_FROM(DT, T_IN, VALUE, CLASS)                                                                           \
    static void convert_##DT(const void *from, int64_t stride, DType to_type, void *to, int64_t n)                     \
    {                                                                                                                  \
        switch (to_type) {                                                                                             \
        case DT_U8:                                                                                                    \
            LOOP(T_IN, uint8_t, VALUE, TO_INT_##CLASS(uint8_t, VALUE));                                                \
            break;                                                                                                     \
        case DT_I8:                                                                                                    \
            LOOP(T_IN, int8_t, VALUE, TO_INT_##CLASS(int8_t, VALUE));                                                  \
            break;                                                                                                     \
        case DT_U16:                                                                                                   \
            LOOP(T_IN, uint16_t, VALUE, TO_INT_##CLASS(uint16_t, VALUE));                                              \
            break;                                                                                                     \
        case DT_I16:                                                                                                   \
            LOOP(T_IN, int16_t, VALUE, TO_INT_##CLASS(int16_t, VALUE));                                                \
            break;                                                                                                     \
        case DT_U32:                                                                                                   \
            LOOP(T_IN, uint32_t, VALUE, TO_INT_##CLASS(uint32_t, VALUE));                                              \
            break;                                                                                                     \
        case DT_I32:                                                                                                   \
            LOOP(T_IN, int32_t, VALUE, TO_INT_##CLASS(int32_t, VALUE));                                                \
            break;                                                                                                     \
        case DT_U64:                                                                                                   \
            LOOP(T_IN, uint64_t, VALUE, TO_U64_##CLASS(VALUE));                                                        \
            break;                                                                                                     \
        case DT_I64:                                                                                                   \
            LOOP(T_IN, int64_t, VALUE, TO_INT_##CLASS(int64_t, VALUE));                                                \
            break;                                                                                                     \
        case DT_BOOL:                                                                                                  \
            LOOP(T_IN, uint8_t, VALUE, (uint8_t)((VALUE) != 0));                                                       \
            break;                                                                                                     \
        case DT_F16:                                                                                                   \
            LOOP(T_IN, uint16_t, VALUE, f16_from_float((float)(VALUE)));                                               \
            break;                                                                                                     \
        case DT_BF16:                                                                                                  \
            LOOP(T_IN, uint16_t, VALUE, bf16_from_float((float)(VALUE)));                                              \
            break;                                                                                                     \
        case DT_F32:                                                                                                   \
            LOOP(T_IN, float, VALUE, (float)(VALUE));                                                                  \
            break;                                                                                                     \
        case DT_F64:                                                                                                   \
            LOOP(T_IN, double, VALUE, (double)(VALUE));                                                                \
            break;                                                                                                     \
        default:                                                                                                       \
            break;                                                                                                     \
        }                                                                                                              \
    }
READERS(CONVERT_FROM)

static void convert(DType from_type, const void *from, int64_t stride, DType to_type, void *to, int64_t n)
{
    switch (from_type) {
#define CASE(DT, T_IN, VALUE, CLASS)                                                                                   \
    case DT:                                                                                                           \
        convert_##DT(from, stride, to_type, to, n);                                                                    \
        return;
        READERS(CASE)
#undef CASE
    default: { // complex: same type on both sides
        size_t size = dtype_size(from_type);
        for (int64_t k = 0; k < n; k++)
            memcpy((char *)to + k * (int64_t)size, (const char *)from + k * stride * (int64_t)size, size);
    }
    }
}

// ---- arithmetic ----

enum { RUN = 256 };

// Element k of the run belongs to channel `channel + k * channel_step`.
typedef struct Channels {
    int64_t channel, channel_step;
} Channels;

static double pick(const double *v, int count, double absent, const Channels *c, int64_t k)
{
    return count == 0 ? absent : v[count == 1 ? 0 : c->channel + k * c->channel_step];
}

static void normalise_f32(const Transform *t, const Channels *c, float *v, int64_t n)
{
    if (c->channel_step == 0 || (t->mean_count <= 1 && t->std_count <= 1)) {
        float mean = (float)pick(t->mean, t->mean_count, 0, c, 0), std = (float)pick(t->std, t->std_count, 1, c, 0);
        if (t->mean_count)
            for (int64_t k = 0; k < n; k++)
                v[k] -= mean;
        if (t->std_count)
            for (int64_t k = 0; k < n; k++)
                v[k] /= std;
        return;
    }
    for (int64_t k = 0; k < n; k++)
        v[k] = (v[k] - (float)pick(t->mean, t->mean_count, 0, c, k)) / (float)pick(t->std, t->std_count, 1, c, k);
}

static void normalise_f64(const Transform *t, const Channels *c, double *v, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        v[k] = (v[k] - pick(t->mean, t->mean_count, 0, c, k)) / pick(t->std, t->std_count, 1, c, k);
}

// At most RUN elements through load, scale, normalise, store.
static void compute_run(const Transform *t, DType from_type, const void *from, int64_t stride, DType to_type, void *to,
                        int64_t n, const Channels *c)
{
    double wide[RUN];
    float narrow[RUN];
    DType work = to_type == DT_F64 ? DT_F64 : DT_F32;
    void *v = work == DT_F64 ? (void *)wide : (void *)narrow;
    if (t->has_scale) {
        convert(from_type, from, stride, DT_F64, wide, n);
        for (int64_t k = 0; k < n; k++)
            wide[k] = wide[k] * t->scale / t->scale_divisor;
        if (work == DT_F32)
            for (int64_t k = 0; k < n; k++)
                narrow[k] = (float)wide[k];
    } else {
        convert(from_type, from, stride, work, v, n);
    }
    if (work == DT_F64)
        normalise_f64(t, c, wide, n);
    else
        normalise_f32(t, c, narrow, n);
    convert(work, v, 1, to_type, to, n);
}

// The 256 results of a one-byte element in one channel, for loops of nothing but a look-up.
static void apply_table(const Transform *t, DType from_type, const uint8_t *from, int64_t stride, float *to, int64_t n,
                        const Channels *c, float table[256], int64_t *table_channel)
{
    if (*table_channel != c->channel) {
        uint8_t all[256];
        for (int i = 0; i < 256; i++)
            all[i] = (uint8_t)i;
        compute_run(t, from_type, all, 1, DT_F32, table, 256, c);
        *table_channel = c->channel;
    }
    for (int64_t k = 0; k < n; k++)
        to[k] = table[from[k * stride]];
}

typedef struct Walk {
    const Transform *t;
    DType from_type, to_type;
    int ndim;
    int64_t size[TRANSFORM_MAX_DIMS], stride[TRANSFORM_MAX_DIMS]; // of the result; input strides in elements
    bool use_table;
    float table[256];
    int64_t table_channel;
} Walk;

static void apply_run(Walk *w, const char *from, char *to, int64_t n, int64_t stride, Channels c)
{
    size_t in_size = dtype_size(w->from_type), out_size = dtype_size(w->to_type);
    if (!computes(w->t)) {
        if (w->from_type == w->to_type && stride == 1 && w->from_type != DT_BOOL)
            memcpy(to, from, (size_t)n * in_size);
        else
            convert(w->from_type, from, stride, w->to_type, to, n);
        return;
    }
    if (w->use_table && c.channel_step == 0) {
        apply_table(w->t, w->from_type, (const uint8_t *)from, stride, (float *)to, n, &c, w->table, &w->table_channel);
        return;
    }
    for (int64_t done = 0; done < n; done += RUN) {
        int64_t part = n - done < RUN ? n - done : RUN;
        Channels here = {c.channel + done * c.channel_step, c.channel_step};
        compute_run(w->t, w->from_type, from + done * stride * (int64_t)in_size, stride, w->to_type,
                    to + done * (int64_t)out_size, part, &here);
    }
}

// Walks the result in order; `channel` is the index of dimension 1. Returns the end of what it wrote.
static char *apply_dim(Walk *w, int dim, const char *from, char *to, int64_t channel)
{
    if (dim == w->ndim - 1) {
        Channels c = {dim == 1 ? 0 : channel, dim == 1};
        apply_run(w, from, to, w->size[dim], w->stride[dim], c);
        return to + w->size[dim] * (int64_t)dtype_size(w->to_type);
    }
    int64_t step = w->stride[dim] * (int64_t)dtype_size(w->from_type);
    for (int64_t i = 0; i < w->size[dim]; i++)
        to = apply_dim(w, dim + 1, from + i * step, to, dim == 1 ? i : channel);
    return to;
}

// Joins neighbouring dimensions that are adjacent in memory too, so that runs are long. Dimension 1 keeps its meaning.
static void join_dims(Walk *w)
{
    while (w->ndim > 3 && w->stride[w->ndim - 2] == w->stride[w->ndim - 1] * w->size[w->ndim - 1]) {
        w->size[w->ndim - 2] *= w->size[w->ndim - 1];
        w->stride[w->ndim - 2] = w->stride[w->ndim - 1];
        w->ndim--;
    }
}

void transform_apply(const Transform *t, DType dtype, int ndim, const int64_t *shape, int64_t rows, const void *in,
                     void *out)
{
    Walk w = {.t = t, .from_type = dtype, .to_type = result_dtype(t, dtype), .ndim = ndim, .table_channel = -1};
    int64_t strides[TRANSFORM_MAX_DIMS], elements = 1;
    for (int i = ndim; i-- > 0;) {
        strides[i] = elements;
        elements *= i ? shape[i] : 1;
    }
    if (rows == 0 || elements == 0)
        return;
    for (int i = 0; i < ndim; i++) {
        int from = t->permute_count ? t->permute[i] : i;
        w.size[i] = from ? shape[from] : rows;
        w.stride[i] = strides[from];
    }
    join_dims(&w);
    w.use_table = dtype_size(dtype) == 1 && w.to_type == DT_F32 && w.size[w.ndim - 1] >= 1024;
    if (!computes(t) && !t->permute_count) { // one run
        w.size[0] = rows * elements;
        w.stride[0] = 1;
        w.ndim = 1;
    }
    apply_dim(&w, 0, in, out, 0);
}
