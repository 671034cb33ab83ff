// Operators that are small scripts, and the scripts that give operators of old files their old meaning
// (torchscript.md §4.5, §6). Both are compiled when first asked for and copied into the graph that calls them.
#include "ir/compile.h"

// `line` is where the body stands in PyTorch's file of builtins: graphs print it.
typedef struct Script {
    const char *symbol;
    int line;
    const char *text;
} Script;

// A number on the left of a tensor: the operator is turned around.
#define TURNED(type)                                                                                                   \
    {"aten::mul", 3, "def mul(a: " type ", b: Tensor) -> Tensor:\n  return torch.mul(b, a)\n"},                           \
        {"aten::add", 5, "def add(a: " type ", b: Tensor) -> Tensor:\n  return torch.add(b, a)\n"},                       \
        {"aten::ne", 7, "def ne(a: " type ", b: Tensor) -> Tensor:\n  return torch.ne(b, a)\n"},                          \
        {"aten::eq", 9, "def eq(a: " type ", b: Tensor) -> Tensor:\n  return torch.eq(b, a)\n"},                          \
        {"aten::sub", 11, "def sub(a: " type ", b: Tensor) -> Tensor:\n  return torch.neg(b) + a\n"},            \
        {"aten::div", 13, "def div(a: " type ", b: Tensor) -> Tensor:\n  return torch.reciprocal(b) * a\n"}

#define TURNED_ORDER(type)                                                                                             \
    {"aten::lt", 3, "def lt(a: " type ", b: Tensor) -> Tensor:\n  return torch.gt(b, a)\n"},                              \
        {"aten::le", 5, "def le(a: " type ", b: Tensor) -> Tensor:\n  return torch.ge(b, a)\n"},                          \
        {"aten::gt", 7, "def gt(a: " type ", b: Tensor) -> Tensor:\n  return torch.lt(b, a)\n"},                          \
        {"aten::ge", 9, "def ge(a: " type ", b: Tensor) -> Tensor:\n  return torch.le(b, a)\n"}

#define NTUPLE(name, n)                                                                                                \
    {"aten::" name, 3, "def f(x: BroadcastingList" n "[float]) -> List[float]:\n  return x\n"},                           \
        {"aten::" name, 3, "def f(x: BroadcastingList" n "[int]) -> List[int]:\n  return x\n"},                           \
        {"aten::" name, 3, "def f(x: BroadcastingList" n "[bool]) -> List[bool]:\n  return x\n"}

static const Script scripts[] = {
    TURNED("float"), TURNED("int"), TURNED("complex"), TURNED_ORDER("float"), TURNED_ORDER("int"),
    NTUPLE("_single", "1"), NTUPLE("_pair", "2"), NTUPLE("_triple", "3"), NTUPLE("_quadruple", "4"),
    {"aten::floordiv", 3, "def floordiv(self: Tensor, other: number) -> Tensor:\n  return torch.floor_divide(self, other)\n"},
    {"aten::floordiv", 3, "def floordiv(self: Tensor, other: Tensor) -> Tensor:\n  return torch.floor_divide(self, other)\n"},
    {"prim::ndim", 3, "def ndim(a: Tensor) -> int:\n  return torch.dim(a)\n"},
    {"prim::T", 5, "def T(a: Tensor) -> Tensor:\n  return torch.numpy_T(a)\n"},
    {"prim::H", 7, "def H(a: Tensor) -> Tensor:\n  return torch.matrix_H(a)\n"},
    {"prim::mT", 9, "def mT(a: Tensor) -> Tensor:\n  return torch.mT(a)\n"},
    {"prim::mH", 11, "def mH(a: Tensor) -> Tensor:\n  return torch.mH(a)\n"},
    {"prim::shape", 13, "def shape(a: Tensor) -> List[int]:\n  return torch.size(a)\n"},
    {"aten::_assert_int_or_pair", 3, "def f(vals: List[int], name: str, message: str):\n  pass\n"},
    {"aten::list_with_default", 5,
     "def f(out_size: List[int], defaults: List[int]):\n  assert len(defaults) > len(out_size)\n  return out_size\n"},
    {"aten::_assert", 8, "def f(condition: bool, message: str):\n  assert condition, message\n"},
    {"aten::device", 3, "def device(type: str):\n  return torch.device(type)\n"},
    {"aten::type", 3, "def type(self: Tensor, dtype: int, non_blocking: bool=False, copy: bool=False) -> Tensor:\n"
                   "  return torch.to(self, dtype, non_blocking, copy)\n"},
    {"aten::__contains__", 5, "def f(self: str, key: str):\n    return self.find(key, 0, len(self)) != -1\n"},
};

// One overload before it changed: files up to `last_version` mean `old` and its script.
typedef struct Upgrade {
    const char *name;
    int last_version;
    const char *old, *text;
} Upgrade;

#define FACTORY_ARGS "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
#define FACTORY_PARAMS "dtype: Optional[int]=None, layout: Optional[int]=None, device: Optional[Device]=None, pin_memory: Optional[bool]=None"
#define FACTORY_CALL "dtype=dtype, layout=layout, device=device, pin_memory=pin_memory"

static const Upgrade upgrades[] = {
    {"aten::div.Tensor", 3, "aten::div.Tensor(Tensor self, Tensor other) -> Tensor",
     "def f(self: Tensor, other: Tensor) -> Tensor:\n"
     "  if (self.is_floating_point() or other.is_floating_point()):\n    return self.true_divide(other)\n"
     "  return self.divide(other, rounding_mode=\"trunc\")\n"},
    {"aten::div.Scalar", 3, "aten::div.Scalar(Tensor self, Scalar other) -> Tensor",
     "def f(self: Tensor, other: number) -> Tensor:\n"
     "  if (self.is_floating_point() or isinstance(other, float)):\n    return self.true_divide(other)\n"
     "  return self.divide(other, rounding_mode=\"trunc\")\n"},
    {"aten::div.out", 3, "aten::div.out(Tensor self, Tensor other, *, Tensor(a!) out) -> Tensor(a!)",
     "def f(self: Tensor, other: Tensor, *, out: Tensor) -> Tensor:\n"
     "  if (self.is_floating_point() or other.is_floating_point() or out.is_floating_point()):\n"
     "    return self.true_divide(other, out=out)\n"
     "  return self.divide(other, rounding_mode=\"trunc\", out=out)\n"},
    {"aten::div_.Tensor", 3, "aten::div_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)",
     "def f(self: Tensor, other: Tensor) -> Tensor:\n"
     "  if (self.is_floating_point() or other.is_floating_point()):\n    return self.true_divide_(other)\n"
     "  return self.divide_(other, rounding_mode=\"trunc\")\n"},
    {"aten::div_.Scalar", 3, "aten::div_.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)",
     "def f(self: Tensor, other: number) -> Tensor:\n"
     "  if (self.is_floating_point() or isinstance(other, float)):\n    return self.true_divide_(other)\n"
     "  return self.divide_(other, rounding_mode=\"trunc\")\n"},
    {"aten::full", 4, "aten::full(int[] size, Scalar fill_value, *, " FACTORY_ARGS ") -> Tensor",
     "def f(size: List[int], fill_value: number, *, " FACTORY_PARAMS ") -> Tensor:\n"
     "  if dtype is None:\n    fill_value = float(fill_value)\n"
     "  return torch.full(size, fill_value, " FACTORY_CALL ")\n"},
    {"aten::linspace", 7, "aten::linspace(Scalar start, Scalar end, int? steps=None, *, " FACTORY_ARGS ") -> Tensor",
     "def f(start: number, end: number, steps: Optional[int], *, " FACTORY_PARAMS ") -> Tensor:\n"
     "  if steps is None:\n    return torch.linspace(start, end, 100, " FACTORY_CALL ")\n"
     "  return torch.linspace(start, end, steps, " FACTORY_CALL ")\n"},
    {"aten::logspace", 8, "aten::logspace(Scalar start, Scalar end, int? steps=None, float base=10., *, " FACTORY_ARGS ") -> Tensor",
     "def f(start: number, end: number, steps: Optional[int], base: float, *, " FACTORY_PARAMS ") -> Tensor:\n"
     "  if steps is None:\n    return torch.logspace(start, end, 100, base, " FACTORY_CALL ")\n"
     "  return torch.logspace(start, end, steps, base, " FACTORY_CALL ")\n"},
    {"aten::gelu", 9, "aten::gelu(Tensor self) -> Tensor",
     "def f(self: Tensor) -> Tensor:\n  return torch.gelu(self, approximate=\"none\")\n"},
    {"aten::gelu.out", 9, "aten::gelu.out(Tensor self, *, Tensor(a!) out) -> Tensor(a!)",
     "def f(self: Tensor, *, out: Tensor) -> Tensor:\n  return torch.gelu(self, approximate=\"none\", out=out)\n"},
};

// The function that `text` defines, with its body from line `body_line` on.
static Function *script_function(Program *p, Str name, int body_line, const char *text)
{
    static const char newlines[] = "\n\n\n\n\n\n\n\n\n\n\n\n";
    SourceFile *source = ARENA_NEW(p->arena, SourceFile);
    Str all = arena_printf(p->arena, "%.*s%s", body_line - 2, newlines, text);
    source->source = (Source){.file = STR("<string>"), .text = all};
    const Ast *block = parse_file(&p->failure, &source->source);
    Function *f = new_function(p, NULL, block->kids[0]->text, block->kids[0], &source->source);
    f->qualified_name = name;
    return f;
}

const BuiltinSet *find_builtins(Program *p, Str symbol)
{
    static const BuiltinSet none;
    BuiltinSet *set = strmap_get(&p->builtins, symbol);
    if (set)
        return set;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (!str_is(symbol, scripts[i].symbol))
            continue;
        if (!set) {
            set = ARENA_NEW(p->arena, BuiltinSet);
            strmap_put(&p->builtins, p->arena, str_of(scripts[i].symbol), set);
        }
        Function *f = script_function(p, str_of(scripts[i].symbol), scripts[i].line, scripts[i].text);
        ensure_compiled(p, f, NULL, NO_LOC);
        ARENA_PUSH(p->arena, set->items, set->count, f);
    }
    return set ? set : &none;
}

typedef struct OldOperator {
    Schema *schema;
    Function *function;
} OldOperator;

static OldOperator *old_operator(Program *p, const Upgrade *u)
{
    OldOperator *old = strmap_get(&p->upgraders, str_of(u->name));
    if (old)
        return old;
    old = ARENA_NEW(p->arena, OldOperator);
    Status s = schema_parse(p->arena, p->types, str_of(u->old), &old->schema);
    if (s != ST_OK)
        fail_forward(&p->failure, s);
    strmap_put(&p->upgraders, p->arena, str_of(u->name), old);
    old->function = script_function(p, str_of(u->name), 3, u->text);
    ensure_compiled(p, old->function, NULL, NO_LOC);
    return old;
}

const Schema *find_upgraded(Program *p, const Schema *current, int version)
{
    if (version == 0 || version > 9)
        return NULL;
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++)
        if (version <= upgrades[i].last_version && str_is(current->full_name, upgrades[i].name))
            return old_operator(p, &upgrades[i])->schema;
    return NULL;
}

static Function *upgrader_of(Program *p, const Schema *s)
{
    if (s->index >= 0)
        return NULL;
    const OldOperator *old = strmap_get(&p->upgraders, s->full_name);
    return old && old->schema == s ? old->function : NULL;
}

void upgrade_operators(Program *p, Graph *g)
{
    for (Node *n = graph_first(g), *next; n; n = next) {
        next = node_next_deep(n);
        Function *f = n->kind == NODE_OP ? upgrader_of(p, n->schema) : NULL;
        if (!f)
            continue;
        Emit e = {.p = p, .arena = p->arena, .g = g, .at = n};
        value_replace_all(n->outputs[0], insert_graph(&e, f->graph, n->inputs));
        node_destroy(n);
    }
}
