// Resuming an output file: what it is, whether it belongs to this run, and which of its batches are done.
// Nothing in the file is believed: attributes, shapes and places are checked against each other and against its length.
#include "io/h5_internal.h"
#include "io/h5_sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static Status read_int(H5Source *f, const char *name, int64_t *out)
{
    Buf text = {0};
    Status st = h5_source_attr(f, "/.tsbatch", name, &text);
    if (st == ST_OK)
        *out = strtoll(text.ptr ? text.ptr : "", NULL, 10);
    buf_free(&text);
    return st;
}

static Status damaged(const H5Sink *s, const char *what)
{
    return status_fail(ST_BAD_DATA, "%s: %s: not an unfinished output of tsbatch, or a damaged one", s->path, what);
}

// One line of column_lines.
static Status parse_column(H5Sink *s, char *line)
{
    SinkColumn c = {0};
    char kind[8], dtype[16];
    int used = 0;
    if (sscanf(line, "%7s %15s %d%n", kind, dtype, &c.ndim, &used) != 3 || c.ndim < 0 || c.ndim >= H5_MAX_DIMS)
        return damaged(s, "attribute columns");
    int found = -1;
    for (int k = 0; k < 3; k++)
        if (strcmp(kind, sink_kind_names[k]) == 0)
            found = k;
    char *at = line + used;
    for (int k = 0; found == SINK_ROWS && k < c.ndim; k++) {
        char *end;
        c.shape[k] = strtoll(at, &end, 10);
        if (end == at || c.shape[k] < 0)
            return damaged(s, "attribute columns");
        at = end;
    }
    c.kind = (SinkKind)found;
    c.dtype = c.kind == SINK_TEXT ? DT_U8 : dtype_from_python_name(str_of(dtype));
    if (found < 0 || c.dtype == DT_INVALID || at[0] != ' ' || at[1] != '/')
        return damaged(s, "attribute columns");
    c.path = at + 1;
    return sink_add_column(s, &c);
}

static Status parse_columns(H5Sink *s, char *text)
{
    int count = 0;
    for (const char *p = text; *p; p++)
        count += *p == '\n';
    if (count > H5_SINK_MAX_COLUMNS)
        return damaged(s, "attribute columns");
    TRY(sink_alloc_columns(s, count));
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        TRY(parse_column(s, line));
    }
    return ST_OK;
}

static Status check_attr(H5Source *f, const SinkAttr *want)
{
    Buf have = {0}, expected = {0};
    Status st = h5_source_attr(f, "/", want->name, &have);
    if (want->kind == ATTR_TEXT)
        buf_z(&expected, want->text);
    else if (want->kind == ATTR_FLOAT)
        buf_printf(&expected, "%.17g", want->number);
    else if (want->kind == ATTR_BOOL)
        buf_z(&expected, want->integer ? "true" : "false");
    else
        buf_printf(&expected, "%lld", (long long)want->integer);
    if (st == ST_OK)
        st = buf_status(&expected);
    if (st == ST_OK && !str_eq((Str){have.ptr, have.len}, (Str){expected.ptr, expected.len}))
        st = status_fail(ST_USAGE, "%s: cannot be resumed with another %s: it was made with '%s', not '%s'",
                         h5_source_path(f), want->name, have.ptr ? have.ptr : "", expected.ptr ? expected.ptr : "");
    buf_free(&have);
    buf_free(&expected);
    return st;
}

// The place of a data set that must have `rows` rows of `row_bytes`.
static Status find_extent(H5Sink *s, H5Source *f, const char *path, int64_t rows, RowExtent *e)
{
    hid_t dataset = h5_open_dataset(f, path);
    if (dataset < 0)
        return damaged(s, path);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hsize_t shape[H5S_MAX_RANK] = {0};
    int ndim = H5Sget_simple_extent_dims(space, shape, NULL);
    e->row_bytes = H5Tget_size(type);
    for (int i = 1; i < ndim; i++)
        e->row_bytes *= shape[i];
    e->rows = rows;
    e->in_place = 1;
    H5Tclose(type);
    H5Sclose(space);
    Status st = ndim >= 1 && shape[0] == (hsize_t)rows && H5Dget_storage_size(dataset) == e->row_bytes * (uint64_t)rows
                    ? layout_place(dataset, s->path, &e->offset)
                    : damaged(s, path);
    H5Dclose(dataset);
    return st;
}

static Status find_columns(H5Sink *s, H5Source *f)
{
    for (int i = 0; i < s->column_count; i++) {
        const SinkColumn *c = &s->columns[i];
        s->extents[i] = (RowExtent){.rows = s->rows};
        if (c->kind == SINK_ROWS) {
            uint64_t row = c->dtype == DT_BF16 ? 4 : dtype_size(c->dtype);
            for (int k = 0; k < c->ndim; k++)
                row *= (uint64_t)c->shape[k];
            TRY(find_extent(s, f, c->path, s->rows, &s->extents[i]));
            if (s->extents[i].row_bytes != row)
                return damaged(s, c->path);
        }
        s->extents[i].dtype = c->dtype;
    }
    return ST_OK;
}

typedef struct ResumeJob {
    H5Sink *s;
    H5Source *f;
} ResumeJob;

static Status places_job(void *arg)
{
    ResumeJob *j = arg;
    H5Sink *s = j->s;
    TRY(find_columns(s, j->f));
    TRY(find_extent(s, j->f, SINK_MAP, s->batches, &s->map_extent));
    s->map_extent.dtype = DT_U8;
    if (s->max_errors) {
        TRY(find_extent(s, j->f, SINK_ERRORS_BATCH, s->max_errors, &s->error_batch));
        TRY(find_extent(s, j->f, SINK_ERRORS_ROW, s->max_errors, &s->error_row));
        TRY(find_extent(s, j->f, SINK_ERRORS_MESSAGE, s->max_errors, &s->error_message));
        if (s->error_message.row_bytes != ERROR_TEXT)
            return damaged(s, SINK_ERRORS_MESSAGE);
    }
    return ST_OK;
}

Status sink_read_at(const H5Sink *s, void *out, uint64_t size, uint64_t offset)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return status_fail(ST_IO, "%s: %s", s->path, strerror(errno));
    char *p = out;
    ssize_t n = 1;
    while (size && (n = pread(fd, p, size, (off_t)offset)) > 0) {
        p += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    close(fd);
    return size ? status_fail(ST_BAD_DATA, "%s: the file is cut short", s->path) : ST_OK;
}

// A batch counts as done only if the journal has all of its results that have no place.
static Status check_journal(H5Sink *s)
{
    bool needed = false;
    for (int i = 0; i < s->column_count; i++)
        needed |= !s->extents[i].in_place;
    const JournalEntry *entries = NULL;
    size_t count = 0;
    if (access(s->journal_path, F_OK) == 0) {
        TRY(journal_open(s->journal_path, s->run, &s->journal));
        TRY(journal_index(s->journal, &entries, &count));
    }
    for (int64_t b = 0; b < s->batches && needed; b++)
        for (int i = 0; i < s->column_count && s->map[b] == BATCH_DONE; i++) {
            const JournalEntry *e = s->extents[i].in_place ? NULL : journal_find(entries, count, i, b);
            if (!s->extents[i].in_place && (!e || e->rows != sink_batch_rows(s, b)))
                s->map[b] = BATCH_MISSING;
        }
    return ST_OK;
}

static Status read_errors(H5Sink *s)
{
    if (!s->max_errors)
        return ST_OK;
    TRY(sink_read_at(s, s->error_slots, (uint64_t)s->max_errors * sizeof *s->error_slots, s->error_batch.offset));
    for (int64_t i = 0; i < s->max_errors; i++) {
        int64_t b = s->error_slots[i];
        if (b < 0 || b >= s->batches || s->map[b] != BATCH_FAILED)
            s->error_slots[i] = -1; // the batch will be tried again
        else
            s->error_count++;
    }
    return ST_OK;
}

static Status read_description(H5Sink *s, H5Source *f)
{
    int64_t format = 0, run = 0;
    if (read_int(f, "format", &format) != ST_OK)
        return damaged(s, "attributes of /.tsbatch");
    if (format != SINK_FORMAT)
        return status_fail(ST_BAD_DATA, "%s: made by another version of tsbatch (format %lld, not %d)", s->path,
                           (long long)format, SINK_FORMAT);
    TRY(read_int(f, "rows", &s->rows));
    TRY(read_int(f, "batch_size", &s->batch_size));
    TRY(read_int(f, "max_errors", &s->max_errors));
    TRY(read_int(f, "run", &run));
    s->run = (uint64_t)run;
    if (s->rows < 0 || s->batch_size < 1 || s->max_errors < 0 || s->max_errors > SINK_ERROR_ROOM)
        return damaged(s, "attributes of /.tsbatch");
    Buf lines = {0};
    Status st = h5_source_attr(f, "/.tsbatch", "columns", &lines);
    if (st == ST_OK)
        st = parse_columns(s, lines.ptr ? lines.ptr : (char[]){""});
    buf_free(&lines);
    TRY(st);
    return ST_OK;
}

static Status resume_from(H5Sink *s, H5Source *f, const SinkAttr *attrs, int attr_count)
{
    TRY(read_description(s, f));
    for (int i = 0; i < attr_count; i++)
        if (attrs[i].must_match)
            TRY(check_attr(f, &attrs[i]));
    Buf complete = {0};
    Status st = h5_source_attr(f, "/", "complete", &complete);
    s->complete = complete.ptr && strcmp(complete.ptr, "true") == 0;
    buf_free(&complete);
    TRY(st);
    if (s->complete) {
        TRY(sink_alloc_batches(s));
        memset(s->map, BATCH_DONE, (size_t)s->batches);
        journal_remove(s->journal_path); // the run was killed just before it did so
        return ST_OK;
    }
    TRY(sink_alloc_batches(s));
    ResumeJob j = {s, f};
    TRY(h5_run(s->thread, places_job, &j));
    TRY(sink_read_at(s, s->map, (uint64_t)s->batches, s->map_extent.offset));
    for (int64_t i = 0; i < s->batches; i++)
        if (s->map[i] > BATCH_FAILED)
            s->map[i] = BATCH_MISSING;
    TRY(check_journal(s));
    return read_errors(s);
}

Status h5_sink_resume(H5Thread *t, const char *path, const SinkAttr *attrs, int attr_count, H5Sink **out)
{
    *out = NULL;
    H5Sink *s;
    H5Source *f;
    TRY(h5_source_open(t, path, &f));
    Status st = sink_new(t, path, &s);
    if (st == ST_OK) {
        st = resume_from(s, f, attrs, attr_count);
        if (st == ST_OK)
            *out = s;
        else
            h5_sink_close(s);
    }
    h5_source_close(f);
    return st;
}
