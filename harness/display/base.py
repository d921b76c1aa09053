"""What a run tells its display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from harness.api import ModelRow, RunFinished, RunStarted
from harness.store.workers import WorkerRow


class Display:
    """Shows how a run goes; a context manager that finishes itself. Called from one thread.

    What a display does not show it passes over.

    Texts come from plugins and files: no display interprets markup in them, or passes control
    characters on to the terminal.
    """

    wants_summary: ClassVar[bool] = False
    """Whether `ended` is to be called although nobody else asks for the summary."""

    def began(self, run: RunStarted) -> None:
        """A run is stored, and its work begins."""

    def start(self, *, cells: int, images: int) -> None:
        """Work begins: so many cells and image outcomes are pending."""

    def say(self, text: str) -> None:
        """Show one line that stays. Before `start` and after the last `advance` too."""

    def cell(self, label: str) -> None:
        """The work is now on the cell called ``label``."""

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        """So many more images and cells are done; so many image forward passes were made."""

    def completed(self, row: ModelRow) -> None:
        """All cells of a model are computed."""

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        """How the workers are; about every second."""

    def download(self, name: str, done: int, total: int | None) -> None:
        """So many bytes of ``name`` are here, of so many where that is known. Before `start`."""

    def ended(self, run: RunFinished) -> None:
        """The run is over, well or not, and all is said."""

    def finish(self) -> None:
        """The work is over, or was broken off. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.finish()
