// Literals, small tensors and graphs as text: expectations are what PyTorch 1.13 prints for the same values.
#include "ir/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>

static void expect(Buf *b, const char *text)
{
    buf_char(b, 0);
    assert_false(b->failed);
    assert_string_equal(b->ptr, text);
    buf_free(b);
}

static void test_floats(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } CASES[] = {{1, "1."}, {-0.0, "-0."}, {0.1, "0.10000000000000001"}, {1e-5, "1.0000000000000001e-05"}, {1e10, "10000000000"}, {1e20, "1e+20"},
                 {1e22, "1e+22"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"}, {9999999999., "9999999999."}, {2.5, "2.5"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Buf b = {0};
        print_float(&b, CASES[i].v);
        expect(&b, CASES[i].text);
    }
    Buf b = {0};
    print_complex(&b, 1, 2);
    expect(&b, "1.+2.j");
    print_complex(&b, 0, -1.5);
    expect(&b, "0.-1.5j");
}

static void test_strings(void **state)
{
    (void)state;
    Buf b = {0};
    print_quoted(&b, (Str){"a'b\"c\\\n\r\t\v\a\b\f\x01\xc3\x00z", 17});
    expect(&b, "\"a\\'b\\\"c\\\\\\n\\r\\t\\v\\a\\b\\f\\001\\0)+\\000z\"");
}

static void tensor_prints(DType dtype, int ndim, const int64_t *size, const void *data, const char *text)
{
    Arena a = {0};
    Buf b = {0};
    print_tensor_literal(&b, datum_tensor(&a, dtype, ndim, size, data)->tensor);
    expect(&b, text);
    arena_free(&a);
}

#define PRINTS(dtype, T, text, dims, ...)                                                                              \
    tensor_prints(dtype, (int)(sizeof(int64_t[]){0, ARGS dims} / sizeof(int64_t)) - 1, &((const int64_t[]){0, ARGS dims})[1], (const T[]){__VA_ARGS__}, text)
#define ARGS(...) __VA_ARGS__

static void test_tensors(void **state)
{
    (void)state;
    PRINTS(DT_F32, float, " 1.5000  2.0000  3.0000 [ CPUFloatType{3} ]", (3), 1.5f, 2, 3);
    PRINTS(DT_I64, int64_t, "  1   2   3  40 [ CPULongType{2,2} ]", (2, 2), 1, 2, 3, 40);
    PRINTS(DT_F32, float, "(1,.,.) =    0.0000  0.3333   0.6667  1.0000  (2,.,.) =    1.3333  1.6667   2.0000  2.3333 [ CPUFloatType{2,2,2} ]", (2, 2, 2),
           0, 1 / 3.f, 2 / 3.f, 1, 4 / 3.f, 5 / 3.f, 2, 7 / 3.f);
    PRINTS(DT_F32, float, "[ CPUFloatType{0} ]", (0), 0);
    PRINTS(DT_F32, float, "[ CPUFloatType{2,0} ]", (2, 0), 0);
    PRINTS(DT_F32, float, " 1.0000e-03  2.0000e+05 [ CPUFloatType{2} ]", (2), 1e-3f, 2e5f);
    PRINTS(DT_F32, float, "1e+06 *  1.0000  1.0000 [ CPUFloatType{2} ]", (2), 1000000.5f, 1000000.5f);
    PRINTS(DT_BOOL, uint8_t, " 1  0 [ CPUBoolType{2} ]", (2), 1, 0);
    PRINTS(DT_F32, float, "    inf -1.2500 [ CPUFloatType{2} ]", (2), INFINITY, -1.25f);
    PRINTS(DT_F32, float, "-1.0000e+05  1.5000e+00 [ CPUFloatType{2} ]", (2), -1e5f, 1.5f);
    PRINTS(DT_F32, float, "0.001 *  1.0000  2.1000 [ CPUFloatType{2} ]", (2), 0.001f, 0.0021f);
    PRINTS(DT_F32, float, " 1.0000e+10  2.0000e+10 [ CPUFloatType{2} ]", (2), 1e10f, 2e10f);
    PRINTS(DT_F64, double, " 1.0000e-120  1.0000e+100 [ CPUDoubleType{2} ]", (2), 1e-120, 1e100);
    PRINTS(DT_F32, float, " 5.0000e-01  1.0000e+05 [ CPUFloatType{1,2} ]", (1, 2), 0.5f, 100000.25f);
    PRINTS(DT_F16, uint16_t, " 0.1000  0.2000 [ CPUHalfType{2} ]", (2), 0x2e66, 0x3266);
    PRINTS(DT_I8, int8_t, " 100   -5 [ CPUCharType{2} ]", (2), 100, -5);
    PRINTS(DT_F32, float, "nan nan [ CPUFloatType{2} ]", (2), NAN, NAN);
    PRINTS(DT_U8, uint8_t, "(1,1,.,.) =    0   1  (2,1,.,.) =    4   5  (1,2,.,.) =    2   3  (2,2,.,.) =    6   7 [ CPUByteType{2,2,2,1} ]", (2, 2, 2, 1),
           0, 1, 2, 3, 4, 5, 6, 7);
    PRINTS(DT_I64, int64_t, "{7}", (1, 1), 7);
    PRINTS(DT_F32, float, "{1e+20}", (1), 1e20f);
    PRINTS(DT_C64, float, "{(1,2)}", (1), 1, 2);
    PRINTS(DT_BOOL, uint8_t, "{1}", (1), 1);
    PRINTS(DT_F32, float, "<Tensor>", (11), 0);
}

static void test_data(void **state)
{
    (void)state;
    Arena a = {0};
    TypeTable *types = type_table_new(&a);
    const Type *ints = type_list(types, type_of_kind(types, TYPE_INT));
    Buf b = {0};
    Datum *two[] = {datum_int(&a, 1), datum_float(&a, 2)};
    print_datum(&b, datum_list(&a, DATUM_TUPLE, two, 2), NULL);
    expect(&b, "(1, 2.)");
    print_datum(&b, datum_list(&a, DATUM_TUPLE, two, 1), NULL);
    expect(&b, "(1,)");
    print_datum(&b, datum_list(&a, DATUM_LIST, NULL, 0), ints);
    expect(&b, "annotate(List[int], [])");
    Datum *pair[] = {datum_str(&a, STR("a")), datum_bool(true)};
    Datum *dict = datum_list(&a, DATUM_LIST, pair, 1);
    dict->kind = DATUM_DICT;
    print_datum(&b, dict, NULL);
    expect(&b, "{\"a\": True}");
    arena_free(&a);
}

static void test_graph(void **state)
{
    (void)state;
    Arena a = {0};
    TypeTable *types = type_table_new(&a);
    OpTable *ops = op_table_new(&a, types);
    Graph *g = graph_new(&a, types);
    const Type *tensor = type_of_kind(types, TYPE_TENSOR);
    Value *x = block_add_input(g, g->top, tensor);
    value_set_name(x, STR("x.1"));
    Value *alpha = graph_constant(g, g->top->ret, datum_int(&a, 1), type_of_kind(types, TYPE_INT));
    Node *add = node_new_op(g, op_table_find(ops, STR("aten::add.Tensor")));
    node_add_input(add, x);
    node_add_input(add, x);
    node_add_input(add, alpha);
    node_add_output(g, add, tensor);
    add->range = (SourceRange){.file = STR("m.py"), .line = 3, .column = 7};
    add->scope = STR("a.b");
    block_append(g->top, add);
    Node *get = node_new(g, NODE_GET_ATTR);
    get->name = STR("k\"2");
    node_add_input(get, x);
    node_add_output(g, get, type_optional(types, tensor));
    block_append(g->top, get);
    block_add_output(g->top, add->outputs[0]);
    Buf b = {0};
    graph_print(&b, g);
    expect(&b, "graph(%x.1 : Tensor):\n"
               "  %1 : int = prim::Constant[value=1]()\n"
               "  %2 : Tensor = aten::add(%x.1, %x.1, %1), scope: a.b # m.py:3:7\n"
               "  %3 : Tensor? = prim::GetAttr[name=\"k\\\"2\"](%x.1)\n"
               "  return (%2)\n");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floats), cmocka_unit_test(test_strings), cmocka_unit_test(test_tensors),
                                       cmocka_unit_test(test_data), cmocka_unit_test(test_graph)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
