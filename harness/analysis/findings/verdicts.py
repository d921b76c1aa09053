"""Claims of the paper; how intervals become verdicts on them, and parts become a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.statistics import Range

Verdict = Literal["holds", "does not hold", "not enough data"]

FEWEST_MODELS = 5
"""Below this number of models a statistic over models decides nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a check is about.

    Attributes:
        name: of the check, for programs: ``vgg-stripes``.
        title: the claim in a few words.
        claim: the claim in a sentence.
        source: its place in the paper.
        rule: what decides the verdict.
    """

    name: str
    title: str
    claim: str
    source: str
    rule: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim against the stored results.

    Attributes:
        figure: the number or numbers, on one line.
        interval: 95%, of the number that decides; None without one.
        details: the rule of the verdict, the parts behind it, and what is missing.
    """

    about: Claim
    verdict: Verdict
    figure: str
    interval: Range | None
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the comparisons that a claim is made of."""

    what: str
    verdict: Verdict
    figure: str
    interval: Range | None = None

    def __str__(self) -> str:
        low, high = self.interval or (None, None)
        interval = "" if low is None else f" ({low:.3g} to {high:.3g})"
        return f"{self.what}: {self.figure}{interval}: {self.verdict}"


def beyond(interval: Range | None, threshold: float = 0.0) -> Verdict:
    """Holds where the interval lies above ``threshold``, does not hold where it lies below."""
    if interval is None or interval[0] <= threshold <= interval[1]:
        return "not enough data"
    return "holds" if interval[0] > threshold else "does not hold"


def below(interval: Range, threshold: float) -> Verdict:
    """Holds where the interval lies under ``threshold``, does not hold where it lies above."""
    return beyond((-interval[1], -interval[0]), -threshold)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """All have to hold; one that does not hold decides."""
    found = set(verdicts)
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "not enough data"


def too_few(what: str, count: int, needed: int = FEWEST_MODELS, of: str = "models") -> Part:
    """A part that cannot be decided because there are too few models or images."""
    return Part(what, "not enough data", f"{count} {of}, {needed} are needed")


def conclude(claim: Claim, parts: Sequence[Part], *notes: str, lacking: str) -> Finding:
    """A claim holds where all its parts do. The first part with its verdict gives the figure.

    Args:
        notes: what else there is to say.
        lacking: what results would have to be there, where there is no part.
    """
    verdict = together(part.verdict for part in parts)
    deciding = next((part for part in parts if part.verdict == verdict), None)
    figure = f"{deciding.what}: {deciding.figure}" if deciding else f"no results: {lacking}"
    listed = [f"{len(parts)} parts, all have to hold", *map(str, parts)] if len(parts) > 1 else []
    return Finding(
        about=claim,
        verdict=verdict,
        figure=figure,
        interval=deciding.interval if deciding else None,
        details=(f"rule: {claim.rule}", *listed, *notes),
    )
