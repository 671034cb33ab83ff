// Recurrent layers: the reference against PyTorch's float64 numbers, oneDNN's variant against the reference.
#include "kernels/rnn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// What torch.nn.LSTM, GRU and RNN(3, 2, bidirectional=True).double() give for x [4, 2, 3] when parameter k (from 1, in the
// order of named_parameters), x (k = 20), h (30) and c (40) are filled with ((7 i + 13 k) mod 23 - 11) / 16.
static const double lstm_y[32] = {
    0.19369547,  0.226110916, -0.141579699, -0.339142472, 0.064823638, 0.069991726,  -0.118490263, -0.307413263,
    0.225107337, 0.186210686, -0.136976929, -0.339604735, 0.192458646, 0.097717508,  -0.090997481, -0.287261581,
    0.134532873, 0.043543109, -0.117402516, -0.247421803, 0.123386777, -0.005558075, -0.033430876, -0.197363852,
    0.13628691,  -0.03494398, -0.094142778, -0.217102532, 0.126425139, -0.046949515, 0.077546928,  -0.082049264};
static const double lstm_h[8] = {0.13628691, -0.03494398, 0.126425139, -0.046949515, -0.141579699, -0.339142472, -0.118490263, -0.307413263};
static const double lstm_c[8] = {0.425145928, -0.050181846, 0.365877874, -0.069097878, -0.202588603, -0.946133998, -0.174631163, -0.793505746};
static const double gru_y[32] = {
    0.731090109, -0.207496505, -0.440964976, -0.528415716, 0.446343449, 0.335449096,  -0.30744799,  -0.597509518,
    0.744200085, -0.114371287, -0.433838987, -0.449998381, 0.602930258, 0.238308902,  -0.20205276,  -0.577585894,
    0.560126808, -0.313021112, -0.430375784, -0.367569793, 0.521195518, -0.163618317, -0.012276395, -0.602151194,
    0.434962628, -0.399855661, -0.44874075,  -0.203938217, 0.424346005, -0.327687066, 0.155757875,  -0.564836498};
static const double gru_h[8] = {0.434962628, -0.399855661, 0.424346005, -0.327687066, -0.440964976, -0.528415716, -0.30744799, -0.597509518};
static const double tanh_y[32] = {
    -0.480348724, -0.361757231, 0.276799602, -0.231377889, -0.316835001, -0.807949022, 0.282023893, -0.218343663,
    0.001065439,  -0.638011993, 0.33193598,  -0.53274472,  -0.083857041, -0.379094057, 0.386127111, -0.517934784,
    -0.104801975, -0.354318991, 0.879959221, -0.169008666, -0.109715906, -0.499334238, 0.868137642, 0.000424657,
    -0.131715586, -0.505102363, 0.864906618, 0.772840817,  -0.151050126, -0.423308387, 0.775968098, 0.551889102};
static const double tanh_h[8] = {-0.131715586, -0.505102363, -0.151050126, -0.423308387, 0.276799602, -0.231377889, 0.282023893, -0.218343663};

typedef struct Operands {
    View in[RNN_INPUTS_MAX];
    int count;
} Operands;

static View filled(DType t, int ndim, const int64_t *size, int k)
{
    View v = {.dtype = t};
    view_set_contiguous(&v, ndim, size);
    int64_t n = view_numel(&v);
    v.data = malloc((size_t)n * dtype_size(t));
    for (int64_t i = 0; i < n; i++) {
        double x = (double)((i * 7 + k * 13) % 23 - 11) / 16;
        if (t == DT_F64)
            ((double *)v.data)[i] = x;
        else
            ((float *)v.data)[i] = (float)x;
    }
    return v;
}

static Operands operands(DType t, const RnnParams *p, int64_t steps, int64_t batch, int64_t features, int64_t units)
{
    Operands o = {.count = RNN_FIRST_WEIGHT + RNN_WEIGHTS * p->directions};
    int64_t rows = rnn_gates(p->mode) * units, d = p->directions;
    for (int i = 0; i < o.count; i++)
        o.in[i] = (View){.dtype = DT_INVALID};
    o.in[RNN_X] = filled(t, 3, (int64_t[]){steps, batch, features}, 20);
    o.in[RNN_H0] = filled(t, 3, (int64_t[]){d, batch, units}, 30);
    if (p->mode == RNN_LSTM)
        o.in[RNN_C0] = filled(t, 3, (int64_t[]){d, batch, units}, 40);
    for (int i = 0; i < p->directions; i++) {
        View *w = o.in + RNN_FIRST_WEIGHT + RNN_WEIGHTS * i;
        w[0] = filled(t, 2, (int64_t[]){rows, features}, 4 * i + 1);
        w[1] = filled(t, 2, (int64_t[]){rows, units}, 4 * i + 2);
        w[2] = filled(t, 1, &rows, 4 * i + 3);
        w[3] = filled(t, 1, &rows, 4 * i + 4);
        for (int j = 0; j < 4; j++)
            w[j].constant = true;
    }
    return o;
}

static void operands_free(Operands *o)
{
    for (int i = 0; i < o->count; i++)
        free(o->in[i].data);
}

// Prepares and runs; out[i].data are the caller's. Returns the name of the variant.
static const char *run(const RnnParams *p, const Operands *o, bool reference, View out[3])
{
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    KernelContext ctx = {.packs = packs, .threads = 1, .reference_only = reference};
    Kernel k = {0};
    Status status = kernel_prepare(&k, &kernel_rnn_layer, &ctx, p, o->in, o->count);
    if (status != ST_OK)
        fail_msg("%s", status_message());
    memset(out, 0, sizeof *out * 3);
    for (int i = 0; i < k.output_count; i++) {
        out[i] = k.outputs[i];
        out[i].data = malloc(view_bytes(&out[i]));
    }
    void *scratch = aligned_alloc(64, (k.scratch_bytes + 64) / 64 * 64);
    assert_int_equal(k.variant->run(&k, o->in, out, scratch, NULL), ST_OK);
    const char *name = k.variant->name;
    free(scratch);
    kernel_destroy(&k);
    pack_store_free(packs);
    return name;
}

static void out_free(View out[3])
{
    for (int i = 0; i < 3; i++)
        free(out[i].data);
}

static void check_pytorch(int mode, const double *y, const double *h, const double *c)
{
    RnnParams p = {.mode = mode, .directions = 2};
    Operands o = operands(DT_F64, &p, 4, 2, 3, 2);
    View out[3];
    run(&p, &o, true, out);
    for (int i = 0; i < 32; i++)
        assert_true(fabs(((double *)out[0].data)[i] - y[i]) < 1e-8);
    for (int i = 0; i < 8; i++) {
        assert_true(fabs(((double *)out[1].data)[i] - h[i]) < 1e-8);
        if (c)
            assert_true(fabs(((double *)out[2].data)[i] - c[i]) < 1e-8);
    }
    out_free(out);
    operands_free(&o);
}

static void test_reference_is_pytorch(void **state)
{
    (void)state;
    check_pytorch(RNN_LSTM, lstm_y, lstm_h, lstm_c);
    check_pytorch(RNN_GRU, gru_y, gru_h, NULL);
    check_pytorch(RNN_TANH, tanh_y, tanh_h, NULL);
}

static double number(const View *v, int64_t i) { return v->dtype == DT_F64 ? ((double *)v->data)[i] : (double)((float *)v->data)[i]; }

// projected: units behind a projection, or 0.
static void check_variant(const char *want, DType t, const RnnParams *p, int64_t steps, int64_t batch, int64_t features, int64_t units, int64_t projected, bool batch_outside)
{
    Operands o = operands(t, p, steps, batch, features, units);
    for (int i = 0; projected && i < p->directions; i++) {
        View *w = o.in + RNN_FIRST_WEIGHT + RNN_WEIGHTS * i;
        free(w[1].data);
        w[1] = filled(t, 2, (int64_t[]){4 * units, projected}, 5);
        w[4] = filled(t, 2, (int64_t[]){projected, units}, 6);
    }
    if (projected) {
        free(o.in[RNN_H0].data);
        o.in[RNN_H0] = filled(t, 3, (int64_t[]){p->directions, batch, projected}, 7);
    }
    if (batch_outside) {
        o.in[RNN_X].stride[0] = features;
        o.in[RNN_X].stride[1] = steps * features;
    }
    View fast[3], plain[3];
    assert_string_equal(run(p, &o, false, fast), want);
    assert_string_equal(run(p, &o, true, plain), "reference");
    for (int i = 0; i < (p->mode == RNN_LSTM ? 3 : 2); i++) {
        assert_memory_equal(fast[i].stride, plain[i].stride, sizeof(int64_t) * 3);
        double scale = 1; // states of ReLU networks grow
        for (int64_t j = 0; j < view_numel(&plain[i]); j++)
            scale = fmax(scale, fabs(number(&plain[i], j)));
        for (int64_t j = 0; j < view_numel(&fast[i]); j++)
            assert_true(fabs(number(&fast[i], j) - number(&plain[i], j)) < (t == DT_F64 ? 1e-14 : 2e-6) * scale);
    }
    out_free(fast);
    out_free(plain);
    operands_free(&o);
}

static void check_same(const RnnParams *p, int64_t steps, int64_t batch, int64_t features, int64_t units, bool batch_outside)
{
    check_variant("dnnl", DT_F32, p, steps, batch, features, units, 0, batch_outside);
}

static void test_products_are_reference(void **state)
{
    (void)state;
    for (int mode = RNN_TANH; mode <= RNN_GRU; mode++)
        for (int directions = 1; directions <= 2; directions++) {
            RnnParams p = {.mode = mode, .directions = directions};
            check_variant("gemm", DT_F64, &p, 5, 3, 7, 9, 0, false);
            check_variant("gemm", DT_F64, &p, 6, 2, 16, 16, 0, true);
            check_variant("gemm", DT_F64, &p, 30, 200, 3, 24, 0, true); // more than one block of steps
            if (mode == RNN_LSTM) {
                check_variant("gemm", DT_F32, &p, 5, 3, 7, 9, 4, false);
                check_variant("gemm", DT_F64, &p, 5, 3, 7, 9, 4, true);
            }
        }
    RnnParams backwards = {.mode = RNN_GRU, .directions = 1, .reverse = 1};
    check_variant("gemm", DT_F64, &backwards, 5, 3, 7, 9, 0, false);
    RnnParams lstm = {.mode = RNN_LSTM, .directions = 2}; // one sequence, large weights
    check_variant("gemm", DT_F32, &lstm, 3, 1, 5, 512, 0, false);
    check_variant("dnnl", DT_F32, &lstm, 3, 2, 5, 512, 0, false);
}

static void test_dnnl_is_reference(void **state)
{
    (void)state;
    for (int mode = RNN_TANH; mode <= RNN_GRU; mode++)
        for (int directions = 1; directions <= 2; directions++) {
            RnnParams p = {.mode = mode, .directions = directions};
            check_same(&p, 5, 3, 7, 9, false);
            check_same(&p, 6, 2, 16, 16, true);
            check_same(&p, 1, 1, 4, 4, false);
        }
    RnnParams backwards = {.mode = RNN_LSTM, .directions = 1, .reverse = 1};
    check_same(&backwards, 5, 3, 7, 9, false);
}

static void test_shapes_are_checked(void **state)
{
    (void)state;
    RnnParams p = {.mode = RNN_LSTM, .directions = 1};
    Operands o = operands(DT_F32, &p, 2, 2, 3, 4);
    Kernel k = {0};
    PackStore *packs;
    assert_int_equal(pack_store_new(&packs), ST_OK);
    KernelContext ctx = {.packs = packs, .threads = 1};
    o.in[RNN_X].size[2] = 2;
    assert_int_equal(kernel_prepare(&k, &kernel_rnn_layer, &ctx, &p, o.in, o.count), ST_RAISED);
    assert_non_null(strstr(status_message(), "Expected 3, got 2"));
    o.in[RNN_X].size[2] = 3;
    o.in[RNN_H0].size[1] = 1;
    assert_int_equal(kernel_prepare(&k, &kernel_rnn_layer, &ctx, &p, o.in, o.count), ST_RAISED);
    pack_store_free(packs);
    operands_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_is_pytorch),
        cmocka_unit_test(test_dnnl_is_reference),
        cmocka_unit_test(test_products_are_reference),
        cmocka_unit_test(test_shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
