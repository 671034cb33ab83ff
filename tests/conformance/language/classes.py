# Classes, enums, named tuples, interfaces.
#=== plain class
class P:
  x : float
  tag : str
  def __init__(self: __torch__.P, x: float, tag: str="none") -> NoneType:
    self.x = x
    self.tag = tag
  def scaled(self: __torch__.P, k: float) -> __torch__.P:
    return __torch__.P(self.x * k, self.tag + "!")
  def add_in_place(self: __torch__.P, o: __torch__.P) -> __torch__.P:
    self.x += o.x
    return self
class M(Module):
  def forward(self) -> Tuple[float, str, float, float, bool, bool]:
    p = __torch__.P(1.5)
    q = p
    r = p.scaled(2.)
    q.x = 4.
    s = r.add_in_place(p)
    return (p.x, r.tag, r.x, s.x, q is p, r is p)
#=== constructor without syntax
class P:
  x : int
  def __init__(self: __torch__.P, x: int) -> NoneType:
    self.x = x
    return None
class M(Module):
  def forward(self) -> int:
    p = __torch__.P.__new__(__torch__.P)
    _0 = (p).__init__(7, )
    x = p.x
    return torch.add(x, 1)
#=== operators
class V:
  a : int
  b : int
  def __init__(self: __torch__.V, a: int, b: int) -> NoneType:
    self.a = a
    self.b = b
  def __add__(self: __torch__.V, o: __torch__.V) -> __torch__.V:
    return __torch__.V(self.a + o.a, self.b + o.b)
  def __sub__(self: __torch__.V, o: __torch__.V) -> __torch__.V:
    return __torch__.V(self.a - o.a, self.b - o.b)
  def __mul__(self: __torch__.V, k: int) -> __torch__.V:
    return __torch__.V(self.a * k, self.b * k)
  def __mod__(self: __torch__.V, k: int) -> int:
    return self.a % k
  def __truediv__(self: __torch__.V, k: int) -> float:
    return self.a / k
  def __pow__(self: __torch__.V, k: int) -> int:
    return self.a + k
  def __and__(self: __torch__.V, k: int) -> int:
    return self.a & k
  def __or__(self: __torch__.V, k: int) -> int:
    return self.a | k
  def __xor__(self: __torch__.V, k: int) -> int:
    return self.a ^ k
  def __neg__(self: __torch__.V) -> __torch__.V:
    return __torch__.V(-self.a, -self.b)
  def __eq__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a == o.a and self.b == o.b
  def __ne__(self: __torch__.V, o: __torch__.V) -> bool:
    return not (self == o)
  def __lt__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a < o.a
  def __gt__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a > o.a
  def __le__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a <= o.a
  def __ge__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a >= o.a
  def __len__(self: __torch__.V) -> int:
    return 2
  def __getitem__(self: __torch__.V, i: int) -> int:
    return self.a if i == 0 else self.b
  def __setitem__(self: __torch__.V, i: int, v: int) -> NoneType:
    if i == 0:
      self.a = v
    else:
      self.b = v
  def __contains__(self: __torch__.V, v: int) -> bool:
    return self.a == v or self.b == v
  def __bool__(self: __torch__.V) -> bool:
    return self.a != 0
  def __int__(self: __torch__.V) -> int:
    return self.a
  def __float__(self: __torch__.V) -> float:
    return float(self.b)
  def __str__(self: __torch__.V) -> str:
    return "V({}, {})".format(self.a, self.b)
  def __call__(self: __torch__.V, k: int) -> int:
    return self.a * k + self.b
class M(Module):
  def forward(self) -> List[str]:
    v = __torch__.V(1, 2)
    w = __torch__.V(10, -4)
    s = v + w
    d = w - v
    m = v * 3
    n = -w
    v[1] = 20
    out = [str(s[0]), str(s[1]), str(d[0]), str(m[1]), str(n[0]), str(w % 3), str(w / 4), str(w ** 2), str(w & 6), str(w | 5), str(w ^ 3)]
    out += [str(v == w), str(v == __torch__.V(1, 20)), str(v != w), str(v < w), str(v > w), str(v <= w), str(v >= w), str(len(v)), str(20 in v), str(5 in v)]
    v += w
    out += [str(v[0]), str(v[1]), str(v(2))]
    return out
#=== casts of objects
class V:
  a : int
  def __init__(self: __torch__.V, a: int) -> NoneType:
    self.a = a
  def __bool__(self: __torch__.V) -> bool:
    return self.a != 0
  def __int__(self: __torch__.V) -> int:
    return self.a
  def __float__(self: __torch__.V) -> float:
    return float(self.a) / 2
class M(Module):
  def forward(self) -> Tuple[int, float, bool, str]:
    v = __torch__.V(3)
    return (int(v), float(v), bool(v), "yes" if v else "no")
#=== text of objects
class V:
  a : int
  def __init__(self: __torch__.V, a: int) -> NoneType:
    self.a = a
  def __str__(self: __torch__.V) -> str:
    return "V!"
class M(Module):
  def forward(self) -> Tuple[str, str]:
    v = __torch__.V(3)
    print(v, [v])
    return (str(v), "{}".format(v))
#=== sorting objects
class V:
  a : int
  def __init__(self: __torch__.V, a: int) -> NoneType:
    self.a = a
  def __lt__(self: __torch__.V, o: __torch__.V) -> bool:
    return self.a < o.a
class M(Module):
  def forward(self) -> Tuple[List[int], List[int], List[int]]:
    xs = [__torch__.V(3), __torch__.V(1), __torch__.V(2)]
    ys = sorted(xs)
    before = [x.a for x in xs]
    xs.sort(reverse=True)
    return ([y.a for y in ys], before, [x.a for x in xs])
#=== iterating an object
class V:
  a : List[int]
  def __init__(self: __torch__.V) -> NoneType:
    self.a = [5, 6]
  def __len__(self: __torch__.V) -> int:
    return len(self.a)
  def __getitem__(self: __torch__.V, i: int) -> int:
    return (self.a)[i]
class M(Module):
  def forward(self) -> List[int]:
    return [x for x in __torch__.V().a]
#=== objects share
class Node:
  value : int
  kids : List[__torch__.Node]
  def __init__(self: __torch__.Node, value: int) -> NoneType:
    self.value = value
    self.kids = annotate(List[__torch__.Node], [])
class M(Module):
  def forward(self) -> Tuple[int, int, int]:
    root = __torch__.Node(1)
    kid = __torch__.Node(2)
    (root.kids).append(kid)
    (root.kids).append(kid)
    kid.value = 20
    a = (root.kids)[1]
    a.value += 1
    return ((root.kids)[0].value, kid.value, len(root.kids))
#=== class attributes of every type
class A:
  i : int
  t : Tensor
  l : List[Tensor]
  d : Dict[str, List[int]]
  o : Optional[Tensor]
  u : Tuple[int, Optional[str]]
  def __init__(self: __torch__.A, t: Tensor) -> NoneType:
    self.i = 0
    self.t = t
    self.l = [t, t + 1]
    self.d = {"a": [1]}
    self.o = None
    self.u = (1, None)
class M(Module):
  def forward(self) -> Tuple[Tensor, List[Tensor], Dict[str, List[int]], Optional[Tensor], Tuple[int, Optional[str]]]:
    t = torch.zeros([2])
    a = __torch__.A(t)
    a.t += 1
    (a.l)[0] = (a.l)[0] * 5
    (a.d)["a"].append(2)
    (a.d)["b"] = annotate(List[int], [])
    if a.o is None:
      a.o = t
    a.u = (2, "x")
    return (t, a.l, a.d, a.o, a.u)
#=== an attribute that may be None
class A:
  o : Optional[int]
  def __init__(self: __torch__.A) -> NoneType:
    self.o = 5
class M(Module):
  def forward(self) -> int:
    a = __torch__.A()
    o = a.o
    if o is not None:
      return o + 1
    return 0
#=== refining an attribute is refused
class A:
  o : Optional[int]
  def __init__(self: __torch__.A) -> NoneType:
    self.o = 5
class M(Module):
  def forward(self) -> int:
    a = __torch__.A()
    if a.o is not None:
      return a.o + 1
    return 0
#=== an attribute read before it is set
class A:
  o : int
  def __init__(self: __torch__.A) -> NoneType:
    pass
class M(Module):
  def forward(self) -> int:
    a = __torch__.A()
    return 3
#=== unknown attribute
class A:
  o : int
  def __init__(self: __torch__.A) -> NoneType:
    self.o = 5
class M(Module):
  def forward(self) -> int:
    return __torch__.A().p
#=== static methods by class name
class M(Module):
  def forward(self) -> int:
    return __torch__.M.twice(self, 4)
  def twice(self, n: int) -> int:
    return n * 2
#=== named tuple
class NT(NamedTuple):
  x : Tensor
  n : int
  s : Optional[str]
class M(Module):
  def forward(self) -> Tuple[__torch__.NT, int, Optional[str], Tensor, int, Tensor]:
    a = __torch__.NT(torch.ones([2]), 3, None)
    b = __torch__.NT(n=4, x=torch.zeros([1]), s="q")
    x, n, s = a
    c = [a, b]
    print(a.n, (b)[1], len(a))
    return (a, c[1].n, b.s, x, n, (a)[0])
#=== named tuple with defaults
class NT(NamedTuple):
  x : int
  n : int = 5
class M(Module):
  def forward(self) -> Tuple[int, int, Tuple[int, int]]:
    a = __torch__.NT(1)
    b = __torch__.NT(1, 2)
    return (a.n, b.n, a)
#=== named tuple as tuple
class NT(NamedTuple):
  x : int
  n : int
class M(Module):
  def forward(self) -> Tuple[int, bool, str]:
    a = __torch__.NT(1, 2)
    return (self.f(a), a == (1, 2), str(a))
  def f(self, t: Tuple[int, int]) -> int:
    return (t)[0] * 10 + (t)[1]
#=== enum
class Color(Enum):
  RED = 1
  GREEN = 2
class Name(Enum):
  A = "a"
  B = "b"
class F(Enum):
  H = 0.5
class M(Module):
  c : __torch__.Color
  def forward(self) -> Tuple[int, str, bool, bool, str, float, List[int], bool, bool]:
    c = self.c
    d = __torch__.Color.RED
    out = [m.value for m in [__torch__.Color.RED, __torch__.Color.GREEN]]
    n = __torch__.Name.B
    print(c, d, n, {"k": c})
    return (c.value, d.name, c == d, c != d, n.value, __torch__.F.H.value, out, c is __torch__.Color.GREEN, self.pick(n))
  def pick(self, n: __torch__.Name) -> bool:
    if n == __torch__.Name.B:
      return True
    return False
# module: Obj("__torch__.M", training=False, c=Enum("__torch__.Color", 2))
#=== enum members of a class
class Color(Enum):
  RED = 1
  GREEN = 2
class M(Module):
  def forward(self) -> List[str]:
    return [c.name for c in __torch__.Color]
#=== unknown enum member
class Color(Enum):
  RED = 1
class M(Module):
  def forward(self) -> int:
    return __torch__.Color.BLUE.value
#=== comparing enums of two classes
class A(Enum):
  X = 1
class B(Enum):
  X = 1
class M(Module):
  def forward(self) -> bool:
    return __torch__.A.X == __torch__.B.X
#=== interface
class Shape(Interface):
  def area(self: __torch__.Shape, k: float) -> float:
    pass
class Square:
  a : float
  def __init__(self: __torch__.Square, a: float) -> NoneType:
    self.a = a
  def area(self: __torch__.Square, k: float) -> float:
    return self.a * self.a * k
class Circle:
  r : float
  def __init__(self: __torch__.Circle, r: float) -> NoneType:
    self.r = r
  def area(self: __torch__.Circle, k: float) -> float:
    return 3. * self.r * self.r * k
class M(Module):
  def forward(self) -> List[float]:
    shapes = annotate(List[__torch__.Shape], [])
    shapes.append(__torch__.Square(2.))
    shapes.append(__torch__.Circle(1.))
    s : __torch__.Shape = __torch__.Square(3.)
    return [x.area(2.) for x in shapes] + [s.area(1.), self.f(__torch__.Circle(2.))]
  def f(self, s: __torch__.Shape) -> float:
    return s.area(0.5)
#=== interface that is not implemented
class Shape(Interface):
  def area(self: __torch__.Shape) -> float:
    pass
class Square:
  def __init__(self: __torch__.Square) -> NoneType:
    pass
class M(Module):
  def forward(self) -> float:
    s : __torch__.Shape = __torch__.Square()
    return 1.
#=== methods call each other
class A:
  n : int
  def __init__(self: __torch__.A, n: int) -> NoneType:
    self.n = self.twice(n)
  def run(self: __torch__.A) -> int:
    return self.twice(self.n) + self.one()
  def twice(self: __torch__.A, n: int) -> int:
    return n * 2
  def one(self: __torch__.A) -> int:
    return 1
class M(Module):
  def forward(self) -> int:
    return __torch__.A(4).run()
#=== objects in containers and optionals
class A:
  n : int
  def __init__(self: __torch__.A, n: int) -> NoneType:
    self.n = n
class M(Module):
  def forward(self) -> Tuple[int, int, int, bool]:
    d = {"a": __torch__.A(1)}
    d["b"] = __torch__.A(2)
    o : Optional[__torch__.A] = None
    if len(d) == 2:
      o = d["a"]
    k = 0
    if o is not None:
      o.n = 50
      k = o.n
    t = (__torch__.A(3), 4)
    return (d["a"].n, k, (t)[0].n, isinstance(annotate(Any, d["a"]), __torch__.A))
#=== getters and setters
class A:
  _x : int
  def __init__(self: __torch__.A) -> NoneType:
    self._x = 1
  def __x_getter(self: __torch__.A) -> int:
    return self._x + 100
  def __x_setter(self: __torch__.A, v: int) -> NoneType:
    self._x = v
class M(Module):
  def forward(self) -> int:
    a = __torch__.A()
    (a).__x_setter(5, )
    return (a).__x_getter()
