// Cuts: what travels at each point, which points are refused and why, and the graphs of stages.
#include "ir/cut.h"
#include "tests/unit/ir/pass_fixture.h"

#include <stdio.h>

// Modules and plain objects, made by hand ------------------------------------------------------------------------------

static Datum *object(Fixture *f, const char *name, ClassKind kind)
{
    ClassDef *cls = ARENA_NEW(&f->arena, ClassDef);
    *cls = (ClassDef){.name = str_of(name), .kind = kind, .program = f->program};
    cls->type = type_class(f->types, TYPE_CLASS, cls->name, cls);
    Datum *d = ARENA_NEW(&f->arena, Datum);
    *d = (Datum){.kind = DATUM_OBJECT, .name = cls->name, .cls = cls, .state = ARENA_NEW(&f->arena, Datum)};
    *d->state = (Datum){.kind = DATUM_DICT};
    return d;
}

static void set(Fixture *f, Datum *object, const char *name, Datum *value) { datum_set_attr(object, &f->arena, str_of(name), value); }

static Datum *tensor(Fixture *f)
{
    static const float ones[2] = {1, 1};
    return datum_tensor(&f->arena, DT_F32, 1, (const int64_t[]){2}, ones);
}

static CutGraph analyse(Fixture *f, const Graph *g, Datum *root)
{
    CutGraph c;
    assert_int_equal(cut_analyse(&f->arena, g, root, &c), ST_OK);
    return c;
}

static CutGraph cut(void **state, const char *text, Datum *root)
{
    Fixture *f = *state;
    return analyse(f, read(f, text, NULL), root);
}

// `expected`: names of what travels at the point, or "!" and how the refusal begins.
static void point(const CutGraph *c, uint32_t p, const char *expected)
{
    Buf b = {0};
    if (c->points[p].refusal)
        buf_printf(&b, "!%s", c->points[p].refusal);
    for (uint32_t i = 0; !c->points[p].refusal && i < c->points[p].live_count; i++)
        buf_printf(&b, "%s" STR_FMT, i ? " " : "", STR_ARG(c->points[p].live[i]->name));
    buf_char(&b, 0);
    assert_string_equal(b.ptr, expected);
    buf_free(&b);
}

static Graph *stage(void **state, const CutGraph *c, uint32_t from, uint32_t to, const char *expected)
{
    Graph *g = NULL;
    assert_int_equal(cut_stage(c, from, to, &g), ST_OK);
    expect_graph(*state, g, expected);
    Graph *again = read(*state, expected, c->graph); // what is printed is the whole graph
    expect_graph(*state, again, expected);
    return g;
}

// Points ---------------------------------------------------------------------------------------------------------------

static void test_chain(void **state)
{
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor, %y : Tensor, %unused : int):\n"
                     "  %one : int = prim::Constant[value=1]()\n"
                     "  %two : int = prim::Constant[value=2]()\n"
                     "  %keep : bool = prim::Constant[value=0]()\n"
                     "  %a : Tensor = aten::relu(%x), scope: layer1 # m.py:3:4\n"
                     "  %b : Tensor = aten::add(%a, %y, %one), scope: layer1.0 # m.py:4:4\n"
                     "  %c : Tensor, %i : Tensor = aten::max(%b, %two, %keep), scope: layer2\n"
                     "  %d : Tensor = aten::add(%c, %b, %two)\n"
                     "  return (%d)\n",
                     NULL);
    assert_int_equal(c.step_count, 4);
    assert_int_equal(c.copy_count, 3);
    point(&c, 0, "x y unused");
    point(&c, 1, "y a");
    point(&c, 2, "b");
    point(&c, 3, "b c");
    point(&c, 4, "d");
    stage(state, &c, 0, 1,
          "graph(%self : __torch__.M,\n"
          "      %x : Tensor,\n"
          "      %y : Tensor,\n"
          "      %unused : int):\n"
          "  %a : Tensor = aten::relu(%x), scope: layer1 # m.py:3:4\n"
          "  return (%y, %a)\n");
    stage(state, &c, 1, 3,
          "graph(%self : __torch__.M,\n"
          "      %y : Tensor,\n"
          "      %a : Tensor):\n"
          "  %one : int = prim::Constant[value=1]()\n"
          "  %two : int = prim::Constant[value=2]()\n"
          "  %keep : bool = prim::Constant[value=0]()\n"
          "  %b : Tensor = aten::add(%a, %y, %one), scope: layer1.0 # m.py:4:4\n"
          "  %c : Tensor, %i : Tensor = aten::max(%b, %two, %keep), scope: layer2\n"
          "  return (%b, %c)\n");
    stage(state, &c, 3, 4,
          "graph(%self : __torch__.M,\n"
          "      %b : Tensor,\n"
          "      %c : Tensor):\n"
          "  %two : int = prim::Constant[value=2]()\n"
          "  %d : Tensor = aten::add(%c, %b, %two)\n"
          "  return (%d)\n");
    Graph *g;
    assert_int_equal(cut_stage(&c, 2, 2, &g), ST_INTERNAL);
    assert_int_equal(cut_stage(&c, 2, 5, &g), ST_INTERNAL);
    Buf b = {0};
    for (uint32_t p = 0; p < 5; p++) {
        cut_describe(&b, &c, p);
        buf_char(&b, '\n');
    }
    buf_char(&b, 0);
    assert_string_equal(b.ptr, "before the first operation\nafter layer1 (aten::relu, m.py:3)\nafter layer1.0 (aten::add, m.py:4)\n"
                               "after layer2 (aten::max)\nafter aten::add\n");
    buf_free(&b);
}

static void test_outputs_travel_on(void **state)
{
    // A result that is ready early, an argument that is returned, and constants that are returned.
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %k : Tensor = prim::Constant[value={2}]()\n"
                     "  %a : Tensor = aten::relu(%x)\n"
                     "  %b : Tensor = aten::relu(%a)\n"
                     "  %c : Tensor = aten::relu(%b)\n"
                     "  return (%a, %x, %k, %c)\n",
                     NULL);
    point(&c, 1, "x a");
    point(&c, 2, "x a b");
    point(&c, 3, "a x k c");
    stage(state, &c, 2, 3,
          "graph(%self : __torch__.M,\n"
          "      %x : Tensor,\n"
          "      %a : Tensor,\n"
          "      %b : Tensor):\n"
          "  %k : Tensor = prim::Constant[value={2}]()\n"
          "  %c : Tensor = aten::relu(%b)\n"
          "  return (%a, %x, %k, %c)\n");
    // No steps at all.
    CutGraph none = cut(state, "graph(%self : __torch__.M, %x : Tensor):\n  return (%x)\n", NULL);
    assert_int_equal(none.step_count, 0);
    point(&none, 0, "x");
}

static void test_blocks(void **state)
{
    // What only a nested block uses is live until that step, which is one step with all it holds.
    const char *text = "graph(%self : __torch__.M, %x : Tensor, %n : int, %c : bool):\n"
                       "  %t : bool = prim::Constant[value=1]()\n"
                       "  %one : int = prim::Constant[value=1]()\n"
                       "  %a : Tensor = aten::relu(%x)\n"
                       "  %b : Tensor = aten::relu(%a)\n"
                       "  %y : Tensor = prim::Loop(%n, %t, %b)\n"
                       "    block0(%i : int, %v : Tensor):\n"
                       "      %w : Tensor = prim::If(%c)\n"
                       "        block0():\n"
                       "          %s : Tensor = aten::add(%v, %x, %one)\n"
                       "          -> (%s)\n"
                       "        block1():\n"
                       "          -> (%a)\n"
                       "      -> (%t, %w)\n"
                       "  %z : Tensor = aten::relu(%y)\n"
                       "  return (%z)\n";
    CutGraph c = cut(state, text, NULL);
    assert_int_equal(c.step_count, 4);
    point(&c, 1, "x n c a");
    point(&c, 2, "x n c a b");
    point(&c, 3, "y");
    stage(state, &c, 2, 4,
          "graph(%self : __torch__.M,\n"
          "      %x : Tensor,\n"
          "      %n : int,\n"
          "      %c : bool,\n"
          "      %a : Tensor,\n"
          "      %b : Tensor):\n"
          "  %t : bool = prim::Constant[value=1]()\n"
          "  %one : int = prim::Constant[value=1]()\n"
          "  %y : Tensor = prim::Loop(%n, %t, %b)\n"
          "    block0(%i : int, %v : Tensor):\n"
          "      %w : Tensor = prim::If(%c)\n"
          "        block0():\n"
          "          %s : Tensor = aten::add(%v, %x, %one)\n"
          "          -> (%s)\n"
          "        block1():\n"
          "          -> (%a)\n"
          "      -> (%t, %w)\n"
          "  %z : Tensor = aten::relu(%y)\n"
          "  return (%z)\n");
}

static void test_copies(void **state)
{
    // Modules on the way to an attribute, attributes that never change, and lists of them are made again where needed.
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE), *inner = object(f, "__torch__.Inner", CLASS_MODULE);
    set(f, root, "sub", inner);
    set(f, inner, "w", tensor(f));
    set(f, inner, "b", tensor(f));
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %one : int = prim::Constant[value=1]()\n"
                     "  %un : Tensor = prim::Uninitialized()\n"
                     "  %sub : __torch__.Inner = prim::GetAttr[name=\"sub\"](%self)\n"
                     "  %a : Tensor = aten::relu(%x)\n"
                     "  %w : Tensor = prim::GetAttr[name=\"w\"](%sub)\n"
                     "  %b : Tensor = prim::GetAttr[name=\"b\"](%sub)\n"
                     "  %list : Tensor[] = prim::ListConstruct(%w, %b)\n"
                     "  %y : Tensor = aten::mul(%a, %w)\n"
                     "  %z : Tensor = aten::cat(%list, %one)\n"
                     "  %r : Tensor = aten::mul(%y, %z)\n"
                     "  return (%r)\n",
                     root);
    assert_int_equal(c.step_count, 4);
    point(&c, 1, "a");
    point(&c, 2, "y");
    stage(state, &c, 2, 4,
          "graph(%self : __torch__.M,\n"
          "      %y : Tensor):\n"
          "  %one : int = prim::Constant[value=1]()\n"
          "  %sub : __torch__.Inner = prim::GetAttr[name=\"sub\"](%self)\n"
          "  %w : Tensor = prim::GetAttr[name=\"w\"](%sub)\n"
          "  %b : Tensor = prim::GetAttr[name=\"b\"](%sub)\n"
          "  %list : Tensor[] = prim::ListConstruct(%w, %b)\n"
          "  %z : Tensor = aten::cat(%list, %one)\n"
          "  %r : Tensor = aten::mul(%y, %z)\n"
          "  return (%r)\n");
    // A list that is written to is the call's own: it travels.
    CutGraph own = cut(state,
                       "graph(%self : __torch__.M, %x : Tensor):\n"
                       "  %list : Tensor[] = prim::ListConstruct()\n"
                       "  %a : Tensor[] = aten::append(%list, %x)\n"
                       "  %b : Tensor = aten::relu(%x)\n"
                       "  %c : Tensor[] = aten::append(%list, %b)\n"
                       "  return (%list)\n",
                       root);
    point(&own, 1, "x list");
    point(&own, 2, "x list");
    point(&own, 3, "list b");
}

static void test_writes_behind_a_cut(void **state)
{
    // The view and what it views travel together, so writing to one of them changes the other there too. Arguments as well.
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %0 : int = prim::Constant[value=0]()\n"
                     "  %a : Tensor = aten::relu(%x)\n"
                     "  %v : Tensor = aten::select(%a, %0, %0)\n"
                     "  %w : Tensor = aten::relu_(%v)\n"
                     "  %u : Tensor = aten::relu_(%x)\n"
                     "  %y : Tensor = aten::mul(%a, %u)\n"
                     "  return (%y)\n",
                     NULL);
    point(&c, 2, "x a v");
    point(&c, 3, "x a");
    point(&c, 4, "a u");
}

// State ----------------------------------------------------------------------------------------------------------------

static void test_assigned_attributes(void **state)
{
    // Two counters of two modules of one class: each stays together, the cut goes between them.
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE), *one = object(f, "__torch__.Counter", CLASS_MODULE), *two = ARENA_NEW(&f->arena, Datum);
    *two = *one;
    two->state = ARENA_NEW(&f->arena, Datum);
    two->state->kind = DATUM_DICT;
    set(f, root, "first", one);
    set(f, root, "second", two);
    set(f, one, "count", datum_int(&f->arena, 1));
    set(f, two, "count", datum_int(&f->arena, 2));
    const char *text = "graph(%self : __torch__.M, %x : Tensor):\n"
                       "  %k : int = prim::Constant[value=1]()\n"
                       "  %first : __torch__.Counter = prim::GetAttr[name=\"first\"](%self)\n"
                       "  %second : __torch__.Counter = prim::GetAttr[name=\"second\"](%self)\n"
                       "  %n : int = prim::GetAttr[name=\"count\"](%first)\n"
                       "  %n1 : int = aten::add(%n, %k)\n"
                       "   = prim::SetAttr[name=\"count\"](%first, %n1) # m.py:7:2\n"
                       "  %a : Tensor = aten::mul(%x, %n1)\n"
                       "  %m : int = prim::GetAttr[name=\"count\"](%second)\n"
                       "  %b : Tensor = aten::mul(%a, %m)\n"
                       "   = prim::SetAttr[name=\"count\"](%second, %k)\n"
                       "  return (%b)\n";
    CutGraph c = cut(state, text, root);
    assert_int_equal(c.step_count, 7);
    point(&c, 1, "!first.count changes while the model runs (prim::SetAttr, m.py:7): all that uses it must be in one stage");
    point(&c, 2, "!first.count changes while the model runs (prim::SetAttr, m.py:7): all that uses it must be in one stage");
    point(&c, 3, "x n1");
    point(&c, 4, "a");
    point(&c, 5, "!second.count changes while the model runs (prim::SetAttr): all that uses it must be in one stage");
    point(&c, 6, "!second.count changes while the model runs (prim::SetAttr): all that uses it must be in one stage");
    stage(state, &c, 4, 7,
          "graph(%self : __torch__.M,\n"
          "      %a : Tensor):\n"
          "  %k : int = prim::Constant[value=1]()\n"
          "  %second : __torch__.Counter = prim::GetAttr[name=\"second\"](%self)\n"
          "  %m : int = prim::GetAttr[name=\"count\"](%second)\n"
          "  %b : Tensor = aten::mul(%a, %m)\n"
          "   = prim::SetAttr[name=\"count\"](%second, %k)\n"
          "  return (%b)\n");
    // Nothing known of the module: all attributes of that name are one.
    CutGraph unknown = cut(state, text, NULL);
    for (uint32_t p = 1; p < 7; p++)
        point(&unknown, p, "!count changes while the model runs (prim::SetAttr, m.py:7): all that uses it must be in one stage");
}

static void test_written_attributes(void **state)
{
    // A buffer is written through a view; another attribute shows the same bytes; other buffers are not concerned.
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE), *twin = ARENA_NEW(&f->arena, Datum);
    set(f, root, "buffer", tensor(f));
    *twin = *datum_attr(root, STR("buffer"));
    set(f, root, "twin", twin);
    set(f, root, "other", tensor(f));
    const char *refusal = "!buffer changes while the model runs (aten::add_, m.py:9): all that uses it must be in one stage";
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %0 : int = prim::Constant[value=0]()\n"
                     "  %other : Tensor = prim::GetAttr[name=\"other\"](%self)\n"
                     "  %a : Tensor = aten::mul(%x, %other)\n"
                     "  %buffer : Tensor = prim::GetAttr[name=\"buffer\"](%self)\n"
                     "  %v : Tensor = aten::select(%buffer, %0, %0)\n"
                     "  %w : Tensor = aten::add_(%v, %a, %0) # dir/m.py:9:1\n"
                     "  %b : Tensor = aten::relu(%a)\n"
                     "  %twin : Tensor = prim::GetAttr[name=\"twin\"](%self)\n"
                     "  %d : Tensor = aten::mul(%b, %twin)\n"
                     "  %e : Tensor = aten::mul(%d, %other)\n"
                     "  return (%e)\n",
                     root);
    assert_int_equal(c.step_count, 8);
    point(&c, 1, "a");
    for (uint32_t p = 2; p < 7; p++)
        point(&c, p, refusal);
    point(&c, 7, "d");
    stage(state, &c, 7, 8,
          "graph(%self : __torch__.M,\n"
          "      %d : Tensor):\n"
          "  %other : Tensor = prim::GetAttr[name=\"other\"](%self)\n"
          "  %e : Tensor = aten::mul(%d, %other)\n"
          "  return (%e)\n");
    // What is returned shows the buffer: it does not travel on to a stage behind.
    CutGraph returned = cut(state,
                            "graph(%self : __torch__.M, %x : Tensor):\n"
                            "  %0 : int = prim::Constant[value=0]()\n"
                            "  %a : Tensor = aten::relu(%x)\n"
                            "  %buffer : Tensor = prim::GetAttr[name=\"buffer\"](%self)\n"
                            "  %w : Tensor = aten::add_(%buffer, %x, %0) # m.py:9:1\n"
                            "  %b : Tensor = aten::relu(%a)\n"
                            "  %c : Tensor = aten::relu(%b)\n"
                            "  return (%w, %c)\n",
                            root);
    point(&returned, 1, "x a");
    for (uint32_t p = 2; p < 5; p++)
        point(&returned, p, refusal);
}

static void test_written_constants(void **state)
{
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %k : Tensor = prim::Constant[value={2}]()\n"
                     "  %a : Tensor = aten::mul(%x, %k)\n"
                     "  %b : Tensor = aten::relu(%a)\n"
                     "  %w : Tensor = aten::relu_(%k)\n"
                     "  %c : Tensor = aten::relu(%b)\n"
                     "  return (%c)\n",
                     NULL);
    point(&c, 1, "!%k changes while the model runs (aten::relu_): all that uses it must be in one stage");
    point(&c, 2, "!%k changes while the model runs (aten::relu_): all that uses it must be in one stage");
    point(&c, 3, "b");
}

static void test_containers_of_the_module(void **state)
{
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE), *list = datum_list(&f->arena, DATUM_LIST, NULL, 0);
    set(f, root, "seen", list);
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %a : Tensor = aten::relu(%x)\n"
                     "  %seen : Tensor[] = prim::GetAttr[name=\"seen\"](%self)\n"
                     "  %l : Tensor[] = aten::append(%seen, %a) # m.py:2:0\n"
                     "  %b : Tensor = aten::relu(%x)\n"
                     "  return (%b)\n",
                     root);
    // The list now holds %a: it is made in the same stage.
    point(&c, 1, "!seen changes while the model runs (aten::append, m.py:2): all that uses it must be in one stage");
    point(&c, 2, "!seen changes while the model runs (aten::append, m.py:2): all that uses it must be in one stage");
    point(&c, 3, "x");
    // An object of the module whose attribute is assigned, and one that the call makes.
    Datum *plain = object(f, "__torch__.Box", CLASS_PLAIN);
    set(f, plain, "n", datum_int(&f->arena, 3));
    set(f, root, "box", plain);
    CutGraph of_module = cut(state,
                             "graph(%self : __torch__.M, %x : Tensor, %k : int):\n"
                             "  %box : __torch__.Box = prim::GetAttr[name=\"box\"](%self)\n"
                             "   = prim::SetAttr[name=\"n\"](%box, %k)\n"
                             "  %a : Tensor = aten::relu(%x)\n"
                             "  %n : int = prim::GetAttr[name=\"n\"](%box)\n"
                             "  %b : Tensor = aten::mul(%a, %n)\n"
                             "  return (%b)\n",
                             root);
    for (uint32_t p = 1; p < 4; p++)
        point(&of_module, p, "!box changes while the model runs (prim::SetAttr): all that uses it must be in one stage");
    point(&of_module, 4, "a n");
    CutGraph own = cut(state,
                       "graph(%self : __torch__.M, %x : Tensor, %k : int):\n"
                       "  %box : __torch__.Box = prim::CreateObject()\n"
                       "   = prim::SetAttr[name=\"n\"](%box, %k)\n"
                       "  %a : Tensor = aten::relu(%x)\n"
                       "  %n : int = prim::GetAttr[name=\"n\"](%box)\n"
                       "  %b : Tensor = aten::mul(%a, %n)\n"
                       "  return (%b)\n",
                       root);
    point(&own, 1, "x k box");
    point(&own, 2, "x box");
    point(&own, 3, "box a");
}

static void test_calls_that_are_not_known(void **state)
{
    // A call of a method that could not be inlined may assign any attribute.
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE);
    set(f, root, "k", datum_int(&f->arena, 3));
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %a : Tensor = aten::relu(%x)\n"
                     "  %k : int = prim::GetAttr[name=\"k\"](%self)\n"
                     "  %b : Tensor = aten::mul(%a, %k)\n"
                     "  %c : Tensor = prim::CallMethod[name=\"other\"](%self, %b)\n"
                     "  %d : Tensor = aten::relu(%c)\n"
                     "  return (%d)\n",
                     root);
    point(&c, 1, "a");
    point(&c, 2, "!it is not known which attributes a call or a fork changes: all that uses them must be in one stage");
    point(&c, 3, "!it is not known which attributes a call or a fork changes: all that uses them must be in one stage");
    point(&c, 4, "c");
    assert_false(cut_draws(&c, 0, 3));
    assert_true(cut_draws(&c, 3, 4));
}

static void test_seeds(void **state)
{
    const char *drawing = "graph(%self : __torch__.M, %x : Tensor, %n : int):\n"
                          "  %none : NoneType = prim::Constant()\n"
                          "  %a : Tensor = aten::relu(%x)\n"
                          "   = aten::manual_seed(%n) # m.py:5:0\n"
                          "  %b : Tensor = aten::relu(%a)\n"
                          "  %c : Tensor = aten::bernoulli(%b, %none)\n"
                          "  %d : Tensor = aten::relu(%c)\n"
                          "  return (%d)\n";
    CutGraph c = cut(state, drawing, NULL);
    point(&c, 1, "n a");
    point(&c, 2, "!the model seeds its random numbers (aten::manual_seed, m.py:5): all that draws must be in one stage");
    point(&c, 3, "!the model seeds its random numbers (aten::manual_seed, m.py:5): all that draws must be in one stage");
    point(&c, 4, "c");
    assert_false(cut_draws(&c, 0, 3));
    assert_true(cut_draws(&c, 0, 4));
    assert_false(cut_draws(&c, 4, 5));
    // Draws alone may lie anywhere; dropout draws when it trains, in a block too.
    CutGraph two = cut(state,
                       "graph(%self : __torch__.M, %x : Tensor, %train : bool):\n"
                       "  %p : float = prim::Constant[value=0.5]()\n"
                       "  %off : bool = prim::Constant[value=0]()\n"
                       "  %a : Tensor = aten::dropout(%x, %p, %off)\n"
                       "  %b : Tensor = prim::If(%train)\n"
                       "    block0():\n"
                       "      %c : Tensor = aten::dropout(%a, %p, %train)\n"
                       "      -> (%c)\n"
                       "    block1():\n"
                       "      -> (%a)\n"
                       "  return (%b)\n",
                       NULL);
    point(&two, 1, "train a");
    assert_false(cut_draws(&two, 0, 1));
    assert_true(cut_draws(&two, 1, 2));
}

// A class whose instances can be entered.
static ClassDef *guard(Fixture *f, const char *name, const char *enter, const char *leave)
{
    const char *const texts[] = {enter, leave}, *const names[] = {"__enter__", "__exit__"};
    ClassDef *cls = object(f, name, CLASS_PLAIN)->cls;
    for (int i = 0; i < 2; i++) {
        Function *method = ARENA_NEW(&f->arena, Function);
        *method = (Function){.name = str_of(names[i]), .graph = read(f, texts[i], NULL)};
        strmap_put(&cls->method_index, &f->arena, method->name, method);
    }
    return cls;
}

static void test_with(void **state)
{
    // What the statement does when it is left must happen once; switching gradients is nothing.
    Fixture *f = *state;
    const char *const noting = "graph(%self : __torch__.Quiet):\n"
                               "  %b : bool = aten::is_grad_enabled()\n"
                               "   = prim::SetAttr[name=\"prev\"](%self, %b)\n"
                               "   = aten::set_grad_enabled(%b)\n"
                               "  return (%b)\n";
    const char *const restoring = "graph(%self : __torch__.Quiet):\n"
                                  "  %b : bool = prim::GetAttr[name=\"prev\"](%self)\n"
                                  "   = aten::set_grad_enabled(%b)\n"
                                  "  return (%b)\n";
    guard(f, "__torch__.Quiet", noting, restoring);
    guard(f, "__torch__.Noting", restoring, noting);
    const char *const text = "graph(%%self : __torch__.M, %%x : Tensor):\n"
                             "  %%g : __torch__.%s = prim::CreateObject()\n"
                             "  %%q : __torch__.%s = prim::CreateObject()\n"
                             "  %%e : NoneType = prim::Enter(%%g) # m.py:4:0\n"
                             "  %%e1 : NoneType = prim::Enter(%%q) # m.py:5:0\n"
                             "  %%a : Tensor = aten::relu(%%x)\n"
                             "  %%l1 : NoneType = prim::Exit(%%q)\n"
                             "  %%b : Tensor = aten::relu(%%a)\n"
                             "  %%l : NoneType = prim::Exit(%%g)\n"
                             "  %%c : Tensor = aten::relu(%%b)\n"
                             "  return (%%c)\n";
    for (int quiet = 0; quiet < 4; quiet++) {
        char graph[1024];
        snprintf(graph, sizeof graph, text, quiet & 1 ? "Quiet" : "Noting", quiet & 2 ? "Quiet" : "Noting");
        CutGraph c = cut(state, graph, NULL);
        const char *outer = "!inside of a with statement (prim::Enter, m.py:4)", *inner = "!inside of a with statement (prim::Enter, m.py:5)";
        const char *of_inner = quiet & 2 ? NULL : inner, *of_outer = quiet & 1 ? NULL : outer;
        point(&c, 2, "x g q");
        point(&c, 3, of_outer ? of_outer : "x g q");
        point(&c, 4, of_outer ? of_outer : of_inner ? of_inner : "x g q");
        point(&c, 5, of_outer ? of_outer : of_inner ? of_inner : "g q a");
        point(&c, 6, of_outer ? of_outer : "g a");
        point(&c, 7, of_outer ? of_outer : "g b");
        point(&c, 8, "b");
    }
}

// Types ----------------------------------------------------------------------------------------------------------------

static void travels(void **state, const char *type, bool yes)
{
    char text[512], refusal[256];
    snprintf(text, sizeof text,
             "graph(%%self : __torch__.M, %%x : Tensor, %%v : %s):\n"
             "  %%a : Tensor = aten::relu(%%x)\n"
             "  %%b : Tensor = aten::relu(%%a)\n"
             "  return (%%b, %%v)\n",
             type);
    CutGraph c = cut(state, text, NULL);
    snprintf(refusal, sizeof refusal, "!%%v of type %s cannot travel to another process", type);
    point(&c, 1, yes ? "v a" : refusal);
    assert_null(c.points[0].refusal);
    assert_null(c.points[2].refusal);
}

static void test_types(void **state)
{
    Fixture *f = *state;
    object(f, "__torch__.Module", CLASS_MODULE);
    object(f, "__torch__.Builtin", CLASS_BUILTIN);
    ClassDef *plain = object(f, "__torch__.Plain", CLASS_PLAIN)->cls, *holder = object(f, "__torch__.Holder", CLASS_PLAIN)->cls;
    ClassAttr next = {.name = STR("next"), .type = type_optional(f->types, plain->type)}; // a list of such objects
    ARENA_PUSH(&f->arena, plain->attrs, plain->attr_count, next);
    ClassAttr attrs[] = {{.name = STR("next"), .type = plain->type}, {.name = STR("later"), .type = type_future(f->types, type_of_kind(f->types, TYPE_INT))}};
    holder->attrs = attrs;
    holder->attr_count = 2;
    static const char *const YES[] = {"Tensor", "int", "float", "complex", "bool", "str", "Scalar", "Device", "NoneType", "Any", "list", "tuple", "Tensor[]",
                                      "Tensor?", "Dict(str, Tensor[])", "(int, Tensor)", "Union(Tensor, int)", "NamedTuple(a : int, b : Tensor)",
                                      "Enum<__torch__.E>", "__torch__.Plain", "__torch__.Plain[]"};
    static const char *const NO[] = {"Generator", "Stream", "Storage", "Capsule", "Future[Tensor]", "Await[int]", "RRef[Tensor]", "Function", "AnyClassType",
                                     "__torch__.Module", "__torch__.Builtin", "__torch__.Unknown", "InterfaceType<I>", "__torch__.Holder", "Future[Tensor][]",
                                     "(int, Generator)", "Generator?", "Dict(str, __torch__.Holder)"};
    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++)
        travels(state, YES[i], true);
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        travels(state, NO[i], false);
    // Where it comes from is told.
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %w : Future[Tensor] = prim::fork_0(%x) # m.py:8:4\n"
                     "  %b : Tensor = aten::relu(%x)\n"
                     "  %r : Tensor = aten::wait(%w)\n"
                     "  %m : Tensor = aten::mul(%b, %r)\n"
                     "  return (%m)\n"
                     "with prim::fork_0 = graph(%x : Tensor):\n"
                     "  %y : Tensor = aten::relu(%x)\n"
                     "  return (%y)\n",
                     NULL);
    point(&c, 1, "!%w of type Future[Tensor] cannot travel to another process (prim::fork, m.py:8)");
    point(&c, 2, "!%w of type Future[Tensor] cannot travel to another process (prim::fork, m.py:8)");
    point(&c, 3, "b r");
    stage(state, &c, 0, 3,
          "graph(%self : __torch__.M,\n"
          "      %x : Tensor):\n"
          "  %w : Future[Tensor] = prim::fork_0(%x) # m.py:8:4\n"
          "  %b : Tensor = aten::relu(%x)\n"
          "  %r : Tensor = aten::wait(%w)\n"
          "  return (%b, %r)\n"
          "with prim::fork_0 = graph(%x : Tensor):\n"
          "  %y : Tensor = aten::relu(%x)\n"
          "  return (%y)\n");
}

static void test_forks(void **state)
{
    // What the body of a fork assigns and reads counts as if it stood in the graph.
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE);
    set(f, root, "k", datum_int(&f->arena, 3));
    set(f, root, "w", tensor(f));
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %k : int = prim::GetAttr[name=\"k\"](%self)\n"
                     "  %a : Tensor = aten::mul(%x, %k)\n"
                     "  %w : Future[Tensor] = prim::fork_0(%self, %x)\n"
                     "  %r : Tensor = aten::wait(%w)\n"
                     "  %m : Tensor = aten::mul(%a, %r)\n"
                     "  return (%m)\n"
                     "with prim::fork_0 = graph(%self : __torch__.M, %x : Tensor):\n"
                     "  %one : int = prim::Constant[value=1]()\n"
                     "   = prim::SetAttr[name=\"k\"](%self, %one) # m.py:3:0\n"
                     "  %w : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                     "  %y : Tensor = aten::mul(%x, %w)\n"
                     "  return (%y)\n",
                     root);
    assert_int_equal(c.step_count, 5);
    point(&c, 1, "!k changes while the model runs (prim::SetAttr, m.py:3): all that uses it must be in one stage");
    point(&c, 2, "!k changes while the model runs (prim::SetAttr, m.py:3): all that uses it must be in one stage");
    point(&c, 4, "a r");
    assert_int_equal(c.weights[2].count, 1);
    // A buffer that a fork writes: every attribute stays with it.
    CutGraph written = cut(state,
                           "graph(%self : __torch__.M, %x : Tensor):\n"
                           "  %a : Tensor = aten::relu(%x)\n"
                           "  %w : Future[Tensor] = prim::fork_0(%self, %x)\n"
                           "  %r : Tensor = aten::wait(%w)\n"
                           "  %w1 : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                           "  %m : Tensor = aten::mul(%a, %w1)\n"
                           "  %n : Tensor = aten::mul(%m, %r)\n"
                           "  return (%n)\n"
                           "with prim::fork_0 = graph(%self : __torch__.M, %x : Tensor):\n"
                           "  %w : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                           "  %y : Tensor = aten::relu_(%w)\n"
                           "  %z : Tensor = aten::mul(%x, %y)\n"
                           "  return (%z)\n",
                           root);
    assert_int_equal(written.step_count, 6);
    point(&written, 1, "x a");
    for (uint32_t p = 2; p < 5; p++)
        point(&written, p, "!it is not known which attributes a call or a fork changes: all that uses them must be in one stage");
    point(&written, 5, "r m");
}

// Modules and weights --------------------------------------------------------------------------------------------------

static void after(const CutGraph *c, const char *path, uint32_t expected)
{
    uint32_t p = 0;
    assert_int_equal(cut_after_module(c, str_of(path), &p), ST_OK);
    assert_int_equal(p, expected);
}

static void not_after(const CutGraph *c, const char *path, const char *message)
{
    uint32_t p = 0;
    assert_int_equal(cut_after_module(c, str_of(path), &p), ST_USAGE);
    assert_string_equal(status_message(), message);
}

static void test_after_module(void **state)
{
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor, %c : bool):\n"
                     "  %a : Tensor = aten::relu(%x), scope: layer1.0\n"
                     "  %b : Tensor = aten::relu(%a), scope: layer1.0.conv\n"
                     "  %d : Tensor = aten::relu(%b), scope: layer1.1\n"
                     "  %e : Tensor = aten::relu(%d), scope: layer10\n"
                     "  %w : Future[Tensor] = prim::fork_0(%e)\n"
                     "  %y : Tensor = prim::If(%c)\n"
                     "    block0():\n"
                     "      %f : Tensor = aten::relu(%e), scope: head\n"
                     "      -> (%f)\n"
                     "    block1():\n"
                     "      -> (%e)\n"
                     "  %r : Tensor = aten::wait(%w)\n"
                     "  %z : Tensor = aten::mul(%y, %r), scope: tail\n"
                     "  return (%z)\n"
                     "with prim::fork_0 = graph(%x : Tensor):\n"
                     "  %y : Tensor = aten::relu(%x), scope: side.relu\n"
                     "  return (%y)\n",
                     NULL);
    after(&c, "layer1.0.conv", 2);
    after(&c, "layer1.0", 2);
    after(&c, "layer1", 3);
    after(&c, "layer10", 4);
    not_after(&c, "head", "cannot cut after head: %w of type Future[Tensor] cannot travel to another process (prim::fork)");
    not_after(&c, "side", "cannot cut after side: %w of type Future[Tensor] cannot travel to another process (prim::fork)");
    not_after(&c, "tail", "cannot cut after tail: nothing comes after it");
    not_after(&c, "layer1.2", "no operation comes from a module layer1.2 (some that are there: layer1.0, layer1.1, layer1, layer10, layer1.0.conv)");
    not_after(&c, "", "no operation comes from a module  (some that are there: head, tail, layer1, layer10, layer1.0)");
}

static void count_storage(void *ctx, const DatumStorage *s)
{
    const DatumStorage **all = ctx;
    while (*all)
        all++;
    *all = s;
}

static void weights(const CutGraph *c, uint32_t step, const Datum *a, const Datum *b)
{
    const DatumStorage *found[8] = {NULL};
    cut_visit_weights(c, step, count_storage, found);
    assert_ptr_equal(found[0], a ? a->tensor->storage : NULL);
    assert_ptr_equal(found[1], b ? b->tensor->storage : NULL);
    assert_null(found[a && b ? 2 : 1]);
}

static void test_weights(void **state)
{
    Fixture *f = *state;
    Datum *root = object(f, "__torch__.M", CLASS_MODULE), *packed = object(f, "__torch__.Packed", CLASS_PLAIN), *w = tensor(f), *v = tensor(f);
    set(f, root, "w", w);
    set(f, root, "packed", packed);
    set(f, packed, "inside", v);
    CutGraph c = cut(state,
                     "graph(%self : __torch__.M, %x : Tensor, %c : bool):\n"
                     "  %k : Tensor = prim::Constant[value={2}]()\n"
                     "  %0 : int = prim::Constant[value=0]()\n"
                     "  %w : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                     "  %packed : __torch__.Packed = prim::GetAttr[name=\"packed\"](%self)\n"
                     "  %all : Tensor[] = prim::ListConstruct(%w, %k)\n"
                     "  %a : Tensor = aten::mul(%x, %k)\n"
                     "  %b : Tensor = aten::cat(%all, %0)\n"
                     "  %y : Tensor = prim::If(%c)\n"
                     "    block0():\n"
                     "      %w1 : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                     "      %p : Tensor = aten::mul(%b, %w1)\n"
                     "      %q : Tensor = aten::mul(%p, %w)\n"
                     "      -> (%q)\n"
                     "    block1():\n"
                     "      -> (%a)\n"
                     "  %same : bool = aten::__isnot__(%packed, %x)\n"
                     "  %z : Tensor = aten::relu(%y)\n"
                     "  return (%z, %same)\n",
                     root);
    assert_int_equal(c.step_count, 5);
    const Datum *k = c.copies[0]->constant;
    weights(&c, 0, k, NULL);
    weights(&c, 1, w, k);
    weights(&c, 2, w, NULL);
    weights(&c, 3, v, NULL);
    weights(&c, 4, NULL, NULL);
}

// Places ---------------------------------------------------------------------------------------------------------------

static void test_places(void **state)
{
    Fixture *f = *state;
    Graph *g = read(f,
                    "graph(%self : __torch__.M, %x : Tensor, %s : str):\n"
                    "  %none : NoneType = prim::Constant()\n"
                    "  %a : Tensor = aten::relu(%x) # m.py:2:4\n"
                    "   = prim::RaiseException(%s, %none), scope: deep.inside # m.py:3:4\n"
                    "  return (%a)\n",
                    NULL);
    static const Frame outer = {.function = {"forward", 7}, .call = {.line = 70}}, inner = {.function = {"check", 5}, .call = {.line = 71}, .caller = &outer};
    g->top->ret->prev->frame = &inner;
    CutGraph c = analyse(f, g, NULL);
    Graph *last;
    assert_int_equal(cut_stage(&c, 1, 2, &last), ST_OK);
    const Node *raise = last->top->ret->prev;
    assert_int_equal(raise->kind, NODE_RAISE);
    assert_ptr_equal(raise->frame, &inner);
    assert_true(str_is(raise->scope, "deep.inside"));
    assert_true(str_is(raise->range.file, "m.py"));
    assert_int_equal(raise->range.line, 3);
}

// Large graphs ---------------------------------------------------------------------------------------------------------

static void test_many_values(void **state)
{
    // All values live to the end: more than a message takes.
    Buf b = {0};
    buf_z(&b, "graph(%self : __torch__.M, %x : Tensor):\n");
    for (int i = 0; i < CUT_LIVE_MAX + 4; i++)
        buf_printf(&b, "  %%a%d : Tensor = aten::relu(%%x)\n", i);
    buf_z(&b, "  %l : Tensor[] = prim::ListConstruct(");
    for (int i = 0; i < CUT_LIVE_MAX + 4; i++)
        buf_printf(&b, "%s%%a%d", i ? ", " : "", i);
    buf_z(&b, ")\n  return (%l)\n");
    buf_char(&b, 0);
    CutGraph c = cut(state, b.ptr, NULL);
    buf_free(&b);
    assert_null(c.points[CUT_LIVE_MAX - 1].refusal); // with %x
    assert_int_equal(c.points[CUT_LIVE_MAX - 1].live_count, CUT_LIVE_MAX);
    assert_string_equal(c.points[CUT_LIVE_MAX].refusal, "1025 values would travel (limit 1024)");
    assert_null(c.points[CUT_LIVE_MAX].live);
    assert_int_equal(c.points[CUT_LIVE_MAX + 4].live_count, CUT_LIVE_MAX + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chain), TEST(test_outputs_travel_on), TEST(test_blocks), TEST(test_copies), TEST(test_writes_behind_a_cut), TEST(test_assigned_attributes),
        TEST(test_written_attributes), TEST(test_written_constants), TEST(test_containers_of_the_module), TEST(test_calls_that_are_not_known), TEST(test_seeds),
        TEST(test_with), TEST(test_types), TEST(test_forks), TEST(test_after_module), TEST(test_weights), TEST(test_places), TEST(test_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
