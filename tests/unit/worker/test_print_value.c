// Run-time text of values, against what PyTorch 1.13 printed for the same values (str() in a scripted function).
#include "io/base/buf.h"
#include "worker/lane.h"
#include "worker/tensor.h"

#include <math.h>
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
    lane_free(lane);
    return 0;
}

static void check(IValue v, const char *expected)
{
    Buf out = {0};
    value_print(&out, v);
    buf_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    buf_free(&out);
    value_release(v);
}

static void check_tensor(DType dtype, int ndim, const int64_t *size, const double *values, const char *expected)
{
    Tensor *wide, *t;
    assert_int_equal(tensor_new(lane, DT_F64, ndim, size, &wide), ST_OK);
    for (int64_t i = 0; i < tensor_numel(wide); i++)
        ((double *)wide->view.data)[i] = values[i];
    assert_int_equal(tensor_to_dtype(lane, wide, dtype, &t), ST_OK);
    tensor_release(wide);
    check(value_tensor_take(t), expected);
}

#define V(...) (const double[]){__VA_ARGS__}
#define S(...) (const int64_t[]){__VA_ARGS__}

static void test_numbers(void **state)
{
    (void)state;
    check(value_float(1), "1.");
    check(value_float(-0.0), "0.");
    check(value_float(1e10), "10000000000.");
    check(value_float(1e22), "1e+22");
    check(value_float(0.1), "0.10000000000000001");
    check(value_float(1e-7), "9.9999999999999995e-08");
    check(value_float(123456789.123), "123456789.123");
    check(value_float(-INFINITY), "-inf");
    check(value_bool(true), "True");
    check(value_none(), "None");
    IValue c;
    value_complex(1, -2, &c);
    check(c, "1.-2.j");
    value_complex(0.5, 3, &c);
    check(c, "0.5+3.j");
}

static void test_containers(void **state)
{
    (void)state;
    TupleObj *pair = tuple_new(2, NULL), *single = tuple_new(1, NULL);
    pair->items[0] = value_int(1);
    pair->items[1] = value_float(2);
    single->items[0] = value_int(3);
    check(value_tuple_take(pair), "(1, 2.)");
    check(value_tuple_take(single), "(3,)");
    DictObj *d = dict_new(NULL, NULL);
    ListObj *l = list_new(NULL, 2);
    assert_int_equal(list_push_take(l, value_float(1)), ST_OK);
    assert_int_equal(list_push_take(l, value_float(2.5)), ST_OK);
    IValue key;
    value_str(STR("a"), &key);
    assert_int_equal(dict_set(d, key, value_list_take(l)), ST_OK);
    value_release(key);
    value_release(value_list_take(l));
    check(value_dict_take(d), "{a: [1., 2.5]}");
}

static void test_tensors(void **state)
{
    (void)state;
    check_tensor(DT_F32, 0, NULL, V(3.5), "3.5\n[ CPUFloatType{} ]");
    check_tensor(DT_I64, 1, S(3), V(0, 1, 2), " 0\n 1\n 2\n[ CPULongType{3} ]");
    check_tensor(DT_I64, 1, S(2), V(1234567, 2), "1.23457e+06\n       2\n[ CPULongType{2} ]");
    check_tensor(DT_I64, 1, S(2), V(123456789012, 3), " 1.2346e+11\n 3.0000e+00\n[ CPULongType{2} ]");
    check_tensor(DT_BOOL, 1, S(2), V(1, 0), " 1\n 0\n[ CPUBoolType{2} ]");
    check_tensor(DT_F32, 2, S(2, 3), V(1.5410, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986),
                 " 1.5410 -0.2934 -2.1788\n 0.5684 -1.0845 -1.3986\n[ CPUFloatType{2,3} ]");
    check_tensor(DT_F32, 2, S(2, 2), V(0.001, 5, 2, 1e6), " 1.0000e-03  5.0000e+00\n 2.0000e+00  1.0000e+06\n[ CPUFloatType{2,2} ]");
    check_tensor(DT_F32, 1, S(2), V(0.001, 0.002), "0.001 *\n 1.0000\n 2.0000\n[ CPUFloatType{2} ]");
    check_tensor(DT_F32, 2, S(2, 2), V(-4583958.0, -3359880.75, -15699861.0, 12315004.5),
                 "1e+07 *\n-0.4584 -0.3360\n -1.5700  1.2315\n[ CPUFloatType{2,2} ]");
    check_tensor(DT_F32, 1, S(2), V(-1234.5, 2), "-1234.5000\n    2.0000\n[ CPUFloatType{2} ]");
    check_tensor(DT_F32, 1, S(3), V(NAN, 1.5, -INFINITY), "    nan\n 1.5000\n   -inf\n[ CPUFloatType{3} ]");
    check_tensor(DT_F32, 2, S(0, 3), V(0), "[ CPUFloatType{0,3} ]");
    check_tensor(DT_F32, 3, S(2, 1, 2), V(0.5, 1, 1.5, 2),
                 "(1,.,.) = \n  0.5000  1.0000\n\n(2,.,.) = \n  1.5000  2.0000\n[ CPUFloatType{2,1,2} ]");
}

static void test_wide_tensor(void **state)
{
    (void)state;
    double v[12];
    for (int i = 0; i < 12; i++)
        v[i] = i + 0.5;
    check_tensor(DT_F32, 2, S(1, 12), v,
                 "Columns 1 to 8  0.5000   1.5000   2.5000   3.5000   4.5000   5.5000   6.5000   7.5000\n\n"
                 "Columns 9 to 12  8.5000   9.5000  10.5000  11.5000\n[ CPUFloatType{1,12} ]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_wide_tensor),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
