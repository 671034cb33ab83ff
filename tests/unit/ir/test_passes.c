// The passes that rewrite single graphs: what they change, and what writes forbid.
#include "tests/unit/ir/pass_fixture.h"

// Simplification -------------------------------------------------------------------------------------------------------

static void test_dropout(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor):\n"
            "  %p : float = prim::Constant[value=0.5]()\n"
            "  %t : bool = prim::Constant[value=0]()\n"
            "  %y : Tensor = aten::dropout(%x, %p, %t)\n"
            "  return (%y)\n",
            "graph(%x : Tensor):\n"
            "  %p : float = prim::Constant[value=0.5]()\n"
            "  %t : bool = prim::Constant[value=0]()\n"
            "  return (%x)\n");
    stays(state, pass_simplify,
          "graph(%x : Tensor, %t : bool):\n"
          "  %p : float = prim::Constant[value=0.5]()\n"
          "  %y : Tensor = aten::dropout(%x, %p, %t)\n"
          "  return (%y)\n");
}

static void test_branches(void **state)
{
    // The condition folds, the branch is taken, what it holds folds on.
    becomes(state, pass_simplify,
            "graph(%x : Tensor):\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %2 : int = aten::add(%1, %1)\n"
            "  %c : bool = aten::gt(%2, %1)\n"
            "  %y : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "      %n : bool = aten::__not__(%c)\n"
            "      %a : Tensor = prim::If(%n)\n"
            "        block0():\n"
            "          -> (%x)\n"
            "        block1():\n"
            "          %r : Tensor = aten::relu(%x)\n"
            "          -> (%r)\n"
            "      -> (%a)\n"
            "    block1():\n"
            "      -> (%x)\n"
            "  return (%y)\n",
            "graph(%x : Tensor):\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %2 : int = prim::Constant[value=2]()\n"
            "  %3 : bool = prim::Constant[value=1]()\n"
            "  %4 : bool = prim::Constant[value=0]()\n"
            "  %r : Tensor = aten::relu(%x)\n"
            "  return (%r)\n");
}

static void test_loops(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %n : int):\n"
            "  %0 : int = prim::Constant[value=0]()\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %y : Tensor = prim::Loop(%0, %t, %x)\n"
            "    block0(%i : int, %v : Tensor):\n"
            "      %r : Tensor = aten::relu(%v)\n"
            "      -> (%t, %r)\n"
            "  %z : Tensor, %w : Tensor = prim::Loop(%n, %t, %y, %x)\n"
            "    block0(%i2 : int, %v2 : Tensor, %w2 : Tensor):\n"
            "      %r2 : Tensor = aten::add(%v2, %w2, %0)\n"
            "      -> (%t, %r2, %w2)\n"
            "  %s : (Tensor, Tensor) = prim::TupleConstruct(%z, %w)\n"
            "  return (%s)\n",
            "graph(%x : Tensor,\n"
            "      %n : int):\n"
            "  %2 : int = prim::Constant[value=0]()\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %z : Tensor = prim::Loop(%n, %t, %x)\n"
            "    block0(%i2 : int, %v2 : Tensor):\n"
            "      %r2 : Tensor = aten::add(%v2, %x, %2)\n"
            "      -> (%t, %r2)\n"
            "  %s : (Tensor, Tensor) = prim::TupleConstruct(%z, %x)\n"
            "  return (%s)\n");
}

static void test_none(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %o : Tensor?):\n"
            "  %n : NoneType = prim::Constant()\n"
            "  %a : bool = aten::__is__(%x, %n)\n"
            "  %b : bool = aten::__isnot__(%n, %n)\n"
            "  %c : bool = aten::__is__(%o, %n)\n"
            "  %u : Tensor = aten::_unwrap_optional(%x)\n"
            "  %k : Tensor = prim::unchecked_cast(%x)\n"
            "  %s : (bool, bool, bool, Tensor, Tensor) = prim::TupleConstruct(%a, %b, %c, %u, %k)\n"
            "  return (%s)\n",
            "graph(%x : Tensor,\n"
            "      %o : Tensor?):\n"
            "  %n : NoneType = prim::Constant()\n"
            "  %3 : bool = prim::Constant[value=0]()\n"
            "  %c : bool = aten::__is__(%o, %n)\n"
            "  %s : (bool, bool, bool, Tensor, Tensor) = prim::TupleConstruct(%3, %3, %c, %x, %x)\n"
            "  return (%s)\n");
}

static void test_containers(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %y : Tensor):\n"
            "  %1 : int = prim::Constant[value=-1]()\n"
            "  %t : (Tensor, Tensor) = prim::TupleConstruct(%x, %y)\n"
            "  %a : Tensor, %b : Tensor = prim::TupleUnpack(%t)\n"
            "  %c : Tensor = prim::TupleIndex(%t, %1)\n"
            "  %l : Tensor[] = prim::ListConstruct(%b, %a)\n"
            "  %d : Tensor = aten::__getitem__(%l, %1)\n"
            "  %n : int = aten::len(%l)\n"
            "  %r : (Tensor, Tensor, int) = prim::TupleConstruct(%c, %d, %n)\n"
            "  return (%r)\n",
            "graph(%x : Tensor,\n"
            "      %y : Tensor):\n"
            "  %2 : int = prim::Constant[value=-1]()\n"
            "  %3 : int = prim::Constant[value=2]()\n"
            "  %t : (Tensor, Tensor) = prim::TupleConstruct(%x, %y)\n"
            "  %l : Tensor[] = prim::ListConstruct(%y, %x)\n"
            "  %r : (Tensor, Tensor, int) = prim::TupleConstruct(%y, %x, %3)\n"
            "  return (%r)\n");
    // Something is appended: the list is what it is when it is read.
    stays(state, pass_simplify,
          "graph(%x : Tensor, %y : Tensor):\n"
          "  %1 : int = prim::Constant[value=-1]()\n"
          "  %l : Tensor[] = prim::ListConstruct(%x)\n"
          "   = prim::Print(%l)\n"
          "  %m : Tensor[] = aten::append(%l, %y)\n"
          "  %d : Tensor = aten::__getitem__(%l, %1)\n"
          "  %n : int = aten::len(%l)\n"
          "  %r : (Tensor, int) = prim::TupleConstruct(%d, %n)\n"
          "  return (%r)\n");
}

static void test_appended(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %y : Tensor, %b : bool):\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %l : bool[] = prim::ListConstruct()\n"
            "  %m : bool[] = aten::append(%l, %b)\n"
            "  %v : Tensor = aten::neg(%x)\n"
            "  %n : bool[] = aten::append(%l, %t)\n"
            "  %a : bool = aten::any(%l)\n"
            "  %c : bool = aten::all(%l)\n"
            "  %r : (Tensor, bool, bool) = prim::TupleConstruct(%v, %a, %c)\n"
            "  return (%r)\n",
            "graph(%x : Tensor,\n"
            "      %y : Tensor,\n"
            "      %b : bool):\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %v : Tensor = aten::neg(%x)\n"
            "  %l : bool[] = prim::ListConstruct(%b, %t)\n"
            "  %c : bool = aten::all(%l)\n"
            "  %r : (Tensor, bool, bool) = prim::TupleConstruct(%v, %t, %c)\n"
            "  return (%r)\n");
}

// A list that grows while it is read is a longer list from there on.
static void test_growing_list(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %n : int):\n"
            "  %l : Tensor[] = prim::ListConstruct(%x)\n"
            "  %a : Tensor = aten::cat(%l, %n)\n"
            "  %1 : Tensor[] = aten::append(%l, %a)\n"
            "  %b : Tensor = aten::cat(%l, %n)\n"
            "  %2 : Tensor[] = aten::append(%l, %b)\n"
            "  %c : Tensor = aten::cat(%l, %n)\n"
            "  return (%c)\n",
            "graph(%x : Tensor,\n"
            "      %n : int):\n"
            "  %l : Tensor[] = prim::ListConstruct(%x)\n"
            "  %a : Tensor = aten::cat(%l, %n)\n"
            "  %4 : Tensor[] = prim::ListConstruct(%x, %a)\n"
            "  %b : Tensor = aten::cat(%4, %n)\n"
            "  %6 : Tensor[] = prim::ListConstruct(%x, %a, %b)\n"
            "  %c : Tensor = aten::cat(%6, %n)\n"
            "  return (%c)\n");
}

// Whatever the choice, the condition that hangs on it is the same.
static void test_certain_condition(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %b : bool):\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %5 : int = prim::Constant[value=5]()\n"
            "  %7 : int = prim::Constant[value=7]()\n"
            "  %n : int = prim::If(%b)\n"
            "    block0():\n"
            "      -> (%5)\n"
            "    block1():\n"
            "      -> (%7)\n"
            "  %m : int = aten::add(%n, %1)\n"
            "  %c : bool = aten::gt(%m, %5)\n"
            "  %r : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "      -> (%x)\n"
            "    block1():\n"
            "      %y : Tensor = aten::neg(%x)\n"
            "      -> (%y)\n"
            "  %d : bool = aten::gt(%m, %7)\n"
            "  %s : Tensor = prim::If(%d)\n"
            "    block0():\n"
            "      %z : Tensor = aten::exp(%r)\n"
            "      -> (%z)\n"
            "    block1():\n"
            "      -> (%r)\n"
            "  return (%s)\n",
            "graph(%x : Tensor,\n"
            "      %b : bool):\n"
            "  %2 : int = prim::Constant[value=1]()\n"
            "  %3 : int = prim::Constant[value=5]()\n"
            "  %4 : int = prim::Constant[value=7]()\n"
            "  %n : int = prim::If(%b)\n"
            "    block0():\n"
            "      -> (%3)\n"
            "    block1():\n"
            "      -> (%4)\n"
            "  %m : int = aten::add(%n, %2)\n"
            "  %c : bool = aten::gt(%m, %3)\n"
            "  %d : bool = aten::gt(%m, %4)\n"
            "  %s : Tensor = prim::If(%d)\n"
            "    block0():\n"
            "      %z : Tensor = aten::exp(%x)\n"
            "      -> (%z)\n"
            "    block1():\n"
            "      -> (%x)\n"
            "  return (%s)\n");
}

// A check that raises: what it tells holds behind it, and the checks that follow from it go.
static void test_checks(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %n : int):\n"
            "  %4 : int = prim::Constant[value=4]()\n"
            "  %s : str = prim::Constant[value=\"bad\"]()\n"
            "  %o : NoneType = prim::Constant()\n"
            "  %c : bool = aten::ne(%n, %4)\n"
            "  %y : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "       = prim::RaiseException(%s, %o)\n"
            "      -> (%x)\n"
            "    block1():\n"
            "      %e : Tensor = aten::exp(%x)\n"
            "      -> (%e)\n"
            "  %d : bool = aten::ne(%n, %4)\n"
            "  %z : int = prim::If(%d)\n"
            "    block0():\n"
            "       = prim::RaiseException(%s, %o)\n"
            "      -> (%4)\n"
            "    block1():\n"
            "      %f : int = aten::add(%n, %n)\n"
            "      -> (%f)\n"
            "  %r : (Tensor, int) = prim::TupleConstruct(%y, %z)\n"
            "  return (%r)\n",
            "graph(%x : Tensor,\n"
            "      %n : int):\n"
            "  %2 : int = prim::Constant[value=4]()\n"
            "  %s : str = prim::Constant[value=\"bad\"]()\n"
            "  %o : NoneType = prim::Constant()\n"
            "  %5 : int = prim::Constant[value=8]()\n"
            "  %c : bool = aten::ne(%n, %2)\n"
            "   = prim::If(%c)\n"
            "    block0():\n"
            "       = prim::RaiseException(%s, %o)\n"
            "      -> ()\n"
            "    block1():\n"
            "      -> ()\n"
            "  %e : Tensor = aten::exp(%x)\n"
            "  %d : bool = aten::ne(%2, %2)\n"
            "   = prim::If(%d)\n"
            "    block0():\n"
            "       = prim::RaiseException(%s, %o)\n"
            "      -> ()\n"
            "    block1():\n"
            "      -> ()\n"
            "  %r : (Tensor, int) = prim::TupleConstruct(%e, %5)\n"
            "  return (%r)\n");
}

// `a or b` written out, a negated condition, equal results.
static void test_conditions(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %c : bool):\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %a : bool = prim::If(%c)\n"
            "    block0():\n"
            "      -> (%t)\n"
            "    block1():\n"
            "      -> (%c)\n"
            "  %n : bool = aten::__not__(%a)\n"
            "  %y : Tensor, %z : Tensor = prim::If(%n)\n"
            "    block0():\n"
            "      %e : Tensor = aten::exp(%x)\n"
            "      -> (%e, %e)\n"
            "    block1():\n"
            "      -> (%x, %x)\n"
            "  %r : (Tensor, Tensor) = prim::TupleConstruct(%y, %z)\n"
            "  return (%r)\n",
            "graph(%x : Tensor,\n"
            "      %c : bool):\n"
            "  %t : bool = prim::Constant[value=1]()\n"
            "  %3 : bool = prim::Constant[value=0]()\n"
            "  %a : bool = prim::If(%c)\n"
            "    block0():\n"
            "      -> (%t)\n"
            "    block1():\n"
            "      -> (%3)\n"
            "  %n : bool = aten::__not__(%c)\n"
            "  %y : Tensor, %z : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "      -> (%x, %x)\n"
            "    block1():\n"
            "      %e : Tensor = aten::exp(%x)\n"
            "      -> (%e, %e)\n"
            "  %r : (Tensor, Tensor) = prim::TupleConstruct(%y, %y)\n"
            "  return (%r)\n");
}

static void test_constant_lists(void **state)
{
    becomes(state, pass_simplify,
            "graph():\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %l : int[] = prim::ListConstruct(%1, %1)\n"
            "  %m : int[] = prim::ListConstruct(%1)\n"
            "   = prim::Print(%m)\n"
            "  %a : int[] = aten::append(%m, %1)\n"
            "  %n : int = aten::len(%l)\n"
            "  %k : int = aten::len(%m)\n"
            "  %r : (int, int) = prim::TupleConstruct(%n, %k)\n"
            "  return (%r)\n",
            "graph():\n"
            "  %0 : int = prim::Constant[value=1]()\n"
            "  %1 : int[] = prim::Constant[value=[1, 1]]()\n"
            "  %2 : int = prim::Constant[value=2]()\n"
            "  %m : int[] = prim::ListConstruct(%0)\n"
            "   = prim::Print(%m)\n"
            "  %a : int[] = aten::append(%m, %0)\n"
            "  %k : int = aten::len(%m)\n"
            "  %r : (int, int) = prim::TupleConstruct(%2, %k)\n"
            "  return (%r)\n");
}

static void test_numbers(void **state)
{
    // Traced shapes, and constant tensors without dimensions as second operands.
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %n : int):\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %c : Tensor = prim::Constant[value={2.5}]()\n"
            "  %t : Tensor = prim::NumToTensor(%n)\n"
            "  %i : int = aten::Int(%t)\n"
            "  %m : Tensor = aten::mul(%x, %c)\n"
            "  %a : Tensor = aten::add(%m, %c, %1)\n"
            "  %p : Tensor = aten::pow(%a, %c)\n"
            "  %r : (Tensor, int) = prim::TupleConstruct(%p, %i)\n"
            "  return (%r)\n",
            "graph(%x : Tensor,\n"
            "      %n : int):\n"
            "  %2 : int = prim::Constant[value=1]()\n"
            "  %c : Tensor = prim::Constant[value={2.5}]()\n"
            "  %4 : float = prim::Constant[value=2.5]()\n"
            "  %t : Tensor = prim::NumToTensor(%n)\n"
            "  %m : Tensor = aten::mul(%x, %4)\n"
            "  %a : Tensor = aten::add(%m, %4, %2)\n"
            "  %p : Tensor = aten::pow(%a, %c)\n"
            "  %r : (Tensor, int) = prim::TupleConstruct(%p, %n)\n"
            "  return (%r)\n");
}

// A tensor without dimensions that was an attribute stays a tensor: with numbers of another type the result differs.
static void test_frozen_numbers(void **state)
{
    Fixture *f = *state;
    const char *text = "graph(%x : Tensor):\n"
                       "  %c : Tensor = prim::Constant[value={2.5}]()\n"
                       "  %m : Tensor = aten::mul(%x, %c)\n"
                       "  return (%m)\n";
    Graph *g = read(f, text, NULL);
    PassContext c = pass_context(f, g);
    const OptimizeOptions options = {0};
    c.options = &options;
    assert_int_equal(pass_simplify(&c), ST_OK);
    arena_free(&c.scratch);
    expect_graph(f, g, text);
}

// Sizes computed with as tensors, as tracing records it.
static void test_traced_sizes(void **state)
{
    becomes(state, pass_simplify,
            "graph(%x : Tensor, %n : int):\n"
            "  %1 : int = prim::Constant[value=1]()\n"
            "  %k : Tensor = prim::Constant[value={4}]()\n"
            "  %7 : int = prim::Constant[value=7]()\n"
            "  %t : Tensor = prim::NumToTensor(%n)\n"
            "  %d : Tensor = aten::floor_divide(%t, %k)\n"
            "  %r : Tensor = aten::remainder(%t, %7)\n"
            "  %s : Tensor = aten::rsub(%r, %7, %1)\n"
            "  %i : int = aten::Int(%d)\n"
            "  %j : int = aten::Int(%s)\n"
            "  %q : Tensor = aten::floor_divide(%k, %t)\n"
            "  %l : int = aten::Int(%q)\n"
            "  %m : int[] = prim::ListConstruct(%i, %j, %l)\n"
            "  return (%m)\n",
            "graph(%x : Tensor,\n"
            "      %n : int):\n"
            "  %2 : int = prim::Constant[value=1]()\n"
            "  %k : Tensor = prim::Constant[value={4}]()\n"
            "  %4 : int = prim::Constant[value=7]()\n"
            "  %5 : int = prim::Constant[value=4]()\n"
            "  %t : Tensor = prim::NumToTensor(%n)\n"
            "  %d : Tensor = aten::floor_divide(%t, %k)\n"
            "  %r : Tensor = aten::remainder(%t, %4)\n"
            "  %s : Tensor = aten::rsub(%r, %4, %2)\n"
            "  %i : int = aten::floordiv(%n, %5)\n"
            "  %11 : int = aten::remainder(%n, %4)\n"
            "  %j : int = aten::sub(%4, %11)\n"
            "  %q : Tensor = aten::floor_divide(%k, %t)\n"
            "  %14 : int = prim::Constant[value=4]()\n"
            "  %l : int = aten::Int(%q)\n"
            "  %m : int[] = prim::ListConstruct(%i, %j, %l)\n"
            "  return (%m)\n");
}

// In place -------------------------------------------------------------------------------------------------------------

static void test_in_place(void **state)
{
    becomes(state, pass_in_place,
            "graph(%x : Tensor):\n"
            "  %a : Tensor = aten::neg(%x)\n"
            "  %e : Tensor = aten::exp(%a)\n"
            "  %b : Tensor = aten::relu_(%a)\n"
            "  %c : Tensor = aten::maximum(%a, %b)\n"
            "  return (%c)\n",
            "graph(%x : Tensor):\n"
            "  %a : Tensor = aten::neg(%x)\n"
            "  %e : Tensor = aten::exp(%a)\n"
            "  %b : Tensor = aten::relu(%a)\n"
            "  %c : Tensor = aten::maximum(%b, %b)\n"
            "  return (%c)\n");
}

static void test_in_place_refused(void **state)
{
    // An argument; a value that something before keeps a view of; a value of another block; operands of unknown types.
    stays(state, pass_in_place, "graph(%x : Tensor):\n  %b : Tensor = aten::relu_(%x)\n  return (%b)\n");
    stays(state, pass_in_place,
          "graph(%x : Tensor, %n : int):\n"
          "  %a : Tensor = aten::neg(%x)\n"
          "  %v : Tensor = aten::select(%a, %n, %n)\n"
          "  %b : Tensor = aten::relu_(%a)\n"
          "  %c : Tensor = aten::neg(%v)\n"
          "  return (%c)\n");
    stays(state, pass_in_place,
          "graph(%x : Tensor, %n : int, %t : bool):\n"
          "  %a : Tensor = aten::neg(%x)\n"
          "   = prim::Loop(%n, %t)\n"
          "    block0(%i : int):\n"
          "      %b : Tensor = aten::sigmoid_(%a)\n"
          "      -> (%t)\n"
          "  return (%a)\n");
    stays(state, pass_in_place,
          "graph(%x : Tensor, %y : Tensor, %n : int):\n"
          "  %a : Tensor = aten::neg(%x)\n"
          "  %b : Tensor = aten::add_(%a, %y, %n)\n"
          "  return (%b)\n");
}

// Common subexpressions ------------------------------------------------------------------------------------------------

static void test_cse(void **state)
{
    becomes(state, pass_cse,
            "graph(%x : Tensor, %c : bool):\n"
            "  %a : Tensor = aten::neg(%x)\n"
            "  %y : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "      %1 : int = prim::Constant[value=1]()\n"
            "      %b : Tensor = aten::neg(%x)\n"
            "      %d : Tensor = aten::add(%a, %b, %1)\n"
            "      -> (%d)\n"
            "    block1():\n"
            "      %2 : int = prim::Constant[value=1]()\n"
            "      %e : Tensor = aten::add(%a, %x, %2)\n"
            "      -> (%e)\n"
            "  return (%y)\n",
            "graph(%x : Tensor,\n"
            "      %c : bool):\n"
            "  %2 : int = prim::Constant[value=1]()\n"
            "  %a : Tensor = aten::neg(%x)\n"
            "  %y : Tensor = prim::If(%c)\n"
            "    block0():\n"
            "      %d : Tensor = aten::add(%a, %a, %2)\n"
            "      -> (%d)\n"
            "    block1():\n"
            "      %e : Tensor = aten::add(%a, %x, %2)\n"
            "      -> (%e)\n"
            "  return (%y)\n");
    // The same operation in two branches is done in either; one that is written to is not shared.
    stays(state, pass_cse,
          "graph(%x : Tensor, %c : bool):\n"
          "  %y : Tensor = prim::If(%c)\n"
          "    block0():\n"
          "      %b : Tensor = aten::neg(%x)\n"
          "      -> (%b)\n"
          "    block1():\n"
          "      %e : Tensor = aten::neg(%x)\n"
          "      -> (%e)\n"
          "  return (%y)\n");
    stays(state, pass_cse,
          "graph(%x : Tensor):\n"
          "  %a : Tensor = aten::neg(%x)\n"
          "  %b : Tensor = aten::relu_(%a)\n"
          "  %c : Tensor = aten::neg(%x)\n"
          "  %r : (Tensor, Tensor) = prim::TupleConstruct(%b, %c)\n"
          "  return (%r)\n");
    // A draw is never shared.
    stays(state, pass_cse,
          "graph(%x : Tensor, %p : float, %t : bool):\n"
          "  %a : Tensor = aten::dropout(%x, %p, %t)\n"
          "  %b : Tensor = aten::dropout(%x, %p, %t)\n"
          "  %r : (Tensor, Tensor) = prim::TupleConstruct(%a, %b)\n"
          "  return (%r)\n");
}

// Dead code ------------------------------------------------------------------------------------------------------------

static void test_dce(void **state)
{
    becomes(state, pass_dce,
            "graph(%x : Tensor, %n : int, %t : bool):\n"
            "  %a : Tensor = aten::neg(%x)\n"
            "  %d : Tensor = aten::neg(%a)\n"
            "  %w : Tensor = aten::relu_(%d)\n"
            "  %y : Tensor, %z : Tensor = prim::Loop(%n, %t, %x, %a)\n"
            "    block0(%i : int, %v : Tensor, %u : Tensor):\n"
            "      %r : Tensor = aten::neg(%v)\n"
            "      %s : Tensor = aten::neg(%u)\n"
            "      -> (%t, %r, %s)\n"
            "  %p : Tensor, %q : Tensor = prim::If(%t)\n"
            "    block0():\n"
            "      %f : Tensor = aten::exp(%y)\n"
            "      -> (%y, %f)\n"
            "    block1():\n"
            "       = prim::Print(%x)\n"
            "      -> (%x, %z)\n"
            "  return (%p)\n",
            "graph(%x : Tensor,\n"
            "      %n : int,\n"
            "      %t : bool):\n"
            "  %y : Tensor = prim::Loop(%n, %t, %x)\n"
            "    block0(%i : int, %v : Tensor):\n"
            "      %r : Tensor = aten::neg(%v)\n"
            "      -> (%t, %r)\n"
            "  %p : Tensor = prim::If(%t)\n"
            "    block0():\n"
            "      -> (%y)\n"
            "    block1():\n"
            "       = prim::Print(%x)\n"
            "      -> (%x)\n"
            "  return (%p)\n");
    // A write shows through a view, in an argument, and in a list.
    stays(state, pass_dce,
          "graph(%x : Tensor, %n : int):\n"
          "  %a : Tensor = aten::neg(%x)\n"
          "  %v : Tensor = aten::select(%a, %n, %n)\n"
          "  %w : Tensor = aten::relu_(%v)\n"
          "  %l : Tensor[] = prim::ListConstruct()\n"
          "  %m : Tensor[] = aten::append(%l, %a)\n"
          "  %k : Tensor = aten::relu_(%x)\n"
          "  return (%l)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_dropout), TEST(test_branches), TEST(test_loops), TEST(test_none), TEST(test_containers), TEST(test_constant_lists), TEST(test_checks), TEST(test_conditions), TEST(test_appended), TEST(test_growing_list), TEST(test_certain_condition),
                                       TEST(test_numbers), TEST(test_frozen_numbers), TEST(test_traced_sizes), TEST(test_in_place), TEST(test_in_place_refused), TEST(test_cse), TEST(test_dce)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
