"""Kills and signals at random moments of a run: nothing is lost, repeated, left over or garbled.

    python benchmarks/interrupts.py [--kills N] [--signals N] [--seed N]

A small suite with a third party's attack and measurement, with one worker and with two in turn. It
runs once in peace. Then each try starts it, or resumes it, and at a random moment kills a
process of it (the run itself, a model's or a fit's), or sends SIGINT, SIGTERM or SIGHUP, once or
twice, to the run or to all its processes, as a terminal does. Looked at after each try: exit code,
seconds to the end, stderr, processes left over, the database. When a run gets through, its rows
must be those of the run in peace, and its artifacts those that rows name. Exits with 1 if anything
is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

END = 5.0
"""Seconds that a run may take to end after a signal."""

PLUGIN = """
import time
import torch
from pydantic import Field
from harness.api import Attack, Later, Measurement, Norm, MeasurementResult, hookimpl

HARNESS_API = 1

@hookimpl
def register_attacks(register):
    register("nudge", "restless:Nudge", version="1", summary="a few small steps")

@hookimpl
def register_measurements(register):
    register("nap", "restless:Nap", version="1", summary="a mean, later")

class Nudge(Attack):
    norm = Norm.LINF
    stochastic = True
    steps: int = Field(4, ge=1, description="random steps")

    @property
    def budget(self):
        return 0.1

    def perturb(self, target, batch):
        images = batch.images
        for step in range(self.steps):
            time.sleep(0.05)
            target.logits(images)
            images = (images + 0.02 * batch.noise(step).sign()).clamp(0, 1)
        return images

class Nap(Measurement):
    def measure(self, probe, subject):
        return Later(nap, (float(probe.logits(subject.image[None])[0, 0]),))

def nap(value):
    time.sleep(0.1)
    return MeasurementResult({"twice": 2 * value})
"""

SUITE = """\
suites:
  restless:
    dataset: digits
    models: [digits-mobilenet_v1_025, digits-alexnet]
    images: 16
    accuracy_images: 48
    transfer: {}
    attacks:
      - {attack: nudge, goals: [untargeted, random]}
      - {attack: fgsm, goals: [untargeted], parameters: {epsilon: 0.1}, keep: true}
    measurements:
      - {measurement: nap, images: 12}
    metrics: [success]
"""

ROWS = (
    "SELECT cell_key, '', image_id, predicted, margin, error FROM clean_predictions",
    "SELECT cell_key, '', image_id, status, predicted, linf, margin, error FROM samples",
    "SELECT cell_key, name, image_id, status, value, error FROM readings",
    "SELECT source_cell_key, target_cell_key, image_id, predicted, rank FROM transfer_samples",
)


@dataclass
class Try:
    """One run that is not left in peace."""

    number: int
    workers: int
    process: subprocess.Popen[bytes]
    log: Path
    runs: int
    """In the database before it."""
    done: str = ""
    wrong: list[str] = field(default_factory=list)

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(what)

    @property
    def told(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def phase(self) -> str:
        """What it was at last, by its own account."""
        events = [json.loads(line) for line in self.told.splitlines() if line[:1] == "{"]
        starts = [event for event in events if event["event"] == "start"]
        if not starts:
            return "start-up"
        if len(starts) > 1 or not starts[0]["cells"]:
            return "transfer"
        if self.workers > 1:
            return "crew"
        cells = [event["label"] for event in events if event["event"] == "cell"]
        for word, phase in (("nap", "measurement"), ("nudge", "attack"), ("fgsm", "attack")):
            if cells and word in cells[-1]:
                return phase
        return "clean"


class Trial:
    """The tries, in a folder of their own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.choose = folder, random.Random(seed)
        info = folder / "site" / "restless-1.0.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: restless\nVersion: 1\n")
        info.joinpath("entry_points.txt").write_text("[harness]\nrestless = restless\n")
        (folder / "site" / "restless.py").write_text(PLUGIN)
        (folder / "restless.yaml").write_text(SUITE)
        self.db = folder / "cut.db"
        began = time.monotonic()
        whole = self.start(0, 1, folder / "whole.db")
        if whole.process.wait():
            raise SystemExit(f"the run in peace failed:\n{whole.told}")
        self.seconds = time.monotonic() - began
        self.rows = rows(folder / "whole.db")
        self.through = 0

    def start(self, number: int, workers: int, db: Path) -> Try:
        log, before = self.folder / f"{number}.log", len(runs(db))
        path = os.pathsep.join([str(self.folder / "site"), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "harness", "run", "--registry", "restless.yaml"]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--suite", "restless", "--db", db, "--batch-size", "8",
                 "--devices", f"cpu:{workers}", "--progress", "json"],
                cwd=self.folder, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
                env={**os.environ, "PYTHONPATH": path}, preexec_fn=_heed,
            )  # fmt: skip
        return Try(number, workers, process, log, before)

    def kill(self, number: int) -> Try:
        """SIGKILL for the run, or for one of its processes: that one is to be replaced."""
        one = self.begun(number)
        victims = [pid for pid in members(one.process.pid) if pid != one.process.pid]
        run_itself = not victims or self.choose.random() < 0.5
        pid = one.process.pid if run_itself else self.choose.choice(sorted(victims))
        one.done = f"kill -9 {'the run' if run_itself else 'a process of it'}"
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            one.done = "too late"
        self.ended(one, {0, -signal.SIGKILL} if run_itself else {0})
        return one

    def signal(self, number: int) -> Try:
        """SIGINT, SIGTERM or SIGHUP, once or twice, for the run or for all of it."""
        one = self.begun(number)
        self.heard(one)
        which = self.choose.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        twice, everyone = self.choose.random() < 0.5, self.choose.random() < 0.5
        send = os.killpg if everyone else os.kill
        one.done = f"{which.name}{' twice' * twice} to {'all' if everyone else 'the run'}"
        began = time.monotonic()
        for gap in (0.0, self.choose.uniform(0, 0.5))[: 1 + twice]:
            time.sleep(gap)
            try:
                send(one.process.pid, which)
            except ProcessLookupError:
                break
        self.ended(one, {0, 130})
        took = time.monotonic() - began
        code = one.process.returncode
        one.check(code == 0 or took <= END, f"{took:.1f} s to the end")
        one.check(code == 0 or "interrupted; " in one.told, "it does not say interrupted")
        begun = len(runs(self.db)) > one.runs  # else it had no run to mark
        one.check(code == 0 or not begun or runs(self.db)[-1] == "interrupted", "it is not marked")
        return one

    def begun(self, number: int) -> Try:
        """A run, at a random moment of its life."""
        one = self.start(number, 1 + number % 2, self.db)
        time.sleep(self.choose.uniform(0, 1.05 * self.seconds))
        return one

    def heard(self, one: Try) -> None:
        """Until the interpreter has come to our first line: before it nobody can answer."""
        while one.process.poll() is None:
            text = Path(f"/proc/{one.process.pid}/status").read_text()
            caught = next(line for line in text.splitlines() if line.startswith("SigCgt"))
            if int(caught.split()[1], 16) >> (signal.SIGHUP - 1) & 1:
                return
            time.sleep(0.002)

    def ended(self, one: Try, codes: set[int]) -> None:
        """It ends, with one of ``codes``, and leaves nothing but a sound database."""
        try:
            code = one.process.wait(60)
        except subprocess.TimeoutExpired:
            one.check(False, "it did not end in 60 s")
            os.killpg(one.process.pid, signal.SIGKILL)
            code = one.process.wait()
        one.check(code in codes, f"exit code {code}")
        one.check("Traceback" not in one.told, "a traceback")
        for _ in range(int(END / 0.05)):
            if not (left := members(one.process.pid)):
                break
            time.sleep(0.05)
        one.check(not left, f"processes left: {left}")
        if self.db.exists():
            with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as connection:
                sound = connection.execute("PRAGMA quick_check").fetchone()
            one.check(sound == ("ok",), f"the database: {sound}")
        if code == 0:
            one.wrong += self.complete()

    def complete(self) -> list[str]:
        """What is wrong with a run that got through; the next try begins anew."""
        found = rows(self.db)
        wrong = [] if same(found, self.rows) else ["rows differ from those of the run in peace"]
        named = set(column(self.db, "SELECT path FROM artifacts"))
        folder = Path(f"{self.db}.artifacts")
        files = {path.name for path in folder.rglob("*") if path.is_file()}
        if files != {Path(name).name for name in named}:
            wrong.append(f"artifacts {sorted(files)} where rows name {sorted(named)}")
        if runs(self.db)[-1] != "done":
            wrong.append("the last run is not marked done")
        for file in self.folder.glob("cut.db*"):
            if file.is_file():
                file.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        self.through += 1
        return wrong


def _heed() -> None:
    """In the new process: what nohup or a background job ignores is not ignored here."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(own) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def column(db: Path, sql: str) -> Iterator[str]:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        yield from (row[0] for row in connection.execute(sql))


def runs(db: Path) -> list[str]:
    """The status of every run."""
    try:
        return list(column(db, "SELECT status FROM runs ORDER BY id")) if db.exists() else []
    except sqlite3.OperationalError:
        return []  # without tables yet


def rows(db: Path) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Everything that was computed, by table, cell and image."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return {
            (number, *row[:3]): row[3:]
            for number, sql in enumerate(ROWS)
            for row in connection.execute(sql)
        }


def same(
    one: dict[tuple[object, ...], tuple[object, ...]],
    other: dict[tuple[object, ...], tuple[object, ...]],
) -> bool:
    """Equal up to the rounding of sums in another order."""

    def close(a: object, b: object) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-4)
        return a == b

    return one.keys() == other.keys() and all(
        close(a, b) for key in one for a, b in zip(one[key], other[key], strict=True)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--signals", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    phases: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="interrupts-") as folder:
        trial = Trial(Path(folder), options.seed)
        ways = [trial.kill] * options.kills + [trial.signal] * options.signals
        trial.choose.shuffle(ways)
        for number, way in enumerate(ways, 1):
            one = way(number)
            phases[one.phase] += 1
            wrong += bool(one.wrong)
            verdict = f", WRONG: {'; '.join(one.wrong)}" if one.wrong else ""
            print(f"{number}: {one.done} in {one.phase}: exit {one.process.returncode}{verdict}")
            if one.wrong:
                print("\n".join(f"    {line}" for line in one.told.splitlines()[-12:]))
        last = trial.start(0, 1, trial.db)
        last.process.wait()
        left = trial.complete() if last.process.returncode == 0 else [last.told]
    met = ", ".join(f"{count} in {phase}" for phase, count in sorted(phases.items()))
    print(f"{options.kills} kills and {options.signals} signals ({met});"
          f" {trial.through} runs got through; {wrong + bool(left)} wrong", *left)  # fmt: skip
    return 1 if wrong or left else 0


if __name__ == "__main__":
    sys.exit(main())
