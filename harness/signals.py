"""The user's wish to stop: Ctrl-C, SIGTERM and SIGHUP, told apart from what a plugin raises.

A `KeyboardInterrupt` alone proves nothing: any plugin can raise one, or swallow the user's. What
counts is `asked`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: list[int] = []


def asked() -> bool:
    """Whether a signal has asked this process to stop."""
    return bool(_received)


def stop_if_asked() -> None:
    """Raise `KeyboardInterrupt` if a signal has asked for it, whoever swallowed the first one."""
    if _received:
        raise KeyboardInterrupt


@contextmanager
def handled() -> Iterator[None]:
    """Within the block each of `STOPPING` raises `KeyboardInterrupt`; for the main thread."""
    _received.clear()
    before = {number: signal.signal(number, _note) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
