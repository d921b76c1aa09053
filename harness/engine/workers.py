"""Other processes for work that needs no model, so that it is not in the device's way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from harness.api import Later, Reading

MOST = 8


class Workers:
    """A few processes, started with the first piece of work; a context manager.

    Attributes:
        count: how many pieces are worked on at a time.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or max(1, min(MOST, (os.cpu_count() or 1) // 2))
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, later: Later) -> Future[Reading]:
        """Start ``later``, or let it wait for a free process."""
        try:
            return self._started().submit(later.function, *later.arguments)
        except BrokenProcessPool:  # one was killed: its work is lost, the next one's need not be
            self.close()
            return self._started().submit(later.function, *later.arguments)

    def close(self) -> None:
        """End the processes; what has not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: a forked child would share the device and torch's threads.
            self._pool = ProcessPoolExecutor(
                self.count, mp_context=multiprocessing.get_context("spawn"), initializer=begin
            )
        return self._pool


def begin() -> None:
    """In a new process: Ctrl-C is the parent's affair, and without the parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
