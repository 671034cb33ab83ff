#!/usr/bin/python3
"""Compares the language of TorchScript in tsbatch with PyTorch: single lines (language_lines.py) and whole programs
(language/*.py), each run as it is written, optimised and not, and as PyTorch saves it.

Results (types, dtypes, shapes, strides and values), printed text and the last line of errors must be PyTorch's. What
PyTorch refuses to compile must be refused, but for the differences below, each with its reason.

usage: language.py RUNNER [WORD ...] [--sample N] [--scores FILE.json] [-v]
  WORD         only lines and programs whose family or text contains it
  --sample N   every N-th line only
exit code 1 when something differs
"""
import argparse
import copy
import json
import os
import re
import shutil
import sys
import tempfile
import time

import torch

import handmade
import language_lines
import outcome
import runner as rn

HERE = os.path.dirname(os.path.abspath(__file__))

# Where tsbatch means to differ: (pattern of the line, pattern of "PyTorch's outcome => tsbatch's", reason).
DIFFERENT = [
    ("", r"^(crashed|hung)", "PyTorch falls over, or gives what Python cannot show"),
    ("", r"^refused \"expected (in but found ','|ident but found '=')", "newer PyTorch takes it: several targets in a comprehension, //="),
    ("objects share|static methods|loops over everything|local function", r"^refused", "more is taken than PyTorch takes"),
    (r"\bb\b|i < j < z|complex|conversions of bools", r"^refused 'Arguments for call are not valid", "PyTorch 2 converts bool to numbers, 1.13 does not"),
    ("tolist", r"^raised .*element type must match", "PyTorch 2 says which types"),
    ("exception in a fork", r"^raised", "a fork that is waited for runs where it starts"),
    ("tensors of all kinds", r"^raised", "PyTorch writes 1e10 as an int and cannot read what it saved"),
    ("complex tensors", r"^raised", "newer PyTorch makes complex tensors of lists"),
    ("", r"^refused '(Cannot emit expr for: \(dots\)|range cannot be used as a value)", "more is taken than PyTorch takes"),
    ("", r"^refused \"(print doesn't accept any keyword|expected a valid token but found ';')", "more is taken than PyTorch takes"),
    ("itemsize|nbytes", r"^refused", "an attribute of newer PyTorch"),
    (r"^raise", r"^refused 'undefined value \w+:'", "archives name no exception classes; hand-written text may"),
    (r"\\r", r"^refused 'ill formed octal specifier", "PyTorch writes \\r but does not read it"),
    (r"nan.*sort|sort.*nan", r"^value", "std::sort of PyTorch has no order for nan; tsbatch puts it last"),
    (r"\* -1", r"^raised 'RuntimeError: vector::reserve", "a list times a negative number is empty"),
    ("uninitialized", r"^raised", "Python cannot show it"),
    ("operator without nested", "^raised .*Could not run 'aten::cumsum' with arguments from the 'NestedTensorCPU' backend.*=>.*'aten::cumsum' with arguments from the 'NestedTensorCPU' backend", "PyTorch lists its backends"),
    ("list of a negative view", "^value", "PyTorch's tolist takes the bytes as they are"),
    (r"torch.device\(.bogus", r"^raised .RuntimeError: Expected one of cpu.*=>  raised .RuntimeError: Expected one of cpu", "PyTorch 2 lists other kinds of devices"),
]


def programs():
    """(name, text, root): the files of language/. A comment `# module: EXPRESSION` gives the root object."""
    folder = os.path.join(HERE, "language")
    names = {n: getattr(handmade, n) for n in ("Obj", "Typed", "Enum", "Device")}
    names.update(torch=torch, inf=float("inf"), nan=float("nan"))
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".py"):
            continue
        with open(os.path.join(folder, name)) as f:
            for part in f.read().split("\n#=== ")[1:]:
                title, text = part.split("\n", 1)
                text += "\n"
                rule = re.search(r"^# module: (.*)$", text, re.M)
                root = eval(rule.group(1), names) if rule else handmade.Obj("__torch__.M", training=False)
                yield name[:-3], title.strip(), text, root


class Machine:
    def __init__(self, program, folder):
        self.runner, self.torch = rn.Runner(program, 20), outcome.Torch(20)
        self.path, self.saved = os.path.join(folder, "p.pt"), os.path.join(folder, "saved.pt")

    def compare(self, text, root):
        """(PyTorch's outcome, [(mode, difference, tsbatch's outcome)])"""
        if os.path.exists(self.saved):
            os.unlink(self.saved)
        handmade.save(self.path, root, {"__torch__": text})
        want = self.torch.call(self.path, "forward", self.saved)
        out = []
        saved = None
        for mode, path, plain in (("optimised", self.path, False), ("as it is", self.path, True), ("saved by PyTorch", self.saved, False)):
            if os.path.exists(path):
                got = outcome.ask_tsbatch(self.runner, path, "forward", plain)
                d = outcome.difference(want, got)
                if d and path == self.saved:  # PyTorch does not always save what it runs
                    saved = self.torch.call(path, "forward")
                    d = None if saved.kind in ("crashed", "hung") else outcome.difference(saved, got)
                if d:
                    out.append((mode, d, got, saved if path == self.saved else want))
        return want, out


def excuse(line, want, got):
    both = f"{want!r}  =>  {got!r}"
    for pattern, outcomes, reason in DIFFERENT:
        if re.search(pattern, line) and re.search(outcomes, both, re.S):
            return reason
    return None


def cases(args):
    count = 0
    for family, line in language_lines.lines():
        if args.words and not any(w in line or w == family for w in args.words):
            continue
        count += 1
        if count % args.sample:  # of lines
            continue
        text, used = language_lines.source(line)
        values = tuple(copy.deepcopy(language_lines.ARGUMENTS[n][1]) for n in used)
        yield family, line, text, handmade.Obj("__torch__.M", training=False, **({"args_forward": values} if used else {}))
    for family, name, text, root in programs():
        if not args.words or any(w in text or w in (family, name) for w in args.words):
            yield family, name, text, root


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runner")
    p.add_argument("words", nargs="*")
    p.add_argument("--sample", type=int, default=1)
    p.add_argument("--scores")
    p.add_argument("-v", action="store_true")
    args = p.parse_args()
    scores, reasons, start = {}, {}, time.time()
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    machine = Machine(args.runner, folder)
    try:
        for family, name, text, root in cases(args):
            score = scores.setdefault(family, {"passed": 0, "failed": 0, "missing": 0, "failed_names": []})
            want, differences = machine.compare(text, root)
            if args.v:
                print(f"{name}   {want!r:.300}")
            left = []
            for mode, d, got, ours in differences:
                reason = excuse(name, ours, got)
                if reason:
                    reasons[reason] = reasons.get(reason, 0) + 1
                else:
                    left.append((mode, d, got))
            missing = left and "is not implemented" in left[0][2].text
            score["missing" if missing else "failed" if left else "passed"] += 1
            if left:
                score["failed_names"].append(name)
                mode, d, got = left[0]
                print(f"{family}: {name}\n  {mode}: {d}\n  PyTorch: {want!r:.500}\n  tsbatch: {got!r:.500}", flush=True)
    finally:
        machine.torch.close()
        machine.runner.close()
        shutil.rmtree(folder)
    for reason, n in sorted(reasons.items()):
        print(f"{n:5} runs differ on purpose: {reason}")
    failed = sum(s["failed"] for s in scores.values())
    print(f"{sum(s['passed'] for s in scores.values())} agree, {failed} differ, {sum(s['missing'] for s in scores.values())} need missing operators, in {time.time() - start:.0f} s")
    if args.scores:
        with open(args.scores, "w") as f:
            json.dump({"families": scores}, f, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
