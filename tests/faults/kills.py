#!/usr/bin/python3
"""Kills tsbatch at random moments of a run: the output opens each time, holds only right rows where the map says done,
and --resume completes it to the same bytes as an undisturbed run.

usage: kills.py TSBATCH [KILLS]      default 10; the full run is 200
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import MPIRUN, TESTS, Tally, need_h5py, run

need_h5py()
import h5py  # noqa: E402
import numpy as np  # noqa: E402

TSBATCH = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
MODEL = os.path.join(TESTS, "data", "tutorial", "rnn_loop.pt")
SAMPLES = 60000
tally = Tally()


def outputs(path):
    with h5py.File(path, "r") as f:
        return {name: f["output"][name][()] for name in ("0", "1")}


def done_rows(path):
    """Rows whose batches the completion map calls done (state 1)."""
    with h5py.File(path, "r") as f:
        states = f["/.tsbatch/done"]
        return np.repeat(states[()] == 1, int(f["/.tsbatch"].attrs["batch_size"]))[:SAMPLES], bool(f.attrs["complete"])


def start(command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)


def kill_all(process):
    """The process and, under mpirun, its ranks, which have process groups of their own."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    for pid in [process.pid, *map(int, children)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def main():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    try:
        with h5py.File("data.h5", "w") as f:
            f.create_dataset("xs", data=np.random.default_rng(1).standard_normal((SAMPLES, 10, 3, 4), np.float32))
        base = [TSBATCH, MODEL, "data.h5", "--per-sample", "--batch-size", "200", "-q"]
        began = time.monotonic()
        code, text = run([*base, "-o", "whole.h5"], 120)
        length = time.monotonic() - began
        if not tally.check(code == 0, f"undisturbed run: exit code {code}: {text}"):
            return tally.finish(0)
        whole = outputs("whole.h5")
        draw = random.Random(2)
        partial = 0
        for i in range(KILLS):
            ranks = draw.choice((1, 2))
            prefix = [*MPIRUN, "-n", str(ranks)] if ranks > 1 else []
            process = start([*prefix, *base, "-o", "out.h5", "--overwrite"])
            if draw.random() < 0.75:  # the rest fall anywhere, before there is an output included
                while not os.path.exists("out.h5") and process.poll() is None:
                    time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.8 * length / ranks))
            kill_all(process)
            if os.path.exists("out.h5"):
                code, text = run(["h5dump", "-H", "out.h5"])
                tally.check(code == 0, f"kill {i}: h5dump: {text[-300:]}")
                done, complete = done_rows("out.h5")
                partial += bool(done.any() and not done.all())
                rows = outputs("out.h5")
                tally.check(all(np.array_equal(rows[n][done], whole[n][done]) for n in whole), f"kill {i}: a row marked done is wrong")
                tally.check(not complete or done.all(), f"kill {i}: called complete with rows missing")
            code, text = run([*base, "-o", "out.h5", "--resume"], 120)
            tally.check(code == 0, f"kill {i}: resume: exit code {code}: {text[-500:]}")
            rows = outputs("out.h5")
            tally.check(all(rows[n].tobytes() == whole[n].tobytes() for n in whole), f"kill {i}: resumed output differs")
            os.unlink("out.h5")
        print(f"{KILLS} kills, {partial} of them with some batches done and some not")
        tally.check(partial * 4 >= KILLS, "too few kills fell into the run to say anything")
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    return tally.finish(3 * KILLS)


sys.exit(main())
