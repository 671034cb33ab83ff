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


MODELS = {"raising": Raising, "counting": Counting, "named": Named, "nested": Nested, "ragged": Ragged, "images": Images,
          "numbers": Numbers, "restoring": Restoring, "branching": Branching, "demanding": Demanding}
