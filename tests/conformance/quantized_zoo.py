"""Quantised models for run.py: family "quantized". Static int8 networks after calibration with random data, dynamically
quantised layers, embeddings, quantised operators.

What is right: see compare_quantized of run.py. Debian's 1.13 has the engines onednn and qnnpack, which round otherwise than
fbgemm and each other: deep networks of theirs differ by some 1e-2. With 2.14, whose fbgemm tsbatch follows, all of these
give the same integers (by hand: PYTHON run.py TSBATCH quantized).
"""
import warnings

import torch
import torch.nn.functional as F
from torch import nn

import zoo

ENGINES = [e for e in ("fbgemm", "onednn", "qnnpack") if e in torch.backends.quantized.supported_engines]


class Stubs(nn.Module):
    def __init__(self, module):
        super().__init__()
        import torch.ao.quantization as tq
        self.quant, self.module, self.dequant = tq.QuantStub(), module, tq.DeQuantStub()

    def forward(self, x):
        return self.dequant(self.module(self.quant(x)))


def calibrated(model, x, fuse=(), default=False):
    import torch.ao.quantization as tq
    torch.backends.quantized.engine = ENGINES[0]
    if fuse:
        tq.fuse_modules(model.eval(), list(fuse), inplace=True)
    # One scale for all channels where PyTorch knows no other; seven bits of activations, with which no engine saturates.
    model.qconfig = tq.default_qconfig if default else tq.get_default_qconfig("fbgemm")
    tq.prepare(model.eval(), inplace=True)
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn_like(x))
        model(x)
    return tq.convert(model)


def case(module, x, kind="scripted", batch=2, steps=True):
    """steps: the results are quantised numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.script(module) if kind == "scripted" else torch.jit.trace(module, x[:batch], check_trace=False)
    return zoo.Case(script, {"x": x}, "quantized", batch=batch, steps=steps)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(3, 16, 3, padding=1, stride=2), nn.BatchNorm2d(16), nn.ReLU()
        self.depthwise, self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 40, 5, padding=2, groups=2)
        self.add, self.cat = nn.quantized.FloatFunctional(), nn.quantized.FloatFunctional()
        self.pool, self.mean, self.linear = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Linear(80, 10)

    def forward(self, x):
        x = self.act(self.norm(self.first(x)))
        x = self.add.add_relu(x, self.depthwise(x))
        x = self.deep(x)
        x = self.cat.cat([x, torch.relu(x)], 1)
        return self.linear(self.mean(self.pool(x)).flatten(1))


class Arithmetic(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "abcd":
            setattr(self, name, nn.quantized.FloatFunctional())

    def forward(self, x):
        y = self.b.add(self.a.mul(x, x), x)
        y = self.c.mul_scalar(self.c.add_scalar(y, 1.5), -0.5)
        return self.d.cat([y, x, y[:, :1]], 1)


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.cat, self.add = nn.Conv2d(8, 8, 1), nn.quantized.FloatFunctional(), nn.quantized.FloatFunctional()
        self.groups, self.pixels = nn.ChannelShuffle(2), nn.PixelShuffle(2)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        y = self.cat.cat([self.conv(x), b, a], 1)
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        return self.pixels(self.groups(self.add.add_relu(y, y)))[:, :, 1:, ::2]


class Moved(nn.Module):
    def forward(self, x):
        x = F.pad(F.interpolate(x, size=[9, 11], mode="nearest"), [1, 2, 0, 1])
        x = F.hardsigmoid(torch.relu(torch.clamp(x, -1.0, 2.0)))
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


def data(*size):
    """The same numbers whichever cases are chosen."""
    return torch.randn(*size, generator=torch.Generator().manual_seed(sum(size)))


def layers():
    r = data
    yield "conv1d", lambda: nn.Sequential(nn.Conv1d(4, 6, 3, padding=1, stride=2), nn.ReLU()), r(4, 4, 17), {}
    yield "conv2d_dilated", lambda: nn.Conv2d(8, 12, 3, dilation=2, padding=2, groups=2), r(4, 8, 12, 13), {}
    yield "conv3d", lambda: nn.Conv3d(3, 8, 3, padding=1), r(4, 3, 5, 6, 7), {}
    yield "transposed1d", lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1), r(4, 4, 9), {"default": True}
    yield "transposed2d", lambda: nn.ConvTranspose2d(4, 6, 4, stride=3, padding=2, groups=2, dilation=2), r(4, 4, 7, 8), {"default": True}
    yield "transposed3d", lambda: nn.ConvTranspose3d(4, 6, 3, stride=2), r(4, 4, 3, 4, 3), {"default": True}
    yield "linear", lambda: nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 7, bias=False)), r(6, 30), \
        {"fuse": [["module.0", "module.1"]]}
    for name in "Hardswish ELU Sigmoid ReLU6 Tanh Hardtanh LeakyReLU".split():
        yield name.lower(), lambda name=name: nn.Sequential(nn.Conv2d(3, 8, 1), getattr(nn, name)()), r(4, 3, 6, 7), {}
    yield "layer_norm", lambda: nn.LayerNorm(16), r(4, 5, 16), {}
    yield "group_norm", lambda: nn.GroupNorm(2, 8), r(4, 8, 5, 4), {}
    yield "instance_norm", lambda: nn.InstanceNorm2d(8, affine=True), r(4, 8, 5, 4), {}
    yield "pools", lambda: nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d((3, 2)), nn.Upsample(scale_factor=2)), \
        r(4, 8, 31, 29), {}
    yield "arithmetic", Arithmetic, r(4, 6), {}
    yield "shuffle", Shuffle, r(4, 8, 6, 7), {}
    yield "moved", Moved, r(4, 3, 5, 6), {}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru = nn.LSTM(12, 20, 2, bidirectional=True, batch_first=True), nn.GRU(40, 9, batch_first=True)
        self.out = nn.Sequential(nn.Linear(9, 30), nn.ReLU(), nn.Linear(30, 4))

    def forward(self, x):
        y, _ = self.lstm(x)
        z, h = self.gru(y)
        return self.out(z), h.transpose(0, 1)


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(12, 20), nn.GRUCell(20, 9), nn.RNNCell(9, 5)

    def forward(self, x):
        h, c = self.lstm(x)
        g = self.gru(h)
        return c, g, self.rnn(g)


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(12, 20, bidirectional=True, batch_first=True)

    def forward(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 5, 2]), batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


def dynamic(module, x, kind="scripted", batch=3, dtype=torch.qint8):
    import torch.ao.quantization as tq
    torch.manual_seed(5)
    torch.backends.quantized.engine = ENGINES[0]
    kinds = {nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}
    return case(tq.quantize_dynamic(module().eval(), kinds, dtype=dtype), x, kind, batch, steps=False)


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.bag, self.small = nn.Embedding(100, 16), nn.EmbeddingBag(100, 16, mode="sum"), nn.EmbeddingBag(100, 16, mode="sum")

    def forward(self, x):
        return self.one(x), self.bag(x), self.small(x)


def embeddings():
    import torch.ao.quantization as tq
    torch.manual_seed(6)
    torch.backends.quantized.engine = ENGINES[0]
    model = Embeddings().eval()
    model.one.qconfig = model.bag.qconfig = tq.float_qparams_weight_only_qconfig
    model.small.qconfig = tq.float_qparams_weight_only_qconfig_4bit
    tq.prepare(model, inplace=True)
    return case(tq.convert(model), data(6, 5).mul(20).long().remainder(100), batch=3, steps=False)


def static(build, x, options, kind="scripted"):
    torch.manual_seed(4)
    return case(calibrated(Stubs(build()), x, **options), x, kind)


def network(name, kind, size=96):
    import torchvision
    torch.manual_seed(len(name))
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    model = getattr(torchvision.models.quantization, name)(weights=None, quantize=False, **options).eval()
    x = torch.randn(4, 3, size, size)
    zoo.disturb_batch_norms(model, x)
    model.fuse_model(is_qat=False)
    return case(calibrated(model, x), x, kind)


def cases():
    for kind in "scripted", "traced":
        yield "quantized", f"cnn/{kind}", lambda kind=kind: static(CNN, data(6, 3, 32, 32), {"fuse": [["module.first", "module.norm", "module.act"]]}, kind)
    for name, build, x, options in layers():
        yield "quantized", name, lambda build=build, x=x, options=options: static(build, x, options)
    yield "quantized", "dynamic_recurrent", lambda: dynamic(Recurrent, data(6, 5, 12))
    yield "quantized", "dynamic_cells", lambda: dynamic(Cells, data(6, 12))
    yield "quantized", "dynamic_packed/traced", lambda: dynamic(Packed, data(6, 6, 12), "traced")
    if "fbgemm" in ENGINES:
        yield "quantized", "dynamic_float16", lambda: dynamic(Recurrent, data(6, 5, 12), dtype=torch.float16)
    yield "quantized", "embeddings", embeddings
    for name in "resnet18 mobilenet_v2 googlenet".split():
        yield "quantized", f"{name}/scripted", lambda name=name: network(name, "scripted")
    yield "quantized", "mobilenet_v3_large/traced", lambda: network("mobilenet_v3_large", "traced")
