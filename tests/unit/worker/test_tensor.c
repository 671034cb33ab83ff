// Tensors: allocation, views, copy on write, conversions; the lane's allocator.
#include "worker/allocator.h"
#include "worker/bits.h"
#include "worker/lane.h"
#include "worker/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static Lane *lane;

static int setup(void **state)
{
    (void)state;
    return lane_new(NULL, NULL, &lane) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    AllocatorStats stats = allocator_stats(lane->allocator);
    lane_free(lane);
    return stats.live == 0 ? 0 : -1; // everything was given back
}

static void test_allocator_reuses_and_aligns(void **state)
{
    (void)state;
    Allocator *a;
    assert_int_equal(allocator_new(&a), ST_OK);
    for (size_t bytes = 0; bytes < 100000; bytes = bytes * 5 / 4 + 1) {
        size_t capacity;
        char *p = allocator_take(a, bytes, &capacity);
        assert_non_null(p);
        assert_true(capacity >= bytes && capacity >= 64);
        assert_true(capacity <= (bytes < 1024 ? 1024 : bytes + bytes / 4 + 64));
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, bytes);
        allocator_give(a, p, capacity);
    }
    assert_int_equal(allocator_stats(a).live, 0);
    // The cache is bounded by the peak, not by what was ever asked for.
    for (int i = 1; i < 400; i++) {
        size_t capacity;
        void *p = allocator_take(a, (size_t)i << 20, &capacity);
        assert_non_null(p);
        allocator_give(a, p, capacity);
    }
    assert_true(allocator_stats(a).cached <= allocator_stats(a).peak * 3 / 2 + ((size_t)64 << 20));
    allocator_free(a);
}

static Tensor *iota(int ndim, const int64_t *size)
{
    Tensor *t;
    assert_int_equal(tensor_new(lane, DT_F32, ndim, size, &t), ST_OK);
    for (int64_t i = 0; i < tensor_numel(t); i++)
        ((float *)t->view.data)[i] = (float)i;
    return t;
}

static void test_bad_sizes(void **state)
{
    (void)state;
    Tensor *t;
    int64_t negative[] = {2, -1}, huge[] = {1 << 30, 1 << 30, 1 << 30}, empty[] = {1 << 30, 0, 1 << 30};
    assert_int_equal(tensor_new(lane, DT_F32, 2, negative, &t), ST_RAISED);
    assert_string_equal(status_message(), "RuntimeError: Trying to create tensor with negative dimension -1: [2, -1]");
    assert_int_equal(tensor_new(lane, DT_F32, 3, huge, &t), ST_MEMORY);
    assert_int_equal(tensor_new(lane, DT_F32, 3, empty, &t), ST_OK);
    assert_int_equal(tensor_numel(t), 0);
    tensor_release(t);
}

static void test_views_alias(void **state)
{
    (void)state;
    Tensor *t = iota(2, (int64_t[]){3, 4}), *column;
    assert_int_equal(tensor_view(lane, t, 1, (int64_t[]){3}, (int64_t[]){4}, 1, &column), ST_OK);
    assert_int_equal(t->storage->refs, 2);
    ((float *)t->view.data)[5] = 50;
    IValue item;
    Tensor *second;
    assert_int_equal(tensor_view(lane, column, 0, NULL, NULL, column->offset + 4, &second), ST_OK);
    assert_int_equal(tensor_item(lane, second, &item), ST_OK);
    assert_true(item.tag == TAG_FLOAT && item.as.f == 50);
    assert_int_equal(tensor_item(lane, column, &item), ST_RAISED);
    Tensor *plain;
    assert_int_equal(tensor_contiguous(lane, column, &plain), ST_OK);
    assert_ptr_not_equal(plain, column);
    assert_true(((float *)plain->view.data)[2] == 9);
    tensor_release(t); // the storage stays for the views
    assert_int_equal(second->storage->refs, 2);
    tensor_release(column);
    tensor_release(second);
    tensor_release(plain);
}

// Constant memory is not written: the first write moves every view to a copy, the end of the call moves them back.
static void test_copy_on_write(void **state)
{
    (void)state;
    static const float bytes[6] = {0, 1, 2, 3, 4, 5};
    View v = {.data = (void *)(uintptr_t)bytes, .dtype = DT_F32, .layout = LAYOUT_STRIDED};
    view_set_contiguous(&v, 2, (int64_t[]){2, 3});
    Tensor *t, *row, *late, *gone;
    assert_int_equal(tensor_borrow(lane, &v, sizeof bytes, &t), ST_OK);
    assert_int_equal(tensor_view(lane, t, 1, (int64_t[]){3}, (int64_t[]){1}, 3, &row), ST_OK);
    assert_int_equal(tensor_view(lane, t, 1, (int64_t[]){3}, (int64_t[]){1}, 0, &gone), ST_OK);
    tensor_release(gone);
    assert_int_equal(tensor_make_writable(row), ST_OK);
    ((float *)row->view.data)[0] = 33;
    assert_true(((float *)t->view.data)[3] == 33);
    assert_true(bytes[3] == 3);
    assert_int_equal(tensor_view(lane, t, 1, (int64_t[]){2}, (int64_t[]){3}, 0, &late), ST_OK);
    assert_true(((float *)late->view.data)[3] == 33);
    lane_reset_state(lane);
    assert_ptr_equal(t->view.data, bytes);
    assert_ptr_equal(row->view.data, bytes + 3);
    assert_ptr_equal(late->view.data, bytes);
    // Kept instead: stays private.
    assert_int_equal(tensor_make_writable(t), ST_OK);
    ((float *)t->view.data)[0] = 7;
    lane_keep_state(lane);
    lane_reset_state(lane);
    assert_true(((float *)late->view.data)[0] == 7);
    tensor_release(late);
    tensor_release(row);
    tensor_release(t);
    // A tensor that dies before the call ends.
    assert_int_equal(tensor_borrow(lane, &v, sizeof bytes, &t), ST_OK);
    assert_int_equal(tensor_make_writable(t), ST_OK);
    tensor_release(t);
    lane_reset_state(lane);
}

static void test_conversions(void **state)
{
    (void)state;
    Tensor *t = iota(2, (int64_t[]){2, 2}), *transposed, *ints, *same;
    assert_int_equal(tensor_view(lane, t, 2, (int64_t[]){2, 2}, (int64_t[]){1, 2}, 0, &transposed), ST_OK);
    assert_int_equal(tensor_to_dtype(lane, transposed, DT_I64, &ints), ST_OK);
    assert_int_equal(ints->view.stride[0], 1); // keeps the order in memory, as `to` does
    assert_int_equal(((int64_t *)ints->view.data)[1], 1);
    assert_int_equal(tensor_to_dtype(lane, t, DT_F32, &same), ST_OK);
    assert_ptr_equal(same, t);
    tensor_release(same);
    // Overlapping copy: t = t.T
    assert_int_equal(tensor_copy_into(lane, t, transposed), ST_OK);
    assert_true(((float *)t->view.data)[1] == 2 && ((float *)t->view.data)[2] == 1);
    Tensor *scalar;
    assert_int_equal(tensor_from_scalar(lane, value_float(2.75), DT_I32, &scalar), ST_OK);
    assert_int_equal(*(int32_t *)scalar->view.data, 2);
    assert_int_equal(tensor_copy_into(lane, t, scalar), ST_OK); // broadcasts
    assert_true(((float *)t->view.data)[3] == 2);
    tensor_release(scalar);
    tensor_release(ints);
    tensor_release(transposed);
    tensor_release(t);
}

static void test_datum_round_trip(void **state)
{
    (void)state;
    Arena arena = {0};
    float bytes[4] = {1, 2, 3, 4};
    int64_t size[] = {2, 2};
    Datum *tensor = datum_tensor(&arena, DT_F32, 2, size, bytes), *items[3] = {tensor, tensor, datum_int(&arena, 5)};
    Datum *tuple = datum_list(&arena, DATUM_TUPLE, items, 3), *back;
    ValueMemo *memo = NULL;
    IValue v;
    assert_int_equal(value_from_datum(lane, &memo, tuple, NULL, &v), ST_OK);
    value_memo_free(memo);
    assert_int_equal(v.tag, TAG_TUPLE);
    assert_ptr_equal(v.as.tuple->items[0].as.tensor, v.as.tuple->items[1].as.tensor); // identity is kept
    assert_true(v.as.tuple->items[0].as.tensor->is_constant);
    assert_ptr_equal(v.as.tuple->items[0].as.tensor->view.data, bytes); // borrowed
    assert_int_equal(value_to_datum(&arena, v, &back), ST_OK);
    assert_true(datum_equal(tuple, back));
    value_release(v);
    arena_free(&arena);
}

// A conjugate and its imaginary part: views with bits. Copies have none, and what is copied into one is stored through it.
static void test_bits(void **state)
{
    (void)state;
    Tensor *base, *conj, *imag, *copy, *same;
    IValue number;
    int64_t two[] = {2}, one[] = {1};
    const float values[4] = {1, 2, 3, -4};
    assert_int_equal(tensor_new(lane, DT_C64, 1, two, &base), ST_OK);
    memcpy(base->view.data, values, sizeof values);
    assert_int_equal(tensor_view(lane, base, 1, two, one, 0, &conj), ST_OK);
    conj->bits = TENSOR_CONJ;
    assert_int_equal(tensor_view(lane, conj, 0, NULL, NULL, 1, &imag), ST_OK); // views carry the bits on
    assert_int_equal(imag->bits, TENSOR_CONJ);
    assert_int_equal(tensor_item(lane, imag, &number), ST_OK);
    assert_true(number.as.complex->re == 3 && number.as.complex->im == 4);
    value_release(number);

    assert_int_equal(tensor_contiguous(lane, conj, &same), ST_OK);
    assert_ptr_equal(same, conj);
    assert_int_equal(tensor_to_dtype(lane, conj, DT_C128, &copy), ST_OK);
    const double *d = copy->view.data;
    assert_true(copy->bits == 0 && d[0] == 1 && d[1] == -2 && d[2] == 3 && d[3] == 4);
    assert_int_equal(tensor_copy_into(lane, base, conj), ST_OK); // the same memory
    const float *f = base->view.data;
    assert_true(f[0] == 1 && f[1] == -2 && f[2] == 3 && f[3] == 4);
    tensor_release(copy);
    tensor_release(same);

    // Through the archive's form and back.
    Arena arena = {0};
    Datum *datum;
    ValueMemo *memo = NULL;
    assert_int_equal(value_to_datum(&arena, value_tensor_take(conj), &datum), ST_OK);
    assert_true(datum->tensor->conj && !datum->tensor->neg);
    assert_int_equal(value_from_datum(lane, &memo, datum, NULL, &number), ST_OK);
    assert_int_equal(number.as.tensor->bits, TENSOR_CONJ);
    assert_memory_equal(number.as.tensor->view.data, base->view.data, sizeof values);
    value_release(number);
    value_memo_free(memo);
    arena_free(&arena);
    tensor_release(imag);
    tensor_release(conj);
    tensor_release(base);
}

static void test_flip(void **state)
{
    (void)state;
    Tensor *t;
    int64_t size[] = {2, 2}, stride[] = {0, 1};
    assert_int_equal(tensor_new(lane, DT_U8, 2, size, &t), ST_OK);
    memcpy(t->view.data, (const uint8_t[]){1, 200, 7, 7}, 4);
    memcpy(t->view.stride, stride, sizeof stride);
    t->bits = TENSOR_NEG;
    tensor_flip(t); // each element once, however often it is shown
    assert_memory_equal(t->view.data, ((const uint8_t[]){255, 56, 7, 7}), 4);
    tensor_release(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocator_reuses_and_aligns), cmocka_unit_test(test_bad_sizes),  cmocka_unit_test(test_views_alias),
        cmocka_unit_test(test_copy_on_write),               cmocka_unit_test(test_conversions), cmocka_unit_test(test_datum_round_trip),
        cmocka_unit_test(test_bits),                        cmocka_unit_test(test_flip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
