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
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TextIO

if TYPE_CHECKING:
    from rich.console import Console

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what is not shown as it is: escapes, bidi marks, lone surrogates ..."""

SUSPECT = re.compile(r"[^\n\t -~]")


class _State:
    """Of this process: its stdout, where that is ours, what `give_away` kept, whose turn it is."""

    def __init__(self) -> None:
        self.ours: _Output | None = None
        self.out: _Output | None = None
        self.speaker = ""


_state = _State()


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

    Always with styles, unless NO_COLOR forbids them: `echo` removes them for files and pipes.
    """
    from rich.console import Console

    out = output()
    return Console(
        file=out,
        width=None if out.isatty() else 10_000,
        force_terminal=True,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
    )


def echo(text: str, *, err: bool = False, coloured: bool = False) -> None:
    """Print ``text`` and a newline; ``coloured``: it is `visible` already, and has our colours."""
    import click

    shown = text if coloured else visible(text)
    if err:
        with contextlib.suppress(BrokenPipeError):  # the work continues without a listener
            click.echo(shown, err=True)
    else:
        click.echo(shown, file=output())


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
def named(who: str) -> Iterator[None]:
    """As `speaking`, where stdout is given away; for long stretches, other threads' prints too."""
    before, _state.speaker = _state.speaker, f"{who}: "
    try:
        yield
    finally:
        if isinstance(sys.stdout, _Speech):
            sys.stdout.end()
        _state.speaker = before


class _Speech(io.TextIOBase):
    """A stdout whose lines are told on stderr, in the name of who speaks."""

    def __init__(self) -> None:
        self._line = ""

    encoding = "utf-8"

    @property
    def buffer(self) -> BinaryIO:
        return sys.stderr.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            echo(_state.speaker + line, err=True)
        return len(text)

    def flush(self) -> None:
        """A part of a line waits for the rest of it."""

    def end(self) -> None:
        """There is no rest."""
        if self._line:
            self.write("\n")


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in HARMFUL:
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
