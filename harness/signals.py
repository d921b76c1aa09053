"""The user's wish to stop: Ctrl-C, SIGTERM and SIGHUP, told apart from what a plugin raises.

The first signal raises `KeyboardInterrupt`, so that what has begun ends in order; later ones change
nothing. A `KeyboardInterrupt` alone proves nothing: any plugin can raise one, or swallow the
user's. What counts is `asked`. A process that called `begin` is gone `GRACE` seconds after the
signal whatever hangs in it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 3.0
"""Seconds that an end in order may take; what still works then is broken off."""
LAST_ACTS = 1.0
"""Seconds for what `last_act` was given."""
EXIT = 130
MESSAGE = "interrupted; the same command resumes"


class _State:
    """Of this process; no dataclass, whose import takes longer than all of this file's others.

    Attributes:
        number: the first signal's.
        lost: whether somebody swallowed the interrupt who cannot pass it on.
        held: how many blocks of `held_back` are open, and whether one kept an interrupt back.
        ours: whether the whole process is the harness's own.
    """

    def __init__(self) -> None:
        self.number: signal.Signals | None = None
        self.lost = False
        self.held, self.kept = 0, False
        self.ours = False
        self.acts: list[Callable[[], object]] = []


_state = _State()
_ending = threading.Lock()


def asked() -> bool:
    """Whether a signal has asked this process to stop."""
    return _state.number is not None


def stop_if_asked() -> None:
    """Raise `KeyboardInterrupt` if a signal has asked for it, whoever swallowed the first one."""
    if asked():
        raise KeyboardInterrupt


@contextmanager
def handled() -> Iterator[None]:
    """Within the block each of `STOPPING` raises `KeyboardInterrupt`; for the main thread.

    Where the whole process is the harness's own, they do so all the time.
    """
    if _state.ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.number, _state.lost = None, False
    before = _listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """For what must not be broken off halfway and takes no time: the interrupt comes afterwards."""
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
        if _state.kept and not _state.held:
            _state.kept = False
            raise KeyboardInterrupt


@contextmanager
def last_act(act: Callable[[], object]) -> Iterator[None]:
    """Within the block ``act`` is done, on any thread, if the process must `end` on the spot."""
    _state.acts.append(act)
    try:
        yield
    finally:
        _state.acts.remove(act)


def begin() -> None:
    """Answer the signals of this process from now on; a second call does nothing."""
    if _state.ours or threading.current_thread() is not threading.main_thread():
        return
    _state.ours = True
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python's own handler waits for the main thread, which may be busy in C.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()
    sys.unraisablehook = _unraisable
    _listen()


def end(code: int = EXIT, message: str = MESSAGE) -> NoReturn:
    """End this process on the spot, as interrupted: last acts, then no child is left."""
    if not _ending.acquire(blocking=False):
        time.sleep(60)  # another thread is at it
    for act in reversed(_state.acts):
        thread = threading.Thread(target=_quietly, args=(act,), daemon=True)
        thread.start()
        thread.join(LAST_ACTS)
    with suppress(OSError):
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""
        os.write(2, f"{show_cursor}{message}\n".encode())
    _exit(code)


def leave(code: int) -> NoReturn:
    """End this process, whose work is over, with ``code``."""
    for number in STOPPING:
        signal.signal(number, lambda *_: os._exit(code))
    if asked():  # whatever still runs on other threads was broken off
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        _exit(code)
    sys.exit(code)


def _listen() -> dict[signal.Signals, signal._HANDLER]:
    """Install the handler; returns those before. What `nohup` and shells ignore stays ignored."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    heard = {n: handler for n, handler in before.items() if handler is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, _note)
    return heard


def _note(number: int, frame: FrameType | None) -> None:
    if _state.number is None:
        _state.number = signal.Signals(number)
    elif not _state.lost:
        return
    _state.lost = False
    if _state.ours and _importing(frame):
        end()  # extension modules print or swallow what interrupts their start
    if _state.held:
        _state.kept = True
    else:
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _watch(reader: int) -> None:
    """On a thread of its own: the grace, from the first signal to the end."""
    while os.read(reader, 1)[0] not in STOPPING:
        pass
    over = time.monotonic() + GRACE
    while time.monotonic() < over:
        time.sleep(0.05)
        if _state.lost and _state.number is not None and (main := threading.main_thread().ident):
            signal.pthread_kill(main, _state.number)
    end()


def _unraisable(raised: UnraisableHookArgs, /) -> None:
    """An interrupt that hit a destructor or a callback is raised again, not printed."""
    if asked() and isinstance(raised.exc_value, KeyboardInterrupt):
        _state.lost = True
    else:
        sys.__unraisablehook__(raised)


def _quietly(act: Callable[[], object]) -> None:
    with suppress(BaseException):
        act()


def _exit(code: int) -> NoReturn:
    """Without waiting for anyone; children first, whose own children end with them."""
    if processes := sys.modules.get("multiprocessing"):
        for child in processes.active_children():
            with suppress(Exception):
                child.kill()
    os._exit(code)
