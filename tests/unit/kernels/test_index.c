// Indexed reads and writes, positions of true elements, and sorting, against plain loops.
#include "kernels/index.h"
#include "kernels/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static View make(DType dtype, int ndim, const int64_t *size, void *data)
{
    View v = {.dtype = (uint8_t)dtype, .data = data};
    view_set_contiguous(&v, ndim, size);
    return v;
}

// out[i][j] = base[index[i][j]][j], over elements of every size.
static void reads(void **state)
{
    (void)state;
    enum { R = 5, C = 7, K = 3 };
    static const DType types[] = {DT_U8, DT_F16, DT_F32, DT_I64, DT_C128};
    int64_t index[K][C], shape[] = {K, C};
    for (int i = 0; i < K * C; i++)
        index[i / C][i % C] = i * 3 % R - (i % 2 ? R : 0); // half of them negative
    for (int t = 0; t < 5; t++) {
        size_t e = dtype_size(types[t]);
        unsigned char base[R * C * 16], out[K * C * 16 + 16];
        for (size_t i = 0; i < R * C * e; i++)
            base[i] = (unsigned char)(i * 7 + 3);
        memset(out, 0x5a, sizeof out);
        View dense = make(types[t], 2, shape, out), from = make(types[t], 2, shape, base), where = make(DT_I64, 2, shape, index);
        from.stride[0] = 0;
        from.stride[1] = 1;
        IndexPlan plan = {.count = 1, .size = {R}, .step = {C}, .wrap = true};
        const View *indices[] = {&where};
        int which;
        int64_t bad;
        assert_int_equal(index_run(&plan, INDEX_GET, &dense, &from, indices, &which, &bad), ST_OK);
        for (int i = 0; i < K; i++)
            for (int j = 0; j < C; j++) {
                int64_t r = (index[i][j] + R) % R;
                assert_memory_equal(out + (size_t)(i * C + j) * e, base + (size_t)(r * C + j) * e, e);
            }
        assert_int_equal(out[K * C * e], 0x5a);
        plan.wrap = false;
        assert_int_equal(index_run(&plan, INDEX_GET, &dense, &from, indices, &which, &bad), ST_RAISED);
        assert_true(which == 0 && bad < 0);
    }
}

static void writes(void **state)
{
    (void)state;
    float base[4] = {10, 20, 30, 40}, values[4] = {1, 2, 3, 4};
    int64_t index[4] = {1, 3, 1, 0}, n = 4, which_value;
    View dense = make(DT_F32, 1, &n, values), to = make(DT_F32, 1, &n, base), where = make(DT_I64, 1, &n, index);
    to.stride[0] = 0;
    IndexPlan plan = {.count = 1, .size = {4}, .step = {1}, .in_order = true};
    const View *indices[] = {&where};
    int which;
    assert_int_equal(index_run(&plan, INDEX_ADD, &dense, &to, indices, &which, &which_value), ST_OK);
    assert_true(base[0] == 14 && base[1] == 24 && base[2] == 30 && base[3] == 42);
    assert_int_equal(index_run(&plan, INDEX_SET, &dense, &to, indices, &which, &which_value), ST_OK);
    assert_true(base[0] == 4 && base[1] == 3 && base[2] == 30 && base[3] == 2); // the last write stays
    assert_int_equal(index_run(&plan, INDEX_MAX_OF, &dense, &to, indices, &which, &which_value), ST_OK);
    assert_true(base[1] == 3 && base[3] == 2);
    index[2] = 4;
    assert_int_equal(index_run(&plan, INDEX_MUL, &dense, &to, indices, &which, &which_value), ST_RAISED);
    assert_int_equal(which_value, 4);
}

static void true_elements(void **state)
{
    (void)state;
    enum { A = 6, B = 45, C = 41 };
    bool data[A * B * C];
    int64_t size[] = {A, B, C}, found = 0;
    for (int i = 0; i < A * B * C; i++)
        data[i] = i % 11 == 3 || (i > 7000 && i % 2);
    View v = make(DT_BOOL, 3, size, data);
    int64_t stride[] = {B * C, 1, B};
    memcpy(v.stride, stride, sizeof stride); // columns before rows in memory
    int64_t n = count_true(&v), *at = malloc(sizeof *at * (size_t)n * 3);
    true_positions(&v, n, at);
    for (int64_t i = 0; i < A; i++)
        for (int64_t j = 0; j < B; j++)
            for (int64_t k = 0; k < C; k++)
                if (data[i * stride[0] + j * stride[1] + k * stride[2]]) {
                    assert_true(at[found] == i && at[n + found] == j && at[2 * n + found] == k);
                    found++;
                }
    assert_int_equal(found, n);
    free(at);
}

static void rows(void **state)
{
    (void)state;
    float src[2][3][2] = {{{0, 1}, {2, 3}, {4, 5}}, {{6, 7}, {8, 9}, {10, 11}}}, dst[2][2][2];
    int64_t index[] = {2, 0}, bad;
    assert_int_equal(take_rows((char *)dst, (char *)src, 2, 3, 8, index, 2, &bad), ST_OK);
    assert_true(dst[0][0][1] == 5 && dst[0][1][0] == 0 && dst[1][0][0] == 10 && dst[1][1][1] == 7);
    index[1] = -1;
    assert_int_equal(take_rows((char *)dst, (char *)src, 2, 3, 8, index, 2, &bad), ST_RAISED);
    assert_int_equal(bad, -1);
}

// Rows of every length around the switches between methods; stable, NaN on top.
static void sorting(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 2, 15, 16, 17, 33, 100, 2048, 2049, 5000};
    for (int l = 0; l < 10; l++)
        for (int descending = 0; descending < 2; descending++)
            for (int integers = 0; integers < 2; integers++) {
                int64_t n = lengths[l], size[] = {n, 2};
                size_t bytes = sizeof(float) * (size_t)n * 2;
                float *x = malloc(bytes), *y = malloc(bytes);
                int32_t *xi = (int32_t *)x, *yi = (int32_t *)y;
                int64_t *at = malloc(sizeof *at * (size_t)n * 2);
                for (int64_t i = 0; i < n * 2; i++) {
                    int32_t v = (int32_t)((uint64_t)i * 2654435761u % 97) - 48;
                    if (integers)
                        xi[i] = v * 100000;
                    else
                        x[i] = v == 40 ? NAN : v == 0 && i % 3 ? -0.0f : (float)v * 0.5f;
                }
                DType t = integers ? DT_I32 : DT_F32;
                View in = make(t, 2, size, x), out = make(t, 2, size, y), where = make(DT_I64, 2, size, at);
                assert_int_equal(sort_run(&in, 0, descending, n, &out, &where), ST_OK);
                for (int64_t i = 0; i < n; i++)
                    for (int64_t j = 0; j < 2; j++) {
                        assert_memory_equal(&y[i * 2 + j], &x[at[i * 2 + j] * 2 + j], 4);
                        if (i == 0)
                            continue;
                        double a = integers ? yi[i * 2 - 2 + j] : y[i * 2 - 2 + j], b = integers ? yi[i * 2 + j] : y[i * 2 + j];
                        double low = descending ? b : a, high = descending ? a : b;
                        bool equal = low == high || (isnan(low) && isnan(high));
                        assert_true(equal || isnan(high) || low < high);
                        assert_true(!equal || at[i * 2 - 2 + j] < at[i * 2 + j]);
                    }
                free(x);
                free(y);
                free(at);
            }
}

// The first of a row and the one of a given rank are those of the sorted row, whatever method finds them.
static void selecting(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 5, 64, 700, 3000}, kept[] = {1, 2, 16, 128, 129, 700};
    for (int l = 0; l < 5; l++)
        for (int descending = 0; descending < 2; descending++) {
            int64_t n = lengths[l];
            float *x = malloc(sizeof *x * (size_t)n), *y = malloc(sizeof *y * (size_t)n);
            int64_t *all = malloc(sizeof *all * (size_t)n), *at = malloc(sizeof *at * (size_t)n), one;
            for (int64_t i = 0; i < n; i++) {
                int32_t v = (int32_t)((uint64_t)i * 2654435761u % 97) - 48;
                x[i] = v == 40 ? NAN : v == 0 && i % 3 ? -0.0f : (float)v * 0.5f;
            }
            View in = make(DT_F32, 1, &n, x), out = make(DT_F32, 1, &n, y), where = make(DT_I64, 1, &n, all);
            assert_int_equal(sort_run(&in, 0, descending, n, &out, &where), ST_OK);
            for (int k = 0; k < 6 && kept[k] <= n; k++) {
                View some = make(DT_F32, 1, &kept[k], y), places = make(DT_I64, 1, &kept[k], at);
                assert_int_equal(sort_run(&in, 0, descending, kept[k], &some, &places), ST_OK);
                assert_memory_equal(at, all, sizeof *at * (size_t)kept[k]);
                for (int64_t i = 0; i < kept[k]; i++)
                    assert_memory_equal(&y[i], &x[at[i]], 4);
                View value = make(DT_F32, 1, &(int64_t){1}, y), place = make(DT_I64, 1, &(int64_t){1}, &one);
                assert_int_equal(rank_run(&in, 0, kept[k] - 1, &value, &place), ST_OK);
                if (!descending)
                    assert_int_equal(one, all[kept[k] - 1]);
                assert_memory_equal(y, &x[one], 4);
            }
            free(x);
            free(y);
            free(all);
            free(at);
        }
}

static void searching(void **state)
{
    (void)state;
    double sorted[] = {1, 2, 2, 3}, values[] = {0, 2, 9, NAN};
    int64_t left[4], right[4];
    search_sorted(sorted, 4, values, 4, false, left);
    search_sorted(sorted, 4, values, 4, true, right);
    assert_true(left[0] == 0 && left[1] == 1 && left[2] == 4 && left[3] == 4);
    assert_true(right[0] == 0 && right[1] == 3 && right[2] == 4 && right[3] == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(writes), cmocka_unit_test(true_elements),
                                       cmocka_unit_test(rows), cmocka_unit_test(sorting), cmocka_unit_test(selecting),
                                       cmocka_unit_test(searching)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
