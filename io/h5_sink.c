// HDF5 output: creating and resuming the file, journal records and error records.
// Once created, the file is written only through RowExtents; HDF5 opens it again when it is finished (h5_finish.c).
#include "io/h5_sink_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const sink_kind_names[] = {"rows", "ragged", "text"};

// ---- checks before any work ----

Status h5_sink_check(const char *path, bool overwrite, bool resume)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return status_fail(ST_IO, "%s: a directory where the output file should be", path);
    if (resume)
        return exists ? ST_OK : status_fail(ST_IO, "%s: there is nothing to resume: %s", path, strerror(errno));
    if (exists && !overwrite)
        return status_fail(ST_IO, "%s: the output exists: use --overwrite to replace it or --resume to go on with it",
                           path);
    size_t len = strlen(path);
    char *probe = malloc(len + 5);
    if (!probe)
        return status_no_memory(len);
    memcpy(probe, path, len);
    memcpy(probe + len, ".tmp", 5);
    int fd = open(probe, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    Status st = fd >= 0 ? ST_OK
                        : status_fail(ST_IO, "%s: the output cannot be created: %s%s", path, strerror(errno),
                                      errno == ENOENT ? " (does its directory exist?)" : "");
    if (fd >= 0) {
        close(fd);
        unlink(probe);
    }
    free(probe);
    return st;
}

// ---- common ----

static char *copy_text(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    char *p = malloc(la + lb + 1);
    if (p) {
        memcpy(p, a, la);
        memcpy(p + la, b, lb + 1);
    }
    return p;
}

Status sink_new(H5Thread *t, const char *path, H5Sink **out)
{
    H5Sink *s = calloc(1, sizeof *s);
    if (s) {
        s->thread = t;
        s->path = copy_text(path, "");
        s->journal_path = copy_text(path, ".part");
    }
    if (!s || !s->path || !s->journal_path) {
        h5_sink_close(s);
        return status_no_memory(sizeof *s);
    }
    *out = s;
    return ST_OK;
}

void h5_sink_close(H5Sink *s)
{
    if (!s)
        return;
    journal_close(s->journal);
    for (int i = 0; i < s->column_count; i++)
        free((char *)s->columns[i].path);
    free(s->columns);
    free(s->extents);
    free(s->map);
    free(s->error_slots);
    row_writer_close(s->error_writer);
    free(s->journal_path);
    free(s->path);
    free(s);
}

Status sink_alloc_columns(H5Sink *s, int count)
{
    s->columns = calloc((size_t)count + 1, sizeof *s->columns);
    s->extents = calloc((size_t)count + 1, sizeof *s->extents);
    return s->columns && s->extents ? ST_OK : status_no_memory((size_t)count * sizeof *s->columns);
}

Status sink_add_column(H5Sink *s, const SinkColumn *c)
{
    SinkColumn *mine = &s->columns[s->column_count];
    *mine = *c;
    mine->path = copy_text(c->path, "");
    if (!mine->path)
        return status_no_memory(strlen(c->path));
    s->column_count++;
    return ST_OK;
}

// Batches, the map, and error slots, once rows, batch_size and max_errors are known.
Status sink_alloc_batches(H5Sink *s)
{
    s->batches = s->rows / s->batch_size + (s->rows % s->batch_size != 0);
    s->map = calloc((size_t)s->batches + 1, 1);
    s->error_slots = malloc(((size_t)s->max_errors + 1) * sizeof *s->error_slots);
    if (!s->map || !s->error_slots)
        return status_no_memory((size_t)s->batches);
    for (int64_t i = 0; i < s->max_errors; i++)
        s->error_slots[i] = -1;
    return ST_OK;
}

// ---- creating ----

// One line per column: "rows float32 2 10 5 /output".
static Status column_lines(const H5Sink *s, Buf *out)
{
    for (int i = 0; i < s->column_count; i++) {
        const SinkColumn *c = &s->columns[i];
        buf_printf(out, "%s %s %d", sink_kind_names[c->kind],
                   c->kind == SINK_TEXT ? "str" : dtype_python_name(c->dtype), c->kind == SINK_TEXT ? 0 : c->ndim);
        for (int k = 0; c->kind == SINK_ROWS && k < c->ndim; k++)
            buf_printf(out, " %lld", (long long)c->shape[k]);
        buf_printf(out, " %s\n", c->path);
    }
    return buf_status(out);
}

Status sink_write_description(const H5Sink *s, LayoutFile *f)
{
    hid_t group = H5Gopen2(f->file, "/.tsbatch", H5P_DEFAULT);
    if (group < 0)
        return h5_fail(ST_IO, "%s: cannot write attributes", f->path);
    Buf lines = {0};
    Status st = column_lines(s, &lines);
    const SinkAttr own[] = {
        {.name = "format", .kind = ATTR_INT, .integer = SINK_FORMAT},
        {.name = "rows", .kind = ATTR_INT, .integer = s->rows},
        {.name = "batch_size", .kind = ATTR_INT, .integer = s->batch_size},
        {.name = "max_errors", .kind = ATTR_INT, .integer = s->max_errors},
        {.name = "run", .kind = ATTR_INT, .integer = (int64_t)s->run},
        {.name = "columns", .kind = ATTR_TEXT, .text = lines.ptr ? lines.ptr : ""},
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0] && st == ST_OK; i++)
        st = layout_attr(group, &own[i], f->path);
    buf_free(&lines);
    H5Gclose(group);
    return st;
}

static Status lay_out_errors(H5Sink *s, LayoutFile *f)
{
    LayoutItem item = {.dtype = DT_I64, .trimmable = true, .fill = -1, .ndim = 1, .shape = {s->max_errors}};
    snprintf(item.path, sizeof item.path, "%s", SINK_ERRORS_BATCH);
    TRY(layout_add(f, &item));
    s->error_batch = item.extent;
    item.fill = 0;
    snprintf(item.path, sizeof item.path, "%s", SINK_ERRORS_ROW);
    TRY(layout_add(f, &item));
    s->error_row = item.extent;
    item.text_size = ERROR_TEXT;
    snprintf(item.path, sizeof item.path, "%s", SINK_ERRORS_MESSAGE);
    TRY(layout_add(f, &item));
    s->error_message = item.extent;
    return ST_OK;
}

static Status lay_out(H5Sink *s, LayoutFile *f)
{
    for (int i = 0; i < s->column_count; i++) {
        const SinkColumn *c = &s->columns[i];
        if (c->kind != SINK_ROWS) {
            s->extents[i] = (RowExtent){.rows = s->rows, .dtype = c->dtype};
            continue;
        }
        LayoutItem item = {.dtype = c->dtype, .ndim = c->ndim + 1, .shape = {s->rows}};
        snprintf(item.path, sizeof item.path, "%s", c->path);
        for (int k = 0; k < c->ndim; k++)
            item.shape[k + 1] = c->shape[k];
        TRY(layout_add(f, &item));
        s->extents[i] = item.extent;
    }
    LayoutItem map = {.dtype = DT_U8, .ndim = 1, .shape = {s->batches}};
    snprintf(map.path, sizeof map.path, "%s", SINK_MAP);
    TRY(layout_add(f, &map));
    s->map_extent = map.extent;
    return s->max_errors ? lay_out_errors(s, f) : ST_OK;
}

static Status write_root_attrs(LayoutFile *f, const SinkPlan *plan)
{
    for (int i = 0; i < plan->attr_count; i++)
        TRY(layout_attr(f->file, &plan->attrs[i], f->path));
    SinkAttr complete = {.name = "complete", .kind = ATTR_BOOL, .integer = false};
    return layout_attr(f->file, &complete, f->path);
}

typedef struct CreateJob {
    H5Sink *s;
    const SinkPlan *plan;
} CreateJob;

static Status create_job(void *arg)
{
    CreateJob *j = arg;
    LayoutFile f;
    Status st = layout_begin(j->plan->path, &f);
    if (st == ST_OK)
        st = lay_out(j->s, &f);
    if (st == ST_OK)
        st = write_root_attrs(&f, j->plan);
    if (st == ST_OK)
        st = sink_write_description(j->s, &f);
    if (st == ST_OK)
        st = layout_close(&f);
    if (st == ST_OK) {
        journal_remove(j->s->journal_path); // of an earlier file of this name
        st = layout_publish(&f, j->plan->overwrite);
    }
    layout_end(&f);
    return st;
}

static Status check_plan(const SinkPlan *p)
{
    if (p->rows < 0 || p->batch_size < 1 || p->max_errors < 0)
        return status_fail(ST_INTERNAL, "%s: %lld rows in batches of %lld, at most %lld errors", p->path,
                           (long long)p->rows, (long long)p->batch_size, (long long)p->max_errors);
    if (p->column_count > H5_SINK_MAX_COLUMNS)
        return status_fail(ST_UNSUPPORTED, "%s: too many results: %d (limit %d)", p->path, p->column_count,
                           H5_SINK_MAX_COLUMNS);
    for (int i = 0; i < p->column_count; i++) {
        const SinkColumn *c = &p->columns[i];
        if (c->path[0] != '/' || strlen(c->path) > 1000 || strchr(c->path, '\n'))
            return status_fail(ST_UNSUPPORTED, "%s: a result cannot be called '%s'", p->path, c->path);
        if (c->ndim < 0 || c->ndim >= H5_MAX_DIMS)
            return status_fail(ST_UNSUPPORTED, "%s: %s: too many dimensions (limit %d)", p->path, c->path,
                               H5_MAX_DIMS - 1);
    }
    return ST_OK;
}

Status h5_sink_create(H5Thread *t, const SinkPlan *plan, H5Sink **out)
{
    *out = NULL;
    TRY(check_plan(plan));
    H5Sink *s;
    TRY(sink_new(t, plan->path, &s));
    s->rows = plan->rows;
    s->batch_size = plan->batch_size;
    s->max_errors = plan->max_errors < SINK_ERROR_ROOM ? plan->max_errors : SINK_ERROR_ROOM;
    if (getrandom(&s->run, sizeof s->run, 0) != sizeof s->run)
        s->run = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    Status st = sink_alloc_columns(s, plan->column_count);
    for (int i = 0; i < plan->column_count && st == ST_OK; i++)
        st = sink_add_column(s, &plan->columns[i]);
    if (st == ST_OK)
        st = sink_alloc_batches(s);
    CreateJob j = {s, plan};
    if (st == ST_OK)
        st = h5_run(t, create_job, &j);
    if (st == ST_OK)
        *out = s;
    else
        h5_sink_close(s);
    return st;
}

// ---- what it holds ----

const char *h5_sink_path(const H5Sink *s)
{
    return s->path;
}
bool h5_sink_complete(const H5Sink *s)
{
    return s->complete;
}
int64_t h5_sink_rows(const H5Sink *s)
{
    return s->rows;
}
int64_t h5_sink_batch_size(const H5Sink *s)
{
    return s->batch_size;
}
int64_t h5_sink_batches(const H5Sink *s)
{
    return s->batches;
}
int h5_sink_column_count(const H5Sink *s)
{
    return s->column_count;
}
const SinkColumn *h5_sink_column(const H5Sink *s, int i)
{
    return &s->columns[i];
}
const uint8_t *h5_sink_map(const H5Sink *s)
{
    return s->map;
}
const RowExtent *h5_sink_extents(const H5Sink *s)
{
    return s->extents;
}
RowExtent h5_sink_map_extent(const H5Sink *s)
{
    return s->map_extent;
}
int64_t h5_sink_error_count(const H5Sink *s)
{
    return s->error_count;
}

// ---- recording ----

Status h5_sink_put(H5Sink *s, int column, int64_t batch, const SinkRow *rows, int64_t count)
{
    if (column < 0 || column >= s->column_count || batch < 0 || batch >= s->batches ||
        count != sink_batch_rows(s, batch))
        return status_fail(ST_INTERNAL, "%s: %lld rows of result %d for batch %lld", s->path, (long long)count, column,
                           (long long)batch);
    if (!s->journal)
        TRY(journal_create(s->journal_path, s->run, &s->journal));
    const SinkColumn *c = &s->columns[column];
    size_t element = c->kind == SINK_TEXT ? 1 : dtype_size(c->dtype);
    JournalRow *out = calloc((size_t)count + 1, sizeof *out);
    if (!out)
        return status_no_memory((size_t)count * sizeof *out);
    Status st = ST_OK;
    for (int64_t i = 0; i < count && st == ST_OK; i++) {
        out[i] = (JournalRow){.data = rows[i].data, .bytes = element, .ndim = rows[i].ndim, .shape = rows[i].shape};
        if (rows[i].ndim < 0 || rows[i].ndim >= H5_MAX_DIMS)
            st = status_fail(ST_UNSUPPORTED, "%s: %s: too many dimensions (limit %d)", s->path, c->path,
                             H5_MAX_DIMS - 1);
        for (int k = 0; k < rows[i].ndim && st == ST_OK; k++)
            if (__builtin_mul_overflow(out[i].bytes, (uint64_t)rows[i].shape[k], &out[i].bytes))
                st = status_fail(ST_INTERNAL, "%s: %s: a row of impossible size", s->path, c->path);
    }
    if (st == ST_OK)
        st = journal_append(s->journal, column, batch, out, count);
    free(out);
    return st;
}

// The message in a field of ERROR_TEXT bytes, cut between characters.
static void fit_message(const char *message, char text[ERROR_TEXT])
{
    size_t len = strlen(message);
    if (len >= ERROR_TEXT)
        for (len = ERROR_TEXT - 1; len && ((unsigned char)message[len] & 0xc0) == 0x80;)
            len--;
    memset(text, 0, ERROR_TEXT);
    memcpy(text, message, len);
}

Status h5_sink_error(H5Sink *s, int64_t batch, int64_t first_row, const char *message)
{
    s->error_count++;
    while (s->error_next < s->max_errors && s->error_slots[s->error_next] >= 0)
        s->error_next++;
    if (s->error_next == s->max_errors)
        return ST_OK;
    int64_t slot = s->error_next;
    const RowExtent extents[] = {s->error_message, s->error_row, s->error_batch};
    if (!s->error_writer)
        TRY(row_writer_open(s->path, extents, 3, s->map_extent, &s->error_writer));
    char text[ERROR_TEXT];
    fit_message(message, text);
    TRY(row_writer_write(s->error_writer, 0, slot, 1, text));
    TRY(row_writer_write(s->error_writer, 1, slot, 1, &first_row));
    TRY(row_writer_write(s->error_writer, 2, slot, 1, &batch)); // last: an entry counts once it names its batch
    s->error_slots[slot] = batch;
    return ST_OK;
}
