"""A plugin that makes no progress: a thread looks on, stops the plugin, or else ends the process.

Progress is a pass of the model or a finished image. What hangs in Python is stopped: `Overdue` is
raised in it. What hangs in C, or swallows that, cannot be stopped, and the process ends; whoever
gave it the work does the rest elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harness import signals

PATIENCE = 60.0
"""Seconds without progress that a plugin may take for each image of a call, by default."""
WITHOUT_IMAGES = 10
"""A call that is about no image, such as the loading of a model, may take so many times as long."""
GRACE = 5.0
"""Seconds, at most, after which what could not be stopped ends the process."""
ABSENT = 5.0
"""Where nobody could look for so long, the time says nothing: the process was stopped, or in C."""
EXIT = 4
"""Of a process that a plugin hangs in."""
MARK = "no progress for"
"""What is said of every plugin that was overdue."""

_OURS = str(Path(__file__).parent)


class Overdue(BaseException):
    """Raised within a plugin that makes no progress, and not meant for it."""


@dataclass(slots=True)
class _Call:
    """A call into a plugin, which may take ``seconds`` from one sign of progress to the next."""

    who: str
    seconds: float
    on_stuck: Callable[[str], None]
    thread: int
    passes: int
    since: float
    raised: float | None = None
    said: str = ""


class Overseer:
    """Looks on while plugins work, one call at a time, from a thread of its own.

    Attributes:
        passes: signs of progress so far; anybody may count one.
    """

    def __init__(self) -> None:
        self.passes = 0
        self._call: _Call | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked = 0.0

    def begin(self, who: str, seconds: float | None, on_stuck: Callable[[str], None]) -> None:
        """``who``, a plugin, is called in this thread; None: it may take its time.

        ``on_stuck`` is told, on the other thread, before the process ends.
        """
        self.end()
        if seconds is not None:
            now = time.monotonic()
            self._resume(_Call(who, seconds, on_stuck, threading.get_ident(), self.passes, now))

    def end(self) -> _Call | None:
        """It is over, and nothing will be raised any more."""
        found: _Call | None = None
        while True:
            try:
                with self._lock:
                    found, self._call = self._call or found, None
                    if found is not None and found.raised is not None:
                        _raise(found.thread, None)
                        found.raised = None
                return found
            except Overdue:  # it came just now
                continue

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within the block the time is not the plugin's."""
        call = self.end()
        try:
            yield
        finally:
            if call is not None:
                call.since = time.monotonic()
                self._resume(call)

    def _resume(self, call: _Call) -> None:
        with self._lock:
            self._call = call
        if self._thread is None or not self._thread.is_alive():  # as in a child that was forked
            self._looked = time.monotonic()
            self._thread = threading.Thread(target=self._look_on, name="overseer", daemon=True)
            self._thread.start()

    def _look_on(self) -> None:
        while True:
            with self._lock:
                call = self._call
                if stuck := call is not None and self._is_stuck(call):
                    self._call = None
            if stuck and call is not None:
                call.on_stuck(call.said)
                processes = sys.modules.get("multiprocessing")
                if processes is not None and processes.parent_process() is not None:
                    os._exit(EXIT)  # whoever started it says what is to be said
                signals.end(EXIT, f"error: {call.who} made {call.said}, and cannot be stopped")
            time.sleep(1.0 if call is None else min(1.0, call.seconds / 4))

    def _is_stuck(self, call: _Call) -> bool:
        """Whether it cannot be stopped; where it is overdue, that is tried first."""
        now = time.monotonic()
        absent, self._looked = now - self._looked, now
        if absent > ABSENT:
            call.since += absent
        if self.passes != call.passes:
            call.passes, call.since, call.raised = self.passes, now, None
        if now - call.since < call.seconds:
            return False
        if call.raised is None:  # once: what follows may be the harness's own work on it
            call.raised = now
            call.said = f"{MARK} {call.seconds:g} s{_place(call.thread)}"
            _raise(call.thread, call.said)
        return now - call.raised > min(GRACE, max(1.0, call.seconds))


overseer = Overseer()
"""Of this process."""


@contextmanager
def watched(
    who: str, seconds: float | None, on_stuck: Callable[[str], None] = lambda said: None
) -> Iterator[None]:
    """Around a call into ``who``, a plugin, which may take so long; None: as long as it likes.

    Within another one, the outer one's time stands still.
    """
    with overseer.aside():
        overseer.begin(who, seconds, on_stuck)
        try:
            yield
        finally:
            overseer.end()


def _raise(thread: int, said: str | None) -> None:
    """Raise `Overdue` in a thread as soon as it computes in Python; None: no longer."""
    error = said and type("Overdue", (Overdue,), {"__str__": lambda self: said})
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error else None
    )


def _place(thread: int) -> str:
    """Where a thread is: the plugin's function that was called, or else the innermost one."""
    innermost = frame = sys._current_frames().get(thread)
    called: FrameType | None = None
    while frame is not None and not _is_ours(frame):
        called, frame = frame, frame.f_back
    shown = called or innermost
    if shown is None:
        return ""
    code = shown.f_code
    return f" in {code.co_name} ({Path(code.co_filename).name}:{shown.f_lineno})"


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OURS)
