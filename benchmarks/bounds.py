"""Which of the 18 models on digits the proved bounds give a number for: docs/measurements.md.

    python benchmarks/bounds.py [--models GLOB] [--images N]

Per model the medians over the images of `lipschitz` and `certified`, each in l2 and linf, and the
seconds per image that `certified` takes in one norm; or why there is none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from statistics import median

from subjects import Subject, digits_model

from harness.api import Measured, Measurement
from harness.engine.workers import Workers
from harness.registry import load
from harness.testing.fakes import measure_all
from harness_bounds.certified import Certified
from harness_bounds.lipschitz import Lipschitz
from harness_bounds.region import Norm

NORMS: tuple[Norm, ...] = ("l2", "linf")


def rows(glob: str, images: int) -> Iterator[str]:
    """A row for each model whose name matches."""
    yield f"| model | {' | '.join(f'`lipschitz`, {norm}' for norm in NORMS)} |" + (
        f" {' | '.join(f'`certified`, {norm}' for norm in NORMS)} | seconds |"
    )
    yield f"|---|{'---|' * (2 * len(NORMS) + 1)}"
    for name, entry in load().models.items():
        if name.startswith("digits-") and entry.seed_of is None and fnmatchcase(name, glob):
            subject = digits_model(name, images, images)
            whole = [_shown(Lipschitz(norms=(norm,)), subject)[0] for norm in NORMS]
            local = [_shown(Certified(norms=(norm,)), subject) for norm in NORMS]
            seconds = median(each for _, each in local)
            cells = [*whole, *(each for each, _ in local), f"{seconds:.1f}"]
            yield f"| {name} | {' | '.join(cells)} |"


def _shown(measurement: Lipschitz | Certified, subject: Subject) -> tuple[str, float]:
    """The median score or the reason that there is none, and the seconds an image."""
    begun = time.monotonic()
    found = _measured(measurement, subject)
    seconds = (time.monotonic() - begun) / len(found)
    reasons = {each.error for each in found if each.error}
    if reasons:
        return "; ".join(sorted(reasons)), seconds
    (score,) = measurement.scores
    return f"{median(each.numbers[score] for each in found):.1e}", seconds


def _measured(measurement: Measurement, subject: Subject) -> list[Measured]:
    with Workers(1) as workers:
        return measure_all(measurement, subject.model, subject.untargeted().jobs, workers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="*")
    parser.add_argument("--images", type=int, default=3)
    options = parser.parse_args()
    for line in rows(options.models, options.images):
        print(line, flush=True)


if __name__ == "__main__":
    main()
