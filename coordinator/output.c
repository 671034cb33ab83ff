// Writes the rows of a batch, as the plan of the file says.
#include "coordinator/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static Status plan_new(OutputPlan **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? ST_OK : status_no_memory(sizeof **out);
}

static Status plan_add(OutputPlan *p, const SinkColumn *column, const RowExtent *extent)
{
    Str path = arena_str(&p->arena, str_of(column->path));
    if (!path.ptr)
        return status_no_memory(strlen(column->path));
    p->columns[p->count] = *column;
    p->columns[p->count].path = path.ptr;
    p->extents[p->count++] = *extent;
    return ST_OK;
}

Status output_plan_of_sink(const H5Sink *sink, OutputPlan **out)
{
    TRY(plan_new(out));
    OutputPlan *p = *out;
    // Ranks on other hosts may run in another directory of the same name, so the path must be absolute.
    char *absolute = realpath(h5_sink_path(sink), NULL);
    snprintf(p->path, sizeof p->path, "%s", absolute ? absolute : h5_sink_path(sink));
    free(absolute);
    p->inode = inode_of(p->path);
    p->map = h5_sink_map_extent(sink);
    for (int i = 0; i < h5_sink_column_count(sink); i++)
        TRY(plan_add(p, h5_sink_column(sink, i), &h5_sink_extents(sink)[i]));
    return ST_OK;
}

Status output_plan_pack(const OutputPlan *p, Buf *out)
{
    wire_put_text(out, p->path);
    wire_put_int(out, (int64_t)p->inode);
    buf_bytes(out, &p->map, sizeof p->map);
    wire_put_int(out, p->count);
    for (int i = 0; i < p->count; i++) {
        wire_put_text(out, p->columns[i].path);
        buf_bytes(out, &p->columns[i], sizeof p->columns[i]); // the pointer in it is replaced on arrival
        buf_bytes(out, &p->extents[i], sizeof p->extents[i]);
    }
    return buf_status(out);
}

Status output_plan_unpack(const uint8_t *data, size_t size, OutputPlan **out)
{
    TRY(plan_new(out));
    OutputPlan *p = *out;
    Wire w = wire_of(data, size);
    snprintf(p->path, sizeof p->path, "%s", wire_text(&w));
    p->inode = (uint64_t)wire_int(&w);
    wire_get(&w, &p->map, sizeof p->map);
    for (int64_t i = 0, n = wire_int(&w); i < n && i < H5_SINK_MAX_COLUMNS && !w.failed; i++) {
        SinkColumn column;
        RowExtent extent;
        const char *path = wire_text(&w);
        wire_get(&w, &column, sizeof column);
        wire_get(&w, &extent, sizeof extent);
        column.path = path;
        TRY(plan_add(p, &column, &extent));
    }
    return w.failed ? status_fail(ST_INTERNAL, "the message with the plan of the output is cut short") : ST_OK;
}

void output_plan_free(OutputPlan *p)
{
    if (p)
        arena_free(&p->arena);
    free(p);
}

Status output_open_rows(const OutputPlan *p, RowWriter **out)
{
    *out = NULL;
    if (inode_of(p->path) != p->inode)
        return ST_OK;
    return row_writer_open(p->path, p->extents, p->count, p->map, out);
}

// One byte far behind the end of the file, locked for "reading" by every process that writes rows, so that HDF5's own locks
// (of readers, too) are compatible with it on every file system.
static struct flock mark(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)1 << 60, .l_len = 1};
}

void output_claim(const char *path, int *fd)
{
    struct flock lock = mark(F_RDLCK);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        fcntl(*fd, F_OFD_SETLK, &lock);
}

Status output_wait_unclaimed(const char *path, double seconds)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ST_OK; // nothing there, or not ours to judge
    struct flock lock;
    bool claimed = true;
    for (double waited = 0; claimed && waited < seconds; waited += 0.05) {
        lock = mark(F_WRLCK);
        claimed = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
        if (claimed)
            nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    close(fd);
    return claimed ? status_fail(ST_IO, "%s: another process is writing it", path) : ST_OK;
}

// A column of fixed shape whose rows all are there goes in one piece, else run by run, the gaps filled.
static Status write_column(const Results *r, const ResultColumn *c, RowWriter *w, int at)
{
    for (int64_t row = 0; row < r->count;) {
        int64_t end = row + 1;
        while (end < r->count && c->present[end] == c->present[row])
            end++;
        if (c->present[row])
            TRY(row_writer_write(w, at, r->first + row, end - row, result_row(c, row)));
        else
            TRY(row_writer_fill(w, at, r->first + row, end - row));
        row = end;
    }
    return ST_OK;
}

Status output_write(const Results *r, const OutputPlan *p, RowWriter *w, bool *send, bool *all)
{
    int of_plan[H5_SINK_MAX_COLUMNS];
    TRY(results_match(r, p->columns, p->count, of_plan));
    memset(send, 0, (size_t)r->column_count);
    *all = true;
    for (int k = 0; k < p->count; k++) {
        const ResultColumn *c = of_plan[k] >= 0 ? &r->columns[of_plan[k]] : NULL;
        bool fixed = p->columns[k].kind == SINK_ROWS;
        if (!c && fixed)
            TRY(row_writer_fill(w, k, r->first, r->count));
        else if (c && result_in_place(c, &p->columns[k]))
            TRY(write_column(r, c, w, k));
        else {
            *all = false;
            if (c)
                send[of_plan[k]] = true;
        }
    }
    return ST_OK;
}

static Status put_column(const Results *r, const ResultColumn *c, const SinkColumn *planned, int at, H5Sink *sink, SinkRow *rows)
{
    static const int64_t no_rows[H5_MAX_DIMS]; // a row of shape [0, …]
    for (int64_t row = 0; row < r->count; row++) {
        bool there = c && c->present[row];
        int ndim = planned->kind == SINK_TEXT ? 1 : planned->ndim;
        rows[row] = (SinkRow){there ? (const void *)result_row(c, row) : "", ndim, there ? c->shape + row * c->ndim : no_rows};
    }
    return h5_sink_put(sink, at, r->batch, rows, r->count);
}

Status output_put(const Results *r, const OutputPlan *p, H5Sink *sink)
{
    int of_plan[H5_SINK_MAX_COLUMNS];
    TRY(results_match(r, p->columns, p->count, of_plan));
    SinkRow *rows = malloc((size_t)r->count * sizeof *rows);
    if (!rows)
        return status_no_memory((size_t)r->count * sizeof *rows);
    Status s = ST_OK;
    for (int k = 0; k < p->count && s == ST_OK; k++) {
        const ResultColumn *c = of_plan[k] >= 0 ? &r->columns[of_plan[k]] : NULL;
        bool left = p->columns[k].kind != SINK_ROWS || (c && !result_in_place(c, &p->columns[k]));
        if (left)
            s = put_column(r, c, &p->columns[k], k, sink, rows);
    }
    free(rows);
    return s;
}
