#!/usr/bin/env bash
# Runs run.py with the system's Python, whose torch is Debian's; exit code 77 (skipped) where that has no torch.
# With --script NAME.py first: another script of this folder.
/usr/bin/python3 -c 'import torch, torchvision, h5py' 2>/dev/null || { echo "no python3-torch, python3-torchvision and python3-h5py here: not compared with PyTorch"; exit 77; }
export OPENBLAS_NUM_THREADS=1
script=run.py
[ "$1" != --script ] || { script=$2; shift 2; }
exec /usr/bin/python3 "$(dirname "$0")/$script" "$@"
