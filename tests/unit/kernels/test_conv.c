// Convolution: the oneDNN variant against the reference over shapes, strides, groups and fusions, the reference against
// numbers from PyTorch 1.13, and PyTorch's messages.
#include "kernel_test.h"

static ConvParams params(int64_t stride, int64_t padding, int64_t dilation, int64_t groups)
{
    ConvParams p;
    memset(&p, 0, sizeof p);
    for (int i = 0; i < SPATIAL_MAX; i++) {
        p.stride[i] = stride;
        p.padding[i] = p.padding_end[i] = padding;
        p.dilation[i] = dilation;
    }
    p.groups = groups;
    return p;
}

static const char *compare(const ConvParams *p, Operand x, Operand w, Operand b, Operand add)
{
    View in[4] = {x.view, w.view, b.view, add.view};
    const char *name = kernel_compare(&kernel_conv, p, in, 4, 6);
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
    operand_free(&add);
    return name;
}

static void test_shapes(void **state)
{
    (void)state;
    ConvParams p = params(1, 0, 1, 1);
    Operand no = operand_absent();
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 3, 9, 7), 1), operand_f32(DIMS(5, 3, 3, 3), 2), no, no), "dnnl");
    p = params(2, 1, 1, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 16, 11, 13), 1), operand_f32(DIMS(32, 16, 3, 3), 2), operand_f32(DIMS(32), 3), no), "dnnl");
    p = params(1, 2, 2, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(3, 8, 10, 10), 1), operand_f32(DIMS(24, 8, 3, 3), 2), operand_f32(DIMS(24), 3), no), "dnnl");
    p = params(1, 0, 1, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 24, 6, 5), 1), operand_f32(DIMS(17, 24, 1, 1), 2), operand_f32(DIMS(17), 3), no), "dnnl");
    p = params(1, 1, 1, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 1, 28, 28), 1), operand_f32(DIMS(6, 1, 5, 5), 2), operand_f32(DIMS(6), 3), no), "dnnl");
    p = params(3, 1, 1, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 4, 31), 1), operand_f32(DIMS(9, 4, 4), 2), operand_f32(DIMS(9), 3), no), "dnnl");
    p = params(1, 1, 1, 1);
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 3, 5, 6, 7), 1), operand_f32(DIMS(8, 3, 3, 3, 3), 2), operand_f32(DIMS(8), 3), no), "dnnl");
}

static void test_groups(void **state)
{
    (void)state;
    Operand no = operand_absent();
    ConvParams p = params(1, 1, 1, 16);
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 16, 9, 9), 1), operand_f32(DIMS(16, 1, 3, 3), 2), operand_f32(DIMS(16), 3), no), "dnnl");
    p = params(2, 1, 1, 10); // depthwise with a multiplier, channels that fill no block
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 10, 9, 9), 1), operand_f32(DIMS(20, 1, 3, 3), 2), operand_f32(DIMS(20), 3), no), "dnnl");
    p = params(1, 1, 1, 4);
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 32, 8, 8), 1), operand_f32(DIMS(64, 8, 3, 3), 2), operand_f32(DIMS(64), 3), no), "dnnl");
    p = params(1, 1, 1, 3);
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 9, 8, 8), 1), operand_f32(DIMS(6, 3, 3, 3), 2), no, no), "dnnl");
}

static void test_transposed(void **state)
{
    (void)state;
    Operand no = operand_absent();
    ConvParams p = params(2, 1, 1, 1);
    p.transposed = 1;
    p.output_padding[0] = p.output_padding[1] = 1;
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 6, 5, 7), 1), operand_f32(DIMS(6, 9, 3, 3), 2), operand_f32(DIMS(9), 3), no), "dnnl");
    p.act = ACT_RELU;
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 16, 5, 7), 1), operand_f32(DIMS(16, 16, 3, 3), 2), operand_f32(DIMS(16), 3), no), "dnnl");
    p = params(2, 0, 1, 2);
    p.transposed = 1;
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 8, 6, 6), 1), operand_f32(DIMS(8, 3, 2, 2), 2), operand_f32(DIMS(6), 3), no), "dnnl");
    p = params(3, 1, 2, 1);
    p.transposed = 1;
    assert_string_equal(compare(&p, operand_f32(DIMS(2, 4, 9), 1), operand_f32(DIMS(4, 5, 3), 2), no, no), "dnnl");
}

static void test_asymmetric_padding(void **state)
{
    (void)state;
    ConvParams p = params(1, 1, 1, 1);
    p.padding_end[0] = 2; // "same" with an even kernel
    p.padding[1] = 0;
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 3, 8, 8), 1), operand_f32(DIMS(4, 3, 4, 2), 2), operand_absent(), operand_absent()), "dnnl");
}

static void test_fused(void **state)
{
    (void)state;
    for (int act = 0; act < ACT_COUNT; act++)
        for (int with_add = 0; with_add < 2; with_add++) {
            ConvParams p = params(1, 1, 1, 1);
            p.act = act;
            p.lo = act == ACT_CLAMP ? -0.25f : act == ACT_LEAKY_RELU ? 0.1f : act == ACT_ELU ? 0.7f : 0;
            p.hi = act == ACT_CLAMP ? 0.5f : 0;
            Operand add = with_add ? operand_f32(DIMS(2, 16, 7, 6), 4) : operand_absent();
            assert_string_equal(compare(&p, operand_f32(DIMS(2, 8, 7, 6), 1), operand_f32(DIMS(16, 8, 3, 3), 2), operand_f32(DIMS(16), 3), add), "dnnl");
        }
    ConvParams p = params(2, 1, 1, 1); // transposed: add and activation in a pass of their own
    p.transposed = 1;
    p.act = ACT_SILU;
    assert_string_equal(compare(&p, operand_f32(DIMS(1, 8, 4, 4), 1), operand_f32(DIMS(8, 8, 3, 3), 2), operand_f32(DIMS(8), 3),
                                operand_f32(DIMS(1, 8, 7, 7), 4)),
                        "dnnl");
}

// Strided operands: a channels-last tensor keeps its strides, as PyTorch does; weights may be transposed.
static void test_strided(void **state)
{
    (void)state;
    ConvParams p = params(1, 1, 1, 1);
    Operand x = operand_f32(DIMS(2, 7, 5, 8), 1), w = operand_f32(DIMS(8, 16, 3, 3), 2);
    View in[2] = {view_permuted(&x.view, (int[]){0, 3, 1, 2}), view_permuted(&w.view, (int[]){1, 0, 2, 3})};
    assert_string_equal(kernel_compare(&kernel_conv, &p, in, 2, 2), "dnnl");
    Result r;
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    assert_int_equal(kernel_try(&kernel_conv, &p, in, 2, false, packs, &r), ST_OK);
    assert_true(view_is_channels_last(&r.out[0].view));
    result_free(&r);
    pack_store_free(packs);
    operand_free(&x);
    operand_free(&w);
}

// A private layout goes in as it came out.
static void test_chain(void **state)
{
    (void)state;
    ConvParams p = params(1, 1, 1, 1);
    Operand x = operand_f32(DIMS(1, 16, 9, 9), 1), w1 = operand_f32(DIMS(32, 16, 3, 3), 2), w2 = operand_f32(DIMS(16, 32, 3, 3), 3);
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    KernelContext ctx = {.packs = packs, .threads = 1};
    Kernel k1, k2;
    View in1[2] = {x.view, w1.view};
    assert_int_equal(kernel_prepare(&k1, &kernel_conv, &ctx, &p, in1, 2), ST_OK);
    Operand mid = {.view = k1.outputs[0]}, out = {0};
    operand_alloc(&mid, view_bytes(&mid.view));
    void *scratch = aligned_alloc(64, 1 << 20);
    assert_true(k1.scratch_bytes <= 1 << 20);
    assert_int_equal(k1.variant->run(&k1, in1, &mid.view, scratch, NULL), ST_OK);
    View in2[2] = {mid.view, w2.view};
    assert_int_equal(kernel_prepare(&k2, &kernel_conv, &ctx, &p, in2, 2), ST_OK);
    out.view = k2.outputs[0];
    operand_alloc(&out, view_bytes(&out.view));
    assert_true(k2.scratch_bytes <= 1 << 20);
    assert_int_equal(k2.variant->run(&k2, in2, &out.view, scratch, NULL), ST_OK);
    Operand plain = {.view = out.view};
    plain.view.layout = LAYOUT_STRIDED;
    operand_alloc(&plain, (size_t)view_numel(&plain.view) * 4);
    assert_int_equal(layout_to_plain(&plain.view, &out.view), ST_OK);
    Result r1, r2;
    assert_int_equal(kernel_try(&kernel_conv, &p, in1, 2, true, packs, &r1), ST_OK);
    View in3[2] = {r1.out[0].view, w2.view};
    assert_int_equal(kernel_try(&kernel_conv, &p, in3, 2, true, packs, &r2), ST_OK);
    assert_true(view_distance(&plain.view, &r2.out[0].view) < 1e-6);
    result_free(&r1);
    result_free(&r2);
    kernel_destroy(&k1);
    kernel_destroy(&k2);
    free(scratch);
    operand_free(&mid);
    operand_free(&out);
    operand_free(&plain);
    operand_free(&x);
    operand_free(&w1);
    operand_free(&w2);
    pack_store_free(packs);
}

// An addend in the layout of the result may be overwritten by it.
static void test_over_addend(void **state)
{
    (void)state;
    ConvParams p = params(1, 1, 1, 1);
    Operand x = operand_f32(DIMS(1, 16, 6, 5), 1), w = operand_f32(DIMS(16, 16, 3, 3), 2), scratch = {0};
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    KernelContext ctx = {.packs = packs, .threads = 1};
    Kernel first, second;
    View in[4] = {x.view, w.view, operand_absent().view, operand_absent().view};
    assert_int_equal(kernel_prepare(&first, &kernel_conv, &ctx, &p, in, 3), ST_OK);
    Operand add = {.view = first.outputs[0]}, apart = {.view = first.outputs[0]};
    operand_alloc(&add, view_bytes(&add.view));
    operand_alloc(&apart, view_bytes(&apart.view));
    operand_alloc(&scratch, 1 << 20);
    assert_int_equal(first.variant->run(&first, in, &add.view, scratch.view.data, NULL), ST_OK);
    in[3] = add.view;
    p.act = ACT_RELU;
    assert_int_equal(kernel_prepare(&second, &kernel_conv, &ctx, &p, in, 4), ST_OK);
    assert_int_equal(second.in_place, 3);
    assert_true(first.scratch_bytes <= 1 << 20 && second.scratch_bytes <= 1 << 20);
    assert_int_equal(second.variant->run(&second, in, &apart.view, scratch.view.data, NULL), ST_OK);
    assert_int_equal(second.variant->run(&second, in, &add.view, scratch.view.data, NULL), ST_OK);
    assert_memory_equal(add.view.data, apart.view.data, add.bytes);
    kernel_destroy(&first);
    kernel_destroy(&second);
    operand_free(&add);
    operand_free(&apart);
    operand_free(&scratch);
    operand_free(&x);
    operand_free(&w);
    pack_store_free(packs);
}

// torch.nn.functional.conv2d(torch.arange(18.).reshape(1, 2, 3, 3), (torch.arange(16.) - 8).reshape(2, 2, 2, 2), torch.tensor([.5, -.5]))
static void test_numbers(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(1, 2, 3, 3), 0), w = operand_f32(DIMS(2, 2, 2, 2), 0), b = operand_f32(DIMS(2), 0);
    for (int i = 0; i < 18; i++)
        ((float *)x.view.data)[i] = (float)i;
    for (int i = 0; i < 16; i++)
        ((float *)w.view.data)[i] = (float)(i - 8);
    ((float *)b.view.data)[0] = 0.5f;
    ((float *)b.view.data)[1] = -0.5f;
    static const float expected[] = {-147.5f, -183.5f, -255.5f, -291.5f, 267.5f, 295.5f, 351.5f, 379.5f};
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    ConvParams p = params(1, 0, 1, 1);
    View in[3] = {x.view, w.view, b.view};
    for (int reference = 0; reference < 2; reference++) {
        Result r;
        assert_int_equal(kernel_try(&kernel_conv, &p, in, 3, reference, packs, &r), ST_OK);
        for (int i = 0; i < 8; i++)
            assert_true(view_at(&r.out[0].view, i) == expected[i]);
        result_free(&r);
    }
    pack_store_free(packs);
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
}

static void expect_raised(const ConvParams *p, Operand x, Operand w, Operand b, const char *message)
{
    KernelContext ctx = {.threads = 1};
    Kernel k;
    View in[3] = {x.view, w.view, b.view};
    assert_int_equal(kernel_prepare(&k, &kernel_conv, &ctx, p, in, 3), ST_RAISED);
    assert_string_equal(status_message(), message);
    operand_free(&x);
    operand_free(&w);
    operand_free(&b);
}

static void test_messages(void **state)
{
    (void)state;
    ConvParams p = params(1, 0, 1, 1);
    Operand no = operand_absent();
    expect_raised(&p, operand_f32(DIMS(1, 4, 8, 8), 1), operand_f32(DIMS(6, 3, 3, 3), 2), no,
                  "Given groups=1, weight of size [6, 3, 3, 3], expected input[1, 4, 8, 8] to have 3 channels, but got 4 channels instead");
    expect_raised(&p, operand_f32(DIMS(1, 3, 2, 2), 1), operand_f32(DIMS(6, 3, 3, 3), 2), no,
                  "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater than actual input size");
    expect_raised(&p, operand_f32(DIMS(1, 3, 8, 8), 1), operand_f32(DIMS(6, 3, 3, 3), 2), operand_f32(DIMS(5), 3),
                  "Given weight of size [6, 3, 3, 3], expected bias to be 1-dimensional with 6 elements, but got bias of size [5] instead");
    p.groups = 2;
    expect_raised(&p, operand_f32(DIMS(1, 4, 8, 8), 1), operand_f32(DIMS(5, 2, 3, 3), 2), no,
                  "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of size [[5, 2, 3, 3]] instead");
    p = params(1, 0, 1, 1);
    p.transposed = 1;
    expect_raised(&p, operand_f32(DIMS(1, 5, 8, 8), 1), operand_f32(DIMS(4, 3, 3, 3), 2), no,
                  "Given transposed=1, weight of size [4, 3, 3, 3], expected input[1, 5, 8, 8] to have 4 channels, but got 5 channels instead");
    p = params(0, 0, 1, 1);
    expect_raised(&p, operand_f32(DIMS(1, 3, 8, 8), 1), operand_f32(DIMS(6, 3, 3, 3), 2), no, "non-positive stride is not supported");
    p = params(1, 0, INT64_MAX / 2, 1);
    expect_raised(&p, operand_f32(DIMS(1, 3, 8, 8), 1), operand_f32(DIMS(6, 3, 3, 3), 2), no, "a dilation of 4611686018427387903 is too large (limit 2147483647)");
}

static void test_empty_batch(void **state)
{
    (void)state;
    ConvParams p = params(1, 0, 1, 1);
    Operand x = operand_f32(DIMS(0, 3, 8, 8), 1), w = operand_f32(DIMS(6, 3, 3, 3), 2);
    View in[2] = {x.view, w.view};
    Result r;
    assert_int_equal(kernel_try(&kernel_conv, &p, in, 2, false, NULL, &r), ST_OK);
    assert_int_equal(r.out[0].view.size[0], 0);
    assert_int_equal(r.out[0].view.size[3], 6);
    result_free(&r);
    operand_free(&x);
    operand_free(&w);
}

// float64 as matrix products, channels on their own, 16-bit types by way of float32.
static void test_other_types(void **state)
{
    (void)state;
    static const struct { DType type; double most; } types[] = {{DT_F64, 1e-14}, {DT_BF16, 3e-3}, {DT_F16, 4e-4}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        DType t = types[i].type;
        bool half = t != DT_F64;
#define COMPARE(want, ...)                                                                                                \
    do {                                                                                                                  \
        Operand operands[] = {__VA_ARGS__};                                                                               \
        View in[4];                                                                                                       \
        for (int n = 0; n < 4; n++)                                                                                       \
            in[n] = operands[n].view;                                                                                     \
        assert_string_equal(kernel_compare_to(&kernel_conv, &p, in, 4, 2, types[i].most), half ? "float32" : want);       \
        for (int n = 0; n < 4; n++)                                                                                       \
            operand_free(&operands[n]);                                                                                   \
    } while (0)
        Operand no = operand_absent();
        ConvParams p = params(1, 1, 1, 1);
        COMPARE("gemm", operand_typed(t, DIMS(2, 3, 9, 7), 1), operand_typed(t, DIMS(5, 3, 3, 3), 2), operand_typed(t, DIMS(5), 3), no);
        p.act = ACT_SILU;
        COMPARE("gemm", operand_typed(t, DIMS(2, 3, 9, 7), 1), operand_typed(t, DIMS(5, 3, 3, 3), 2), no, operand_typed(t, DIMS(2, 5, 9, 7), 4));
        p = params(2, 3, 2, 2);
        COMPARE("gemm", operand_typed(t, DIMS(2, 4, 11, 9), 1), operand_typed(t, DIMS(6, 2, 3, 4), 2), operand_typed(t, DIMS(6), 3), no);
        COMPARE("gemm", operand_typed(t, DIMS(1, 4, 5, 6, 7), 1), operand_typed(t, DIMS(2, 2, 2, 3, 1), 2), no, no);
        p = params(1, 0, 1, 1);
        COMPARE("gemm", operand_typed(t, DIMS(2, 4, 6), 1), operand_typed(t, DIMS(3, 4, 1), 2), no, no);
        p = params(1, 2, 2, 6);
        COMPARE("depthwise", operand_typed(t, DIMS(2, 6, 33), 1), operand_typed(t, DIMS(12, 1, 5), 2), operand_typed(t, DIMS(12), 3), no);
        p = params(2, 1, 1, 4);
        COMPARE("depthwise", operand_typed(t, DIMS(2, 4, 8, 7), 1), operand_typed(t, DIMS(4, 1, 3, 3), 2), operand_typed(t, DIMS(4), 3), no);
        p = params(2, 1, 2, 2);
        p.transposed = 1;
        p.output_padding[0] = p.output_padding[1] = 1;
        COMPARE("gemm", operand_typed(t, DIMS(2, 4, 5, 6), 1), operand_typed(t, DIMS(4, 3, 3, 2), 2), operand_typed(t, DIMS(6), 3), no);
        p = params(1, 4, 1, 1);
        p.transposed = 1;
        COMPARE("gemm", operand_typed(t, DIMS(1, 2, 20), 1), operand_typed(t, DIMS(2, 3, 3), 2), no, no);
    }
}

// Whole numbers -9 … 9.
static Operand operand_whole(DType t, int ndim, const int64_t *size, uint64_t seed)
{
    Operand f = operand_f32(ndim, size, seed), o = {.view = f.view};
    for (int64_t i = 0; i < view_numel(&f.view); i++)
        ((float *)f.view.data)[i] *= 9.9f;
    o.view.dtype = (uint8_t)t;
    operand_alloc(&o, (size_t)view_numel(&f.view) * dtype_size(t));
    assert_int_equal(copy_convert(&o.view, &f.view), ST_OK);
    operand_free(&f);
    return o;
}

// Exact sums, also when the columns come in several blocks.
static void test_integers(void **state)
{
    (void)state;
    static const DType types[] = {DT_I32, DT_I64};
    for (int i = 0; i < 2; i++)
        for (int large = 0; large < 2; large++) {
            int64_t side = large ? 75 : 9;
            ConvParams p = params(large ? 1 : 2, 1, 1, 2);
            Operand x = operand_whole(types[i], DIMS(2, 8, side, side), 1), w = operand_whole(types[i], DIMS(6, 4, 3, 3), 2), b = operand_whole(types[i], DIMS(6), 3);
            View in[4] = {x.view, w.view, b.view, operand_absent().view};
            assert_string_equal(kernel_compare_to(&kernel_conv, &p, in, 4, 2, 0), "gemm");
            p = params(1, 0, 1, 1);
            Operand point = operand_whole(types[i], DIMS(3, 8, 1, 1), 4);
            in[1] = point.view;
            in[2] = operand_absent().view;
            assert_string_equal(kernel_compare_to(&kernel_conv, &p, in, 4, 2, 0), "gemm");
            operand_free(&x);
            operand_free(&w);
            operand_free(&b);
            operand_free(&point);
        }
}

// Blocks of columns: more rows than fit in one.
static void test_many_rows(void **state)
{
    (void)state;
    ConvParams p = params(1, 1, 1, 1);
    Operand x = operand_typed(DT_F64, DIMS(1, 20, 40, 33), 1), w = operand_typed(DT_F64, DIMS(2, 20, 3, 3), 2);
    View in[2] = {x.view, w.view};
    assert_string_equal(kernel_compare_to(&kernel_conv, &p, in, 2, 2, 1e-14), "gemm");
    p.transposed = 1;
    p.stride[0] = p.stride[1] = 2;
    Operand wt = operand_typed(DT_F64, DIMS(20, 7, 3, 3), 2);
    in[1] = wt.view;
    assert_string_equal(kernel_compare_to(&kernel_conv, &p, in, 2, 2, 1e-14), "gemm");
    operand_free(&x);
    operand_free(&w);
    operand_free(&wt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_groups),  cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_asymmetric_padding), cmocka_unit_test(test_fused), cmocka_unit_test(test_strided),
        cmocka_unit_test(test_chain),   cmocka_unit_test(test_numbers), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_empty_batch), cmocka_unit_test(test_other_types), cmocka_unit_test(test_integers), cmocka_unit_test(test_many_rows), cmocka_unit_test(test_over_addend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
