#!/usr/bin/python3
"""Trains the demo model and writes deploy/demo/: digits.pt, digits.h5 and PyTorch's scores, digits.pytorch.h5.

The images are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository, CC BY 4.0), as Debian's python3-sklearn carries it: 1,797 images of 8 x 8 pixels, values 0 to 16.
The first 1,198 train the model; the last 599 are never seen in training.

usage: digits.py OUTPUT_DIR        needs python3-torch, python3-sklearn, python3-h5py
"""
import os
import sys

import h5py
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import shown_as

TRAINED_ON = 1198


def train(model, images, labels):
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
    for _ in range(30):
        for batch in torch.randperm(len(images)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def main(out):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    images = torch.from_numpy(digits.images.astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    digits_model = shown_as.load(os.path.join(os.path.dirname(__file__), "digits_model.py"), "/src/digits.py")
    model = train(digits_model.Digits(), images[:TRAINED_ON], labels[:TRAINED_ON])
    with torch.no_grad():
        scores = model(images)
    torch.jit.script(model).save(f"{out}/digits.pt")
    with h5py.File(f"{out}/digits.h5", "w") as f:
        f.attrs["source"] = "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, CC BY 4.0"
        f.attrs["trained_on_first"] = TRAINED_ON
        f.create_dataset("images", data=images.numpy(), chunks=(256, 1, 8, 8), compression="gzip", shuffle=True)
        f.create_dataset("labels", data=labels.numpy().astype(np.uint8))
    with h5py.File(f"{out}/digits.pytorch.h5", "w") as f:
        f.create_dataset("output", data=scores.numpy())
    right = scores.argmax(1) == labels
    print(f"accuracy: {right.float().mean():.4f} of all, {right[TRAINED_ON:].float().mean():.4f} of the {len(right) - TRAINED_ON} not trained on")


if __name__ == "__main__":
    main(*sys.argv[1:])
