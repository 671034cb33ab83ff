// Preparing kernels: the first variant that takes the operands wins, failures that are not "declined" end the search, and the
// instruction set can only be limited to what the machine has.
#include "kernel_test.h"
#include "kernels/isa.h"

typedef struct Trace {
    int tried, destroyed;
} Trace;

static Trace trace;

static Status decline(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    (void)k;
    (void)ctx;
    (void)params;
    (void)in;
    (void)n_in;
    trace.tried++;
    return ST_DECLINED;
}

static Status raise_error(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    decline(k, ctx, params, in, n_in);
    return status_fail(ST_RAISED, "shapes do not fit");
}

static Status accept_operands(Kernel *k, const KernelContext *ctx, const void *params, const View *in, int n_in)
{
    decline(k, ctx, params, in, n_in);
    k->outputs[0] = in[0];
    k->output_count = 1;
    return ST_OK;
}

static Status run_nothing(const Kernel *k, const View *in, const View *out, void *scratch, Stream *stream)
{
    (void)k;
    (void)in;
    (void)out;
    (void)scratch;
    (void)stream;
    return ST_OK;
}

static void count_destroyed(Kernel *k)
{
    (void)k;
    trace.destroyed++;
}

#define VARIANT(name, device, prepare) {name, device, prepare, run_nothing, count_destroyed}

static void test_order(void **state)
{
    (void)state;
    const KernelVariant variants[] = {VARIANT("first", DEVICE_CPU, decline), VARIANT("other device", DEVICE_CUDA, accept_operands),
                                      VARIANT("second", DEVICE_CPU, accept_operands), VARIANT("reference", DEVICE_CPU, accept_operands), {0}};
    const KernelOp op = {"op", variants};
    KernelContext ctx = {.threads = 1};
    Operand x = operand_f32(DIMS(2), 1);
    Kernel k;
    trace = (Trace){0};
    assert_int_equal(kernel_prepare(&k, &op, &ctx, NULL, &x.view, 1), ST_OK);
    assert_string_equal(k.variant->name, "second");
    assert_int_equal(k.in_place, -1);
    assert_int_equal(trace.tried, 2);
    assert_int_equal(trace.destroyed, 1); // what the first may have left
    kernel_destroy(&k);
    kernel_destroy(&k);
    assert_int_equal(trace.destroyed, 2);
    ctx.reference_only = true;
    assert_int_equal(kernel_prepare(&k, &op, &ctx, NULL, &x.view, 1), ST_OK);
    assert_string_equal(k.variant->name, "reference");
    kernel_destroy(&k);
    operand_free(&x);
}

static void test_failures(void **state)
{
    (void)state;
    const KernelVariant raises[] = {VARIANT("raises", DEVICE_CPU, raise_error), VARIANT("reference", DEVICE_CPU, accept_operands), {0}};
    const KernelVariant declines[] = {VARIANT("declines", DEVICE_CPU, decline), {0}};
    const KernelOp first = {"op", raises}, second = {"thing", declines};
    KernelContext ctx = {.threads = 1};
    Operand x = operand_f32(DIMS(2), 1);
    Kernel k;
    trace = (Trace){0};
    assert_int_equal(kernel_prepare(&k, &first, &ctx, NULL, &x.view, 1), ST_RAISED);
    assert_string_equal(status_message(), "shapes do not fit");
    assert_int_equal(trace.tried, 1);
    assert_int_equal(kernel_prepare(&k, &second, &ctx, NULL, &x.view, 1), ST_UNSUPPORTED);
    assert_string_equal(status_message(), "\"thing\" not implemented for 'Float'");
    View none = {.dtype = DT_INVALID};
    assert_int_equal(kernel_prepare(&k, &second, &ctx, NULL, &none, 1), ST_UNSUPPORTED);
    operand_free(&x);
}

static void test_activation_names(void **state)
{
    (void)state;
    Act a;
    assert_true(act_from_name(STR("none"), &a) && a == ACT_NONE);
    assert_true(act_from_name(STR("hardsigmoid"), &a) && a == ACT_HARDSIGMOID);
    assert_true(act_from_name(STR("elu"), &a) && a == ACT_ELU);
    assert_false(act_from_name(STR("eluu"), &a));
}

// Runs before anything is prepared, as the limit must.
static void test_isa(void **state)
{
    (void)state;
    Isa machine = kernel_isa();
    assert_int_equal(kernel_limit_isa("sse9"), ST_USAGE);
    assert_int_equal(kernel_limit_isa("avx512"), ST_OK);
    assert_int_equal(kernel_isa(), machine);
    assert_int_equal(kernel_limit_isa(isa_name(machine)), ST_OK);
    assert_int_equal(kernel_isa(), machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isa),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_activation_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
