"""Findings: claims on stored results, and how intervals become verdicts on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api.evidence import Evidence
from harness.api.statistics import Range

FindingVerdict = Literal["holds", "does not hold", "not enough data"]
"""The last one also where an interval lies on both sides of the claim."""

FEWEST_MODELS = 5
"""Below this number of models a statistic over models decides nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the comparisons that a claim is made of.

    Attributes:
        what: is compared, such as a trial's title.
        figure: the number or numbers, on one line.
        interval: 95%, of the number that decides; None without one.
    """

    what: str
    verdict: FindingVerdict
    figure: str
    interval: Range | None = None

    def __str__(self) -> str:
        low, high = self.interval or (None, None)
        interval = "" if low is None else f" ({low:.3g} to {high:.3g})"
        return f"{self.what}: {self.figure}{interval}: {self.verdict}"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What stored results say of a claim; `conclude` makes it of parts.

    Attributes:
        figure: the number or numbers, on one line.
        interval: 95%, of the number that decides; None without one.
        details: the parts behind the verdict, and what is missing, one line each.
        of: what one of a finding's several conclusions is of, in a word: its name is the finding's,
            a hyphen and this.
        title: that of one of several conclusions; None: the finding's.
    """

    verdict: FindingVerdict
    figure: str
    interval: Range | None = None
    details: tuple[str, ...] = ()
    of: str = ""
    title: str | None = None


class Finding(ABC):
    """A claim on stored results; no model, no torch.

    The name that it is registered by is that of its row: ``shallow-is-weak``.
    """

    title: ClassVar[str]
    """The claim in a few words."""
    claim: ClassVar[str]
    """The claim in a sentence."""
    source: ClassVar[str]
    """Who says so, and where: ``Doe et al. 2025, table 2``."""
    rule: ClassVar[str]
    """What decides the verdict."""

    @abstractmethod
    def check(self, evidence: Evidence) -> Conclusion | Sequence[Conclusion]:
        """Look at the evidence; several conclusions, each with its own ``of``, are rows apart.

        Args:
            evidence: all that is stored of a suite, whatever attacks and models it has, and
                however little.
        """


def beyond(interval: Range | None, threshold: float = 0.0) -> FindingVerdict:
    """Holds where the interval lies above ``threshold``, does not hold where it lies below."""
    if interval is None or interval[0] <= threshold <= interval[1]:
        return "not enough data"
    return "holds" if interval[0] > threshold else "does not hold"


def below(interval: Range | None, threshold: float = 0.0) -> FindingVerdict:
    """Holds where the interval lies under ``threshold``, does not hold where it lies above."""
    return beyond(interval and (-interval[1], -interval[0]), -threshold)


def together(verdicts: Iterable[FindingVerdict]) -> FindingVerdict:
    """All have to hold; one that does not hold decides."""
    found = set(verdicts)
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "not enough data"


def too_few(what: str, count: int, needed: int = FEWEST_MODELS, of: str = "models") -> Part:
    """A part that cannot be decided because there are too few models or images."""
    return Part(what, "not enough data", f"{count} {of}, {needed} are needed")


def conclude(
    parts: Sequence[Part], *notes: str, lacking: str, of: str = "", title: str | None = None
) -> Conclusion:
    """A claim holds where all its parts do. The first part with its verdict gives the figure.

    Args:
        notes: what else there is to say, such as what a trial lacks (`TrialOutcomes.gaps`).
        lacking: what results would have to be there, where there is no part.
        of, title: as those of `Conclusion`.
    """
    verdict = together(part.verdict for part in parts)
    deciding = next((part for part in parts if part.verdict == verdict), None)
    figure = f"{deciding.what}: {deciding.figure}" if deciding else f"no results: {lacking}"
    listed = [f"{len(parts)} parts, all have to hold", *map(str, parts)] if len(parts) > 1 else []
    interval = deciding.interval if deciding else None
    return Conclusion(verdict, figure, interval, (*listed, *notes), of, title)
