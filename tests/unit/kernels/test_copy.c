// copy_convert against a plain element-by-element reference: every pair of dtypes, odd shapes, permuted and broadcast
// operands, empty and 0-d; and the values PyTorch gives for the conversions with corners.
#include "kernels/copy.h"
#include "kernels/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static View make(DType dtype, int ndim, const int64_t *size, void *data)
{
    View v = {.dtype = (uint8_t)dtype, .data = data};
    view_set_contiguous(&v, ndim, size);
    return v;
}

static const DType TYPES[] = {DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_F32, DT_F64,
                              DT_C32, DT_C64, DT_C128, DT_BOOL, DT_BF16, DT_U16, DT_U32, DT_U64};
enum { TYPE_COUNT = sizeof TYPES / sizeof TYPES[0] };

// Small integers are exact in every type.
static void write_number(DType t, char *at, int x)
{
    switch (t) {
    case DT_U8: case DT_I8: *(int8_t *)at = (int8_t)x; break;
    case DT_BOOL: *(bool *)at = x != 0; break;
    case DT_I16: case DT_U16: *(int16_t *)at = (int16_t)x; break;
    case DT_I32: case DT_U32: *(int32_t *)at = x; break;
    case DT_I64: case DT_U64: *(int64_t *)at = x; break;
    case DT_F16: *(uint16_t *)at = f16_from_float((float)x); break;
    case DT_BF16: *(uint16_t *)at = bf16_from_float((float)x); break;
    case DT_F32: *(float *)at = (float)x; break;
    case DT_F64: *(double *)at = x; break;
    case DT_C32: ((uint16_t *)at)[0] = f16_from_float((float)x); ((uint16_t *)at)[1] = 0; break;
    case DT_C64: ((float *)at)[0] = (float)x; ((float *)at)[1] = 0; break;
    default: ((double *)at)[0] = x; ((double *)at)[1] = 0;
    }
}
static double read_number(DType t, const char *at)
{
    switch (t) {
    case DT_U8: return *(const uint8_t *)at;
    case DT_I8: return *(const int8_t *)at;
    case DT_BOOL: return *(const uint8_t *)at;
    case DT_I16: return *(const int16_t *)at;
    case DT_U16: return *(const uint16_t *)at;
    case DT_I32: return *(const int32_t *)at;
    case DT_U32: return *(const uint32_t *)at;
    case DT_I64: return (double)*(const int64_t *)at;
    case DT_U64: return (double)*(const uint64_t *)at;
    case DT_F16: case DT_C32: return f16_to_float(*(const uint16_t *)at);
    case DT_BF16: return bf16_to_float(*(const uint16_t *)at);
    case DT_F32: case DT_C64: return *(const float *)at;
    default: return *(const double *)at;
    }
}

static void all_pairs(void **state)
{
    (void)state;
    enum { N = 37 };
    const int64_t size[] = {N};
    for (int s = 0; s < TYPE_COUNT; s++)
        for (int d = 0; d < TYPE_COUNT; d++) {
            _Alignas(16) char src[N * 32], dst[(N + 1) * 32];
            size_t es = dtype_size(TYPES[s]), ed = dtype_size(TYPES[d]);
            for (int i = 0; i < N; i++)
                write_number(TYPES[s], src + es * (size_t)i * 2, i * 3);
            memset(dst, 0x5a, sizeof dst);
            View in = make(TYPES[s], 1, size, src), out = make(TYPES[d], 1, size, dst);
            in.stride[0] = 2;
            assert_int_equal(copy_convert(&out, &in), ST_OK);
            for (int i = 0; i < N; i++) {
                double expected = TYPES[d] == DT_BOOL || TYPES[s] == DT_BOOL ? i != 0 : i * 3;
                assert_true(read_number(TYPES[d], dst + ed * (size_t)i) == expected);
            }
            for (size_t i = ed * N; i < sizeof dst; i++)
                assert_int_equal(dst[i], 0x5a);
            in = make(TYPES[s], 0, NULL, src + es * 2 * 5);
            assert_int_equal(copy_convert(&out, &in), ST_OK);
            assert_true(read_number(TYPES[d], dst + ed * (N - 1)) == (TYPES[d] == DT_BOOL || TYPES[s] == DT_BOOL ? 1 : 15));
        }
}

static void permuted(void **state)
{
    (void)state;
    const int64_t size[] = {3, 19, 5, 33};
    enum { N = 3 * 19 * 5 * 33 };
    static const int orders[][4] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}};
    static const DType types[] = {DT_U8, DT_F16, DT_F32, DT_F64, DT_C128};
    for (size_t t = 0; t < 5; t++)
        for (int a = 0; a < 5; a++)
            for (int b = 0; b < 5; b++) {
                size_t e = dtype_size(types[t]);
                char *src = calloc(N, e), *dst = malloc(N * e);
                for (size_t i = 0; i < N * e; i++)
                    src[i] = (char)(i * 7 + i / 251);
                View in = make(types[t], 4, size, src), out = make(types[t], 4, size, dst);
                int64_t stride_in = 1, stride_out = 1;
                for (int i = 3; i >= 0; i--) {
                    in.stride[orders[a][i]] = stride_in;
                    stride_in *= size[orders[a][i]];
                    out.stride[orders[b][i]] = stride_out;
                    stride_out *= size[orders[b][i]];
                }
                assert_int_equal(copy_convert(&out, &in), ST_OK);
                for (int64_t i = 0; i < N; i++) {
                    int64_t rest = i, from = 0, to = 0;
                    for (int d = 3; d >= 0; d--) {
                        from += rest % size[d] * in.stride[d];
                        to += rest % size[d] * out.stride[d];
                        rest /= size[d];
                    }
                    assert_memory_equal(dst + to * (int64_t)e, src + from * (int64_t)e, e);
                }
                free(src);
                free(dst);
            }
}

static void broadcast_and_empty(void **state)
{
    (void)state;
    float src[3] = {1, 2, 3};
    double dst[2][3][4] = {0};
    View in = make(DT_F32, 2, (int64_t[]){3, 1}, src), out = make(DT_F64, 3, (int64_t[]){2, 3, 4}, dst);
    assert_int_equal(copy_convert(&out, &in), ST_OK);
    for (int i = 0; i < 24; i++)
        assert_true(dst[i / 12][i / 4 % 3][i % 4] == src[i / 4 % 3]);
    View none = make(DT_F64, 3, (int64_t[]){2, 0, 4}, NULL), none_in = make(DT_F32, 2, (int64_t[]){0, 1}, NULL);
    assert_int_equal(copy_convert(&none, &none_in), ST_OK);
    View wrong = make(DT_F32, 1, (int64_t[]){3}, src);
    assert_int_equal(copy_convert(&out, &wrong), ST_INTERNAL);
}

// Values from PyTorch.
static void corners(void **state)
{
    (void)state;
    double from[] = {2.9, -2.9, NAN, 0.1, 65519, 65520, 1e-8, 6.1e-5};
    int32_t ints[8];
    uint16_t halves[8];
    uint8_t bools[8];
    int64_t n = 8;
    View in = make(DT_F64, 1, &n, from), i = make(DT_I32, 1, &n, ints), h = make(DT_F16, 1, &n, halves), b = make(DT_BOOL, 1, &n, bools);
    assert_int_equal(copy_convert(&i, &in), ST_OK);
    assert_int_equal(copy_convert(&h, &in), ST_OK);
    assert_int_equal(copy_convert(&b, &in), ST_OK);
    assert_int_equal(ints[0], 2);
    assert_int_equal(ints[1], -2);
    assert_int_equal(ints[2], INT32_MIN);
    static const uint16_t expected[] = {0x41cd, 0xc1cd, 0x7e00, 0x2e66, 0x7bff, 0x7c00, 0x0000, 0x03ff};
    for (int k = 0; k < 8; k++) {
        assert_int_equal(halves[k], expected[k]);
        assert_int_equal(bools[k], 1);
    }
    for (uint32_t k = 0; k < 65536; k++) // every half survives the way to float and back
        if ((k & 0x7fff) <= 0x7c00)
            assert_int_equal(f16_from_float(f16_to_float((uint16_t)k)), k);
    assert_int_equal(bf16_from_float(1.00390625f), 0x3f80); // halfway: to even
    assert_int_equal(bf16_from_float(1.01171875f), 0x3f82);
    assert_int_equal(bf16_from_float(NAN), 0x7fc0);
    float z[] = {1.5f, -2}, re;
    int64_t one = 1;
    View c = make(DT_C64, 1, &one, z), r = make(DT_F32, 1, &one, &re);
    assert_int_equal(copy_convert(&r, &c), ST_OK);
    assert_true(re == 1.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_pairs), cmocka_unit_test(permuted),
                                       cmocka_unit_test(broadcast_and_empty), cmocka_unit_test(corners)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
