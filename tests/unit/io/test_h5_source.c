// HDF5 input: every stored form gives the values that were written, through single reads and through read-ahead.
// Files are made here with the HDF5 library itself; the expected values are a formula of the index.
#include "io/h5_reader.h"

#include <hdf5.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static H5Thread *thread;
static char dir[64], file[128];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_h5_source.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/data.h5", dir);
    return h5_thread_start(&thread) == ST_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    h5_thread_stop(thread);
    unlink(file);
    rmdir(dir);
    return 0;
}

static void need(Status st)
{
    if (st != ST_OK)
        fail_msg("%s: %s", status_name(st), status_message());
}

// What a made file holds; run on the H5Thread.
typedef struct Make {
    hid_t type, memory;
    int ndim;
    hsize_t shape[4], chunk[4];
    bool chunked, shuffle, deflate, fletcher, leave_empty;
    const void *values;
} Make;

static void put(hid_t at, const char *path, const Make *m)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(m->ndim, m->shape, NULL);
    if (m->chunked)
        H5Pset_chunk(plist, m->ndim, m->chunk);
    if (m->shuffle)
        H5Pset_shuffle(plist);
    if (m->deflate)
        H5Pset_deflate(plist, 4);
    if (m->fletcher)
        H5Pset_fletcher32(plist);
    int32_t fill = 7;
    if (m->leave_empty)
        H5Pset_fill_value(plist, H5T_NATIVE_INT32, &fill);
    hid_t d = H5Dcreate2(at, path, m->type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(d >= 0);
    if (!m->leave_empty)
        assert_true(H5Dwrite(d, m->memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, m->values) >= 0);
    H5Dclose(d);
    H5Sclose(space);
    H5Pclose(plist);
}

typedef struct MakeFile {
    void (*fill)(hid_t file, void *arg);
    void *arg;
} MakeFile;

static Status make_job(void *arg)
{
    MakeFile *m = arg;
    hid_t f = H5Fcreate(file, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(f >= 0);
    m->fill(f, m->arg);
    assert_true(H5Fclose(f) >= 0);
    return ST_OK;
}

static void make(void (*fill)(hid_t, void *), void *arg)
{
    MakeFile m = {fill, arg};
    need(h5_run(thread, make_job, &m));
}

static void fill_one(hid_t f, void *arg)
{
    put(f, "/x", arg);
}

static H5Source *open_source(void)
{
    H5Source *s;
    need(h5_source_open(thread, file, &s));
    return s;
}

// ---- stored forms ----

enum { ROWS = 100, A = 7, B = 5 };

static int32_t value_at(int64_t row, int a, int b)
{
    return (int32_t)(row * 1000 + a * 10 + b - 50000);
}

static void check_ranges(H5Column *c, int64_t batch)
{
    H5Reader *r;
    need(h5_reader_open(thread, &c, 1, 3, &r));
    for (int64_t first = 0; first < ROWS; first += batch)
        need(h5_reader_push(r, first, first + batch < ROWS ? batch : ROWS - first, first / batch));
    h5_reader_finish(r);
    H5Batch *got;
    int64_t seen = 0;
    for (need(h5_reader_next(r, &got)); got; need(h5_reader_next(r, &got))) {
        assert_int_equal(got->first, seen);
        assert_int_equal(got->tag, seen / batch);
        const int32_t *v = got->columns[0].data;
        assert_int_equal((uintptr_t)v % 64, 0);
        for (int64_t i = 0; i < got->count * A * B; i++)
            assert_int_equal(v[i], value_at(got->first + i / (A * B), (int)(i / B % A), (int)(i % B)));
        seen += got->count;
        h5_reader_release(r, got);
    }
    assert_int_equal(seen, ROWS);
    assert_int_equal(h5_reader_stats(r).batch_bytes, ROWS * A * B * 4);
    h5_reader_close(r);
}

static void check_form(const Make *form)
{
    static int32_t values[ROWS * A * B];
    for (int i = 0; i < ROWS * A * B; i++)
        values[i] = value_at(i / (A * B), i / B % A, i % B);
    Make m = *form;
    m.memory = H5T_NATIVE_INT32;
    m.ndim = 3;
    memcpy(m.shape, (hsize_t[4]){ROWS, A, B}, sizeof m.shape);
    m.values = values;
    make(fill_one, &m);
    H5Source *s = open_source();
    H5Column *c;
    need(h5_column_open(s, STR("x"), &(Transform){.cast = DT_I32}, &c));
    const H5ColumnInfo *info = h5_column_info(c);
    assert_int_equal(info->rows, ROWS);
    assert_int_equal(info->dtype, DT_I32);
    assert_int_equal(info->row_bytes, A * B * 4);
    check_ranges(c, 7);
    check_ranges(c, 1);
    check_ranges(c, 64);
    check_ranges(c, ROWS);
    h5_column_close(c);
    h5_source_close(s);
}

static void test_contiguous(void **state)
{
    (void)state;
    check_form(&(Make){.type = H5T_STD_I32LE});
    check_form(&(Make){.type = H5T_STD_I32BE});
    check_form(&(Make){.type = H5T_STD_I64BE});
    check_form(&(Make){.type = H5T_IEEE_F64LE});
}

static void test_chunked(void **state)
{
    (void)state;
    for (int form = 0; form < 16; form++)
        check_form(&(Make){.type = form & 8 ? H5T_STD_I32BE : H5T_STD_I32LE,
                           .chunked = true,
                           .chunk = {8, 4, 3},
                           .shuffle = form & 1,
                           .deflate = form & 2,
                           .fletcher = form & 4});
    check_form(&(Make){.type = H5T_STD_I32LE, .chunked = true, .chunk = {16, A, B}, .shuffle = true, .deflate = true});
    check_form(&(Make){.type = H5T_STD_I32LE, .chunked = true, .chunk = {ROWS, A, 2}, .deflate = true});
    check_form(&(Make){.type = H5T_STD_I64LE, .chunked = true, .chunk = {1, 1, 1}, .deflate = true});
}

static void test_unwritten_chunks(void **state)
{
    (void)state;
    Make m = {.type = H5T_STD_I32BE,
              .ndim = 2,
              .shape = {20, 3},
              .chunked = true,
              .chunk = {4, 2},
              .deflate = true,
              .leave_empty = true};
    make(fill_one, &m);
    H5Source *s = open_source();
    H5Column *c;
    H5Block b = {0};
    need(h5_column_open(s, STR("/x"), NULL, &c));
    need(h5_column_read(c, 3, 10, &b));
    assert_int_equal(b.size, 10 * 3 * 4);
    for (int i = 0; i < 30; i++)
        assert_int_equal(((int32_t *)b.data)[i], 7);
    h5_block_free(&b);
    h5_column_close(c);
    h5_source_close(s);
}

// Several lanes share the chunks that batches have in common.
typedef struct Lane {
    H5Reader *r;
    int64_t sum;
} Lane;

static void *lane_main(void *arg)
{
    Lane *l = arg;
    H5Batch *b;
    while (h5_reader_next(l->r, &b) == ST_OK && b) {
        for (size_t i = 0; i < b->columns[0].size / 4; i++)
            l->sum += ((int32_t *)b->columns[0].data)[i];
        h5_reader_release(l->r, b);
    }
    return NULL;
}

static void test_lanes(void **state)
{
    (void)state;
    enum { N = 5000, LANES = 4 };
    static int32_t values[N];
    int64_t sum = 0;
    for (int i = 0; i < N; i++)
        sum += values[i] = i * 3 - 70;
    Make m = {.type = H5T_STD_I32LE,
              .memory = H5T_NATIVE_INT32,
              .ndim = 1,
              .shape = {N},
              .chunked = true,
              .chunk = {100},
              .shuffle = true,
              .deflate = true,
              .values = values};
    make(fill_one, &m);
    H5Source *s = open_source();
    H5Column *c;
    need(h5_column_open(s, STR("/x"), NULL, &c));
    H5Reader *r;
    need(h5_reader_open(thread, &c, 1, 8, &r));
    Lane lanes[LANES];
    pthread_t threads[LANES];
    for (int i = 0; i < LANES; i++) {
        lanes[i] = (Lane){r, 0};
        pthread_create(&threads[i], NULL, lane_main, &lanes[i]);
    }
    for (int i = 0; i < N; i += 30)
        need(h5_reader_push(r, i, i + 30 < N ? 30 : N - i, i));
    h5_reader_finish(r);
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        sum -= lanes[i].sum;
    }
    assert_int_equal(sum, 0);
    h5_reader_close(r);
    h5_column_close(c);
    h5_source_close(s);
}

static void test_cancel(void **state)
{
    (void)state;
    static const int32_t values[64];
    Make m = {.type = H5T_STD_I32LE,
              .memory = H5T_NATIVE_INT32,
              .ndim = 1,
              .shape = {64},
              .chunked = true,
              .chunk = {8},
              .values = values};
    make(fill_one, &m);
    H5Source *s = open_source();
    H5Column *c;
    H5Reader *r;
    H5Batch *b;
    need(h5_column_open(s, STR("/x"), NULL, &c));
    need(h5_reader_open(thread, &c, 1, 2, &r));
    for (int i = 0; i < 64; i++)
        need(h5_reader_push(r, i, 1, i));
    need(h5_reader_next(r, &b));
    assert_non_null(b);
    h5_reader_release(r, b);
    h5_reader_cancel(r);
    need(h5_reader_next(r, &b));
    assert_null(b);
    h5_reader_close(r);
    h5_column_close(c);
    h5_source_close(s);
}

// ---- element types ----

static hid_t h5py_bool(void)
{
    hid_t t = H5Tenum_create(H5T_STD_I8LE);
    signed char v = 0;
    H5Tenum_insert(t, "FALSE", &v);
    v = 1;
    H5Tenum_insert(t, "TRUE", &v);
    return t;
}

static hid_t h5py_complex(hid_t part)
{
    size_t size = H5Tget_size(part);
    hid_t t = H5Tcreate(H5T_COMPOUND, 2 * size);
    H5Tinsert(t, "r", 0, part);
    H5Tinsert(t, "i", size, part);
    return t;
}

static hid_t half(void)
{
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(t, 15, 10, 5, 0, 10);
    H5Tset_size(t, 2);
    H5Tset_ebias(t, 15);
    return t;
}

static void fill_types(hid_t f, void *arg)
{
    (void)arg;
    hid_t boolean = h5py_bool(), complex_le = h5py_complex(H5T_IEEE_F32LE), complex_be = h5py_complex(H5T_IEEE_F32BE);
    hid_t f16 = half();
    put(f, "bool", &(Make){.type = boolean, .memory = boolean, .ndim = 1, .shape = {3}, .values = (int8_t[]){1, 0, 1}});
    put(f, "c_le",
        &(Make){.type = complex_le, .memory = complex_le, .ndim = 1, .shape = {2}, .values = (float[]){1, 2, 3, -4}});
    put(f, "c_be",
        &(Make){.type = complex_be, .memory = complex_le, .ndim = 1, .shape = {2}, .values = (float[]){1, 2, 3, -4}});
    put(f, "half",
        &(Make){
            .type = f16, .memory = H5T_NATIVE_FLOAT, .ndim = 1, .shape = {3}, .values = (float[]){1.5f, -2, 65504}});
    put(f, "u64",
        &(Make){.type = H5T_STD_U64BE,
                .memory = H5T_NATIVE_UINT64,
                .ndim = 1,
                .shape = {1},
                .values = (uint64_t[]){UINT64_MAX}});
    H5Tclose(boolean);
    H5Tclose(complex_le);
    H5Tclose(complex_be);
    H5Tclose(f16);
    hid_t g = H5Gcreate2(f, "/deep", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put(g, "u8",
        &(Make){
            .type = H5T_STD_U8LE, .memory = H5T_NATIVE_UINT8, .ndim = 2, .shape = {2, 2}, .values = (uint8_t[4]){1}});
    H5Gclose(g);
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    H5Tset_cset(text, H5T_CSET_UTF8);
    put(f, "text",
        &(Make){.type = text, .memory = text, .ndim = 1, .shape = {2}, .values = (const char *[]){"caf\xc3\xa9", ""}});
    hid_t scalar = H5Screate(H5S_SCALAR), d = H5Dcreate2(f, "scalar", H5T_NATIVE_INT, scalar, 0, 0, 0);
    H5Dclose(d);
    hid_t a = H5Acreate2(f, "note", text, scalar, 0, 0);
    assert_true(H5Awrite(a, text, (const char *[]){"hello"}) >= 0);
    H5Aclose(a);
    H5Sclose(scalar);
    H5Tclose(text);
    put(f, "none",
        &(Make){.type = H5T_STD_I32LE, .memory = H5T_NATIVE_INT32, .ndim = 2, .shape = {0, 3}, .values = ""});
}

static void check_bytes(H5Source *s, const char *path, DType dtype, const void *want, size_t size)
{
    H5Column *c;
    H5Block b = {0};
    need(h5_column_open(s, str_of(path), NULL, &c));
    assert_int_equal(h5_column_info(c)->dtype, dtype);
    need(h5_column_read(c, 0, h5_column_info(c)->rows, &b));
    assert_int_equal(b.size, size);
    assert_memory_equal(b.data, want, size);
    h5_block_free(&b);
    h5_column_close(c);
}

static void refuse(H5Source *s, const char *path, Status want, const char *part)
{
    H5Column *c;
    assert_int_equal(h5_column_open(s, str_of(path), NULL, &c), want);
    if (!strstr(status_message(), part))
        fail_msg("'%s' is not in: %s", part, status_message());
}

static void test_types(void **state)
{
    (void)state;
    make(fill_types, NULL);
    H5Source *s = open_source();
    check_bytes(s, "bool", DT_BOOL, (uint8_t[]){1, 0, 1}, 3);
    check_bytes(s, "/c_le", DT_C64, (float[]){1, 2, 3, -4}, 16);
    check_bytes(s, "/c_be", DT_C64, (float[]){1, 2, 3, -4}, 16);
    check_bytes(s, "/half", DT_F16, (uint16_t[]){0x3e00, 0xc000, 0x7bff}, 6);
    check_bytes(s, "/u64", DT_U64, (uint64_t[]){UINT64_MAX}, 8);
    check_bytes(s, "deep/u8", DT_U8, (uint8_t[]){1, 0, 0, 0}, 4);
    refuse(s, "/nothing", ST_BAD_DATA, "  /deep/u8  uint8 [2, 2]\n");
    refuse(s, "/text", ST_BAD_DATA, "strings are not numbers");
    refuse(s, "/scalar", ST_BAD_DATA, "no dimensions");
    refuse(s, "/none", ST_BAD_DATA, "no samples");
    assert_int_equal(h5_source_count(s), 9);
    assert_non_null(h5_source_find(s, STR("deep/u8")));
    assert_null(h5_source_find(s, STR("deep")));

    Arena arena = {0};
    Str texts[2];
    need(h5_source_read_text(s, "/text", 0, 2, &arena, texts));
    assert_true(str_is(texts[0], "caf\xc3\xa9") && texts[1].len == 0);
    assert_int_equal(h5_source_read_text(s, "/text", 1, 2, &arena, texts), ST_BAD_DATA);
    arena_free(&arena);
    Buf note = {0};
    need(h5_source_attr(s, "/", "note", &note));
    assert_string_equal(note.ptr, "hello");
    assert_int_equal(h5_source_attr(s, "/", "absent", &note), ST_BAD_DATA);
    buf_free(&note);

    H5Column *c[2];
    int64_t rows;
    need(h5_column_open(s, STR("/bool"), NULL, &c[0]));
    need(h5_column_open(s, STR("/half"), NULL, &c[1]));
    need(h5_columns_rows(c, 2, &rows));
    assert_int_equal(rows, 3);
    h5_column_close(c[1]);
    need(h5_column_open(s, STR("/c_le"), NULL, &c[1]));
    assert_int_equal(h5_columns_rows(c, 2, &rows), ST_BAD_DATA);
    h5_column_close(c[0]);
    h5_column_close(c[1]);
    h5_source_close(s);
}

// ---- what leads out of the file, or nowhere ----

static void fill_links(hid_t f, void *arg)
{
    (void)arg;
    put(f, "/x", &(Make){.type = H5T_STD_I8LE, .memory = H5T_NATIVE_INT8, .ndim = 1, .shape = {1}, .values = "a"});
    hid_t g = H5Gcreate2(f, "/g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(g);
    H5Lcreate_hard(f, "/g", f, "/g/again", H5P_DEFAULT, H5P_DEFAULT); // a cycle
    H5Lcreate_soft("/x", f, "/soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/dangling2", f, "/dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external(file, "/x", f, "/outside", H5P_DEFAULT, H5P_DEFAULT);
    hsize_t one = 1;
    hid_t space = H5Screate_simple(1, &one, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, "/etc/passwd", 0, 1);
    H5Dclose(H5Dcreate2(f, "/raw", H5T_STD_I8LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_virtual(plist, space, "other.h5", "/x", space);
    H5Dclose(H5Dcreate2(f, "/virtual", H5T_STD_I8LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    H5Sclose(space);
}

static void fill_deep(hid_t f, void *arg)
{
    (void)arg;
    char path[400] = "";
    for (int i = 0; i < 70; i++) {
        strcat(path, "/g");
        hid_t g = H5Gcreate2(f, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Gclose(g);
    }
}

static void test_links(void **state)
{
    (void)state;
    make(fill_links, NULL);
    H5Source *s = open_source();
    assert_int_equal(h5_source_count(s), 3); // x, raw, virtual
    check_bytes(s, "/soft", DT_I8, "a", 1);
    refuse(s, "/dangling", ST_BAD_DATA, "no such data set");
    refuse(s, "/outside", ST_BAD_DATA, "link into another file");
    refuse(s, "/raw", ST_BAD_DATA, "in another file");
    refuse(s, "/virtual", ST_BAD_DATA, "virtual");
    refuse(s, "/g", ST_BAD_DATA, "no such data set");
    h5_source_close(s);
    make(fill_deep, NULL);
    assert_int_equal(h5_source_open(thread, file, &s), ST_BAD_DATA);
    assert_non_null(strstr(status_message(), "limit 64"));
}

// ---- ragged ----

static void fill_ragged(hid_t f, void *arg)
{
    const int64_t *offsets = arg;
    hid_t g = H5Gcreate2(f, "/r", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int16_t values[12];
    for (int i = 0; i < 12; i++)
        values[i] = (int16_t)(i * 2);
    put(g, "values",
        &(Make){.type = H5T_STD_I16LE,
                .memory = H5T_NATIVE_INT16,
                .ndim = 2,
                .shape = {6, 2},
                .chunked = true,
                .chunk = {4, 2},
                .deflate = true,
                .values = values});
    put(g, "offsets",
        &(Make){.type = H5T_STD_U32LE, .memory = H5T_NATIVE_INT64, .ndim = 1, .shape = {5}, .values = offsets});
    H5Gclose(g);
    g = H5Gcreate2(f, "/flat", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put(g, "values",
        &(Make){.type = H5T_STD_I16LE, .memory = H5T_NATIVE_INT16, .ndim = 1, .shape = {10}, .values = values});
    put(g, "offsets",
        &(Make){.type = H5T_STD_I64LE,
                .memory = H5T_NATIVE_INT64,
                .ndim = 1,
                .shape = {4},
                .values = (int64_t[]){0, 4, 4, 10}});
    put(g, "shapes",
        &(Make){.type = H5T_STD_I64LE,
                .memory = H5T_NATIVE_INT64,
                .ndim = 2,
                .shape = {3, 2},
                .values = (int64_t[]){2, 2, 0, 9, 3, 2}});
    H5Gclose(g);
}

static void test_ragged(void **state)
{
    (void)state;
    make(fill_ragged, (int64_t[]){0, 2, 2, 5, 6});
    H5Source *s = open_source();
    assert_int_equal(h5_source_count(s), 2);
    H5Column *c;
    H5Block b = {0};
    need(h5_column_open(s, STR("/r"), &(Transform){.cast = DT_F32}, &c));
    const H5ColumnInfo *info = h5_column_info(c);
    assert_true(info->ragged && info->rows == 4 && info->ndim == 3 && info->shape[1] == -1 && info->shape[2] == 2);
    need(h5_column_read(c, 1, 3, &b));
    assert_int_equal(b.count, 3);
    assert_int_equal(b.row_ndim, 2);
    assert_memory_equal(b.row_shape, ((int64_t[]){0, 2, 3, 2, 1, 2}), 6 * 8);
    assert_memory_equal(b.row_offset, ((int64_t[]){0, 0, 24, 32}), 4 * 8);
    for (int i = 0; i < 8; i++)
        assert_float_equal(((float *)b.data)[i], (i + 4) * 2, 0);
    h5_column_close(c);
    need(h5_column_open(s, STR("/flat"), NULL, &c));
    need(h5_column_read(c, 0, 3, &b));
    assert_memory_equal(b.row_shape, ((int64_t[]){2, 2, 0, 9, 3, 2}), 6 * 8);
    assert_memory_equal(b.row_offset, ((int64_t[]){0, 8, 8, 20}), 4 * 8);
    h5_column_close(c);
    h5_source_close(s);

    int64_t bad[][5] = {{0, 2, 1, 5, 6}, {0, 2, 2, 5, 7}};
    for (int i = 0; i < 2; i++) {
        make(fill_ragged, bad[i]);
        s = open_source();
        need(h5_column_open(s, STR("/r"), NULL, &c));
        assert_int_equal(h5_column_read(c, 0, 4, &b), ST_BAD_DATA);
        h5_column_close(c);
        h5_source_close(s);
    }
    h5_block_free(&b);
}

// ---- damage ----

static void test_truncated(void **state)
{
    (void)state;
    static int32_t values[3000];
    for (int i = 0; i < 3000; i++)
        values[i] = i * i;
    Make m = {.type = H5T_STD_I32LE,
              .memory = H5T_NATIVE_INT32,
              .ndim = 1,
              .shape = {3000},
              .chunked = true,
              .chunk = {100},
              .deflate = true,
              .values = values};
    make(fill_one, &m);
    char whole[20000];
    FILE *f = fopen(file, "rb");
    size_t size = fread(whole, 1, sizeof whole, f);
    fclose(f);
    for (size_t cut = 0; cut < size; cut += 97) {
        f = fopen(file, "wb");
        fwrite(whole, 1, cut, f);
        fclose(f);
        H5Source *s;
        assert_int_equal(h5_source_open(thread, file, &s), ST_BAD_DATA);
        assert_non_null(strstr(status_message(), file));
    }
    srand(1);
    for (int flip = 0; flip < 300; flip++) { // an error or some value, but no crash
        f = fopen(file, "wb");
        size_t at = (size_t)rand() % size;
        char bit = (char)(1 << rand() % 8);
        whole[at] ^= bit;
        fwrite(whole, 1, size, f);
        whole[at] ^= bit;
        fclose(f);
        H5Source *s;
        H5Column *c;
        if (h5_source_open(thread, file, &s) != ST_OK)
            continue;
        if (h5_column_open(s, STR("/x"), NULL, &c) == ST_OK) {
            H5Block b = {0};
            int64_t rows = h5_column_info(c)->rows;
            if (h5_column_read(c, 0, rows < 3000 ? rows : 3000, &b) != ST_OK)
                assert_non_null(strstr(status_message(), "/x"));
            h5_block_free(&b);
            h5_column_close(c);
        }
        h5_source_close(s);
    }
    H5Source *s;
    unlink(file);
    assert_int_equal(h5_source_open(thread, file, &s), ST_IO);
    assert_int_equal(h5_source_open(thread, dir, &s), ST_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contiguous), cmocka_unit_test(test_chunked), cmocka_unit_test(test_unwritten_chunks),
        cmocka_unit_test(test_lanes),      cmocka_unit_test(test_cancel),  cmocka_unit_test(test_types),
        cmocka_unit_test(test_links),      cmocka_unit_test(test_ragged),  cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
