// Values: counts, equality, dictionaries.
#include "worker/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

static IValue str(const char *z)
{
    IValue v;
    assert_int_equal(value_str(str_of(z), &v), ST_OK);
    return v;
}

static void test_lists_share_and_release(void **state)
{
    (void)state;
    ListObj *l = list_new(NULL, 0);
    IValue s = str("one");
    for (int i = 0; i < 100; i++)
        assert_int_equal(list_push_take(l, value_retain(s)), ST_OK);
    assert_int_equal(s.as.obj->refs, 101);
    assert_int_equal(l->len, 100);
    value_release(value_list_take(l));
    assert_true(value_unique(s));
    value_release(s);
}

static void test_equality(void **state)
{
    (void)state;
    IValue a, b;
    int64_t three[] = {1, 2, 3};
    assert_int_equal(list_of_ints(three, 3, &a), ST_OK);
    assert_int_equal(list_of_ints(three, 3, &b), ST_OK);
    assert_true(value_equal(a, b));
    assert_false(value_is(a, b));
    assert_true(value_is(a, a));
    b.as.list->items[2] = value_int(4);
    assert_false(value_equal(a, b));
    assert_true(value_equal(value_int(2), value_float(2)));
    assert_false(value_equal(value_none(), value_int(0)));
    assert_false(value_is(value_int(1), value_bool(true)));
    assert_true(value_is(value_none(), value_none()));
    IValue c, d;
    assert_int_equal(value_complex(1, 2, &c), ST_OK);
    assert_int_equal(value_complex(1, 0, &d), ST_OK);
    assert_false(value_equal(c, d));
    assert_true(value_equal(d, value_int(1)));
    value_release(a);
    value_release(b);
    value_release(c);
    value_release(d);
}

static void test_dict_keeps_order_and_finds(void **state)
{
    (void)state;
    DictObj *d = dict_new(NULL, NULL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(dict_set(d, value_int(i * 7919), value_int(i)), ST_OK);
    assert_int_equal(dict_len(d), 1000);
    for (int i = 0; i < 1000; i += 2)
        assert_true(dict_remove(d, value_int(i * 7919)));
    assert_false(dict_remove(d, value_int(0)));
    assert_int_equal(dict_len(d), 500);
    IValue key, value;
    int expected = 1;
    for (uint32_t at = 0; dict_next(d, &at, &key, &value); expected += 2)
        assert_int_equal(value.as.i, expected);
    assert_int_equal(expected, 1001);
    // A key that comes back stands last.
    assert_int_equal(dict_set(d, value_int(0), value_int(-1)), ST_OK);
    for (uint32_t at = 0; dict_next(d, &at, &key, &value);)
        ;
    assert_int_equal(value.as.i, -1);
    for (int i = 0; i < 5000; i++) { // holes are reused
        assert_int_equal(dict_set(d, value_int(-5), value_int(i)), ST_OK);
        assert_true(dict_remove(d, value_int(-5)));
    }
    assert_int_equal(dict_len(d), 501);
    assert_int_equal(dict_get(d, value_int(7919 * 3))->as.i, 3);
    dict_clear(d);
    assert_int_equal(dict_len(d), 0);
    assert_null(dict_get(d, value_int(7919 * 3)));
    value_release(value_dict_take(d));
}

static void test_dict_keys_by_value(void **state)
{
    (void)state;
    DictObj *d = dict_new(NULL, NULL);
    IValue a = str("k"), b = str("k");
    assert_int_equal(dict_set(d, a, value_int(1)), ST_OK);
    assert_int_equal(dict_set(d, b, value_int(2)), ST_OK);
    assert_int_equal(dict_len(d), 1);
    assert_int_equal(dict_get(d, a)->as.i, 2);
    assert_true(value_unique(b)); // the first key is kept
    assert_int_equal(dict_set(d, value_float(0.0), value_int(3)), ST_OK);
    assert_int_equal(dict_get(d, value_float(-0.0))->as.i, 3);
    assert_int_equal(dict_set(d, value_float(NAN), value_int(4)), ST_OK);
    assert_null(dict_get(d, value_float(NAN))); // never matches
    value_release(value_dict_take(d));
    assert_true(value_unique(a));
    value_release(a);
    value_release(b);
}

// Objects that hold each other, and one that is still used.
static void test_objects_that_hold_each_other(void **state)
{
    (void)state;
    ClassDef cls = {.attr_count = 1};
    Object *list = NULL, *a = object_new(&cls), *b = object_new(&cls), *used = object_new(&cls), *gone = object_new(&cls);
    object_list(gone, &list);
    object_list(a, &list);
    object_list(b, &list);
    object_list(used, &list);
    value_release(value_object_take(gone)); // leaves the list
    IValue s = str("held");
    a->slots[0] = value_object_take(b);
    b->slots[0] = value_object_take(a);
    used->slots[0] = value_retain(s);
    assert_true(value_has_object(value_object_take(used)));
    assert_false(value_has_object(s));
    ListObj *l = list_new(NULL, 0);
    assert_int_equal(list_push_take(l, value_int(1)), ST_OK);
    assert_false(value_has_object(value_list_take(l)));
    assert_int_equal(list_push_take(l, value_object_take(used)), ST_OK);
    assert_true(value_has_object(value_list_take(l)));
    objects_forget(&list, true);
    assert_null(list);
    assert_true(value_unique(s)); // what was on the list holds nothing any more
    assert_int_equal(used->head.refs, 1);
    object_list(used, &list);
    objects_forget(&list, false);
    assert_null(list);
    value_release(value_list_take(l));
    value_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_share_and_release),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_dict_keeps_order_and_finds),
        cmocka_unit_test(test_dict_keys_by_value),
        cmocka_unit_test(test_objects_that_hold_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
