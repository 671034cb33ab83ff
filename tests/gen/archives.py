#!/usr/bin/python3
"""Writes archives of every form and version into a folder (tests/data/archives): by hand those that no PyTorch writes any
more, and with the PyTorch that runs it what that one writes. Their results are checked in by conformance_runner --write
and compared with PyTorch by tests/conformance/programs.py --golden.

usage: archives.py FOLDER [hand]     hand: only those made by hand; else those of this PyTorch (NAME_VERSION.pt)
"""
import io
import os
import sys
import zipfile
from enum import Enum as Enum_
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.jit import Final

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shown_as  # noqa: E402
from handmade import Device, Enum, Obj, Typed, save  # noqa: E402

# ---- by hand: versions and upgraders (torchscript.md section 6)

DIV = '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    i = torch.tensor([7, -7, 5])
    j = torch.tensor([2, 2, -3])
    f = torch.tensor([7., -7., 5.])
    k = i.clone()
    out = torch.zeros([3])
    a = torch.div(i, j)
    b = torch.div(i, 2)
    c = torch.div(f, j)
    d = torch.div(i, 2.5)
    torch.div_(k, j)
    e = torch.div(f, 2, rounding_mode="floor")
    torch.div(f, j, out=out)
    return (a, b, c, d, k, e, out)
'''
DIV_METHODS = '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    i = torch.tensor([7, -7, 5])
    a = i / 2
    b = i.div(2)
    k = i.clone()
    k /= 3
    return (a, b, k, __torch__.free(i))
def free(i: Tensor) -> Tensor:
  return torch.div(i, 2)
'''
FULL = '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    out = torch.zeros([2], dtype=4)
    a = torch.full([2], 3)
    b = torch.full([2], 3.5)
    c = torch.full([2], 3, dtype=4)
    d = torch.full([2], 1, dtype=11)
    torch.full([2], 5, out=out)
    return (a, b, c, d, out)
'''
STEPS = '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    a = torch.linspace(0, 99)
    b = torch.linspace(0, 10, 5)
    c = torch.logspace(0, 2)
    d = torch.logspace(0, 2, steps=3)
    return (a, b, c, d)
'''
GELU = '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self) -> Tuple[Tensor, Tensor]:
    x = torch.tensor([-1., 0., 2.])
    return (torch.gelu(x), ops.aten.gelu(x))
'''
TAGLESS = '''op_version_set = 1
import __torch__
class Sub(Module):
  __parameters__ = ["w", ]
  __buffers__ = []
  training : bool
  w : Tensor
  names : List[str]
  def forward(self: __torch__.Sub, x: Tensor) -> Tensor:
    return torch.mul(x, self.w)
class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  xs : List[int]
  ts : List[Tensor]
  d : Dict[str, List[float]]
  o : Optional[List[bool]]
  t : Tuple[List[int], str]
  empty : List[str]
  sub : __torch__.Sub
  def forward(self) -> Tuple[List[int], Tensor, float, int, List[int], List[str], bool]:
    self.xs.append(5)
    x = (self.sub).forward((self.ts)[1], )
    f = (self.d)["a"][1]
    o = torch._unwrap_optional(self.o)
    self.empty.append("new")
    y = annotate(Any, self.xs)
    return (self.xs, x, f, len(o), (self.t)[0], self.empty, isinstance(y, List[int]))
'''


def by_hand(folder):
    def put(name, root, text, **options):
        save(os.path.join(folder, name + ".pt"), root, {"__torch__": text} if isinstance(text, str) else text, **options)

    plain = lambda: Obj("__torch__.M", training=False)
    for version in (1, 2, 3, 4):
        put(f"div_v{version}", plain(), DIV, version=version)
    put("div_methods_v3", plain(), DIV_METHODS, version=3)
    put("div_methods_v4", plain(), DIV_METHODS, version=4)
    for version in (2, 4, 5):
        put(f"full_v{version}", plain(), FULL, version=version)
    put("steps_v7", plain(), STEPS, version=7)
    put("steps_v8", plain(), STEPS.replace("torch.linspace(0, 99)", "torch.linspace(0, 99, 100)"), version=8)
    put("steps_v9", plain(), STEPS, version=9)  # refused: steps has no default any more
    put("gelu_v9", plain(), GELU, version=9)
    put("gelu_v10", plain(), GELU.replace("ops.aten.gelu(x)", "torch.gelu(x, approximate=\"tanh\")"), version=10)
    for version in (1, 2):
        sub = Obj("__torch__.Sub", training=False, w=torch.tensor([2., 3.]), names=Typed("List[str]", ["a"]))
        put(f"tagless_v{version}", Obj("__torch__.M", training=False, xs=[1, 2], ts=[torch.ones(2), torch.tensor([1., 2.])], d={"a": [0.5, 1.5]}, o=[True, False],
                                       t=([1], "s"), empty=Typed("List[str]", []), sub=sub), TAGLESS, version=version)
    put("version_0", plain(), GELU, version=0)
    put("version_11", plain(), GELU, version=11)
    many = {"__torch__": '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  a : __torch__.pkg.mod.A
  b : __torch__.pkg.mod.___torch_mangle_0.A
  def forward(self) -> Tuple[int, str, int]:
    nt = __torch__.pkg.types.NT(3, "x")
    return ((self.a).forward(2, ) + (self.b).forward(2, ), nt.s, __torch__.pkg.___torch_mangle_7.helper(4, ))
''', "__torch__.pkg.mod": '''class A(Module):
  n : int
  def forward(self: __torch__.pkg.mod.A, x: int) -> int:
    return x * self.n
''', "__torch__.pkg.mod.___torch_mangle_0": '''class A(Module):
  n : int
  def forward(self: __torch__.pkg.mod.___torch_mangle_0.A, x: int) -> int:
    return x + self.n * 100
''', "__torch__.pkg.types": "class NT(NamedTuple):\n  n : int\n  s : str\n", "__torch__.pkg.___torch_mangle_7": "def helper(n: int) -> int:\n  return n * 7\n"}
    put("many_files", Obj("__torch__.M", training=False, a=Obj("__torch__.pkg.mod.A", n=3), b=Obj("__torch__.pkg.mod.___torch_mangle_0.A", n=5)), many, version=3)
    put("crlf", plain(), GELU.replace("\n", "\r\n"), version=10)
    # compressed, another root, further records
    buffer = io.BytesIO()
    save(buffer, Obj("__torch__.M", training=False, t=torch.arange(64.)), {"__torch__": '''class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  t : Tensor
  def forward(self) -> Tensor:
    return torch.sum(self.t)
'''}, version=5)
    with zipfile.ZipFile(buffer) as z, zipfile.ZipFile(os.path.join(folder, "deflated.pt"), "w", zipfile.ZIP_DEFLATED) as to:
        for name in reversed(z.namelist()):
            to.writestr(zipfile.ZipInfo("other root/" + name.split("/", 1)[1], (1980, 1, 1, 0, 0, 0)), z.read(name), zipfile.ZIP_DEFLATED)
        to.writestr(zipfile.ZipInfo("other root/extra/notes.txt"), "hello")


# ---- by the PyTorch that runs

class Point(NamedTuple):
    x: Tensor
    n: int


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 2)
        self.scale: float = 2.0

    def forward(self, x: Tensor, y: Optional[Tensor] = None) -> Tensor:
        x = self.lin(x) * self.scale
        if y is not None:
            x = x + y
        return x


class Scripted(nn.Module):
    """Parts of everything: submodules, lists of modules, containers, early returns, exceptions."""
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Inner(), Inner()])
        self.named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(2, 2)})
        self.seq = nn.Sequential(nn.Linear(2, 4), nn.GELU(), nn.LayerNorm(4), nn.Dropout(0.5))
        self.counts: Dict[str, int] = {"calls": 0}
        self.args_forward = (torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, 3.0]]), 2)

    def helper(self, x: Tensor, k: int) -> Point:
        if k > 3:
            raise ValueError("too many: {}".format(k))
        return Point(x * k, k)

    def forward(self, x: Tensor, k: int) -> Tuple[Tensor, List[int], Point, Dict[str, int]]:
        sizes: List[int] = []
        y = torch.zeros(2)
        for i, layer in enumerate(self.layers):
            y = y + layer(x, None if i == 0 else y)
            sizes.append(y.size(-1))
        for name, layer in self.named.items():
            y = layer(y)
        z = self.seq(y)
        self.counts["calls"] += 1
        for i in range(10):
            if i > k:
                return z[:, 0], sizes, self.helper(y, i), self.counts
        return z, sizes, Point(y, 0), self.counts


class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Scripted()
        self.args_forward = (torch.ones(2, 3), 5)

    def forward(self, x: Tensor, k: int) -> Tensor:
        return self.inner.helper(x, k).x


class Traced(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x):
        y = torch.relu(self.bn(self.conv(x)))
        return y.flatten(1).sum(1) * 2.5, y.mean((2, 3)), x.shape[0] + y.view(y.size(0), -1).max(1)[0]


class Dtypes(nn.Module):
    """Tensors of every type and layout as state."""
    def __init__(self):
        super().__init__()
        t = torch.arange(6.).view(2, 3)
        for name in ("float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64", "complex128"):
            self.register_buffer("as_" + name, t.to(getattr(torch, name)))
        self.register_buffer("transposed", t.t())
        self.register_buffer("row", t[1])
        self.register_buffer("expanded", torch.ones(1, 3).expand(4, 3))
        self.register_buffer("scalar", torch.tensor(2.5))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("nhwc", torch.arange(16.).view(1, 2, 2, 4).contiguous(memory_format=torch.channels_last))
        self.register_buffer("none", None)

    def forward(self) -> List[Tensor]:
        self.row.add_(100)
        return [self.as_float64, self.as_float16, self.as_bfloat16, self.as_int8, self.as_int16, self.as_int32, self.as_int64, self.as_uint8, self.as_bool, torch.view_as_real(self.as_complex64),
                torch.view_as_real(self.as_complex128), self.transposed, self.row, self.expanded, self.scalar, self.empty, self.nhwc]


def function(x: Tensor, n: int = 2, names: Optional[List[str]] = None) -> Tuple[Tensor, int]:
    total = 0
    for i in range(n):
        x = x + i
        total += i
    if names is not None:
        total += len(names)
    return x, total


class WithFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.args_forward = (torch.ones(2), 3)

    def forward(self, x: Tensor, n: int) -> Tuple[Tensor, int]:
        futures = [torch.jit.fork(function, x, i) for i in range(n)]
        out = x
        total = 0
        for f in futures:
            y, t = torch.jit.wait(f)
            out = out + y
            total += t
        return out, total


class Color(Enum_):
    RED = 1
    GREEN = 2


@torch.jit.script
class Counter:
    def __init__(self, n: int = 0):
        self.n = n
        self.log: List[str] = []

    @property
    def size(self) -> int:
        return len(self.log)

    def bump(self, k: int) -> int:
        self.n += 2 * k
        self.log.append(str(k))
        return self.n

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, type: Any, value: Any, tb: Any) -> None:
        self.log.append("exit")

    def __lt__(self, other: "Counter") -> bool:
        return self.n < other.n


@torch.jit.interface
class Layer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Packed(nn.Module):
    """Restores itself."""
    def __init__(self):
        super().__init__()
        self.w = torch.ones(2)
        self.names: List[str] = ["none"]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.w[0]

    @torch.jit.export
    def __getstate__(self):
        return (self.w, self.training, ["from state"])

    @torch.jit.export
    def __setstate__(self, state: Tuple[Tensor, bool, List[str]]):
        self.w = state[0] * 3
        self.training = state[1]
        self.names = state[2]


class Features(nn.Module):
    """What people script besides layers."""
    layer: Layer
    K: Final[int]

    def __init__(self):
        super().__init__()
        self.layer = Doubling()
        self.packed = Packed()
        self.K = 7
        self.color = Color.GREEN
        self.stages = nn.ModuleDict({"first": Doubling(), "second": nn.Identity()})
        self.missing: Optional[nn.Module] = None
        self.table: Dict[str, List[int]] = {"a": [1, 2], "b": [4]}
        self.pair: Tuple[int, str] = (3, "t")
        self.args_forward = (torch.tensor([1.0, -2.0, 0.5]), ["x", "yy"])

    @property
    def scale(self) -> int:
        return self.K * 2

    @torch.jit.unused
    def never(self, x: Tensor) -> Tensor:
        return x.numpy()

    @torch.jit.export
    def other(self, n: int) -> int:
        return n + self.K

    def forward(self, x: Tensor, names: List[str]) -> Tuple[Tensor, List[str], Dict[str, List[int]], int, Optional[Tensor]]:
        counter = Counter(1)
        with counter as c:
            c.bump(self.other(2))
        with torch.no_grad():
            y = self.layer(x) * self.scale
        for name, stage in self.stages.items():
            y = stage(y)
            counter.log.append(name)
        if self.missing is not None:
            y = y * 1000
        if self.color == Color.RED:
            return self.never(y), names, self.table, 0, None
        if self.color is Color.GREEN and isinstance(self.pair[1], str):
            y = y + self.color.value
        sorted_counters = sorted([Counter(5), Counter(2), counter])
        out: Optional[Tensor] = None
        total = sum([k.n for k in sorted_counters]) + counter.size
        try_names = [n.upper() for n in names]
        try_names += [f"{k}:{len(v)}" for k, v in self.table.items()] + ["%s=%d" % (self.pair[1], self.pair[0])]
        self.table["a"].append(self.pair[0])
        for i, (n, v) in enumerate(zip(names, y)):
            if i == 1:
                out = v + len(n)
                break
        else_sum = torch.jit.annotate(List[int], [])
        while len(else_sum) < 3:
            else_sum.append(len(else_sum) * 2 if len(else_sum) > 1 else 0)
        print("features", counter.log, else_sum, self.color)
        assert len(counter.log) == 5, "log has {}".format(len(counter.log))
        return self.packed(y), try_names + counter.log + self.packed.names, self.table, total, out


def pre_hook(self, input: Tuple[Tensor]) -> Tensor:
    return input[0] + 1


def hook(self, input: Tuple[Tensor], output: Tensor) -> Tensor:
    return output * 10


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Doubling()
        self.args_forward = (torch.tensor([1.0, 2.0]),)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class NoArguments(nn.Module):
    """Freezing leaves no attributes: forward makes its own input."""
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
        self.k: int = 3
        self.names: List[str] = ["a", "b"]

    def forward(self) -> Tuple[Tensor, int, List[str]]:
        x = torch.arange(6.).view(2, 3)
        if self.training:
            x = x * 100
        return self.net(x), self.k, self.names


def by_torch(folder, module):
    version = "".join(torch.__version__.split("+")[0].split(".")[:2])
    torch.manual_seed(0)
    path = lambda name: os.path.join(folder, f"{name}_{version}.pt")
    torch.jit.script(module.Scripted().eval()).save(path("scripted"))
    torch.jit.script(module.Raising().eval()).save(path("raising"))
    traced = torch.jit.trace(module.Traced().eval(), torch.rand(2, 1, 4, 4))

    torch.jit.script(module.Features().eval()).save(path("features"))
    hooked = module.Hooked().eval()
    hooked.register_forward_pre_hook(module.pre_hook)
    hooked.inner.register_forward_pre_hook(module.pre_hook)
    hooked.inner.register_forward_hook(module.hook)
    torch.jit.script(hooked).save(path("hooked"))
    torch.jit.script(module.WithFunction().eval()).save(path("forked"))
    torch.jit.script(module.Dtypes().eval()).save(path("dtypes"))
    plain = torch.jit.script(module.NoArguments().eval())
    plain.save(path("unfrozen"))
    torch.jit.freeze(plain).save(path("frozen"))
    torch.jit.freeze(plain, preserved_attrs=["k"], optimize_numerics=False).save(path("frozen_kept"))
    plain._save_for_lite_interpreter(path("lite"))
    torch.jit.save(torch.jit.script(module.no_arguments), path("function"))
    torch.jit.save(torch.jit.trace(module.traced_function, torch.zeros(())), path("traced_function"))
    holder = module.HoldsTraced(traced)
    torch.jit.script(holder.eval()).save(path("traced"))
    torch.save(module.NoArguments().state_dict(), path("state_dict"))


class HoldsTraced(nn.Module):
    def __init__(self, traced):
        super().__init__()
        self.traced = traced
        self.args_forward = (torch.linspace(-1, 1, 32).view(2, 1, 4, 4),)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        return self.traced(x)


def no_arguments() -> Tuple[Tensor, int]:
    return function(torch.arange(3.), 4, ["a", "b"])


def traced_function(x):
    return torch.stack([x + i * 0.5 for i in range(3)]).cumsum(0)


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    if sys.argv[2:] == ["hand"]:
        by_hand(sys.argv[1])
    else:
        by_torch(sys.argv[1], shown_as.load(os.path.abspath(__file__), "/src/archives.py"))
