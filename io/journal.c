// Journal: results without a reserved place in the output, appended as checksummed records to a file beside it.
// Records are found again by walking the file from its start; every length is checked against what is left of it.
#include "io/journal.h"

#include "io/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 0x4a425354, DIMS_MAX = 64, HEAD_SIZE = 48 };

static const char file_magic[8] = "TSBJRNL1";

typedef struct RecordHead {
    uint32_t magic;
    int32_t column;
    int64_t batch, rows;
    uint64_t bytes, body_digest, head_digest;
} RecordHead;

_Static_assert(sizeof(RecordHead) == HEAD_SIZE, "a record's head has no padding");

struct Journal {
    int fd;
    char *path;
    uint64_t end; // where the next record goes
    JournalEntry *entries;
    size_t count, capacity;
    bool sorted;
};

static uint64_t head_digest(const RecordHead *h)
{
    return digest_bytes(h, offsetof(RecordHead, head_digest), 0);
}

void journal_close(Journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j->entries);
    free(j->path);
    free(j);
}

void journal_remove(const char *path)
{
    unlink(path);
}

static Status journal_new(const char *path, int flags, Journal **out)
{
    Journal *j = calloc(1, sizeof *j);
    if (!j || !(j->path = strdup(path))) {
        free(j);
        return status_no_memory(sizeof *j);
    }
    j->fd = open(path, flags | O_RDWR | O_CLOEXEC, 0666);
    if (j->fd < 0) {
        Status st = status_fail(ST_IO, "%s: %s", path, strerror(errno));
        journal_close(j);
        return st;
    }
    *out = j;
    return ST_OK;
}

static Status write_all(Journal *j, const void *data, uint64_t size, uint64_t offset)
{
    const char *p = data;
    while (size) {
        ssize_t n = pwrite(j->fd, p, size < (1u << 30) ? size : 1u << 30, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return status_fail(ST_IO, "%s: cannot write %llu bytes: %s", j->path, (unsigned long long)size,
                               n < 0 ? strerror(errno) : "nothing was written");
        p += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return ST_OK;
}

static Status read_all(const Journal *j, void *data, uint64_t size, uint64_t offset)
{
    char *p = data;
    while (size) {
        ssize_t n = pread(j->fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return status_fail(ST_IO, "%s: cannot read %llu bytes at byte %llu: %s", j->path, (unsigned long long)size,
                               (unsigned long long)offset, n < 0 ? strerror(errno) : "the file became shorter");
        p += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return ST_OK;
}

Status journal_create(const char *path, uint64_t run, Journal **out)
{
    *out = NULL;
    Journal *j;
    TRY(journal_new(path, O_CREAT | O_TRUNC, &j));
    char head[16];
    memcpy(head, file_magic, 8);
    memcpy(head + 8, &run, 8);
    Status st = write_all(j, head, sizeof head, 0);
    j->end = sizeof head;
    if (st == ST_OK)
        *out = j;
    else
        journal_close(j);
    return st;
}

static Status add_entry(Journal *j, JournalEntry e)
{
    if (j->count == j->capacity) {
        size_t capacity = j->capacity ? j->capacity * 2 : 64;
        JournalEntry *entries = realloc(j->entries, capacity * sizeof *entries);
        if (!entries)
            return status_no_memory(capacity * sizeof *entries);
        j->entries = entries;
        j->capacity = capacity;
    }
    j->entries[j->count++] = e;
    j->sorted = false;
    return ST_OK;
}

// The body's digest over pieces of 1 MiB, each seeding the next, so that large bodies need little memory.
enum { PIECE = 1 << 20 };

static Status digest_body(const Journal *j, uint64_t offset, uint64_t size, uint64_t *digest)
{
    uint8_t *buffer = malloc(size < PIECE ? size + 1 : PIECE);
    if (!buffer)
        return status_no_memory(PIECE);
    Status st = ST_OK;
    for (*digest = 0; size && st == ST_OK;) {
        uint64_t n = size < PIECE ? size : PIECE;
        st = read_all(j, buffer, n, offset);
        *digest = digest_bytes(buffer, n, *digest);
        offset += n;
        size -= n;
    }
    free(buffer);
    return st;
}

// Reads records until one is not whole.
static Status scan(Journal *j, uint64_t size)
{
    while (size - j->end >= HEAD_SIZE) {
        RecordHead h;
        TRY(read_all(j, &h, sizeof h, j->end));
        uint64_t body = j->end + HEAD_SIZE, digest;
        if (h.magic != MAGIC || h.head_digest != head_digest(&h) || h.rows < 0 || h.bytes > size - body)
            break;
        TRY(digest_body(j, body, h.bytes, &digest));
        if (digest != h.body_digest)
            break;
        TRY(add_entry(
            j, (JournalEntry){.batch = h.batch, .column = h.column, .rows = h.rows, .body = body, .bytes = h.bytes}));
        j->end = body + h.bytes;
    }
    if (j->end < size && ftruncate(j->fd, (off_t)j->end) != 0)
        return status_fail(ST_IO, "%s: cannot cut off a torn record: %s", j->path, strerror(errno));
    return ST_OK;
}

Status journal_open(const char *path, uint64_t run, Journal **out)
{
    *out = NULL;
    Journal *j;
    TRY(journal_new(path, 0, &j));
    struct stat info;
    char head[16];
    Status st = fstat(j->fd, &info) == 0 ? ST_OK : status_fail(ST_IO, "%s: %s", path, strerror(errno));
    if (st == ST_OK && info.st_size < (off_t)sizeof head)
        st = status_fail(ST_BAD_DATA, "%s: not a journal of tsbatch", path);
    if (st == ST_OK)
        st = read_all(j, head, sizeof head, 0);
    if (st == ST_OK && (memcmp(head, file_magic, 8) != 0 || memcmp(head + 8, &run, 8) != 0))
        st = status_fail(ST_BAD_DATA, "%s: the journal belongs to another run: start again with --overwrite", path);
    j->end = sizeof head;
    if (st == ST_OK)
        st = scan(j, (uint64_t)info.st_size);
    if (st == ST_OK)
        *out = j;
    else
        journal_close(j);
    return st;
}

// ---- writing ----

static uint64_t body_bytes(const JournalRow *rows, int64_t count)
{
    uint64_t size = 0;
    for (int64_t i = 0; i < count; i++)
        size += 8 + 8 * (uint64_t)rows[i].ndim + rows[i].bytes;
    return size;
}

Status journal_append(Journal *j, int32_t column, int64_t batch, const JournalRow *rows, int64_t count)
{
    RecordHead h = {.magic = MAGIC, .column = column, .batch = batch, .rows = count, .bytes = body_bytes(rows, count)};
    uint8_t *record = malloc(HEAD_SIZE + h.bytes), *p = record + HEAD_SIZE;
    if (!record)
        return status_no_memory(HEAD_SIZE + h.bytes);
    for (int64_t i = 0; i < count; i++) {
        int64_t ndim = rows[i].ndim;
        memcpy(p, &ndim, 8);
        if (ndim)
            memcpy(p + 8, rows[i].shape, 8 * (size_t)ndim);
        p += 8 + 8 * ndim;
    }
    for (int64_t i = 0; i < count; i++) {
        if (rows[i].bytes)
            memcpy(p, rows[i].data, rows[i].bytes);
        p += rows[i].bytes;
    }
    for (uint64_t at = 0; at < h.bytes; at += PIECE)
        h.body_digest =
            digest_bytes(record + HEAD_SIZE + at, h.bytes - at < PIECE ? h.bytes - at : PIECE, h.body_digest);
    h.head_digest = head_digest(&h);
    memcpy(record, &h, HEAD_SIZE);
    Status st = write_all(j, record, HEAD_SIZE + h.bytes, j->end);
    free(record);
    TRY(st);
    TRY(add_entry(
        j,
        (JournalEntry){.batch = batch, .column = column, .rows = count, .body = j->end + HEAD_SIZE, .bytes = h.bytes}));
    j->end += HEAD_SIZE + h.bytes;
    return ST_OK;
}

// ---- reading ----

static int compare(const void *x, const void *y)
{
    const JournalEntry *a = x, *b = y;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    if (a->batch != b->batch)
        return a->batch < b->batch ? -1 : 1;
    return a->body < b->body ? -1 : a->body > b->body;
}

Status journal_index(Journal *j, const JournalEntry **entries, size_t *count)
{
    if (!j->sorted && j->count) {
        qsort(j->entries, j->count, sizeof *j->entries, compare);
        size_t kept = 0;
        for (size_t i = 0; i < j->count; i++) {
            const JournalEntry *e = &j->entries[i];
            if (i + 1 < j->count && e[1].column == e->column && e[1].batch == e->batch)
                continue; // a newer one follows
            j->entries[kept++] = *e;
        }
        j->count = kept;
        j->sorted = true;
    }
    *entries = j->entries;
    *count = j->count;
    return ST_OK;
}

const JournalEntry *journal_find(const JournalEntry *entries, size_t count, int32_t column, int64_t batch)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const JournalEntry *e = &entries[mid];
        if (e->column < column || (e->column == column && e->batch < batch))
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && entries[low].column == column && entries[low].batch == batch ? &entries[low] : NULL;
}

Status journal_read(Journal *j, const JournalEntry *e, uint8_t **body)
{
    *body = malloc(e->bytes + 1);
    if (!*body)
        return status_no_memory(e->bytes);
    Status st = read_all(j, *body, e->bytes, e->body);
    if (st != ST_OK) {
        free(*body);
        *body = NULL;
    }
    return st;
}

JournalCursor journal_rows(const JournalEntry *e, const uint8_t *body, uint64_t element_size)
{
    JournalCursor c = {.body = body, .bytes = e->bytes, .rows = e->rows, .element = element_size};
    // The rows' bytes begin behind all shapes.
    for (int64_t i = 0; i < e->rows; i++) {
        uint64_t ndim;
        if (e->bytes - c.data < 8)
            return (JournalCursor){0};
        memcpy(&ndim, body + c.data, 8);
        if (ndim > DIMS_MAX || (e->bytes - c.data - 8) / 8 < ndim)
            return (JournalCursor){0};
        c.data += 8 + 8 * ndim;
    }
    return c;
}

bool journal_next_row(JournalCursor *c, int *ndim, const uint8_t **shape_bytes, const uint8_t **data, uint64_t *bytes)
{
    if (c->row == c->rows)
        return false;
    uint64_t dims, size = c->element;
    memcpy(&dims, c->body + c->at, 8);
    *ndim = (int)dims;
    *shape_bytes = c->body + c->at + 8;
    for (uint64_t i = 0; i < dims; i++) {
        uint64_t dim;
        memcpy(&dim, *shape_bytes + 8 * i, 8);
        if (__builtin_mul_overflow(size, dim, &size))
            return false;
    }
    if (size > c->bytes - c->data)
        return false;
    *data = c->body + c->data;
    *bytes = size;
    c->at += 8 + 8 * dims;
    c->data += size;
    c->row++;
    return true;
}
