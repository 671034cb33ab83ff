// Tests of operators as rows of text: the call, and what PyTorch 1.13 gives for it.
//
//   {"aten::narrow; f32[3,4]; 0; 1; 2", "f32[2, 4](4, 1)+4 {4, 5, 6, 7, 8, 9, 10, 11}"}
//
// The first part of a call is the operator, the others its arguments:
//   1  2.5  nan  1+2j  True  None  'text'  cpu  [1, 2]  ('a', 1)  {'k': 2}   values; a number with a point is a float
//   f32[3,4]              a tensor counting 0, 1, 2, …  (complex ones count 0, 1-1j, 2-2j, …)
//   f32[2]{1.5, -2}       a tensor of these numbers (1+2j, 2j: complex);  f32[3,4].t  with its dimensions reversed
//   c64[2].c  f32[2].n    a conjugate, a negative view of one
//   qu8[2]{130, 7}@0.5,128  a quantised one of these integers: scale, zero point
// Results: tensors as dtype[sizes](strides)+offset {elements}, after the offset conj or neg for such views; several results are joined by " | "; an error is "! text",
// of which the message must hold the text. "~" in front of a result: numbers may differ by 1e-6 of their size.
// With "&" in front, argument 0 is shown after the call instead of the results.
#ifndef TSB_TESTS_OP_ROWS_H
#define TSB_TESTS_OP_ROWS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/base/buf.h"
#include "ir/schema.h"
#include "kernels/copy.h"
#include "worker/allocator.h"
#include "worker/op.h"
#include "worker/quant.h"
#include "worker/random.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct OpRow { const char *call, *result; } OpRow;

static const struct { const char *name; DType dtype; } ROW_DTYPES[] = {
    {"bool", DT_BOOL}, {"u8", DT_U8}, {"i8", DT_I8}, {"i16", DT_I16}, {"i32", DT_I32}, {"i64", DT_I64}, {"f16", DT_F16},
    {"qu8", DT_QU8}, {"qi8", DT_QI8}, {"qi32", DT_QI32}, {"bf16", DT_BF16}, {"f32", DT_F32}, {"f64", DT_F64}, {"c32", DT_C32}, {"c64", DT_C64}, {"c128", DT_C128},
};
enum { ROW_DTYPE_COUNT = sizeof ROW_DTYPES / sizeof *ROW_DTYPES };

static void row_blanks(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static bool row_take(const char **at, const char *text)
{
    row_blanks(at);
    if (strncmp(*at, text, strlen(text)) != 0)
        return false;
    *at += strlen(text);
    return true;
}

static Tensor *row_tensor(Lane *lane, const char **at, DType dtype)
{
    int64_t size[VIEW_MAX_DIMS], total = 1;
    int n = 0;
    Tensor *wide, *t;
    while (!row_take(at, "]")) {
        size[n] = strtoll(*at, (char **)at, 10);
        total *= size[n++];
        row_take(at, ",");
    }
    assert_int_equal(tensor_new(lane, DT_C128, n, size, &wide), ST_OK);
    double *v = wide->view.data;
    int64_t exact[64]; // what a double may not hold
    bool given = row_take(at, "{");
    for (int64_t i = 0; i < total; i++) {
        if (given && i < 64)
            exact[i] = strtoll(*at, NULL, 10);
        v[2 * i] = given ? strtod(*at, (char **)at) : (double)i;
        v[2 * i + 1] = given ? 0 : -(double)i;
        if (given && row_take(at, "j")) {
            v[2 * i + 1] = v[2 * i];
            v[2 * i] = 0;
        } else if (given && (**at == '+' || **at == '-')) {
            v[2 * i + 1] = strtod(*at, (char **)at);
            assert_true(row_take(at, "j"));
        }
        if (given)
            row_take(at, ",");
    }
    if (given)
        assert_true(row_take(at, "}"));
    assert_int_equal(tensor_new(lane, dtype, n, size, &t), ST_OK);
    assert_int_equal(copy_convert(&t->view, &wide->view), ST_OK);
    for (int64_t i = 0; i < total && i < 64 && given && dtype == DT_I64; i++)
        if (fabs(v[2 * i]) >= 0x1p53)
            ((int64_t *)t->view.data)[i] = exact[i];
    tensor_release(wide);
    if (row_take(at, "@")) {
        double scale = strtod(*at, (char **)at);
        assert_true(row_take(at, ","));
        assert_int_equal(quant_new(scale, strtoll(*at, (char **)at, 10), &t->quant), ST_OK);
    }
    if (row_take(at, ".t"))
        for (int d = 0; d < n / 2; d++) {
            int64_t s = t->view.size[d], p = t->view.stride[d];
            t->view.size[d] = t->view.size[n - 1 - d];
            t->view.stride[d] = t->view.stride[n - 1 - d];
            t->view.size[n - 1 - d] = s;
            t->view.stride[n - 1 - d] = p;
        }
    if (row_take(at, ".c"))
        t->bits ^= TENSOR_CONJ;
    if (row_take(at, ".n"))
        t->bits ^= TENSOR_NEG;
    return t;
}

static IValue row_value(Lane *lane, const char **at);

static const Type *row_type(Lane *lane, IValue v)
{
    TypeKind kind = v.tag == TAG_TENSOR ? TYPE_TENSOR : v.tag == TAG_STR ? TYPE_STR : v.tag == TAG_FLOAT ? TYPE_FLOAT
                    : v.tag == TAG_BOOL ? TYPE_BOOL : v.tag == TAG_COMPLEX ? TYPE_COMPLEX : TYPE_INT;
    return v.tag == TAG_LIST ? type_list(lane->types, v.as.list->elem) : type_of_kind(lane->types, kind);
}

static IValue row_items(Lane *lane, const char **at, const char *end, bool tuple)
{
    IValue items[64];
    uint32_t n = 0;
    while (!row_take(at, end)) {
        items[n++] = row_value(lane, at);
        row_take(at, ",");
    }
    if (tuple) {
        TupleObj *t = tuple_new(n, NULL);
        memcpy(t->items, items, n * sizeof *items);
        return value_tuple_take(t);
    }
    ListObj *l = list_new(n ? row_type(lane, items[0]) : type_of_kind(lane->types, TYPE_INT), n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(list_push_take(l, items[i]), ST_OK);
    return value_list_take(l);
}

static IValue row_dict(Lane *lane, const char **at)
{
    DictObj *d = dict_new(type_of_kind(lane->types, TYPE_STR), type_of_kind(lane->types, TYPE_INT));
    while (!row_take(at, "}")) {
        IValue key = row_value(lane, at);
        assert_true(row_take(at, ":"));
        IValue value = row_value(lane, at);
        assert_int_equal(dict_set(d, key, value), ST_OK);
        value_release(key);
        value_release(value);
        row_take(at, ",");
    }
    return value_dict_take(d);
}

static IValue row_value(Lane *lane, const char **at)
{
    IValue v;
    row_blanks(at);
    for (int i = 0; i < ROW_DTYPE_COUNT; i++) {
        size_t len = strlen(ROW_DTYPES[i].name);
        if (strncmp(*at, ROW_DTYPES[i].name, len) == 0 && (*at)[len] == '[') {
            *at += len + 1;
            return value_tensor_take(row_tensor(lane, at, ROW_DTYPES[i].dtype));
        }
    }
    if (row_take(at, "True"))
        return value_bool(true);
    if (row_take(at, "False"))
        return value_bool(false);
    if (row_take(at, "None"))
        return value_none();
    if (row_take(at, "cpu"))
        return (IValue){.tag = TAG_DEVICE, .as.device = {DEVICE_CPU, -1}};
    if (row_take(at, "["))
        return row_items(lane, at, "]", false);
    if (row_take(at, "("))
        return row_items(lane, at, ")", true);
    if (row_take(at, "{"))
        return row_dict(lane, at);
    if (**at == '\'') {
        const char *end = strchr(++*at, '\'');
        assert_int_equal(value_str((Str){*at, (size_t)(end - *at)}, &v), ST_OK);
        *at = end + 1;
        return v;
    }
    char *end, *end_int;
    double x = strtod(*at, &end);
    long long i = strtoll(*at, &end_int, 10);
    assert_ptr_not_equal(end, *at);
    if (*end == 'j' || ((*end == '+' || *end == '-') && strchr(end, 'j'))) {
        double im = *end == 'j' ? x : strtod(end, &end);
        assert_int_equal(value_complex(im == x && *end_int == 'j' ? 0 : x, im, &v), ST_OK);
        *at = end + 1;
        return v;
    }
    v = end == end_int ? value_int(i) : value_float(x);
    *at = end;
    return v;
}

static void row_show(Lane *lane, Buf *out, IValue v);

static void row_show_tensor(Lane *lane, Buf *out, Tensor *t)
{
    const char *name = "?";
    for (int i = 0; i < ROW_DTYPE_COUNT; i++)
        if (ROW_DTYPES[i].dtype == tensor_dtype(t))
            name = ROW_DTYPES[i].name;
    const View *v = &t->view;
    buf_printf(out, "%s[", name);
    for (int d = 0; d < v->ndim; d++)
        buf_printf(out, d ? ", %lld" : "%lld", (long long)v->size[d]);
    buf_z(out, "](");
    for (int d = 0; d < v->ndim; d++)
        buf_printf(out, d ? ", %lld" : "%lld", (long long)v->stride[d]);
    buf_char(out, ')');
    if (t->offset)
        buf_printf(out, "+%lld", (long long)t->offset);
    Tensor *wide;
    assert_int_equal(tensor_new(lane, DT_C128, v->ndim, v->size, &wide), ST_OK);
    assert_int_equal(tensor_copy_into(lane, wide, t), ST_OK);
    buf_z(out, t->bits & TENSOR_CONJ ? "conj" : "");
    buf_z(out, t->bits & TENSOR_NEG ? "neg" : "");
    bool is_complex = dtype_is_complex(tensor_dtype(t)), wide_print = tensor_dtype(t) == DT_F64 || tensor_dtype(t) == DT_C128;
    buf_z(out, " {");
    for (int64_t i = 0, n = tensor_numel(t); i < n; i++) {
        double *z = (double *)wide->view.data + 2 * i;
        z[0] = isnan(z[0]) ? NAN : z[0]; // its sign has no meaning
        buf_z(out, i ? ", " : "");
        if (tensor_dtype(t) == DT_I64 && view_is_contiguous(v) && !t->bits)
            buf_printf(out, "%lld", (long long)((const int64_t *)v->data)[i]);
        else
            buf_printf(out, wide_print ? "%.17g" : "%.9g", z[0]);
        if (is_complex)
            buf_printf(out, wide_print ? "%+.17gj" : "%+.9gj", z[1]);
    }
    buf_char(out, '}');
    if (t->quant && quant_is_per_tensor(t->quant))
        buf_printf(out, "@%.9g,%lld", t->quant->scale, (long long)t->quant->zero_point);
    else if (t->quant)
        buf_printf(out, "@channels of %lld", (long long)t->quant->axis);
    tensor_release(wide);
}

static void row_show(Lane *lane, Buf *out, IValue v)
{
    IValue key, value;
    bool first = true;
    switch ((ValueTag)v.tag) {
    case TAG_TENSOR:
        assert_int_equal(tensor_make_plain(lane, v.as.tensor), ST_OK);
        row_show_tensor(lane, out, v.as.tensor);
        return;
    case TAG_STR: buf_printf(out, "'" STR_FMT "'", STR_ARG(str_of_value(v))); return;
    case TAG_FLOAT:
        if (isnan(v.as.f)) // its sign has no meaning
            buf_z(out, "nan");
        else
            buf_printf(out, "%.17g%s", v.as.f, isfinite(v.as.f) && v.as.f == floor(v.as.f) && fabs(v.as.f) < 1e16 ? ".0" : "");
        return;
    case TAG_COMPLEX: buf_printf(out, "%.17g%+.17gj", v.as.complex->re, v.as.complex->im); return;
    case TAG_DEVICE: buf_z(out, v.as.device.kind == DEVICE_CPU ? "cpu" : "cuda"); return;
    case TAG_LIST:
        buf_char(out, '[');
        for (uint32_t i = 0; i < v.as.list->len; i++) {
            buf_z(out, i ? ", " : "");
            row_show(lane, out, v.as.list->items[i]);
        }
        buf_char(out, ']');
        return;
    case TAG_TUPLE:
        buf_char(out, '(');
        for (uint32_t i = 0; i < v.as.tuple->len; i++) {
            buf_z(out, i ? ", " : "");
            row_show(lane, out, v.as.tuple->items[i]);
        }
        buf_char(out, ')');
        return;
    case TAG_DICT:
        buf_char(out, '{');
        for (uint32_t at = 0; dict_next(v.as.dict, &at, &key, &value); first = false) {
            buf_z(out, first ? "" : ", ");
            row_show(lane, out, key);
            buf_z(out, ": ");
            row_show(lane, out, value);
        }
        buf_char(out, '}');
        return;
    case TAG_INT: buf_printf(out, "%lld", (long long)v.as.i); return;
    case TAG_BOOL: buf_z(out, v.as.b ? "True" : "False"); return;
    default: buf_z(out, v.tag == TAG_NONE ? "None" : "?"); return;
    }
}

// Equal text, but numbers may differ a little.
static bool row_close(const char *a, const char *b)
{
    while (*a && *b) {
        bool number = (isdigit((unsigned char)*a) || *a == '-') && (isdigit((unsigned char)*b) || *b == '-');
        if (!number) {
            if (*a++ != *b++)
                return false;
            continue;
        }
        char *end_a, *end_b;
        double x = strtod(a, &end_a), y = strtod(b, &end_b);
        if (end_a == a || end_b == b || !(x == y || fabs(x - y) <= 1e-6 * (1 + fabs(y))))
            return false;
        a = end_a;
        b = end_b;
    }
    return *a == *b;
}

// How many results the operator's schema says it has.
static int row_results(const char *name)
{
    for (int i = 0; i < op_table_rows(); i++) {
        const char *end = strcmp(op_table_row_name(i), name) == 0 ? strstr(op_table_row_signature(i), ") -> ") : NULL;
        if (!end)
            continue;
        const char *at = end + strlen(") -> ");
        int n = at[0] == '(' && at[1] == ')' ? 0 : 1, depth = 0;
        for (bool list = *at == '('; list && n && *at; at++) {
            depth += (*at == '(') - (*at == ')');
            n += *at == ',' && depth == 1;
        }
        return n || !strstr(name, "_out") ? n : 1; // a list of out= tensors is shown
    }
    return 1;
}

static bool row_run(Lane *lane, const OpRow *row)
{
    const char *at = row->call, *want = row->result;
    bool show_arg0 = *at == '&';
    at += show_arg0;
    char name[96];
    size_t len = strcspn(at, ";");
    memcpy(name, at, len);
    name[len] = '\0';
    at += len;
    IValue args[24], rets[8];
    int n = 0, n_rets = row_results(name);
    while (row_take(&at, ";"))
        args[n++] = row_value(lane, &at);
    row_blanks(&at);
    if (*at)
        print_error("cannot read the call %s at: %s\n", row->call, at);
    Site site = {.op = op_find(str_of(name)), .arg_count = (uint8_t)n, .ret_count = (uint8_t)n_rets};
    OpFn fn = site.op ? site.op->fn : NULL;
    Status status = site.op ? op_choose(&site, args, (uint32_t)n, &fn) : status_fail(ST_INTERNAL, "no operator %s", name);
    if (status == ST_OK)
        status = fn(lane, &site, args, rets);
    Buf got = {0};
    if (status != ST_OK) {
        buf_printf(&got, "! %s", status_message());
    } else {
        for (int i = 0; i < (show_arg0 ? 1 : n_rets); i++) {
            buf_z(&got, i ? " | " : "");
            row_show(lane, &got, show_arg0 ? args[0] : rets[i]);
        }
        for (int i = 0; i < n_rets; i++)
            value_release(rets[i]);
    }
    buf_char(&got, '\0');
    bool same = *want == '!' ? status != ST_OK && strstr(got.ptr, want + 2) != NULL
                : *want == '~' ? row_close(got.ptr, want + 1) : strcmp(got.ptr, want) == 0;
    if (!same)
        print_error("%s\n  expected %s\n  got      %s\n", row->call, want, got.ptr);
    buf_free(&got);
    site_clear(&site);
    for (int i = 0; i < n; i++)
        value_release(args[i]);
    return same;
}

// Runs all rows in one lane whose generator starts from seed 0.
static void rows_run(const OpRow *rows, size_t count)
{
    Arena arena = {0};
    Lane *lane;
    assert_int_equal(lane_new(NULL, type_table_new(&arena), &lane), ST_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !row_run(lane, &rows[i]);
    size_t live = allocator_stats(lane->allocator).live;
    lane_free(lane);
    arena_free(&arena);
    assert_int_equal(wrong, 0);
    assert_int_equal(live, 0); // every tensor was given back
}

#define ROWS_TEST(name, rows)                                                                                          \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        rows_run(rows, sizeof(rows) / sizeof *(rows));                                                                 \
    }

#endif
