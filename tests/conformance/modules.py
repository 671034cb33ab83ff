#!/usr/bin/python3
"""Compares modules of torch.nn with PyTorch: each class scripted and traced, in evaluation and in training mode.

Samples come from PyTorch's own table of modules (module_db) and from TABLE below, which has the classes that table lacks.
A module is held by an outer one whose method gives the result and, in training, the buffers that the call wrote.
Results must have PyTorch's dtype and shape; values are compared as opdb.py compares them. What neither scripts nor traces
counts as unscripted.

usage: modules.py RUNNER [--classes NAME ...] [--own] [--samples N] [--jobs N] [--keep DIR] [-v]
  --classes     only classes whose name contains one of these
exit code 1 when a result is wrong, or when something crashed
"""
import argparse
import collections
import copy
import multiprocessing
import os
import shutil
import sys
import tempfile
import traceback
import types

import opdb
import runner as rn
import torch
from torch import nn

F32 = torch.float32


def rand(*size):
    return torch.rand(size) * 2 - 1


def module(cls, *args, x, **kwargs):
    """A row of TABLE: the class, what it is made with, and what it is called with."""
    return cls, args, kwargs, x if isinstance(x, tuple) else (x,)


def ints(high, *size):
    return torch.randint(0, high, size)


def rows():
    torch.manual_seed(0)
    images, signal, volume = rand(2, 4, 8, 10), rand(2, 4, 12), rand(1, 2, 5, 6, 7)
    yield module(nn.AdaptiveAvgPool1d, 5, x=signal)
    yield module(nn.AdaptiveAvgPool2d, (3, None), x=images)
    yield module(nn.AdaptiveAvgPool3d, (2, 3, 4), x=volume)
    yield module(nn.AdaptiveMaxPool1d, 5, x=signal)
    yield module(nn.AdaptiveMaxPool2d, (3, 4), return_indices=True, x=images)
    yield module(nn.AdaptiveMaxPool3d, 2, x=volume)
    yield module(nn.AvgPool1d, 3, 2, 1, x=signal)
    yield module(nn.AvgPool2d, 3, 2, 1, ceil_mode=True, count_include_pad=False, x=images)
    yield module(nn.AvgPool3d, 2, x=volume)
    yield module(nn.MaxPool1d, 3, 2, 1, return_indices=True, x=signal)
    yield module(nn.MaxPool2d, 3, 2, 1, dilation=2, x=images)
    yield module(nn.MaxPool2d, 2, return_indices=True, ceil_mode=True, x=images)
    yield module(nn.MaxPool3d, 2, return_indices=True, x=volume)
    yield module(nn.LPPool1d, 2.0, 3, 2, x=signal)
    yield module(nn.LPPool2d, 1.5, (2, 3), x=images)
    yield module(nn.FractionalMaxPool2d, 3, output_size=(4, 5), x=images)
    yield module(nn.FractionalMaxPool2d, 2, output_ratio=0.6, return_indices=True, x=images)
    yield module(nn.FractionalMaxPool3d, 2, output_size=3, x=volume)
    places = nn.functional.max_pool2d(images, 2, return_indices=True)
    yield module(nn.MaxUnpool1d, 2, x=nn.functional.max_pool1d(signal, 2, return_indices=True))
    yield module(nn.MaxUnpool2d, 2, x=places)
    yield module(nn.MaxUnpool3d, 2, x=nn.functional.max_pool3d(rand(1, 2, 4, 6, 8), 2, return_indices=True))
    for groups, dilation, mode in ((1, 1, "zeros"), (2, 2, "reflect"), (4, 1, "circular"), (1, 3, "replicate")):
        yield module(nn.Conv1d, 4, 8, 3, padding=1, groups=groups, dilation=dilation, padding_mode=mode, x=signal)
        yield module(nn.Conv2d, 4, 8, 3, padding=(1, 2), groups=groups, dilation=dilation, padding_mode=mode, x=images)
    yield module(nn.Conv2d, 4, 6, 4, padding="same", bias=False, x=images)
    yield module(nn.Conv3d, 2, 4, 3, stride=2, padding=1, x=volume)
    yield module(nn.ConvTranspose1d, 4, 6, 3, 2, 1, output_padding=1, groups=2, x=signal)
    yield module(nn.ConvTranspose2d, 4, 6, 3, 2, 1, dilation=2, x=images)
    yield module(nn.ConvTranspose3d, 2, 3, 2, 2, bias=False, x=volume)
    yield module(nn.Unfold, 3, dilation=2, padding=1, stride=2, x=images)
    yield module(nn.Fold, (6, 7), (2, 3), padding=1, x=rand(2, 12, 42))
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        yield module(nn.Upsample, size=(11, 7), mode=mode, x=images)
        yield module(nn.Upsample, scale_factor=(1.5, 2.0), mode=mode, x=images)
    yield module(nn.Upsample, scale_factor=2.5, mode="linear", align_corners=True, x=signal)
    yield module(nn.Upsample, scale_factor=2, mode="trilinear", x=volume)
    yield module(nn.UpsamplingNearest2d, scale_factor=2, x=images)
    yield module(nn.UpsamplingBilinear2d, size=(5, 20), x=images)
    yield module(nn.PixelShuffle, 2, x=images)
    yield module(nn.PixelUnshuffle, 2, x=images)
    yield module(nn.ChannelShuffle, 2, x=images)
    for cls, pad in ((nn.ReflectionPad1d, (2, 3)), (nn.ReplicationPad1d, 2), (nn.ZeroPad2d, (1, 2, 3, 0)), (nn.ConstantPad1d, ((1, 2), 0.5)),
                     (nn.ReflectionPad2d, 2), (nn.ReplicationPad2d, (1, 2, 3, 0)), (nn.ConstantPad2d, (1, -2.5)), (nn.ReplicationPad3d, 1),
                     (nn.ReflectionPad3d, 1), (nn.ConstantPad3d, (2, 1.5))):
        x = signal if "1d" in cls.__name__ else volume if "3d" in cls.__name__ else images
        yield module(cls, *(pad if "Constant" in cls.__name__ else (pad,)), x=x)
    for cls, size, x in ((nn.BatchNorm1d, 4, signal), (nn.BatchNorm1d, 6, rand(5, 6)), (nn.BatchNorm2d, 4, images), (nn.BatchNorm3d, 2, volume),
                         (nn.InstanceNorm1d, 4, signal), (nn.InstanceNorm2d, 4, images), (nn.InstanceNorm3d, 2, volume)):
        yield module(cls, size, x=x)
        yield module(cls, size, affine=False, momentum=0.3, x=x)
        yield module(cls, size, track_running_stats="Instance" in cls.__name__, affine=True, x=x)
    yield module(nn.SyncBatchNorm, 4, x=images)
    yield module(nn.GroupNorm, 2, 4, x=images)
    yield module(nn.GroupNorm, 4, 4, affine=False, x=signal)
    yield module(nn.LayerNorm, (8, 10), x=images)
    yield module(nn.LayerNorm, 12, elementwise_affine=False, x=signal)
    yield module(nn.LocalResponseNorm, 3, x=images)
    yield module(nn.CrossMapLRN2d, 3, x=images)
    for cls in (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout):
        x = volume if "3d" in cls.__name__ or "Feature" in cls.__name__ else signal if "1d" in cls.__name__ else images
        yield module(cls, 0.3, x=x)
    yield module(nn.Dropout, 0.5, inplace=True, x=signal)
    for cls, args in ((nn.ReLU, ()), (nn.ReLU6, ()), (nn.ELU, (0.7,)), (nn.SELU, ()), (nn.CELU, (0.7,)), (nn.GELU, ()), (nn.GELU, ("tanh",)), (nn.SiLU, ()),
                      (nn.Mish, ()), (nn.Sigmoid, ()), (nn.Tanh, ()), (nn.LogSigmoid, ()), (nn.Hardsigmoid, ()), (nn.Hardswish, ()), (nn.Hardtanh, (-0.3, 0.4)),
                      (nn.Hardshrink, (0.2,)), (nn.Softshrink, (0.2,)), (nn.Tanhshrink, ()), (nn.Softsign, ()), (nn.Softplus, (2, 0.5)), (nn.LeakyReLU, (0.1,)),
                      (nn.PReLU, (4,)), (nn.RReLU, ()), (nn.Threshold, (0.1, 0.7)), (nn.Softmin, (1,)), (nn.Softmax, (1,)), (nn.LogSoftmax, (1,)), (nn.Softmax2d, ()),
                      (nn.GLU, (1,)), (nn.Identity, ()), (nn.Flatten, ()), (nn.Flatten, (2,)), (nn.Unflatten, (1, (2, 2)))):
        yield module(cls, *args, x=images)
    yield module(nn.ReLU, True, x=images)
    yield module(nn.Linear, 12, 5, x=signal)
    yield module(nn.Linear, 12, 5, bias=False, x=rand(12))
    yield module(nn.Bilinear, 3, 4, 5, x=(rand(6, 3), rand(6, 4)))
    yield module(nn.Embedding, 10, 6, padding_idx=2, x=ints(10, 3, 4))
    yield module(nn.Embedding, 10, 6, max_norm=0.5, x=ints(10, 3, 4))
    for mode in ("sum", "mean", "max"):
        yield module(nn.EmbeddingBag, 10, 6, mode=mode, x=ints(10, 3, 4))
        yield module(nn.EmbeddingBag, 10, 6, mode=mode, padding_idx=3, x=(ints(10, 9), torch.tensor([0, 3, 3, 7])))
    yield module(nn.EmbeddingBag, 10, 6, mode="sum", include_last_offset=True, max_norm=0.8, x=(ints(10, 9), torch.tensor([0, 4, 9]), rand(9)))
    yield module(nn.CosineSimilarity, 1, x=(signal, rand(2, 4, 12)))
    yield module(nn.PairwiseDistance, 1.5, keepdim=True, x=(signal, rand(2, 4, 12)))
    for cls, kind in ((nn.RNN, {"nonlinearity": "relu"}), (nn.RNN, {}), (nn.LSTM, {}), (nn.GRU, {}), (nn.LSTM, {"proj_size": 3})):
        yield module(cls, 5, 6, x=rand(7, 3, 5), **kind)
        yield module(cls, 5, 6, 2, bidirectional=True, batch_first=True, x=rand(3, 7, 5), **kind)
        yield module(cls, 5, 6, 2, bias=False, dropout=0.4, x=rand(7, 3, 5), **kind)
        h = rand(1, 3, kind.get("proj_size", 6))
        yield module(cls, 5, 6, x=(rand(7, 3, 5), (h, rand(1, 3, 6)) if cls is nn.LSTM else h), **kind)
        yield module(cls, 5, 6, x=rand(7, 5), **kind)
    yield module(nn.RNNCell, 5, 6, "relu", x=(rand(3, 5), rand(3, 6)))
    yield module(nn.GRUCell, 5, 6, bias=False, x=(rand(3, 5), rand(3, 6)))
    yield module(nn.LSTMCell, 5, 6, x=(rand(3, 5), (rand(3, 6), rand(3, 6))))
    yield module(nn.LSTMCell, 5, 6, x=rand(3, 5))
    q, k = rand(5, 2, 8), rand(7, 2, 8)
    yield module(nn.MultiheadAttention, 8, 2, x=(q, k, k))
    yield module(nn.MultiheadAttention, 8, 2, bias=False, batch_first=True, x=(rand(2, 5, 8),) * 3)
    yield module(nn.MultiheadAttention, 8, 4, add_bias_kv=True, add_zero_attn=True, x=(q, k, k))
    yield module(nn.MultiheadAttention, 8, 2, kdim=6, vdim=4, x=(q, rand(7, 2, 6), rand(7, 2, 4)))
    hidden = torch.tensor([[False] * 5, [False, False, False, True, True]])
    for first in (False, True):
        yield module(nn.TransformerEncoderLayer, 8, 2, 16, 0.1, activation="gelu", batch_first=True, norm_first=first, x=rand(2, 5, 8))
        yield module(nn.TransformerEncoderLayer, 8, 2, 16, batch_first=True, norm_first=first, x=(rand(2, 5, 8), None, hidden))
        yield module(nn.TransformerDecoderLayer, 8, 2, 16, norm_first=first, x=(q, k))
    yield module(nn.TransformerEncoder, nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, x=(rand(2, 5, 8), None, hidden))
    shorter = torch.tensor([[False] * 4 + [True], [False, True, True, True, True]]) # without output_size, 1.13 gives four rows
    for mask in (shorter, torch.tensor([[True] + [False] * 4, [False, False, True, False, True]])): # padding at the front, a gap
        yield module(nn.TransformerEncoder, nn.TransformerEncoderLayer(6, 2, 16, batch_first=True, activation="gelu"), 2, nn.LayerNorm(6), x=(rand(2, 5, 6), None, mask))
    yield module(nn.TransformerEncoder, nn.TransformerEncoderLayer(6, 3, 16, batch_first=True), 2, x=(rand(2, 5, 6), None, hidden))
    yield module(nn.TransformerEncoder, nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), 2, x=(rand(2, 5, 8), None, hidden))
    yield module(nn.TransformerDecoder, nn.TransformerDecoderLayer(8, 2, 16), 2, nn.LayerNorm(8), x=(q, k))
    yield module(nn.Transformer, 8, 2, 1, 1, 16, x=(q, k))
    probability, logits, classes = torch.rand(4, 5), rand(4, 5), ints(5, 4)
    signs = ints(2, 4, 5).float() * 2 - 1
    for reduction in ("none", "mean", "sum"):
        yield module(nn.MSELoss, reduction=reduction, x=(logits, rand(4, 5)))
        yield module(nn.L1Loss, reduction=reduction, x=(logits, rand(4, 5)))
        yield module(nn.SmoothL1Loss, reduction=reduction, beta=0.3, x=(logits, rand(4, 5)))
        yield module(nn.HuberLoss, reduction=reduction, delta=0.3, x=(logits, rand(4, 5)))
        yield module(nn.BCELoss, reduction=reduction, x=(probability, torch.rand(4, 5)))
        yield module(nn.BCEWithLogitsLoss, reduction=reduction, pos_weight=torch.rand(5), x=(logits, torch.rand(4, 5)))
        yield module(nn.CrossEntropyLoss, torch.rand(5), reduction=reduction, label_smoothing=0.2, x=(logits, classes))
        yield module(nn.CrossEntropyLoss, reduction=reduction, x=(logits, torch.rand(4, 5)))
        yield module(nn.NLLLoss, torch.rand(5), ignore_index=1, reduction=reduction, x=(logits, classes))
        yield module(nn.KLDivLoss, reduction=reduction, x=(logits, probability))
        yield module(nn.PoissonNLLLoss, full=True, reduction=reduction, x=(logits, probability))
        yield module(nn.GaussianNLLLoss, full=True, reduction=reduction, x=(logits, rand(4, 5), probability))
        yield module(nn.HingeEmbeddingLoss, reduction=reduction, x=(logits, signs))
        yield module(nn.SoftMarginLoss, reduction=reduction, x=(logits, signs))
        yield module(nn.MarginRankingLoss, 0.2, reduction=reduction, x=(logits, rand(4, 5), signs))
        yield module(nn.MultiLabelMarginLoss, reduction=reduction, x=(logits, torch.tensor([[1, 3, -1, 0, 2]] * 4)))
        yield module(nn.MultiLabelSoftMarginLoss, reduction=reduction, x=(logits, ints(2, 4, 5).float()))
        yield module(nn.MultiMarginLoss, 2, 0.8, reduction=reduction, x=(logits, classes))
        yield module(nn.CosineEmbeddingLoss, 0.1, reduction=reduction, x=(logits, rand(4, 5), signs[:, 0]))
        yield module(nn.TripletMarginLoss, 0.5, swap=True, reduction=reduction, x=(logits, rand(4, 5), rand(4, 5)))
        yield module(nn.CTCLoss, reduction=reduction, zero_infinity=True,
                     x=(rand(12, 3, 6).log_softmax(-1), ints(5, 3, 4) + 1, torch.tensor([12, 10, 2]), torch.tensor([4, 3, 4])))
    yield module(nn.TripletMarginWithDistanceLoss, x=(logits, rand(4, 5), rand(4, 5)))
    yield module(nn.AdaptiveLogSoftmaxWithLoss, 8, 20, [5, 10], x=(rand(6, 8), ints(20, 6)))


def from_pytorch(training, most):
    """Rows from PyTorch's table, for one mode."""
    from torch.testing._internal.common_modules import module_db
    for info in module_db:
        torch.manual_seed(0)
        try:
            found = info.module_inputs_func(info, device="cpu", dtype=F32, requires_grad=False, training=training)
        except Exception:
            continue
        for sample in opdb.picked(found, most):
            if sample.forward_input is not None:
                c, f = sample.constructor_input, sample.forward_input
                yield info.module_cls, c.args, c.kwargs, f.args, f.kwargs


# ---- one module

class Holder(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.m = inner


def hold(inner, args, kwargs, buffers):
    """The outer module, the tensors its method takes."""
    source = opdb.Source()
    call = source.call(args, kwargs)
    parameters = "".join(f", a{i}: Tensor" for i in range(len(source.tensors)))
    state = "".join(f"self.m.{b}, " for b in buffers)
    outer = torch.jit._recursive.create_script_module(Holder(inner), lambda _: (), share_types=False)
    outer.define(f"def call(self{parameters}):\n    r = self.m({call})\n    return (r, ({state or '0'}))\n")
    tensors = tuple(opdb.deep_clone(t) for t in source.tensors)
    outer._c._register_attribute("args_call", torch._C.TupleType([torch._C.TensorType.get()] * len(tensors)), tensors)
    return outer, source.tensors


def doubled(v):
    if isinstance(v, torch.Tensor):
        return v.double() if v.is_floating_point() else v
    if isinstance(v, (list, tuple)):
        return type(v)(doubled(i) for i in v)
    return {k: doubled(i) for k, i in v.items()} if isinstance(v, dict) else v


def check(inner, kind, args, kwargs, folder, runner, keep):
    """(outcome, message)"""
    training = inner.training
    wide = copy.deepcopy(inner).double()
    try:
        if kind == "traced":
            if kwargs or any(not isinstance(a, (torch.Tensor, tuple)) for a in args):
                return None
            with torch.no_grad():
                ready = torch.jit.trace(copy.deepcopy(inner), args, check_trace=False)
        else:
            ready = torch.jit.script(copy.deepcopy(inner))
        buffers = [name for name, b in inner.named_buffers() if "." not in name and b is not None] if training else []
        outer, tensors = hold(ready, args, kwargs, buffers)
        path = os.path.join(folder, "model.pt")
        outer.save(path)
    except Exception as e:
        return "unscripted", (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            want, raised = outer.call(*(opdb.deep_clone(t) for t in tensors)), None
    except Exception as e:
        want, raised = None, str(e).strip().splitlines()[-1]
    wider = None
    if raised is None:
        torch.manual_seed(0)
        try:
            with torch.no_grad():
                wider = (wide(*doubled(args), **doubled(kwargs)), tuple(wide.get_buffer(b) for b in buffers) or 0)
        except Exception:
            wider = None
    outcome = compare(path, want, raised, wider, runner)
    if outcome[0] in ("failed", "crashed") and keep:
        os.makedirs(keep, exist_ok=True)
        shutil.copy(path, os.path.join(keep, f"{type(inner).__name__}-{kind}-{'train' if training else 'eval'}-{len(os.listdir(keep))}.pt"))
    return outcome


def compare(path, want, raised, wider, runner):
    for plain in (False, True):
        mode = " (not optimised)" if plain else ""
        got = runner.call(path, "call", plain)
        if got.status in (rn.CRASHED, rn.HUNG):
            return "crashed", got.message + mode
        if got.status == rn.UNSUPPORTED:
            return "missing", got.message.strip().splitlines()[-1][:300]
        if raised is not None:
            if got.status == rn.OK:
                return "failed", f"gives a result{mode}, PyTorch raises: {raised}"
            continue
        if got.status != rn.OK:
            return "failed", f"raises{mode}: {got.message.strip().splitlines()[-1][:300]}"
        try:
            opdb.difference(got.value, want, wider, types.SimpleNamespace(name="module"), False)
        except opdb.Difference as e:
            return "failed", str(e) + mode
    return "passed", ""


def label(cls, args, kwargs):
    words = [str(a)[:40] for a in args] + [f"{k}={str(v)[:40]}" for k, v in kwargs.items()]
    return f"{cls.__name__}({', '.join(words)})".replace("\n", " ")


def run_class(job):
    """All rows of one class: Counter, list of (what, outcome, message)."""
    name, options = job
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the compiler's warnings
    counts, wrong = collections.Counter(), []
    runner, folder = rn.Runner(options.runner), tempfile.mkdtemp()
    try:
        for training in (False, True):
            own = [(*r, {}) for r in rows() if r[0].__name__ == name]
            theirs = [] if options.own else [r for r in from_pytorch(training, options.samples) if r[0].__name__ == name]
            for cls, cargs, ckwargs, args, kwargs in own + theirs:
                torch.manual_seed(1)
                try:
                    inner = cls(*cargs, **ckwargs).train(training)
                except Exception:
                    counts["no samples"] += 1
                    continue
                for kind in ("scripted", "traced"):
                    found = check(inner, kind, args, kwargs, folder, runner, options.keep)
                    if found is None:
                        continue
                    counts[found[0]] += 1
                    if found[0] != "passed":
                        wrong.append((f"{label(cls, cargs, ckwargs)} {kind} {'train' if training else 'eval'}", *found))
    except Exception:  # of this script: must not end the other classes
        counts["harness"] += 1
        wrong.append((name, "harness", traceback.format_exc()[-800:]))
    finally:
        runner.close()
        shutil.rmtree(folder)
    return name, counts, wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runner")
    p.add_argument("--classes", nargs="+", default=[])
    p.add_argument("--samples", type=int, help="of each class and mode of PyTorch's table (default: all)")
    p.add_argument("--own", action="store_true", help="only the table in this file")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--keep")
    p.add_argument("-v", action="store_true", help="print what is unscripted, too")
    options = p.parse_args()
    classes = {r[0].__name__ for r in rows()}
    if not options.own:
        classes |= {r[0].__name__ for r in from_pytorch(False, 1)}
    jobs = [(c, options) for c in sorted(classes) if not options.classes or any(n in c for n in options.classes)]
    totals = collections.Counter()
    with multiprocessing.Pool(options.jobs, maxtasksperchild=30) as pool:
        for name, counts, wrong in pool.imap_unordered(run_class, jobs):
            said = opdb.verdict(counts)
            totals[said] += 1
            print(f"{said:10} {name}: " + ", ".join(f"{n} {k}" for k, n in sorted(counts.items())), flush=True)
            for what, outcome, message in wrong:
                if options.v or outcome != "unscripted":
                    print(f"    {outcome} {what}\n        {message}", flush=True)
    print("modules: " + ", ".join(f"{n} {k}" for k, n in sorted(totals.items())))
    return 1 if totals["wrong"] or totals["missing"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
