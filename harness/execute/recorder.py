"""Where the work on a model puts its results: the writer itself, or the way to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from harness.api import CleanPrediction, Measured, Outcome
from harness.api.trial import Trial
from harness.store.artifacts import KeptRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlite_utils import Database


class Keeper(Protocol):
    """The part of `harness.store.artifacts.Artifacts` that a model's work needs."""

    def append(self, cell_key: str, images: NDArray[np.float32]) -> list[KeptRow]: ...

    def seal(self, cell_key: str) -> None: ...


class Recorder(Protocol):
    """The part of `harness.store.write.writer.Writer` that a model's work needs."""

    @property
    def db(self) -> Database: ...

    @property
    def artifacts(self) -> Keeper: ...

    def begin_attempt(self, cell_key: str, run: int, *, device: str, batch_size: int) -> int: ...

    def finish_attempt(
        self, attempt: int, *, status: str, seconds: float, halvings: int, error: str | None
    ) -> None: ...

    def record_trial(self, cell_key: str, trial: Trial) -> None: ...

    def write_clean(self, attempt: int, rows: Iterable[CleanPrediction]) -> None: ...

    def write_outcomes(
        self, attempt: int, rows: Iterable[Outcome], kept: Mapping[str, KeptRow]
    ) -> None: ...

    def write_measured(self, attempt: int, rows: Iterable[Measured]) -> None: ...

    def make_again(self, cell_key: str, images: Collection[str], run: int) -> None: ...
