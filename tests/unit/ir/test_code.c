// The code printer: the graphs that PyTorch 1.13 printed (tests/goldens) give the `.code` that it printed with them.
#include "ir/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static char *read_file(const char *name, const char *kind)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/../goldens/%s.%s", TEST_DATA, name, kind);
    FILE *file = fopen(path, "rb");
    if (!file)
        print_message("%s\n", path);
    assert_non_null(file);
    Buf b = {0};
    for (int c; (c = fgetc(file)) != EOF;)
        buf_char(&b, (char)c);
    buf_char(&b, 0);
    fclose(file);
    return b.ptr;
}

// The signature that the graph's inputs and outputs tell: names without their suffixes, no defaults.
static Schema *signature(Arena *a, const Graph *g)
{
    Schema *s = ARENA_NEW(a, Schema);
    const Node *param = g->top->param;
    s->symbol = STR("forward");
    s->arg_count = param->output_count;
    s->args = ARENA_ARRAY(a, SchemaArg, s->arg_count + 1);
    for (uint32_t i = 0; i < s->arg_count; i++) {
        Str name = param->outputs[i]->name;
        ptrdiff_t dot = str_rfind(name, '.');
        name.len = dot > 0 ? (size_t)dot : name.len;
        s->args[i] = (SchemaArg){.name = name, .type = param->outputs[i]->type};
    }
    s->returns = ARENA_NEW(a, SchemaArg);
    s->returns[0].type = g->top->ret->inputs[0]->type;
    s->return_count = 1;
    return s;
}

static void expect_code(const char *name)
{
    Arena a = {0};
    TypeTable *types = type_table_new(&a);
    OpTable *ops = op_table_new(&a, types);
    char *text = read_file(name, "graph"), *code = read_file(name, "code");
    Graph *g = NULL;
    assert_int_equal(graph_read(&a, types, ops, str_of(text), NULL, &g), ST_OK);
    Buf b = {0};
    assert_int_equal(code_print_graph(&b, g, signature(&a, g), true), ST_OK);
    buf_char(&b, 0);
    assert_string_equal(b.ptr, code);
    buf_free(&b);
    free(text);
    free(code);
    arena_free(&a);
}

static void test_tutorial(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"cell_scripted", "cell_traced", "linear_cell_scripted", "linear_cell_traced", "gated_cell_scripted", "gated_cell_traced", "rnn_loop", "wrap_rnn"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char name[64];
        snprintf(name, sizeof name, "tutorial/%s", NAMES[i]);
        expect_code(name);
    }
}

static void test_loops(void **state) { (void)state, expect_code("code/Loops"); }
static void test_early_returns(void **state) { (void)state, expect_code("code/EarlyReturns"); }
static void test_containers(void **state) { (void)state, expect_code("code/Containers"); }
static void test_values(void **state) { (void)state, expect_code("code/Values"); }
static void test_splits(void **state) { (void)state, expect_code("code/Splits"); }

// A method leaves the type of self out; a function has none; defaults of `int[2]` are repeated.
static void test_header(void **state)
{
    (void)state;
    Arena a = {0};
    TypeTable *types = type_table_new(&a);
    OpTable *ops = op_table_new(&a, types);
    Graph *g = NULL;
    Str text = STR("graph(%x.1 : Tensor,\n      %k.1 : int[],\n      %f : float):\n  return (%x.1)\n");
    assert_int_equal(graph_read(&a, types, ops, text, NULL, &g), ST_OK);
    Schema *s = signature(&a, g);
    s->args[1].fixed_size = 2;
    s->args[1].default_value = datum_int(&a, 3);
    s->args[2].default_value = datum_float(&a, 3);
    Buf b = {0};
    assert_int_equal(code_print_graph(&b, g, s, false), ST_OK);
    buf_char(&b, 0);
    assert_string_equal(b.ptr, "def forward(x: Tensor,\n    k: List[int]=[3, 3],\n    f: float=3.) -> Tensor:\n  return x\n");
    buf_free(&b);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tutorial), cmocka_unit_test(test_loops), cmocka_unit_test(test_early_returns),
                                       cmocka_unit_test(test_containers), cmocka_unit_test(test_values), cmocka_unit_test(test_splits), cmocka_unit_test(test_header)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
