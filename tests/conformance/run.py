#!/usr/bin/python3
"""Compares tsbatch with PyTorch on the models of zoo.py: builds, saves, scores with both, compares.

A result is right when its relative L2 distance to PyTorch in float64 is at most 1e-5 (tutorial: 1e-6 to PyTorch's own
float32), or at most twice that of PyTorch in float32 where that is larger, which the line then says.

With --identical, the same job is run again on 2 and 8 ranks, with 2 lanes, and killed after its first batches and
resumed: every data set must have the same bytes. With --pipelines the same in 2, 3 and 4 stages, in 2 × 4 and 4 × 2 ranks,
and killed and resumed in stages.

Exit code 1 when anything differs.
"""
import argparse
import contextlib
import copy
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import h5py
import numpy as np
import torch

import quantized_zoo
import torchvision_zoo
import zoo

EXIT_UNSUPPORTED = 4


def flatten(value, case, path="/output"):
    """(data set, [a tensor per sample]) of what one call returned, data sets named as tsbatch names them."""
    if value is None:
        return
    if isinstance(value, torch.Tensor):
        yield path, [value] if case.per_sample else list(value)
    elif case.listed and isinstance(value, list):
        found = {}
        for item in value:
            for name, tensor in item.items():
                found.setdefault(f"{path}/{name}", []).append(tensor)
        yield from found.items()
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from flatten(v, case, f"{path}/{k}")
    elif hasattr(value, "_fields"):
        for k in value._fields:
            yield from flatten(getattr(value, k), case, f"{path}/{k}")
    else:
        for i, v in enumerate(value):
            yield from flatten(v, case, f"{path}/{i}")


def score(module, case, double):
    """What PyTorch gives: data set -> [array of each sample]."""
    inputs = {k: v.double() if double and v.is_floating_point() else v for k, v in case.inputs.items()}
    count = len(next(iter(inputs.values())))
    parts = {}
    with torch.no_grad(), case.exactly() if double else contextlib.nullcontext():
        for first in range(0, count, 1 if case.per_sample else case.batch):
            for path, tensors in flatten(module(*(case.argument(v, first) for v in inputs.values())), case):
                parts.setdefault(path, []).extend(t.numpy() for t in tensors)
    return parts


def read_output(file):
    """Data set -> [array of each sample]; a group of values, offsets (and shapes) is ragged."""
    found = {}

    def visit(path, node):
        if isinstance(node, h5py.Dataset):
            found[path] = list(node[()])
        elif "offsets" in node:
            values, offsets = node["values"][()], node["offsets"][()]
            rows = [values[a:b] for a, b in zip(offsets[:-1], offsets[1:])]
            found[path] = [r.reshape(shape) for r, shape in zip(rows, node["shapes"][()])] if "shapes" in node else rows
        else:
            for name in node:
                visit(f"{path}/{name}", node[name])
    visit("/output", file["/output"])
    return found


def distance(a, reference):
    """Relative L2 distance of lists of arrays."""
    def squares(arrays):
        return sum(float(np.sum(np.square(v.astype(np.float64)))) for v in arrays)
    return (squares([x.astype(np.float64) - y for x, y in zip(a, reference)]) / max(squares(reference), 1e-300)) ** 0.5


def limit_for(case, own):
    """The distance from float64 that is still right, where PyTorch's own float32 is at `own`."""
    if case.strict_limit:
        return 1e-5 if own <= 1e-5 else 1e-4
    return max(1e-5, 2 * own)


def compare(case, got, exact, single):
    """Lines about what is wrong, and the largest relative distance."""
    wrong, worst = [], 0.0
    if sorted(got) != sorted(single):
        return [f"data sets {sorted(got)}, PyTorch gives {sorted(single)}"], float("nan")
    for path, want in single.items():
        shapes = [(a.dtype, a.shape) for a in got[path]], [(a.dtype, a.shape) for a in want]
        if shapes[0] != shapes[1]:
            wrong.append(f"{path}: {shapes[0]}, PyTorch gives {shapes[1]}")
            continue
        if exact is None:
            d, limit = distance(got[path], want), 1e-6
        else:
            d, own = distance(got[path], exact[path]), distance(want, exact[path])
            limit = limit_for(case, own)
            if d > 1e-5:
                print(f"  note: {path} {d:.2e} from float64; PyTorch's float32 itself {own:.2e}")
        worst = max(worst, d)
        if not d <= limit:
            wrong.append(f"{path}: relative L2 distance {d:.3e}, limit {limit:.1e}")
        if case.argmax and not np.array_equal(np.stack(got[path]).argmax(1), np.stack(want).argmax(1)):
            wrong.append(f"{path}: argmax differs")
    return wrong, worst


def compare_int8(case, got, exact, single):
    """Integers differ by a step where engines round otherwise, and deep nets amplify that: the result must be as near to the
    floating-point model as PyTorch's own int8 result is, and no further from that than it is from the model."""
    if sorted(got) != sorted(single):
        return [f"data sets {sorted(got)}, PyTorch gives {sorted(single)}"], float("nan")
    wrong, worst = [], 0.0
    for path, want in single.items():
        d, own, mine = distance(got[path], want), distance(want, exact[path]), distance(got[path], exact[path])
        worst = max(worst, d)
        if d:
            print(f"  note: {path} {d:.2e} from PyTorch; from the floating-point model {mine:.2e}, PyTorch {own:.2e}")
        if not (d <= own and mine <= 1.1 * own + 1e-3):
            wrong.append(f"{path}: relative L2 distance {d:.3e}")
    return wrong, worst


def matches(boxes, labels, scores, exact_boxes, exact_labels, exact_scores):
    """For each exact detection the row that is it (same label, nearly the same score and box), or -1."""
    rows, free = [], np.ones(len(boxes), bool)
    for box, label, points in zip(exact_boxes, exact_labels, exact_scores):
        near = np.abs(boxes - box).max(1, initial=0) + 10 * np.abs(scores - points)
        near[~free | (labels != label)] = np.inf
        best = int(near.argmin()) if len(near) else -1
        if best >= 0 and near[best] > 1e-2:
            best = -1
        if best >= 0:
            free[best] = False
        rows.append(best)
    return np.array(rows, int)


def compare_detections(case, got, exact, single):
    """The same things must be found as in float64, in the same order but for equal scores, with the same numbers."""
    if sorted(got) != sorted(single):
        return [f"data sets {sorted(got)}, PyTorch gives {sorted(single)}"], float("nan")
    role = {}
    for path, arrays in single.items():
        a = arrays[0]
        role.setdefault("labels" if a.dtype == np.int64 else "boxes" if a.shape[1:] == (4,) else "scores" if a.ndim == 1 else "rest", path)
    paths, count, report, notes = [role[k] for k in ("boxes", "labels", "scores")], len(single[role["boxes"]]), [], []
    for name, side in ("tsbatch", got), ("PyTorch's float32", single):
        found, missed, swapped, pairs = 0, 0, 0, {path: ([], []) for path in single}
        for i in range(count):
            rows = matches(*(side[p][i] for p in paths), *(exact[p][i] for p in paths))
            missed += int((rows < 0).sum()) + len(side[paths[0]][i]) - int((rows >= 0).sum())
            found += int((rows >= 0).sum())
            points = exact[paths[2]][i][rows >= 0]
            kept = rows[rows >= 0]
            swapped += int(((np.diff(kept) < 0) & (np.abs(np.diff(points)) > 1e-5)).sum())
            for path, (mine, theirs) in pairs.items():
                mine.append(side[path][i][kept])
                theirs.append(exact[path][i][rows >= 0])
        report.append((found, missed, swapped, {path: distance(*p) for path, p in pairs.items()}))
        notes.append(f"{name}: {found} found, {missed} differ, {swapped} swapped")
    (found, missed, swapped, far), (_, own_missed, own_swapped, own_far) = report
    wrong = [] if found and missed <= own_missed and swapped <= own_swapped else ["; ".join(notes)]
    if missed and not wrong:
        print("  note: " + "; ".join(notes))
    for path, d in far.items():
        if any(a.dtype != b.dtype for a, b in zip(got[path], single[path])):
            wrong.append(f"{path}: {got[path][0].dtype}, PyTorch gives {single[path][0].dtype}")
        if d > 1e-5:
            print(f"  note: {path} {d:.2e} from float64; PyTorch's float32 itself {own_far[path]:.2e}")
        if not d <= limit_for(case, own_far[path]):
            wrong.append(f"{path}: relative L2 distance {d:.3e}, limit {limit_for(case, own_far[path]):.1e}")
    return wrong, max(far.values())


def data_sets(path):
    """Name -> bytes of everything under /output."""
    found = {}
    with h5py.File(path, "r") as f:
        f.visititems(lambda name, o: found.update({name: o[()].tobytes()})
                     if isinstance(o, h5py.Dataset) and name.startswith("output") else None)
    return found


def interrupt(command, output):
    """Starts the job, kills it when its first batch is done; says whether it was still running."""
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while job.poll() is None:
        try:
            with h5py.File(output, "r") as f:
                if (f["/.tsbatch/done"][()] == 1).any():
                    break
        except (OSError, KeyError):
            pass  # not created yet
        time.sleep(0.001)
    running = job.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    return running


def ways_to_run(command, pipelines):
    """Name -> command that must give the same bytes; the last is the one to be killed and resumed."""
    # Under a sanitizer: what MPI's unloaded modules leak has no name to be suppressed by.
    mpirun = ["env", "ASAN_OPTIONS=detect_leaks=0", "mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "-n"]
    if not pipelines:
        return {"2 ranks": [*mpirun, "2", *command], "8 ranks": [*mpirun, "8", *command], "2 lanes": [*command, "--lanes", "2"], "alone": command}
    shapes = {"2 stages": (2, 2), "3 stages": (3, 3), "2 pipelines of 4 stages": (8, 4), "4 pipelines of 2 stages": (8, 2), "4 stages": (4, 4)}
    return {name: [*mpirun, str(ranks), *command, "--stages", str(stages)] for name, (ranks, stages) in shapes.items()}


def identical(command, output, folder, pipelines):
    """Lines about which ways of running the same job give other bytes than `output` has."""
    reference = data_sets(output)
    again = os.path.join(folder, "again.h5")
    command = [again if word == output else word for word in command if word not in ("--lanes", "1")]
    wrong = []
    for way, words in ways_to_run(command, pipelines).items():
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if done.returncode or data_sets(again) != reference:
            wrong.append(f"{way}: exit code {done.returncode}, not the same bytes: {done.stderr.strip()[-500:]}")
    if os.path.exists(again):
        os.unlink(again)
    running = interrupt(words, again)
    words = ["--resume" if word == "--overwrite" else word for word in words]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode or data_sets(again) != reference:
        wrong.append(f"{way}, {'killed and ' if running else ''}resumed: exit code {done.returncode}, not the same bytes: {done.stderr.strip()[-500:]}")
    return wrong


def job(tsbatch, script, case, folder, *options):
    """Saves the model and its data; the command that scores them."""
    model, data, output = (os.path.join(folder, n) for n in ("model.pt", "data.h5", "out.h5"))
    script.save(model)
    with h5py.File(data, "w") as f:
        for name, value in case.inputs.items():
            f.create_dataset(name, data=value.numpy())
    command = [tsbatch, "run", model, data, "-o", output, "--overwrite", "-q", "--lanes", "1", *options]
    arguments = list(script.forward.schema.arguments)[1:]
    for argument, name in zip(arguments, case.inputs):
        command += ["--input", f"{argument.name}=/{name}"]
    return command + (["--per-sample"] if case.per_sample else ["--batch-size", str(case.batch)]), output


def score_engines(script, case, folder):
    """What PyTorch's first two engines for quantised models give; None for the second where it refuses."""
    path, found = os.path.join(folder, "engine.pt"), []
    script.save(path)
    for engine in quantized_zoo.ENGINES[:2]:
        torch.backends.quantized.engine = engine
        try:
            found.append(score(torch.jit.load(path), case, False))
        except RuntimeError:
            if not found:  # 2.14 cannot load embeddings of 4 bits that it saved
                found.append(score(script, case, False))
    torch.backends.quantized.engine = quantized_zoo.ENGINES[0]
    return found[0], found[1] if len(found) > 1 else None


def compare_quantized(case, got, other, single):
    """Right: within 1e-5 of PyTorch's first engine; or for quantised results (case.steps) no element more than one step of
    the integers off; or no farther than twice the distance between two of PyTorch's engines, which the line then says."""
    if sorted(got) != sorted(single):
        return [f"data sets {sorted(got)}, PyTorch gives {sorted(single)}"], float("nan")
    wrong, worst = [], 0.0
    for path, want in single.items():
        mine, theirs = np.stack(got[path]).astype(np.float64), np.stack(want).astype(np.float64)
        if mine.shape != theirs.shape:
            wrong.append(f"{path}: {mine.shape}, PyTorch gives {theirs.shape}")
            continue
        d, own = distance(got[path], want), 0.0
        # qnnpack gets the shape of transposed 3-d convolutions wrong, not always in the same way.
        if other and [a.shape for a in other[path]] == [a.shape for a in want]:
            own = distance(other[path], want)
        gaps = np.diff(np.unique(want))
        steps = np.abs(mine - theirs).max() / gaps.min() if len(gaps) and case.steps else float("inf")
        worst = max(worst, d)
        if d > 1e-5:
            print(f"  note: {path} {d:.2e}, {np.mean(mine != theirs):.1%} of the elements, at most {steps:.0f} steps; engines {own:.2e} apart")
        if not (d <= 1e-5 or steps < 1.5 or d <= 2 * own):
            wrong.append(f"{path}: relative L2 distance {d:.3e}, {steps:.1f} steps, PyTorch's engines {own:.1e} apart")
    return wrong, worst


def run(tsbatch, script, case, folder, options):
    """What is wrong, the largest distance, and whether the model needs what tsbatch does not have."""
    exact = None
    if case.kind == "quantized":
        single, exact = score_engines(script, case, folder)
    else:
        single = score(script, case, False)
    if case.kind not in ("as is", "quantized"):
        if not case.computed:
            case.computed.update(score(copy.deepcopy(case.floating or case.module).double(), case, True))
        # Eager modules may name their results otherwise than their scripted selves, but keep the order.
        exact = dict(zip(single, case.computed.values(), strict=True))
    command, output = job(tsbatch, script, case, folder)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        return [f"exit code {done.returncode}: {done.stderr.strip()[-1500:]}"], float("nan"), done.returncode == EXIT_UNSUPPORTED
    with h5py.File(output) as f:
        got = read_output(f)
    how = compare_quantized if case.kind == "quantized" else compare_detections if case.detections else compare_int8 if case.floating else compare
    wrong, worst = how(case, got, exact, single)
    for pipelines in [False] * options.identical + [True] * options.pipelines:
        wrong += identical(command, output, folder, pipelines)
    return wrong, worst, False


def times(tsbatch, script, case, folder):
    """Seconds of processor time for one call, tsbatch and PyTorch, in the steady state."""
    def cost(calls):
        count = calls * (1 if case.per_sample else case.batch)
        more = dataclasses.replace(case, inputs={k: torch.cat([v] * count)[:count] for k, v in case.inputs.items()})
        report = os.path.join(folder, "report.json")
        command, _ = job(tsbatch, script, more, folder, "--report", report)
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=1200)
        with open(report) as f:
            return json.load(f)["ranks"][0]["cpu_seconds"]

    arguments = [case.argument(v, 0) for v in case.inputs.values()]
    spent = []
    with torch.no_grad():
        for _ in range(6):
            start = time.process_time()
            script(*arguments)
            spent.append(time.process_time() - start)
    own = min(spent)
    calls = int(min(max(1 / own, 3), 20))
    many, one = (min(cost(n) for _ in range(3)) for n in (calls + 1, 1)) # the rest is for loading and preparing
    return (many - one) / calls, own


class Scores:
    """How many cases of each family are right, wrong, or need what tsbatch does not have."""

    def __init__(self):
        self.families = {}

    def add(self, family, label, wrong, missing):
        f = self.families.setdefault(family, {"passed": 0, "failed": 0, "missing": 0, "failed_names": []})
        f["missing" if missing else "failed" if wrong else "passed"] += 1
        if wrong:
            f["failed_names"].append(label)

    def total(self, key):
        return sum(f[key] for f in self.families.values())


def check(options, label, build, folder):
    """Prints a line; None when PyTorch itself cannot save the model."""
    case = build()
    try:
        script = case.torchscript()
    except Exception as error:  # of any kind: the model is not for TorchScript
        print(f"none  {label}  not in TorchScript: {str(error).strip().splitlines()[0][:150]}", flush=True)
        return None
    wrong, worst, missing = run(options.tsbatch, script, case, folder, options)
    print(f"{'none' if missing else 'FAIL' if wrong else 'ok'}  {label}  {worst:.2e}", flush=True)
    for line in wrong:
        print("  " + line, flush=True)
    if options.times and not wrong:
        mine, own = times(options.tsbatch, script, case, folder)
        print(f"  time: {mine * 1e3:.1f} ms, PyTorch {own * 1e3:.1f} ms, ratio {mine / own:.2f}", flush=True)
    return wrong, missing


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tsbatch")
    p.add_argument("family", help="of zoo.py; zoo means all families of torchvision_zoo.py")
    p.add_argument("names", nargs="*", help="only cases whose label contains one of these")
    p.add_argument("--identical", action="store_true")
    p.add_argument("--pipelines", action="store_true")
    p.add_argument("--keep", help="leave the files of each case in DIR/NAME")
    p.add_argument("--scores", help="write the numbers per family to this JSON file")
    p.add_argument("--times", action="store_true", help="processor time of a call, beside PyTorch's")
    options = p.parse_intermixed_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    wanted = torchvision_zoo.FAMILIES if options.family == "zoo" else [options.family]
    scores = Scores()
    for family, label, build in zoo.cases():
        if family not in wanted or (options.names and not any(n in label for n in options.names)):
            continue
        folder = os.path.join(options.keep, label.replace("/", "-")) if options.keep else tempfile.mkdtemp()
        os.makedirs(folder, exist_ok=True)
        try:
            found = check(options, label, build, folder)
        except Exception:  # the others still count
            print(f"FAIL  {label}  {traceback.format_exc()}", flush=True)
            found = ["an exception"], False
        finally:
            if not options.keep:
                shutil.rmtree(folder)
        if found:
            scores.add(family, label, *found)
    for family, f in scores.families.items():
        print(f"{family}: {f['passed']} right, {f['failed']} wrong, {f['missing']} not supported")
    if options.scores:
        with open(options.scores, "w") as f:
            json.dump({"families": scores.families}, f, indent=2)
    return 1 if scores.total("failed") or scores.total("missing") or not scores.total("passed") else 0


if __name__ == "__main__":
    sys.exit(main())
