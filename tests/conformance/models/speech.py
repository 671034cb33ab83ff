"""Cases of exported.py: front ends, recognisers, separators, vocoders, keyword spotters, streaming state."""
import math
from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MelFrontEnd(nn.Module):
    """STFT, mel bands, logarithm, deltas, mean and variance over time."""

    def __init__(self, size: int = 128, hop: int = 40, bands: int = 12, complex_: bool = True):
        super().__init__()
        self.register_buffer("window", torch.hann_window(size))
        self.register_buffer("bands", torch.rand(bands, size // 2 + 1))
        self.size, self.hop = size, hop

    def forward(self, wave: Tensor) -> Tensor:
        s = torch.stft(wave, self.size, self.hop, window=self.window, center=True, return_complex=True)
        power = s.abs().pow(2)
        mel = torch.matmul(self.bands, power).clamp(min=1e-6).log()
        delta = F.pad(mel, (1, 1), mode="replicate")
        delta = (delta[..., 2:] - delta[..., :-2]) / 2
        x = torch.cat([mel, delta], 1)
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)


class RealSTFT(nn.Module):
    """A Fourier transform as a convolution with a fixed kernel, as models that are exported often do."""

    def __init__(self, size=64, hop=16):
        super().__init__()
        t = torch.arange(size) * torch.arange(size // 2 + 1).unsqueeze(1) * (2 * math.pi / size)
        self.register_buffer("kernel", torch.cat([t.cos(), -t.sin()]).unsqueeze(1) * torch.hamming_window(size))
        self.hop, self.pad = hop, size // 2

    def forward(self, wave):
        x = F.pad(wave.unsqueeze(1), (self.pad, self.pad), mode="reflect")
        re, im = F.conv1d(x, self.kernel, stride=self.hop).chunk(2, 1)
        return torch.sqrt(re ** 2 + im ** 2 + 1e-9), torch.atan2(im, re + 1e-3)


class Denoiser(nn.Module):
    """A mask over the spectrum and back to the wave."""

    def __init__(self, size: int = 64, hop: int = 16):
        super().__init__()
        self.register_buffer("window", torch.hann_window(size))
        self.rnn, self.mask = nn.GRU(size // 2 + 1, 24, batch_first=True), nn.Linear(24, size // 2 + 1)
        self.size, self.hop = size, hop

    def forward(self, wave: Tensor) -> Tensor:
        s = torch.stft(wave, self.size, self.hop, window=self.window, return_complex=True)
        m = torch.sigmoid(self.mask(self.rnn(s.abs().transpose(1, 2))[0])).transpose(1, 2)
        return torch.istft(s * m, self.size, self.hop, window=self.window, length=wave.shape[-1])


class PhaseDenoiser(nn.Module):
    """Complex mask through view_as_real."""

    def __init__(self, size: int = 64):
        super().__init__()
        self.register_buffer("window", torch.hann_window(size))
        self.net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.PReLU(8), nn.Conv2d(8, 2, 3, padding=1), nn.Tanh())
        self.size = size

    def forward(self, wave: Tensor) -> Tuple[Tensor, Tensor]:
        s = torch.stft(wave, self.size, self.size // 4, window=self.window, return_complex=True)
        x = torch.view_as_real(s).permute(0, 3, 1, 2)
        m = self.net(x).permute(0, 2, 3, 1).contiguous()
        y = s * torch.view_as_complex(m)
        return torch.istft(y, self.size, self.size // 4, window=self.window), y


class GlobalNorm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(1, c, 1)), nn.Parameter(torch.zeros(1, c, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=[1, 2], keepdim=True)
        var = ((x - mean) ** 2).mean(dim=[1, 2], keepdim=True)
        return self.gain * (x - mean) / torch.sqrt(var + 1e-8) + self.bias


class ConvTasNet(nn.Module):
    def __init__(self, sources: int = 2, basis: int = 24, width: int = 16):
        super().__init__()
        self.encode, self.decode = nn.Conv1d(1, basis, 16, 8, bias=False), nn.ConvTranspose1d(basis, 1, 16, 8, bias=False)
        self.norm, self.bottleneck = GlobalNorm(basis), nn.Conv1d(basis, width, 1)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Conv1d(width, 24, 1), nn.PReLU(), GlobalNorm(24), nn.Conv1d(24, 24, 3, padding=2 ** i, dilation=2 ** i, groups=24),
                                                   nn.PReLU(), GlobalNorm(24), nn.Conv1d(24, width, 1)) for i in range(3)])
        self.mask = nn.Conv1d(width, sources * basis, 1)
        self.sources, self.basis = sources, basis

    def forward(self, wave: Tensor) -> Tensor:
        e = F.relu(self.encode(wave.unsqueeze(1)))
        x = self.bottleneck(self.norm(e))
        for b in self.blocks:
            x = x + b(x)
        m = torch.sigmoid(self.mask(x)).view(x.size(0), self.sources, self.basis, -1)
        y = (e.unsqueeze(1) * m).flatten(0, 1)
        return self.decode(y).view(wave.size(0), self.sources, -1)


class ConformerBlock(nn.Module):
    def __init__(self, width=32, heads=4):
        super().__init__()
        self.ff1 = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.SiLU(), nn.Linear(64, width))
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_c, self.point1, self.depth = nn.LayerNorm(width), nn.Conv1d(width, 2 * width, 1), nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.bn, self.point2 = nn.BatchNorm1d(width), nn.Conv1d(width, width, 1)
        self.ff2 = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.SiLU(), nn.Linear(64, width))
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor, away: Tensor) -> Tensor:
        x = x + 0.5 * self.ff1(x)
        y = self.norm(x)
        x = x + self.attention(y, y, y, key_padding_mask=away, need_weights=False)[0]
        c = F.glu(self.point1(self.norm_c(x).transpose(1, 2).masked_fill(away.unsqueeze(1), 0.0)), 1)
        x = x + self.point2(F.silu(self.bn(self.depth(c)))).transpose(1, 2)
        return self.last(x + 0.5 * self.ff2(x))


class ConformerCTC(nn.Module):
    """Subsampling, masks by length, greedy collapse of repeats to padded token ids."""

    def __init__(self, words: int = 12):
        super().__init__()
        self.sub = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 3, 2), nn.ReLU())
        self.inp = nn.Linear(4 * 4, 32)
        self.blocks = nn.ModuleList([ConformerBlock() for _ in range(2)])
        self.out = nn.Linear(32, words)

    def forward(self, features: Tensor, lengths: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        x = self.sub(features.unsqueeze(1))
        x = self.inp(x.transpose(1, 2).flatten(2))
        lengths = ((lengths - 1) // 2 - 1) // 2
        away = torch.arange(x.size(1), device=x.device).unsqueeze(0) >= lengths.unsqueeze(1)
        for block in self.blocks:
            x = block(x, away)
        logp = F.log_softmax(self.out(x), -1)
        best = logp.argmax(-1).masked_fill(away, 0)
        keep = (best != 0) & (best != F.pad(best, [1, 0], value=-1.0)[:, :-1])
        tokens = torch.zeros_like(best)
        for b in range(best.size(0)):
            t = best[b][keep[b]]
            tokens[b, :t.size(0)] = t
        return logp, lengths, tokens


class RNNT(nn.Module):
    """Greedy transducer: a loop inside a loop, a data-dependent number of symbols a frame."""

    def __init__(self, words: int = 9, width: int = 16):
        super().__init__()
        self.encoder, self.embed, self.predict = nn.LSTM(6, width, batch_first=True), nn.Embedding(words, width), nn.LSTMCell(width, width)
        self.join = nn.Linear(width, words)
        self.width = width

    def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:
        memory, _ = self.encoder(features)
        out = torch.full([features.size(0), 24], -1, dtype=torch.long)
        count = torch.zeros(features.size(0), dtype=torch.long)
        for b in range(features.size(0)):
            h, c = memory.new_zeros(1, self.width), memory.new_zeros(1, self.width)
            token = torch.zeros(1, dtype=torch.long)
            h, c = self.predict(self.embed(token), (h, c))
            found: List[int] = []
            for t in range(memory.size(1)):
                symbols = 0
                while symbols < 3 and len(found) < 24:
                    best = int(self.join(torch.tanh(memory[b, t] + h[0])).argmax().item())
                    if best == 0:
                        break
                    found.append(best)
                    h, c = self.predict(self.embed(torch.tensor([best])), (h, c))
                    symbols += 1
            if len(found) > 0:
                out[b, :len(found)] = torch.tensor(found, dtype=torch.long)
            count[b] = len(found)
        return out, count


class Streaming(nn.Module):
    """Keeps its context in buffers from call to call."""

    def __init__(self):
        super().__init__()
        self.conv, self.cell = nn.Conv1d(3, 8, 5), nn.GRUCell(8, 8)
        self.register_buffer("context", torch.zeros(1, 3, 4))
        self.register_buffer("state", torch.zeros(1, 8))
        self.register_buffer("frames", torch.zeros(1, dtype=torch.long))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        y = torch.cat([self.context.expand(x.size(0), -1, -1), x], 2)
        h = self.state.expand(x.size(0), -1)
        z = self.conv(y)
        for t in range(z.size(2)):
            h = self.cell(z[:, :, t], h)
        self.context = y[:1, :, -4:].detach()
        self.state = h[:1].detach()
        self.frames += x.size(2)
        return h, self.frames.expand(x.size(0))


class WaveNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.first = nn.Conv1d(1, width, 1)
        self.gates = nn.ModuleList([nn.Conv1d(width, 2 * width, 2, dilation=2 ** i) for i in range(5)])
        self.skips = nn.ModuleList([nn.Conv1d(width, 2 * width, 1) for _ in range(5)])
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(width, 24, 1), nn.ReLU(), nn.Conv1d(24, 16, 1))

    def forward(self, wave):
        x = self.first(wave.unsqueeze(1))
        total = 0
        for i, (gate, skip) in enumerate(zip(self.gates, self.skips)):
            a, b = gate(F.pad(x, (1 << i, 0))).chunk(2, 1)
            r, s = skip(torch.tanh(a) * torch.sigmoid(b)).chunk(2, 1)
            x, total = x + r, total + s
        return self.last(total)


class HiFiGAN(nn.Module):
    def __init__(self):
        super().__init__()
        wn = nn.utils.weight_norm
        self.first = wn(nn.Conv1d(10, 32, 7, padding=3))
        self.ups = nn.ModuleList([wn(nn.ConvTranspose1d(32 >> i, 16 >> i, 8, 4, 2)) for i in range(2)])
        self.res = nn.ModuleList([nn.ModuleList([wn(nn.Conv1d(16 >> i, 16 >> i, 3, padding=d, dilation=d)) for d in (1, 3)]) for i in range(2)])
        self.last = wn(nn.Conv1d(8, 1, 7, padding=3))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.first(mel)
        for up, group in zip(self.ups, self.res):
            x = up(F.leaky_relu(x, 0.1))
            for conv in group:
                x = x + conv(F.leaky_relu(x, 0.1))
        return torch.tanh(self.last(F.leaky_relu(x)))


class Snake(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, c, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).pow(2)


class Codec(nn.Module):
    """Encoder, residual vector quantiser, decoder."""

    def __init__(self, width: int = 12, books: int = 3):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(1, width, 7, padding=3), Snake(width), nn.Conv1d(width, width, 8, 4, 2), nn.ELU(), nn.Conv1d(width, width, 4, 2, 1))
        self.books = nn.ModuleList([nn.Embedding(16, width) for _ in range(books)])
        self.decoder = nn.Sequential(nn.ConvTranspose1d(width, width, 4, 2, 1), Snake(width), nn.ConvTranspose1d(width, 1, 8, 4, 2), nn.Tanh())

    def forward(self, wave: Tensor) -> Tuple[Tensor, Tensor]:
        z = self.encoder(wave.unsqueeze(1)).transpose(1, 2)
        total, codes = torch.zeros_like(z), []
        for book in self.books:
            d = z.pow(2).sum(-1, keepdim=True) - 2 * z @ book.weight.t() + book.weight.pow(2).sum(-1)
            index = d.argmin(-1)
            q = F.embedding(index, book.weight)
            z, total = z - q, total + q
            codes.append(index)
        return self.decoder(total.transpose(1, 2)).squeeze(1), torch.stack(codes, 1)


class XVector(nn.Module):
    """TDNN with statistics pooling, attentive pooling, angular scores."""

    def __init__(self):
        super().__init__()
        self.tdnn = nn.Sequential(nn.Conv1d(12, 24, 5), nn.ReLU(), nn.BatchNorm1d(24), nn.Conv1d(24, 24, 3, dilation=2), nn.ReLU(), nn.BatchNorm1d(24))
        self.attention = nn.Sequential(nn.Conv1d(24, 8, 1), nn.Tanh(), nn.Conv1d(8, 24, 1), nn.Softmax(dim=2))
        self.weight = nn.Parameter(torch.randn(5, 48))

    def forward(self, x: Tensor) -> Tensor:
        h = self.tdnn(x)
        w = self.attention(h)
        mean = (w * h).sum(2)
        std = ((w * h ** 2).sum(2) - mean ** 2).clamp(min=1e-5).sqrt()
        e = torch.cat([mean, std], 1)
        return F.linear(F.normalize(e), F.normalize(self.weight))


class BCResNet(nn.Module):
    """Keyword spotting with sub-spectral norms and separable convolutions."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(1, 8, 5, (2, 1), 2)
        self.f2 = nn.Sequential(nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=8), nn.BatchNorm2d(16))
        self.f1 = nn.Sequential(nn.Conv2d(8, 8, (1, 3), padding=(0, 1), groups=8), nn.BatchNorm2d(8), nn.Hardsigmoid(), nn.Conv2d(8, 8, 1), nn.Dropout2d(0.1))
        self.out = nn.Conv2d(8, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x.unsqueeze(1))
        n, c, f, t = x.shape
        y = self.f2[0](x).view(n, c * 2, f // 2, t)
        y = self.f2[1](y).view(n, c, f, t)
        z = self.f1(y.mean(2, keepdim=True))
        x = F.relu(x + y + z)
        return self.out(F.adaptive_avg_pool2d(x, 1)).flatten(1)


class AttentionRecogniser(nn.Module):
    """Listen, attend and spell: location-aware attention with a running sum."""

    def __init__(self, words: int = 10, width: int = 16):
        super().__init__()
        self.listen = nn.LSTM(8, width, bidirectional=True, batch_first=True)
        self.embed, self.cell = nn.Embedding(words, width), nn.LSTMCell(3 * width, width)
        self.q, self.k, self.location, self.score = nn.Linear(width, width), nn.Linear(2 * width, width), nn.Conv1d(1, width, 5, padding=2, bias=False), nn.Linear(width, 1)
        self.out = nn.Linear(3 * width, words)

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        memory = self.listen(x)[0]
        memory = (memory[:, 0::2] + memory[:, 1::2]) / 2
        h = memory.new_zeros(x.size(0), self.cell.hidden_size)
        c, context = torch.zeros_like(h), torch.zeros_like(memory[:, 0])
        total = torch.zeros_like(memory[:, :, 0])
        outs: List[Tensor] = []
        for t in range(targets.size(1)):
            h, c = self.cell(torch.cat([self.embed(targets[:, t]), context], 1), (h, c))
            e = self.score(torch.tanh(self.q(h).unsqueeze(1) + self.k(memory) + self.location(total.unsqueeze(1)).transpose(1, 2))).squeeze(2)
            w = torch.softmax(e, 1)
            total = total + w
            context = torch.bmm(w.unsqueeze(1), memory).squeeze(1)
            outs.append(self.out(torch.cat([h, context], 1)))
        return torch.stack(outs, 1)


class PitchSource(nn.Module):
    """Harmonic source of a neural vocoder: cumulative phases, upsampling, modulo."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(4, 1)

    def forward(self, f0: Tensor) -> Tensor:
        f = F.interpolate(f0.unsqueeze(1), scale_factor=20.0, mode="linear", align_corners=True).transpose(1, 2)
        f = f * torch.arange(1, 5, dtype=f0.dtype)
        phase = torch.cumsum(torch.remainder(f / 800.0, 1.0), dim=1) * (2 * math.pi)
        voiced = (f[..., :1] > 100.0).to(f0.dtype)
        return torch.tanh(self.mix(torch.sin(phase) * voiced)).squeeze(-1)


class MFCC(nn.Module):
    def __init__(self):
        super().__init__()
        k = torch.arange(13).unsqueeze(1) * (torch.arange(24) + 0.5) * math.pi / 24
        self.register_buffer("dct", torch.cos(k) * math.sqrt(2 / 24))
        self.register_buffer("bands", torch.rand(24, 65))

    def forward(self, wave: Tensor) -> Tensor:
        emphasised = torch.cat([wave[:, :1], wave[:, 1:] - 0.97 * wave[:, :-1]], 1)
        frames = emphasised.unfold(1, 128, 64) * torch.hamming_window(128, periodic=False, dtype=wave.dtype)
        power = torch.fft.rfft(frames, n=128).abs() ** 2 / 128
        mel = torch.log(power @ self.bands.T + 1e-6)
        return mel @ self.dct.T


def cases():
    n, both = 4, "traced scripted"
    wave = lambda t=640: torch.randn(n, t)
    yield "mel-front-end", both, lambda: {"module": MelFrontEnd(), "inputs": {"wave": wave()}}
    yield "convolution-stft", both, lambda: {"module": RealSTFT(), "inputs": {"wave": wave()}}
    yield "mask-denoiser", both, lambda: {"module": Denoiser(), "inputs": {"wave": wave()}}
    yield "phase-denoiser", both, lambda: {"module": PhaseDenoiser(), "inputs": {"wave": wave()}}
    yield "mfcc", both, lambda: {"module": MFCC(), "inputs": {"wave": wave()}}
    yield "conv-tasnet", both, lambda: {"module": ConvTasNet(), "inputs": {"wave": wave()}}
    yield "conformer-ctc", both, lambda: {"module": ConformerCTC(), "inputs": {"features": torch.randn(n, 40, 20), "lengths": torch.tensor([40, 31, 25, 37])}}
    yield "rnn-t", "scripted", lambda: {"module": RNNT(), "inputs": {"features": torch.randn(n, 7, 6) * 2}}
    yield "streaming", "scripted", lambda: {"module": Streaming(), "inputs": {"x": torch.randn(n, 3, 6)}, "batch": 1, "options": ["--stateful"]}
    yield "wavenet", both, lambda: {"module": WaveNet(), "inputs": {"wave": wave(100)}}
    yield "hifi-gan", "traced", lambda: {"module": HiFiGAN(), "inputs": {"mel": torch.randn(n, 10, 12)}}
    yield "codec", both, lambda: {"module": Codec(), "inputs": {"wave": wave(320)}}
    yield "x-vector", both, lambda: {"module": XVector(), "inputs": {"x": torch.randn(n, 12, 40)}}
    yield "keyword", both, lambda: {"module": BCResNet(), "inputs": {"x": torch.randn(n, 16, 20)}}
    yield "listen-attend-spell", both, lambda: {"module": AttentionRecogniser(), "inputs": {"x": torch.randn(n, 20, 8), "targets": torch.randint(0, 10, (n, 6))}}
    yield "pitch-source", both, lambda: {"module": PitchSource(), "inputs": {"f0": torch.rand(n, 10) * 300}}
