"""The hyper-parameters of DeepFool."""

from __future__ import annotations

from pydantic import Field

from harness.api import Passes, SteppedAttack


class Linearised(SteppedAttack):
    """An image ends as soon as it reaches its goal."""

    classes: int = Field(
        9, ge=1, description="the likeliest other classes whose boundaries are compared"
    )
    iterations: int = Field(50, ge=1, description="steps at most")
    overshoot: float = Field(
        0.02, ge=0, description="how much further than to the boundary, as a share of the way"
    )
    final_search: int = Field(
        0, ge=0, le=20, description="looks between the image and the result for a nearer success"
    )

    @property
    def passes(self) -> Passes:
        forwards = self.iterations + 1 + self.final_search
        return Passes(forwards, self.iterations * self.classes)
