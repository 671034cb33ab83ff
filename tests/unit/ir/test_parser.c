// The lexer and the parser: tokens, indentation, strings, precedence, and refusal of what is not TorchScript.
#include "ir/ast.h"

#include <stdio.h>

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

// A tree as nested text: (op a b).
static void dump(Buf *b, const Ast *a)
{
    static const char *const names[] = {
        [AST_SELECT] = ".", [AST_APPLY] = "call", [AST_KEYWORD] = "kw", [AST_STAR] = "star", [AST_SUBSCRIPT] = "[]", [AST_SLICE] = "slice",
        [AST_LIST] = "list", [AST_TUPLE] = "tuple", [AST_DICT] = "dict", [AST_LIST_COMP] = "comp", [AST_DICT_COMP] = "dictcomp",
        [AST_TERNARY] = "if", [AST_BLOCK] = "block", [AST_IF] = "IF", [AST_WHILE] = "WHILE", [AST_FOR] = "FOR", [AST_RETURN] = "RETURN",
        [AST_ASSIGN] = "=", [AST_EXPR] = "EXPR", [AST_RAISE] = "RAISE", [AST_ASSERT] = "ASSERT", [AST_PASS] = "PASS", [AST_BREAK] = "BREAK",
        [AST_CONTINUE] = "CONTINUE", [AST_DEL] = "DEL", [AST_WITH] = "WITH", [AST_DEF] = "DEF", [AST_PARAM] = "param", [AST_CLASS] = "CLASS",
    };
    if (!a) {
        buf_char(b, '_');
        return;
    }
    if (a->count == 0 && a->text.len) {
        buf_str(b, a->text);
        return;
    }
    buf_char(b, '(');
    buf_z(b, a->kind == AST_BINARY || a->kind == AST_UNARY || a->kind == AST_AUG_ASSIGN ? token_text(a->op) : names[a->kind] ? names[a->kind] : "?");
    if (a->text.len)
        buf_printf(b, " " STR_FMT, STR_ARG(a->text));
    for (uint32_t i = 0; i < a->count; i++) {
        buf_char(b, ' ');
        dump(b, a->kids[i]);
    }
    buf_char(b, ')');
}

// Parses a whole file or one expression; the text "error: …" when it is refused.
static const char *parsed(const char *text, bool file)
{
    static char out[4000];
    Arena arena = {0};
    Failure f = {.arena = &arena};
    jmp_buf guard;
    arena.guard = &guard;
    Source source = {.file = STR("t.py"), .text = str_of(text)};
    if (setjmp(guard)) {
        snprintf(out, sizeof out, "error: %s", status_message());
    } else {
        Buf b = {0};
        dump(&b, file ? parse_file(&f, &source) : parse_expression(&f, &source));
        snprintf(out, sizeof out, "%.*s", (int)b.len, b.ptr);
        buf_free(&b);
    }
    arena_free(&arena);
    return out;
}

static void test_expressions(void **state)
{
    (void)state;
    const char *const rows[][2] = {
        {"a + b * c - d", "(- (+ a (* b c)) d)"},
        {"-a ** b", "(- (** a b))"},
        {"a ** b ** c", "(** a (** b c))"},
        {"-2 + -x", "(+ -2 (- x))"},
        {"not a == b", "(not (== a b))"},
        {"a or b and c", "(and (or a b) c)"}, // one level, as in PyTorch
        {"a not in b", "(not (in a b))"},
        {"a is not None", "(is not a None)"},
        {"a | b ^ c & d << 2", "(| a (^ b (& c (<< d 2))))"},
        {"x if c else y if d else z", "(if x c (if y d z))"},
        {"f(a, b, k=c, )", "(call f a b (kw k c))"},
        {"(lin).forward(x, )", "(call (. forward lin) x)"},
        {"x[1:, ::2, None, ...]", "([] x (slice 1 _ _) (slice _ _ 2) None ...)"},
        {"(a,)", "(tuple a)"},
        {"()", "(tuple)"},
        {"[x * 2 for x in xs]", "(comp (* x 2) x xs)"},
        {"{k: v for k in ks}", "(dictcomp k v k ks)"},
        {"{1: a, 2: b}", "(dict 1 a 2 b)"},
        {"'a' \"b\" '''c'''", "abc"},
        {"1.5e-3 + 0x10 + 2.j", "(+ (+ 1.5e-3 0x10) 2.j)"},
        {"f(*xs)", "(call f (star xs))"},
        {"a # comment", "a"},
        {"(a +\n  b)", "(+ a b)"},
        {"a \\\n + b", "(+ a b)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(parsed(rows[i][0], false), rows[i][1]);
    assert_string_equal(parsed("'\\101\\n\\x'", false), "error: ill formed octal specifier in a string\n  at t.py:1:7\n    '\\101\\n\\x'");
}

static void test_statements(void **state)
{
    (void)state;
    const char *const rows[][2] = {
        {"import torch\nop_version_set = 1\ndef f(x, *, y: int=2) -> Tensor:\n  return x\n",
         "(block (DEF f Tensor (block (RETURN x)) (param x _ _) (param y int 2)))"},
        {"def f():\n  if a:\n    pass\n  elif b:\n    x = 1\n  else:\n    y = 2\n",
         "(block (DEF f _ (block (IF a (block (PASS)) (block (IF b (block (= 1 _ x)) (block (= 2 _ y))))))))"},
        {"def f():\n  a, b, = t\n  c : int = 3\n  d = e = 4\n  x += 1\n",
         "(block (DEF f _ (block (= t _ (tuple a b)) (= 3 int c) (= 4 _ d e) (+ x 1))))"},
        {"def f():\n  for i, j in z:\n    while c:\n      break\n    continue\n",
         "(block (DEF f _ (block (FOR (tuple i j) z (block (WHILE c (block (BREAK))) (CONTINUE))))))"},
        {"def f():\n  with a as b, c:\n    del d[0]\n  assert x, \"m\"\n  raise E\n",
         "(block (DEF f _ (block (WITH (block (DEL ([] d 0))) a b c _) (ASSERT x m) (RAISE E))))"},
        {"class A(Module):\r\n  x : int\r\n\r\n  # nothing\r\n  def f(self):\r\n    pass\r\n",
         "(block (CLASS A Module (block (= _ int x) (DEF f _ (block (PASS)) (param self _ _)))))"},
        {"def f(): return 1", "(block (DEF f _ (block (RETURN 1))))"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(parsed(rows[i][0], true), rows[i][1]);
}

static void test_refused(void **state)
{
    (void)state;
    const char *const rows[][2] = {
        {"x = 1\n", "error: expected a class or function definition"},
        {"def f(:\n", "error: expected a name but found ':'"},
        {"def f():\nreturn 1\n", "error: expected indented block"},
        {"def f():\n    a\n  b\n", "error: invalid indent level 2"},
        {"def f():\n  a = 'x\n", "error: expected the end of a string"},
        {"def f():\n  a = ?\n", "error: unexpected character 0x3f"},
        {"def f():\n  global x\n", "error: expected a statement that TorchScript has"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = parsed(rows[i][0], true);
        assert_memory_equal(text, rows[i][1], strlen(rows[i][1]));
    }
}

static void test_nesting_is_bounded(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, '(', sizeof text - 1);
    assert_non_null(strstr(parsed(text, false), "too deep nesting (limit 400)"));
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "-+"[i % 2];
    assert_non_null(strstr(parsed(text, false), "error"));
}

// Every prefix of a file is either parsed or refused, never anything else.
static void test_truncated(void **state)
{
    (void)state;
    const char whole[] = "class A(Module):\n  __parameters__ = [\"w\", ]\n  w : Tensor\n  def f(self, x: Tensor, n: int=2) -> List[int]:\n"
                         "    for i in range(n):\n      if torch.gt(i, 0):\n        y = 'a\\n' + x[1:, None]\n      else:\n        pass\n"
                         "    return {1: (2., -3)}\n";
    char text[sizeof whole];
    for (size_t n = 0; n < sizeof whole; n++) {
        memcpy(text, whole, n);
        text[n] = 0;
        const char *out = parsed(text, true);
        assert_true(out[0] == '(' || strncmp(out, "error: ", 7) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_statements), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nesting_is_bounded), cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
