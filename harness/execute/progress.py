"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.api import ModelRow, RunStarted
from harness.store.workers import WorkerRow


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

    def began(self, run: RunStarted) -> None:
        """The run is stored, and its work begins."""

    def completed(self, row: ModelRow) -> None:
        """All cells of a model are computed."""

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        """How those who compute are; about every second."""
