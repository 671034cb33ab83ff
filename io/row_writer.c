// Rows of results written straight to their place in the output file by any process, without HDF5.
// Everything goes through write_all, which retries what the kernel cut short and reports what it refuses.
#include "io/row_writer.h"

#include "io/half.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STAGE_BYTES = 256 * 1024 };

struct RowWriter {
    int fd;
    char *path;
    RowExtent *columns;
    int count;
    RowExtent map;
    _Atomic uint64_t bytes, ns;
};

Status row_writer_open(const char *path, const RowExtent *columns, int count, RowExtent map, RowWriter **out)
{
    *out = NULL;
    RowWriter *w = calloc(1, sizeof *w);
    RowExtent *copy = calloc((size_t)count + 1, sizeof *copy);
    char *name = strdup(path);
    int fd = -1;
    Status st = w && copy && name ? ST_OK : status_no_memory((size_t)count * sizeof *copy);
    if (st == ST_OK && (fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
        st = status_fail(
            ST_IO, "%s: cannot be opened for writing: %s (is the file system shared by all hosts? else use --gather)",
            path, strerror(errno));
    if (st != ST_OK) {
        free(w);
        free(copy);
        free(name);
        return st;
    }
    for (int i = 0; i < count; i++)
        copy[i] = columns[i];
    w->fd = fd;
    w->path = name;
    w->columns = copy;
    w->count = count;
    w->map = map;
    *out = w;
    return ST_OK;
}

Status row_writer_close(RowWriter *w)
{
    if (!w)
        return ST_OK;
    Status st = close(w->fd) == 0 ? ST_OK : status_fail(ST_IO, "%s: %s", w->path, strerror(errno));
    free(w->columns);
    free(w->path);
    free(w);
    return st;
}

uint64_t row_writer_bytes(const RowWriter *w)
{
    return w->bytes;
}
uint64_t row_writer_ns(const RowWriter *w)
{
    return w->ns;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static Status write_all(RowWriter *w, const void *data, uint64_t size, uint64_t offset)
{
    const char *p = data;
    uint64_t start = now_ns(), left = size;
    while (left) {
        ssize_t n = pwrite(w->fd, p, left < (1u << 30) ? left : 1u << 30, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return status_fail(ST_IO, "%s: cannot write %llu bytes at byte %llu: %s", w->path, (unsigned long long)left,
                               (unsigned long long)offset, n < 0 ? strerror(errno) : "nothing was written");
        p += n;
        offset += (uint64_t)n;
        left -= (uint64_t)n;
    }
    w->bytes += size;
    w->ns += now_ns() - start;
    return ST_OK;
}

static Status check_rows(const RowWriter *w, int column, int64_t first, int64_t count)
{
    if (column < 0 || column >= w->count || !w->columns[column].in_place)
        return status_fail(ST_INTERNAL, "%s: result %d has no place reserved", w->path, column);
    const RowExtent *e = &w->columns[column];
    if (first < 0 || count < 0 || first > e->rows || count > e->rows - first)
        return status_fail(ST_INTERNAL, "%s: rows %lld to %lld of result %d, which has %lld", w->path, (long long)first,
                           (long long)(first + count), column, (long long)e->rows);
    return ST_OK;
}

// bfloat16 rows, widened to float32 a stage at a time.
static Status write_widened(RowWriter *w, const uint16_t *rows, uint64_t elements, uint64_t offset)
{
    float *stage = malloc(STAGE_BYTES);
    if (!stage)
        return status_no_memory(STAGE_BYTES);
    Status st = ST_OK;
    for (uint64_t done = 0; done < elements && st == ST_OK;) {
        uint64_t n = elements - done < STAGE_BYTES / sizeof *stage ? elements - done : STAGE_BYTES / sizeof *stage;
        for (uint64_t i = 0; i < n; i++)
            stage[i] = bf16_to_float(rows[done + i]);
        st = write_all(w, stage, n * sizeof *stage, offset + done * sizeof *stage);
        done += n;
    }
    free(stage);
    return st;
}

Status row_writer_write(RowWriter *w, int column, int64_t first, int64_t count, const void *rows)
{
    TRY(check_rows(w, column, first, count));
    const RowExtent *e = &w->columns[column];
    uint64_t size = (uint64_t)count * e->row_bytes, offset = e->offset + (uint64_t)first * e->row_bytes;
    if (e->dtype == DT_BF16)
        return write_widened(w, rows, size / sizeof(float), offset);
    return write_all(w, rows, size, offset);
}

// One stage of the value that stands for "no result".
static void fill_stage(DType dtype, char *stage, size_t size)
{
    size_t element = dtype_is_complex(dtype) ? dtype_size(dtype) / 2 : dtype == DT_BF16 ? 4 : dtype_size(dtype);
    double f64 = NAN;
    float f32 = NAN;
    uint16_t f16 = 0x7e00;
    const void *nan = element == 8 ? (void *)&f64 : element == 4 ? (void *)&f32 : (void *)&f16;
    memset(stage, 0, size);
    if (dtype_is_floating(dtype) || dtype_is_complex(dtype))
        for (size_t at = 0; at + element <= size; at += element)
            memcpy(stage + at, nan, element);
}

Status row_writer_fill(RowWriter *w, int column, int64_t first, int64_t count)
{
    TRY(check_rows(w, column, first, count));
    const RowExtent *e = &w->columns[column];
    uint64_t left = (uint64_t)count * e->row_bytes, offset = e->offset + (uint64_t)first * e->row_bytes;
    size_t size = left < STAGE_BYTES ? left : STAGE_BYTES;
    char *stage = malloc(size + 1);
    if (!stage)
        return status_no_memory(size);
    fill_stage((DType)e->dtype, stage, size);
    Status st = ST_OK;
    while (left && st == ST_OK) {
        uint64_t n = left < size ? left : size;
        st = write_all(w, stage, n, offset);
        offset += n;
        left -= n;
    }
    free(stage);
    return st;
}

Status row_writer_mark(RowWriter *w, int64_t batch, BatchState state)
{
    uint8_t byte = (uint8_t)state;
    if (batch < 0 || batch >= w->map.rows)
        return status_fail(ST_INTERNAL, "%s: batch %lld of %lld", w->path, (long long)batch, (long long)w->map.rows);
    return write_all(w, &byte, 1, w->map.offset + (uint64_t)batch);
}
