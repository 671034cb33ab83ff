#!/usr/bin/python3
"""Compares random TorchScript programs (program_text.py) in tsbatch with PyTorch.

Each program runs as it is written, optimised and not, and as PyTorch saves it. (An optimised write to what only this function sees does not ask whether its elements overlap.) Results, what is printed and the last
line of errors must be those of PyTorch; a program that PyTorch refuses to load must be refused. Programs on which
PyTorch itself falls over are counted and left out. A program that differs is shrunk and kept.

usage: programs.py RUNNER [--count N] [--seed FIRST] [--keep DIR] [--scores FILE.json] [--golden FOLDER] [-v]
  20,000 programs:  programs.py build/tests/conformance_runner --count 20000 --keep /tmp/programs
  --golden FOLDER   the archives of FOLDER instead: programs of former differences, forms and versions of archives
exit code 1 when something differs
"""
import argparse
import collections
import json
import os
import re
import shutil
import sys
import tempfile
import time

import outcome
import runner as rn
from handmade import save
from program_text import program


class Machine:
    def __init__(self, program_path, folder):
        self.runner, self.torch, self.folder = rn.Runner(program_path, 20), outcome.Torch(20), folder
        self.path, self.saved = os.path.join(folder, "p.pt"), os.path.join(folder, "saved.pt")

    def dead_code(self, seed):
        """Does the program agree once all its variables are used? Both sides leave out code that nobody uses the result
        of, not always the same, also where that would raise; and PyTorch takes some writes for such code that are not
        (to what a loop that may run no times carries)."""
        text, root = program(seed, True)
        found, want = self.compare(text, root)
        return not found and want.kind not in ("refused", "crashed", "hung")

    def modes(self):
        return (("optimised", self.path, False), ("as it is", self.path, True), ("saved by PyTorch", self.saved, False), ("saved by PyTorch, as it is", self.saved, True))

    def compare(self, text, root, only=None):
        """(mode, difference, PyTorch's outcome, tsbatch's) of the first difference, or (None, PyTorch's kind)."""
        save(self.path, root, {"__torch__": text})
        return self.compare_archive(only)

    def compare_archive(self, only=None):
        if os.path.exists(self.saved):
            os.unlink(self.saved)
        want = self.torch.call(self.path, "forward", self.saved)
        if want.kind in ("crashed", "hung"):
            return None, want
        for mode, path, plain in self.modes():
            if (only and mode != only) or not os.path.exists(path):
                continue
            got = outcome.ask_tsbatch(self.runner, path, "forward", plain)
            d = outcome.difference(want, got)
            if d and path == self.saved:  # PyTorch does not always save what it runs
                want = self.torch.call(path, "forward")
                d = want.kind not in ("crashed", "hung") and outcome.difference(want, got)
            if d and not (mode in ("optimised", "saved by PyTorch") and got.kind == "value" and "single memory location" in want.text):
                return (mode, d, want, got), want
        return None, want


# ---- shrinking: the text with less in it, while the difference stays

def blocks(lines):
    """(first, last + 1, indentation) of every line with the lines that belong to it, largest first."""
    out = []
    for i, line in enumerate(lines):
        depth = len(line) - len(line.lstrip())
        j = i + 1
        while j < len(lines) and (not lines[j].strip() or len(lines[j]) - len(lines[j].lstrip()) > depth):
            j += 1
        out.append((i, j, depth))
    return sorted(out, key=lambda b: b[0] - b[1])


def smaller_texts(text):
    lines = text.rstrip("\n").split("\n")
    for i, j, depth in blocks(lines):
        yield lines[:i] + lines[j:]
        if j > i + 1 and not lines[i].lstrip().startswith(("class", "def")):
            yield lines[:i] + [line[2:] for line in lines[i + 1:j]] + lines[j:]  # the body alone
        if j > i + 1 and lines[i].lstrip().startswith("if"):
            yield lines[:i] + [" " * depth + "if True:"] + lines[i + 1:]
    # brackets: (a op b) -> a, b; f(x, y) -> x, y; [a, b] -> [a], …
    for i, line in enumerate(lines):
        if line.lstrip().startswith(("def", "class")):
            continue
        for start, end in brackets(line):
            for part in parts(line[start + 1:end]):
                yield lines[:i] + [line[:start] + "(" + part + ")" + line[end + 1:]] + lines[i + 1:]
                head = re.search(r"[A-Za-z_.0-9]+$", line[:start])
                if head:
                    yield lines[:i] + [line[:head.start()] + part + line[end + 1:]] + lines[i + 1:]
                yield lines[:i] + [line[:start] + part + line[end + 1:]] + lines[i + 1:]
            for part in removals(line[start + 1:end]):
                yield lines[:i] + [line[:start + 1] + part + line[end:]] + lines[i + 1:]


def brackets(line):
    stack, out, quoted = [], [], False
    for i, c in enumerate(line):
        if c == '"' and line[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and c in "([{":
            stack.append(i)
        elif not quoted and c in ")]}" and stack:
            out.append((stack.pop(), i))
    return sorted(out, key=lambda b: b[0] - b[1])


def split_top(text, separator):
    depth, quoted, last, out = 0, False, 0, []
    for i, c in enumerate(text):
        if c == '"' and text[i - 1:i] != "\\":
            quoted = not quoted
        elif not quoted and c in "([{":
            depth += 1
        elif not quoted and c in ")]}":
            depth -= 1
        elif not quoted and depth == 0 and text.startswith(separator, i) and i >= last:
            out.append(text[last:i])
            last = i + len(separator)
    return out + [text[last:]]


def parts(inner):
    for separator in (", ", " if ", " else ", " + ", " - ", " * ", " / ", " == ", " < ", " > ", " and ", " or ", " in ", " is ", " % ", " // ", " & ", " | "):
        pieces = split_top(inner, separator)
        if len(pieces) > 1:
            yield from (p.strip() for p in pieces if p.strip())


def removals(inner):
    pieces = split_top(inner, ", ")
    if len(pieces) > 1:
        for k in range(len(pieces)):
            yield ", ".join(pieces[:k] + pieces[k + 1:])


def kind_of(found):
    """What must stay while a program shrinks: the kind of difference, and the text of errors but for names and numbers."""
    mode, d, want, got = found
    return d, want.kind, want.text and re.sub(r"[\w.]*\d[\w.]*", "#", want.text), got.kind, re.sub(r"[\w./]*\d[\w.]*", "#", got.text[-60:])


def shrink(machine, text, root, found, seconds):
    mode, what = found[0], kind_of(found)
    end = time.time() + seconds
    progress = True
    while progress and time.time() < end:
        progress = False
        for lines in smaller_texts(text):
            shorter = "\n".join(lines) + "\n"
            if len(shorter) >= len(text) and shorter.count("if True:") <= text.count("if True:"):
                continue
            found, want = machine.compare(shorter, root, mode)
            if found and kind_of(found) == what:
                text, progress = shorter, True
                break
            if time.time() > end:
                break
    return text


# ---- runs

def report(name, text, found, keep, root=None):
    mode, d, want, got = found
    print(f"{name}: {mode}: {d}\n  PyTorch: {want!r:.600}\n  tsbatch: {got!r:.900}", flush=True)
    if keep:
        os.makedirs(keep, exist_ok=True)
        with open(os.path.join(keep, f"{name}.py"), "w") as f:
            f.write(text)
        if root:
            save(os.path.join(keep, f"{name}.pt"), root, {"__torch__": text})


def run_random(machine, args, scores):
    counts = collections.Counter()
    for seed in range(args.seed, args.seed + args.count):
        text, root = program(seed)
        found, want = machine.compare(text, root)
        counts["PyTorch " + want.kind] += 1
        if not found:
            scores["passed"] += want.kind not in ("crashed", "hung")
            continue
        mode, d, want, got = found
        if "refused" not in (want.kind, got.kind) and machine.dead_code(seed):
            counts["dead code"] += 1
            continue
        scores["failed"] += 1
        scores["failed_names"].append(str(seed))
        if args.shrink:
            text = shrink(machine, text, root, found, args.shrink)
            found = machine.compare(text, root, mode)[0] or found
        report(str(seed), text, found, args.keep, root)
    print(", ".join(f"{n} {k}" for k, n in counts.most_common()))


def run_goldens(machine, args, scores):
    for path in sorted(os.path.join(folder, n) for folder in args.golden for n in os.listdir(folder) if n.endswith(".pt")):
        name = os.path.basename(path)
        shutil.copyfile(path, machine.path)
        found, want = machine.compare_archive()
        scores["failed" if found else "passed"] += 1
        if found:
            scores["failed_names"].append(name)
            report(name, "", found, None)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runner")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--keep")
    p.add_argument("--scores")
    p.add_argument("--golden", action="append")
    p.add_argument("--shrink", type=float, default=20, metavar="SECONDS")
    args = p.parse_args()
    scores = {"passed": 0, "failed": 0, "missing": 0, "failed_names": []}
    start = time.time()
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    machine = Machine(args.runner, folder)
    try:
        (run_goldens if args.golden else run_random)(machine, args, scores)
    finally:
        machine.torch.close()
        machine.runner.close()
        shutil.rmtree(folder)
    print(f"{scores['passed']} agree, {scores['failed']} differ, in {time.time() - start:.0f} s")
    if args.scores:
        with open(args.scores, "w") as f:
            json.dump({"families": {"committed archives" if args.golden else "random programs": scores}}, f, indent=1)
    return 1 if scores["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
