"""Cases of exported.py: forecasting and anomaly detection."""
import math
from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH, HORIZON = 24, 8


class NBeats(nn.Module):
    """Trend, seasonal and generic stacks with backcasts."""

    def __init__(self):
        super().__init__()
        net = lambda out: nn.Sequential(nn.Linear(LENGTH, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, out))
        self.blocks = nn.ModuleList([net(6), net(8), net(LENGTH + HORIZON)])
        back, fore = torch.arange(LENGTH) / LENGTH, torch.arange(HORIZON) / HORIZON
        self.register_buffer("trend_b", torch.stack([back ** i for i in range(3)]))
        self.register_buffer("trend_f", torch.stack([fore ** i for i in range(3)]))
        season = lambda t: torch.cat([torch.cos(2 * math.pi * torch.outer(torch.arange(2).float(), t)), torch.sin(2 * math.pi * torch.outer(torch.arange(2).float(), t))])
        self.register_buffer("season_b", season(back))
        self.register_buffer("season_f", season(fore))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        mean = x.mean(1, keepdim=True)
        x = x - mean
        y = torch.zeros(x.size(0), self.trend_f.size(1), dtype=x.dtype)
        for i, block in enumerate(self.blocks):
            theta = block(x)
            if i == 0:
                b, f = theta[:, :3] @ self.trend_b, theta[:, 3:] @ self.trend_f
            elif i == 1:
                b, f = theta[:, :4] @ self.season_b, theta[:, 4:] @ self.season_f
            else:
                b, f = theta[:, :x.size(1)], theta[:, x.size(1):]
            x, y = x - b, y + f
        return y + mean, x


class TCN(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        wn = nn.utils.weight_norm
        self.convs = nn.ModuleList([wn(nn.Conv1d(3 if i == 0 else width, width, 3, padding=2 * 2 ** i, dilation=2 ** i)) for i in range(3)])
        self.skip, self.out = nn.Conv1d(3, width, 1), nn.Linear(width, HORIZON)

    def forward(self, x):
        r = self.skip(x)
        for i, conv in enumerate(self.convs):
            pad = 2 * 2 ** i
            x = F.dropout(F.relu(conv(x)[:, :, :-pad].contiguous()), 0.2, self.training)
        return self.out((x + r)[:, :, -1])


class PatchTST(nn.Module):
    def __init__(self, channels=3, width=16):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.inp, self.position = nn.Linear(8, width), nn.Parameter(torch.randn(1, 6, width) * 0.02)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 2, 32, batch_first=True, activation="gelu"), 2)
        self.head = nn.Linear(6 * width, HORIZON)

    def forward(self, x: Tensor) -> Tensor:
        mean, std = x.mean(1, keepdim=True), torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
        z = ((x - mean) / std * self.weight + self.bias).permute(0, 2, 1)
        z = F.pad(z, (0, 4), mode="replicate").unfold(-1, 8, 4)
        n, c, p, l = z.shape
        z = self.encoder(self.inp(z).reshape(n * c, p, -1) + self.position)
        y = self.head(z.reshape(n, c, -1)).permute(0, 2, 1)
        return (y - self.bias) / (self.weight + 1e-10) * std + mean


class MovingAverage(nn.Module):
    def __init__(self, size: int = 5):
        super().__init__()
        self.pool, self.half = nn.AvgPool1d(size, 1), (size - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        front, end = x[:, :1].repeat(1, self.half, 1), x[:, -1:].repeat(1, self.half, 1)
        return self.pool(torch.cat([front, x, end], 1).permute(0, 2, 1)).permute(0, 2, 1)


class DLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.average, self.season, self.trend = MovingAverage(), nn.Linear(LENGTH, HORIZON), nn.Linear(LENGTH, HORIZON)

    def forward(self, x: Tensor) -> Tensor:
        trend = self.average(x)
        return (self.season((x - trend).transpose(1, 2)) + self.trend(trend.transpose(1, 2))).transpose(1, 2)


class Autoformer(nn.Module):
    """Attention by autocorrelation: FFT, top-k lags, roll."""

    def __init__(self, width=16):
        super().__init__()
        self.inp, self.q, self.k, self.v = (nn.Linear(a, width) for a in (3, width, width, width))
        self.out, self.average = nn.Linear(width, 3), MovingAverage()

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        q, k, v = self.q(h).transpose(1, 2), self.k(h).transpose(1, 2), self.v(h).transpose(1, 2)
        corr = torch.fft.irfft(torch.fft.rfft(q, dim=-1) * torch.conj(torch.fft.rfft(k, dim=-1)), n=q.size(-1), dim=-1)
        mean = corr.mean(1)
        weight, lag = torch.topk(mean, 3, dim=-1)
        weight = torch.softmax(weight, -1)
        base = torch.arange(v.size(-1)).view(1, 1, -1)
        twice = v.repeat(1, 1, 2)
        y = torch.zeros_like(v)
        for i in range(3):
            index = (base + lag[:, i].view(-1, 1, 1)).expand(-1, v.size(1), -1)
            y = y + torch.gather(twice, 2, index) * weight[:, i].view(-1, 1, 1)
        y = h + y.transpose(1, 2)
        return self.out(y - self.average(y))


class Informer(nn.Module):
    """Sparse queries by a fixed sample of keys, distilling convolution, causal mean."""

    def __init__(self, width=16):
        super().__init__()
        self.embed = nn.Conv1d(3, width, 3, padding=1, padding_mode="circular", bias=False)
        self.month, self.q, self.k, self.v = nn.Embedding(13, width), nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.distil = nn.Sequential(nn.Conv1d(width, width, 3, padding=1, padding_mode="circular"), nn.BatchNorm1d(width), nn.ELU(), nn.MaxPool1d(3, 2, 1))
        self.register_buffer("sample", torch.randint(0, LENGTH, (LENGTH, 5)))
        self.out = nn.Linear(width, HORIZON)

    def forward(self, x: Tensor, month: Tensor) -> Tensor:
        h = self.embed(x.transpose(1, 2)).transpose(1, 2) + self.month(month)
        q, k, v = self.q(h), self.k(h), self.v(h)
        n, l, d = q.shape
        few = k.unsqueeze(1).expand(-1, l, -1, -1)[:, torch.arange(l).unsqueeze(1), self.sample]
        qk = torch.matmul(q.unsqueeze(-2), few.transpose(-2, -1)).squeeze(-2)
        m = qk.max(-1)[0] - qk.sum(-1) / l
        top = m.topk(6, sorted=False)[1]
        reduced = q[torch.arange(n)[:, None], top, :]
        score = torch.softmax(reduced @ k.transpose(-2, -1) / math.sqrt(d), -1)
        context = v.cumsum(dim=-2)
        context[torch.arange(n)[:, None], top, :] = score @ v
        return self.out(self.distil((h + context).transpose(1, 2)).mean(-1))


class DeepAR(nn.Module):
    """An LSTM that feeds its own mean back; parameters of a Student's t."""

    def __init__(self):
        super().__init__()
        self.rnn, self.p, self.static = nn.LSTM(1 + 4, 16, 2, batch_first=True), nn.Linear(16, 3), nn.Embedding(6, 4)

    def forward(self, x: Tensor, series: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        scale = x.abs().mean(1, keepdim=True).clamp(min=1e-3)
        e = self.static(series).unsqueeze(1)
        z = (x / scale).unsqueeze(-1)
        y, state = self.rnn(torch.cat([z, e.expand(-1, z.size(1), -1)], -1))
        last = y[:, -1:]
        loc: List[Tensor] = []
        spread: List[Tensor] = []
        for _ in range(8):
            m, s, _df = self.p(last).unbind(-1)
            loc.append(m)
            spread.append(F.softplus(s))
            last, state = self.rnn(torch.cat([m.unsqueeze(-1), e], -1), state)
        mu, sigma = torch.cat(loc, 1), torch.cat(spread, 1)
        quantiles = torch.stack([mu + sigma * math.sqrt(2.0) * torch.erfinv(torch.tensor(2 * q - 1, dtype=mu.dtype)) for q in [0.1, 0.5, 0.9]], -1)
        return mu * scale, sigma * scale, quantiles * scale.unsqueeze(-1)


class TFT(nn.Module):
    """Gated residual nets, variable selection, interpretable attention."""

    def __init__(self, width=12):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(1, width) for _ in range(3)])
        self.select = nn.Sequential(nn.Linear(3 * width, width), nn.ELU(), nn.Linear(width, 3))
        self.rnn, self.gate, self.norm = nn.LSTM(width, width, batch_first=True), nn.Linear(width, 2 * width), nn.LayerNorm(width)
        self.attention, self.out = nn.MultiheadAttention(width, 2, batch_first=True), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Optional[Tensor]]:
        parts: List[Tensor] = []
        for i, part in enumerate(self.parts):
            parts.append(part(x[..., i:i + 1]))
        w = torch.softmax(self.select(torch.cat(parts, -1)), -1)
        h = (torch.stack(parts, -1) * w.unsqueeze(-2)).sum(-1)
        y = self.norm(h + F.glu(self.gate(self.rnn(h)[0]), -1))
        mask = torch.ones(x.size(1), x.size(1), dtype=torch.bool).triu(1)
        a, weights = self.attention(y, y, y, attn_mask=mask, average_attn_weights=False)
        return self.out(y + a), w, weights


class LSTMAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.out = nn.LSTM(3, 12, batch_first=True), nn.LSTM(12, 12, batch_first=True), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        _, (h, _c) = self.encoder(x)
        y = self.out(self.decoder(h[-1].unsqueeze(1).repeat(1, x.size(1), 1))[0]).flip([1])
        return y, F.mse_loss(y, x, reduction="none").mean([1, 2])


class RocketFeatures(nn.Module):
    """Random dilated kernels: maximum and proportion of positive values."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(1, 8, 7, dilation=d, padding=3 * d) for d in (1, 2, 3)])
        self.out = nn.Linear(48, 4)

    def forward(self, x):
        parts = []
        for conv in self.convs:
            z = conv(x.unsqueeze(1))
            parts += [z.amax(-1), (z > 0).to(x.dtype).mean(-1)]
        return self.out(torch.cat(parts, 1))


class Kalman(nn.Module):
    """A Kalman filter with learned matrices: batched inverses, eye, solves."""

    def __init__(self, d=3):
        super().__init__()
        self.f, self.h = nn.Parameter(torch.eye(d) + 0.1 * torch.randn(d, d)), nn.Parameter(torch.randn(2, d))
        self.register_buffer("q", torch.eye(d) * 0.1)
        self.register_buffer("r", torch.eye(2) * 0.5)

    def forward(self, z: Tensor) -> Tensor:
        n = z.size(0)
        x, p = z.new_zeros(n, self.f.size(0), 1), torch.eye(self.f.size(0), dtype=z.dtype).expand(n, -1, -1)
        out: List[Tensor] = []
        for t in range(z.size(1)):
            x, p = self.f @ x, self.f @ p @ self.f.t() + self.q
            s = self.h @ p @ self.h.t() + self.r
            k = p @ self.h.t() @ torch.inverse(s)
            x = x + k @ (z[:, t].unsqueeze(-1) - self.h @ x)
            p = p - k @ self.h @ p
            out.append(x.squeeze(-1))
        return torch.stack(out, 1)


class ESRNN(nn.Module):
    """Exponential smoothing inside the net: a loop over time with a level and seasons."""

    def __init__(self, season: int = 4):
        super().__init__()
        self.alpha, self.gamma, self.init = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(-0.5)), nn.Parameter(torch.zeros(season))
        self.out = nn.GRU(1, 8, batch_first=True)
        self.season = season

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        a, g = torch.sigmoid(self.alpha), torch.sigmoid(self.gamma)
        seasons = [torch.exp(self.init[i]).expand(x.size(0)) for i in range(self.season)]
        levels = [x[:, 0] / seasons[0]]
        for t in range(1, x.size(1)):
            level = a * (x[:, t] / seasons[t % self.season]) + (1 - a) * levels[-1]
            seasons[t % self.season] = g * (x[:, t] / level) + (1 - g) * seasons[t % self.season]
            levels.append(level)
        l = torch.stack(levels, 1)
        return self.out((x / l).log1p().unsqueeze(-1))[0], l


def cases():
    n, both = 4, "traced scripted"
    x3 = lambda: torch.randn(n, LENGTH, 3)
    x1 = lambda: torch.randn(n, LENGTH)
    yield "n-beats", both, lambda: {"module": NBeats(), "inputs": {"x": x1()}}
    yield "tcn", "traced", lambda: {"module": TCN(), "inputs": {"x": torch.randn(n, 3, LENGTH)}}
    yield "patchtst", both, lambda: {"module": PatchTST(), "inputs": {"x": x3()}}
    yield "patchtst-fast", "traced", lambda: {"module": PatchTST(), "inputs": {"x": x3()}, "no_grad": True}
    yield "dlinear", both, lambda: {"module": DLinear(), "inputs": {"x": x3()}}
    yield "autoformer", both, lambda: {"module": Autoformer(), "inputs": {"x": x3()}}
    yield "informer", both, lambda: {"module": Informer(), "inputs": {"x": x3(), "month": torch.randint(0, 13, (n, LENGTH))}}
    yield "deepar", both, lambda: {"module": DeepAR(), "inputs": {"x": x1(), "series": torch.randint(0, 6, (n,))}}
    yield "tft", both, lambda: {"module": TFT(), "inputs": {"x": x3()}}
    yield "lstm-autoencoder", both, lambda: {"module": LSTMAutoencoder(), "inputs": {"x": x3()}}
    yield "rocket", both, lambda: {"module": RocketFeatures(), "inputs": {"x": x1()}}
    yield "kalman", both, lambda: {"module": Kalman(), "inputs": {"z": torch.randn(n, 6, 2)}}
    yield "es-rnn", both, lambda: {"module": ESRNN(), "inputs": {"x": torch.rand(n, 12) + 1}}
