// Detection: fast variants against the references, in every layout.
#include "kernel_test.h"

static RoiParams roi_params(int64_t h, int64_t w, int64_t ratio, bool aligned)
{
    RoiParams p;
    memset(&p, 0, sizeof p);
    p.scale = 0.5;
    p.size[0] = h;
    p.size[1] = w;
    p.sampling_ratio = ratio;
    p.aligned = aligned;
    return p;
}

// Inside, across every edge, outside, empty and turned round.
static Operand some_regions(void)
{
    static const float boxes[][5] = {{0, 1, 2, 17, 19}, {1, -7, -9, 5, 4}, {1, 20, 18, 60, 44}, {0, -40, -40, -20, -20}, {0, 3, 3, 3, 3}, {1, 12, 9, 4, 2}, {0, 0, 0, 27, 23}};
    Operand o = operand_f32(DIMS(7, 5), 1);
    memcpy(o.view.data, boxes, sizeof boxes);
    return o;
}

static void test_roi_align(void **state)
{
    (void)state;
    static const Layout layouts[] = {LAYOUT_STRIDED, LAYOUT_CHANNELS_LAST, LAYOUT_BLOCK8, LAYOUT_BLOCK16};
    Operand x = operand_f32(DIMS(2, 32, 12, 14), 1), odd = operand_f32(DIMS(2, 5, 12, 14), 2), rois = some_regions();
    for (int64_t ratio = 0; ratio < 3; ratio++)
        for (int aligned = 0; aligned < 2; aligned++) {
            RoiParams p = roi_params(3, 4, ratio, aligned);
            View plain[2] = {x.view, rois.view}, few[2] = {odd.view, rois.view};
            View last[2] = {view_permuted(&x.view, (int[]){0, 3, 2, 1}), rois.view}; // 14 channels side by side
            assert_string_equal(kernel_compare(&kernel_roi, &p, plain, 2, 0), "vector");
            assert_string_equal(kernel_compare(&kernel_roi, &p, few, 2, 0), "vector");
            assert_string_equal(kernel_compare(&kernel_roi, &p, last, 2, 0), "vector");
            for (int i = 1; i < 4; i++) {
                Operand strided = {.view = x.view};
                operand_alloc(&strided, x.bytes);
                x.view.layout = (uint8_t)layouts[i];
                assert_int_equal(layout_to_plain(&strided.view, &x.view), ST_OK);
                View private[2] = {x.view, rois.view}, same[2] = {strided.view, rois.view};
                Result a, b;
                assert_int_equal(kernel_try(&kernel_roi, &p, private, 2, false, NULL, &a), ST_OK);
                assert_int_equal(kernel_try(&kernel_roi, &p, same, 2, true, NULL, &b), ST_OK);
                assert_string_equal(a.variant, "vector");
                assert_true(view_distance(&a.out[0].view, &b.out[0].view) < 1e-6);
                result_free(&a);
                result_free(&b);
                operand_free(&strided);
                x.view.layout = LAYOUT_STRIDED;
            }
        }
    operand_free(&x);
    operand_free(&odd);
    operand_free(&rois);
}

// More points than are computed at a time.
static void test_large_region(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(1, 16, 40, 50), 1), rois = operand_f32(DIMS(1, 5), 2);
    memcpy(rois.view.data, (float[]){0, 3, 2, 97, 75}, 5 * sizeof(float));
    RoiParams p = roi_params(2, 2, 0, true);
    View plain[2] = {x.view, rois.view}, last[2] = {view_permuted(&x.view, (int[]){0, 3, 1, 2}), rois.view};
    assert_string_equal(kernel_compare(&kernel_roi, &p, plain, 2, 0), "vector");
    assert_string_equal(kernel_compare(&kernel_roi, &p, last, 2, 0), "vector");
    operand_free(&x);
    operand_free(&rois);
}

static void test_bad_regions(void **state)
{
    (void)state;
    Operand x = operand_f32(DIMS(2, 3, 12, 14), 1), rois = operand_f32(DIMS(1, 5), 2);
    static const float boxes[][5] = {{2, 0, 0, 3, 3}, {-1, 0, 0, 3, 3}, {NAN, 0, 0, 3, 3}, {0, 0, INFINITY, 3, 3}, {0, NAN, 0, 3, 3}, {0, 0, 0, 1e30f, 3}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
        for (int reference = 0; reference < 2; reference++) {
            memcpy(rois.view.data, boxes[i], sizeof boxes[i]);
            RoiParams p = roi_params(2, 2, 2, true);
            View in[2] = {x.view, rois.view};
            Kernel k;
            KernelContext ctx = {.threads = 1, .reference_only = reference};
            assert_int_equal(kernel_prepare(&k, &kernel_roi, &ctx, &p, in, 2), ST_OK);
            View out = k.outputs[0];
            Operand made = {.view = out};
            operand_alloc(&made, view_bytes(&out));
            out.data = made.view.data;
            void *scratch = aligned_alloc(64, (k.scratch_bytes + 127) & ~(size_t)63);
            assert_int_equal(k.variant->run(&k, in, &out, scratch, NULL), ST_RAISED);
            free(scratch);
            operand_free(&made);
            kernel_destroy(&k);
        }
    operand_free(&x);
    operand_free(&rois);
}

static void test_deformed(void **state)
{
    (void)state;
    for (int64_t groups = 1; groups <= 2; groups++)
        for (int masked = 0; masked < 2; masked++) {
            DeformParams p = {{3, 2}, {2, 1}, {1, 2}, {1, 2}, groups}; // 19 x 41 gives 10 x 43
            Operand x = operand_f32(DIMS(2, 4, 19, 41), 1), offset = operand_f32(2 + 2, (int64_t[]){2, 12 * groups, 10, 43}, 2);
            Operand mask = masked ? operand_f32(2 + 2, (int64_t[]){2, 6 * groups, 10, 43}, 3) : operand_absent();
            for (int64_t i = 0; i < view_numel(&offset.view); i++)
                ((float *)offset.view.data)[i] *= i % 7 ? 3 : 40; // some far outside
            memcpy(offset.view.data, (float[]){NAN, -1, 1e30f, 0}, 4 * sizeof(float));
            View in[3] = {x.view, offset.view, mask.view}, last[3] = {view_permuted(&x.view, (int[]){0, 1, 2, 3}), offset.view, mask.view};
            assert_string_equal(kernel_compare(&kernel_deform_columns, &p, in, 3, 0), "vector");
            last[0].stride[1] = 1; // channels side by side
            last[0].stride[3] = 4;
            last[0].stride[2] = 4 * 41;
            assert_string_equal(kernel_compare(&kernel_deform_columns, &p, last, 3, 0), "vector");
            operand_free(&x);
            operand_free(&offset);
            operand_free(&mask);
        }
}

// A box overlaps all that follow it for the threshold that their overlap is, rounded to float, but not above it.
static void test_nms_threshold(void **state)
{
    (void)state;
    enum { N = 37 };
    float boxes[N * 4], scores[N], columns[5 * N];
    int64_t keep[N], order[N];
    uint8_t gone[N];
    for (int i = 0; i < N; i++) {
        memcpy(boxes + 4 * i, (float[]){0, 0, 3, 1 + (float)(i > 0)}, 4 * sizeof(float)); // one half
        scores[i] = i ? 1 : 2;
    }
    assert_int_equal(nms_f32(boxes, scores, N, 0.5, keep, order, columns, gone), 2); // the others are the same box
    assert_int_equal(keep[1], 1);
    assert_int_equal(nms_f32(boxes, scores, N, 0.49999999, keep, order, columns, gone), 1);
    assert_int_equal(nms_f32(boxes, scores, N, 1, keep, order, columns, gone), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(keep[i], i); // equal scores keep their order
    for (int i = 0; i < N; i++)
        scores[i] = i % 5 == 3 ? NAN : (float)(i % 3);
    nms_f32(boxes, scores, N, 1, keep, order, columns, gone);
    for (int i = 1; i < N; i++) {
        float a = scores[keep[i - 1]], b = scores[keep[i]];
        assert_true(isnan(a) || a >= b);
        assert_true((!(a == b) && !(isnan(a) && isnan(b))) || keep[i - 1] < keep[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roi_align), cmocka_unit_test(test_large_region),  cmocka_unit_test(test_bad_regions),
        cmocka_unit_test(test_deformed),  cmocka_unit_test(test_nms_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
