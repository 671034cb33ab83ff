// The reader of printed graphs: print(read(text)) is text, for PyTorch's own output and for every construct; broken texts are
// refused, cut at any byte.
#include "ir/print.h"
#include "ir/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Fixture {
    Arena arena;
    TypeTable *types;
    OpTable *ops;
} Fixture;

static int setup(void **state)
{
    static Fixture f;
    f = (Fixture){0};
    f.types = type_table_new(&f.arena);
    f.ops = op_table_new(&f.arena, f.types);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    arena_free(&((Fixture *)*state)->arena);
    return 0;
}

static void round_trip(Fixture *f, Str text, const Graph *like)
{
    Graph *g = NULL;
    Status status = graph_read(&f->arena, f->types, f->ops, text, like, &g);
    if (status != ST_OK)
        print_message("%s\n", status_message());
    assert_int_equal(status, ST_OK);
    assert_int_equal(graph_verify(g), ST_OK);
    Buf b = {0};
    graph_print(&b, g);
    buf_char(&b, 0);
    char *expected = strndup(text.ptr, text.len);
    assert_string_equal(b.ptr, expected);
    free(expected);
    buf_free(&b);
}

static Str read_file(Fixture *f, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/../goldens/tutorial/%s.graph", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    Buf b = {0};
    for (int c; (c = fgetc(file)) != EOF;)
        buf_char(&b, (char)c);
    fclose(file);
    Str text = arena_str(&f->arena, buf_view(&b));
    buf_free(&b);
    return text;
}

static void test_goldens(void **state)
{
    static const char *const NAMES[] = {"cell_scripted", "cell_traced", "linear_cell_scripted", "linear_cell_traced", "gated_cell_scripted", "gated_cell_traced", "rnn_loop", "wrap_rnn"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        round_trip(*state, read_file(*state, NAMES[i]), NULL);
}

static const char EVERYTHING[] =
    "graph(%s.1 : __torch__.M,\n"
    "      %x.1 : Tensor,\n"
    "      %y.1 : int?,\n"
    "      %d.1 : Dict(str, Tensor[])):\n"
    "  %67 : float = prim::Constant[value=inf]()\n"
    "  %45 : float = prim::Constant[value=-0.]() # /tmp/a b.py:16:82\n"
    "  %40 : str = prim::Constant[value=\"a\\n\\\"\\0)+\"]() # :0:0\n"
    "  %35 : int = prim::Constant[value=-1]()\n"
    "  %36 : bool = prim::Constant[value=1]()\n"
    "  %none : NoneType = prim::Constant()\n"
    "  %46 : float = prim::Constant[value=10000000000]()\n"
    "  %z : complex = prim::Constant[value=1.+2.j]()\n"
    "  %z2 : complex = prim::Constant[value=0.-1.5j]()\n"
    "  %dev : Device = prim::Constant[value=\"cuda:1\"]()\n"
    "  %t : (int, float, str, NoneType) = prim::Constant[value=(1, 2., \"x\", None)]()\n"
    "  %l : int[] = prim::Constant[value=[1, 2]]()\n"
    "  %e : int[] = prim::Constant[value=annotate(List[int], [])]()\n"
    "  %b : bool[] = prim::Constant[value=[True, False]]()\n"
    "  %dd : Dict(str, int) = prim::Constant[value={\"a\": 1, \"b\": 2}]()\n"
    "  %c1 : Tensor = prim::Constant[value={2.5}]()\n"
    "  %c2 : Tensor = prim::Constant[value={7}]()\n"
    "  %u : Union(float, int, str) = prim::Uninitialized()\n"
    "  %lin.1 : __torch__.torch.nn.modules.linear.___torch_mangle_4.Linear = prim::GetAttr[name=\"lin\"](%s.1)\n"
    "  %11 : Tensor = prim::CallMethod[name=\"forward\"](%lin.1, %x.1) # a.py:1:2\n"
    "  %12 : bool = prim::isinstance[types=[int, str[], (Tensor, Tensor)]](%y.1)\n"
    "  %13 : Tensor, %14 : Tensor = aten::max(%x.1, %35, %36)\n"
    "  %15 : Tensor = prim::If(%12) # a.py:3:2\n"
    "    block0():\n"
    "       = prim::RaiseException(%40, %none)\n"
    "      -> (%x.1)\n"
    "    block1():\n"
    "      %16 : Tensor = prim::Loop(%35, %36, %x.1)\n"
    "        block0(%i.1 : int, %y0.9 : Tensor):\n"
    "          %17 : Tensor = aten::add(%y0.9, %i.1, %35)\n"
    "          -> (%36, %17)\n"
    "      -> (%16)\n"
    "   = prim::SetAttr[name=\"k\"](%s.1, %15)\n"
    "   = aten::warn[warn_id=3](%40, %35)\n"
    "  %18 : (Tensor, Tensor) = prim::TupleConstruct(%13, %14), scope: layer1.0\n"
    "  %19 : (Tensor) = prim::TupleSlice[beg=0, end=1](%18), scope: layer1.0 # a.py:4:2\n"
    "  %20 : Future[Tensor] = prim::fork_0(%x.1)\n"
    "  %21 : Tensor = aten::wait(%20)\n"
    "  return (%21)\n"
    "with prim::fork_0 = graph(%x.1 : Tensor):\n"
    "  %1 : Tensor = aten::relu(%x.1)\n"
    "  return (%1)\n";

static void test_everything(void **state) { round_trip(*state, str_of(EVERYTHING), NULL); }

// Large constants come from the graph that the text was printed from.
static void test_like(void **state)
{
    Fixture *f = *state;
    Graph *g = graph_new(&f->arena, f->types);
    const int64_t size[] = {4, 5};
    Datum *d = datum_tensor(&f->arena, DT_F32, 2, size, arena_alloc(&f->arena, 80));
    value_set_name(graph_constant(g, g->top->ret, d, type_of_kind(f->types, TYPE_TENSOR)), STR("w"));
    Str text = STR("graph():\n  %w : Tensor = prim::Constant[value=<Tensor>]()\n  return ()\n");
    round_trip(f, text, g);
    Graph *read;
    assert_int_equal(graph_read(&f->arena, f->types, f->ops, text, g, &read), ST_OK);
    assert_ptr_equal(graph_first(read)->constant, d);
    assert_int_equal(graph_read(&f->arena, f->types, f->ops, text, NULL, &read), ST_BAD_MODEL);
}

static void test_overloads(void **state)
{
    Fixture *f = *state;
    Graph *g;
    Str text = STR("graph(%x : Tensor, %i : int, %f : float, %l : Tensor[]):\n"
                   "  %1 : Tensor = aten::add(%x, %x, %i)\n"
                   "  %2 : Tensor = aten::add(%x, %f, %i)\n"
                   "  %3 : int = aten::add(%i, %i)\n"
                   "  %4 : float = aten::add(%i, %f)\n"
                   "  %5 : Tensor[] = aten::add(%l, %l)\n"
                   "  return (%1)\n");
    assert_int_equal(graph_read(&f->arena, f->types, f->ops, text, NULL, &g), ST_OK);
    static const char *const NAMES[] = {"aten::add.Tensor", "aten::add.Scalar", "aten::add.int", "aten::add.int_float", "aten::add.t"};
    int i = 0;
    for (Node *n = graph_first(g); n; n = node_next_deep(n))
        assert_true(str_is(n->schema->full_name, NAMES[i++]));
    assert_int_equal(i, 5);
}

static void test_broken(void **state)
{
    Fixture *f = *state;
    static const char *const TEXTS[] = {
        "", "graph", "graph(%x):\n  return ()\n", "graph(%x : Tensor):\n  %y : Tensor = aten::relu(%z)\n  return ()\n",
        "graph(%x : Tensor):\n  %x : Tensor = aten::relu(%x)\n  return ()\n", "graph(%x : Tensor):\n  %y : Tensor = aten::no_such(%x)\n  return ()\n",
        "graph():\n  %1 : int = prim::Constant[value=99999999999999999999]()\n  return ()\n", "graph():\n  %1 : int = prim::Constant[val=1]()\n  return ()\n",
        "graph():\n  %1 : str = prim::Constant[value=\"a]()\n  return ()\n", "graph(%x : Dict(int)):\n  return ()\n"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        Graph *g;
        assert_int_equal(graph_read(&f->arena, f->types, f->ops, str_of(TEXTS[i]), NULL, &g), ST_BAD_MODEL);
    }
    // Cut anywhere: refused, or (between lines of the tail) a shorter graph; never a crash.
    for (size_t cut = 0; cut < sizeof EVERYTHING - 1; cut += 3) {
        Graph *g;
        char *text = malloc(cut + 1);
        memcpy(text, EVERYTHING, cut);
        Status status = graph_read(&f->arena, f->types, f->ops, (Str){text, cut}, NULL, &g);
        free(text);
        assert_true(status == ST_BAD_MODEL || cut > sizeof EVERYTHING - 120);
    }
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_goldens), TEST(test_everything), TEST(test_like), TEST(test_overloads), TEST(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
