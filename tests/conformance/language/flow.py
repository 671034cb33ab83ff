# Control flow: every shape of if, while, for, break, continue and return. A case starts with "#=== name".
#=== early returns in loops
class M(Module):
  def forward(self) -> List[int]:
    return [self.find([3, 5, 8], 5), self.find([3], 5), self.find([], 1), self.deep(0), self.deep(1), self.deep(2), self.deep(9)]
  def find(self, xs: List[int], x: int) -> int:
    for i in range(len(xs)):
      if xs[i] == x:
        return i
    return -1
  def deep(self, n: int) -> int:
    i = 0
    while True:
      for j in range(5):
        if j == n:
          return i * 10 + j
        if j > 3:
          break
      i += 1
      if i > 3:
        return -i
#=== break and continue
class M(Module):
  def forward(self) -> Tuple[List[int], List[int], List[int], List[int]]:
    a : List[int] = []
    for i in range(10):
      if i % 3 == 0:
        continue
      if i > 7:
        break
      a.append(i)
    b : List[int] = []
    n = 0
    while n < 10:
      n += 1
      if n == 4:
        continue
      if n == 8:
        break
      b.append(n)
    c : List[int] = []
    for i in range(3):
      for j in range(3):
        if j == i:
          continue
        if i + j > 3:
          break
        c.append(i * 10 + j)
      else_ = i
      if else_ == 1:
        continue
      c.append(-i)
    d : List[int] = []
    for x in [5, 6, 7]:
      while True:
        x += 1
        if x > 8:
          break
        if x % 2:
          continue
        d.append(x)
    return (a, b, c, d)
#=== break after continue on every path
class M(Module):
  def forward(self) -> Tuple[int, int, int]:
    n = 0
    for i in range(5):
      if i == 3:
        break
      else:
        n += i
        continue
      n += 100
    k = 0
    while k < 5:
      k += 1
      if k > 2:
        if k == 4:
          break
        continue
      n += 10
    m = 0
    for i in range(4):
      break
    for i in range(4):
      m += i
      continue
    return (n, k, m)
#=== returns on some paths
class M(Module):
  def forward(self) -> List[str]:
    return [self.f(0), self.f(1), self.f(2), self.f(3), self.f(4), self.g(True, False), self.g(True, True), self.g(False, False)]
  def f(self, n: int) -> str:
    if n == 0:
      return "zero"
    elif n == 1:
      x = "one"
    elif n == 2:
      return "two"
    else:
      x = "many"
      if n > 3:
        return "more"
    return x
  def g(self, a: bool, b: bool) -> str:
    if a:
      if b:
        return "both"
      s = "a"
    else:
      s = "none"
    s += "!"
    return s
#=== return nothing
class M(Module):
  n : int
  def forward(self) -> int:
    self.bump(1)
    self.bump(10)
    x = self.bump(0)
    print(x)
    return self.n
  def bump(self, k: int) -> NoneType:
    if k > 5:
      return
    self.n = self.n + k
    return None
# module: Obj("__torch__.M", training=False, n=1)
#=== variables in branches
class M(Module):
  def forward(self, b: bool=True, o: Optional[int]=None) -> Tuple[int, Optional[int], str]:
    if b:
      x = 1
      y = "t"
    else:
      x = 2
      y = "f"
    if o is None:
      z : Optional[int] = 7
    else:
      z = o + 1
    w = z if z is not None else 0
    return (x + w, z, y)
#=== ternaries and boolean operators
class M(Module):
  def forward(self) -> Tuple[List[int], List[bool]]:
    xs = [self.t(i) for i in range(5)]
    return (xs, [self.say("a", True) and self.say("b", False) and self.say("c", True), self.say("d", False) or self.say("e", True) or self.say("f", True), not (self.say("g", True) and not self.say("h", False))])
  def t(self, i: int) -> int:
    return 10 if i == 0 else 20 if i == 1 else (30 if i == 2 else 40) if i < 4 else 50
  def say(self, s: str, b: bool) -> bool:
    print(s)
    return b
#=== refinement
class M(Module):
  def forward(self) -> List[int]:
    return [self.f(None, None), self.f(1, None), self.f(None, 2), self.f(1, 2), self.g(5), self.g("abc"), self.g([1, 2]), self.h(None), self.h([3])]
  def f(self, a: Optional[int], b: Optional[int]) -> int:
    if a is not None and b is not None:
      return a + b
    if a is None or b is None:
      if a is not None:
        return a
    if b is None:
      return -1
    return b * 100
  def g(self, x: Any) -> int:
    if isinstance(x, int):
      return x + 1
    elif isinstance(x, str):
      return len(x)
    assert isinstance(x, List[int])
    return x[0] + x[1]
  def h(self, x: Optional[List[int]]) -> int:
    if not (x is None):
      x.append(4)
      return sum(x)
    assert x is None
    return 0
#=== union values
class M(Module):
  def forward(self) -> List[str]:
    return [self.f(1), self.f(2.5), self.f("s"), self.g(3), self.g(None)]
  def f(self, x: Union[int, float, str]) -> str:
    if isinstance(x, (int, float)):
      return "number"
    else:
      return "text " + x
  def g(self, x: Union[int, NoneType]) -> str:
    y = x
    if y is None:
      return "none"
    return str(y + 1)
#=== loops over everything
class M(Module):
  def forward(self) -> List[str]:
    out : List[str] = []
    for x in [1, 2]:
      out.append(str(x))
    for c in "né":
      out.append(str(len(c)))
    for i, v in enumerate(["p", "q"], 5):
      out.append(str(i) + v)
    for a, b in zip([1, 2, 3], ["x", "y"]):
      out.append(str(a) + b)
    for i, ab in enumerate(zip([1], [2])):
      out.append("{} {}".format(i, ab))
    for k in {"u": 1, "v": 2}:
      out.append(k)
    for k, n in {"u": 1, "v": 2}.items():
      out.append(k + str(n))
    for v in (1, "two", 3.):
      out.append(str(v))
    for i, v in enumerate((1, "two")):
      out.append(str(i) + str(v))
    for i in range(5, 0, -2):
      out.append(str(i))
    for i in range(2, 2):
      out.append("never")
    for t in torch.tensor([[1, 2], [3, 4]]):
      out.append(str(int(t.sum())))
    for i in range(3):
      i = i * 10
      out.append(str(i))
    return out
#=== a list that changes while it is walked
class M(Module):
  def forward(self) -> Tuple[List[int], List[int]]:
    xs = [1, 2, 3]
    seen : List[int] = []
    for x in xs:
      seen.append(x)
      xs.append(x * 10)
    ys = xs
    ys.clear()
    return (xs, seen)
#=== a list that shrinks while it is walked
class M(Module):
  def forward(self) -> List[int]:
    xs = [1, 2, 3, 4]
    seen : List[int] = []
    for x in xs:
      seen.append(x)
      xs.pop()
      print(x, xs)
    return seen
#=== while with state
class M(Module):
  def forward(self) -> Tuple[int, int, List[int], Tensor]:
    a, b = 0, 1
    xs = annotate(List[int], [])
    while b < 50 and len(xs) < 20:
      a, b = b, a + b
      xs.append(a)
    t = torch.ones([2])
    while bool(t.sum() < 100):
      t = t * 2
      t[0] += 1
    return (a, b, xs, t)
#=== swapping
class M(Module):
  def forward(self) -> Tuple[int, int, int, List[int]]:
    a, b, c = 1, 2, 3
    for i in range(4):
      a, b, c = b, c, a
    xs = [1, 2, 3]
    xs[0], xs[2] = xs[2], xs[0]
    return (a, b, c, xs)
#=== nested loops with carried values
class M(Module):
  def forward(self) -> Tuple[int, str, List[List[int]]]:
    total, s = 0, ""
    grid : List[List[int]] = []
    for i in range(3):
      row : List[int] = []
      for j in range(i + 1):
        total += i * j
        s = s + str(j)
        row.append(total)
        if len(s) > 5:
          s = s[1:]
      grid.append(row)
    return (total, s, grid)
#=== dead code after return
class M(Module):
  def forward(self) -> int:
    return 1
    return 2
#=== dead code in branches
class M(Module):
  def forward(self, n: int=3) -> int:
    if n > 2:
      return 5
      n = 7
    while n < 10:
      n += 1
      break
      n += 100
    return n
#=== assert
class M(Module):
  def forward(self) -> int:
    n = 3
    assert n == 3
    assert n > 2, "fine"
    assert n > 5, "n is {}, not more".format(n)
    return n
#=== with
class C:
  log : List[str]
  def __init__(self: __torch__.C, log: List[str]) -> NoneType:
    self.log = log
  def __enter__(self: __torch__.C) -> int:
    (self.log).append("enter")
    return 42
  def __exit__(self: __torch__.C, type: Any, value: Any, tb: Any) -> NoneType:
    (self.log).append("exit")
class M(Module):
  def forward(self) -> Tuple[List[str], int]:
    log : List[str] = []
    n = 0
    c = __torch__.C(log)
    with c as k:
      n += k
      (log).append("body")
      with __torch__.C(log) as q:
        n += q
    with c:
      log.append("again")
    for i in range(2):
      with c:
        n += i
    return (log, n)
#=== an exception inside with
class C:
  n : int
  def __init__(self: __torch__.C) -> NoneType:
    self.n = 0
  def __enter__(self: __torch__.C) -> NoneType:
    print("enter")
  def __exit__(self: __torch__.C, type: Any, value: Any, tb: Any) -> NoneType:
    print("exit")
class M(Module):
  def forward(self) -> int:
    with __torch__.C():
      xs = [1]
      n = xs[3]
    return n
#=== no grad
class M(Module):
  def forward(self) -> Tensor:
    x = torch.ones([2])
    with __torch__.torch.autograd.grad_mode.no_grad.__new__(__torch__.torch.autograd.grad_mode.no_grad):
      x = x + 1
    return x
#=== a local function value
class M(Module):
  def forward(self) -> int:
    f = __torch__.helper
    g = __torch__.other if True else __torch__.helper
    return f(3) + f(4) * g(2)
def helper(n: int, k: int=10) -> int:
  if n > 3:
    return k
  return n * k
def other(n: int) -> int:
  return __torch__.helper(n, k=5)
#=== recursion
class M(Module):
  def forward(self) -> int:
    return __torch__.fact(5)
def fact(n: int) -> int:
  if n < 2:
    return 1
  return n * __torch__.fact(n - 1)
#=== mutual recursion
class M(Module):
  def forward(self, n: int=3) -> bool:
    return self.odd(n)
  def odd(self, n: int) -> bool:
    return False if n == 0 else self.even(n - 1)
  def even(self, n: int) -> bool:
    return True if n == 0 else self.odd(n - 1)
#=== defaults and keywords
class M(Module):
  def forward(self, a: int=1, b: float=2., c: Optional[str]=None, d: List[int]=[1, 2], e: bool=True) -> List[str]:
    return [self.f(1), self.f(1, 2), self.f(1, c=5), self.f(a=1, b=2, c=3), self.f(b=1, a=2), self.g(1, k=2), __torch__.h(3, y=4, ), str((a, b, c, d, e))]
  def f(self, a: int, b: int=20, c: int=-3) -> str:
    return "{} {} {}".format(a, b, c)
  def g(self, a: int, *, k: int) -> str:
    return "{} {}".format(a, k)
def h(x: int, y: int=2, z: Tuple[int, str]=(1, "q")) -> str:
  return "{} {} {}".format(x, y, z)
#=== star arguments
class M(Module):
  def forward(self) -> int:
    t = (1, 2)
    return self.f(*t) + self.f(3, *(4,))
  def f(self, a: int, b: int) -> int:
    return a * 10 + b
#=== missing argument
class M(Module):
  def forward(self) -> int:
    return self.f(1)
  def f(self, a: int, b: int) -> int:
    return a * 10 + b
#=== too many arguments
class M(Module):
  def forward(self) -> int:
    return self.f(1, 2, 3)
  def f(self, a: int, b: int) -> int:
    return a * 10 + b
#=== wrong type of an argument
class M(Module):
  def forward(self) -> int:
    return self.f("x")
  def f(self, a: int) -> int:
    return a
#=== wrong type of the result
class M(Module):
  def forward(self) -> int:
    return "x"
#=== different types in branches
class M(Module):
  def forward(self, b: bool=True) -> int:
    if b:
      x = 1
    else:
      x = "s"
    return 1
#=== a variable changes its type
class M(Module):
  def forward(self, b: bool=True) -> str:
    x = 1
    x = "s"
    if b:
      x = "t"
    return x
#=== a variable changes its type in a loop
class M(Module):
  def forward(self) -> int:
    x = 1
    for i in range(3):
      x = "s"
    return 1
#=== not every path returns
class M(Module):
  def forward(self, b: bool=True) -> int:
    if b:
      return 1
#=== undefined on one path
class M(Module):
  def forward(self, b: bool=True) -> int:
    if b:
      x = 1
    return x
#=== parallel assignment of what loops carry
class M(Module):
  def forward(self, n: int=5) -> Tuple[int, Tensor]:
    y0 = 1
    t0 = torch.ones([2])
    for i in range(n):
      if torch.gt(i, 2):
        y, t = torch.add(y0, i), torch.mul(t0, 2)
      else:
        y, t = y0, t0
      y0, t0 = y, t
    _0 = torch.lt(y0, 100)
    while _0:
      y1 = torch.mul(y0, 3)
      _0, y0 = torch.lt(y1, 100), y1
    return (y0, t0)
