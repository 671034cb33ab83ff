"""Exports models as users of current PyTorch do (scripted and traced), scores them with tsbatch, compares with PyTorch.

The models come from models/: nets written there and, where the package is installed, random
small configurations of timm, transformers, torchvision, torchaudio and others. Nothing is downloaded. A package that
is missing, and a model that PyTorch itself cannot export, is a skip; skips are counted and printed.

A result is right when its relative L2 distance to PyTorch's float32 is at most 1e-5. Where it is not, PyTorch in float64
decides: at most 1e-5 from that, or at most twice as far as PyTorch's own float32, batch norms folded or not (the line
then says so). Integers must be equal.

usage: exported.py TSBATCH [NAME ...] [--keep DIR] [--jobs N] [--time]        exit code 1 when anything is not right
       NAME: part of FAMILY/LABEL/KIND; with --keep, a case that was built before is not built again
"""
import argparse
import collections
import concurrent.futures
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import h5py
import numpy as np
import torch

FAMILIES = "nets graphs speech series science timm transformers torchvision packages".split()


class Unexported(Exception):
    """PyTorch cannot do it: a skip."""


def export(case, kind, path):
    """Saves the model, gives the loaded one."""
    try:
        with torch.no_grad() if case.get("no_grad") else torch.enable_grad():
            if kind == "scripted":
                script = case["module"] if isinstance(case["module"], torch.jit.ScriptModule) else torch.jit.script(case["module"])
            else:
                batch = case["batch"]
                example = tuple(v[:batch].clone() for v in case["inputs"].values())
                script = torch.jit.trace(case["module"], example, check_trace=False, strict=False)
        script.save(path)
    except Exception as e:
        raise Unexported(f"{type(e).__name__}: {str(e).strip()[:300]}")
    return torch.jit.load(path)


def flatten(value, path="/output"):
    """(data set, tensor) pairs as tsbatch names results."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from flatten(v, f"{path}/{k}")
    elif hasattr(value, "_fields"):
        for k in value._fields:
            yield from flatten(getattr(value, k), f"{path}/{k}")
    elif value is not None:
        for i, v in enumerate(value):
            yield from flatten(v, f"{path}/{i}")


def plain(value):
    """Results as tsbatch names them; NumPy has no bfloat16."""
    tensors = {p: v.detach().resolve_conj().resolve_neg() for p, v in flatten(value)}
    return {p: (v.float() if v.dtype == torch.bfloat16 else v).numpy().copy() for p, v in tensors.items()}


def score(module, case, double):
    count, step = len(next(iter(case["inputs"].values()))), case["batch"]
    parts = collections.OrderedDict()
    for first in range(0, count, step):
        args = [v[first:first + step].clone() for v in case["inputs"].values()]
        if double:
            args = [a.double() if a.dtype == torch.float32 else a.cdouble() if a.dtype == torch.complex64 else a for a in args]
        with torch.no_grad():
            for path, array in plain(module(*args)).items():
                parts.setdefault(path, []).append(array)
    return {p: np.concatenate(a) for p, a in parts.items()}


def prepare(label, make):
    torch.manual_seed(sum(map(ord, label)))
    case = make()
    case.setdefault("batch", 2)
    case["module"] = case["module"].eval()
    return case


def build(label, kind, make, folder):
    """Writes model.pt, data.h5 and what PyTorch gives (single.npz) into the folder."""
    case = prepare(label, make)
    model = os.path.join(folder, "model.pt")
    script = export(case, kind, model)
    names = [a.name for a in script.forward.schema.arguments][1:]
    with h5py.File(os.path.join(folder, "data.h5"), "w") as f:
        for name, value in zip(names, case["inputs"].values()):
            f.create_dataset(name, data=value.numpy())
    try:
        single = score(script, case, False)
    except Exception as e:
        raise Unexported(f"PyTorch cannot run what it saved: {type(e).__name__}: {str(e).strip()[-300:]}")
    np.savez(os.path.join(folder, "single.npz"), **single)
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump({"batch": case["batch"], "options": case.get("options", [])}, f)


def build_exact(label, make, folder):
    """What PyTorch gives in float64 (exact.npz), for results that are not those of its float32; nothing when it cannot.

    And what it gives in float32 with batch norms folded into convolutions (folded.npz), as its own freezing and tsbatch
    do: in random nets the rounding of the folded weights alone can be twice as far from float64.
    """
    case = prepare(label, make)
    try:
        exact = list(score(case["module"].double(), case, True).values())
    except Exception:
        return
    single = np.load(os.path.join(folder, "single.npz"))
    if [e.shape for e in exact] == [single[name].shape for name in single]:
        np.savez(os.path.join(folder, "exact.npz"), **dict(zip(single, exact)))
    try:
        case = prepare(label, make)
        frozen = torch.jit.freeze(torch.jit.load(os.path.join(folder, "model.pt")).eval())
        torch._C._jit_pass_fold_frozen_conv_bn(frozen.graph)
        np.savez(os.path.join(folder, "folded.npz"), **score(frozen, case, False))
    except Exception:
        pass


def compare(folder, output):
    """Lines about what is wrong, lines to note, the largest relative distance."""
    single = dict(np.load(os.path.join(folder, "single.npz")))
    exact, folded = (dict(np.load(p)) if os.path.exists(p) else None for p in (os.path.join(folder, n) for n in ("exact.npz", "folded.npz")))
    wrong, notes, worst, found = [], [], 0.0, []
    with h5py.File(output) as f:
        if "output" in f and isinstance(f["output"], h5py.Group):
            f["output"].visititems(lambda n, o: found.append("/output/" + n) if isinstance(o, h5py.Dataset) else None)
        elif "output" in f:
            found.append("/output")
        if sorted(found) != sorted(single):
            return [f"data sets {sorted(found)[:6]}, PyTorch gives {sorted(single)[:6]}"], notes, float("nan")
        for path, want in single.items():
            got = f[path][()]
            if got.shape != want.shape or got.dtype != want.dtype:
                wrong.append(f"{path}: {got.dtype}{got.shape}, PyTorch gives {want.dtype}{want.shape}")
                continue
            if want.dtype.kind not in "fc":
                if not np.array_equal(got, want):
                    wrong.append(f"{path}: {int((got != want).sum())} of {want.size} {want.dtype} differ")
                continue
            fine = np.isfinite(want) & (np.abs(want) < 1e30)
            if not np.array_equal(fine, np.isfinite(got) & (np.abs(got) < 1e30)):
                wrong.append(f"{path}: NaN, infinite or huge at other places")
                continue
            wide = np.complex128 if want.dtype.kind == "c" else np.float64
            got, want = got[fine].astype(wide), want[fine].astype(wide)
            limit, reference = {2: 2e-3, 4: 1e-5, 8: 1e-5}[f[path].dtype.itemsize // (2 if wide is np.complex128 else 1)], want
            if exact is not None and np.isfinite(exact[path][fine]).all():
                reference = exact[path][fine].astype(wide)
                own = max(norm(a - reference) for a in [want] + ([folded[path][fine]] if folded else [])) / max(norm(reference), 1e-300)
                limit = max(limit, 2 * own)
            d = norm(got - reference) / max(norm(reference), 1e-300)
            if d > 1e-5 and reference is not want:
                notes.append(f"{path} {d:.1e} from float64, PyTorch's float32 {own:.1e}")
            worst = max(worst, d)
            if not d <= limit:
                wrong.append(f"{path}: relative L2 distance {d:.3e}, limit {limit:.1e}; to PyTorch's float32 "
                             f"{norm(got - want) / max(norm(want), 1e-300):.1e}")
    return wrong, notes, worst


def norm(a):
    return float(np.linalg.norm(a.ravel()))


def run(tsbatch, folder, limit_s):
    """(status, detail, worst)"""
    with open(os.path.join(folder, "case.json")) as f:
        case = json.load(f)
    model, data, output = (os.path.join(folder, n) for n in ("model.pt", "data.h5", "out.h5"))
    if os.path.exists(output):
        os.unlink(output)
    command = [tsbatch, model, data, "-o", output, "-q", "--lanes", "1", "--batch-size", str(case["batch"]), *case["options"]]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=limit_s)
    except subprocess.TimeoutExpired:
        return "timeout", f"more than {limit_s} s", float("nan")
    if done.returncode:
        status = {3: "unreadable", 4: "missing", 5: "raised", 6: "memory"}.get(done.returncode, f"exit {done.returncode}")
        return status, done.stderr.strip()[-1500:], float("nan")
    wrong, notes, worst = compare(folder, output)
    return ("wrong", "\n".join(wrong), worst) if wrong else ("right", "; ".join(notes), worst)


def one(tsbatch, family, label, kind, make, keep, again, limit_s):
    """In a process of its own: (status, detail, worst)."""
    name = f"{family}/{label}/{kind}"
    temporary = None if keep else tempfile.TemporaryDirectory()
    folder = os.path.join(keep, name.replace("/", "~")) if keep else temporary.name
    os.makedirs(folder, exist_ok=True)
    skipped = os.path.join(folder, "skipped.txt")
    try:
        if os.path.exists(skipped) and not again:
            with open(skipped) as f:
                raise Unexported(f.read())
        if not os.path.exists(os.path.join(folder, "case.json")) or again:
            build(label, kind, make, folder)
        result = run(tsbatch, folder, limit_s)
        if result[0] == "wrong" and not os.path.exists(os.path.join(folder, "exact.npz")):
            build_exact(label, make, folder)
            result = run(tsbatch, folder, limit_s)
        return result
    except Unexported as e:
        with open(skipped, "w") as f:
            f.write(str(e))
        return "skip", str(e), float("nan")
    except Exception:
        text = traceback.format_exc()[-700:]
        with open(skipped, "w") as f:
            f.write("not built: " + text)
        return "skip", "not built: " + text, float("nan")
    finally:
        if temporary:
            temporary.cleanup()


def in_child(call, limit_s):
    """A fork, so that a crash or an endless export ends one case only."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(limit_s)
        text = json.dumps(call()).encode()
        with os.fdopen(writer, "wb") as f:
            f.write(text)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as f:
        text = f.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else ("skip", f"the process that exports it ended with {status}", float("nan"))


def cases(options):
    """(family, label, kind, make) of what the names ask for."""
    for family in FAMILIES:
        if options.names and not any(n.split("/")[0] in ("", family) or "/" not in n for n in options.names):
            continue
        try:
            module = importlib.import_module("models." + family)
        except ImportError as e:
            yield family, "*", "*", e
            continue
        for label, kinds, make in module.cases():
            for kind in kinds.split():
                name = f"{family}/{label}/{kind}"
                if not options.names or any(n in name for n in options.names):
                    yield family, label, kind, make


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tsbatch")
    p.add_argument("names", nargs="*")
    p.add_argument("--keep", help="leave the files of each case in DIR/FAMILY~LABEL~KIND")
    p.add_argument("--again", action="store_true", help="build also what was built before")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--limit", type=int, default=240, help="seconds for one case")
    p.add_argument("--log", help="append one JSON line a case")
    p.add_argument("-v", "--verbose", action="store_true", help="the reasons of skips too")
    options = p.parse_intermixed_args()
    torch.set_num_threads(1)
    counts = collections.Counter()
    log = open(options.log, "a") if options.log else None

    def go(case):
        family, label, kind, make = case
        if isinstance(make, ImportError):
            return case, ("skip", str(make), float("nan"))
        return case, in_child(lambda: one(options.tsbatch, family, label, kind, make, options.keep, options.again, options.limit), options.limit)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for (family, label, kind, _), (status, detail, worst) in pool.map(go, cases(options)):
            counts[status] += 1
            name = f"{family}/{label}/{kind}"
            print(f"{status:8} {name}  {worst:.1e}" if status in ("right", "wrong") else f"{status:8} {name}", flush=True)
            if status not in ("right", "skip") or options.verbose:
                for line in detail.splitlines()[:12 if status != "skip" else 3]:
                    print("    " + line, flush=True)
            if log:
                print(json.dumps({"name": name, "status": status, "detail": detail, "worst": worst}), file=log, flush=True)
    print(", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    return 0 if counts["right"] and not set(counts) - {"right", "skip"} else 1


if __name__ == "__main__":
    sys.exit(main())
