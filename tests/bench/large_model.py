#!/usr/bin/python3
"""Writes FOLDER/large.pt, a stack of transformer blocks with GB of weights (default 3), and FOLDER/large.h5, 64 samples for it.

usage: large_model.py FOLDER [GB]        needs python3-torch and python3-h5py
Then: memory.py TSBATCH FOLDER/large.pt FOLDER/large.h5 4 --stages 4 -b 4
"""
import os
import sys

import h5py
import numpy as np
import torch
from torch import nn

WIDTH, INNER, HEADS, LENGTH, SAMPLES = 2048, 8192, 16, 16, 64


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.heads = HEADS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        heads = self.qkv(self.before_attention(x)).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = heads[0], heads[1], heads[2]
        weights = torch.softmax(q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return x + self.narrow(nn.functional.gelu(self.wide(self.before_mlp(x))))


class Stack(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks, self.head = nn.Sequential(*[Block() for _ in range(blocks)]), nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x).mean(1))


def main(folder, gigabytes=3):
    torch.manual_seed(0)
    block = 4 * sum(p.numel() for p in Block().parameters())
    with torch.no_grad():
        torch.jit.script(Stack(round(float(gigabytes) * 1e9 / block)).eval()).save(os.path.join(folder, "large.pt"))
    with h5py.File(os.path.join(folder, "large.h5"), "w") as f:
        f["x"] = np.random.default_rng(0).standard_normal((SAMPLES, LENGTH, WIDTH)).astype(np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])
