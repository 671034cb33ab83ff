// What the tests of passes share: a program without sources, graphs as text, and one pass run on them.
#ifndef TSB_TESTS_PASS_FIXTURE_H
#define TSB_TESTS_PASS_FIXTURE_H

#include "ir/pass.h"
#include "ir/print.h"
#include "ir/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct Fixture {
    Arena arena;
    Program *program;
    TypeTable *types;
    OpTable *ops;
} Fixture;

static inline Status find_nothing(void *ctx, Str prefix, Str *file, Str *text, Datum **debug)
{
    (void)ctx, (void)prefix, (void)file, (void)debug;
    *text = (Str){0};
    return ST_OK;
}

static inline int setup(void **state)
{
    static Fixture f;
    f = (Fixture){0};
    const ProgramOptions options = {.sources = {find_nothing, NULL}, .version = 10};
    if (program_new(&f.arena, &options, &f.program) != ST_OK)
        return 1;
    f.types = program_types(f.program);
    f.ops = program_ops(f.program);
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    arena_free(&((Fixture *)*state)->arena);
    return 0;
}

static inline Graph *read(Fixture *f, const char *text, const Graph *like)
{
    Graph *g = NULL;
    Status status = graph_read(&f->arena, f->types, f->ops, str_of(text), like, &g);
    if (status != ST_OK)
        print_message("%s\n", status_message());
    assert_int_equal(status, ST_OK);
    assert_int_equal(graph_verify(g), ST_OK);
    return g;
}

// Compares with an expected text, which has the numbers of a fresh copy; `like` for constants that are not printed whole.
static inline void expect_graph(Fixture *f, const Graph *g, const char *expected)
{
    (void)f;
    Status status = graph_verify(g);
    if (status != ST_OK)
        print_message("%s\n", status_message());
    assert_int_equal(status, ST_OK);
    Buf b = {0};
    graph_print(&b, graph_copy(g));
    buf_char(&b, 0);
    assert_string_equal(b.ptr, expected);
    buf_free(&b);
}

// Runs operators on small ints and bools, for the tests of folding.
static inline Status fold_ints(void *ctx, Arena *arena, const Node *n, Datum **in, Datum **out)
{
    (void)ctx;
    Str s = n->schema->full_name;
    if (str_is(s, "aten::add.int"))
        out[0] = datum_int(arena, in[0]->i + in[1]->i);
    else if (str_is(s, "aten::gt.int"))
        out[0] = datum_bool(in[0]->i > in[1]->i);
    else if (str_is(s, "aten::__not__"))
        out[0] = datum_bool(!in[0]->b);
    else if (str_is(s, "aten::len.t"))
        out[0] = datum_int(arena, in[0]->count);
    else
        return ST_DECLINED;
    return ST_OK;
}

// The constants of a graph, as if they all came from constants.pkl.
static inline const Datum *archive_constants(Fixture *f, const Graph *g)
{
    Datum *all = ARENA_NEW(&f->arena, Datum);
    all->kind = DATUM_TUPLE;
    for (const Node *n = graph_first(g); n; n = node_next_deep(n))
        if (n->kind == NODE_CONSTANT && n->constant)
            ARENA_PUSH(&f->arena, all->items, all->count, n->constant);
    return all;
}

static inline PassContext pass_context(Fixture *f, Graph *g)
{
    static OptimizeOptions options;
    options = (OptimizeOptions){.constants = archive_constants(f, g)};
    static const PassHooks hooks = {.fold = fold_ints};
    static Optimized out;
    out = (Optimized){0};
    return (PassContext){.program = f->program, .graph = g, .arena = &f->arena, .options = &options, .hooks = &hooks, .out = &out, .types = f->types, .ops = f->ops};
}

static inline void run_pass(Fixture *f, Graph *g, Status (*pass)(PassContext *))
{
    PassContext c = pass_context(f, g);
    assert_int_equal(pass(&c), ST_OK);
    arena_free(&c.scratch);
}

static inline void becomes(void **state, Status (*pass)(PassContext *), const char *before, const char *after)
{
    Fixture *f = *state;
    Graph *g = read(f, before, NULL);
    run_pass(f, g, pass);
    expect_graph(f, g, after);
}

static inline void stays(void **state, Status (*pass)(PassContext *), const char *text)
{
    Fixture *f = *state;
    Graph *g = read(f, text, NULL);
    Buf b = {0};
    graph_print(&b, graph_copy(g));
    buf_char(&b, 0);
    run_pass(f, g, pass);
    expect_graph(f, g, b.ptr);
    buf_free(&b);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
