// Transforms: parsing, what fits and what does not, and values against PyTorch's.
#include "io/half.h"
#include "io/transform.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static Transform parse(const char *text)
{
    Transform t;
    if (transform_parse(str_of(text), &t) != ST_OK)
        fail_msg("%s", status_message());
    return t;
}

static void refuse(const char *text, const char *part)
{
    Transform t;
    assert_int_equal(transform_parse(str_of(text), &t), ST_USAGE);
    if (!strstr(status_message(), part))
        fail_msg("'%s' is not in: %s", part, status_message());
    transform_free(&t);
}

static void test_parse(void **state)
{
    (void)state;
    Transform t = parse("cast=f16,scale=1/255,mean=0.5:1e-1:-3,std=1/4,permute=0:3:1:2");
    assert_true(t.cast == DT_F16 && t.has_scale && t.scale == 1 && t.scale_divisor == 255);
    assert_true(t.mean_count == 3 && t.mean[2] == -3 && t.std_count == 1 && t.std[0] == 0.25);
    assert_true(t.permute_count == 4 && t.permute[1] == 3);
    transform_free(&t);
    t = parse("");
    assert_true(transform_is_identity(&t, DT_F32) && !transform_is_identity(&t, DT_BOOL));
    t = parse("cast=float32,permute=0:1");
    assert_true(transform_is_identity(&t, DT_F32) && !transform_is_identity(&t, DT_U8));
    refuse("cast=f33", "f33");
    refuse("cast=quint8", "quint8");
    refuse("scale=", "scale");
    refuse("scale=1/0", "scale");
    refuse("scale=2x", "scale");
    refuse("scale=nan", "scale");
    refuse("mean=1:", "mean");
    refuse("std=1:0", "divide");
    refuse("permute=0:2", "permute");
    refuse("permute=1:0", "sample dimension");
    refuse("permute=0:1:1", "permute");
    refuse("permute=", "permute");
    refuse("permute=0:17", "permute");
    refuse("colour=3", "colour=3");
}

static void check_fit(const char *text, DType dtype, int ndim, const int64_t *shape, Status want)
{
    Transform t = parse(text);
    DType out;
    int64_t result[TRANSFORM_MAX_DIMS];
    assert_int_equal(transform_result(&t, dtype, ndim, shape, &out, result), want);
    transform_free(&t);
}

static void test_fit(void **state)
{
    (void)state;
    int64_t image[] = {10, 4, 5, 3};
    Transform t = parse("scale=1/255,mean=1:2:3,permute=0:3:1:2");
    DType out;
    int64_t shape[TRANSFORM_MAX_DIMS];
    assert_int_equal(transform_result(&t, DT_U8, 4, image, &out, shape), ST_OK);
    assert_int_equal(out, DT_F32);
    assert_memory_equal(shape, ((int64_t[]){10, 3, 4, 5}), 32);
    transform_free(&t);
    check_fit("mean=1:2:3", DT_U8, 4, image, ST_USAGE); // dimension 1 is 4
    check_fit("mean=1:2:3:4", DT_U8, 4, image, ST_OK);
    check_fit("std=1:2", DT_U8, 1, image, ST_USAGE);
    check_fit("std=1", DT_U8, 1, image, ST_OK);
    check_fit("permute=0:2:1", DT_U8, 4, image, ST_USAGE);
    check_fit("scale=2,cast=i32", DT_U8, 4, image, ST_USAGE);
    check_fit("cast=f32", DT_C64, 4, image, ST_USAGE);
    check_fit("cast=c64", DT_C64, 4, image, ST_OK);
    check_fit("scale=2", DT_F64, 4, image, ST_OK);
}

// torch: (x.float() / 255 - 0.485) / 0.229
static void test_pytorch_values(void **state)
{
    (void)state;
    static const uint8_t in[] = {0, 1, 7, 100, 200, 254, 255};
    static const uint32_t want[] = {0xc0078bbd, 0xc006732b, 0xbfffbf78, 0xbecf9456, 0x3fa74d4f, 0x400ed58a, 0x400fee1d};
    Transform t = parse("scale=1/255,mean=0.485,std=0.229");
    float out[7];
    transform_apply(&t, DT_U8, 1, (int64_t[]){7}, 7, in, out);
    for (int i = 0; i < 7; i++)
        assert_int_equal(float_to_bits(out[i]), want[i]);
    transform_free(&t);
}

// All code paths (table, runs, channel inside the run) against a plain loop.
static void check_image(int64_t height, int64_t width, bool channels_last, DType dtype)
{
    enum { N = 2, C = 3 };
    static const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
    int64_t pixels = height * width, count = N * C * pixels;
    uint8_t *in = malloc((size_t)count), *wide = malloc((size_t)count * 8);
    float *out = malloc((size_t)count * 4);
    for (int64_t i = 0; i < count; i++) {
        in[i] = (uint8_t)(i * 7 + i / 256);
        if (dtype == DT_I16)
            memcpy(wide + 2 * i, (int16_t[]){in[i]}, 2);
        else if (dtype == DT_F64)
            memcpy(wide + 8 * i, (double[]){in[i]}, 8);
        else
            wide[i] = in[i];
    }
    Transform t =
        parse(channels_last ? "scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225,cast=f32,permute=0:3:1:2"
                            : "scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225,cast=f32");
    int64_t last[] = {N, height, width, C}, first[] = {N, C, height, width};
    transform_apply(&t, dtype, 4, channels_last ? last : first, N, wide, out);
    for (int64_t i = 0; i < count; i++) {
        int64_t n = i / (C * pixels), c = i / pixels % C, p = i % pixels;
        float x = in[channels_last ? (n * pixels + p) * C + c : i];
        assert_true(out[i] == (x / 255.0f - mean[c]) / std[c]);
    }
    transform_free(&t);
    free(in);
    free(wide);
    free(out);
}

static void test_images(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        check_image(40, 40, last, DT_U8); // table
        check_image(3, 5, last, DT_U8);
        check_image(40, 41, last, DT_I16);
        check_image(1, 600, last, DT_F64);
    }
    // Features: the channel varies inside the run.
    Transform t = parse("mean=1:2:3,std=2:4:8");
    float out[6];
    transform_apply(&t, DT_F32, 2, (int64_t[]){2, 3}, 2, (float[]){1, 2, 3, 3, 6, 11}, out);
    assert_memory_equal(out, ((float[]){0, 0, 0, 1, 1, 1}), sizeof out);
    transform_free(&t);
}

static void check_cast(DType from, const void *in, DType to, const void *want, int64_t n)
{
    Transform t = {.cast = to};
    char out[256];
    transform_apply(&t, from, 1, &n, n, in, out);
    assert_memory_equal(out, want, (size_t)n * dtype_size(to));
}

static void test_casts(void **state)
{
    (void)state;
    check_cast(DT_F32, (float[]){1.9f, -1.9f, 300, NAN}, DT_I32, (int32_t[]){1, -1, 300, 0}, 4);
    check_cast(DT_F64, (double[]){1e300, -1e300, INFINITY}, DT_I64, (int64_t[]){INT64_MAX, INT64_MIN, INT64_MAX}, 3);
    check_cast(DT_F64, (double[]){1e19, 3}, DT_U64, (uint64_t[]){10000000000000000000u, 3}, 2);
    check_cast(DT_I32, (int32_t[]){-1, 300}, DT_U8, (uint8_t[]){255, 44}, 2);
    check_cast(DT_BOOL, (uint8_t[]){0, 1, 2}, DT_BOOL, (uint8_t[]){0, 1, 1}, 3);
    check_cast(DT_BOOL, (uint8_t[]){0, 2}, DT_F32, (float[]){0, 1}, 2);
    check_cast(DT_F32, (float[]){0, -0.5f}, DT_BOOL, (uint8_t[]){0, 1}, 2);
    check_cast(DT_F16, (uint16_t[]){0x3c00, 0x0001, 0xfc00}, DT_F32, (float[]){1, 0x1p-24f, -INFINITY}, 3);
    // Rounded as torch rounds.
    check_cast(
        DT_F32,
        (float[]){1.0009765f, 65519, 65520, 1e-8f, 6e-8f, 5.97e-8f, -0.0f, 3.14159f, 2.9802322e-08f, 2.98024e-8f},
        DT_F16, (uint16_t[]){0x3c01, 0x7bff, 0x7c00, 0x0, 0x1, 0x1, 0x8000, 0x4248, 0x0, 0x1}, 10);
    check_cast(DT_F32, (float[]){1.00390625f, 1.01171875f, 3.14159f, INFINITY, 3.4e38f}, DT_BF16,
               (uint16_t[]){0x3f80, 0x3f82, 0x4049, 0x7f80, 0x7f80}, 5);
    for (uint32_t h = 0; h < 65536; h++) // every half comes back
        if ((h & 0x7fff) <= 0x7c00)
            assert_int_equal(f16_from_float(f16_to_float((uint16_t)h)), h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),  cmocka_unit_test(test_fit),   cmocka_unit_test(test_pytorch_values),
        cmocka_unit_test(test_images), cmocka_unit_test(test_casts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
