"""What two workers do against two runs of one worker on a core each: efficiency at equal threads.

    python benchmarks/scaling.py --repeats 3 --executors processes,ray

Half of the images each are computed by two inline runs (`--shard 1/2` and `2/2`) side by side, each
on a core and with a thread of its own; the sum of their images per second is what the machine can
do. Then the same images by two workers of each executor, with the same two cores. Start-up is
apart: from when the last worker has joined to when the run is over. Rounds are interleaved; shown
are medians. Idle is the share of the workers' time in which one has nothing to do before the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

MODELS = "digits-alexnet,digits-vgg16,digits-mobilenet_v1_025,digits-mobilenet_v1_050"


@dataclass(frozen=True, slots=True)
class Measured:
    """A run.

    Attributes:
        images: results of cells; ``seconds`` from when the last worker joined.
        startup: seconds from the run's command to there.
        idle: share of the workers' time.
    """

    images: int
    seconds: float
    startup: float
    idle: float

    @property
    def rate(self) -> float:
        return self.images / self.seconds


def start(db: Path, core: int | None, options: Sequence[str]) -> subprocess.Popen[str]:
    """A run; ``core``: the only one it may use."""
    command = [sys.executable, "-m", "harness", "run", "--suite", "digits18", "--db", str(db)]
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    return subprocess.Popen(
        [*pinned, *command, "--progress", "json", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


def finished(run: subprocess.Popen[str], db: Path, began: datetime) -> Measured:
    """What a run did, when it is over."""
    _, text = run.communicate()
    if run.returncode:
        raise SystemExit(text)
    idle = seen = 0
    for line in text.splitlines():
        event = json.loads(line)
        if event["event"] == "workers":
            seen += len(event["workers"])
            idle += sum(worker["model"] is None for worker in event["workers"])
    with sqlite3.connect(db) as connection:
        (joined,) = connection.execute("SELECT max(joined) FROM workers").fetchone()
        (ended,) = connection.execute("SELECT max(finished) FROM runs").fetchone()
        (images,) = connection.execute(
            "SELECT (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM measured)"
            " + (SELECT count(*) FROM clean)"
        ).fetchone()
    ready, end = map(datetime.fromisoformat, (joined, ended))
    return Measured(
        images,
        (end - ready).total_seconds(),
        (ready - began).total_seconds(),
        idle / seen if seen else 0.0,
    )


def alone(folder: Path, options: Sequence[str]) -> list[Measured]:
    """Two inline runs side by side, each on its core."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    began, runs = now(), []
    for part, core in enumerate(cores, start=1):
        db = folder / f"alone-{part}.db"
        mine = ["--executor", "inline", "--devices", "cpu", "--shard", f"{part}/2"]
        runs.append((start(db, core, [*mine, *options]), db))
    return [finished(run, db, began) for run, db in runs]


def together(folder: Path, executor: str, options: Sequence[str]) -> Measured:
    """One run with two workers."""
    db, began = folder / f"{executor}.db", now()
    mine = ["--executor", executor, "--devices", "cpu:2"]
    return finished(start(db, None, [*mine, *options]), db, began)


def now() -> datetime:
    return datetime.now().astimezone()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--executors", default="processes,ray")
    parser.add_argument("--models", default=MODELS)
    asked = parser.parse_args()
    executors, options = asked.executors.split(","), ["--models", asked.models]
    halves: list[list[Measured]] = []
    wholes: dict[str, list[Measured]] = {name: [] for name in executors}
    for number in range(asked.repeats):
        print(f"round {number + 1}, load before: {os.getloadavg()[0]:.1f}", flush=True)
        with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
            halves.append(alone(Path(folder), options))
            for name in executors:
                wholes[name].append(together(Path(folder), name, options))
    machine = statistics.median(sum(half.rate for half in halve) for halve in halves)
    print(f"{'workers':12} {'images/s':>9} {'efficiency':>11} {'idle':>6} {'start-up':>9}")
    print(f"{'2 x inline':12} {machine:9.2f}")
    for name, runs in wholes.items():
        rate = statistics.median(run.rate for run in runs)
        share = statistics.median(
            run.rate / sum(half.rate for half in halve)
            for run, halve in zip(runs, halves, strict=True)
        )
        idle = statistics.median(run.idle for run in runs)
        startup = statistics.median(run.startup for run in runs)
        print(f"{name:12} {rate:9.2f} {share:11.2f} {idle:6.1%} {startup:7.1f} s")


if __name__ == "__main__":
    main()
