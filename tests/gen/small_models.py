"""Small models with one peculiarity each: see small.py."""
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import nn


class Raising(nn.Module):
    """Raises on a batch that holds a negative value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x < 0).any()):
            raise ValueError("negative value in the batch")
        return x * 2


class Counting(nn.Module):
    """Counts its calls in a buffer and in an attribute: stateful."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.count += 1
        return x + self.calls + self.count


class Point(NamedTuple):
    twice: torch.Tensor
    total: torch.Tensor


class Named(nn.Module):
    """Two arguments of different types, one with a default, and a NamedTuple result."""

    def forward(self, x: torch.Tensor, y: torch.Tensor, scale: Optional[torch.Tensor] = None) -> Point:
        z = x + y.to(torch.float32)
        if scale is not None:
            z = z * scale
        return Point(z * 2, z.sum(dim=1))


class Nested(nn.Module):
    """A dict of tensors beside a tuple."""

    def forward(self, x: torch.Tensor) -> Tuple[Dict[str, torch.Tensor], Tuple[torch.Tensor, torch.Tensor]]:
        return {"double": x * 2, "positive": x > 0}, (x.sum(1), x.to(torch.int64))


class Ragged(nn.Module):
    """Per sample: as many rows as there are positive values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[x > 0]


class Images(nn.Module):
    """A list of images of any size gives a list of dicts, like a detector."""

    def forward(self, images: List[torch.Tensor]) -> List[Dict[str, torch.Tensor]]:
        result: List[Dict[str, torch.Tensor]] = []
        for image in images:
            result.append({"mean": image.mean(), "above": image[image > image.mean()]})
        return result


class Numbers(nn.Module):
    """A number argument and a number result per sample."""

    def forward(self, x: torch.Tensor, n: int) -> Tuple[float, int, bool]:
        return float(x.sum()) * n, n + 1, n > 2


class Restoring(nn.Module):
    """Keeps its state in a form of its own: __setstate__ makes the attributes."""

    def __init__(self):
        super().__init__()
        self.weight = torch.ones(3)
        self.shift = 1

    @torch.jit.export
    def __getstate__(self):
        return (self.weight * 2, self.shift, self.training)

    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, int, bool]):
        self.weight = state[0]
        self.shift = state[1] + 5
        self.training = state[2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.shift


class Branching(nn.Module):
    """Has an operator that is only there on a GPU, in a branch that a large sum takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 1e6):
            x = torch.cudnn_grid_sampler(x, x)
        return x + 1


class Demanding(nn.Module):
    """The same, and another one that every call runs."""

    def __init__(self):
        super().__init__()
        self.branching = Branching()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cudnn_convolution_relu(self.branching(x), x, None, [1], [0], [1], 1)


class Drawing(nn.Module):
    """Draws random numbers of several kinds, between operations that do not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.rand_like(x)
        b = (x * a).cumsum(0)
        c = b + torch.randn_like(x)
        d = torch.bernoulli(torch.sigmoid(c))
        e = torch.tanh(c) * d
        return e + torch.randint(0, 9, [x.size(0), x.size(1)]) + torch.randn(1)


class Striding(nn.Module):
    """Looks behind a view at all of the memory that it is a part of."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        view = torch.cat([x, x * 2])[x.size(0):]
        z = torch.sigmoid(view)
        return torch.as_strided(view, [view.size(0), 2], [x.size(1), 1], 0) + z[:, :2] + view.storage_offset()


@torch.jit.script
class Ledger:
    """An object with a list, a dictionary, and another of its kind."""

    def __init__(self, name: str, first: torch.Tensor):
        self.name = name
        self.items = [first]
        self.found = {"first": first}
        self.total = 0

    def add(self, item: torch.Tensor):
        self.items.append(item)
        self.found[self.name + str(len(self.items))] = item
        self.total += item.size(1)


class Carrying(nn.Module):
    """Carries values of every kind through its steps, some of which share memory and are changed in place later on."""

    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        y = x * 2
        view = y[:, 1:]
        ledger = Ledger("item", y)
        same = ledger
        maybe: Optional[torch.Tensor] = None
        parts = [x.sum(1), x.max(1)[0]]
        nested = {3: (parts, "three"), 1: (parts, "one")}
        flipped = y.t()
        z = torch.sigmoid(x)
        view += 1
        ledger.add(z)
        if z.size(0) > 1000:
            maybe = z
        parts.append(z.mean(1))
        w = torch.tanh(z)
        same.add(w)
        flipped.mul_(3)
        lists, word = nested[3]
        number = len(lists) + ledger.total + len(word)
        u = w * number
        return {"y": y, "view": view, "u": u if maybe is None else z, "last": nested[1][0][2], "sum": torch.stack([v.sum(1) for v in ledger.items], 1),
                "third": same.found["item3"]}


MODELS = {"raising": Raising, "counting": Counting, "named": Named, "nested": Nested, "ragged": Ragged, "images": Images,
          "numbers": Numbers, "restoring": Restoring, "branching": Branching, "demanding": Demanding, "drawing": Drawing,
          "carrying": Carrying, "striding": Striding}
