// Passes that need a module: inlining, freezing, batch-norm folding and fusion. The module is made by hand.
#include "tests/unit/ir/pass_fixture.h"

#include <math.h>

typedef struct Toy {
    ClassDef cls;
    Function forward;
    Datum *object;
    Datum *names[32]; // of the state, in pairs with its values
} Toy;

// A module class `__torch__.NAME` whose only method is `text`; attributes are added by set().
static Toy *toy(Fixture *f, const char *name, const char *text, const Graph *like)
{
    Toy *t = ARENA_NEW(&f->arena, Toy);
    t->cls = (ClassDef){.name = str_of(name), .kind = CLASS_MODULE, .program = f->program};
    t->cls.type = type_class(f->types, TYPE_CLASS, t->cls.name, &t->cls);
    t->object = ARENA_NEW(&f->arena, Datum);
    *t->object = (Datum){.kind = DATUM_OBJECT, .name = t->cls.name, .cls = &t->cls};
    t->object->state = ARENA_NEW(&f->arena, Datum);
    *t->object->state = (Datum){.kind = DATUM_DICT, .items = t->names};
    Schema *s = ARENA_NEW(&f->arena, Schema);
    s->symbol = s->full_name = STR("forward");
    t->forward = (Function){.name = STR("forward"), .qualified_name = STR("forward"), .cls = &t->cls, .schema = s};
    t->forward.graph = read(f, text, like);
    s->returns = ARENA_NEW(&f->arena, SchemaArg);
    s->returns[0].type = t->forward.graph->top->ret->inputs[0]->type;
    s->return_count = 1;
    Function *method = &t->forward;
    ARENA_PUSH(&f->arena, t->cls.methods, t->cls.method_count, method);
    strmap_put(&t->cls.method_index, &f->arena, t->forward.name, &t->forward);
    return t;
}

static void set(Fixture *f, Toy *t, const char *name, Datum *value)
{
    Datum *d = t->object->state;
    d->items[2 * d->count] = datum_str(&f->arena, str_of(name));
    d->items[2 * d->count + 1] = value;
    d->count++;
}

static Datum *floats(Fixture *f, int ndim, const int64_t *size, const float *v)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= size[i];
    return datum_tensor(&f->arena, DT_F32, ndim, size, arena_copy(&f->arena, v, (size_t)n * sizeof *v));
}

static Optimized run_until(Fixture *f, Toy *t, const char *last, bool stateful)
{
    const OptimizeOptions options = {.verify = true, .stop_after = last, .stateful = stateful};
    Optimized out;
    Status status = optimize(f->program, &t->forward, t->object, &options, NULL, &out);
    if (status != ST_OK)
        print_message("%s\n", status_message());
    assert_int_equal(status, ST_OK);
    return out;
}

static void test_inline_and_freeze(void **state)
{
    Fixture *f = *state;
    Toy *inner = toy(f, "__torch__.Inner",
                     "graph(%self : __torch__.Inner, %x : Tensor):\n"
                     "  %w : Tensor = prim::GetAttr[name=\"weight\"](%self)\n"
                     "  %k : float = prim::GetAttr[name=\"k\"](%self)\n"
                     "  %y : Tensor = aten::mul(%x, %w) # inner.py:3:4\n"
                     "  %z : Tensor = aten::mul(%y, %k)\n"
                     "  return (%z)\n",
                     NULL);
    const float one = 1;
    set(f, inner, "weight", floats(f, 1, (int64_t[]){1}, &one));
    set(f, inner, "k", datum_float(&f->arena, 2.5));
    Toy *outer = toy(f, "__torch__.Outer",
                     "graph(%self : __torch__.Outer, %x : Tensor):\n"
                     "  %i : __torch__.Inner = prim::GetAttr[name=\"sub\"](%self)\n"
                     "  %a : Tensor = prim::CallMethod[name=\"forward\"](%i, %x) # outer.py:1:2\n"
                     "  %b : Tensor = prim::CallMethod[name=\"forward\"](%i, %a)\n"
                     "  return (%b)\n",
                     NULL);
    set(f, outer, "sub", inner->object);
    Optimized out = run_until(f, outer, "freeze", false);
    run_pass(f, out.graph, pass_cse);
    run_pass(f, out.graph, pass_dce);
    expect_graph(f, out.graph,
                 "graph(%self : __torch__.Outer,\n"
                 "      %x : Tensor):\n"
                 "  %sub.k : float = prim::Constant[value=2.5]()\n"
                 "  %sub.weight : Tensor = prim::Constant[value={1}]()\n"
                 "  %y.1 : Tensor = aten::mul(%x, %sub.weight), scope: sub # inner.py:3:4\n"
                 "  %a : Tensor = aten::mul(%y.1, %sub.k), scope: sub\n"
                 "  %y : Tensor = aten::mul(%a, %sub.weight), scope: sub # inner.py:3:4\n"
                 "  %b : Tensor = aten::mul(%y, %sub.k), scope: sub\n"
                 "  return (%b)\n");
    assert_int_equal(out.mutated_count, 0);
    const Node *first = out.graph->top->param->outputs[1]->uses->user;
    assert_true(str_is(first->frame->function, "forward"));
    assert_int_equal(first->frame->call.line, 1);
    assert_null(first->frame->caller);
    // The function itself is as it was.
    assert_int_equal(outer->forward.graph->top->ret->prev->kind, NODE_CALL_METHOD);
}

static void test_what_changes_stays(void **state)
{
    Fixture *f = *state;
    Toy *t = toy(f, "__torch__.Counter",
                 "graph(%self : __torch__.Counter, %x : Tensor, %n : int):\n"
                 "  %count : int = prim::GetAttr[name=\"count\"](%self)\n"
                 "  %scale : int = prim::GetAttr[name=\"scale\"](%self)\n"
                 "  %next : int = aten::add(%count, %n)\n"
                 "   = prim::SetAttr[name=\"count\"](%self, %next)\n"
                 "   = prim::SetAttr[name=\"unread\"](%self, %next)\n"
                 "  %buffer : Tensor = prim::GetAttr[name=\"buffer\"](%self)\n"
                 "  %twin : Tensor = prim::GetAttr[name=\"twin\"](%self)\n"
                 "  %view : Tensor = aten::select(%buffer, %n, %n)\n"
                 "  %w : Tensor = aten::add_(%view, %x, %n)\n"
                 "  %y : Tensor = aten::add(%twin, %x, %scale)\n"
                 "  return (%y)\n",
                 NULL);
    const float v[4] = {1, 2, 3, 4};
    Datum *buffer = floats(f, 2, (int64_t[]){2, 2}, v), *twin = ARENA_NEW(&f->arena, Datum);
    *twin = *buffer; // another view of the same storage
    set(f, t, "count", datum_int(&f->arena, 0));
    set(f, t, "unread", datum_int(&f->arena, 0));
    set(f, t, "scale", datum_int(&f->arena, 3));
    set(f, t, "buffer", buffer);
    set(f, t, "twin", twin);
    Optimized out = run_until(f, t, "freeze-again", false);
    expect_graph(f, out.graph,
                 "graph(%self : __torch__.Counter,\n"
                 "      %x : Tensor,\n"
                 "      %n : int):\n"
                 "  %scale : int = prim::Constant[value=3]()\n"
                 "  %count : int = prim::GetAttr[name=\"count\"](%self)\n"
                 "  %next : int = aten::add(%count, %n)\n"
                 "   = prim::SetAttr[name=\"count\"](%self, %next)\n"
                 "  %buffer : Tensor = prim::GetAttr[name=\"buffer\"](%self)\n"
                 "  %twin : Tensor = prim::GetAttr[name=\"twin\"](%self)\n"
                 "  %view : Tensor = aten::select(%buffer, %n, %n)\n"
                 "  %w : Tensor = aten::add_(%view, %x, %n)\n"
                 "  %y : Tensor = aten::add(%twin, %x, %scale)\n"
                 "  return (%y)\n");
    assert_int_equal(out.mutated_count, 3);
    static const char *const PATHS[] = {"count", "buffer", "twin"};
    for (int i = 0; i < 3; i++)
        assert_true(str_is(out.mutated[i], PATHS[i]));
    // With state kept between calls, an attribute that nobody reads counts too.
    out = run_until(f, t, "freeze-again", true);
    assert_int_equal(out.mutated_count, 4);
    int sets = 0;
    for (const Node *n = graph_first(out.graph); n; n = node_next_deep(n))
        sets += n->kind == NODE_SET_ATTR;
    assert_int_equal(sets, 2);
}

static void test_hooks(void **state)
{
    Fixture *f = *state;
    Toy *t = toy(f, "__torch__.Hooked", "graph(%self : __torch__.Hooked, %x : Tensor):\n  %y : Tensor = aten::relu(%x)\n  return (%y)\n", NULL);
    Toy *before = toy(f, "__torch__.HookedBefore",
                      "graph(%self : __torch__.Hooked, %in : (Tensor)):\n"
                      "  %a : Tensor = prim::TupleUnpack(%in)\n"
                      "  %b : Tensor = aten::neg(%a)\n"
                      "  %c : (Tensor) = prim::TupleConstruct(%b)\n"
                      "  return (%c)\n",
                      NULL);
    Toy *after = toy(f, "__torch__.HookedAfter",
                     "graph(%self : __torch__.Hooked, %in : (Tensor), %out : Tensor):\n"
                     "  %a : Tensor = aten::exp(%out)\n"
                     "  return (%a)\n",
                     NULL);
    before->forward.name = STR("pre");
    after->forward.name = STR("post");
    strmap_put(&t->cls.method_index, &f->arena, STR("pre"), &before->forward);
    strmap_put(&t->cls.method_index, &f->arena, STR("post"), &after->forward);
    Str pre[] = {STR("pre")}, post[] = {STR("post")};
    t->cls.forward_pre_hooks = pre;
    t->cls.forward_hooks = post;
    t->cls.forward_pre_hook_count = t->cls.forward_hook_count = 1;
    Optimized out = run_until(f, t, NULL, false);
    expect_graph(f, out.graph,
                 "graph(%self : __torch__.Hooked,\n"
                 "      %x : Tensor):\n"
                 "  %b : Tensor = aten::neg(%x)\n"
                 "  %y : Tensor = aten::relu(%b)\n"
                 "  %a : Tensor = aten::exp(%y)\n"
                 "  return (%a)\n");
}

static const char CONV_NET[] =
    "graph(%self : __torch__.Net, %x : Tensor):\n"
    "  %0 : int = prim::Constant[value=0]()\n"
    "  %1 : int = prim::Constant[value=1]()\n"
    "  %f : bool = prim::Constant[value=0]()\n"
    "  %e : float = prim::Constant[value=0.5]()\n"
    "  %w : Tensor = prim::GetAttr[name=\"weight\"](%self)\n"
    "  %b : Tensor? = prim::GetAttr[name=\"bias\"](%self)\n"
    "  %g : Tensor = prim::GetAttr[name=\"gamma\"](%self)\n"
    "  %h : Tensor = prim::GetAttr[name=\"beta\"](%self)\n"
    "  %m : Tensor = prim::GetAttr[name=\"mean\"](%self)\n"
    "  %v : Tensor = prim::GetAttr[name=\"var\"](%self)\n"
    "  %s : int[] = prim::ListConstruct(%1, %1)\n"
    "  %p : int[] = prim::ListConstruct(%0, %0)\n"
    "  %c : Tensor = aten::conv2d(%x, %w, %b, %s, %p, %s, %1)\n"
    "  %d : int = aten::dim(%c)\n"
    "   = prim::Print(%d)\n"
    "  %n : Tensor = aten::batch_norm(%c, %g, %h, %m, %v, %f, %e, %e, %f)\n"
    "  %r : Tensor = aten::relu(%n)\n"
    "  %k : Tensor = aten::conv2d(%r, %w, %b, %s, %p, %s, %1)\n"
    "  %o : Tensor = aten::add_(%k, %r, %1)\n"
    "  %q : Tensor = aten::hardtanh_(%o, %0, %1)\n"
    "  return (%q)\n";

static Toy *conv_net(Fixture *f)
{
    Toy *t = toy(f, "__torch__.Net", CONV_NET, NULL);
    const float w[4] = {1, 2, 3, 4}, g[2] = {2, 4}, h[2] = {0.25f, -1}, m[2] = {1, -2}, v[2] = {3.5f, 15.5f};
    set(f, t, "weight", floats(f, 4, (int64_t[]){2, 2, 1, 1}, w));
    set(f, t, "bias", &datum_none);
    set(f, t, "gamma", floats(f, 1, (int64_t[]){2}, g));
    set(f, t, "beta", floats(f, 1, (int64_t[]){2}, h));
    set(f, t, "mean", floats(f, 1, (int64_t[]){2}, m));
    set(f, t, "var", floats(f, 1, (int64_t[]){2}, v));
    return t;
}

static void folds(Fixture *f, Toy *net)
{
    Optimized out = run_until(f, net, "fold-batch-norm", false);
    const Node *conv = NULL;
    for (const Node *n = graph_first(out.graph); n; n = node_next_deep(n)) {
        assert_false(node_is(n, "aten::batch_norm"));
        if (node_is(n, "aten::conv2d") && !conv)
            conv = n;
    }
    // scale = gamma / sqrt(var + eps) = 2 / 2, 4 / 4; bias = -mean * scale + beta.
    const float *w = datum_tensor_data(constant_tensor(conv->inputs[1])), *b = datum_tensor_data(constant_tensor(conv->inputs[2]));
    const float expected[] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(w[i] - expected[i]) < 1e-6f);
    assert_true(fabsf(b[0] - (-1 + 0.25f)) < 1e-6f);
    assert_true(fabsf(b[1] - (2 - 1)) < 1e-6f);
}

static void test_batch_norm(void **state)
{
    Fixture *f = *state;
    folds(f, conv_net(f));
    // The same weight, the other way round in memory.
    Toy *net = conv_net(f);
    const float w[4] = {1, 3, 2, 4};
    Datum *strided = floats(f, 4, (int64_t[]){2, 2, 1, 1}, w);
    strided->tensor->stride = arena_copy(&f->arena, (int64_t[]){1, 2, 1, 1}, 4 * sizeof(int64_t));
    datum_set_attr(net->object, &f->arena, STR("weight"), strided);
    folds(f, net);
}

static void test_fusion(void **state)
{
    Fixture *f = *state;
    Optimized out = run_until(f, conv_net(f), NULL, false);
    int convs = 0;
    for (const Node *n = graph_first(out.graph); n; n = node_next_deep(n)) {
        if (n->kind == NODE_CONSTANT || n->kind == NODE_PRINT || node_is(n, "aten::dim"))
            continue;
        assert_true(node_is(n, "tsb::conv"));
        const Datum *act = value_constant(n->inputs[10]);
        double hi = -1;
        assert_true(constant_number(n->inputs[12], &hi));
        assert_true(str_is(act->s, convs ? "clamp" : "relu"));
        assert_true(value_is_none(n->inputs[9]) == !convs);
        assert_true(hi == (convs ? 1 : 0));
        convs++;
    }
    assert_int_equal(convs, 2);
    const OptimizeOptions options = {.no_fusion = true};
    Toy *t = conv_net(f);
    assert_int_equal(optimize(f->program, &t->forward, t->object, &options, NULL, &out), ST_OK);
    for (const Node *n = graph_first(out.graph); n; n = node_next_deep(n))
        assert_false(node_is(n, "tsb::conv"));
}

static void test_linear(void **state)
{
    Fixture *f = *state;
    Toy *t = toy(f, "__torch__.Mlp",
                 "graph(%self : __torch__.Mlp, %x : Tensor, %z : Tensor):\n"
                 "  %1 : int = prim::Constant[value=1]()\n"
                 "  %s : str = prim::Constant[value=\"none\"]()\n"
                 "  %w : Tensor = prim::GetAttr[name=\"w\"](%self)\n"
                 "  %b : Tensor = prim::GetAttr[name=\"b\"](%self)\n"
                 "  %a : Tensor = aten::linear(%x, %w, %b)\n"
                 "  %g : Tensor = aten::gelu(%a, %s)\n"
                 "  %t : Tensor = aten::t(%w)\n"
                 "  %m : Tensor = aten::matmul(%g, %t)\n"
                 "  %n : Tensor = aten::add(%m, %b, %1)\n"
                 "  %o : Tensor = aten::add(%n, %z, %1)\n"
                 "  return (%o)\n",
                 NULL);
    const float w[4] = {1, 2, 3, 4};
    set(f, t, "w", floats(f, 2, (int64_t[]){2, 2}, w));
    set(f, t, "b", floats(f, 1, (int64_t[]){2}, w));
    Optimized out = run_until(f, t, NULL, false);
    // The type of z is not known: the last addition stays.
    expect_graph(f, out.graph,
                 "graph(%self : __torch__.Mlp,\n"
                 "      %x : Tensor,\n"
                 "      %z : Tensor):\n"
                 "  %b : Tensor = prim::Constant[value= 1  2 [ CPUFloatType{2} ]]()\n"
                 "  %w : Tensor = prim::Constant[value= 1  2  3  4 [ CPUFloatType{2,2} ]]()\n"
                 "  %5 : int = prim::Constant[value=1]()\n"
                 "  %s : str = prim::Constant[value=\"none\"]()\n"
                 "  %7 : NoneType = prim::Constant()\n"
                 "  %8 : float = prim::Constant[value=0.]()\n"
                 "  %9 : str = prim::Constant[value=\"gelu\"]()\n"
                 "  %g : Tensor = tsb::linear(%x, %w, %b, %7, %9, %8, %8)\n"
                 "  %n : Tensor = tsb::linear(%g, %w, %b, %7, %s, %8, %8)\n"
                 "  %o : Tensor = aten::add(%n, %z, %5)\n"
                 "  return (%o)\n");
}

// Out of memory anywhere: an error, nothing lost, and the program still works afterwards.
static void test_memory(void **state)
{
    Fixture *f = *state;
    Toy *t = conv_net(f);
    Optimized out;
    Status status = ST_MEMORY;
    int failures = 0;
    for (size_t more = 0; status != ST_OK; more += 4096, failures++) {
        f->arena.limit = f->arena.total + more;
        status = optimize(f->program, &t->forward, t->object, NULL, NULL, &out);
        assert_true(status == ST_OK || status == ST_MEMORY);
        assert_true(failures < 1000);
    }
    f->arena.limit = 0;
    assert_true(failures > 1);
    assert_int_equal(graph_verify(out.graph), ST_OK);
    assert_int_equal(graph_verify(t->forward.graph), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_inline_and_freeze), TEST(test_what_changes_stays), TEST(test_hooks), TEST(test_batch_norm), TEST(test_fusion), TEST(test_linear), TEST(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
