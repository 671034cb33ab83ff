// Models from archives: loading, calling, state between calls, exceptions. Archives: tests/gen/small.py and tutorial.py.
#include "worker/allocator.h"
#include "worker/model.h"
#include "worker/tensor.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct Fixture {
    PackStore *packs;
    KernelContext kernels;
    Model *model;
    Lane *lane;
    Instance *instance;
} Fixture;

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

static void open_lane(Fixture *f)
{
    ok(lane_new(&f->kernels, program_types(model_program(f->model)), &f->lane));
    ok(instance_new(f->model, f->lane, &f->instance));
}

static void open_model(Fixture *f, const char *name, const ModelOptions *options)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pt", TEST_DATA, name);
    *f = (Fixture){0};
    ok(pack_store_new(&f->packs));
    f->kernels = (KernelContext){.packs = f->packs, .threads = 1};
    ok(model_open(path, &f->model));
    ModelOptions o = options ? *options : (ModelOptions){0};
    o.kernels = &f->kernels;
    ok(model_prepare(f->model, &o, false));
    open_lane(f);
}

static void close_lane(Fixture *f)
{
    instance_free(f->instance);
    assert_int_equal(allocator_stats(f->lane->allocator).live, 0);
    lane_free(f->lane);
}

static void close_model(Fixture *f)
{
    close_lane(f);
    model_free(f->model);
    pack_store_free(f->packs);
}

static IValue floats(Fixture *f, int ndim, const int64_t *size, const float *v)
{
    Tensor *t;
    ok(tensor_new(f->lane, DT_F32, ndim, size, &t));
    memcpy(t->view.data, v, sizeof *v * (size_t)tensor_numel(t));
    return value_tensor_take(t);
}

static float at(IValue v, int64_t i) { return ((const float *)v.as.tensor->view.data)[i]; }

static const char *const variants[] = {"optimised", "as it is"};

static void test_cell(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        Fixture f;
        open_model(&f, "tutorial/cell_scripted", &(ModelOptions){.no_optimize = plain});
        float x[12], h[12];
        for (int i = 0; i < 12; i++) {
            x[i] = 0.1f * (float)i;
            h[i] = -0.3f;
        }
        IValue args[2] = {floats(&f, 2, (int64_t[]){3, 4}, x), floats(&f, 2, (int64_t[]){3, 4}, h)}, result;
        ok(instance_call(f.instance, args, 2, &result));
        assert_int_equal(result.tag, TAG_TUPLE);
        assert_int_equal(result.as.tuple->len, 2);
        for (int i = 0; i < 12; i++)
            if (fabsf(at(result.as.tuple->items[0], i) - tanhf(x[i] + h[i])) > 1e-6f)
                fail_msg("%s: element %d is %g", variants[plain], i, at(result.as.tuple->items[0], i));
        value_release(result);
        assert_int_equal(instance_call(f.instance, args, 1, &result), ST_RAISED);
        assert_non_null(strstr(status_message(), "forward() is missing value for argument 'h'. Declaration: forward("));
        IValue wrong[2] = {args[0], value_int(1)};
        assert_int_equal(instance_call(f.instance, wrong, 2, &result), ST_RAISED);
        assert_non_null(strstr(status_message(), "Expected a value of type 'Tensor' for argument 'h'"));
        assert_int_equal(instance_call(f.instance, (IValue[3]){args[0], args[1], args[0]}, 3, &result), ST_RAISED);
        assert_non_null(strstr(status_message(), "expected at most 3 argument(s) but received 4 argument(s)"));
        value_release(args[0]);
        value_release(args[1]);
        close_model(&f);
    }
}

// Every call starts from the file, unless the run is stateful.
static void test_state(void **state)
{
    (void)state;
    for (int stateful = 0; stateful < 2; stateful++)
        for (int plain = 0; plain < 2; plain++) {
            Fixture f;
            open_model(&f, "counting", &(ModelOptions){.optimize.stateful = stateful, .no_optimize = plain});
            IValue x = floats(&f, 1, (int64_t[]){2}, (float[]){10, 20});
            for (int call = 1; call <= 3; call++) {
                IValue result;
                ok(instance_call(f.instance, &x, 1, &result));
                float expected = (float)(stateful ? 2 * call : 2); // calls + count
                if (at(result, 0) != 10 + expected || at(result, 1) != 20 + expected)
                    fail_msg("%s, stateful %d: call %d gave %g", variants[plain], stateful, call, at(result, 0));
                value_release(result);
            }
            value_release(x);
            const Str *paths;
            if (!plain)
                assert_true(model_mutated(f.model, &paths) > 0);
            close_model(&f);
        }
}

static void test_exception(void **state)
{
    (void)state;
    Fixture f;
    open_model(&f, "raising", NULL);
    IValue good = floats(&f, 1, (int64_t[]){2}, (float[]){1, 2}), bad = floats(&f, 1, (int64_t[]){2}, (float[]){1, -2}), result;
    assert_int_equal(instance_call(f.instance, &bad, 1, &result), ST_RAISED);
    assert_non_null(strstr(status_message(), "The following operation failed in the TorchScript interpreter.\n"
                                             "Traceback of TorchScript, serialized code (most recent call last):\n"
                                             "  File \"code/__torch__"));
    assert_non_null(strstr(status_message(), "<--- HERE\n"));
    assert_non_null(strstr(status_message(), "\nTraceback of TorchScript, original code (most recent call last):\n"));
    assert_non_null(strstr(status_message(), "\nbuiltins.ValueError: negative value in the batch\n"));
    ok(instance_call(f.instance, &good, 1, &result)); // the lane goes on
    assert_true(at(result, 1) == 4);
    value_release(result);
    value_release(good);
    value_release(bad);
    close_model(&f);
}

static void test_defaults_and_names(void **state)
{
    (void)state;
    Fixture f;
    open_model(&f, "named", NULL);
    Tensor *y;
    ok(tensor_new(f.lane, DT_I64, 2, (int64_t[]){2, 2}, &y));
    for (int i = 0; i < 4; i++)
        ((int64_t *)y->view.data)[i] = i;
    IValue args[3] = {floats(&f, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 4}), value_tensor_take(y), {.tag = TAG_UNINITIALIZED}}, result;
    for (int n = 2; n <= 3; n++) {
        ok(instance_call(f.instance, args, n, &result));
        assert_int_equal(result.tag, TAG_TUPLE);
        assert_true(str_is(result.as.tuple->type->fields[1], "total"));
        assert_true(at(result.as.tuple->items[0], 3) == 14);
        assert_true(at(result.as.tuple->items[1], 1) == 12);
        value_release(result);
    }
    value_release(args[0]);
    value_release(args[1]);
    close_model(&f);
}

static void test_numbers_and_unknown_method(void **state)
{
    (void)state;
    Fixture f;
    open_model(&f, "numbers", NULL);
    IValue args[2] = {floats(&f, 1, (int64_t[]){3}, (float[]){1, 2, 3}), value_int(3)}, result;
    ok(instance_call(f.instance, args, 2, &result));
    assert_true(result.as.tuple->items[0].as.f == 18);
    assert_int_equal(result.as.tuple->items[1].as.i, 4);
    assert_true(result.as.tuple->items[2].as.b);
    value_release(result);
    value_release(args[0]);
    assert_int_equal(model_prepare(f.model, &(ModelOptions){.method = "backward", .kernels = &f.kernels}, false), ST_USAGE);
    assert_non_null(strstr(status_message(), "it has: forward"));
    close_model(&f);
}

// __setstate__ runs when the model is prepared, not when it is opened, and only once.
static void test_setstate(void **state)
{
    (void)state;
    Fixture f;
    open_model(&f, "restoring", NULL);
    ok(model_prepare(f.model, &(ModelOptions){.kernels = &f.kernels}, false));
    close_lane(&f);
    open_lane(&f);
    IValue x = floats(&f, 1, (int64_t[]){3}, (float[]){1, 2, 3}), result;
    ok(instance_call(f.instance, &x, 1, &result));
    assert_true(at(result, 0) == 8 && at(result, 2) == 12); // x * 2 + 6
    value_release(result);
    value_release(x);
    close_model(&f);
}

typedef struct ThreadJob { Fixture f; float result; Status status; } ThreadJob;

static void *thread_main(void *arg)
{
    ThreadJob *job = arg;
    Fixture *f = &job->f;
    job->status = lane_new(&f->kernels, program_types(model_program(f->model)), &f->lane);
    if (job->status == ST_OK)
        job->status = instance_new(f->model, f->lane, &f->instance);
    for (int k = 0; k < 50 && job->status == ST_OK; k++) {
        float xs[24];
        for (int i = 0; i < 24; i++)
            xs[i] = (float)((i * 7) % 5) - 2;
        IValue x = floats(f, 3, (int64_t[]){2, 3, 4}, xs), result;
        job->status = instance_call(f->instance, &x, 1, &result);
        value_release(x);
        if (job->status == ST_OK) {
            job->result = at(result.as.tuple->items[0], 0);
            value_release(result);
        }
    }
    instance_free(f->instance);
    lane_free(f->lane);
    return NULL;
}

// Lanes share the model and its packed weights, and nothing else.
static void test_lanes(void **state)
{
    (void)state;
    Fixture f;
    open_model(&f, "tutorial/rnn_loop", NULL);
    enum { LANES = 4 };
    ThreadJob jobs[LANES];
    pthread_t threads[LANES];
    for (int i = 0; i < LANES; i++) {
        jobs[i] = (ThreadJob){.f = f};
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &jobs[i]), 0);
    }
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].status, ST_OK);
        assert_true(jobs[i].result == jobs[0].result && jobs[i].result != 0);
    }
    close_model(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cell),      cmocka_unit_test(test_state),
        cmocka_unit_test(test_exception), cmocka_unit_test(test_defaults_and_names),
        cmocka_unit_test(test_numbers_and_unknown_method), cmocka_unit_test(test_setstate),                 cmocka_unit_test(test_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
