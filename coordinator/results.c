// Takes results apart. The walk is the same for every call of a model, so a leaf is nearly always found where the one of
// the call before it was: finding a column costs one comparison of paths.
#include "coordinator/results.h"

#include "io/base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_DEPTH = 32 };

typedef struct Walk {
    Results *results;
    struct Lane *lane;
    Buf path;
    int64_t row;    // the sample that the values belong to; -1: all of the batch
    int64_t padded; // rows of batched tensors
    bool rows_as_list;
    int depth;
} Walk;

static void column_clear(ResultColumn *c)
{
    if (c->whole)
        value_release(value_tensor_take(c->whole));
    c->whole = NULL;
    c->size = 0;
    c->filled = c->present_count = 0;
    c->uniform = true;
}

static void column_free(ResultColumn *c)
{
    column_clear(c);
    free(c->path);
    free(c->shape);
    free(c->offset);
    free(c->present);
    free(c->bytes);
}

static void drop_columns(Results *r)
{
    for (int i = 0; i < r->column_count; i++)
        column_free(&r->columns[i]);
    r->column_count = 0;
}

static void drop_errors(Results *r)
{
    for (int i = 0; i < r->error_count; i++)
        free(r->errors[i].message);
    r->error_count = 0;
}

void results_start(Results *r, int64_t batch, int64_t first, int64_t count)
{
    // The arrays of a column are sized for the rows of a batch: only the last batch differs.
    if (count != r->count)
        drop_columns(r);
    results_clear(r);
    r->batch = batch;
    r->first = first;
    r->count = count;
    r->next_column = 0;
}

void results_clear(Results *r)
{
    for (int i = 0; i < r->column_count; i++)
        column_clear(&r->columns[i]);
    drop_errors(r);
}

void results_free(Results *r)
{
    drop_columns(r);
    drop_errors(r);
    free(r->columns);
    free(r->errors);
    *r = (Results){0};
}

static Status column_new(Results *r, Str path, bool text, DType dtype, int ndim, ResultColumn **out)
{
    if (r->column_count == H5_SINK_MAX_COLUMNS)
        return status_fail(ST_UNSUPPORTED, "too many results per sample (limit %d)", H5_SINK_MAX_COLUMNS);
    if (r->column_count == r->column_capacity) {
        int capacity = r->column_capacity ? 2 * r->column_capacity : 4;
        ResultColumn *more = realloc(r->columns, (size_t)capacity * sizeof *more);
        if (!more)
            return status_no_memory((size_t)capacity * sizeof *more);
        r->columns = more;
        r->column_capacity = capacity;
    }
    ResultColumn *c = &r->columns[r->column_count];
    size_t n = (size_t)r->count;
    *c = (ResultColumn){.text = text, .dtype = dtype, .ndim = ndim, .uniform = true};
    c->path = strndup(path.ptr, path.len);
    c->shape = calloc(n * (size_t)(ndim ? ndim : 1), sizeof *c->shape);
    c->offset = calloc(n + 1, sizeof *c->offset);
    c->present = calloc(n + 1, 1);
    if (!c->path || !c->shape || !c->offset || !c->present) {
        column_free(c);
        return status_no_memory(n * sizeof *c->offset);
    }
    r->column_count++;
    *out = c;
    return ST_OK;
}

// The column of a leaf: the expected one, another one of that path, or a new one.
static Status column_find(Results *r, Str path, bool text, DType dtype, int ndim, ResultColumn **out)
{
    ResultColumn *c = NULL;
    for (int i = 0; i < r->column_count && !c; i++) {
        int at = (r->next_column + i) % r->column_count;
        if (str_is(path, r->columns[at].path)) {
            c = &r->columns[at];
            r->next_column = at + 1;
        }
    }
    if (!c) {
        TRY(column_new(r, path, text, dtype, ndim, &c));
        r->next_column = r->column_count;
    }
    // A column kept from the batch before may take another type; within a batch all rows have one.
    if (c->text == text && c->dtype == dtype && c->ndim == ndim)
        *out = c;
    else if (c->present_count == 0 && !c->whole) {
        int64_t *shape = calloc((size_t)r->count * (size_t)(ndim ? ndim : 1), sizeof *shape);
        if (!shape)
            return status_no_memory((size_t)r->count * sizeof *shape);
        free(c->shape);
        c->shape = shape;
        c->text = text;
        c->dtype = dtype;
        c->ndim = ndim;
        *out = c;
    } else {
        return status_fail(ST_UNSUPPORTED, "result %s: samples of one batch differ in type (%s with %d dimensions, %s with %d)", c->path,
                           c->text ? "str" : dtype_python_name(c->dtype), c->ndim, text ? "str" : dtype_python_name(dtype), ndim);
    }
    return ST_OK;
}

// Entries of rows that got none, up to `row`.
static void fill_gap(ResultColumn *c, int64_t row)
{
    for (; c->filled < row; c->filled++) {
        c->present[c->filled] = 0;
        c->offset[c->filled] = c->offset[c->filled + 1] = c->size;
        for (int d = 0; d < c->ndim; d++)
            c->shape[c->filled * c->ndim + d] = 0;
    }
}

static Status put_row(Walk *w, bool text, DType dtype, int ndim, const int64_t *shape, const void *data, size_t size)
{
    ResultColumn *c;
    TRY(column_find(w->results, buf_view(&w->path), text, dtype, ndim, &c));
    if (c->filled > w->row)
        return status_fail(ST_UNSUPPORTED, "result %s: two values for sample %lld", c->path, (long long)(w->results->first + w->row));
    if (c->size + size > c->capacity) {
        size_t capacity = (c->size + size) * 2;
        uint8_t *bytes = realloc(c->bytes, capacity);
        if (!bytes)
            return status_no_memory(capacity);
        c->bytes = bytes;
        c->capacity = capacity;
    }
    fill_gap(c, w->row);
    if (size)
        memcpy(c->bytes + c->size, data, size);
    c->offset[w->row] = c->size;
    c->size += size;
    c->offset[w->row + 1] = c->size;
    c->present[w->row] = 1;
    for (int d = 0; d < ndim; d++) {
        c->shape[w->row * ndim + d] = shape[d];
        c->uniform &= c->present_count == 0 || shape[d] == c->shape[c->shape_row * ndim + d];
    }
    c->present_count++;
    c->shape_row = w->row;
    c->filled = w->row + 1;
    return ST_OK;
}

static Status not_per_sample(const Walk *w, const char *what)
{
    return status_fail(ST_BAD_MODEL,
                       "the result " STR_FMT " is %s, but the batch has %lld samples: it is not one row per sample. If the method takes one "
                       "sample, without a batch dimension, use --per-sample",
                       STR_ARG(buf_view(&w->path)), what, (long long)w->padded);
}

static Status put_whole(Walk *w, Tensor *t)
{
    Results *r = w->results;
    char shape[256] = "a tensor of shape [";
    for (int d = 0; d < t->view.ndim && strlen(shape) < 200; d++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", d ? ", " : "", (long long)t->view.size[d]);
    strcat(shape, "]");
    if (t->view.ndim == 0 || t->view.size[0] != w->padded)
        return not_per_sample(w, shape);
    ResultColumn *c;
    TRY(column_find(r, buf_view(&w->path), false, tensor_dtype(t), t->view.ndim - 1, &c));
    if (c->whole || c->present_count > 0)
        return status_fail(ST_UNSUPPORTED, "result %s: two values for one batch", c->path);
    size_t row_bytes = dtype_size(c->dtype);
    for (int d = 1; d < t->view.ndim; d++)
        row_bytes *= (size_t)t->view.size[d];
    for (int64_t i = 0; i < r->count; i++) {
        for (int d = 0; d < c->ndim; d++)
            c->shape[i * c->ndim + d] = t->view.size[d + 1];
        c->offset[i] = (uint64_t)i * row_bytes;
        c->present[i] = 1;
    }
    c->offset[r->count] = (uint64_t)r->count * row_bytes;
    c->whole = tensor_retain(t);
    c->filled = c->present_count = r->count;
    c->shape_row = 0;
    return ST_OK;
}

static Status put_tensor(Walk *w, Tensor *t)
{
    DTypeCategory category = dtype_category(tensor_dtype(t));
    if (category == DT_QUANTISED)
        return status_fail(ST_UNSUPPORTED, "the result " STR_FMT " is quantised: dequantise it in the model", STR_ARG(buf_view(&w->path)));
    Tensor *plain;
    TRY(tensor_contiguous(w->lane, t, &plain));
    Status s = tensor_make_plain(w->lane, plain);
    if (s == ST_OK && w->row < 0)
        s = put_whole(w, plain);
    else if (s == ST_OK)
        s = put_row(w, false, tensor_dtype(plain), plain->view.ndim, plain->view.size, plain->view.data,
                    (size_t)tensor_numel(plain) * dtype_size(tensor_dtype(plain)));
    value_release(value_tensor_take(plain));
    return s;
}

static Status put_number(Walk *w, IValue v)
{
    if (w->row < 0)
        return not_per_sample(w, "one number");
    uint8_t b = v.tag == TAG_BOOL && v.as.b;
    double z[2] = {0, 0};
    switch (v.tag) {
    case TAG_BOOL:
        return put_row(w, false, DT_BOOL, 0, NULL, &b, 1);
    case TAG_INT:
        return put_row(w, false, DT_I64, 0, NULL, &v.as.i, 8);
    case TAG_FLOAT:
        return put_row(w, false, DT_F64, 0, NULL, &v.as.f, 8);
    default:
        z[0] = v.as.complex->re;
        z[1] = v.as.complex->im;
        return put_row(w, false, DT_C128, 0, NULL, z, 16);
    }
}

static Status put_text(Walk *w, Str s)
{
    if (w->row < 0)
        return not_per_sample(w, "one str");
    int64_t len = (int64_t)s.len;
    return put_row(w, true, DT_U8, 1, &len, s.ptr, s.len);
}

static Status walk(Walk *w, IValue v);

static Status walk_child(Walk *w, IValue v, const char *fmt, ...) PRINTF_LIKE(3, 4);
static Status walk_child(Walk *w, IValue v, const char *fmt, ...)
{
    size_t len = w->path.len;
    char name[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    buf_char(&w->path, '/');
    buf_z(&w->path, name);
    Status s = buf_status(&w->path);
    if (s == ST_OK)
        s = walk(w, v);
    w->path.len = len;
    return s;
}

static Status walk_list(Walk *w, const ListObj *l)
{
    bool rows = w->row < 0 && w->rows_as_list && (int64_t)l->len == w->padded;
    for (uint32_t i = 0; i < l->len; i++) {
        if (!rows) {
            TRY(walk_child(w, l->items[i], "%u", i));
        } else if (i < w->results->count) {
            w->row = i;
            Status s = walk(w, l->items[i]);
            w->row = -1;
            TRY(s);
        }
    }
    return ST_OK;
}

static Status walk_tuple(Walk *w, const TupleObj *t)
{
    for (uint32_t i = 0; i < t->len; i++)
        if (t->type && t->type->fields)
            TRY(walk_child(w, t->items[i], STR_FMT, STR_ARG(t->type->fields[i])));
        else
            TRY(walk_child(w, t->items[i], "%u", i));
    return ST_OK;
}

static Status walk_dict(Walk *w, const DictObj *d)
{
    IValue key, value;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);)
        switch (key.tag) {
        case TAG_STR:
            TRY(walk_child(w, value, STR_FMT, STR_ARG(str_of_value(key))));
            break;
        case TAG_INT:
            TRY(walk_child(w, value, "%lld", (long long)key.as.i));
            break;
        case TAG_BOOL:
            TRY(walk_child(w, value, "%s", key.as.b ? "True" : "False"));
            break;
        case TAG_FLOAT:
            TRY(walk_child(w, value, "%.17g", key.as.f));
            break;
        default:
            return status_fail(ST_UNSUPPORTED, "the result " STR_FMT " is a dict whose keys are neither str nor numbers", STR_ARG(buf_view(&w->path)));
        }
    return ST_OK;
}

static Status walk_nested(Walk *w, IValue v)
{
    switch (v.tag) {
    case TAG_LIST:
        return walk_list(w, v.as.list);
    case TAG_TUPLE:
        return walk_tuple(w, v.as.tuple);
    case TAG_DICT:
        return walk_dict(w, v.as.dict);
    default:
        for (uint32_t i = 0; i < v.as.object->len && i < v.as.object->cls->attr_count; i++)
            TRY(walk_child(w, v.as.object->slots[i], STR_FMT, STR_ARG(v.as.object->cls->attrs[i].name)));
        return ST_OK;
    }
}

static Status walk(Walk *w, IValue v)
{
    switch (v.tag) {
    case TAG_NONE:
    case TAG_UNINITIALIZED:
        return ST_OK;
    case TAG_TENSOR:
        return put_tensor(w, v.as.tensor);
    case TAG_BOOL:
    case TAG_INT:
    case TAG_FLOAT:
    case TAG_COMPLEX:
        return put_number(w, v);
    case TAG_STR:
        return put_text(w, str_of_value(v));
    case TAG_ENUM:
        return put_text(w, v.as.enumeration->name);
    case TAG_LIST:
    case TAG_TUPLE:
    case TAG_DICT:
    case TAG_OBJECT: {
        if (w->depth == MAX_DEPTH)
            return status_fail(ST_UNSUPPORTED, "the result nests too deep (limit %d)", MAX_DEPTH);
        w->depth++;
        Status s = walk_nested(w, v);
        w->depth--;
        return s;
    }
    default:
        return status_fail(ST_UNSUPPORTED, "the result " STR_FMT " is neither tensor, number, str nor a container of those", STR_ARG(buf_view(&w->path)));
    }
}

static Status walk_from_root(Walk *w, IValue v)
{
    buf_z(&w->path, "/output");
    Status s = walk(w, v);
    buf_free(&w->path);
    return s;
}

Status results_add_batch(Results *r, struct Lane *lane, IValue v, int64_t padded, bool rows_as_list)
{
    return walk_from_root(&(Walk){.results = r, .lane = lane, .row = -1, .padded = padded, .rows_as_list = rows_as_list}, v);
}

Status results_add_row(Results *r, struct Lane *lane, IValue v, int64_t row)
{
    return walk_from_root(&(Walk){.results = r, .lane = lane, .row = row, .padded = 1}, v);
}

Status results_add_error(Results *r, int64_t row, int64_t count, const char *message)
{
    ResultError *more = realloc(r->errors, (size_t)(r->error_count + 1) * sizeof *more);
    if (!more)
        return status_no_memory(sizeof *more);
    r->errors = more;
    char *copy = strdup(message);
    if (!copy)
        return status_no_memory(strlen(message));
    r->errors[r->error_count++] = (ResultError){row, count, copy};
    return ST_OK;
}

Status results_finish(Results *r)
{
    for (int i = 0; i < r->column_count; i++)
        fill_gap(&r->columns[i], r->count);
    return ST_OK;
}

int64_t results_failed_rows(const Results *r)
{
    int64_t n = 0;
    for (int i = 0; i < r->error_count; i++)
        n += r->errors[i].count;
    return n;
}

// Rows without a result are fine where the call for them raised, not where a sibling got one.
static int64_t rows_with_results(const Results *r) { return r->count - results_failed_rows(r); }

static Status check_complete(const Results *r)
{
    for (int i = 0; i < r->column_count; i++) {
        const ResultColumn *c = &r->columns[i];
        if (c->present_count != rows_with_results(r) && c->present_count > 0 && c->ndim == 0 && !c->text)
            return status_fail(ST_UNSUPPORTED, "result %s: only %lld of samples %lld to %lld have one; a number cannot be left out", c->path,
                               (long long)c->present_count, (long long)r->first, (long long)(r->first + r->count - 1));
    }
    return ST_OK;
}

Status results_plan(const Results *r, SinkColumn *columns, int *count)
{
    TRY(check_complete(r));
    int n = 0;
    for (int i = 0; i < r->column_count; i++) {
        const ResultColumn *c = &r->columns[i];
        if (c->present_count == 0)
            continue;
        if (c->ndim > H5_MAX_DIMS - 1)
            return status_fail(ST_UNSUPPORTED, "result %s has %d dimensions per sample (limit %d)", c->path, c->ndim, H5_MAX_DIMS - 1);
        bool ragged = !c->uniform || c->present_count != rows_with_results(r);
        columns[n] = (SinkColumn){.path = c->path, .dtype = c->dtype, .ndim = c->ndim};
        columns[n].kind = c->text ? SINK_TEXT : ragged ? SINK_RAGGED : SINK_ROWS;
        memcpy(columns[n].shape, c->shape + c->shape_row * c->ndim, (size_t)c->ndim * sizeof *c->shape);
        n++;
    }
    if (n == 0)
        return status_fail(ST_BAD_MODEL, "the method returns no tensor, number or str: there is nothing to write");
    *count = n;
    return ST_OK;
}

Status results_match(const Results *r, const SinkColumn *columns, int count, int *of_plan)
{
    for (int k = 0; k < count; k++)
        of_plan[k] = -1;
    for (int i = 0; i < r->column_count; i++) {
        const ResultColumn *c = &r->columns[i];
        if (c->present_count == 0)
            continue;
        int k = 0;
        while (k < count && strcmp(columns[k].path, c->path) != 0)
            k++;
        if (k == count)
            return status_fail(ST_UNSUPPORTED, "samples %lld to %lld have a result %s that the first batch had not", (long long)r->first,
                               (long long)(r->first + r->count - 1), c->path);
        const SinkColumn *p = &columns[k];
        if ((p->kind == SINK_TEXT) != c->text || (!c->text && (p->dtype != c->dtype || p->ndim != c->ndim)))
            return status_fail(ST_UNSUPPORTED, "result %s of samples %lld to %lld is %s with %d dimensions, that of the first batch %s with %d", c->path,
                               (long long)r->first, (long long)(r->first + r->count - 1), c->text ? "str" : dtype_python_name(c->dtype), c->ndim,
                               p->kind == SINK_TEXT ? "str" : dtype_python_name(p->dtype), p->ndim);
        of_plan[k] = i;
    }
    return ST_OK;
}

Status results_check(const Results *r, const SinkColumn *columns, int count)
{
    int of_plan[H5_SINK_MAX_COLUMNS];
    TRY(check_complete(r));
    TRY(results_match(r, columns, count, of_plan));
    for (int k = 0; k < count; k++)
        if (of_plan[k] < 0 && rows_with_results(r) > 0 && columns[k].kind != SINK_TEXT && columns[k].ndim == 0)
            return status_fail(ST_UNSUPPORTED, "samples %lld to %lld have no result %s, which the first batch had", (long long)r->first,
                               (long long)(r->first + r->count - 1), columns[k].path);
    return ST_OK;
}

bool result_in_place(const ResultColumn *c, const SinkColumn *planned)
{
    if (planned->kind != SINK_ROWS || !c->uniform)
        return false;
    return c->ndim == 0 || memcmp(c->shape + c->shape_row * c->ndim, planned->shape, (size_t)c->ndim * sizeof *c->shape) == 0;
}

void results_pack(Buf *out, const Results *r, const bool *send)
{
    wire_put_int(out, r->batch);
    wire_put_int(out, r->first);
    wire_put_int(out, r->count);
    wire_put_int(out, r->error_count);
    for (int i = 0; i < r->error_count; i++) {
        wire_put_int(out, r->errors[i].row);
        wire_put_int(out, r->errors[i].count);
        wire_put_text(out, r->errors[i].message);
    }
    int64_t columns = 0;
    for (int i = 0; i < r->column_count; i++)
        columns += send[i];
    wire_put_int(out, columns);
    size_t n = (size_t)r->count;
    for (int i = 0; i < r->column_count; i++) {
        const ResultColumn *c = &r->columns[i];
        if (!send[i])
            continue;
        wire_put_text(out, c->path);
        wire_put_int(out, c->text);
        wire_put_int(out, c->dtype);
        wire_put_int(out, c->ndim);
        wire_put_int(out, c->present_count);
        wire_put_int(out, c->shape_row);
        wire_put_int(out, c->uniform);
        buf_bytes(out, c->shape, n * (size_t)c->ndim * sizeof *c->shape);
        buf_bytes(out, c->offset, (n + 1) * sizeof *c->offset);
        buf_bytes(out, c->present, n);
        wire_put_pad(out);
        buf_bytes(out, result_row(c, 0), c->offset[n]);
    }
}

static Status unpack_column(Wire *in, Results *out)
{
    const char *path = wire_text(in);
    bool text = wire_int(in);
    DType dtype = (DType)wire_int(in);
    int ndim = (int)wire_int(in);
    ResultColumn *c;
    TRY(column_new(out, str_of(path), text, dtype, ndim, &c));
    size_t n = (size_t)out->count;
    c->present_count = wire_int(in);
    c->shape_row = wire_int(in);
    c->uniform = wire_int(in);
    wire_get(in, c->shape, n * (size_t)ndim * sizeof *c->shape);
    wire_get(in, c->offset, (n + 1) * sizeof *c->offset);
    wire_get(in, c->present, n);
    wire_pad(in);
    c->bytes = (uint8_t *)(uintptr_t)wire_bytes(in, c->offset[n]);
    c->filled = out->count;
    return ST_OK;
}

Status results_unpack(Wire *in, Results *out)
{
    *out = (Results){.batch = wire_int(in)};
    out->first = wire_int(in);
    out->count = wire_int(in);
    for (int64_t i = 0, n = wire_int(in); i < n && !in->failed; i++) {
        int64_t row = wire_int(in), count = wire_int(in);
        TRY(results_add_error(out, row, count, wire_text(in)));
    }
    for (int64_t i = 0, n = wire_int(in); i < n && !in->failed; i++)
        TRY(unpack_column(in, out));
    return in->failed ? status_fail(ST_INTERNAL, "a message with results is cut short") : ST_OK;
}

void results_drop_borrowed(Results *r)
{
    for (int i = 0; i < r->column_count; i++)
        r->columns[i].bytes = NULL;
    results_free(r);
}
