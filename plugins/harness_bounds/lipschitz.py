"""A global bound: the margin over the Lipschitz constant that the layers' norms multiply to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from harness.api import (
    Goal,
    LeaderboardColumn,
    Measurement,
    MeasurementResult,
    ModelError,
    Passes,
    Probe,
    Subject,
)
from harness_bounds.region import NORMS, Norm


class Lipschitz(Measurement):
    """For each rival j the margin Z_c - Z_j over its Lipschitz constant; the smallest quotient.

    The constant is a product of operator norms along the network (Szegedy et al. 2014, section
    4.3), exact behind the last nonlinearity. It holds everywhere: no smaller perturbation changes
    the prediction; on deep networks it is far below any attack's.

    Numbers, for each norm: ``<norm>.score``, the limiting ``<norm>.class`` and its
    ``<norm>.constant``.
    """

    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    leaderboard_columns: ClassVar[Mapping[str, LeaderboardColumn]] = {
        f"{norm}.score": LeaderboardColumn(higher_is_more_robust=True, proved=True)
        for norm in NORMS
    }

    norms: tuple[Norm, ...] = Field(NORMS, min_length=1, description="the norms of the distortion")

    @property
    def scores(self) -> Mapping[str, str]:
        return {f"{norm}.score": "" for norm in self.norms}

    def passes(self, goal: Goal, classes: int) -> Passes:
        return Passes(0, 0)

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult:
        from harness_bounds.certificates import limits

        numbers: dict[str, float] = {}
        try:
            for norm in self.norms:
                score, rival, constant = limits(probe.graph(), subject, norm)
                numbers |= {f"{norm}.score": score, f"{norm}.class": rival}
                numbers[f"{norm}.constant"] = constant
        except ModelError as error:
            return MeasurementResult(problem=str(error))
        return MeasurementResult(numbers)
