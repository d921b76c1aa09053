"""Stored results as plugins read them: those of ``harness.results``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.api.measured import MeasuredImage
from harness.api.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api.transfers import Denominator

SortBy = Literal["frontier", "accuracy", "distortion", "success", "robust"]
AccuracyOf = Literal["measured", "published"]
ImagesOf = Literal["all", "common"]
PointsOf = Literal["returned", "best"]
"""Whose distances: of the candidates that attacks returned, or of the best point over every query.
"""


class StoredSuite(Protocol):
    """The results of a suite's runs, as tables.

    Every method raises `ConfigError` where there is no such attack, goal or model.
    """

    @property
    def name(self) -> str:
        """The suite's name."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its models."""

    @property
    def attacks(self) -> tuple[str, ...]:
        """The labels of its attacks."""

    def leaderboard(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        sort: SortBy | None = None,
        accuracy: AccuracyOf = "measured",
        images: ImagesOf = "all",
        frontier: str = "fitted",
        intervals: bool = False,
        at: str | float | None = None,
    ) -> Table:
        """One row per model, as ``harness leaderboard`` with the options of these names."""

    def joint(
        self,
        goal: str | None = None,
        *,
        accuracy: AccuracyOf = "measured",
        images: ImagesOf = "all",
        intervals: bool = False,
    ) -> Table:
        """One row per model under all metrics of robustness: ``harness leaderboard --joint``."""

    def outcomes(
        self, attack: str | None = None, goal: str | None = None, model: str | None = None
    ) -> Table:
        """One row per image, attack, goal and model: the view ``samples`` of the database."""

    def transfer(
        self,
        attack: str | None = None,
        goal: str | None = None,
        *,
        epsilon: float | None = None,
        k: int | None = None,
        denominator: Denominator = "paper",
    ) -> Table:
        """One row per pair of models, as ``harness transfer``."""

    def compare(
        self,
        first: str,
        second: str,
        attack: str | None = None,
        goal: str | None = None,
        *,
        at: str | float | None = None,
    ) -> Table:
        """Paired differences of two models with intervals, as ``harness compare``."""

    def findings(self) -> Table:
        """One row per claim of the installed plugins, as ``harness findings``."""

    def measured(self, *arrays: str) -> Sequence[MeasuredImage]:
        """The suite's valid measurements of images that stored all of ``arrays``, by image."""


class StoredResults(Protocol):
    """The results of a database."""

    @property
    def suites(self) -> tuple[str, ...]:
        """The names of the suites with runs, that of the latest run first."""

    def suite(self, name: str | None = None) -> StoredSuite:
        """The results of a suite, by default of the latest run's.

        Raises:
            ConfigError: there are no runs, or none of this suite.
        """

    def measured(self, *arrays: str) -> Sequence[MeasuredImage]:
        """The valid measurements of images, of all suites, that stored all of ``arrays``."""

    def arrays(self, image: MeasuredImage) -> Mapping[str, NDArray[np.float32]]:
        """The arrays that were stored of it, (n,) each."""

    def origin(self, image: MeasuredImage) -> Mapping[str, Any]:
        """Where it comes from, JSON-like: weights, parameters, numerics, passes, run, machine."""
