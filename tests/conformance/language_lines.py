"""Single expressions and statements of TorchScript for language.py: every built-in on numbers, strings and containers,
with usual, odd and wrong arguments. Each line is a program of its own.

A line is "expression", or "statement; statement -> expression"; `# Type` behind it is the result's type where PyTorch
cannot infer it. What stands in {a|b|c} gives one line per alternative. The names below are arguments.
"""
import itertools
import re

import torch

from handmade import Typed

ARGUMENTS = {  # name: (type, value)
    "i": ("int", 7), "j": ("int", -3), "z": ("int", 0), "big": ("int", 2**62), "low": ("int", -2**63 + 1),
    "f": ("float", 2.5), "g": ("float", -7.25), "h": ("float", 0.0), "nan": ("float", float("nan")), "ninf": ("float", float("-inf")),
    "b": ("bool", True), "c": ("complex", 1 + 2j),
    "s": ("str", "abc"), "e": ("str", ""), "p": ("str", "  Pad\t\n"), "w": ("str", "Hello World, a b"), "num": ("str", "-12"), "uni": ("str", "né"),
    "xs": ("List[int]", Typed("List[int]", [3, -1, 2, 3])), "fs": ("List[float]", Typed("List[float]", [2.5, -1.0, 0.0])),
    "ss": ("List[str]", Typed("List[str]", ["b", "a", "c"])), "bs": ("List[bool]", Typed("List[bool]", [True, False])),
    "no": ("List[int]", Typed("List[int]", [])), "xss": ("List[List[int]]", Typed("List[List[int]]", [[1, 2], [], [3]])),
    "d": ("Dict[str, int]", Typed("Dict[str, int]", {"b": 1, "a": 2})), "di": ("Dict[int, str]", Typed("Dict[int, str]", {3: "x", -1: "y"})),
    "nd": ("Dict[str, int]", Typed("Dict[str, int]", {})), "df": ("Dict[float, str]", Typed("Dict[float, str]", {0.5: "h", 2.0: "t"})),
    "oi": ("Optional[int]", 5), "on": ("Optional[int]", None), "tup": ("Tuple[int, str, float]", (1, "q", 0.5)),
    "t": ("Tensor", torch.tensor([[1.5, -2.0, 0.25], [3.0, 0.0, -1.0]])), "v": ("Tensor", torch.tensor([4, -5, 6])), "m": ("Tensor", torch.tensor([True, False, True])),
    "o": ("Tensor", torch.tensor(2.5)), "k": ("Tensor", torch.tensor(3)), "y": ("Any", 3),
}

LINES = {}

LINES["integers"] = """
{i|j|z|big|low} {+|-|*} {i|j|big|low}
{i|j|low} // {3|-3|i|j|z}
{i|j|low} % {3|-3|i|j}
{i|j|z} / {3|j|z}
{i|j|z|low} ** {2|3|0|-1}
{i|j} {<<|>>} {1|3}
{i|j} {&|\\||^} {j|5}
{i|j} {<|>|<=|>=|==|!=} {7|j}
-{i|low}
+i
~i
not {i|z}
i and j
divmod({i|j}, {3|-3|z})
abs({i|j|low})
{min|max}({i|j}, {j|9})
{min|max}(i, j, z)
float({i|low|big})
int({i|b|f|g|nan|ninf|1e20|-1e19})
bool({i|z|f|h|nan|s|e|xs|no|d|nd})
str({i|low})
{hex|oct|bin}({i|j|z|low|big})
chr({97|300|0|255|-1})
round({i|f|g|0.5|1.5|2.5|-0.5|1234.5678|nan})
{torch.floor|torch.ceil}({i|f|g})
torch.{gcd}({12|i|z|j}, {18|z|-6})
torch.factorial({0|5|20|21|-1})
torch.{Int|Float|Bool|str}(i)
i if b else j
i if not b else j
range(i)[2]
sum([x for x in range({0|4}, {3|9}, {1|2|-1})])
[x for x in range({5|i}, {0|-3}, {-1|-2|0})]
[x for x in range({0|3|-2})]
sum([2147483647, i])
torch.add(i, j)
torch.{mul|sub}(i, j)
torch.{lt|eq}(i, j)
torch.__and__({i|b}, {5|b})
9223372036854775807 + 1
-9223372036854775808
9223372036854775808
0x10
1_000
(1 if i > 3 else 2) if b else 3
i < j < z
i == 7 and j == -3 or z
i == 7 or (j // z) == 1
i == 8 and (j // z) == 1
"""

LINES["floats"] = """
{f|g|h|nan|ninf} {+|-|*} {f|g|ninf}
{f|g|h|ninf} / {g|h|2.}
{f|g|7.|-5.|ninf} // {g|h|2.|-3.}
{f|g|7.|-5.|5.} % {g|h|3.|-3.}
{f|g|h} ** {2.|0.5|-1.|0.}
{f|i} ** {i|f}
{f|g} {<|>|==|!=|<=|>=} {i|f|nan}
{nan|ninf} {==|!=} {nan|ninf}
-{f|h|nan}
i {+|-|*|/|//|%} {f|g}
{f|g} {+|-|*|/|//|%} i
{min|max}({f|nan}, {g|nan|h})
abs({f|g|ninf})
float({s|num|"1e3"|"inf"|"nan"|"1.5x"|" 2"|""|"-.5e-3"|"0x10"|"1_0"})
int({num|"12"|" 12"|"12abc"|"0x1f"|"1_0"|"abc"|""|"99999999999999999999"})
str({f|g|h|nan|ninf|0.1|1e-7|1e10|1e22|123456789.123|100.|-0.|1e16|12345678901.|0.30000000000000004|5e-324})
"{}|{}".format({f|1e10|0.1|g|3.}, {nan|1e22})
torch.{sqrt|exp|log|log2|log10|log1p|sin|cos|tan|asin|acos|atan|sinh|cosh|tanh|asinh|acosh|atanh|erf|erfc|lgamma|gamma|expm1|degrees|radians|fabs|floor|ceil}({0.5|2.})
torch.{log|sqrt|log1p|log10}({0.|-1.|-2})
torch.{fmod|atan2|pow|copysign|remainder|ldexp|hypot}({f|g}, {2.|-3.})
torch.{fmod|remainder}({i|j}, {2|-3})
torch.{isnan|isinf|isfinite}({f|nan|ninf})
torch.{modf|frexp}({f|g|ninf})
torch.log({8.|8}, {2.|2})
math.pi
inf
-inf + inf
1.e5
.5
1e400
5 // 0.3
divmod({f|g|i}, {2.|-0.75})
complex({f|i}, {g|j})
{c|2j} {+|-|*|/} {c|f|i}
c {==|!=} {c|f}
abs(c)
-c
c ** 2
complex({f|i|c|b})
str({c|1.5-2j|-c|0j})
torch.{real|imag}(c)
c.{real|imag}
torch.{angle|exp|sqrt|log}(c)
"""

LINES["strings"] = r"""
{s|e|p|w|num|uni}.{lower|upper|capitalize|title|swapcase|strip|lstrip|rstrip|isalpha|isdigit|isdecimal|isnumeric|isalnum|isspace|islower|isupper|istitle|isidentifier|isprintable}()
{s|w|e}.{strip|lstrip|rstrip}({"a"|"Hab"|""})
"ab12".isalnum()
"A1".isupper()
"Ab Cd".istitle()
"1a".isidentifier()
"\t\n ".isspace()
"a\nb".isprintable()
{w|e|s}.split()
{w|s|e|"a,,b,"}.{split|rsplit}({","|" "|"o"})
w.{split|rsplit}({" "|","}, {0|1|2|-1})
w.split("")
"a\nb\r\nc\n".splitlines({|True|False})
{e|"a"|"\n\n"}.splitlines()
{w|s}.{partition|rpartition}({" "|"z"|"o"})
w.partition("")
{", "|e}.join({ss|["x"]})
{e|s}.join(annotate(List[str], []))
w.replace({"o"|"l"|"z"|"Hello"}, {"0"|""|"oo"})
w.replace("o", "0", {0|1|-1|5})
s.replace("", "-")
w.{find|rfind|index|rindex}({"o"|"z"|"Hello"})
w.{find|rfind|index|rindex}("o", {5|-3|0|100})
w.{find|rfind|index|rindex}("o", {0|5}, {6|-1|-4|100})
w.find("")
w.rfind("")
w.count({"o"|"l"|"ll"|"z"})
w.count("o", {5|-8}, {8|-1})
w.{startswith|endswith}({"Hello"|"b"|""|"zzz"})
w.startswith("o", {4|-1|0}, {5|100|-1})
s.{center|ljust|rjust}({0|2|5|6})
s.{center|ljust|rjust}({5|6}, {"*"|"-"})
s.center(5, "ab")
{num|s|e|"+5"}.zfill({0|2|5})
"a\tb\t".expandtabs({|4|0|1})
{s|e|uni} + {s|w}
{s|e} {==|!=|<|>|<=|>=} {"abc"|"abd"|e}
{"b"|"z"|""} in {s|e}
{"b"|"z"} not in s
{s|w|e}[{0|-1|2|5|-4}]
w[{0:5|6:|:-3|-3:|::2|::-1|5:0|1:100|-100:2|2:8:3}]
len({s|e|uni|"\t"})
list({s|e|uni})
ord({"a"|"é"|""|"ab"})
str({s|e})
s * 2
[x for x in s]
"tab\there" + 'single' + "dou\"ble" + '\'' + "\\"
"a" "b"
"\101\a\b\f\v"
"\r"
"\x41"
'''triple "quoted"
line'''
s.casefold()
s.encode()
hash({s|i|f})
"é" + uni
{"%d"|"%i"|"%s"|"%f"|"%e"|"%E"|"%F"|"%c"} % {i|65|b}
{"%d"|"%s"|"%f"|"%e"|"%F"} % {f|g|1e20|0.1|nan}
{"%s"|"%c"|"%d"} % {s|"x"}
"%s and %s" % (i, s)
"%s" % {xs|d|tup|on|c|fs}
{"%d %d"|"%d"|"%%"|"%"|"%x"|"100%"|"%5d"|"%.2f"|"%s%%"} % {i|(i,)|(i, j)|(i, j, z)}
"%d" % {on|xs|tup}
"{} {}".format({i|s|f|b|xs|d|on|tup}, {s|fs})
"{}".format({i, j|i})
{"{} {}"|"{:d}"|"{0}"|"{{}}"|"no"|"{}{}{}"}.format(i)
"{}".format()
"{}".format({t|v|m|o|k})
str({t|v|m|o|xs|fs|ss|bs|d|di|on|oi|tup|xss|b|no|nd|[t]|y})
"a{}b".format({s|e})
"""

LINES["lists"] = r"""
{xs|no|[1]}[{0|-1|3|4|-5}]
xs[{0:2|1:|:-1|-2:|::2|::-1|::-2|3:1|1:100|-100:2|4:0:-2}]
{len|sum|min|max}({xs|fs|no})
{any|all}({bs|xs|fs|no})
{min|max}({ss|bs})
{min|max}({xs|no}, {[3, 0]|no})
sorted({xs|fs|ss|bs|no})
sorted([nan, 1., ninf, f])
sorted({[t]|xss|[tup]})
xs.{append|remove|count|index}({3|9}) -> xs
{xs.count(3)|xs.count(9)|ss.count("a")|fs.count(2.5)|bs.count(True)}
{xs.index(3)|xs.index(9)|ss.index("a")|ss.index("z")|fs.index(9.)}
{xs.remove(3)|xs.remove(9)|ss.remove("z")|fs.remove(-1.)} -> (xs, ss, fs)
xs.extend({[9]|no|xs}) -> xs
xs.insert({0|2|100|-1|-100}, 9) -> xs
no.insert({0|5|-1}, 9) -> no
a = xs.pop() -> (a, xs)
a = xs.pop({0|-1|2|4|-5}) -> (a, xs)
a = no.pop() -> a
xs.{reverse|clear|sort}() -> xs
xs.sort({True|False}) -> xs
xs.sort(reverse=True) -> xs
fs.sort(); ss.sort(); bs.sort() -> (fs, ss, bs)
xs.copy()
a = xs; a.append(1) -> xs
a = xs.copy(); a.append(1) -> xs
{xs|no} + {[1]|xs}
xs * {2|0|-1}
2 * xs
xs += [5] -> xs
a = xs; a += [5] -> xs
xs *= 2 -> xs
a = xs; a *= 2 -> xs
xs = xs + [1]; ys = xs; ys[0] = 100 -> xs
{xs|fs|ss|bs|[t]|no} {==|!=} {xs|[3, -1, 2, 3]|no}
fs == [2.5, -1., 0.]
ss != ["b"]
bs == [True, False]
[t] == [t]
xss == xss
{3|9} {in|not in} {xs|no}
{"a"|"z"} in ss
2.5 in fs
True in bs
t in [t]
xs[{0|-1|4|-5}] = 9 -> xs
xs[1:3] = [7] -> xs
del xs[{0|-1|4}] -> xs
del xs[0:2] -> xs
xss[0].append(5) -> xss
[[1, 2], [3]]
[1, 2.5]
[i, on] # List[Optional[int]]
[]
[1, "a"]
[x * 2 for x in xs]
[x + y for x, y in zip(xs, [10, 20])]
[a for a, q in enumerate(ss)]
[(a, q) for a, q in enumerate(ss)]
[[q for q in ss] for x in range(2)]
[x for x in xs if x > 0]
[x for x in {ss|s|t|v|d.keys()|d.items()|tup|range(3)}]
list({xs|s|range(4)|d.keys()|d.items()|ss})
list(zip(xs, ss))
list(enumerate(ss))
[x for x in enumerate(ss, 5)]
len({ss|xss|[t, t]|d|nd|tup|t|k})
(a, q) = {xs[0:2]|(1, 2)|tup} -> (a, q)
a, q = xs[0:2] -> (a, q)
a, q = xs -> a
a, q, r = tup -> (r, a)
a, = xs[0:1] -> a
a, q = v[0:2] -> (a, q)
a, *q = xs -> q
t[0].tolist()
annotate(List[float], t[0].tolist())
annotate(List[List[float]], t.tolist())
annotate(List[int], v.tolist())
annotate(List[int], t[0].tolist())
annotate(List[bool], m.tolist())
annotate(float, o.tolist())
annotate(List[float], v.tolist())
annotate(List[List[int]], v.tolist())
torch.{stack|cat}([v, v])
torch._set_item(xs, 0, 5) -> xs
torch.__contains__(xs, 3)
torch.Delete(xs, {0|9}) -> xs
torch.len(xs)
torch.append(xs, 1) -> xs
xs.index(2) if 2 in xs else -1
ops.prim.rangelist(3)
torch.__range_length(0, 10, {3|-1|0})
torch.__derive_index(2, 5, -2)
tup[{0|1|-1|3|-4}]
tup[0:2]
tup[::2]
tup[i]
(1,) + (2,)
tup == tup
(1, "a") {==|!=} (1, "a")
1 in (1, 2)
()
(i,)
((1, 2), 3)
len(())
"""

LINES["dicts"] = r"""
d[{"a"|"z"|""}]
di[{3|9}]
df[{0.5|0.25}]
d.get({"a"|"z"})
d.get({"a"|"z"}, {5|-1})
d.{keys|values|items|copy}()
nd.{keys|values|items}()
len({d|nd})
{"a"|"z"} {in|not in} d
{0.5|nan} in df
d[{"a"|"n"}] = 9 -> d
d[{"a"|"z"}] += 5 -> d
del d[{"a"|"z"}] -> d
a = d.pop({"a"|"z"}) -> (a, d)
a = d.pop({"a"|"z"}, 7) -> (a, d)
a = {d|nd}.popitem() -> a
d.popitem() -> d
a = d.setdefault({"a"|"z"}, 7) -> (a, d)
d.update({"b": 5, "q": 6}) -> d
d.update({nd|d}) -> d
d.clear() -> d
a = d; a["n"] = 1 -> d
a = d.copy(); a["n"] = 1 -> d
{"a": 1, "b": i}
{"a": 1, "a": 2}
{1: "a"}
{1.5: [1]}
{True: 1}
{t: 1}
{"a": 1, 2: 3}
{"a": 1, "b": "c"}
{}
{x: x * 2 for x in xs}
{q: len(q) for q in ss}
{x: [q for q in ss] for x in range(2)}
{a: q for a, q in zip(xs, ss)}
dict()
dict([("a", 1), ("b", 2)])
dict({"a": 1})
dict(a=1)
[q for q in d]
[(q, n) for q, n in d.items()]
d == d
nd["x"] = 1; nd["y"] = 2; del nd["x"]; nd["x"] = 3 -> nd
df[nan] = "n" -> len(df)
df[nan] = "n"; df[nan] = "m" -> (len(df), nan in df)
df[0.] = "p"; df[-0.] = "m" -> df
di[big] = "b" -> di
a = {"k": xs}; a["k"].append(1) -> xs
[n for n in d.values()]
list(d.keys()) == ["b", "a"]
d.keys()[0]
str(d.items())
"""

LINES["optionals"] = r"""
{oi|on} {is|is not} None
None is None
oi == 5
{oi|on} == {None}
torch._unwrap_optional({oi|on})
annotate(Optional[int], None)
annotate(Optional[int], i)
{oi|on} if {oi|on} is not None else -1
oi + 1
unchecked_cast(int, oi)
isinstance({y|oi|on|i|xs|t|tup}, {int|str|float|Tensor|(int, str)|List[int]|Optional[int]|list|tuple|bool|Tuple[int, str, float]})
isinstance(annotate(Any, {i|s|xs|t|tup|on|d|f|b}), {int|str|Tensor|(float, str)|List[int]|Dict[str, int]|list|tuple|Tuple[int, str, float]|bool|NoneType})
hasattr(self, {"training"|"nothing"})
getattr(self, "training")
getattr(self, "nothing")
self.training
self.nothing
assert {b|z|xs|t|o}, s -> i
assert {oi|on} is not None -> torch._unwrap_optional(oi)
assert not b, "no"
assert not b, "no {}".format(i)
assert not b
raise ValueError(s)
raise ValueError("boo {}".format(i))
raise RuntimeError
raise AssertionError("x")
raise NotImplementedError("later")
raise KeyError("k")
raise s
raise Exception("m")
ops.prim.RaiseException({s|"m"}) -> i
ops.prim.RaiseException({s|"m"}, {"builtins.ValueError"|"builtins.KeyError"|"my.Error"}) -> i
print({i|f|s|b|xs|d|on|tup|t|v|m|o|k|c|ss|xss|y|e|no}) -> None
print() -> None
print(i, s, f, t) -> None
print(i, end="") -> None
torch.warn({"w"|s}) -> i
uninitialized(int) # int
inf if b else nanj
torch.device({"cpu"|"cuda:1"|"cuda"|"bogus"})
torch.device("cpu").type
torch.device("cuda:1").index
torch.device("cpu") == torch.device("cpu")
str(torch.device("cuda:1"))
id(xs) == id(xs)
t is t
xs is not xs
type(i)
ops.aten.add(i, j)
ops.nothing.there(i)
torch.nothing(i)
unknown
i.foo()
s.foo()
xs.foo()
t.foo()
CONSTANTS.c0
__torch__.Nothing(i)
i[0]
i()
lambda x: x
i; j
pass -> i
global q -> q
x = y = 1 -> x
x: int = 3 -> x
x : float = 3 -> x
x : Optional[int] = 3 -> x
x : List[int] = [] -> x
i += 1; i -= 3; i *= 2; i //= 3; i %= 5 -> i
f += 1; f /= 2; f **= 2 -> f
i <<= 1; i |= 8; i &= 12; i ^= 5 -> i
i /= 2 -> i
s += "x" -> s
t[0] += 1 -> t
t += 1 -> t
a = t; a += 1 -> t
a = t; a = a + 1 -> t
xs[0] += 5 -> xs
"""

LINES["tensors"] = r"""
{int|float|bool|str|complex}({o|k|m[0]|t|t[0, 0]|v})
{i|f|b} {+|-|*|/} {v|t[0]|o|k}
{v|t[0]|o|k} {+|-|*|/|//|%} {i|f|j}
{v|t} ** {2|2.|0.5}
{i|2.} ** v
{i|2.} // {v|t}
{v|t[0]} {==|!=|<|>|<=|>=} {i|f|v}
{i|f} {==|<|>=} {v|t[0]}
{v|m} {&|\||^} {v|m}
~{m|v|t}
-{t|v|m}
not {o|k|m[0]|t}
{v|t[0]|m} and b
b and {o|m[0]}
t @ t.t()
v @ v
if t: -> 1
len({t|v|k})
t[{0|-1|2|-3}]
t[{0, 1|0, 5|:, 1|..., 1|None|0:1|:, ::2|:, -2:|1:, None|...|0, ...|None, 0}]
t[{v|m|v[0:1]|:, m|torch.tensor([1, 0])|torch.tensor([5])|:, torch.tensor([0, -1])|[0, 1]|[True, False]|t > 0|(0, 1)|m[0]|k}]
t[{0|0, 1|:, 1|t > 0|torch.tensor([0])|0:1|...}] = {9|f|o|True} -> t
t[0] = {v|t[1]|torch.zeros([2])} -> t
t[0, 0] = {t|o} -> t
t[:, ::-1]
t[0:2:2]
t[5:]
t[i]
t[f]
t[s]
t.{shape|dtype|device|ndim|T|requires_grad|is_cuda|layout|grad|data|itemsize|nbytes|real|name|is_sparse|is_quantized|mT|H|mH|is_leaf}
t.{size|dim|numel|stride|is_contiguous|sum|mean|max|min|abs|float|double|half|int|long|bool|short|byte|char|cfloat|item|tolist|clone|t|contiguous|type|is_floating_point|element_size|storage_offset|nelement|ndimension}()
t.{sum|mean|max|argmax|cumsum|flip|unsqueeze|size|softmax|unbind}({0|1|-1|2})
{o|k|t}.item()
{int|float}(t.sum())
t.view({6|3, 2|[3, 2]|-1|-1, 2|5|2, -1, -1})
t.reshape({6|3, 2|-1})
t.to({torch.float64|7|4|"cpu"|t.dtype|v|dtype=7|torch.device("cpu")})
t.type({t.dtype|4})
torch.tensor({1|2.5|True|[1, 2]|[[1., 2.], [3., 4.]]|[True]|xs|fs|i|xss|[]|c|[[1], [2, 3]]})
torch.tensor({1|2.5|xs}, dtype={6|4|11|5})
torch.{zeros|ones}({2|[2, 3]|2, 3|0|[]|-1})
torch.full([2], {1|2.5|b|i})
torch.arange({3|i|0, 3|0., 1., 0.25|5, 0, -2|3.5|0, 0|1, 2, 0})
torch.{max|min|sort|topk|median|mode|kthvalue}(t, {1|0})
torch.max(t, 1).{values|indices|nothing}
torch.max(t, 1)[0]
torch.max({t|v}, {t|k|o})
a, q = torch.max(t, 1) -> q
[a for a in t]
[float(a) for a in t[0]]
[a for a in o]
for a in t: -> 1
t.add(1).mul_(2)
t.add_(v) -> t
v.add_(t) -> v
v.add_(0.5) -> v
m.add_(1) -> m
t.zero_() -> t
t.fill_(i) -> t
t[0].fill_(i) -> t
t.view(-1)[0:2].zero_() -> t
t.t().zero_() -> t
t.expand(2, 2, 3)
t.expand(3, 3)
v.expand([2, 3]).add_(1)
torch.cat([t, t], {0|1|2|-1})
torch.stack([v, v], {0|1})
torch.cat([t, v])
torch.where(t > 0, t, {o|0.|v|1})
torch.where(m)
torch.nonzero(m)
torch.is_tensor(t)
torch.equal(t, {t|v|t.clone()})
torch.allclose(t, t)
t.T.is_contiguous()
torch.{add|sub|mul|div}(t, {2|2.5|o|k|v})
torch.add(t, v, alpha={2|0.5|i})
torch.{add|sub}(v, v, alpha=0.5)
torch.div({v|t}, 2, rounding_mode={"floor"|"trunc"|None|"bogus"})
torch.clamp(t, {0|0.5|None}, {1|None})
torch.{relu|sigmoid|tanh|exp|neg|abs|sign|sqrt}({t|v})
torch.sum({t|v|m}, dtype=6)
torch.sum(t, [0, 1], {True|False})
torch.mean({v|t})
torch.{any|all}({m|t|v})
torch.manual_seed(0); a = torch.rand([4]) -> a
torch.manual_seed(0); a = torch.randn([4]) -> a
torch.manual_seed(1); a = torch.randint(0, 10, [5]) -> a
torch.manual_seed(1); a = torch.randperm(6) -> a
torch.is_grad_enabled()
torch.get_device({t|v})
torch.promote_types({3|6}, {4|5})
torch.can_cast(6, 4)
torch.result_type(t, {1|1.5|v})
torch.numel(t)
torch.Size([1])
torch.ones([2])[None, :, None].shape
ops.prim.{dtype|device|shape|requires_grad|layout|data|is_cuda}(t)
ops.prim.NumToTensor({i|f})
ops.prim.{min|max}({i|xs}, {j|[2]})
annotate({float|int|bool|number}, {o|k})
annotate(int, f)
torch.IntImplicit({k|o|v})
torch.FloatImplicit({k|o})
torch.ScalarImplicit({k|o})
"""

ALTERNATIVES = re.compile(r"(?<!\$)\{((?:[^{}|]|\\\|)*(?:(?<!\\)\|(?:[^{}|]|\\\|)*)+)\}")


def expand(line):
    """{a|b} {c|d}: four lines. Braces without | are TorchScript's."""
    pieces, last = [], 0
    for m in ALTERNATIVES.finditer(line):
        pieces += [[line[last:m.start()]], [a.replace("\\|", "|") for a in re.split(r"(?<!\\)\|", m.group(1))]]
        last = m.end()
    pieces.append([line[last:].replace("\\|", "|")])
    return ["".join(p) for p in itertools.product(*pieces)]


def lines():
    """(family, line)"""
    for family, text in LINES.items():
        held = None
        for line in text.strip("\n").split("\n"):
            if held is not None:
                held += "\n" + line
                if "'''" in line:
                    yield family, held
                    held = None
            elif line.startswith("'''"):
                held = line
            elif line.strip():
                for one in expand(line):
                    yield family, one


def source(line):
    """The module of a line, and the names of its arguments."""
    annotation = re.search(r" # ([^\"']+)$", line)
    if annotation:
        line = line[:annotation.start()]
    statements, expression = line.rsplit(" -> ", 1) if " -> " in line else ("", line)
    if not statements and expression.split(" ")[0] in ("assert", "raise"):
        statements, expression = expression, "None"
    body = [s.strip() for s in statements.split(";")] if statements else []
    body += ["return " + expression]
    used = [n for n in ARGUMENTS if re.search(rf"\b{n}\b", line)]
    head = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"
    if used:
        head += "  args_forward : Tuple[" + ", ".join(ARGUMENTS[n][0] for n in used) + "]\n"
    head += "  def forward(self" + "".join(f",\n    {n}: {ARGUMENTS[n][0]}" for n in used) + ")" + (f" -> {annotation.group(1)}" if annotation else "") + ":\n"
    return head + "".join(f"    {s}\n" for s in body), used
