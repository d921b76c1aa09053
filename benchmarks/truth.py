"""Attacks and CLEVER against distances that are known: the tables of docs/benchmarks/truth.md.

    python benchmarks/truth.py [--suite truth] [--db FILE]
    python benchmarks/truth.py --longer

Runs the suite and prints, per attack and kind of network, the median of its distances over the
smallest ones with failures as infinite, the share within 1%, and the failures; of an attack with a
budget, how many of the images within its reach it broke. Per lower bound: how many scores are above
the distance, with Wilson's 95% interval, and the largest ratio. With ``--db``, a second time
nothing is computed. ``--longer`` asks whether attacks that are far from the smallest distance come
nearer with more iterations, on three networks without masked gradients, untargeted.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import harness
from harness.analysis.evidence import gather
from harness.analysis.results import Results
from harness.api import Evidence
from harness.api.statistics import wilson
from harness.store.database import snapshot
from harness.testing import truth
from harness_truth.findings import NEAR, ROUNDING, Ratios, attacks, bounds, budgets

SOME_FAILED = 1
"""The exit code of a run some of whose measurements are invalid: masked gradients have no bound."""


def run(suite: str, db: Path) -> float:
    """The seconds that a run of the suite took."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "harness", "run", "--suite", suite, "--db", str(db)]
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, SOME_FAILED):
        raise SystemExit(done.returncode)
    return time.monotonic() - begun


LONGER: dict[tuple[str, str], list[dict[str, float]]] = {
    ("ddn", "l2"): [{"steps": count} for count in (100, 300, 1000)],
    ("fab-linf", "linf"): [{"iterations": count} for count in (30, 100)],
    ("fab-l1", "l1"): [{"iterations": count} for count in (30, 100)],
    ("fmn-l1", "l1"): [{"steps": count} for count in (100, 1000)],
    ("fmn-l0", "l0"): [{"steps": count} for count in (100, 1000)],
    ("cw", "l2"): [
        {"iterations": 40, "learning_rate": 0.05, "search_steps": 4},
        {"iterations": 200, "learning_rate": 0.02, "search_steps": 9},
    ],
    ("ead", "l1"): [
        {"iterations": 40, "learning_rate": 0.05, "search_steps": 4},
        {"iterations": 200, "learning_rate": 0.02, "search_steps": 9},
    ],
}
"""Attacks with their norms, and their parameters: ever more iterations."""
SHOWN = ("fold", "max-of-affine", "relu-deep")


def longer(images: int = 12) -> Iterator[str]:
    """A row for each attack and its parameters, a column for each network."""
    networks = {name: truth.networks()[name] for name in SHOWN}
    pixels, labels = (each[:images] for each in truth.images())
    yield f"| attack | norm | {' | '.join(networks)} |"
    yield f"|---|---|{'---|' * len(networks)}"
    for (name, norm), variants in LONGER.items():
        known = {
            each: [
                network.distance(image, int(label), norm)
                for image, label in zip(pixels, labels, strict=True)
            ]
            for each, network in networks.items()
        }
        for parameters in variants:
            shown = []
            for each, network in networks.items():
                found = harness.attack(network.classifier(), pixels, labels, name, **parameters)
                pairs = zip(getattr(found, norm), known[each], strict=True)
                shown.append(shown_ratio([a / b for a, b in pairs if b > 0 and not math.isnan(a)]))
            stated = " ".join(f"{key}={value:g}" for key, value in parameters.items())
            yield f"| {name} {stated} | {norm} | {' | '.join(shown)} |"


def columns(evidence: Evidence) -> dict[str, list[str]]:
    """The models of each column."""
    return {name.removeprefix("truth-"): [name] for name in evidence.models}


def optimality(found: Sequence[Ratios], shown: dict[str, list[str]]) -> Iterator[str]:
    yield f"| attack, goal | norm | {' | '.join(shown)} |"
    yield f"|---|---|{'---|' * len(shown)}"
    for ratios in found:
        each = [shown_ratio(ratios.of(models).all) for models in shown.values()]
        yield f"| {ratios.what} | {ratios.norm} | {' | '.join(each)} |"


def shown_ratio(every: Sequence[float]) -> str:
    if not every:
        return "–"
    near = sum(ratio <= NEAR for ratio in every) / len(every)
    failed = sum(map(math.isinf, every))
    middle = median(every)
    text = "none" if math.isinf(middle) else f"{middle:.3f}"
    return f"{text}, {near:.0%}" + (f", {failed} failed" if failed else "")


def reached(found: Sequence[Ratios], shown: dict[str, list[str]]) -> Iterator[str]:
    yield f"| attack, goal | norm | {' | '.join(shown)} |"
    yield f"|---|---|{'---|' * len(shown)}"
    for ratios in found:
        each = []
        for models in shown.values():
            every = ratios.of(models).all
            broken = sum(not math.isinf(ratio) for ratio in every)
            each.append(f"{broken} of {len(every)}")
        yield f"| {ratios.what} | {ratios.norm} | {' | '.join(each)} |"


def soundness(found: Sequence[Ratios], shown: dict[str, list[str]]) -> Iterator[str]:
    yield f"| lower bound, goal | {' | '.join(shown)} | all | 95% interval | largest ratio |"
    yield f"|---|{'---|' * len(shown)}---|---|---|"
    for ratios in found:
        each = [_above(ratios.of(models).all) for models in shown.values()]
        every = ratios.all
        low, high = wilson(sum(map(_is_above, every)), len(every)) or (0.0, 1.0)
        yield (
            f"| {ratios.what} | {' | '.join(each)} | {_above(every)} | {low:.1%} to {high:.1%} |"
            f" {max(every, default=math.nan):.3f} |"
        )


def _is_above(ratio: float) -> bool:
    return ratio > 1 + ROUNDING


def _above(every: Sequence[float]) -> str:
    return f"{sum(map(_is_above, every))} of {len(every)}" if every else "–"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", type=Path)
    parser.add_argument("--suite", default="truth")
    parser.add_argument("--longer", action="store_true")
    options = parser.parse_args()
    if options.longer:
        for line in longer():
            print(line, flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        db = options.db or Path(folder) / "truth.db"
        print(f"{run(options.suite, db):.0f} seconds\n")
        with snapshot(db) as stored:
            evidence = gather(Results(stored.conn).suite(options.suite))
    shown = columns(evidence)
    for title, lines in (
        ("Attacks", optimality(list(attacks(evidence, minimal=True)), shown)),
        ("Within a budget", reached(list(budgets(evidence)), shown)),
        ("Lower bounds", soundness(list(bounds(evidence)), shown)),
    ):
        print(f"## {title}\n", *lines, "", sep="\n")


if __name__ == "__main__":
    main()
