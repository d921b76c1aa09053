"""How long plugins may go without progress, and the watch that keeps an eye on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness import overdue
from harness.overdue import WITHOUT_IMAGES, overseer
from harness.plugins import is_bundled


def patience(asked: float | None, *origins: str) -> float | None:
    """Seconds without progress for each image of a call; None: any number.

    Args:
        asked: what ``--image-timeout`` says; None: nothing, and bundled plugins may take their
            time.
        origins: the ``distribution:plugin`` of those that are at work.
    """
    if asked is None:
        return None if all(map(is_bundled, origins)) else overdue.PATIENCE
    return asked or None


class Told(Protocol):
    """What is told of calls: see `harness.api.Watch`."""

    def call(self, what: str, images: Sequence[tuple[str, str]] = ()) -> None: ...

    def idle(self) -> None: ...


class PatientWatch:
    """Passes on what it is told, and looks on meanwhile.

    Attributes:
        patience: what the plugins at work may take for each image of a call.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self.patience: float | None = None

    def call(self, what: str, images: Sequence[tuple[str, str]] = ()) -> None:
        self._told.call(what, images)

        def on_stuck(said: str) -> None:
            self._told.call(f"{what}, which made {said}", images)

        overseer.begin(what, _limit(self.patience, len(images)), on_stuck)

    def idle(self) -> None:
        overseer.end()
        self._told.idle()


def _limit(patience: float | None, images: int) -> float | None:
    return None if patience is None else patience * (images or WITHOUT_IMAGES)
