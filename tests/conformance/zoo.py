"""The models that tsbatch is compared with PyTorch on. A case is (family, name, kind, build).

build() returns a Case: the eager module in eval mode, how to turn it into TorchScript, and its inputs by argument name,
first dimension = sample. Weights are random but seeded, batch-norm statistics measured on random images and then
disturbed, so that no layer is trivially the identity and activations keep their size through deep nets.
"""
import contextlib
import dataclasses
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "gen"))


@dataclasses.dataclass
class Case:
    module: nn.Module            # eager (or already scripted), eval mode
    inputs: dict                 # argument name -> tensor [N, ...]
    kind: str                    # "scripted", "traced", "as is" or "quantized"
    batch: int = 2
    per_sample: bool = False
    fast_path: bool = False      # traced without gradients: transformers then use their fused operators
    argmax: bool = False         # outputs are class scores along dimension 1
    steps: bool = False          # of kind "quantized": results are multiples of a scale
    listed: bool = False         # the argument is a List[Tensor]: one item per sample
    detections: bool = False     # each sample's results are boxes, labels, scores …: the same ones must be found
    dicts: bool = False          # the result is a dict, which tracing must be told to accept
    computed: dict = dataclasses.field(default_factory=dict) # what float64 gave, shared by the kinds of one model
    floating: nn.Module = None   # of an int8 module: what it approximates
    exactly: object = contextlib.nullcontext # context in which the module computes in float64
    strict_limit: bool = False   # 1e-5 from float64, or 1e-4 where PyTorch's float32 is not within 1e-5 either

    def argument(self, values, first):
        """What a call gets for the samples from `first` on."""
        rows = values[first] if self.per_sample else values[first:first + self.batch]
        return list(rows) if self.listed else rows

    def torchscript(self):
        if self.kind == "scripted":
            return torch.jit.script(self.module)
        if self.kind == "traced":
            example = tuple(self.argument(v, 0) for v in self.inputs.values())
            with torch.set_grad_enabled(not self.fast_path):
                return torch.jit.trace(self.module, example, check_trace=False, strict=not self.dicts)
        return self.module


def disturb_batch_norms(model, images, call=None, bias=(0.1, 0.4)):
    """Gives every batch norm random weights and the statistics of what reaches it, somewhat disturbed.

    Deep nets of convolution, norm and ReLU amplify what float32 rounds off, the less so the larger the biases."""
    call = call or model

    def measure(norm, arguments):
        x = arguments[0].transpose(0, 1).flatten(1)
        mean, var = x.mean(1), x.var(1)
        norm.running_mean.copy_(mean + 0.1 * var.sqrt() * torch.randn_like(mean))
        # A channel that hardly varies would be blown up, and with it float32's rounding.
        norm.running_var.copy_(var.clamp(min=0.1 * float(var.mean())) * torch.empty_like(var).uniform_(0.8, 1.25))
        norm.weight.data.uniform_(0.8, 1.2)
        norm.bias.data.uniform_(*bias)

    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    if norms:
        with torch.no_grad():
            model.eval()
            call(images)
    for hook in hooks:
        hook.remove()


VISION = ("resnet18 resnet50 mobilenet_v2 mobilenet_v3_small efficientnet_b0 densenet121 squeezenet1_1 vgg11_bn googlenet "
          "vit_b_16 swin_t").split()


def vision(name, kind, samples=3, size=224):
    import torchvision
    torch.manual_seed(len(name) * 1000 + ord(name[0]))
    options = {"init_weights": False} if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(weights=None, **options)
    if name == "vit_b_16":
        nn.init.normal_(model.heads.head.weight, std=0.02)  # PyTorch starts it at zero
        nn.init.normal_(model.class_token, std=0.02)
    disturb_batch_norms(model, torch.randn(8, 3, size, size))
    return Case(model.eval(), {"x": torch.randn(samples, 3, size, size)}, kind, argmax=True)


class LSTMTagger(nn.Module):
    """Embedding, two bidirectional LSTM layers, one score per tag and position."""

    def __init__(self, words=1000, embedding=128, hidden=128, tags=32):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.tag = nn.Linear(2 * hidden, tags)

    def forward(self, tokens):
        y, _ = self.lstm(self.embedding(tokens))
        return self.tag(y)


class GRUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(24, 48, num_layers=2, batch_first=True)
        self.out = nn.Linear(48, 5)

    def forward(self, x):
        y, h = self.gru(x)
        return self.out(y[:, -1]), h.transpose(0, 1)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.encoder(x)


def sequence(name, kind):
    torch.manual_seed(7)
    if name == "lstm_tagger":
        return Case(LSTMTagger().eval(), {"tokens": torch.randint(0, 1000, (12, 40))}, kind, batch=5)
    if name == "gru":
        return Case(GRUNet().eval(), {"x": torch.randn(12, 30, 24)}, kind, batch=5)
    return Case(Encoder().eval(), {"x": torch.randn(12, 20, 64)}, kind, batch=5, fast_path=name == "encoder_fast")


def tutorial(name):
    import shown_as
    path = os.path.join(os.path.dirname(__file__), "..", "gen", "tutorial_models.py")
    module, shapes = shown_as.load(path, "/src/tutorial.py").build()[name]
    torch.manual_seed(3)
    return Case(module, {k: torch.randn(1000, *shape) for k, shape in shapes.items()}, "as is", per_sample=True)


def cases():
    """(family, label, function without arguments) of every case."""
    for name in ("cell_traced cell_scripted linear_cell_traced linear_cell_scripted gated_cell_traced gated_cell_scripted "
                 "rnn_loop wrap_rnn").split():
        yield "tutorial", name, lambda name=name: tutorial(name)
    for name in "lstm_tagger gru encoder".split():
        for kind in "scripted", "traced":
            yield "sequence", f"{name}/{kind}", lambda name=name, kind=kind: sequence(name, kind)
    yield "sequence", "encoder_fast/traced", lambda: sequence("encoder_fast", "traced")
    for name in VISION:
        for kind in "scripted", "traced":
            yield "vision", f"{name}/{kind}", lambda name=name, kind=kind: vision(name, kind)
    import quantized_zoo
    import torchvision_zoo
    yield from quantized_zoo.cases()
    yield from torchvision_zoo.cases()
