// Quantised convolution and linear layers: the tiles of every instruction set against the reference over shapes, strides,
// groups, transposition and the ends of the ranges, byte for byte; quantising rows and choosing scales against PyTorch.
#include "kernel_test.h"

#include "kernels/isa.h"
#include "kernels/quant.h"

static Operand bytes(DType t, uint64_t seed, int ndim, const int64_t *size, bool extreme)
{
    Operand o = {.view = {.dtype = (uint8_t)t}};
    view_set_contiguous(&o.view, ndim, size);
    int64_t n = view_numel(&o.view);
    operand_alloc(&o, (size_t)n);
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)o.view.data)[i] = extreme ? (t == DT_QU8 ? 255 : 128) : (uint8_t)(test_random(&seed) >> 5);
    return o;
}

static Operand doubles(int64_t n, double first, double step)
{
    Operand o = {.view = {.dtype = DT_F64}};
    view_set_contiguous(&o.view, 1, &n);
    operand_alloc(&o, (size_t)n * 8);
    for (int64_t i = 0; i < n; i++)
        ((double *)o.view.data)[i] = first + step * (double)i;
    return o;
}

static Operand zeros_of(int64_t n, bool all_zero)
{
    Operand o = {.view = {.dtype = DT_I64}};
    view_set_contiguous(&o.view, 1, &n);
    operand_alloc(&o, (size_t)n * 8);
    for (int64_t i = 0; i < n; i++)
        ((int64_t *)o.view.data)[i] = all_zero ? 0 : i % 7 - 3;
    return o;
}

typedef struct Case {
    int spatial; // 0: linear
    int64_t n, c, o, size, kernel, stride, padding, dilation, groups, output_padding;
    bool transposed, to_float, relu, channels, is_signed, extreme, last;
} Case;

static void check(const Case *c, PackStore *packs)
{
    int64_t xs[5] = {c->n, c->c}, ws[5];
    bool t = c->transposed;
    ws[0] = t ? c->c : c->o;
    ws[1] = t ? c->o / c->groups : c->c / (c->groups ? c->groups : 1);
    for (int i = 0; i < c->spatial; i++) {
        xs[2 + i] = c->size + i;
        ws[2 + i] = c->kernel;
    }
    int nd = 2 + c->spatial;
    QuantConvParams p;
    memset(&p, 0, sizeof p);
    for (int i = 0; i < SPATIAL_MAX; i++) {
        p.stride[i] = c->stride;
        p.padding[i] = c->padding;
        p.dilation[i] = c->dilation;
        p.output_padding[i] = c->output_padding;
    }
    p.groups = c->groups;
    p.transposed = t;
    p.relu = c->relu;
    p.to_float = c->to_float;
    p.weight_scale = 0.013;
    p.weight_zero_point = c->channels ? 0 : c->extreme ? 127 : 2;
    Operand x = bytes(c->is_signed ? DT_QI8 : DT_QU8, 1, nd, xs, c->extreme), w = bytes(DT_QI8, 2, nd, ws, c->extreme), b = operand_f32(1, &c->o, 3);
    Operand s = c->channels ? doubles(c->o, 0.01, 0.001) : operand_absent(), z = c->channels ? zeros_of(c->o, false) : operand_absent();
    Operand numbers = doubles(4, 0, 0);
    ((double *)numbers.view.data)[0] = 0.02;
    ((double *)numbers.view.data)[1] = c->extreme ? 0 : c->is_signed ? -5 : 121;
    ((double *)numbers.view.data)[2] = 0.07;
    ((double *)numbers.view.data)[3] = c->is_signed ? 3 : 60;
    View in[6] = {x.view, w.view, s.view, z.view, b.view, numbers.view};
    if (c->last) { // the channels-last view of the same sizes
        int64_t step = xs[1];
        in[0].stride[1] = 1;
        for (int d = nd - 1; d >= 2; d--) {
            in[0].stride[d] = step;
            step *= xs[d];
        }
        in[0].stride[0] = step;
    }
    in[1].constant = in[3].constant = packs != NULL;
    Result fast, slow;
    assert_int_equal(kernel_try(&kernel_quant_conv, &p, in, 6, false, packs, &fast), ST_OK);
    assert_int_equal(kernel_try(&kernel_quant_conv, &p, in, 6, true, NULL, &slow), ST_OK);
    assert_string_equal(fast.variant, "vector");
    assert_string_equal(slow.variant, "reference");
    assert_true(view_same_signature(&fast.out[0].view, &slow.out[0].view));
    assert_memory_equal(fast.out[0].view.data, slow.out[0].view.data, fast.out[0].bytes);
    Operand *all[] = {&x, &w, &b, &s, &z, &numbers, &fast.out[0], &slow.out[0]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        operand_free(all[i]);
}

static const Case cases[] = {
    {2, 2, 3, 20, 9, 3, 1, 1, 1, 1, .channels = true},
    {2, 1, 16, 33, 11, 3, 2, 1, 1, 1, .relu = true},
    {2, 1, 5, 40, 8, 3, 1, 2, 2, 1, .channels = true, .last = true},
    {2, 2, 24, 17, 6, 1, 1, 0, 1, 1, .last = true, .is_signed = true},
    {2, 1, 16, 16, 9, 3, 2, 1, 1, 16, .channels = true},
    {2, 1, 130, 130, 5, 5, 1, 2, 1, 130, .last = true},
    {2, 1, 12, 18, 7, 3, 1, 1, 1, 3, .last = false},
    {2, 1, 10, 20, 7, 3, 1, 1, 1, 10, .last = false}, // a multiplier of two
    {2, 1, 9, 6, 7, 3, 1, 1, 1, 3, .to_float = true},
    {1, 2, 4, 9, 31, 4, 3, 1, 1, 1, .last = false},
    {3, 1, 3, 8, 4, 3, 1, 1, 1, 1, .channels = true},
    {2, 1, 6, 10, 5, 3, 2, 1, 1, 1, 1, .transposed = true},
    {2, 1, 8, 6, 4, 4, 3, 2, 1, 2, 0, .transposed = true},
    {2, 1, 4, 4, 5, 2, 1, 3, 2, 1, 0, .transposed = true}, // padding beyond the window
    {3, 1, 4, 6, 3, 3, 2, 1, 1, 2, 1, .transposed = true},
    {0, 5, 64, 33, 0, 0, 0, 0, 0, 0, .channels = true},
    {0, 1, 7, 3, 0, 0, 0, 0, 0, 0, .to_float = true, .relu = true},
    {0, 200, 31, 65, 0, 0, 0, 0, 0, 0, .is_signed = true},
    {0, 3, 4000, 40, 0, 0, 0, 0, 0, 0, .extreme = true}, // sums of 255 * 255 * 4000
    {2, 1, 512, 8, 3, 3, 1, 1, 1, 1, .extreme = true},
};

static void test_against_reference(void **state)
{
    (void)state;
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i], NULL);
        check(&cases[i], packs);
    }
    pack_store_free(packs);
}

static void test_narrower_sets(void **state)
{
    // oneDNN, which takes no part here, can be limited once only and says so the second time.
    kernel_limit_isa("avx2");
    assert_int_not_equal(kernel_isa(), ISA_AVX512);
    test_against_reference(state);
    kernel_limit_isa("base");
    assert_int_equal(kernel_isa(), ISA_BASE);
    test_against_reference(state);
}

// torch.quantize_per_tensor of 2.14: nearest even, then clamped; NaN is the greatest.
static void test_rows(void **state)
{
    (void)state;
    const float x[] = {-1e9f, -0.25f, -0.125f, 0, 0.125f, 0.375f, 0.6f, 31.9f, 1e9f, INFINITY, NAN};
    const uint8_t want[] = {0, 9, 10, 10, 10, 12, 12, 138, 255, 255, 255};
    uint8_t q[11];
    quantise_row(x, 0.25f, 10, DT_QU8, q, 11);
    assert_memory_equal(q, want, sizeof want);
    for (int i = 0; i < 11; i++)
        assert_int_equal(quantise_one(x[i], 0.25f, 10, DT_QU8), want[i]);
    float back[3];
    dequantise_row((const int8_t[]){-128, 0, 127}, DT_QI8, 0.5f, 2, back, 3);
    assert_memory_equal(back, ((const float[]){-65, -1, 62.5f}), sizeof back);
}

// torch._choose_qparams_per_tensor of 1.13 and 2.14 on [lo, hi].
static void test_choice(void **state)
{
    (void)state;
    static const struct { float lo, hi; bool reduce; double scale; int32_t zero; } rows[] = {
        {-1, 2, false, 3.0 / 255, 85}, {-1, 2, true, 3.0 / 127, 42}, {0.5f, 4, false, 4.0 / 255, 0}, {-3, -1, false, 3.0 / 255, 255},
        {0, 0, false, 0.1, 0}, {-1e-6f, 1e-6f, false, 6.0999998822808266e-05, 128},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double scale;
        int32_t zero;
        choose_quant(rows[i].lo, rows[i].hi, 0, 255, false, rows[i].reduce, &scale, &zero);
        assert_true(fabs(scale - rows[i].scale) < 1e-15);
        assert_int_equal(zero, rows[i].zero);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_reference), cmocka_unit_test(test_rows), cmocka_unit_test(test_choice),
                                       cmocka_unit_test(test_narrower_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
