"""Fits of frontiers that were made elsewhere, such as published ones."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FittedLine:
    """robustness = a + b ln(1 - top-1 accuracy), in pixel space [0, 1].

    Attributes:
        low, high: the accuracies that it was fitted between, outside which residuals are marked as
            extrapolated; None where that is not known.
        per_pixel: robustness is divided by the height times the width of the model's input.
        caveat: what to know before relying on it, in one line.
    """

    a: float
    b: float
    low: float | None = None
    high: float | None = None
    per_pixel: bool = False
    caveat: str | None = None


class ReferenceFit(ABC):
    """Lines that ``harness leaderboard --frontier NAME`` measures residuals from.

    The name is the registered one; ``fitted`` is the leaderboard's own fit, and no plugin's.
    """

    source: ClassVar[str]
    """Who made them, as it follows a number: ``published by Doe et al. 2025``."""
    fits: ClassVar[Mapping[str, FittedLine]]
    """By what they are of: an attack's label, its name or its norm, a measurement and its score, or
    all of name, norm and goal (``pgd l2 random``), with ``common`` last where only the images count
    that all models classify correctly. The most exact one is taken.
    """
