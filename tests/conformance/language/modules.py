# Modules: attributes, submodules, containers, hooks, forks, state.
#=== attributes of every type
class M(Module):
  __parameters__ = ["w", ]
  __buffers__ = ["b", ]
  training : bool
  w : Tensor
  b : Tensor
  i : int
  f : float
  s : str
  c : complex
  n : NoneType
  oi : Optional[int]
  on : Optional[int]
  l : List[int]
  ls : List[str]
  ll : List[List[float]]
  d : Dict[str, int]
  di : Dict[int, Tensor]
  t : Tuple[int, str, Tuple[float, bool]]
  e : Tuple[()]
  dev : Device
  def forward(self) -> Tuple[Tensor, Tensor, int, float, str, Optional[int], Optional[int], List[int], List[str], List[List[float]], Dict[str, int], Dict[int, Tensor], Tuple[int, str, Tuple[float, bool]]]:
    print(self.c, self.n, self.dev, self.e, self.training)
    self.i = self.i + 1
    self.oi = None
    self.on = 7
    (self.l).append(9)
    (self.ll)[0][0] = 5.5
    (self.d)["new"] = 3
    self.b.add_(1)
    self.s += "!"
    return (self.w, self.b, self.i, self.f, self.s, self.oi, self.on, self.l, self.ls, self.ll, self.d, self.di, self.t)
# module: Obj("__torch__.M", training=True, w=torch.ones(2), b=torch.arange(4.).view(2, 2).t(), i=3, f=0.5, s="é", c=1-2j, n=None, oi=4, on=None, l=[1], ls=["x"], ll=Typed("List[List[float]]", [[1., 2.]]), d={"a": 1}, di={4: torch.zeros(1)}, t=(1, "t", (2.5, True)), e=(), dev=Device("cpu"))
#=== shared values
class M(Module):
  a : Tensor
  b : Tensor
  x : List[int]
  y : List[int]
  def forward(self) -> Tuple[Tensor, Tensor, List[int], List[int]]:
    self.a.mul_(2)
    self.x.append(1)
    self.x = [5]
    return (self.a, self.b, self.x, self.y)
# module: (lambda t, l: Obj("__torch__.M", training=False, a=t, b=t[1:], x=l, y=l))(torch.arange(3.), [7])
#=== submodules
class Inner(Module):
  w : Tensor
  n : int
  def forward(self: __torch__.Inner, x: Tensor) -> Tensor:
    self.n = self.n + 1
    return x * self.w + self.n
  def other(self: __torch__.Inner, k: int=2) -> int:
    return self.n * k
class M(Module):
  a : __torch__.Inner
  b : __torch__.Inner
  def forward(self) -> Tuple[Tensor, int, int]:
    x = (self.a)(torch.ones([2]))
    x = (self.b).forward(x)
    a = self.a
    a.n = a.n + 10
    return (x, (self.a).other(), (self.b).other(3))
# module: Obj("__torch__.M", training=False, a=Obj("__torch__.Inner", training=False, w=torch.tensor([1., 2.]), n=0), b=Obj("__torch__.Inner", training=False, w=torch.tensor(3.), n=5))
#=== one submodule twice
class Inner(Module):
  n : int
  def forward(self: __torch__.Inner) -> int:
    self.n = self.n + 1
    return self.n
class M(Module):
  a : __torch__.Inner
  b : __torch__.Inner
  def forward(self) -> Tuple[int, int, bool]:
    return ((self.a)(), (self.b)(), self.a is self.b)
# module: (lambda i: Obj("__torch__.M", training=False, a=i, b=i))(Obj("__torch__.Inner", training=False, n=0))
#=== names that are no identifiers
class L(Module):
  n : int
  def forward(self: __torch__.L, x: int) -> int:
    return x * 10 + self.n
class Seq(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  __annotations__["0"] = __torch__.L
  __annotations__["1"] = __torch__.L
  __annotations__["k 2"] = int
  def forward(self: __torch__.Seq, x: int) -> int:
    _0 = getattr(self, "0")
    _1 = getattr(self, "1")
    return (_1).forward((_0).forward(x, ), ) + getattr(self, "k 2")
class M(Module):
  seq : __torch__.Seq
  def forward(self) -> int:
    return (self.seq).forward(1, )
# module: Obj("__torch__.M", training=False, seq=Obj("__torch__.Seq", training=False, **{"0": Obj("__torch__.L", training=False, n=1), "1": Obj("__torch__.L", training=False, n=2), "k 2": 1000}))
#=== module interface
class Op(ModuleInterface):
  def forward(self: __torch__.Op, x: Tensor) -> Tensor:
    pass
class Add(Module):
  k : int
  def forward(self: __torch__.Add, x: Tensor) -> Tensor:
    return x + self.k
class Mul(Module):
  k : int
  def forward(self: __torch__.Mul, x: Tensor) -> Tensor:
    return x * self.k
class M(Module):
  a : __torch__.Op
  b : __torch__.Op
  def forward(self) -> Tensor:
    x = torch.ones([2])
    for i in range(3):
      x = (self.a).forward(x, )
      x = (self.b).forward(x, )
    return x
# module: Obj("__torch__.M", training=False, a=Obj("__torch__.Add", training=False, k=1), b=Obj("__torch__.Mul", training=False, k=3))
#=== forward hooks
class M(Module):
  __parameters__ = []
  __buffers__ = []
  __forward_pre_hooks__ = ["pre", "pre2", ]
  __forward_hooks__ = ["post", "post", ]
  training : bool
  args_forward : Tuple[int]
  def forward(self: __torch__.M, x: int) -> int:
    print("forward", x)
    return x * 2
  def pre(self: __torch__.M, input: Tuple[int]) -> Tuple[int]:
    print("pre", input)
    return ((input)[0] + 1,)
  def pre2(self: __torch__.M, input: Tuple[int]) -> NoneType:
    print("pre2", input)
    return None
  def post(self: __torch__.M, input: Tuple[int], output: int) -> int:
    print("post", input, output)
    return output + 100
# module: Obj("__torch__.M", training=False, args_forward=(5,))
#=== hooks of submodules
class Sub(Module):
  __parameters__ = []
  __buffers__ = []
  __forward_pre_hooks__ = ["pre", ]
  __forward_hooks__ = ["post", ]
  training : bool
  def forward(self: __torch__.Sub, x: int) -> int:
    return x * 2
  def pre(self: __torch__.Sub, input: Tuple[int]) -> Tuple[int]:
    return ((input)[0] + 1,)
  def post(self: __torch__.Sub, input: Tuple[int], output: int) -> int:
    return output + 100
class M(Module):
  sub : __torch__.Sub
  def forward(self) -> Tuple[int, int]:
    return ((self.sub).forward(3), (self.sub)(3))
# module: Obj("__torch__.M", training=False, sub=Obj("__torch__.Sub", training=False))
#=== fork and wait
class M(Module):
  n : int
  def forward(self) -> Tuple[int, List[Tensor], Tensor, int]:
    a = fork(__torch__.work, 3)
    b = fork(__torch__.work, 4, k=100)
    futures = annotate(List[Future[Tensor]], [])
    for i in range(3):
      futures.append(fork(self.grow, torch.ones([2]), i))
    out = annotate(List[Tensor], [])
    for f in futures:
      out.append(torch.wait(f))
    y = torch.wait(a) + torch.wait(b)
    return (y, out, torch.wait(futures[1]), torch.wait(a))
  def grow(self, x: Tensor, i: int) -> Tensor:
    return x * i + self.n
def work(n: int, k: int=10) -> int:
  s = 0
  for i in range(n):
    s += i * k
  return s
# module: Obj("__torch__.M", training=False, n=7)
#=== closures
class M(Module):
  n : int
  def forward(self) -> Tuple[Tensor, Tensor]:
    x = torch.ones([2])
    k = 3
    def __forked_function():
      y = torch.mul(x, k)
      n = self.n
      return torch.add(y, n)
    h = fork(__forked_function)
    def __forked_function0():
      return torch.neg(x)
    h0 = fork(__forked_function0)
    return (torch.wait(h), torch.wait(h0))
# module: Obj("__torch__.M", training=False, n=7)
#=== an exception in a fork
class M(Module):
  def forward(self) -> int:
    f = fork(__torch__.work, 7)
    print("forked")
    return torch.wait(f)
def work(n: int) -> int:
  return [1][n]
#=== forks in forks
class M(Module):
  def forward(self) -> int:
    return torch.wait(fork(__torch__.outer, 4))
def outer(n: int) -> int:
  a = fork(__torch__.inner, n)
  b = fork(__torch__.inner, n + 1)
  return torch.wait(a) * torch.wait(b)
def inner(n: int) -> int:
  return n + 1
#=== setstate of the root
class M(Module):
  n : int
  t : Tensor
  def forward(self) -> Tuple[int, Tensor]:
    return (self.n, self.t)
  def __getstate__(self: __torch__.M) -> Tuple[int, Tensor, bool]:
    return (self.n, self.t, self.training)
  def __setstate__(self: __torch__.M, state: Tuple[int, Tensor, bool]) -> NoneType:
    self.n = (state)[0] * 2
    self.t = (state)[1] + 1
    self.training = (state)[2]
    return None
  training : bool
# module: Obj("__torch__.M", state=(4, torch.ones(2), False))
#=== setstate of a submodule and of an object
class Sub(Module):
  training : bool
  packed : List[Tensor]
  o : Optional[str]
  def forward(self: __torch__.Sub) -> Tensor:
    return (self.packed)[0] + (self.packed)[1]
  def __getstate__(self: __torch__.Sub) -> Tuple[Tensor, Tensor]:
    return ((self.packed)[0], (self.packed)[1])
  def __setstate__(self: __torch__.Sub, s: Tuple[Tensor, Tensor]) -> NoneType:
    self.packed = [(s)[0], (s)[1]]
    self.training = False
    return None
class P:
  a : int
  def __init__(self: __torch__.P) -> NoneType:
    self.a = 1
  def __getstate__(self: __torch__.P) -> int:
    return self.a
  def __setstate__(self: __torch__.P, s: int) -> NoneType:
    self.a = s + 1000
class M(Module):
  sub : __torch__.Sub
  p : __torch__.P
  def forward(self) -> Tuple[Tensor, Optional[str], int]:
    return ((self.sub).forward(), (self.sub).o, (self.p).a)
# module: Obj("__torch__.M", training=False, sub=Obj("__torch__.Sub", state=(torch.ones(2), torch.arange(2.))), p=Obj("__torch__.P", state=5))
#=== setstate that forgets a field
class P:
  a : int
  b : int
  def __init__(self: __torch__.P) -> NoneType:
    self.a = 1
    self.b = 2
  def __getstate__(self: __torch__.P) -> int:
    return self.a
  def __setstate__(self: __torch__.P, s: int) -> NoneType:
    self.a = s
class M(Module):
  p : __torch__.P
  def forward(self) -> int:
    return (self.p).a
# module: Obj("__torch__.M", training=False, p=Obj("__torch__.P", state=5))
#=== constants of a class
class M(Module):
  K : Final[int] = 5
  n : int
  def forward(self) -> int:
    return self.n
# module: Obj("__torch__.M", training=False, n=3)
#=== training flag
class M(Module):
  training : bool
  def forward(self) -> Tensor:
    x = torch.ones([3])
    if self.training:
      x = x * 2
    return torch.dropout(x, 0.5, self.training)
# module: Obj("__torch__.M", training=False)
#=== state between calls of methods
class M(Module):
  n : int
  xs : List[int]
  def forward(self) -> Tuple[int, List[int], int]:
    self.step(1)
    self.step(2)
    ys = self.xs
    self.xs = [0]
    ys.append(99)
    self.step(3)
    return (self.n, self.xs, len(ys))
  def step(self, k: int) -> NoneType:
    self.n = self.n + k
    self.xs.append(k)
# module: Obj("__torch__.M", training=False, n=0, xs=Typed("List[int]", []))
#=== lists and dictionaries of tensors that are written
class M(Module):
  d : Dict[str, Tensor]
  l : List[Tensor]
  def forward(self) -> Tuple[Dict[str, Tensor], List[Tensor], Tensor]:
    a = (self.d)["a"]
    a.add_(1)
    for t in self.l:
      t.mul_(2)
    (self.l)[0] = torch.zeros([1])
    x = (self.l)[1]
    x[0] = 100
    return (self.d, self.l, a)
# module: (lambda t: Obj("__torch__.M", training=False, d={"a": t, "b": t[1:]}, l=[torch.ones(1), torch.ones(2)]))(torch.arange(3.))
#=== views of parameters
class M(Module):
  w : Tensor
  def forward(self) -> Tuple[Tensor, Tensor, Tensor]:
    v = torch.t(self.w)
    r = (self.w)[0]
    r.zero_()
    v[2] += 5
    f = (self.w).view([-1])
    f[1:3].fill_(7)
    return (self.w, v, f)
# module: Obj("__torch__.M", training=False, w=torch.arange(6.).view(2, 3))
#=== mangled names
class ___torch_mangle_3:
  pass
class M(Module):
  def forward(self) -> int:
    return 1
#=== constants.pkl
class M(Module):
  def forward(self) -> Tensor:
    return CONSTANTS.c5
