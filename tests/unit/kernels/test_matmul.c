// Matrix products: the oneDNN variants against the reference over ranks, strides and fusions, the reference against numbers
// computed by hand, and PyTorch's messages.
#include "kernel_test.h"

static void compare(const MatmulParams *p, View a, View b, View c, const char *variant)
{
    View in[3] = {a, b, c};
    assert_string_equal(kernel_compare(&kernel_matmul, p, in, 3, 2), variant);
}

static void products(const char *variant, int na, const int64_t *sa, int nb, const int64_t *sb)
{
    MatmulParams p = {1, 1, 0, 0};
    Operand a = operand_f32(na, sa, 1), b = operand_f32(nb, sb, 2);
    compare(&p, a.view, b.view, operand_absent().view, variant);
    operand_free(&a);
    operand_free(&b);
}

static void test_ranks(void **state)
{
    (void)state;
    products("dnnl", DIMS(7, 5), DIMS(5, 9));
    products("vector", DIMS(1, 4), DIMS(4, 4));
    products("blas", DIMS(5), DIMS(5));
    products("blas", DIMS(3000), DIMS(3000));
    products("vector", DIMS(5), DIMS(5, 3));
    products("vector", DIMS(4, 5), DIMS(5));
    products("dnnl", DIMS(2, 3, 4, 5), DIMS(5, 6));
    products("dnnl", DIMS(2, 3, 4, 5), DIMS(5));
    products("dnnl", DIMS(3, 4, 5), DIMS(3, 5, 6));
    products("dnnl", DIMS(2, 1, 4, 5), DIMS(3, 5, 6));
    products("dnnl", DIMS(1, 4, 5), DIMS(7, 5, 6));
    products("dnnl", DIMS(5), DIMS(3, 5, 6));
    products("dnnl", DIMS(1, 1), DIMS(1, 1));
    products("dnnl", DIMS(2, 1, 2, 1, 2, 3, 4), DIMS(1, 3, 1, 2, 2, 4, 50)); // more dimensions than the library has
    products("dnnl", DIMS(33, 130), DIMS(130, 65));
}

// As attention makes them: [B, S, H, D] seen as [B, H, S, D], and transposed keys.
static void test_strides(void **state)
{
    (void)state;
    MatmulParams p = {1, 1, 0, 0};
    Operand q = operand_f32(DIMS(2, 7, 3, 8), 1), k = operand_f32(DIMS(2, 9, 3, 8), 2);
    compare(&p, view_permuted(&q.view, (int[]){0, 2, 1, 3}), view_permuted(&k.view, (int[]){0, 2, 3, 1}), operand_absent().view, "dnnl");
    Operand m = operand_f32(DIMS(6, 5), 3), n = operand_f32(DIMS(7, 5), 4);
    compare(&p, m.view, view_permuted(&n.view, (int[]){1, 0}), operand_absent().view, "dnnl");
    compare(&p, view_permuted(&m.view, (int[]){1, 0}), m.view, operand_absent().view, "dnnl");
    View part = n.view; // every other column, and rows apart
    part.size[1] = 3;
    part.stride[1] = 2;
    View left = m.view;
    left.size[1] = 3;
    compare(&p, left, view_permuted(&part, (int[]){1, 0}), operand_absent().view, "dnnl");
    compare(&p, part, view_permuted(&left, (int[]){1, 0}), operand_absent().view, "dnnl");
    View stretched = m.view; // one row, repeated
    stretched.stride[0] = 0;
    compare(&p, stretched, view_permuted(&n.view, (int[]){1, 0}), operand_absent().view, "dnnl");
    View batches = q.view;
    batches.stride[0] = 0;
    compare(&p, batches, view_permuted(&q.view, (int[]){0, 1, 3, 2}), operand_absent().view, "dnnl");
    operand_free(&q);
    operand_free(&k);
    operand_free(&m);
    operand_free(&n);
}

static void test_c(void **state)
{
    (void)state;
    Operand a = operand_f32(DIMS(6, 5), 1), b = operand_f32(DIMS(5, 9), 2);
    Operand cs[] = {operand_f32(DIMS(9), 3), operand_f32(DIMS(6, 9), 4), operand_f32(DIMS(6, 1), 5), operand_f32(DIMS(1, 9), 6), operand_f32(0, NULL, 7)};
    MatmulParams ps[] = {{1, 1, 0, 0}, {0.5, 2, 0, 0}, {1, 0.25, 0, 0}, {2, 0, 0, 0}};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 4; j++)
            compare(&ps[j], a.view, b.view, cs[i].view, "dnnl");
    Operand x = operand_f32(DIMS(3, 6, 5), 8), y = operand_f32(DIMS(3, 5, 9), 9), full = operand_f32(DIMS(3, 6, 9), 10);
    for (size_t j = 0; j < 4; j++) {
        compare(&ps[j], x.view, y.view, full.view, "dnnl");
        compare(&ps[j], x.view, y.view, cs[0].view, "dnnl");
    }
    for (size_t i = 0; i < 5; i++)
        operand_free(&cs[i]);
    operand_free(&a);
    operand_free(&b);
    operand_free(&x);
    operand_free(&y);
    operand_free(&full);
}

// A matrix and a vector, on either side, the matrix as it is, transposed, and with rows apart; sizes around the numbers of
// rows, columns and elements that are summed at once.
static void test_vectors(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 3}, {3, 16}, {4, 17}, {5, 1}, {67, 33}, {64, 513}, {130, 1030}};
    MatmulParams p = {1, 1, 0, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t m = sizes[i][0], n = sizes[i][1];
        Operand a = operand_f32(DIMS(m, n), 1), wide = operand_f32(DIMS(m, n + 3), 2), x = operand_f32(DIMS(n), 3), y = operand_f32(DIMS(m), 4);
        View part = wide.view;
        part.size[1] = n;
        View matrices[] = {a.view, part};
        for (int j = 0; j < 2; j++) {
            View turned = view_permuted(&matrices[j], (int[]){1, 0});
            compare(&p, matrices[j], x.view, operand_absent().view, m == 1 ? "dnnl" : "vector");
            compare(&p, turned, y.view, operand_absent().view, n == 1 ? "dnnl" : "vector");
            compare(&p, x.view, turned, operand_absent().view, m == 1 ? "dnnl" : "vector");
            compare(&p, y.view, matrices[j], operand_absent().view, n == 1 ? "dnnl" : "vector");
        }
        operand_free(&a);
        operand_free(&wide);
        operand_free(&x);
        operand_free(&y);
    }
}

// Many small ones: square and not, of whole tensors, of transposed ones, and of one matrix with many.
static void test_small(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{2, 2, 2}, {4, 4, 4}, {3, 2, 4}, {1, 3, 3}, {4, 1, 4}};
    MatmulParams p = {1, 1, 0, 0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        Operand a = operand_f32(DIMS(3, 5, m, k), 1), b = operand_f32(DIMS(3, 5, k, n), 2), turned = operand_f32(DIMS(5, 3, n, k), 3), one = operand_f32(DIMS(k, n), 4);
        compare(&p, a.view, b.view, operand_absent().view, "small");
        compare(&p, a.view, view_permuted(&turned.view, (int[]){1, 0, 3, 2}), operand_absent().view, "small");
        compare(&p, a.view, one.view, operand_absent().view, "small");
        operand_free(&a);
        operand_free(&b);
        operand_free(&turned);
        operand_free(&one);
    }
}

static void linear(const ActParams *p, View x, View w, View bias, View add)
{
    View in[4] = {x, w, bias, add};
    assert_string_equal(kernel_compare(&kernel_linear, p, in, 4, 2), view_numel(&x) == w.size[1] ? "vector" : "dnnl");
}

static void test_linear(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(3, 4, 20), 1), w = operand_f32(DIMS(17, 20), 2), bias = operand_f32(DIMS(17), 3), add = operand_f32(DIMS(3, 4, 17), 4);
    Operand w1 = operand_f32(DIMS(1, 20), 5), bias1 = operand_f32(DIMS(1), 6), add1 = operand_f32(DIMS(3, 4, 1), 7);
    View no = operand_absent().view, row = x.view, row_add = add.view; // x[0, 0]
    row.ndim = row_add.ndim = 1;
    row.size[0] = 20;
    row_add.size[0] = 17;
    row.stride[0] = row_add.stride[0] = 1;
    for (int act = 0; act < ACT_COUNT; act++) {
        ActParams p = {.act = act};
        p.lo = act == ACT_CLAMP ? -0.5f : act == ACT_LEAKY_RELU ? 0.01f : 0;
        p.hi = act == ACT_CLAMP ? 0.75f : 0;
        linear(&p, x.view, w.view, bias.view, no);
        linear(&p, x.view, w.view, no, add.view);
        linear(&p, x.view, w.view, bias.view, add.view);
        linear(&p, x.view, w1.view, bias1.view, add1.view); // one column
        linear(&p, row, w.view, bias.view, row_add);
    }
    ActParams p = {.act = ACT_NONE};
    View narrow = x.view; // x[:, 0], and one row
    narrow.ndim = 2;
    narrow.size[1] = 20;
    narrow.stride[1] = 1;
    linear(&p, narrow, w.view, bias.view, no);
    linear(&p, row, w.view, bias.view, no);
    linear(&p, view_permuted(&x.view, (int[]){1, 0, 2}), w.view, bias.view, no);
    operand_free(&x);
    operand_free(&w);
    operand_free(&bias);
    operand_free(&add);
    operand_free(&w1);
    operand_free(&bias1);
    operand_free(&add1);
}

static void test_other_types(void **state)
{
    (void)state;
    int64_t a[] = {1, 2, 3, 4, 5, ((int64_t)1 << 60) + 1}, b[] = {1, -1, 2, 0, 3, 1};
    double x[] = {1, 2, 3, 4, 5, 6}, y[] = {1, -1, 2, 0.5, 3, 1};
    View va = {.dtype = DT_I64, .data = a}, vb = {.dtype = DT_I64, .data = b};
    view_set_contiguous(&va, 2, (int64_t[]){2, 3});
    view_set_contiguous(&vb, 2, (int64_t[]){3, 2});
    View in[2] = {va, vb};
    MatmulParams p = {1, 1, 0, 0};
    Result r;
    assert_int_equal(kernel_try(&kernel_matmul, &p, in, 2, false, NULL, &r), ST_OK);
    const int64_t *got = r.out[0].view.data;
    assert_true(got[0] == 14 && got[1] == 2 && got[2] == 14 + 3 * (((int64_t)1 << 60) + 1) && got[3] == -4 + ((int64_t)1 << 60) + 1);
    result_free(&r);
    in[0].dtype = in[1].dtype = DT_F64;
    in[0].data = x;
    in[1].data = y;
    assert_int_equal(kernel_try(&kernel_matmul, &p, in, 2, false, NULL, &r), ST_OK);
    const double *d = r.out[0].view.data;
    assert_true(d[0] == 14 && d[1] == 3 && d[2] == 32 && d[3] == 4.5);
    result_free(&r);
}

// Numbers of another type: integers in -9 … 9.
static Operand operand_of(DType t, int ndim, const int64_t *size, uint64_t seed)
{
    Operand f = operand_f32(ndim, size, seed), o = {.view = f.view};
    bool whole = !dtype_is_floating(t);
    for (int64_t i = 0; i < view_numel(&f.view); i++)
        ((float *)f.view.data)[i] *= whole ? 9.9f : 1;
    o.view.dtype = (uint8_t)t;
    operand_alloc(&o, (size_t)view_numel(&f.view) * dtype_size(t));
    assert_int_equal(copy_convert(&o.view, &f.view), ST_OK);
    operand_free(&f);
    return o;
}

static void compare_blas(const KernelOp *op, const void *p, View a, View b, View c, View add, int n_in, double most)
{
    View in[4] = {a, b, c, add};
    assert_string_equal(kernel_compare_to(op, p, in, n_in, 2, most), "blas");
}

// Against the reference, which sums in double: products of at most 65 terms in the type computed in, rounded once.
static void test_blas(void **state)
{
    (void)state;
    static const struct { DType t; double most; } types[] = {{DT_F64, 1e-15}, {DT_I64, 0}, {DT_I32, 0}, {DT_I8, 0}, {DT_F16, 5e-4}, {DT_BF16, 4e-3}};
    static const MatmulParams ps[] = {{1, 1, 0, 0}, {3, 2, 0, 0}, {1, -3, 0, 0}, {2, 0, 0, 0}};
    View none = operand_absent().view;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        DType t = types[i].t;
        double most = types[i].most;
        Operand m = operand_of(t, DIMS(7, 65), 1), n = operand_of(t, DIMS(65, 33), 2), row = operand_of(t, DIMS(33), 3), c = operand_of(t, DIMS(7, 33), 4);
        Operand x = operand_of(t, DIMS(2, 3, 4, 5), 5), y = operand_of(t, DIMS(3, 5, 6), 6), v = operand_of(t, DIMS(65), 7), z = operand_of(t, DIMS(5, 6), 8);
        for (size_t j = 0; j < 4; j++) {
            compare_blas(&kernel_matmul, &ps[j], m.view, n.view, c.view, none, 3, most);
            compare_blas(&kernel_matmul, &ps[j], m.view, n.view, row.view, none, 3, most);
            compare_blas(&kernel_matmul, &ps[j], view_permuted(&n.view, (int[]){1, 0}), view_permuted(&m.view, (int[]){1, 0}),
                         view_permuted(&c.view, (int[]){1, 0}), none, 3, most);
        }
        compare_blas(&kernel_matmul, &ps[0], x.view, y.view, none, none, 3, most);                                     // a batch of matrices on the right
        compare_blas(&kernel_matmul, &ps[0], x.view, z.view, none, none, 3, most);                                     // folded
        compare_blas(&kernel_matmul, &ps[0], view_permuted(&x.view, (int[]){1, 0, 2, 3}), z.view, none, none, 3, most); // that does not fold
        compare_blas(&kernel_matmul, &ps[0], m.view, v.view, none, none, 3, most);
        compare_blas(&kernel_matmul, &ps[0], v.view, n.view, none, none, 3, most);
        compare_blas(&kernel_matmul, &ps[0], v.view, v.view, none, none, 3, most);
        View column = n.view; // a vector with gaps
        column.ndim = 1;
        compare_blas(&kernel_matmul, &ps[0], m.view, column, none, none, 3, most);
        compare_blas(&kernel_matmul, &ps[0], column, column, none, none, 3, most);
        View every_other = n.view; // no dimension in one piece
        every_other.size[1] = 16;
        every_other.stride[1] = 2;
        compare_blas(&kernel_matmul, &ps[0], m.view, every_other, none, none, 3, most);
        ActParams act = {.act = dtype_is_floating(t) ? ACT_TANH : ACT_NONE};
        View weight = view_permuted(&n.view, (int[]){1, 0});
        compare_blas(&kernel_linear, &act, m.view, weight, row.view, dtype_is_floating(t) ? c.view : none, 4, most);
        Operand *all[] = {&m, &n, &row, &c, &x, &y, &v, &z};
        for (int k = 0; k < 8; k++)
            operand_free(all[k]);
    }
}

static void test_empty(void **state)
{
    (void)state;
    Operand a = operand_f32(DIMS(2, 0), 1), b = operand_f32(DIMS(0, 3), 2);
    View in[2] = {a.view, b.view};
    MatmulParams p = {1, 1, 0, 0};
    Result r;
    assert_int_equal(kernel_try(&kernel_matmul, &p, in, 2, false, NULL, &r), ST_OK);
    for (int i = 0; i < 6; i++)
        assert_true(((float *)r.out[0].view.data)[i] == 0);
    result_free(&r);
    operand_free(&a);
    operand_free(&b);
}

static void expect(const KernelOp *op, const void *params, Operand a, Operand b, Operand c, const char *message)
{
    KernelContext ctx = {.threads = 1};
    Kernel k;
    View in[3] = {a.view, b.view, c.view};
    assert_int_equal(kernel_prepare(&k, op, &ctx, params, in, 3), ST_RAISED);
    assert_string_equal(status_message(), message);
    operand_free(&a);
    operand_free(&b);
    operand_free(&c);
}

static void test_messages(void **state)
{
    (void)state;
    MatmulParams p = {1, 1, 0, 0};
    ActParams q = {.act = ACT_NONE};
    Operand no = operand_absent(), f64 = operand_f32(DIMS(3, 2), 1);
    f64.view.dtype = DT_F64;
    expect(&kernel_matmul, &p, operand_f32(DIMS(2, 3), 1), operand_f32(DIMS(4, 5), 1), no, "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
    expect(&kernel_matmul, &p, operand_f32(DIMS(2, 7, 2, 3), 1), operand_f32(DIMS(4, 5), 1), no, "mat1 and mat2 shapes cannot be multiplied (28x3 and 4x5)");
    expect(&kernel_matmul, &p, operand_f32(DIMS(3), 1), operand_f32(DIMS(4, 5), 1), no, "mat1 and mat2 shapes cannot be multiplied (1x3 and 4x5)");
    expect(&kernel_matmul, &p, operand_f32(DIMS(2, 3), 1), operand_f32(DIMS(4), 1), no, "size mismatch, got 2, 2x3,4");
    expect(&kernel_matmul, &p, operand_f32(DIMS(7, 2, 3), 1), operand_f32(DIMS(6, 3, 5), 1), no,
           "The size of tensor a (7) must match the size of tensor b (6) at non-singleton dimension 0");
    expect(&kernel_matmul, &p, operand_f32(DIMS(7, 2, 3), 1), operand_f32(DIMS(7, 4, 5), 1), no,
           "Expected size for first two dimensions of batch2 tensor to be: [7, 3] but got: [7, 4].");
    expect(&kernel_matmul, &p, operand_f32(DIMS(2, 3), 1), f64, no, "expected scalar type Float but found Double");
    expect(&kernel_matmul, &p, operand_f32(DIMS(2, 3), 1), operand_f32(DIMS(3, 5), 1), operand_f32(DIMS(4), 1),
           "The expanded size of the tensor (5) must match the existing size (4) at non-singleton dimension 1.  Target sizes: [2, 5].  Tensor sizes: [4]");
    expect(&kernel_linear, &q, operand_f32(DIMS(2, 3), 1), operand_f32(DIMS(4, 5), 1), no, "mat1 and mat2 shapes cannot be multiplied (2x3 and 5x4)");
    expect(&kernel_linear, &q, operand_f32(DIMS(7, 2, 3), 1), operand_f32(DIMS(4, 5), 1), no, "mat1 and mat2 shapes cannot be multiplied (14x3 and 5x4)");
    expect(&kernel_linear, &q, operand_f32(DIMS(2, 3), 1), operand_f32(DIMS(4, 3), 1), operand_f32(DIMS(5), 1),
           "The expanded size of the tensor (4) must match the existing size (5) at non-singleton dimension 1.  Target sizes: [2, 4].  Tensor sizes: [5]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),  cmocka_unit_test(test_strides), cmocka_unit_test(test_c),       cmocka_unit_test(test_vectors), cmocka_unit_test(test_small), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_other_types), cmocka_unit_test(test_blas), cmocka_unit_test(test_empty), cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
