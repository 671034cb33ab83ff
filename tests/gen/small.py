#!/usr/bin/python3
"""Writes tests/data/NAME.pt for the models of small_models.py, scripted.

usage: small.py DATA_DIR        needs python3-torch (1.13)
"""
import os
import sys

import torch

import shown_as


def main(data):
    module = shown_as.load(os.path.join(os.path.dirname(__file__), "small_models.py"), "/src/small.py")
    for name, model in module.MODELS.items():
        torch.jit.script(model()).save(os.path.join(data, name + ".pt"))


if __name__ == "__main__":
    main(*sys.argv[1:])
