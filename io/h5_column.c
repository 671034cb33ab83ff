// Columns: a data set or ragged group bound to an argument, and the two halves of reading rows of it.
// Fetching happens on the H5Thread and leaves bytes as they are stored; finishing swaps, casts and transforms them.
#include "io/h5_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, ROW_BYTES_MAX_SHIFT = 62 };

// ---- opening ----

// What the transform makes of the stored rows. A ragged column is transformed element by element.
static Status describe_result(H5Column *c, const H5Dataset *d)
{
    H5ColumnInfo *info = &c->info;
    info->ragged = d->ragged;
    info->ndim = d->ndim;
    info->rows = d->shape[0];
    Status st;
    if (d->ragged) {
        int64_t shape[1] = {1}, out[1];
        memcpy(info->shape, d->shape, sizeof info->shape);
        st = transform_result(&c->transform, d->dtype, 1, shape, &info->dtype, out);
    } else {
        st = transform_result(&c->transform, d->dtype, d->ndim, d->shape, &info->dtype, info->shape);
        info->row_bytes = (int64_t)dtype_size(info->dtype);
        for (int i = 1; i < d->ndim; i++)
            if (__builtin_mul_overflow(info->row_bytes, info->shape[i], &info->row_bytes))
                return status_fail(ST_BAD_DATA, "%s: " STR_FMT ": too many elements in a row", c->source->path,
                                   STR_ARG(info->path));
    }
    return st == ST_OK ? ST_OK : status_context(st, "%s: " STR_FMT, c->source->path, STR_ARG(info->path));
}

static Status refuse(H5Source *s, Str path, const char *why)
{
    Buf list = {0};
    h5_source_describe(s, &list);
    Status st = status_fail(ST_BAD_DATA, "%s: " STR_FMT "%s; the file has\n%s", s->path, STR_ARG(path), why,
                            list.ptr ? list.ptr : "");
    buf_free(&list);
    return st;
}

// Opens the data set at `path` and remembers its type and shape.
static Status open_values(H5Column *c, const char *path)
{
    c->dataset = h5_open_dataset(c->source, path);
    if (c->dataset < 0)
        return h5_fail(ST_BAD_DATA, "%s: cannot open %s", c->source->path, path);
    c->type = H5Dget_type(c->dataset);
    c->element = h5_element(c->type);
    c->element_size = dtype_size(c->element.dtype);
    hid_t space = H5Dget_space(c->dataset);
    hsize_t shape[H5S_MAX_RANK];
    c->ndim = H5Sget_simple_extent_dims(space, shape, NULL);
    H5Sclose(space);
    c->row_elements = 1;
    for (int i = 0; i < c->ndim; i++) {
        c->shape[i] = (int64_t)shape[i];
        if (i)
            c->row_elements *= c->shape[i];
    }
    char what[4096];
    snprintf(what, sizeof what, "%s: %s", c->source->path, path);
    return chunks_open(c->dataset, what, c->element_size, c->ndim, c->shape, &c->chunks);
}

typedef struct OpenJob {
    H5Column *c;
    Str path;
    const char *name; // the path, NUL-terminated
} OpenJob;

static Status open_ragged(H5Column *c, const char *group)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/values", group);
    TRY(open_values(c, path));
    snprintf(path, sizeof path, "%s/offsets", group);
    c->offsets = h5_open_dataset(c->source, path);
    if (c->offsets < 0)
        return h5_fail(ST_BAD_DATA, "%s: cannot open %s", c->source->path, path);
    snprintf(path, sizeof path, "%s/shapes", group);
    if (H5Lexists(c->source->file, path, H5P_DEFAULT) > 0) {
        c->shapes = h5_open_dataset(c->source, path);
        if (c->shapes < 0)
            return h5_fail(ST_BAD_DATA, "%s: cannot open %s", c->source->path, path);
    }
    c->row_ndim = c->info.ndim - 1;
    return ST_OK;
}

static Status open_job(void *arg)
{
    OpenJob *j = arg;
    H5Column *c = j->c;
    H5Source *s = c->source;
    H5Dataset d;
    if (!h5_probe(s, j->name, &d)) {
        H5L_info_t link;
        bool external = H5Lget_info(s->file, j->name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_EXTERNAL;
        H5Eclear2(H5E_DEFAULT);
        return refuse(s, j->path,
                      external ? ": a link into another file is not followed: name that file instead"
                               : ": there is no such data set");
    }
    char why[200];
    snprintf(why, sizeof why, " cannot be used as input: %s", d.unusable ? d.unusable : "");
    if (d.unusable)
        return refuse(s, j->path, why);
    if (d.shape[0] == 0)
        return refuse(s, j->path, " holds no samples");
    c->info.path = arena_str(&s->arena, j->path);
    TRY(describe_result(c, &d));
    return d.ragged ? open_ragged(c, j->name) : open_values(c, j->name);
}

Status h5_column_open(H5Source *s, Str path, const Transform *transform, H5Column **out)
{
    *out = NULL;
    H5Column *c = calloc(1, sizeof *c);
    char name[4096];
    if (!c)
        return status_no_memory(sizeof *c);
    snprintf(name, sizeof name, "%s" STR_FMT, path.len && path.ptr[0] == '/' ? "" : "/", STR_ARG(path));
    c->source = s;
    c->dataset = c->type = c->offsets = c->shapes = -1;
    c->transform.cast = DT_INVALID;
    Status st = ST_OK;
    if (transform) {
        c->transform = *transform;
        size_t mean = sizeof(double) * (size_t)transform->mean_count,
               std = sizeof(double) * (size_t)transform->std_count;
        c->transform.mean = malloc(mean + 1);
        c->transform.std = malloc(std + 1);
        if (c->transform.mean && c->transform.std) {
            memcpy(c->transform.mean, mean ? (void *)transform->mean : "", mean);
            memcpy(c->transform.std, std ? (void *)transform->std : "", std);
        } else {
            st = status_no_memory(mean + std);
        }
    }
    OpenJob j = {c, path, name};
    if (st == ST_OK)
        st = h5_run(s->thread, open_job, &j);
    if (st != ST_OK) {
        h5_column_close(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

static Status close_job(void *arg)
{
    H5Column *c = arg;
    if (c->type >= 0)
        H5Tclose(c->type);
    hid_t datasets[] = {c->dataset, c->offsets, c->shapes};
    for (int i = 0; i < 3; i++)
        if (datasets[i] >= 0)
            H5Dclose(datasets[i]);
    return ST_OK;
}

void h5_column_close(H5Column *c)
{
    if (!c)
        return;
    h5_run(c->source->thread, close_job, c);
    chunks_close(c->chunks);
    transform_free(&c->transform);
    free(c);
}

const H5ColumnInfo *h5_column_info(const H5Column *c)
{
    return &c->info;
}

Status h5_columns_rows(H5Column *const *columns, int count, int64_t *rows)
{
    *rows = count ? columns[0]->info.rows : 0;
    for (int i = 1; i < count; i++)
        if (columns[i]->info.rows != *rows)
            return status_fail(ST_BAD_DATA,
                               "%s: " STR_FMT " has %lld samples, but " STR_FMT " has %lld: the first dimension "
                               "must be the same",
                               columns[i]->source->path, STR_ARG(columns[0]->info.path), (long long)*rows,
                               STR_ARG(columns[i]->info.path), (long long)columns[i]->info.rows);
    return ST_OK;
}

// ---- memory of a block ----

void h5_block_free(H5Block *b)
{
    free(b->own.data);
    free(b->own.raw);
    free(b->row_offset);
    free(b->row_shape);
    *b = (H5Block){0};
}

static Status reserve(void **p, size_t *capacity, size_t size)
{
    if (*p && *capacity >= size)
        return ST_OK;
    free(*p);
    *capacity = (size + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    *p = size < ((size_t)1 << ROW_BYTES_MAX_SHIFT) ? aligned_alloc(ALIGNMENT, *capacity) : NULL;
    if (!*p) {
        *capacity = 0;
        return status_no_memory(size);
    }
    return ST_OK;
}

static Status reserve_rows(H5Block *b, int64_t count, int row_ndim)
{
    b->row_ndim = row_ndim;
    if (b->row_offset && b->own.rows_capacity >= (size_t)count)
        return ST_OK;
    free(b->row_offset);
    free(b->row_shape);
    b->own.rows_capacity = 0;
    b->row_offset = calloc((size_t)count + 1, sizeof *b->row_offset);
    b->row_shape = calloc((size_t)count * (size_t)row_ndim + 1, sizeof *b->row_shape);
    if (!b->row_offset || !b->row_shape)
        return status_no_memory(((size_t)count + 1) * sizeof *b->row_offset);
    b->own.rows_capacity = (size_t)count;
    return ST_OK;
}

// ---- fetching ----

// Rows [first, first + count) of a data set of `ndim` dimensions, in memory as `type`.
static Status read_rows(hid_t dataset, hid_t type, int ndim, const int64_t *shape, int64_t first, int64_t count,
                        void *out)
{
    hsize_t start[H5_MAX_DIMS] = {(hsize_t)first}, size[H5_MAX_DIMS] = {(hsize_t)count};
    for (int i = 1; i < ndim; i++)
        size[i] = (hsize_t)shape[i];
    hid_t file = H5Dget_space(dataset), memory = H5Screate_simple(ndim, size, NULL);
    bool ok = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
              H5Dread(dataset, type, memory, file, H5P_DEFAULT, out) >= 0;
    H5Sclose(file);
    H5Sclose(memory);
    return ok ? ST_OK : h5_fail(ST_BAD_DATA, "the file is cut short or damaged");
}

static Status fetch_chunks(H5Column *c, Fetch *f, uint64_t *stored_bytes)
{
    int64_t needed = chunks_needed(c->chunks, f->from, f->length);
    if (needed > f->chunk_capacity) {
        Chunk **chunks = realloc(f->chunks, (size_t)needed * sizeof *chunks);
        if (!chunks)
            return status_no_memory((size_t)needed * sizeof *chunks);
        f->chunks = chunks;
        f->chunk_capacity = needed;
    }
    TRY(chunks_fetch(c->chunks, c->dataset, f->from, f->length, f->chunks, stored_bytes));
    f->chunk_count = needed;
    return ST_OK;
}

// Offsets and shapes of ragged rows, checked against each other and against `values`; sets f->from and f->length.
static Status fetch_offsets(H5Column *c, Fetch *f, H5Block *b)
{
    TRY(reserve_rows(b, f->count, c->row_ndim));
    int64_t *at = b->row_offset;
    TRY(read_rows(c->offsets, H5T_NATIVE_INT64, 1, NULL, f->first, f->count + 1, at));
    for (int64_t i = 0; i <= f->count; i++)
        if (at[i] < (i ? at[i - 1] : 0) || at[i] > c->shape[0])
            return status_fail(ST_BAD_DATA, "offset %lld is %lld, but there are %lld values and offsets must not fall",
                               (long long)(f->first + i), (long long)at[i], (long long)c->shape[0]);
    if (c->shapes >= 0) {
        int64_t width[2] = {0, c->row_ndim};
        if (c->row_ndim)
            TRY(read_rows(c->shapes, H5T_NATIVE_INT64, 2, width, f->first, f->count, b->row_shape));
        for (int64_t i = 0; i < f->count; i++) {
            int64_t elements = 1;
            for (int k = 0; k < c->row_ndim; k++)
                if (b->row_shape[i * c->row_ndim + k] < 0 ||
                    __builtin_mul_overflow(elements, b->row_shape[i * c->row_ndim + k], &elements))
                    elements = -1;
            if (elements != at[i + 1] - at[i])
                return status_fail(ST_BAD_DATA, "the shape of row %lld does not match its %lld values",
                                   (long long)(f->first + i), (long long)(at[i + 1] - at[i]));
        }
    } else {
        for (int64_t i = 0; i < f->count; i++) {
            b->row_shape[i * c->row_ndim] = at[i + 1] - at[i];
            for (int k = 1; k < c->row_ndim; k++)
                b->row_shape[i * c->row_ndim + k] = c->shape[k];
        }
    }
    f->from = at[0];
    f->length = at[f->count] - at[0];
    int64_t start = at[0], row = c->row_elements * (int64_t)dtype_size(c->info.dtype);
    for (int64_t i = 0; i <= f->count; i++)
        at[i] = (at[i] - start) * row; // bytes of the result
    return ST_OK;
}

static Status fetch(H5Column *c, Fetch *f, H5Block *b, uint64_t *stored_bytes)
{
    f->from = f->first;
    f->length = f->count;
    if (f->first < 0 || f->count < 0 || f->first > c->info.rows || f->count > c->info.rows - f->first)
        return status_fail(ST_INTERNAL, "there are only %lld rows", (long long)c->info.rows);
    if (c->info.ragged)
        TRY(fetch_offsets(c, f, b));
    size_t elements, raw;
    if (__builtin_mul_overflow((size_t)f->length, (size_t)c->row_elements, &elements) ||
        __builtin_mul_overflow(elements, c->element_size, &raw) ||
        __builtin_mul_overflow(elements, dtype_size(c->info.dtype), &b->size))
        return status_no_memory(SIZE_MAX);
    b->count = f->count;
    TRY(reserve(&b->own.data, &b->own.data_capacity, b->size));
    b->data = b->own.data;
    f->direct = transform_is_identity(&c->transform, c->element.dtype) && !c->element.swap;
    if (!f->direct)
        TRY(reserve(&b->own.raw, &b->own.raw_capacity, raw));
    if (c->chunks)
        return fetch_chunks(c, f, stored_bytes);
    if (raw == 0)
        return ST_OK;
    *stored_bytes += raw;
    return read_rows(c->dataset, c->type, c->ndim, c->shape, f->from, f->length, f->direct ? b->data : b->own.raw);
}

Status column_fetch(H5Column *c, int64_t first, int64_t count, Fetch *f, H5Block *b, uint64_t *stored_bytes)
{
    f->first = first;
    f->count = count;
    f->chunk_count = 0;
    Status st = fetch(c, f, b, stored_bytes);
    return st == ST_OK ? ST_OK
                       : status_context(st, "%s: " STR_FMT ": rows %lld to %lld", c->source->path,
                                        STR_ARG(c->info.path), (long long)first, (long long)(first + count));
}

// ---- finishing ----

static void swap_bytes(void *data, size_t count, size_t size)
{
    uint8_t *p = data;
    for (size_t i = 0; i < count; i++, p += size)
        for (size_t k = 0; k < size / 2; k++) {
            uint8_t t = p[k];
            p[k] = p[size - 1 - k];
            p[size - 1 - k] = t;
        }
}

void column_drop(H5Column *c, Fetch *f)
{
    if (f->chunk_count)
        chunks_release(c->chunks, f->chunks, f->chunk_count);
    f->chunk_count = 0;
}

void fetch_free(Fetch *f)
{
    free(f->chunks);
    *f = (Fetch){0};
}

Status column_finish(H5Column *c, Fetch *f, H5Block *b)
{
    void *raw = f->direct ? b->data : b->own.raw;
    if (c->chunks) {
        Status st = chunks_copy(c->chunks, f->chunks, f->from, f->length, raw);
        column_drop(c, f);
        TRY(st);
    }
    if (f->direct)
        return ST_OK;
    int64_t elements = f->length * c->row_elements;
    size_t parts = dtype_is_complex(c->element.dtype) ? 2 : 1;
    if (c->element.swap)
        swap_bytes(raw, (size_t)elements * parts, c->element_size / parts);
    if (c->info.ragged) // element by element
        transform_apply(&c->transform, c->element.dtype, 1, &elements, elements, raw, b->data);
    else
        transform_apply(&c->transform, c->element.dtype, c->ndim, c->shape, f->length, raw, b->data);
    return ST_OK;
}

typedef struct ReadJob {
    H5Column *c;
    int64_t first, count;
    Fetch fetch;
    H5Block *block;
} ReadJob;

static Status read_job(void *arg)
{
    ReadJob *j = arg;
    uint64_t stored = 0;
    return column_fetch(j->c, j->first, j->count, &j->fetch, j->block, &stored);
}

Status h5_column_read(H5Column *c, int64_t first, int64_t count, H5Block *out)
{
    ReadJob j = {.c = c, .first = first, .count = count, .block = out};
    Status st = h5_run(c->source->thread, read_job, &j);
    if (st == ST_OK)
        st = column_finish(c, &j.fetch, out);
    fetch_free(&j.fetch);
    return st;
}
