"""Damaged, odd and hostile weight files: each must end in one line, whatever it is.

python benchmarks/fuzz_weights.py [--count 300] [--seed 0] [--show]

Files are made from a seed: every kind of oddity there is, then damaged copies of good files. Each
is given to its loader in a process of its own; counted is how that ended: `one line` (an error of
the harness), `loaded` (the damage is where no reader looks, such as in a comment), or a fault:
another exception, a signal, more than 20 seconds, more than 1 GB of memory, code that ran.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import torch
from odd_graphs import CLASSES, SIDE
from odd_weights import ARCHITECTURE, cases

from harness.api import HarnessError, ModelSpec, Preprocessing
from harness_digits.loader import DigitsLoader
from harness_models.onnx import OnnxLoader

SECONDS, KILOBYTES, LONGEST = 20, 1 << 20, 700


def load(path: Path) -> None:
    """What a run would do with the file."""
    if path.suffix == ".onnx":
        spec = ModelSpec("odd", "odd", path, Preprocessing((SIDE, SIDE)), CLASSES, {})
        OnnxLoader().load(spec, "cpu")
    else:
        spec = ModelSpec("odd", ARCHITECTURE, path, Preprocessing((32, 32)), 10, {})
        DigitsLoader().load(spec, "cpu")


def outcome(path: Path) -> str:
    """How loading ends: ``one line: ...``, ``loaded``, or what went wrong."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load(path)
        ended = "loaded"
    except HarnessError as error:
        line = str(error)
        clear = "\n" not in line and len(line) <= LONGEST and str(path) in line
        ended = f"{'one line' if clear else 'unclear'}: {line}"
    except BaseException:
        ended = f"another exception: {traceback.format_exc(limit=-3)}"
    if os.environ.get("HARNESS_FUZZ_RAN"):
        return "its code ran"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return ended if grown < KILOBYTES else f"took {grown / KILOBYTES:.1f} GB: {ended}"


def apart(path: Path) -> str:
    """`outcome` in a process of its own, which may die or hang."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(send, outcome(path).encode(errors="replace")[:60_000])
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "hung" if number == signal.SIGALRM else f"died of {signal.Signals(number).name}"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every file's line")
    given = parser.parse_args()
    torch.set_num_threads(1)
    ends: Counter[str] = Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases(given.seed, given.count)):
            place = Path(folder) / str(number)
            place.mkdir()
            path = place / f"w{case.suffix}"
            case.write(path)
            said = apart(path)
            kind = said.partition(":")[0]
            ends[kind] += 1
            if given.show or kind not in ("one line", "loaded"):
                print(f"{case.name} ({case.suffix}): {said}")
    print(f"{sum(ends.values())} files in {time.perf_counter() - began:.0f} s: {dict(ends)}")
    sys.exit(any(kind not in ("one line", "loaded") for kind in ends))


if __name__ == "__main__":
    main()
