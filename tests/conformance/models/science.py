"""Cases of exported.py: surrogates of solvers, operators on fields, float64 nets, complex numbers, linear algebra."""
import math
from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConv1d(nn.Module):
    def __init__(self, width: int, modes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width, modes, dtype=torch.cfloat) / width)
        self.modes = modes

    def forward(self, x: Tensor) -> Tensor:
        f = torch.fft.rfft(x)
        out = torch.zeros_like(f)
        out[:, :, :self.modes] = torch.einsum("bix,iox->box", f[:, :, :self.modes], self.weight)
        return torch.fft.irfft(out, n=x.size(-1))


class FNO1d(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.inp, self.out = nn.Linear(2, width), nn.Linear(width, 1)
        self.spectral = nn.ModuleList([SpectralConv1d(width, 5) for _ in range(2)])
        self.local = nn.ModuleList([nn.Conv1d(width, width, 1) for _ in range(2)])

    def forward(self, a: Tensor) -> Tensor:
        grid = torch.linspace(0, 1, a.size(1), dtype=a.dtype).expand_as(a)
        x = self.inp(torch.stack([a, grid], -1)).permute(0, 2, 1)
        for s, l in zip(self.spectral, self.local):
            x = F.gelu(s(x) + l(x))
        return self.out(x.permute(0, 2, 1)).squeeze(-1)


class SpectralConv2d(nn.Module):
    def __init__(self, width: int, m: int):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.randn(width, width, m, m, dtype=torch.cfloat) / width) for _ in range(2))
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        f, m = torch.fft.rfft2(x), self.m
        out = torch.zeros(x.shape[0], x.shape[1], x.size(-2), x.size(-1) // 2 + 1, dtype=f.dtype, device=x.device)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, :m, :m], self.a)
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, -m:, :m], self.b)
        return torch.fft.irfft2(out, s=(x.size(-2), x.size(-1)))


class FNO2d(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.inp, self.spectral, self.local, self.out = nn.Conv2d(1, width, 1), SpectralConv2d(width, 4), nn.Conv2d(width, width, 1), nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        return self.out(F.gelu(self.spectral(h) + self.local(h)))


class AFNO(nn.Module):
    """Block-diagonal complex mixing with soft shrinkage, ortho transforms (FourCastNet)."""

    def __init__(self, width=8, blocks: int = 2):
        super().__init__()
        k = width // blocks
        self.w1, self.w2 = nn.Parameter(0.2 * torch.randn(2, blocks, k, k)), nn.Parameter(0.2 * torch.randn(2, blocks, k, k))
        self.blocks, self.k = blocks, k

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        f = torch.fft.rfft2(x, dim=(1, 2), norm="ortho").reshape(n, h, w // 2 + 1, self.blocks, self.k)
        re = F.relu(torch.einsum("...bi,bio->...bo", f.real, self.w1[0]) - torch.einsum("...bi,bio->...bo", f.imag, self.w1[1]))
        im = F.relu(torch.einsum("...bi,bio->...bo", f.imag, self.w1[0]) + torch.einsum("...bi,bio->...bo", f.real, self.w1[1]))
        z = torch.stack([torch.einsum("...bi,bio->...bo", re, self.w2[0]) - torch.einsum("...bi,bio->...bo", im, self.w2[1]),
                         torch.einsum("...bi,bio->...bo", im, self.w2[0]) + torch.einsum("...bi,bio->...bo", re, self.w2[1])], -1)
        z = torch.view_as_complex(F.softshrink(z, lambd=0.01)).reshape(n, h, w // 2 + 1, c)
        return x + torch.fft.irfft2(z, s=(h, w), dim=(1, 2), norm="ortho")


class PINN(nn.Module):
    """float64, sine activations, periodic features, hard boundary conditions."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 24), nn.Linear(24, 24), nn.Linear(24, 1)]).double()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = torch.stack([torch.sin(2 * math.pi * x), torch.cos(2 * math.pi * x), t, t * t], -1)
        for i, layer in enumerate(self.layers):
            h = layer(h) if i == 2 else torch.sin(layer(h))
        return torch.exp(-t) * torch.sin(math.pi * x) + t * (1 - x ** 2) * h.squeeze(-1)


class PINN32(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = nn.Parameter(torch.randn(2, 16))
        self.net = nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.Softplus(beta=2.0), nn.Linear(32, 3))

    def forward(self, x):
        p = 2 * math.pi * x @ self.b
        return self.net(torch.cat([p.sin(), p.cos()], -1))


class DeepONet(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 16))
        self.trunk = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 16), nn.Tanh())
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, u: Tensor, y: Tensor) -> Tensor:
        return torch.einsum("bp,bqp->bq", self.branch(u), self.trunk(y.unsqueeze(-1))) + self.bias


class GaussianProcess(nn.Module):
    """Posterior mean and variance with a Matern kernel, double precision."""

    def __init__(self, n=15):
        super().__init__()
        x = torch.randn(n, 2, dtype=torch.float64)
        self.register_buffer("x", x)
        self.log_scale = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.register_buffer("y", torch.sin(x.sum(1)))

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        d = torch.cdist(a / self.log_scale.exp(), b / self.log_scale.exp()).clamp(min=1e-12) * math.sqrt(5.0)
        return (1 + d + d ** 2 / 3) * torch.exp(-d)

    def forward(self, q: Tensor) -> Tuple[Tensor, Tensor]:
        k = self.kernel(self.x, self.x) + 1e-4 * torch.eye(self.x.size(0), dtype=self.x.dtype)
        l = torch.linalg.cholesky(k)
        ks = self.kernel(self.x, q)
        alpha = torch.cholesky_solve(self.y.unsqueeze(1), l)
        v = torch.linalg.solve_triangular(l, ks, upper=False)
        return (ks.t() @ alpha).squeeze(1), 1 - (v * v).sum(0)


class Koopman(nn.Module):
    """Matrix exponential and powers of a learned operator."""

    def __init__(self, d=5):
        super().__init__()
        self.encode, self.decode, self.k = nn.Linear(3, d), nn.Linear(d, 3), nn.Parameter(torch.randn(d, d) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encode(x)
        a = torch.matrix_exp(self.k - self.k.T)
        return torch.stack([self.decode(z @ torch.linalg.matrix_power(a, i)) for i in [1, 2, 5]], 1)


class Whitening(nn.Module):
    """Eigenvectors of a covariance inside the model, sign-free results."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        c = x - x.mean(1, keepdim=True)
        s = c.transpose(1, 2) @ c / (x.size(1) - 1)
        values, vectors = torch.linalg.eigh(s)
        w = vectors @ torch.diag_embed(values.clamp(min=1e-5).rsqrt()) @ vectors.transpose(1, 2)
        return c @ w, values, torch.linalg.slogdet(s + torch.eye(x.size(2), dtype=x.dtype))[1]


class Procrustes(nn.Module):
    """Rigid alignment by an SVD and its determinant (Kabsch)."""

    def forward(self, p: Tensor, q: Tensor) -> Tuple[Tensor, Tensor]:
        pc, qc = p - p.mean(1, keepdim=True), q - q.mean(1, keepdim=True)
        u, s, vh = torch.linalg.svd(pc.transpose(1, 2) @ qc)
        d = torch.sign(torch.det(vh.transpose(1, 2) @ u.transpose(1, 2)))
        fix = torch.diag_embed(torch.stack([torch.ones_like(d), torch.ones_like(d), d], -1))
        r = vh.transpose(1, 2) @ fix @ u.transpose(1, 2)
        return r, ((pc @ r.transpose(1, 2) - qc) ** 2).sum(-1).mean(-1).sqrt()


class LeastSquares(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        q, r = torch.linalg.qr(a)
        x = torch.linalg.solve_triangular(r, q.transpose(-2, -1) @ b, upper=True)
        y = torch.linalg.solve(a.transpose(-2, -1) @ a + 0.1 * torch.eye(a.size(-1), dtype=a.dtype), a.transpose(-2, -1) @ b)
        return x, y, torch.linalg.pinv(a) @ b


class ComplexNet(nn.Module):
    """Complex weights, modReLU, conjugates; complex in and out."""

    def __init__(self):
        super().__init__()
        self.w, self.v, self.bias = nn.Parameter(torch.randn(6, 8, dtype=torch.cfloat)), nn.Parameter(torch.randn(8, 3, dtype=torch.cfloat)), nn.Parameter(torch.tensor(-0.3))

    def forward(self, z: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        h = z @ self.w
        r = h.abs()
        h = h * (F.relu(r + self.bias) / (r + 1e-6))
        y = h @ self.v
        return y, torch.angle(y), (y * y.conj()).real


class QuantumCircuit(nn.Module):
    """Rotations and entanglers on a state vector of complex amplitudes."""

    def __init__(self, qubits: int = 3):
        super().__init__()
        self.theta, self.qubits = nn.Parameter(torch.randn(2, qubits)), qubits
        cnot = torch.eye(4)[[0, 1, 3, 2]].reshape(2, 2, 2, 2)
        self.register_buffer("cnot", cnot.to(torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        state = torch.zeros(n, 8, dtype=torch.complex64)
        state[:, 0] = 1.0
        state = state.view(n, 2, 2, 2)
        for layer in range(2):
            for q in range(3):
                angle = (x[:, q] + self.theta[layer, q]) / 2
                c, s = torch.cos(angle).to(torch.complex64), torch.complex(torch.zeros_like(angle), -torch.sin(angle)).to(torch.complex64)
                gate = torch.stack([torch.stack([c, s], -1), torch.stack([s, c], -1)], -2)
                state = torch.einsum("nij,njab->niab", gate, state.movedim(q + 1, 1)).movedim(1, q + 1)
            state = torch.einsum("ijkl,nkla->nija", self.cnot, state)
        p = state.abs().square()
        return torch.stack([p.sum([2, 3])[:, 0], p.sum([1, 3])[:, 0], p.sum([1, 2])[:, 0]], 1)


class WaveStepper(nn.Module):
    """A finite-difference solver with a learned source: slices in place, boundary conditions, many steps."""

    def __init__(self):
        super().__init__()
        self.source = nn.Conv2d(1, 1, 3, padding=1)
        self.register_buffer("laplacian", torch.tensor([[0., 1, 0], [1, -4, 1], [0, 1, 0]])[None, None])

    def forward(self, u: Tensor) -> Tensor:
        previous = u.clone()
        for _ in range(6):
            lap = F.conv2d(F.pad(u, [1, 1, 1, 1], mode="circular"), self.laplacian)
            nxt = 2 * u - previous + 0.1 * lap + 0.01 * torch.tanh(self.source(u))
            nxt[:, :, 0, :] = 0.0
            nxt[:, :, -1, :] = nxt[:, :, -2, :]
            previous, u = u, nxt
        return u


class SphericalHarmonics(nn.Module):
    def forward(self, xyz: Tensor) -> Tuple[Tensor, Tensor]:
        x, y, z = F.normalize(xyz, dim=-1).unbind(-1)
        theta, phi = torch.acos(z.clamp(-0.999, 0.999)), torch.atan2(y, x)
        p = [torch.ones_like(z), z]
        for l in range(2, 5):
            p.append(((2 * l - 1) * z * p[l - 1] - (l - 1) * p[l - 2]) / l)
        sh = torch.stack([math.sqrt(3.0) * y, math.sqrt(15.0) * x * y, 0.5 * math.sqrt(5.0) * (3 * z * z - 1)], -1)
        return torch.cat([torch.stack(p, -1), sh], -1), torch.stack([theta, phi, torch.special.bessel_j0(theta), torch.lgamma(theta + 2), torch.erf(phi), torch.special.i0e(phi)], -1)


class HeatKernel(nn.Module):
    """Solves in the Fourier domain with fftn, shifts, frequencies."""

    def forward(self, u: Tensor) -> Tensor:
        kx = 2 * math.pi * torch.fft.fftfreq(u.size(-2)).to(u.dtype)
        ky = 2 * math.pi * torch.fft.fftfreq(u.size(-1)).to(u.dtype)
        k2 = kx[:, None] ** 2 + ky[None] ** 2
        f = torch.fft.fftn(u, dim=(-2, -1)) * torch.exp(-0.5 * k2)
        return torch.cat([torch.fft.ifft2(f).real, torch.fft.fftshift(f, dim=[-2, -1]).abs()], -1)


class ImplicitLayer(nn.Module):
    """A deep equilibrium: iterates until it no longer changes."""

    def __init__(self):
        super().__init__()
        self.w, self.u = nn.Linear(8, 8), nn.Linear(4, 8)
        nn.init.normal_(self.w.weight, std=0.1)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        z = torch.zeros(x.size(0), 8, dtype=x.dtype)
        steps = 0
        change = float("inf")
        while change > 1e-4 and steps < 50:
            new = torch.tanh(self.w(z) + self.u(x))
            change = float((new - z).norm() / (1e-5 + new.norm()))
            z = new
            steps += 1
        return z, torch.full([x.size(0)], steps)


class HalfStorage(nn.Module):
    """Weights kept in half and bfloat16, computed in float32."""

    def __init__(self):
        super().__init__()
        self.register_buffer("a", torch.randn(16, 8).half())
        self.register_buffer("b", torch.randn(4, 16).bfloat16())

    def forward(self, x):
        return F.linear(torch.relu(F.linear(x, self.a.to(x.dtype))), self.b.to(x.dtype))


class RungeLookup(nn.Module):
    """Tables: searchsorted, linear interpolation, bilinear lookups, polynomials."""

    def __init__(self):
        super().__init__()
        self.register_buffer("xs", torch.linspace(0, 1, 11))
        self.register_buffer("ys", torch.randn(11))
        self.register_buffer("coefficients", torch.randn(5))

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        i = torch.searchsorted(self.xs, x.clamp(0.001, 0.999)).clamp(1, 10)
        w = (x - self.xs[i - 1]) / (self.xs[i] - self.xs[i - 1])
        y = torch.lerp(self.ys[i - 1], self.ys[i], w)
        p = (torch.stack([x ** k for k in range(5)], -1) * self.coefficients).sum(-1)
        return y, torch.trapezoid(p, dx=0.1, dim=-1).unsqueeze(-1) + torch.cumulative_trapezoid(y, dim=-1)


def cases():
    n, both = 4, "traced scripted"
    cplx = lambda *s: torch.randn(*s, dtype=torch.cfloat)
    yield "fno-1d", both, lambda: {"module": FNO1d(), "inputs": {"a": torch.randn(n, 32)}}
    yield "fno-2d", both, lambda: {"module": FNO2d(), "inputs": {"x": torch.randn(n, 1, 16, 16)}}
    yield "afno", both, lambda: {"module": AFNO(), "inputs": {"x": torch.randn(n, 8, 16, 8)}}
    yield "pinn-float64", both, lambda: {"module": PINN(), "inputs": {"x": torch.rand(n, 9, dtype=torch.float64), "t": torch.rand(n, 9, dtype=torch.float64)}}
    yield "pinn-float32", both, lambda: {"module": PINN32(), "inputs": {"x": torch.rand(n, 2)}}
    yield "deeponet", both, lambda: {"module": DeepONet(), "inputs": {"u": torch.randn(n, 10), "y": torch.rand(n, 7)}}
    yield "gaussian-process", both, lambda: {"module": GaussianProcess(), "inputs": {"q": torch.randn(n, 2, dtype=torch.float64)}}
    yield "koopman", both, lambda: {"module": Koopman(), "inputs": {"x": torch.randn(n, 3)}}
    yield "whitening", both, lambda: {"module": Whitening(), "inputs": {"x": torch.randn(n, 20, 4)}}
    yield "procrustes", both, lambda: {"module": Procrustes(), "inputs": {"p": torch.randn(n, 9, 3), "q": torch.randn(n, 9, 3)}}
    yield "least-squares", both, lambda: {"module": LeastSquares(), "inputs": {"a": torch.randn(n, 9, 3), "b": torch.randn(n, 9, 2)}}
    yield "complex-net", both, lambda: {"module": ComplexNet(), "inputs": {"z": cplx(n, 6)}}
    yield "quantum-circuit", both, lambda: {"module": QuantumCircuit(), "inputs": {"x": torch.randn(n, 3)}}
    yield "wave-stepper", both, lambda: {"module": WaveStepper(), "inputs": {"u": torch.randn(n, 1, 12, 12)}}
    yield "spherical-harmonics", both, lambda: {"module": SphericalHarmonics(), "inputs": {"xyz": torch.randn(n, 3)}}
    yield "heat-kernel", both, lambda: {"module": HeatKernel(), "inputs": {"u": torch.randn(n, 12, 10)}}
    yield "implicit", "scripted", lambda: {"module": ImplicitLayer(), "inputs": {"x": torch.randn(n, 4)}}
    yield "half-storage", both, lambda: {"module": HalfStorage(), "inputs": {"x": torch.randn(n, 8)}}
    yield "tables", both, lambda: {"module": RungeLookup(), "inputs": {"x": torch.rand(n, 6)}}
