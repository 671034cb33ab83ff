# Conjugate and negative views: what is written to one is seen in the other; copies and results are resolved.
#=== written through a conjugate
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor, bool, bool]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    y = torch.conj(x)
    _0 = torch.add_(y, x)
    _1 = torch.mul_(torch.select(y, 0, 1), y[0])
    _2 = torch.copy_(torch.select(y, 1, 0), torch.conj(x[0]))
    return (x, y, torch.is_conj(y), torch.is_conj(x))
#=== written through the base
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    h, i, r = torch.adjoint(x), torch.imag(torch.conj(x)), torch.real(torch.conj(x))
    _0 = torch.fill_(torch.select(x, 0, 0), 2.5)
    _1 = torch.fill_(torch.select(i, 0, 1), 7)
    _2 = torch.add_(r, 1)
    return (x, h, i, r)
#=== the bits of results
class M(Module):
  def forward(self) -> List[bool]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    y = torch.conj(x)
    n = torch.imag(y)
    return [torch.is_conj(y), torch.is_conj(torch.conj(y)), torch.is_neg(n), torch.is_neg(torch.imag(x)), torch.is_conj(torch.clone(y)),
            torch.is_conj(torch.t(y)), torch.is_conj(torch.reshape(y, [4])), torch.is_conj(torch.reshape(torch.t(y), [4])),
            torch.is_conj(torch.contiguous(y)), torch.is_conj(torch.contiguous(torch.t(y))), torch.is_conj(torch.to(y, 9)), torch.is_conj(torch.to(y, 10)),
            torch.is_conj(torch.detach(y)), torch.is_conj(torch.resolve_conj(y)), torch.is_conj(torch.conj_physical(y)), torch.is_conj(torch.add(y, y)),
            torch.is_neg(torch.resolve_neg(n)), torch.is_neg(torch.unsqueeze(n, 0)), torch.is_conj(torch.cat([x, y])), torch.is_conj(torch.split(y, 1)[1]),
            torch.is_neg(torch.real(torch._neg_view(x))), torch.is_neg(torch.imag(torch.conj(torch._neg_view(x)))), torch.is_conj(torch.resolve_conj(torch.conj(torch._neg_view(x))))]
#=== conjugates in containers and forks
def _double(x: Tensor) -> Tensor:
  return torch.add_(x, x)
class M(Module):
  def forward(self) -> Tuple[Tensor, List[Tensor], Dict[str, Tensor], Tensor]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    l = [x, torch.conj(x)]
    _0 = torch.append(l, torch.mH(x))
    _1 = torch.mul_(l[1], 1j)
    d = {"i": torch.imag(l[2]), "c": l[2]}
    s = torch.stack(l)
    _2 = torch.sub_(d["i"], 1)
    return (s, l, d, torch.matmul(l[2], x))
#=== numbers of conjugates
class M(Module):
  def forward(self) -> Tuple[complex, float, bool, bool]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    y = torch.conj(x)
    c = annotate(complex, torch.item(y[1][1]))
    f = annotate(float, torch.item(torch.imag(y)[1][0]))
    return (c, f, torch.equal(y, x), torch.equal(torch.conj(y), x))
#=== negative views printed
class M(Module):
  def forward(self) -> str:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    n = torch.imag(torch.conj(x))
    print(n, torch._neg_view(torch.arange(3)))
    return "{}".format(n[1])
#=== negative views of numbers
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor, Tensor]:
    x = torch.arange(6)
    n = torch._neg_view(torch.view(x, [2, 3]))
    _0 = torch.fill_(torch.select(n, 1, 0), 5)
    _1 = torch.zero_(torch.select(n, 1, 2))
    _2 = torch.add_(n, x[1])
    return (x, n, torch.to(n, 6))
#=== in place with both in the arguments
class M(Module):
  def forward(self) -> Tuple[Tensor, Tensor]:
    x = torch.view_as_complex(torch.view(torch.to(torch.arange(8), 6), [2, 2, 2]))
    y = torch.conj(x)
    _0 = torch.add_(x, y)
    _1 = torch.add(x, y, alpha=1, out=y)
    return (x, y)
#=== a conjugate seen as reals
class M(Module):
  def forward(self) -> Tensor:
    return torch.view_as_real(torch.conj(torch.ones([2], dtype=9)))
#=== a conjugate seen as another type
class M(Module):
  def forward(self) -> Tensor:
    return torch.view(torch.conj(torch.ones([2], dtype=9)), dtype=4)
#=== a negative view as another type
class M(Module):
  def forward(self) -> Tensor:
    return torch.view(torch._neg_view(torch.ones([2])), dtype=3)
#=== state that is a conjugate
class M(Module):
  w : Tensor
  def forward(self) -> Tuple[Tensor, Tensor]:
    c = torch.conj(self.w)
    self.w = c
    _0 = torch.add_(self.w, 1j)
    return (torch.mul(self.w, 1), c)
# module: Obj("__torch__.M", training=False, w=torch.tensor([1+2j, 3-1j]))
#=== a list of a negative view
class M(Module):
  def forward(self) -> List[float]:
    return annotate(List[float], torch.imag(torch.conj(torch.view_as_complex(torch.ones([2, 2])))).tolist())
