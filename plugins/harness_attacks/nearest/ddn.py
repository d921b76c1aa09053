"""Decoupled direction and norm (Rony et al. 2019): parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from harness.api import Norm, Passes, Slots, SteppedAttack, Stepper


class DDN(SteppedAttack):
    """The smallest l2 distortion: steps along the gradient, each ending on a sphere.

    Rony et al. 2019, "Decoupling direction and norm for efficient gradient-based l2 adversarial
    attacks and defenses", Algorithm 1: the sphere's radius shrinks by gamma where the image is
    adversarial and grows by it where not. A gradient of zero is no direction: the authors' code
    draws one, here the image stays where it is.
    """

    norm: ClassVar[Norm] = Norm.L2
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"levels": 256}}

    steps: int = Field(100, ge=1, le=1_000_000, description="iterations; the last one only judges")
    initial_epsilon: float = Field(1.0, gt=0, description="the first radius")
    gamma: float = Field(0.05, gt=0, lt=1, description="by which share the radius moves")
    step_size: float = Field(1.0, gt=0, description="the first step size")
    final_step: float = Field(
        0.01, ge=0, le=1, description="the last step size over the first, by cosine annealing"
    )
    levels: int | None = Field(
        None, ge=2, description="round each iterate to so many values (none: no rounding)"
    )

    @property
    def passes(self) -> Passes:
        return Passes(self.steps, self.steps - 1)

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.nearest.ddn_stepper import DDNStepper

        return DDNStepper(
            slots,
            steps=self.steps,
            initial_epsilon=self.initial_epsilon,
            gamma=self.gamma,
            step_size=self.step_size,
            final_step=self.final_step,
            levels=self.levels,
        )
