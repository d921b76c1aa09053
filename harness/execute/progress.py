"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.store.workers import WorkerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A model's row of the leaderboard that a suite has by default.

    Attributes:
        top1: over all images of the run.
        success: of the attack on the ``attacked`` of ``images``; None where none were.
        norm: of the distortion; None under a fixed budget, where distortions say little.
        median: distortion with failures as infinite.
        complete: whether every image has a verdict.
    """

    model: str
    top1: float | None
    attack: str
    goal: str
    success: float | None
    norm: str | None
    median: float | None
    attacked: int
    images: int
    complete: bool


class Progress(Protocol):
    """Receives the events of a run; `harness.display` has the implementations."""

    def start(self, *, cells: int, images: int) -> None:
        """The pending work is known; once more where a run continues with its transfers."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def cell(self, label: str) -> None:
        """Now working on this."""

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        """So much more is done. Called at least every second while the engine works."""


class RunProgress(Progress, Protocol):
    """Receives what only the run as a whole knows, too."""

    def completed(self, row: ModelRow) -> None:
        """All cells of a model are computed."""

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        """How those who compute are; about every second."""
