// Archives: the forms PyTorch and zip tools write open and give their bytes; everything else is refused by name;
// damage of any kind gives an error or the right bytes.
#include "io/archive.h"
#include "resident.h"
#include "zip_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static char code[3000];
static const float weights[] = {1, 2, 3, 4, 5};
static const char empty_tuple[] = "\x80\x02).";

static void need(Status st)
{
    if (st != ST_OK)
        fail_msg("%s: %s", status_name(st), status_message());
}

static void make_code(void)
{
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = (char)('a' + (i / 7 + i * i / 31) % 26);
}

static void name_in(char *out, const char *root, const char *name)
{
    snprintf(out, 100, "%s/%s", root, name);
}

// A minimal archive; every entry in `form`, code deflated if asked for.
static ZipWriter minimal(const char *root, int form, bool zip64)
{
    ZipWriter z = {0};
    char name[100];
    name_in(name, root, "data.pkl");
    zip_text(&z, name, empty_tuple, form & ~ZIP_DEFLATE);
    name_in(name, root, "code/__torch__.py");
    zip_add(&z, name, code, sizeof code, form);
    name_in(name, root, "data/0");
    zip_add(&z, name, weights, sizeof weights, form);
    name_in(name, root, "empty");
    zip_add(&z, name, "", 0, form & ~ZIP_DEFLATE);
    name_in(name, root, "constants.pkl");
    zip_text(&z, name, empty_tuple, form);
    name_in(name, root, "version");
    zip_text(&z, name, "3\n", form & ~ZIP_DEFLATE);
    zip_end(&z, zip64);
    return z;
}

static void check_record(Archive *a, const char *name, const void *want, size_t size, bool mapped)
{
    const ArchiveRecord *r, *again;
    need(archive_read(a, str_of(name), &r));
    assert_int_equal(r->size, size);
    assert_memory_equal(r->data, want, size);
    assert_int_equal(r->mapped, mapped);
    if (mapped)
        assert_ptr_equal(r->data, archive_bytes(a).ptr + r->offset);
    need(archive_read(a, str_of(name), &again));
    assert_ptr_equal(r, again);
}

static void test_forms(void **state)
{
    (void)state;
    static const int forms[] = {0,
                                ZIP_DEFLATE,
                                ZIP_ALIGN | ZIP_DESCRIPTOR,
                                ZIP_ALIGN | ZIP_DESCRIPTOR | ZIP_DEFLATE,
                                ZIP_WIDE | ZIP_DEFLATE,
                                ZIP_WIDE,
                                ZIP_BAD_CRC | ZIP_DEFLATE,
                                ZIP_BAD_CRC | ZIP_DESCRIPTOR};
    for (size_t i = 0; i < 2 * sizeof forms / sizeof forms[0]; i++) {
        int form = forms[i / 2];
        ZipWriter z = minimal(i % 3 ? "archive" : "other name", form, i % 2);
        Archive *a;
        need(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a));
        assert_int_equal(archive_version(a), 3);
        assert_int_equal(archive_count(a), 6);
        assert_true(str_is(archive_at(a, 1)->name, "code/__torch__.py"));
        check_record(a, "data.pkl", empty_tuple, 4, true);
        check_record(a, "code/__torch__.py", code, sizeof code, !(form & ZIP_DEFLATE));
        check_record(a, "data/0", weights, sizeof weights, !(form & ZIP_DEFLATE));
        check_record(a, "empty", "", 0, true);
        if ((form & ZIP_ALIGN) && !(form & ZIP_DEFLATE)) {
            const ArchiveRecord *r;
            need(archive_read(a, STR("data/0"), &r));
            assert_int_equal(r->offset % 64, 0);
        }
        assert_true(archive_has(a, STR("version")));
        assert_false(archive_has(a, STR("versio")));
        const ArchiveRecord *r;
        assert_int_equal(archive_read(a, STR("data/1"), &r), ST_BAD_MODEL);
        assert_non_null(strstr(status_message(), "data/1"));
        archive_close(a);
        zip_free(&z);
    }
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_archive.XXXXXX";
    int fd = mkstemp(path);
    ZipWriter z = minimal("archive", ZIP_ALIGN | ZIP_DESCRIPTOR, true);
    assert_int_equal(write(fd, z.file.ptr, z.file.len), z.file.len);
    Archive *a;
    need(archive_open(path, &a));
    check_record(a, "data/0", weights, sizeof weights, true);
    assert_int_equal(archive_bytes(a).len, z.file.len);
    archive_close(a);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(archive_open(path, &a), ST_BAD_MODEL);
    close(fd);
    unlink(path);
    assert_int_equal(archive_open(path, &a), ST_IO);
    assert_int_equal(archive_open("/", &a), ST_IO);
    assert_null(a);
    zip_free(&z);
}

// Pages of a file are given back; memory that somebody handed in is not touched.
static void test_forgotten_pages(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20 };
    uint8_t *data = malloc(BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 31 + i / 999);
    ZipWriter z = {0};
    zip_text(&z, "m/data.pkl", empty_tuple, 0);
    zip_text(&z, "m/constants.pkl", empty_tuple, 0);
    zip_add(&z, "m/data/0", data, BYTES, ZIP_ALIGN);
    zip_text(&z, "m/version", "3\n", 0);
    zip_end(&z, false);
    char path[] = "/tmp/test_archive.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, z.file.ptr, z.file.len), z.file.len);
    Archive *a;
    const ArchiveRecord *r;
    need(archive_open(path, &a));
    need(archive_read(a, STR("data/0"), &r));
    assert_memory_equal(r->data, data, BYTES);
    size_t before = resident_around(r->data);
    assert_true(before >= BYTES);
    archive_forget_pages(a, data, BYTES); // of another place
    archive_forget_pages(a, r->data, SIZE_MAX);
    archive_forget_pages(a, r->data, 100); // no whole page
    assert_int_equal(resident_around(r->data), before);
    archive_forget_pages(a, r->data, BYTES);
    assert_true(resident_around(r->data) <= before - BYTES + 2 * 65536); // the pages at both ends stay
    assert_memory_equal(r->data, data, BYTES);
    archive_close(a);
    need(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a));
    need(archive_read(a, STR("data/0"), &r));
    archive_forget_pages(a, r->data, BYTES);
    assert_memory_equal(r->data, data, BYTES);
    archive_close(a);
    close(fd);
    unlink(path);
    zip_free(&z);
    free(data);
}

static void refuse_bytes(const void *bytes, size_t size, const char *part)
{
    Archive *a;
    assert_int_equal(archive_open_memory(bytes, size, "m.pt", &a), ST_BAD_MODEL);
    assert_null(a);
    if (!strstr(status_message(), part) || !strstr(status_message(), "m.pt"))
        fail_msg("'%s' is not in: %s", part, status_message());
}

// An archive of records without content; `names` ends with NULL.
static void refuse_records(const char *const *names, const char *part)
{
    ZipWriter z = {0};
    for (; *names; names++)
        zip_text(&z, *names, "x", 0);
    zip_end(&z, false);
    refuse_bytes(z.file.ptr, z.file.len, part);
    zip_free(&z);
}

static void test_other_formats(void **state)
{
    (void)state;
    refuse_bytes("", 0, "not a ZIP archive");
    refuse_bytes("PYTORCH1xxxx", 12, "preview");
    refuse_bytes("abcdPTMFxxxx", 12, "FlatBuffer");
    refuse_bytes("\x80\x02}q", 4, "Python pickle");
    refuse_bytes("\x89HDF\r\n\x1a\nxxxx", 12, "HDF5");
    refuse_bytes("\x1f\x8bxxxx", 6, "gzip");
    refuse_bytes("\x10\0\0\0\0\0\0\0{\"a\":1}", 15, "safetensors");
    refuse_bytes("hello, world, this is no zip file", 33, "central directory");
    refuse_records((const char *[]){"archive/data.pkl", "archive/version", NULL}, "state-dict");
    refuse_records((const char *[]){"archive/data.pkl", "archive/constants.pkl", NULL}, "no record version");
    refuse_records((const char *[]){"archive/version", NULL}, "data.pkl");
    refuse_records((const char *[]){"serialized_exported_program.json", "version", NULL}, "torch.export");
    refuse_records((const char *[]){"version", "serialized_exported_program.json", NULL}, "torch.export");
    refuse_records((const char *[]){"m/archive_format", "m/models/model.json", NULL}, "torch.export");
    refuse_records((const char *[]){"m/model.json", "m/attributes.pkl", NULL}, "1.0 to 1.3");
    refuse_records((const char *[]){"m/.data/ts_code/0/data.pkl", NULL}, "torch.package");
    refuse_records((const char *[]){"data.pkl", "constants.pkl", "version", NULL}, "not in a subdirectory");
    refuse_records((const char *[]){NULL}, "without entries");
}

static void check_version(const char *record, const char *text, Status want, int version)
{
    ZipWriter z = {0};
    zip_text(&z, "m/data.pkl", empty_tuple, 0);
    zip_text(&z, "m/constants.pkl", empty_tuple, 0);
    zip_text(&z, "m/version", "2\n", 0);
    zip_text(&z, record, text, 0);
    zip_end(&z, true);
    Archive *a;
    assert_int_equal(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a), want);
    if (want == ST_OK)
        assert_int_equal(archive_version(a), version);
    archive_close(a);
    zip_free(&z);
}

static void test_versions(void **state)
{
    (void)state;
    check_version("m/.data/version", "10\n", ST_OK, 10);
    check_version("m/.data/version", "1junk", ST_OK, 1);
    check_version("m/other", "", ST_OK, 2);
    check_version("m/.data/version", "11\n", ST_BAD_MODEL, 0);
    check_version("m/.data/version", "0", ST_BAD_MODEL, 0);
    check_version("m/.data/version", "99999999999999999999999", ST_BAD_MODEL, 0);
    check_version("m/.data/version", "", ST_BAD_MODEL, 0);
    check_version("m/.data/version", "v3", ST_BAD_MODEL, 0);
}

static void test_bad_entries(void **state)
{
    (void)state;
    ZipWriter z = minimal("m", ZIP_ENCRYPTED, false);
    refuse_bytes(z.file.ptr, z.file.len, "encrypted");
    zip_free(&z);
    // A directory that promises more than the data give, and less.
    for (int delta = -1; delta <= 1; delta += 2) {
        z = minimal("m", ZIP_DEFLATE, false);
        char *p = z.file.ptr;
        size_t at = 0;
        for (size_t i = 0; i + 46 < z.file.len; i++)
            if (memcmp(p + i, "PK\1\2", 4) == 0 && memcmp(p + i + 46, "m/code", 6) == 0)
                at = i + 24;
        assert_true(at > 0);
        p[at] = (char)(p[at] + delta);
        Archive *a;
        const ArchiveRecord *r;
        need(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a));
        assert_int_equal(archive_read(a, STR("code/__torch__.py"), &r), ST_BAD_MODEL);
        assert_non_null(strstr(status_message(), "code/__torch__.py"));
        archive_close(a);
        memcpy(p + at, "\xff\xff\xff\x7f", 4); // 2 GiB out of a few bytes
        need(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a));
        assert_int_equal(archive_read(a, STR("code/__torch__.py"), &r), ST_BAD_MODEL);
        assert_non_null(strstr(status_message(), "cannot come out"));
        archive_close(a);
        zip_free(&z);
    }
}

// Opens and reads all; whether an error or not, nothing may crash or read outside (the bytes are in their own block).
static void read_all(const char *bytes, size_t size)
{
    char *copy = malloc(size + (size == 0));
    memcpy(copy, bytes, size);
    Archive *a;
    if (archive_open_memory(copy, size, "m.pt", &a) == ST_OK) {
        for (size_t i = 0; i < archive_count(a); i++) {
            const ArchiveRecord *r;
            if (archive_read(a, archive_at(a, i)->name, &r) == ST_OK && r->size)
                assert_true(r->data[0] + r->data[r->size - 1] >= 0);
        }
        archive_close(a);
    } else {
        assert_true(strlen(status_message()) > 0);
    }
    free(copy);
}

static void test_truncation_and_flips(void **state)
{
    (void)state;
    ZipWriter z = minimal("archive", ZIP_DEFLATE | ZIP_DESCRIPTOR | ZIP_ALIGN, true);
    for (size_t size = 0; size < z.file.len; size++) {
        Archive *a;
        char *copy = malloc(size + (size == 0));
        memcpy(copy, z.file.ptr, size);
        assert_int_equal(archive_open_memory(copy, size, "m.pt", &a), ST_BAD_MODEL);
        free(copy);
    }
    srand(20240);
    for (int i = 0; i < 1000; i++) {
        size_t at = (size_t)rand() % z.file.len;
        char was = z.file.ptr[at];
        z.file.ptr[at] = (char)rand();
        read_all(z.file.ptr, z.file.len);
        z.file.ptr[at] = was;
    }
    // Trailing junk is tolerated.
    buf_z(&z.file, "trailing junk");
    Archive *a;
    need(archive_open_memory(z.file.ptr, z.file.len, "m.pt", &a));
    archive_close(a);
    zip_free(&z);
}

int main(void)
{
    make_code();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),         cmocka_unit_test(test_file),
        cmocka_unit_test(test_forgotten_pages),
        cmocka_unit_test(test_other_formats), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_bad_entries),   cmocka_unit_test(test_truncation_and_flips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
