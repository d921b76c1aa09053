"""The largest divergence of predictions around an image (Yu et al. 2019, arXiv 1905.04270)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.api import (
    Goal,
    LeaderboardColumn,
    Measurement,
    MeasurementResult,
    Passes,
    Probe,
    Subject,
)
from harness_metrics.bounds import FAR, MANY


class Divergence(Measurement):
    """psi = 1 / max KL(P(x) || P(x + delta)) over an lp ball, by projected gradient ascent.

    Every restart begins at a random point (the gradient is 0 at the image), and the largest
    divergence of all points seen counts; so more steps or restarts never find less.

    The paper's abstract describes the largest divergence in a constrained range and its invariance.
    Everything else is unverified or our choice: the order of P and P', radius, steps,
    restarts, size of a step, the l2 ball, the clipping, and the normalisation.

    A model's score is the mean of log10 psi: psi itself spans twenty decades, because a
    saturated prediction hardly moves, and its mean would be that of one image.

    Numbers: ``psi``, ``log10_psi``, ``divergence`` (nats), ``restart`` and ``step`` of the best
    point, ``margin`` there (the true class's logit minus the largest other one), ``linf`` and
    ``l2`` of its distance.
    """

    stochastic: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    norm: Literal["linf", "l2"] = Field("linf", description="of the ball; l2 is not the paper's")
    epsilon: float = Field(0.1, gt=0, le=FAR, description="radius of the ball")
    steps: int = Field(20, ge=1, le=MANY, description="ascent steps of each restart")
    restarts: int = Field(2, ge=1, le=MANY, description="random starts")
    relative_step: float = Field(
        0.25, gt=0, le=2, description="the size of a step over epsilon, whatever their number"
    )
    clip: bool = Field(True, description="stay within the pixel range")
    logits: Literal["raw", "unit"] = Field(
        "raw", description="unit: each image's logits over their l2 norm, against rescaling"
    )

    leaderboard_columns: ClassVar[Mapping[str, LeaderboardColumn]] = {
        "log10_psi": LeaderboardColumn(higher_is_more_robust=True),
        # A score of earlier versions, whose results are shown as they were.
        "psi": LeaderboardColumn(higher_is_more_robust=True),
        "divergence": LeaderboardColumn(higher_is_more_robust=False, on=("leaderboard",)),
    }

    @property
    def scores(self) -> Mapping[str, str]:
        return {"log10_psi": "", "divergence": "nats"}

    @property
    def rows(self) -> int:
        return self.restarts

    def passes(self, goal: Goal, classes: int) -> Passes:
        climbing = self.restarts * self.steps
        return Passes(1 + climbing + self.restarts, climbing)

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult:
        (result,) = self.measure_together(probe, [subject])
        return result

    def measure_together(
        self, probe: Probe, subjects: Sequence[Subject]
    ) -> list[MeasurementResult]:
        from harness_metrics.ascent import Ascent, Ball, ascend

        ball = Ball(self.norm, self.epsilon, self.clip)
        unit = self.logits == "unit"
        ascent = Ascent(self.steps, self.restarts, self.relative_step, unit_logits=unit)
        return ascend(ball, ascent, probe, subjects)
