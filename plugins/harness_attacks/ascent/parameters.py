"""What PGD and APGD have in common: a loss is climbed within a ball of fixed size."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.api import Passes, SteppedAttack


class Ascent(SteppedAttack):
    """Ascends a loss from random starts; an image ends as soon as it is broken."""

    stochastic: ClassVar[bool] = True

    epsilon: float = Field(gt=0, description="radius of the ball, in the attack's norm")
    steps: int = Field(100, ge=1, le=1_000_000, description="steps from one start")
    restarts: int = Field(
        1, ge=1, le=10_000, description="random starts, those of targeted-dlr for each target class"
    )

    @property
    def budget(self) -> float:
        return self.epsilon

    @property
    def runs(self) -> int:
        """The most ascents of one image."""
        return self.restarts

    @property
    def passes(self) -> Passes:
        """A start needs a gradient for each step, and a last look at where it ends."""
        return Passes(self.runs * (self.steps + 1), self.runs * self.steps)
