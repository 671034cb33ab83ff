// Costs of steps: every step gets a row, what is packed is counted and given back, nothing that a step does is left behind.
// With arguments: test_measure MODEL.pt [i]8,3,224,224 … prints the costs of one model beside a call of the whole method.
#include "worker/measure.h"

#include "worker/allocator.h"
#include "worker/random.h"
#include "worker/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static void ok(Status status)
{
    if (status != ST_OK)
        fail_msg("%s: %s", status_name(status), status_message());
}

typedef struct Bench {
    PackStore *packs;
    Model *model;
    Lane *lane;
    const CutGraph *cut;
    StepCost *costs;
    uint64_t *bytes;
} Bench;

static Bench bench_open(const char *path)
{
    Bench b;
    ok(pack_store_new(&b.packs));
    KernelContext kernels = {.packs = b.packs, .threads = 1};
    ok(model_open(path, &b.model));
    ok(model_prepare(b.model, &(ModelOptions){.kernels = &kernels}, false));
    ok(lane_new(&kernels, program_types(model_program(b.model)), &b.lane));
    ok(model_cut_graph(b.model, &b.cut));
    b.costs = calloc(b.cut->step_count, sizeof *b.costs);
    b.bytes = calloc(b.cut->step_count + 1, sizeof *b.bytes);
    return b;
}

static void bench_close(Bench *b)
{
    assert_int_equal(allocator_stats(b->lane->allocator).live, 0);
    free(b->costs);
    free(b->bytes);
    lane_free(b->lane);
    model_free(b->model);
    pack_store_free(b->packs);
}

static IValue tensor_arg(Lane *lane, DType dtype, int ndim, const int64_t *size)
{
    Tensor *t;
    ok(tensor_new(lane, dtype, ndim, size, &t));
    for (int64_t i = 0; i < tensor_numel(t); i++)
        if (dtype == DT_I64)
            ((int64_t *)t->view.data)[i] = i % 100;
        else
            ((float *)t->view.data)[i] = (float)sin((double)i * 0.7);
    return value_tensor_take(t);
}

static void test_every_step_has_costs(void **state)
{
    (void)state;
    Bench b = bench_open(TEST_DATA "/../../deploy/demo/digits.pt");
    IValue x = tensor_arg(b.lane, DT_F32, 4, (const int64_t[]){5, 1, 8, 8});
    size_t live = allocator_stats(b.lane->allocator).live;
    ok(model_measure(b.model, b.lane, &x, 1, b.costs, b.bytes));
    assert_int_equal(allocator_stats(b.lane->allocator).live, live);
    assert_int_equal(pack_store_used(b.packs), 0);
    uint64_t packed = 0;
    for (uint32_t i = 0; i < b.cut->step_count; i++) {
        assert_true(b.cut->points[i].refusal || (b.costs[i].seconds > 0 && b.costs[i].seconds < 10));
        assert_true(b.cut->points[i].refusal || b.costs[i].work_bytes >= b.bytes[i]);
        packed += b.costs[i].packed_bytes;
    }
    // The image and the ten numbers of each sample, and what is written about them.
    assert_true(b.bytes[0] >= 5 * 64 * 4 && b.bytes[0] < 5 * 64 * 4 + 256);
    assert_true(b.bytes[b.cut->step_count] >= 5 * 10 * 4 && b.bytes[b.cut->step_count] < 5 * 10 * 4 + 256);
    // A whole call packs as much.
    Instance *instance;
    IValue result;
    ok(instance_new(b.model, b.lane, &instance));
    ok(instance_call(instance, &x, 1, &result));
    assert_int_equal(packed, pack_store_used(b.packs));
    assert_true(packed > 0);
    value_release(result);
    instance_free(instance);
    value_release(x);
    bench_close(&b);
}

static void test_what_a_model_raises(void **state)
{
    (void)state;
    Bench b = bench_open(TEST_DATA "/raising.pt");
    IValue x = tensor_arg(b.lane, DT_F32, 2, (const int64_t[]){3, 4});
    for (int i = 0; i < 12; i++)
        ((float *)x.as.tensor->view.data)[i] = -1;
    assert_int_equal(model_measure(b.model, b.lane, &x, 1, b.costs, b.bytes), ST_RAISED);
    assert_true(b.lane->print_to == stdout && b.lane->kernels.packs == b.packs);
    value_release(x);
    bench_close(&b);
}

// counting.pt adds one to a buffer in every call.
static void test_nothing_is_left_behind(void **state)
{
    (void)state;
    Bench b = bench_open(TEST_DATA "/counting.pt");
    Instance *instance;
    IValue x = tensor_arg(b.lane, DT_F32, 2, (const int64_t[]){3, 4}), before, after;
    Generator *g;
    ok(lane_generator(b.lane, &g));
    generator_key(g, 3, 4);
    uint32_t first = random_u32(g);
    generator_key(g, 3, 4);
    ok(instance_new(b.model, b.lane, &instance));
    ok(instance_call(instance, &x, 1, &before));
    ok(model_measure(b.model, b.lane, &x, 1, b.costs, b.bytes));
    ok(instance_call(instance, &x, 1, &after));
    assert_memory_equal(before.as.tensor->view.data, after.as.tensor->view.data, view_bytes(&after.as.tensor->view));
    assert_int_equal(random_u32(g), first);
    value_release(before);
    value_release(after);
    value_release(x);
    instance_free(instance);
    bench_close(&b);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double whole_call(Bench *b, const IValue *args, int n)
{
    enum { RUNS = 9 };
    double least = INFINITY;
    Instance *instance;
    ok(instance_new(b->model, b->lane, &instance));
    for (int i = -2; i < RUNS; i++) {
        IValue result;
        double start = now();
        ok(instance_call(instance, args, n, &result));
        double took = now() - start;
        least = i >= 0 && took < least ? took : least;
        value_release(result);
    }
    instance_free(instance);
    return least;
}

static void report(int argc, char **argv)
{
    Bench b = bench_open(argv[1]);
    IValue args[8];
    int n = 0;
    for (int i = 2; i < argc && n < 8; i++) {
        bool ints = argv[i][0] == 'i';
        int64_t size[8];
        int ndim = 0;
        for (char *at = argv[i] + ints; *at && ndim < 8; at += *at == ',')
            size[ndim++] = strtoll(at, &at, 10);
        args[n++] = tensor_arg(b.lane, ints ? DT_I64 : DT_F32, ndim, size);
    }
    double start = now();
    ok(model_measure(b.model, b.lane, args, n, b.costs, b.bytes));
    double took = now() - start, sum = 0, whole = whole_call(&b, args, n);
    uint64_t packed = 0, work = 0;
    for (uint32_t i = 0; i < b.cut->step_count; i++) {
        Buf name = {0};
        cut_describe(&name, b.cut, i + 1);
        printf("%4u %9.1f us %12llu packed %12llu work %12llu travel  %.*s\n", i, b.costs[i].seconds * 1e6, (unsigned long long)b.costs[i].packed_bytes,
               (unsigned long long)b.costs[i].work_bytes, (unsigned long long)b.bytes[i + 1], (int)name.len, name.ptr);
        buf_free(&name);
        sum += b.costs[i].seconds;
        packed += b.costs[i].packed_bytes;
        work = b.costs[i].work_bytes > work ? b.costs[i].work_bytes : work;
    }
    printf("%u steps: %.2f ms, whole %.2f ms, ratio %.3f; measured in %.0f ms; packed %llu of %zu; work %llu\n", b.cut->step_count, sum * 1e3, whole * 1e3,
           sum / whole, took * 1e3, (unsigned long long)packed, pack_store_used(b.packs), (unsigned long long)work);
    for (int i = 0; i < n; i++)
        value_release(args[i]);
    bench_close(&b);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        report(argc, argv);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_step_has_costs), cmocka_unit_test(test_what_a_model_raises),
                                       cmocka_unit_test(test_nothing_is_left_behind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
