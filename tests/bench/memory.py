#!/usr/bin/python3
"""Memory of a job: weights once per node, and no growth with the number of samples.

Runs MODEL on DATA with one rank (unless it is cut into stages) and with N ranks and prints, from /proc/PID/smaps_rollup
while it runs, the sum of the ranks' proportional set sizes (Pss: a page that n processes share counts 1/n in each) at its highest.

usage: memory.py TSBATCH MODEL DATA [RANKS [OPTION OF tsbatch …]]        default 8; Linux
"""
import os
import subprocess
import sys
import tempfile
import time


def descendants(pid):
    """Pids of tsbatch processes below `pid`."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as f:
            for child in map(int, f.read().split()):
                try:
                    with open(f"/proc/{child}/comm") as g:
                        if g.read().strip() == "tsbatch":
                            found.append(child)
                    found += descendants(child)
                except OSError:
                    pass
    return found


def pss(pid):
    """Bytes: (all, of which private)."""
    total = private = 0
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
            if line.startswith("Private_"):
                private += int(line.split()[1]) * 1024
    return total, private


def watch(command):
    """Highest sums over the ranks: (Pss, largest private set of a rank), in bytes."""
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    most = most_private = 0
    while job.poll() is None:
        try:
            sizes = [pss(p) for p in descendants(os.getpid())]
            most = max(most, sum(s[0] for s in sizes))
            most_private = max([most_private] + [s[1] for s in sizes])
        except OSError:
            pass  # a rank ended while being read
        time.sleep(0.02)
    if job.returncode:
        sys.exit(f"{' '.join(command)}: exit code {job.returncode}")
    return most, most_private


def main(tsbatch, model, data, ranks=8, *options):
    output = os.path.join(tempfile.mkdtemp(), "out.h5")
    job = [os.path.abspath(tsbatch), model, data, "-o", output, "--overwrite", "-q", "--lanes", "1", *options]
    mpirun = ["mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "-n", str(ranks)]
    mib = 1024.0 * 1024
    print(f"model file: {os.path.getsize(model) / mib:.0f} MiB")
    for count, words in ((1, job), (int(ranks), [*mpirun, *job])):
        if count == 1 and "--stages" in options:
            continue
        total, private = watch(words)
        print(f"{count} rank{'s' if count > 1 else ''}: Pss {total / mib:.0f} MiB in all, most private to one rank {private / mib:.0f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
