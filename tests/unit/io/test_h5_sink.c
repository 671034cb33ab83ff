// HDF5 output: what is written comes back, resuming goes on exactly where the last run ended, torn journals lose only
// their torn batch, and mistakes are named.
#include "io/h5_sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 23, BATCH = 5, BATCHES = 5 };

static H5Thread *thread;
static char dir[64], file[128], part[140];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_h5_sink.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/out.h5", dir);
    snprintf(part, sizeof part, "%s.part", file);
    return h5_thread_start(&thread) == ST_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    h5_thread_stop(thread);
    unlink(file);
    unlink(part);
    return rmdir(dir); // fails when a temporary file was left behind
}

static void need(Status st)
{
    if (st != ST_OK)
        fail_msg("%s: %s", status_name(st), status_message());
}

static void refused(Status got, Status want, const char *part_of_message)
{
    if (got != want || !strstr(status_message(), part_of_message))
        fail_msg("%s where %s with '%s' was expected: %s", status_name(got), status_name(want), part_of_message,
                 status_message());
}

static const SinkAttr attrs[] = {
    {.name = "model",
     .kind = ATTR_TEXT,
     .text = "m\xc3\xb6"
             "del.pt",
     .must_match = true},
    {.name = "seed", .kind = ATTR_INT, .integer = -3, .must_match = true},
    {.name = "scale", .kind = ATTR_FLOAT, .number = 0.1, .must_match = true},
    {.name = "stateful", .kind = ATTR_BOOL, .integer = 1, .must_match = true},
    {.name = "started", .kind = ATTR_TEXT, .text = "noon"},
};
enum { ATTRS = 5 };

static const SinkColumn fixed[] = {
    {.path = "/output/f32", .dtype = DT_F32, .ndim = 2, .shape = {2, 3}},
    {.path = "/output/bool", .dtype = DT_BOOL},
    {.path = "/output/c64", .dtype = DT_C64, .ndim = 1, .shape = {2}},
    {.path = "/output/bf16", .dtype = DT_BF16, .ndim = 1, .shape = {2}},
    {.path = "/output/f16", .dtype = DT_F16, .ndim = 1, .shape = {1}},
    {.path = "/label", .dtype = DT_I64},
    {.path = "/empty", .dtype = DT_F32, .ndim = 1, .shape = {0}},
};
enum { FIXED = 7 };

static SinkPlan plan_of(const SinkColumn *columns, int count)
{
    return (SinkPlan){.path = file,
                      .rows = ROWS,
                      .batch_size = BATCH,
                      .columns = columns,
                      .column_count = count,
                      .attrs = attrs,
                      .attr_count = ATTRS,
                      .max_errors = 4};
}

// Row r of a column: element k has a value made of both.
static size_t make_row(DType t, int64_t elements, int64_t row, uint8_t *out)
{
    for (int64_t k = 0; k < elements; k++) {
        float f = (float)(row * 4 + k);
        uint32_t bits;
        memcpy(&bits, &f, 4);
        if (t == DT_F32)
            memcpy(out + 4 * k, &f, 4);
        else if (t == DT_BOOL)
            out[k] = row % 2 == 0;
        else if (t == DT_C64)
            memcpy(out + 8 * k, (float[]){f, -f}, 8);
        else if (t == DT_BF16) // small integers are exact in bfloat16
            memcpy(out + 2 * k, (uint16_t[]){(uint16_t)(bits >> 16)}, 2);
        else if (t == DT_F16)
            memcpy(out + 2 * k, (uint16_t[]){(uint16_t)(0x3c00 + row)}, 2);
        else
            memcpy(out + 8 * k, (int64_t[]){row * 1000 + k}, 8);
    }
    return (size_t)elements * dtype_size(t);
}

static int64_t elements_of(const SinkColumn *c)
{
    int64_t n = 1;
    for (int k = 0; k < c->ndim; k++)
        n *= c->shape[k];
    return n;
}

static int64_t rows_of(int64_t batch)
{
    return batch == BATCHES - 1 ? ROWS - BATCH * (BATCHES - 1) : BATCH;
}

static RowWriter *writer_of(const H5Sink *s)
{
    RowWriter *w;
    need(row_writer_open(h5_sink_path(s), h5_sink_extents(s), h5_sink_column_count(s), h5_sink_map_extent(s), &w));
    return w;
}

static void write_batch(H5Sink *s, RowWriter *w, int64_t batch)
{
    uint8_t rows[4096];
    for (int i = 0; i < h5_sink_column_count(s); i++) {
        const SinkColumn *c = h5_sink_column(s, i);
        size_t at = 0;
        for (int64_t r = 0; r < rows_of(batch); r++)
            at += make_row(c->dtype, elements_of(c), batch * BATCH + r, rows + at);
        need(row_writer_write(w, i, batch * BATCH, rows_of(batch), rows));
    }
    need(row_writer_mark(w, batch, BATCH_DONE));
}

static void check_attr(H5Source *f, const char *name, const char *want)
{
    Buf have = {0};
    need(h5_source_attr(f, "/", name, &have));
    assert_string_equal(have.ptr, want);
    buf_free(&have);
}

// Everything of `fixed`, rows of batch `failed` being filled.
static void check_fixed(int64_t failed)
{
    H5Source *f;
    need(h5_source_open(thread, file, &f));
    check_attr(f, "model", attrs[0].text);
    check_attr(f, "seed", "-3");
    check_attr(f, "stateful", "true");
    check_attr(f, "complete", "true");
    for (int i = 0; i < FIXED - 1; i++) {
        const SinkColumn *c = &fixed[i];
        H5Column *column;
        H5Block b = {0};
        need(h5_column_open(f, str_of(c->path), NULL, &column));
        bool widened = c->dtype == DT_BF16;
        assert_int_equal(h5_column_info(column)->dtype, widened ? DT_F32 : c->dtype);
        assert_int_equal(h5_column_info(column)->ndim, c->ndim + 1);
        need(h5_column_read(column, 0, ROWS, &b));
        for (int64_t r = 0; r < ROWS; r++) {
            uint8_t want[64];
            size_t size = make_row(widened ? DT_F32 : c->dtype, elements_of(c), r, want);
            const uint8_t *have = (uint8_t *)b.data + (size_t)r * size;
            if (r / BATCH != failed)
                assert_memory_equal(have, want, size);
            else if (c->dtype == DT_F32)
                assert_true(*(float *)(uintptr_t)have != *(float *)(uintptr_t)have);
            else if (c->dtype == DT_I64)
                assert_int_equal(*(int64_t *)(uintptr_t)have, 0);
        }
        h5_block_free(&b);
        h5_column_close(column);
    }
    Buf note = {0};
    need(h5_source_attr(f, "/output/bf16", "dtype", &note));
    assert_string_equal(note.ptr, "bfloat16");
    buf_free(&note);
    h5_source_close(f);
}

static void test_write_and_finish(void **state)
{
    (void)state;
    SinkPlan plan = plan_of(fixed, FIXED);
    H5Sink *s;
    need(h5_sink_check(file, false, false));
    need(h5_sink_create(thread, &plan, &s));
    RowWriter *w = writer_of(s);
    static const int order[] = {3, 0, 4, 2};
    for (int i = 0; i < 4; i++)
        write_batch(s, w, order[i]);
    refused(h5_sink_finish(s), ST_INTERNAL, "batch 1 was not written");
    for (int i = 0; i < FIXED; i++)
        need(row_writer_fill(w, i, BATCH, BATCH));
    need(h5_sink_error(s, 1, BATCH + 2, "of another row"));
    for (int i = 0; i < 2; i++) // twice: kept once
        need(h5_sink_error(s, 1, BATCH, "ValueError: r\xc3\xb6w"));
    need(row_writer_mark(w, 1, BATCH_FAILED));
    refused(row_writer_write(w, 0, ROWS - 1, 2, ""), ST_INTERNAL, "rows 22 to 24");
    need(row_writer_close(w));
    need(h5_sink_finish(s));
    h5_sink_close(s);
    check_fixed(1);

    H5Source *f;
    Arena arena = {0};
    Str message;
    need(h5_source_open(thread, file, &f));
    assert_int_equal(h5_source_find(f, STR("/errors/batch"))->shape[0], 2);
    need(h5_source_read_text(f, "/errors/message", 0, 1, &arena, &message));
    assert_true(str_is(message, "ValueError: r\xc3\xb6w"));
    arena_free(&arena);
    h5_source_close(f);

    refused(h5_sink_check(file, false, false), ST_IO, "--overwrite");
    refused(h5_sink_create(thread, &plan, &s), ST_IO, "--overwrite");
    need(h5_sink_check(file, true, false));
    need(h5_sink_resume(thread, file, attrs, ATTRS, &s));
    assert_true(h5_sink_complete(s));
    need(h5_sink_finish(s));
    h5_sink_close(s);
    plan.overwrite = true;
    need(h5_sink_create(thread, &plan, &s));
    h5_sink_close(s);
    unlink(file);
}

static void test_resume(void **state)
{
    (void)state;
    SinkPlan plan = plan_of(fixed, FIXED);
    H5Sink *s;
    need(h5_sink_create(thread, &plan, &s));
    RowWriter *w = writer_of(s);
    write_batch(s, w, 2);
    need(h5_sink_error(s, 0, 0, "failed"));
    need(row_writer_mark(w, 0, BATCH_FAILED));
    need(h5_sink_error(s, 1, 5, "was not marked: tried again"));
    need(row_writer_close(w));
    h5_sink_close(s); // as if killed

    SinkAttr other[ATTRS];
    memcpy(other, attrs, sizeof other);
    other[4].text = "later"; // need not match
    other[1].integer = 7;
    refused(h5_sink_resume(thread, file, other, ATTRS, &s), ST_USAGE, "another seed: it was made with '-3', not '7'");
    other[1].integer = -3;
    need(h5_sink_resume(thread, file, other, ATTRS, &s));
    assert_false(h5_sink_complete(s));
    assert_int_equal(h5_sink_rows(s), ROWS);
    assert_int_equal(h5_sink_batch_size(s), BATCH);
    assert_int_equal(h5_sink_batches(s), BATCHES);
    assert_memory_equal(h5_sink_map(s), ((uint8_t[]){2, 0, 1, 0, 0}), 5);
    assert_int_equal(h5_sink_error_count(s), 1);
    assert_int_equal(h5_sink_column_count(s), FIXED);
    for (int i = 0; i < FIXED; i++) {
        const SinkColumn *c = h5_sink_column(s, i);
        assert_string_equal(c->path, fixed[i].path);
        assert_true(c->dtype == fixed[i].dtype && c->ndim == fixed[i].ndim && c->kind == SINK_ROWS);
        assert_memory_equal(c->shape, fixed[i].shape, sizeof(int64_t) * (size_t)c->ndim);
    }
    w = writer_of(s);
    static const int left[] = {0, 1, 3, 4}; // a failed batch may be tried again too
    for (int i = 0; i < 4; i++)
        write_batch(s, w, left[i]);
    need(row_writer_close(w));
    need(h5_sink_finish(s));
    h5_sink_close(s);
    check_fixed(-1);
    unlink(file);
}

// ---- results without a place ----

static const SinkColumn loose[] = {
    {.path = "/boxes", .kind = SINK_RAGGED, .dtype = DT_F32, .ndim = 2},
    {.path = "/masks", .kind = SINK_RAGGED, .dtype = DT_BF16},
    {.path = "/caption", .kind = SINK_TEXT},
    {.path = "/score", .kind = SINK_ROWS, .dtype = DT_I64, .ndim = 1, .shape = {2}},
};

// boxes: [row % 3, 4]; masks: [row % 2 + 1, row % 3]; caption: "row N"; score: two, but three from row 12 to 14.
static void put_batch(H5Sink *s, RowWriter *w, int64_t batch)
{
    float boxes[BATCH][12];
    uint16_t masks[BATCH][4];
    char captions[BATCH][16];
    int64_t scores[BATCH][3], sizes[4][BATCH][2];
    SinkRow rows[4][BATCH];
    int64_t n = rows_of(batch);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = batch * BATCH + i;
        for (int k = 0; k < 12; k++)
            boxes[i][k] = (float)(row * 12 + k);
        for (int k = 0; k < 4; k++)
            masks[i][k] = (uint16_t)(0x3f80 + row);
        for (int k = 0; k < 3; k++)
            scores[i][k] = row * 10 + k;
        snprintf(captions[i], row == 7 ? 1 : sizeof captions[i], "row %d", (int)row); // row 7: ""
        memcpy(sizes[0][i], (int64_t[]){row % 3, row % 6 == 3 ? 0 : 4}, 16);          // rows 3, 9, …: no result
        memcpy(sizes[1][i], (int64_t[]){row % 2 + 1, row % 3}, 16);
        sizes[2][i][0] = (int64_t)strlen(captions[i]);
        sizes[3][i][0] = batch == 2 ? row % 5 == 4 ? 2 : 3 : 2;
        rows[0][i] = (SinkRow){boxes[i], 2, sizes[0][i]};
        rows[1][i] = (SinkRow){masks[i], 2, sizes[1][i]};
        rows[2][i] = (SinkRow){captions[i], 1, sizes[2][i]};
        rows[3][i] = (SinkRow){scores[i], 1, sizes[3][i]};
    }
    for (int c = 0; c < 3; c++)
        need(h5_sink_put(s, c, batch, rows[c], n));
    if (batch == 2) {
        need(h5_sink_put(s, 3, batch, rows[3], n));
    } else {
        int64_t flat[BATCH][2];
        for (int64_t i = 0; i < n; i++)
            memcpy(flat[i], scores[i], 16);
        need(row_writer_write(w, 3, batch * BATCH, n, flat));
    }
    need(row_writer_mark(w, batch, BATCH_DONE));
}

static H5Block read_column(H5Source *f, const char *path, DType dtype)
{
    H5Column *c;
    H5Block b = {0};
    need(h5_column_open(f, str_of(path), NULL, &c));
    assert_true(h5_column_info(c)->ragged);
    assert_int_equal(h5_column_info(c)->dtype, dtype);
    assert_int_equal(h5_column_info(c)->rows, ROWS);
    need(h5_column_read(c, 0, ROWS, &b));
    h5_column_close(c);
    return b;
}

static void check_loose(int64_t failed)
{
    H5Source *f;
    need(h5_source_open(thread, file, &f));
    check_attr(f, "complete", "true");
    check_attr(f, "model", attrs[0].text);
    H5Block boxes = read_column(f, "/boxes", DT_F32), masks = read_column(f, "/masks", DT_F32),
            score = read_column(f, "/score", DT_I64);
    Arena arena = {0};
    Str captions[ROWS];
    need(h5_source_read_text(f, "/caption", 0, ROWS, &arena, captions));
    for (int64_t r = 0; r < ROWS; r++) {
        bool skip = r / BATCH == failed;
        char want[16];
        snprintf(want, skip || r == 7 ? 1 : sizeof want, "row %d", (int)r);
        assert_true(str_is(captions[r], want));
        assert_int_equal(boxes.row_shape[2 * r], skip ? 0 : r % 3);
        assert_int_equal(boxes.row_shape[2 * r + 1], 4);
        for (int k = 0; k < boxes.row_shape[2 * r] * 4; k++)
            assert_true(*(float *)(void *)((char *)boxes.data + boxes.row_offset[r] + 4 * k) == (float)(r * 12 + k));
        assert_int_equal(masks.row_shape[2 * r], skip ? 0 : r % 2 + 1);
        assert_int_equal(masks.row_shape[2 * r + 1], skip ? 0 : r % 3);
        for (int k = 0; k < masks.row_shape[2 * r] * masks.row_shape[2 * r + 1]; k++) {
            uint32_t bits = (uint32_t)(0x3f80 + r) << 16;
            assert_memory_equal((char *)masks.data + masks.row_offset[r] + 4 * k, &bits, 4);
        }
        assert_int_equal(score.row_shape[r], r >= 10 && r < 14 ? 3 : 2);
        for (int k = 0; k < score.row_shape[r]; k++)
            assert_int_equal(*(int64_t *)(void *)((char *)score.data + score.row_offset[r] + 8 * k),
                             skip ? 0 : r * 10 + k);
    }
    arena_free(&arena);
    h5_block_free(&boxes);
    h5_block_free(&masks);
    h5_block_free(&score);
    h5_source_close(f);
}

static void test_ragged(void **state)
{
    (void)state;
    SinkPlan plan = plan_of(loose, 4);
    H5Sink *s;
    need(h5_sink_create(thread, &plan, &s));
    RowWriter *w = writer_of(s);
    assert_int_equal(row_writer_write(w, 0, 0, 1, ""), ST_INTERNAL);
    static const int order[] = {4, 2, 0, 3};
    for (int i = 0; i < 4; i++)
        put_batch(s, w, order[i]);
    put_batch(s, w, 4); // repeated: replaces
    need(h5_sink_error(s, 1, BATCH, "failed"));
    need(row_writer_fill(w, 3, BATCH, BATCH));
    need(row_writer_mark(w, 1, BATCH_FAILED));
    need(row_writer_close(w));
    need(h5_sink_finish(s));
    h5_sink_close(s);
    check_loose(1);
    assert_int_not_equal(access(part, F_OK), 0);
    unlink(file);
}

static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*size + 1);
    assert_int_equal(fread(p, 1, *size, f), *size);
    fclose(f);
    return p;
}

static void spit(const char *path, const char *p, size_t size)
{
    unlink(path); // some file systems flush a file that is cut and written again
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, size, f), size);
    fclose(f);
}

// A journal cut at any byte, or with any byte changed, costs the batches it no longer holds and nothing else.
static void test_torn_journal(void **state)
{
    (void)state;
    enum { N = 3 };
    const SinkColumn columns[] = {loose[0], loose[2]};
    SinkPlan plan = plan_of(columns, 2);
    plan.rows = N;
    plan.batch_size = 1;
    H5Sink *s;
    need(h5_sink_create(thread, &plan, &s));
    RowWriter *w = writer_of(s);
    size_t ends[N], size, h5_size;
    struct stat info;
    for (int64_t b = 0; b < N; b++) {
        need(h5_sink_put(s, 0, b, &(SinkRow){(float[]){1}, 2, (int64_t[]){1, 1}}, 1));
        need(h5_sink_put(s, 1, b, &(SinkRow){"abc", 1, (int64_t[]){3}}, 1));
        need(row_writer_mark(w, b, BATCH_DONE));
        assert_int_equal(stat(part, &info), 0);
        ends[b] = (size_t)info.st_size;
    }
    need(row_writer_close(w));
    h5_sink_close(s);
    char *journal = slurp(part, &size), *h5 = slurp(file, &h5_size);
    for (size_t cut = 16; cut <= size; cut++) {
        spit(part, journal, cut);
        need(h5_sink_resume(thread, file, attrs, ATTRS, &s));
        for (int b = 0; b < N; b++)
            assert_int_equal(h5_sink_map(s)[b], cut >= ends[b] ? BATCH_DONE : BATCH_MISSING);
        h5_sink_close(s);
    }
    for (size_t at = 16; at < size; at++) {
        spit(part, journal, size);
        FILE *f = fopen(part, "r+b");
        fseek(f, (long)at, SEEK_SET);
        fputc(journal[at] ^ 64, f);
        fclose(f);
        need(h5_sink_resume(thread, file, attrs, ATTRS, &s));
        for (int b = 0; b < N; b++)
            assert_int_equal(h5_sink_map(s)[b], at >= ends[b] ? BATCH_DONE : BATCH_MISSING);
        h5_sink_close(s);
    }
    journal[9] ^= 1; // another run's
    spit(part, journal, size);
    refused(h5_sink_resume(thread, file, attrs, ATTRS, &s), ST_BAD_DATA, "another run");
    unlink(part);
    need(h5_sink_resume(thread, file, attrs, ATTRS, &s));
    assert_memory_equal(h5_sink_map(s), ((uint8_t[N]){0}), N);
    h5_sink_close(s);
    for (size_t cut = 0; cut < h5_size; cut += 41) { // a cut output is refused
        spit(file, h5, cut);
        assert_int_equal(h5_sink_resume(thread, file, attrs, ATTRS, &s), ST_BAD_DATA);
    }
    free(journal);
    free(h5);
    unlink(file);
}

static void test_resumed_ragged_is_the_same(void **state)
{
    (void)state;
    SinkPlan plan = plan_of(loose, 4);
    H5Sink *s;
    need(h5_sink_create(thread, &plan, &s));
    RowWriter *w = writer_of(s);
    put_batch(s, w, 2);
    put_batch(s, w, 4);
    need(row_writer_close(w));
    h5_sink_close(s);
    need(h5_sink_resume(thread, file, attrs, ATTRS, &s));
    assert_memory_equal(h5_sink_map(s), ((uint8_t[]){0, 0, 1, 0, 1}), 5);
    assert_int_equal(h5_sink_column(s, 0)->ndim, 2);
    w = writer_of(s);
    for (int b = 3; b >= 0; b -= b == 3 ? 2 : 1)
        put_batch(s, w, b);
    need(row_writer_close(w));
    need(h5_sink_finish(s));
    h5_sink_close(s);
    check_loose(-1);
    unlink(file);
}

static void test_mistakes(void **state)
{
    (void)state;
    SinkPlan plan = plan_of(fixed, FIXED);
    H5Sink *s;
    char missing[200];
    snprintf(missing, sizeof missing, "%s/no/out.h5", dir);
    plan.path = missing;
    refused(h5_sink_check(missing, false, false), ST_IO, "No such file");
    refused(h5_sink_create(thread, &plan, &s), ST_IO, "No such file");
    refused(h5_sink_check(missing, false, true), ST_IO, "nothing to resume");
    refused(h5_sink_check(dir, true, false), ST_IO, "directory");
    plan.path = file;
    SinkColumn huge = {.path = "/x", .dtype = DT_F64, .ndim = 2, .shape = {1LL << 40, 1LL << 20}};
    plan.columns = &huge;
    plan.column_count = 1;
    refused(h5_sink_create(thread, &plan, &s), ST_IO, "too many elements");
    huge = (SinkColumn){.path = "/x", .dtype = DT_F64, .ndim = 1, .shape = {1LL << 44}}; // 3 PiB
    refused(h5_sink_create(thread, &plan, &s), ST_IO, "out.h5: ");
    huge = (SinkColumn){.path = "/x", .dtype = DT_QI8};
    refused(h5_sink_create(thread, &plan, &s), ST_UNSUPPORTED, "qint8");
    SinkColumn twice[] = {{.path = "/x", .dtype = DT_F64}, {.path = "/x/y", .dtype = DT_F64}};
    plan.columns = twice;
    plan.column_count = 2;
    assert_int_equal(h5_sink_create(thread, &plan, &s), ST_IO);
    assert_int_not_equal(access(file, F_OK), 0);
    spit(file, "nothing of the kind", 19);
    refused(h5_sink_resume(thread, file, attrs, ATTRS, &s), ST_BAD_DATA, "not an HDF5 file");
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_finish), cmocka_unit_test(test_resume),
        cmocka_unit_test(test_ragged),           cmocka_unit_test(test_torn_journal),
        cmocka_unit_test(test_mistakes),         cmocka_unit_test(test_resumed_ragged_is_the_same),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
