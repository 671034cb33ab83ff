"""Talks to conformance_runner (runner.c): calls methods of saved modules and reads what came of them."""
import os
import select
import struct
import subprocess
import tempfile

import torch

OK, USAGE, BAD_MODEL, BAD_DATA, UNSUPPORTED, RAISED = range(6)
CRASHED, HUNG = 100, 101

DTYPES = {0: torch.uint8, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32,
          7: torch.float64, 8: torch.complex32, 9: torch.complex64, 10: torch.complex128, 11: torch.bool, 15: torch.bfloat16}


class Instance:
    """An object of a class of the model."""
    def __init__(self, name, slots):
        self.name, self.slots = name, slots


class Enum:
    def __init__(self, name, value):
        self.name, self.value = name, value


class Unknown:
    """A value without a form of its own here: a function, a generator, nothing at all."""


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, code="q"):
        value, = struct.unpack_from("=" + code, self.data, self.at)
        self.at += 8
        return value

    def bytes(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at]

    def text(self):
        return self.bytes().decode("utf-8", "surrogateescape")

    def tensor(self):
        code, ndim = self.number(), self.number()
        size = [self.number() for _ in range(ndim)]
        stride = [self.number() for _ in range(ndim)]
        raw = self.bytes()
        if code not in DTYPES:
            raise ValueError(f"dtype code {code}")
        t = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(DTYPES[code]) if raw else torch.empty(0, dtype=DTYPES[code])
        t = t.reshape(size)
        t.runner_stride = tuple(stride)  # of the tensor in tsbatch; this one is contiguous
        return t

    def value(self):
        kind = chr(self.data[self.at])
        self.at += 1
        if kind == "N":
            return None
        if kind == "b":
            return bool(self.number())
        if kind == "i":
            return self.number()
        if kind == "f":
            return self.number("d")
        if kind == "c":
            return complex(self.number("d"), self.number("d"))
        if kind == "s":
            return self.text()
        if kind == "t":
            return self.tensor()
        if kind in "lT":
            items = [self.value() for _ in range(self.number())]
            return items if kind == "l" else tuple(items)
        if kind == "d":
            return {self.value(): self.value() for _ in range(self.number())}
        if kind == "o":
            name = self.text()
            return Instance(name, [self.value() for _ in range(self.number())])
        if kind == "e":
            return Enum(self.text(), self.value())
        if kind == "D":
            return torch.device(self.text())
        if kind == "?":
            return Unknown()
        raise ValueError(f"value of kind {kind}")


class Answer:
    """status, message, printed (text), value (None unless OK)."""
    def __init__(self, status, message="", printed="", raw=b"", as_text=False):
        self.status, self.message, self.printed = status, message, printed
        self.value = raw.decode("utf-8", "replace") if as_text else _Reader(raw).value() if raw else None


class Runner:
    """One conformance_runner, started again when a call ends it."""
    def __init__(self, program, seconds=30, options=()):
        self.program, self.seconds, self.options, self.process = program, seconds, options, None

    def _start(self):
        self.said = tempfile.TemporaryFile()  # a pipe that nobody reads fills up
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        self.process = subprocess.Popen([self.program, *self.options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, env=environment)

    def _ended(self):
        """What it said, and its exit code."""
        code, self.process = self.process.returncode, None
        self.said.seek(0)
        text = self.said.read().decode("utf-8", "replace")
        self.said.close()
        return code, f"the runner ended with {code}: " + (text if len(text) < 6000 else text[:3000] + " … " + text[-3000:])

    def _kill(self):
        self.process.kill()
        self.process.communicate()
        return self._ended()[1]

    def close(self):
        """Lets it end by itself: leaks, which a sanitizer reports then, are an error."""
        if not self.process:
            return
        try:
            self.process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError("the end of its input does not end the runner; " + self._kill())
        code, text = self._ended()
        if code:
            raise RuntimeError(text)

    def _read(self, n):
        parts, fd = [], self.process.stdout.fileno()
        while n:
            ready, _, _ = select.select([fd], [], [], self.seconds)
            if not ready:
                raise TimeoutError
            part = os.read(fd, min(n, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    def time(self, path, method, count):
        """Nanoseconds of processor time of the method called with one more argument, `count`."""
        answer = self.call(path, method, mode=f"t{count}")
        if answer.status != OK:
            raise RuntimeError(answer.message.strip().splitlines()[-1])
        return answer.value

    def call(self, path, method, plain=False, as_text=False, mode=None):
        if not self.process:
            self._start()
        try:
            mode = mode or ("p" if plain else "o") + ("t" if as_text else "")
            self.process.stdin.write(f"{path}\t{method}\t{mode}\n".encode())
            self.process.stdin.flush()
            status, message, printed, value = struct.unpack("=4I", self._read(16))
            message, printed = (self._read(n).decode("utf-8", "replace") for n in (message, printed))
            return Answer(status, message, printed, self._read(value), as_text)
        except TimeoutError:
            self._kill()
            return Answer(HUNG, f"no answer within {self.seconds} s")
        except (EOFError, BrokenPipeError):
            return Answer(CRASHED, self._kill())
