#!/usr/bin/python3
"""Broken and hostile inputs: each gives its exit code and a message that names the file and the place; nothing hangs.

usage: bad_input.py TSBATCH [TRUNCATIONS FLIPS]      defaults 20 and 60; the full run is 200 and 1000
"""
import os
import random
import shutil
import sys
import tempfile
import zipfile

from harness import DATA, MODEL, MPIRUN, TESTS, Tally, need_h5py, run

need_h5py()
import h5py  # noqa: E402
import numpy as np  # noqa: E402

TSBATCH = os.path.abspath(sys.argv[1])
TRUNCATIONS, FLIPS = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (20, 60)
USAGE, BAD, UNSUPPORTED, RAISED, IO = 2, 3, 4, 5, 6
tally = Tally()


def expect(name, model, data, code, words, extra=(), mpi=True):
    """Runs with one process, and under mpirun -n 4: same exit code, and every word in the message."""
    for prefix in ([], [*MPIRUN, "-n", "4"]) if mpi else ([],):
        got, text = run([*prefix, TSBATCH, model, data, "-o", "bad.out.h5", "--overwrite", "-q", *extra])
        label = f"{name}{' under mpirun -n 4' if prefix else ''}"
        tally.check(got == code, f"{label}: exit code {got}, expected {code}: {text[-600:]}")
        for word in words:
            tally.check(word in text, f"{label}: the message lacks {word!r}: {text[-600:]}")


def rewrite(source, target, edit):
    """A copy of archive `source` with `edit(name, bytes)` applied to each record; None drops it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            content = edit(item.filename, old.read(item))
            if content is not None:
                new.writestr(item.filename, content)


def data_file(name, **sets):
    with h5py.File(name, "w") as f:
        for key, value in sets.items():
            f.create_dataset(key, data=value)
    return name


def models():
    with open(MODEL, "rb") as f:
        whole = f.read()
    expect("missing model", "no.pt", DATA, BAD, ["no.pt"])
    open("empty.pt", "wb").close()
    expect("empty model", "empty.pt", DATA, BAD, ["empty.pt"])
    with open("text.pt", "w") as f:
        f.write("not a model\n" * 100)
    expect("text as model", "text.pt", DATA, BAD, ["text.pt"])
    rewrite(MODEL, "state.pt", lambda n, b: None if "constants.pkl" in n or "/code/" in n else b)
    expect("state dict", "state.pt", DATA, BAD, ["state.pt", "state"])
    rewrite(MODEL, "new.pt", lambda n, b: b"11\n" if n.endswith("version") else b)
    expect("version 11", "new.pt", DATA, BAD, ["new.pt", "11"])
    rewrite(MODEL, "evil.pt", lambda n, b: b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R." if n.endswith("/data.pkl") else b)
    expect("pickle naming os.system", "evil.pt", DATA, BAD, ["evil.pt", "os", "system"])
    draw = random.Random(1)
    for length in sorted(draw.randrange(1, len(whole)) for _ in range(TRUNCATIONS)):
        with open("cut.pt", "wb") as f:
            f.write(whole[:length])
        expect(f"model cut at {length}", "cut.pt", DATA, BAD, ["cut.pt"], mpi=False)
    for i in range(FLIPS):
        at, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        with open("flip.pt", "wb") as f:
            f.write(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:])
        # A flip in a weight or in padding is not an error: any verdict will do but a crash or a hang.
        got, text = run([TSBATCH, "flip.pt", DATA, "-o", "flip.out.h5", "--overwrite", "-q", "--range", "0:8"])
        tally.check(got in (0, BAD, UNSUPPORTED, RAISED, IO) and "Sanitizer" not in text,
                    f"bit {bit} of byte {at} flipped: exit code {got}: {text[-600:]}")


def data():
    images = np.zeros((10, 1, 8, 8), np.uint8)
    expect("missing data", MODEL, "no.h5", BAD, ["no.h5"])
    open("empty.h5", "wb").close()
    expect("empty data file", MODEL, "empty.h5", BAD, ["empty.h5"])
    with open(DATA, "rb") as f, open("cut.h5", "wb") as g:
        g.write(f.read()[:20000])
    expect("truncated data", MODEL, "cut.h5", BAD, ["cut.h5"])
    two = data_file("two.h5", a=images, b=images)
    expect("no such data set", MODEL, two, USAGE, ["images", "/a", "/b"])
    expect("named data set is missing", MODEL, two, BAD, ["two.h5", "/c"], ["--input", "images=/c"])
    expect("scalar data set", MODEL, data_file("scalar.h5", images=np.uint8(3)), BAD, ["scalar.h5", "images"])
    expect("wrong rank", MODEL, data_file("rank.h5", images=np.zeros((10, 8), np.uint8)), RAISED, ["conv2d"])
    expect("strings as data", MODEL, data_file("text.h5", images=np.array([b"abc"] * 10)), BAD, ["text.h5", "images"])
    expect("zero samples", MODEL, data_file("zero.h5", images=images[:0]), BAD, ["zero.h5", "images"])
    raising = os.path.join(TESTS, "data", "raising.pt")
    values = np.ones((40, 3), np.float32)
    values[25] = -1
    expect("a batch on which the model raises", raising, data_file("raise.h5", x=values), RAISED,
           ["negative", "line"], ["--batch-size", "4"])


def output():
    os.mkdir("closed")
    os.chmod("closed", 0o555)
    got, text = run([TSBATCH, MODEL, DATA, "-o", "nowhere/out.h5", "-q"])
    tally.check(got == IO and "nowhere" in text, f"output directory missing: exit code {got}: {text}")
    if os.geteuid() != 0:  # root writes anywhere
        got, text = run([TSBATCH, MODEL, DATA, "-o", "closed/out.h5", "-q"])
        tally.check(got == IO and "closed" in text, f"output directory closed: exit code {got}: {text}")
    run([TSBATCH, MODEL, DATA, "-o", "there.h5", "-q"])
    before = open("there.h5", "rb").read()
    got, text = run([TSBATCH, MODEL, DATA, "-o", "there.h5", "-q"])
    tally.check(got in (USAGE, IO) and "there.h5" in text and "--overwrite" in text, f"existing output: exit code {got}: {text}")
    tally.check(open("there.h5", "rb").read() == before, "existing output: it was changed")
    if os.geteuid() == 0 and run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "closed"])[0] == 0:
        try:
            for prefix in ([], [*MPIRUN, "-n", "4"]):
                got, text = run([*prefix, TSBATCH, MODEL, DATA, "-o", "closed/out.h5", "--overwrite", "-q"])
                tally.check(got == IO and "closed/out.h5" in text, f"disk full: exit code {got}: {text}")
        finally:
            run(["umount", "closed"])
    else:
        print("no tmpfs can be mounted here: disk full not tested")


def main():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    try:
        models()
        data()
        output()
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return tally.finish(60 + TRUNCATIONS + FLIPS)


sys.exit(main())
