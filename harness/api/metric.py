"""Metrics: pure functions of a cell's stored rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.api.columns import LeaderboardColumn
from harness.api.records import CleanPrediction, Outcome, Status

ZERO_GRADIENT = "zero_gradient"
"""The number, 1, that the harness adds for an image whose first gradient was zero everywhere.

Gradient masking or a saturated loss: a robust verdict then says little.
"""

NOT_FINITE = "gradient_not_finite"
"""The number, 1, that the harness adds for an image where a gradient, or the logits that it is of,
held NaN or infinity on the way: the attack lost its direction, so a robust verdict says little."""


@dataclass(frozen=True, slots=True)
class CellRows:
    """All that is stored of one cell.

    Attributes:
        clean: all images of the run for this model, before exclusions.
        outcomes: the cell's images.
        shape: (channels, height, width) of the model's input.
        norm: of the attack's distortion.
        budget: of the attack; None: it minimises the distortion.
        parameters: of the attack, defaults too; a database from before they were stored has those
            that are not defaults.
    """

    model: str
    attack: str
    goal: str
    shape: tuple[int, int, int]
    clean: Sequence[CleanPrediction]
    outcomes: Sequence[Outcome]
    norm: str | None = None
    budget: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attacked(self) -> list[Outcome]:
        """The images that were attacked and judged: the denominator of rates."""
        return [row for row in self.outcomes if row.status.judged]

    @property
    def broken(self) -> list[Outcome]:
        """The images on which the goal was reached: the denominator of mean distortions."""
        return [row for row in self.outcomes if row.status is Status.BROKEN]

    @property
    def margins(self) -> list[float]:
        """The margins of the attacked images, in logits: positive where the goal was reached."""
        found = [row.verdict.margin for row in self.attacked]
        return [margin for margin in found if margin is not None]

    def numbers(self, name: str) -> list[float]:
        """A number that the attack reports of each image, of the attacked images that have it."""
        return [row.numbers[name] for row in self.attacked if name in row.numbers]


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

    leaderboard_column: ClassVar[LeaderboardColumn | None] = None
    """Its column on leaderboards; None: it is in JSON alone. On the joint one there is a column for
    each attack that minimises the distortion."""

    @abstractmethod
    def score(self, cell: CellRows) -> Score:
        """The metric of one cell; must not change ``cell``."""
