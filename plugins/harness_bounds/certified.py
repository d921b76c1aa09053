"""A local bound: the largest ball on which linear relaxation proves the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

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
from harness_bounds.bounds import FINER, FINEST
from harness_bounds.region import NORMS, Norm


class Certified(Measurement):
    """The largest radius, by bisection, at which every rival's logit is proved to stay below.

    Of the network in exact arithmetic, on images in [0, 1]: relaxed from the back (CROWN, Zhang et
    al. 2018, arXiv 1811.00866), on ranges by intervals (as CROWN-IBP, Zhang et al. 2020, arXiv
    1906.06316) or by relaxation too. No attack can be below it.

    Numbers, for each norm: ``<norm>.score``; 0 where not even the smallest radius is certified.
    """

    goals: ClassVar[frozenset[Goal]] = frozenset(Goal)
    leaderboard_columns: ClassVar[Mapping[str, LeaderboardColumn]] = {
        f"{norm}.score": LeaderboardColumn(higher_is_more_robust=True, proved=True)
        for norm in NORMS
    }

    norms: tuple[Norm, ...] = Field(NORMS, min_length=1, description="the norms of the distortion")
    ranges: Literal["intervals", "relaxed"] = Field(
        "intervals", description="of what ReLUs take; relaxed is tighter, for tiny networks"
    )
    halvings: int = Field(
        40, ge=1, le=FINEST, description="of the whole pixel range, down to the smallest radius"
    )
    refinements: int = Field(6, ge=0, le=FINER, description="bisections between two halvings")

    @property
    def scores(self) -> Mapping[str, str]:
        return {f"{norm}.score": "" for norm in self.norms}

    def passes(self, goal: Goal, classes: int) -> Passes:
        return Passes(0, 0)

    def measure(self, probe: Probe, subject: Subject) -> MeasurementResult:
        from harness_bounds.certificates import Certificate

        numbers: dict[str, float] = {}
        refine = self.ranges == "relaxed"
        try:
            for norm in self.norms:
                certificate = Certificate.of(probe.graph(), subject, norm, refine=refine)
                radius = certificate.largest(self.halvings, self.refinements)
                numbers[f"{norm}.score"] = radius
        except ModelError as error:
            return MeasurementResult(problem=str(error))
        return MeasurementResult(numbers)
