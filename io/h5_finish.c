// Finishing the output file.
// Without ragged results and texts: trim /errors and set `complete` in place. With them a new file is written
// (h5_rebuild.c).
#include "io/h5_sink_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// ---- errors ----

static int by_row(const void *a, const void *b)
{
    const ErrorEntry *x = a, *y = b;
    if (x->batch != y->batch)
        return x->batch < y->batch ? -1 : 1;
    return x->first_row < y->first_row ? -1 : x->first_row > y->first_row;
}

static Status read_errors(H5Sink *s, int64_t *rows, char *messages, ErrorEntry *out, int64_t *count)
{
    TRY(sink_read_at(s, rows, 8 * (uint64_t)s->max_errors, s->error_row.offset));
    TRY(sink_read_at(s, messages, ERROR_TEXT * (uint64_t)s->max_errors, s->error_message.offset));
    for (int64_t i = 0; i < s->max_errors; i++) {
        if (s->error_slots[i] < 0)
            continue;
        ErrorEntry *e = &out[(*count)++];
        *e = (ErrorEntry){.batch = s->error_slots[i], .first_row = rows[i]};
        memcpy(e->message, messages + ERROR_TEXT * i, ERROR_TEXT);
    }
    return ST_OK;
}

// The entries in use, in order of rows: the same whatever the order in which they happened. A batch that two processes
// tried has its errors twice; one of each is kept.
static Status load_errors(H5Sink *s, ErrorEntry **out, int64_t *count)
{
    *count = 0;
    size_t room = (size_t)s->max_errors + 1;
    *out = calloc(room, sizeof **out);
    int64_t *rows = calloc(room, sizeof *rows);
    char *messages = calloc(room, ERROR_TEXT);
    Status st = *out && rows && messages ? ST_OK : status_no_memory(room * sizeof **out);
    if (st == ST_OK && s->max_errors)
        st = read_errors(s, rows, messages, *out, count);
    free(rows);
    free(messages);
    TRY(st);
    ErrorEntry *e = *out;
    int64_t all = *count, kept = 0;
    qsort(e, (size_t)all, sizeof *e, by_row);
    for (int64_t i = 0; i < all; i++)
        if (kept == 0 || by_row(&e[kept - 1], &e[i]) != 0)
            e[kept++] = e[i];
    *count = kept;
    return ST_OK;
}

Status sink_write_errors(const char *path, const ErrorEntry *errors, int64_t count, const RowExtent extents[3])
{
    RowWriter *w;
    TRY(row_writer_open(path, extents, 3, (RowExtent){0}, &w));
    Status st = ST_OK;
    for (int64_t i = 0; i < count && st == ST_OK; i++) {
        st = row_writer_write(w, 0, i, 1, &errors[i].batch);
        if (st == ST_OK)
            st = row_writer_write(w, 1, i, 1, &errors[i].first_row);
        if (st == ST_OK)
            st = row_writer_write(w, 2, i, 1, errors[i].message);
    }
    Status closed = row_writer_close(w);
    return st == ST_OK ? closed : st;
}

// ---- in place ----

static Status cut(hid_t file, const char *name, int64_t rows, const char *path)
{
    hsize_t size = (hsize_t)rows;
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    Status st =
        dataset >= 0 && H5Dset_extent(dataset, &size) >= 0 ? ST_OK : h5_fail(ST_IO, "%s: cannot cut %s", path, name);
    if (dataset >= 0)
        H5Dclose(dataset);
    return st;
}

static Status finish_in_place(H5Sink *s, const ErrorEntry *errors, int64_t count)
{
    if (s->max_errors) {
        const RowExtent extents[] = {s->error_batch, s->error_row, s->error_message};
        TRY(sink_write_errors(s->path, errors, count, extents));
    }
    hid_t access = h5_access(false);
    hid_t file = H5Fopen(s->path, H5F_ACC_RDWR, access);
    H5Pclose(access);
    if (file < 0)
        return h5_fail(ST_IO, "%s: cannot be opened to be finished", s->path);
    Status st = ST_OK;
    if (s->max_errors) {
        st = cut(file, SINK_ERRORS_BATCH, count, s->path);
        if (st == ST_OK)
            st = cut(file, SINK_ERRORS_ROW, count, s->path);
        if (st == ST_OK)
            st = cut(file, SINK_ERRORS_MESSAGE, count, s->path);
        if (st == ST_OK && H5Fflush(file, H5F_SCOPE_LOCAL) < 0)
            st = h5_fail(ST_IO, "%s: cannot be written", s->path);
    }
    if (st == ST_OK)
        st = layout_set_complete(file, true, s->path);
    if (H5Fclose(file) < 0 && st == ST_OK)
        st = h5_fail(ST_IO, "%s: cannot be written", s->path);
    return st;
}

// ---- both ----

static bool has_place_for_all(const H5Sink *s)
{
    for (int i = 0; i < s->column_count; i++)
        if (!s->extents[i].in_place)
            return false;
    return s->journal == NULL;
}

static Status finish_job(void *arg)
{
    H5Sink *s = arg;
    TRY(sink_read_at(s, s->map, (uint64_t)s->batches, s->map_extent.offset));
    for (int64_t i = 0; i < s->batches; i++)
        if (s->map[i] != BATCH_DONE && s->map[i] != BATCH_FAILED)
            return status_fail(ST_INTERNAL, "%s: batch %lld was not written", s->path, (long long)i);
    ErrorEntry *errors = NULL;
    int64_t count = 0;
    Status st = load_errors(s, &errors, &count);
    if (st == ST_OK)
        st = has_place_for_all(s) ? finish_in_place(s, errors, count) : sink_rebuild(s, errors, count);
    free(errors);
    return st;
}

Status h5_sink_finish(H5Sink *s)
{
    if (s->complete)
        return ST_OK;
    TRY(h5_run(s->thread, finish_job, s));
    s->complete = true;
    journal_close(s->journal);
    s->journal = NULL;
    journal_remove(s->journal_path);
    return ST_OK;
}
