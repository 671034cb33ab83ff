#!/usr/bin/env python3
"""Makes tests/data/quantised_new.pt: what PyTorch 2 fuses into quantised layers (additions, leaky_relu, tanh), and a
recurrent network, with parameters packed as the model runs. Needs PyTorch 2; what the model gives is printed for
tests/unit/worker/test_quant_model.c.

usage: quantised_new.py DIR
"""
import os
import sys
from typing import List

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        q = torch.quantize_per_tensor(x, 0.5, 120, torch.quint8)
        w = torch.quantize_per_tensor(torch.remainder(torch.arange(16.), 5).view(2, 2, 2, 2) - 2, 0.25, 0, torch.qint8)
        conv = torch.ops.quantized.conv2d_prepack(w, torch.tensor([1.0, -2.5]), [1, 1], [0, 0], [1, 1], 1)
        added = torch.quantize_per_tensor(torch.arange(8.).view(1, 2, 2, 2), 0.1, 3, torch.quint8)
        v = torch.quantize_per_tensor(torch.remainder(torch.arange(6.), 4).view(2, 3) - 1, 0.25, 0, torch.qint8)
        linear = torch.ops.quantized.linear_prepack(v, torch.tensor([0.5, -1.0]))
        row = q.reshape(-1, 3)
        out: List[Tensor] = [
            torch.ops.quantized.conv2d_add(q, added, conv, 0.3, 100).dequantize(),
            torch.ops.quantized.conv2d_add_relu(q, added, conv, 0.3, 10).dequantize(),
            torch.ops.quantized.linear_leaky_relu(row, linear, 0.1, 90, 0.2).dequantize(),
            torch.ops.quantized.linear_tanh(row, linear, 0.01, 128).dequantize()]
        gates = torch.remainder(torch.arange(42.), 11) / 5 - 1  # of two units of a GRU
        cell = torch.ops.quantized.make_quantized_cell_params(gates[:18].view(6, 3), gates[18:30].view(6, 2), gates[30:36], gates[36:])
        out.append(torch.quantized_gru(x.view(3, 2, 3), torch.zeros(1, 2, 2), [cell], True, 1, 0.0, False, False, False)[0])
        wrapped = torch.ops._quantized._wrapped_linear_prepack(gates[:6].view(2, 3), torch.tensor(0.01), torch.tensor(0), gates[6:8])
        out.append(torch.ops._quantized._wrapped_quantized_linear_prepacked(x.view(6, 3), torch.tensor(0.5), torch.tensor(120), wrapped, torch.tensor(0.1),
                                                                            torch.tensor(90), 2))
        return torch.cat([t.flatten() for t in out])


torch.backends.quantized.engine = "onednn"
x = torch.remainder(torch.arange(18.), 7).view(1, 2, 3, 3) - 3
model = torch.jit.script(Net().eval())
model.save(os.path.join(sys.argv[1], "quantised_new.pt"))
print([float("%.9g" % v) if abs(v * 100 - round(v * 100)) > 1e-4 else round(v, 2) for v in model(x).tolist()])
