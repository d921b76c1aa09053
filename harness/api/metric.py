"""Metrics: pure functions of a cell's stored rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of one image of a cell."""

    CLEAN_WRONG = "clean_wrong"
    """Misclassified before any attack: excluded."""
    ROBUST = "robust"
    """Attacked; the goal was not reached."""
    BROKEN = "broken"
    """Attacked; the goal was reached, by the harness's own forward pass."""
    INVALID = "invalid"
    """The attack's candidate holds NaN, leaves [0, 1] or exceeds its budget: neither of the two."""
    ERROR = "error"
    """The attack, the model or the reader failed: neither of the two."""
    MEASURED = "measured"
    """Measured, not attacked; a measurement that came to nothing is ``invalid``."""


ZERO_GRADIENT = "zero_gradient"
"""The number, 1, that the harness adds for an image whose first gradient was zero everywhere.

Gradient masking or a saturated loss: that the image is robust says little then.
"""


@dataclass(frozen=True, slots=True)
class CleanRow:
    """The model's clean prediction of one image; ``predicted`` is None where that failed."""

    image_id: str
    label: int
    predicted: int | None


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One image of a cell. Norms are of candidate minus image in pixel space, None if unknown.

    ``rounded`` is the verdict, robust or broken, on the candidate rounded to 8 bits; None where
    there is none, as in runs that did not ask for it.
    """

    image_id: str
    label: int
    target: int | None
    status: Status
    confident: bool
    linf: float | None
    l2: float | None
    l1: float | None
    l0: int | None
    forwards: int
    backwards: int
    rounded: Status | None


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
    clean: Sequence[CleanRow]
    outcomes: Sequence[OutcomeRow]

    @property
    def attacked(self) -> list[OutcomeRow]:
        """The images that were attacked and judged: the denominator of rates."""
        return [row for row in self.outcomes if row.status in (Status.ROBUST, Status.BROKEN)]

    @property
    def broken(self) -> list[OutcomeRow]:
        """The images on which the goal was reached: the denominator of mean distortions."""
        return [row for row in self.outcomes if row.status is Status.BROKEN]


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value on a cell, and the number of images it is over; None without images."""

    value: float | None
    images: int


class Metric(ABC):
    """A number for each cell, computed from stored rows; no model, no torch.

    A run stores it over its own images; a board computes it again over all of the suite's runs.
    """

    unit: str = ""
    """``"%"`` for rates in [0, 1], ``"px"`` for pixel-space distances, or empty."""

    @abstractmethod
    def score(self, cell: CellRows) -> Score:
        """The metric of one cell; must not change ``cell``."""
