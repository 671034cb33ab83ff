// Programs: finding definitions in files, what is refused and with which words, places through debug files, old operator
// versions, and binding pickled objects to their classes.
#include "program_fixture.h"

static Arena arena;

static MemoryFile *one_file(const char *text)
{
    MemoryFile *f = ARENA_ARRAY(&arena, MemoryFile, 2);
    f[0] = (MemoryFile){.prefix = "__torch__", .text = text};
    return f;
}

static Program *program_of(const char *text) { return memory_program(&arena, one_file(text), 10); }

static void expect_refused(Program *p, const char *class_name, Status code, const char *words)
{
    ClassDef *c;
    assert_int_equal(program_class(p, str_of(class_name), &c), code);
    if (!strstr(status_message(), words))
        fail_msg("\"%s\" is not in: %s", words, status_message());
}

static void test_files_are_found_by_prefix(void **state)
{
    (void)state;
    MemoryFile files[] = {
        {.prefix = "__torch__", .text = "class M(Module):\n  sub : __torch__.a.b.___torch_mangle_3.Sub\n"
                                        "  def forward(self, x: Tensor) -> Tensor:\n    _0 = __torch__.a.f\n    sub = self.sub\n"
                                        "    return (sub).forward(_0(x, ), )\n"},
        {.prefix = "__torch__.a", .text = "def f(x: Tensor) -> Tensor:\n  return torch.neg(x)\n"},
        {.prefix = "__torch__.a.b.___torch_mangle_3",
         .text = "class Sub(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = [\"n\", ]\n  w : Tensor\n  n : Tensor\n"
                 "  __annotations__[\"0\"] = int\n  k : Final[int] = 3\n"
                 "  def forward(self, x: Tensor) -> Tensor:\n    w = self.w\n    _0 = getattr(self, \"0\")\n    return torch.mul(torch.add(x, w), _0)\n"},
        {0}};
    Program *p = memory_program(&arena, files, 3);
    ClassDef *c;
    if (program_class(p, STR("__torch__.M"), &c) != ST_OK)
        fail_msg("%s", status_message());
    assert_int_equal(c->kind, CLASS_MODULE);
    const ClassDef *sub = c->attrs[0].type->cls;
    assert_true(str_is(sub->name, "__torch__.a.b.___torch_mangle_3.Sub"));
    assert_int_equal(sub->attr_count, 3);
    assert_true(class_attr(sub, STR("w"))->is_parameter && class_attr(sub, STR("n"))->is_buffer);
    assert_int_equal(class_attr(sub, STR("0"))->type->kind, TYPE_INT);
    assert_null(class_attr(sub, STR("k")));
    assert_int_equal(sub->constant_count, 1);
    assert_int_equal(sub->constants[0].value->i, 3);
    Function *f = class_method(sub, STR("forward"));
    Buf b = {0};
    schema_print(&b, f->schema);
    buf_char(&b, 0);
    assert_string_equal(b.ptr, "forward(__torch__.a.b.___torch_mangle_3.Sub self, Tensor x) -> Tensor");
    buf_free(&b);
    Function *g;
    assert_int_equal(program_function(p, STR("__torch__.a.f"), &g), ST_OK);
    assert_ptr_equal(class_method(c, STR("forward"))->graph->top->ret->inputs[0]->type, g->schema->returns[0].type);
    ClassDef *again;
    assert_int_equal(program_class(p, STR("__torch__.M"), &again), ST_OK);
    assert_ptr_equal(again, c);
}

static void test_refused(void **state)
{
    (void)state;
    const struct {
        const char *text, *words;
        Status code;
    } rows[] = {
        {"", "code/__torch__.py does not define it", ST_BAD_MODEL},
        {"class M(Other):\n  x : int\n", "does not support class inheritance", ST_BAD_MODEL},
        {"class M(Module):\n  x : Nope\n", "Unknown type name 'Nope'", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self) -> int:\n    return torch.no_such_thing(1)\n", "Unknown builtin op: aten::no_such_thing.",
         ST_UNSUPPORTED},
        {"class M(Module):\n  def f(self) -> int:\n    return x\n", "undefined value x\n  at code/__torch__.py:3:11", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self) -> int:\n    return self.f()\n", "is called recursively", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self) -> int:\n    return 1.5\n", "annotated as having type int but is actually of type float", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self) -> int:\n    pass\n", "does not return along all paths", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self, x: Tensor) -> Tensor:\n    return torch.relu(x, 3)\n", "Expected at most 1 arguments", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self, x: Tensor) -> Tensor:\n    a, b = (1, 2, 3)\n    return x\n", "too many values to unpack: need 2 but found 3", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self):\n    break\n", "'break' outside loop", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self, x: int):\n    for i in range(3):\n      x = \"a\"\n", "previously had type int", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self, c: bool) -> int:\n    if c:\n      x = 1\n    else:\n      y = 2\n    return x\n",
         "x is not defined in the false branch", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self) -> Tensor:\n    return CONSTANTS.c0\n", "invalid constant specifier", ST_BAD_MODEL},
        {"class M(Module):\n  def f(self, x: int=g()) -> int:\n    return x\n", "expected a constant expression", ST_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused(program_of(rows[i].text), "__torch__.M", rows[i].code, rows[i].words);
}

// A chain of functions longer than the stack can take is refused, not run out of.
static void test_deep_chains_are_refused(void **state)
{
    (void)state;
    Buf b = {0};
    buf_z(&b, "class M(Module):\n  def f(self, x: int) -> int:\n    return __torch__.f0(x)\n");
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "def f%d(x: int) -> int:\n  return __torch__.f%d(x)\n", i, i + 1);
    buf_char(&b, 0);
    expect_refused(program_of(b.ptr), "__torch__.M", ST_BAD_MODEL, "nested too deeply");
    buf_clear(&b);
    buf_z(&b, "class M(Module):\n  def f(self, x: int) -> int:\n");
    for (int i = 0; i < 400; i++)
        buf_printf(&b, "    if x > %d:\n      return %d\n", i, i);
    buf_z(&b, "    return x\n");
    buf_char(&b, 0);
    expect_refused(program_of(b.ptr), "__torch__.M", ST_UNSUPPORTED, "early exits in a row");
    buf_free(&b);
}

static Datum *tuple_of(uint32_t n, Datum **items)
{
    return datum_list(&arena, DATUM_TUPLE, arena_copy(&arena, items, n * sizeof *items), n);
}

static void test_debug_file(void **state)
{
    (void)state;
    MemoryFile *file = one_file("class M(Module):\n  def f(self, x: Tensor) -> Tensor:\n    return torch.neg(x)\n");
    // (offset, (source, start, end)): from byte 64 on the text comes from line 2 of a function that starts at line 40.
    Datum *lines[] = {datum_int(&arena, 2), datum_int(&arena, 3)};
    Datum *source[] = {datum_list(&arena, DATUM_LIST, lines, 2), datum_int(&arena, 1), datum_int(&arena, 40)};
    Datum *strings[] = {datum_str(&arena, STR("")), datum_str(&arena, STR("/src/m.py")), datum_str(&arena, STR("def f(self, x):\n")),
                        datum_str(&arena, STR("    return -x\n"))};
    Datum *place[] = {tuple_of(3, source), datum_int(&arena, 27), datum_int(&arena, 29)};
    Datum *record[] = {datum_int(&arena, 64), tuple_of(3, place), datum_int(&arena, 0)};
    Datum *records[] = {tuple_of(3, record)};
    Datum *debug[] = {datum_str(&arena, STR("FORMAT_WITH_STRING_TABLE")), tuple_of(4, strings), tuple_of(1, records)};
    file->debug = tuple_of(3, debug);
    Program *p = memory_program(&arena, file, 3);
    ClassDef *c;
    assert_int_equal(program_class(p, STR("__torch__.M"), &c), ST_OK);
    const Node *n = block_first(class_method(c, STR("f"))->graph->top);
    assert_true(str_is(n->range.file, "/src/m.py"));
    assert_int_equal(n->range.line, 41);
    assert_int_equal(n->range.column, 11);
    // A debug file of another shape is ignored.
    file->debug = datum_int(&arena, 3);
    p = memory_program(&arena, file, 3);
    assert_int_equal(program_class(p, STR("__torch__.M"), &c), ST_OK);
    n = block_first(class_method(c, STR("f"))->graph->top);
    assert_true(str_is(n->range.file, "code/__torch__.py"));
    assert_int_equal(n->range.line, 3);
}

static uint32_t count_ops(const Graph *g, const char *symbol)
{
    uint32_t n = 0;
    for (const Node *i = graph_first(g); i; i = node_next_deep(i))
        n += i->kind == NODE_OP && str_is(i->schema->symbol, symbol);
    return n;
}

// Methods of old files mean the old division; free functions are never changed.
static void test_versions(void **state)
{
    (void)state;
    const char *text = "class M(Module):\n  def f(self, x: Tensor) -> Tensor:\n    return torch.div(x, x)\n"
                       "def g(x: Tensor) -> Tensor:\n  return torch.div(x, x)\n";
    for (int version = 3; version <= 4; version++) {
        Program *p = memory_program(&arena, one_file(text), version);
        ClassDef *c;
        Function *g;
        assert_int_equal(program_class(p, STR("__torch__.M"), &c), ST_OK);
        assert_int_equal(program_function(p, STR("__torch__.g"), &g), ST_OK);
        assert_int_equal(count_ops(class_method(c, STR("f"))->graph, "aten::is_floating_point"), version == 3 ? 2 : 0);
        assert_int_equal(count_ops(g->graph, "aten::is_floating_point"), 0);
    }
}

static void test_types_from_text(void **state)
{
    (void)state;
    Program *p = program_of("class C:\n  x : int\n");
    const char *const rows[][2] = {
        {"List[Optional[Tensor]]", "List[Optional[Tensor]]"}, {"Dict[str, Tuple[int, ...]]", NULL},
        {"Tuple[()]", "Tuple[()]"},                           {"Optional[__torch__.C]", "Optional[__torch__.C]"},
        {"torch.Tensor", "Tensor"},                           {"Union[str, int, None]", "Union[int, NoneType, str]"},
        {"int | None", "Optional[int]"},                      {"List[", NULL},
        {"Nope[int]", NULL},                                  {"__torch__.D", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const Type *t;
        Status s = program_parse_type(p, str_of(rows[i][0]), &t);
        assert_int_equal(s == ST_OK, rows[i][1] != NULL);
        if (s != ST_OK)
            continue;
        Buf b = {0};
        type_print_python(&b, t);
        buf_char(&b, 0);
        assert_string_equal(b.ptr, rows[i][1]);
        buf_free(&b);
    }
}

static Datum *object_of(const char *name, Datum **state_items, uint32_t pairs)
{
    Datum *dict = datum_list(&arena, DATUM_LIST, arena_copy(&arena, state_items, 2 * pairs * sizeof *state_items), pairs);
    dict->kind = DATUM_DICT;
    Datum *o = ARENA_NEW(&arena, Datum);
    *o = (Datum){.kind = DATUM_OBJECT, .name = str_of(name), .state = dict};
    return o;
}

static void test_binding(void **state)
{
    (void)state;
    const char *text = "class M(Module):\n  a : int\n  l : List[float]\n  o : Optional[str]\n  s : __torch__.S\n"
                       "class S(Module):\n  c : __torch__.Color\nclass Color(Enum):\n  RED = 1\n  BLUE = 2\n";
    Program *p = program_of(text);
    Datum *one[] = {datum_int(&arena, 2)}, *items[] = {datum_float(&arena, 1.5)};
    Datum *color = ARENA_NEW(&arena, Datum);
    *color = (Datum){.kind = DATUM_ENUM, .name = STR("__torch__.Color"), .count = 1, .items = one};
    Datum *key = datum_str(&arena, STR("c")), *sub_state[] = {key, color};
    Datum *sub = object_of("__torch__.S", sub_state, 1), *list = datum_list(&arena, DATUM_LIST, items, 1);
    Datum *all[] = {datum_str(&arena, STR("s")), sub, datum_str(&arena, STR("a")), datum_int(&arena, 3), datum_str(&arena, STR("l")), list,
                    datum_str(&arena, STR("o")), &datum_none, datum_str(&arena, STR("extra")), &datum_true};
    Datum *m = object_of("__torch__.M", all, 5);
    if (program_bind_datum(p, m, "data.pkl") != ST_OK)
        fail_msg("%s", status_message());
    assert_true(str_is(((ClassDef *)sub->cls)->name, "__torch__.S"));
    assert_int_equal(((ClassDef *)color->cls)->kind, CLASS_ENUM);
    assert_true(str_is(list->name, "List[float]")); // an untagged list gets its declared type
    assert_int_equal(program_bind_datum(p, object_of("__torch__.M", all, 3), "data.pkl"), ST_BAD_MODEL);
    assert_non_null(strstr(status_message(), "data.pkl: an object of class '__torch__.M' has no value for attribute 'o'"));
    all[3] = datum_str(&arena, STR("three"));
    assert_int_equal(program_bind_datum(p, object_of("__torch__.M", all, 5), "data.pkl"), ST_BAD_MODEL);
    assert_non_null(strstr(status_message(), "attribute 'a' of class '__torch__.M' is declared as int"));
    assert_int_equal(program_bind_datum(p, object_of("__torch__.None", all, 5), "data.pkl"), ST_BAD_MODEL);
    assert_non_null(strstr(status_message(), "Unknown type name '__torch__.None'"));
}

// Running out of memory anywhere while compiling is an error like any other.
static void test_out_of_memory(void **state)
{
    (void)state;
    const char *text = "class M(Module):\n  def f(self, x: Tensor, n: int) -> Tensor:\n    for i in range(n):\n      if i > 2:\n"
                       "        return x\n      x = 2. * x\n    return torch.max(x, 0)[0]\n";
    MemoryFile files[] = {{.prefix = "__torch__", .text = text}, {0}};
    bool done = false;
    for (size_t limit = 4096; !done; limit += 4096) {
        Arena small = {.limit = limit};
        ProgramOptions options = {.sources = {memory_find, files}, .version = 10};
        Program *p = NULL;
        ClassDef *c;
        Status s = program_new(&small, &options, &p);
        if (s == ST_OK)
            s = program_class(p, STR("__torch__.M"), &c);
        assert_true(s == ST_OK || s == ST_MEMORY);
        done = s == ST_OK;
        arena_free(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_found_by_prefix), cmocka_unit_test(test_refused), cmocka_unit_test(test_deep_chains_are_refused),
        cmocka_unit_test(test_debug_file), cmocka_unit_test(test_versions), cmocka_unit_test(test_types_from_text),
        cmocka_unit_test(test_binding), cmocka_unit_test(test_out_of_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
