"""Faults at random moments of a run: nothing is lost, and nothing is computed twice.

    python benchmarks/faults.py --count 100 --seed 0 --executor processes
    python benchmarks/faults.py --count 20 --seed 1 --executor ray

Each round starts `harness run` with two workers, waits until a random number of rows are stored,
and then kills a worker (SIGKILL), stops one (SIGSTOP), kills the driver, fills its disk, or, with
Ray, kills a node of a cluster of two. A run that ended in an error is resumed by the same command.
In the end the rows have to be those of an undisturbed run; and what the last run computed and what
it found stored have to add up to them, for a row that was computed twice would be one too many.

Prints a line per round, and how much longer a round took than the undisturbed run. Exit code 1
where anything was lost or done twice.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

SUITE = """\
suites:
  faults:
    dataset: digits
    models: [digits-alexnet, digits-mobilenet_v1_025, digits-mobilenet_v1_050]
    images: 12
    accuracy_images: 24
    transfer: {}
    attacks:
      - {attack: ifgsm, goals: [random], parameters: {epsilon: 0.1, steps: 5}, keep: true}
      - {attack: cw, goals: [untargeted], parameters: {iterations: 8, search_steps: 2}}
    measurements:
      - {measurement: clever, images: 2, parameters: {norms: [l2], batches: 3, samples: 8}}
    metrics: [success]
"""
TABLES = {
    "clean": "SELECT model, image_id, predicted, '' FROM clean_predictions",
    "samples": "SELECT cell_key, image_id, status, predicted FROM samples",
    "measured": "SELECT cell_id, image_id, status, forwards FROM measured",
    "transfers": (
        "SELECT source_cell_id, target_cell_id, image_id, predicted, rank FROM transfers"
        " JOIN pairs ON pairs.id = pair_id"
    ),
    "adapted": "SELECT target_cell_id, image_id, predicted, '' FROM adapted_clean",
}
SILENCE = 12
"""Seconds without a sign of life after which a stopped worker is replaced, in these runs."""
PATIENCE = 300
"""Seconds that one run may take."""
ENDING = 20
"""Seconds that a process may take to end after its run, on a machine with other work."""
COMPUTED = re.compile(r"run \d+: (\d+) images computed in \d+ cells, (\d+) found")
FOUND = re.compile(r"(?:nothing|no image) to (?:do|compute), (\d+) images found")


@dataclass(frozen=True, slots=True)
class Run:
    """A `harness run` that goes on."""

    process: subprocess.Popen[str]
    db: Path

    @property
    def workers(self) -> list[int]:
        """Its worker processes that live."""
        return [pid for pid in descendants(self.process.pid) if is_worker(pid)]


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs, but for those that are at their end."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = [], [pid]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def members(session: int) -> list[int]:
    """The processes of a session that are not at their end."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(path.parent.name))
    return found


def is_worker(pid: int) -> bool:
    """Whether it is one that computes: a spawned process, or a Ray actor."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in line or line.startswith(b"ray::")


def rows(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """All results."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return {
            name: sorted(connection.execute(query).fetchall(), key=repr)
            for name, query in TABLES.items()
        }


def stored(db: Path) -> int:
    """How many results there are by now."""
    try:
        return sum(map(len, rows(db).values()))
    except sqlite3.Error:  # there is no database, or no table, yet
        return 0


def command(folder: Path, db: Path, options: list[str]) -> list[str]:
    suite = folder / "faults.yaml"
    suite.write_text(SUITE)
    return [
        *(sys.executable, "-m", "harness", "run", "--registry", str(suite), "--suite", "faults"),
        *("--batch-size", "4", "--db", str(db), "--progress", "plain"),
        *("--worker-timeout", str(SILENCE), *options),
    ]


def start(folder: Path, db: Path, options: list[str], *, disk: int | None = None) -> Run:
    """Begin a run; ``disk``: so many bytes fit into a file of it."""

    def limited() -> None:
        if disk is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))

    process = subprocess.Popen(
        command(folder, db, options),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=limited,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )
    return Run(process, db)


def reach(run: Run, count: int) -> None:
    """Wait until so many results are stored, or the run is over."""
    while run.process.poll() is None and stored(run.db) < count:
        time.sleep(0.05)


def kill_worker(run: Run, random: random.Random) -> None:
    if workers := run.workers:
        os.kill(random.choice(workers), signal.SIGKILL)


def stop_worker(run: Run, random: random.Random) -> None:
    if workers := run.workers:
        os.kill(random.choice(workers), signal.SIGSTOP)


def kill_driver(run: Run, random: random.Random) -> None:
    run.process.kill()


def nothing(run: Run, random: random.Random) -> None:
    """The disk is full from a certain size on, without further ado."""


FAULTS: dict[str, Callable[[Run, random.Random], None]] = {
    "worker killed": kill_worker,
    "worker stopped": stop_worker,
    "driver killed": kill_driver,
    "disk full": nothing,
}


class Nodes:
    """A Ray cluster of two nodes on this machine; the second one can be killed, and is replaced."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  it is called so
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self._node = self._cluster.add_node(num_cpus=1)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def kill(self, run: Run, random: random.Random) -> None:
        self._cluster.remove_node(self._node, allow_graceful=False)
        self._node = self._cluster.add_node(num_cpus=1)

    def __enter__(self) -> Nodes:
        return self

    def __exit__(self, *raised: object) -> None:
        self._cluster.shutdown()


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one fault."""

    fault: str
    seconds: float
    runs: int
    problem: str | None


def play(
    folder: Path, options: list[str], fault: str, strike: Callable[[Run, random.Random], None],
    whole: dict[str, list[tuple[object, ...]]], random: random.Random,
) -> Round:  # fmt: skip
    """One round: a run with a fault, resumed until it is done."""
    db, total = folder / "harness.db", sum(map(len, whole.values()))
    began = time.monotonic()
    for runs in range(1, 6):
        full = random.randrange(300_000, 1_200_000) if fault == "disk full" and runs == 1 else None
        run = start(folder, db, options, disk=full)
        if runs == 1:
            reach(run, random.randrange(1, total))
            strike(run, random)
        try:
            _, text = run.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(run.process.pid, signal.SIGKILL)
            return Round(fault, PATIENCE, runs, "it did not end")
        if run.process.returncode == 0:
            break
    seconds = time.monotonic() - began
    return Round(fault, seconds, runs, problem(run, text, whole))


def problem(run: Run, text: str, whole: dict[str, list[tuple[object, ...]]]) -> str | None:
    """What is wrong after a round; None: nothing is."""
    if run.process.returncode:
        return f"exit code {run.process.returncode}: {text.strip().splitlines()[-1:]}"
    found = rows(run.db)
    for name, expected in whole.items():
        if found[name] != expected:
            same = len(found[name]) == len(expected)
            return f"{name}: {'other rows' if same else f'{len(found[name])} rows'}"
    images = sum(len(found[name]) for name in ("clean", "samples", "measured"))
    computed = COMPUTED.search(text) or FOUND.search(text)
    if computed is None:
        return f"no word of what was computed: {text.strip().splitlines()[-1:]}"
    if sum(map(int, computed.groups())) != images:
        return f"{computed[0]}, of {images}: something was computed twice"
    until = time.monotonic() + ENDING
    while left := members(run.process.pid):
        if time.monotonic() > until:
            return f"left behind: {left}"
        time.sleep(0.05)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=["processes", "ray"], default="processes")
    asked = parser.parse_args()
    dice, faults = random.Random(asked.seed), dict(FAULTS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        options = ["--executor", asked.executor, "--devices", "cpu:2"]
        if asked.executor == "ray":
            nodes = stack.enter_context(Nodes())
            options += ["--ray-address", nodes.address]
            faults["node killed"] = nodes.kill
        began = time.monotonic()
        run = start(folder, folder / "whole.db", options)
        _, text = run.process.communicate(timeout=PATIENCE)
        if run.process.returncode:
            print(text, file=sys.stderr)
            return 1
        quiet, whole = time.monotonic() - began, rows(folder / "whole.db")
        print(f"undisturbed: {sum(map(len, whole.values()))} rows in {quiet:.1f} s")
        played: list[Round] = []
        order = [list(faults)[number % len(faults)] for number in range(asked.count)]
        for number, fault in enumerate(order, start=1):
            place = folder / str(number)
            place.mkdir()
            played.append(play(place, options, fault, faults[fault], whole, dice))
            last = played[-1]
            print(
                f"{number:3} {fault:15} {last.seconds:6.1f} s, {last.runs} runs:"
                f" {last.problem or 'all rows, each once'}",
                flush=True,
            )
    for fault in faults:
        if more := [each.seconds - quiet for each in played if each.fault == fault]:
            print(f"{fault}: {statistics.median(more):+.1f} s (median of {len(more)})")
    wrong = sum(each.problem is not None for each in played)
    print(f"{len(played)} faults, {wrong} with a problem")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
