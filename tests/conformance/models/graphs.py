"""Cases of exported.py: graph nets over an edge list, with scatters written in plain PyTorch, batched by node."""
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NODES, WIDTH = 12, 8


def per_graph(layer):
    """A net over one graph [nodes, width] and [2, edges], applied to each sample."""

    class Batched(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor, edges: Tensor) -> Tensor:
            n, k, d = x.shape
            shift = torch.arange(n, device=x.device).view(-1, 1, 1) * k
            flat = (edges + shift).transpose(0, 1).reshape(2, -1)
            return self.layer(x.reshape(n * k, d), flat).view(n, k, -1)

    return Batched()


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, 16), nn.Linear(16, 5)

    def spread(self, x: Tensor, edges: Tensor) -> Tensor:
        loops = torch.arange(x.size(0), device=x.device)
        row, col = torch.cat([edges[0], loops]), torch.cat([edges[1], loops])
        degree = torch.zeros(x.size(0), dtype=x.dtype).scatter_add_(0, col, torch.ones_like(col, dtype=x.dtype))
        scale = degree.pow(-0.5)
        scale = scale.masked_fill(scale == float("inf"), 0.0)
        weight = scale[row] * scale[col]
        return torch.zeros_like(x).index_add_(0, col, x[row] * weight.unsqueeze(1))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return F.log_softmax(self.two(self.spread(F.relu(self.one(self.spread(x, edges))), edges)), 1)


class GAT(nn.Module):
    def __init__(self, heads: int = 2):
        super().__init__()
        self.lin = nn.Linear(WIDTH, 6 * heads, bias=False)
        self.a, self.b = nn.Parameter(torch.randn(1, heads, 6)), nn.Parameter(torch.randn(1, heads, 6))
        self.heads = heads

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.lin(x).view(-1, self.heads, 6)
        s, t = (h * self.a).sum(-1), (h * self.b).sum(-1)
        row, col = edges[0], edges[1]
        e = F.leaky_relu(s[row] + t[col], 0.2)
        at = col.unsqueeze(1).expand_as(e)
        top = torch.full_like(s, float("-inf")).scatter_reduce(0, at, e, reduce="amax", include_self=False)
        w = (e - top[col]).exp()
        total = torch.zeros_like(s).scatter_add(0, at, w) + 1e-16
        w = w / total[col]
        out = torch.zeros_like(h).index_add(0, col, h[row] * w.unsqueeze(-1))
        return F.elu(out.flatten(1))


class SAGE(nn.Module):
    """Mean, maximum and standard deviation of the neighbours (PNA), by scatter_reduce."""

    def __init__(self):
        super().__init__()
        self.own, self.near = nn.Linear(WIDTH, 6), nn.Linear(4 * WIDTH, 6)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        message, at = x[edges[0]], edges[1].unsqueeze(1).expand(-1, x.size(1))
        zero = torch.zeros_like(x)
        mean = zero.scatter_reduce(0, at, message, reduce="mean", include_self=False)
        square = zero.scatter_reduce(0, at, message * message, reduce="mean", include_self=False)
        high = zero.scatter_reduce(0, at, message, reduce="amax", include_self=False)
        low = zero.scatter_reduce(0, at, message, reduce="amin", include_self=False)
        std = (square - mean * mean).clamp(min=1e-5).sqrt()
        return F.normalize(self.own(x) + self.near(torch.cat([mean, std, high, low], 1)), dim=-1)


class GIN(nn.Module):
    """Sums of neighbours, readout by sum per graph, Jumping Knowledge."""

    def __init__(self):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(2))
        self.mlps = nn.ModuleList([nn.Sequential(nn.Linear(WIDTH, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, WIDTH)) for _ in range(2)])
        self.out = nn.Linear(2 * WIDTH, 3)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        n, k, d = x.shape
        a = adjacency.to(x.dtype)
        parts = []
        for i, mlp in enumerate(self.mlps):
            x = mlp(((1 + self.eps[i]) * x + a @ x).view(n * k, d)).view(n, k, d)
            parts.append(x.sum(1))
        return self.out(torch.cat(parts, 1))


class EdgeConv(nn.Module):
    """DGCNN: nearest neighbours found inside the model."""

    def __init__(self, k: int = 4):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(6, 16, 1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.2))
        self.out = nn.Conv1d(16, 4, 1)
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        inner = -2 * torch.matmul(x.transpose(2, 1), x)
        square = torch.sum(x ** 2, dim=1, keepdim=True)
        index = (-square - inner - square.transpose(2, 1)).topk(k=self.k, dim=-1)[1]
        n, c, p = x.shape
        flat = (index + torch.arange(0, n).view(-1, 1, 1) * p).view(-1)
        points = x.transpose(2, 1).contiguous()
        near = points.view(n * p, -1)[flat, :].view(n, p, self.k, c)
        points = points.view(n, p, 1, c).repeat(1, 1, self.k, 1)
        feature = torch.cat((near - points, points), dim=3).permute(0, 3, 1, 2).contiguous()
        return self.out(self.conv(feature).max(dim=-1)[0])


class SchNet(nn.Module):
    """Atoms and positions to an energy: radial basis, cutoff, filter convolutions."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 16, padding_idx=0)
        self.register_buffer("centres", torch.linspace(0, 5, 10))
        self.filters = nn.ModuleList([nn.Sequential(nn.Linear(10, 16), nn.Softplus(), nn.Linear(16, 16)) for _ in range(2)])
        self.updates = nn.ModuleList([nn.Sequential(nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 16)) for _ in range(2)])
        self.out = nn.Sequential(nn.Linear(16, 8), nn.Softplus(), nn.Linear(8, 1))

    def forward(self, atoms: Tensor, positions: Tensor) -> Tuple[Tensor, Tensor]:
        x, real = self.embed(atoms), (atoms > 0)
        r = positions.unsqueeze(1) - positions.unsqueeze(2)
        d = torch.linalg.norm(r + 1e-12, dim=-1)
        basis = torch.exp(-10.0 * (d.unsqueeze(-1) - self.centres) ** 2)
        cut = 0.5 * (torch.cos(d * 3.141592653589793 / 5.0) + 1.0) * (d < 5.0)
        pairs = (real.unsqueeze(1) & real.unsqueeze(2)).to(x.dtype) * (1 - torch.eye(atoms.size(1), dtype=x.dtype))
        for f, u in zip(self.filters, self.updates):
            w = f(basis) * (cut * pairs).unsqueeze(-1)
            x = x + u(torch.einsum("bijf,bjf->bif", w, x))
        e = self.out(x).squeeze(-1) * real
        return e.sum(1), e


class EGNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.edge, self.node, self.coord = nn.Sequential(nn.Linear(2 * WIDTH + 1, 16), nn.SiLU()), nn.Linear(WIDTH + 16, WIDTH), nn.Linear(16, 1, bias=False)

    def forward(self, h: Tensor, x: Tensor) -> Tuple[Tensor, Tensor]:
        n, k, _ = h.shape
        d = x[:, :, None] - x[:, None]
        r = (d ** 2).sum(-1, keepdim=True)
        m = self.edge(torch.cat([h[:, :, None].expand(-1, -1, k, -1), h[:, None].expand(-1, k, -1, -1), r], -1))
        return h + self.node(torch.cat([h, m.sum(2)], -1)), x + (d * torch.tanh(self.coord(m))).mean(2)


class RelationalGCN(nn.Module):
    """One weight a relation, by bases; edges sorted by type, bincount, unique."""

    def __init__(self, relations: int = 3):
        super().__init__()
        self.bases, self.mix, self.own = nn.Parameter(torch.randn(2, WIDTH, 6)), nn.Parameter(torch.randn(relations, 2)), nn.Linear(WIDTH, 6)
        self.relations = relations

    def forward(self, x: Tensor, edges: Tensor, kinds: Tensor) -> Tensor:
        n, k, d = x.shape
        out = self.own(x).view(n * k, -1)
        weight = torch.einsum("rb,bio->rio", self.mix, self.bases)
        base = (torch.arange(n) * k).view(-1, 1)
        row, col, kind = (edges[:, 0] + base).flatten(), (edges[:, 1] + base).flatten(), kinds.flatten()
        flat = x.reshape(n * k, d)
        for r in range(self.relations):
            at = (kind == r).nonzero().flatten()
            degree = torch.bincount(col[at], minlength=n * k).clamp(min=1).to(x.dtype)
            sums = torch.zeros_like(out).index_add(0, col[at], flat[row[at]] @ weight[r])
            out = out + sums / degree.unsqueeze(1)
        return out.relu().view(n, k, -1)


class ChebNet(nn.Module):
    """A dense Laplacian and its Chebyshev polynomials; eigenvalue by power iteration."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, WIDTH, 5) * 0.2)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        a = ((adjacency + adjacency.transpose(1, 2)) > 0).to(x.dtype)
        d = a.sum(-1).clamp(min=1).rsqrt()
        l = torch.eye(a.size(1), dtype=x.dtype) - d.unsqueeze(-1) * a * d.unsqueeze(-2)
        v = torch.ones_like(x[..., :1])
        for _ in range(10):
            v = F.normalize(l @ v + 0.01, dim=1)
        top = (v.transpose(1, 2) @ l @ v).clamp(min=0.5)
        l = 2 * l / top - torch.eye(a.size(1), dtype=x.dtype)
        t = [x, l @ x]
        t.append(2 * l @ t[-1] - t[-2])
        return sum(torch.matmul(p, w) for p, w in zip(t, self.w))


class GraphTransformer(nn.Module):
    """Attention with a bias by hops (Graphormer), virtual node, degree embedding."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.inp, self.degree, self.hops, self.virtual = nn.Linear(WIDTH, width), nn.Embedding(NODES + 1, width), nn.Embedding(5, heads), nn.Parameter(torch.randn(1, 1, width))
        self.qkv, self.out, self.norm = nn.Linear(width, 3 * width), nn.Linear(width, width), nn.LayerNorm(width)
        self.heads = heads

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        n, k, _ = x.shape
        a = adjacency.to(torch.float32)
        reach, hops = a, torch.where(adjacency > 0, 1, 4)
        for i in range(2, 4):
            reach = torch.bmm(reach, a).clamp(max=1)
            hops = torch.minimum(hops, torch.where(reach > 0, i, 4))
        h = self.inp(x) + self.degree(adjacency.sum(-1).to(torch.int64))
        h = torch.cat([self.virtual.expand(n, -1, -1), h], 1)
        bias = F.pad(self.hops(hops).permute(0, 3, 1, 2), (1, 0, 1, 0))
        q, key, v = self.qkv(self.norm(h)).view(n, k + 1, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return (h + self.out(F.scaled_dot_product_attention(q, key, v, attn_mask=bias.to(q.dtype)).transpose(1, 2).flatten(2)))[:, 0]


class LightGCN(nn.Module):
    """A sparse product written as a gather and a segment sum over sorted rows."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(NODES, WIDTH)

    def forward(self, edges: Tensor, users: Tensor) -> Tensor:
        e = edges[0]
        order = torch.argsort(e[1], stable=True)
        row, col = e[0][order], e[1][order]
        starts = torch.searchsorted(col, torch.arange(self.embed.weight.size(0) + 1))
        x = self.embed.weight
        sums = torch.cat([torch.zeros_like(x[:1]), x[row].cumsum(0)])
        x = x + sums[starts[1:]] - sums[starts[:-1]]
        return x[users]


def cases():
    n, m, both = 4, 30, "traced scripted"
    x = lambda: torch.randn(n, NODES, WIDTH)
    edges = lambda: torch.randint(0, NODES, (n, 2, m))
    adjacency = lambda: (torch.rand(n, NODES, NODES) < 0.3).float()
    for name, net in ("gcn", GCN), ("gat", GAT), ("pna", SAGE):
        yield name, both, lambda net=net: {"module": per_graph(net()), "inputs": {"x": x(), "edges": edges()}}
    yield "gin", both, lambda: {"module": GIN(), "inputs": {"x": x(), "adjacency": adjacency()}}
    yield "dgcnn", both, lambda: {"module": EdgeConv(), "inputs": {"x": torch.randn(n, 3, 20)}}
    atoms = lambda: torch.where(torch.arange(8) < torch.tensor([8, 5, 6, 3]).unsqueeze(1), torch.randint(1, 10, (n, 8)), 0)
    yield "schnet", both, lambda: {"module": SchNet(), "inputs": {"atoms": atoms(), "positions": torch.randn(n, 8, 3)}}
    yield "egnn", both, lambda: {"module": EGNN(), "inputs": {"h": x(), "x": torch.randn(n, NODES, 3)}}
    yield "rgcn", both, lambda: {"module": RelationalGCN(), "inputs": {"x": x(), "edges": edges(), "kinds": torch.randint(0, 3, (n, m))}}
    yield "chebnet", "traced", lambda: {"module": ChebNet(), "inputs": {"x": x(), "adjacency": adjacency()}}
    yield "graphormer", both, lambda: {"module": GraphTransformer(), "inputs": {"x": x(), "adjacency": adjacency()}}
    yield "lightgcn", both, lambda: {"module": LightGCN(), "inputs": {"edges": edges(), "users": torch.randint(0, NODES, (n,))}}
