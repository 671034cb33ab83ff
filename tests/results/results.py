#!/usr/bin/python3
"""How results become data sets: small models (tests/data) with one peculiarity each, against NumPy. Alone, on 3 ranks,
and cut into stages.

usage: results.py TSBATCH
"""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from harness import MPIRUN, TESTS, Tally, need_h5py, run  # noqa: E402

need_h5py()
import h5py  # noqa: E402
import numpy as np  # noqa: E402

TSBATCH = os.path.abspath(sys.argv[1])
N = 60
draw = np.random.default_rng(7)
X = draw.standard_normal((N, 3)).astype(np.float32)
Y = draw.integers(0, 9, (N, 3))
COUNTS = np.arange(N)
BAD = draw.random(N) < 0.4
SIGNED = np.where(BAD[:, None], -1, 1).astype(np.float32) * np.abs(X)
PLAIN = draw.standard_normal((N, 1, 4, 4)).astype(np.float32)
SIZED = [draw.standard_normal((1, *draw.integers(2, 7, 2))).astype(np.float32) for _ in range(N)]
tally = Tally()


def write_data():
    with h5py.File("data.h5", "w") as f:
        f["x"], f["y"], f["n"], f["plain"], f["signed"] = X, Y, COUNTS, PLAIN, SIGNED
        f["large"] = X + np.float32(1e6)
        g = f.create_group("sized")
        g["values"] = np.concatenate([v.ravel() for v in SIZED])
        g["offsets"] = np.cumsum([0] + [v.size for v in SIZED])
        g["shapes"] = np.array([v.shape for v in SIZED])


def read(path):
    """Name -> array, or list of arrays for a ragged group."""
    found = {}

    def visit(name, o):
        if isinstance(o, h5py.Group) and "offsets" in o and "shapes" not in o:
            at = o["offsets"][()]
            found[name] = [o["values"][a:b] for a, b in zip(at, at[1:])]
        elif isinstance(o, h5py.Dataset) and name.rsplit("/", 1)[0] not in found and not name.startswith("."):
            found[name] = o[()]

    with h5py.File(path, "r") as f:
        f.visititems(visit)
        found["complete"] = f.attrs["complete"]
    return found


def same(got, want):
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(np.allclose(g, w, rtol=1e-5, atol=1e-6) for g, w in zip(got, want))
    return got.shape == want.shape and got.dtype == want.dtype and np.allclose(got, want, rtol=1e-5, atol=1e-6, equal_nan=True)


def expect(model, options, want):
    """`want`: everything below /output and /errors."""
    for ranks, stages in ((1, 1), (3, 1), (3, 3), (4, 2)):
        if stages > 1 and "--stateful" in options:
            continue
        prefix = [] if ranks == 1 else [*MPIRUN, "-n", str(ranks)]
        command = [*prefix, TSBATCH, os.path.join(TESTS, "data", model + ".pt"), "data.h5", "-o", "out.h5", "--overwrite", "-q", "--stages", str(stages), *options]
        code, text = run(command)
        label = f"{model} {' '.join(options)} on {ranks} ranks in {stages} stages"
        if not tally.check(code == 0, f"{label}: exit code {code}: {text[:800]} … {text[-800:]}"):
            continue
        got = read("out.h5")
        tally.check(got.pop("complete"), f"{label}: not complete")
        tally.check(set(got) == set(want), f"{label}: has {sorted(got)}, expected {sorted(want)}")
        for name in set(got) & set(want):
            tally.check(same(got[name], want[name]), f"{label}: {name} is {got[name]!r}, expected {want[name]!r}"[:2000])


def in_stages(model, options):
    """The same bytes alone and however it is cut."""
    command = [TSBATCH, os.path.join(TESTS, "data", model + ".pt"), "data.h5", "--overwrite", "-q", "-i", "x=/x", *options, "-o"]
    code, text = run([*command, "alone.h5"])
    tally.check(code == 0, f"{model} {options} alone: exit code {code}: {text[:800]}")
    want = read("alone.h5")
    for ranks, stages in ((2, 2), (3, 3), (4, 4), (6, 6), (8, 4), (8, 2)):
        code, text = run([*MPIRUN, "-n", str(ranks), *command, "out.h5", "--stages", str(stages)])
        if tally.check(code == 0, f"{model} {options} in {stages} stages: exit code {code}: {text[:800]}"):
            got = read("out.h5")
            tally.check(set(got) == set(want) and all(np.array_equal(got[n], want[n], equal_nan=True) for n in want if n != "complete"),
                        f"{model} {options}: {stages} stages on {ranks} ranks give other results")


def missing_operators():
    """A model may mention what is not there as long as it does not come to that."""
    model = [TSBATCH, os.path.join(TESTS, "data", "branching.pt"), "data.h5", "-o", "out.h5", "--overwrite"]
    named = "aten::cudnn_grid_sampler (/src/small.py:"
    code, text = run([*model, "-i", "x=/x", "-b", "4"])
    tally.check(code == 0 and named in text and "only in a branch" in text, f"a branch not taken: exit code {code}: {text}")
    tally.check(same(read("out.h5")["output"], X + 1), "a branch not taken: other output")
    code, text = run([*model, "-i", "x=/large", "-b", "4"])
    tally.check(code == 4 and named in text and "is not implemented" in text, f"a branch taken: exit code {code}: {text}")
    code, text = run([*model, "-i", "x=/x", "--dry-run"])
    tally.check(code == 0 and "all there but" in text and named in text, f"--dry-run with a branch: exit code {code}: {text}")
    model[1] = model[1].replace("branching", "demanding")
    for options in ([], ["--dry-run"]):
        code, text = run([*model, "-i", "x=/x", *options])
        tally.check(code == 4 and named in text and "only in a branch" in text and "aten::cudnn_convolution_relu (/src/small.py:" in text,
                    f"missing for every call {options}: exit code {code}: {text}")


def main():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    try:
        write_data()
        z = X + Y.astype(np.float32)
        expect("named", [], {"output/twice": 2 * z, "output/total": z.sum(1)})
        expect("named", ["-i", "scale=/x", "-b", "7"], {"output/twice": 2 * z * X, "output/total": (z * X).sum(1)})
        expect("nested", ["-i", "x=/x"], {"output/0/double": 2 * X, "output/0/positive": X > 0, "output/1/0": X.sum(1),
                                          "output/1/1": X.astype(np.int64)})
        expect("numbers", ["--per-sample"], {"output/0": X.astype(np.float64).sum(1) * COUNTS, "output/1": COUNTS + 1, "output/2": COUNTS > 2})
        expect("ragged", ["-i", "x=/x", "--per-sample"], {"output": [row[row > 0] for row in X]})
        for name, images in (("plain", PLAIN), ("sized", SIZED)):
            expect("images", ["-i", f"images=/{name}", "-b", "8"],
                   {"output/mean": np.array([v.mean() for v in images]), "output/above": [v[v > v.mean()] for v in images]})
        # Every call starts from what is in the file; with --stateful it counts on: 4 batches.
        ones = np.ones((N, 1), np.float32)
        expect("counting", ["-i", "x=/x", "-b", "16"], {"output": X + 2 * ones})
        expect("counting", ["-i", "x=/x", "-b", "16", "--stateful"], {"output": X + 2 * (1 + np.arange(N) // 16)[:, None].astype(np.float32)})
        # The last batch is padded, and what the padding gives is dropped.
        expect("counting", ["-i", "x=/x", "-b", "16", "--pad-last"], {"output": X + 2 * ones})
        expect("nested", ["-i", "x=/x", "--range", "10:35"], {"output/0/double": 2 * X[10:35], "output/0/positive": X[10:35] > 0,
                                                             "output/1/0": X[10:35].sum(1), "output/1/1": X[10:35].astype(np.int64)})
        raising = [TSBATCH, os.path.join(TESTS, "data", "raising.pt"), "data.h5", "-o", "out.h5", "--overwrite", "-q", "-b", "1", "--on-error", "skip"]
        for options in ([], ["--per-sample", "-b", "7"], ["--per-sample", "-b", "7", "--gather"], ["--stages", "2"], ["--stages", "2", "--per-sample", "-b", "7"]):
            code, text = run([*MPIRUN, "-n", "2", *raising, "-i", "x=/signed", *options])
            if not tally.check(code == 0, f"skipped errors {options}: exit code {code}: {text}"):
                continue
            got = read("out.h5")
            tally.check(np.array_equal(np.isnan(got["output"]).all(1), BAD), "skipped errors: rows that raised are NaN, no others")
            tally.check(np.array_equal(got["output"][~BAD], 2 * SIGNED[~BAD]), "skipped errors: rows that did not raise")
            tally.check(sorted(got["errors/first_row"]) == list(np.flatnonzero(BAD)), f"skipped errors: {got['errors/first_row']}")
        code, text = run([*raising, "-i", "x=/signed", "--max-errors", "3"])
        tally.check(code == 5 and "--max-errors 3" in text, f"--max-errors: exit code {code}: {text}")
        code, text = run([*raising, "-i", "x=/signed", "-b", "60"])
        tally.check(code == 5 and "every call raised" in text, f"nothing but errors: exit code {code}: {text}")
        in_stages("carrying", ["-b", "7"])
        in_stages("striding", ["-b", "7"])
        in_stages("drawing", ["-b", "7", "--seed", "3"])
        in_stages("drawing", ["-b", "16", "--pad-last"])
        missing_operators()
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return tally.finish(60)


sys.exit(main())
