"""The result of a check: a claim of the paper, a figure with its interval, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["holds", "does not hold", "not enough data"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim against the stored results.

    Attributes:
        name: of the check, for programs: ``vgg-stripes``.
        title: the claim in a few words.
        claim: the claim in a sentence.
        source: its place in the paper.
        figure: the number or numbers, on one line.
        interval: 95%, of the number that decides; None without one.
        details: the rule of the verdict, the parts behind it, and what is missing.
    """

    name: str
    title: str
    claim: str
    source: str
    verdict: Verdict
    figure: str
    interval: tuple[float, float] | None
    details: tuple[str, ...]
