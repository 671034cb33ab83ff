#!/usr/bin/python3
"""Writes the tutorial's models (tests/data/tutorial/NAME.pt) and what PyTorch prints for them once loaded
(tests/goldens/tutorial/NAME.tree, .graph, .code: print(module), .graph and .code of forward).

usage: tutorial.py DATA_DIR GOLDEN_DIR        needs python3-torch (1.13)
"""
import os
import sys

import torch

import shown_as


def main(data, goldens):
    torch.set_num_threads(1)
    models = shown_as.load(os.path.join(os.path.dirname(__file__), "tutorial_models.py"), "/src/tutorial.py").build()
    os.makedirs(data, exist_ok=True)
    os.makedirs(goldens, exist_ok=True)
    for name, (module, _) in models.items():
        path = os.path.join(data, name + ".pt")
        module.save(path)
        loaded = torch.jit.load(path)
        for kind, text in ("tree", str(loaded)), ("graph", str(loaded.graph)), ("code", loaded.code):
            with open(os.path.join(goldens, f"{name}.{kind}"), "w") as f:
                f.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
