// Types: interning, both spellings, subtyping and unification.
// Expectations are PyTorch's rules as torchscript.md §4.2 states them.
#include "ir/type.h"

#include <stdio.h>

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

static Arena arena;
static TypeTable *table;

static const Type *kind(TypeKind k) { return type_of_kind(table, k); }

static void expect_text(const Type *t, const char *ir, const char *python)
{
    Buf b = {0};
    type_print_ir(&b, t);
    buf_char(&b, '\n');
    type_print_python(&b, t);
    buf_char(&b, 0);
    char want[300];
    snprintf(want, sizeof want, "%s\n%s", ir, python);
    assert_string_equal(b.ptr, want);
    buf_free(&b);
}

static void test_interned(void **state)
{
    (void)state;
    const Type *i = kind(TYPE_INT);
    assert_ptr_equal(type_list(table, i), type_list(table, i));
    assert_ptr_not_equal(type_list(table, i), type_list(table, kind(TYPE_FLOAT)));
    const Type *parts[] = {i, kind(TYPE_STR)}, *same[] = {i, kind(TYPE_STR)};
    assert_ptr_equal(type_tuple(table, parts, 2), type_tuple(table, same, 2));
    Str fields[] = {STR("a"), STR("b")};
    assert_ptr_not_equal(type_tuple(table, parts, 2), type_named_tuple(table, STR("P"), fields, parts, 2));
    for (int n = 0; n < 2000; n++) // the table grows
        type_class(table, TYPE_CLASS, arena_printf(&arena, "__torch__.C%d", n), NULL);
    assert_ptr_equal(type_class(table, TYPE_CLASS, STR("__torch__.C7"), NULL), type_class(table, TYPE_CLASS, STR("__torch__.C7"), NULL));
    uint32_t count = 0;
    for (const Type *t; (t = type_by_id(table, count)); count++)
        assert_int_equal(t->id, count);
    assert_true(count > 2000);
    assert_ptr_equal(type_by_id(table, i->id), i);
}

static void test_spelling(void **state)
{
    (void)state;
    const Type *t = kind(TYPE_TENSOR), *i = kind(TYPE_INT), *s = kind(TYPE_STR);
    expect_text(type_list(table, type_optional(table, t)), "Tensor?[]", "List[Optional[Tensor]]");
    expect_text(type_dict(table, s, type_list(table, i)), "Dict(str, int[])", "Dict[str, List[int]]");
    expect_text(type_tuple(table, (const Type *[]){t, i}, 2), "(Tensor, int)", "Tuple[Tensor, int]");
    expect_text(type_tuple(table, NULL, 0), "()", "Tuple[()]");
    expect_text(kind(TYPE_NUMBER), "Scalar", "number");
    expect_text(type_future(table, t), "Future[Tensor]", "Future[Tensor]");
    Str fields[] = {STR("x"), STR("n")};
    expect_text(type_named_tuple(table, STR("__torch__.P"), fields, (const Type *[]){t, i}, 2), "NamedTuple(x : Tensor, n : int)",
                "__torch__.P");
    expect_text(type_class(table, TYPE_ENUM, STR("__torch__.Color"), NULL), "Enum<__torch__.Color>", "__torch__.Color");
}

static void test_unions(void **state)
{
    (void)state;
    const Type *i = kind(TYPE_INT), *f = kind(TYPE_FLOAT), *s = kind(TYPE_STR), *none = kind(TYPE_NONE);
    expect_text(type_union(table, (const Type *[]){s, i, f}, 3), "Union(float, int, str)", "Union[float, int, str]");
    assert_ptr_equal(type_union(table, (const Type *[]){i, none}, 2), type_optional(table, i));
    const Type *with_none = type_union(table, (const Type *[]){s, none, i}, 3);
    expect_text(with_none, "Union(int, NoneType, str)", "Union[int, NoneType, str]");
    assert_ptr_equal(type_without_none(table, with_none), type_union(table, (const Type *[]){i, s}, 2));
    assert_ptr_equal(type_union(table, (const Type *[]){i, f, kind(TYPE_COMPLEX)}, 3), kind(TYPE_NUMBER));
    assert_ptr_equal(type_optional(table, type_optional(table, i)), type_optional(table, i));
    assert_ptr_equal(type_union(table, (const Type *[]){i, i}, 2), i);
}

static void test_subtypes(void **state)
{
    (void)state;
    const Type *i = kind(TYPE_INT), *n = kind(TYPE_NUMBER), *t = kind(TYPE_TENSOR), *none = kind(TYPE_NONE);
    assert_true(type_is_subtype(i, n));
    assert_false(type_is_subtype(kind(TYPE_BOOL), n));
    assert_false(type_is_subtype(n, i));
    assert_true(type_is_subtype(t, type_optional(table, t)));
    assert_true(type_is_subtype(none, type_optional(table, t)));
    assert_false(type_is_subtype(type_optional(table, t), t));
    assert_true(type_is_subtype(type_list(table, i), kind(TYPE_ANY)));
    assert_true(type_is_subtype(type_list(table, i), kind(TYPE_ANY_LIST)));
    assert_false(type_is_subtype(type_list(table, i), type_list(table, n))); // lists can be written to
    const Type *a = type_tuple(table, (const Type *[]){i, t}, 2), *b = type_tuple(table, (const Type *[]){n, t}, 2);
    assert_true(type_is_subtype(a, b));
    assert_false(type_is_subtype(b, a));
    Str fields[] = {STR("x"), STR("y")};
    const Type *named = type_named_tuple(table, STR("P"), fields, (const Type *[]){i, t}, 2);
    assert_true(type_is_subtype(named, a));
    assert_false(type_is_subtype(a, named));
}

static void test_unify(void **state)
{
    (void)state;
    const Type *i = kind(TYPE_INT), *f = kind(TYPE_FLOAT), *t = kind(TYPE_TENSOR), *none = kind(TYPE_NONE);
    assert_null(type_unify(table, i, f, false)); // int and float never become number
    expect_text(type_unify(table, i, f, true), "Union(float, int)", "Union[float, int]");
    assert_ptr_equal(type_unify(table, t, none, false), type_optional(table, t));
    const Type *a = type_tuple(table, (const Type *[]){i, none}, 2), *b = type_tuple(table, (const Type *[]){i, t}, 2);
    assert_ptr_equal(type_unify(table, a, b, false), type_tuple(table, (const Type *[]){i, type_optional(table, t)}, 2));
    assert_null(type_unify(table, type_list(table, i), type_list(table, t), false));
}

int main(void)
{
    table = type_table_new(&arena);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interned), cmocka_unit_test(test_spelling), cmocka_unit_test(test_unions),
        cmocka_unit_test(test_subtypes), cmocka_unit_test(test_unify),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
