"""A task group: work on one model that workers do in leases, and whose results are stored here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from harness.analysis import indicators
from harness.api import Call
from harness.api.trial import ModelTrial
from harness.engine.trial import IMAGES
from harness.errors import StoreError
from harness.execute.driver.attempts import Attempts
from harness.execute.driver.scheduler import Item, Lease, Queue
from harness.execute.events import Beat, Began, Event, Failed, Halved, Tried, Unusable
from harness.execute.session import Session
from harness.execute.shards import Shard
from harness.planning import Cell

WHILE_LOADING, AT_WORK = 3, 8
"""Workers that a group may cost, one after the other and with nothing stored, before it fails."""


class TaskGroup(ABC):
    """Work on one model: its clean predictions, an attack with its goals, a measurement, or what
    was made for other models.

    Args:
        clean: the model's clean cell.

    Attributes:
        queue: its items; the scheduler leases them out.
        model: its name.
        computed: images, or predictions of them, that were stored.
        failed: whether any of the work failed; ``reason``: where its workers did not survive it.
    """

    def __init__(self, session: Session, clean: Cell, queue: Queue) -> None:
        self._session, self._clean_cell, self.queue = session, clean, queue
        self._attempts: dict[int, Attempts] = {}
        self._out: set[int] = set()
        self.reason: str | None = None
        self._closed = False
        self._losses = 0
        self.model = clean.model.name
        self.computed, self.failed = 0, False

    @property
    @abstractmethod
    def label(self) -> str:
        """For people."""

    @property
    def task(self) -> str:
        """What is done on the model, for people."""
        return self.label.removeprefix(self.model).lstrip(": ")

    @abstractmethod
    def _shard(self, lease: Lease) -> Shard:
        """What the worker has to know."""

    @abstractmethod
    def _begin(self, lease: Lease, *, device: str, batch_size: int) -> Attempts:
        """A worker is ready for its first lease of this group."""

    @abstractmethod
    def give_up(self, error: str) -> None:
        """The model cannot be used."""

    @abstractmethod
    def fail(self, why: str) -> None:
        """Nothing more is computed in this group."""

    @abstractmethod
    def _store(self, lease: Lease, event: Event, attempts: Attempts) -> Sequence[Item]:
        """Store results; the items of the lease that are done with.

        Raises:
            StoreError: the database is unusable.
        """

    @abstractmethod
    def suspects(self, call: Call | None) -> Collection[Item] | None:
        """The items that a worker may have died at, in this call; None: any of its lease."""

    @abstractmethod
    def blame(self, item: Item, why: str) -> Sequence[Item]:
        """A worker died at this item, and at nothing else; what is to be tried again, each alone.

        Nothing, where it has cost too many: that is its result.
        """

    @abstractmethod
    def _close(self) -> None:
        """No work is left, and no worker is at it; `_finish` is called at the right moment."""

    def shard(self, lease: Lease) -> Shard:
        """Work for a worker, which is at it from now on."""
        self._out.add(lease.worker)
        return self._shard(lease)

    def take(self, lease: Lease, event: Event, device: str) -> Sequence[Item]:
        """Store what a worker reports; the items of the lease that are done with.

        Raises:
            StoreError: the database is unusable.
        """
        match event:
            case Beat():
                self._session.progress.advance()
            case Tried():
                self._tried(event.trial)
            case Began():
                if lease.worker not in self._attempts:
                    begun = self._begin(lease, device=device, batch_size=event.batch_size)
                    self._attempts[lease.worker] = begun
                self._attempts[lease.worker].resume()
            case Unusable():
                self.give_up(event.error)
            case Halved():
                self._attempts[lease.worker].halved(event.batch_size)
            case Failed():
                self._attempts[lease.worker].fail(event.error)
            case _:
                self._losses = 0
                return self._store(lease, event, self._attempts[lease.worker])
        return ()

    def done(self, lease: Lease) -> None:
        """A worker's lease is over."""
        self._out.discard(lease.worker)
        if attempts := self._attempts.get(lease.worker):
            attempts.pause()
            self._complain(attempts)

    def lost(self, lease: Lease, why: str) -> None:
        """A worker died; after too many in which nothing was stored, all that is left fails."""
        self._out.discard(lease.worker)
        self._losses += 1
        attempts = self._attempts.pop(lease.worker, None)
        if attempts:
            self._complain(attempts)
            attempts.finish("interrupted", f"worker process died ({why})")
        if self._losses >= (AT_WORK if attempts else WHILE_LOADING):
            self.reason = f"worker process died {self._losses} times in a row ({why})"
            if attempts is None:
                self.give_up(self.reason)
            else:
                self.fail(self.reason)
        else:
            said = f"{self.label}: worker process died ({why}); another one does the rest"
            self._session.progress.say(said)

    def close_if_over(self) -> None:
        """Where no work is left and no worker is at it, nothing more will be."""
        if self._closed or self._out or self.queue.is_ready or self.queue.expected:
            return
        self._closed = True
        self._close()

    def broken_off(self, *, failed: bool) -> None:
        """The run ends before the work does; ``failed``: by an error."""
        attempts, self._attempts = self._attempts, {}
        for each in attempts.values():
            with suppress(StoreError):  # what ends the run comes first
                if each.working:
                    each.finish("failed" if failed else "interrupted")
                else:
                    each.finish()

    def _finish(self) -> None:
        """Close the attempts."""
        for attempts in self._attempts.values():
            self._complain(attempts)
            attempts.finish()
        self._attempts.clear()

    def _complain(self, attempts: Attempts) -> None:
        """Say the first thing that went wrong in the attempts, once."""
        if attempts.error:
            self.failed = True
            if error := attempts.complaint():
                self._session.progress.say(f"{self.label}: {error}")

    def _tried(self, trial: ModelTrial) -> None:
        if self.model not in self._session.tried:
            self._session.tried.add(self.model)
            self._session.writer.record_trial(self._clean_cell.key, trial)
            self._doubt(each.says for each in indicators.of_trial(self.model, trial))

    @property
    def _trial(self) -> tuple[str, ...]:
        """The images that the model is tried on."""
        return tuple(image.id for image in self._clean_cell.images[:IMAGES])

    def _doubt(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._session.progress.say(f"{self.model}: {line}")
