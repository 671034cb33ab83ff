// Literals as TorchScript's printers write them (torchscript.md §5.5.5) and small tensors as C++ prints them (§7.9).
// Shared by the graph printer and the code printer.
#include "ir/print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void print_float(Buf *out, double v)
{
    if (isnan(v))
        buf_z(out, "nan");
    else if (isinf(v))
        buf_z(out, v < 0 ? "-inf" : "inf");
    else if (fabs(v) < 1e10 && v == trunc(v))
        buf_printf(out, "%.0f.", v);
    else
        buf_printf(out, "%.17g", v);
}

void print_complex(Buf *out, double re, double im)
{
    print_float(out, re);
    if (!signbit(im) || isnan(im))
        buf_char(out, '+');
    print_float(out, im);
    buf_char(out, 'j');
}

void print_quoted(Buf *out, Str s)
{
    static const char ESCAPED[] = "\\'\"\a\b\f\n\r\t\v", LETTER[] = "\\'\"abfnrtv";
    buf_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        int c = (signed char)s.ptr[i];
        const char *at = c ? strchr(ESCAPED, c) : NULL;
        if (at) {
            buf_char(out, '\\');
            buf_char(out, LETTER[at - ESCAPED]);
        } else if (c < 0x20 || c == 0x7f) {
            // Three octal digits; PyTorch computes them with signed bytes, and so must who wants its text.
            buf_char(out, '\\');
            buf_char(out, (char)('0' + c / 64));
            buf_char(out, (char)('0' + c / 8 % 8));
            buf_char(out, (char)('0' + c % 8));
        } else {
            buf_char(out, (char)c);
        }
    }
    buf_char(out, '"');
}

// Half and bfloat16 widen exactly.
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double m = h & 1023, v = exponent == 31 ? (m ? NAN : INFINITY) : exponent ? ldexp(1024 + m, exponent - 25) : ldexp(m, -24);
    return h & 0x8000 ? -v : v;
}

#define LOAD(T) (*(const T *)memcpy(&(T){0}, p, sizeof(T)))

static double element_value(DType dtype, const uint8_t *p)
{
    switch (dtype) {
    case DT_U8:
    case DT_QU8: return p[0];
    case DT_BOOL: return p[0] != 0;
    case DT_I8:
    case DT_QI8: return (int8_t)p[0];
    case DT_I16: return LOAD(int16_t);
    case DT_U16: return LOAD(uint16_t);
    case DT_I32:
    case DT_QI32: return LOAD(int32_t);
    case DT_U32: return LOAD(uint32_t);
    case DT_I64: return (double)LOAD(int64_t);
    case DT_U64: return (double)LOAD(uint64_t);
    case DT_F32:
    case DT_C64: return (double)LOAD(float);
    case DT_F64:
    case DT_C128: return LOAD(double);
    case DT_F16:
    case DT_C32: return half_value(LOAD(uint16_t));
    case DT_BF16: {
        uint32_t bits = (uint32_t)LOAD(uint16_t) << 16;
        float f;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    default: return 0;
    }
}

static int64_t first_int(const DatumTensor *t)
{
    const uint8_t *p = datum_tensor_data(t);
    return t->dtype == DT_I64 || t->dtype == DT_U64 ? LOAD(int64_t) : (int64_t)element_value(t->dtype, p);
}

Datum *datum_tensor_number(Arena *a, const DatumTensor *t)
{
    const uint8_t *p = datum_tensor_data(t);
    if (!p || t->sparse || t->conj || t->neg || datum_tensor_numel(t) != 1)
        return NULL;
    switch (dtype_category(t->dtype)) {
    case DT_BOOLEAN: return datum_bool(*p != 0);
    case DT_INTEGRAL: return datum_int(a, first_int(t));
    case DT_FLOATING: return datum_float(a, element_value(t->dtype, p));
    case DT_COMPLEX: return datum_complex(a, element_value(t->dtype, p), element_value(t->dtype, p + dtype_size(t->dtype) / 2));
    default: return NULL;
    }
}

// `{2.5}`: the only element, as the C++ stream prints it.
static void print_single(Buf *out, const DatumTensor *t)
{
    buf_char(out, '{');
    if (dtype_is_complex(t->dtype)) {
        const uint8_t *p = datum_tensor_data(t);
        buf_printf(out, "(%g,%g)", element_value(t->dtype, p), element_value(t->dtype, p + dtype_size(t->dtype) / 2));
    } else if (dtype_is_floating(t->dtype) || dtype_category(t->dtype) == DT_QUANTISED) {
        buf_printf(out, "%g", element_value(t->dtype, datum_tensor_data(t)));
    } else {
        buf_printf(out, "%lld", (long long)first_int(t));
    }
    buf_char(out, '}');
}

// How the elements of one tensor are written: width, scientific or not, decimals (-1: C++ default), common scale.
typedef struct NumberFormat {
    int width, decimals;
    bool scientific;
    double scale;
} NumberFormat;

static NumberFormat choose_format(const double *v, int n)
{
    bool ints = true, any = false;
    double low = 0, high = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        ints &= v[i] == ceil(v[i]);
        double m = fabs(v[i]);
        low = any && low < m ? low : m;
        high = any && high > m ? high : m;
        any = true;
    }
    int e_low = low != 0 ? (int)floor(log10(low)) + 1 : 1, e_high = high != 0 ? (int)floor(log10(high)) + 1 : 1;
    NumberFormat f = {.decimals = 4, .scale = 1};
    if (ints) {
        f.scientific = e_high > 9;
        f.width = f.scientific ? 11 : e_high + 1;
        if (!f.scientific)
            f.decimals = -1;
    } else if (e_high - e_low > 4) {
        f.scientific = true;
        f.width = abs(e_high) > 99 || abs(e_low) > 99 ? 12 : 11;
    } else if (e_high > 5 || e_high < 0) {
        f.width = 7;
        f.scale = pow(10, e_high - 1);
    } else {
        f.width = e_high == 0 ? 7 : e_high + 6;
    }
    return f;
}

static void print_number(Buf *out, const NumberFormat *f, double v, int width)
{
    v /= f->scale;
    if (!isfinite(v))
        buf_printf(out, "%*s", width, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    else if (f->scientific)
        buf_printf(out, "%*.*e", width, f->decimals, v);
    else if (f->decimals >= 0)
        buf_printf(out, "%*.*f", width, f->decimals, v);
    else
        buf_printf(out, "%*g", width, v);
}

static void print_scale(Buf *out, const NumberFormat *f)
{
    if (f->scale != 1)
        buf_printf(out, "%g *\n", f->scale);
}

// Rows of a matrix of ten elements at most: they always fit the 80 columns.
static void print_matrix(Buf *out, const double *v, int64_t rows, int64_t columns, int indent)
{
    NumberFormat f = choose_format(v, (int)(rows * columns));
    buf_fill(out, ' ', (size_t)indent);
    print_scale(out, &f);
    if (f.scale != 1)
        buf_fill(out, ' ', (size_t)indent);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            if (c)
                buf_char(out, ' ');
            print_number(out, &f, v[r * columns + c], f.width);
        }
        buf_char(out, '\n');
        if (r + 1 < rows)
            buf_fill(out, ' ', (size_t)indent);
    }
}

// The slices of a tensor of three or more dimensions, last index of the leading ones fastest first, as C++ counts them.
static void print_slices(Buf *out, const double *v, const DatumTensor *t)
{
    int64_t rows = t->size[t->ndim - 2], columns = t->size[t->ndim - 1], index[16] = {0};
    int leading = t->ndim - 2;
    for (bool first = true;; first = false) {
        if (!first)
            buf_char(out, '\n');
        buf_char(out, '(');
        int64_t offset = 0;
        for (int d = 0; d < leading; d++) {
            buf_printf(out, "%lld,", (long long)index[d] + 1);
            offset = offset * t->size[d] + index[d];
        }
        buf_z(out, ".,.) = \n");
        print_matrix(out, v + offset * rows * columns, rows, columns, 1);
        int d = 0;
        while (d < leading && ++index[d] == t->size[d])
            index[d++] = 0;
        if (d == leading)
            return;
    }
}

enum { SMALL_TENSOR = 10 };

static void gather(const DatumTensor *t, int dim, const uint8_t *p, double *out, int *n)
{
    if (dim == t->ndim) {
        out[(*n)++] = element_value(t->dtype, p);
        return;
    }
    for (int64_t i = 0; i < t->size[dim]; i++)
        gather(t, dim + 1, p + i * t->stride[dim] * (int64_t)dtype_size(t->dtype), out, n);
}

static void print_small(Buf *out, const DatumTensor *t)
{
    double v[SMALL_TENSOR];
    int n = 0;
    if (datum_tensor_data(t) && datum_tensor_numel(t) > 0)
        gather(t, 0, datum_tensor_data(t), v, &n);
    if (n > 0 && t->ndim == 1) {
        NumberFormat f = choose_format(v, n);
        print_scale(out, &f);
        for (int i = 0; i < n; i++) {
            print_number(out, &f, v[i], f.width);
            buf_char(out, '\n');
        }
    } else if (n > 0 && t->ndim == 2) {
        print_matrix(out, v, t->size[0], t->size[1], 0);
    } else if (n > 0 && t->ndim <= 16) {
        print_slices(out, v, t);
    }
    buf_printf(out, "[ CPU%sType{", dtype_torch_name(t->dtype));
    for (int i = 0; i < t->ndim; i++)
        buf_printf(out, i ? ",%lld" : "%lld", (long long)t->size[i]);
    buf_z(out, "} ]");
}

bool print_tensor_literal(Buf *out, const DatumTensor *t)
{
    int64_t n = datum_tensor_numel(t);
    if (n > SMALL_TENSOR || t->ndim > 16 || t->sparse || (n > 0 && !datum_tensor_data(t)) || (n > 1 && dtype_is_complex(t->dtype))) {
        buf_z(out, "<Tensor>");
        return false;
    }
    if (n == 1) {
        print_single(out, t);
        return true;
    }
    Buf text = {0};
    print_small(&text, t);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n')
            text.ptr[i] = ' ';
    buf_str(out, buf_view(&text));
    out->failed |= text.failed;
    buf_free(&text);
    return false;
}
