"""What a run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the events of a run; `harness.display` has the implementations."""

    def start(self, *, cells: int, images: int) -> None:
        """The pending work is known; once more where a run goes on to its transfers (no cells)."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def cell(self, label: str) -> None:
        """Now working on this."""

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        """So much more is done. Called at least every second while the engine works."""
