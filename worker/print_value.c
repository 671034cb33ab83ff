// Run-time text of values, as str(), print and format give it: numbers and containers after torchscript.md §14.2,
// tensors after §7.9, which is how C++ PyTorch prints them, quirks included.
#include "io/base/buf.h"
#include "kernels/copy.h"
#include "worker/bits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---- numbers

static void print_double(Buf *out, double v)
{
    if (isnan(v))
        buf_z(out, signbit(v) ? "-nan" : "nan"); // what x86 makes of 0 / 0 has the sign
    else if (isinf(v))
        buf_z(out, v < 0 ? "-inf" : "inf");
    else if (v == floor(v) && fabs(v) < 1e10)
        buf_printf(out, "%.0f.", v == 0 ? 0 : v); // -0. too is 0.
    else {
        char text[64];
        snprintf(text, sizeof text, "%.17g", v);
        buf_z(out, text);
        if (v == floor(v) && !strchr(text, 'e')) // 10000000000. keeps its dot
            buf_char(out, '.');
    }
}

static void print_complex(Buf *out, const ComplexObj *c)
{
    print_double(out, c->re);
    if (!signbit(c->im))
        buf_char(out, '+');
    print_double(out, c->im);
    buf_char(out, 'j');
}

static void print_device(Buf *out, Device d)
{
    buf_z(out, d.kind == DEVICE_CUDA ? "cuda" : d.kind == DEVICE_META ? "meta" : "cpu");
    if (d.index >= 0)
        buf_printf(out, ":%d", d.index);
}

// ---- tensors

// How the elements of one tensor are written: width, decimals in fixed or scientific notation, common scale.
typedef struct TensorFormat {
    char style; // 'g', 'e' or 'f'
    int width;
    double scale;
} TensorFormat;

enum { LINE_WIDTH = 80 };

static void print_element(Buf *out, const TensorFormat *f, double v)
{
    v /= f->scale;
    if (isnan(v) || isinf(v))
        buf_printf(out, "%*s", f->width, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    else if (f->style == 'e')
        buf_printf(out, "%*.4e", f->width, v);
    else if (f->style == 'f')
        buf_printf(out, "%*.4f", f->width, v);
    else
        buf_printf(out, "%*g", f->width, v);
}

static double decimal_exponent(double magnitude) { return magnitude != 0 ? floor(log10(magnitude)) + 1 : 1; }

static TensorFormat choose_format(const double *v, int64_t n)
{
    bool ints = true;
    double smallest = 1, largest = 1;
    bool any = false;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            continue;
        ints = ints && v[i] == ceil(v[i]);
        double magnitude = fabs(v[i]);
        if (!any) {
            smallest = largest = magnitude;
            any = true;
        }
        smallest = magnitude < smallest ? magnitude : smallest;
        largest = v[i] > largest ? magnitude : largest; // by the signed value, as PyTorch does it
    }
    if (any) {
        smallest = decimal_exponent(smallest);
        largest = decimal_exponent(largest);
    }
    if (ints)
        return largest > 9 ? (TensorFormat){'e', 11, 1} : (TensorFormat){'g', (int)largest + 1, 1};
    if (largest - smallest > 4)
        return (TensorFormat){'e', fabs(largest) > 99 || fabs(smallest) > 99 ? 12 : 11, 1};
    if (largest > 5 || largest < 0)
        return (TensorFormat){'f', 7, pow(10, largest - 1)};
    return (TensorFormat){'f', largest == 0 ? 7 : (int)largest + 6, 1};
}

static void print_scale(Buf *out, double scale) { buf_printf(out, "%g *\n", scale); }

static void print_matrix(Buf *out, const double *v, int64_t rows, int64_t columns, int indent)
{
    TensorFormat f = choose_format(v, rows * columns);
    int64_t per_line = (LINE_WIDTH - indent) / (f.width + 1);
    per_line = per_line < 1 ? 1 : per_line;
    buf_fill(out, ' ', (size_t)indent);
    for (int64_t first = 0; first < columns; first += per_line) {
        int64_t last = first + per_line <= columns ? first + per_line - 1 : columns - 1;
        if (per_line < columns) {
            if (first != 0)
                buf_char(out, '\n');
            buf_printf(out, "Columns %" PRId64 " to %" PRId64, first + 1, last + 1);
            buf_fill(out, ' ', (size_t)indent);
        }
        if (f.scale != 1) {
            print_scale(out, f.scale);
            buf_fill(out, ' ', (size_t)indent);
        }
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t c = first; c <= last; c++) {
                print_element(out, &f, v[r * columns + c]);
                buf_char(out, c == last ? '\n' : ' ');
            }
            if (r != rows - 1) {
                buf_fill(out, ' ', (size_t)indent);
                if (f.scale != 1)
                    buf_char(out, ' ');
            }
        }
    }
}

// Slices of a tensor of three or more dimensions; the first index runs fastest.
static void print_slices(Buf *out, const double *v, int ndim, const int64_t *size)
{
    int outer = ndim - 2;
    int64_t matrix = size[ndim - 2] * size[ndim - 1], at[VIEW_MAX_DIMS] = {0};
    for (bool first = true;; first = false) {
        if (!first)
            buf_char(out, '\n');
        buf_char(out, '(');
        int64_t offset = 0;
        for (int d = 0; d < outer; d++) {
            buf_printf(out, "%" PRId64 ",", at[d] + 1);
            offset = offset * size[d] + at[d];
        }
        buf_z(out, ".,.) = \n");
        print_matrix(out, v + offset * matrix, size[ndim - 2], size[ndim - 1], 1);
        int d = 0;
        while (d < outer && ++at[d] == size[d])
            at[d++] = 0;
        if (d == outer)
            return;
    }
}

static void print_doubles(Buf *out, const double *v, int ndim, const int64_t *size, int64_t n)
{
    if (ndim == 0) {
        TensorFormat f = {'g', 0, 1};
        print_element(out, &f, v[0]);
        buf_char(out, '\n');
    } else if (n > 0 && ndim == 1) {
        TensorFormat f = choose_format(v, n);
        if (f.scale != 1)
            print_scale(out, f.scale);
        for (int64_t i = 0; i < n; i++) {
            print_element(out, &f, v[i]);
            buf_char(out, '\n');
        }
    } else if (n > 0 && ndim == 2) {
        print_matrix(out, v, size[0], size[1], 0);
    } else if (n > 0) {
        print_slices(out, v, ndim, size);
    }
}

static void print_tensor(Buf *out, Tensor *t)
{
    if (t->bits) {
        Tensor *resolved;
        if (tensor_resolve(t->storage->lane, t, &resolved) != ST_OK) {
            out->failed = true;
            return;
        }
        print_tensor(out, resolved);
        tensor_release(resolved);
        return;
    }
    int64_t n = tensor_numel(t);
    double *v = malloc(sizeof *v * (size_t)(n + 1));
    View to = {.data = v, .dtype = DT_F64, .layout = LAYOUT_STRIDED};
    view_set_contiguous(&to, t->view.ndim, t->view.size);
    if (!v || tensor_make_plain(t->storage->lane, t) != ST_OK || copy_convert(&to, &t->view) != ST_OK) {
        out->failed = true;
        free(v);
        return;
    }
    print_doubles(out, v, t->view.ndim, t->view.size, n);
    free(v);
    buf_printf(out, "[ %s%sType{", t->view.device == DEVICE_CUDA ? "CUDA" : "CPU", dtype_torch_name(tensor_dtype(t)));
    for (int d = 0; d < t->view.ndim; d++)
        buf_printf(out, "%s%" PRId64, d ? "," : "", t->view.size[d]);
    buf_z(out, "} ]");
}

// ---- everything

static void print_items(Buf *out, char open, const IValue *items, uint32_t count, char close)
{
    buf_char(out, open);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_z(out, ", ");
        value_print(out, items[i]);
    }
    if (open == '(' && count == 1)
        buf_char(out, ',');
    buf_char(out, close);
}

static void print_dict(Buf *out, const DictObj *d)
{
    buf_char(out, '{');
    IValue key, value;
    bool first = true;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value); first = false) {
        if (!first)
            buf_z(out, ", ");
        value_print(out, key);
        buf_z(out, ": ");
        value_print(out, value);
    }
    buf_char(out, '}');
}

static Str last_atom(Str name)
{
    size_t at = name.len;
    while (at > 0 && name.ptr[at - 1] != '.')
        at--;
    return (Str){name.ptr + at, name.len - at};
}

static void print_any(Buf *out, IValue v)
{
    switch ((ValueTag)v.tag) {
    case TAG_NONE: buf_z(out, "None"); break;
    case TAG_BOOL: buf_z(out, v.as.b ? "True" : "False"); break;
    case TAG_INT: buf_printf(out, "%" PRId64, v.as.i); break;
    case TAG_FLOAT: print_double(out, v.as.f); break;
    case TAG_COMPLEX: print_complex(out, v.as.complex); break;
    case TAG_DEVICE: print_device(out, v.as.device); break;
    case TAG_UNINITIALIZED: buf_z(out, "Uninitialized"); break;
    case TAG_FUNCTION: buf_printf(out, "<Function " STR_FMT ">", STR_ARG(v.as.function->qualified_name)); break;
    case TAG_TENSOR: print_tensor(out, v.as.tensor); break;
    case TAG_STR: buf_str(out, str_of_value(v)); break;
    case TAG_LIST: print_items(out, '[', v.as.list->items, v.as.list->len, ']'); break;
    case TAG_TUPLE: print_items(out, '(', v.as.tuple->items, v.as.tuple->len, ')'); break;
    case TAG_DICT: print_dict(out, v.as.dict); break;
    case TAG_OBJECT: buf_printf(out, "<" STR_FMT " object at %p>", STR_ARG(v.as.object->cls->name), (void *)v.as.object); break;
    case TAG_ENUM: buf_printf(out, "Enum<" STR_FMT "." STR_FMT ">", STR_ARG(last_atom(v.as.enumeration->cls->name)), STR_ARG(v.as.enumeration->name)); break;
    case TAG_FUTURE: buf_z(out, "Future"); break;
    case TAG_GENERATOR: buf_z(out, "Generator"); break;
    }
}

void value_print(Buf *out, IValue v)
{
    if (value_enter() != ST_OK) {
        status_clear();
        buf_z(out, "...");
        return;
    }
    print_any(out, v);
    value_leave();
}
