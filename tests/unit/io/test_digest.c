// Digests: the published values of XXH64, and files of every size class.
#include "io/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    digest_model(STR("abc"), NULL, NULL, text);
    assert_string_equal(text, "xxh64:44bc2cf5ad770999");
}

typedef struct Passed {
    const char *next;
    int pieces;
} Passed;

static void note_piece(void *ctx, const void *piece, size_t size)
{
    Passed *p = ctx;
    assert_ptr_equal(piece, p->next);
    p->next += size;
    p->pieces++;
}

// A large model is read in pieces, which follow one another and change nothing.
static void test_pieces(void **state)
{
    (void)state;
    size_t size = ((size_t)70 << 20) + 13;
    char *bytes = malloc(size), text[DIGEST_TEXT], whole[DIGEST_TEXT];
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    Passed p = {bytes, 0};
    digest_model((Str){bytes, size}, note_piece, &p, text);
    snprintf(whole, sizeof whole, "xxh64:%016llx", (unsigned long long)digest_bytes(bytes, size, 0));
    assert_string_equal(text, whole);
    assert_int_equal(p.pieces, 3);
    assert_true(p.next <= bytes + size && p.next > bytes + size - 32);
    free(bytes);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_pieces), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
