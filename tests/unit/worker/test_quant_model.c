// Quantised models from archives: packed parameters in the three forms that archives know, the old call with eight
// arguments (quantised_1.pt), weights that stay quantised through loading, and results that come out as float32.
// Archives and numbers: tests/gen/quantised.py.
#include "worker/allocator.h"
#include "worker/model.h"
#include "worker/quant.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

// constants: the archive has packed weights; else the optimiser finds that they are constant.
static void check(const char *name, bool constants, bool optimised, const int64_t size[4], const float *want, int64_t count)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pt", TEST_DATA, name);
    PackStore *packs;
    Model *m;
    Lane *lane;
    Instance *instance;
    ok(pack_store_new(&packs));
    KernelContext kernels = {.packs = packs, .threads = 1};
    ok(model_open(path, &m));
    ModelOptions options = {.kernels = &kernels, .no_optimize = !optimised};
    ok(model_prepare(m, &options, false));
    ok(lane_new(&kernels, program_types(model_program(m)), &lane));
    ok(instance_new(m, lane, &instance));
    Tensor *x;
    ok(tensor_new(lane, DT_F32, 4, size, &x));
    for (int64_t i = 0; i < tensor_numel(x); i++)
        ((float *)x->view.data)[i] = (float)(i % 7 - 3);
    IValue arg = value_tensor_take(x), result;
    for (int call = 0; call < 2; call++) {
        ok(instance_call(instance, &arg, 1, &result));
        assert_int_equal(result.tag, TAG_TENSOR);
        assert_int_equal(tensor_dtype(result.as.tensor), DT_F32);
        assert_int_equal(tensor_numel(result.as.tensor), count);
        for (int64_t i = 0; i < count; i++)
            assert_true(fabsf(((float *)result.as.tensor->view.data)[i] - want[i]) < 1e-6f);
        value_release(result);
    }
    value_release(arg);
    assert_int_equal(pack_store_used(packs) > 0, constants || optimised); // those are packed once
    instance_free(instance);
    assert_int_equal(allocator_stats(lane->allocator).live, 0);
    lane_free(lane);
    model_free(m);
    pack_store_free(packs);
}

static void test_forms(void **state)
{
    (void)state;
    static const float want[6] = {1.85f, -1.2f, -0.25f, -1.7f, -4.0f, -0.75f};
    const char *names[] = {"quantised", "quantised_1", "quantised_3"};
    for (int i = 0; i < 6; i++)
        check(names[i / 2], true, i & 1, (const int64_t[]){2, 2, 5, 5}, want, 6);
}

// Layers of PyTorch 2, from tests/gen/quantised_new.py.
static void test_new_layers(void **state)
{
    (void)state;
    static const float want[] = {
        6.0f, 3.9f, -0.9f, 11.1f, -8.4f, 7.5f, 3.6f, 12.6f, 6.0f, 3.9f, 0.0f, 11.1f, 0.0f, 7.5f, 3.6f, 12.6f, 2.5f, -1.0f,
        2.5f, -0.4f, -0.9f, 8.0f, 2.5f, -0.6f, -0.9f, 0.0f, 2.5f, -0.8f, 0.99f, -1.0f, 0.99f, -0.96f, -1.0f, 1.0f, 0.99f,
        -1.0f, -1.0f, 0.0f, 0.99f, -1.0f, 0.729606628f, 0.308375835f, -0.068007946f, 0.142946124f, -0.235404119f,
        -0.205264151f, -0.0812629312f, 0.260497212f, -0.407071352f, -0.205900908f, 0.41420716f, 0.360536486f, 5.4f, 2.0f,
        -1.8f, 0.2f, 0.8f, -0.2f, 0.6f, 0.8f, -2.4f, -1.0f, 3.0f, 1.4f};
    for (int i = 0; i < 2; i++)
        check("quantised_new", false, i, (const int64_t[]){1, 2, 3, 3}, want, sizeof want / sizeof *want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_new_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
