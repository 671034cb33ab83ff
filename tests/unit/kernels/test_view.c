// Views: contiguity rules as torch states them, byte counts, signatures.
#include "kernels/copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static View make(int ndim, const int64_t *size, const int64_t *stride)
{
    View v = {.dtype = DT_F32};
    view_set_contiguous(&v, ndim, size);
    for (int d = 0; d < ndim && stride; d++)
        v.stride[d] = stride[d];
    return v;
}

static void contiguity(void **state)
{
    (void)state;
    View v = make(4, (int64_t[]){2, 3, 4, 5}, NULL);
    assert_true(view_is_contiguous(&v));
    assert_false(view_is_channels_last(&v));
    assert_int_equal(view_numel(&v), 120);
    assert_int_equal(v.stride[0], 60);
    v = make(4, (int64_t[]){2, 3, 4, 5}, (int64_t[]){60, 1, 15, 3});
    assert_false(view_is_contiguous(&v));
    assert_true(view_is_channels_last(&v));
    v = make(5, (int64_t[]){2, 3, 4, 5, 6}, (int64_t[]){360, 1, 90, 18, 3});
    assert_true(view_is_channels_last(&v));
    v = make(4, (int64_t[]){2, 1, 4, 5}, NULL); // one channel: both
    assert_true(view_is_contiguous(&v));
    assert_true(view_is_channels_last(&v));
    v = make(2, (int64_t[]){1, 5}, (int64_t[]){77, 1}); // the stride of a dimension of size 1 does not count
    assert_true(view_is_contiguous(&v));
    v = make(2, (int64_t[]){0, 5}, (int64_t[]){1, 9});
    assert_true(view_is_contiguous(&v));
    v = make(0, NULL, NULL);
    assert_true(view_is_contiguous(&v));
    assert_int_equal(view_numel(&v), 1);
    v = make(2, (int64_t[]){4, 4}, (int64_t[]){0, 1});
    assert_false(view_is_contiguous(&v));
}

static void bytes(void **state)
{
    (void)state;
    View v = make(2, (int64_t[]){3, 4}, (int64_t[]){10, 2});
    assert_int_equal(view_bytes(&v), (2 * 10 + 3 * 2 + 1) * 4);
    v = make(2, (int64_t[]){3, 0}, NULL);
    assert_int_equal(view_bytes(&v), 0);
    v = make(4, (int64_t[]){1, 3, 2, 2}, NULL);
    v.layout = LAYOUT_BLOCK8;
    assert_int_equal(view_bytes(&v), 8 * 2 * 2 * 4);
}

static void signatures(void **state)
{
    (void)state;
    float a, b;
    View x = make(2, (int64_t[]){3, 4}, NULL), y = x;
    x.data = &a;
    y.data = &b;
    assert_true(view_same_signature(&x, &y));
    assert_true(view_same_shape(&x, &y));
    x.constant = y.constant = true;
    assert_false(view_same_signature(&x, &y));
    y.data = &a;
    assert_true(view_same_signature(&x, &y));
    y.stride[0] = 5;
    assert_false(view_same_signature(&x, &y));
    assert_true(view_same_shape(&x, &y));
    y = make(2, (int64_t[]){3, 4}, NULL);
    y.size[5] = 9; // beyond ndim: not part of it
    x.constant = false;
    assert_true(view_same_signature(&x, &y));
    y.dtype = DT_F64;
    assert_false(view_same_signature(&x, &y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(contiguity), cmocka_unit_test(bytes), cmocka_unit_test(signatures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
