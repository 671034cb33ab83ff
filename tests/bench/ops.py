#!/usr/bin/python3
"""Times operators in tsbatch and in PyTorch, one core, tensors of 64 and of a million elements.

An operator is called in a loop of a scripted method, so that what an interpreter adds to it counts (a while loop: for loops
PyTorch unrolls, and finds eight times the same expression). The engines take turns; what is compared are medians of
processor time over the rounds.

usage: ops.py RUNNER [NAME ...] [--python INTERPRETER] [--isa NAME] [--rounds N] [--worst R] [--json FILE] [-v]
  RUNNER      build/tests/conformance_runner
  NAME        cases whose name contains it
  --python    the interpreter of the PyTorch to compare with (default: this one)
  --isa NAME  avx2: neither engine takes better instructions
  --worst R   exit code 1 when tsbatch takes more than R times as long as PyTorch anywhere (default 2; 0: never)
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
import torch  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "conformance"))
CORE = sorted(os.sched_getaffinity(0))[-1]
DTYPES = {"f": torch.float32, "d": torch.float64, "h": torch.float16, "b": torch.bfloat16, "i": torch.int32, "l": torch.int64,
          "s": torch.int16, "u": torch.uint8, "t": torch.bool, "c": torch.complex64}


def tensor(spec, big):
    """"f" a vector; letters behind the dtype: m a matrix, T the transpose of one, S every second element of a vector twice as
    long, n images [N, C, H, W], k weights for them, r one row, o one column, p all positive, x indices into a vector, y into
    rows of a matrix, z one number without dimensions"""
    kind, how = DTYPES[spec[0]], spec[1:]
    side, shape = (1024 if big else 8), [(1 << 20) if big else 64]
    if "m" in how or "T" in how or "y" in how:
        shape = [side, side]
    if "n" in how:
        shape = [4, 64, 64, 64] if big else [1, 4, 4, 4]
    if "k" in how:
        shape = [64, 64, 3, 3] if big else [4, 4, 3, 3]
    if "r" in how:
        shape = [1, side]
    if "o" in how:
        shape = [side, 1]
    if "z" in how:
        shape = []
    if "S" in how:
        shape = [2 * shape[0]]
    if "x" in how or "y" in how:
        t = torch.randint(0, shape[0], shape, dtype=kind)
    elif kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64):
        t = torch.randn(shape, dtype=torch.complex64 if kind.is_complex else torch.float64).to(kind)
        t = t.abs() + 0.125 if "p" in how else t
    else:
        t = torch.randint(0 if kind == torch.bool else 1, 2 if kind == torch.bool else 100, shape).to(kind)
    return t.t() if "T" in how else t[::2] if "S" in how else t


# name, expression, tensors a, b, c, …
CASES = []


def case(expression, *tensors, name=None):
    CASES.append(((name or expression) + " " + " ".join(tensors), expression, tensors))


for op in "neg abs sign ceil floor round trunc frac sqrt rsqrt reciprocal square exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh sigmoid " \
          "erf erfc relu isnan isinf isfinite signbit logical_not".split():
    case(f"torch.{op}(a)", "f")
for op in "log log2 log10 log1p lgamma digamma acosh i0".split():
    case(f"torch.{op}(a)", "fp")
for op in "asin acos atanh erfinv logit".split():
    case(f"torch.{op}(a)", "f", name=f"torch.{op}")
for op in "gelu silu mish softplus hardswish hardsigmoid leaky_relu elu selu celu relu6 hardtanh logsigmoid hardshrink softshrink tanhshrink softsign".split():
    case(f"torch.nn.functional.{op}(a)", "f")
for op in "i0e i1 i1e ndtr log_ndtr erfcx entr".split():
    case(f"torch.special.{op}(a)", "f")
for op in "modified_bessel_k0 bessel_j0 bessel_y1 airy_ai".split():
    case(f"torch.special.{op}(a)", "fp")
case("torch.special.ndtri(torch.sigmoid(a))", "f")
case("torch.special.zeta(a + 1, b)", "fp", "fp")
case("torch.igamma(a, b)", "fp", "fp")
case("torch.polygamma(1, a)", "fp")
for op in "add sub mul div maximum minimum fmax fmin atan2 hypot copysign fmod remainder floor_divide eq lt logical_and logaddexp nextafter".split():
    case(f"torch.{op}(a, b)", "f", "f")
case("torch.pow(a, b)", "fp", "f")
case("torch.xlogy(a, b)", "f", "fp")
for e in "a + 1.5", "a * 2", "2 - a", "a / 3", "a > 0", "a == 1.5", "1 / a", "a + b * 0.5":
    case(e, *(["f", "f"] if "b" in e else ["f"]))
for e in "a ** 2", "a ** 3", "a ** 0.5", "a ** 2.5", "2 ** a":
    case(e, "fp")
for t in "d", "h", "b", "i", "l", "s", "u", "c":
    for e in "a + b", "a * b", "a + 1", "a == b":
        case(e, t, t)
for t in "d", "h", "b":
    for e in "a / b", "torch.exp(a)", "torch.tanh(a)", "torch.sigmoid(a)", "torch.relu(a)", "torch.maximum(a, b)", "torch.sin(a)", "torch.sqrt(a)", "a > b":
        case(e, *([t, t] if "b" in e.replace("torch", "").replace("sqrt", "") and ", b" in e or " b" in e else [t]))
for t in "i", "l", "u", "s":
    for e in "a // b", "a % b", "a & b", "a | 3", "a >> 1", "torch.maximum(a, b)", "torch.abs(a)", "a > b", "torch.clamp(a, 3, 50)", "a / b", "-a":
        case(e, *([t, t] if " b" in e else [t]))
for e in "torch.exp(a)", "torch.abs(a)", "torch.angle(a)", "torch.view_as_real(a) + 1", "a.real + a.imag", "a / b", "torch.conj(a) * a", "torch.sqrt(a)":
    case(e, *(["c", "c"] if " b" in e else ["c"]))
for e in "a & b", "~a", "a ^ b", "a.to(torch.float32)", "torch.logical_or(a, b)":
    case(e, *(["t", "t"] if " b" in e else ["t"]))
case("torch.clamp(a, -1.0, 1.0)", "f")
case("torch.clamp(a, b, c)", "f", "f", "f")
case("torch.lerp(a, b, 0.3)", "f", "f")
case("torch.lerp(a, b, c)", "f", "f", "f")
case("torch.addcmul(a, b, c, value=0.5)", "f", "f", "f")
case("torch.addcdiv(a, b, c, value=0.5)", "f", "f", "fp")
case("torch.where(a, b, c)", "t", "f", "f")
case("torch.where(a, b, c)", "t", "l", "l")
case("torch.where(a > 0, a, b)", "f", "f")
case("a.masked_fill(b, 0.0)", "f", "t")
case("a.masked_fill(b, -1e9)", "fm", "tr")
case("torch.nan_to_num(a)", "f")
case("torch.heaviside(a, b)", "f", "f")
case("torch.gcd(a, b)", "l", "l")
case("torch.isclose(a, b)", "f", "f")
case("a if torch.equal(a, b) else b", "f", "f")
case("torch.isin(a, b[:10])", "l", "l")
case("torch.nn.functional.prelu(a, b[:1])", "f", "f")
case("torch.nn.functional.glu(a)", "f")
# layouts
for other in "fT", "fr", "fo", "fz":
    case("a + b", "fm", other)
case("a + b", "fS", "fS")
case("torch.exp(a)", "fS")
case("a + b.t()", "fm", "fm")
case("torch.exp(a)", "fT")
case("a.contiguous()", "fT")
case("a.contiguous()", "hT")
case("a.contiguous()", "lT")
case("a.contiguous()", "uT")
case("a.contiguous()", "dT")
case("a.contiguous()", "fS")
case("a.permute(0, 2, 3, 1).contiguous()", "fn")
case("a.clone()", "f")
case("a.clone()", "u")
for x, y in ("f", "float16"), ("f", "float64"), ("f", "bfloat16"), ("f", "int64"), ("h", "float32"), ("b", "float32"), ("d", "float32"), ("l", "float32"), \
        ("i", "float32"), ("u", "float32"), ("f", "bool"), ("l", "int32"), ("i", "int64"), ("f", "uint8"), ("h", "bfloat16"):
    case(f"a.to(torch.{y})", x)
case("a.add_(1.0)", "f")
case("a.mul_(b)", "f", "fp")
case("a.copy_(b)", "f", "f")
case("a.fill_(1.0)", "f")
case("a.zero_()", "f")
# reductions and scans
for t in "f", "d", "h", "b", "l", "i", "u":
    case("a.sum()", t)
    case("a.max()", t)
for op in "mean", "prod", "min", "argmax", "std", "var", "norm", "amax", "amin", "all", "any", "nansum", "count_nonzero", "logsumexp", "median":
    case(f"a.{op}({'0' if op == 'logsumexp' else ''})", "f")
for op in "sum", "mean", "amax", "argmax", "std", "prod", "logsumexp", "any":
    for dim in 0, 1:
        case(f"a.{op}(dim={dim})", "fm")
for dim in 0, 1:
    case(f"a.max({dim})[0]", "fm")
    case(f"a.sum({dim})", "lm")
    case(f"torch.norm(a, 2, [{dim}])", "fm")
    case(f"a.sum({dim})", "hm")
    case(f"a.cumsum({dim})", "fm")
    case(f"a.cumprod({dim})", "fm")
    case(f"torch.softmax(a, {dim})", "fm")
    case(f"torch.log_softmax(a, {dim})", "fm")
    case(f"torch.flip(a, [{dim}])", "fm")
    case(f"torch.roll(a, 3, {dim})", "fm")
    case(f"torch.sort(a, {dim})[0]", "fm")
    case(f"torch.topk(a, 5, {dim})[0]", "fm")
    case(f"torch.gather(a, {dim}, b)", "fm", "ly")
    case(f"a.scatter({dim}, b, c)", "fm", "ly", "fm")
    case(f"torch.index_select(a, {dim}, b[0])", "fm", "ly")
    case(f"torch.cat([a, b], {dim})", "fm", "fm")
case("a.cumsum(0)", "f")
case("a.cumsum(0)", "l")
case("a.sum(dim=[0, 2, 3])", "fn")
case("torch.sum(a * b)", "f", "f")
case("torch.dot(a, b)", "f", "f")
case("a.sum()", "c")
case("a.sum(dim=1)", "cm")
case("torch.histc(a, 100)", "f")
case("torch.bincount(a)", "l")
case("torch.unique(a)", "l")
case("torch.nonzero(a)", "t")
case("a.masked_scatter(b, c)", "f", "t", "f")
case("a[b]", "f", "t")
case("a[b]", "f", "lx")
case("torch.take(a, b)", "f", "lx")
case("torch.sort(a)[0]", "f")
case("torch.sort(a)[0]", "l")
case("torch.argsort(a)", "f")
case("torch.topk(a, 10)[0]", "f")
case("torch.searchsorted(b, a)", "f", "f", name="torch.searchsorted(b, a), b not sorted")
case("torch.bucketize(a, b[:20].sort()[0])", "f", "f")
case("torch.index_add(a, 0, b[0], c)", "fm", "ly", "fm")
case("torch.nn.functional.embedding(b[0], a)", "fm", "ly")
case("torch.tril(a)", "fm")
case("torch.diagonal(a).sum()", "fm")
case("torch.stack([a, b])", "f", "f")
case("torch.chunk(a, 2)[1] + 1", "f")
case("torch.nn.functional.pad(a, [1, 1], value=0.5)", "fm")
case("torch.nn.functional.one_hot(a, 100)[0]", "l")
case("a.repeat(2, 1)", "fm")
case("torch.repeat_interleave(a, 2)", "f")
case("a.unfold(0, 4, 2).sum(1)", "f")
# products
for t in "f", "d":
    case("torch.mm(a, b)", t + "m", t + "m")
    case("torch.mv(a, b[0])", t + "m", t + "m")
case("torch.mm(a, b)", "fT", "fm")
case("torch.nn.functional.linear(a, b, c[0])", "fm", "fm", "fr")
case("torch.outer(a[0], b[0])", "fm", "fm")
case("torch.einsum('ij,jk->ik', a, b)", "fm", "fm")
# images
case("torch.nn.functional.conv2d(a, b, padding=1)", "fn", "fk")
case("torch.nn.functional.conv2d(a, b[:, :1], padding=1, groups=a.size(1))", "fn", "fk")
case("torch.nn.functional.conv_transpose2d(a, b, stride=2)", "fn", "fk")
case("torch.nn.functional.max_pool2d(a, 2)", "fn")
case("torch.nn.functional.avg_pool2d(a, 2)", "fn")
case("torch.nn.functional.adaptive_avg_pool2d(a, 1)", "fn")
case("torch.nn.functional.interpolate(a, scale_factor=2.0, mode='nearest')", "fn")
case("torch.nn.functional.interpolate(a, scale_factor=2.0, mode='bilinear', align_corners=False)", "fn")
case("torch.nn.functional.interpolate(a, scale_factor=2.0, mode='bicubic', align_corners=False)", "fn")
case("torch.nn.functional.batch_norm(a, b[0, :, 0, 0], b[1, :, 0, 0] ** 2)", "fn", "fk", name="batch_norm")
case("torch.nn.functional.instance_norm(a)", "fn")
case("torch.nn.functional.group_norm(a, 2)", "fn")
case("torch.nn.functional.layer_norm(a, [a.size(1)])", "fm")
case("torch.nn.functional.unfold(a, 3, padding=1)", "fn")
case("torch.nn.functional.pixel_shuffle(a, 2)", "fn")
case("torch.nn.functional.normalize(a, dim=1)", "fm")
case("torch.cdist(a, b)", "fm", "fm")
case("torch.pdist(a)", "fm")
case("torch.nn.functional.smooth_l1_loss(a, b)", "fm", "fm")
case("torch.nn.functional.huber_loss(a, b)", "fm", "fm")
case("torch.softmax(a, 0)", "dm")
case("torch.log_softmax(a, 1)", "dm")
case("torch.nn.functional.interpolate(a, scale_factor=2.0, mode='bilinear', align_corners=False)", "dn")
# new tensors
case("torch.zeros_like(a)", "f")
case("torch.full_like(a, 2.5)", "f")
case("torch.ones([a.size(0)])", "f")
case("torch.arange(a.size(0))", "f")
case("torch.arange(0.0, 1.0, 1.0 / a.size(0))", "f")
case("torch.linspace(0.0, 1.0, a.size(0))", "f")
case("torch.eye(a.size(0))", "fm")
case("torch.rand_like(a)", "f")
case("torch.randn_like(a)", "f")
case("torch.randint(0, 10, [a.size(0)])", "f")
case("torch.randperm(a.size(0))", "f")
case("torch.bernoulli(torch.sigmoid(a))", "f")
case("torch.nn.functional.dropout(a, 0.5, True)", "f")
case("torch.fft.fft(a)", "c")
case("torch.fft.fft2(a)", "cm")
case("torch.fft.rfft(a)", "f")
case("torch.linalg.norm(a)", "f")
case("torch.linalg.inv(a.reshape(-1, 4, 4))", "fm")
case("torch.linalg.det(a.reshape(-1, 4, 4))", "fm")
# products in other types and shapes; linear algebra in batches of small matrices, and of larger ones
for t in "f", "d", "b":
    case("torch.bmm(a.view(4, -1, a.size(1)), b.view(4, a.size(1), -1))", t + "m", t + "m")
for t in "d", "b", "h":
    case("torch.nn.functional.linear(a, b, c[0])", t + "m", t + "m", t + "r")
case("torch.mm(a, b)", "bm", "bm")
case("torch.mm(a, b)", "cm", "cm")
case("torch.mm(a[:256, :256], b[:256, :256])", "lm", "lm")
case("torch.mv(a, b[0])", "bm", "bm")
case("torch.addmm(c, a, b)", "fm", "fm", "fr")
case("torch.addmm(c, a, b.t())", "fm", "fm", "fm")
case("torch.matmul(a.view(4, -1, a.size(1)), b)", "fm", "fm")
case("torch.matmul(a.view(-1, 4, 4), b.view(-1, 4, 4))", "fm", "fm")
case("torch.tensordot(a, b, dims=1)", "fm", "fm")
case("torch.einsum('bij,bkj->bik', a.view(4, -1, a.size(1)), b.view(4, -1, a.size(1)))", "fm", "fm")
case("torch.einsum('bij,bj->bi', a.view(4, -1, a.size(1)), b[:4])", "fm", "fm")
case("torch.kron(a[:8], b[:8, :8])", "fm", "fm")
case("torch.linalg.cross(a.view(-1, 4)[:, :3], b.view(-1, 4)[:, :3])", "fm", "fm")
case("torch.cosine_similarity(a, b, 1)", "fm", "fm")
case("torch.pairwise_distance(a, b)", "fm", "fm")
case("torch.cdist(a[::2], b.t()[::2])", "fm", "fm")
case("torch.cdist(a[:64], b[:64], 1.0)", "fm", "fm")
case("torch.linalg.vector_norm(a, 3.0, 1)", "fm")
case("torch.linalg.matrix_norm(a)", "fm")
case("torch.triu(a)", "dm")
case("torch.trace(a)", "fm")
for n in 4, 16, 64:
    batch = f"a.reshape(-1, min({n}, a.size(0)), min({n}, a.size(0)))"
    few = f"{batch}[:64]"
    positive = f"({few} @ {few}.transpose(-1, -2) + {n} * torch.eye({few}.size(-1)))"
    for e in f"torch.linalg.inv({batch})", f"torch.linalg.det({batch})", f"torch.linalg.qr({batch})[0]", f"torch.linalg.svd({few})[1]", f"torch.linalg.eigh({positive})[1]", \
            f"torch.linalg.eigvals({few})", f"torch.linalg.cholesky({positive})", f"torch.linalg.solve({batch}, b.reshape({batch}.size()))", f"torch.linalg.pinv({few})", \
            f"torch.linalg.matrix_exp({few} * 0.1)", f"torch.linalg.lstsq({few}, b.reshape({batch}.size())[:64])[0]":
        case(e, *(["fm", "fm"] if " b." in e else ["fm"]), name=f"{e.split('(')[0]} {n}x{n}")
# more images, signals and networks
for t in "f", "d", "b", "l":
    few = "[:1, :16, :32, :32]" if t == "l" else ""  # no fast way for integers, here or there
    case(f"torch.nn.functional.conv2d(a{few}, b{few.replace('32', '3')}, padding=1)", t + "n", t + "k")
case("torch.nn.functional.conv2d(a, b, stride=2, dilation=2, padding=2)", "fn", "fk")
case("torch.nn.functional.conv2d(a, b[:, :, :1, :1])", "fn", "fk")
case("torch.nn.functional.conv2d(a.contiguous(memory_format=torch.channels_last), b, padding=1)", "fn", "fk")
case("torch.nn.functional.conv1d(a.flatten(2), b.flatten(2)[:, :, :3], padding=1)", "fn", "fk")
case("torch.nn.functional.conv_transpose1d(a.flatten(2), b.flatten(2)[:, :, :4], stride=2)", "fn", "fk")
case("torch.nn.functional.conv3d(a.unsqueeze(2), b.unsqueeze(2), padding=[0, 1, 1])", "fn", "fk")
case("torch.nn.functional.conv3d(a.view(a.size(0), -1, 4, a.size(2), a.size(3)), b.unsqueeze(2)[:, :a.size(1) // 4].repeat(1, 1, 3, 1, 1), padding=1)", "fn", "fk")
for f in "max_pool2d(a, 3, 2, 1)", "avg_pool2d(a, 3, 1, 1)", "adaptive_avg_pool2d(a, 3)", "adaptive_max_pool2d(a, 2)", "max_pool1d(a.flatten(2), 2)", "avg_pool1d(a.flatten(2), 2)", \
        "max_pool3d(a.unsqueeze(0), 2)", "avg_pool3d(a.unsqueeze(0), 2)", "lp_pool2d(a, 2.0, 2)", "interpolate(a, size=[50, 50], mode='nearest-exact')", \
        "interpolate(a, scale_factor=0.5, mode='area')", "interpolate(a.flatten(2), scale_factor=2.0, mode='linear', align_corners=True)", \
        "interpolate(a.unsqueeze(0), scale_factor=[1.0, 1.5, 1.5], mode='trilinear', align_corners=False)", "pad(a, [1, 1, 1, 1], mode='reflect')", "pad(a, [1, 1, 1, 1], mode='replicate')", \
        "pad(a, [1, 1, 1, 1], mode='circular')", "local_response_norm(a, 2)", "pixel_unshuffle(a, 2)", "channel_shuffle(a, 2)", "fold(torch.nn.functional.unfold(a, 2), [a.size(2), a.size(3)], [2, 2])", \
        "upsample(a, scale_factor=2.0, mode='nearest')":
    case(f"torch.nn.functional.{f}", "fn")
case("torch.nn.functional.grid_sample(a, torch.nn.functional.affine_grid(b[:1, :1, :2, :3].view(1, 2, 3).expand(a.size(0), 2, 3), a.size(), False), align_corners=False)", "fn", "fk", name="grid_sample and affine_grid")
case("torch.nn.functional.interpolate(a.contiguous(memory_format=torch.channels_last), scale_factor=2.0, mode='bilinear', align_corners=False)", "fn")
case("torch.nn.functional.max_pool2d(a.contiguous(memory_format=torch.channels_last), 2)", "fn")
for t in "f", "d", "b":
    case("torch.nn.functional.batch_norm(a.contiguous(memory_format=torch.channels_last), b[0, :, 0, 0], b[1, :, 0, 0] ** 2)", t + "n", t + "k", name="batch_norm channels last")
for t in "d", "b":
    case("torch.nn.functional.layer_norm(a, [a.size(1)])", t + "m")
    case("torch.softmax(a, 1)", t + "m")
    case("torch.nn.functional.gelu(a)", t)
    case("torch.nn.functional.silu(a)", t)
    case("a.mean(1)", t + "m")
    case("a.cumsum(0)", t)
case("torch.nn.functional.gelu(a, approximate='tanh')", "f")
case("torch.nn.functional.scaled_dot_product_attention(a.view(4, 4, -1, 64), b.view(4, 4, -1, 64), c.view(4, 4, -1, 64))", "fm", "fm", "fm") if hasattr(torch.nn.functional, "scaled_dot_product_attention") else None
case("torch.softmax(torch.matmul(a.view(4, -1, a.size(1)), b.view(4, -1, a.size(1)).transpose(1, 2)), -1)", "fm", "fm")
case("torch.lstm(a[:64].view(-1, 1, a.size(1)), [c.view(1, 1, -1), c.view(1, 1, -1)], [b.repeat(4, 1) * 0.03, b.repeat(4, 1) * 0.03], False, 1, 0.0, False, False, False)[0]", "fm", "fm", "fr", name="lstm, batch of 1")
case("torch.gru(a[:256].view(-1, 16, a.size(1)) if a.size(0) > 16 else a.view(1, -1, a.size(1)), torch.zeros([1, min(a.size(0), 16), a.size(1)]), [b.repeat(3, 1) * 0.03, b.repeat(3, 1) * 0.03], False, 1, 0.0, False, False, False)[0]", "fm", "fm", name="gru, batch of 16")
case("torch.nn.functional.embedding_bag(a, b, mode='mean')", "ly", "fm")
case("torch.embedding(b, a[:, 0])", "ly", "fm")
for f in "cross_entropy(a, b[:, 0])", "nll_loss(a, b[:, 0])":
    case(f"torch.nn.functional.{f}", "fm", "ly")
for f in "binary_cross_entropy(torch.sigmoid(a), torch.sigmoid(b))", "binary_cross_entropy_with_logits(a, b)", "kl_div(a, b)", "mse_loss(a, b)", "l1_loss(a, b)", "soft_margin_loss(a, b)", \
        "poisson_nll_loss(a, b)", "cosine_embedding_loss(a, b, b[:, 0])", "triplet_margin_loss(a, b, a + 1)", "hinge_embedding_loss(a, b)", "multilabel_soft_margin_loss(a, b)":
    case(f"torch.nn.functional.{f}", "fm", "fm")
# more reductions, scans and searches
for t in "f", "l", "b":
    case("torch.cummax(a, 1)[0]", t + "m")
    case("torch.mode(a[:64], 1)[0]", t + "m")
    case("torch.kthvalue(a, 3, 1)[0]", t + "m")
    case("a.median(1)[0]", t + "m")
    case("torch.argmax(a, 1)", t + "m")
    case("torch.argsort(a, 1)", t + "m")
    case("a.max(0)[1]", t + "m")
    case("torch.topk(a, 5, 1)[1]", t + "m")
for e in "torch.aminmax(a)[0]", "torch.quantile(a, 0.3)", "torch.nanmedian(a)", "torch.nanmean(a)", "torch.logcumsumexp(a, 0)", "torch.diff(a)", "torch.trapz(a)", "torch.var_mean(a)[0]", \
        "torch.unique_consecutive(a)", "torch.msort(a)", "a[a > 0]", "torch.masked_select(a, a > 0)", "torch.nonzero(a > 1)", "torch.std_mean(a)[1]", "torch.round(a, decimals=2)", \
        "torch.float_power(a, 2)", "torch.ldexp(a, torch.tensor(3))", "torch.trunc(a * 10).to(torch.int32)", "torch.sinc(a)", "torch.deg2rad(a)", "torch.positive(a) + 1", "torch.sgn(a)", "torch.frexp(a)[0]", \
        "torch.threshold(a, 0.1, 0.0)", "torch.rrelu(a)", "torch.alpha_dropout(a, 0.5, False) + 1", "torch.logaddexp2(a, a)", "torch.polar(a, a)", "torch.complex(a, a)", "torch.clamp_min(a, 0.5)", "torch.bitwise_not(a > 0)":
    case(e, "f")
for e in "torch.cumsum(a, 1)[:, -1]", "torch.nanquantile(a, 0.5, 1)", "torch.std(a, 1)", "torch.norm(a, 1.0, 0)", "torch.renorm(a, 2.0, 0, 1.0)", "torch.rot90(a)", "torch.tile(a, [2, 1])", "a.t().reshape(-1)", \
        "a.unfold(1, 4, 4).mean(-1)", "torch.cov(a[:64])", "torch.corrcoef(a[:64])", "a.expand(2, a.size(0), a.size(1)).sum(0)", "a.sum(dim=[0, 1])", "torch.gradient(a)[0]", "torch.diag(a)", "torch.combinations(a[0, :64])[0]", \
        "torch.cartesian_prod(a[0, :64], a[1, :64])", "torch.block_diag(a[:8], a[:8])", "torch.meshgrid([a[0], a[1]], indexing='ij')[0] + 1", "torch.vander(a[0], 8)", "torch.count_nonzero(a, 1)", "a.var(0)", "a.view(-1, 4).amin(1)", \
        "a.view(-1, 4).sum(1)", "torch.softmax(a.view(-1, 4), 1)", "a.view(-1, 8).argmax(1)", "torch.layer_norm(a.view(-1, 8), [8])", "a.view(4, -1).mean(0)":
    case(e, "fm")
# more indexing
case("torch.scatter_add(a, 1, b, c)", "fm", "ly", "fm")
case("torch.scatter_add(a, 0, b, c)", "fm", "ly", "fm")
case("torch.scatter_reduce(a, 0, b, c, 'amax')", "fm", "ly", "fm")
case("torch.index_put(a, [b], c)", "f", "lx", "f")
case("torch.index_put(a, [b], c, accumulate=True)", "f", "lx", "f")
case("torch.index_fill(a, 0, b[0], 1.0)", "fm", "ly")
case("torch.index_copy(a, 0, b[0], c)", "fm", "ly", "fm")
case("torch.index_add(a, 1, b[0], c)", "fm", "ly", "fm")
case("torch.take_along_dim(a, b, 1)", "fm", "ly")
case("a[b[0], b[1]]", "fm", "ly")
case("a[:, b[0]]", "fm", "ly")
case("a[b[0]]", "fm", "ly")
case("a[:, None, ::2] + 1", "fm")
case("torch.put(a, b, c)", "f", "lx", "f")
case("torch.bincount(a, b)", "l", "f")
case("torch.isin(a, b)", "l", "l")
case("torch.searchsorted(b.sort()[0], a)", "l", "l")
case("a.masked_fill(b > 0, 0.0)", "fm", "fo")
case("torch.where(b > 0, a, 0.0)", "fm", "fo")
# complex numbers, transforms and windows
for e in "torch.fft.ifft(a)", "torch.fft.irfft(a)", "torch.fft.fftshift(a)", "torch.log(a)", "torch.sin(a)", "torch.reciprocal(a)", "a * 2", "a.real", "torch.view_as_real(a).sum(-1)", "torch.sgn(a)", "a ** 2", "a.prod()", \
        "torch.conj_physical(a)", "a.mean()", "torch.isnan(a)", "a.to(torch.complex128)":
    case(e, "c")
case("torch.fft.rfft2(a)", "fm")
case("torch.fft.fftn(a.view(4, -1, a.size(1)))", "cm")
case("torch.fft.fft(a, dim=0)", "cm")
case("torch.fft.fft(a[:, :-1])", "cm")
case("torch.fft.fft2(a[:256, :256])", "cm")
case("torch.view_as_real(torch.stft(a, min(512, a.size(0)), window=torch.ones([min(512, a.size(0))]), return_complex=True))", "f")
case("torch.hann_window(a.size(0))", "f")
case("torch.multinomial(torch.softmax(a, 1), 3, True)", "fm")
case("torch.normal(a, b)", "f", "fp")
case("torch.poisson(a)", "fp")
case("torch.empty_like(a).exponential_()", "f")
case("torch.tril_indices(a.size(0), a.size(0))", "fm")
case("torch.dequantize(torch.quantize_per_tensor(a, 0.1, 0, torch.quint8))", "f")
case("torch.fake_quantize_per_tensor_affine(a, 0.1, 0, 0, 255)", "f")
case("torch.quantize_per_tensor(a, 0.1, 0, torch.qint8).int_repr()", "f")

PER_ARCHIVE = 12


def write_archives(cases, folder):
    """Yields (label, path, method) for both sizes of each case; cases that this PyTorch cannot script are named."""
    for start in range(0, len(cases), PER_ARCHIVE):
        module = torch.jit._recursive.create_script_module(torch.nn.Module(), lambda _: (), share_types=False)
        made = []
        for i, (name, expression, specs) in enumerate(cases[start:start + PER_ARCHIVE]):
            for big in False, True:
                torch.manual_seed(0)
                tensors = tuple(tensor(s, big) for s in specs)
                method = f"m{i}_{int(big)}"
                names = "abcdef"[:len(specs)]
                body = f"""def {method}(self, {", ".join(f"{x}: Tensor" for x in names)}, n: int):
    r = a
    i = 0
    while i < n:
        r = {expression}
        i += 1
    return r
"""
                try:
                    torch.jit.CompilationUnit(body.replace("self, ", ""))
                    module.define(body)
                except Exception as e:
                    print(f"not scripted: {name}: {str(e).strip().splitlines()[0]}", file=sys.stderr)
                    continue
                module._c._register_attribute(f"args_{method}", torch._C.TupleType([torch._C.TensorType.get()] * len(tensors)), tensors)
                made.append((f"{name} {'1M' if big else '64'}", method))
        path = os.path.join(folder, f"ops{start}.pt")
        module.save(path)
        for label, method in made:
            yield label, path, method
        os.remove(path)


def serve():
    """The PyTorch side: lines PATH, METHOD, COUNT on standard input, nanoseconds on standard output."""
    torch.set_num_threads(1)
    loaded = module = None
    with torch.no_grad():
        for line in sys.stdin:
            path, method, count = line.rstrip("\n").split("\t")
            if path != loaded:
                loaded, module = path, torch.jit.load(path)
            try:
                run, args = getattr(module, method), getattr(module, f"args_{method}")
                run(*args, int(count) // 8 + 1)
                start = time.thread_time_ns()
                run(*args, int(count))
                print(time.thread_time_ns() - start, flush=True)
            except Exception as e:
                print("error", str(e).strip().splitlines()[-1], flush=True)


class Peer:
    def __init__(self, python):
        self.process = subprocess.Popen([python, "-W", "ignore", os.path.abspath(__file__), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def time(self, path, method, count):
        self.process.stdin.write(f"{path}\t{method}\t{count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer or answer.startswith("error"):
            raise RuntimeError(answer.strip() or "PyTorch ended")
        return float(answer)


def main():
    if sys.argv[1:] == ["--serve"]:
        return serve()
    import runner as rn
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("runner")
    p.add_argument("names", nargs="*")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--isa", choices=["avx2"])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--worst", type=float, default=2)
    p.add_argument("--milliseconds", type=float, default=5, help="of one engine's turn")
    p.add_argument("--json")
    p.add_argument("-v", "--verbose", action="store_true", help="each ratio as it is known")
    o = p.parse_args()
    os.sched_setaffinity(0, {CORE})
    if o.isa:
        os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2", OPENBLAS_CORETYPE="Haswell")
    ours, theirs, results, failed = rn.Runner(o.runner, seconds=120, options=["--isa", o.isa] if o.isa else []), Peer(o.python), [], 0
    cases = [c for c in CASES if not o.names or any(n in c[0] for n in o.names)]
    with tempfile.TemporaryDirectory() as folder:
        for label, path, method in write_archives(cases, folder):
            try:
                theirs.time(path, method, 2)
                once = theirs.time(path, method, 8) / 8
                count = max(1, min(200000, int(o.milliseconds * 1e6 / once)))
                pairs = [(ours.time(path, method, count), theirs.time(path, method, count)) for _ in range(o.rounds)]
            except RuntimeError as e:
                failed += 1
                print(f"failed: {label}: {e}", file=sys.stderr)
                continue
            a, b = (statistics.median(x[k] for x in pairs) / count for k in (0, 1))
            results.append({"case": label, "tsbatch_ns": round(a, 1), "pytorch_ns": round(b, 1), "ratio": round(a / b, 3)})
            if o.verbose:
                print(f"{a / b:8.2f} {label}", file=sys.stderr, flush=True)
    ours.close()
    results.sort(key=lambda r: -r["ratio"])
    for r in results:
        print(f"{r['ratio']:8.2f}  {r['tsbatch_ns'] / 1e3:12.2f} us  {r['pytorch_ns'] / 1e3:12.2f} us  {r['case']}")
    slow = [r for r in results if o.worst and r["ratio"] > o.worst]
    print(f"{len(results)} cases, {failed} failed, {len(slow)} slower than {o.worst} times PyTorch {subprocess.check_output([o.python, '-c', 'import torch; print(torch.__version__)'], text=True).strip()}")
    if o.json:
        with open(o.json, "w") as f:
            json.dump(results, f, indent=1)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
