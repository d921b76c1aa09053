"""A few threads that read a dataset's images ahead; one that hangs in a plugin is left behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

from harness.overdue import overseer

_Found = TypeVar("_Found")


class Hangs(Exception):
    """What was asked for did not come in time."""


class Readers(Generic[_Found]):
    """Calls ``read`` on threads that hold up no end of the process.

    Args:
        patience: seconds that a call may take once it is waited for; None: any number.
    """

    def __init__(
        self, read: Callable[..., _Found], count: int, patience: float | None, *, name: str
    ) -> None:
        self._read, self._patience, self._name = read, patience, name
        self._asked: queue.SimpleQueue[tuple[Future[_Found], tuple[object, ...]] | None]
        self._asked = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lost = 0
        for _ in range(count):
            self._start()

    def submit(self, *arguments: object) -> Future[_Found]:
        found: Future[_Found] = Future()
        self._asked.put((found, arguments))
        return found

    def result(self, future: Future[_Found]) -> _Found:
        """What was read; the time is nobody else's.

        Raises:
            Hangs: it takes too long. Exception: what ``read`` raised.
        """
        with overseer.aside():
            try:
                return future.result(self._patience)
            except TimeoutError:
                if future.done():
                    raise  # its own
        self._lost += 1
        self._start()  # in the place of the one that hangs
        raise Hangs

    def close(self) -> None:
        """End the threads: what has begun is waited for, but for what hangs."""
        with suppress(queue.Empty):
            while waiting := self._asked.get_nowait():
                waiting[0].cancel()
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join(self._patience if not self._lost else 0.1)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            future, arguments = asked
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._read(*arguments))
            except BaseException as error:
                future.set_exception(error)
