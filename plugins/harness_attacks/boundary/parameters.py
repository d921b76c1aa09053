"""The hyper-parameters that FAB has in every norm."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Passes, SteppedAttack
from harness_attacks.orders import Candidates, Order

FINAL_STEPS = 3
"""Of the search between the image and the best found, the paper's number."""


class AdaptiveBoundary(SteppedAttack):
    """Steps to the linearised boundary, drawn towards the image (Croce & Hein 2020)."""

    stochastic: ClassVar[bool] = True

    variant: Literal["fab", "fab-t"] = Field(
        "fab",
        description="untargeted goals: step to the nearest of the rivals' boundaries, or pursue "
        "one class after the other (FAB-T, one gradient a step)",
    )
    classes: int = Field(
        9, ge=1, description="rival classes: gradients of a step, or the targets of FAB-T"
    )
    targets: Order = "malt"
    candidates: Candidates = 100
    iterations: int = Field(100, ge=1, description="steps of a run")
    restarts: int = Field(
        1, ge=1, description="runs, of FAB-T for each class; all but the first start at random"
    )
    epsilon: float | None = Field(
        None, gt=0, description="a fixed budget: images end as soon as they are broken within it"
    )
    alpha_max: float = Field(0.1, ge=0, le=1, description="the largest pull towards the image")
    eta: float = Field(1.05, ge=1, description="how far a step goes, in steps to the boundary")
    beta: float = Field(
        0.9, gt=0, lt=1, description="where to go on after a success, from the image to it"
    )

    @property
    def budget(self) -> float | None:
        return self.epsilon

    @property
    def passes(self) -> Passes:
        if self.variant == "fab":
            rounds = self.restarts * self.iterations
            return Passes(rounds + self.restarts + FINAL_STEPS, rounds * self.classes)
        runs = self.restarts * self.classes
        ranked = max(self.candidates, self.classes) if self.targets == "malt" else 0
        return Passes(
            1 + runs * (self.iterations + 1) + FINAL_STEPS, ranked + runs * self.iterations
        )
