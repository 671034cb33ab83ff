"""Interleaved throughput of tsbatch, ONNX Runtime and PyTorch's TorchScript on one core: see compare.sh.

Each round runs every engine once for a second or so on the same core; what is compared are medians over the rounds.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import h5py
import numpy as np
import onnxruntime
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "conformance"))
import zoo  # noqa: E402

CORE = sorted(os.sched_getaffinity(0))[-1]


def pinned():
    os.sched_setaffinity(0, {CORE})


def models():
    """name -> (case, batch, peers)"""
    for name, batch in ("resnet18", 8), ("resnet50", 8), ("mobilenet_v2", 8), ("vit_b_16", 4):
        yield name, zoo.vision(name, "scripted", samples=batch), batch
    tagger = zoo.sequence("lstm_tagger", "scripted")
    tagger.inputs = {"tokens": torch.randint(0, 1000, (32, 40))}
    yield "lstm_tagger", tagger, 32
    rnn = zoo.tutorial("rnn_loop")
    yield "rnn_loop", rnn, 1


def flops(case, args):
    """Of one call, 0 where PyTorch's counter does not know: recurrent layers, scripted modules."""
    from torch.utils.flop_counter import FlopCounterMode
    if any(isinstance(m, torch.nn.RNNBase) for m in case.module.modules()):
        return 0
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            case.module(*args)
        return counter.get_total_flops()
    except Exception:
        return 0


class Torch:
    name = "PyTorch"

    def __init__(self, module, args):
        self.module, self.args = torch.jit.optimize_for_inference(torch.jit.freeze(module.eval())), args

    def __call__(self):
        with torch.no_grad():
            return self.module(*self.args)


class TorchPlain(Torch):
    def __init__(self, module, args):
        self.module, self.args = module, args


class Onnx:
    name = "ONNX Runtime"

    def __init__(self, module, args, path):
        torch.onnx.export(module, args, path, dynamo=False, opset_version=17)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.feed = dict(zip((i.name for i in self.session.get_inputs()), (a.numpy() for a in args)))

    def __call__(self):
        return [torch.from_numpy(o) for o in self.session.run(None, self.feed)]


def seconds_per_call(engine, budget):
    """Median over the calls made in `budget` seconds."""
    times, end = [], time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 3:
        began = time.perf_counter()
        engine()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def tsbatch_seconds(tsbatch, model, inputs, batch, per_sample, budget, work):
    report = os.path.join(work, "bench.json")
    command = [tsbatch, "bench", model, "--lanes", "1", "--threads", "1", "--seconds", str(budget), "--report", report, "-q"]
    for name, spec in inputs.items():
        command += ["--input", f"{name}={spec}"]
    subprocess.run(command, check=True, preexec_fn=pinned, stdout=subprocess.DEVNULL)
    with open(report) as f:
        return json.load(f)["latency_ms"]["p50"] / 1e3


def spec(tensor, limit):
    kind = {torch.float32: "f32", torch.int64: "i64"}[tensor.dtype]
    return f"{kind}[{','.join(map(str, tensor.shape))}]" + (f"<{limit}" if kind == "i64" else "")


def agree(tsbatch, model, case, batch, reference, work):
    """Relative L2 distance of tsbatch's scores from PyTorch's."""
    data, output = os.path.join(work, "data.h5"), os.path.join(work, "out.h5")
    with h5py.File(data, "w") as f:
        for name, value in case.inputs.items():
            f.create_dataset(name, data=value[:batch].numpy())
    command = [tsbatch, model, data, "-o", output, "--overwrite", "-q"]
    command += ["--per-sample"] if case.per_sample else ["--batch-size", str(batch)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with h5py.File(output) as f:
        got = f["output"][()] if isinstance(f["output"], h5py.Dataset) else f["output/0"][()]
    want = reference[0] if isinstance(reference, (tuple, list)) else reference
    got = got[0] if case.per_sample else got
    return float(np.linalg.norm(got - want.numpy()) / np.linalg.norm(want.numpy()))


def ranks_ratio(tsbatch, model, case, work):
    """Throughput of two ranks on two cores over one rank on one core, for a job of some seconds."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    data = os.path.join(work, "ranks.h5")
    first = next(iter(case.inputs))
    value = case.inputs[first].numpy()
    with h5py.File(data, "w") as f:
        f.create_dataset(first, data=np.concatenate([value] * 16))
    rates = {1: [], 2: []}
    for _ in range(3):
        for ranks in rates:
            report = os.path.join(work, "ranks.json")
            root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
            subprocess.run(["mpirun", *root, "--bind-to", "none", "-n", str(ranks), tsbatch, model, data, "-o",
                            os.path.join(work, "ranks.out.h5"), "--overwrite", "-q", "--lanes", "1", "--batch-size", "8",
                            "--report", report], check=True, stdout=subprocess.DEVNULL)
            with open(report) as f:
                rates[ranks].append(json.load(f)["samples_per_second"])
    return statistics.median(rates[2]) / statistics.median(rates[1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tsbatch")
    p.add_argument("work")
    p.add_argument("--models", help="comma-separated; default all")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.5)
    o = p.parse_args()
    torch.set_num_threads(1)
    print("| model | batch | engine | samples/s | ratio to the best | share of FMA peak | distance from PyTorch |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, case, batch in models():
        if o.models and name not in o.models.split(","):
            continue
        path = os.path.join(o.work, name + ".pt")
        script = case.torchscript()
        script.save(path)
        args = tuple(v[0] if case.per_sample else v[:batch] for v in case.inputs.values())
        work = flops(case, args)
        os.sched_setaffinity(0, {CORE})
        engines = [TorchPlain(script, args)] if case.per_sample else [Onnx(case.module, args, path + ".onnx"), Torch(script, args)]
        reference = engines[-1]()
        for engine in engines:
            for _ in range(3):
                engine()
        specs = {n: spec(a, 1000) for n, a in zip(case.inputs, args)}
        times, peak = {}, []
        for _ in range(o.rounds):
            peak.append(float(subprocess.check_output([os.path.join(o.work, "fma_peak")], preexec_fn=pinned)))
            for engine in engines:
                times.setdefault(engine.name, []).append(seconds_per_call(engine, o.seconds))
            times.setdefault("tsbatch", []).append(
                tsbatch_seconds(o.tsbatch, path, specs, batch, case.per_sample, o.seconds, o.work))
        os.sched_setaffinity(0, range(os.cpu_count()))
        apart = {"tsbatch": agree(o.tsbatch, path, case, batch, reference, o.work), "PyTorch": 0.0}
        medians = {k: statistics.median(v) for k, v in times.items()}
        best = min(medians.values())
        for engine, t in sorted(medians.items(), key=lambda kv: kv[1]):
            share = f"{work / t / 1e9 / statistics.median(peak):.2f}" if work else "–"
            distance = f"{apart[engine]:.1e}" if engine in apart else "–"
            print(f"| {name} | {batch} | {engine} | {batch / t:.1f} | {best / t:.2f} | {share} | {distance} |", flush=True)
        if name == "resnet50":
            ratio = ranks_ratio(o.tsbatch, path, case, o.work)
            if ratio:
                print(f"| {name} | {batch} | tsbatch, two ranks on two cores over one rank | | {ratio:.2f}× | | |", flush=True)


if __name__ == "__main__":
    main()
