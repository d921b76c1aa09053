"""A process of ours that works for this one: it hears no signal and never outlives it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize

from harness.signals import STOPPING
from harness.terminal import to_stderr

PR_SET_PDEATHSIG = 1
GONE = 1.0
"""Seconds to wait for the end of a process that was killed."""


class Child:
    """``target(connection)`` in a process of its own, started at once.

    Args:
        environment: variables that the process has beside ours.

    Attributes:
        connection: our end of the pipe; it is at its end when the process is.
    """

    def __init__(
        self,
        target: Callable[[Connection], None],
        *,
        name: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        # Not forked: a forked child would share the device and torch's threads.
        context = multiprocessing.get_context("spawn")
        self.connection, its = context.Pipe()
        # Arguments go through the connection: large ones here would block for ever if it died.
        # The target is packed: what it imports takes long, and our end must be its end before.
        self._process = context.Process(target=_begin, args=(pickle.dumps(target), its), name=name)
        with _signals_blocked(), _variables(environment or {}):
            self._process.start()
        # Else the interpreter would wait for it at its own end, whoever forgot to kill it.
        self._at_exit = Finalize(None, self._process.kill, exitpriority=0)
        its.close()  # so that the end of the process is the end of the pipe

    def end(self) -> None:
        """Kill it, if it has not ended, from any thread."""
        self._at_exit.cancel()
        self._process.kill()

    def kill(self) -> str:
        """As `end`, and wait for it; says how it ended."""
        self.end()
        self._process.join(GONE)
        code = self.exit_code
        if code is None or code >= 0:
            return f"exit code {code}"
        return f"killed by {signal.Signals(-code).name}"

    @property
    def exit_code(self) -> int | None:
        """The negative number of a signal, where one ended it; None: it has not ended."""
        return self._process.exitcode


_starting = threading.Lock()


@contextmanager
def _variables(added: Mapping[str, str]) -> Iterator[None]:
    """A process that is started inside has these variables from its first instruction on.

    It may import torch before any code of ours runs: the main module of a script is imported again.
    """
    with _starting:
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A process that is started inside inherits it: Ctrl-C, which goes to all, is the parent's."""
    resource_tracker.ensure_running()  # it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(packed: bytes, connection: Connection) -> None:
    _end_with_parent()
    to_stderr()
    target: Callable[[Connection], None] = pickle.loads(packed)
    target(connection)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":  # also where a plugin never lets the other thread run
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:
            os._exit(1)

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
