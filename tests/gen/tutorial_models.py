"""The cells, gates and loops that a first TorchScript lesson builds: see tutorial.py.

Gates take either branch depending on the data, so that a wrong branch shows in the numbers.
"""
from typing import Tuple

import torch
from torch import nn


class PlainCell(nn.Module):
    def forward(self, x, h):
        new_h = torch.tanh(x + h)
        return new_h, new_h


class LinearCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x, h):
        new_h = torch.tanh(self.linear(x) + h)
        return new_h, new_h


class DecisionGate(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        else:
            return -x


class GatedCell(nn.Module):
    def __init__(self, gate):
        super().__init__()
        self.dg = gate
        self.linear = nn.Linear(4, 4)

    def forward(self, x, h):
        new_h = torch.tanh(self.dg(self.linear(x)) + h)
        return new_h, new_h


class RNNLoop(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, xs):
        h, y = torch.zeros(3, 4), torch.zeros(3, 4)
        for i in range(xs.size(0)):
            y, h = self.cell(xs[i], h)
        return y, h


class WrapRNN(nn.Module):
    def __init__(self, loop):
        super().__init__()
        self.loop = loop

    def forward(self, xs):
        y, h = self.loop(xs)
        return torch.relu(y)


def build():
    """name -> (scripted or traced module, shapes of one sample's arguments by name)."""
    torch.manual_seed(1)
    cell = {"x": (3, 4), "h": (3, 4)}
    loop = {"xs": (10, 3, 4)}
    x, h = torch.rand(3, 4), torch.rand(3, 4)
    models = {}
    models["cell_traced"] = torch.jit.trace(PlainCell(), (x, h)), cell
    models["cell_scripted"] = torch.jit.script(PlainCell()), cell
    linear = LinearCell()
    models["linear_cell_traced"] = torch.jit.trace(linear, (x, h)), cell
    models["linear_cell_scripted"] = torch.jit.script(linear), cell
    gated = GatedCell(torch.jit.script(DecisionGate()))
    models["gated_cell_traced"] = torch.jit.trace(gated, (x, h)), cell
    models["gated_cell_scripted"] = torch.jit.script(gated), cell
    rnn = torch.jit.script(RNNLoop(torch.jit.trace(gated, (x, h))))
    models["rnn_loop"] = rnn, loop
    models["wrap_rnn"] = torch.jit.trace(WrapRNN(rnn), torch.rand(10, 3, 4)), loop
    return models
