"""The hyper-parameters that C&W and EAD share."""

from __future__ import annotations

from pydantic import Field

from harness.api import SteppedAttack

LARGEST_CONST = 1e10
"""The upper bound that the binary search over const starts with."""


class MinimumNorm(SteppedAttack):
    """Minimises const * f + distance, with a binary search over each image's const."""

    kappa: float = Field(0.0, ge=0, description="the margin of logits to reach (confidence)")
    learning_rate: float = Field(gt=0, description="the optimiser's step size")
    iterations: int = Field(
        1000, ge=1, le=1_000_000, description="iterations of one binary-search step"
    )
    search_steps: int = Field(9, ge=1, le=100, description="binary-search steps over const")
    initial_const: float = Field(
        0.01, gt=0, le=LARGEST_CONST, description="the first const; tenfold until a success"
    )
    abort_early: bool = Field(
        True,
        description="end an image's binary-search step when its loss has not fallen by 0.01% "
        "over max(10, iterations // 10) iterations",
    )

    @property
    def confidence(self) -> float:
        return self.kappa

    @property
    def check_interval(self) -> int | None:
        """The iterations between checks for an early abort, None where there are none."""
        interval = max(10, self.iterations // 10)
        return interval if self.abort_early and interval < self.iterations else None
