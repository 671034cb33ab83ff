#!/usr/bin/python3
"""Compares every operator with PyTorch on the sample inputs of PyTorch's own operator database (op_db).

A sample becomes a method of a scripted module, `return (result, arguments)`, so that writes to arguments are seen too.
It is compared as it is, called as a function, a method and in place; with float32 also with its tensors transposed,
strided and expanded, with out= tensors, and followed by a write through the result (does it share memory with an argument?).
tsbatch runs each with the graph optimised and as it is. PyTorch raising means that tsbatch must raise.

Results must have PyTorch's dtype, shape and, for views, strides. Values: integers and bools exactly, floating point
within torch.testing.assert_close's tolerances for the dtype; where that fails, the sample is computed in double
precision, and the error may be at most three times that of PyTorch's own result (plus one unit in the last place).

usage: opdb.py RUNNER [NAME ...] [--dtypes float32,int64] [--samples N] [--jobs N] [--scores FILE.json] [-v]
  NAME          operators whose name contains it ("linalg.", "nn.functional.conv"); an exact name counts alone: "=add"
  --samples N   of each operator and dtype, evenly picked (default: all)
  --list FILE   only the operators named in FILE, one per line
  --keep DIR    leave the archive of each failing sample in DIR
exit code 1 when a result is wrong that is not KNOWN to differ, or when something crashed
"""
import argparse
import collections
import json
import math
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import traceback
import types
import unittest
import warnings

# torch.testing._internal needs expecttest only for tests of its own.
sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=unittest.TestCase, ACCEPT=False, assert_expected_inline=None))

import torch  # noqa: E402

from torch.testing._internal.opinfo import core as opinfo  # noqa: E402

import runner as rn  # noqa: E402

warnings.filterwarnings("ignore")

UNDEFINED = {"empty", "empty_like", "new_empty", "new_empty_strided", "resize_", "resize_as_", "empty_strided", "empty_permuted"}
# Decompositions whose factors are unique only up to signs or phases (and, for svd_lowrank, up to what was drawn).
UP_TO_PHASE = {"linalg.eigh", "linalg.eig", "linalg.svd", "svd", "symeig", "linalg.qr", "qr", "svd_lowrank", "pca_lowrank", "geqrf"}
# Operators that may name any of several equal elements.
TIES = {"sort", "argsort", "topk", "kthvalue", "median", "nanmedian", "mode", "msort"}
TOLERANCE = {torch.float16: (1e-3, 1e-5), torch.bfloat16: (1.6e-2, 1e-5), torch.float32: (1.3e-6, 1e-5), torch.float64: (1e-7, 1e-7),
             torch.complex32: (1e-3, 1e-5), torch.complex64: (1.3e-6, 1e-5), torch.complex128: (1e-7, 1e-7)}
ULP = {torch.float16: 2.0 ** -10, torch.bfloat16: 2.0 ** -7, torch.float32: 2.0 ** -23, torch.float64: 2.0 ** -52,
       torch.complex32: 2.0 ** -10, torch.complex64: 2.0 ** -23, torch.complex128: 2.0 ** -52}
WIDER = {torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64,
         torch.complex32: torch.complex128, torch.complex64: torch.complex128}
# PyTorch's own errors in double precision, absolute (both 1.13 and 2.14; measured for |x| < 10 against 40 digits; at most 2e-8
# up to 5). Results that are exact differ from it by as much.
OWN_ERROR = {"special.bessel_j0": 4e-7, "special.bessel_j1": 5e-7, "special.bessel_y0": 3e-7, "special.bessel_y1": 9e-7}
PATIENCE = 1200  # seconds for the next of the operators that run side by side
# What 1.13 refuses and 2.14 does.
LATER = re.compile(r"(gather|scatter)\(\): Expected dtype int64 for index")
# Types in which 1.13 computes otherwise than 2.14, which tsbatch follows: differences count as "changed". Run with 2.14,
# this script finds them equal.
OLD = int(torch.__version__.split(".")[0]) < 2
COMPLEX, INTEGERS = {torch.complex64, torch.complex128}, {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
CHANGED = {
    "histc": {torch.bfloat16},  # bins
    "div (floor_rounding)": {torch.bfloat16}, "floor_divide": {torch.bfloat16},  # infinite quotients: 1.13 gives NaN
    "fmod": {torch.bfloat16}, "remainder": {torch.bfloat16},  # NaN in vectors, exact in what is left of them
    "addmm": INTEGERS,  # 1.13 takes fractions as alpha and beta of integers
    "dot": COMPLEX, "vdot": COMPLEX, "matmul": COMPLEX, "__rmatmul__": COMPLEX, "linalg.vecdot": COMPLEX,  # Debian's products of complex vectors are 0
    "ne": COMPLEX, "eq": COMPLEX,  # in place, 1.13 writes 1+1j for true
    "nn.functional.pairwise_distance": {torch.float16}, "dist": {torch.float16}, "linalg.vector_norm": {torch.float16}, "masked.normalize": {torch.float16},  # 1.13 sums powers in float16
}
# out= tensors that are not contiguous, or that 1.13 and 2.14 do not write at all: PyTorch's own fault.
OUT_AT_FAULT = {"narrow_copy", "nn.functional.avg_pool3d", "fft.ihfftn", "fft.ihfft2"}
# Differences that stay: they are counted as wrong, and do not make the exit code 1.
KNOWN = {
    "matrix_exp": "of float16 and bfloat16 PyTorch gives NaN in places, tsbatch what float32 gives",
}
# Matrices of equal rows are singular: rounding decides what their factors and inverses are.
REGULAR = {"logdet", "lu", "lu_solve", "lu_unpack", "svd", "qr", "geqrf", "pinverse", "linalg.lu", "linalg.lu_factor", "linalg.lu_factor_ex", "linalg.lu_solve", "linalg.ldl_factor",
           "linalg.ldl_factor_ex", "linalg.ldl_solve", "linalg.inv", "linalg.inv_ex", "linalg.pinv", "linalg.solve", "linalg.solve_ex", "linalg.lstsq", "linalg.svd",
           "linalg.qr", "linalg.eig", "linalg.eigh", "linalg.eigvals", "linalg.cond", "linalg.matrix_rank", "linalg.tensorinv", "linalg.tensorsolve"}
PER_ARCHIVE = 16


class NotScript(Exception):
    """Has no literal in TorchScript."""


# ---- a sample as source text

class Source:
    """Collects tensors as parameters while arguments are written down."""
    def __init__(self):
        self.tensors = []

    def literal(self, v):
        if isinstance(v, torch.Tensor):
            self.tensors.append(v)
            return f"a{len(self.tensors) - 1}"
        if v is None or isinstance(v, bool):
            return str(v)
        if isinstance(v, (torch.dtype, torch.layout, torch.memory_format)):
            return {torch.preserve_format: "torch.preserve_format"}.get(v, str(v)) if str(v).startswith("torch.") else f"torch.{v}"
        if isinstance(v, torch.device):
            return f'torch.device("{v}")'
        if isinstance(v, str):
            return json.dumps(v)
        if isinstance(v, complex):
            return f"complex({self.literal(v.real)}, {self.literal(v.imag)})"
        if isinstance(v, float):
            return repr(v) if math.isfinite(v) else f'float("{v}")'
        if isinstance(v, int):
            return str(v)
        if isinstance(v, (torch.Size, list)):
            return "[" + ", ".join(self.literal(i) for i in v) + "]"
        if isinstance(v, tuple):
            return "(" + ", ".join(self.literal(i) for i in v) + ("," if len(v) == 1 else "") + ")"
        if isinstance(v, slice):
            return ":".join("" if i is None else self.literal(i) for i in (v.start, v.stop, v.step))
        if v is Ellipsis:
            return "..."
        raise NotScript(type(v).__name__)

    def call(self, args, kwargs):
        return ", ".join([self.literal(a) for a in args] + [f"{k}={self.literal(v)}" for k, v in kwargs.items()])


def is_tensor_list(v):
    return isinstance(v, (list, tuple)) and v and all(isinstance(i, torch.Tensor) for i in v)


REVERSED = {"radd": "+", "rdiv": "/", "rmul": "*", "rand": "&", "ror": "|", "rxor": "^", "rmatmul": "@", "rmod": "%", "rpow": "**", "rsub": "-"}


def as_number(v):
    return int(v) if isinstance(v, bool) else v


def factory(name):
    def write(s, sample):
        sizes = list(sample.input) if isinstance(sample.input, (tuple, list)) else [sample.input, *sample.args]
        rest = "".join(f", {k}={s.literal(torch.device(v) if k == 'device' else v)}" for k, v in sample.kwargs.items() if k != "requires_grad")
        return f"torch.{name}({s.literal(sizes) if sizes else 'torch.jit.annotate(List[int], [])'}{rest})"
    return write


def conversion(s, sample, dtype):
    return f"{s.literal(sample.input)}.to({s.call([dtype], sample.kwargs)})"


# What Python and TorchScript, or op_db's wrapper and the operator, spell differently.
SPELLINGS = {
    "nonzero": [("function", lambda s, x: f"torch.nonzero({s.literal(x.input)})" if not x.kwargs.get("as_tuple") else
                 f"torch.where({s.literal(x.input)})")],
    "fill": [("function", lambda s, x: f"torch.fill({s.literal(x.input)}, {s.literal(as_number((*x.args, *x.kwargs.values())[0]))})"),
             ("in place", lambda s, x: f"{s.literal(x.input)}.fill_({s.literal(as_number((*x.args, *x.kwargs.values())[0]))})")],
    "where": [("function", lambda s, x: f"torch.where({s.call([x.args[0], x.input, *x.args[1:]], x.kwargs)})")],
    "uniform": [("in place", lambda s, x: f"{s.literal(x.input)}.uniform_({s.call([float(a) for a in x.args], {})})")],
    "special.polygamma": [("function", lambda s, x: f"torch.special.polygamma({s.call([x.args[0], x.input], {})})")],
    "bool": [("function", lambda s, x: conversion(s, x, torch.bool))],
    "bfloat16": [("function", lambda s, x: conversion(s, x, torch.bfloat16))],
    "randn": [("function", factory("randn"))],
    "empty": [("function", factory("empty"))],
}


def expressions(op, sample):
    """(kind, text, tensors) of the ways to call op with the sample, best known first."""
    name, args, kwargs = op.name, (sample.input, *sample.args), sample.kwargs
    found = []

    def add(kind, write):
        s = Source()
        try:
            text = write(s)
        except NotScript:
            return
        found.append((kind, text, s.tensors))

    def index_text(s, i):
        return ", ".join(s.literal(k) for k in i) if isinstance(i, tuple) else s.literal(list(i) if isinstance(i, list) else i)

    if name == "__getitem__":
        add("function", lambda s: f"{s.literal(sample.input)}[{index_text(s, sample.args[0])}]")
    elif name.startswith("__r"):
        add("function", lambda s: "{1} {2} {0}".format(s.literal(sample.input), s.literal(sample.args[0]), REVERSED[name.strip("_")]))
    elif name in ("T", "H", "mT", "mH"):
        add("function", lambda s: f"{s.literal(sample.input)}.{name}")
    elif name in SPELLINGS:
        for kind, write in SPELLINGS[name]:
            add(kind, lambda s, write=write: write(s, sample))
    else:
        # variadic in Python, a list in TorchScript
        if is_tensor_list(sample.input) or name in ("meshgrid", "broadcast_tensors", "block_diag", "cartesian_prod"):
            tensors = list(sample.input) if isinstance(sample.input, (list, tuple)) else [sample.input]
            rest = sample.args
            while rest and isinstance(rest[0], torch.Tensor) and name in ("meshgrid", "broadcast_tensors", "block_diag", "cartesian_prod"):
                tensors.append(rest[0])
                rest = rest[1:]
            args = (tensors, *rest)
        if name == "einsum":
            args = (sample.args[0], list(sample.input))
        if name.startswith("nn.functional."):
            add("function", lambda s: f"torch.{name}({s.call(args, kwargs)})")
            add("function", lambda s: f"torch.{name.split('.')[-1]}({s.call(args, kwargs)})")
            add("function", lambda s: f"torch._C._nn.{name.split('.')[-1]}({s.call(args, kwargs)})")
        else:
            add("function", lambda s: f"torch.{name}({s.call(args, kwargs)})")
            if op.aten_name and op.aten_name != name:
                add("function", lambda s: f"torch.{op.aten_name}({s.call(args, kwargs)})")
        # x.stft(...) is another overload that saved code, without its default arguments, does not name: PyTorch loads stft then
        if isinstance(sample.input, torch.Tensor) and name != "stft":
            short = (op.aten_name or name) if "." in name else name
            add("method", lambda s: f"{s.literal(sample.input)}.{short}({s.call(sample.args, kwargs)})")
            if op.inplace_variant is not None:
                label = op.inplace_variant.__name__ if hasattr(op.inplace_variant, "__name__") else short + "_"
                add("in place", lambda s: f"{s.literal(sample.input)}.{label}({s.call(sample.args, kwargs)})")
    return found


def relaid(t, how):
    """The same values in another layout; expanded: the first slice, repeated."""
    if t.layout != torch.strided or t.dim() == 0 or t.numel() == 0:
        return t
    if how == "transposed":
        return t.transpose(0, -1).contiguous().transpose(0, -1)
    if how == "strided":
        wide = torch.zeros(*t.shape[:-1], 2 * t.shape[-1] + 1, dtype=t.dtype)
        wide[..., 1::2] = t
        return wide[..., 1::2]
    return t[:1].expand(t.shape)


# ---- methods of a module

class Method:
    def __init__(self, label, text, tensors):
        self.label, self.text, self.tensors = label, text, tensors


def changed(op, sample):
    """Samples whose result is another in 2.14: 1.13 keeps a dimension that a scalar does not have, and does not always sort."""
    if op.name == "aminmax":
        return sample.kwargs.get("keepdim") and sample.input.dim() == 0
    if op.name in ("unique", "unique_consecutive"):
        dim = sample.kwargs.get("dim")
        if dim is None or sample.input.dim() == 0 or 0 in sample.input.shape:
            return dim is None and not sample.kwargs.get("sorted", True) and op.name == "unique"
        if dim % sample.input.dim() > 1:  # 1.13 swaps it with the first, 2.14 moves it there: another order of what is compared
            return True
        slices = torch.unique(sample.input, dim=dim).movedim(dim, 0).flatten(1 if sample.input.dim() > 1 else 0).tolist()
        return slices != sorted(slices) and op.name == "unique"
    return False


def write_methods(op, dtype, sample, index):
    """Lists of alternatives; of each list the first that PyTorch scripts is used."""
    if changed(op, sample):
        return
    kinds = collections.OrderedDict()
    for kind, text, tensors in expressions(op, sample):
        kinds.setdefault(kind, []).append((text, tensors))
    for kind, ways in kinds.items():
        yield [Method(f"{index} {kind}", f"r = {text}", tensors) for text, tensors in ways]
        if kind in ("function", "in place") and dtype == torch.complex64 and op.name not in UNDEFINED | {"ldexp"}: # 1.13 resizes what ldexp_ writes to
            yield [conjugated(f"{index} {kind} of conjugates", f"r = {text}", tensors) for text, tensors in ways]
        if kind == "function" and dtype in (torch.float32, torch.complex64):
            if op.name not in UNDEFINED:
                # which of equal elements comes first is nobody's promise
                # and equal coordinates have no gradient
                for how in ("transposed", "strided") if op.name in TIES | REGULAR or op.name == "gradient" else ("transposed", "strided", "expanded"):
                    if OLD and op.name == "nn.functional.embedding_bag" and sample.kwargs.get("mode") == "max":
                        continue  # 1.13 damages its heap
                    yield [Method(f"{index} {how}", f"r = {text}", [relaid(t, how) for t in tensors]) for text, tensors in ways]
            yield [Method(f"{index} alias", f"r = {text}\n    {write}", tensors)
                   for text, tensors in ways for write in ("r.zero_()", "[t.zero_() for t in r]", "r[0].zero_()")]


def conjugated(label, text, tensors):
    """The same values as views that conjugate what is given."""
    views = "".join(f"a{i} = a{i}.conj()\n    " for i in range(len(tensors)))
    return Method(label, views + text, [t.conj_physical() if t.layout == torch.strided else t for t in tensors])


def out_tensors(op, sample):
    """(label, tensor) to give as out=, of an operator with one result: written to, resized, of a type it may not have."""
    try:
        torch.manual_seed(0)
        r = op(sample.input, *sample.args, **sample.kwargs)
    except Exception:
        return []
    if not isinstance(r, torch.Tensor) or r.layout != torch.strided:
        return []
    turned = torch.zeros(tuple(reversed(r.shape)), dtype=r.dtype).permute(tuple(reversed(range(r.dim()))))
    outs = [("out", turned), ("out resized", torch.empty(0, dtype=r.dtype))]
    # Whether others convert to the type of out= differs from operator to operator; tsbatch does where the types allow it.
    if isinstance(op, (opinfo.UnaryUfuncInfo, opinfo.BinaryUfuncInfo, opinfo.ReductionOpInfo)):
        outs += [("out as bool", torch.zeros(r.shape, dtype=torch.bool)), ("out wider", torch.zeros(r.shape, dtype=torch.complex128))]
    return outs


def write_out_methods(op, sample, index):
    outs = out_tensors(op, sample)
    for kind, text, tensors in expressions(op, sample):
        if kind == "function" and text.endswith(")"):
            for label, out in outs:
                joint = "" if text.endswith("()") else ", "
                called = f"r = {text[:-1]}{joint}out=a{len(tensors)})"
                yield [Method(f"{index} {label}", called, [*tensors, out])]
                if label == "out" and out.dtype == torch.complex64:
                    yield [conjugated(f"{index} {label} of conjugates", called, [*tensors, out])]
            return


def deep_clone(t):
    """The same sizes and strides over memory of its own."""
    if t.layout != torch.strided or t.is_quantized:
        return t.detach().clone()
    if t.numel() == 0:
        return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype)
    span = 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride()))
    return t.detach().as_strided((span,), (1,), t.storage_offset()).clone().as_strided(t.shape, t.stride())


def define(module, name, method):
    parameters = "".join(f", a{i}: Tensor" for i in range(len(method.tensors)))
    values = "".join(f"a{i}, " for i in range(len(method.tensors)))
    result = "0" if method.label.endswith("alias") and op_hides_result(method) else "r"
    body = f"    {method.text}\n    return ({result}, ({values if values else '0'}))\n"
    # Tried outside first: a method that does not compile would stay in the module, half made, and end its saving.
    torch.jit.CompilationUnit(f"def {name}({parameters[2:]}):\n{body}")
    module.define(f"def {name}(self{parameters}):\n{body}")
    tensors = tuple(deep_clone(t) for t in method.tensors)
    if tensors:
        module._c._register_attribute(f"args_{name}", torch._C.TupleType([torch._C.TensorType.get()] * len(tensors)), tensors)
    return tensors


def op_hides_result(method):
    return "r[0]" in method.text or "for t in r" in method.text


# ---- comparing

class Difference(Exception):
    pass


def tensor_difference(got, want, wider, op, check_strides, least):
    if got.dtype != want.dtype or got.shape != want.shape:
        raise Difference(f"{got.dtype}{list(got.shape)}, PyTorch gives {want.dtype}{list(want.shape)}")
    # strides of dimensions of size 1 mean nothing, but views keep them
    telling = [d for d in range(want.dim()) if want.shape[d] > 1 or op.name in VIEWS]
    if check_strides and want.numel() and any(got.runner_stride[d] != want.stride(d) for d in telling):
        raise Difference(f"strides {list(got.runner_stride)}, PyTorch gives {list(want.stride())}")
    if op.name in UNDEFINED or got.numel() == 0:
        return
    want = want.detach().resolve_conj().resolve_neg().contiguous()
    if not (want.dtype.is_floating_point or want.dtype.is_complex):
        if not torch.equal(got, want):
            raise Difference(f"{int((got != want).sum())} of {got.numel()} elements differ: {short(got)}, PyTorch gives {short(want)}")
        return
    rtol, atol = (max(t) for t in zip(TOLERANCE[want.dtype], least))
    atol = max(atol, OWN_ERROR.get(op.name, 0))
    wide = torch.complex128 if want.dtype.is_complex else torch.float64
    g, w = got.to(wide), want.to(wide)
    if close(g, w, rtol, atol):
        return
    if op.name in UP_TO_PHASE and close(g.abs(), w.abs(), 10 * rtol, 10 * atol):
        return
    if wider is not None and isinstance(wider, torch.Tensor) and wider.shape == want.shape:
        e = wider.detach().resolve_conj().resolve_neg().to(wide)
        finite = torch.isfinite(e) & torch.isfinite(w) & torch.isfinite(g)
        if torch.equal(torch.isfinite(g), torch.isfinite(w)) and close(g[~finite], w[~finite], 0, 0):
            ours, theirs = (g - e)[finite].abs(), (w - e)[finite].abs()
            scale = ULP[want.dtype] * e[finite].abs().max() if finite.any() else 0
            if not finite.any() or ours.max() <= 3 * theirs.max() + scale:
                return
    d = (g - w).abs()
    raise Difference(f"up to {float(d.nan_to_num().max()):.3g} off: {short(got)}, PyTorch gives {short(want)}")


def close(g, w, rtol, atol):
    return torch.allclose(g, w, rtol=rtol, atol=atol, equal_nan=True) if g.numel() else True


def short(t):
    return str(t.flatten()[:4].tolist()) + ("…" if t.numel() > 4 else "")


def difference(got, want, wider, op, check_strides, least=(0, 0)):
    if isinstance(want, torch.Tensor):
        if not isinstance(got, torch.Tensor):
            raise Difference(f"{type(got).__name__}, PyTorch gives a tensor")
        return tensor_difference(got, want, wider, op, check_strides, least)
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(want):
            raise Difference(f"{got!r}, PyTorch gives {len(want)} items")
        wide = wider if isinstance(wider, (list, tuple)) and len(wider) == len(want) else [None] * len(want)
        for g, w, e in zip(got, want, wide):
            difference(g, w, e, op, check_strides, least)
        return None
    if type(got) is not type(want) or not (got == want or (got != got and want != want) or
                                           (isinstance(want, (float, complex)) and abs(got - want) <= 1e-6 * abs(want) + 1e-9)):
        raise Difference(f"{got!r}, PyTorch gives {want!r}")


def settle_ties(got, want, inputs):
    """`want` where `got` are other positions of equal elements of the first input, each named once; else `got`.

    Which of several equal elements comes first is left open by sort(stable=False), topk, kthvalue, median and mode, and
    differs between builds of PyTorch.
    """
    if isinstance(want, (list, tuple)) and isinstance(got, (list, tuple)) and len(got) == len(want):
        return type(got)(settle_ties(g, w, inputs) for g, w in zip(got, want))
    if not (isinstance(want, torch.Tensor) and isinstance(got, torch.Tensor) and want.dtype == got.dtype == torch.int64 and
            want.shape == got.shape and inputs) or torch.equal(got, want):
        return got
    t = inputs[0].reshape(1) if inputs[0].dim() == 0 else inputs[0]
    for dim in range(t.dim()):
        g, w = (got, want) if got.dim() == t.dim() else (got.unsqueeze(dim), want.unsqueeze(dim))
        fits = g.dim() == t.dim() and all(g.shape[d] == t.shape[d] for d in range(t.dim()) if d != dim)
        if not fits or not g.numel() or min(int(g.min()), int(w.min())) < 0 or max(int(g.max()), int(w.max())) >= t.shape[dim]:
            continue
        once = g.sort(dim).values.diff(dim=dim).ne(0).all()
        if once and torch.equal(t.gather(dim, g).nan_to_num(7.25), t.gather(dim, w).nan_to_num(7.25)):
            settled = want.clone()
            settled.runner_stride = got.runner_stride
            return settled
    return got


def has_odd_tensor(v):
    """A result that the runner has no bytes for."""
    if isinstance(v, torch.Tensor):
        return v.layout != torch.strided or v.is_quantized
    return isinstance(v, (list, tuple)) and any(has_odd_tensor(i) for i in v)


def widen(t):
    return t.to(WIDER[t.dtype]) if isinstance(t, torch.Tensor) and t.dtype in WIDER else t


# ---- running

class Scores(dict):
    """operator -> Counter of passed, failed, missing, crashed, unscripted; failures are printed by the caller."""


def check(op, module, name, method, tensors, path, runner, keep_strides):
    """(outcome, text)"""
    torch.manual_seed(0)
    wider, least = None, (0, 0)
    if method.label.endswith("out wider") and not any(t.dtype in (torch.float64, torch.complex128) for t in tensors[:-1]):
        least = TOLERANCE[torch.float32]  # what is computed in float32 gains no digits by being stored in a wider type
    pristine = [deep_clone(t) for t in tensors]
    try:
        want = getattr(module, name)(*tensors)
        raised = None
    except Exception as e:  # whatever PyTorch raises
        want, raised = None, str(e).strip().splitlines()[-1]
    for plain in (False, True):
        mode = " (not optimised)" if plain else ""
        got = runner.call(path, name, plain)
        if got.status in (rn.CRASHED, rn.HUNG):
            return "crashed", got.message + mode
        if got.status == rn.UNSUPPORTED:
            return "missing", got.message
        if raised is not None or has_odd_tensor(want):
            if got.status == rn.OK and raised and (LATER.search(raised) or method.label.endswith("out wider")):
                continue  # some of PyTorch's operators convert to a wider out=, others refuse; tsbatch's convert
            if got.status == rn.OK:
                return "failed", f"gives a result{mode}, PyTorch raises: {raised}" if raised else f"gives a result{mode}, PyTorch gives a sparse or quantised one"
            continue
        if got.status != rn.OK:
            return "failed", f"raises{mode}: {got.message.strip().splitlines()[-1][:300]}"
        if op.name in TIES:
            got.value = settle_ties(got.value, want, pristine)
        try:
            difference(got.value, want, None, op, keep_strides, least)
        except Difference:
            if wider is None:
                try:
                    torch.manual_seed(0)
                    wider = getattr(module, name)(*[widen(deep_clone(t)) for t in pristine])
                except Exception:
                    wider = ()
            try:
                difference(got.value, want, wider, op, keep_strides, least)
            except Difference as e:
                return "failed", str(e) + mode
    return "passed", ""


def picked(samples, most):
    samples = list(samples)
    if most is None or len(samples) <= most:
        return samples
    step = len(samples) / most
    return [samples[int(i * step)] for i in range(most)]


def run_chunk(op, methods, folder, runner, options, report):
    """Defines what can be scripted of `methods` (lists of alternatives) in one module, saves and checks it."""
    # a class of its own: modules of one Python class share theirs
    module, ready = torch.jit._recursive.create_script_module(torch.nn.Module(), lambda _: (), share_types=False), []
    for i, ways in enumerate(methods):
        error = ""
        for k, way in enumerate(ways):
            name = f"s{i}_{k}"
            try:
                ready.append((name, way, define(module, name, way)))
                break
            except Exception as e:
                error = error or str(e).strip().splitlines()[0]
        else:
            report("unscripted", ways[0], error)
    if not ready:
        return
    path = os.path.join(folder, "model.pt")
    module.save(path)
    for name, method, tensors in ready:
        views = method.label.endswith("alias") or bool(op.name in VIEWS)
        if OLD and op.name.startswith("fft."):
            views = False  # Debian's PyTorch has pocketfft, which lays results out otherwise than MKL and FFTW
        outcome, text = check(op, module, name, method, tensors, path, runner, views)
        report(outcome, method, text)
        if outcome in ("failed", "crashed") and options.keep:
            os.makedirs(options.keep, exist_ok=True)
            shutil.copy(path, os.path.join(options.keep, re.sub(r"\W+", "-", f"{op.name} {method.label}") + f"-{name}.pt"))


class Recorded(torch.nn.Module):
    """An operator that is a Python function without a TorchScript form, with the tensors of a sample as parameters."""
    def __init__(self, op, sample):
        super().__init__()
        self.op, self.sample, self.tensors = op, sample, []
        self.replaced(lambda t: self.tensors.append(t) or t)

    def replaced(self, change):
        def walk(v):
            if isinstance(v, torch.Tensor):
                return change(v)
            return type(v)(walk(i) for i in v) if type(v) in (list, tuple) else v
        return walk(self.sample.input), walk(self.sample.args), {k: walk(v) for k, v in self.sample.kwargs.items()}

    def forward(self, *tensors):
        left = list(tensors)
        value, args, kwargs = self.replaced(lambda _: left.pop(0))
        return self.op(value, *args, **kwargs), tensors


def run_traced(op, sample, index, folder, runner, report):
    recorded = Recorded(op.op, sample)
    method = Method(f"{index} traced", op.name, recorded.tensors)
    tensors = tuple(deep_clone(t) for t in recorded.tensors)
    try:
        module = torch.jit.trace(recorded, tensors, check_trace=False)
    except Exception as e:
        report("unscripted", method, str(e).strip().splitlines()[0])
        return
    module._c._register_attribute("args_forward", torch._C.TupleType([torch._C.TensorType.get()] * len(tensors)), tensors)
    path = os.path.join(folder, "model.pt")
    module.save(path)
    outcome, text = check(op, module, "forward", method, tensors, path, runner, False)
    report(outcome, method, text)


# Python functions that a trace records and a script cannot.
def only_traced(op):
    return op.name.startswith("masked.") or op.name == "nn.functional.triplet_margin_with_distance_loss"


VIEWS = {"as_strided", "chunk", "diagonal", "expand", "expand_as", "narrow", "permute", "select", "slice", "split", "split_with_sizes", "squeeze",
         "t", "tensor_split", "transpose", "unbind", "unfold", "unsqueeze", "view", "view_as", "movedim", "T", "H", "mT", "mH", "hsplit", "vsplit",
         "dsplit", "swapaxes", "swapdims", "broadcast_to", "contiguous", "reshape", "flatten", "unflatten", "real", "imag", "view_as_real", "view_as_complex"}


def run_operator(op, options):
    """Counter, list of (dtype, label, text, message) of what is not right."""
    counts, wrong = collections.Counter(), []
    runner, folder = rn.Runner(options.runner), tempfile.mkdtemp()
    try:
        for dtype in sorted(op.supported_dtypes("cpu"), key=str):
            if options.dtypes and str(dtype).split(".")[-1] not in options.dtypes:
                continue
            torch.manual_seed(0)

            def report(outcome, method, text, dtype=dtype):
                if outcome == "failed" and OLD and dtype in CHANGED.get(label_of(op), ()):
                    outcome = "changed"
                counts[outcome] += 1
                if outcome != "passed":
                    wrong.append((str(dtype).split(".")[-1], outcome, method.label, method.text, text))

            try:
                samples = picked(op.sample_inputs("cpu", dtype, requires_grad=False), options.samples)
            except Exception as e:
                counts["no samples"] += 1
                wrong.append((str(dtype).split(".")[-1], "no samples", "", "", str(e).strip().splitlines()[-1] if str(e) else type(e).__name__))
                continue
            if only_traced(op):
                for i, s in enumerate(samples):
                    run_traced(op, s, i, folder, runner, report)
                continue
            methods = [m for i, s in enumerate(samples) for m in write_methods(op, dtype, s, i)]
            if op.supports_out and dtype in (torch.float32, torch.int64) and op.name not in UNDEFINED | OUT_AT_FAULT:
                methods += [m for i, s in enumerate(picked(samples, 4)) for m in write_out_methods(op, s, i)]
            if not methods:
                counts["unscripted"] += len(samples)
            for first in range(0, len(methods), PER_ARCHIVE):
                run_chunk(op, methods[first:first + PER_ARCHIVE], folder, runner, options, report)
        if op.error_inputs_func is not None and not options.dtypes:
            try:
                errors = [e.sample_input for e in op.error_inputs("cpu")]
            except Exception:
                errors = []
            methods = [[Method(f"error {i} {kind}", f"r = {text}", tensors)] for i, s in enumerate(errors) for kind, text, tensors in expressions(op, s)[:1]
                       if all(t.device.type == "cpu" for t in tensors)]
            for first in range(0, len(methods), PER_ARCHIVE):
                # what does not script is an error that PyTorch finds while compiling
                run_chunk(op, methods[first:first + PER_ARCHIVE], folder, runner, options,
                          lambda outcome, method, text: None if outcome == "unscripted" else report_error(counts, wrong, outcome, method, text))
    finally:
        runner.close()
        shutil.rmtree(folder)
    return counts, wrong


def report_error(counts, wrong, outcome, method, text):
    counts[outcome] += 1
    if outcome != "passed":
        wrong.append(("error input", outcome, method.label, method.text, text))


def label_of(op):
    return op.name + (f" ({op.variant_test_name})" if op.variant_test_name else "")


def work(job):
    index, options = job
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the compiler's warnings
    from torch.testing._internal.common_methods_invocations import op_db
    op = op_db[index]
    try:
        return (label_of(op), *run_operator(op, options))
    except Exception:  # of this script: must not end the other operators
        return label_of(op), collections.Counter(harness=1), [("", "harness", "", "", traceback.format_exc()[-600:])]


def verdict(counts):
    """Of an operator: passed, wrong, missing or unscripted."""
    if counts["failed"] or counts["crashed"] or counts["harness"]:
        return "wrong"
    if counts["missing"]:
        return "missing"
    return "passed" if counts["passed"] else "unscripted"


def chosen(op_db, options):
    listed = None
    if options.list:
        with open(options.list) as f:
            listed = {line.strip() for line in f if line.strip() and not line.startswith("#")}
    for i, op in enumerate(op_db):
        if listed is not None and label_of(op) not in listed:
            continue
        if options.names and not any(op.name == n[1:] if n.startswith("=") else n in op.name for n in options.names):
            continue
        yield i


def answers(pool, labels, jobs):
    """What comes of each operator. One whose process ended, which only PyTorch can make it do here, never gives an answer."""
    results = pool.imap_unordered(work, jobs)
    left = collections.Counter(labels)
    for _ in labels:
        try:
            answer = results.next(timeout=PATIENCE)
        except multiprocessing.TimeoutError:
            for label in left:
                yield label, collections.Counter(harness=left[label]), [("", "harness", "", "", f"no answer within {PATIENCE} s: has PyTorch ended its process?")]
            return
        left -= collections.Counter([answer[0]])
        yield answer


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runner")
    p.add_argument("names", nargs="*")
    p.add_argument("--dtypes", type=lambda s: s.split(","))
    p.add_argument("--samples", type=int)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--list")
    p.add_argument("--keep")
    p.add_argument("--scores")
    p.add_argument("-v", action="store_true", help="print every difference, not the first three of an operator")
    options = p.parse_args()
    from torch.testing._internal.common_methods_invocations import op_db
    jobs = [(i, options) for i in chosen(op_db, options)]
    scores, totals, unknown = {}, collections.Counter(), 0
    with multiprocessing.Pool(options.jobs, maxtasksperchild=20) as pool:
        for label, counts, wrong in answers(pool, [label_of(op_db[i]) for i, _ in jobs], jobs):
            said = verdict(counts)
            totals[said] += 1
            unknown += said == "wrong" and (label not in KNOWN or counts["crashed"] > 0)
            scores[label] = {"verdict": said, **counts, "why": [w[4][:200] for w in wrong if w[1] in ("missing", "failed", "crashed", "unscripted")][:1]}
            print(f"{said:10} {label}: " + ", ".join(f"{n} {k}" for k, n in sorted(counts.items())), flush=True)
            shown = [w for w in wrong if w[1] not in ("unscripted", "changed")]
            for dtype, outcome, at, text, message in shown if options.v else shown[:3]:
                print(f"    {outcome} {dtype} {at}: {text[:200]}\n        {message[:600]}", flush=True)
    print("operators: " + ", ".join(f"{n} {k}" for k, n in sorted(totals.items())))
    if options.scores:
        with open(options.scores, "w") as f:
            json.dump(scores, f, indent=0, sort_keys=True)
    return 1 if unknown or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
