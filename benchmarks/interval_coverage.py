"""Coverage of the bootstrap's 95% intervals of frontier residuals on synthetic leaderboards.

A population of models lies on and under y = a + b ln(1 - x); each leaderboard draws images from it,
and its intervals should hold the population's own distances. "Separation" is how far the other
models lie under the curve, relative to it: if it is small, the members change with every draw.

python benchmarks/interval_coverage.py [--boards 400] [--images 1000]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from harness.analysis.bootstrap import intervals
from harness.api.frontier import Point, frontier
from harness.api.paired import Sample

SEPARATIONS = (0.02, 0.05, 0.1, 0.2, 0.4)
A, B = 0.062, 0.029
SHARED = 0.7
"""How much of an image's difficulty the models share."""
NOISE = 0.6
"""Standard deviation of a distortion's logarithm."""


@dataclass(frozen=True)
class Population:
    """Models by true accuracy and mean distortion, and their true distances."""

    accuracy: np.ndarray
    robustness: np.ndarray
    distance: np.ndarray


def population(separation: float, *, models: int = 18, members: int = 6) -> Population:
    """``members`` on the curve, spread evenly, and the rest under it."""
    accuracy = np.linspace(0.57, 0.83, models)
    robustness = A + B * np.log(1 - accuracy)
    under = np.ones(models, bool)
    under[np.linspace(0, models - 1, members).round().astype(int)] = False
    depth = separation * (0.5 + np.random.default_rng(0).random(models))
    robustness = np.where(under, robustness * (1 - depth), robustness)
    # So many images that the accuracies are those of the population.
    points = [
        Point(str(i), x * 1e9, 1e9, y)
        for i, (x, y) in enumerate(zip(accuracy, robustness, strict=True))
    ]
    curve = frontier(points)
    distance = np.array([curve.distance(point) for point in points], float)
    return Population(accuracy, robustness, distance)


def board(truth: Population, images: int, random: np.random.Generator) -> dict[str, Sample]:
    """One draw of images: correct ones break, at log-normal distortions."""

    def correlated() -> np.ndarray:
        own = random.standard_normal((images, len(truth.accuracy)))
        return np.sqrt(SHARED) * random.standard_normal((images, 1)) + np.sqrt(1 - SHARED) * own

    right = correlated() < [NormalDist().inv_cdf(x) for x in truth.accuracy]
    sizes = truth.robustness * np.exp(NOISE * correlated() - NOISE**2 / 2)
    return {
        str(model): Sample(
            dict(enumerate(right[:, model].tolist())),
            {int(image): float(sizes[image, model]) for image in np.flatnonzero(right[:, model])},
        )
        for model in range(len(truth.accuracy))
    }


def coverage(separation: float, *, boards: int, images: int, replicates: int) -> np.ndarray:
    """The share of leaderboards whose interval holds the truth, model by model."""
    truth, random = population(separation), np.random.default_rng(1)
    hits = np.zeros(len(truth.accuracy))
    for number in range(boards):
        found = intervals(board(truth, images, random), replicates=replicates, seed=number)
        for model, distance in enumerate(truth.distance):
            low, high = found.spreads[str(model)].distance or (np.nan, np.nan)
            hits[model] += low <= distance <= high
    return hits / boards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=400)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=1000)
    options = parser.parse_args()
    print("| separation | coverage | least covered model | most |")
    print("|---:|---:|---:|---:|")
    for separation in SEPARATIONS:
        found = coverage(separation, **vars(options))
        print(f"| {separation} | {found.mean():.1%} | {found.min():.1%} | {found.max():.1%} |")


if __name__ == "__main__":
    main()
