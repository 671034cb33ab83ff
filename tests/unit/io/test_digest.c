// Digests: the published values of XXH64, and files of every size class.
#include "io/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
    (void)state;
    assert_int_equal(digest_bytes("", 0, 0), 0xef46db3751d8e999u);
    assert_int_equal(digest_bytes("a", 1, 0), 0xd24ec4f1a98c6e5bu);
    assert_int_equal(digest_bytes("abc", 3, 0), 0x44bc2cf5ad770999u);
    assert_int_equal(digest_bytes("Nobody inspects the spammish repetition", 39, 0), 0xfbcea83c8a378bf1u);
    char text[DIGEST_TEXT];
    digest_model(STR("abc"), text);
    assert_string_equal(text, "xxh64:44bc2cf5ad770999");
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/test_digest.XXXXXX", a[DIGEST_TEXT], b[DIGEST_TEXT];
    int fd = mkstemp(path);
    static const long sizes[] = {0, 1, 3 << 20, 40 << 20};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        assert_int_equal(digest_data(path, a), ST_OK);
        assert_int_equal(digest_data(path, b), ST_OK);
        assert_string_equal(a, b);
        if (!sizes[i])
            continue;
        assert_int_equal(pwrite(fd, "x", 1, sizes[i] - 1), 1); // the last byte is always seen
        assert_int_equal(digest_data(path, b), ST_OK);
        assert_string_not_equal(a, b);
        assert_int_equal(ftruncate(fd, sizes[i] + 1), 0);
        assert_int_equal(digest_data(path, a), ST_OK);
        assert_string_not_equal(a, b);
        assert_int_equal(ftruncate(fd, 0), 0);
    }
    close(fd);
    unlink(path);
    assert_int_equal(digest_data(path, a), ST_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
