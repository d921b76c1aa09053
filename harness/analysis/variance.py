"""How much of a number's spread is the training seed's, and how much the images'.

A model trained from several seeds gives a value for each seed and image. The model of the values is
mean + seed + image + remainder, with independent random effects of the seed and of the image; what
a seed does to an image by itself is in the remainder. For as many values per seed the method of
moments has a closed form, which is REML's wherever no variance comes out negative (Searle, Casella
and McCulloch 1992, Variance Components, chapter 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.api.statistics import CONFIDENCE, Range

if TYPE_CHECKING:
    from harness.api.statistics import Floats


@dataclass(frozen=True, slots=True)
class Components:
    """A number over seeds and images.

    Attributes:
        mean: over all.
        interval: 95%, for the mean over all seeds and images that these are a sample of; None for
            one seed or one image.
        seed, image, remainder: variances of a single value's three parts; negative ones are 0; None
            for one seed or one image.
    """

    seeds: int
    images: int
    mean: float
    interval: Range | None
    seed: float | None
    image: float | None
    remainder: float | None

    @property
    def seed_share(self) -> float | None:
        """Of the variance of one seed's mean, what is due to the seed; None where there is none."""
        if self.seed is None or self.image is None or self.remainder is None:
            return None
        whole = self.seed + (self.image + self.remainder) / self.images
        return self.seed / whole if whole else None


def components(values: Floats) -> Components:
    """The parts of ``values``, (seeds, images), none missing, at least one of each."""
    seeds, images = values.shape
    mean = float(values.mean())
    if min(seeds, images) < 2:
        return Components(seeds, images, mean, None, None, None, None)
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    rest = values - rows[:, None] - columns[None, :] + mean
    between = images * float(rows.var(ddof=1))
    across = seeds * float(columns.var(ddof=1))
    within = float((rest**2).sum()) / ((seeds - 1) * (images - 1))
    return Components(
        seeds=seeds,
        images=images,
        mean=mean,
        interval=_interval(mean, (between, across, within), seeds, images),
        seed=max(0.0, (between - within) / images),
        image=max(0.0, (across - within) / seeds),
        remainder=within,
    )


def _interval(mean: float, squares: tuple[float, float, float], seeds: int, images: int) -> Range:
    """Student's, with Satterthwaite's degrees of freedom (1946, Biometrics Bulletin 2:6).

    The mean's variance is (between + across - within) / values. An effect whose mean square is
    below that of the remainder is taken to be none, and costs no degrees of freedom: counted with
    those of its few seeds, it would make the interval hold the mean in nearly all samples.
    """
    from scipy.special import stdtrit

    between, across, within = squares
    rest = within, (seeds - 1) * (images - 1)
    effects = [each for each in ((between, seeds - 1), (across, images - 1)) if each[0] > within]
    whole = sum(square for square, _ in effects) + (1 - len(effects)) * within
    parts = effects if len(effects) == 1 else [*effects, rest]
    spread = sum(square**2 / freedom for square, freedom in parts)
    if not spread:
        return mean, mean
    half = float(stdtrit(whole**2 / spread, (1 + CONFIDENCE) / 2))
    half *= math.sqrt(whole / (seeds * images))
    return mean - half, mean + half
