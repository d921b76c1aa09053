"""The laws and regimes of synthetic leaderboards whose truth is known, and of published ones.

Boards have 18, 40, 80 or 326 models in one, two or three regimes, each with its own law, accuracy
range and height; models scatter about their law, and accuracies and distortions are measured on
images. What is counted: how often the true law is preferred of a single regime's models, how often
the true number of regimes is found, and how often the data are said not to suffice. Beside them
stand readers who are told more: the scatter, and the families of the laws (`laws_told.py`).

python benchmarks/laws.py [--boards 500] [--tables laws regimes ...] [--published FOLDER]
FOLDER holds a published leaderboard's JSON files, such as RobustBench's model_info/imagenet/Linf.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from interval_coverage import board as drawn
from interval_coverage import population
from laws_told import told

from harness.analysis.bootstrap import intervals
from harness.analysis.published import correlated, read_published
from harness.api.frontier import Point
from harness_laws.comparison import Comparison, arrays, compare, compare_frontier
from harness_laws.declared import declared
from harness_laws.findings.law import decision
from harness_laws.fits import LAWS
from harness_laws.mixture import regimes

SIZES = (18, 40, 80, 326)
SCATTER = (0.05, 0.1, 0.2)
"""Standard deviation of a model's log robustness about its regime's law."""
IMAGES, SPREAD = 1000, 0.6
"""Attacked images, and the standard deviation of an image's log distortion."""
FRESH = 2
"""Seed of the laws' leaderboards: the bounds of their odds were chosen on those of seed 0."""
TOLD = (18, 40, 80)
"""Sizes of boards that readers are tried on who are told more."""
COUNTED = 10_000
"""Images that an accuracy is measured on."""

Law = Callable[[np.ndarray], np.ndarray]
TRUTH: dict[str, Law] = {
    "constant": lambda e: np.full_like(e, 0.03),
    "log-linear": lambda e: 0.062 + 0.029 * np.log(e),
    "power": lambda e: 0.08 * e**1.2,
    "piecewise": lambda e: (
        0.023 + 0.006 * np.log(e / 0.32) + 0.04 * np.maximum(np.log(e / 0.32), 0)
    ),
    "isotonic": lambda e: 0.012 + 0.03 / (1 + np.exp(-9 * (np.log(e) + 1.15))),
}
"""By the law that should be preferred; a smooth step is none of the others."""
REGIMES: tuple[tuple[Law, float, float, float], ...] = (
    (TRUTH["log-linear"], 1.0, 0.17, 0.60),
    (TRUTH["constant"], 4.0, 0.25, 0.60),
    (TRUTH["power"], 10.0, 0.22, 0.55),
)
"""Law, height, and the range of top-1 errors: standard, and two that are trained to be robust."""


def models(
    law: Law, count: int, scatter: float, random: np.random.Generator, *,
    low: float = 0.17, high: float = 0.6, height: float = 1.0,
) -> list[Point]:  # fmt: skip
    """Measured models of one regime."""
    errors = random.uniform(low, high, count)
    own = scatter * random.standard_normal(count) - scatter**2 / 2
    attacked = SPREAD / np.sqrt((1 - errors) * IMAGES) * random.standard_normal(count)
    robustness = height * law(errors) * np.exp(own) * (1 + attacked)
    correct = random.binomial(COUNTED, 1 - errors)
    return [
        Point(str(i), float(right), COUNTED, float(y))
        for i, (right, y) in enumerate(zip(correct, robustness, strict=True))
    ]


def mixed(
    regimes: int, count: int, scatter: float, random: np.random.Generator
) -> tuple[list[Point], list[str]]:
    """Models of several regimes, a fifth of them or more in each, and their labels."""
    shares = random.dirichlet(np.full(regimes, 8.0))
    sizes = np.maximum((shares * count).round().astype(int), count // 5)
    sizes[0] = count - sizes[1:].sum()
    points, labels = [], []
    for number, size in enumerate(sizes):
        law, height, low, high = REGIMES[number]
        points += models(law, size, scatter, random, low=low, high=high, height=height)
        labels += [str(number)] * size
    return points, labels


def law_table(boards: int) -> Iterator[str]:
    boards //= len(SIZES) * len(SCATTER)
    yield (
        "| models | scatter | true law preferred | another | not enough data | right of decided"
        " | the smallest error is the true law's | told the families |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for count in SIZES:
        for scatter in SCATTER:
            random, found = np.random.default_rng(FRESH), Counter[str]()
            for number in range(boards):
                law = LAWS[number % len(LAWS)]
                points = models(TRUTH[law], count, scatter, random)
                seen = compare(points)
                chosen = seen.preferred
                found["none" if chosen is None else "right" if chosen == law else "wrong"] += 1
                found["least"] += seen.tried[0].law == law
                if count in TOLD:
                    found["told"] += told(*arrays(points), scatter) == law
            least = f"{found['least'] / boards:.1%}"
            best = f"{found['told'] / boards:.1%}" if count in TOLD else "not tried"
            yield f"| {count} | {scatter:.0%} | {_shares(found, boards)} | {least} | {best} |"


def regime_table(boards: int) -> Iterator[str]:
    boards //= 3 * len(SIZES)
    yield (
        "| models | regimes | right number | wrong | not enough data | right of decided"
        " | right, told the scatter |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    for count in SIZES:
        for true in (1, 2, 3):
            random, found = np.random.default_rng(true), Counter[str]()
            for _ in range(boards):
                given = arrays(mixed(true, count, 0.1, random)[0])
                seen = regimes(*given)
                right = "right" if seen.count == true else "wrong"
                found[right if seen.decided else "none"] += 1
                if count in TOLD:
                    more = regimes(*given, scatter=0.1)
                    found["told"] += more.decided and more.count == true
            best = f"{found['told'] / boards:.1%}" if count in TOLD else "not tried"
            yield f"| {count} | {true} | {_shares(found, boards)} | {best} |"


def bent_table(boards: int) -> Iterator[str]:
    """One regime of each law: a bend is no second regime."""
    boards //= len(SIZES)
    yield "| models | right number | wrong | not enough data | right of decided |"
    yield "|---:|---:|---:|---:|---:|"
    for count in SIZES:
        random, found = np.random.default_rng(0), Counter[str]()
        for number in range(boards):
            seen = regimes(*arrays(models(TRUTH[LAWS[number % 5]], count, 0.1, random)))
            found[("right" if seen.count == 1 else "wrong") if seen.decided else "none"] += 1
        yield f"| {count} | {_shares(found, boards)} |"


def _shares(found: Counter[str], boards: int) -> str:
    decided = found["right"] + found["wrong"]
    of = f"{found['right'] / decided:.1%}" if decided else "none"
    each = " | ".join(f"{found[name] / boards:.1%}" for name in ("right", "wrong", "none"))
    return f"{each} | {of}"


def permutation_table(boards: int) -> Iterator[str]:
    """How often p <= 5%: of regimes that differ in accuracy alone, and of such as differ."""
    boards //= len(SIZES) - 1
    yield "| models | no difference | a regime 25% more robust |"
    yield "|---:|---:|---:|"
    for count in SIZES[:3]:
        random, hits = np.random.default_rng(0), [0, 0]
        for _ in range(boards):
            for which, height in enumerate((1.0, 1.25)):
                half, law = count // 2, TRUTH["log-linear"]
                points = models(law, count - half, 0.1, random) + models(
                    law, half, 0.1, random, low=0.3, height=height
                )
                labels = ["standard"] * (count - half) + ["adversarial"] * half
                p = declared(*arrays(points), labels).p
                hits[which] += p is not None and p <= 0.05
        yield f"| {count} | {hits[0] / boards:.1%} | {hits[1] / boards:.1%} |"


def coverage_table(boards: int) -> Iterator[str]:
    """Of the interval of a model's residual from its own regime's frontier."""
    boards //= 3
    yield "| models of the regime | coverage | least covered model | most |"
    yield "|---:|---:|---:|---:|"
    for count, members in ((8, 4), (18, 6), (40, 8)):
        truth, random = population(0.3, models=count, members=members), np.random.default_rng(1)
        hits = np.zeros(count)
        for number in range(boards):
            spreads = intervals(drawn(truth, 1000, random), replicates=400, seed=number).spreads
            for model, distance in enumerate(truth.distance):
                low, high = spreads[str(model)].distance or (np.nan, np.nan)
                hits[model] += low <= distance <= high
        share = hits / boards
        yield f"| {count} | {share.mean():.1%} | {share.min():.1%} | {share.max():.1%} |"


def published(folder: Path) -> Iterator[str]:
    """Clean against robust accuracy of a leaderboard that others published."""
    rows = read_published([folder])
    points = [
        Point(row.name, 100 * row.top1, 100, row.robust)
        for row in rows
        if row.top1 is not None and row.robust
    ]
    yield f"{len(rows)} models, {len(points)} with a robust accuracy above 0"
    for each in correlated(rows):
        low, high = each.interval
        interval = f"{low:+.2f} to {high:+.2f}"
        yield f"Spearman of clean and robust accuracy: {each.value:+.2f} ({interval})"
    yield from _compared("all models", compare(points))
    yield from _compared("Pareto-optimal models", compare_frontier(points))
    seen = regimes(*arrays(points))
    yield f"regimes: {seen.count}, {'decided' if seen.decided else 'not decided'}; criteria:"
    yield ", ".join(f"{count}: {value:.1f}" for count, value in seen.criteria.items())


def _compared(what: str, found: Comparison) -> Iterator[str]:
    yield f"{what}, {found.models}: {decision(found)}"
    for each in found.tried:
        interval = each.interval and f"{each.interval[0]:+.0%} to {each.interval[1]:+.0%}"
        error = f"{each.error:.1%}" if found.proportional else f"{each.error:.4f}"
        odds = f"odds {each.odds:.1f}"
        yield f"{each.law}: {error}, {each.excess:+.0%} ({interval}), {odds}, {each.standing}"


TABLES: dict[str, Callable[[int], Iterator[str]]] = {
    "laws": law_table,
    "regimes": regime_table,
    "bent": bent_table,
    "permutation": permutation_table,
    "coverage": coverage_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=500, help="of a table, over all its rows")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--published", type=Path)
    options = parser.parse_args()
    if options.published:
        print(*published(options.published), sep="\n")
        return
    for name in options.tables:
        for line in TABLES[name](options.boards):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
