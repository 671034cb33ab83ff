// Allocation N fails, for N = 1, 2, … until a model loads, prepares, runs and is measured step by step: ST_MEMORY with a message, or it could do
// without; nothing left allocated, nothing touched that is not there. The linker leads our allocations here (tests/CMakeLists.txt).
#include "ir/cut.h"
#include "ir/partition.h"
#include "worker/allocator.h"
#include "worker/measure.h"
#include "worker/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static long calls, failing, live; // allocations made; the one that fails, 0 for none; blocks not yet freed
static long prepared;             // allocations made when the model was prepared

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static bool fails(void) { return ++calls == failing; }

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : counted(__real_calloc(count, size)); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : counted(__real_aligned_alloc(alignment, size)); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : counted(__real_strdup(s)); }

void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    void *p = __real_realloc(old, size);
    live += p && !old;
    return p;
}

void __wrap_free(void *p)
{
    live -= p != NULL;
    __real_free(p);
}

typedef struct Sample {
    const char *name;
    int args;
    int ndim[2];
    int64_t size[2][4];
    bool plain; // the graph as it is
} Sample;

enum { STEPS = 64 };

// Stages, and values that travel from one to the next.
static Status measure(Model *m, Lane *lane, const IValue *args, int n)
{
    const CutGraph *c;
    TRY(model_cut_graph(m, &c));
    static StepCost costs[STEPS];
    static uint64_t bytes[STEPS + 1];
    assert_true(c->step_count <= STEPS);
    return model_measure(m, lane, args, n, costs, bytes);
}

static Status call(const Sample *s, Model *m, Lane *lane, Instance *instance)
{
    IValue args[2] = {0}, result;
    Status status = ST_OK;
    for (int i = 0; i < s->args && status == ST_OK; i++) {
        Tensor *t;
        status = tensor_new(lane, DT_F32, s->ndim[i], s->size[i], &t);
        if (status != ST_OK)
            break;
        for (int64_t k = 0; k < tensor_numel(t); k++)
            ((float *)t->view.data)[k] = 0.25f * (float)(k % 7);
        args[i] = value_tensor_take(t);
    }
    for (int k = 0; k < 2 && status == ST_OK; k++) {
        status = instance_call(instance, args, s->args, &result);
        if (status == ST_OK)
            value_release(result);
    }
    if (status == ST_OK && !s->plain)
        status = measure(m, lane, args, s->args);
    for (int i = 0; i < s->args; i++)
        value_release(args[i]);
    return status;
}

// Both halves of every cut, and the best partition of steps that cost the same.
static Status cut(Model *m)
{
    static const uint64_t bytes[STEPS + 1];
    double seconds[STEPS];
    bool legal[STEPS + 1];
    Partition best;
    CutGraph c;
    Graph *stage;
    TRY(cut_analyse(program_arena(model_program(m)), model_graph(m), model_root(m), &c));
    assert_true(c.step_count <= STEPS);
    for (uint32_t i = 0; i < c.step_count; i++) {
        seconds[i] = 1;
        legal[i] = !c.points[i].refusal;
        if (i && legal[i]) {
            TRY(cut_stage(&c, 0, i, &stage));
            TRY(cut_stage(&c, i, c.step_count, &stage));
        }
    }
    PartitionProblem p = {.step_count = c.step_count, .seconds = seconds, .legal = legal, .bytes = bytes, .work_bytes = bytes, .lanes = 1};
    return partition_best(&p, 1, &best);
}

static Status run(const Sample *s, Model *m, const KernelContext *kernels)
{
    Status status = model_prepare(m, &(ModelOptions){.kernels = kernels, .no_optimize = s->plain}, false);
    if (status == ST_OK && !s->plain)
        status = cut(m);
    prepared = calls;
    TRY(status);
    Lane *lane;
    Instance *instance;
    TRY(lane_new(kernels, program_types(model_program(m)), &lane));
    status = instance_new(m, lane, &instance);
    if (status == ST_OK) {
        status = call(s, m, lane, instance);
        instance_free(instance);
        assert_int_equal(allocator_stats(lane->allocator).live, 0);
    }
    lane_free(lane);
    return status;
}

static Status whole_life(const Sample *s)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pt", TEST_DATA, s->name);
    PackStore *packs;
    TRY(pack_store_new(&packs));
    KernelContext kernels = {.packs = packs, .threads = 1};
    Model *m;
    Status status = model_open(path, &m);
    if (status == ST_OK) {
        status = run(s, m, &kernels);
        model_free(m);
    }
    pack_store_free(packs);
    return status;
}

static void test_models(void **state)
{
    (void)state;
    static const Sample samples[] = {
        {"tutorial/cell_scripted", 2, {2, 2}, {{3, 4}, {3, 4}}, false},
        {"tutorial/gated_cell_scripted", 2, {2, 2}, {{3, 4}, {3, 4}}, true},
        {"tutorial/rnn_loop", 1, {3}, {{10, 3, 4}}, false},
        {"tutorial/wrap_rnn", 1, {3}, {{10, 3, 4}}, true},
        {"nested", 1, {2}, {{3, 4}}, false},
        {"ragged", 1, {1}, {{12}}, false},
        {"quantised", 1, {4}, {{2, 2, 5, 5}}, false},
        {"counting", 1, {2}, {{3, 4}}, false},
        {"../../deploy/demo/digits", 1, {4}, {{2, 1, 8, 8}}, false},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const Sample *s = &samples[i];
        failing = 0;
        if (whole_life(s) != ST_OK) // also fills what is made once per process
            fail_msg("%s: %s", s->name, status_message());
        long before = live;
        for (long n = 1;; n++) {
            calls = prepared = 0;
            failing = n;
            status_clear();
            Status status = whole_life(s);
            if (live != before)
                fail_msg("%s: allocation %ld fails: %ld blocks are left", s->name, n, live - before);
            if (calls < n) {
                assert_int_equal(status, ST_OK);
                assert_true(n > 20);
                break;
            }
            // Constants are not folded when there is no memory for it; a lane gives its cache back, says nothing and asks
            // again.
            if (status == ST_OK && ((!s->plain && n <= prepared) || status_message()[0] == '\0'))
                continue;
            if (status != ST_MEMORY || status_message()[0] == '\0')
                fail_msg("%s: allocation %ld fails: %s: %s", s->name, n, status_name(status), status_message());
        }
        failing = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
