"""Metrics: pure functions of a cell's stored rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from harness.api.records import CleanPrediction, Outcome, Status

ZERO_GRADIENT = "zero_gradient"
"""The number, 1, that the harness adds for an image whose first gradient was zero everywhere.

Gradient masking or a saturated loss: a robust verdict then says little.
"""


@dataclass(frozen=True, slots=True)
class CellRows:
    """All that is stored of one cell.

    Attributes:
        clean: all images of the run for this model, before exclusions.
        outcomes: the cell's images.
        shape: (channels, height, width) of the model's input.
    """

    model: str
    attack: str
    goal: str
    shape: tuple[int, int, int]
    clean: Sequence[CleanPrediction]
    outcomes: Sequence[Outcome]

    @property
    def attacked(self) -> list[Outcome]:
        """The images that were attacked and judged: the denominator of rates."""
        return [row for row in self.outcomes if row.status.judged]

    @property
    def broken(self) -> list[Outcome]:
        """The images on which the goal was reached: the denominator of mean distortions."""
        return [row for row in self.outcomes if row.status is Status.BROKEN]


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value on a cell, and the number of images it is over; None without images."""

    value: float | None
    images: int


class Metric(ABC):
    """A number for each cell, computed from stored rows; no model, no torch.

    A run stores it over its own images; a leaderboard computes it again over all of the suite's
    runs.
    """

    unit: str = ""
    """``"%"`` for rates in [0, 1], ``"px"`` for pixel-space distances, or empty."""

    @abstractmethod
    def score(self, cell: CellRows) -> Score:
        """The metric of one cell; must not change ``cell``."""
