"""What came of a call, in PyTorch and in tsbatch, in one form; and where two of them differ.

PyTorch runs in processes forked for the purpose: programs exist on which it falls over.
"""
import contextlib
import io
import math
import multiprocessing
import os
import re

import torch

import runner as rn


class Outcome:
    """kind: "value", "raised", "refused" (does not load), "crashed", "hung"; text is the message, value in plain form."""

    def __init__(self, kind, text="", printed="", value=None):
        self.kind, self.text, self.printed, self.value = kind, text, printed, value

    def __repr__(self):
        shown = self.value if self.kind == "value" else self.text
        return f"{self.kind} {shown!r}" + (f" printed {self.printed!r}" if self.printed else "")


def plain(v):
    """A result without objects of either side: what it is, in tuples."""
    if v is None or isinstance(v, (bool, int, float, complex, str)):
        return v
    if isinstance(v, torch.Tensor):
        stride = getattr(v, "runner_stride", None) or tuple(v.stride())
        if v.is_complex():
            v = torch.view_as_real(v.resolve_conj())
            return ("complex tensor", str(v.dtype), tuple(v.shape), stride, v.tolist())
        return ("tensor", str(v.dtype), tuple(v.shape), stride, v.detach().tolist())
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, tuple):
        return ("tuple",) + tuple(plain(x) for x in v)
    if isinstance(v, dict):
        return {"dict": [(plain(k), plain(x)) for k, x in v.items()]}
    if isinstance(v, rn.Enum):
        return ("enum", v.name, plain(v.value))
    return ("object", str(type(v)))


def last_line(message):
    """Of a traceback: the exception, which may go over several lines."""
    at = [m.start() for m in re.finditer(r"^(RuntimeError|[A-Za-z_.]+\.[A-Za-z_]+|[A-Za-z]+(Error|Exception)): ", message, re.M)]
    text = message[at[-1]:] if at else message
    return re.sub(r"torch\.(\w+)Tensor\b", r"CPU\1Type", text.strip())  # PyTorch's Python renames them in errors


# ---- PyTorch

def refused_text(error):
    """The first line of a compile error says what is wrong."""
    return str(error).strip().split("\n")[0]


def ask_torch(path, method, saved_as=None):
    """Loads and calls in this process. saved_as: where to save the module as PyTorch prints it, before the call."""
    try:
        m = torch.jit.load(path)
        if saved_as:
            try:
                torch.jit.save(m, saved_as)
            except RuntimeError:
                with contextlib.suppress(OSError):
                    os.unlink(saved_as)
        args = getattr(m, "args_" + method, ())
    except Exception as e:
        text = refused_text(e)
        # what PyTorch takes for an error of its own, or a C++ exception from its lexer
        return Outcome("crashed" if "INTERNAL ASSERT" in text or "Argument passed to at()" in text or text in ("stoll", "stod") else "refused", text)
    out = io.StringIO()
    with torch.jit.optimized_execution(False), torch.no_grad(), contextlib.redirect_stdout(out):
        try:
            f = m.__call__ if method == "forward" else getattr(m, method)
            value = plain(f(*args))
        except Exception as e:
            if isinstance(e, UnicodeDecodeError) or "INTERNAL ASSERT" in str(e):
                return Outcome("crashed", str(e))
            text = last_line(str(e))
            named = re.match(r"[\w.]+:( |$)", text)
            return Outcome("raised", text if named else "RuntimeError: " + text, out.getvalue())
    return Outcome("value", "", out.getvalue(), value)


class Torch:
    """A forked PyTorch that answers calls; started again when one ends it."""

    def __init__(self, seconds=60):
        self.seconds, self.process = seconds, None

    def _serve(self, pipe):
        torch.set_num_threads(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)  # warnings of C++
        while True:
            pipe.send(ask_torch(*pipe.recv()))

    def call(self, path, method, saved_as=None):
        if not self.process:
            self.pipe, other = multiprocessing.Pipe()
            self.process = multiprocessing.get_context("fork").Process(target=self._serve, args=(other,), daemon=True)
            self.process.start()
            other.close()
        try:
            self.pipe.send((path, method, saved_as))
            if self.pipe.poll(self.seconds):
                return self.pipe.recv()
            self.close()
            return Outcome("hung")
        except (EOFError, ConnectionError, OSError):
            self.close()
            return Outcome("crashed")

    def close(self):
        if self.process:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None


# ---- tsbatch

KINDS = {rn.OK: "value", rn.RAISED: "raised", rn.CRASHED: "crashed", rn.HUNG: "hung"}


def ask_tsbatch(runner, path, method, unoptimised=False):
    a = runner.call(path, method, unoptimised)
    kind = KINDS.get(a.status, "refused")
    text = last_line(a.message) if kind == "raised" else a.message
    return Outcome(kind, text, a.printed, plain(a.value) if kind == "value" else None)


# ---- comparing

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
MINUS_ZERO = re.compile(r"-(?=nan|0(?![.\d]*[1-9x]))")  # signs of nan, and of zeros that min and max choose, depend on vector length
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)")


def close(a, b, rtol):
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= rtol * max(abs(a), abs(b)) + 1e-9


def same_text(a, b, rtol):
    """Equal but for rounding of the numbers with a fraction in them."""
    a, b = (MINUS_ZERO.sub("", ADDRESS.sub("0xADDRESS", t)) for t in (a, b))
    if a == b:
        return True
    x, y = NUMBER.findall(a), NUMBER.findall(b)
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split() or len(x) != len(y):
        return False
    return all(p == q or (("." in p or "." in q) and close(float(p), float(q), rtol)) for p, q in zip(x, y))


def same(a, b, rtol=1e-5):
    if isinstance(a, float) and isinstance(b, float):
        return close(a, b, rtol)
    if isinstance(a, str) and isinstance(b, str):
        return same_text(a, b, rtol)
    if isinstance(a, dict) and isinstance(b, dict):
        return same(a["dict"], b["dict"], rtol)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        if len(a) == 5 and isinstance(a[0], str) and a[0].endswith("tensor") and a[0] == b[0] if len(b) == 5 else False:
            # strides of dimensions of size 1, and of empty tensors, mean nothing
            told = [s for s, n in zip(a[3], a[2]) if n != 1] == [s for s, n in zip(b[3], b[2]) if n != 1] or 0 in a[2]
            return a[1:3] == b[1:3] and told and same(a[4], b[4], rtol)
        return len(a) == len(b) and all(same(x, y, rtol) for x, y in zip(a, b))
    if isinstance(a, complex) and isinstance(b, complex):
        return close(a.real, b.real, rtol) and close(a.imag, b.imag, rtol)
    return type(a) is type(b) and a == b


def difference(want, got):
    """None, or in a word what differs."""
    if want.kind != got.kind:
        return f"{got.kind} instead of {want.kind}"
    if not same_text(want.printed, got.printed, 1e-4):
        return "printed"
    if want.kind == "raised" and not same_text(want.text, got.text, 1e-5):
        return "message"
    if want.kind == "value" and not same(want.value, got.value):
        return "value"
    return None
