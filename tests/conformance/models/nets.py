"""Cases of exported.py: recommenders, tabular nets, taggers, decoders, beam search, generators, policies, diffusion."""
import math
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# Recommenders


class DLRM(nn.Module):
    """Dense features, one embedding bag a sparse feature, their products."""

    def __init__(self, tables=(50, 31, 17), width=16, mode="sum"):
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, width), nn.ReLU())
        self.bags = nn.ModuleList([nn.EmbeddingBag(n, width, mode=mode) for n in tables])
        pairs = (len(tables) + 1) * len(tables) // 2
        self.top = nn.Sequential(nn.Linear(width + pairs, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
        self.register_buffer("rows", torch.tril_indices(len(tables) + 1, len(tables) + 1, -1)[0])
        self.register_buffer("columns", torch.tril_indices(len(tables) + 1, len(tables) + 1, -1)[1])

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        x = self.bottom(dense)
        parts = [x]
        for i, bag in enumerate(self.bags):
            parts.append(bag(sparse[:, i]))
        t = torch.stack(parts, 1)
        z = torch.bmm(t, t.transpose(1, 2))
        return self.top(torch.cat([x, z[:, self.rows, self.columns]], 1)).squeeze(1)


class BagOffsets(nn.Module):
    """Bags by offsets, with weights."""

    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(40, 12, mode="sum", include_last_offset=True)
        self.mean = nn.EmbeddingBag(40, 12, mode="mean", padding_idx=0)
        self.out = nn.Linear(36, 3)
        self.max = nn.EmbeddingBag(40, 12, mode="max")

    def forward(self, items: Tensor, weights: Tensor) -> Tensor:
        n, k = items.shape
        offsets = torch.arange(0, n * k + 1, k, dtype=torch.long)
        a = self.bag(items.reshape(-1), offsets, weights.reshape(-1))
        return self.out(torch.cat([a, self.mean(items), self.max(items)], 1))


class DeepFM(nn.Module):
    def __init__(self, fields=(10, 20, 30, 5), width=8):
        super().__init__()
        self.first = nn.Embedding(sum(fields), 1)
        self.embed = nn.Embedding(sum(fields), width)
        self.register_buffer("offsets", torch.tensor([0, *fields[:-1]]).cumsum(0))
        self.deep = nn.Sequential(nn.Linear(width * len(fields), 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.offsets.unsqueeze(0)
        e = self.embed(x)
        square_of_sum = e.sum(1) ** 2
        sum_of_square = (e ** 2).sum(1)
        fm = 0.5 * (square_of_sum - sum_of_square).sum(1, keepdim=True)
        return torch.sigmoid((self.first(x).sum(1) + fm + self.deep(e.flatten(1))).squeeze(1))


class TwoTower(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(100, 24), nn.Embedding(300, 24)
        self.user_net, self.item_net = nn.Sequential(nn.Linear(24, 24), nn.GELU()), nn.Sequential(nn.Linear(24 + 3, 24), nn.GELU())
        self.temperature = nn.Parameter(torch.tensor(0.07))

    def forward(self, user: Tensor, item: Tensor, price: Tensor) -> Dict[str, Tensor]:
        u = F.normalize(self.user_net(self.user(user)), dim=-1)
        i = F.normalize(self.item_net(torch.cat([self.item(item), price], -1)), dim=-1)
        return {"score": (u * i).sum(-1) / self.temperature, "user": u, "item": i}


class NeuralCF(nn.Module):
    def __init__(self):
        super().__init__()
        self.mf_u, self.mf_i, self.mlp_u, self.mlp_i = (nn.Embedding(60, 8) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(16, 16), nn.PReLU(), nn.Linear(16, 8), nn.LeakyReLU(0.1))
        self.out = nn.Linear(16, 1)

    def forward(self, pairs: Tensor) -> Tensor:
        u, i = pairs.unbind(1)
        h = self.mlp(torch.cat([self.mlp_u(u), self.mlp_i(i)], -1))
        return self.out(torch.cat([self.mf_u(u) * self.mf_i(i), h], -1)).sigmoid().view(-1)


class SASRec(nn.Module):
    """Sequential recommendation: causal attention over item ids, scores of candidates."""

    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(80, 32, padding_idx=0)
        self.positions = nn.Embedding(20, 32)
        self.attention = nn.ModuleList([nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(32) for _ in range(2)])

    def forward(self, history: Tensor, candidates: Tensor) -> Tensor:
        x = self.items(history) * 32 ** 0.5 + self.positions(torch.arange(history.size(1), device=history.device))
        gone = history == 0
        x = x * (~gone).unsqueeze(-1)
        causal = torch.triu(torch.ones(history.size(1), history.size(1), dtype=torch.bool), 1)
        for attention, norm in zip(self.attention, self.norms):
            q = norm(x)
            x = q + attention(q, x, x, attn_mask=causal, need_weights=False)[0]
            x = x.masked_fill(gone.unsqueeze(-1), 0.0)
        return (self.items(candidates) @ x[:, -1].unsqueeze(-1)).squeeze(-1)


class DCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.cross = nn.ModuleList([nn.Linear(20, 20) for _ in range(3)])
        self.deep = nn.Sequential(nn.Linear(20, 16), nn.SELU(), nn.Linear(16, 16), nn.Mish())
        self.out = nn.Linear(36, 2)

    def forward(self, x):
        x0 = x
        for layer in self.cross:
            x = torch.addcmul(x, x0, layer(x))
        return F.log_softmax(self.out(torch.cat((x, self.deep(x0)), -1)), -1)


# Tabular


class Sparsemax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        z, _ = torch.sort(x, dim=-1, descending=True)
        k = torch.arange(1, x.size(-1) + 1, device=x.device, dtype=x.dtype)
        cum = z.cumsum(-1)
        support = (1 + k * z > cum).sum(-1, keepdim=True)
        tau = (cum.gather(-1, support - 1) - 1) / support.to(x.dtype)
        return torch.clamp(x - tau, min=0)


class TabNet(nn.Module):
    def __init__(self, features=12, width=8, steps=3):
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        block = lambda: nn.Sequential(nn.Linear(features, 4 * width), nn.BatchNorm1d(4 * width), nn.GLU())
        self.first, self.steps = block(), nn.ModuleList([block() for _ in range(steps)])
        self.masks = nn.ModuleList([nn.Linear(width, features) for _ in range(steps)])
        self.sparse = Sparsemax()
        self.out = nn.Linear(width, 3)
        self.width = width

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        x = self.norm(x)
        prior = torch.ones_like(x)
        out = torch.zeros(x.size(0), self.width, dtype=x.dtype)
        importance = torch.zeros_like(x)
        a = self.first(x)[:, self.width:]
        for block, mask in zip(self.steps, self.masks):
            m = self.sparse(mask(a) * prior)
            prior = prior * (1.3 - m)
            h = block(m * x)
            d, a = h[:, :self.width], h[:, self.width:]
            out = out + F.relu(d)
            importance = importance + m * d.sum(1, keepdim=True)
        return self.out(out), importance


class FTTransformer(nn.Module):
    def __init__(self, numbers=5, categories=(4, 7, 3), width=32):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(numbers, width)), nn.Parameter(torch.randn(numbers, width))
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.tables = nn.ModuleList([nn.Embedding(c, width) for c in categories])
        layer = nn.TransformerEncoderLayer(width, 4, 48, batch_first=True, norm_first=True, activation="relu", dropout=0.1)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        x = numbers.unsqueeze(-1) * self.weight + self.bias
        tokens = [self.cls.expand(x.shape[0], -1, -1), x]
        for i, table in enumerate(self.tables):
            tokens.append(table(categories[:, i]).unsqueeze(1))
        return self.head(self.encoder(torch.cat(tokens, dim=1))[:, 0])


class ObliviousTrees(nn.Module):
    """NODE-like soft decision trees."""

    def __init__(self, features=10, trees=6, depth=3):
        super().__init__()
        self.select = nn.Parameter(torch.randn(features, trees, depth))
        self.threshold = nn.Parameter(torch.randn(trees, depth))
        self.log_temperature = nn.Parameter(torch.zeros(trees, depth))
        self.leaves = nn.Parameter(torch.randn(trees, 2 ** depth, 2))
        codes = torch.tensor([[i >> d & 1 for d in range(depth)] for i in range(2 ** depth)])
        self.register_buffer("codes", torch.stack([codes, 1 - codes], 0).float())

    def forward(self, x):
        f = torch.einsum("bi,itd->btd", x, torch.softmax(self.select, 0))
        logits = (f - self.threshold) * torch.exp(-self.log_temperature)
        bins = torch.clamp(torch.stack([-logits, logits], -1) * 0.5 + 0.5, 0, 1)
        match = torch.einsum("btds,scd->btdc", bins, self.codes)
        return torch.einsum("btc,tcu->bu", match.prod(2), self.leaves)


class MixedTable(nn.Module):
    """Bool, integer and double columns, missing values, buckets, one-hot."""

    def __init__(self):
        super().__init__()
        self.register_buffer("edges", torch.tensor([-1.0, -0.3, 0.2, 0.9]))
        self.register_buffer("mean", torch.randn(4))
        self.net = nn.Sequential(nn.Linear(4 + 5 + 3 + 2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, values: Tensor, kind: Tensor, flags: Tensor) -> Tuple[Tensor, Tensor]:
        missing = torch.isnan(values)
        x = torch.where(missing, self.mean, values)
        buckets = F.one_hot(torch.bucketize(x[:, 0], self.edges), 5).to(x.dtype)
        y = self.net(torch.cat([x, buckets, F.one_hot(kind, 3).to(x.dtype), flags.to(x.dtype)], 1))
        return y.softmax(1), y.argmax(1)


# Taggers and decoders of sequences


class CRFTagger(nn.Module):
    """BiLSTM with a CRF: Viterbi in script, integers out."""

    def __init__(self, words=90, tags=6):
        super().__init__()
        self.embedding = nn.Embedding(words, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 12, batch_first=True, bidirectional=True)
        self.emit = nn.Linear(24, tags)
        self.transitions = nn.Parameter(torch.randn(tags, tags))
        self.start, self.end = nn.Parameter(torch.randn(tags)), nn.Parameter(torch.randn(tags))

    def forward(self, tokens: Tensor) -> Tuple[Tensor, Tensor]:
        mask = tokens != 0
        emissions = self.emit(self.lstm(self.embedding(tokens))[0])
        score = self.start + emissions[:, 0]
        history: List[Tensor] = []
        for i in range(1, tokens.size(1)):
            next_score = score.unsqueeze(2) + self.transitions + emissions[:, i].unsqueeze(1)
            best, index = next_score.max(dim=1)
            score = torch.where(mask[:, i].unsqueeze(1), best, score)
            history.append(index)
        score = score + self.end
        paths: List[Tensor] = []
        last = mask.long().sum(1) - 1
        for b in range(tokens.size(0)):
            tag = int(score[b].argmax().item())
            path = [tag]
            n = int(last[b])
            for i in range(n - 1, -1, -1):
                tag = int(history[i][b][tag])
                path.append(tag)
            path.reverse()
            while len(path) < tokens.size(1):
                path.append(-1)
            paths.append(torch.tensor(path))
        return torch.stack(paths), score.max(dim=1).values


class PackedClassifier(nn.Module):
    """Packed sequences by length."""

    def __init__(self, kind="lstm"):
        super().__init__()
        self.rnn = nn.LSTM(8, 12, 2, batch_first=True, bidirectional=True) if kind == "lstm" else nn.GRU(8, 12, 1, batch_first=True)
        self.out = nn.Linear(24 if kind == "lstm" else 12, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = self.rnn(packed)
        y, n = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.size(1))
        return self.out(y.sum(1) / n.unsqueeze(1).to(y.dtype))


class GreedySeq2Seq(nn.Module):
    def __init__(self, words=30, hidden=24):
        super().__init__()
        self.embed = nn.Embedding(words, hidden)
        self.encoder = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.attend = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(3 * hidden, hidden)
        self.out = nn.Linear(hidden, words)

    def forward(self, source: Tensor, steps: int = 6) -> Tuple[Tensor, Tensor]:
        memory, h = self.encoder(self.embed(source))
        state = torch.tanh(self.bridge(torch.cat([h[0], h[1]], 1)))
        token = torch.ones(source.size(0), dtype=torch.long, device=source.device)
        tokens: List[Tensor] = []
        logits: List[Tensor] = []
        for _ in range(steps):
            weight = torch.softmax((self.attend(memory) @ state.unsqueeze(2)).squeeze(2), 1)
            context = (weight.unsqueeze(1) @ memory).squeeze(1)
            state = self.cell(torch.cat([self.embed(token), context], 1), state)
            score = self.out(state)
            token = score.argmax(1)
            tokens.append(token)
            logits.append(score)
        return torch.stack(tokens, 1), torch.stack(logits, 1)


class BeamSearch(nn.Module):
    """Beam search with an LSTM cell: top-k over beams and words, gather of states, early end."""

    def __init__(self, words=20, hidden=16, beam: int = 3, steps: int = 7):
        super().__init__()
        self.embed, self.cell, self.out = nn.Embedding(words, hidden), nn.LSTMCell(hidden, hidden), nn.Linear(hidden, words)
        self.start = nn.Linear(5, hidden)
        self.beam, self.steps, self.words = beam, steps, words

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        n = x.size(0)
        h = self.start(x).repeat_interleave(self.beam, 0)
        c = torch.zeros_like(h)
        tokens = torch.full((n * self.beam, 1), 1, dtype=torch.long)
        scores = torch.full((n, self.beam), float("-inf"), dtype=x.dtype)
        scores[:, 0] = 0.0
        done = torch.zeros(n * self.beam, dtype=torch.bool)
        for step in range(self.steps):
            h, c = self.cell(self.embed(tokens[:, -1]), (h, c))
            logp = torch.log_softmax(self.out(h), -1)
            logp = logp.masked_fill(done.unsqueeze(1), float("-inf"))
            logp[:, 2] = torch.where(done, torch.zeros_like(logp[:, 2]), logp[:, 2])
            total = (scores.view(-1, 1) + logp).view(n, -1)
            scores, index = total.topk(self.beam, dim=1)
            origin = (torch.div(index, self.words, rounding_mode="floor") + torch.arange(n).unsqueeze(1) * self.beam).view(-1)
            word = (index % self.words).view(-1, 1)
            tokens = torch.cat([tokens.index_select(0, origin), word], 1)
            h, c, done = h[origin], c[origin], done[origin] | (word.squeeze(1) == 2)
            if bool(done.all()):
                break
        if tokens.size(1) < self.steps + 1:
            tokens = F.pad(tokens, [0, self.steps + 1 - tokens.size(1)], value=2.0)
        return tokens.view(n, self.beam, -1), scores


class KVDecoder(nn.Module):
    """A decoder that keeps keys and values, builds its masks, samples greedily; rotary positions."""

    def __init__(self, words=40, width=32, heads=4, layers=2):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.qkv = nn.ModuleList([nn.Linear(width, 3 * width, bias=False) for _ in range(layers)])
        self.proj = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(layers)])
        self.mlp = nn.ModuleList([nn.Sequential(nn.Linear(width, 64), nn.SiLU(), nn.Linear(64, width)) for _ in range(layers)])
        self.norm = nn.ModuleList([nn.RMSNorm(width, eps=1e-6) for _ in range(layers)])
        self.heads, self.head_width = heads, width // heads
        self.register_buffer("frequency", 1.0 / 10000 ** (torch.arange(0, self.head_width, 2) / self.head_width))

    def rotate(self, x: Tensor, first: int) -> Tensor:
        t = torch.arange(first, first + x.size(2), device=x.device, dtype=x.dtype)
        angle = torch.outer(t, self.frequency.to(x.dtype))
        cos, sin = torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat([-b, a], -1) * sin

    def step(self, tokens: Tensor, cache: List[Tuple[Tensor, Tensor]]) -> Tuple[Tensor, List[Tuple[Tensor, Tensor]]]:
        x = self.embed(tokens)
        out: List[Tuple[Tensor, Tensor]] = []
        for i, (qkv, proj, mlp, norm) in enumerate(zip(self.qkv, self.proj, self.mlp, self.norm)):
            q, k, v = [t.view(t.size(0), t.size(1), self.heads, self.head_width).transpose(1, 2) for t in qkv(norm(x)).chunk(3, -1)]
            past = 0
            if len(cache) > i:
                past = cache[i][0].size(2)
            q, k = self.rotate(q, past), self.rotate(k, past)
            if len(cache) > i:
                k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
            out.append((k, v))
            mask = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=x.device).tril(past)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + proj(y.transpose(1, 2).flatten(2))
            x = x + mlp(norm(x))
        return x @ self.embed.weight.t(), out

    def forward(self, prompt: Tensor) -> Tuple[Tensor, Tensor]:
        cache: List[Tuple[Tensor, Tensor]] = []
        logits, cache = self.step(prompt, cache)
        tokens = [prompt]
        last = logits[:, -1]
        for _ in range(5):
            token = last.argmax(-1, keepdim=True)
            tokens.append(token)
            logits, cache = self.step(token, cache)
            last = logits[:, -1]
        return torch.cat(tokens, 1), last


class StaticCache(nn.Module):
    """A cache of a fixed size, written in place by index."""

    def __init__(self, width=16, size=12):
        super().__init__()
        self.embed, self.q, self.k, self.v = nn.Embedding(30, width), *(nn.Linear(width, width) for _ in range(3))
        self.size, self.width = size, width

    def forward(self, tokens: Tensor) -> Tensor:
        n = tokens.size(0)
        keys = torch.zeros(n, self.size, self.width, dtype=self.q.weight.dtype)
        values = torch.zeros_like(keys)
        out = torch.zeros(n, tokens.size(1), self.width, dtype=self.q.weight.dtype)
        for t in range(tokens.size(1)):
            x = self.embed(tokens[:, t])
            keys[:, t] = self.k(x)
            values.index_copy_(1, torch.tensor([t]), self.v(x).unsqueeze(1))
            score = torch.einsum("bd,bsd->bs", self.q(x), keys) / math.sqrt(self.width)
            score = score.masked_fill(torch.arange(self.size) > t, float("-inf"))
            out[:, t] = torch.einsum("bs,bsd->bd", score.softmax(-1), values)
        return out


class PointerNet(nn.Module):
    """Chooses its inputs one by one, each once."""

    def __init__(self, width=16):
        super().__init__()
        self.encoder, self.cell = nn.LSTM(2, width, batch_first=True), nn.LSTMCell(2, width)
        self.w1, self.w2, self.v = nn.Linear(width, width, False), nn.Linear(width, width, False), nn.Parameter(torch.randn(width))

    def forward(self, points: Tensor) -> Tuple[Tensor, Tensor]:
        memory, (h, c) = self.encoder(points)
        h, c = h[0], c[0]
        n, k, _ = points.shape
        used = torch.zeros(n, k, dtype=torch.bool)
        x = points.new_zeros(n, 2)
        order: List[Tensor] = []
        logp = points.new_zeros(n)
        for _ in range(k):
            h, c = self.cell(x, (h, c))
            score = torch.tanh(self.w1(memory) + self.w2(h).unsqueeze(1)) @ self.v
            score = torch.log_softmax(score.masked_fill(used, -1e9), 1)
            best, choice = score.max(1)
            logp = logp + best
            used = used | F.one_hot(choice, k).to(torch.bool)
            x = points.gather(1, choice.view(-1, 1, 1).expand(-1, 1, 2)).squeeze(1)
            order.append(choice)
        return torch.stack(order, 1), logp


class TextCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 20)
        self.convs = nn.ModuleList([nn.Conv1d(20, 10, k) for k in (2, 3, 4)])
        self.out = nn.Linear(30, 4)

    def forward(self, tokens):
        x = self.embed(tokens).transpose(1, 2)
        return self.out(torch.cat([F.relu(c(x)).max(2)[0] for c in self.convs], 1))


class TransformerMT(nn.Module):
    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(50, 32, padding_idx=0), nn.Embedding(60, 32, padding_idx=0)
        self.net = nn.Transformer(32, 4, 2, 2, 48, batch_first=True)
        self.out = nn.Linear(32, 60)
        pe = torch.zeros(40, 32)
        t = torch.arange(40).unsqueeze(1) * torch.exp(torch.arange(0, 32, 2) * (-math.log(10000.0) / 32))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(t), torch.cos(t)
        self.register_buffer("pe", pe)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        a, b = self.source(source) + self.pe[:source.size(1)], self.target(target) + self.pe[:target.size(1)]
        causal = nn.Transformer.generate_square_subsequent_mask(target.size(1)).to(a.dtype)
        away = source == 0
        away_float = torch.zeros_like(away, dtype=a.dtype).masked_fill(away, float("-inf"))
        return self.out(self.net(a, b, tgt_mask=causal, src_key_padding_mask=away_float, memory_key_padding_mask=away_float))


class MemoryNet(nn.Module):
    """Neural Turing machine: reads and writes a memory by content and location."""

    def __init__(self, slots=8, width=6, hidden=16):
        super().__init__()
        self.cell = nn.LSTMCell(4 + width, hidden)
        self.key, self.beta, self.gate, self.shift, self.sharp = nn.Linear(hidden, width), nn.Linear(hidden, 1), nn.Linear(hidden, 1), nn.Linear(hidden, 3), nn.Linear(hidden, 1)
        self.erase, self.add, self.out = nn.Linear(hidden, width), nn.Linear(hidden, width), nn.Linear(hidden + width, 4)
        self.memory0 = nn.Parameter(torch.randn(slots, width) * 0.1)
        self.hidden, self.slots = hidden, slots

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        memory = self.memory0.unsqueeze(0).repeat(n, 1, 1)
        h, c = x.new_zeros(n, self.hidden), x.new_zeros(n, self.hidden)
        w = torch.softmax(x.new_zeros(n, self.slots), 1)
        read = x.new_zeros(n, memory.size(2))
        out: List[Tensor] = []
        for t in range(x.size(1)):
            h, c = self.cell(torch.cat([x[:, t], read], 1), (h, c))
            content = F.softmax(F.softplus(self.beta(h)) * F.cosine_similarity(self.key(h).unsqueeze(1), memory, dim=2, eps=1e-8), 1)
            g = torch.sigmoid(self.gate(h))
            w = g * content + (1 - g) * w
            s = F.softmax(self.shift(h), 1)
            w = s[:, 0:1] * torch.roll(w, 1, 1) + s[:, 1:2] * w + s[:, 2:3] * torch.roll(w, -1, 1)
            w = w ** (1 + F.softplus(self.sharp(h)))
            w = w / (w.sum(1, keepdim=True) + 1e-8)
            memory = memory * (1 - torch.bmm(w.unsqueeze(2), torch.sigmoid(self.erase(h)).unsqueeze(1)))
            memory = torch.baddbmm(memory, w.unsqueeze(2), torch.tanh(self.add(h)).unsqueeze(1))
            read = torch.bmm(w.unsqueeze(1), memory).squeeze(1)
            out.append(self.out(torch.cat([h, read], 1)))
        return torch.stack(out, 1)


# Generators, autoencoders, diffusion


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.ConvTranspose2d(16, 32, 4), nn.BatchNorm2d(32), nn.ReLU(True), nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16),
                                 nn.ReLU(True), nn.ConvTranspose2d(16, 3, 3, 2, 1, output_padding=1), nn.Tanh())

    def forward(self, z):
        return self.net(z[:, :, None, None])


class StyleGenerator(nn.Module):
    """Modulated convolutions as one grouped convolution, as StyleGAN2 does."""

    def __init__(self):
        super().__init__()
        self.map = nn.Sequential(nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 16), nn.LeakyReLU(0.2))
        self.constant = nn.Parameter(torch.randn(1, 8, 4, 4))
        self.weight = nn.Parameter(torch.randn(8, 8, 3, 3))
        self.affine = nn.Linear(16, 8)
        self.rgb = nn.Conv2d(8, 3, 1)
        self.register_buffer("kernel", torch.outer(torch.tensor([1., 3, 3, 1]), torch.tensor([1., 3, 3, 1])) / 64)

    def forward(self, z: Tensor) -> Tensor:
        z = z * torch.rsqrt(torch.mean(z ** 2, dim=1, keepdim=True) + 1e-8)
        style = self.affine(self.map(z)) + 1
        n = z.size(0)
        x = self.constant.repeat(n, 1, 1, 1)
        for _ in range(2):
            w = self.weight.unsqueeze(0) * style.view(n, 1, -1, 1, 1)
            w = w * torch.rsqrt(w.pow(2).sum([2, 3, 4]) + 1e-8).view(n, -1, 1, 1, 1)
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            h, wd = x.size(2), x.size(3)
            x = F.conv2d(x.reshape(1, -1, h, wd), w.view(-1, 8, 3, 3), padding=1, groups=n).view(n, 8, h, wd)
            x = F.conv2d(F.pad(x, [1, 2, 1, 2]), self.kernel[None, None].repeat(8, 1, 1, 1), groups=8)
            x = F.leaky_relu(x, 0.2) * 2 ** 0.5
        return torch.clamp(self.rgb(x), -1, 1)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ELU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ELU(), nn.Flatten())
        self.mean, self.log_var = nn.Linear(16 * 16, 6), nn.Linear(16 * 16, 6)
        self.decoder = nn.Sequential(nn.Linear(6, 16 * 16), nn.Unflatten(1, (16, 4, 4)), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean) if self.training else mean
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1)
        return self.decoder(z), mean, kl


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 4, 2, 1))
        self.book = nn.Embedding(32, 8)
        self.decoder = nn.Sequential(nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        z = self.encoder(x).permute(0, 2, 3, 1).contiguous()
        flat = z.view(-1, 8)
        distance = torch.cdist(flat.unsqueeze(0), self.book.weight.unsqueeze(0)).squeeze(0)
        index = torch.argmin(distance, dim=1)
        q = self.book(index).view(z.shape)
        q = z + (q - z).detach()
        return self.decoder(q.permute(0, 3, 1, 2)), index.view(z.shape[:-1])


class UNet(nn.Module):
    """The net of a diffusion model: time embedding, group norms, attention, skips."""

    def __init__(self, width=16):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 32))
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down1, self.down2 = Residual(width, width), Residual(width, 2 * width)
        self.pool = nn.Conv2d(width, width, 3, 2, 1)
        self.attention = SpatialAttention(2 * width)
        self.up1 = Residual(3 * width, width)
        self.last = nn.Sequential(nn.GroupNorm(4, width), nn.SiLU(), nn.Conv2d(width, 3, 3, padding=1))
        self.width = width

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        half = self.width // 2
        f = torch.exp(-math.log(10000) * torch.arange(half, dtype=x.dtype, device=x.device) / (half - 1))
        e = t.to(x.dtype)[:, None] * f[None]
        e = self.time(torch.cat([e.sin(), e.cos()], -1))
        h1 = self.down1(self.first(x), e)
        h2 = self.attention(self.down2(self.pool(h1), e))
        up = F.interpolate(h2, scale_factor=2.0, mode="nearest")
        return self.last(self.up1(torch.cat([up, h1], 1), e))


class Residual(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, a), nn.Conv2d(a, b, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(4, b), nn.Conv2d(b, b, 3, padding=1)
        self.time = nn.Linear(32, 2 * b)
        self.skip = nn.Identity() if a == b else nn.Conv2d(a, b, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(F.silu(e))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class SpatialAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.qkv, self.proj = nn.GroupNorm(4, width), nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, c, h * w).unbind(1)
        weight = torch.einsum("bct,bcs->bts", q * c ** -0.5, k).softmax(-1)
        return x + self.proj(torch.einsum("bts,bcs->bct", weight, v).reshape(b, c, h, w))


class DDIM(nn.Module):
    """The whole sampling loop inside the model."""

    def __init__(self):
        super().__init__()
        self.net = UNet()
        self.register_buffer("alphas", torch.cumprod(1 - torch.linspace(1e-4, 0.02, 50), 0))

    def forward(self, x: Tensor) -> Tensor:
        steps = [40, 20, 0]
        for i, step in enumerate(steps):
            t = torch.full([x.size(0)], step, dtype=torch.long)
            noise = self.net(x, t)
            a = self.alphas[step]
            b = self.alphas[steps[i + 1]] if i + 1 < len(steps) else torch.ones_like(a)
            x0 = ((x - torch.sqrt(1 - a) * noise) / a.sqrt()).clamp(-1, 1)
            x = b.sqrt() * x0 + (1 - b).sqrt() * noise
        return x


class RealNVP(nn.Module):
    """A normalising flow, both directions, log determinants."""

    def __init__(self, d=6):
        super().__init__()
        self.nets = nn.ModuleList([nn.Sequential(nn.Linear(d, 16), nn.Tanh(), nn.Linear(16, 2 * d)) for _ in range(4)])
        self.register_buffer("masks", torch.stack([torch.arange(d) % 2 == i % 2 for i in range(4)]).float())

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        log_det = torch.zeros(x.shape[0], dtype=x.dtype)
        for i, net in enumerate(self.nets):
            m = self.masks[i].to(x.dtype)
            s, t = net(x * m).chunk(2, 1)
            s = torch.tanh(s) * (1 - m)
            x = x * torch.exp(s) + t * (1 - m)
            log_det += s.sum(1)
        log_p = -0.5 * (x ** 2 + math.log(2 * math.pi)).sum(1) + log_det
        return x, log_p


class NeuralODE(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(3, 16), nn.Softplus(), nn.Linear(16, 2))

    def slope(self, t: float, y: Tensor) -> Tensor:
        return self.f(torch.cat([y, torch.full_like(y[:, :1], t)], 1))

    def forward(self, y: Tensor) -> Tensor:
        out = [y]
        h = 0.1
        for i in range(8):
            t = i * h
            k1 = self.slope(t, y)
            k2 = self.slope(t + h / 2, y + h / 2 * k1)
            k3 = self.slope(t + h / 2, y + h / 2 * k2)
            k4 = self.slope(t + h, y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            out.append(y)
        return torch.stack(out, 1)


# Policies


class Step(NamedTuple):
    action: Tensor
    value: Tensor
    log_prob: Tensor


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(4, 8, 8, 4), nn.ReLU(), nn.Conv2d(8, 16, 4, 2), nn.ReLU(), nn.Flatten())
        self.actor, self.critic = nn.Linear(16 * 9, 5), nn.Linear(16 * 9, 1)

    def forward(self, frames: Tensor) -> Step:
        h = self.conv(frames.float() / 255 if frames.dtype == torch.uint8 else frames)
        logits = self.actor(h)
        logp = logits - logits.logsumexp(-1, keepdim=True)
        action = logp.argmax(-1)
        return Step(action, self.critic(h).squeeze(-1), logp.gather(1, action.unsqueeze(1)).squeeze(1))


class GaussianPolicy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.mean, self.log_std = nn.Linear(32, 2), nn.Linear(32, 2)

    def forward(self, obs: Tensor, deterministic: bool = True) -> Tuple[Tensor, Tensor]:
        h = self.net(obs)
        mean, log_std = self.mean(h), self.log_std(h).clamp(-20, 2)
        u = mean if deterministic else mean + log_std.exp() * torch.randn_like(mean)
        log_prob = (-0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
        log_prob = log_prob - (2 * (math.log(2.0) - u - F.softplus(-2 * u))).sum(-1)
        return torch.tanh(u), log_prob


class DuelingRainbow(nn.Module):
    def __init__(self, atoms=11, actions=3):
        super().__init__()
        self.body, self.value, self.advantage = nn.Linear(6, 24), nn.Linear(24, atoms), nn.Linear(24, atoms * actions)
        self.register_buffer("support", torch.linspace(-10, 10, atoms))
        self.atoms, self.actions = atoms, actions

    def forward(self, x):
        h = F.relu(self.body(x))
        v, a = self.value(h).view(-1, 1, self.atoms), self.advantage(h).view(-1, self.actions, self.atoms)
        p = F.softmax(v + a - a.mean(1, keepdim=True), dim=2).clamp(min=1e-3)
        return (p * self.support).sum(2), p


class RecurrentPolicy(nn.Module):
    """State comes in and goes out as arguments."""

    def __init__(self):
        super().__init__()
        self.cell, self.pi = nn.LSTMCell(5, 12), nn.Linear(12, 3)

    def forward(self, obs: Tensor, state: Optional[Tuple[Tensor, Tensor]] = None) -> Tuple[Tensor, Tuple[Tensor, Tensor]]:
        h = self.cell(obs, state)
        return F.gumbel_softmax(self.pi(h[0])) if self.training else F.softmax(self.pi(h[0]), -1), h


class MixtureDensity(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Hardswish(), nn.Dropout(0.5))
        self.pi, self.mu, self.sigma = nn.Linear(16, 3), nn.Linear(16, 6), nn.Linear(16, 3)

    def forward(self, x: Tensor, y: Tensor) -> Dict[str, Tensor]:
        h = self.body(x)
        log_pi, mu, sigma = F.log_softmax(self.pi(h), 1), self.mu(h).view(-1, 3, 2), F.elu(self.sigma(h)) + 1 + 1e-6
        d = ((y.unsqueeze(1) - mu) ** 2).sum(2) / (2 * sigma ** 2)
        log_n = -d - 2 * torch.log(sigma) - math.log(2 * math.pi)
        return {"nll": -torch.logsumexp(log_pi + log_n, 1), "mean": (log_pi.exp().unsqueeze(2) * mu).sum(1)}


class SpatialTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.where = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), nn.ReLU(True), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 6))
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LocalResponseNorm(3), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(16, 5))

    def forward(self, x):
        theta = self.where(x).view(-1, 2, 3) * 0.1 + torch.eye(2, 3, dtype=x.dtype)
        return self.net(F.grid_sample(x, F.affine_grid(theta, x.size(), align_corners=False), align_corners=False))


class CapsuleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.primary = nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5, 2)
        self.w = nn.Parameter(torch.randn(1, 32, 4, 6, 8) * 0.1)

    def squash(self, s: Tensor) -> Tensor:
        n = (s ** 2).sum(-1, keepdim=True)
        return n / (1 + n) * s / torch.sqrt(n + 1e-8)

    def forward(self, x: Tensor) -> Tensor:
        u = self.primary(F.relu(self.conv(x))).view(x.size(0), -1, 8)[:, :32]
        u_hat = (self.w @ self.squash(u)[:, :, None, :, None]).squeeze(-1)
        b = torch.zeros_like(u_hat[..., 0])
        v = self.squash((F.softmax(b, 2).unsqueeze(-1) * u_hat).sum(1))
        for _ in range(2):
            b = b + (u_hat * v.unsqueeze(1)).sum(-1)
            v = self.squash((F.softmax(b, 2).unsqueeze(-1) * u_hat).sum(1))
        return torch.linalg.vector_norm(v, dim=-1)


class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, 32, 1), nn.ReLU())
        self.out = nn.Linear(64, 4)

    def forward(self, points: Tensor) -> Tensor:
        d = torch.cdist(points, points)
        near = d.topk(4, dim=-1, largest=False).indices
        group = torch.gather(points.unsqueeze(1).expand(-1, points.size(1), -1, -1), 2, near.unsqueeze(-1).expand(-1, -1, -1, 3))
        local = torch.linalg.vector_norm(group - points.unsqueeze(2), dim=-1).mean(-1)
        h = self.mlp(points.transpose(1, 2))
        return self.out(torch.cat([h.amax(2), (h * local.unsqueeze(1)).mean(2)], 1))


class NeRF(nn.Module):
    """Rays in, colours out: sampling, positional encoding, compositing."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3 + 3 * 2 * 4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, origins: Tensor, directions: Tensor) -> Dict[str, Tensor]:
        z = torch.linspace(2.0, 6.0, 16, dtype=origins.dtype, device=origins.device)
        points = origins[..., None, :] + directions[..., None, :] * z[..., :, None]
        scales = 2.0 ** torch.arange(4, dtype=origins.dtype)
        angles = (points[..., None] * scales).flatten(-2)
        raw = self.net(torch.cat([points, angles.sin(), angles.cos()], -1))
        sigma, rgb = F.relu(raw[..., 3]), torch.sigmoid(raw[..., :3])
        delta = torch.cat([z[1:] - z[:-1], torch.tensor([1e10], dtype=z.dtype)])
        alpha = 1.0 - torch.exp(-sigma * delta)
        clear = torch.cumprod(torch.cat([torch.ones_like(alpha[..., :1]), 1.0 - alpha + 1e-10], -1), -1)[..., :-1]
        weight = alpha * clear
        return {"rgb": (weight[..., None] * rgb).sum(-2), "depth": (weight * z).sum(-1), "acc": weight.sum(-1)}


class TreeLSTM(nn.Module):
    """Children by parent index, from the leaves up."""

    def __init__(self, hidden=10):
        super().__init__()
        self.iou, self.u_iou, self.f, self.u_f = nn.Linear(6, 3 * hidden), nn.Linear(hidden, 3 * hidden, False), nn.Linear(6, hidden), nn.Linear(hidden, hidden, False)
        self.hidden = hidden

    def forward(self, x: Tensor, parent: Tensor) -> Tensor:
        n, k = parent.shape
        h, c = x.new_zeros(n, k, self.hidden), x.new_zeros(n, k, self.hidden)
        for b in range(n):
            for i in range(k - 1, -1, -1):
                children = (parent[b] == i).nonzero().squeeze(1)
                below = h[b].index_select(0, children)
                i_, o, u = (self.iou(x[b, i]) + self.u_iou(below.sum(0))).chunk(3)
                cell = torch.sigmoid(i_) * torch.tanh(u)
                if children.numel() > 0:
                    f = torch.sigmoid(self.f(x[b, i]).unsqueeze(0) + self.u_f(below))
                    cell = cell + (f * c[b].index_select(0, children)).sum(0)
                c[b, i] = cell
                h[b, i] = torch.sigmoid(o) * torch.tanh(cell)
        return h[:, 0]


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        self.members = nn.ModuleDict({k: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)) for k in ("a", "b", "c")})

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        votes: Dict[str, Tensor] = {}
        for name, member in self.members.items():
            votes[name] = member(x)
        all_ = torch.stack([votes[k] for k in ("a", "b", "c")])
        votes["mean"] = all_.mean(0)
        votes["std"] = all_.std(0)
        votes["median"] = all_.median(0).values
        votes["vote"] = all_.argmax(-1).mode(0).values
        return votes


class MoE(nn.Module):
    def __init__(self, width=12, experts=4):
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(width, 16), nn.GELU(approximate="tanh"), nn.Linear(16, width)) for _ in range(experts)])

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = torch.topk(self.gate(x), 2, dim=-1)
        weight = F.softmax(weight, dim=-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows, slot = torch.where(chosen == i)
            if rows.numel() > 0:
                out.index_add_(0, rows, expert(x[rows]) * weight[rows, slot].unsqueeze(1))
        return out


class SimCLR(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, padding_mode="reflect"), nn.InstanceNorm2d(8, affine=True), nn.Softsign(), nn.Conv2d(8, 8, 3, padding=1, padding_mode="circular"),
                                      nn.PixelUnshuffle(2), nn.Conv2d(32, 8, 1, bias=False), nn.PixelShuffle(2), nn.ChannelShuffle(2), nn.AvgPool2d(2, ceil_mode=True), nn.Flatten())
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(32, 8))

    def forward(self, x):
        return F.normalize(self.head(self.backbone(x)), p=2.0, dim=1)


class Bayesian(nn.Module):
    """Laplace last layer: Cholesky, triangular solve, log determinant."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(3, 8), nn.Tanh())
        self.mean = nn.Parameter(torch.randn(8))
        a = torch.randn(8, 8)
        self.register_buffer("precision", a @ a.T + torch.eye(8))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        phi = self.features(x)
        l = torch.linalg.cholesky(self.precision)
        z = torch.linalg.solve_triangular(l, phi.T, upper=False)
        return phi @ self.mean, (z ** 2).sum(0)


def cases():
    n = 4
    both = "traced scripted"
    ints = lambda high, *shape, low=0: torch.randint(low, high, shape)
    yield "dlrm", both, lambda: {"module": DLRM(), "inputs": {"dense": torch.randn(n, 7), "sparse": ints(17, n, 3, 4)}}
    yield "dlrm-mean", both, lambda: {"module": DLRM(mode="mean"), "inputs": {"dense": torch.randn(n, 7), "sparse": ints(17, n, 3, 4)}}
    yield "dlrm-int32", both, lambda: {"module": DLRM(), "inputs": {"dense": torch.randn(n, 7), "sparse": ints(17, n, 3, 4).int()}}
    yield "bag-offsets", both, lambda: {"module": BagOffsets(), "inputs": {"items": ints(40, n, 6), "weights": torch.rand(n, 6)}}
    yield "deepfm", both, lambda: {"module": DeepFM(), "inputs": {"x": ints(5, n, 4)}}
    yield "two-tower", "scripted", lambda: {"module": TwoTower(), "inputs": {"user": ints(100, n), "item": ints(300, n), "price": torch.rand(n, 3)}}
    yield "ncf", both, lambda: {"module": NeuralCF(), "inputs": {"pairs": ints(60, n, 2)}}
    yield "sasrec", both, lambda: {"module": SASRec(), "inputs": {"history": ints(80, n, 12), "candidates": ints(80, n, 5)}}
    yield "dcn", both, lambda: {"module": DCN(), "inputs": {"x": torch.randn(n, 20)}}
    yield "sparsemax", both, lambda: {"module": Sparsemax(), "inputs": {"x": torch.randn(n, 9)}}
    yield "tabnet", both, lambda: {"module": TabNet(), "inputs": {"x": torch.randn(n, 12)}}
    yield "ft-transformer", both, lambda: {"module": FTTransformer(), "inputs": {"numbers": torch.randn(n, 5), "categories": ints(3, n, 3)}}
    yield "ft-transformer-fast", both, lambda: {"module": FTTransformer(), "inputs": {"numbers": torch.randn(n, 5), "categories": ints(3, n, 3)}, "no_grad": True}
    yield "oblivious-trees", both, lambda: {"module": ObliviousTrees(), "inputs": {"x": torch.randn(n, 10)}}
    yield "mixed-table", both, lambda: {"module": MixedTable(), "inputs": {"values": torch.where(torch.rand(n, 4) < 0.3, torch.nan, torch.randn(n, 4)), "kind": ints(3, n), "flags": torch.rand(n, 2) < 0.5}}
    tokens = lambda: torch.where(torch.arange(9) < torch.tensor([9, 5, 7, 3]).unsqueeze(1), ints(90, n, 9, low=1), 0)
    yield "crf-tagger", "scripted", lambda: {"module": CRFTagger(), "inputs": {"tokens": tokens()}}
    for kind in "lstm", "gru":
        yield f"packed-{kind}", both, lambda kind=kind: {"module": PackedClassifier(kind), "inputs": {"x": torch.randn(n, 7, 8), "lengths": torch.tensor([7, 3, 5, 6])}}
    yield "greedy-seq2seq", both, lambda: {"module": GreedySeq2Seq(), "inputs": {"source": ints(30, n, 8)}}
    yield "beam-search", "scripted", lambda: {"module": BeamSearch(), "inputs": {"x": torch.randn(n, 5)}}
    yield "kv-decoder", both, lambda: {"module": KVDecoder(), "inputs": {"prompt": ints(40, n, 6)}}
    yield "static-cache", both, lambda: {"module": StaticCache(), "inputs": {"tokens": ints(30, n, 8)}}
    yield "pointer-net", both, lambda: {"module": PointerNet(), "inputs": {"points": torch.randn(n, 6, 2)}}
    yield "text-cnn", both, lambda: {"module": TextCNN(), "inputs": {"tokens": ints(100, n, 11)}}
    yield "transformer-mt", both, lambda: {"module": TransformerMT(), "inputs": {"source": torch.where(torch.arange(9) < torch.tensor([9, 5, 7, 3]).unsqueeze(1), ints(50, n, 9, low=1), 0), "target": ints(60, n, 6, low=1)}}
    yield "memory-net", both, lambda: {"module": MemoryNet(), "inputs": {"x": torch.randn(n, 5, 4)}}
    yield "dcgan", both, lambda: {"module": Generator(), "inputs": {"z": torch.randn(n, 16)}}
    yield "stylegan", both, lambda: {"module": StyleGenerator(), "inputs": {"z": torch.randn(n, 16)}}
    yield "vae", both, lambda: {"module": VAE(), "inputs": {"x": torch.rand(n, 1, 16, 16)}}
    yield "vq-vae", both, lambda: {"module": VQVAE(), "inputs": {"x": torch.rand(n, 3, 16, 16)}}
    yield "diffusion-unet", both, lambda: {"module": UNet(), "inputs": {"x": torch.randn(n, 3, 16, 16), "t": ints(1000, n)}}
    yield "ddim", both, lambda: {"module": DDIM(), "inputs": {"x": torch.randn(n, 3, 8, 8)}}
    yield "real-nvp", both, lambda: {"module": RealNVP(), "inputs": {"x": torch.randn(n, 6)}}
    yield "neural-ode", both, lambda: {"module": NeuralODE(), "inputs": {"y": torch.randn(n, 2)}}
    yield "actor-critic", both, lambda: {"module": ActorCritic(), "inputs": {"frames": torch.randint(0, 255, (n, 4, 36, 36), dtype=torch.uint8)}}
    yield "gaussian-policy", both, lambda: {"module": GaussianPolicy(), "inputs": {"obs": torch.randn(n, 8)}}
    yield "rainbow", both, lambda: {"module": DuelingRainbow(), "inputs": {"x": torch.randn(n, 6)}}
    yield "recurrent-policy", both, lambda: {"module": RecurrentPolicy(), "inputs": {"obs": torch.randn(n, 5)}}
    yield "mixture-density", "scripted", lambda: {"module": MixtureDensity(), "inputs": {"x": torch.randn(n, 4), "y": torch.randn(n, 2)}}
    yield "spatial-transformer", both, lambda: {"module": SpatialTransformer(), "inputs": {"x": torch.randn(n, 1, 20, 20)}}
    yield "capsules", both, lambda: {"module": CapsuleNet(), "inputs": {"x": torch.randn(n, 1, 16, 16)}}
    yield "pointnet", both, lambda: {"module": PointNet(), "inputs": {"points": torch.randn(n, 24, 3)}}
    yield "nerf", "scripted", lambda: {"module": NeRF(), "inputs": {"origins": torch.randn(n, 3), "directions": F.normalize(torch.randn(n, 3), dim=-1)}}
    yield "tree-lstm", "scripted", lambda: {"module": TreeLSTM(), "inputs": {"x": torch.randn(n, 5, 6), "parent": torch.tensor([[-1, 0, 0, 1, 1], [-1, 0, 1, 2, 3], [-1, 0, 0, 0, 2], [-1, 0, 1, 1, 1]])}}
    yield "ensemble", "scripted", lambda: {"module": Ensemble(), "inputs": {"x": torch.randn(n, 5)}}
    yield "moe", "scripted", lambda: {"module": MoE(), "inputs": {"x": torch.randn(8, 12)}, "batch": 4}
    yield "simclr", "traced", lambda: {"module": SimCLR(), "inputs": {"x": torch.randn(n, 3, 16, 16)}}
    yield "bayesian", both, lambda: {"module": Bayesian(), "inputs": {"x": torch.randn(n, 3)}}
