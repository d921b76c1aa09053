"""Loss and decision surfaces in the space of inputs (Yu et al. 2019, arXiv 1905.04270)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from harness.api import Goal, Measurement, MeasurementResult, Passes, Probe, Subject
from harness_metrics.bounds import FAR

if TYPE_CHECKING:
    import numpy as np


class Surface(Measurement):
    """L(x + a*d1 + b*d2) and the decision margin S = Z_true - max other on a grid of (a, b).

    L is the cross-entropy of the true class, whatever the goal. Along the gradient d1 is the sign
    of FGSM's step for the goal, so that a is its epsilon; along an attack it leads from the image
    to the attack's saved adversarial example, at a = 1. d2 is Gaussian, made orthogonal to d1, of
    the same l2 length. Points may lie outside the pixel range.

    The paper's introduction describes the two surfaces in input space. The formulas of S and of the
    plane, and the gradient's sign as d1, are unverified; the attack's direction, the size of
    the grid and how d2 is drawn are our choice.

    Numbers: ``points`` (of an axis), ``loss`` and ``margin`` at the image, ``length`` (l2 of d1 and
    of d2), ``crossing`` (the smallest a > 0 at b = 0 where S falls to 0, between points linearly;
    absent if it does not), and along an attack ``attack_distance`` (l2), ``attack_loss`` and
    ``attack_margin`` (S) of the candidate. Arrays: ``a``, ``b``, and row by row of b ``loss`` and
    ``margin``.
    """

    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    stochastic: ClassVar[bool] = True

    points: int = Field(
        31, ge=3, le=9999, description="of the grid, along each of the two axes; odd"
    )
    direction: Literal["gradient", "attack"] = Field("gradient", description="what d1 is")
    attack: str | None = Field(
        None,
        min_length=1,
        description="name or label of the suite's attack, which saves its images, for direction:"
        " attack",
    )
    extent: float | None = Field(
        None,
        gt=0,
        le=FAR,
        description="largest a and b; none: 0.1 along the gradient, 1.5 along an attack",
    )
    clip: bool = Field(False, description="clip points to the pixel range")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.points % 2 == 0:
            raise ValueError("points must be odd: the image is the centre of the grid")
        if (self.attack is not None) != (self.direction == "attack"):
            raise ValueError("direction: attack and the name of an attack need each other")
        if self.direction == "attack" and self.reach < 1:
            raise ValueError("extent must be at least 1 along an attack: its candidate is at a = 1")
        return self

    @property
    def reach(self) -> float:
        """The largest a and b."""
        if self.extent is not None:
            return self.extent
        return 1.5 if self.direction == "attack" else 0.1

    @property
    def starts_from(self) -> str | None:
        return self.attack

    def passes(self, goal: Goal, classes: int) -> Passes:
        return Passes(self.points**2 + 1, 1 if self.direction == "gradient" else 0)

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult:
        from harness_metrics.plane import Grid, survey

        grid = Grid(self.direction, self.points, self.reach, self.clip)
        return survey(grid, probe, subject)

    def again(
        self, numbers: Mapping[str, float], arrays: Mapping[str, np.ndarray]
    ) -> MeasurementResult:
        from harness_metrics.crossing import line_numbers

        derived = line_numbers(arrays["a"], arrays["loss"], arrays["margin"])
        kept = {name: numbers[name] for name in ("length", *_ATTACK) if name in numbers}
        return MeasurementResult({**derived, **kept})


_ATTACK = ("attack_distance", "attack_loss", "attack_margin")
