"""Writes random TorchScript programs: typed, seeded, in the language of archives.

A program is the text of code/__torch__.py (module M with method forward, a submodule, a plain class, a NamedTuple, an
enum, an interface's worth of methods, free functions) and the values of M's attributes. Expressions are fully bracketed,
so that a shrinker can take them apart without knowing the grammar. What makes PyTorch itself fall over or differ from
call to call is left out: `% 0` and INT64_MIN // -1 on integers (SIGFPE), count("") (endless), random operators.
"""
import random

import torch

from handmade import Enum, Obj, Typed

INT, FLOAT, BOOL, STR = "int", "float", "bool", "str"
DTYPES = {"f": ("float32", 6), "i": ("int64", 4), "b": ("bool", 11), "d": ("float64", 7)}
SHAPES = [(), (3,), (2, 3), (3, 2), (2, 2, 3), (4,)]


def T(dtype, shape):
    return ("T", dtype, shape)


def L(t):
    return ("List", t)


def D(k, v):
    return ("Dict", k, v)


def Tup(*ts):
    return ("Tuple", ts)


def O(t):
    return ("Optional", t)


POINT, COUNTER, COLOR = ("Name", "__torch__.Point"), ("Name", "__torch__.Counter"), ("Name", "__torch__.Color")
ANY = ("Name", "Any")


def text_of(t):
    """The annotation of a type."""
    if isinstance(t, str):
        return t
    if t[0] == "T":
        return "Tensor"
    if t[0] == "Name":
        return t[1]
    if t[0] == "Tuple":
        return "Tuple[" + ", ".join(map(text_of, t[1])) + "]"
    return t[0] + "[" + ", ".join(map(text_of, t[1:])) + "]"


CLASSES = '''class Point(NamedTuple):
  x : int
  tag : str
  t : Tensor
class Color(Enum):
  RED = 1
  GREEN = 2
  BLUE = 7
class Counter:
  n : int
  log : List[str]
  def __init__(self: __torch__.Counter,
    n: int) -> NoneType:
    self.n = n
    self.log = annotate(List[str], [])
    return None
  def bump(self: __torch__.Counter,
    k: int,
    tag: str="t") -> int:
    if (k > 5):
      return self.n
    self.n = (self.n + k)
    (self.log).append(tag)
    return (self.n * 2)
  def __len__(self: __torch__.Counter) -> int:
    return len(self.log)
  def __getitem__(self: __torch__.Counter,
    i: int) -> str:
    return (self.log)[i]
  def __enter__(self: __torch__.Counter) -> int:
    self.n = (self.n + 1)
    return self.n
  def __exit__(self: __torch__.Counter,
    type: Any,
    value: Any,
    tb: Any) -> NoneType:
    (self.log).append("exit")
    return None
'''

SUB = '''class Sub(Module):
  __parameters__ = ["w", ]
  __buffers__ = ["b", ]
  training : bool
  w : Tensor
  b : Tensor
  n : int
  names : List[str]
'''
SUB_FORWARD = '''  def forward(self: __torch__.Sub,
    x: Tensor,
    k: int=1) -> Tensor:
    self.n = (self.n + k)
    if (k > 3):
      return (x + self.b)
    torch.add_(self.b, k)
    return torch.mul(x, self.n)
'''

MODULE = '''class M(Module):
  __parameters__ = []
  __buffers__ = ["buf", ]
  training : bool
'''

WORDS = ["", "a", "b", "ab", "Abc", "x y", "  pad ", "12", "-3", "a,b,c", "line\\nbreak", "tab\\t", "q\\\"q", "zz9"]
KEYS = ["a", "b", "ab", "k"]


class Frame:
    def __init__(self, vars):
        self.vars = dict(vars)      # name -> type
        self.fixed = set()          # names that may not be assigned
        self.looped = ()            # variables of a for loop


class Gen:
    def __init__(self, seed, all_used=False):
        self.rng, self.all_used = random.Random(seed), all_used
        self.lines, self.indent = [], 0
        self.counter = 0
        self.functions, self.attrs, self.frames = [], {}, []
        self.in_loop, self.loop_depth, self.returns, self.budget = 0, 0, None, 0
        self.method_of = None

    # ---- helpers

    def pick(self, seq):
        return seq[self.rng.randrange(len(seq))]

    def chance(self, p):
        return self.rng.random() < p

    def name(self):
        self.counter += 1
        return f"v{self.counter}"

    def emit(self, line):
        self.lines.append("  " * self.indent + line)

    def visible(self):
        out = {}
        for f in self.frames:
            out.update(f.vars)
        return out

    def vars_of(self, t, assignable=False):
        fixed = set().union(*(f.fixed for f in self.frames))
        return [n for n, u in self.visible().items() if u == t and not (assignable and n in fixed)]

    def attrs_of(self, t):
        if self.method_of != "M":
            return []
        return ["self." + n for n, u in self.attrs.items() if u == t] + \
            {"int": ["(self.sub).n"], repr(L(STR)): ["(self.sub).names"], repr(T("f", (3,))): ["(self.sub).w", "(self.sub).b"]}.get(
                t if isinstance(t, str) else repr(t), [])

    # ---- types

    def scalar(self):
        return self.pick([INT, INT, FLOAT, BOOL, STR])

    def tensor(self):
        return T(self.pick("fffiibd"), self.pick(SHAPES))

    def type(self, depth=2):
        r = self.rng.random()
        if depth == 0 or r < 0.35:
            return self.scalar()
        if r < 0.6:
            return self.tensor()
        if r < 0.72:
            return L(self.pick([INT, INT, FLOAT, STR, BOOL, T("f", (3,)), T("f", (2, 3)), Tup(INT, STR), L(INT)]))
        if r < 0.8:
            return D(self.pick([STR, STR, INT]), self.pick([INT, STR, L(INT), T("f", (3,)), FLOAT]))
        if r < 0.87:
            return Tup(*[self.type(depth - 1) for _ in range(self.rng.randint(1, 3))])
        if r < 0.93:
            return O(self.pick([INT, STR, T("f", (3,)), L(INT), FLOAT]))
        return self.pick([POINT, COUNTER, COLOR, ANY])

    # ---- expressions

    def e(self, t, depth=3):
        """Text of an expression of type t."""
        self.budget -= 1
        if self.budget < 0:
            depth = 0
        have = self.vars_of(t) + self.attrs_of(t)
        if have and (depth <= 0 or self.chance(0.35)):
            return self.pick(have)
        if depth > 0:
            if self.chance(0.04):
                return f"({self.e(t, depth - 1)} if {self.e(BOOL, depth - 1)} else {self.e(t, depth - 1)})"
            for f in self.functions:
                if f[2] == t and self.chance(0.15):
                    args = ", ".join(self.e(a, depth - 1) for a in f[1])
                    return f"__torch__.{f[0]}({args}, )"
            if self.chance(0.1):
                got = self.from_containers(t, depth)
                if got:
                    return got
        if isinstance(t, str):
            return getattr(self, "e_" + t)(depth)
        return getattr(self, "e_" + t[0])(t, depth)

    def from_containers(self, t, depth):
        """An element of a visible container or tuple."""
        found = []
        for n, u in self.visible().items():
            if isinstance(u, str):
                continue
            if u[0] == "List" and u[1] == t:
                i = self.rng.randint(-2, 2)
                need = i + 1 if i >= 0 else -i
                found.append(f"({n}[{i}] if (len({n}) >= {need}) else {self.e(t, 0)})" if self.chance(0.9) else f"{n}[{self.e(INT, 1)}]")
                found.append(f"({n}.pop() if (len({n}) > 1) else {self.e(t, 0)})")
            elif u[0] == "Dict" and u[2] == t:
                key = self.e(u[1], 0)
                found.append(f"({n}[{key}] if ({key} in {n}) else {self.e(t, 0)})" if self.chance(0.85) else f"{n}[{key}]")
                found.append(f"{n}.get({key}, {self.e(t, 0)})")
            elif u[0] == "Tuple":
                found += [f"({n})[{i}]" for i, v in enumerate(u[1]) if v == t]
            elif u == POINT:
                found += [f"{n}.x"] * (t == INT) + [f"{n}.tag"] * (t == STR)
            elif u == COUNTER:
                found += [f"{n}.n", f"({n}).bump({self.e(INT, 0)}, )", f"len({n})"] * (t == INT) + [f"{n}.log"] * (t == L(STR))
            elif u == COLOR:
                found += [f"({n}).value"] * (t == INT) + [f"({n}).name"] * (t == STR)
        return self.pick(found) if found else None

    def minus(self, text):
        return f"(0 - {text})" if text.lstrip("(").startswith(tuple("-0123456789.")) else f"(-{text})"  # PyTorch takes -(-2.5) for 0

    def e_int(self, d):
        if d <= 0:
            return str(self.pick([0, 1, 2, 3, -1, 5, 7, -4, 100]) if self.chance(0.97) else self.pick([2**31, 2**62, -2**63 + 1, 10**12]))
        a = lambda t=INT: self.e(t, d - 1)
        lit = lambda: self.rng.randint(1, 7)
        return self.pick([
            lambda: f"({a()} + {a()})", lambda: f"({a()} - {a()})", lambda: f"({a()} * {a()})",
            lambda: f"({a()} // {lit()})", lambda: f"({a()} % {lit()})", lambda: self.minus(a()),
            lambda: f"({a()} {self.pick('&|^')} {a()})", lambda: f"({a()} {self.pick(['<<', '>>'])} {lit()})",
            lambda: f"min({a()}, {a()})", lambda: f"max({a()}, {a()})", lambda: f"abs({a()})",
            lambda: f"int({a(FLOAT)})", lambda: f"int({a(BOOL)})",
            lambda: f"len({a(self.pick([STR, L(INT), L(STR), D(STR, INT)]))})",
            lambda: f"sum({a(L(INT))})", lambda: f"max({a(L(INT))})" if self.chance(0.3) else f"max(({a(L(INT))} + [0]))",
            lambda: f"({a(STR)}).find({a(STR)})", lambda: f"({a(STR)}).count(\"a\")",
            lambda: f"({a(L(INT))}).count({a()})",
            lambda: f"({a(D(STR, INT))}).get({self.e(STR, 0)}, {a()})",
            lambda: f"int(({a(self.tensor())}).sum())", lambda: f"({a(self.tensor())}).dim()",
            lambda: f"({a(self.tensor())}).numel()", lambda: f"({a(T('f', (2, 3)))}).size({self.rng.randint(-2, 1)})",
            lambda: f"(({a(T('f', (2, 3)))}).shape)[{self.rng.randint(0, 1)}]",
            lambda: f"divmod({a()}, {lit()})[{self.rng.randint(0, 1)}]",
            lambda: f"({a(POINT)}).x", lambda: f"({a(COLOR)}).value", lambda: f"int(({a(T('i', ()))}).item())",
            lambda: f"torch.floor({a(FLOAT)})", lambda: f"torch.gcd({a()}, {a()})", lambda: f"ord(\"{self.pick('azAZ09 ')}\")",
            lambda: f"len([{', '.join(self.e(INT, 0) for _ in range(self.rng.randint(1, 3)))}])",
        ])()

    def e_float(self, d):
        if d <= 0:
            return self.pick(["0.", "1.", "0.5", "-2.25", "3.75", "10.", "0.125", "-0.", "1e3", "100.5"])
        a = lambda t=FLOAT: self.e(t, d - 1)
        lit = lambda: self.pick(["2.", "4.", "0.5", "-2.", "3."])
        return self.pick([
            lambda: f"({a()} + {a()})", lambda: f"({a()} - {a()})", lambda: f"({a()} * {a()})", lambda: f"({a()} / {lit()})",
            lambda: f"({a()} // {lit()})", lambda: f"({a()} % {lit()})", lambda: self.minus(a()), lambda: f"({a(INT)} / {lit()})",
            lambda: f"({a(INT)} / {a(INT)})", lambda: f"({a(INT)} * {a()})", lambda: f"({a()} + {a(INT)})", lambda: f"({a()} ** 2.)",
            lambda: f"({a(INT)} ** 2)", lambda: f"float({a(INT)})", lambda: f"float({a(BOOL)})", lambda: f"abs({a()})",
            lambda: f"min({a()}, {a()})", lambda: f"max({a()}, {a()})", lambda: f"round({a()})", lambda: f"sum({a(L(FLOAT))})",
            lambda: f"float(({a(T('f', self.pick(SHAPES)))}).sum())", lambda: f"float({a(T('f', ()))})",
            lambda: f"torch.sqrt(abs({a()}))", lambda: f"torch.fmod({a()}, {lit()})", lambda: f"float(\"{self.pick(['1.5', '-2', '1e2', 'x'])}\")",
            lambda: f"max(({a(L(FLOAT))} + [0.]))",
        ])()

    def e_bool(self, d):
        if d <= 0:
            return self.pick(["True", "False"])
        a = lambda t=BOOL: self.e(t, d - 1)
        cmp = lambda: self.pick(["<", ">", "<=", ">=", "==", "!="])
        return self.pick([
            lambda: f"({a(INT)} {cmp()} {a(INT)})", lambda: f"({a(INT)} {cmp()} {a(INT)})", lambda: f"({a(FLOAT)} {cmp()} {a(FLOAT)})",
            lambda: f"({a(INT)} {cmp()} {a(FLOAT)})", lambda: f"({a(STR)} {cmp()} {a(STR)})", lambda: f"(not {a()})",
            lambda: f"({a()} and {a()})", lambda: f"({a()} or {a()})", lambda: f"({a(INT)} in {a(L(INT))})",
            lambda: f"({a(STR)} in {a(L(STR))})", lambda: f"({a(STR)} in {a(D(STR, INT))})", lambda: f"({a(STR)} in {a(STR)})",
            lambda: f"({a(L(INT))} == {a(L(INT))})", lambda: f"({a(L(STR))} != {a(L(STR))})", lambda: f"bool({a(INT)})",
            lambda: f"({a(STR)}).startswith({a(STR)})", lambda: f"({a(STR)}).isdigit()", lambda: f"bool({a(FLOAT)})",
            lambda: f"({a(O(INT))} is None)", lambda: f"isinstance({self.pick(self.vars_of(ANY) or ['annotate(Any, 3)'])}, {self.pick(['int', 'str', 'Tensor', 'float', '(int, str)', 'List[int]'])})",
            lambda: f"bool(({a(T('b', self.pick(SHAPES)))}).{self.pick(['any', 'all'])}())", lambda: self.equal(d),
            lambda: f"({a(COLOR)} {self.pick(['==', '!='])} {a(COLOR)})", lambda: f"bool(({a(T('f', ()))} > {a(INT)}))",
            lambda: f"bool({a(T('b', ()))})", lambda: f"({a(INT)} not in {a(L(INT))})", lambda: f"all({a(L(BOOL))})", lambda: f"any({a(L(INT))})",
        ])()

    def equal(self, d):
        t = self.tensor()
        return f"torch.equal({self.e(t, d - 1)}, {self.e(t, d - 1)})"

    def e_str(self, d):
        if d <= 0:
            return '"' + self.pick(WORDS) + '"'
        a = lambda t=STR: self.e(t, d - 1)
        any_type = lambda: a(self.pick([INT, FLOAT, BOOL, STR, L(INT), L(FLOAT), L(STR), D(STR, INT), Tup(INT, STR), O(INT), T("i", (3,)), T("f", (2, 3))]))
        return self.pick([
            lambda: f"({a()} + {a()})[0:24]", lambda: f"({a()})[{self.rng.randint(-3, 2)}:{self.rng.randint(-2, 4)}]",
            lambda: f"({a()})[::{self.pick([1, 2, -1])}]", lambda: f"str({any_type()})", lambda: f"\"<{{}}|{{}}>\".format({any_type()}, {any_type()})",
            lambda: f"(\"%d:%s\" % ({a(INT)}, {any_type()}))", lambda: f"({a()}).{self.pick(['upper', 'lower', 'strip', 'title', 'capitalize', 'swapcase', 'rstrip', 'lstrip'])}()",
            lambda: f"({a()}).replace(\"a\", {a()})[0:24]", lambda: f"(\",\").join({a(L(STR))})[0:40]", lambda: f"({a()}).center({self.rng.randint(0, 9)})",
            lambda: f"({a()}).zfill({self.rng.randint(0, 6)})", lambda: f"({a(COLOR)}).name", lambda: f"({a(POINT)}).tag",
            lambda: f"(\"%f\" % {a(FLOAT)})", lambda: f"hex({a(INT)})", lambda: f"bin(({a(INT)} & 63))", lambda: f"({a()} + \"pqr\")[{self.rng.randint(-3, 2)}]",
        ])()

    def e_List(self, t, d):
        el = t[1]
        n = self.rng.randint(0, 3)
        if d <= 0:
            return "[" + ", ".join(self.e(el, 0) for _ in range(n)) + "]" if n else f"annotate({text_of(t)}, [])"
        a = lambda u=t: self.e(u, d - 1)
        v = self.name()
        options = [
            lambda: "[" + ", ".join(self.element(el, d - 1) for _ in range(self.rng.randint(1, 4))) + "]",
            lambda: f"({a()} + {a()})[0:8]", lambda: f"({a()})[{self.rng.randint(-3, 2)}:{self.rng.randint(-1, 5)}]",
            lambda: f"({a()})[::{self.pick([1, 2, -1, -2])}]", lambda: f"({a()}).copy()", lambda: f"({a()} * {self.rng.randint(0, 2)})[0:8]",
        ]
        options.append(lambda: self.comprehension(el, d))
        if el == INT:
            options += [lambda: f"sorted({a()})", lambda: f"annotate(List[int], ({a(T('i', (3,)))}).tolist())", lambda: f"({a(self.tensor())}).size()",
                        lambda: f"list(range({self.rng.randint(0, 5)}))"]
        elif el == STR:
            options += [lambda: f"sorted({a()})", lambda: "(" + a(STR) + ").split(" + self.pick(['', '","', '" "']) + ")[0:8]", lambda: f"list({a(STR)})[0:8]",
                        lambda: f"list(({a(D(STR, INT))}).keys())"]
        elif el == FLOAT:
            options += [lambda: f"sorted({a()})", lambda: f"annotate(List[float], ({a(T('f', (3,)))}).tolist())"]
        elif el == T("f", (3,)):
            options += [lambda: f"list(torch.unbind({a(T('f', (2, 3)))}, 0))", lambda: f"torch.split({a(T('f', (2, 3)))}.reshape([6]), 3)"]
        return self.pick(options)()

    def element(self, t, d):
        text = self.e(t, d)
        return text + "[0:8]" if text.startswith("([") and " for " in text else text  # PyTorch takes no comprehension there

    def comprehension(self, el, d):
        v, u = self.name(), self.pick([INT, STR, INT])
        source = f"range({self.rng.randint(0, 4)})" if u == INT and self.chance(0.5) else self.e(L(u), d - 1)
        self.frames.append(Frame({v: u}))
        self.frames[-1].fixed.add(v)
        body = self.e(el, d - 1)
        self.frames.pop()
        return f"([{body} for {v} in {source}])"

    def e_Dict(self, t, d):
        n = self.rng.randint(0, 3)
        keys = lambda: self.e(t[1], 0)
        if d <= 0 or self.chance(0.6):
            return "{" + ", ".join(f"{keys()}: {self.e(t[2], d - 1)}" for _ in range(n)) + "}" if n else f"annotate({text_of(t)}, {{}})"
        if self.chance(0.5) and t[1] == INT:
            v = self.name()
            self.frames.append(Frame({v: INT}))
            self.frames[-1].fixed.add(v)
            body = self.e(t[2], d - 1)
            self.frames.pop()
            return f"{{{v}: {body} for {v} in range({self.rng.randint(0, 3)})}}"
        return f"({self.e(t, d - 1)}).copy()"

    def e_Tuple(self, t, d):
        return "(" + ", ".join(self.e(u, d - 1) for u in t[1]) + ("," if len(t[1]) == 1 else "") + ")"

    def e_Optional(self, t, d):
        if self.chance(0.3):
            return f"annotate({text_of(t)}, None)"
        return f"annotate({text_of(t)}, {self.e(t[1], d - 1)})"

    def e_Name(self, t, d):
        if t == POINT:
            return f"__torch__.Point({self.e(INT, d - 1)}, {self.e(STR, d - 1)}, {self.e(self.tensor(), d - 1)})"
        if t == COUNTER:
            return f"__torch__.Counter({self.e(INT, d - 1)}, )"
        if t == COLOR:
            return "__torch__.Color." + self.pick(["RED", "GREEN", "BLUE"])
        return f"annotate(Any, {self.e(self.pick([INT, STR, FLOAT, T('f', (3,)), L(INT)]), d - 1)})"

    # ---- tensors

    def literal(self, t):
        _, dtype, shape = t
        value = lambda: {"f": lambda: self.pick(["0.", "1.", "-2.5", "0.25", "3.", "-1.", "8."]), "d": lambda: self.pick(["0.5", "-1.25", "2."]),
                         "i": lambda: str(self.rng.randint(-5, 9)), "b": lambda: self.pick(["True", "False"])}[dtype]()

        def nest(s):
            return "[" + ", ".join(nest(s[1:]) for _ in range(s[0])) + "]" if s else value()
        extra = f", dtype={DTYPES[dtype][1]}" if dtype == "d" else ""
        return f"torch.tensor({nest(shape)}{extra})"

    def e_T(self, t, d):
        _, dtype, shape = t
        code = DTYPES[dtype][1]
        if d <= 0:
            full = f"torch.full({list(shape)}, {self.rng.randint(-2, 4)}, dtype={code})"
            return self.pick([lambda: self.literal(t), lambda: self.literal(t), lambda: f"torch.zeros({list(shape)}, dtype={code})", lambda: full])()
        a = lambda u=t: self.e(u, d - 1)
        same = lambda s: T(dtype, s)
        options = []
        add = options.append
        if dtype == "b":
            u = T(self.pick("fi"), shape)
            add(lambda: f"({a(u)} {self.pick(['<', '>', '<=', '>=', '==', '!='])} {a(u)})")
            add(lambda: f"({a(u)} > {self.e(INT, 0)})")
            add(lambda: f"torch.logical_{self.pick(['and', 'or', 'xor'])}({a()}, {a()})")
            add(lambda: f"(~{a()})")
            add(lambda: f"({a()} {self.pick('&|^')} {a()})")
            add(lambda: f"torch.isnan({a(T('f', shape))})")
        else:
            for _ in range(2):
                add(lambda: f"({a()} {self.pick('+-')} {a()})")
                add(lambda: f"({a()} * {a()})")
            add(lambda: f"({a()} + {a(INT)})")
            add(lambda: f"({self.e(INT, 0)} - {a()})")
            add(lambda: f"torch.add({a()}, {a()}, alpha={self.rng.randint(-2, 3)})")
            add(lambda: self.minus(a()))
            add(lambda: f"torch.{self.pick(['abs', 'neg', 'relu', 'sign'])}({a()})")
            add(lambda: f"torch.clamp({a()}, -8, {self.rng.randint(0, 8)})")
            add(lambda: f"torch.{self.pick(['maximum', 'minimum'])}({a()}, {a()})")
            add(lambda: f"torch.where({a(T('b', shape))}, {a()}, {a()})")
            add(lambda: f"torch.masked_fill({a()}, {a(T('b', shape))}, {self.e(INT, 0)})")
            if dtype in "fd":
                add(lambda: f"({a()} / {self.pick(['2', '4.', '-0.5'])})")
                add(lambda: f"torch.{self.pick(['floor', 'round', 'ceil', 'trunc'])}({a()})")
                add(lambda: f"({a()} * {self.e(FLOAT, 0)})")
                add(lambda: f"torch.sqrt(torch.abs({a()}))")
                add(lambda: f"({a(T('b', shape))}).to({code})")
            else:
                add(lambda: f"({a()} // {self.rng.randint(1, 4)})")
                add(lambda: f"({a()} % {self.rng.randint(1, 4)})")
                add(lambda: f"({a()} & {a()})")
            # broadcasting
            smaller = [s for s in SHAPES if s != shape and len(s) <= len(shape) and all(x == y for x, y in zip(reversed(s), reversed(shape)))]
            if smaller:
                s = self.pick(smaller)
                add(lambda: f"({a()} + {a(same(s))})")
                add(lambda: f"({a(same(s))} * {a()})")
                add(lambda: f"torch.expand({a(same(s))}, {list(shape)})")
        other = self.pick([x for x in "fidb" if x != dtype])
        add(lambda: f"({a(T(other, shape))}).to({code})")
        add(lambda: f"({a()}).clone()")
        add(lambda: f"({a()}).contiguous()")
        # views by shape
        if shape == ():
            add(lambda: f"({a(same((3,)))})[{self.rng.randint(-3, 2)}]")
            add(lambda: f"({a(same((2, 3)))})[{self.rng.randint(0, 1)}, {self.rng.randint(0, 2)}]")
            if dtype != "b":
                add(lambda: f"torch.{self.pick(['sum', 'max', 'min'])}({a(same(self.pick(SHAPES)))})")
        elif shape == (3,):
            add(lambda: f"({a(same((2, 3)))})[{self.rng.randint(-2, 1)}]")
            add(lambda: f"({a(same((3, 2)))})[:, {self.rng.randint(0, 1)}]")
            add(lambda: f"torch.select({a(same((2, 3)))}, 0, {self.pick([0, 1, 1, 2])})")
            add(lambda: f"({a(same((4,)))})[1:]")
            add(lambda: f"torch.flip({a()}, [0])")
            add(lambda: f"torch.cat([{a()}, {a()}], 0)[0:3]")
            add(lambda: f"({a()})[torch.tensor([2, 0, {self.pick([0, 1, 1, 3])}])]")
            if dtype in "fdi":
                add(lambda: f"torch.sum({a(same((2, 3)))}, [0])")
                add(lambda: f"torch.cumsum({a()}, 0)")
            if dtype == "i":
                add(lambda: f"torch.arange({self.rng.randint(0, 3)}, {self.rng.randint(3, 6)})[0:3]")
                add(lambda: f"torch.argmax({a(T('f', (3, 2)))}, 1)")
                add(lambda: f"torch.argsort({a(T('f', (3,)))})")
        elif shape == (4,):
            add(lambda: f"torch.cat([{a(same((3,)))}, torch.reshape({a(same(()))}, [1])])")
            add(lambda: f"torch.narrow(torch.reshape({a(same((2, 3)))}, [-1]), 0, {self.rng.randint(0, 3)}, 4)")
        elif shape == (2, 3):
            add(lambda: f"torch.t({a(same((3, 2)))})")
            add(lambda: f"torch.transpose({a(same((3, 2)))}, 0, 1)")
            add(lambda: f"({a(same((2, 2, 3)))})[{self.rng.randint(0, 1)}]")
            add(lambda: f"({a(same((2, 2, 3)))})[:, {self.rng.randint(-2, 1)}]")
            add(lambda: f"torch.stack([{a(same((3,)))}, {a(same((3,)))}])")
            add(lambda: f"({a(same((3, 2)))}).{self.pick(['reshape', 'view'])}([2, 3])")
            add(lambda: f"torch.unsqueeze({a(same((3,)))}, 0).expand([2, 3])")
            add(lambda: f"({a()})[torch.tensor([1, {self.pick([0, 1, -1])}])]")
            if dtype == "f":
                add(lambda: f"torch.mm(torch.clamp({a(T('f', (2, 3)))}, -3, 3), torch.clamp({a(T('f', (3, 2)))}, -3, 3)).mm({a()})")
        elif shape == (3, 2):
            add(lambda: f"torch.t({a(same((2, 3)))})")
            add(lambda: f"({a(same((2, 3)))}).{self.pick(['reshape', 'view'])}([3, -1])")
            add(lambda: f"torch.permute({a(same((2, 3)))}, [1, 0])")
        elif shape == (2, 2, 3):
            add(lambda: f"torch.stack([{a(same((2, 3)))}, {a(same((2, 3)))}], {self.rng.randint(0, 1)})")
            add(lambda: f"torch.unsqueeze({a(same((2, 3)))}, 1).repeat([1, 2, 1])")
            add(lambda: f"torch.permute({a()}, [1, 0, 2])")
        if self.method_of == "M" and t == T("f", (3,)):
            add(lambda: f"(self.sub).forward({a()}, {self.e(INT, 0)}, )")
            add(lambda: f"(self.sub).forward({a()}, )")
        return self.pick(options)()

    # ---- statements

    def block(self, count, vars=()):
        self.frames.append(Frame(vars))
        self.indent += 1
        before = len(self.lines)
        if self.all_used and self.frames[-2].looped:
            self.emit("print(" + ", ".join(self.frames[-2].looped) + ")")
        for _ in range(count):
            if self.statement():
                break
        if len(self.lines) == before:
            self.emit("pass")
        frame = self.frames.pop()
        self.use(frame)
        self.indent -= 1
        return frame

    def use(self, frame):
        """A use of every variable where its block ends: with all_used nothing in the program is dead code."""
        names = [n for n, t in frame.vars.items()]
        if self.frames == [frame] and self.method_of == "M":
            names += ["self." + n for n in self.attrs] + ["(self.sub).n"]
        if self.all_used and names and not self.lines[-1].lstrip().startswith(("return", "break", "continue")):
            self.emit("print(" + ", ".join(names) + ")")

    def statement(self):
        """Emits one; True when nothing may follow."""
        self.budget = 14
        nesting = len(self.frames)
        kinds = [(self.s_assign, 6), (self.s_update, 6), (self.s_list, 4), (self.s_dict, 2), (self.s_tensor, 8), (self.s_print, 1), (self.s_alias, 2),
                 (self.s_attr, 3), (self.s_call, 1), (self.s_unpack, 1), (self.s_assert, 0.4), (self.s_object, 1), (self.s_refine, 1), (self.s_fork, 0.3)]
        if nesting < 5:
            kinds += [(self.s_if, 4), (self.s_for, 2.5), (self.s_while, 1.2), (self.s_with, 0.4), (self.s_both, 1)]
        if nesting > 2:
            kinds += [(self.s_return, 0.6), (self.s_raise, 0.15)]
        if self.in_loop:
            kinds += [(self.s_break, 1.2)]
        return self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def s_assign(self):
        t = self.type()
        value = self.e(t)
        n = self.name()
        self.emit(f"{n} : {text_of(t)} = {value}" if t[0] in ("Optional", "List", "Dict", "Name") or self.chance(0.2) else f"{n} = {value}")
        self.frames[-1].vars[n] = t

    def assignable(self):
        fixed = set().union(*(f.fixed for f in self.frames))
        return [(n, t) for n, t in self.visible().items() if n not in fixed]

    def s_update(self):
        have = self.assignable()
        if not have:
            return self.s_assign()
        n, t = self.pick(have)
        if self.all_used:
            self.emit(f"print({n})")
        if t in (INT, FLOAT) and self.chance(0.5):
            self.emit(f"{n} {self.pick(['+=', '-=', '*='])} {self.e(t, 2)}")
        elif t == STR:
            self.emit(f"{n} = ({self.e(t)})[0:24]")
        elif t[0] == "List":
            self.emit(f"{n} = ({self.e(t)})[0:8]")
        elif t[0] == "Optional" and self.chance(0.3):
            self.emit(f"{n} = None")
        else:
            self.emit(f"{n} = {self.e(t)}")

    def containers(self, kind):
        return [(n, t) for n, t in self.visible().items() if t[0] == kind] + \
            [("self." + n, t) for n, t in self.attrs.items() if self.method_of == "M" and t[0] == kind]

    def s_list(self):
        have = self.containers("List")
        if not have:
            return self.s_assign()
        n, t = self.pick(have)
        el, v = t[1], lambda: self.e(t[1], 2)
        self.pick([
            lambda: self.emit(f"{n}.append({v()})"), lambda: self.emit(f"{n}.append({v()})"), lambda: self.emit(f"{n}.insert({self.e(INT, 1)}, {v()})"),
            lambda: self.emit(f"{n}.extend(({self.e(t, 2)})[0:3])"), lambda: self.emit(f"{n} += ({self.e(t, 2)})[0:2]") if "." not in n and (n, t) in self.assignable() else self.emit(f"{n}.clear()"),
            lambda: self.emit(f"{n}.reverse()"), lambda: self.guarded(f"(len({n}) > 0)", f"{n}[{self.pick([0, -1])}] = {v()}"),
            lambda: self.guarded(f"(len({n}) > 1)", f"{n}.pop({self.pick(['', '0', '-2', '1'])})"), lambda: self.emit(f"{n}[{self.e(INT, 1)}] = {v()}") if self.chance(0.2) else None,
            lambda: self.emit(f"{n}.sort()") if el in (INT, FLOAT, STR) else self.emit(f"{n}.reverse()"),
            lambda: self.guarded(f"(len({n}) > 1)", f"torch.Delete({n}, {self.pick([0, 1, -1])})" if self.chance(0.5) else f"del {n}[{self.pick([0, 1, -1])}]"),
            lambda: self.guarded(f"({v()} in {n})" if el in (INT, STR, FLOAT) and self.chance(0.5) else "True", f"{n}.remove({self.e(el, 0)})") if el in (INT, STR) and self.chance(0.3) else None,
        ])()

    def guarded(self, condition, statement):
        if self.chance(0.92):
            self.emit(f"if {condition}:")
            self.emit(f"  {statement}")
        else:
            self.emit(statement)

    def s_dict(self):
        have = self.containers("Dict")
        if not have:
            return self.s_assign()
        n, t = self.pick(have)
        key = lambda: self.e(t[1], 0)
        k = key()
        self.pick([
            lambda: self.emit(f"{n}[{k}] = {self.e(t[2], 2)}"), lambda: self.emit(f"{n}[{k}] = {self.e(t[2], 2)}"),
            lambda: self.guarded(f"({k} in {n})", f"{n}.pop({k})"), lambda: self.guarded(f"({k} in {n})", f"del {n}[{k}]"),
            lambda: self.emit(f"{n}.setdefault({k}, {self.e(t[2], 1)})"), lambda: self.emit(f"{n}.update({self.e(t, 1)})"),
            lambda: self.guarded(f"(len({n}) > 0)", f"{n}.popitem()"), lambda: self.emit(f"{n}.clear()"),
        ])()

    def s_tensor(self):
        """Writes into a tensor, or makes a view of one."""
        have = [(n, t) for n, t in self.visible().items() if t[0] == "T"] + [(n, T("f", (3,))) for n in (["self.buf", "(self.sub).b"] if self.method_of == "M" else [])]
        if not have:
            return self.s_assign()
        n, t = self.pick(have)
        _, dtype, shape = t
        if self.chance(0.35):
            return self.s_view(n, t)
        value = lambda: self.e(t, 2)
        options = [lambda: f"torch.copy_({n}, {value()})", lambda: f"({n}).zero_()", lambda: f"torch.masked_fill_({n}, {self.e(T('b', shape), 1)}, {self.e(INT, 0)})",
                   lambda: f"({n}).fill_({self.e(INT, 0)})"]
        if dtype != "b":
            options += [lambda: f"torch.add_({n}, {value()})", lambda: f"({n}).mul_({self.e(INT, 0)})", lambda: f"{n} {self.pick(['+=', '-=', '*='])} {value()}" if "." not in n else f"torch.sub_({n}, {value()})",
                        lambda: f"({n}).clamp_(-9, 9)", lambda: f"torch.neg_({n})", lambda: f"({n}).add_({self.e(INT, 1)})"]
        if shape:
            i = self.rng.randint(-shape[0], shape[0] - 1)
            sub = T(dtype, shape[1:])
            options += [lambda: f"({n})[{i}] = {self.e(sub, 1) if self.chance(0.5) and sub[2] in SHAPES else self.e(INT if dtype != 'b' else BOOL, 0)}",
                        lambda: f"({n})[{self.pick(['0:1', '1:', ':', '::2', '-1:'])}] = {self.e(INT, 0)}",
                        lambda: f"({n})[{self.e(T('b', shape), 1)}] = {self.e(INT, 0)}"]
            if dtype != "b":
                options += [lambda: f"({n})[{i}] {self.pick(['+=', '*='])} {self.e(INT, 1)}", lambda: f"torch.select({n}, 0, {i}).add_(1)",
                            lambda: f"torch.index_put_({n}, annotate(List[Optional[Tensor]], [torch.tensor([0, {shape[0] - 1}])]), torch.tensor({'1.5' if dtype != 'i' else '2'}{', dtype=7' if dtype == 'd' else ''}))"]
            if len(shape) == 2:
                options += [lambda: f"({n})[:, {self.rng.randint(0, shape[1] - 1)}] = {self.e(INT, 0)}", lambda: f"torch.t({n}).copy_({self.e(T(dtype, shape[::-1]), 1)})",
                            lambda: f"({n})[0, {self.pick(['1:', ':1', '0'])}] = {self.e(INT, 0)}"]
        self.emit(self.pick(options)())

    def s_view(self, n, t):
        _, dtype, shape = t
        views = [(f"({n}).view([-1])", (None,)), (f"({n}).detach()", shape), (f"torch.expand({n}, {list(shape)})", shape), (f"({n}).contiguous()", shape)]
        if len(shape) == 2:
            views += [(f"torch.t({n})", shape[::-1]), (f"({n})[0]", shape[1:]), (f"({n})[{shape[0] - 1}]", shape[1:]), (f"({n})[:, 0]", shape[:1])] * 2
        if len(shape) == 1 and shape[0] == 4:
            views += [(f"({n})[1:]", (3,)), (f"torch.narrow({n}, 0, 0, 3)", (3,))]
        if len(shape) == 3:
            views += [(f"({n})[0]", shape[1:]), (f"torch.select({n}, 1, 1)", (2, 3))]
        views = [(v, s) for v, s in views if s in SHAPES]
        v, s = self.pick(views)
        new = self.name()
        self.emit(f"{new} = {v}")
        self.frames[-1].vars[new] = T(dtype, s)

    def s_alias(self):
        """A second name for what is shared by reference."""
        have = [(n, t) for n, t in self.visible().items() if t[0] in ("List", "Dict", "T") or t == COUNTER] + \
            [("self." + n, t) for n, t in self.attrs.items() if self.method_of == "M"]
        if not have:
            return self.s_assign()
        n, t = self.pick(have)
        new = self.name()
        self.emit(f"{new} = {n}")
        self.frames[-1].vars[new] = t

    def s_print(self):
        self.emit("print(" + ", ".join(self.e(self.type(), 2) for _ in range(self.rng.randint(1, 3))) + ")")

    def s_attr(self):
        if self.method_of != "M" or not self.attrs:
            return self.s_update()
        n, t = self.pick(list(self.attrs.items()))
        if self.all_used:
            self.emit(f"print(self.{n})")
        if self.chance(0.15):
            if self.all_used:
                self.emit("print((self.sub).n)")
            self.emit(f"(self.sub).n = {self.e(INT)}")
        elif t == STR:
            self.emit(f"self.{n} = ({self.e(t)})[0:24]")
        elif t[0] == "List":
            self.emit(f"self.{n} = ({self.e(t)})[0:8]")
        else:
            self.emit(f"self.{n} = {self.e(t)}")

    def s_call(self):
        if self.functions:
            f = self.pick(self.functions)
            n = self.name()
            self.emit(f"{n} = __torch__.{f[0]}({', '.join(self.e(a, 2) for a in f[1])}, )")
            self.frames[-1].vars[n] = f[2]
        else:
            self.s_assign()

    def s_unpack(self):
        if self.chance(0.3):
            t, n, m = T("f", (3,)), self.name(), self.name()
            self.emit(f"{n}, {m} = torch.{self.pick(['max', 'min', 'sort'])}({self.e(T('f', (2, 3)), 2)}, {self.pick([0, 0, -2])})")
            return  # shapes differ by operator: not used any more
        ts = [self.type(1) for _ in range(self.rng.randint(1, 3))]
        names = [self.name() for _ in ts]
        value = self.e(Tup(*ts))
        self.emit(", ".join(names) + (", = " if len(ts) == 1 or self.chance(0.5) else " = ") + value)
        for n, t in zip(names, ts):
            self.frames[-1].vars[n] = t

    def s_assert(self):
        self.emit(f"assert {self.e(BOOL, 2)}" + (f", {self.e(STR, 1)}" if self.chance(0.5) else "") if self.chance(0.3) else f"assert ({self.e(BOOL, 1)} or True), \"never\"")

    def s_raise(self):
        self.emit(self.pick([f"ops.prim.RaiseException(({self.e(STR, 1)} + \"!\"), \"builtins.ValueError\")", f"ops.prim.RaiseException({self.e(STR, 1)})"]))
        return False

    def s_object(self):
        have = self.vars_of(COUNTER)
        if not have:
            n = self.name()
            self.emit(f"{n} = __torch__.Counter({self.e(INT, 1)}, )")
            self.frames[-1].vars[n] = COUNTER
            return
        n = self.pick(have)
        self.emit(self.pick([f"{n}.n = {self.e(INT, 2)}", f"({n}).bump({self.e(INT, 1)}, {self.e(STR, 1)}, )", f"{n}.n += {self.e(INT, 1)}", f"({n}.log).append({self.e(STR, 1)})"]))

    def s_refine(self):
        have = [(n, t) for n, t in self.visible().items() if t[0] == "Optional"]
        if not have or len(self.frames) > 5:
            return self.s_assign()
        n, t = self.pick(have)
        if self.chance(0.3):
            new = self.name()
            self.emit(f"if ({n} is None):")
            self.emit(f"  {new} = {self.e(t[1], 1)}")
            self.emit("else:")
            self.emit(f"  {new} = {n}")
            self.frames[-1].vars[new] = t[1]
            return
        self.emit(f"if ({n} is not None):")
        self.frames.append(Frame({n: t[1]}))
        self.frames[-1].fixed.add(n)
        self.block(self.rng.randint(1, 3))
        self.frames.pop()

    def s_fork(self):
        pure = [f for f in self.functions if f[3]]
        if not pure:
            return self.s_assign()
        f = self.pick(pure)
        h, n = self.name(), self.name()
        self.emit(f"{h} = fork(__torch__.{f[0]}, {', '.join(self.e(a, 1) for a in f[1])})")
        self.emit(f"{n} = torch.wait({h})")
        self.frames[-1].vars[n] = f[2]

    def s_if(self):
        self.emit(f"if {self.e(self.pick([BOOL, BOOL, BOOL, BOOL, INT, T('b', ())]), 2)}:")
        self.block(self.rng.randint(1, 3))
        while self.chance(0.15):
            self.emit(f"elif {self.e(BOOL, 2)}:")
            self.block(self.rng.randint(1, 2))
        if self.chance(0.5):
            self.emit("else:")
            self.block(self.rng.randint(1, 3))

    def s_both(self):
        """A variable that both branches define."""
        t, n = self.type(1), self.name()
        note = f" : {text_of(t)}" if t[0] in ("Optional", "List", "Dict", "Name") else ""
        self.emit(f"if {self.e(BOOL, 2)}:")
        self.emit(f"  {n}{note} = {self.e(t, 2)}")
        self.emit("else:")
        self.emit(f"  {n}{note} = {self.e(t, 2)}")
        self.frames[-1].vars[n] = t

    def loop(self, vars):
        self.in_loop += 1
        frame = Frame(vars)
        frame.fixed |= set(vars)
        frame.looped = tuple(vars)
        self.frames.append(frame)
        self.block(self.rng.randint(1, 4))
        self.frames.pop()
        self.in_loop -= 1

    def s_for(self):
        if len(self.frames) > 4:
            return self.s_if()
        v, w = self.name(), self.name()
        kind = self.rng.randrange(8)
        if kind <= 2:
            count = self.pick([str(self.rng.randint(0, 4)), f"min({self.e(INT, 1)}, 4)", f"{self.rng.randint(0, 2)}, {self.rng.randint(0, 5)}", f"{self.rng.randint(0, 5)}, {self.rng.randint(-2, 2)}, -{self.rng.randint(1, 2)}"])
            self.emit(f"for {v} in range({count}):")
            self.loop({v: INT})
        elif kind == 3:
            t = self.pick([INT, STR, T("f", (3,))])
            self.emit(f"for {v} in {self.e(L(t), 2)}:")
            self.loop({v: t})
        elif kind == 4:
            self.emit(f"for {v} in ({self.e(STR, 2)})[0:5]:")
            self.loop({v: STR})
        elif kind == 5:
            t = self.pick([INT, STR])
            self.emit(f"for {v}, {w} in enumerate({self.e(L(t), 2)}{self.pick(['', ', 1', ''])}):")
            self.loop({v: INT, w: t})
        elif kind == 6:
            self.emit(f"for {v}, {w} in zip({self.e(L(INT), 1)}, {self.e(L(STR), 1)}):")
            self.loop({v: INT, w: STR})
        else:
            self.emit(f"for {v} in {self.pick([self.e(T('f', (2, 3)), 2), self.e(T('f', (2, 3)), 2), f'({self.e(D(STR, INT), 1)})'])}:" if False else f"for {v} in {self.e(T('f', (2, 3)), 2)}:")
            self.loop({v: T("f", (3,))})

    def s_while(self):
        if len(self.frames) > 4:
            return self.s_if()
        n = self.name()
        self.emit(f"{n} = 0")
        self.frames[-1].vars[n] = INT
        self.frames[-1].fixed.add(n)
        condition = f"({n} < {self.rng.randint(1, 4)})"
        if self.chance(0.6):
            condition = self.pick([f"({condition} and {self.e(BOOL, 2)})", f"({self.e(BOOL, 2)} and {condition})"])
        self.emit(f"while {condition}:")
        self.emit(f"  {n} += 1")
        self.loop({})

    def s_with(self):
        have = self.vars_of(COUNTER)
        if not have:
            return self.s_object()
        n = self.name()
        self.emit(f"with {self.pick(have)} as {n}:")
        saved, self.in_loop, saved_returns, self.returns = self.in_loop, 0, self.returns, None
        self.block(self.rng.randint(1, 2), {n: INT})
        self.in_loop, self.returns = saved, saved_returns

    def s_break(self):
        if self.chance(0.7):
            self.emit(f"if {self.e(BOOL, 2)}:")
            self.emit("  " + self.pick(["break", "continue"]))
            return False
        self.emit(self.pick(["break", "continue"]))
        return True

    def s_return(self):
        if self.returns is None:
            return False
        self.emit(f"return {self.e(self.returns, 2)}")
        return True

    # ---- definitions

    def function(self, name, args, returns, count, method=None, pure=False):
        self.frames = [Frame(args)]
        self.method_of, self.returns, self.in_loop = method, returns, 0
        self.emit(f"def {name}(" + (f"self: __torch__.{method}" + (",\n" if args else "") if method else "") +
                  ",\n".join(("" if i == 0 and not method else "  " * (self.indent + 1)) + f"{n}: {text_of(t)}" for i, (n, t) in enumerate(args.items())) +
                  f") -> {text_of(returns)}:")
        self.indent += 1
        self.use(self.frames[0])
        done = False
        for _ in range(count):
            if self.statement():
                done = True
                break
        self.budget = 30
        value = self.final(returns)
        self.use(self.frames[0])
        if not done:
            self.emit(f"return {value}")
        self.indent -= 1

    def final(self, returns):
        if returns[0] != "Tuple":
            return self.e(returns, 1)
        return "(" + ", ".join(self.final_item(t) for t in returns[1]) + ("," if len(returns[1]) == 1 else "") + ")"

    def final_item(self, t):
        have = self.vars_of(t) + self.attrs_of(t)
        return self.pick(have) if have else self.e(t, 1)

    def value(self, t):
        """A value of an attribute or argument, for the pickle."""
        r = self.rng
        if t == INT:
            return r.randint(-4, 9)
        if t == FLOAT:
            return r.randint(-8, 8) / 4
        if t == BOOL:
            return r.random() < 0.5
        if t == STR:
            return self.pick(["", "a", "bc", "Hello", "x,y", "12"])
        if t[0] == "T":
            n = 1
            for s in t[2]:
                n *= s
            data = [r.randint(-6, 10) / (1 if t[1] in "ib" else 2) for _ in range(n)]
            made = torch.tensor(data, dtype=getattr(torch, DTYPES[t[1]][0])).reshape(t[2])
            if len(t[2]) == 2 and r.random() < 0.3:
                made = made.t().contiguous().t()
            return made
        if t[0] == "List":
            return Typed(text_of(t), [self.value(t[1]) for _ in range(r.randint(0, 4))])
        if t[0] == "Dict":
            keys = r.sample(KEYS, r.randint(0, 3)) if t[1] == STR else r.sample(range(5), r.randint(0, 3))
            return Typed(text_of(t), {k: self.value(t[2]) for k in keys})
        if t[0] == "Tuple":
            return tuple(self.value(u) for u in t[1])
        if t[0] == "Optional":
            return None if r.random() < 0.4 else self.value(t[1])
        if t == COLOR:
            return Enum("__torch__.Color", self.pick([1, 2, 7]))
        if t == POINT:
            return (r.randint(0, 5), "p", torch.ones(3))
        raise ValueError(t)

    def program(self):
        """(text, root object)"""
        self.lines = (CLASSES + SUB + SUB_FORWARD).rstrip("\n").split("\n")
        for i in range(self.rng.randint(0, 2)):
            args = {f"a{i}_{k}": self.type(1) for k in range(self.rng.randint(1, 3))}
            args = {n: t for n, t in args.items()}
            returns = self.type(1)
            start = len(self.lines)
            self.function(f"fn{i}", args, returns, self.rng.randint(1, 5))
            pure = not any("print" in line or "_(" in line or "." in line.split("(")[0] or "[" in line.split("=")[0] for line in self.lines[start + 1:])
            self.functions.append((f"fn{i}", list(args.values()), returns, pure))
        stored = lambda: self.pick([INT, INT, FLOAT, STR, BOOL, L(INT), L(STR), L(FLOAT), D(STR, INT), O(INT), Tup(INT, STR), COLOR, T("f", (2, 3)), L(T("f", (3,))), D(STR, T("f", (3,)))])
        self.attrs = {f"a{k}": stored() for k in range(self.rng.randint(1, 5))}
        args = {f"x{k}": self.pick([INT, FLOAT, STR, BOOL, L(INT), D(STR, INT), O(INT), T("f", (2, 3)), T("f", (3,)), T("i", (3,)), T("f", ()), L(T("f", (3,)))])
                for k in range(self.rng.randint(1, 4))}
        arg_types = Tup(*args.values())
        self.lines += MODULE.rstrip("\n").split("\n")
        self.lines += ["  buf : Tensor", "  sub : __torch__.Sub", f"  args_forward : {text_of(arg_types)}"] + [f"  {n} : {text_of(t)}" for n, t in self.attrs.items()]
        returns = Tup(*([self.type(2) for _ in range(self.rng.randint(1, 3))] + self.rng.sample(list(args.values()), 1) + self.rng.sample(list(self.attrs.values()), 1) + [T("f", (3,))]))
        returns = Tup(*[t for t in returns[1] if not any(name in text_of(t) for name in ("Counter", "Color", "Any"))])  # Python has no such values
        self.indent = 1
        self.function("forward", args, returns, self.rng.randint(3, 14), method="M")
        sub = Obj("__torch__.Sub", training=False, w=torch.tensor([1., 2., -1.5]), b=torch.tensor([0.5, 0., -3.]), n=self.rng.randint(0, 3), names=Typed("List[str]", ["s"]))
        root = Obj("__torch__.M", training=False, buf=torch.tensor([1., -1., 2.]), sub=sub, args_forward=tuple(self.value(t) for t in args.values()),
                   **{n: self.value(t) for n, t in self.attrs.items()})
        return "\n".join(self.lines) + "\n", root


def program(seed, all_used=False):
    return Gen(seed, all_used).program()


if __name__ == "__main__":
    import sys
    print(program(int(sys.argv[1]))[0])
