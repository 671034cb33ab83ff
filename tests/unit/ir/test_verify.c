// The verifier finds what it promises to: each test breaks one thing in a good graph.
#include "ir/print.h"
#include "ir/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct Fixture {
    Arena arena;
    Graph *g;
    OpTable *ops;
} Fixture;

static int setup(void **state)
{
    static Fixture f;
    f = (Fixture){0};
    TypeTable *types = type_table_new(&f.arena);
    f.ops = op_table_new(&f.arena, types);
    Status status = graph_read(&f.arena, types, f.ops,
                               STR("graph(%x : Tensor, %c : bool, %n : int):\n"
                                   "  %1 : Tensor = aten::relu(%x)\n"
                                   "  %2 : Tensor = prim::If(%c)\n"
                                   "    block0():\n"
                                   "      %3 : Tensor = aten::neg(%1)\n"
                                   "      -> (%3)\n"
                                   "    block1():\n"
                                   "      -> (%1)\n"
                                   "  %4 : Tensor = prim::Loop(%n, %c, %2)\n"
                                   "    block0(%i : int, %v : Tensor):\n"
                                   "      %5 : Tensor = aten::neg(%v)\n"
                                   "      -> (%c, %5)\n"
                                   "  return (%4)\n"),
                               NULL, &f.g);
    *state = &f;
    return status != ST_OK || graph_verify(f.g) != ST_OK;
}

static int teardown(void **state)
{
    arena_free(&((Fixture *)*state)->arena);
    return 0;
}

static void broken(Fixture *f, const char *says)
{
    assert_int_equal(graph_verify(f->g), ST_INTERNAL);
    if (!strstr(status_message(), says))
        print_message("%s\n", status_message());
    assert_non_null(strstr(status_message(), says));
}

static Node *relu(Fixture *f) { return graph_first(f->g); }
static Node *branch(Fixture *f) { return relu(f)->next; }
static Node *loop(Fixture *f) { return branch(f)->next; }

static void test_order(void **state)
{
    Fixture *f = *state;
    node_move_after(relu(f), loop(f));
    broken(f, "not defined before its use");
}

static void test_scope(void **state)
{
    // A value of one block used behind it.
    Fixture *f = *state;
    node_set_input(loop(f), 2, block_first(branch(f)->blocks[0])->outputs[0]);
    broken(f, "not defined before its use");
}

static void test_uses(void **state)
{
    Fixture *f = *state;
    relu(f)->inputs[0]->use_count++;
    broken(f, "number of uses");
}

static void test_position(void **state)
{
    Fixture *f = *state;
    branch(f)->position = 1;
    broken(f, "positions");
}

static void test_if(void **state)
{
    Fixture *f = *state;
    node_remove_input(branch(f)->blocks[1]->ret, 0);
    broken(f, "outputs of an if");
}

static void test_loop(void **state)
{
    Fixture *f = *state;
    node_remove_input(loop(f), 2);
    broken(f, "a loop has");
}

static void test_arguments(void **state)
{
    Fixture *f = *state;
    node_add_input(relu(f), relu(f)->inputs[0]);
    broken(f, "number of inputs");
}

static void test_types(void **state)
{
    Fixture *f = *state;
    node_set_input(relu(f), 0, f->g->top->param->outputs[1]);
    broken(f, "type that the schema does not take");
}

static void test_schema(void **state)
{
    Fixture *f = *state;
    relu(f)->schema = NULL;
    relu(f)->kind = NODE_GET_ATTR;
    broken(f, "GetAttr");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_order), TEST(test_scope), TEST(test_uses), TEST(test_position), TEST(test_if),
                                       TEST(test_loop), TEST(test_arguments), TEST(test_types), TEST(test_schema)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
