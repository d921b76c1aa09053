"""A transfer matrix at a glance: families, strongest sources, asymmetric pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from harness.api.statistics import wilson
from harness.api.transfers import TransferCell, TransferMatrix


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean rate of some pairs, each counted once; a pair without a rate is left out.

    Attributes:
        images: the fewest that one of the pairs has.
    """

    value: float
    pairs: int
    images: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% Wilson interval as if the mean were the rate of one pair of ``images``.

        All pairs share their images, and are taken as fully dependent, so over images the interval
        is not too narrow. It does not cover other models.
        """
        return wilson(round(self.value * self.images), self.images)


@dataclass(frozen=True, slots=True)
class FamilyMean:
    """The mean rate from one family to another; ``source == target`` is within the family."""

    source: str
    target: str
    mean: Mean


@dataclass(frozen=True, slots=True)
class SourceMean:
    source: str
    mean: Mean


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """Two models, the stronger direction first."""

    forth: TransferCell
    back: TransferCell
    difference: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A matrix in short; the diagonal is not a transfer and never counts.

    Attributes:
        families: by source and target family, in the matrix's order; without models whose family
            is unknown.
        within, across: over all pairs of one family, and of two; None without such pairs.
        sources: strongest first.
        asymmetries: the largest difference first.
    """

    families: tuple[FamilyMean, ...]
    within: Mean | None
    across: Mean | None
    sources: tuple[SourceMean, ...]
    asymmetries: tuple[Asymmetry, ...]


def summary(matrix: TransferMatrix) -> Summary:
    """The matrix in short."""
    pairs = [
        matrix.cells[source, target]
        for source in matrix.models
        for target in matrix.models
        if source != target and (source, target) in matrix.cells
    ]
    by_family: dict[tuple[str, str], list[TransferCell]] = {}
    for pair in pairs:
        source, target = matrix.families[pair.source], matrix.families[pair.target]
        if source is not None and target is not None:
            by_family.setdefault((source, target), []).append(pair)
    families = [
        FamilyMean(source, target, mean)
        for (source, target), group in by_family.items()
        if (mean := mean_rate(group))
    ]
    return Summary(
        families=tuple(families),
        within=mean_rate(p for (s, t), group in by_family.items() if s == t for p in group),
        across=mean_rate(p for (s, t), group in by_family.items() if s != t for p in group),
        sources=_strongest(matrix, pairs),
        asymmetries=_asymmetries(matrix, pairs),
    )


def mean_rate(pairs: Iterable[TransferCell]) -> Mean | None:
    """The mean of the pairs' rates; None where none has one."""
    rates = [pair.rate for pair in pairs]
    values = [rate.value for rate in rates if rate.value is not None]
    if not values:
        return None
    return Mean(fmean(values), len(values), min(rate.images for rate in rates if rate.images))


def _strongest(matrix: TransferMatrix, pairs: Iterable[TransferCell]) -> tuple[SourceMean, ...]:
    rows: dict[str, list[TransferCell]] = {model: [] for model in matrix.models}
    for pair in pairs:
        rows[pair.source].append(pair)
    means = [SourceMean(model, mean) for model, row in rows.items() if (mean := mean_rate(row))]
    return tuple(sorted(means, key=lambda each: -each.mean.value))


def _asymmetries(matrix: TransferMatrix, pairs: Iterable[TransferCell]) -> tuple[Asymmetry, ...]:
    found = []
    for forth in pairs:
        back = matrix.cells.get((forth.target, forth.source))
        if back is None or forth.rate.value is None or back.rate.value is None:
            continue
        difference = forth.rate.value - back.rate.value
        if difference > 0:
            found.append(Asymmetry(forth, back, difference))
    return tuple(sorted(found, key=lambda each: -each.difference))
