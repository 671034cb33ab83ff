// The graph: uses, places, names, copies and iteration.
#include "ir/print.h"
#include "ir/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct Fixture {
    Arena arena;
    TypeTable *types;
    Graph *g;
    const Type *tensor;
} Fixture;

static int setup(void **state)
{
    static Fixture f;
    f = (Fixture){0};
    f.types = type_table_new(&f.arena);
    f.g = graph_new(&f.arena, f.types);
    f.tensor = type_of_kind(f.types, TYPE_TENSOR);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    arena_free(&((Fixture *)*state)->arena);
    return 0;
}

static Node *append(Fixture *f, Value *in)
{
    Node *n = node_new(f->g, NODE_TUPLE_CONSTRUCT);
    if (in)
        node_add_input(n, in);
    node_add_output(f->g, n, f->tensor);
    return block_append(f->g->top, n);
}

static void test_uses(void **state)
{
    Fixture *f = *state;
    Value *x = block_add_input(f->g, f->g->top, f->tensor), *y = block_add_input(f->g, f->g->top, f->tensor);
    Node *n = append(f, x);
    node_add_input(n, y);
    node_insert_input(n, 1, x);
    assert_int_equal(x->use_count, 2);
    assert_ptr_equal(n->inputs[2], y);
    assert_int_equal(y->uses->index, 2);
    node_remove_input(n, 0);
    assert_int_equal(x->use_count, 1);
    assert_int_equal(y->uses->index, 1);
    node_set_input(n, 0, y);
    assert_int_equal(x->use_count, 0);
    assert_null(x->uses);
    assert_int_equal(y->use_count, 2);
    // Uses are in order of creation: the replaced one is the youngest.
    assert_int_equal(y->uses->index, 1);
    assert_int_equal(y->last_use->index, 0);
    value_replace_all(y, x);
    assert_int_equal(y->use_count, 0);
    assert_int_equal(x->use_count, 2);
    assert_int_equal(graph_verify(f->g), ST_OK);
    node_clear_inputs(n);
    assert_int_equal(x->use_count, 0);
}

static void test_replace_after(void **state)
{
    Fixture *f = *state;
    Value *x = block_add_input(f->g, f->g->top, f->tensor);
    Node *a = append(f, x), *b = append(f, x), *c = append(f, x);
    value_replace_after(x, b, b->outputs[0]);
    assert_ptr_equal(a->inputs[0], x);
    assert_ptr_equal(b->inputs[0], x);
    assert_ptr_equal(c->inputs[0], b->outputs[0]);
}

static void test_places(void **state)
{
    Fixture *f = *state;
    Node *first = append(f, NULL), *last = append(f, NULL);
    // Far more insertions at one place than a gap between positions can hold.
    Node *before = first;
    for (int i = 0; i < 200; i++) {
        Node *n = node_new(f->g, NODE_TUPLE_CONSTRUCT);
        node_add_output(f->g, n, f->tensor);
        node_insert_after(n, first);
        assert_true(node_is_before(first, n));
        assert_true(node_is_before(n, last));
        if (before != first)
            assert_true(node_is_before(n, before));
        before = n;
    }
    assert_int_equal(graph_verify(f->g), ST_OK);
    node_move_after(first, last);
    assert_true(node_is_before(last, first));
    assert_ptr_equal(f->g->top->ret->prev, first);
    node_move_before(first, block_first(f->g->top));
    assert_ptr_equal(block_first(f->g->top), first);
    assert_true(node_is_before(f->g->top->param, first));
    assert_true(node_is_before(first, f->g->top->ret));
    assert_false(node_is_before(first, first));
    node_destroy(last);
    assert_int_equal(graph_verify(f->g), ST_OK);
}

static void expect_name(const Value *v, const char *name)
{
    assert_int_equal(v->name.len, strlen(name));
    assert_memory_equal(v->name.ptr, name, v->name.len);
}

static void test_names(void **state)
{
    Fixture *f = *state;
    Value *v[5];
    for (int i = 0; i < 5; i++)
        v[i] = block_add_input(f->g, f->g->top, f->tensor);
    // As PyTorch counts: the newest holder keeps the bare name, the others move to .1, .3, .5.
    for (int i = 0; i < 4; i++)
        value_set_name(v[i], STR("x"));
    expect_name(v[0], "x.1");
    expect_name(v[1], "x.3");
    expect_name(v[2], "x.5");
    expect_name(v[3], "x");
    // Taking "x.3" moves its holder on from there.
    value_set_name(v[4], STR("x.3"));
    expect_name(v[4], "x.3");
    expect_name(v[1], "x.7");
    value_set_name(v[3], (Str){0});
    assert_int_equal(v[3]->name.len, 0);
    value_set_name(v[3], STR("x"));
    expect_name(v[3], "x");
    assert_true(name_is_meaningful(STR("x")));
    assert_true(name_is_meaningful(STR("_a")));
    assert_true(name_is_meaningful(STR("_")));
    assert_false(name_is_meaningful(STR("_12")));
    assert_false(name_is_meaningful(STR("$x")));
    assert_false(name_is_meaningful(STR("")));
}

static void test_iteration_and_copy(void **state)
{
    Fixture *f = *state;
    Value *x = block_add_input(f->g, f->g->top, type_of_kind(f->types, TYPE_BOOL));
    value_set_name(x, STR("c"));
    append(f, x);
    Node *branch = node_new(f->g, NODE_IF);
    node_add_input(branch, x);
    Block *yes = node_add_block(f->g, branch), *no = node_add_block(f->g, branch);
    Node *inner = node_new(f->g, NODE_TUPLE_CONSTRUCT);
    Value *made = node_add_output(f->g, inner, f->tensor);
    block_append(no, inner);
    Node *other = node_new(f->g, NODE_TUPLE_CONSTRUCT);
    block_add_output(yes, node_add_output(f->g, other, f->tensor));
    block_append(yes, other);
    block_add_output(no, made);
    node_add_output(f->g, branch, f->tensor);
    block_append(f->g->top, branch);
    append(f, branch->outputs[0]);
    assert_int_equal(graph_verify(f->g), ST_OK);
    const Node *order[] = {f->g->top->ret->next, branch, other, inner, f->g->top->ret->prev, NULL};
    int i = 0;
    for (Node *n = graph_first(f->g); n; n = node_next_deep(n))
        assert_ptr_equal(n, order[i++]);
    assert_null(order[i]);
    // A copy numbers in print order: a node's outputs, then its blocks.
    Graph *copy = graph_copy(f->g);
    assert_int_equal(graph_verify(copy), ST_OK);
    Node *c = graph_first(copy)->next;
    expect_name(copy->top->param->outputs[0], "c");
    assert_int_equal(c->outputs[0]->id, 2);
    assert_int_equal(block_first(c->blocks[0])->outputs[0]->id, 3);
    assert_int_equal(block_first(c->blocks[1])->outputs[0]->id, 4);
    assert_int_equal(c->next->outputs[0]->id, 5);
    node_destroy(copy->top->ret->prev);
    node_destroy(c);
    assert_int_equal(copy->top->param->outputs[0]->use_count, 1);
    assert_int_equal(graph_verify(copy), ST_OK);
}

static void test_constants(void **state)
{
    Fixture *f = *state;
    Value *i = graph_constant(f->g, f->g->top->ret, datum_int(&f->arena, 7), type_of_kind(f->types, TYPE_INT));
    Value *none = graph_constant(f->g, f->g->top->ret, &datum_none, type_of_kind(f->types, TYPE_NONE));
    int64_t v;
    bool b;
    assert_true(value_constant_int(i, &v));
    assert_int_equal(v, 7);
    assert_false(value_constant_bool(i, &b));
    assert_ptr_equal(value_constant(none), &datum_none);
    assert_true(value_is_none(none));
    assert_false(value_is_none(i));
    assert_null(value_constant(append(f, i)->outputs[0]));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_uses), TEST(test_replace_after), TEST(test_places), TEST(test_names), TEST(test_iteration_and_copy), TEST(test_constants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
