#!/usr/bin/python3
"""Compares tsbatch with PyTorch on the models of zoo.py: builds, saves, scores with both, compares.

A result is right when its relative L2 distance to PyTorch in float64 is at most 1e-5 (tutorial: 1e-6 to PyTorch's own
float32), or at most twice that of PyTorch in float32 where that is larger, which the line then says.

With --identical, the same job is run again on 2 and 8 ranks, with 2 lanes, and killed after its first batches and
resumed: every data set must have the same bytes.

usage: run.py TSBATCH FAMILY [NAME ...] [--identical] [--keep DIR]        exit code 1 when anything differs
"""
import argparse
import copy
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import torch

import zoo


def flatten(value, path="/output"):
    """(data set, tensor) pairs as tsbatch names results."""
    if value is None:
        return
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from flatten(v, f"{path}/{k}")
    elif hasattr(value, "_fields"):
        for k in value._fields:
            yield from flatten(getattr(value, k), f"{path}/{k}")
    else:
        for i, v in enumerate(value):
            yield from flatten(v, f"{path}/{i}")


def score(module, case, double):
    """What PyTorch gives for all samples: data set -> array."""
    inputs = {k: v.double() if double and v.is_floating_point() else v for k, v in case.inputs.items()}
    count = len(next(iter(inputs.values())))
    step = 1 if case.per_sample else case.batch
    parts = {}
    with torch.no_grad():
        for first in range(0, count, step):
            args = [v[first] if case.per_sample else v[first:first + step] for v in inputs.values()]
            for path, result in flatten(module(*args)):
                parts.setdefault(path, []).append(result.unsqueeze(0) if case.per_sample else result)
    return {path: torch.cat(p).numpy() for path, p in parts.items()}


def distance(a, reference):
    reference = reference.astype(np.float64)
    return float(np.linalg.norm(a.astype(np.float64) - reference) / max(np.linalg.norm(reference), 1e-300))


def compare(case, output, exact, single):
    """Lines about what is wrong, and the largest relative distance."""
    wrong, worst = [], 0.0
    with h5py.File(output) as f:
        found = []
        f["/output"].visititems(lambda n, o: found.append("/output/" + n) if isinstance(o, h5py.Dataset) else None) \
            if isinstance(f["/output"], h5py.Group) else found.append("/output")
        if sorted(found) != sorted(single):
            return [f"data sets {sorted(found)}, PyTorch gives {sorted(single)}"], float("nan")
        for path, want in single.items():
            got = f[path][()]
            if got.shape != want.shape or got.dtype != want.dtype:
                wrong.append(f"{path}: {got.dtype}{got.shape}, PyTorch gives {want.dtype}{want.shape}")
                continue
            if exact is None:
                d, limit = distance(got, want), 1e-6
            else:
                d, own = distance(got, exact[path]), distance(want, exact[path])
                limit = max(1e-5, 2 * own)
                if d > 1e-5:
                    print(f"  note: {path} {d:.2e} from float64; PyTorch's float32 itself {own:.2e}")
            worst = max(worst, d)
            if not d <= limit:
                wrong.append(f"{path}: relative L2 distance {d:.3e}, limit {limit:.1e}")
            if case.argmax and not np.array_equal(got.argmax(1), want.argmax(1)):
                wrong.append(f"{path}: argmax differs")
    return wrong, worst


def data_sets(path):
    """Name -> bytes of everything under /output."""
    found = {}
    with h5py.File(path, "r") as f:
        f.visititems(lambda name, o: found.update({name: o[()].tobytes()})
                     if isinstance(o, h5py.Dataset) and name.startswith("output") else None)
    return found


def interrupt(command, output):
    """Starts the job, kills it when its first batch is done; says whether it was still running."""
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while job.poll() is None:
        try:
            with h5py.File(output, "r") as f:
                if (f["/.tsbatch/done"][()] == 1).any():
                    break
        except (OSError, KeyError):
            pass  # not created yet
        time.sleep(0.001)
    running = job.poll() is None
    job.send_signal(signal.SIGKILL)
    job.wait()
    return running


def identical(command, output, folder):
    """Lines about which ways of running the same job give other bytes than `output` has."""
    reference = data_sets(output)
    again = os.path.join(folder, "again.h5")
    command = [again if word == output else word for word in command if word not in ("--lanes", "1")]
    # Under a sanitizer: what MPI's unloaded modules leak has no name to be suppressed by.
    mpirun = ["env", "ASAN_OPTIONS=detect_leaks=0", "mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
    ways = {"2 ranks": [*mpirun, "-n", "2", *command], "8 ranks": [*mpirun, "-n", "8", *command], "2 lanes": [*command, "--lanes", "2"]}
    wrong = []
    for way, words in ways.items():
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if done.returncode or data_sets(again) != reference:
            wrong.append(f"{way}: exit code {done.returncode}, not the same bytes: {done.stderr.strip()[-500:]}")
    os.unlink(again)
    running = interrupt(command, again)
    command = ["--resume" if word == "--overwrite" else word for word in command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode or data_sets(again) != reference:
        wrong.append(f"{'killed and ' if running else ''}resumed: exit code {done.returncode}, not the same bytes: {done.stderr.strip()[-500:]}")
    return wrong


def run(tsbatch, label, case, folder, check_identical):
    model, data, output = (os.path.join(folder, n) for n in ("model.pt", "data.h5", "out.h5"))
    script = case.torchscript()
    script.save(model)
    with h5py.File(data, "w") as f:
        for name, value in case.inputs.items():
            f.create_dataset(name, data=value.numpy())
    single = score(script, case, False)
    exact = None
    if case.kind != "as is":
        # Eager modules may name their results otherwise than their scripted selves, but keep the order.
        exact = dict(zip(single, score(copy.deepcopy(case.module).double(), case, True).values()))
    command = [tsbatch, "run", model, data, "-o", output, "--overwrite", "-q", "--lanes", "1"]
    arguments = list(script.forward.schema.arguments)[1:]
    for argument, name in zip(arguments, case.inputs):
        command += ["--input", f"{argument.name}=/{name}"]
    command += ["--per-sample"] if case.per_sample else ["--batch-size", str(case.batch)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr.strip()[-1500:]}"], float("nan")
    wrong, worst = compare(case, output, exact, single)
    if check_identical:
        wrong += identical(command, output, folder)
    return wrong, worst


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tsbatch")
    p.add_argument("family")
    p.add_argument("names", nargs="*")
    p.add_argument("--identical", action="store_true")
    p.add_argument("--keep", help="leave the files of each case in DIR/NAME")
    options = p.parse_args()
    torch.set_num_threads(1)
    passed = failed = 0
    for family, label, build in zoo.cases():
        if family != options.family or (options.names and not any(n in label for n in options.names)):
            continue
        folder = os.path.join(options.keep, label.replace("/", "-")) if options.keep else tempfile.mkdtemp()
        os.makedirs(folder, exist_ok=True)
        try:
            wrong, worst = run(options.tsbatch, label, build(), folder, options.identical)
        finally:
            if not options.keep:
                shutil.rmtree(folder)
        print(f"{'FAIL' if wrong else 'ok'}  {label}  {worst:.2e}", flush=True)
        for line in wrong:
            print("  " + line, flush=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{options.family}: {passed} right, {failed} wrong")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
