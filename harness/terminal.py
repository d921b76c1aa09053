"""What the harness prints: data on stdout, messages on stderr, nothing that a terminal obeys.

Names and texts come from plugins, models and files. Control, format and unassigned characters in
them are shown as escapes, wherever they are printed. What plugins print themselves goes to stderr.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

if TYPE_CHECKING:
    from rich.console import Console

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what is not shown as it is: escapes, bidi marks, lone surrogates ..."""

SUSPECT = re.compile(r"[^\n\t -~]")


class _State:
    """Of this process: its stdout, where that is ours, what `give_away` kept, whose turn it is.

    ``events``: whether messages are JSON lines.
    """

    def __init__(self) -> None:
        self.ours: _Output | None = None
        self.out: TextIO | None = None
        self.speaker = ""
        self.events = False


_state = _State()
_voice = threading.local()
"""Of a thread that speaks in a name of its own."""


def visible(text: str) -> str:
    """``text`` with all but newlines and tabs made harmless: an escape becomes ``\\u001b``.

    JSON stays what it is: so it writes these characters itself.
    """
    return SUSPECT.sub(_shown, text)


def one_line(text: str) -> str:
    """As `visible`, on one line."""
    return " ".join(visible(text).split())


def output() -> TextIO:
    """The stdout for data."""
    return _state.out or sys.stdout


def console() -> Console:
    """Where data is laid out for `output`: a terminal's width, or as wide as it has to be.

    ``COLUMNS`` says how wide that is, for a file or a pipe too. Always with styles, unless NO_COLOR
    forbids them: `echo` removes them for files and pipes.
    """
    from rich.console import Console

    out = output()
    return Console(
        file=out,
        width=_columns() or (None if out.isatty() else 10_000),
        force_terminal=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
    )


def _columns() -> int | None:
    """The width that the environment gives, as other programs take it; None: none, or nonsense."""
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isdecimal() and int(given) else None


def echo(text: str, *, err: bool = False, coloured: bool = False) -> None:
    """Print ``text`` and a newline; ``coloured``: it is `visible` already, and has our colours."""
    import click

    shown = text if coloured else visible(text)
    if err:
        with contextlib.suppress(BrokenPipeError):  # the work continues without a listener
            click.echo(_event("say", text=text) if _state.events else shown, err=True)
    else:
        click.echo(shown, file=output())


def fail(text: str, code: int) -> None:
    """Print the one line of a command that ends with exit code ``code``."""
    import click

    if not _state.events:
        echo(f"error: {text}", err=True)
        return
    with contextlib.suppress(BrokenPipeError):
        click.echo(_event("error", exit_code=code, text=text), err=True)


@contextmanager
def events(*, wanted: bool) -> Iterator[None]:
    """Within the block messages on stderr are JSON lines, if that is ``wanted``."""
    before, _state.events = _state.events, wanted
    try:
        yield
    finally:
        _state.events = before


def _event(name: str, **facts: Any) -> str:
    import json

    return json.dumps({"event": name, **facts})


def begin() -> None:
    """The whole process is the harness's own: its stdout is `_Output`, which `give_away` keeps."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        before = sys.stdout
        _state.ours = sys.stdout = _Output(
            before.buffer, before.encoding, "backslashreplace", line_buffering=before.line_buffering
        )


def give_away() -> None:
    """Keep stdout for `echo`: what plugins write to it, in C too, goes to stderr from now on."""
    if _state.ours is None or _state.out is not None:
        return
    with contextlib.suppress(OSError):  # a closed descriptor cannot be written to by anybody
        own = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        _state.out = _Output(own, _state.ours.encoding, _state.ours.errors)
        to_stderr()


def to_stderr() -> None:
    """What is printed to `sys.stdout` goes to stderr from now on, in the name of `speaking`."""
    sys.stdout = speech = _Speech()
    atexit.register(speech.end)


class _Output(io.TextIOWrapper):
    """A stdout whose reader may go: `harness leaderboard | head` is done then, and that is fine."""

    def write(self, text: str) -> int:
        with self._read():
            return super().write(text)

    def flush(self) -> None:
        with self._read():
            super().flush()

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # for what is buffered
            raise SystemExit(0) from None


@contextmanager
def speaking(who: str) -> Iterator[None]:
    """What is printed to `sys.stdout` within the block goes to stderr, each line as ``who``'s."""
    speech, before = _Speech(), _state.speaker
    _state.speaker = f"{who}: "
    with contextlib.redirect_stdout(speech):
        try:
            yield
        finally:
            speech.end()
            _state.speaker = before


@contextmanager
def lent() -> Iterator[None]:
    """Within the block what is printed to `sys.stdout` is data, made harmless: a command's own."""
    before, _state.out = _state.out, output()
    try:
        with contextlib.redirect_stdout(_Data()):
            yield
    finally:
        _state.out = before


@contextmanager
def named(who: str) -> Iterator[None]:
    """As `speaking`, where stdout is given away; for long stretches, other threads' prints too."""
    before, _state.speaker = _state.speaker, f"{who}: "
    try:
        yield
    finally:
        if isinstance(sys.stdout, _Speech):
            sys.stdout.end()
        _state.speaker = before


@contextmanager
def as_speaker(who: str) -> Iterator[None]:
    """As `named`, for what this thread prints alone."""
    _voice.speaker = f"{who}: "
    try:
        yield
    finally:
        if isinstance(sys.stdout, _Speech):
            sys.stdout.end()
        del _voice.speaker


class _Data(io.TextIOBase):
    """A stdout for data of others: no terminal, so that nobody sends it colours."""

    encoding = "utf-8"
    errors = "backslashreplace"

    @property
    def buffer(self) -> BinaryIO:
        return output().buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return output().fileno()

    def write(self, text: str) -> int:
        output().write(visible(text))
        return len(text)

    def flush(self) -> None:
        output().flush()


class _Speech(io.TextIOBase):
    """A stdout whose lines are told on stderr, in the name of who speaks."""

    def __init__(self) -> None:
        self._lines = threading.local()  # threads print at the same time

    encoding = "utf-8"

    @property
    def buffer(self) -> BinaryIO:
        return sys.stderr.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        *lines, self._lines.last = (self._rest + text).split("\n")
        for line in lines:
            echo(getattr(_voice, "speaker", _state.speaker) + line, err=True)
        return len(text)

    def flush(self) -> None:
        """A part of a line waits for the rest of it."""

    @property
    def _rest(self) -> str:
        """What this thread has begun to say."""
        return getattr(self._lines, "last", "")

    def end(self) -> None:
        """There is no rest."""
        if self._rest:
            self.write("\n")


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in HARMFUL:
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
