# What is printed: texts of values, tensors, nested containers, warnings, errors of operators.
#=== tensors of all kinds
class M(Module):
  def forward(self) -> NoneType:
    print(torch.tensor(1.5), torch.tensor(3), torch.tensor(True))
    print(torch.zeros([0]), torch.zeros([2, 0]), torch.zeros([0, 3]))
    print(torch.arange(3), torch.tensor([1.5, 1000., -2.]), torch.tensor([1e-5, 1.]), torch.tensor([1e10, 1.]))
    print(torch.tensor([[1, 20], [300, 4]]), torch.tensor([[True, False]]))
    print(torch.arange(24).view([2, 3, 4]).to(6) * 0.25)
    print(torch.arange(40).view([1, 40]))
    print(torch.tensor([inf, 1., -inf, nan]), torch.tensor([0.001, 0.002]), torch.tensor([123456.5, 1.]))
    print(torch.ones([2], dtype=7), torch.ones([2], dtype=5), torch.ones([2], dtype=15), torch.ones([2], dtype=3), torch.ones([2], dtype=0))
    print(torch.tensor([[0.1, 22.33], [4444., 5.]]))
    print(torch.tensor([1e20, 1e-20]), torch.tensor([-1.5]), torch.tensor([100000., 2.]), torch.tensor([99999.5]))
    print(torch.zeros([2, 2, 2, 2]))
#=== complex tensors
class M(Module):
  def forward(self) -> NoneType:
    print(torch.tensor([1+2j, 3-1j]), torch.tensor(1j))
#=== containers of tensors
class M(Module):
  def forward(self) -> str:
    t = torch.ones([2])
    print([t, t], {"a": t}, (t, 1))
    return "{} {}".format([t], {"k": (t, [1.])})
#=== nested containers
class M(Module):
  def forward(self) -> str:
    a : List[Optional[int]] = [1, None]
    b : Dict[str, Dict[int, List[str]]] = {"x": {1: ["p", "q"]}, "y": annotate(Dict[int, List[str]], {})}
    return str(a) + str(b) + str(((1, ()), (2.,), "s")) + str([[True], annotate(List[bool], [])])
#=== order of printing and raising
class M(Module):
  def forward(self) -> int:
    print("first", 1)
    print("second", [1.5])
    xs = [1, 2]
    print(xs[5])
    return 1
#=== errors of operators
class M(Module):
  k : int
  args_forward : Tuple[int]
  def forward(self, k: int) -> Tensor:
    a, b = torch.ones([2, 3]), torch.ones([4])
    return a + b
# module: Obj("__torch__.M", training=False, k=0, args_forward=(0,))
#=== matmul of wrong sizes
class M(Module):
  def forward(self) -> Tensor:
    return torch.mm(torch.ones([2, 3]), torch.ones([2, 3]))
#=== cat of wrong sizes
class M(Module):
  def forward(self) -> Tensor:
    return torch.cat([torch.ones([2, 3]), torch.ones([2, 4])])
#=== view of a wrong size
class M(Module):
  def forward(self) -> Tensor:
    return torch.ones([2, 3]).view([4, -1])
#=== reshape of a wrong size
class M(Module):
  def forward(self) -> Tensor:
    return torch.reshape(torch.ones([2, 3]), [4])
#=== index out of range
class M(Module):
  def forward(self) -> Tensor:
    return torch.embedding(torch.ones([2, 3]), torch.tensor([0, 5]))
#=== a dimension out of range
class M(Module):
  def forward(self) -> Tensor:
    return torch.sum(torch.ones([2, 3]), [4])
#=== a message over several lines
class M(Module):
  def forward(self) -> NoneType:
    ops.prim.RaiseException("one\ntwo\nthree", "builtins.ValueError")
#=== an exception of a submodule
class Sub(Module):
  def forward(self: __torch__.Sub, n: int) -> int:
    if n > 2:
      ops.prim.RaiseException(torch.add("AssertionError: ", "n is {}".format(n)))
    return n
class M(Module):
  sub : __torch__.Sub
  def forward(self) -> int:
    x = 0
    for i in range(5):
      x += (self.sub).forward(i, )
      print(x)
    return x
# module: Obj("__torch__.M", training=False, sub=Obj("__torch__.Sub", training=False))
#=== an exception in a comprehension in a function
class M(Module):
  def forward(self) -> List[int]:
    return [__torch__.f(i) for i in range(3)]
def f(i: int) -> int:
  return 10 // (1 - i)
#=== exceptions in branches that return
class M(Module):
  def forward(self) -> List[int]:
    return [self.f(1), self.f(2), self.f(0)]
  def f(self, n: int) -> int:
    if n == 1:
      return 5
    elif n == 2:
      return 6
    else:
      ops.prim.RaiseException("bad {}".format(n), "builtins.KeyError")
      return 0
