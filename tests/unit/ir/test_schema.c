// Operator signatures: every row of the table parses, prints back, and is found by symbol and by name.
#include "ir/schema.h"

#include <stdio.h>

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

static Arena arena;
static TypeTable *types;
static OpTable *ops;

static void test_every_row(void **state)
{
    (void)state;
    const char *before = "";
    int before_len = 0;
    for (int i = 0; i < op_table_rows(); i++) {
        const char *name = op_table_row_name(i);
        int len = (int)strcspn(name, ".");
        // Rows are grouped by symbol, in the order of the bytes: the lookup is a binary search.
        int c = memcmp(before, name, (size_t)(before_len < len ? before_len : len));
        assert_true(c < 0 || (c == 0 && before_len <= len));
        before = name;
        before_len = len;
        const Schema *s = op_table_find(ops, str_of(name));
        assert_non_null(s);
        assert_int_equal(s->index, i);
        Buf text = {0};
        schema_print(&text, s);
        Schema *again;
        if (schema_parse(&arena, types, arena_str(&arena, buf_view(&text)), &again) != ST_OK)
            fail_msg("%s", status_message());
        assert_int_equal(again->arg_count, s->arg_count);
        for (uint32_t k = 0; k < s->arg_count; k++)
            assert_ptr_equal(again->args[k].type, s->args[k].type);
        buf_free(&text);
    }
    assert_null(op_table_row_name(op_table_rows()));
}

static void test_details(void **state)
{
    (void)state;
    uint32_t n;
    const Schema *const *adds = op_table_overloads(ops, STR("aten::add"), &n);
    assert_true(n > 10);
    const Schema *s = adds[0];
    assert_true(str_is(s->full_name, "aten::add.Tensor") && str_is(s->symbol, "aten::add") && str_is(s->overload, "Tensor"));
    assert_int_equal(s->arg_count, 3);
    assert_true(s->args[2].keyword_only && str_is(s->args[2].name, "alpha"));
    assert_int_equal(s->args[2].default_value->i, 1);
    assert_int_equal(s->effect, EFFECT_PURE);
    s = op_table_find(ops, STR("aten::max_pool2d"));
    assert_int_equal(s->args[1].fixed_size, 2);
    assert_true(s->args[1].broadcasting);
    assert_int_equal(s->args[2].default_value->kind, DATUM_LIST);
    s = op_table_find(ops, STR("aten::add_.Tensor"));
    assert_true(s->args[0].writes && str_is(s->args[0].alias, "a"));
    assert_int_equal(s->effect, EFFECT_WRITES);
    s = op_table_find(ops, STR("aten::max.dim"));
    assert_int_equal(s->return_count, 2);
    assert_true(str_is(s->returns[1].name, "indices"));
    s = op_table_find(ops, STR("aten::format"));
    assert_true(s->vararg);
    op_table_overloads(ops, STR("aten::no_such_operator"), &n);
    assert_int_equal(n, 0);
    assert_null(op_table_find(ops, STR("aten::add.NoSuch")));
}

static void test_bad_text(void **state)
{
    (void)state;
    const char *const bad[] = {"", "f", "f(", "f()", "f(int) ->", "f(int x=) -> int", "f(int x) -> int)", "f(Dict(int) x) -> ()",
                               "f(Nothing x) -> ()", "f(str s=\"a) -> ()", "f(((((((((((((((((((((((int"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Schema *s;
        assert_int_equal(schema_parse(&arena, types, str_of(bad[i]), &s), ST_INTERNAL);
        assert_non_null(strstr(status_message(), "expected"));
    }
}

static void test_defaults(void **state)
{
    (void)state;
    Schema *s;
    assert_int_equal(schema_parse(&arena, types, STR("n::f(int[2] k=3, float p=1, str s=\"a\\nb\", Tensor? t=None, bool b=True) -> ()"), &s), ST_OK);
    assert_int_equal(s->args[0].default_value->count, 2);
    assert_int_equal(s->args[0].default_value->items[1]->i, 3);
    assert_int_equal(s->args[1].default_value->kind, DATUM_FLOAT);
    assert_true(str_is(s->args[2].default_value->s, "a\nb"));
    assert_int_equal(s->args[3].default_value->kind, DATUM_NONE);
    assert_true(s->args[4].default_value->b);
    assert_int_equal(s->return_count, 0);
}

int main(void)
{
    types = type_table_new(&arena);
    ops = op_table_new(&arena, types);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_row), cmocka_unit_test(test_details),
                                       cmocka_unit_test(test_bad_text), cmocka_unit_test(test_defaults)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
