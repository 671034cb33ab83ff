// Writes an output file anew, with ragged results and texts in the order of the samples, and renames it over the old
// one, so that a kill leaves one or the other, whole. Rows are walked twice: to measure, then to write.
#include "io/h5_sink_internal.h"
#include "io/half.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A result that does not fit one block, as it will be in the new file.
typedef struct Ragged {
    bool used;
    int row_ndim; // -1: no row seen yet
    bool flat;    // more than the first dimension varies: values are flat and there are shapes
    bool has_tail;
    int64_t tail[H5_MAX_DIMS]; // sizes behind the first dimension
    int64_t length;            // sum of first dimensions
    int64_t elements;          // of all rows
    RowExtent values, offsets, shapes;
} Ragged;

typedef struct Rebuild {
    H5Sink *s;
    const JournalEntry *entries;
    size_t entry_count;
    Ragged *ragged; // [column_count]
    LayoutFile f;
    RowExtent *extents; // [column_count] of the columns that stay as they are
    RowExtent map, error_batch, error_row, error_message;
    ErrorEntry *errors;
    int64_t error_count;
} Rebuild;

// ---- walking rows of one column in the order of samples ----

typedef struct RowView {
    int ndim;
    int64_t shape[H5_MAX_DIMS];
    const uint8_t *data; // NULL while only shapes are wanted
    uint64_t bytes;
} RowView;

typedef Status (*RowVisitor)(void *ctx, int64_t row, const RowView *v);

static bool is_in_place(const Rebuild *r, int column, int64_t batch)
{
    return r->s->extents[column].in_place && !journal_find(r->entries, r->entry_count, column, batch);
}

// Rows of a fixed shape, from the data set of the old file.
static Status visit_fixed(Rebuild *r, int column, int64_t batch, bool with_data, RowVisitor visit, void *ctx)
{
    H5Sink *s = r->s;
    const SinkColumn *c = &s->columns[column];
    const RowExtent *e = &s->extents[column];
    RowView v = {.ndim = c->ndim, .bytes = e->row_bytes};
    memcpy(v.shape, c->shape, sizeof v.shape);
    int64_t first = batch * s->batch_size, count = sink_batch_rows(s, batch);
    uint8_t *rows = with_data ? malloc((size_t)count * e->row_bytes + 1) : NULL;
    if (with_data && !rows)
        return status_no_memory((size_t)count * e->row_bytes);
    Status st = with_data
                    ? sink_read_at(s, rows, (uint64_t)count * e->row_bytes, e->offset + (uint64_t)first * e->row_bytes)
                    : ST_OK;
    for (int64_t i = 0; i < count && st == ST_OK; i++) {
        v.data = rows ? rows + (uint64_t)i * e->row_bytes : NULL;
        st = visit(ctx, first + i, &v);
    }
    free(rows);
    return st;
}

// bfloat16 rows of the journal become float32, as the file has them. Takes and gives malloc'ed memory.
static float *widen(const uint8_t *data, uint64_t bytes)
{
    float *wide = malloc(bytes * 2 + 1);
    for (uint64_t i = 0; wide && i < bytes / 2; i++) {
        uint16_t h;
        memcpy(&h, data + 2 * i, 2);
        wide[i] = bf16_to_float(h);
    }
    return wide;
}

static Status visit_journal(Rebuild *r, int column, const JournalEntry *e, bool with_data, RowVisitor visit, void *ctx)
{
    H5Sink *s = r->s;
    const SinkColumn *c = &s->columns[column];
    uint8_t *body;
    TRY(journal_read(s->journal, e, &body));
    JournalCursor cursor = journal_rows(e, body, c->kind == SINK_TEXT ? 1 : dtype_size(c->dtype));
    int64_t first = e->batch * s->batch_size, row = 0;
    RowView v;
    const uint8_t *shape, *data;
    Status st = ST_OK;
    while (st == ST_OK && journal_next_row(&cursor, &v.ndim, &shape, &data, &v.bytes)) {
        if (v.ndim >= H5_MAX_DIMS)
            break;
        memcpy(v.shape, shape, 8 * (size_t)v.ndim);
        float *wide = NULL;
        v.data = with_data ? data : NULL;
        if (c->kind != SINK_TEXT && c->dtype == DT_BF16 && with_data) {
            v.data = (const uint8_t *)(wide = widen(data, v.bytes));
            v.bytes *= 2;
            st = wide ? ST_OK : status_no_memory(v.bytes);
        }
        if (st == ST_OK)
            st = visit(ctx, first + row++, &v);
        free(wide);
    }
    free(body);
    if (st == ST_OK && row != sink_batch_rows(s, e->batch))
        st = status_fail(ST_BAD_DATA, "%s: the record of batch %lld is damaged", s->journal_path, (long long)e->batch);
    return st;
}

// Of a batch that failed what was recorded or filled is taken; with neither, its rows are empty and not visited.
static Status visit_rows(Rebuild *r, int column, bool with_data, RowVisitor visit, void *ctx)
{
    H5Sink *s = r->s;
    for (int64_t b = 0; b < s->batches; b++) {
        const JournalEntry *e = journal_find(r->entries, r->entry_count, column, b);
        if (e)
            TRY(visit_journal(r, column, e, with_data, visit, ctx));
        else if (s->extents[column].in_place)
            TRY(visit_fixed(r, column, b, with_data, visit, ctx));
        else if (s->map[b] == BATCH_DONE)
            return status_fail(ST_INTERNAL, "%s: batch %lld has no record of %s", s->journal_path, (long long)b,
                               s->columns[column].path);
    }
    return ST_OK;
}

// ---- measuring ----

typedef struct Measure {
    Rebuild *r;
    Ragged *g;
    const char *path;
} Measure;

static Status measure_row(void *ctx, int64_t row, const RowView *v)
{
    Measure *m = ctx;
    Ragged *g = m->g;
    if (g->row_ndim < 0)
        g->row_ndim = v->ndim;
    if (v->ndim != g->row_ndim || v->ndim == 0)
        return status_fail(ST_UNSUPPORTED,
                           "%s: %s: row %lld has %d dimensions, others have %d: such results cannot be one data set",
                           m->r->s->path, m->path, (long long)row, v->ndim, g->row_ndim);
    size_t tail = 8 * (size_t)(v->ndim - 1);
    static const int64_t nothing[H5_MAX_DIMS];
    if (memcmp(v->shape, nothing, 8 + tail) != 0) { // a row that has no result fits any shape
        g->flat |= g->has_tail && memcmp(g->tail, v->shape + 1, tail) != 0;
        memcpy(g->tail, v->shape + 1, tail);
        g->has_tail = true;
    }
    int64_t elements = 1;
    bool too_many = false;
    for (int k = 0; k < v->ndim; k++)
        too_many |= __builtin_mul_overflow(elements, v->shape[k], &elements);
    too_many |= __builtin_add_overflow(g->length, v->shape[0], &g->length);
    too_many |= __builtin_add_overflow(g->elements, elements, &g->elements);
    return too_many ? status_fail(ST_IO, "%s: %s: too many elements for a file", m->r->s->path, m->path) : ST_OK;
}

static Status measure(Rebuild *r)
{
    H5Sink *s = r->s;
    for (int i = 0; i < s->column_count; i++) {
        Ragged *g = &r->ragged[i];
        const SinkColumn *c = &s->columns[i];
        if (c->kind == SINK_TEXT)
            continue;
        g->used = c->kind == SINK_RAGGED;
        for (int64_t b = 0; b < s->batches && !g->used; b++)
            g->used = !is_in_place(r, i, b);
        g->row_ndim = -1;
        Measure m = {r, g, c->path};
        if (g->used)
            TRY(visit_rows(r, i, false, measure_row, &m));
        if (g->row_ndim < 0)
            g->row_ndim = 1;
    }
    return ST_OK;
}

// ---- laying out the new file ----

static Status add_ragged(Rebuild *r, int column)
{
    H5Sink *s = r->s;
    const SinkColumn *c = &s->columns[column];
    Ragged *g = &r->ragged[column];
    LayoutItem values = {
        .dtype = c->dtype, .ndim = g->flat ? 1 : g->row_ndim, .shape = {g->flat ? g->elements : g->length}};
    for (int k = 1; k < g->row_ndim && !g->flat; k++)
        values.shape[k] = g->tail[k - 1];
    snprintf(values.path, sizeof values.path, "%s/values", c->path);
    TRY(layout_add(&r->f, &values));
    g->values = values.extent;
    LayoutItem offsets = {.dtype = DT_I64, .ndim = 1, .shape = {s->rows + 1}};
    snprintf(offsets.path, sizeof offsets.path, "%s/offsets", c->path);
    TRY(layout_add(&r->f, &offsets));
    g->offsets = offsets.extent;
    if (!g->flat)
        return ST_OK;
    LayoutItem shapes = {.dtype = DT_I64, .ndim = 2, .shape = {s->rows, g->row_ndim}};
    snprintf(shapes.path, sizeof shapes.path, "%s/shapes", c->path);
    TRY(layout_add(&r->f, &shapes));
    g->shapes = shapes.extent;
    return ST_OK;
}

static Status add_fixed(Rebuild *r, int column)
{
    const SinkColumn *c = &r->s->columns[column];
    LayoutItem item = {.dtype = c->dtype, .ndim = c->ndim + 1, .shape = {r->s->rows}};
    snprintf(item.path, sizeof item.path, "%s", c->path);
    for (int k = 0; k < c->ndim; k++)
        item.shape[k + 1] = c->shape[k];
    TRY(layout_add(&r->f, &item));
    r->extents[column] = item.extent;
    return ST_OK;
}

static Status add_errors(Rebuild *r)
{
    static const char *const names[] = {SINK_ERRORS_BATCH, SINK_ERRORS_ROW, SINK_ERRORS_MESSAGE};
    RowExtent *extents[] = {&r->error_batch, &r->error_row, &r->error_message};
    for (int i = 0; i < 3; i++) {
        LayoutItem item = {.dtype = DT_I64, .ndim = 1, .shape = {r->error_count}, .text_size = i == 2 ? ERROR_TEXT : 0};
        snprintf(item.path, sizeof item.path, "%s", names[i]);
        TRY(layout_add(&r->f, &item));
        *extents[i] = item.extent;
    }
    return ST_OK;
}

// ---- texts ----

typedef struct TextWrite {
    Rebuild *r;
    hid_t dataset, type;
    const char *path;
} TextWrite;

static Status write_text(void *ctx, int64_t row, const RowView *v)
{
    TextWrite *t = ctx;
    char *text = malloc(v->bytes + 1);
    if (!text)
        return status_no_memory(v->bytes);
    if (v->bytes)
        memcpy(text, v->data, v->bytes);
    text[v->bytes] = '\0';
    hsize_t start = (hsize_t)row, one = 1;
    hid_t file = H5Dget_space(t->dataset), memory = H5Screate_simple(1, &one, NULL);
    bool ok = H5Sselect_hyperslab(file, H5S_SELECT_SET, &start, NULL, &one, NULL) >= 0 &&
              H5Dwrite(t->dataset, t->type, memory, file, H5P_DEFAULT, &text) >= 0;
    H5Sclose(file);
    H5Sclose(memory);
    free(text);
    return ok ? ST_OK : h5_fail(ST_IO, "%s: %s: cannot write texts", t->r->s->path, t->path);
}

static Status add_texts(Rebuild *r, int column)
{
    const SinkColumn *c = &r->s->columns[column];
    LayoutItem item = {.text = true, .ndim = 1, .shape = {r->s->rows}};
    snprintf(item.path, sizeof item.path, "%s", c->path);
    TRY(layout_add(&r->f, &item));
    TextWrite t = {.r = r, .path = c->path, .dataset = H5Dopen2(r->f.file, item.path, H5P_DEFAULT)};
    if (t.dataset < 0)
        return h5_fail(ST_IO, "%s: %s: cannot write texts", r->s->path, c->path);
    t.type = H5Dget_type(t.dataset);
    Status st = visit_rows(r, column, true, write_text, &t);
    H5Tclose(t.type);
    H5Dclose(t.dataset);
    return st;
}

// ---- attributes ----

static herr_t copy_attr(hid_t from, const char *name, const H5A_info_t *info, void *ctx)
{
    (void)info;
    hid_t to = *(hid_t *)ctx;
    hid_t old = H5Aopen(from, name, H5P_DEFAULT), type = H5Aget_type(old), space = H5Aget_space(old);
    size_t size = H5Tget_size(type) * (size_t)H5Sget_simple_extent_npoints(space);
    void *value = calloc(1, size + 1);
    hid_t new = H5Acreate2(to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = value && new >= 0 && H5Aread(old, type, value) >= 0 && H5Awrite(new, type, value) >= 0;
    if (ok && H5Tis_variable_str(type) > 0)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, value);
    free(value);
    if (new >= 0)
        H5Aclose(new);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(old);
    return ok ? 0 : -1;
}

static Status copy_attrs(Rebuild *r)
{
    hid_t access = h5_access(false);
    hid_t old = H5Fopen(r->s->path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    bool ok = old >= 0 && H5Aiterate2(old, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_attr, &r->f.file) >= 0;
    if (old >= 0)
        H5Fclose(old);
    return ok ? ST_OK : h5_fail(ST_IO, "%s: cannot copy attributes", r->s->path);
}

// ---- values ----

static Status write_at(const Rebuild *r, const void *data, uint64_t size, uint64_t offset)
{
    const char *p = data;
    while (size) {
        ssize_t n = pwrite(r->f.fd, p, size < (1u << 30) ? size : 1u << 30, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return status_fail(ST_IO, "%s: cannot write: %s", r->s->path,
                               n < 0 ? strerror(errno) : "nothing was written");
        p += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return ST_OK;
}

// Values, offsets and shapes go through a stage each: rows may be tiny.
enum { STAGE = 1 << 20 };

typedef struct Stage {
    uint8_t *bytes;
    uint64_t used, offset; // offset: where the next flush goes
} Stage;

static Status stage_flush(const Rebuild *r, Stage *g)
{
    TRY(write_at(r, g->bytes, g->used, g->offset));
    g->offset += g->used;
    g->used = 0;
    return ST_OK;
}

static Status stage_put(const Rebuild *r, Stage *g, const void *data, uint64_t size)
{
    if (size > STAGE - g->used)
        TRY(stage_flush(r, g));
    if (size > STAGE) {
        TRY(write_at(r, data, size, g->offset));
        g->offset += size;
        return ST_OK;
    }
    if (size)
        memcpy(g->bytes + g->used, data, size);
    g->used += size;
    return ST_OK;
}

typedef struct RaggedWrite {
    Rebuild *r;
    Ragged *g;
    int64_t row, offset;
    Stage values, offsets, shapes;
} RaggedWrite;

// Offsets (and shapes) of the rows before `row` that failed: they are empty.
static Status skip_to(RaggedWrite *w, int64_t row)
{
    static const int64_t nothing[H5_MAX_DIMS];
    for (; w->row < row; w->row++) {
        TRY(stage_put(w->r, &w->offsets, &w->offset, 8));
        if (w->g->flat)
            TRY(stage_put(w->r, &w->shapes, nothing, 8 * (uint64_t)w->g->row_ndim));
    }
    return ST_OK;
}

static Status write_row(void *ctx, int64_t row, const RowView *v)
{
    RaggedWrite *w = ctx;
    TRY(skip_to(w, row));
    int64_t elements = 1;
    for (int k = 0; k < v->ndim; k++)
        elements *= v->shape[k];
    w->offset += w->g->flat ? elements : v->shape[0];
    w->row++;
    TRY(stage_put(w->r, &w->values, v->data, v->bytes));
    TRY(stage_put(w->r, &w->offsets, &w->offset, 8));
    return w->g->flat ? stage_put(w->r, &w->shapes, v->shape, 8 * (uint64_t)v->ndim) : ST_OK;
}

static Status write_ragged_through(RaggedWrite *w, int column)
{
    int64_t zero = 0;
    TRY(stage_put(w->r, &w->offsets, &zero, 8));
    TRY(visit_rows(w->r, column, true, write_row, w));
    TRY(skip_to(w, w->r->s->rows));
    TRY(stage_flush(w->r, &w->values));
    TRY(stage_flush(w->r, &w->offsets));
    return w->g->flat ? stage_flush(w->r, &w->shapes) : ST_OK;
}

static Status write_ragged(Rebuild *r, int column)
{
    Ragged *g = &r->ragged[column];
    uint8_t *memory = malloc(3 * (size_t)STAGE);
    if (!memory)
        return status_no_memory(3 * (size_t)STAGE);
    RaggedWrite w = {.r = r,
                     .g = g,
                     .values = {memory, 0, g->values.offset},
                     .offsets = {memory + STAGE, 0, g->offsets.offset},
                     .shapes = {memory + 2 * (size_t)STAGE, 0, g->shapes.offset}};
    Status st = write_ragged_through(&w, column);
    free(memory);
    return st;
}

static Status copy_fixed(const Rebuild *r, int column)
{
    const RowExtent *from = &r->s->extents[column], *to = &r->extents[column];
    uint64_t size = from->row_bytes * (uint64_t)from->rows;
    uint8_t *buffer = malloc(STAGE);
    if (!buffer)
        return status_no_memory(STAGE);
    Status st = ST_OK;
    for (uint64_t at = 0; at < size && st == ST_OK; at += STAGE) {
        uint64_t n = size - at < STAGE ? size - at : STAGE;
        st = sink_read_at(r->s, buffer, n, from->offset + at);
        if (st == ST_OK)
            st = write_at(r, buffer, n, to->offset + at);
    }
    free(buffer);
    return st;
}

static Status write_values(Rebuild *r)
{
    H5Sink *s = r->s;
    for (int i = 0; i < s->column_count; i++) {
        if (s->columns[i].kind == SINK_TEXT)
            continue;
        TRY(r->ragged[i].used ? write_ragged(r, i) : copy_fixed(r, i));
    }
    TRY(write_at(r, s->map, (uint64_t)s->batches, r->map.offset));
    const RowExtent errors[] = {r->error_batch, r->error_row, r->error_message};
    return s->max_errors ? sink_write_errors(r->f.temporary, r->errors, r->error_count, errors) : ST_OK;
}

static Status build(Rebuild *r)
{
    H5Sink *s = r->s;
    TRY(measure(r));
    TRY(layout_begin(s->path, &r->f));
    for (int i = 0; i < s->column_count; i++)
        TRY(s->columns[i].kind == SINK_TEXT ? add_texts(r, i) : r->ragged[i].used ? add_ragged(r, i) : add_fixed(r, i));
    LayoutItem map = {.dtype = DT_U8, .ndim = 1, .shape = {s->batches}};
    snprintf(map.path, sizeof map.path, SINK_MAP);
    TRY(layout_add(&r->f, &map));
    r->map = map.extent;
    if (s->max_errors)
        TRY(add_errors(r));
    TRY(copy_attrs(r));
    TRY(layout_set_complete(r->f.file, true, s->path));
    TRY(sink_write_description(s, &r->f));
    TRY(layout_close(&r->f));
    TRY(write_values(r));
    return layout_publish(&r->f, true);
}

Status sink_rebuild(H5Sink *s, ErrorEntry *errors, int64_t error_count)
{
    Rebuild r = {.s = s, .errors = errors, .error_count = error_count, .f = {.file = -1, .fd = -1}};
    if (s->journal)
        TRY(journal_index(s->journal, &r.entries, &r.entry_count));
    r.ragged = calloc((size_t)s->column_count + 1, sizeof *r.ragged);
    r.extents = calloc((size_t)s->column_count + 1, sizeof *r.extents);
    Status st = r.ragged && r.extents ? build(&r) : status_no_memory((size_t)s->column_count * sizeof *r.ragged);
    layout_end(&r.f);
    free(r.ragged);
    free(r.extents);
    return st;
}
