// Linear code and the interpreter on graphs built by hand: control flow, register lifetimes, reuse of memory, calls.
#include "kernels/ops.h"
#include "worker/allocator.h"
#include "worker/interp.h"
#include "worker/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static Arena arena;
static Graph *g;
static Lane *lane;
static PackStore *packs;
static const Type type_int = {.kind = TYPE_INT}, type_bool = {.kind = TYPE_BOOL}, type_tensor = {.kind = TYPE_TENSOR}, type_str = {.kind = TYPE_STR};
static const Type *int_elem[] = {&type_int};
static const Type type_ints = {.kind = TYPE_LIST, .count = 1, .elem = int_elem};

static int setup(void **state)
{
    (void)state;
    if (pack_store_new(&packs) != ST_OK)
        return -1;
    KernelContext kernels = {.packs = packs, .threads = 1};
    g = graph_new(&arena, NULL);
    return lane_new(&kernels, NULL, &lane) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    size_t live = allocator_stats(lane->allocator).live;
    lane_free(lane);
    pack_store_free(packs);
    arena_free(&arena);
    arena = (Arena){0};
    return live == 0 ? 0 : -1;
}

static Node *node(Block *b, NodeKind kind, const Type *out, int n, Value **in)
{
    Node *x = node_new(g, kind);
    for (int i = 0; i < n; i++)
        node_add_input(x, in[i]);
    if (out)
        node_add_output(g, x, out);
    return block_append(b, x);
}

static Value *op(Block *b, const char *full_name, const Type *out, int n, Value **in)
{
    Schema *s = ARENA_NEW(&arena, Schema);
    s->full_name = str_of(full_name);
    const char *dot = strchr(full_name + 6, '.');
    s->symbol = dot ? (Str){full_name, (size_t)(dot - full_name)} : s->full_name;
    Node *x = node_new_op(g, s);
    for (int i = 0; i < n; i++)
        node_add_input(x, in[i]);
    Value *v = node_add_output(g, x, out);
    block_append(b, x);
    return v;
}

static Value *constant(Block *b, Datum *d, const Type *t)
{
    Node *x = node_new(g, NODE_CONSTANT);
    x->constant = d;
    node_add_output(g, x, t);
    return block_append(b, x)->outputs[0];
}

static Value *integer(Block *b, int64_t i) { return constant(b, datum_int(&arena, i), &type_int); }

#define IN(...) (int)(sizeof((Value *[]){__VA_ARGS__}) / sizeof(Value *)), (Value *[]){__VA_ARGS__}

static Status run(const IValue *args, IValue *out, char **listing)
{
    CodeSet set = {.arena = &arena};
    Code *code;
    Machine *m;
    ValueMemo *memo = NULL;
    TRY(code_set_add(&set, g, NULL, &code));
    TRY(code_set_lower(&set));
    if (listing) {
        Buf text = {0};
        code_print_linear(&text, code);
        *listing = text.ptr;
    }
    TRY(machine_new(&set, lane, &memo, &m));
    value_memo_free(memo);
    Status status = machine_run(m, code, args, out);
    machine_undo_attributes(m);
    machine_free(m);
    lane_reset_state(lane);
    return status;
}

// for i in range(n): if i < 3: s = s + i  else: s = s - 1
static void test_loop_and_if(void **state)
{
    (void)state;
    Value *n = block_add_input(g, g->top, &type_int);
    Value *yes = constant(g->top, &datum_true, &type_bool), *zero = integer(g->top, 0), *one = integer(g->top, 1), *three = integer(g->top, 3);
    Node *loop = node(g->top, NODE_LOOP, &type_int, IN(n, yes, zero));
    Block *body = node_add_block(g, loop);
    Value *i = block_add_input(g, body, &type_int), *s = block_add_input(g, body, &type_int);
    Value *less = op(body, "aten::lt.int", &type_bool, IN(i, three));
    Node *choice = node(body, NODE_IF, &type_int, IN(less));
    Block *then = node_add_block(g, choice), *otherwise = node_add_block(g, choice);
    block_add_output(then, op(then, "aten::add.int", &type_int, IN(s, i)));
    block_add_output(otherwise, op(otherwise, "aten::sub.int", &type_int, IN(s, one)));
    block_add_output(body, yes);
    block_add_output(body, choice->outputs[0]);
    block_add_output(g->top, loop->outputs[0]);
    IValue arg = value_int(10), out;
    assert_int_equal(run(&arg, &out, NULL), ST_OK);
    assert_int_equal(out.as.i, 0 + 1 + 2 - 7);
    arg = value_int(-4);
    assert_int_equal(run(&arg, &out, NULL), ST_OK);
    assert_int_equal(out.as.i, 0);
}

// while a < 100: a, b = b, a + b — a swap of registers, a condition that is carried
static void test_parallel_moves(void **state)
{
    (void)state;
    Value *forever = integer(g->top, INT64_MAX), *zero = integer(g->top, 0), *one = integer(g->top, 1), *limit = integer(g->top, 100);
    Value *first = op(g->top, "aten::lt.int", &type_bool, IN(zero, limit));
    Node *loop = node(g->top, NODE_LOOP, &type_int, IN(forever, first, zero, one));
    node_add_output(g, loop, &type_int);
    Block *body = node_add_block(g, loop);
    block_add_input(g, body, &type_int);
    Value *a = block_add_input(g, body, &type_int), *b = block_add_input(g, body, &type_int);
    Value *sum = op(body, "aten::add.int", &type_int, IN(a, b));
    block_add_output(body, op(body, "aten::lt.int", &type_bool, IN(b, limit)));
    block_add_output(body, b);
    block_add_output(body, sum);
    block_add_output(g->top, loop->outputs[0]);
    IValue out;
    assert_int_equal(run(NULL, &out, NULL), ST_OK);
    assert_int_equal(out.as.i, 144);
}

static Tensor *ones(int64_t n)
{
    Tensor *t;
    assert_int_equal(tensor_new(lane, DT_F32, 1, &n, &t), ST_OK);
    for (int64_t i = 0; i < n; i++)
        ((float *)t->view.data)[i] = 1;
    return t;
}

// A chain of operators on one tensor runs in two buffers: the argument's, which the caller holds, and one more.
static void test_memory_is_reused(void **state)
{
    (void)state;
    Value *x = block_add_input(g, g->top, &type_tensor), *v = x;
    Value *unused = block_add_input(g, g->top, &type_tensor);
    (void)unused;
    for (int i = 0; i < 20; i++)
        v = op(g->top, "aten::neg", &type_tensor, IN(v));
    block_add_output(g->top, v);
    enum { BYTES = 1 << 20 };
    IValue args[2] = {value_tensor_take(ones(BYTES / 4)), value_tensor_take(ones(1))}, out;
    char *listing;
    Status status = run(args, &out, &listing);
    if (status != ST_OK)
        fail_msg("%s", status_message());
    assert_true(((float *)out.as.tensor->view.data)[BYTES / 4 - 1] == 1);
    assert_true(allocator_stats(lane->allocator).peak < 3 * BYTES);
    assert_non_null(strstr(listing, "0: RELEASE => r1\n1: OP aten::neg r0! => r0\n"));
    free(listing);
    value_release(out);
    value_release(args[0]);
    value_release(args[1]);
}

// if c: y = neg(x) else: y = x; return (y, x used no more): x dies in either branch
static void test_values_die_in_branches(void **state)
{
    (void)state;
    Value *c = block_add_input(g, g->top, &type_bool), *x = block_add_input(g, g->top, &type_tensor), *z = block_add_input(g, g->top, &type_tensor);
    Node *choice = node(g->top, NODE_IF, &type_tensor, IN(c));
    Block *then = node_add_block(g, choice), *otherwise = node_add_block(g, choice);
    block_add_output(then, op(then, "aten::neg", &type_tensor, IN(x)));
    block_add_output(otherwise, op(otherwise, "aten::neg", &type_tensor, IN(z)));
    block_add_output(g->top, choice->outputs[0]);
    for (int k = 0; k < 2; k++) {
        IValue args[3] = {value_bool(k), value_tensor_take(ones(4)), value_tensor_take(ones(8))}, out;
        char *listing;
        assert_int_equal(run(args, &out, &listing), ST_OK);
        assert_int_equal(tensor_numel(out.as.tensor), k ? 4 : 8);
        assert_non_null(strstr(listing, "RELEASE => r2")); // z, where x is taken
        assert_non_null(strstr(listing, "RELEASE => r1"));
        free(listing);
        value_release(out);
        assert_true(value_unique(args[1]) && value_unique(args[2]));
        value_release(args[1]);
        value_release(args[2]);
    }
}

static void test_containers(void **state)
{
    (void)state;
    Value *a = block_add_input(g, g->top, &type_int), *b = block_add_input(g, g->top, &type_int);
    Value *list = node(g->top, NODE_LIST_CONSTRUCT, &type_ints, IN(a, b, a))->outputs[0];
    Node *unpack = node(g->top, NODE_LIST_UNPACK, &type_int, IN(list));
    node_add_output(g, unpack, &type_int);
    node_add_output(g, unpack, &type_int);
    static const Type *two[] = {&type_int, &type_ints};
    static const Type pair_type = {.kind = TYPE_TUPLE, .count = 2, .elem = two};
    Value *pair = node(g->top, NODE_TUPLE_CONSTRUCT, &pair_type, IN(unpack->outputs[1], list))->outputs[0];
    Node *test = node(g->top, NODE_ISINSTANCE, &type_bool, IN(list));
    static const Type *wanted[] = {&type_int, &type_ints};
    test->types = wanted;
    test->type_count = 2;
    Node *both = node(g->top, NODE_TUPLE_UNPACK, &type_int, IN(pair));
    node_add_output(g, both, &type_ints);
    block_add_output(g->top, both->outputs[0]);
    block_add_output(g->top, both->outputs[1]);
    block_add_output(g->top, test->outputs[0]);
    IValue args[2] = {value_int(4), value_int(5)}, out[3];
    assert_int_equal(run(args, out, NULL), ST_OK);
    assert_int_equal(out[0].as.i, 5);
    assert_int_equal(out[1].as.list->len, 3);
    assert_true(value_unique(out[1]));
    assert_true(out[2].as.b);
    value_release(out[1]);
}

static void test_raise_releases_registers(void **state)
{
    (void)state;
    Value *x = block_add_input(g, g->top, &type_tensor);
    Value *y = op(g->top, "aten::neg", &type_tensor, IN(x));
    Value *message = constant(g->top, datum_str(&arena, STR("boo")), &type_str), *cls = constant(g->top, datum_str(&arena, STR("builtins.ValueError")), &type_str);
    node(g->top, NODE_RAISE, NULL, IN(message, cls));
    block_add_output(g->top, y);
    IValue arg = value_tensor_take(ones(3)), out;
    assert_int_equal(run(&arg, &out, NULL), ST_RAISED);
    assert_non_null(strstr(status_message(), "Traceback of TorchScript"));
    assert_non_null(strstr(status_message(), "\nbuiltins.ValueError: boo\n"));
    assert_true(value_unique(arg));
    value_release(arg);
}

static void test_missing_operator(void **state)
{
    (void)state;
    Value *x = block_add_input(g, g->top, &type_tensor);
    block_add_output(g->top, op(g->top, "aten::no_such_thing", &type_tensor, IN(x)));
    IValue arg = value_tensor_take(ones(3)), out;
    assert_int_equal(run(&arg, &out, NULL), ST_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "aten::no_such_thing"));
    value_release(arg);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_loop_and_if),  TEST(test_parallel_moves),          TEST(test_memory_is_reused), TEST(test_values_die_in_branches),
        TEST(test_containers),   TEST(test_raise_releases_registers), TEST(test_missing_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
