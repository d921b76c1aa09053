"""Work on one model: cut into shards one after the other, and their results stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress

from harness.analysis import doubts
from harness.engine.trial import IMAGES
from harness.engine.workers import TRIES
from harness.errors import StoreError
from harness.execute.attempts import Attempts
from harness.execute.events import Beat, Began, Event, Failed, Halved, Tried, Unusable
from harness.execute.session import Session
from harness.execute.shards import Shard
from harness.planning import Cell


class Turn(ABC):
    """What is left of the work on one model; each shard may need the results of the one before.

    Args:
        clean: the model's clean cell.
        next_model: whose turn comes next in the same worker.

    Attributes:
        model: its name.
        computed: images, or predictions of them, that were stored.
        failed: whether any of the work failed; ``reason``: where its workers did not survive it.
    """

    def __init__(self, session: Session, clean: Cell, next_model: str | None) -> None:
        self._session, self._clean_cell, self._next_model = session, clean, next_model
        self._attempts: Attempts | None = None
        self._losses = 0
        self.model = clean.model.name
        self.computed, self.failed = 0, False
        self.reason: str | None = None

    @abstractmethod
    def shard(self) -> Shard | None:
        """The next one; None: the work is over."""

    @abstractmethod
    def _begin(self, batch_size: int) -> Attempts:
        """The model is ready for the last shard."""

    @abstractmethod
    def _give_up(self, error: str) -> None:
        """The model cannot be used."""

    @abstractmethod
    def _store(self, event: Event, attempts: Attempts) -> None:
        """Store results.

        Raises:
            StoreError: the database is unusable.
        """

    @abstractmethod
    def _complete(self, attempts: Attempts) -> str:
        """The last shard is over; what its errors are shown with."""

    @abstractmethod
    def _recut(self, begun: Attempts | None, *, failed: str | None) -> None:
        """The last shard's worker died: what is left is the next one's, or has ``failed``."""

    def take(self, event: Event) -> None:
        """Store what the worker reports on the last shard.

        Raises:
            StoreError: the database is unusable.
        """
        match event:
            case Beat():
                self._session.progress.advance()
            case Tried():
                self._session.writer.record_trial(self._clean_cell.key, event.trial)
                self._doubt(doubts.of_trial(event.trial))
            case Began():
                self._attempts = self._begin(event.batch_size)
            case Unusable():
                self._give_up(event.error)
            case Halved():
                self._open.halved(event.batch_size)
            case Failed():
                self._open.fail(event.error)
            case _:
                self._store(event, self._open)

    def done(self) -> None:
        """The last shard is over."""
        attempts, self._attempts = self._attempts, None
        if attempts is None:
            return
        label = self._complete(attempts)
        attempts.finish()
        if attempts.error:
            self.failed = True
            self._session.progress.say(f"{label}: {attempts.error}")

    def lost(self, reason: str) -> None:
        """The last shard's worker died; the second time all that is left fails."""
        self._losses += 1
        final = self._losses == TRIES
        said = f"worker process died{' twice' if final else ''} ({reason})"
        attempts, self._attempts = self._attempts, None
        if attempts is not None:
            attempts.finish("failed" if final else "interrupted", said)
        if final:
            self.failed, self.reason = True, said
        else:
            self._session.progress.say(f"{self.model}: {said}; another one computes the rest")
        self._recut(attempts, failed=said if final else None)

    def broken_off(self, *, failed: bool) -> None:
        """The run ends within the last shard; ``failed``: by an error."""
        attempts, self._attempts = self._attempts, None
        if attempts is not None:
            with suppress(StoreError):  # what ends the run comes first
                attempts.finish("failed" if failed else "interrupted")

    @property
    def _open(self) -> Attempts:
        assert self._attempts is not None
        return self._attempts

    @property
    def _trial(self) -> tuple[str, ...]:
        """The images that the model is tried on."""
        return tuple(image.id for image in self._clean_cell.images[:IMAGES])

    def _doubt(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._session.progress.say(f"{self.model}: {line}")
