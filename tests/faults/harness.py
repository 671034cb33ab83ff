"""What the fault tests share: running tsbatch with a time limit, small models and data, counting results."""
import os
import subprocess
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO = os.path.join(os.path.dirname(TESTS), "deploy", "demo")
MODEL = os.path.join(DEMO, "digits.pt")
DATA = os.path.join(DEMO, "digits.h5")
# Under a sanitizer: what MPI's unloaded modules leak has no name to be suppressed by.
MPIRUN = ["env", "ASAN_OPTIONS=detect_leaks=0", "mpirun", "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]


class Tally:
    """Counts checks and says what failed; `finish` gives the exit code."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, condition, text):
        self.passed += bool(condition)
        if not condition:
            self.failed += 1
            print("FAIL " + text, flush=True)
        return condition

    def finish(self, least):
        print(f"{self.passed} checks passed, {self.failed} failed")
        if self.passed + self.failed < least:
            print(f"only {self.passed + self.failed} checks were made, {least} expected")
            return 1
        return 1 if self.failed else 0


def run(command, seconds=60, **options):
    """(exit code, stdout + stderr); exit code None when it hung."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds, **options)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace")


def need_h5py():
    try:
        import h5py  # noqa: F401
    except ImportError:
        print("no python3-h5py here: skipped")
        sys.exit(77)
