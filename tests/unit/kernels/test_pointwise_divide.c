// Quotients and remainders of integers against the machine's own division: all pairs of 8 bits; of 16 and 32 bits edges
// and quotients next to whole numbers; with every instruction set, with either operand a single number.
#include "kernels/convert.h"
#include "kernels/isa.h"
#include "kernels/pointwise_loops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

typedef int64_t (*Exact)(int64_t x, int64_t y);
static int64_t trunc_of(int64_t x, int64_t y) { return x / y; }
static int64_t floor_of(int64_t x, int64_t y) { return x / y - (x % y != 0 && (x < 0) != (y < 0)); }
static int64_t rest_of(int64_t x, int64_t y) { return x % y; }
static int64_t floor_rest_of(int64_t x, int64_t y) { return x - floor_of(x, y) * y; }
static const struct {
    PwOp op;
    Exact exact;
} OPERATORS[] = {{PW_DIV_TRUNC, trunc_of}, {PW_DIV_FLOOR, floor_of}, {PW_FMOD, rest_of}, {PW_REMAINDER, floor_rest_of}};

enum { MOST = 256 * 256 };

// x[i] / y[i], x[0] / y[i], x[i] / y[0]; what is expected wraps around as the conversion to dtype does.
static void check(DType dtype, const int64_t *x, const int64_t *y, int n)
{
    size_t size = dtype_size(dtype);
    char *a = malloc((size_t)n * size), *b = malloc((size_t)n * size), *out = malloc((size_t)n * size), *want = malloc((size_t)n * size);
    int64_t *exact = malloc((size_t)n * sizeof *exact);
    Converter c;
    uint8_t types[1 + PW_MAX_INPUTS];
    assert_true(a && b && out && want && exact && converter_find(DT_I64, dtype, &c));
    convert_row(&c, a, (int64_t)size, (const char *)x, 8, n);
    convert_row(&c, b, (int64_t)size, (const char *)y, 8, n);
    for (size_t k = 0; k < sizeof OPERATORS / sizeof *OPERATORS; k++)
        for (unsigned scalars = 0; scalars <= 2; scalars++) {
            for (int i = 0; i < n; i++)
                exact[i] = OPERATORS[k].exact(x[scalars & 1 ? 0 : i], y[scalars & 2 ? 0 : i]);
            convert_row(&c, want, (int64_t)size, (const char *)exact, 8, n);
            PwParams p = {.error = NULL};
            pw_loop(OPERATORS[k].op, dtype, types)(out, (const void *const[]){a, b}, n, scalars, &p);
            assert_null(p.error);
            assert_memory_equal(out, want, (size_t)n * size);
        }
    free(a);
    free(b);
    free(out);
    free(want);
    free(exact);
}

static void pairs(void **state)
{
    (void)state;
    static int64_t x[MOST], y[MOST];
    static const DType types[] = {DT_U8, DT_I8, DT_I16, DT_I32};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        int bits = 8 * (int)dtype_size(types[t]), n = 0;
        int64_t least = types[t] == DT_U8 ? 0 : -((int64_t)1 << (bits - 1)), most = ((int64_t)1 << (types[t] == DT_U8 ? 8 : bits - 1)) - 1;
        if (bits == 8) {
            for (int64_t a = least; a <= most; a++)
                for (int64_t b = least; b <= most; b++)
                    if (b) {
                        x[n] = a;
                        y[n++] = b;
                    }
        } else {
            // Multiples of a divisor and their neighbours, as large as they get.
            uint64_t seed = 1;
            while (n < MOST) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                int64_t b = (int64_t)seed >> (64 - bits + n % bits), q = (int64_t)(seed * 2654435761u) >> (64 - bits);
                b = n % 11 == 0 ? least : n % 13 == 0 ? most : n % 7 == 0 ? -1 : b;
                if (b == 0)
                    b = n % 2 ? 1 : -1;
                int64_t a = (n % 3 ? q / b * b : n % 5 ? least : most) + n % 4 - 1;
                x[n] = a < least ? least : a > most ? most : a;
                y[n++] = b;
            }
            x[1] = least;
            y[1] = -1;
        }
        check(types[t], x, y, n);
        for (int few = 1; few < 40; few += 6)
            check(types[t], x + few, y + few, few);
        // The most negative number alone, over everything.
        x[0] = least;
        check(types[t], x, y, n);
    }
}

static void every_isa(void **state)
{
    static const char *const names[] = {"base", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        (void)kernel_limit_isa(names[i]); // oneDNN, of no concern here, is told once
        pairs(state);
    }
}

static void by_zero(void **state)
{
    (void)state;
    static const DType types[] = {DT_U8, DT_I8, DT_I16, DT_I32, DT_I64};
    for (size_t t = 0; t < 5; t++)
        for (size_t k = 0; k < sizeof OPERATORS / sizeof *OPERATORS; k++)
            for (int at = 0; at < 70; at += 23) {
                char a[70 * 8], b[70 * 8], out[70 * 8];
                uint8_t loop_types[1 + PW_MAX_INPUTS];
                for (size_t i = 0; i < sizeof a; i++)
                    a[i] = b[i] = 1;
                for (size_t i = 0; i < dtype_size(types[t]); i++)
                    b[(size_t)at * dtype_size(types[t]) + i] = 0;
                PwParams p = {.error = NULL};
                pw_loop(OPERATORS[k].op, types[t], loop_types)(out, (const void *const[]){a, b}, 70, 0, &p);
                assert_string_equal(p.error, "ZeroDivisionError");
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_isa), cmocka_unit_test(by_zero)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
