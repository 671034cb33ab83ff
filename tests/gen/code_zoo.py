#!/usr/bin/python3
"""Writes tests/goldens/code/NAME.graph and .code: what PyTorch prints for loaded modules that use the statements and
expressions of the language, one golden pair per class below.

usage: code_zoo.py GOLDEN_DIR        needs python3-torch (1.13)
"""
import io
import os
import sys
from typing import Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn


class Loops(nn.Module):
    def forward(self, x: Tensor, n: int, o: Optional[Tensor]):
        y = x
        while bool(y.sum() > 0):
            y = torch.neg(y)
            for i in range(n):
                if i > 2:
                    y = y + i
                    continue
                if i == 1:
                    break
                y = y * 2
        if o is not None:
            y = y + o
        return y, n


class EarlyReturns(nn.Module):
    def forward(self, x: Tensor, n: int) -> Tensor:
        for i in range(n):
            if i > 3:
                return x
            x = x + 1
        while n > 0:
            n -= 1
            if n == 5:
                return x * 2
        return x


class Containers(nn.Module):
    def forward(self, x: Tensor, l: List[Tensor], d: Dict[str, Tensor]):
        out: List[Optional[Tensor]] = []
        for t in l:
            out.append(t)
        m = torch.jit.annotate(List[int], [])
        for i, (a, b) in enumerate(zip(l, l)):
            m.append(i)
        if "key" in d:
            z = d["key"]
        else:
            z = x
        d["a very long string constant that must be split out of line"] = z
        w = [q * 2 for q in l]
        v = x[0, :, 1:2]
        x[0] = 1.5
        s = "{} and {}".format(x.size(0), 'it\'s "q"\n')
        print(s, m)
        assert x.dim() == 2, "bad"
        return out, torch.cat([x, z], dim=1), w, v, {"k": x}, s


class Values(nn.Module):
    def forward(self, x: Tensor, y: Optional[int], u: Tuple[int, float]):
        if y is None:
            y = 3
        fut = torch.jit.fork(torch.relu, x)
        k = torch.jit.wait(fut)
        a, b = torch.max(x, 0)
        mx = torch.max(x, 0)
        t = (1, 2.5, "s")
        h: List[float] = x[0].tolist()
        if x.dtype == torch.float32 and x.size(0) > 2:
            raise ValueError("too big: " + str(x.size(0)))
        e = torch.zeros([2, 3], dtype=torch.float32, device=x.device) + torch.arange(0, 10, dtype=torch.long)[0]
        numbers = float(y), int(x[0, 0]), bool(x.sum()), 2 - x, x // 2, -3 % x.size(0), x.size(0) / 2, 0.1, -0.0
        return k, a, b, mx.values, t[1:], u[0], h, e, torch.add(x, x, alpha=2.), torch.clamp(x, min=0.1), numbers


class Splits(nn.Module):
    def forward(self, x: Tensor, h: Tuple[Tensor, Tensor]):
        a, b = h
        o = []
        for i in range(0, x.size(0), 2):
            g = torch.chunk(torch.mm(x[i], a) + torch.mm(x[i], b), 4, 1)
            a = torch.sigmoid(g[0]) * torch.tanh(g[1]) + torch.sigmoid(g[2]) * torch.tanh(g[3])
            o.append(a)
        e: Dict[str, int] = {}
        with torch.no_grad():
            a = a + 1
        with torch.no_grad() as q:
            pass
        return torch.stack(o), (a, b), e, x[..., None], x[x > 0], [[1, 2], [3]], (x,), "caf\u00e9"


def main(goldens):
    os.makedirs(goldens, exist_ok=True)
    for cls in Loops, EarlyReturns, Containers, Values, Splits:
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(cls().eval()), buffer)
        buffer.seek(0)
        loaded = torch.jit.load(buffer)
        # Positions are of no interest here, and would name the machine's files.
        graph = "".join(line.split(" # ")[0].rstrip("\n") + "\n" for line in str(loaded.graph).splitlines())
        for kind, text in ("graph", graph), ("code", loaded.code):
            with open(os.path.join(goldens, f"{cls.__name__}.{kind}"), "w") as f:
                f.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
