#!/usr/bin/python3
"""Sources and programs made to exhaust something: nesting, lengths, numbers of things, recursion, memory. Each must end
with an answer or an error of one kind within the time, never with a crash.

usage: sources.py CONFORMANCE_RUNNER [WORD ...]       only cases whose name contains a WORD; exit code 1 when one failed
"""
import os
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
try:
    from handmade import Obj, Typed, save
except ImportError:
    print("no python3-torch here")
    sys.exit(77)

SECONDS = 60
STATUS = {0: "value", 2: "bad model", 4: "unsupported", 5: "raised", 6: "memory"}
HEAD = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"


def method(*lines, result="int"):
    return HEAD + f"  def forward(self, n: int=3) -> {result}:\n" + "".join(f"    {line}\n" for line in lines)


def nested(depth, before, inside, after):
    return before * depth + inside + after * depth


def deep_ifs(depth):
    lines = [HEAD, "  def forward(self, n: int=3) -> int:\n"]
    for i in range(depth):
        lines.append(" " * (4 + i) + f"if n > {i % 3}:\n")
    lines.append(" " * (4 + depth) + "n += 1\n    return n\n")
    return "".join(lines)


def deep_loops(depth):
    lines = [HEAD, "  def forward(self, n: int=3) -> int:\n"]
    for i in range(depth):
        lines.append(" " * (4 + i) + "for i in range(1):\n")
    lines.append(" " * (4 + depth) + "n += 1\n    return n\n")
    return "".join(lines)


def deep_any(*use):
    return method("x = annotate(Any, n)", "for i in range(1000000):", "  x = annotate(Any, [x])", *use)


def cases():
    """name, text, what may come of it"""
    refused = {"bad model", "unsupported"}
    for depth in (50, 1000, 200000):
        some = refused | ({"value"} if depth < 200000 else set())
        n, depth_of_lines = str(depth), min(depth, 20000)
        yield "parentheses " + n, method("return " + nested(depth, "(", "n", ")")), some
        yield "lists " + n, method("x = " + nested(depth, "[", "n", "]"), "return n"), some
        yield "tuples " + n, method("x = " + nested(depth, "(", "n", ",)"), "return n"), some
        yield "dictionaries " + n, method("x = " + nested(depth, "{1: ", "n", "}"), "return n"), some
        yield "minus " + n, method("return " + "- " * depth + "n"), some
        yield "not " + n, method("x = " + "not " * depth + "True", "return n"), some
        yield "calls " + n, method("return " + nested(depth, "abs(", "n", ")")), some
        yield "subscripts " + n, method("x = [0]", "return " + nested(depth, "x[", "0", "]")), some
        yield "chained subscripts " + n, method("x = [0]", "y = x" + "[0:1]" * depth, "return n"), some
        yield "attributes " + n, method("return self" + ".x" * depth), refused
        yield "ternaries " + n, method("return " + "n if n > 1 else " * depth + "n"), some
        yield "nested ternaries " + n, method("return " + nested(depth, "(1 if n > 1 else ", "n", ")")), some
        yield "sums " + n, method("return n" + " + n" * depth), some
        yield "powers " + n, method("x = 1." + " ** 1." * depth, "return n"), some
        yield "ands " + n, method("x = n > 1" + " and n > 1" * depth, "return n"), some
        yield "comparisons " + n, method("x = " + nested(depth, "(", "n", " < 3) == True"), "return n"), refused | {"value"}
        yield "comprehensions " + n, method("x = " + nested(depth, "[", "n", " for i in range(1)]"), "return n"), some
        yield "types " + n, HEAD + "  def forward(self, x: " + nested(depth, "List[", "int", "]") + ") -> int:\n    return 1\n", some | {"raised"}
        yield "tuple types " + n, HEAD + "  def forward(self, x: " + nested(depth, "Tuple[", "int", "]") + ") -> int:\n    return 1\n", some | {"raised"}
        yield "optional types " + n, HEAD + "  def forward(self, x: " + nested(depth, "Optional[", "int", "]") + ") -> int:\n    return 1\n", some | {"raised"}
        yield "union types " + n, HEAD + "  def forward(self, x: " + " | ".join(["int", "str"] * depth) + ") -> int:\n    return 1\n", some | {"raised"}
        yield "dots in a name " + n, method("return __torch__" + ".a" * depth + "(1)"), refused
        yield "strings " + n, method("x = " + '"a" ' * depth, "return n"), some | {"value"}
        yield "unpacking " + n, method(", ".join(f"a{i}" for i in range(depth_of_lines)) + ", = [1]", "return n"), some | {"raised", "value"}
        yield "arguments " + n, method("print(" + "n, " * depth + ")", "return n"), some | {"value"}
        yield "list items " + n, method("x = [" + "n, " * depth + "]", "return len(x)"), some | {"value"}
        yield "statements " + n, method(*["n += 1"] * depth_of_lines, "return n"), {"value"} | refused
        yield "functions " + n, method("return __torch__.f0(n)") + "".join(f"def f{i}(n: int) -> int:\n  return __torch__.f{i + 1}(n)\n" for i in range(min(depth, 20000))) + f"def f{min(depth, 20000)}(n: int) -> int:\n  return n\n", some | {"raised"}
        yield "classes " + n, method("return n") + "".join(f"class C{i}:\n  x : __torch__.C{i + 1}\n  def __init__(self) -> NoneType:\n    pass\n" for i in range(min(depth, 20000))), some | {"value"}
        yield "elif " + n, HEAD + "  def forward(self, n: int=3) -> int:\n    if n == 0:\n      n = 1\n" + "".join(f"    elif n == {i}:\n      n = {i}\n" for i in range(min(depth, 20000))) + "    return n\n", some
        yield "returns in a row " + n, HEAD + "  def forward(self, n: int=3) -> int:\n" + "".join(f"    if n == {i + 5}:\n      return {i}\n" for i in range(min(depth, 2000))) + "    return n\n", some
        yield "with " + n, HEAD + "  def forward(self, n: int=3) -> int:\n" + "".join(" " * (4 + i) + "with self:\n" for i in range(min(depth, 3000))) + " " * (4 + min(depth, 3000)) + "n = 1\n    return n\n", refused
    for depth in (50, 900, 5000):
        yield f"ifs {depth}", deep_ifs(depth), refused | {"value"}
        yield f"loops {depth}", deep_loops(depth), refused | {"value"}
    yield "long name", method("x" * 1000000 + " = n", "return " + "x" * 1000000), {"value"}
    yield "long string", method('x = "' + "y" * 5000000 + '"', "return len(x)"), {"value"}
    yield "long int", method("return " + "9" * 100000), refused
    yield "long float", method("x = 1." + "0" * 100000 + "e5", "return n"), {"value"} | refused
    yield "large exponent", method("x = 1e999999999", "return n"), {"value"} | refused
    yield "hex float", method("x = 0x1p-5", "return n"), {"value"} | refused
    yield "no end of string", method('x = "abc'), refused
    yield "no end of triple string", method("x = '''abc"), refused
    yield "no end of list", method("x = [1, 2"), refused
    yield "backslash at the end", method("x = 1 + \\").rstrip("\n"), refused
    yield "only blanks", " " * 100000, refused
    yield "nothing", "", refused
    yield "zero bytes", method("return n").replace("return", "ret\0urn"), refused
    yield "all bytes", bytes(range(256)) * 50, refused
    yield "indentation jumps", HEAD + "  def forward(self) -> int:\n        x = 1\n      y = 2\n    return 1\n", refused
    yield "tabs", HEAD + "  def forward(self) -> int:\n\t\treturn 1\n", refused | {"value"}
    yield "a class of itself", "class A:\n  x : __torch__.A\n  def __init__(self) -> NoneType:\n    pass\n" + method("a = __torch__.A()", "return 1"), refused | {"value"}
    yield "a class of its own name", "class M(__torch__.M):\n  pass\n", refused
    yield "two classes of each other", "class A:\n  x : __torch__.B\nclass B:\n  x : __torch__.A\n" + method("a = __torch__.A.__new__(__torch__.A)", "return 1"), refused | {"value"}
    yield "recursion", method("return __torch__.f(n)") + "def f(n: int) -> int:\n  return __torch__.f(n)\n", refused
    yield "recursion through an interface", '''class I(Interface):
  def run(self: __torch__.I, n: int) -> int:
    pass
class A:
  next : Optional[__torch__.I]
  def __init__(self: __torch__.A) -> NoneType:
    self.next = None
  def run(self: __torch__.A, n: int) -> int:
    o = self.next
    if o is None:
      return 0
    else:
      return o.run(n + 1)
''' + method("a = __torch__.A()", "a.next = a", "return a.run(0)"), {"raised"} | refused
    yield "sorting that recurses", '''class A:
  n : int
  def __init__(self: __torch__.A, n: int) -> NoneType:
    self.n = n
  def __lt__(self: __torch__.A, o: __torch__.A) -> bool:
    xs = [__torch__.A(1), __torch__.A(2)]
    return self.n < o.n
''' + method("xs = [__torch__.A(3), __torch__.A(1)]", "xs.sort()", "return xs[0].n"), {"value"}
    yield "deep values freed", deep_any("return n"), {"value", "raised"}
    yield "deep values printed", deep_any("print(x)", "return n"), {"value", "raised"}
    yield "deep values as text", deep_any('return len(str(x))'), {"value", "raised"}
    yield "deep values as results", deep_any("return x").replace("-> int", "-> Any"), {"value", "raised"}
    yield "deep values asked", deep_any("return 1 if isinstance(x, List[int]) else 2"), {"value", "raised"}
    yield "deep values compared", deep_any("y = annotate(Any, n)", "for i in range(1000000):", "  y = annotate(Any, [y])", "z = [x, y]", "return n"), {"value", "raised"}
    yield "deep objects", '''class A:
  next : Optional[__torch__.I]
  def __init__(self: __torch__.A) -> NoneType:
    self.next = None
  def run(self: __torch__.A) -> int:
    return 1
class I(Interface):
  def run(self: __torch__.I) -> int:
    pass
''' + method("a = __torch__.A()", "for i in range(1000000):", "  b = __torch__.A()", "  b.next = a", "  a = b", "return n"), {"value", "raised"}
    big = 1 << 62
    for name, line in (("list times", f"x = [1] * {big}"), ("list of range", f"x = list(range({big}))"), ("zeros", f"x = torch.zeros([{big}])"),
                       ("zeros of many", "x = torch.zeros([1000000, 1000000, 1000000, 1000000])"), ("arange", f"x = torch.arange({big})"), ("center", f'x = "a".center({big})'),
                       ("zfill", f'x = "a".zfill({big})'), ("ljust", f'x = "a".ljust({1 << 45})'), ("expandtabs", f'x = "a\\t".expandtabs({big})'), ("negative zeros", "x = torch.zeros([-5])"),
                       ("repeat", f"x = torch.ones([2]).repeat([{big}])"), ("expand", f"x = torch.ones([1]).expand([{big}]) + 1"), ("shift", f"x = [1 << {big}]"),
                       ("insert far", f"x = [1]"), ("full", f"x = torch.full([{1 << 50}], 1)"), ("replace", 'x = ("a" * 1) if False else "aa".replace("a", "b")'),
                       ("rangelist", f"x = ops.prim.rangelist({big})"), ("linspace", f"x = torch.linspace(0, 1, {big})"), ("view", f"x = torch.ones([4]).view([{big}, 4])"),
                       ("as_strided", f"x = torch.as_strided(torch.ones([4]), [4], [{big}])"), ("as_strided offset", f"x = torch.as_strided(torch.ones([4]), [4], [1], {big})"),
                       ("narrow", f"x = torch.narrow(torch.ones([4]), 0, {big}, {big})"), ("select", f"x = torch.select(torch.ones([4]), 0, -{big})"), ("slice", f"x = torch.ones([4])[{big}:-{big}:{big}]"),
                       ("randint", f"x = torch.randint(0, {big}, [3])"), ("eye", f"x = torch.eye({1 << 40})"), ("one hot", f"x = torch.one_hot(torch.tensor([{big}]), -1)"),
                       ("bincount", f"x = torch.bincount(torch.tensor([{big}]))"), ("unfold", f"x = torch.ones([4]).unfold(0, 1, {big})"), ("int min", "x = (-9223372036854775807 - 1) // -1"),
                       ("int min modulo", "x = (-9223372036854775807 - 1) % -1"), ("modulo zero", "x = n % (n - n)"), ("count of nothing", 'x = "abc".count("")')):
        yield name, method("n = n * 1", line, "return n"), {"value", "raised", "memory"} | refused


def pickles():
    """name, bytes of data.pkl, what may come of it: values that nest."""
    head = b"\x80\x02c__torch__\nM\n)\x81}(X\x01\x00\x00\x00x"
    for depth in (50, 1000, 1000000):
        some = {"bad model", "unsupported"} | ({"value"} if depth == 50 else set())
        yield f"pickled lists {depth}", head + b"]" * depth + b"a" * (depth - 1) + b"ub.", some
        yield f"pickled tuples {depth}", head + b")" + b"\x85" * depth + b"ub.", some
        yield f"pickled marks {depth}", head + b"(" * depth + b"ub.", {"bad model", "unsupported"}


def answer(program, path):
    started = time.time()
    try:
        done = subprocess.run([program], input=f"{path}\tforward\to\n{path}\tforward\tp\n".encode(), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [f"no end within {SECONDS} s"], ""
    out, kinds, text = done.stdout, [], ""
    while len(out) >= 16:
        status, message, printed, value = struct.unpack("=4I", out[:16])
        kinds.append(STATUS.get(status, str(status)))
        text = text or out[16:16 + message].decode("utf-8", "replace")
        out = out[16 + message + printed + value:]
    if done.returncode or len(kinds) != 2:
        return [f"ended with {done.returncode}: " + done.stderr.decode("utf-8", "replace")[-1500:]], text
    return kinds, text + f" ({time.time() - started:.1f} s)"


def main():
    program, words = sys.argv[1], sys.argv[2:]
    failed = tried = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.pt")
        todo = [(name, text, None, may) for name, text, may in cases()] + [(name, None, data, may) for name, data, may in pickles()]
        for name, text, data, may in todo:
            if words and not any(w in name for w in words):
                continue
            if text is not None:
                save(path, Obj("__torch__.M", training=False), {"__torch__": text})
            else:
                save(path, Obj("__torch__.M", training=False), {"__torch__": HEAD + "  x : Any\n  def forward(self) -> int:\n    return 1\n"})
                replace_data(path, data)
            kinds, said = answer(program, path)
            tried += 1
            if not set(kinds) <= may:
                failed += 1
                print(f"{name}: {kinds}, expected {sorted(may)}: {said[:300]}", flush=True)
            elif words:
                print(f"{name}: {kinds}: {said[:200]}")
    print(f"{tried} cases, {failed} failed")
    return 1 if failed else 0


def replace_data(path, data):
    import zipfile
    with zipfile.ZipFile(path) as z:
        records = {n: z.read(n) for n in z.namelist()}
    records["m/data.pkl"] = data
    with zipfile.ZipFile(path, "w") as z:
        for name, content in records.items():
            z.writestr(zipfile.ZipInfo(name), content)


if __name__ == "__main__":
    sys.exit(main())
