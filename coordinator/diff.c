// Compares two HDF5 files data set by data set, a block of rows at a time.
// Numbers agree when |a - b| <= atol + rtol * |b|, NaN with NaN; the first difference is shown, and how far apart they get.
#include "coordinator/diff.h"

#include "coordinator/model_file.h"
#include "io/h5_source.h"
#include "kernels/copy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 16 << 20, TEXT_ROWS = 4096 };

typedef struct Diff {
    const Options *options;
    H5Thread *thread;
    H5Source *a, *b;
    bool different;
} Diff;

// What is known of one data set so far.
typedef struct SetDiff {
    const H5Dataset *a, *b;
    int64_t compared, different;
    double largest, largest_relative;
    double squares, squares_b; // of differences and of b, for the relative L2 error
    char first[512];           // where and what the first difference is
} SetDiff;

static void shape_text(const H5Dataset *d, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "%s [", dtype_valid(d->dtype) ? dtype_python_name(d->dtype) : d->unusable ? d->unusable : "?");
    for (int i = 0; i < d->ndim && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, d->shape[i] < 0 ? "%s?" : "%s%lld", i ? ", " : "", (long long)d->shape[i]);
    if (at < size)
        snprintf(out + at, size - at, "]%s", d->ragged ? " ragged" : "");
}

static void note_first(SetDiff *s, int64_t row, int64_t element, const int64_t *shape, int ndim, const char *fmt, ...) PRINTF_LIKE(6, 7);
static void note_first(SetDiff *s, int64_t row, int64_t element, const int64_t *shape, int ndim, const char *fmt, ...)
{
    if (s->different++ > 0)
        return;
    int64_t index[H5_MAX_DIMS];
    for (int d = ndim - 1; d >= 0; d--) {
        index[d] = shape[d] ? element % shape[d] : 0;
        element /= shape[d] ? shape[d] : 1;
    }
    size_t at = (size_t)snprintf(s->first, sizeof s->first, "[%lld", (long long)row);
    for (int d = 0; d < ndim; d++)
        at += (size_t)snprintf(s->first + at, sizeof s->first - at, ", %lld", (long long)index[d]);
    at += (size_t)snprintf(s->first + at, sizeof s->first - at, "]: ");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->first + at, sizeof s->first - at, fmt, ap);
    va_end(ap);
}

// Elements as pairs of doubles (imaginary part 0 for real types). Integers over 2^53 are compared exactly elsewhere.
static Status to_complex(const void *data, DType dtype, int64_t count, double *out)
{
    View from = {.data = (void *)(uintptr_t)data, .dtype = (uint8_t)dtype}, to = {.data = out, .dtype = DT_C128};
    view_set_contiguous(&from, 1, &count);
    view_set_contiguous(&to, 1, &count);
    return copy_convert(&to, &from);
}

static bool agree(const Options *o, const double *a, const double *b, double *distance)
{
    if ((isnan(a[0]) && isnan(b[0]) && isnan(a[1]) == isnan(b[1])) || (a[0] == b[0] && a[1] == b[1])) {
        *distance = 0;
        return true;
    }
    *distance = hypot(a[0] - b[0], a[1] - b[1]);
    return isfinite(*distance) && *distance <= o->atol + o->rtol * hypot(b[0], b[1]);
}

// `count` elements of row `row` and following; `per_row` elements make a row of `shape`.
static Status compare_numbers(const Diff *d, SetDiff *s, const void *a, const void *b, int64_t count, int64_t row, int64_t per_row, const int64_t *shape, int ndim)
{
    double *x = malloc((size_t)count * 2 * sizeof *x + 1), *y = malloc((size_t)count * 2 * sizeof *y + 1);
    Status st = x && y ? ST_OK : status_no_memory((size_t)count * 32);
    if (st == ST_OK)
        st = to_complex(a, s->a->dtype, count, x);
    if (st == ST_OK)
        st = to_complex(b, s->b->dtype, count, y);
    size_t size = dtype_size(s->a->dtype);
    bool integers = s->a->dtype == s->b->dtype && size == 8 && !dtype_is_floating(s->a->dtype) && !dtype_is_complex(s->a->dtype);
    for (int64_t i = 0; st == ST_OK && i < count; i++) {
        double distance;
        bool same = agree(d->options, x + 2 * i, y + 2 * i, &distance);
        if (integers && same && distance == 0)
            same = memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) == 0;
        double magnitude = hypot(y[2 * i], y[2 * i + 1]);
        if (isfinite(distance) && isfinite(magnitude)) {
            s->squares += distance * distance;
            s->squares_b += magnitude * magnitude;
            s->largest = fmax(s->largest, distance);
            if (magnitude > 0)
                s->largest_relative = fmax(s->largest_relative, distance / magnitude);
        }
        if (!same)
            note_first(s, row + (per_row ? i / per_row : 0), per_row ? i % per_row : 0, shape, ndim, "%.9g and %.9g", x[2 * i], y[2 * i]);
    }
    s->compared += count;
    free(x);
    free(y);
    return st;
}

static Status compare_ragged_block(const Diff *d, SetDiff *s, const H5Block *a, const H5Block *b, int64_t first)
{
    for (int64_t i = 0; i < a->count; i++) {
        const int64_t *shape = a->row_shape + i * a->row_ndim, *other = b->row_shape + i * b->row_ndim;
        int64_t elements = 1;
        for (int k = 0; k < a->row_ndim; k++)
            elements *= shape[k];
        if (a->row_ndim != b->row_ndim || memcmp(shape, other, (size_t)a->row_ndim * sizeof *shape) != 0)
            note_first(s, first + i, 0, NULL, 0, "rows of %lld and %lld along dimension 0", (long long)shape[0], (long long)other[0]);
        else
            TRY(compare_numbers(d, s, (const char *)a->data + a->row_offset[i], (const char *)b->data + b->row_offset[i], elements, first + i, elements, shape, a->row_ndim));
    }
    return ST_OK;
}

static Status compare_rows(const Diff *d, SetDiff *s, H5Column *a, H5Column *b)
{
    const H5ColumnInfo *info = h5_column_info(a);
    int64_t per_row = 1;
    for (int i = 1; i < info->ndim; i++)
        per_row *= info->shape[i];
    int64_t step = info->ragged || info->row_bytes == 0 ? 1024 : BLOCK_BYTES / info->row_bytes;
    if (step < 1)
        step = 1;
    H5Block x = {0}, y = {0};
    Status st = ST_OK;
    for (int64_t row = 0; row < info->rows && st == ST_OK; row += step) {
        int64_t count = info->rows - row < step ? info->rows - row : step;
        st = h5_column_read(a, row, count, &x);
        if (st == ST_OK)
            st = h5_column_read(b, row, count, &y);
        if (st == ST_OK && info->ragged)
            st = compare_ragged_block(d, s, &x, &y, row);
        else if (st == ST_OK)
            st = compare_numbers(d, s, x.data, y.data, count * per_row, row, per_row, info->shape + 1, info->ndim - 1);
    }
    h5_block_free(&x);
    h5_block_free(&y);
    return st;
}

static Status compare_columns(const Diff *d, SetDiff *s)
{
    H5Column *a = NULL, *b = NULL;
    Status st = h5_column_open(d->a, s->a->path, NULL, &a);
    if (st == ST_OK)
        st = h5_column_open(d->b, s->b->path, NULL, &b);
    if (st == ST_OK)
        st = compare_rows(d, s, a, b);
    h5_column_close(a);
    h5_column_close(b);
    return st;
}

static Status compare_texts(const Diff *d, SetDiff *s, const char *path)
{
    Status st = ST_OK;
    for (int64_t row = 0; row < s->a->shape[0] && st == ST_OK; row += TEXT_ROWS) {
        int64_t count = s->a->shape[0] - row < TEXT_ROWS ? s->a->shape[0] - row : TEXT_ROWS;
        Arena arena = {0};
        Str *x = ARENA_ARRAY(&arena, Str, count), *y = ARENA_ARRAY(&arena, Str, count);
        st = x && y ? h5_source_read_text(d->a, path, row, count, &arena, x) : status_no_memory((size_t)count * sizeof *x);
        if (st == ST_OK)
            st = h5_source_read_text(d->b, path, row, count, &arena, y);
        for (int64_t i = 0; st == ST_OK && i < count; i++)
            if (!str_eq(x[i], y[i]))
                note_first(s, row + i, 0, NULL, 0, "\"%.60s\" and \"%.60s\"", x[i].len ? x[i].ptr : "", y[i].len ? y[i].ptr : "");
        s->compared += count;
        arena_free(&arena);
    }
    return st;
}

static bool same_form(const H5Dataset *a, const H5Dataset *b)
{
    if (a->ndim != b->ndim || a->ragged != b->ragged || !a->unusable != !b->unusable)
        return false;
    return memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

static void print_result(const Diff *d, const SetDiff *s, const char *path)
{
    if (s->different > 0) {
        printf("%s: %lld of %lld differ, first at %s", path, (long long)s->different, (long long)s->compared, s->first);
        printf(" (largest difference %.3g, relative L2 %.3g)\n", s->largest, s->squares_b > 0 ? sqrt(s->squares / s->squares_b) : s->squares > 0 ? INFINITY : 0);
    } else if (!d->options->quiet) {
        printf("%s: %lld same", path, (long long)s->compared);
        if (s->largest > 0)
            printf(" within the tolerance (largest difference %.3g, relative L2 %.3g)", s->largest, s->squares_b > 0 ? sqrt(s->squares / s->squares_b) : 0);
        printf("\n");
    }
}

static Status compare_set(Diff *d, const H5Dataset *a, const H5Dataset *b)
{
    SetDiff s = {.a = a, .b = b};
    char path[4096], form_a[256], form_b[256];
    snprintf(path, sizeof path, STR_FMT, STR_ARG(a->path));
    if (!same_form(a, b)) {
        shape_text(a, form_a, sizeof form_a);
        shape_text(b, form_b, sizeof form_b);
        printf("%s: %s and %s\n", path, form_a, form_b);
        d->different = true;
        return ST_OK;
    }
    // What cannot be a column is text, or nothing that tsbatch writes.
    Status st = a->unusable ? compare_texts(d, &s, path) : compare_columns(d, &s);
    if (st == ST_BAD_DATA && a->unusable) {
        printf("%s: not compared: %s\n", path, a->unusable);
        return ST_OK;
    }
    TRY(st);
    print_result(d, &s, path);
    d->different |= s.different > 0;
    return ST_OK;
}

static Status compare_files(Diff *d)
{
    const char *a = d->options->files[0], *b = d->options->files[1];
    TRY(file_must_exist(a, ST_BAD_DATA));
    TRY(file_must_exist(b, ST_BAD_DATA));
    TRY(h5_source_open(d->thread, a, &d->a));
    TRY(h5_source_open(d->thread, b, &d->b));
    for (size_t i = 0; i < h5_source_count(d->a); i++) {
        const H5Dataset *set = h5_source_at(d->a, i), *other = h5_source_find(d->b, set->path);
        if (other) {
            TRY(compare_set(d, set, other));
        } else {
            printf(STR_FMT ": only in %s\n", STR_ARG(set->path), a);
            d->different = true;
        }
    }
    for (size_t i = 0; i < h5_source_count(d->b); i++) {
        const H5Dataset *set = h5_source_at(d->b, i);
        if (!h5_source_find(d->a, set->path)) {
            printf(STR_FMT ": only in %s\n", STR_ARG(set->path), b);
            d->different = true;
        }
    }
    return fflush(stdout) == 0 ? ST_OK : status_fail(ST_IO, "cannot write to stdout");
}

Status diff_command(const Options *o, bool *different)
{
    Diff d = {.options = o};
    TRY(h5_thread_start(&d.thread));
    Status s = compare_files(&d);
    if (d.a)
        h5_source_close(d.a);
    if (d.b)
        h5_source_close(d.b);
    h5_thread_stop(d.thread);
    *different = d.different;
    return s;
}
