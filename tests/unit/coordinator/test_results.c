// Taking results apart: paths, kinds of columns, rows that are missing, what is refused; and packing them for a message.
#include "coordinator/results.h"

#include "worker/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Lane *lane;

static int set_up(void **state)
{
    (void)state;
    static const KernelContext kernels = {.threads = 1};
    return lane_new(&kernels, NULL, &lane) == ST_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    lane_free(lane);
    return 0;
}

// A float32 tensor that counts up from `start`.
static IValue tensor(float start, int ndim, const int64_t *size)
{
    Tensor *t;
    assert_int_equal(tensor_new(lane, DT_F32, ndim, size, &t), ST_OK);
    for (int64_t i = 0; i < tensor_numel(t); i++)
        ((float *)t->view.data)[i] = start + (float)i;
    return value_tensor_take(t);
}

#define TENSOR(start, ...) tensor(start, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__})

static IValue text(const char *s)
{
    IValue v;
    assert_int_equal(value_str(str_of(s), &v), ST_OK);
    return v;
}

static IValue tuple(int n, ...)
{
    TupleObj *t = tuple_new((uint32_t)n, NULL);
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        t->items[i] = va_arg(ap, IValue);
    va_end(ap);
    return (IValue){.tag = TAG_TUPLE, .as.tuple = t};
}

static Status add_batch(Results *r, IValue v, int64_t padded, bool list)
{
    Status s = results_add_batch(r, lane, v, padded, list);
    value_release(v);
    return s;
}

static Status add_row(Results *r, IValue v, int64_t row)
{
    Status s = results_add_row(r, lane, v, row);
    value_release(v);
    return s;
}

static void planned(const Results *r, int at, const char *path, SinkKind kind, DType dtype, int ndim)
{
    SinkColumn columns[H5_SINK_MAX_COLUMNS];
    int count;
    assert_int_equal(results_plan(r, columns, &count), ST_OK);
    assert_true(at < count);
    assert_string_equal(columns[at].path, path);
    assert_int_equal(columns[at].kind, kind);
    if (kind != SINK_TEXT)
        assert_int_equal(columns[at].dtype, dtype);
    assert_int_equal(columns[at].ndim, ndim);
}

static void test_batch(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 3, 12, 4);
    IValue d = {.tag = TAG_DICT, .as.dict = dict_new(NULL, NULL)}, key = text("scores"), value = TENSOR(100, 4);
    assert_int_equal(dict_set(d.as.dict, key, value), ST_OK);
    value_release(key);
    value_release(value);
    assert_int_equal(add_batch(&r, tuple(3, TENSOR(0, 4, 2, 3), value_none(), d), 4, false), ST_OK);
    assert_int_equal(results_finish(&r), ST_OK);
    assert_int_equal(r.column_count, 2);
    planned(&r, 0, "/output/0", SINK_ROWS, DT_F32, 2);
    planned(&r, 1, "/output/2/scores", SINK_ROWS, DT_F32, 0);
    assert_true(((const float *)result_row(&r.columns[0], 2))[0] == 12);
    assert_true(((const float *)result_row(&r.columns[1], 3))[0] == 103);
    results_free(&r);
}

static void test_padding_is_dropped(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 0, 0, 3);
    assert_int_equal(add_batch(&r, TENSOR(0, 8, 2), 8, false), ST_OK);
    assert_int_equal(r.columns[0].filled, 3);
    assert_true(r.columns[0].offset[3] == 3 * 2 * sizeof(float));
    results_free(&r);
}

static void test_not_per_sample(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 0, 0, 4);
    assert_int_equal(add_batch(&r, TENSOR(0, 3, 2), 4, false), ST_BAD_MODEL);
    assert_non_null(strstr(status_message(), "shape [3, 2]"));
    assert_non_null(strstr(status_message(), "--per-sample"));
    assert_int_equal(add_batch(&r, tuple(1, value_float(1.5)), 4, false), ST_BAD_MODEL);
    assert_non_null(strstr(status_message(), "/output/0 is one number"));
    assert_int_equal(add_batch(&r, text("a"), 4, false), ST_BAD_MODEL);
    results_free(&r);
}

static void test_rows(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 0, 0, 3);
    for (int i = 0; i < 3; i++) {
        char word[16];
        snprintf(word, sizeof word, "w%d", i);
        assert_int_equal(add_row(&r, tuple(5, TENSOR((float)i, 2), TENSOR(0, i, 2), value_int(7 * i), text(word), value_bool(i == 1)), i), ST_OK);
    }
    assert_int_equal(results_finish(&r), ST_OK);
    planned(&r, 0, "/output/0", SINK_ROWS, DT_F32, 1);
    planned(&r, 1, "/output/1", SINK_RAGGED, DT_F32, 2);
    planned(&r, 2, "/output/2", SINK_ROWS, DT_I64, 0);
    planned(&r, 3, "/output/3", SINK_TEXT, DT_U8, 1);
    planned(&r, 4, "/output/4", SINK_ROWS, DT_BOOL, 0);
    assert_int_equal(*(const int64_t *)result_row(&r.columns[2], 2), 14);
    assert_memory_equal(result_row(&r.columns[3], 1), "w1", 2);
    assert_true(r.columns[1].shape[2 * 2] == 2 && r.columns[1].shape[1 * 2] == 1);
    results_free(&r);
}

static void test_list_is_rows(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 0, 0, 2);
    ListObj *l = list_new(NULL, 2);
    assert_int_equal(list_push_take(l, TENSOR(0, 1, 4)), ST_OK);
    assert_int_equal(list_push_take(l, TENSOR(9, 3, 4)), ST_OK);
    assert_int_equal(add_batch(&r, tuple(1, value_list_take(l)), 2, true), ST_OK);
    assert_int_equal(results_finish(&r), ST_OK);
    planned(&r, 0, "/output/0", SINK_RAGGED, DT_F32, 2);
    results_free(&r);
    // Without a List[Tensor] argument a list nests like a tuple.
    results_start(&r, 0, 0, 2);
    l = list_new(NULL, 2);
    assert_int_equal(list_push_take(l, TENSOR(0, 2, 4)), ST_OK);
    assert_int_equal(list_push_take(l, TENSOR(9, 2, 4)), ST_OK);
    assert_int_equal(add_batch(&r, value_list_take(l), 2, false), ST_OK);
    planned(&r, 0, "/output/0", SINK_ROWS, DT_F32, 1);
    planned(&r, 1, "/output/1", SINK_ROWS, DT_F32, 1);
    results_free(&r);
}

static void test_rows_that_raised(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 5, 20, 4);
    assert_int_equal(results_add_error(&r, 0, 1, "first"), ST_OK);
    assert_int_equal(add_row(&r, TENSOR(10, 3), 1), ST_OK);
    assert_int_equal(results_add_error(&r, 2, 1, "second"), ST_OK);
    assert_int_equal(add_row(&r, TENSOR(30, 3), 3), ST_OK);
    assert_int_equal(results_finish(&r), ST_OK);
    planned(&r, 0, "/output", SINK_ROWS, DT_F32, 1); // what raised says nothing about the shape
    const uint8_t present[4] = {0, 1, 0, 1};
    assert_memory_equal(r.columns[0].present, present, 4);
    SinkColumn plan = {.path = "/output", .kind = SINK_ROWS, .dtype = DT_F32, .ndim = 1, .shape = {3}};
    assert_true(result_in_place(&r.columns[0], &plan));
    plan.shape[0] = 4;
    assert_false(result_in_place(&r.columns[0], &plan));

    Buf bytes = {0};
    results_pack(&bytes, &r, (const bool[]){true});
    assert_int_equal(buf_status(&bytes), ST_OK);
    Wire w = wire_of(bytes.ptr, bytes.len);
    Results back;
    assert_int_equal(results_unpack(&w, &back), ST_OK);
    assert_true(back.batch == 5 && back.first == 20 && back.count == 4 && back.error_count == 2 && back.column_count == 1);
    assert_string_equal(back.errors[1].message, "second");
    assert_memory_equal(back.columns[0].present, present, 4);
    assert_true(((const float *)result_row(&back.columns[0], 3))[2] == 32);
    results_drop_borrowed(&back);
    // Cut anywhere, it is refused and nothing is read beyond.
    for (size_t len = 0; len < bytes.len; len++) {
        char *cut = malloc(len ? len : 1);
        memcpy(cut, bytes.ptr, len);
        w = wire_of(cut, len);
        assert_int_not_equal(results_unpack(&w, &back), ST_OK);
        results_drop_borrowed(&back);
        free(cut);
    }
    buf_free(&bytes);
    results_free(&r);
}

static void test_samples_that_differ(void **state)
{
    (void)state;
    Results r = {0};
    results_start(&r, 0, 0, 2);
    assert_int_equal(add_row(&r, TENSOR(0, 3), 0), ST_OK);
    assert_int_equal(add_row(&r, value_int(3), 1), ST_UNSUPPORTED);
    results_free(&r);
    results_start(&r, 0, 0, 2);
    assert_int_equal(add_row(&r, tuple(2, TENSOR(0, 3), value_int(1)), 0), ST_OK);
    assert_int_equal(add_row(&r, tuple(2, TENSOR(0, 3), value_none()), 1), ST_OK);
    assert_int_equal(results_finish(&r), ST_OK);
    SinkColumn columns[H5_SINK_MAX_COLUMNS];
    int count;
    assert_int_equal(results_plan(&r, columns, &count), ST_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "/output/1"));
    results_free(&r);
}

static void test_against_a_plan(void **state)
{
    (void)state;
    Results r = {0};
    SinkColumn plan[2] = {{.path = "/output/0", .kind = SINK_ROWS, .dtype = DT_F32, .ndim = 1, .shape = {3}},
                          {.path = "/output/1", .kind = SINK_RAGGED, .dtype = DT_F32, .ndim = 1}};
    results_start(&r, 0, 0, 2);
    assert_int_equal(add_batch(&r, tuple(2, TENSOR(0, 2, 3), TENSOR(0, 2, 5)), 2, false), ST_OK);
    assert_int_equal(results_check(&r, plan, 2), ST_OK);
    assert_int_equal(results_check(&r, plan, 1), ST_UNSUPPORTED); // a result that the plan has not
    plan[0].dtype = DT_I64;
    assert_int_equal(results_check(&r, plan, 2), ST_UNSUPPORTED);
    results_free(&r);
}

static void test_reuse(void **state)
{
    (void)state;
    Results r = {0};
    for (int batch = 0; batch < 3; batch++) {
        results_start(&r, batch, 4 * batch, batch == 2 ? 2 : 4);
        for (int64_t i = 0; i < r.count; i++)
            assert_int_equal(add_row(&r, TENSOR((float)(batch * 100 + i), batch + 1), i), ST_OK);
        assert_int_equal(results_finish(&r), ST_OK);
        assert_int_equal(r.column_count, 1);
        assert_true(((const float *)result_row(&r.columns[0], 1))[0] == (float)(batch * 100 + 1));
        assert_true(r.columns[0].shape[0] == batch + 1);
        results_clear(&r);
    }
    results_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch),           cmocka_unit_test(test_padding_is_dropped), cmocka_unit_test(test_not_per_sample),
        cmocka_unit_test(test_rows),            cmocka_unit_test(test_list_is_rows),       cmocka_unit_test(test_rows_that_raised),
        cmocka_unit_test(test_samples_that_differ), cmocka_unit_test(test_against_a_plan), cmocka_unit_test(test_reuse),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
