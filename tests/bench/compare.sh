#!/usr/bin/env bash
# Compares tsbatch with ONNX Runtime and PyTorch on one core: samples per second, interleaved, outputs checked.
# usage: compare.sh TSBATCH [--install] [--venv DIR] [options of compare.py: --models NAME,… --rounds N --seconds S]
#   --install   makes the virtual environment DIR (default: ~/.cache/tsbatch-bench, 6 GB) with PyTorch and ONNX Runtime
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tsbatch=$(realpath "$1")
shift
venv=${XDG_CACHE_HOME:-$HOME/.cache}/tsbatch-bench install=no rest=()
while [ $# -gt 0 ]; do
    case $1 in
    --install) install=yes ;;
    --venv) venv=$2; shift ;;
    *) rest+=("$1") ;;
    esac
    shift
done
if [ $install = yes ] && ! "$venv/bin/python" -c 'import torch, torchvision, onnxruntime, onnx, h5py' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 onnxruntime onnx h5py
fi
[ -x "$venv/bin/python" ] || { echo "no PyTorch in $venv: give --install, or --venv DIR of one that has it"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -O3 -o "$work/fma_peak" "$here/fma_peak.c"
export OMP_NUM_THREADS=1
exec "$venv/bin/python" -W ignore "$here/compare.py" "$tsbatch" "$work" ${rest[@]+"${rest[@]}"}
