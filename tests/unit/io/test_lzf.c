// LZF: what h5py compressed expands to the same bytes; damaged streams are refused.
#include "io/lzf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// By h5py 3.7: 20 zeros, 0 … 39, then 0 … 4 thirty times.
static const uint8_t stream[] = {1,  0,  0,  224, 10, 0,  31, 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                 13, 14, 15, 16,  17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                 32, 6,  33, 34,  35, 36, 37, 38, 39, 96, 39, 224, 134, 4, 1,  3,  4};

static void test_expand(void **state)
{
    (void)state;
    uint8_t want[210] = {0}, out[210];
    for (int i = 0; i < 40; i++)
        want[20 + i] = (uint8_t)i;
    for (int i = 0; i < 150; i++)
        want[60 + i] = (uint8_t)(i % 5);
    assert_true(lzf_expand(stream, sizeof stream, out, sizeof out));
    assert_memory_equal(out, want, sizeof out);
    assert_false(lzf_expand(stream, sizeof stream, out, sizeof out - 1));
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, stream, cut);
        assert_false(lzf_expand(copy, cut, out, sizeof out));
        free(copy);
    }
    assert_true(lzf_expand(stream, 0, out, 0));
    assert_false(lzf_expand((uint8_t[]){0x20, 0}, 2, out, 3)); // reaches before the start
}

static void test_flips(void **state)
{
    (void)state;
    srand(3);
    for (int i = 0; i < 5000; i++) {
        uint8_t *copy = malloc(sizeof stream), *out = malloc(210);
        memcpy(copy, stream, sizeof stream);
        copy[(size_t)rand() % sizeof stream] = (uint8_t)rand();
        lzf_expand(copy, sizeof stream, out, 210);
        free(copy);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expand), cmocka_unit_test(test_flips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
