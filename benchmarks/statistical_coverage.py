"""What the statistics promise, on synthetic leaderboards whose truth is known.

Models share how hard an image is; distances are log-normal, and those beyond what the attack
reaches are failures. Every figure is a share of leaderboards or of their differences, with its
Monte-Carlo error (one standard deviation).

python benchmarks/statistical_coverage.py [--boards 2000] [--images 54]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from harness.analysis.compare import difference
from harness.analysis.detectable import of_distances, of_rates
from harness.analysis.mcnemar import mcnemar
from harness.analysis.ranked import LEVEL, Pair, pairs_of
from harness.analysis.signed_rank import signed_rank
from harness.analysis.variance import components
from harness.api.statistics import wilson

SHARED = 0.7
"""How much of an image's difficulty the models share."""
NOISE = 0.6
"""Standard deviation of a distance's logarithm."""
REACH = 2.0
"""What the attack reaches, in units of the distances' median: 12% fail."""
MODELS = 18

Random = np.random.Generator
Floats = np.ndarray


@dataclass(frozen=True)
class Row:
    """One figure: a share of trials."""

    what: str
    wanted: str
    hits: float
    trials: int

    def __str__(self) -> str:
        share = self.hits / self.trials
        error = math.sqrt(max(share * (1 - share), 1e-4) / self.trials)
        return f"| {self.what} | {self.wanted} | {share:.1%} ± {error:.1%} | {self.trials:,} |"


def logs(random: Random, images: int, models: int) -> Floats:
    """Standard normal logarithms of distances, (images, models), correlated across models."""
    own = random.standard_normal((images, models))
    return np.sqrt(SHARED) * random.standard_normal((images, 1)) + np.sqrt(1 - SHARED) * own


def board(random: Random, images: int, shifts: Floats) -> dict[str, dict[int, float]]:
    """The distances of a leaderboard's models by image, failures infinite."""
    sizes = np.exp(NOISE * logs(random, images, len(shifts)) + shifts)
    sizes[sizes > REACH] = math.inf
    return {str(model): dict(enumerate(sizes[:, model].tolist())) for model in range(len(shifts))}


def intervals(random: Random, boards: int, images: int) -> Iterator[Row]:
    """Coverage of the 95% intervals over images."""
    wanted = "94 to 96%"
    rates = random.uniform(0.5, 1, boards)
    held = sum(_within(each, wilson(int(random.binomial(images, each)), images)) for each in rates)
    yield Row(f"Wilson, rates of 50 to 100%, {images} images", wanted, held, boards)
    for count in (images, 4 * images):
        held = 0
        for seed in range(boards // 2):
            sizes = np.exp(NOISE * logs(random, count, 2))
            gaps = (sizes[:, 0] - sizes[:, 1]).tolist()
            held += _within(0, difference(gaps, seed=seed).mean_range)
        yield Row(f"`compare`, mean distance, {count} images", wanted, held, boards // 2)


def seeds(random: Random, boards: int, images: int) -> Iterator[Row]:
    """Coverage of the intervals over training seeds and images."""
    for sd in (0.0, 0.1, 0.3, 1.0):
        held = 0
        for _ in range(8 * boards):
            effects = sd * random.standard_normal((5, 1))
            values = effects + logs(random, images, 5).T
            held += _within(0, components(values).interval)
        what = f"`--seeds`, 5 seeds, {images} images, sd over seeds {sd:g} of that over images"
        yield Row(what, "94 to 96%", held, 8 * boards)


def _within(truth: float, interval: tuple[float, float] | None) -> bool:
    return interval is not None and interval[0] <= truth <= interval[1]


def families(random: Random, boards: int, images: int) -> Iterator[Row]:
    """False differences on whole leaderboards of 18 models, and the ranges of their ranks."""
    for what, shifts in (
        ("18 equal models", np.zeros(MODELS)),
        ("9 equal, 9 spread", np.concatenate([np.zeros(9), np.linspace(0.05, 0.6, 9)])),
    ):
        holm, share = 0, 0.0
        for _ in range(boards // 2):
            numbers = board(random, images, shifts)
            holm += _false(pairs_of(numbers, "holm"), shifts) > 0
            share += _false(pairs_of(numbers, "bh"), shifts)
        yield Row(f"Holm: any false difference, {what}", "≤ 5%", holm, boards // 2)
        yield Row(f"Benjamini-Hochberg: share of false ones, {what}", "≤ 5%", share, boards // 2)
    shifts = np.repeat(np.linspace(0, 0.5, 6), 3)
    held = 0
    for _ in range(boards // 2):
        pairs = pairs_of(board(random, images, shifts), "holm")
        better = [int(np.sum([pair.worse == str(m) for pair in pairs])) for m in range(MODELS)]
        worse = [int(np.sum([pair.better == str(m) for pair in pairs])) for m in range(MODELS)]
        held += all(
            better[m] <= int((shifts > shifts[m]).sum())
            and worse[m] <= int((shifts < shifts[m]).sum())
            for m in range(MODELS)
        )
    yield Row("`--ranks holm`, all 18 ranks in their ranges", "≥ 95%", held, boards // 2)


def _false(pairs: tuple[Pair, ...], shifts: Floats) -> float:
    """The share of the pairs told apart that are not, or the other way round."""
    found = [pair for pair in pairs if pair.better is not None]
    wrong = sum(shifts[int(pair.better or 0)] <= shifts[int(pair.worse or 0)] for pair in found)
    return wrong / max(1, len(found))


def powers(random: Random, boards: int, images: int) -> Iterator[Row]:
    """How often the difference that a leaderboard calls detectable is found."""
    wanted = "about 80%"
    spread = np.exp(NOISE * logs(random, 100_000, 2))
    sd = float((spread[:, 0] - spread[:, 1]).std())
    for count in (images, 4 * images):
        normal = (np.array([NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)])) * sd
        delta = of_distances((normal * sd / normal.std(ddof=1)).tolist())
        means = ranks = 0
        for seed in range(boards // 2):
            sizes = np.exp(NOISE * logs(random, count, 2))
            gaps = sizes[:, 0] - sizes[:, 1] + delta
            means += not _within(0, difference(gaps.tolist(), seed=seed).mean_range)
            ranks += signed_rank(gaps).p <= LEVEL
        yield Row(f"mean distance, by its interval, {count} images", wanted, means, boards // 2)
        yield Row(f"the same by signed ranks, {count} images", "more", ranks, boards // 2)
    for count, discordant in ((images, 0.1), (images, 0.3), (20 * images, 0.1)):
        among = round(discordant * count)
        delta = of_rates([1.0] * among + [0.0] * (count - among))
        share = max(discordant, delta)
        chances = [(share + delta) / 2, (share - delta) / 2, 1 - share]
        drawn = random.multinomial(count, chances, boards)
        found = sum(mcnemar(int(first), int(second)) <= LEVEL for first, second, _ in drawn)
        what = f"rates, {discordant:.0%} of {count} images discordant, by McNemar's test"
        yield Row(what, wanted, found, boards)


PARTS: dict[str, Callable[[Random, int, int], Iterator[Row]]] = {
    "coverage over images": intervals,
    "coverage over seeds and images": seeds,
    "false differences": families,
    "power at the detectable difference": powers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=2000)
    parser.add_argument("--images", type=int, default=54)
    options = parser.parse_args()
    for title, part in PARTS.items():
        print(f"\n| {title} | wanted | measured | trials |\n|---|---|---:|---:|")
        for row in part(np.random.default_rng(0), options.boards, options.images):
            print(row, flush=True)


if __name__ == "__main__":
    main()
