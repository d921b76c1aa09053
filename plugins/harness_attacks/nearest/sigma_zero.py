"""Sigma-zero (Cina et al. 2025): parameters."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from harness.api import Norm, Passes, Slots, SteppedAttack, Stepper


class SigmaZero(SteppedAttack):
    """The fewest changed values: a smooth count of them is minimised along with the margin.

    Cina et al. 2025 (ICLR), arXiv 2402.01879, Algorithm 1, with Adam as in their code: the loss is
    max(-margin, 0) plus the mean of d^2 / (d^2 + sigma) over the perturbation d, its gradient is
    divided by its linf norm, and values below tau are set to 0. Tau rises while the image is
    adversarial and falls while it is not.
    """

    norm: ClassVar[Norm] = Norm.L0

    steps: int = Field(1000, ge=1, le=1_000_000, description="iterations; the last one only judges")
    step_size: float = Field(1.0, gt=0, description="Adam's first step size, eta")
    final_step: float = Field(
        0.1, ge=0, le=1, description="the last step size over the first, by cosine annealing"
    )
    sigma: float = Field(1e-3, gt=0, description="how smooth the count is: small is sharp")
    threshold: float = Field(0.3, ge=0, le=1, description="the first tau")
    threshold_step: float = Field(
        0.01, ge=0, description="by which share of the step size tau moves"
    )

    @property
    def passes(self) -> Passes:
        return Passes(self.steps, self.steps - 1)

    def stepper(self, slots: Slots) -> Stepper:
        from harness_attacks.nearest.sigma_zero_stepper import SigmaZeroStepper

        return SigmaZeroStepper(
            slots,
            steps=self.steps,
            step_size=self.step_size,
            final_step=self.final_step,
            sigma=self.sigma,
            threshold=self.threshold,
            threshold_step=self.threshold_step,
        )
