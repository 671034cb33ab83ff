#!/usr/bin/python3
"""Makes tests/data/quantised*.pt with Debian's torch: one traced int8 model, and the same with the packed parameters of its
convolutions in the three forms that archives know (torchscript.md §2.6): quantised.pt as torch 1.13 writes it (version 2),
quantised_1.pt and quantised_3.pt rewritten. What the model gives is printed for tests/unit/worker/test_model.c.

usage: quantised.py DIR
"""
import collections
import io
import os
import pickle
import struct
import sys
import warnings
import zipfile

import torch
from torch import nn

warnings.filterwarnings("ignore")


def weight(*size):
    w = torch.randn(*size) / 3
    scales = w.flatten(1).abs().amax(1).double() / 127
    return torch.quantize_per_channel(w, scales, torch.zeros(size[0], dtype=torch.long), 0, torch.qint8)


class Net(nn.Module):
    """Holds packed parameters itself: modules of torch.nn.quantized would save theirs through __getstate__."""

    def __init__(self):
        super().__init__()
        ops = torch.ops.quantized
        self.conv = ops.conv2d_prepack(weight(4, 2, 3, 2), torch.randn(4), [2, 1], [1, 0], [1, 1], 1)
        self.deep = ops.conv3d_prepack(weight(2, 1, 2, 2, 2), None, [1, 1, 1], [1, 1, 1], [1, 1, 1], 1)
        self.linear = ops.linear_prepack(weight(3, 32), torch.randn(3))

    def forward(self, x):
        ops = torch.ops.quantized
        x = torch.quantize_per_tensor(x, 0.05, 60, torch.quint8)
        x = ops.conv2d_relu(x, self.conv, 0.04, 3)
        y = ops.conv3d(x.unsqueeze(1), self.deep, 0.06, 128)[:, 0, :4, :2, :4]
        return torch.dequantize(ops.linear(y.flatten(1), self.linear, 0.05, 100))


# ---- an archive's pickle as Python objects that pickle back to the same bytes but for memo numbers


def stub(module, name):
    cls = type(name, (), {"__module__": module})
    cls.__new__ = staticmethod(lambda c, *args: object.__new__(c))
    cls.__init__ = lambda self, *args: setattr(self, "args", args)
    cls.__setstate__ = lambda self, state: setattr(self, "state", state)
    cls.is_stub = True
    return cls


class Reader(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.classes = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        return self.classes.setdefault((module, name), stub(module, name))

    def persistent_load(self, key):
        return ("persistent", key)


class Writer:
    """Protocol 2 as libtorch reads it."""

    def __init__(self):
        self.out = bytearray(b"\x80\x02")

    def put(self, v):
        out = self.out
        if v is None or isinstance(v, bool):
            out += b"N" if v is None else b"\x88" if v else b"\x89"
        elif isinstance(v, int):
            out += b"J" + v.to_bytes(4, "little", signed=True) if -2**31 <= v < 2**31 else b"\x8a\x08" + v.to_bytes(8, "little", signed=True)
        elif isinstance(v, float):
            out += b"G" + struct.pack(">d", v)
        elif isinstance(v, str):
            out += b"X" + len(v.encode()).to_bytes(4, "little") + v.encode()
        elif isinstance(v, tuple) and len(v) == 2 and v[0] == "persistent":
            self.put(v[1])
            out += b"Q"
        elif isinstance(v, tuple):
            out += b"("
            for item in v:
                self.put(item)
            out += b"t"
        elif isinstance(v, list):
            out += b"]("
            for item in v:
                self.put(item)
            out += b"e"
        elif isinstance(v, collections.OrderedDict):
            out += b"ccollections\nOrderedDict\n)R"
        elif isinstance(v, dict):
            out += b"}("
            for key, value in v.items():
                self.put(key)
                self.put(value)
            out += b"u"
        elif isinstance(v, type):
            out += f"c{v.__module__}\n{v.__name__}\n".encode()
        elif hasattr(v, "state"):
            self.put(type(v))
            out += b")\x81"
            self.put(v.state)
            out += b"b"
        else:
            self.put(type(v))
            self.put(v.args)
            out += b"R"


def number(x):
    """A tensor of one int64: the storages of those are named after what they hold."""
    t = object.__new__(stub("torch._utils", "_rebuild_tensor_v2"))
    storage = ("persistent", ("storage", stub("torch", "LongStorage"), f"number{x}", "cpu", 1))
    t.args = (storage, 0, (1,), (1,), False, collections.OrderedDict())
    return t


def typed(function, *args):
    v = object.__new__(stub("torch.jit._pickle", function))
    v.args = args
    return v


def rewritten(v, form, numbers):
    """The same data, convolutions' states in another form."""
    if isinstance(v, list):
        return [rewritten(x, form, numbers) for x in v]
    if isinstance(v, tuple):
        return tuple(rewritten(x, form, numbers) for x in v)
    if isinstance(v, dict) and not isinstance(v, collections.OrderedDict):
        return {k: rewritten(x, form, numbers) for k, x in v.items()}
    if hasattr(v, "state") and type(v).__name__ in numbers:
        version, tensors, optional = v.state
        weight, bias = tensors.args[0][1], (optional.args[0] if hasattr(optional, "args") else optional)[0]
        spatial, parameters = numbers[type(v).__name__]
        if form == 3:
            v.state = (3, typed("build_intlist", parameters), typed("restore_type_tag", [None, weight, bias], "List[Optional[Tensor]]"))
        else:
            part = [typed("build_tensorlist", [number(x) for x in parameters[1 + k * spatial:1 + (k + 1) * spatial]]) for k in range(3)]
            v.state = (weight, bias, *part, number(parameters[1 + 4 * spatial]))
    elif hasattr(v, "state"):
        v.state = rewritten(v.state, form, numbers)
    elif hasattr(v, "args"):
        v.args = rewritten(v.args, form, numbers)
    return v


# The call of files with packed parameters of version 1.
NEW_CALL, OLD_CALL = "quantized.conv2d_relu(_0, conv, ", "quantized.conv2d_relu(_0, conv, [2, 1], [1, 0], [1, 1], 1, "


def main():
    folder = sys.argv[1]
    torch.backends.quantized.engine = "onednn"
    torch.manual_seed(4)
    x = torch.arange(2 * 2 * 5 * 5).reshape(2, 2, 5, 5).float().remainder(7) - 3
    model = torch.jit.trace(Net().eval(), x, check_trace=False)
    path = os.path.join(folder, "quantised.pt")
    model.save(path)
    numbers = {"Conv2dPackedParamsBase": (2, [2, 2, 1, 1, 0, 1, 1, 0, 0, 1, 0]),
               "Conv3dPackedParamsBase": (3, [3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0])}
    for form in 1, 3:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(os.path.join(folder, f"quantised_{form}.pt"), "w", zipfile.ZIP_STORED) as new:
            for info in old.infolist():
                content = old.read(info.filename)
                if info.filename.endswith("/data.pkl"):
                    w = Writer()
                    w.put(rewritten(Reader(io.BytesIO(content)).load(), form, numbers))
                    content = bytes(w.out) + b"."
                if form == 1 and info.filename.endswith("__torch__.py"):
                    assert NEW_CALL.encode() in content, content.decode()
                    content = content.replace(NEW_CALL.encode(), OLD_CALL.encode())
                if not info.filename.endswith(".debug_pkl"):
                    new.writestr(zipfile.ZipInfo(info.filename), content)
            for x_ in (0, 1, 2) if form == 1 else ():
                new.writestr(zipfile.ZipInfo(f"quantised/data/number{x_}"), struct.pack("<q", x_))
        assert torch.equal(torch.jit.load(new.filename)(x), model(x))
    print(model(x).flatten().tolist())


main()
