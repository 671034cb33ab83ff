#!/usr/bin/python3
"""Pipelines on one machine: what they cost beside replicas, whether their cuts are the best ones, and whether they keep what
they predict. Needs Debian's python3-torch, python3-torchvision and python3-h5py, MPI, and idle cores.

usage: pipeline.py TSBATCH overhead [LABEL …]   two stages on two ranks against two ranks with whole models, interleaved
       pipeline.py TSBATCH cuts [LABEL …]       the slowest stage against the best of all cuts; throughput against the prediction
Labels are those of tests/conformance/zoo.py. Options: --rounds N, --stages K, --seconds S of each run, --lanes L per rank.
"""
import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile

import h5py
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import zoo  # noqa: E402

OVERHEAD = ["vit_b_16/scripted", "resnet50/scripted"]
CUTS = ["resnet18/scripted", "resnet50/scripted", "mobilenet_v2/scripted", "vit_b_16/scripted", "densenet121/scripted", "efficientnet_b0/scripted",
        "googlenet/scripted", "inception_v3/scripted", "squeezenet1_1/scripted", "shufflenet_v2_x1_0/scripted", "mnasnet1_0/scripted", "regnet_y_400mf/scripted",
        "convnext_tiny/scripted", "swin_t/scripted", "vgg11/scripted", "alexnet/scripted", "resnext50_32x4d/scripted", "wide_resnet50_2/scripted",
        "mobilenet_v3_large/scripted", "resnet50/traced", "vit_b_16/traced", "lstm_tagger/scripted", "encoder/scripted"]


def build(label):
    for _, name, make in zoo.cases():
        if name == label:
            case = make()
            return case, case.torchscript()
    sys.exit(f"no model {label}")


class Bench:
    def __init__(self, options, label, folder):
        self.options, self.folder = options, folder
        self.case, script = build(label)
        self.model, self.data = os.path.join(folder, "model.pt"), os.path.join(folder, "data.h5")
        script.save(self.model)
        self.arguments = [a.name for a in script.forward.schema.arguments[1:]]

    def write(self, batches):
        """Data of so many batches."""
        with h5py.File(self.data, "w") as f:
            for name, value in self.case.inputs.items():
                count = batches * (1 if self.case.per_sample else self.case.batch)
                f.create_dataset(name, data=torch.cat([value] * (count // len(value) + 1))[:count].numpy())

    def run(self, ranks, *more):
        """The report."""
        report = os.path.join(self.folder, "report.json")
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "-n", str(ranks),
                   self.options.tsbatch, self.model, self.data, "-o", os.path.join(self.folder, "out.h5"), "--overwrite", "-q",
                   "--lanes", str(self.options.lanes), "--report", report, *more]
        for argument, name in zip(self.arguments, self.case.inputs):
            command += ["-i", f"{argument}=/{name}"]
        command += ["--per-sample"] if self.case.per_sample else ["-b", str(self.case.batch)]
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        with open(report) as f:
            return json.load(f)

    def enough(self):
        """Writes as many batches as two ranks need for the wanted seconds."""
        self.write(4)
        seconds = self.run(2, "--stages", "2")["parallel"]["uncut_batch_seconds"]
        self.write(min(max(int(2 * self.options.seconds / seconds), 40), 20000))


def overhead(bench, label):
    bench.enough()
    rates = {"replicas": [], "stages": []}
    for _ in range(bench.options.rounds):
        rates["replicas"].append(bench.run(2, "--parallel", "data")["samples_per_second"])
        report = bench.run(2, "--stages", "2")
        rates["stages"].append(report["samples_per_second"])
    replicas, stages = (statistics.median(rates[k]) for k in ("replicas", "stages"))
    predicted = report["parallel"]["predicted_samples_per_second"]
    print(f"{label}: two stages {stages:.4g} samples/s, two replicas {replicas:.4g}: ratio {stages / replicas:.3f}; predicted {predicted:.4g}; "
          f"rounds {' '.join(f'{s / r:.3f}' for s, r in zip(rates['stages'], rates['replicas']))}", flush=True)


def slowest(parallel, cuts):
    """Seconds of the slowest stage, cut before these steps, with what comes in over the link."""
    steps, found = parallel["steps"], 0.0
    for i, (a, b) in enumerate(zip((0, *cuts), (*cuts, len(steps)))):
        seconds = sum(s["seconds"] for s in steps[a:b])
        if i:
            seconds += parallel["message_seconds"] + steps[a]["bytes_before"] / parallel["link_bytes_per_second"]
        found = max(found, seconds)
    return found


def best_of_all(parallel, stages):
    """The same for the best cuts, found by trying all."""
    steps = parallel["steps"]
    sums = [0.0, *itertools.accumulate(s["seconds"] for s in steps)]
    enter = [parallel["message_seconds"] + s["bytes_before"] / parallel["link_bytes_per_second"] for s in steps]
    legal, best = [i for i, s in enumerate(steps) if s["cut_before"]], float("inf")
    for cuts in itertools.combinations(legal, stages - 1):
        worst, before = sums[cuts[0]], cuts[0]
        for c in (*cuts[1:], len(steps)):
            worst = max(worst, sums[c] - sums[before] + enter[before])
            before = c
        best = min(best, worst)
    return best


def cuts(bench, label):
    stages = bench.options.stages
    bench.enough()
    report = bench.run(stages, "--stages", str(stages))
    parallel = report["parallel"]
    chosen = slowest(parallel, [c["first_step"] for c in parallel["cut"][1:]])
    best = best_of_all(parallel, stages)
    measured, predicted = report["samples_per_second"], parallel["predicted_samples_per_second"]
    print(f"{label}: {len(parallel['steps'])} steps; slowest stage {chosen * 1e3:.2f} ms, best of all {best * 1e3:.2f} ms: ratio {chosen / best:.3f}; "
          f"predicted {predicted:.4g} samples/s, measured {measured:.4g}: ratio {measured / predicted:.3f}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tsbatch")
    p.add_argument("what", choices=["overhead", "cuts"])
    p.add_argument("labels", nargs="*")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--stages", type=int, default=2)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--lanes", type=int, default=1)
    options = p.parse_intermixed_args()
    torch.set_num_threads(1)
    for label in options.labels or (OVERHEAD if options.what == "overhead" else CUTS):
        with tempfile.TemporaryDirectory() as folder:
            (overhead if options.what == "overhead" else cuts)(Bench(options, label, folder), label)


if __name__ == "__main__":
    main()
