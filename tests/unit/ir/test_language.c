// The whole language, from source to graph: each case of data/ir/language.txt is a file of an archive and the graphs that
// PyTorch 1.13 makes of it (`str(method.graph)` after loading), which must be reproduced to the byte.
#include "program_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    rewind(f);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    text[size] = 0;
    fclose(f);
    return text;
}

// "__torch__.M.forward": a method or a function.
static const Graph *graph_of(Program *p, Str name)
{
    Str owner = str_first(name, (size_t)str_rfind(name, '.'));
    ClassDef *c;
    Function *f;
    if (str_eq(owner, STR("__torch__"))) {
        if (program_function(p, name, &f) != ST_OK)
            fail_msg("%s", status_message());
    } else {
        if (program_class(p, owner, &c) != ST_OK)
            fail_msg("%s", status_message());
        f = class_method(c, str_from(name, owner.len + 1));
        assert_non_null(f);
    }
    return f->graph;
}

static void check_graph(Program *p, Str name, Str want)
{
    const Graph *g = graph_of(p, name);
    if (graph_verify(g) != ST_OK)
        fail_msg("%s", status_message());
    Buf b = {0};
    graph_print(&b, g);
    if (!str_eq(buf_view(&b), want))
        fail_msg(STR_FMT ":\n" STR_FMT "--- expected\n" STR_FMT, STR_ARG(name), STR_ARG(buf_view(&b)), STR_ARG(want));
    buf_free(&b);
}

// The text up to the next line that starts with `mark`, which is stepped over.
static Str section(char **at, const char *mark)
{
    char *end = strncmp(*at, mark, strlen(mark)) == 0 ? *at : strstr(*at, mark);
    assert_non_null(end);
    Str s = {*at, (size_t)(end - *at)};
    *at = end + strlen(mark);
    return s;
}

static void check_case(char *name, char *body)
{
    Arena arena = {0};
    char *space = strchr(name, ' ');
    char *at = body;
    Str source = section(&at, "==== ");
    MemoryFile files[] = {{.prefix = "__torch__", .text = arena_str(&arena, source).ptr}, {0}};
    Program *p = memory_program(&arena, files, atoi(space));
    // PyTorch compiles the module first; warnings are numbered in that order.
    graph_of(p, STR("__torch__.M.forward"));
    while (at) {
        char *line = strchr(at, '\n'), *next = strstr(at, "\n==== ");
        assert_non_null(line);
        Str graph = {line + 1, next ? (size_t)(next + 1 - (line + 1)) : strlen(line + 1)};
        check_graph(p, (Str){at, (size_t)(line - at)}, graph);
        at = next ? next + 6 : NULL;
    }
    arena_free(&arena);
}

static void test_language(void **state)
{
    (void)state;
    char *text = read_text(TEST_DATA "/ir/language.txt");
    int cases = 0;
    for (char *at = text + 5; strncmp(at, "end ", 4) != 0; cases++) {
        char *end = strstr(at, "\n#### ");
        assert_non_null(end);
        char *name = at, *body = strchr(at, '\n') + 1;
        at = end + 6;
        end[1] = 0;
        body[-1] = 0;
        check_case(name, body);
    }
    assert_true(cases >= 70);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_language)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
