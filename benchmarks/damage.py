"""What every verb makes of a damaged database: one line and an exit code, or what it always shows.

Pages are zeroed, bits flipped, texts overwritten, the file cut; then each verb looks at it, in a
process of its own that a time limit ends. A traceback, a signal or a hang is a fault. Where a verb
shows something else and says nothing, the damage is of the values themselves, which SQLite does not
hash; that is counted (``other``), and told of kinds that are not (pages).

python benchmarks/damage.py DATABASE [--tries 40] [--seed 0] [--verbs leaderboard,status]
"""

from __future__ import annotations

import argparse
import collections
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

LIMIT = 120.0
"""Seconds that a verb may take."""


def cut(data: bytearray, choose: random.Random) -> None:
    """The end is missing."""
    del data[choose.randrange(1, len(data)) :]


def zeroed_page(data: bytearray, choose: random.Random) -> None:
    start = 4096 * choose.randrange(0, max(1, len(data) // 4096))
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))


def random_page(data: bytearray, choose: random.Random) -> None:
    start = 4096 * choose.randrange(0, max(1, len(data) // 4096))
    data[start : start + 4096] = choose.randbytes(len(data[start : start + 4096]))


def swapped_pages(data: bytearray, choose: random.Random) -> None:
    one, two = (4096 * choose.randrange(1, max(2, len(data) // 4096)) for _ in range(2))
    data[one : one + 4096], data[two : two + 4096] = data[two : two + 4096], data[one : one + 4096]


def flipped_bits(data: bytearray, choose: random.Random) -> None:
    for _ in range(20):
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)


def overwritten_text(data: bytearray, choose: random.Random) -> None:
    """Letters and quotes of stored texts become others: pages stay well formed."""
    places = [i for i in range(4096, len(data)) if data[i] in b'"{}:[],']
    for place in choose.sample(places, min(20, len(places))):
        data[place] = choose.choice(b'x0"{\xff')


CORRUPTIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    cut,
    zeroed_page,
    random_page,
    swapped_pages,
    flipped_bits,
    overwritten_text,
)


def damaged(data: bytes, number: int, seed: int = 0) -> tuple[str, bytes]:
    """The kind of damage of this number, and the damaged content."""
    corrupt = CORRUPTIONS[number % len(CORRUPTIONS)]
    content = bytearray(data)
    corrupt(content, random.Random(f"{seed} {number}"))
    return corrupt.__name__, bytes(content)


def verbs(path: Path) -> dict[str, list[str]]:
    """Every verb that opens a database, by name; run where ``path`` still is whole."""
    with closing(sqlite3.connect(path)) as db:
        key, image = db.execute(
            "SELECT key, name FROM outcomes JOIN cells ON cells.id = cell_id"
            " JOIN images ON images.id = image_id LIMIT 1"
        ).fetchone()
        models = [name for (name,) in db.execute(
            "SELECT DISTINCT name FROM components WHERE kind = 'model' LIMIT 2")]  # fmt: skip
        (suite,) = db.execute("SELECT suite FROM runs LIMIT 1").fetchone()
    of_suite = ["--suite", suite, "--models", ",".join(models)]
    return {
        "status": ["status"],
        "runs list": ["runs", "list"],
        "runs show": ["runs", "show", "1"],
        "leaderboard": ["leaderboard"],
        "joint": ["leaderboard", "--joint"],
        "attacks": ["leaderboard", "--attacks"],
        "transfer": ["transfer"],
        "findings": ["findings"],
        "fingerprint": ["fingerprint", models[0]],
        "compare": ["compare", *models],
        "show": ["show"],
        "show cell": ["show", key[:12]],
        "show image": ["show", key[:12], image],
        "export": ["export", "--what", "outcomes", "-o", "outcomes.csv"],
        "export pairs": ["export", "--what", "pairs", "-o", "pairs.jsonl"],
        "report": ["report", "--output", "page.html"],
        "verify": ["verify", "--sample", "2"],
        "merge into": ["merge", "whole.db"],
        "plan": ["plan", *of_suite, "--no-calibration"],
        "run": ["run", *of_suite, "--devices", "cpu:1"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--tries", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", default="")
    options = parser.parse_args()
    whole = options.database.read_bytes()
    asked = verbs(options.database)
    chosen = {name: asked[name] for name in options.verbs.split(",") if name} or asked
    counts: collections.Counter[str] = collections.Counter()
    for line, what in faults(whole, chosen, options.tries, options.seed, counts):
        print(line, what, sep="\n")
    print(dict(counts))


def faults(
    whole: bytes,
    chosen: dict[str, list[str]],
    tries: int,
    seed: int,
    counts: collections.Counter[str],
) -> Iterator[tuple[str, str]]:
    """Each fault as (which try, what was said); all ends are counted."""
    right = {verb: called(arguments, whole, whole).out for verb, arguments in chosen.items()}
    for number in range(tries):
        kind, content = damaged(whole, number, seed)
        for verb, arguments in chosen.items():
            end = called(arguments, content, whole)
            other = end.code == "0" and end.out != right[verb]
            counts["other" if other else end.code] += 1
            if end.code == "fault" or (other and "page" in kind):
                yield f"{kind} {number}: {verb}: {end.code}", end.said


@dataclass(frozen=True, slots=True)
class End:
    """How a verb ended: its exit code, or ``fault``; what it showed, and what it said last."""

    code: str
    out: str
    said: str


def called(arguments: list[str], content: bytes, whole: bytes) -> End:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("h.db").write_bytes(content)
        folder.joinpath("whole.db").write_bytes(whole)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "harness", *arguments, "--db", "h.db"],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return End("fault", "", "it hangs")
    bad = "Traceback" in done.stderr or done.returncode not in (0, 1, 2, 3, 5)
    return End("fault" if bad else str(done.returncode), done.stdout, done.stderr[-600:])


if __name__ == "__main__":
    main()
