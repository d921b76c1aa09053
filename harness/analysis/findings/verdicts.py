"""How intervals become verdicts, and parts become a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.findings.finding import Finding, Verdict

FEWEST_MODELS = 5
"""Below this number of models a statistic over models decides nothing."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a check is about; the fields are those of `Finding`.

    Attributes:
        rule: what decides the verdict.
    """

    name: str
    title: str
    claim: str
    source: str
    rule: str


@dataclass(frozen=True, slots=True)
class Part:
    """One of the comparisons that a claim is made of."""

    what: str
    verdict: Verdict
    figure: str
    interval: Interval | None = None

    def __str__(self) -> str:
        low, high = self.interval or (None, None)
        interval = "" if low is None else f" ({low:.3g} to {high:.3g})"
        return f"{self.what}: {self.figure}{interval}: {self.verdict}"


def beyond(interval: Interval | None, threshold: float = 0.0) -> Verdict:
    """Holds where the interval lies above ``threshold``, does not hold where it lies below."""
    if interval is None or interval[0] <= threshold <= interval[1]:
        return "not enough data"
    return "holds" if interval[0] > threshold else "does not hold"


def below(interval: Interval, threshold: float) -> Verdict:
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
        name=claim.name,
        title=claim.title,
        claim=claim.claim,
        source=claim.source,
        verdict=verdict,
        figure=figure,
        interval=deciding.interval if deciding else None,
        details=(f"rule: {claim.rule}", *listed, *notes),
    )
