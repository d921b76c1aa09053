"""What the measurements of lower bounds share: norms, columns, and networks without a bound."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

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

if TYPE_CHECKING:
    from torch import fx


class Bound(Measurement):
    """A proved lower bound of every adversarial image's distance, for each norm.

    It takes no pass: what is bounded is the network's graph.
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
        numbers: dict[str, float] = {}
        try:
            for norm in self.norms:
                found = self.bound(probe.graph(), subject, norm)
                numbers |= {f"{norm}.{name}": value for name, value in found.items()}
        except ModelError as error:
            return MeasurementResult(problem=str(error))
        return MeasurementResult(numbers)

    @abstractmethod
    def bound(self, graph: fx.GraphModule, subject: Subject, norm: Norm) -> Mapping[str, float]:
        """``score``, the bound in ``norm`` and pixel space, with what else is stored beside it.

        Raises:
            ModelError: the network has an operation that no bound is known of.
        """
